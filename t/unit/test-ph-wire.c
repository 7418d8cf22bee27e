/*
 * ph_wire: server and client on one loop, over a unix socket; with peers that
 * send garbage, too much, or go away in the middle.
 */

#include "lib/ph_wire.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OP_ECHO    0x0701     /* answers with its body                       */
#define OP_PARK    0x0702     /* keeps the request                           */
#define OP_EVENTS  0x0703     /* pushes as many events as the body has bytes */
#define OP_SIZE    0x0704     /* answers with that many bytes (decimal)      */
#define OP_TICKET  0x0705     /* answers with the ticket                     */

static char               dir[128], address[160];
static uv_loop_t          loop;
static ph_wire_server_t  *server;
static unsigned           closed_conns;

static ph_wire_req_t     *parked[2000];
static size_t             n_parked;

typedef struct {
    unsigned          n;
    ph_wire_status_t  status;
    size_t            len;
    uint8_t           first;
    bool              same;
} answer_t;

static void
on_request(ph_wire_req_t *req, void *data)
{
    size_t     i;
    uint8_t   *p;
    uint64_t   n;
    ph_str_t   body;

    (void) data;

    switch (req->op) {

    case OP_ECHO:
        ph_wire_reply(req, PH_WIRE_OK, req->body);
        break;

    case OP_PARK:
        parked[n_parked++] = req;
        break;

    case OP_EVENTS:
        n = 0;
        for (i = 0; i < req->body.len; i++) {
            n += ph_wire_push(req->conn, 0x0799, req->body) == PH_OK;
        }

        ph_wire_reply(req, n == req->body.len ? PH_WIRE_OK : PH_WIRE_BUSY,
                      ph_str_null);
        break;

    case OP_SIZE:
        if (ph_str_u64(req->body, &n) != PH_OK
            || (p = ph_palloc(req->pool, n)) == NULL)
        {
            ph_wire_reply(req, PH_WIRE_TOO_BIG, ph_str_null);
            break;
        }

        memset(p, 'z', n);
        body = (ph_str_t) { n, p };
        ph_wire_reply(req, PH_WIRE_OK, body);
        break;

    case OP_TICKET:
        ph_wire_reply(req, PH_WIRE_DENIED, req->ticket);
        break;

    default:
        ph_wire_reply(req, PH_WIRE_BAD_OP, ph_str_null);
    }
}

static void
on_closed(ph_wire_conn_t *conn, void *data)
{
    (void) conn;
    (void) data;
    closed_conns++;
}

static void
on_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    size_t     i;
    answer_t  *a;

    a = data;
    a->n++;
    a->status = status;
    a->len = body.len;
    a->first = body.len != 0 ? body.data[0] : 0;
    a->same = true;

    for (i = 0; i < body.len; i++) {
        a->same = a->same && body.data[i] == a->first;
    }
}

/* runs the loop until *n is at least want, for 10 seconds at most */
static bool
reach(const volatile unsigned *n, unsigned want)
{
    uint64_t  end;

    end = uv_hrtime() + UINT64_C(10000000000);

    while (*n < want && uv_hrtime() < end) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(100);
    }

    return *n >= want;
}

