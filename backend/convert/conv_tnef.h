/*
 * TNEF (MS-OXTNEF): the attachment winmail.dat that carries a MAPI message,
 * with what MIME has no place for.  Pure functions, results in pool.
 */

#ifndef CONV_TNEF_H
#define CONV_TNEF_H

#include "conv.h"

#define CONV_TNEF_MAX_PROPS  200000   /* properties of one stream, in all */

/*
 * A message of a stream; strings are UTF-8, large values point into tnef, which
 * must live as long.  A stream that ends early, or breaks off in a property,
 * gives what came before; wrong checksums are not looked at.  Beyond
 * CONV_MAX_EMBED levels, CONV_MAX_PROPS properties of an object,
 * CONV_TNEF_MAX_PROPS in all, MAPI_MAX_RECIPIENTS or MAPI_MAX_ATTACHMENTS the
 * rest is left out.  Linear in the size of tnef but for the properties of an
 * object, which are compared with each other.
 * PH_INVALID: no TNEF, or nothing in it; PH_NOMEM.
 */
ph_int_t conv_tnef_import(ph_pool_t *pool, ph_str_t tnef,
    mapi_message_t **msg_r);

/*
 * The stream of a message, with its attachments and the messages in them;
 * recipients only of embedded ones, without Bcc (MS-OXTNEF 2.1.3.5.2): those of
 * the outer message are in its MIME header.  8-bit attributes are in code page
 * 1252, everything is also there in Unicode.  PH_NOMEM; PH_TOOBIG: more than
 * CONV_MAX_EMBED levels.
 */
ph_int_t conv_tnef_export(ph_pool_t *pool, const mapi_message_t *msg,
    ph_str_t *tnef_r);

#endif
