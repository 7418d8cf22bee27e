/* OP_FORWARD, OP_DELEGATE, OP_BOUNCE (MS-OXORULE 2.2.5.1.2): what goes to
 * somebody else. */

#include "ex_rule_run.h"
#include "convert/conv_write.h"
#include "mapi/mapi_tags.h"

#define EX_TEXT_MESSAGE_MAX  1000    /* bytes of a text message */


/* What a copy for others does not keep. */
static const uint32_t  ex_forward_drops[] = {
    PR_TRANSPORT_MESSAGE_HEADERS, PR_MESSAGE_DELIVERY_TIME,
    PR_CLIENT_SUBMIT_TIME, PR_MESSAGE_TO_ME, PR_MESSAGE_CC_ME,
    PR_MESSAGE_RECIP_ME, PR_READ_RECEIPT_REQUESTED,
    PR_NON_RECEIPT_NOTIFICATION_REQUESTED,
    PR_ORIGINATOR_DELIVERY_REPORT_REQUESTED, PR_MESSAGE_FLAGS,
    PR_RULE_IDS, PR_HAS_DAMS
};

/* and what a message that comes from the owner does not keep beyond that */
static const uint32_t  ex_forward_own_drops[] = {
    PR_INTERNET_MESSAGE_ID, PR_REPLY_RECIPIENT_ENTRIES,
    PR_REPLY_RECIPIENT_NAMES, PR_SEARCH_KEY
};


static bool
ex_forward_type_ok(uint16_t type)
{
    return type != PT_SRESTRICTION && type != PT_ACTIONS && type != PT_ERROR
           && type != PT_OBJECT && type != PT_UNSPECIFIED && type != PT_NULL;
}


/* The owner himself, or who sent the message: they have it. */
static bool
ex_forward_is_moot(const ex_arrival_t *a, const mapi_values_t *props)
{
    size_t               i;
    ph_str_t             s;
    const dir_entry_t   *owner = &a->mb->facts->entry;

    static const uint32_t  tags[] = { PR_SMTP_ADDRESS, PR_EMAIL_ADDRESS };

    for (i = 0; i < ph_nelts(tags); i++) {
        s = ex_value_text(props, tags[i]);
        if (s.len != 0 && (ph_str_ieq(s, owner->address)
                           || ph_str_ieq(s, owner->legacy_dn)
                           || ph_str_ieq(s, a->sender)))
        {
            return true;
        }
    }

    return false;
}


/* The recipients of the action, but those who have it. */
static ph_int_t
ex_forward_recipients(ex_arrival_t *a, const mapi_action_t *action,
    mapi_message_t *m)
{
    uint32_t              i, k;
    ph_int_t              rc;
    mapi_values_t        *to;
    const mapi_values_t  *from;

    m->n_recipients = 0;
    if (action->u.forward.n > EX_MAX_FORWARDS) {
        return PH_TOOBIG;
    }

    m->recipients = ph_pcalloc_array(a->pool, action->u.forward.n,
                                     sizeof(mapi_recipient_t));
    if (m->recipients == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < action->u.forward.n; i++) {
        from = &action->u.forward.v[i].props;
        if (ex_forward_is_moot(a, from)) {
            continue;
        }

        to = &m->recipients[m->n_recipients].props;
        to->v = ph_pcalloc_array(a->pool, from->n, sizeof(mapi_value_t));
        if (to->v == NULL) {
            return PH_NOMEM;
        }

        for (k = 0; k < from->n; k++) {
            if (ex_forward_type_ok(MAPI_TYPE(from->v[k].tag))
                && MAPI_ID(from->v[k].tag) < 0x8000)
            {
                to->v[to->n++] = from->v[k];
            }
        }

        rc = ex_value_i4(a->pool, to, PR_RECIPIENT_TYPE, 1);
        if (rc != PH_OK) {
            return rc;
        }

        m->recipients[m->n_recipients].row_id = m->n_recipients;
        m->n_recipients++;
    }

    return PH_OK;
}


/* ---- as it is ---- */

/* The bytes as received, with the trace in front; without Return-Path. */
static ph_int_t
ex_redirect_raw(ex_arrival_t *a, ph_str_t *raw_r)
{
    ph_str_t        raw = a->raw;
    ph_wbuf_t       b;
    const uint8_t  *lf;

    if (raw.len > 12 && ph_str_ieq_c((ph_str_t) { 12, raw.data },
                                     "Return-Path:"))
    {
        lf = memchr(raw.data, '\n', raw.len);
        if (lf != NULL) {
            raw.len -= (size_t) (lf + 1 - raw.data);
            raw.data = lf + 1;
        }
    }

    ph_wbuf_init(&b, a->pool, raw.len + a->trace.len + 128);
    conv_write_plain(&b, EX_LOOP_FIELD, a->trace);
    ph_put_str(&b, raw);
    if (b.error) {
        return PH_NOMEM;
    }

    *raw_r = ph_wbuf_str(&b);

    return PH_OK;
}


