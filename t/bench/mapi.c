/*
 * Load generator for the MAPI/HTTP endpoint: one thread, epoll, one Session
 * Context a connection, plain HTTP on loopback.
 *
 *     mapi MODE --address HOST:PORT --users N --user-format u%d@example.test
 *          --password P [--conns N] [--seconds S] [--rows N] [--count N]
 *
 * MODE: exec    OpenFolder (Inbox), GetContentsTable, SetColumns (7 columns),
 *               QueryRows, Release, Release in one Execute
 *       create  CreateMessage, SetProperties, SaveChangesMessage, Release
 *       fill    as create, into the Inbox, --count messages in all
 *       ping    PING in a session
 *       park    Connect, Logon, RegisterNotification, NotificationWait; prints
 *               "parked N" when all wait, and ends at the end of its input
 *
 * Prints "MODE conns=N requests=N rate=N/s p50=us p90=us p99=us max=us".
 * Set-up is not measured.  Every answer is checked.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/ph_buf.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"

#define BODY_MAX      4096
#define ANSWER_MAX    (256 * 1024)
#define SAMPLES_MAX   (4u << 20)
#define NO_HANDLE     0xFFFFFFFFu

typedef enum {
    ST_DISCOVER, ST_CONNECT, ST_LOGON, ST_SETUP, ST_READY, ST_PARKED
} state_t;

typedef enum { M_EXEC, M_CREATE, M_FILL, M_PING, M_PARK } mode_t_;

typedef struct {
    int       fd;
    int       user;
    state_t   state;
    char     *in;          /* while an answer is being read */
    size_t    in_len;
    char      cookies[512];
    const char *dn;
    uint32_t  logon;       /* handle */
    uint64_t  inbox;
    uint64_t  sent;        /* ns */
    unsigned  seq;
    unsigned  serial;
} conn_t;

static struct {
    mode_t_             mode;
    const char         *mode_name;
    struct sockaddr_in  addr;
    const char         *host;
    int                 users;
    char              (*dn)[256];        /* of each user, once known */
    const char         *user_format;
    const char         *password;
    int                 conns;
    int                 seconds;
    unsigned            rows;
    unsigned            count;
    int                 ep;
    conn_t             *conn;
    int                 ready;
    int                 parked;
    bool                measuring;
    uint64_t            deadline;
    unsigned            created;
    uint32_t           *samples;
    size_t              n_samples;
    uint64_t            max;
    char                answer[ANSWER_MAX];
} g;


static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    fprintf(stderr, "mapi: ");
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}


static uint64_t
now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}


/* ---- requests ---- */

static const char *
user_name(int user)
{
    static char  name[128];
    char        *p;

    /* the format has exactly one %d, checked at start */
    p = strstr(g.user_format, "%d");
    snprintf(name, sizeof(name), "%.*s%d%s", (int) (p - g.user_format),
             g.user_format, user + 1, p + 2);
    return name;
}


static void
base64(char *out, size_t size, const char *in)
{
    static const char  a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t    n = strlen(in), i, o = 0;
    uint32_t  v;

    for (i = 0; i < n && o + 5 < size; i += 3) {
        v = (uint32_t) (uint8_t) in[i] << 16;
        v |= i + 1 < n ? (uint32_t) (uint8_t) in[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t) (uint8_t) in[i + 2] : 0;
        out[o++] = a[v >> 18];
        out[o++] = a[(v >> 12) & 63];
        out[o++] = i + 1 < n ? a[(v >> 6) & 63] : '=';
        out[o++] = i + 2 < n ? a[v & 63] : '=';
    }
    out[o] = '\0';
}


