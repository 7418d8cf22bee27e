/* Limits, recoverable items, purging in rounds, a folder at a point in time. */

#include "store_fixture.h"
#include "lib/ph_daemon.h"

static store_totals_t
totals(void)
{
    store_totals_t  t;

    store_totals(fx.conn, &t);
    return t;
}

static void
set_quota(uint64_t store, uint64_t deleted, uint64_t keep, bool hold)
{
    store_quota_t  q;

    is_rc(store_quota_get(fx.conn, &q), PH_OK, "quota");
    q.store = store;
    q.receive = store;
    q.warning = 4096;
    q.deleted = deleted;
    q.keep = keep;
    q.hold = hold;
    is_rc(store_quota_set(fx.conn, &q), PH_OK, "set");
}

static uint64_t
folder(uint64_t parent, const char *name)
{
    bool                existed;
    uint64_t            fid;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = parent;
    f.type = STORE_FOLDER_GENERIC;
    f.name = S(name);
    fid = 0;
    is_rc(store_folder_create(fx.conn, &f, &fid, &existed), PH_OK, name);
    return fid;
}

static uint32_t
count(uint64_t fid, bool deleted)
{
    store_folder_t  f;

    if (store_folder_find(fx.conn, fx.pool, fid, &f) != PH_OK) {
        return UINT32_MAX;
    }
    return deleted ? f.deleted_total : f.total;
}

static ph_int_t
collect(void *data, const store_recoverable_t *item)
{
    unsigned  *n = data;

    n[item->message == 0]++;
    if (item->message) {
        n[2] += ph_str_eq_c(item->subject, "gone");
    }
    return PH_OK;
}

static void
test_limits(void)
{
    uint64_t      mid[2], copy[2];
    mapi_tags_t   tags;
    store_many_t  many;
    mapi_values_t v;
    static const uint32_t  wanted[] = {
        PR_STORAGE_QUOTA_LIMIT, PR_PROHIBIT_RECEIVE_QUOTA,
        PR_PROHIBIT_SEND_QUOTA, PR_QUOTA_WARNING
    };

    fx_begin();
    mid[0] = fx_message(STORE_INBOX, "one");
    mid[1] = fx_message(STORE_INBOX, "two");
    set_quota(totals().size + totals().size / 2, 0, STORE_KEEP_DEFAULT,
              false);
    is_rc(store_messages_copy(fx.conn, STORE_INBOX, STORE_DRAFTS, 2, mid,
                              copy, &many), PH_OK, "copy up to the limit");
    ok(many.done == 1 && many.failed == 1 && many.quota && copy[0]
       && !copy[1], "the second one is too much");
    is_rc(store_messages_move(fx.conn, STORE_INBOX, STORE_DRAFTS, 2, mid,
                              mid, &many), PH_OK, "moving is not growing");
    is_int(many.done, 2, "moved");

    tags.n = 4;
    tags.tag = wanted;
    is_rc(store_get(fx.conn, &tags, 4096, fx.pool, &v), PH_OK, "properties");
    is_int(v.v[0].u.i4, 4, "PR_STORAGE_QUOTA_LIMIT is the warning, in KiB");
    ok(v.v[1].tag == PR_PROHIBIT_RECEIVE_QUOTA, "a limit");
    ok(MAPI_TYPE(v.v[2].tag) == PT_ERROR, "no limit, no property");
    is_int(v.v[3].u.i4, 4, "PR_QUOTA_WARNING");

    is_rc(store_messages_delete(fx.conn, STORE_DRAFTS, false, 2, mid, &many),
          PH_OK, "soft delete");
    ok(totals().deleted == 2 && totals().deleted_size > 0,
       "does not count any more");
    set_quota(totals().size, 0, STORE_KEEP_DEFAULT, false);
    is_rc(store_messages_restore(fx.conn, STORE_DRAFTS, STORE_DRAFTS, 2, mid,
                                 &many), PH_OK, "restore");
    ok(many.done == 0 && many.quota, "no room to restore");
    set_quota(0, 0, STORE_KEEP_DEFAULT, false);
    is_rc(store_messages_move(fx.conn, STORE_DRAFTS, STORE_DRAFTS, 2, mid,
                              mid, &many), PH_OK, "a move restores");
    ok(many.done == 2 && totals().deleted == 0, "all back");
    fx_commit();
    fx_check("limits");
}

