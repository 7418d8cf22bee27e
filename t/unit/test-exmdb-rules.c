/*
 * Rules at delivery, each action and flag, against a mailbox without any other
 * daemon.  Everything runs in one job of the writer, as a delivery does.
 */

#include "tap.h"
#include "exmdb_fixture.h"

#include "exmdb/ex_arrival.h"
#include "exmdb/ex_rule_run.h"
#include "exmdb/ex_submit.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_extrule.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_tags.h"

static store_conn_t  *conn;
static ex_mailbox_t  *box;
static ph_pool_t     *pool;
static int            serial;

#define OUTSIDE  "person@outside.test"

/* ---- rules ---- */

static mapi_restriction_t
subject_is(const char *s)
{
    mapi_restriction_t  r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_CONTENT;
    r.u.content.low = FL_SUBSTRING;
    r.u.content.high = FL_IGNORECASE;
    r.u.content.tag = PR_SUBJECT;
    r.u.content.value.tag = PR_SUBJECT;
    r.u.content.value.u.str = ph_str_c(s);
    return r;
}

static mapi_action_t
action(uint8_t type, uint32_t flavor)
{
    mapi_action_t  a;

    memset(&a, 0, sizeof(a));
    a.type = type;
    a.flavor = flavor;
    return a;
}

static mapi_action_t
move_to(uint8_t type, uint64_t fid)
{
    uint8_t        *id = ph_palloc(pool, MAPI_SVREID);
    mapi_action_t   a = action(type, 0);

    mapi_svreid_make(id, store_eid(fid), 0, 0);
    a.u.move.in_this_store = 1;
    a.u.move.store_eid = ph_str_lit("x");
    a.u.move.folder_eid = (ph_str_t) { MAPI_SVREID, id };
    return a;
}

static mapi_action_t
send_to(uint8_t type, uint32_t flavor, const char *address)
{
    mapi_value_t   *v = ph_pcalloc_array(pool, 2, sizeof(*v));
    mapi_action_t   a = action(type, flavor);

    v[0].tag = PR_ADDRTYPE;
    v[0].u.str = ph_str_lit("SMTP");
    v[1].tag = PR_EMAIL_ADDRESS;
    v[1].u.str = ph_str_c(address);
    a.u.forward.n = 1;
    a.u.forward.v = ph_pcalloc(pool, sizeof(mapi_action_recipient_t));
    a.u.forward.v->reserved = 1;
    a.u.forward.v->props.n = 2;
    a.u.forward.v->props.v = v;
    return a;
}

static mapi_action_t
bounce(void)
{
    mapi_action_t  a = action(OP_BOUNCE, 0);

    a.u.bounce_code = EX_BOUNCE_DENIED;
    return a;
}

static uint64_t
rule(uint32_t state, mapi_restriction_t r, uint32_t n, mapi_action_t *v)
{
    ph_wbuf_t        b, c;
    store_rule_t     row;
    mapi_actions_t   actions = { n, v };

    ph_wbuf_init(&b, pool, 1 << 20);
    ph_wbuf_init(&c, pool, 1 << 20);
    if (mapi_restriction_encode(&b, &ex_rule_ctx, &r) != PH_OK
        || mapi_actions_encode(&c, &ex_rule_ctx, &actions) != PH_OK)
    {
        fx_die("rule");
    }

    memset(&row, 0, sizeof(row));
    row.folder = STORE_INBOX;
    row.sequence = ++serial;
    row.state = state;
    row.provider = ph_str_lit("test");
    row.has_condition = true;
    row.condition = ph_wbuf_str(&b);
    row.actions = ph_wbuf_str(&c);
    ok(store_rule_put(conn, &row) == PH_OK, "a rule");
    return row.id;
}

static uint64_t
one(uint32_t state, const char *subject, mapi_action_t a)
{
    return rule(state, subject_is(subject), 1, &a);
}

static void
no_rules(void)
{
    store_rules_clear(conn, STORE_INBOX);
}

static uint32_t
state_of(uint64_t id)
{
    store_rule_t  r;

    return store_rule_find(conn, STORE_INBOX, id, pool, &r) == PH_OK
           ? r.state : 0xFFFF;
}

