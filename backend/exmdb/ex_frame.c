/* RPC_HEADER_EXT and the list of ROPs (MS-OXCRPC 2.2.2.1, MS-OXCROPS 2.2.1). */

#include "ex_execute.h"
#include "mapi/mapi_rpcext.h"


ph_int_t
ex_frame_write(ph_wbuf_t *b, ph_pool_t *pool, ph_str_t payload, bool last,
    bool compress)
{
    unsigned  flags;

    flags = last ? MAPI_RPCEXT_LAST : 0;
    if (compress && payload.len >= EX_COMPRESS_MIN) {
        flags |= MAPI_RPCEXT_COMPRESSED;
    }

    return mapi_rpcext_write(b, pool, payload, flags) == PH_OK ? PH_OK
                                                               : PH_NOMEM;
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
    size_t             i;
    ph_int_t           rc;
    const ex_logon_t  *logon;

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

    logon = x->session != NULL ? ex_logon_find(x->session, item->logon_id)
                               : NULL;
    x->ctx.public_logon = logon != NULL && logon->is_public;

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


/* RopSize, the ROPs and the handle table of the first buffer */
static ph_int_t
ex_frame_items(ex_execute_t *x, ph_str_t payload)
{
    ph_int_t            rc;
    uint32_t            cap;
    ph_cur_t            list;
    ex_item_t          *items;
    mapi_rop_buffer_t   buffer;

    rc = mapi_rop_buffer_read(payload, x->pool, &buffer);
    if (rc != PH_OK) {
        return rc;
    }

    x->rops = buffer.rops;
    x->n_handles = buffer.n;
    if (buffer.n > 0) {
        memcpy(x->handles, buffer.handles, buffer.n * sizeof(uint32_t));
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


/* The data of a ROP that may go on in further buffers; NULL: it may not. */
static ph_str_t *
ex_item_packed(ex_item_t *item)
{
    switch (item->id) {
    case ROP_WRITE_STREAM_EXTENDED:
        return &((rop_write_stream_extended_request_t *) item->request)->data;
    case ROP_FAST_TRANSFER_DESTINATION_PUT_BUFFER:
        return &((rop_fast_transfer_destination_put_buffer_request_t *)
                 item->request)->data;
    case ROP_FAST_TRANSFER_DESTINATION_PUT_BUFFER_EXTENDED:
        return &((rop_fast_transfer_destination_put_buffer_extended_request_t
                  *) item->request)->data;
    default:
        return NULL;
    }
}


/*
 * A further buffer has the same ROP on the same object alone; its data belong
 * to that of the last ROP in the first one.
 */
static ph_int_t
ex_frame_more(ex_execute_t *x, ph_str_t payload, ph_wbuf_t *data)
{
    ph_int_t            rc;
    ph_cur_t            list;
    ex_item_t           item, *last;
    mapi_rop_buffer_t   buffer;

    if (x->n_items == 0 || ex_item_packed(&x->items[x->n_items - 1]) == NULL) {
        return PH_INVALID;
    }

    last = &x->items[x->n_items - 1];

    rc = mapi_rop_buffer_read(payload, x->pool, &buffer);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&item, 0, sizeof(item));
    ph_cur_init(&list, buffer.rops.data, buffer.rops.len);

    rc = ex_frame_item(x, &list, &item);
    if (rc != PH_OK) {
        return rc;
    }

    if (ph_cur_left(&list) != 0 || item.id != last->id
        || item.logon_id != last->logon_id
        || item.handle[0] >= buffer.n || last->handle[0] >= x->n_handles
        || buffer.handles[item.handle[0]] != x->handles[last->handle[0]])
    {
        return PH_INVALID;
    }

    ph_put_str(data, *ex_item_packed(&item));

    return data->error ? PH_NOMEM : PH_OK;
}


/* x->packed behind the data of the last ROP */
static ph_int_t
ex_frame_join(ex_execute_t *x)
{
    ph_str_t   *data;
    ph_wbuf_t   b;

    if (x->packed.len == 0) {
        return PH_OK;
    }

    data = x->n_items > 0 ? ex_item_packed(&x->items[x->n_items - 1]) : NULL;
    if (data == NULL) {
        return PH_INVALID;
    }

    ph_wbuf_init(&b, x->pool, data->len + x->packed.len);
    ph_put_str(&b, *data);
    ph_put_str(&b, x->packed);
    if (b.error) {
        return PH_NOMEM;
    }

    *data = ph_wbuf_str(&b);

    return PH_OK;
}


ph_int_t
ex_frame_request(ex_execute_t *x, ph_str_t in)
{
    bool       last;
    ph_int_t   rc;
    uint32_t   n;
    ph_cur_t   cur;
    ph_str_t   payload;
    ph_wbuf_t  data;

    ph_cur_init(&cur, in.data, in.len);
    ph_wbuf_init(&data, x->pool, EX_MAX_BLOCKS * EX_MAX_PAYLOAD);

    rc = mapi_rpcext_read(&cur, x->pool, &payload, &last);
    if (rc == PH_OK) {
        rc = ex_frame_items(x, payload);
    }

    for (n = 1; rc == PH_OK && !last && ph_cur_left(&cur) > 0; n++) {
        if (n == EX_MAX_BLOCKS) {
            return PH_INVALID;
        }

        rc = mapi_rpcext_read(&cur, x->pool, &payload, &last);
        if (rc == PH_OK) {
            rc = ex_frame_more(x, payload, &data);
        }
    }

    if (rc != PH_OK) {
        return rc;
    }

    x->packed = ph_wbuf_str(&data);

    return ex_frame_join(x);
}


ph_int_t
ex_frame_piece(ex_execute_t *x, ph_str_t payload)
{
    ph_int_t  rc = ex_frame_items(x, payload);

    return rc == PH_OK ? ex_frame_join(x) : rc;
}
