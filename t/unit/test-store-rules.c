/* Rules, the log of replies, out of office. */

#include "store_fixture.h"

static store_rule_t
a_rule(const char *name, int32_t sequence)
{
    store_rule_t  r;

    memset(&r, 0, sizeof(r));
    r.folder = STORE_INBOX;
    r.sequence = sequence;
    r.state = ST_ENABLED;
    r.has_name = true;
    r.name = S(name);
    r.provider = S("RuleOrganizer");
    r.has_condition = true;
    r.condition = S("\xff");
    r.actions = (ph_str_t) { 2, (const uint8_t *) "\0\0" };
    return r;
}

static bool
has_rules(uint64_t fid)
{
    store_folder_t  f;

    return store_folder_find(fx.conn, fx.pool, fid, &f) == PH_OK
           && f.has_rules;
}

static void
test_rules(void)
{
    char            *big;
    uint32_t         n;
    uint64_t         first, second, copy;
    store_rule_t     r, *list;
    store_actor_t    actor;

    fx_begin();
    ok(!has_rules(STORE_INBOX), "no rules at first");
    r = a_rule("second", 20);
    is_rc(store_rule_put(fx.conn, &r), PH_OK, "a rule is added");
    second = r.id;
    r = a_rule("first", 10);
    is_rc(store_rule_put(fx.conn, &r), PH_OK, "another one");
    first = r.id;
    ok(first && second && first != second, "with ids of their own");
    ok(has_rules(STORE_INBOX), "the folder has rules");

    is_rc(store_rules(fx.conn, STORE_INBOX, fx.pool, &n, &list), PH_OK,
          "the rules are listed");
    ok(n == 2 && list[0].id == first && list[1].id == second,
       "in the order of their sequence");
    ok(ph_str_eq(list[0].name, S("first")) && list[0].has_condition
       && !list[0].has_provider_data, "as they were");

    r = list[0];
    r.has_provider_data = true;
    r.provider_data = S("x\0y");
    r.has_name = false;
    r.sequence = 30;
    is_rc(store_rule_put(fx.conn, &r), PH_OK, "one is changed");
    is_rc(store_rule_find(fx.conn, STORE_INBOX, first, fx.pool, &r), PH_OK,
          "and found");
    ok(!r.has_name && r.sequence == 30 && r.has_provider_data, "changed");
    is_rc(store_rule_find(fx.conn, STORE_SENT, first, fx.pool, &r),
          PH_NOTFOUND, "not in another folder");

    is_rc(store_rule_state(fx.conn, first, ST_ERROR, ST_ENABLED), PH_OK,
          "its state is changed");
    store_rule_find(fx.conn, STORE_INBOX, first, fx.pool, &r);
    ok(r.state == ST_ERROR, "which shows");

    memset(&actor, 0, sizeof(actor));
    is_rc(store_folder_copy(fx.conn, STORE_INBOX, STORE_IPM_SUBTREE, S("copy"),
                            false, &actor, &copy), PH_OK,
          "the folder is copied");
    store_rules(fx.conn, copy, fx.pool, &n, &list);
    ok(n == 2 && list[0].id != second && list[0].folder == copy,
       "its rules too");
    is_rc(store_folder_delete(fx.conn, copy, STORE_DEL_HARD
                              | STORE_DEL_MESSAGES, &(bool) { false }), PH_OK,
          "the copy is deleted");
    store_rules(fx.conn, copy, fx.pool, &n, &list);
    ok(n == 0, "its rules are gone");

    big = ph_pcalloc(fx.pool, STORE_RULES_BYTES_MAX);
    r = a_rule("big", 1);
    r.actions = (ph_str_t) { STORE_RULES_BYTES_MAX / 2, (uint8_t *) big };
    is_rc(store_rule_put(fx.conn, &r), PH_OK, "a large rule");
    r.id = 0;
    is_rc(store_rule_put(fx.conn, &r), PH_TOOBIG, "but not two of them");

    is_rc(store_rule_remove(fx.conn, STORE_INBOX, first), PH_OK, "removed");
    is_rc(store_rule_remove(fx.conn, STORE_INBOX, first), PH_NOTFOUND,
          "once");
    is_rc(store_rules_clear(fx.conn, STORE_INBOX), PH_OK, "all removed");
    ok(!has_rules(STORE_INBOX), "no rules left");
    fx_commit();
}

