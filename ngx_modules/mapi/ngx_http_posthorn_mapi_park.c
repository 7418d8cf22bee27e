
#include "ngx_http_posthorn_mapi.h"

#include "gen/exmdb.h"


static void ngx_http_posthorn_park_timer_handler(ngx_event_t *ev);
static ngx_msec_t ngx_http_posthorn_park_next(ngx_http_posthorn_park_t *park);
static void ngx_http_posthorn_park_wake(ngx_http_posthorn_park_t *park);
static void ngx_http_posthorn_park_unwait(ngx_http_posthorn_park_t *park);
static void ngx_http_posthorn_park_unwaited(ngx_posthorn_call_t *call);
static ngx_http_posthorn_park_t *ngx_http_posthorn_park_find(
    ngx_http_posthorn_mapi_main_conf_t *mmcf, uint64_t waiter);


/* a waiter with a number of its own; not yet known to exmdb */

ngx_http_posthorn_park_t *
ngx_http_posthorn_park_create(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ngx_str_t                           *ticket;
    ngx_http_posthorn_park_t            *park;
    ngx_http_posthorn_mapi_main_conf_t  *mmcf;

    mmcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_mapi_module);

    if (mmcf->nparked >= mmcf->max_parked) {
        ngx_posthorn_log(NGX_LOG_WARN, r->connection->log, 0, 6024,
                         "too many clients wait for notifications");
        return NULL;
    }

    ticket = &ctx->identity->ticket;

    park = ngx_calloc(offsetof(ngx_http_posthorn_park_t, ticket)
                      + ticket->len, ngx_cycle->log);
    if (park == NULL) {
        return NULL;
    }

    park->node.key = ++mmcf->last_waiter;
    park->wire = ctx->wire;
    park->request = r;
    park->connection = r->connection;
    park->conf = ngx_http_get_module_loc_conf(r,
                                              ngx_http_posthorn_mapi_module);
    park->started = ngx_current_msec;
    park->deadline = ngx_current_msec + park->conf->wait_time;
    park->start = r->start_sec;
    park->waiting = 1;
    park->ticket_len = (uint16_t) ticket->len;

    ngx_memcpy(park->session, ctx->session, 16);
    ngx_memcpy(park->ticket, ticket->data, ticket->len);

    ngx_rbtree_insert(&mmcf->waiters, &park->node);
    mmcf->nparked++;

    return park;
}


/* exmdb has nothing yet: the head leaves, and a timer takes over */

ngx_int_t
ngx_http_posthorn_park(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (ngx_http_posthorn_mapi_send_processing(r, ctx) == NGX_ERROR) {
        return NGX_ERROR;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (b->temporary && b->start) {
            (void) ngx_pfree(r->pool, b->start);
        }
    }

    r->request_body->bufs = NULL;

    ph_pool_reset(ctx->pool);

    ctx->timer.handler = ngx_http_posthorn_park_timer_handler;
    ctx->timer.data = ctx;
    ctx->timer.log = r->connection->log;
    ngx_add_timer(&ctx->timer, ngx_http_posthorn_park_next(ctx->park));

    return NGX_AGAIN;
}


static void
ngx_http_posthorn_park_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if ((ngx_msec_int_t) (ctx->park->deadline - ngx_current_msec) <= 0) {

        /* nothing has happened: EventPending 0 */

        ngx_http_posthorn_park_unwait(ctx->park);
        ngx_http_posthorn_mapi_run(ctx);

    } else if (ngx_http_posthorn_mapi_send_pending(r, ctx) == NGX_ERROR) {
        ctx->state = ngx_http_posthorn_mapi_done;
        ngx_http_finalize_request(r, NGX_ERROR);

    } else {
        ngx_add_timer(&ctx->timer, ngx_http_posthorn_park_next(ctx->park));
    }

    ngx_http_run_posted_requests(c);
}


static ngx_msec_t
ngx_http_posthorn_park_next(ngx_http_posthorn_park_t *park)
{
    ngx_msec_int_t  left;

    left = (ngx_msec_int_t) (park->deadline - ngx_current_msec);

    if (left < 1) {
        left = 1;
    }

    return ngx_min((ngx_msec_t) left, park->conf->pending_period);
}