static void
test_folder(void)
{
    bool            partial;
    uint64_t        a, b, early, was;
    ph_int_t        rc;
    store_folder_t  f;

    fx_begin();
    was = totals().size;
    a = folder(STORE_IPM_SUBTREE, "a");
    b = folder(a, "b");
    early = folder(a, "early");
    fx_message(a, "in a");
    fx_message(b, "in b");
    is_rc(store_folder_delete(fx.conn, early, 5, &partial), PH_OK, "early");
    fx_commit();

    fx_begin();
    is_rc(store_folder_delete(fx.conn, a, 5, &partial), PH_OK, "delete a");
    is_int(totals().size, was, "its messages do not count any more");
    is_int(totals().deleted, 2, "they are recoverable");
    is_int(folder(STORE_IPM_SUBTREE, "a") != 0, 1, "the name is free");
    fx_commit();
    fx_check("folder deleted");

    fx_begin();
    is_rc(store_folder_restore(fx.conn, a, 0, ph_str_null), PH_EXISTS,
          "the name is taken");
    is_rc(store_folder_move(fx.conn, a, STORE_INBOX, S("back")), PH_OK,
          "a move brings it back");
    is_rc(store_folder_find(fx.conn, fx.pool, b, &f), PH_OK, "b");
    ok(!f.deleted && f.total == 1, "with its subfolder");
    is_rc(store_folder_find(fx.conn, fx.pool, early, &f), PH_OK, "early");
    ok(f.deleted, "but not what was deleted before");
    ok(totals().deleted == 0 && totals().size > was, "counters");
    rc = store_folder_restore(fx.conn, a, 0, ph_str_null);
    is_rc(rc, PH_EXISTS, "it is there");
    fx_commit();
    fx_check("folder restored");

    fx_begin();
    is_rc(store_folder_delete(fx.conn, a, 5 | STORE_DEL_HARD, &partial),
          PH_OK, "hard");
    is_int(totals().size, was, "all gone");
    is_int(totals().deleted, 0, "for good");
    fx_commit();
    fx_check("folder hard-deleted");
}

static void
test_purge(void)
{
    bool            more, partial;
    uint64_t        f, mid[10];
    unsigned        i, rounds;
    store_many_t    many;
    store_purged_t  p;

    fx_begin();
    f = folder(STORE_IPM_SUBTREE, "purge");
    for (i = 0; i < 10; i++) {
        mid[i] = fx_message(f, "gone");
    }
    is_rc(store_messages_delete(fx.conn, f, false, 5, mid, &many), PH_OK,
          "five");
    set_quota(0, 0, STORE_KEEP_DEFAULT, false);
    is_rc(store_purge(fx.conn, 0, 100, &p, &more), PH_OK, "purge");
    ok(p.messages == 0 && !more, "nothing has expired");

    set_quota(0, 0, 0, true);
    is_rc(store_purge(fx.conn, 0, 100, &p, &more), PH_OK, "on hold");
    ok(p.messages == 0 && count(f, true) == 5, "nothing is removed");
    is_rc(store_messages_delete(fx.conn, f, true, 1, &mid[5], &many), PH_OK,
          "a hard deletion");
    is_int(count(f, true), 6, "is a soft one");
    is_rc(store_messages_delete(fx.conn, f, true, 1, &mid[5], &many), PH_OK,
          "and again");
    ok(many.failed == 1 && count(f, true) == 6, "is refused");

    set_quota(0, totals().deleted_size / 2, STORE_KEEP_DEFAULT, false);
    is_rc(store_purge(fx.conn, 0, 100, &p, &more), PH_OK, "too much");
    ok(p.messages == 3 && count(f, true) == 3, "the oldest half goes");

    set_quota(0, 0, 0, false);
    is_rc(store_folder_delete(fx.conn, f, 5, &partial), PH_OK, "the folder");
    fx_commit();
    fx_check("before the purge");

    fx_begin();
    rounds = 0;
    do {
        is_rc(store_purge(fx.conn, 0, 2, &p, &more), PH_OK, "two at a time");
        ok(p.messages + p.folders <= 2, "bounded");
    } while (more && ++rounds < 20);
    is_int(count(f, false), UINT32_MAX, "the folder is gone");
    ok(totals().deleted == 0 && totals().deleted_size == 0, "counters");
    set_quota(0, 0, STORE_KEEP_DEFAULT, false);
    fx_commit();
    fx_check("after the purge");
}

