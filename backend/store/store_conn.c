/* Connections and transactions. */

#include "store_search_int.h"
#include "store_sync.h"
#include "lib/ph_str.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

uint64_t
store_filetime(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return ((uint64_t) ts.tv_sec + 11644473600ull) * 10000000
           + (uint64_t) ts.tv_nsec / 100;
}

void
store_random(void *out, size_t len)
{
    sqlite3_randomness((int) len, out);
}

uint64_t
store_now(store_conn_t *conn)
{
    if (!conn->in_txn) {
        return store_filetime();
    }
    if (conn->now == 0) {
        conn->now = store_filetime();
    }

    return conn->now;
}

ph_pool_t *
store_tmp_pool(store_conn_t *conn)
{
    if (conn->tmp == NULL) {
        conn->tmp = ph_pool_create("store transaction", 0);
    }

    return conn->tmp;
}

ph_int_t
store_conn_open(store_t *store, bool writable, store_conn_t **conn_r)
{
    int            rc, flags;
    char           path[4096], text[512];
    ph_int_t       result;
    store_conf_t  *conf;
    store_conn_t  *conn;

    conf = &store->env->conf;

    conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return PH_NOMEM;
    }
    conn->magic = STORE_CONN_MAGIC;
    conn->store = store;
    conn->writable = writable;

    if ((size_t) snprintf(path, sizeof(path), "%s/mailbox.sqlite", store->path)
        >= sizeof(path))
    {
        free(conn);
        return PH_TOOBIG;
    }

    /* a reader opens for writing too: it may have to recover the WAL; that it
     * changes nothing is query_only's business */
    flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    rc = sqlite3_open_v2(path, &conn->db, flags, store->env->vfs);
    if (rc != SQLITE_OK) {
        result = conn->db ? store_sql_error(conn, rc, "open") : PH_NOMEM;
        goto failed;
    }
    sqlite3_busy_timeout(conn->db, (int) conf->busy_ms);

    /* exclusive locking first: WAL then needs no shared memory */
    snprintf(text, sizeof(text),
             "PRAGMA locking_mode=%s; PRAGMA journal_mode=WAL;"
             "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
             "PRAGMA cache_size=-%u; PRAGMA wal_autocheckpoint=4000;"
             "PRAGMA journal_size_limit=16777216; PRAGMA temp_store=MEMORY;%s",
             conf->locking == STORE_LOCKING_EXCLUSIVE ? "EXCLUSIVE" : "NORMAL",
             conf->cache_kib, writable ? "" : "PRAGMA query_only=ON;");
    result = store_run(conn, text);
    if (result != PH_OK) {
        goto failed;
    }

    /* what the application never needs, and hostile databases would */
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0,
                      NULL);
    if (writable) {
        store_search_watch(conn);
    }

    *conn_r = conn;
    return PH_OK;

failed:

    store_conn_close(&conn);
    return result;
}

static void
store_conn_forget_statements(store_conn_t *conn)
{
    unsigned  i;

    for (i = 0; i < SQL_MAX; i++) {
        sqlite3_finalize(conn->stmt[i]);
        conn->stmt[i] = NULL;
        conn->stmt_busy[i] = false;
    }
    for (i = 0; i < STORE_TEXT_STMTS; i++) {
        sqlite3_finalize(conn->text[i].stmt);
        free(conn->text[i].text);
        memset(&conn->text[i], 0, sizeof(conn->text[i]));
    }
}

void
store_conn_close(store_conn_t **conn)
{
    store_conn_t  *c;

    c = *conn;
    if (c == NULL) {
        return;
    }
    *conn = NULL;

    if (c->in_txn) {
        store_rollback(c);
    }
    store_conn_forget_statements(c);
    store_events_free(&c->events);
    ph_pool_destroy(&c->tmp);
    store_search_undo(c);
    store_idlist_free(&c->dirty);
    sqlite3_close(c->db);
    c->magic = 0;
    free(c);
}

