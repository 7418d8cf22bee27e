/* Property tags that the store knows by name, and those of its own. */

#ifndef STORE_TAGS_H
#define STORE_TAGS_H

#include "mapi/mapi_tags.h"

#define STORE_LEN(s)  ((ph_str_t) { sizeof(s) - 1, (const uint8_t *) (s) })

#endif
