/*
 * A message that was delivered a moment ago, in the writer and inside the
 * transaction of its delivery: what rules, out of office and the processing of
 * meetings want to know of it, and what they send.
 */

#ifndef EX_ARRIVAL_H
#define EX_ARRIVAL_H

#include "ex_mailbox.h"
#include "mapi/mapi_restriction.h"

/* A message whose header names this many mailboxes is forwarded no more. */
#define EX_MAX_HOPS        4
/* messages that one delivery may cause */
#define EX_MAX_SENT        32
/* recipients of one of them */
#define EX_MAX_FORWARDS    100
/* memory for all that one delivery causes */
#define EX_ARRIVAL_MEMORY  (400u << 20)

#define EX_LOOP_FIELD  "X-MS-Exchange-Inbox-Rules-Loop"

/* PR_AUTO_RESPONSE_SUPPRESS */
#define EX_SUPPRESS_OOF    0x10
#define EX_SUPPRESS_REPLY  0x20

typedef struct ex_memo_s  ex_memo_t;

typedef struct {
    ex_t                  *ex;
    ex_mailbox_t          *mb;
    store_conn_t          *conn;
    ph_pool_t             *pool;
    const mapi_message_t  *message;    /* as it was delivered */
    ph_str_t               raw;        /* RFC 5322 bytes; may be empty */
    ph_str_t               sender;     /* of the envelope; empty: null */
    ph_str_t               recipient;  /* of the envelope, as given */
    ph_str_t               class;
    uint64_t               fid;
    uint64_t               mid;
    uint64_t               now;        /* FILETIME */

    /* what ex_arrival_inspect() found */
    bool                   automatic;  /* never answered */
    uint32_t               suppress;   /* PR_AUTO_RESPONSE_SUPPRESS */
    bool                   to_me;
    bool                   cc_me;
    bool                   looped;     /* it was here before */
    unsigned               hops;
    ph_str_t               trace;      /* value of EX_LOOP_FIELD with us */
    store_oof_t            oof;
    bool                   oof_active;

    store_message_t       *msg;        /* read-only, for conditions */
    ex_memo_t             *memos;
    unsigned               sent;       /* messages in the queue now */
} ex_arrival_t;

/* what became of a delivery */
typedef struct {
    uint64_t  fid;
    uint64_t  mid;
    bool      duplicate;
    bool      quota;
    uint8_t   refused;      /* EXMDB_REFUSED_*, 0: no */
    unsigned  sent;         /* messages in the queue because of it */
} ex_delivered_t;

/*
 * Delivers in the writer's transaction, with everything that follows from it.
 * PH_NOSPACE and the like cost the transaction.
 */
ph_int_t ex_deliver_store(ex_mailbox_t *mb, store_conn_t *conn,
    const exmdb_deliver_request_t *r, ex_delivered_t *d_r);

/*
 * Fills the facts above from envelope, header fields and properties.  All
 * limits on replies and forwards come from here: nothing is answered that a
 * machine sent, that has no sender, or that says not to.
 */
ph_int_t ex_arrival_inspect(ex_arrival_t *a);

/*
 * PR_MESSAGE_TO_ME, _CC_ME and _RECIP_ME for a message that comes to `owner`
 * under the address `recipient`.
 */
ph_int_t ex_arrival_mine(ph_pool_t *pool, const dir_entry_t *owner,
    ph_str_t recipient, mapi_message_t *m);

/*
 * Answers a request for a meeting, or takes a cancelled one out of the
 * calendar, when the mailbox is a room or equipment (ex_meeting.c).  a->mid 0:
 * the message is done with.
 */
ph_int_t ex_meeting_run(ex_arrival_t *a);

/* Is a condition true (r NULL: always)?  Identities match whatever form of
 * address they have (EX or SMTP); r, in a->pool, is changed for that. */
ph_int_t ex_arrival_match(ex_arrival_t *a, mapi_restriction_t *r,
    bool *match_r);
/* The whole subject, in a->pool; data NULL: no memory. */
ph_str_t ex_arrival_subject(ex_arrival_t *a);
/* No control character or blank: it may stand in a header field. */
bool ex_is_printable(ph_str_t s);

/* What it remembers of the message is no longer true. */
void ex_arrival_forget(ex_arrival_t *a);

/* A message to be sent */
typedef struct {
    mapi_message_t  m;          /* recipients in it */
    bool            null_sender;
    ph_str_t        sender;     /* of the envelope; empty: the owner */
    ph_str_t        raw;        /* sent instead of m, when not empty */
} ex_send_t;

/*
 * Puts it into the outbox and its queue.  PH_TOOBIG: EX_MAX_SENT,
 * EX_MAX_FORWARDS; PH_INVALID: no recipient.
 */
ph_int_t ex_arrival_send(ex_arrival_t *a, ex_send_t *s);

/* ---- values of messages under construction, in a->pool ---- */

/* Replaces or adds; the list is copied once to be changed. */
ph_int_t ex_value_set(ph_pool_t *pool, mapi_values_t *list,
    const mapi_value_t *v);
ph_int_t ex_value_str(ph_pool_t *pool, mapi_values_t *list, uint32_t tag,
    ph_str_t s);
ph_int_t ex_value_i4(ph_pool_t *pool, mapi_values_t *list, uint32_t tag,
    int32_t n);
ph_int_t ex_value_bool(ph_pool_t *pool, mapi_values_t *list, uint32_t tag,
    bool b);
ph_int_t ex_value_bin(ph_pool_t *pool, mapi_values_t *list, uint32_t tag,
    ph_str_t s);
/* the list without these ids */
ph_int_t ex_value_drop(ph_pool_t *pool, mapi_values_t *list,
    const uint32_t *tags, size_t n);
/* a string property of the list, or empty */
ph_str_t ex_value_text(const mapi_values_t *list, uint32_t tag);
/* the sender and representing properties: the owner of the mailbox */
ph_int_t ex_value_from_owner(ex_arrival_t *a, mapi_values_t *list);
/* One SMTP recipient: type 1 to, 2 cc. */
ph_int_t ex_value_recipient(ph_pool_t *pool, mapi_message_t *m, int32_t type,
    ph_str_t name, ph_str_t address);
/* A header field (PS_INTERNET_HEADERS). */
ph_int_t ex_value_field(ph_pool_t *pool, mapi_message_t *m, const char *name,
    ph_str_t value);
/* A well-known named property: np is MAPI_NP(...), v its value. */
ph_int_t ex_value_named(ph_pool_t *pool, mapi_message_t *m, unsigned np,
    const mapi_value_t *v);
/* NULL: the message has none */
const mapi_value_t *ex_named_get(const mapi_message_t *m, unsigned np);
/* PR_IN_REPLY_TO_ID, PR_INTERNET_REFERENCES, topic: an answer to a->message */
ph_int_t ex_value_thread(ex_arrival_t *a, mapi_values_t *list);

#endif
