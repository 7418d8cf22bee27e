#include "mapi/mapi_rpcext.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_lz77.h"

#define XOR_BYTE  0xA5

ph_int_t
mapi_rpcext_read(ph_cur_t *cur, ph_pool_t *pool, ph_str_t *payload_r,
    bool *last_r)
{
    uint16_t  version, flags, size, actual;
    uint8_t  *plain, *whole;
    ph_str_t  in;

    version = ph_cur_u16(cur);
    flags = ph_cur_u16(cur);
    size = ph_cur_u16(cur);
    actual = ph_cur_u16(cur);
    in = ph_cur_bytes(cur, size);
    if (cur->error || version != 0
        || (flags & ~(MAPI_RPCEXT_COMPRESSED | MAPI_RPCEXT_XOR
                      | MAPI_RPCEXT_LAST)) != 0)
    {
        return PH_INVALID;
    }
    if ((flags & MAPI_RPCEXT_COMPRESSED) ? size >= actual : size != actual) {
        return PH_INVALID;
    }
    if (flags & MAPI_RPCEXT_XOR) {
        plain = ph_palloc(pool, in.len);
        if (plain == NULL) {
            return PH_NOMEM;
        }
        for (size_t i = 0; i < in.len; i++) {
            plain[i] = in.data[i] ^ XOR_BYTE;
        }
        in.data = plain;
    }
    if (flags & MAPI_RPCEXT_COMPRESSED) {
        whole = ph_palloc(pool, actual);
        if (whole == NULL) {
            return PH_NOMEM;
        }
        PH_TRY(mapi_lz77_decompress(in, whole, actual));
        in = (ph_str_t) { actual, whole };
    }
    *payload_r = in;
    *last_r = (flags & MAPI_RPCEXT_LAST) != 0;
    return PH_OK;
}

ph_int_t
mapi_rpcext_write(ph_wbuf_t *b, ph_pool_t *pool, ph_str_t payload,
    unsigned flags)
{
    size_t    at, size = payload.len, room;
    uint8_t  *small;

    if (payload.len > UINT16_MAX) {
        return PH_TOOBIG;
    }
    if (flags & MAPI_RPCEXT_COMPRESSED) {
        room = payload.len > 64 ? payload.len - 1 : 0;
        small = ph_palloc(pool, room);
        if (small == NULL) {
            return PH_NOMEM;
        }
        if (room != 0
            && mapi_lz77_compress(payload, small, room, &size) == PH_OK)
        {
            payload.data = small;
        } else {
            flags &= ~(unsigned) MAPI_RPCEXT_COMPRESSED;
            size = payload.len;
        }
    }
    ph_put_u16(b, 0);
    ph_put_u16(b, (uint16_t) flags);
    ph_put_u16(b, (uint16_t) size);
    ph_put_u16(b, (uint16_t) payload.len);
    at = b->len;
    ph_put_bytes(b, payload.data, size);
    if (b->error) {
        return PH_TOOBIG;
    }
    if (flags & MAPI_RPCEXT_XOR) {
        for (size_t i = 0; i < size; i++) {
            b->data[at + i] ^= XOR_BYTE;
        }
    }
    return PH_OK;
}

ph_int_t
mapi_rop_buffer_read(ph_str_t payload, ph_pool_t *pool,
    mapi_rop_buffer_t *v_r)
{
    ph_cur_t  cur;
    uint16_t  size;

    ph_cur_init(&cur, payload.data, payload.len);
    size = ph_cur_u16(&cur);
    if (size < 2) {
        return PH_INVALID;
    }
    v_r->rops = ph_cur_bytes(&cur, size - 2u);
    if (cur.error || ph_cur_left(&cur) % 4 != 0
        || ph_cur_left(&cur) / 4 > MAPI_ROP_HANDLES)
    {
        return PH_INVALID;
    }
    v_r->n = (uint32_t) (ph_cur_left(&cur) / 4);
    v_r->handles = ph_pcalloc_array(pool, v_r->n, sizeof(uint32_t));
    if (v_r->handles == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < v_r->n; i++) {
        v_r->handles[i] = ph_cur_u32(&cur);
    }
    return PH_OK;
}

ph_int_t
mapi_rop_buffer_write(ph_wbuf_t *b, const mapi_rop_buffer_t *v)
{
    if (v->rops.len + 2 > UINT16_MAX || v->n > MAPI_ROP_HANDLES) {
        return PH_TOOBIG;
    }
    ph_put_u16(b, (uint16_t) (v->rops.len + 2));
    ph_put_str(b, v->rops);
    for (uint32_t i = 0; i < v->n; i++) {
        ph_put_u32(b, v->handles[i]);
    }
    return b->error ? PH_TOOBIG : PH_OK;
}
