/*
 * SQL: statements are named in store_sql.def, prepared once for each
 * connection, and bound by a format:
 *
 *     i int64_t     u uint64_t    d int (also bool)    n NULL
 *     t ph_str_t as text          b ph_str_t as blob (data NULL: SQL NULL)
 *     z ph_str_t as blob, never NULL
 *
 * Bound strings must live until the statement is reset.
 */

#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "lib/ph_core.h"
#include <sqlite3.h>

typedef enum {
#define STORE_SQL(name, text)  SQL_##name,
#include "store_sql.def"
#undef STORE_SQL
    SQL_MAX
} store_sql_t;

struct store_conn_s;

/* Prepared, bound and ready for store_step(); *s_r is NULL on error. */
ph_int_t store_q(struct store_conn_s *conn, store_sql_t which,
    sqlite3_stmt **s_r, const char *fmt, ...);
/* The same for a text built at run time; few of them are kept. */
ph_int_t store_q_text(struct store_conn_s *conn, const char *text,
    sqlite3_stmt **s_r, const char *fmt, ...);
/* PH_OK: a row; PH_DONE: no more; else an error, and the statement is reset. */
ph_int_t store_step(struct store_conn_s *conn, sqlite3_stmt *s);
/* Gives the statement back; NULL is allowed, *s becomes NULL. */
void store_done(struct store_conn_s *conn, sqlite3_stmt **s);
/* Binds, runs to the end, gives back. */
ph_int_t store_exec(struct store_conn_s *conn, store_sql_t which,
    const char *fmt, ...);
/* The one integer of one row; PH_NOTFOUND when there is no row. */
ph_int_t store_q_int(struct store_conn_s *conn, store_sql_t which,
    int64_t *v_r, const char *fmt, ...);
/* A text without results, not kept. */
ph_int_t store_run(struct store_conn_s *conn, const char *text);
/* rows that the last statement changed */
int store_changes(struct store_conn_s *conn);

/* A column's bytes; they live until the next step. */
ph_str_t store_col_str(sqlite3_stmt *s, int i);
static inline uint64_t store_col_u64(sqlite3_stmt *s, int i)
{
    return (uint64_t) sqlite3_column_int64(s, i);
}
static inline uint32_t store_col_u32(sqlite3_stmt *s, int i)
{
    return (uint32_t) sqlite3_column_int64(s, i);
}

/* Result of SQLite -> ours; logs what is an operator's business. */
ph_int_t store_sql_error(struct store_conn_s *conn, int rc, const char *what);

#endif
