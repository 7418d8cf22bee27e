/* Blocking calls: the same ticket and map, for tools and threads. */

#include "cl.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"
#include "gen/dir.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define CL_SYNC_RETRY    100               /* ms */
#define CL_SYNC_EARLY    60000             /* renewed this long before */
#define CL_SYNC_TICKET   10000

struct cl_sync_s {
    pthread_mutex_t    lock;               /* of what follows `exmdb` */
    char              *name;
    char              *addresses[2];
    uint8_t            kind;
    ph_log_t          *log;
    size_t             max_frame;
    ph_wire_sync_t    *directory;
    ph_wire_sync_t    *exmdb;
    ph_wire_sync_t    *workers[CL_MAX_WORKERS];
    char              *worker_address[CL_MAX_WORKERS];
    uint32_t           n_workers;
    uint32_t           seed;
    uint8_t            ticket[PH_WIRE_MAX_TICKET];
    size_t             ticket_len;
    uint64_t           ticket_until;
};


ph_int_t
cl_sync_create(const cl_opts_t *opts, cl_sync_t **cs_r)
{
    ph_int_t                rc;
    cl_sync_t              *cs;
    ph_wire_client_opts_t   wire = { .log = opts->log,
                                     .max_frame = opts->max_frame };

    cs = calloc(1, sizeof(*cs));
    if (cs == NULL) {
        return PH_NOMEM;
    }

    (void) pthread_mutex_init(&cs->lock, NULL);
    cs->kind = opts->kind;
    cs->log = opts->log;
    cs->max_frame = opts->max_frame;
    cs->name = strdup(opts->name);
    cs->addresses[0] = strdup(opts->directory);
    cs->addresses[1] = strdup(opts->exmdb);

    rc = cs->name == NULL || cs->addresses[0] == NULL
         || cs->addresses[1] == NULL ? PH_NOMEM
         : ph_wire_sync_create(opts->directory, &wire, &cs->directory);
    if (rc == PH_OK && opts->exmdb[0] != '\0') {
        rc = ph_wire_sync_create(opts->exmdb, &wire, &cs->exmdb);
    }

    if (rc != PH_OK) {
        cl_sync_destroy(&cs);
        return rc;
    }

    *cs_r = cs;

    return PH_OK;
}


void
cl_sync_destroy(cl_sync_t **csp)
{
    cl_sync_t  *cs = *csp;

    if (cs == NULL) {
        return;
    }

    *csp = NULL;
    ph_wire_sync_destroy(&cs->directory);
    ph_wire_sync_destroy(&cs->exmdb);

    for (uint32_t i = 0; i < CL_MAX_WORKERS; i++) {
        ph_wire_sync_destroy(&cs->workers[i]);
        free(cs->worker_address[i]);
    }

    (void) pthread_mutex_destroy(&cs->lock);
    free(cs->name);
    free(cs->addresses[0]);
    free(cs->addresses[1]);
    free(cs);
}


const char *
cl_sync_address(const cl_sync_t *cs, bool directory)
{
    return cs->addresses[directory ? 0 : 1];
}


/* ---- the ticket ---- */

static bool
cl_sync_cached(cl_sync_t *cs, ph_pool_t *pool, ph_str_t *ticket_r)
{
    bool  have;

    (void) pthread_mutex_lock(&cs->lock);
    have = cs->ticket_len != 0
           && ph_now_ms() + CL_SYNC_EARLY < cs->ticket_until;
    if (have) {
        *ticket_r = ph_pstrdup(pool, (ph_str_t) { cs->ticket_len,
                                                  cs->ticket });
        have = ticket_r->data != NULL;
    }
    (void) pthread_mutex_unlock(&cs->lock);

    return have;
}


static void
cl_sync_forget(cl_sync_t *cs)
{
    (void) pthread_mutex_lock(&cs->lock);
    cs->ticket_len = 0;
    (void) pthread_mutex_unlock(&cs->lock);
}


