/* Folders: the built-in tree, names, counters, deleting, moving, copying. */

#include "store_fixture.h"

typedef struct {
    unsigned  n;
    unsigned  deepest;
    char      names[4096];
} walk_t;

static ph_int_t
walk(void *data, const store_folder_t *f, unsigned depth)
{
    size_t   len;
    walk_t  *w;

    w = data;
    w->n++;
    w->deepest = depth > w->deepest ? depth : w->deepest;
    len = strlen(w->names);
    snprintf(w->names + len, sizeof(w->names) - len, "%.*s|",
             PH_STR_ARG(f->name));
    return PH_OK;
}

static uint64_t
folder(uint64_t parent, const char *name, ph_int_t want)
{
    bool                existed;
    uint64_t            fid;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = parent;
    f.type = STORE_FOLDER_GENERIC;
    f.name = S(name);
    fid = 0;
    is_rc(store_folder_create(fx.conn, &f, &fid, &existed), want, name);
    return fid;
}

static const char *
name_of(uint64_t fid)
{
    store_folder_t  f;

    if (store_folder_find(fx.conn, fx.pool, fid, &f) != PH_OK) {
        return "(none)";
    }
    return (const char *) f.name.data;
}

static void
test_builtin(void)
{
    walk_t          w;
    store_folder_t  f;

    memset(&w, 0, sizeof(w));
    is_rc(store_folder_walk(fx.conn, STORE_ROOT, true, false, walk, &w),
          PH_OK, "walk");
    is_int(w.n, 28, "folders below the root");
    is_int(w.deepest, 3, "levels");
    is_cstr(name_of(STORE_INBOX), "Posteingang", "the Inbox in German");
    is_rc(store_folder_find(fx.conn, NULL, STORE_IPM_SUBTREE, &f), PH_OK,
          "IPM subtree");
    ok(f.has_children, "has children");
    memset(&w, 0, sizeof(w));
    store_folder_walk(fx.conn, STORE_CONTACTS, false, false, walk, &w);
    is_cstr(w.names, "Chatkontaktliste|GAL-Kontakte|Schnellkontakte|",
            "children in the order of their names");
}

static void
test_names(void)
{
    bool              existed;
    uint64_t          a, fid;
    char              big[800];
    store_folder_new_t f;

    fx_begin();
    a = folder(STORE_INBOX, "Résumé", PH_OK);
    ok(a > 0xFF, "an id of its own");
    folder(STORE_INBOX, "RÉSUMÉ", PH_EXISTS);
    folder(STORE_INBOX, "Resume", PH_OK);
    folder(STORE_INBOX, "", PH_INVALID);
    folder(STORE_INBOX, "\xff", PH_INVALID);
    memset(big, 'x', sizeof(big));
    big[255] = '\0';
    folder(STORE_INBOX, big, PH_OK);
    memset(big, 'x', 256);
    big[256] = '\0';
    folder(STORE_INBOX, big, PH_INVALID);
    folder(0xFFFFFF, "x", PH_NOTFOUND);

    memset(&f, 0, sizeof(f));
    f.parent = STORE_INBOX;
    f.type = STORE_FOLDER_GENERIC;
    f.name = S("résumé");
    f.open_existing = true;
    is_rc(store_folder_create(fx.conn, &f, &fid, &existed), PH_OK, "open");
    ok(existed && fid == a, "the one that exists");
    is_rc(store_folder_by_name(fx.conn, STORE_INBOX, S("RéSUMé"), &fid),
          PH_OK, "by name");
    ok(fid == a, "found");
    fx_commit();
}

static uint32_t
total(uint64_t fid)
{
    store_folder_t  f;

    return store_folder_find(fx.conn, NULL, fid, &f) == PH_OK ? f.total
                                                              : 999999;
}

