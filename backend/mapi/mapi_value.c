#include "mapi/mapi_desc.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_names.h"
#include "mapi/mapi_rule.h"
#include "mapi/mapi_value_int.h"
#include "lib/ph_str.h"

uint16_t
mapi_type_row(uint16_t type)
{
    if ((type & (PT_MV | PT_MVI)) == (PT_MV | PT_MVI)) {
        return type & (uint16_t) ~(PT_MV | PT_MVI);
    }
    return type;
}

/* bytes of a type of fixed size; 0 for the others */
size_t
mapi_type_fixed(uint16_t type)
{
    switch (type) {
    case PT_BOOLEAN:
        return 1;
    case PT_I2:
        return 2;
    case PT_LONG:
    case PT_R4:
    case PT_ERROR:
        return 4;
    case PT_DOUBLE:
    case PT_CURRENCY:
    case PT_APPTIME:
    case PT_I8:
    case PT_SYSTIME:
        return 8;
    case PT_CLSID:
        return 16;
    default:
        return 0;
    }
}

bool
mapi_type_valid(uint16_t type)
{
    switch (type) {
    case PT_NULL:
    case PT_OBJECT:
    case PT_STRING8:
    case PT_UNICODE:
    case PT_SVREID:
    case PT_SRESTRICTION:
    case PT_ACTIONS:
    case PT_BINARY:
    case PT_MV_STRING8:
    case PT_MV_UNICODE:
    case PT_MV_BINARY:
        return true;
    default:
        if (type & PT_MV) {
            type = type & (uint16_t) ~PT_MV;
            return type != PT_BOOLEAN && type != PT_ERROR
                && mapi_type_fixed(type) != 0;
        }
        return mapi_type_fixed(type) != 0;
    }
}

bool
mapi_type_compatible(uint16_t a, uint16_t b)
{
    if (a == b) {
        return true;
    }
    return (a == PT_STRING8 && b == PT_UNICODE)
        || (a == PT_UNICODE && b == PT_STRING8)
        || (a == PT_MV_STRING8 && b == PT_MV_UNICODE)
        || (a == PT_MV_UNICODE && b == PT_MV_STRING8);
}

/* ---- decoder ---- */

void
mapi_fixed_read(ph_cur_t *cur, uint16_t type, mapi_value_t *v)
{
    uint32_t  u32;
    uint64_t  u64;

    switch (type) {
    case PT_BOOLEAN:
        v->u.b = ph_cur_u8(cur) != 0;
        break;
    case PT_I2:
        v->u.i2 = (int16_t) ph_cur_u16(cur);
        break;
    case PT_LONG:
        v->u.i4 = (int32_t) ph_cur_u32(cur);
        break;
    case PT_ERROR:
        v->u.err = ph_cur_u32(cur);
        break;
    case PT_R4:
        u32 = ph_cur_u32(cur);
        memcpy(&v->u.r4, &u32, sizeof(u32));
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        u64 = ph_cur_u64(cur);
        memcpy(&v->u.r8, &u64, sizeof(u64));
        break;
    case PT_I8:
    case PT_CURRENCY:
        v->u.i8 = (int64_t) ph_cur_u64(cur);
        break;
    case PT_SYSTIME:
        v->u.time = ph_cur_u64(cur);
        break;
    case PT_CLSID:
        v->u.guid = mapi_guid_read(cur);
        break;
    default:
        break;
    }
}

/* n elements of a fixed size, as an array in pool */
ph_int_t
mapi_mv_fixed_read(ph_cur_t *cur, ph_pool_t *pool, uint16_t type, uint32_t n,
    mapi_value_t *v)
{
    size_t    size = mapi_type_fixed(type);
    ph_str_t  in;
    void     *to;

    if (!ph_cur_count(cur, n, size)) {
        return PH_INVALID;
    }
    in = ph_cur_bytes(cur, n * size);
    to = ph_pcalloc_array(pool, n, size);
    if (to == NULL) {
        return PH_NOMEM;
    }
    if (in.len != 0) {
        memcpy(to, in.data, in.len);    /* little-endian as we are */
    }
    v->u.mv.n = n;
    v->u.mv.i2 = to;
    return PH_OK;
}

