/* MAPI/HTTP without nginx: heads, cookies, versions, bodies and their ends. */

#include "mapi/mh_request.h"
#include "mapi/mh_body.h"

#include "lib/ph_str.h"

#include "tap.h"


static mh_head_t
head(void)
{
    mh_head_t  h = {
        .post = true,
        .content_type = ph_str("application/mapi-http"),
        .request_type = ph_str("Execute"),
        .request_id = ph_str("{guid}:1"),
        .client_info = ph_str("{info}:1")
    };

    return h;
}


static void
test_types(void)
{
    const mh_type_t  *type;

    type = mh_type_find(MH_EMSMDB, ph_str_lit("eXECUTE"));
    ok(type != NULL && strcmp(type->name, "Execute") == 0
       && type->kind == MH_EXECUTE, "a type in any case");
    ok(mh_type_find(MH_EMSMDB, ph_str_lit("Bind")) == NULL,
       "Bind is not of the mailbox");
    type = mh_type_find(MH_NSPI, ph_str_lit("dntomid"));
    ok(type != NULL && strcmp(type->name, "DNToMId") == 0,
       "canonical spelling");
    ok(mh_type_find(MH_NSPI, ph_str_null) == NULL, "no type");
    ok(mh_type_find(MH_EMSMDB, ph_str_lit("Execute ")) == NULL,
       "no white space inside of a name");
}


static void
test_head(void)
{
    char              big[400];
    mh_head_t         h;
    const mh_type_t  *type;

    h = head();
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_SUCCESS, "a good head");

    h = head();
    h.content_type = ph_str_lit("Application/MAPI-HTTP ; charset=x");
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_SUCCESS,
           "content type with a parameter");

    h = head();
    h.client_info = ph_str_null;
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_SUCCESS,
           "X-ClientInfo is not required");

    h = head();
    h.post = false;
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_INVALID_VERB, "GET");
    ok(type != NULL, "the type is known all the same");

    h = head();
    h.request_type = ph_str_null;
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_MISSING_HEADER,
           "no X-RequestType");
    ok(type == NULL, "and no type");

    h = head();
    h.request_id = ph_str_null;
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_MISSING_HEADER,
           "no X-RequestId");

    h = head();
    h.content_type = ph_str_null;
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_MISSING_HEADER,
           "no Content-Type");

    h = head();
    h.request_id = ph_str_lit("a\x80");
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_INVALID_HEADER,
           "X-RequestId beyond ASCII");

    memset(big, 'x', sizeof(big));
    h = head();
    h.client_info = (ph_str_t) { sizeof(big), (uint8_t *) big };
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_INVALID_HEADER,
           "long X-ClientInfo");

    h = head();
    h.request_type = ph_str_lit("NoSuchType");
    is_int(mh_head_check(MH_EMSMDB, &h, &type), MH_INVALID_REQUEST_TYPE,
           "unknown type");

    ok(strcmp(mh_code_text(99), mh_code_text(MH_UNKNOWN_FAILURE)) == 0,
       "a code without a text");
    ok(mh_echo_allowed(ph_str_null, 0), "nothing may be echoed");
    ok(!mh_echo_allowed(ph_str_lit("a\r\nX: y"), 100), "CR LF may not");
}


static void
test_versions(void)
{
    static const struct {
        const char  *text;
        uint16_t     v[3];
    } cases[] = {
        { "Outlook/15.0.4420.1017", { 0x0f00, 0x9144, 0x03f9 } },
        { "Outlook/16.0.4266.1001", { 0x1000, 0x90aa, 0x03e9 } },
        { "Outlook/16.0.4266", { 0, 0, 0 } },
        { "Outlook/16.0.4266.", { 0, 0, 0 } },
        { "Outlook/16..1.1", { 0, 0, 0 } },
        { "Outlook", { 0, 0, 0 } },
        { "/", { 0, 0, 0 } },
        { "", { 0, 0, 0 } },
        { "x/123456.1.1.1", { 0, 0, 0 } }
    };

    size_t    i;
    uint16_t  v[3];

    for (i = 0; i < ph_nelts(cases); i++) {
        memset(v, 0xaa, sizeof(v));
        mh_client_version(ph_str_c(cases[i].text), v);
        ok(memcmp(v, cases[i].v, sizeof(v)) == 0, "version of \"%s\"",
           cases[i].text);
    }
}


