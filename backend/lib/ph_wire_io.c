#include "ph_wire_io.h"
#include "ph_pool.h"
#include "ph_tls.h"

#include <openssl/err.h>
#include <stdlib.h>

#define PH_WIRE_KEEP    (16u << 10)    /* output buffers up to it are kept   */
#define PH_WIRE_DIRECT  (32u << 10)    /* bodies above it try to go at once  */
#define PH_WIRE_IN_MIN  4096

static void ph_wire_io_flush(ph_wire_io_t *io);
static void ph_wire_io_parse(ph_wire_io_t *io, uint8_t *data, size_t len);
static void ph_wire_io_decrypt(ph_wire_io_t *io);
static void ph_wire_io_reading(ph_wire_io_t *io);

/* ---- hub ---- */

static void
ph_wire_io_mark(ph_wire_io_t *io)
{
    ph_wire_hub_t  *hub;

    if (io->prev_dirty != NULL || io->closing) {
        return;
    }

    hub = io->hub;

    if (hub->dirty == NULL) {
        uv_ref((uv_handle_t *) &hub->prepare);
    }

    io->next_dirty = hub->dirty;
    io->prev_dirty = &hub->dirty;

    if (hub->dirty != NULL) {
        hub->dirty->prev_dirty = &io->next_dirty;
    }

    hub->dirty = io;
}

static void
ph_wire_io_unmark(ph_wire_io_t *io)
{
    if (io->prev_dirty == NULL) {
        return;
    }

    *io->prev_dirty = io->next_dirty;

    if (io->next_dirty != NULL) {
        io->next_dirty->prev_dirty = io->prev_dirty;
    }

    io->prev_dirty = NULL;

    if (io->hub->dirty == NULL) {
        uv_unref((uv_handle_t *) &io->hub->prepare);
    }
}

static void
ph_wire_io_unpause(ph_wire_io_t *io)
{
    size_t    len;
    uint8_t  *data;

    if (io->paused != 0 || io->reading || io->closing || io->parsing) {
        return;
    }

    /* frames that came before the pause */

    data = io->in;
    len = io->in_len;

    if (len != 0) {
        io->in = NULL;
        io->in_len = 0;
        io->in_cap = 0;

        ph_wire_io_parse(io, data, len);
        free(data);
    }

    if (io->ssl != NULL && io->secure) {
        ph_wire_io_decrypt(io);
    }
}

/* before the loop polls: write what this turn has produced */
static void
ph_wire_hub_prepare(uv_prepare_t *prepare)
{
    ph_wire_io_t   *io;
    ph_wire_hub_t  *hub;

    hub = prepare->data;

    while ((io = hub->dirty) != NULL) {
        ph_wire_io_unmark(io);
        ph_wire_io_unpause(io);

        if (!io->closing) {
            ph_wire_io_flush(io);
        }
    }
}

ph_int_t
ph_wire_hub_init(ph_wire_hub_t *hub, uv_loop_t *loop, bool tls)
{
    memset(hub, 0, sizeof(*hub));

    hub->loop = loop;
    hub->plain = ph_malloc(PH_WIRE_READ);
    hub->cipher = tls ? ph_malloc(PH_WIRE_READ) : NULL;

    if (hub->plain == NULL || (tls && hub->cipher == NULL)
        || uv_prepare_init(loop, &hub->prepare) != 0)
    {
        free(hub->plain);
        free(hub->cipher);
        return PH_NOMEM;
    }

    hub->prepare.data = hub;
    (void) uv_prepare_start(&hub->prepare, ph_wire_hub_prepare);
    uv_unref((uv_handle_t *) &hub->prepare);

    return PH_OK;
}

static void
ph_wire_hub_closed(uv_handle_t *handle)
{
    ph_wire_hub_t  *hub;

    hub = handle->data;

    free(hub->plain);
    free(hub->cipher);
    hub->closed(hub);
}

void
ph_wire_hub_close(ph_wire_hub_t *hub, void (*closed)(ph_wire_hub_t *hub))
{
    hub->closed = closed;
    uv_close((uv_handle_t *) &hub->prepare, ph_wire_hub_closed);
}

/* ---- end of a connection ---- */

static void
ph_wire_io_closed(uv_handle_t *handle)
{
    ph_wire_io_t  *io;

    io = handle->data;

    free(io->in);
    free(io->out);
    free(io->sent);
    SSL_free(io->ssl);      /* with its two BIOs */

    io->closed(io);
}