/* ---- mail ---- */

static mapi_message_t  m;

static void
mail_new(const char *subject)
{
    memset(&m, 0, sizeof(m));
    ex_value_str(pool, &m.props, PR_SUBJECT, ph_str_c(subject));
    ex_value_str(pool, &m.props, PR_MESSAGE_CLASS, ph_str_lit("IPM.Note"));
    ex_value_str(pool, &m.props, PR_BODY, ph_str_lit("text"));
    ex_value_recipient(pool, &m, 1, ph_str_lit("Alice"),
                       ph_str_lit("alice@example.test"));
}

static ex_delivered_t
deliver_from(const char *sender, const char *raw)
{
    ex_delivered_t           d;
    exmdb_deliver_request_t  r;

    memset(&r, 0, sizeof(r));
    memset(r.id, 0, sizeof(r.id));
    serial++;
    memcpy(r.id, &serial, sizeof(serial));
    r.mailbox = ph_str_lit("alice@example.test");
    r.recipient = r.mailbox;
    r.sender = ph_str_c(sender);
    r.message = m;
    r.raw = ph_str_c(raw);
    is_cstr(ph_result_name(ex_deliver_store(box, conn, &r, &d)), "PH_OK",
            "delivered");
    return d;
}

static ex_delivered_t
deliver(const char *subject)
{
    mail_new(subject);
    return deliver_from(OUTSIDE, "");
}

static uint32_t
total(uint64_t fid)
{
    store_folder_t  f;

    return store_folder_find(conn, NULL, fid, &f) == PH_OK ? f.total : 9999;
}

/* the message that it points into is closed */
static void
keep(mapi_value_t *v)
{
    if (MAPI_TYPE(v->tag) == PT_UNICODE || MAPI_TYPE(v->tag) == PT_BINARY) {
        v->u.str = ph_pstrdup(pool, v->u.str);
    }
}

static mapi_value_t
get(uint64_t mid, uint32_t tag)
{
    mapi_tags_t       tags = { 1, &tag };
    mapi_value_t      v;
    mapi_values_t     got;
    store_message_t  *msg;

    memset(&v, 0, sizeof(v));
    v.tag = MAPI_RETYPE(tag, PT_ERROR);
    if (store_message_open(conn, 0, mid, STORE_OPEN_READONLY, &msg)
        == PH_OK)
    {
        if (store_message_get(conn, msg, &tags, 1 << 20, pool, &got)
            == PH_OK)
        {
            v = got.v[0];
            keep(&v);
        }
        store_message_close(&msg);
    }
    return v;
}

/* the message that was put into the queue last, and forgotten by it */
static uint64_t
queued(ex_submit_data_t *data)
{
    uint32_t         n;
    uint64_t         next, mid = 0;
    store_submit_t  *rows;

    if (store_submit_due(conn, INT64_MAX, 100, pool, &n, &rows, &next)
        != PH_OK)
    {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        mid = rows[i].message;
        if (data) {
            (void) ex_submit_data_decode(rows[i].data, data);
        }
        store_submit_remove(conn, rows[i].message);
    }
    return mid;
}

/* ---- the tests ---- */

