/* Submission (MS-OXOMSG 2.2.3, 3.2.5). */

#include "ex_rop.h"
#include "ex_props.h"
#include "ex_access.h"
#include "ex_recipient.h"
#include "ex_represent.h"
#include "ex_submit.h"

#include <stdio.h>

#define EX_FLAG_SUBMITTED  0x0004
#define EX_FLAG_UNSENT     0x0008

#define EX_MINUTE          600000000ull    /* FILETIME */


static const mapi_value_t *
rop_value(const mapi_values_t *v, uint32_t i, uint16_t type)
{
    return MAPI_TYPE(v->v[i].tag) == type ? &v->v[i] : NULL;
}


static uint64_t
rop_submit_due(const mapi_values_t *v, uint64_t now)
{
    uint64_t             n;
    const mapi_value_t  *t, *number, *units;

    static const uint64_t  minutes[] = { 1, 60, 1440, 10080 };

    t = rop_value(v, 3, PT_SYSTIME);
    if (t != NULL) {
        return t->u.time > now ? t->u.time : 0;
    }

    number = rop_value(v, 4, PT_LONG);
    units = rop_value(v, 5, PT_LONG);

    if (number == NULL || units == NULL || number->u.i4 <= 0
        || units->u.i4 < 0 || units->u.i4 > 3)
    {
        return 0;
    }

    n = (uint64_t) ph_min(number->u.i4, 999);

    return now + n * minutes[units->u.i4] * EX_MINUTE;
}


/* The sender's properties (MS-OXOMSG 3.2.5.1.2.1), sender and representing. */
static ph_int_t
rop_sender_set(ex_rop_t *rop, ex_message_t *m, const ex_represented_t *r,
    bool has_id, uint64_t now)
{
    char                *id;
    uint8_t              rnd[16];
    char                 hex[33];
    uint32_t             n;
    ph_wbuf_t            b, key;
    mapi_value_t         v[16];
    mapi_values_t        values;
    store_problems_t     problems;
    const dir_entry_t   *owner = &r->who;
    const dir_entry_t   *who = r->send_as ? owner
                                          : &rop->session->facts->entry;

    memset(v, 0, sizeof(v));
    n = 0;

#define EX_STR(t, s)  (v[n].tag = (t), v[n].u.str = (s), n++)
#define EX_BIN(t, s)  (v[n].tag = (t), v[n].u.bin = (s), n++)

    ph_wbuf_init(&b, rop->pool, 8192);
    ex_rop_entryid(&b, who->legacy_dn, 0);
    ph_wbuf_init(&key, rop->pool, 8192);
    ph_put_fmt(&key, "EX:%.*s", PH_STR_ARG(who->legacy_dn));
    ph_put_u8(&key, 0);
    if (b.error || key.error) {
        return PH_NOMEM;
    }

    EX_STR(PR_SENDER_NAME, who->display_name);
    EX_STR(PR_SENDER_ADDRTYPE, ph_str_lit("EX"));
    EX_STR(PR_SENDER_EMAIL_ADDRESS, who->legacy_dn);
    EX_STR(PR_SENDER_SMTP_ADDRESS, who->address);
    EX_BIN(PR_SENDER_ENTRYID, ph_wbuf_str(&b));
    EX_BIN(PR_SENDER_SEARCH_KEY, ph_wbuf_str(&key));

    ph_wbuf_init(&b, rop->pool, 8192);
    ex_rop_entryid(&b, owner->legacy_dn, 0);
    ph_wbuf_init(&key, rop->pool, 8192);
    ph_put_fmt(&key, "EX:%.*s", PH_STR_ARG(owner->legacy_dn));
    ph_put_u8(&key, 0);
    if (b.error || key.error) {
        return PH_NOMEM;
    }

    EX_STR(PR_SENT_REPRESENTING_NAME, owner->display_name);
    EX_STR(PR_SENT_REPRESENTING_ADDRTYPE, ph_str_lit("EX"));
    EX_STR(PR_SENT_REPRESENTING_EMAIL_ADDRESS, owner->legacy_dn);
    EX_STR(PR_SENT_REPRESENTING_SMTP_ADDRESS, owner->address);
    EX_BIN(PR_SENT_REPRESENTING_ENTRYID, ph_wbuf_str(&b));
    EX_BIN(PR_SENT_REPRESENTING_SEARCH_KEY, ph_wbuf_str(&key));

    v[n].tag = PR_CLIENT_SUBMIT_TIME;
    v[n++].u.time = now;
    v[n].tag = PR_MESSAGE_DELIVERY_TIME;
    v[n++].u.time = now;

    if (!has_id) {
        ph_random(rnd, sizeof(rnd));
        ph_hex_encode(hex, rnd, sizeof(rnd));
        id = ph_psprintf(rop->pool, "<%s@%.*s>", hex,
                         PH_STR_ARG(owner->domain));
        if (id == NULL) {
            return PH_NOMEM;
        }

        EX_STR(PR_INTERNET_MESSAGE_ID, ph_str_c(id));
    }

#undef EX_STR
#undef EX_BIN

    values.n = n;
    values.v = v;

    return store_message_set(m->msg, &values, rop->pool, &problems);
}


