#include "mapi/mapi_restriction.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_value_int.h"

/* what bounds a walk over untrusted nesting */
typedef struct {
    ph_cur_t          *cur;
    ph_pool_t         *pool;
    const mapi_ctx_t  *ctx;
    uint32_t           nodes;
} mapi_res_read_t;

static ph_int_t mapi_res_read(mapi_res_read_t *rd, mapi_restriction_t *r,
    unsigned depth);

static ph_int_t
mapi_res_child(mapi_res_read_t *rd, mapi_restriction_t **r_r, unsigned depth)
{
    *r_r = ph_pcalloc(rd->pool, sizeof(**r_r));
    if (*r_r == NULL) {
        return PH_NOMEM;
    }
    return mapi_res_read(rd, *r_r, depth);
}

/* the address book puts a HasValue byte in front of the value */
static ph_int_t
mapi_res_value(mapi_res_read_t *rd, mapi_value_t *v)
{
    if (rd->ctx->form == MAPI_FORM_AB && ph_cur_u8(rd->cur) == 0) {
        return PH_INVALID;
    }
    return mapi_tagged_read(rd->cur, rd->pool, rd->ctx, v, true);
}

static ph_int_t
mapi_res_list(mapi_res_read_t *rd, mapi_restriction_t *r, unsigned depth)
{
    uint32_t  n;

    n = rd->ctx->form == MAPI_FORM_ROP ? ph_cur_u16(rd->cur)
                                       : ph_cur_u32(rd->cur);
    if (!ph_cur_count(rd->cur, n, 1)) {
        return PH_INVALID;
    }
    if (n > MAPI_MAX_RESTRICTIONS) {
        return PH_TOOBIG;
    }
    r->u.list.n = n;
    r->u.list.r = ph_pcalloc_array(rd->pool, n, sizeof(*r));
    if (r->u.list.r == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        PH_TRY(mapi_res_read(rd, &r->u.list.r[i], depth));
    }
    return PH_OK;
}

static ph_int_t
mapi_res_comment(mapi_res_read_t *rd, mapi_restriction_t *r, unsigned depth)
{
    mapi_values_t  *vals = &r->u.comment.values;

    vals->n = ph_cur_u8(rd->cur);
    if (!ph_cur_count(rd->cur, vals->n, 4)) {
        return PH_INVALID;
    }
    vals->v = ph_pcalloc_array(rd->pool, vals->n, sizeof(mapi_value_t));
    if (vals->v == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < vals->n; i++) {
        PH_TRY(mapi_tagged_read(rd->cur, rd->pool, rd->ctx, &vals->v[i],
            true));
    }
    if (ph_cur_u8(rd->cur) == 0) {
        return PH_OK;
    }
    return mapi_res_child(rd, &r->u.comment.r, depth);
}

