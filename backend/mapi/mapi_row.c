#include "mapi/mapi_desc.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_value_int.h"
#include "lib/ph_str.h"

enum { FLAG_PRESENT = 0, FLAG_ABSENT = 1, FLAG_ERROR = 10 };

/* the type that a value of this column has on the wire */
static uint16_t
mapi_column_type(uint32_t column, const mapi_value_t *v)
{
    uint16_t  type = MAPI_TYPE(column);

    return mapi_type_row(type == PT_UNSPECIFIED ? MAPI_TYPE(v->tag) : type);
}

/* why a value cannot stand in its column; 0 when it can */
static uint32_t
mapi_column_error(const mapi_ctx_t *ctx, uint32_t column,
    const mapi_value_t *v)
{
    uint16_t  type = mapi_column_type(column, v);
    uint32_t  i;

    if (MAPI_TYPE(v->tag) == PT_ERROR && type != PT_ERROR) {
        return v->u.err;
    }
    if (MAPI_TYPE(column) == PT_UNSPECIFIED && type == PT_ERROR) {
        return v->u.err;
    }
    if (!mapi_type_valid(type)
        || !mapi_type_compatible(type, mapi_type_row(MAPI_TYPE(v->tag))))
    {
        return ecNotFound;
    }
    if (type == PT_SRESTRICTION || type == PT_ACTIONS) {
        return v->u.restriction == NULL ? ecNotFound : 0;
    }
    if (ctx->form != MAPI_FORM_ROP) {
        return 0;
    }
    if (type == PT_BINARY || type == PT_OBJECT || type == PT_SVREID) {
        return v->u.bin.len > UINT16_MAX ? ecMAPIOOM : 0;
    }
    if (type == PT_MV_BINARY) {
        for (i = 0; i < v->u.mv.n; i++) {
            if (v->u.mv.bin[i].len > UINT16_MAX) {
                return ecMAPIOOM;
            }
        }
    }
    return 0;
}

ph_int_t
mapi_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, mapi_tags_t cols,
    const mapi_value_t *vals)
{
    size_t    start = b->len;
    uint32_t  i, ec;
    uint16_t  type;
    bool      flagged = false;
    ph_int_t  rc = PH_OK;

    for (i = 0; i < cols.n && !flagged; i++) {
        flagged = mapi_column_error(ctx, cols.tag[i], &vals[i]) != 0;
    }
    ph_put_u8(b, flagged ? 1 : 0);
    for (i = 0; i < cols.n && rc == PH_OK; i++) {
        ec = flagged ? mapi_column_error(ctx, cols.tag[i], &vals[i]) : 0;
        type = mapi_column_type(cols.tag[i], &vals[i]);
        if (MAPI_TYPE(cols.tag[i]) == PT_UNSPECIFIED) {
            ph_put_u16(b, ec != 0 ? PT_ERROR : type);
        }
        if (ec != 0) {
            ph_put_u8(b, FLAG_ERROR);
            ph_put_u32(b, ec);
            continue;
        }
        if (flagged) {
            ph_put_u8(b, FLAG_PRESENT);
        }
        rc = mapi_value_body_encode(b, ctx, type, &vals[i]);
    }
    if (rc == PH_OK && b->error) {
        rc = PH_TOOBIG;
    }
    if (rc != PH_OK) {
        ph_wbuf_truncate(b, start);
    }
    return rc;
}

ph_int_t
mapi_row_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_tags_t cols, mapi_value_t **vals_r)
{
    mapi_value_t  *v;
    uint16_t       type;
    uint8_t        flagged, flag;

    flagged = ph_cur_u8(cur);
    if (flagged > 1) {
        return PH_INVALID;
    }
    v = ph_pcalloc_array(pool, cols.n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < cols.n; i++) {
        type = MAPI_TYPE(cols.tag[i]);
        if (type == PT_UNSPECIFIED) {
            type = ph_cur_u16(cur);
        }
        flag = flagged ? ph_cur_u8(cur) : FLAG_PRESENT;
        if (cur->error) {
            return PH_INVALID;
        }
        switch (flag) {
        case FLAG_PRESENT:
            PH_TRY(mapi_value_body_decode(cur, pool, ctx, type, &v[i]));
            v[i].tag = MAPI_TAG(MAPI_ID(cols.tag[i]), mapi_type_row(type));
            break;
        case FLAG_ABSENT:
            v[i].tag = MAPI_RETYPE(cols.tag[i], PT_ERROR);
            v[i].u.err = ecNotFound;
            break;
        case FLAG_ERROR:
            v[i].tag = MAPI_RETYPE(cols.tag[i], PT_ERROR);
            v[i].u.err = ph_cur_u32(cur);
            break;
        default:
            return PH_INVALID;
        }
    }
    *vals_r = v;
    return cur->error ? PH_INVALID : PH_OK;
}

