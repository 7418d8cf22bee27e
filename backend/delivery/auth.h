/*
 * Tickets of those who call us: a daemon's or an administrator's, verified with
 * the directory's keys.
 */

#ifndef DELIVERY_AUTH_H
#define DELIVERY_AUTH_H

#include "delivery.h"

typedef struct auth_s  auth_t;

/* PH_OK, PH_DENIED, or PH_TIMEOUT when the directory does not give its keys */
typedef void (*auth_done_pt)(ph_int_t rc, void *data);

ph_int_t auth_create(delivery_t *d, auth_t **auth_r);
/* ticket must stay until done is called, which may be at once */
void auth_check(auth_t *auth, ph_str_t ticket, auth_done_pt done, void *data);

#endif
