#include "mapi/mapi.h"

mapi_eid_t
mapi_eid(uint16_t replid, uint64_t counter)
{
    return __builtin_bswap64(counter & 0xFFFFFFFFFFFFull) | replid;
}

uint64_t
mapi_eid_counter(mapi_eid_t eid)
{
    return __builtin_bswap64(eid & ~0xFFFFull);
}

const mapi_value_t *
mapi_find(const mapi_values_t *vals, uint32_t tag)
{
    for (uint32_t i = 0; i < vals->n; i++) {
        if (vals->v[i].tag == tag) {
            return &vals->v[i];
        }
    }
    return NULL;
}

const mapi_value_t *
mapi_find_id(const mapi_values_t *vals, uint16_t id)
{
    for (uint32_t i = 0; i < vals->n; i++) {
        if (MAPI_ID(vals->v[i].tag) == id) {
            return &vals->v[i];
        }
    }
    return NULL;
}
