/* Tables: order, paging in both directions, positions, restrictions, bookmarks,
 * and what happens to a cursor when rows come and go. */

#include "store_fixture.h"

#include "store/store_table_int.h"

#define ROWS  300

static uint64_t  mids[ROWS];

typedef struct {
    uint32_t  n;
    uint32_t  max;             /* PH_DONE after that many, 0: never */
    uint64_t  id[2 * ROWS];
    size_t    body_len;
    uint32_t  first_error;
} got_t;

static ph_int_t
take(void *data, const mapi_values_t *row)
{
    got_t  *got = data;

    if (got->max && got->n == got->max) {
        return PH_DONE;
    }
    got->id[got->n++] = store_id((mapi_eid_t) row->v[0].u.i8);
    if (row->n > 1) {
        got->body_len = MAPI_TYPE(row->v[1].tag) == PT_UNICODE
                        ? row->v[1].u.str.len : 0;
        got->first_error = MAPI_TYPE(row->v[1].tag) == PT_ERROR
                           ? row->v[1].u.err : 0;
    }
    return PH_OK;
}

static uint64_t
add(unsigned i, const char *subject, uint64_t received)
{
    ph_int_t            rc;
    mapi_value_t        v[4];
    mapi_values_t       values = { 4, v };
    store_actor_t       actor;
    store_message_t    *msg;
    store_problems_t    problems;
    uint64_t            id;

    memset(v, 0, sizeof(v));
    memset(&actor, 0, sizeof(actor));
    v[0].tag = PR_SUBJECT;
    v[0].u.str = S(subject);
    v[1].tag = PR_MESSAGE_DELIVERY_TIME;
    v[1].u.time = received;
    v[2].tag = PR_IMPORTANCE;
    v[2].u.i4 = (int32_t) (i % 3);
    v[3].tag = PR_BODY;
    v[3].u.str = S("body");
    rc = store_message_create(fx.conn, STORE_INBOX, false, 0, &actor, &msg);
    if (rc == PH_OK) {
        rc = store_message_set(msg, &values, fx.pool, &problems);
    }
    if (rc == PH_OK) {
        rc = store_message_save(fx.conn, msg, 0, &actor, NULL);
    }
    id = rc == PH_OK ? store_message_fact(msg)->id : 0;
    store_message_close(&msg);
    return id;
}

static store_table_t *
open_table(uint32_t sort_tag, uint8_t order, const mapi_restriction_t *r)
{
    static const uint32_t  columns[] = { PidTagMid, PR_BODY };

    mapi_sort_t     sort = { sort_tag, order };
    mapi_sorts_t    sorts = { 1, 0, 0, &sort };
    mapi_tags_t     tags = { 2, columns };
    store_table_t  *t;

    if (store_table_contents(fx.conn, STORE_INBOX, 0, &t) != PH_OK) {
        return NULL;
    }
    if (store_table_set_columns(t, &tags) != PH_OK
        || (sort_tag && store_table_sort(t, &sorts) != PH_OK)
        || (r && store_table_restrict(t, r) != PH_OK))
    {
        store_table_close(&t);
    }
    return t;
}

