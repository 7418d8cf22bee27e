/* UTF-8 and UTF-16LE.  One reader a form; everything else is built on them. */

#include "ph_str.h"
#include "ph_pool.h"

#define PH_UTF_BAD      0xffffffffu
#define PH_UTF_REPLACE  0xfffdu

/*
 * Reads one character of UTF-8; *used_r bytes are consumed, at least one.
 * PH_UTF_BAD for what is not well-formed (Unicode 15, table 3-7): the longest
 * prefix of a well-formed sequence counts as one error.
 */
static uint32_t
ph_utf8_next(const uint8_t *p, size_t left, size_t *used_r)
{
    size_t    i, n;
    uint8_t   low, high;
    uint32_t  c;

    c = p[0];
    *used_r = 1;

    if (c < 0x80) {
        return c;
    }

    low = 0x80;
    high = 0xbf;

    if (c >= 0xc2 && c <= 0xdf) {
        n = 2;
        c &= 0x1f;

    } else if (c >= 0xe0 && c <= 0xef) {
        n = 3;
        low = c == 0xe0 ? 0xa0 : low;
        high = c == 0xed ? 0x9f : high;
        c &= 0x0f;

    } else if (c >= 0xf0 && c <= 0xf4) {
        n = 4;
        low = c == 0xf0 ? 0x90 : low;
        high = c == 0xf4 ? 0x8f : high;
        c &= 0x07;

    } else {
        return PH_UTF_BAD;
    }

    for (i = 1; i < n; i++) {
        if (i >= left || p[i] < low || p[i] > high) {
            return PH_UTF_BAD;
        }

        c = c << 6 | (p[i] & 0x3f);
        *used_r = i + 1;
        low = 0x80;
        high = 0xbf;
    }

    return c;
}