static void
test_filing(void)
{
    bool                existed;
    uint64_t            a, b, id;
    mapi_action_t       v[2];
    ex_delivered_t      d;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = STORE_INBOX;
    f.type = STORE_FOLDER_GENERIC;
    f.name = ph_str_lit("a");
    store_folder_create(conn, &f, &a, &existed);
    f.name = ph_str_lit("b");
    store_folder_create(conn, &f, &b, &existed);

    one(ST_ENABLED, "move", move_to(OP_MOVE, a));
    d = deliver("to move");
    ok(d.fid == a && total(a) == 1 && total(STORE_INBOX) == 0, "moved");
    one(ST_ENABLED, "move", move_to(OP_MOVE, b));
    deliver("move twice");
    ok(total(a) == 2 && total(b) == 1, "two moves: a copy in each folder");
    ok(total(STORE_INBOX) == 0, "and none where it was");

    no_rules();
    one(0, "off", move_to(OP_MOVE, a));
    deliver("off");
    ok(total(STORE_INBOX) == 1, "a rule that is off does nothing");

    no_rules();
    one(ST_ENABLED, "copy", move_to(OP_COPY, a));
    d = deliver("copy");
    ok(total(a) == 3 && d.fid == STORE_INBOX, "copied");

    no_rules();
    v[0] = action(OP_TAG, 0);
    v[0].u.tag.tag = PR_IMPORTANCE;
    v[0].u.tag.u.i4 = 2;
    v[1] = action(OP_MARK_AS_READ, 0);
    rule(ST_ENABLED, subject_is("tag"), 2, v);
    d = deliver("tag");
    ok(get(d.mid, PR_IMPORTANCE).u.i4 == 2, "tagged");
    ok(get(d.mid, PR_MESSAGE_FLAGS).u.i4 & 1, "read");

    no_rules();
    one(ST_ENABLED | ST_EXIT_LEVEL, "exit", action(OP_MARK_AS_READ, 0));
    one(ST_ENABLED, "exit", move_to(OP_MOVE, a));
    d = deliver("exit");
    ok(d.fid == STORE_INBOX, "EXIT_LEVEL ends it");

    no_rules();
    one(ST_ENABLED, "del", action(OP_DELETE, 0));
    one(ST_ENABLED, "del", move_to(OP_COPY, a));
    deliver("del");
    ok(total(a) == 3, "nothing comes after DELETE");

    no_rules();
    id = one(ST_ENABLED, "bad", move_to(OP_MOVE, 0xABCDEF));
    d = deliver("bad");
    ok(d.fid == STORE_INBOX, "a folder that is gone: the mail is here");
    ok(state_of(id) == (ST_ENABLED | ST_ERROR), "the rule is marked");
    ok(total(STORE_DEFERRED_ACTION) == 1, "its owner is told");
    deliver("bad");
    ok(total(STORE_DEFERRED_ACTION) == 1, "once");

    /* what a failing rule did before is taken back */
    no_rules();
    v[0] = send_to(OP_FORWARD, 0, "f@outside.test");
    v[1] = move_to(OP_MOVE, 0xABCDEF);
    rule(ST_ENABLED, subject_is("half"), 2, v);
    d = deliver("half");
    ok(d.sent == 0 && queued(NULL) == 0, "half a rule does nothing");
    no_rules();
}

static void
test_sending(void)
{
    uint64_t            mid;
    mapi_value_t        v;
    ex_delivered_t      d;
    ex_submit_data_t    data;

    one(ST_ENABLED, "fwd", send_to(OP_FORWARD, 0, "f@outside.test"));
    d = deliver("fwd");
    mid = queued(&data);
    ok(d.sent == 1 && mid != 0, "a forward is queued");
    ok(!data.has_sender && !data.raw, "by the owner");
    v = get(mid, PR_SUBJECT);
    ok(ph_str_eq_c(v.u.str, "FW: fwd"), "with its subject");
    ok(get(mid, PR_AUTO_FORWARDED).u.b, "marked as forwarded");
    ok(get(mid, PR_DELETE_AFTER_SUBMIT).u.b, "and not kept");

    mail_new("fwd");
    d = deliver_from("", "");
    (void) queued(&data);
    ok(d.sent == 1 && data.has_sender && data.sender.len == 0,
       "what has no sender is forwarded without one");

    mail_new("fwd");
    d = deliver_from("f@outside.test", "");
    ok(d.sent == 0, "not back to who sent it");

    no_rules();
    one(ST_ENABLED, "red", send_to(OP_FORWARD, EX_FORWARD_PR | EX_FORWARD_NC,
                                   "f@outside.test"));
    mail_new("red");
    d = deliver_from(OUTSIDE, "Return-Path: <x>\r\nSubject: red\r\n\r\nhi\r\n");
    (void) queued(&data);
    ok(d.sent == 1 && data.raw, "a redirect keeps the bytes");

    mail_new("red");
    d = deliver_from(OUTSIDE, EX_LOOP_FIELD ": alice@example.test\r\n\r\nx");
    ok(d.sent == 0, "what was here before goes no further");
    mail_new("red");
    d = deliver_from(OUTSIDE, EX_LOOP_FIELD ": a@x, b@x,\r\n c@x, d@x\r\n\r\n");
    ok(d.sent == 0, "nor what was at so many others");
    mail_new("red");
    d = deliver_from(OUTSIDE, EX_LOOP_FIELD ": a@x\r\n\r\nx");
    ok(d.sent == 1 && queued(NULL), "one other is no circle");

    no_rules();
    one(ST_ENABLED, "big", send_to(OP_FORWARD, EX_FORWARD_AT,
                                   "f@outside.test"));
    d = deliver("big");
    ok(d.sent == 1, "as an attachment");
    mid = queued(NULL);
    ok(get(mid, PR_HASATTACH).u.b, "which it has");

    no_rules();
    one(ST_ENABLED, "bounce", bounce());
    d = deliver("bounce 1");
    mid = queued(&data);
    ok(d.sent == 1 && data.raw && data.has_sender && data.sender.len == 0,
       "a bounce is sent by nobody");
    mail_new("bounce 2");
    d = deliver_from("noreply@outside.test", "");
    ok(d.sent == 0, "and not to a machine");
    no_rules();
}

