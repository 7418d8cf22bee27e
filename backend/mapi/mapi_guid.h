/* GUIDs: the well-known ones of mapi_guids.def, and their text form. */

#ifndef MAPI_GUID_H
#define MAPI_GUID_H

#include "mapi/mapi.h"

#define MAPI_GUID_TEXT  37    /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", NUL */

/* mapi_guid_PSETID_COMMON and so on, in wire order */
#define X(name, ...)  extern const mapi_guid_t  mapi_guid_##name;
#include "mapi/mapi_guids.def"
#undef X

static inline bool mapi_guid_eq(const mapi_guid_t *a, const mapi_guid_t *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool mapi_guid_is_zero(const mapi_guid_t *g);

/* lower-case text; the first three groups are little-endian on the wire */
void mapi_guid_text(const mapi_guid_t *g, char text[MAPI_GUID_TEXT]);

/* any case, braces allowed; PH_INVALID */
ph_int_t mapi_guid_parse(ph_str_t text, mapi_guid_t *g_r);

/* a random one (version 4); PH_ERROR without random numbers */
ph_int_t mapi_guid_random(mapi_guid_t *g_r);

/* "PSETID_COMMON"; NULL when it is not in mapi_guids.def */
const char *mapi_guid_name(const mapi_guid_t *g);

#endif