void
ph_wire_io_close(ph_wire_io_t *io)
{
    if (io->closing) {
        return;
    }

    ph_wire_io_unmark(io);
    io->closing = 1;
    uv_close(&io->uv.handle, ph_wire_io_closed);
}

static void
ph_wire_io_fail(ph_wire_io_t *io, const char *reason)
{
    if (io->closing) {
        return;
    }

    if (io->failed != NULL) {
        io->failed(io, reason);
    }

    ph_wire_io_close(io);
}

void
ph_wire_io_end(ph_wire_io_t *io)
{
    io->ending = 1;
    ph_wire_io_pause(io);
    ph_wire_io_mark(io);
}

/* ---- input ---- */

static void
ph_wire_io_keep(ph_wire_io_t *io, const uint8_t *data, size_t len, size_t need)
{
    size_t    cap;
    uint8_t  *in;

    /* data may lie inside io->in */

    cap = ph_max(need, len);
    cap = ph_max(cap, (size_t) PH_WIRE_IN_MIN);

    if (io->in != NULL && data >= io->in && data < io->in + io->in_cap) {

        memmove(io->in, data, len);

        if (cap != io->in_cap) {
            in = ph_realloc(io->in, cap);
            if (in == NULL) {
                ph_wire_io_fail(io, "out of memory");
                return;
            }

            io->in = in;
            io->in_cap = cap;
        }

    } else {
        in = ph_malloc(cap);
        if (in == NULL) {
            ph_wire_io_fail(io, "out of memory");
            return;
        }

        memcpy(in, data, len);
        free(io->in);
        io->in = in;
        io->in_cap = cap;
    }

    io->in_len = len;
}

static void
ph_wire_io_parse(ph_wire_io_t *io, uint8_t *data, size_t len)
{
    size_t           used;
    ph_int_t         rc;
    ph_wire_frame_t  frame;

    io->parsing = 1;
    used = 0;

    while (len != 0 && io->paused == 0 && !io->closing) {

        rc = ph_wire_parse(data, len, io->max_frame, &frame, &used);

        if (rc == PH_AGAIN) {
            break;
        }

        if (rc != PH_OK) {
            ph_wire_io_fail(io, rc == PH_TOOBIG ? "frame above the limit"
                                                : "malformed frame");
            break;
        }

        data += used;
        len -= used;

        if (io->frame(io, &frame) != PH_OK) {
            ph_wire_io_fail(io, "unexpected frame");
        }

        used = 0;
    }

    io->parsing = 0;

    if (io->closing) {
        return;
    }

    if (len != 0) {
        ph_wire_io_keep(io, data, len, used);

    } else {
        free(io->in);
        io->in = NULL;
        io->in_len = 0;
        io->in_cap = 0;
    }
}

void *
ph_wire_io_take(ph_wire_io_t *io, const ph_wire_frame_t *frame)
{
    void    *p;
    size_t   size;

    size = PH_WIRE_HEADER + frame->ticket.len + frame->body.len;

    if (size < PH_WIRE_TAKE || io->in == NULL || io->in_len != size
        || frame->ticket.data != io->in + PH_WIRE_HEADER)
    {
        return NULL;
    }

    p = io->in;
    io->in = NULL;
    io->in_len = 0;
    io->in_cap = 0;

    return p;
}

/* where the next bytes of plain text go */
static void
ph_wire_io_room(ph_wire_io_t *io, uint8_t **p_r, size_t *n_r)
{
    if (io->in_len != 0) {
        *p_r = io->in + io->in_len;
        *n_r = io->in_cap - io->in_len;

    } else {
        *p_r = io->hub->plain;
        *n_r = PH_WIRE_READ;
    }
}

static void
ph_wire_io_input(ph_wire_io_t *io, uint8_t *p, size_t n)
{
    if (io->in_len != 0) {
        io->in_len += n;
        ph_wire_io_parse(io, io->in, io->in_len);

    } else {
        ph_wire_io_parse(io, p, n);
    }
}

/* everything that can be decrypted of what has come */
static void
ph_wire_io_decrypt(ph_wire_io_t *io)
{
    int       n;
    size_t    room;
    uint8_t  *p;

    while (io->paused == 0 && !io->closing) {

        ph_wire_io_room(io, &p, &room);

        ERR_clear_error();
        n = SSL_read(io->ssl, p, (int) ph_min(room, (size_t) INT32_MAX));

        if (n > 0) {
            ph_wire_io_input(io, p, (size_t) n);
            continue;
        }

        switch (SSL_get_error(io->ssl, n)) {

        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            break;

        case SSL_ERROR_ZERO_RETURN:
            ph_wire_io_close(io);
            break;

        default:
            ph_wire_io_fail(io, "TLS failure");
        }

        break;
    }
}

