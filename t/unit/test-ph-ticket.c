/* ph_ticket: signed, forged, expired, with keys that rotate. */

#include "lib/ph_ticket.h"
#include "lib/ph_str.h"
#include "tap.h"

static ph_ticket_keys_t  keys = {
    .n = 2,
    .keys = {
        { .id = 7, .secret = "new key", .not_after = 5000 },
        { .id = 6, .secret = "old key", .not_after = 2000 }
    }
};

int
main(void)
{
    size_t            i, len, bad;
    uint8_t           out[PH_TICKET_MAX], copy[PH_TICKET_MAX + 1];
    uint8_t           name[PH_TICKET_MAX_USER + 1];
    ph_str_t          s;
    ph_ticket_t       t, got;
    ph_ticket_keys_t  old, other, none = { .n = 0 };

    t.kind = PH_TICKET_USER;
    t.rights = PH_RIGHT_MAPI | PH_RIGHT_WEB;
    t.issued = 1000;
    t.expires = 1900;
    t.user = ph_str_lit("alice@example.test");

    ok(ph_ticket_sign(&keys, &t, out, &len) == PH_OK, "signed");
    is_int(len, 28 + 18 + 32, "its size");
    s = (ph_str_t) { len, out };

    ok(ph_ticket_verify(&keys, s, 1000, &got) == PH_OK, "verified");
    ok(got.kind == t.kind && got.rights == t.rights && got.issued == 1000
       && got.expires == 1900 && ph_str_eq(got.user, t.user), "its fields");
    ok(ph_ticket_verify(&keys, s, 1899, &got) == PH_OK, "the last second");
    ok(ph_ticket_verify(&keys, s, 1900, &got) == PH_DENIED, "expired");

    for (i = 0, bad = 0; i < 8 * len; i++) {
        memcpy(copy, out, len);
        copy[i / 8] ^= (uint8_t) (1 << i % 8);
        bad += ph_ticket_verify(&keys, (ph_str_t) { len, copy }, 1000, &got)
               == PH_OK;
    }

    is_int(bad, 0, "no changed bit passes");

    for (i = 0, bad = 0; i < len; i++) {
        bad += ph_ticket_verify(&keys, (ph_str_t) { i, out }, 1000, &got)
               != PH_INVALID;
    }

    is_int(bad, 0, "no shortened one is a ticket");

    memcpy(copy, out, len);
    copy[len] = 0;
    ok(ph_ticket_verify(&keys, (ph_str_t) { len + 1, copy }, 1000, &got)
       == PH_INVALID, "nothing may follow");

    old.n = 1;
    old.keys[0] = keys.keys[1];
    ok(ph_ticket_verify(&old, s, 1000, &got) == PH_NOTFOUND, "unknown key");
    ok(ph_ticket_verify(&none, s, 1000, &got) == PH_NOTFOUND, "no keys");
    ok(ph_ticket_sign(&none, &t, out, &len) == PH_NOTFOUND, "cannot sign");

    other = keys;
    other.keys[0].secret[31] ^= 1;
    ok(ph_ticket_verify(&other, s, 1000, &got) == PH_DENIED, "wrong secret");

    t.expires = 9000;
    ok(ph_ticket_sign(&old, &t, out, &len) == PH_OK, "signed by the old key");
    s = (ph_str_t) { len, out };
    ok(ph_ticket_verify(&keys, s, 1999, &got) == PH_OK, "still accepted");
    ok(ph_ticket_verify(&keys, s, 2000, &got) == PH_DENIED,
       "it dies with its key");

    memset(name, 'a', sizeof(name));
    t.user = (ph_str_t) { PH_TICKET_MAX_USER, name };
    ok(ph_ticket_sign(&keys, &t, out, &len) == PH_OK && len == PH_TICKET_MAX,
       "the longest user");
    t.user.len++;
    ok(ph_ticket_sign(&keys, &t, out, &len) == PH_TOOBIG, "too long a user");

    return done_testing();
}
