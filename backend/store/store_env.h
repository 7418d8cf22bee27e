/*
 * The process root, opening a mailbox, connections and transactions.
 *
 * Ids.  Folders and messages have ids from one counter; in this library an id
 * is that counter (1 .. 2^48-1) as a plain uint64_t, the replica is always the
 * store's own (replid 1).  store_eid() makes the wire form of it.  Ids and
 * change numbers are never used twice.
 */

#ifndef STORE_ENV_H
#define STORE_ENV_H

#include "lib/ph_core.h"
#include "lib/ph_log.h"
#include "lib/ph_pool.h"
#include "mapi/mapi.h"
#include "store_event.h"

typedef struct store_env_s   store_env_t;
typedef struct store_s       store_t;
typedef struct store_conn_s  store_conn_t;

/* ids of the folders that every private mailbox has (spec: MS-OXOSFLD) */
enum {
    STORE_ROOT = 0x01, STORE_DEFERRED_ACTION = 0x02, STORE_SPOOLER = 0x03,
    STORE_SHORTCUTS = 0x04, STORE_FINDER = 0x05, STORE_VIEWS = 0x06,
    STORE_COMMON_VIEWS = 0x07, STORE_SCHEDULE = 0x08, STORE_IPM_SUBTREE = 0x09,
    STORE_SENT = 0x0A, STORE_TRASH = 0x0B, STORE_OUTBOX = 0x0C,
    STORE_INBOX = 0x0D, STORE_DRAFTS = 0x0E, STORE_CALENDAR = 0x0F,
    STORE_JOURNAL = 0x10, STORE_NOTES = 0x11, STORE_TASKS = 0x12,
    STORE_CONTACTS = 0x13, STORE_QUICK_CONTACTS = 0x14,
    STORE_IM_CONTACTS = 0x15, STORE_GAL_CONTACTS = 0x16, STORE_JUNK = 0x17,
    STORE_FREEBUSY = 0x18, STORE_SYNC_ISSUES = 0x19, STORE_CONFLICTS = 0x1A,
    STORE_LOCAL_FAILURES = 0x1B, STORE_SERVER_FAILURES = 0x1C,
    STORE_CONV_ACTIONS = 0x1D, STORE_LAST_BUILTIN = 0xFF
};

/* those of a public store */
enum {
    STORE_PUBLIC_ROOT = 0x01, STORE_PUBLIC_IPM = 0x02,
    STORE_PUBLIC_NON_IPM = 0x03, STORE_PUBLIC_EFORMS = 0x04
};

static inline mapi_eid_t store_eid(uint64_t id)
{
    return mapi_eid(1, id);
}
/* the id in an eid; 0 when the eid is not of this store */
static inline uint64_t store_id(mapi_eid_t eid)
{
    return mapi_eid_replid(eid) == 1 ? mapi_eid_counter(eid) : 0;
}

#define STORE_SCHEMA_VERSION  2
/* Programs of older versions do not keep what version 2 derives. */
#define STORE_SCHEMA_COMPAT   2

typedef enum {
    STORE_LOCKING_NORMAL = 0, /* WAL: a writer beside readers, local disk */
    STORE_LOCKING_EXCLUSIVE /* one connection, locked; for Ceph's VFS */
} store_locking_t;

typedef struct {
    const char       *vfs; /* SQLite VFS; NULL: default */
    store_locking_t   locking;
    unsigned          readers; /* largest number of readers; 0: 4 */
    unsigned          cache_kib; /* page cache of a connection; 0: 256 */
    unsigned          busy_ms; /* SQLite busy timeout; 0: 5000 */
    uint64_t          blob_min; /* content above is a file; 0: 64 KiB */
    uint64_t          value_max; /* largest value of a property; 0: 2 GiB */
    uint64_t          message_max; /* largest message; 0: 2 GiB */
    unsigned          gc_age;         /* seconds that unreferenced content stays
                                         for objects still open; 0: 300 */
    unsigned          deletions;      /* rows of the log of deletions; 0:
                                         250,000 */
    ph_log_t         *log;
} store_conf_t;

/* Strings in conf are copied.  PH_NOMEM. */
ph_int_t store_env_create(const store_conf_t *conf, store_env_t **env_r);
void store_env_destroy(store_env_t **env);

typedef enum { STORE_PRIVATE = 0, STORE_PUBLIC = 1 } store_kind_t;

