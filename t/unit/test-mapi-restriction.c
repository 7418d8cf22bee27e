#include "mapi_fixture.h"

/* ---- wire form and dump ---- */

static const struct {
    const char  *name;
    const char  *rop;
    const char  *ab;
    const char  *dump;
} wire[] = {
    { "and", "00 0200 08 1f003700 08 03001700",
      "00 02000000 08 1f003700 08 03001700",
      "and(exist(PR_SUBJECT) exist(PR_IMPORTANCE))" },
    { "or of nothing", "01 0000", "01 00000000", "or()" },
    { "not", "02 ff", "02 ff", "not(null())" },
    { "content", "03 0100 0100 1f003700 1f003700 6100 0000",
      "03 0100 0100 1f003700 ff 1f003700 ff 6100 0000",
      "content(1:1 PR_SUBJECT PR_SUBJECT=\"a\")" },
    { "property", "04 04 03001700 03001700 02000000",
      "04 04 03001700 ff 03001700 02000000",
      "prop(PR_IMPORTANCE == PR_IMPORTANCE=2)" },
    { "compare", "05 00 03001700 0300080e", "05 00 03001700 0300080e",
      "compare(PR_IMPORTANCE < PR_MESSAGE_SIZE)" },
    { "bitmask", "06 01 0300070e 01000000", "06 01 0300070e 01000000",
      "bitmask(PR_MESSAGE_FLAGS&0x1 != 0)" },
    { "size", "07 02 1f003700 0a000000", "07 02 1f003700 0a000000",
      "size(PR_SUBJECT > 10)" },
    { "sub-object", "09 0d00120e 08 1f000130", "09 0d00120e 08 1f000130",
      "sub(PR_MESSAGE_RECIPIENTS exist(PR_DISPLAY_NAME))" },
    { "comment", "0a 01 03001700 05000000 01 ff", "0a 01 03001700 05000000 "
      "01 ff", "comment(PR_IMPORTANCE=5 null())" },
    { "comment alone", "0a 00 00", "0a 00 00", "comment()" },
    { "count", "0b 07000000 ff", "0b 07000000 ff", "count(7 null())" },
};

static void
check_wire(size_t i, const mapi_ctx_t *ctx, const char *hex)
{
    ph_pool_t            *pool = ph_pool_create("test", 0);
    ph_str_t              in = fix_hex(hex);
    mapi_restriction_t    r, *copy;
    ph_cur_t              cur;
    ph_wbuf_t             b;

    ph_cur_init(&cur, in.data, in.len);
    ok(mapi_restriction_decode(&cur, pool, ctx, &r) == PH_OK
        && ph_cur_left(&cur) == 0, "%s decodes", wire[i].name);
    ok(mapi_restriction_copy(pool, &r, &copy) == PH_OK, "copies");
    ph_wbuf_init(&b, pool, 1000);
    ok(mapi_restriction_encode(&b, ctx, copy) == PH_OK, "encodes");
    fix_is(&b, hex, wire[i].name);
    ph_wbuf_init(&b, pool, 1000);
    mapi_restriction_dump(&b, copy);
    is_str(ph_wbuf_str(&b), wire[i].dump, "dumps");
    for (size_t n = 0; n < in.len; n++) {
        ph_str_t  part = { n, memcpy(malloc(n ? n : 1), in.data, n) };

        ph_cur_init(&cur, part.data, n);
        if (mapi_restriction_decode(&cur, pool, ctx, &r) == PH_OK) {
            fail("%s: %zu of %zu bytes decode", wire[i].name, n, in.len);
        }
        fix_free(part);
    }
    fix_free(in);
    ph_pool_destroy(&pool);
}

