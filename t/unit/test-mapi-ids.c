#include "mapi_fixture.h"

#include "mapi/mapi_codepage.h"
#include "mapi/mapi_conversation.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_names.h"
#include "mapi/mapi_recipient.h"

static const mapi_guid_t  store_guid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    12, 13, 14, 15, 16 } };
static const mapi_guid_t  replica = { { 0xAA, 0xBB } };

static void
test_ids(void)
{
    mapi_eid_t   id = mapi_eid(1, 0x010203040506);
    uint8_t      wire[8];
    char         text[MAPI_GUID_TEXT];
    mapi_guid_t  g;

    memcpy(wire, &id, 8);
    ok(memcmp(wire, "\1\0\1\2\3\4\5\6", 8) == 0, "an id on the wire");
    is_int(mapi_eid_counter(id), 0x010203040506, "its counter");
    is_int(mapi_eid_replid(id), 1, "its replica");

    mapi_guid_text(&mapi_guid_PSETID_COMMON, text);
    is_cstr(text, "00062008-0000-0000-c000-000000000046", "a GUID as text");
    is_int(mapi_guid_parse(ph_str_lit("{00062008-0000-0000-C000-"
        "000000000046}"), &g), PH_OK, "and back");
    ok(mapi_guid_eq(&g, &mapi_guid_PSETID_COMMON), "the same");
    is_cstr(mapi_guid_name(&g), "PSETID_COMMON", "its name");
    is_int(mapi_guid_parse(ph_str_lit("00062008-0000-0000-c000-"
        "00000000004g"), &g), PH_INVALID, "not a digit");
    is_int(mapi_guid_parse(ph_str_lit("00062008x0000-0000-c000-"
        "000000000046"), &g), PH_INVALID, "not a hyphen");

    is_cstr(mapi_tag_name(PR_SUBJECT), "PR_SUBJECT", "name of a tag");
    is_cstr(mapi_tag_name(MAPI_RETYPE(PR_SUBJECT, PT_STRING8)), "PR_SUBJECT",
        "also of its 8-bit type");
    ok(mapi_tag_name(MAPI_TAG(0x7FFF, PT_LONG)) == NULL, "or none");
    is_int(mapi_tag_by_name(ph_str_lit("PidTagSubject")), PR_SUBJECT,
        "tag of a name");
    is_cstr(mapi_error_name(0x8004010F), "ecNotFound", "name of an error");
    is_int(ecFolderCycle, 0x8004060B, "an alias");
}

static void
test_entryids(void)
{
    ph_pool_t       *pool = ph_pool_create("test", 0);
    mapi_entryid_t   e, back;
    uint8_t          fid[MAPI_FOLDER_EID], mid[MAPI_MESSAGE_EID];
    uint8_t          sv[MAPI_SVREID];
    ph_str_t         s, a, b, c;
    uint32_t         type;
    uint16_t         flags;
    mapi_eid_t       f, m;

    memset(&e, 0, sizeof(e));
    e.provider = store_guid;
    e.type = EITLT_PRIVATE_MESSAGE;
    e.folder_db = replica;
    e.folder_counter = 0x0D;
    e.message_db = replica;
    e.message_counter = 0x10203;
    mapi_entryid_message(mid, &e);
    s = (ph_str_t) { sizeof(mid), mid };
    is_int(mapi_entryid_kind(s), MAPI_EID_MESSAGE, "a message's entry id");
    ok(memcmp(mid, "\0\0\0\0\1\2", 6) == 0 && mid[20] == 7 && mid[43] == 0x0D
        && memcmp(mid + 62, "\0\0\0\1\2\3\0\0", 8) == 0, "its bytes");
    is_int(mapi_entryid_parse(s, &back), PH_OK, "parses");
    ok(memcmp(&e, &back, sizeof(e)) == 0, "to the same");

    e.type = EITLT_PRIVATE_FOLDER;
    mapi_entryid_folder(fid, &e);
    s = (ph_str_t) { sizeof(fid), fid };
    is_int(mapi_entryid_kind(s), MAPI_EID_FOLDER, "a folder's");
    is_int(mapi_entryid_parse(s, &back), PH_OK, "parses");
    ok(back.folder_counter == 0x0D && back.message_counter == 0, "right");
    s.len--;
    is_int(mapi_entryid_parse(s, &back), PH_INVALID, "a byte short");

    is_int(mapi_entryid_ab(pool, DT_DISTLIST, ph_str_lit("/o=x/cn=y"), &s),
        PH_OK, "an address book entry id");
    is_int(s.len, 28 + 9 + 1, "its length");
    is_int(mapi_entryid_kind(s), MAPI_EID_AB, "its kind");
    is_int(mapi_entryid_ab_parse(s, &type, &a), PH_OK, "parses");
    ok(type == DT_DISTLIST && ph_str_eq_c(a, "/o=x/cn=y"), "right");
    s.len--;
    is_int(mapi_entryid_ab_parse(s, &type, &a), PH_INVALID,
        "a DN without an end");

    is_int(mapi_entryid_oneoff(pool, 0, ph_str_lit("J\xC3\xBCrgen"),
        ph_str_lit("SMTP"), ph_str_lit("j@x"), &s), PH_OK, "a one-off");
    is_int(mapi_entryid_kind(s), MAPI_EID_ONEOFF, "its kind");
    is_int(mapi_entryid_oneoff_parse(pool, 1252, s, &flags, &a, &b, &c),
        PH_OK, "parses");
    ok(ph_str_eq_c(a, "J\xC3\xBCrgen") && ph_str_eq_c(b, "SMTP")
        && ph_str_eq_c(c, "j@x") && flags == MAPI_ONEOFF_UNICODE, "right");
    s = fix_hex("00000000 812b1fa4bea310199d6e00dd010f5402 0000 0000"
                " 4ae400 534d545000 6a00");
    is_int(mapi_entryid_oneoff_parse(pool, 1252, s, &flags, &a, &b, &c),
        PH_OK, "an 8-bit one");
    is_str(a, "J\xC3\xA4", "its name by the code page");
    fix_free(s);

    is_int(mapi_entryid_store(pool, false, ph_str_lit("srv"),
        ph_str_lit("/o=x"), &s), PH_OK, "a store's");
    is_int(mapi_entryid_kind(s), MAPI_EID_STORE, "its kind");

    mapi_svreid_make(sv, mapi_eid(1, 5), mapi_eid(1, 6), 7);
    is_int(mapi_svreid_parse((ph_str_t) { sizeof(sv), sv }, &f, &m, &type),
        PH_OK, "a server id");
    ok(f == mapi_eid(1, 5) && m == mapi_eid(1, 6) && type == 7, "right");
    sv[0] = 0;
    is_int(mapi_svreid_parse((ph_str_t) { sizeof(sv), sv }, &f, &m, &type),
        PH_INVALID, "a foreign one");
    ph_pool_destroy(&pool);
}

