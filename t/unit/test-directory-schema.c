#include "directory_fixture.h"
#include "directory/dir_schema.h"

static const char  steps1[] =
    "-- a comment\n-- step 1\nCREATE TABLE options (name TEXT PRIMARY KEY,"
    " value);\nINSERT INTO options VALUES ('compatible', 1);\n"
    "CREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES (7);\n";
static const char  steps3[] =
    "-- step 1\nCREATE TABLE options (name TEXT PRIMARY KEY, value);\n"
    "INSERT INTO options VALUES ('compatible', 1);\n"
    "CREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES (7);\n"
    "-- step 2\nALTER TABLE t ADD COLUMN b INTEGER DEFAULT 8;\n"
    "-- step 3\nUPDATE t SET a = a + b;\n";
static const char  broken[] =
    "-- step 1\nSELECT 1;\n-- step 2\nSELECT 1;\n-- step 3\nSELECT 1;\n"
    "-- step 4\nCREATE TABLE u (x);\nINSERT INTO missing VALUES (1);\n";

static char  err[DIR_SCHEMA_ERROR_MAX];


static int64_t
number(const char *file, const char *sql)
{
    int64_t        v = -1;
    sqlite3       *db;
    sqlite3_stmt  *st;

    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK
        && sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK)
    {
        if (sqlite3_step(st) == SQLITE_ROW) {
            v = sqlite3_column_int64(st, 0);
        }
        sqlite3_finalize(st);
    }
    sqlite3_close(db);

    return v;
}


static ph_int_t
upgrade(const char *file, const char *steps, uint32_t *from, uint32_t *to)
{
    sqlite3   *db;
    ph_int_t   rc;

    if (sqlite3_open(file, &db) != SQLITE_OK) {
        return PH_ERROR;
    }
    rc = dir_schema_upgrade(db, file, steps, from, to, err);
    sqlite3_close(db);

    return rc;
}


int
main(void)
{
    char      file[96], copy[128];
    uint32_t  from, to;

    fixture_begin();
    is_int(dir_db_version(fixture_db), 2, "a new database has version 2");
    is_int(number(fixture_file, "PRAGMA user_version"), 2, "also on disk");
    is_int(number(fixture_file, "SELECT count(*) FROM users"), 0,
           "and its tables");

    is_int(dir_schema_newest("nothing"), 0, "a text without steps");
    is_int(dir_schema_newest("-- step 2\n"), 0, "steps that begin at 2");
    is_int(dir_schema_newest("-- step 1\n-- step 3\n"), 0, "steps with a gap");
    is_int(dir_schema_newest(steps3), 3, "three steps");

    snprintf(file, sizeof(file), "%s/s.db", fixture_dir);
    snprintf(copy, sizeof(copy), "%s.v1", file);

    is_int(upgrade(file, steps1, &from, &to), PH_OK, "0 to 1");
    is_int(from, 0, "from");
    is_int(to, 1, "to");
    ok(access(copy, F_OK) != 0, "nothing to keep of an empty database");

    is_int(upgrade(file, steps1, &from, &to), PH_OK, "1 to 1");
    is_int(from, to, "nothing done");

    is_int(upgrade(file, steps3, &from, &to), PH_OK, "1 to 3");
    is_int(to, 3, "version");
    is_int(number(file, "SELECT a FROM t"), 15, "the steps have run");
    is_int(number(copy, "SELECT a FROM t"), 7, "the copy has what was");
    is_int(number(copy, "PRAGMA user_version"), 1, "and its version");

    is_int(upgrade(file, broken, &from, &to), PH_ERROR, "a step that fails");
    diag("%s", err);
    is_int(number(file, "PRAGMA user_version"), 3, "leaves the version");
    is_int(number(file, "SELECT count(*) FROM sqlite_master WHERE name = 'u'"),
           0, "and nothing of itself");

    is_int(upgrade(file, steps1, &from, &to), PH_OK,
           "an older program uses a compatible database");
    is_int(to, 3, "and leaves it alone");

    unlink(copy);
    snprintf(copy, sizeof(copy), "%s.v3", file);
    unlink(copy);

    {
        sqlite3  *db;

        sqlite3_open(file, &db);
        sqlite3_exec(db, "UPDATE options SET value = 3", NULL, NULL, NULL);
        sqlite3_close(db);
    }
    is_int(upgrade(file, steps1, &from, &to), PH_CORRUPT,
           "but not one that is not");

    unlink(file);
    {
        sqlite3  *db;

        sqlite3_open(file, &db);
        sqlite3_exec(db, "CREATE TABLE foreigner (x)", NULL, NULL, NULL);
        sqlite3_close(db);
    }
    is_int(upgrade(file, steps1, &from, &to), PH_CORRUPT,
           "a database of something else");
    unlink(file);

    fixture_end();
    return done_testing();
}
