/* Basic credentials (RFC 7617). */

#include "identity/id_basic.h"

#include "tap.h"


int
main(void)
{
    static const struct {
        const char  *value;
        ph_int_t     rc;
        const char  *user;
        const char  *password;
    } cases[] = {
        /* alice:secret */
        { "Basic YWxpY2U6c2VjcmV0", PH_OK, "alice", "secret" },
        { "bASIC   YWxpY2U6c2VjcmV0  ", PH_OK, "alice", "secret" },
        { "Basic\tYWxpY2U6c2VjcmV0", PH_OK, "alice", "secret" },
        /* alice:a:b, alice: */
        { "Basic YWxpY2U6YTpi", PH_OK, "alice", "a:b" },
        { "Basic YWxpY2U6", PH_OK, "alice", "" },
        /* UTF-8 and ISO 8859-1 */
        { "Basic asO8OsOk", PH_OK, "j\xc3\xbc", "\xc3\xa4" },
        { "Basic avw65A==", PH_OK, "j\xc3\xbc", "\xc3\xa4" },
        { "Basic", PH_INVALID, NULL, NULL },
        { "Basic ", PH_INVALID, NULL, NULL },
        { "Basic !!!!", PH_INVALID, NULL, NULL },
        { "Basic YWxpY2U6c2VjcmV0x", PH_INVALID, NULL, NULL },
        { "Basic YWxp", PH_INVALID, NULL, NULL },       /* no colon */
        { "Basic OnNlY3JldA==", PH_INVALID, NULL, NULL },  /* no user */
        { "Basic YQA6Yg==", PH_INVALID, NULL, NULL },   /* a NUL */
        { "Basic YTpiCg==", PH_INVALID, NULL, NULL },   /* a newline */
        { "Basically YWxpY2U6c2VjcmV0", PH_DECLINED, NULL, NULL },
        { "Bearer x", PH_DECLINED, NULL, NULL },
        { "", PH_DECLINED, NULL, NULL },
        { "Bas", PH_DECLINED, NULL, NULL }
    };

    char        big[ID_MAX_AUTHORIZATION + 2];
    size_t      i;
    ph_int_t    rc;
    ph_str_t    user, password, in, text;
    ph_pool_t  *pool;

    pool = ph_pool_create("test", 0);

    for (i = 0; i < ph_nelts(cases); i++) {
        rc = id_basic_parse(pool, ph_str_c(cases[i].value), &user, &password);

        if (!ok(rc == cases[i].rc, "\"%s\"", cases[i].value)
            || rc != PH_OK)
        {
            continue;
        }

        ok(ph_str_eq_c(user, cases[i].user)
           && ph_str_eq_c(password, cases[i].password), "its parts");
    }

    memset(big, 'Q', sizeof(big));
    memcpy(big, "Basic ", 6);
    in = (ph_str_t) { sizeof(big) - 1, (uint8_t *) big };
    is_int(id_basic_parse(pool, in, &user, &password), PH_TOOBIG,
           "a value that is too long");

    memset(big, 'u', ID_MAX_USER + 1);
    big[ID_MAX_USER + 1] = ':';
    in = (ph_str_t) { ID_MAX_USER + 2, (uint8_t *) big };
    (void) ph_base64_encode(pool, in, &text);
    in = ph_str_c(ph_psprintf(pool, "Basic %.*s", PH_STR_ARG(text)));
    is_int(id_basic_parse(pool, in, &user, &password), PH_TOOBIG,
           "a user that is too long");

    ph_pool_destroy(&pool);

    return done_testing();
}
