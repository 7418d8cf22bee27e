#include "smtp_client.h"
#include "smtp_io.h"

#include <openssl/err.h>
#include <stdlib.h>

#define SMTP_CHUNK    (64 << 10)
#define SMTP_WINDOW   100           /* RCPTs in one go */

typedef enum {
    sw_greeting = 0,
    sw_ehlo,
    sw_helo,
    sw_starttls,
    sw_tls,
    sw_auth,
    sw_auth_user,         /* LOGIN asks for the name */
    sw_auth_password,
    sw_mail,
    sw_rcpt,
    sw_data,
    sw_body,
    sw_end,               /* behind the final dot */
    sw_quit
} smtp_state_t;

typedef struct {
    smtp_io_t      io;
    smtp_job_t    *job;
    smtp_state_t   state;
    smtp_reply_t   reply;
    uint32_t       offers;
    uint64_t       max_size;
    bool           tls;
    bool           authenticated;
    uint32_t       sent;          /* RCPTs sent, and answered */
    uint32_t       answered;
    uint32_t       accepted;
    size_t         off;           /* of the body */
    bool           bol;           /* at the beginning of a line */
    bool           told;
} smtp_client_t;


ph_int_t
smtp_relay_parse(const char *text, char host[256], char port[8])
{
    size_t       n;
    const char  *colon = strrchr(text, ':'), *end;

    if (colon == NULL) {
        return PH_INVALID;
    }

    end = colon;
    if (text[0] == '[') {
        if (end == text || end[-1] != ']') {
            return PH_INVALID;
        }
        text++;
        end--;
    }

    n = (size_t) (end - text);
    if (n == 0 || n > 255 || colon[1] == '\0' || strlen(colon + 1) > 5
        || strspn(colon + 1, "0123456789") != strlen(colon + 1))
    {
        return PH_INVALID;
    }

    memcpy(host, text, n);
    host[n] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return PH_OK;
}


ph_int_t
smtp_relay_init(smtp_relay_t *relay, delivery_t *d)
{
    ph_conf_t   *conf = d->daemon->conf;
    const char  *text = ph_conf_str(conf, "delivery", "relay");
    const char  *tls = ph_conf_str(conf, "delivery", "relay_tls");
    const char  *ca = ph_conf_str(conf, "delivery", "relay_ca");

    if (text[0] != '\0'
        && smtp_relay_parse(text, relay->host, relay->port) != PH_OK)
    {
        return PH_INVALID;          /* delivery_check() has said it */
    }

    relay->tls = strcmp(tls, "never") == 0 ? SMTP_TLS_NEVER
                 : strcmp(tls, "require") == 0 ? SMTP_TLS_REQUIRE
                                               : SMTP_TLS_MAY;
    relay->user = ph_conf_str(conf, "delivery", "relay_user");
    relay->password = ph_conf_str(conf, "delivery", "relay_password");
    relay->timeout = (uint64_t) ph_conf_int(conf, "delivery",
                                            "relay_timeout");

    if (relay->tls == SMTP_TLS_NEVER) {
        return PH_OK;
    }

    relay->ctx = SSL_CTX_new(TLS_client_method());
    if (relay->ctx == NULL) {
        return PH_NOMEM;
    }

    (void) SSL_CTX_set_min_proto_version(relay->ctx, TLS1_2_VERSION);

    if (ca[0] != '\0') {
        relay->verify = true;
        if (SSL_CTX_load_verify_locations(relay->ctx, ca, NULL) != 1) {
            ERR_clear_error();
            ph_log(d->log, PH_LOG_ERROR, PH5001,
                   "option=delivery.relay_ca file=%s", ca);
            return PH_INVALID;
        }
    }

    return PH_OK;
}


static void
smtp_set(smtp_rcpt_t *r, int code, const char *status, const char *text)
{
    r->code = code;
    (void) snprintf(r->status, sizeof(r->status), "%s", status);
    (void) snprintf(r->text, sizeof(r->text), "%s", text);
}


