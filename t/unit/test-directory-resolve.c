#include "directory_fixture.h"
#include "directory/dir_resolve.h"

static dir_resolve_opts_t  opts = { .delimiters = "+", .max = 50 };

/* destinations as "address address>" (">" behind those elsewhere), sorted as
 * they come; "!..." for a result code, "refused" */
static const char *
resolve(const char *address, const char *sender)
{
    ph_int_t              rc;
    ph_wbuf_t             b;
    dir_conn_t           *conn;
    dir_resolve_answer_t  a;

    conn = dir_db_read(fixture_db);
    rc = dir_resolve(conn, fixture_pool, &opts, ph_str_c(address),
                     ph_str_c(sender), &a);
    dir_db_read_end(fixture_db, &conn);

    if (rc != PH_OK) {
        return ph_psprintf(fixture_pool, "!%s", ph_result_name(rc));
    }
    if (a.refused) {
        return a.destinations_count ? "refused with destinations" : "refused";
    }

    ph_wbuf_init(&b, fixture_pool, 1 << 20);
    for (unsigned i = 0; i < a.destinations_count; i++) {
        const dir_destination_t  *d = &a.destinations[i];

        ph_put_fmt(&b, "%s%.*s%s", i ? " " : "",
                   PH_STR_ARG(d->local ? d->who.address : d->address),
                   d->local ? "" : ">");
    }
    ph_put_u8(&b, 0);

    return (const char *) b.data;
}

#define goes(to, from, want)  is_cstr(resolve(to, from), want, to)


