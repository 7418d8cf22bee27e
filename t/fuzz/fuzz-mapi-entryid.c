/* Entry ids, change lists, conversation indices and GUIDs from strangers. */

#include "mapi/mapi_conversation.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_xid.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mapi_guid_t  guid;
    ph_str_t                  in = { size, data }, a, b, c, out, half;
    ph_pool_t                *pool = ph_pool_create("fuzz", 8u << 20);
    mapi_entryid_t            e;
    mapi_guid_t               g;
    mapi_eid_t                fid, mid;
    uint8_t                   buf[MAPI_MESSAGE_EID];
    uint32_t                  u32;
    uint16_t                  flags;

    (void) mapi_entryid_kind(in);
    if (mapi_entryid_parse(in, &e) == PH_OK && size == MAPI_MESSAGE_EID) {
        mapi_entryid_message(buf, &e);
        if (memcmp(buf + 4, data + 4, 16) != 0) {
            abort();
        }
    }
    if (mapi_entryid_ab_parse(in, &u32, &a) == PH_OK
        && (mapi_entryid_ab(pool, u32, a, &out) != PH_OK
            || mapi_entryid_ab_parse(out, &u32, &b) != PH_OK
            || !ph_str_eq(a, b)))
    {
        abort();
    }
    (void) mapi_entryid_oneoff_parse(pool, 1252, in, &flags, &a, &b, &c);
    (void) mapi_svreid_parse(in, &fid, &mid, &u32);
    (void) mapi_guid_parse(in, &g);

    half = (ph_str_t) { size / 2, data };
    if (mapi_pcl_valid(in)) {
        if (mapi_pcl_compare(in, in) != MAPI_PCL_EQUAL
            || mapi_pcl_merge(pool, in, in, &out) != PH_OK
            || mapi_pcl_compare(in, out) != MAPI_PCL_EQUAL)
        {
            abort();
        }
    }
    a = (ph_str_t) { size - size / 2, data + size / 2 };
    if (mapi_pcl_merge(pool, half, a, &out) == PH_OK
        && (!mapi_pcl_valid(out)
            || mapi_pcl_compare(half, out) == MAPI_PCL_CONFLICT
            || mapi_pcl_compare(half, out) == MAPI_PCL_INCLUDES))
    {
        abort();
    }
    if (mapi_conversation_reply(pool, in, 0x01D0112233445566, &guid, 1, &out)
        == PH_OK && mapi_conversation_guid(out, &g) != PH_OK)
    {
        abort();
    }
    ph_pool_destroy(&pool);
    return 0;
}
