/*
 * A reader of HTML that makes text, in one pass over the bytes and in linear
 * time with bounded memory.  (libxml2's HTML parser searches its stack of open
 * elements at each end tag: deep nesting costs quadratic time, and mail comes
 * from strangers.)  Its table of named characters is used.
 */

#include "conv_html.h"
#include "lib/ph_buf.h"
#include "lib/ph_str.h"

#include <libxml/HTMLparser.h>

#define CONV_MAX_QUOTE   8
#define CONV_MAX_HREF    2000
#define CONV_MAX_LIST    16

typedef struct {
    ph_wbuf_t       out;
    const uint8_t  *pos;
    const uint8_t  *end;
    uint32_t        newlines;     /* line ends written in a row */
    uint32_t        want;         /* that must come before the next text */
    bool            space;        /* one is due before the next word */
    bool            pre;
    bool            no_comment_end;
    bool            cell;         /* a table cell ended on this line */
    uint32_t        quote;
    uint32_t        lists;        /* open lists */
    uint32_t        number[CONV_MAX_LIST];    /* 0: bullets */
    ph_str_t        href;
    size_t          href_text;    /* where the link's text begins in out */
} conv_html_t;

typedef struct {
    const char  *name;
    uint8_t      lines;      /* line ends before and after */
} conv_block_t;

static const conv_block_t  conv_blocks[] = {
    { "p", 2 }, { "div", 1 }, { "br", 0 }, { "tr", 1 }, { "table", 1 },
    { "h1", 2 }, { "h2", 2 }, { "h3", 2 }, { "h4", 2 }, { "h5", 2 },
    { "h6", 2 }, { "ul", 1 }, { "ol", 1 }, { "li", 1 }, { "dl", 1 },
    { "dt", 1 }, { "dd", 1 }, { "blockquote", 1 }, { "pre", 1 },
    { "section", 1 }, { "article", 1 }, { "header", 1 }, { "footer", 1 },
    { "address", 1 }, { "center", 1 }, { "form", 1 }, { "fieldset", 1 },
    { "body", 1 }, { "title", 1 }, { "caption", 1 }, { "thead", 1 },
    { "tbody", 1 }, { "main", 1 }, { "nav", 1 }, { "aside", 1 },
    { "figure", 1 }, { "figcaption", 1 },
};


static void
conv_out_newline(conv_html_t *h)
{
    while (h->out.len != 0 && (h->out.data[h->out.len - 1] == ' '
                               || h->out.data[h->out.len - 1] == '\t'))
    {
        h->out.len--;
    }
    ph_put_bytes(&h->out, "\r\n", 2);
    h->newlines++;
    h->space = false;
    h->cell = false;
}


/* before text: the line ends that are due, and the quote's mark */
static void
conv_out_begin(conv_html_t *h)
{
    bool  start = h->out.len == 0;

    while (h->want > h->newlines && !start) {
        conv_out_newline(h);
    }
    h->want = 0;

    if (h->newlines != 0 || start) {
        for (uint32_t i = 0; i < h->quote; i++) {
            ph_put_bytes(&h->out, "> ", 2);
        }
        if (h->lists > 1) {
            ph_put_fill(&h->out, ' ', 2 * (h->lists - 1));
        }
        h->space = false;
    }

    if (h->space) {
        ph_put_u8(&h->out, ' ');
        h->space = false;
    }

    h->newlines = 0;
}


static void
conv_out_bytes(conv_html_t *h, const char *s, size_t n)
{
    conv_out_begin(h);
    ph_put_bytes(&h->out, s, n);
}


static void
conv_out_char(conv_html_t *h, uint32_t c)
{
    char    b[4];
    size_t  n = 0;

    if (c < 32 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000)
        || c > 0x10ffff)
    {
        c = 0xfffd;
    }

    if (c == 0xa0) {
        c = ' ';
    }

    if (c < 0x80) {
        b[n++] = (char) c;
    } else if (c < 0x800) {
        b[n++] = (char) (0xc0 | c >> 6);
        b[n++] = (char) (0x80 | (c & 63));
    } else if (c < 0x10000) {
        b[n++] = (char) (0xe0 | c >> 12);
        b[n++] = (char) (0x80 | (c >> 6 & 63));
        b[n++] = (char) (0x80 | (c & 63));
    } else {
        b[n++] = (char) (0xf0 | c >> 18);
        b[n++] = (char) (0x80 | (c >> 12 & 63));
        b[n++] = (char) (0x80 | (c >> 6 & 63));
        b[n++] = (char) (0x80 | (c & 63));
    }

    conv_out_bytes(h, b, n);
}


