
#include "ngx_posthorn_wire.h"

#include "lib/ph_log.h"


#define NGX_POSTHORN_WIRE_IN_SIZE    16384
#define NGX_POSTHORN_WIRE_OUT_SIZE   16384
#define NGX_POSTHORN_WIRE_MIN_DELAY  50
#define NGX_POSTHORN_WIRE_MAX_DELAY  5000

/* delay between attempts from which on nobody waits for a connection */
#define NGX_POSTHORN_WIRE_PATIENCE   1000


static void ngx_posthorn_wire_connect(ngx_posthorn_wire_t *w);
static void ngx_posthorn_wire_opened(ngx_posthorn_wire_t *w);
static void ngx_posthorn_wire_greet(ngx_posthorn_wire_t *w);
#if (NGX_SSL)
static void ngx_posthorn_wire_handshake(ngx_posthorn_wire_t *w);
static void ngx_posthorn_wire_handshake_handler(ngx_connection_t *c);
#endif
static void ngx_posthorn_wire_retry_handler(ngx_event_t *ev);
static void ngx_posthorn_wire_write_handler(ngx_event_t *wev);
static void ngx_posthorn_wire_flush_handler(ngx_event_t *ev);
static ngx_int_t ngx_posthorn_wire_send(ngx_posthorn_wire_t *w);
static void ngx_posthorn_wire_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_posthorn_wire_input(ngx_posthorn_wire_t *w);
static ngx_int_t ngx_posthorn_wire_frame_in(ngx_posthorn_wire_t *w,
    ph_wire_frame_t *frame);
static ngx_int_t ngx_posthorn_wire_hello(ngx_posthorn_wire_t *w,
    ph_wire_frame_t *frame);
static void ngx_posthorn_wire_timeout_handler(ngx_event_t *ev);
static void ngx_posthorn_wire_lost(ngx_posthorn_wire_t *w);
static void ngx_posthorn_wire_close(ngx_posthorn_wire_t *w);
static void ngx_posthorn_wire_unlink(ngx_posthorn_call_t *call);
static void ngx_posthorn_wire_answer(ngx_posthorn_call_t *call,
    ph_wire_status_t status, ph_str_t body);
static ngx_posthorn_call_t *ngx_posthorn_wire_find(ngx_posthorn_wire_t *w,
    uint32_t id);
static ngx_int_t ngx_posthorn_wire_append(ngx_posthorn_wire_t *w,
    u_char *data, size_t len);
static ngx_int_t ngx_posthorn_wire_room(ngx_buf_t *b, size_t size,
    ngx_log_t *log);
static u_char *ngx_posthorn_wire_log_error(ngx_log_t *log, u_char *buf,
    size_t len);


