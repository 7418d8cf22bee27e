/*
 * Bad input, made from the description of the ROPs, so that a new one is
 * covered by itself: every body cut at every byte and overwritten, every kind
 * of object behind every handle index, handles that are gone or never were.
 *
 * Expected each time: an answer; only that ROP fails, the one behind it in the
 * same buffer is answered as ever (or none is, when a ROP cannot be told from
 * the next); the session lives, and another one notices nothing.
 */

#include "tap.h"
#include "exmdb_fixture.h"

#include "exmdb/ex_rop.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_rpcext.h"

#define MAX_OUT   0x10008
#define BODIES    6
#define RANDOM    300      /* tries to make the bodies */
#define BODY_MAX  96

static ph_pool_t  *pool;

static struct {
    ph_wbuf_t  rops;
    uint32_t   handles[32];
    uint32_t   n;
} rq;

static struct {
    ph_str_t   rops;           /* responses */
    uint32_t   handles[32];
    uint32_t   n;
} rs;

/* the objects of the session that misbehaves */
enum {
    H_LOGON, H_FOLDER, H_MESSAGE, H_ATTACH, H_STREAM, H_CONTENTS, H_HIERARCHY,
    H_ATTACHMENTS, H_PERMISSIONS, H_NOTIFY, H_DST, H_KEEP, H_OBJECTS
};

static const char *const  h_name[] = {
    "logon", "folder", "message", "attachment", "stream", "contents",
    "hierarchy", "attachments", "permissions", "subscription", "destination",
    "kept", "released", "never given", "none"
};

#define H_RELEASED  H_OBJECTS
#define H_NEVER     (H_OBJECTS + 1)
#define H_NONE      (H_OBJECTS + 2)
#define H_KINDS     (H_OBJECTS + 3)

static uint32_t       handle[H_KINDS];
static ex_session_t  *bad, *good;
static uint32_t       good_message, good_logon;
static uint64_t       seed = 88172645463325252ull;


static uint64_t
rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}


static void
begin(void)
{
    ph_wbuf_init(&rq.rops, pool, 1 << 17);
    rq.n = 0;
}


