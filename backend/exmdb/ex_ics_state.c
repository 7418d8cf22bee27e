/* The state of a synchronization: its upload, its sets, its end. */

#include "ex_ics.h"


void
ex_ics_state_free(ex_ics_state_t *s)
{
    mapi_idset_free(&s->given);
    mapi_idset_free(&s->seen);
    mapi_idset_free(&s->fai);
    mapi_idset_free(&s->read);
}


ph_int_t
ex_ics_state_copy(ex_ics_state_t *to, const ex_ics_state_t *from)
{
    ph_int_t  rc;

    rc = mapi_idset_copy(&to->given, &from->given);
    if (rc == PH_OK) {
        rc = mapi_idset_copy(&to->seen, &from->seen);
    }
    if (rc == PH_OK) {
        rc = mapi_idset_copy(&to->fai, &from->fai);
    }
    if (rc == PH_OK) {
        rc = mapi_idset_copy(&to->read, &from->read);
    }
    if (rc != PH_OK) {
        ex_ics_state_free(to);
    }

    return rc;
}


/* ---- upload ---- */

static mapi_idset_t *
ex_ics_property(ex_ics_t *ics, uint32_t tag)
{
    switch (tag) {
    case MetaTagIdsetGiven:
    case MAPI_RETYPE(MetaTagIdsetGiven, PT_BINARY):
        return &ics->state.given;
    case MetaTagCnsetSeen:
        return &ics->state.seen;
    case MetaTagCnsetSeenFAI:
        return &ics->state.fai;
    case MetaTagCnsetRead:
        return &ics->state.read;
    default:
        return NULL;
    }
}


static uint64_t
ex_ics_weight(const ex_ics_t *ics)
{
    return sizeof(mapi_range_t) * (mapi_idset_ranges(&ics->state.given)
                                   + mapi_idset_ranges(&ics->state.seen)
                                   + mapi_idset_ranges(&ics->state.fai)
                                   + mapi_idset_ranges(&ics->state.read));
}


static void
ex_ics_stream_drop(ex_ics_t *ics)
{
    ics->tag = 0;
    if (ics->pool != NULL) {
        ph_pool_destroy(&ics->pool);
    }
}


void
ex_ics_close(ex_session_t *session, ex_ics_t *ics)
{
    ex_ics_stream_drop(ics);
    ex_ics_state_free(&ics->state);
    session->ics_bytes -= ics->charged;
    ics->charged = 0;
}


uint32_t
ex_ics_upload_begin(ex_ics_t *ics, uint32_t tag)
{
    if (ex_ics_property(ics, tag) == NULL) {
        return ecInvalidParam;
    }

    if (ics->tag != 0) {
        return ecError;
    }

    ics->pool = ph_pool_create("sync state", EX_ICS_STATE_BYTES * 4);
    if (ics->pool == NULL) {
        return ecServerOOM;
    }

    ph_wbuf_init(&ics->stream, ics->pool, EX_ICS_STATE_BYTES);
    ics->tag = tag;

    return 0;
}


uint32_t
ex_ics_upload_more(ex_ics_t *ics, ph_str_t bytes)
{
    if (ics->tag == 0) {
        return ecError;
    }

    ph_put_str(&ics->stream, bytes);
    if (ics->stream.error) {
        ex_ics_stream_drop(ics);
        return ecTooBig;
    }

    return 0;
}


uint32_t
ex_ics_upload_end(ex_rop_t *rop, ex_ics_t *ics)
{
    uint64_t       now, rest;
    ph_int_t       rc;
    mapi_idset_t  *set;

    if (ics->tag == 0) {
        return ecError;
    }

    set = ex_ics_property(ics, ics->tag);
    rc = mapi_idset_read(ph_wbuf_str(&ics->stream), MAPI_IDSET_GUID, set);
    ex_ics_stream_drop(ics);

    rest = rop->session->ics_bytes - ics->charged;
    now = ex_ics_weight(ics);
    if (rc == PH_OK && rest + now > EX_ICS_SESSION_BYTES) {
        mapi_idset_free(set);
        now = ex_ics_weight(ics);
        rc = PH_TOOBIG;
    }

    ics->charged = now;
    rop->session->ics_bytes = rest + now;

    return rc == PH_INVALID ? ecInvalidParam : ex_ec(rop, rc);
}


