/*
 * Address lists (RFC 5322 3.4), read as mailers write them: raw 8-bit, encoded
 * words in quotes, commas in unquoted names, old routes, missing domains.
 */

#include "conv_charset.h"
#include "conv_mime.h"
#include "lib/ph_str.h"

#define CONV_MAX_ADDRESS  1024

typedef struct {
    ph_pool_t       *pool;
    const char      *charset;
    const uint8_t   *pos;
    const uint8_t   *end;
    ph_wbuf_t        phrase;      /* words outside of < > */
    ph_wbuf_t        comment;     /* the last comment */
    ph_wbuf_t        prefix;      /* "Miller" of: Miller, Jo <jo@a.test> */
    ph_str_t         angle;
    bool             has_angle;
    bool             quoted;      /* the phrase was (partly) a quoted string */
    conv_address_t  *list;
    size_t           n;
    size_t           cap;
    size_t           max;
} conv_addrs_t;


/* at an opening quote; the text without quotes and backslashes goes to out */
static void
conv_quoted(conv_addrs_t *a, ph_wbuf_t *out)
{
    a->pos++;

    while (a->pos < a->end && *a->pos != '"') {
        if (*a->pos == '\\' && a->pos + 1 < a->end) {
            a->pos++;
        }
        ph_put_u8(out, *a->pos++);
    }

    a->pos += a->pos < a->end;
}


/* at "("; nested comments are counted, not recursed into */
static void
conv_comment(conv_addrs_t *a)
{
    size_t  depth = 0;

    a->comment.len = 0;

    for (; a->pos < a->end; a->pos++) {
        if (*a->pos == '\\' && a->pos + 1 < a->end) {
            a->pos++;

        } else if (*a->pos == '(') {
            if (depth++ == 0) {
                continue;
            }

        } else if (*a->pos == ')' && --depth == 0) {
            a->pos++;
            return;
        }

        ph_put_u8(&a->comment, *a->pos);
    }
}


/* at "<"; quotes inside may hold ">" */
static void
conv_angle(conv_addrs_t *a)
{
    bool            quote = false;
    const uint8_t  *start = ++a->pos;

    for (; a->pos < a->end; a->pos++) {
        if (*a->pos == '\\' && a->pos + 1 < a->end) {
            a->pos++;
        } else if (*a->pos == '"') {
            quote = !quote;
        } else if (*a->pos == '>' && !quote) {
            break;
        }
    }

    a->angle = ph_str_trim((ph_str_t) { (size_t) (a->pos - start), start });
    a->has_angle = true;
    a->pos += a->pos < a->end;
}


static ph_str_t
conv_without_route(ph_str_t s)
{
    const uint8_t  *colon;

    if (s.len != 0 && s.data[0] == '@') {
        colon = memchr(s.data, ':', s.len);
        if (colon != NULL) {
            colon++;
            return (ph_str_t) { (size_t) (s.data + s.len - colon), colon };
        }
    }

    return s;
}


/* blanks and controls dropped (a folded address), 8-bit to UTF-8 */
static ph_int_t
conv_address_text(conv_addrs_t *a, ph_str_t s, ph_str_t *out_r)
{
    size_t    n = 0;
    uint8_t  *copy;
    ph_int_t  rc;

    s.len = ph_min(s.len, (size_t) CONV_MAX_ADDRESS);
    copy = ph_palloc(a->pool, s.len + 1);
    if (copy == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] > 32 && s.data[i] != 127) {
            copy[n++] = s.data[i];
        }
    }

    if (n > 8 && copy[0] == '=' && copy[1] == '?') {
        rc = conv_header_text(a->pool, (ph_str_t) { n, copy }, a->charset,
                              out_r);
    } else {
        rc = conv_charset_decode(a->pool, (ph_str_t) { n, copy },
                                 ph_str_c(a->charset), NULL, out_r, NULL);
    }

    return rc;
}


