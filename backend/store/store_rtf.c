/*
 * Compressed RTF in its uncompressed form (MS-OXRTFCP 2.1.3.1.3: COMPTYPE
 * "MELA"), with the text or the HTML inside (MS-OXRTFEX).  Reading back what
 * these made, and the text of RTF that clients wrote in this form or
 * compressed.
 */

#include "store_message_int.h"
#include "lib/ph_str.h"

#define STORE_RTF_MAX   (64u << 20)
#define STORE_RTF_HEAD  16

static void
store_rtf_utf8(ph_wbuf_t *b, ph_str_t s, bool newlines)
{
    size_t    i;
    uint32_t  c, n, k;

    for (i = 0; i < s.len;) {
        c = s.data[i++];
        if (c < 0x80) {
            if (c == '\\' || c == '{' || c == '}') {
                ph_put_u8(b, '\\');
                ph_put_u8(b, (uint8_t) c);
            } else if (c == '\n') {
                ph_put_fmt(b, newlines ? "\\par\r\n" : "\r\n");
            } else if (c == '\t') {
                ph_put_fmt(b, "\\tab ");
            } else if (c != '\r') {
                ph_put_u8(b, (uint8_t) c);
            }
            continue;
        }
        n = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        c &= 0x3Fu >> n;
        for (k = 0; k < n && i < s.len; k++) {
            c = c << 6 | (s.data[i++] & 0x3F);
        }
        if (c >= 0x10000) {
            c -= 0x10000;
            ph_put_fmt(b, "\\u%d?", (int16_t) (0xD800 + (c >> 10)));
            c = 0xDC00 + (c & 0x3FF);
        }
        ph_put_fmt(b, "\\u%d?", (int16_t) c);
    }
}

static ph_int_t
store_rtf_finish(ph_wbuf_t *b, ph_str_t *rtf_r)
{
    uint32_t  raw;

    if (b->error) {
        return PH_NOMEM;
    }
    raw = (uint32_t) (b->len - STORE_RTF_HEAD);
    ph_poke_u32(b, 0, raw + 12);
    ph_poke_u32(b, 4, raw);
    ph_poke_u32(b, 8, 0x414C454D);
    ph_poke_u32(b, 12, 0);
    *rtf_r = ph_wbuf_str(b);

    return PH_OK;
}

ph_int_t
store_rtf_from_text(ph_pool_t *pool, ph_str_t text, ph_str_t *rtf_r)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, STORE_RTF_MAX);
    ph_put_fill(&b, 0, STORE_RTF_HEAD);
    ph_put_fmt(&b, "{\\rtf1\\ansi\\ansicpg1252\\fromtext \\deff0"
               "{\\fonttbl{\\f0\\fswiss Arial;}}\\pard\\plain\\f0\\fs20 ");
    store_rtf_utf8(&b, text, true);
    ph_put_fmt(&b, "}");

    return store_rtf_finish(&b, rtf_r);
}

ph_int_t
store_rtf_from_html(ph_pool_t *pool, ph_str_t html, ph_str_t *rtf_r)
{
    ph_wbuf_t       b;
    ph_str_t        part;
    const uint8_t  *p, *end, *q;

    ph_wbuf_init(&b, pool, STORE_RTF_MAX);
    ph_put_fill(&b, 0, STORE_RTF_HEAD);
    ph_put_fmt(&b, "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0"
               "{\\fonttbl{\\f0\\fswiss Arial;}}\r\n");

    p = html.data;
    end = p + html.len;
    while (p < end) {
        if (*p == '<') {
            q = memchr(p, '>', (size_t) (end - p));
            q = q ? q + 1 : end;
            part = (ph_str_t) { (size_t) (q - p), p };
            ph_put_fmt(&b, "{\\*\\htmltag64 ");
            store_rtf_utf8(&b, part, true);
            ph_put_fmt(&b, "}");
        } else {
            q = memchr(p, '<', (size_t) (end - p));
            q = q ? q : end;
            part = (ph_str_t) { (size_t) (q - p), p };
            store_rtf_utf8(&b, part, true);
        }
        p = q;
    }
    ph_put_fmt(&b, "}");

    return store_rtf_finish(&b, rtf_r);
}

