#include "mapi/mapi_extrule.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_restriction.h"
#include "lib/ph_str.h"

static const mapi_ctx_t  mapi_wide = { MAPI_FORM_WIDE, false, 1252 };

/* ---- names ---- */

/* A string name is a size in bytes and UTF-16 with its terminator. */
static ph_int_t
mapi_extrule_name_read(ph_cur_t *cur, ph_pool_t *pool, mapi_propname_t *n)
{
    ph_str_t  s;

    n->kind = ph_cur_u8(cur);
    n->guid = mapi_guid_read(cur);
    if (n->kind == 0) {
        n->lid = ph_cur_u32(cur);
        return cur->error ? PH_INVALID : PH_OK;
    }
    if (n->kind != 1) {
        return PH_INVALID;
    }
    s = ph_cur_bytes(cur, ph_cur_u8(cur));
    if (cur->error) {
        return PH_INVALID;
    }
    if (s.len >= 2 && s.data[s.len - 2] == 0 && s.data[s.len - 1] == 0) {
        s.len -= 2;
    }
    n->name = ph_utf16_to_utf8(pool, s);
    return n->name.data != NULL ? PH_OK : PH_NOMEM;
}

static ph_int_t
mapi_extrule_names_read(ph_cur_t *cur, ph_pool_t *pool, mapi_extrule_t *v)
{
    uint32_t  i, n;
    ph_cur_t  sub;

    memset(v, 0, sizeof(*v));
    n = ph_cur_u16(cur);
    if (cur->error || n > MAPI_EXTRULE_NAMES || !ph_cur_count(cur, n, 2)) {
        return PH_INVALID;
    }
    v->n_names = n;
    v->ids = ph_pcalloc_array(pool, n, sizeof(uint16_t));
    v->to = ph_pcalloc_array(pool, n, sizeof(uint16_t));
    v->names = ph_pcalloc_array(pool, n, sizeof(mapi_propname_t));
    if (v->ids == NULL || v->to == NULL || v->names == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < n; i++) {
        v->ids[i] = ph_cur_u16(cur);
    }
    if (n == 0) {
        return PH_OK;
    }
    sub = ph_cur_sub(cur, ph_cur_u32(cur));
    for (i = 0; i < n; i++) {
        PH_TRY(mapi_extrule_name_read(&sub, pool, &v->names[i]));
    }
    return sub.error || cur->error || ph_cur_left(&sub) != 0 ? PH_INVALID
                                                             : PH_OK;
}

static ph_int_t
mapi_extrule_names_write(ph_wbuf_t *b, const mapi_extrule_t *v)
{
    uint32_t         i;
    size_t           at;
    mapi_propname_t  n;

    if (v->n_names > MAPI_EXTRULE_NAMES) {
        return PH_TOOBIG;
    }
    ph_put_u16(b, (uint16_t) v->n_names);
    for (i = 0; i < v->n_names; i++) {
        ph_put_u16(b, v->ids[i]);
    }
    if (v->n_names == 0) {
        return PH_OK;
    }
    at = b->len;
    ph_put_u32(b, 0);
    for (i = 0; i < v->n_names; i++) {
        n = v->names[i];
        ph_put_u8(b, n.kind);
        ph_put_bytes(b, n.guid.b, sizeof(n.guid.b));
        if (n.kind == 0) {
            ph_put_u32(b, n.lid);
            continue;
        }
        if (n.kind != 1 || ph_utf16_len(n.name) > UINT8_MAX - 2) {
            return PH_INVALID;
        }
        ph_put_u8(b, (uint8_t) (ph_utf16_len(n.name) + 2));
        mapi_utf16_write(b, n.name);
        ph_put_u16(b, 0);
    }
    return mapi_size_write32(b, at);
}

/* ---- blobs ---- */

