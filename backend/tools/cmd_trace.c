/* phctl trace: the ROPs of a mailbox, as they happen */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "gen/exmdb.h"
#include "tools/ctl.h"

typedef struct {
    ctl_t             *c;
    uv_loop_t          loop;
    uv_signal_t        sigint, sigterm;
    uv_timer_t         timer;
    ph_wire_client_t  *client;
    const char        *address;
    ph_str_t           request;
    uint64_t           limit;      /* lines; 0 = no end */
    uint64_t           lines;
    bool               ended;
    int                rc;
} trace_t;

static void trace_end(trace_t *t, int rc)
{
    if (t->ended) {
        return;
    }
    t->ended = true;
    t->rc = rc;
    ph_wire_client_destroy(&t->client);
    uv_close((uv_handle_t *) &t->sigint, NULL);
    uv_close((uv_handle_t *) &t->sigterm, NULL);
    uv_close((uv_handle_t *) &t->timer, NULL);
}

static void trace_signal(uv_signal_t *handle, int signum)
{
    (void) signum;
    trace_end(handle->data, CTL_OK);
}

/* --seconds is over, or an end that must not happen inside a callback */
static void trace_timer(uv_timer_t *handle)
{
    trace_t  *t = handle->data;

    trace_end(t, t->rc);
}

/* ends the loop from the next timer, outside of the client's callbacks */
static void trace_end_soon(trace_t *t, int rc)
{
    if (!t->ended) {
        t->rc = rc;
        (void) uv_timer_start(&t->timer, trace_timer, 0, 0);
    }
}

static void trace_print(trace_t *t, const exmdb_trace_line_t *line)
{
    ctl_t       *c = t->c;
    json_t      *j;
    char        *s, text[64];
    time_t       when;
    struct tm    tm;
    size_t       i;

    if (c->json) {
        j = json_pack("{s:o, s:o, s:o, s:s, s:i, s:o}",
            "time", ctl_json_time(line->time),
            "mailbox", ctl_json_str(line->mailbox),
            "session", ctl_json_hex(line->session, sizeof(line->session)),
            "direction", line->direction ? "answer" : "request",
            "microseconds", (int) line->microseconds,
            "text", ctl_json_str(line->text));
        s = j ? json_dumps(j, JSON_COMPACT) : NULL;
        printf("%s\n", s ? s : "{}");
        free(s);
        json_decref(j);
    } else {
        when = (time_t) (line->time / 10000000 - 11644473600ull);
        if (gmtime_r(&when, &tm) == NULL
            || strftime(text, sizeof(text), "%H:%M:%S", &tm) == 0)
        {
            text[0] = '\0';
        }
        printf("%s.%03u %02x%02x %s ", text,
               (unsigned) (line->time / 10000 % 1000), line->session[0],
               line->session[1], line->direction ? "<-" : "->");
        if (line->direction) {
            printf("[%u us] ", line->microseconds);
        }
        for (i = 0; i < line->text.len; i++) {
            /* the dump is text of one or more lines; anything else is '?' */
            putchar(line->text.data[i] < 0x20 && line->text.data[i] != '\n'
                    ? '?' : line->text.data[i]);
        }
        if (i == 0 || line->text.data[i - 1] != '\n') {
            putchar('\n');
        }
    }
    if (fflush(stdout) != 0) {
        trace_end_soon(t, CTL_FAILED);
    }
}

static void trace_event(const ph_wire_frame_t *frame, void *data)
{
    trace_t             *t = data;
    exmdb_trace_line_t   line;
    ph_pool_t           *pool;

    if (frame->op != EXMDB_EVENT_TRACE_LINE || t->ended
        || (t->limit && t->lines == t->limit))
    {
        return;
    }
    pool = ph_pool_create("trace line", 0);
    if (pool == NULL) {
        return;
    }
    if (exmdb_trace_line_decode_all(frame->body, pool, &line) == PH_OK) {
        trace_print(t, &line);
        t->lines++;
        if (t->lines == t->limit) {
            trace_end_soon(t, CTL_OK);
        }
    }
    ph_pool_destroy(&pool);
}