static ph_int_t
mapi_res_read(mapi_res_read_t *rd, mapi_restriction_t *r, unsigned depth)
{
    ph_cur_t  *cur = rd->cur;

    if (depth >= MAPI_MAX_DEPTH || ++rd->nodes > MAPI_MAX_RESTRICTIONS) {
        return PH_TOOBIG;
    }
    if (ph_cur_left(cur) == 0) {
        return PH_INVALID;
    }
    r->type = ph_cur_u8(cur);
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        return mapi_res_list(rd, r, depth + 1);
    case MAPI_RES_NOT:
        return mapi_res_child(rd, &r->u.sub.r, depth + 1);
    case MAPI_RES_CONTENT:
        r->u.content.low = ph_cur_u16(cur);
        r->u.content.high = ph_cur_u16(cur);
        r->u.content.tag = ph_cur_u32(cur);
        return mapi_res_value(rd, &r->u.content.value);
    case MAPI_RES_PROPERTY:
        r->u.prop.relop = ph_cur_u8(cur);
        r->u.prop.tag = ph_cur_u32(cur);
        return mapi_res_value(rd, &r->u.prop.value);
    case MAPI_RES_COMPAREPROPS:
        r->u.compare.relop = ph_cur_u8(cur);
        r->u.compare.tag1 = ph_cur_u32(cur);
        r->u.compare.tag2 = ph_cur_u32(cur);
        return PH_OK;
    case MAPI_RES_BITMASK:
        r->u.bitmask.nonzero = ph_cur_u8(cur);
        r->u.bitmask.tag = ph_cur_u32(cur);
        r->u.bitmask.mask = ph_cur_u32(cur);
        return PH_OK;
    case MAPI_RES_SIZE:
        r->u.size.relop = ph_cur_u8(cur);
        r->u.size.tag = ph_cur_u32(cur);
        r->u.size.size = ph_cur_u32(cur);
        return PH_OK;
    case MAPI_RES_EXIST:
        r->u.exist = ph_cur_u32(cur);
        return PH_OK;
    case MAPI_RES_SUBOBJECT:
        r->u.sub.tag = ph_cur_u32(cur);
        return mapi_res_child(rd, &r->u.sub.r, depth + 1);
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        return mapi_res_comment(rd, r, depth + 1);
    case MAPI_RES_COUNT:
        r->u.sub.count = ph_cur_u32(cur);
        return mapi_res_child(rd, &r->u.sub.r, depth + 1);
    case MAPI_RES_NULL:
        return PH_OK;
    default:
        return PH_INVALID;
    }
}

ph_int_t
mapi_restriction_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_restriction_t *v)
{
    mapi_res_read_t  rd = { cur, pool, ctx, 0 };

    memset(v, 0, sizeof(*v));
    PH_TRY(mapi_res_read(&rd, v, 0));
    return cur->error ? PH_INVALID : PH_OK;
}

/* ---- encoder ---- */

static ph_int_t
mapi_res_write_value(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_value_t *v)
{
    if (ctx->form == MAPI_FORM_AB) {
        ph_put_u8(b, 0xFF);
    }
    return mapi_value_encode(b, ctx, v);
}

static ph_int_t
mapi_res_write(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_restriction_t *r, unsigned depth)
{
    uint32_t  i;

    if (depth >= MAPI_MAX_DEPTH) {
        return PH_TOOBIG;
    }
    if (r == NULL) {
        return PH_INVALID;
    }
    ph_put_u8(b, r->type);
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        if (r->u.list.n > MAPI_MAX_RESTRICTIONS) {
            return PH_TOOBIG;
        }
        if (ctx->form == MAPI_FORM_ROP) {
            ph_put_u16(b, (uint16_t) r->u.list.n);
        } else {
            ph_put_u32(b, r->u.list.n);
        }
        for (i = 0; i < r->u.list.n; i++) {
            PH_TRY(mapi_res_write(b, ctx, &r->u.list.r[i], depth + 1));
        }
        return PH_OK;
    case MAPI_RES_NOT:
        return mapi_res_write(b, ctx, r->u.sub.r, depth + 1);
    case MAPI_RES_CONTENT:
        ph_put_u16(b, r->u.content.low);
        ph_put_u16(b, r->u.content.high);
        ph_put_u32(b, r->u.content.tag);
        return mapi_res_write_value(b, ctx, &r->u.content.value);
    case MAPI_RES_PROPERTY:
        ph_put_u8(b, r->u.prop.relop);
        ph_put_u32(b, r->u.prop.tag);
        return mapi_res_write_value(b, ctx, &r->u.prop.value);
    case MAPI_RES_COMPAREPROPS:
        ph_put_u8(b, r->u.compare.relop);
        ph_put_u32(b, r->u.compare.tag1);
        ph_put_u32(b, r->u.compare.tag2);
        return PH_OK;
    case MAPI_RES_BITMASK:
        ph_put_u8(b, r->u.bitmask.nonzero);
        ph_put_u32(b, r->u.bitmask.tag);
        ph_put_u32(b, r->u.bitmask.mask);
        return PH_OK;
    case MAPI_RES_SIZE:
        ph_put_u8(b, r->u.size.relop);
        ph_put_u32(b, r->u.size.tag);
        ph_put_u32(b, r->u.size.size);
        return PH_OK;
    case MAPI_RES_EXIST:
        ph_put_u32(b, r->u.exist);
        return PH_OK;
    case MAPI_RES_SUBOBJECT:
        ph_put_u32(b, r->u.sub.tag);
        return mapi_res_write(b, ctx, r->u.sub.r, depth + 1);
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        if (r->u.comment.values.n > UINT8_MAX) {
            return PH_TOOBIG;
        }
        ph_put_u8(b, (uint8_t) r->u.comment.values.n);
        for (i = 0; i < r->u.comment.values.n; i++) {
            PH_TRY(mapi_value_encode(b, ctx, &r->u.comment.values.v[i]));
        }
        ph_put_u8(b, r->u.comment.r != NULL);
        return r->u.comment.r == NULL ? PH_OK
            : mapi_res_write(b, ctx, r->u.comment.r, depth + 1);
    case MAPI_RES_COUNT:
        ph_put_u32(b, r->u.sub.count);
        return mapi_res_write(b, ctx, r->u.sub.r, depth + 1);
    case MAPI_RES_NULL:
        return PH_OK;
    default:
        return PH_INVALID;
    }
}

