/* Framing of Execute, handles, pieces, limits, and notifications. */

#include "tap.h"
#include "exmdb_fixture.h"

#include "exmdb/ex_rop.h"

#define MAX_OUT  0x10008


static ph_pool_t  *pool;

/* a request under construction */
static struct {
    ph_wbuf_t  rops;
    uint32_t   handles[16];
    uint32_t   n;
} rq;


static void
begin(void)
{
    ph_wbuf_init(&rq.rops, pool, 1 << 20);
    rq.n = 0;
}


static void
rop(uint8_t id, uint8_t a, int b)
{
    ph_put_u8(&rq.rops, id);
    ph_put_u8(&rq.rops, 0);
    ph_put_u8(&rq.rops, a);
    if (b >= 0) {
        ph_put_u8(&rq.rops, (uint8_t) b);
    }
}


static uint8_t
slot(uint32_t handle)
{
    rq.handles[rq.n] = handle;
    return (uint8_t) rq.n++;
}


static ph_str_t
wrap(ph_str_t payload, uint16_t flags)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 1 << 20);
    ph_put_u16(&b, 0);
    ph_put_u16(&b, flags);
    ph_put_u16(&b, (uint16_t) payload.len);
    ph_put_u16(&b, (uint16_t) payload.len);
    ph_put_str(&b, payload);

    return ph_wbuf_str(&b);
}


static ph_str_t
payload_of(void)
{
    uint32_t   i;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 1 << 20);
    ph_put_u16(&b, (uint16_t) (rq.rops.len + 2));
    ph_put_str(&b, ph_wbuf_str(&rq.rops));
    for (i = 0; i < rq.n; i++) {
        ph_put_u32(&b, rq.handles[i]);
    }

    return ph_wbuf_str(&b);
}


/* an answer's first payload: responses, then handles */
static struct {
    ph_cur_t   cur;
    uint32_t   handles[16];
    uint32_t   n;
} rs;


static fx_answer_t
run(ex_session_t *s)
{
    uint16_t      size;
    ph_cur_t      cur;
    ph_str_t      payload;
    fx_answer_t   a;

    a = fx_execute(s, pool, wrap(payload_of(), MAPI_RPCEXT_LAST),
                   EX_FLAG_NO_COMPRESS, MAX_OUT);

    memset(&rs, 0, sizeof(rs));
    if (a.ec != 0 || fx_payload(pool, a.rops, &payload) != PH_OK) {
        ph_cur_init(&rs.cur, "", 0);
        return a;
    }

    ph_cur_init(&cur, payload.data, payload.len);
    size = ph_cur_u16(&cur);
    rs.cur = ph_cur_sub(&cur, size - 2u);
    while (ph_cur_left(&cur) >= 4 && rs.n < 16) {
        rs.handles[rs.n++] = ph_cur_u32(&cur);
    }

    return a;
}


/* the head of the next response */
static uint32_t
response(uint8_t id, uint8_t index)
{
    uint8_t  have_id, have_index;

    have_id = ph_cur_u8(&rs.cur);
    have_index = ph_cur_u8(&rs.cur);
    is_int(have_id, id, "RopId");
    is_int(have_index, index, "handle index");

    return ph_cur_u32(&rs.cur);
}


static void
put_logon(void)
{
    ph_put_u8(&rq.rops, 1);
    ph_put_u32(&rq.rops, 0x01000004);
    ph_put_u32(&rq.rops, 0);
    ph_put_u16(&rq.rops, sizeof(FX_DN));
    ph_put_bytes(&rq.rops, FX_DN, sizeof(FX_DN));
}


static uint32_t
logon(ex_session_t *s)
{
    begin();
    rop(ROP_LOGON, slot(EX_NO_HANDLE), -1);
    put_logon();
    (void) run(s);
    is_int(response(ROP_LOGON, 0), 0, "logon");

    return rs.handles[0];
}


static uint32_t
open_folder(ex_session_t *s, uint32_t lh, uint64_t id)
{
    uint8_t  a, b;

    begin();
    a = slot(lh);
    b = slot(EX_NO_HANDLE);
    rop(ROP_OPEN_FOLDER, a, b);
    ph_put_u64(&rq.rops, store_eid(id));
    ph_put_u8(&rq.rops, 0);
    (void) run(s);
    is_int(response(ROP_OPEN_FOLDER, b), 0, "OpenFolder");

    return rs.handles[b];
}


