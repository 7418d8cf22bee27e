/* Letters and words of a text, for the index. */

#include "store_index_int.h"

#include <stdlib.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#define INDEX_WORD_MAX  64      /* bytes; the rest of a longer one is cut */

static ph_int_t
fold_utf16(ph_str_t text, UChar **s_r, int32_t *n_r)
{
    UChar       *s;
    int32_t      n;
    UErrorCode   err;

    if (text.len > INT32_MAX / 8) {
        return PH_TOOBIG;
    }
    s = malloc((text.len + 1) * sizeof(*s));
    if (s == NULL) {
        return PH_NOMEM;
    }
    err = U_ZERO_ERROR;
    u_strFromUTF8WithSub(s, (int32_t) text.len + 1, &n,
                         (const char *) (text.len ? text.data
                                                  : (const uint8_t *) ""),
                         (int32_t) text.len, 0xFFFD, NULL, &err);
    if (U_FAILURE(err)) {
        free(s);
        return PH_INVALID;
    }
    *s_r = s;
    *n_r = n;

    return PH_OK;
}

typedef int32_t (*fold_pt)(UChar *to, int32_t cap, const UChar *from,
    int32_t n, UErrorCode *err);

static int32_t
fold_case(UChar *to, int32_t cap, const UChar *from, int32_t n,
    UErrorCode *err)
{
    return u_strFoldCase(to, cap, from, n, U_FOLD_CASE_DEFAULT, err);
}

static int32_t
fold_compat(UChar *to, int32_t cap, const UChar *from, int32_t n,
    UErrorCode *err)
{
    const UNormalizer2  *norm;

    norm = unorm2_getNFKDInstance(err);

    return U_FAILURE(*err) ? 0 : unorm2_normalize(norm, from, n, to, cap,
                                                  err);
}

/* Replaces *s by what fn makes of it. */
static ph_int_t
fold_step(UChar **s, int32_t *n, fold_pt fn)
{
    UChar       *to;
    int32_t      cap, m;
    UErrorCode   err;

    cap = *n + *n / 8 + 32;
    for ( ;; ) {
        to = malloc((size_t) cap * sizeof(*to));
        if (to == NULL) {
            return PH_NOMEM;
        }
        err = U_ZERO_ERROR;
        m = fn(to, cap, *s, *n, &err);
        if (err != U_BUFFER_OVERFLOW_ERROR) {
            break;
        }
        free(to);
        cap = m + 1;
    }
    if (U_FAILURE(err)) {
        free(to);
        return PH_NOMEM;
    }
    free(*s);
    *s = to;
    *n = m;

    return PH_OK;
}

/* The letters of s, without marks; s is freed. */
static ph_int_t
fold_letters(UChar *s, int32_t n, uint32_t **cp_r, uint32_t *n_r)
{
    int32_t    i;
    UChar32    c;
    uint32_t  *cp, k;

    cp = malloc(((size_t) n + 1) * sizeof(*cp));
    if (cp == NULL) {
        free(s);
        return PH_NOMEM;
    }
    k = 0;
    for (i = 0; i < n; /* void */) {
        U16_NEXT(s, i, n, c);
        if (c < 0x300 || u_charType(c) != U_NON_SPACING_MARK) {
            cp[k++] = U_IS_SURROGATE(c) ? 0xFFFD : (uint32_t) c;
        }
    }
    free(s);
    *cp_r = cp;
    *n_r = k;

    return PH_OK;
}

static bool
fold_ascii(ph_str_t text, uint32_t **cp_r, uint32_t *n_r)
{
    size_t     i;
    uint8_t    c;
    uint32_t  *cp;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] & 0x80) {
            return false;
        }
    }
    cp = malloc((text.len + 1) * sizeof(*cp));
    if (cp == NULL) {
        return false;
    }
    for (i = 0; i < text.len; i++) {
        c = text.data[i];
        cp[i] = c >= 'A' && c <= 'Z' ? c | 0x20u : c;
    }
    *cp_r = cp;
    *n_r = (uint32_t) text.len;

    return true;
}

static ph_int_t
fold_text(UChar **s, int32_t *n)
{
    static const fold_pt  steps[] = { fold_case, fold_compat, fold_case };
    size_t                i;

    for (i = 0; i < ph_nelts(steps); i++) {
        store_try(fold_step(s, n, steps[i]));
    }

    return PH_OK;
}

ph_int_t
store_index_fold(ph_str_t text, uint32_t **cp_r, uint32_t *n_r)
{
    UChar     *s;
    int32_t    n;
    ph_int_t   rc;

    if (fold_ascii(text, cp_r, n_r)) {
        return PH_OK;
    }
    store_try(fold_utf16(text, &s, &n));
    rc = fold_text(&s, &n);
    if (rc != PH_OK) {
        free(s);
        return rc;
    }

    return fold_letters(s, n, cp_r, n_r);
}

/* One word to UTF-8; the length, or 0. */
static int
fold_word(const UChar *from, int32_t n, char *out)
{
    int32_t    m, i;
    UChar     *s;
    ph_int_t   rc;
    uint32_t  *cp, k, len, at;

    s = malloc((size_t) n * sizeof(*s));
    if (s == NULL) {
        return -1;
    }
    memcpy(s, from, (size_t) n * sizeof(*s));
    m = n;
    rc = fold_text(&s, &m);
    if (rc != PH_OK) {
        free(s);
        return -1;
    }
    if (fold_letters(s, m, &cp, &k) != PH_OK) {
        return -1;
    }
    len = 0;
    for (at = 0; at < k && len + 4 <= INDEX_WORD_MAX; at++) {
        i = (int32_t) len;
        U8_APPEND_UNSAFE(out, i, (UChar32) cp[at]);
        len = (uint32_t) i;
    }
    free(cp);

    return (int) len;
}

ph_int_t
store_index_each_word(ph_str_t text, store_word_pt fn, void *data,
    int *result_r)
{
    int              len;
    char             word[INDEX_WORD_MAX + 4];
    UChar           *s;
    int32_t          n, from, to;
    ph_int_t         rc;
    UErrorCode       err;
    UBreakIterator  *brk;

    *result_r = 0;
    store_try(fold_utf16(text, &s, &n));
    err = U_ZERO_ERROR;
    brk = ubrk_open(UBRK_WORD, "", s, n, &err);
    if (U_FAILURE(err)) {
        free(s);
        return PH_NOMEM;
    }

    rc = PH_OK;
    from = ubrk_first(brk);
    while (*result_r == 0 && (to = ubrk_next(brk)) != UBRK_DONE) {
        if (ubrk_getRuleStatus(brk) >= UBRK_WORD_NONE_LIMIT) {
            len = fold_word(s + from, to - from, word);
            if (len < 0) {
                rc = PH_NOMEM;
                break;
            }
            if (len > 0) {
                *result_r = fn(data, word, len);
            }
        }
        from = to;
    }
    ubrk_close(brk);
    free(s);

    return rc;
}
