/* The decompressor on anything, and what the compressor makes of it. */

#include "mapi/mapi_lz77.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t  *out, *back;
    size_t    want, n, cap;

    if (size < 2) {
        return 0;
    }
    want = data[0] | (size_t) data[1] << 8;
    data += 2;
    size -= 2;
    out = malloc(want + 1);
    if (out == NULL) {
        return 0;
    }
    (void) mapi_lz77_decompress((ph_str_t) { size, data }, out, want);
    free(out);

    if (size < MAPI_LZ77_MAX) {
        cap = size * 2 + 16;
        out = malloc(cap);
        back = malloc(size + 1);
        if (out == NULL || back == NULL
            || mapi_lz77_compress((ph_str_t) { size, data }, out, cap, &n)
               != PH_OK
            || mapi_lz77_decompress((ph_str_t) { n, out }, back, size)
               != PH_OK
            || memcmp(back, data, size) != 0)
        {
            abort();
        }
        (void) mapi_lz77_compress((ph_str_t) { size, data }, out, n / 2, &n);
        free(out);
        free(back);
    }
    return 0;
}
