/* What the files of the library share; not for others. */

#ifndef STORE_INT_H
#define STORE_INT_H

#include "store.h"
#include "store_sql.h"
#include "store_pack.h"
#include "store_tags.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define STORE_MAGIC          0x45524f54u
#define STORE_CONN_MAGIC     0x4e4e4f43u
#define STORE_MESSAGE_MAGIC  0x4753454du
#define STORE_ATTACH_MAGIC   0x48435441u
#define STORE_STREAM_MAGIC   0x4d525453u
#define STORE_TABLE_MAGIC    0x4c424154u

#define STORE_READERS_MAX    64
#define STORE_SAVEPOINTS     8
#define STORE_TEXT_STMTS     16
#define STORE_ID_RANGE       0x10000
#define STORE_ID_MAX         0xFFFFFFFFFFFFull
#define STORE_INLINE_MAX     1024            /* larger values are content */
#define STORE_OBJECT_LIMIT   (256u << 20)    /* memory of one working copy */

#define store_try(e)                                                         \
    do {                                                                     \
        ph_int_t  try_rc_ = (e);                                             \
        if (try_rc_ != PH_OK) {                                              \
            return try_rc_;                                                  \
        }                                                                    \
    } while (0)

struct store_env_s {
    store_conf_t     conf;
    char            *vfs;
    pthread_mutex_t  mutex;
    uint64_t         tmp_serial;
};

typedef struct store_view_s      store_view_t;
typedef struct store_searches_s  store_searches_t;
typedef struct store_index_s     store_index_t;
struct store_viewer_s;

struct store_s {
    uint32_t          magic;
    store_env_t      *env;
    ph_pool_t        *pool;
    char             *path;
    int               lock_fd;
    store_info_t      info;
    uint8_t           replid1[16];
    atomic_bool       hold;          /* of the table retention */
    pthread_mutex_t   mutex;         /* of what follows */
    store_conn_t     *writer;
    bool              writer_busy;
    store_conn_t     *reader[STORE_READERS_MAX];
    bool              reader_busy[STORE_READERS_MAX];
    unsigned          n_readers;
    store_view_t     *views;         /* lists of keys, shared by tables */
    unsigned          n_views;
    int               searches;      /* atomic: there may be search folders */
    int               filling;       /* atomic: one may have to be filled */
    store_index_t    *index;         /* full text; opened when it is used */
    /* counters; only the writer changes them */
    uint64_t          last_cn;
    uint64_t          last_content;
    uint64_t          next_id;
    uint64_t          last_id;
    uint64_t          next_range;
};

typedef struct {
    uint32_t  n_events;      /* to drop when it is undone */
} store_savepoint_t;

typedef struct {
    uint32_t   n;
    uint32_t   cap;
    uint64_t  *id;
} store_idlist_t;

typedef struct {
    char          *text;
    sqlite3_stmt  *stmt;
    bool           busy;
    uint64_t       used;
} store_text_stmt_t;

struct store_conn_s {
    uint32_t           magic;
    store_t           *store;
    sqlite3           *db;
    bool               writable;
    bool               in_txn;
    bool               failed;         /* the transaction can only be undone */
    bool               counters_dirty;
    sqlite3_stmt      *stmt[SQL_MAX];
    bool               stmt_busy[SQL_MAX];
    store_text_stmt_t  text[STORE_TEXT_STMTS];
    uint64_t           clock;
    uint64_t           now;            /* FILETIME of the transaction */
    store_savepoint_t  savepoint[STORE_SAVEPOINTS];
    unsigned           n_savepoints;
    store_events_t    *events;
    uint64_t           origin;         /* of events to come */
    uint32_t           cap_events;
    uint64_t           dirs_dirty[4];  /* bitmap of blob folders to fsync */
    ph_pool_t         *tmp;            /* freed with the transaction */
    const struct store_viewer_s  *viewer;
    bool               reader_known;
    uint64_t           reader;         /* of the viewer, in table reader */
    store_idlist_t     dirty;          /* messages that searches look at */
    bool               settling;       /* ... and do so now */
    store_searches_t  *searches;       /* decoded criteria, or NULL */
};

