/* Calls on a loop: ticket, worker map, repeating while a worker restarts. */

#include "cl.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"
#include "gen/dir.h"

#include <stdlib.h>

#define CL_RETRY_MS       100
#define CL_RETRY_MAX_MS   1000
#define CL_TICKET_EARLY   60000     /* renewed this long before its end */
#define CL_TICKET_WAIT    5000

typedef struct cl_call_s  cl_call_t;

struct cl_call_s {
    cl_t               *cl;
    cl_call_t          *next;        /* waits for a ticket */
    cl_call_t         **prev_timer;  /* of those that wait for their timer */
    cl_call_t          *next_timer;
    bool                to_mailbox;
    bool                repeat;
    bool                denied;      /* once already */
    ph_str_t            mailbox;
    uint16_t            op;
    ph_str_t            body;
    uint64_t            deadline;
    uint64_t            delay;
    uv_timer_t          timer;
    bool                dead;        /* the client is gone */
    ph_wire_answer_pt   answer;
    void               *data;
    size_t              ticket_len;  /* of a user */
    uint8_t             ticket[];
};

struct cl_s {
    uv_loop_t          *loop;
    ph_log_t           *log;
    char               *name;
    uint8_t             kind;
    size_t              max_frame;
    bool                stopping;
    ph_wire_client_t   *directory;
    ph_wire_client_t   *exmdb;       /* the shared socket */
    ph_wire_client_t   *workers[CL_MAX_WORKERS];
    char               *addresses[CL_MAX_WORKERS];
    uint32_t            n_workers;
    uint32_t            seed;
    uint8_t             ticket[PH_WIRE_MAX_TICKET];
    size_t              ticket_len;
    uint64_t            ticket_until;
    bool                fetching;
    cl_call_t          *waiting;     /* for the ticket */
    cl_call_t         **waiting_end;
    cl_call_t          *timers;
};

static void cl_send(cl_call_t *call);


uint32_t
cl_worker_of(uint32_t seed, ph_str_t mailbox, uint32_t n)
{
    uint8_t   c;
    uint32_t  h = 2166136261u;

    for (size_t i = 0; i < 4; i++) {
        h = (h ^ (uint8_t) (seed >> (8 * i))) * 16777619u;
    }

    for (size_t i = 0; i < mailbox.len; i++) {
        c = mailbox.data[i];
        c = (uint8_t) (c >= 'A' && c <= 'Z' ? c + 32 : c);
        h = (h ^ c) * 16777619u;
    }

    return n ? h % n : 0;
}


static bool
cl_map_worker(cl_t *cl, uint32_t i, const exmdb_worker_t *w)
{
    ph_wire_client_opts_t  opts = { .log = cl->log,
                                    .max_frame = cl->max_frame };

    if (w->number != i) {
        return false;                 /* not a map that we can index */
    }

    if (cl->workers[i] != NULL && !ph_str_eq_c(w->address, cl->addresses[i]))
    {
        ph_wire_client_destroy(&cl->workers[i]);
    }

    if (cl->workers[i] != NULL) {
        return true;
    }

    free(cl->addresses[i]);
    cl->addresses[i] = strndup((const char *) w->address.data,
                               w->address.len);

    return cl->addresses[i] != NULL
           && ph_wire_client_create(cl->loop, cl->addresses[i], &opts,
                                    &cl->workers[i]) == PH_OK;
}


static void
cl_hello(bool up, ph_str_t body, void *data)
{
    cl_t           *cl = data;
    uint32_t        i;
    ph_pool_t      *pool;
    exmdb_hello_t   hello;

    if (!up) {
        return;
    }

    pool = ph_pool_create("hello", 1 << 20);
    if (pool == NULL) {
        return;
    }

    if (exmdb_hello_decode_all(body, pool, &hello) == PH_OK
        && hello.workers_count <= CL_MAX_WORKERS)
    {
        cl->seed = hello.hash_seed;
        cl->n_workers = 0;

        for (i = 0; i < hello.workers_count; i++) {
            if (!cl_map_worker(cl, i, &hello.workers[i])) {
                break;
            }
        }

        if (i == hello.workers_count) {
            cl->n_workers = i;
        }
    }

    ph_pool_destroy(&pool);
}


static void
cl_done(cl_call_t *call, ph_wire_status_t status, ph_str_t body)
{
    call->answer(status, body, call->data);
    free(call);
}


/* ---- later ---- */

static void
cl_timer_unlink(cl_call_t *call)
{
    *call->prev_timer = call->next_timer;
    if (call->next_timer != NULL) {
        call->next_timer->prev_timer = call->prev_timer;
    }
}


static void
cl_timer_closed(uv_handle_t *handle)
{
    cl_call_t  *call = handle->data;

    if (call->dead) {
        free(call);
        return;
    }

    cl_timer_unlink(call);
    cl_send(call);
}


