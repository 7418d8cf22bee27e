/* SMTP replies, relay addresses, and reports about failures. */

#include "tap.h"
#include "delivery/bounce.h"
#include "delivery/smtp_client.h"
#include "convert/conv.h"
#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"


static const struct {
    const char  *in;
    ph_int_t     rc;
    int          code;
    const char  *text;
    const char  *status;
    uint32_t     offers;
} replies[] = {
    { "220 ready\r\n", PH_OK, 220, "ready", "2.0.0", 0 },
    { "250\r\n", PH_OK, 250, "", "2.0.0", 0 },
    { "250 2.1.5 ok\n", PH_OK, 250, "2.1.5 ok", "2.1.5", 0 },
    { "550-5.1.1 no\r\n550 5.1.1 such user\r\n", PH_OK, 550,
      "5.1.1 no 5.1.1 such user", "5.1.1", 0 },
    { "550 4.1.1 contradicts\r\n", PH_OK, 550, "4.1.1 contradicts", "5.0.0",
      0 },
    { "250-host\r\n250-PIPELINING\r\n250-size 100\r\n250-AUTH LOGIN PLAIN\r\n"
      "250-STARTTLS\r\n250-8bitmime\r\n250-DSN\r\n250 SMTPUTF8\r\n", PH_OK,
      250, "host PIPELINING size 100 AUTH LOGIN PLAIN STARTTLS 8bitmime DSN "
      "SMTPUTF8", "2.0.0",
      SMTP_PIPELINING | SMTP_SIZE | SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN
      | SMTP_STARTTLS | SMTP_8BITMIME | SMTP_DSN | SMTP_UTF8 },
    { "250-host\r\n250-AUTH XPLAIN\r\n250 SIZE\r\n", PH_OK, 250,
      "host AUTH XPLAIN SIZE", "2.0.0", SMTP_SIZE },
    { "220 a\x01\xff\r\n", PH_OK, 220, "a??", "2.0.0", 0 },
    { "220", PH_AGAIN, 0, "", NULL, 0 },
    { "220-x\r\n", PH_AGAIN, 0, "x", NULL, 0 },
    { "hello\r\n", PH_INVALID, 0, "", NULL, 0 },
    { "120 x\r\n", PH_INVALID, 0, "", NULL, 0 },
    { "22x x\r\n", PH_INVALID, 0, "", NULL, 0 },
    { "220x\r\n", PH_INVALID, 0, "", NULL, 0 },
    { "\r\n", PH_INVALID, 0, "", NULL, 0 },
};


static void
test_replies(void)
{
    char          status[12];
    size_t        used, at, len;
    ph_int_t      rc;
    smtp_reply_t  r;

    for (size_t i = 0; i < ph_nelts(replies); i++) {
        len = strlen(replies[i].in);
        smtp_reply_init(&r);
        is_int(smtp_reply_read(&r, (const uint8_t *) replies[i].in, len,
                               &used), replies[i].rc, replies[i].in);

        if (replies[i].rc == PH_INVALID) {
            continue;
        }

        is_int(r.code, replies[i].code, "code");
        is_cstr(r.text, replies[i].text, "text");
        is_int(r.offers, replies[i].offers, "offers");
        if (replies[i].status != NULL) {
            smtp_reply_status(&r, status);
            is_cstr(status, replies[i].status, "status");
            is_int(used, len, "all is consumed");
        }

        /* byte by byte, as a slow server sends it */
        smtp_reply_init(&r);
        rc = PH_AGAIN;
        for (at = 0, used = 0; rc == PH_AGAIN && at <= len; at++) {
            static size_t  from;

            from = at == 0 ? 0 : from + used;
            rc = smtp_reply_read(&r, (const uint8_t *) replies[i].in + from,
                                 at - from, &used);
        }
        is_int(r.code, replies[i].code, "the same in pieces");
    }
}


