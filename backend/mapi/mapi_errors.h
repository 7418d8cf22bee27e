/* MAPI error codes: ecNotFound and the others of mapi_errors.def. */

#ifndef MAPI_ERRORS_H
#define MAPI_ERRORS_H

enum {
#define X(value, name)      name = value##u,
#define ALIAS(value, name)  name = value##u,
#include "mapi/mapi_errors.def"
#undef X
#undef ALIAS
};

/* an error; success and warnings (0x0004xxxx) are not */
#define MAPI_FAILED(ec)  ((ec) != 0 && ((ec) >> 16) != 4)

#endif