static const struct {
    uint8_t   from;
    uint16_t  to;
} conv_win1252[] = {
    { 0x80, 0x20ac }, { 0x82, 0x201a }, { 0x83, 0x0192 }, { 0x84, 0x201e },
    { 0x85, 0x2026 }, { 0x91, 0x2018 }, { 0x92, 0x2019 }, { 0x93, 0x201c },
    { 0x94, 0x201d }, { 0x95, 0x2022 }, { 0x96, 0x2013 }, { 0x97, 0x2014 },
    { 0x99, 0x2122 }, { 0x9c, 0x0153 }, { 0x9e, 0x017e },
};


/* at "&"; false when it is no reference */
static bool
conv_entity(conv_html_t *h)
{
    char                   name[12];
    size_t                 n = 0;
    uint32_t               c = 0;
    const uint8_t         *p = h->pos + 1;
    const htmlEntityDesc  *e;

    if (p < h->end && *p == '#') {
        bool  hex = p + 1 < h->end && (p[1] | 0x20) == 'x';

        p += hex ? 2 : 1;
        for (; p < h->end && n < 8; p++, n++) {
            uint32_t  d = *p >= '0' && *p <= '9' ? (uint32_t) (*p - '0')
                          : hex && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'f'
                            ? (uint32_t) ((*p | 0x20) - 'a' + 10) : 99;

            if (d == 99) {
                break;
            }
            c = c * (hex ? 16 : 10) + d;
        }
        if (n == 0) {
            return false;
        }
        for (size_t i = 0; i < ph_nelts(conv_win1252); i++) {
            c = c == conv_win1252[i].from ? conv_win1252[i].to : c;
        }

    } else {
        while (p < h->end && n < sizeof(name) - 1
               && ((*p | 0x20) >= 'a' ? (*p | 0x20) <= 'z'
                                      : (*p >= '0' && *p <= '9')))
        {
            name[n++] = (char) *p++;
        }
        name[n] = '\0';
        e = n ? htmlEntityLookup((const xmlChar *) name) : NULL;
        if (e == NULL) {
            return false;
        }
        c = e->value;
    }

    p += p < h->end && *p == ';';
    h->pos = p;

    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        h->space = h->newlines == 0;
    } else {
        conv_out_char(h, c);
    }
    return true;
}


static void
conv_text_byte(conv_html_t *h, uint8_t c)
{
    if (h->pre) {
        if (c == '\n') {
            if (h->want != 0) {
                conv_out_begin(h);
            }
            conv_out_newline(h);
        } else if (c != '\r') {
            conv_out_bytes(h, (const char *) &c, 1);
        }
        return;
    }

    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        h->space = h->newlines == 0 && h->out.len != 0 && h->want == 0;
        return;
    }

    conv_out_bytes(h, (const char *) &c, 1);
}


/* value of an attribute in the tag's text, undecoded; empty when absent */
static ph_str_t
conv_attribute(ph_str_t tag, const char *name)
{
    size_t          n = strlen(name);
    uint8_t         q;
    const uint8_t  *p = tag.data, *end = tag.data + tag.len, *start, *key;
    size_t          key_len;

    while (p < end) {
        while (p < end && (*p <= ' ' || *p == '/')) {
            p++;
        }
        key = p;
        while (p < end && *p > ' ' && *p != '=' && *p != '/') {
            p++;
        }
        key_len = (size_t) (p - key);
        while (p < end && *p <= ' ') {
            p++;
        }
        if (p >= end || *p != '=') {
            p += key_len == 0 && p < end;
            continue;
        }
        p++;
        while (p < end && *p <= ' ') {
            p++;
        }
        q = p < end && (*p == '"' || *p == '\'') ? *p : 0;
        p += q != 0;
        start = p;
        while (p < end && (q ? *p != q : *p > ' ')) {
            p++;
        }
        if (key_len == n && strncasecmp((const char *) key, name, n) == 0) {
            return (ph_str_t) { (size_t) (p - start), start };
        }
        p += q != 0 && p < end;
    }

    return ph_str_null;
}


/* everything up to the end tag is not text */
static void
conv_skip_to(conv_html_t *h, const char *name)
{
    size_t          n = strlen(name);
    const uint8_t  *p = h->pos;

    while ((p = memmem(p, (size_t) (h->end - p), "</", 2)) != NULL) {
        p += 2;
        if ((size_t) (h->end - p) >= n
            && strncasecmp((const char *) p, name, n) == 0)
        {
            p = memchr(p, '>', (size_t) (h->end - p));
            h->pos = p ? p + 1 : h->end;
            return;
        }
    }

    h->pos = h->end;
}


