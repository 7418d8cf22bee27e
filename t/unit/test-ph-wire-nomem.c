/*
 * ph_wire without memory: the same conversation again and again, in which the
 * first, second, third, ... allocation fails.  Whatever is refused, each
 * accepted call is answered once, and nothing is left behind.
 */

#include "lib/ph_pool.h"
#include "lib/ph_wire.h"
#include "tap.h"

#include <signal.h>

#define CALLS  5

static char           dir[128], address[160];
static long           fail_in = -1;
static unsigned long  allocations;

bool
ph_pool_fault(size_t size)
{
    (void) size;
    allocations++;

    return fail_in >= 0 && fail_in-- == 0;
}

typedef struct {
    bool      accepted;
    unsigned  answers;
} call_t;

static ph_wire_req_t  *parked;

static void
on_request(ph_wire_req_t *req, void *data)
{
    (void) data;

    if (req->op == 0x0702 && parked == NULL) {
        parked = req;
        return;
    }

    (void) ph_wire_push(req->conn, 0x0799, req->body);
    ph_wire_reply(req, PH_WIRE_OK, req->body);
}

static void
on_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    (void) status;
    (void) body;
    ((call_t *) data)->answers++;
}

/* whether all calls were answered once, with the n-th allocation failing */
static bool
conversation(long n)
{
    bool                    good;
    int                     i;
    size_t                  len;
    call_t                  c[CALLS];
    uint64_t                end;
    uint32_t                id;
    uv_loop_t               loop;
    static uint8_t          body[200000];
    ph_wire_server_t       *server;
    ph_wire_client_t       *client;
    ph_wire_server_opts_t   opts;
    ph_wire_client_opts_t   copts;

    memset(c, 0, sizeof(c));
    memset(&opts, 0, sizeof(opts));
    memset(&copts, 0, sizeof(copts));
    opts.request = on_request;
    copts.connect_timeout = 300;
    server = NULL;
    client = NULL;
    parked = NULL;
    id = 0;
    (void) uv_loop_init(&loop);

    fail_in = n;

    (void) ph_wire_listen(&loop, address, -1, &opts, &server);
    (void) ph_wire_client_create(&loop, address, &copts, &client);

    for (i = 0; client != NULL && i < CALLS; i++) {
        len = i == 1 ? sizeof(body) : (size_t) i * 10;

        c[i].accepted = ph_wire_call(client, i == 3 ? 0x0702 : 0x0701,
                                     ph_str_lit("ticket"),
                                     (ph_str_t) { len, body }, 300, on_answer,
                                     &c[i], i == 3 ? &id : NULL) == PH_OK;

        if (i == 2 || i == 3) {
            (void) uv_run(&loop, UV_RUN_NOWAIT);
            (void) uv_run(&loop, UV_RUN_NOWAIT);
        }
    }

    if (client != NULL && id != 0) {
        ph_wire_cancel(client, id);
    }

    end = uv_hrtime() + UINT64_C(2000000000);
    good = false;

    while (!good && uv_hrtime() < end) {
        (void) uv_run(&loop, UV_RUN_NOWAIT);

        for (i = 0, good = true; i < CALLS; i++) {
            good = good && (!c[i].accepted || c[i].answers != 0);
        }
    }

    fail_in = -1;

    ph_wire_client_destroy(&client);

    for (i = 0; i < 5; i++) {
        (void) uv_run(&loop, UV_RUN_NOWAIT);
    }

    if (parked != NULL) {
        ph_wire_reply(parked, PH_WIRE_OK, ph_str_null);
    }

    if (server != NULL) {
        ph_wire_server_stop(server, 0, NULL, NULL);
    }

    (void) uv_run(&loop, UV_RUN_DEFAULT);
    good = good && uv_loop_close(&loop) == 0;

    for (i = 0; i < CALLS; i++) {
        good = good && c[i].answers == (c[i].accepted ? 1 : 0);
    }

    return good;
}

int
main(void)
{
    long           n, bad;
    unsigned long  all;

    (void) signal(SIGPIPE, SIG_IGN);
    tap_tmpdir(dir, sizeof(dir));
    (void) snprintf(address, sizeof(address), "unix:%s/s", dir);

    ok(conversation(-1), "with memory");
    all = allocations;
    ok(all > 20, "%lu allocations", all);

    for (n = 0, bad = 0; n < (long) all + 5; n++) {
        if (!conversation(n)) {
            diag("with allocation %ld failing", n);
            bad++;
        }
    }

    is_int(bad, 0, "each accepted call is answered once");
    tap_rmdir(dir);

    return done_testing();
}
