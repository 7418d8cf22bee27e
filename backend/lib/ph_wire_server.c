#include "ph_wire_io.h"
#include "ph_addr.h"
#include "ph_log.h"
#include "ph_metrics.h"
#include "ph_pool.h"
#include "ph_str.h"
#include "ph_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PH_WIRE_BACKLOG       1024
#define PH_WIRE_OPEN_MODE     0666
#define PH_WIRE_MAX_CONNS     4096
#define PH_WIRE_MAX_INFLIGHT  1024
#define PH_WIRE_PUSH_MAX      (4u << 20)
#define PH_WIRE_HELLO_TIME    10000      /* ms from accept to HELLO */
#define PH_WIRE_SWEEP         1000       /* ms */

typedef struct ph_wire_sreq_s  ph_wire_sreq_t;

/* a request and its place in the connection's list; in its own pool */
struct ph_wire_sreq_s {
    ph_wire_req_t     req;        /* first: the two are one address */
    ph_wire_conn_t   *owner;
    ph_wire_sreq_t   *next;
    ph_wire_sreq_t  **prev;       /* NULL: the connection is gone */
};

/*
 * Lives until its socket is closed and its last request is answered: refs
 * counts the socket as one.
 */
struct ph_wire_conn_s {
    ph_wire_io_t        io;
    ph_wire_server_t   *server;
    ph_wire_conn_t     *next;
    ph_wire_conn_t    **prev;
    ph_wire_sreq_t     *requests;
    uint32_t            n_requests;
    uint32_t            refs;
    bool                hello;
    uint64_t            accepted;
    ph_wire_peer_t      peer;
    void               *data;
};

/* refs: the listening handle, the timer, the hub, and each connection */
struct ph_wire_server_s {
    union {
        uv_handle_t  handle;
        uv_stream_t  stream;
        uv_pipe_t    pipe;
        uv_tcp_t     tcp;
    } uv;

    uv_timer_t             timer;
    ph_wire_hub_t          hub;
    ph_pool_t             *pool;
    ph_addr_t              addr;
    ph_wire_server_opts_t  opts;
    SSL_CTX               *ctx;
    ph_metric_t           *m_open;
    ph_metric_t           *m_requests;
    ph_metric_t           *m_refused;
    ph_metric_t           *m_broken;
    ph_wire_conn_t        *conns;
    uint32_t               n_conns;
    uint32_t               refs;
    bool                   created;      /* the socket file is ours to remove */
    bool                   stopping;
    bool                   finished;
    bool                   accept_again;
    uint64_t               deadline;
    void                 (*done)(void *data);
    void                  *done_data;
};

static void ph_wire_server_sweep(uv_timer_t *timer);

static void
ph_wire_server_unref(ph_wire_server_t *server)
{
    void   *data;
    void  (*done)(void *data);

    if (--server->refs != 0) {
        return;
    }

    SSL_CTX_free(server->ctx);
    done = server->done;
    data = server->done_data;
    ph_pool_destroy(&server->pool);
    free(server);

    if (done != NULL) {
        done(data);
    }
}

static void
ph_wire_server_closed(uv_handle_t *handle)
{
    ph_wire_server_unref(handle->data);
}

static void
ph_wire_server_hub_closed(ph_wire_hub_t *hub)
{
    ph_wire_server_unref((ph_wire_server_t *)
                         ((char *) hub - offsetof(ph_wire_server_t, hub)));
}

/* when the last connection of a stopped server is gone, the rest goes too */
static void
ph_wire_server_finish(ph_wire_server_t *server)
{
    if (!server->stopping || server->n_conns != 0 || server->finished) {
        return;
    }

    server->finished = true;
    uv_close((uv_handle_t *) &server->timer, ph_wire_server_closed);
    ph_wire_hub_close(&server->hub, ph_wire_server_hub_closed);
}

/* ---- connections ---- */

static void
ph_wire_conn_unref(ph_wire_conn_t *conn)
{
    if (--conn->refs == 0) {
        free(conn);
    }
}

