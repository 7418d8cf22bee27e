#include "mapi_fixture.h"

#include "mapi/mapi_guid.h"
#include "mapi/mapi_pack.h"
#include "mapi/mapi_rule.h"

/* wire forms of one tagged value; the third is of MAPI_FORM_AB */
static const struct {
    const char  *name;
    const char  *rop;
    const char  *wide;
    const char  *ab;
    const char  *dump;
} cases[] = {
    { "PT_LONG", "0300 170e 05000000", NULL, NULL, "PR_MSG_STATUS=5" },
    { "PT_I2", "0200 0268 ffff", NULL, NULL, NULL },
    { "PT_BOOLEAN", "0b00 1b0e 01", NULL, NULL, "PR_HASATTACH=true" },
    { "PT_ERROR", "0a00 3700 0f010480", NULL, NULL, NULL },
    { "PT_NULL", "0100 0100", NULL, NULL, NULL },
    { "PT_R4", "0400 0170 0000803f", NULL, NULL, "0x70010004=1" },
    { "PT_DOUBLE", "0500 0170 000000000000f03f", NULL, NULL,
      "0x70010005=1" },
    { "PT_CURRENCY", "0600 0170 1027000000000000", NULL, NULL, NULL },
    { "PT_APPTIME", "0700 0170 000000000000f03f", NULL, NULL, NULL },
    { "PT_I8", "1400 4867 0100000000000001", NULL, NULL, NULL },
    { "PT_SYSTIME", "4000 060e 0080 3ed5 deb1 9d01", NULL, NULL,
      "PR_MESSAGE_DELIVERY_TIME=1970-01-01T00:00:00.0000000Z" },
    { "PT_CLSID", "4800 0170 00112233445566778899aabbccddeeff", NULL, NULL,
      "0x70010048=33221100-5544-7766-8899-aabbccddeeff" },
    { "PT_UNICODE", "1f00 3700 6100 e400 ac20 3dd8 00de 0000", NULL,
      "1f00 3700 ff 6100 e400 ac20 3dd8 00de 0000",
      "PR_SUBJECT=\"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
    { "PT_STRING8", "1e00 3700 61 e4 80 00", NULL,
      "1e00 3700 ff 61 e4 80 00", "PR_SUBJECT=\"a\xC3\xA4\xE2\x82\xAC\"" },
    { "PT_BINARY", "0201 ff0f 0200 abcd", "0201 ff0f 02000000 abcd",
      "0201 ff0f ff 02000000 abcd", "PR_ENTRYID=2:abcd" },
    { "PT_SVREID", "fb00 0170 0300 010203", NULL, NULL, NULL },
    { "PT_MV_LONG", "0310 0170 02000000 01000000 ffffffff", NULL,
      "0310 0170 ff 02000000 01000000 ffffffff", "0x70011003=[1 -1]" },
    { "PT_MV_UNICODE", "1f10 0170 02000000 6100 0000 0000", NULL,
      "1f10 0170 ff 02000000 ff 6100 0000 ff 0000", NULL },
    { "PT_MV_BINARY", "0211 0170 01000000 0100 aa",
      "0211 0170 01000000 01000000 aa",
      "0211 0170 ff 01000000 ff 01000000 aa", NULL },
    { "PT_MV_CLSID", "4810 0170 01000000 00112233445566778899aabbccddeeff",
      NULL, "4810 0170 ff 01000000 00112233445566778899aabbccddeeff", NULL },
    { "a multi-value instance", "1f30 0170 6100 0000", NULL,
      "1f30 0170 ff 6100 0000", NULL },
    { "PT_SRESTRICTION", "fd00 7966 08 1f003700", NULL, NULL,
      "PR_RULE_CONDITION=exist(PR_SUBJECT)" },
    { "PT_ACTIONS", "fe00 8066 0100 0900 0a 00000000 00000000",
      "fe00 8066 01000000 09000000 0a 00000000 00000000",
      "fe00 8066 01000000 09000000 0a 00000000 00000000", NULL },
};

static void
check_case(size_t i, const mapi_ctx_t *ctx, const char *hex, const char *form)
{
    ph_pool_t     *pool = ph_pool_create("test", 0);
    ph_str_t       in = fix_hex(hex);
    ph_wbuf_t      b;
    ph_cur_t       cur;
    mapi_value_t   v, copy;
    mapi_values_t  vals, back;

    memset(&v, 0x5A, sizeof(v));
    ph_cur_init(&cur, in.data, in.len);
    ok(mapi_value_decode(&cur, pool, ctx, &v) == PH_OK
       && ph_cur_left(&cur) == 0, "%s %s decodes", cases[i].name, form);
    ph_wbuf_init(&b, pool, 1000);
    ok(mapi_value_encode(&b, ctx, &v) == PH_OK, "%s encodes", cases[i].name);
    fix_is(&b, hex, cases[i].name);

    ok(mapi_value_copy(pool, &v, &copy) == PH_OK, "%s copies",
        cases[i].name);
    ok(mapi_value_cmp(&v, &copy) == 0, "and the copy is the same");

    vals = (mapi_values_t) { 1, &copy };
    ph_wbuf_init(&b, pool, 1000);
    ok(mapi_values_encode(&b, &vals) == PH_OK, "%s packs", cases[i].name);
    ph_cur_init(&cur, b.data, b.len);
    ok(mapi_values_decode(&cur, pool, &back) == PH_OK && back.n == 1,
        "and unpacks");
    ph_wbuf_init(&b, pool, 1000);
    ok(mapi_value_encode(&b, ctx, &back.v[0]) == PH_OK, "to the same");
    fix_is(&b, hex, cases[i].name);

    if (cases[i].dump != NULL) {
        ph_wbuf_init(&b, pool, 1000);
        mapi_value_dump(&b, &v);
        is_str(ph_wbuf_str(&b), cases[i].dump, "dump");
    }

    /* every shorter input is refused, without a read behind its end */
    for (size_t n = 0; n < in.len; n++) {
        ph_str_t  part = { n, memcpy(malloc(n ? n : 1), in.data, n) };

        ph_cur_init(&cur, part.data, n);
        if (mapi_value_decode(&cur, pool, ctx, &v) == PH_OK) {
            fail("%s: %zu of %zu bytes decode", cases[i].name, n, in.len);
        }
        fix_free(part);
    }
    fix_free(in);
    ph_pool_destroy(&pool);
}

static void
test_values(void)
{
    for (size_t i = 0; i < ph_nelts(cases); i++) {
        check_case(i, &fix_rop, cases[i].rop, "in a ROP");
        check_case(i, &fix_wide, cases[i].wide ? cases[i].wide
            : cases[i].rop, "wide");
        check_case(i, &fix_ab, cases[i].ab ? cases[i].ab : cases[i].rop,
            "in the address book");
    }
}

static void
test_refused(void)
{
    static const struct {
        const char  *name;
        const char  *hex;
    } bad[] = {
        { "an unknown type", "2100 3700 00000000" },
        { "PT_UNSPECIFIED", "0000 3700" },
        { "a huge multi-value", "0310 0170 ffffff7f 01000000" },
        { "a string without an end", "1f00 3700 6100" },
        { "a restriction in a restriction",
          "fd00 7966 04 04 fd007966 fd007966 ff" },
        { "a rule in a rule", "fe00 8066 0100 1100 09 00000000 00000000 "
          "fe008066 00000000" },
    };
    ph_pool_t     *pool = ph_pool_create("test", 0);
    ph_cur_t       cur;
    mapi_value_t   v;

    for (size_t i = 0; i < ph_nelts(bad); i++) {
        ph_str_t  in = fix_hex(bad[i].hex);

        ph_cur_init(&cur, in.data, in.len);
        ok(mapi_value_decode(&cur, pool, &fix_rop, &v) == PH_INVALID,
            "%s is refused", bad[i].name);
        fix_free(in);
    }
    ph_pool_destroy(&pool);
}

static void
test_rows(void)
{
    static const uint32_t  tags[] = {
        PR_SUBJECT, PR_MSG_STATUS, MAPI_TAG(0x0FFF, PT_UNSPECIFIED)
    };
    static uint8_t         big[70000];
    mapi_tags_t            cols = { ph_nelts(tags), tags };
    ph_pool_t             *pool = ph_pool_create("test", 0);
    ph_wbuf_t              b;
    ph_cur_t               cur;
    mapi_value_t           v[3], *back;

    memset(v, 0, sizeof(v));
    v[0].tag = MAPI_RETYPE(PR_SUBJECT, PT_STRING8);
    v[0].u.str = ph_str_lit("x");
    v[1].tag = PR_MSG_STATUS;
    v[1].u.i4 = 7;
    v[2].tag = PR_ENTRYID;
    v[2].u.bin = ph_str_lit("\x01\x02");
    ph_wbuf_init(&b, pool, 1000);
    is_int(mapi_row_encode(&b, &fix_rop, cols, v), PH_OK, "a standard row");
    fix_is(&b, "00 7800 0000 07000000 0201 0200 0102", "its bytes");
    ph_cur_init(&cur, b.data, b.len);
    is_int(mapi_row_decode(&cur, pool, &fix_rop, cols, &back), PH_OK,
        "comes back");
    ok(back[0].tag == PR_SUBJECT && back[2].tag == PR_ENTRYID
        && back[1].u.i4 == 7, "with the types of the columns");

    v[1].tag = MAPI_RETYPE(PR_MSG_STATUS, PT_ERROR);
    v[1].u.err = ecNotFound;
    ph_wbuf_init(&b, pool, 1000);
    is_int(mapi_row_encode(&b, &fix_rop, cols, v), PH_OK, "a flagged row");
    fix_is(&b, "01 00 7800 0000 0a 0f010480 0201 00 0200 0102", "its bytes");
    ph_cur_init(&cur, b.data, b.len);
    is_int(mapi_row_decode(&cur, pool, &fix_rop, cols, &back), PH_OK,
        "comes back");
    ok(MAPI_TYPE(back[1].tag) == PT_ERROR && back[1].u.err == ecNotFound,
        "with the error");

    v[1].tag = PR_MSG_STATUS;
    v[1].u.i4 = 7;
    v[2].tag = PR_ENTRYID;
    v[2].u.bin = (ph_str_t) { sizeof(big), big };
    ph_wbuf_init(&b, pool, 200000);
    is_int(mapi_row_encode(&b, &fix_rop, cols, v), PH_OK,
        "a value longer than its length field");
    fix_is(&b, "01 00 7800 0000 00 07000000 0a00 0a 0e000780",
        "becomes ecMAPIOOM");

    v[0].tag = PR_MSG_STATUS;
    v[2].u.bin = ph_str_lit("");
    ph_wbuf_init(&b, pool, 1000);
    is_int(mapi_row_encode(&b, &fix_rop, cols, v), PH_OK,
        "a value of another type");
    fix_is(&b, "01 0a 0f010480 00 07000000 0201 00 0000", "is not found");

    v[0].tag = PR_SUBJECT;
    v[0].u.str = ph_str_lit("0123456789");
    ph_wbuf_init(&b, pool, 16);
    ph_put_u8(&b, 0xEE);
    is_int(mapi_row_encode(&b, &fix_rop, cols, v), PH_TOOBIG,
        "a row that does not fit");
    ok(b.len == 1 && !b.error, "leaves nothing in the buffer");
    ph_pool_destroy(&pool);
}

static void
test_names_and_strings(void)
{
    ph_pool_t           *pool = ph_pool_create("test", 0);
    ph_wbuf_t            b;
    ph_cur_t             cur;
    mapi_propname_t      n = { .kind = 1, .guid = mapi_guid_PS_MAPI,
                               .name = ph_str("ab") };
    mapi_propname_t      m, back;
    mapi_typed_string_t  s, out;

    ph_wbuf_init(&b, pool, 1000);
    is_int(mapi_propname_encode(&b, &fix_rop, &n), PH_OK, "a named name");
    fix_is(&b, "01 28030200 0000 0000 c000000000000046 06 6100 6200 0000",
        "its bytes");
    ph_cur_init(&cur, b.data, b.len);
    ok(mapi_propname_decode(&cur, pool, &fix_rop, &back) == PH_OK
        && mapi_propname_eq(&n, &back), "comes back");
    m = n;
    m.name = ph_str_lit("AB");
    ok(!mapi_propname_eq(&n, &m), "case matters");
    n.guid = m.guid = mapi_guid_PS_INTERNET_HEADERS;
    ok(mapi_propname_eq(&n, &m), "but not in header names");

    static const struct {
        const char  *text;
        const char  *hex;
    } typed[] = {
        { NULL, "00" }, { "", "01" }, { "RE: ", "03 52453a20 00" },
        { "\xC3\xA4", "03 e4 00" }, { "\xE2\x82\xAC", "04 ac20 0000" },
    };
    for (size_t i = 0; i < ph_nelts(typed); i++) {
        s = typed[i].text ? ph_str_c(typed[i].text) : ph_str_null;
        ph_wbuf_init(&b, pool, 1000);
        ok(mapi_typed_string_encode(&b, &fix_rop, &s) == PH_OK,
            "typed string %zu", i);
        fix_is(&b, typed[i].hex, "its bytes");
        ph_cur_init(&cur, b.data, b.len);
        ok(mapi_typed_string_decode(&cur, pool, &fix_rop, &out) == PH_OK
            && ph_str_eq(s, out) && (s.data == NULL) == (out.data == NULL),
            "comes back");
    }
    ph_pool_destroy(&pool);
}

static void
test_pack(void)
{
    ph_pool_t      *pool = ph_pool_create("test", 0);
    ph_wbuf_t       b;
    mapi_value_t    v[3], got;
    mapi_values_t   vals = { 3, v };
    mapi_pack_t     p;
    ph_str_t        blob;

    memset(v, 0, sizeof(v));
    v[0].tag = PR_SUBJECT;
    v[0].u.str = ph_str_lit("hello");
    v[1].tag = PR_MESSAGE_CLASS;
    v[1].u.str = ph_str_lit("IPM.Note");
    v[2].tag = PR_MESSAGE_SIZE;
    v[2].u.i4 = 99;
    ph_wbuf_init(&b, pool, 1000);
    is_int(mapi_values_encode(&b, &vals), PH_OK, "packs");
    is_int(mapi_pack_init(&p, ph_wbuf_str(&b)), PH_OK, "opens");
    is_int(mapi_pack_find(&p, PR_SUBJECT, pool, &got), PH_OK, "finds");
    is_str(got.u.str, "hello", "the right one");
    is_int(mapi_pack_find(&p, PR_MESSAGE_SIZE, pool, &got), PH_OK, "finds");
    is_int(got.u.i4, 99, "a number");
    is_int(mapi_pack_find(&p, PR_BODY, pool, &got), PH_NOTFOUND, "or not");
    is_int(mapi_pack_at(&p, 0, pool, &got), PH_OK, "in order of tags");
    is_int(got.tag, PR_MESSAGE_CLASS, "the class first");
    is_int(mapi_pack_at(&p, 3, pool, &got), PH_NOTFOUND, "and no more");

    for (size_t n = 0; n < b.len; n++) {
        blob = (ph_str_t) { n, memcpy(malloc(n ? n : 1), b.data, n) };
        if (mapi_pack_init(&p, blob) == PH_OK) {
            fail("%zu of %zu bytes open", n, b.len);
        }
        fix_free(blob);
    }
    b.data[0] = 2;
    is_int(mapi_pack_init(&p, ph_wbuf_str(&b)), PH_INVALID,
        "another version is refused");
    ph_pool_destroy(&pool);
}

static void
test_message(void)
{
    ph_pool_t          *pool = ph_pool_create("test", 0);
    mapi_value_t        subject = { .tag = PR_SUBJECT,
                                    .u.str = ph_str("inner") };
    mapi_message_t      deep[MAPI_MAX_EMBEDDING + 1], back;
    mapi_attachment_t   att[MAPI_MAX_EMBEDDING + 1];
    mapi_recipient_t    rcpt = { 3, { 1, &subject } };
    mapi_named_t        name = { 0x8000, { .kind = 1,
        .guid = mapi_guid_PS_PUBLIC_STRINGS, .name = ph_str("Keywords") } };
    ph_wbuf_t           b, text;
    ph_cur_t            cur;
    size_t              i;

    memset(deep, 0, sizeof(deep));
    memset(att, 0, sizeof(att));
    for (i = 0; i < ph_nelts(deep); i++) {
        deep[i].props = (mapi_values_t) { 1, &subject };
        deep[i].recipients = &rcpt;
        deep[i].n_recipients = 1;
        if (i + 1 < ph_nelts(deep)) {
            deep[i].n_attachments = 1;
            deep[i].attachments = &att[i];
            att[i].embedded = &deep[i + 1];
        }
    }
    deep[1].names = (mapi_names_t) { 1, &name };
    ph_wbuf_init(&b, pool, 1 << 20);
    is_int(mapi_message_encode(&b, &deep[1]), PH_OK,
        "a message in a message in ... as deep as it may");
    ph_cur_init(&cur, b.data, b.len);
    is_int(mapi_message_decode(&cur, pool, &back), PH_OK, "comes back");
    is_int(ph_cur_left(&cur), 0, "to the end");
    ok(back.recipients[0].row_id == 3 && back.names.n == 1
        && back.names.v[0].id == 0x8000, "with its parts");
    is_str(back.attachments[0].embedded->props.v[0].u.str, "inner",
        "and the message inside");
    ph_wbuf_init(&text, pool, 1 << 20);
    mapi_message_dump(&text, &back);
    ok(!text.error && text.len > 100, "dumps");
    ph_wbuf_init(&b, pool, 1 << 20);
    is_int(mapi_message_encode(&b, &deep[0]), PH_TOOBIG,
        "one deeper is refused");
    ph_pool_destroy(&pool);
}

int
main(void)
{
    test_values();
    test_refused();
    test_rows();
    test_names_and_strings();
    test_pack();
    test_message();
    return done_testing();
}
