/* Header fields to properties (MS-OXCMAIL 2.2.3). */

#include "conv_charset.h"
#include "conv_import.h"
#include "lib/ph_str.h"

typedef struct conv_rule_s  conv_rule_t;

struct conv_rule_s {
    const char  *name;
    ph_int_t   (*fn)(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value);
    uint32_t     tag;        /* for those that need one */
};


static ph_int_t
conv_h_text(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    ph_int_t  rc;
    ph_str_t  text;

    value.len = ph_min(value.len, (size_t) CONV_MAX_X_HEADER);
    rc = conv_header_text(m->pool, value, m->charset, &text);
    if (rc == PH_OK && text.len != 0
        && conv_props_find(&m->props, rule->tag) == NULL)
    {
        conv_put_str(&m->props, rule->tag, text);
    }

    return rc;
}


static ph_int_t
conv_h_date(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    uint64_t  time;

    if (conv_header_date(value, &time) == PH_OK) {
        conv_put_time(&m->props, rule->tag, time);
    }

    return PH_OK;
}


static ph_int_t
conv_h_subject(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    ph_int_t  rc;
    ph_str_t  text;

    (void) rule;

    value.len = ph_min(value.len, (size_t) CONV_MAX_SUBJECT);
    rc = conv_header_text(m->pool, value, m->charset, &text);
    if (rc == PH_OK) {
        conv_put_subject(&m->props, text);
    }

    return rc;
}


static ph_int_t
conv_h_address(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    size_t              n;
    ph_int_t            rc;
    conv_address_t     *list;
    const conv_role_t  *role = rule->tag == PR_SENDER_NAME
                               ? &conv_role_sender
                               : rule->tag == PR_READ_RECEIPT_NAME
                                 ? &conv_role_receipt
                                 : &conv_role_representing;

    rc = conv_header_addresses(m->pool, value, m->charset, 1, &list, &n);
    if (rc != PH_OK || n == 0
        || conv_props_find(&m->props, role->email) != NULL)
    {
        return rc;
    }

    conv_put_role(&m->props, role, list[0].name, list[0].address);

    if (role == &conv_role_receipt) {
        conv_put_bool(&m->props, PR_READ_RECEIPT_REQUESTED, true);
        conv_put_bool(&m->props, PR_NON_RECEIPT_NOTIFICATION_REQUESTED, true);
    }

    return PH_OK;
}


static ph_int_t
conv_h_receipt(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    (void) value;

    conv_put_bool(&m->props, rule->tag, true);
    return PH_OK;
}


static ph_int_t
conv_h_recipients(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    size_t           n;
    ph_int_t         rc;
    conv_address_t  *list;

    rc = conv_header_addresses(m->pool, value, m->charset,
                               MAPI_MAX_RECIPIENTS, &list, &n);

    for (size_t i = 0; rc == PH_OK && i < n; i++) {
        rc = conv_import_recipient(m, (int32_t) rule->tag, list[i].name,
                                   list[i].address);
    }

    return rc;
}


/* FlatEntryList of one-offs (MS-OXCDATA 2.3.3), and the names */
static ph_int_t
conv_h_reply_to(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    size_t           n;
    ph_int_t         rc;
    ph_str_t         id, name;
    ph_wbuf_t        ids, names;
    conv_address_t  *list;

    (void) rule;

    rc = conv_header_addresses(m->pool, value, m->charset, 128, &list, &n);
    if (rc != PH_OK || n == 0) {
        return rc;
    }

    ph_wbuf_init(&ids, m->pool, CONV_MAX_FIELD);
    ph_wbuf_init(&names, m->pool, CONV_MAX_FIELD);
    ph_put_u32(&ids, (uint32_t) n);
    ph_put_u32(&ids, 0);

    for (size_t i = 0; i < n; i++) {
        name = list[i].name.len ? list[i].name : list[i].address;
        id = conv_oneoff(m->pool, name, ph_str_lit("SMTP"), list[i].address);
        ph_put_u32(&ids, (uint32_t) id.len);
        ph_put_str(&ids, id);
        ph_put_fill(&ids, 0, (4 - id.len % 4) % 4);
        if (i != 0) {
            ph_put_bytes(&names, "; ", 2);
        }
        ph_put_str(&names, name);
    }

    if (ids.error || names.error) {
        return PH_NOMEM;
    }

    ph_poke_u32(&ids, 4, (uint32_t) ids.len - 8);
    conv_put_bin(&m->props, PR_REPLY_RECIPIENT_ENTRIES, ph_wbuf_str(&ids));
    conv_put_str(&m->props, PR_REPLY_RECIPIENT_NAMES, ph_wbuf_str(&names));
    return PH_OK;
}


