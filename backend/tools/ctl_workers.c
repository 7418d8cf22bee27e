/* The workers of exmdb: each has its own sessions, metrics and traces. */

#include "gen/exmdb.h"
#include "tools/ctl.h"

int ctl_workers(ctl_t *c, ctl_worker_t **workers_r, size_t *n_r,
    uint32_t *hash_seed_r)
{
    exmdb_hello_t  hello;
    ctl_worker_t  *w;
    ph_int_t       prc;
    size_t         i;
    int            rc;

    *workers_r = NULL;
    *n_r = 0;

    rc = ctl_ticket(c);
    if (rc != CTL_OK) {
        return rc;
    }
    prc = cl_sync_hello(c->client, c->pool, &hello);
    if (prc == PH_INVALID) {
        return ctl_error(c, CTL_FAILED, "%s does not tell its workers",
                         c->address[CTL_EXMDB]);
    }
    if (prc != PH_OK) {
        return ctl_error(c, CTL_UNAVAILABLE,
                         "cannot reach %s; is posthorn-exmdb running?",
                         c->address[CTL_EXMDB]);
    }

    w = ph_pcalloc_array(c->pool, hello.workers_count, sizeof(*w));
    if (w == NULL) {
        return ctl_error(c, CTL_FAILED, "out of memory");
    }
    for (i = 0; i < hello.workers_count; i++) {
        w[i].number = hello.workers[i].number;
        w[i].address = ph_psprintf(c->pool, "%.*s",
                                   PH_STR_ARG(hello.workers[i].address));
        if (w[i].address == NULL) {
            return ctl_error(c, CTL_FAILED, "out of memory");
        }
    }

    *workers_r = w;
    *n_r = hello.workers_count;
    if (hash_seed_r != NULL) {
        *hash_seed_r = hello.hash_seed;
    }
    return CTL_OK;
}
