/* FastTransfer downloads (MS-OXCFXICS 2.2.3.1.1, 3.2.5.8.1). */

#include "ex_fx_int.h"

#include <stdlib.h>

/* CopyFlags; bits that once meant something are ignored */
#define EX_FX_FLAG_MOVE        0x01
#define EX_FX_COPY_TO_FLAGS    0x260Fu
#define EX_FX_COPY_PROPS_FLAGS 0x0Fu
#define EX_FX_COPY_MSGS_FLAGS  0x3Fu
#define EX_FX_COPY_FLD_FLAGS   0x1Fu
#define EX_FX_FLAG_ENTRYID     0x20
#define EX_FX_FLAG_SUBFOLDERS  0x10
#define EX_FX_SEND_UNKNOWN     0x80      /* 0x20 and 0x40 are ignored */

#define EX_FX_BODY             9         /* GetBuffer's response, no data */
#define EX_FX_SENTINEL         0xBABE

/* ---- the object ---- */

void *
ex_fx_source_make(ex_rop_t *rop, size_t size, ex_object_t *parent,
    ex_fx_out_t *out)
{
    ex_fx_source_t  *s;

    s = ex_rop_make(rop, EX_FX_SOURCE, size, parent);
    if (s == NULL) {
        ex_fx_out_destroy(&out);
        return NULL;
    }

    s->out = out;

    return s;
}


void
ex_fx_source_close(ex_object_t *o)
{
    ex_fx_source_t  *s = (ex_fx_source_t *) o;

    ex_fx_out_destroy(&s->out);

    if (s->close != NULL) {
        s->close(s);
    }
}


/* ---- streams whose root is one object ---- */

static ph_int_t
ex_fx_root_next(ex_rop_t *rop, ex_fx_out_t *out, void *data)
{
    (void) rop;
    (void) out;
    (void) data;

    return PH_DONE;
}


static const ex_fx_producer_t  ex_fx_root = { ex_fx_root_next, NULL, NULL };


static ex_fx_out_t *
rop_fx_out(ex_rop_t *rop, uint8_t send)
{
    return ex_fx_out_create(rop, send, rop->session->cpid, &ex_fx_root, NULL);
}


static uint32_t
rop_fx_finish(ex_rop_t *rop, ex_fx_out_t *out, ph_int_t rc)
{
    if (rc != PH_OK) {
        ex_fx_out_destroy(&out);
        return ex_ec(rop, rc);
    }

    return ex_fx_source_make(rop, sizeof(ex_fx_source_t), rop->in, out) != NULL
           ? 0 : ecServerOOM;
}


/* Messages of a folder and of all below it. */
static ph_int_t
rop_fx_count(void *data, const store_folder_t *f, unsigned depth)
{
    uint64_t  *n = data;

    (void) depth;
    *n += (uint64_t) f->total + f->associated;

    return PH_OK;
}


static ph_int_t
rop_fx_folder(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid, bool top,
    const ex_fx_what_t *what)
{
    uint64_t         n;
    ph_int_t         rc;
    store_folder_t   f;

    rc = store_folder_find(rop->conn, rop->pool, fid, &f);
    if (rc != PH_OK) {
        return rc;
    }

    n = 0;
    rc = rop_fx_count(&n, &f, 0);

    if (rc == PH_OK && (what->flags & EX_FX_SUBFOLDERS)) {
        rc = store_folder_walk(rop->conn, fid, true, false, rop_fx_count, &n);
    }

    if (rc == PH_OK) {
        ex_fx_out_progress(out, 0, n);
        rc = ex_fx_put_folder(rop, out, fid, top, what);
    }

    return rc;
}


static ph_int_t
rop_fx_message(ex_rop_t *rop, ex_fx_out_t *out, const ex_fx_what_t *what)
{
    store_message_t  *msg = ((ex_message_t *) rop->in)->msg;

    (void) rop;
    out->total = store_message_fact(msg)->size;

    return ex_fx_put_open_message(out, msg, what);
}


