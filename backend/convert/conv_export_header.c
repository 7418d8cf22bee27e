/* Properties to header fields (MS-OXCMAIL 2.1.3). */

#include "conv_export.h"
#include "lib/ph_str.h"

#include <stdio.h>


/* "IMCEAEX-..." keeps an address that is none in the Internet (MS-OXCMAIL) */
static ph_str_t
conv_imcea(conv_export_t *x, ph_str_t type, ph_str_t address)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, x->pool, 8192);
    ph_put_bytes(&b, "IMCEA", 5);
    ph_put_str(&b, type);
    ph_put_u8(&b, '-');

    for (size_t i = 0; i < address.len; i++) {
        uint8_t  c = address.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '-')
        {
            ph_put_u8(&b, c);
        } else if (c == '/') {
            ph_put_u8(&b, '_');
        } else {
            ph_put_fmt(&b, "+%02X", c);
        }
    }

    ph_put_u8(&b, '@');
    ph_put_str(&b, x->opts->domain);
    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


/* SMTP address and name behind the tags of a role; empty address: none */
static ph_str_t
conv_role_address(conv_export_t *x, const mapi_values_t *v,
    const conv_role_t *role, ph_str_t *name_r)
{
    ph_str_t             smtp, type, email, name, id_name;
    const mapi_value_t  *id;

    *name_r = conv_get_str(v, role->name);
    smtp = conv_get_str(v, role->smtp);
    if (smtp.len != 0) {
        return smtp;
    }

    type = conv_get_str(v, role->addrtype);
    email = conv_get_str(v, role->email);

    if (email.len != 0 && (ph_str_ieq_c(type, "SMTP")
                           || (type.len == 0
                               && memchr(email.data, '@', email.len))))
    {
        return email;
    }

    id = mapi_find(v, role->entryid);
    if (id != NULL
        && conv_oneoff_read(x->pool, id->u.bin, &id_name, &type, &name)
           == PH_OK && ph_str_ieq_c(type, "SMTP") && name.len != 0)
    {
        *name_r = name_r->len ? *name_r : id_name;
        return name;
    }

    if (email.len != 0 && type.len != 0 && type.len < 20) {
        return conv_imcea(x, type, email);
    }

    return ph_str_null;
}


static bool
conv_put_address(conv_export_t *x, const char *field, const mapi_values_t *v,
    const conv_role_t *role)
{
    size_t    column = strlen(field) + 2;
    ph_str_t  name, address = conv_role_address(x, v, role, &name);

    if (address.len == 0) {
        return false;
    }

    ph_put_fmt(&x->out, "%s: ", field);
    conv_write_address(&x->out, name, address, &column);
    ph_put_bytes(&x->out, "\r\n", 2);
    return true;
}


static void
conv_put_from(conv_export_t *x, const mapi_values_t *v)
{
    ph_str_t  name, sender, from;

    sender = conv_role_address(x, v, &conv_role_sender, &name);
    from = conv_role_address(x, v, &conv_role_representing, &name);

    if (from.len == 0) {
        (void) conv_put_address(x, "From", v, &conv_role_sender);
        return;
    }

    (void) conv_put_address(x, "From", v, &conv_role_representing);
    if (sender.len != 0 && !ph_str_ieq(sender, from)) {
        (void) conv_put_address(x, "Sender", v, &conv_role_sender);
    }
}


static void
conv_put_recipients(conv_export_t *x, const mapi_message_t *msg, int32_t type,
    const char *field)
{
    bool      first = true;
    size_t    column = strlen(field) + 2;
    ph_str_t  name, address;

    static const conv_role_t  role = {
        PR_DISPLAY_NAME, PR_ADDRTYPE, PR_EMAIL_ADDRESS, PR_SMTP_ADDRESS,
        PR_SEARCH_KEY, PR_ENTRYID
    };

    for (uint32_t i = 0; i < msg->n_recipients; i++) {
        const mapi_values_t  *v = &msg->recipients[i].props;

        if ((conv_get_i4(v, PR_RECIPIENT_TYPE, 1) & 0x0F) != type) {
            continue;
        }

        address = conv_role_address(x, v, &role, &name);
        if (address.len == 0) {
            continue;
        }

        if (first) {
            ph_put_fmt(&x->out, "%s: ", field);
        } else {
            ph_put_bytes(&x->out, ", ", 2);
            column += 2;
        }
        conv_write_address(&x->out, name, address, &column);
        first = false;
    }

    if (!first) {
        ph_put_bytes(&x->out, "\r\n", 2);
    }
}


