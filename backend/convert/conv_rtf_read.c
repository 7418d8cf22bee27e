/*
 * RTF 1.9.1 in one pass: groups, destinations, fonts, code pages, Unicode.
 * What formatting means is the sink's business.
 */

#include "conv_rtf_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

#include <stdlib.h>

#define RTF_WORD_MAX   32
#define RTF_FONT_IDS   4096         /* greater numbers are nobody's */
#define RTF_NAME_MAX   64
#define RTF_RUN_FLUSH  (64u << 10)

typedef enum {
    RTF_OP_DEST, RTF_OP_SYMBOL, RTF_OP_WORD, RTF_OP_CPID, RTF_OP_ANSICPG,
    RTF_OP_DEFF, RTF_OP_FONT, RTF_OP_CHARSET, RTF_OP_FONT_CPID, RTF_OP_UC,
    RTF_OP_U, RTF_OP_BIN, RTF_OP_HTMLRTF, RTF_OP_BOLD, RTF_OP_ITALIC,
    RTF_OP_UNDERLINE, RTF_OP_STRIKE, RTF_OP_HIDDEN, RTF_OP_SCRIPT, RTF_OP_SIZE,
    RTF_OP_COLOR, RTF_OP_BACK, RTF_OP_PLAIN, RTF_OP_PARD, RTF_OP_ALIGN,
    RTF_OP_INDENT, RTF_OP_TABLE, RTF_OP_RGB
} rtf_op_t;

typedef struct {
    const char  *name;
    uint8_t      op;
    int32_t      arg;
} rtf_known_t;

