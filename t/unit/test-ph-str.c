/* ph_str and ph_utf: comparison, numbers, hex, base64, UTF-8 and UTF-16. */

#include "lib/ph_str.h"
#include "lib/ph_pool.h"
#include "tap.h"

static ph_pool_t  *pool;

static bool
same(ph_str_t s, const char *want, size_t len)
{
    return s.data != NULL && s.len == len
           && (len == 0 || memcmp(s.data, want, len) == 0);
}

#define is_bytes(s, lit, ...)  ok(same((s), lit, sizeof(lit) - 1), __VA_ARGS__)

static void
test_plain(void)
{
    size_t    i;
    uint8_t   raw[3];
    char      hex[7];
    uint64_t  v;
    ph_str_t  s;

    static const char *const  bad[] = {
        "", " 1", "1 ", "-1", "+1", "0x1", "18446744073709551616",
        "99999999999999999999999"
    };

    ok(ph_str_ieq_c(ph_str_lit("Alice@Example"), "aLICE@eXAMPLE"), "ieq");
    ok(!ph_str_ieq_c(ph_str_lit("["), "{"), "ieq touches letters only");
    ok(!ph_str_eq_c(ph_str_lit("a"), "ab"), "eq of a prefix");
    ok(ph_str_eq(ph_str_null, ph_str_lit("")), "null is empty");
    ok(ph_str_c(NULL).data == NULL, "NULL gives null");
    is_bytes(ph_str_trim(ph_str_lit(" \t a b\r\n")), "a b", "trim");
    is_bytes(ph_str_trim(ph_str_lit(" \t ")), "", "trim of white space");
    is_bytes(ph_str_lower(pool, ph_str_lit("AbZ[\xc3\x84")), "abz[\xc3\x84",
             "lower is ASCII only");

    ok(ph_str_u64(ph_str_lit("18446744073709551615"), &v) == PH_OK
       && v == UINT64_MAX, "largest u64");

    for (i = 0; i < ph_nelts(bad); i++) {
        ok(ph_str_u64(ph_str_c(bad[i]), &v) == PH_INVALID,
           "\"%s\" is no number", bad[i]);
    }

    ok(ph_str_secret_eq(ph_str_lit("abc"), ph_str_lit("abc")), "secrets");
    ok(!ph_str_secret_eq(ph_str_lit("abc"), ph_str_lit("abd")), "differ");
    ok(!ph_str_secret_eq(ph_str_lit("abc"), ph_str_lit("ab")), "shorter");
    ok(!ph_str_secret_eq(ph_str_lit("abab"), ph_str_lit("ab")), "repeated");
    ok(!ph_str_secret_eq(ph_str_lit(""), ph_str_lit("a")), "empty");

    ph_hex_encode(hex, "\x00\xab\xff", 3);
    is_cstr(hex, "00abff", "hex");
    ok(ph_hex_decode(raw, 3, ph_str_lit("00aBfF")) == PH_OK
       && memcmp(raw, "\x00\xab\xff", 3) == 0, "and back");
    ok(ph_hex_decode(raw, 3, ph_str_lit("00abf")) == PH_INVALID, "short");
    ok(ph_hex_decode(raw, 3, ph_str_lit("00abfg")) == PH_INVALID, "letter");

    ok(ph_base64_encode(pool, ph_str_lit("f"), &s) == PH_OK, "base64");
    is_bytes(s, "Zg==", "1 byte");
    (void) ph_base64_encode(pool, ph_str_lit("fo"), &s);
    is_bytes(s, "Zm8=", "2 bytes");
    (void) ph_base64_encode(pool, ph_str_lit("foobar"), &s);
    is_bytes(s, "Zm9vYmFy", "6 bytes");
    (void) ph_base64_encode(pool, ph_str_lit("\xff\xfe\xfd"), &s);
    is_bytes(s, "//79", "high bits");
    ok(ph_base64_decode(pool, ph_str_lit("Zm8="), &s) == PH_OK, "decode");
    is_bytes(s, "fo", "2 bytes back");
    ok(ph_base64_decode(pool, ph_str_lit(""), &s) == PH_OK && s.len == 0,
       "decode of nothing");
}

static void
test_base64_bad(void)
{
    size_t    i;
    ph_str_t  s;

    static const char *const  bad[] = {
        "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=",
        "Zm 8", "Zm8-", "=m8=", "Zm=8", "Zm8=\n"
    };

    for (i = 0; i < ph_nelts(bad); i++) {
        ok(ph_base64_decode(pool, ph_str_c(bad[i]), &s) == PH_INVALID,
           "base64 %zu is refused", i);
    }
}

