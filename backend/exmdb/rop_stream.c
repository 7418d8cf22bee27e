/* Streams (MS-OXCPRPT 2.2.14 ff.). */

#include "ex_stream.h"
#include "ex_props.h"

#define EX_READ_EXTENDED  0xBABE
#define EX_COPY_CHUNK     (64 * 1024)


static uint32_t
rop_stream_ec(ex_rop_t *rop, ph_int_t rc)
{
    switch (rc) {
    case PH_DENIED:
        return ecStreamAccessDenied;
    case PH_TOOBIG:
        return ecTooBig;
    default:
        return ex_ec(rop, rc);
    }
}


uint32_t
rop_open_stream(ex_rop_t *rop, const rop_open_stream_request_t *req,
    rop_open_stream_response_t *res)
{
    ph_int_t      rc;
    uint8_t       mode;
    ex_stream_t  *st;

    if (rop->in->kind != EX_FOLDER && rop->in->kind != EX_MESSAGE
        && rop->in->kind != EX_ATTACHMENT)
    {
        return ecNotSupported;
    }

    /* PidTagSecurityDescriptorAsXml (MS-OXCPERM 3.2.5.3) */
    if (rop->in->kind == EX_FOLDER && MAPI_ID(req->tag) == 0x0E6A) {
        return ecNotImplemented;
    }

    switch (MAPI_TYPE(req->tag)) {
    case PT_BINARY:
    case PT_UNICODE:
    case PT_STRING8:
    case PT_OBJECT:
        break;
    default:
        return ecNotSupported;
    }

    mode = (req->open_mode_flags & 2) ? STORE_STREAM_CREATE
           : (req->open_mode_flags & 1) ? STORE_STREAM_WRITE
           : STORE_STREAM_READ;

    if (rop->in->kind == EX_FOLDER) {
        if (mode != STORE_STREAM_READ && rop->logon->is_public) {
            return ecNotSupported;
        }

        if (ex_rop_rights(rop, ((ex_folder_t *) rop->in)->fid) == 0) {
            return ecAccessDenied;
        }
    }

    if (mode != STORE_STREAM_READ && !ex_props_writable(rop, rop->in)) {
        return ecAccessDenied;
    }

    st = ex_rop_make(rop, EX_STREAM, sizeof(ex_stream_t), rop->in);
    if (st == NULL) {
        return ecServerOOM;
    }

    st->mode = mode;

    rc = ex_content_open(rop, rop->in, req->tag, mode, rop->ctx.cpid,
                         &st->content);
    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return rc == PH_INVALID ? ecNotSupported : ex_ec(rop, rc);
    }

    res->stream_size = (uint32_t) ex_content_size(st->content);

    return 0;
}


uint32_t
rop_read_stream(ex_rop_t *rop, const rop_read_stream_request_t *req,
    rop_read_stream_response_t *res)
{
    size_t        got, want;
    uint8_t      *buf;
    ph_int_t      rc;
    uint64_t      len;
    ex_stream_t  *st;

    st = ex_rop_stream(rop);
    if (st == NULL) {
        return ecNotSupported;
    }

    len = req->byte_count;

    if (req->byte_count == EX_READ_EXTENDED) {
        len = req->maximum_byte_count;

        if (len > EX_STREAM_MAX) {
            rop->x->ec = ecRpcFormat;
            return ecRpcFormat;
        }
    }

    if (rop->room < 2) {
        return ecBufferTooSmall;
    }

    want = (size_t) ph_min(len, (uint64_t) rop->room - 2);
    if (st->pos < ex_content_size(st->content)) {
        want = (size_t) ph_min((uint64_t) want,
                               ex_content_size(st->content) - st->pos);
    } else {
        want = 0;
    }

    buf = ph_palloc(rop->pool, want);
    if (buf == NULL) {
        return ecServerOOM;
    }

    rc = ex_content_read(st->content, st->pos, buf, want, &got);
    if (rc != PH_OK) {
        return rop_stream_ec(rop, rc);
    }

    st->pos += got;
    res->data.data = buf;
    res->data.len = got;
    rop->taken = (uint32_t) got;
    rop->more = got < len && st->pos < ex_content_size(st->content);

    return 0;
}


static uint32_t
rop_stream_put(ex_rop_t *rop, ph_str_t data, uint32_t *written_r)
{
    ph_int_t      rc;
    ex_stream_t  *st;

    *written_r = 0;

    st = ex_rop_stream(rop);
    if (st == NULL) {
        return ecNotSupported;
    }

    if (st->mode == STORE_STREAM_READ) {
        return ecStreamAccessDenied;
    }

    if (st->pos + data.len > EX_STREAM_MAX) {
        return ecTooBig;
    }

    rc = ex_content_write(st->content, st->pos, data.data, data.len);
    if (rc == PH_OK) {
        st->pos += data.len;
        *written_r = (uint32_t) data.len;
    }

    return rop_stream_ec(rop, rc);
}


uint32_t
rop_write_stream(ex_rop_t *rop, const rop_write_stream_request_t *req,
    rop_write_stream_response_t *res)
{
    uint32_t  ec, n;

    ec = rop_stream_put(rop, req->data, &n);
    res->written_size = (uint16_t) n;

    return ec;
}


uint32_t
rop_write_stream_extended(ex_rop_t *rop,
    const rop_write_stream_extended_request_t *req,
    rop_write_stream_extended_response_t *res)
{
    return rop_stream_put(rop, req->data, &res->written_size);
}


static uint32_t
rop_stream_flush(ex_rop_t *rop, ex_stream_t *st)
{
    if (st->mode == STORE_STREAM_READ) {
        return ecStreamAccessDenied;
    }

    return rop_stream_ec(rop, ex_content_commit(rop, st->o.parent,
                                                st->content));
}


