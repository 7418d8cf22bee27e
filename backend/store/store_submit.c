/* The submit queue and small things by name; their meaning is exmdb's. */

#include "store_int.h"
#include "lib/ph_str.h"

ph_int_t
store_submit_put(store_conn_t *conn, const store_submit_t *r)
{
    store_try(store_need_write(conn));

    return store_exec(conn, SQL_SUBMIT_PUT, "uuuuuub", r->message, r->folder,
                      r->submitted, r->due, (uint64_t) r->attempts,
                      (uint64_t) r->state, r->data);
}

static ph_int_t
submit_row(sqlite3_stmt *s, ph_pool_t *pool, store_submit_t *r)
{
    r->message = store_col_u64(s, 0);
    r->folder = store_col_u64(s, 1);
    r->submitted = store_col_u64(s, 2);
    r->due = store_col_u64(s, 3);
    r->attempts = store_col_u32(s, 4);
    r->state = store_col_u32(s, 5);
    r->data = ph_pstrdup(pool, store_col_str(s, 6));

    return r->data.data ? PH_OK : PH_NOMEM;
}

ph_int_t
store_submit_find(store_conn_t *conn, uint64_t mid, ph_pool_t *pool,
    store_submit_t *s_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_SUBMIT_GET, &s, "u", mid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        rc = submit_row(s, pool, s_r);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_submit_remove(store_conn_t *conn, uint64_t mid)
{
    store_try(store_need_write(conn));
    store_try(store_exec(conn, SQL_SUBMIT_DEL, "u", mid));

    return store_changes(conn) ? PH_OK : PH_NOTFOUND;
}

ph_int_t
store_submit_due(store_conn_t *conn, uint64_t now, uint32_t max,
    ph_pool_t *pool, uint32_t *n_r, store_submit_t **rows_r,
    uint64_t *next_r)
{
    ph_int_t         rc;
    uint32_t         cap;
    sqlite3_stmt    *s;
    store_submit_t  *rows;

    *n_r = 0;
    *next_r = 0;
    cap = 0;
    rows = NULL;

    /* one more than asked tells when the next is due */
    store_try(store_q(conn, SQL_SUBMIT_DUE, &s, "u", (uint64_t) max + 1));
    while ((rc = store_step(conn, s)) == PH_OK) {
        if (store_col_u64(s, 3) > now || *n_r == max) {
            /* due 0 is "at once", which as a time to wait for is now */
            *next_r = ph_max(store_col_u64(s, 3), (uint64_t) 1);
            rc = PH_DONE;
            break;
        }
        if (*n_r == cap) {
            rows = ph_prealloc(pool, rows, cap * sizeof(*rows),
                               (cap + 64) * sizeof(*rows));
            if (rows == NULL) {
                rc = PH_NOMEM;
                break;
            }
            cap += 64;
        }
        rc = submit_row(s, pool, &rows[*n_r]);
        if (rc != PH_OK) {
            break;
        }
        (*n_r)++;
    }
    store_done(conn, &s);
    *rows_r = rows;

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_config_get(store_conn_t *conn, const char *name, ph_pool_t *pool,
    ph_str_t *value_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_CONFIG_GET, &s, "t", ph_str_c(name)));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *value_r = ph_pstrdup(pool, store_col_str(s, 0));
        rc = value_r->data ? PH_OK : PH_NOMEM;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_config_set(store_conn_t *conn, const char *name, ph_str_t value)
{
    store_try(store_need_write(conn));

    if (value.data == NULL) {
        return store_exec(conn, SQL_CONFIG_DEL, "t", ph_str_c(name));
    }

    return store_exec(conn, SQL_CONFIG_SET, "tz", ph_str_c(name), value);
}
