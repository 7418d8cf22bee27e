/* What changed in a folder since a change number. */

#include "store_table_int.h"
#include "store_sync.h"
#include "store_viewer.h"


ph_int_t
store_sync_cn(store_conn_t *conn, uint64_t *cn_r)
{
    int64_t  cn;

    /* the writer counts in memory until it commits */
    if (conn->writable && conn->in_txn) {
        *cn_r = conn->store->last_cn;
        return PH_OK;
    }

    store_try(store_q_int(conn, SQL_LAST_CN, &cn, ""));
    *cn_r = (uint64_t) cn;

    return PH_OK;
}


static void
store_sync_row(sqlite3_stmt *s, store_sync_row_t *r)
{
    r->id = store_col_u64(s, 0);
    r->associated = store_col_u32(s, 1) & STORE_STATE_FAI;
    r->cn = store_col_u64(s, 2);
    r->read_cn = store_col_u64(s, 3);
    r->flags = store_col_u32(s, 4);
    r->status = store_col_u32(s, 5);
    r->size = store_col_u64(s, 6);
    r->received = store_col_u64(s, 7);
    r->modified = store_col_u64(s, 8);
}


static ph_int_t
store_sync_rows(store_conn_t *conn, store_sql_t which, uint64_t fid,
    uint64_t after, uint64_t upto, uint32_t max, store_sync_row_t *rows,
    uint32_t *n_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    *n_r = 0;
    store_try(store_q(conn, which, &s, "uuuu", fid, after, upto,
                      (uint64_t) max));
    while ((rc = store_step(conn, s)) == PH_OK && *n_r < max) {
        store_sync_row(s, &rows[(*n_r)++]);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}


ph_int_t
store_sync_changed(store_conn_t *conn, uint64_t fid, uint64_t after,
    uint64_t upto, uint32_t max, store_sync_row_t *rows, uint32_t *n_r)
{
    return store_sync_rows(conn, SQL_SYNC_CHANGED, fid, after, upto, max,
                           rows, n_r);
}


ph_int_t
store_sync_read(store_conn_t *conn, uint64_t fid, uint64_t after,
    uint64_t upto, uint32_t max, store_sync_row_t *rows, uint32_t *n_r)
{
    uint64_t       reader;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    /* in a public store each user has read what he has read */
    if (store_reader_own(conn)) {
        *n_r = 0;
        store_try(store_reader(conn, false, &reader));
        if (reader == 0) {
            return PH_OK;
        }
        store_try(store_q(conn, SQL_SYNC_READ_OWN, &s, "uuuuu", reader, fid,
                          after, upto, (uint64_t) max));
        while ((rc = store_step(conn, s)) == PH_OK && *n_r < max) {
            store_sync_row(s, &rows[(*n_r)++]);
        }
        store_done(conn, &s);
        return rc == PH_DONE ? PH_OK : rc;
    }

    return store_sync_rows(conn, SQL_SYNC_READ, fid, after, upto, max, rows,
                           n_r);
}


ph_int_t
store_sync_one(store_conn_t *conn, uint64_t fid, uint64_t mid,
    store_sync_row_t *row_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_SYNC_ONE, &s, "uu", mid, fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_sync_row(s, row_r);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}


ph_int_t
store_sync_match(store_conn_t *conn, store_table_t *t, uint64_t mid,
    bool *match_r)
{
    ph_int_t      rc;
    store_rows_t  rows;

    *match_r = false;
    rc = store_rows_one(&rows, conn, t, mid);
    if (rc == PH_OK) {
        rc = store_rows_match(&rows, t->restriction, match_r);
    }
    store_rows_close(&rows);

    return rc == PH_NOTFOUND ? PH_OK : rc;
}


ph_int_t
store_sync_live(store_conn_t *conn, uint64_t fid, const mapi_globset_t *ids,
    mapi_globset_t *live)
{
    int            state;
    uint32_t       i;
    uint64_t       id;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    for (state = 0; state < STORE_STATE_DELETED; state++) {
        for (i = 0; i < ids->n; i++) {
            store_try(store_q(conn, SQL_SYNC_LIVE, &s, "uduu", fid, state,
                              ids->r[i].lo, ids->r[i].hi));
            while ((rc = store_step(conn, s)) == PH_OK) {
                id = store_col_u64(s, 0);
                rc = mapi_globset_push(live, id, id);
                if (rc != PH_OK) {
                    break;
                }
            }
            store_done(conn, &s);
            if (rc != PH_DONE) {
                return rc;
            }
        }
    }

    return mapi_globset_settle(live);
}


ph_int_t
store_sync_folders_changed(store_conn_t *conn, uint64_t cn, bool *yes_r)
{
    int64_t   v;
    ph_int_t  rc;

    rc = store_q_int(conn, SQL_FOLDER_ANY_CN, &v, "u", cn);
    *yes_r = rc == PH_OK;

    return rc == PH_NOTFOUND ? PH_OK : rc;
}
