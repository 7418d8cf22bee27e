/* Any bytes as TNEF; what was read can be packed, written and read again. */

#include "convert/conv_tnef.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str_t         tnef;
    ph_pool_t       *pool;
    ph_wbuf_t        b;
    mapi_message_t  *m, *again;

    pool = ph_pool_create("fuzz", 512u << 20);
    if (conv_tnef_import(pool, (ph_str_t) { size, data }, &m) == PH_OK) {
        ph_wbuf_init(&b, pool, 256u << 20);
        if (mapi_message_encode(&b, m) != PH_OK
            || conv_tnef_export(pool, m, &tnef) != PH_OK
            || conv_tnef_import(pool, tnef, &again) != PH_OK
            || again->n_attachments != m->n_attachments)
        {
            abort();
        }
    }
    ph_pool_destroy(&pool);

    return 0;
}