uint32_t
rop_write_and_commit_stream(ex_rop_t *rop,
    const rop_write_and_commit_stream_request_t *req,
    rop_write_and_commit_stream_response_t *res)
{
    uint32_t  ec, n;

    ec = rop_stream_put(rop, req->data, &n);
    res->written_size = (uint16_t) n;

    return ec != 0 ? ec : rop_stream_flush(rop, ex_rop_stream(rop));
}


uint32_t
rop_commit_stream(ex_rop_t *rop, const rop_commit_stream_request_t *req,
    rop_commit_stream_response_t *res)
{
    ex_stream_t  *st;

    (void) req;
    (void) res;

    st = ex_rop_stream(rop);

    return st == NULL ? ecNotSupported : rop_stream_flush(rop, st);
}


uint32_t
rop_seek_stream(ex_rop_t *rop, const rop_seek_stream_request_t *req,
    rop_seek_stream_response_t *res)
{
    int64_t       base, to;
    ex_stream_t  *st;

    st = ex_rop_stream(rop);
    if (st == NULL) {
        return ecNotSupported;
    }

    switch (req->origin) {
    case 0:
        base = 0;
        break;
    case 1:
        base = (int64_t) st->pos;
        break;
    case 2:
        base = (int64_t) ex_content_size(st->content);
        break;
    default:
        return STG_E_INVALIDPARAMETER;
    }

    if (__builtin_add_overflow(base, req->offset, &to) || to < 0
        || (uint64_t) to > EX_STREAM_MAX)
    {
        return ecStreamSeekError;
    }

    st->pos = (uint64_t) to;
    res->new_position = st->pos;

    return 0;
}


uint32_t
rop_set_stream_size(ex_rop_t *rop, const rop_set_stream_size_request_t *req,
    rop_set_stream_size_response_t *res)
{
    ex_stream_t  *st;

    (void) res;

    st = ex_rop_stream(rop);
    if (st == NULL) {
        return ecNotSupported;
    }

    if (st->mode == STORE_STREAM_READ) {
        return ecStreamAccessDenied;
    }

    if (req->stream_size > EX_STREAM_MAX) {
        return ecStreamSizeError;
    }

    return rop_stream_ec(rop, ex_content_set_size(st->content,
                                                  req->stream_size));
}


uint32_t
rop_get_stream_size(ex_rop_t *rop, const rop_get_stream_size_request_t *req,
    rop_get_stream_size_response_t *res)
{
    ex_stream_t  *st;

    (void) req;

    st = ex_rop_stream(rop);
    if (st == NULL) {
        return ecNotSupported;
    }

    res->stream_size = (uint32_t) ex_content_size(st->content);

    return 0;
}


uint32_t
rop_clone_stream(ex_rop_t *rop, const rop_clone_stream_request_t *req,
    rop_clone_stream_response_t *res)
{
    ex_stream_t  *st, *clone;

    (void) req;
    (void) res;

    st = ex_rop_stream(rop);
    if (st == NULL) {
        return ecNotSupported;
    }

    clone = ex_rop_make(rop, EX_STREAM, sizeof(ex_stream_t), st->o.parent);
    if (clone == NULL) {
        return ecServerOOM;
    }

    clone->content = st->content;
    clone->content->refs++;
    clone->mode = st->mode;
    clone->pos = st->pos;

    return 0;
}


uint32_t
rop_copy_to_stream(ex_rop_t *rop, const rop_copy_to_stream_request_t *req,
    rop_copy_to_stream_response_t *res)
{
    size_t        want, got;
    uint8_t      *buf;
    ph_int_t      rc;
    uint64_t      left;
    ex_stream_t  *src, *dst;

    src = ex_rop_stream(rop);
    if (src == NULL || rop->dst->kind != EX_STREAM) {
        return ecNotSupported;
    }

    dst = (ex_stream_t *) rop->dst;
    if (dst->mode == STORE_STREAM_READ) {
        return ecStreamAccessDenied;
    }

    buf = ph_palloc(rop->pool, EX_COPY_CHUNK);
    if (buf == NULL) {
        return ecServerOOM;
    }

    for (left = req->byte_count; left > 0; left -= got) {
        want = (size_t) ph_min(left, (uint64_t) EX_COPY_CHUNK);

        rc = ex_content_read(src->content, src->pos, buf, want, &got);
        if (rc != PH_OK) {
            return rop_stream_ec(rop, rc);
        }

        if (got == 0) {
            break;
        }

        src->pos += got;
        res->read_byte_count += got;

        if (dst->pos + got > EX_STREAM_MAX) {
            return ecTooBig;
        }

        rc = ex_content_write(dst->content, dst->pos, buf, got);
        if (rc != PH_OK) {
            return rop_stream_ec(rop, rc);
        }

        dst->pos += got;
        res->written_byte_count += got;
    }

    return 0;
}


/* Regions are advisory, and every open of a message is its own copy. */
static uint32_t
rop_region(const ex_rop_t *rop)
{
    return ex_rop_stream(rop) != NULL ? 0 : ecNotSupported;
}


uint32_t
rop_lock_region_stream(ex_rop_t *rop,
    const rop_lock_region_stream_request_t *req,
    rop_lock_region_stream_response_t *res)
{
    (void) req;
    (void) res;

    return rop_region(rop);
}


uint32_t
rop_unlock_region_stream(ex_rop_t *rop,
    const rop_unlock_region_stream_request_t *req,
    rop_unlock_region_stream_response_t *res)
{
    (void) req;
    (void) res;

    return rop_region(rop);
}
