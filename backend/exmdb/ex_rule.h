/*
 * Rules at delivery (MS-OXORULE 3.2.5).  Everything here runs in the writer,
 * inside the transaction of the delivery: what a rule did and the message are
 * on disk together, or neither is.
 */

#ifndef EX_RULE_H
#define EX_RULE_H

#include "ex_mailbox.h"
#include "mapi/mapi_rule.h"

#define EX_CLASS_DAM  "IPC.Microsoft Exchange 4.0.Deferred Action"
#define EX_CLASS_DEM  "IPC.Microsoft Exchange 4.0.Deferred Error"

/* PidTagDeferredActionMessageOriginalEntryId, with its type on the wire */
#define EX_DAM_ORIGINAL_SVREID  0x674100FBu

/* codes of OP_BOUNCE (2.2.5.1.2.5) */
#define EX_BOUNCE_TOO_LARGE  0x0D
#define EX_BOUNCE_FORM       0x1F
#define EX_BOUNCE_DENIED     0x26

/* flavors of OP_FORWARD and OP_REPLY (2.2.5.1.1) */
#define EX_FORWARD_PR        0x01    /* preserve sender */
#define EX_FORWARD_NC        0x02    /* do not munge */
#define EX_FORWARD_AT        0x04    /* as attachment */
#define EX_FORWARD_TM        0x08    /* text message */
#define EX_FORWARD_ALL       0x0F
#define EX_REPLY_NS          0x01    /* not to the sender */
#define EX_REPLY_ST          0x02    /* the server's own text */
#define EX_REPLY_ALL         0x03

/* how the store keeps conditions and actions */
extern const mapi_ctx_t  ex_rule_ctx;

/*
 * Condition (NULL: every message) and actions of a rule, in pool.  PH_INVALID:
 * they do not decode.
 */
ph_int_t ex_rule_decode(ph_pool_t *pool, const store_rule_t *rule,
    mapi_restriction_t **condition_r, mapi_actions_t **actions_r);

#endif