static void
test_delete(void)
{
    bool            partial;
    uint64_t        a, b, c, fid;
    store_totals_t  t;

    fx_begin();
    a = folder(STORE_IPM_SUBTREE, "top", PH_OK);
    b = folder(a, "sub", PH_OK);
    c = folder(b, "subsub", PH_OK);
    fx_message(a, "one");
    fx_message(b, "two");
    fx_message(c, "three");
    is_int(total(a), 1, "one message");

    is_rc(store_folder_delete(fx.conn, a, 0, &partial), PH_OK, "delete");
    ok(partial, "it has messages: it stays");
    is_rc(store_folder_delete(fx.conn, a, STORE_DEL_MESSAGES, &partial),
          PH_OK, "delete");
    ok(partial, "it has folders: it stays");
    is_rc(store_folder_delete(fx.conn, STORE_INBOX, 0, &partial), PH_DENIED,
          "not a built-in one");
    is_rc(store_folder_delete(fx.conn, STORE_ROOT, 0, &partial), PH_INVALID,
          "not the root");
    is_rc(store_folder_delete(fx.conn, a, STORE_DEL_MESSAGES
                              | STORE_DEL_FOLDERS, &partial), PH_OK,
          "soft delete");
    ok(!partial, "all of it");
    is_rc(store_folder_by_name(fx.conn, STORE_IPM_SUBTREE, S("top"), &fid),
          PH_NOTFOUND, "not seen");
    fx_commit();
    fx_check("after a soft delete");

    fx_begin();
    folder(STORE_IPM_SUBTREE, "top", PH_OK);
    is_rc(store_folder_delete(fx.conn, a, STORE_DEL_MESSAGES
                              | STORE_DEL_FOLDERS | STORE_DEL_HARD, &partial),
          PH_OK, "hard delete");
    is_int(total(c), 999999, "nothing left");
    is_rc(store_totals(fx.conn, &t), PH_OK, "totals");
    is_int(t.total, 0, "no messages");
    is_int(t.size, 0, "no size");
    fx_commit();
    fx_check("after a hard delete");
}

static void
test_move_copy(void)
{
    bool             partial;
    uint64_t         a, b, c, copy, fid, mids[2], moved[2];
    store_actor_t    actor;
    store_many_t     many;
    store_folder_t   f;
    store_message_t *m1, *m2;

    memset(&actor, 0, sizeof(actor));
    fx_begin();
    a = folder(STORE_INBOX, "a", PH_OK);
    b = folder(a, "b", PH_OK);
    c = folder(STORE_INBOX, "c", PH_OK);
    mids[0] = fx_message(b, "m1");
    mids[1] = fx_message(b, "m2");

    is_rc(store_folder_move(fx.conn, a, b, S("a")), PH_CONFLICT,
          "not below itself");
    is_rc(store_folder_move(fx.conn, c, STORE_INBOX, S("A")), PH_EXISTS,
          "name taken");
    is_rc(store_folder_move(fx.conn, a, c, S("moved")), PH_OK, "move");
    is_cstr(name_of(a), "moved", "with its new name");
    is_rc(store_folder_find(fx.conn, NULL, a, &f), PH_OK, "find");
    ok(f.parent == c, "new parent");

    is_rc(store_folder_copy(fx.conn, a, STORE_DRAFTS, S("copy"), true, &actor,
                            &copy), PH_OK, "copy");
    is_rc(store_folder_by_name(fx.conn, copy, S("b"), &fid), PH_OK,
          "with subfolders");
    is_int(total(fid), 2, "and messages");

    is_rc(store_messages_move(fx.conn, b, c, 2, mids, moved, &many), PH_OK,
          "move messages");
    is_int(many.done, 2, "two");
    is_int(total(b), 0, "from there");
    is_int(total(c), 2, "to here");
    ok(moved[0] != mids[0], "new ids");
    is_rc(store_messages_copy(fx.conn, c, b, 1, moved, mids, &many), PH_OK,
          "copy one");
    store_message_open(fx.conn, c, moved[0], 0, &m1);
    store_message_open(fx.conn, b, mids[0], 0, &m2);
    is_mem(fx_get(m1, PR_SEARCH_KEY).u.bin.data, 16,
           fx_get(m2, PR_SEARCH_KEY).u.bin.data, 16,
           "search keys are the same");
    ok(memcmp(fx_get(m1, PR_SOURCE_KEY).u.bin.data,
              fx_get(m2, PR_SOURCE_KEY).u.bin.data, 22) != 0,
       "source keys are not");
    store_message_close(&m1);
    store_message_close(&m2);

    is_rc(store_messages_delete(fx.conn, c, false, 2, moved, &many), PH_OK,
          "delete");
    is_rc(store_messages_restore(fx.conn, c, b, 2, moved, &many), PH_OK,
          "restore");
    is_int(many.done, 2, "both");
    is_int(total(b), 3, "alive");

    is_rc(store_folder_empty(fx.conn, b, STORE_DEL_MESSAGES, &partial), PH_OK,
          "empty");
    is_int(total(b), 0, "empty");
    is_rc(store_folder_empty(fx.conn, STORE_DRAFTS, STORE_DEL_MESSAGES
                             | STORE_DEL_FOLDERS | STORE_DEL_HARD, &partial),
          PH_OK, "empty hard");
    is_int(total(fid), 999999, "the copy is gone");
    fx_commit();
    fx_check("after moving and copying");
}

