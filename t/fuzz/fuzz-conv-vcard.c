/* Any bytes as cards; what was read can be packed, written and read again. */

#include "convert/conv_vcard.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str_t         text, card, out;
    unsigned         v, i;
    ph_pool_t       *pool;
    ph_wbuf_t        b;
    mapi_message_t  *m, *again;

    pool = ph_pool_create("fuzz", 1u << 30);
    text = (ph_str_t) { size, data };
    for (i = 0; i < 20 && conv_vcard_next(&text, &card) == PH_OK; i++) {
        if (conv_vcard_import(pool, card, &m) != PH_OK) {
            continue;
        }
        ph_wbuf_init(&b, pool, 256u << 20);
        if (mapi_message_encode(&b, m) != PH_OK) {
            abort();
        }
        for (v = CONV_VCARD_3; v <= CONV_VCARD_4; v++) {
            if (conv_vcard_export(pool, m, (conv_vcard_version_t) v,
                                  ph_str_lit("id"), &out) != PH_OK
                || !ph_utf8_valid(out)
                || conv_vcard_import(pool, out, &again) != PH_OK)
            {
                abort();
            }
        }
    }
    ph_pool_destroy(&pool);

    return 0;
}
