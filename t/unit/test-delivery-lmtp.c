/* LMTP as text: lines, commands, paths, the end of the data. */

#include "tap.h"
#include "delivery/lmtp_parse.h"
#include "lib/ph_str.h"

#define S(lit)  { sizeof(lit) - 1, (const uint8_t *) (lit) }


static void
test_lines(void)
{
    size_t       scanned = 0, used = 0;
    ph_str_t     line;
    const char  *text = "NOOP\r\nQUIT\n";

    for (size_t n = 0; n < 5; n++) {
        is_int(lmtp_line((const uint8_t *) text, n, 100, &scanned, &line,
                         &used), PH_AGAIN, "half a line");
        is_int(scanned, n, "is looked at once");
    }

    is_int(lmtp_line((const uint8_t *) text, 11, 100, &scanned, &line, &used),
           PH_OK, "a line");
    is_str(line, "NOOP", "without CR LF");
    is_int(used, 6, "consumed");
    is_int(lmtp_line((const uint8_t *) text + 6, 5, 100, &scanned, &line,
                     &used), PH_OK, "a bare LF ends a line, too");
    is_str(line, "QUIT", "the command");
    scanned = 0;
    is_int(lmtp_line((const uint8_t *) "aaaaaaaaaa", 10, 10, &scanned, &line,
                     &used), PH_TOOBIG, "no end within the limit");
    scanned = 0;
    is_int(lmtp_line((const uint8_t *) "aaaaaaaaaaaa\n", 13, 10, &scanned,
                     &line, &used), PH_TOOBIG, "an end behind the limit");
}


static const struct {
    const char   *line;
    lmtp_verb_t   verb;
    const char   *args;
} commands[] = {
    { "LHLO host", LMTP_LHLO, "host" },
    { "lhlo  host ", LMTP_LHLO, "host" },
    { "MAIL FROM:<>", LMTP_MAIL, "FROM:<>" },
    { "RCPT TO:<a@b>", LMTP_RCPT, "TO:<a@b>" },
    { "DATA", LMTP_DATA, "" },
    { "Quit", LMTP_QUIT, "" },
    { "EHLO x", LMTP_HELO, "x" },
    { "DATAX", LMTP_UNKNOWN, "" },
    { "DAT", LMTP_UNKNOWN, "" },
    { "", LMTP_UNKNOWN, "" },
    { "STARTTLS", LMTP_UNKNOWN, "" },
};


static void
test_commands(void)
{
    lmtp_command_t  cmd;

    for (size_t i = 0; i < ph_nelts(commands); i++) {
        lmtp_command(ph_str_c(commands[i].line), &cmd);
        is_int(cmd.verb, commands[i].verb, commands[i].line);
        is_str(cmd.args, commands[i].args, "its arguments");
    }
}


