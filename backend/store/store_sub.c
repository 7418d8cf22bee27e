/* Restrictions on recipients and attachments of a row (MS-OXCDATA 2.12.12). */

#include "store_message_int.h"
#include "mapi/mapi_restriction.h"

typedef struct {
    store_conn_t  *conn;
    ph_pool_t     *pool;
    store_pack_t   pack;
} sub_row_t;

static ph_int_t
sub_get(void *data, uint32_t tag, mapi_value_t *value_r)
{
    uint64_t        size;
    sub_row_t      *row = data;
    store_packed_t  v;

    store_try(store_pack_find(&row->pack, MAPI_ID(tag), row->pool, &v));
    if (!store_type_same(MAPI_TYPE(tag), MAPI_TYPE(v.v.tag))) {
        return PH_NOTFOUND;
    }
    *value_r = v.v;

    if (v.external) {
        if (!store_is_string(MAPI_TYPE(v.v.tag))
            && MAPI_TYPE(v.v.tag) != PT_BINARY)
        {
            return PH_NOTFOUND;
        }
        return store_content_read(row->conn, v.content, SIZE_MAX, row->pool,
                                  &value_r->u.bin, &size);
    }

    return PH_OK;
}

ph_int_t
store_sub_match(store_conn_t *conn, uint32_t tag, ph_str_t recipients,
    ph_str_t attachments, ph_pool_t *pool, const mapi_restriction_t *r,
    bool *match_r)
{
    bool               attach;
    ph_int_t           rc;
    ph_str_t           raw;
    sub_row_t          row;
    mapi_eval_t        e;
    store_pack_rows_t  rows;

    *match_r = false;
    attach = MAPI_ID(tag) == MAPI_ID(PR_MESSAGE_ATTACHMENTS);
    if (!attach && MAPI_ID(tag) != MAPI_ID(PR_MESSAGE_RECIPIENTS)) {
        return PH_OK;
    }
    raw = attach ? attachments : recipients;
    if (raw.len == 0) {
        return PH_OK;
    }

    row.conn = conn;
    row.pool = pool;
    e.get = sub_get;
    e.sub = NULL;
    e.data = &row;

    store_try(store_pack_rows(raw, attach, &rows));
    while ((rc = store_pack_next(&rows)) == PH_OK) {
        store_try(store_pack_open(rows.props, &row.pack));
        store_try(mapi_restriction_eval(r, &e, match_r));
        if (*match_r) {
            return PH_OK;
        }
    }

    return rc == PH_DONE ? PH_OK : rc;
}