static void
ngx_http_posthorn_park_wake(ngx_http_posthorn_park_t *park)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    r = park->request;
    c = r->connection;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_mapi_module);

    park->woken = 1;

    /* the event may be faster than the answer that says "wait" */

    if (ctx->state != ngx_http_posthorn_mapi_parked) {
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_posthorn_mapi_run(ctx);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_posthorn_park_free(ngx_http_posthorn_park_t *park)
{
    ngx_http_posthorn_mapi_main_conf_t  *mmcf;

    if (park->waiting) {
        ngx_http_posthorn_park_unwait(park);
    }

    mmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_posthorn_mapi_module);

    ngx_rbtree_delete(&mmcf->waiters, &park->node);
    mmcf->nparked--;

    ngx_free(park);
}


/* exmdb forgets the waiter; nobody is interested in the answer */

static void
ngx_http_posthorn_park_unwait(ngx_http_posthorn_park_t *park)
{
    ph_pool_t                       *pool;
    ph_str_t                         ticket;
    ph_wbuf_t                        b;
    ngx_posthorn_call_t             *call;
    exmdb_emsmdb_unwait_request_t    out;

    park->waiting = 0;

    pool = ph_pool_create("unwait", 8192);
    if (pool == NULL) {
        return;
    }

    call = ph_pcalloc(pool, sizeof(ngx_posthorn_call_t));
    if (call == NULL) {
        ph_pool_destroy(&pool);
        return;
    }

    ngx_memcpy(out.session, park->session, 16);
    out.waiter = park->node.key;

    ticket = (ph_str_t) { park->ticket_len, park->ticket };

    ph_wbuf_init(&b, pool, 4096);
    ngx_posthorn_wire_frame(&b, ticket);

    call->handler = ngx_http_posthorn_park_unwaited;
    call->data = pool;

    if (exmdb_emsmdb_unwait_request_encode(&b, &out) != PH_OK
        || !ngx_posthorn_wire_is_up(park->wire)
        || ngx_posthorn_wire_call(park->wire, call, EXMDB_OP_EMSMDB_UNWAIT,
                                  ticket, &b, 30000)
           != NGX_OK)
    {
        ph_pool_destroy(&pool);
    }
}


static void
ngx_http_posthorn_park_unwaited(ngx_posthorn_call_t *call)
{
    ph_pool_t  *pool;

    pool = call->data;
    ph_pool_destroy(&pool);
}


/*
 * `wake` of exmdb; the loss of a connection, which clients take as an event:
 * their Execute finds out what became of the session; and the worker's end.
 */

void
ngx_http_posthorn_park_event(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame, void *data)
{
    ngx_http_posthorn_mapi_main_conf_t *mmcf = data;

    ph_cur_t                   cur;
    exmdb_wake_t               wake;
    ngx_rbtree_node_t         *node, *next;
    ngx_http_posthorn_park_t  *park;

    if (frame) {

        ph_cur_init(&cur, frame->body.data, frame->body.len);

        if (frame->op != EXMDB_EVENT_WAKE
            || exmdb_wake_decode(&cur, NULL, &wake) != PH_OK)
        {
            return;
        }

        park = ngx_http_posthorn_park_find(mmcf, wake.waiter);

        if (park == NULL || park->wire != w || park->woken) {
            return;
        }

        park->waiting = 0;
        park->code = wake.result;
        park->ec = wake.ec;
        park->pending = wake.pending ? 1 : 0;

        ngx_http_posthorn_park_wake(park);
        return;
    }

    if (mmcf->waiters.root == &mmcf->sentinel) {
        return;
    }

    for (node = ngx_rbtree_min(mmcf->waiters.root, &mmcf->sentinel);
         node;
         node = next)
    {
        next = ngx_rbtree_next(&mmcf->waiters, node);
        park = (ngx_http_posthorn_park_t *) node;

        if (park->woken || (w && park->wire != w)) {
            continue;
        }

        if (w) {
            park->waiting = 0;
            park->pending = 1;

        } else {
            park->ec = MH_EC_SHUTDOWN;
        }

        ngx_http_posthorn_park_wake(park);
    }
}


static ngx_http_posthorn_park_t *
ngx_http_posthorn_park_find(ngx_http_posthorn_mapi_main_conf_t *mmcf,
    uint64_t waiter)
{
    ngx_rbtree_node_t  *node;

    node = mmcf->waiters.root;

    while (node != &mmcf->sentinel) {

        if (waiter == node->key) {
            return (ngx_http_posthorn_park_t *) node;
        }

        node = (waiter < node->key) ? node->left : node->right;
    }

    return NULL;
}
