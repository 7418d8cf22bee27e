/* Categorised tables: headers and their counts, what is shown, expanding and
 * collapsing, the state that a client keeps, and values with a row each. */

#include "store_fixture.h"

#include "mapi/mapi_restriction.h"
#include "store/store_table_int.h"

#define ROWS  90
#define MAX   1024

static const uint32_t  keywords = 0x9000101Fu;

static uint64_t  mids[ROWS];


typedef struct {
    uint32_t  n;
    uint32_t  type[MAX];
    uint32_t  depth[MAX];
    uint64_t  inst_id[MAX];
    uint32_t  inst_num[MAX];
    int32_t   count[MAX];
    int32_t   unread[MAX];
    int32_t   importance[MAX];     /* -1: absent */
    char      subject[MAX][16];
    char      keyword[MAX][16];
} got_t;

static got_t  got, before;

static const uint32_t  columns[] = {
    PR_ROW_TYPE, PR_DEPTH, PidTagInstID, PidTagInstanceNum, PR_CONTENT_COUNT,
    PR_CONTENT_UNREAD, PR_IMPORTANCE, PR_SUBJECT, 0x9000301Fu
};

static void
text(char *out, const mapi_value_t *v)
{
    if (MAPI_TYPE(v->tag) == PT_ERROR) {
        snprintf(out, 16, "-");
        return;
    }
    snprintf(out, 16, "%.*s", (int) v->u.str.len,
             (const char *) v->u.str.data);
}

static ph_int_t
take(void *data, const mapi_values_t *row)
{
    uint32_t             n = got.n++;
    const mapi_value_t  *v = row->v;

    (void) data;
    got.type[n] = (uint32_t) v[0].u.i4;
    got.depth[n] = (uint32_t) v[1].u.i4;
    got.inst_id[n] = (uint64_t) v[2].u.i8;
    got.inst_num[n] = (uint32_t) v[3].u.i4;
    got.count[n] = MAPI_TYPE(v[4].tag) == PT_ERROR ? -1 : v[4].u.i4;
    got.unread[n] = MAPI_TYPE(v[5].tag) == PT_ERROR ? -1 : v[5].u.i4;
    got.importance[n] = MAPI_TYPE(v[6].tag) == PT_ERROR ? -1 : v[6].u.i4;
    text(got.subject[n], &v[7]);
    if (row->n > 8) {
        text(got.keyword[n], &v[8]);
    }
    return PH_OK;
}

static void
all(store_table_t *t)
{
    uint32_t        n;
    int32_t         moved;
    bool            less;
    store_origin_t  origin;

    memset(&got, 0, sizeof(got));
    store_table_seek(fx.conn, t, STORE_SEEK_BEGINNING, 0, &moved, &less);
    is_rc(store_table_query(fx.conn, t, 0, MAX, take, NULL, &n, &origin),
          PH_OK, "query");
    ok(origin == STORE_SEEK_END, "to the end");
}

/* message i: importance i % 3, sensitivity i % 2, subject s<i>, read i % 4 */
static uint64_t
add(uint64_t fid, unsigned i, unsigned n_keywords, const char *const *list)
{
    unsigned          k;
    char              subject[16];
    ph_str_t          str[4];
    uint64_t          id;
    mapi_value_t      v[6];
    mapi_values_t     values = { 5, v };
    store_message_t  *msg;
    store_problems_t  problems;

    snprintf(subject, sizeof(subject), "s%03u", i);
    memset(v, 0, sizeof(v));
    v[0] = v_str(PR_SUBJECT, subject);
    v[1] = v_i4(PR_IMPORTANCE, (int32_t) (i % 3));
    v[2] = v_i4(PR_SENSITIVITY, (int32_t) (i % 2));
    v[3] = v_time(PR_MESSAGE_DELIVERY_TIME,
                  132000000000000000ull + (i * 37 % ROWS) * 10000000ull);
    v[4] = v_i4(PR_MESSAGE_FLAGS, i % 4 ? 1 : 0);
    if (n_keywords) {
        for (k = 0; k < n_keywords; k++) {
            str[k] = S(list[k]);
        }
        v[5].tag = keywords;
        v[5].u.mv.n = n_keywords;
        v[5].u.mv.str = str;
        values.n = 6;
    }
    store_message_create(fx.conn, fid, false, 0, NULL, &msg);
    store_message_set(msg, &values, fx.pool, &problems);
    is_rc(store_message_save(fx.conn, msg, 0, NULL, NULL), PH_OK, "saved");
    id = store_message_fact(msg)->id;
    store_message_close(&msg);
    return id;
}