static void
turn(unsigned n)
{
    while (n-- != 0) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void
start_server(ph_wire_server_opts_t *opts)
{
    opts->request = on_request;
    opts->closed = on_closed;
    opts->hello = ph_str_lit("worker map");

    ok_or_bail(ph_wire_listen(&loop, address, -1, opts, &server) == PH_OK,
               "listens");
}

static void
on_stopped(void *data)
{
    ++*(unsigned *) data;
}

static void
stop_server(void)
{
    unsigned  stopped;

    stopped = 0;
    ph_wire_server_stop(server, 0, on_stopped, &stopped);
    ok(reach(&stopped, 1), "stops");
    server = NULL;
}

static unsigned  ups, downs, events;
static size_t    event_len;

static void
on_state(bool up, ph_str_t hello, void *data)
{
    (void) data;

    if (up) {
        ups += ph_str_eq_c(hello, "worker map");

    } else {
        downs++;
    }
}

static void
on_event(const ph_wire_frame_t *frame, void *data)
{
    (void) data;
    events += frame->op == 0x0799;
    event_len = frame->body.len;
}

static ph_wire_client_t *
client_new(size_t max_frame)
{
    ph_wire_client_t       *client;
    ph_wire_client_opts_t   opts;

    memset(&opts, 0, sizeof(opts));
    opts.state = on_state;
    opts.event = on_event;
    opts.max_frame = max_frame;
    opts.connect_timeout = 500;

    client = NULL;
    ok_or_bail(ph_wire_client_create(&loop, address, &opts, &client) == PH_OK,
               "client");

    return client;
}

static ph_int_t
call(ph_wire_client_t *client, uint16_t op, ph_str_t body, uint64_t timeout,
    answer_t *a, uint32_t *id)
{
    memset(a, 0, sizeof(*a));

    return ph_wire_call(client, op, ph_str_null, body, timeout, on_answer, a,
                        id);
}

static void
unpark(ph_wire_status_t status)
{
    while (n_parked != 0) {
        ph_wire_reply(parked[--n_parked], status, ph_str_lit("late"));
    }
}

static void
test_calls(void)
{
    size_t             i, bad;
    answer_t           a, many[1500];
    uint32_t           id;
    ph_pool_t         *pool;
    uint8_t           *big;
    ph_wire_client_t  *client;

    ups = 0;
    client = client_new(64u << 20);

    ok(call(client, OP_ECHO, ph_str_lit("xxxx"), 0, &a, NULL) == PH_OK,
       "called before connected");
    ok(a.n == 0, "never answered from inside the call");
    ok(reach(&a.n, 1) && a.status == PH_WIRE_OK && a.len == 4 && a.same,
       "echo");
    is_int(ups, 1, "HELLO came with the server's map");

    memset(&a, 0, sizeof(a));
    (void) ph_wire_call(client, OP_TICKET, ph_str_lit("ttt"), ph_str_lit("b"),
                        0, on_answer, &a, NULL);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_DENIED && a.len == 3
       && a.first == 't', "ticket and status");
    (void) call(client, 0x0777, ph_str_null, 0, &a, NULL);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_BAD_OP && a.len == 0,
       "unknown operation");

    /* more than max_inflight, answered in reverse order */

    for (i = 0; i < ph_nelts(many); i++) {
        (void) call(client, OP_PARK, ph_str_lit("p"), 0, &many[i], NULL);
    }

    turn(5);
    is_int(n_parked, 1024, "reading stops at max_inflight");
    unpark(PH_WIRE_OK);
    (void) reach(&many[1023].n, 1);
    is_int(n_parked, ph_nelts(many) - 1024, "the rest comes then");
    unpark(PH_WIRE_OK);
    (void) reach(&many[ph_nelts(many) - 1].n, 1);

    for (i = 0, bad = 0; i < ph_nelts(many); i++) {
        bad += many[i].n != 1 || many[i].status != PH_WIRE_OK;
    }

    is_int(bad, 0, "each call is answered once");

    /* large bodies both ways */

    pool = ph_pool_create("test", 0);
    big = ph_palloc(pool, 9u << 20);
    memset(big, 'b', 9u << 20);

    (void) call(client, OP_ECHO, (ph_str_t) { 9u << 20, big }, 0, &a, NULL);
    (void) call(client, OP_ECHO, ph_str_lit("small"), 0, &many[0], NULL);
    (void) call(client, OP_ECHO, (ph_str_t) { 70000, big }, 0, &many[1], NULL);
    ok(reach(&a.n, 1) && a.len == 9u << 20 && a.same && a.first == 'b',
       "9 MiB there and back");
    ok(reach(&many[0].n, 1) && many[0].len == 5, "and what came behind it");
    ok(reach(&many[1].n, 1) && many[1].len == 70000 && many[1].same,
       "and that");

    /* every length around the edges of buffers */

    for (i = 0, bad = 0; i < 300; i++) {
        (void) call(client, OP_ECHO, (ph_str_t) { 65536 - 150 + i, big }, 0,
                    &many[i], NULL);
        (void) call(client, OP_ECHO, (ph_str_t) { i * 60, big }, 0,
                    &many[300 + i], NULL);
    }

    (void) reach(&many[599].n, 1);

    for (i = 0; i < 300; i++) {
        bad += many[i].n != 1 || many[i].len != 65536 - 150 + i
               || many[300 + i].n != 1 || many[300 + i].len != i * 60;
    }

    is_int(bad, 0, "600 lengths");

    /* cancel and timeout */

    (void) call(client, OP_PARK, ph_str_null, 0, &a, &id);
    turn(5);
    ph_wire_cancel(client, id);
    ok(a.n == 0, "not answered from inside the cancel");
    ok(reach(&a.n, 1) && a.status == PH_WIRE_CANCELLED, "cancelled");
    turn(5);
    ok(n_parked == 1 && parked[0]->cancelled, "the server is told");
    unpark(PH_WIRE_OK);
    ph_wire_cancel(client, id);
    ph_wire_cancel(client, 999999);
    turn(5);
    is_int(a.n, 1, "the late answer is dropped");

    (void) call(client, OP_PARK, ph_str_null, 30, &a, NULL);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_UNAVAILABLE, "timed out");
    turn(5);
    ok(n_parked == 1 && parked[0]->cancelled, "the server is told of that");
    unpark(PH_WIRE_OK);

    /* events */

    events = 0;
    (void) call(client, OP_EVENTS, (ph_str_t) { 500, big }, 0, &a, NULL);
    ok(reach(&a.n, 1) && events == 500 && event_len == 500,
       "500 events before the answer");

    /* destroyed with calls in flight */

    (void) call(client, OP_PARK, ph_str_null, 0, &a, NULL);
    turn(5);
    closed_conns = 0;
    ph_wire_client_destroy(&client);
    ok(client == NULL && a.n == 1 && a.status == PH_WIRE_UNAVAILABLE,
       "destroy answers what is in flight");
    ok(reach(&closed_conns, 1), "the server sees the end");
    ok(n_parked == 1 && parked[0]->cancelled && parked[0]->conn == NULL
       && parked[0]->peer->uid == geteuid(),
       "the request outlives its connection");
    unpark(PH_WIRE_OK);

    ph_pool_destroy(&pool);
}