static void
test_framing(void)
{
    fx_answer_t  a;
    ph_str_t     p;

    begin();
    p = wrap(payload_of(), MAPI_RPCEXT_LAST);

    a = fx_execute(fx.session, pool, (ph_str_t) { 7, p.data }, 0, MAX_OUT);
    is_int(a.ec, ecRpcFailed, "a buffer of 7 bytes");
    a = fx_execute(fx.session, pool, p, 0, 7);
    is_int(a.ec, ecRpcFailed, "MaxRopOut of 7");
    a = fx_execute(fx.session, pool, p, 0, 0x40001);
    is_int(a.ec, RPC_X_BAD_STUB_DATA, "MaxRopOut above the limit");
    a = fx_execute(fx.session, pool, p, 0, MAX_OUT);
    is_int(a.ec, 0, "no ROPs at all");
    is_int(a.rops.len, 8 + 2, "an empty answer");

    begin();
    rop(0xEE, 0, -1);
    (void) run(fx.session);
    a = fx_execute(fx.session, pool, wrap(payload_of(), MAPI_RPCEXT_LAST), 0,
                   MAX_OUT);
    is_int(a.ec, ecRpcFormat, "an unknown RopId fails the whole call");

    begin();
    rop(ROP_OPEN_FOLDER, slot(0), 1);
    ph_put_u16(&rq.rops, 7);
    a = fx_execute(fx.session, pool, wrap(payload_of(), MAPI_RPCEXT_LAST), 0,
                   MAX_OUT);
    is_int(a.ec, ecRpcFormat, "a ROP that is cut off");
}


static void
test_handles(void)
{
    uint8_t   a, b;
    uint32_t  lh, fh, again;

    begin();
    a = slot(0x77);
    b = slot(EX_NO_HANDLE);
    rop(ROP_GET_HIERARCHY_TABLE, a, b);
    ph_put_u8(&rq.rops, 0);
    (void) run(fx.session);
    is_int(response(ROP_GET_HIERARCHY_TABLE, 1), ecNullObject,
           "before any logon");

    lh = logon(fx.session);
    fh = open_folder(fx.session, lh, STORE_INBOX);
    ok(fh != lh && fh != EX_NO_HANDLE, "handles differ");

    begin();
    rop(ROP_RELEASE, slot(fh), -1);
    (void) run(fx.session);
    is_int(ph_cur_left(&rs.cur), 0, "Release is not answered");

    begin();
    a = slot(fh);
    b = slot(EX_NO_HANDLE);
    rop(ROP_GET_CONTENTS_TABLE, a, b);
    ph_put_u8(&rq.rops, 0);
    (void) run(fx.session);
    is_int(response(ROP_GET_CONTENTS_TABLE, 1), ecNullObject,
           "a released handle");

    again = open_folder(fx.session, lh, STORE_INBOX);
    ok(again != fh, "a slot that is used again has another handle");

    /* an index outside of the table, and the next ROP still runs */
    begin();
    a = slot(lh);
    b = slot(EX_NO_HANDLE);
    rop(ROP_OPEN_FOLDER, 200, b);
    ph_put_u64(&rq.rops, store_eid(STORE_INBOX));
    ph_put_u8(&rq.rops, 0);
    rop(ROP_OPEN_FOLDER, a, b);
    ph_put_u64(&rq.rops, store_eid(STORE_INBOX));
    ph_put_u8(&rq.rops, 0);
    (void) run(fx.session);
    is_int(response(ROP_OPEN_FOLDER, b), ecNullObject, "index 200");
    is_int(response(ROP_OPEN_FOLDER, b), 0, "the ROP behind it");

    /* another LogonId than the handle's */
    begin();
    ph_put_u8(&rq.rops, ROP_GET_TRANSPORT_FOLDER);
    ph_put_u8(&rq.rops, 9);
    ph_put_u8(&rq.rops, slot(lh));
    (void) run(fx.session);
    ok(response(ROP_GET_TRANSPORT_FOLDER, 0) != 0, "LogonId 9 has no logon");
}


static void
test_too_small(void)
{
    int          i;
    uint8_t      a, b;
    uint32_t     lh;
    ph_str_t     payload;
    fx_answer_t  r;

    lh = logon(fx.session);

    begin();
    a = slot(lh);
    b = slot(EX_NO_HANDLE);
    for (i = 0; i < 40; i++) {
        rop(ROP_OPEN_FOLDER, a, b);
        ph_put_u64(&rq.rops, store_eid(STORE_INBOX));
        ph_put_u8(&rq.rops, 0);
    }

    r = fx_execute(fx.session, pool, wrap(payload_of(), MAPI_RPCEXT_LAST),
                   EX_FLAG_NO_COMPRESS, 560);
    is_int(r.ec, 0, "an answer");
    ok(fx_payload(pool, r.rops, &payload) == PH_OK && payload.len <= 552,
       "within the limit");

    /* 40 answers of 8 bytes would be 320: all fit; now they do not */
    r = fx_execute(fx.session, pool, wrap(payload_of(), MAPI_RPCEXT_LAST),
                   EX_FLAG_NO_COMPRESS, 100);
    is_int(r.ec, ecBufferTooSmall, "no room even for the rest of the request");
}


