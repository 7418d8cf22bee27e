/* Delegates, addresses of folders, and per-user information of other stores. */

#include "store_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"

#define PER_USER_ID  22


/* ---- delegates ---- */

ph_int_t
store_delegates(store_conn_t *conn, ph_pool_t *pool, uint32_t *n_r,
    store_delegate_t **rows_r)
{
    int64_t            count;
    ph_int_t           rc;
    uint32_t           n;
    sqlite3_stmt      *s;
    store_delegate_t  *rows;

    store_try(store_q_int(conn, SQL_DELEGATE_COUNT, &count, ""));
    rows = ph_pcalloc_array(pool, (size_t) count, sizeof(*rows));
    if (rows == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    store_try(store_q(conn, SQL_DELEGATES, &s, ""));
    while ((rc = store_step(conn, s)) == PH_OK && n < (uint32_t) count) {
        rows[n].address = ph_pstrdup(pool, store_col_str(s, 0));
        rows[n].name = ph_pstrdup(pool, store_col_str(s, 1));
        rows[n].flags = store_col_u32(s, 2);
        if (rows[n].address.data == NULL || rows[n].name.data == NULL) {
            rc = PH_NOMEM;
            break;
        }
        n++;
    }
    store_done(conn, &s);
    *n_r = n;
    *rows_r = rows;

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_delegate_set(store_conn_t *conn, const store_delegate_t *d)
{
    int64_t   count;
    ph_str_t  address;

    store_try(store_need_write(conn));
    if (d->address.len == 0 || (d->flags & ~(uint32_t) STORE_DELEGATE_KNOWN)) {
        return PH_INVALID;
    }

    address = ph_str_lower(store_tmp_pool(conn), d->address);
    if (address.data == NULL) {
        return PH_NOMEM;
    }
    if (d->flags == 0) {
        return store_exec(conn, SQL_DELEGATE_DEL, "t", address);
    }

    store_try(store_q_int(conn, SQL_DELEGATE_COUNT, &count, ""));
    if (count >= STORE_DELEGATES_MAX) {
        return PH_TOOBIG;
    }

    return store_exec(conn, SQL_DELEGATE_PUT, "ttu", address, d->name,
                      (uint64_t) d->flags);
}

/* ---- mail-enabled folders ---- */

ph_int_t
store_mail_folder_find(store_conn_t *conn, ph_str_t address, uint64_t *fid_r)
{
    int64_t     fid;
    ph_int_t    rc;
    ph_pool_t  *pool;

    pool = ph_pool_create("store address", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    address = ph_str_lower(pool, address);
    rc = address.data == NULL
         ? PH_NOMEM : store_q_int(conn, SQL_MAIL_FOLDER, &fid, "t", address);
    ph_pool_destroy(&pool);
    store_try(rc);
    *fid_r = (uint64_t) fid;

    return PH_OK;
}

ph_int_t
store_mail_folder_set(store_conn_t *conn, ph_str_t address, uint64_t fid)
{
    store_folder_t  f;

    store_try(store_need_write(conn));
    address = ph_str_lower(store_tmp_pool(conn), address);
    if (address.data == NULL) {
        return PH_NOMEM;
    }
    if (address.len == 0) {
        return PH_INVALID;
    }

    if (fid == 0) {
        store_try(store_exec(conn, SQL_MAIL_FOLDER_DEL, "t", address));
        return store_changes(conn) ? PH_OK : PH_NOTFOUND;
    }

    store_try(store_folder_find(conn, NULL, fid, &f));
    if (f.deleted || f.type != STORE_FOLDER_GENERIC) {
        return PH_NOTFOUND;
    }

    return store_exec(conn, SQL_MAIL_FOLDER_PUT, "tu", address, fid);
}

ph_int_t
store_mail_folders(store_conn_t *conn, ph_pool_t *pool, uint32_t *n_r,
    store_mail_folder_t **rows_r)
{
    ph_int_t              rc;
    uint32_t              n, cap;
    sqlite3_stmt         *s;
    store_mail_folder_t  *rows, *more;

    n = 0;
    cap = 0;
    rows = NULL;
    store_try(store_q(conn, SQL_MAIL_FOLDERS, &s, ""));
    while ((rc = store_step(conn, s)) == PH_OK) {
        if (n == cap) {
            more = ph_prealloc(pool, rows, cap * sizeof(*rows),
                               (cap + 16u) * sizeof(*rows));
            if (more == NULL) {
                rc = PH_NOMEM;
                break;
            }
            rows = more;
            cap += 16;
        }
        rows[n].address = ph_pstrdup(pool, store_col_str(s, 0));
        rows[n].folder = store_col_u64(s, 1);
        if (rows[n].address.data == NULL) {
            rc = PH_NOMEM;
            break;
        }
        n++;
    }
    store_done(conn, &s);
    *n_r = n;
    *rows_r = rows;

    return rc == PH_DONE ? PH_OK : rc;
}

/* ---- per-user information ---- */

ph_int_t
store_per_user_put(store_conn_t *conn, ph_str_t folder,
    const mapi_guid_t *database, ph_str_t data)
{
    int64_t  count;

    store_try(store_need_write(conn));
    if (folder.len != PER_USER_ID) {
        return PH_INVALID;
    }
    if (data.len == 0) {
        return store_exec(conn, SQL_PER_USER_DEL, "b", folder);
    }
    if (data.len > STORE_PER_USER_DATA_MAX) {
        return PH_TOOBIG;
    }
    store_try(store_q_int(conn, SQL_PER_USER_COUNT, &count, ""));
    if (count >= STORE_PER_USER_MAX) {
        return PH_TOOBIG;
    }

    return store_exec(conn, SQL_PER_USER_PUT, "bbz", folder,
                      ((ph_str_t) { 16, database->b }), data);
}

ph_int_t
store_per_user_get(store_conn_t *conn, ph_str_t folder, ph_pool_t *pool,
    mapi_guid_t *database_r, ph_str_t *data_r)
{
    ph_int_t       rc;
    ph_str_t       guid;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_PER_USER, &s, "b", folder));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        guid = store_col_str(s, 0);
        if (guid.len != 16) {
            rc = PH_CORRUPT;
        } else {
            memcpy(database_r->b, guid.data, 16);
            *data_r = ph_pstrdup(pool, store_col_str(s, 1));
            rc = data_r->data ? PH_OK : PH_NOMEM;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_per_user_ids(store_conn_t *conn, const mapi_guid_t *database,
    ph_pool_t *pool, uint32_t *n_r, ph_str_t **ids_r)
{
    int64_t        count;
    ph_int_t       rc;
    uint32_t       n;
    ph_str_t      *ids;
    sqlite3_stmt  *s;

    *n_r = 0;
    store_try(store_q_int(conn, SQL_PER_USER_COUNT, &count, ""));
    ids = ph_pcalloc_array(pool, (size_t) count, sizeof(*ids));
    if (ids == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    store_try(store_q(conn, SQL_PER_USER_IDS, &s, "b",
                      ((ph_str_t) { 16, database->b })));
    while ((rc = store_step(conn, s)) == PH_OK && n < (uint32_t) count) {
        ids[n] = ph_pstrdup(pool, store_col_str(s, 0));
        if (ids[n++].data == NULL) {
            rc = PH_NOMEM;
            break;
        }
    }
    store_done(conn, &s);
    *n_r = n;
    *ids_r = ids;

    return rc == PH_DONE ? PH_OK : rc;
}