static ph_int_t
mapi_string_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    uint16_t type, ph_str_t *s)
{
    if (type == PT_UNICODE) {
        return mapi_wstr_read(cur, pool, s);
    }
    if (type == PT_STRING8) {
        return mapi_cpstr_read(cur, pool, ctx, s);
    }
    *s = ph_cur_bytes(cur, ctx->form == MAPI_FORM_ROP || type == PT_SVREID
        ? ph_cur_u16(cur) : ph_cur_u32(cur));
    return PH_OK;
}

static bool
mapi_type_is_variable(uint16_t type)
{
    return type == PT_UNICODE || type == PT_STRING8 || type == PT_BINARY;
}

static ph_int_t
mapi_mv_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    uint16_t type, mapi_value_t *v)
{
    uint32_t   n;
    ph_str_t  *s;

    n = ph_cur_u32(cur);
    if (n > MAPI_MAX_MV) {
        return PH_INVALID;
    }
    if (!mapi_type_is_variable(type)) {
        return mapi_mv_fixed_read(cur, pool, type, n, v);
    }
    if (!ph_cur_count(cur, n, 1)) {
        return PH_INVALID;
    }
    s = ph_pcalloc_array(pool, n, sizeof(*s));
    if (s == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (ctx->form == MAPI_FORM_AB && ph_cur_u8(cur) == 0) {
            s[i] = ph_str_lit("");
            continue;
        }
        PH_TRY(mapi_string_read(cur, pool, ctx, type, &s[i]));
    }
    v->u.mv.n = n;
    v->u.mv.str = s;
    return PH_OK;
}

ph_int_t
mapi_value_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    uint16_t type, mapi_value_t *v, bool flat)
{
    mapi_restriction_t  *r;
    mapi_actions_t      *a;

    type = mapi_type_row(type);
    memset(v, 0, sizeof(*v));
    v->tag = type;
    if (!mapi_type_valid(type)) {
        return PH_INVALID;
    }
    if (ctx->form == MAPI_FORM_AB) {
        if (type == PT_OBJECT) {
            v->u.bin = ph_str_lit("");
            return PH_OK;
        }
        if ((mapi_type_is_variable(type) || (type & PT_MV))
            && ph_cur_u8(cur) == 0)
        {
            v->u.mv.n = 0;
            v->u.mv.str = NULL;
            if (!(type & PT_MV)) {
                v->u.str = ph_str_null;
            }
            return PH_OK;
        }
    }
    if (type & PT_MV) {
        return mapi_mv_read(cur, pool, ctx, type & (uint16_t) ~PT_MV, v);
    }
    switch (type) {
    case PT_NULL:
        return PH_OK;
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        return mapi_string_read(cur, pool, ctx, type, &v->u.str);
    case PT_SRESTRICTION:
        if (flat) {
            return PH_INVALID;
        }
        r = ph_pcalloc(pool, sizeof(*r));
        if (r == NULL) {
            return PH_NOMEM;
        }
        v->u.restriction = r;
        return mapi_restriction_decode(cur, pool, ctx, r);
    case PT_ACTIONS:
        if (flat) {
            return PH_INVALID;
        }
        a = ph_pcalloc(pool, sizeof(*a));
        if (a == NULL) {
            return PH_NOMEM;
        }
        v->u.actions = a;
        return mapi_actions_decode(cur, pool, ctx, a);
    default:
        mapi_fixed_read(cur, type, v);
        return PH_OK;
    }
}

ph_int_t
mapi_tagged_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_value_t *v, bool flat)
{
    uint32_t  tag = ph_cur_u32(cur);

    if (cur->error) {
        return PH_INVALID;
    }
    PH_TRY(mapi_value_read(cur, pool, ctx, MAPI_TYPE(tag), v, flat));
    v->tag = tag;
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_value_body_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    uint16_t type, mapi_value_t *v)
{
    PH_TRY(mapi_value_read(cur, pool, ctx, type, v, false));
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_value_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_value_t *v)
{
    return mapi_tagged_read(cur, pool, ctx, v, false);
}

