/*
 * Reports: delivery status (RFC 3464) and disposition notifications (RFC 8098)
 * get the class by which MAPI clients know them (MS-OXCMAIL 2.2.3.6).
 */

#include "conv_import.h"
#include "lib/ph_str.h"

#define CONV_MAX_STATUS  (256 << 10)

typedef struct {
    const char  *action;
    const char  *class;
    bool         failure;
} conv_action_t;

/* in the order of their rank; the worst one decides */
static const conv_action_t  conv_actions[] = {
    { "delivered", "REPORT.IPM.Note.DR", false },
    { "expanded", "REPORT.IPM.Note.Expanded.DR", false },
    { "relayed", "REPORT.IPM.Note.Relayed.DR", false },
    { "delayed", "REPORT.IPM.Note.Delayed.DR", true },
    { "failed", "REPORT.IPM.Note.NDR", true },
};


/* "name: value" at the start of a line of text; empty when it is another */
static ph_str_t
conv_status_field(ph_str_t line, const char *name)
{
    size_t  n = strlen(name);

    if (line.len <= n || line.data[n] != ':'
        || !ph_str_ieq_c((ph_str_t) { n, line.data }, name))
    {
        return ph_str_null;
    }

    return ph_str_trim((ph_str_t) { line.len - n - 1, line.data + n + 1 });
}


static bool
conv_next_line(ph_str_t *rest, ph_str_t *line_r)
{
    const uint8_t  *lf;

    if (rest->len == 0) {
        return false;
    }

    lf = memchr(rest->data, '\n', rest->len);
    line_r->data = rest->data;
    line_r->len = lf ? (size_t) (lf - rest->data) : rest->len;
    rest->len -= lf ? line_r->len + 1 : rest->len;
    rest->data += lf ? line_r->len + 1 : line_r->len;
    return true;
}


/* ---- delivery status ---- */

/* what a block of fields says; of the message, or of one recipient */
typedef struct {
    int       action;            /* index into conv_actions; -1: none */
    ph_str_t  final;             /* "rfc822;" and so on still in front */
    ph_str_t  original;
    ph_str_t  status;
    ph_str_t  diagnostic;
    ph_str_t  remote;
    ph_str_t  reporting;
    ph_str_t  name;              /* X-Display-Name */
    ph_str_t  info;              /* X-Supplementary-Info */
} conv_status_t;

/* (reason, diagnostic) of a status x.S.D (MS-OXCMAIL 2.2.3.6.1.4) */
typedef struct {
    uint8_t   subject;
    int8_t    detail;            /* -1: any other */
    int8_t    reason;
    int8_t    diagnostic;
} conv_ndr_t;

static const conv_ndr_t  conv_ndrs[] = {
    { 1, 1, 1, 35 }, { 1, 2, 0, 48 }, { 1, 3, 0, 32 }, { 1, 4, 0, 1 },
    { 1, 6, 0, 40 }, { 1, -1, 0, 0 },
    { 2, 2, 0, 13 }, { 2, 3, 0, 13 }, { 2, 4, 0, 30 }, { 2, -1, 0, 38 },
    { 3, 2, 0, -1 }, { 3, 3, 0, 18 }, { 3, 5, 0, 18 }, { 3, 4, 0, 13 },
    { 3, -1, 0, 38 },
    { 4, 0, 0, -1 }, { 4, 4, 0, -1 }, { 4, 3, 6, -1 }, { 4, 6, 0, 3 },
    { 4, 8, 0, 3 }, { 4, 7, 0, 5 }, { 4, -1, 0, 2 },
    { 5, 3, 0, 16 }, { 5, 4, 0, 11 }, { 5, -1, 0, 17 },
    { 6, 2, 0, 9 }, { 6, 3, 0, 8 }, { 6, 4, 0, 25 }, { 6, 5, 2, -1 },
    { 6, -1, 0, 15 },
    { 7, 1, 0, 29 }, { 7, 2, 0, 28 }, { 7, 3, 0, 26 }, { 7, -1, 0, 46 },
};


