/* What is to be known of a delivered message before anything answers it. */

#include "ex_arrival.h"
#include "mapi/mapi_tags.h"

#define EX_FIELDS_MAX  (256u << 10)    /* bytes of header that are looked at */


/* ---- header fields ---- */

/* The next field with what is folded below it; false: the header ends. */
static bool
ex_field_next(ph_str_t *rest, ph_str_t *name_r, ph_str_t *value_r)
{
    size_t  i, colon, n;

    n = rest->len;
    if (n == 0 || rest->data[0] == '\r' || rest->data[0] == '\n') {
        return false;
    }

    colon = n;
    for (i = 0; i < n; i++) {
        if (rest->data[i] == ':' && colon == n) {
            colon = i;
        }

        if (rest->data[i] == '\n'
            && (i + 1 == n || (rest->data[i + 1] != ' '
                               && rest->data[i + 1] != '\t')))
        {
            i++;
            break;
        }
    }

    colon = ph_min(colon, i);
    *name_r = ph_str_trim((ph_str_t) { colon, rest->data });
    *value_r = colon < i
               ? ph_str_trim((ph_str_t) { i - colon - 1,
                                          rest->data + colon + 1 })
               : ph_str_null;
    rest->data += i;
    rest->len -= i;

    return true;
}


static bool
ex_prefix(ph_str_t s, const char *prefix)
{
    size_t  n = strlen(prefix);

    return s.len >= n && ph_str_ieq_c((ph_str_t) { n, s.data }, prefix);
}


static bool
ex_suffix(ph_str_t s, const char *suffix)
{
    size_t  n = strlen(suffix);

    return s.len >= n
           && ph_str_ieq_c((ph_str_t) { n, s.data + s.len - n }, suffix);
}


/* Is the word in a list with commas, or other separators, between? */
static bool
ex_has_word(ph_str_t list, ph_str_t word)
{
    size_t  i, from;

    for (i = 0, from = 0; i <= list.len; i++) {
        if (i < list.len && list.data[i] != ',' && list.data[i] != ';'
            && list.data[i] != ' ' && list.data[i] != '\t'
            && list.data[i] != '\r' && list.data[i] != '\n')
        {
            continue;
        }

        if (i > from
            && ph_str_ieq((ph_str_t) { i - from, list.data + from }, word))
        {
            return true;
        }
        from = i + 1;
    }

    return false;
}


static unsigned
ex_count_words(ph_str_t list)
{
    size_t    i;
    bool      in = false, space;
    unsigned  n = 0;

    for (i = 0; i < list.len; i++) {
        space = list.data[i] == ',' || list.data[i] == ';'
                || list.data[i] <= ' ';
        if (!space && !in) {
            n++;
        }
        in = !space;
    }

    return n;
}


/* Our own trace of forwards; there may be several fields. */
static ph_int_t
ex_field_loop(ex_arrival_t *a, ph_str_t value)
{
    char     *s;
    size_t    i;
    uint8_t  *p;

    a->looped = a->looped
                || ex_has_word(value, a->mb->facts->entry.address);
    a->hops += ex_count_words(value);
    if (a->hops >= EX_MAX_HOPS) {
        return PH_OK;    /* it goes nowhere any more */
    }

    value = ph_pstrdup(a->pool, value);
    if (value.data == NULL) {
        return PH_NOMEM;
    }

    for (i = 0, p = (uint8_t *) (uintptr_t) value.data; i < value.len; i++) {
        if (p[i] < 32 || p[i] == 127) {
            p[i] = ' ';
        }
    }

    s = ph_psprintf(a->pool, "%.*s%s%.*s", PH_STR_ARG(a->trace),
                    a->trace.len ? ", " : "", PH_STR_ARG(value));
    if (s == NULL) {
        return PH_NOMEM;
    }

    a->trace = ph_str_c(s);

    return PH_OK;
}