static void
conv_link_end(conv_html_t *h)
{
    ph_str_t  text, href = h->href;

    if (href.len == 0 || h->href_text > h->out.len) {
        return;
    }

    h->href = ph_str_null;
    text = (ph_str_t) { h->out.len - h->href_text,
                        h->out.data + h->href_text };
    text = ph_str_trim(text);

    if (href.len > 7 && ph_str_ieq_c((ph_str_t) { 7, href.data }, "mailto:")) {
        href.data += 7;
        href.len -= 7;
    }

    if (text.len == 0 || memmem(text.data, text.len, href.data, href.len)
        || href.data[0] == '#')
    {
        return;
    }

    ph_put_bytes(&h->out, " <", 2);
    ph_put_str(&h->out, href);
    ph_put_bytes(&h->out, ">", 1);
}


static void
conv_tag(conv_html_t *h, const char *name, bool close, ph_str_t rest)
{
    uint32_t  lines = 0;
    char      label[16];
    int       n;
    ph_str_t  v;

    for (size_t i = 0; i < ph_nelts(conv_blocks); i++) {
        if (strcmp(name, conv_blocks[i].name) == 0) {
            lines = conv_blocks[i].lines;
        }
    }

    if (strcmp(name, "blockquote") == 0) {
        h->want = ph_max(h->want, 1u);
        if (close) {
            h->quote -= h->quote != 0;
        } else {
            h->quote += h->quote < CONV_MAX_QUOTE;
        }

    } else if (strcmp(name, "pre") == 0) {
        h->pre = !close;

    } else if (strcmp(name, "ul") == 0 || strcmp(name, "ol") == 0) {
        if (close) {
            h->lists -= h->lists != 0;
        } else if (h->lists < CONV_MAX_LIST) {
            h->number[h->lists++] = name[0] == 'o' ? 1 : 0;
        }

    } else if (strcmp(name, "a") == 0) {
        conv_link_end(h);
        if (!close) {
            v = conv_attribute(rest, "href");
            if (v.len != 0 && v.len <= CONV_MAX_HREF) {
                h->href = v;
                h->href_text = h->out.len;
            }
        }

    } else if (strcmp(name, "img") == 0) {
        v = conv_attribute(rest, "alt");
        if (v.len != 0 && v.len < 200) {
            conv_out_bytes(h, "[", 1);
            ph_put_str(&h->out, v);
            ph_put_bytes(&h->out, "]", 1);
        }

    } else if ((strcmp(name, "td") == 0 || strcmp(name, "th") == 0)) {
        if (close) {
            h->cell = true;
        } else if (h->cell && h->newlines == 0) {
            ph_put_bytes(&h->out, "\t", 1);
            h->space = false;
            h->cell = false;
        }
        return;

    } else if (strcmp(name, "hr") == 0) {
        h->want = ph_max(h->want, 1u);
        conv_out_bytes(h, "----------------------------------------", 40);
        lines = 1;
    }

    if (strcmp(name, "br") == 0) {
        if (h->want != 0) {
            conv_out_begin(h);
        }
        conv_out_newline(h);
        return;
    }

    if (lines != 0 && h->out.len != 0) {
        h->want = ph_max(h->want, lines);
        h->space = false;
    }

    if (!close && strcmp(name, "li") == 0) {
        n = 0;
        if (h->lists != 0 && h->number[h->lists - 1] != 0) {
            n = snprintf(label, sizeof(label), "%u. ",
                         h->number[h->lists - 1]++);
        }
        conv_out_bytes(h, n > 0 ? label : "* ", n > 0 ? (size_t) n : 2);
    }
}


