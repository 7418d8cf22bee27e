/* Delivery status notifications (RFC 3464) for the sender. */

#ifndef DELIVERY_BOUNCE_H
#define DELIVERY_BOUNCE_H

#include "delivery.h"
#include "queue_file.h"

#define BOUNCE_MAX_ORIGINAL  (256 << 10)  /* above it only the header returns */

typedef enum {
    BOUNCE_FAILED = 0,
    BOUNCE_DELIVERED,       /* into a mailbox */
    BOUNCE_RELAYED          /* to a server that reports no success */
} bounce_action_t;

typedef struct {
    ph_str_t         address;
    ph_str_t         orcpt;     /* ORCPT= as it came; empty: none */
    bounce_action_t  action;
    const char      *status;    /* "5.1.1" */
    const char      *reply;     /* what the other side said; NULL: nothing */
    const char      *remote;    /* its name, NULL: it is us */
} bounce_rcpt_t;

/*
 * A multipart/report about recipients of e, all failed or all successful.  body
 * is the original message; RET of e says whether a failure brings it back whole
 * (RFC 3461 4.3).  Deterministic but for date.  PH_NOMEM.
 */
ph_int_t bounce_compose(ph_pool_t *pool, const char *hostname,
    const queue_entry_t *e, const bounce_rcpt_t *rcpts, size_t n,
    ph_str_t body, const char *date, ph_str_t *bytes_r);

/* xtext (RFC 3461 4) of s in pool, and back; data NULL: no memory, no xtext */
ph_str_t bounce_xtext(ph_pool_t *pool, ph_str_t s);
ph_str_t bounce_from_xtext(ph_pool_t *pool, ph_str_t s);

#endif
