/* Messages (MS-OXCMSG 2.2.3). */

#include "ex_rop.h"
#include "ex_receipt.h"
#include "ex_access.h"
#include "ex_ics.h"
#include "rop_recipient.h"

#define EX_OPEN_READ_WRITE    0x01
#define EX_OPEN_BEST          0x03
#define EX_OPEN_SOFT_DELETED  0x04

#define EX_SAVE_KEEP_RO       0x01
#define EX_SAVE_KEEP_RW       0x02
#define EX_SAVE_FORCE         0x04
#define EX_SAVE_DELAYED       0x08


/* What OpenMessage tells (MS-OXCROPS 2.2.6.1.2). */
static uint32_t
rop_message_info(ex_rop_t *rop, ex_message_t *m, size_t before,
    rop_open_message_info_t *info)
{
    size_t          used;
    ph_int_t        rc;
    mapi_tags_t     tags;
    mapi_values_t   v;

    static const uint32_t  wanted[] = {
        PR_SUBJECT_PREFIX, PR_NORMALIZED_SUBJECT, PR_HAS_NAMED_PROPERTIES
    };

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;

    rc = store_message_get(rop->conn, m->msg, &tags, STORE_NO_LIMIT,
                           rop->pool, &v);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    info->subject_prefix = ph_str_lit("");
    info->normalized_subject = ph_str_lit("");

    if (MAPI_TYPE(v.v[0].tag) == PT_UNICODE) {
        info->subject_prefix = v.v[0].u.str;
    }

    if (MAPI_TYPE(v.v[1].tag) == PT_UNICODE) {
        info->normalized_subject = v.v[1].u.str;
    }

    info->has_named_properties =
        MAPI_TYPE(v.v[2].tag) == PT_BOOLEAN && v.v[2].u.b;

    used = before + 8 + 2 * (info->subject_prefix.len
                             + info->normalized_subject.len + 2);
    if (used > rop->room) {
        return ecBufferTooSmall;
    }

    return rop_recipients_info(rop, m, rop->room - used, info);
}


static ex_message_t *
rop_message_make(ex_rop_t *rop, uint16_t cpid, ex_object_t *parent)
{
    ex_message_t  *m;

    m = ex_rop_make(rop, EX_MESSAGE, sizeof(ex_message_t), parent);
    if (m != NULL) {
        m->cpid = cpid;
    }

    return m;
}


uint32_t
rop_open_message(ex_rop_t *rop, const rop_open_message_request_t *req,
    rop_open_message_response_t *res)
{
    uint32_t       ec, access;
    ph_int_t       rc;
    uint16_t       cpid;
    uint64_t       fid, mid;
    unsigned       flags;
    ex_message_t  *m;

    store_message_fact_t  fact;

    if (rop->in->kind != EX_LOGON && rop->in->kind != EX_FOLDER) {
        return ecNullObject;
    }

    cpid = ex_rop_cpid(rop, req->cpid);
    if (cpid == 0) {
        return ecUnknownCodePage;
    }

    mid = ex_rop_id(req->message_id);
    fid = ex_rop_id(req->folder_id);
    if (mid == 0 || (fid == 0 && req->folder_id != 0)) {
        return ecNotFound;
    }

    m = rop_message_make(rop, cpid, NULL);
    if (m == NULL) {
        return ecServerOOM;
    }

    flags = (req->open_mode_flags & EX_OPEN_BEST) ? STORE_OPEN_WRITE
                                                  : STORE_OPEN_READONLY;
    if (req->open_mode_flags & EX_OPEN_SOFT_DELETED) {
        flags |= STORE_OPEN_DELETED;
    }

    rc = store_message_open(rop->conn, fid, mid, flags, &m->msg);
    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return ex_ec(rop, rc);
    }

    m->fid = store_message_fact(m->msg)->folder;

    if (!ex_rop_is_owner(rop)) {
        rc = store_message_access(rop->conn, mid, &access, &fact);
        if (rc != PH_OK || !(access & STORE_ACCESS_READ)) {
            ex_rop_unmake(rop);
            return rc == PH_OK ? ecAccessDenied : ex_ec(rop, rc);
        }

        if ((flags & STORE_OPEN_WRITE) && !(access & STORE_ACCESS_MODIFY)) {
            if ((req->open_mode_flags & EX_OPEN_BEST) == EX_OPEN_READ_WRITE) {
                ex_rop_unmake(rop);
                return ecAccessDenied;
            }

            store_message_set_writable(m->msg, false);
        }
    }

    ec = rop_message_info(rop, m, 0, &res->info);
    if (ec != 0) {
        ex_rop_unmake(rop);
    }

    return ec;
}


uint32_t
rop_reload_cached_information(ex_rop_t *rop,
    const rop_reload_cached_information_request_t *req,
    rop_reload_cached_information_response_t *res)
{
    ex_message_t  *m;

    (void) req;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    return rop_message_info(rop, m, 0, &res->info);
}