/* ---- row sets ---- */

ph_int_t
mapi_rowset_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_rowset_t *v)
{
    mapi_value_t  *row;
    uint32_t       i;
    size_t         cells;

    memset(v, 0, sizeof(*v));
    v->cols_n = ph_cur_u32(cur);
    if (v->cols_n > MAPI_MAX_TAGS || !ph_cur_count(cur, v->cols_n, 4)) {
        return PH_INVALID;
    }
    v->cols = ph_pcalloc_array(pool, v->cols_n, sizeof(*v->cols));
    if (v->cols == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < v->cols_n; i++) {
        v->cols[i] = ph_cur_u32(cur);
    }
    v->n = ph_cur_u32(cur);
    if (!ph_cur_count(cur, v->n, 1)
        || ph_mul_overflow((size_t) v->n, v->cols_n, &cells))
    {
        return PH_INVALID;
    }
    v->vals = ph_pcalloc_array(pool, cells, sizeof(*v->vals));
    if (v->vals == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < v->n; i++) {
        PH_TRY(mapi_row_decode(cur, pool, ctx,
            (mapi_tags_t) { v->cols_n, v->cols }, &row));
        if (v->cols_n != 0) {
            memcpy(v->vals + (size_t) i * v->cols_n, row,
                v->cols_n * sizeof(*row));
        }
    }
    return PH_OK;
}

ph_int_t
mapi_rowset_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_rowset_t *v)
{
    uint32_t  i;

    ph_put_u32(b, v->cols_n);
    for (i = 0; i < v->cols_n; i++) {
        ph_put_u32(b, v->cols[i]);
    }
    ph_put_u32(b, v->n);
    for (i = 0; i < v->n; i++) {
        PH_TRY(mapi_row_encode(b, ctx, (mapi_tags_t) { v->cols_n, v->cols },
            v->vals + (size_t) i * v->cols_n));
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

void
mapi_rowset_dump(ph_wbuf_t *out, const mapi_rowset_t *v)
{
    ph_put_u8(out, '[');
    for (uint32_t i = 0; i < v->n; i++) {
        if (!mapi_dump_next(out, i, v->n)) {
            break;
        }
        ph_put_u8(out, '{');
        mapi_values_dump(out, &(mapi_values_t) {
            v->cols_n, v->vals + (size_t) i * v->cols_n });
        ph_put_u8(out, '}');
    }
    ph_put_u8(out, ']');
}

/* ---- property names ---- */

ph_int_t
mapi_propname_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_propname_t *v)
{
    ph_str_t  s;

    (void) ctx;
    memset(v, 0, sizeof(*v));
    v->kind = ph_cur_u8(cur);
    v->guid = mapi_guid_read(cur);
    if (v->kind == 0) {
        v->lid = ph_cur_u32(cur);
    } else if (v->kind == 1) {
        s = ph_cur_bytes(cur, ph_cur_u8(cur));
        if (s.len >= 2 && s.data[s.len - 1] == 0 && s.data[s.len - 2] == 0) {
            s.len -= 2;
        }
        v->name = ph_utf16_to_utf8(pool, s);
        if (v->name.data == NULL) {
            return PH_NOMEM;
        }
        if (v->name.len != 0 && memchr(v->name.data, 0, v->name.len)) {
            return PH_INVALID;
        }
    } else if (v->kind != 0xFF) {
        return PH_INVALID;
    }
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_propname_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_propname_t *v)
{
    size_t  size;

    (void) ctx;
    ph_put_u8(b, v->kind);
    ph_put_bytes(b, v->guid.b, sizeof(v->guid.b));
    if (v->kind == 0) {
        ph_put_u32(b, v->lid);
    } else if (v->kind == 1) {
        size = ph_utf16_len(v->name) + 2;
        if (size > UINT8_MAX) {
            return PH_TOOBIG;
        }
        ph_put_u8(b, (uint8_t) size);
        PH_TRY(mapi_wstr_write(b, v->name));
    } else if (v->kind != 0xFF) {
        return PH_INVALID;
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

void
mapi_propname_dump(ph_wbuf_t *out, const mapi_propname_t *v)
{
    const char  *set = mapi_guid_name(&v->guid);

    if (set != NULL) {
        ph_put_fmt(out, "%s:", set);
    } else {
        mapi_dump_guid(out, &v->guid);
        ph_put_u8(out, ':');
    }
    if (v->kind == 0) {
        ph_put_fmt(out, "0x%04" PRIx32, v->lid);
    } else if (v->kind == 1) {
        mapi_dump_str(out, v->name);
    } else {
        ph_put_u8(out, '-');
    }
}

bool
mapi_propname_eq(const mapi_propname_t *a, const mapi_propname_t *b)
{
    if (a->kind != b->kind || !mapi_guid_eq(&a->guid, &b->guid)) {
        return false;
    }
    if (a->kind == 0) {
        return a->lid == b->lid;
    }
    if (a->kind != 1) {
        return true;
    }
    return mapi_guid_eq(&a->guid, &mapi_guid_PS_INTERNET_HEADERS)
        ? ph_str_ieq(a->name, b->name) : ph_str_eq(a->name, b->name);
}

/* ---- typed strings ---- */

enum {
    TYPED_NONE = 0, TYPED_EMPTY = 1, TYPED_STRING8 = 2, TYPED_REDUCED = 3,
    TYPED_UNICODE = 4
};

ph_int_t
mapi_typed_string_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_typed_string_t *v)
{
    *v = ph_str_null;
    switch (ph_cur_u8(cur)) {
    case TYPED_NONE:
        return cur->error ? PH_INVALID : PH_OK;
    case TYPED_EMPTY:
        *v = ph_str_lit("");
        return PH_OK;
    case TYPED_STRING8:
        return mapi_cpstr_read(cur, pool, ctx, v);
    case TYPED_REDUCED:
        return mapi_codepage_decode(pool, 28591, ph_cur_astr(cur), v);
    case TYPED_UNICODE:
        return mapi_wstr_read(cur, pool, v);
    default:
        return PH_INVALID;
    }
}

/* whether each character is below U+0100: one or two bytes C2 xx, C3 xx */
static bool
mapi_is_latin1(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            if (s.data[i] > 0xC3 || i + 1 == s.len) {
                return false;
            }
            i++;
        }
    }
    return true;
}