ngx_posthorn_wire_t *
ngx_posthorn_wire_create(ngx_pool_t *pool, ngx_str_t *address, char **err)
{
    ngx_url_t             u;
    ngx_posthorn_wire_t  *w;

    w = ngx_pcalloc(pool, sizeof(ngx_posthorn_wire_t));
    if (w == NULL) {
        *err = "no memory";
        return NULL;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *address;

    if (u.url.len > 4 && ngx_strncmp(u.url.data, "tcp:", 4) == 0) {
        u.url.data += 4;
        u.url.len -= 4;
        u.default_port = 5000;

    } else if (u.url.len < 6 || ngx_strncmp(u.url.data, "unix:", 5) != 0) {
        *err = "address is neither \"unix:/path\" nor \"tcp:host:port\"";
        return NULL;
    }

    if (ngx_parse_url(pool, &u) != NGX_OK || u.naddrs == 0) {
        *err = u.err ? u.err : "invalid address";
        return NULL;
    }

    w->pool = pool;
    w->addr = u.addrs[0];
    w->name = *address;
    w->connect_timeout = 5000;
    w->delay = NGX_POSTHORN_WIRE_MIN_DELAY;

    return w;
}


void
ngx_posthorn_wire_start(ngx_posthorn_wire_t *w, ngx_log_t *log)
{
    if (w->started) {
        return;
    }

    w->log = ngx_palloc(w->pool, sizeof(ngx_log_t));
    if (w->log == NULL) {
        return;
    }

    *w->log = *log;
    w->log->handler = ngx_posthorn_wire_log_error;
    w->log->data = w;
    w->log->action = NULL;

    ngx_rbtree_init(&w->calls, &w->sentinel, ngx_rbtree_insert_value);
    ngx_queue_init(&w->waiting);

    /* a worker that exits does not wait for a new attempt */

    w->retry.handler = ngx_posthorn_wire_retry_handler;
    w->retry.data = w;
    w->retry.log = w->log;
    w->retry.cancelable = 1;

    w->flush.handler = ngx_posthorn_wire_flush_handler;
    w->flush.data = w;
    w->flush.log = w->log;

    w->started = 1;

    ngx_posthorn_wire_connect(w);
}


void
ngx_posthorn_wire_stop(ngx_posthorn_wire_t *w)
{
    if (!w->started) {
        return;
    }

    w->started = 0;
    w->closing = 1;

    if (w->retry.timer_set) {
        ngx_del_timer(&w->retry);
    }

    ngx_posthorn_wire_close(w);
}


void
ngx_posthorn_wire_frame(ph_wbuf_t *b, ph_str_t ticket)
{
    ph_put_fill(b, 0, PH_WIRE_HEADER);
    ph_put_str(b, ticket);
}


ngx_int_t
ngx_posthorn_wire_call(ngx_posthorn_wire_t *w, ngx_posthorn_call_t *call,
    uint16_t op, ph_str_t ticket, ph_wbuf_t *frame, ngx_msec_t timeout)
{
    call->wire = NULL;

    if (frame->error || frame->len < PH_WIRE_HEADER + ticket.len) {
        return NGX_ERROR;
    }

    if (!w->started
        || (!w->connected
            && (w->closing || w->delay > NGX_POSTHORN_WIRE_PATIENCE))
        || w->ncalls >= NGX_POSTHORN_WIRE_MAX_CALLS
        || (size_t) (w->out.last - w->out.pos) + frame->len
           > NGX_POSTHORN_WIRE_MAX_QUEUED)
    {
        return NGX_BUSY;
    }

    do {
        w->last_id++;
    } while (w->last_id == 0 || ngx_posthorn_wire_find(w, w->last_id));

    ph_wire_header(frame->data, 0, op, w->last_id, 0, (uint16_t) ticket.len,
                   (uint32_t) (frame->len - PH_WIRE_HEADER - ticket.len));

    call->frame = frame->data;
    call->len = frame->len;
    call->op = op;
    call->sent = 0;
    call->node.key = w->last_id;

    if (w->connected) {
        if (ngx_posthorn_wire_append(w, call->frame, call->len) != NGX_OK) {
            return NGX_ERROR;
        }

        call->sent = 1;

    } else {
        ngx_queue_insert_tail(&w->waiting, &call->queue);
    }

    ngx_memzero(&call->timer, sizeof(ngx_event_t));
    call->timer.handler = ngx_posthorn_wire_timeout_handler;
    call->timer.data = call;
    call->timer.log = w->log;
    ngx_add_timer(&call->timer, timeout);

    ngx_rbtree_insert(&w->calls, &call->node);
    w->ncalls++;

    call->wire = w;

    return NGX_OK;
}


void
ngx_posthorn_wire_cancel(ngx_posthorn_call_t *call)
{
    u_char                header[PH_WIRE_HEADER];
    ngx_posthorn_wire_t  *w;

    w = call->wire;

    if (w == NULL) {
        return;
    }

    if (call->sent && w->connected) {
        ph_wire_header(header, PH_WIRE_F_CANCEL, call->op,
                       (uint32_t) call->node.key, 0, 0, 0);

        (void) ngx_posthorn_wire_append(w, header, PH_WIRE_HEADER);
    }

    ngx_posthorn_wire_unlink(call);
}


static void
ngx_posthorn_wire_connect(ngx_posthorn_wire_t *w)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    ngx_memzero(&w->peer, sizeof(ngx_peer_connection_t));

    w->peer.sockaddr = w->addr.sockaddr;
    w->peer.socklen = w->addr.socklen;
    w->peer.name = &w->addr.name;
    w->peer.get = ngx_event_get_peer;
    w->peer.log = w->log;
    w->peer.log_error = NGX_ERROR_ERR;

    w->log->action = "connecting to backend";

    rc = ngx_event_connect_peer(&w->peer);

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        ngx_posthorn_wire_lost(w);
        return;
    }

    c = w->peer.connection;

    c->data = w;
    c->log = w->log;
    c->read->log = w->log;
    c->write->log = w->log;
    c->read->handler = ngx_posthorn_wire_read_handler;
    c->write->handler = ngx_posthorn_wire_write_handler;

    /* a graceful end of the worker calls the read handler of idle ones */

    c->idle = 1;

    ngx_add_timer(c->read, w->connect_timeout);
    c->read->cancelable = 1;

    if (rc == NGX_OK) {
        ngx_posthorn_wire_opened(w);
    }
}