/* in the order of strcmp() */
static const rtf_known_t  rtf_words[] = {
    { "ansi", RTF_OP_CPID, 1252 },
    { "ansicpg", RTF_OP_ANSICPG, 0 },
    { "b", RTF_OP_BOLD, 0 },
    { "bin", RTF_OP_BIN, 0 },
    { "blue", RTF_OP_RGB, 0 },
    { "bullet", RTF_OP_SYMBOL, 0x2022 },
    { "cb", RTF_OP_BACK, 0 },
    { "cell", RTF_OP_WORD, RTF_CELL },
    { "cf", RTF_OP_COLOR, 0 },
    { "colortbl", RTF_OP_DEST, RTF_DEST_COLORS },
    { "cpg", RTF_OP_FONT_CPID, 0 },
    { "deff", RTF_OP_DEFF, 0 },
    { "emdash", RTF_OP_SYMBOL, 0x2014 },
    { "emfblip", RTF_OP_WORD, RTF_EMF },
    { "emspace", RTF_OP_SYMBOL, 0x2003 },
    { "endash", RTF_OP_SYMBOL, 0x2013 },
    { "enspace", RTF_OP_SYMBOL, 0x2002 },
    { "f", RTF_OP_FONT, 0 },
    { "fcharset", RTF_OP_CHARSET, 0 },
    { "field", RTF_OP_DEST, RTF_DEST_FIELD },
    { "fldinst", RTF_OP_DEST, RTF_DEST_FIELD_CODE },
    { "fldrslt", RTF_OP_DEST, RTF_DEST_FIELD_RESULT },
    { "fonttbl", RTF_OP_DEST, RTF_DEST_FONTS },
    { "footer", RTF_OP_DEST, RTF_DEST_SKIP },
    { "footerf", RTF_OP_DEST, RTF_DEST_SKIP },
    { "footerl", RTF_OP_DEST, RTF_DEST_SKIP },
    { "footerr", RTF_OP_DEST, RTF_DEST_SKIP },
    { "fs", RTF_OP_SIZE, 0 },
    { "green", RTF_OP_RGB, 8 },
    { "header", RTF_OP_DEST, RTF_DEST_SKIP },
    { "headerf", RTF_OP_DEST, RTF_DEST_SKIP },
    { "headerl", RTF_OP_DEST, RTF_DEST_SKIP },
    { "headerr", RTF_OP_DEST, RTF_DEST_SKIP },
    { "highlight", RTF_OP_BACK, 0 },
    { "htmlrtf", RTF_OP_HTMLRTF, 0 },
    { "htmltag", RTF_OP_DEST, RTF_DEST_HTMLTAG },
    { "i", RTF_OP_ITALIC, 0 },
    { "info", RTF_OP_DEST, RTF_DEST_SKIP },
    { "intbl", RTF_OP_TABLE, 0 },
    { "jpegblip", RTF_OP_WORD, RTF_JPEG },
    { "ldblquote", RTF_OP_SYMBOL, 0x201C },
    { "li", RTF_OP_INDENT, 0 },
    { "line", RTF_OP_WORD, RTF_LINE },
    { "lquote", RTF_OP_SYMBOL, 0x2018 },
    { "ltrmark", RTF_OP_SYMBOL, 0x200E },
    { "mac", RTF_OP_CPID, 10000 },
    { "nestcell", RTF_OP_WORD, RTF_NEST_CELL },
    { "nestrow", RTF_OP_WORD, RTF_NEST_ROW },
    { "nonesttables", RTF_OP_DEST, RTF_DEST_SKIP },
    { "nosupersub", RTF_OP_SCRIPT, 0 },
    { "objdata", RTF_OP_DEST, RTF_DEST_SKIP },
    { "page", RTF_OP_WORD, RTF_PAGE },
    { "par", RTF_OP_WORD, RTF_PAR },
    { "pard", RTF_OP_PARD, 0 },
    { "pc", RTF_OP_CPID, 437 },
    { "pca", RTF_OP_CPID, 850 },
    { "pict", RTF_OP_DEST, RTF_DEST_PICTURE },
    { "plain", RTF_OP_PLAIN, 0 },
    { "pngblip", RTF_OP_WORD, RTF_PNG },
    { "qc", RTF_OP_ALIGN, RTF_CENTER },
    { "qj", RTF_OP_ALIGN, RTF_JUSTIFY },
    { "ql", RTF_OP_ALIGN, RTF_LEFT },
    { "qmspace", RTF_OP_SYMBOL, 0x2005 },
    { "qr", RTF_OP_ALIGN, RTF_RIGHT },
    { "rdblquote", RTF_OP_SYMBOL, 0x201D },
    { "red", RTF_OP_RGB, 16 },
    { "row", RTF_OP_WORD, RTF_ROW },
    { "rquote", RTF_OP_SYMBOL, 0x2019 },
    { "rtlmark", RTF_OP_SYMBOL, 0x200F },
    { "sect", RTF_OP_WORD, RTF_PAR },
    { "strike", RTF_OP_STRIKE, 0 },
    { "striked", RTF_OP_STRIKE, 0 },
    { "stylesheet", RTF_OP_DEST, RTF_DEST_SKIP },
    { "sub", RTF_OP_SCRIPT, -1 },
    { "super", RTF_OP_SCRIPT, 1 },
    { "tab", RTF_OP_WORD, RTF_TAB },
    { "u", RTF_OP_U, 0 },
    { "uc", RTF_OP_UC, 0 },
    { "ul", RTF_OP_UNDERLINE, 0 },
    { "uld", RTF_OP_UNDERLINE, 0 },
    { "uldb", RTF_OP_UNDERLINE, 0 },
    { "ulnone", RTF_OP_UNDERLINE, -1 },
    { "ulw", RTF_OP_UNDERLINE, 0 },
    { "v", RTF_OP_HIDDEN, 0 },
    { "wmetafile", RTF_OP_WORD, RTF_WMF },
    { "zwj", RTF_OP_SYMBOL, 0x200D },
    { "zwnj", RTF_OP_SYMBOL, 0x200C }
};

static int32_t
rtf_clamp(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

static rtf_group_t *
rtf_top(rtf_reader_t *r)
{
    return &r->group[r->depth];
}

void
rtf_put_char(ph_wbuf_t *b, uint32_t c)
{
    if (c < 0x80) {
        ph_put_u8(b, (uint8_t) c);
        return;
    }
    if (c < 0x800) {
        ph_put_u8(b, (uint8_t) (0xC0 | c >> 6));
    } else if (c < 0x10000) {
        ph_put_u8(b, (uint8_t) (0xE0 | c >> 12));
        ph_put_u8(b, (uint8_t) (0x80 | (c >> 6 & 0x3F)));
    } else {
        ph_put_u8(b, (uint8_t) (0xF0 | c >> 18));
        ph_put_u8(b, (uint8_t) (0x80 | (c >> 12 & 0x3F)));
        ph_put_u8(b, (uint8_t) (0x80 | (c >> 6 & 0x3F)));
    }
    ph_put_u8(b, (uint8_t) (0x80 | (c & 0x3F)));
}

/* does the text of this group go to the sink? */
static bool
rtf_shows(const rtf_reader_t *r, const rtf_group_t *g)
{
    if (r->deeper || (r->kind == CONV_RTF_HTML && g->htmlrtf)) {
        return false;
    }
    switch (g->dest) {
    case RTF_DEST_BODY:
    case RTF_DEST_HTMLTAG:
    case RTF_DEST_FIELD_CODE:
    case RTF_DEST_FIELD_RESULT:
        return true;
    default:
        return false;
    }
}

static bool
rtf_ascii(ph_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len && s.data[i] < 0x80; i++) { /* void */ }

    return i == s.len;
}

