/*
 * FastTransfer streams: what the parser makes of any bytes, in pieces of any
 * size, is always the same; written again and read again it does not change.
 */

#include "mapi/mapi_fx.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define FUZZ_MAX  (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    mapi_fx_writer_t  *w;       /* NULL: only counted */
    uint32_t           elements;
    uint64_t           bytes;
    uint32_t           tag;
    bool               large;
    ph_wbuf_t          value;   /* the large one under way */
    bool               named;
    mapi_propname_t    name;
    ph_pool_t         *pool;
} fuzz_t;


static ph_int_t
fuzz_marker(void *data, uint32_t marker)
{
    fuzz_t  *f = data;

    f->elements++;

    return f->w != NULL ? mapi_fx_put_marker(f->w, marker) : PH_OK;
}


static ph_int_t
fuzz_value(void *data, const mapi_value_t *v, const mapi_propname_t *name)
{
    fuzz_t  *f = data;

    f->elements++;

    if (f->w == NULL) {
        return PH_OK;
    }

    if (MAPI_TYPE(v->tag) == PT_ERROR) {
        f->elements--;
        return PH_OK;
    }

    return mapi_fx_put_value(f->w, v, name);
}


static ph_int_t
fuzz_begin(void *data, uint32_t tag, const mapi_propname_t *name,
    uint16_t cpid, uint32_t size)
{
    fuzz_t  *f = data;

    (void) cpid;
    (void) size;

    if (f->large) {
        abort();
    }

    f->elements++;
    f->large = true;
    f->tag = tag;
    f->named = name != NULL;

    if (name != NULL) {
        f->name = *name;
    }

    ph_wbuf_init(&f->value, f->pool, FUZZ_MAX);

    return PH_OK;
}


static ph_int_t
fuzz_bytes(void *data, ph_str_t bytes)
{
    fuzz_t  *f = data;

    if (!f->large || bytes.len == 0) {
        abort();
    }

    f->bytes += bytes.len;
    ph_put_str(&f->value, bytes);

    return f->value.error ? PH_NOMEM : PH_OK;
}


static ph_int_t
fuzz_end(void *data)
{
    fuzz_t        *f = data;
    mapi_value_t   v;

    if (!f->large) {
        abort();
    }

    f->large = false;

    if (f->w == NULL) {
        return PH_OK;
    }

    /* as bytes: its text need not be one */
    memset(&v, 0, sizeof(v));
    v.tag = MAPI_RETYPE(f->tag, PT_BINARY);
    v.u.bin = ph_wbuf_str(&f->value);

    return mapi_fx_put_value(f->w, &v, f->named ? &f->name : NULL);
}


static const mapi_fx_events_t  fuzz_events = {
    fuzz_marker, fuzz_value, fuzz_begin, fuzz_bytes, fuzz_end
};


static ph_int_t
fuzz_parse(fuzz_t *f, const uint8_t *data, size_t size, size_t piece,
    bool *idle_r)
{
    size_t             at, used;
    ph_int_t           rc;
    mapi_fx_parser_t   p;

    if (mapi_fx_parser_init(&p, &fuzz_events, f, 1252) != PH_OK) {
        return PH_NOMEM;
    }

    rc = PH_OK;

    for (at = 0; rc == PH_OK && at < size; at += piece) {
        ph_str_t  s = { ph_min(piece, size - at), data + at };

        rc = mapi_fx_parse(&p, s, &used);
        if (used > s.len || (rc == PH_OK && used != s.len)) {
            abort();
        }
    }

    *idle_r = mapi_fx_parser_idle(&p);
    mapi_fx_parser_clear(&p);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool               idle, idle2;
    fuzz_t             a, b;
    size_t             n, len, piece, cut;
    uint8_t           *out;
    ph_int_t           rc, rc2;
    mapi_fx_writer_t   w;
    mapi_fx_strings_t  form;

    if (size < 2 || size > 65536) {
        return 0;
    }

    piece = data[0] % 67 + 1;
    cut = 2048 + data[1] * 16u;
    form = data[0] % 3;
    data += 2;
    size -= 2;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    a.pool = b.pool = ph_pool_create("fuzz", 256u << 20);
    if (a.pool == NULL || mapi_fx_writer_init(&w, form, 1252) != PH_OK) {
        abort();
    }

    rc = fuzz_parse(&a, data, size, size, &idle);
    b.w = &w;
    rc2 = fuzz_parse(&b, data, size, piece, &idle2);

    if (a.bytes != b.bytes || (rc == PH_OK) != (rc2 == PH_OK)
        || idle != idle2)
    {
        abort();
    }

    if (rc == PH_OK && idle) {
        /* written again, in pieces, and read */
        out = ph_palloc(a.pool, FUZZ_MAX);
        len = 0;

        while (!mapi_fx_writer_empty(&w)) {
            if (len + cut > FUZZ_MAX
                || mapi_fx_take(&w, out + len, cut, &n) != PH_OK || n == 0)
            {
                abort();
            }

            len += n;
        }

        memset(&a, 0, sizeof(a));
        a.pool = b.pool;
        rc = fuzz_parse(&a, out, len, len != 0 ? len : 1, &idle);

        if (rc != PH_OK || !idle || a.elements != b.elements) {
            abort();
        }
    }

    mapi_fx_writer_clear(&w);
    ph_pool_destroy(&b.pool);

    return 0;
}