static void
ngx_posthorn_wire_opened(ngx_posthorn_wire_t *w)
{
    w->opened = 1;

#if (NGX_SSL)

    if (w->ssl) {
        ngx_posthorn_wire_handshake(w);
        return;
    }

#endif

    ngx_posthorn_wire_greet(w);
}


static void
ngx_posthorn_wire_greet(ngx_posthorn_wire_t *w)
{
    u_char  header[PH_WIRE_HEADER];

    w->log->action = "greeting backend";

    ph_wire_header(header, 0, PH_WIRE_OP_HELLO, 0, 0, 0, 0);

    if (ngx_posthorn_wire_append(w, header, PH_WIRE_HEADER) != NGX_OK) {
        ngx_posthorn_wire_lost(w);
    }
}


#if (NGX_SSL)

static void
ngx_posthorn_wire_handshake(ngx_posthorn_wire_t *w)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = w->peer.connection;

    w->log->action = "TLS handshaking to backend";

    if (c->pool == NULL) {
        c->pool = ngx_create_pool(256, w->log);
        if (c->pool == NULL) {
            ngx_posthorn_wire_lost(w);
            return;
        }
    }

    if (ngx_ssl_create_connection(w->ssl, c, NGX_SSL_BUFFER|NGX_SSL_CLIENT)
        != NGX_OK)
    {
        ngx_posthorn_wire_lost(w);
        return;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_posthorn_wire_handshake_handler;
        return;
    }

    ngx_posthorn_wire_handshake_handler(c);
}


static void
ngx_posthorn_wire_handshake_handler(ngx_connection_t *c)
{
    long                  rc;
    ngx_posthorn_wire_t  *w;

    w = c->data;

    if (!c->ssl->handshaked) {
        ngx_posthorn_wire_lost(w);
        return;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_posthorn_log(NGX_LOG_ERR, w->log, 0, 6003,
                         "certificate of \"%V\" is not trusted: %s",
                         &w->name, X509_verify_cert_error_string(rc));
        ngx_posthorn_wire_lost(w);
        return;
    }

    c->read->handler = ngx_posthorn_wire_read_handler;
    c->write->handler = ngx_posthorn_wire_write_handler;

    ngx_posthorn_wire_greet(w);
}

#endif


static void
ngx_posthorn_wire_retry_handler(ngx_event_t *ev)
{
    ngx_posthorn_wire_connect(ev->data);
}


static void
ngx_posthorn_wire_write_handler(ngx_event_t *wev)
{
    ngx_err_t             err;
    socklen_t             len;
    ngx_connection_t     *c;
    ngx_posthorn_wire_t  *w;

    c = wev->data;
    w = c->data;

    if (!w->opened) {

        /* the connection has been made, or refused */

        err = 0;
        len = sizeof(ngx_err_t);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len)
            == -1)
        {
            err = ngx_socket_errno;
        }

        if (err) {
            ngx_log_error(NGX_LOG_INFO, w->log, err, "connect() failed");
            ngx_posthorn_wire_lost(w);
            return;
        }

        ngx_posthorn_wire_opened(w);
        return;
    }

    if (ngx_posthorn_wire_send(w) != NGX_OK) {
        ngx_posthorn_wire_lost(w);
    }
}


static void
ngx_posthorn_wire_flush_handler(ngx_event_t *ev)
{
    ngx_posthorn_wire_t  *w;

    w = ev->data;

    if (w->peer.connection == NULL || !w->peer.connection->write->ready) {
        return;
    }

    if (ngx_posthorn_wire_send(w) != NGX_OK) {
        ngx_posthorn_wire_lost(w);
    }
}