static void
test_pcl(void)
{
    /* two namespaces, A before B; counters 5 and 6 */
    const char *a5 = "16 aa000000000000000000000000000000 000000000005";
    const char *a6 = "16 aa000000000000000000000000000000 000000000006";
    const char *b1 = "11 bb000000000000000000000000000000 01";
    ph_pool_t  *pool = ph_pool_create("test", 0);
    char        text[300];
    ph_str_t    p5 = fix_hex(a5), p6 = fix_hex(a6), pb = fix_hex(b1);
    ph_str_t    p5b, out, x6 = { p6.len - 1, p6.data + 1 };
    ph_wbuf_t   b;

    (void) snprintf(text, sizeof(text), "%s %s", a5, b1);
    p5b = fix_hex(text);
    ok(mapi_pcl_valid(p5) && mapi_pcl_valid(p5b), "lists");
    ok(!mapi_pcl_valid((ph_str_t) { p5.len - 1, p5.data }), "one short");
    is_int(mapi_pcl_compare(p5, p5), MAPI_PCL_EQUAL, "equal");
    is_int(mapi_pcl_compare(p6, p5), MAPI_PCL_INCLUDES, "later");
    is_int(mapi_pcl_compare(p5, p6), MAPI_PCL_INCLUDED, "earlier");
    is_int(mapi_pcl_compare(p5b, p5), MAPI_PCL_INCLUDES, "more");
    is_int(mapi_pcl_compare(p5b, p6), MAPI_PCL_CONFLICT, "conflict");
    is_int(mapi_pcl_compare(ph_str_lit(""), p6), MAPI_PCL_INCLUDED,
        "nothing is included");
    is_int(mapi_pcl_merge(pool, p5b, p6, &out), PH_OK, "merges");
    (void) snprintf(text, sizeof(text), "%s %s", a6, b1);
    ph_wbuf_init(&b, pool, 1000);
    ph_put_str(&b, out);
    fix_is(&b, text, "to the greater of each");
    is_int(mapi_pcl_add(pool, pb, x6, &out), PH_OK, "adds");
    is_int(mapi_pcl_compare(out, p6), MAPI_PCL_INCLUDES, "what it should");
    ok(mapi_pcl_valid(out), "in order");
    is_int(mapi_pcl_merge(pool, ph_str_lit("\x05" "abcde"), p6, &out),
        PH_INVALID, "no list");
    fix_free(p5);
    fix_free(p6);
    fix_free(pb);
    fix_free(p5b);
    ph_pool_destroy(&pool);
}