static store_table_t *
table(uint64_t fid, uint16_t n, uint16_t categories, uint16_t expanded,
    mapi_sort_t *sort, uint32_t n_columns)
{
    mapi_tags_t     tags = { n_columns, columns };
    mapi_sorts_t    sorts = { n, categories, expanded, sort };
    store_table_t  *t;

    store_table_contents(fx.conn, fid, 0, &t);
    is_rc(store_table_set_columns(t, &tags), PH_OK, "columns");
    is_rc(store_table_sort(t, &sorts), PH_OK, "sort with categories");
    return t;
}

static void
test_headers(void)
{
    mapi_sort_t     sort[] = { { PR_IMPORTANCE, 1 }, { PR_SUBJECT, 0 } };
    store_table_t  *t;
    uint32_t        i, k, n, total, headers, unread;
    uint64_t        cat;
    int32_t         moved;
    bool            less, good;
    store_origin_t  origin;

    t = table(STORE_INBOX, 2, 1, 1, sort, 8);
    all(t);
    is_int(got.n, ROWS + 3, "three headers and all rows");
    headers = 0;
    good = true;
    for (i = 0; i < got.n; i++) {
        if (got.type[i] != 3) {
            good &= got.type[i] == 1 && got.depth[i] == 1
                    && got.importance[i] == (int32_t) (3 - headers);
            good &= i == 0 || got.type[i - 1] == 3
                    || strcmp(got.subject[i - 1], got.subject[i]) < 0;
            continue;
        }
        headers++;
        for (k = i + 1, unread = 0; k < got.n && got.type[k] == 1; k++) {
            unread += strtol(got.subject[k] + 1, NULL, 10) % 4 == 0;
        }
        ok(got.count[i] == ROWS / 3 && got.unread[i] == (int32_t) unread
           && k - i - 1 == ROWS / 3 && got.depth[i] == 0
           && got.importance[i] == (int32_t) (3 - headers)
           && strcmp(got.subject[i], "-") == 0,
           "header %u: %d rows, %d unread", i, got.count[i], got.unread[i]);
    }
    ok(good, "leaves are in their category, sorted");
    store_table_position(fx.conn, t, &n, &total);
    is_int(total, ROWS + 3, "headers count as rows");

    /* collapse the second one */
    before = got;
    cat = got.inst_id[1 + ROWS / 3];
    store_table_seek(fx.conn, t, STORE_SEEK_BEGINNING, 40, &moved, &less);
    is_rc(store_table_collapse(fx.conn, t, cat, &n), PH_OK, "collapse");
    is_int(n, ROWS / 3, "rows that went");
    store_table_position(fx.conn, t, &n, &total);
    ok(n == 1 + ROWS / 3 + 1 && total == 2 * ROWS / 3 + 3,
       "the cursor is behind the header: %u of %u", n, total);
    is_rc(store_table_collapse(fx.conn, t, cat, &n), PH_EXISTS, "twice");
    is_rc(store_table_collapse(fx.conn, t, 4711, &n), PH_NOTFOUND,
          "no such category");
    is_rc(store_table_collapse(fx.conn, t, before.inst_id[1], &n),
          PH_NOTFOUND, "a message is no category");
    all(t);
    ok(got.type[1 + ROWS / 3] == 4 && got.type[2 + ROWS / 3] == 3
       && got.count[1 + ROWS / 3] == ROWS / 3, "it is collapsed, and counts");

    memset(&got, 0, sizeof(got));
    is_rc(store_table_expand(fx.conn, t, cat, 5, take, NULL, &n, &k), PH_OK,
          "expand");
    ok(n == ROWS / 3 && k == 5 && got.n == 5
       && memcmp(got.inst_id, &before.inst_id[2 + ROWS / 3],
                 5 * sizeof(uint64_t)) == 0, "the first rows that came");
    is_rc(store_table_expand(fx.conn, t, cat, 5, take, NULL, &n, &k),
          PH_EXISTS, "twice");
    all(t);
    ok(got.n == before.n && memcmp(got.inst_id, before.inst_id,
                                   got.n * sizeof(uint64_t)) == 0,
       "as it was");

    /* backwards, over headers */
    memset(&got, 0, sizeof(got));
    store_table_seek(fx.conn, t, STORE_SEEK_BEGINNING, 32, &moved, &less);
    store_table_query(fx.conn, t, STORE_QUERY_BACKWARD, 3, take, NULL, &n,
                      &origin);
    ok(n == 3 && memcmp(got.inst_id, &before.inst_id[29],
                        3 * sizeof(uint64_t)) == 0, "backwards");
    store_table_close(&t);
}