static ph_int_t
conv_h_thread_index(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    size_t    n = 0;
    uint8_t  *clean;
    ph_str_t  index;

    value.len = ph_min(value.len, (size_t) CONV_MAX_PARAMS);
    clean = ph_palloc(m->pool, value.len);
    if (clean == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] > 32) {
            clean[n++] = value.data[i];
        }
    }

    if (ph_base64_decode(m->pool, (ph_str_t) { n, clean }, &index) == PH_OK
        && index.len >= 22 && (index.len - 22) % 5 == 0)
    {
        conv_put_bin(&m->props, rule->tag, index);
    }

    return PH_OK;
}


static ph_int_t
conv_h_importance(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    int32_t  v = 1;

    (void) rule;

    if (value.len == 0) {
        return PH_OK;
    }

    if (ph_str_ieq_c(value, "low") || ph_str_ieq_c(value, "non-urgent")
        || value.data[0] == '4' || value.data[0] == '5')
    {
        v = 0;

    } else if (ph_str_ieq_c(value, "high") || ph_str_ieq_c(value, "urgent")
               || value.data[0] == '1' || value.data[0] == '2')
    {
        v = 2;
    }

    /* the most explicit of several fields stands first in the table */
    if (conv_props_find(&m->props, PR_IMPORTANCE) == NULL) {
        conv_put_i4(&m->props, PR_IMPORTANCE, v);
        conv_put_i4(&m->props, PR_PRIORITY, v - 1);
    }

    return PH_OK;
}


static ph_int_t
conv_h_sensitivity(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    int32_t  v = ph_str_ieq_c(value, "personal") ? 1
                 : ph_str_ieq_c(value, "private") ? 2
                 : ph_str_ieq_c(value, "company-confidential") ? 3 : 0;

    conv_put_i4(&m->props, rule->tag, v);
    return PH_OK;
}


static ph_int_t
conv_h_keywords(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    uint32_t  n = 0;
    size_t    i, start = 0;
    ph_int_t  rc;
    ph_str_t  text, word, words[64];

    (void) rule;

    rc = conv_header_text(m->pool, value, m->charset, &text);
    if (rc != PH_OK) {
        return rc;
    }

    for (i = 0; i <= text.len && n < ph_nelts(words); i++) {
        if (i == text.len || text.data[i] == ',' || text.data[i] == ';') {
            word = ph_str_trim((ph_str_t) { i - start, text.data + start });
            if (word.len != 0) {
                words[n++] = word;
            }
            start = i + 1;
        }
    }

    if (n != 0) {
        conv_put_mv_str(&m->props,
            conv_name_tag(&m->imp->names, &conv_ps_public_strings, 0,
                          ph_str_lit("Keywords"), PT_MV_UNICODE), words, n);
    }

    return PH_OK;
}


