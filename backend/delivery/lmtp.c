/* Listeners and connections. */

#include "lmtp.h"
#include "lib/ph_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    uv_write_t     req;
    lmtp_conn_t   *conn;
    lmtp_txn_t    *txn;
    size_t         len;
    uint8_t       *data;
} lmtp_write_t;

static void lmtp_read_start(lmtp_conn_t *c);


static void
lmtp_conn_free(lmtp_conn_t *c)
{
    lmtp_server_t  *server = c->server;

    *c->prev = c->next;
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }

    lmtp_txn_destroy(&c->txn);
    free(c->in);
    free(c->out);
    free(c);

    server->n_conns--;
    if (server->stopping && server->n_conns == 0) {
        delivery_part_stopped(server->d);
    }
}


static void
lmtp_handle_closed(uv_handle_t *handle)
{
    lmtp_conn_t  *c = handle->data;

    /* a transaction that is still under way lets go of it later */
    if (--c->handles == 0 && !c->busy) {
        lmtp_conn_free(c);
    }
}


void
lmtp_close(lmtp_conn_t *c)
{
    if (c->closed) {
        return;
    }

    if (c->txn != NULL && c->txn->n_rcpts != 0 && !c->quit) {
        ph_log_write(c->server->d->log, PH_LOG_INFO, PH5014,
                     ph_str_c(c->txn->t.rid), "peer=%s", c->peer);
    }

    c->closed = true;
    uv_close((uv_handle_t *) &c->timer, lmtp_handle_closed);
    uv_close(&c->io.handle, lmtp_handle_closed);
}


void
lmtp_reply(lmtp_conn_t *c, const char *fmt, ...)
{
    int       n;
    char      line[600];
    size_t    cap;
    va_list   args;
    uint8_t  *out;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line) - 2, fmt, args);
    va_end(args);

    if (n < 0) {
        return;
    }

    n = ph_min(n, (int) sizeof(line) - 3);
    line[n++] = '\r';
    line[n++] = '\n';

    if (c->out_len + (size_t) n > c->out_cap) {
        cap = ph_max(2 * c->out_cap, (size_t) 1024);
        out = realloc(c->out, cap);
        if (out == NULL) {
            lmtp_close(c);
            return;
        }
        c->out = out;
        c->out_cap = cap;
    }

    memcpy(c->out + c->out_len, line, (size_t) n);
    c->out_len += (size_t) n;
}


static void
lmtp_written(uv_write_t *req, int status)
{
    lmtp_write_t  *w = (lmtp_write_t *) req;
    lmtp_conn_t   *c = w->conn;

    c->writing -= w->len;

    if (w->txn != NULL) {
        if (status == 0) {
            lmtp_acknowledge(w->txn, c->server->d);
        }
        lmtp_txn_destroy(&w->txn);
    }

    free(w->data);
    free(w);

    if (!c->closed && (status != 0 || (c->quit && c->writing == 0))) {
        lmtp_close(c);
    }
}


void
lmtp_flush(lmtp_conn_t *c, lmtp_txn_t *txn)
{
    uv_buf_t       buf;
    lmtp_write_t  *w;

    if (c->closed || (c->out_len == 0 && txn == NULL)) {
        lmtp_txn_destroy(&txn);
        return;
    }

    w = malloc(sizeof(*w));
    if (w == NULL || c->writing + c->out_len > LMTP_MAX_OUT) {
        free(w);
        lmtp_txn_destroy(&txn);
        lmtp_close(c);
        return;
    }

    w->conn = c;
    w->txn = txn;
    w->len = c->out_len;
    w->data = c->out;
    buf = uv_buf_init((char *) c->out, (unsigned) c->out_len);
    c->writing += c->out_len;
    c->out = NULL;
    c->out_len = 0;
    c->out_cap = 0;

    if (uv_write(&w->req, &c->io.stream, &buf, 1, lmtp_written) != 0) {
        c->writing -= w->len;
        lmtp_txn_destroy(&w->txn);
        free(w->data);
        free(w);
        lmtp_close(c);
    }
}


static void
lmtp_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    lmtp_conn_t  *c = handle->data;

    (void) suggested;

    if (c->in == NULL) {
        c->in = malloc(LMTP_IN_SIZE);
    }

    *buf = uv_buf_init(c->in ? (char *) c->in + c->in_len : NULL,
                       c->in ? (unsigned) (LMTP_IN_SIZE - c->in_len) : 0);
}


