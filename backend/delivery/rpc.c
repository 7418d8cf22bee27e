#include "rpc.h"
#include "lib/ph_ticket.h"
#include "gen/dir.h"
#include "gen/exmdb.h"

#include <stdlib.h>

#define RPC_MAX_WORKERS    256
#define RPC_RETRY_MS       100
#define RPC_RETRY_MAX_MS   1000
#define RPC_TICKET_EARLY   60000     /* renewed this long before its end */

typedef struct rpc_call_s  rpc_call_t;

struct rpc_call_s {
    rpc_t              *rpc;
    rpc_call_t         *next;        /* waits for a ticket */
    bool                to_mailbox;
    bool                denied;      /* once already */
    ph_str_t            mailbox;
    uint16_t            op;
    ph_str_t            body;
    uint64_t            deadline;
    uint64_t            delay;
    uv_timer_t          timer;
    ph_wire_answer_pt   answer;
    void               *data;
};

struct rpc_s {
    delivery_t         *d;
    ph_wire_client_t   *directory;
    ph_wire_client_t   *exmdb;       /* the shared socket */
    ph_wire_client_t   *workers[RPC_MAX_WORKERS];
    char               *addresses[RPC_MAX_WORKERS];
    uint32_t            n_workers;
    uint32_t            seed;
    uint8_t             ticket[PH_WIRE_MAX_TICKET];
    size_t              ticket_len;
    uint64_t            ticket_until;
    bool                fetching;
    rpc_call_t         *waiting;     /* for the ticket */
    rpc_call_t        **waiting_end;
};

static void rpc_send(rpc_call_t *call);


uint32_t
rpc_worker_of(uint32_t seed, ph_str_t mailbox, uint32_t n)
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


static void
rpc_hello(bool up, ph_str_t body, void *data)
{
    rpc_t                  *rpc = data;
    uint32_t                i;
    ph_pool_t              *pool;
    exmdb_hello_t           hello;
    ph_wire_client_opts_t   opts = { .log = rpc->d->log };

    if (!up) {
        return;
    }

    pool = ph_pool_create("hello", 1 << 20);
    if (pool == NULL) {
        return;
    }

    if (exmdb_hello_decode_all(body, pool, &hello) != PH_OK
        || hello.workers_count > RPC_MAX_WORKERS)
    {
        ph_pool_destroy(&pool);
        return;
    }

    rpc->seed = hello.hash_seed;
    rpc->n_workers = 0;

    for (i = 0; i < hello.workers_count; i++) {
        exmdb_worker_t  *w = &hello.workers[i];

        if (w->number != i) {
            break;                 /* not a map that we can index */
        }

        if (rpc->workers[i] != NULL
            && !ph_str_eq_c(w->address, rpc->addresses[i]))
        {
            ph_wire_client_destroy(&rpc->workers[i]);
        }

        if (rpc->workers[i] == NULL) {
            free(rpc->addresses[i]);
            rpc->addresses[i] = strndup((const char *) w->address.data,
                                        w->address.len);
            if (rpc->addresses[i] == NULL
                || ph_wire_client_create(rpc->d->loop, rpc->addresses[i],
                                         &opts, &rpc->workers[i]) != PH_OK)
            {
                break;
            }
        }
    }

    if (i == hello.workers_count) {
        rpc->n_workers = i;
    }

    ph_pool_destroy(&pool);
}


static void
rpc_done(rpc_call_t *call, ph_wire_status_t status, ph_str_t body)
{
    call->answer(status, body, call->data);
    free(call);
}


static void
rpc_timer_closed(uv_handle_t *handle)
{
    rpc_send(handle->data);
}


static void
rpc_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *) timer, rpc_timer_closed);
}


static void
rpc_later(rpc_call_t *call)
{
    call->delay = call->delay ? ph_min(2 * call->delay,
                                       (uint64_t) RPC_RETRY_MAX_MS)
                              : RPC_RETRY_MS;
    uv_timer_init(call->rpc->d->loop, &call->timer);
    call->timer.data = call;
    uv_timer_start(&call->timer, rpc_timer, call->delay, 0);
}


static void
rpc_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    rpc_t       *rpc;
    rpc_call_t  *call = data;

    rpc = call->rpc;

    if (status == PH_WIRE_DENIED && !call->denied) {
        call->denied = true;
        rpc->ticket_len = 0;
        rpc_send(call);
        return;
    }

    if ((status == PH_WIRE_UNAVAILABLE || status == PH_WIRE_BUSY)
        && call->to_mailbox && !rpc->d->stopping
        && ph_now_ms() + RPC_RETRY_MAX_MS < call->deadline)
    {
        rpc_later(call);
        return;
    }

    rpc_done(call, status, body);
}


static void
rpc_ticket(ph_wire_status_t status, ph_str_t body, void *data)
{
    rpc_t                        *rpc = data;
    rpc_call_t                   *call, *list;
    ph_pool_t                    *pool;
    dir_service_ticket_answer_t   a;

    rpc->fetching = false;
    list = rpc->waiting;
    rpc->waiting = NULL;
    rpc->waiting_end = &rpc->waiting;

    if (status == PH_WIRE_OK) {
        pool = ph_pool_create("ticket", 1 << 16);
        if (pool != NULL
            && dir_service_ticket_answer_decode_all(body, pool, &a) == PH_OK
            && a.ticket.len <= sizeof(rpc->ticket) && a.ticket.len != 0)
        {
            memcpy(rpc->ticket, a.ticket.data, a.ticket.len);
            rpc->ticket_len = a.ticket.len;
            rpc->ticket_until = ph_now_ms() + 1000 * (uint64_t) a.lifetime;
        }
        ph_pool_destroy(&pool);

    } else {
        ph_log(rpc->d->log, PH_LOG_WARN, PH5002, "status=%s",
               ph_wire_status_name(status));
    }

    while ((call = list) != NULL) {
        list = call->next;
        if (rpc->ticket_len == 0) {
            rpc_done(call, PH_WIRE_UNAVAILABLE, ph_str_null);
        } else {
            rpc_send(call);
        }
    }
}


