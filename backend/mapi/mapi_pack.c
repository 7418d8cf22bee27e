#include "mapi/mapi_pack.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_rule.h"
#include "mapi/mapi_value_int.h"
#include "lib/ph_str.h"

#include <stdlib.h>

#define PACK_VERSION  1
#define PACK_HEADER   9     /* u8 version, u32 count, u32 data size */
#define PACK_ENTRY    8     /* u32 tag, u32 offset */

/* nested values are in the wide form with UTF-8 as the code page */
static const mapi_ctx_t  mapi_pack_ctx = { MAPI_FORM_WIDE, false, 65001 };

static uint32_t
mapi_get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
        | (uint32_t) p[3] << 24;
}

static bool
mapi_pack_is_bytes(uint16_t type)
{
    return type == PT_STRING8 || type == PT_UNICODE || type == PT_BINARY
        || type == PT_OBJECT || type == PT_SVREID;
}

/* ---- one value ---- */

static void
mapi_pack_bytes(ph_wbuf_t *b, ph_str_t s)
{
    ph_put_u32(b, (uint32_t) s.len);
    ph_put_str(b, s);
}

static ph_int_t
mapi_pack_write(ph_wbuf_t *b, const mapi_value_t *v)
{
    uint16_t  type = mapi_type_row(MAPI_TYPE(v->tag));
    size_t    at = b->len;

    if (!mapi_type_valid(type)) {
        return PH_INVALID;
    }
    if (type & PT_MV) {
        type = type & (uint16_t) ~PT_MV;
        ph_put_u32(b, v->u.mv.n);
        if (!mapi_pack_is_bytes(type)) {
            if (v->u.mv.n != 0) {
                ph_put_bytes(b, v->u.mv.i2,
                    v->u.mv.n * mapi_type_fixed(type));
            }
            return PH_OK;
        }
        for (uint32_t i = 0; i < v->u.mv.n; i++) {
            mapi_pack_bytes(b, v->u.mv.bin[i]);
        }
        return PH_OK;
    }
    if (mapi_pack_is_bytes(type)) {
        if (v->u.bin.len > UINT32_MAX) {
            return PH_TOOBIG;
        }
        mapi_pack_bytes(b, v->u.bin);
        return PH_OK;
    }
    if (type == PT_SRESTRICTION || type == PT_ACTIONS) {
        ph_put_u32(b, 0);
        PH_TRY(mapi_value_body_encode(b, &mapi_pack_ctx, type, v));
        return mapi_size_write32(b, at);
    }
    mapi_fixed_write(b, type, v);
    return PH_OK;
}

static ph_int_t
mapi_pack_bytes_read(ph_cur_t *cur, uint16_t type, ph_str_t *s)
{
    if (type == PT_UNICODE || type == PT_STRING8) {
        return mapi_utf8_read(cur, ph_cur_u32(cur), s);
    }
    *s = ph_cur_bytes(cur, ph_cur_u32(cur));
    return PH_OK;
}

static ph_int_t
mapi_pack_mv_read(ph_cur_t *cur, ph_pool_t *pool, uint16_t type,
    mapi_value_t *v)
{
    uint32_t   n = ph_cur_u32(cur);
    ph_str_t  *s;

    if (n > MAPI_MAX_MV) {
        return PH_INVALID;
    }
    if (!mapi_pack_is_bytes(type)) {
        return mapi_mv_fixed_read(cur, pool, type, n, v);
    }
    if (!ph_cur_count(cur, n, 4)) {
        return PH_INVALID;
    }
    s = ph_pcalloc_array(pool, n, sizeof(*s));
    if (s == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        PH_TRY(mapi_pack_bytes_read(cur, type, &s[i]));
    }
    v->u.mv.n = n;
    v->u.mv.str = s;
    return PH_OK;
}