static void
ph_wire_conn_closed(ph_wire_io_t *io)
{
    ph_wire_conn_t    *conn;
    ph_wire_sreq_t    *sreq;
    ph_wire_server_t  *server;

    conn = io->owner;
    server = conn->server;

    /* requests go on without a connection, and are answered into nothing */

    while ((sreq = conn->requests) != NULL) {
        conn->requests = sreq->next;
        sreq->prev = NULL;
        sreq->req.conn = NULL;
        atomic_store(&sreq->req.cancelled, true);
    }

    if (conn->hello && server->opts.closed != NULL) {
        server->opts.closed(conn, server->opts.data);
    }

    ph_metric_add(server->m_open, -1);
    *conn->prev = conn->next;

    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }

    server->n_conns--;
    conn->server = NULL;

    ph_wire_server_finish(server);
    ph_wire_server_unref(server);
    ph_wire_conn_unref(conn);
}

static void
ph_wire_conn_failed(ph_wire_io_t *io, const char *reason)
{
    ph_wire_conn_t  *conn;

    conn = io->owner;

    ph_metric_add(conn->server->m_broken, 1);
    ph_log(conn->server->opts.log, PH_LOG_WARN, PH1013,
           "peer=%s reason=%s", ph_log_str(ph_str_c(conn->peer.name)),
           ph_log_str(ph_str_c(reason)));
}

static ph_int_t
ph_wire_conn_ready(ph_wire_io_t *io)
{
    size_t           len;
    ph_wire_conn_t  *conn;

    conn = io->owner;

    if (io->ssl != NULL) {
        /* the certificate's name in front of the address */

        char  addr[64];

        (void) snprintf(addr, sizeof(addr), "%.63s", conn->peer.name);
        ph_tls_peer(io->ssl, conn->peer.name, sizeof(conn->peer.name) - 65);
        len = strlen(conn->peer.name);
        (void) snprintf(conn->peer.name + len, sizeof(conn->peer.name) - len,
                        " %s", addr);
    }

    return PH_OK;
}

static void
ph_wire_conn_request(ph_wire_conn_t *conn, const ph_wire_frame_t *frame)
{
    void              *taken;
    size_t             limit, size;
    uint8_t           *copy;
    ph_pool_t         *pool;
    ph_wire_sreq_t    *sreq;
    ph_wire_server_t  *server;

    server = conn->server;

    size = frame->ticket.len + frame->body.len;
    limit = server->opts.request_memory != 0 ? server->opts.request_memory
                                             : PH_POOL_DEFAULT_LIMIT;

    /* the frame itself is counted by max_frame */

    sreq = NULL;
    taken = NULL;
    pool = ph_pool_create("request", limit + size + 1024);

    if (pool == NULL || (sreq = ph_pcalloc(pool, sizeof(*sreq))) == NULL) {
        goto nomem;
    }

    taken = ph_wire_io_take(&conn->io, frame);

    if (taken != NULL) {
        if (ph_pool_cleanup_add(pool, free, taken) != PH_OK) {
            free(taken);
            goto nomem;
        }

        sreq->req.ticket = frame->ticket;
        sreq->req.body = frame->body;

    } else {
        copy = ph_palloc(pool, size);
        if (copy == NULL) {
            goto nomem;
        }

        if (size != 0) {
            memcpy(copy, frame->ticket.data, size);    /* they are neighbours */
        }

        sreq->req.ticket = (ph_str_t) { frame->ticket.len, copy };
        sreq->req.body = (ph_str_t) { frame->body.len,
                                      copy + frame->ticket.len };
    }

    sreq->req.pool = pool;
    sreq->req.op = frame->op;
    sreq->req.id = frame->id;
    sreq->req.peer = &conn->peer;
    sreq->req.conn = conn;
    atomic_init(&sreq->req.cancelled, false);

    sreq->owner = conn;
    sreq->next = conn->requests;
    sreq->prev = &conn->requests;

    if (conn->requests != NULL) {
        conn->requests->prev = &sreq->next;
    }

    conn->requests = sreq;
    conn->refs++;

    if (++conn->n_requests >= server->opts.max_inflight) {
        ph_wire_io_pause(&conn->io);
    }

    ph_metric_add(server->m_requests, 1);
    server->opts.request(&sreq->req, server->opts.data);

    return;

nomem:

    ph_pool_destroy(&pool);
    (void) ph_wire_io_send(&conn->io, PH_WIRE_F_ANSWER, frame->op, frame->id,
                           PH_WIRE_BUSY, ph_str_null, ph_str_null);
}

