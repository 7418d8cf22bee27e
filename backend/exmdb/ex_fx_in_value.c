/* Uploads: property values, small and large. */

#include "ex_fx_in_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

#include <stdlib.h>


/* ---- names ---- */

static ph_int_t
ex_fx_in_name_id(ex_fx_in_t *in, const mapi_propname_t *name, uint16_t *id_r)
{
    uint32_t        i;
    ph_int_t        rc;
    ex_fx_known_t  *k;

    for (i = 0; i < in->n_names; i++) {
        if (mapi_propname_eq(&in->names[i].name, name)) {
            *id_r = in->names[i].id;
            return PH_OK;
        }
    }

    in->writing = true;
    rc = store_named_ids(in->rop->conn, true, 1, name, id_r);
    if (rc != PH_OK) {
        return rc;
    }

    in->writing = false;

    if (in->n_names == EX_FX_IN_NAMES) {
        return PH_OK;
    }

    if (in->names_pool == NULL) {
        in->names_pool = ph_pool_create("fast transfer names", 0);
        in->names = in->names_pool == NULL ? NULL
                    : ph_pcalloc_array(in->names_pool, EX_FX_IN_NAMES,
                                       sizeof(ex_fx_known_t));
        if (in->names == NULL) {
            return PH_NOMEM;
        }
    }

    k = &in->names[in->n_names];
    k->name = *name;
    k->id = *id_r;

    if (name->kind == 1) {
        k->name.name = ph_pstrdup(in->names_pool, name->name);
        if (k->name.name.data == NULL) {
            return PH_NOMEM;
        }
    }

    in->n_names++;

    return PH_OK;
}


ph_int_t
ex_fx_in_tag(ex_fx_in_t *in, uint32_t tag, const mapi_propname_t *name,
    uint32_t *tag_r)
{
    uint16_t  id;
    ph_int_t  rc;

    *tag_r = 0;

    if (ex_fx_internal(tag)) {
        return PH_OK;
    }

    switch (MAPI_TYPE(tag)) {
    case PT_ERROR:
    case PT_NULL:
    case PT_SVREID:
        return PH_OK;
    default:
        break;
    }

    if (name == NULL) {
        *tag_r = tag;
        return PH_OK;
    }

    id = 0;
    rc = ex_fx_in_name_id(in, name, &id);
    if (rc != PH_OK) {
        return rc;
    }

    *tag_r = id != 0 ? MAPI_TAG(id, MAPI_TYPE(tag)) : 0;

    return PH_OK;
}


/* ---- values that wait ---- */

void
ex_fx_in_forget(ex_fx_target_t *t)
{
    t->n = 0;
    t->cap = 0;
    t->bytes = 0;
    t->v = NULL;

    if (t->pool != NULL) {
        ph_pool_reset(t->pool);
    }
}


const mapi_value_t *
ex_fx_in_find(const ex_fx_target_t *t, uint32_t tag)
{
    mapi_values_t  all;

    all.n = t->n;
    all.v = t->v;

    return mapi_find(&all, tag);
}


/* A computed or refused one is no error: it is what the store says it is. */
ph_int_t
ex_fx_in_flush(ex_fx_in_t *in, ex_fx_target_t *t)
{
    uint32_t           i, n;
    ph_int_t           rc;
    mapi_values_t      values;
    store_problems_t   problems;

    if (t->n == 0 || t->kind == EX_FX_T_RECIPIENT
        || (t->kind == EX_FX_T_FOLDER && !t->made))
    {
        return PH_OK;
    }

    values.n = t->n;
    values.v = t->v;

    switch ((ex_fx_target_kind_t) t->kind) {

    case EX_FX_T_MESSAGE:
    case EX_FX_T_EMBEDDED:
        rc = store_message_set(t->msg, &values, in->scratch, &problems);
        break;

    case EX_FX_T_ATTACHMENT:
        rc = store_attach_set(t->att, &values, in->scratch, &problems);
        break;

    default:
        /* a folder keeps its name when another's content is copied into it;
         * streams have a comment also for those without */
        n = 0;
        for (i = 0; i < t->n; i++) {
            if (MAPI_ID(t->v[i].tag) == MAPI_ID(PR_DISPLAY_NAME)
                || (t->ours && t->v[i].tag == PR_COMMENT
                    && t->v[i].u.str.len == 0))
            {
                continue;
            }

            t->v[n++] = t->v[i];
        }

        values.n = n;
        rc = PH_OK;

        if (!t->ours && !(ex_rop_rights(in->rop, t->fid) & STORE_RIGHT_OWNER)) {
            rc = PH_DENIED;

        } else if (n > 0) {
            in->writing = true;
            rc = store_folder_set(in->rop->conn, t->fid, &values, true,
                                  in->scratch, &problems);
            in->writing = rc != PH_OK;
        }
        break;
    }

    ex_fx_in_forget(t);

    return rc;
}


