/* Making a mailbox: built beside its place and renamed, so that a half-made
 * one is never seen. */

#include "store_int.h"
#include "lib/ph_str.h"
#include "gen/mailbox_schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    uint64_t     id;
    uint64_t     parent;
    int          type;
    const char  *class;
    int          hidden;
    const char  *name[4];     /* en, de, fr, es */
} store_builtin_t;

static const store_builtin_t  store_builtin_private[] = {
#define X(id, parent, type, class, hidden, en, de, fr, es)                   \
    { id, parent, type, class, hidden, { en, de, fr, es } },
#include "store_folders.def"
#undef X
};

static const store_builtin_t  store_builtin_public[] = {
    { 1, 0, 0, "", 0, { "Root Container", "Stammordner",
      "Conteneur racine", "Contenedor raíz" } },
    { 2, 1, 1, "", 0, { "IPM_SUBTREE", "IPM_SUBTREE", "IPM_SUBTREE",
      "IPM_SUBTREE" } },
    { 3, 1, 1, "", 0, { "NON_IPM_SUBTREE", "NON_IPM_SUBTREE",
      "NON_IPM_SUBTREE", "NON_IPM_SUBTREE" } },
    { 4, 3, 1, "", 0, { "EFORMS REGISTRY", "EFORMS REGISTRY",
      "EFORMS REGISTRY", "EFORMS REGISTRY" } }
};

static int
store_lang_column(ph_str_t lang)
{
    if (lang.len >= 2) {
        if (memcmp(lang.data, "de", 2) == 0) {
            return 1;
        }
        if (memcmp(lang.data, "fr", 2) == 0) {
            return 2;
        }
        if (memcmp(lang.data, "es", 2) == 0) {
            return 3;
        }
    }

    return 0;
}

