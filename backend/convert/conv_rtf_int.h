/* The reader of RTF that the converters of conv_rtf_*.c share. */

#ifndef CONV_RTF_INT_H
#define CONV_RTF_INT_H

#include "conv_rtf.h"
#include "lib/ph_buf.h"

#define RTF_COLOR_AUTO  0xFF000000u

/* what the text of a group is for */
typedef enum {
    RTF_DEST_BODY,
    RTF_DEST_SKIP,
    RTF_DEST_FONTS,
    RTF_DEST_COLORS,
    RTF_DEST_HTMLTAG,
    RTF_DEST_FIELD,          /* outside its two parts */
    RTF_DEST_FIELD_CODE,
    RTF_DEST_FIELD_RESULT,   /* shown as the body is */
    RTF_DEST_PICTURE
} rtf_dest_t;

/* words that a sink hears of */
typedef enum {
    RTF_PAR, RTF_LINE, RTF_TAB, RTF_CELL, RTF_ROW, RTF_PAGE, RTF_NEST_CELL,
    RTF_NEST_ROW, RTF_PNG, RTF_JPEG, RTF_EMF, RTF_WMF
} rtf_word_t;

typedef enum {
    RTF_LEFT, RTF_CENTER, RTF_RIGHT, RTF_JUSTIFY
} rtf_align_t;

typedef struct {
    bool      bold;
    bool      italic;
    bool      underline;
    bool      strike;
    bool      hidden;        /* \v */
    int8_t    script;        /* -1 sub, 1 super */
    uint16_t  size;          /* half points; 0: the reader's own */
    uint16_t  color;         /* in the table of colours; 0: none */
    uint16_t  back;
    uint16_t  font;          /* index + 1 in the reader's fonts; 0: none */
} rtf_char_t;

typedef struct {
    uint8_t   align;
    bool      table;         /* \intbl */
    int32_t   indent;        /* twips */
} rtf_para_t;

typedef struct {
    uint8_t     dest;
    uint8_t     uc;          /* characters that stand for a \u */
    bool        htmlrtf;
    bool        opaque;      /* \* came: an unknown word hides the group */
    bool        own;         /* it has set its destination */
    uint32_t    cpid;
    rtf_char_t  chr;
    rtf_para_t  para;
} rtf_group_t;

typedef struct {
    int32_t   id;
    uint32_t  cpid;          /* 0: the document's */
    ph_str_t  name;          /* UTF-8; as far as it is ASCII */
} rtf_font_t;

typedef struct {
    /* UTF-8 of a group whose text is not skipped */
    void  (*text)(void *data, const rtf_group_t *g, ph_str_t utf8);
    void  (*word)(void *data, const rtf_group_t *g, rtf_word_t word);
    /* a group got its destination, and ended */
    void  (*open)(void *data, const rtf_group_t *g);
    void  (*close)(void *data, const rtf_group_t *g);
    /* bytes of a picture */
    void  (*bytes)(void *data, const rtf_group_t *g, ph_str_t bytes);
} rtf_sink_t;

typedef struct {
    ph_pool_t         *pool;
    const rtf_sink_t  *sink;
    void              *data;
    conv_rtf_kind_t    kind;
    ph_cur_t           cur;
    bool               failed;       /* no memory */

    uint32_t           depth;        /* of `group` */
    uint32_t           deeper;       /* groups beyond the limit */
    rtf_group_t        group[CONV_RTF_DEPTH];

    uint32_t           cpid;         /* \ansicpg */
    int32_t            deff;
    uint32_t           n_fonts;
    rtf_font_t        *fonts;        /* CONV_RTF_FONTS */
    uint16_t          *font_of;      /* id -> index + 1 */
    ph_wbuf_t          name;         /* of the font that is being read */
    uint32_t           n_colors;
    uint32_t          *colors;       /* 0xRRGGBB; CONV_RTF_COLORS */
    uint32_t           rgb;
    bool               rgb_set;

    ph_wbuf_t          run;          /* bytes of one code page */
    uint32_t           run_cpid;
    uint32_t           high;         /* first half of a surrogate pair */
    uint32_t           skip;         /* characters that stand for the last \u */
    int                nibble;       /* of a picture's hex, -1: none */
} rtf_reader_t;

/* Reads a document to its end.  PH_NOMEM. */
ph_int_t rtf_read(rtf_reader_t *r, ph_pool_t *pool, ph_str_t rtf,
    conv_rtf_kind_t kind, const rtf_sink_t *sink, void *data);

/* UTF-8 of one character */
void rtf_put_char(ph_wbuf_t *b, uint32_t c);

/* genuine RTF */
ph_int_t rtf_native_html(ph_pool_t *pool, ph_str_t rtf, ph_str_t *html_r,
    conv_rtf_images_t *images);

#endif