static size_t
ph_utf8_size(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static uint8_t *
ph_utf8_write(uint8_t *p, uint32_t c)
{
    if (c < 0x80) {
        *p++ = (uint8_t) c;

    } else if (c < 0x800) {
        *p++ = (uint8_t) (0xc0 | c >> 6);
        *p++ = (uint8_t) (0x80 | (c & 0x3f));

    } else if (c < 0x10000) {
        *p++ = (uint8_t) (0xe0 | c >> 12);
        *p++ = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        *p++ = (uint8_t) (0x80 | (c & 0x3f));

    } else {
        *p++ = (uint8_t) (0xf0 | c >> 18);
        *p++ = (uint8_t) (0x80 | (c >> 12 & 0x3f));
        *p++ = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        *p++ = (uint8_t) (0x80 | (c & 0x3f));
    }

    return p;
}

/* as ph_utf8_next(); left is at least 2, lone surrogates are PH_UTF_REPLACE */
static uint32_t
ph_utf16_next(const uint8_t *p, size_t left, size_t *used_r)
{
    uint32_t  c, d;

    c = (uint32_t) (p[0] | p[1] << 8);
    *used_r = 2;

    if (c < 0xd800 || c > 0xdfff) {
        return c;
    }

    if (c > 0xdbff || left < 4) {
        return PH_UTF_REPLACE;
    }

    d = (uint32_t) (p[2] | p[3] << 8);

    if (d < 0xdc00 || d > 0xdfff) {
        return PH_UTF_REPLACE;
    }

    *used_r = 4;

    return 0x10000 + ((c - 0xd800) << 10) + (d - 0xdc00);
}

/* the bytes of s before the first that is not ASCII */
static size_t
ph_ascii_prefix(ph_str_t s)
{
    size_t    i;
    uint64_t  v;

    for (i = 0; s.len - i >= sizeof(v); i += sizeof(v)) {
        memcpy(&v, s.data + i, sizeof(v));

        if (v & UINT64_C(0x8080808080808080)) {
            break;
        }
    }

    while (i < s.len && s.data[i] < 0x80) {
        i++;
    }

    return i;
}

bool
ph_utf8_valid(ph_str_t s)
{
    size_t  i, used;

    for (i = ph_ascii_prefix(s); i < s.len; i += used) {
        if (ph_utf8_next(s.data + i, s.len - i, &used) == PH_UTF_BAD) {
            return false;
        }
    }

    return true;
}

ph_str_t
ph_utf8_scrub(ph_pool_t *pool, ph_str_t s)
{
    size_t     i, used, size;
    uint8_t   *out, *p;
    uint32_t   c;

    if (ph_utf8_valid(s)) {
        return s.data != NULL ? s : ph_str_lit("");
    }

    size = 1;

    for (i = 0; i < s.len; i += used) {
        c = ph_utf8_next(s.data + i, s.len - i, &used);
        size += ph_utf8_size(c == PH_UTF_BAD ? PH_UTF_REPLACE : c);
    }

    out = ph_palloc(pool, size);
    if (out == NULL) {
        return ph_str_null;
    }

    p = out;

    for (i = 0; i < s.len; i += used) {
        c = ph_utf8_next(s.data + i, s.len - i, &used);
        p = ph_utf8_write(p, c == PH_UTF_BAD ? PH_UTF_REPLACE : c);
    }

    *p = '\0';

    return (ph_str_t) { (size_t) (p - out), out };
}

ph_str_t
ph_utf16_to_utf8(ph_pool_t *pool, ph_str_t utf16)
{
    size_t    i, used, size, len;
    uint8_t  *out, *p;

    len = utf16.len & ~(size_t) 1;
    size = 1;

    for (i = 0; i < len; i += used) {
        size += ph_utf8_size(ph_utf16_next(utf16.data + i, len - i, &used));
    }

    out = ph_palloc(pool, size);
    if (out == NULL) {
        return ph_str_null;
    }

    p = out;

    for (i = 0; i < len; i += used) {
        p = ph_utf8_write(p, ph_utf16_next(utf16.data + i, len - i, &used));
    }

    *p = '\0';

    return (ph_str_t) { (size_t) (p - out), out };
}

size_t
ph_utf16_len(ph_str_t utf8)
{
    size_t    i, used, size;
    uint32_t  c;

    i = ph_ascii_prefix(utf8);
    size = 2 * i;

    for ( ; i < utf8.len; i += used) {
        c = ph_utf8_next(utf8.data + i, utf8.len - i, &used);
        size += c != PH_UTF_BAD && c > 0xffff ? 4 : 2;
    }

    return size;
}

ph_str_t
ph_utf8_to_utf16(ph_pool_t *pool, ph_str_t utf8)
{
    size_t     i, used, size;
    uint8_t   *out, *p;
    uint32_t   c;

    if (utf8.len > SIZE_MAX / 2 - 2) {
        return ph_str_null;
    }

    size = ph_utf16_len(utf8);

    out = ph_palloc(pool, size + 2);
    if (out == NULL) {
        return ph_str_null;
    }

    p = out;

    for (i = 0; i < utf8.len; i += used) {
        c = ph_utf8_next(utf8.data + i, utf8.len - i, &used);

        if (c == PH_UTF_BAD) {
            c = PH_UTF_REPLACE;
        }

        if (c > 0xffff) {
            c -= 0x10000;
            *p++ = (uint8_t) (c >> 10);
            *p++ = (uint8_t) (0xd8 | c >> 18);
            *p++ = (uint8_t) c;
            *p++ = (uint8_t) (0xdc | (c >> 8 & 3));

        } else {
            *p++ = (uint8_t) c;
            *p++ = (uint8_t) (c >> 8);
        }
    }

    p[0] = 0;
    p[1] = 0;

    return (ph_str_t) { size, out };
}

size_t
ph_utf8_cut(ph_str_t s, size_t max)
{
    size_t  n, back;

    if (s.len <= max) {
        return s.len;
    }

    /* s[max] exists; step back while it continues a character */

    n = max;

    for (back = 0; back < 3 && n != 0; back++) {
        if ((s.data[n] & 0xc0) != 0x80) {
            return n;
        }

        n--;
    }

    return (s.data[n] & 0xc0) != 0x80 ? n : max;
}