/* ---- connections, transactions (store_conn.c) ---- */
ph_int_t store_conn_open(store_t *store, bool writable, store_conn_t **conn_r);
void store_conn_close(store_conn_t **conn);
ph_int_t store_need_write(store_conn_t *conn);
/* FILETIME now; the same for a whole transaction of the writer */
uint64_t store_now(store_conn_t *conn);
uint64_t store_filetime(void);
void store_random(void *out, size_t len);
/* memory that lives as long as the transaction */
ph_pool_t *store_tmp_pool(store_conn_t *conn);

/* ---- versions, files, views ---- */
ph_int_t store_upgrade(store_conn_t *conn, uint32_t *version_r);
ph_int_t store_path_sync(store_env_t *env, const char *path);
void store_views_free(store_t *store);

/* ---- search folders (store_search*.c) ---- */
/* The hook of a writer: notes messages that a statement changes. */
void store_search_watch(store_conn_t *conn);
/* Notes one that is gone under this id, which the hook does not tell. */
ph_int_t store_search_note(store_conn_t *conn, uint64_t mid);
/* What was noted is undone, and criteria may have changed back. */
void store_search_undo(store_conn_t *conn);
ph_int_t store_search_load(store_t *store);
/* A folder was (soft) deleted: its messages leave all searches. */
ph_int_t store_search_folder_gone(store_conn_t *conn, uint64_t fid);
/* A search folder ends: rows and criteria go. */
ph_int_t store_search_drop(store_conn_t *conn, uint64_t fid);
/* A deleted folder is live again: searches look at its messages. */
ph_int_t store_search_folder_back(store_conn_t *conn, uint64_t fid);
/* fid has another parent. */
ph_int_t store_search_folder_moved(store_conn_t *conn, uint64_t fid,
    uint64_t old_parent, uint64_t parent);
/* Criteria of one search folder for another, new one. */
ph_int_t store_search_copy(store_conn_t *conn, uint64_t from, uint64_t to);

/* ---- the full-text index (store_index.c) ---- */
ph_int_t store_index_create(store_t *store);
void store_index_destroy(store_t *store);
void store_index_trim(store_t *store);

/* ---- ids (store_id.c) ---- */
uint64_t store_next_cn(store_conn_t *conn);
uint64_t store_next_content(store_conn_t *conn);
/* for a folder, or a message of the folder */
ph_int_t store_next_folder_id(store_conn_t *conn, uint64_t *id_r);
ph_int_t store_next_message_id(store_conn_t *conn, uint64_t fid,
    uint64_t *id_r);
/* may a client use this id for a new object? PH_INVALID, PH_EXISTS */
ph_int_t store_id_usable(store_conn_t *conn, uint64_t id);
ph_int_t store_counters_load(store_conn_t *conn);
ph_int_t store_counters_save(store_conn_t *conn);

/* change numbers up to this one may be missing in the log of deletions */
ph_int_t store_deletion_floor(store_conn_t *conn, uint64_t *cn_r);

/* ---- events (store_event.c) ---- */
/* zeroed; NULL: no memory, the transaction is marked failed */
store_event_t *store_event_add(store_conn_t *conn, store_event_type_t type);
mapi_tags_t store_event_tags(store_conn_t *conn, uint32_t n,
    const uint32_t *tags);

/* ---- names (store_fold.c) ---- */
#define STORE_FOLD_SORT  1    /* without accents, cut to 128 bytes */
/* case-folded, normalised; data NULL: no memory */
ph_str_t store_fold(ph_pool_t *pool, ph_str_t s, unsigned flags);
/* upper case, at most 1024 bytes of it */
ph_str_t store_upper(ph_pool_t *pool, ph_str_t s);
/* UTF-16 units */
size_t store_chars(ph_str_t s);

/* ---- blob files (store_blob.c, store_pack_file.c) ---- */
typedef struct store_blob_s  store_blob_t;