static void
test_nested(void)
{
    mapi_sort_t     sort[] = {
        { PR_IMPORTANCE, 0 }, { PR_SENSITIVITY, 0 }, { PR_SUBJECT, 1 }
    };
    uint32_t        i, n, k;
    bool            good;
    store_table_t  *t;

    t = table(STORE_INBOX, 3, 2, 2, sort, 8);
    all(t);
    is_int(got.n, ROWS + 3 + 6, "two levels");
    good = got.type[0] == 3 && got.depth[0] == 0 && got.type[1] == 3
           && got.depth[1] == 1 && got.type[2] == 1 && got.depth[2] == 2
           && got.count[0] == ROWS / 3 && got.count[1] == ROWS / 6
           && got.importance[1] == got.importance[0];
    ok(good, "their depths and counts");
    before = got;
    store_table_close(&t);

    t = table(STORE_INBOX, 3, 2, 0, sort, 8);
    all(t);
    is_int(got.n, 3, "all collapsed");
    for (i = 0; i < 3; i++) {
        ok(got.type[i] == 4 && got.count[i] == ROWS / 3, "header %u", i);
    }
    is_rc(store_table_expand(fx.conn, t, got.inst_id[1], 100, take, NULL, &n,
                             &k), PH_OK, "the outer one");
    ok(n == 2 && k == 2, "shows the inner headers");
    all(t);
    ok(got.n == 5 && got.type[1] == 3 && got.type[2] == 4
       && got.depth[2] == 1, "collapsed");
    store_table_close(&t);

    t = table(STORE_INBOX, 3, 2, 1, sort, 8);
    all(t);
    is_int(got.n, 9, "only the outer level expanded");
    store_table_collapse(fx.conn, t, got.inst_id[0], &n);
    is_int(n, 2, "two headers went");
    store_table_close(&t);
}

/* categories ordered by the newest message in each */
static void
test_best(void)
{
    mapi_sort_t     sort[] = {
        { PR_IMPORTANCE, 1 }, { PR_MESSAGE_DELIVERY_TIME, 4 },
        { PR_SUBJECT, 0 }
    };
    mapi_sorts_t    bad = { 1, 0, 0, &sort[1] };
    unsigned        i, best[3], first;
    store_table_t  *t;

    memset(best, 0, sizeof(best));
    for (i = 0; i < ROWS; i++) {
        best[i % 3] = ph_max(best[i % 3], i * 37 % ROWS);
    }
    first = best[0] > best[1] ? (best[0] > best[2] ? 0 : 2)
                              : (best[1] > best[2] ? 1 : 2);
    t = table(STORE_INBOX, 3, 1, 0, sort, 8);
    all(t);
    ok(got.n == 3 && got.importance[0] == (int32_t) first,
       "descending: the category with the newest is first");
    store_table_close(&t);
    sort[0].order = 0;
    t = table(STORE_INBOX, 3, 1, 0, sort, 8);
    all(t);
    ok(got.n == 3 && got.importance[2] == (int32_t) first,
       "ascending: it is last");
    is_rc(store_table_sort(t, &bad), PH_INVALID, "no category to order");
    store_table_close(&t);
}

