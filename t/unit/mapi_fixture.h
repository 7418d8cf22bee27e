/* What the tests of the MAPI codecs share: bytes from hex, and contexts. */

#ifndef MAPI_FIXTURE_H
#define MAPI_FIXTURE_H

#include "tap.h"

#include "mapi/mapi_desc.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_tags.h"
#include "lib/ph_str.h"

static const mapi_ctx_t  fix_rop = { MAPI_FORM_ROP, false, 1252 };
static const mapi_ctx_t  fix_wide = { MAPI_FORM_WIDE, false, 1252 };
static const mapi_ctx_t  fix_ab = { MAPI_FORM_AB, false, 1252 };

/* "01 0a ff" to bytes in malloc'ed memory of exactly that size */
static inline ph_str_t
fix_hex(const char *hex)
{
    uint8_t  *out = malloc(strlen(hex) / 2 + 1), *exact;
    size_t    n = 0;
    unsigned  byte;

    while (*hex != '\0') {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        if (sscanf(hex, "%2x", &byte) != 1) {
            abort();
        }
        out[n++] = (uint8_t) byte;
        hex += 2;
    }
    exact = malloc(n ? n : 1);
    memcpy(exact, out, n);
    free(out);
    return (ph_str_t) { n, exact };
}

static inline void
fix_free(ph_str_t s)
{
    free((void *) (uintptr_t) s.data);
}

static inline char *
fix_to_hex(ph_str_t s)
{
    char  *out = malloc(s.len * 2 + 1);

    ph_hex_encode(out, s.data, s.len);
    return out;
}

/* whether b holds these bytes; says what it holds when not */
static inline bool
fix_is(const ph_wbuf_t *b, const char *hex, const char *name)
{
    ph_str_t  want = fix_hex(hex);
    bool      same = b->len == want.len
        && (b->len == 0 || memcmp(b->data, want.data, b->len) == 0);
    char     *got;

    ok(same, "%s", name);
    if (!same) {
        got = fix_to_hex(ph_wbuf_str(b));
        diag("got    %s", got);
        diag("wanted %s", hex);
        free(got);
    }
    fix_free(want);
    return same;
}

#endif
