/*
 * The blocking client.  A connection is taken out of the idle ones for each
 * call and put back after it, so that only the list is shared between threads.
 */

#include "ph_wire.h"
#include "ph_addr.h"
#include "ph_daemon.h"
#include "ph_log.h"
#include "ph_pool.h"
#include "ph_str.h"
#include "ph_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define PH_WIRE_SYNC_IDLE     8
#define PH_WIRE_SYNC_READ     4096
#define PH_WIRE_SYNC_TIMEOUT  30000
#define PH_WIRE_SYNC_CONNECT  5000

typedef struct ph_wire_sock_s  ph_wire_sock_t;

struct ph_wire_sock_s {
    ph_wire_sock_t  *next;
    int              fd;
    SSL             *ssl;
    uint32_t         next_id;
    bool             used;         /* was kept after an earlier call */
    bool             sent;         /* this call's request, whole */
};

struct ph_wire_sync_s {
    pthread_mutex_t         lock;
    ph_wire_sock_t         *idle;
    size_t                  n_idle;
    uint8_t                *hello;        /* of the newest connection */
    size_t                  hello_len;
    ph_addr_t               addr;
    ph_wire_client_opts_t   opts;
    SSL_CTX                *ctx;
    char                   *address;
};

static void
ph_wire_sock_close(ph_wire_sock_t *sock)
{
    SSL_free(sock->ssl);
    (void) close(sock->fd);
    free(sock);
}

/* ---- bytes, until a deadline ---- */

static ph_int_t
ph_wire_sock_wait(ph_wire_sock_t *sock, short events, uint64_t deadline)
{
    int            n;
    uint64_t       now;
    struct pollfd  p;

    p.fd = sock->fd;
    p.events = events;

    do {
        now = ph_now_ms();

        if (now >= deadline) {
            return PH_TIMEOUT;
        }

        n = poll(&p, 1, (int) ph_min(deadline - now, (uint64_t) INT32_MAX));
    } while (n == -1 && errno == EINTR);

    return n == -1 ? PH_ERROR : n == 0 ? PH_TIMEOUT : PH_OK;
}

/* what to wait for after an SSL call that did not get on; 0: it failed */
static short
ph_wire_sock_ssl(ph_wire_sock_t *sock, int rc)
{
    switch (SSL_get_error(sock->ssl, rc)) {
    case SSL_ERROR_WANT_READ:   return POLLIN;
    case SSL_ERROR_WANT_WRITE:  return POLLOUT;
    default:                    return 0;
    }
}

static ph_int_t
ph_wire_sock_handshake(ph_wire_sync_t *sync, ph_wire_sock_t *sock,
    uint64_t deadline)
{
    int       n;
    char      reason[200];
    short     events;
    ph_int_t  rc;

    sock->ssl = SSL_new(sync->ctx);

    if (sock->ssl == NULL || SSL_set_fd(sock->ssl, sock->fd) != 1
        || ph_tls_expect(sock->ssl, sync->addr.host) != PH_OK)
    {
        return PH_ERROR;
    }

    for ( ;; ) {
        ERR_clear_error();
        n = SSL_connect(sock->ssl);

        if (n == 1) {
            return PH_OK;
        }

        events = ph_wire_sock_ssl(sock, n);

        if (events == 0) {
            ph_tls_error(reason, sizeof(reason));
            ph_log(sync->opts.log, PH_LOG_WARN, PH1016,
                   "address=%s reason=%s",
                   ph_log_str(ph_str_c(sync->address)),
                   ph_log_str(ph_str_c(reason)));
            return PH_ERROR;
        }

        rc = ph_wire_sock_wait(sock, events, deadline);
        if (rc != PH_OK) {
            return rc;
        }
    }
}

/* PH_OK with *n_r bytes, at least one; PH_DONE when the far side has closed */
static ph_int_t
ph_wire_sock_read(ph_wire_sock_t *sock, void *data, size_t len,
    uint64_t deadline, size_t *n_r)
{
    short     events;
    ssize_t   n;
    ph_int_t  rc;

    for ( ;; ) {

        if (sock->ssl != NULL) {
            ERR_clear_error();
            n = SSL_read(sock->ssl, data,
                         (int) ph_min(len, (size_t) INT32_MAX));
            events = n > 0 ? 0 : ph_wire_sock_ssl(sock, (int) n);

            if (n <= 0 && events == 0) {
                return PH_DONE;
            }

        } else {
            n = recv(sock->fd, data, len, MSG_DONTWAIT);
            events = POLLIN;

            if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
                return PH_DONE;
            }
        }

        if (n > 0) {
            *n_r = (size_t) n;
            return PH_OK;
        }

        rc = ph_wire_sock_wait(sock, events, deadline);
        if (rc != PH_OK) {
            return rc;
        }
    }
}