/* ---- reading ---- */

static const char  store_rtf_preset[] =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman "
    "\\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New "
    "RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0"
    "\\fs20\\b\\i\\u\\tab\\tx";

ph_int_t
store_rtf_unpack(ph_pool_t *pool, ph_str_t packed, ph_str_t *rtf_r)
{
    int        bit;
    size_t     at, len, i;
    uint8_t    dict[4096], control, c;
    ph_cur_t   cur;
    uint32_t   raw, type, ref;
    ph_wbuf_t  b;

    ph_cur_init(&cur, packed.data, packed.len);
    (void) ph_cur_u32(&cur);
    raw = ph_cur_u32(&cur);
    type = ph_cur_u32(&cur);
    (void) ph_cur_u32(&cur);
    if (cur.error || raw > STORE_RTF_MAX) {
        return PH_INVALID;
    }
    if (type == 0x414C454D) {
        *rtf_r = ph_cur_rest(&cur);
        rtf_r->len = ph_min(rtf_r->len, (size_t) raw);
        return PH_OK;
    }
    if (type != 0x75465A4C) {
        return PH_INVALID;
    }

    memset(dict, ' ', sizeof(dict));
    memcpy(dict, store_rtf_preset, sizeof(store_rtf_preset) - 1);
    at = sizeof(store_rtf_preset) - 1;
    ph_wbuf_init(&b, pool, (size_t) raw + 16);

    while (b.len < raw && ph_cur_left(&cur)) {
        control = ph_cur_u8(&cur);
        for (bit = 0; bit < 8 && b.len < raw; bit++) {
            if ((control >> bit & 1) == 0) {
                if (ph_cur_left(&cur) == 0) {
                    break;
                }
                c = ph_cur_u8(&cur);
                ph_put_u8(&b, c);
                dict[at] = c;
                at = (at + 1) & 4095;
                continue;
            }
            ref = (uint32_t) ph_cur_u8(&cur) << 8;
            ref |= ph_cur_u8(&cur);
            if (cur.error || ref >> 4 == at) {
                goto done;
            }
            len = (ref & 15) + 2;
            for (i = 0; i < len && b.len < raw; i++) {
                c = dict[((ref >> 4) + i) & 4095];
                ph_put_u8(&b, c);
                dict[at] = c;
                at = (at + 1) & 4095;
            }
        }
    }

done:

    *rtf_r = ph_wbuf_str(&b);

    return b.error ? PH_NOMEM : PH_OK;
}

typedef struct {
    ph_wbuf_t   out;
    unsigned    depth;
    unsigned    skip;       /* depth of a group without text, 0: none */
    bool        hidden;     /* \htmlrtf */
    uint32_t    high;       /* first half of a surrogate pair */
} store_rtf_text_t;

