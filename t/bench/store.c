/*
 * The mailbox library by itself:
 *
 *   - opening a contents table and reading its first 50 rows, unsorted, by
 *     delivery time and by subject, in folders of 10^3, 10^5 and 10^6 messages
 *     (the ratio of the last to the first should be near 1), and a page in the
 *     middle;
 *   - messages created and saved one by one with a durable commit each, beside
 *     rows of the same size inserted into a plain SQLite table with the same
 *     durability; and 16 in one commit, as a queue of clients gives them.
 *
 *     store [largest folder, default 1000000, with POSTHORN_QUICK 100000]
 *           [folder to work in]
 */

#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"
#include "store/store.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define PAGE     50
#define CREATES  400

static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* of this thread: pages come from memory, other load is none of their
 * business */
static double
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void
must(ph_int_t rc, const char *what)
{
    if (rc != PH_OK) {
        fprintf(stderr, "%s: %s\n", what, ph_result_name(rc));
        exit(1);
    }
}

static int
gone(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;

    return remove(path);
}

static uint64_t
make_folder(store_conn_t *conn, const char *name)
{
    bool                existed;
    uint64_t            fid;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = STORE_IPM_SUBTREE;
    f.type = STORE_FOLDER_GENERIC;
    f.name = ph_str_c(name);
    must(store_begin(conn), "begin");
    must(store_folder_create(conn, &f, &fid, &existed), "folder");
    must(store_commit(conn, NULL), "commit");

    return fid;
}

/* about what a short mail with its headers has */
static uint32_t
make_values(mapi_value_t *v, unsigned i, char *subject, size_t size)
{
    uint32_t     n;
    static char  body[1500], headers[900];

    memset(body, 'b', sizeof(body));
    memset(headers, 'h', sizeof(headers));
    snprintf(subject, size, "RE: message number %u of many", i * 7919 % 100003);

#define STR(t, s, l)                                                         \
    do {                                                                     \
        v[n].tag = (t);                                                      \
        v[n].u.str = (ph_str_t) { (l), (const uint8_t *) (s) };              \
        n++;                                                                 \
    } while (0)

    n = 0;
    memset(v, 0, 12 * sizeof(*v));
    STR(PR_SUBJECT, subject, strlen(subject));
    STR(PR_SENDER_NAME, "Bob Sender", 10);
    STR(PR_SENDER_EMAIL_ADDRESS, "bob@example.test", 16);
    STR(PR_SENT_REPRESENTING_NAME, "Bob Sender", 10);
    STR(PR_SENT_REPRESENTING_EMAIL_ADDRESS, "bob@example.test", 16);
    STR(PR_INTERNET_MESSAGE_ID, "<0123456789abcdef@example.test>", 31);
    STR(PR_BODY, body, sizeof(body));
    STR(PR_TRANSPORT_MESSAGE_HEADERS, headers, sizeof(headers));
    v[n].tag = PR_MESSAGE_DELIVERY_TIME;
    v[n++].u.time = 133000000000000000ull + (uint64_t) (i * 7919 % 100003)
                                            * 10000000;
    v[n].tag = PR_IMPORTANCE;
    v[n++].u.i4 = (int32_t) (i % 3);

    return n;
}

static void
create_one(store_conn_t *conn, uint64_t fid, unsigned i)
{
    char              subject[64];
    mapi_value_t      v[12];
    mapi_values_t     vals;
    store_message_t  *msg;

    vals.v = v;
    vals.n = make_values(v, i, subject, sizeof(subject));
    must(store_message_create(conn, fid, false, 0, NULL, &msg), "create");
    must(store_message_set(msg, &vals, NULL, NULL), "set");
    must(store_message_save(conn, msg, 0, NULL, NULL), "save");
    store_message_close(&msg);
}

static void
fill(store_conn_t *conn, uint64_t fid, unsigned n)
{
    bool      more;
    unsigned  i;

    must(store_begin(conn), "begin");
    for (i = 0; i < n; i++) {
        create_one(conn, fid, i);
        if (i % 2000 == 1999) {
            must(store_commit(conn, NULL), "commit");
            must(store_begin(conn), "begin");
        }
    }
    must(store_commit(conn, NULL), "commit");
    must(store_maintain(conn, 1000, &more), "maintain");
}

static ph_int_t
row(void *data, const mapi_values_t *values)
{
    *(size_t *) data += values->n;

    return PH_OK;
}

static const uint32_t  columns[] = {
    PidTagMid, PidTagFolderId, PR_SUBJECT, PR_SENDER_NAME,
    PR_MESSAGE_DELIVERY_TIME, PR_MESSAGE_SIZE, PR_MESSAGE_FLAGS,
    PR_IMPORTANCE, PR_MESSAGE_CLASS, PR_HASATTACH
};

/* microseconds of CPU for open, set columns (and sort), read a page, close */
static double
page(store_conn_t *conn, uint64_t fid, bool sorted, uint32_t seek,
    uint32_t tag, unsigned rounds)
{
    bool             less;
    size_t           seen;
    double           start;
    int32_t          moved;
    uint32_t         n;
    unsigned         i;
    mapi_sort_t      order;
    mapi_tags_t      tags;
    mapi_sorts_t     sorts;
    store_table_t   *t;
    store_origin_t   origin;

    tags.n = ph_nelts(columns);
    tags.tag = columns;
    order.tag = tag;
    order.order = 1;
    memset(&sorts, 0, sizeof(sorts));
    sorts.n = 1;
    sorts.sort = &order;
    seen = 0;

    start = cpu();
    for (i = 0; i < rounds; i++) {
        must(store_table_contents(conn, fid, 0, &t), "table");
        must(store_table_set_columns(t, &tags), "columns");
        if (sorted) {
            must(store_table_sort(t, &sorts), "sort");
        }
        if (seek) {
            must(store_table_seek(conn, t, STORE_SEEK_BEGINNING,
                                  (int32_t) seek, &moved, &less), "seek");
        }
        must(store_table_query(conn, t, 0, PAGE, row, &seen, &n, &origin),
             "query");
        store_table_close(&t);
    }

    return (cpu() - start) * 1e6 / rounds;
}