uint32_t
rop_create_message(ex_rop_t *rop, const rop_create_message_request_t *req,
    rop_create_message_response_t *res)
{
    ph_int_t         rc;
    uint16_t         cpid;
    uint64_t         fid;
    ex_message_t    *m;
    store_actor_t    actor;
    store_folder_t   f;

    (void) res;

    if (rop->in->kind != EX_LOGON && rop->in->kind != EX_FOLDER) {
        return ecNullObject;
    }

    cpid = ex_rop_cpid(rop, req->cpid);
    if (cpid == 0) {
        return ecUnknownCodePage;
    }

    fid = ex_rop_id(req->folder_id);
    rc = store_folder_find(rop->conn, rop->pool, fid, &f);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (f.deleted) {
        return ecNotFound;
    }

    if (f.type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    if (!(ex_rop_rights(rop, fid) & STORE_RIGHT_CREATE)) {
        return ecAccessDenied;
    }

    m = rop_message_make(rop, cpid, NULL);
    if (m == NULL || ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    rc = store_message_create(rop->conn, fid, req->associated_flag != 0, 0,
                              &actor, &m->msg);
    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return ex_ec(rop, rc);
    }

    m->fid = fid;
    m->made = true;

    return 0;
}


/* The rights when it is saved count, not those when it was opened. */
static uint32_t
rop_message_may_save(ex_rop_t *rop, ex_message_t *m)
{
    if (ex_rop_is_owner(rop) || store_message_is_embedded(m->msg)) {
        return 0;
    }

    if (store_message_is_new(m->msg)) {
        return (ex_rop_rights(rop, m->fid) & STORE_RIGHT_CREATE)
               ? 0 : ecAccessDenied;
    }

    /* what he has just made he may go on with */
    if (m->made) {
        return 0;
    }

    return ex_access_item(rop, store_message_fact(m->msg)->id,
                          STORE_ACCESS_MODIFY);
}


uint32_t
rop_save_changes_message(ex_rop_t *rop,
    const rop_save_changes_message_request_t *req,
    rop_save_changes_message_response_t *res)
{
    bool            quota;
    uint32_t        ec;
    ph_int_t        rc;
    ex_message_t   *m;
    store_actor_t   actor;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNotSupported;
    }

    if (!store_message_is_writable(m->msg)) {
        return ecError;
    }

    ec = rop_message_may_save(rop, m);
    if (ec != 0) {
        return ec;
    }

    if (ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    quota = false;
    rc = PH_OK;
    if (m->import != NULL) {
        ec = ex_import_save(rop, m, &actor);
        if (ec != 0) {
            return ec;
        }

    } else {
        rc = store_message_save(rop->conn, m->msg,
                                (req->save_flags & EX_SAVE_FORCE)
                                ? STORE_SAVE_FORCE : 0, &actor, &quota);
    }

    if (rc == PH_NOTFOUND) {
        return ecObjectDeleted;
    }

    if (rc == PH_QUOTA) {
        return ecQuotaExceeded;
    }

    if (rc == PH_TOOBIG) {
        return ecMaxSubmissionExceeded;
    }

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (req->save_flags & EX_SAVE_KEEP_RO) {
        store_message_set_writable(m->msg, false);
    }

    res->input_handle_index = rop->item->handle[1];

    if (!store_message_is_embedded(m->msg)) {
        res->message_id = store_eid(store_message_fact(m->msg)->id);
    }

    return 0;
}


uint32_t
rop_set_message_read_flag(ex_rop_t *rop,
    const rop_set_message_read_flag_request_t *req,
    rop_set_message_read_flag_response_t *res)
{
    bool           changed, receipt;
    uint32_t       ec;
    ph_int_t       rc;
    uint64_t       mid;
    ex_message_t  *m;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    if (store_message_is_embedded(m->msg)) {
        return 0;
    }

    if (!store_message_is_new(m->msg)) {
        ec = ex_access_item(rop, store_message_fact(m->msg)->id,
                            rop->logon->is_public ? STORE_ACCESS_READ
                                                  : STORE_ACCESS_MODIFY);
        if (ec != 0) {
            return ec;
        }
    }

    changed = false;
    receipt = false;
    rc = store_message_set_read(rop->conn, m->msg, req->read_flags, &changed,
                                &receipt);
    if (rc == PH_OK && receipt) {
        mid = store_message_fact(m->msg)->id;
        rc = ex_receipts_send(rop, 1, &mid);
    }

    if (rc == PH_OK && rop->logon->is_public) {
        /* a private logon is never told: what is behind it is not there
         * (MS-OXCMSG 2.2.3.11.2) */
        res->read_status_changed = changed;
        res->logon_id = rop->item->logon_id;
        memcpy(res->client_data, req->client_data, sizeof(res->client_data));
    }

    return ex_ec(rop, rc);
}


/* ---- embedded messages ---- */

uint32_t
rop_open_embedded_message(ex_rop_t *rop,
    const rop_open_embedded_message_request_t *req,
    rop_open_embedded_message_response_t *res)
{
    bool              create;
    uint32_t          ec;
    uint16_t          cpid;
    ph_int_t          rc;
    ex_message_t     *m;
    store_actor_t     actor;
    ex_attachment_t  *a;

    a = ex_rop_attachment(rop);
    if (a == NULL) {
        return ecNullObject;
    }

    cpid = ex_rop_cpid(rop, req->cpid);
    if (cpid == 0) {
        return ecUnknownCodePage;
    }

    create = (req->open_mode_flags & 0x02) != 0
             && req->open_mode_flags != EX_OPEN_BEST;
    if (create && !a->writable) {
        return ecAccessDenied;
    }

    m = rop_message_make(rop, cpid, rop->in);
    if (m == NULL || ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    rc = store_embedded_open(rop->conn, a->att, false, &actor, &m->msg);
    if (rc == PH_NOTFOUND && create) {
        rc = store_embedded_open(rop->conn, a->att, true, &actor, &m->msg);
    }

    if (rc != PH_OK) {
        ex_rop_unmake(rop);
        return ex_ec(rop, rc);
    }

    store_message_set_writable(m->msg, a->writable
                                       && req->open_mode_flags != 0);

    ec = rop_message_info(rop, m, 9, &res->info);
    if (ec != 0) {
        ex_rop_unmake(rop);
    }

    return ec;
}