ph_int_t
mapi_restriction_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_restriction_t *v)
{
    PH_TRY(mapi_res_write(b, ctx, v, 0));
    return b->error ? PH_TOOBIG : PH_OK;
}

/* ---- dump ---- */

static const char *
mapi_relop_name(uint8_t relop)
{
    static const char *const  names[] = { "<", "<=", ">", ">=", "==", "!=",
                                          "~" };

    return relop < ph_nelts(names) ? names[relop]
        : relop == RELOP_MEMBER_OF_DL ? "member-of" : "?";
}

static void
mapi_res_dump(ph_wbuf_t *out, const mapi_restriction_t *r, unsigned depth)
{
    uint32_t  i;

    if (r == NULL || depth >= MAPI_MAX_DEPTH) {
        ph_put_u8(out, '?');
        return;
    }
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        ph_put_fmt(out, "%s(", r->type == MAPI_RES_AND ? "and" : "or");
        for (i = 0; i < r->u.list.n; i++) {
            if (!mapi_dump_next(out, i, r->u.list.n)) {
                break;
            }
            mapi_res_dump(out, &r->u.list.r[i], depth + 1);
        }
        break;
    case MAPI_RES_NOT:
        ph_put_fmt(out, "not(");
        mapi_res_dump(out, r->u.sub.r, depth + 1);
        break;
    case MAPI_RES_CONTENT:
        ph_put_fmt(out, "content(%x:%x ", r->u.content.low,
            r->u.content.high);
        mapi_dump_tag(out, r->u.content.tag);
        ph_put_u8(out, ' ');
        mapi_value_dump(out, &r->u.content.value);
        break;
    case MAPI_RES_PROPERTY:
        ph_put_fmt(out, "prop(");
        mapi_dump_tag(out, r->u.prop.tag);
        ph_put_fmt(out, " %s ", mapi_relop_name(r->u.prop.relop));
        mapi_value_dump(out, &r->u.prop.value);
        break;
    case MAPI_RES_COMPAREPROPS:
        ph_put_fmt(out, "compare(");
        mapi_dump_tag(out, r->u.compare.tag1);
        ph_put_fmt(out, " %s ", mapi_relop_name(r->u.compare.relop));
        mapi_dump_tag(out, r->u.compare.tag2);
        break;
    case MAPI_RES_BITMASK:
        ph_put_fmt(out, "bitmask(");
        mapi_dump_tag(out, r->u.bitmask.tag);
        ph_put_fmt(out, "&0x%" PRIx32 " %s 0", r->u.bitmask.mask,
            r->u.bitmask.nonzero ? "!=" : "==");
        break;
    case MAPI_RES_SIZE:
        ph_put_fmt(out, "size(");
        mapi_dump_tag(out, r->u.size.tag);
        ph_put_fmt(out, " %s %" PRIu32, mapi_relop_name(r->u.size.relop),
            r->u.size.size);
        break;
    case MAPI_RES_EXIST:
        ph_put_fmt(out, "exist(");
        mapi_dump_tag(out, r->u.exist);
        break;
    case MAPI_RES_SUBOBJECT:
        ph_put_fmt(out, "sub(");
        mapi_dump_tag(out, r->u.sub.tag);
        ph_put_u8(out, ' ');
        mapi_res_dump(out, r->u.sub.r, depth + 1);
        break;
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        ph_put_fmt(out, "comment(");
        mapi_values_dump(out, &r->u.comment.values);
        if (r->u.comment.r != NULL) {
            ph_put_u8(out, ' ');
            mapi_res_dump(out, r->u.comment.r, depth + 1);
        }
        break;
    case MAPI_RES_COUNT:
        ph_put_fmt(out, "count(%" PRIu32 " ", r->u.sub.count);
        mapi_res_dump(out, r->u.sub.r, depth + 1);
        break;
    default:
        ph_put_fmt(out, "null(");
        break;
    }
    ph_put_u8(out, ')');
}

