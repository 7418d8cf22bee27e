/* The full-text index: it follows changes, names every message that a
 * restriction matches, and is made again when it is lost. */

#include "store_fixture.h"
#include "store/store_int.h"
#include "store/store_index_int.h"

#define MESSAGES  200

static void
follow(uint32_t piece)
{
    bool      more;
    ph_int_t  rc;
    unsigned  n;

    n = 0;
    do {
        more = false;
        store_begin(fx.conn);
        rc = store_index_step(fx.conn, piece, &more);
        store_rollback(fx.conn);
    } while (rc == PH_OK && more && ++n < 10000);
    is_rc(rc, PH_OK, "the index follows");
}

static store_index_status_t
status(void)
{
    store_index_status_t  s;

    memset(&s, 0, sizeof(s));
    is_rc(store_index_status(fx.conn, &s), PH_OK, "status");
    return s;
}

/* a message with an HTML body, a recipient and a text file */
static uint64_t
rich(uint64_t fid, const char *subject, const char *html, const char *name,
    const char *file)
{
    uint64_t            id;
    mapi_value_t        v[4];
    mapi_values_t       values = { 3, v };
    mapi_recipient_t    row;
    store_attach_t     *att;
    store_message_t    *msg;
    store_problems_t    p;

    store_message_create(fx.conn, fid, false, 0, NULL, &msg);
    fx_set(msg, v_str(PR_SUBJECT, subject));
    fx_set(msg, v_bin(PR_HTML, html, strlen(html)));

    memset(&row, 0, sizeof(row));
    v[0] = v_i4(PR_RECIPIENT_TYPE, 1);
    v[1] = v_str(PR_DISPLAY_NAME, name);
    v[2] = v_str(PR_SMTP_ADDRESS, "someone@example.test");
    row.props = values;
    store_message_modify_recipients(msg, 1, &row);

    store_attach_create(msg, &att);
    v[0] = v_str(PR_ATTACH_LONG_FILENAME, "minutes.txt");
    v[1] = v_bin(PR_ATTACH_DATA_BIN, file, strlen(file));
    v[2] = v_i4(PR_ATTACH_METHOD, 1);
    store_attach_set(att, &values, fx.pool, &p);
    store_attach_save(att);

    store_message_save(fx.conn, msg, 0, NULL, NULL);
    id = store_message_fact(msg)->id;
    store_message_close(&msg);
    return id;
}

/* How many messages these words find; the first one in *id_r. */
static unsigned
words(const char *text, uint64_t *id_r)
{
    uint32_t   n;
    uint64_t  *ids;

    n = 0;
    if (store_index_words(fx.conn, S(text), 1000, fx.pool, &n, &ids) != PH_OK)
    {
        return 0;
    }
    if (id_r && n) {
        *id_r = ids[0];
    }
    return n;
}

static mapi_restriction_t
content(uint32_t tag, const char *pattern, uint16_t low, uint16_t high)
{
    mapi_restriction_t  r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_CONTENT;
    r.u.content.low = low;
    r.u.content.high = high;
    r.u.content.tag = tag;
    r.u.content.value = v_str(tag, pattern);
    return r;
}

/* -1: the index does not tell */
static int
candidates(const mapi_restriction_t *r)
{
    uint32_t   n;
    uint64_t  *ids;
    ph_int_t   rc;

    rc = store_index_candidates(fx.conn, r, fx.pool, &n, &ids);
    return rc == PH_OK ? (int) n : rc == PH_DECLINED ? -1 : -2;
}

static void
test_words(void)
{
    uint64_t  a, b, id;

    fx_begin();
    a = rich(STORE_INBOX, "Übersicht der Termine",
             "<p>Die <b>K\xc3\xb6ln</b>er Sitzung f\xc3\xa4llt aus</p>",
             "J\xc3\xbcrgen Vo\xc3\x9f", "protokoll vom montag");
    b = fx_message(STORE_INBOX, "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd\xe3\x81"
                   "\xae\xe4\xbc\x9a\xe8\xad\xb0");  /* Tokyo, meeting */
    fx_commit();
    follow(1);

    ok(words("ubersicht", &id) == 1 && id == a, "without accents");
    ok(words("TERM", &id) == 1 && id == a, "the beginning of a word");
    ok(words("koln", &id) == 1, "in the text of HTML");
    ok(words("voss jurgen", &id) == 1 && id == a, "names, in any order");
    ok(words("someone", &id) == 1, "addresses");
    ok(words("minutes", &id) == 1, "names of attachments");
    ok(words("montag", &id) == 1, "text of attachments");
    is_int(words("montag fehlt", NULL), 0, "all words");
    ok(words("\xe4\xbc\x9a\xe8\xad\xb0", &id) == 1 && id == b,
       "a word between others without spaces");
    is_int(words("\" OR * NEAR(", NULL), 0, "no operators");
    is_int(words("", NULL), 0, "no words");
}