static void
rpc_fetch(rpc_t *rpc)
{
    uint8_t                        mem[64];
    ph_wbuf_t                      b;
    rpc_call_t                    *call, *list;
    dir_service_ticket_request_t   r = {
        .kind = PH_TICKET_SERVICE, .name = ph_str("delivery")
    };

    rpc->fetching = true;
    ph_wbuf_init_fixed(&b, mem, sizeof(mem));

    if (dir_service_ticket_request_encode(&b, &r) != PH_OK
        || ph_wire_call(rpc->directory, DIR_OP_SERVICE_TICKET, ph_str_null,
                        ph_wbuf_str(&b), 5000, rpc_ticket, rpc, NULL) != PH_OK)
    {
        rpc->fetching = false;
        list = rpc->waiting;
        rpc->waiting = NULL;
        rpc->waiting_end = &rpc->waiting;

        while ((call = list) != NULL) {
            list = call->next;
            rpc_later(call);
        }
    }
}


static ph_wire_client_t *
rpc_client(rpc_call_t *call)
{
    rpc_t             *rpc = call->rpc;
    ph_wire_client_t  *worker;

    if (!call->to_mailbox) {
        return rpc->directory;
    }

    /* any worker passes a frame on; the map only saves that step */
    if (rpc->n_workers == 0 || call->delay != 0) {
        return rpc->exmdb;
    }

    worker = rpc->workers[rpc_worker_of(rpc->seed, call->mailbox,
                                        rpc->n_workers)];
    return worker ? worker : rpc->exmdb;
}


static void
rpc_send(rpc_call_t *call)
{
    rpc_t     *rpc = call->rpc;
    uint64_t   now = ph_now_ms();
    ph_str_t   ticket;

    if (rpc->ticket_len == 0 || now + RPC_TICKET_EARLY > rpc->ticket_until) {
        bool  usable = rpc->ticket_len != 0 && now < rpc->ticket_until;

        if (!rpc->fetching && !usable) {
            call->next = NULL;
            *rpc->waiting_end = call;
            rpc->waiting_end = &call->next;
            rpc_fetch(rpc);
            return;
        }

        if (!usable) {
            call->next = NULL;
            *rpc->waiting_end = call;
            rpc->waiting_end = &call->next;
            return;
        }

        if (!rpc->fetching) {
            rpc_fetch(rpc);
        }
    }

    ticket = (ph_str_t) { rpc->ticket_len, rpc->ticket };

    if (ph_wire_call(rpc_client(call), call->op, ticket, call->body,
                     call->deadline > now ? call->deadline - now : 1,
                     rpc_answer, call, NULL) != PH_OK)
    {
        /* without memory, later is better than never */
        rpc_later(call);
    }
}


static void
rpc_call(rpc_t *rpc, bool to_mailbox, ph_str_t mailbox, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_answer_pt answer, void *data)
{
    rpc_call_t  *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        abort();      /* as GLib does; the master starts a new worker */
    }

    call->rpc = rpc;
    call->to_mailbox = to_mailbox;
    call->mailbox = mailbox;
    call->op = op;
    call->body = body;
    call->deadline = ph_now_ms() + timeout;
    call->answer = answer;
    call->data = data;
    rpc_send(call);
}


void
rpc_directory(rpc_t *rpc, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_answer_pt answer, void *data)
{
    rpc_call(rpc, false, ph_str_null, op, body, timeout, answer, data);
}


void
rpc_mailbox(rpc_t *rpc, ph_str_t mailbox, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data)
{
    rpc_call(rpc, true, mailbox, op, body, timeout, answer, data);
}


ph_int_t
rpc_create(delivery_t *d, rpc_t **rpc_r)
{
    rpc_t                  *rpc;
    ph_int_t                rc;
    ph_wire_client_opts_t   opts = { .log = d->log };

    rpc = ph_pcalloc(d->pool, sizeof(*rpc));
    if (rpc == NULL) {
        return PH_NOMEM;
    }

    rpc->d = d;
    rpc->waiting_end = &rpc->waiting;

    rc = ph_wire_client_create(d->loop,
                               ph_conf_str(d->daemon->conf, "delivery",
                                           "directory"),
                               &opts, &rpc->directory);
    if (rc != PH_OK) {
        return rc;
    }

    opts.state = rpc_hello;
    opts.data = rpc;
    rc = ph_wire_client_create(d->loop,
                               ph_conf_str(d->daemon->conf, "delivery",
                                           "exmdb"),
                               &opts, &rpc->exmdb);
    if (rc != PH_OK) {
        ph_wire_client_destroy(&rpc->directory);
        return rc;
    }

    *rpc_r = rpc;
    return PH_OK;
}


void
rpc_destroy(rpc_t **rpcp)
{
    rpc_t  *rpc = *rpcp;

    if (rpc == NULL) {
        return;
    }

    *rpcp = NULL;
    ph_wire_client_destroy(&rpc->directory);
    ph_wire_client_destroy(&rpc->exmdb);

    for (uint32_t i = 0; i < RPC_MAX_WORKERS; i++) {
        if (rpc->workers[i] != NULL) {
            ph_wire_client_destroy(&rpc->workers[i]);
        }
        free(rpc->addresses[i]);
    }
}