static void trace_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    trace_t  *t = data;

    (void) body;
    if (t->ended) {
        return;
    }
    if (status == PH_WIRE_OK) {
        if (!t->c->json) {
            fprintf(stderr, "phctl: tracing %s, Ctrl-C ends it\n",
                    t->c->args[0]);
        }
        return;
    }
    trace_end_soon(t, status == PH_WIRE_NOT_FOUND
        ? ctl_error(t->c, CTL_NOTFOUND, "no mailbox %s", t->c->args[0])
        : ctl_error(t->c, status == PH_WIRE_DENIED ? CTL_DENIED
                    : status == PH_WIRE_UNAVAILABLE ? CTL_UNAVAILABLE
                    : CTL_FAILED, "%s does not trace: %s", t->address,
                    ph_wire_status_name(status)));
}

/* asked again after a loss: a worker that was started anew has forgotten us */
static void trace_state(bool up, ph_str_t hello, void *data)
{
    trace_t  *t = data;

    (void) hello;
    if (up && !t->ended) {
        (void) ph_wire_call(t->client, EXMDB_OP_TRACE, t->c->ticket,
                            t->request, CTL_TIMEOUT, trace_answer, t, NULL);
    }
}

static void trace_ping(ph_wire_status_t status, ph_str_t body, void *data)
{
    trace_t  *t = data;

    (void) body;
    if (status == PH_WIRE_UNAVAILABLE && !t->ended) {
        trace_end_soon(t, ctl_error(t->c, CTL_UNAVAILABLE, "cannot reach %s",
                                    t->address));
    }
}

static int trace_loop(ctl_t *c, trace_t *t, uint64_t seconds)
{
    exmdb_status_request_t  ping = { 0 };
    ph_wire_client_opts_t   opts = {
        .max_frame = CTL_MAX_ANSWER, .event = trace_event,
        .state = trace_state, .data = t
    };
    ph_str_t                body;

    if (uv_loop_init(&t->loop) != 0) {
        return ctl_error(c, CTL_FAILED, "no event loop");
    }
    uv_signal_init(&t->loop, &t->sigint);
    uv_signal_init(&t->loop, &t->sigterm);
    uv_timer_init(&t->loop, &t->timer);
    t->sigint.data = t->sigterm.data = t->timer.data = t;
    uv_signal_start(&t->sigint, trace_signal, SIGINT);
    uv_signal_start(&t->sigterm, trace_signal, SIGTERM);
    if (seconds) {
        uv_timer_start(&t->timer, trace_timer, seconds * 1000, 0);
    }

    if (ph_wire_client_create(&t->loop, t->address, &opts, &t->client)
            != PH_OK
        || exmdb_status_request_encode_new(c->pool, &ping, &body) != PH_OK
        || ph_wire_call(t->client, EXMDB_OP_STATUS, c->ticket, body, 5000,
                        trace_ping, t, NULL) != PH_OK)
    {
        trace_end(t, ctl_error(c, CTL_FAILED, "cannot use %s", t->address));
    }
    uv_run(&t->loop, UV_RUN_DEFAULT);
    uv_loop_close(&t->loop);
    return t->rc;
}

static int trace_run(ctl_t *c)
{
    exmdb_trace_request_t  req = { 0 };
    trace_t                t = { .c = c };
    ctl_worker_t          *workers;
    const char            *v;
    uint64_t               seconds = 0;
    uint32_t               seed = 0;
    size_t                 n;
    int                    rc;

    v = ctl_option(c, "count");
    if (v != NULL && ph_str_u64(ph_str_c(v), &t.limit) != PH_OK) {
        return ctl_error(c, CTL_USAGE, "--count needs a number");
    }
    v = ctl_option(c, "seconds");
    if (v != NULL && (ph_str_u64(ph_str_c(v), &seconds) != PH_OK
                      || seconds > 1000000))
    {
        return ctl_error(c, CTL_USAGE, "--seconds needs a number");
    }

    rc = ctl_workers(c, &workers, &n, &seed);
    if (rc != CTL_OK) {
        return rc;
    }
    t.address = workers[cl_worker_of(seed, ctl_arg(c, 0),
                                     (uint32_t) n)].address;

    req.mailbox = ph_str_lower(c->pool, ctl_arg(c, 0));
    if (exmdb_trace_request_encode_new(c->pool, &req, &t.request) != PH_OK) {
        return ctl_error(c, CTL_FAILED, "out of memory");
    }
    return trace_loop(c, &t, seconds);
}

const ctl_command_t ctl_trace_commands[] = {
    { "trace", NULL, "ADDRESS", "count: seconds:", 1, 1,
      "live ROP requests and answers of a mailbox", trace_run },
    { 0 }
};
