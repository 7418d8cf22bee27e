/* Read state, status and the server's message flags. */

#include "store_search_int.h"
#include "store_viewer.h"

#define RF_SUPPRESS_RECEIPT  0x01
#define RF_CLEAR_READ        0x04
#define RF_RECEIPT_ONLY      0x10
#define RF_CLEAR_RN          0x20
#define RF_CLEAR_NRN         0x40

/* what the ROP's flags make of a message's; receipt: one is to be sent */
static uint32_t
store_read_flags(uint32_t old, unsigned flags, bool *receipt_r)
{
    uint32_t  now;

    now = old;
    *receipt_r = false;

    if (flags & RF_RECEIPT_ONLY) {
        if ((old & MSGFLAG_RN_PENDING) && (old & MSGFLAG_READ)) {
            *receipt_r = true;
            now &= ~(uint32_t) MSGFLAG_RN_PENDING;
        }
    } else if (flags & RF_CLEAR_READ) {
        now &= ~(uint32_t) MSGFLAG_READ;
    } else if ((flags & (RF_CLEAR_RN | RF_CLEAR_NRN)) == 0
               || (flags & RF_SUPPRESS_RECEIPT))
    {
        now |= MSGFLAG_READ | MSGFLAG_EVERREAD;
        if ((old & MSGFLAG_RN_PENDING) && (flags & RF_SUPPRESS_RECEIPT) == 0) {
            *receipt_r = true;
        }
        now &= ~(uint32_t) MSGFLAG_RN_PENDING;
    }
    if (flags & RF_CLEAR_RN) {
        now &= ~(uint32_t) MSGFLAG_RN_PENDING;
    }
    if (flags & RF_CLEAR_NRN) {
        now &= ~(uint32_t) MSGFLAG_NRN_PENDING;
    }

    return now;
}

static ph_int_t
store_read_event(store_conn_t *conn, const store_message_fact_t *f,
    uint32_t flags)
{
    store_event_t          *ev;
    static const uint32_t   tags[] = { PR_MESSAGE_FLAGS };

    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->is_message = true;
    ev->associated = f->associated;
    ev->folder = f->folder;
    ev->message = f->id;
    ev->cn = f->cn;
    ev->message_flags = flags;
    ev->tags = store_event_tags(conn, ph_nelts(tags), tags);

    return PH_OK;
}

static ph_int_t
store_read_one(store_conn_t *conn, const store_message_fact_t *f,
    unsigned flags, store_delta_t *d, bool *changed_r, bool *receipt_r,
    uint32_t *flags_r, uint64_t *read_cn_r)
{
    uint32_t  now;
    uint64_t  read_cn;

    now = store_read_flags(f->flags, flags, receipt_r);
    *changed_r = now != f->flags;
    *flags_r = now;
    *read_cn_r = f->read_cn;
    if (!*changed_r) {
        return PH_OK;
    }

    if (store_reader_own(conn) && !f->associated) {
        /* what others have read, and receipts, are not his business */
        *receipt_r = false;
        *changed_r = ((now ^ f->flags) & MSGFLAG_READ) != 0;
        *flags_r = *changed_r ? f->flags ^ MSGFLAG_READ : f->flags;
        if (!*changed_r) {
            return PH_OK;
        }
        *read_cn_r = store_next_cn(conn);
        store_try(store_reader_put(conn, f, now & MSGFLAG_READ, *read_cn_r));
        return store_read_event(conn, f, *flags_r);
    }

    read_cn = f->read_cn;
    if ((now ^ f->flags) & MSGFLAG_READ) {
        read_cn = store_next_cn(conn);
        if (!f->associated && !f->deleted) {
            d->unread += now & MSGFLAG_READ ? -1 : 1;
        }
    }
    *read_cn_r = read_cn;
    store_try(store_exec(conn, SQL_MESSAGE_READ_SET, "uuu", (uint64_t) now,
                         read_cn, f->id));

    return store_read_event(conn, f, now);
}

