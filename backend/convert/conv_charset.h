/* Character sets: MIME names, code pages, and tolerant decoding to UTF-8. */

#ifndef CONV_CHARSET_H
#define CONV_CHARSET_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define CONV_CP_UTF8  65001

/* Code page of a MIME charset name, any case; 0 when it is not known. */
uint32_t conv_charset_cpid(ph_str_t name);
/* Preferred MIME name of a code page; NULL when it is not known. */
const char *conv_cpid_charset(uint32_t cpid);

/*
 * Decodes text that says it is in `charset` (empty: it says nothing).  Never
 * refuses: a label that the bytes contradict, or that nobody knows, gives way
 * to UTF-8 when the bytes are valid UTF-8, else to `fallback` (NULL:
 * windows-1252). Single bad bytes become U+FFFD.  NUL is dropped.  *cpid_r (may
 * be NULL) is the code page that was used.  The result may be `in` itself.
 * PH_NOMEM.
 */
ph_int_t conv_charset_decode(ph_pool_t *pool, ph_str_t in, ph_str_t charset,
    const char *fallback, ph_str_t *utf8_r, uint32_t *cpid_r);

#endif