static uint8_t
slot(uint32_t h)
{
    rq.handles[rq.n] = h;
    return (uint8_t) rq.n++;
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


static uint32_t
run(ex_session_t *s)
{
    bool         last;
    uint32_t     i;
    uint16_t     size;
    ph_cur_t     cur;
    ph_str_t     payload;
    ph_wbuf_t    b;
    fx_answer_t  a;

    ph_wbuf_init(&b, pool, 1 << 17);
    ph_put_u16(&b, 0);
    ph_put_u16(&b, MAPI_RPCEXT_LAST);
    ph_put_u16(&b, (uint16_t) (rq.rops.len + 2 + 4 * rq.n));
    ph_put_u16(&b, (uint16_t) (rq.rops.len + 2 + 4 * rq.n));
    ph_put_u16(&b, (uint16_t) (rq.rops.len + 2));
    ph_put_str(&b, ph_wbuf_str(&rq.rops));
    for (i = 0; i < rq.n; i++) {
        ph_put_u32(&b, rq.handles[i]);
    }

    a = fx_execute(s, pool, ph_wbuf_str(&b), EX_FLAG_NO_COMPRESS, MAX_OUT);

    memset(&rs, 0, sizeof(rs));
    if (a.result != EXMDB_RESULT_OK) {
        return 0xFFFFFFFFu;
    }
    if (a.ec != 0) {
        return a.ec;
    }
    ph_cur_init(&cur, a.rops.data, a.rops.len);
    if (mapi_rpcext_read(&cur, pool, &payload, &last) != PH_OK) {
        return 0xFFFFFFFEu;
    }

    ph_cur_init(&cur, payload.data, payload.len);
    size = ph_cur_u16(&cur);
    rs.rops = ph_cur_bytes(&cur, size - 2u);
    while (ph_cur_left(&cur) >= 4 && rs.n < 32) {
        rs.handles[rs.n++] = ph_cur_u32(&cur);
    }

    return 0;
}


/* ---- the objects ---- */

static uint32_t
logon(ex_session_t *s)
{
    begin();
    rop(ROP_LOGON, slot(EX_NO_HANDLE), -1);
    ph_put_u8(&rq.rops, 1);
    ph_put_u32(&rq.rops, 0x01000004);
    ph_put_u32(&rq.rops, 0);
    ph_put_u16(&rq.rops, sizeof(FX_DN));
    ph_put_bytes(&rq.rops, FX_DN, sizeof(FX_DN));
    return run(s) == 0 ? rs.handles[0] : EX_NO_HANDLE;
}


static void
put_open_folder(uint8_t in, uint8_t out, uint64_t id)
{
    rop(ROP_OPEN_FOLDER, in, out);
    ph_put_u64(&rq.rops, store_eid(id));
    ph_put_u8(&rq.rops, 0);
}


static void
put_subject(uint8_t in)
{
    rop(ROP_SET_PROPERTIES, in, -1);
    ph_put_u16(&rq.rops, 2 + 4 + 5);
    ph_put_u16(&rq.rops, 1);
    ph_put_u32(&rq.rops, 0x0037001E);
    ph_put_bytes(&rq.rops, "kept", 5);
}


static void
put_message(uint8_t logon, uint8_t out, uint64_t fid)
{
    rop(ROP_CREATE_MESSAGE, logon, out);
    ph_put_u16(&rq.rops, 0xFFF);
    ph_put_u64(&rq.rops, store_eid(fid));
    ph_put_u8(&rq.rops, 0);
    put_subject(out);
    rop(ROP_SAVE_CHANGES_MESSAGE, logon, out);
    ph_put_u8(&rq.rops, 2);
}


/* A session with one object of each kind; false: something did not open. */
static bool
open_objects(void)
{
    uint8_t   i, s[H_OBJECTS], gone;
    uint32_t  lh;
    bool      whole;

    bad = fx_session();
    lh = logon(bad);

    begin();
    for (i = 0; i < H_OBJECTS; i++) {
        s[i] = slot(i == H_LOGON ? lh : EX_NO_HANDLE);
    }
    gone = slot(EX_NO_HANDLE);

    put_open_folder(s[H_LOGON], s[H_FOLDER], STORE_INBOX);
    put_open_folder(s[H_LOGON], s[H_DST], STORE_DRAFTS);
    put_open_folder(s[H_LOGON], gone, STORE_INBOX);
    put_message(s[H_LOGON], s[H_MESSAGE], STORE_INBOX);
    rop(ROP_CREATE_ATTACHMENT, s[H_MESSAGE], s[H_ATTACH]);
    rop(ROP_OPEN_STREAM, s[H_ATTACH], s[H_STREAM]);
    ph_put_u32(&rq.rops, 0x37010102);
    ph_put_u8(&rq.rops, 2);
    rop(ROP_GET_CONTENTS_TABLE, s[H_FOLDER], s[H_CONTENTS]);
    ph_put_u8(&rq.rops, 0x10);
    rop(ROP_SET_COLUMNS, s[H_CONTENTS], -1);
    ph_put_u8(&rq.rops, 0);
    ph_put_u16(&rq.rops, 1);
    ph_put_u32(&rq.rops, 0x0037001F);
    rop(ROP_GET_HIERARCHY_TABLE, s[H_FOLDER], s[H_HIERARCHY]);
    ph_put_u8(&rq.rops, 0x10);
    rop(ROP_GET_ATTACHMENT_TABLE, s[H_MESSAGE], s[H_ATTACHMENTS]);
    ph_put_u8(&rq.rops, 0);
    rop(ROP_GET_PERMISSIONS_TABLE, s[H_FOLDER], s[H_PERMISSIONS]);
    ph_put_u8(&rq.rops, 0);
    rop(ROP_REGISTER_NOTIFICATION, s[H_LOGON], s[H_NOTIFY]);
    ph_put_u16(&rq.rops, 0x80);
    ph_put_u8(&rq.rops, 1);
    put_open_folder(s[H_LOGON], s[H_KEEP], STORE_ROOT);
    rop(ROP_RELEASE, gone, -1);

    whole = run(bad) == 0;
    for (i = 0; i < H_OBJECTS; i++) {
        handle[i] = rs.handles[i];
        whole = whole && handle[i] != EX_NO_HANDLE;
    }
    handle[H_RELEASED] = rs.handles[gone];
    handle[H_NEVER] = 0x7FFFFFF1;
    handle[H_NONE] = EX_NO_HANDLE;

    return whole;
}


/* ---- what must go on working ---- */

/* in the same buffer: GetPropertiesSpecific of a folder's id */
static void
put_after(uint8_t in)
{
    rop(ROP_GET_PROPERTIES_SPECIFIC, in, -1);
    ph_put_u16(&rq.rops, 0);
    ph_put_u16(&rq.rops, 1);
    ph_put_u16(&rq.rops, 1);
    ph_put_u32(&rq.rops, 0x67480014);
}


static bool
after_is_answered(uint8_t in)
{
    ph_str_t   tail;
    ph_cur_t   cur;
    size_t     n = 1 + 1 + 4 + 1 + 8, i;

    if (rs.rops.len >= n) {
        tail.data = rs.rops.data + rs.rops.len - n;
        tail.len = n;
        ph_cur_init(&cur, tail.data, tail.len);
        if (ph_cur_u8(&cur) == ROP_GET_PROPERTIES_SPECIFIC
            && ph_cur_u8(&cur) == in && ph_cur_u32(&cur) == 0
            && ph_cur_u8(&cur) == 0
            && ph_cur_u64(&cur) == (uint64_t) store_eid(STORE_ROOT))
        {
            return true;
        }
    }

    /* no room: the client gets it back */
    for (i = 0; i + 3 < rs.rops.len; i++) {
        if (rs.rops.data[i] == ROP_BUFFER_TOO_SMALL
            && rs.rops.data[i + 1] == 0 && rs.rops.data[i + 2] == 0x80)
        {
            return true;
        }
    }

    return false;
}


static bool
good_is_well(void)
{
    static const uint8_t  want[] = { 0, 'k', 0, 'e', 0, 'p', 0, 't', 0, 0, 0 };

    begin();
    rop(ROP_GET_PROPERTIES_SPECIFIC, slot(good_message), -1);
    ph_put_u16(&rq.rops, 0);
    ph_put_u16(&rq.rops, 1);
    ph_put_u16(&rq.rops, 1);
    ph_put_u32(&rq.rops, 0x0037001F);

    return run(good) == 0 && rs.rops.len == 6 + sizeof(want)
           && memcmp(rs.rops.data + 6, want, sizeof(want)) == 0;
}


/* ---- bodies ---- */

typedef struct {
    size_t   len;
    uint8_t  data[BODY_MAX];
} body_t;


static mapi_ctx_t
context(void)
{
    mapi_ctx_t  ctx;

    memset(&ctx, 0, sizeof(ctx));
    ctx.form = MAPI_FORM_ROP;
    ctx.cpid = 1252;

    return ctx;
}


/* Does it decode, and to the last byte? */
static bool
body_whole(const mapi_codec_t *codec, const uint8_t *data, size_t len,
    size_t *used_r)
{
    void        *request;
    ph_cur_t     cur;
    ph_int_t     rc;
    mapi_ctx_t   ctx = context();

    request = ph_pcalloc(pool, codec->size);
    ph_cur_init(&cur, data, len);
    rc = codec->decode(&cur, pool, &ctx, request);
    *used_r = ph_cur_offset(&cur);

    return rc == PH_OK && !cur.error;
}


static uint32_t
bodies_make(const mapi_codec_t *codec, body_t *list)
{
    size_t       used;
    uint32_t     i, k, n;
    uint8_t      data[BODY_MAX];

    n = 0;
    if (codec == NULL) {
        list[0].len = 0;
        return 1;
    }

    /* nothing but zeros, then what chance makes of it */
    for (i = 0; i < RANDOM && n < BODIES; i++) {
        for (k = 0; k < BODY_MAX; k++) {
            data[k] = i == 0 || rnd() % 3 ? 0
                      : rnd() % 4 ? (uint8_t) (rnd() % 8) : (uint8_t) rnd();
        }
        if (!body_whole(codec, data, BODY_MAX, &used)) {
            continue;
        }
        for (k = 0; k < n; k++) {
            if (list[k].len == used && memcmp(list[k].data, data, used) == 0) {
                break;
            }
        }
        if (k == n) {
            list[n].len = used;
            memcpy(list[n++].data, data, used);
        }
    }

    return n;
}


/* ---- the ROPs ---- */

static uint8_t  n_handles;

/* The ROP, with these two objects, and one behind it. */
static uint32_t
send_rop(uint8_t id, uint32_t first, uint32_t second, const uint8_t *body,
    size_t len, bool behind)
{
    uint8_t  a, b, keep;

    begin();
    a = slot(first);
    b = slot(second);
    keep = slot(handle[H_KEEP]);
    rop(id, a, n_handles > 1 ? b : -1);
    ph_put_bytes(&rq.rops, body, len);
    if (behind) {
        put_after(keep);
    }

    return run(bad);
}


static uint32_t
test_objects(uint8_t id, const body_t *list, uint32_t n)
{
    uint32_t  i, a, b, failed, ec;

    failed = 0;
    for (i = 0; i < n; i++) {
        for (a = 0; a < H_KINDS; a++) {
            /* a second one of three kinds */
            for (b = 0; b < (n_handles > 1 ? 3u : 1u); b++) {
                static const int  second[] = { H_DST, H_MESSAGE, H_NEVER };

                ec = send_rop(id, handle[a], handle[second[b]],
                              list[i].data, list[i].len, true);
                if (ec == 0 && after_is_answered(2)) {
                    continue;
                }
                /* the length of a ReadStream may be one that ends the call */
                if (ec == ecRpcFormat && id == ROP_READ_STREAM) {
                    continue;
                }
                failed++;
                diag("%s: %s, %s, body %u: %08x, %zu bytes",
                     rop_infos[id].name, h_name[a], h_name[second[b]], i, ec,
                     rs.rops.len);
            }
        }
    }

    return failed;
}


static uint32_t
test_bytes(uint8_t id, const body_t *list, uint32_t n)
{
    static const uint8_t  with[] = { 0xFF, 0x80, 0x01, 0x00 };

    size_t               used, at, k;
    uint32_t             i, ec, failed;
    uint8_t              data[BODY_MAX];
    const mapi_codec_t  *codec = rop_infos[id].request;

    failed = 0;
    for (i = 0; i < n && codec; i++) {
        for (at = 0; at < list[i].len; at++) {
            if (!body_whole(codec, list[i].data, at, &used)) {
                ec = send_rop(id, handle[H_MESSAGE], handle[H_DST],
                              list[i].data, at, false);
                if (ec == 0 || ec >= 0xFFFFFFFEu) {
                    failed++;
                    diag("%s cut at %zu: %08x", rop_infos[id].name, at, ec);
                }
            }
            for (k = 0; k < sizeof(with); k++) {
                memcpy(data, list[i].data, list[i].len);
                data[at] = with[k];
                ec = send_rop(id, handle[(at + k) % H_OBJECTS],
                              handle[H_DST], data, list[i].len, true);
                if (ec >= 0xFFFFFFFEu) {
                    failed++;
                    diag("%s, byte %zu is %02x: %08x", rop_infos[id].name, at,
                         with[k], ec);
                }
            }
        }
    }

    return failed;
}


static void
test_rop(uint8_t id)
{
    uint32_t  n, failed;
    body_t    list[BODIES];

    const mapi_rop_info_t  *info = &rop_infos[id];

    if (!open_objects()) {
        ok(false, "%s: objects", info->name);
        return;
    }
    n_handles = info->handles_count;
    n = bodies_make(info->request, list);
    ok(n > 0, "%s: %u bodies", info->name, n);

    failed = test_objects(id, list, n);
    failed += test_bytes(id, list, n);
    ok(failed == 0, "%s: each was answered, and the one behind", info->name);
    ok(good_is_well(), "%s: nothing happened to another session", info->name);

    ex_session_end(bad, "test");
    ph_pool_reset(pool);
}


/* ---- limits ---- */

static void
test_handles(void)
{
    uint8_t   in, k;
    uint32_t  i, ec, max;
    ph_cur_t  cur;

    max = fx.ex->opt.max_handles;
    fx.ex->opt.max_handles = 200;
    ok(open_objects(), "objects again");

    ec = 0;
    for (i = 0; i < 300 && ec == 0; i++) {
        begin();
        in = slot(handle[H_LOGON]);
        k = slot(EX_NO_HANDLE);
        put_open_folder(in, k, STORE_INBOX);
        put_after(slot(handle[H_KEEP]));
        if (run(bad) != 0) {
            break;
        }
        ph_cur_init(&cur, rs.rops.data, rs.rops.len);
        (void) ph_cur_u16(&cur);
        ec = ph_cur_u32(&cur);
    }
    ok(i > 100 && i < 300 && ec == ecServerOOM, "no more handles: %u", i);
    ok(after_is_answered(2), "what needs none is answered");
    ok(good_is_well(), "another session has its own");

    begin();
    rop(ROP_RELEASE, slot(handle[H_FOLDER]), -1);
    (void) run(bad);
    begin();
    in = slot(handle[H_LOGON]);
    k = slot(EX_NO_HANDLE);
    put_open_folder(in, k, STORE_INBOX);
    ok(run(bad) == 0 && rs.handles[k] != EX_NO_HANDLE,
       "a released one is free again");
    ex_session_end(bad, "test");
    fx.ex->opt.max_handles = max;
}


static void
test_restrictions(void)
{
    uint32_t   depth, i, ec;
    ph_wbuf_t  r;

    static const uint32_t  depths[] = { 2, 60, 100, 8000 };

    ok(open_objects(), "objects again");
    for (i = 0; i < ph_nelts(depths); i++) {
        ph_wbuf_init(&r, pool, 1 << 16);
        for (depth = 0; depth < depths[i]; depth++) {
            ph_put_u8(&r, MAPI_RES_NOT);
        }
        ph_put_u8(&r, MAPI_RES_EXIST);
        ph_put_u32(&r, 0x0037001F);

        begin();
        rop(ROP_RESTRICT, slot(handle[H_CONTENTS]), -1);
        ph_put_u8(&rq.rops, 0);
        ph_put_u16(&rq.rops, (uint16_t) r.len);
        ph_put_str(&rq.rops, ph_wbuf_str(&r));
        ec = run(bad);
        ok(depths[i] < 64 ? ec == 0 : ec != 0 && ec < 0xFFFFFFFEu,
           "a restriction %u deep: %x", depths[i], ec);
    }

    ph_wbuf_init(&r, pool, 1 << 16);
    ph_put_u8(&r, MAPI_RES_OR);
    ph_put_u16(&r, 6000);
    for (i = 0; i < 6000; i++) {
        ph_put_u8(&r, MAPI_RES_EXIST);
        ph_put_u32(&r, 0x0037001F);
    }
    begin();
    rop(ROP_RESTRICT, slot(handle[H_CONTENTS]), -1);
    ph_put_u8(&rq.rops, 0);
    ph_put_u16(&rq.rops, (uint16_t) r.len);
    ph_put_str(&rq.rops, ph_wbuf_str(&r));
    ec = run(bad);
    ok(ec != 0 && ec < 0xFFFFFFFEu, "one of 6000 nodes: %x", ec);

    begin();
    rop(ROP_SORT_TABLE, slot(handle[H_CONTENTS]), -1);
    ph_put_u8(&rq.rops, 0);
    ph_put_u16(&rq.rops, 200);
    ph_put_u32(&rq.rops, 0);
    for (i = 0; i < 200; i++) {
        ph_put_u32(&rq.rops, 0x0037001F);
        ph_put_u8(&rq.rops, 0);
    }
    ec = run(bad);
    ok(ec != 0 || rs.rops.len == 6, "a sort by 200 columns: %x", ec);
    ok(good_is_well(), "nothing happened to another session");
    ex_session_end(bad, "test");
}


static void
test_embedding(void)
{
    uint8_t   m, a, e;
    uint32_t  i, ec;
    ph_cur_t  cur;

    ok(open_objects(), "objects again");
    ec = 0;
    for (i = 0; i < 100 && ec == 0; i++) {
        begin();
        m = slot(handle[H_MESSAGE]);
        a = slot(EX_NO_HANDLE);
        e = slot(EX_NO_HANDLE);
        rop(ROP_CREATE_ATTACHMENT, m, a);
        if (run(bad) != 0) {
            break;
        }
        handle[H_ATTACH] = rs.handles[a];
        begin();
        a = slot(handle[H_ATTACH]);
        e = slot(EX_NO_HANDLE);
        rop(ROP_OPEN_EMBEDDED_MESSAGE, a, e);
        ph_put_u16(&rq.rops, 0xFFF);
        ph_put_u8(&rq.rops, 2);
        if (run(bad) != 0) {
            break;
        }
        ph_cur_init(&cur, rs.rops.data, rs.rops.len);
        (void) ph_cur_u16(&cur);
        ec = ph_cur_u32(&cur);
        handle[H_MESSAGE] = rs.handles[e];
    }
    ok(i > 3 && i < 100 && ec != 0, "messages in messages: %u, then %x", i,
       ec);
    ok(good_is_well(), "nothing happened to another session");
    ex_session_end(bad, "test");
}


int
main(void)
{
    unsigned  id;
    uint8_t   in, out;

    fx_init();
    pool = ph_pool_create("test", 1u << 30);
    good = fx.session;
    good_logon = logon(good);
    begin();
    in = slot(good_logon);
    out = slot(EX_NO_HANDLE);
    put_message(in, out, STORE_SENT);
    ok(run(good) == 0, "a message of the other session");
    good_message = rs.handles[out];
    ok(good_is_well(), "it can be read");

    for (id = 0; id < 256; id++) {
        if (rop_infos[id].name == NULL || id == ROP_LOGON
            || id == ROP_RELEASE
            || (rop_infos[id].handles_count
                && rop_infos[id].handles[0] == ROP_HANDLE_SERVER))
        {
            continue;
        }
        test_rop((uint8_t) id);
    }

    test_handles();
    test_restrictions();
    test_embedding();

    ph_pool_destroy(&pool);
    fx_end();

    return done_testing();
}
