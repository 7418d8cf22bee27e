/*
 * What happened in the whole mailbox since a change number, for those who
 * keep a view of their own (IMAP, indices of others).  The cost follows what
 * happened, not the mailbox.
 */

#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include "store_env.h"

typedef enum {
    STORE_FOLLOW_MESSAGE = 1,     /* created, changed, or moved here */
    STORE_FOLLOW_READ = 2,        /* its read state alone            */
    STORE_FOLLOW_GONE = 3,        /* ids first .. last left `folder` */
    STORE_FOLLOW_FOLDER = 4,
    STORE_FOLLOW_FOLDER_GONE = 5
} store_follow_kind_t;

typedef struct {
    store_follow_kind_t  kind;
    uint64_t             cn;
    uint64_t             folder;
    uint64_t             first;        /* message */
    uint64_t             last;
    uint32_t             flags;        /* PR_MESSAGE_FLAGS, or store_gone_t */
    bool                 associated;
} store_follow_t;

typedef ph_int_t (*store_follow_pt)(void *data, const store_follow_t *change);

/*
 * Calls fn for each object that changed above `after`, as it is now, in the
 * order of change numbers; about `limit` times (changes of one number stay
 * together).  *next_r: ask again from there; it is *last_r when this was all.
 * *reset_r: deletions before `after` are not known any more (compare ids); the
 * changes are right nevertheless.  A folder that came back is told as a folder;
 * its messages are listed, not told.
 */
ph_int_t store_follow(store_conn_t *conn, uint64_t after, uint32_t limit,
    store_follow_pt fn, void *data, uint64_t *next_r, uint64_t *last_r,
    bool *reset_r);

/* Live ids of a folder above `after` in ascending order, at most max. */
ph_int_t store_messages_after(store_conn_t *conn, uint64_t fid,
    bool associated, uint64_t after, uint32_t max, uint64_t *ids_r,
    uint32_t *n_r);

/*
 * Gives at most `limit` unused pages of the database back to the file system.
 * Outside of a transaction.  Bytes of the file before and after.
 */
ph_int_t store_compact(store_conn_t *conn, uint32_t limit,
    uint64_t *before_r, uint64_t *after_r, bool *more_r);

#endif