static ph_int_t
ex_field_look(ex_arrival_t *a, ph_str_t name, ph_str_t value)
{
    if (ph_str_ieq_c(name, "Auto-Submitted")) {
        a->automatic = a->automatic || !ex_prefix(value, "no");

    } else if (ph_str_ieq_c(name, "Precedence")) {
        a->automatic = a->automatic || ph_str_ieq_c(value, "bulk")
                       || ph_str_ieq_c(value, "junk")
                       || ph_str_ieq_c(value, "list");

    } else if (ex_prefix(name, "List-")
               || ph_str_ieq_c(name, "X-Autoreply")
               || ph_str_ieq_c(name, "X-Autorespond")
               || ph_str_ieq_c(name, "X-Auto-Reply-From")
               || ph_str_ieq_c(name, "Mailing-List"))
    {
        a->automatic = true;

    } else if (ph_str_ieq_c(name, "Return-Path")) {
        a->automatic = a->automatic || ph_str_eq_c(value, "<>");

    } else if (ph_str_ieq_c(name, "X-Auto-Response-Suppress")) {
        if (ex_has_word(value, ph_str_lit("All"))) {
            a->suppress = UINT32_MAX;
        }
        if (ex_has_word(value, ph_str_lit("OOF"))) {
            a->suppress |= EX_SUPPRESS_OOF;
        }
        if (ex_has_word(value, ph_str_lit("AutoReply"))) {
            a->suppress |= EX_SUPPRESS_REPLY;
        }

    } else if (ph_str_ieq_c(name, EX_LOOP_FIELD)) {
        return ex_field_loop(a, value);
    }

    return PH_OK;
}


/* ---- people ---- */

bool
ex_is_printable(ph_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= 32 || s.data[i] == 127) {
            return false;
        }
    }

    return true;
}


ph_str_t
ex_arrival_subject(ex_arrival_t *a)
{
    ph_str_t              s, normal;
    ph_wbuf_t             b;
    const mapi_values_t  *props = &a->message->props;

    s = ex_value_text(props, PR_SUBJECT);
    if (s.len != 0) {
        return s;
    }

    s = ex_value_text(props, PR_SUBJECT_PREFIX);
    normal = ex_value_text(props, PR_NORMALIZED_SUBJECT);
    ph_wbuf_init(&b, a->pool, s.len + normal.len + 1);
    ph_put_str(&b, s);
    ph_put_str(&b, normal);

    return b.error ? ph_str_null
           : b.len ? ph_wbuf_str(&b) : ph_str_lit("");
}


/* Senders that nobody reads answers to. */
static bool
ex_sender_is_machine(ph_str_t address)
{
    size_t               i;
    ph_str_t             local;
    const uint8_t       *at;

    static const char *const  names[] = {
        "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply",
        "do_not_reply", "mailer-daemon", "postmaster", "listserv",
        "majordomo", "mailman", "root", "daemon", "nobody", "bounce",
        "bounces"
    };

    at = address.len ? memrchr(address.data, '@', address.len) : NULL;
    if (at == NULL || !ex_is_printable(address)
        || memchr(address.data, '<', address.len) != NULL
        || memchr(address.data, '>', address.len) != NULL)
    {
        return true;
    }

    local.data = address.data;
    local.len = (size_t) (at - address.data);

    for (i = 0; i < ph_nelts(names); i++) {
        if (ph_str_ieq_c(local, names[i])) {
            return true;
        }
    }

    return ex_prefix(local, "owner-") || ex_prefix(local, "bounce-")
           || ex_prefix(local, "bounces+") || ex_prefix(local, "noreply-")
           || ex_prefix(local, "no-reply-") || ex_prefix(local, "prvs=")
           || ex_suffix(local, "-request") || ex_suffix(local, "-owner")
           || ex_suffix(local, "-bounces");
}


static bool
ex_class_is_machine(ph_str_t class)
{
    return ex_prefix(class, "REPORT.") || ex_prefix(class, "IPM.Note.Rules.")
           || ex_prefix(class, "IPM.Schedule.Meeting.Resp")
           || ex_prefix(class, "IPC.") || ex_prefix(class, "IPM.Recall.");
}


