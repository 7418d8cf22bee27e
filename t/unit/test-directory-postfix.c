/* The parsers of what Postfix sends: SASL and socketmap. */

#include "directory_fixture.h"
#include "directory/dir_sasl.h"
#include "directory/dir_socketmap.h"

static char    out[16384];
static size_t  out_len;
static char    seen[2048];
static bool    answer_at_once;

static dir_sasl_t  *sasl;


static void
sent(void *data, ph_str_t bytes)
{
    (void) data;
    if (out_len + bytes.len < sizeof(out)) {
        memcpy(out + out_len, bytes.data, bytes.len);
        out_len += bytes.len;
        out[out_len] = '\0';
    }
}


static void
checked(void *data, uint32_t id, ph_str_t user, ph_str_t password,
    ph_str_t client)
{
    (void) data;
    snprintf(seen, sizeof(seen), "%u %.*s %.*s %.*s", id, PH_STR_ARG(user),
             PH_STR_ARG(password), PH_STR_ARG(client));
    if (answer_at_once) {
        dir_sasl_result(sasl, id, PH_DENIED, ph_str_null);
    }
}


static ph_int_t
feed(const char *text)
{
    return dir_sasl_feed(sasl, (const uint8_t *) text, strlen(text));
}


static void
begin(void)
{
    uint8_t           cookie[16] = { 0xAB };
    dir_sasl_calls_t  calls = { .check = checked, .send = sent };

    dir_sasl_destroy(&sasl);
    out_len = 0;
    out[0] = seen[0] = '\0';
    sasl = dir_sasl_create(&calls, 42, 7, cookie);
}


static void
handshake(void)
{
    begin();
    (void) feed("VERSION\t1\t1\nCPID\t99\n");
    out_len = 0;
    out[0] = '\0';
}


#define said(want, name)  (is_cstr(out, want, name), out_len = 0,             \
                           out[0] = '\0')