static void
smtp_closed(smtp_io_t *io)
{
    free(io->data);
}


/* every recipient without an outcome gets this one; the job is over */
static void
smtp_over(smtp_client_t *c, int code, const char *status, const char *text)
{
    smtp_job_t  *job = c->job;

    if (c->told) {
        return;
    }
    c->told = true;

    for (uint32_t i = 0; i < job->n_rcpts; i++) {
        if (job->rcpts[i].code == 0) {
            smtp_set(&job->rcpts[i], code, status, text);
        }
    }

    job->done(job);
}


/*
 * Opportunistic TLS protects against who listens only, so that a relay whose
 * TLS does not work gets the message in clear (RFC 7435).  Not with a password,
 * and not when the administrator wants the certificate checked.
 */
static bool
smtp_may_be_clear(const smtp_client_t *c)
{
    const smtp_relay_t  *relay = c->job->relay;

    return relay->tls == SMTP_TLS_MAY && !relay->verify
           && relay->user[0] == '\0';
}


static void
smtp_failed(smtp_io_t *io, const char *why)
{
    char            text[300];
    smtp_client_t  *c = io->data;

    if (c->state == sw_tls && !c->tls && !c->told && smtp_may_be_clear(c)) {
        ph_log(io->d->log, PH_LOG_WARN, PH5029, "relay=%s:%s error=\"%s\"",
               io->relay->host, io->relay->port, why);
        c->told = true;
        c->job->clear = true;
        smtp_io_close(io);
        smtp_send(c->job);
        return;
    }

    (void) snprintf(text, sizeof(text), "%s:%s: %s", io->relay->host,
                    io->relay->port, why);
    smtp_io_close(io);
    smtp_over(c, 451, io->connected ? "4.4.2" : "4.4.1", text);
}


static void
smtp_command(smtp_client_t *c, smtp_state_t next, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
smtp_command(smtp_client_t *c, smtp_state_t next, const char *fmt, ...)
{
    int      n;
    char     line[4096];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line) - 2, fmt, args);
    va_end(args);

    c->state = next;
    if (n < 0 || n >= (int) sizeof(line) - 2) {
        smtp_failed(&c->io, "command too long");
        return;
    }

    line[n++] = '\r';
    line[n++] = '\n';
    smtp_io_write(&c->io, line, (size_t) n);
}


static void
smtp_quit(smtp_client_t *c)
{
    smtp_command(c, sw_quit, "QUIT");
}


/* a reply that ends the whole attempt */
static void
smtp_refused(smtp_client_t *c, const char *what)
{
    int   code = c->reply.code >= 500 ? c->reply.code : 451;
    char  status[12], text[SMTP_MAX_TEXT + 1];

    smtp_reply_status(&c->reply, status);
    if (c->reply.code < 400) {
        (void) snprintf(status, sizeof(status), "4.5.0");
    }
    (void) snprintf(text, sizeof(text), "%s: %d %.400s", what, c->reply.code,
                    c->reply.text);

    if (!c->io.closing) {
        smtp_quit(c);
    }
    smtp_over(c, code, status, text);
}


/* trouble with the session, not with the message: always later */
static void
smtp_later(smtp_client_t *c, const char *what)
{
    char  text[SMTP_MAX_TEXT + 1];

    (void) snprintf(text, sizeof(text), "%s: %d %.400s", what, c->reply.code,
                    c->reply.text);
    if (!c->io.closing) {
        smtp_quit(c);
    }
    smtp_over(c, 451, "4.3.0", text);
}


