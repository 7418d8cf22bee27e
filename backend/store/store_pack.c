/* The packed form of properties, recipients and attachments. */

#include "store_int.h"

#include <stdlib.h>

static uint32_t
store_pack_le32(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}

ph_int_t
store_pack_open(ph_str_t raw, store_pack_t *pack_r)
{
    size_t  head;

    memset(pack_r, 0, sizeof(*pack_r));
    pack_r->raw = raw;

    if (raw.len == 0) {
        return PH_OK;
    }
    if (raw.len < 4 || raw.data[0] != STORE_PACK_VERSION) {
        return PH_CORRUPT;
    }

    pack_r->n = (uint16_t) (raw.data[2] | raw.data[3] << 8);
    head = 4 + (size_t) pack_r->n * 8;
    if (raw.len < head) {
        return PH_CORRUPT;
    }

    pack_r->index = raw.data + 4;
    pack_r->data = raw.data + head;
    pack_r->data_len = raw.len - head;

    return PH_OK;
}

uint32_t
store_pack_tag(const store_pack_t *pack, uint16_t i)
{
    return store_pack_le32(pack->index + (size_t) i * 8);
}

ph_int_t
store_pack_at(const store_pack_t *pack, uint16_t i, ph_pool_t *pool,
    store_packed_t *v_r)
{
    ph_cur_t  cur;
    uint32_t  tag, where, off;
    ph_int_t  rc;

    tag = store_pack_tag(pack, i);
    where = store_pack_le32(pack->index + (size_t) i * 8 + 4);
    off = where & ~STORE_PACK_EXTERNAL;

    if (off > pack->data_len) {
        return PH_CORRUPT;
    }
    ph_cur_init(&cur, pack->data + off, pack->data_len - off);

    if (where & STORE_PACK_EXTERNAL) {
        memset(&v_r->v, 0, sizeof(v_r->v));
        v_r->v.tag = tag;
        v_r->external = true;
        v_r->content = ph_cur_u64(&cur);
        v_r->size = ph_cur_u64(&cur);
        return cur.error ? PH_CORRUPT : PH_OK;
    }

    v_r->external = false;
    v_r->content = 0;
    rc = store_unpack_value(&cur, tag, pool, &v_r->v);
    v_r->size = rc == PH_OK ? store_value_size(&v_r->v) : 0;

    return rc;
}

ph_int_t
store_pack_find(const store_pack_t *pack, uint16_t id, ph_pool_t *pool,
    store_packed_t *v_r)
{
    uint32_t  tag;
    uint16_t  lo, hi, mid;

    lo = 0;
    hi = pack->n;
    while (lo < hi) {
        mid = (uint16_t) (lo + (hi - lo) / 2);
        tag = store_pack_tag(pack, mid);
        if (MAPI_ID(tag) < id) {
            lo = (uint16_t) (mid + 1);
        } else {
            hi = mid;
        }
    }

    if (lo == pack->n || MAPI_ID(store_pack_tag(pack, lo)) != id) {
        return PH_NOTFOUND;
    }

    return store_pack_at(pack, lo, pool, v_r);
}

static void
store_pack_bytes(ph_wbuf_t *b, ph_str_t s)
{
    ph_put_u32(b, (uint32_t) s.len);
    ph_put_str(b, s);
}

static void
store_pack_r8(ph_wbuf_t *b, double r8)
{
    uint64_t  u;

    memcpy(&u, &r8, sizeof(u));
    ph_put_u64(b, u);
}

static void
store_pack_r4(ph_wbuf_t *b, float r4)
{
    uint32_t  u;

    memcpy(&u, &r4, sizeof(u));
    ph_put_u32(b, u);
}

static ph_int_t
store_pack_mv(ph_wbuf_t *b, const mapi_value_t *v)
{
    uint32_t  i, n;

    n = v->u.mv.n;
    ph_put_u32(b, n);

    for (i = 0; i < n; i++) {
        switch (MAPI_TYPE(v->tag)) {
        case PT_MV_I2:
            ph_put_u16(b, (uint16_t) v->u.mv.i2[i]);
            break;
        case PT_MV_LONG:
            ph_put_u32(b, (uint32_t) v->u.mv.i4[i]);
            break;
        case PT_MV_R4:
            store_pack_r4(b, v->u.mv.r4[i]);
            break;
        case PT_MV_DOUBLE:
        case PT_MV_APPTIME:
            store_pack_r8(b, v->u.mv.r8[i]);
            break;
        case PT_MV_CURRENCY:
        case PT_MV_I8:
            ph_put_u64(b, (uint64_t) v->u.mv.i8[i]);
            break;
        case PT_MV_SYSTIME:
            ph_put_u64(b, v->u.mv.time[i]);
            break;
        case PT_MV_CLSID:
            ph_put_bytes(b, v->u.mv.guid[i].b, 16);
            break;
        case PT_MV_STRING8:
        case PT_MV_UNICODE:
        case PT_MV_BINARY:
            store_pack_bytes(b, v->u.mv.bin[i]);
            break;
        default:
            return PH_INVALID;
        }
    }

    return b->error ? PH_NOMEM : PH_OK;
}