static void
test_sasl(void)
{
    char  big[DIR_SASL_LINE_MAX + 16];

    begin();
    said("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\n"
         "SPID\t42\nCUID\t7\nCOOKIE\tab000000000000000000000000000000\nDONE\n",
         "greeting");
    is_int(feed("VERSION\t2\t0\n"), PH_INVALID, "another major version");
    begin();
    is_int(feed("CPID\t1\n"), PH_INVALID, "the version comes first");
    begin();
    is_int(feed("VERSION\t1\t0\nAUTH\t1\tPLAIN\n"), PH_INVALID,
           "the pid comes before AUTH");

    handshake();
    is_int(feed("AUTH\t1\tPLAIN\tservice=smtp\tnologin\trip=192.0.2.1"
                "\tsecured\tresp=AGFsaWNlAHNlY3JldA==\n"), PH_OK, "PLAIN");
    is_cstr(seen, "1 alice secret 192.0.2.1", "its credentials");
    said("", "nothing is said before the check");
    dir_sasl_result(sasl, 1, PH_OK, ph_str_lit("alice@example.test"));
    said("OK\t1\tuser=alice@example.test\n", "OK");
    dir_sasl_result(sasl, 1, PH_OK, ph_str_lit("alice@example.test"));
    said("", "a second result of the same request");

    handshake();
    (void) feed("AUTH\t2\tPLAIN\tservice=smtp\tresp=AGFsaWNlAHNlY3JldA==\n");
    dir_sasl_result(sasl, 2, PH_DENIED, ph_str_null);
    said("FAIL\t2\n", "denied");
    (void) feed("AUTH\t2\tPLAIN\tservice=smtp\tresp=AGFsaWNlAHNlY3JldA==\n");
    dir_sasl_result(sasl, 2, PH_BUSY, ph_str_null);
    said("FAIL\t2\ttemp\n", "busy is temporary");

    handshake();
    answer_at_once = true;
    (void) feed("AUTH\t3\tPLAIN\tresp=AGFsaWNlAHNlY3JldA==\n");
    answer_at_once = false;
    said("FAIL\t3\n", "an answer from inside the call");

    handshake();
    (void) feed("AUTH\t1\tPLAIN\tservice=smtp\n");
    said("CONT\t1\t\n", "PLAIN without initial response");
    (void) feed("CONT\t1\tAGFsaWNlAHNlY3JldA==\n");
    is_cstr(seen, "1 alice secret ", "its credentials");

    handshake();
    (void) feed("AUTH\t5\tlogin\tservice=smtp\n");
    said("CONT\t5\tVXNlcm5hbWU6\n", "LOGIN asks for the name");
    (void) feed("CONT\t5\tYWxpY2U=\n");
    said("CONT\t5\tUGFzc3dvcmQ6\n", "and for the password");
    (void) feed("CONT\t5\tc2VjcmV0\n");
    is_cstr(seen, "5 alice secret ", "its credentials");
    handshake();
    (void) feed("AUTH\t5\tLOGIN\tresp=YWxpY2U=\n");
    said("CONT\t5\tUGFzc3dvcmQ6\n", "LOGIN with the name in AUTH");

    handshake();
    (void) feed("AUTH\t1\tCRAM-MD5\n");
    said("FAIL\t1\n", "another mechanism");
    (void) feed("AUTH\t1\tPLAIN\tresp=!!!\n");
    said("FAIL\t1\n", "not base64");
    (void) feed("AUTH\t1\tPLAIN\tresp=AGFsaWNl\n");
    said("FAIL\t1\n", "no password");
    (void) feed("AUTH\t1\tPLAIN\tresp=Ym9iAGFsaWNlAHNlY3JldA==\n");
    said("FAIL\t1\n", "in the name of somebody else");
    (void) feed("AUTH\t1\tPLAIN\tresp==\n");
    said("FAIL\t1\n", "an empty response");
    (void) feed("CONT\t77\tYQ==\n");
    said("FAIL\t77\n", "CONT of nothing");
    (void) feed("AUTH\t1\tPLAIN\nCANCEL\t1\nCONT\t1\tYQ==\n");
    said("CONT\t1\t\nFAIL\t1\n", "CONT of what was cancelled");
    (void) feed("AUTH\t8\tPLAIN\tresp=AGFsaWNlAHNlY3JldA==\nCANCEL\t8\n");
    dir_sasl_result(sasl, 8, PH_OK, ph_str_lit("alice"));
    said("", "the result of what was cancelled");
    is_int(feed("SOMETHING\tnew\n"), PH_OK, "a command that is new to us");

    is_int(feed("AUTH\t9\tPLAIN\nAUTH\t9\tPLAIN\n"), PH_INVALID,
           "an id twice");
    handshake();
    is_int(feed("AUTH\tx\tPLAIN\n"), PH_INVALID, "an id that is no number");
    handshake();
    is_int(feed("AUTH\t4294967296\tPLAIN\n"), PH_INVALID, "a large id");
    handshake();
    is_int(feed("AUTH\t1\tPLAIN\tresp=YQ==\tservice=smtp\n"), PH_INVALID,
           "fields behind resp");
    handshake();
    is_int(feed("\n"), PH_INVALID, "an empty line");

    handshake();
    for (int i = 0; i < DIR_SASL_REQUESTS_MAX; i++) {
        snprintf(big, sizeof(big), "AUTH\t%d\tPLAIN\n", i + 1);
        (void) feed(big);
    }
    out_len = 0;
    (void) feed("AUTH\t1000\tPLAIN\n");
    said("FAIL\t1000\ttemp\n", "too many at a time");

    handshake();
    memset(big, 'a', sizeof(big));
    is_int(dir_sasl_feed(sasl, (const uint8_t *) big, DIR_SASL_LINE_MAX),
           PH_OK, "a long line");
    is_int(dir_sasl_feed(sasl, (const uint8_t *) "b", 1), PH_TOOBIG,
           "a longer one");

    /* byte by byte */
    handshake();
    seen[0] = '\0';
    for (const char *p = "AUTH\t1\tPLAIN\tresp=AGFsaWNlAHNlY3JldA==\n"; *p;
         p++)
    {
        (void) dir_sasl_feed(sasl, (const uint8_t *) p, 1);
    }
    is_cstr(seen, "1 alice secret ", "in pieces");

    dir_sasl_destroy(&sasl);
}


static const char *
lookup(const char *name, const char *key)
{
    ph_str_t            s;
    dir_conn_t         *conn = dir_db_read(fixture_db);
    dir_resolve_opts_t  o = { .delimiters = "+", .max = 50 };

    s = dir_socketmap_lookup(conn, fixture_pool, &o, "lmtp:unix:/x",
                             ph_str_c(name), ph_str_c(key));
    dir_db_read_end(fixture_db, &conn);

    return ph_psprintf(fixture_pool, "%.*s", PH_STR_ARG(s));
}


