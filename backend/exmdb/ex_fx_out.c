/* Downloads: the stack, and the bytes it gives. */

#include "ex_fx_int.h"

#include <stdlib.h>


ex_fx_out_t *
ex_fx_out_create(ex_rop_t *rop, uint8_t send, uint16_t cpid,
    const ex_fx_producer_t *producer, void *data)
{
    ex_fx_out_t        *out;
    mapi_fx_strings_t   strings;

    (void) rop;

    strings = (send & EX_FX_USE_CPID) ? MAPI_FX_CPID_UNICODE
              : (send & (EX_FX_UNICODE | EX_FX_FORCE_UNICODE))
                ? MAPI_FX_UNICODE : MAPI_FX_STRING8;

    out = ph_calloc(1, sizeof(ex_fx_out_t));
    if (out != NULL) {
        out->send = send;
        out->producer = producer;
        out->data = data;
        out->scratch = ph_pool_create("fast transfer step", EX_FX_SCRATCH);

        if (out->scratch != NULL
            && mapi_fx_writer_init(&out->w, strings, cpid) == PH_OK)
        {
            return out;
        }

        ex_fx_out_destroy(&out);
        return NULL;
    }

    if (producer->close != NULL) {
        producer->close(data);
    }

    return NULL;
}


static void
ex_fx_pop(ex_fx_out_t *out)
{
    ex_fx_frame_t  *f = out->top;

    out->top = f->below;
    out->depth--;

    if (f->class->close != NULL) {
        f->class->close(f);
    }

    if (f->pool != NULL) {
        ph_pool_destroy(&f->pool);
    }

    free(f);
}


void
ex_fx_out_destroy(ex_fx_out_t **outp)
{
    ex_fx_out_t  *out = *outp;

    *outp = NULL;

    if (out == NULL) {
        return;
    }

    while (out->top != NULL) {
        ex_fx_pop(out);
    }

    if (out->producer->close != NULL) {
        out->producer->close(out->data);
    }

    if (out->stream != NULL) {
        store_stream_close(&out->stream);
    }

    if (out->conv_pool != NULL) {
        ph_pool_destroy(&out->conv_pool);
    }

    if (out->scratch != NULL) {
        ph_pool_destroy(&out->scratch);
    }

    mapi_fx_writer_clear(&out->w);
    free(out);
}


ph_int_t
ex_fx_push(ex_fx_out_t *out, const ex_fx_class_t *class, ex_fx_frame_t **f_r)
{
    ex_fx_frame_t  *f;

    *f_r = NULL;

    if (out->depth >= EX_FX_MAX_FRAMES) {
        return PH_TOOBIG;
    }

    f = ph_calloc(1, class->size);
    if (f == NULL) {
        return PH_NOMEM;
    }

    f->pool = ph_pool_create("fast transfer object", EX_FX_POOL);
    if (f->pool == NULL) {
        free(f);
        return PH_NOMEM;
    }

    f->class = class;
    f->below = out->top;
    out->top = f;
    out->depth++;
    *f_r = f;

    return PH_OK;
}


void
ex_fx_out_progress(ex_fx_out_t *out, uint64_t done, uint64_t total)
{
    out->counted = true;
    out->done = done;
    out->total = total;
}


uint32_t
ex_fx_rights(ex_rop_t *rop, ex_fx_out_t *out, uint64_t fid)
{
    if (out->rights_fid != fid) {
        out->rights = ex_rop_rights(rop, fid);
        out->rights_fid = fid;
    }

    return out->rights;
}


/* ---- elements ---- */

ph_int_t
ex_fx_put_marker(ex_fx_out_t *out, uint32_t marker)
{
    return mapi_fx_put_marker(&out->w, marker);
}


ph_int_t
ex_fx_put_value(ex_rop_t *rop, ex_fx_out_t *out, const mapi_value_t *v)
{
    uint16_t         id = MAPI_ID(v->tag);
    ph_int_t         rc;
    mapi_propname_t  name;

    switch (MAPI_TYPE(v->tag)) {
    case PT_ERROR:
    case PT_NULL:
    case PT_OBJECT:
    case PT_SVREID:
    case PT_SRESTRICTION:
    case PT_ACTIONS:
        return PH_OK;
    default:
        break;
    }

    if (id < 0x8000) {
        return mapi_fx_put_value(&out->w, v, NULL);
    }

    rc = store_named_names(rop->conn, 1, &id, out->scratch, &name);
    if (rc != PH_OK) {
        return rc;
    }

    return name.kind > 1 ? PH_OK : mapi_fx_put_value(&out->w, v, &name);
}


