/*
 * Requests a second of the wire protocol on a unix socket, between two
 * processes, with one call at a time, with many in flight, and as events; and
 * the ratio to a bare ping-pong of the same bytes over a socketpair in the
 * same run.
 *
 *     wire [seconds for each measurement, default 1]
 */

#include "lib/ph_daemon.h"
#include "lib/ph_pool.h"
#include "lib/ph_wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY       200
#define IN_FLIGHT  64
#define OP_ECHO    0x0701
#define OP_EVENTS  0x0702
#define EVENTS     10000

typedef struct {
    uv_loop_t          loop;
    ph_wire_client_t  *client;
    uint64_t           until;
    uint64_t           answers;
    uint64_t           events;
    unsigned           open;
    size_t             body_len;
    bool               failed;
    uint8_t           *body;
} bench_t;

/* ---- the far side ---- */

static void
on_request(ph_wire_req_t *req, void *data)
{
    int        i;
    ph_str_t   event;

    (void) data;

    if (req->op == OP_EVENTS) {
        event = (ph_str_t) { 16, req->body.data };

        for (i = 0; i < EVENTS; i++) {
            (void) ph_wire_push(req->conn, OP_EVENTS, event);
        }
    }

    ph_wire_reply(req, PH_WIRE_OK, req->body);
}

static void
serve(const char *address, int ready)
{
    char                    ok;
    uv_loop_t               loop;
    ph_wire_server_t       *server;
    ph_wire_server_opts_t   opts;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void) uv_loop_init(&loop);

    memset(&opts, 0, sizeof(opts));
    opts.request = on_request;
    opts.max_frame = 8u << 20;

    ok = ph_wire_listen(&loop, address, -1, &opts, &server) == PH_OK;

    if (write(ready, &ok, 1) == 1 && ok) {
        (void) uv_run(&loop, UV_RUN_DEFAULT);
    }

    _exit(0);
}

static void
all(int fd, void *data, size_t len, bool out)
{
    ssize_t  n;

    while (len != 0) {
        n = out ? write(fd, data, len) : read(fd, data, len);

        if (n <= 0) {
            _exit(0);
        }

        data = (char *) data + n;
        len -= (size_t) n;
    }
}

/* round trips a second of nothing but the system calls */
static double
plain(uint64_t ms)
{
    int       fds[2];
    char      buf[PH_WIRE_HEADER + BODY];
    pid_t     pid;
    uint64_t  begin, n;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1) {
        exit(1);
    }

    pid = fork();

    if (pid == 0) {
        (void) close(fds[0]);

        for ( ;; ) {
            all(fds[1], buf, sizeof(buf), false);
            all(fds[1], buf, sizeof(buf), true);
        }
    }

    (void) close(fds[1]);
    memset(buf, 0, sizeof(buf));
    begin = ph_now_ms();

    for (n = 0; ph_now_ms() - begin < ms; n++) {
        all(fds[0], buf, sizeof(buf), true);
        all(fds[0], buf, sizeof(buf), false);
    }

    (void) close(fds[0]);
    (void) waitpid(pid, NULL, 0);

    return (double) n * 1000 / (double) ms;
}

/* ---- calls ---- */

static void on_answer(ph_wire_status_t status, ph_str_t body, void *data);

static void
ask(bench_t *b, uint16_t op)
{
    b->open++;

    if (ph_wire_call(b->client, op, ph_str_null,
                     (ph_str_t) { b->body_len, b->body }, 0, on_answer, b, NULL)
        != PH_OK)
    {
        b->failed = true;
        b->open--;
    }
}

static void
on_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    bench_t  *b = data;

    b->failed = b->failed || status != PH_WIRE_OK || body.len != b->body_len;
    b->answers++;
    b->open--;

    if (!b->failed && ph_now_ms() < b->until) {
        ask(b, OP_ECHO);
    }
}

static void
on_event(const ph_wire_frame_t *frame, void *data)
{
    bench_t  *b = data;

    b->events += frame->body.len == 16;
}

static double
calls(bench_t *b, unsigned n, size_t body_len, uint64_t ms)
{
    uint64_t  begin;

    b->answers = 0;
    b->body_len = body_len;
    begin = ph_now_ms();
    b->until = begin + ms;

    while (n-- != 0) {
        ask(b, OP_ECHO);
    }

    while (b->open != 0) {
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    }

    return (double) b->answers * 1000 / (double) (ph_now_ms() - begin);
}