/* an associated message as a template */
static uint64_t
template(const char *body)
{
    uint64_t          mid;
    mapi_message_t    t;
    store_message_t  *msg;

    memset(&t, 0, sizeof(t));
    ex_value_str(pool, &t.props, PR_BODY, ph_str_c(body));
    ex_value_str(pool, &t.props, PR_MESSAGE_CLASS,
                 ph_str_lit("IPM.Note.Rules.ReplyTemplate.Microsoft"));
    ex_value_bin(pool, &t.props, PR_REPLY_TEMPLATE_ID,
                 ph_str_lit("0123456789abcdef"));
    store_message_create(conn, STORE_INBOX, true, 0, NULL, &msg);
    store_message_import(conn, msg, &t);
    store_message_save(conn, msg, 0, NULL, NULL);
    mid = store_message_fact(msg)->id;
    store_message_close(&msg);
    return mid;
}

static void
test_replies(void)
{
    size_t            i;
    uint64_t          mid, id;
    mapi_action_t     a;
    ex_delivered_t    d;
    ex_submit_data_t  data;

    static const struct {
        const char  *what, *sender, *raw;
    } machines[] = {
        { "no sender", "", "" },
        { "noreply", "no-reply@outside.test", "" },
        { "a list's owner", "owner-l@outside.test", "" },
        { "the daemon", "MAILER-DAEMON@outside.test", "" },
        { "himself", "Alice@example.test", "" },
        { "Auto-Submitted", "a@outside.test",
          "Auto-Submitted: auto-replied\r\n\r\n" },
        { "Precedence", "b@outside.test", "Precedence: bulk\r\n\r\n" },
        { "List-Unsubscribe", "c@outside.test",
          "Subject: x\r\nList-Unsubscribe:\r\n <http://x/>\r\n\r\n" },
        { "suppressed", "d@outside.test",
          "X-Auto-Response-Suppress: DR, AutoReply\r\n\r\n" },
        { "a loop", "e@outside.test",
          EX_LOOP_FIELD ": alice@example.test\r\n\r\n" },
    };

    a = action(OP_REPLY, 0);
    a.u.reply.template_fid = store_eid(STORE_INBOX);
    a.u.reply.template_mid = store_eid(template("thanks"));
    one(ST_ENABLED, "ask", a);

    for (i = 0; i < ph_nelts(machines); i++) {
        mail_new("ask");
        d = deliver_from(machines[i].sender, machines[i].raw);
        ok(d.sent == 0, "no reply: %s", machines[i].what);
    }

    mail_new("ask");
    d = deliver_from("g@outside.test", "Auto-Submitted: no\r\n\r\n");
    mid = queued(&data);
    ok(d.sent == 1 && data.has_sender && data.sender.len == 0,
       "a person has a reply from nobody");
    ok(ph_str_eq_c(get(mid, PR_SUBJECT).u.str, "RE: ask"), "with a subject");
    mail_new("ask");
    d = deliver_from("G@Outside.test", "");
    ok(d.sent == 0, "once for a while");

    /* the template, when its id is no longer the same */
    no_rules();
    a.u.reply.template_mid = store_eid(0xFFFFFF);
    memcpy(a.u.reply.template_guid.b, "0123456789abcdef", 16);
    one(ST_ENABLED, "ask", a);
    d = deliver("ask");
    ok(d.sent == 1 && queued(NULL), "a template is found by its GUID");
    no_rules();
    memset(a.u.reply.template_guid.b, 7, 16);
    id = one(ST_ENABLED, "ask", a);
    d = deliver("ask");
    ok(d.sent == 0 && state_of(id) & ST_ERROR, "one that is gone is an error");
    no_rules();
}

