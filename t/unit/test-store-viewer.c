/* Read state of a public store for each user, delegates, addresses; with one
 * connection under an exclusive lock, too. */

#include "store_fixture.h"

static uint32_t
no_rights(void *data, store_conn_t *conn, uint64_t fid)
{
    (void) data;
    (void) conn;
    return fid == STORE_PUBLIC_NON_IPM ? 0 : STORE_RIGHT_VISIBLE
                                             | STORE_RIGHT_READ_ANY;
}

static store_viewer_t  anna, bert;
static uint64_t        odd;

static bool
is_odd(void *data, uint64_t cn)
{
    (void) data;
    return cn == odd;
}

static uint32_t
unread(const store_viewer_t *who)
{
    uint32_t       tag = PR_CONTENT_UNREAD;
    mapi_tags_t    tags = { 1, &tag };
    mapi_values_t  v;

    store_conn_view(fx.conn, who);
    if (store_folder_get(fx.conn, STORE_PUBLIC_IPM, &tags, STORE_NO_LIMIT,
                         fx.pool, &v) != PH_OK)
    {
        return 999;
    }
    return (uint32_t) v.v[0].u.i4;
}

static uint32_t
table_unread(const store_viewer_t *who)
{
    uint32_t             n = 999;
    mapi_restriction_t   r;
    mapi_value_t         v = v_bool(PR_READ, false);
    store_table_t       *t;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.tag = PR_READ;
    r.u.prop.value = v;

    store_conn_view(fx.conn, who);
    if (store_table_contents(fx.conn, STORE_PUBLIC_IPM, 0, &t) == PH_OK) {
        if (store_table_restrict(t, &r) == PH_OK) {
            (void) store_table_count(fx.conn, t, &n);
        }
        store_table_close(&t);
    }
    return n;
}

static void
readers(const char *how)
{
    uint32_t              n, receipts;
    uint64_t              mid[3], *list, *cns;
    store_many_t          many;
    store_table_t        *t;
    store_message_fact_t  f;
    store_message_t      *m;

    diag("%s", how);
    fx_begin();
    store_conn_view(fx.conn, NULL);
    for (n = 0; n < 3; n++) {
        mid[n] = fx_message(STORE_PUBLIC_IPM, "news");
    }
    is_int(unread(&anna), 3, "nothing is read");
    is_rc(store_messages_set_read(fx.conn, STORE_PUBLIC_IPM, 1, 1, mid,
                                  fx.pool, &receipts, &list, &many), PH_OK,
          "anna reads one");
    is_int(unread(&anna), 2, "anna");
    is_int(unread(&bert), 3, "bert");
    is_int(table_unread(&anna), 2, "in a table: anna");
    is_int(table_unread(&bert), 3, "in a table: bert");

    store_conn_view(fx.conn, &anna);
    is_rc(store_message_open(fx.conn, 0, mid[0], 1, &m), PH_OK, "opens it");
    ok(store_message_fact(m)->read, "it is read");
    is_rc(store_reader_cns(fx.conn, STORE_PUBLIC_IPM, fx.pool, &n, &cns),
          PH_OK, "the set of change numbers");
    is_int(n, 1, "has one");
    ok(cns[0] == store_message_fact(m)->cn, "that of the message");

    /* a change is new to everybody but who made it */
    store_conn_view(fx.conn, &bert);
    fx_set(m, v_str(PR_SUBJECT, "changed"));
    is_rc(store_message_save(fx.conn, m, 0, NULL, NULL), PH_OK, "changed");
    store_message_close(&m);
    is_int(unread(&anna), 3, "unread again for anna");
    is_int(unread(&bert), 2, "not for bert");

    is_rc(store_message_find(fx.conn, mid[1], &f), PH_OK, "another one");
    odd = f.cn;
    store_conn_view(fx.conn, &bert);
    is_rc(store_reader_set(fx.conn, STORE_PUBLIC_IPM, is_odd, NULL), PH_OK,
          "exactly that one is read");
    is_int(unread(&bert), 2, "one is read");
    is_rc(store_messages_delete(fx.conn, STORE_PUBLIC_IPM, false, 1, &mid[1],
                                &many), PH_OK, "it is deleted");
    is_int(unread(&bert), 2, "nothing that is left is read");
    is_rc(store_messages_delete(fx.conn, STORE_PUBLIC_IPM, true, 3, mid,
                                &many), PH_OK, "all go");
    is_int(unread(&anna), 0, "nothing is left");

    store_conn_view(fx.conn, &anna);
    is_rc(store_table_hierarchy(fx.conn, STORE_PUBLIC_ROOT, 0, &t), PH_OK,
          "folders");
    is_rc(store_table_count(fx.conn, t, &n), PH_OK, "count");
    is_int(n, 1, "one of two may be seen");
    store_table_close(&t);
    store_conn_view(fx.conn, NULL);
    fx_commit();
    fx_check(how);
}

static void
lists(void)
{
    uint32_t           n;
    uint64_t           fid;
    store_delegate_t   d = { S("Carl@Example.Test"), S("Carl"), 3 }, *rows;

    fx_begin();
    is_rc(store_delegate_set(fx.conn, &d), PH_OK, "a delegate");
    is_rc(store_delegates(fx.conn, fx.pool, &n, &rows), PH_OK, "the list");
    is_int(n, 1, "one row");
    ok(ph_str_eq_c(rows[0].address, "carl@example.test"), "lower case");
    d.flags = 0x80;
    is_rc(store_delegate_set(fx.conn, &d), PH_INVALID, "unknown flags");
    d.flags = 0;
    is_rc(store_delegate_set(fx.conn, &d), PH_OK, "removed");
    is_rc(store_delegates(fx.conn, fx.pool, &n, &rows), PH_OK, "the list");
    is_int(n, 0, "empty");

    is_rc(store_mail_folder_set(fx.conn, S("News@example.test"),
                                STORE_PUBLIC_IPM), PH_OK, "an address");
    is_rc(store_mail_folder_find(fx.conn, S("news@EXAMPLE.test"), &fid),
          PH_OK, "found in any case");
    is_int((int) fid, STORE_PUBLIC_IPM, "its folder");
    is_rc(store_mail_folder_set(fx.conn, S("x@example.test"), 0x7777),
          PH_NOTFOUND, "no such folder");
    is_rc(store_mail_folder_set(fx.conn, S("news@example.test"), 0), PH_OK,
          "removed");
    is_rc(store_mail_folder_find(fx.conn, S("news@example.test"), &fid),
          PH_NOTFOUND, "gone");
    fx_commit();
}

static void
run(store_locking_t locking, const char *how)
{
    store_params_t  p;

    fx.conf.locking = locking;
    fx_start("en");
    fx_close();
    snprintf(fx.path, sizeof(fx.path), "%s/public", fx.dir);
    memset(&p, 0, sizeof(p));
    p.kind = STORE_PUBLIC;
    p.address = S("public-folders@example.test");
    p.display_name = S("Public Folders");
    p.legacy_dn = S("/o=Test/cn=public");
    p.lang = S("en");
    is_rc(store_create(fx.env, fx.path, &p), PH_OK, "a public store");
    fx_open();
    readers(how);
    lists();
    fx_close();
    store_env_destroy(&fx.env);
    ph_pool_destroy(&fx.pool);
}

int
main(void)
{
    anna.user = S("anna@example.test");
    anna.rights = no_rights;
    bert.user = S("bert@example.test");
    bert.rights = no_rights;

    run(STORE_LOCKING_NORMAL, "a writer beside readers");
    run(STORE_LOCKING_EXCLUSIVE, "one connection, locked");

    return done_testing();
}
