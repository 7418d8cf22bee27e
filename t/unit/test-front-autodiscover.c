/* Autodiscover: requests of all kinds, and the answers as text. */

#include "tap.h"

#include "autodiscover/ad_answer.h"
#include "lib/ph_str.h"

#define OUTLOOK  "http://schemas.microsoft.com/exchange/autodiscover/"        \
    "outlook/responseschema/2006a"
#define MOBILE   "http://schemas.microsoft.com/exchange/autodiscover/"        \
    "mobilesync/responseschema/2006"
#define HEAD     "<?xml version=\"1.0\"?><Autodiscover xmlns=\"urn:x\">"

static ph_pool_t  *pool;

static void
test_requests(void)
{
    static const struct {
        const char   *body;
        ph_int_t      rc;
        ad_schema_t   schema;
        const char   *address;
        const char   *dn;
        const char   *what;
    } cases[] = {
        { HEAD "<Request><EMailAddress> a@b.test </EMailAddress>"
          "<AcceptableResponseSchema>" OUTLOOK "</AcceptableResponseSchema>"
          "</Request></Autodiscover>",
          PH_OK, AD_SCHEMA_OUTLOOK, "a@b.test", "", "Outlook" },
        { HEAD "<Request><AcceptableResponseSchema>" MOBILE
          "</AcceptableResponseSchema><LegacyDN>/o=x&amp;y</LegacyDN>"
          "</Request></Autodiscover>",
          PH_OK, AD_SCHEMA_MOBILE, "", "/o=x&y", "MobileSync by DN" },
        { HEAD "<Request><EMailAddress>a@b.test</EMailAddress>"
          "<AcceptableResponseSchema>urn:no</AcceptableResponseSchema>"
          "</Request></Autodiscover>",
          PH_OK, AD_SCHEMA_NONE, "a@b.test", "", "unknown schema" },
        { HEAD "<Request/></Autodiscover>", PH_INVALID, 0, NULL, NULL,
          "no address" },
        { "<Autodiscover/>", PH_INVALID, 0, NULL, NULL, "no request" },
        { "<a>", PH_INVALID, 0, NULL, NULL, "not well-formed" },
        { "", PH_INVALID, 0, NULL, NULL, "empty" },
        { "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY x SYSTEM "
          "\"file:///etc/passwd\">]><Autodiscover><Request><EMailAddress>&x;"
          "</EMailAddress></Request></Autodiscover>",
          PH_INVALID, 0, NULL, NULL, "external entity" },
        { "<?xml version=\"1.0\"?><!DOCTYPE r []><Autodiscover><Request>"
          "<EMailAddress>a@b</EMailAddress></Request></Autodiscover>",
          PH_INVALID, 0, NULL, NULL, "any DTD" }
    };

    size_t        i;
    ph_int_t      rc;
    ad_request_t  r;

    for (i = 0; i < ph_nelts(cases); i++) {
        rc = ad_request_parse(pool, ph_str_c(cases[i].body), &r);
        ok(rc == cases[i].rc, "%s: result %s", cases[i].what,
           ph_result_name(rc));
        if (cases[i].address) {
            ok(r.schema == cases[i].schema
               && ph_str_eq_c(r.address, cases[i].address)
               && ph_str_eq_c(r.legacy_dn, cases[i].dn),
               "%s: fields", cases[i].what);
        }
    }

    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 2 * AD_MAX_REQUEST);
    ph_put_fmt(&b, HEAD "<Request><EMailAddress>");
    ph_put_fill(&b, 'a', AD_MAX_ADDRESS + 1);
    ph_put_fmt(&b, "</EMailAddress></Request></Autodiscover>");
    ok(ad_request_parse(pool, ph_wbuf_str(&b), &r) == PH_TOOBIG,
       "an address that is too long");
    ph_put_fill(&b, ' ', AD_MAX_REQUEST);
    ok(ad_request_parse(pool, ph_wbuf_str(&b), &r) == PH_TOOBIG,
       "a request that is too long");
}

