/* Restrictions in each form: decode, copy, encode, compare, evaluate. */

#include "mapi/mapi_desc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* every property is there, with a value of the type that is asked for */
static ph_int_t
get(void *data, uint32_t tag, mapi_value_t *v)
{
    static const int64_t   numbers[2] = { 1, -1 };
    static const ph_str_t  strings[2] = { ph_str("b\xC3\xA4r"), ph_str("") };

    (void) data;
    memset(v, 0, sizeof(*v));
    v->tag = tag;
    if (!(tag & PT_MV)) {
        v->u.str = strings[0];
    } else if (MAPI_TYPE(tag) == PT_MV_UNICODE
               || MAPI_TYPE(tag) == PT_MV_BINARY)
    {
        v->u.mv.n = 2;
        v->u.mv.str = strings;
    } else if (MAPI_TYPE(tag) == PT_MV_I8 || MAPI_TYPE(tag) == PT_MV_LONG) {
        v->u.mv.n = 2;
        v->u.mv.i8 = numbers;
    } else {
        return PH_NOTFOUND;
    }
    return MAPI_TYPE(tag) == PT_SRESTRICTION || MAPI_TYPE(tag) == PT_ACTIONS
        ? PH_NOTFOUND : PH_OK;
}

static ph_int_t
sub(void *data, uint32_t tag, const mapi_restriction_t *r, bool *m)
{
    mapi_eval_t  e = { get, NULL, data };

    (void) tag;
    return mapi_restriction_eval(r, &e, m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mapi_eval_t          e = { get, sub, NULL };
    mapi_ctx_t           ctx = { MAPI_FORM_ROP, false, 1252 };
    mapi_restriction_t   r, *copy;
    ph_pool_t           *pool;
    ph_wbuf_t            a, b, text;
    ph_cur_t             cur;
    bool                 m;

    if (size == 0) {
        return 0;
    }
    ctx.form = data[0] % 3;
    pool = ph_pool_create("fuzz", 32u << 20);
    ph_cur_init(&cur, data + 1, size - 1);
    if (mapi_restriction_decode(&cur, pool, &ctx, &r) == PH_OK) {
        if (mapi_restriction_copy(pool, &r, &copy) != PH_OK) {
            abort();
        }
        ph_wbuf_init(&a, pool, 4u << 20);
        ph_wbuf_init(&b, pool, 4u << 20);
        if (mapi_restriction_encode(&a, &ctx, &r) != PH_OK
            || mapi_restriction_encode(&b, &ctx, copy) != PH_OK
            || a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
        {
            abort();
        }
        ph_cur_init(&cur, a.data, a.len);
        if (mapi_restriction_decode(&cur, pool, &ctx, &r) != PH_OK) {
            abort();
        }
        ph_wbuf_init(&text, pool, 4u << 20);
        mapi_restriction_dump(&text, copy);
        (void) mapi_restriction_eval(copy, &e, &m);
    }
    ph_pool_destroy(&pool);
    return 0;
}