static void
put_subject(const char *s)
{
    size_t     i, at;

    at = rq.rops.len;
    ph_put_u16(&rq.rops, 0);
    ph_put_u16(&rq.rops, 1);
    ph_put_u32(&rq.rops, PR_SUBJECT);
    for (i = 0; s[i] != '\0'; i++) {
        ph_put_u16(&rq.rops, (uint8_t) s[i]);
    }
    ph_put_u16(&rq.rops, 0);
    ph_poke_u16(&rq.rops, at, (uint16_t) (rq.rops.len - at - 2));
}


static void
create(ex_session_t *s, uint32_t lh, const char *subject)
{
    uint8_t  a, b;

    begin();
    a = slot(lh);
    b = slot(EX_NO_HANDLE);
    rop(ROP_CREATE_MESSAGE, a, b);
    ph_put_u16(&rq.rops, 0x0FFF);
    ph_put_u64(&rq.rops, store_eid(STORE_DRAFTS));
    ph_put_u8(&rq.rops, 0);
    rop(ROP_SET_PROPERTIES, b, -1);
    put_subject(subject);
    rop(ROP_SAVE_CHANGES_MESSAGE, a, b);
    ph_put_u8(&rq.rops, 2);
    rop(ROP_RELEASE, b, -1);
    (void) run(s);
    is_int(response(ROP_CREATE_MESSAGE, b), 0, "CreateMessage");
    (void) ph_cur_u8(&rs.cur);
    is_int(response(ROP_SET_PROPERTIES, b), 0, "SetProperties");
    (void) ph_cur_u16(&rs.cur);
    is_int(response(ROP_SAVE_CHANGES_MESSAGE, a), 0, "SaveChangesMessage");
}


/* Counts RopNotify responses of a type for a handle in an empty Execute. */
static uint32_t
notified(ex_session_t *s, uint32_t handle, uint16_t type)
{
    uint32_t                n;
    mapi_ctx_t              ctx;
    rop_notify_response_t   r;

    begin();
    (void) run(s);
    memset(&ctx, 0, sizeof(ctx));
    n = 0;

    while (ph_cur_left(&rs.cur) > 0 && ph_cur_u8(&rs.cur) == ROP_NOTIFY) {
        if (rop_notify_response_decode(&rs.cur, pool, &ctx, &r) != PH_OK) {
            return UINT32_MAX;
        }

        if (r.notification_handle == handle && (r.flags & 0xFFF) == type) {
            n++;
        }
    }

    return n;
}


static void
test_notify(void)
{
    uint8_t        a, b;
    uint32_t       lh, other, sub, fh, table;
    ex_session_t  *s;

    lh = logon(fx.session);
    s = fx_session();
    other = logon(s);

    begin();
    a = slot(lh);
    b = slot(EX_NO_HANDLE);
    rop(ROP_REGISTER_NOTIFICATION, a, b);
    ph_put_u16(&rq.rops, STORE_EV_CREATED);
    ph_put_u8(&rq.rops, 0);
    ph_put_u64(&rq.rops, store_eid(STORE_DRAFTS));
    ph_put_u64(&rq.rops, 0);
    (void) run(fx.session);
    is_int(response(ROP_REGISTER_NOTIFICATION, b), 0, "RegisterNotification");
    sub = rs.handles[b];

    fh = open_folder(fx.session, lh, STORE_DRAFTS);
    begin();
    a = slot(fh);
    b = slot(EX_NO_HANDLE);
    rop(ROP_GET_CONTENTS_TABLE, a, b);
    ph_put_u8(&rq.rops, 0);
    rop(ROP_SET_COLUMNS, b, -1);
    ph_put_u8(&rq.rops, 0);
    ph_put_u16(&rq.rops, 1);
    ph_put_u32(&rq.rops, PR_SUBJECT);
    rop(ROP_QUERY_ROWS, b, -1);
    ph_put_u8(&rq.rops, 0);
    ph_put_u8(&rq.rops, 1);
    ph_put_u16(&rq.rops, 10);
    (void) run(fx.session);
    is_int(response(ROP_GET_CONTENTS_TABLE, b), 0, "GetContentsTable");
    table = rs.handles[b];

    is_int(notified(fx.session, sub, STORE_EV_CREATED), 0, "nothing yet");

    create(s, other, "one");
    is_int(notified(fx.session, sub, STORE_EV_CREATED), 1, "told once");
    is_int(notified(fx.session, sub, STORE_EV_CREATED), 0, "and not again");

    create(s, other, "two");
    is_int(notified(fx.session, table, EX_NOTIFY_TABLE), 1,
           "the table's row is told");

    begin();
    rop(ROP_RELEASE, slot(sub), -1);
    rop(ROP_RELEASE, slot(table), -1);
    (void) run(fx.session);
    create(s, other, "three");
    is_int(notified(fx.session, sub, STORE_EV_CREATED), 0,
           "nothing after the release");

    ex_session_end(s, "test");
}


int
main(void)
{
    pool = ph_pool_create("test", 64u << 20);
    fx_init();

    test_framing();
    test_handles();
    test_too_small();
    test_notify();

    fx_end();
    ph_pool_destroy(&pool);

    return done_testing();
}
