/* The blobs of extended rules: decode, encode, compare, map, dump. */

#include "mapi/mapi_extrule.h"
#include "mapi/mapi_desc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded is encoded to something that decodes to the same bytes. */
static void
round_trip(ph_pool_t *pool, mapi_extrule_t *v, bool condition)
{
    ph_int_t        rc;
    ph_wbuf_t       a, b;
    mapi_extrule_t  again;

    ph_wbuf_init(&a, pool, 4u << 20);
    ph_wbuf_init(&b, pool, 4u << 20);
    rc = condition ? mapi_extrule_condition_encode(&a, v)
                   : mapi_extrule_actions_encode(&a, v);
    /* a name of 255 bytes without its terminator has no room for one */
    if (rc != PH_OK || a.error || a.len > MAPI_EXTRULE_MAX) {
        return;
    }
    rc = condition
        ? mapi_extrule_condition_decode(pool, ph_wbuf_str(&a), &again)
        : mapi_extrule_actions_decode(pool, ph_wbuf_str(&a), &again);
    if (rc == PH_NOMEM) {
        return;
    }
    if (rc != PH_OK) {
        abort();
    }
    rc = condition ? mapi_extrule_condition_encode(&b, &again)
                   : mapi_extrule_actions_encode(&b, &again);
    if (rc != PH_OK || a.len != b.len || memcmp(a.data, b.data, a.len) != 0) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool             condition;
    ph_int_t         rc;
    ph_str_t         blob;
    ph_pool_t       *pool;
    ph_wbuf_t        text;
    mapi_extrule_t   v;

    if (size == 0) {
        return 0;
    }
    condition = data[0] & 1;
    blob.data = data + 1;
    blob.len = size - 1;
    pool = ph_pool_create("fuzz", 64u << 20);
    rc = condition ? mapi_extrule_condition_decode(pool, blob, &v)
                   : mapi_extrule_actions_decode(pool, blob, &v);
    if (rc == PH_OK) {
        round_trip(pool, &v, condition);
        ph_wbuf_init(&text, pool, 4u << 20);
        mapi_extrule_dump(&text, &v);
        for (uint32_t i = 0; i < v.n_names; i++) {
            v.to[i] = (uint16_t) (0x8000 + i);
        }
        mapi_extrule_map(&v);
        round_trip(pool, &v, condition);
    }
    ph_pool_destroy(&pool);
    return 0;
}