static void
send_request(conn_t *c, const char *path, const char *type,
    const void *body, size_t len)
{
    char     buf[BODY_MAX + 2048], basic[256], cred[256];
    int      n;
    ssize_t  rc;
    size_t   total, off = 0;

    snprintf(cred, sizeof(cred), "%s:%s", user_name(c->user), g.password);
    base64(basic, sizeof(basic), cred);
    n = snprintf(buf, sizeof(buf),
                 "POST %s HTTP/1.1\r\nHost: %s\r\n"
                 "Authorization: Basic %s\r\n"
                 "Content-Type: %s\r\nContent-Length: %zu\r\n"
                 "X-RequestType: %s\r\n"
                 "X-RequestId: {00000000-0000-0000-0000-%012d}:%u\r\n"
                 "X-ClientInfo: {00000000-0000-0000-0000-%012d}:1\r\n"
                 "X-ClientApplication: Outlook/16.0.12345.1000\r\n"
                 "X-MapiHttpCapability: 1\r\n%s%s%s\r\n",
                 path, g.host, basic,
                 type[0] ? "application/mapi-http" : "text/xml",
                 len, type[0] ? type : "-", c->fd, ++c->seq, c->fd,
                 c->cookies[0] ? "Cookie: " : "", c->cookies,
                 c->cookies[0] ? "\r\n" : "");
    if (n < 0 || (size_t) n + len > sizeof(buf)) {
        die("request too large");
    }
    memcpy(buf + n, body, len);
    total = (size_t) n + len;
    c->sent = now_ns();

    while (off < total) {
        rc = write(c->fd, buf + off, total - off);
        if (rc < 0 && errno == EAGAIN) {
            continue;
        }
        if (rc <= 0) {
            die("write: %s", strerror(errno));
        }
        off += (size_t) rc;
    }
}


static void
send_discover(conn_t *c)
{
    char  body[1024];
    int   n;

    n = snprintf(body, sizeof(body),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/"
        "autodiscover/outlook/requestschema/2006\"><Request>"
        "<EMailAddress>%s</EMailAddress><AcceptableResponseSchema>"
        "http://schemas.microsoft.com/exchange/autodiscover/outlook/"
        "responseschema/2006a</AcceptableResponseSchema></Request>"
        "</Autodiscover>", user_name(c->user));
    send_request(c, "/autodiscover/autodiscover.xml", "", body, (size_t) n);
}


static void
send_mapi(conn_t *c, const char *type, const ph_wbuf_t *b)
{
    if (b->error) {
        die("request buffer too small");
    }
    send_request(c, "/mapi/emsmdb/?MailboxId=bench@example.test", type,
                 b->data, b->len);
}


static void
send_connect(conn_t *c)
{
    uint8_t    mem[BODY_MAX];
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_bytes(&b, c->dn, strlen(c->dn) + 1);
    ph_put_u32(&b, 0);
    ph_put_u32(&b, 1252);
    ph_put_u32(&b, 0x409);
    ph_put_u32(&b, 0x409);
    ph_put_u32(&b, 0);
    send_mapi(c, "Connect", &b);
}


/* wraps ROPs and handles into an Execute body */
static void
send_execute(conn_t *c, const ph_wbuf_t *rops, const uint32_t *handles,
    unsigned n)
{
    uint8_t    mem[BODY_MAX];
    size_t     payload = 2 + rops->len + 4 * (size_t) n;
    ph_wbuf_t  b;
    unsigned   i;

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_u32(&b, 3);                              /* no compression, no XOR */
    ph_put_u32(&b, (uint32_t) (8 + payload));
    ph_put_u16(&b, 0);
    ph_put_u16(&b, 4);                               /* Last */
    ph_put_u16(&b, (uint16_t) payload);
    ph_put_u16(&b, (uint16_t) payload);
    ph_put_u16(&b, (uint16_t) (rops->len + 2));
    ph_put_bytes(&b, rops->data, rops->len);
    for (i = 0; i < n; i++) {
        ph_put_u32(&b, handles[i]);
    }
    ph_put_u32(&b, 0x8000 + 8);
    ph_put_u32(&b, 0);
    send_mapi(c, "Execute", &b);
}


static void
send_logon(conn_t *c)
{
    uint8_t    mem[1024];
    ph_wbuf_t  b;
    uint32_t   h = NO_HANDLE;

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_bytes(&b, "\xFE\x00\x00\x01", 4);
    ph_put_u32(&b, 0x01000004);     /* USE_PER_MDB_REPLID_MAPPING, HOME_LOGON */
    ph_put_u32(&b, 0);
    ph_put_u16(&b, (uint16_t) (strlen(c->dn) + 1));
    ph_put_bytes(&b, c->dn, strlen(c->dn) + 1);
    send_execute(c, &b, &h, 1);
}


