/* Downloads: properties of any object. */

#include "ex_fx_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"


/* ---- access ---- */

static ph_int_t
ex_fx_message_get(store_conn_t *conn, void *object, const mapi_tags_t *tags,
    size_t limit, ph_pool_t *pool, mapi_values_t *values_r)
{
    return store_message_get(conn, object, tags, limit, pool, values_r);
}


static ph_int_t
ex_fx_message_stream(store_conn_t *conn, void *object, uint32_t tag,
    store_stream_t **s_r)
{
    return store_message_stream(conn, object, tag, STORE_STREAM_READ, s_r);
}


const ex_fx_access_t  ex_fx_message_access = {
    ex_fx_message_get, ex_fx_message_stream
};


static ph_int_t
ex_fx_attach_get(store_conn_t *conn, void *object, const mapi_tags_t *tags,
    size_t limit, ph_pool_t *pool, mapi_values_t *values_r)
{
    return store_attach_get(conn, object, tags, limit, pool, values_r);
}


static ph_int_t
ex_fx_attach_stream(store_conn_t *conn, void *object, uint32_t tag,
    store_stream_t **s_r)
{
    return store_attach_stream(conn, object, tag, STORE_STREAM_READ, s_r);
}


const ex_fx_access_t  ex_fx_attach_access = {
    ex_fx_attach_get, ex_fx_attach_stream
};


static ph_int_t
ex_fx_folder_get(store_conn_t *conn, void *object, const mapi_tags_t *tags,
    size_t limit, ph_pool_t *pool, mapi_values_t *values_r)
{
    return store_folder_get(conn, *(uint64_t *) object, tags, limit, pool,
                            values_r);
}


static ph_int_t
ex_fx_folder_stream(store_conn_t *conn, void *object, uint32_t tag,
    store_stream_t **s_r)
{
    return store_folder_stream(conn, *(uint64_t *) object, tag,
                               STORE_STREAM_READ, s_r);
}


const ex_fx_access_t  ex_fx_folder_access = {
    ex_fx_folder_get, ex_fx_folder_stream
};


/* ---- large values ---- */

/*
 * The next piece of a text in the client's code page.  UTF-16 pairs stay
 * together.  An empty piece: the end.
 */
static ph_int_t
ex_fx_convert(ex_fx_out_t *out)
{
    size_t     n, got;
    uint8_t   *raw;
    uint16_t   unit;
    ph_int_t   rc;
    ph_str_t   text;
    ph_wbuf_t  b;

    out->conv = ph_str_null;
    ph_pool_reset(out->conv_pool);

    raw = ph_palloc(out->conv_pool, EX_FX_CHUNK + 2);
    if (raw == NULL) {
        return PH_NOMEM;
    }

    memcpy(raw, out->carry, out->n_carry);
    n = out->n_carry;
    out->n_carry = 0;

    rc = store_stream_read(out->stream, raw + n, EX_FX_CHUNK, &got);
    if (rc != PH_OK) {
        return rc;
    }

    n += got;
    if (got == EX_FX_CHUNK) {
        unit = (uint16_t) (raw[n - 2] | raw[n - 1] << 8);

        if (unit >= 0xD800 && unit < 0xDC00) {
            memcpy(out->carry, raw + n - 2, 2);
            out->n_carry = 2;
            n -= 2;
        }
    }

    text.data = raw;
    text.len = n;
    text = ph_utf16_to_utf8(out->conv_pool, text);
    if (text.data == NULL) {
        return PH_NOMEM;
    }

    ph_wbuf_init(&b, out->conv_pool, 16 * EX_FX_CHUNK);
    mapi_codepage_encode(&b, out->w.cpid, text);
    if (b.error) {
        return PH_NOMEM;
    }

    out->conv = ph_wbuf_str(&b);

    return PH_OK;
}


static ph_int_t
ex_fx_read(void *data, void *buf, size_t len, size_t *got_r)
{
    ph_int_t      rc;
    ex_fx_out_t  *out = data;

    if (!out->narrow) {
        return store_stream_read(out->stream, buf, len, got_r);
    }

    if (out->conv.len == 0) {
        rc = ex_fx_convert(out);
        if (rc != PH_OK) {
            return rc;
        }
    }

    *got_r = ph_min(len, out->conv.len);
    memcpy(buf, out->conv.data, *got_r);
    out->conv.data += *got_r;
    out->conv.len -= *got_r;

    return PH_OK;
}


