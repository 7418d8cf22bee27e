/*
 * Ids and change numbers.  They are counted in memory by the writer and written
 * with the commit; a rollback loses numbers, it never gives one out twice.
 * Each folder takes its message ids from ranges of its own, so that id sets of
 * a folder stay short.
 */

#include "store_int.h"

ph_int_t
store_counters_load(store_conn_t *conn)
{
    store_t       *store;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store = conn->store;

    store_try(store_q(conn, SQL_COUNTERS, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store->last_cn = store_col_u64(s, 0);
        store->next_range = store_col_u64(s, 1);
        store->next_id = store_col_u64(s, 2);
        store->last_id = store_col_u64(s, 3);
        store->last_content = store_col_u64(s, 4);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}

ph_int_t
store_counters_save(store_conn_t *conn)
{
    store_t  *store;

    store = conn->store;

    return store_exec(conn, SQL_COUNTERS_SAVE, "uuuuu", store->last_cn,
                      store->next_range, store->next_id, store->last_id,
                      store->last_content);
}

uint64_t
store_last_cn(const store_t *store)
{
    return store->last_cn;
}

uint64_t
store_next_cn(store_conn_t *conn)
{
    conn->counters_dirty = true;

    return ++conn->store->last_cn;
}

uint64_t
store_next_content(store_conn_t *conn)
{
    conn->counters_dirty = true;

    return ++conn->store->last_content;
}

/* A new range; its row and the counter are in the same transaction. */
static ph_int_t
store_range(store_conn_t *conn, int kind, uint64_t owner, uint64_t n,
    uint64_t *first_r)
{
    store_t   *store;
    uint64_t   first;

    store = conn->store;
    first = store->next_range;
    if (first + n > STORE_ID_MAX) {
        return PH_TOOBIG;
    }
    store_try(store_exec(conn, SQL_RANGE_ADD, "uuduu", first, first + n - 1,
                         kind, owner, store_now(conn)));

    store->next_range = first + n;
    conn->counters_dirty = true;
    *first_r = first;

    return PH_OK;
}

ph_int_t
store_next_folder_id(store_conn_t *conn, uint64_t *id_r)
{
    store_t   *store;
    uint64_t   first;

    store = conn->store;
    if (store->next_id > store->last_id) {
        store_try(store_range(conn, 0, 0, STORE_ID_RANGE, &first));
        store->next_id = first;
        store->last_id = first + STORE_ID_RANGE - 1;
    }
    *id_r = store->next_id++;
    conn->counters_dirty = true;

    return PH_OK;
}

ph_int_t
store_next_message_id(store_conn_t *conn, uint64_t fid, uint64_t *id_r)
{
    uint64_t       next, last, first;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_FOLDER_RANGE, &s, "u", fid));
    rc = store_step(conn, s);
    next = rc == PH_OK ? store_col_u64(s, 0) : 0;
    last = rc == PH_OK ? store_col_u64(s, 1) : 0;
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    if (next == 0 || next > last) {
        store_try(store_range(conn, 1, fid, STORE_ID_RANGE, &first));
        next = first;
        last = first + STORE_ID_RANGE - 1;
    }
    store_try(store_exec(conn, SQL_FOLDER_RANGE_SET, "uuu", next + 1, last,
                         fid));
    *id_r = next;

    return PH_OK;
}

ph_int_t
store_id_usable(store_conn_t *conn, uint64_t id)
{
    int64_t   v;
    ph_int_t  rc;

    if (id <= STORE_LAST_BUILTIN || id > STORE_ID_MAX) {
        return PH_INVALID;
    }
    /* only from a range that a client has reserved */
    rc = store_q_int(conn, SQL_RANGE_KIND, &v, "u", id);
    if (rc == PH_NOTFOUND || (rc == PH_OK && v != 2)) {
        return PH_INVALID;
    }
    if (rc != PH_OK) {
        return rc;
    }
    rc = store_q_int(conn, SQL_ID_USED, &v, "uu", id, id);

    return rc == PH_OK ? PH_EXISTS : rc == PH_NOTFOUND ? PH_OK : rc;
}
