/*
 * Genuine RTF as HTML: paragraphs, emphasis, fonts, colours, tables, links,
 * pictures.  Elements are opened when text comes, so that what is empty leaves
 * nothing behind, and closed inside out.
 */

#include "conv_rtf_int.h"
#include "lib/ph_str.h"

#define RTF_CODE_MAX  4096          /* of a field's instruction */

typedef struct {
    rtf_reader_t       *r;
    ph_wbuf_t           out;
    bool                table;      /* what is open, outside in */
    bool                row;
    bool                cell;
    bool                para;
    bool                link;
    bool                span;
    bool                content;    /* in the paragraph or cell */
    rtf_char_t          chr;        /* of the span */
    ph_str_t            href;       /* of the field that is being read */
    ph_wbuf_t           code;
    conv_rtf_images_t  *images;     /* NULL: not wanted */
    const char         *type;       /* of the picture that is being read */
    ph_wbuf_t           bytes;
} rtf_html_t;

static void
rtf_escape(ph_wbuf_t *b, ph_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        switch (s.data[i]) {
        case '&':
            ph_put_str(b, ph_str_c("&amp;"));
            break;
        case '<':
            ph_put_str(b, ph_str_c("&lt;"));
            break;
        case '>':
            ph_put_str(b, ph_str_c("&gt;"));
            break;
        case '"':
            ph_put_str(b, ph_str_c("&quot;"));
            break;
        default:
            ph_put_u8(b, s.data[i]);
            break;
        }
    }
}

/* ---- elements ---- */

static void
rtf_span_end(rtf_html_t *h)
{
    if (h->span) {
        ph_put_str(&h->out, ph_str_c(h->chr.script ? h->chr.script > 0
                                     ? "</span></sup>" : "</span></sub>"
                                     : "</span>"));
        h->span = false;
    }
}

static void
rtf_link_end(rtf_html_t *h)
{
    rtf_span_end(h);
    if (h->link) {
        ph_put_str(&h->out, ph_str_c("</a>"));
        h->link = false;
    }
}

static void
rtf_para_end(rtf_html_t *h)
{
    rtf_link_end(h);
    if (h->para) {
        ph_put_str(&h->out, ph_str_c("</p>\r\n"));
        h->para = false;
    }
    h->content = false;
}

static void
rtf_row_end(rtf_html_t *h)
{
    rtf_link_end(h);
    if (h->cell) {
        ph_put_str(&h->out, ph_str_c("</td>"));
    }
    if (h->row) {
        ph_put_str(&h->out, ph_str_c("</tr>\r\n"));
    }
    h->cell = h->row = h->content = false;
}

static void
rtf_table_end(rtf_html_t *h)
{
    rtf_row_end(h);
    if (h->table) {
        ph_put_str(&h->out, ph_str_c("</table>\r\n"));
        h->table = false;
    }
}

static void
rtf_cell(rtf_html_t *h)
{
    if (h->cell) {
        return;
    }
    rtf_para_end(h);
    if (!h->table) {
        ph_put_str(&h->out, ph_str_c("<table border=\"1\" "
                                     "cellspacing=\"0\">\r\n"));
    }
    if (!h->row) {
        ph_put_str(&h->out, ph_str_c("<tr>"));
    }
    ph_put_str(&h->out, ph_str_c("<td>"));
    h->table = h->row = h->cell = true;
}

static void
rtf_block(rtf_html_t *h, const rtf_group_t *g)
{
    static const char *const  align[] = { "", "center", "right", "justify" };

    if (g->para.table) {
        rtf_cell(h);
        return;
    }
    if (h->table) {
        rtf_table_end(h);
    }
    if (!h->para) {
        ph_put_str(&h->out, ph_str_c("<p style=\"margin:0"));
        if (g->para.align) {
            ph_put_fmt(&h->out, ";text-align:%s", align[g->para.align & 3]);
        }
        if (g->para.indent) {
            ph_put_fmt(&h->out, ";margin-left:%dpt", g->para.indent / 20);
        }
        ph_put_str(&h->out, ph_str_c("\">"));
        h->para = true;
    }
}

static void
rtf_style_color(rtf_html_t *h, const char *what, uint32_t index)
{
    uint32_t  rgb;

    if (index < h->r->n_colors) {
        rgb = h->r->colors[index];
        if (rgb != RTF_COLOR_AUTO) {
            ph_put_fmt(&h->out, "%s:#%06x;", what, rgb & 0xFFFFFF);
        }
    }
}