ph_int_t
ex_fx_put_long(ex_fx_out_t *out, uint32_t tag, uint32_t value)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.i4 = (int32_t) value;

    return mapi_fx_put_value(&out->w, &v, NULL);
}


ph_int_t
ex_fx_put_blob(ex_fx_out_t *out, uint32_t tag, ph_str_t value)
{
    return mapi_fx_put_blob(&out->w, tag, value);
}


/* ---- errors ---- */

static void
ex_fx_gid(ph_wbuf_t *b, const mapi_guid_t *guid, uint64_t id)
{
    mapi_eid_t  eid = store_eid(id);

    if (id == 0) {
        ph_put_fill(b, 0, 22);
        return;
    }

    ph_put_bytes(b, guid->b, sizeof(guid->b));
    ph_put_bytes(b, (const uint8_t *) &eid + 2, 6);
}


/* errorInfo (2.2.4.3.4) with an ExtendedErrorInfo (2.2.2.10) */
static ph_int_t
ex_fx_put_error(ex_rop_t *rop, ex_fx_out_t *out, uint32_t ec)
{
    ph_int_t            rc;
    ph_wbuf_t           b;
    const mapi_guid_t  *guid;

    guid = &store_info(store_conn_store(rop->conn))->guid;

    ph_wbuf_init(&b, out->scratch, 256);
    ph_put_u32(&b, 0);
    ph_put_u32(&b, ec);
    ex_fx_gid(&b, guid, out->fid);
    ph_put_u16(&b, 0);
    ex_fx_gid(&b, guid, out->mid);
    ph_put_u16(&b, 0);
    ph_put_fill(&b, 0, 24);
    ph_put_u32(&b, 0);
    ph_put_u32(&b, 0);

    if (b.error) {
        return PH_NOMEM;
    }

    rc = mapi_fx_put_marker(&out->w, FXERRORINFO);

    return rc == PH_OK ? mapi_fx_put_blob(&out->w, 0x00000102,
                                          ph_wbuf_str(&b)) : rc;
}


/*
 * A step failed.  What it put is not sent yet: it goes, and the nearest thing
 * that lists messages carries on behind the error.
 */
static ph_int_t
ex_fx_recover(ex_rop_t *rop, ex_fx_out_t *out, ph_int_t failed)
{
    ph_int_t  rc;

    if (!(out->send & EX_FX_RECOVER) || out->top == NULL
        || failed == PH_NOMEM)
    {
        return failed;
    }

    mapi_fx_writer_drop(&out->w);

    do {
        if (out->top->class->recover != NULL) {
            out->top->class->recover(out->top);
            return ex_fx_put_error(rop, out, ex_ec(rop, failed));
        }

        ex_fx_pop(out);
    } while (out->top != NULL);

    rc = ex_fx_put_error(rop, out, ex_ec(rop, failed));
    if (rc == PH_OK && out->producer->recover != NULL) {
        rc = out->producer->recover(rop, out, out->data);
    }

    return rc;
}


/* ---- bytes ---- */

static ph_int_t
ex_fx_step(ex_rop_t *rop, ex_fx_out_t *out)
{
    ph_int_t  rc;

    ph_pool_reset(out->scratch);

    if (out->stream != NULL && !mapi_fx_writer_large(&out->w)) {
        store_stream_close(&out->stream);
    }

    if (out->top == NULL) {
        rc = out->producer->next(rop, out, out->data);

        if (rc == PH_DONE) {
            out->ended = true;
            return PH_OK;
        }

    } else {
        rc = out->top->class->step(rop, out, out->top);

        if (rc == PH_DONE) {
            ex_fx_pop(out);
            return PH_OK;
        }
    }

    return rc == PH_OK ? PH_OK : ex_fx_recover(rop, out, rc);
}


ph_int_t
ex_fx_out_fill(ex_rop_t *rop, ex_fx_out_t *out, uint8_t *buf, size_t size,
    size_t *n_r, bool *done_r)
{
    size_t    n;
    ph_int_t  rc;

    *n_r = 0;
    *done_r = false;
    out->rights_fid = 0;

    while (out->failed == PH_OK) {
        rc = mapi_fx_take(&out->w, buf + *n_r, size - *n_r, &n);
        *n_r += n;

        if (!out->counted) {
            out->done += n;
        }

        if (rc == PH_TOOBIG) {
            return *n_r > 0 ? PH_OK : PH_TOOBIG;
        }

        if (rc != PH_OK) {
            out->failed = rc;
            break;
        }

        if (!mapi_fx_writer_empty(&out->w)) {
            return PH_OK;
        }

        if (out->ended) {
            *done_r = true;
            return PH_OK;
        }

        rc = ex_fx_step(rop, out);
        if (rc != PH_OK) {
            out->failed = rc;
        }
    }

    return out->failed;
}
