/* Read receipts; see ex_receipt.h. */

#include "ex_receipt.h"
#include "ex_arrival.h"
#include "ex_directory.h"
#include "ex_recipient.h"

#include "lib/ph_str.h"
#include "mapi/mapi_value.h"

#define EX_SUPPRESS_RECEIPT  0x04      /* PR_AUTO_RESPONSE_SUPPRESS: RN */
#define EX_SUBJECT_MAX       1000


enum {
    R_SUBJECT, R_CLASS, R_SMTP, R_ASKER, R_FROM_SMTP, R_FROM_ID, R_FROM_NAME,
    R_SUBMITTED, R_SEARCH_KEY, R_REPORT_TAG, R_SUPPRESS, R_MESSAGE_ID,
    R_TOPIC, R_REFERENCES
};

static const uint32_t  receipt_tags[] = {
    PR_SUBJECT, PR_MESSAGE_CLASS, PidTagReadReceiptSmtpAddress,
    PR_READ_RECEIPT_ENTRYID, PR_SENT_REPRESENTING_SMTP_ADDRESS,
    PR_SENT_REPRESENTING_ENTRYID, PR_SENT_REPRESENTING_NAME,
    PR_CLIENT_SUBMIT_TIME, PR_SEARCH_KEY, PR_REPORT_TAG,
    PR_AUTO_RESPONSE_SUPPRESS, PR_INTERNET_MESSAGE_ID, PR_CONVERSATION_TOPIC,
    PR_INTERNET_REFERENCES
};


static ph_str_t
receipt_text(const mapi_values_t *v, uint32_t i)
{
    uint16_t  type = MAPI_TYPE(v->v[i].tag);

    return type == PT_UNICODE || type == PT_BINARY ? v->v[i].u.str
                                                   : ph_str_null;
}


/* Who is to be told: an SMTP address in the pool, or empty. */
static ph_int_t
receipt_address(ex_rop_t *rop, const mapi_values_t *v, ph_str_t *to_r)
{
    bool          is_ex;
    size_t        i;
    ph_int_t      rc;
    ph_str_t      s;
    dir_entry_t   e;

    static const struct { uint32_t smtp, id; } who[] = {
        { R_SMTP, R_ASKER }, { R_FROM_SMTP, R_FROM_ID }
    };

    *to_r = ph_str_null;

    for (i = 0; i < ph_nelts(who); i++) {
        s = receipt_text(v, who[i].smtp);
        if (s.len != 0) {
            *to_r = s;
            break;
        }

        s = receipt_text(v, who[i].id);
        if (s.len == 0 || !ex_entryid_address(rop->pool, s, &is_ex, &s)) {
            continue;
        }

        if (is_ex) {
            rc = ex_facts_fetch(rop->ex, rop->pool, DIR_BY_DN, s, &e);
            if (rc == PH_NOTFOUND) {
                continue;
            }

            if (rc != PH_OK) {
                return rc;
            }

            s = e.address;
        }

        *to_r = s;
        break;
    }

    if (memchr(to_r->data != NULL ? (const char *) to_r->data : "", '@',
               to_r->len) == NULL
        || !ex_is_printable(*to_r))
    {
        *to_r = ph_str_null;
    }

    return PH_OK;
}


