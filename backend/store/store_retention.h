/*
 * Limits on size, recoverable items and how long they are kept.  Sizes come
 * from the counters of the store: looking at a limit costs one row, however
 * large the mailbox is.
 *
 * Recoverable items are soft-deleted messages, which stay in the folder that
 * they were deleted from, and soft-deleted folders with all they contain.
 * They do not count against the limits of the mailbox but against one of
 * their own, and are removed for good when `keep` has passed, the oldest
 * first when they are too much, and not at all while the mailbox is on hold.
 */

#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include "store_env.h"
#include "store_props.h"

#define STORE_KEEP_DEFAULT  (14 * 86400)

/* in bytes; 0: no limit */
typedef struct {
    uint64_t  store;      /* no new messages, no copies                  */
    uint64_t  receive;    /* no deliveries                               */
    uint64_t  send;       /* no submissions; the caller looks            */
    uint64_t  warning;    /* the user is told; PR_STORAGE_QUOTA_LIMIT    */
    uint64_t  deleted;    /* recoverable items                           */
    uint64_t  keep;       /* seconds that recoverable items are kept     */
    bool      hold;       /* nothing is removed for good                 */
    uint64_t  warned;     /* FILETIME; not written by store_quota_set    */
} store_quota_t;

ph_int_t store_quota_get(store_conn_t *conn, store_quota_t *quota_r);
/* Writes only when something differs. */
ph_int_t store_quota_set(store_conn_t *conn, const store_quota_t *quota);
/* Notes that the user was told now. */
ph_int_t store_quota_warned(store_conn_t *conn);
bool store_on_hold(const store_t *store);

typedef struct {
    uint64_t  messages;
    uint64_t  folders;
    uint64_t  bytes;
} store_purged_t;

/*
 * Removes for good what expired before `cutoff` (FILETIME; 0: by `keep`), and
 * the oldest of what is too much: at most `limit` messages, in work for each of
 * them and none for the rest.  *more_r: there is more to remove.  On hold it
 * removes nothing.
 */
ph_int_t store_purge(store_conn_t *conn, uint64_t cutoff, uint32_t limit,
    store_purged_t *purged_r, bool *more_r);

/*
 * Brings a soft-deleted folder back, with what was deleted together with it.
 * parent 0: where it was (PH_NOTFOUND when that is gone); name empty: as it
 * was.  PH_EXISTS: the name is taken, or it is not deleted; PH_CONFLICT: below
 * itself; PH_TOOBIG: too deep.
 */
ph_int_t store_folder_restore(store_conn_t *conn, uint64_t fid,
    uint64_t parent, ph_str_t name);

/* flags of store_restore_since */
#define STORE_RESTORE_SUBFOLDERS  1   /* folders that were below it, too   */
#define STORE_RESTORE_TRASH       2   /* what was moved to Deleted Items   */

typedef struct {
    uint32_t  messages;
    uint32_t  folders;
    uint32_t  failed;
    bool      quota;         /* the mailbox is full */
} store_restored_t;

/*
 * A folder as it was at a point in time: everything that was deleted from it
 * since `since` (FILETIME) comes back into it.  At most `limit` messages and as
 * many folders; *more_r: again for the rest.  A folder whose name is taken
 * meanwhile comes back with a number behind its name.
 */
ph_int_t store_restore_since(store_conn_t *conn, uint64_t fid, uint64_t since,
    unsigned flags, uint32_t limit, store_restored_t *restored_r,
    bool *more_r);

/* A soft-deleted message or folder, for lists. */
typedef struct {
    uint64_t  message;       /* 0: it is the folder itself */
    uint64_t  folder;
    uint64_t  deleted;       /* FILETIME */
    uint64_t  size;
    bool      associated;
    ph_str_t  subject;       /* or the folder's name; of the callback */
    ph_str_t  sender;
} store_recoverable_t;
typedef ph_int_t (*store_recoverable_pt)(void *data,
    const store_recoverable_t *item);
/* The newest deleted first, at most `limit`, deleted since `since` (0: all);
 * fid 0: of all folders.  Folders come first. */
ph_int_t store_recoverable(store_conn_t *conn, uint64_t fid, uint64_t since,
    uint32_t limit, store_recoverable_pt fn, void *data);

#endif
