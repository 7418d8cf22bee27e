/* RPC_HEADER_EXT and the list of ROPs (MS-OXCRPC 2.2.2.1, MS-OXCROPS 2.2.1). */

#include "ex_execute.h"
#include "mapi/mapi_lz77.h"


ph_int_t
ex_frame_read(ph_pool_t *pool, ph_str_t in, ph_str_t *payload_r)
{
    size_t      i;
    uint8_t    *p;
    ph_cur_t    cur;
    ph_str_t    raw;
    uint16_t    version, flags, size, actual;

    ph_cur_init(&cur, in.data, in.len);
    version = ph_cur_u16(&cur);
    flags = ph_cur_u16(&cur);
    size = ph_cur_u16(&cur);
    actual = ph_cur_u16(&cur);
    raw = ph_cur_bytes(&cur, size);

    if (cur.error || version != 0) {
        return PH_INVALID;
    }

    /* packed uploads are not announced: one buffer is all there may be */
    if (!(flags & EX_EXT_LAST) && ph_cur_left(&cur) != 0) {
        return PH_INVALID;
    }

    if (flags & EX_EXT_XOR) {
        p = ph_palloc(pool, raw.len);
        if (p == NULL) {
            return PH_NOMEM;
        }

        for (i = 0; i < raw.len; i++) {
            p[i] = raw.data[i] ^ 0xA5;
        }

        raw.data = p;
    }

    if (!(flags & EX_EXT_COMPRESSED)) {
        if (size != actual) {
            return PH_INVALID;
        }

        *payload_r = raw;
        return PH_OK;
    }

    p = ph_palloc(pool, actual);
    if (p == NULL) {
        return PH_NOMEM;
    }

    if (mapi_lz77_decompress(raw, p, actual) != PH_OK) {
        return PH_INVALID;
    }

    *payload_r = (ph_str_t) { actual, p };

    return PH_OK;
}


ph_int_t
ex_frame_write(ph_wbuf_t *b, ph_pool_t *pool, ph_str_t payload, bool last,
    bool compress)
{
    size_t     n;
    uint8_t   *packed;
    uint16_t   flags;

    flags = last ? EX_EXT_LAST : 0;
    packed = NULL;
    n = payload.len;

    if (compress && payload.len >= EX_COMPRESS_MIN) {
        packed = ph_palloc(pool, payload.len);

        if (packed != NULL
            && mapi_lz77_compress(payload, packed, payload.len - 1, &n)
               == PH_OK)
        {
            flags |= EX_EXT_COMPRESSED;

        } else {
            packed = NULL;
            n = payload.len;
        }
    }

    ph_put_u16(b, 0);
    ph_put_u16(b, flags);
    ph_put_u16(b, (uint16_t) n);
    ph_put_u16(b, (uint16_t) payload.len);
    ph_put_bytes(b, packed != NULL ? packed : payload.data, n);

    return b->error ? PH_NOMEM : PH_OK;
}


static bool
ex_item_is_ics_upload(uint8_t id)
{
    switch (id) {
    case ROP_SYNCHRONIZATION_IMPORT_MESSAGE_CHANGE:
    case ROP_SYNCHRONIZATION_IMPORT_HIERARCHY_CHANGE:
    case ROP_SYNCHRONIZATION_IMPORT_DELETES:
    case ROP_SYNCHRONIZATION_IMPORT_MESSAGE_MOVE:
    case ROP_SYNCHRONIZATION_IMPORT_READ_STATE_CHANGES:
    case ROP_SYNCHRONIZATION_UPLOAD_STATE_STREAM_BEGIN:
    case ROP_SYNCHRONIZATION_UPLOAD_STATE_STREAM_CONTINUE:
    case ROP_SYNCHRONIZATION_UPLOAD_STATE_STREAM_END:
        return true;
    default:
        return false;
    }
}


static ph_int_t
ex_frame_item(ex_execute_t *x, ph_cur_t *cur, ex_item_t *item)
{
    size_t   i;
    ph_int_t rc;

    item->offset = (uint32_t) ph_cur_offset(cur);
    item->id = ph_cur_u8(cur);
    item->info = &rop_infos[item->id];

    if (item->info->name == NULL
        || (item->info->handles_count > 0
            && item->info->handles[0] == ROP_HANDLE_SERVER))
    {
        return PH_INVALID;
    }

    item->logon_id = ph_cur_u8(cur);
    for (i = 0; i < item->info->handles_count; i++) {
        item->handle[i] = ph_cur_u8(cur);
    }

    if (cur->error) {
        return PH_INVALID;
    }

    if (ex_item_is_ics_upload(item->id)) {
        x->ics_upload = true;
    }

    if (item->info->request == NULL) {
        return PH_OK;
    }

    item->request = ph_pcalloc(x->pool, item->info->request->size);
    if (item->request == NULL) {
        return PH_NOMEM;
    }

    rc = item->info->request->decode(cur, x->pool, &x->ctx, item->request);
    if (rc != PH_OK) {
        return rc == PH_NOMEM ? PH_NOMEM : PH_INVALID;
    }

    return cur->error ? PH_INVALID : PH_OK;
}


ph_int_t
ex_frame_items(ex_execute_t *x, ph_str_t payload)
{
    ph_int_t    rc;
    uint32_t    cap, i;
    uint16_t    size;
    ph_cur_t    cur, list;
    ex_item_t  *items;

    ph_cur_init(&cur, payload.data, payload.len);
    size = ph_cur_u16(&cur);

    if (cur.error || size < 2 || size > payload.len) {
        return PH_INVALID;
    }

    x->rops = ph_cur_bytes(&cur, size - 2u);
    x->n_handles = (uint32_t) (ph_cur_left(&cur) / 4);
    if (x->n_handles > EX_MAX_HANDLES) {
        return PH_INVALID;
    }

    for (i = 0; i < x->n_handles; i++) {
        x->handles[i] = ph_cur_u32(&cur);
    }

    ph_cur_init(&list, x->rops.data, x->rops.len);
    cap = 0;

    while (ph_cur_left(&list) > 0) {
        if (x->n_items == cap) {
            cap = cap ? cap * 2 : 16;
            items = ph_prealloc(x->pool, x->items,
                                x->n_items * sizeof(ex_item_t),
                                cap * sizeof(ex_item_t));
            if (items == NULL) {
                return PH_NOMEM;
            }

            x->items = items;
        }

        memset(&x->items[x->n_items], 0, sizeof(ex_item_t));

        rc = ex_frame_item(x, &list, &x->items[x->n_items]);
        if (rc != PH_OK) {
            return rc;
        }

        x->n_items++;
    }

    return PH_OK;
}
