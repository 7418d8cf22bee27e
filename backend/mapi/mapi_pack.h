/*
 * Reading single properties out of packed values (the form that
 * mapi_values_encode() writes) without decoding the others:
 *
 *     u8 version 1, u32 n, u32 size of data,
 *     n times { u32 tag, u32 offset in data } in the order of the tags, data
 *
 * Data: numbers as on the wire; strings and binary with a u32 length, strings
 * in UTF-8; multi-values with a u32 count; restrictions and rule actions with
 * a u32 length, in their wide form.
 */

#ifndef MAPI_PACK_H
#define MAPI_PACK_H

#include "mapi/mapi_message.h"

typedef struct {
    uint32_t  n;
    ph_str_t  dir;
    ph_str_t  data;
} mapi_pack_t;

/* Looks at the frame only; p points into blob.  PH_INVALID. */
ph_int_t mapi_pack_init(mapi_pack_t *p, ph_str_t blob);

/* The value of tag by binary search; PH_NOTFOUND; PH_INVALID; PH_NOMEM.
 * Strings and binary point into the blob, the rest into pool. */
ph_int_t mapi_pack_find(const mapi_pack_t *p, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r);

/* Value number i, for going through all in the order of their tags. */
ph_int_t mapi_pack_at(const mapi_pack_t *p, uint32_t i, ph_pool_t *pool,
    mapi_value_t *v_r);

#endif