ph_int_t
cl_sync_ticket(cl_sync_t *cs, ph_pool_t *pool, ph_wire_status_t *status_r,
    ph_str_t *ticket_r)
{
    ph_int_t                       rc;
    ph_str_t                       body, answer;
    dir_service_ticket_answer_t    a;
    dir_service_ticket_request_t   r;

    *status_r = PH_WIRE_OK;
    if (cl_sync_cached(cs, pool, ticket_r)) {
        return PH_OK;
    }

    r.kind = cs->kind;
    r.name = ph_str_c(cs->name);
    rc = dir_service_ticket_request_encode_new(pool, &r, &body);
    if (rc == PH_OK) {
        rc = ph_wire_sync_call(cs->directory, pool, DIR_OP_SERVICE_TICKET,
                               ph_str_null, body, CL_SYNC_TICKET, status_r,
                               &answer);
    }
    if (rc != PH_OK) {
        return rc;
    }
    if (*status_r != PH_WIRE_OK) {
        *ticket_r = ph_str_null;
        return PH_OK;
    }
    if (dir_service_ticket_answer_decode_all(answer, pool, &a) != PH_OK
        || a.ticket.len == 0 || a.ticket.len > sizeof(cs->ticket))
    {
        return PH_INVALID;
    }

    *ticket_r = a.ticket;
    (void) pthread_mutex_lock(&cs->lock);
    memcpy(cs->ticket, a.ticket.data, a.ticket.len);
    cs->ticket_len = a.ticket.len;
    cs->ticket_until = ph_now_ms() + 1000 * (uint64_t) a.lifetime;
    (void) pthread_mutex_unlock(&cs->lock);

    return PH_OK;
}


/* With our ticket; a second one when it is refused. */
static ph_int_t
cl_sync_call(cl_sync_t *cs, ph_wire_sync_t *to, ph_pool_t *pool, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_status_t *status_r,
    ph_str_t *answer_r)
{
    int       tries;
    ph_int_t  rc;
    ph_str_t  ticket;

    for (tries = 0; /* void */; tries++) {
        *answer_r = ph_str_null;
        rc = cl_sync_ticket(cs, pool, status_r, &ticket);
        if (rc != PH_OK || *status_r != PH_WIRE_OK) {
            return rc;
        }

        rc = ph_wire_sync_call(to, pool, op, ticket, body, timeout, status_r,
                               answer_r);
        if (rc != PH_OK || *status_r != PH_WIRE_DENIED || tries > 0) {
            return rc;
        }

        cl_sync_forget(cs);
    }
}


ph_int_t
cl_sync_directory(cl_sync_t *cs, ph_pool_t *pool, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_status_t *status_r, ph_str_t *answer_r)
{
    return cl_sync_call(cs, cs->directory, pool, op, body, timeout, status_r,
                        answer_r);
}


/* ---- workers ---- */

static ph_int_t
cl_sync_map(cl_sync_t *cs, const exmdb_hello_t *hello)
{
    uint32_t                i;
    ph_int_t                rc;
    exmdb_worker_t         *w;
    ph_wire_client_opts_t   opts = { .log = cs->log,
                                     .max_frame = cs->max_frame };

    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < hello->workers_count; i++) {
        w = &hello->workers[i];
        if (w->number != i) {
            return PH_INVALID;
        }

        /* others may be using it: an address never changes */
        if (cs->workers[i] == NULL) {
            free(cs->worker_address[i]);
            cs->worker_address[i] = strndup((const char *) w->address.data,
                                            w->address.len);
            rc = cs->worker_address[i] == NULL ? PH_NOMEM
                 : ph_wire_sync_create(cs->worker_address[i], &opts,
                                       &cs->workers[i]);
        }
    }

    if (rc == PH_OK) {
        cs->n_workers = hello->workers_count;
        cs->seed = hello->hash_seed;
    }

    return rc;
}