/* Is this recipient the owner, by any of his addresses that we know? */
static bool
ex_recipient_is(const mapi_values_t *props, const dir_entry_t *owner,
    ph_str_t recipient)
{
    size_t    i;
    ph_str_t  s;

    static const uint32_t  tags[] = { PR_SMTP_ADDRESS, PR_EMAIL_ADDRESS };

    for (i = 0; i < ph_nelts(tags); i++) {
        s = ex_value_text(props, tags[i]);
        if (s.len != 0
            && (ph_str_ieq(s, owner->address)
                || ph_str_ieq(s, owner->legacy_dn)
                || (recipient.len != 0 && ph_str_ieq(s, recipient))))
        {
            return true;
        }
    }

    return false;
}


ph_int_t
ex_arrival_mine(ph_pool_t *pool, const dir_entry_t *owner, ph_str_t recipient,
    mapi_message_t *m)
{
    bool                 to, cc;
    uint32_t             i;
    ph_int_t             rc;
    const mapi_value_t  *type;

    to = cc = false;

    for (i = 0; i < m->n_recipients; i++) {
        if (!ex_recipient_is(&m->recipients[i].props, owner, recipient)) {
            continue;
        }

        type = mapi_find(&m->recipients[i].props, PR_RECIPIENT_TYPE);
        if (type == NULL || (type->u.i4 & 0x0F) == 1) {
            to = true;
        } else if ((type->u.i4 & 0x0F) == 2) {
            cc = true;
        }
    }

    rc = ex_value_bool(pool, &m->props, PR_MESSAGE_TO_ME, to);
    if (rc == PH_OK) {
        rc = ex_value_bool(pool, &m->props, PR_MESSAGE_CC_ME, cc);
    }
    if (rc == PH_OK) {
        rc = ex_value_bool(pool, &m->props, PR_MESSAGE_RECIP_ME, to || cc);
    }
    if (rc == PH_OK) {
        rc = ex_value_bool(pool, &m->props, PR_HAS_DAMS, false);
    }

    return rc;
}


ph_int_t
ex_arrival_inspect(ex_arrival_t *a)
{
    char                 *s;
    ph_int_t              rc;
    ph_str_t              rest, name, value;
    const mapi_value_t   *v;
    const mapi_values_t  *props = &a->message->props;

    a->now = ph_now_filetime();
    a->class = ex_value_text(props, PR_MESSAGE_CLASS);

    v = mapi_find(props, PR_AUTO_RESPONSE_SUPPRESS);
    a->suppress = (v != NULL) ? (uint32_t) v->u.i4 : 0;
    v = mapi_find(props, PR_MESSAGE_TO_ME);
    a->to_me = v != NULL && v->u.b;
    v = mapi_find(props, PR_MESSAGE_CC_ME);
    a->cc_me = v != NULL && v->u.b;

    a->automatic = a->sender.len == 0 || ex_sender_is_machine(a->sender)
                   || ph_str_ieq(a->sender, a->mb->facts->entry.address)
                   || ex_class_is_machine(a->class);

    rest = a->raw.len ? a->raw
           : ex_value_text(props, PR_TRANSPORT_MESSAGE_HEADERS);
    rest.len = ph_min(rest.len, (size_t) EX_FIELDS_MAX);

    while (ex_field_next(&rest, &name, &value)) {
        rc = ex_field_look(a, name, value);
        if (rc != PH_OK) {
            return rc;
        }
    }

    s = ph_psprintf(a->pool, "%.*s%s%.*s", PH_STR_ARG(a->trace),
                    a->trace.len ? ", " : "",
                    PH_STR_ARG(a->mb->facts->entry.address));
    if (s == NULL) {
        return PH_NOMEM;
    }

    a->trace = ph_str_c(s);

    rc = store_oof_get(a->conn, a->pool, &a->oof);
    a->oof_active = rc == PH_OK && store_oof_active(&a->oof, a->now);

    /* settings that do not decode are no reason to refuse mail */
    return rc == PH_CORRUPT ? PH_OK : rc;
}
