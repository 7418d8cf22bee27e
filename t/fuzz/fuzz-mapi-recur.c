/* Recurrence blobs of clients: read, written again, walked. */

#include "lib/ph_buf.h"
#include "mapi/mapi_recur.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ph_int_t
see(void *data, const mapi_occurrence_t *o)
{
    *(uint32_t *) data += o->start;

    return PH_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t           sum;
    ph_pool_t         *pool;
    ph_wbuf_t          b;
    mapi_recur_t       r;
    mapi_appt_recur_t  a, again;

    pool = ph_pool_create("fuzz", 64u << 20);
    (void) mapi_recur_decode(pool, (ph_str_t) { size, data }, &r);
    if (mapi_appt_recur_decode(pool, (ph_str_t) { size, data }, 1252, &a)
        == PH_OK)
    {
        sum = mapi_recur_first(&a.pattern);
        (void) mapi_appt_recur_walk(&a, a.pattern.start,
                                    a.pattern.start + 400 * 1440, 1000, see,
                                    &sum);
        ph_wbuf_init(&b, pool, 16u << 20);
        mapi_appt_recur_encode(&b, &a, 1252);
        if (b.error || mapi_appt_recur_decode(pool, ph_wbuf_str(&b), 1252,
                                              &again) != PH_OK)
        {
            abort();
        }
    }
    ph_pool_destroy(&pool);

    return 0;
}
