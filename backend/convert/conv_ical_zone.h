/*
 * Time zones by name, from VTIMEZONE, and as VTIMEZONE (RFC 5545 3.6.5,
 * MS-OXCICAL 2.1.3.1.1.19): rules by year, as calendar items keep them.
 */

#ifndef CONV_ICAL_ZONE_H
#define CONV_ICAL_ZONE_H

#include "lib/ph_buf.h"
#include "mapi/mapi_tz.h"

#define CONV_ZONE_FIRST_YEAR    1970
#define CONV_ZONE_LAST_YEAR     2037      /* later ones are as this one */
#define CONV_ZONE_MAX_NAME      128
#define CONV_ZONE_MAX_OBSERVANCES  256    /* of one VTIMEZONE */

/*
 * The zone with that IANA ("Europe/Berlin") or Windows name, by ICU's data; its
 * name is the Windows one where there is one, as Outlook wants it.  Result in
 * pool.  PH_NOTFOUND; PH_NOMEM.
 */
ph_int_t conv_zone_find(ph_pool_t *pool, ph_str_t name, mapi_tz_t *tz_r);

typedef struct icalcomponent_impl  conv_ical_component_t;

/* The rules of a VTIMEZONE.  PH_INVALID: no observance that can be read. */
ph_int_t conv_zone_import(ph_pool_t *pool, conv_ical_component_t *vtimezone,
    mapi_tz_t *tz_r);

/* A VTIMEZONE of that TZID; errors stay in b. */
void conv_zone_export(ph_wbuf_t *b, const mapi_tz_t *tz, ph_str_t tzid);

#endif