/* the bytes that were collected, to the sink */
static void
rtf_flush(rtf_reader_t *r)
{
    ph_str_t      bytes, utf8;
    rtf_group_t  *g;

    if (r->run.len == 0) {
        return;
    }
    g = rtf_top(r);
    bytes = ph_wbuf_str(&r->run);
    r->failed |= r->run.error;

    if (g->dest == RTF_DEST_PICTURE) {
        r->sink->bytes(r->data, g, bytes);
    } else if (rtf_ascii(bytes)) {
        r->sink->text(r->data, g, bytes);
    } else if (mapi_codepage_decode(r->pool, r->run_cpid, bytes, &utf8)
               == PH_OK)
    {
        r->sink->text(r->data, g, utf8);
    } else {
        r->failed = true;
    }
    ph_wbuf_truncate(&r->run, 0);
}

static void
rtf_char(rtf_reader_t *r, uint32_t c)
{
    uint8_t       mem[4];
    ph_wbuf_t     b;
    rtf_group_t  *g;

    rtf_flush(r);
    g = rtf_top(r);
    if (!rtf_shows(r, g)) {
        return;
    }
    if (c >= 0xD800 && c < 0xDC00) {
        r->high = c;
        return;
    }
    if (c >= 0xDC00 && c < 0xE000) {
        c = r->high ? 0x10000 + ((r->high - 0xD800) << 10) + (c - 0xDC00)
                    : 0xFFFD;
    }
    r->high = 0;
    if (c == 0) {
        return;
    }
    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    rtf_put_char(&b, c);
    r->sink->text(r->data, g, ph_wbuf_str(&b));
}

/* ---- tables of fonts and colours ---- */

static void
rtf_font_name_end(rtf_reader_t *r)
{
    if (r->n_fonts && r->name.len) {
        r->fonts[r->n_fonts - 1].name = ph_pstrdup(r->pool,
                                                   ph_wbuf_str(&r->name));
    }
    ph_wbuf_truncate(&r->name, 0);
}

static uint32_t
rtf_charset_cpid(int32_t charset)
{
    size_t  i;
    static const struct { uint8_t charset; uint16_t cpid; }  sets[] = {
        { 0, 1252 }, { 77, 10000 }, { 128, 932 }, { 129, 949 }, { 130, 1361 },
        { 134, 936 }, { 136, 950 }, { 161, 1253 }, { 162, 1254 },
        { 163, 1258 }, { 177, 1255 }, { 178, 1256 }, { 186, 1257 },
        { 204, 1251 }, { 222, 874 }, { 238, 1250 }, { 254, 437 }, { 255, 850 }
    };

    for (i = 0; i < ph_nelts(sets); i++) {
        if (sets[i].charset == charset) {
            return sets[i].cpid;
        }
    }

    return 0;
}

static void
rtf_font(rtf_reader_t *r, rtf_group_t *g, int32_t id)
{
    uint32_t  i;

    if (id < 0 || id >= RTF_FONT_IDS) {
        return;
    }
    if (g->dest == RTF_DEST_FONTS) {
        rtf_font_name_end(r);
        if (r->n_fonts < CONV_RTF_FONTS) {
            r->fonts[r->n_fonts++] = (rtf_font_t) { .id = id };
            r->font_of[id] = (uint16_t) r->n_fonts;
        }
        return;
    }
    i = r->font_of[id];
    g->chr.font = (uint16_t) i;
    g->cpid = i && r->fonts[i - 1].cpid ? r->fonts[i - 1].cpid : r->cpid;
}

static void
rtf_color_end(rtf_reader_t *r)
{
    if (r->n_colors < CONV_RTF_COLORS) {
        r->colors[r->n_colors++] = r->rgb_set ? r->rgb : RTF_COLOR_AUTO;
    }
    r->rgb = 0;
    r->rgb_set = false;
}

/* ---- text ---- */

