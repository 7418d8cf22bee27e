/*
 * OP_REPLY, OP_OOF_REPLY (MS-OXORULE 2.2.5.1.2.2) and out of office by the
 * settings of the mailbox (MS-OXWOOF).  Nobody is answered who sent no mail by
 * his own hand, and nobody too often.
 */

#include "ex_rule_run.h"
#include "ex_job.h"
#include "ex_directory.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_tags.h"

#define EX_TEMPLATE_MAX     (20u << 20)
#define EX_REPLY_INTERVAL   36000000000ull    /* of one rule, one sender: 1 h */
#define EX_STOCK_TEXT \
    "This message was sent automatically.\r\n\r\n" \
    "Your message was received.\r\n"
#define EX_CLASS_REPLY  "IPM.Note.Rules.ReplyTemplate.Microsoft"
#define EX_CLASS_OOF    "IPM.Note.Rules.OofTemplate.Microsoft"


/* ---- who ---- */

static ph_str_t
ex_domain(ph_str_t address)
{
    const uint8_t  *at;

    at = address.len ? memrchr(address.data, '@', address.len) : NULL;
    if (at == NULL) {
        return ph_str_null;
    }

    return (ph_str_t) { (size_t) (address.data + address.len - at - 1),
                        at + 1 };
}


/* Is the sender one of ours?  PH_ERROR: the directory cannot say. */
static ph_int_t
ex_sender_internal(ex_arrival_t *a, bool *yes_r)
{
    ph_int_t      rc;
    dir_entry_t   e;

    if (ph_str_ieq(ex_domain(a->sender), a->mb->facts->entry.domain)) {
        *yes_r = true;
        return PH_OK;
    }

    rc = ex_facts_fetch(a->ex, a->pool, DIR_BY_ADDRESS, a->sender, &e);
    *yes_r = rc == PH_OK && e.kind != DIR_KIND_CONTACT;

    return rc == PH_NOTFOUND ? PH_OK : rc;
}


static ph_int_t
ex_contact_row(void *data, const mapi_values_t *row)
{
    (void) row;
    *(bool *) data = true;

    return PH_OK;
}


/* Is the sender one of the mailbox's contacts? */
static ph_int_t
ex_sender_known(ex_arrival_t *a, bool *yes_r)
{
    size_t                i;
    uint16_t              ids[3];
    ph_int_t              rc;
    mapi_tags_t           columns;
    store_table_t        *t;
    mapi_propname_t       names[3];
    mapi_restriction_t    or, leaf[3];

    static const uint32_t  column = PidTagMid;
    static const unsigned  wanted[] = {
        MAPI_NP(PidLidEmail1EmailAddress), MAPI_NP(PidLidEmail2EmailAddress),
        MAPI_NP(PidLidEmail3EmailAddress)
    };

    *yes_r = false;
    for (i = 0; i < ph_nelts(wanted); i++) {
        names[i] = mapi_named_prop(wanted[i]).name;
    }

    rc = store_named_ids(a->conn, false, ph_nelts(wanted), names, ids);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&or, 0, sizeof(or));
    memset(leaf, 0, sizeof(leaf));
    or.type = MAPI_RES_OR;
    or.u.list.r = leaf;

    for (i = 0; i < ph_nelts(wanted); i++) {
        if (ids[i] != 0) {
            leaf[or.u.list.n].type = MAPI_RES_CONTENT;
            leaf[or.u.list.n].u.content.low = FL_FULLSTRING;
            leaf[or.u.list.n].u.content.high = FL_IGNORECASE;
            leaf[or.u.list.n].u.content.tag = MAPI_TAG(ids[i], PT_UNICODE);
            leaf[or.u.list.n].u.content.value.tag = MAPI_TAG(ids[i],
                                                             PT_UNICODE);
            leaf[or.u.list.n].u.content.value.u.str = a->sender;
            or.u.list.n++;
        }
    }

    if (or.u.list.n == 0) {
        return PH_OK;
    }

    rc = store_table_contents(a->conn, STORE_CONTACTS, 0, &t);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    columns.n = 1;
    columns.tag = &column;
    rc = store_table_set_columns(t, &columns);
    if (rc == PH_OK) {
        rc = store_table_find(a->conn, t, &or, STORE_SEEK_BEGINNING, false,
                              ex_contact_row, yes_r);
    }
    store_table_close(&t);

    return rc == PH_NOTFOUND ? PH_OK : rc;
}


