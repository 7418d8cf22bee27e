#include "mapi/mapi_rule.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_value_int.h"

/* COUNT: u16 in ROP buffers, u32 in extended rules */
static uint32_t
mapi_count_read(ph_cur_t *cur, const mapi_ctx_t *ctx)
{
    return ctx->form == MAPI_FORM_ROP ? ph_cur_u16(cur) : ph_cur_u32(cur);
}

static void
mapi_count_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, uint32_t n)
{
    if (ctx->form == MAPI_FORM_ROP) {
        ph_put_u16(b, (uint16_t) n);
    } else {
        ph_put_u32(b, n);
    }
}

static ph_int_t
mapi_blob_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, ph_str_t s)
{
    if (s.len > (ctx->form == MAPI_FORM_ROP ? UINT16_MAX : UINT32_MAX)) {
        return PH_TOOBIG;
    }
    mapi_count_write(b, ctx, (uint32_t) s.len);
    ph_put_str(b, s);
    return PH_OK;
}

static ph_int_t
mapi_forward_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_action_t *a)
{
    mapi_action_recipient_t  *r;
    uint32_t                  i, k, n;

    n = mapi_count_read(cur, ctx);
    if (n > MAPI_MAX_ACTION_RECIPIENTS || !ph_cur_count(cur, n, 3)) {
        return PH_INVALID;
    }
    r = ph_pcalloc_array(pool, n, sizeof(*r));
    if (r == NULL) {
        return PH_NOMEM;
    }
    a->u.forward.n = n;
    a->u.forward.v = r;
    for (i = 0; i < n; i++) {
        r[i].reserved = ph_cur_u8(cur);
        r[i].props.n = mapi_count_read(cur, ctx);
        if (r[i].props.n > MAPI_MAX_TAGS
            || !ph_cur_count(cur, r[i].props.n, 4))
        {
            return PH_INVALID;
        }
        r[i].props.v = ph_pcalloc_array(pool, r[i].props.n,
            sizeof(mapi_value_t));
        if (r[i].props.v == NULL) {
            return PH_NOMEM;
        }
        for (k = 0; k < r[i].props.n; k++) {
            PH_TRY(mapi_tagged_read(cur, pool, ctx, &r[i].props.v[k], true));
        }
    }
    return PH_OK;
}

static ph_int_t
mapi_action_read(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_action_t *a)
{
    bool  wide = ctx->form != MAPI_FORM_ROP;

    a->type = ph_cur_u8(cur);
    a->flavor = ph_cur_u32(cur);
    a->flags = ph_cur_u32(cur);
    switch (a->type) {
    case OP_MOVE:
    case OP_COPY:
        if (!wide) {
            a->u.move.in_this_store = ph_cur_u8(cur);
        }
        a->u.move.store_eid = ph_cur_bytes(cur, mapi_count_read(cur, ctx));
        a->u.move.folder_eid = ph_cur_bytes(cur, mapi_count_read(cur, ctx));
        break;
    case OP_REPLY:
    case OP_OOF_REPLY:
        if (wide) {
            a->u.reply.message_eid = ph_cur_bytes(cur, ph_cur_u32(cur));
        } else {
            a->u.reply.template_fid = ph_cur_u64(cur);
            a->u.reply.template_mid = ph_cur_u64(cur);
        }
        a->u.reply.template_guid = mapi_guid_read(cur);
        break;
    case OP_DEFER_ACTION:
        a->u.defer = ph_cur_rest(cur);
        break;
    case OP_BOUNCE:
        a->u.bounce_code = ph_cur_u32(cur);
        break;
    case OP_FORWARD:
    case OP_DELEGATE:
        return mapi_forward_read(cur, pool, ctx, a);
    case OP_TAG:
        return mapi_tagged_read(cur, pool, ctx, &a->u.tag, true);
    case OP_DELETE:
    case OP_MARK_AS_READ:
        break;
    default:
        return PH_INVALID;
    }
    return PH_OK;
}

ph_int_t
mapi_actions_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_actions_t *v)
{
    ph_cur_t  sub;

    memset(v, 0, sizeof(*v));
    v->n = mapi_count_read(cur, ctx);
    if (v->n > MAPI_MAX_ACTIONS || !ph_cur_count(cur, v->n, 11)) {
        return PH_INVALID;
    }
    v->v = ph_pcalloc_array(pool, v->n, sizeof(*v->v));
    if (v->v == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        sub = ph_cur_sub(cur, mapi_count_read(cur, ctx));
        PH_TRY(mapi_action_read(&sub, pool, ctx, &v->v[i]));
        if (sub.error || ph_cur_left(&sub) != 0) {
            return PH_INVALID;
        }
    }
    return cur->error ? PH_INVALID : PH_OK;
}

static ph_int_t
mapi_forward_write(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_action_t *a)
{
    const mapi_action_recipient_t  *r;

    mapi_count_write(b, ctx, a->u.forward.n);
    for (uint32_t i = 0; i < a->u.forward.n; i++) {
        r = &a->u.forward.v[i];
        ph_put_u8(b, r->reserved);
        mapi_count_write(b, ctx, r->props.n);
        for (uint32_t k = 0; k < r->props.n; k++) {
            PH_TRY(mapi_value_encode(b, ctx, &r->props.v[k]));
        }
    }
    return PH_OK;
}

