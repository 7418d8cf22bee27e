/* Receive folders (MS-OXCSTOR 3.2.5.2) and the rules of message classes. */

#include "store_int.h"
#include "lib/ph_str.h"

#define CLASS_MAX  254        /* 255 with the NUL */

bool
store_class_valid(ph_str_t c)
{
    size_t  i;

    if (c.len > CLASS_MAX) {
        return false;
    }
    if (c.len && (c.data[0] == '.' || c.data[c.len - 1] == '.')) {
        return false;
    }
    for (i = 0; i < c.len; i++) {
        if (c.data[i] < 0x20 || c.data[i] > 0x7E) {
            return false;
        }
        if (c.data[i] == '.' && i > 0 && c.data[i - 1] == '.') {
            return false;
        }
    }

    return true;
}

static ph_int_t
receive_row(sqlite3_stmt *s, ph_pool_t *pool, store_receive_t *r)
{
    r->message_class = ph_pstrdup(pool, store_col_str(s, 0));
    r->folder = store_col_u64(s, 1);
    r->modified = store_col_u64(s, 2);

    return r->message_class.data ? PH_OK : PH_NOMEM;
}

ph_int_t
store_receive_find(store_conn_t *conn, ph_str_t message_class,
    ph_pool_t *pool, store_receive_t *receive_r)
{
    ph_int_t       rc;
    ph_str_t       key;
    sqlite3_stmt  *s;

    if (!store_class_valid(message_class)) {
        return PH_INVALID;
    }
    key = ph_str_lower(pool, message_class);
    if (key.len && key.data == NULL) {
        return PH_NOMEM;
    }

    for ( ;; ) {
        store_try(store_q(conn, SQL_RECEIVE, &s, "t", key));
        rc = store_step(conn, s);
        if (rc == PH_OK) {
            rc = receive_row(s, pool, receive_r);
            store_done(conn, &s);
            return rc;
        }
        store_done(conn, &s);
        if (rc != PH_DONE) {
            return rc;
        }
        if (key.len == 0) {
            return PH_NOTFOUND;
        }
        /* the part before the last dot; the class "" stands for all */
        while (key.len && key.data[key.len - 1] != '.') {
            key.len--;
        }
        if (key.len) {
            key.len--;
        }
    }
}

ph_int_t
store_receive_put(store_conn_t *conn, ph_str_t message_class, uint64_t fid)
{
    ph_str_t        key;
    ph_pool_t      *pool;
    store_folder_t  folder;

    store_try(store_need_write(conn));
    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    key = ph_str_lower(pool, message_class);
    if (key.len && key.data == NULL) {
        return PH_NOMEM;
    }

    store_try(store_folder_find(conn, pool, fid, &folder));
    if (folder.deleted) {
        return PH_NOTFOUND;
    }

    return store_exec(conn, SQL_RECEIVE_SET, "ttuu", key, message_class, fid,
                      store_now(conn));
}

ph_int_t
store_receive_set(store_conn_t *conn, ph_str_t message_class, uint64_t fid)
{
    ph_str_t    key;
    ph_pool_t  *pool;

    store_try(store_need_write(conn));

    if (!store_class_valid(message_class)) {
        return PH_INVALID;
    }
    if (ph_str_ieq_c(message_class, "IPM")
        || ph_str_ieq_c(message_class, "REPORT.IPM"))
    {
        return PH_DENIED;
    }

    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    key = ph_str_lower(pool, message_class);
    if (key.len && key.data == NULL) {
        return PH_NOMEM;
    }

    if (fid == 0) {
        if (key.len == 0) {
            return PH_INVALID;
        }
        return store_exec(conn, SQL_RECEIVE_DEL, "t", key);
    }

    return store_receive_put(conn, message_class, fid);
}

ph_int_t
store_receive_all(store_conn_t *conn, ph_pool_t *pool, uint32_t *n_r,
    store_receive_t **rows_r)
{
    int64_t           count;
    ph_int_t          rc;
    sqlite3_stmt     *s;
    store_receive_t  *rows;

    *n_r = 0;
    store_try(store_q_int(conn, SQL_RECEIVE_COUNT, &count, ""));
    rows = ph_pcalloc_array(pool, (size_t) count, sizeof(*rows));
    if (rows == NULL) {
        return PH_NOMEM;
    }

    store_try(store_q(conn, SQL_RECEIVE_ALL, &s, ""));
    while ((rc = store_step(conn, s)) == PH_OK && *n_r < (uint32_t) count) {
        rc = receive_row(s, pool, &rows[*n_r]);
        if (rc != PH_OK) {
            break;
        }
        (*n_r)++;
    }
    store_done(conn, &s);
    *rows_r = rows;

    return rc == PH_DONE ? PH_OK : rc;
}
