/* Schema versions: up, undone, read by the release before, refused. */

#include "store_fixture.h"
#include "store/store_upgrade.h"

static const store_step_t  steps[] = {
    { 3, 2, "ALTER TABLE folder ADD COLUMN colour INTEGER NOT NULL DEFAULT 7;"
            "CREATE TABLE tag (id INTEGER PRIMARY KEY)",
            "ALTER TABLE folder DROP COLUMN colour; DROP TABLE tag" },
    { 4, 4, "CREATE TABLE other (id INTEGER PRIMARY KEY)",
            "DROP TABLE other" },
    { 5, 4, "CREATE TABLE broken (id INTEGER PRIMARY KEY); nonsense", "" }
};

static bool
has_snapshot(unsigned version)
{
    char  path[256];

    snprintf(path, sizeof(path), "%s/snapshots/version-%u.sqlite", fx.path,
             version);
    return access(path, F_OK) == 0;
}

static void
reopen(ph_int_t want, const char *name)
{
    fx_close();
    is_rc(store_open(fx.env, fx.path, &fx.store), want, name);
    if (fx.store) {
        store_conn_acquire(fx.store, STORE_WRITE, &fx.conn);
    }
}

int
main(void)
{
    uint64_t  mid;

    fx_start("en");
    fx_begin();
    mid = fx_message(STORE_INBOX, "before");
    ok(mid != 0, "a message of version 2");
    fx_commit();

    is_rc(store_upgrade_steps(fx.conn, steps, 2, 3), PH_OK, "up to 3");
    ok(has_snapshot(2), "a snapshot was taken");
    reopen(PH_OK, "version 2's program opens it: compat allows");
    is_int(store_info(fx.store)->schema_version, 3, "version 3");
    fx_begin();
    ok(fx_message(STORE_INBOX, "by the release before") != 0,
       "and writes to it");
    fx_commit();
    is_rc(store_upgrade_steps(fx.conn, steps, 2, 2), PH_OK, "undone");
    reopen(PH_OK, "open");
    is_int(store_info(fx.store)->schema_version, 2, "version 2 again");
    fx_check("after undo");

    is_rc(store_upgrade_steps(fx.conn, steps, 3, 5), PH_ERROR,
          "a step that breaks");
    reopen(PH_DECLINED, "version 4 does not let version 2 in");
    store_env_destroy(&fx.env);
    ph_pool_destroy(&fx.pool);
    return done_testing();
}