/* A packed file in tmp/ that waits for its place; counted references. */
struct store_blob_s {
    unsigned  refs;
    uint64_t  size;          /* unpacked */
    uint8_t   sha[32];
    bool      placed;
    char     *path;          /* in tmp/ until placed */
};

typedef ph_int_t (*store_source_pt)(void *data, void *buf, size_t len,
    size_t *got_r);

/* Packs what source gives into a new file in tmp/, and syncs it. */
ph_int_t store_blob_pack(store_t *store, store_source_pt source, void *data,
    store_blob_t **blob_r);
ph_int_t store_blob_pack_str(store_t *store, ph_str_t s,
    store_blob_t **blob_r);
store_blob_t *store_blob_ref(store_blob_t *blob);
void store_blob_unref(store_blob_t **blob);
/* Renames it to its place (in the writer's transaction). */
ph_int_t store_blob_place(store_conn_t *conn, store_blob_t *blob);
/* fsync of the folders that got files in this transaction */
ph_int_t store_blob_sync_dirs(store_conn_t *conn);
void store_blob_path(const store_t *store, const uint8_t sha[32], char *out,
    size_t size);
ph_int_t store_tmp_file(store_t *store, char *path, size_t size, int *fd_r);
void store_tmp_clean(store_t *store);

typedef struct store_blob_reader_s  store_blob_reader_t;
/* PH_CORRUPT: damaged; PH_NOTFOUND */
ph_int_t store_blob_open(store_t *store, const char *path, uint64_t size,
    store_blob_reader_t **r_r);
ph_int_t store_blob_read(store_blob_reader_t *r, uint64_t off, void *buf,
    size_t len, size_t *got_r);
void store_blob_close(store_blob_reader_t **r);
ph_int_t store_io_error(store_t *store, const char *what, const char *path);

/* ---- content (store_content.c) ---- */
ph_int_t store_content_put(store_conn_t *conn, ph_str_t data, uint64_t *id_r);
ph_int_t store_content_put_blob(store_conn_t *conn, store_blob_t *blob,
    uint64_t *id_r);
ph_int_t store_content_ref_add(store_conn_t *conn, uint64_t owner,
    uint64_t id);
ph_int_t store_content_ref_del(store_conn_t *conn, uint64_t owner,
    uint64_t id);
ph_int_t store_content_drop(store_conn_t *conn, uint64_t owner);
/* The references of owner become exactly these n (sorted or not). */
ph_int_t store_content_set(store_conn_t *conn, uint64_t owner, uint32_t n,
    const uint64_t *ids);
/* up to max bytes from the start, in pool */
ph_int_t store_content_read(store_conn_t *conn, uint64_t id, size_t max,
    ph_pool_t *pool, ph_str_t *data_r, uint64_t *size_r);
/* data in memory (*data_r), or a reader of its file (*reader_r) */
ph_int_t store_content_open(store_conn_t *conn, uint64_t id, ph_pool_t *pool,
    ph_str_t *data_r, store_blob_reader_t **reader_r, uint64_t *size_r);
ph_int_t store_content_gc(store_conn_t *conn, uint64_t before,
    uint32_t limit, bool *more_r);

/* ---- bags: the properties of a working copy (store_bag.c) ---- */
typedef struct {
    mapi_value_t   v;          /* v.tag always; the value when in memory */
    bool           external;   /* not in memory: content or blob */
    uint64_t       content;
    store_blob_t  *blob;
    uint64_t       size;       /* in bytes as stored */
} store_slot_t;

typedef struct {
    ph_pool_t     *pool;
    uint32_t       n;
    uint32_t       cap;
    store_slot_t  *slot;       /* sorted by tag */
} store_bag_t;

void store_bag_init(store_bag_t *bag, ph_pool_t *pool);
void store_bag_clear(store_bag_t *bag);
ph_int_t store_bag_unpack(store_bag_t *bag, ph_str_t packed);
/* by id, whatever its type; NULL */
store_slot_t *store_bag_find(const store_bag_t *bag, uint32_t tag);
/* copies; replaces any value of the same id */
ph_int_t store_bag_set(store_bag_t *bag, const mapi_value_t *v);
ph_int_t store_bag_set_content(store_bag_t *bag, uint32_t tag,
    uint64_t content, store_blob_t *blob, uint64_t size);