static void
rtf_style_font(rtf_html_t *h, uint32_t font)
{
    size_t    i;
    uint8_t   c;
    ph_str_t  name;

    name = font && font <= h->r->n_fonts ? h->r->fonts[font - 1].name
                                         : ph_str_null;
    for (i = 0; i < name.len; i++) {
        c = name.data[i];
        if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != ' ' && c != '-'
            && !(c >= '0' && c <= '9'))
        {
            return;
        }
    }
    if (name.len) {
        ph_put_fmt(&h->out, "font-family:'%.*s';", (int) name.len,
                   (const char *) name.data);
    }
}

static void
rtf_span(rtf_html_t *h, const rtf_char_t *c)
{
    if (h->span && memcmp(&h->chr, c, sizeof(*c)) == 0) {
        return;
    }
    rtf_span_end(h);
    h->chr = *c;
    h->span = true;

    if (c->script) {
        ph_put_str(&h->out, ph_str_c(c->script > 0 ? "<sup>" : "<sub>"));
    }
    ph_put_str(&h->out, ph_str_c("<span style=\""));
    rtf_style_font(h, c->font);
    if (c->size) {
        ph_put_fmt(&h->out, "font-size:%u%spt;", c->size / 2u,
                   c->size & 1 ? ".5" : "");
    }
    rtf_style_color(h, "color", c->color);
    if (c->back) {
        rtf_style_color(h, "background-color", c->back);
    }
    if (c->bold) {
        ph_put_str(&h->out, ph_str_c("font-weight:bold;"));
    }
    if (c->italic) {
        ph_put_str(&h->out, ph_str_c("font-style:italic;"));
    }
    if (c->underline || c->strike) {
        ph_put_fmt(&h->out, "text-decoration:%s%s%s;",
                   c->underline ? "underline" : "",
                   c->underline && c->strike ? " " : "",
                   c->strike ? "line-through" : "");
    }
    ph_put_str(&h->out, ph_str_c("\">"));
}

/* everything that must be open before text */
static void
rtf_begin(rtf_html_t *h, const rtf_group_t *g)
{
    rtf_block(h, g);
    if (g->dest == RTF_DEST_FIELD_RESULT && h->href.len && !h->link) {
        rtf_span_end(h);
        ph_put_str(&h->out, ph_str_c("<a href=\""));
        rtf_escape(&h->out, h->href);
        ph_put_str(&h->out, ph_str_c("\">"));
        h->link = true;
    }
    rtf_span(h, &g->chr);
    h->content = true;
}

/* ---- fields and pictures ---- */

/* HYPERLINK "address": only kinds of addresses that do no harm */
static void
rtf_field_code(rtf_html_t *h)
{
    size_t          i, from;
    ph_str_t        code;
    unsigned        k;
    static const char *const  schemes[] = {
        "http:", "https:", "mailto:", "ftp:", "tel:"
    };

    code = ph_str_trim(ph_wbuf_str(&h->code));
    h->href = ph_str_null;
    if (code.len < 10
        || !ph_str_ieq_c((ph_str_t) { 9, code.data }, "HYPERLINK"))
    {
        return;
    }
    for (i = 9; i < code.len && code.data[i] != '"'; i++) { /* void */ }
    from = ++i;
    while (i < code.len && code.data[i] != '"') {
        i++;
    }
    if (i > code.len || from >= i) {
        return;
    }
    code = (ph_str_t) { i - from, code.data + from };
    for (k = 0; k < ph_nelts(schemes); k++) {
        if (code.len > strlen(schemes[k])
            && ph_str_ieq_c((ph_str_t) { strlen(schemes[k]), code.data },
                            schemes[k]))
        {
            h->href = ph_pstrdup(h->r->pool, code);
            return;
        }
    }
}

static void
rtf_picture(rtf_html_t *h, const rtf_group_t *g)
{
    ph_str_t           bytes;
    conv_rtf_image_t  *image;

    bytes = ph_wbuf_str(&h->bytes);
    if (h->images == NULL || h->type == NULL || bytes.len == 0
        || h->bytes.error || h->images->n == CONV_RTF_IMAGES)
    {
        return;
    }
    if (h->images->image == NULL) {
        h->images->image = ph_pcalloc_array(h->r->pool, CONV_RTF_IMAGES,
                                            sizeof(conv_rtf_image_t));
    }
    if (h->images->image == NULL) {
        h->r->failed = true;
        return;
    }
    image = &h->images->image[h->images->n++];
    image->type = h->type;
    image->data = bytes;
    image->cid = ph_psprintf(h->r->pool, "picture%u.rtf", h->images->n);
    if (image->cid == NULL) {
        h->r->failed = true;
        return;
    }
    rtf_begin(h, g);
    ph_put_fmt(&h->out, "<img src=\"cid:%s\">", image->cid);
}

/* ---- the sink ---- */

