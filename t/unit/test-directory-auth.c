#include "directory_fixture.h"
#include "directory/dir_auth.h"
#include "lib/ph_ticket.h"

#define WEB   PH_RIGHT_WEB
#define IMAP  PH_RIGHT_IMAP

static const dir_auth_opts_t  defaults = {
    .method = DIR_HASH_SHA512, .cost = 1000, .cache_size = 100,
    .cache_ttl = 60000, .throttle_user = 3, .throttle_client = 6,
    .throttle_decay = 10000,
};

static dir_auth_t  *auth;


static ph_int_t
login(const char *user, const char *password, uint32_t service,
    const char *client, uint64_t now)
{
    ph_int_t          rc;
    dir_row_t         row;
    dir_auth_query_t  q = {
        .user = ph_str_c(user), .password = ph_str_c(password),
        .service = service, .client = ph_str_c(client),
    };

    rc = dir_auth_check(auth, fixture_pool, &q, now, &row);
    if (rc != PH_OK && row.e.address.len != 0) {
        diag("a refused login shows the entry");
        return PH_ERROR;
    }

    return rc;
}


static ph_int_t
quick(const char *user, const char *password, const char *client,
    uint64_t now)
{
    dir_auth_query_t  q = {
        .user = ph_str_c(user), .password = ph_str_c(password),
        .service = WEB, .client = ph_str_c(client),
    };

    return dir_auth_quick(auth, fixture_pool, &q, now);
}


/* result and number of derivations of one login */
static void
costs(const char *user, const char *password, uint32_t service, ph_int_t want,
    int derivations, const char *name)
{
    uint64_t  before;

    static unsigned  n;

    /* each from another address, far from any limit */
    char  client[32];
    snprintf(client, sizeof(client), "10.0.%u.%u", n / 250, n % 250);
    n++;

    before = dir_auth_derivations(auth);
    is_int(login(user, password, service, client, 1000 + n), want, name);
    is_int(dir_auth_derivations(auth) - before, derivations,
           "... derivations");
}


static void
restart(const dir_auth_opts_t *opts)
{
    dir_auth_destroy(&auth);
    if (dir_auth_create(opts, fixture_db, NULL, &auth) != PH_OK) {
        printf("Bail out! dir_auth_create\n");
        exit(1);
    }
}


static void
test_hashes(void)
{
    char  hash[DIR_HASH_MAX];

    static const struct {
        dir_hash_method_t  method;
        const char        *name, *kind;
        unsigned long      cost;
    } methods[] = {
        { DIR_HASH_YESCRYPT, "yescrypt", "y", 1 },
        { DIR_HASH_SHA512, "sha512", "6", 1000 },
        { DIR_HASH_BCRYPT, "bcrypt", "2b", 4 },
        { DIR_HASH_ARGON2ID, "argon2id", "argon2id", 1 },
    };

    for (size_t i = 0; i < ph_nelts(methods); i++) {
        dir_hash_method_t  m;
        ph_int_t           rc;

        if (methods[i].method == DIR_HASH_ARGON2ID && !DIR_HASH_HAS_ARGON2) {
            continue;
        }

        is_int(dir_hash_method_parse(methods[i].name, &m), PH_OK,
               methods[i].name);
        rc = dir_hash_make(m, methods[i].cost, ph_str_lit("Gr\xC3\xBC\xC3\x9F"
                           "e 1"), hash);
        is_int(rc, PH_OK, "a hash");
        is_int(dir_hash_verify(ph_str_c(hash), ph_str_lit("Gr\xC3\xBC\xC3\x9F"
               "e 1")), PH_OK, "right");
        is_int(dir_hash_verify(ph_str_c(hash), ph_str_lit("Gruesse 1")),
               PH_DENIED, "wrong");
        is_str(dir_hash_kind(ph_str_c(hash)), methods[i].kind, "kind");
        ok(dir_hash_is_method(ph_str_c(hash), m), "of this method");
        ok(!dir_hash_is_method(ph_str_c(hash), (m + 1) % 4),
           "not of the next one");
    }

    ok(!dir_hash_known(ph_str_lit("plain text")), "plain text is no hash");
    ok(!dir_hash_known(ph_str_lit("")), "nor is nothing");
    ok(!dir_hash_known(ph_str_lit("abJnggxhB/yWI")), "nor traditional DES");
    is_int(dir_hash_verify(ph_str_lit("$argon2id$v=19$m=99999999,t=1,p=1$"
           "c29tZXNhbHQ$aGFzaA"), ph_str_lit("x")), PH_INVALID,
           "a hash cannot ask for 95 GB");
    is_int(dir_hash_make(DIR_HASH_SHA512, 0, (ph_str_t) { 3,
           (const uint8_t *) "a\0b" }, hash), PH_INVALID,
           "a password with a NUL");
}