static ph_int_t
mapi_pack_read(ph_cur_t *cur, ph_pool_t *pool, uint32_t tag, mapi_value_t *v)
{
    uint16_t  type = mapi_type_row(MAPI_TYPE(tag));
    ph_cur_t  sub;

    memset(v, 0, sizeof(*v));
    if (!mapi_type_valid(type)) {
        return PH_INVALID;
    }
    if (type & PT_MV) {
        PH_TRY(mapi_pack_mv_read(cur, pool, type & (uint16_t) ~PT_MV, v));
    } else if (mapi_pack_is_bytes(type)) {
        PH_TRY(mapi_pack_bytes_read(cur, type, &v->u.bin));
    } else if (type == PT_SRESTRICTION || type == PT_ACTIONS) {
        sub = ph_cur_sub(cur, ph_cur_u32(cur));
        PH_TRY(mapi_value_body_decode(&sub, pool, &mapi_pack_ctx, type, v));
        if (ph_cur_left(&sub) != 0) {
            return PH_INVALID;
        }
    } else {
        mapi_fixed_read(cur, type, v);
    }
    v->tag = tag;
    return cur->error ? PH_INVALID : PH_OK;
}

/* ---- values ---- */

static int
mapi_pack_order(const void *a, const void *b)
{
    uint32_t  x = mapi_get_u32(a), y = mapi_get_u32(b);

    if (x == y) {
        x = mapi_get_u32((const uint8_t *) a + 4);
        y = mapi_get_u32((const uint8_t *) b + 4);
    }
    return x < y ? -1 : x > y;
}

ph_int_t
mapi_values_encode(ph_wbuf_t *b, const mapi_values_t *v)
{
    size_t  start = b->len, dir, data;

    if (v->n > MAPI_MAX_TAGS) {
        return PH_TOOBIG;
    }
    ph_put_u8(b, PACK_VERSION);
    ph_put_u32(b, v->n);
    ph_put_u32(b, 0);
    dir = b->len;
    for (uint32_t i = 0; i < v->n; i++) {
        ph_put_u32(b, v->v[i].tag);
        ph_put_u32(b, 0);
    }
    data = b->len;
    for (uint32_t i = 0; i < v->n && !b->error; i++) {
        ph_poke_u32(b, dir + i * PACK_ENTRY + 4, (uint32_t) (b->len - data));
        PH_TRY(mapi_pack_write(b, &v->v[i]));
        if (b->len - data > UINT32_MAX) {
            return PH_TOOBIG;
        }
    }
    if (b->error) {
        return PH_TOOBIG;
    }
    ph_poke_u32(b, start + 5, (uint32_t) (b->len - data));
    if (v->n > 1) {
        qsort(b->data + dir, v->n, PACK_ENTRY, mapi_pack_order);
    }
    return PH_OK;
}