int
main(void)
{
    char                  sql[128];
    dir_conn_t           *conn;
    dir_resolve_answer_t  a;

    fixture_begin();

    fixture_user(1, 1, DIR_KIND_USER, "alice@example.test", "", 1);
    fixture_user(2, 1, DIR_KIND_USER, "bob@example.test", "", 1);
    fixture_user(3, 1, DIR_KIND_SHARED, "info@example.test", "", 0);
    fixture_user(4, 1, DIR_KIND_USER, "gone@example.test", "", 1);
    fixture_user(5, 1, DIR_KIND_CONTACT, "friend@example.test", "", 0);
    fixture_user(6, 1, DIR_KIND_USER, "a@example.test", "", 1);
    fixture_user(7, 1, DIR_KIND_USER, "b@example.test", "", 1);
    fixture_user(8, 1, DIR_KIND_USER, "c@example.test", "", 1);
    fixture_user(9, 1, DIR_KIND_PUBLIC, "public@example.test", "", 0);
    fixture_user(10, 1, DIR_KIND_GROUP, "team@example.test", "", 0);
    fixture_user(11, 1, DIR_KIND_GROUP, "all@example.test", "", 0);
    fixture_user(12, 1, DIR_KIND_GROUP, "loop1@example.test", "", 0);
    fixture_user(13, 1, DIR_KIND_GROUP, "loop2@example.test", "", 0);
    fixture_user(14, 1, DIR_KIND_GROUP, "staff@example.test", "", 0);
    fixture_user(15, 1, DIR_KIND_GROUP, "big@example.test", "", 0);
    fixture_user(16, 1, DIR_KIND_USER, "m\xC3\xBCller@example.test", "", 1);
    fixture_user(17, 2, DIR_KIND_USER, "zoe@away.test", "", 1);
    fixture_exec(
        "UPDATE users SET status = 1 WHERE id = 4;"
        "INSERT INTO aliases VALUES ('al@example.test', 1),"
        " ('plus+sign@example.test', 2);"
        "INSERT INTO user_properties VALUES (5, 972947487, 0,"
        " 'Friend@Far.test');"
        "INSERT INTO group_members VALUES (10, 'alice@example.test'),"
        " (10, 'bob@example.test'), (10, 'x@far.test'),"
        " (10, 'gone@example.test'), (10, 'nobody@example.test'),"
        " (11, 'team@example.test'), (11, 'al@example.test'),"
        " (11, 'friend@example.test'),"
        " (12, 'loop2@example.test'), (12, 'alice@example.test'),"
        " (13, 'loop1@example.test'), (13, 'bob@example.test');"
        "UPDATE groups SET everybody = 1 WHERE user_id = 14;"
        "UPDATE users SET forward = 1 WHERE id = 6;"
        "UPDATE users SET forward = 2 WHERE id IN (7, 8);"
        "INSERT INTO forwards VALUES (6, 'bob@example.test'),"
        " (6, 'out@far.test'), (7, 'c@example.test'),"
        " (8, 'b@example.test');");

    goes("alice@example.test", "", "alice@example.test");
    goes("<ALICE@Example.test>", "", "alice@example.test");
    goes("al@example.test", "", "alice@example.test");
    goes("alice+news@example.test", "", "alice@example.test");
    goes("alice+a+b@example.test", "", "alice@example.test");
    goes("plus+sign@example.test", "", "bob@example.test");
    goes("nobody+x@example.test", "", "!PH_NOTFOUND");
    goes("M\xC3\x9CLLER@example.test", "", "m\xC3\xBCller@example.test");
    goes("info@example.test", "", "info@example.test");
    goes("nobody@example.test", "", "!PH_NOTFOUND");
    goes("gone@example.test", "", "!PH_NOTFOUND");
    goes("public@example.test", "", "!PH_NOTFOUND");
    goes("friend@example.test", "", "friend@far.test>");
    goes("Any.One@Far.test", "", "Any.One@Far.test>");
    goes("nonsense", "", "!PH_INVALID");

    conn = dir_db_read(fixture_db);
    is_int(dir_resolve(conn, fixture_pool, &opts, ph_str_lit("x@far.test"),
                       ph_str_null, &a), PH_OK, "elsewhere");
    is_int(a.local_domain, 0, "is not local");
    is_int(dir_resolve(conn, fixture_pool, &opts,
                       ph_str_lit("alice+news@example.test"), ph_str_null,
                       &a), PH_OK, "here");
    is_int(a.local_domain, 1, "is local");
    is_str(a.destinations[0].address, "alice+news@example.test",
           "the detail stays in the address");
    is_int(a.destinations[0].who.user_id, 1, "who has the mailbox");
    dir_db_read_end(fixture_db, &conn);

    goes("team@example.test", "",
         "alice@example.test bob@example.test x@far.test>");
    goes("all@example.test", "x@far.test",
         "alice@example.test friend@far.test> bob@example.test x@far.test>");
    goes("loop1@example.test", "", "alice@example.test bob@example.test");
    goes("staff@example.test", "",
         "a@example.test alice@example.test bob@example.test"
         " info@example.test m\xC3\xBCller@example.test out@far.test>");

    goes("a@example.test", "", "a@example.test bob@example.test out@far.test>");
    goes("b@example.test", "", "b@example.test");
    goes("c@example.test", "", "c@example.test");

    fixture_exec("UPDATE groups SET posting = 2 WHERE user_id = 10");
    goes("team@example.test", "x@far.test", "refused");
    goes("team@example.test", "", "refused");
    goes("team@example.test", "zoe@away.test", "refused");
    goes("team@example.test", "Bob@example.test",
         "alice@example.test bob@example.test x@far.test>");
    goes("all@example.test", "x@far.test",
         "alice@example.test friend@far.test> bob@example.test x@far.test>");
    fixture_exec("UPDATE groups SET posting = 1 WHERE user_id = 10");
    goes("team@example.test", "zoe@away.test", "refused");
    fixture_exec("UPDATE domains SET organisation_id = 1 WHERE id = 2");
    goes("team@example.test", "zoe@away.test",
         "alice@example.test bob@example.test x@far.test>");
    fixture_exec("UPDATE groups SET posting = 3 WHERE user_id = 10");
    goes("team@example.test", "info@example.test", "refused");
    goes("team@example.test", "al@example.test",
         "alice@example.test bob@example.test x@far.test>");
    fixture_exec("UPDATE groups SET posting = 4 WHERE user_id = 10;"
                 "INSERT INTO group_senders VALUES (10, 'boss@far.test')");
    goes("team@example.test", "alice@example.test", "refused");
    goes("team@example.test", "boss@FAR.test",
         "alice@example.test bob@example.test x@far.test>");

    fixture_exec("UPDATE domains SET catch_all = 'info@example.test'"
                 " WHERE id = 1");
    goes("nobody@example.test", "", "info@example.test");
    goes("gone@example.test", "", "!PH_NOTFOUND");

    fixture_exec("UPDATE domains SET status = 1 WHERE id = 1");
    goes("alice@example.test", "", "!PH_NOTFOUND");
    fixture_exec("UPDATE domains SET status = 0 WHERE id = 1");

    for (int i = 0; i < 60; i++) {
        snprintf(sql, sizeof(sql), "INSERT INTO group_members VALUES (15,"
                 " 'u%d@far.test')", i);
        fixture_exec(sql);
    }
    goes("big@example.test", "", "!PH_TOOBIG");
    opts.max = 60;
    ok(strlen(resolve("big@example.test", "")) > 500, "at the limit");

    fixture_end();
    return done_testing();
}
