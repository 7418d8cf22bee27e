#include "dir_db.h"
#include "dir_schema.h"
#include "lib/ph_str.h"
#include "gen/directory_schema.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DIR_DB_MAGIC  0x64697264u

struct dir_conn_s {
    dir_db_t      *db;
    sqlite3       *sqlite;
    dir_conn_t    *next_free;
    sqlite3_stmt  *stmt[DIR_SQL_COUNT];
};

struct dir_db_s {
    uint32_t          magic;
    uint32_t          version;
    ph_log_t         *log;
    _Atomic uint64_t  generation;

    pthread_mutex_t   writing;      /* held from dir_db_write to its end */
    dir_conn_t        writer;

    pthread_mutex_t   lock;         /* of the list of free readers */
    pthread_cond_t    freed;
    dir_conn_t       *free;
    unsigned          n_readers;
    dir_conn_t        readers[DIR_DB_READERS_MAX];
};

static const char *const dir_sql_text[DIR_SQL_COUNT] = {
#define DIR_SQL(name, text) text,
#include "dir_sql.def"
#undef DIR_SQL
};


ph_int_t
dir_db_rc(dir_conn_t *conn, int rc)
{
    ph_int_t  res;

    switch (rc & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
        return PH_OK;
    case SQLITE_DONE:
        return PH_DONE;
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE
            || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        {
            return PH_EXISTS;
        }
        return PH_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        res = PH_BUSY;
        break;
    case SQLITE_FULL:
        res = PH_NOSPACE;
        break;
    case SQLITE_NOMEM:
        res = PH_NOMEM;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        res = PH_CORRUPT;
        break;
    case SQLITE_TOOBIG:
        res = PH_TOOBIG;
        break;
    default:
        res = PH_ERROR;
    }

    ph_log(conn->db->log, PH_LOG_ERROR, PH2004, "sqlite=%d msg=%s", rc,
           ph_log_str(ph_str_c(sqlite3_errmsg(conn->sqlite))));
    return res;
}


static ph_int_t
db_exec(dir_conn_t *conn, const char *sql)
{
    return dir_db_rc(conn, sqlite3_exec(conn->sqlite, sql, NULL, NULL, NULL));
}