static void
ph_wire_io_handshake(ph_wire_io_t *io)
{
    int   n;
    char  reason[200];

    ERR_clear_error();
    n = SSL_do_handshake(io->ssl);

    if (n == 1) {
        io->secure = 1;

        if (io->ready != NULL && io->ready(io) != PH_OK) {
            ph_wire_io_fail(io, "out of memory");
            return;
        }

    } else if (SSL_get_error(io->ssl, n) != SSL_ERROR_WANT_READ) {
        ph_tls_error(reason, sizeof(reason));

        /* an alert that tells the other side why */

        ph_wire_io_flush(io);
        ph_wire_io_fail(io, reason);
        return;
    }

    ph_wire_io_mark(io);
}

static void
ph_wire_io_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    size_t         room;
    uint8_t       *p;
    ph_wire_io_t  *io;

    (void) suggested;

    io = handle->data;

    if (io->ssl != NULL) {
        p = io->hub->cipher;
        room = PH_WIRE_READ;

    } else {
        ph_wire_io_room(io, &p, &room);
    }

    *buf = uv_buf_init((char *) p, (unsigned) ph_min(room, (size_t) 1 << 30));
}

static void
ph_wire_io_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    ph_wire_io_t  *io;

    io = stream->data;

    if (io->closing || n == 0) {
        return;
    }

    if (n < 0) {
        if (n == UV_EOF) {
            ph_wire_io_close(io);

        } else {
            ph_wire_io_fail(io, uv_strerror((int) n));
        }

        return;
    }

    io->active = uv_now(io->hub->loop);

    if (io->ssl == NULL) {
        ph_wire_io_input(io, (uint8_t *) buf->base, (size_t) n);

    } else if (BIO_write(io->net_in, buf->base, (int) n) != (int) n) {
        ph_wire_io_fail(io, "out of memory");

    } else {
        if (!io->secure) {
            ph_wire_io_handshake(io);
        }

        if (io->secure && !io->closing) {
            ph_wire_io_decrypt(io);
        }
    }

    ph_wire_io_reading(io);
}

/* reads when nothing is against it */
static void
ph_wire_io_reading(ph_wire_io_t *io)
{
    if (io->closing) {
        return;
    }

    if (io->paused != 0) {
        if (io->reading) {
            io->reading = 0;
            (void) uv_read_stop(&io->uv.stream);
        }

        return;
    }

    if (!io->reading) {
        if (uv_read_start(&io->uv.stream, ph_wire_io_alloc, ph_wire_io_read)
            != 0)
        {
            ph_wire_io_fail(io, "cannot read");
            return;
        }

        io->reading = 1;
    }
}

void
ph_wire_io_pause(ph_wire_io_t *io)
{
    io->paused |= PH_WIRE_PAUSE_OWNER;
    ph_wire_io_reading(io);
}

void
ph_wire_io_resume(ph_wire_io_t *io)
{
    if ((io->paused & PH_WIRE_PAUSE_OWNER) == 0 || io->ending) {
        return;
    }

    io->paused &= (uint8_t) ~PH_WIRE_PAUSE_OWNER;

    /* frames that wait are handled before the loop polls, not from here */

    ph_wire_io_mark(io);
}

/* ---- output ---- */

size_t
ph_wire_io_waiting(const ph_wire_io_t *io)
{
    return io->out_len + io->sent_len;
}

static ph_int_t
ph_wire_io_append(ph_wire_io_t *io, const void *data, size_t len)
{
    size_t    cap, need;
    uint8_t  *out;

    need = io->out_len + len;

    if (need > io->out_cap) {

        cap = io->out_cap != 0 ? io->out_cap : 1024;

        while (cap < need) {
            cap *= 2;
        }

        out = ph_realloc(io->out, cap);
        if (out == NULL) {
            ph_wire_io_fail(io, "out of memory");
            return PH_NOMEM;
        }

        io->out = out;
        io->out_cap = cap;
    }

    if (len != 0) {
        memcpy(io->out + io->out_len, data, len);
    }

    io->out_len = need;

    return PH_OK;
}