/* FlatEntryList of one-offs */
static void
conv_put_reply_to(conv_export_t *x, const mapi_values_t *v)
{
    bool                 first = true;
    size_t               column = 10;
    uint32_t             n, size;
    ph_cur_t             cur;
    ph_str_t             id, name, type, address;
    const mapi_value_t  *list = mapi_find(v, PR_REPLY_RECIPIENT_ENTRIES);

    if (list == NULL) {
        return;
    }

    ph_cur_init(&cur, list->u.bin.data, list->u.bin.len);
    n = ph_cur_u32(&cur);
    (void) ph_cur_u32(&cur);

    for (uint32_t i = 0; i < n && ph_cur_left(&cur) >= 4; i++) {
        size = ph_cur_u32(&cur);
        id = ph_cur_bytes(&cur, size);
        (void) ph_cur_bytes(&cur, ph_min((size_t) (4 - size % 4) % 4,
                                         ph_cur_left(&cur)));
        if (cur.error
            || conv_oneoff_read(x->pool, id, &name, &type, &address) != PH_OK
            || !ph_str_ieq_c(type, "SMTP") || address.len == 0)
        {
            continue;
        }

        ph_put_bytes(&x->out, first ? "Reply-To: " : ", ", first ? 10 : 2);
        conv_write_address(&x->out, name, address, &column);
        first = false;
    }

    if (!first) {
        ph_put_bytes(&x->out, "\r\n", 2);
    }
}


static void
conv_put_date(conv_export_t *x, const mapi_values_t *v, uint32_t tag,
    const char *field, uint64_t absent)
{
    char                 buf[40];
    const mapi_value_t  *p = mapi_find(v, tag);

    if (p != NULL || absent != 0) {
        conv_date_text(p ? p->u.time : absent, buf, sizeof(buf));
        ph_put_fmt(&x->out, "%s: %s\r\n", field, buf);
    }
}


static void
conv_put_subject_field(conv_export_t *x, const mapi_values_t *v)
{
    ph_str_t   subject = conv_get_str(v, PR_SUBJECT);
    ph_str_t   prefix = conv_get_str(v, PR_SUBJECT_PREFIX);
    ph_str_t   normal = conv_get_str(v, PR_NORMALIZED_SUBJECT);
    ph_wbuf_t  b;

    if (subject.len == 0 && (prefix.len != 0 || normal.len != 0)) {
        ph_wbuf_init(&b, x->pool, 2 * (size_t) CONV_MAX_FIELD);
        ph_put_str(&b, prefix);
        ph_put_str(&b, normal);
        subject = ph_wbuf_str(&b);
        x->out.error |= b.error;
    }

    /* 0x01 and a length mark the prefix in older clients */
    if (subject.len >= 2 && subject.data[0] == 1) {
        subject.data += 2;
        subject.len -= 2;
    }

    conv_write_text(&x->out, "Subject", subject);
}


static void
conv_put_message_id(conv_export_t *x, const mapi_values_t *v)
{
    ph_str_t  id = conv_get_str(v, PR_INTERNET_MESSAGE_ID);
    uint8_t   c;

    if (id.len != 0) {
        conv_write_plain(&x->out, "Message-ID", id);
        return;
    }

    if (x->opts->id.len == 0 || x->embed != 0) {
        return;
    }

    ph_put_bytes(&x->out, "Message-ID: <", 13);
    for (size_t i = 0; i < x->opts->id.len; i++) {
        c = x->opts->id.data[i];
        ph_put_fmt(&x->out, "%02x", c);
    }
    ph_put_fmt(&x->out, "@%.*s>\r\n", PH_STR_ARG(x->opts->domain));
}


static void
conv_put_plain(conv_export_t *x, const mapi_values_t *v, uint32_t tag,
    const char *field)
{
    ph_str_t  s = conv_get_str(v, tag);

    if (s.len != 0) {
        conv_write_plain(&x->out, field, s);
    }
}


