/* Schema steps; shared with their test. */

#ifndef STORE_UPGRADE_H
#define STORE_UPGRADE_H

#include "store_int.h"

typedef struct {
    uint32_t     version;    /* that `up` leads to */
    uint32_t     compat;     /* oldest version whose program may still use it */
    const char  *up;
    const char  *down;
} store_step_t;

/* The steps to STORE_SCHEMA_VERSION, in order. */
const store_step_t *store_upgrade_list(unsigned *n_r);
/* Runs the steps from the database's version to the target, up or down, each in
 * its own transaction, after a snapshot.  PH_DECLINED: no way there. */
ph_int_t store_upgrade_steps(store_conn_t *conn, const store_step_t *steps,
    unsigned n, uint32_t target);
ph_int_t store_foreign_keys_hold(store_conn_t *conn);

#endif
