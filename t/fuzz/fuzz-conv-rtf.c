/* Rich text that clients write, in either form; and RTF made of any HTML, which
 * must lead back to it. */

#include "convert/conv_rtf.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_utf8(ph_str_t s)
{
    if (!ph_utf8_valid(s)) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str_t           in, rtf, packed, out;
    ph_pool_t         *pool;
    conv_rtf_images_t  images;

    if (size < 1) {
        return 0;
    }
    pool = ph_pool_create("fuzz", 512u << 20);
    in = (ph_str_t) { size - 1, data + 1 };

    if (data[0] % 3 == 0) {
        if (conv_rtf_unpack(pool, in, &rtf) == PH_OK) {
            (void) conv_rtf_to_text(pool, rtf, &out);
        }
    } else if (data[0] % 3 == 1) {
        if (conv_rtf_to_html(pool, in, &out, &images) == PH_OK) {
            must_be_utf8(out);
        }
        if (conv_rtf_to_text(pool, in, &out) == PH_OK) {
            must_be_utf8(out);
        }
        if (conv_rtf_pack(pool, in, &packed) != PH_OK
            || conv_rtf_unpack(pool, packed, &rtf) != PH_OK
            || !ph_str_eq(rtf, in))
        {
            abort();
        }
    } else if (conv_rtf_from_html(pool, in, &rtf) == PH_OK) {
        if (conv_rtf_to_html(pool, rtf, &out, NULL) != PH_OK) {
            abort();
        }
        must_be_utf8(out);
    }
    ph_pool_destroy(&pool);

    return 0;
}