static void
test_since(void)
{
    bool              more, partial;
    uint64_t          f, sub, mid[4], moved[1], t;
    unsigned          n[3];
    store_many_t      many;
    store_restored_t  r;

    fx_begin();
    f = folder(STORE_IPM_SUBTREE, "since");
    sub = folder(f, "below");
    mid[0] = fx_message(f, "long gone");
    mid[1] = fx_message(f, "gone");
    mid[2] = fx_message(f, "trashed");
    mid[3] = fx_message(f, "trashed and emptied");
    is_rc(store_messages_delete(fx.conn, f, false, 1, &mid[0], &many), PH_OK,
          "before");
    fx_commit();
    t = ph_now_filetime() + 1;
    while (ph_now_filetime() <= t) { /* a tick of 100 ns */ }

    fx_begin();
    is_rc(store_messages_delete(fx.conn, f, false, 1, &mid[1], &many), PH_OK,
          "after");
    is_rc(store_messages_move(fx.conn, f, STORE_TRASH, 1, &mid[2], moved,
                              &many), PH_OK, "to the trash");
    is_rc(store_messages_move(fx.conn, f, STORE_TRASH, 1, &mid[3], moved,
                              &many), PH_OK, "and out of it");
    is_rc(store_messages_delete(fx.conn, STORE_TRASH, false, 1, moved, &many),
          PH_OK, "emptied");
    is_rc(store_folder_delete(fx.conn, sub, 5, &partial), PH_OK, "below");
    is_int(folder(f, "below") != 0, 1, "its name is taken");

    memset(n, 0, sizeof(n));
    is_rc(store_recoverable(fx.conn, 0, 0, 100, collect, n), PH_OK, "list");
    ok(n[0] == 3 && n[1] >= 1 && n[2] == 1, "all that can come back");
    memset(n, 0, sizeof(n));
    is_rc(store_recoverable(fx.conn, f, t, 100, collect, n), PH_OK, "of f");
    ok(n[0] == 1 && n[1] == 1, "since then");
    memset(n, 0, sizeof(n));
    is_rc(store_recoverable(fx.conn, 0, 0, 2, collect, n), PH_OK, "few");
    is_int(n[0] + n[1], 2, "no more than asked for");

    is_rc(store_restore_since(fx.conn, f, t, STORE_RESTORE_SUBFOLDERS
                              | STORE_RESTORE_TRASH, 100, &r, &more), PH_OK,
          "restore");
    ok(r.messages == 3 && r.folders == 1 && r.failed == 0 && !more,
       "three messages, one folder");
    ok(count(f, false) == 3 && count(f, true) == 1, "not the earlier one");
    is_rc(store_folder_by_name(fx.conn, f, S("below (2)"), &t), PH_OK,
          "with a number behind its name");
    is_int(t, sub, "it is that folder");

    is_rc(store_restore_since(fx.conn, f, 0, 0, 100, &r, &more), PH_OK,
          "everything");
    is_int(r.messages, 1, "the earlier one too");
    is_rc(store_restore_since(fx.conn, f, 0, 7, 100, &r, &more), PH_OK,
          "again");
    is_int(r.messages + r.folders, 0, "nothing left");
    fx_commit();
    fx_check("since");
}

int
main(void)
{
    fx_start("en");
    test_limits();
    test_folder();
    test_purge();
    test_since();
    return fx_end();
}
