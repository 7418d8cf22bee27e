#include "ph_str.h"
#include "ph_pool.h"

static inline uint8_t
ph_ascii_lower(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') ? (uint8_t) (c | 0x20) : c;
}

bool
ph_str_eq(ph_str_t a, ph_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
ph_str_ieq(ph_str_t a, ph_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return false;
    }

    for (i = 0; i < a.len; i++) {
        if (ph_ascii_lower(a.data[i]) != ph_ascii_lower(b.data[i])) {
            return false;
        }
    }

    return true;
}

bool
ph_str_eq_c(ph_str_t a, const char *c)
{
    return ph_str_eq(a, ph_str_c(c));
}

bool
ph_str_ieq_c(ph_str_t a, const char *c)
{
    return ph_str_ieq(a, ph_str_c(c));
}

ph_str_t
ph_str_c(const char *c)
{
    if (c == NULL) {
        return ph_str_null;
    }

    return (ph_str_t) { strlen(c), (const uint8_t *) c };
}

static inline bool
ph_ascii_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

ph_str_t
ph_str_trim(ph_str_t s)
{
    while (s.len != 0 && ph_ascii_space(s.data[0])) {
        s.data++;
        s.len--;
    }

    while (s.len != 0 && ph_ascii_space(s.data[s.len - 1])) {
        s.len--;
    }

    return s;
}

ph_str_t
ph_str_lower(ph_pool_t *pool, ph_str_t s)
{
    size_t    i;
    uint8_t  *p;

    s = ph_pstrdup(pool, s);
    if (s.data == NULL) {
        return ph_str_null;
    }

    p = (uint8_t *) s.data;

    for (i = 0; i < s.len; i++) {
        p[i] = ph_ascii_lower(p[i]);
    }

    return s;
}

ph_int_t
ph_str_u64(ph_str_t s, uint64_t *v_r)
{
    size_t    i;
    uint64_t  v;

    if (s.len == 0) {
        return PH_INVALID;
    }

    v = 0;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9'
            || ph_mul_overflow(v, (uint64_t) 10, &v)
            || ph_add_overflow(v, (uint64_t) (s.data[i] - '0'), &v))
        {
            return PH_INVALID;
        }
    }

    *v_r = v;

    return PH_OK;
}

bool
ph_str_secret_eq(ph_str_t a, ph_str_t b)
{
    size_t            i;
    volatile uint8_t  diff;

    diff = a.len != b.len;

    for (i = 0; i < a.len; i++) {
        diff = (uint8_t) (diff | (a.data[i] ^ (b.len != 0
                                               ? b.data[i % b.len] : 0)));
    }

    return diff == 0;
}

void
ph_hex_encode(char *out, const void *data, size_t len)
{
    size_t             i;
    const uint8_t     *p;
    static const char  digits[] = "0123456789abcdef";

    p = data;

    for (i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }

    out[2 * len] = '\0';
}

int
ph_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c = ph_ascii_lower(c);

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}

ph_int_t
ph_hex_decode(uint8_t *out, size_t out_len, ph_str_t hex)
{
    int     high, low;
    size_t  i;

    if (hex.len % 2 != 0 || hex.len / 2 != out_len) {
        return PH_INVALID;
    }

    for (i = 0; i < out_len; i++) {
        high = ph_hex_digit(hex.data[2 * i]);
        low = ph_hex_digit(hex.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return PH_INVALID;
        }

        out[i] = (uint8_t) (high << 4 | low);
    }

    return PH_OK;
}

ph_int_t
ph_base64_encode(ph_pool_t *pool, ph_str_t in, ph_str_t *out_r)
{
    size_t             i, groups, size;
    uint8_t           *out, *p;
    uint32_t           v;
    static const char  digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    groups = in.len / 3 + (in.len % 3 != 0);

    if (ph_mul_overflow(groups, (size_t) 4, &size)
        || (out = ph_palloc(pool, size + 1)) == NULL)
    {
        return PH_NOMEM;
    }

    p = out;

    for (i = 0; in.len - i >= 3; i += 3) {
        v = (uint32_t) in.data[i] << 16 | (uint32_t) in.data[i + 1] << 8
            | in.data[i + 2];
        *p++ = (uint8_t) digits[v >> 18];
        *p++ = (uint8_t) digits[v >> 12 & 63];
        *p++ = (uint8_t) digits[v >> 6 & 63];
        *p++ = (uint8_t) digits[v & 63];
    }

    if (in.len - i != 0) {
        v = (uint32_t) in.data[i] << 16;

        if (in.len - i == 2) {
            v |= (uint32_t) in.data[i + 1] << 8;
        }

        *p++ = (uint8_t) digits[v >> 18];
        *p++ = (uint8_t) digits[v >> 12 & 63];
        *p++ = in.len - i == 2 ? (uint8_t) digits[v >> 6 & 63] : '=';
        *p++ = '=';
    }

    *p = '\0';

    out_r->len = size;
    out_r->data = out;

    return PH_OK;
}

static int
ph_base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ph_int_t
ph_base64_decode(ph_pool_t *pool, ph_str_t in, ph_str_t *out_r)
{
    int        d;
    size_t     i, j, pad, size;
    uint8_t   *out;
    uint32_t   v;

    if (in.len % 4 != 0) {
        return PH_INVALID;
    }

    pad = 0;

    if (in.len != 0 && in.data[in.len - 1] == '=') {
        pad = in.data[in.len - 2] == '=' ? 2 : 1;
    }

    size = in.len / 4 * 3 - pad;

    out = ph_palloc(pool, size + 3);
    if (out == NULL) {
        return PH_NOMEM;
    }

    out_r->data = out;
    out_r->len = size;

    for (i = 0; i < in.len; i += 4) {
        v = 0;

        for (j = 0; j < 4; j++) {
            d = i + j >= in.len - pad ? 0 : ph_base64_digit(in.data[i + j]);

            if (d < 0) {
                return PH_INVALID;
            }

            v = v << 6 | (uint32_t) d;
        }

        if (i + 4 == in.len
            && ((pad == 1 && (v & 0xff) != 0)
                || (pad == 2 && (v & 0xffff) != 0)))
        {
            return PH_INVALID;      /* bits behind the end must be zero */
        }

        *out++ = (uint8_t) (v >> 16);
        *out++ = (uint8_t) (v >> 8);
        *out++ = (uint8_t) v;
    }

    return PH_OK;
}