static void
test_lost(void)
{
    answer_t               a, b;
    ph_wire_client_t      *client;
    ph_wire_server_opts_t  opts;

    client = client_new(0);
    ups = downs = 0;

    (void) call(client, OP_PARK, ph_str_null, 0, &a, NULL);
    (void) reach(&ups, 1);
    turn(5);
    stop_server();
    ok(reach(&a.n, 1) && a.status == PH_WIRE_UNAVAILABLE,
       "in flight when the server ends");
    ok(reach(&downs, 1), "state: lost");
    unpark(PH_WIRE_OK);

    (void) call(client, OP_ECHO, ph_str_lit("a"), 0, &a, NULL);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_UNAVAILABLE,
       "nobody there within connect_timeout");

    (void) call(client, OP_ECHO, ph_str_lit("a"), 0, &b, NULL);
    memset(&opts, 0, sizeof(opts));
    start_server(&opts);
    ok(reach(&b.n, 1) && b.status == PH_WIRE_OK,
       "a call waits for the server to come back");
    is_int(ups, 2, "state: up again");

    /* an answer above the client's limit ends the connection, not the client */

    (void) call(client, OP_SIZE, ph_str_lit("2000000"), 0, &a, NULL);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_UNAVAILABLE, "answer too large");
    (void) call(client, OP_ECHO, ph_str_lit("a"), 0, &b, NULL);
    ok(reach(&b.n, 1) && b.status == PH_WIRE_OK, "the client goes on");

    ph_wire_client_destroy(&client);
    turn(5);
}

/* ---- peers that do not keep to the protocol ---- */

static int
raw_connect(void)
{
    int                 fd;
    struct sockaddr_un  un;

    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, address + 5, strlen(address + 5) + 1);

    if (connect(fd, (struct sockaddr *) &un, sizeof(un)) == -1) {
        close(fd);
        return -1;
    }

    (void) fcntl(fd, F_SETFL, O_NONBLOCK);

    return fd;
}

static void
raw_send(int fd, const void *data, size_t len)
{
    ssize_t  n;

    while (len != 0) {
        n = send(fd, data, len, MSG_NOSIGNAL);

        if (n > 0) {
            data = (const char *) data + n;
            len -= (size_t) n;

        } else if (n == -1 && errno != EAGAIN) {
            break;
        }

        turn(1);
    }
}

/* whether the server closes within 10 seconds; *got_r bytes were answered */
static bool
raw_closed(int fd, size_t *got_r)
{
    char     buf[4096];
    ssize_t  n;
    int      i;

    *got_r = 0;

    for (i = 0; i < 10000; i++) {
        turn(1);
        n = recv(fd, buf, sizeof(buf), 0);

        if (n == 0 || (n == -1 && errno == ECONNRESET)) {
            return true;
        }

        *got_r += n > 0 ? (size_t) n : 0;
    }

    return false;
}

static size_t
frame(uint8_t *out, uint8_t flags, uint16_t op, uint32_t id, size_t body)
{
    ph_wire_header(out, flags, op, id, 0, 0, (uint32_t) body);
    memset(out + PH_WIRE_HEADER, 'b', body);

    return PH_WIRE_HEADER + body;
}

