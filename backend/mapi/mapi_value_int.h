/* Shared by the value, restriction and packing codecs; not for others. */

#ifndef MAPI_VALUE_INT_H
#define MAPI_VALUE_INT_H

#include "mapi/mapi.h"

/* the type that a value has in a row: PT_MV | PT_MVI is a single value */
uint16_t mapi_type_row(uint16_t type);
size_t mapi_type_fixed(uint16_t type);
/* equal, or 8-bit against Unicode strings */
bool mapi_type_compatible(uint16_t a, uint16_t b);

void mapi_fixed_read(ph_cur_t *cur, uint16_t type, mapi_value_t *v);
void mapi_fixed_write(ph_wbuf_t *b, uint16_t type, const mapi_value_t *v);
ph_int_t mapi_mv_fixed_read(ph_cur_t *cur, ph_pool_t *pool, uint16_t type,
    uint32_t n, mapi_value_t *v);

/* flat: restrictions and actions are refused, which bounds the nesting */
ph_int_t mapi_value_read(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, uint16_t type, mapi_value_t *v, bool flat);
ph_int_t mapi_tagged_read(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_value_t *v, bool flat);

/* element i of a multi-value, as a value of the single type */
void mapi_value_element(const mapi_value_t *v, uint32_t i, mapi_value_t *e_r);

#endif
