/* Writing RFC 5322: folding, encoded words, parameters, transfer encodings. */

#ifndef CONV_WRITE_H
#define CONV_WRITE_H

#include "conv.h"

/* One header field.  value is UTF-8 of one line; what is not ASCII becomes
 * encoded words, long values are folded. */
void conv_write_text(ph_wbuf_t *b, const char *name, ph_str_t value);
/* ASCII that must not be encoded (message ids, dates); folded at blanks */
void conv_write_plain(ph_wbuf_t *b, const char *name, ph_str_t value);
/* "Name <address>" as part of an address list; *column is kept */
void conv_write_address(ph_wbuf_t *b, ph_str_t name, ph_str_t address,
    size_t *column);
/* ";\r\n\tname=value", quoted or RFC 2231 as needed; `words` writes encoded
 * words instead, which old readers want in Content-Type's name */
void conv_write_param(ph_wbuf_t *b, const char *name, ph_str_t value,
    bool words);

/* "Sun, 22 Nov 2026 10:00:00 +0000"; buf has 40 bytes */
void conv_date_text(uint64_t filetime, char *buf, size_t size);

/* base64 in lines of 76 */
void conv_write_base64(ph_wbuf_t *b, ph_str_t data);
/* quoted-printable of text; line ends become CR LF */
void conv_write_qp(ph_wbuf_t *b, ph_str_t text);

typedef enum { CONV_TEXT_7BIT = 0, CONV_TEXT_QP, CONV_TEXT_BASE64 }
    conv_text_encoding_t;

/* the smallest encoding that keeps the text whole on its way */
conv_text_encoding_t conv_text_encoding(ph_str_t text);
/* "Content-Transfer-Encoding: ...", empty line, the text, CR LF at its end */
void conv_write_text_body(ph_wbuf_t *b, ph_str_t text);

bool conv_is_ascii(ph_str_t s);

#endif