static void
ph_wire_conn_cancel(ph_wire_conn_t *conn, uint32_t id)
{
    ph_wire_sreq_t  *sreq;

    for (sreq = conn->requests; sreq != NULL; sreq = sreq->next) {
        if (sreq->req.id == id) {
            atomic_store(&sreq->req.cancelled, true);
        }
    }
}

static ph_int_t
ph_wire_conn_frame(ph_wire_io_t *io, const ph_wire_frame_t *frame)
{
    ph_wire_conn_t  *conn;

    conn = io->owner;

    if ((frame->flags & ~PH_WIRE_F_CANCEL) != 0
        || (frame->id == 0 && frame->op != PH_WIRE_OP_HELLO))
    {
        return PH_INVALID;
    }

    if (!conn->hello && (frame->op != PH_WIRE_OP_HELLO || frame->flags != 0)) {
        return PH_INVALID;
    }

    if (frame->flags & PH_WIRE_F_CANCEL) {
        ph_wire_conn_cancel(conn, frame->id);
        return PH_OK;
    }

    if (frame->op == PH_WIRE_OP_HELLO) {
        conn->hello = true;
        (void) ph_wire_io_send(io, PH_WIRE_F_ANSWER, frame->op, frame->id,
                               PH_WIRE_OK, ph_str_null,
                               conn->server->opts.hello);
        return PH_OK;
    }

    ph_wire_conn_request(conn, frame);

    return PH_OK;
}