static void
test_socketmap(void)
{
    size_t    used;
    ph_str_t  text, name, key;

    static const struct {
        const char  *in;
        ph_int_t     want;
    } nets[] = {
        { "5:hello,", PH_OK },
        { "5:hello,more", PH_OK },
        { "0:,", PH_OK },
        { "", PH_AGAIN },
        { "5", PH_AGAIN },
        { "5:hell", PH_AGAIN },
        { "5:hello", PH_AGAIN },
        { "5:hello;", PH_INVALID },
        { "x", PH_INVALID },
        { ":", PH_INVALID },
        { "-1:", PH_INVALID },
        { "05:hello,", PH_INVALID },
        { "5000:", PH_TOOBIG },
        { "99999999999999999999999999:", PH_TOOBIG },
    };

    for (size_t i = 0; i < ph_nelts(nets); i++) {
        is_int(dir_netstring_parse((const uint8_t *) nets[i].in,
                                   strlen(nets[i].in), DIR_NETSTRING_MAX,
                                   &text, &used), nets[i].want, nets[i].in);
    }
    (void) dir_netstring_parse((const uint8_t *) "5:hello,more", 12, 100,
                               &text, &used);
    is_str(text, "hello", "text");
    is_int(used, 8, "used");

    is_int(dir_socketmap_parse(ph_str_lit("domains example.test"), &name,
                               &key), PH_OK, "a request");
    is_str(name, "domains", "name");
    is_str(key, "example.test", "key");
    is_int(dir_socketmap_parse(ph_str_lit("domains"), &name, &key), PH_INVALID,
           "without key");
    is_int(dir_socketmap_parse(ph_str_lit(" key"), &name, &key), PH_INVALID,
           "without name");

    fixture_begin();
    fixture_user(1, 1, DIR_KIND_USER, "alice@example.test", "", 1);
    fixture_user(2, 1, DIR_KIND_GROUP, "team@example.test", "", 0);
    fixture_user(3, 1, DIR_KIND_SHARED, "info@example.test", "", 0);
    fixture_exec("INSERT INTO aliases VALUES ('al@example.test', 1);"
        "INSERT INTO group_members VALUES (2, 'alice@example.test');"
        "UPDATE groups SET posting = 3;"
        "UPDATE domains SET transport = 'smtp:[192.0.2.9]' WHERE id = 2");

    is_cstr(lookup("domains", "Example.TEST"), "OK example.test", "domain");
    is_cstr(lookup("domains", "far.test"), "NOTFOUND ", "not ours");
    is_cstr(lookup("domains", "@@"), "NOTFOUND ", "no domain");
    is_cstr(lookup("mailboxes", "al@example.test"), "OK al@example.test",
            "alias as recipient");
    is_cstr(lookup("mailboxes", "alice+x@example.test"),
            "OK alice+x@example.test", "detail");
    is_cstr(lookup("mailboxes", "team@example.test"), "OK team@example.test",
            "a group with rules exists");
    is_cstr(lookup("mailboxes", "nobody@example.test"), "NOTFOUND ",
            "nobody");
    is_cstr(lookup("mailboxes", "x@far.test"), "NOTFOUND ", "elsewhere");
    is_cstr(lookup("mailboxes", "@example.test"), "NOTFOUND ",
            "Postfix' wildcard form");
    is_cstr(lookup("aliases", "al@example.test"), "OK alice@example.test",
            "alias");
    is_cstr(lookup("aliases", "alice@example.test"), "NOTFOUND ",
            "not an alias");
    is_cstr(lookup("transports", "example.test"), "OK lmtp:unix:/x",
            "default transport");
    is_cstr(lookup("transports", "away.test"), "OK smtp:[192.0.2.9]",
            "own transport");
    is_cstr(lookup("transports", "far.test"), "NOTFOUND ", "no transport");
    is_cstr(lookup("senders", "al@example.test"), "OK alice@example.test",
            "owner of an alias");
    is_cstr(lookup("senders", "alice+x@example.test"),
            "OK alice@example.test", "owner of a detail");
    is_cstr(lookup("senders", "info@example.test"), "NOTFOUND ",
            "a shared mailbox has no login");
    is_cstr(lookup("nonsense", "x"), "PERM no such table", "no such table");
    fixture_end();
}


int
main(void)
{
    test_sasl();
    test_socketmap();
    return done_testing();
}
