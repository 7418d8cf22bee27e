/*
 * Messages (MS-OXCMSG).  A store_message_t is a working copy in memory with a
 * pool of its own: changes reach the mailbox with store_message_save().
 * Attachments and embedded messages are working copies inside it.  Large values
 * stay on disk and are read when asked for.
 *
 * A working copy belongs to the store it was made from, not to a connection;
 * the connection given to a call is only used during it.  conn may be a reader
 * except for save.
 */

#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H

#include "store_env.h"
#include "store_props.h"
#include "mapi/mapi_message.h"

typedef struct store_message_s  store_message_t;
typedef struct store_attach_s   store_attach_t;

/* ---- open, create, close ---- */

typedef struct {
    uint64_t  id;
    uint64_t  folder;
    uint64_t  cn;
    uint64_t  read_cn;
    uint64_t  size;
    uint64_t  received;          /* FILETIME */
    uint32_t  flags;             /* PR_MESSAGE_FLAGS */
    bool      associated;
    bool      deleted;           /* soft */
    bool      read;
} store_message_fact_t;

/* Without opening it.  PH_NOTFOUND. */
ph_int_t store_message_find(store_conn_t *conn, uint64_t mid,
    store_message_fact_t *fact_r);

#define STORE_OPEN_READONLY   0x00
#define STORE_OPEN_WRITE      0x01
#define STORE_OPEN_DELETED    0x04    /* soft-deleted messages too */

/* fid 0: whatever folder it is in; else PH_NOTFOUND when it is elsewhere. */
ph_int_t store_message_open(store_conn_t *conn, uint64_t fid, uint64_t mid,
    unsigned flags, store_message_t **msg_r);

/*
 * A new message for folder fid with the initial properties of MS-OXCMSG
 * 3.2.5.2; in the mailbox only after save.  id 0: one is allocated at the first
 * save. (Its id is in store_message_fact() then.)
 */
ph_int_t store_message_create(store_conn_t *conn, uint64_t fid,
    bool associated, uint64_t id, const store_actor_t *actor,
    store_message_t **msg_r);
void store_message_close(store_message_t **msg);

/* id, folder, flags ... as of open or the last save; embedded: ids are 0 */
const store_message_fact_t *store_message_fact(const store_message_t *msg);
bool store_message_is_new(const store_message_t *msg);
bool store_message_is_writable(const store_message_t *msg);
void store_message_set_writable(store_message_t *msg, bool writable);
bool store_message_is_dirty(const store_message_t *msg);
bool store_message_is_embedded(const store_message_t *msg);
store_t *store_message_store(const store_message_t *msg);

/*
 * ---- properties (stored and computed: MS-OXCMSG 2.2.1) ----
 *
 * The list of values is in pool; what they point to may lie in the working
 * copy, and lives until it is closed or changed (mapi_value_copy() keeps it).
 */
ph_int_t store_message_get(store_conn_t *conn, store_message_t *msg,
    const mapi_tags_t *tags, size_t limit, ph_pool_t *pool,
    mapi_values_t *values_r);
ph_int_t store_message_tags(store_message_t *msg, ph_pool_t *pool,
    mapi_tags_t *tags_r);
ph_int_t store_message_set(store_message_t *msg, const mapi_values_t *values,
    ph_pool_t *pool, store_problems_t *problems_r);
ph_int_t store_message_remove(store_message_t *msg, const mapi_tags_t *tags,
    ph_pool_t *pool, store_problems_t *problems_r);

/* ---- recipients ---- */
uint32_t store_message_recipient_count(const store_message_t *msg);
/* Rows from index `first`, ordered by row id; they live until the next
 * change. */
const mapi_recipient_t *store_message_recipients(const store_message_t *msg);
/*
 * Replaces or adds by row id; n 0 properties removes the row.  The properties
 * include PR_RECIPIENT_TYPE, PR_DISPLAY_NAME, PR_ADDRTYPE, PR_EMAIL_ADDRESS ...
 * PH_TOOBIG: more than MAPI_MAX_RECIPIENTS.
 */
ph_int_t store_message_modify_recipients(store_message_t *msg, uint32_t n,
    const mapi_recipient_t *rows);