static void
test_answers(void)
{
    dir_auth_opts_t  o = defaults;

    o.cache_size = 0;
    restart(&o);

    costs("alice@example.test", "secret-a", WEB, PH_OK, 1, "right");
    costs("ALICE@Example.Test", "secret-a", WEB, PH_OK, 1, "any case");
    costs("al@example.test", "secret-a", WEB, PH_OK, 1, "alias");
    costs("alice@example.test", "wrong", WEB, PH_DENIED, 1, "wrong password");
    costs("alice@example.test", "", WEB, PH_DENIED, 1, "empty password");
    costs("nobody@example.test", "secret-a", WEB, PH_DENIED, 1,
          "unknown user");
    costs("not an address", "secret-a", WEB, PH_DENIED, 1, "no address");
    costs("", "", WEB, PH_DENIED, 1, "nothing at all");
    costs("alice@example.test", "secret-a", IMAP, PH_DENIED, 1,
          "a service without right");
    costs("alice@example.test", "secret-a", 0, PH_OK, 1, "no service");
    costs("suspended@example.test", "secret-s", WEB, PH_DENIED, 1,
          "suspended");
    costs("shared@example.test", "secret-x", WEB, PH_DENIED, 1,
          "shared mailbox");
    costs("nohash@example.test", "", WEB, PH_DENIED, 1, "no password");
    costs("broken@example.test", "x", WEB, PH_DENIED, 1, "damaged hash");

    fixture_exec("UPDATE domains SET status = 1 WHERE id = 1");
    costs("alice@example.test", "secret-a", WEB, PH_DENIED, 1,
          "suspended domain");
    fixture_exec("UPDATE domains SET status = 0 WHERE id = 1");
}


static void
test_cache(void)
{
    char  sql[DIR_HASH_MAX + 128], hash[DIR_HASH_MAX];

    restart(&defaults);

    costs("alice@example.test", "secret-a", WEB, PH_OK, 1, "first login");
    costs("alice@example.test", "secret-a", WEB, PH_OK, 0, "remembered");
    costs("Alice@example.test", "secret-a", WEB, PH_OK, 0, "in any case");
    costs("al@example.test", "secret-a", WEB, PH_OK, 1,
          "another name is another entry");
    costs("alice@example.test", "secret-b", WEB, PH_DENIED, 1,
          "another password is not");
    costs("alice@example.test", "secret-a", IMAP, PH_DENIED, 0,
          "rights are read anew");
    is_int(quick("alice@example.test", "secret-a", "", 2000), PH_OK,
           "quick with memory");
    is_int(quick("alice@example.test", "secret-c", "", 2000), PH_AGAIN,
           "slow without");

    fixture_exec("UPDATE users SET status = 1 WHERE id = 1");
    costs("alice@example.test", "secret-a", WEB, PH_DENIED, 0,
          "suspension takes effect at once");
    fixture_exec("UPDATE users SET status = 0 WHERE id = 1");

    is_int(dir_auth_hash(auth, ph_str_lit("new"), hash), PH_OK, "a new hash");
    snprintf(sql, sizeof(sql), "UPDATE users SET password = '%s' WHERE id = 1",
             hash);
    fixture_exec(sql);
    dir_auth_forget(auth, 1);
    costs("alice@example.test", "secret-a", WEB, PH_DENIED, 1,
          "the old password after a change");
    costs("alice@example.test", "new", WEB, PH_OK, 1, "the new one");

    dir_auth_forget(auth, 999);
    costs("alice@example.test", "new", WEB, PH_OK, 0,
          "somebody else's change");
    dir_auth_forget(auth, 0);
    costs("alice@example.test", "new", WEB, PH_OK, 1, "all forgotten");

    is_int(quick("alice@example.test", "new", "", 1000000), PH_AGAIN,
           "too long ago");

    /* more credentials than there is room for */
    for (int i = 0; i < 40; i++) {
        snprintf(sql, sizeof(sql), "fill%d@example.test", i);
        if (login(sql, "secret-a", WEB, "", 2000) != PH_DENIED) {
            fail("fill");
        }
    }
    pass("a full table");
}


