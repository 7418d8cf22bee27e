/*
 * Folded keys for unique names and for sorting.  They are stored and compared
 * bytewise: a new version of ICU may fold a new character otherwise, but it
 * cannot break an index.
 */

#include "store_int.h"
#include "lib/ph_str.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#define STORE_FOLD_CHARS     1024    /* UTF-16 units that are looked at */
#define STORE_FOLD_SORT_MAX  128     /* bytes of a sort key */

static bool
store_fold_ascii(ph_pool_t *pool, ph_str_t s, size_t max, ph_str_t *out_r)
{
    size_t    i, n;
    uint8_t  *p;

    n = ph_min(s.len, max);
    for (i = 0; i < n; i++) {
        if (s.data[i] & 0x80) {
            return false;
        }
    }
    p = ph_palloc(pool, n);
    out_r->data = p;
    out_r->len = n;
    for (i = 0; p && i < n; i++) {
        p[i] = s.data[i] >= 'A' && s.data[i] <= 'Z' ? s.data[i] | 0x20
                                                    : s.data[i];
    }

    return true;
}

size_t
store_chars(ph_str_t s)
{
    return ph_utf16_len(s) / 2;
}

ph_str_t
store_upper(ph_pool_t *pool, ph_str_t s)
{
    int32_t     n, m;
    UChar      *a, *b;
    uint8_t    *out;
    int32_t     len;
    UErrorCode  err;

    if (s.len > STORE_FOLD_CHARS) {
        s.len = ph_utf8_cut(s, STORE_FOLD_CHARS);
    }
    a = ph_palloc(pool, STORE_FOLD_CHARS * 2 * sizeof(UChar));
    b = ph_palloc(pool, STORE_FOLD_CHARS * 4 * sizeof(UChar));
    out = ph_palloc(pool, STORE_FOLD_CHARS * 12);
    if (a == NULL || b == NULL || out == NULL) {
        return ph_str_null;
    }
    err = U_ZERO_ERROR;
    u_strFromUTF8WithSub(a, STORE_FOLD_CHARS * 2, &n, (const char *) s.data,
                         (int32_t) s.len, 0xFFFD, NULL, &err);
    m = u_strToUpper(b, STORE_FOLD_CHARS * 4, a, n, "", &err);
    u_strToUTF8((char *) out, STORE_FOLD_CHARS * 12, &len, b, m, &err);
    if (U_FAILURE(err)) {
        return ph_pstrdup(pool, s);
    }

    return (ph_str_t) { (size_t) len, out };
}

ph_str_t
store_fold(ph_pool_t *pool, ph_str_t s, unsigned flags)
{
    size_t               cut;
    int32_t              n, i, o, m;
    UChar               *a, *b;
    UChar32              c;
    uint8_t             *out;
    ph_str_t             r;
    UErrorCode           err;
    const UNormalizer2  *norm;

    cut = flags & STORE_FOLD_SORT ? STORE_FOLD_SORT_MAX : s.len;
    if (store_fold_ascii(pool, s, cut, &r)) {
        return r;
    }

    /* enough input for a sort key, at a character's end */
    cut = ph_min(s.len, (size_t) STORE_FOLD_CHARS);
    s.len = ph_utf8_cut(s, cut);

    a = ph_palloc(pool, STORE_FOLD_CHARS * 8 * sizeof(UChar));
    b = ph_palloc(pool, STORE_FOLD_CHARS * 8 * sizeof(UChar));
    if (a == NULL || b == NULL) {
        return ph_str_null;
    }

    err = U_ZERO_ERROR;
    u_strFromUTF8WithSub(a, STORE_FOLD_CHARS * 8, &n, (const char *) s.data,
                         (int32_t) s.len, 0xFFFD, NULL, &err);
    norm = flags & STORE_FOLD_SORT ? unorm2_getNFKDInstance(&err)
                                   : unorm2_getNFKCInstance(&err);
    m = u_strFoldCase(b, STORE_FOLD_CHARS * 8, a, n, U_FOLD_CASE_DEFAULT,
                      &err);
    n = unorm2_normalize(norm, b, m, a, STORE_FOLD_CHARS * 8, &err);
    if (U_FAILURE(err)) {
        /* a key all the same, if a poor one */
        return ph_pstrdup(pool, s);
    }

    out = ph_palloc(pool, (size_t) n * 3 + 1);
    if (out == NULL) {
        return ph_str_null;
    }
    for (i = 0, o = 0; i < n;) {
        U16_NEXT(a, i, n, c);
        if ((flags & STORE_FOLD_SORT)
            && (u_charType(c) == U_NON_SPACING_MARK
                || o + 4 > STORE_FOLD_SORT_MAX))
        {
            if (o + 4 > STORE_FOLD_SORT_MAX) {
                break;
            }
            continue;
        }
        if (U_IS_SURROGATE(c)) {
            c = 0xFFFD;
        }
        U8_APPEND_UNSAFE(out, o, c);
    }
    r.data = out;
    r.len = (size_t) o;

    return r;
}