/* The sender stays; DKIM signatures too, because no byte changes. */
static ph_int_t
ex_forward_redirect(ex_arrival_t *a, const mapi_action_t *action, ex_send_t *s)
{
    ph_int_t  rc;

    s->m = *a->message;
    rc = ex_value_drop(a->pool, &s->m.props, ex_forward_drops,
                       ph_nelts(ex_forward_drops));
    if (rc == PH_OK) {
        rc = ex_value_field(a->pool, &s->m, EX_LOOP_FIELD, a->trace);
    }
    if (rc == PH_OK && action->type == OP_DELEGATE) {
        rc = ex_value_bool(a->pool, &s->m.props, PR_DELEGATED_BY_RULE, true);
    }
    if (rc == PH_OK && a->raw.len != 0) {
        rc = ex_redirect_raw(a, &s->raw);
    }

    return rc;
}


/* ---- as a message of the owner ---- */

static ph_int_t
ex_forward_subject(ex_arrival_t *a, mapi_values_t *props)
{
    char      *s;
    ph_str_t   subject;

    static const uint32_t  parts[] = {
        PR_SUBJECT, PR_SUBJECT_PREFIX, PR_NORMALIZED_SUBJECT
    };

    subject = ex_arrival_subject(a);
    s = subject.data == NULL ? NULL
        : ph_psprintf(a->pool, "FW: %.*s", PH_STR_ARG(subject));
    if (s == NULL
        || ex_value_drop(a->pool, props, parts, ph_nelts(parts)) != PH_OK)
    {
        return PH_NOMEM;
    }

    return ex_value_str(a->pool, props, PR_SUBJECT, ph_str_c(s));
}


static ph_int_t
ex_forward_attached(ex_arrival_t *a, mapi_message_t *m)
{
    ph_int_t            rc;
    ph_str_t            subject;
    mapi_message_t     *inner;
    mapi_attachment_t  *att;

    inner = ph_palloc(a->pool, sizeof(mapi_message_t));
    att = ph_pcalloc(a->pool, sizeof(mapi_attachment_t));
    if (inner == NULL || att == NULL) {
        return PH_NOMEM;
    }

    *inner = *a->message;
    memset(&inner->names, 0, sizeof(inner->names));

    memset(m, 0, sizeof(*m));
    m->names = a->message->names;
    m->n_attachments = 1;
    m->attachments = att;
    att->embedded = inner;

    subject = ex_arrival_subject(a);
    rc = ex_value_i4(a->pool, &att->props, PR_ATTACH_METHOD, 5);
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &att->props, PR_DISPLAY_NAME, subject);
    }
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &m->props, PR_MESSAGE_CLASS,
                          ph_str_lit("IPM.Note"));
    }

    return rc;
}


/* The text alone, short. */
static ph_int_t
ex_forward_text(ex_arrival_t *a, mapi_message_t *m)
{
    ph_int_t  rc;
    ph_str_t  body = ex_value_text(&a->message->props, PR_BODY);

    memset(m, 0, sizeof(*m));
    body.len = ph_utf8_cut(body, EX_TEXT_MESSAGE_MAX);

    rc = ex_value_str(a->pool, &m->props, PR_MESSAGE_CLASS,
                      ph_str_lit("IPM.Note"));
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &m->props, PR_BODY, body);
    }

    return rc;
}


static ph_int_t
ex_forward_own(ex_arrival_t *a, const mapi_action_t *action, ex_send_t *s)
{
    ph_int_t         rc;
    mapi_values_t   *props = &s->m.props;

    if (action->flavor & EX_FORWARD_AT) {
        rc = ex_forward_attached(a, &s->m);

    } else if (action->flavor & EX_FORWARD_TM) {
        rc = ex_forward_text(a, &s->m);

    } else {
        s->m = *a->message;
        rc = ex_value_drop(a->pool, props, ex_forward_drops,
                           ph_nelts(ex_forward_drops));
        if (rc == PH_OK) {
            rc = ex_value_drop(a->pool, props, ex_forward_own_drops,
                               ph_nelts(ex_forward_own_drops));
        }
    }

    if (rc == PH_OK) {
        rc = ex_forward_subject(a, props);
    }
    if (rc == PH_OK) {
        rc = ex_value_from_owner(a, props);
    }
    if (rc == PH_OK) {
        rc = ex_value_thread(a, props);
    }
    if (rc == PH_OK) {
        rc = ex_value_bool(a->pool, props, PR_AUTO_FORWARDED, true);
    }
    if (rc == PH_OK) {
        rc = ex_value_field(a->pool, &s->m, EX_LOOP_FIELD, a->trace);
    }

    return rc;
}


