/* Names of tags, types, errors and GUIDs for people to read. */

#ifndef MAPI_NAMES_H
#define MAPI_NAMES_H

#include "mapi/mapi.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"

/* "PR_SUBJECT"; a string property is also found by its 8-bit type.  NULL when
 * the tag is not in mapi_tags.def. */
const char *mapi_tag_name(uint32_t tag);
/* "PidTagSubject"; NULL as above */
const char *mapi_tag_canonical(uint32_t tag);
/* the tag of "PR_SUBJECT" or "PidTagSubject"; 0 when unknown */
uint32_t mapi_tag_by_name(ph_str_t name);

/* "ecNotFound"; NULL when the code is not in mapi_errors.def */
const char *mapi_error_name(uint32_t ec);

/* "PT_LONG", "PT_MV_UNICODE"; "PT_?" for an unknown type */
const char *mapi_type_name(uint16_t type);

#endif