static void
test_utf8(void)
{
    size_t  i;

    static const struct {
        ph_str_t  in;
        ph_str_t  out;
    } cases[] = {
        { ph_str("plain"), ph_str("plain") },
        { ph_str("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
          ph_str("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") },
        { ph_str("a\x80z"), ph_str("a\xef\xbf\xbdz") },
        { ph_str("\xc0\xaf"), ph_str("\xef\xbf\xbd\xef\xbf\xbd") },
        { ph_str("\xc1\xbf"), ph_str("\xef\xbf\xbd\xef\xbf\xbd") },
        { ph_str("\xe0\x80\xaf"),
          ph_str("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
        { ph_str("\xed\xa0\x80"),            /* a surrogate */
          ph_str("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
        { ph_str("\xf4\x90\x80\x80"),        /* above U+10FFFF */
          ph_str("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
        { ph_str("\xf4\x8f\xbf\xbf"), ph_str("\xf4\x8f\xbf\xbf") },
        { ph_str("\xf0\x9f\x98"), ph_str("\xef\xbf\xbd") },   /* cut off */
        { ph_str("\xe2\x82z"), ph_str("\xef\xbf\xbdz") },
        { ph_str("\xf5\xff"), ph_str("\xef\xbf\xbd\xef\xbf\xbd") },
        { ph_str("12345678\xc3"), ph_str("12345678\xef\xbf\xbd") }
    };

    for (i = 0; i < ph_nelts(cases); i++) {
        ok(ph_utf8_valid(cases[i].in) == ph_str_eq(cases[i].in, cases[i].out),
           "utf8 %zu: valid or not", i);
        ok(ph_str_eq(ph_utf8_scrub(pool, cases[i].in), cases[i].out),
           "utf8 %zu: scrubbed", i);
        ok(ph_utf8_valid(ph_utf8_scrub(pool, cases[i].in)),
           "utf8 %zu: valid then", i);
    }

    ok(ph_utf8_scrub(pool, ph_str_null).data != NULL, "scrub of nothing");

    is_int(ph_utf8_cut(ph_str_lit("a\xc3\xa4"), 2), 1, "cut inside of 2 bytes");
    is_int(ph_utf8_cut(ph_str_lit("a\xc3\xa4"), 3), 3, "no cut");
    is_int(ph_utf8_cut(ph_str_lit("\xf0\x9f\x98\x80x"), 3), 0,
           "cut in 4 bytes");
    is_int(ph_utf8_cut(ph_str_lit("\xf0\x9f\x98\x80x"), 4), 4, "cut behind it");
    is_int(ph_utf8_cut(ph_str_lit("\x80\x80\x80\x80\x80"), 4), 4,
           "garbage is cut anywhere");
    is_int(ph_utf8_cut(ph_str_lit("abc"), 0), 0, "cut to nothing");
}

static void
test_utf16(void)
{
    size_t    i;
    ph_str_t  s;

    static const struct {
        ph_str_t  utf8;
        ph_str_t  utf16;
    } cases[] = {
        { ph_str(""), ph_str("") },
        { ph_str("Ab"), ph_str("A\0b\0") },
        { ph_str("\xc3\xa4\xe2\x82\xac"), ph_str("\xe4\0\xac\x20") },
        { ph_str("\xf0\x9f\x98\x80"), ph_str("\x3d\xd8\x00\xde") },
        { ph_str("\xf4\x8f\xbf\xbf"), ph_str("\xff\xdb\xff\xdf") },
        { ph_str("\xf0\x90\x80\x80"), ph_str("\x00\xd8\x00\xdc") },
        { ph_str("\xef\xbf\xbd"), ph_str("\xfd\xff") }
    };

    for (i = 0; i < ph_nelts(cases); i++) {
        ok(ph_str_eq(ph_utf8_to_utf16(pool, cases[i].utf8), cases[i].utf16),
           "to UTF-16, %zu", i);
        ok(ph_str_eq(ph_utf16_to_utf8(pool, cases[i].utf16), cases[i].utf8),
           "to UTF-8, %zu", i);
        ok(ph_utf16_len(cases[i].utf8) == cases[i].utf16.len,
           "length, %zu", i);
    }

    is_bytes(ph_utf16_to_utf8(pool, ph_str_lit("\x00\xd8")), "\xef\xbf\xbd",
             "a lone high surrogate");
    is_bytes(ph_utf16_to_utf8(pool, ph_str_lit("\x00\xdc" "A\0")),
             "\xef\xbf\xbd" "A", "a lone low surrogate");
    is_bytes(ph_utf16_to_utf8(pool, ph_str_lit("\x00\xd8" "A\0")),
             "\xef\xbf\xbd" "A", "a high surrogate before a letter");
    is_bytes(ph_utf16_to_utf8(pool, ph_str_lit("\x00\xd8\x00")),
             "\xef\xbf\xbd", "cut in the pair");
    is_bytes(ph_utf16_to_utf8(pool, ph_str_lit("A\0B")), "A", "odd byte");

    s = ph_utf8_to_utf16(pool, ph_str_lit("a\xff"));
    is_bytes(s, "a\0\xfd\xff", "bad UTF-8 becomes U+FFFD");
    is_int(ph_utf16_len(ph_str_lit("a\xff")), 4, "and is counted so");
}

int
main(void)
{
    pool = ph_pool_create("str", 0);

    test_plain();
    test_base64_bad();
    test_utf8();
    test_utf16();

    ph_pool_destroy(&pool);
    pool = ph_pool_create("str", 64);
    ok(ph_utf8_to_utf16(pool, ph_str_lit("0123456789012345678901234567890123"))
       .data == NULL, "no memory gives data NULL");
    ph_pool_destroy(&pool);

    return done_testing();
}