ph_int_t
cl_sync_hello(cl_sync_t *cs, ph_pool_t *pool, exmdb_hello_t *hello_r)
{
    ph_int_t  rc;
    ph_str_t  body;

    if (cs->exmdb == NULL) {
        return PH_NOTFOUND;
    }

    rc = ph_wire_sync_hello(cs->exmdb, pool, &body);
    if (rc != PH_OK) {
        return rc;
    }

    if (exmdb_hello_decode_all(body, pool, hello_r) != PH_OK
        || hello_r->workers_count == 0
        || hello_r->workers_count > CL_MAX_WORKERS)
    {
        return PH_INVALID;
    }

    (void) pthread_mutex_lock(&cs->lock);
    rc = cl_sync_map(cs, hello_r);
    (void) pthread_mutex_unlock(&cs->lock);

    return rc;
}


/* The one that owns the mailbox, or the shared socket while nobody told. */
static ph_wire_sync_t *
cl_sync_owner(cl_sync_t *cs, ph_pool_t *pool, ph_str_t mailbox)
{
    int              tries;
    exmdb_hello_t    hello;
    ph_wire_sync_t  *to;

    for (tries = 0; tries < 2; tries++) {
        (void) pthread_mutex_lock(&cs->lock);
        to = cs->n_workers == 0 ? NULL
             : cs->workers[cl_worker_of(cs->seed, mailbox, cs->n_workers)];
        (void) pthread_mutex_unlock(&cs->lock);

        if (to != NULL || cl_sync_hello(cs, pool, &hello) != PH_OK) {
            return to != NULL ? to : cs->exmdb;
        }
    }

    return cs->exmdb;
}


static void
cl_sync_pause(void)
{
    struct timespec  t = { 0, CL_SYNC_RETRY * 1000000L };

    (void) nanosleep(&t, NULL);
}


ph_int_t
cl_sync_mailbox(cl_sync_t *cs, ph_pool_t *pool, ph_str_t mailbox, uint16_t op,
    ph_str_t body, bool repeat, uint64_t timeout, ph_wire_status_t *status_r,
    ph_str_t *answer_r)
{
    uint64_t         now, end;
    ph_int_t         rc;
    ph_wire_sync_t  *to;

    if (cs->exmdb == NULL) {
        return PH_NOTFOUND;
    }

    end = ph_now_ms() + timeout;
    to = cl_sync_owner(cs, pool, mailbox);

    for ( ;; ) {
        now = ph_now_ms();
        rc = cl_sync_call(cs, to, pool, op, body, end > now ? end - now : 1,
                          status_r, answer_r);

        if (!(rc == PH_OK ? *status_r == PH_WIRE_UNAVAILABLE
                          : rc == PH_ERROR)
            || !repeat || ph_now_ms() + CL_SYNC_RETRY >= end)
        {
            return rc;
        }

        /* its worker is being started again: another one waits for it */
        cl_sync_pause();
        to = cs->exmdb;
    }
}


ph_int_t
cl_sync_user(cl_sync_t *cs, ph_pool_t *pool, ph_str_t mailbox,
    ph_str_t ticket, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_status_t *status_r, ph_str_t *answer_r)
{
    if (cs->exmdb == NULL) {
        return PH_NOTFOUND;
    }

    return ph_wire_sync_call(cl_sync_owner(cs, pool, mailbox), pool, op,
                             ticket, body, timeout, status_r, answer_r);
}


ph_int_t
cl_sync_worker(cl_sync_t *cs, ph_pool_t *pool, uint32_t worker, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_status_t *status_r,
    ph_str_t *answer_r)
{
    ph_int_t         rc;
    exmdb_hello_t    hello;
    ph_wire_sync_t  *to;

    rc = cl_sync_hello(cs, pool, &hello);
    if (rc != PH_OK) {
        return rc;
    }

    (void) pthread_mutex_lock(&cs->lock);
    to = worker < cs->n_workers ? cs->workers[worker] : NULL;
    (void) pthread_mutex_unlock(&cs->lock);

    return to == NULL ? PH_NOTFOUND
           : cl_sync_call(cs, to, pool, op, body, timeout, status_r,
                          answer_r);
}