static void
test_long(void)
{
    static char   big[SMTP_MAX_LINE + 100];
    size_t        used;
    smtp_reply_t  r;

    memset(big, 'a', sizeof(big));
    memcpy(big, "220 ", 4);
    smtp_reply_init(&r);
    is_int(smtp_reply_read(&r, (const uint8_t *) big, sizeof(big), &used),
           PH_INVALID, "a line without end");

    smtp_reply_init(&r);
    for (int i = 0; i < SMTP_MAX_LINES; i++) {
        (void) smtp_reply_read(&r, (const uint8_t *) "250-x\r\n", 7, &used);
    }
    is_int(smtp_reply_read(&r, (const uint8_t *) "250 x\r\n", 7, &used),
           PH_INVALID, "too many lines");
}


static const struct {
    const char  *text;
    ph_int_t     rc;
    const char  *host;
    const char  *port;
} relays[] = {
    { "127.0.0.1:25", PH_OK, "127.0.0.1", "25" },
    { "[::1]:2525", PH_OK, "::1", "2525" },
    { "mail.example.org:587", PH_OK, "mail.example.org", "587" },
    { "mail.example.org", PH_INVALID, NULL, NULL },
    { ":25", PH_INVALID, NULL, NULL },
    { "host:", PH_INVALID, NULL, NULL },
    { "host:x", PH_INVALID, NULL, NULL },
    { "[::1:25", PH_INVALID, NULL, NULL },
    { "host:123456", PH_INVALID, NULL, NULL },
};


static void
test_relays(void)
{
    char  host[256], port[8];

    for (size_t i = 0; i < ph_nelts(relays); i++) {
        if (is_int(smtp_relay_parse(relays[i].text, host, port), relays[i].rc,
                   relays[i].text) && relays[i].host != NULL)
        {
            is_cstr(host, relays[i].host, "host");
            is_cstr(port, relays[i].port, "port");
        }
    }
}


static void
test_bounce(void)
{
    ph_str_t              bytes;
    ph_pool_t            *pool = ph_pool_create("test", 0);
    queue_entry_t        *e = queue_entry_create();
    mapi_message_t       *m;
    const mapi_value_t   *v;
    const bounce_rcpt_t   rcpts[] = {
        { ph_str("x@outside.test"), ph_str("rfc822;a+2Bb@x.test"),
          BOUNCE_FAILED, "5.1.1", "no such user", "mx.test" },
        { ph_str("y@outside.test"), ph_str("rfc822;a+0D+0AX: injected"),
          BOUNCE_FAILED, "5.2.2", "full\r\nX: injected", NULL },
    };

    e->sender = ph_str_lit("alice@example.test");
    e->envid = ph_str_lit("id+3D1");
    is_int(bounce_compose(pool, "mail.example.test", e, rcpts, 2,
                          ph_str_lit("Subject: hi\r\n\r\nbody\r\n"),
                          "Sat, 21 Nov 2026 10:00:00 +0000", &bytes), PH_OK,
           "a report");
    ok(memmem(bytes.data, bytes.len, "\r\nX: injected", 13) == NULL,
       "what a server said cannot add a field");
    ok(memmem(bytes.data, bytes.len, "Final-Recipient: rfc822; "
              "x@outside.test", 39) != NULL, "names the recipient");

    ok(memmem(bytes.data, bytes.len,
              "Original-Recipient: rfc822;a+b@x.test\r\n", 39) != NULL,
       "with the address that the sender used");
    ok(memmem(bytes.data, bytes.len,
              "Original-Envelope-Id: id=1\r\n", 28) != NULL,
       "and his name for the message");

    is_int(conv_mime_import(pool, bytes, NULL, &m), PH_OK, "is read again");
    v = mapi_find(&m->props, PR_MESSAGE_CLASS);
    is_str(v->u.str, "REPORT.IPM.Note.NDR", "as a report");
    is_int(m->n_attachments, 2, "with status and original message");
    ok(m->attachments[1].embedded != NULL, "which is a message");

    is_int(m->n_recipients, 2, "its recipients are those who failed");
    v = mapi_find(&m->recipients[0].props, PR_SMTP_ADDRESS);
    is_str(v->u.str, "x@outside.test", "the first");
    v = mapi_find(&m->recipients[0].props, PR_NDR_STATUS_CODE);
    is_int(v ? v->u.i4 : -9, 511, "PR_NDR_STATUS_CODE");
    v = mapi_find(&m->recipients[0].props, PR_NDR_DIAG_CODE);
    is_int(v ? v->u.i4 : -9, 35, "PR_NDR_DIAG_CODE");
    v = mapi_find(&m->recipients[0].props, PR_NDR_REASON_CODE);
    is_int(v ? v->u.i4 : -9, 1, "PR_NDR_REASON_CODE");
    v = mapi_find(&m->recipients[0].props, PR_SUPPLEMENTARY_INFO);
    is_str(v ? v->u.str : ph_str_null, "<mx.test #5.1.1 no such user>",
           "PR_SUPPLEMENTARY_INFO");
    v = mapi_find(&m->recipients[1].props, PR_NDR_DIAG_CODE);
    is_int(v ? v->u.i4 : -9, 13, "PR_NDR_DIAG_CODE of the second");
    v = mapi_find(&m->props, PR_ORIGINAL_SUBJECT);
    is_str(v ? v->u.str : ph_str_null, "hi", "PR_ORIGINAL_SUBJECT");

    e->ret = ph_str_lit("HDRS");
    is_int(bounce_compose(pool, "mail.example.test", e, rcpts, 1,
                          ph_str_lit("Subject: hi\r\n\r\nsecret\r\n"),
                          "Sat, 21 Nov 2026 10:00:00 +0000", &bytes), PH_OK,
           "RET=HDRS");
    ok(memmem(bytes.data, bytes.len, "secret", 6) == NULL,
       "brings back the header only");

    queue_entry_destroy(&e);
    ph_pool_destroy(&pool);
}