static void
test_state(void)
{
    mapi_sort_t     sort[] = { { PR_IMPORTANCE, 0 }, { PR_SUBJECT, 0 } };
    mapi_sort_t     other[] = { { PR_IMPORTANCE, 1 }, { PR_SUBJECT, 0 } };
    uint32_t        n, mark, total;
    uint64_t        row;
    int32_t         moved;
    bool            less, gone;
    ph_str_t        state, bad;
    store_table_t  *t, *u;
    store_origin_t  origin;

    t = table(STORE_INBOX, 2, 1, 1, sort, 8);
    all(t);
    row = got.inst_id[ROWS / 3 + 5];
    store_table_collapse(fx.conn, t, got.inst_id[0], &n);
    is_rc(store_table_collapse_state(fx.conn, t, row, 0, fx.pool, &state),
          PH_OK, "get the state");
    all(t);
    before = got;
    store_table_close(&t);

    /* another table, after the folder has changed */
    store_begin(fx.conn);
    add(STORE_INBOX, ROWS, 0, NULL);
    store_commit(fx.conn, NULL);
    u = table(STORE_INBOX, 2, 1, 1, sort, 8);
    is_rc(store_table_set_collapse_state(fx.conn, u, state, &mark), PH_OK,
          "set it in another table");
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, u, 0, 1, take, NULL, &n, &origin);
    ok(n == 1 && got.inst_id[0] == row, "the cursor is at the row");
    is_rc(store_table_seek_bookmark(fx.conn, u, mark, 0, &moved, &less, &gone),
          PH_OK, "the bookmark");
    store_table_position(fx.conn, u, &n, &total);
    is_int(n, 5, "is the row's place");
    all(u);
    ok(got.type[0] == 4 && got.inst_id[0] == before.inst_id[0]
       && got.count[0] == ROWS / 3 + 1, "collapsed, with one more row");
    store_table_close(&u);

    u = table(STORE_INBOX, 2, 1, 1, other, 8);
    is_rc(store_table_set_collapse_state(fx.conn, u, state, &mark),
          PH_INVALID, "not for another order");
    store_table_close(&u);
    u = table(STORE_INBOX, 2, 1, 1, sort, 8);
    for (n = 0; n < state.len; n++) {
        bad = state;
        bad.len = n;
        if (store_table_set_collapse_state(fx.conn, u, bad, &mark)
            != PH_INVALID)
        {
            break;
        }
    }
    is_int((long) n, (long) state.len, "no part of it is a state");

    /* a bookmark whose header is collapsed */
    all(u);
    store_table_seek(fx.conn, u, STORE_SEEK_BEGINNING, 3, &moved, &less);
    store_table_bookmark(fx.conn, u, &mark);
    store_table_collapse(fx.conn, u, got.inst_id[0], &n);
    store_table_seek_bookmark(fx.conn, u, mark, 0, &moved, &less, &gone);
    ok(gone, "its row is not visible any more");
    store_table_position(fx.conn, u, &n, &total);
    is_int(n, 1, "and the next one that is follows the header");
    store_table_close(&u);
}