ph_int_t
ex_rule_forward(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action)
{
    ph_int_t       rc;
    ex_send_t      s;
    mapi_message_t list;
    ex_arrival_t  *a = run->a;

    if (a->looped || a->hops >= EX_MAX_HOPS) {
        ph_log(a->ex->log, PH_LOG_WARN, PH4043,
               "mailbox=%s rule=%" PRIx64 " hops=%u trace=%s",
               ph_log_str(a->mb->facts->entry.address), rule->id, a->hops,
               ph_log_str(a->trace));
        return PH_OK;
    }

    run->error = EX_RULE_ERR_RECIPIENTS;
    memset(&list, 0, sizeof(list));
    rc = ex_forward_recipients(a, action, &list);
    if (rc != PH_OK || list.n_recipients == 0) {
        return rc;
    }

    run->error = EX_RULE_ERR_EXECUTION;
    memset(&s, 0, sizeof(s));
    rc = (action->type == OP_DELEGATE || (action->flavor & EX_FORWARD_PR))
         ? ex_forward_redirect(a, action, &s) : ex_forward_own(a, action, &s);
    if (rc != PH_OK) {
        return rc;
    }

    s.m.n_recipients = list.n_recipients;
    s.m.recipients = list.recipients;

    /* a report about it must not cause another one */
    s.null_sender = a->sender.len == 0;

    return ex_arrival_send(a, &s);
}


/* ---- refusal ---- */

ph_int_t
ex_rule_bounce(ex_run_t *run, const mapi_action_t *action)
{
    char           date[40], hex[33];
    uint8_t        rnd[16];
    ph_int_t       rc;
    ph_str_t       id;
    ph_wbuf_t      b;
    ex_send_t      s;
    const char    *status, *text;
    ex_arrival_t  *a = run->a;

    const dir_entry_t  *owner = &a->mb->facts->entry;

    if (a->automatic) {
        return PH_OK;
    }

    switch (action->u.bounce_code) {
    case EX_BOUNCE_TOO_LARGE:
        status = "5.2.3";
        text = "The message is too large for the recipient";
        break;
    case EX_BOUNCE_FORM:
        status = "5.6.0";
        text = "The message has a form that the recipient cannot show";
        break;
    default:
        status = "5.7.1";
        text = "The recipient does not accept messages from you";
    }

    memset(&s, 0, sizeof(s));
    s.null_sender = true;
    ph_random(rnd, sizeof(rnd));
    ph_hex_encode(hex, rnd, sizeof(rnd));
    conv_date_text(a->now, date, sizeof(date));
    id = ex_value_text(&a->message->props, PR_INTERNET_MESSAGE_ID);
    id.len = id.len < 900 && ex_is_printable(id) ? id.len : 0;

    ph_wbuf_init(&b, a->pool, 32768);
    ph_put_fmt(&b, "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\n"
               "To: <%.*s>\r\nSubject: Undeliverable: message refused\r\n"
               "Date: %s\r\nMessage-ID: <%s@%.*s>\r\n"
               "Auto-Submitted: auto-replied\r\n",
               PH_STR_ARG(owner->domain), PH_STR_ARG(a->sender), date, hex,
               PH_STR_ARG(owner->domain));
    if (id.len != 0) {
        ph_put_fmt(&b, "In-Reply-To: %.*s\r\n", PH_STR_ARG(id));
    }

    ph_put_fmt(&b, "MIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; "
               "report-type=delivery-status;\r\n\tboundary=\"=_%s\"\r\n\r\n"
               "--=_%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: 8bit\r\n\r\n"
               "%s:\r\n\r\n    %.*s\r\n\r\n"
               "--=_%s\r\nContent-Type: message/delivery-status\r\n\r\n"
               "Reporting-MTA: dns; %.*s\r\n\r\n"
               "Final-Recipient: rfc822; %.*s\r\nAction: failed\r\n"
               "Status: %s\r\n\r\n--=_%s--\r\n",
               hex, hex, text, PH_STR_ARG(owner->address), hex,
               PH_STR_ARG(owner->domain), PH_STR_ARG(owner->address), status,
               hex);
    if (b.error) {
        return PH_NOMEM;
    }

    s.raw = ph_wbuf_str(&b);
    rc = ex_value_str(a->pool, &s.m.props, PR_MESSAGE_CLASS,
                      ph_str_lit("REPORT.IPM.Note.NDR"));
    if (rc == PH_OK) {
        rc = ex_value_recipient(a->pool, &s.m, 1, ph_str_null, a->sender);
    }
    if (rc == PH_OK) {
        rc = ex_arrival_send(a, &s);
    }

    return rc;
}
