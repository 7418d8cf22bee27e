/*
 * HTML and text inside RTF (MS-OXRTFEX 2.1.3).  Everything of the HTML that is
 * not text goes into \htmltag groups, which other readers of RTF skip; what
 * they show instead is between \htmlrtf and \htmlrtf0, which a reader of the
 * HTML skips.
 */

#include "conv_rtf_int.h"
#include "lib/ph_str.h"

#include <libxml/HTMLparser.h>

#define RTF_ENTITY_MAX  12

/* HTMLTagParameter (MS-OXRTFEX 2.1.3.1.4.1); readers need not look at it */
#define RTF_TAG_TEXT     84
#define RTF_TAG_HEAD     241
#define RTF_TAG_BODY     228

typedef struct {
    const char  *name;
    uint8_t      open;           /* HTMLTagParameter */
    uint8_t      close;
    const char  *show_open;      /* RTF for those who skip the tags */
    const char  *show_close;
} rtf_element_t;

/* in the order of strcmp() */
static const rtf_element_t  rtf_elements[] = {
    { "b", 84, 92, "\\b", "\\b0" },
    { "blockquote", 84, 92, "\\par", "\\par" },
    { "body", 50, 58, NULL, NULL },
    { "br", 116, 116, "\\line", "\\line" },
    { "div", 96, 104, NULL, "\\par" },
    { "em", 84, 92, "\\i", "\\i0" },
    { "font", 148, 156, NULL, NULL },
    { "h1", 160, 168, "\\par\\b", "\\b0\\par" },
    { "h2", 160, 168, "\\par\\b", "\\b0\\par" },
    { "h3", 160, 168, "\\par\\b", "\\b0\\par" },
    { "h4", 160, 168, "\\par\\b", "\\b0\\par" },
    { "head", 34, 41, NULL, NULL },
    { "html", 19, 27, NULL, NULL },
    { "i", 84, 92, "\\i", "\\i0" },
    { "li", 84, 92, "\\bullet\\tab", "\\par" },
    { "p", 64, 72, NULL, "\\par" },
    { "s", 84, 92, "\\strike", "\\strike0" },
    { "strong", 84, 92, "\\b", "\\b0" },
    { "td", 84, 92, NULL, "\\tab" },
    { "th", 84, 92, "\\b", "\\b0\\tab" },
    { "title", 177, 185, NULL, NULL },
    { "tr", 84, 92, NULL, "\\par" },
    { "u", 84, 92, "\\ul", "\\ulnone" }
};

typedef struct {
    ph_wbuf_t  out;
    ph_cur_t   cur;
    bool       head;             /* text is not shown */
    bool       no_tag_end;       /* nothing more of the kind will come */
    bool       no_comment_end;
} rtf_write_t;

/* one character for a reader of RTF */
static void
rtf_write_char(ph_wbuf_t *b, uint32_t c)
{
    if (c >= 0x10000) {
        c -= 0x10000;
        ph_put_fmt(b, "\\u%d?", (int) (int16_t) (0xD800 + (c >> 10)));
        c = 0xDC00 + (c & 0x3FF);
    }
    if (c >= 0x80) {
        ph_put_fmt(b, "\\u%d?", (int) (int16_t) c);
    } else if (c == '\\' || c == '{' || c == '}') {
        ph_put_u8(b, '\\');
        ph_put_u8(b, (uint8_t) c);
    } else if (c == '\t') {
        ph_put_str(b, ph_str_c("\\tab "));
    } else if (c >= 0x20) {
        ph_put_u8(b, (uint8_t) c);
    }
}

/* the next character of valid UTF-8, else U+FFFD for a byte */
static uint32_t
rtf_next_char(ph_cur_t *cur)
{
    uint8_t   byte;
    uint32_t  c, n, k;

    c = ph_cur_u8(cur);
    if (c < 0x80) {
        return c;
    }
    if (c < 0xC2 || c > 0xF4) {
        return 0xFFFD;
    }
    n = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    c &= 0x3Fu >> n;
    for (k = 0; k < n; k++) {
        if (ph_cur_left(cur) == 0 || (cur->pos[0] & 0xC0) != 0x80) {
            return 0xFFFD;
        }
        byte = ph_cur_u8(cur);
        c = c << 6 | (byte & 0x3F);
    }

    return c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0xFFFD : c;
}

/* after a CR its LF belongs to it */
static bool
rtf_is_newline(ph_cur_t *cur, uint32_t c)
{
    if (c == '\r' && ph_cur_left(cur) && cur->pos[0] == '\n') {
        (void) ph_cur_u8(cur);
    }

    return c == '\r' || c == '\n';
}