ph_int_t
store_pack_value(ph_wbuf_t *b, const mapi_value_t *v)
{
    switch (MAPI_TYPE(v->tag)) {
    case PT_I2:
        ph_put_u16(b, (uint16_t) v->u.i2);
        break;
    case PT_LONG:
        ph_put_u32(b, (uint32_t) v->u.i4);
        break;
    case PT_R4:
        store_pack_r4(b, v->u.r4);
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        store_pack_r8(b, v->u.r8);
        break;
    case PT_BOOLEAN:
        ph_put_u8(b, v->u.b);
        break;
    case PT_CURRENCY:
    case PT_I8:
        ph_put_u64(b, (uint64_t) v->u.i8);
        break;
    case PT_SYSTIME:
        ph_put_u64(b, v->u.time);
        break;
    case PT_CLSID:
        ph_put_bytes(b, v->u.guid.b, 16);
        break;
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        store_pack_bytes(b, v->u.bin);
        break;
    default:
        if (MAPI_TYPE(v->tag) & PT_MV) {
            return store_pack_mv(b, v);
        }
        return PH_INVALID;
    }

    return b->error ? PH_NOMEM : PH_OK;
}

static size_t
store_mv_element(uint16_t type)
{
    switch (type) {
    case PT_MV_I2:
        return 2;
    case PT_MV_LONG:
    case PT_MV_R4:
        return 4;
    case PT_MV_DOUBLE:
    case PT_MV_APPTIME:
    case PT_MV_CURRENCY:
    case PT_MV_I8:
    case PT_MV_SYSTIME:
        return 8;
    case PT_MV_CLSID:
        return 16;
    case PT_MV_STRING8:
    case PT_MV_UNICODE:
    case PT_MV_BINARY:
        return 0;
    default:
        return SIZE_MAX;
    }
}

static ph_int_t
store_unpack_mv(ph_cur_t *cur, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    uint32_t   i, n;
    size_t     size;
    void      *mem;
    ph_str_t  *str, bytes;

    size = store_mv_element(MAPI_TYPE(tag));
    if (size == SIZE_MAX) {
        return PH_CORRUPT;
    }

    n = ph_cur_u32(cur);
    if (!ph_cur_count(cur, n, size ? size : 4)) {
        return PH_CORRUPT;
    }

    v_r->u.mv.n = n;
    if (size == 0) {
        str = ph_pcalloc_array(pool, n, sizeof(*str));
        if (str == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < n; i++) {
            str[i] = ph_cur_bytes(cur, ph_cur_u32(cur));
        }
        v_r->u.mv.str = str;
        return cur->error ? PH_CORRUPT : PH_OK;
    }

    bytes = ph_cur_bytes(cur, n * size);
    if (cur->error) {
        return PH_CORRUPT;
    }
    mem = ph_palloc(pool, bytes.len);
    if (mem == NULL) {
        return PH_NOMEM;
    }
    if (bytes.len) {
        memcpy(mem, bytes.data, bytes.len);
    }
    v_r->u.mv.i2 = mem;

    return PH_OK;
}