static void
test_json(void)
{
    static const struct {
        const char        *path;
        const char        *args;
        ad_json_result_t   result;
        unsigned           status;
        const char        *text;
    } cases[] = {
        { "", "Email=a@b.test&Protocol=AutodiscoverV1", AD_JSON_OK, 200,
          "\"Url\":\"https://m.test/autodiscover/autodiscover.xml\"" },
        { "", "email=a%40b.test&protocol=autodiscoverv1", AD_JSON_OK, 200,
          "\"Protocol\":\"AutodiscoverV1\"" },
        { "/v1.0/a%40b.test", "Protocol=AutodiscoverV1", AD_JSON_OK, 200,
          "AutodiscoverV1" },
        { "", "Email=a@b.test&Protocol=EWS", AD_JSON_OK, 400,
          "ProtocolNotSupported" },
        { "", "Email=a@b.test&Protocol=Rest", AD_JSON_NOT_OFFERED, 400,
          "ProtocolNotSupported" },
        { "", "Email=a@b.test&Protocol=Telepathy", AD_JSON_BAD_PROTOCOL, 400,
          "ProtocolNotSupported" },
        { "", "Email=a@b.test", AD_JSON_NO_PROTOCOL, 400,
          "MissingProtocol" },
        { "", "Protocol=EWS", AD_JSON_NO_ADDRESS, 400,
          "MandatoryParameterMissing" },
        { "", "Email=%00&Protocol=EWS", AD_JSON_NO_ADDRESS, 400, "Missing" },
        { "", "&&&===", AD_JSON_NO_PROTOCOL, 400, "MissingProtocol" },
        { "/v1.0/", "Protocol=EWS", AD_JSON_NO_ADDRESS, 400, "Missing" }
    };

    ad_conf_t           conf = { .url = ph_str("https://m.test"),
                                 .announce = AD_MAPIHTTP };
    unsigned            status;
    ph_wbuf_t           b;
    ad_json_result_t    result;
    ad_json_protocol_t  protocol;

    for (size_t i = 0; i < ph_nelts(cases); i++) {
        protocol = AD_JSON_OTHER;
        result = ad_json_parse(pool, ph_str_c(cases[i].path),
                               ph_str_c(cases[i].args), &protocol);
        ok(result == cases[i].result, "%s%s: result %d", cases[i].path,
           cases[i].args, result);
        ph_wbuf_init(&b, pool, AD_MAX_ANSWER);
        ad_put_json(&b, &conf, result, protocol, &status);
        ph_put_u8(&b, 0);
        ok(status == cases[i].status
           && strstr((char *) b.data, cases[i].text) != NULL,
           "%s%s: %u %s", cases[i].path, cases[i].args, status, b.data);
    }
}

static void
test_answers(void)
{
    static const uint8_t      guid[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44,
        0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
    static const ad_server_t  servers[] = {
        { "smtp", "STARTTLS", ph_str("m.test"), 587 },
        { "imap", "SSL", ph_str("m.test"), 993 }
    };

    ad_conf_t  conf = { .url = ph_str("https://m.test:8443"),
                        .host = ph_str("m.test"), .provider = ph_str("M & M"),
                        .announce = AD_MAPIHTTP, .n_servers = 2,
                        .servers = servers };
    ad_who_t   who = { ph_str("a@b.test"), ph_str("<A> \"B\"\x01"),
                       ph_str("/o=x"), ph_str("b.test"), guid };
    ph_wbuf_t  b;
    char      *text, *in, *out;

    ph_wbuf_init(&b, pool, AD_MAX_ANSWER);
    ad_put_outlook(&b, &conf, &who, true);
    ph_put_u8(&b, 0);
    text = (char *) b.data;
    ok(strstr(text, "<DisplayName>&lt;A&gt; &quot;B&quot;</DisplayName>"),
       "text is escaped, control characters are dropped");
    ok(strstr(text, "<ExternalUrl>https://m.test:8443/mapi/emsmdb/?MailboxId="
              "00112233-4455-6677-8899-aabbccddeeff@b.test</ExternalUrl>"),
       "the mailbox URL");
    ok(strstr(text, "<Type>IMAP</Type>") == NULL,
       "no IMAP for a client that can do better");

    ph_wbuf_init(&b, pool, AD_MAX_ANSWER);
    ad_put_outlook(&b, &conf, &who, false);
    ph_put_u8(&b, 0);
    text = (char *) b.data;
    ok(strstr(text, "<Type>IMAP</Type>") && !strstr(text, "mapiHttp"),
       "IMAP for a client that cannot");

    ph_wbuf_init(&b, pool, AD_MAX_ANSWER);
    ad_put_autoconfig(&b, &conf, who.domain);
    ph_put_u8(&b, 0);
    text = (char *) b.data;
    in = strstr(text, "<incomingServer type=\"imap\">");
    out = strstr(text, "<outgoingServer type=\"smtp\">");
    ok(in && out && in < out, "autoconfig: incoming servers come first");
    ok(strstr(text, "<displayName>M &amp; M</displayName>"),
       "autoconfig: the provider is escaped");

    ph_wbuf_init(&b, pool, 64);
    ad_put_outlook(&b, &conf, &who, true);
    ok(b.error, "a full buffer is an error");
}

int
main(void)
{
    static const struct {
        const char  *address;
        const char  *domain;
    } domains[] = {
        { "a@b.test", "b.test" }, { "a", "" }, { "@b", "" }, { "a@", "" },
        { "a@b<c", "" }, { "a@@b", "b" }, { "a@b c", "" }
    };

    pool = ph_pool_create("test", 0);

    test_requests();
    test_json();
    test_answers();

    for (size_t i = 0; i < ph_nelts(domains); i++) {
        ok(ph_str_eq_c(ad_address_domain(ph_str_c(domains[i].address)),
                       domains[i].domain), "domain of %s",
           domains[i].address);
    }

    ph_pool_destroy(&pool);

    return done_testing();
}
