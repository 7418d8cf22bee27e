#include "smtp_io.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <stdlib.h>

typedef struct {
    uv_write_t   req;
    smtp_io_t   *io;
    uint8_t      data[];
} smtp_write_t;

static void smtp_io_try(smtp_io_t *io);


static void
smtp_io_fail(smtp_io_t *io, const char *why)
{
    if (!io->closing) {
        io->failed(io, why);
    }
}


static void
smtp_io_maybe_closed(smtp_io_t *io)
{
    if (io->closing && io->handles == 0 && !io->resolving) {
        if (io->addresses != NULL) {
            uv_freeaddrinfo(io->addresses);
            io->addresses = NULL;
        }
        SSL_free(io->ssl);
        io->ssl = NULL;
        io->closed(io);
    }
}


static void
smtp_io_handle_closed(uv_handle_t *handle)
{
    smtp_io_t  *io = handle->data;

    io->handles--;
    smtp_io_maybe_closed(io);
}


void
smtp_io_close(smtp_io_t *io)
{
    if (io->closing) {
        return;
    }

    io->closing = true;
    uv_close((uv_handle_t *) &io->timer, smtp_io_handle_closed);
    if (io->tcp_open) {
        io->tcp_open = false;
        uv_close((uv_handle_t *) &io->tcp, smtp_io_handle_closed);
    }
    if (io->resolving) {
        (void) uv_cancel((uv_req_t *) &io->resolve);
    }
}


static void
smtp_io_timeout(uv_timer_t *timer)
{
    smtp_io_fail(timer->data, "timeout");
}


static void
smtp_io_alive(smtp_io_t *io)
{
    uv_timer_start(&io->timer, smtp_io_timeout, io->relay->timeout, 0);
}


static void
smtp_io_written(uv_write_t *req, int status)
{
    smtp_write_t  *w = (smtp_write_t *) req;
    smtp_io_t     *io = w->io;

    free(w);
    io->writes--;

    if (io->closing) {
        return;
    }
    if (status != 0) {
        smtp_io_fail(io, uv_strerror(status));
        return;
    }

    smtp_io_alive(io);
    if (io->writes == 0 && (io->ssl == NULL || io->tls_ready)) {
        io->written(io);
    }
}


static void
smtp_io_send(smtp_io_t *io, const void *data, size_t len)
{
    int            rc;
    uv_buf_t       buf;
    smtp_write_t  *w = malloc(sizeof(*w) + len);

    if (w == NULL) {
        smtp_io_fail(io, "out of memory");
        return;
    }

    w->io = io;
    memcpy(w->data, data, len);
    buf = uv_buf_init((char *) w->data, (unsigned) len);
    rc = uv_write(&w->req, (uv_stream_t *) &io->tcp, &buf, 1,
                  smtp_io_written);
    if (rc != 0) {
        free(w);
        smtp_io_fail(io, uv_strerror(rc));
        return;
    }

    io->writes++;
}


/* what TLS has for the network */
static void
smtp_io_drain(smtp_io_t *io)
{
    int      n;
    uint8_t  buf[16384];

    while (!io->closing
           && (n = BIO_read(io->to_net, buf, (int) sizeof(buf))) > 0)
    {
        smtp_io_send(io, buf, (size_t) n);
    }
}


void
smtp_io_write(smtp_io_t *io, const void *data, size_t len)
{
    if (io->closing || len == 0) {
        return;
    }

    if (io->ssl == NULL) {
        smtp_io_send(io, data, len);
        return;
    }

    if (SSL_write(io->ssl, data, (int) len) != (int) len) {
        smtp_io_fail(io, "TLS write failed");
        return;
    }

    smtp_io_drain(io);
}


static void
smtp_io_handshake(smtp_io_t *io)
{
    int   rc = SSL_do_handshake(io->ssl);
    char  why[200];
    long  verify;

    smtp_io_drain(io);
    if (io->closing) {
        return;
    }

    if (rc == 1) {
        io->tls_ready = true;
        io->ready(io);
        return;
    }

    if (SSL_get_error(io->ssl, rc) != SSL_ERROR_WANT_READ) {
        verify = SSL_get_verify_result(io->ssl);
        (void) snprintf(why, sizeof(why), "TLS handshake failed: %s",
                        verify != X509_V_OK
                        ? X509_verify_cert_error_string(verify)
                        : "protocol error");
        ERR_clear_error();
        smtp_io_fail(io, why);
    }
}


static void
smtp_io_decrypt(smtp_io_t *io)
{
    int     n;
    size_t  before = io->in_len;

    if (!io->tls_ready) {
        smtp_io_handshake(io);
        if (!io->tls_ready || io->closing) {
            return;
        }
    }

    while (io->in_len < SMTP_IN_SIZE) {
        n = SSL_read(io->ssl, io->in + io->in_len,
                     (int) (SMTP_IN_SIZE - io->in_len));
        if (n <= 0) {
            break;
        }
        io->in_len += (size_t) n;
    }

    if (io->in_len != before) {
        io->readable(io);
    } else if (io->in_len == SMTP_IN_SIZE) {
        smtp_io_fail(io, "answer too long");
    }
}


static void
smtp_io_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    smtp_io_t  *io = handle->data;

    if (io->ssl == NULL) {
        *buf = uv_buf_init((char *) io->in + io->in_len,
                           (unsigned) (SMTP_IN_SIZE - io->in_len));
    } else {
        buf->base = malloc(suggested);
        buf->len = buf->base ? suggested : 0;
    }
}