static void
smtp_send_mail(smtp_client_t *c)
{
    char         size[40] = "", dsn[160] = "";
    const char  *body = "", *utf8 = "";
    smtp_job_t  *job = c->job;

    if (c->offers & SMTP_SIZE) {
        (void) snprintf(size, sizeof(size), " SIZE=%zu", job->body.len);
        if (c->max_size != 0 && job->body.len > c->max_size) {
            smtp_over(c, 552, "5.3.4", "message too big for the relay");
            smtp_quit(c);
            return;
        }
    }

    if ((c->offers & SMTP_8BITMIME) && job->eight_bit) {
        body = " BODY=8BITMIME";
    }

    if (job->smtputf8) {
        if (!(c->offers & SMTP_UTF8)) {
            smtp_over(c, 550, "5.6.7", "the relay does not take SMTPUTF8");
            smtp_quit(c);
            return;
        }
        utf8 = " SMTPUTF8";
    }

    job->dsn = (c->offers & SMTP_DSN) != 0;

    if (job->dsn && (job->ret.len != 0 || job->envid.len != 0)) {
        (void) snprintf(dsn, sizeof(dsn), "%s%.*s%s%.*s",
                        job->ret.len ? " RET=" : "", PH_STR_ARG(job->ret),
                        job->envid.len ? " ENVID=" : "",
                        PH_STR_ARG(job->envid));
    }

    smtp_command(c, sw_mail, "MAIL FROM:<%.*s>%s%s%s%s",
                 PH_STR_ARG(job->sender), size, body, utf8, dsn);
}


static void
smtp_send_rcpts(smtp_client_t *c)
{
    char          notify[64];
    size_t        n;
    uint32_t      window = c->offers & SMTP_PIPELINING ? SMTP_WINDOW : 1;
    smtp_rcpt_t  *r;

    static const char *const  names[] = {
        "NEVER", "SUCCESS", "FAILURE", "DELAY"
    };

    while (!c->io.closing && c->sent < c->job->n_rcpts
           && c->sent - c->answered < window)
    {
        r = &c->job->rcpts[c->sent++];
        notify[0] = '\0';

        if ((c->offers & SMTP_DSN) && r->notify != 0) {
            n = (size_t) snprintf(notify, sizeof(notify), " NOTIFY=");
            for (int i = 0; i < 4; i++) {
                if (r->notify & 1 << i) {
                    n += (size_t) snprintf(notify + n, sizeof(notify) - n,
                                           "%s%s", notify[n - 1] == '='
                                                   ? "" : ",", names[i]);
                }
            }
        }

        if ((c->offers & SMTP_DSN) && r->orcpt.len != 0) {
            smtp_command(c, sw_rcpt, "RCPT TO:<%.*s>%s ORCPT=%.*s",
                         PH_STR_ARG(r->address), notify,
                         PH_STR_ARG(r->orcpt));
            continue;
        }

        smtp_command(c, sw_rcpt, "RCPT TO:<%.*s>%s", PH_STR_ARG(r->address),
                     notify);
    }
}


/*
 * The next piece of the message: line ends become CR LF, dots are stuffed.  The
 * rest follows when this has left.
 */
static void
smtp_send_body(smtp_client_t *c)
{
    size_t     n = 0;
    uint8_t   *out, b;
    ph_str_t   body = c->job->body;

    out = malloc(2 * SMTP_CHUNK + 8);
    if (out == NULL) {
        smtp_failed(&c->io, "out of memory");
        return;
    }

    while (c->off < body.len && n < SMTP_CHUNK) {
        b = body.data[c->off++];

        if (b == '\n' || b == '\r') {
            if (b == '\r' && c->off < body.len && body.data[c->off] == '\n') {
                c->off++;
            }
            out[n++] = '\r';
            out[n++] = '\n';
            c->bol = true;
            continue;
        }

        if (b == '.' && c->bol) {
            out[n++] = '.';
        }
        out[n++] = b;
        c->bol = false;
    }

    if (c->off == body.len) {
        if (!c->bol) {
            memcpy(out + n, "\r\n", 2);
            n += 2;
        }
        memcpy(out + n, ".\r\n", 3);
        n += 3;
        c->state = sw_end;
    }

    smtp_io_write(&c->io, out, n);
    free(out);
}


