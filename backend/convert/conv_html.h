/* HTML <-> plain text, UTF-8 in and out. */

#ifndef CONV_HTML_H
#define CONV_HTML_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define CONV_HTML_MAX        (16 << 20)   /* bytes of HTML that are looked at */

/*
 * Readable text of an HTML document: blocks on lines of their own, lists with
 * "* ", links as "text <address>" when they differ, tables row by row, quotes
 * with "> ", no script or style.  Lines end with CRLF.  PH_NOMEM.
 */
ph_int_t conv_html_to_text(ph_pool_t *pool, ph_str_t html, ph_str_t *text_r);

/*
 * An HTML document that shows the text: escaped, lines as <br>, leading and
 * repeated spaces kept.  PH_NOMEM.
 */
ph_int_t conv_html_from_text(ph_pool_t *pool, ph_str_t text,
    ph_str_t *html_r);

#endif
