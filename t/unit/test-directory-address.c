#include "directory_fixture.h"
#include "directory/dir_address.h"

static const struct {
    const char  *text;
    const char  *want;    /* NULL: refused */
} parse[] = {
    { "alice@example.test", "alice@example.test" },
    { "Alice@EXAMPLE.Test", "alice@example.test" },
    { "  <Alice@example.test.>  ", "alice@example.test" },
    { "\"john doe\"@example.test", "john doe@example.test" },
    { "\"a\\\"b\"@example.test", "a\"b@example.test" },
    { "a@b@example.test", "a@b@example.test" },
    { "M\xC3\x9CLLER@B\xC3\x9C" "CHER.example",
      "m\xC3\xBCller@xn--bcher-kva.example" },
    /* u and combining diaeresis is the same letter */
    { "mu\xCC\x88ller@example.test", "m\xC3\xBCller@example.test" },
    { "user+detail@example.test", "user+detail@example.test" },
    { "a@_dmarc.example.test", "a@_dmarc.example.test" },
    { "", NULL },
    { "@", NULL },
    { "alice", NULL },
    { "@example.test", NULL },
    { "alice@", NULL },
    { "alice@-example.test", NULL },
    { "alice@example-.test", NULL },
    { "alice@exam..ple", NULL },
    { "alice@exam ple", NULL },
    { "al\tice@example.test", NULL },
    { "\xFF\xFE@example.test", NULL },
    { "alice@ex\xC3\xA4mple\xE2\x80\x8B.test\xC0", NULL },
    { "0123456789012345678901234567890123456789012345678901234567890123"
      "@x.test",
      "0123456789012345678901234567890123456789012345678901234567890123"
      "@x.test" },
    { "01234567890123456789012345678901234567890123456789012345678901234"
      "@x.test", NULL },
    { "a@0123456789012345678901234567890123456789012345678901234567890123.x",
      NULL },
};

static const struct {
    const char  *text;
    bool         want;
} creatable[] = {
    { "alice@x.test", true },
    { "a.b-c_d+e@x.test", true },
    { "\xC3\xBC@x.test", true },
    { ".alice@x.test", false },
    { "alice.@x.test", false },
    { "a..b@x.test", false },
    { "a/b@x.test", false },
    { "a%b@x.test", false },
    { "a*b@x.test", false },
    { "\"a b\"@x.test", false },
    { "a@b@x.test", false },
};


int
main(void)
{
    ph_int_t       rc;
    ph_str_t       s;
    ph_pool_t     *pool = ph_pool_create("test", 0);
    dir_address_t  a;

    for (size_t i = 0; i < ph_nelts(parse); i++) {
        rc = dir_address_parse(pool, ph_str_c(parse[i].text), &a);
        if (parse[i].want == NULL) {
            is_int(rc, PH_INVALID, parse[i].text);
            continue;
        }
        is_int(rc, PH_OK, parse[i].text);
        if (rc == PH_OK) {
            is_str(a.full, parse[i].want, "normal form");
            ok(a.local.len + 1 + a.domain.len == a.full.len, "its parts");
        }
    }

    for (size_t i = 0; i < ph_nelts(creatable); i++) {
        rc = dir_address_parse(pool, ph_str_c(creatable[i].text), &a);
        ok(rc == PH_OK && dir_address_creatable(&a) == creatable[i].want,
           "%s can%s be created", creatable[i].text,
           creatable[i].want ? "" : "not");
    }

    (void) dir_address_parse(pool, ph_str_lit("..A/b%c@x.test"), &a);
    is_int(dir_address_path(pool, &a, &s), PH_OK, "path");
    is_str(s, "x.test/%2E.a%2Fb%25c", "a path has no traversal in it");

    is_int(dir_legacy_dn(pool, ph_str_lit("Acme"), 0x12, 0xabcdef,
                         ph_str_lit("al=ice/x"), &s), PH_OK, "legacy DN");
    is_str(s, "/o=Acme/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)"
           "/cn=Recipients/cn=0000001200abcdef-al_ice_x", "its pattern");

    ph_pool_destroy(&pool);
    return done_testing();
}