/* one answer of AUTH LOGIN */
static void
smtp_auth_login(smtp_client_t *c, smtp_state_t next, const char *text)
{
    ph_str_t    b64;
    ph_pool_t  *pool = ph_pool_create("auth", 1 << 16);

    if (pool == NULL
        || ph_base64_encode(pool, ph_str_c(text), &b64) != PH_OK)
    {
        ph_pool_destroy(&pool);
        smtp_failed(&c->io, "out of memory");
        return;
    }

    smtp_command(c, next, "%.*s", PH_STR_ARG(b64));
    ph_pool_destroy(&pool);
}


static void
smtp_auth_plain(smtp_client_t *c)
{
    size_t               un, pn;
    char                 line[600];
    ph_str_t             b64;
    ph_pool_t           *pool;
    const smtp_relay_t  *relay = c->job->relay;

    un = strlen(relay->user);
    pn = strlen(relay->password);
    if (un + pn + 2 > sizeof(line)) {
        smtp_failed(&c->io, "relay_user and relay_password too long");
        return;
    }

    line[0] = '\0';
    memcpy(line + 1, relay->user, un + 1);
    memcpy(line + un + 2, relay->password, pn);

    pool = ph_pool_create("auth", 1 << 16);
    if (pool == NULL
        || ph_base64_encode(pool, (ph_str_t) { un + pn + 2,
                                               (uint8_t *) line }, &b64)
           != PH_OK)
    {
        ph_pool_destroy(&pool);
        smtp_failed(&c->io, "out of memory");
        return;
    }

    smtp_command(c, sw_auth, "AUTH PLAIN %.*s", PH_STR_ARG(b64));
    explicit_bzero(line, sizeof(line));
    ph_pool_destroy(&pool);
}


/* behind EHLO: TLS, then AUTH, then the message */
static void
smtp_negotiate(smtp_client_t *c)
{
    const smtp_relay_t  *relay = c->job->relay;

    if (!c->tls && relay->tls != SMTP_TLS_NEVER && !c->job->clear) {
        if ((c->offers & SMTP_STARTTLS)
            && (relay->tls == SMTP_TLS_REQUIRE
                || !smtp_io_is_loopback(&c->io)))
        {
            smtp_command(c, sw_starttls, "STARTTLS");
            return;
        }
        if (relay->tls == SMTP_TLS_REQUIRE) {
            smtp_over(c, 451, "4.7.4", "the relay does not offer STARTTLS");
            smtp_quit(c);
            return;
        }
    }

    if (relay->user[0] != '\0' && !c->authenticated) {
        if (!c->tls && relay->tls != SMTP_TLS_NEVER
            && !smtp_io_is_loopback(&c->io))
        {
            smtp_over(c, 451, "4.7.4",
                      "no password without TLS: see relay_tls");
            smtp_quit(c);
        } else if (c->offers & SMTP_AUTH_PLAIN) {
            smtp_auth_plain(c);
        } else if (c->offers & SMTP_AUTH_LOGIN) {
            smtp_command(c, sw_auth_user, "AUTH LOGIN");
        } else {
            smtp_over(c, 451, "4.7.0",
                      "the relay offers neither AUTH PLAIN nor LOGIN");
            smtp_quit(c);
        }
        return;
    }

    smtp_send_mail(c);
}


static void
smtp_rcpt_reply(smtp_client_t *c)
{
    char          status[12];
    smtp_rcpt_t  *r = &c->job->rcpts[c->answered++];

    if (c->reply.code / 100 == 2) {
        c->accepted++;
    } else {
        smtp_reply_status(&c->reply, status);
        smtp_set(r, c->reply.code >= 500 ? c->reply.code : 450, status,
                 c->reply.text);
    }

    if (c->answered < c->job->n_rcpts) {
        smtp_send_rcpts(c);
        return;
    }

    if (c->accepted == 0) {
        smtp_over(c, 451, "4.5.0", "no recipient");
        smtp_quit(c);
        return;
    }

    smtp_command(c, sw_data, "DATA");
}