/* bytes of HTML that are not shown */
static void
rtf_write_tag(rtf_write_t *w, unsigned param, ph_str_t bytes)
{
    ph_cur_t  cur;
    uint32_t  c;

    ph_cur_init(&cur, bytes.data, bytes.len);
    ph_put_fmt(&w->out, "{\\*\\htmltag%u ", param);
    while (ph_cur_left(&cur) && !w->out.error) {
        c = rtf_next_char(&cur);
        if (rtf_is_newline(&cur, c)) {
            ph_put_str(&w->out, ph_str_c("\\par "));
        } else {
            rtf_write_char(&w->out, c);
        }
    }
    ph_put_u8(&w->out, '}');
}

static void
rtf_write_shown(rtf_write_t *w, const char *rtf)
{
    if (rtf) {
        ph_put_fmt(&w->out, "\\htmlrtf %s\\htmlrtf0 ", rtf);
    }
}

/* ---- reading HTML ---- */

static const rtf_element_t *
rtf_element(ph_str_t name)
{
    size_t  i;

    for (i = 0; i < ph_nelts(rtf_elements); i++) {
        if (ph_str_ieq_c(name, rtf_elements[i].name)) {
            return &rtf_elements[i];
        }
    }

    return NULL;
}

static ph_str_t
rtf_left(const rtf_write_t *w)
{
    return (ph_str_t) { ph_cur_left(&w->cur), w->cur.pos };
}

/* bytes up to and with the first `what`; {0} when it does not come */
static ph_str_t
rtf_upto(const rtf_write_t *w, const char *what)
{
    const uint8_t  *p;

    p = memmem(w->cur.pos, ph_cur_left(&w->cur), what, strlen(what));

    return p ? (ph_str_t) { (size_t) (p - w->cur.pos) + strlen(what),
                            w->cur.pos }
             : ph_str_null;
}

/* bytes before "</name", or all */
static ph_str_t
rtf_raw_text(const rtf_write_t *w, ph_str_t name)
{
    size_t          i;
    ph_str_t        s;
    const uint8_t  *p;

    s = rtf_left(w);
    for (i = 0; i + 2 + name.len <= s.len; i++) {
        p = memchr(s.data + i, '<', s.len - i);
        if (p == NULL) {
            break;
        }
        i = (size_t) (p - s.data);
        if (i + 2 + name.len <= s.len && p[1] == '/'
            && ph_str_ieq((ph_str_t) { name.len, p + 2 }, name))
        {
            return (ph_str_t) { i, s.data };
        }
    }

    return s;
}

static void
rtf_html_markup(rtf_write_t *w)
{
    bool                  close;
    size_t                i, from;
    ph_str_t              tag, name, raw;
    unsigned              param;
    const rtf_element_t  *e;

    raw = rtf_left(w);
    if (!w->no_comment_end && raw.len >= 4 && memcmp(raw.data, "<!--", 4) == 0)
    {
        tag = rtf_upto(w, "-->");
        if (tag.len) {
            rtf_write_tag(w, w->head ? RTF_TAG_HEAD : RTF_TAG_BODY,
                          ph_cur_bytes(&w->cur, tag.len));
            return;
        }
        w->no_comment_end = true;
    }
    tag = w->no_tag_end ? ph_str_null : rtf_upto(w, ">");
    if (tag.len == 0) {
        w->no_tag_end = true;
        rtf_write_char(&w->out, ph_cur_u8(&w->cur));
        return;
    }
    tag = ph_cur_bytes(&w->cur, tag.len);

    close = tag.data[1] == '/';
    from = close ? 2 : 1;
    for (i = from; i < tag.len && ((tag.data[i] | 0x20) >= 'a'
                                   ? (tag.data[i] | 0x20) <= 'z'
                                   : tag.data[i] >= '0'
                                     && tag.data[i] <= '9'); i++)
    { /* void */ }
    name = (ph_str_t) { i - from, tag.data + from };

    e = rtf_element(name);
    param = e ? close ? e->close : e->open
            : w->head ? RTF_TAG_HEAD : RTF_TAG_BODY;
    rtf_write_tag(w, param, tag);
    if (ph_str_ieq_c(name, "head")) {
        w->head = !close;
    } else if (ph_str_ieq_c(name, "body")) {
        w->head = false;
    }
    if (e && !w->head) {
        rtf_write_shown(w, close ? e->show_close : e->show_open);
    }
    if (!close && (ph_str_ieq_c(name, "script")
                   || ph_str_ieq_c(name, "style")))
    {
        raw = rtf_raw_text(w, name);
        rtf_write_tag(w, RTF_TAG_HEAD, ph_cur_bytes(&w->cur, raw.len));
    }
}