/* what stands behind "type;" */
static ph_str_t
conv_status_value(ph_str_t v)
{
    const uint8_t  *semi = v.len ? memchr(v.data, ';', v.len) : NULL;

    if (semi == NULL) {
        return v;
    }

    return ph_str_trim((ph_str_t) { (size_t) (v.data + v.len - semi - 1),
                                    semi + 1 });
}


/* the numbers of "5.1.1"; false when it is no status */
static bool
conv_status_code(ph_str_t v, unsigned code_r[3])
{
    size_t    i, n = 0;
    unsigned  c;

    for (i = 0; i < 3; i++) {
        if (i != 0 && (n == v.len || v.data[n++] != '.')) {
            return false;
        }
        if (n == v.len || v.data[n] < '0' || v.data[n] > '9') {
            return false;
        }
        for (c = 0; n < v.len && v.data[n] >= '0' && v.data[n] <= '9'
             && c < 1000; n++)
        {
            c = 10 * c + v.data[n] - '0';
        }
        code_r[i] = c;
    }

    return true;
}


static void
conv_status_take(conv_status_t *s, ph_str_t line)
{
    ph_str_t  v;

    v = conv_status_field(line, "Action");
    for (int i = 0; v.len != 0 && i < (int) ph_nelts(conv_actions); i++) {
        if (ph_str_ieq_c(v, conv_actions[i].action)) {
            s->action = i;
        }
    }

    const struct {
        const char  *name;
        ph_str_t    *to;
    } fields[] = {
        { "Final-Recipient", &s->final },
        { "Original-Recipient", &s->original },
        { "Status", &s->status },
        { "Diagnostic-Code", &s->diagnostic },
        { "Remote-MTA", &s->remote },
        { "Reporting-MTA", &s->reporting },
        { "X-Display-Name", &s->name },
        { "X-Supplementary-Info", &s->info },
    };

    for (size_t i = 0; i < ph_nelts(fields); i++) {
        v = conv_status_field(line, fields[i].name);
        if (v.len != 0 && fields[i].to->len == 0) {
            *fields[i].to = v;
        }
    }
}


