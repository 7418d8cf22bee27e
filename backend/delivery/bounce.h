/* Delivery status notifications (RFC 3464) for the sender. */

#ifndef DELIVERY_BOUNCE_H
#define DELIVERY_BOUNCE_H

#include "delivery.h"
#include "queue_file.h"

#define BOUNCE_MAX_ORIGINAL  (256 << 10)  /* above it only the header returns */

typedef struct {
    ph_str_t     address;
    const char  *status;        /* "5.1.1" */
    const char  *reply;         /* what the other side said */
    const char  *remote;        /* its name, NULL: we refused it */
} bounce_rcpt_t;

/*
 * A multipart/report about recipients of e that failed.  body is the original
 * message.  Deterministic but for date.  PH_NOMEM.
 */
ph_int_t bounce_compose(ph_pool_t *pool, const char *hostname,
    const queue_entry_t *e, const bounce_rcpt_t *rcpts, size_t n,
    ph_str_t body, const char *date, ph_str_t *bytes_r);

#endif