static ngx_int_t
ngx_posthorn_wire_send(ngx_posthorn_wire_t *w)
{
    ssize_t            n;
    ngx_buf_t         *b;
    ngx_connection_t  *c;

    c = w->peer.connection;
    b = &w->out;

    while (b->pos < b->last) {

        n = c->send(c, b->pos, b->last - b->pos);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        b->pos += n;
    }

    if (b->pos == b->last) {

        /* what a burst needed is not kept */

        if (b->end - b->start > 4 * NGX_POSTHORN_WIRE_OUT_SIZE) {
            ngx_free(b->start);
            ngx_memzero(b, sizeof(ngx_buf_t));

        } else {
            b->pos = b->last = b->start;
        }
    }

    return ngx_handle_write_event(c->write, 0);
}


static void
ngx_posthorn_wire_read_handler(ngx_event_t *rev)
{
    ssize_t               n;
    ngx_buf_t            *b;
    ngx_connection_t     *c;
    ngx_posthorn_wire_t  *w;

    c = rev->data;
    w = c->data;

    if (c->close && !w->closing) {

        /*
         * The worker is to end: calls under way still want their answers, and
         * ngx_posthorn_wire_stop() will close the connection.
         */

        w->closing = 1;

        if (w->exiting) {
            w->exiting(w);
        }

        return;
    }

    if (rev->timedout) {
        ngx_log_error(NGX_LOG_ERR, w->log, NGX_ETIMEDOUT,
                      "backend timed out");
        ngx_posthorn_wire_lost(w);
        return;
    }

    b = &w->in;

    for ( ;; ) {

        if (b->end - b->last < NGX_POSTHORN_WIRE_IN_SIZE / 4
            && ngx_posthorn_wire_room(b, NGX_POSTHORN_WIRE_IN_SIZE, w->log)
               != NGX_OK)
        {
            ngx_posthorn_wire_lost(w);
            return;
        }

        n = c->recv(c, b->last, b->end - b->last);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_posthorn_wire_lost(w);
            return;
        }

        b->last += n;

        if (ngx_posthorn_wire_input(w) != NGX_OK) {
            ngx_posthorn_wire_lost(w);
            return;
        }

        if (w->peer.connection != c) {
            return;
        }
    }

    if (b->pos == b->last && b->end - b->start > 4 * NGX_POSTHORN_WIRE_IN_SIZE)
    {
        ngx_free(b->start);
        ngx_memzero(b, sizeof(ngx_buf_t));
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_posthorn_wire_lost(w);
    }
}


static ngx_int_t
ngx_posthorn_wire_input(ngx_posthorn_wire_t *w)
{
    size_t            used;
    ph_int_t          rc;
    ngx_buf_t        *b;
    ngx_connection_t *c;
    ph_wire_frame_t   frame;

    b = &w->in;
    c = w->peer.connection;

    for ( ;; ) {

        used = 0;
        rc = ph_wire_parse(b->pos, b->last - b->pos,
                           NGX_POSTHORN_WIRE_MAX_ANSWER, &frame, &used);

        if (rc == PH_AGAIN) {
            if (used > (size_t) (b->last - b->pos)) {
                return ngx_posthorn_wire_room(b, used - (b->last - b->pos),
                                              w->log);
            }

            return NGX_OK;
        }

        if (rc != PH_OK) {
            ngx_posthorn_log(NGX_LOG_ERR, w->log, 0, 6002,
                             "\"%V\" sent an invalid frame", &w->name);
            return NGX_ERROR;
        }

        b->pos += used;

        if (ngx_posthorn_wire_frame_in(w, &frame) != NGX_OK) {
            return NGX_ERROR;
        }

        if (w->peer.connection != c) {
            return NGX_OK;
        }
    }
}