static void
smtp_on_reply(smtp_client_t *c)
{
    int            code = c->reply.code;
    bool           ok = code / 100 == 2;
    smtp_state_t   state = c->state;

    switch (state) {

    case sw_greeting:
        if (!ok) {
            smtp_later(c, "greeting");
            return;
        }
        smtp_command(c, sw_ehlo, "EHLO %s", c->job->d->hostname);
        return;

    case sw_ehlo:
        if (!ok) {
            smtp_command(c, sw_helo, "HELO %s", c->job->d->hostname);
            return;
        }
        c->offers = c->reply.offers;
        c->max_size = c->reply.size;
        smtp_negotiate(c);
        return;

    case sw_helo:
        if (!ok) {
            smtp_later(c, "HELO");
            return;
        }
        c->offers = 0;
        smtp_negotiate(c);
        return;

    case sw_starttls:
        if (!ok && smtp_may_be_clear(c)) {
            c->job->clear = true;
            smtp_negotiate(c);
            return;
        }
        if (!ok) {
            smtp_later(c, "STARTTLS");
            return;
        }
        c->state = sw_tls;
        smtp_io_starttls(&c->io);
        return;

    case sw_auth_user:
    case sw_auth_password:
        if (code != 334) {
            smtp_later(c, "AUTH");
            return;
        }
        if (state == sw_auth_user) {
            smtp_auth_login(c, sw_auth_password, c->job->relay->user);
        } else {
            smtp_auth_login(c, sw_auth, c->job->relay->password);
        }
        return;

    case sw_auth:
        if (!ok) {
            smtp_later(c, "AUTH");
            return;
        }
        c->authenticated = true;
        smtp_send_mail(c);
        return;

    case sw_mail:
        if (!ok) {
            smtp_refused(c, "MAIL");
            return;
        }
        smtp_send_rcpts(c);
        return;

    case sw_rcpt:
        smtp_rcpt_reply(c);
        return;

    case sw_data:
        if (code != 354) {
            smtp_refused(c, "DATA");
            return;
        }
        c->state = sw_body;
        c->bol = true;
        smtp_send_body(c);
        return;

    case sw_body:
    case sw_end:
        if (ok && state == sw_end) {
            char  status[12];

            smtp_reply_status(&c->reply, status);
            smtp_quit(c);
            smtp_over(c, 250, status, c->reply.text);
            return;
        }
        smtp_refused(c, "message");
        return;

    case sw_tls:
    case sw_quit:
        smtp_io_close(&c->io);
        return;
    }
}


static void
smtp_readable(smtp_io_t *io)
{
    size_t          used;
    ph_int_t        rc;
    smtp_client_t  *c = io->data;

    while (!io->closing && io->in_len != 0) {
        rc = smtp_reply_read(&c->reply, io->in, io->in_len, &used);
        smtp_io_consume(io, used);

        if (rc == PH_AGAIN) {
            return;
        }
        if (rc != PH_OK) {
            smtp_failed(io, "broken answer");
            return;
        }

        smtp_on_reply(c);
        smtp_reply_init(&c->reply);
    }
}


static void
smtp_ready(smtp_io_t *io)
{
    smtp_client_t  *c = io->data;

    if (c->state == sw_tls) {
        c->tls = true;
        smtp_command(c, sw_ehlo, "EHLO %s", c->job->d->hostname);
    }
}


static void
smtp_written(smtp_io_t *io)
{
    smtp_client_t  *c = io->data;

    if (c->state == sw_body) {
        smtp_send_body(c);
    }
}


void
smtp_send(smtp_job_t *job)
{
    smtp_client_t  *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        abort();           /* as GLib does; the master starts a new worker */
    }

    c->job = job;
    c->io.d = job->d;
    c->io.relay = job->relay;
    c->io.ready = smtp_ready;
    c->io.readable = smtp_readable;
    c->io.written = smtp_written;
    c->io.failed = smtp_failed;
    c->io.closed = smtp_closed;
    c->io.data = c;
    smtp_reply_init(&c->reply);
    smtp_io_open(&c->io);
}
