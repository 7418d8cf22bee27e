/* Strings: comparison, case, numbers, hex, base64, UTF-8 and UTF-16. */

#ifndef PH_STR_H
#define PH_STR_H

#include "ph_core.h"

bool ph_str_eq(ph_str_t a, ph_str_t b);
bool ph_str_ieq(ph_str_t a, ph_str_t b);            /* ASCII case ignored */
bool ph_str_eq_c(ph_str_t a, const char *c);
bool ph_str_ieq_c(ph_str_t a, const char *c);
ph_str_t ph_str_c(const char *c);                   /* NULL gives ph_str_null */
ph_str_t ph_str_trim(ph_str_t s);                   /* ASCII white space */
ph_str_t ph_str_lower(ph_pool_t *pool, ph_str_t s); /* ASCII */
/* whole string, decimal; PH_INVALID for anything else or overflow */
ph_int_t ph_str_u64(ph_str_t s, uint64_t *v_r);
/* constant time in the length of a; unequal lengths are unequal */
bool ph_str_secret_eq(ph_str_t a, ph_str_t b);

/* 0 to 15, either case; -1 when it is no digit */
int ph_hex_digit(uint8_t c);
/* lower-case hex; out has room for 2 * len + 1 bytes */
void ph_hex_encode(char *out, const void *data, size_t len);
ph_int_t ph_hex_decode(uint8_t *out, size_t out_len, ph_str_t hex);
ph_int_t ph_base64_encode(ph_pool_t *pool, ph_str_t in, ph_str_t *out_r);
/* strict RFC 4648; PH_INVALID for bad input, PH_NOMEM */
ph_int_t ph_base64_decode(ph_pool_t *pool, ph_str_t in, ph_str_t *out_r);

bool ph_utf8_valid(ph_str_t s);
/* Replaces what is not valid UTF-8 (also surrogates) by U+FFFD; returns s
 * itself when it is valid.  data NULL on PH_NOMEM. */
ph_str_t ph_utf8_scrub(ph_pool_t *pool, ph_str_t s);
/* UTF-16LE bytes without terminator <-> UTF-8.  Lone surrogates become U+FFFD;
 * an odd last byte is dropped. data NULL on PH_NOMEM. */
ph_str_t ph_utf16_to_utf8(ph_pool_t *pool, ph_str_t utf16);
ph_str_t ph_utf8_to_utf16(ph_pool_t *pool, ph_str_t utf8);
/* length in bytes of the UTF-16LE form of valid UTF-8 */
size_t ph_utf16_len(ph_str_t utf8);
/* the longest prefix of s of at most max bytes that ends at a character */
size_t ph_utf8_cut(ph_str_t s, size_t max);

#endif