static ph_int_t
mapi_action_write(ph_wbuf_t *b, const mapi_ctx_t *ctx, const mapi_action_t *a)
{
    bool  wide = ctx->form != MAPI_FORM_ROP;

    ph_put_u8(b, a->type);
    ph_put_u32(b, a->flavor);
    ph_put_u32(b, a->flags);
    switch (a->type) {
    case OP_MOVE:
    case OP_COPY:
        if (!wide) {
            ph_put_u8(b, a->u.move.in_this_store);
        }
        PH_TRY(mapi_blob_write(b, ctx, a->u.move.store_eid));
        return mapi_blob_write(b, ctx, a->u.move.folder_eid);
    case OP_REPLY:
    case OP_OOF_REPLY:
        if (wide) {
            PH_TRY(mapi_blob_write(b, ctx, a->u.reply.message_eid));
        } else {
            ph_put_u64(b, a->u.reply.template_fid);
            ph_put_u64(b, a->u.reply.template_mid);
        }
        ph_put_bytes(b, a->u.reply.template_guid.b, sizeof(mapi_guid_t));
        return PH_OK;
    case OP_DEFER_ACTION:
        ph_put_str(b, a->u.defer);
        return PH_OK;
    case OP_BOUNCE:
        ph_put_u32(b, a->u.bounce_code);
        return PH_OK;
    case OP_FORWARD:
    case OP_DELEGATE:
        return mapi_forward_write(b, ctx, a);
    case OP_TAG:
        return mapi_value_encode(b, ctx, &a->u.tag);
    case OP_DELETE:
    case OP_MARK_AS_READ:
        return PH_OK;
    default:
        return PH_INVALID;
    }
}

ph_int_t
mapi_actions_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_actions_t *v)
{
    size_t  at;

    if (v->n > MAPI_MAX_ACTIONS) {
        return PH_TOOBIG;
    }
    mapi_count_write(b, ctx, v->n);
    for (uint32_t i = 0; i < v->n; i++) {
        at = b->len;
        mapi_count_write(b, ctx, 0);
        PH_TRY(mapi_action_write(b, ctx, &v->v[i]));
        PH_TRY(ctx->form == MAPI_FORM_ROP ? mapi_size_write16(b, at)
                                          : mapi_size_write32(b, at));
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

void
mapi_actions_dump(ph_wbuf_t *out, const mapi_actions_t *v)
{
    static const char *const  names[] = {
        "?", "MOVE", "COPY", "REPLY", "OOF_REPLY", "DEFER_ACTION", "BOUNCE",
        "FORWARD", "DELEGATE", "TAG", "DELETE", "MARK_AS_READ"
    };
    const mapi_action_t      *a;

    ph_put_u8(out, '[');
    for (uint32_t i = 0; i < v->n; i++) {
        a = &v->v[i];
        if (!mapi_dump_next(out, i, v->n)) {
            break;
        }
        ph_put_fmt(out, "%s(%" PRIx32 ",%" PRIx32,
            a->type < ph_nelts(names) ? names[a->type] : "?", a->flavor,
            a->flags);
        switch (a->type) {
        case OP_MOVE:
        case OP_COPY:
            ph_put_fmt(out, " folder=");
            mapi_dump_bin(out, a->u.move.folder_eid);
            break;
        case OP_BOUNCE:
            ph_put_fmt(out, " code=%" PRIx32, a->u.bounce_code);
            break;
        case OP_FORWARD:
        case OP_DELEGATE:
            for (uint32_t k = 0; k < a->u.forward.n; k++) {
                ph_put_fmt(out, " {");
                mapi_values_dump(out, &a->u.forward.v[k].props);
                ph_put_u8(out, '}');
            }
            break;
        case OP_TAG:
            ph_put_u8(out, ' ');
            mapi_value_dump(out, &a->u.tag);
            break;
        default:
            break;
        }
        ph_put_u8(out, ')');
    }
    ph_put_u8(out, ']');
}

ph_int_t
mapi_actions_copy(ph_pool_t *pool, const mapi_actions_t *v,
    mapi_actions_t **copy_r)
{
    /* both forms of MOVE and REPLY survive: WIDE for what only it has */
    mapi_ctx_t       ctx = { MAPI_FORM_ROP, false, 65001 };
    mapi_actions_t  *copy;
    ph_wbuf_t        b;
    ph_cur_t         cur;

    for (uint32_t i = 0; i < v->n; i++) {
        if ((v->v[i].type == OP_REPLY || v->v[i].type == OP_OOF_REPLY)
            && v->v[i].u.reply.message_eid.len != 0)
        {
            ctx.form = MAPI_FORM_WIDE;
        }
    }
    copy = ph_pcalloc(pool, sizeof(*copy));
    if (copy == NULL) {
        return PH_NOMEM;
    }
    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    PH_TRY(mapi_actions_encode(&b, &ctx, v));
    ph_cur_init(&cur, b.data, b.len);
    PH_TRY(mapi_actions_decode(&cur, pool, &ctx, copy));
    *copy_r = copy;
    return PH_OK;
}
