/*
 * Workers and the way to them.  A frame for a neighbour's mailbox is passed on
 * as it is, ticket included.  A parked wait that was passed on gets a number of
 * our own, because two clients may have chosen the same one.
 */

#include "exmdb.h"
#include "ex_session.h"
#include "ex_remote.h"

#include <stdlib.h>

#define EX_FORWARD_TIMEOUT  (15 * 60 * 1000)


typedef struct ex_relay_s  ex_relay_t;

struct ex_relay_s {
    ex_relay_t      *next;
    ph_wire_conn_t  *conn;      /* NULL: for a session of ours */
    ex_remote_t     *remote;
    uint64_t         theirs;    /* number that the client chose */
    uint64_t         ours;
};

typedef struct {
    ex_t             *ex;
    uint16_t          number;
    ph_wire_client_t *client;
} ex_neighbour_t;

struct ex_route_s {
    ex_t            *ex;
    uint64_t         next_relay;
    ex_relay_t      *relays;
    ex_neighbour_t   neighbours[EX_MAX_WORKERS];
};

typedef struct {
    ex_call_t   *call;
    uint64_t     relay;     /* our number of a wait, 0: none */
} ex_forward_t;


uint16_t
ex_route_worker(const ex_t *ex, ph_str_t address)
{
    size_t    i;
    uint8_t   c;
    uint32_t  h = 2166136261u;

    for (i = 0; i < 4; i++) {
        h = (h ^ (uint8_t) (EX_HASH_SEED >> (8 * i))) * 16777619u;
    }

    for (i = 0; i < address.len; i++) {
        c = address.data[i];
        if (c >= 'A' && c <= 'Z') {
            c = (uint8_t) (c | 0x20);
        }

        h = (h ^ c) * 16777619u;
    }

    return (uint16_t) (h % ex->workers);
}


char *
ex_route_address(ph_pool_t *pool, const char *socket, uint16_t n)
{
    const char  *dot, *slash;

    dot = strrchr(socket, '.');
    slash = strrchr(socket, '/');

    if (dot == NULL || (slash != NULL && dot < slash)) {
        return ph_psprintf(pool, "unix:%s.%u", socket, n);
    }

    return ph_psprintf(pool, "unix:%.*s.%u%s", (int) (dot - socket), socket,
                       n, dot);
}


ph_int_t
ex_route_hello(ex_t *ex, ph_pool_t *pool, ph_str_t *hello_r)
{
    uint16_t         i;
    exmdb_hello_t    hello;

    memset(&hello, 0, sizeof(hello));
    hello.node = ph_str_c(ex->opt.node);
    hello.self = ex->self;
    hello.hash_seed = EX_HASH_SEED;
    hello.workers_count = ex->workers;
    hello.workers = ph_pcalloc_array(pool, ex->workers,
                                     sizeof(exmdb_worker_t));
    if (hello.workers == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < ex->workers; i++) {
        hello.workers[i].number = i;
        hello.workers[i].address =
            ph_str_c(ex_route_address(pool, ex->opt.socket, i));
    }

    return exmdb_hello_encode_new(pool, &hello, hello_r);
}


static void
ex_route_event(const ph_wire_frame_t *frame, void *data)
{
    ph_cur_t          cur;
    ph_wbuf_t         b;
    ph_pool_t        *pool;
    ex_relay_t       *r, **p;
    exmdb_wake_t      wake;
    ex_neighbour_t   *n = data;

    if (frame->op != EXMDB_EVENT_WAKE) {
        return;
    }

    pool = ph_pool_create("wake", 0);
    if (pool == NULL) {
        return;
    }

    ph_cur_init(&cur, frame->body.data, frame->body.len);

    if (exmdb_wake_decode(&cur, pool, &wake) == PH_OK) {
        for (p = &n->ex->route->relays; *p != NULL; p = &(*p)->next) {
            if ((*p)->ours == wake.waiter) {
                break;
            }
        }

        r = *p;
        if (r != NULL) {
            *p = r->next;
            wake.waiter = r->theirs;
            ph_wbuf_init(&b, pool, 64);
            if (r->remote != NULL) {
                ex_remote_woken(r->remote, wake.result);

            } else if (exmdb_wake_encode(&b, &wake) == PH_OK) {
                (void) ph_wire_push(r->conn, EXMDB_EVENT_WAKE,
                                    ph_wbuf_str(&b));
            }

            free(r);
        }
    }

    ph_pool_destroy(&pool);
}


