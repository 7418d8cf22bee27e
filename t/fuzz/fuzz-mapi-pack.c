/* Packed values and messages: decode, encode, compare, single look-ups. */

#include "mapi/mapi_desc.h"
#include "mapi/mapi_pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
values(ph_pool_t *pool, ph_str_t in)
{
    mapi_values_t  v;
    mapi_value_t   one;
    mapi_pack_t    p;
    ph_wbuf_t      b, text;
    ph_cur_t       cur;

    if (mapi_pack_init(&p, in) == PH_OK) {
        for (uint32_t i = 0; i < p.n; i++) {
            if (mapi_pack_at(&p, i, pool, &one) == PH_OK) {
                (void) mapi_pack_find(&p, one.tag, pool, &one);
            }
        }
    }
    ph_cur_init(&cur, in.data, in.len);
    if (mapi_values_decode(&cur, pool, &v) != PH_OK) {
        return;
    }
    ph_wbuf_init(&text, pool, 4u << 20);
    mapi_values_dump(&text, &v);
    ph_wbuf_init(&b, pool, 8u << 20);
    if (mapi_values_encode(&b, &v) != PH_OK) {
        return;    /* values that share bytes can grow beyond the limit */
    }
    ph_cur_init(&cur, b.data, b.len);
    if (mapi_values_decode(&cur, pool, &v) != PH_OK
        || ph_cur_left(&cur) != 0)
    {
        abort();
    }
    for (uint32_t i = 0; i < v.n; i++) {
        if (mapi_pack_init(&p, ph_wbuf_str(&b)) != PH_OK
            || mapi_pack_find(&p, v.v[i].tag, pool, &one) != PH_OK)
        {
            abort();
        }
    }
}

static void
message(ph_pool_t *pool, ph_str_t in)
{
    mapi_message_t  m;
    ph_wbuf_t       b, again, text;
    ph_cur_t        cur;

    ph_cur_init(&cur, in.data, in.len);
    if (mapi_message_decode(&cur, pool, &m) != PH_OK) {
        return;
    }
    ph_wbuf_init(&text, pool, 4u << 20);
    mapi_message_dump(&text, &m);
    ph_wbuf_init(&b, pool, 8u << 20);
    if (mapi_message_encode(&b, &m) != PH_OK) {
        return;
    }
    ph_cur_init(&cur, b.data, b.len);
    if (mapi_message_decode(&cur, pool, &m) != PH_OK
        || ph_cur_left(&cur) != 0)
    {
        abort();
    }
    ph_wbuf_init(&again, pool, 8u << 20);
    if (mapi_message_encode(&again, &m) != PH_OK || again.len != b.len
        || memcmp(again.data, b.data, b.len) != 0)
    {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_pool_t  *pool;
    ph_str_t    in;

    if (size == 0) {
        return 0;
    }
    pool = ph_pool_create("fuzz", 64u << 20);
    in = (ph_str_t) { size - 1, data + 1 };
    if (data[0] & 1) {
        message(pool, in);
    } else {
        values(pool, in);
    }
    ph_pool_destroy(&pool);
    return 0;
}