static void
test_cookies(void)
{
    char      text[MH_CONTEXT_LEN + 1];
    size_t    i, n;
    uint8_t   session[16], back[16];
    unsigned  worker;
    ph_str_t  v;

    static const char  *bad[] = {
        "", "-", "deadbeef", "00112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff-",
        "00112233445566778899aabbccddeeff-x",
        "00112233445566778899aabbccddeeff-256",
        "00112233445566778899aabbccddeeff-0000",
        "00112233445566778899aabbccddeefg-1",
        "00112233445566778899aabbccddeeff-1 ",
        "00112233445566778899aabbccddeeff+1"
    };

    is_int(mh_cookie_find(ph_str_lit("a=b; MapiContext=x ;c=d"),
                          "MapiContext", &v), PH_OK, "a cookie among others");
    ok(ph_str_eq_c(v, "x"), "its value");
    is_int(mh_cookie_find(ph_str_lit("mapicontext=x"), "MapiContext", &v),
           PH_NOTFOUND, "names are case-sensitive");
    is_int(mh_cookie_find(ph_str_lit("xMapiContext=y;MapiContext"),
                          "MapiContext", &v), PH_NOTFOUND, "no value");
    is_int(mh_cookie_find(ph_str_lit("A=1;A=2"), "A", &v), PH_OK,
           "the first one");
    ok(ph_str_eq_c(v, "1"), "counts");
    is_int(mh_cookie_find(ph_str_lit("A=b=c"), "A", &v), PH_OK, "a value");
    ok(ph_str_eq_c(v, "b=c"), "with an equals sign");
    is_int(mh_cookie_find(ph_str_lit(";;=;"), "A", &v), PH_NOTFOUND, "noise");
    is_int(mh_cookie_find(ph_str_null, "A", &v), PH_NOTFOUND, "no header");

    for (i = 0; i < 16; i++) {
        session[i] = (uint8_t) (i * 17);
    }

    n = mh_context_format(text, session, 255);
    ok(n == strlen(text)
       && strcmp(text, "00112233445566778899aabbccddeeff-255") == 0,
       "MapiContext");
    is_int(mh_context_parse((ph_str_t) { n, (uint8_t *) text }, back,
                            &worker), PH_OK, "... is read again");
    ok(memcmp(back, session, 16) == 0 && worker == 255, "... as it was");

    for (i = 0; i < ph_nelts(bad); i++) {
        ok(mh_context_parse(ph_str_c(bad[i]), back, &worker) == PH_INVALID,
           "no MapiContext: \"%s\"", bad[i]);
    }

    is_int(mh_sequence_parse(ph_str_lit("00112233445566778899AABBCCDDEEFF"),
                             back), PH_OK, "MapiSequence");
    ok(memcmp(back, session, 16) == 0, "its value");
    is_int(mh_sequence_parse(ph_str_lit("00112233445566778899aabbccddee"),
                             back), PH_INVALID, "a short one");
}