void store_message_clear_recipients(store_message_t *msg);

/* ---- attachments ---- */
uint32_t store_message_attachment_count(const store_message_t *msg);
/* numbers in ascending order, in pool */
ph_int_t store_message_attachments(const store_message_t *msg,
    ph_pool_t *pool, uint32_t *n_r, uint32_t **nums_r);
/* A working copy of an attachment; PH_NOTFOUND.  It is closed with its message
 * at the latest. */
ph_int_t store_attach_open(store_message_t *msg, uint32_t num,
    store_attach_t **att_r);
/* The number is never used again in this message.  PH_TOOBIG. */
ph_int_t store_attach_create(store_message_t *msg, store_attach_t **att_r);
ph_int_t store_attach_delete(store_message_t *msg, uint32_t num);
/* Puts the working copy into its message (RopSaveChangesAttachment). */
ph_int_t store_attach_save(store_attach_t *att);
void store_attach_close(store_attach_t **att);
uint32_t store_attach_num(const store_attach_t *att);
store_message_t *store_attach_message(const store_attach_t *att);
ph_int_t store_attach_get(store_conn_t *conn, store_attach_t *att,
    const mapi_tags_t *tags, size_t limit, ph_pool_t *pool,
    mapi_values_t *values_r);
ph_int_t store_attach_tags(store_attach_t *att, ph_pool_t *pool,
    mapi_tags_t *tags_r);
ph_int_t store_attach_set(store_attach_t *att, const mapi_values_t *values,
    ph_pool_t *pool, store_problems_t *problems_r);
ph_int_t store_attach_remove(store_attach_t *att, const mapi_tags_t *tags,
    ph_pool_t *pool, store_problems_t *problems_r);

/*
 * The embedded message of an attachment as a working copy; its save goes into
 * the attachment's working copy.  create: an empty one (PR_ATTACH_METHOD
 * becomes 5). It is closed with its attachment at the latest.  PH_NOTFOUND:
 * none there; PH_TOOBIG: deeper than MAPI_MAX_EMBEDDING.
 */
ph_int_t store_embedded_open(store_conn_t *conn, store_attach_t *att,
    bool create, const store_actor_t *actor, store_message_t **msg_r);

/* ---- save ---- */
#define STORE_SAVE_FORCE      0x01 /* overwrite what others saved meanwhile */
#define STORE_SAVE_DELIVER    0x02 /* event new mail; quota for receiving */
#define STORE_SAVE_NO_QUOTA   0x04 /* system's own messages */

/*
 * Computes the properties that depend on others, gives a new change number, and
 * writes.  Inside a transaction: on disk after store_commit.  An embedded one
 * goes into its attachment (conn may be a reader).  tags and ids of the fact
 * change with it.
 * PH_CONFLICT: somebody saved since it was opened (ecObjectModified);
 * PH_NOTFOUND: deleted meanwhile (ecObjectDeleted); PH_DENIED: opened
 * read-only; PH_QUOTA, with *quota_r true (may be NULL); PH_NOSPACE: the
 * disk; PH_TOOBIG: larger than message_max; PH_EXISTS: the id asked for is in
 * use. After store_undo or store_rollback the working copy must be closed, or
 * saved again after store_message_unsaved().
 */
ph_int_t store_message_save(store_conn_t *conn, store_message_t *msg,
    unsigned flags, const store_actor_t *actor, bool *quota_r);
/* Takes back what the last save changed in the working copy. */
void store_message_unsaved(store_message_t *msg);

/* ---- without a working copy ---- */

/* Results of operations on many messages: those not found or failed are
 * skipped. */
typedef struct {
    uint32_t  done;
    uint32_t  failed;
    bool      quota;             /* some failed because the mailbox is full */
} store_many_t;

/*
 * Moves or copies n messages of folder `from` to `to` (in one store).  Moved
 * and copied messages get new ids, in new_r when not NULL (0: failed).  Search
 * keys stay.  PH_NOTFOUND: a folder.
 */
ph_int_t store_messages_move(store_conn_t *conn, uint64_t from, uint64_t to,
    uint32_t n, const uint64_t *mids, uint64_t *new_r,
    store_many_t *many_r);
