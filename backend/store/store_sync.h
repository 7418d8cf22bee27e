/*
 * What incremental synchronization (MS-OXCFXICS 3.2.5.3) asks of a mailbox:
 * what changed in a folder since a change number, what left it, and objects in
 * the version that a client made.
 *
 * Each deletion, each move to another folder takes a change number and is
 * written to a log, so that "what is gone since" costs what the answer costs.
 * The log is bounded; where it does not reach back to, the caller compares ids.
 */

#ifndef STORE_SYNC_H
#define STORE_SYNC_H

#include "store_env.h"
#include "store_message.h"
#include "store_table.h"
#include "mapi/mapi_idset.h"

/* ---- what changed ---- */

/*
 * The last change number that is committed, as this connection sees it: what a
 * snapshot has is what was given numbers up to it.
 */
ph_int_t store_sync_cn(store_conn_t *conn, uint64_t *cn_r);

typedef struct {
    uint64_t  id;
    uint64_t  cn;
    uint64_t  read_cn;
    uint64_t  size;
    uint64_t  received;      /* FILETIME; 0: never */
    uint64_t  modified;
    uint32_t  flags;         /* PR_MESSAGE_FLAGS */
    uint32_t  status;        /* PR_MSG_STATUS */
    bool      associated;
} store_sync_row_t;

/*
 * Live messages of fid with after < cn <= upto, in that order, at most max in
 * rows; *n_r less than max: these were all.  _read: normal ones by the change
 * number of their read state.
 */
ph_int_t store_sync_changed(store_conn_t *conn, uint64_t fid,
    uint64_t after, uint64_t upto, uint32_t max, store_sync_row_t *rows,
    uint32_t *n_r);
ph_int_t store_sync_read(store_conn_t *conn, uint64_t fid, uint64_t after,
    uint64_t upto, uint32_t max, store_sync_row_t *rows, uint32_t *n_r);
/* One live message of fid; PH_NOTFOUND. */
ph_int_t store_sync_one(store_conn_t *conn, uint64_t fid, uint64_t mid,
    store_sync_row_t *row_r);
/* Whether a message of the table's folder matches the table's restriction;
 * false also when it is gone. */
ph_int_t store_sync_match(store_conn_t *conn, store_table_t *t,
    uint64_t mid, bool *match_r);

/* Those of `ids` that are live in fid, of both kinds; `live` must be empty. */
ph_int_t store_sync_live(store_conn_t *conn, uint64_t fid,
    const mapi_globset_t *ids, mapi_globset_t *live);
/* Has any folder of the mailbox got a change number above cn? */
ph_int_t store_sync_folders_changed(store_conn_t *conn, uint64_t cn,
    bool *yes_r);

/* ---- what is gone ---- */

/* A new change number, for deletions that the caller writes to the log. */
ph_int_t store_sync_number(store_conn_t *conn, uint64_t *cn_r);
/* Is the id out of a range that was given to clients? */
bool store_id_reserved(store_conn_t *conn, uint64_t id);

typedef enum {
    STORE_GONE_HARD = 0, STORE_GONE_SOFT = 1, STORE_GONE_MOVED = 2,
    STORE_GONE_NEVER = 3     /* a client says that it will never use the id */
} store_gone_t;

/* Writes ids first .. last of folder fid (0: they are folders) to the log. */
ph_int_t store_deletion_add(store_conn_t *conn, uint64_t cn, uint64_t fid,
    uint64_t first, uint64_t last, store_gone_t kind);
/* The same for all messages of fid in the states a and b. */
ph_int_t store_deletion_messages(store_conn_t *conn, uint64_t fid, int a,
    int b, store_gone_t kind);
/*
 * Ids that left fid (0: folders) with a change number above `after`.  Some may
 * be there (again); the caller looks.  PH_DECLINED: the log does not reach back
 * so far.
 */
ph_int_t store_sync_deleted(store_conn_t *conn, uint64_t fid,
    uint64_t after, mapi_globset_t *gone);
/* Is the id known as deleted, and not in use? */
ph_int_t store_sync_gone(store_conn_t *conn, uint64_t id, bool *yes_r);
/* Drops the oldest rows of a log that is too long, at most limit. */
ph_int_t store_deletion_prune(store_conn_t *conn, uint32_t limit,
    bool *more_r);

/* ---- versions that clients made (2.2.1.2) ---- */

typedef struct store_version_s {
    ph_str_t  source_key;      /* empty: made from the id */
    ph_str_t  change_key;
    ph_str_t  pcl;             /* without or with change_key */
    uint64_t  modified;        /* FILETIME */
} store_version_t;

/*
 * The object with that PR_SOURCE_KEY, soft-deleted ones too: one of our own
 * ids, or a key that a client gave.  *id_r is set also with PH_NOTFOUND when
 * the key is one of ours (0: it is not); then an object may be made with that
 * id.
 */
ph_int_t store_message_by_source(store_conn_t *conn, ph_str_t key,
    uint64_t *id_r);
ph_int_t store_folder_by_source(store_conn_t *conn, ph_str_t key,
    uint64_t *id_r);

/* The version of a saved message, of the last save or of opening; in pool. */
ph_int_t store_message_version(store_message_t *msg, ph_pool_t *pool,
    store_version_t *v_r);
/*
 * The next save gives the message this version: its change key, the union of
 * the predecessor lists, its time.  Copied.  The source key is set on new
 * messages only.
 */
ph_int_t store_message_set_version(store_message_t *msg,
    const store_version_t *v);
/* Takes away all that clients can set: properties, recipients, attachments. */
ph_int_t store_message_purge(store_message_t *msg);

/* Moves a message that gets an id which a client reserved.  PH_NOTFOUND;
 * PH_INVALID, PH_EXISTS: the id; PH_DENIED: a search folder. */
ph_int_t store_message_move_as(store_conn_t *conn, uint64_t from,
    uint64_t to, uint64_t mid, uint64_t id);

ph_int_t store_folder_version(store_conn_t *conn, uint64_t fid,
    ph_pool_t *pool, store_version_t *v_r);
/* At once; with a new change number.  *cn_r may be NULL. */
ph_int_t store_folder_set_version(store_conn_t *conn, uint64_t fid,
    const store_version_t *v, uint64_t *cn_r);

#endif
