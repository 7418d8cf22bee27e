/* Named properties: those of mapi_named.def, and local ids in a message. */

#ifndef MAPI_NAMED_H
#define MAPI_NAMED_H

#include "mapi/mapi_message.h"

/* the number of a well-known one: MAPI_NP(PidLidFileUnder) */
#define MAPI_NP(name)  MAPI_NP_##name
enum {
#define LID(set, lid, name, type)   MAPI_NP_##name,
#define NAME(set, text, name, type) MAPI_NP_##name,
#include "mapi/mapi_named.def"
#undef LID
#undef NAME
    MAPI_NP_COUNT
};

typedef struct {
    const char       *canonical;    /* "PidLidFileUnder" */
    uint16_t          type;
    mapi_propname_t   name;
} mapi_named_prop_t;

/* of MAPI_NP(...) */
mapi_named_prop_t mapi_named_prop(unsigned np);
/* its MAPI_NP number; -1 when it is not in the list */
int mapi_named_find(const mapi_propname_t *name);

/*
 * The local id of a name in a message value, which is added when it is not
 * there yet (room for it is made in pool).  0: more than MAPI_MAX_TAGS names
 * or no memory.
 */
uint16_t mapi_names_id(ph_pool_t *pool, mapi_names_t *names,
    const mapi_propname_t *name);

/* mapi_names_id() and the type of a well-known one, as a tag; 0 as above */
uint32_t mapi_names_tag(ph_pool_t *pool, mapi_names_t *names, unsigned np);

/* the name of a local id; NULL */
const mapi_propname_t *mapi_names_name(const mapi_names_t *names,
    uint16_t id);

#endif