ph_int_t
ex_fx_in_keep(ex_fx_in_t *in, const mapi_value_t *v)
{
    size_t           size;
    uint32_t         cap;
    ph_int_t         rc;
    mapi_value_t    *more;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    size = mapi_value_size(v) + sizeof(mapi_value_t);

    if (t->n >= EX_FX_IN_VALUES || t->bytes + size > EX_FX_IN_BYTES) {
        rc = ex_fx_in_flush(in, t);
        if (rc != PH_OK) {
            return rc;
        }
    }

    /* what cannot be set yet waits in memory, which has an end */
    if (t->n >= MAPI_MAX_TAGS || t->bytes + size > 4 * EX_FX_IN_MEMORY
        || (t->n > 0 && t->bytes + size > EX_FX_IN_MEMORY))
    {
        return PH_TOOBIG;
    }

    if (t->pool == NULL) {
        t->pool = ph_pool_create("fast transfer values", EX_FX_POOL);
        if (t->pool == NULL) {
            return PH_NOMEM;
        }
    }

    if (t->n == t->cap) {
        cap = t->cap != 0 ? t->cap * 2 : 32;
        more = ph_prealloc(t->pool, t->v, t->cap * sizeof(mapi_value_t),
                           cap * sizeof(mapi_value_t));
        if (more == NULL) {
            return PH_NOMEM;
        }

        t->v = more;
        t->cap = cap;
    }

    rc = mapi_value_copy(t->pool, v, &t->v[t->n]);
    if (rc == PH_OK) {
        t->n++;
        t->bytes += size;
    }

    return rc;
}


/* ---- large values ---- */

void
ex_fx_in_sink_close(ex_fx_in_t *in)
{
    if (in->stream != NULL) {
        store_stream_close(&in->stream);
    }

    free(in->mem);
    in->mem = NULL;
    in->mem_len = 0;
    in->mem_cap = 0;
    in->sink = EX_FX_SINK_NONE;
}


static ph_int_t
ex_fx_in_open(ex_fx_in_t *in, ex_fx_target_t *t, uint32_t tag)
{
    store_conn_t  *conn = in->rop->conn;

    switch ((ex_fx_target_kind_t) t->kind) {
    case EX_FX_T_MESSAGE:
    case EX_FX_T_EMBEDDED:
        return store_message_stream(conn, t->msg, tag, STORE_STREAM_CREATE,
                                    &in->stream);
    case EX_FX_T_ATTACHMENT:
        return store_attach_stream(conn, t->att, tag, STORE_STREAM_CREATE,
                                   &in->stream);
    case EX_FX_T_FOLDER:
        if (!t->ours && !(ex_rop_rights(in->rop, t->fid) & STORE_RIGHT_OWNER)) {
            return PH_DENIED;
        }
        return store_folder_stream(conn, t->fid, tag, STORE_STREAM_CREATE,
                                   &in->stream);
    default:
        return PH_INVALID;
    }
}


/*
 * Bodies, binaries and very long texts go to a stream: the store keeps them on
 * disk.  Other texts are set as values, so that those with a meaning (as a
 * subject) keep it.
 */
static bool
ex_fx_in_streamed(const ex_fx_target_t *t, uint32_t tag, uint32_t size)
{
    if (t->kind == EX_FX_T_RECIPIENT
        || (t->kind == EX_FX_T_FOLDER && !t->made))
    {
        return false;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_BODY):
    case MAPI_ID(PR_HTML):
        return true;
    default:
        return MAPI_TYPE(tag) != PT_UNICODE || size > EX_FX_IN_MEMORY;
    }
}


ph_int_t
ex_fx_in_begin(void *data, uint32_t tag, const mapi_propname_t *name,
    uint16_t cpid, uint32_t size)
{
    ph_int_t         rc;
    ex_fx_in_t      *in = data;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    in->cpid = cpid;
    in->sink = EX_FX_SINK_DROP;

    if (in->error_info) {
        in->error_info = false;
        return PH_OK;
    }

    if (t->kind == EX_FX_T_FOLDER && t->root
        && in->operation >= EX_FX_COPY_MESSAGES)
    {
        return MAPI_ID(tag) == MAPI_ID(MetaTagDnPrefix)
               || MAPI_ID(tag) == MAPI_ID(MetaTagNewFXFolder)
               ? PH_OK : PH_INVALID;
    }

    if (MAPI_ID(tag) == MAPI_ID(MetaTagDnPrefix)
        || MAPI_ID(tag) == MAPI_ID(MetaTagNewFXFolder))
    {
        return PH_OK;
    }

    rc = ex_fx_in_tag(in, tag, name, &in->tag);
    if (rc != PH_OK || in->tag == 0) {
        return rc;
    }

    if (MAPI_TYPE(in->tag) == PT_STRING8) {
        in->tag = MAPI_RETYPE(in->tag, PT_UNICODE);
    }

    if (!ex_fx_in_streamed(t, in->tag, size)) {
        in->sink = EX_FX_SINK_MEMORY;
        return size > EX_FX_IN_MEMORY ? PH_TOOBIG : PH_OK;
    }

    /* what waits was sent before, and comes before */
    rc = ex_fx_in_flush(in, t);
    if (rc == PH_OK) {
        rc = ex_fx_in_open(in, t, in->tag);

        if (rc == PH_DENIED && t->kind != EX_FX_T_FOLDER) {
            return PH_OK;
        }
    }

    if (rc == PH_OK) {
        in->sink = EX_FX_SINK_STREAM;
    }

    return rc;
}