ph_int_t
store_conn_acquire(store_t *store, store_access_t access,
    store_conn_t **conn_r)
{
    bool      alone;
    ph_int_t  rc;
    unsigned  i, max;

    *conn_r = NULL;
    rc = PH_BUSY;
    alone = store->env->conf.locking == STORE_LOCKING_EXCLUSIVE;
    max = ph_min(store->env->conf.readers, (unsigned) STORE_READERS_MAX);

    pthread_mutex_lock(&store->mutex);

    if (access == STORE_WRITE || alone) {
        if (!store->writer_busy) {
            store->writer_busy = true;
            *conn_r = store->writer;
            rc = PH_OK;
        }
        goto done;
    }

    for (i = 0; i < store->n_readers; i++) {
        if (!store->reader_busy[i]) {
            store->reader_busy[i] = true;
            *conn_r = store->reader[i];
            rc = PH_OK;
            goto done;
        }
    }

    if (store->n_readers < max) {
        rc = store_conn_open(store, false, &store->reader[store->n_readers]);
        if (rc == PH_OK) {
            *conn_r = store->reader[store->n_readers];
            store->reader_busy[store->n_readers++] = true;
        }
    }

done:

    pthread_mutex_unlock(&store->mutex);

    return rc;
}

void
store_conn_release(store_conn_t **conn)
{
    store_t       *store;
    unsigned       i;
    store_conn_t  *c;

    c = *conn;
    if (c == NULL) {
        return;
    }
    *conn = NULL;

    if (c->in_txn) {
        store_rollback(c);
    }
    c->viewer = NULL;
    store = c->store;

    pthread_mutex_lock(&store->mutex);
    if (c == store->writer) {
        store->writer_busy = false;
    } else {
        for (i = 0; i < store->n_readers; i++) {
            if (store->reader[i] == c) {
                store->reader_busy[i] = false;
            }
        }
    }
    pthread_mutex_unlock(&store->mutex);
}

store_t *
store_conn_store(const store_conn_t *conn)
{
    return conn->store;
}

bool
store_conn_writable(const store_conn_t *conn)
{
    return conn->writable;
}

void
store_conn_set_origin(store_conn_t *conn, uint64_t origin)
{
    conn->origin = origin;
}

bool
store_in_transaction(const store_conn_t *conn)
{
    return conn->in_txn;
}

ph_int_t
store_need_write(store_conn_t *conn)
{
    if (!conn->writable || !conn->in_txn || conn->failed) {
        return PH_ERROR;
    }

    return PH_OK;
}

/* ---- transactions ---- */

static void
store_txn_end(store_conn_t *conn)
{
    conn->in_txn = false;
    conn->failed = false;
    conn->counters_dirty = false;
    conn->n_savepoints = 0;
    conn->now = 0;
    memset(conn->dirs_dirty, 0, sizeof(conn->dirs_dirty));
    store_events_free(&conn->events);
    conn->cap_events = 0;
    ph_pool_destroy(&conn->tmp);
}

ph_int_t
store_begin(store_conn_t *conn)
{
    ph_int_t  rc;
    int64_t   version;

    if (conn->in_txn) {
        return PH_ERROR;
    }
    if (conn->writable && store_tmp_pool(conn) == NULL) {
        return PH_NOMEM;
    }

    rc = store_exec(conn, conn->writable ? SQL_BEGIN_WRITE : SQL_BEGIN_READ,
                    "");
    if (rc != PH_OK) {
        return rc;
    }
    conn->in_txn = true;

    if (!conn->writable) {
        /* the snapshot is taken by the first read */
        rc = store_q_int(conn, SQL_LAST_CN, &version, "");
        if (rc != PH_OK) {
            store_rollback(conn);
        }
    }

    return rc;
}

