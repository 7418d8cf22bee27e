#include "mapi/mapi_desc.h"

#include <stdlib.h>

void
mapi_globcnt_put(uint8_t to[6], uint64_t counter)
{
    for (int i = 5; i >= 0; i--) {
        to[i] = (uint8_t) counter;
        counter >>= 8;
    }
}

uint64_t
mapi_globcnt_get(const uint8_t from[6])
{
    uint64_t  counter = 0;

    for (int i = 0; i < 6; i++) {
        counter = counter << 8 | from[i];
    }
    return counter;
}

void
mapi_gid_make(uint8_t to[MAPI_GID], const mapi_guid_t *replguid,
    uint64_t counter)
{
    memcpy(to, replguid->b, sizeof(replguid->b));
    mapi_globcnt_put(to + sizeof(replguid->b), counter);
}

ph_int_t
mapi_ltid_decode(ph_cur_t *cur, ph_pool_t *pool, const mapi_ctx_t *ctx,
    mapi_ltid_t *v)
{
    uint8_t  b[6];

    (void) pool;
    (void) ctx;
    v->guid = mapi_guid_read(cur);
    mapi_bytes_read(cur, b, sizeof(b));
    v->counter = mapi_globcnt_get(b);
    v->pad = ph_cur_u16(cur);
    return cur->error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_ltid_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, const mapi_ltid_t *v)
{
    uint8_t  c[6];

    (void) ctx;
    mapi_globcnt_put(c, v->counter);
    ph_put_bytes(b, v->guid.b, sizeof(v->guid.b));
    ph_put_bytes(b, c, sizeof(c));
    ph_put_u16(b, v->pad);
    return b->error ? PH_TOOBIG : PH_OK;
}

void
mapi_ltid_dump(ph_wbuf_t *out, const mapi_ltid_t *v)
{
    mapi_dump_guid(out, &v->guid);
    ph_put_fmt(out, "-%" PRIx64, v->counter);
}

/* ---- predecessor change lists ---- */

/* one SizedXid; false at the end or, with error set, at broken input */
static bool
mapi_pcl_next(ph_cur_t *cur, ph_str_t *xid)
{
    uint8_t  size;

    if (ph_cur_left(cur) == 0) {
        return false;
    }
    size = ph_cur_u8(cur);
    if (size < MAPI_XID_MIN || size > MAPI_XID_MAX) {
        ph_cur_fail(cur);
        return false;
    }
    *xid = ph_cur_bytes(cur, size);
    return !cur->error;
}

bool
mapi_pcl_valid(ph_str_t pcl)
{
    ph_cur_t  cur;
    ph_str_t  xid, last = ph_str_null;

    ph_cur_init(&cur, pcl.data, pcl.len);
    while (mapi_pcl_next(&cur, &xid)) {
        if (last.data != NULL && memcmp(last.data, xid.data, 16) >= 0) {
            return false;
        }
        last = xid;
    }
    return !cur.error;
}

/* LocalIds of one namespace: the longer one is the later one */
static int
mapi_xid_order(ph_str_t a, ph_str_t b)
{
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return memcmp(a.data + 16, b.data + 16, a.len - 16);
}

static void
mapi_pcl_put(ph_wbuf_t *out, ph_str_t xid)
{
    ph_put_u8(out, (uint8_t) xid.len);
    ph_put_str(out, xid);
}

static int
mapi_pcl_by_guid(const void *a, const void *b)
{
    int              order;
    const ph_str_t  *x = a, *y = b;

    order = memcmp(x->data, y->data, 16);

    return order != 0 ? order : mapi_xid_order(*x, *y);
}