static void
test_limits(void)
{
    ph_pool_t           *pool = ph_pool_create("test", 0);
    mapi_restriction_t   r;
    ph_cur_t             cur;
    uint8_t              in[100000];

    memset(in, 2, sizeof(in));
    in[MAPI_MAX_DEPTH - 1] = 0xFF;
    ph_cur_init(&cur, in, MAPI_MAX_DEPTH);
    is_int(mapi_restriction_decode(&cur, pool, &fix_rop, &r), PH_OK,
        "as deep as it may");
    in[MAPI_MAX_DEPTH - 1] = 2;
    ph_cur_init(&cur, in, sizeof(in));
    is_int(mapi_restriction_decode(&cur, pool, &fix_rop, &r), PH_TOOBIG,
        "100,000 levels are too complex");
    memset(in, 0xFF, sizeof(in));
    in[0] = 0;
    in[1] = 0xFF;
    in[2] = 0x0F;
    ph_cur_init(&cur, in, sizeof(in));
    is_int(mapi_restriction_decode(&cur, pool, &fix_rop, &r), PH_OK,
        "4095 children");
    in[1] = 0x00;
    in[2] = 0x10;
    ph_cur_init(&cur, in, sizeof(in));
    is_int(mapi_restriction_decode(&cur, pool, &fix_rop, &r), PH_TOOBIG,
        "one more node is too complex");
    in[1] = in[2] = 0xFF;
    ph_cur_init(&cur, in, 100);
    is_int(mapi_restriction_decode(&cur, pool, &fix_rop, &r), PH_INVALID,
        "a count that the input cannot hold");
    in[0] = 42;
    ph_cur_init(&cur, in, 100);
    is_int(mapi_restriction_decode(&cur, pool, &fix_rop, &r), PH_INVALID,
        "an unknown kind");
    ph_pool_destroy(&pool);
}

/* ---- evaluation ---- */

#define PR_TEST_WORDS  MAPI_TAG(0x7001, PT_MV_UNICODE)
#define PR_TEST_MARK   MAPI_TAG(0x7002, PT_BINARY)
#define PR_TEST_MARK2  MAPI_TAG(0x7003, PT_LONG)

static ph_int_t
row_get(void *data, uint32_t tag, mapi_value_t *v)
{
    static const ph_str_t  words[] = { ph_str("red"), ph_str("Blue") };

    (void) data;
    memset(v, 0, sizeof(*v));
    v->tag = tag;
    switch (tag) {
    case PR_SUBJECT:
        v->u.str = ph_str_lit("Gr\xC3\xBC\xC3\x9F" "e aus K\xC3\xB6ln");
        return PH_OK;
    case PR_IMPORTANCE:
        v->u.i4 = 2;
        return PH_OK;
    case PR_MESSAGE_FLAGS:
        v->u.i4 = 5;
        return PH_OK;
    case PR_TEST_WORDS:
        v->u.mv.n = 2;
        v->u.mv.str = words;
        return PH_OK;
    case PR_TEST_MARK:
        v->u.bin = ph_str_lit("\x01\x02\x03");
        return PH_OK;
    case PR_TEST_MARK2:
        v->u.i4 = 3;
        return PH_OK;
    case PR_BODY:
        v->tag = MAPI_RETYPE(PR_BODY, PT_ERROR);
        v->u.err = ecMAPIOOM;
        return PH_OK;
    case PR_HTML:
        return PH_CORRUPT;
    default:
        return PH_NOTFOUND;
    }
}

static ph_int_t
row_sub(void *data, uint32_t tag, const mapi_restriction_t *r, bool *m)
{
    mapi_eval_t  e = { row_get, NULL, NULL };

    (void) data;
    (void) tag;
    return mapi_restriction_eval(r, &e, m);
}

static void
is_match(const mapi_restriction_t *r, bool want, const char *name)
{
    mapi_eval_t  e = { row_get, row_sub, NULL };
    bool         m = !want;

    ok(mapi_restriction_eval(r, &e, &m) == PH_OK && m == want, "%s", name);
}

