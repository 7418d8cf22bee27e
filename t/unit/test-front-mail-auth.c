/* mail-auth: what nginx's mail proxy sends, read from its headers. */

#include "tap.h"

#include "lib/ph_str.h"
#include "lib/ph_ticket.h"
#include "mail-auth/ma_auth.h"

int
main(void)
{
    static const struct {
        const char     *protocol, *method, *user, *password;
        ph_int_t        rc;
        ma_method_t     expect;
        const char     *decoded_user, *decoded_password;
        const char     *what;
    } cases[] = {
        { "imap", "plain", "alice@example.test", "a%20b%25c", PH_OK, MA_PLAIN,
          "alice@example.test", "a b%c", "plain" },
        { "SMTP", "login", "%61", "", PH_OK, MA_PLAIN, "a", "", "login" },
        { "smtp", "none", "", "", PH_OK, MA_NONE, "", "", "none" },
        { "pop3", "apop", "a", "x", PH_OK, MA_UNSUPPORTED, "a", "x", "APOP" },
        { "nntp", "plain", "a", "x", PH_INVALID, 0, NULL, NULL, "protocol" },
        { "imap", "plain", "a%0d%0aAuth-Status:%20OK", "x", PH_INVALID, 0,
          NULL, NULL, "line break in a name" },
        { "imap", "plain", "a", "%00", PH_INVALID, 0, NULL, NULL,
          "NUL in a password" },
        { "imap", "plain", "a", "%4", PH_INVALID, 0, NULL, NULL,
          "half an escape" },
        { "imap", "plain", "a", "%zz", PH_INVALID, 0, NULL, NULL,
          "broken escape" },
        { "imap", "plain", "a", "p%0ax", PH_OK, MA_PLAIN, "a", "p\nx",
          "a line break in a password is a password" }
    };

    char           big[4 * MA_MAX_USER];
    size_t         i;
    ph_int_t       rc;
    ph_pool_t     *pool;
    ma_headers_t   h;
    ma_request_t   r;

    pool = ph_pool_create("test", 0);

    for (i = 0; i < ph_nelts(cases); i++) {
        memset(&h, 0, sizeof(h));
        h.protocol = ph_str_c(cases[i].protocol);
        h.method = ph_str_c(cases[i].method);
        h.user = ph_str_c(cases[i].user);
        h.password = ph_str_c(cases[i].password);
        h.attempt = ph_str_lit("3");
        h.ssl = ph_str_lit("on");
        rc = ma_request_read(pool, &h, &r);
        ok(rc == cases[i].rc, "%s: %s", cases[i].what, ph_result_name(rc));
        if (rc == PH_OK) {
            ok(r.method == cases[i].expect
               && ph_str_eq_c(r.user, cases[i].decoded_user)
               && ph_str_eq_c(r.password, cases[i].decoded_password)
               && r.tls && r.attempt == 3, "%s: fields", cases[i].what);
        }
    }

    memset(big, 'a', sizeof(big));
    memset(&h, 0, sizeof(h));
    h.protocol = ph_str_lit("imap");
    h.user.data = (uint8_t *) big;
    h.user.len = MA_MAX_USER + 1;
    ok(ma_request_read(pool, &h, &r) == PH_TOOBIG, "a name that is too long");
    h.user.len = sizeof(big);
    ok(ma_request_read(pool, &h, &r) == PH_TOOBIG, "a much too long one");

    ok(ma_right(MA_IMAP) == PH_RIGHT_IMAP && ma_right(MA_POP3) == PH_RIGHT_POP3
       && ma_right(MA_SMTP) == PH_RIGHT_SMTP, "rights");
    ok(ma_smtp_code(MA_OK) == NULL && ma_smtp_code(MA_WRONG) != NULL
       && strcmp(ma_status(MA_OK), "OK") == 0
       && strcmp(ma_status(MA_WRONG), "OK") != 0, "answers");

    ph_pool_destroy(&pool);

    return done_testing();
}
