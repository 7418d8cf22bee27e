#include "dir_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_MARK  "-- step "

typedef struct {
    uint32_t     number;
    const char  *text;
    size_t       len;
} step_t;

/* The next step behind pos; false at the end. */
static bool
schema_next(const char **pos, step_t *step)
{
    const char     *p, *end, *mark;
    char           *rest;
    unsigned long   n;

    mark = *pos;

    if (strncmp(mark, STEP_MARK, sizeof(STEP_MARK) - 1) != 0) {
        mark = strstr(mark, "\n" STEP_MARK);
        if (mark == NULL) {
            return false;
        }
        mark++;
    }

    p = mark + sizeof(STEP_MARK) - 1;
    n = strtoul(p, &rest, 10);

    end = strstr(rest, "\n" STEP_MARK);
    end = end ? end + 1 : rest + strlen(rest);

    step->number = rest != p && n < 100000 ? (uint32_t) n : 0;
    step->text = rest;
    step->len = (size_t) (end - rest);
    *pos = end;

    return true;
}


uint32_t
dir_schema_newest(const char *steps)
{
    step_t       step;
    uint32_t     last = 0;
    const char  *pos = steps;

    while (schema_next(&pos, &step)) {
        if (step.number != last + 1) {
            return 0;
        }
        last = step.number;
    }

    return last;
}


static int64_t
schema_number(sqlite3 *db, const char *sql)
{
    int64_t        v = -1;
    sqlite3_stmt  *st = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK
        && sqlite3_step(st) == SQLITE_ROW)
    {
        v = sqlite3_column_int64(st, 0);
    }

    sqlite3_finalize(st);
    return v;
}


static ph_int_t
schema_fail(sqlite3 *db, const char *what, char *err)
{
    int  code = sqlite3_errcode(db) & 0xFF;

    snprintf(err, DIR_SCHEMA_ERROR_MAX, "%s: %s", what, sqlite3_errmsg(db));

    switch (code) {
    case SQLITE_FULL:
        return PH_NOSPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return PH_CORRUPT;
    case SQLITE_NOMEM:
        return PH_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PH_BUSY;
    default:
        return PH_ERROR;
    }
}


static bool
schema_sync(const char *path)
{
    int  fd, rc;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }

    rc = fsync(fd);
    close(fd);

    return rc == 0;
}


/*
 * The copy is written under another name and renamed when it is complete, so
 * that a file called PATH.vN is always a whole database.
 */
static ph_int_t
schema_snapshot(sqlite3 *db, const char *path, uint32_t version, char *err)
{
    int            rc;
    char           name[4096], tmp[4096 + 8], *slash;
    sqlite3_stmt  *st = NULL;

    rc = snprintf(name, sizeof(name), "%s.v%u", path, version);
    if (rc < 0 || (size_t) rc >= sizeof(name)) {
        snprintf(err, DIR_SCHEMA_ERROR_MAX, "snapshot: the path is too long");
        return PH_ERROR;
    }

    if (access(name, F_OK) == 0) {
        return PH_OK;
    }

    snprintf(tmp, sizeof(tmp), "%s.tmp", name);
    if (unlink(tmp) != 0 && errno != ENOENT) {
        snprintf(err, DIR_SCHEMA_ERROR_MAX, "snapshot: cannot replace %.160s",
                 tmp);
        return PH_ERROR;
    }

    if (sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &st, NULL) != SQLITE_OK) {
        return schema_fail(db, "snapshot", err);
    }

    sqlite3_bind_text(st, 1, tmp, -1, SQLITE_STATIC);
    rc = sqlite3_step(st);

    if (rc != SQLITE_DONE) {
        ph_int_t  res = schema_fail(db, "snapshot", err);

        sqlite3_finalize(st);
        unlink(tmp);
        return res;
    }

    sqlite3_finalize(st);

    if (!schema_sync(tmp) || rename(tmp, name) != 0) {
        snprintf(err, DIR_SCHEMA_ERROR_MAX, "snapshot %.120s: %.80s", name,
                 strerror(errno));
        unlink(tmp);
        return PH_ERROR;
    }

    slash = strrchr(name, '/');
    if (slash != NULL) {
        *(slash == name ? slash + 1 : slash) = '\0';
        (void) schema_sync(name);
    } else {
        (void) schema_sync(".");
    }

    return PH_OK;
}


static ph_int_t
schema_step(sqlite3 *db, const step_t *step, char *err)
{
    char      *sql, what[32];
    ph_int_t   rc;

    snprintf(what, sizeof(what), "step %u", step->number);

    sql = sqlite3_mprintf("BEGIN EXCLUSIVE;\n%.*s\nPRAGMA user_version = %u;\n"
                          "COMMIT;", (int) step->len, step->text,
                          step->number);
    if (sql == NULL) {
        snprintf(err, DIR_SCHEMA_ERROR_MAX, "%s: out of memory", what);
        return PH_NOMEM;
    }

    rc = PH_OK;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        rc = schema_fail(db, what, err);
        if (!sqlite3_get_autocommit(db)) {
            (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        }
    }

    sqlite3_free(sql);
    return rc;
}


ph_int_t
dir_schema_upgrade(sqlite3 *db, const char *path, const char *steps,
    uint32_t *from_r, uint32_t *to_r, char err[DIR_SCHEMA_ERROR_MAX])
{
    step_t       step;
    int64_t      v, compatible;
    uint32_t     version, newest;
    ph_int_t     rc;
    const char  *pos;

    err[0] = '\0';

    newest = dir_schema_newest(steps);
    if (newest == 0) {
        snprintf(err, DIR_SCHEMA_ERROR_MAX, "the steps are not 1, 2, 3, ...");
        return PH_INVALID;
    }

    v = schema_number(db, "PRAGMA user_version");
    if (v < 0) {
        return schema_fail(db, "reading the version", err);
    }

    version = (uint32_t) v;
    *from_r = version;
    *to_r = version;

    if (version == newest) {
        return PH_OK;
    }

    if (version > newest) {
        compatible = schema_number(db, "SELECT value FROM options"
                                   " WHERE name = 'compatible'");
        if (compatible > 0 && compatible <= (int64_t) newest) {
            return PH_OK;
        }

        snprintf(err, DIR_SCHEMA_ERROR_MAX, "the database has version %u, this"
                 " program knows %u", version, newest);
        return PH_CORRUPT;
    }

    if (version == 0
        && schema_number(db, "SELECT count(*) FROM sqlite_master") != 0)
    {
        snprintf(err, DIR_SCHEMA_ERROR_MAX, "a database of something else");
        return PH_CORRUPT;
    }

    if (version > 0) {
        if (schema_number(db, "SELECT count(*) FROM pragma_quick_check"
                          " WHERE quick_check <> 'ok'") != 0)
        {
            snprintf(err, DIR_SCHEMA_ERROR_MAX, "quick_check finds damage");
            return PH_CORRUPT;
        }

        rc = schema_snapshot(db, path, version, err);
        if (rc != PH_OK) {
            return rc;
        }
    }

    pos = steps;

    while (schema_next(&pos, &step)) {
        if (step.number <= version) {
            continue;
        }

        rc = schema_step(db, &step, err);
        if (rc != PH_OK) {
            return rc;
        }
        *to_r = step.number;
    }

    /* each step may rewrite tables: what they refer to must still be there */
    if (schema_number(db, "SELECT count(*) FROM pragma_foreign_key_check") != 0)
    {
        snprintf(err, DIR_SCHEMA_ERROR_MAX,
                 "rows refer to rows that do not exist");
        return PH_CORRUPT;
    }

    return PH_OK;
}