static void
ex_route_state(bool up, ph_str_t hello, void *data)
{
    ex_neighbour_t  *n = data;

    (void) hello;

    if (!up && !n->ex->stopping) {
        ph_log(n->ex->log, PH_LOG_WARN, PH4006, "worker=%u", n->number);
    }
}


ph_int_t
ex_route_create(ex_t *ex, ex_route_t **route_r)
{
    uint16_t               i;
    ex_route_t            *route;
    ex_neighbour_t        *n;
    ph_wire_client_opts_t  opts;

    route = ph_pcalloc(ex->pool, sizeof(ex_route_t));
    if (route == NULL) {
        return PH_NOMEM;
    }

    route->ex = ex;
    route->next_relay = 1;

    for (i = 0; i < ex->workers; i++) {
        if (i == ex->self) {
            continue;
        }

        n = &route->neighbours[i];
        n->ex = ex;
        n->number = i;

        memset(&opts, 0, sizeof(opts));
        opts.log = ex->log;
        opts.max_frame = PH_WIRE_MAX_FRAME;
        opts.event = ex_route_event;
        opts.state = ex_route_state;
        opts.data = n;

        if (ph_wire_client_create(ex->loop,
                ex_route_address(ex->pool, ex->opt.socket, i), &opts,
                &n->client)
            != PH_OK)
        {
            return PH_ERROR;
        }
    }

    *route_r = route;

    return PH_OK;
}


void
ex_route_destroy(ex_route_t **routep)
{
    uint16_t     i;
    ex_relay_t  *r;
    ex_route_t  *route = *routep;

    *routep = NULL;

    for (i = 0; i < EX_MAX_WORKERS; i++) {
        if (route->neighbours[i].client != NULL) {
            ph_wire_client_destroy(&route->neighbours[i].client);
        }
    }

    while ((r = route->relays) != NULL) {
        route->relays = r->next;
        free(r);
    }
}


static void
ex_relay_drop(ex_route_t *route, uint64_t ours)
{
    ex_relay_t  *r, **p;

    for (p = &route->relays; *p != NULL; p = &(*p)->next) {
        r = *p;
        if (r->ours == ours) {
            *p = r->next;
            free(r);
            return;
        }
    }
}


static void
ex_forward_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    ph_cur_t                     cur;
    ex_forward_t                *f = data;
    exmdb_emsmdb_wait_answer_t   answer;

    if (f->relay != 0) {
        ph_cur_init(&cur, body.data, body.len);
        memset(&answer, 0, sizeof(answer));

        if (status != PH_WIRE_OK
            || exmdb_emsmdb_wait_answer_decode(&cur, f->call->req->pool,
                                               &answer) != PH_OK
            || answer.result != EXMDB_RESULT_OK || answer.ec != 0
            || answer.pending)
        {
            ex_relay_drop(f->call->ex->route, f->relay);
        }
    }

    ph_wire_reply(f->call->req, status, body);
}


/* Puts a number of ours in the place of the client's. */
static ph_int_t
ex_forward_wait(ex_call_t *call, ex_forward_t *f, ph_str_t *body)
{
    ph_wbuf_t   b;
    ph_cur_t    cur;
    ex_relay_t *r;
    ex_route_t *route = call->ex->route;

    ph_cur_init(&cur, body->data, body->len);
    (void) ph_cur_bytes(&cur, EX_SESSION_ID);

    r = calloc(1, sizeof(ex_relay_t));
    if (r == NULL) {
        return PH_NOMEM;
    }

    r->conn = call->req->conn;
    r->theirs = ph_cur_u64(&cur);
    r->ours = route->next_relay++;

    if (cur.error) {
        free(r);
        return PH_INVALID;
    }

    ph_wbuf_init(&b, call->req->pool, body->len);
    ph_put_bytes(&b, body->data, EX_SESSION_ID);
    ph_put_u64(&b, r->ours);
    if (b.error) {
        free(r);
        return PH_NOMEM;
    }

    r->next = route->relays;
    route->relays = r;
    f->relay = r->ours;
    *body = ph_wbuf_str(&b);

    return PH_OK;
}


