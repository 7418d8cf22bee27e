/* Search folders: criteria, filling, keeping up to date, and a long random walk
 * after which the check finds every membership as brute force does. */

#include "store_fixture.h"
#include "store/store_int.h"

#define FOLDERS   8
#define SEARCHES  7
#define MESSAGES  400

static uint64_t  folder[FOLDERS];
static uint64_t  search[SEARCHES];
static uint64_t  mid[MESSAGES];
static uint64_t  home[MESSAGES];
static unsigned  n_mids;
static uint64_t  seed = 42;

static unsigned
rnd(unsigned n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;

    return (unsigned) (seed >> 33) % n;
}

static const char *const  words[] = {
    "red", "blue", "green", "Rot", "bl\xc3\xa4ulich", "hundred", "x"
};

static mapi_restriction_t
content(const char *word)
{
    mapi_restriction_t  r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_CONTENT;
    r.u.content.low = 1;
    r.u.content.high = 1;
    r.u.content.tag = PR_SUBJECT;
    r.u.content.value = v_str(PR_SUBJECT, word);
    return r;
}

static mapi_restriction_t
unread(void)
{
    mapi_restriction_t  r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_BITMASK;
    r.u.bitmask.tag = PR_MESSAGE_FLAGS;
    r.u.bitmask.mask = 1;
    return r;
}

static uint64_t
folder_new(uint64_t parent, uint8_t type, const char *name)
{
    bool                existed;
    uint64_t            fid;
    ph_int_t            rc;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = parent;
    f.type = type;
    f.name = S(name);
    rc = store_folder_create(fx.conn, &f, &fid, &existed);
    if (rc != PH_OK) {
        diag("folder %s: %s", name, ph_result_name(rc));
        return 0;
    }
    return fid;
}

static ph_int_t
criteria(uint64_t fid, uint32_t flags, const mapi_restriction_t *r,
    uint32_t n, const uint64_t *scope)
{
    store_criteria_t  c;

    memset(&c, 0, sizeof(c));
    c.flags = flags;
    c.restriction = r;
    c.n_scope = n;
    c.scope = scope;
    return store_search_set(fx.conn, fid, &c);
}

/* to the end, in pieces of its own transactions */
static unsigned
fill(uint32_t piece, unsigned *completes_r)
{
    bool             more;
    unsigned         steps;
    uint32_t         i;
    store_events_t  *events;

    steps = 0;
    do {
        more = false;
        if (store_begin(fx.conn) != PH_OK
            || store_search_step(fx.conn, piece, &more) != PH_OK
            || store_commit(fx.conn, &events) != PH_OK)
        {
            diag("fill failed");
            break;
        }
        for (i = 0; events && i < events->n; i++) {
            if (events->ev[i].type == STORE_EV_SEARCH_COMPLETE
                && completes_r)
            {
                (*completes_r)++;
            }
        }
        store_events_free(&events);
        steps++;
    } while (more);
    return steps;
}

static uint32_t
count(uint64_t fid)
{
    store_folder_t  f;

    return store_folder_find(fx.conn, NULL, fid, &f) == PH_OK ? f.total
                                                              : 9999;
}

static uint32_t
count_unread(uint64_t fid)
{
    store_folder_t  f;

    return store_folder_find(fx.conn, NULL, fid, &f) == PH_OK ? f.unread
                                                              : 9999;
}

static ph_int_t
take(void *data, const mapi_values_t *row)
{
    uint64_t  *list = data;

    if (list[0] < 60) {
        list[1 + list[0]++] = store_id((mapi_eid_t) row->v[0].u.i8);
    }
    return PH_OK;
}

