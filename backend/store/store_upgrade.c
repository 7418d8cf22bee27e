/*
 * Schema versions.  A step to a new version only adds (tables, indices, columns
 * with defaults) and has an undo; the row "compat" in config names the oldest
 * version whose program may still use the database.  Before the first step a
 * whole copy is written to snapshots/.
 */

#include "store_int.h"
#include "lib/ph_str.h"
#include "store_upgrade.h"
#include "gen/mailbox_2_schema.h"
#include "gen/mailbox_2_undo_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const store_step_t  store_steps[] = {
    { 2, 2, mailbox_2_schema, mailbox_2_undo_schema }
};

const store_step_t *
store_upgrade_list(unsigned *n_r)
{
    *n_r = sizeof(store_steps) / sizeof(store_steps[0]);

    return store_steps;
}

static ph_int_t
store_version(store_conn_t *conn, uint32_t *version_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q_text(conn, "PRAGMA user_version", &s, ""));
    rc = store_step(conn, s);
    *version_r = rc == PH_OK ? store_col_u32(s, 0) : 0;
    store_done(conn, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}

static ph_int_t
store_snapshot(store_conn_t *conn, uint32_t version)
{
    char           path[4096], part[4128];
    ph_int_t       rc;
    store_t       *store;
    sqlite3_stmt  *s;

    store = conn->store;
    snprintf(path, sizeof(path), "%s/snapshots", store->path);
    if (mkdir(path, 0700) == -1 && errno != EEXIST) {
        return store_io_error(store, "mkdir", path);
    }
    snprintf(path, sizeof(path), "%s/snapshots/version-%u.sqlite",
             store->path, version);
    if (access(path, F_OK) == 0) {
        return PH_OK;      /* of an upgrade that was undone or broke off */
    }
    snprintf(part, sizeof(part), "%s.part", path);
    unlink(part);

    store_try(store_q_text(conn, "VACUUM INTO ?", &s, "t", ph_str_c(part)));
    rc = store_step(conn, s);
    store_done(conn, &s);
    if (rc != PH_DONE) {
        unlink(part);
        return rc == PH_OK ? PH_ERROR : rc;
    }
    store_try(store_path_sync(store->env, part));
    if (rename(part, path) == -1) {
        return store_io_error(store, "rename", part);
    }

    return PH_OK;
}

static ph_int_t
store_step_run(store_conn_t *conn, const char *sql, uint32_t version,
    uint32_t compat)
{
    char      text[64];
    ph_int_t  rc;

    store_try(store_begin(conn));
    rc = store_run(conn, sql);
    if (rc == PH_OK) {
        snprintf(text, sizeof(text), "PRAGMA user_version = %u", version);
        rc = store_run(conn, text);
    }
    if (rc == PH_OK) {
        snprintf(text, sizeof(text), "%u", compat);
        rc = store_exec(conn, SQL_CONFIG_SET, "tz", STORE_LEN("compat"),
                        ph_str_c(text));
    }
    /* the migration checks itself */
    if (rc == PH_OK) {
        rc = store_foreign_keys_hold(conn);
    }
    if (rc != PH_OK) {
        store_rollback(conn);
        return rc;
    }

    return store_commit(conn, NULL);
}

ph_int_t
store_foreign_keys_hold(store_conn_t *conn)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q_text(conn, "PRAGMA foreign_key_check", &s, ""));
    rc = store_step(conn, s);
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc == PH_OK ? PH_CORRUPT : rc;
}

ph_int_t
store_upgrade_steps(store_conn_t *conn, const store_step_t *steps, unsigned n,
    uint32_t target)
{
    uint32_t  version;
    unsigned  i;

    store_try(store_version(conn, &version));
    if (version == target) {
        return PH_OK;
    }
    store_try(store_snapshot(conn, version));

    for (i = 0; i < n && version < target; i++) {
        if (steps[i].version == version + 1) {
            store_try(store_step_run(conn, steps[i].up, version + 1,
                                     steps[i].compat));
            version++;
        }
    }
    for (i = n; i > 0 && version > target; i--) {
        if (steps[i - 1].version == version) {
            store_try(store_step_run(conn, steps[i - 1].down, version - 1,
                                     version - 1));
            version--;
        }
    }

    return version == target ? PH_OK : PH_DECLINED;
}

ph_int_t
store_upgrade(store_conn_t *conn, uint32_t *version_r)
{
    uint64_t             compat;
    unsigned             n;
    ph_int_t             rc;
    ph_str_t             value;
    ph_pool_t           *pool;
    const store_step_t  *steps;

    store_try(store_version(conn, version_r));
    if (*version_r == STORE_SCHEMA_VERSION) {
        return PH_OK;
    }
    if (*version_r == 0) {
        return PH_CORRUPT;
    }
    if (*version_r < STORE_SCHEMA_VERSION) {
        steps = store_upgrade_list(&n);
        store_try(store_upgrade_steps(conn, steps, n, STORE_SCHEMA_VERSION));
        ph_log(conn->store->env->conf.log, PH_LOG_INFO, PH3006,
               "mailbox=%s from=%u to=%u",
               ph_log_str(ph_str_c(conn->store->path)), *version_r,
               (unsigned) STORE_SCHEMA_VERSION);
        *version_r = STORE_SCHEMA_VERSION;
        return PH_OK;
    }

    pool = ph_pool_create("store version", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    rc = store_config_get(conn, "compat", pool, &value);
    if (rc == PH_OK && (ph_str_u64(value, &compat) != PH_OK
                        || compat > STORE_SCHEMA_VERSION))
    {
        rc = PH_DECLINED;
    }
    ph_pool_destroy(&pool);

    if (rc == PH_DECLINED || rc == PH_NOTFOUND) {
        ph_log(conn->store->env->conf.log, PH_LOG_ERROR, PH3005,
               "mailbox=%s version=%u",
               ph_log_str(ph_str_c(conn->store->path)), *version_r);
        return PH_DECLINED;
    }

    return rc;
}
