/* The index file: opening and making it, following the mailbox, its state. */

#include "store_index_int.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MEMORY        (64u << 20)  /* of one message's text */
#define INDEX_BEHIND_MAX    10000
#define INDEX_STALE_MIN     4096         /* below, nothing is made again */
#define INDEX_SWEEP         256          /* documents looked at in a step */
#define INDEX_TICKS         10000        /* instructions between looks at the
                                            clock */

static const char  index_schema[] =
    "PRAGMA auto_vacuum=NONE;"
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " guid BLOB NOT NULL, seen INTEGER NOT NULL, sweep INTEGER NOT NULL);"
    "CREATE TABLE doc (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " message INTEGER NOT NULL UNIQUE, cn INTEGER NOT NULL,"
    " partial INTEGER NOT NULL);"
    "CREATE INDEX doc_cn ON doc (cn);"
    "CREATE INDEX doc_partial ON doc (message) WHERE partial = 1;"
    "CREATE VIRTUAL TABLE text USING fts5 (subject, body, people, files,"
    " content='', columnsize=0, detail=column, tokenize='posthorn');";

/* ---- opening ---- */

static ph_int_t
index_path(const store_t *store, const char *end, char *path, size_t size)
{
    return (size_t) snprintf(path, size, "%s/index.sqlite%s", store->path,
                             end) < size ? PH_OK : PH_TOOBIG;
}

static void
index_close(store_index_t *x)
{
    sqlite3_stmt  **s[] = {
        &x->add_doc, &x->del_doc, &x->add_text, &x->find_doc, &x->set_seen
    };
    size_t  i;

    for (i = 0; i < ph_nelts(s); i++) {
        sqlite3_finalize(*s[i]);
        *s[i] = NULL;
    }
    sqlite3_close(x->db);
    x->db = NULL;
}

static void
index_remove(store_t *store)
{
    char                      path[4096];
    size_t                    i;
    static const char *const  ends[] = { "", "-wal", "-shm" };

    for (i = 0; i < ph_nelts(ends); i++) {
        if (index_path(store, ends[i], path, sizeof(path)) == PH_OK) {
            (void) unlink(path);
        }
    }
}