static void
store_rtf_char(store_rtf_text_t *t, uint32_t c)
{
    if (t->skip || t->hidden) {
        return;
    }
    if (c >= 0xD800 && c < 0xDC00) {
        t->high = c;
        return;
    }
    if (c >= 0xDC00 && c < 0xE000) {
        if (t->high == 0) {
            return;
        }
        c = 0x10000 + ((t->high - 0xD800) << 10) + (c - 0xDC00);
    }
    t->high = 0;

    if (c < 0x80) {
        ph_put_u8(&t->out, (uint8_t) c);
    } else if (c < 0x800) {
        ph_put_u8(&t->out, (uint8_t) (0xC0 | c >> 6));
        ph_put_u8(&t->out, (uint8_t) (0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        ph_put_u8(&t->out, (uint8_t) (0xE0 | c >> 12));
        ph_put_u8(&t->out, (uint8_t) (0x80 | (c >> 6 & 0x3F)));
        ph_put_u8(&t->out, (uint8_t) (0x80 | (c & 0x3F)));
    } else {
        ph_put_u8(&t->out, (uint8_t) (0xF0 | c >> 18));
        ph_put_u8(&t->out, (uint8_t) (0x80 | (c >> 12 & 0x3F)));
        ph_put_u8(&t->out, (uint8_t) (0x80 | (c >> 6 & 0x3F)));
        ph_put_u8(&t->out, (uint8_t) (0x80 | (c & 0x3F)));
    }
}

static void
store_rtf_word(store_rtf_text_t *t, ph_str_t word, bool has_arg, int32_t arg)
{
    unsigned  i;
    static const char *const  silent[] = {
        "fonttbl", "colortbl", "stylesheet", "info", "pict", "object",
        "htmltag", "mhtmltag", "header", "footer", "generator", "themedata"
    };

    for (i = 0; i < ph_nelts(silent); i++) {
        if (ph_str_eq_c(word, silent[i]) && t->skip == 0) {
            t->skip = t->depth;
            return;
        }
    }
    if (ph_str_eq_c(word, "par") || ph_str_eq_c(word, "line")) {
        store_rtf_char(t, '\r');
        store_rtf_char(t, '\n');
    } else if (ph_str_eq_c(word, "tab")) {
        store_rtf_char(t, '\t');
    } else if (ph_str_eq_c(word, "u") && has_arg) {
        store_rtf_char(t, (uint16_t) arg);
    } else if (ph_str_eq_c(word, "htmlrtf")) {
        t->hidden = !(has_arg && arg == 0);
    }
}

ph_int_t
store_rtf_to_text(ph_pool_t *pool, ph_str_t packed, ph_str_t *text_r)
{
    bool               has_arg, negative, star;
    size_t             i, from;
    uint8_t            c, hex[2];
    int32_t            arg;
    ph_str_t           rtf, word;
    store_rtf_text_t   t;

    store_try(store_rtf_unpack(pool, packed, &rtf));
    memset(&t, 0, sizeof(t));
    ph_wbuf_init(&t.out, pool, STORE_RTF_MAX);
    star = false;

    for (i = 0; i < rtf.len;) {
        c = rtf.data[i++];
        if (c == '{') {
            t.depth++;
            continue;
        }
        if (c == '}') {
            if (t.skip && t.skip == t.depth) {
                t.skip = 0;
            }
            t.depth -= t.depth > 0;
            continue;
        }
        if (c == '\r' || c == '\n' || c == '\0') {
            continue;
        }
        if (c != '\\' || i == rtf.len) {
            store_rtf_char(&t, c < 0x80 ? c : '?');
            continue;
        }

        c = rtf.data[i++];
        if (c == '\\' || c == '{' || c == '}') {
            store_rtf_char(&t, c);
            continue;
        }
        if (c == '*') {
            star = true;
            continue;
        }
        if (c == '\'') {
            if (i + 2 <= rtf.len && ph_hex_decode(hex, 1,
                    (ph_str_t) { 2, rtf.data + i }) == PH_OK)
            {
                store_rtf_char(&t, hex[0]);
                i += 2;
            }
            continue;
        }
        if (c == '~') {
            store_rtf_char(&t, 0xA0);
            continue;
        }
        if ((c | 0x20) < 'a' || (c | 0x20) > 'z') {
            continue;
        }

        from = i - 1;
        while (i < rtf.len && (rtf.data[i] | 0x20) >= 'a'
               && (rtf.data[i] | 0x20) <= 'z')
        {
            i++;
        }
        word = (ph_str_t) { i - from, rtf.data + from };
        negative = i < rtf.len && rtf.data[i] == '-';
        i += negative;
        has_arg = false;
        arg = 0;
        while (i < rtf.len && rtf.data[i] >= '0' && rtf.data[i] <= '9') {
            has_arg = true;
            arg = arg < 10000000 ? arg * 10 + (rtf.data[i] - '0') : arg;
            i++;
        }
        if (i < rtf.len && rtf.data[i] == ' ') {
            i++;
        }
        store_rtf_word(&t, word, has_arg, negative ? -arg : arg);
        if (star && t.skip == 0) {
            t.skip = t.depth;      /* an unknown destination */
        }
        star = false;
        /* the fallback character behind a \uN */
        if (word.len == 1 && word.data[0] == 'u' && has_arg
            && i < rtf.len && rtf.data[i] == '?')
        {
            i++;
        }
    }
    *text_r = ph_wbuf_str(&t.out);
    if (text_r->data == NULL) {
        *text_r = STORE_LEN("");
    }

    return t.out.error ? PH_NOMEM : PH_OK;
}
