/* Recipient rows and property rows over columns that the input chooses. */

#include "mapi/mapi_desc.h"
#include "mapi/mapi_recipient.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mapi_ctx_t         ctx = { MAPI_FORM_ROP, false, 1252 };
    mapi_recipient_t   r;
    mapi_value_t      *row;
    mapi_tags_t        cols, used;
    uint32_t           tags[16];
    ph_pool_t         *pool;
    ph_wbuf_t          a, b;
    ph_cur_t           cur, rows;

    ph_cur_init(&cur, data, size);
    cols.n = ph_cur_u8(&cur) % 16;
    cols.tag = tags;
    for (uint32_t i = 0; i < cols.n; i++) {
        tags[i] = ph_cur_u32(&cur);
    }
    if (cur.error) {
        return 0;
    }
    pool = ph_pool_create("fuzz", 16u << 20);
    rows = cur;
    if (mapi_row_decode(&rows, pool, &ctx, cols, &row) == PH_OK) {
        ph_wbuf_init(&a, pool, 1u << 20);
        if (mapi_row_encode(&a, &ctx, cols, row) == PH_OK) {
            ph_cur_init(&rows, a.data, a.len);
            if (mapi_row_decode(&rows, pool, &ctx, cols, &row) != PH_OK
                || ph_cur_left(&rows) != 0)
            {
                abort();
            }
        }
    }
    memset(&r, 0, sizeof(r));
    if (mapi_recipient_row_decode(&cur, pool, &ctx, cols, 1, &r) == PH_OK) {
        if (mapi_recipient_columns(pool, &r, 1, &used) != PH_OK) {
            abort();
        }
        ph_wbuf_init(&a, pool, 1u << 20);
        if (mapi_recipient_row_encode(&a, &ctx, used, &r) == PH_OK) {
            ph_cur_init(&cur, a.data, a.len);
            if (mapi_recipient_row_decode(&cur, pool, &ctx, used, 1, &r)
                != PH_OK || ph_cur_left(&cur) != 0)
            {
                abort();
            }
            ph_wbuf_init(&b, pool, 1u << 20);
            if (mapi_recipient_row_encode(&b, &ctx, used, &r) != PH_OK
                || a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
            {
                abort();
            }
        }
    }
    ph_pool_destroy(&pool);
    return 0;
}