static void
send_exec(conn_t *c)
{
    static const uint32_t  columns[] = {
        0x67480014, 0x674A0014, 0x0037001F, 0x0C1A001F, 0x0E060040,
        0x0E070003, 0x0E080003
    };
    uint8_t    mem[1024];
    ph_wbuf_t  b;
    uint32_t   h[3];
    size_t     i;

    h[0] = c->logon;
    h[1] = h[2] = NO_HANDLE;
    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_bytes(&b, "\x02\x00\x00\x01", 4);
    ph_put_u64(&b, c->inbox);
    ph_put_u8(&b, 0);
    ph_put_bytes(&b, "\x05\x00\x01\x02\x00", 5);
    ph_put_bytes(&b, "\x12\x00\x02\x00", 4);
    ph_put_u16(&b, (uint16_t) ph_nelts(columns));
    for (i = 0; i < ph_nelts(columns); i++) {
        ph_put_u32(&b, columns[i]);
    }
    ph_put_bytes(&b, "\x15\x00\x02\x00\x01", 5);
    ph_put_u16(&b, (uint16_t) g.rows);
    ph_put_bytes(&b, "\x01\x00\x02\x01\x00\x01", 6);
    send_execute(c, &b, h, 3);
}


static void
put_wstr(ph_wbuf_t *b, const char *s)
{
    while (*s) {
        ph_put_u16(b, (uint8_t) *s++);
    }
    ph_put_u16(b, 0);
}


static void
send_create(conn_t *c)
{
    uint8_t    mem[BODY_MAX - 256];
    char       subject[64];
    ph_wbuf_t  b;
    uint32_t   h[2];
    size_t     size_at, start;
    unsigned   i;

    h[0] = c->logon;
    h[1] = NO_HANDLE;
    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_bytes(&b, "\x06\x00\x00\x01\xFF\x0F", 6);
    ph_put_u64(&b, c->inbox);
    ph_put_u8(&b, 0);
    ph_put_bytes(&b, "\x0A\x00\x01", 3);
    size_at = b.len;
    ph_put_u16(&b, 0);
    start = b.len;
    ph_put_u16(&b, 4);
    ph_put_u32(&b, 0x001A001F);
    put_wstr(&b, "IPM.Note");
    ph_put_u32(&b, 0x0037001F);
    snprintf(subject, sizeof(subject), "load %d %u", c->fd, c->serial++);
    put_wstr(&b, subject);
    ph_put_u32(&b, 0x00170003);
    ph_put_u32(&b, 1);
    ph_put_u32(&b, 0x1000001F);
    for (i = 0; i < 1000; i++) {
        ph_put_u16(&b, (uint16_t) ('a' + i % 26));
    }
    ph_put_u16(&b, 0);
    ph_poke_u16(&b, size_at, (uint16_t) (b.len - start));
    ph_put_bytes(&b, "\x0C\x00\x00\x01\x0A", 5);
    ph_put_bytes(&b, "\x01\x00\x01", 3);
    send_execute(c, &b, h, 2);
}


static void
send_register(conn_t *c)
{
    uint8_t    mem[64];
    ph_wbuf_t  b;
    uint32_t   h[2];

    h[0] = c->logon;
    h[1] = NO_HANDLE;
    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_bytes(&b, "\x29\x00\x00\x01\x02\x00\x01", 7);
    send_execute(c, &b, h, 2);
}


static void
send_wait(conn_t *c)
{
    uint8_t    mem[8] = { 0 };
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_u32(&b, 0);
    ph_put_u32(&b, 0);
    send_mapi(c, "NotificationWait", &b);
}


static void
send_next(conn_t *c)
{
    ph_wbuf_t  empty;
    uint8_t    none[1];

    switch (g.mode) {
    case M_EXEC:
        send_exec(c);
        break;
    case M_CREATE:
    case M_FILL:
        send_create(c);
        break;
    case M_PING:
        ph_wbuf_init_fixed(&empty, none, 0);
        send_mapi(c, "PING", &empty);
        break;
    case M_PARK:
        c->state = ST_PARKED;
        send_wait(c);
        break;
    }
}


/* ---- answers ---- */

static void
learn_cookies(conn_t *c, const char *head, const char *end)
{
    const char  *p = head, *v, *e;
    char         jar[512];
    size_t       len = 0;

    while ((p = strcasestr(p, "\r\nSet-Cookie:")) != NULL && p < end) {
        v = p + 13;
        while (*v == ' ') {
            v++;
        }
        e = v + strcspn(v, ";\r");
        if (len + (size_t) (e - v) + 3 < sizeof(jar)) {
            len += (size_t) snprintf(jar + len, sizeof(jar) - len, "%s%.*s",
                                     len ? "; " : "", (int) (e - v), v);
        }
        p = e;
    }
    if (len) {
        memcpy(c->cookies, jar, len + 1);
    }
}


/*
 * The whole answer in g.answer when it is complete: body's bytes without the
 * chunk framing, at *body_r.  false: more is needed.
 */