ph_int_t
store_unpack_value(ph_cur_t *cur, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    uint64_t  u8;
    uint32_t  u4;
    ph_str_t  s;

    v_r->tag = tag;

    switch (MAPI_TYPE(tag)) {
    case PT_I2:
        v_r->u.i2 = (int16_t) ph_cur_u16(cur);
        break;
    case PT_LONG:
        v_r->u.i4 = (int32_t) ph_cur_u32(cur);
        break;
    case PT_R4:
        u4 = ph_cur_u32(cur);
        memcpy(&v_r->u.r4, &u4, sizeof(u4));
        break;
    case PT_DOUBLE:
    case PT_APPTIME:
        u8 = ph_cur_u64(cur);
        memcpy(&v_r->u.r8, &u8, sizeof(u8));
        break;
    case PT_BOOLEAN:
        v_r->u.b = ph_cur_u8(cur) != 0;
        break;
    case PT_CURRENCY:
    case PT_I8:
        v_r->u.i8 = (int64_t) ph_cur_u64(cur);
        break;
    case PT_SYSTIME:
        v_r->u.time = ph_cur_u64(cur);
        break;
    case PT_CLSID:
        s = ph_cur_bytes(cur, 16);
        if (s.len == 16) {
            memcpy(v_r->u.guid.b, s.data, 16);
        }
        break;
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        v_r->u.bin = ph_cur_bytes(cur, ph_cur_u32(cur));
        break;
    default:
        if (MAPI_TYPE(tag) & PT_MV) {
            return store_unpack_mv(cur, tag, pool, v_r);
        }
        return PH_CORRUPT;
    }

    return cur->error ? PH_CORRUPT : PH_OK;
}

static int
store_pack_cmp(const void *a, const void *b)
{
    const mapi_value_t *const *x = a, *const *y = b;

    return ((*x)->tag > (*y)->tag) - ((*x)->tag < (*y)->tag);
}

ph_int_t
store_pack_values(ph_wbuf_t *b, const mapi_values_t *vals)
{
    const mapi_value_t  **sorted;
    size_t                index, data;
    uint32_t              i;

    if (vals->n > UINT16_MAX || b->pool == NULL) {
        return PH_TOOBIG;
    }
    sorted = ph_pcalloc_array(b->pool, vals->n, sizeof(*sorted));
    if (sorted == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < vals->n; i++) {
        sorted[i] = &vals->v[i];
    }
    qsort(sorted, vals->n, sizeof(*sorted), store_pack_cmp);

    ph_put_u8(b, STORE_PACK_VERSION);
    ph_put_u8(b, 0);
    ph_put_u16(b, (uint16_t) vals->n);
    index = b->len;
    ph_put_fill(b, 0, vals->n * 8);
    data = b->len;

    for (i = 0; i < vals->n && !b->error; i++) {
        ph_poke_u32(b, index + i * 8, sorted[i]->tag);
        ph_poke_u32(b, index + i * 8 + 4, (uint32_t) (b->len - data));
        store_try(store_pack_value(b, sorted[i]));
    }

    return b->error ? PH_NOMEM : PH_OK;
}

ph_int_t
store_pack_rows(ph_str_t raw, bool attachments, store_pack_rows_t *rows_r)
{
    memset(rows_r, 0, sizeof(*rows_r));
    rows_r->attachments = attachments;
    ph_cur_init(&rows_r->cur, raw.data, raw.len);

    if (raw.len == 0) {
        return PH_OK;
    }
    if (ph_cur_u8(&rows_r->cur) != STORE_PACK_VERSION) {
        return PH_CORRUPT;
    }
    rows_r->left = ph_cur_u32(&rows_r->cur);

    return ph_cur_count(&rows_r->cur, rows_r->left, attachments ? 12 : 8)
           ? PH_OK : PH_CORRUPT;
}

ph_int_t
store_pack_next(store_pack_rows_t *rows)
{
    if (rows->left == 0) {
        return PH_DONE;
    }
    rows->left--;
    rows->num = ph_cur_u32(&rows->cur);
    rows->props = ph_cur_bytes(&rows->cur, ph_cur_u32(&rows->cur));
    if (rows->attachments) {
        rows->embedded = ph_cur_bytes(&rows->cur, ph_cur_u32(&rows->cur));
    }

    return rows->cur.error ? PH_CORRUPT : PH_OK;
}

ph_int_t
store_pack_message(ph_str_t raw, store_pack_message_t *m_r)
{
    ph_cur_t  cur;

    ph_cur_init(&cur, raw.data, raw.len);
    if (ph_cur_u8(&cur) != STORE_PACK_VERSION) {
        return PH_CORRUPT;
    }
    m_r->next_attach = ph_cur_u32(&cur);
    m_r->props = ph_cur_bytes(&cur, ph_cur_u32(&cur));
    m_r->recipients = ph_cur_bytes(&cur, ph_cur_u32(&cur));
    m_r->attachments = ph_cur_bytes(&cur, ph_cur_u32(&cur));

    return cur.error ? PH_CORRUPT : PH_OK;
}
