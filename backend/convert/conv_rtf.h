/*
 * Rich text: its compressed form (MS-OXRTFCP), HTML and plain text that travel
 * inside of it (MS-OXRTFEX), and genuine RTF as HTML or text.  Pure functions;
 * results live in pool and are new memory unless it says otherwise.
 *
 * No input is refused for what it says: unknown words are skipped as the
 * specification of RTF asks, groups that nest deeper than CONV_RTF_DEPTH are
 * left out.  Time is linear in the input.
 */

#ifndef CONV_RTF_H
#define CONV_RTF_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define CONV_RTF_MAX     (64u << 20)  /* bytes of RTF */
#define CONV_RTF_DEPTH   200          /* groups inside groups */
#define CONV_RTF_FONTS   1024
#define CONV_RTF_COLORS  1024
#define CONV_RTF_IMAGES  500          /* pictures of one document */

/*
 * PR_RTF_COMPRESSED to RTF and back.  Unpacking ignores a wrong checksum, as
 * Outlook does, and may return a part of `packed` itself; PH_INVALID: neither
 * of the two forms, PH_TOOBIG: more than CONV_RTF_MAX, PH_NOMEM.
 */
ph_int_t conv_rtf_unpack(ph_pool_t *pool, ph_str_t packed, ph_str_t *rtf_r);
ph_int_t conv_rtf_pack(ph_pool_t *pool, ph_str_t rtf, ph_str_t *packed_r);

typedef enum {
    CONV_RTF_NATIVE,          /* somebody wrote RTF */
    CONV_RTF_HTML,            /* \fromhtml */
    CONV_RTF_TEXT             /* \fromtext */
} conv_rtf_kind_t;

/* looks at the first words only */
conv_rtf_kind_t conv_rtf_kind(ph_str_t rtf);

/* pictures of genuine RTF, for attachments */
typedef struct {
    const char  *cid;         /* the HTML names it as "cid:..." */
    const char  *type;        /* "image/png" */
    ph_str_t     data;
} conv_rtf_image_t;

typedef struct {
    uint32_t           n;
    conv_rtf_image_t  *image;
} conv_rtf_images_t;

/*
 * The HTML inside, as it was but for line ends, or HTML made of the formatting.
 * UTF-8, whatever a charset in it says.  images (may be NULL: pictures are left
 * out) is set.  PH_NOMEM.
 */
ph_int_t conv_rtf_to_html(ph_pool_t *pool, ph_str_t rtf, ph_str_t *html_r,
    conv_rtf_images_t *images);
/* UTF-8 with CRLF.  PH_NOMEM. */
ph_int_t conv_rtf_to_text(ph_pool_t *pool, ph_str_t rtf, ph_str_t *text_r);

/*
 * UTF-8 HTML or text inside RTF (MS-OXRTFEX 2.1.3); a reader that does not know
 * the encapsulation still shows paragraphs, breaks, emphasis and the text.
 */
ph_int_t conv_rtf_from_html(ph_pool_t *pool, ph_str_t html, ph_str_t *rtf_r);
ph_int_t conv_rtf_from_text(ph_pool_t *pool, ph_str_t text, ph_str_t *rtf_r);

#endif
