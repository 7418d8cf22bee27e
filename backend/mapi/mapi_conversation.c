#include "mapi/mapi_conversation.h"

/*
 * 100 ns to the unit of the header: the low 16 bits of a FILETIME are left
 * out
 */
#define HEADER_SHIFT  16

void
mapi_conversation_new(uint8_t to[MAPI_CONVERSATION_HEADER], uint64_t filetime,
    const mapi_guid_t *guid)
{
    /* the first byte, 1, is also the top byte of the six of the time */
    for (int i = 0; i < 6; i++) {
        to[i] = (uint8_t) (filetime >> (56 - 8 * i));
    }
    to[0] = 1;
    memcpy(to + 6, guid->b, sizeof(guid->b));
}

static bool
mapi_conversation_valid(ph_str_t index)
{
    return index.len >= MAPI_CONVERSATION_HEADER
        && index.len <= MAPI_CONVERSATION_MAX && index.data[0] == 1
        && (index.len - MAPI_CONVERSATION_HEADER) % MAPI_CONVERSATION_CHILD
           == 0;
}

/* the time that the index stands at: the header's and all differences */
static uint64_t
mapi_conversation_time(ph_str_t index)
{
    uint64_t        t = 0;
    uint32_t        delta;
    const uint8_t  *p;

    for (size_t i = 0; i < 6; i++) {
        t = t << 8 | index.data[i];
    }
    t <<= HEADER_SHIFT;
    for (p = index.data + MAPI_CONVERSATION_HEADER;
         p < index.data + index.len; p += MAPI_CONVERSATION_CHILD)
    {
        delta = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
            | (uint32_t) p[2] << 8 | p[3];
        t += (uint64_t) (delta & 0x7FFFFFFF) << ((delta >> 31) ? 23 : 18);
    }
    return t;
}

ph_int_t
mapi_conversation_reply(ph_pool_t *pool, ph_str_t parent, uint64_t filetime,
    const mapi_guid_t *guid, uint8_t random, ph_str_t *index_r)
{
    uint8_t   *p;
    size_t     len;
    uint64_t   before, delta;
    uint32_t   code;

    if (!mapi_conversation_valid(parent)
        || parent.len + MAPI_CONVERSATION_CHILD > MAPI_CONVERSATION_MAX)
    {
        p = ph_palloc(pool, MAPI_CONVERSATION_HEADER);
        if (p == NULL) {
            return PH_NOMEM;
        }
        mapi_conversation_new(p, filetime, guid);
        *index_r = (ph_str_t) { MAPI_CONVERSATION_HEADER, p };
        return PH_OK;
    }
    len = parent.len + MAPI_CONVERSATION_CHILD;
    p = ph_palloc(pool, len);
    if (p == NULL) {
        return PH_NOMEM;
    }
    memcpy(p, parent.data, parent.len);
    before = mapi_conversation_time(parent);
    delta = filetime > before ? filetime - before : before - filetime;
    if (delta < 1ull << 49) {
        code = (uint32_t) (delta >> 18) & 0x7FFFFFFF;
    } else {
        code = ((uint32_t) (delta >> 23) & 0x7FFFFFFF) | 0x80000000u;
    }
    for (int i = 0; i < 4; i++) {
        p[parent.len + (size_t) i] = (uint8_t) (code >> (24 - 8 * i));
    }
    p[len - 1] = random;
    *index_r = (ph_str_t) { len, p };
    return PH_OK;
}

ph_int_t
mapi_conversation_guid(ph_str_t index, mapi_guid_t *guid_r)
{
    if (!mapi_conversation_valid(index)) {
        return PH_INVALID;
    }
    memcpy(guid_r->b, index.data + 6, sizeof(guid_r->b));
    return PH_OK;
}
