/*
 * Windows code pages of PT_STRING8 values and of message bodies, by iconv.
 * In memory everything is UTF-8.
 */

#ifndef MAPI_CODEPAGE_H
#define MAPI_CODEPAGE_H

#include "mapi/mapi.h"

#define MAPI_CP_WINUNICODE  1200
#define MAPI_CP_UTF8        65001

/* iconv's name of a code page ("CP1252", "ISO-8859-15"); NULL when unknown */
const char *mapi_codepage_charset(uint32_t cpid);

/* the code page of an Internet charset name, any case; 0 when unknown */
uint32_t mapi_codepage_by_charset(ph_str_t charset);

/*
 * To UTF-8.  What does not decode becomes U+FFFD; an unknown code page is read
 * as 1252 (0 is 1252, too).  Pure ASCII is returned as it came, not copied.
 * PH_NOMEM.
 */
ph_int_t mapi_codepage_decode(ph_pool_t *pool, uint32_t cpid, ph_str_t in,
    ph_str_t *utf8_r);

/* Appends UTF-8 in a code page; what it does not have becomes '?'. */
void mapi_codepage_encode(ph_wbuf_t *b, uint32_t cpid, ph_str_t utf8);

#endif