/* the rows of a folder sorted by tag: list[0] of them */
static void
rows(uint64_t fid, uint32_t tag, uint64_t *list)
{
    static const uint32_t  columns[] = { PidTagMid };

    uint32_t        n;
    mapi_sort_t     sort = { tag, 0 };
    mapi_sorts_t    sorts = { 1, 0, 0, &sort };
    mapi_tags_t     tags = { 1, columns };
    store_table_t  *t;
    store_origin_t  origin;

    list[0] = 0;
    if (store_table_contents(fx.conn, fid, 0, &t) != PH_OK) {
        return;
    }
    store_table_set_columns(t, &tags);
    if (tag) {
        store_table_sort(t, &sorts);
    }
    /* two at a time: paging goes by key */
    do {
        n = 0;
        store_table_query(fx.conn, t, 0, 2, take, list, &n, &origin);
    } while (n && list[0] < 60);
    store_table_close(&t);
}

static void
test_criteria(void)
{
    uint32_t            n;
    uint64_t            fid, other, scope[2];
    ph_int_t            rc;
    store_criteria_t    c;
    mapi_restriction_t  r;

    r = content("red");
    fx_begin();
    fid = folder_new(STORE_FINDER, STORE_FOLDER_SEARCH, "criteria");
    other = folder_new(STORE_FINDER, STORE_FOLDER_SEARCH, "other");
    scope[0] = STORE_INBOX;
    scope[1] = STORE_SENT;

    is_rc(store_search_get(fx.conn, fid, fx.pool, &c), PH_DECLINED,
          "no criteria yet");
    is_rc(criteria(fid, 2, &r, 0, NULL), PH_DECLINED, "no folders");
    is_rc(criteria(fid, 2, NULL, 1, scope), PH_DECLINED, "no restriction");
    is_rc(criteria(STORE_INBOX, 2, &r, 1, scope), PH_DENIED,
          "not a search folder");
    is_rc(criteria(fid, 3, &r, 1, scope), PH_INVALID, "stop and restart");
    is_rc(criteria(fid, 0xC, &r, 1, scope), PH_INVALID,
          "recursive and shallow");
    is_rc(criteria(fid, 0x80, &r, 1, scope), PH_INVALID, "unknown flag");
    is_rc(criteria(fid, 2, &r, 1, &fid), PH_CONFLICT, "itself");
    is_rc(criteria(fid, 0x40006, &r, 2, scope), PH_OK, "static, recursive");
    rc = store_search_get(fx.conn, fid, fx.pool, &c);
    ok(rc == PH_OK && c.n_scope == 2 && c.scope[1] == STORE_SENT
       && c.state == STORE_SEARCH_FILLING
       && c.flags == (STORE_SEARCH_STATIC | STORE_SEARCH_RECURSIVE)
       && c.restriction->type == MAPI_RES_CONTENT
       && c.restriction->u.content.tag == PR_SUBJECT, "as set");
    is_rc(criteria(other, 2, &r, 1, &fid), PH_OK, "a search in a search");
    is_rc(criteria(fid, 2, &r, 1, &other), PH_CONFLICT, "a circle");
    is_rc(criteria(fid, 1, NULL, 0, NULL), PH_OK, "stop");
    store_search_get(fx.conn, fid, fx.pool, &c);
    is_int(c.state, STORE_SEARCH_ABORTED, "stopped on the way");
    is_rc(criteria(fid, 2, NULL, 0, NULL), PH_OK, "restart as it was");
    store_search_get(fx.conn, fid, fx.pool, &c);
    is_int(c.state, STORE_SEARCH_FILLING, "begins again");
    scope[0] = 0x7FFFFFFF;
    is_rc(criteria(fid, 2, &r, 1, scope), PH_NOTFOUND, "no such folder");
    n = 0;
    fx_commit();
    fill(7, &n);
    is_int(n, 2, "two are complete");
    fx_begin();
    is_rc(criteria(fid, 1, NULL, 0, NULL), PH_OK, "stop");
    store_search_get(fx.conn, fid, fx.pool, &c);
    is_int(c.state, STORE_SEARCH_HALTED, "stopped when complete");
    {
        bool  partial;

        is_rc(store_folder_delete(fx.conn, other, 0, &partial), PH_OK,
              "delete a search folder");
        is_rc(store_folder_delete(fx.conn, fid, 0, &partial), PH_OK,
              "and the other one");
    }
    fx_commit();
    fx_check("after criteria");
}