/* All rows in pages of `page`, forwards; and again backwards. */
static void
test_pages(const char *what, store_table_t *t, uint32_t page, uint32_t total)
{
    got_t           all, back, part;
    uint32_t        n, i;
    store_origin_t  origin;
    int32_t         moved;
    bool            less, same, once;

    memset(&all, 0, sizeof(all));
    do {
        ok(store_table_query(fx.conn, t, 0, page, take, &all, &n, &origin)
           == PH_OK, "%s: a page", what);
    } while (n && origin != STORE_SEEK_END && all.n < 2 * ROWS - page);
    ok(all.n == total, "%s: pages of %u give all rows: %u", what, page, all.n);
    ok(origin == STORE_SEEK_END, "%s: at the end", what);

    once = true;
    for (i = 0; i < all.n; i++) {
        for (n = i + 1; n < all.n; n++) {
            once &= all.id[i] != all.id[n];
        }
    }
    ok(once, "%s: no row twice", what);

    memset(&back, 0, sizeof(back));
    i = total;
    same = true;
    while (i > 0) {
        memset(&part, 0, sizeof(part));
        ok(store_table_query(fx.conn, t, STORE_QUERY_BACKWARD, page, take,
                             &part, &n, &origin) == PH_OK && n > 0,
           "%s: a page backwards", what);
        if (n == 0 || n > i) {
            break;
        }
        i -= n;
        same &= memcmp(part.id, &all.id[i], n * sizeof(uint64_t)) == 0;
    }
    ok(same && i == 0 && origin == STORE_SEEK_BEGINNING,
       "%s: backwards the same rows in table order", what);

    ok(store_table_seek(fx.conn, t, STORE_SEEK_BEGINNING, 7, &moved, &less)
       == PH_OK && moved == 7 && !less, "%s: seek to row 7", what);
    ok(store_table_position(fx.conn, t, &n, &i) == PH_OK && n == 7
       && i == total, "%s: position %u of %u", what, n, i);
    memset(&part, 0, sizeof(part));
    store_table_query(fx.conn, t, STORE_QUERY_NO_ADVANCE, 1, take, &part, &n,
                      &origin);
    ok(n == 1 && part.id[0] == all.id[7], "%s: it is that row", what);
    store_table_position(fx.conn, t, &n, &i);
    ok(n == 7, "%s: NoAdvance leaves the cursor", what);

    ok(store_table_seek(fx.conn, t, STORE_SEEK_CURRENT, (int32_t) total, &moved,
                        &less) == PH_OK && less
       && moved == (int32_t) total - 7, "%s: short seek forwards", what);
    ok(store_table_seek(fx.conn, t, STORE_SEEK_END, -(int32_t) total - 5,
                        &moved, &less) == PH_OK && less
       && moved == -(int32_t) total, "%s: short seek backwards", what);
    ok(store_table_seek_fraction(fx.conn, t, 1, 2) == PH_OK
       && store_table_position(fx.conn, t, &n, &i) == PH_OK && n == total / 2,
       "%s: half way", what);

    memset(&part, 0, sizeof(part));
    part.max = 3;
    store_table_seek(fx.conn, t, STORE_SEEK_BEGINNING, 0, &moved, &less);
    store_table_query(fx.conn, t, 0, page, take, &part, &n, &origin);
    ok(n == 3 && origin == STORE_SEEK_CURRENT
       && store_table_position(fx.conn, t, &n, &i) == PH_OK && n == 3,
       "%s: a full buffer ends the page behind what fitted", what);
}

static void
test_order(void)
{
    uint32_t        i, n;
    got_t           got;
    bool            sorted;
    store_table_t  *t;
    store_origin_t  origin;

    t = open_table(PR_MESSAGE_DELIVERY_TIME, 1, NULL);
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, t, 0, ROWS, take, &got, &n, &origin);
    sorted = n == ROWS;
    /* the times fall with the number, see main() */
    for (i = 0; sorted && i < ROWS; i++) {
        sorted = got.id[i] == mids[i];
    }
    ok(sorted, "newest first");
    store_table_close(&t);

    t = open_table(PR_SUBJECT, 0, NULL);
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, t, 0, ROWS, take, &got, &n, &origin);
    ok(n == ROWS && got.id[0] == mids[0] && got.id[1] == mids[1],
       "subjects without regard to case");
    store_table_close(&t);
}