static void
test_throttle(void)
{
    uint64_t  before;

    restart(&defaults);

    is_int(login("alice@example.test", "new", WEB, "1.1.1.1", 1000), PH_OK,
           "a good login");

    for (int i = 0; i < 3; i++) {
        is_int(login("alice@example.test", "bad", WEB, "2.2.2.2", 1000),
               PH_DENIED, "a failure");
    }

    before = dir_auth_derivations(auth);
    is_int(login("alice@example.test", "bad", WEB, "3.3.3.3", 1000), PH_BUSY,
           "throttled, from elsewhere too");
    is_int(login("alice@example.test", "guess", WEB, "3.3.3.3", 1000),
           PH_BUSY, "whatever the password");
    is_int(quick("alice@example.test", "guess", "3.3.3.3", 1000), PH_BUSY,
           "without waiting");
    is_int(dir_auth_derivations(auth), before, "at no cost");
    is_int(login("alice@example.test", "new", WEB, "1.1.1.1", 1000), PH_OK,
           "but remembered credentials go on working");

    is_int(login("alice@example.test", "bad", WEB, "3.3.3.3", 6000),
           PH_DENIED, "some time later");
    is_int(login("alice@example.test", "bad", WEB, "3.3.3.3", 6000),
           PH_BUSY, "the rest is still counted");

    /* three failures at 2.2.2.2 so far; unknown users count alike */
    for (int i = 0; i < 3; i++) {
        char  user[32];
        snprintf(user, sizeof(user), "u%d@example.test", i);
        is_int(login(user, "x", WEB, "2.2.2.2", 1000), PH_DENIED,
               "one client, many users");
    }
    is_int(login("bob@example.test", "secret-b", WEB, "2.2.2.2", 1000),
           PH_BUSY, "the client is throttled");
    is_int(login("bob@example.test", "secret-b", WEB, "4.4.4.4", 1000), PH_OK,
           "its victim is not");

    restart(&defaults);
    for (int i = 0; i < 3; i++) {
        is_int(login("nobody@example.test", "x", WEB, "", 1000), PH_DENIED,
               "unknown user");
    }
    is_int(login("nobody@example.test", "x", WEB, "", 1000), PH_BUSY,
           "throttled like one who exists");

    restart(&defaults);
    for (int i = 0; i < 5; i++) {
        is_int(login("bob@example.test", "secret-b", IMAP, "5.5.5.5", 1000),
               PH_DENIED, "right password, no right");
    }
    is_int(login("bob@example.test", "secret-b", WEB, "5.5.5.5", 1000), PH_OK,
           "is no guessing");

    restart(&defaults);
    is_int(login("bob@example.test", "x", WEB, "", 1000), PH_DENIED, "bad");
    is_int(login("bob@example.test", "x", WEB, "", 1000), PH_DENIED, "bad");
    is_int(login("bob@example.test", "secret-b", WEB, "", 1000), PH_OK,
           "good");
    is_int(login("bob@example.test", "x", WEB, "", 1000), PH_DENIED, "bad");
    is_int(login("bob@example.test", "x", WEB, "", 1000), PH_DENIED,
           "a success begins anew");
}


static void
test_rehash(void)
{
    char             sql[DIR_HASH_MAX + 128], hash[DIR_HASH_MAX];
    ph_int_t         rc;
    dir_row_t        row;
    dir_conn_t      *conn;
    dir_auth_opts_t  o = defaults;

    dir_hash_make(DIR_HASH_BCRYPT, 4, ph_str_lit("old kind"), hash);
    snprintf(sql, sizeof(sql), "UPDATE users SET password = '%s' WHERE id = 2",
             hash);
    fixture_exec(sql);

    o.method = DIR_HASH_YESCRYPT;
    o.cost = 1;
    restart(&o);

    is_int(login("bob@example.test", "old kind", WEB, "", 1000), PH_OK,
           "a hash of an older kind");

    conn = dir_db_read(fixture_db);
    rc = dir_entry_by_id(conn, fixture_pool, 2, &row);
    dir_db_read_end(fixture_db, &conn);
    ok(rc == PH_OK && dir_hash_is_method(row.password, DIR_HASH_YESCRYPT),
       "has given way to a new one");

    dir_auth_forget(auth, 0);
    is_int(login("bob@example.test", "old kind", WEB, "", 1000), PH_OK,
           "that works");
}


int
main(void)
{
    char  a[DIR_HASH_MAX], b[DIR_HASH_MAX], s[DIR_HASH_MAX];

    fixture_begin();

    dir_hash_make(DIR_HASH_SHA512, 1000, ph_str_lit("secret-a"), a);
    dir_hash_make(DIR_HASH_SHA512, 1000, ph_str_lit("secret-b"), b);
    dir_hash_make(DIR_HASH_SHA512, 1000, ph_str_lit("secret-s"), s);
    fixture_user(1, 1, DIR_KIND_USER, "alice@example.test", a, WEB);
    fixture_user(2, 1, DIR_KIND_USER, "bob@example.test", b, WEB);
    fixture_user(3, 1, DIR_KIND_USER, "suspended@example.test", s, WEB);
    fixture_user(4, 1, DIR_KIND_SHARED, "shared@example.test", a, WEB);
    fixture_user(5, 1, DIR_KIND_USER, "nohash@example.test", "", WEB);
    fixture_user(6, 1, DIR_KIND_USER, "broken@example.test", "$6$x", WEB);
    fixture_exec("UPDATE users SET status = 1 WHERE id = 3;"
                 "INSERT INTO aliases VALUES ('al@example.test', 1)");

    test_hashes();
    test_answers();
    test_cache();
    test_throttle();
    test_rehash();

    dir_auth_destroy(&auth);
    fixture_end();
    return done_testing();
}