static ph_int_t
ex_fx_in_memory(ex_fx_in_t *in, ph_str_t s)
{
    size_t    cap;
    uint8_t  *mem;

    if (s.len > in->mem_cap - in->mem_len) {
        cap = ph_max(2 * in->mem_cap, in->mem_len + s.len);
        cap = ph_max(cap, (size_t) EX_FX_CHUNK);
        mem = ph_realloc(in->mem, cap);
        if (mem == NULL) {
            return PH_NOMEM;
        }

        in->mem = mem;
        in->mem_cap = cap;
    }

    memcpy(in->mem + in->mem_len, s.data, s.len);
    in->mem_len += s.len;

    return PH_OK;
}


/*
 * Where a text in a code page can be cut: behind a byte below '0', which is
 * never the second byte of a character in the code pages that have such.
 */
static size_t
ex_fx_in_cut(const ex_fx_in_t *in)
{
    size_t  n;

    for (n = in->mem_len; n > 0; n--) {
        if (in->mem[n - 1] < 0x30) {
            return n;
        }
    }

    if (in->cpid == MAPI_CP_UTF8) {
        n = ph_utf8_cut((ph_str_t) { in->mem_len, in->mem }, in->mem_len - 4);
    }

    return n > 0 ? n : in->mem_len;
}


/* Text in a code page to the stream, which takes UTF-16. */
static ph_int_t
ex_fx_in_narrow(ex_fx_in_t *in, size_t n)
{
    ph_int_t  rc;
    ph_str_t  text;

    text.data = in->mem;
    text.len = n;

    rc = mapi_codepage_decode(in->scratch, in->cpid, text, &text);
    if (rc != PH_OK) {
        return rc;
    }

    text = ph_utf8_scrub(in->scratch, text);
    if (text.data != NULL) {
        text = ph_utf8_to_utf16(in->scratch, text);
    }

    if (text.data == NULL) {
        return PH_NOMEM;
    }

    rc = store_stream_write(in->stream, text.data, text.len);
    if (rc == PH_OK) {
        in->mem_len -= n;
        memmove(in->mem, in->mem + n, in->mem_len);
        ph_pool_reset(in->scratch);
    }

    return rc;
}


ph_int_t
ex_fx_in_bytes(void *data, ph_str_t bytes)
{
    ph_int_t     rc;
    ex_fx_in_t  *in = data;

    switch ((ex_fx_sink_t) in->sink) {

    case EX_FX_SINK_STREAM:
        if (MAPI_TYPE(in->tag) != PT_UNICODE
            || in->cpid == MAPI_CP_WINUNICODE)
        {
            return store_stream_write(in->stream, bytes.data, bytes.len);
        }

        rc = ex_fx_in_memory(in, bytes);

        return (rc == PH_OK && in->mem_len >= EX_FX_CHUNK)
               ? ex_fx_in_narrow(in, ex_fx_in_cut(in)) : rc;

    case EX_FX_SINK_MEMORY:
        return ex_fx_in_memory(in, bytes);

    default:
        return PH_OK;
    }
}


static ph_int_t
ex_fx_in_end_memory(ex_fx_in_t *in)
{
    ph_int_t      rc;
    ph_str_t      s;
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = in->tag;
    s.data = in->mem != NULL ? in->mem : (const uint8_t *) "";
    s.len = in->mem_len;

    if (MAPI_TYPE(in->tag) != PT_UNICODE) {
        v.u.bin = s;
        return ex_fx_in_keep(in, &v);
    }

    if (in->cpid == MAPI_CP_WINUNICODE) {
        v.u.str = ph_utf16_to_utf8(in->scratch, s);

    } else {
        rc = mapi_codepage_decode(in->scratch, in->cpid, s, &s);
        if (rc != PH_OK) {
            return rc;
        }

        v.u.str = ph_utf8_scrub(in->scratch, s);
    }

    return v.u.str.data != NULL ? ex_fx_in_keep(in, &v) : PH_NOMEM;
}


ph_int_t
ex_fx_in_end(void *data)
{
    ph_int_t     rc;
    ex_fx_in_t  *in = data;

    rc = PH_OK;

    switch ((ex_fx_sink_t) in->sink) {

    case EX_FX_SINK_STREAM:
        if (in->mem_len > 0) {
            rc = ex_fx_in_narrow(in, in->mem_len);
        }

        if (rc == PH_OK) {
            in->writing = ex_fx_in_top(in)->kind == EX_FX_T_FOLDER;
            rc = store_stream_commit(in->rop->conn, in->stream);
            in->writing = in->writing && rc != PH_OK;
        }
        break;

    case EX_FX_SINK_MEMORY:
        rc = ex_fx_in_end_memory(in);
        break;

    default:
        break;
    }

    ex_fx_in_sink_close(in);

    return rc;
}
