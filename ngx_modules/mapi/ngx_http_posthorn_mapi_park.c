
#include "ngx_http_posthorn_mapi.h"

#include "gen/exmdb.h"


static void ngx_http_posthorn_park_timer_handler(ngx_event_t *ev);
static void ngx_http_posthorn_park_detach(ngx_event_t *ev);
static void ngx_http_posthorn_park_release(ngx_connection_t *c,
    ngx_http_connection_t *hc);
static void ngx_http_posthorn_park_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_http_posthorn_park_closed(ngx_connection_t *c);
static void ngx_http_posthorn_park_resume(ngx_http_posthorn_park_t *park);
static void ngx_http_posthorn_park_close(ngx_http_posthorn_park_t *park);
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

    /* not from here: the callers still work with the request */

    ctx->detach.handler = ngx_http_posthorn_park_detach;
    ctx->detach.data = ctx;
    ctx->detach.log = r->connection->log;
    ngx_post_event(&ctx->detach, &ngx_posted_events);

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


/*
 * Frees the request of a parked client.  A request with its pools, headers
 * and variables costs many times what a connection does, and nothing of it is
 * needed to wait.  HTTP/2 streams, HTTP/1.0, pipelined requests and heads that
 * are not sent yet keep their request.
 */

static void
ngx_http_posthorn_park_detach(ngx_event_t *ev)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_connection_t         *hc;
    ngx_http_posthorn_park_t      *park;
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    ctx = ev->data;
    park = ctx->park;
    r = ctx->request;
    c = r->connection;
    hc = r->http_connection;

    if (ctx->state != ngx_http_posthorn_mapi_parked || park->woken) {
        return;
    }

#if (NGX_HTTP_V2)

    if (r->stream) {
        return;
    }

#endif

    if (r != r->main || r->main->count != 1 || !r->chunked || !r->keepalive
        || r->out || r->buffered || r->postponed || c->buffered || c->error
        || r->header_in->pos < r->header_in->last)
    {
        return;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, c->log, 0, "posthorn park detach");

    ctx->park = NULL;

    park->request = NULL;
    park->http_connection = hc;

    /* guards against a keepalive from the log handlers of the request */

    r->keepalive = 0;

    ngx_http_free_request(r, 0);

    c->data = park;
    c->destroyed = 0;
    c->idle = 1;

    c->read->handler = ngx_http_posthorn_park_read_handler;
    c->write->handler = ngx_http_empty_handler;
    c->log->action = "waiting for a notification";

    ngx_http_posthorn_park_release(c, hc);

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ngx_add_timer(c->read, ngx_http_posthorn_park_next(park));

    /* what came meanwhile: at most the client's end of the connection */

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_posthorn_park_close(park);
        return;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


/* buffers of the request's head, as for an idle keepalive connection */

static void
ngx_http_posthorn_park_release(ngx_connection_t *c, ngx_http_connection_t *hc)
{
    ngx_buf_t     *b;
    ngx_uint_t     i;
    ngx_chain_t   *cl, *ln, **list[2];

    b = c->buffer;

    if (b->start && ngx_pfree(c->pool, b->start) == NGX_OK) {
        b->start = NULL;
        b->end = NULL;
    }

    b->pos = b->start;
    b->last = b->start;

    list[0] = &hc->free;
    list[1] = &hc->busy;

    for (i = 0; i < 2; i++) {

        for (cl = *list[i]; cl; /* void */) {
            ln = cl;
            cl = cl->next;
            ngx_pfree(c->pool, ln->buf->start);
            ngx_free_chain(c->pool, ln);
        }

        *list[i] = NULL;
    }

    hc->nbusy = 0;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        ngx_ssl_free_buffer(c);
    }

#endif
}