/* PH_DENIED when this peer may not connect */
static ph_int_t
ph_wire_conn_peer(ph_wire_conn_t *conn)
{
    int                       fd, n;
    size_t                    i;
    socklen_t                 len;
    struct ucred              cred;
    struct sockaddr_storage   sa;
    ph_wire_server_opts_t    *opts;

    opts = &conn->server->opts;

    if (!conn->server->addr.local) {

        n = sizeof(sa);

        if (uv_tcp_getpeername(&conn->io.uv.tcp, (struct sockaddr *) &sa, &n)
            != 0)
        {
            return PH_ERROR;
        }

        ph_addr_print((struct sockaddr *) &sa, conn->peer.name,
                      sizeof(conn->peer.name));

        return ph_acl_match(opts->acl, opts->n_acl, (struct sockaddr *) &sa)
               ? PH_OK : PH_DENIED;
    }

    len = sizeof(cred);

    if (uv_fileno(&conn->io.uv.handle, &fd) != 0
        || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
    {
        return PH_ERROR;
    }

    conn->peer.local = true;
    conn->peer.uid = cred.uid;
    conn->peer.gid = cred.gid;
    conn->peer.pid = cred.pid;

    (void) snprintf(conn->peer.name, sizeof(conn->peer.name), "uid=%u pid=%d",
                    (unsigned) cred.uid, (int) cred.pid);

    if (opts->allowed_uids == NULL) {
        return cred.uid == 0 || cred.uid == geteuid() ? PH_OK : PH_DENIED;
    }

    for (i = 0; i < opts->n_allowed_uids; i++) {
        if (opts->allowed_uids[i] == cred.uid) {
            return PH_OK;
        }
    }

    return PH_DENIED;
}

static void
ph_wire_server_accept(uv_stream_t *stream, int status)
{
    ph_wire_conn_t    *conn;
    ph_wire_server_t  *server;

    server = stream->data;

    if (status != 0) {
        return;
    }

    conn = ph_calloc(1, sizeof(*conn));

    if (conn == NULL) {
        /* libuv holds the connection back, and all behind it, until then */
        server->accept_again = true;
        return;
    }

    conn->server = server;
    conn->io.owner = conn;
    conn->io.bounded = 1;
    conn->io.max_frame = server->opts.max_frame;
    conn->io.frame = ph_wire_conn_frame;
    conn->io.ready = ph_wire_conn_ready;
    conn->io.failed = ph_wire_conn_failed;
    conn->io.closed = ph_wire_conn_closed;

    if (ph_wire_io_init(&conn->io, &server->hub, server->addr.local) != PH_OK) {
        free(conn);
        return;
    }

    /* from here on the connection ends by ph_wire_io_close() */

    conn->refs = 1;
    conn->accepted = uv_now(server->hub.loop);
    conn->next = server->conns;
    conn->prev = &server->conns;

    if (server->conns != NULL) {
        server->conns->prev = &conn->next;
    }

    server->conns = conn;
    server->n_conns++;
    server->refs++;
    ph_metric_add(server->m_open, 1);

    if (uv_accept(stream, &conn->io.uv.stream) != 0) {
        ph_wire_io_close(&conn->io);
        return;
    }

    if (ph_wire_conn_peer(conn) != PH_OK) {
        ph_metric_add(server->m_refused, 1);
        ph_log(server->opts.log, PH_LOG_WARN, PH1012, "peer=%s",
               ph_log_str(ph_str_c(conn->peer.name)));
        ph_wire_io_close(&conn->io);
        return;
    }

    if (server->n_conns > server->opts.max_conns) {
        ph_metric_add(server->m_refused, 1);
        ph_log(server->opts.log, PH_LOG_WARN, PH1014, "peer=%s limit=%u",
               ph_log_str(ph_str_c(conn->peer.name)),
               (unsigned) server->opts.max_conns);
        ph_wire_io_close(&conn->io);
        return;
    }

    if (ph_wire_io_start(&conn->io, server->ctx, true, NULL) != PH_OK) {
        ph_wire_io_close(&conn->io);
    }
}

/* ---- the server ---- */

static ph_int_t
ph_wire_server_copy(ph_wire_server_t *server, const ph_wire_server_opts_t *opts)
{
    size_t        i;
    uid_t        *uids;
    const char  **acl;

    server->opts = *opts;

    if (server->opts.max_conns == 0) {
        server->opts.max_conns = PH_WIRE_MAX_CONNS;
    }

    if (server->opts.max_inflight == 0) {
        server->opts.max_inflight = PH_WIRE_MAX_INFLIGHT;
    }

    server->opts.hello = ph_pstrdup(server->pool, opts->hello);

    if (server->opts.hello.data == NULL) {
        return PH_NOMEM;
    }

    if (opts->allowed_uids != NULL) {
        uids = ph_pcalloc_array(server->pool, opts->n_allowed_uids,
                                sizeof(*uids));
        if (uids == NULL) {
            return PH_NOMEM;
        }

        if (opts->n_allowed_uids != 0) {
            memcpy(uids, opts->allowed_uids,
                   opts->n_allowed_uids * sizeof(*uids));
        }

        server->opts.allowed_uids = uids;
    }

    acl = ph_pcalloc_array(server->pool, opts->n_acl, sizeof(*acl));
    if (acl == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < opts->n_acl; i++) {
        acl[i] = ph_pcstr(server->pool, opts->acl[i]);
        if (acl[i] == NULL) {
            return PH_NOMEM;
        }
    }

    server->opts.acl = acl;

    return PH_OK;
}

/* whether processes of other users may connect: their credentials decide then,
 * and the mode of the socket must not */
static bool
ph_wire_server_others(const ph_wire_server_t *server)
{
    size_t  i;

    for (i = 0; i < server->opts.n_allowed_uids; i++) {
        if (server->opts.allowed_uids[i] != 0
            && server->opts.allowed_uids[i] != geteuid())
        {
            return true;
        }
    }

    return false;
}

/* binds and listens; the handle is initialised on return, also on errors */
static ph_int_t
ph_wire_server_open(ph_wire_server_t *server, int fd, char *err, size_t size)
{
    int       rc;
    ph_int_t  status;

    rc = server->addr.local
         ? uv_pipe_init(server->hub.loop, &server->uv.pipe, 0)
         : uv_tcp_init(server->hub.loop, &server->uv.tcp);

    server->uv.handle.data = server;

    if (rc == 0 && fd < 0) {
        status = ph_addr_listen(&server->addr, PH_WIRE_BACKLOG, &fd);

        if (status != PH_OK) {
            (void) snprintf(err, size, "%s", strerror(errno));
            return status;
        }

        server->created = server->addr.local;
    }

    if (rc == 0) {
        rc = server->addr.local ? uv_pipe_open(&server->uv.pipe, fd)
                                : uv_tcp_open(&server->uv.tcp, fd);
        if (rc != 0) {
            (void) close(fd);
        }
    }

    if (rc == 0 && server->addr.local && ph_wire_server_others(server)) {
        (void) chmod(server->addr.path, PH_WIRE_OPEN_MODE);
    }

    if (rc == 0) {
        rc = uv_listen(&server->uv.stream, PH_WIRE_BACKLOG,
                       ph_wire_server_accept);
    }

    if (rc != 0) {
        (void) snprintf(err, size, "%s", uv_strerror(rc));
        return PH_ERROR;
    }

    return PH_OK;
}

ph_int_t
ph_wire_listen(uv_loop_t *loop, const char *address, int fd,
    const ph_wire_server_opts_t *opts, ph_wire_server_t **server_r)
{
    char               err[256];
    ph_int_t           rc;
    ph_wire_server_t  *server;

    server = ph_calloc(1, sizeof(*server));
    if (server == NULL) {
        return PH_NOMEM;
    }

    err[0] = '\0';
    server->pool = ph_pool_create("wire-server", 0);

    rc = server->pool == NULL ? PH_NOMEM : ph_wire_server_copy(server, opts);

    if (rc == PH_OK) {
        rc = ph_addr_parse(address, &server->addr);
    }

    if (rc == PH_OK && !server->addr.local) {
        rc = ph_tls_context(true, opts->tls_cert, opts->tls_key, opts->tls_ca,
                            &server->ctx, err, sizeof(err));
    }

    if (rc == PH_OK) {
        rc = ph_wire_hub_init(&server->hub, loop, server->ctx != NULL);
    }

    if (rc != PH_OK) {
        SSL_CTX_free(server->ctx);
        ph_pool_destroy(&server->pool);
        free(server);
        server = NULL;

    } else {
        server->refs = 3;
        server->m_open = ph_gauge("posthorn_wire_connections", "",
                                  "Connections of the wire protocol.");
        server->m_requests = ph_counter("posthorn_wire_requests_total", "",
                                        "Requests received.");
        server->m_refused = ph_counter("posthorn_wire_refused_total", "",
                                       "Peers that were not allowed, or too "
                                       "many.");
        server->m_broken = ph_counter("posthorn_wire_broken_total", "",
                                      "Connections ended for an error.");
        (void) uv_timer_init(loop, &server->timer);
        server->timer.data = server;

        rc = ph_wire_server_open(server, fd, err, sizeof(err));

        if (rc != PH_OK) {
            ph_wire_server_stop(server, 0, NULL, NULL);
        }
    }

    if (rc != PH_OK) {
        ph_log(opts->log, PH_LOG_ERROR, PH1011, "address=%s reason=%s",
               ph_log_str(ph_str_c(address)),
               ph_log_str(ph_str_c(err[0] != '\0' ? err
                                                  : ph_result_name(rc))));
        return rc;
    }

    (void) uv_timer_start(&server->timer, ph_wire_server_sweep, PH_WIRE_SWEEP,
                          PH_WIRE_SWEEP);
    uv_unref((uv_handle_t *) &server->timer);

    ph_log(opts->log, PH_LOG_NOTICE, PH1010, "address=%s",
           ph_log_str(ph_str_c(address)));

    *server_r = server;

    return PH_OK;
}

int
ph_wire_server_port(const ph_wire_server_t *server)
{
    int                      len;
    struct sockaddr_storage  sa;

    len = sizeof(sa);

    if (server->addr.local
        || uv_tcp_getsockname(&server->uv.tcp, (struct sockaddr *) &sa, &len)
           != 0)
    {
        return 0;
    }

    return ntohs(sa.ss_family == AF_INET
                 ? ((struct sockaddr_in *) &sa)->sin_port
                 : ((struct sockaddr_in6 *) &sa)->sin6_port);
}

static void
ph_wire_server_close_conns(ph_wire_server_t *server, bool all)
{
    ph_wire_conn_t  *conn, *next;

    for (conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;

        if (all) {
            ph_wire_io_close(&conn->io);

        } else if (conn->n_requests == 0) {
            ph_wire_io_end(&conn->io);

        } else {
            ph_wire_io_pause(&conn->io);
        }
    }
}

/* once a second: peers that are silent, or a stop that takes too long */
static void
ph_wire_server_sweep(uv_timer_t *timer)
{
    uint64_t           now;
    ph_wire_conn_t    *conn, *next;
    ph_wire_server_t  *server;

    server = timer->data;
    now = uv_now(timer->loop);

    if (server->stopping) {
        if (now >= server->deadline) {
            ph_wire_server_close_conns(server, true);
        }

        return;
    }

    if (server->accept_again) {
        server->accept_again = false;
        ph_wire_server_accept(&server->uv.stream, 0);
    }

    for (conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;

        if ((!conn->hello && now - conn->accepted > PH_WIRE_HELLO_TIME)
            || (conn->hello && server->opts.idle_timeout != 0
                && conn->n_requests == 0
                && now - conn->io.active > server->opts.idle_timeout))
        {
            if (!conn->io.closing) {
                ph_wire_conn_failed(&conn->io, conn->hello ? "idle"
                                                           : "no HELLO");
                ph_wire_io_close(&conn->io);
            }
        }
    }
}

void
ph_wire_server_stop(ph_wire_server_t *server, uint64_t drain_ms,
    void (*done)(void *data), void *data)
{
    if (server->stopping) {
        return;
    }

    server->stopping = true;
    server->done = done;
    server->done_data = data;
    server->deadline = uv_now(server->hub.loop) + drain_ms;

    if (server->created) {
        (void) unlink(server->addr.path);
    }

    uv_close(&server->uv.handle, ph_wire_server_closed);

    (void) uv_timer_start(&server->timer, ph_wire_server_sweep, drain_ms,
                          PH_WIRE_SWEEP);
    uv_ref((uv_handle_t *) &server->timer);

    ph_wire_server_close_conns(server, drain_ms == 0);
    ph_wire_server_finish(server);
}

/* ---- answers ---- */

void
ph_wire_reply(ph_wire_req_t *req, ph_wire_status_t status, ph_str_t body)
{
    ph_pool_t         *pool;
    ph_wire_conn_t    *conn;
    ph_wire_sreq_t    *sreq;
    ph_wire_server_t  *server;

    sreq = (ph_wire_sreq_t *) req;
    conn = sreq->owner;
    pool = req->pool;

    if (sreq->prev != NULL) {

        *sreq->prev = sreq->next;

        if (sreq->next != NULL) {
            sreq->next->prev = sreq->prev;
        }

        server = conn->server;
        conn->n_requests--;

        (void) ph_wire_io_send(&conn->io, PH_WIRE_F_ANSWER, req->op, req->id,
                               (uint16_t) status, ph_str_null, body);

        if (!server->stopping) {
            ph_wire_io_resume(&conn->io);

        } else if (conn->n_requests == 0) {
            ph_wire_io_end(&conn->io);
        }
    }

    ph_pool_destroy(&pool);
    ph_wire_conn_unref(conn);
}

ph_int_t
ph_wire_push(ph_wire_conn_t *conn, uint16_t op, ph_str_t body)
{
    if (ph_wire_io_waiting(&conn->io) > PH_WIRE_PUSH_MAX) {
        return PH_BUSY;
    }

    return ph_wire_io_send(&conn->io, PH_WIRE_F_EVENT, op, 0, PH_WIRE_OK,
                           ph_str_null, body);
}

void
ph_wire_conn_set(ph_wire_conn_t *conn, void *data)
{
    conn->data = data;
}

void *
ph_wire_conn_get(const ph_wire_conn_t *conn)
{
    return conn->data;
}
