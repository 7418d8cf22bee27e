/*
 * The client library against a server that t/doors.t has started; without one
 * only what needs none.
 */

#include "tap.h"
#include "client/cl_rop.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"
#include "gen/dir.h"

static ph_pool_t   *pool;
static const char  *user;

#define S(c)  ph_str_c(c)

static void
test_batch(void)
{
    uint8_t                     store, folder, table;
    ph_str_t                    rops;
    cl_rops_t                   b;
    cl_rop_answer_t             a;
    rop_open_folder_request_t   open = { .folder_id = 1 };

    cl_rops_init(&b, pool);
    store = cl_rops_slot(&b, 77);
    is_int(cl_rops_slot(&b, 77), store, "a handle has one slot");
    folder = cl_rops_add(&b, ROP_OPEN_FOLDER, store, CL_NEW, &open);
    ok(folder != store && folder != CL_NONE, "a new object, a new slot");
    table = cl_rops_add(&b, ROP_RELEASE, folder, CL_NONE, NULL);
    is_int(table, folder, "no new object");
    is_int(cl_rops_request(&b, &rops), PH_OK, "the batch");
    ok(rops.len > 16, "has bytes");
    is_int(cl_rops_response(&b, rops), PH_OK, "what has the same frame");
    ok(cl_rops_next(&b, &a) != PH_OK || a.rop == ROP_OPEN_FOLDER,
       "is read without harm");

    cl_rops_init(&b, pool);
    (void) cl_rops_add(&b, ROP_OPEN_FOLDER, 3, CL_NEW, &open);
    is_int(cl_rops_request(&b, &rops), PH_INVALID, "a slot that is none");
    cl_rops_init(&b, pool);
    for (int i = 0; i <= CL_ROPS_MAX; i++) {
        (void) cl_rops_add(&b, ROP_RELEASE, cl_rops_slot(&b, 1), CL_NONE,
                           NULL);
    }
    is_int(cl_rops_request(&b, &rops), PH_TOOBIG, "too many");
    is_int(cl_rops_response(&b, S("rubbish")), PH_INVALID, "rubbish");

    ok(cl_worker_of(1, S("A@B.test"), 7) == cl_worker_of(1, S("a@b.test"), 7),
       "a mailbox has one worker, whatever the case");
    is_int(cl_worker_of(1, S("a"), 0), 0, "no workers");
}

/* ---- a server ---- */

static dir_auth_answer_t
login(cl_sync_t *cs)
{
    ph_str_t             body, answer;
    ph_wire_status_t     status;
    dir_auth_answer_t    a;
    dir_auth_request_t   r;

    memset(&r, 0, sizeof(r));
    memset(&a, 0, sizeof(a));
    r.user = S(user);
    r.password = S(getenv("CLIENT_PASSWORD"));
    r.service = PH_RIGHT_MAPI;
    r.client = S("");
    r.request_id = S("");
    is_int(dir_auth_request_encode_new(pool, &r, &body), PH_OK, "request");
    is_int(cl_sync_directory(cs, pool, DIR_OP_AUTH, body, 20000, &status,
                             &answer), PH_OK, "the directory answers");
    is_int(status, PH_WIRE_OK, "and knows the user");
    is_int(dir_auth_answer_decode_all(answer, pool, &a), PH_OK, "answer");
    return a;
}

static void
test_session(cl_sync_t *cs)
{
    uint8_t                      slot;
    uint32_t                     ec, store;
    cl_rops_t                    b;
    cl_session_t                *s;
    cl_rop_answer_t              a;
    ph_wire_status_t             status;
    dir_auth_answer_t            who;
    cl_session_opts_t            opts;
    rop_open_folder_request_t    open;
    const rop_logon_response_t  *logon;
    rop_create_folder_request_t  create;

    who = login(cs);
    memset(&opts, 0, sizeof(opts));
    opts.mailbox = who.who.address;
    opts.ticket = who.ticket;
    opts.user_dn = who.who.legacy_dn;
    opts.client = S("test");
    is_int(cl_session_open(cs, &opts, &s, &status, &ec), PH_OK, "connect");
    is_int(status, PH_WIRE_OK, "taken");
    is_int(ec, 0, "no error");
    if (s == NULL) {
        return;
    }
    is_int(cl_session_logon(s, pool, who.who.legacy_dn, 1, 0x01000004, &logon,
                            &store, &ec), PH_OK, "logon");
    is_int(ec, 0, "to her mailbox");
    ok(logon != NULL && logon->folder_ids[4] != 0, "with an Inbox");

    cl_rops_init(&b, pool);
    memset(&open, 0, sizeof(open));
    memset(&create, 0, sizeof(create));
    open.folder_id = logon->folder_ids[3];
    create.folder_type = 1;
    create.use_unicode = 1;
    create.display_name = S("made by ROPs");
    create.comment = S("");
    slot = cl_rops_add(&b, ROP_OPEN_FOLDER, cl_rops_slot(&b, store), CL_NEW,
                       &open);
    (void) cl_rops_add(&b, ROP_CREATE_FOLDER, slot, CL_NEW, &create);
    is_int(cl_session_execute(s, &b, &ec), PH_OK, "two ROPs in one batch");
    is_int(cl_rops_next(&b, &a), PH_OK, "first answer");
    ok(a.rop == ROP_OPEN_FOLDER && a.ec == 0 && a.slot == slot, "OpenFolder");
    ok(cl_rops_handle(&b, slot) != UINT32_MAX, "with a handle");
    is_int(cl_rops_next(&b, &a), PH_OK, "second answer");
    ok(a.rop == ROP_CREATE_FOLDER && a.ec == 0 && a.response != NULL,
       "CreateFolder");
    is_int(cl_rops_next(&b, &a), PH_DONE, "no more");
    cl_session_close(&s);
    ok(s == NULL, "closed");
}