/* The neighbour knows the waiter by our number. */
static ph_int_t
ex_forward_unwait(ex_call_t *call, ph_str_t *body)
{
    uint64_t     id;
    ph_wbuf_t    b;
    ph_cur_t     cur;
    ex_relay_t  *r;

    ph_cur_init(&cur, body->data, body->len);
    (void) ph_cur_bytes(&cur, EX_SESSION_ID);
    id = ph_cur_u64(&cur);
    if (cur.error) {
        return PH_INVALID;
    }

    for (r = call->ex->route->relays; r != NULL; r = r->next) {
        if (r->conn == call->req->conn && r->theirs == id) {
            break;
        }
    }

    ph_wbuf_init(&b, call->req->pool, body->len);
    ph_put_bytes(&b, body->data, EX_SESSION_ID);
    ph_put_u64(&b, r != NULL ? r->ours : 0);
    if (b.error) {
        return PH_NOMEM;
    }

    if (r != NULL) {
        ex_relay_drop(call->ex->route, r->ours);
    }

    *body = ph_wbuf_str(&b);

    return PH_OK;
}


void
ex_route_forward(ex_call_t *call, uint16_t worker)
{
    ph_int_t        rc;
    ph_str_t        body;
    ex_forward_t   *f;
    ex_neighbour_t *n = &call->ex->route->neighbours[worker];

    f = ph_pcalloc(call->req->pool, sizeof(ex_forward_t));
    if (f == NULL || n->client == NULL) {
        ex_reply(call, PH_WIRE_UNAVAILABLE, ph_str_null);
        return;
    }

    f->call = call;
    body = call->req->body;
    rc = PH_OK;

    if (call->req->op == EXMDB_OP_EMSMDB_WAIT) {
        rc = (call->req->conn != NULL) ? ex_forward_wait(call, f, &body)
                                       : PH_ABORT;

    } else if (call->req->op == EXMDB_OP_EMSMDB_UNWAIT) {
        rc = ex_forward_unwait(call, &body);
    }

    if (rc == PH_OK) {
        rc = ph_wire_call(n->client, call->req->op, call->req->ticket, body,
                          EX_FORWARD_TIMEOUT, ex_forward_answer, f, NULL);
    }

    if (rc != PH_OK) {
        if (f->relay != 0) {
            ex_relay_drop(call->ex->route, f->relay);
        }

        ex_reply(call, rc == PH_INVALID ? PH_WIRE_BAD_REQUEST
                                        : PH_WIRE_UNAVAILABLE, ph_str_null);
    }
}


void
ex_route_closed(ex_t *ex, ph_wire_conn_t *conn)
{
    ex_relay_t  *r, **p;

    for (p = &ex->route->relays; *p != NULL; /* void */) {
        r = *p;
        if (r->conn == conn) {
            *p = r->next;
            free(r);
        } else {
            p = &r->next;
        }
    }
}


/* ---- calls of our own ---- */

ph_int_t
ex_route_call(ex_t *ex, uint16_t worker, uint16_t op, ph_str_t ticket,
    ph_str_t body, ph_wire_answer_pt answer, void *data)
{
    ex_neighbour_t  *n;

    n = worker < EX_MAX_WORKERS ? &ex->route->neighbours[worker] : NULL;
    if (n == NULL || n->client == NULL) {
        return PH_ERROR;
    }

    return ph_wire_call(n->client, op, ticket, body, EX_FORWARD_TIMEOUT,
                        answer, data, NULL);
}


uint64_t
ex_route_park(ex_t *ex, ex_remote_t *remote)
{
    ex_relay_t  *r;
    ex_route_t  *route = ex->route;

    r = calloc(1, sizeof(ex_relay_t));
    if (r == NULL) {
        return 0;
    }

    r->remote = remote;
    r->ours = route->next_relay++;
    r->next = route->relays;
    route->relays = r;

    return r->ours;
}


void
ex_route_unpark(ex_t *ex, const ex_remote_t *remote)
{
    ex_relay_t  *r, **p;

    for (p = &ex->route->relays; (r = *p) != NULL; /* void */) {
        if (r->remote == remote) {
            *p = r->next;
            free(r);
        } else {
            p = &r->next;
        }
    }
}
