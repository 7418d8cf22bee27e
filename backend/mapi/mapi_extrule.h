/*
 * The blobs of extended rules (MS-OXORULE 2.2.4.1.9, 2.2.4.1.10): names of the
 * properties with ids above 0x8000, then a condition, or a version and actions;
 * all counts and lengths are 32 bits.
 */

#ifndef MAPI_EXTRULE_H
#define MAPI_EXTRULE_H

#include "mapi/mapi.h"
#include "mapi/mapi_rule.h"

#define MAPI_EXTRULE_MAX      (510u << 10)   /* bytes of one blob */
#define MAPI_EXTRULE_NAMES    4096
#define MAPI_EXTRULE_VERSION  1

typedef struct {
    uint32_t             n_names;
    uint16_t            *ids;        /* in the blob */
    mapi_propname_t     *names;
    uint16_t            *to;         /* room for the ids in a store */
    mapi_restriction_t  *condition;  /* of the one kind of blob */
    mapi_actions_t      *actions;    /* of the other */
} mapi_extrule_t;

/* In pool, and pointing into blob.  PH_INVALID, PH_TOOBIG, PH_NOMEM. */
ph_int_t mapi_extrule_condition_decode(ph_pool_t *pool, ph_str_t blob,
    mapi_extrule_t *v);
ph_int_t mapi_extrule_actions_decode(ph_pool_t *pool, ph_str_t blob,
    mapi_extrule_t *v);
ph_int_t mapi_extrule_condition_encode(ph_wbuf_t *b, const mapi_extrule_t *v);
ph_int_t mapi_extrule_actions_encode(ph_wbuf_t *b, const mapi_extrule_t *v);
void mapi_extrule_dump(ph_wbuf_t *out, const mapi_extrule_t *v);

/*
 * Replaces ids[i] by to[i] in every tag of the condition or the actions; a
 * named id without a name becomes one that no property has.
 */
void mapi_extrule_map(mapi_extrule_t *v);

#endif
