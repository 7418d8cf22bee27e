/*
 * What reading and writing of properties has in common for the store object,
 * folders, messages and attachments.
 *
 * Reading: the answer has one value for each tag asked, in that order.  A tag
 * of type PT_UNSPECIFIED is answered with the type found; PT_STRING8 and
 * PT_UNICODE (also multi-valued) stand for each other, and the answer carries
 * the tag as asked.  An absent value has type PT_ERROR and u.err is MAPI's
 * code: ecNotFound, or ecMAPIOOM when the value is larger than `limit` (the
 * client then opens a stream).
 *
 * Writing: a value that cannot be set is no error of the call; it becomes a
 * problem {index, tag, code} (MS-OXCDATA 2.7).
 */

#ifndef STORE_PROPS_H
#define STORE_PROPS_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"
#include "mapi/mapi.h"

#define STORE_EC_NOT_FOUND      0x8004010Fu
#define STORE_EC_OOM            0x8007000Eu
#define STORE_EC_DENIED         0x80070005u
#define STORE_EC_COMPUTED       0x8004011Au
#define STORE_EC_INVALID        0x80070057u
#define STORE_EC_TOO_BIG        0x80040305u

#define STORE_NO_LIMIT          SIZE_MAX

typedef struct {
    uint16_t  index;    /* in the request */
    uint32_t  tag;
    uint32_t  code;
} store_problem_t;

typedef struct {
    uint16_t          n;
    store_problem_t  *v;
} store_problems_t;

/* Who acts: goes into creator and last-modifier properties. */
typedef struct {
    ph_str_t  display_name;
    ph_str_t  entryid;        /* address book entry id */
    uint32_t  lcid;           /* 0: that of the store */
    uint32_t  cpid;           /* code page of the client, 0: 65001 */
    bool      is_owner;
} store_actor_t;

#endif