static void
test_values(void)
{
    static const char *const  red[] = { "red" };
    static const char *const  two[] = { "blue", "red" };
    static const char *const  big[] = { "RED", "green", "blue" };

    mapi_sort_t     by[] = { { 0x9000301Fu, 0 }, { PR_SUBJECT, 0 } };
    mapi_tags_t     tags = { 9, columns };
    mapi_sorts_t    sorts = { 2, 0, 0, by };
    uint32_t        n;
    store_table_t  *t;
    store_origin_t  origin;
    mapi_restriction_t  r;

    store_begin(fx.conn);
    add(STORE_SENT, 1, 1, red);
    add(STORE_SENT, 2, 2, two);
    add(STORE_SENT, 3, 3, big);
    add(STORE_SENT, 4, 0, NULL);
    store_commit(fx.conn, NULL);

    t = table(STORE_SENT, 2, 1, 1, by, 9);
    all(t);
    is_int(got.n, 4 + 7, "none, blue, green, red; a row for each value");
    ok(got.count[0] == 1 && strcmp(got.keyword[0], "-") == 0
       && got.count[2] == 2 && strcmp(got.keyword[2], "blue") == 0
       && strcmp(got.keyword[3], "blue") == 0
       && strcmp(got.subject[3], "s002") == 0
       && strcmp(got.subject[4], "s003") == 0 && got.inst_num[4] == 2
       && got.count[5] == 1 && got.count[7] == 3, "in their categories");
    ok(got.inst_id[4] == got.inst_id[6] && got.inst_num[6] == 1,
       "instances of a row have one id");
    store_table_close(&t);

    /* columns alone */
    store_table_contents(fx.conn, STORE_SENT, 0, &t);
    store_table_set_columns(t, &tags);
    memset(&got, 0, sizeof(got));
    store_table_query(fx.conn, t, 0, MAX, take, NULL, &n, &origin);
    is_int(n, 7, "a column makes them too");
    store_table_count(fx.conn, t, &n);
    is_int(n, 7, "and they count");
    is_rc(store_table_sort(t, &sorts), PH_OK, "sorted by them");
    all(t);
    ok(got.n == 7 && strcmp(got.keyword[0], "-") == 0
       && strcmp(got.keyword[1], "blue") == 0
       && strcmp(got.keyword[3], "green") == 0, "in order");

    /* the row of a search is one instance */
    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_EQ;
    r.u.prop.tag = PidTagInstanceNum;
    r.u.prop.value = v_i4(PidTagInstanceNum, 2);
    memset(&got, 0, sizeof(got));
    is_rc(store_table_find(fx.conn, t, &r, STORE_SEEK_BEGINNING, false, take,
                           NULL), PH_OK, "find an instance");
    ok(strcmp(got.subject[0], "s003") == 0
       && strcmp(got.keyword[0], "blue") == 0, "the third value");
    tags.n = 8;
    store_table_reset(t);
    store_table_set_columns(t, &tags);
    store_table_count(fx.conn, t, &n);
    is_int(n, 4, "without that column: four messages");
    store_table_close(&t);
}

/* headers under a restriction, and a list that is shared */
static void
test_restricted(void)
{
    mapi_sort_t         sort[] = { { PR_IMPORTANCE, 0 } };
    uint32_t            n;
    store_view_t       *a, *b;
    store_table_t      *t, *u;
    mapi_restriction_t  r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_PROPERTY;
    r.u.prop.relop = RELOP_LT;
    r.u.prop.tag = PR_SUBJECT;
    r.u.prop.value = v_str(PR_SUBJECT, "s010");
    t = table(STORE_INBOX, 1, 1, 1, sort, 8);
    store_table_restrict(t, &r);
    all(t);
    ok(got.n == 13 && got.count[0] == 4 && got.count[5] == 3,
       "only rows that match count");
    u = table(STORE_INBOX, 1, 1, 0, sort, 8);
    store_table_restrict(u, &r);
    store_view_get(fx.conn, t, &a);
    store_view_get(fx.conn, u, &b);
    ok(a == b, "two tables share a list");
    store_table_count(fx.conn, u, &n);
    is_int(n, 3, "but show different rows of it");
    store_table_close(&t);
    store_table_close(&u);
}

int
main(void)
{
    unsigned  i;

    fx_start("en_US");
    store_begin(fx.conn);
    for (i = 0; i < ROWS; i++) {
        mids[i] = add(STORE_INBOX, i, 0, NULL);
    }
    store_commit(fx.conn, NULL);

    test_headers();
    test_nested();
    test_best();
    test_state();
    test_values();
    test_restricted();

    return fx_end();
}
