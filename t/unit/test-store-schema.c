/*
 * The steps lead to the schema that a new mailbox has, and back to the one they
 * came from: t/data/store/mailbox-1.sql is the schema of version 1.
 */

#include "store_fixture.h"
#include "store/store_upgrade.h"
#include "gen/mailbox_schema.h"

#include <ctype.h>

#define TEXT_MAX  (256 * 1024)

/* without comments and white space */
static void
squeeze(const char *sql, char *to, size_t size)
{
    size_t  n;

    for (n = 0; *sql && n + 1 < size; sql++) {
        if (sql[0] == '-' && sql[1] == '-') {
            while (sql[1] && sql[1] != '\n') {
                sql++;
            }
        } else if (!isspace((unsigned char) *sql)) {
            to[n++] = *sql;
        }
    }
    to[n] = '\0';
}

/* Columns by name and everything else by its text: ADD COLUMN appends. */
static char *
describe(sqlite3 *db)
{
    char          *out, part[TEXT_MAX / 4];
    size_t         n;
    sqlite3_stmt  *s;

    out = calloc(1, TEXT_MAX);
    n = 0;
    sqlite3_prepare_v2(db,
        "SELECT 'column ' || t.name || '.' || c.name || ' ' || c.type || ' '"
        " || c.\"notnull\" || ' ' || coalesce(c.dflt_value, '-') || ' '"
        " || c.pk FROM sqlite_schema t, pragma_table_xinfo(t.name) c"
        " WHERE t.type = 'table' UNION ALL"
        " SELECT 'foreign ' || t.name || '.' || f.\"from\" || ' '"
        " || f.\"table\" || ' ' || f.on_delete"
        " FROM sqlite_schema t, pragma_foreign_key_list(t.name) f"
        " WHERE t.type = 'table' UNION ALL"
        " SELECT sql FROM sqlite_schema WHERE type <> 'table'"
        " AND sql IS NOT NULL ORDER BY 1", -1, &s, NULL);
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        squeeze((const char *) sqlite3_column_text(s, 0), part, sizeof(part));
        n += (size_t) snprintf(out + n, TEXT_MAX - n, "%s\n", part);
        if (n >= TEXT_MAX) {
            break;
        }
    }
    sqlite3_finalize(s);

    return out;
}

static void
is_schema(sqlite3 *db, sqlite3 *want, const char *name)
{
    char  *got_text, *want_text, *g, *w;

    got_text = describe(db);
    want_text = describe(want);
    ok(strlen(want_text) > 1000 && strcmp(got_text, want_text) == 0, "%s",
       name);
    for (g = got_text, w = want_text; *g && *g == *w; g++, w++) { /* void */ }
    if (*g != *w) {
        while (g > got_text && g[-1] != '\n') {
            g--, w--;
        }
        diag("got: %.*s", (int) strcspn(g, "\n"), g);
        diag("expected: %.*s", (int) strcspn(w, "\n"), w);
    }
    free(got_text);
    free(want_text);
}

static sqlite3 *
database(const char *sql)
{
    sqlite3  *db;

    sqlite3_open(":memory:", &db);
    is_int(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK,
           "the schema is SQL");

    return db;
}

/* A mailbox as version 1 left it, opened by this release. */
static void
open_old(void)
{
    fx_start("en");
    fx_begin();
    ok(fx_message(STORE_INBOX, "kept") != 0, "a message");
    fx_commit();
    is_rc(store_upgrade_steps(fx.conn, store_upgrade_list(&(unsigned) { 0 }),
                              1, 1), PH_OK, "down to version 1");
    fx_close();
    fx_open();
    is_int(store_info(fx.store)->schema_version, STORE_SCHEMA_VERSION,
           "opened, and brought up again");
    fx_check("after the upgrade");
    fx_close();
    store_env_destroy(&fx.env);
    ph_pool_destroy(&fx.pool);
}

int
main(void)
{
    char                *old;
    FILE                *f;
    size_t               n;
    sqlite3             *first, *new, *up;
    unsigned             i, n_steps;
    const store_step_t  *steps;

    old = calloc(1, TEXT_MAX);
    f = fopen("t/data/store/mailbox-1.sql", "r");
    n = f ? fread(old, 1, TEXT_MAX - 1, f) : 0;
    ok(n > 1000, "read the schema of version 1");
    if (f) {
        fclose(f);
    }

    first = database(old);
    up = database(old);
    new = database(mailbox_schema);
    steps = store_upgrade_list(&n_steps);

    for (i = 0; i < n_steps; i++) {
        is_int(sqlite3_exec(up, steps[i].up, NULL, NULL, NULL), SQLITE_OK,
               "step up");
    }
    is_schema(up, new, "the steps lead to the schema of a new mailbox");
    for (i = n_steps; i > 0; i--) {
        is_int(sqlite3_exec(up, steps[i - 1].down, NULL, NULL, NULL),
               SQLITE_OK, "step down");
    }
    is_schema(up, first, "and back to version 1");

    sqlite3_close(first);
    sqlite3_close(new);
    sqlite3_close(up);
    free(old);

    open_old();

    return done_testing();
}