static void
oof(uint8_t state, uint8_t audience, const char *in, const char *out)
{
    store_oof_t  o;

    memset(&o, 0, sizeof(o));
    o.state = state;
    o.audience = audience;
    o.start = 1;
    o.end = 2;
    o.internal_text = ph_str_c(in);
    o.external_text = ph_str_c(out);
    ok(store_oof_set(conn, &o) == PH_OK, "out of office");
}

/* a person of the same organisation */
static void
test_oof(void)
{
    uint64_t          mid;
    ex_delivered_t    d;

    oof(STORE_OOF_SCHEDULED, STORE_OOF_ALL, "in", "out");
    mail_new("a");
    d = deliver_from("bob@example.test", "");
    ok(d.sent == 0, "not before or after its time");

    oof(STORE_OOF_ON, STORE_OOF_NOBODY, "<p>in</p>", "out");
    mail_new("b");
    d = deliver_from("bob@example.test", "");
    mid = queued(NULL);
    ok(d.sent == 1, "a colleague is told");
    ok(ph_str_eq_c(get(mid, PR_HTML).u.bin, "<p>in</p>"), "in HTML");
    ok(ph_str_eq_c(get(mid, PR_SUBJECT).u.str, "Automatic reply: b"),
       "with the subject");
    mail_new("c");
    d = deliver_from("bob@example.test", "");
    ok(d.sent == 0, "once");

    mail_new("d");
    m.n_recipients = 0;
    ex_value_recipient(pool, &m, 1, ph_str_null,
                       ph_str_lit("team@example.test"));
    d = deliver_from("carl@example.test", "");
    ok(d.sent == 0, "nobody is who wrote to a group");
    mail_new("e");
    d = deliver_from("eve@example.test",
                     "X-Auto-Response-Suppress: OOF\r\n\r\n");
    ok(d.sent == 0, "nor who does not want it");

    oof(STORE_OOF_OFF, STORE_OOF_NOBODY, "in", "out");
    oof(STORE_OOF_ON, STORE_OOF_NOBODY, "in", "out");
    mail_new("f");
    d = deliver_from("bob@example.test", "");
    ok(d.sent == 1 && queued(NULL), "the next absence is told again");
    oof(STORE_OOF_OFF, STORE_OOF_NOBODY, "", "");
}

static void
test_only_when_oof(void)
{
    uint64_t        a = 0;
    ex_delivered_t  d;

    store_folder_by_name(conn, STORE_INBOX, ph_str_lit("a"), &a);
    one(ST_ENABLED | ST_EXIT_LEVEL, "", action(OP_MARK_AS_READ, 0));
    one(ST_ENABLED, "oof", action(OP_DELETE, 0));
    one(ST_ENABLED | ST_ONLY_WHEN_OOF | ST_KEEP_OOF_HIST, "oof",
        move_to(OP_MOVE, a));
    d = deliver("oof");
    ok(d.fid == STORE_INBOX, "a rule for absence waits for it");
    oof(STORE_OOF_ON, STORE_OOF_NOBODY, "", "");
    d = deliver("oof");
    ok(d.fid == a, "EXIT_LEVEL does not keep it away then");
    d = deliver("oof");
    ok(d.fid == STORE_INBOX, "with a list: once a sender");
    mail_new("oof");
    d = deliver_from("other@outside.test", "");
    ok(d.fid == a, "each of them");
    oof(STORE_OOF_OFF, STORE_OOF_NOBODY, "", "");
    no_rules();
}