ph_int_t
store_commit(store_conn_t *conn, store_events_t **events_r)
{
    ph_int_t  rc;

    if (events_r) {
        *events_r = NULL;
    }
    if (!conn->in_txn) {
        return PH_ERROR;
    }

    rc = PH_OK;
    if (conn->failed) {
        rc = PH_ERROR;
    }
    while (rc == PH_OK && conn->n_savepoints) {
        rc = store_release(conn);
    }
    if (rc == PH_OK) {
        rc = store_search_flush(conn);
    }
    if (rc == PH_OK && conn->counters_dirty) {
        rc = store_counters_save(conn);
    }
    /* files first: a row must never name a file that may not be there */
    if (rc == PH_OK) {
        rc = store_blob_sync_dirs(conn);
    }
    if (rc == PH_OK) {
        rc = store_exec(conn, SQL_COMMIT, "");
    }
    if (rc != PH_OK) {
        store_rollback(conn);
        return rc;
    }

    if (events_r) {
        *events_r = conn->events;
        conn->events = NULL;
    }
    store_txn_end(conn);

    return PH_OK;
}

void
store_rollback(store_conn_t *conn)
{
    unsigned  i;

    if (!conn->in_txn) {
        return;
    }

    for (i = 0; i < SQL_MAX; i++) {
        if (conn->stmt[i]) {
            sqlite3_reset(conn->stmt[i]);
        }
    }
    /* after some errors SQLite has rolled back already */
    if (!sqlite3_get_autocommit(conn->db)) {
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    }
    store_search_undo(conn);
    /* ids and change numbers given out meanwhile are lost, never used again */
    store_txn_end(conn);
}

ph_int_t
store_savepoint(store_conn_t *conn)
{
    if (!conn->in_txn || conn->n_savepoints == STORE_SAVEPOINTS) {
        return PH_ERROR;
    }
    /* what is behind it must be undone alone */
    store_try(store_search_flush(conn));
    store_try(store_exec(conn, SQL_SAVEPOINT, ""));

    conn->savepoint[conn->n_savepoints++].n_events =
        conn->events ? conn->events->n : 0;

    return PH_OK;
}

ph_int_t
store_release(store_conn_t *conn)
{
    if (conn->n_savepoints == 0) {
        return PH_ERROR;
    }
    store_try(store_search_flush(conn));
    conn->n_savepoints--;

    return store_exec(conn, SQL_RELEASE, "");
}

ph_int_t
store_undo(store_conn_t *conn)
{
    if (conn->n_savepoints == 0) {
        return PH_ERROR;
    }
    conn->n_savepoints--;

    if (conn->events) {
        conn->events->n = conn->savepoint[conn->n_savepoints].n_events;
    }
    store_search_undo(conn);
    if (sqlite3_get_autocommit(conn->db)) {
        conn->failed = true;    /* SQLite has rolled back the whole of it */
        return PH_ERROR;
    }
    store_try(store_exec(conn, SQL_ROLLBACK_TO, ""));

    return store_exec(conn, SQL_RELEASE, "");
}

ph_int_t
store_maintain(store_conn_t *conn, uint32_t limit, bool *more_r)
{
    uint64_t       now, age;
    ph_int_t       rc;
    store_conf_t  *conf;

    *more_r = false;
    if (!conn->writable || conn->in_txn) {
        return PH_ERROR;
    }

    conf = &conn->store->env->conf;
    now = store_filetime();
    age = (uint64_t) conf->gc_age * 10000000;
    store_try(store_content_gc(conn, now - age, limit, more_r));
    store_try(store_deletion_prune(conn, limit, more_r));

    rc = store_exec(conn, SQL_DELIVERY_PURGE, "u",
                    now - 30ull * 86400 * 10000000);
    if (rc != PH_OK) {
        return rc;
    }

    sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                              NULL);

    return PH_OK;
}

void
store_trim(store_t *store)
{
    unsigned  i;

    store_index_trim(store);
    pthread_mutex_lock(&store->mutex);

    for (i = 0; i < store->n_readers; i++) {
        if (store->reader_busy[i]) {
            continue;
        }
        store_conn_close(&store->reader[i]);
        store->n_readers--;
        store->reader[i] = store->reader[store->n_readers];
        store->reader_busy[i] = store->reader_busy[store->n_readers];
        i--;
    }
    if (!store->writer_busy) {
        store_conn_forget_statements(store->writer);
        store_searches_forget(store->writer);
        sqlite3_db_release_memory(store->writer->db);
    }

    pthread_mutex_unlock(&store->mutex);
}