static bool
answer_complete(conn_t *c, char **body_r, size_t *len_r)
{
    char    *end, *p, *q, *out, *limit = c->in + c->in_len;
    size_t   n;

    c->in[c->in_len] = '\0';
    end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    p = end + 4;
    q = strcasestr(c->in, "\r\nContent-Length:");

    if (q != NULL && q < end) {
        n = strtoul(q + 17, NULL, 10);
        if ((size_t) (limit - p) < n) {
            return false;
        }
        *body_r = p;
        *len_r = n;

    } else {
        out = g.answer;
        for ( ;; ) {
            q = memchr(p, '\n', (size_t) (limit - p));
            if (q == NULL) {
                return false;
            }
            n = strtoul(p, NULL, 16);
            if ((size_t) (limit - q - 1) < n + 2) {
                return false;
            }
            if (n == 0) {
                break;
            }
            memcpy(out, q + 1, n);
            out += n;
            p = q + 1 + n + 2;
        }
        *body_r = g.answer;
        *len_r = (size_t) (out - g.answer);
    }

    if (strncmp(c->in, "HTTP/1.1 200", 12) != 0) {
        die("HTTP error: %.60s (user %s)", c->in, user_name(c->user));
    }
    q = strcasestr(c->in, "\r\nX-ResponseCode:");
    if (q != NULL && q < end && strtoul(q + 17, NULL, 10) != 0) {
        die("X-ResponseCode %lu in state %d", strtoul(q + 17, NULL, 10),
            c->state);
    }
    learn_cookies(c, c->in, end);
    return true;
}


/* the binary part behind DONE and the additional headers */
static ph_cur_t
mapi_body(char *body, size_t len)
{
    char      *p;
    ph_cur_t   cur;

    p = memmem(body, len, "DONE\r\n", 6);
    p = p ? memmem(p, len - (size_t) (p - body), "\r\n\r\n", 4) : NULL;
    if (p == NULL) {
        die("answer without DONE");
    }
    p += 4;
    ph_cur_init(&cur, p, len - (size_t) (p - body));
    return cur;
}


/* cursor at the ROP answers; the handle table is behind `size` bytes */
static ph_cur_t
execute_body(conn_t *c, char *body, size_t len, ph_str_t *handles_r)
{
    ph_cur_t  cur = mapi_body(body, len), rops;
    uint32_t  status, ec;
    uint16_t  size;

    status = ph_cur_u32(&cur);
    ec = ph_cur_u32(&cur);
    ph_cur_u32(&cur);
    ph_cur_u32(&cur);
    if (cur.error || status != 0 || ec != 0) {
        die("Execute: status %u, error 0x%08X in state %d", status, ec,
            c->state);
    }
    ph_cur_bytes(&cur, 8);
    size = ph_cur_u16(&cur);
    rops = ph_cur_sub(&cur, (size_t) size - 2);
    *handles_r = ph_cur_rest(&cur);
    return rops;
}


static void
check_rop(ph_cur_t *cur, uint8_t id, size_t skip)
{
    uint8_t   got = ph_cur_u8(cur);
    uint32_t  ec;

    ph_cur_u8(cur);
    ec = ph_cur_u32(cur);
    if (cur->error || got != id || ec != 0) {
        die("ROP 0x%02X answered as 0x%02X with 0x%08X", id, got, ec);
    }
    ph_cur_bytes(cur, skip);
}