static void
test_restriction(void)
{
    bool                 less, gone;
    got_t                got;
    int32_t              moved;
    uint32_t             n, mark;
    uint64_t             prev;
    store_many_t         many;
    store_origin_t       origin;
    store_table_t       *t;
    mapi_restriction_t   r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.tag = PR_IMPORTANCE;
    r.u.prop.value.tag = PR_IMPORTANCE;
    r.u.prop.value.u.i4 = 2;
    t = open_table(0, 0, &r);
    test_pages("restricted", t, 7, ROWS / 3);

    ok(store_table_locate(fx.conn, t, mids[2], &prev, NULL, NULL) == PH_OK
       && prev == 0, "the first row of importance 2 has none before it");
    ok(store_table_locate(fx.conn, t, mids[5], &prev, NULL, NULL) == PH_OK
       && prev == mids[2], "the second has the first before it");
    ok(store_table_locate(fx.conn, t, mids[3], &prev, NULL, NULL)
       == PH_NOTFOUND, "another importance is no row");

    store_table_seek(fx.conn, t, STORE_SEEK_BEGINNING, 1, &moved, &less);
    ok(store_table_bookmark(fx.conn, t, &mark) == PH_OK, "a bookmark");
    store_table_seek(fx.conn, t, STORE_SEEK_END, 0, &moved, &less);
    memset(&got, 0, sizeof(got));
    ok(store_table_seek_bookmark(fx.conn, t, mark, 0, &moved, &less, &gone)
       == PH_OK && !gone, "back at the bookmark");
    store_table_query(fx.conn, t, 0, 1, take, &got, &n, &origin);
    ok(n == 1 && got.id[0] == mids[5], "it is the second row");

    ok(store_messages_delete(fx.conn, STORE_INBOX, true, 1, &mids[5], &many)
       == PH_OK && many.done == 1, "its row is deleted");
    ok(store_table_seek_bookmark(fx.conn, t, mark, 0, &moved, &less, &gone)
       == PH_OK && gone, "the bookmark's row is gone");
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, t, 0, 1, take, &got, &n, &origin);
    ok(n == 1 && got.id[0] == mids[8], "and the next one is there");
    ok(store_table_free_bookmark(t, mark) == PH_OK
       && store_table_free_bookmark(t, mark) == PH_NOTFOUND,
       "a bookmark is freed once");
    store_table_close(&t);

    t = open_table(PR_MESSAGE_DELIVERY_TIME, 0, NULL);
    ok(store_table_find(fx.conn, t, &r, STORE_SEEK_BEGINNING, false, take,
                        &got) == PH_OK, "found forwards");
    memset(&got, 0, sizeof(got));
    ok(store_table_find(fx.conn, t, &r, STORE_SEEK_END, false, take, &got)
       == PH_NOTFOUND, "nothing behind the end");
    ok(store_table_find(fx.conn, t, &r, STORE_SEEK_END, true, take, &got)
       == PH_OK && got.id[0] == mids[2], "found backwards from the end");
    store_table_close(&t);
}

static void
test_long_value(void)
{
    char                 body[2000];
    got_t                got;
    uint64_t             id;
    uint32_t             n;
    ph_int_t             rc;
    mapi_value_t         v;
    mapi_values_t        values = { 1, &v };
    store_actor_t        actor;
    store_table_t       *t;
    store_origin_t       origin;
    store_message_t     *msg;
    store_problems_t     problems;

    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    memset(&actor, 0, sizeof(actor));
    memset(&v, 0, sizeof(v));
    v.tag = PR_BODY;
    v.u.str = S(body);
    rc = store_message_create(fx.conn, STORE_DRAFTS, false, 0, &actor, &msg);
    if (rc == PH_OK) {
        rc = store_message_set(msg, &values, fx.pool, &problems);
    }
    if (rc == PH_OK) {
        rc = store_message_save(fx.conn, msg, 0, &actor, NULL);
    }
    ok(rc == PH_OK, "a message with a long body: %s", ph_result_name(rc));
    id = store_message_fact(msg)->id;
    store_message_close(&msg);

    static const uint32_t  columns[] = { PidTagMid, PR_BODY };
    mapi_tags_t            tags = { 2, columns };

    rc = store_table_contents(fx.conn, STORE_DRAFTS, 0, &t);
    store_table_set_columns(t, &tags);
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, t, STORE_QUERY_NO_ADVANCE, 5, take, &got, &n,
                      &origin);
    ok(n == 1 && got.id[0] == id && got.body_len == STORE_ROW_CHARS_MAX,
       "it is cut to 255 characters in a row");
    store_table_query(fx.conn, t, STORE_QUERY_LONG, 5, take, &got, &n,
                      &origin);
    is_int((long) got.body_len, (long) sizeof(body) - 1, "whole when asked");
    store_table_close(&t);
}