ph_int_t
mapi_typed_string_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_typed_string_t *v)
{
    mapi_ctx_t  latin1 = *ctx;

    latin1.cpid = 28591;
    if (v->data == NULL) {
        ph_put_u8(b, TYPED_NONE);
    } else if (v->len == 0) {
        ph_put_u8(b, TYPED_EMPTY);
    } else if (mapi_is_latin1(*v)) {
        ph_put_u8(b, TYPED_REDUCED);
        PH_TRY(mapi_cpstr_write(b, &latin1, *v));
    } else {
        ph_put_u8(b, TYPED_UNICODE);
        PH_TRY(mapi_wstr_write(b, *v));
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

void
mapi_typed_string_dump(ph_wbuf_t *out, const mapi_typed_string_t *v)
{
    if (v->data == NULL) {
        ph_put_u8(out, '-');
    } else {
        mapi_dump_str(out, *v);
    }
}

/* ---- sort orders ---- */

ph_int_t
mapi_sorts_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_sorts_t *v)
{
    (void) ctx;
    memset(v, 0, sizeof(*v));
    v->n = ph_cur_u16(cur);
    v->categories = ph_cur_u16(cur);
    v->expanded = ph_cur_u16(cur);
    if (v->n > MAPI_MAX_SORTS || !ph_cur_count(cur, v->n, 5)) {
        return PH_INVALID;
    }
    v->sort = ph_pcalloc_array(pool, v->n, sizeof(*v->sort));
    if (v->sort == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        v->sort[i].tag = ph_cur_u32(cur);
        v->sort[i].order = ph_cur_u8(cur);
    }
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_sorts_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, const mapi_sorts_t *v)
{
    (void) ctx;
    if (v->n > MAPI_MAX_SORTS) {
        return PH_TOOBIG;
    }
    ph_put_u16(b, v->n);
    ph_put_u16(b, v->categories);
    ph_put_u16(b, v->expanded);
    for (uint32_t i = 0; i < v->n; i++) {
        ph_put_u32(b, v->sort[i].tag);
        ph_put_u8(b, v->sort[i].order);
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

void
mapi_sorts_dump(ph_wbuf_t *out, const mapi_sorts_t *v)
{
    ph_put_fmt(out, "[%u/%u", v->categories, v->expanded);
    for (uint32_t i = 0; i < v->n; i++) {
        ph_put_u8(out, ' ');
        mapi_dump_tag(out, v->sort[i].tag);
        ph_put_fmt(out, ":%u", v->sort[i].order);
    }
    ph_put_u8(out, ']');
}