/* May the sender have an answer of this kind at all? */
static bool
ex_reply_allowed(const ex_arrival_t *a, bool oof)
{
    if (a->automatic || a->looped
        || (a->suppress & (oof ? EX_SUPPRESS_OOF : EX_SUPPRESS_REPLY)))
    {
        return false;
    }

    /* absence is nobody's business who wrote to a group */
    return !oof || a->to_me || a->cc_me;
}


/* Has he had it? */
static ph_int_t
ex_reply_wanted(ex_arrival_t *a, uint64_t rule, uint64_t interval,
    bool *yes_r)
{
    uint64_t  last;
    ph_int_t  rc;

    rc = store_reply_last(a->conn, rule, a->sender, &last);
    *yes_r = rc == PH_OK
             && (last == 0 || (interval != 0 && a->now >= last
                               && a->now - last >= interval));

    return rc;
}


/* ---- what ---- */

static ph_int_t
ex_reply_finish(ex_arrival_t *a, ex_send_t *s, ph_str_t class,
    const char *prefix)
{
    char            *text;
    ph_int_t         rc;
    ph_str_t         subject, old;
    mapi_values_t   *props = &s->m.props;

    static const uint32_t  drops[] = {
        PR_INTERNET_MESSAGE_ID, PR_SEARCH_KEY, PR_REPLY_TEMPLATE_ID,
        PR_MESSAGE_FLAGS, PR_CREATION_TIME, PR_LAST_MODIFICATION_TIME,
        PR_MESSAGE_DELIVERY_TIME, PR_READ_RECEIPT_REQUESTED,
        PR_ORIGINATOR_DELIVERY_REPORT_REQUESTED, PR_CONVERSATION_INDEX
    };

    rc = ex_value_drop(a->pool, props, drops, ph_nelts(drops));

    subject = ex_value_text(props, PR_SUBJECT);
    if (rc == PH_OK && subject.len == 0) {
        old = ex_arrival_subject(a);
        text = old.data == NULL ? NULL
               : ph_psprintf(a->pool, "%s%.*s", prefix, PH_STR_ARG(old));
        rc = (text == NULL) ? PH_NOMEM
             : ex_value_str(a->pool, props, PR_SUBJECT, ph_str_c(text));
    }
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, props, PR_MESSAGE_CLASS, class);
    }
    if (rc == PH_OK) {
        rc = ex_value_i4(a->pool, props, PR_AUTO_RESPONSE_SUPPRESS, -1);
    }
    if (rc == PH_OK) {
        rc = ex_value_from_owner(a, props);
    }
    if (rc == PH_OK) {
        rc = ex_value_thread(a, props);
    }
    if (rc == PH_OK) {
        rc = ex_value_field(a->pool, &s->m, EX_LOOP_FIELD, a->trace);
    }

    s->null_sender = true;

    return rc;
}


/* The associated message with this PR_REPLY_TEMPLATE_ID. */
static ph_int_t
ex_template_row(void *data, const mapi_values_t *row)
{
    if (MAPI_TYPE(row->v[0].tag) == PT_I8) {
        *(uint64_t *) data = store_id((mapi_eid_t) row->v[0].u.i8);
    }

    return PH_OK;
}


