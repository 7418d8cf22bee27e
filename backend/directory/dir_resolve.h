/*
 * Where a message for an address goes: aliases, details (user+detail), groups
 * inside groups, forwards and the domain's catch-all.  Each address is looked
 * at once, so that loops end by construction; two limits bound the rest.
 */

#ifndef DIR_RESOLVE_H
#define DIR_RESOLVE_H

#include "dir_entry.h"

#define DIR_RESOLVE_STEPS_MAX  100000    /* addresses looked at */

typedef struct {
    const char  *delimiters;    /* any of them begins a detail; "" = none */
    size_t       max;           /* destinations */
    ph_log_t    *log;
} dir_resolve_opts_t;

/*
 * Fills the answer of the `resolve` operation.  sender "" is the null sender.
 * An address elsewhere is PH_OK with local_domain 0 and itself as destination.
 * PH_NOTFOUND: local domain, but nobody receives there; PH_INVALID: not an
 * address; PH_TOOBIG: more than max.
 */
ph_int_t dir_resolve(dir_conn_t *conn, ph_pool_t *pool,
    const dir_resolve_opts_t *opts, ph_str_t address, ph_str_t sender,
    dir_resolve_answer_t *answer_r);

#endif