static void
bench_tables(store_conn_t *conn, unsigned largest)
{
    char      name[32];
    double    us[3], first, start, sorted, middle, subject;
    unsigned  n, rounds;
    uint64_t  fid;

    printf("%-10s %12s %12s %12s %14s %12s\n", "messages", "open+page",
           "by time", "by subject*", "middle page", "fill/s");
    first = 0;
    us[0] = 0;
    for (n = 1000; n <= largest; n *= n == 1000 ? 100 : 10) {
        snprintf(name, sizeof(name), "folder of %u", n);
        fid = make_folder(conn, name);
        start = now();
        fill(conn, fid, n);
        start = now() - start;
        rounds = 400;
        us[0] = page(conn, fid, false, 0, 0, rounds);
        sorted = page(conn, fid, true, 0, PR_MESSAGE_DELIVERY_TIME, rounds);
        subject = page(conn, fid, true, 0, PR_NORMALIZED_SUBJECT, rounds);
        middle = page(conn, fid, true, n / 2, PR_MESSAGE_DELIVERY_TIME, 3);
        if (first == 0) {
            first = us[0];
        }
        printf("%-10u %9.0f us %9.0f us %9.0f us %11.0f us %12.0f\n", n,
               us[0], sorted, subject, middle, n / start);
        fflush(stdout);
    }
    printf("* PR_NORMALIZED_SUBJECT\n");
    printf("ratio of the largest to 1000: %.2f\n", us[0] / first);
}

static double
bench_sqlite(const char *dir)
{
    int            i, rc;
    char           path[300];
    double         start;
    static char    blob[3200];
    sqlite3       *db;
    sqlite3_stmt  *s;

    snprintf(path, sizeof(path), "%s/plain.sqlite", dir);
    rc = sqlite3_open(path, &db);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db, "PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL;"
                          "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(db, "INSERT INTO t (b) VALUES (?)", -1, &s,
                                NULL);
    }
    if (rc != SQLITE_OK) {
        must(PH_ERROR, sqlite3_errmsg(db));
    }
    start = now();
    for (i = 0; i < CREATES; i++) {
        sqlite3_bind_blob(s, 1, blob, sizeof(blob), SQLITE_STATIC);
        if (sqlite3_step(s) != SQLITE_DONE) {
            must(PH_ERROR, "insert");
        }
        sqlite3_reset(s);
    }
    start = now() - start;
    sqlite3_finalize(s);
    sqlite3_close(db);

    return CREATES / start;
}

static double
bench_create(store_conn_t *conn, uint64_t fid, unsigned together)
{
    double    start;
    unsigned  i;

    start = now();
    for (i = 0; i < CREATES; i++) {
        if (i % together == 0) {
            must(store_begin(conn), "begin");
        }
        must(store_savepoint(conn), "savepoint");
        create_one(conn, fid, i);
        must(store_release(conn), "release");
        if (i % together == together - 1) {
            must(store_commit(conn, NULL), "commit");
        }
    }

    return CREATES / (now() - start);
}

int
main(int argc, char **argv)
{
    char             dir[256], path[300];
    double           plain, one, many;
    store_t         *store;
    uint64_t         fid;
    unsigned         largest;
    const char      *quick;
    store_env_t     *env;
    store_conf_t     conf;
    store_conn_t    *conn;
    store_params_t   params;

    quick = getenv("POSTHORN_QUICK");
    largest = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10)
              : quick != NULL && *quick != '\0' ? 100000 : 1000000;
    snprintf(dir, sizeof(dir), "%s/posthorn-bench.XXXXXX",
             argc > 2 ? argv[2] : "/tmp");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    snprintf(path, sizeof(path), "%s/box", dir);

    memset(&conf, 0, sizeof(conf));
    memset(&params, 0, sizeof(params));
    params.address = ph_str_c("bench@example.test");
    params.lang = ph_str_c("en");
    must(store_env_create(&conf, &env), "env");
    must(store_create(env, path, &params), "create");
    must(store_open(env, path, &store), "open");
    must(store_conn_acquire(store, STORE_WRITE, &conn), "writer");

    fid = make_folder(conn, "creates");
    plain = bench_sqlite(dir);
    one = bench_create(conn, fid, 1);
    many = bench_create(conn, fid, 16);
    printf("durable inserts of one row, plain SQLite: %7.0f/s\n", plain);
    printf("durable messages, one a commit:           %7.0f/s  ratio %.2f\n",
           one, one / plain);
    printf("durable messages, 16 a commit:            %7.0f/s  ratio %.2f\n",
           many, many / plain);

    bench_tables(conn, largest);

    store_conn_release(&conn);
    store_close(&store);
    store_env_destroy(&env);
    (void) nftw(dir, gone, 16, FTW_DEPTH | FTW_PHYS);

    return 0;
}