/* The length field comes first: a text is converted once to be measured. */
static ph_int_t
ex_fx_measure(ex_fx_out_t *out, uint64_t *size_r)
{
    ph_int_t  rc;
    uint64_t  at;

    *size_r = 0;
    out->n_carry = 0;

    if (out->conv_pool == NULL) {
        out->conv_pool = ph_pool_create("fast transfer text", 0);
        if (out->conv_pool == NULL) {
            return PH_NOMEM;
        }
    }

    do {
        rc = ex_fx_convert(out);
        if (rc != PH_OK) {
            return rc;
        }

        *size_r += out->conv.len;
    } while (out->conv.len > 0);

    out->n_carry = 0;

    return store_stream_seek(out->stream, 0, 0, &at);
}


static ph_int_t
ex_fx_put_stream(ex_rop_t *rop, ex_fx_out_t *out,
    const ex_fx_access_t *access, void *object, uint32_t tag,
    const mapi_propname_t *name)
{
    uint64_t  size;
    ph_int_t  rc;

    if (out->stream != NULL) {
        store_stream_close(&out->stream);
    }

    rc = access->stream(rop->conn, object, tag, &out->stream);
    if (rc != PH_OK) {
        return rc;
    }

    size = store_stream_size(out->stream);
    out->narrow = MAPI_TYPE(tag) == PT_UNICODE
                  && mapi_fx_string_type(&out->w) == PT_STRING8;

    if (out->narrow) {
        tag = MAPI_RETYPE(tag, PT_STRING8);
        rc = ex_fx_measure(out, &size);
    }

    return rc == PH_OK ? mapi_fx_put_large(&out->w, tag, name, size,
                                           ex_fx_read, out) : rc;
}


/* ---- lists ---- */

bool
ex_fx_internal(uint32_t tag)
{
    return MAPI_ID(tag) >= 0x6600 && MAPI_ID(tag) <= 0x67FF;
}


bool
ex_fx_listed(const mapi_tags_t *tags, uint32_t tag)
{
    uint32_t  i;

    for (i = 0; i < tags->n; i++) {
        if (MAPI_ID(tags->tag[i]) == MAPI_ID(tag)) {
            return true;
        }
    }

    return false;
}


bool
ex_fx_wants(const ex_fx_what_t *what, uint32_t tag)
{
    if (what->flags & EX_FX_ONE_LEVEL) {
        return false;
    }

    return ex_fx_listed(&what->tags, tag) == ((what->flags & EX_FX_ONLY) != 0);
}


ph_int_t
ex_fx_what_copy(ph_pool_t *pool, const ex_fx_what_t *what,
    ex_fx_what_t *copy_r)
{
    uint32_t  *tag;

    copy_r->flags = what->flags;
    copy_r->tags.n = what->tags.n;

    tag = ph_pcalloc_array(pool, what->tags.n, sizeof(uint32_t));
    if (tag == NULL) {
        return PH_NOMEM;
    }

    if (what->tags.n > 0) {
        memcpy(tag, what->tags.tag, what->tags.n * sizeof(uint32_t));
    }

    copy_r->tags.tag = tag;

    return PH_OK;
}


ph_int_t
ex_fx_props_make(ph_pool_t *pool, const mapi_tags_t *tags,
    const ex_fx_what_t *what, bool (*skip)(uint32_t tag, uint32_t flags),
    ex_fx_props_t *props_r)
{
    bool                only = (what->flags & EX_FX_ONLY) != 0;
    uint32_t            i, tag;
    const mapi_tags_t  *from = only ? &what->tags : tags;

    memset(props_r, 0, sizeof(*props_r));

    props_r->tag = ph_pcalloc_array(pool, from->n, sizeof(uint32_t));
    if (props_r->tag == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < from->n; i++) {
        tag = from->tag[i];

        if (ex_fx_internal(tag)
            || (!only && (ex_fx_listed(&what->tags, tag)
                          || skip(tag, what->flags))))
        {
            continue;
        }

        switch (MAPI_TYPE(tag)) {
        case PT_ERROR:
        case PT_NULL:
        case PT_SVREID:
        case PT_SRESTRICTION:
        case PT_ACTIONS:
            continue;
        case PT_STRING8:
            tag = MAPI_RETYPE(tag, PT_UNICODE);
            break;
        case PT_MV_STRING8:
            tag = MAPI_RETYPE(tag, PT_MV_UNICODE);
            break;
        default:
            break;
        }

        props_r->tag[props_r->n++] = tag;
    }

    return PH_OK;
}