/* all live normal messages that the flags would change */
static ph_int_t
store_read_ids(store_conn_t *conn, const store_folder_t *f, unsigned flags,
    store_idlist_t *ids)
{
    store_sql_t    which;
    sqlite3_stmt  *s;

    which = SQL_MESSAGE_UNREAD_IDS;
    if (store_reader_own(conn)) {
        which = SQL_MESSAGE_NORMAL_IDS;
    } else if (flags & RF_CLEAR_READ) {
        which = SQL_MESSAGE_READ_IDS;
    } else if (flags & (RF_RECEIPT_ONLY | RF_CLEAR_RN | RF_CLEAR_NRN)) {
        which = SQL_MESSAGE_NORMAL_IDS;
    }
    if (f->type == STORE_FOLDER_SEARCH) {
        which = SQL_SEARCH_ROW_IDS;
        store_try(store_search_flush(conn));
    }

    store_try(store_q(conn, which, &s, "u", f->id));

    return store_idlist_rows(conn, &s, ids);
}

ph_int_t
store_messages_set_read(store_conn_t *conn, uint64_t fid, unsigned flags,
    uint32_t n, const uint64_t *mids, ph_pool_t *pool, uint32_t *n_receipts_r,
    uint64_t **receipts_r, store_many_t *many_r)
{
    bool                  changed, receipt, any;
    uint32_t              i, now, cap, got;
    uint64_t              read_cn, *list, *p;
    ph_int_t              rc;
    store_delta_t         d;
    store_folder_t        f;
    store_idlist_t        ids = { 0, 0, NULL };
    store_message_fact_t  fact;

    memset(many_r, 0, sizeof(*many_r));
    memset(&d, 0, sizeof(d));
    store_try(store_need_write(conn));
    store_try(store_folder_live(conn, fid, &f));

    rc = PH_OK;
    if (n == 0) {
        rc = store_read_ids(conn, &f, flags, &ids);
        n = ids.n;
        mids = ids.id;
    }

    any = false;
    list = NULL;
    got = 0;
    cap = 0;
    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = store_message_find(conn, mids[i], &fact);
        if (rc == PH_OK) {
            rc = fact.deleted ? PH_NOTFOUND
                              : store_message_in(conn, &fact, fid);
        }
        if (rc == PH_NOTFOUND) {
            many_r->failed++;
            rc = PH_OK;
            continue;
        }
        if (rc == PH_OK) {
            rc = store_reader_see(conn, &fact);
        }
        if (rc == PH_OK) {
            rc = store_read_one(conn, &fact, flags, &d, &changed, &receipt,
                                &now, &read_cn);
            any |= rc == PH_OK && changed;
        }
        if (rc == PH_OK && fact.folder != fid) {
            /* found by a search folder: each may be somewhere else */
            if (any) {
                rc = store_delta_apply(conn, fact.folder, &d);
            }
            memset(&d, 0, sizeof(d));
            any = false;
        }
        if (rc != PH_OK) {
            break;
        }
        many_r->done++;
        if (receipt && receipts_r) {
            if (got == cap) {
                p = ph_prealloc(pool, list, cap * sizeof(*p),
                                (cap + 16u) * sizeof(*p));
                if (p == NULL) {
                    rc = PH_NOMEM;
                    break;
                }
                list = p;
                cap += 16;
            }
            list[got++] = fact.id;
        }
    }
    store_idlist_free(&ids);
    if (receipts_r) {
        *receipts_r = list;
        *n_receipts_r = got;
    }
    if (rc == PH_OK && any) {
        rc = store_delta_apply(conn, fid, &d);
    }

    return rc;
}