typedef struct {
    uv_loop_t  loop;
    cl_t      *cl;
    unsigned   answers;
    ph_str_t   body;
    bool       ok;
} live_t;

static void
live_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    live_t                *l = data;
    exmdb_quota_answer_t   a;

    l->answers++;
    l->ok = status == PH_WIRE_OK
            && exmdb_quota_answer_decode_all(body, pool, &a) == PH_OK;
    if (l->answers < 3 && l->ok) {
        is_int(cl_mailbox(l->cl, S(user), EXMDB_OP_QUOTA, l->body, 20000,
                          live_answer, l), PH_OK, "again");
        return;
    }
    cl_destroy(&l->cl);
}

static void
test_loop(const cl_opts_t *opts)
{
    live_t                 l;
    exmdb_quota_request_t  r = { .mailbox = S(user) };

    memset(&l, 0, sizeof(l));
    uv_loop_init(&l.loop);
    is_int(cl_create(&l.loop, opts, &l.cl), PH_OK, "a client on a loop");
    is_int(exmdb_quota_request_encode_new(pool, &r, &l.body), PH_OK, "body");
    is_int(cl_mailbox(l.cl, S(user), EXMDB_OP_QUOTA, l.body, 20000,
                      live_answer, &l), PH_OK, "a call");
    uv_run(&l.loop, UV_RUN_DEFAULT);
    ok(l.ok && l.answers == 3, "three answers");
    is_int(uv_loop_close(&l.loop), 0, "nothing is left on the loop");
}

static void
test_nobody(void)
{
    uv_loop_t   loop;
    live_t      l;
    cl_opts_t   opts = { .directory = "unix:/nowhere/directory.sock",
                         .exmdb = "unix:/nowhere/exmdb.sock", .name = "test",
                         .kind = PH_TICKET_SERVICE };

    memset(&l, 0, sizeof(l));
    uv_loop_init(&loop);
    is_int(cl_create(&loop, &opts, &l.cl), PH_OK, "nobody is there");
    l.answers = 5;
    is_int(cl_mailbox(l.cl, S("a@b"), EXMDB_OP_QUOTA, S("x"), 1000,
                      live_answer, &l), PH_OK, "a call");
    cl_stop(l.cl);
    cl_destroy(&l.cl);
    ok(l.answers == 6 && !l.ok, "is answered when the client goes");
    uv_run(&loop, UV_RUN_DEFAULT);
    is_int(uv_loop_close(&loop), 0, "nothing is left on the loop");
    opts.directory = "nonsense";
    ok(cl_create(&loop, &opts, &l.cl) != PH_OK, "not an address");
}

int
main(void)
{
    cl_sync_t      *cs;
    cl_opts_t       opts;
    exmdb_hello_t   hello;

    pool = ph_pool_create("test", 1 << 26);
    user = getenv("CLIENT_USER");
    test_batch();
    test_nobody();

    if (user != NULL) {
        memset(&opts, 0, sizeof(opts));
        opts.directory = getenv("CLIENT_DIRECTORY");
        opts.exmdb = getenv("CLIENT_EXMDB");
        opts.name = "test";
        opts.kind = PH_TICKET_SERVICE;
        is_int(cl_sync_create(&opts, &cs), PH_OK, "a client");
        is_int(cl_sync_hello(cs, pool, &hello), PH_OK, "the map");
        ok(hello.workers_count >= 1, "of workers");
        test_session(cs);
        cl_sync_destroy(&cs);
        test_loop(&opts);
    }

    ph_pool_destroy(&pool);
    return done_testing();
}