static void
test_life(void)
{
    bool                partial;
    unsigned            n;
    uint64_t            red, un, in, a, b, c, found[64], moved[1];
    store_many_t        many;
    store_message_t    *msg;
    mapi_restriction_t  r;

    fx_begin();
    in = folder_new(STORE_IPM_SUBTREE, STORE_FOLDER_GENERIC, "life");
    red = folder_new(STORE_FINDER, STORE_FOLDER_SEARCH, "red");
    un = folder_new(STORE_FINDER, STORE_FOLDER_SEARCH, "unread red");
    a = fx_message(in, "red one");
    b = fx_message(in, "blue one");
    r = content("RED");
    is_rc(criteria(red, STORE_SEARCH_RESTART, &r, 1, &in), PH_OK, "red");
    r = unread();
    is_rc(criteria(un, STORE_SEARCH_RESTART, &r, 1, &red), PH_OK,
          "unread in red");
    fx_commit();
    n = 0;
    fill(1, &n);
    is_int(n, 2, "complete");
    is_int(count(red), 1, "one is red");

    fx_begin();
    c = fx_message(in, "Infrared");
    fx_commit();
    is_int(count(red), 2, "a new one comes");
    is_int(count(un), 0, "both are read");
    fx_begin();
    store_messages_set_read(fx.conn, red, 4, 1, &c, fx.pool, &n, NULL, &many);
    fx_commit();
    is_int(many.done, 1, "mark unread through the search folder");
    is_int(count(un), 1, "found by the search in the search");
    is_int(count_unread(red), 1, "unread counter");

    rows(red, PR_NORMALIZED_SUBJECT, found);
    ok(found[0] == 2 && found[1] == c && found[2] == a, "sorted by subject");
    rows(red, PR_LAST_MODIFICATION_TIME, found);
    ok(found[0] == 2 && found[1] == a && found[2] == c, "sorted by time");
    rows(red, PR_IMPORTANCE, found);
    is_int(found[0], 2, "sorted by what has no index");

    is_rc(store_message_open(fx.conn, red, a, STORE_OPEN_WRITE, &msg), PH_OK,
          "open through the search folder");
    is_int(store_message_fact(msg)->folder, in, "it is in its folder");
    fx_begin();
    fx_set(msg, v_str(PR_SUBJECT, "yellow"));
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "save");
    fx_commit();
    store_message_close(&msg);
    is_int(count(red), 1, "no longer red");
    is_rc(store_message_open(fx.conn, red, b, 0, &msg), PH_NOTFOUND,
          "what is not found is not in there");

    /* a savepoint that is undone leaves no trace */
    fx_begin();
    is_rc(store_savepoint(fx.conn), PH_OK, "savepoint");
    fx_message(in, "red too");
    is_rc(store_search_flush(fx.conn), PH_OK, "flush");
    is_rc(store_undo(fx.conn), PH_OK, "undo");
    fx_commit();
    is_int(count(red), 1, "undone");

    fx_begin();
    is_rc(store_messages_move(fx.conn, red, STORE_INBOX, 1, &c, moved, &many),
          PH_OK, "move out of the scope");
    fx_commit();
    ok(many.done == 1 && moved[0] && count(red) == 0, "gone");
    fx_begin();
    store_messages_move(fx.conn, STORE_INBOX, in, 1, moved, moved, &many);
    fx_commit();
    is_int(count(red), 1, "and back");
    fx_begin();
    is_rc(store_messages_delete(fx.conn, red, false, 1, moved, &many), PH_OK,
          "delete through the search folder");
    fx_commit();
    ok(many.done == 1 && count(red) == 0 && count(un) == 0, "deleted");
    fx_check("life");

    fx_begin();
    fx_message(in, "red three");
    fx_commit();
    is_int(count(red), 1, "one more");
    fx_begin();
    is_rc(store_folder_delete(fx.conn, in, 5, &partial), PH_OK,
          "the folder goes");
    fx_commit();
    is_int(count(red), 0, "its messages leave");
    fx_check("folder deleted");
    fx_begin();
    is_rc(store_folder_restore(fx.conn, in, 0, ph_str_null), PH_OK,
          "it comes back");
    fx_commit();
    fill(10, NULL);
    is_int(count(red), 1, "its messages too");
    fx_check("folder restored");
}

