/* Folders and messages as text, for administrators. */

#include "store_int.h"
#include "lib/ph_str.h"

#define DUMP_TEXT_MAX   (16u << 20)
#define DUMP_VALUE_MAX  4096          /* longer values are only named */

static void
dump_time(ph_wbuf_t *b, const char *name, uint64_t time)
{
    ph_put_fmt(b, "%s: %" PRIu64 "\n", name, time);
}

static ph_int_t
dump_folder(store_conn_t *conn, uint64_t fid, ph_pool_t *pool, ph_wbuf_t *b)
{
    mapi_tags_t     tags;
    mapi_values_t   values;
    store_folder_t  f;

    store_try(store_folder_find(conn, pool, fid, &f));

    ph_put_fmt(b, "folder: %" PRIu64 "\nparent: %" PRIu64 "\nname: %s\n"
               "type: %u\ndeleted: %d\ncn: %" PRIu64 "\nhier_cn: %" PRIu64 "\n"
               "total: %u\nunread: %u\nassociated: %u\ndeleted_total: %u\n"
               "deleted_associated: %u\nsize: %" PRIu64 "\n"
               "associated_size: %" PRIu64 "\ndeleted_size: %" PRIu64 "\n"
               "content_version: %" PRIu64 "\n",
               f.id, f.parent, ph_log_str(f.name), f.type, f.deleted, f.cn,
               f.hier_cn, f.total, f.unread, f.associated, f.deleted_total,
               f.deleted_associated, f.size, f.associated_size,
               f.deleted_size, f.content_version);

    store_try(store_folder_tags(conn, fid, pool, &tags));
    store_try(store_folder_get(conn, fid, &tags, DUMP_VALUE_MAX, pool,
                               &values));
    ph_put_fmt(b, "properties: ");
    mapi_values_dump(b, &values);
    ph_put_fmt(b, "\n");

    return PH_OK;
}

/* A message and what is embedded in it; depth ends at MAPI_MAX_EMBEDDING. */
static ph_int_t
dump_message(store_conn_t *conn, store_message_t *msg, ph_pool_t *pool,
    ph_wbuf_t *b, unsigned depth)
{
    uint32_t                 i, n, *nums;
    ph_int_t                 rc;
    mapi_tags_t              tags;
    mapi_values_t            values;
    store_attach_t          *att;
    store_message_t         *sub;
    const mapi_recipient_t  *rows;

    store_try(store_message_tags(msg, pool, &tags));
    store_try(store_message_get(conn, msg, &tags, DUMP_VALUE_MAX, pool,
                                &values));
    ph_put_fmt(b, "properties: ");
    mapi_values_dump(b, &values);
    ph_put_fmt(b, "\n");

    n = store_message_recipient_count(msg);
    rows = store_message_recipients(msg);
    for (i = 0; i < n; i++) {
        ph_put_fmt(b, "recipient %u: ", rows[i].row_id);
        mapi_values_dump(b, &rows[i].props);
        ph_put_fmt(b, "\n");
    }

    store_try(store_message_attachments(msg, pool, &n, &nums));
    for (i = 0; i < n; i++) {
        store_try(store_attach_open(msg, nums[i], &att));
        rc = store_attach_tags(att, pool, &tags);
        if (rc == PH_OK) {
            rc = store_attach_get(conn, att, &tags, DUMP_VALUE_MAX, pool,
                                  &values);
        }
        if (rc == PH_OK) {
            ph_put_fmt(b, "attachment %u: ", nums[i]);
            mapi_values_dump(b, &values);
            ph_put_fmt(b, "\n");

            if (depth < MAPI_MAX_EMBEDDING) {
                rc = store_embedded_open(conn, att, false, NULL, &sub);
                if (rc == PH_OK) {
                    ph_put_fmt(b, "embedded in attachment %u:\n", nums[i]);
                    rc = dump_message(conn, sub, pool, b, depth + 1);
                    store_message_close(&sub);
                } else if (rc == PH_NOTFOUND) {
                    rc = PH_OK;
                }
            }
        }
        store_attach_close(&att);
        store_try(rc);
    }

    return PH_OK;
}

ph_int_t
store_dump(store_conn_t *conn, uint64_t fid, uint64_t mid, ph_pool_t *pool,
    ph_str_t *text_r)
{
    ph_int_t                     rc;
    ph_wbuf_t                    b;
    store_message_t             *msg;
    const store_message_fact_t  *f;

    ph_wbuf_init(&b, pool, DUMP_TEXT_MAX);

    if (mid == 0) {
        rc = dump_folder(conn, fid, pool, &b);

    } else {
        store_try(store_message_open(conn, fid, mid, STORE_OPEN_DELETED,
                                     &msg));
        f = store_message_fact(msg);
        ph_put_fmt(&b, "message: %" PRIu64 "\nfolder: %" PRIu64 "\n"
                   "cn: %" PRIu64 "\nread_cn: %" PRIu64 "\n"
                   "size: %" PRIu64 "\nflags: 0x%X\nassociated: %d\n"
                   "deleted: %d\n", f->id, f->folder, f->cn, f->read_cn,
                   f->size, f->flags, f->associated, f->deleted);
        dump_time(&b, "received", f->received);
        rc = dump_message(conn, msg, pool, &b, 0);
        store_message_close(&msg);
    }

    if (rc == PH_OK && b.error) {
        rc = PH_TOOBIG;
    }
    *text_r = ph_wbuf_str(&b);

    return rc;
}