/* CopyTo and CopyProperties differ in what their tags mean. */
static uint32_t
rop_fx_copy_object(ex_rop_t *rop, uint8_t level, uint8_t send, uint32_t flags,
    uint16_t n, const uint32_t *tags)
{
    ph_int_t        rc;
    uint64_t        fid;
    ex_fx_out_t    *out;
    ex_fx_what_t    what;

    if (send & EX_FX_SEND_UNKNOWN) {
        return ecInvalidParam;
    }

    what.flags = flags | EX_FX_DELPROPS;
    what.tags.n = n;
    what.tags.tag = tags;

    if (level != 0 && rop->in->kind != EX_ATTACHMENT) {
        what.flags |= EX_FX_ONE_LEVEL;
    }

    fid = 0;
    if (rop->in->kind == EX_FOLDER) {
        fid = ((ex_folder_t *) rop->in)->fid;
        what.flags |= EX_FX_SUBFOLDERS | EX_FX_MID;

    } else if (rop->in->kind == EX_MESSAGE) {
        fid = ((ex_message_t *) rop->in)->fid;

    } else if (rop->in->kind != EX_ATTACHMENT) {
        return ecNotSupported;
    }

    if ((flags & EX_FX_MOVE) && fid != 0
        && !(ex_rop_rights(rop, fid)
             & (rop->in->kind == EX_FOLDER
                ? STORE_RIGHT_OWNER : STORE_RIGHT_DELETE_ANY)))
    {
        return ecAccessDenied;
    }

    out = rop_fx_out(rop, send);
    if (out == NULL) {
        return ecServerOOM;
    }

    switch ((ex_kind_t) rop->in->kind) {
    case EX_FOLDER:
        rc = rop_fx_folder(rop, out, fid, false, &what);
        break;
    case EX_MESSAGE:
        rc = rop_fx_message(rop, out, &what);
        break;
    default:
        rc = ex_fx_put_attachment(rop, out, ((ex_attachment_t *) rop->in)->att,
                                  &what);
        break;
    }

    return rop_fx_finish(rop, out, rc);
}


uint32_t
rop_fast_transfer_source_copy_to(ex_rop_t *rop,
    const rop_fast_transfer_source_copy_to_request_t *req,
    rop_fast_transfer_source_copy_to_response_t *res)
{
    (void) res;

    /* a Move is refused, as current servers do (3.2.5.8.1.1) */
    if ((req->copy_flags & ~EX_FX_COPY_TO_FLAGS)
        || (req->copy_flags & EX_FX_FLAG_MOVE))
    {
        return ecInvalidParam;
    }

    return rop_fx_copy_object(rop, req->level, req->send_options, 0,
                              req->excluded_tags_count, req->excluded_tags);
}


uint32_t
rop_fast_transfer_source_copy_properties(ex_rop_t *rop,
    const rop_fast_transfer_source_copy_properties_request_t *req,
    rop_fast_transfer_source_copy_properties_response_t *res)
{
    (void) res;

    if (req->copy_flags & ~EX_FX_COPY_PROPS_FLAGS) {
        return ecInvalidParam;
    }

    return rop_fx_copy_object(rop, req->level, req->send_options,
                              EX_FX_ONLY
                              | (req->copy_flags & EX_FX_FLAG_MOVE
                                 ? EX_FX_MOVE : 0),
                              req->tags_count, req->tags);
}


uint32_t
rop_fast_transfer_source_copy_messages(ex_rop_t *rop,
    const rop_fast_transfer_source_copy_messages_request_t *req,
    rop_fast_transfer_source_copy_messages_response_t *res)
{
    uint64_t        fid, *ids;
    ph_int_t        rc;
    ex_folder_t    *folder;
    ex_fx_out_t    *out;
    ex_fx_what_t    what;

    (void) res;

    folder = ex_rop_folder(rop);
    if (folder == NULL) {
        return ecNotSupported;
    }

    if ((req->copy_flags & ~EX_FX_COPY_MSGS_FLAGS)
        || (req->send_options & EX_FX_SEND_UNKNOWN)
        || req->message_ids_count == 0)
    {
        return ecInvalidParam;
    }

    ids = ex_rop_ids(rop, req->message_ids_count, req->message_ids);
    out = rop_fx_out(rop, req->send_options);
    if (ids == NULL || out == NULL) {
        ex_fx_out_destroy(&out);
        return ecServerOOM;
    }

    memset(&what, 0, sizeof(what));
    what.flags = EX_FX_MID;
    what.flags |= (req->copy_flags & EX_FX_FLAG_ENTRYID) ? EX_FX_IDS
                                                         : EX_FX_NO_MTIME;
    what.flags |= (req->copy_flags & EX_FX_FLAG_MOVE) ? EX_FX_MOVE : 0;

    /* what a search folder shows lies in other folders */
    fid = folder->type == STORE_FOLDER_SEARCH ? 0 : folder->fid;

    ex_fx_out_progress(out, 0, req->message_ids_count);
    rc = ex_fx_put_messages(rop, out, fid, req->message_ids_count, ids, &what);

    return rop_fx_finish(rop, out, rc);
}


