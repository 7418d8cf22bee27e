/* What a damaged row could hold: packed properties, recipients, attachments
 * with embedded messages. */

#include "store/store_message_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_props(ph_pool_t *pool, ph_str_t in)
{
    uint16_t        i;
    store_pack_t    pack;
    store_packed_t  v, found;

    if (store_pack_open(in, &pack) != PH_OK) {
        return;
    }
    for (i = 0; i < pack.n; i++) {
        if (store_pack_at(&pack, i, pool, &v) == PH_OK && !v.external) {
            (void) store_value_size(&v.v);
        }
        (void) store_pack_find(&pack, MAPI_ID(store_pack_tag(&pack, i)), pool,
                               &found);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str_t        in;
    ph_pool_t      *pool;
    ph_wbuf_t       out;
    store_mdata_t   d;

    if (size < 1) {
        return 0;
    }
    pool = ph_pool_create("fuzz", 64u << 20);
    if (pool == NULL) {
        return 0;
    }
    in.data = data + 1;
    in.len = size - 1;

    switch (data[0] % 3) {
    case 0:
        fuzz_props(pool, in);
        break;
    case 1:
        store_mdata_init(&d, pool);
        if (store_mdata_unpack(&d, ph_str_null, in, ph_str_null, 0) == PH_OK) {
            ph_wbuf_init(&out, pool, 16u << 20);
            (void) store_mdata_pack_recipients(&d, &out);
        }
        store_mdata_clear(&d);
        break;
    default:
        store_mdata_init(&d, pool);
        if (store_mdata_unpack(&d, ph_str_null, ph_str_null, in, 0) == PH_OK) {
            (void) store_mdata_size(&d, 0);
        }
        store_mdata_clear(&d);
        break;
    }
    ph_pool_destroy(&pool);

    return 0;
}