static void
test_props(void)
{
    uint32_t          tag[5];
    mapi_tags_t       tags;
    mapi_value_t      v[3];
    mapi_values_t     vals, got;
    store_problems_t  problems;
    char              big[3000];

    fx_begin();
    memset(big, 'q', sizeof(big));
    v[0] = v_str(PR_COMMENT, "a comment");
    v[1] = v_i4(PR_CONTENT_COUNT, 9);
    v[2] = v_bin(MAPI_TAG(0x6F00, PT_BINARY), big, sizeof(big));
    vals.n = 3;
    vals.v = v;
    is_rc(store_folder_set(fx.conn, STORE_TASKS, &vals, true, fx.pool,
                           &problems), PH_OK, "set");
    is_int(problems.n, 1, "a problem");
    is_int(problems.v[0].index, 1, "with the computed one");
    tag[0] = PR_COMMENT;
    tag[1] = PR_CONTAINER_CLASS;
    tag[2] = MAPI_TAG(0x6F00, PT_BINARY);
    tag[3] = PR_ENTRYID;
    tag[4] = PR_FOLDER_PATHNAME;
    tags.n = 5;
    tags.tag = tag;
    is_rc(store_folder_get(fx.conn, STORE_TASKS, &tags, STORE_NO_LIMIT,
                           fx.pool, &got), PH_OK, "get");
    is_str(got.v[0].u.str, "a comment", "comment");
    is_str(got.v[1].u.str, "IPF.Task", "class");
    is_mem(got.v[2].u.bin.data, got.v[2].u.bin.len, big, sizeof(big),
           "a large value");
    is_int(got.v[3].u.bin.len, 46, "entry id");
    is_str(got.v[4].u.str, "\\Aufgaben", "path");
    is_rc(store_folder_get(fx.conn, STORE_TASKS, &tags, 1000, fx.pool, &got),
          PH_OK, "get with a limit");
    ok(got.v[2].tag == MAPI_TAG(0x6F00, PT_ERROR)
       && got.v[2].u.err == STORE_EC_OOM, "too large");
    is_rc(store_folder_remove(fx.conn, STORE_TASKS, &tags, true, fx.pool,
                              &problems), PH_OK, "remove");
    is_int(problems.n, 2, "not the computed ones");
    fx_commit();
    fx_check("after setting properties");
}

int
main(void)
{
    fx_start("de_DE");
    test_builtin();
    test_names();
    test_delete();
    test_move_copy();
    test_props();
    return fx_end();
}
