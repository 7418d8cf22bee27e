#include "ph_buf.h"
#include "ph_pool.h"

#include <stdio.h>

#define PH_WBUF_FIRST  256

void
ph_cur_init(ph_cur_t *cur, const void *data, size_t len)
{
    /* a pointer for an empty input too, so that no arithmetic meets NULL */

    cur->start = data != NULL ? data : (const uint8_t *) "";
    cur->pos = cur->start;
    cur->end = cur->start + (data != NULL ? len : 0);
    cur->error = data == NULL && len != 0;
}

void
ph_cur_fail(ph_cur_t *cur)
{
    cur->error = true;
}

static inline bool
ph_cur_has(ph_cur_t *cur, size_t n)
{
    if (cur->error || n > (size_t) (cur->end - cur->pos)) {
        cur->error = true;
        return false;
    }

    return true;
}

uint8_t
ph_cur_u8(ph_cur_t *cur)
{
    return ph_cur_has(cur, 1) ? *cur->pos++ : 0;
}

uint16_t
ph_cur_u16(ph_cur_t *cur)
{
    uint16_t  v;

    if (!ph_cur_has(cur, 2)) {
        return 0;
    }

    v = (uint16_t) (cur->pos[0] | cur->pos[1] << 8);
    cur->pos += 2;

    return v;
}

uint32_t
ph_cur_u32(ph_cur_t *cur)
{
    uint32_t  v;

    if (!ph_cur_has(cur, 4)) {
        return 0;
    }

    v = (uint32_t) cur->pos[0] | (uint32_t) cur->pos[1] << 8
        | (uint32_t) cur->pos[2] << 16 | (uint32_t) cur->pos[3] << 24;
    cur->pos += 4;

    return v;
}

uint64_t
ph_cur_u64(ph_cur_t *cur)
{
    uint64_t  low, high;

    if (!ph_cur_has(cur, 8)) {
        return 0;
    }

    low = ph_cur_u32(cur);
    high = ph_cur_u32(cur);

    return low | high << 32;
}

ph_str_t
ph_cur_bytes(ph_cur_t *cur, size_t n)
{
    ph_str_t  s;

    if (!ph_cur_has(cur, n)) {
        return ph_str_null;
    }

    s.len = n;
    s.data = cur->pos;
    cur->pos += n;

    return s;
}

ph_str_t
ph_cur_rest(ph_cur_t *cur)
{
    if (cur->error) {
        return ph_str_null;
    }

    return ph_cur_bytes(cur, (size_t) (cur->end - cur->pos));
}

ph_str_t
ph_cur_astr(ph_cur_t *cur)
{
    ph_str_t        s;
    const uint8_t  *nul;

    if (!ph_cur_has(cur, 1)) {
        return ph_str_null;
    }

    nul = memchr(cur->pos, '\0', (size_t) (cur->end - cur->pos));
    if (nul == NULL) {
        cur->error = true;
        return ph_str_null;
    }

    s.data = cur->pos;
    s.len = (size_t) (nul - cur->pos);
    cur->pos = nul + 1;

    return s;
}

ph_str_t
ph_cur_wstr(ph_cur_t *cur)
{
    size_t    i, left;
    ph_str_t  s;

    if (!ph_cur_has(cur, 2)) {
        return ph_str_null;
    }

    left = (size_t) (cur->end - cur->pos);

    for (i = 0; i + 1 < left; i += 2) {
        if (cur->pos[i] == 0 && cur->pos[i + 1] == 0) {
            s.data = cur->pos;
            s.len = i;
            cur->pos += i + 2;
            return s;
        }
    }

    cur->error = true;

    return ph_str_null;
}

ph_cur_t
ph_cur_sub(ph_cur_t *cur, size_t n)
{
    ph_cur_t  sub;
    ph_str_t  s;

    s = ph_cur_bytes(cur, n);

    ph_cur_init(&sub, s.data, s.len);
    sub.error = cur->error;

    return sub;
}

bool
ph_cur_count(ph_cur_t *cur, size_t count, size_t min_size)
{
    size_t  total;

    if (ph_mul_overflow(count, min_size, &total)) {
        cur->error = true;
        return false;
    }

    return ph_cur_has(cur, total);
}

void
ph_wbuf_init(ph_wbuf_t *b, ph_pool_t *pool, size_t limit)
{
    memset(b, 0, sizeof(*b));
    b->pool = pool;
    b->limit = limit;
}

