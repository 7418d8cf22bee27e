/* A mailbox for one test, in a folder that is removed at the end. */

#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "tap.h"

#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"
#include "store/store.h"

#include <ftw.h>

static struct {
    char          dir[64];
    char          path[128];
    store_env_t  *env;
    store_t      *store;
    store_conn_t *conn;        /* the writer */
    ph_pool_t    *pool;
    store_conf_t  conf;
} fx;

static inline int
fx_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;
    return remove(path);
}

static inline void
fx_cleanup(void)
{
    (void) nftw(fx.dir, fx_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline ph_str_t
S(const char *c)
{
    return ph_str_c(c);
}

static inline void
fx_open(void)
{
    ph_int_t  rc;

    rc = store_open(fx.env, fx.path, &fx.store);
    if (rc != PH_OK) {
        printf("Bail out! store_open: %s\n", ph_result_name(rc));
        exit(1);
    }
    rc = store_conn_acquire(fx.store, STORE_WRITE, &fx.conn);
    if (rc != PH_OK) {
        printf("Bail out! writer: %s\n", ph_result_name(rc));
        exit(1);
    }
}

static inline void
fx_close(void)
{
    store_conn_release(&fx.conn);
    store_close(&fx.store);
}

/* fx.conf may be filled before */
static inline void
fx_start(const char *lang)
{
    ph_int_t        rc;
    store_params_t  p;

    /* many thousands of syncs: memory when the machine has it */
    snprintf(fx.dir, sizeof(fx.dir), "%s/posthorn-store.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(fx.dir) == NULL) {
        printf("Bail out! no folder\n");
        exit(1);
    }
    snprintf(fx.path, sizeof(fx.path), "%s/box", fx.dir);
    atexit(fx_cleanup);
    fx.pool = ph_pool_create("test", 1u << 30);
    if (store_env_create(&fx.conf, &fx.env) != PH_OK) {
        printf("Bail out! store_env_create\n");
        exit(1);
    }

    memset(&p, 0, sizeof(p));
    p.address = S("alice@example.test");
    p.display_name = S("Alice");
    p.legacy_dn = S("/o=Test/cn=alice");
    p.lang = S(lang);
    rc = store_create(fx.env, fx.path, &p);
    if (rc != PH_OK) {
        printf("Bail out! store_create: %s\n", ph_result_name(rc));
        exit(1);
    }
    fx_open();
}

static inline int
fx_end(void)
{
    fx_close();
    store_env_destroy(&fx.env);
    ph_pool_destroy(&fx.pool);
    return done_testing();
}

static inline void
fx_begin(void)
{
    ok(store_begin(fx.conn) == PH_OK, "begin");
}

static inline void
fx_commit(void)
{
    ok(store_commit(fx.conn, NULL) == PH_OK, "commit");
}

#define is_rc(got, want, name)                                               \
    is_cstr(ph_result_name(got), ph_result_name(want), name)

static inline mapi_value_t
v_str(uint32_t tag, const char *c)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.str = S(c);
    return v;
}

static inline mapi_value_t
v_bin(uint32_t tag, const void *p, size_t n)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.bin.data = p;
    v.u.bin.len = n;
    return v;
}

static inline mapi_value_t
v_i4(uint32_t tag, int32_t n)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.i4 = n;
    return v;
}

static inline mapi_value_t
v_bool(uint32_t tag, bool b)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.b = b;
    return v;
}

static inline mapi_value_t
v_time(uint32_t tag, uint64_t t)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.time = t;
    return v;
}

/* one property of a message; type PT_ERROR when absent */
static inline mapi_value_t
fx_get(store_message_t *msg, uint32_t tag)
{
    mapi_tags_t    tags = { 1, &tag };
    mapi_values_t  vals;
    mapi_value_t   v;
    ph_int_t       rc;

    memset(&v, 0, sizeof(v));
    rc = store_message_get(fx.conn, msg, &tags, STORE_NO_LIMIT, fx.pool,
                           &vals);
    if (rc != PH_OK) {
        diag("get %08x: %s", tag, ph_result_name(rc));
        v.tag = MAPI_RETYPE(tag, PT_ERROR);
        return v;
    }
    return vals.v[0];
}

static inline const char *
fx_get_str(store_message_t *msg, uint32_t tag)
{
    mapi_value_t  v;

    v = fx_get(msg, tag);
    if (MAPI_TYPE(v.tag) == PT_ERROR) {
        return "(absent)";
    }
    return (const char *) ph_pstrdup(fx.pool, v.u.str).data;
}

static inline ph_int_t
fx_set(store_message_t *msg, mapi_value_t v)
{
    mapi_values_t     vals = { 1, &v };
    store_problems_t  p;
    ph_int_t          rc;

    rc = store_message_set(msg, &vals, fx.pool, &p);
    if (rc == PH_OK && p.n) {
        return PH_DENIED;
    }
    return rc;
}

/* a saved message with a subject; inside of a transaction */
static inline uint64_t
fx_message(uint64_t fid, const char *subject)
{
    uint64_t          mid;
    ph_int_t          rc;
    store_message_t  *msg;

    rc = store_message_create(fx.conn, fid, false, 0, NULL, &msg);
    if (rc != PH_OK) {
        diag("create: %s", ph_result_name(rc));
        return 0;
    }
    fx_set(msg, v_str(PR_SUBJECT, subject));
    rc = store_message_save(fx.conn, msg, 0, NULL, NULL);
    if (rc != PH_OK) {
        diag("save: %s", ph_result_name(rc));
    }
    mid = store_message_fact(msg)->id;
    store_message_close(&msg);
    return mid;
}

static inline void
fx_finding(void *data, store_bad_t what, bool repaired, const char *text)
{
    (void) data;
    diag("check %d%s: %s", what, repaired ? " repaired" : "", text);
}

/* the mailbox is consistent */
static inline void
fx_check(const char *when)
{
    uint64_t  objects;
    uint32_t  findings;
    ph_int_t  rc;

    findings = 1;
    rc = store_check(fx.conn, STORE_CHECK_BLOBS, fx_finding, NULL, &objects,
                     &findings);
    ok(rc == PH_OK && findings == 0, "check: %s (%s, %u findings)", when,
       ph_result_name(rc), findings);
}

#endif