static void
test_deferred(void)
{
    uint32_t        n, before;
    uint64_t       *mids;
    mapi_action_t   v[2];
    mapi_value_t    got;
    ex_delivered_t  d;

    before = total(STORE_DEFERRED_ACTION);
    v[0] = action(OP_DEFER_ACTION, 0);
    v[0].u.defer = ph_str_lit("one");
    v[1] = move_to(OP_MOVE, 0);
    v[1].u.move.in_this_store = 0;
    v[1].u.move.folder_eid = ph_str_lit("elsewhere");
    rule(ST_ENABLED, subject_is("dam"), 2, v);
    d = deliver("dam");
    ok(total(STORE_DEFERRED_ACTION) == before + 1,
       "one message for all that is left to the client");
    ok(get(d.mid, PR_HAS_DAMS).u.b, "the mail says so");
    store_messages_of_class(conn, STORE_DEFERRED_ACTION, false,
                            ph_str_lit(EX_CLASS_DAM), 10, pool, &n, &mids);
    got = get(mids[0], PR_CLIENT_ACTIONS);
    ok(n == 1 && got.tag == PR_CLIENT_ACTIONS && got.u.bin.data[0] == 2,
       "with both actions");
    ok(get(mids[0], PR_RULE_IDS).u.bin.len == 16, "and the rule, twice");
    d = deliver("none");
    ok(get(d.mid, PR_HAS_DAMS).tag == PR_HAS_DAMS
       && !get(d.mid, PR_HAS_DAMS).u.b, "another mail has none");
    no_rules();
}

/* a rule as an associated message, with a named property of its own ids */
static void
test_extended(void)
{
    uint16_t             id, ids[1] = { 0x8123 };
    uint64_t             a = 0, mid;
    ph_str_t             eid;
    ph_wbuf_t            b, c;
    mapi_value_t         v;
    ex_delivered_t       d;
    mapi_action_t        act[2];
    mapi_actions_t       actions = { 2, act };
    mapi_extrule_t       ext;
    mapi_message_t       t;
    mapi_propname_t      name;
    store_message_t     *msg;
    mapi_restriction_t   r = subject_is("ext");

    store_folder_by_name(conn, STORE_INBOX, ph_str_lit("a"), &a);
    store_folder_entryid(box->store, a, pool, &eid);
    memset(&name, 0, sizeof(name));
    name.kind = 1;
    name.guid = mapi_guid_PS_PUBLIC_STRINGS;
    name.name = ph_str_lit("of-a-rule");

    memset(&ext, 0, sizeof(ext));
    ext.n_names = 1;
    ext.ids = ids;
    ext.names = &name;
    ext.condition = &r;
    ext.actions = &actions;
    act[0] = action(OP_MOVE, 0);
    act[0].u.move.folder_eid = eid;
    act[1] = action(OP_TAG, 0);
    act[1].u.tag.tag = MAPI_TAG(0x8123, PT_LONG);
    act[1].u.tag.u.i4 = 42;
    ph_wbuf_init(&b, pool, 1 << 20);
    ph_wbuf_init(&c, pool, 1 << 20);
    ok(mapi_extrule_condition_encode(&b, &ext) == PH_OK
       && mapi_extrule_actions_encode(&c, &ext) == PH_OK, "encoded");

    memset(&t, 0, sizeof(t));
    ex_value_str(pool, &t.props, PR_MESSAGE_CLASS,
                 ph_str_lit("IPM.ExtendedRule.Message"));
    ex_value_i4(pool, &t.props, PR_RULE_MSG_STATE, ST_ENABLED);
    ex_value_i4(pool, &t.props, PR_RULE_MSG_SEQUENCE, 1);
    ex_value_str(pool, &t.props, PR_RULE_MSG_NAME, ph_str_lit("ext"));
    ex_value_str(pool, &t.props, PR_RULE_MSG_PROVIDER, ph_str_lit("test"));
    ex_value_bin(pool, &t.props, PR_EXTENDED_RULE_MSG_CONDITION,
                 ph_wbuf_str(&b));
    ex_value_bin(pool, &t.props, PR_EXTENDED_RULE_MSG_ACTIONS,
                 ph_wbuf_str(&c));
    store_message_create(conn, STORE_INBOX, true, 0, NULL, &msg);
    store_message_import(conn, msg, &t);
    ok(store_message_save(conn, msg, 0, NULL, NULL) == PH_OK, "saved");
    mid = store_message_fact(msg)->id;
    store_message_close(&msg);

    d = deliver("extended");
    ok(d.fid == a, "an extended rule moves");
    store_named_ids(conn, false, 1, &name, &id);
    v = get(d.mid, MAPI_TAG(id, PT_LONG));
    ok(id != 0 && v.u.i4 == 42, "and tags, by the name of a property");

    /* damaged: marked, and the mail is there */
    store_message_open(conn, 0, mid, STORE_OPEN_WRITE, &msg);
    memset(&v, 0, sizeof(v));
    v.tag = PR_EXTENDED_RULE_MSG_ACTIONS;
    v.u.bin = ph_str_lit("\xff\xff\xff");
    store_message_set(msg, &(mapi_values_t) { 1, &v }, pool,
                      &(store_problems_t) { 0 });
    store_message_save(conn, msg, 0, NULL, NULL);
    store_message_close(&msg);
    d = deliver("extended");
    ok(d.fid == STORE_INBOX, "a damaged one does nothing");
    ok(get(mid, PR_RULE_MSG_STATE).u.i4 & ST_RULE_PARSE_ERROR,
       "and is marked");
    store_messages_delete(conn, STORE_INBOX, true, 1, &mid,
                          &(store_many_t) { 0 });
}