static void
conv_put_thread(conv_export_t *x, const mapi_values_t *v)
{
    ph_str_t             s;
    const mapi_value_t  *index;

    s = conv_get_str(v, PR_CONVERSATION_TOPIC);
    if (s.len != 0) {
        conv_write_text(&x->out, "Thread-Topic", s);
    }

    index = mapi_find(v, PR_CONVERSATION_INDEX);
    if (index != NULL && index->u.bin.len >= 22 && index->u.bin.len < 600
        && ph_base64_encode(x->pool, index->u.bin, &s) == PH_OK)
    {
        ph_put_fmt(&x->out, "Thread-Index: %.*s\r\n", PH_STR_ARG(s));
    }
}


static void
conv_put_flags(conv_export_t *x, const mapi_values_t *v)
{
    int32_t     n;
    bool        first = true;
    ph_wbuf_t  *b = &x->out;
    ph_str_t    class;

    static const char *const  sensitivity[] = {
        "Normal", "Personal", "Private", "Company-Confidential"
    };
    static const char *const  suppress[] = {
        "DR", "NDR", "RN", "NRN", "OOF", "AutoReply"
    };

    n = conv_get_i4(v, PR_IMPORTANCE, 1);
    if (n == 0 || n == 2) {
        ph_put_fmt(b, "Importance: %s\r\nX-Priority: %d\r\n",
                   n ? "High" : "Low", n ? 1 : 5);
    }

    n = conv_get_i4(v, PR_SENSITIVITY, 0);
    if (n > 0 && n < 4) {
        ph_put_fmt(b, "Sensitivity: %s\r\n", sensitivity[n]);
    }

    if (conv_get_bool(v, PR_READ_RECEIPT_REQUESTED)) {
        if (!conv_put_address(x, "Disposition-Notification-To", v,
                              &conv_role_receipt)
            && !conv_put_address(x, "Disposition-Notification-To", v,
                                 &conv_role_sender))
        {
            (void) conv_put_address(x, "Disposition-Notification-To", v,
                                    &conv_role_representing);
        }
    }

    if (conv_get_bool(v, PR_ORIGINATOR_DELIVERY_REPORT_REQUESTED)) {
        (void) conv_put_address(x, "Return-Receipt-To", v, &conv_role_sender);
    }

    n = conv_get_i4(v, PR_AUTO_RESPONSE_SUPPRESS, 0);
    if (n == -1) {
        ph_put_fmt(b, "X-Auto-Response-Suppress: All\r\n");
    } else if ((n & 0x3F) != 0) {
        ph_put_fmt(b, "X-Auto-Response-Suppress: ");
        for (int i = 0; i < 6; i++) {
            if (n & 1 << i) {
                ph_put_fmt(b, "%s%s", first ? "" : ", ", suppress[i]);
                first = false;
            }
        }
        ph_put_bytes(b, "\r\n", 2);
    }

    class = conv_get_str(v, PR_MESSAGE_CLASS);
    if (class.len > 7 && memcmp(class.data, "REPORT.", 7) == 0) {
        ph_put_fmt(b, "Auto-Submitted: auto-generated\r\n");

    } else if (class.len > 15
               && ph_str_ieq_c((ph_str_t) { 15, class.data },
                               "IPM.Note.Rules."))
    {
        ph_put_fmt(b, "Auto-Submitted: auto-replied\r\n");
    }
}


static void
conv_put_keywords(conv_export_t *x, const mapi_values_t *v)
{
    ph_wbuf_t  b;

    for (uint32_t i = 0; i < x->names->n; i++) {
        const mapi_propname_t  *name = &x->names->v[i].name;
        const mapi_value_t     *p;

        if (name->kind != 1 || !ph_str_eq_c(name->name, "Keywords")
            || memcmp(&name->guid, &conv_ps_public_strings, 16) != 0)
        {
            continue;
        }

        p = mapi_find(v, MAPI_TAG(x->names->v[i].id, PT_MV_UNICODE));
        if (p == NULL || p->u.mv.n == 0) {
            continue;
        }

        ph_wbuf_init(&b, x->pool, CONV_MAX_FIELD);
        for (uint32_t k = 0; k < p->u.mv.n; k++) {
            ph_put_bytes(&b, ", ", k ? 2 : 0);
            ph_put_str(&b, p->u.mv.str[k]);
        }
        x->out.error |= b.error;
        conv_write_text(&x->out, "Keywords", ph_wbuf_str(&b));
    }
}


