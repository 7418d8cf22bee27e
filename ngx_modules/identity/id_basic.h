/*
 * The Basic scheme of HTTP authentication (RFC 7617).
 */

#ifndef ID_BASIC_H
#define ID_BASIC_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"

#define ID_MAX_AUTHORIZATION  2048    /* bytes of the header's value */
#define ID_MAX_USER           320     /* bytes, in UTF-8 */
#define ID_MAX_PASSWORD       1024

/*
 * Takes the value of an Authorization header apart.  Both results are UTF-8 in
 * pool; octets that are not UTF-8 are read as ISO 8859-1, as old clients send
 * it.  PH_DECLINED: another scheme.  PH_INVALID: no base64, no colon, an empty
 * user or control characters.  PH_TOOBIG: above the limits.  PH_NOMEM.
 */
ph_int_t id_basic_parse(ph_pool_t *pool, ph_str_t value, ph_str_t *user_r,
    ph_str_t *password_r);

#endif