/* the character of "&name;" or "&#number;", 0: none */
static uint32_t
rtf_entity(ph_str_t s)
{
    char                     name[RTF_ENTITY_MAX];
    size_t                   i;
    int                      digit;
    uint32_t                 c;
    const htmlEntityDesc    *desc;

    if (s.len < 4 || s.len > RTF_ENTITY_MAX) {
        return 0;
    }
    if (s.data[1] == '#') {
        i = (s.data[2] | 0x20) == 'x' ? 3 : 2;
        for (c = 0; i + 1 < s.len; i++) {
            digit = ph_hex_digit(s.data[i]);
            if (digit < 0 || ((s.data[2] | 0x20) != 'x' && digit > 9)) {
                return 0;
            }
            c = c * ((s.data[2] | 0x20) == 'x' ? 16 : 10) + (uint32_t) digit;
            if (c > 0x10FFFF) {
                return 0;
            }
        }
        return c;
    }
    memcpy(name, s.data + 1, s.len - 2);
    name[s.len - 2] = '\0';
    desc = htmlEntityLookup((const xmlChar *) name);

    return desc ? desc->value : 0;
}

static void
rtf_html_entity(rtf_write_t *w)
{
    size_t          i;
    uint32_t        c;
    ph_str_t        s;

    s = rtf_left(w);
    for (i = 1; i < ph_min(s.len, RTF_ENTITY_MAX) && s.data[i] != ';'; i++) {
        /* void */
    }
    s.len = i < s.len && i < RTF_ENTITY_MAX ? i + 1 : 0;
    c = rtf_entity(s);
    if (c == 0) {
        rtf_write_char(&w->out, ph_cur_u8(&w->cur));
        return;
    }
    rtf_write_tag(w, RTF_TAG_TEXT, ph_cur_bytes(&w->cur, s.len));
    ph_put_str(&w->out, ph_str_c("\\htmlrtf "));
    rtf_write_char(&w->out, c);
    ph_put_str(&w->out, ph_str_c("\\htmlrtf0 "));
}

static void
rtf_write_header(ph_wbuf_t *b, const char *from)
{
    ph_put_fmt(b, "{\\rtf1\\ansi\\ansicpg1252\\%s\\deff0\r\n"
               "{\\fonttbl{\\f0\\fswiss\\fcharset0 Arial;}}\r\n"
               "\\uc1\\pard\\plain\\deftab360\\f0\\fs20 ", from);
}

static ph_int_t
rtf_write_done(ph_wbuf_t *b, ph_str_t *rtf_r)
{
    ph_put_str(b, ph_str_c("}\r\n"));
    *rtf_r = ph_wbuf_str(b);

    return b->error ? PH_NOMEM : PH_OK;
}

ph_int_t
conv_rtf_from_html(ph_pool_t *pool, ph_str_t html, ph_str_t *rtf_r)
{
    uint32_t     c;
    ph_str_t     text;
    rtf_write_t  w;

    memset(&w, 0, sizeof(w));
    ph_wbuf_init(&w.out, pool, CONV_RTF_MAX);
    ph_cur_init(&w.cur, html.data, html.len);
    rtf_write_header(&w.out, "fromhtml1");
    ph_put_str(&w.out, ph_str_c("{\\*\\htmltag64}"));

    while (ph_cur_left(&w.cur) && !w.out.error) {
        if (w.cur.pos[0] == '<') {
            rtf_html_markup(&w);
            continue;
        }
        if (w.head) {
            text = rtf_upto(&w, "<");
            text.len = text.len ? text.len - 1 : ph_cur_left(&w.cur);
            rtf_write_tag(&w, RTF_TAG_HEAD, ph_cur_bytes(&w.cur, text.len));
            continue;
        }
        if (w.cur.pos[0] == '&') {
            rtf_html_entity(&w);
            continue;
        }
        c = rtf_next_char(&w.cur);
        if (rtf_is_newline(&w.cur, c)) {
            ph_put_str(&w.out, ph_str_c("{\\*\\htmltag84 \\par }"
                                        "\\htmlrtf  \\htmlrtf0 "));
        } else {
            rtf_write_char(&w.out, c);
        }
    }

    return rtf_write_done(&w.out, rtf_r);
}

ph_int_t
conv_rtf_from_text(ph_pool_t *pool, ph_str_t text, ph_str_t *rtf_r)
{
    ph_cur_t   cur;
    uint32_t   c;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, CONV_RTF_MAX);
    ph_cur_init(&cur, text.data, text.len);
    rtf_write_header(&b, "fromtext");
    while (ph_cur_left(&cur) && !b.error) {
        c = rtf_next_char(&cur);
        if (rtf_is_newline(&cur, c)) {
            ph_put_str(&b, ph_str_c("\\par\r\n"));
        } else {
            rtf_write_char(&b, c);
        }
    }

    return rtf_write_done(&b, rtf_r);
}