uint32_t
rop_fast_transfer_source_copy_folder(ex_rop_t *rop,
    const rop_fast_transfer_source_copy_folder_request_t *req,
    rop_fast_transfer_source_copy_folder_response_t *res)
{
    ph_int_t        rc;
    ex_folder_t    *folder;
    ex_fx_out_t    *out;
    ex_fx_what_t    what;

    (void) res;

    folder = ex_rop_folder(rop);
    if (folder == NULL) {
        return ecNotSupported;
    }

    if ((req->copy_flags & ~EX_FX_COPY_FLD_FLAGS)
        || (req->send_options & EX_FX_SEND_UNKNOWN))
    {
        return ecInvalidParam;
    }

    out = rop_fx_out(rop, req->send_options);
    if (out == NULL) {
        return ecServerOOM;
    }

    memset(&what, 0, sizeof(what));
    what.flags = EX_FX_MID;

    /* who moves a folder moves what is below it */
    if (req->copy_flags & (EX_FX_FLAG_SUBFOLDERS | EX_FX_FLAG_MOVE)) {
        what.flags |= EX_FX_SUBFOLDERS;
    }

    what.flags |= (req->copy_flags & EX_FX_FLAG_MOVE) ? EX_FX_MOVE : 0;

    rc = rop_fx_folder(rop, out, folder->fid, true, &what);

    return rop_fx_finish(rop, out, rc);
}


/* ---- reading it ---- */

/* Progress in numbers of 16 bits; the last step is the end of the stream. */
static void
rop_fx_progress(const ex_fx_out_t *out, bool done,
    rop_fast_transfer_source_get_buffer_response_t *res)
{
    uint64_t  at, total, scale;

    total = ph_max(out->total, (uint64_t) 1);
    at = done ? total : ph_min(out->done, total - 1);
    scale = total / UINT16_MAX + 1;

    res->total_step_count = (uint16_t) ph_max(total / scale, (uint64_t) 1);
    res->in_progress_count = (uint16_t) (done ? res->total_step_count
                                              : at / scale);
}


uint32_t
rop_fast_transfer_source_get_buffer(ex_rop_t *rop,
    const rop_fast_transfer_source_get_buffer_request_t *req,
    rop_fast_transfer_source_get_buffer_response_t *res)
{
    bool             done;
    size_t           size, n;
    uint8_t         *buf;
    ph_int_t         rc;
    ex_fx_source_t  *s;

    if (rop->in->kind != EX_FX_SOURCE) {
        return ecNotSupported;
    }

    s = (ex_fx_source_t *) rop->in;

    if (s->ec != 0) {
        return s->ec;
    }

    size = rop->room - ph_min(rop->room, (size_t) EX_FX_BODY);

    if (req->buffer_size == EX_FX_SENTINEL) {
        size = ph_min(size, (size_t) req->maximum_buffer_size);

    } else if (req->buffer_size > size) {
        return ecBufferTooSmall;

    } else {
        size = req->buffer_size;
    }

    if (s->out == NULL && s->start != NULL) {
        s->ec = s->start(rop, s);
    }

    if (s->ec == 0 && s->out == NULL) {
        s->ec = ecError;
    }

    if (s->ec != 0) {
        return s->ec;
    }

    buf = ph_palloc(rop->pool, size + 1);
    if (buf == NULL) {
        return ecServerOOM;
    }

    rc = ex_fx_out_fill(rop, s->out, buf, size, &n, &done);

    if (rc == PH_TOOBIG && s->out->failed == PH_OK) {
        return ecBufferTooSmall;
    }

    if (rc != PH_OK) {
        s->ec = ex_ec(rop, rc);
        return s->ec;
    }

    s->done = done;
    res->transfer_status = done ? EX_FX_DONE : EX_FX_PARTIAL;
    res->data.data = buf;
    res->data.len = n;
    rop_fx_progress(s->out, done, res);

    rop->more = !done;
    rop->taken = (uint32_t) n;

    return 0;
}


/*
 * Which version the other server of a copy has (2.2.3.1.1.6): our streams are
 * the same for all.
 */
uint32_t
rop_tell_version(ex_rop_t *rop, const rop_tell_version_request_t *req,
    rop_tell_version_response_t *res)
{
    (void) req;
    (void) res;

    return (rop->in->kind == EX_FX_SOURCE || rop->in->kind == EX_FX_DEST)
           ? 0 : ecNotSupported;
}
