/* Content: values too large for a row, in the database or in blob files. */

#include "store_int.h"

#include <errno.h>
#include <unistd.h>

/* Content that is in use again must not be collected. */
static ph_int_t
store_content_unfree(store_conn_t *conn, uint64_t id)
{
    return store_exec(conn, SQL_CONTENT_FREE_DEL, "u", id);
}

ph_int_t
store_content_put(store_conn_t *conn, ph_str_t data, uint64_t *id_r)
{
    uint64_t       id;
    ph_int_t       rc;
    store_blob_t  *blob;

    store_try(store_need_write(conn));

    if (data.len > conn->store->env->conf.blob_min) {
        store_try(store_blob_pack_str(conn->store, data, &blob));
        rc = store_content_put_blob(conn, blob, id_r);
        store_blob_unref(&blob);
        return rc;
    }

    id = store_next_content(conn);
    store_try(store_exec(conn, SQL_CONTENT_ADD, "uunz", id,
                         (uint64_t) data.len, data));
    *id_r = id;

    return PH_OK;
}

ph_int_t
store_content_put_blob(store_conn_t *conn, store_blob_t *blob, uint64_t *id_r)
{
    char      path[4096];
    int64_t   v;
    uint64_t  id;
    ph_str_t  sha;
    ph_int_t  rc;

    store_try(store_need_write(conn));
    sha.data = blob->sha;
    sha.len = sizeof(blob->sha);

    rc = store_q_int(conn, SQL_CONTENT_BY_SHA, &v, "b", sha);
    if (rc == PH_OK) {
        /* the same content is there; a file that got lost is given back */
        store_blob_path(conn->store, blob->sha, path, sizeof(path));
        if (access(path, F_OK) == -1) {
            store_try(store_blob_place(conn, blob));
        }
        *id_r = (uint64_t) v;
        return store_content_unfree(conn, (uint64_t) v);
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    store_try(store_blob_place(conn, blob));
    id = store_next_content(conn);
    store_try(store_exec(conn, SQL_CONTENT_ADD, "uubn", id, blob->size, sha));
    *id_r = id;

    return PH_OK;
}

ph_int_t
store_content_ref_add(store_conn_t *conn, uint64_t owner, uint64_t id)
{
    store_try(store_exec(conn, SQL_REF_ADD, "uu", owner, id));

    return store_content_unfree(conn, id);
}

ph_int_t
store_content_ref_del(store_conn_t *conn, uint64_t owner, uint64_t id)
{
    int64_t   v;
    ph_int_t  rc;

    store_try(store_exec(conn, SQL_REF_DEL, "uu", owner, id));

    rc = store_q_int(conn, SQL_REF_ANY, &v, "u", id);
    if (rc == PH_NOTFOUND) {
        return store_exec(conn, SQL_CONTENT_FREE_ADD, "uu", id,
                          store_now(conn));
    }

    return rc;
}

static ph_int_t
store_content_list(store_conn_t *conn, uint64_t owner, store_idlist_t *l)
{
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_REFS, &s, "u", owner));

    return store_idlist_rows(conn, &s, l);
}

ph_int_t
store_content_drop(store_conn_t *conn, uint64_t owner)
{
    return store_content_set(conn, owner, 0, NULL);
}

static bool
store_idlist_has(uint32_t n, const uint64_t *ids, uint64_t id)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (ids[i] == id) {
            return true;
        }
    }

    return false;
}

ph_int_t
store_content_set(store_conn_t *conn, uint64_t owner, uint32_t n,
    const uint64_t *ids)
{
    uint32_t        i;
    ph_int_t        rc;
    store_idlist_t  old = { 0, 0, NULL };

    rc = store_content_list(conn, owner, &old);

    for (i = 0; rc == PH_OK && i < n; i++) {
        if (!store_idlist_has(old.n, old.id, ids[i])
            && !store_idlist_has(i, ids, ids[i]))
        {
            rc = store_content_ref_add(conn, owner, ids[i]);
        }
    }
    for (i = 0; rc == PH_OK && i < old.n; i++) {
        if (!store_idlist_has(n, ids, old.id[i])) {
            rc = store_content_ref_del(conn, owner, old.id[i]);
        }
    }
    store_idlist_free(&old);

    return rc;
}