static void
rtf_byte(rtf_reader_t *r, uint8_t c)
{
    int           digit;
    rtf_group_t  *g;

    if (r->skip) {
        r->skip--;
        return;
    }
    g = rtf_top(r);
    g->opaque = false;
    if (r->deeper) {
        return;
    }

    switch (g->dest) {
    case RTF_DEST_FONTS:
        if (c == ';') {
            rtf_font_name_end(r);
        } else if (c >= 0x20 && c < 0x7F && r->name.len < RTF_NAME_MAX) {
            ph_put_u8(&r->name, c);
        }
        return;

    case RTF_DEST_COLORS:
        if (c == ';') {
            rtf_color_end(r);
        }
        return;

    case RTF_DEST_PICTURE:
        digit = ph_hex_digit(c);
        if (digit < 0) {
            return;
        }
        if (r->nibble < 0) {
            r->nibble = digit;
            return;
        }
        ph_put_u8(&r->run, (uint8_t) (r->nibble << 4 | digit));
        r->nibble = -1;
        if (r->run.len >= RTF_RUN_FLUSH) {
            rtf_flush(r);
        }
        return;

    default:
        break;
    }

    if (!rtf_shows(r, g)) {
        return;
    }
    r->high = 0;
    if (r->run_cpid != g->cpid
        || (r->run.len >= RTF_RUN_FLUSH && c < 0x80
            && r->run.data[r->run.len - 1] < 0x80))
    {
        rtf_flush(r);
    }
    r->run_cpid = g->cpid;
    ph_put_u8(&r->run, c);
}

/* ---- groups ---- */

static void
rtf_open(rtf_reader_t *r)
{
    rtf_flush(r);
    r->skip = 0;
    if (r->deeper || r->depth + 1 == CONV_RTF_DEPTH) {
        r->deeper++;
        return;
    }
    r->group[r->depth + 1] = r->group[r->depth];
    r->depth++;
    rtf_top(r)->own = false;
    rtf_top(r)->opaque = false;
}

static void
rtf_close(rtf_reader_t *r)
{
    rtf_group_t  *g;

    rtf_flush(r);
    r->skip = 0;
    if (r->deeper) {
        r->deeper--;
        return;
    }
    if (r->depth == 0) {
        return;
    }
    g = rtf_top(r);
    if (g->dest == RTF_DEST_FONTS) {
        rtf_font_name_end(r);
    }
    if (g->own) {
        r->sink->close(r->data, g);
    }
    r->nibble = -1;
    r->depth--;
}

static void
rtf_dest(rtf_reader_t *r, rtf_group_t *g, rtf_dest_t dest)
{
    if (g->dest == RTF_DEST_SKIP) {
        return;
    }
    if (dest == RTF_DEST_HTMLTAG && r->kind != CONV_RTF_HTML) {
        dest = RTF_DEST_SKIP;
    }
    /* fields and pictures inside of a tag mean nothing */
    if (g->dest == RTF_DEST_HTMLTAG || g->own) {
        return;
    }
    g->dest = (uint8_t) dest;
    g->own = true;
    if (dest == RTF_DEST_HTMLTAG) {
        g->cpid = r->cpid;       /* whatever font is set around it */
    }
    r->nibble = -1;
    r->sink->open(r->data, g);
}

/* ---- words ---- */

static void
rtf_bin(rtf_reader_t *r, rtf_group_t *g, int32_t n)
{
    ph_str_t  bytes;

    bytes = ph_cur_bytes(&r->cur,
                         ph_min((size_t) ph_max(n, 0), ph_cur_left(&r->cur)));
    if (g->dest == RTF_DEST_PICTURE && r->deeper == 0 && bytes.len) {
        r->sink->bytes(r->data, g, bytes);
    }
}

static void
rtf_unicode(rtf_reader_t *r, rtf_group_t *g, int32_t v)
{
    if (v >= -32768 && v <= 65535) {
        rtf_char(r, (uint16_t) v);
    }
    r->skip = g->uc;
}

