/* The log of what is gone. */

#include "store_message_int.h"
#include "store_sync.h"
#include "lib/ph_str.h"

#include <stdio.h>

#define STORE_FLOOR  "deletion_floor"


ph_int_t
store_sync_number(store_conn_t *conn, uint64_t *cn_r)
{
    store_try(store_need_write(conn));
    *cn_r = store_next_cn(conn);

    return PH_OK;
}


bool
store_id_reserved(store_conn_t *conn, uint64_t id)
{
    int64_t  kind;

    return store_q_int(conn, SQL_RANGE_KIND, &kind, "u", id) == PH_OK
           && kind == 2;
}


ph_int_t
store_deletion_add(store_conn_t *conn, uint64_t cn, uint64_t fid,
    uint64_t first, uint64_t last, store_gone_t kind)
{
    return store_exec(conn, SQL_DELETION_ADD, "uuuud", cn, fid, first, last,
                      (int) kind);
}


ph_int_t
store_deletion_messages(store_conn_t *conn, uint64_t fid, int a, int b,
    store_gone_t kind)
{
    return store_exec(conn, SQL_DELETION_MESSAGES, "uuddd",
                      store_next_cn(conn), fid, a, b, (int) kind);
}


/* change numbers up to this one may be missing in the log */
ph_int_t
store_deletion_floor(store_conn_t *conn, uint64_t *cn_r)
{
    ph_int_t    rc;
    ph_str_t    value;
    ph_pool_t  *pool;

    pool = ph_pool_create("store floor", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    rc = store_config_get(conn, STORE_FLOOR, pool, &value);
    if (rc == PH_OK && ph_str_u64(value, cn_r) != PH_OK) {
        rc = PH_CORRUPT;
    }
    if (rc == PH_NOTFOUND) {
        *cn_r = 0;
        rc = PH_OK;
    }
    ph_pool_destroy(&pool);

    return rc;
}


ph_int_t
store_sync_deleted(store_conn_t *conn, uint64_t fid, uint64_t after,
    mapi_globset_t *gone)
{
    uint64_t       floor;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_deletion_floor(conn, &floor));
    if (after < floor) {
        return PH_DECLINED;
    }

    store_try(store_q(conn, SQL_DELETIONS, &s, "uu", fid, after));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = mapi_globset_push(gone, store_col_u64(s, 0),
                               store_col_u64(s, 1));
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);
    store_try(rc == PH_DONE ? PH_OK : rc);

    return mapi_globset_settle(gone);
}


ph_int_t
store_sync_gone(store_conn_t *conn, uint64_t id, bool *yes_r)
{
    int64_t        v;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    *yes_r = false;
    rc = store_q_int(conn, SQL_ID_USED, &v, "uu", id, id);
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    store_try(store_q(conn, SQL_DELETION_NEAR, &s, "u", id));
    while (!*yes_r && (rc = store_step(conn, s)) == PH_OK) {
        *yes_r = store_col_u64(s, 0) >= id;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}


ph_int_t
store_deletion_prune(store_conn_t *conn, uint32_t limit, bool *more_r)
{
    char      text[24];
    int64_t   n, cn, max;
    ph_int_t  rc;

    max = conn->store->env->conf.deletions;
    store_try(store_q_int(conn, SQL_DELETION_COUNT, &n, ""));
    if (n <= max) {
        return PH_OK;
    }

    if (n - max > (int64_t) limit) {
        *more_r = true;
    }
    n = ph_min(n - max, (int64_t) limit);

    store_try(store_begin(conn));
    rc = store_q_int(conn, SQL_DELETION_FLOOR, &cn, "i", n);
    if (rc == PH_OK) {
        snprintf(text, sizeof(text), "%" PRId64, cn);
        rc = store_config_set(conn, STORE_FLOOR, ph_str_c(text));
    }
    if (rc == PH_OK) {
        rc = store_exec(conn, SQL_DELETION_PRUNE, "i", n);
    }
    if (rc != PH_OK) {
        store_rollback(conn);
        return rc;
    }

    return store_commit(conn, NULL);
}