/* names of the named ones among them; kind 0xFF for the others */
static ph_int_t
ex_fx_names(ex_rop_t *rop, ex_fx_out_t *out, const mapi_tags_t *tags,
    mapi_propname_t **names_r)
{
    bool       any;
    uint32_t   i;
    uint16_t  *ids;

    *names_r = NULL;
    any = false;

    ids = ph_pcalloc_array(out->scratch, tags->n, sizeof(uint16_t));
    if (ids == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < tags->n; i++) {
        ids[i] = MAPI_ID(tags->tag[i]);
        any = any || ids[i] >= 0x8000;
    }

    if (!any) {
        return PH_OK;
    }

    *names_r = ph_pcalloc_array(out->scratch, tags->n,
                                sizeof(mapi_propname_t));
    if (*names_r == NULL) {
        return PH_NOMEM;
    }

    return store_named_names(rop->conn, tags->n, ids, out->scratch, *names_r);
}


/* One that is too large to be held; *stop_r: nothing may follow it yet. */
static ph_int_t
ex_fx_props_large(ex_rop_t *rop, ex_fx_out_t *out,
    const ex_fx_access_t *access, void *object, uint32_t tag,
    const mapi_propname_t *name, bool *stop_r)
{
    ph_int_t       rc;
    mapi_tags_t    one;
    mapi_values_t  v;

    switch (MAPI_TYPE(tag)) {
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
        *stop_r = true;
        return ex_fx_put_stream(rop, out, access, object, tag, name);
    default:
        break;
    }

    one.n = 1;
    one.tag = &tag;

    rc = access->get(rop->conn, object, &one, STORE_NO_LIMIT, out->scratch,
                     &v);
    if (rc != PH_OK || MAPI_TYPE(v.v[0].tag) == PT_ERROR) {
        return rc;
    }

    /* an unspecified type that is a string or binary is asked for again */
    switch (MAPI_TYPE(v.v[0].tag)) {
    case PT_UNICODE:
    case PT_STRING8:
        tag = MAPI_RETYPE(tag, PT_UNICODE);
        break;
    case PT_BINARY:
        tag = v.v[0].tag;
        break;
    default:
        return mapi_fx_put_value(&out->w, &v.v[0], name);
    }

    *stop_r = true;

    return ex_fx_put_stream(rop, out, access, object, tag, name);
}


ph_int_t
ex_fx_props_step(ex_rop_t *rop, ex_fx_out_t *out,
    const ex_fx_access_t *access, void *object, ex_fx_props_t *props)
{
    bool               stop;
    uint32_t           i;
    ph_int_t           rc;
    mapi_tags_t        tags;
    mapi_values_t      v;
    mapi_propname_t   *names, *name;

    if (props->next == props->n) {
        return PH_DONE;
    }

    tags.n = ph_min(props->n - props->next, (uint32_t) EX_FX_BATCH);
    tags.tag = props->tag + props->next;

    rc = access->get(rop->conn, object, &tags, EX_FX_INLINE, out->scratch, &v);
    if (rc == PH_OK) {
        rc = ex_fx_names(rop, out, &tags, &names);
    }

    stop = false;

    for (i = 0; rc == PH_OK && i < tags.n && !stop; i++) {
        props->next++;
        name = names != NULL ? &names[i] : NULL;

        if (MAPI_ID(tags.tag[i]) >= 0x8000
            && (name == NULL || name->kind > 1))
        {
            continue;
        }

        if (MAPI_TYPE(v.v[i].tag) == PT_ERROR) {
            if (v.v[i].u.err == STORE_EC_OOM) {
                rc = ex_fx_props_large(rop, out, access, object, tags.tag[i],
                                       name, &stop);
            }
            continue;
        }

        if (MAPI_TYPE(v.v[i].tag) == PT_SVREID
            || MAPI_TYPE(v.v[i].tag) == PT_NULL)
        {
            continue;
        }

        rc = mapi_fx_put_value(&out->w, &v.v[i], name);
    }

    return rc;
}