static void
on_answer(conn_t *c, char *body, size_t len)
{
    ph_cur_t   cur;
    ph_str_t   handles;
    ph_str_t   ids;
    char      *p, *q;
    uint64_t   us;
    uint16_t   rows;

    switch (c->state) {

    case ST_DISCOVER:
        p = memmem(body, len, "<LegacyDN>", 10);
        q = p ? memmem(p, len - (size_t) (p - body), "</LegacyDN>", 11) : NULL;
        if (q == NULL || (size_t) (q - p) > sizeof(g.dn[0])) {
            die("Autodiscover names no LegacyDN for %s", user_name(c->user));
        }
        memcpy(g.dn[c->user], p + 10, (size_t) (q - p - 10));
        g.dn[c->user][q - p - 10] = '\0';
        c->dn = g.dn[c->user];
        c->state = ST_CONNECT;
        send_connect(c);
        return;

    case ST_CONNECT:
        cur = mapi_body(body, len);
        if (ph_cur_u32(&cur) != 0 || ph_cur_u32(&cur) != 0 || cur.error) {
            die("Connect of %s failed", user_name(c->user));
        }
        c->state = ST_LOGON;
        send_logon(c);
        return;

    case ST_LOGON:
        cur = execute_body(c, body, len, &handles);
        check_rop(&cur, 0xFE, 1);
        ids = ph_cur_bytes(&cur, 13 * 8);
        if (cur.error || handles.len < 4) {
            die("short Logon answer");
        }
        memcpy(&c->inbox, ids.data + 4 * 8, 8);
        memcpy(&c->logon, handles.data, 4);
        c->state = ST_SETUP;
        if (g.mode == M_PARK) {
            send_register(c);
            return;
        }
        break;

    case ST_SETUP:
        cur = execute_body(c, body, len, &handles);
        check_rop(&cur, 0x29, 0);
        break;

    case ST_PARKED:
        g.parked--;
        c->state = ST_SETUP;
        break;

    case ST_READY:
        us = (now_ns() - c->sent) / 1000;
        if (g.n_samples < SAMPLES_MAX) {
            g.samples[g.n_samples++] = (uint32_t) us;
        }
        g.max = ph_max(g.max, us);

        if (g.mode == M_EXEC) {
            cur = execute_body(c, body, len, &handles);
            check_rop(&cur, 0x02, 2);
            check_rop(&cur, 0x05, 4);
            check_rop(&cur, 0x12, 1);
            check_rop(&cur, 0x15, 1);
            rows = ph_cur_u16(&cur);
            if (rows != g.rows) {
                die("QueryRows gave %u of %u rows", rows, g.rows);
            }

        } else if (g.mode == M_CREATE || g.mode == M_FILL) {
            cur = execute_body(c, body, len, &handles);
            check_rop(&cur, 0x06, 0);
            if (ph_cur_u8(&cur) != 0) {
                ph_cur_u64(&cur);
            }
            check_rop(&cur, 0x0A, 2);
            check_rop(&cur, 0x0C, 9);
            g.created++;
        }
        break;
    }

    if (c->state == ST_SETUP) {
        c->state = ST_READY;
        g.ready++;
        if (g.mode == M_PARK) {
            send_next(c);
            g.parked++;
        }
        return;
    }
    if (g.mode == M_FILL ? g.created + (unsigned) g.conns <= g.count
                         : now_ns() < g.deadline)
    {
        send_next(c);
    } else {
        g.ready--;
    }
}


/* ---- connections ---- */

static void
open_conn(conn_t *c, int user)
{
    struct epoll_event  ev = { .events = EPOLLIN, .data.ptr = c };
    int                 one = 1;

    c->user = user;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0
        || connect(c->fd, (struct sockaddr *) &g.addr, sizeof(g.addr)) < 0)
    {
        die("connect: %s", strerror(errno));
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(g.ep, EPOLL_CTL_ADD, c->fd, &ev) < 0) {
        die("epoll_ctl: %s", strerror(errno));
    }
    if (g.dn[user][0]) {
        c->dn = g.dn[user];
        c->state = ST_CONNECT;
        send_connect(c);
        return;
    }
    c->state = ST_DISCOVER;
    send_discover(c);
}


static void
on_readable(conn_t *c)
{
    ssize_t  n;
    char    *body;
    size_t   len;

    if (c->in == NULL) {
        c->in = malloc(ANSWER_MAX);
        if (c->in == NULL) {
            die("out of memory");
        }
        c->in_len = 0;
    }
    n = read(c->fd, c->in + c->in_len, ANSWER_MAX - 1 - c->in_len);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        die("connection of %s closed in state %d", user_name(c->user),
            c->state);
    }
    c->in_len += (size_t) n;
    if (answer_complete(c, &body, &len)) {
        on_answer(c, body, len);
        c->in_len = 0;
        free(c->in);
        c->in = NULL;
    }
}


static void
turn(int timeout)
{
    struct epoll_event  ev[256];
    int                 i, n;

    n = epoll_wait(g.ep, ev, 256, timeout);
    for (i = 0; i < n; i++) {
        on_readable(ev[i].data.ptr);
    }
}


static int
by_value(const void *a, const void *b)
{
    uint32_t  x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}


static uint32_t
percentile(unsigned p)
{
    return g.n_samples ? g.samples[(g.n_samples - 1) * p / 100] : 0;
}


