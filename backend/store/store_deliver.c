/* Delivery: once for each delivery id; the bytes as received are kept. */

#include "store_message_int.h"
#include "lib/ph_str.h"

static ph_int_t
store_delivery_find(store_conn_t *conn, ph_str_t id, uint64_t *mid_r,
    uint64_t *fid_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_DELIVERY_FIND, &s, "z", id));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *mid_r = store_col_u64(s, 0);
        *fid_r = store_col_u64(s, 1);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

static ph_int_t
store_deliver_fill(store_conn_t *conn, const store_delivery_t *d,
    store_message_t *msg)
{
    uint64_t  received;

    store_try(store_message_import(conn, msg, d->message));

    /* what the sender claims about the state is nothing: it is new mail */
    msg->fact.flags &= MSGFLAG_FROMME | 0xB000;
    msg->fact.flags |= MSGFLAG_UNMODIFIED;
    msg->fact.read = false;
    msg->mtime_set = false;

    received = d->received ? d->received : store_now(conn);
    store_try(store_bag_set_time(&msg->data.bag, PR_MESSAGE_DELIVERY_TIME,
                                 received));
    if (store_bag_find(&msg->data.bag, PR_CLIENT_SUBMIT_TIME) == NULL) {
        store_try(store_bag_set_time(&msg->data.bag, PR_CLIENT_SUBMIT_TIME,
                                     received));
    }
    if (d->raw.len) {
        store_try(store_content_put(conn, d->raw, &msg->new_raw));
    }

    return PH_OK;
}

ph_int_t
store_deliver(store_conn_t *conn, const store_delivery_t *d, uint64_t *mid_r,
    uint64_t *fid_r, bool *duplicate_r, bool *quota_r)
{
    unsigned          flags;
    uint64_t          fid;
    ph_int_t          rc;
    ph_str_t          id;
    store_message_t  *msg;

    *duplicate_r = false;
    if (quota_r) {
        *quota_r = false;
    }
    store_try(store_need_write(conn));

    id = ph_str_null;
    if (d->id) {
        id = (ph_str_t) { 32, d->id };
        rc = store_delivery_find(conn, id, mid_r, fid_r);
        if (rc != PH_NOTFOUND) {
            *duplicate_r = rc == PH_OK;
            return rc;
        }
    }

    fid = d->folder ? d->folder : STORE_INBOX;
    store_try(store_message_create(conn, fid, false, 0, NULL, &msg));

    rc = store_deliver_fill(conn, d, msg);
    if (rc == PH_OK) {
        flags = d->appended ? 0 : STORE_SAVE_DELIVER;
        if (d->no_quota) {
            flags |= STORE_SAVE_NO_QUOTA;
        }
        rc = store_message_save(conn, msg, flags, NULL, quota_r);
    }
    if (rc == PH_OK && d->id) {
        rc = store_exec(conn, SQL_DELIVERY_ADD, "zuuu", id, msg->fact.id, fid,
                        store_now(conn));
    }
    if (rc == PH_OK) {
        *mid_r = msg->fact.id;
        *fid_r = fid;
    }
    store_message_close(&msg);

    return rc;
}

ph_int_t
store_delivery_ack(store_conn_t *conn, uint32_t n, const uint8_t (*ids)[32])
{
    uint32_t  i;

    store_try(store_need_write(conn));
    for (i = 0; i < n; i++) {
        store_try(store_exec(conn, SQL_DELIVERY_DEL, "z",
                             ((ph_str_t) { 32, ids[i] })));
    }

    return PH_OK;
}

ph_int_t
store_message_set_raw(store_conn_t *conn, uint64_t mid, ph_str_t raw)
{
    uint64_t       content, old;
    ph_int_t       rc;
    store_mrow_t   row;
    sqlite3_stmt  *s;

    store_try(store_need_write(conn));
    store_try(store_q(conn, SQL_MESSAGE_FACT, &s, "u", mid));
    rc = store_step(conn, s);
    old = 0;
    if (rc == PH_OK) {
        store_mrow(s, &row);
        old = row.raw;
    }
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    store_try(store_content_put(conn, raw, &content));
    store_try(store_exec(conn, SQL_MESSAGE_RAW_SET, "uu", content, mid));
    store_try(store_content_ref_add(conn, mid, content));

    return old && old != content ? store_content_ref_del(conn, mid, old)
                                 : PH_OK;
}
