/* The process root; opening and closing of mailboxes. */

#include "store_int.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

ph_int_t
store_env_create(const store_conf_t *conf, store_env_t **env_r)
{
    store_env_t  *env;

    env = calloc(1, sizeof(*env));
    if (env == NULL) {
        return PH_NOMEM;
    }
    env->conf = *conf;
    if (conf->vfs) {
        env->vfs = strdup(conf->vfs);
        if (env->vfs == NULL) {
            free(env);
            return PH_NOMEM;
        }
    }
    env->conf.vfs = env->vfs;

#define store_default(field, value)                                          \
    if (env->conf.field == 0) {                                              \
        env->conf.field = (value);                                           \
    }
    store_default(readers, 4);
    store_default(cache_kib, 256);
    store_default(busy_ms, 5000);
    store_default(blob_min, 64u << 10);
    store_default(value_max, 2ull << 30);
    store_default(message_max, 2ull << 30);
    store_default(gc_age, 300);
    store_default(deletions, 250000);
#undef store_default

    pthread_mutex_init(&env->mutex, NULL);
    *env_r = env;

    return PH_OK;
}

void
store_env_destroy(store_env_t **env)
{
    store_env_t  *e;

    e = *env;
    if (e == NULL) {
        return;
    }
    *env = NULL;
    pthread_mutex_destroy(&e->mutex);
    free(e->vfs);
    free(e);
}

/* A lock of the open file: one process, and one store_t in it. */
static ph_int_t
store_lock(store_t *store)
{
    char          path[4096];
    struct flock  fl;

    if ((size_t) snprintf(path, sizeof(path), "%s/lock", store->path)
        >= sizeof(path))
    {
        return PH_TOOBIG;
    }
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd == -1) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return PH_NOTFOUND;
        }
        return store_io_error(store, "open", path);
    }

    memset(&fl, 0, sizeof(fl));
    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    if (fcntl(store->lock_fd, F_OFD_SETLK, &fl) == -1) {
        if (errno == EAGAIN || errno == EACCES) {
            return PH_BUSY;
        }
        return store_io_error(store, "lock", path);
    }

    return PH_OK;
}

static uint32_t
store_lcid(ph_str_t lang)
{
    size_t  i;
    static const struct {
        const char  *lang;
        uint32_t     lcid;
    }  table[] = {
        { "de_AT", 0x0C07 }, { "de_CH", 0x0807 }, { "de", 0x0407 },
        { "fr_CA", 0x0C0C }, { "fr_CH", 0x100C }, { "fr_BE", 0x080C },
        { "fr", 0x040C }, { "es_MX", 0x080A }, { "es", 0x0C0A },
        { "en_GB", 0x0809 }, { "en_CA", 0x1009 }, { "en_AU", 0x0C09 },
        { "it", 0x0410 }, { "nl", 0x0413 }, { "pl", 0x0415 },
        { "pt_BR", 0x0416 }, { "pt", 0x0816 }, { "ru", 0x0419 },
        { "sv", 0x041D }, { "da", 0x0406 }, { "cs", 0x0405 },
        { "ja", 0x0411 }, { "zh", 0x0804 }
    };

    for (i = 0; i < ph_nelts(table); i++) {
        if (lang.len >= strlen(table[i].lang)
            && memcmp(lang.data, table[i].lang, strlen(table[i].lang)) == 0)
        {
            return table[i].lcid;
        }
    }

    return 0x0409;
}

static ph_int_t
store_load_info(store_t *store)
{
    ph_int_t        rc;
    ph_str_t        str;
    sqlite3_stmt   *s;
    store_info_t   *info;

    info = &store->info;
    store_try(store_q(store->writer, SQL_MAILBOX, &s, ""));
    rc = store_step(store->writer, s);
    if (rc == PH_OK) {
        atomic_store(&store->hold, store_col_u64(s, 8) != 0);
        info->kind = (store_kind_t) sqlite3_column_int(s, 0);
        str = store_col_str(s, 1);
        if (str.len != 16) {
            rc = PH_CORRUPT;
        } else {
            memcpy(info->guid.b, str.data, 16);
        }
        str = store_col_str(s, 2);
        if (str.len != 16) {
            rc = PH_CORRUPT;
        } else {
            memcpy(info->mapping.b, str.data, 16);
        }
        info->address = ph_pstrdup(store->pool, store_col_str(s, 3));
        info->display_name = ph_pstrdup(store->pool, store_col_str(s, 4));
        info->legacy_dn = ph_pstrdup(store->pool, store_col_str(s, 5));
        info->lang = ph_pstrdup(store->pool, store_col_str(s, 6));
        info->created = store_col_u64(s, 7);
        info->lcid = store_lcid(info->lang);
        if (info->lang.data == NULL) {
            rc = PH_NOMEM;
        }
    }
    store_done(store->writer, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}

ph_int_t
store_open(store_env_t *env, const char *path, store_t **store_r)
{
    char         file[4096];
    ph_int_t     rc;
    store_t     *store;
    ph_pool_t   *pool;
    struct stat  st;

    *store_r = NULL;
    if ((size_t) snprintf(file, sizeof(file), "%s/mailbox.sqlite", path)
        >= sizeof(file))
    {
        return PH_TOOBIG;
    }
    if (stat(file, &st) == -1) {
        return errno == ENOENT || errno == ENOTDIR ? PH_NOTFOUND : PH_ERROR;
    }

    pool = ph_pool_create("store", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    store = ph_pcalloc(pool, sizeof(*store));
    if (store == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }
    store->magic = STORE_MAGIC;
    store->env = env;
    store->pool = pool;
    store->lock_fd = -1;
    store->path = ph_pcstr(pool, path);
    pthread_mutex_init(&store->mutex, NULL);

    rc = store->path ? store_lock(store) : PH_NOMEM;
    if (rc == PH_OK) {
        rc = store_index_create(store);
    }
    if (rc == PH_OK) {
        rc = store_conn_open(store, true, &store->writer);
    }
    if (rc == PH_OK) {
        rc = store_upgrade(store->writer, &store->info.schema_version);
    }
    if (rc == PH_OK) {
        rc = store_load_info(store);
    }
    if (rc == PH_OK) {
        rc = store_counters_load(store->writer);
    }
    if (rc == PH_OK) {
        rc = store_search_load(store);
    }
    if (rc != PH_OK) {
        store_close(&store);
        return rc;
    }

    store_tmp_clean(store);
    *store_r = store;

    return PH_OK;
}

void
store_close(store_t **store)
{
    store_t    *s;
    unsigned    i;
    ph_pool_t  *pool;

    s = *store;
    if (s == NULL) {
        return;
    }
    *store = NULL;

    store_views_free(s);
    store_index_destroy(s);
    for (i = 0; i < s->n_readers; i++) {
        store_conn_close(&s->reader[i]);
    }
    store_conn_close(&s->writer);
    if (s->lock_fd != -1) {
        close(s->lock_fd);
    }
    pthread_mutex_destroy(&s->mutex);
    s->magic = 0;
    pool = s->pool;
    ph_pool_destroy(&pool);
}

const store_info_t *
store_info(const store_t *store)
{
    return &store->info;
}

const char *
store_path(const store_t *store)
{
    return store->path;
}
