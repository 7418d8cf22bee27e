/* PR_CONVERSATION_INDEX (MS-OXOMSG 2.2.1.3) and PR_CONVERSATION_ID. */

#ifndef MAPI_CONVERSATION_H
#define MAPI_CONVERSATION_H

#include "mapi/mapi.h"

#define MAPI_CONVERSATION_HEADER  22
#define MAPI_CONVERSATION_CHILD   5
#define MAPI_CONVERSATION_MAX     (22 + 5 * 1000)

/* the header of a new conversation that begins at a FILETIME */
void mapi_conversation_new(uint8_t to[MAPI_CONVERSATION_HEADER],
    uint64_t filetime, const mapi_guid_t *guid);

/*
 * The index of an answer to a message with this index; a parent that breaks its
 * format begins a new conversation with guid.  PH_NOMEM.
 */
ph_int_t mapi_conversation_reply(ph_pool_t *pool, ph_str_t parent,
    uint64_t filetime, const mapi_guid_t *guid, uint8_t random,
    ph_str_t *index_r);

/* The GUID of a well-formed index (which clients show as PR_CONVERSATION_ID);
 * PH_INVALID. */
ph_int_t mapi_conversation_guid(ph_str_t index, mapi_guid_t *guid_r);

#endif