static void
options(int argc, char **argv)
{
    static const char *const  modes[] =
        { "exec", "create", "fill", "ping", "park" };
    char        host[64];
    const char *colon, *p;
    int         i;
    size_t      m;

    g.users = 1;
    g.conns = 1;
    g.seconds = 5;
    g.rows = 50;
    g.user_format = "u%d@example.test";
    g.password = "";
    g.host = "127.0.0.1:8080";

    if (argc < 2) {
        die("usage: mapi exec|create|fill|ping|park --address HOST:PORT ...");
    }
    for (m = 0; m < ph_nelts(modes); m++) {
        if (strcmp(argv[1], modes[m]) == 0) {
            break;
        }
    }
    if (m == ph_nelts(modes)) {
        die("unknown mode \"%s\"", argv[1]);
    }
    g.mode = (mode_t_) m;
    g.mode_name = modes[m];

    for (i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--address") == 0) {
            g.host = argv[i + 1];
        } else if (strcmp(argv[i], "--users") == 0) {
            g.users = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--user-format") == 0) {
            g.user_format = argv[i + 1];
        } else if (strcmp(argv[i], "--password") == 0) {
            g.password = argv[i + 1];
        } else if (strcmp(argv[i], "--conns") == 0) {
            g.conns = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            g.seconds = atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--rows") == 0) {
            g.rows = (unsigned) atoi(argv[i + 1]);
        } else if (strcmp(argv[i], "--count") == 0) {
            g.count = (unsigned) atoi(argv[i + 1]);
        } else {
            die("unknown option \"%s\"", argv[i]);
        }
    }

    colon = strchr(g.host, ':');
    p = strchr(g.user_format, '%');
    if (colon == NULL || (size_t) (colon - g.host) >= sizeof(host)
        || p == NULL || p[1] != 'd' || strchr(p + 1, '%') || g.users < 1
        || g.conns < 1 || strlen(g.user_format) > 64)
    {
        die("bad value of an option");
    }
    memcpy(host, g.host, (size_t) (colon - g.host));
    host[colon - g.host] = '\0';
    g.addr.sin_family = AF_INET;
    g.addr.sin_port = htons((uint16_t) atoi(colon + 1));
    if (inet_pton(AF_INET, host, &g.addr.sin_addr) != 1) {
        die("--address takes an IPv4 address and a port");
    }
}


int
main(int argc, char **argv)
{
    struct rlimit  rl = { 65536, 65536 };
    uint64_t       start, took;
    int            i;

    options(argc, argv);
    setrlimit(RLIMIT_NOFILE, &rl);
    g.ep = epoll_create1(EPOLL_CLOEXEC);
    g.conn = calloc((size_t) g.conns, sizeof(conn_t));
    g.dn = calloc((size_t) g.users, sizeof(g.dn[0]));
    g.samples = malloc(SAMPLES_MAX * sizeof(uint32_t));
    if (g.ep < 0 || g.conn == NULL || g.samples == NULL || g.dn == NULL) {
        die("out of memory");
    }

    for (i = 0; i < g.conns; i++) {
        open_conn(&g.conn[i], i % g.users);
        /* a few at a time, so that set-up does not look like a flood */
        while (g.ready + 32 < i) {
            turn(1000);
        }
    }
    while (g.ready < g.conns) {
        turn(1000);
    }

    if (g.mode == M_PARK) {
        struct epoll_event  ev = { .events = EPOLLIN, .data.ptr = NULL };

        printf("parked %d\n", g.parked);
        fflush(stdout);
        epoll_ctl(g.ep, EPOLL_CTL_ADD, 0, &ev);
        for ( ;; ) {
            struct epoll_event  e;

            if (epoll_wait(g.ep, &e, 1, -1) == 1) {
                if (e.data.ptr == NULL) {
                    return 0;
                }
                on_readable(e.data.ptr);
            }
        }
    }

    start = now_ns();
    g.deadline = start + (uint64_t) g.seconds * 1000000000u;
    for (i = 0; i < g.conns; i++) {
        send_next(&g.conn[i]);
    }
    while (g.ready > 0) {
        turn(1000);
    }
    took = now_ns() - start;
    qsort(g.samples, g.n_samples, sizeof(uint32_t), by_value);
    printf("%s conns=%d requests=%zu rate=%.0f/s p50=%uus p90=%uus p99=%uus "
           "max=%" PRIu64 "us\n", g.mode_name, g.conns, g.n_samples,
           (double) g.n_samples * 1e9 / (double) took, percentile(50),
           percentile(90), percentile(99), g.max);
    return 0;
}