static void
test_candidates(void)
{
    mapi_restriction_t  r, two[2], both;

    r = content(PR_SUBJECT, "ersich", 1, 1);
    is_int(candidates(&r), 1, "inside of a word");
    r = content(PR_SUBJECT, "ERSICHT DER", 1, 1);
    is_int(candidates(&r), 1, "over two words");
    r = content(PR_BODY, "lner Sitz", 1, 0);
    is_int(candidates(&r), 1, "in the body");
    r = content(PR_BODY, "ersich", 1, 1);
    is_int(candidates(&r), 0, "not of another property");
    r = content(PR_SUBJECT, "xy", 1, 1);
    is_int(candidates(&r), -1, "too short to tell");
    r = content(PR_SUBJECT, "\xe4\xba\xac\xe9\x83\xbd", 1, 1);
    is_int(candidates(&r), 1, "two letters of Han");
    r = content(PR_MESSAGE_CLASS, "IPM", 2, 1);
    is_int(candidates(&r), -1, "a property that is not indexed");

    memset(&both, 0, sizeof(both));
    both.type = MAPI_RES_AND;
    both.u.list.n = 2;
    both.u.list.r = two;
    two[0] = content(PR_MESSAGE_CLASS, "IPM", 2, 1);
    two[1] = content(PR_SUBJECT, "ersich", 1, 1);
    is_int(candidates(&both), 1, "AND: what it knows narrows");
    both.type = MAPI_RES_OR;
    is_int(candidates(&both), -1, "OR: what it does not know may match");
    two[0] = content(PR_DISPLAY_TO, "JURGEN", 1, 3);
    is_int(candidates(&both), 1, "OR of two");
    memset(&both, 0, sizeof(both));
    both.type = MAPI_RES_NOT;
    both.u.sub.r = two;
    is_int(candidates(&both), -1, "NOT");
    memset(&both, 0, sizeof(both));
    both.type = MAPI_RES_SUBOBJECT;
    both.u.sub.tag = PR_MESSAGE_RECIPIENTS;
    both.u.sub.r = two;
    two[0] = content(PR_SMTP_ADDRESS, "ONE@example", 1, 1);
    is_int(candidates(&both), 1, "a recipient's address");
    both.u.sub.tag = PR_MESSAGE_ATTACHMENTS;
    two[0] = content(PR_ATTACH_LONG_FILENAME, "utes.t", 1, 1);
    is_int(candidates(&both), 1, "an attachment's name");

    /* what is not indexed yet is among the answers */
    fx_begin();
    fx_message(STORE_INBOX, "something else");
    fx_commit();
    r = content(PR_SUBJECT, "ersich", 1, 1);
    is_int(candidates(&r), 2, "a new message may match");
    follow(10);
    is_int(candidates(&r), 1, "until it is indexed");
}

static unsigned  rows_n;

static ph_int_t
take(void *data, const mapi_values_t *row)
{
    uint64_t  *sum = data;

    *sum = *sum * 31 + store_id((mapi_eid_t) row->v[0].u.i8);
    rows_n++;
    return PH_OK;
}

/* a number for the rows that the restriction leaves */
static uint64_t
table(uint64_t fid, const mapi_restriction_t *r)
{
    static const uint32_t  columns[] = { PidTagMid };

    uint32_t        n;
    uint64_t        sum;
    mapi_tags_t     tags = { 1, columns };
    store_table_t  *t;
    store_origin_t  origin;

    sum = 0;
    rows_n = 0;
    if (store_table_contents(fx.conn, fid, 0, &t) != PH_OK) {
        return 0;
    }
    store_table_set_columns(t, &tags);
    store_table_restrict(t, r);
    store_table_query(fx.conn, t, 0, 1000, take, &sum, &n, &origin);
    store_table_close(&t);
    return sum;
}