/* writes what the kernel takes at once; the rest is appended to out */
static ph_int_t
ph_wire_io_direct(ph_wire_io_t *io, const uint8_t *header, ph_str_t ticket,
    ph_str_t body)
{
    int        n;
    size_t     i, done;
    uv_buf_t   bufs[4];

    bufs[0] = uv_buf_init((char *) io->out, (unsigned) io->out_len);
    bufs[1] = uv_buf_init((char *) header, PH_WIRE_HEADER);
    bufs[2] = uv_buf_init((char *) ticket.data, (unsigned) ticket.len);
    bufs[3] = uv_buf_init((char *) body.data, (unsigned) body.len);

    n = uv_try_write(&io->uv.stream, bufs, ph_nelts(bufs));
    done = n > 0 ? (size_t) n : 0;

    if (done != 0) {
        io->active = uv_now(io->hub->loop);
    }

    if (done < io->out_len) {
        memmove(io->out, io->out + done, io->out_len - done);
        io->out_len -= done;
        done = 0;

    } else {
        done -= io->out_len;
        io->out_len = 0;
    }

    for (i = 1; i < ph_nelts(bufs); i++) {

        if (done >= bufs[i].len) {
            done -= bufs[i].len;
            continue;
        }

        if (ph_wire_io_append(io, bufs[i].base + done, bufs[i].len - done)
            != PH_OK)
        {
            return PH_NOMEM;
        }

        done = 0;
    }

    return PH_OK;
}

ph_int_t
ph_wire_io_send(ph_wire_io_t *io, uint8_t flags, uint16_t op, uint32_t id,
    uint16_t status, ph_str_t ticket, ph_str_t body)
{
    uint8_t   header[PH_WIRE_HEADER];
    ph_int_t  rc;

    if (io->closing) {
        return PH_ABORT;
    }

    ph_wire_header(header, flags, op, id, status, (uint16_t) ticket.len,
                   (uint32_t) body.len);

    if (body.len > PH_WIRE_DIRECT && io->ssl == NULL && io->sent == NULL
        && io->secure)
    {
        rc = ph_wire_io_direct(io, header, ticket, body);

    } else {
        rc = ph_wire_io_append(io, header, sizeof(header));

        if (rc == PH_OK && ticket.len != 0) {
            rc = ph_wire_io_append(io, ticket.data, ticket.len);
        }

        if (rc == PH_OK) {
            rc = ph_wire_io_append(io, body.data, body.len);
        }
    }

    if (rc != PH_OK) {
        return rc;
    }

    ph_wire_io_mark(io);

    if (io->bounded && ph_wire_io_waiting(io) > PH_WIRE_HIGH
        && (io->paused & PH_WIRE_PAUSE_OUTPUT) == 0)
    {
        io->paused |= PH_WIRE_PAUSE_OUTPUT;
        ph_wire_io_reading(io);
    }

    return PH_OK;
}

static void
ph_wire_io_written(uv_write_t *req, int status)
{
    ph_wire_io_t  *io;

    io = req->data;

    free(io->sent);
    io->sent = NULL;
    io->sent_len = 0;

    if (io->closing) {
        return;
    }

    if (status < 0) {
        ph_wire_io_fail(io, uv_strerror(status));
        return;
    }

    io->active = uv_now(io->hub->loop);
    ph_wire_io_mark(io);
}

/* gives a ph_malloc()ed buffer to libuv, beginning at offset */
static void
ph_wire_io_write(ph_wire_io_t *io, uint8_t *data, size_t len, size_t offset)
{
    int       rc;
    uv_buf_t  buf;

    io->sent = data;
    io->sent_len = len - offset;
    io->write.data = io;

    buf = uv_buf_init((char *) data + offset, (unsigned) (len - offset));

    rc = uv_write(&io->write, &io->uv.stream, &buf, 1, ph_wire_io_written);

    if (rc != 0) {
        free(io->sent);
        io->sent = NULL;
        io->sent_len = 0;
        ph_wire_io_fail(io, uv_strerror(rc));
    }
}

/* plain text into TLS; what it does not take stays */
static bool
ph_wire_io_encrypt(ph_wire_io_t *io)
{
    int     n;
    size_t  done;

    for (done = 0; io->secure && done < io->out_len; done += (size_t) n) {

        ERR_clear_error();
        n = SSL_write(io->ssl, io->out + done,
                      (int) ph_min(io->out_len - done, (size_t) 1 << 30));

        if (n <= 0) {
            ph_wire_io_fail(io, "TLS failure");
            return false;
        }
    }

    if (done != 0) {
        io->out_len = 0;
    }

    return true;
}