static ph_int_t
db_connect(dir_db_t *db, dir_conn_t *conn, const char *path, int flags)
{
    int       rc;
    ph_int_t  res;

    conn->db = db;

    rc = sqlite3_open_v2(path, &conn->sqlite, flags | SQLITE_OPEN_NOMUTEX
                         | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK) {
        if (conn->sqlite == NULL) {
            return PH_NOMEM;
        }
        return dir_db_rc(conn, rc);
    }

    sqlite3_busy_timeout(conn->sqlite, DIR_DB_BUSY_MS);

    /* a database that somebody prepared runs no code of his through ours */
    sqlite3_db_config(conn->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(conn->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);

    res = db_exec(conn, "PRAGMA foreign_keys = ON");
    if (res == PH_OK && (flags & SQLITE_OPEN_READWRITE)) {
        /* acknowledged changes survive a power cut; what was deleted (password
         * hashes) does not stay behind in free pages */
        res = db_exec(conn, "PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA secure_delete = ON;");
    }

    return res;
}


static void
db_disconnect(dir_conn_t *conn)
{
    for (size_t i = 0; i < DIR_SQL_COUNT; i++) {
        sqlite3_finalize(conn->stmt[i]);
        conn->stmt[i] = NULL;
    }

    sqlite3_close(conn->sqlite);
    conn->sqlite = NULL;
}


static ph_int_t
db_open_all(dir_db_t *db, const char *path, unsigned readers)
{
    char           err[DIR_SCHEMA_ERROR_MAX];
    uint32_t       from, to;
    ph_int_t       rc;
    sqlite3_stmt  *st;

    rc = db_connect(db, &db->writer, path,
                    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_schema_upgrade(db->writer.sqlite, path, directory_schema, &from,
                            &to, err);
    if (rc != PH_OK) {
        ph_log(db->log, PH_LOG_ERROR, PH2002, "file=%s msg=%s",
               ph_log_str(ph_str_c(path)), ph_log_str(ph_str_c(err)));
        return rc;
    }

    db->version = to;
    if (from != to) {
        ph_log(db->log, PH_LOG_NOTICE, PH2003, "file=%s from=%u to=%u",
               ph_log_str(ph_str_c(path)), from, to);
    }

    st = dir_stmt(&db->writer, DIR_SQL_generation);
    if (st == NULL || sqlite3_step(st) != SQLITE_ROW) {
        return PH_CORRUPT;
    }
    db->generation = (uint64_t) sqlite3_column_int64(st, 0);
    sqlite3_reset(st);

    readers = ph_max(ph_min(readers, DIR_DB_READERS_MAX), 1u);

    for (unsigned i = 0; i < readers; i++) {
        rc = db_connect(db, &db->readers[i], path, SQLITE_OPEN_READONLY);
        if (rc != PH_OK) {
            return rc;
        }
        db->readers[i].next_free = db->free;
        db->free = &db->readers[i];
        db->n_readers++;
    }

    return PH_OK;
}


ph_int_t
dir_db_open(const char *path, unsigned readers, ph_log_t *log,
    dir_db_t **db_r)
{
    mode_t     mask;
    dir_db_t  *db;
    ph_int_t   rc;

    *db_r = NULL;

    db = calloc(1, sizeof(*db));
    if (db == NULL) {
        return PH_NOMEM;
    }

    db->magic = DIR_DB_MAGIC;
    db->log = log;
    pthread_mutex_init(&db->writing, NULL);
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->freed, NULL);

    /* the file holds password hashes */
    mask = umask(0077);
    rc = db_open_all(db, path, readers);
    umask(mask);

    if (rc != PH_OK) {
        ph_log(log, PH_LOG_ERROR, PH2001, "file=%s result=%s",
               ph_log_str(ph_str_c(path)), ph_result_name(rc));
        dir_db_close(&db);
        return rc;
    }

    *db_r = db;
    return PH_OK;
}


void
dir_db_close(dir_db_t **dbp)
{
    dir_db_t  *db = *dbp;

    if (db == NULL) {
        return;
    }

    for (unsigned i = 0; i < DIR_DB_READERS_MAX; i++) {
        db_disconnect(&db->readers[i]);
    }
    db_disconnect(&db->writer);

    pthread_mutex_destroy(&db->writing);
    pthread_mutex_destroy(&db->lock);
    pthread_cond_destroy(&db->freed);

    db->magic = 0;
    free(db);
    *dbp = NULL;
}


uint32_t
dir_db_version(const dir_db_t *db)
{
    return db->version;
}


uint64_t
dir_db_generation(const dir_db_t *db)
{
    return db->generation;
}


sqlite3 *
dir_conn_sqlite(dir_conn_t *conn)
{
    return conn->sqlite;
}


int64_t
dir_conn_last_id(dir_conn_t *conn)
{
    return sqlite3_last_insert_rowid(conn->sqlite);
}


int
dir_conn_changes(dir_conn_t *conn)
{
    return sqlite3_changes(conn->sqlite);
}


sqlite3_stmt *
dir_stmt(dir_conn_t *conn, dir_sql_t id)
{
    int            rc;
    sqlite3_stmt **st = &conn->stmt[id];

    if (*st != NULL) {
        sqlite3_reset(*st);
        sqlite3_clear_bindings(*st);
        return *st;
    }

    rc = sqlite3_prepare_v3(conn->sqlite, dir_sql_text[id], -1,
                            SQLITE_PREPARE_PERSISTENT, st, NULL);
    if (rc != SQLITE_OK) {
        (void) dir_db_rc(conn, rc);
        return NULL;
    }

    return *st;
}


ph_int_t
dir_stmt_run(dir_conn_t *conn, sqlite3_stmt *st)
{
    int       rc;
    ph_int_t  res;

    if (st == NULL) {
        return PH_ERROR;
    }

    rc = sqlite3_step(st);
    res = dir_db_rc(conn, rc);
    sqlite3_reset(st);

    return res == PH_DONE ? PH_OK : res;
}


/* Ends reading statements that somebody left in the middle of their rows: they
 * would keep the transaction open. */
static void
conn_reset(dir_conn_t *conn)
{
    for (size_t i = 0; i < DIR_SQL_COUNT; i++) {
        if (conn->stmt[i] != NULL && sqlite3_stmt_busy(conn->stmt[i])) {
            sqlite3_reset(conn->stmt[i]);
        }
    }
}


dir_conn_t *
dir_db_read(dir_db_t *db)
{
    dir_conn_t  *conn;

    pthread_mutex_lock(&db->lock);
    while (db->free == NULL) {
        pthread_cond_wait(&db->freed, &db->lock);
    }
    conn = db->free;
    db->free = conn->next_free;
    pthread_mutex_unlock(&db->lock);

    if (dir_stmt_run(conn, dir_stmt(conn, DIR_SQL_begin)) != PH_OK) {
        dir_db_read_end(db, &conn);
        return NULL;
    }

    return conn;
}


void
dir_db_read_end(dir_db_t *db, dir_conn_t **connp)
{
    dir_conn_t  *conn = *connp;

    if (conn == NULL) {
        return;
    }

    conn_reset(conn);
    if (!sqlite3_get_autocommit(conn->sqlite)) {
        (void) dir_stmt_run(conn, dir_stmt(conn, DIR_SQL_commit));
    }

    pthread_mutex_lock(&db->lock);
    conn->next_free = db->free;
    db->free = conn;
    pthread_cond_signal(&db->freed);
    pthread_mutex_unlock(&db->lock);

    *connp = NULL;
}


ph_int_t
dir_db_write(dir_db_t *db, dir_conn_t **conn_r)
{
    ph_int_t  rc;

    pthread_mutex_lock(&db->writing);

    rc = dir_stmt_run(&db->writer, dir_stmt(&db->writer, DIR_SQL_begin_write));
    if (rc != PH_OK) {
        pthread_mutex_unlock(&db->writing);
        *conn_r = NULL;
        return rc;
    }

    *conn_r = &db->writer;
    return PH_OK;
}


void
dir_db_rollback(dir_db_t *db, dir_conn_t **connp)
{
    dir_conn_t  *conn = *connp;

    if (conn == NULL) {
        return;
    }

    conn_reset(conn);
    if (!sqlite3_get_autocommit(conn->sqlite)) {
        (void) dir_stmt_run(conn, dir_stmt(conn, DIR_SQL_rollback));
    }

    *connp = NULL;
    pthread_mutex_unlock(&db->writing);
}


ph_int_t
dir_db_commit(dir_db_t *db, dir_conn_t **connp, uint64_t *generation_r)
{
    uint64_t       generation = 0;
    ph_int_t       rc;
    dir_conn_t    *conn = *connp;
    sqlite3_stmt  *st;

    conn_reset(conn);

    rc = dir_stmt_run(conn, dir_stmt(conn, DIR_SQL_generation_next));

    if (rc == PH_OK) {
        st = dir_stmt(conn, DIR_SQL_generation);
        if (st == NULL || sqlite3_step(st) != SQLITE_ROW) {
            rc = PH_ERROR;
        } else {
            generation = (uint64_t) sqlite3_column_int64(st, 0);
            sqlite3_reset(st);
        }
    }

    if (rc == PH_OK) {
        rc = dir_stmt_run(conn, dir_stmt(conn, DIR_SQL_commit));
    }

    if (rc != PH_OK) {
        dir_db_rollback(db, connp);
        return rc;
    }

    db->generation = generation;
    if (generation_r != NULL) {
        *generation_r = generation;
    }

    *connp = NULL;
    pthread_mutex_unlock(&db->writing);

    return PH_OK;
}


ph_int_t
dir_db_commit_silently(dir_db_t *db, dir_conn_t **connp)
{
    ph_int_t     rc;
    dir_conn_t  *conn = *connp;

    conn_reset(conn);

    rc = dir_stmt_run(conn, dir_stmt(conn, DIR_SQL_commit));
    if (rc != PH_OK) {
        dir_db_rollback(db, connp);
        return rc;
    }

    *connp = NULL;
    pthread_mutex_unlock(&db->writing);

    return PH_OK;
}


void
dir_bind_str(sqlite3_stmt *st, int index, ph_str_t s)
{
    /* an empty string is "", never NULL */
    sqlite3_bind_text64(st, index, s.len ? (const char *) s.data : "", s.len,
                        SQLITE_TRANSIENT, SQLITE_UTF8);
}


void
dir_bind_blob(sqlite3_stmt *st, int index, ph_str_t s)
{
    sqlite3_bind_blob64(st, index, s.len ? s.data : (const void *) "", s.len,
                        SQLITE_TRANSIENT);
}


ph_str_t
dir_column_str(sqlite3_stmt *st, int column)
{
    ph_str_t  s;

    s.data = sqlite3_column_text(st, column);
    s.len = s.data ? (size_t) sqlite3_column_bytes(st, column) : 0;

    return s;
}


ph_str_t
dir_column_blob(sqlite3_stmt *st, int column)
{
    ph_str_t  s;

    s.data = sqlite3_column_blob(st, column);
    s.len = s.data ? (size_t) sqlite3_column_bytes(st, column) : 0;

    return s;
}