static ph_int_t
store_create_folder(store_conn_t *conn, const store_builtin_t *b, int lang)
{
    ph_str_t       name, key;
    uint64_t       cn, now;
    uint32_t       n;
    ph_wbuf_t      props;
    ph_pool_t     *pool;
    mapi_value_t   v[2];
    mapi_values_t  vals;

    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    name = ph_str_c(b->name[lang]);
    key = store_fold(pool, name, 0);
    if (key.data == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    memset(v, 0, sizeof(v));
    if (b->class[0]) {
        v[n].tag = PR_CONTAINER_CLASS;
        v[n++].u.str = ph_str_c(b->class);
    }
    if (b->hidden) {
        v[n].tag = PR_ATTR_HIDDEN;
        v[n++].u.b = true;
    }
    vals.n = n;
    vals.v = v;
    ph_wbuf_init(&props, pool, 4096);
    store_try(store_pack_values(&props, &vals));

    cn = store_next_cn(conn);
    now = store_now(conn);
    store_try(store_exec(conn, SQL_FOLDER_ADD, "uudttuuuz", b->id, b->parent,
                         b->type, name, key, cn, now, now,
                         ph_wbuf_str(&props)));
    if (b->parent) {
        return store_exec(conn, SQL_FOLDER_CHILDREN, "udu", cn, 1, b->parent);
    }

    return PH_OK;
}

static ph_int_t
store_create_rows(store_conn_t *conn, const store_params_t *p)
{
    char                    compat[16];
    size_t                  i, n;
    uint64_t                now;
    ph_str_t                guid, map;
    mapi_guid_t             g, m;
    const store_builtin_t  *b;
    static const struct {
        const char  *key, *class;
        uint64_t     folder;
    }  receive[] = {
        { "", "", STORE_INBOX }, { "ipm", "IPM", STORE_INBOX },
        { "report.ipm", "REPORT.IPM", STORE_INBOX },
        { "ipc", "IPC", STORE_ROOT }
    };
    /* replicas 2 to 4 are the same in all stores */
    static const uint8_t  fixed[3][16] = {
        { 0x77, 0xF0, 0xE2, 0x1A, 0x3C, 0x45, 0x4C, 0x41,
          0x9D, 0x2B, 0x6E, 0x20, 0x58, 0x11, 0xA7, 0x02 },
        { 0x77, 0xF0, 0xE2, 0x1A, 0x3C, 0x45, 0x4C, 0x41,
          0x9D, 0x2B, 0x6E, 0x20, 0x58, 0x11, 0xA7, 0x03 },
        { 0x77, 0xF0, 0xE2, 0x1A, 0x3C, 0x45, 0x4C, 0x41,
          0x9D, 0x2B, 0x6E, 0x20, 0x58, 0x11, 0xA7, 0x04 }
    };

    g = p->guid;
    for (i = 0; i < 16 && g.b[i] == 0; i++) { /* void */ }
    if (i == 16) {
        store_random(g.b, 16);
        g.b[7] = (uint8_t) ((g.b[7] & 0x0F) | 0x40);
        g.b[8] = (uint8_t) ((g.b[8] & 0x3F) | 0x80);
    }
    store_random(m.b, 16);
    guid.data = g.b;
    guid.len = 16;
    map.data = m.b;
    map.len = 16;
    now = store_now(conn);

    store_try(store_exec(conn, SQL_MAILBOX_ADD, "dbbttttuuuu", (int) p->kind,
                         guid, map, p->address, p->display_name, p->legacy_dn,
                         p->lang, now, p->quota_store, p->quota_receive,
                         p->quota_send));
    store_try(store_exec(conn, SQL_COUNTER_ADD, ""));
    conn->store->next_range = 0x100;
    conn->store->next_id = 1;
    conn->store->last_id = 0;

    store_try(store_exec(conn, SQL_REPLICA_ADD, "db", 1, guid));
    for (i = 0; i < 3; i++) {
        store_try(store_exec(conn, SQL_REPLICA_ADD, "db", (int) i + 2,
                             ((ph_str_t) { 16, fixed[i] })));
    }
    store_try(store_exec(conn, SQL_REPLICA_ADD, "db", 5, map));

    b = p->kind == STORE_PRIVATE ? store_builtin_private
                                 : store_builtin_public;
    n = p->kind == STORE_PRIVATE ? ph_nelts(store_builtin_private)
                                 : ph_nelts(store_builtin_public);
    for (i = 0; i < n; i++) {
        store_try(store_create_folder(conn, &b[i],
                                      store_lang_column(p->lang)));
    }

    if (p->kind == STORE_PRIVATE) {
        for (i = 0; i < ph_nelts(receive); i++) {
            store_try(store_exec(conn, SQL_RECEIVE_SET, "ttuu",
                                 ph_str_c(receive[i].key),
                                 ph_str_c(receive[i].class),
                                 receive[i].folder, now));
        }
        store_try(store_exec(conn, SQL_PERMISSION_SET, "utdti",
                             (uint64_t) STORE_CALENDAR, STORE_LEN(""), 0,
                             STORE_LEN(""), (int64_t) 0xC00));
        store_try(store_exec(conn, SQL_PERMISSION_SET, "utdti",
                             (uint64_t) STORE_FREEBUSY, STORE_LEN(""), 0,
                             STORE_LEN(""), (int64_t) 0x800));
    } else {
        store_try(store_exec(conn, SQL_PERMISSION_SET, "utdti", (uint64_t) 2,
                             STORE_LEN(""), 0, STORE_LEN(""),
                             (int64_t) 0x41B));
    }

    snprintf(compat, sizeof(compat), "%u", (unsigned) STORE_SCHEMA_COMPAT);

    return store_exec(conn, SQL_CONFIG_SET, "tz", STORE_LEN("compat"),
                      ph_str_c(compat));
}

static ph_int_t
store_create_database(store_env_t *env, const char *path,
    const store_params_t *params)
{
    char           file[4096];
    int            rc;
    sqlite3       *db;
    store_t        store;
    ph_int_t       result;
    store_conn_t  *conn;

    if ((size_t) snprintf(file, sizeof(file), "%s/mailbox.sqlite", path)
        >= sizeof(file))
    {
        return PH_TOOBIG;
    }
    rc = sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                         | SQLITE_OPEN_NOMUTEX, env->vfs);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "PRAGMA page_size=4096;"
                          "PRAGMA auto_vacuum=INCREMENTAL", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, mailbox_schema, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        ph_log(env->conf.log, PH_LOG_ERROR, PH3001,
               "mailbox=%s during=create error=%s", path,
               ph_log_str(ph_str_c(db ? sqlite3_errmsg(db) : "")));
        sqlite3_close(db);
        return (rc & 0xFF) == SQLITE_FULL ? PH_NOSPACE : PH_ERROR;
    }
    sqlite3_close(db);

    /* as much of a store as the rows need */
    memset(&store, 0, sizeof(store));
    store.magic = STORE_MAGIC;
    store.env = env;
    store.path = (char *) path;
    store.lock_fd = -1;

    result = store_conn_open(&store, true, &conn);
    if (result != PH_OK) {
        return result;
    }
    result = store_begin(conn);
    if (result == PH_OK) {
        result = store_create_rows(conn, params);
        if (result == PH_OK) {
            conn->counters_dirty = true;
            result = store_commit(conn, NULL);
        } else {
            store_rollback(conn);
        }
    }
    store_conn_close(&conn);

    return result;
}

