/* Prepared statements and the translation of SQLite's results. */

#include "store_int.h"

#include "lib/ph_str.h"

#include <errno.h>
#include <stdlib.h>

static const char *const  store_sql_text[] = {
#define STORE_SQL(name, text)  text,
#include "store_sql.def"
#undef STORE_SQL
};

ph_int_t
store_sql_error(store_conn_t *conn, int rc, const char *what)
{
    store_t   *store;
    ph_int_t   result;
    int        err;

    err = errno;
    store = conn->store;

    switch (rc & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return PH_OK;

    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PH_BUSY;

    case SQLITE_NOMEM:
        result = PH_NOMEM;
        break;

    case SQLITE_FULL:
        result = PH_NOSPACE;
        break;

    case SQLITE_IOERR:
        /* A full disk is also seen as a failed sync or truncate.  SQLite keeps
         * errno, but not that of a COMMIT: store_step() has cleared it. */
        if (err == 0) {
            err = sqlite3_system_errno(conn->db);
        }
        result = err == ENOSPC || err == EDQUOT ? PH_NOSPACE : PH_ERROR;
        if ((rc >> 8) == (SQLITE_IOERR_NOMEM >> 8)) {
            result = PH_NOMEM;
        }
        break;

    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        result = PH_CORRUPT;
        break;

    case SQLITE_CONSTRAINT:
        /* of a unique key: the caller's business, not a failure */
        if (rc == SQLITE_CONSTRAINT_UNIQUE
            || rc == SQLITE_CONSTRAINT_PRIMARYKEY
            || rc == SQLITE_CONSTRAINT_ROWID)
        {
            return PH_EXISTS;
        }
        result = PH_ERROR;
        break;

    case SQLITE_INTERRUPT:
        return PH_ABORT;

    case SQLITE_TOOBIG:
        return PH_TOOBIG;

    default:
        result = PH_ERROR;
    }

    conn->failed = conn->in_txn;

    ph_log(store->env->conf.log, PH_LOG_ERROR,
           result == PH_CORRUPT ? PH3003
           : result == PH_NOSPACE ? PH3002 : PH3001,
           "mailbox=%s code=%d error=%s during=%s",
           ph_log_str(ph_str_c(store->path)), rc,
           ph_log_str(ph_str_c(sqlite3_errmsg(conn->db))),
           ph_log_str(ph_str_c(what)));

    return result;
}

static ph_int_t
store_bind(store_conn_t *conn, sqlite3_stmt *s, const char *fmt, va_list ap)
{
    ph_str_t  str;
    int       i, rc;

    rc = SQLITE_OK;

    for (i = 1; *fmt && rc == SQLITE_OK; fmt++, i++) {
        switch (*fmt) {
        case 'i':
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
            break;
        case 'u':
            rc = sqlite3_bind_int64(s, i, (int64_t) va_arg(ap, uint64_t));
            break;
        case 'd':
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int));
            break;
        case 'n':
            rc = sqlite3_bind_null(s, i);
            break;
        case 't':
            str = va_arg(ap, ph_str_t);
            rc = sqlite3_bind_text64(s, i,
                                     str.len ? (const char *) str.data : "",
                                     str.len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case 'b':
            str = va_arg(ap, ph_str_t);
            if (str.data == NULL) {
                rc = sqlite3_bind_null(s, i);
                break;
            }
            rc = sqlite3_bind_blob64(s, i, str.data, str.len, SQLITE_STATIC);
            break;
        case 'z':
            str = va_arg(ap, ph_str_t);
            rc = sqlite3_bind_blob64(s, i, str.len ? (const void *) str.data
                                                   : "",
                                     str.len, SQLITE_STATIC);
            break;
        default:
            rc = SQLITE_MISUSE;
        }
    }

    return rc == SQLITE_OK ? PH_OK : store_sql_error(conn, rc, "bind");
}

static ph_int_t
store_prepare(store_conn_t *conn, const char *text, sqlite3_stmt **s_r)
{
    int  rc;

    rc = sqlite3_prepare_v3(conn->db, text, -1, SQLITE_PREPARE_PERSISTENT, s_r,
                            NULL);

    return rc == SQLITE_OK ? PH_OK : store_sql_error(conn, rc, text);
}