void
ph_wbuf_init_fixed(ph_wbuf_t *b, void *mem, size_t size)
{
    memset(b, 0, sizeof(*b));
    b->data = mem;
    b->cap = size;
    b->limit = size;
}

static bool
ph_wbuf_grow(ph_wbuf_t *b, size_t need)
{
    size_t    cap;
    uint8_t  *data;

    if (b->pool == NULL) {
        return false;
    }

    cap = b->cap != 0 ? b->cap : PH_WBUF_FIRST;

    while (cap < need) {
        if (ph_mul_overflow(cap, (size_t) 2, &cap)) {
            cap = need;
        }
    }

    cap = ph_min(cap, ph_max(b->limit, need));

    data = ph_prealloc(b->pool, b->data, b->cap, cap);
    if (data == NULL) {
        return false;
    }

    b->data = data;
    b->cap = cap;

    return true;
}

uint8_t *
ph_put_space(ph_wbuf_t *b, size_t n)
{
    size_t    need;
    uint8_t  *p;

    if (b->error
        || ph_add_overflow(b->len, n, &need)
        || need > b->limit
        || (need > b->cap && !ph_wbuf_grow(b, need))
        || (b->data == NULL && !ph_wbuf_grow(b, PH_WBUF_FIRST)))
    {
        b->error = true;
        return NULL;
    }

    p = b->data + b->len;
    b->len = need;

    return p;
}

void
ph_put_u8(ph_wbuf_t *b, uint8_t v)
{
    uint8_t  *p;

    p = ph_put_space(b, 1);
    if (p != NULL) {
        p[0] = v;
    }
}

static inline void
ph_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t) v;
    p[1] = (uint8_t) (v >> 8);
}

static inline void
ph_store_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t) v;
    p[1] = (uint8_t) (v >> 8);
    p[2] = (uint8_t) (v >> 16);
    p[3] = (uint8_t) (v >> 24);
}

void
ph_put_u16(ph_wbuf_t *b, uint16_t v)
{
    uint8_t  *p;

    p = ph_put_space(b, 2);
    if (p != NULL) {
        ph_store_u16(p, v);
    }
}

void
ph_put_u32(ph_wbuf_t *b, uint32_t v)
{
    uint8_t  *p;

    p = ph_put_space(b, 4);
    if (p != NULL) {
        ph_store_u32(p, v);
    }
}

void
ph_put_u64(ph_wbuf_t *b, uint64_t v)
{
    uint8_t  *p;

    p = ph_put_space(b, 8);
    if (p != NULL) {
        ph_store_u32(p, (uint32_t) v);
        ph_store_u32(p + 4, (uint32_t) (v >> 32));
    }
}

void
ph_put_bytes(ph_wbuf_t *b, const void *data, size_t len)
{
    uint8_t  *p;

    p = ph_put_space(b, len);
    if (p != NULL && len != 0) {
        memcpy(p, data, len);
    }
}

void
ph_put_str(ph_wbuf_t *b, ph_str_t s)
{
    ph_put_bytes(b, s.data, s.len);
}

void
ph_put_fill(ph_wbuf_t *b, uint8_t byte, size_t n)
{
    uint8_t  *p;

    p = ph_put_space(b, n);
    if (p != NULL) {
        memset(p, byte, n);
    }
}

void
ph_put_fmt(ph_wbuf_t *b, const char *fmt, ...)
{
    int       n;
    char      small[256], *end;
    va_list   args;

    va_start(args, fmt);
    n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);

    if (n < 0) {
        b->error = true;
        return;
    }

    if ((size_t) n < sizeof(small)) {
        ph_put_bytes(b, small, (size_t) n);
        return;
    }

    /* vsnprintf() ends with a NUL, which is taken back */

    end = (char *) ph_put_space(b, (size_t) n + 1);
    if (end == NULL) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(end, (size_t) n + 1, fmt, args);
    va_end(args);

    b->len--;
}

void
ph_poke_u16(ph_wbuf_t *b, size_t off, uint16_t v)
{
    if (b->len < 2 || off > b->len - 2) {
        b->error = true;
        return;
    }

    ph_store_u16(b->data + off, v);
}

void
ph_poke_u32(ph_wbuf_t *b, size_t off, uint32_t v)
{
    if (b->len < 4 || off > b->len - 4) {
        b->error = true;
        return;
    }

    ph_store_u32(b->data + off, v);
}

void
ph_wbuf_truncate(ph_wbuf_t *b, size_t len)
{
    if (len <= b->len) {
        b->len = len;
    }

    b->error = false;
}