static const struct {
    const char  *args;
    const char  *keyword;
    ph_int_t     rc;
    const char  *address;
} paths[] = {
    { "FROM:<>", "FROM:", PH_OK, "" },
    { "FROM:<a@b.test>", "FROM:", PH_OK, "a@b.test" },
    { "from: <a@b.test>", "FROM:", PH_OK, "a@b.test" },
    { "FROM:a@b.test", "FROM:", PH_OK, "a@b.test" },
    { "FROM:<@x,@y:a@b.test>", "FROM:", PH_OK, "a@b.test" },
    { "FROM:<\"a b>\"@b.test>", "FROM:", PH_OK, "\"a b>\"@b.test" },
    { "FROM:<\"a\\\"b\"@b.test> SIZE=5", "FROM:", PH_OK,
      "\"a\\\"b\"@b.test" },
    { "FROM:<j\xc3\xb6@b.test> SMTPUTF8", "FROM:", PH_OK,
      "j\xc3\xb6@b.test" },
    { "FROM:<j\xf6@b.test>", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b.test", "FROM:", PH_INVALID, NULL },
    { "FROM:<a b@b.test>", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b.test>x", "FROM:", PH_INVALID, NULL },
    { "FROM:", "FROM:", PH_INVALID, NULL },
    { "TO:<a@b>", "FROM:", PH_INVALID, NULL },
    { "FROM:<\"unclosed@b.test>", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b> SIZE=", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b> SIZE=x", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b> SIZE=99999999999999999999999", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b> BODY=8BITMIME", "FROM:", PH_OK, "a@b" },
    { "FROM:<a@b> BODY=BINARYMIME", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b> RET=FULL ENVID=x", "FROM:", PH_OK, "a@b" },
    { "FROM:<a@b> RET=SOME", "FROM:", PH_INVALID, NULL },
    { "FROM:<a@b> XYZ=1", "FROM:", PH_DECLINED, NULL },
    { "FROM:<a@b> NOTIFY=NEVER", "FROM:", PH_DECLINED, NULL },
    { "TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x", "TO:", PH_OK, "a@b" },
    { "TO:<a@b> NOTIFY=NEVER,DELAY", "TO:", PH_INVALID, NULL },
    { "TO:<a@b> NOTIFY=", "TO:", PH_INVALID, NULL },
    { "TO:<a@b> ORCPT=x", "TO:", PH_INVALID, NULL },
    { "TO:<a\x01@b>", "TO:", PH_INVALID, NULL },
};


static void
test_paths(void)
{
    char         big[LMTP_MAX_PATH + 64];
    lmtp_path_t  p;

    for (size_t i = 0; i < ph_nelts(paths); i++) {
        if (is_int(lmtp_path(ph_str_c(paths[i].args), paths[i].keyword, &p),
                   paths[i].rc, paths[i].args)
            && paths[i].address != NULL)
        {
            is_str(p.address, paths[i].address, "its address");
        }
    }

    (void) lmtp_path(ph_str_lit("TO:<a@b> NOTIFY=SUCCESS,DELAY"), "TO:", &p);
    is_int(p.notify, LMTP_NOTIFY_SUCCESS | LMTP_NOTIFY_DELAY, "NOTIFY");
    (void) lmtp_path(ph_str_lit("FROM:<a@b> SIZE=1234"), "FROM:", &p);
    is_int(p.size, 1234, "SIZE");

    memset(big, 'a', sizeof(big));
    memcpy(big, "TO:<", 4);
    memcpy(big + sizeof(big) - 2, ">", 2);
    is_int(lmtp_path(ph_str_c(big), "TO:", &p), PH_TOOBIG, "a long address");
}


typedef struct {
    size_t   len;
    uint8_t  data[256];
} sink_t;


static void
put(void *sink, const uint8_t *data, size_t len)
{
    sink_t  *s = sink;

    memcpy(s->data + s->len, data, len);
    s->len += len;
}


static const struct {
    ph_str_t     in;
    ph_int_t     rc;
    ph_str_t     out;
    size_t       left;       /* bytes behind the end */
    const char  *name;
} bodies[] = {
    { S("a\r\n.\r\n"), PH_OK, S("a\r\n"), 0, "one line" },
    { S(".\r\n"), PH_OK, S(""), 0, "nothing" },
    { S("a\r\n.\r\nNOOP\r\n"), PH_OK, S("a\r\n"), 6, "a command behind it" },
    { S("..a\r\n...\r\n.\r\n"), PH_OK, S(".a\r\n..\r\n"), 0, "stuffed dots" },
    { S(".a\r\n.\r\n"), PH_OK, S("a\r\n"), 0, "a dot that was not stuffed" },
    { S("a\n.\nb\r\n.\r\n"), PH_OK, S("a\n.\nb\r\n"), 0, "LF . LF is text" },
    { S("a\r\n.\nb\r\n.\r\n"), PH_OK, S("a\r\n\nb\r\n"), 0,
      "CR LF . LF is no end" },
    { S("a\n.\r\nb\r\n.\r\n"), PH_OK, S("a\n.\r\nb\r\n"), 0,
      "LF . CR LF is no end" },
    { S("a\r.\r\nb\r\n.\r\n"), PH_OK, S("a\r.\r\nb\r\n"), 0,
      "CR . CR LF is no end" },
    { S("a\r\n.\rb\r\n.\r\n"), PH_OK, S("a\r\n\rb\r\n"), 0, "CR LF . CR b" },
    { S("a\r\n.\r\r\n.\r\n"), PH_OK, S("a\r\n\r\r\n"), 0, "CR LF . CR CR LF" },
    { S("a\0b\r\n.\r\n"), PH_OK, S("a\0b\r\n"), 0, "NUL" },
    { S("a\r\r\n.\r\n"), PH_OK, S("a\r\r\n"), 0, "CR CR LF" },
    { S("a\r\n."), PH_AGAIN, S("a\r\n"), 0, "half an end" },
    { S("a\r\n.\r"), PH_AGAIN, S("a\r\n"), 0, "most of an end" },
};


static void
test_data(void)
{
    size_t       used, at;
    sink_t       sink;
    ph_int_t     rc;
    lmtp_data_t  d;

    for (size_t i = 0; i < ph_nelts(bodies); i++) {
        /* whole, and in pieces of every size */
        for (size_t step = bodies[i].in.len; step > 0; step--) {
            lmtp_data_init(&d);
            sink.len = 0;
            at = 0;
            rc = PH_AGAIN;

            while (rc == PH_AGAIN && at < bodies[i].in.len) {
                size_t    n = ph_min(step, bodies[i].in.len - at);
                uint8_t  *copy = malloc(n);

                memcpy(copy, bodies[i].in.data + at, n);
                rc = lmtp_data_feed(&d, copy, n, &used, put, &sink);
                free(copy);
                at += used;
            }

            if (rc != bodies[i].rc || bodies[i].in.len - at != bodies[i].left
                || sink.len != bodies[i].out.len
                || memcmp(sink.data, bodies[i].out.data, sink.len) != 0)
            {
                is_mem(sink.data, sink.len, bodies[i].out.data,
                       bodies[i].out.len, bodies[i].name);
                fail("%s in steps of %zu: rc %d, %zu left", bodies[i].name,
                     step, (int) rc, bodies[i].in.len - at);
                break;
            }
            if (step == 1) {
                pass("%s", bodies[i].name);
            }
        }
    }
}


int
main(void)
{
    test_lines();
    test_commands();
    test_paths();
    test_data();
    return done_testing();
}