static void
test_garbage(void)
{
    int      fd;
    size_t   i, n, got;
    uint8_t  buf[8192], big[PH_WIRE_HEADER];

    static const struct {
        const char  *name;
        bool         hello;
        uint8_t      flags;
        uint16_t     op;
        uint32_t     id;
        int          version;
        uint32_t     size;
        uint16_t     ticket;
    } cases[] = {
        { "a request before HELLO", false, 0, OP_ECHO, 1, 1, 12, 0 },
        { "a HELLO that is an answer", false, 1, 1, 1, 1, 12, 0 },
        { "another version", false, 0, 1, 1, 2, 12, 0 },
        { "a size below the header's", false, 0, 1, 1, 1, 11, 0 },
        { "size 0", false, 0, 1, 1, 1, 0, 0 },
        { "a size of 4 GiB", false, 0, 1, 1, 1, 0xffffffff, 0 },
        { "a size above the limit", true, 0, OP_ECHO, 2, 1, (1 << 20) + 1, 0 },
        { "an unknown flag", true, 0x80, OP_ECHO, 2, 1, 12, 0 },
        { "an answer", true, 1, OP_ECHO, 2, 1, 12, 0 },
        { "an event", true, 2, OP_ECHO, 2, 1, 12, 0 },
        { "id 0", true, 0, OP_ECHO, 0, 1, 12, 0 },
        { "a ticket longer than the frame", true, 0, OP_ECHO, 2, 1, 12, 1 },
        { "a ticket of 64 KiB", true, 0, OP_ECHO, 2, 1, 70012, 0xffff }
    };

    for (i = 0; i < ph_nelts(cases); i++) {
        fd = raw_connect();
        n = 0;

        if (cases[i].hello) {
            n = frame(buf, 0, PH_WIRE_OP_HELLO, 1, 0);
        }

        ph_wire_header(big, cases[i].flags, cases[i].op, cases[i].id, 0,
                       cases[i].ticket, 0);
        big[0] = (uint8_t) cases[i].size;
        big[1] = (uint8_t) (cases[i].size >> 8);
        big[2] = (uint8_t) (cases[i].size >> 16);
        big[3] = (uint8_t) (cases[i].size >> 24);
        big[4] = (uint8_t) cases[i].version;
        memcpy(buf + n, big, sizeof(big));
        n += sizeof(big);
        raw_send(fd, buf, n);

        if (cases[i].size == 70012) {
            uint8_t  zero[7000] = { 0 };

            for (n = 0; n < 10; n++) {
                raw_send(fd, zero, sizeof(zero));
            }
        }

        ok(raw_closed(fd, &got), "closed: %s", cases[i].name);
        ok(got == 0 || (cases[i].hello && got == 26), "not answered");
        close(fd);
    }

    /* a peer that sends byte by byte is as good as any */

    fd = raw_connect();
    n = frame(buf, 0, PH_WIRE_OP_HELLO, 1, 0);
    n += frame(buf + n, 0, OP_ECHO, 2, 5);

    for (i = 0; i < n; i++) {
        raw_send(fd, buf + i, 1);
    }

    for (i = 0, got = 0; i < 1000 && got < 26 + 21; i++) {
        ssize_t  r;

        turn(1);
        r = recv(fd, buf, sizeof(buf), 0);
        got += r > 0 ? (size_t) r : 0;
    }

    is_int(got, 26 + 21, "byte by byte");

    /* gone in the middle of a frame, and with a request in flight */

    n = frame(buf, 0, OP_PARK, 3, 0);
    n += frame(buf + n, 0, OP_ECHO, 4, 500);
    raw_send(fd, buf, n - 100);
    turn(5);
    closed_conns = 0;
    close(fd);
    ok(reach(&closed_conns, 1), "a peer that goes in the middle of a frame");
    ok(n_parked == 1 && parked[0]->conn == NULL, "its request stays");
    unpark(PH_WIRE_OK);
}

