/*
 * Change keys and predecessor change lists (MS-OXCFXICS 2.2.2.2, 2.2.2.3), and
 * LongTermID and GLOBCNT helpers.
 */

#ifndef MAPI_XID_H
#define MAPI_XID_H

#include "mapi/mapi.h"

#define MAPI_XID_MIN  17
#define MAPI_XID_MAX  24
#define MAPI_GID      22      /* REPLGUID and GLOBCNT: PR_SOURCE_KEY */
#define MAPI_LTID     24

/* six bytes, most significant first */
void mapi_globcnt_put(uint8_t to[6], uint64_t counter);
uint64_t mapi_globcnt_get(const uint8_t from[6]);

/* the 22 bytes of PR_SOURCE_KEY, PR_PARENT_SOURCE_KEY and own PR_CHANGE_KEYs */
void mapi_gid_make(uint8_t to[MAPI_GID], const mapi_guid_t *replguid,
    uint64_t counter);

/* LongTermID: as in a ROP */
typedef struct {
    mapi_guid_t  guid;
    uint64_t     counter;
    uint16_t     pad;
} mapi_ltid_t;
ph_int_t mapi_ltid_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_ltid_t *v);
ph_int_t mapi_ltid_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_ltid_t *v);
void mapi_ltid_dump(ph_wbuf_t *out, const mapi_ltid_t *v);

/* whether a predecessor change list keeps its format */
bool mapi_pcl_valid(ph_str_t pcl);

/*
 * A list as it has to be, of one whose entries stand in any order, as some
 * clients write it.  PH_INVALID: entries that are none; PH_NOMEM.
 */
ph_int_t mapi_pcl_sorted(ph_pool_t *pool, ph_str_t pcl, ph_str_t *pcl_r);

/*
 * A predecessor change list with xid in it: per namespace the greater one, in
 * the order of the namespaces.  An empty pcl is fine.  PH_INVALID; PH_NOMEM.
 */
ph_int_t mapi_pcl_add(ph_pool_t *pool, ph_str_t pcl, ph_str_t xid,
    ph_str_t *pcl_r);

/* the union of two lists */
ph_int_t mapi_pcl_merge(ph_pool_t *pool, ph_str_t a, ph_str_t b,
    ph_str_t *pcl_r);

/* what a knows against what b knows */
typedef enum {
    MAPI_PCL_EQUAL,
    MAPI_PCL_INCLUDES,       /* a has all of b, and more */
    MAPI_PCL_INCLUDED,       /* b has all of a, and more */
    MAPI_PCL_CONFLICT,       /* neither */
    MAPI_PCL_INVALID
} mapi_pcl_order_t;
mapi_pcl_order_t mapi_pcl_compare(ph_str_t a, ph_str_t b);

#endif