/* checks the frame around the values and leaves the cursor behind them */
static ph_int_t
mapi_pack_open(ph_cur_t *cur, mapi_pack_t *p)
{
    uint32_t  size;

    if (ph_cur_u8(cur) != PACK_VERSION) {
        return PH_INVALID;
    }
    p->n = ph_cur_u32(cur);
    size = ph_cur_u32(cur);
    if (p->n > MAPI_MAX_TAGS || !ph_cur_count(cur, p->n, PACK_ENTRY)) {
        return PH_INVALID;
    }
    p->dir = ph_cur_bytes(cur, (size_t) p->n * PACK_ENTRY);
    p->data = ph_cur_bytes(cur, size);
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_pack_init(mapi_pack_t *p, ph_str_t blob)
{
    ph_cur_t  cur;

    ph_cur_init(&cur, blob.data, blob.len);
    return mapi_pack_open(&cur, p);
}

ph_int_t
mapi_pack_at(const mapi_pack_t *p, uint32_t i, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    const uint8_t  *e;
    uint32_t        offset;
    ph_cur_t        cur;

    if (i >= p->n) {
        return PH_NOTFOUND;
    }
    e = p->dir.data + (size_t) i * PACK_ENTRY;
    offset = mapi_get_u32(e + 4);
    ph_cur_init(&cur, p->data.data, p->data.len);
    (void) ph_cur_bytes(&cur, offset);
    if (cur.error) {
        return PH_INVALID;
    }
    return mapi_pack_read(&cur, pool, mapi_get_u32(e), v_r);
}

ph_int_t
mapi_pack_find(const mapi_pack_t *p, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    uint32_t  low = 0, high = p->n, mid, t;

    while (low < high) {
        mid = low + (high - low) / 2;
        t = mapi_get_u32(p->dir.data + (size_t) mid * PACK_ENTRY);
        if (t == tag) {
            return mapi_pack_at(p, mid, pool, v_r);
        }
        if (t < tag) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return PH_NOTFOUND;
}

ph_int_t
mapi_values_decode(ph_cur_t *cur, ph_pool_t *pool, mapi_values_t *v)
{
    mapi_pack_t  p;

    memset(v, 0, sizeof(*v));
    PH_TRY(mapi_pack_open(cur, &p));
    v->v = ph_pcalloc_array(pool, p.n, sizeof(*v->v));
    if (v->v == NULL) {
        return PH_NOMEM;
    }
    v->n = p.n;
    for (uint32_t i = 0; i < p.n; i++) {
        PH_TRY(mapi_pack_at(&p, i, pool, &v->v[i]));
        if (i != 0 && v->v[i - 1].tag > v->v[i].tag) {
            return PH_INVALID;
        }
    }
    return PH_OK;
}

void
mapi_values_dump(ph_wbuf_t *out, const mapi_values_t *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        if (i != 0) {
            ph_put_u8(out, ' ');
        }
        mapi_value_dump(out, &v->v[i]);
    }
}

/* ---- messages ---- */

static ph_int_t
mapi_names_read(ph_cur_t *cur, ph_pool_t *pool, mapi_names_t *names)
{
    mapi_propname_t  *p;
    uint32_t          n = ph_cur_u32(cur);

    if (n > MAPI_MAX_TAGS || !ph_cur_count(cur, n, 23)) {
        return PH_INVALID;
    }
    names->v = ph_pcalloc_array(pool, n, sizeof(*names->v));
    if (names->v == NULL) {
        return PH_NOMEM;
    }
    names->n = n;
    for (uint32_t i = 0; i < n; i++) {
        names->v[i].id = ph_cur_u16(cur);
        p = &names->v[i].name;
        p->kind = ph_cur_u8(cur);
        p->guid = mapi_guid_read(cur);
        if (p->kind == 0) {
            p->lid = ph_cur_u32(cur);
        } else if (p->kind == 1) {
            PH_TRY(mapi_utf8_read(cur, ph_cur_u32(cur), &p->name));
        } else {
            return PH_INVALID;
        }
    }
    return PH_OK;
}

static ph_int_t
mapi_names_write(ph_wbuf_t *b, const mapi_names_t *names)
{
    const mapi_propname_t  *p;

    if (names->n > MAPI_MAX_TAGS) {
        return PH_TOOBIG;
    }
    ph_put_u32(b, names->n);
    for (uint32_t i = 0; i < names->n; i++) {
        p = &names->v[i].name;
        ph_put_u16(b, names->v[i].id);
        ph_put_u8(b, p->kind);
        ph_put_bytes(b, p->guid.b, sizeof(p->guid.b));
        if (p->kind == 0) {
            ph_put_u32(b, p->lid);
        } else if (p->kind == 1) {
            mapi_pack_bytes(b, p->name);
        } else {
            return PH_INVALID;
        }
    }
    return PH_OK;
}

static ph_int_t
mapi_message_read(ph_cur_t *cur, ph_pool_t *pool, mapi_message_t *v,
    unsigned depth)
{
    mapi_attachment_t  *a;

    if (depth >= MAPI_MAX_EMBEDDING) {
        return PH_TOOBIG;
    }
    PH_TRY(mapi_values_decode(cur, pool, &v->props));

    v->n_recipients = ph_cur_u32(cur);
    if (v->n_recipients > MAPI_MAX_RECIPIENTS
        || !ph_cur_count(cur, v->n_recipients, 4 + PACK_HEADER))
    {
        return PH_INVALID;
    }
    v->recipients = ph_pcalloc_array(pool, v->n_recipients,
        sizeof(*v->recipients));
    if (v->recipients == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < v->n_recipients; i++) {
        v->recipients[i].row_id = ph_cur_u32(cur);
        PH_TRY(mapi_values_decode(cur, pool, &v->recipients[i].props));
    }

    v->n_attachments = ph_cur_u32(cur);
    if (v->n_attachments > MAPI_MAX_ATTACHMENTS
        || !ph_cur_count(cur, v->n_attachments, 1 + PACK_HEADER))
    {
        return PH_INVALID;
    }
    v->attachments = ph_pcalloc_array(pool, v->n_attachments,
        sizeof(*v->attachments));
    if (v->attachments == NULL) {
        return PH_NOMEM;
    }
    for (uint32_t i = 0; i < v->n_attachments; i++) {
        a = &v->attachments[i];
        PH_TRY(mapi_values_decode(cur, pool, &a->props));
        if (ph_cur_u8(cur) == 0) {
            continue;
        }
        a->embedded = ph_pcalloc(pool, sizeof(*a->embedded));
        if (a->embedded == NULL) {
            return PH_NOMEM;
        }
        PH_TRY(mapi_message_read(cur, pool, a->embedded, depth + 1));
    }
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_message_decode(ph_cur_t *cur, ph_pool_t *pool, mapi_message_t *v)
{
    memset(v, 0, sizeof(*v));
    if (ph_cur_u8(cur) != PACK_VERSION) {
        return PH_INVALID;
    }
    PH_TRY(mapi_names_read(cur, pool, &v->names));
    return mapi_message_read(cur, pool, v, 0);
}

static ph_int_t
mapi_message_write(ph_wbuf_t *b, const mapi_message_t *v, unsigned depth)
{
    if (depth >= MAPI_MAX_EMBEDDING || v->n_recipients > MAPI_MAX_RECIPIENTS
        || v->n_attachments > MAPI_MAX_ATTACHMENTS)
    {
        return PH_TOOBIG;
    }
    PH_TRY(mapi_values_encode(b, &v->props));
    ph_put_u32(b, v->n_recipients);
    for (uint32_t i = 0; i < v->n_recipients; i++) {
        ph_put_u32(b, v->recipients[i].row_id);
        PH_TRY(mapi_values_encode(b, &v->recipients[i].props));
    }
    ph_put_u32(b, v->n_attachments);
    for (uint32_t i = 0; i < v->n_attachments; i++) {
        PH_TRY(mapi_values_encode(b, &v->attachments[i].props));
        ph_put_u8(b, v->attachments[i].embedded != NULL);
        if (v->attachments[i].embedded != NULL) {
            PH_TRY(mapi_message_write(b, v->attachments[i].embedded,
                depth + 1));
        }
    }
    return b->error ? PH_TOOBIG : PH_OK;
}

ph_int_t
mapi_message_encode(ph_wbuf_t *b, const mapi_message_t *v)
{
    ph_put_u8(b, PACK_VERSION);
    PH_TRY(mapi_names_write(b, &v->names));
    return mapi_message_write(b, v, 0);
}

static void
mapi_message_print(ph_wbuf_t *out, const mapi_message_t *v, unsigned depth)
{
    ph_put_fmt(out, "{props={");
    mapi_values_dump(out, &v->props);
    ph_put_fmt(out, "} recipients=[");
    for (uint32_t i = 0; i < v->n_recipients; i++) {
        if (!mapi_dump_next(out, i, v->n_recipients)) {
            break;
        }
        ph_put_fmt(out, "%" PRIu32 "{", v->recipients[i].row_id);
        mapi_values_dump(out, &v->recipients[i].props);
        ph_put_u8(out, '}');
    }
    ph_put_fmt(out, "] attachments=[");
    for (uint32_t i = 0; i < v->n_attachments; i++) {
        if (!mapi_dump_next(out, i, v->n_attachments)) {
            break;
        }
        ph_put_u8(out, '{');
        mapi_values_dump(out, &v->attachments[i].props);
        ph_put_u8(out, '}');
        if (v->attachments[i].embedded != NULL
            && depth < MAPI_MAX_EMBEDDING)
        {
            mapi_message_print(out, v->attachments[i].embedded, depth + 1);
        }
    }
    ph_put_fmt(out, "]}");
}

void
mapi_message_dump(ph_wbuf_t *out, const mapi_message_t *v)
{
    for (uint32_t i = 0; i < v->names.n; i++) {
        ph_put_fmt(out, "%04x=", v->names.v[i].id);
        mapi_propname_dump(out, &v->names.v[i].name);
        ph_put_u8(out, ' ');
    }
    mapi_message_print(out, v, 0);
}