static void
test_replies(void)
{
    uint64_t      sent;
    store_rule_t  r;

    fx_begin();
    r = a_rule("reply", 1);
    store_rule_put(fx.conn, &r);
    store_reply_last(fx.conn, r.id, S("X@Test"), &sent);
    ok(sent == 0, "nobody had a reply");
    is_rc(store_reply_note(fx.conn, r.id, S("x@TEST")), PH_OK, "noted");
    store_reply_last(fx.conn, r.id, S("X@Test"), &sent);
    ok(sent != 0, "in any case of letters");
    store_reply_last(fx.conn, 0, S("x@test"), &sent);
    ok(sent == 0, "each rule for itself");
    store_rule_remove(fx.conn, STORE_INBOX, r.id);
    store_reply_last(fx.conn, r.id, S("X@Test"), &sent);
    ok(sent == 0, "gone with its rule");
    fx_commit();
}

static void
test_oof(void)
{
    uint32_t       tag = PR_OOF_STATE;
    uint64_t       sent;
    mapi_tags_t    tags = { 1, &tag };
    store_oof_t    oof;
    mapi_value_t   v;
    mapi_values_t  got, set = { 1, &v };

    fx_begin();
    is_rc(store_oof_get(fx.conn, fx.pool, &oof), PH_OK, "never set");
    ok(oof.state == STORE_OOF_OFF, "off");
    oof.state = STORE_OOF_SCHEDULED;
    oof.start = 1000;
    oof.end = 1000;
    is_rc(store_oof_set(fx.conn, &oof), PH_INVALID, "no time at all");
    oof.end = 2000;
    oof.audience = STORE_OOF_KNOWN;
    oof.internal_text = S("away");
    oof.external_subject = S("gone");
    is_rc(store_oof_set(fx.conn, &oof), PH_OK, "scheduled");
    memset(&oof, 0, sizeof(oof));
    store_oof_get(fx.conn, fx.pool, &oof);
    ok(oof.start == 1000 && oof.end == 2000 && oof.audience == 1
       && ph_str_eq(oof.internal_text, S("away"))
       && ph_str_eq(oof.external_subject, S("gone"))
       && oof.external_text.len == 0, "read again");
    ok(!store_oof_active(&oof, 999) && store_oof_active(&oof, 1000)
       && !store_oof_active(&oof, 2000), "in effect in its time");

    store_get(fx.conn, &tags, STORE_NO_LIMIT, fx.pool, &got);
    ok(got.v[0].tag == PR_OOF_STATE && !got.v[0].u.b, "PR_OOF_STATE is off");
    store_reply_note(fx.conn, 0, S("x@test"));
    v = v_bool(PR_OOF_STATE, true);
    store_set(fx.conn, &set, fx.pool, NULL);
    store_get(fx.conn, &tags, STORE_NO_LIMIT, fx.pool, &got);
    ok(got.v[0].tag == PR_OOF_STATE && got.v[0].u.b, "a client sets it");
    store_reply_last(fx.conn, 0, S("x@test"), &sent);
    ok(sent == 0, "everybody hears of it once more");
    store_oof_get(fx.conn, fx.pool, &oof);
    ok(oof.state == STORE_OOF_ON && ph_str_eq(oof.internal_text, S("away")),
       "with the text it had");
    fx_commit();
}

static void
count_finding(void *data, store_bad_t what, bool repaired, const char *text)
{
    (void) repaired;
    (void) text;
    *(unsigned *) data += (what == STORE_BAD_ROW);
}

static void
test_damaged(void)
{
    unsigned      found = 0;
    uint32_t      findings;
    uint64_t      objects;
    store_rule_t  r;

    fx_begin();
    r = a_rule("damaged", 1);
    r.condition = S("\x63");
    store_rule_put(fx.conn, &r);
    fx_commit();
    store_check(fx.conn, 0, count_finding, &found, &objects, &findings);
    ok(found == 1, "a rule that does not decode is found");
}

int
main(void)
{
    fx_start("en_US");
    test_rules();
    test_replies();
    test_oof();
    fx_check("afterwards");
    test_damaged();
    return fx_end();
}
