#include "tap.h"

#include "mapi/mapi_lz77.h"
#include "mapi/mapi_rpcext.h"

static void
round_trip(const char *name, const uint8_t *in, size_t len)
{
    uint8_t  *out = malloc(len * 2 + 64), *back = malloc(len + 1);
    size_t    n = 0;
    ph_int_t  rc;

    memset(out, 0x5A, len * 2 + 64);
    rc = mapi_lz77_compress((ph_str_t) { len, in }, out, len * 2 + 64, &n);
    ok(rc == PH_OK, "%s: %zu bytes become %zu", name, len, n);
    memset(back, 0x5A, len + 1);
    rc = mapi_lz77_decompress((ph_str_t) { n, out }, back, len);
    ok(rc == PH_OK && memcmp(back, in, len) == 0, "%s: and come back", name);
    ok(back[len] == 0x5A, "%s: nothing behind them", name);
    free(out);
    free(back);
}

static void
test_vectors(void)
{
    static const uint8_t  alphabet[] = "\x3F\0\0\0abcdefghijklmnopqrstuvwxyz";
    static const uint8_t  abc[] = {
        0xFF, 0xFF, 0xFF, 0x1F, 0x61, 0x62, 0x63, 0x17, 0x00, 0x0F, 0xFF,
        0x26, 0x01
    };
    uint8_t               in[300], out[400];
    size_t                n = 0;

    for (size_t i = 0; i < 300; i++) {
        in[i] = (uint8_t) "abc"[i % 3];
    }
    is_int(mapi_lz77_compress(ph_str_lit("abcdefghijklmnopqrstuvwxyz"), out,
        sizeof(out), &n), PH_OK, "the alphabet compresses");
    ok(n == 30 && memcmp(out, alphabet, 30) == 0, "as the published vector");
    is_int(mapi_lz77_compress((ph_str_t) { 300, in }, out, sizeof(out), &n),
        PH_OK, "abcabc... compresses");
    ok(n == sizeof(abc) && memcmp(out, abc, n) == 0,
        "as the published vector");
    is_int(mapi_lz77_decompress((ph_str_t) { 30, alphabet }, out, 26), PH_OK,
        "the alphabet decompresses");
    ok(memcmp(out, "abcdefghijklmnopqrstuvwxyz", 26) == 0, "to itself");
    is_int(mapi_lz77_decompress((ph_str_t) { sizeof(abc), abc }, out, 300),
        PH_OK, "abcabc... decompresses");
    ok(memcmp(out, in, 300) == 0, "to itself");

    is_int(mapi_lz77_decompress((ph_str_t) { sizeof(abc), abc }, out, 299),
        PH_INVALID, "more output than promised is refused");
    is_int(mapi_lz77_decompress((ph_str_t) { sizeof(abc) - 1, abc }, out,
        300), PH_INVALID, "input that ends early is refused");
    is_int(mapi_lz77_decompress(ph_str_lit("\xFF\xFF\xFF\xFF\x08\x00"), out,
        10), PH_INVALID, "a distance in front of the start is refused");
    is_int(mapi_lz77_compress((ph_str_t) { 300, in }, out, 12, &n),
        PH_TOOBIG, "no room");
}

static void
test_round_trips(void)
{
    static uint8_t  big[65535];
    uint32_t        x = 1;
    size_t          i;

    round_trip("one byte", (const uint8_t *) "x", 1);
    round_trip("32 literals", (const uint8_t *)
        "abcdefghijklmnopqrstuvwxyz012345", 32);
    memset(big, 'a', sizeof(big));
    round_trip("a run", big, sizeof(big));
    for (i = 0; i < sizeof(big); i++) {
        x = x * 1664525 + 1013904223;
        big[i] = (uint8_t) (x >> 24);
    }
    round_trip("noise", big, sizeof(big));
    for (i = 0; i < sizeof(big); i++) {
        x = x * 1664525 + 1013904223;
        big[i] = (uint8_t) ("ab"[x >> 31]);
    }
    round_trip("two letters", big, sizeof(big));
    for (i = 0; i < sizeof(big); i++) {
        big[i] = (uint8_t) (i % 8200 < 40 ? i % 8200 : i * i >> 7);
    }
    round_trip("far matches", big, 0x8000);
    for (i = 3; i < 400; i += 7) {
        memset(big, 'q', i);
        big[i] = 'z';
        memset(big + i + 1, 'q', i);
        round_trip("match lengths", big, 2 * i + 1);
    }
}