static void
test_content(void)
{
    static const struct {
        const char  *value;
        const char  *pattern;
        unsigned     low;
        unsigned     high;
        bool         match;
    } t[] = {
        { "Hello", "Hello", FL_FULLSTRING, 0, true },
        { "Hello", "hello", FL_FULLSTRING, 0, false },
        { "Hello", "hello", FL_FULLSTRING, FL_IGNORECASE, true },
        { "Hello", "Hell", FL_FULLSTRING, 0, false },
        { "Hello", "Hell", FL_PREFIX, 0, true },
        { "Hello", "ell", FL_PREFIX, 0, false },
        { "Hello", "ell", FL_SUBSTRING, 0, true },
        { "Hello", "ELL", FL_SUBSTRING, 0, false },
        { "Hello", "ELL", FL_SUBSTRING, FL_IGNORECASE, true },
        { "Hello", "ELL", FL_SUBSTRING, FL_LOOSE, true },
        { "Hello", "Hello you", FL_SUBSTRING, 0, false },
        { "Hello", "", FL_SUBSTRING, 0, true },
        { "", "", FL_FULLSTRING, 0, true },
        { "K\xC3\x96LN", "k\xC3\xB6ln", FL_FULLSTRING, FL_IGNORECASE, true },
        { "K\xC3\x96LN", "kol", FL_PREFIX, FL_IGNORECASE, false },
        { "K\xC3\x96LN", "kol", FL_PREFIX, FL_IGNORECASE | FL_IGNORENONSPACE,
          true },
        { "Stra\xC3\x9F" "e", "STRASSE", FL_FULLSTRING, FL_IGNORECASE, true },
        { "the quick fox", "qui", FL_PREFIX_ANY_WORD, 0, true },
        { "the quick fox", "uick", FL_PREFIX_ANY_WORD, 0, false },
        { "the quick fox", "quick", FL_PHRASE, 0, true },
        { "the quick fox", "qui", FL_PHRASE, 0, false },
        { "the quick fox", "quick f", FL_PHRASE | FL_PREFIX_ANY_WORD, 0,
          false },
    };
    mapi_value_t  v, p;

    memset(&v, 0, sizeof(v));
    memset(&p, 0, sizeof(p));
    v.tag = p.tag = PR_SUBJECT;
    for (size_t i = 0; i < ph_nelts(t); i++) {
        v.u.str = ph_str_c(t[i].value);
        p.u.str = ph_str_c(t[i].pattern);
        ok(mapi_content_match(&v, &p, (uint16_t) t[i].low,
            (uint16_t) t[i].high) == t[i].match, "`%s' %s `%s' (%x:%x)",
            t[i].value, t[i].match ? "has" : "has not", t[i].pattern,
            t[i].low, t[i].high);
    }
    p.tag = PR_IMPORTANCE;
    ok(!mapi_content_match(&v, &p, 0, 0), "a number is no text");
}