ph_int_t store_messages_copy(store_conn_t *conn, uint64_t from, uint64_t to,
    uint32_t n, const uint64_t *mids, uint64_t *new_r,
    store_many_t *many_r);
/* Soft delete (into the folder's dumpster), or for good when hard. */
ph_int_t store_messages_delete(store_conn_t *conn, uint64_t fid, bool hard,
    uint32_t n, const uint64_t *mids, store_many_t *many_r);
/* Brings soft-deleted messages back to life in folder `to`, with new ids. */
ph_int_t store_messages_restore(store_conn_t *conn, uint64_t from,
    uint64_t to, uint32_t n, const uint64_t *mids, store_many_t *many_r);

/*
 * Read state (RopSetReadFlags): a new read change number for each that changes;
 * the change number stays.  n 0: all live normal messages of the folder.
 * flags: as in the ROP (0x01 suppress receipt, 0x04 clear read, 0x10 receipt
 * only, 0x20, 0x40).  receipts_r (may be NULL), n_receipts_r: ids in pool whose
 * sender is to get a read receipt now; the store has noted that it was sent.
 */
ph_int_t store_messages_set_read(store_conn_t *conn, uint64_t fid,
    unsigned flags, uint32_t n, const uint64_t *mids, ph_pool_t *pool,
    uint32_t *n_receipts_r, uint64_t **receipts_r, store_many_t *many_r);
/* The same for an open message: its working copy follows. */
ph_int_t store_message_set_read(store_conn_t *conn, store_message_t *msg,
    unsigned flags, bool *changed_r, bool *receipt_r);

/* PR_MSG_STATUS (RopSetMessageStatus). PH_NOTFOUND. */
ph_int_t store_message_status(store_conn_t *conn, uint64_t fid, uint64_t mid,
    uint32_t *status_r);
ph_int_t store_message_set_status(store_conn_t *conn, uint64_t fid,
    uint64_t mid, uint32_t flags, uint32_t mask, uint32_t *old_r);
/*
 * Bits of PR_MESSAGE_FLAGS that only the server changes (SUBMITTED, UNSENT,
 * FROMME, RESEND): new = (old & ~mask) | (flags & mask). A new change number.
 */
ph_int_t store_message_set_flags(store_conn_t *conn, uint64_t mid,
    uint32_t flags, uint32_t mask, uint32_t *old_r);

/* ---- whole messages as values ---- */

/* Fills a new working copy from a value; named properties are mapped
 * (registered when conn is a writer in a transaction).  The value may be freed
 * afterwards. */
ph_int_t store_message_import(store_conn_t *conn, store_message_t *msg,
    const mapi_message_t *value);
/*
 * A value of the working copy, in pool; named properties get their names.
 * Large values are read into memory: `limit` bytes in all, else PH_TOOBIG.
 */
ph_int_t store_message_export(store_conn_t *conn, store_message_t *msg,
    size_t limit, ph_pool_t *pool, mapi_message_t *value_r);

typedef struct {
    uint64_t               folder;       /* 0: Inbox */
    const uint8_t         *id;           /* 32 bytes, or NULL */
    uint64_t               received;     /* FILETIME; 0: now */
    const mapi_message_t  *message;
    ph_str_t               raw;          /* RFC 5322 bytes; may be empty */
    bool                   no_quota;
    bool                   appended;     /* by a client: it is no new mail */
} store_delivery_t;

/*
 * Delivers: one message, once for each delivery id.  *duplicate_r: it is there
 * already (mid and fid are those of the first time; the message may have been
 * moved since).  PH_NOSPACE: see store_message_save.
 */
ph_int_t store_deliver(store_conn_t *conn, const store_delivery_t *d,
    uint64_t *mid_r, uint64_t *fid_r, bool *duplicate_r, bool *quota_r);
/* Forgets delivery ids that the sender will not use again. */
ph_int_t store_delivery_ack(store_conn_t *conn, uint32_t n,
    const uint8_t (*ids)[32]);

/* Keeps RFC 5322 bytes with a saved message, e.g. of what was sent. */
ph_int_t store_message_set_raw(store_conn_t *conn, uint64_t mid,
    ph_str_t raw);

#endif
