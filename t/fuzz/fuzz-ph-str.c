/* UTF-8, UTF-16, base64 and hex: there and back gives the same. */

#include "lib/ph_pool.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool good)
{
    if (!good) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char       *hex;
    size_t      i, cut;
    uint8_t    *raw;
    ph_str_t    in, clean, wide, back, text;
    ph_pool_t  *pool;

    if (size > 65536) {
        return 0;
    }

    pool = ph_pool_create("fuzz", 0);

    /* an exact copy, so that a read behind the end is seen */

    raw = malloc(size != 0 ? size : 1);
    memcpy(raw, data, size);
    in = (ph_str_t) { size, raw };

    /* from UTF-8 */

    clean = ph_utf8_scrub(pool, in);
    check(clean.data != NULL && ph_utf8_valid(clean));
    check(ph_utf8_valid(in) == ph_str_eq(in, clean));

    wide = ph_utf8_to_utf16(pool, in);
    check(wide.data != NULL && wide.len == ph_utf16_len(in)
          && wide.len == ph_utf16_len(clean));
    check(ph_str_eq(wide, ph_utf8_to_utf16(pool, clean)));

    back = ph_utf16_to_utf8(pool, wide);
    check(ph_str_eq(back, clean));

    for (i = 0; i < 8; i++) {
        cut = ph_utf8_cut(clean, clean.len * i / 8);
        check(cut <= clean.len * i / 8);
        check(ph_utf8_valid((ph_str_t) { cut, clean.data }));
        check(ph_utf8_cut(in, size * i / 8) <= size * i / 8);
    }

    /* from UTF-16 */

    back = ph_utf16_to_utf8(pool, in);
    check(ph_utf8_valid(back) && ph_utf16_len(back) == (size & ~(size_t) 1));
    wide = ph_utf8_to_utf16(pool, back);
    check(ph_str_eq(back, ph_utf16_to_utf8(pool, wide)));

    /* base64, hex */

    check(ph_base64_encode(pool, in, &text) == PH_OK);
    check(ph_base64_decode(pool, text, &back) == PH_OK && ph_str_eq(in, back));

    if (ph_base64_decode(pool, in, &back) == PH_OK) {
        check(ph_base64_encode(pool, back, &text) == PH_OK
              && ph_str_eq(in, text));
    }

    hex = ph_palloc(pool, 2 * size + 1);
    ph_hex_encode(hex, raw, size);
    check(ph_hex_decode(ph_palloc(pool, size), size,
                        ph_str_c(hex)) == PH_OK);

    free(raw);
    ph_pool_destroy(&pool);

    return 0;
}