static void
test_recipients(void)
{
    static const uint32_t  tags[] = { PR_OBJECT_TYPE, PR_SMTP_ADDRESS };
    mapi_tags_t            cols = { 2, tags };
    ph_pool_t             *pool = ph_pool_create("test", 0);
    ph_str_t               in;
    ph_wbuf_t              b;
    ph_cur_t               cur;
    mapi_recipient_t       r;
    mapi_tags_t            used;

    /* SMTP, e-mail and display name in UTF-16, same transmittable name */
    in = fix_hex("5b02 6100 4000 7800 0000 4100 0000 0200"
                 " 01 00 06000000 0a 0f010480");
    ph_cur_init(&cur, in.data, in.len);
    is_int(mapi_recipient_row_decode(&cur, pool, &fix_rop, cols, 2, &r),
        PH_OK, "an SMTP recipient");
    is_int(ph_cur_left(&cur), 0, "to the end");
    is_str(mapi_find(&r.props, PR_ADDRTYPE)->u.str, "SMTP", "address type");
    is_str(mapi_find(&r.props, PR_EMAIL_ADDRESS)->u.str, "a@x", "address");
    is_str(mapi_find(&r.props, PR_TRANSMITABLE_DISPLAY_NAME)->u.str, "A",
        "transmittable name");
    is_int(mapi_find(&r.props, PR_RECIPIENT_TYPE)->u.i4, 2, "Cc");
    ok(mapi_find(&r.props, PR_SMTP_ADDRESS) == NULL, "an absent column");
    is_int(mapi_find(&r.props, PR_OBJECT_TYPE)->u.i4, 6, "a column");
    ph_wbuf_init(&b, pool, 1000);
    is_int(mapi_recipient_row_encode(&b, &fix_rop, cols, &r), PH_OK,
        "encodes");
    ok(b.len == in.len && memcmp(b.data, in.data, b.len) == 0,
        "to the same bytes");
    is_int(mapi_recipient_columns(pool, &r, 1, &used), PH_OK, "columns");
    ok(used.n == 1 && used.tag[0] == PR_OBJECT_TYPE, "but the fixed ones");
    ph_wbuf_init(&b, pool, 1000);
    r.row_id = 9;
    is_int(mapi_recipient_read_row_encode(&b, &fix_rop, cols, &r), PH_OK,
        "a ReadRecipientRow");
    ok(memcmp(b.data, "\x09\0\0\0\x02\xE4\x04\0\0", 9) == 0
        && b.len == in.len + 11, "with its header");
    ph_wbuf_init(&b, pool, 20);
    is_int(mapi_recipient_read_row_encode(&b, &fix_rop, cols, &r),
        PH_TOOBIG, "that does not fit");
    ok(b.len == 0, "leaves nothing");
    for (size_t n = 0; n < in.len; n++) {
        ph_str_t  part = { n, memcpy(malloc(n ? n : 1), in.data, n) };

        ph_cur_init(&cur, part.data, n);
        if (mapi_recipient_row_decode(&cur, pool, &fix_rop, cols, 1, &r)
            == PH_OK)
        {
            fail("%zu of %zu bytes decode", n, in.len);
        }
        fix_free(part);
    }
    fix_free(in);

    /* Exchange, 8-bit display name */
    in = fix_hex("5100 00 01 2f6f3d7800 44e400 0000 00");
    ph_cur_init(&cur, in.data, in.len);
    is_int(mapi_recipient_row_decode(&cur, pool, &fix_rop, cols, 1, &r),
        PH_OK, "an Exchange recipient");
    is_str(mapi_find(&r.props, PR_ADDRTYPE)->u.str, "EX", "address type");
    is_str(mapi_find(&r.props, PR_EMAIL_ADDRESS)->u.str, "/o=x", "DN");
    is_str(mapi_find(&r.props, PR_DISPLAY_NAME)->u.str, "D\xC3\xA4", "name");
    is_int(mapi_find(&r.props, PR_DISPLAY_TYPE)->u.i4, 1, "display type");
    fix_free(in);

    in = fix_hex("0000 0300 00");
    ph_cur_init(&cur, in.data, in.len);
    is_int(mapi_recipient_row_decode(&cur, pool, &fix_rop, cols, 1, &r),
        PH_INVALID, "more columns than there are");
    fix_free(in);
    ph_pool_destroy(&pool);
}