static void
lmtp_go(lmtp_conn_t *c)
{
    lmtp_session_run(c);

    if (c->closed) {
        return;
    }

    if (!c->busy || c->out_len != 0) {
        lmtp_flush(c, NULL);
    }

    if (c->closed) {
        return;
    }

    if (c->eof && !c->busy) {
        lmtp_close(c);
        return;
    }

    if (c->quit || c->eof || c->in_len == LMTP_IN_SIZE) {
        if (c->reading) {
            c->reading = false;
            uv_read_stop(&c->io.stream);
        }
        if (c->quit && c->writing == 0) {
            lmtp_close(c);
        }
        return;
    }

    lmtp_read_start(c);
}


void
lmtp_resume(lmtp_conn_t *c)
{
    c->busy = false;

    if (c->running) {
        return;           /* the answer came at once: the loop goes on */
    }

    if (c->closed) {
        if (c->handles == 0) {
            lmtp_conn_free(c);
        }
        return;
    }

    if (c->server->stopping && c->state == LMTP_COMMANDS && !c->quit) {
        lmtp_reply(c, "421 4.3.2 %s is going down", c->server->d->hostname);
        c->quit = true;
    }

    uv_timer_again(&c->timer);
    lmtp_go(c);
}


static void
lmtp_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    lmtp_conn_t  *c = stream->data;

    (void) buf;

    if (n == 0) {
        return;
    }

    if (n < 0) {
        /* a client that pipelines may close its side and still read */
        c->eof = true;
        c->reading = false;
        uv_read_stop(stream);
        if (n != UV_EOF) {
            lmtp_close(c);
            return;
        }
    } else {
        c->in_len += (size_t) n;
    }

    uv_timer_again(&c->timer);

    if (c->busy) {
        if (c->in_len == LMTP_IN_SIZE && c->reading) {
            c->reading = false;
            uv_read_stop(stream);
        }
        return;
    }

    lmtp_go(c);
}


static void
lmtp_read_start(lmtp_conn_t *c)
{
    if (!c->reading && !c->eof) {
        c->reading = true;
        if (uv_read_start(&c->io.stream, lmtp_alloc, lmtp_read) != 0) {
            lmtp_close(c);
        }
    }
}


static void
lmtp_timeout(uv_timer_t *timer)
{
    lmtp_conn_t  *c = timer->data;

    if (c->busy) {
        return;               /* it is us who take so long */
    }

    lmtp_reply(c, "421 4.4.2 %s timeout", c->server->d->hostname);
    c->quit = true;
    lmtp_flush(c, NULL);

    /* a client that does not read either */
    if (c->writing != 0 && uv_timer_get_repeat(timer) == 1000) {
        lmtp_close(c);
    } else if (!c->closed) {
        uv_timer_set_repeat(timer, 1000);
        uv_timer_again(timer);
    }
}


static void
lmtp_peer(lmtp_conn_t *c)
{
    int                      len, port;
    char                     host[INET6_ADDRSTRLEN] = "";
    struct sockaddr_storage  ss;

    len = sizeof(ss);
    (void) snprintf(c->peer, sizeof(c->peer), "local");

    if (c->io.handle.type != UV_TCP
        || uv_tcp_getpeername(&c->io.tcp, (struct sockaddr *) &ss, &len) != 0)
    {
        return;
    }

    if (ss.ss_family == AF_INET6) {
        struct sockaddr_in6  *a = (struct sockaddr_in6 *) &ss;

        uv_ip6_name(a, host, sizeof(host));
        port = ntohs(a->sin6_port);
    } else {
        struct sockaddr_in  *a = (struct sockaddr_in *) &ss;

        uv_ip4_name(a, host, sizeof(host));
        port = ntohs(a->sin_port);
    }

    (void) snprintf(c->peer, sizeof(c->peer), "[%s]:%d", host, port);
}