static void
rtf_html_text(void *data, const rtf_group_t *g, ph_str_t utf8)
{
    rtf_html_t  *h = data;

    if (g->dest == RTF_DEST_FIELD_CODE) {
        ph_put_str(&h->code, utf8);
        return;
    }
    if (g->chr.hidden) {
        return;
    }
    rtf_begin(h, g);
    rtf_escape(&h->out, utf8);
}

static void
rtf_html_word(void *data, const rtf_group_t *g, rtf_word_t word)
{
    rtf_html_t  *h = data;

    switch (word) {
    case RTF_PNG:
        h->type = "image/png";
        return;
    case RTF_JPEG:
        h->type = "image/jpeg";
        return;
    case RTF_EMF:
        h->type = "image/x-emf";
        return;
    case RTF_WMF:
        h->type = "image/x-wmf";
        return;
    default:
        break;
    }
    if (g->dest == RTF_DEST_FIELD_CODE) {
        return;
    }

    switch (word) {
    case RTF_PAR:
    case RTF_PAGE:
        if (g->para.table) {
            rtf_begin(h, g);
            ph_put_str(&h->out, ph_str_c("<br>\r\n"));
            break;
        }
        if (!h->content) {
            rtf_begin(h, g);
            ph_put_str(&h->out, ph_str_c("&nbsp;"));
        }
        rtf_para_end(h);
        break;

    case RTF_LINE:
    case RTF_NEST_ROW:
        rtf_begin(h, g);
        ph_put_str(&h->out, ph_str_c("<br>\r\n"));
        break;

    case RTF_CELL:
        rtf_cell(h);
        rtf_link_end(h);
        ph_put_str(&h->out, ph_str_c("</td>"));
        h->cell = h->content = false;
        break;

    case RTF_ROW:
        if (h->row) {
            rtf_row_end(h);
        }
        break;

    default:
        rtf_begin(h, g);
        ph_put_str(&h->out, ph_str_c("&nbsp;&nbsp;&nbsp; "));
        break;
    }
}

static void
rtf_html_open(void *data, const rtf_group_t *g)
{
    rtf_html_t  *h = data;

    switch (g->dest) {
    case RTF_DEST_FIELD:
        h->href = ph_str_null;
        break;
    case RTF_DEST_FIELD_CODE:
        ph_wbuf_init(&h->code, h->r->pool, RTF_CODE_MAX);
        break;
    case RTF_DEST_PICTURE:
        h->type = NULL;
        ph_wbuf_init(&h->bytes, h->r->pool, CONV_RTF_MAX);
        break;
    default:
        break;
    }
}

static void
rtf_html_close(void *data, const rtf_group_t *g)
{
    rtf_html_t  *h = data;

    switch (g->dest) {
    case RTF_DEST_FIELD_CODE:
        rtf_field_code(h);
        break;
    case RTF_DEST_FIELD_RESULT:
    case RTF_DEST_FIELD:
        rtf_link_end(h);
        h->href = ph_str_null;
        break;
    case RTF_DEST_PICTURE:
        rtf_picture(h, g);
        break;
    default:
        break;
    }
}

static void
rtf_html_bytes(void *data, const rtf_group_t *g, ph_str_t bytes)
{
    rtf_html_t  *h = data;

    if (h->images) {
        ph_put_str(&h->bytes, bytes);
    }
    (void) g;
}

static const rtf_sink_t  rtf_html = {
    rtf_html_text, rtf_html_word, rtf_html_open, rtf_html_close,
    rtf_html_bytes
};

ph_int_t
rtf_native_html(ph_pool_t *pool, ph_str_t rtf, ph_str_t *html_r,
    conv_rtf_images_t *images)
{
    ph_int_t    rc;
    rtf_html_t  h;

    memset(&h, 0, sizeof(h));
    h.images = images;
    h.r = ph_palloc(pool, sizeof(*h.r));
    if (h.r == NULL) {
        return PH_NOMEM;
    }
    /* a character may bring a span with it; the pool has a limit of its own */
    ph_wbuf_init(&h.out, pool, 16 * (size_t) CONV_RTF_MAX);
    ph_put_str(&h.out, ph_str_c("<html><head><meta http-equiv=\"Content-Type\""
               " content=\"text/html; charset=utf-8\"></head><body>\r\n"));
    rc = rtf_read(h.r, pool, rtf, CONV_RTF_NATIVE, &rtf_html, &h);
    rtf_para_end(&h);
    rtf_table_end(&h);
    ph_put_str(&h.out, ph_str_c("</body></html>\r\n"));
    *html_r = ph_wbuf_str(&h.out);

    return rc != PH_OK ? rc : h.out.error ? PH_NOMEM : PH_OK;
}