/* every answer with the index is that without it */
static void
test_same(void)
{
    static const char *const  parts[] = {
        "red", "Red", "\xc3\xa9t\xc3\xa9", "ete", "\xef\xac\x81sh", "fish",
        "stra\xc3\x9f" "e", "STRASSE", "\xe6\x9d\xb1\xe4\xba\xac", "a\"b",
        "\xed\x95\x9c\xea\xb5\xad", "x-y_z", "e\xcc\x81t", "100%"
    };
    static const uint16_t  lows[] = { 0, 1, 2, 0x10, 0x20 };

    char                subject[128];
    bool                same;
    unsigned            i, k, l, hits;
    mapi_restriction_t  one, two;
    uint64_t            with, without, seed;
    mapi_restriction_t  r;

    seed = 7;
    fx_begin();
    for (i = 0; i < MESSAGES; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        snprintf(subject, sizeof(subject), "%s %s%s",
                 parts[(seed >> 33) % ph_nelts(parts)],
                 parts[(seed >> 40) % ph_nelts(parts)],
                 parts[(seed >> 47) % ph_nelts(parts)]);
        fx_message(STORE_DRAFTS, subject);
    }
    fx_commit();

    same = true;
    hits = 0;
    follow(64);
    for (i = 0; i < ph_nelts(parts); i++) {
        for (k = 0; k < ph_nelts(lows); k++) {
            for (l = 0; l < 8; l++) {
                r = content(PR_SUBJECT, parts[i], lows[k], (uint16_t) l);
                with = table(STORE_DRAFTS, &r);
                hits += rows_n;
                /* NOT NOT: the index does not tell */
                memset(&one, 0, sizeof(one));
                memset(&two, 0, sizeof(two));
                one.type = MAPI_RES_NOT;
                one.u.sub.r = &r;
                two.type = MAPI_RES_NOT;
                two.u.sub.r = &one;
                without = table(STORE_DRAFTS, &two);
                if (with != without) {
                    diag("\"%s\" low %x high %x", parts[i], lows[k], l);
                    same = false;
                }
            }
        }
    }
    ok(hits > 100, "%u rows with the index", hits);
    ok(same, "the same rows with and without the index");
}

static void
test_changes(void)
{
    uint64_t              a, moved[1];
    unsigned              n;
    store_many_t          many;
    store_message_t      *msg;
    store_index_status_t  s;

    fx_begin();
    a = fx_message(STORE_INBOX, "quicksilver");
    fx_commit();
    follow(8);
    s = status();
    ok(s.exists && s.behind == 0 && s.seen == s.last_cn && s.size > 0,
       "it is complete");
    is_int(words("quicksilver", NULL), 1, "there");

    fx_begin();
    store_message_open(fx.conn, 0, a, STORE_OPEN_WRITE, &msg);
    fx_set(msg, v_str(PR_SUBJECT, "mercury"));
    store_message_save(fx.conn, msg, 0, NULL, NULL);
    store_message_close(&msg);
    fx_commit();
    s = status();
    is_int(s.behind, 1, "behind by one");
    follow(8);
    is_int(words("quicksilver", NULL), 0, "changed");
    is_int(words("mercury", NULL), 1, "to this");

    fx_begin();
    store_messages_move(fx.conn, STORE_INBOX, STORE_SENT, 1, &a, moved,
                        &many);
    store_messages_set_read(fx.conn, STORE_SENT, 4, 1, moved, fx.pool, &n,
                            NULL, &many);
    fx_commit();
    follow(8);
    uint64_t  id = 0;
    n = words("mercury", &id);
    ok(n >= 1 && n <= 2, "moved");
    fx_begin();
    store_messages_delete(fx.conn, STORE_SENT, true, 1, moved, &many);
    fx_commit();
    for (n = 0; n < 4; n++) {
        follow(8);
    }
    is_int(words("mercury", NULL), 0, "deleted: swept");

    fx_close();
    fx_open();
    is_int(words("minutes", NULL), 1, "there after opening again");
    is_rc(store_index_rebuild(fx.store), PH_OK, "thrown away");
    s = status();
    ok(!s.exists && s.behind > 100, "none");
    is_int(words("minutes", NULL), 0, "it knows nothing");
    follow(50);
    is_int(words("minutes", NULL), 1, "made again");
}

static void
test_damage(void)
{
    char                  path[256];
    FILE                 *f;
    store_index_status_t  s;

    store_index_trim(fx.store);
    snprintf(path, sizeof(path), "%s/index.sqlite", fx.path);
    f = fopen(path, "r+b");
    ok(f != NULL, "the file");
    if (f) {
        fwrite("this is no database at all, is it", 1, 33, f);
        fclose(f);
    }
    snprintf(path, sizeof(path), "%s/index.sqlite-wal", fx.path);
    unlink(path);
    is_int(words("minutes", NULL), 0, "a damaged one says nothing");
    follow(50);
    s = status();
    ok(s.exists && s.behind == 0, "and is made anew");
    is_int(words("minutes", NULL), 1, "with everything");
}

int
main(void)
{
    fx_start("en");
    test_words();
    test_candidates();
    test_same();
    test_changes();
    test_damage();
    {
        uint64_t  objects;
        uint32_t  findings = 1;

        store_check(fx.conn, STORE_CHECK_INDEX, fx_finding, NULL, &objects,
                    &findings);
        is_int(findings, 0, "check with the index");
        sqlite3_exec(fx.store->index->db, "DELETE FROM doc WHERE message ="
                     " (SELECT max(message) FROM doc)", NULL, NULL, NULL);
        store_check(fx.conn, STORE_CHECK_INDEX | STORE_CHECK_REPAIR,
                    fx_finding, NULL, &objects, &findings);
        is_int(findings, 1, "a message that it lost is found");
        is_int(status().documents, 0, "the index is thrown away");
        follow(100);
    }
    fx_check("index");
    return fx_end();
}
