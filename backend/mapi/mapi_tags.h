/* Property tags: PR_SUBJECT and the others of mapi_tags.def. */

#ifndef MAPI_TAGS_H
#define MAPI_TAGS_H

enum {
#define X(tag, name, canonical)  name = tag##u,
#include "mapi/mapi_tags.def"
#undef X
};

#endif
