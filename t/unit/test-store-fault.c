/*
 * Every write, sync, truncate and rename of an operation fails once, with
 * ENOSPC and with EIO, alone and with all that follow it: the operation says
 * so, nothing of it happened, the mailbox is consistent, and the same operation
 * succeeds when the cause is gone.
 */

#include "store_fixture.h"
#include "fault.h"

#define TRIES_MAX  2000

static uint8_t  big[150000];
static unsigned serial;
static uint32_t bad;

static ph_int_t
op_deliver(void)
{
    bool              dup, quota;
    uint64_t          mid, fid;
    mapi_value_t      v[3];
    mapi_message_t    m;
    store_delivery_t  d;

    memset(&m, 0, sizeof(m));
    memset(&d, 0, sizeof(d));
    serial++;
    memcpy(big, &serial, sizeof(serial));
    v[0] = v_str(PR_SUBJECT, "fault");
    v[1] = v_bin(MAPI_TAG(0x6F01, PT_BINARY), big, sizeof(big));
    v[2] = v_bin(MAPI_TAG(0x6F02, PT_BINARY), big, 20000);
    m.props.n = 3;
    m.props.v = v;
    d.message = &m;
    d.raw = S("raw");
    return store_deliver(fx.conn, &d, &mid, &fid, &dup, &quota);
}

static ph_int_t
op_save(void)
{
    ph_int_t          rc;
    store_stream_t   *s;
    store_message_t  *msg;

    rc = store_message_create(fx.conn, STORE_INBOX, false, 0, NULL, &msg);
    if (rc != PH_OK) {
        return rc;
    }
    serial++;
    memcpy(big, &serial, sizeof(serial));
    rc = store_message_stream(fx.conn, msg, MAPI_TAG(0x6F03, PT_BINARY),
                              STORE_STREAM_CREATE, &s);
    if (rc == PH_OK) {
        rc = store_stream_write(s, big, sizeof(big));
        if (rc == PH_OK) {
            rc = store_stream_commit(fx.conn, s);
        }
        store_stream_close(&s);
    }
    if (rc == PH_OK) {
        rc = store_message_save(fx.conn, msg, 0, NULL, NULL);
    }
    store_message_close(&msg);
    return rc;
}

static ph_int_t
op_folder(void)
{
    bool                existed;
    char                name[32];
    uint64_t            fid;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = STORE_DRAFTS;
    f.type = STORE_FOLDER_GENERIC;
    snprintf(name, sizeof(name), "folder %u", ++serial);
    f.name = S(name);
    return store_folder_create(fx.conn, &f, &fid, &existed);
}

static void
finding(void *data, store_bad_t what, bool repaired, const char *text)
{
    (void) data;
    (void) repaired;
    /* a file whose commit failed is garbage, and nothing else may be wrong */
    if (what != STORE_BAD_GARBAGE) {
        bad++;
        diag("check %d: %s", what, text);
    }
}

static bool
consistent(void)
{
    uint32_t  n;
    uint64_t  objects;

    bad = 0;
    return store_check(fx.conn, 0, finding, NULL, &objects, &n) == PH_OK
           && bad == 0;
}

static uint32_t
count(void)
{
    store_totals_t  t;

    return store_totals(fx.conn, &t) == PH_OK ? t.total : 999999;
}

static ph_int_t
run(ph_int_t (*op)(void))
{
    ph_int_t  rc;

    rc = store_begin(fx.conn);
    if (rc == PH_OK) {
        rc = op();
        if (rc == PH_OK) {
            rc = store_commit(fx.conn, NULL);
        }
    }
    store_rollback(fx.conn);
    return rc;
}

static void
inject(ph_int_t (*op)(void), const char *name, int error, bool sticky)
{
    bool      hit, codes, kept, sane, again;
    long      n;
    uint32_t  before;
    ph_int_t  rc;

    codes = kept = sane = again = true;
    for (n = 1; n < TRIES_MAX; n++) {
        before = count();
        fault_arm(n, error, sticky);
        rc = run(op);
        hit = fault_disarm();
        if (!hit) {
            break;
        }
        if (rc != PH_OK) {
            if (rc != (error == ENOSPC ? PH_NOSPACE : PH_ERROR)) {
                diag("%s, call %ld: %s", name, n, ph_result_name(rc));
                codes = false;
            }
            kept &= count() == before;
        }
        sane &= consistent();
        if (n % 5 == 0) {
            again &= run(op) == PH_OK;
        }
    }
    diag("%s: %ld places", name, n - 1);
    ok(n > 3 && n < TRIES_MAX, "%s: every call failed once", name);
    ok(codes, "%s: the reason is told", name);
    ok(kept, "%s: nothing happened", name);
    ok(sane, "%s: consistent after each", name);
    ok(again, "%s: works again", name);
    is_rc(rc, PH_OK, "without a fault");
}

static void
test_create(void)
{
    bool            hit, clean;
    char            path[160];
    long            n;
    ph_int_t        rc;
    store_params_t  p;

    memset(&p, 0, sizeof(p));
    p.address = S("bob@example.test");
    snprintf(path, sizeof(path), "%s/other", fx.dir);
    clean = true;

    for (n = 1; n < TRIES_MAX; n++) {
        fault_arm(n, ENOSPC, true);
        rc = store_create(fx.env, path, &p);
        hit = fault_disarm();
        if (!hit) {
            break;
        }
        /* all or nothing; a sync of the parent may fail behind the rename */
        if (access(path, F_OK) == 0) {
            store_t  *store;

            clean &= store_open(fx.env, path, &store) == PH_OK;
            store_close(&store);
            clean &= store_remove(fx.env, path) == PH_OK;
        } else {
            clean &= rc != PH_OK;
        }
    }
    ok(n > 5 && n < TRIES_MAX, "creating: every call failed once (%ld)", n);
    ok(clean, "a mailbox is whole or not there");
    is_rc(rc, PH_OK, "and is made at last");
}

int
main(void)
{
    size_t     i;
    ph_log_t  *log;

    for (i = 0; i < sizeof(big); i++) {
        big[i] = (uint8_t) (i * 31 + i / 253);
    }
    if (getenv("STORE_TEST_LOG")) {
        (void) ph_log_open("test", NULL, PH_LOG_ERROR, &fx.conf.log);
    }
    fx_start("en");
    inject(op_deliver, "deliver, ENOSPC", ENOSPC, false);
    inject(op_deliver, "deliver, ENOSPC from there on", ENOSPC, true);
    inject(op_deliver, "deliver, EIO", EIO, false);
    inject(op_save, "save, ENOSPC from there on", ENOSPC, true);
    inject(op_save, "save, EIO", EIO, false);
    inject(op_folder, "folder, ENOSPC from there on", ENOSPC, true);
    inject(op_folder, "folder, EIO", EIO, false);
    test_create();
    fx_close();
    fx_open();
    ok(consistent(), "consistent after opening it again");
    log = fx.conf.log;
    i = (size_t) fx_end();
    ph_log_close(&log);
    return (int) i;
}