static void
cl_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *) timer, cl_timer_closed);
}


static void
cl_later(cl_call_t *call)
{
    cl_t  *cl = call->cl;

    call->delay = call->delay ? ph_min(2 * call->delay,
                                       (uint64_t) CL_RETRY_MAX_MS)
                              : CL_RETRY_MS;
    call->next_timer = cl->timers;
    call->prev_timer = &cl->timers;
    if (cl->timers != NULL) {
        cl->timers->prev_timer = &call->next_timer;
    }

    cl->timers = call;
    (void) uv_timer_init(cl->loop, &call->timer);
    call->timer.data = call;
    (void) uv_timer_start(&call->timer, cl_timer, call->delay, 0);
}


static void
cl_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    cl_call_t  *call = data;
    cl_t       *cl = call->cl;

    if (status == PH_WIRE_DENIED && !call->denied && call->ticket_len == 0) {
        call->denied = true;
        cl->ticket_len = 0;
        cl_send(call);
        return;
    }

    if ((status == PH_WIRE_UNAVAILABLE || status == PH_WIRE_BUSY)
        && call->repeat && !cl->stopping
        && ph_now_ms() + CL_RETRY_MAX_MS < call->deadline)
    {
        cl_later(call);
        return;
    }

    cl_done(call, status, body);
}


/* ---- the ticket ---- */

static cl_call_t *
cl_waiting(cl_t *cl)
{
    cl_call_t  *list;

    list = cl->waiting;
    cl->waiting = NULL;
    cl->waiting_end = &cl->waiting;

    return list;
}


static void
cl_ticket(ph_wire_status_t status, ph_str_t body, void *data)
{
    cl_t                         *cl = data;
    cl_call_t                    *call, *list;
    ph_pool_t                    *pool;
    dir_service_ticket_answer_t   a;

    cl->fetching = false;
    list = cl_waiting(cl);

    if (status == PH_WIRE_OK) {
        pool = ph_pool_create("ticket", 1 << 16);
        if (pool != NULL
            && dir_service_ticket_answer_decode_all(body, pool, &a) == PH_OK
            && a.ticket.len <= sizeof(cl->ticket) && a.ticket.len != 0)
        {
            memcpy(cl->ticket, a.ticket.data, a.ticket.len);
            cl->ticket_len = a.ticket.len;
            cl->ticket_until = ph_now_ms() + 1000 * (uint64_t) a.lifetime;
        }
        ph_pool_destroy(&pool);

    } else if (!cl->stopping) {
        ph_log(cl->log, PH_LOG_WARN, PH1040, "name=%s status=%s", cl->name,
               ph_wire_status_name(status));
    }

    while ((call = list) != NULL) {
        list = call->next;
        if (cl->ticket_len == 0) {
            cl_done(call, PH_WIRE_UNAVAILABLE, ph_str_null);
        } else {
            cl_send(call);
        }
    }
}


static void
cl_fetch(cl_t *cl)
{
    uint8_t                        mem[256];
    ph_wbuf_t                      b;
    cl_call_t                     *call, *list;
    dir_service_ticket_request_t   r;

    r.kind = cl->kind;
    r.name = ph_str_c(cl->name);
    cl->fetching = true;
    ph_wbuf_init_fixed(&b, mem, sizeof(mem));

    if (dir_service_ticket_request_encode(&b, &r) != PH_OK
        || ph_wire_call(cl->directory, DIR_OP_SERVICE_TICKET, ph_str_null,
                        ph_wbuf_str(&b), CL_TICKET_WAIT, cl_ticket, cl, NULL)
           != PH_OK)
    {
        cl->fetching = false;
        list = cl_waiting(cl);

        while ((call = list) != NULL) {
            list = call->next;
            cl_later(call);
        }
    }
}


/* false: the call waits for one */
static bool
cl_has_ticket(cl_call_t *call, uint64_t now)
{
    bool   usable;
    cl_t  *cl = call->cl;

    if (call->ticket_len != 0) {
        return true;
    }

    usable = cl->ticket_len != 0 && now < cl->ticket_until;

    if (!usable) {
        call->next = NULL;
        *cl->waiting_end = call;
        cl->waiting_end = &call->next;
    }

    if (!cl->fetching
        && (!usable || now + CL_TICKET_EARLY > cl->ticket_until))
    {
        cl_fetch(cl);
    }

    return usable;
}


/* ---- calls ---- */

static ph_wire_client_t *
cl_client(cl_call_t *call)
{
    cl_t              *cl = call->cl;
    ph_wire_client_t  *worker;

    if (!call->to_mailbox) {
        return cl->directory;
    }

    /* any worker passes a frame on; the map only saves that step */
    if (cl->n_workers == 0 || call->delay != 0) {
        return cl->exmdb;
    }

    worker = cl->workers[cl_worker_of(cl->seed, call->mailbox,
                                      cl->n_workers)];
    return worker ? worker : cl->exmdb;
}