static void
rtf_format(rtf_reader_t *r, rtf_group_t *g, const rtf_known_t *w, bool has,
    int32_t n)
{
    bool  on;

    on = !has || n != 0;

    switch (w->op) {
    case RTF_OP_BOLD:
        g->chr.bold = on;
        break;
    case RTF_OP_ITALIC:
        g->chr.italic = on;
        break;
    case RTF_OP_UNDERLINE:
        g->chr.underline = on && w->arg == 0;
        break;
    case RTF_OP_STRIKE:
        g->chr.strike = on;
        break;
    case RTF_OP_HIDDEN:
        g->chr.hidden = on;
        break;
    case RTF_OP_SCRIPT:
        g->chr.script = on ? (int8_t) w->arg : 0;
        break;
    case RTF_OP_SIZE:
        g->chr.size = (uint16_t) rtf_clamp(n, 0, 400);
        break;
    case RTF_OP_COLOR:
        g->chr.color = (uint16_t) rtf_clamp(n, 0, CONV_RTF_COLORS);
        break;
    case RTF_OP_BACK:
        g->chr.back = (uint16_t) rtf_clamp(n, 0, CONV_RTF_COLORS);
        break;
    case RTF_OP_PLAIN:
        memset(&g->chr, 0, sizeof(g->chr));
        rtf_font(r, g, r->deff);
        break;
    case RTF_OP_PARD:
        memset(&g->para, 0, sizeof(g->para));
        break;
    case RTF_OP_ALIGN:
        g->para.align = (uint8_t) w->arg;
        break;
    case RTF_OP_INDENT:
        g->para.indent = rtf_clamp(n, 0, 20000);
        break;
    default:
        g->para.table = on;
        break;
    }
}

static void
rtf_known(rtf_reader_t *r, rtf_group_t *g, const rtf_known_t *w, bool has,
    int32_t n)
{
    uint32_t  cpid;

    switch (w->op) {
    case RTF_OP_DEST:
        rtf_dest(r, g, (rtf_dest_t) w->arg);
        break;
    case RTF_OP_SYMBOL:
        rtf_char(r, (uint32_t) w->arg);
        break;
    case RTF_OP_WORD:
        if (rtf_shows(r, g) || g->dest == RTF_DEST_PICTURE) {
            r->sink->word(r->data, g, (rtf_word_t) w->arg);
        }
        break;
    case RTF_OP_CPID:
        r->cpid = g->cpid = (uint32_t) w->arg;
        break;
    case RTF_OP_ANSICPG:
        if (n > 0 && mapi_codepage_charset((uint32_t) n)) {
            r->cpid = g->cpid = (uint32_t) n;
        }
        break;
    case RTF_OP_DEFF:
        r->deff = n;
        break;
    case RTF_OP_FONT:
        rtf_font(r, g, n);
        break;
    case RTF_OP_CHARSET:
    case RTF_OP_FONT_CPID:
        if (g->dest == RTF_DEST_FONTS && r->n_fonts) {
            cpid = w->op == RTF_OP_CHARSET ? rtf_charset_cpid(n)
                                           : (uint32_t) n;
            if (cpid && mapi_codepage_charset(cpid)) {
                r->fonts[r->n_fonts - 1].cpid = cpid;
            }
        }
        break;
    case RTF_OP_UC:
        g->uc = (uint8_t) rtf_clamp(n, 0, 255);
        break;
    case RTF_OP_U:
        rtf_unicode(r, g, n);
        break;
    case RTF_OP_BIN:
        rtf_bin(r, g, n);
        break;
    case RTF_OP_HTMLRTF:
        g->htmlrtf = !has || n != 0;
        break;
    case RTF_OP_RGB:
        if (g->dest == RTF_DEST_COLORS) {
            r->rgb |= (uint32_t) rtf_clamp(n, 0, 255) << w->arg;
            r->rgb_set = true;
        }
        break;
    default:
        rtf_format(r, g, w, has, n);
        break;
    }
}

static int
rtf_compare(const void *name, const void *word)
{
    return strcmp(name, ((const rtf_known_t *) word)->name);
}

static int
rtf_peek(const rtf_reader_t *r)
{
    return ph_cur_left(&r->cur) ? r->cur.pos[0] : -1;
}

static bool
rtf_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void
rtf_word(rtf_reader_t *r, uint8_t first)
{
    bool                has, negative, skipped;
    char                name[RTF_WORD_MAX + 1];
    size_t              len;
    int32_t             n;
    rtf_group_t        *g;
    const rtf_known_t  *w;

    name[0] = (char) first;
    for (len = 1; rtf_letter(rtf_peek(r)); len++) {
        first = ph_cur_u8(&r->cur);
        if (len < RTF_WORD_MAX) {
            name[len] = (char) first;
        }
    }
    name[ph_min(len, RTF_WORD_MAX)] = '\0';

    negative = rtf_peek(r) == '-';
    if (negative) {
        (void) ph_cur_u8(&r->cur);
    }
    for (n = 0, has = false; rtf_peek(r) >= '0' && rtf_peek(r) <= '9';) {
        first = ph_cur_u8(&r->cur);
        n = n < 100000000 ? n * 10 + (first - '0') : n;
        has = true;
    }
    n = negative ? -n : n;
    if (rtf_peek(r) == ' ') {
        (void) ph_cur_u8(&r->cur);
    }

    w = len > RTF_WORD_MAX ? NULL
        : bsearch(name, rtf_words, ph_nelts(rtf_words), sizeof(rtf_words[0]),
                  rtf_compare);
    rtf_flush(r);
    g = rtf_top(r);
    skipped = r->skip > 0 && (w == NULL || w->op != RTF_OP_U);
    if (skipped) {
        r->skip--;
    }
    if (w && w->op == RTF_OP_BIN) {
        rtf_bin(r, g, skipped ? 0 : n);
        return;
    }
    if (skipped || r->deeper) {
        return;
    }
    if (g->opaque && (w == NULL || w->op != RTF_OP_DEST)) {
        rtf_dest(r, g, RTF_DEST_SKIP);
    }
    g->opaque = false;
    if (w && g->dest != RTF_DEST_SKIP) {
        rtf_known(r, g, w, has, n);
    }
}