static void
set_all(void)
{
    unsigned            i;
    uint32_t            flags;
    uint64_t            scope[3];
    mapi_restriction_t  r, two[2], both;

    for (i = 0; i < SEARCHES; i++) {
        r = content(words[rnd(ph_nelts(words))]);
        if (rnd(3) == 0) {
            two[0] = r;
            two[1] = unread();
            memset(&both, 0, sizeof(both));
            both.type = rnd(2) ? MAPI_RES_AND : MAPI_RES_OR;
            both.u.list.n = 2;
            both.u.list.r = two;
            r = both;
        }
        flags = STORE_SEARCH_RESTART;
        flags |= rnd(2) ? STORE_SEARCH_RECURSIVE : STORE_SEARCH_SHALLOW;
        scope[0] = folder[rnd(FOLDERS)];
        scope[1] = folder[rnd(FOLDERS)];
        /* later ones may look into earlier ones */
        if (i && rnd(2)) {
            scope[1] = search[rnd(i)];
        }
        if (criteria(search[i], flags, &r, 2, scope) != PH_OK) {
            diag("criteria %u", i);
        }
    }
}

static void
random_change(void)
{
    char              subject[64];
    bool              partial;
    unsigned          i, k, n;
    uint64_t          to, id;
    ph_str_t          name;
    store_many_t      many;
    store_message_t  *msg;

    i = n_mids ? rnd(n_mids) : 0;
    to = folder[rnd(FOLDERS)];
    switch (rnd(12)) {
    case 0: case 1: case 2:
        if (n_mids < MESSAGES) {
            snprintf(subject, sizeof(subject), "%s %s",
                     words[rnd(ph_nelts(words))], words[rnd(ph_nelts(words))]);
            mid[n_mids] = fx_message(to, subject);
            home[n_mids++] = to;
        }
        break;
    case 3: case 4:
        if (n_mids && store_message_open(fx.conn, 0, mid[i],
                                         STORE_OPEN_WRITE, &msg) == PH_OK)
        {
            fx_set(msg, v_str(PR_SUBJECT, words[rnd(ph_nelts(words))]));
            store_message_save(fx.conn, msg, 0, NULL, NULL);
            store_message_close(&msg);
        }
        break;
    case 5:
        if (n_mids) {
            store_messages_set_read(fx.conn, home[i], rnd(2) ? 4 : 1, 1,
                                    &mid[i], fx.pool, &n, NULL, &many);
        }
        break;
    case 6:
        if (n_mids && store_messages_move(fx.conn, home[i], to, 1, &mid[i],
                                          &id, &many) == PH_OK && id)
        {
            mid[i] = id;
            home[i] = to;
        }
        break;
    case 7:
        if (n_mids) {
            store_messages_delete(fx.conn, home[i], rnd(2), 1, &mid[i],
                                  &many);
            mid[i] = mid[--n_mids];
            home[i] = home[n_mids];
        }
        break;
    case 8:
        if (n_mids && n_mids < MESSAGES
            && store_messages_copy(fx.conn, home[i], to, 1, &mid[i], &id,
                                   &many) == PH_OK && id)
        {
            mid[n_mids] = id;
            home[n_mids++] = to;
        }
        break;
    case 9:
        k = rnd(FOLDERS);
        snprintf(subject, sizeof(subject), "moved %u", k);
        name = S(subject);
        store_folder_move(fx.conn, folder[k], rnd(3) ? to : STORE_INBOX,
                          name);
        break;
    case 10:
        if (rnd(4) == 0) {
            store_folder_empty(fx.conn, to, STORE_DEL_MESSAGES
                               | (rnd(2) ? STORE_DEL_HARD : 0), &partial);
        } else if (rnd(4) == 0) {
            store_messages_set_read(fx.conn, search[rnd(SEARCHES)], 1, 0,
                                    NULL, fx.pool, &n, NULL, &many);
        }
        break;
    default:
        /* a whole folder with what is in it, replaced by an empty one */
        if (rnd(6) == 0) {
            k = 1 + rnd(FOLDERS - 1);
            if (store_folder_delete(fx.conn, folder[k], 5 | (rnd(2) ? 16 : 0),
                                    &partial) == PH_OK)
            {
                snprintf(subject, sizeof(subject), "new %u", rnd(1000000));
                for (i = 0; i < FOLDERS; i++) {
                    store_folder_t  f;

                    /* those below went with it */
                    if (store_folder_find(fx.conn, NULL, folder[i], &f)
                        != PH_OK || f.deleted)
                    {
                        snprintf(subject, sizeof(subject), "again %u",
                                 rnd(1000000));
                        folder[i] = folder_new(i ? folder[0] : STORE_INBOX,
                                               STORE_FOLDER_GENERIC, subject);
                    }
                }
            }
        }
    }
}

