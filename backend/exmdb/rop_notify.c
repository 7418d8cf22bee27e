/* RopRegisterNotification (MS-OXCNOTIF 2.2.1.2.1). */

#include "ex_rop.h"

#include <stdlib.h>

#define EX_NOTIFY_KNOWN  0x05FF


uint32_t
rop_register_notification(ex_rop_t *rop,
    const rop_register_notification_request_t *req,
    rop_register_notification_response_t *res)
{
    ex_sub_t           *sub;
    ex_subscription_t  *o;

    (void) res;

    if (rop->in->kind != EX_LOGON && rop->in->kind != EX_FOLDER
        && rop->in->kind != EX_MESSAGE)
    {
        return ecNotSupported;
    }

    if (req->notification_types == 0) {
        return ecInvalidParam;
    }

    o = ex_rop_make(rop, EX_SUBSCRIPTION, sizeof(ex_subscription_t), NULL);
    sub = calloc(1, sizeof(ex_sub_t));
    if (o == NULL || sub == NULL) {
        free(sub);
        ex_rop_unmake(rop);
        return ecServerOOM;
    }

    sub->mailbox = rop->logon->mailbox;
    sub->session = rop->session;
    sub->handle = o->o.handle;
    sub->logon_id = o->o.logon_id;
    sub->types = req->notification_types & EX_NOTIFY_KNOWN;
    sub->whole = req->want_whole_store != 0;

    if (!sub->whole) {
        sub->fid = ex_rop_id(req->folder_id);
        sub->mid = ex_rop_id(req->message_id);

        if (req->folder_id == 0 && req->message_id == 0
            && rop->in->kind == EX_FOLDER)
        {
            sub->fid = ((ex_folder_t *) rop->in)->fid;
        }
    }

    if (!ex_action_add(rop->session, EX_ACT_SUB_ADD, sub)) {
        free(sub);
        ex_rop_unmake(rop);
        return ecServerOOM;
    }

    o->sub = sub;

    return 0;
}