/* ---- encoder ---- */

void
mapi_fixed_write(ph_wbuf_t *b, uint16_t type, const mapi_value_t *v)
{
    uint32_t  u32;
    uint64_t  u64;

    switch (type) {
    case PT_BOOLEAN:
        ph_put_u8(b, v->u.b ? 1 : 0);
        break;
    case PT_I2:
        ph_put_u16(b, (uint16_t) v->u.i2);
        break;
    case PT_LONG:
        ph_put_u32(b, (uint32_t) v->u.i4);
        break;
    case PT_ERROR:
        ph_put_u32(b, v->u.err);
        break;
    case PT_R4:
        memcpy(&u32, &v->u.r4, sizeof(u32));
        ph_put_u32(b, u32);
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        memcpy(&u64, &v->u.r8, sizeof(u64));
        ph_put_u64(b, u64);
        break;
    case PT_I8:
    case PT_CURRENCY:
        ph_put_u64(b, (uint64_t) v->u.i8);
        break;
    case PT_SYSTIME:
        ph_put_u64(b, v->u.time);
        break;
    case PT_CLSID:
        ph_put_bytes(b, v->u.guid.b, sizeof(v->u.guid.b));
        break;
    default:
        break;
    }
}

/* strings end at their first NUL: their wire form cannot say more */
static ph_str_t
mapi_string_cut(ph_str_t s)
{
    const uint8_t  *nul = s.len ? memchr(s.data, 0, s.len) : NULL;

    if (nul != NULL) {
        s.len = (size_t) (nul - s.data);
    }
    return s;
}

static ph_int_t
mapi_string_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, uint16_t type,
    ph_str_t s)
{
    if (type == PT_UNICODE) {
        return mapi_wstr_write(b, mapi_string_cut(s));
    }
    if (type == PT_STRING8) {
        return mapi_cpstr_write(b, ctx, mapi_string_cut(s));
    }
    if (ctx->form == MAPI_FORM_ROP || type == PT_SVREID) {
        if (s.len > UINT16_MAX) {
            return PH_TOOBIG;
        }
        ph_put_u16(b, (uint16_t) s.len);
    } else {
        if (s.len > UINT32_MAX) {
            return PH_TOOBIG;
        }
        ph_put_u32(b, (uint32_t) s.len);
    }
    ph_put_str(b, s);
    return PH_OK;
}

static ph_int_t
mapi_mv_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, uint16_t type,
    const mapi_value_t *v)
{
    if (v->u.mv.n > MAPI_MAX_MV) {
        return PH_TOOBIG;
    }
    ph_put_u32(b, v->u.mv.n);
    if (!mapi_type_is_variable(type)) {
        if (v->u.mv.n != 0) {
            ph_put_bytes(b, v->u.mv.i2, v->u.mv.n * mapi_type_fixed(type));
        }
        return PH_OK;
    }
    for (uint32_t i = 0; i < v->u.mv.n; i++) {
        if (ctx->form == MAPI_FORM_AB) {
            ph_put_u8(b, 0xFF);
        }
        PH_TRY(mapi_string_write(b, ctx, type, v->u.mv.str[i]));
    }
    return PH_OK;
}