void
mapi_restriction_dump(ph_wbuf_t *out, const mapi_restriction_t *v)
{
    mapi_res_dump(out, v, 0);
}

/* ---- copy ---- */

static ph_int_t mapi_res_copy(ph_pool_t *pool, const mapi_restriction_t *r,
    mapi_restriction_t *c, unsigned depth);

static ph_int_t
mapi_res_copy_child(ph_pool_t *pool, const mapi_restriction_t *r,
    mapi_restriction_t **copy_r, unsigned depth)
{
    *copy_r = NULL;
    if (r == NULL) {
        return PH_OK;
    }
    *copy_r = ph_pcalloc(pool, sizeof(**copy_r));
    if (*copy_r == NULL) {
        return PH_NOMEM;
    }
    return mapi_res_copy(pool, r, *copy_r, depth);
}

static ph_int_t
mapi_res_copy(ph_pool_t *pool, const mapi_restriction_t *r,
    mapi_restriction_t *c, unsigned depth)
{
    uint32_t  i;

    if (depth >= MAPI_MAX_DEPTH) {
        return PH_TOOBIG;
    }
    *c = *r;
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        c->u.list.r = ph_pcalloc_array(pool, r->u.list.n, sizeof(*c));
        if (c->u.list.r == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < r->u.list.n; i++) {
            PH_TRY(mapi_res_copy(pool, &r->u.list.r[i], &c->u.list.r[i],
                depth + 1));
        }
        return PH_OK;
    case MAPI_RES_NOT:
    case MAPI_RES_SUBOBJECT:
    case MAPI_RES_COUNT:
        return mapi_res_copy_child(pool, r->u.sub.r, &c->u.sub.r, depth + 1);
    case MAPI_RES_CONTENT:
        return mapi_value_copy(pool, &r->u.content.value,
            &c->u.content.value);
    case MAPI_RES_PROPERTY:
        return mapi_value_copy(pool, &r->u.prop.value, &c->u.prop.value);
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        c->u.comment.values.v = ph_pcalloc_array(pool, r->u.comment.values.n,
            sizeof(mapi_value_t));
        if (c->u.comment.values.v == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < r->u.comment.values.n; i++) {
            PH_TRY(mapi_value_copy(pool, &r->u.comment.values.v[i],
                &c->u.comment.values.v[i]));
        }
        return mapi_res_copy_child(pool, r->u.comment.r, &c->u.comment.r,
            depth + 1);
    default:
        return PH_OK;
    }
}

ph_int_t
mapi_restriction_copy(ph_pool_t *pool, const mapi_restriction_t *r,
    mapi_restriction_t **copy_r)
{
    return mapi_res_copy_child(pool, r, copy_r, 0);
}