static ph_int_t
conv_address_add(conv_addrs_t *a, ph_str_t name, ph_str_t address)
{
    size_t           cap;
    ph_int_t         rc;
    conv_address_t  *list, *item;

    if (a->n == a->cap) {
        cap = a->cap ? 2 * a->cap : 4;
        list = ph_prealloc(a->pool, a->list, a->cap * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        a->list = list;
        a->cap = cap;
    }

    item = &a->list[a->n];

    rc = conv_address_text(a, address, &item->address);
    if (rc != PH_OK || item->address.len == 0) {
        return rc;
    }

    rc = conv_header_text(a->pool, name, a->charset, &item->name);
    if (rc == PH_OK) {
        a->n++;
    }

    return rc;
}


/* the end of one address; sep is the character that ended it, 0 at the end */
static ph_int_t
conv_address_end(conv_addrs_t *a, uint8_t sep)
{
    bool       at, blank;
    ph_int_t   rc = PH_OK;
    ph_str_t   phrase = ph_str_trim(ph_wbuf_str(&a->phrase));
    ph_wbuf_t  full;

    at = phrase.len != 0 && memchr(phrase.data, '@', phrase.len) != NULL;
    blank = phrase.len != 0 && memchr(phrase.data, ' ', phrase.len) != NULL;

    if (a->has_angle) {
        if (a->prefix.len != 0) {
            ph_wbuf_init(&full, a->pool, CONV_MAX_FIELD);
            ph_put_str(&full, ph_wbuf_str(&a->prefix));
            ph_put_str(&full, phrase);
            if (full.error) {
                return PH_NOMEM;
            }
            phrase = ph_wbuf_str(&full);
            a->prefix.len = 0;
        }

        if (phrase.len == 0) {
            phrase = ph_str_trim(ph_wbuf_str(&a->comment));
        }

        if (a->angle.len != 0) {
            rc = conv_address_add(a, phrase, conv_without_route(a->angle));
        }

    } else if (at) {
        a->prefix.len = 0;
        rc = conv_address_add(a, ph_str_trim(ph_wbuf_str(&a->comment)),
                              conv_without_route(phrase));

    } else if (phrase.len != 0 && sep == ',') {
        /* perhaps the first half of a name with a comma */
        ph_put_str(&a->prefix, phrase);
        ph_put_bytes(&a->prefix, ", ", 2);

    } else if (phrase.len != 0 && !blank) {
        rc = conv_address_add(a, ph_str_null, phrase);
    }

    a->phrase.len = 0;
    a->comment.len = 0;
    a->has_angle = false;
    a->quoted = false;
    return rc;
}


static ph_int_t
conv_address_step(conv_addrs_t *a)
{
    uint8_t         c = *a->pos;
    ph_int_t        rc;
    const uint8_t  *end;

    switch (c) {

    case '"':
        conv_quoted(a, &a->phrase);
        a->quoted = true;
        return PH_OK;

    case '(':
        conv_comment(a);
        return PH_OK;

    case '<':
        conv_angle(a);
        return PH_OK;

    case ',':
    case ';':
        a->pos++;
        return conv_address_end(a, c);

    case ':':
        a->pos++;
        if (a->has_angle || a->phrase.len == 0) {
            return PH_OK;
        }
        if (a->phrase.data[0] == '@') {        /* a route without brackets */
            a->phrase.len = 0;
            return PH_OK;
        }
        a->phrase.len = 0;                     /* the name of a group */
        a->prefix.len = 0;
        return PH_OK;

    case '=':
        /* an encoded word may hold separators */
        if (a->end - a->pos > 8 && a->pos[1] == '?') {
            size_t  left = ph_min((size_t) (a->end - a->pos), (size_t) 1000);

            end = memchr(a->pos + 2, '?', left - 2);
            end = end && end + 3 < a->pos + left
                  ? memmem(end + 3, (size_t) (a->pos + left - end - 3), "?=",
                           2)
                  : NULL;
            if (end != NULL) {
                ph_put_bytes(&a->phrase, a->pos, (size_t) (end + 2 - a->pos));
                a->pos = end + 2;
                return PH_OK;
            }
        }
        break;
    }

    rc = a->phrase.error || a->comment.error || a->prefix.error ? PH_NOMEM
                                                                : PH_OK;
    if (!a->has_angle) {
        ph_put_u8(&a->phrase, c == '\t' ? ' ' : c);
    }
    a->pos++;
    return rc;
}


ph_int_t
conv_header_addresses(ph_pool_t *pool, ph_str_t value, const char *charset,
    size_t max, conv_address_t **list_r, size_t *n_r)
{
    ph_int_t      rc;
    conv_addrs_t  a;

    *n_r = 0;
    *list_r = NULL;

    value.len = ph_min(value.len, (size_t) CONV_MAX_FIELD);

    rc = conv_unfold(pool, value, &value);
    if (rc != PH_OK || value.len == 0) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    a.pool = pool;
    a.charset = charset;
    a.pos = value.data;
    a.end = value.data + value.len;
    a.max = max;
    ph_wbuf_init(&a.phrase, pool, CONV_MAX_FIELD + 16);
    ph_wbuf_init(&a.comment, pool, CONV_MAX_FIELD + 16);
    /* many bare words and commas make no name */
    ph_wbuf_init(&a.prefix, pool, 2 * (size_t) CONV_MAX_FIELD);

    while (rc == PH_OK && a.pos < a.end && a.n < a.max) {
        rc = conv_address_step(&a);
    }

    if (rc == PH_OK && a.n < a.max) {
        rc = conv_address_end(&a, 0);
    }

    *list_r = a.list;
    *n_r = a.n;
    return rc;
}