static ph_int_t
ex_template_by_guid(ex_arrival_t *a, const mapi_guid_t *guid, uint64_t *mid_r)
{
    ph_int_t             rc;
    mapi_tags_t          columns;
    store_table_t       *t;
    mapi_restriction_t   r;

    static const uint32_t  column = PidTagMid;

    if (mapi_guid_is_zero(guid)) {
        return PH_NOTFOUND;
    }

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.tag = PR_REPLY_TEMPLATE_ID;
    r.u.prop.value.tag = PR_REPLY_TEMPLATE_ID;
    r.u.prop.value.u.bin = (ph_str_t) { 16, guid->b };

    rc = store_table_contents(a->conn, a->fid, STORE_TABLE_ASSOCIATED, &t);
    if (rc != PH_OK) {
        return rc;
    }

    *mid_r = 0;
    columns.n = 1;
    columns.tag = &column;
    rc = store_table_set_columns(t, &columns);
    if (rc == PH_OK) {
        rc = store_table_find(a->conn, t, &r, STORE_SEEK_BEGINNING, false,
                              ex_template_row, mid_r);
    }
    store_table_close(&t);

    return rc == PH_OK && *mid_r == 0 ? PH_NOTFOUND : rc;
}


/* The template's value; its recipients are kept. */
static ph_int_t
ex_reply_template(ex_arrival_t *a, const ex_rule_t *rule,
    const mapi_action_t *action, mapi_message_t *m)
{
    uint64_t          fid, mid;
    ph_int_t          rc;
    store_message_t  *msg;

    if (rule->extended) {
        rc = store_entryid_parse(a->mb->store, action->u.reply.message_eid,
                                 &fid, &mid);
        if (rc != PH_OK) {
            return rc;
        }

    } else {
        fid = store_id(action->u.reply.template_fid);
        mid = store_id(action->u.reply.template_mid);
    }

    rc = store_message_open(a->conn, fid, mid, STORE_OPEN_READONLY, &msg);
    if (rc == PH_NOTFOUND) {
        rc = ex_template_by_guid(a, &action->u.reply.template_guid, &mid);
        if (rc == PH_OK) {
            rc = store_message_open(a->conn, 0, mid, STORE_OPEN_READONLY,
                                    &msg);
        }
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = store_message_export(a->conn, msg, EX_TEMPLATE_MAX, a->pool, m);
    store_message_close(&msg);

    return rc;
}


static bool
ex_contains(ph_str_t s, const char *part)
{
    return s.len != 0 && memmem(s.data, s.len, part, strlen(part)) != NULL;
}


/*
 * Rules that a client makes for absence say by their name whom they are for
 * (MS-OXWOOF 2.2.5).
 */
static ph_int_t
ex_rule_audience(ex_arrival_t *a, const ex_rule_t *rule, bool *yes_r)
{
    bool      internal;
    ph_int_t  rc;

    rc = ex_sender_internal(a, &internal);
    if (rc != PH_OK) {
        return rc;
    }

    if (ex_contains(rule->name, "InternalSenders")) {
        *yes_r = internal;
        return PH_OK;
    }

    if (ex_contains(rule->name, "KnownExternalSenders")) {
        *yes_r = false;
        return internal ? PH_OK : ex_sender_known(a, yes_r);
    }

    *yes_r = !internal || !ex_contains(rule->name, "AllExternalSenders");

    return PH_OK;
}


ph_int_t
ex_rule_reply(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action)
{
    bool           oof, yes;
    uint64_t       log;
    ph_int_t       rc;
    ph_str_t       class;
    ex_send_t      s;
    ex_arrival_t  *a = run->a;

    oof = action->type == OP_OOF_REPLY;
    if (!ex_reply_allowed(a, oof)) {
        return PH_OK;
    }

    log = oof ? 0 : rule->id;
    rc = ex_reply_wanted(a, log, oof || (rule->state & ST_KEEP_OOF_HIST)
                                 ? 0 : EX_REPLY_INTERVAL, &yes);
    if (rc == PH_OK && yes && oof) {
        rc = ex_rule_audience(a, rule, &yes);
        if (rc == PH_ERROR) {
            return PH_OK;      /* without the directory: not now */
        }
    }
    if (rc != PH_OK || !yes) {
        return rc;
    }

    memset(&s, 0, sizeof(s));
    if (action->flavor & EX_REPLY_ST) {
        rc = ex_value_str(a->pool, &s.m.props, PR_BODY,
                          ph_str_lit(EX_STOCK_TEXT));
    } else {
        run->error = EX_RULE_ERR_TEMPLATE;
        rc = ex_reply_template(a, rule, action, &s.m);
        run->error = EX_RULE_ERR_EXECUTION;
    }
    if (rc != PH_OK) {
        return rc;
    }

    class = ex_value_text(&s.m.props, PR_MESSAGE_CLASS);
    if (class.len < 15 || !ph_str_ieq_c((ph_str_t) { 15, class.data },
                                        "IPM.Note.Rules."))
    {
        class = oof ? ph_str_lit(EX_CLASS_OOF) : ph_str_lit(EX_CLASS_REPLY);
    }

    /* NS is for ordinary replies */
    if (oof || !(action->flavor & EX_REPLY_NS)) {
        rc = ex_value_recipient(a->pool, &s.m, 1,
                 ex_value_text(&a->message->props, PR_SENT_REPRESENTING_NAME),
                 a->sender);
    }
    if (rc == PH_OK) {
        rc = ex_reply_finish(a, &s, class, oof ? "Automatic reply: " : "RE: ");
    }
    if (rc == PH_OK) {
        rc = ex_arrival_send(a, &s);
    }

    return rc == PH_OK ? store_reply_note(a->conn, log, a->sender) : rc;
}


/* ---- the settings ---- */

static ph_int_t
ex_oof_text(ex_arrival_t *a, mapi_message_t *m, ph_str_t subject,
    ph_str_t text)
{
    ph_int_t  rc;
    ph_str_t  start = ph_str_trim(text);

    rc = PH_OK;
    if (subject.len != 0) {
        rc = ex_value_str(a->pool, &m->props, PR_SUBJECT, subject);
    }

    if (rc == PH_OK && start.len != 0 && start.data[0] == '<') {
        rc = ex_value_bin(a->pool, &m->props, PR_HTML, text);
        if (rc == PH_OK) {
            rc = ex_value_i4(a->pool, &m->props, PR_INTERNET_CPID, 65001);
        }
    } else if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &m->props, PR_BODY, text);
    }

    return rc;
}


