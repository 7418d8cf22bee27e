/* Header fields: folding, encoded words (RFC 2047), dates, message ids. */

#include "conv_charset.h"
#include "conv_mime.h"
#include "lib/ph_str.h"

#include <gmime/gmime.h>

#define CONV_MAX_WORD     1000            /* bytes of one encoded word */
#define CONV_UNIX_1601    11644473600LL

typedef struct {
    ph_pool_t   *pool;
    ph_wbuf_t    out;
    ph_wbuf_t    bytes;       /* of adjacent encoded words in one charset */
    ph_str_t     charset;
    const char  *fallback;
} conv_words_t;


ph_int_t
conv_unfold(ph_pool_t *pool, ph_str_t value, ph_str_t *out_r)
{
    size_t    n = 0;
    uint8_t  *out;

    *out_r = value;

    if (value.len == 0 || memchr(value.data, '\n', value.len) == NULL) {
        return PH_OK;
    }

    out = ph_palloc(pool, value.len);
    if (out == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\n') {
            n -= n > 0 && out[n - 1] == '\r';
            continue;
        }
        out[n++] = value.data[i];
    }

    *out_r = (ph_str_t) { n, out };
    return PH_OK;
}


static ph_int_t
conv_words_flush(conv_words_t *w)
{
    ph_int_t  rc;
    ph_str_t  text;

    if (w->bytes.len == 0) {
        return PH_OK;
    }

    rc = conv_charset_decode(w->pool, ph_wbuf_str(&w->bytes), w->charset,
                             w->fallback, &text, NULL);
    if (rc == PH_OK) {
        ph_put_str(&w->out, text);
        w->bytes.len = 0;
    }

    return rc;
}


static ph_int_t
conv_words_plain(conv_words_t *w, ph_str_t s, const char *charset)
{
    ph_int_t  rc;
    ph_str_t  text;

    rc = conv_words_flush(w);
    if (rc != PH_OK || s.len == 0) {
        return rc;
    }

    rc = conv_charset_decode(w->pool, s, ph_str_c(charset), w->fallback,
                             &text, NULL);
    if (rc == PH_OK) {
        ph_put_str(&w->out, text);
    }

    return rc;
}


static void
conv_word_q(ph_wbuf_t *out, ph_str_t s)
{
    uint8_t  c;

    for (size_t i = 0; i < s.len; i++) {
        c = s.data[i];
        if (c == '_') {
            c = ' ';
        } else if (c == '=' && i + 2 < s.len + 0
                   && ph_hex_decode(&c, 1, (ph_str_t) { 2, s.data + i + 1 })
                      == PH_OK)
        {
            i += 2;
        }
        ph_put_u8(out, c);
    }
}


static void
conv_word_b(ph_wbuf_t *out, ph_str_t s)
{
    int       state = 0;
    guint32   save = 0;
    uint8_t  *to;
    size_t    n;

    n = out->len;
    to = ph_put_space(out, s.len + 4);
    if (to != NULL) {
        out->len = n + g_mime_encoding_base64_decode_step(s.data, s.len, to,
                                                          &state, &save);
    }
}


/*
 * An encoded word at s: *charset_r, *enc_r, *text_r; its length, or 0.
 * Spaces inside are let through; broken mailers write them.
 */
static size_t
conv_word(ph_str_t s, ph_str_t *charset_r, uint8_t *enc_r, ph_str_t *text_r)
{
    size_t          n;
    ph_str_t        cs;
    const uint8_t  *end, *p, *q;

    if (s.len < 8 || s.data[0] != '=' || s.data[1] != '?') {
        return 0;
    }

    n = ph_min(s.len, (size_t) CONV_MAX_WORD);
    end = s.data + n;

    p = memchr(s.data + 2, '?', n - 2);
    if (p == NULL || p + 3 > end || p[2] != '?') {
        return 0;
    }

    cs = (ph_str_t) { (size_t) (p - s.data - 2), s.data + 2 };
    q = cs.len ? memchr(cs.data, '*', cs.len) : NULL;     /* RFC 2231, 5 */
    cs.len = q ? (size_t) (q - cs.data) : cs.len;
    if (cs.len == 0 || cs.len > 64) {
        return 0;
    }

    *enc_r = (uint8_t) (p[1] | 0x20);
    if (*enc_r != 'q' && *enc_r != 'b') {
        return 0;
    }

    p += 3;
    q = memmem(p, (size_t) (end - p), "?=", 2);
    /* "=?x?Q??=" and "=?x?Q?=3D?=": the first "?=" that ends the word */
    if (q == NULL) {
        return 0;
    }

    *charset_r = cs;
    *text_r = (ph_str_t) { (size_t) (q - p), p };
    return (size_t) (q + 2 - s.data);
}