static void
test_wrong(void)
{
    uint32_t        n, bad[2] = { PidTagMid, 0x0037000Au };
    mapi_tags_t     tags = { 2, bad };
    got_t           got;
    mapi_sort_t     sort = { PR_SUBJECT, 0 };
    mapi_sorts_t    sorts = { 1, 1, 0, &sort };
    store_table_t  *t;
    store_origin_t  origin;

    ok(store_table_contents(fx.conn, 0x7777, 0, &t) == PH_NOTFOUND,
       "no such folder");
    store_table_contents(fx.conn, STORE_INBOX, 0, &t);
    ok(store_table_query(fx.conn, t, 0, 1, take, &got, &n, &origin)
       == PH_DECLINED, "a query needs columns");
    ok(store_table_set_columns(t, &tags) == PH_INVALID,
       "PT_ERROR is no type of a column");
    tags.n = 0;
    ok(store_table_set_columns(t, &tags) == PH_INVALID, "no columns");
    ok(store_table_sort(t, &sorts) == PH_OK, "one category");
    sorts.categories = 2;
    ok(store_table_sort(t, &sorts) == PH_INVALID,
       "more categories than sort orders");
    ok(store_table_seek_fraction(fx.conn, t, 1, 0) == PH_INVALID,
       "a fraction of nothing");
    store_table_close(&t);

    store_table_contents(fx.conn, STORE_SENT, 0, &t);
    tags.n = 1;
    store_table_set_columns(t, &tags);
    ok(store_table_query(fx.conn, t, 0, 5, take, &got, &n, &origin) == PH_OK
       && n == 0, "an empty table has no rows");
    store_table_close(&t);
}

static void
test_hierarchy(void)
{
    got_t           got;
    uint32_t        n, total, all;
    static const uint32_t  columns[] = { PidTagFolderId };
    mapi_tags_t     tags = { 1, columns };
    store_table_t  *t;
    store_origin_t  origin;

    store_table_hierarchy(fx.conn, STORE_IPM_SUBTREE, 0, &t);
    store_table_set_columns(t, &tags);
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, t, 0, 100, take, &got, &n, &origin);
    store_table_count(fx.conn, t, &total);
    ok(n > 8 && n == total, "folders below the top: %u", n);
    store_table_close(&t);

    store_table_hierarchy(fx.conn, STORE_ROOT, STORE_TABLE_DEPTH, &t);
    store_table_count(fx.conn, t, &all);
    ok(all > total + 8, "all folders: %u", all);
    store_table_close(&t);
}

int
main(void)
{
    char      subject[64];
    unsigned  i;

    fx_start("en_US");
    store_begin(fx.conn);
    for (i = 0; i < ROWS; i++) {
        snprintf(subject, sizeof(subject), "%s%03u", i % 2 ? "S" : "s", i);
        mids[i] = add(i, subject, 132000000000000000ull - i * 10000000ull);
    }
    ok(mids[0] && mids[ROWS - 1], "%d messages", ROWS);
    store_commit(fx.conn, NULL);

    store_table_t  *t;

    t = open_table(0, 0, NULL);
    test_pages("by id", t, 50, ROWS);
    store_table_close(&t);
    t = open_table(PR_MESSAGE_DELIVERY_TIME, 1, NULL);
    test_pages("by time, descending", t, 41, ROWS);
    store_table_close(&t);
    t = open_table(PR_NORMALIZED_SUBJECT, 0, NULL);
    test_pages("by subject", t, 37, ROWS);
    store_table_close(&t);
    t = open_table(PR_IMPORTANCE, 1, NULL);
    test_pages("by importance", t, 64, ROWS);
    store_table_close(&t);

    test_order();
    store_begin(fx.conn);
    test_restriction();
    test_long_value();
    store_commit(fx.conn, NULL);
    test_wrong();
    test_hierarchy();

    return fx_end();
}