ph_int_t
store_message_set_read(store_conn_t *conn, store_message_t *msg,
    unsigned flags, bool *changed_r, bool *receipt_r)
{
    uint32_t              now;
    uint64_t              read_cn;
    store_delta_t         d;
    store_message_fact_t  fact;

    *changed_r = false;
    *receipt_r = false;

    /* of what is not in the mailbox yet only the working copy changes */
    if (msg->is_new || msg->parent) {
        now = store_read_flags(msg->fact.flags, flags, receipt_r);
        *changed_r = now != msg->fact.flags;
        *receipt_r = false;
        msg->fact.flags = now;
        msg->fact.read = now & MSGFLAG_READ;
        msg->dirty |= *changed_r;
        return PH_OK;
    }

    memset(&d, 0, sizeof(d));
    store_try(store_need_write(conn));
    store_try(store_message_find(conn, msg->fact.id, &fact));
    store_try(store_reader_see(conn, &fact));
    store_try(store_read_one(conn, &fact, flags, &d, changed_r, receipt_r,
                             &now, &read_cn));
    msg->fact.flags = now;
    msg->fact.read = now & MSGFLAG_READ;
    msg->fact.read_cn = read_cn;

    return *changed_r ? store_delta_apply(conn, fact.folder, &d) : PH_OK;
}

/* ---- status ---- */

static ph_int_t
store_status_row(store_conn_t *conn, uint64_t fid, uint64_t mid,
    store_mrow_t *row)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_MESSAGE_FACT, &s, "u", mid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_mrow(s, row);
        rc = store_message_in(conn, &row->fact, fid);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_message_status(store_conn_t *conn, uint64_t fid, uint64_t mid,
    uint32_t *status_r)
{
    store_mrow_t  row;

    store_try(store_status_row(conn, fid, mid, &row));
    *status_r = row.status;

    return PH_OK;
}

ph_int_t
store_message_set_status(store_conn_t *conn, uint64_t fid, uint64_t mid,
    uint32_t flags, uint32_t mask, uint32_t *old_r)
{
    uint32_t               status;
    store_mrow_t           row;
    store_event_t         *ev;
    static const uint32_t  tags[] = { PR_MSG_STATUS };

    store_try(store_need_write(conn));
    store_try(store_status_row(conn, fid, mid, &row));
    *old_r = row.status;
    status = (row.status & ~mask) | (flags & mask);
    if (status == row.status) {
        return PH_OK;
    }
    store_try(store_exec(conn, SQL_MESSAGE_STATUS_SET, "uuu",
                         (uint64_t) status, store_now(conn), mid));

    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->is_message = true;
    ev->associated = row.fact.associated;
    ev->folder = row.fact.folder;
    ev->message = mid;
    ev->cn = row.fact.cn;
    ev->tags = store_event_tags(conn, ph_nelts(tags), tags);

    return PH_OK;
}

ph_int_t
store_message_set_flags(store_conn_t *conn, uint64_t mid, uint32_t flags,
    uint32_t mask, uint32_t *old_r)
{
    uint32_t        now;
    uint64_t        cn;
    ph_int_t        rc;
    ph_str_t        pcl;
    store_mrow_t    row;
    sqlite3_stmt   *s;
    store_delta_t   d;

    store_try(store_need_write(conn));
    memset(&d, 0, sizeof(d));

    cn = store_next_cn(conn);
    store_try(store_q(conn, SQL_MESSAGE, &s, "u", mid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_mrow(s, &row);
        rc = store_pcl_next(conn->store, row.pcl, row.change_key,
                            row.fact.cn, cn, store_tmp_pool(conn), &pcl);
    }
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    if (old_r != NULL) {
        *old_r = row.fact.flags;
    }
    now = (row.fact.flags & ~mask) | (flags & mask);
    if (now == row.fact.flags) {
        return PH_OK;
    }
    if (((now ^ row.fact.flags) & MSGFLAG_READ) && !row.fact.associated
        && !row.fact.deleted)
    {
        d.unread = now & MSGFLAG_READ ? -1 : 1;
    }
    store_try(store_exec(conn, SQL_MESSAGE_FLAGS_SET, "uubuu", (uint64_t) now,
                         cn, pcl, store_now(conn), mid));
    row.fact.cn = cn;
    store_try(store_read_event(conn, &row.fact, now));

    return store_delta_apply(conn, row.fact.folder, &d);
}