/* The report itself, without a recipient. */
static ph_int_t
receipt_make(ex_arrival_t *a, const mapi_values_t *v, mapi_values_t *list)
{
    char          *text;
    ph_int_t       rc;
    ph_str_t       subject, class, s;
    mapi_value_t   t;

    subject = receipt_text(v, R_SUBJECT);
    subject.len = ph_utf8_cut(subject, EX_SUBJECT_MAX);
    class = receipt_text(v, R_CLASS);
    if (class.len == 0 || class.len > 200) {
        class = ph_str_lit("IPM.Note");
    }

    rc = ex_value_from_owner(a, list);
    text = ph_psprintf(a->pool, "REPORT.%.*s.IPNRN", PH_STR_ARG(class));
    if (rc == PH_OK) {
        rc = text == NULL ? PH_NOMEM
             : ex_value_str(a->pool, list, PR_MESSAGE_CLASS, ph_str_c(text));
    }

    text = ph_psprintf(a->pool, "Read: %.*s", PH_STR_ARG(subject));
    if (rc == PH_OK) {
        rc = text == NULL ? PH_NOMEM
             : ex_value_str(a->pool, list, PR_SUBJECT, ph_str_c(text));
    }

    text = ph_psprintf(a->pool, "Your message\r\n\r\n  Subject: %.*s\r\n\r\n"
                       "was read.\r\n", PH_STR_ARG(subject));
    if (rc == PH_OK) {
        rc = text == NULL ? PH_NOMEM
             : ex_value_str(a->pool, list, PR_BODY, ph_str_c(text));
    }

    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, list, PR_ORIGINAL_SUBJECT, subject);
    }

    memset(&t, 0, sizeof(t));
    t.u.time = a->now;
    t.tag = PR_REPORT_TIME;
    if (rc == PH_OK) {
        rc = ex_value_set(a->pool, list, &t);
    }

    t.tag = PR_RECEIPT_TIME;
    if (rc == PH_OK) {
        rc = ex_value_set(a->pool, list, &t);
    }

    if (rc == PH_OK && MAPI_TYPE(v->v[R_SUBMITTED].tag) == PT_SYSTIME) {
        t.tag = PR_ORIGINAL_SUBMIT_TIME;
        t.u.time = v->v[R_SUBMITTED].u.time;
        rc = ex_value_set(a->pool, list, &t);
    }

    s = receipt_text(v, R_SEARCH_KEY);
    if (rc == PH_OK && s.len != 0) {
        rc = ex_value_bin(a->pool, list, PR_PARENT_KEY, s);
    }

    s = receipt_text(v, R_REPORT_TAG);
    if (rc == PH_OK && s.len != 0) {
        rc = ex_value_bin(a->pool, list, PR_REPORT_TAG, s);
    }

    return rc == PH_OK ? ex_value_thread(a, list) : rc;
}


static ph_int_t
receipt_send(ex_rop_t *rop, ex_arrival_t *a, uint64_t mid)
{
    ph_int_t          rc;
    ph_str_t          to;
    ex_send_t         s;
    mapi_tags_t       tags;
    mapi_values_t     v;
    mapi_message_t    original;
    store_message_t  *msg;

    rc = store_message_open(rop->conn, 0, mid, STORE_OPEN_READONLY, &msg);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    tags.n = ph_nelts(receipt_tags);
    tags.tag = receipt_tags;
    rc = store_message_get(rop->conn, msg, &tags, 1 << 16, rop->pool, &v);
    if (rc == PH_OK) {
        rc = mapi_values_keep(rop->pool, &v);
    }
    store_message_close(&msg);

    if (rc == PH_OK) {
        rc = receipt_address(rop, &v, &to);
    }

    if (rc != PH_OK || to.len == 0
        || (MAPI_TYPE(v.v[R_SUPPRESS].tag) == PT_LONG
            && (v.v[R_SUPPRESS].u.i4 & EX_SUPPRESS_RECEIPT)))
    {
        return rc;
    }

    memset(&original, 0, sizeof(original));
    original.props = v;
    a->message = &original;

    memset(&s, 0, sizeof(s));
    s.null_sender = true;

    rc = receipt_make(a, &v, &s.m.props);
    if (rc == PH_OK) {
        rc = ex_value_recipient(rop->pool, &s.m, 1,
                                receipt_text(&v, R_FROM_NAME), to);
    }

    return rc == PH_OK ? ex_arrival_send(a, &s) : rc;
}


ph_int_t
ex_receipts_send(ex_rop_t *rop, uint32_t n, const uint64_t *mids)
{
    uint32_t       i;
    ph_int_t       rc;
    ex_arrival_t   a;

    /* reports are the owner's; public folders have none */
    if (n == 0 || rop->logon->is_public || !ex_rop_is_owner(rop)) {
        return PH_OK;
    }

    memset(&a, 0, sizeof(a));
    a.ex = rop->ex;
    a.mb = rop->logon->mailbox;
    a.conn = rop->conn;
    a.pool = rop->pool;
    a.now = ph_now_filetime();

    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < ph_min(n, (uint32_t) EX_RECEIPTS_MAX);
         i++)
    {
        rc = receipt_send(rop, &a, mids[i]);
    }

    if (rc == PH_OK && a.sent > 0
        && !ex_action_add(rop->session, EX_ACT_SUBMIT, rop->logon->mailbox))
    {
        rc = PH_NOMEM;
    }

    return rc;
}