typedef struct {
    store_kind_t  kind;
    mapi_guid_t   guid;             /* zero: a random one */
    ph_str_t      address;          /* of the owner, SMTP */
    ph_str_t      display_name;     /* of the owner */
    ph_str_t      legacy_dn;        /* ESSDN of the owner */
    ph_str_t      lang;             /* "de_DE"; names of the folders */
    uint64_t      quota_store;      /* bytes, 0: none; see store_quota_set */
    uint64_t      quota_receive;
    uint64_t      quota_send;
} store_params_t;

/*
 * Makes a mailbox at path, which must not exist (its parent must).  All or
 * nothing: built beside it and renamed.  PH_EXISTS.
 */
ph_int_t store_create(store_env_t *env, const char *path,
    const store_params_t *params);

/*
 * Opens a mailbox, upgrades its schema when it is older (after a snapshot),
 * removes what an earlier crash left in tmp/.  PH_NOTFOUND; PH_BUSY when
 * another process (or this one) has it open; PH_DECLINED when its schema is
 * too new for this program.
 */
ph_int_t store_open(store_env_t *env, const char *path, store_t **store_r);
/* All connections must have been released and all objects closed. */
void store_close(store_t **store);
/* Removes the mailbox at path with everything in it; it must not be open. */
ph_int_t store_remove(store_env_t *env, const char *path);

typedef struct {
    store_kind_t  kind;
    mapi_guid_t   guid; /* record key; also the replica of replid 1 */
    mapi_guid_t   mapping;          /* PR_MAPPING_SIGNATURE, replid 5 */
    ph_str_t      address;
    ph_str_t      display_name;
    ph_str_t      legacy_dn;
    ph_str_t      lang;
    uint32_t      lcid;             /* of lang */
    uint64_t      created;          /* FILETIME */
    uint32_t      schema_version;
} store_info_t;

/* Facts that do not change while the store is open; lives with it. */
const store_info_t *store_info(const store_t *store);
const char *store_path(const store_t *store);

/* The last change number given out, also by a transaction not yet committed. */
uint64_t store_last_cn(const store_t *store);

/* ---- connections ---- */
typedef enum { STORE_READ = 0, STORE_WRITE = 1 } store_access_t;

/*
 * Takes a connection: the only writer, or one of the readers (opened on
 * demand).  Never waits: PH_BUSY when none is free.  With exclusive locking
 * reader and writer are the same connection.
 */
ph_int_t store_conn_acquire(store_t *store, store_access_t access,
    store_conn_t **conn_r);
/* Gives it back; a transaction that is still open is rolled back. */
void store_conn_release(store_conn_t **conn);
store_t *store_conn_store(const store_conn_t *conn);
bool store_conn_writable(const store_conn_t *conn);
/* Who makes the changes from now on: a number for store_event_t; 0: nobody. */
void store_conn_set_origin(store_conn_t *conn, uint64_t origin);

/*
 * Transactions.  A reader's is a snapshot of the last commit.  Every function
 * that changes something needs a writer inside a transaction; functions that
 * read work on either, and without a transaction read the newest state.
 */
ph_int_t store_begin(store_conn_t *conn);
/*
 * Ends the transaction.  PH_OK: everything in it is on disk.  Otherwise nothing
 * of it happened.  *events_r (may be NULL) is what the transaction changed, in
 * order, in a pool of its own: the caller frees it with store_events_free().
 * Content that nothing refers to any more is removed after the commit.
 */
ph_int_t store_commit(store_conn_t *conn, store_events_t **events_r);
void store_rollback(store_conn_t *conn);
bool store_in_transaction(const store_conn_t *conn);

/* Savepoints nest (at most 8).  store_undo ends the innermost one and drops its
 * changes and events; store_release ends it and keeps them. */
ph_int_t store_savepoint(store_conn_t *conn);
ph_int_t store_release(store_conn_t *conn);
ph_int_t store_undo(store_conn_t *conn);

/*
 * Housekeeping, for a quiet moment (no transaction open, writer held): removes
 * unreferenced content older than gc_age, at most `limit` pieces, purges
 * delivery ids older than 30 days, checkpoints the WAL.  *more_r: call again.
 */
ph_int_t store_maintain(store_conn_t *conn, uint32_t limit, bool *more_r);

/* Returns memory to the system: cached statements and pages of idle
 * connections.  For stores that are open but not used. */
void store_trim(store_t *store);

#endif