/* a message flag of Outlook: the text of the flag (MS-OXCMAIL 2.2.3.2.6) */
static ph_int_t
conv_h_flag(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    ph_int_t       rc;
    ph_str_t       text;
    conv_names_t  *names = &m->imp->names;

    (void) rule;

    rc = conv_header_text(m->pool, value, m->charset, &text);
    if (rc != PH_OK || text.len == 0) {
        return rc;
    }

    conv_put_i4(&m->props, PR_FLAG_STATUS, 2);
    conv_put_i4(&m->props, PR_FOLLOWUP_ICON, 6);
    conv_put_i4(&m->props, PR_TODO_ITEM_FLAGS, 8);
    conv_put_str(&m->props, conv_name_tag(names, &conv_psetid_common, 0x8530,
                                          ph_str_null, PT_UNICODE), text);
    conv_put_i4(&m->props, conv_name_tag(names, &conv_psetid_task, 0x8101,
                                         ph_str_null, PT_LONG), 0);
    conv_put_r8(&m->props, conv_name_tag(names, &conv_psetid_task, 0x8102,
                                         ph_str_null, PT_DOUBLE), 0.0);
    conv_put_bool(&m->props, conv_name_tag(names, &conv_psetid_task, 0x811C,
                                           ph_str_null, PT_BOOLEAN), false);
    return PH_OK;
}


static ph_int_t
conv_h_suppress(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    int32_t  bits = 0;
    size_t   start = 0;
    static const char *const  words[] = {
        "DR", "NDR", "RN", "NRN", "OOF", "AutoReply"
    };

    for (size_t i = 0; i <= value.len; i++) {
        if (i < value.len && value.data[i] != ',' && value.data[i] != ';') {
            continue;
        }

        ph_str_t  w = ph_str_trim((ph_str_t) { i - start,
                                               value.data + start });

        start = i + 1;

        if (ph_str_ieq_c(w, "all")) {
            bits = -1;
        }
        for (size_t k = 0; k < ph_nelts(words); k++) {
            if (ph_str_ieq_c(w, words[k])) {
                bits |= 1 << k;
            }
        }
    }

    conv_put_i4(&m->props, rule->tag, bits);
    return PH_OK;
}


static ph_int_t
conv_h_auto(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    if (!ph_str_ieq_c(value, "no")
        && conv_props_find(&m->props, rule->tag) == NULL)
    {
        conv_put_i4(&m->props, rule->tag, 0x30);
    }

    return PH_OK;
}


static ph_int_t
conv_h_named(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    ph_int_t  rc;
    ph_str_t  text;

    value.len = ph_min(value.len, (size_t) CONV_MAX_X_HEADER);
    rc = conv_header_text(m->pool, value, m->charset, &text);
    if (rc == PH_OK && text.len != 0) {
        conv_put_str(&m->props,
            conv_name_tag(&m->imp->names, &conv_psetid_common, rule->tag,
                          ph_str_null, PT_UNICODE), text);
    }

    return rc;
}


/* the date of the topmost Received is what stands behind its last ";" */
static ph_int_t
conv_h_received(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    uint64_t        time;
    const uint8_t  *semi;

    if (conv_props_find(&m->props, rule->tag) != NULL || value.len == 0) {
        return PH_OK;
    }

    semi = memrchr(value.data, ';', value.len);
    if (semi != NULL) {
        semi++;
        value = (ph_str_t) { (size_t) (value.data + value.len - semi), semi };
        if (conv_header_date(value, &time) == PH_OK) {
            conv_put_time(&m->props, rule->tag, time);
        }
    }

    return PH_OK;
}


static ph_int_t
conv_h_cid(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    (void) value;

    if (m->root->cid.len != 0) {
        conv_put_str(&m->props, rule->tag, m->root->cid);
    }

    return PH_OK;
}


static ph_int_t
conv_h_ignore(conv_msg_t *m, const conv_rule_t *rule, ph_str_t value)
{
    (void) m;
    (void) rule;
    (void) value;
    return PH_OK;
}