/* The next block, unfolded; false behind the last one. */
static ph_int_t
conv_status_block(conv_msg_t *m, ph_str_t *rest, conv_status_t *s)
{
    bool       any = false;
    ph_int_t   rc;
    ph_str_t   line, field, next;

    memset(s, 0, sizeof(*s));
    s->action = -1;

    while (conv_next_line(rest, &line)) {
        if (ph_str_trim(line).len == 0) {
            if (any) {
                return PH_OK;
            }
            continue;
        }

        /* with the lines that continue it */
        field = line;
        while (rest->len != 0
               && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        {
            (void) conv_next_line(rest, &next);
            field.len = (size_t) (next.data + next.len - field.data);
        }

        rc = conv_unfold(m->pool, field, &field);
        if (rc != PH_OK) {
            return rc;
        }

        any = true;
        conv_status_take(s, ph_utf8_scrub(m->pool, field));
    }

    return any ? PH_OK : PH_DONE;
}


/* "<remote #5.1.1 what it said>", as other servers have it */
static ph_str_t
conv_status_info(conv_msg_t *m, const conv_status_t *s)
{
    ph_wbuf_t  b;

    if (s->info.len != 0) {
        return s->info;
    }

    ph_wbuf_init(&b, m->pool, CONV_MAX_STATUS);
    ph_put_u8(&b, '<');
    ph_put_str(&b, conv_status_value(s->remote));
    ph_put_fmt(&b, "%s#%.*s%s", s->remote.len ? " " : "",
               PH_STR_ARG(s->status), s->diagnostic.len ? " " : "");
    ph_put_str(&b, conv_status_value(s->diagnostic));
    ph_put_u8(&b, '>');

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


static ph_int_t
conv_status_recipient(conv_msg_t *m, const conv_status_t *s, uint64_t when)
{
    unsigned            code[3];
    ph_int_t            rc;
    ph_str_t            address;
    conv_props_t        p;
    const conv_ndr_t   *ndr;
    mapi_recipient_t   *to;

    address = conv_status_value(s->final.len ? s->final : s->original);
    if (address.len == 0) {
        return PH_OK;
    }

    rc = conv_import_recipient(m, 1, s->name, address);
    if (rc != PH_OK || m->msg->n_recipients == 0) {
        return rc;
    }

    to = &m->msg->recipients[m->msg->n_recipients - 1];

    conv_props_init(&p, m->pool);
    for (uint32_t i = 0; i < to->props.n; i++) {
        mapi_value_t  *v = conv_put(&p, to->props.v[i].tag);

        if (v == NULL) {
            return PH_NOMEM;
        }
        *v = to->props.v[i];
    }

    if (conv_status_code(s->status, code)) {
        code[1] = code[1] > 9 ? 0 : code[1];
        code[2] = code[2] > 9 ? 0 : code[2];
        conv_put_i4(&p, PR_NDR_STATUS_CODE,
                    (int32_t) (100 * code[0] + 10 * code[1] + code[2]));

        if (conv_actions[s->action].failure) {
            for (ndr = conv_ndrs; ndr < conv_ndrs + ph_nelts(conv_ndrs)
                 && (ndr->subject != code[1]
                     || (ndr->detail >= 0 && ndr->detail != (int) code[2]));
                 ndr++)
            {
                /* void */
            }

            if (ndr == conv_ndrs + ph_nelts(conv_ndrs)) {
                ndr = NULL;
            }
            conv_put_i4(&p, PR_NDR_REASON_CODE, ndr ? ndr->reason : 0);
            conv_put_i4(&p, PR_NDR_DIAG_CODE, ndr ? ndr->diagnostic : -1);
        }
    }

    if (conv_actions[s->action].failure || s->info.len != 0) {
        conv_put_str(&p, PR_SUPPLEMENTARY_INFO, conv_status_info(m, s));
    }
    if (s->remote.len != 0) {
        conv_put_str(&p, PR_DSN_REMOTE_MTA, conv_status_value(s->remote));
    }
    conv_put_time(&p, PR_REPORT_TIME, when);

    return conv_props_done(&p, &to->props);
}


/* what a receipt says of the message that it is about */
static ph_int_t
conv_report_original(conv_msg_t *m, const conv_part_t *report)
{
    uint64_t            t;
    ph_int_t            rc;
    ph_str_t            text, v;
    conv_part_t        *head;
    const conv_part_t  *part;

    for (part = report->next; part != NULL; part = part->next) {
        if (conv_part_is(part, "message", "rfc822")
            || conv_part_is(part, "message", "global")
            || conv_part_is(part, "message", "global-headers")
            || conv_part_is(part, "text", "rfc822-headers"))
        {
            break;
        }
    }

    if (part == NULL) {
        return PH_OK;
    }

    if (part->first != NULL) {
        head = part->first;
    } else {
        rc = conv_part_decode(m->pool, part, &text);
        if (rc == PH_OK) {
            text.len = ph_min(text.len, (size_t) CONV_MAX_STATUS);
            rc = conv_mime_parse(m->pool, text, &head);
        }
        if (rc != PH_OK) {
            return rc;
        }
    }

    v = conv_part_field(head, "Subject");
    if (conv_field_is(v)) {
        rc = conv_header_text(m->pool, v, m->charset, &v);
        if (rc != PH_OK) {
            return rc;
        }
        conv_put_str(&m->props, PR_ORIGINAL_SUBJECT, v);
    }

    v = conv_part_field(head, "Message-ID");
    if (conv_field_is(v)) {
        v = ph_utf8_scrub(m->pool, ph_str_trim(v));
        conv_put_str(&m->props, PidTagOriginalMessageId, v);
        conv_put_str(&m->props, PR_INTERNET_REFERENCES, v);
    }

    v = conv_part_field(head, "To");
    if (conv_field_is(v)) {
        rc = conv_header_text(m->pool, v, m->charset, &v);
        if (rc != PH_OK) {
            return rc;
        }
        conv_put_str(&m->props, PR_ORIGINAL_DISPLAY_TO, v);
    }

    if (conv_header_date(conv_part_field(head, "Date"), &t) == PH_OK) {
        conv_put_time(&m->props, PR_ORIGINAL_SUBMIT_TIME, t);
    }

    return PH_OK;
}


static ph_int_t
conv_put_delivery_status(conv_msg_t *m, const conv_part_t *part, ph_str_t text)
{
    int            worst = -1;
    uint32_t       n = 0, cap = 0;
    uint64_t       when;
    ph_int_t       rc;
    conv_status_t  one, *list = NULL, *grown;

    while ((rc = conv_status_block(m, &text, &one)) == PH_OK) {
        if (one.reporting.len != 0) {
            conv_put_str(&m->props, PidTagReportingMessageTransferAgent,
                         conv_status_value(one.reporting));
        }
        if (one.action < 0 || n == MAPI_MAX_RECIPIENTS) {
            continue;
        }

        worst = ph_max(worst, one.action);

        if (n == cap) {
            cap = cap ? 2 * cap : 4;
            grown = ph_prealloc(m->pool, list, n * sizeof(*list),
                                cap * sizeof(*list));
            if (grown == NULL) {
                return PH_NOMEM;
            }
            list = grown;
        }
        list[n++] = one;
    }

    if (rc != PH_DONE) {
        return rc;
    }
    if (worst < 0) {
        return PH_OK;
    }

    conv_put_str(&m->props, PR_MESSAGE_CLASS,
                 ph_str_c(conv_actions[worst].class));

    /* the recipients are those of the report, not its own */
    if (conv_header_date(conv_part_field(m->root, "Date"), &when) != PH_OK) {
        when = m->imp->opts->now;
    }
    m->msg->n_recipients = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (list[i].action == worst) {
            rc = conv_status_recipient(m, &list[i], when);
            if (rc != PH_OK) {
                return rc;
            }
        }
    }

    conv_put_time(&m->props, PR_REPORT_TIME, when);
    return conv_report_original(m, part);
}


static void
conv_put_disposition(conv_msg_t *m, ph_str_t text)
{
    bool      read = true;
    ph_str_t  line, v, type;

    while (conv_next_line(&text, &line)) {
        v = conv_status_field(line, "Disposition");
        if (v.len != 0) {
            const uint8_t  *semi = memchr(v.data, ';', v.len);

            semi = semi ? semi + 1 : v.data;
            type = ph_str_trim((ph_str_t) {
                (size_t) (v.data + v.len - semi), semi });
            read = !(ph_str_ieq_c(type, "deleted")
                     || ph_str_ieq_c(type, "denied")
                     || ph_str_ieq_c(type, "failed"));
        }

        v = conv_status_field(line, "Original-Message-ID");
        if (v.len != 0) {
            v = ph_utf8_scrub(m->pool, v);
            conv_put_str(&m->props, PR_INTERNET_REFERENCES, v);
        }
    }

    conv_put_str(&m->props, PR_MESSAGE_CLASS,
                 read ? ph_str_lit("REPORT.IPM.Note.IPNRN")
                      : ph_str_lit("REPORT.IPM.Note.IPNNRN"));
}


ph_int_t
conv_import_report(conv_msg_t *m)
{
    bool                delivery, disposition;
    ph_int_t            rc;
    ph_str_t            text;
    const conv_part_t  *part = m->root;

    if (conv_part_is(part, "multipart", "report")) {
        part = part->first;
        while (part != NULL && !conv_part_is(part, "message", NULL)) {
            part = part->next;
        }
    }

    if (part == NULL) {
        return PH_OK;
    }

    delivery = conv_part_is(part, "message", "delivery-status")
               || conv_part_is(part, "message", "global-delivery-status");
    disposition = conv_part_is(part, "message", "disposition-notification");

    if (!delivery && !disposition) {
        return PH_OK;
    }

    rc = conv_part_decode(m->pool, part, &text);
    if (rc != PH_OK) {
        return rc;
    }

    text.len = ph_min(text.len, (size_t) CONV_MAX_STATUS);

    if (delivery) {
        return conv_put_delivery_status(m, part, text);
    }

    conv_put_disposition(m, text);

    return PH_OK;
}