static void
test_slow_reader(void)
{
    int       fd;
    size_t    i, n, got;
    uint8_t   buf[65536];

    /* 64 requests for 512 KiB each, by a peer that does not read */

    fd = raw_connect();
    n = frame(buf, 0, PH_WIRE_OP_HELLO, 1, 0);

    for (i = 0; i < 64; i++) {
        n += frame(buf + n, 0, OP_SIZE, (uint32_t) (2 + i), 6);
        memcpy(buf + n - 6, "524288", 6);
    }

    raw_send(fd, buf, n);
    turn(20);

    /* then it parks one: not read, since 8 MiB wait already */

    n = frame(buf, 0, OP_PARK, 100, 0);
    raw_send(fd, buf, n);
    turn(20);
    is_int(n_parked, 0, "output that waits stops reading");

    for (i = 0, got = 0; i < 100000 && got < 26 + 64 * (524288 + 16); i++) {
        ssize_t  r;

        r = recv(fd, buf, sizeof(buf), 0);
        got += r > 0 ? (size_t) r : 0;
        turn(r > 0 ? 0 : 1);
        uv_run(&loop, UV_RUN_NOWAIT);
    }

    is_int(got, 26 + 64 * (524288 + 16), "all of it arrives");
    for (i = 0; i < 1000 && n_parked == 0; i++) {
        turn(1);
    }

    is_int(n_parked, 1, "reading goes on then");
    unpark(PH_WIRE_OK);

    /* events to a peer that does not read are bounded */

    n = frame(buf, 0, OP_EVENTS, 101, 30000);
    raw_send(fd, buf, n);
    turn(20);

    for (i = 0, got = 0; i < 2000; i++) {
        ssize_t  r;

        r = recv(fd, buf, sizeof(buf), 0);
        got += r > 0 ? (size_t) r : 0;
        turn(r > 0 ? 0 : 1);
        uv_run(&loop, UV_RUN_NOWAIT);

        if (got > 4u << 20 && r <= 0) {
            break;
        }
    }

    ok(got > 4u << 20 && got < (4u << 20) + (1u << 20),
       "ph_wire_push refuses above 4 MiB (%zu bytes)", got);

    close(fd);
    turn(5);
}

static void
test_limits(void)
{
    int                    fds[4], i;
    size_t                 got;
    unsigned               stopped;
    answer_t               a;
    ph_wire_client_t      *client;
    ph_wire_server_opts_t  opts;
    static const uid_t     nobody[] = { 65534 };

    stop_server();

    memset(&opts, 0, sizeof(opts));
    opts.max_conns = 3;
    opts.request_memory = 100000;
    start_server(&opts);

    for (i = 0; i < 4; i++) {
        fds[i] = raw_connect();
        turn(3);
    }

    ok(raw_closed(fds[3], &got), "max_conns");

    for (i = 0; i < 4; i++) {
        close(fds[i]);
    }

    turn(5);

    client = client_new(0);
    (void) call(client, OP_SIZE, ph_str_lit("200000"), 0, &a, NULL);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_TOO_BIG,
       "request_memory limits what a request may allocate");

    /* a graceful stop waits for what is in flight */

    (void) call(client, OP_PARK, ph_str_null, 0, &a, NULL);
    turn(5);
    stopped = 0;
    ph_wire_server_stop(server, 5000, on_stopped, &stopped);
    turn(20);
    is_int(stopped, 0, "stop waits");
    unpark(PH_WIRE_EXISTS);
    ok(reach(&a.n, 1) && a.status == PH_WIRE_EXISTS, "the answer is sent");
    ok(reach(&stopped, 1), "then it stops");
    ok(access(address + 5, F_OK) == -1, "the socket is removed");

    /* but not forever */

    start_server(&opts);
    (void) call(client, OP_PARK, ph_str_null, 0, &a, NULL);
    for (i = 0; i < 2000 && n_parked == 0; i++) {
        turn(1);
    }

    stopped = 0;
    ph_wire_server_stop(server, 50, on_stopped, &stopped);
    ok(reach(&stopped, 1) && a.status != PH_WIRE_OK, "a stop ends in time");
    ok(n_parked == 1, "with a request that is still being worked on");
    unpark(PH_WIRE_OK);
    ph_wire_client_destroy(&client);
    turn(5);

    /* peers by uid */

    opts.allowed_uids = nobody;
    opts.n_allowed_uids = 1;
    start_server(&opts);
    fds[0] = raw_connect();
    ok(raw_closed(fds[0], &got), "a uid that is not allowed");
    close(fds[0]);
}

int
main(void)
{
    ph_wire_server_opts_t  opts;

    (void) signal(SIGPIPE, SIG_IGN);

    tap_tmpdir(dir, sizeof(dir));
    (void) snprintf(address, sizeof(address), "unix:%s/s", dir);
    (void) uv_loop_init(&loop);

    memset(&opts, 0, sizeof(opts));
    opts.max_frame = 16u << 20;
    start_server(&opts);
    test_calls();

    stop_server();
    memset(&opts, 0, sizeof(opts));
    start_server(&opts);
    test_lost();
    test_garbage();
    test_slow_reader();
    test_limits();
    stop_server();

    (void) uv_run(&loop, UV_RUN_DEFAULT);
    ok(uv_loop_close(&loop) == 0, "no handle is left open");
    tap_rmdir(dir);

    return done_testing();
}