static void
smtp_io_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    bool        clear;
    smtp_io_t  *io = stream->data;

    clear = (uint8_t *) buf->base >= io->in
            && (uint8_t *) buf->base <= io->in + SMTP_IN_SIZE;

    if (n > 0 && !io->closing) {
        smtp_io_alive(io);
        if (clear) {
            io->in_len += (size_t) n;
            io->readable(io);
        } else {
            (void) BIO_write(io->from_net, buf->base, (int) n);
            smtp_io_decrypt(io);
        }
    } else if (n < 0) {
        smtp_io_fail(io, n == UV_EOF ? "connection closed"
                         : n == UV_ENOBUFS ? "answer too long"
                                           : uv_strerror((int) n));
    }

    if (!clear) {
        free(buf->base);
    }
}


void
smtp_io_consume(smtp_io_t *io, size_t n)
{
    io->in_len -= n;
    memmove(io->in, io->in + n, io->in_len);
}


void
smtp_io_starttls(smtp_io_t *io)
{
    if (io->in_len != 0) {
        /* commands injected before the handshake */
        smtp_io_fail(io, "data before TLS");
        return;
    }

    io->ssl = SSL_new(io->relay->ctx);
    io->from_net = BIO_new(BIO_s_mem());
    io->to_net = BIO_new(BIO_s_mem());
    if (io->ssl == NULL || io->from_net == NULL || io->to_net == NULL) {
        BIO_free(io->from_net);
        BIO_free(io->to_net);
        smtp_io_fail(io, "out of memory");
        return;
    }

    SSL_set_bio(io->ssl, io->from_net, io->to_net);
    SSL_set_connect_state(io->ssl);
    (void) SSL_set_tlsext_host_name(io->ssl, io->relay->host);
    if (io->relay->verify) {
        (void) SSL_set1_host(io->ssl, io->relay->host);
        SSL_set_verify(io->ssl, SSL_VERIFY_PEER, NULL);
    }

    smtp_io_handshake(io);
}


bool
smtp_io_is_loopback(const smtp_io_t *io)
{
    const struct sockaddr      *sa = io->address ? io->address->ai_addr : NULL;
    const struct sockaddr_in6  *in6 = (const struct sockaddr_in6 *) sa;
    const struct sockaddr_in   *in4 = (const struct sockaddr_in *) sa;

    if (sa == NULL) {
        return false;
    }

    return sa->sa_family == AF_INET6
           ? IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr)
           : ntohl(in4->sin_addr.s_addr) >> 24 == 127;
}


static void
smtp_io_next_closed(uv_handle_t *handle)
{
    smtp_io_t  *io = handle->data;

    io->handles--;
    if (io->closing) {
        smtp_io_maybe_closed(io);
        return;
    }
    smtp_io_try(io);
}


static void
smtp_io_connected(uv_connect_t *req, int status)
{
    int         rc;
    smtp_io_t  *io = req->data;

    if (io->closing) {
        return;
    }

    if (status != 0) {
        if (io->address->ai_next != NULL) {
            io->address = io->address->ai_next;
            io->tcp_open = false;
            uv_close((uv_handle_t *) &io->tcp, smtp_io_next_closed);
            return;
        }
        smtp_io_fail(io, uv_strerror(status));
        return;
    }

    io->connected = true;
    rc = uv_read_start((uv_stream_t *) &io->tcp, smtp_io_alloc, smtp_io_read);
    if (rc != 0) {
        smtp_io_fail(io, uv_strerror(rc));
        return;
    }

    io->ready(io);
}


static void
smtp_io_try(smtp_io_t *io)
{
    int  rc;

    uv_tcp_init(io->d->loop, &io->tcp);
    io->tcp.data = io;
    io->tcp_open = true;
    io->handles++;
    io->connect.data = io;
    smtp_io_alive(io);

    rc = uv_tcp_connect(&io->connect, &io->tcp, io->address->ai_addr,
                        smtp_io_connected);
    if (rc != 0) {
        smtp_io_fail(io, uv_strerror(rc));
    }
}


static void
smtp_io_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    smtp_io_t  *io = req->data;

    io->resolving = false;
    io->addresses = list;

    if (io->closing) {
        smtp_io_maybe_closed(io);
        return;
    }

    if (status != 0 || list == NULL) {
        smtp_io_fail(io, status ? uv_strerror(status) : "host not found");
        return;
    }

    io->address = list;
    smtp_io_try(io);
}


/* the first thing that happens, so that nothing fails from inside the call */
static void
smtp_io_begin(uv_timer_t *timer)
{
    int               rc;
    smtp_io_t        *io = timer->data;
    struct addrinfo   hints = { .ai_socktype = SOCK_STREAM,
                                .ai_family = AF_UNSPEC };

    smtp_io_alive(io);
    io->resolve.data = io;
    io->resolving = true;
    rc = uv_getaddrinfo(io->d->loop, &io->resolve, smtp_io_resolved,
                        io->relay->host, io->relay->port, &hints);
    if (rc != 0) {
        io->resolving = false;
        smtp_io_fail(io, uv_strerror(rc));
    }
}


void
smtp_io_open(smtp_io_t *io)
{
    uv_timer_init(io->d->loop, &io->timer);
    io->timer.data = io;
    io->handles = 1;
    uv_timer_start(&io->timer, smtp_io_begin, 0, 0);
}