/* ---- sets ---- */

const mapi_globset_t *
ex_ics_own(ex_rop_t *rop, mapi_idset_t *s)
{
    const mapi_globset_t         *own;
    static const mapi_globset_t   none;

    own = mapi_idset_guid(s, &store_info(store_conn_store(rop->conn))->guid,
                          false);

    return own != NULL ? own : &none;
}


mapi_globset_t *
ex_ics_own_make(ex_rop_t *rop, mapi_idset_t *s)
{
    return mapi_idset_guid(s, &store_info(store_conn_store(rop->conn))->guid,
                           true);
}


uint64_t
ex_ics_told(const mapi_globset_t *seen)
{
    const mapi_range_t  *r;

    r = mapi_globset_find(seen, 1);

    return r != NULL ? r->hi : 0;
}


ph_int_t
ex_ics_seen(ex_rop_t *rop, mapi_idset_t *s, uint64_t upto,
    const mapi_globset_t *without, bool told)
{
    ph_int_t         rc;
    mapi_globset_t  *own;

    own = ex_ics_own_make(rop, s);
    if (own == NULL) {
        return PH_NOMEM;
    }

    rc = mapi_globset_add(own, 1, ph_max(upto, (uint64_t) 2));
    if (rc == PH_OK && without != NULL) {
        rc = mapi_globset_subtract(own, without);
    }
    if (rc == PH_OK && !told) {
        rc = mapi_globset_remove(own, 1, 1);
    }

    return rc;
}


/* ---- elements ---- */

ph_int_t
ex_ics_put_set(ex_rop_t *rop, ex_fx_out_t *out, uint32_t tag,
    const mapi_idset_t *s, mapi_idset_form_t form)
{
    ph_int_t    rc;
    ph_pool_t  *pool;
    ph_wbuf_t   b;

    (void) rop;

    pool = ph_pool_create("sync set", EX_ICS_STATE_BYTES * 8);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    ph_wbuf_init(&b, pool, EX_ICS_STATE_BYTES * 2);
    mapi_idset_put(&b, s, form);
    rc = b.error ? PH_TOOBIG : ex_fx_put_blob(out, tag, ph_wbuf_str(&b));
    ph_pool_destroy(&pool);

    return rc;
}


ph_int_t
ex_ics_put_ids(ex_rop_t *rop, ex_fx_out_t *out, uint32_t tag,
    const mapi_globset_t *ids)
{
    mapi_idset_t       s;
    mapi_idset_part_t  part;

    if (ids->n == 0) {
        return PH_OK;
    }

    memset(&part, 0, sizeof(part));
    part.replid = 1;
    part.set = *ids;
    s.n = 1;
    s.part = &part;

    return ex_ics_put_set(rop, out, tag, &s, MAPI_IDSET_REPLID);
}


ph_int_t
ex_ics_put_state(ex_rop_t *rop, ex_fx_out_t *out, const ex_ics_state_t *s,
    bool contents, bool given)
{
    ph_int_t  rc;

    rc = ex_fx_put_marker(out, INCRSYNCSTATEBEGIN);
    if (rc == PH_OK) {
        rc = ex_ics_put_set(rop, out, MetaTagCnsetSeen, &s->seen,
                            MAPI_IDSET_GUID);
    }
    if (rc == PH_OK && contents) {
        rc = ex_ics_put_set(rop, out, MetaTagCnsetSeenFAI, &s->fai,
                            MAPI_IDSET_GUID);
    }
    if (rc == PH_OK && given) {
        rc = ex_ics_put_set(rop, out, MetaTagIdsetGiven, &s->given,
                            MAPI_IDSET_GUID);
    }
    if (rc == PH_OK && contents) {
        rc = ex_ics_put_set(rop, out, MetaTagCnsetRead, &s->read,
                            MAPI_IDSET_GUID);
    }

    return rc == PH_OK ? ex_fx_put_marker(out, INCRSYNCSTATEEND) : rc;
}