static ph_int_t
ex_oof_send(ex_arrival_t *a)
{
    bool       internal, yes;
    ph_int_t   rc;
    ph_str_t   subject, text;
    ex_send_t  s;

    rc = ex_reply_wanted(a, 0, 0, &yes);
    if (rc != PH_OK || !yes) {
        return rc;
    }

    rc = ex_sender_internal(a, &internal);
    if (rc == PH_OK && !internal) {
        yes = a->oof.audience == STORE_OOF_ALL;
        if (a->oof.audience == STORE_OOF_KNOWN) {
            rc = ex_sender_known(a, &yes);
        }
    }

    subject = internal ? a->oof.internal_subject : a->oof.external_subject;
    text = internal ? a->oof.internal_text : a->oof.external_text;
    if (rc != PH_OK || !yes || text.len == 0) {
        return rc;
    }

    memset(&s, 0, sizeof(s));
    rc = ex_oof_text(a, &s.m, subject, text);
    if (rc == PH_OK) {
        rc = ex_value_recipient(a->pool, &s.m, 1,
                 ex_value_text(&a->message->props, PR_SENT_REPRESENTING_NAME),
                 a->sender);
    }
    if (rc == PH_OK) {
        rc = ex_reply_finish(a, &s, ph_str_lit(EX_CLASS_OOF),
                             "Automatic reply: ");
    }
    if (rc == PH_OK) {
        rc = ex_arrival_send(a, &s);
    }

    return rc == PH_OK ? store_reply_note(a->conn, 0, a->sender) : rc;
}


ph_int_t
ex_oof_reply(ex_arrival_t *a)
{
    ph_int_t  rc, undone;
    unsigned  sent = a->sent;

    if (!ex_reply_allowed(a, true)) {
        return PH_OK;
    }

    rc = store_savepoint(a->conn);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_oof_send(a);
    if (rc == PH_OK) {
        return store_release(a->conn);
    }

    /* PH_ERROR is also the directory that does not answer: no reply now */
    if (ex_rc_is_fatal(rc) && rc != PH_ERROR) {
        return rc;
    }

    undone = store_undo(a->conn);
    a->sent = sent;

    return undone;
}