static ngx_int_t
ngx_posthorn_wire_frame_in(ngx_posthorn_wire_t *w, ph_wire_frame_t *frame)
{
    ngx_posthorn_call_t  *call;

    if (frame->flags & PH_WIRE_F_EVENT) {
        if (w->event) {
            w->event(w, frame);
        }

        return NGX_OK;
    }

    if (!(frame->flags & PH_WIRE_F_ANSWER)) {
        ngx_posthorn_log(NGX_LOG_ERR, w->log, 0, 6002,
                         "\"%V\" sent a request", &w->name);
        return NGX_ERROR;
    }

    if (!w->connected) {
        return ngx_posthorn_wire_hello(w, frame);
    }

    call = ngx_posthorn_wire_find(w, frame->id);

    /* the answer to a cancelled call is of no interest */

    if (call) {
        ngx_posthorn_wire_answer(call, frame->status, frame->body);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_posthorn_wire_hello(ngx_posthorn_wire_t *w, ph_wire_frame_t *frame)
{
    ngx_queue_t          *q;
    ngx_posthorn_call_t  *call;

    if (frame->id != 0 || frame->op != PH_WIRE_OP_HELLO
        || frame->status != PH_WIRE_OK)
    {
        ngx_posthorn_log(NGX_LOG_ERR, w->log, 0, 6002,
                         "\"%V\" refused the greeting: %s", &w->name,
                         ph_wire_status_name(frame->status));
        return NGX_ERROR;
    }

    if (w->peer.connection->read->timer_set) {
        ngx_del_timer(w->peer.connection->read);
    }

    w->connected = 1;
    w->delay = NGX_POSTHORN_WIRE_MIN_DELAY;
    w->log->action = "talking to backend";

    ngx_posthorn_log(NGX_LOG_NOTICE, w->log, 0, 6000,
                     "connected to \"%V\"", &w->name);

    if (w->up) {
        w->up(w, frame->body);
    }

    while (!ngx_queue_empty(&w->waiting)) {
        q = ngx_queue_head(&w->waiting);
        call = ngx_queue_data(q, ngx_posthorn_call_t, queue);

        if (ngx_posthorn_wire_append(w, call->frame, call->len) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_queue_remove(q);
        call->sent = 1;
    }

    return NGX_OK;
}


static void
ngx_posthorn_wire_timeout_handler(ngx_event_t *ev)
{
    u_char                header[PH_WIRE_HEADER];
    ngx_posthorn_call_t  *call;
    ngx_posthorn_wire_t  *w;

    call = ev->data;
    w = call->wire;

    if (call->sent && w->connected) {
        ph_wire_header(header, PH_WIRE_F_CANCEL, call->op,
                       (uint32_t) call->node.key, 0, 0, 0);

        (void) ngx_posthorn_wire_append(w, header, PH_WIRE_HEADER);
    }

    ngx_posthorn_log(NGX_LOG_ERR, w->log, 0, 6004,
                     "operation 0x%04xd of \"%V\" timed out",
                     (ngx_int_t) call->op, &w->name);

    ngx_posthorn_wire_answer(call, PH_WIRE_UNAVAILABLE, ph_str_null);
}


static void
ngx_posthorn_wire_lost(ngx_posthorn_wire_t *w)
{
    ngx_uint_t            connected;
    ngx_queue_t           lost, *q;
    ngx_rbtree_node_t    *node, *next;
    ngx_posthorn_call_t  *call;

    connected = w->connected;

    ngx_posthorn_wire_close(w);

    if (connected || w->delay == NGX_POSTHORN_WIRE_MIN_DELAY) {
        ngx_posthorn_log(NGX_LOG_ERR, w->log, 0, 6001,
                         "no connection to \"%V\"", &w->name);
    }

    if (w->started && !w->closing) {
        ngx_add_timer(&w->retry, w->delay);
        w->delay = ngx_min(w->delay * 2, NGX_POSTHORN_WIRE_MAX_DELAY);
    }

    /*
     * Handlers may make new calls and cancel others, so the lost ones are
     * collected first and taken one by one.
     */

    ngx_queue_init(&lost);

    if (w->calls.root != &w->sentinel) {

        for (node = ngx_rbtree_min(w->calls.root, &w->sentinel);
             node;
             node = next)
        {
            next = ngx_rbtree_next(&w->calls, node);
            call = ngx_rbtree_data(node, ngx_posthorn_call_t, node);

            if (call->sent) {
                call->sent = 0;
                ngx_queue_insert_tail(&lost, &call->queue);

            } else if (w->closing || w->delay > NGX_POSTHORN_WIRE_PATIENCE) {
                ngx_queue_remove(&call->queue);
                ngx_queue_insert_tail(&lost, &call->queue);
            }
        }
    }

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        call = ngx_queue_data(q, ngx_posthorn_call_t, queue);
        ngx_posthorn_wire_answer(call, PH_WIRE_UNAVAILABLE, ph_str_null);
    }

    if (connected && w->down) {
        w->down(w);
    }
}


static void
ngx_posthorn_wire_close(ngx_posthorn_wire_t *w)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    w->opened = 0;
    w->connected = 0;

    if (w->in.start) {
        ngx_free(w->in.start);
        ngx_memzero(&w->in, sizeof(ngx_buf_t));
    }

    if (w->out.start) {
        ngx_free(w->out.start);
        ngx_memzero(&w->out, sizeof(ngx_buf_t));
    }

    if (w->flush.posted) {
        ngx_delete_posted_event(&w->flush);
    }

    c = w->peer.connection;

    if (c == NULL) {
        return;
    }

    w->peer.connection = NULL;
    pool = c->pool;

#if (NGX_SSL)

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;
        (void) ngx_ssl_shutdown(c);
    }

#endif

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static void
ngx_posthorn_wire_unlink(ngx_posthorn_call_t *call)
{
    ngx_posthorn_wire_t  *w;

    w = call->wire;

    if (call->timer.timer_set) {
        ngx_del_timer(&call->timer);
    }

    /* not sent: in the queue of those that wait, or of those that are lost */

    if (!call->sent) {
        ngx_queue_remove(&call->queue);
    }

    ngx_rbtree_delete(&w->calls, &call->node);
    w->ncalls--;

    call->wire = NULL;
}


static void
ngx_posthorn_wire_answer(ngx_posthorn_call_t *call, ph_wire_status_t status,
    ph_str_t body)
{
    ngx_posthorn_wire_unlink(call);

    call->status = status;
    call->body = body;

    call->handler(call);
}


static ngx_posthorn_call_t *
ngx_posthorn_wire_find(ngx_posthorn_wire_t *w, uint32_t id)
{
    ngx_rbtree_node_t  *node;

    node = w->calls.root;

    while (node != &w->sentinel) {

        if (id == node->key) {
            return ngx_rbtree_data(node, ngx_posthorn_call_t, node);
        }

        node = (id < node->key) ? node->left : node->right;
    }

    return NULL;
}


/* frames that are made in one turn of the event loop share one write */

static ngx_int_t
ngx_posthorn_wire_append(ngx_posthorn_wire_t *w, u_char *data, size_t len)
{
    if (ngx_posthorn_wire_room(&w->out,
                               ngx_max(len, NGX_POSTHORN_WIRE_OUT_SIZE / 4),
                               w->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    w->out.last = ngx_cpymem(w->out.last, data, len);

    if (!w->flush.posted) {
        ngx_post_event(&w->flush, &ngx_posted_events);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_posthorn_wire_room(ngx_buf_t *b, size_t size, ngx_log_t *log)
{
    size_t   len, cap;
    u_char  *p;

    if ((size_t) (b->end - b->last) >= size) {
        return NGX_OK;
    }

    len = b->last - b->pos;

    if (b->pos > b->start && (size_t) (b->end - b->start) >= len + size) {
        ngx_memmove(b->start, b->pos, len);
        b->pos = b->start;
        b->last = b->start + len;
        return NGX_OK;
    }

    cap = ngx_max((size_t) NGX_POSTHORN_WIRE_IN_SIZE,
                  (size_t) (b->end - b->start) * 2);
    cap = ngx_max(cap, len + size);

    p = ngx_alloc(cap, log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (b->start) {
        ngx_memcpy(p, b->pos, len);
        ngx_free(b->start);
    }

    b->start = b->pos = p;
    b->last = p + len;
    b->end = p + cap;

    return NGX_OK;
}


static u_char *
ngx_posthorn_wire_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char               *p;
    ngx_posthorn_wire_t  *w;

    p = buf;
    w = log->data;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
    }

    return ngx_snprintf(p, len, ", backend: \"%V\"", &w->name);
}