static void
test_walk(void)
{
    bool      more;
    char      name[32];
    unsigned  i, round, change;
    uint64_t  objects;
    uint32_t  findings;

    fx_begin();
    for (i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof(name), "walk %u", i);
        folder[i] = folder_new(i ? folder[rnd(i)] : STORE_INBOX,
                               STORE_FOLDER_GENERIC, name);
    }
    for (i = 0; i < SEARCHES; i++) {
        snprintf(name, sizeof(name), "search %u", i);
        search[i] = folder_new(STORE_FINDER, STORE_FOLDER_SEARCH, name);
    }
    fx_commit();

    for (round = 0; round < 60; round++) {
        store_begin(fx.conn);
        if (round % 10 == 0) {
            set_all();
        }
        for (change = rnd(30); change > 0; change--) {
            if (rnd(8) == 0) {
                /* undone: nothing of it stays */
                store_savepoint(fx.conn);
                fx_message(folder[rnd(FOLDERS)], "red ghost");
                store_undo(fx.conn);
            }
            random_change();
            if (rnd(10) == 0) {
                store_search_flush(fx.conn);
            }
            /* filling goes on between changes */
            if (rnd(10) == 0) {
                store_search_step(fx.conn, 3, &more);
            }
        }
        if (store_commit(fx.conn, NULL) != PH_OK) {
            ok(false, "commit of round %u", round);
            return;
        }
        if (round % 3 == 2) {
            fill(1 + rnd(20), NULL);
        }
        findings = 1;
        if (store_check(fx.conn, 0, fx_finding, NULL, &objects, &findings)
            != PH_OK || findings)
        {
            ok(false, "round %u", round);
            return;
        }
    }
    ok(n_mids > 5, "a walk of 60 rounds, %u messages left", n_mids);
}

static void
test_repair(void)
{
    uint64_t  objects;
    uint32_t  findings;

    mapi_restriction_t  r = content("red");

    fx_begin();
    criteria(search[0], STORE_SEARCH_RESTART, &r, 1, &folder[0]);
    fx_commit();
    fill(50, NULL);
    fx_begin();
    fx_message(folder[0], "red blue green Rot hundred x");
    store_search_flush(fx.conn);
    store_run(fx.conn, "DELETE FROM search_row");
    fx_commit();
    findings = 0;
    store_check(fx.conn, STORE_CHECK_REPAIR, fx_finding, NULL, &objects,
                &findings);
    ok(findings > 0, "rows that are missing are found");
    fill(50, NULL);
    fx_check("repaired");

    fx_close();
    fx_open();
    ok(!store_search_pending(fx.store), "nothing to fill after opening");
    fx_begin();
    set_all();
    fx_commit();
    fx_close();
    fx_open();
    ok(store_search_pending(fx.store), "filling goes on after opening");
    fill(5, NULL);
    ok(!store_search_pending(fx.store), "until it is done");
    fx_check("filled after opening");
}

int
main(void)
{
    fx_start("en");
    test_criteria();
    test_life();
    test_walk();
    test_repair();
    return fx_end();
}
