/*
 * Which parts are the body (MS-OXCMAIL 2.2.3.3).  Parts in a row become one
 * body; the last of each kind in multipart/alternative wins; everything else is
 * an attachment.
 */

#include "conv_charset.h"
#include "conv_html.h"
#include "conv_import.h"
#include "lib/ph_str.h"

#include <stdlib.h>

#define CONV_MAX_SEGMENTS  64

typedef struct {
    const conv_part_t  *text;
    const conv_part_t  *html;
} conv_segment_t;

typedef struct {
    const conv_part_t  *part;
    bool                related;
} conv_other_t;

typedef struct {
    conv_msg_t      *m;
    conv_segment_t   segments[CONV_MAX_SEGMENTS];
    uint32_t         n_segments;
    conv_segment_t  *alternative;    /* inside of multipart/alternative */
    conv_other_t    *others;
    uint32_t         n_others;
    uint32_t         cap_others;
} conv_body_t;


static ph_int_t conv_walk(conv_body_t *b, const conv_part_t *part,
    bool related);


static ph_int_t
conv_other(conv_body_t *b, const conv_part_t *part, bool related)
{
    uint32_t       cap;
    conv_other_t  *list;

    if (b->n_others == b->cap_others) {
        cap = b->cap_others ? 2 * b->cap_others : 8;
        list = ph_prealloc(b->m->pool, b->others,
                           b->cap_others * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        b->others = list;
        b->cap_others = cap;
    }

    b->others[b->n_others++] = (conv_other_t) { part, related };
    return PH_OK;
}


static ph_int_t
conv_walk_leaf(conv_body_t *b, const conv_part_t *part, bool related)
{
    bool             html;
    conv_segment_t  *seg;

    html = conv_part_is(part, "text", "html");

    if (part->opaque || (!html && !conv_part_is(part, "text", "plain"))
        || (part->disposition.len != 0
            && !ph_str_eq_c(part->disposition, "inline"))
        || ((part->filename.len != 0 || part->name.len != 0)
            && b->n_segments != 0 && b->alternative == NULL))
    {
        return conv_other(b, part, related);
    }

    seg = b->alternative;

    if (seg == NULL) {
        if (b->n_segments == CONV_MAX_SEGMENTS) {
            return conv_other(b, part, related);
        }
        seg = &b->segments[b->n_segments++];
    }

    if (html) {
        seg->html = part;
    } else {
        seg->text = part;
    }

    return PH_OK;
}


static ph_int_t
conv_walk_alternative(conv_body_t *b, const conv_part_t *part)
{
    ph_int_t            rc = PH_OK;
    conv_segment_t     *outer = b->alternative;
    const conv_part_t  *child;

    if (outer == NULL) {
        if (b->n_segments == CONV_MAX_SEGMENTS) {
            return conv_other(b, part, false);
        }
        b->alternative = &b->segments[b->n_segments++];
    }

    for (child = part->first; rc == PH_OK && child; child = child->next) {
        rc = conv_walk(b, child, false);
    }

    if (outer == NULL && b->alternative->text == NULL
        && b->alternative->html == NULL)
    {
        b->n_segments--;
    }

    b->alternative = outer;
    return rc;
}


static ph_int_t
conv_walk_related(conv_body_t *b, const conv_part_t *part)
{
    ph_int_t            rc;
    const conv_part_t  *child, *root = part->first;

    if (part->start.len != 0) {
        for (child = part->first; child; child = child->next) {
            if (ph_str_eq(child->cid, part->start)) {
                root = child;
                break;
            }
        }
    }

    rc = root ? conv_walk(b, root, false) : PH_OK;

    for (child = part->first; rc == PH_OK && child; child = child->next) {
        if (child != root) {
            rc = conv_other(b, child, true);
        }
    }

    return rc;
}


/* depth: that of the tree, which the parser bounds (CONV_MAX_DEPTH) */
static ph_int_t
conv_walk(conv_body_t *b, const conv_part_t *part, bool related)
{
    ph_int_t            rc = PH_OK;
    const conv_part_t  *child;

    if (!conv_part_is(part, "multipart", NULL)) {
        return conv_walk_leaf(b, part, related);
    }

    if (part->first == NULL) {
        /* no boundary, or none found: the text is all there is */
        return part->body.len != 0 ? conv_other(b, part, related) : PH_OK;
    }

    if (ph_str_eq_c(part->subtype, "alternative")) {
        return conv_walk_alternative(b, part);
    }

    if (ph_str_eq_c(part->subtype, "related")) {
        return conv_walk_related(b, part);
    }

    for (child = part->first; rc == PH_OK && child; child = child->next) {
        rc = conv_walk(b, child, false);
    }

    return rc;
}


/* CRLF line ends; format=flowed text keeps its soft breaks */
static ph_int_t
conv_crlf(ph_pool_t *pool, ph_str_t s, ph_str_t *out_r)
{
    size_t    n = 0, extra = 0;
    uint8_t  *out, c;

    for (size_t i = 0; i < s.len; i++) {
        c = s.data[i];
        extra += (c == '\n' && (i == 0 || s.data[i - 1] != '\r'))
                 || (c == '\r' && (i + 1 == s.len || s.data[i + 1] != '\n'));
    }

    *out_r = s;
    if (extra == 0) {
        return PH_OK;
    }

    out = ph_palloc(pool, s.len + extra);
    if (out == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < s.len; i++) {
        c = s.data[i];
        if (c == '\n' && (i == 0 || s.data[i - 1] != '\r')) {
            out[n++] = '\r';
        }
        out[n++] = c;
        if (c == '\r' && (i + 1 == s.len || s.data[i + 1] != '\n')) {
            out[n++] = '\n';
        }
    }

    *out_r = (ph_str_t) { n, out };
    return PH_OK;
}


static ph_int_t
conv_segment_text(conv_msg_t *m, const conv_part_t *part, ph_str_t *text_r)
{
    ph_int_t  rc;
    ph_str_t  data;

    rc = conv_part_decode(m->pool, part, &data);
    if (rc != PH_OK) {
        return rc;
    }

    data.len = ph_min(data.len, (size_t) CONV_MAX_TEXT);
    rc = conv_charset_decode(m->pool, data, part->charset,
                             m->imp->opts->charset, text_r, NULL);
    return rc == PH_OK ? conv_crlf(m->pool, *text_r, text_r) : rc;
}


/* the charset of <meta> among the first bytes; empty when there is none */
static ph_str_t
conv_meta_charset(ph_str_t html)
{
    size_t          n;
    const uint8_t  *p, *end;

    html.len = ph_min(html.len, (size_t) 1024);
    end = html.data + html.len;

    for (p = html.data; p + 8 < end; p++) {
        if ((*p | 0x20) != 'c' || strncasecmp((const char *) p, "charset=", 8)
                                  != 0)
        {
            continue;
        }
        p += 8;
        p += p < end && (*p == '"' || *p == '\'');
        for (n = 0; p + n < end && n < 40; n++) {
            if (strchr("\"'>;/ \t\r\n", p[n]) != NULL) {
                break;
            }
        }
        return (ph_str_t) { n, p };
    }

    return ph_str_null;
}


/*
 * The HTML in UTF-8, and as it shall be stored: the bytes themselves when they
 * have a code page of their own.
 */
static ph_int_t
conv_segment_html(conv_msg_t *m, const conv_part_t *part, ph_str_t *utf8_r,
    ph_str_t *stored_r, uint32_t *cpid_r)
{
    ph_int_t  rc;
    ph_str_t  data, charset = part->charset;

    rc = conv_part_decode(m->pool, part, &data);
    if (rc != PH_OK) {
        return rc;
    }

    data.len = ph_min(data.len, (size_t) CONV_MAX_TEXT);

    if (charset.len == 0) {
        charset = conv_meta_charset(data);
    }

    rc = conv_charset_decode(m->pool, data, charset, m->imp->opts->charset,
                             utf8_r, cpid_r);
    if (rc != PH_OK) {
        return rc;
    }

    *stored_r = data;

    if (*cpid_r == CONV_CP_UTF8 || *cpid_r == 1200 || *cpid_r == 1201
        || *cpid_r == 12000)
    {
        *stored_r = *utf8_r;
        *cpid_r = CONV_CP_UTF8;
    }

    return PH_OK;
}


static int
conv_cid_cmp(const void *a, const void *b)
{
    const ph_str_t  *x = a, *y = b;
    int              c = memcmp(x->data, y->data, ph_min(x->len, y->len));

    return c ? c : (x->len > y->len) - (x->len < y->len);
}


/* all "cid:..." of the HTML, sorted, so that one look-up costs no scan */
static ph_int_t
conv_collect_cids(conv_msg_t *m, ph_str_t html)
{
    size_t          n, cap = 0;
    uint8_t         hex;
    uint8_t        *copy;
    ph_str_t       *list = NULL, *grown;
    const uint8_t  *p = html.data, *end = html.data + html.len;

    m->n_cids = 0;

    while (html.len != 0 && (p = memmem(p, (size_t) (end - p), "cid:", 4))) {
        p += 4;
        for (n = 0; p + n < end && n < 512 && p[n] > 32
                    && strchr("\"'<>)", p[n]) == NULL; n++)
        {
            /* void */
        }

        if (m->n_cids == cap) {
            if (cap >= MAPI_MAX_ATTACHMENTS) {
                break;
            }
            grown = ph_prealloc(m->pool, list, cap * sizeof(*list),
                                (cap ? 2 * cap : 16) * sizeof(*list));
            if (grown == NULL) {
                return PH_NOMEM;
            }
            list = grown;
            cap = cap ? 2 * cap : 16;
        }

        copy = ph_palloc(m->pool, n);
        if (copy == NULL) {
            return PH_NOMEM;
        }

        list[m->n_cids] = (ph_str_t) { 0, copy };
        for (size_t i = 0; i < n; i++) {
            hex = p[i];
            if (hex == '%' && i + 2 < n
                && ph_hex_decode(&hex, 1, (ph_str_t) { 2, p + i + 1 })
                   == PH_OK)
            {
                i += 2;
            }
            copy[list[m->n_cids].len++] = hex;
        }
        m->n_cids++;
        p += n;
    }

    if (m->n_cids != 0) {
        qsort(list, m->n_cids, sizeof(*list), conv_cid_cmp);
    }
    m->cids = list;
    return PH_OK;
}


static ph_int_t
conv_put_bodies(conv_body_t *b)
{
    bool             any_html = false;
    uint32_t         cpid = CONV_CP_UTF8;
    ph_int_t         rc;
    ph_str_t         text, html, stored;
    ph_wbuf_t        all_text, all_html;
    conv_msg_t      *m = b->m;
    conv_segment_t  *s;

    ph_wbuf_init(&all_text, m->pool, 2 * (size_t) CONV_MAX_TEXT);
    ph_wbuf_init(&all_html, m->pool, 2 * (size_t) CONV_MAX_TEXT);

    for (uint32_t i = 0; i < b->n_segments; i++) {
        any_html |= b->segments[i].html != NULL;
    }

    for (uint32_t i = 0; i < b->n_segments; i++) {
        s = &b->segments[i];
        text = html = stored = ph_str_null;

        if (s->html != NULL) {
            rc = conv_segment_html(m, s->html, &html, &stored, &cpid);
            if (rc != PH_OK) {
                return rc;
            }
        }

        if (s->text != NULL) {
            rc = conv_segment_text(m, s->text, &text);
        } else {
            rc = conv_html_to_text(m->pool, html, &text);
        }
        if (rc != PH_OK) {
            return rc;
        }

        if (b->n_segments == 1) {
            conv_put_str(&m->props, PR_BODY, text);
            if (any_html) {
                conv_put_bin(&m->props, PR_HTML, stored);
                rc = conv_collect_cids(m, html);
            }
            goto done;
        }

        ph_put_str(&all_text, text);
        if (text.len != 0 && text.data[text.len - 1] != '\n') {
            ph_put_bytes(&all_text, "\r\n", 2);
        }

        if (any_html) {
            if (s->html == NULL) {
                rc = conv_html_from_text(m->pool, text, &html);
                if (rc != PH_OK) {
                    return rc;
                }
            }
            ph_put_str(&all_html, html);
        }
    }

    if (all_text.error || all_html.error) {
        return PH_NOMEM;
    }

    rc = PH_OK;
    cpid = CONV_CP_UTF8;
    conv_put_str(&m->props, PR_BODY, ph_wbuf_str(&all_text));

    if (any_html) {
        conv_put_bin(&m->props, PR_HTML, ph_wbuf_str(&all_html));
        rc = conv_collect_cids(m, ph_wbuf_str(&all_html));
    }

done:

    conv_put_i4(&m->props, PR_NATIVE_BODY_INFO, any_html ? 3 : 1);
    conv_put_i4(&m->props, PR_INTERNET_CPID, (int32_t) cpid);
    return rc;
}


ph_int_t
conv_import_body(conv_msg_t *m)
{
    ph_int_t      rc;
    conv_body_t  *b;

    b = ph_pcalloc(m->pool, sizeof(*b));
    if (b == NULL) {
        return PH_NOMEM;
    }
    b->m = m;

    rc = conv_walk(b, m->root, false);

    if (rc == PH_OK) {
        rc = conv_put_bodies(b);
    }

    for (uint32_t i = 0; rc == PH_OK && i < b->n_others && !m->smime; i++) {
        rc = conv_import_attachment(m, b->others[i].part,
                                    b->others[i].related);
    }

    return rc;
}