/* at "<": consumes a tag, a comment or a declaration; false: a plain "<" */
static bool
conv_markup(conv_html_t *h)
{
    bool            close;
    char            name[16];
    size_t          n = 0;
    uint8_t         q = 0;
    const uint8_t  *p = h->pos + 1, *start, *e;

    if (h->end - p >= 3 && memcmp(p, "!--", 3) == 0) {
        e = h->no_comment_end ? NULL
                              : memmem(p + 3, (size_t) (h->end - p - 3), "-->",
                                       3);
        h->no_comment_end |= e == NULL;
        h->pos = e ? e + 3 : p + 3;
        return true;
    }

    close = p < h->end && *p == '/';
    p += close;

    if (p >= h->end || !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')) {
        if (p < h->end && (*p == '!' || *p == '?')) {
            e = memchr(p, '>', ph_min((size_t) (h->end - p), (size_t) 4096));
            if (e != NULL) {
                h->pos = e + 1;
                return true;
            }
        }
        return false;
    }

    while (p < h->end && *p > ' ' && *p != '>' && *p != '/') {
        if (n < sizeof(name) - 1) {
            name[n++] = (char) (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        }
        p++;
    }
    name[n] = '\0';

    start = p;
    for (; p < h->end && (q != 0 || *p != '>'); p++) {
        if (q != 0) {
            q = *p == q ? 0 : q;
        } else if ((*p == '"' || *p == '\'') && p > start && p[-1] == '=') {
            q = *p;
        }
    }

    if (p >= h->end && q != 0) {
        /* an open quote: the tag ends at the first ">" after all */
        e = memchr(start, '>', (size_t) (h->end - start));
        p = e ? e : h->end;
    }

    h->pos = p < h->end ? p + 1 : h->end;

    if (!close && (strcmp(name, "script") == 0 || strcmp(name, "style") == 0
                   || strcmp(name, "title") == 0
                   || strcmp(name, "template") == 0))
    {
        conv_skip_to(h, name);
        return true;
    }

    conv_tag(h, name, close, (ph_str_t) { (size_t) (p - start), start });
    return true;
}


ph_int_t
conv_html_to_text(ph_pool_t *pool, ph_str_t html, ph_str_t *text_r)
{
    conv_html_t  h;

    memset(&h, 0, sizeof(h));
    ph_wbuf_init(&h.out, pool, 4 * (size_t) CONV_HTML_MAX);

    html.len = ph_min(html.len, (size_t) CONV_HTML_MAX);
    html.len = ph_utf8_cut(html, html.len);
    h.pos = html.data;
    h.end = html.data + html.len;

    while (html.len != 0 && h.pos < h.end && !h.out.error) {
        if (*h.pos == '<' && conv_markup(&h)) {
            continue;
        }
        if (*h.pos == '&' && conv_entity(&h)) {
            continue;
        }
        if (*h.pos == 0xc2 && h.end - h.pos > 1 && h.pos[1] == 0xa0) {
            conv_out_bytes(&h, " ", 1);
            h.pos += 2;
            continue;
        }
        conv_text_byte(&h, *h.pos++);
    }

    conv_link_end(&h);

    if (h.out.len != 0 && h.newlines == 0) {
        ph_put_bytes(&h.out, "\r\n", 2);
    }

    if (h.out.error) {
        return PH_NOMEM;
    }

    *text_r = h.out.len ? ph_wbuf_str(&h.out) : ph_str_lit("");
    return PH_OK;
}


ph_int_t
conv_html_from_text(ph_pool_t *pool, ph_str_t text, ph_str_t *html_r)
{
    bool       start = true;
    uint8_t    c;
    ph_wbuf_t  out;

    static const char  head[] =
        "<html><head><meta http-equiv=\"Content-Type\" "
        "content=\"text/html; charset=utf-8\"></head><body>\r\n"
        "<div style=\"font-family: sans-serif\">";
    static const char  tail[] = "</div>\r\n</body></html>\r\n";

    ph_wbuf_init(&out, pool, SIZE_MAX / 2);
    ph_put_bytes(&out, head, sizeof(head) - 1);

    for (size_t i = 0; i < text.len; i++) {
        c = text.data[i];

        switch (c) {
        case '&':
            ph_put_bytes(&out, "&amp;", 5);
            break;
        case '<':
            ph_put_bytes(&out, "&lt;", 4);
            break;
        case '>':
            ph_put_bytes(&out, "&gt;", 4);
            break;
        case '"':
            ph_put_bytes(&out, "&quot;", 6);
            break;
        case '\r':
            if (i + 1 < text.len && text.data[i + 1] == '\n') {
                continue;
            }
            /* fall through */
        case '\n':
            ph_put_bytes(&out, "<br>\r\n", 6);
            start = true;
            continue;
        case '\t':
            ph_put_bytes(&out, "&nbsp;&nbsp;&nbsp; ", 19);
            break;
        case ' ':
            if (start || (i + 1 < text.len && text.data[i + 1] == ' ')) {
                ph_put_bytes(&out, "&nbsp;", 6);
            } else {
                ph_put_u8(&out, ' ');
            }
            break;
        default:
            ph_put_u8(&out, c);
        }

        start = false;
    }

    ph_put_bytes(&out, tail, sizeof(tail) - 1);

    if (out.error) {
        return PH_NOMEM;
    }

    *html_r = ph_wbuf_str(&out);
    return PH_OK;
}
