/*
 * An Execute request as it comes from the network: extended buffers, ROP
 * buffer, and the ROPs in it, as a dispatcher walks them.
 */

#include "gen/rop.h"
#include "mapi/mapi_rpcext.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(ph_pool_t *pool, ph_str_t rops)
{
    const mapi_rop_info_t  *info;
    mapi_ctx_t              ctx = { MAPI_FORM_ROP, false, 1252 };
    ph_wbuf_t               text;
    ph_cur_t                cur;
    void                   *v;

    ph_cur_init(&cur, rops.data, rops.len);
    ph_wbuf_init(&text, pool, 1u << 20);
    while (ph_cur_left(&cur) != 0) {
        info = &rop_infos[ph_cur_u8(&cur)];
        if (info->name == NULL || info->handles[0] == ROP_HANDLE_SERVER) {
            return;
        }
        ctx.public_logon = ph_cur_u8(&cur) & 1;
        for (unsigned i = 0; i < info->handles_count; i++) {
            (void) ph_cur_u8(&cur);
        }
        v = ph_palloc(pool, info->request->size);
        if (v == NULL
            || info->request->decode(&cur, pool, &ctx, v) != PH_OK)
        {
            return;
        }
        info->request->dump(&text, v);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mapi_rop_buffer_t  rb;
    ph_pool_t         *pool;
    ph_wbuf_t          b;
    ph_cur_t           cur;
    ph_str_t           payload, again;
    bool               last = false, l;

    pool = ph_pool_create("fuzz", 32u << 20);
    ph_cur_init(&cur, data, size);
    while (!last && mapi_rpcext_read(&cur, pool, &payload, &last) == PH_OK) {
        if (mapi_rop_buffer_read(payload, pool, &rb) == PH_OK) {
            walk(pool, rb.rops);
        }
        for (unsigned flags = 0; flags < 4; flags++) {
            ph_cur_t  c;

            ph_wbuf_init(&b, pool, 1u << 20);
            if (mapi_rpcext_write(&b, pool, payload, flags) != PH_OK) {
                break;
            }
            ph_cur_init(&c, b.data, b.len);
            if (mapi_rpcext_read(&c, pool, &again, &l) != PH_OK
                || again.len != payload.len
                || (again.len != 0
                    && memcmp(again.data, payload.data, again.len) != 0))
            {
                abort();
            }
        }
    }
    ph_pool_destroy(&pool);
    return 0;
}
