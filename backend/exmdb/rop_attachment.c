/* Attachments (MS-OXCMSG 2.2.3.12 ff.). */

#include "ex_rop.h"


uint32_t
rop_get_attachment_table(ex_rop_t *rop,
    const rop_get_attachment_table_request_t *req,
    rop_get_attachment_table_response_t *res)
{
    ph_int_t       rc;
    ex_table_t    *t;
    ex_message_t  *m;

    (void) res;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    t = ex_rop_make(rop, EX_TABLE, sizeof(ex_table_t), rop->in);
    if (t == NULL) {
        return ecServerOOM;
    }

    t->attachments = true;
    t->flags = req->table_flags;

    rc = store_table_attachments(m->msg, &t->t);
    if (rc != PH_OK) {
        ex_rop_unmake(rop);
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_open_attachment(ex_rop_t *rop, const rop_open_attachment_request_t *req,
    rop_open_attachment_response_t *res)
{
    ph_int_t          rc;
    ex_message_t     *m;
    ex_attachment_t  *a;

    (void) res;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    a = ex_rop_make(rop, EX_ATTACHMENT, sizeof(ex_attachment_t), rop->in);
    if (a == NULL) {
        return ecServerOOM;
    }

    rc = store_attach_open(m->msg, req->attachment_id, &a->att);
    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return ex_ec(rop, rc);
    }

    a->writable = req->open_attachment_flags != 0
                  && store_message_is_writable(m->msg);

    return 0;
}


uint32_t
rop_create_attachment(ex_rop_t *rop,
    const rop_create_attachment_request_t *req,
    rop_create_attachment_response_t *res)
{
    ph_int_t          rc;
    ex_message_t     *m;
    ex_attachment_t  *a;

    (void) req;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    if (!store_message_is_writable(m->msg)) {
        return ecAccessDenied;
    }

    a = ex_rop_make(rop, EX_ATTACHMENT, sizeof(ex_attachment_t), rop->in);
    if (a == NULL) {
        return ecServerOOM;
    }

    rc = store_attach_create(m->msg, &a->att);
    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return rc == PH_TOOBIG ? ecMaxAttachmentExceeded : ex_ec(rop, rc);
    }

    a->writable = true;
    res->attachment_id = store_attach_num(a->att);

    return 0;
}


uint32_t
rop_delete_attachment(ex_rop_t *rop,
    const rop_delete_attachment_request_t *req,
    rop_delete_attachment_response_t *res)
{
    ex_message_t  *m;

    (void) res;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    if (!store_message_is_writable(m->msg)) {
        return ecAccessDenied;
    }

    return ex_ec(rop, store_attach_delete(m->msg, req->attachment_id));
}


uint32_t
rop_save_changes_attachment(ex_rop_t *rop,
    const rop_save_changes_attachment_request_t *req,
    rop_save_changes_attachment_response_t *res)
{
    ph_int_t          rc;
    ex_attachment_t  *a;

    (void) res;

    a = ex_rop_attachment(rop);
    if (a == NULL) {
        return ecNotSupported;
    }

    /* both at once say nothing (MS-OXCMSG 3.2.5.14) */
    if ((req->save_flags & 0x03) == 0x03) {
        return ecNotSupported;
    }

    if (!a->writable) {
        return ecAccessDenied;
    }

    rc = store_attach_save(a->att);
    if (rc == PH_OK && (req->save_flags & 0x01)) {
        a->writable = false;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_get_valid_attachments(ex_rop_t *rop,
    const rop_get_valid_attachments_request_t *req,
    rop_get_valid_attachments_response_t *res)
{
    ph_int_t       rc;
    uint32_t       n, *nums;
    ex_message_t  *m;

    (void) req;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    rc = store_message_attachments(m->msg, rop->pool, &n, &nums);
    if (rc == PH_OK) {
        res->attachment_ids_count = n;
        res->attachment_ids = nums;
    }

    return ex_ec(rop, rc);
}
