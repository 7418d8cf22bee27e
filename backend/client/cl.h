/*
 * The client of directory and exmdb that every daemon and tool uses: tickets,
 * the map of exmdb's workers, repeating while a worker is being restarted, on
 * a libuv loop or blocking; and sessions of typed ROPs on top (cl_rop.h).
 *
 * A call to a mailbox goes to the worker that owns it, by the map in exmdb's
 * answer to HELLO; any other worker would pass it on.  A call is repeated only
 * when it did not reach anybody or was answered BUSY, so that operations which
 * must not happen twice are safe as far as the wire protocol's own promise goes
 * (ph_wire.h); `repeat` says that it may happen twice.
 */

#ifndef CL_H
#define CL_H

#include "lib/ph_core.h"
#include "lib/ph_log.h"
#include "lib/ph_pool.h"
#include "lib/ph_ticket.h"
#include "lib/ph_wire.h"
#include "gen/exmdb.h"

#define CL_MAX_WORKERS  256

typedef struct {
    const char  *directory;     /* address; copied */
    const char  *exmdb;         /* the shared socket; "": not used */
    const char  *name;          /* who asks, for the directory's log */
    uint8_t      kind;          /* PH_TICKET_SERVICE or _ADMIN */
    size_t       max_frame;     /* of answers; 0: PH_WIRE_DEFAULT_FRAME */
    ph_log_t    *log;           /* may be NULL */
} cl_opts_t;

/* Which of n workers owns a mailbox (exmdb.desc, hello); any case. */
uint32_t cl_worker_of(uint32_t seed, ph_str_t mailbox, uint32_t n);

/* ---- on a loop ---- */

typedef struct cl_s  cl_t;

/* PH_INVALID: not an address.  Nothing is connected before the first call. */
ph_int_t cl_create(uv_loop_t *loop, const cl_opts_t *opts, cl_t **cl_r);
/* Outstanding calls are answered with PH_WIRE_UNAVAILABLE before it returns. */
void cl_destroy(cl_t **cl);
/* From now on calls are not repeated: the daemon stops. */
void cl_stop(cl_t *cl);

/*
 * After PH_OK the answer comes exactly once, never from inside the call; its
 * body is valid during the callback.  body (and mailbox) must stay until then.
 * timeout in ms.  PH_NOMEM: no answer comes.
 *
 * Calls to a mailbox are repeated until the time is over while its worker
 * cannot be reached or says BUSY: only operations that may happen twice go this
 * way.
 */
ph_int_t cl_directory(cl_t *cl, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_answer_pt answer, void *data);
ph_int_t cl_mailbox(cl_t *cl, ph_str_t mailbox, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data);
/* With a user's ticket (copied), once: sessions of ROPs. */
ph_int_t cl_user(cl_t *cl, ph_str_t mailbox, ph_str_t ticket, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_answer_pt answer, void *data);

/* ---- blocking: tools, and threads of a pool; safe from any thread ---- */

typedef struct cl_sync_s  cl_sync_t;

ph_int_t cl_sync_create(const cl_opts_t *opts, cl_sync_t **cs_r);
void cl_sync_destroy(cl_sync_t **cs);

/* Whom a call that failed could not reach; for messages. */
const char *cl_sync_address(const cl_sync_t *cs, bool directory);

/*
 * The answer's body is in pool.  PH_OK: the exchange took place and *status_r
 * tells; else as ph_wire_sync_call(), or what fetching a ticket ended with
 * (*status_r: the directory's status).  cl_sync_mailbox repeats for a mailbox
 * while its worker cannot be reached, until timeout (ms), when `repeat`.
 */
ph_int_t cl_sync_directory(cl_sync_t *cs, ph_pool_t *pool, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_status_t *status_r,
    ph_str_t *answer_r);
ph_int_t cl_sync_mailbox(cl_sync_t *cs, ph_pool_t *pool, ph_str_t mailbox,
    uint16_t op, ph_str_t body, bool repeat, uint64_t timeout,
    ph_wire_status_t *status_r, ph_str_t *answer_r);
ph_int_t cl_sync_user(cl_sync_t *cs, ph_pool_t *pool, ph_str_t mailbox,
    ph_str_t ticket, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_status_t *status_r, ph_str_t *answer_r);
/* One worker by its number, for what is asked of each (status, sessions). */
ph_int_t cl_sync_worker(cl_sync_t *cs, ph_pool_t *pool, uint32_t worker,
    uint16_t op, ph_str_t body, uint64_t timeout, ph_wire_status_t *status_r,
    ph_str_t *answer_r);

/* The map; asks exmdb again.  *hello_r in pool. */
ph_int_t cl_sync_hello(cl_sync_t *cs, ph_pool_t *pool,
    exmdb_hello_t *hello_r);
/* Our own ticket, fetched when need be; copied into pool. */
ph_int_t cl_sync_ticket(cl_sync_t *cs, ph_pool_t *pool,
    ph_wire_status_t *status_r, ph_str_t *ticket_r);

#endif