static double
events(bench_t *b, uint64_t ms)
{
    uint64_t  begin;

    b->events = 0;
    b->body_len = BODY;
    b->until = 0;
    begin = ph_now_ms();

    while (ph_now_ms() - begin < ms && !b->failed) {
        ask(b, OP_EVENTS);

        while (b->open != 0) {
            (void) uv_run(&b->loop, UV_RUN_ONCE);
        }
    }

    return (double) b->events * 1000 / (double) (ph_now_ms() - begin);
}

static double
blocking(const char *address, uint64_t ms)
{
    uint64_t           begin, n;
    ph_pool_t         *pool;
    ph_str_t           answer;
    static uint8_t     body[BODY];
    ph_wire_sync_t    *sync;
    ph_wire_status_t   status;

    if (ph_wire_sync_create(address, NULL, &sync) != PH_OK) {
        return 0;
    }

    pool = ph_pool_create("bench", 0);
    begin = ph_now_ms();

    for (n = 0; ph_now_ms() - begin < ms; n++) {
        if (ph_wire_sync_call(sync, pool, OP_ECHO, ph_str_null,
                              (ph_str_t) { sizeof(body), body }, 0, &status,
                              &answer) != PH_OK)
        {
            return 0;
        }

        ph_pool_reset(pool);
    }

    ph_pool_destroy(&pool);
    ph_wire_sync_destroy(&sync);

    return (double) n * 1000 / (double) ms;
}

int
main(int argc, char **argv)
{
    int                     ready[2];
    char                    ok, dir[] = "/tmp/bench-wire-XXXXXX", address[64];
    pid_t                   pid;
    double                  base, rate;
    bench_t                 b;
    uint64_t                ms;
    ph_wire_client_opts_t   opts;

    ms = argc > 1 ? (uint64_t) (strtod(argv[1], NULL) * 1000) : 1000;
    ms = ph_max(ms, 10);

    (void) signal(SIGPIPE, SIG_IGN);

    if (mkdtemp(dir) == NULL || pipe(ready) == -1) {
        perror("bench");
        return 1;
    }

    (void) snprintf(address, sizeof(address), "unix:%s/s", dir);
    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        serve(address, ready[1]);
    }

    if (read(ready[0], &ok, 1) != 1 || !ok) {
        fprintf(stderr, "the server did not start\n");
        return 1;
    }

    memset(&b, 0, sizeof(b));
    memset(&opts, 0, sizeof(opts));
    opts.event = on_event;
    opts.data = &b;
    opts.max_frame = 8u << 20;
    b.body = calloc(1, 1u << 20);
    (void) uv_loop_init(&b.loop);

    if (b.body == NULL
        || ph_wire_client_create(&b.loop, address, &opts, &b.client) != PH_OK)
    {
        return 1;
    }

    base = plain(ms);
    printf("socketpair ping-pong             %10.0f /s\n", base);
    rate = calls(&b, 1, BODY, ms);
    printf("wire, 1 call at a time           %10.0f /s   ratio %.2f\n", rate,
           rate / base);
    rate = blocking(address, ms);
    printf("wire, blocking client            %10.0f /s   ratio %.2f\n", rate,
           rate / base);
    rate = calls(&b, IN_FLIGHT, BODY, ms);
    printf("wire, %d calls in flight         %10.0f /s   ratio %.2f\n",
           IN_FLIGHT, rate, rate / base);
    rate = events(&b, ms);
    printf("wire, events                     %10.0f /s   ratio %.2f\n", rate,
           rate / base);
    rate = calls(&b, 4, 1u << 20, ms);
    printf("wire, bodies of 1 MiB both ways  %10.0f MiB/s\n", 2 * rate);

    ph_wire_client_destroy(&b.client);
    (void) uv_run(&b.loop, UV_RUN_DEFAULT);
    free(b.body);
    (void) kill(pid, SIGTERM);
    (void) waitpid(pid, NULL, 0);
    (void) unlink(address + 5);
    (void) rmdir(dir);

    if (b.failed) {
        fprintf(stderr, "a call failed\n");
        return 1;
    }

    return 0;
}