/* size, and sha (32 bytes) or data in *s's columns */
static ph_int_t
store_content_row(store_conn_t *conn, uint64_t id, sqlite3_stmt **s)
{
    ph_int_t  rc;

    store_try(store_q(conn, SQL_CONTENT_GET, s, "u", id));
    rc = store_step(conn, *s);
    if (rc != PH_OK) {
        store_done(conn, s);
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    return PH_OK;
}

ph_int_t
store_content_open(store_conn_t *conn, uint64_t id, ph_pool_t *pool,
    ph_str_t *data_r, store_blob_reader_t **reader_r, uint64_t *size_r)
{
    char           path[4096];
    ph_int_t       rc;
    ph_str_t       sha;
    sqlite3_stmt  *s;

    *reader_r = NULL;
    *data_r = ph_str_null;

    store_try(store_content_row(conn, id, &s));
    *size_r = store_col_u64(s, 0);

    if (sqlite3_column_type(s, 1) == SQLITE_NULL) {
        *data_r = ph_pstrdup(pool, store_col_str(s, 2));
        rc = data_r->data ? PH_OK : PH_NOMEM;
        if (rc == PH_OK && data_r->len != *size_r) {
            rc = PH_CORRUPT;
        }
    } else {
        sha = store_col_str(s, 1);
        if (sha.len != 32) {
            rc = PH_CORRUPT;
        } else {
            store_blob_path(conn->store, sha.data, path, sizeof(path));
            rc = store_blob_open(conn->store, path, *size_r, reader_r);
            if (rc == PH_NOTFOUND) {
                rc = PH_CORRUPT;
            }
        }
    }
    store_done(conn, &s);

    return rc;
}

ph_int_t
store_content_read(store_conn_t *conn, uint64_t id, size_t max,
    ph_pool_t *pool, ph_str_t *data_r, uint64_t *size_r)
{
    size_t                got;
    uint8_t              *p;
    ph_int_t              rc;
    store_blob_reader_t  *reader;

    store_try(store_content_open(conn, id, pool, data_r, &reader, size_r));

    if (reader == NULL) {
        data_r->len = ph_min(data_r->len, max);
        return PH_OK;
    }

    max = (size_t) ph_min((uint64_t) max, *size_r);
    p = ph_palloc(pool, max);
    rc = p ? store_blob_read(reader, 0, p, max, &got) : PH_NOMEM;
    store_blob_close(&reader);
    if (rc == PH_OK) {
        data_r->data = p;
        data_r->len = got;
    }

    return rc;
}

/*
 * Rows first, in a transaction of its own, files after its commit: a crash in
 * between leaves files that nothing names.
 */
ph_int_t
store_content_gc(store_conn_t *conn, uint64_t before, uint32_t limit,
    bool *more_r)
{
    char           path[4096];
    uint32_t       i, n, n_sha;
    uint8_t       *sha;
    uint64_t      *id;
    ph_int_t       rc;
    ph_pool_t     *pool;
    sqlite3_stmt  *s;

    *more_r = false;
    if (limit == 0 || limit > 10000) {
        limit = 10000;
    }

    pool = ph_pool_create("store gc", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    id = ph_pcalloc_array(pool, limit, sizeof(*id));
    sha = ph_pcalloc_array(pool, limit, 32);
    n = 0;
    n_sha = 0;
    rc = id && sha ? store_begin(conn) : PH_NOMEM;
    if (rc != PH_OK) {
        ph_pool_destroy(&pool);
        return rc;
    }

    rc = store_q(conn, SQL_CONTENT_FREE_LIST, &s, "ud", before, (int) limit);
    while (rc == PH_OK && (rc = store_step(conn, s)) == PH_OK) {
        id[n++] = store_col_u64(s, 0);
        if (sqlite3_column_bytes(s, 1) == 32) {
            memcpy(sha + n_sha++ * 32, sqlite3_column_blob(s, 1), 32);
        }
    }
    store_done(conn, &s);
    if (rc == PH_DONE) {
        rc = PH_OK;
    }

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = store_exec(conn, SQL_CONTENT_FREE_DEL, "u", id[i]);
        if (rc == PH_OK) {
            rc = store_exec(conn, SQL_CONTENT_DEL, "u", id[i]);
        }
    }

    if (rc == PH_OK && n) {
        rc = store_commit(conn, NULL);
    } else {
        store_rollback(conn);
    }
    if (rc == PH_OK) {
        for (i = 0; i < n_sha; i++) {
            store_blob_path(conn->store, sha + i * 32, path, sizeof(path));
            if (unlink(path) == -1 && errno != ENOENT) {
                (void) store_io_error(conn->store, "unlink", path);
            }
        }
        *more_r = n == limit;
    }
    ph_pool_destroy(&pool);

    return rc;
}