ph_int_t
mapi_pcl_sorted(ph_pool_t *pool, ph_str_t pcl, ph_str_t *pcl_r)
{
    size_t      i, n;
    ph_cur_t    cur;
    ph_str_t   *xid;
    ph_wbuf_t   out;

    xid = ph_pcalloc_array(pool, pcl.len / (1 + MAPI_XID_MIN) + 1,
                           sizeof(*xid));
    if (xid == NULL) {
        return PH_NOMEM;
    }
    n = 0;
    ph_cur_init(&cur, pcl.data, pcl.len);
    while (mapi_pcl_next(&cur, &xid[n])) {
        n++;
    }
    if (cur.error) {
        return PH_INVALID;
    }

    qsort(xid, n, sizeof(*xid), mapi_pcl_by_guid);
    ph_wbuf_init(&out, pool, pcl.len + 1);
    for (i = 0; i < n; i++) {
        /* of one namespace the last one is the greatest */
        if (i + 1 == n || memcmp(xid[i].data, xid[i + 1].data, 16) != 0) {
            mapi_pcl_put(&out, xid[i]);
        }
    }
    *pcl_r = out.len ? ph_wbuf_str(&out) : ph_str_lit("");

    return out.error ? PH_NOMEM : PH_OK;
}

ph_int_t
mapi_pcl_merge(ph_pool_t *pool, ph_str_t a, ph_str_t b, ph_str_t *pcl_r)
{
    ph_cur_t   ca, cb;
    ph_str_t   xa = ph_str_null, xb = ph_str_null;
    ph_wbuf_t  out;
    bool       has_a, has_b;
    int        order;

    if (!mapi_pcl_valid(a) || !mapi_pcl_valid(b)) {
        return PH_INVALID;
    }
    ph_wbuf_init(&out, pool, a.len + b.len + 1);
    ph_cur_init(&ca, a.data, a.len);
    ph_cur_init(&cb, b.data, b.len);
    has_a = mapi_pcl_next(&ca, &xa);
    has_b = mapi_pcl_next(&cb, &xb);
    while (has_a || has_b) {
        order = !has_a ? 1 : !has_b ? -1 : memcmp(xa.data, xb.data, 16);
        if (order == 0) {
            mapi_pcl_put(&out, mapi_xid_order(xa, xb) >= 0 ? xa : xb);
        } else {
            mapi_pcl_put(&out, order < 0 ? xa : xb);
        }
        if (order <= 0) {
            has_a = mapi_pcl_next(&ca, &xa);
        }
        if (order >= 0) {
            has_b = mapi_pcl_next(&cb, &xb);
        }
    }
    *pcl_r = ph_wbuf_str(&out);
    if (out.len == 0) {
        *pcl_r = ph_str_lit("");
    }
    return out.error ? PH_NOMEM : PH_OK;
}

ph_int_t
mapi_pcl_add(ph_pool_t *pool, ph_str_t pcl, ph_str_t xid, ph_str_t *pcl_r)
{
    uint8_t  one[1 + MAPI_XID_MAX];

    if (xid.len < MAPI_XID_MIN || xid.len > MAPI_XID_MAX) {
        return PH_INVALID;
    }
    one[0] = (uint8_t) xid.len;
    memcpy(one + 1, xid.data, xid.len);
    return mapi_pcl_merge(pool, pcl, (ph_str_t) { xid.len + 1, one }, pcl_r);
}

mapi_pcl_order_t
mapi_pcl_compare(ph_str_t a, ph_str_t b)
{
    ph_cur_t  ca, cb;
    ph_str_t  xa = ph_str_null, xb = ph_str_null;
    bool      has_a, has_b, a_more = false, b_more = false;
    int       order;

    if (!mapi_pcl_valid(a) || !mapi_pcl_valid(b)) {
        return MAPI_PCL_INVALID;
    }
    ph_cur_init(&ca, a.data, a.len);
    ph_cur_init(&cb, b.data, b.len);
    has_a = mapi_pcl_next(&ca, &xa);
    has_b = mapi_pcl_next(&cb, &xb);
    while (has_a || has_b) {
        order = !has_a ? 1 : !has_b ? -1 : memcmp(xa.data, xb.data, 16);
        if (order == 0) {
            int  later = mapi_xid_order(xa, xb);

            a_more |= later > 0;
            b_more |= later < 0;
        } else {
            a_more |= order < 0;
            b_more |= order > 0;
        }
        if (order <= 0) {
            has_a = mapi_pcl_next(&ca, &xa);
        }
        if (order >= 0) {
            has_b = mapi_pcl_next(&cb, &xb);
        }
    }
    return a_more ? (b_more ? MAPI_PCL_CONFLICT : MAPI_PCL_INCLUDES)
                  : (b_more ? MAPI_PCL_INCLUDED : MAPI_PCL_EQUAL);
}