static void
test_rpcext(void)
{
    static uint8_t  data[4000];
    ph_pool_t      *pool = ph_pool_create("test", 0);
    ph_wbuf_t       b;
    ph_cur_t        cur;
    ph_str_t        p;
    bool            last;

    memset(data, 7, sizeof(data));
    for (unsigned flags = 0; flags < 8; flags++) {
        ph_wbuf_init(&b, pool, 10000);
        ok(mapi_rpcext_write(&b, pool, (ph_str_t) { 4000, data }, flags)
           == PH_OK, "flags %u written", flags);
        ok((b.len < 200) == ((flags & MAPI_RPCEXT_COMPRESSED) != 0),
            "compressed when asked");
        ph_cur_init(&cur, b.data, b.len);
        is_int(mapi_rpcext_read(&cur, pool, &p, &last), PH_OK, "and read");
        ok(p.len == 4000 && memcmp(p.data, data, 4000) == 0, "unchanged");
        ok(last == ((flags & MAPI_RPCEXT_LAST) != 0), "Last");
        ok(ph_cur_left(&cur) == 0, "to the end");
    }

    static const struct {
        const char  *name;
        ph_str_t     in;
    } bad[] = {
        { "version", ph_str("\1\0\4\0\0\0\0\0") },
        { "flags", ph_str("\0\0\10\0\0\0\0\0") },
        { "sizes", ph_str("\0\0\4\0\1\0\2\0x") },
        { "short", ph_str("\0\0\4\0\5\0\5\0x") },
        { "not smaller", ph_str("\0\0\5\0\1\0\1\0x") },
        { "header", ph_str("\0\0\5\0") },
    };
    for (size_t i = 0; i < ph_nelts(bad); i++) {
        ph_cur_init(&cur, bad[i].in.data, bad[i].in.len);
        ok(mapi_rpcext_read(&cur, pool, &p, &last) == PH_INVALID,
            "bad %s is refused", bad[i].name);
    }

    mapi_rop_buffer_t  rb;

    is_int(mapi_rop_buffer_read(ph_str_lit("\5\0abc\1\0\0\0\xFF\xFF\xFF\xFF"),
        pool, &rb), PH_OK, "ROP buffer");
    ok(rb.rops.len == 3 && rb.n == 2 && rb.handles[0] == 1
        && rb.handles[1] == 0xFFFFFFFF, "with its handles");
    ph_wbuf_init(&b, pool, 100);
    is_int(mapi_rop_buffer_write(&b, &rb), PH_OK, "is written");
    ok(b.len == 13 && memcmp(b.data, "\5\0abc\1\0\0\0\xFF", 10) == 0,
        "the same");
    is_int(mapi_rop_buffer_read(ph_str_lit("\1\0"), pool, &rb), PH_INVALID,
        "RopSize 1");
    is_int(mapi_rop_buffer_read(ph_str_lit("\5\0ab"), pool, &rb), PH_INVALID,
        "RopSize beyond the end");
    is_int(mapi_rop_buffer_read(ph_str_lit("\2\0abc"), pool, &rb), PH_INVALID,
        "half a handle");
    ph_pool_destroy(&pool);
}

int
main(void)
{
    test_vectors();
    test_round_trips();
    test_rpcext();
    return done_testing();
}