ph_int_t
mapi_extrule_condition_decode(ph_pool_t *pool, ph_str_t blob,
    mapi_extrule_t *v)
{
    ph_cur_t  cur;

    if (blob.len > MAPI_EXTRULE_MAX) {
        return PH_TOOBIG;
    }
    ph_cur_init(&cur, blob.data, blob.len);
    PH_TRY(mapi_extrule_names_read(&cur, pool, v));
    v->condition = ph_pcalloc(pool, sizeof(*v->condition));
    if (v->condition == NULL) {
        return PH_NOMEM;
    }
    PH_TRY(mapi_restriction_decode(&cur, pool, &mapi_wide, v->condition));
    return cur.error || ph_cur_left(&cur) != 0 ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_extrule_actions_decode(ph_pool_t *pool, ph_str_t blob,
    mapi_extrule_t *v)
{
    ph_cur_t  cur;

    if (blob.len > MAPI_EXTRULE_MAX) {
        return PH_TOOBIG;
    }
    ph_cur_init(&cur, blob.data, blob.len);
    PH_TRY(mapi_extrule_names_read(&cur, pool, v));
    if (ph_cur_u32(&cur) != MAPI_EXTRULE_VERSION) {
        return PH_INVALID;
    }
    v->actions = ph_pcalloc(pool, sizeof(*v->actions));
    if (v->actions == NULL) {
        return PH_NOMEM;
    }
    PH_TRY(mapi_actions_decode(&cur, pool, &mapi_wide, v->actions));
    return cur.error || ph_cur_left(&cur) != 0 ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_extrule_condition_encode(ph_wbuf_t *b, const mapi_extrule_t *v)
{
    PH_TRY(mapi_extrule_names_write(b, v));
    return mapi_restriction_encode(b, &mapi_wide, v->condition);
}

ph_int_t
mapi_extrule_actions_encode(ph_wbuf_t *b, const mapi_extrule_t *v)
{
    PH_TRY(mapi_extrule_names_write(b, v));
    ph_put_u32(b, MAPI_EXTRULE_VERSION);
    return mapi_actions_encode(b, &mapi_wide, v->actions);
}

void
mapi_extrule_dump(ph_wbuf_t *out, const mapi_extrule_t *v)
{
    for (uint32_t i = 0; i < v->n_names; i++) {
        if (!mapi_dump_next(out, i, v->n_names)) {
            break;
        }
        ph_put_fmt(out, "%04x=", v->ids[i]);
        if (v->names[i].kind == 0) {
            ph_put_fmt(out, "%" PRIx32, v->names[i].lid);
        } else {
            mapi_dump_str(out, v->names[i].name);
        }
    }
    ph_put_u8(out, ' ');
    if (v->condition != NULL) {
        mapi_restriction_dump(out, v->condition);
    }
    if (v->actions != NULL) {
        mapi_actions_dump(out, v->actions);
    }
}

/* ---- ids ---- */

static void
mapi_extrule_tag(const mapi_extrule_t *v, uint32_t *tag)
{
    uint16_t  id = MAPI_ID(*tag);

    if (id < 0x8000) {
        return;
    }
    for (uint32_t i = 0; i < v->n_names; i++) {
        if (v->ids[i] == id && v->to[i] != 0) {
            *tag = MAPI_TAG(v->to[i], MAPI_TYPE(*tag));
            return;
        }
    }
    *tag = MAPI_TAG(0xFFFF, MAPI_TYPE(*tag));
}

/* the decoder has bounded the depth */
static void
mapi_extrule_walk(const mapi_extrule_t *v, mapi_restriction_t *r,
    unsigned depth)
{
    if (r == NULL || depth > MAPI_MAX_DEPTH) {
        return;
    }
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        for (uint32_t i = 0; i < r->u.list.n; i++) {
            mapi_extrule_walk(v, &r->u.list.r[i], depth + 1);
        }
        break;
    case MAPI_RES_NOT:
    case MAPI_RES_SUBOBJECT:
    case MAPI_RES_COUNT:
        mapi_extrule_walk(v, r->u.sub.r, depth + 1);
        break;
    case MAPI_RES_CONTENT:
        mapi_extrule_tag(v, &r->u.content.tag);
        mapi_extrule_tag(v, &r->u.content.value.tag);
        break;
    case MAPI_RES_PROPERTY:
        mapi_extrule_tag(v, &r->u.prop.tag);
        mapi_extrule_tag(v, &r->u.prop.value.tag);
        break;
    case MAPI_RES_COMPAREPROPS:
        mapi_extrule_tag(v, &r->u.compare.tag1);
        mapi_extrule_tag(v, &r->u.compare.tag2);
        break;
    case MAPI_RES_BITMASK:
        mapi_extrule_tag(v, &r->u.bitmask.tag);
        break;
    case MAPI_RES_SIZE:
        mapi_extrule_tag(v, &r->u.size.tag);
        break;
    case MAPI_RES_EXIST:
        mapi_extrule_tag(v, &r->u.exist);
        break;
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        mapi_extrule_walk(v, r->u.comment.r, depth + 1);
        break;
    default:
        break;
    }
}

void
mapi_extrule_map(mapi_extrule_t *v)
{
    mapi_extrule_walk(v, v->condition, 0);
    for (uint32_t i = 0; v->actions != NULL && i < v->actions->n; i++) {
        if (v->actions->v[i].type == OP_TAG) {
            mapi_extrule_tag(v, &v->actions->v[i].u.tag.tag);
        }
    }
}