static void
ph_wire_io_flush_tls(ph_wire_io_t *io)
{
    int        n;
    char      *data;
    long       len;
    uint8_t   *copy;
    uv_buf_t   buf;

    if (!ph_wire_io_encrypt(io)) {
        return;
    }

    len = BIO_get_mem_data(io->net_out, &data);

    if (len <= 0) {
        return;
    }

    buf = uv_buf_init(data, (unsigned) len);
    n = uv_try_write(&io->uv.stream, &buf, 1);
    n = ph_max(n, 0);

    if (n != 0) {
        io->active = uv_now(io->hub->loop);
    }

    if (n < len) {
        copy = ph_malloc((size_t) (len - n));
        if (copy == NULL) {
            ph_wire_io_fail(io, "out of memory");
            return;
        }

        memcpy(copy, data + n, (size_t) (len - n));
        (void) BIO_reset(io->net_out);
        ph_wire_io_write(io, copy, (size_t) (len - n), 0);
        return;
    }

    (void) BIO_reset(io->net_out);
}

static void
ph_wire_io_flush_plain(ph_wire_io_t *io)
{
    int        n;
    size_t     len;
    uint8_t   *out;
    uv_buf_t   buf;

    if (io->out_len == 0 || !io->secure) {
        return;
    }

    buf = uv_buf_init((char *) io->out, (unsigned) io->out_len);
    n = uv_try_write(&io->uv.stream, &buf, 1);
    n = ph_max(n, 0);

    if (n != 0) {
        io->active = uv_now(io->hub->loop);
    }

    if ((size_t) n < io->out_len) {
        out = io->out;
        len = io->out_len;
        io->out = NULL;
        io->out_len = 0;
        io->out_cap = 0;
        ph_wire_io_write(io, out, len, (size_t) n);
        return;
    }

    io->out_len = 0;
}

static void
ph_wire_io_flush(ph_wire_io_t *io)
{
    if (io->sent != NULL) {
        return;                 /* goes on when that is written */
    }

    if (io->ssl != NULL) {
        ph_wire_io_flush_tls(io);

    } else {
        ph_wire_io_flush_plain(io);
    }

    if (io->closing) {
        return;
    }

    if (io->out_len == 0 && io->out_cap > PH_WIRE_KEEP) {
        free(io->out);
        io->out = NULL;
        io->out_cap = 0;
    }

    if (io->ending && io->sent == NULL && io->out_len == 0) {
        ph_wire_io_close(io);
        return;
    }

    if ((io->paused & PH_WIRE_PAUSE_OUTPUT) != 0
        && ph_wire_io_waiting(io) < PH_WIRE_LOW)
    {
        io->paused &= (uint8_t) ~PH_WIRE_PAUSE_OUTPUT;
        ph_wire_io_mark(io);
        return;
    }

    if (io->secure || io->ssl != NULL) {
        ph_wire_io_reading(io);
    }
}

/* ---- begin of a connection ---- */

ph_int_t
ph_wire_io_init(ph_wire_io_t *io, ph_wire_hub_t *hub, bool local)
{
    int  rc;

    io->hub = hub;
    io->active = uv_now(hub->loop);

    rc = local ? uv_pipe_init(hub->loop, &io->uv.pipe, 0)
               : uv_tcp_init(hub->loop, &io->uv.tcp);

    io->uv.handle.data = io;

    return rc == 0 ? PH_OK : PH_ERROR;
}

ph_int_t
ph_wire_io_start(ph_wire_io_t *io, SSL_CTX *ctx, bool server,
    const char *expect)
{
    if (ctx == NULL) {
        io->secure = 1;

        if (io->ready != NULL && io->ready(io) != PH_OK) {
            return PH_ERROR;
        }

        ph_wire_io_reading(io);

        return PH_OK;
    }

    (void) uv_tcp_nodelay(&io->uv.tcp, 1);

    io->ssl = SSL_new(ctx);
    if (io->ssl == NULL) {
        return PH_NOMEM;
    }

    io->net_in = BIO_new(BIO_s_mem());
    io->net_out = BIO_new(BIO_s_mem());

    if (io->net_in == NULL || io->net_out == NULL) {
        BIO_free(io->net_in);
        BIO_free(io->net_out);
        return PH_NOMEM;
    }

    SSL_set_bio(io->ssl, io->net_in, io->net_out);

    if (server) {
        SSL_set_accept_state(io->ssl);

    } else {
        SSL_set_connect_state(io->ssl);

        if (expect != NULL && ph_tls_expect(io->ssl, expect) != PH_OK) {
            return PH_ERROR;
        }

        ph_wire_io_handshake(io);
    }

    ph_wire_io_reading(io);

    return PH_OK;
}