static void
lmtp_accept(uv_stream_t *listener, int status)
{
    lmtp_conn_t    *c;
    lmtp_server_t  *server = listener->data;
    uv_loop_t      *loop = server->d->loop;

    if (status != 0) {
        return;
    }

    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return;
    }

    c->server = server;
    c->handles = 2;
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;

    if (listener->type == UV_TCP) {
        uv_tcp_init(loop, &c->io.tcp);
    } else {
        uv_pipe_init(loop, &c->io.pipe, 0);
    }
    c->io.handle.data = c;

    c->next = server->conns;
    c->prev = &server->conns;
    if (c->next != NULL) {
        c->next->prev = &c->next;
    }
    server->conns = c;
    server->n_conns++;

    if (uv_accept(listener, &c->io.stream) != 0) {
        lmtp_close(c);
        return;
    }

    if (listener->type == UV_TCP) {
        uv_tcp_nodelay(&c->io.tcp, 1);
    }

    lmtp_peer(c);

    if (server->n_conns > server->max_conns) {
        ph_log(server->d->log, PH_LOG_WARN, PH5013, "peer=%s", c->peer);
        lmtp_reply(c, "421 4.3.2 too many connections");
        c->quit = true;
        lmtp_flush(c, NULL);
        return;
    }

    uv_timer_start(&c->timer, lmtp_timeout, server->timeout, server->timeout);
    lmtp_session_greet(c);
    lmtp_flush(c, NULL);
    if (!c->closed) {
        lmtp_read_start(c);
    }
}


static ph_int_t
lmtp_listen(lmtp_server_t *server, const char *address)
{
    int           fd, err;
    ph_addr_t     addr;
    uv_stream_t  *stream;

    fd = ph_daemon_fd(server->d->daemon, address);

    if (ph_addr_parse(address, &addr) != PH_OK
        || (fd < 0 && ph_addr_listen(&addr, 511, &fd) != PH_OK))
    {
        ph_log(server->d->log, PH_LOG_ERROR, PH5001, "address=%s error=%s",
               address, strerror(errno));
        return PH_ERROR;
    }

    if (addr.local) {
        uv_pipe_t  *pipe = ph_pcalloc(server->d->pool, sizeof(*pipe));

        if (pipe == NULL) {
            return PH_NOMEM;
        }
        uv_pipe_init(server->d->loop, pipe, 0);
        err = uv_pipe_open(pipe, fd);
        stream = (uv_stream_t *) pipe;

    } else {
        uv_tcp_t  *tcp = ph_pcalloc(server->d->pool, sizeof(*tcp));

        if (tcp == NULL) {
            return PH_NOMEM;
        }
        uv_tcp_init(server->d->loop, tcp);
        err = uv_tcp_open(tcp, fd);
        stream = (uv_stream_t *) tcp;
    }

    stream->data = server;
    if (err == 0) {
        err = uv_listen(stream, 511, lmtp_accept);
    }
    if (err != 0) {
        ph_log(server->d->log, PH_LOG_ERROR, PH5001, "address=%s error=%s",
               address, uv_strerror(err));
        return PH_ERROR;
    }

    server->listeners[server->n_listeners++] = stream;
    return PH_OK;
}


ph_int_t
lmtp_create(delivery_t *d, lmtp_server_t **server_r)
{
    size_t              n;
    ph_int_t            rc;
    ph_conf_t          *conf = d->daemon->conf;
    lmtp_server_t      *server;
    const char *const  *list;

    n = ph_conf_list(conf, "delivery", "lmtp_listen", &list);
    server = ph_pcalloc(d->pool, sizeof(*server));
    if (server == NULL) {
        return PH_NOMEM;
    }

    server->d = d;
    server->max_conns = (uint32_t) ph_conf_int(conf, "delivery",
                                               "max_connections");
    server->max_recipients = (uint32_t) ph_conf_int(conf, "delivery",
                                                    "max_recipients");
    server->timeout = (uint64_t) ph_conf_int(conf, "delivery",
                                             "lmtp_timeout");
    server->listeners = ph_pcalloc_array(d->pool, n + 1,
                                         sizeof(*server->listeners));
    if (server->listeners == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < n; i++) {
        rc = lmtp_listen(server, list[i]);
        if (rc != PH_OK) {
            return rc;
        }
    }

    *server_r = server;
    return PH_OK;
}


void
lmtp_stop(lmtp_server_t *server)
{
    lmtp_conn_t  *c, *next;

    server->stopping = true;

    for (uint32_t i = 0; i < server->n_listeners; i++) {
        uv_close((uv_handle_t *) server->listeners[i], NULL);
    }

    if (server->n_conns == 0) {
        delivery_part_stopped(server->d);
        return;
    }

    for (c = server->conns; c != NULL; c = next) {
        next = c->next;
        if (!c->busy && c->state == LMTP_COMMANDS && !c->closed) {
            lmtp_reply(c, "421 4.3.2 %s is going down",
                       server->d->hostname);
            c->quit = true;
            lmtp_flush(c, NULL);
        }
    }
}