ph_int_t
store_path_sync(store_env_t *env, const char *path)
{
    int       fd;
    store_t   store;
    ph_int_t  rc;

    memset(&store, 0, sizeof(store));
    store.env = env;
    store.path = (char *) path;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        return store_io_error(&store, "open", path);
    }
    rc = fsync(fd) == -1 ? store_io_error(&store, "fsync", path) : PH_OK;
    close(fd);

    return rc;
}

static ph_int_t
store_mkdir(store_env_t *env, const char *dir, const char *sub)
{
    char     path[4096];
    store_t  store;

    if ((size_t) snprintf(path, sizeof(path), "%s%s", dir, sub)
        >= sizeof(path))
    {
        return PH_TOOBIG;
    }
    if (mkdir(path, 0700) == -1) {
        memset(&store, 0, sizeof(store));
        store.env = env;
        store.path = (char *) dir;
        return store_io_error(&store, "mkdir", path);
    }

    return PH_OK;
}

/* Removes a folder with everything in it; depth is that of our layout. */
static ph_int_t
store_remove_dir(const char *path, unsigned depth)
{
    DIR            *dir;
    char            sub[4096];
    struct stat     st;
    struct dirent  *e;

    dir = opendir(path);
    if (dir == NULL) {
        return errno == ENOENT ? PH_NOTFOUND : PH_ERROR;
    }
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if ((size_t) snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name)
            >= sizeof(sub) || lstat(sub, &st) == -1)
        {
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            if (depth > 0) {
                (void) store_remove_dir(sub, depth - 1);
            }
        } else {
            unlink(sub);
        }
    }
    closedir(dir);

    return rmdir(path) == -1 ? PH_ERROR : PH_OK;
}

ph_int_t
store_create(store_env_t *env, const char *path, const store_params_t *params)
{
    char         tmp[4096], parent[4096], *slash;
    ph_int_t     rc;
    uint64_t     serial;
    struct stat  st;

    if (lstat(path, &st) == 0) {
        return PH_EXISTS;
    }
    serial = __atomic_add_fetch(&env->tmp_serial, 1, __ATOMIC_RELAXED);
    if ((size_t) snprintf(tmp, sizeof(tmp), "%s.new.%u.%" PRIu64, path,
                          (unsigned) getpid(), serial) >= sizeof(tmp) - 32)
    {
        return PH_TOOBIG;
    }

    (void) store_remove_dir(tmp, 2);
    rc = store_mkdir(env, tmp, "");
    if (rc == PH_OK) {
        rc = store_mkdir(env, tmp, "/blobs");
    }
    if (rc == PH_OK) {
        rc = store_mkdir(env, tmp, "/tmp");
    }
    if (rc == PH_OK) {
        rc = store_create_database(env, tmp, params);
    }
    if (rc == PH_OK) {
        rc = store_path_sync(env, tmp);
    }
    if (rc != PH_OK) {
        (void) store_remove_dir(tmp, 2);
        return rc;
    }

    /* a folder that is not empty is not replaced: two creators, one wins */
    if (rename(tmp, path) == -1) {
        rc = errno == EEXIST || errno == ENOTEMPTY ? PH_EXISTS : PH_ERROR;
        (void) store_remove_dir(tmp, 2);
        return rc;
    }

    snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    if (slash == NULL) {
        snprintf(parent, sizeof(parent), ".");
    } else if (slash != parent) {
        *slash = '\0';
    } else {
        slash[1] = '\0';
    }

    return store_path_sync(env, parent);
}

ph_int_t
store_remove(store_env_t *env, const char *path)
{
    char      gone[4096];
    ph_int_t  rc;
    store_t  *store;

    /* opening takes the lock: nobody else has it */
    rc = store_open(env, path, &store);
    if (rc == PH_OK) {
        store_close(&store);
    } else if (rc == PH_BUSY || rc == PH_NOTFOUND) {
        return rc;
    }

    if ((size_t) snprintf(gone, sizeof(gone), "%s.gone.%u", path,
                          (unsigned) getpid()) >= sizeof(gone))
    {
        return PH_TOOBIG;
    }
    if (rename(path, gone) == -1) {
        return errno == ENOENT ? PH_NOTFOUND : PH_ERROR;
    }

    return store_remove_dir(gone, 3);
}
