/*
 * A worker of exmdb without sockets: one mailbox in a temporary folder, one
 * session, and Executes that run to their end before they return.
 */

#ifndef EXMDB_FIXTURE_H
#define EXMDB_FIXTURE_H

#include "exmdb/ex_execute.h"
#include "lib/ph_conf.h"
#include "mapi/mapi_rpcext.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    bool         done;
    uint8_t      result;
    uint32_t     ec;
    ph_str_t     rops;         /* extended buffers, in pool */
    ph_pool_t   *pool;
} fx_answer_t;

static struct {
    char           dir[64];
    uv_loop_t      loop;
    ph_daemon_t    daemon;
    ph_pool_t     *pool;
    ex_t          *ex;
    ex_facts_t    *facts;
    ex_session_t  *session;
} fx;

#define FX_DN  "/o=test/ou=x/cn=Recipients/cn=alice"

static inline int
fx_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;
    return remove(path);
}

static inline void
fx_die(const char *what)
{
    printf("Bail out! %s\n", what);
    exit(1);
}

static inline ex_session_t *
fx_session(void)
{
    ex_session_t                    *s;
    exmdb_emsmdb_connect_request_t   r;

    memset(&r, 0, sizeof(r));
    r.cpid = 1252;
    r.lcid_string = 0x409;
    r.client = ph_str_lit("127.0.0.1");
    r.client_application = ph_str_lit("test/1");

    s = ex_session_new(fx.ex, fx.facts, PH_RIGHT_MAPI, &r);
    if (s != NULL) {
        /* there is no directory that could be asked */
        s->groups_at = ex_directory_generation(fx.ex);
    }

    return s;
}

static inline void
fx_init(void)
{
    char          path[128];
    FILE         *f;
    dir_entry_t   e;
    const char   *err;

    /* many syncs: memory when the machine has it */
    snprintf(fx.dir, sizeof(fx.dir), "%s/phexXXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(fx.dir) == NULL) {
        fx_die("mkdtemp");
    }

    snprintf(path, sizeof(path), "%s/posthorn.conf", fx.dir);
    f = fopen(path, "w");
    if (f == NULL) {
        fx_die("posthorn.conf");
    }

    fprintf(f, "exmdb {\n directory = \"unix:%s/directory.sock\"\n"
            " delivery = \"unix:%s/delivery.sock\"\n"
            " socket = \"%s/exmdb.sock\"\n"
            " mailbox_root = \"%s/mailboxes\"\n workers = 1\n}\n",
            fx.dir, fx.dir, fx.dir, fx.dir);
    fclose(f);

    fx.pool = ph_pool_create("fixture", 0);
    if (ph_conf_load(fx.pool, path, &fx.daemon.conf, &err) != PH_OK) {
        fx_die(err);
    }

    uv_loop_init(&fx.loop);
    fx.daemon.loop = &fx.loop;
    fx.daemon.pool = fx.pool;
    fx.daemon.workers = 1;

    fx.ex = ex_worker_create(&fx.daemon);
    if (fx.ex == NULL) {
        fx_die("ex_worker_create");
    }

    memset(&e, 0, sizeof(e));
    e.kind = DIR_KIND_USER;
    e.user_id = 1;
    e.rights = PH_RIGHT_MAPI;
    e.address = ph_str_lit("alice@example.test");
    e.display_name = ph_str_lit("alice");
    e.legacy_dn = ph_str_lit(FX_DN);
    e.domain = ph_str_lit("example.test");
    e.lang = ph_str_lit("en_US");
    e.path = ph_str_lit("alice");
    memset(&e.mailbox_guid, 0x11, sizeof(e.mailbox_guid));

    fx.facts = ex_facts_new(&e);
    fx.session = fx_session();
    if (fx.session == NULL) {
        fx_die("session");
    }
}

static inline void
fx_closed(void *data)
{
    *(bool *) data = true;
}

static inline void
fx_end(void)
{
    bool  closed = false;

    ex_sessions_end(fx.ex);
    ex_mailboxes_close_all(fx.ex, fx_closed, &closed);
    while (!closed) {
        uv_run(&fx.loop, UV_RUN_ONCE);
    }

    ex_worker_destroy(fx.ex);
    ex_facts_unref(&fx.facts);
    while (uv_run(&fx.loop, UV_RUN_NOWAIT) != 0) {
        /* handles close */
    }

    uv_loop_close(&fx.loop);
    ph_pool_destroy(&fx.pool);
    (void) nftw(fx.dir, fx_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
fx_answered(ex_execute_t *x, uint8_t result, ph_str_t rops)
{
    fx_answer_t  *a = x->data_of_answered;

    a->done = true;
    a->result = result;
    a->ec = x->ec;
    a->rops = ph_pstrdup(a->pool, rops);
}

/* the first payload of an answer */
static inline ph_int_t
fx_payload(ph_pool_t *pool, ph_str_t rops, ph_str_t *payload_r)
{
    bool      last;
    ph_cur_t  cur;

    ph_cur_init(&cur, rops.data, rops.len);

    return mapi_rpcext_read(&cur, pool, payload_r, &last);
}


/* Runs an Execute; rops is what the client sends: extended buffers. */
static inline fx_answer_t
fx_execute(ex_session_t *s, ph_pool_t *pool, ph_str_t rops, uint32_t flags,
    uint32_t max_out)
{
    ph_pool_t     *own;
    fx_answer_t    a;
    ex_execute_t  *x;

    memset(&a, 0, sizeof(a));
    a.pool = pool;

    own = ph_pool_create("execute", 64u << 20);
    x = ph_pcalloc(own, sizeof(ex_execute_t));
    x->ex = fx.ex;
    x->pool = own;
    x->answered = fx_answered;
    x->data_of_answered = &a;
    memcpy(x->r.session, s->id, EX_SESSION_ID);
    x->r.rops = rops;
    x->r.flags = flags;
    x->r.max_rop_out = max_out;

    ex_execute_begin(x, fx.facts->entry.address);
    while (!a.done) {
        uv_run(&fx.loop, UV_RUN_ONCE);
    }

    /* the end of the job that answered */
    uv_run(&fx.loop, UV_RUN_NOWAIT);
    ph_pool_destroy(&own);

    return a;
}

#endif
