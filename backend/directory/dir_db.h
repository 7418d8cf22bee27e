/*
 * The user database: one writer connection, a few readers, and the prepared
 * statements of dir_sql.def on each.  Everything here may block and belongs on
 * a thread of the pool.
 */

#ifndef DIR_DB_H
#define DIR_DB_H

#include "lib/ph_core.h"
#include "lib/ph_log.h"
#include <sqlite3.h>

#define DIR_DB_READERS_MAX   32
#define DIR_DB_BUSY_MS       5000    /* waiting for another process' lock */

typedef enum {
#define DIR_SQL(name, text) DIR_SQL_##name,
#include "dir_sql.def"
#undef DIR_SQL
    DIR_SQL_COUNT
} dir_sql_t;

typedef struct dir_db_s    dir_db_t;
typedef struct dir_conn_s  dir_conn_t;

/*
 * Opens the database, which is created and brought to the current schema when
 * need be.  PH_CORRUPT: not a database, or newer than this program can use;
 * PH_NOSPACE, PH_ERROR.  The reason is in the log.
 */
ph_int_t dir_db_open(const char *path, unsigned readers, ph_log_t *log,
    dir_db_t **db_r);
/* no connection may be in use */
void dir_db_close(dir_db_t **db);
uint32_t dir_db_version(const dir_db_t *db);

/*
 * A reader's connection inside a read transaction: all statements see the same
 * state.  Waits while all are in use; give it back before anything slow.  NULL
 * when SQLite fails (logged).
 */
dir_conn_t *dir_db_read(dir_db_t *db);
void dir_db_read_end(dir_db_t *db, dir_conn_t **conn);

/*
 * The writer, inside a transaction.  Commit is durable when it returns PH_OK;
 * when it fails everything is rolled back.  Both give the connection back.
 * generation_r: value that the change has (also in table options).
 */
ph_int_t dir_db_write(dir_db_t *db, dir_conn_t **conn_r);
ph_int_t dir_db_commit(dir_db_t *db, dir_conn_t **conn,
    uint64_t *generation_r);
/* for changes that nobody else can see: the generation stays */
ph_int_t dir_db_commit_silently(dir_db_t *db, dir_conn_t **conn);
void dir_db_rollback(dir_db_t *db, dir_conn_t **conn);
/* of the last commit, by any process at the time of opening */
uint64_t dir_db_generation(const dir_db_t *db);

/* A statement, reset and without bindings; NULL when it cannot be prepared. */
sqlite3_stmt *dir_stmt(dir_conn_t *conn, dir_sql_t id);
sqlite3 *dir_conn_sqlite(dir_conn_t *conn);
/* an SQLite result as PH_*: ROW is PH_OK, DONE is PH_DONE; logs what is
 * wrong */
ph_int_t dir_db_rc(dir_conn_t *conn, int rc);
/* steps a statement that gives no rows: PH_OK, PH_EXISTS (unique), ... */
ph_int_t dir_stmt_run(dir_conn_t *conn, sqlite3_stmt *st);
int64_t dir_conn_last_id(dir_conn_t *conn);
int dir_conn_changes(dir_conn_t *conn);

void dir_bind_str(sqlite3_stmt *st, int index, ph_str_t s);
void dir_bind_blob(sqlite3_stmt *st, int index, ph_str_t s);
/* valid until the next step of the statement */
ph_str_t dir_column_str(sqlite3_stmt *st, int column);
ph_str_t dir_column_blob(sqlite3_stmt *st, int column);

#endif