ph_int_t
conv_header_text(ph_pool_t *pool, ph_str_t value, const char *charset,
    ph_str_t *out_r)
{
    size_t         i, n, start, ws;
    uint8_t        enc;
    ph_int_t       rc;
    ph_str_t       cs, text;
    conv_words_t   w;
    bool           after_word = false;

    value.len = ph_min(value.len, (size_t) CONV_MAX_FIELD);

    rc = conv_unfold(pool, value, &value);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&w, 0, sizeof(w));
    w.pool = pool;
    w.fallback = "windows-1252";
    ph_wbuf_init(&w.out, pool, 4 * (size_t) CONV_MAX_FIELD);
    ph_wbuf_init(&w.bytes, pool, CONV_MAX_FIELD);

    for (i = 0, start = 0; i < value.len; /* void */ ) {
        if (value.data[i] != '=') {
            const uint8_t  *eq = memchr(value.data + i, '=', value.len - i);

            i = eq ? (size_t) (eq - value.data) : value.len;
            continue;
        }

        n = conv_word((ph_str_t) { value.len - i, value.data + i }, &cs, &enc,
                      &text);
        if (n == 0) {
            i++;
            continue;
        }

        for (ws = start; ws < i && (value.data[ws] == ' '
                                    || value.data[ws] == '\t'); ws++)
        {
            /* void */
        }

        if (!after_word || ws < i) {
            rc = conv_words_plain(&w, (ph_str_t) { i - start,
                                                   value.data + start },
                                  charset);
            if (rc != PH_OK) {
                return rc;
            }
        }

        if (!ph_str_ieq(cs, w.charset)) {
            rc = conv_words_flush(&w);
            if (rc != PH_OK) {
                return rc;
            }
            w.charset = cs;
        }

        if (enc == 'q') {
            conv_word_q(&w.bytes, text);
        } else {
            conv_word_b(&w.bytes, text);
        }

        if (w.bytes.error) {
            return PH_NOMEM;
        }

        i += n;
        start = i;
        after_word = true;
    }

    rc = conv_words_plain(&w, (ph_str_t) { value.len - start,
                                           value.data + start }, charset);
    if (rc != PH_OK) {
        return rc;
    }
    if (w.out.error) {
        return PH_NOMEM;
    }

    for (i = 0; i < w.out.len; i++) {
        if (w.out.data[i] < 32 || w.out.data[i] == 127) {
            w.out.data[i] = ' ';
        }
    }

    *out_r = w.out.len ? ph_str_trim(ph_wbuf_str(&w.out)) : ph_str_lit("");
    return PH_OK;
}


ph_int_t
conv_header_date(ph_str_t value, uint64_t *time_r)
{
    char        text[128];
    int64_t     sec;
    size_t      n = 0;
    GDateTime  *date;

    for (size_t i = 0; i < value.len && n < sizeof(text) - 1; i++) {
        if (value.data[i] >= 32 && value.data[i] < 127) {
            text[n++] = (char) value.data[i];
        }
    }
    text[n] = '\0';

    conv_mime_init();

    date = g_mime_utils_header_decode_date(text);
    if (date == NULL) {
        return PH_INVALID;
    }

    sec = g_date_time_to_unix(date);
    g_date_time_unref(date);

    if (sec < -CONV_UNIX_1601 || sec > 253402300799LL) {
        return PH_INVALID;
    }

    *time_r = (uint64_t) (sec + CONV_UNIX_1601) * 10000000u;
    return PH_OK;
}


ph_str_t
conv_header_msgid(ph_str_t value)
{
    size_t          n = 0;
    const uint8_t  *lt, *gt;

    value = ph_str_trim(value);
    if (value.len == 0) {
        return value;
    }

    lt = memchr(value.data, '<', value.len);
    if (lt != NULL) {
        lt++;
        gt = memchr(lt, '>', (size_t) (value.data + value.len - lt));
        if (gt != NULL) {
            return ph_str_trim((ph_str_t) { (size_t) (gt - lt), lt });
        }
        value = (ph_str_t) { (size_t) (value.data + value.len - lt), lt };
    }

    while (n < value.len && value.data[n] > 32) {
        n++;
    }

    return (ph_str_t) { n, value.data };
}