static void
test_success(void)
{
    ph_str_t              bytes;
    ph_pool_t            *pool = ph_pool_create("test", 0);
    queue_entry_t        *e = queue_entry_create();
    mapi_message_t       *m;
    const mapi_value_t   *v;

    static const struct {
        bounce_action_t   action;
        const char       *class;
    } kinds[] = {
        { BOUNCE_DELIVERED, "REPORT.IPM.Note.DR" },
        { BOUNCE_RELAYED, "REPORT.IPM.Note.Relayed.DR" },
    };

    e->sender = ph_str_lit("alice@example.test");

    for (size_t i = 0; i < ph_nelts(kinds); i++) {
        bounce_rcpt_t  r = {
            ph_str("x@outside.test"), ph_str_null, kinds[i].action, "2.0.0",
            NULL, NULL
        };

        is_int(bounce_compose(pool, "mail.example.test", e, &r, 1,
                              ph_str_lit("Subject: hi\r\n\r\nsecret\r\n"),
                              "Sat, 21 Nov 2026 10:00:00 +0000", &bytes),
               PH_OK, kinds[i].class);
        ok(memmem(bytes.data, bytes.len, "secret", 6) == NULL,
           "has the header only");
        is_int(conv_mime_import(pool, bytes, NULL, &m), PH_OK, "is read");
        v = mapi_find(&m->props, PR_MESSAGE_CLASS);
        is_str(v->u.str, kinds[i].class, "as what it is");
        is_int(m->n_recipients, 1, "one recipient");
        ok(mapi_find(&m->recipients[0].props, PR_NDR_DIAG_CODE) == NULL,
           "that did not fail");
    }

    queue_entry_destroy(&e);
    ph_pool_destroy(&pool);
}


static void
test_xtext(void)
{
    ph_pool_t  *pool = ph_pool_create("test", 0);

    is_str(bounce_xtext(pool, ph_str_lit("a+b =c")), "a+2Bb+20+3Dc", "xtext");
    is_str(bounce_from_xtext(pool, ph_str_lit("a+2Bb+20+3Dc")), "a+b =c",
           "and back");
    ok(bounce_from_xtext(pool, ph_str_lit("a+2")).data == NULL, "cut off");
    ok(bounce_from_xtext(pool, ph_str_lit("a+xy")).data == NULL, "no digits");
    ph_pool_destroy(&pool);
}


int
main(void)
{
    test_success();
    test_xtext();
    test_replies();
    test_long();
    test_relays();
    test_bounce();
    return done_testing();
}