ph_int_t
mapi_value_body_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, uint16_t type,
    const mapi_value_t *v)
{
    bool  absent;

    type = mapi_type_row(type);
    if (!mapi_type_valid(type)
        || !mapi_type_compatible(type, mapi_type_row(MAPI_TYPE(v->tag))))
    {
        return PH_INVALID;
    }
    if (ctx->form == MAPI_FORM_AB) {
        if (type == PT_OBJECT) {
            return b->error ? PH_TOOBIG : PH_OK;
        }
        if (mapi_type_is_variable(type) || (type & PT_MV)) {
            absent = (type & PT_MV) ? v->u.mv.n == 0 && v->u.mv.str == NULL
                                    : v->u.str.data == NULL;
            ph_put_u8(b, absent ? 0 : 0xFF);
            if (absent) {
                return b->error ? PH_TOOBIG : PH_OK;
            }
        }
    }
    if (type & PT_MV) {
        PH_TRY(mapi_mv_write(b, ctx, type & (uint16_t) ~PT_MV, v));
        return b->error ? PH_TOOBIG : PH_OK;
    }
    switch (type) {
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        PH_TRY(mapi_string_write(b, ctx, type, v->u.str));
        break;
    case PT_SRESTRICTION:
        if (v->u.restriction == NULL) {
            return PH_INVALID;
        }
        return mapi_restriction_encode(b, ctx, v->u.restriction);
    case PT_ACTIONS:
        if (v->u.actions == NULL) {
            return PH_INVALID;
        }
        return mapi_actions_encode(b, ctx, v->u.actions);
    default:
        mapi_fixed_write(b, type, v);
        break;
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

ph_int_t
mapi_value_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, const mapi_value_t *v)
{
    ph_put_u32(b, v->tag);
    return mapi_value_body_encode(b, ctx, MAPI_TYPE(v->tag), v);
}

/* ---- dump ---- */

static void
mapi_element_dump(ph_wbuf_t *out, uint16_t type, const mapi_value_t *v)
{
    switch (type) {
    case PT_NULL:
        ph_put_fmt(out, "null");
        break;
    case PT_I2:
        ph_put_fmt(out, "%d", v->u.i2);
        break;
    case PT_LONG:
        ph_put_fmt(out, "%" PRId32, v->u.i4);
        break;
    case PT_R4:
        ph_put_fmt(out, "%.9g", (double) v->u.r4);
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        ph_put_fmt(out, "%.17g", v->u.r8);
        break;
    case PT_I8:
    case PT_CURRENCY:
        ph_put_fmt(out, "%" PRId64, v->u.i8);
        break;
    case PT_SYSTIME:
        mapi_dump_time(out, v->u.time);
        break;
    case PT_BOOLEAN:
        ph_put_fmt(out, v->u.b ? "true" : "false");
        break;
    case PT_ERROR:
        mapi_dump_ec(out, v->u.err);
        break;
    case PT_CLSID:
        mapi_dump_guid(out, &v->u.guid);
        break;
    case PT_STRING8:
    case PT_UNICODE:
        mapi_dump_str(out, v->u.str);
        break;
    case PT_SRESTRICTION:
        if (v->u.restriction != NULL) {
            mapi_restriction_dump(out, v->u.restriction);
        }
        break;
    case PT_ACTIONS:
        if (v->u.actions != NULL) {
            mapi_actions_dump(out, v->u.actions);
        }
        break;
    default:
        mapi_dump_bin(out, v->u.bin);
        break;
    }
}

void
mapi_value_element(const mapi_value_t *v, uint32_t i, mapi_value_t *e_r)
{
    uint16_t  type = MAPI_TYPE(v->tag) & (uint16_t) ~(PT_MV | PT_MVI);

    memset(e_r, 0, sizeof(*e_r));
    e_r->tag = MAPI_RETYPE(v->tag, type);
    switch (type) {
    case PT_I2:
        e_r->u.i2 = v->u.mv.i2[i];
        break;
    case PT_LONG:
        e_r->u.i4 = v->u.mv.i4[i];
        break;
    case PT_R4:
        e_r->u.r4 = v->u.mv.r4[i];
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        e_r->u.r8 = v->u.mv.r8[i];
        break;
    case PT_I8:
    case PT_CURRENCY:
        e_r->u.i8 = v->u.mv.i8[i];
        break;
    case PT_SYSTIME:
        e_r->u.time = v->u.mv.time[i];
        break;
    case PT_CLSID:
        e_r->u.guid = v->u.mv.guid[i];
        break;
    default:
        e_r->u.str = v->u.mv.str[i];
        break;
    }
}

void
mapi_value_dump(ph_wbuf_t *out, const mapi_value_t *v)
{
    uint16_t      type = mapi_type_row(MAPI_TYPE(v->tag));
    const char   *name = mapi_tag_name(v->tag);
    mapi_value_t  e;

    if (name != NULL) {
        ph_put_fmt(out, "%s=", name);
    } else {
        ph_put_fmt(out, "0x%08" PRIx32 "=", v->tag);
    }
    if (!(type & PT_MV)) {
        mapi_element_dump(out, type, v);
        return;
    }
    ph_put_u8(out, '[');
    for (uint32_t i = 0; i < v->u.mv.n; i++) {
        if (!mapi_dump_next(out, i, v->u.mv.n)) {
            break;
        }
        mapi_value_element(v, i, &e);
        mapi_element_dump(out, type & (uint16_t) ~PT_MV, &e);
    }
    ph_put_u8(out, ']');
}

/* ---- copy and size ---- */

static ph_int_t
mapi_str_copy(ph_pool_t *pool, ph_str_t s, ph_str_t *copy_r)
{
    *copy_r = s;
    if (s.data != NULL) {
        *copy_r = ph_pstrdup(pool, s);
        if (copy_r->data == NULL) {
            return PH_NOMEM;
        }
    }
    return PH_OK;
}

ph_int_t
mapi_value_copy(ph_pool_t *pool, const mapi_value_t *v, mapi_value_t *copy_r)
{
    uint16_t             type = mapi_type_row(MAPI_TYPE(v->tag));
    mapi_restriction_t  *r;
    mapi_actions_t      *a;
    ph_str_t            *s;
    size_t               size;
    void                *to;

    *copy_r = *v;
    if (type & PT_MV) {
        if (v->u.mv.str == NULL) {
            return PH_OK;
        }
        type = type & (uint16_t) ~PT_MV;
        if (mapi_type_is_variable(type)) {
            s = ph_pcalloc_array(pool, v->u.mv.n, sizeof(*s));
            if (s == NULL) {
                return PH_NOMEM;
            }
            for (uint32_t i = 0; i < v->u.mv.n; i++) {
                PH_TRY(mapi_str_copy(pool, v->u.mv.str[i], &s[i]));
            }
            copy_r->u.mv.str = s;
            return PH_OK;
        }
        size = v->u.mv.n * mapi_type_fixed(type);
        to = ph_palloc(pool, size);
        if (to == NULL) {
            return PH_NOMEM;
        }
        if (size != 0) {
            memcpy(to, v->u.mv.i2, size);
        }
        copy_r->u.mv.i2 = to;
        return PH_OK;
    }
    switch (type) {
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        return mapi_str_copy(pool, v->u.str, &copy_r->u.str);
    case PT_SRESTRICTION:
        if (v->u.restriction == NULL) {
            return PH_OK;
        }
        PH_TRY(mapi_restriction_copy(pool, v->u.restriction, &r));
        copy_r->u.restriction = r;
        return PH_OK;
    case PT_ACTIONS:
        if (v->u.actions == NULL) {
            return PH_OK;
        }
        PH_TRY(mapi_actions_copy(pool, v->u.actions, &a));
        copy_r->u.actions = a;
        return PH_OK;
    default:
        return PH_OK;
    }
}

ph_int_t
mapi_values_keep(ph_pool_t *pool, const mapi_values_t *v)
{
    uint32_t      i;
    mapi_value_t  one;

    for (i = 0; i < v->n; i++) {
        one = v->v[i];
        if (mapi_value_copy(pool, &one, &v->v[i]) != PH_OK) {
            return PH_NOMEM;
        }
    }

    return PH_OK;
}

size_t
mapi_value_size(const mapi_value_t *v)
{
    uint16_t      type = mapi_type_row(MAPI_TYPE(v->tag));
    mapi_value_t  e;
    size_t        n = 0;

    if (type & PT_MV) {
        for (uint32_t i = 0; i < v->u.mv.n; i++) {
            mapi_value_element(v, i, &e);
            n += mapi_value_size(&e);
        }
        return n;
    }
    switch (type) {
    case PT_STRING8:
        return v->u.str.len;
    case PT_UNICODE:
        return ph_utf16_len(v->u.str);
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        return v->u.bin.len;
    default:
        return mapi_type_fixed(type);
    }
}