bool store_bag_del(store_bag_t *bag, uint32_t tag);
ph_int_t store_bag_copy(store_bag_t *to, const store_bag_t *from);
ph_int_t store_bag_set_u32(store_bag_t *bag, uint32_t tag, uint32_t v);
ph_int_t store_bag_set_bool(store_bag_t *bag, uint32_t tag, bool v);
ph_int_t store_bag_set_time(store_bag_t *bag, uint32_t tag, uint64_t v);
ph_int_t store_bag_set_str(store_bag_t *bag, uint32_t tag, ph_str_t v);
uint64_t store_bag_size(const store_bag_t *bag);
ph_str_t store_bag_str(const store_bag_t *bag, uint32_t tag);
uint32_t store_bag_u32(const store_bag_t *bag, uint32_t tag, uint32_t dflt);
uint64_t store_bag_time(const store_bag_t *bag, uint32_t tag);
bool store_bag_bool(const store_bag_t *bag, uint32_t tag, bool dflt);

ph_int_t store_idlist_add(store_idlist_t *l, uint64_t id);
/* Adds the first column of all rows of a statement, which is done then, also
 * after an error. */
ph_int_t store_idlist_rows(store_conn_t *conn, sqlite3_stmt **s,
    store_idlist_t *l);
void store_idlist_free(store_idlist_t *l);
/*
 * Writes the packed form.  Values above STORE_INLINE_MAX become content first
 * (their slots change), and all content ids go into list.
 */
ph_int_t store_bag_pack(store_conn_t *conn, store_bag_t *bag, ph_wbuf_t *out,
    store_idlist_t *list);

/* ---- values (store_value.c) ---- */
/* size in bytes as stored, for PR_MESSAGE_SIZE */
uint64_t store_value_size(const mapi_value_t *v);
bool store_type_valid(uint16_t type);
/* same storage under another of the string types */
bool store_type_same(uint16_t asked, uint16_t have);
void store_value_absent(mapi_value_t *v, uint32_t tag, uint32_t code);
/* deep copy into pool */
ph_int_t store_value_copy(ph_pool_t *pool, const mapi_value_t *v,
    mapi_value_t *copy_r);
int store_value_cmp(const mapi_value_t *a, const mapi_value_t *b);
ph_int_t store_problem(ph_pool_t *pool, store_problems_t *p, uint32_t index,
    uint32_t tag, uint32_t code);
/*
 * A stored value as asked for: the string types stand for each other, content
 * is read when it is at most limit bytes (else ecMAPIOOM).  PH_NOTFOUND: type.
 */
ph_int_t store_value_answer(store_conn_t *conn, uint32_t asked,
    const mapi_value_t *v, bool external, uint64_t content,
    store_blob_t *blob, uint64_t size, size_t limit, ph_pool_t *pool,
    mapi_value_t *v_r);
/* the store's own entry id */
ph_int_t store_entryid(const store_t *store, ph_pool_t *pool,
    ph_str_t *id_r);
/* keys (MS-OXCDATA 2.2.1) in pool */
ph_int_t store_gid(const store_t *store, uint64_t id, ph_pool_t *pool,
    ph_str_t *key_r);
/* pcl with the store's own change number in it */
ph_int_t store_pcl_next(const store_t *store, ph_str_t pcl,
    ph_str_t change_key, uint64_t old_cn, uint64_t cn, ph_pool_t *pool,
    ph_str_t *pcl_r);
/* the pcl as the client sees it when the column is NULL */
ph_int_t store_pcl_show(const store_t *store, ph_str_t pcl,
    ph_str_t change_key, uint64_t cn, ph_pool_t *pool, ph_str_t *pcl_r);
static inline bool store_is_string(uint16_t type)
{
    return type == PT_STRING8 || type == PT_UNICODE;
}

#endif
