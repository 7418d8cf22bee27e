/* A user database in a temporary folder, for the directory's unit tests. */

#ifndef DIRECTORY_FIXTURE_H
#define DIRECTORY_FIXTURE_H

#include "tap.h"
#include "directory/dir_db.h"
#include "directory/dir_entry.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"

static char        fixture_dir[] = "/tmp/ph-directory-XXXXXX";
static char        fixture_file[64];
static dir_db_t   *fixture_db;
static ph_pool_t  *fixture_pool;

/* a domain example.test (1) of organisation Acme, and away.test (2) of
 * another */
static const char  fixture_sql[] =
    "INSERT INTO organisations (id, name) VALUES (1, 'Acme'), (2, 'Other');"
    "INSERT INTO domains (id, organisation_id, name, created)"
    " VALUES (1, 1, 'example.test', 1), (2, 2, 'away.test', 1);";

/* runs SQL on a connection of its own */
static inline void fixture_exec(const char *sql)
{
    char     *err = NULL;
    sqlite3  *db;

    if (sqlite3_open(fixture_file, &db) != SQLITE_OK
        || sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL)
        || sqlite3_exec(db, sql, NULL, NULL, &err) != SQLITE_OK)
    {
        printf("Bail out! %s: %s\n", sql, err ? err : sqlite3_errmsg(db));
        exit(1);
    }
    sqlite3_close(db);
}

static inline void fixture_begin(void)
{
    if (mkdtemp(fixture_dir) == NULL) {
        printf("Bail out! no temporary folder\n");
        exit(1);
    }
    snprintf(fixture_file, sizeof(fixture_file), "%s/directory.db",
             fixture_dir);
    fixture_pool = ph_pool_create("test", 0);

    if (dir_db_open(fixture_file, 2, NULL, &fixture_db) != PH_OK) {
        printf("Bail out! the database does not open\n");
        exit(1);
    }
    fixture_exec(fixture_sql);
}

/* kind, status, address in domain d; id is chosen; hash may be "" */
static inline void fixture_user(int id, int d, int kind, const char *address,
    const char *hash, int rights)
{
    char  sql[2048];

    snprintf(sql, sizeof(sql), "INSERT INTO users (id, domain_id, kind,"
        " address, display_name, legacy_dn, password, rights, mailbox_guid,"
        " created, changed) VALUES (%d, %d, %d, '%s', '%s', '/o=Acme/cn=%d',"
        " '%s', %d, randomblob(16), 1, 1)", id, d, kind, address, address, id,
        hash, rights);
    fixture_exec(sql);
    if (kind == DIR_KIND_GROUP) {
        snprintf(sql, sizeof(sql), "INSERT INTO groups (user_id) VALUES (%d)",
                 id);
        fixture_exec(sql);
    }
}

static inline void fixture_end(void)
{
    char  name[96];

    static const char *const  suffixes[] = { "", "-wal", "-shm", ".v1" };

    dir_db_close(&fixture_db);
    ph_pool_destroy(&fixture_pool);
    for (size_t i = 0; i < ph_nelts(suffixes); i++) {
        snprintf(name, sizeof(name), "%s%s", fixture_file, suffixes[i]);
        unlink(name);
    }
    rmdir(fixture_dir);
}

#endif