static uint32_t
rop_submit_limits(ex_rop_t *rop, ex_message_t *m)
{
    uint64_t         max;
    store_quota_t    quota;
    store_totals_t   totals;

    if (store_message_recipient_count(m->msg) == 0) {
        return ecNoRecipients;
    }

    if (store_message_recipient_count(m->msg) > rop->ex->opt.max_recipients) {
        return ecTooManyRecips;
    }

    max = rop->logon->owner->entry.max_submit_size * 1024ull;
    if (max == 0) {
        max = rop->ex->opt.max_submit_size;
    }

    if (store_message_fact(m->msg)->size > max) {
        return ecMaxSubmissionExceeded;
    }

    if (store_quota_get(rop->conn, &quota) == PH_OK && quota.send != 0
        && store_totals(rop->conn, &totals) == PH_OK
        && totals.size > quota.send)
    {
        return ecQuotaExceeded;
    }

    return 0;
}


static uint32_t
rop_submit(ex_rop_t *rop, ex_message_t *m)
{
    bool             quota;
    uint8_t          id[EX_SUBMIT_ID];
    uint32_t         ec;
    uint64_t         now;
    ph_int_t         rc;
    mapi_tags_t      tags;
    mapi_values_t    v;
    store_actor_t    actor;
    store_submit_t   row;
    ex_represented_t represented;

    static const uint32_t  wanted[] = {
        PR_SENT_REPRESENTING_ADDRTYPE, PR_SENT_REPRESENTING_EMAIL_ADDRESS,
        PR_SENT_REPRESENTING_ENTRYID, PR_DEFERRED_SEND_TIME,
        PR_DEFERRED_SEND_NUMBER, PR_DEFERRED_SEND_UNITS,
        PR_INTERNET_MESSAGE_ID
    };

    if (store_message_is_embedded(m->msg)) {
        return ecNotSupported;
    }

    if (rop->logon->is_public) {
        return ecNotSupported;
    }

    if (!ex_rop_is_owner(rop)
        && !(rop->logon->delegate & (STORE_DELEGATE_SEND_AS
                                     | STORE_DELEGATE_ON_BEHALF)))
    {
        return ecAccessDenied;
    }

    if (store_message_fact(m->msg)->flags & EX_FLAG_SUBMITTED) {
        return ecSubmitted;
    }

    if (!store_message_is_writable(m->msg)) {
        store_message_set_writable(m->msg, true);
    }

    if (store_message_recipient_count(m->msg) == 0) {
        return ecNoRecipients;
    }

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;
    rc = store_message_get(rop->conn, m->msg, &tags, STORE_NO_LIMIT,
                           rop->pool, &v);
    if (rc == PH_OK) {
        rc = ex_represent(rop, rop_value(&v, 0, PT_UNICODE),
                          rop_value(&v, 1, PT_UNICODE),
                          rop_value(&v, 2, PT_BINARY), &represented);
    }

    if (rc == PH_ERROR) {
        /* the directory is away: the client tries again */
        return ecServerPaused;
    }

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    now = ph_now_filetime();

    if (ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    rc = rop_sender_set(rop, m, &represented,
                        rop_value(&v, 6, PT_UNICODE) != NULL, now);
    quota = false;
    if (rc == PH_OK) {
        rc = store_message_save(rop->conn, m->msg, 0, &actor, &quota);
    }

    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? ecObjectDeleted
               : ex_ec(rop, rc);
    }

    ec = rop_submit_limits(rop, m);
    if (ec != 0) {
        return ec;
    }

    ph_random(id, sizeof(id));

    memset(&row, 0, sizeof(row));
    row.message = store_message_fact(m->msg)->id;
    row.folder = store_message_fact(m->msg)->folder;
    row.submitted = now;
    row.due = rop_submit_due(&v, now);
    row.data.data = id;
    row.data.len = sizeof(id);

    rc = ex_submit_mark(rop->ex, rop->logon->owner->entry.address);
    if (rc == PH_OK) {
        rc = store_submit_put(rop->conn, &row);
    }

    if (rc == PH_OK) {
        rc = store_message_set_flags(rop->conn, row.message,
                                     EX_FLAG_SUBMITTED, EX_FLAG_SUBMITTED,
                                     NULL);
    }

    if (rc == PH_OK
        && !ex_action_add(rop->session, EX_ACT_SUBMIT, rop->logon->mailbox))
    {
        rc = PH_NOMEM;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_submit_message(ex_rop_t *rop, const rop_submit_message_request_t *req,
    rop_submit_message_response_t *res)
{
    ex_message_t  *m;

    (void) req;
    (void) res;

    m = ex_rop_message(rop);

    return m != NULL ? rop_submit(rop, m) : ecNotSupported;
}


uint32_t
rop_transport_send(ex_rop_t *rop, const rop_transport_send_request_t *req,
    rop_transport_send_response_t *res)
{
    ex_message_t  *m;

    (void) req;

    m = ex_rop_message(rop);
    res->no_properties_returned = 1;

    return m != NULL ? rop_submit(rop, m) : ecNotSupported;
}


uint32_t
rop_abort_submit(ex_rop_t *rop, const rop_abort_submit_request_t *req,
    rop_abort_submit_response_t *res)
{
    ph_int_t         rc;
    uint32_t         ec;
    uint64_t         mid;
    store_submit_t   row;

    (void) res;

    mid = ex_rop_id(req->message_id);
    ec = ex_access_item(rop, mid, STORE_ACCESS_MODIFY);
    if (ec == ecAccessDenied) {
        return ec;
    }

    rc = store_submit_find(rop->conn, mid, rop->pool, &row);

    if (rc == PH_NOTFOUND) {
        return store_message_find(rop->conn, mid,
                                  &(store_message_fact_t) { 0 }) == PH_OK
               ? ecNotInQueue : ecUnableToAbort;
    }

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    /* due now: it may be on its way already */
    if (row.due <= ph_now_filetime() && rop->logon->mailbox->submitting) {
        return ecUnableToAbort;
    }

    rc = store_submit_remove(rop->conn, mid);
    if (rc == PH_OK) {
        rc = store_message_set_flags(rop->conn, mid, 0, EX_FLAG_SUBMITTED,
                                     NULL);
    }

    return ex_ec(rop, rc);
}


/* ---- the rest of the transport ---- */

uint32_t
rop_set_spooler(ex_rop_t *rop, const rop_set_spooler_request_t *req,
    rop_set_spooler_response_t *res)
{
    (void) req;
    (void) res;

    if (rop->in->kind != EX_LOGON) {
        return ecNotSupported;
    }

    rop->logon->spooler = true;

    return 0;
}


uint32_t
rop_spooler_lock_message(ex_rop_t *rop,
    const rop_spooler_lock_message_request_t *req,
    rop_spooler_lock_message_response_t *res)
{
    (void) res;

    if (rop->in->kind != EX_LOGON) {
        return ecNotSupported;
    }

    if (req->lock_state > 2) {
        return ecInvalidParam;
    }

    return ex_ec(rop, store_message_find(rop->conn,
                          ex_rop_id(req->message_id),
                          &(store_message_fact_t) { 0 }));
}


uint32_t
rop_get_address_types(ex_rop_t *rop,
    const rop_get_address_types_request_t *req,
    rop_get_address_types_response_t *res)
{
    static const char  types[] = "EX\0SMTP";

    (void) rop;
    (void) req;

    res->count = 2;
    res->address_types.data = (const uint8_t *) types;
    res->address_types.len = sizeof(types);

    return 0;
}


uint32_t
rop_transport_new_mail(ex_rop_t *rop,
    const rop_transport_new_mail_request_t *req,
    rop_transport_new_mail_response_t *res)
{
    ph_int_t               rc;
    store_message_fact_t   fact;

    (void) res;

    if (rop->in->kind != EX_LOGON) {
        return ecNotSupported;
    }

    /* rules have run, and clients were told, when it came */
    rc = store_message_find(rop->conn, ex_rop_id(req->message_id), &fact);
    if (rc == PH_OK && fact.folder != ex_rop_id(req->folder_id)) {
        rc = PH_NOTFOUND;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_get_transport_folder(ex_rop_t *rop,
    const rop_get_transport_folder_request_t *req,
    rop_get_transport_folder_response_t *res)
{
    (void) req;

    if (rop->in->kind != EX_LOGON) {
        return ecNotSupported;
    }

    res->folder_id = store_eid(STORE_OUTBOX);

    return 0;
}


uint32_t
rop_options_data(ex_rop_t *rop, const rop_options_data_request_t *req,
    rop_options_data_response_t *res)
{
    (void) rop;
    (void) req;

    res->reserved = 1;

    return 0;
}
