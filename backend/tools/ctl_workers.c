/* The workers of exmdb: each has its own sessions, metrics and traces. */

#include "gen/exmdb.h"
#include "tools/ctl.h"

int ctl_workers(ctl_t *c, ctl_worker_t **workers_r, size_t *n_r,
    uint32_t *hash_seed_r)
{
    ph_wire_client_opts_t  opts = { .max_frame = CTL_MAX_ANSWER };
    exmdb_hello_t          hello;
    ctl_worker_t          *w;
    ph_wire_sync_t        *sync = NULL;
    ph_str_t               body;
    ph_int_t               prc;
    size_t                 i;
    int                    rc;

    *workers_r = NULL;
    *n_r = 0;

    rc = ctl_ticket(c);
    if (rc != CTL_OK) {
        return rc;
    }
    if (ph_wire_sync_create(c->address[CTL_EXMDB], &opts, &sync) != PH_OK) {
        return ctl_error(c, CTL_CONFIG, "\"%s\" is not an address",
                         c->address[CTL_EXMDB]);
    }
    prc = ph_wire_sync_hello(sync, c->pool, &body);
    ph_wire_sync_destroy(&sync);
    if (prc != PH_OK) {
        return ctl_error(c, CTL_UNAVAILABLE,
                         "cannot reach %s; is posthorn-exmdb running?",
                         c->address[CTL_EXMDB]);
    }
    if (exmdb_hello_decode_all(body, c->pool, &hello) != PH_OK
        || hello.workers_count == 0)
    {
        return ctl_error(c, CTL_FAILED, "%s does not tell its workers",
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
        if (w[i].address == NULL
            || ph_wire_sync_create(w[i].address, &opts, &w[i].sync) != PH_OK)
        {
            ctl_workers_free(w, i);
            return ctl_error(c, CTL_FAILED, "a worker's address is wrong");
        }
    }

    *workers_r = w;
    *n_r = hello.workers_count;
    if (hash_seed_r != NULL) {
        *hash_seed_r = hello.hash_seed;
    }
    return CTL_OK;
}

void ctl_workers_free(ctl_worker_t *workers, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        ph_wire_sync_destroy(&workers[i].sync);
    }
}

size_t ctl_worker_of(uint32_t hash_seed, ph_str_t mailbox, size_t n)
{
    uint32_t  h = 2166136261u;
    uint8_t   c;
    size_t    i;

    for (i = 0; i < 4; i++) {
        h = (h ^ (uint8_t) (hash_seed >> (8 * i))) * 16777619u;
    }
    for (i = 0; i < mailbox.len; i++) {
        c = mailbox.data[i];
        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }
        h = (h ^ c) * 16777619u;
    }
    return h % n;
}