static void
test_bodies(void)
{
    uint8_t                      mem[1024];
    ph_pool_t                   *pool;
    ph_wbuf_t                    b;
    mapihttp_connect_response_t  c;
    mapihttp_execute_request_t   e;
    mapihttp_execute_response_t  x;

    pool = ph_pool_create("test", 0);

    memset(&e, 0, sizeof(e));
    e.rop_buffer = ph_str_lit("12345678");
    e.max_rop_out = 0x10008;
    is_int(mh_execute_check(&e), 0, "an Execute within the limits");
    e.max_rop_out = 7;
    is_int(mh_execute_check(&e), MH_EC_RPC_FAILED, "MaxRopOut 7");
    e.max_rop_out = 0x40001;
    is_int(mh_execute_check(&e), MH_EC_BAD_STUB, "MaxRopOut 0x40001");
    e.max_rop_out = 8;
    e.rop_buffer.len = 7;
    is_int(mh_execute_check(&e), MH_EC_RPC_FAILED, "ROP buffer of 7");
    e.rop_buffer.len = 0x40001;
    is_int(mh_execute_check(&e), MH_EC_BAD_STUB, "ROP buffer of 0x40001");
    e.rop_buffer.len = 8;
    e.aux.len = 0x1009;
    is_int(mh_execute_check(&e), MH_EC_BAD_STUB, "auxiliary buffer of 0x1009");

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    mh_put_done(&b, 0, 12, ph_str_lit("DATE"));
    ok(ph_str_eq_c(ph_wbuf_str(&b),
                   "DONE\r\nX-ElapsedTime: 12\r\nX-StartTime: DATE\r\n\r\n"),
       "end of the stream");

    ph_wbuf_truncate(&b, 0);
    mh_put_done(&b, 10, 0, ph_str_lit("DATE"));
    ok(ph_str_eq_c(ph_wbuf_str(&b), "DONE\r\nX-ResponseCode: 10\r\n"
                   "X-ElapsedTime: 0\r\nX-StartTime: DATE\r\n\r\n"),
       "... of one that failed late");

    ph_wbuf_truncate(&b, 0);
    mh_put_connect(&b, 0, ph_str_lit("/o=X"), ph_str_lit("J\xc3\xbcrgen"));
    is_int(mapihttp_connect_response_decode_all(ph_wbuf_str(&b), pool, &c),
           PH_OK, "Connect response");
    ok(c.polls_max == 60000 && c.retry_count == 6 && c.retry_delay == 10000
       && ph_str_eq_c(c.dn_prefix, "/o=X")
       && ph_str_eq_c(c.display_name, "J\xc3\xbcrgen"), "its fields");
    ok(c.aux.len == 44
       && memcmp(c.aux.data, "\0\0\4\0\x24\0\x24\0"
                             "\x08\0\1\x17\3\0\0\0"
                             "\x0c\0\1\x0a\x0c\0\0\0\0\x84\x0c\x24"
                             "\x08\0\1\x46\3\0\0\0"
                             "\x08\0\1\x48\1\0\0\0", 44) == 0,
       "its auxiliary buffer");

    ph_wbuf_truncate(&b, 0);
    mh_put_connect(&b, 0x3eb, ph_str_lit("x"), ph_str_lit("y"));
    is_int(mapihttp_connect_response_decode_all(ph_wbuf_str(&b), pool, &c),
           PH_OK, "Connect response with an error");
    ok(c.error_code == 0x3eb && c.aux.len == 0 && c.display_name.len == 0,
       "has nothing else");

    ph_wbuf_truncate(&b, 0);
    mh_put_execute(&b, 0x4b6, ph_str_lit("rops"));
    is_int(mapihttp_execute_response_decode_all(ph_wbuf_str(&b), pool, &x),
           PH_OK, "Execute response with an error");
    ok(x.error_code == 0x4b6 && x.rop_buffer.len == 0, "has no ROPs");

    ph_wbuf_truncate(&b, 0);
    mh_put_wait(&b, 0x3ed, true);
    ok(b.len == 16 && memcmp(b.data, "\0\0\0\0\xed\3\0\0\1\0\0\0\0\0\0\0", 16)
       == 0, "NotificationWait response");

    ph_wbuf_init_fixed(&b, mem, 10);
    mh_put_connect(&b, 0, ph_str_lit("/o=X"), ph_str_lit("x"));
    ok(b.error, "a buffer that is too small is noticed");

    ph_pool_destroy(&pool);
}


int
main(void)
{
    test_types();
    test_head();
    test_versions();
    test_cookies();
    test_bodies();

    return done_testing();
}