static void
test_codepages(void)
{
    static const struct {
        uint32_t     cpid;
        const char  *bytes;
        const char  *utf8;
    } t[] = {
        { 1252, "\x80\xE4", "\xE2\x82\xAC\xC3\xA4" },
        { 0, "\xE4", "\xC3\xA4" },
        { 1251, "\xCF\xF0", "\xD0\x9F\xD1\x80" },
        { 932, "\x93\xFA\x96\x7B", "\xE6\x97\xA5\xE6\x9C\xAC" },
        { 65001, "\xC3\xA4", "\xC3\xA4" },
        { 28605, "\xA4", "\xE2\x82\xAC" },
        { 99999, "\xE4", "\xC3\xA4" },
    };
    ph_pool_t  *pool = ph_pool_create("test", 0);
    ph_wbuf_t   b;
    ph_str_t    s;

    for (size_t i = 0; i < ph_nelts(t); i++) {
        ok(mapi_codepage_decode(pool, t[i].cpid, ph_str_c(t[i].bytes), &s)
            == PH_OK, "from code page %u", t[i].cpid);
        is_str(s, t[i].utf8, "as it should be");
        ph_wbuf_init(&b, pool, 100);
        mapi_codepage_encode(&b, t[i].cpid, s);
        is_str(ph_wbuf_str(&b), t[i].bytes, "and back");
    }
    is_int(mapi_codepage_decode(pool, 932, ph_str_lit("a\x93"), &s), PH_OK,
        "half a character");
    is_str(s, "a\xEF\xBF\xBD", "is replaced");
    ph_wbuf_init(&b, pool, 100);
    mapi_codepage_encode(&b, 1252, ph_str_lit("a\xE6\x97\xA5z"));
    is_str(ph_wbuf_str(&b), "a?z", "what a code page does not have");
    is_int(mapi_codepage_by_charset(ph_str_lit("iso-8859-15")), 28605,
        "a charset");
    is_int(mapi_codepage_by_charset(ph_str_lit("nonsense")), 0, "none");
    ph_pool_destroy(&pool);
}

static void
test_named(void)
{
    ph_pool_t          *pool = ph_pool_create("test", 0);
    mapi_named_prop_t   p = mapi_named_prop(MAPI_NP(PidLidReminderSet));
    mapi_names_t        names = { 0, NULL };
    mapi_propname_t     n;
    uint16_t            first;
    char                text[20];

    is_int(p.name.lid, 0x8503, "the LID of PidLidReminderSet");
    is_int(p.type, PT_BOOLEAN, "its type");
    is_int(mapi_named_find(&p.name), MAPI_NP(PidLidReminderSet), "found");
    first = mapi_names_id(pool, &names, &p.name);
    is_int(first, 0x8000, "the first id of a message");
    for (int i = 0; i < 100; i++) {
        n = p.name;
        n.kind = 1;
        (void) snprintf(text, sizeof(text), "name %d", i);
        n.name = ph_pstrdup(pool, ph_str_c(text));
        is_int(mapi_names_id(pool, &names, &n), 0x8001 + i, "the next");
    }
    is_int(mapi_names_id(pool, &names, &p.name), first, "known again");
    ok(mapi_propname_eq(mapi_names_name(&names, first), &p.name), "by id");
    ok(mapi_names_name(&names, 0x9000) == NULL, "or not");
    ph_pool_destroy(&pool);
}

static void
test_conversation(void)
{
    ph_pool_t    *pool = ph_pool_create("test", 0);
    uint8_t       head[MAPI_CONVERSATION_HEADER];
    uint64_t      t = 0x01D0112233445566;
    ph_str_t      reply, again;
    mapi_guid_t   g;

    mapi_conversation_new(head, t, &store_guid);
    ok(memcmp(head, "\x01\xD0\x11\x22\x33\x44\x01\x02", 8) == 0, "header");
    is_int(mapi_conversation_reply(pool, (ph_str_t) { sizeof(head), head },
        t + (10ull << 18), &replica, 0x7B, &reply), PH_OK, "a reply");
    is_int(reply.len, 27, "5 bytes more");
    ok(memcmp(reply.data + 22, "\0\0\0\x0A\x7B", 5) == 0, "its difference");
    is_int(mapi_conversation_reply(pool, reply, t + (30ull << 18), &replica,
        1, &again), PH_OK, "a reply to it");
    ok(memcmp(again.data + 27, "\0\0\0\x14\x01", 5) == 0,
        "counted from the reply");
    is_int(mapi_conversation_guid(again, &g), PH_OK, "its GUID");
    ok(mapi_guid_eq(&g, &store_guid), "is the first one's");
    is_int(mapi_conversation_reply(pool, ph_str_lit("junk"), t, &replica, 1,
        &again), PH_OK, "a reply to nothing");
    is_int(again.len, 22, "begins anew");
    is_int(mapi_conversation_guid(ph_str_lit("junk"), &g), PH_INVALID,
        "junk has no GUID");
    ph_pool_destroy(&pool);
}

int
main(void)
{
    test_ids();
    test_entryids();
    test_pcl();
    test_recipients();
    test_codepages();
    test_named();
    test_conversation();
    return done_testing();
}
