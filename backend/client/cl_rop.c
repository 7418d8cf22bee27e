/* Batches of ROPs: from typed requests to bytes, and from bytes to answers. */

#include "cl_rop.h"
#include "mapi/mapi_rpcext.h"

#define CL_ROPS_BYTES  0x7000         /* in one payload */


void
cl_rops_init(cl_rops_t *b, ph_pool_t *pool)
{
    memset(b, 0, sizeof(*b));
    b->pool = pool;
    b->ctx.form = MAPI_FORM_ROP;
    b->ctx.cpid = 65001;
    ph_wbuf_init(&b->out, pool, CL_ROPS_BYTES);
}


static uint8_t
cl_rops_slot_new(cl_rops_t *b, uint32_t handle)
{
    if (b->n_handles == CL_NEW) {
        b->error = PH_TOOBIG;
        return CL_NONE;
    }

    b->handles[b->n_handles] = handle;

    return (uint8_t) b->n_handles++;
}


uint8_t
cl_rops_slot(cl_rops_t *b, uint32_t handle)
{
    uint32_t  i;

    for (i = 0; i < b->n_handles; i++) {
        if (b->handles[i] == handle && handle != UINT32_MAX) {
            return (uint8_t) i;
        }
    }

    return cl_rops_slot_new(b, handle);
}


uint8_t
cl_rops_add(cl_rops_t *b, uint8_t rop, uint8_t in, uint8_t other,
    const void *request)
{
    size_t                  i;
    uint8_t                 made, slot;
    ph_int_t                rc;
    const mapi_rop_info_t  *info = &rop_infos[rop];

    if (info->name == NULL || b->n_rops == CL_ROPS_MAX
        || (info->request != NULL && info->request->size > 1
            && request == NULL))
    {
        b->error = b->n_rops == CL_ROPS_MAX ? PH_TOOBIG : PH_INVALID;
        return CL_NONE;
    }

    made = in;
    ph_put_u8(&b->out, rop);
    ph_put_u8(&b->out, 0);            /* LogonId */

    for (i = 0; i < info->handles_count; i++) {
        slot = in;
        if (info->handles[i] == ROP_HANDLE_OUT) {
            made = cl_rops_slot_new(b, UINT32_MAX);
            slot = made;
        } else if (info->handles[i] == ROP_HANDLE_DST) {
            slot = other;
        }

        if (slot >= b->n_handles) {
            b->error = b->error != PH_OK ? b->error : PH_INVALID;
        }

        ph_put_u8(&b->out, slot);
    }

    if (info->request != NULL && request != NULL) {
        rc = info->request->encode(&b->out, &b->ctx, request);
        if (rc != PH_OK) {
            b->error = rc;
        }
    }

    if (b->out.error) {
        b->error = PH_TOOBIG;
    }

    b->n_rops++;

    return made;
}


uint32_t
cl_rops_handle(const cl_rops_t *b, uint8_t slot)
{
    return slot < b->n_handles ? b->handles[slot] : UINT32_MAX;
}


ph_int_t
cl_rops_request(cl_rops_t *b, ph_str_t *rops_r)
{
    ph_int_t            rc;
    ph_wbuf_t           payload, out;
    mapi_rop_buffer_t   v;

    if (b->error != PH_OK) {
        return b->error;
    }

    v.rops = ph_wbuf_str(&b->out);
    v.n = b->n_handles;
    v.handles = b->handles;
    ph_wbuf_init(&payload, b->pool, MAPI_RPCEXT_PAYLOAD);
    ph_wbuf_init(&out, b->pool, 2 * MAPI_RPCEXT_PAYLOAD);

    rc = mapi_rop_buffer_write(&payload, &v);
    if (rc == PH_OK) {
        rc = mapi_rpcext_write(&out, b->pool, ph_wbuf_str(&payload),
                               MAPI_RPCEXT_LAST);
    }

    *rops_r = ph_wbuf_str(&out);

    return rc;
}


ph_int_t
cl_rops_response(cl_rops_t *b, ph_str_t rops)
{
    bool                last;
    ph_int_t            rc;
    ph_cur_t            cur;
    ph_str_t            payload;
    mapi_rop_buffer_t   v;

    ph_cur_init(&cur, rops.data, rops.len);
    rc = mapi_rpcext_read(&cur, b->pool, &payload, &last);
    if (rc == PH_OK) {
        rc = mapi_rop_buffer_read(payload, b->pool, &v);
    }

    if (rc != PH_OK) {
        return rc;
    }

    /* the server's table may be longer: notifications have handles of theirs */
    b->n_handles = ph_min(v.n, (uint32_t) ph_nelts(b->handles));
    memcpy(b->handles, v.handles, b->n_handles * sizeof(uint32_t));
    ph_cur_init(&b->in, v.rops.data, v.rops.len);

    return PH_OK;
}


/* has a response with this error a body? */
static const mapi_codec_t *
cl_rops_codec(const mapi_rop_info_t *info, uint32_t ec)
{
    if (ec == 0 || (info->flags & ROP_FLAG_PARTIAL)
        || ((info->flags & ROP_FLAG_WARN) && ec == 0x00040380))
    {
        return info->response;
    }

    return info->failure != NULL && ec == info->failure_code ? info->failure
                                                             : NULL;
}


ph_int_t
cl_rops_next(cl_rops_t *b, cl_rop_answer_t *a)
{
    void                   *v;
    ph_int_t                rc;
    const mapi_codec_t     *codec;
    const mapi_rop_info_t  *info;

    memset(a, 0, sizeof(*a));
    a->slot = CL_NONE;
    if (ph_cur_left(&b->in) == 0) {
        return PH_DONE;
    }

    a->rop = ph_cur_u8(&b->in);
    info = &rop_infos[a->rop];
    if (info->name == NULL) {
        return PH_INVALID;
    }

    if (!(info->flags & ROP_FLAG_BARE)) {
        a->slot = ph_cur_u8(&b->in);
        a->ec = ph_cur_u32(&b->in);
    }

    codec = cl_rops_codec(info, a->ec);
    if (codec != NULL) {
        v = ph_pcalloc(b->pool, codec->size);
        if (v == NULL) {
            return PH_NOMEM;
        }

        rc = codec->decode(&b->in, b->pool, &b->ctx, v);
        if (rc != PH_OK) {
            return rc;
        }

        a->response = v;
    }

    return b->in.error ? PH_INVALID : PH_OK;
}
