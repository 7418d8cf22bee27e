/* Rule actions (MS-OXORULE 2.2.5): PT_ACTIONS values. */

#ifndef MAPI_RULE_H
#define MAPI_RULE_H

#include "mapi/mapi.h"

#define MAPI_MAX_ACTIONS            256
#define MAPI_MAX_ACTION_RECIPIENTS  4096

enum {
    OP_MOVE = 1, OP_COPY = 2, OP_REPLY = 3, OP_OOF_REPLY = 4,
    OP_DEFER_ACTION = 5, OP_BOUNCE = 6, OP_FORWARD = 7, OP_DELEGATE = 8,
    OP_TAG = 9, OP_DELETE = 10, OP_MARK_AS_READ = 11
};

typedef struct {
    uint8_t        reserved;
    mapi_values_t  props;
} mapi_action_recipient_t;

typedef struct {
    uint8_t   type;      /* OP_* */
    uint32_t  flavor;
    uint32_t  flags;
    union {
        struct {                          /* MOVE, COPY */
            uint8_t   in_this_store;      /* not in extended rules */
            ph_str_t  store_eid;
            ph_str_t  folder_eid;         /* a ServerEid when in this store */
        } move;
        struct {                          /* REPLY, OOF_REPLY */
            mapi_eid_t   template_fid;    /* not in extended rules */
            mapi_eid_t   template_mid;
            ph_str_t     message_eid;     /* extended rules only */
            mapi_guid_t  template_guid;
        } reply;
        ph_str_t      defer;
        uint32_t      bounce_code;
        struct {                          /* FORWARD, DELEGATE */
            uint32_t                  n;
            mapi_action_recipient_t  *v;
        } forward;
        mapi_value_t  tag;
    } u;
} mapi_action_t;

struct mapi_actions_s {
    uint32_t        n;
    mapi_action_t  *v;
};

/*
 * ctx->form ROP: standard rules; WIDE: extended rules.  PH_INVALID;
 * PH_NOMEM.
 */
ph_int_t mapi_actions_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_actions_t *v);
ph_int_t mapi_actions_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_actions_t *v);
void mapi_actions_dump(ph_wbuf_t *out, const mapi_actions_t *v);

/* A deep copy in pool.  PH_NOMEM. */
ph_int_t mapi_actions_copy(ph_pool_t *pool, const mapi_actions_t *v,
    mapi_actions_t **copy_r);

#endif