/* which of PS_INTERNET_HEADERS a client may not set by itself */
static bool
conv_is_reserved(ph_str_t name)
{
    static const char *const  reserved[] = {
        "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date",
        "message-id", "in-reply-to", "references", "thread-topic",
        "thread-index", "importance", "x-priority", "sensitivity",
        "mime-version", "received", "return-path", "delivered-to",
        "dkim-signature", "authentication-results", "keywords",
        "auto-submitted", "x-auto-response-suppress", "x-ms-has-attach",
        "disposition-notification-to", "return-receipt-to"
    };

    for (size_t i = 0; i < ph_nelts(reserved); i++) {
        if (ph_str_ieq_c(name, reserved[i])) {
            return true;
        }
    }

    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] <= 32 || name.data[i] > 126 || name.data[i] == ':') {
            return true;
        }
    }

    return name.len == 0 || name.len > 100
           || (name.len > 8 && ph_str_ieq_c((ph_str_t) { 8, name.data },
                                            "content-"))
           || (name.len > 7 && ph_str_ieq_c((ph_str_t) { 7, name.data },
                                            "resent-"))
           || (name.len > 4 && ph_str_ieq_c((ph_str_t) { 4, name.data },
                                            "arc-"))
           || (name.len > 27 && ph_str_ieq_c((ph_str_t) { 27, name.data },
                                             "x-ms-exchange-organization-"));
}


static void
conv_put_others(conv_export_t *x, const mapi_values_t *v)
{
    char                 field[104];
    const mapi_value_t  *p;

    for (uint32_t i = 0; i < x->names->n; i++) {
        const mapi_named_t  *named = &x->names->v[i];

        if (named->name.kind != 1
            || memcmp(&named->name.guid, &conv_ps_internet_headers, 16) != 0
            || conv_is_reserved(named->name.name))
        {
            continue;
        }

        p = mapi_find(v, MAPI_TAG(named->id, PT_UNICODE));
        if (p == NULL || p->u.str.len == 0
            || p->u.str.len > CONV_MAX_X_HEADER)
        {
            continue;
        }

        (void) snprintf(field, sizeof(field), "%.*s",
                        PH_STR_ARG(named->name.name));
        conv_write_text(&x->out, field, p->u.str);
    }
}


void
conv_export_headers(conv_export_t *x, const mapi_message_t *msg)
{
    const mapi_values_t  *v = &msg->props;

    conv_put_from(x, v);
    conv_put_reply_to(x, v);
    conv_put_recipients(x, msg, 1, "To");
    conv_put_recipients(x, msg, 2, "Cc");
    if (x->opts->bcc) {
        conv_put_recipients(x, msg, 3, "Bcc");
    }
    conv_put_subject_field(x, v);
    conv_put_date(x, v, PR_CLIENT_SUBMIT_TIME, "Date",
                  x->opts->now ? x->opts->now : 116444736000000000ull);
    conv_put_message_id(x, v);
    conv_put_plain(x, v, PR_IN_REPLY_TO_ID, "In-Reply-To");
    conv_put_plain(x, v, PR_INTERNET_REFERENCES, "References");
    conv_put_thread(x, v);
    conv_put_flags(x, v);
    conv_put_keywords(x, v);
    conv_put_date(x, v, PR_REPLY_TIME, "Reply-By", 0);
    conv_put_date(x, v, PR_EXPIRY_TIME, "Expires", 0);
    conv_put_plain(x, v, PR_LIST_HELP, "List-Help");
    conv_put_plain(x, v, PR_LIST_SUBSCRIBE, "List-Subscribe");
    conv_put_plain(x, v, PR_LIST_UNSUBSCRIBE, "List-Unsubscribe");
    conv_put_plain(x, v, PR_INTERNET_PRECEDENCE, "Precedence");
    conv_put_others(x, v);
}
