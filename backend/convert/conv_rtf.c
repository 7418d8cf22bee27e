/* What is inside RTF: the HTML or the text that was put there, or text. */

#include "conv_rtf_int.h"
#include "conv_html.h"
#include "lib/ph_str.h"

#define RTF_KIND_WORDS  10        /* MS-OXRTFEX 2.1.3.1 */

conv_rtf_kind_t
conv_rtf_kind(ph_str_t rtf)
{
    size_t           i, from;
    unsigned         words;
    ph_str_t         word;
    conv_rtf_kind_t  kind;

    kind = CONV_RTF_NATIVE;
    for (i = 0, words = 0; i < rtf.len && words < RTF_KIND_WORDS;) {
        switch (rtf.data[i++]) {
        case '{':
        case '\r':
        case '\n':
            continue;
        case '\\':
            break;
        default:
            return kind;        /* text: it would have come before */
        }
        from = i;
        while (i < rtf.len && rtf.data[i] >= 'a' && rtf.data[i] <= 'z') {
            i++;
        }
        word = (ph_str_t) { i - from, rtf.data + from };
        while (i < rtf.len && ((rtf.data[i] >= '0' && rtf.data[i] <= '9')
                               || rtf.data[i] == '-' || rtf.data[i] == ' '))
        {
            i++;
        }
        if (ph_str_eq_c(word, "fonttbl")) {
            return kind;
        }
        if (ph_str_eq_c(word, "fromhtml")) {
            return CONV_RTF_HTML;
        }
        if (ph_str_eq_c(word, "fromtext")) {
            kind = CONV_RTF_TEXT;
        }
        words++;
    }

    return kind;
}

/* ---- a sink that writes what it gets ---- */

static void
rtf_plain_text(void *data, const rtf_group_t *g, ph_str_t utf8)
{
    if (g->dest != RTF_DEST_FIELD_CODE && !g->chr.hidden) {
        ph_put_str(data, utf8);
    }
}

static void
rtf_plain_word(void *data, const rtf_group_t *g, rtf_word_t word)
{
    switch (word) {
    case RTF_PAR:
    case RTF_LINE:
    case RTF_PAGE:
    case RTF_ROW:
    case RTF_NEST_ROW:
        ph_put_bytes(data, "\r\n", 2);
        break;
    case RTF_TAB:
    case RTF_CELL:
    case RTF_NEST_CELL:
        ph_put_u8(data, '\t');
        break;
    default:
        break;
    }
    (void) g;
}

static void
rtf_plain_group(void *data, const rtf_group_t *g)
{
    (void) data;
    (void) g;
}

static void
rtf_plain_bytes(void *data, const rtf_group_t *g, ph_str_t bytes)
{
    (void) data;
    (void) g;
    (void) bytes;
}

static const rtf_sink_t  rtf_plain = {
    rtf_plain_text, rtf_plain_word, rtf_plain_group, rtf_plain_group,
    rtf_plain_bytes
};

static ph_int_t
rtf_extract(ph_pool_t *pool, ph_str_t rtf, conv_rtf_kind_t kind,
    ph_str_t *out_r)
{
    ph_int_t       rc;
    ph_wbuf_t      out;
    rtf_reader_t  *r;

    r = ph_palloc(pool, sizeof(*r));
    if (r == NULL) {
        return PH_NOMEM;
    }
    ph_wbuf_init(&out, pool, 4 * (size_t) CONV_RTF_MAX);
    rc = rtf_read(r, pool, rtf, kind, &rtf_plain, &out);
    *out_r = ph_wbuf_str(&out);
    if (out_r->data == NULL) {
        *out_r = ph_str_c("");
    }

    return rc != PH_OK ? rc : out.error ? PH_NOMEM : PH_OK;
}

ph_int_t
conv_rtf_to_html(ph_pool_t *pool, ph_str_t rtf, ph_str_t *html_r,
    conv_rtf_images_t *images)
{
    ph_int_t  rc;
    ph_str_t  text;

    if (images) {
        memset(images, 0, sizeof(*images));
    }
    switch (conv_rtf_kind(rtf)) {
    case CONV_RTF_HTML:
        return rtf_extract(pool, rtf, CONV_RTF_HTML, html_r);
    case CONV_RTF_TEXT:
        rc = rtf_extract(pool, rtf, CONV_RTF_TEXT, &text);
        return rc != PH_OK ? rc : conv_html_from_text(pool, text, html_r);
    default:
        return rtf_native_html(pool, rtf, html_r, images);
    }
}

ph_int_t
conv_rtf_to_text(ph_pool_t *pool, ph_str_t rtf, ph_str_t *text_r)
{
    ph_int_t         rc;
    ph_str_t         html;
    conv_rtf_kind_t  kind;

    kind = conv_rtf_kind(rtf);
    if (kind != CONV_RTF_HTML) {
        return rtf_extract(pool, rtf, kind, text_r);
    }
    rc = rtf_extract(pool, rtf, kind, &html);

    return rc != PH_OK ? rc : conv_html_to_text(pool, html, text_r);
}
