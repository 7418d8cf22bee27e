/* Properties of any object that has some: one way for all kinds. */

#ifndef EX_PROPS_H
#define EX_PROPS_H

#include "ex_rop.h"

/* PH_DECLINED: an object without properties */
ph_int_t ex_props_get(ex_rop_t *rop, ex_object_t *o, const mapi_tags_t *tags,
    size_t limit, mapi_values_t *values_r);
ph_int_t ex_props_tags(ex_rop_t *rop, ex_object_t *o, mapi_tags_t *tags_r);
/* Unregistered named properties become problems here. */
ph_int_t ex_props_set(ex_rop_t *rop, ex_object_t *o,
    const mapi_values_t *values, bool replicate,
    store_problems_t *problems_r);
ph_int_t ex_props_remove(ex_rop_t *rop, ex_object_t *o,
    const mapi_tags_t *tags, bool replicate, store_problems_t *problems_r);
/* All of a message (properties, recipients, attachments) into an empty one; in
 * memory meanwhile.  Neither is saved. */
ph_int_t rop_copy_content(ex_rop_t *rop, store_message_t *src,
    store_message_t *dst, const store_actor_t *actor);
/* May the client change this object? */
bool ex_props_writable(ex_rop_t *rop, ex_object_t *o);

#endif