static void
ngx_http_posthorn_park_read_handler(ngx_event_t *rev)
{
    static u_char              line[] = "9" CRLF MH_PENDING CRLF;

    ngx_connection_t          *c;
    ngx_http_posthorn_park_t  *park;

    c = rev->data;
    park = c->data;

    if (c->close) {

        /* the worker is to end */

        park->ec = MH_EC_SHUTDOWN;
        ngx_http_posthorn_park_resume(park);
        return;
    }

    if (rev->timedout) {
        rev->timedout = 0;

        if ((ngx_msec_int_t) (park->deadline - ngx_current_msec) <= 0) {
            ngx_http_posthorn_park_resume(park);
            return;
        }

        /* a client that does not even read these few octets is gone */

        if (c->send(c, line, sizeof(line) - 1) != sizeof(line) - 1) {
            ngx_http_posthorn_park_close(park);
            return;
        }

        ngx_add_timer(rev, ngx_http_posthorn_park_next(park));
        return;
    }

    if (ngx_http_posthorn_park_closed(c) == NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client closed connection while it was waiting");
        ngx_http_posthorn_park_close(park);
        return;
    }

    if ((ngx_event_flags & NGX_USE_LEVEL_EVENT) && rev->active
        && ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK)
    {
        ngx_http_posthorn_park_close(park);
    }
}


/* NGX_OK: closed; NGX_DECLINED: data that may wait */

static ngx_int_t
ngx_http_posthorn_park_closed(ngx_connection_t *c)
{
    int      n;
    char     buf[1];

#if (NGX_HAVE_EPOLLRDHUP)

    if ((ngx_event_flags & NGX_USE_EPOLL_EVENT) && ngx_use_epoll_rdhup) {
        return c->read->pending_eof ? NGX_OK : NGX_DECLINED;
    }

#endif

    n = recv(c->fd, buf, 1, MSG_PEEK);

    if (n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN)) {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/*
 * The end of a detached wait: the last chunk, and a request that is done at
 * once, so that nginx takes the connection back for the next one.
 */

static void
ngx_http_posthorn_park_resume(ngx_http_posthorn_park_t *park)
{
    u_char                     mem[512], chunk[1024], *p;
    u_char                     start[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    size_t                     size;
    ph_wbuf_t                  b;
    ngx_buf_t                 *buf;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_connection_t     *hc;
    ngx_http_core_srv_conf_t  *cscf;

    c = park->connection;
    hc = park->http_connection;

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));

    mh_put_done(&b, park->code, ngx_current_msec - park->started,
                (ph_str_t) { (size_t) (ngx_http_time(start, park->start)
                                       - start), start });

    if (park->code == MH_SUCCESS) {
        mh_put_wait(&b, park->ec, park->pending);
    }

    p = ngx_sprintf(chunk, "%xz" CRLF, b.len);
    p = ngx_cpymem(p, b.data, b.len);
    p = ngx_cpymem(p, CRLF "0" CRLF CRLF, sizeof(CRLF "0" CRLF CRLF) - 1);

    if (b.error || c->send(c, chunk, p - chunk) != p - chunk) {
        ngx_http_posthorn_park_close(park);
        return;
    }

    ngx_http_posthorn_park_free(park);

    c->data = hc;
    c->idle = 0;
    c->close = 0;
    c->sent = 0;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    buf = c->buffer;

    if (buf->start == NULL) {
        cscf = ngx_http_get_module_srv_conf(hc->conf_ctx,
                                            ngx_http_core_module);
        size = cscf->client_header_buffer_size;

        buf->start = ngx_palloc(c->pool, size);
        if (buf->start == NULL) {
            ngx_http_close_connection(c);
            return;
        }

        buf->pos = buf->start;
        buf->last = buf->start;
        buf->end = buf->start + size;
    }

    r = ngx_http_create_request(c);
    if (r == NULL) {
        ngx_http_close_connection(c);
        return;
    }

    c->data = r;

    r->method = NGX_HTTP_POST;
    r->http_version = NGX_HTTP_VERSION_11;
    r->headers_out.status = NGX_HTTP_OK;
    r->header_sent = 1;
    r->keepalive = 1;
    r->logged = 1;

    ngx_http_finalize_request(r, NGX_DONE);
}


static void
ngx_http_posthorn_park_close(ngx_http_posthorn_park_t *park)
{
    ngx_connection_t  *c;

    c = park->connection;

    ngx_http_posthorn_park_free(park);

    c->data = NULL;
    c->idle = 0;

    ngx_http_close_connection(c);
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

    park->woken = 1;

    if (park->request == NULL) {
        ngx_http_posthorn_park_resume(park);
        return;
    }

    r = park->request;
    c = r->connection;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_mapi_module);

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

        /* with the event exmdb has forgotten the waiter */

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