static ph_int_t
ph_wire_sock_write_tls(ph_wire_sock_t *sock, const struct iovec *iov,
    uint64_t deadline)
{
    int       n;
    short     events;
    size_t    done;
    ph_int_t  rc;

    for (done = 0; done < iov->iov_len; ) {

        ERR_clear_error();
        n = SSL_write(sock->ssl, (char *) iov->iov_base + done,
                      (int) ph_min(iov->iov_len - done, (size_t) 1 << 30));

        if (n > 0) {
            done += (size_t) n;
            continue;
        }

        events = ph_wire_sock_ssl(sock, n);
        if (events == 0) {
            return PH_DONE;
        }

        rc = ph_wire_sock_wait(sock, events, deadline);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}

/* all parts; iov is used up */
static ph_int_t
ph_wire_sock_write(ph_wire_sock_t *sock, struct iovec *iov, size_t n_iov,
    uint64_t deadline)
{
    size_t         i;
    ssize_t        n;
    ph_int_t       rc;
    struct msghdr  msg;

    for (i = 0; sock->ssl != NULL && i < n_iov; i++) {
        rc = ph_wire_sock_write_tls(sock, &iov[i], deadline);
        if (rc != PH_OK) {
            return rc;
        }

        iov[i].iov_len = 0;
    }

    for ( ;; ) {

        while (n_iov != 0 && iov->iov_len == 0) {
            iov++;
            n_iov--;
        }

        if (n_iov == 0) {
            return PH_OK;
        }

        memset(&msg, 0, sizeof(msg));
        msg.msg_iov = iov;
        msg.msg_iovlen = n_iov;

        n = sendmsg(sock->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n == -1) {
            if (errno != EAGAIN && errno != EINTR) {
                return PH_DONE;
            }

            rc = ph_wire_sock_wait(sock, POLLOUT, deadline);
            if (rc != PH_OK) {
                return rc;
            }

            continue;
        }

        for (i = 0; n > 0; i++) {
            size_t  part = ph_min((size_t) n, iov[i].iov_len);

            iov[i].iov_base = (char *) iov[i].iov_base + part;
            iov[i].iov_len -= part;
            n -= (ssize_t) part;
        }
    }
}

/* ---- one exchange ---- */

/*
 * Reads frames until the answer to id; its body is in pool.  `first` bytes of
 * buf have come already with the frame before.
 */
static ph_int_t
ph_wire_sock_answer(ph_wire_sync_t *sync, ph_wire_sock_t *sock,
    ph_pool_t *pool, uint32_t id, uint64_t deadline,
    ph_wire_status_t *status_r, ph_str_t *body_r)
{
    size_t            have, n, used;
    uint8_t           buf[PH_WIRE_SYNC_READ], *data;
    ph_int_t          rc;
    ph_wire_frame_t   frame;

    have = 0;

    for ( ;; ) {

        rc = ph_wire_parse(buf, have, sync->opts.max_frame, &frame, &used);

        if (rc == PH_AGAIN && used <= sizeof(buf)) {
            rc = ph_wire_sock_read(sock, buf + have, sizeof(buf) - have,
                                   deadline, &n);
            if (rc != PH_OK) {
                return rc;
            }

            have += n;
            continue;
        }

        data = NULL;

        if (rc == PH_AGAIN) {

            /* a large frame goes straight where it stays */

            data = ph_palloc(pool, used);
            if (data == NULL) {
                return PH_NOMEM;
            }

            memcpy(data, buf, have);

            while (have < used) {
                rc = ph_wire_sock_read(sock, data + have, used - have,
                                       deadline, &n);
                if (rc != PH_OK) {
                    return rc;
                }

                have += n;
            }

            rc = ph_wire_parse(data, have, sync->opts.max_frame, &frame,
                               &used);
        }

        if (rc != PH_OK) {
            return PH_INVALID;
        }

        if (frame.flags == PH_WIRE_F_ANSWER && frame.id == id) {
            break;
        }

        if (data != NULL) {
            ph_pfree(pool, data, used);
            have = 0;

        } else {
            memmove(buf, buf + used, have - used);
            have -= used;
        }
    }

    /* with the NUL that ph_pstrdup() adds, or without one */

    *body_r = data != NULL ? frame.body : ph_pstrdup(pool, frame.body);
    *status_r = (ph_wire_status_t) frame.status;

    if (body_r->data == NULL) {
        return PH_NOMEM;
    }

    return have > used ? PH_DECLINED : PH_OK;
}

/* PH_DECLINED: as PH_OK, but more has come and the connection cannot be kept */
static ph_int_t
ph_wire_sock_call(ph_wire_sync_t *sync, ph_wire_sock_t *sock, ph_pool_t *pool,
    uint16_t op, ph_str_t ticket, ph_str_t body, uint64_t deadline,
    ph_wire_status_t *status_r, ph_str_t *answer_r)
{
    uint8_t       header[PH_WIRE_HEADER];
    uint32_t      id;
    ph_int_t      rc;
    struct iovec  iov[3];

    id = ++sock->next_id;
    sock->sent = false;

    ph_wire_header(header, 0, op, id, 0, (uint16_t) ticket.len,
                   (uint32_t) body.len);

    iov[0] = (struct iovec) { header, sizeof(header) };
    iov[1] = (struct iovec) { (void *) ticket.data, ticket.len };
    iov[2] = (struct iovec) { (void *) body.data, body.len };

    rc = ph_wire_sock_write(sock, iov, ph_nelts(iov), deadline);
    if (rc != PH_OK) {
        return rc;
    }

    sock->sent = true;

    return ph_wire_sock_answer(sync, sock, pool, id, deadline, status_r,
                               answer_r);
}

/* a new connection, with HELLO exchanged */
static ph_int_t
ph_wire_sync_connect(ph_wire_sync_t *sync, ph_pool_t *pool, uint64_t deadline,
    ph_wire_sock_t **sock_r)
{
    uint8_t           *copy;
    uint64_t           now;
    ph_str_t           hello;
    ph_int_t           rc;
    ph_wire_sock_t    *sock;
    ph_wire_status_t   status;

    now = ph_now_ms();

    if (now >= deadline) {
        return PH_TIMEOUT;
    }

    sock = ph_calloc(1, sizeof(*sock));
    if (sock == NULL) {
        return PH_NOMEM;
    }

    deadline = ph_min(deadline, now + sync->opts.connect_timeout);

    rc = ph_addr_connect(&sync->addr, deadline - now, &sock->fd);
    if (rc != PH_OK) {
        free(sock);
        return rc;
    }

    if (sync->ctx != NULL) {
        (void) fcntl(sock->fd, F_SETFL, fcntl(sock->fd, F_GETFL) | O_NONBLOCK);
        rc = ph_wire_sock_handshake(sync, sock, deadline);
    }

    if (rc == PH_OK) {
        rc = ph_wire_sock_call(sync, sock, pool, PH_WIRE_OP_HELLO, ph_str_null,
                               ph_str_null, deadline, &status, &hello);
    }

    if (rc == PH_OK && status != PH_WIRE_OK) {
        rc = PH_DENIED;
    }

    copy = rc == PH_OK ? ph_malloc(hello.len + 1) : NULL;

    if (copy == NULL) {
        ph_wire_sock_close(sock);
        return rc == PH_OK ? PH_NOMEM : rc;
    }

    memcpy(copy, hello.data, hello.len);

    (void) pthread_mutex_lock(&sync->lock);
    free(sync->hello);
    sync->hello = copy;
    sync->hello_len = hello.len;
    (void) pthread_mutex_unlock(&sync->lock);

    *sock_r = sock;

    return PH_OK;
}

/* an idle connection that the far side has not closed meanwhile, or NULL */
static ph_wire_sock_t *
ph_wire_sync_take(ph_wire_sync_t *sync)
{
    char             byte;
    ph_wire_sock_t  *sock;

    for ( ;; ) {

        (void) pthread_mutex_lock(&sync->lock);

        sock = sync->idle;

        if (sock != NULL) {
            sync->idle = sock->next;
            sync->n_idle--;
        }

        (void) pthread_mutex_unlock(&sync->lock);

        /* nothing is awaited there: neither bytes nor the end are good */

        if (sock == NULL
            || (recv(sock->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1
                && errno == EAGAIN))
        {
            return sock;
        }

        ph_wire_sock_close(sock);
    }
}

static void
ph_wire_sync_keep(ph_wire_sync_t *sync, ph_wire_sock_t *sock)
{
    (void) pthread_mutex_lock(&sync->lock);

    if (sync->n_idle < PH_WIRE_SYNC_IDLE) {
        sock->used = true;
        sock->next = sync->idle;
        sync->idle = sock;
        sync->n_idle++;
        sock = NULL;
    }

    (void) pthread_mutex_unlock(&sync->lock);

    if (sock != NULL) {
        ph_wire_sock_close(sock);
    }
}

/* ---- for the owner ---- */

ph_int_t
ph_wire_sync_create(const char *address, const ph_wire_client_opts_t *opts,
    ph_wire_sync_t **sync_r)
{
    char             err[256];
    ph_int_t         rc;
    ph_wire_sync_t  *sync;

    sync = ph_calloc(1, sizeof(*sync));
    if (sync == NULL) {
        return PH_NOMEM;
    }

    (void) pthread_mutex_init(&sync->lock, NULL);

    if (opts != NULL) {
        sync->opts = *opts;
    }

    if (sync->opts.connect_timeout == 0) {
        sync->opts.connect_timeout = PH_WIRE_SYNC_CONNECT;
    }

    sync->address = strdup(address);

    rc = sync->address == NULL ? PH_NOMEM
                               : ph_addr_parse(address, &sync->addr);

    if (rc == PH_OK && !sync->addr.local) {
        rc = ph_tls_context(false, sync->opts.tls_cert, sync->opts.tls_key,
                            sync->opts.tls_ca, &sync->ctx, err, sizeof(err));
        if (rc != PH_OK) {
            ph_log(sync->opts.log, PH_LOG_ERROR, PH1016,
                   "address=%s reason=%s", ph_log_str(ph_str_c(address)),
                   ph_log_str(ph_str_c(err)));
        }
    }

    if (rc != PH_OK) {
        ph_wire_sync_destroy(&sync);
        return rc;
    }

    *sync_r = sync;

    return PH_OK;
}

void
ph_wire_sync_destroy(ph_wire_sync_t **sync)
{
    ph_wire_sync_t  *s;
    ph_wire_sock_t  *sock;

    s = *sync;
    if (s == NULL) {
        return;
    }

    *sync = NULL;

    while ((sock = s->idle) != NULL) {
        s->idle = sock->next;
        ph_wire_sock_close(sock);
    }

    SSL_CTX_free(s->ctx);
    (void) pthread_mutex_destroy(&s->lock);
    free(s->hello);
    free(s->address);
    free(s);
}

ph_int_t
ph_wire_sync_call(ph_wire_sync_t *sync, ph_pool_t *pool, uint16_t op,
    ph_str_t ticket, ph_str_t body, uint64_t timeout,
    ph_wire_status_t *status_r, ph_str_t *answer_r)
{
    bool             again;
    uint64_t         deadline;
    ph_int_t         rc;
    ph_wire_sock_t  *sock;

    *status_r = PH_WIRE_UNAVAILABLE;
    *answer_r = ph_str_null;

    if (ticket.len > PH_WIRE_MAX_TICKET
        || body.len > PH_WIRE_MAX_FRAME - PH_WIRE_HEADER - ticket.len)
    {
        return PH_TOOBIG;
    }

    deadline = ph_now_ms() + (timeout != 0 ? timeout : PH_WIRE_SYNC_TIMEOUT);

    do {
        again = false;
        sock = ph_wire_sync_take(sync);

        if (sock == NULL) {
            rc = ph_wire_sync_connect(sync, pool, deadline, &sock);
            if (rc != PH_OK) {
                return rc == PH_TIMEOUT ? PH_TIMEOUT : PH_ERROR;
            }
        }

        rc = ph_wire_sock_call(sync, sock, pool, op, ticket, body, deadline,
                               status_r, answer_r);

        if (rc == PH_OK) {
            ph_wire_sync_keep(sync, sock);
            return PH_OK;
        }

        /* once written whole it may have been done, and is not repeated */

        again = rc == PH_DONE && sock->used && !sock->sent;
        ph_wire_sock_close(sock);

        if (rc == PH_DECLINED) {
            return PH_OK;
        }

        *status_r = PH_WIRE_UNAVAILABLE;
        *answer_r = ph_str_null;

    } while (again);

    return rc == PH_TIMEOUT || rc == PH_NOMEM ? rc : PH_ERROR;
}

ph_int_t
ph_wire_sync_hello(ph_wire_sync_t *sync, ph_pool_t *pool, ph_str_t *hello_r)
{
    ph_int_t          rc;
    ph_str_t          hello;
    ph_wire_status_t  status;

    /* asked anew, so that it is that of now */

    rc = ph_wire_sync_call(sync, pool, PH_WIRE_OP_HELLO, ph_str_null,
                           ph_str_null, 0, &status, &hello);
    if (rc != PH_OK) {
        return rc;
    }

    if (status != PH_WIRE_OK) {
        return ph_wire_status_rc(status);
    }

    *hello_r = hello;

    return PH_OK;
}