ph_int_t
store_q(store_conn_t *conn, store_sql_t which, sqlite3_stmt **s_r,
    const char *fmt, ...)
{
    va_list        ap;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    *s_r = NULL;

    /* one that is in use by an outer loop: a second copy, not kept */
    if (conn->stmt_busy[which]) {
        store_try(store_prepare(conn, store_sql_text[which], &s));
    } else {
        if (conn->stmt[which] == NULL) {
            store_try(store_prepare(conn, store_sql_text[which],
                                    &conn->stmt[which]));
        }
        s = conn->stmt[which];
        conn->stmt_busy[which] = true;
    }

    va_start(ap, fmt);
    rc = store_bind(conn, s, fmt, ap);
    va_end(ap);

    if (rc != PH_OK) {
        store_done(conn, &s);
        return rc;
    }
    *s_r = s;

    return PH_OK;
}

ph_int_t
store_q_text(store_conn_t *conn, const char *text, sqlite3_stmt **s_r,
    const char *fmt, ...)
{
    va_list             ap;
    ph_int_t            rc;
    unsigned            i;
    sqlite3_stmt       *s;
    store_text_stmt_t  *slot, *old;

    *s_r = NULL;
    slot = NULL;
    old = NULL;

    for (i = 0; i < STORE_TEXT_STMTS; i++) {
        if (conn->text[i].busy) {
            continue;
        }
        if (conn->text[i].text && strcmp(conn->text[i].text, text) == 0) {
            slot = &conn->text[i];
            break;
        }
        if (old == NULL || conn->text[i].used < old->used) {
            old = &conn->text[i];
        }
    }

    if (slot == NULL && old != NULL) {
        sqlite3_finalize(old->stmt);
        free(old->text);
        memset(old, 0, sizeof(*old));
        old->text = strdup(text);
        if (old->text == NULL) {
            return PH_NOMEM;
        }
        rc = store_prepare(conn, text, &old->stmt);
        if (rc != PH_OK) {
            free(old->text);
            old->text = NULL;
            return rc;
        }
        slot = old;
    }

    if (slot != NULL) {
        slot->busy = true;
        slot->used = ++conn->clock;
        s = slot->stmt;
    } else {
        store_try(store_prepare(conn, text, &s));
    }

    va_start(ap, fmt);
    rc = store_bind(conn, s, fmt, ap);
    va_end(ap);

    if (rc != PH_OK) {
        store_done(conn, &s);
        return rc;
    }
    *s_r = s;

    return PH_OK;
}

ph_int_t
store_step(store_conn_t *conn, sqlite3_stmt *s)
{
    int  rc;

    errno = 0;
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        return PH_OK;
    }
    if (rc == SQLITE_DONE) {
        return PH_DONE;
    }

    return store_sql_error(conn, sqlite3_extended_errcode(conn->db),
                           sqlite3_sql(s));
}

void
store_done(store_conn_t *conn, sqlite3_stmt **s)
{
    unsigned  i;

    if (*s == NULL) {
        return;
    }

    for (i = 0; i < SQL_MAX; i++) {
        if (conn->stmt[i] == *s) {
            sqlite3_reset(*s);
            sqlite3_clear_bindings(*s);
            conn->stmt_busy[i] = false;
            *s = NULL;
            return;
        }
    }
    for (i = 0; i < STORE_TEXT_STMTS; i++) {
        if (conn->text[i].stmt == *s) {
            sqlite3_reset(*s);
            sqlite3_clear_bindings(*s);
            conn->text[i].busy = false;
            *s = NULL;
            return;
        }
    }

    sqlite3_finalize(*s);
    *s = NULL;
}

ph_int_t
store_exec(store_conn_t *conn, store_sql_t which, const char *fmt, ...)
{
    va_list        ap;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, which, &s, ""));

    va_start(ap, fmt);
    rc = store_bind(conn, s, fmt, ap);
    va_end(ap);

    while (rc == PH_OK) {
        rc = store_step(conn, s);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_q_int(store_conn_t *conn, store_sql_t which, int64_t *v_r,
    const char *fmt, ...)
{
    va_list        ap;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, which, &s, ""));

    va_start(ap, fmt);
    rc = store_bind(conn, s, fmt, ap);
    va_end(ap);

    if (rc == PH_OK) {
        rc = store_step(conn, s);
    }
    if (rc == PH_OK) {
        *v_r = sqlite3_column_int64(s, 0);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_run(store_conn_t *conn, const char *text)
{
    int  rc;

    rc = sqlite3_exec(conn->db, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? PH_OK : store_sql_error(conn, rc, text);
}

int
store_changes(store_conn_t *conn)
{
    return sqlite3_changes(conn->db);
}

ph_str_t
store_col_str(sqlite3_stmt *s, int i)
{
    ph_str_t  str;

    /* in this order: the length is that of the form asked for last */
    str.data = sqlite3_column_blob(s, i);
    str.len = (size_t) sqlite3_column_bytes(s, i);

    return str;
}