static void
cl_send(cl_call_t *call)
{
    cl_t      *cl = call->cl;
    uint64_t   now = ph_now_ms();
    ph_str_t   ticket;

    if (!cl_has_ticket(call, now)) {
        return;
    }

    ticket = call->ticket_len != 0
             ? (ph_str_t) { call->ticket_len, call->ticket }
             : (ph_str_t) { cl->ticket_len, cl->ticket };

    if (ph_wire_call(cl_client(call), call->op, ticket, call->body,
                     call->deadline > now ? call->deadline - now : 1,
                     cl_answer, call, NULL) != PH_OK)
    {
        /* without memory, later is better than never */
        cl_later(call);
    }
}


static ph_int_t
cl_call(cl_t *cl, bool to_mailbox, bool repeat, ph_str_t mailbox,
    ph_str_t ticket, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_answer_pt answer, void *data)
{
    cl_call_t  *call;

    call = calloc(1, sizeof(*call) + ticket.len);
    if (call == NULL) {
        return PH_NOMEM;
    }

    call->cl = cl;
    call->to_mailbox = to_mailbox;
    call->repeat = repeat;
    call->mailbox = mailbox;
    call->op = op;
    call->body = body;
    call->deadline = ph_now_ms() + timeout;
    call->answer = answer;
    call->data = data;
    call->ticket_len = ticket.len;
    if (ticket.len != 0) {
        memcpy(call->ticket, ticket.data, ticket.len);
    }

    cl_send(call);

    return PH_OK;
}


ph_int_t
cl_directory(cl_t *cl, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_answer_pt answer, void *data)
{
    return cl_call(cl, false, false, ph_str_null, ph_str_null, op, body,
                   timeout, answer, data);
}


ph_int_t
cl_mailbox(cl_t *cl, ph_str_t mailbox, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data)
{
    return cl_call(cl, true, true, mailbox, ph_str_null, op, body, timeout,
                   answer, data);
}


ph_int_t
cl_user(cl_t *cl, ph_str_t mailbox, ph_str_t ticket, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_answer_pt answer, void *data)
{
    return cl_call(cl, true, false, mailbox, ticket, op, body, timeout,
                   answer, data);
}


/* ---- life ---- */

ph_int_t
cl_create(uv_loop_t *loop, const cl_opts_t *opts, cl_t **cl_r)
{
    cl_t                   *cl;
    ph_int_t                rc;
    ph_wire_client_opts_t   wire = { .log = opts->log,
                                     .max_frame = opts->max_frame };

    cl = calloc(1, sizeof(*cl));
    if (cl == NULL) {
        return PH_NOMEM;
    }

    cl->loop = loop;
    cl->log = opts->log;
    cl->kind = opts->kind;
    cl->max_frame = opts->max_frame;
    cl->name = strdup(opts->name);
    cl->waiting_end = &cl->waiting;

    rc = cl->name == NULL ? PH_NOMEM
         : ph_wire_client_create(loop, opts->directory, &wire,
                                 &cl->directory);
    if (rc == PH_OK && opts->exmdb[0] != '\0') {
        wire.state = cl_hello;
        wire.data = cl;
        rc = ph_wire_client_create(loop, opts->exmdb, &wire, &cl->exmdb);
    }

    if (rc != PH_OK) {
        cl_destroy(&cl);
        return rc;
    }

    *cl_r = cl;

    return PH_OK;
}


void
cl_stop(cl_t *cl)
{
    cl->stopping = true;
}


void
cl_destroy(cl_t **clp)
{
    cl_t       *cl = *clp;
    cl_call_t  *call, *list;

    if (cl == NULL) {
        return;
    }

    *clp = NULL;
    cl->stopping = true;

    /* answers of calls that are on their way come from here */
    if (cl->directory != NULL) {
        ph_wire_client_destroy(&cl->directory);
    }

    if (cl->exmdb != NULL) {
        ph_wire_client_destroy(&cl->exmdb);
    }

    for (uint32_t i = 0; i < CL_MAX_WORKERS; i++) {
        if (cl->workers[i] != NULL) {
            ph_wire_client_destroy(&cl->workers[i]);
        }
        free(cl->addresses[i]);
    }

    list = cl_waiting(cl);
    while ((call = list) != NULL) {
        list = call->next;
        cl_done(call, PH_WIRE_UNAVAILABLE, ph_str_null);
    }

    while ((call = cl->timers) != NULL) {
        cl_timer_unlink(call);
        call->dead = true;
        call->answer(PH_WIRE_UNAVAILABLE, ph_str_null, call->data);
        if (!uv_is_closing((uv_handle_t *) &call->timer)) {
            uv_close((uv_handle_t *) &call->timer, cl_timer_closed);
        }
    }

    free(cl->name);
    free(cl);
}