/* In the order in which they are applied. */
static const conv_rule_t  conv_rules[] = {
    { "Subject", conv_h_subject, 0 },
    { "From", conv_h_address, PR_SENT_REPRESENTING_NAME },
    { "Sender", conv_h_address, PR_SENDER_NAME },
    { "Reply-To", conv_h_reply_to, 0 },
    { "To", conv_h_recipients, 1 },
    { "Cc", conv_h_recipients, 2 },
    { "Bcc", conv_h_recipients, 3 },
    { "Date", conv_h_date, PR_CLIENT_SUBMIT_TIME },
    { "Message-ID", conv_h_text, PR_INTERNET_MESSAGE_ID },
    { "References", conv_h_text, PR_INTERNET_REFERENCES },
    { "In-Reply-To", conv_h_text, PR_IN_REPLY_TO_ID },
    { "Thread-Topic", conv_h_text, PR_CONVERSATION_TOPIC },
    { "Thread-Index", conv_h_thread_index, PR_CONVERSATION_INDEX },
    { "Importance", conv_h_importance, 0 },
    { "X-MSMail-Priority", conv_h_importance, 0 },
    { "X-Priority", conv_h_importance, 0 },
    { "Priority", conv_h_importance, 0 },
    { "Sensitivity", conv_h_sensitivity, PR_SENSITIVITY },
    { "Keywords", conv_h_keywords, 0 },
    { "Return-Receipt-To", conv_h_receipt,
      PR_ORIGINATOR_DELIVERY_REPORT_REQUESTED },
    { "Disposition-Notification-To", conv_h_address, PR_READ_RECEIPT_NAME },
    { "Reply-By", conv_h_date, PR_REPLY_TIME },
    { "X-Message-Flag", conv_h_flag, 0 },
    { "Expires", conv_h_date, PR_EXPIRY_TIME },
    { "Expiry-Date", conv_h_date, PR_EXPIRY_TIME },
    { "Precedence", conv_h_text, PR_INTERNET_PRECEDENCE },
    { "X-Auto-Response-Suppress", conv_h_suppress, PR_AUTO_RESPONSE_SUPPRESS },
    { "Auto-Submitted", conv_h_auto, PR_AUTO_RESPONSE_SUPPRESS },
    { "List-Help", conv_h_text, PR_LIST_HELP },
    { "X-List-Help", conv_h_text, PR_LIST_HELP },
    { "List-Subscribe", conv_h_text, PR_LIST_SUBSCRIBE },
    { "X-List-Subscribe", conv_h_text, PR_LIST_SUBSCRIBE },
    { "List-Unsubscribe", conv_h_text, PR_LIST_UNSUBSCRIBE },
    { "X-List-Unsubscribe", conv_h_text, PR_LIST_UNSUBSCRIBE },
    { "X-Microsoft-Classification", conv_h_named, 0x85B6 },
    { "X-Microsoft-ClassDesc", conv_h_named, 0x85B7 },
    { "X-Microsoft-ClassID", conv_h_named, 0x85B8 },
    { "Received", conv_h_received, PR_MESSAGE_DELIVERY_TIME },
    { "Content-ID", conv_h_cid, PR_BODY_CONTENT_ID },
    { "Content-Location", conv_h_text, PR_BODY_CONTENT_LOCATION },

    { "Return-Path", conv_h_ignore, 0 },
    { "Delivered-To", conv_h_ignore, 0 },
    { "MIME-Version", conv_h_ignore, 0 },
    { "Content-Type", conv_h_ignore, 0 },
    { "Content-Transfer-Encoding", conv_h_ignore, 0 },
    { "Content-Disposition", conv_h_ignore, 0 },
    { "Content-Description", conv_h_ignore, 0 },
    { "Content-Length", conv_h_ignore, 0 },
    { "X-MS-Has-Attach", conv_h_ignore, 0 },
    { "DKIM-Signature", conv_h_ignore, 0 },
    { "DomainKey-Signature", conv_h_ignore, 0 },
    { "ARC-Seal", conv_h_ignore, 0 },
    { "ARC-Message-Signature", conv_h_ignore, 0 },
    { "ARC-Authentication-Results", conv_h_ignore, 0 },
    { "Resent-From", conv_h_ignore, 0 },
    { "Resent-To", conv_h_ignore, 0 },
    { "Resent-Cc", conv_h_ignore, 0 },
    { "Resent-Bcc", conv_h_ignore, 0 },
    { "Resent-Date", conv_h_ignore, 0 },
    { "Resent-Message-ID", conv_h_ignore, 0 },
    { "Resent-Sender", conv_h_ignore, 0 },
};