/* sub-objects, and what is in the header of the mail */
static void
test_conditions(void)
{
    uint64_t             a = 0;
    mapi_action_t        act;
    ex_delivered_t       d;
    mapi_restriction_t   r, leaf;

    store_folder_by_name(conn, STORE_INBOX, ph_str_lit("a"), &a);
    act = move_to(OP_MOVE, a);

    memset(&leaf, 0, sizeof(leaf));
    leaf.type = MAPI_RES_PROPERTY;
    leaf.u.prop.relop = RELOP_EQ;
    leaf.u.prop.tag = PR_EMAIL_ADDRESS;
    leaf.u.prop.value.tag = PR_EMAIL_ADDRESS;
    leaf.u.prop.value.u.str = ph_str_lit("ALICE@example.test");
    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_SUBOBJECT;
    r.u.sub.tag = PR_MESSAGE_RECIPIENTS;
    r.u.sub.r = &leaf;
    rule(ST_ENABLED, r, 1, &act);
    d = deliver("to alice");
    ok(d.fid == a, "a recipient matches");
    no_rules();

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.tag = PR_MESSAGE_TO_ME;
    r.u.prop.value.tag = PR_MESSAGE_TO_ME;
    r.u.prop.value.u.b = true;
    rule(ST_ENABLED, r, 1, &act);
    d = deliver("to me");
    ok(d.fid == a, "PR_MESSAGE_TO_ME");
    mail_new("not to me");
    m.n_recipients = 0;
    d = deliver_from(OUTSIDE, "");
    ok(d.fid == STORE_INBOX, "and not");
    no_rules();
}

static ph_int_t
run(ex_job_t *job, store_conn_t *c)
{
    conn = c;
    box = job->mailbox;
    test_filing();
    test_sending();
    test_replies();
    test_oof();
    test_only_when_oof();
    test_deferred();
    test_extended();
    test_conditions();
    return PH_OK;
}

static bool  finished;

static void
done(ex_job_t *job, ph_int_t rc)
{
    (void) job;
    ok(rc == PH_OK, "and all of it is committed");
    finished = true;
}

static void
opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_job_t  *job = data;

    if (rc != PH_OK) {
        fx_die("mailbox");
    }
    job->write = true;
    job->run = run;
    job->done = done;
    ex_job_start(mb, job);
}

int
main(void)
{
    ex_job_t  job;

    fx_init();
    pool = ph_pool_create("test", 1u << 30);
    memset(&job, 0, sizeof(job));
    ex_mailbox_get(fx.ex, fx.facts, true, opened, &job);
    while (!finished) {
        uv_run(&fx.loop, UV_RUN_ONCE);
    }
    ph_pool_destroy(&pool);
    fx_end();
    return done_testing();
}
