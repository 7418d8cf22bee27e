/* Property values: size, copy, comparison. */

#include "store_int.h"
#include "lib/ph_str.h"

bool
store_type_valid(uint16_t type)
{
    switch (type & ~PT_MVI) {
    case PT_UNSPECIFIED: case PT_NULL: case PT_I2: case PT_LONG: case PT_R4:
    case PT_DOUBLE: case PT_CURRENCY: case PT_APPTIME: case PT_ERROR:
    case PT_BOOLEAN: case PT_OBJECT: case PT_I8: case PT_STRING8:
    case PT_UNICODE: case PT_SYSTIME: case PT_CLSID: case PT_SVREID:
    case PT_SRESTRICTION: case PT_ACTIONS: case PT_BINARY: case PT_MV_I2:
    case PT_MV_LONG: case PT_MV_R4: case PT_MV_DOUBLE: case PT_MV_CURRENCY:
    case PT_MV_APPTIME: case PT_MV_I8: case PT_MV_STRING8:
    case PT_MV_UNICODE: case PT_MV_SYSTIME: case PT_MV_CLSID:
    case PT_MV_BINARY:
        return true;
    default:
        return false;
    }
}

bool
store_type_same(uint16_t asked, uint16_t have)
{
    if (asked == have || asked == PT_UNSPECIFIED) {
        return true;
    }
    if (store_is_string(asked) && store_is_string(have)) {
        return true;
    }
    if ((asked == PT_MV_STRING8 || asked == PT_MV_UNICODE)
        && (have == PT_MV_STRING8 || have == PT_MV_UNICODE))
    {
        return true;
    }
    /* data of an attachment is asked for in both ways */
    if ((asked == PT_BINARY || asked == PT_OBJECT)
        && (have == PT_BINARY || have == PT_OBJECT))
    {
        return true;
    }

    return false;
}

uint64_t
store_value_size(const mapi_value_t *v)
{
    uint64_t  size;
    uint32_t  i;

    switch (MAPI_TYPE(v->tag)) {
    case PT_BOOLEAN:
        return 1;
    case PT_I2:
        return 2;
    case PT_LONG:
    case PT_R4:
    case PT_ERROR:
        return 4;
    case PT_DOUBLE:
    case PT_APPTIME:
    case PT_CURRENCY:
    case PT_I8:
    case PT_SYSTIME:
        return 8;
    case PT_CLSID:
        return 16;
    case PT_STRING8:
    case PT_UNICODE:
        return v->u.str.len + 1;
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        return v->u.bin.len;
    case PT_MV_I2:
        return (uint64_t) v->u.mv.n * 2;
    case PT_MV_LONG:
    case PT_MV_R4:
        return (uint64_t) v->u.mv.n * 4;
    case PT_MV_DOUBLE:
    case PT_MV_APPTIME:
    case PT_MV_CURRENCY:
    case PT_MV_I8:
    case PT_MV_SYSTIME:
        return (uint64_t) v->u.mv.n * 8;
    case PT_MV_CLSID:
        return (uint64_t) v->u.mv.n * 16;
    case PT_MV_STRING8:
    case PT_MV_UNICODE:
    case PT_MV_BINARY:
        size = 0;
        for (i = 0; i < v->u.mv.n; i++) {
            size += v->u.mv.bin[i].len
                    + (MAPI_TYPE(v->tag) == PT_MV_BINARY ? 0 : 1);
        }
        return size;
    default:
        return 0;
    }
}

void
store_value_absent(mapi_value_t *v, uint32_t tag, uint32_t code)
{
    memset(v, 0, sizeof(*v));
    v->tag = MAPI_RETYPE(tag, PT_ERROR);
    v->u.err = code;
}

ph_int_t
store_value_copy(ph_pool_t *pool, const mapi_value_t *v, mapi_value_t *copy_r)
{
    uint32_t   i;
    uint64_t   size;
    void      *mem;
    ph_str_t  *str;

    *copy_r = *v;

    switch (MAPI_TYPE(v->tag)) {
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        copy_r->u.bin = ph_pstrdup(pool, v->u.bin);
        return copy_r->u.bin.data ? PH_OK : PH_NOMEM;

    case PT_MV_STRING8:
    case PT_MV_UNICODE:
    case PT_MV_BINARY:
        str = ph_pcalloc_array(pool, v->u.mv.n, sizeof(*str));
        if (str == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < v->u.mv.n; i++) {
            str[i] = ph_pstrdup(pool, v->u.mv.bin[i]);
            if (str[i].data == NULL) {
                return PH_NOMEM;
            }
        }
        copy_r->u.mv.bin = str;
        return PH_OK;

    case PT_SRESTRICTION:
    case PT_ACTIONS:
        return PH_INVALID;

    default:
        if ((MAPI_TYPE(v->tag) & PT_MV) == 0) {
            return PH_OK;
        }
        size = store_value_size(v);
        mem = ph_palloc(pool, size);
        if (mem == NULL) {
            return PH_NOMEM;
        }
        if (size) {
            memcpy(mem, v->u.mv.i2, size);
        }
        copy_r->u.mv.i2 = mem;
        return PH_OK;
    }
}

#define store_cmp3(a, b)  (((a) > (b)) - ((a) < (b)))

int
store_value_cmp(const mapi_value_t *a, const mapi_value_t *b)
{
    size_t  n;
    int     c;

    switch (MAPI_TYPE(a->tag)) {
    case PT_I2:
        return store_cmp3(a->u.i2, b->u.i2);
    case PT_LONG:
        return store_cmp3(a->u.i4, b->u.i4);
    case PT_R4:
        return store_cmp3(a->u.r4, b->u.r4);
    case PT_DOUBLE:
    case PT_APPTIME:
        return store_cmp3(a->u.r8, b->u.r8);
    case PT_BOOLEAN:
        return store_cmp3(a->u.b, b->u.b);
    case PT_CURRENCY:
    case PT_I8:
        return store_cmp3(a->u.i8, b->u.i8);
    case PT_SYSTIME:
        return store_cmp3(a->u.time, b->u.time);
    case PT_CLSID:
        return memcmp(a->u.guid.b, b->u.guid.b, 16);
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_SVREID:
    case PT_OBJECT:
        n = ph_min(a->u.bin.len, b->u.bin.len);
        c = n ? memcmp(a->u.bin.data, b->u.bin.data, n) : 0;
        return c ? c : store_cmp3(a->u.bin.len, b->u.bin.len);
    default:
        return 0;
    }
}

ph_int_t
store_problem(ph_pool_t *pool, store_problems_t *p, uint32_t index,
    uint32_t tag, uint32_t code)
{
    store_problem_t  *v;

    if (p == NULL) {
        return PH_OK;
    }

    v = ph_prealloc(pool, p->v, p->n * sizeof(*v), (p->n + 1u) * sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }
    p->v = v;
    v[p->n].index = (uint16_t) index;
    v[p->n].tag = tag;
    v[p->n].code = code;
    p->n++;

    return PH_OK;
}