static int
index_tick(void *data)
{
    store_index_t    *x = data;
    struct timespec   ts;

    if (x->deadline == 0) {
        return 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000
           > x->deadline;
}

static int64_t
index_int(store_index_t *x, const char *text, int64_t otherwise)
{
    int64_t        v;
    sqlite3_stmt  *s;

    v = otherwise;
    if (sqlite3_prepare_v2(x->db, text, -1, &s, NULL) == SQLITE_OK
        && sqlite3_step(s) == SQLITE_ROW)
    {
        v = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);

    return v;
}

/* Is what was opened an index of this mailbox, and not ahead of it? */
static bool
index_is_ours(store_t *store, store_index_t *x)
{
    bool           ours;
    sqlite3_stmt  *s;

    if (index_int(x, "PRAGMA user_version", -1) != STORE_INDEX_VERSION) {
        return false;
    }
    ours = false;
    if (sqlite3_prepare_v2(x->db, "SELECT guid, seen FROM state", -1, &s,
                           NULL) == SQLITE_OK
        && sqlite3_step(s) == SQLITE_ROW
        && sqlite3_column_bytes(s, 0) == 16)
    {
        x->seen = (uint64_t) sqlite3_column_int64(s, 1);
        ours = memcmp(sqlite3_column_blob(s, 0), store->info.guid.b, 16) == 0
               && x->seen <= store_last_cn(store);
    }
    sqlite3_finalize(s);

    return ours;
}

static bool
index_prepare(store_index_t *x)
{
    size_t  i;
    struct {
        sqlite3_stmt  **s;
        const char     *text;
    }  list[] = {
        { &x->add_doc, "INSERT INTO doc (message, cn, partial)"
          " VALUES (?, ?, ?)" },
        { &x->del_doc, "DELETE FROM doc WHERE message = ?" },
        { &x->add_text, "INSERT INTO text (rowid, subject, body, people,"
          " files) VALUES (?, ?, ?, ?, ?)" },
        { &x->find_doc, "SELECT cn FROM doc WHERE message = ?" },
        { &x->set_seen, "UPDATE state SET seen = ?" }
    };

    for (i = 0; i < ph_nelts(list); i++) {
        if (sqlite3_prepare_v3(x->db, list[i].text, -1,
                               SQLITE_PREPARE_PERSISTENT, list[i].s, NULL)
            != SQLITE_OK)
        {
            return false;
        }
    }

    return true;
}

static bool
index_make(store_t *store, store_index_t *x)
{
    char           text[64];
    bool           ok;
    sqlite3_stmt  *s;

    if (sqlite3_exec(x->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK
        || sqlite3_exec(x->db, index_schema, NULL, NULL, NULL) != SQLITE_OK)
    {
        return false;
    }
    ok = false;
    if (sqlite3_prepare_v2(x->db, "INSERT INTO state VALUES (1, ?, 0, 0)", -1,
                           &s, NULL) == SQLITE_OK)
    {
        sqlite3_bind_blob(s, 1, store->info.guid.b, 16, SQLITE_STATIC);
        ok = sqlite3_step(s) == SQLITE_DONE;
    }
    sqlite3_finalize(s);
    snprintf(text, sizeof(text), "PRAGMA user_version=%d; COMMIT",
             STORE_INDEX_VERSION);
    x->seen = 0;

    return ok && sqlite3_exec(x->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* PH_NOTFOUND: there is none, and it is not to be made. */
static ph_int_t
index_open(store_t *store, store_index_t *x, bool make)
{
    char      path[4096];
    bool      fresh;
    ph_int_t  rc;

    if (x->db) {
        return PH_OK;
    }
    store_try(index_path(store, "", path, sizeof(path)));
    fresh = access(path, F_OK) == -1;
    if (fresh && !make) {
        return PH_NOTFOUND;
    }
    if (sqlite3_open_v2(path, &x->db, SQLITE_OPEN_READWRITE
                        | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        store->env->vfs) != SQLITE_OK)
    {
        index_close(x);
        return PH_ERROR;
    }
    sqlite3_busy_timeout(x->db, 5000);
    sqlite3_db_config(x->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(x->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, NULL);
    sqlite3_progress_handler(x->db, INDEX_TICKS, index_tick, x);
    rc = store_index_tokenizer(x->db);
    /* what a crash of the machine takes is made again */
    if (rc == PH_OK
        && sqlite3_exec(x->db, "PRAGMA journal_mode=WAL;"
                        "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-512;"
                        "PRAGMA journal_size_limit=8388608", NULL, NULL, NULL)
           != SQLITE_OK)
    {
        rc = PH_CORRUPT;
    }
    if (rc == PH_OK && !fresh && !index_is_ours(store, x)) {
        rc = PH_CORRUPT;
    }
    if (rc == PH_OK && fresh && !index_make(store, x)) {
        rc = PH_ERROR;
    }
    if (rc == PH_OK && !index_prepare(x)) {
        rc = PH_CORRUPT;
    }
    if (rc != PH_OK) {
        index_close(x);
    }

    return rc;
}

/* The index to write into: one that cannot be used is made anew. */
static ph_int_t
index_open_write(store_t *store, store_index_t *x)
{
    ph_int_t  rc;

    rc = index_open(store, x, true);
    if (rc == PH_CORRUPT) {
        ph_log(store->env->conf.log, PH_LOG_NOTICE, PH3007,
               "mailbox=%s", store->path);
        index_remove(store);
        rc = index_open(store, x, true);
    }

    return rc;
}

ph_int_t
store_index_create(store_t *store)
{
    store->index = calloc(1, sizeof(*store->index));
    if (store->index == NULL) {
        return PH_NOMEM;
    }
    pthread_mutex_init(&store->index->mutex, NULL);

    return PH_OK;
}

void
store_index_destroy(store_t *store)
{
    if (store->index == NULL) {
        return;
    }
    index_close(store->index);
    pthread_mutex_destroy(&store->index->mutex);
    free(store->index);
    store->index = NULL;
}

void
store_index_trim(store_t *store)
{
    pthread_mutex_lock(&store->index->mutex);
    index_close(store->index);
    pthread_mutex_unlock(&store->index->mutex);
}

ph_int_t
store_index_lock(store_conn_t *conn)
{
    store_index_t  *x;

    x = conn->store->index;
    pthread_mutex_lock(&x->mutex);
    if (index_open(conn->store, x, false) == PH_OK) {
        return PH_OK;
    }
    pthread_mutex_unlock(&x->mutex);

    return PH_DECLINED;
}

void
store_index_unlock(store_conn_t *conn)
{
    pthread_mutex_unlock(&conn->store->index->mutex);
}

ph_int_t
store_index_rebuild(store_t *store)
{
    pthread_mutex_lock(&store->index->mutex);
    index_close(store->index);
    index_remove(store);
    store->index->seen = 0;
    pthread_mutex_unlock(&store->index->mutex);

    return PH_OK;
}

/* ---- following ---- */

/* one message of a piece */
typedef struct {
    uint64_t            id;
    uint64_t            cn;
    uint64_t            change;     /* its place in the order of changes */
    bool                skip;       /* not indexed */
    store_index_text_t  text;
} index_item_t;

static int
index_run(sqlite3_stmt *s)
{
    int  rc;

    rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);

    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int
index_add(store_index_t *x, const index_item_t *item)
{
    int       rc, i;
    ph_str_t  t;

    sqlite3_bind_int64(x->del_doc, 1, (sqlite3_int64) item->id);
    rc = index_run(x->del_doc);
    if (rc != SQLITE_OK || item->skip) {
        return rc;
    }
    sqlite3_bind_int64(x->add_doc, 1, (sqlite3_int64) item->id);
    sqlite3_bind_int64(x->add_doc, 2, (sqlite3_int64) item->cn);
    sqlite3_bind_int(x->add_doc, 3, item->text.partial);
    rc = index_run(x->add_doc);
    if (rc != SQLITE_OK) {
        return rc;
    }
    sqlite3_bind_int64(x->add_text, 1, sqlite3_last_insert_rowid(x->db));
    for (i = 0; i < STORE_INDEX_COLUMNS; i++) {
        t = item->text.column[i];
        sqlite3_bind_text(x->add_text, 2 + i, t.len ? (const char *) t.data
                                                    : "",
                          (int) t.len, SQLITE_STATIC);
    }

    return index_run(x->add_text);
}

/* Does the index know the message as it is? */
static bool
index_knows(store_index_t *x, uint64_t id, uint64_t cn)
{
    bool  same;

    sqlite3_bind_int64(x->find_doc, 1, (sqlite3_int64) id);
    same = sqlite3_step(x->find_doc) == SQLITE_ROW
           && (uint64_t) sqlite3_column_int64(x->find_doc, 0) == cn;
    sqlite3_reset(x->find_doc);

    return same;
}

static ph_int_t
index_error(store_conn_t *conn, store_index_t *x, int rc)
{
    sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    if ((rc & 0xFF) == SQLITE_CORRUPT || (rc & 0xFF) == SQLITE_NOTADB
        || (rc & 0xFF) == SQLITE_ERROR)
    {
        index_close(x);
        index_remove(conn->store);
        x->seen = 0;
        ph_log(conn->store->env->conf.log, PH_LOG_NOTICE, PH3007,
               "mailbox=%s", conn->store->path);
    }

    return (rc & 0xFF) == SQLITE_FULL ? PH_NOSPACE
           : (rc & 0xFF) == SQLITE_NOMEM ? PH_NOMEM : PH_BUSY;
}

/* The piece in one transaction, with how far it goes. */
static ph_int_t
index_write(store_conn_t *conn, store_index_t *x, uint32_t n,
    const index_item_t *item, uint64_t seen)
{
    int       rc;
    uint32_t  i;

    rc = sqlite3_exec(x->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (i = 0; rc == SQLITE_OK && i < n; i++) {
        rc = index_add(x, &item[i]);
    }
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(x->set_seen, 1, (sqlite3_int64) seen);
        rc = index_run(x->set_seen);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(x->db, "COMMIT", NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        return index_error(conn, x, rc);
    }
    x->seen = seen;

    return PH_OK;
}

/* What the message at s says, in memory of its own. */
static ph_int_t
index_read(store_conn_t *conn, sqlite3_stmt *s, ph_pool_t *pool,
    ph_pool_t *texts, index_item_t *item)
{
    size_t        i;
    ph_int_t      rc;
    store_mrow_t  row;

    store_mrow(s, &row);
    item->id = row.fact.id;
    item->cn = row.fact.cn;
    item->change = ph_max(row.fact.cn, row.fact.read_cn);
    item->skip = row.fact.associated;
    if (item->skip) {
        return PH_OK;
    }
    rc = store_index_text(conn, &row, pool, &item->text);
    if (rc == PH_CORRUPT || rc == PH_TOOBIG || rc == PH_INVALID) {
        /* whoever searches looks at it as it is */
        memset(&item->text, 0, sizeof(item->text));
        item->text.partial = true;
        rc = PH_OK;
    }
    for (i = 0; rc == PH_OK && i < STORE_INDEX_COLUMNS; i++) {
        if (item->text.column[i].len) {
            item->text.column[i] = ph_pstrdup(texts, item->text.column[i]);
            rc = item->text.column[i].data ? PH_OK : PH_NOMEM;
        }
    }
    ph_pool_reset(pool);

    return rc;
}

#define INDEX_CHANGED                                                         \
    "SELECT m.id, m.folder, m.state, m.cn, m.read_cn, m.flags, m.status,"     \
    " m.size, m.received, m.committed, m.deleted, m.article,"                 \
    " m.next_attach, m.raw, m.change_key, m.pcl, m.source_key, m.props,"      \
    " m.recipients, m.attachments FROM message m"                             \
    " WHERE max(m.cn, m.read_cn) > ? ORDER BY max(m.cn, m.read_cn) LIMIT ?"

static ph_int_t
index_piece(store_conn_t *conn, store_index_t *x, uint32_t limit,
    ph_pool_t *pool, ph_pool_t *texts, bool *more_r)
{
    uint32_t        n, seen_n;
    int64_t         last;
    uint64_t        seen;
    ph_int_t        rc;
    index_item_t   *item;
    sqlite3_stmt   *s;

    item = ph_pcalloc_array(texts, limit, sizeof(*item));
    if (item == NULL) {
        return PH_NOMEM;
    }
    store_try(store_q_int(conn, SQL_LAST_CN, &last, ""));
    seen = x->seen;
    n = 0;
    seen_n = 0;
    store_try(store_q_text(conn, INDEX_CHANGED, &s, "uu", seen,
                           (uint64_t) limit));
    while ((rc = store_step(conn, s)) == PH_OK) {
        seen_n++;
        seen = ph_max(store_col_u64(s, 3), store_col_u64(s, 4));
        if (index_knows(x, store_col_u64(s, 0), store_col_u64(s, 3))) {
            continue;
        }
        rc = index_read(conn, s, pool, texts, &item[n]);
        if (rc != PH_OK) {
            break;
        }
        n++;
        /* a few large ones are a piece too */
        if (ph_pool_used(texts) > 16 * STORE_INDEX_TEXT_MAX) {
            seen_n = limit;
            rc = PH_DONE;
            break;
        }
    }
    store_done(conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }
    *more_r = seen_n == limit;
    if (*more_r && seen - 1 > x->seen) {
        /* the next one may have the same number */
        seen--;
    }
    if (!*more_r) {
        /* change numbers of folders are none of its business */
        seen = ph_max(seen, (uint64_t) last);
    }

    return seen == x->seen && n == 0 ? PH_OK
                                     : index_write(conn, x, n, item, seen);
}

/* Documents of messages that are gone, some at a time, around and around. */
static ph_int_t
index_sweep(store_conn_t *conn, store_index_t *x)
{
    int              rc;
    int64_t          n, have, last;
    char             text[96];
    sqlite3_stmt    *s;
    store_totals_t   t;
    store_idlist_t   gone = { 0, 0, NULL };
    uint32_t         i;
    ph_int_t         result;

    n = index_int(x, "SELECT count(*) FROM doc", 0);
    store_try(store_totals(conn, &t));
    if ((uint64_t) n <= (uint64_t) t.total + t.deleted) {
        return PH_OK;
    }

    last = -1;
    result = PH_OK;
    if (sqlite3_prepare_v2(x->db, "SELECT message FROM doc WHERE message >"
                           " (SELECT sweep FROM state) ORDER BY message"
                           " LIMIT ?", -1, &s, NULL) != SQLITE_OK)
    {
        return PH_OK;
    }
    sqlite3_bind_int(s, 1, INDEX_SWEEP);
    n = 0;
    while (result == PH_OK && sqlite3_step(s) == SQLITE_ROW) {
        last = sqlite3_column_int64(s, 0);
        n++;
        result = store_q_int(conn, SQL_MESSAGE_FACT, &have, "u",
                             (uint64_t) last);
        if (result == PH_NOTFOUND) {
            result = store_idlist_add(&gone, (uint64_t) last);
        }
    }
    sqlite3_finalize(s);

    snprintf(text, sizeof(text), "UPDATE state SET sweep = %lld",
             (long long) (n < INDEX_SWEEP ? 0 : last));
    rc = sqlite3_exec(x->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (i = 0; rc == SQLITE_OK && i < gone.n; i++) {
        sqlite3_bind_int64(x->del_doc, 1, (sqlite3_int64) gone.id[i]);
        rc = index_run(x->del_doc);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(x->db, text, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(x->db, "COMMIT", NULL, NULL, NULL);
    }
    store_idlist_free(&gone);

    return rc != SQLITE_OK ? index_error(conn, x, rc) : result;
}

/* Is more of it stale than not? */
static bool
index_stale(store_index_t *x, uint64_t *stale_r, uint64_t *documents_r)
{
    int64_t  all, live;

    all = index_int(x, "SELECT seq FROM sqlite_sequence WHERE name = 'doc'",
                    0);
    live = index_int(x, "SELECT count(*) FROM doc", 0);
    *documents_r = (uint64_t) live;
    *stale_r = all > live ? (uint64_t) (all - live) : 0;

    return all > 2 * live + INDEX_STALE_MIN;
}

ph_int_t
store_index_step(store_conn_t *conn, uint32_t limit, bool *more_r)
{
    uint64_t        stale, live;
    ph_int_t        rc;
    ph_pool_t      *pool, *texts;
    store_index_t  *x;

    *more_r = false;
    x = conn->store->index;
    pool = ph_pool_create("store index", INDEX_MEMORY);
    texts = ph_pool_create("store index texts", INDEX_MEMORY);
    rc = pool && texts ? PH_OK : PH_NOMEM;

    pthread_mutex_lock(&x->mutex);
    if (rc == PH_OK) {
        rc = index_open_write(conn->store, x);
    }
    if (rc == PH_OK) {
        x->deadline = 0;
        rc = index_piece(conn, x, limit, pool, texts, more_r);
    }
    if (rc == PH_OK && !*more_r) {
        rc = index_sweep(conn, x);
        if (rc == PH_OK && x->db && index_stale(x, &stale, &live)) {
            index_close(x);
            index_remove(conn->store);
            x->seen = 0;
            *more_r = true;
        }
    }
    pthread_mutex_unlock(&x->mutex);

    if (pool) {
        ph_pool_destroy(&pool);
    }
    if (texts) {
        ph_pool_destroy(&texts);
    }

    return rc;
}

ph_int_t
store_index_status(store_conn_t *conn, store_index_status_t *s_r)
{
    char            path[4096];
    int64_t         v;
    ph_int_t        rc;
    struct stat     st;
    sqlite3_stmt   *s;

    memset(s_r, 0, sizeof(*s_r));
    store_try(store_q_int(conn, SQL_LAST_CN, &v, ""));
    s_r->last_cn = (uint64_t) v;
    if (store_index_lock(conn) == PH_OK) {
        s_r->exists = true;
        s_r->seen = conn->store->index->seen;
        (void) index_stale(conn->store->index, &s_r->stale, &s_r->documents);
        store_index_unlock(conn);
    }
    if (index_path(conn->store, "", path, sizeof(path)) == PH_OK
        && stat(path, &st) == 0)
    {
        s_r->size = (uint64_t) st.st_size;
    }

    store_try(store_q_text(conn, "SELECT count(*) FROM (SELECT 1 FROM message"
                           " WHERE max(cn, read_cn) > ? LIMIT ?)", &s, "ud",
                           s_r->seen, INDEX_BEHIND_MAX));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        s_r->behind = store_col_u64(s, 0);
    }
    store_done(conn, &s);

    return rc;
}