static const conv_rule_t *
conv_rule_find(ph_str_t name)
{
    for (size_t i = 0; i < ph_nelts(conv_rules); i++) {
        if (ph_str_ieq_c(name, conv_rules[i].name)) {
            return &conv_rules[i];
        }
    }

    return NULL;
}


/* what no rule knows is kept under its own name, up to a limit */
static ph_int_t
conv_import_others(conv_msg_t *m)
{
    size_t         n = 0;
    ph_int_t       rc;
    ph_str_t       name, text;
    conv_field_t  *f;

    for (uint32_t i = 0; i < m->root->n_fields && n < CONV_MAX_X_HEADERS; i++)
    {
        f = &m->root->fields[i];
        if (f->value.len == 0 || f->value.len > CONV_MAX_X_HEADER
            || f->name.len > 100 || conv_rule_find(f->name) != NULL)
        {
            continue;
        }

        rc = conv_header_text(m->pool, f->value, m->charset, &text);
        if (rc != PH_OK) {
            return rc;
        }

        name = ph_str_lower(m->pool, f->name);
        if (name.data == NULL) {
            return PH_NOMEM;
        }

        if (text.len == 0) {
            continue;
        }

        conv_put_str(&m->props,
            conv_name_tag(&m->imp->names, &conv_ps_internet_headers, 0, name,
                          PT_UNICODE), text);
        n++;
    }

    return PH_OK;
}


static ph_int_t
conv_import_transport(conv_msg_t *m)
{
    ph_int_t  rc;
    ph_str_t  raw = m->root->header, text;

    raw.len = ph_min(raw.len, (size_t) CONV_MAX_HEADERS);
    if (raw.len == 0) {
        return PH_OK;
    }

    rc = conv_charset_decode(m->pool, raw, ph_str_c(m->charset), NULL, &text,
                             NULL);
    if (rc == PH_OK) {
        conv_put_str(&m->props, PR_TRANSPORT_MESSAGE_HEADERS, text);
    }

    return rc;
}


static void
conv_copy_role(conv_props_t *p, const conv_role_t *from, const conv_role_t *to)
{
    const mapi_value_t  *name = conv_props_find(p, from->name);
    const mapi_value_t  *email = conv_props_find(p, from->email);

    if (name != NULL && email != NULL) {
        conv_put_role(p, to, name->u.str, email->u.str);
    }
}


ph_int_t
conv_import_headers(conv_msg_t *m)
{
    ph_int_t             rc;
    uint64_t             now = m->imp->opts->now;
    conv_props_t        *p = &m->props;
    const mapi_value_t  *v;

    for (size_t i = 0; i < ph_nelts(conv_rules); i++) {
        if (conv_rules[i].fn == conv_h_ignore) {
            continue;
        }

        for (uint32_t k = 0; k < m->root->n_fields; k++) {
            if (!ph_str_ieq_c(m->root->fields[k].name, conv_rules[i].name)) {
                continue;
            }

            rc = conv_rules[i].fn(m, &conv_rules[i],
                                  m->root->fields[k].value);
            if (rc != PH_OK) {
                return rc;
            }

            if (conv_rules[i].fn == conv_h_subject) {
                break;
            }
        }
    }

    if (conv_props_find(p, PR_SENDER_EMAIL_ADDRESS) == NULL) {
        conv_copy_role(p, &conv_role_representing, &conv_role_sender);
    } else if (conv_props_find(p, PR_SENT_REPRESENTING_EMAIL_ADDRESS) == NULL) {
        conv_copy_role(p, &conv_role_sender, &conv_role_representing);
    }

    if (conv_props_find(p, PR_SUBJECT) == NULL) {
        conv_put_subject(p, ph_str_lit(""));
    }
    if (conv_props_find(p, PR_IMPORTANCE) == NULL) {
        conv_put_i4(p, PR_IMPORTANCE, 1);
        conv_put_i4(p, PR_PRIORITY, 0);
    }
    if (conv_props_find(p, PR_SENSITIVITY) == NULL) {
        conv_put_i4(p, PR_SENSITIVITY, 0);
    }
    if (conv_props_find(p, PR_CLIENT_SUBMIT_TIME) == NULL) {
        conv_put_time(p, PR_CLIENT_SUBMIT_TIME, now);
    }
    if (conv_props_find(p, PR_MESSAGE_DELIVERY_TIME) == NULL) {
        conv_put_time(p, PR_MESSAGE_DELIVERY_TIME, now);
    }
    if (conv_props_find(p, PR_CONVERSATION_TOPIC) == NULL) {
        v = conv_props_find(p, PR_NORMALIZED_SUBJECT);
        if (v != NULL && v->u.str.len != 0) {
            conv_put_str(p, PR_CONVERSATION_TOPIC, v->u.str);
        }
    }

    conv_put_time(p, PR_CREATION_TIME, now);

    rc = conv_import_transport(m);
    return rc == PH_OK ? conv_import_others(m) : rc;
}


