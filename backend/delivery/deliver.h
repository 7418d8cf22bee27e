/*
 * One message into its destinations: mailboxes (exmdb's operation `deliver`)
 * and addresses elsewhere (the outgoing queue).
 */

#ifndef DELIVERY_DELIVER_H
#define DELIVERY_DELIVER_H

#include "delivery.h"
#include "gen/dir.h"

typedef enum {
    DELIVER_OK = 0,
    DELIVER_QUOTA,          /* 552 5.2.2 */
    DELIVER_QUOTA_LATER,    /* 452 4.2.2, when over_quota is "defer" */
    DELIVER_NO_DISK,        /* 452 4.3.1 */
    DELIVER_LATER,          /* 451 4.3.0 */
    DELIVER_LOOP,           /* 554 5.4.6 */
    DELIVER_TOO_BIG,        /* 552 5.3.4 */
    DELIVER_BAD,            /* 554 5.6.0 */
    DELIVER_UNKNOWN,        /* 550 5.1.1 */
    DELIVER_REFUSED         /* 550 5.7.1 */
} deliver_result_t;

typedef struct {
    bool               outside;
    ph_str_t           address;      /* mailbox in lower case, or elsewhere */
    ph_str_t           recipient;    /* of the envelope, as given */
    uint8_t            id[DELIVERY_ID];
    deliver_result_t   result;
    bool               duplicate;    /* it was there already */
    uint8_t            notify;       /* of an address elsewhere: DSN bits */
    ph_str_t           orcpt;        /* and its ORCPT= */
} deliver_dest_t;

typedef struct deliver_s  deliver_t;

struct deliver_s {
    delivery_t        *d;
    ph_pool_t         *pool;         /* of the message; loop thread, or the one
                                        thread that prepares it */
    ph_str_t           sender;       /* envelope; "" = null */
    ph_str_t           ret;          /* RET= and ENVID= of the sender, or "" */
    ph_str_t           envid;
    ph_str_t           bytes;        /* the message, as received */
    ph_str_t           trace;        /* Received field to put in front */
    bool               smtputf8;
    char               rid[17];
    deliver_dest_t    *dests;
    uint32_t           n_dests;
    uint32_t           cap_dests;
    void             (*done)(deliver_t *t);    /* loop; all results are set */
    void              *data;

    /* private */
    uint64_t           started;
    uint64_t           received;
    struct mapi_message_s  *message;
    ph_pool_t         *message_pool;
    ph_str_t           raw;          /* trace and bytes */
    ph_int_t           rc;
    bool               prepared;
    uint32_t           next;
    uint32_t           inflight;
};

/* Index of a destination of t, added when it is not there yet; PH_NOMEM,
 * PH_TOOBIG.  Strings are copied. */
ph_int_t deliver_add(deliver_t *t, bool outside, ph_str_t address,
    ph_str_t recipient, uint32_t *index_r);
/* Begins; t and what it points to must stay until done. */
void deliver_start(deliver_t *t);
/* frees what deliver_start() made, not t->pool */
void deliver_finish(deliver_t *t);

/* "452 4.3.1 ..." without line end */
const char *deliver_reply(deliver_result_t result);

/* "Received: ...\r\n" in pool; from: what stands behind "from", may be empty */
ph_str_t deliver_trace(delivery_t *d, ph_pool_t *pool, ph_str_t from,
    const char *with, const char *rid, ph_str_t recipient);
/* RFC 5322 date of now; buf has 40 bytes */
void deliver_date(char *buf, size_t size);

#endif