static void
test_eval(void)
{
    mapi_restriction_t  r, kids[2], inner;
    mapi_eval_t         e = { row_get, row_sub, NULL };
    bool                m;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.tag = r.u.prop.value.tag = PR_IMPORTANCE;
    static const struct { uint8_t op; int32_t v; bool m; } ops[] = {
        { RELOP_LT, 3, true }, { RELOP_LT, 2, false }, { RELOP_LE, 2, true },
        { RELOP_GT, 2, false }, { RELOP_GT, 1, true }, { RELOP_GE, 3, false },
        { RELOP_EQ, 2, true }, { RELOP_EQ, 3, false }, { RELOP_NE, 3, true },
        { RELOP_NE, 2, false }, { RELOP_RE, 2, false }, { 77, 2, false },
    };
    for (size_t i = 0; i < ph_nelts(ops); i++) {
        r.u.prop.relop = ops[i].op;
        r.u.prop.value.u.i4 = ops[i].v;
        is_match(&r, ops[i].m, "relation of numbers");
    }
    r.u.prop.tag = PR_MSG_STATUS;
    r.u.prop.relop = RELOP_EQ;
    is_match(&r, false, "an absent property is not equal to anything");
    r.u.prop.relop = RELOP_NE;
    is_match(&r, true, "but not equal to everything");

    r.u.prop.tag = PR_SUBJECT;
    r.u.prop.value.tag = PR_SUBJECT;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.value.u.str = ph_str_lit("GR\xC3\x9C\xC3\x9F" "E aus k\xC3\xB6"
        "ln");
    is_match(&r, true, "texts are equal in any case");
    r.u.prop.value.u.str = ph_str_lit("Grusse aus Koln");
    is_match(&r, false, "but not without their accents");

    r.u.prop.tag = PR_TEST_WORDS;
    r.u.prop.value.tag = MAPI_RETYPE(PR_TEST_WORDS, PT_UNICODE);
    r.u.prop.value.u.str = ph_str_lit("blue");
    is_match(&r, true, "one of several values");
    r.u.prop.tag |= PT_MVI;
    is_match(&r, true, "also asked for as instances");
    r.u.prop.relop = RELOP_NE;
    is_match(&r, false, "not equal: no value may be");
    r.u.prop.value.u.str = ph_str_lit("green");
    is_match(&r, true, "none is");

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_CONTENT;
    r.u.content.tag = r.u.content.value.tag = PR_TEST_MARK;
    r.u.content.value.u.bin = ph_str_lit("\x02\x03");
    r.u.content.low = FL_SUBSTRING;
    is_match(&r, true, "bytes inside bytes");
    r.u.content.low = FL_PREFIX;
    is_match(&r, false, "not as a prefix");
    r.u.content.tag = PR_BODY;
    is_match(&r, false, "an error instead of a value is no value");

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_BITMASK;
    r.u.bitmask.tag = PR_MESSAGE_FLAGS;
    r.u.bitmask.mask = 4;
    is_match(&r, false, "a bit that is not clear");
    r.u.bitmask.nonzero = 1;
    is_match(&r, true, "a bit that is set");
    r.u.bitmask.mask = 8;
    is_match(&r, false, "a bit that is not set");
    r.u.bitmask.nonzero = 0;
    is_match(&r, true, "a bit that is clear");

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_COMPAREPROPS;
    r.u.compare.tag1 = PR_IMPORTANCE;
    r.u.compare.tag2 = PR_TEST_MARK2;
    r.u.compare.relop = RELOP_LT;
    is_match(&r, true, "two properties");
    r.u.compare.relop = RELOP_EQ;
    is_match(&r, false, "that differ");

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_SIZE;
    r.u.size.tag = PR_TEST_MARK;
    r.u.size.relop = RELOP_EQ;
    r.u.size.size = 3;
    is_match(&r, true, "size of bytes");
    r.u.size.tag = PR_SUBJECT;
    r.u.size.size = 28;
    is_match(&r, true, "size of a text in UTF-16");

    memset(kids, 0, sizeof(kids));
    kids[0].type = kids[1].type = MAPI_RES_EXIST;
    kids[0].u.exist = PR_SUBJECT;
    kids[1].u.exist = PR_MSG_STATUS;
    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_AND;
    r.u.list.r = kids;
    r.u.list.n = 2;
    is_match(&r, false, "and");
    r.type = MAPI_RES_OR;
    is_match(&r, true, "or");
    r.u.list.n = 0;
    is_match(&r, false, "or of nothing");
    r.type = MAPI_RES_AND;
    is_match(&r, true, "and of nothing");

    memset(&inner, 0, sizeof(inner));
    inner.type = MAPI_RES_NOT;
    inner.u.sub.r = &kids[1];
    is_match(&inner, true, "not");
    r.type = MAPI_RES_SUBOBJECT;
    r.u.sub.tag = PR_MESSAGE_RECIPIENTS;
    r.u.sub.r = &inner;
    is_match(&r, true, "a sub-object");
    e.sub = NULL;
    ok(mapi_restriction_eval(&r, &e, &m) == PH_OK && !m,
        "without sub-objects none matches");

    r = kids[0];
    r.u.exist = PR_HTML;
    is_int(mapi_restriction_eval(&r, &e, &m), PH_CORRUPT,
        "an error of the store comes through");
}

static void
test_order(void)
{
    static const char *const  sorted[] = {
        "", "10", "9", "a", "\xC3\xA4", "A b", "ab", "Zoo", "\xE4\xB8\xAD"
    };
    mapi_value_t              a, b;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    a.tag = PR_SUBJECT;
    b.tag = MAPI_RETYPE(PR_SUBJECT, PT_STRING8);
    for (size_t i = 0; i < ph_nelts(sorted); i++) {
        for (size_t k = 0; k < ph_nelts(sorted); k++) {
            int  order, want = i < k ? -1 : i > k;

            a.u.str = ph_str_c(sorted[i]);
            b.u.str = ph_str_c(sorted[k]);
            order = mapi_value_cmp(&a, &b);
            if ((order < 0 ? -1 : order > 0) != want) {
                fail("`%s' and `%s': %d", sorted[i], sorted[k], order);
            }
        }
    }
    a.u.str = ph_str_lit("HELLO");
    b.u.str = ph_str_lit("hello");
    is_int(mapi_value_cmp(&a, &b), 0, "case does not matter");
    a.tag = b.tag = PR_ENTRYID;
    a.u.bin = ph_str_lit("ab");
    b.u.bin = ph_str_lit("abc");
    ok(mapi_value_cmp(&a, &b) < 0 && mapi_value_cmp(&b, &a) > 0,
        "a prefix comes first");
}

int
main(void)
{
    for (size_t i = 0; i < ph_nelts(wire); i++) {
        check_wire(i, &fix_rop, wire[i].rop);
        check_wire(i, &fix_ab, wire[i].ab);
    }
    test_limits();
    test_content();
    test_eval();
    test_order();
    return done_testing();
}