void
conv_put_subject(conv_props_t *p, ph_str_t subject)
{
    size_t  n = 0, chars = 0;

    while (n < subject.len && chars < 3) {
        if (subject.data[n] == ':' || (subject.data[n] >= '0'
                                       && subject.data[n] <= '9'))
        {
            break;
        }
        n++;
        while (n < subject.len && (subject.data[n] & 0xC0) == 0x80) {
            n++;
        }
        chars++;
    }

    if (chars == 0 || n + 2 > subject.len || subject.data[n] != ':'
        || subject.data[n + 1] != ' ')
    {
        n = 0;

    } else {
        n += 2;
    }

    conv_put_str(p, PR_SUBJECT, subject);
    conv_put_str(p, PR_SUBJECT_PREFIX, (ph_str_t) { n, subject.data });
    conv_put_str(p, PR_NORMALIZED_SUBJECT, (ph_str_t) { subject.len - n,
                                                        subject.data + n });
}


ph_int_t
conv_import_recipient(conv_msg_t *m, int32_t type, ph_str_t name,
    ph_str_t address)
{
    uint32_t           cap;
    ph_str_t           smtp = ph_str_lit("SMTP"), key, id;
    conv_props_t       p;
    mapi_message_t    *msg = m->msg;
    mapi_recipient_t  *list;

    if (msg->n_recipients >= MAPI_MAX_RECIPIENTS) {
        return PH_OK;
    }

    if (msg->n_recipients == m->cap_recipients) {
        cap = m->cap_recipients ? 2 * m->cap_recipients : 4;
        list = ph_prealloc(m->pool, msg->recipients,
                           m->cap_recipients * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        msg->recipients = list;
        m->cap_recipients = cap;
    }

    name = name.len ? name : address;
    key = conv_search_key(m->pool, smtp, address);
    id = conv_oneoff(m->pool, name, smtp, address);
    if (key.data == NULL || id.data == NULL) {
        return PH_NOMEM;
    }

    conv_props_init(&p, m->pool);
    conv_put_i4(&p, PR_RECIPIENT_TYPE, type);
    conv_put_str(&p, PR_DISPLAY_NAME, name);
    conv_put_str(&p, PR_TRANSMITABLE_DISPLAY_NAME, name);
    conv_put_str(&p, PR_ADDRTYPE, smtp);
    conv_put_str(&p, PR_EMAIL_ADDRESS, address);
    conv_put_str(&p, PR_SMTP_ADDRESS, address);
    conv_put_bin(&p, PR_SEARCH_KEY, key);
    conv_put_bin(&p, PR_ENTRYID, id);
    conv_put_bin(&p, PR_RECIPIENT_ENTRYID, id);
    conv_put_str(&p, PR_RECIPIENT_DISPLAY_NAME, name);
    conv_put_i4(&p, PR_OBJECT_TYPE, 6);
    conv_put_i4(&p, PR_DISPLAY_TYPE, 0);
    conv_put_bool(&p, PR_RESPONSIBILITY, true);
    conv_put_i4(&p, PR_RECIPIENT_FLAGS, 1);

    list = &msg->recipients[msg->n_recipients];
    list->row_id = msg->n_recipients++;
    return conv_props_done(&p, &list->props);
}