static void
rtf_hex(rtf_reader_t *r)
{
    int       high, low;
    ph_str_t  two;

    if (ph_cur_left(&r->cur) < 2) {
        return;
    }
    high = ph_hex_digit(r->cur.pos[0]);
    low = ph_hex_digit(r->cur.pos[1]);
    if (high < 0 || low < 0) {
        return;
    }
    two = ph_cur_bytes(&r->cur, 2);
    (void) two;
    if (rtf_top(r)->dest != RTF_DEST_PICTURE) {
        rtf_byte(r, (uint8_t) (high << 4 | low));
    }
}

static void
rtf_control(rtf_reader_t *r)
{
    uint8_t  c;

    if (ph_cur_left(&r->cur) == 0) {
        return;
    }
    c = ph_cur_u8(&r->cur);
    if (rtf_letter(c)) {
        rtf_word(r, c);
        return;
    }

    switch (c) {
    case '\'':
        rtf_hex(r);
        return;
    case '*':
        rtf_top(r)->opaque = r->deeper == 0;
        return;
    case '\\':
    case '{':
    case '}':
        rtf_byte(r, c);
        return;
    default:
        break;
    }
    if (r->skip) {
        r->skip--;
        return;
    }
    switch (c) {
    case '~':
        rtf_char(r, 0xA0);
        break;
    case '_':
        rtf_char(r, 0x2011);
        break;
    case '-':
        rtf_char(r, 0xAD);
        break;
    case '\r':
    case '\n':
        rtf_flush(r);
        if (rtf_shows(r, rtf_top(r))) {
            r->sink->word(r->data, rtf_top(r), RTF_PAR);
        }
        break;
    default:
        break;
    }
}

ph_int_t
rtf_read(rtf_reader_t *r, ph_pool_t *pool, ph_str_t rtf, conv_rtf_kind_t kind,
    const rtf_sink_t *sink, void *data)
{
    uint8_t  c;

    memset(r, 0, sizeof(*r));
    r->pool = pool;
    r->kind = kind;
    r->sink = sink;
    r->data = data;
    r->cpid = 1252;
    r->nibble = -1;
    r->group[0].uc = 1;
    r->group[0].cpid = r->cpid;
    r->fonts = ph_pcalloc_array(pool, CONV_RTF_FONTS, sizeof(rtf_font_t));
    r->font_of = ph_pcalloc_array(pool, RTF_FONT_IDS, sizeof(uint16_t));
    r->colors = ph_pcalloc_array(pool, CONV_RTF_COLORS, sizeof(uint32_t));
    if (r->fonts == NULL || r->font_of == NULL || r->colors == NULL) {
        return PH_NOMEM;
    }
    ph_wbuf_init(&r->run, pool, CONV_RTF_MAX);
    ph_wbuf_init(&r->name, pool, RTF_NAME_MAX);
    ph_cur_init(&r->cur, rtf.data, ph_min(rtf.len, CONV_RTF_MAX));

    while (!r->failed && ph_cur_left(&r->cur)) {
        c = ph_cur_u8(&r->cur);
        switch (c) {
        case '{':
            rtf_open(r);
            break;
        case '}':
            rtf_close(r);
            break;
        case '\\':
            rtf_control(r);
            break;
        case '\r':
        case '\n':
        case '\0':
            break;
        default:
            rtf_byte(r, c);
            break;
        }
    }
    rtf_flush(r);
    /* what was not closed */
    while (r->depth) {
        r->deeper = 0;
        rtf_close(r);
    }

    return r->failed ? PH_NOMEM : PH_OK;
}
