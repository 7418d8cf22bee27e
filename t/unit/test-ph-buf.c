/* ph_buf: the cursor never leaves its input, the write buffer its limit. */

#include "lib/ph_buf.h"
#include "lib/ph_pool.h"
#include "tap.h"

static const uint8_t  data[] = {
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};

static void
test_cursor(void)
{
    ph_cur_t  cur, sub;
    ph_str_t  s;

    ph_cur_init(&cur, data, sizeof(data));
    is_int(ph_cur_u8(&cur), 1, "u8");
    is_int(ph_cur_u16(&cur), 0x0302, "u16");
    is_int(ph_cur_u32(&cur), 0x07060504, "u32");
    ok(ph_cur_u64(&cur) == UINT64_C(0x0f0e0d0c0b0a0908), "u64");
    ok(ph_cur_left(&cur) == 0 && !cur.error, "all read, no error");
    is_int(ph_cur_u8(&cur), 0, "past the end reads 0");
    ok(cur.error, "and sets error");

    ph_cur_init(&cur, data, 3);
    is_int(ph_cur_u32(&cur), 0, "u32 of 3 bytes");
    ok(cur.error && ph_cur_left(&cur) == 0, "error: nothing is left");
    is_int(ph_cur_u8(&cur), 0, "the error stays");
    is_int(ph_cur_offset(&cur), 0, "a failed read moves nothing");

    ph_cur_init(&cur, data, 7);
    ok(ph_cur_u64(&cur) == 0 && cur.error, "u64 of 7 bytes");

    ph_cur_init(&cur, data, 5);
    s = ph_cur_bytes(&cur, 5);
    ok(s.len == 5 && s.data == data, "bytes are not copied");
    ph_cur_init(&cur, data, 5);
    s = ph_cur_bytes(&cur, SIZE_MAX);
    ok(s.len == 0 && s.data == NULL && cur.error, "SIZE_MAX bytes");

    ph_cur_init(&cur, data, 10);
    sub = ph_cur_sub(&cur, 4);
    ok(ph_cur_left(&sub) == 4 && ph_cur_left(&cur) == 6, "sub cursor");
    (void) ph_cur_u64(&sub);
    ok(sub.error && !cur.error, "its error is its own");
    sub = ph_cur_sub(&cur, 7);
    ok(sub.error && cur.error && ph_cur_left(&sub) == 0, "sub too long");

    ph_cur_init(&cur, data, 10);
    ok(ph_cur_count(&cur, 5, 2), "5 of 2 fit in 10");
    ok(!ph_cur_count(&cur, 6, 2), "6 of 2 do not");
    ph_cur_init(&cur, data, 10);
    ok(!ph_cur_count(&cur, SIZE_MAX / 2, 4), "the product overflows");

    ph_cur_init(&cur, "ab\0c", 4);
    s = ph_cur_astr(&cur);
    ok(s.len == 2 && ph_cur_left(&cur) == 1, "astr");
    s = ph_cur_astr(&cur);
    ok(s.data == NULL && cur.error, "astr without its end");

    ph_cur_init(&cur, "a\0\0b\0\0x", 7);
    s = ph_cur_wstr(&cur);
    ok(s.len == 4 && ph_cur_left(&cur) == 1, "wstr ends at a whole unit");
    ph_cur_init(&cur, "a\0b", 3);
    s = ph_cur_wstr(&cur);
    ok(s.data == NULL && cur.error, "wstr without its end");

    ph_cur_init(&cur, NULL, 0);
    ok(ph_cur_left(&cur) == 0 && !cur.error, "an empty input");
    s = ph_cur_rest(&cur);
    ok(s.len == 0 && !cur.error, "its rest");
    is_int(ph_cur_u8(&cur), 0, "nothing in it");
    ph_cur_init(&cur, NULL, 9);
    ok(cur.error, "NULL with a length is refused");

    ph_cur_init(&cur, data, 10);
    ph_cur_fail(&cur);
    ok(cur.error && ph_cur_rest(&cur).len == 0, "ph_cur_fail");
}

static void
test_fixed(void)
{
    uint8_t    mem[8];
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    ph_put_u32(&b, 0x04030201);
    ph_put_u16(&b, 0x0605);
    ok(b.len == 6 && memcmp(mem, data, 6) == 0, "little-endian");
    ph_put_u32(&b, 1);
    ok(b.error && b.len == 6, "a put that does not fit changes nothing");
    ph_put_u8(&b, 1);
    ok(b.len == 6, "the error stays");
    ph_wbuf_truncate(&b, 4);
    ok(!b.error && b.len == 4, "truncate clears it");
    ph_poke_u16(&b, 2, 0xffff);
    ok(mem[2] == 0xff && mem[3] == 0xff, "poke");
    ph_poke_u16(&b, 3, 0);
    ok(b.error, "poke over the end");
    ph_wbuf_truncate(&b, 2);
    ph_poke_u32(&b, 0, 0);
    ok(b.error, "poke larger than the content");
    ph_wbuf_truncate(&b, 0);
    ph_put_fmt(&b, "%s", "1234567");
    ok(!b.error && b.len == 7, "fmt");
    ph_put_fmt(&b, "%s", "89");
    ok(b.error && b.len == 7, "fmt that does not fit");
}

static void
test_growing(void)
{
    int         i;
    size_t      bad, len;
    ph_wbuf_t   b;
    ph_pool_t  *pool;

    pool = ph_pool_create("wbuf", 0);

    ph_wbuf_init(&b, pool, 100000);
    ok(ph_put_space(&b, 0) != NULL && b.len == 0, "room for nothing");

    for (i = 0; i < 12500; i++) {
        ph_put_u64(&b, (uint64_t) i);
    }

    ok(!b.error && b.len == 100000, "up to the limit");
    ph_put_u8(&b, 0);
    ok(b.error && b.len == 100000, "not beyond");

    for (i = 0, bad = 0; i < 12500; i++) {
        ph_cur_t  cur;

        ph_cur_init(&cur, b.data + 8 * i, 8);
        bad += ph_cur_u64(&cur) != (uint64_t) i;
    }

    ok(bad == 0, "what was written is kept");

    ph_wbuf_init(&b, pool, 10000);
    ph_put_fmt(&b, "%5000d|", 1);
    len = b.len;
    ok(len == 5001 && b.data[5000] == '|', "a long fmt");
    ph_put_fill(&b, 0xee, 4999);
    ok(b.len == 10000 && !b.error && b.data[9999] == 0xee, "fill");
    ph_put_bytes(&b, NULL, 0);
    ok(!b.error, "no bytes at the limit");

    ph_pool_destroy(&pool);

    pool = ph_pool_create("wbuf", 1000);
    ph_wbuf_init(&b, pool, 100000);
    ph_put_fill(&b, 1, 2000);
    ok(b.error && b.len == 0, "the pool's limit is an error too");
    ph_pool_destroy(&pool);
}

int
main(void)
{
    test_cursor();
    test_fixed();
    test_growing();

    return done_testing();
}
