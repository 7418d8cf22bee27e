/*
 * Searching:
 *
 *   - a contents table with a content restriction over the bodies of a folder,
 *     read message by message and with the full-text index;
 *   - filling a search folder, likewise;
 *   - a delivery in a mailbox with 0, 10 and 100 search folders that look at
 *     another folder (the ratio should be near 1), and that look at this one.
 *
 *     search [messages, default 10000] [folder to work in]
 */

#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"
#include "store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define DELIVERIES  200

static store_t       *store;
static store_conn_t  *conn;

static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* of this thread, without what the disk and other load take */
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
make_folder(uint64_t parent, uint8_t type, const char *name)
{
    bool                existed;
    uint64_t            fid;
    store_folder_new_t  f;

    memset(&f, 0, sizeof(f));
    f.parent = parent;
    f.type = type;
    f.name = ph_str_c(name);
    must(store_folder_create(conn, &f, &fid, &existed), name);

    return fid;
}

static const char *const  words[] = {
    "meeting", "invoice", "holiday", "server", "contract", "lunch", "budget",
    "release", "customer", "training", "coffee", "window", "travel", "report"
};

static uint64_t  seed = 1;

static const char *
word(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;

    return words[(seed >> 33) % ph_nelts(words)];
}

static uint64_t
deliver(uint64_t fid, unsigned n)
{
    char              subject[64], body[3000];
    bool              dup, quota;
    size_t            len;
    uint64_t          mid, to;
    mapi_value_t      v[2];
    mapi_message_t    m;
    store_delivery_t  d;

    snprintf(subject, sizeof(subject), "%s about the %s", word(), word());
    for (len = 0; len < 2500; /* void */) {
        len += (size_t) snprintf(body + len, sizeof(body) - len, "%s %u ",
                                 word(), n);
    }
    if (n % 1000 == 0) {
        snprintf(body + len, sizeof(body) - len, "a zebra crossing");
    }
    memset(v, 0, sizeof(v));
    v[0].tag = PR_SUBJECT;
    v[0].u.str = ph_str_c(subject);
    v[1].tag = PR_BODY;
    v[1].u.str = ph_str_c(body);
    memset(&m, 0, sizeof(m));
    m.props.n = 2;
    m.props.v = v;
    memset(&d, 0, sizeof(d));
    d.message = &m;
    d.folder = fid;
    must(store_deliver(conn, &d, &mid, &to, &dup, &quota), "deliver");

    return mid;
}

static mapi_restriction_t
content(uint32_t tag, const char *pattern)
{
    mapi_restriction_t  r;

    memset(&r, 0, sizeof(r));
    r.type = MAPI_RES_CONTENT;
    r.u.content.low = 1;
    r.u.content.high = 1;
    r.u.content.tag = tag;
    r.u.content.value.tag = tag;
    r.u.content.value.u.str = ph_str_c(pattern);

    return r;
}

static uint64_t
search(const char *name, uint64_t scope, const mapi_restriction_t *r)
{
    uint64_t          fid;
    store_criteria_t  c;

    fid = make_folder(STORE_FINDER, STORE_FOLDER_SEARCH, name);
    memset(&c, 0, sizeof(c));
    c.flags = STORE_SEARCH_RESTART;
    c.restriction = r;
    c.n_scope = 1;
    c.scope = &scope;
    must(store_search_set(conn, fid, &c), "criteria");

    return fid;
}

static double
fill(void)
{
    bool    more;
    double  start;

    start = now();
    do {
        must(store_begin(conn), "begin");
        must(store_search_step(conn, 256, &more), "fill");
        must(store_commit(conn, NULL), "commit");
    } while (more);

    return now() - start;
}

static double
bench_table(uint64_t fid, const mapi_restriction_t *r, uint32_t *rows_r)
{
    double          start;
    store_table_t  *t;

    must(store_table_contents(conn, fid, 0, &t), "table");
    must(store_table_restrict(t, r), "restrict");
    start = now();
    must(store_table_count(conn, t, rows_r), "count");
    start = now() - start;
    store_table_close(&t);

    return start;
}

static void
bench_index(unsigned n)
{
    bool                  more;
    char                  name[32];
    double                start, plain, indexed;
    uint32_t              rows;
    uint64_t              fid;
    unsigned              i;
    mapi_restriction_t    r;
    store_index_status_t  s;

    must(store_begin(conn), "begin");
    fid = make_folder(STORE_IPM_SUBTREE, STORE_FOLDER_GENERIC, "large");
    for (i = 0; i < n; i++) {
        deliver(fid, i);
        if (i % 1000 == 999) {
            must(store_commit(conn, NULL), "commit");
            must(store_begin(conn), "begin");
        }
    }
    must(store_commit(conn, NULL), "commit");

    r = content(PR_BODY, "BRA CROSS");
    plain = bench_table(fid, &r, &rows);
    printf("restriction on %u bodies, read:            %9.1f ms, %u rows\n",
           n, plain * 1e3, rows);
    must(store_begin(conn), "begin");
    search("plain", fid, &r);
    must(store_commit(conn, NULL), "commit");
    printf("a search folder filled from them:          %9.1f ms\n",
           fill() * 1e3);

    start = now();
    do {
        must(store_index_step(conn, 32, &more), "index");
    } while (more);
    start = now() - start;
    must(store_index_status(conn, &s), "status");
    printf("indexed: %.0f messages/s, %.1f KiB a message\n", n / start,
           (double) s.size / 1024 / n);

    /* a change makes the list of before useless */
    must(store_begin(conn), "begin");
    deliver(fid, 1);
    must(store_commit(conn, NULL), "commit");
    must(store_index_step(conn, 32, &more), "index");
    indexed = bench_table(fid, &r, &rows);
    printf("restriction on %u bodies, with the index:  %9.1f ms, %u rows, "
           "1/%.0f\n", n, indexed * 1e3, rows, plain / indexed);
    must(store_begin(conn), "begin");
    snprintf(name, sizeof(name), "indexed");
    search(name, fid, &r);
    must(store_commit(conn, NULL), "commit");
    printf("a search folder filled with the index:     %9.1f ms\n",
           fill() * 1e3);
}

static double
bench_deliveries(uint64_t fid)
{
    double    start;
    unsigned  i;

    /* the criteria are decoded once */
    must(store_begin(conn), "begin");
    deliver(fid, 1);
    must(store_commit(conn, NULL), "commit");
    start = cpu();
    for (i = 0; i < DELIVERIES; i++) {
        must(store_begin(conn), "begin");
        deliver(fid, i + 1);
        must(store_commit(conn, NULL), "commit");
    }

    return (cpu() - start) / DELIVERIES;
}

static void
bench_searches(bool here)
{
    char                name[48];
    double              none, with;
    unsigned            n, i;
    uint64_t            fid, other;
    mapi_restriction_t  r;
    static const unsigned  counts[] = { 10, 100 };

    must(store_begin(conn), "begin");
    snprintf(name, sizeof(name), "mail %d", here);
    fid = make_folder(STORE_IPM_SUBTREE, STORE_FOLDER_GENERIC, name);
    snprintf(name, sizeof(name), "elsewhere %d", here);
    other = make_folder(STORE_IPM_SUBTREE, STORE_FOLDER_GENERIC, name);
    must(store_commit(conn, NULL), "commit");
    none = bench_deliveries(fid);
    printf("a delivery, no search folder looks at it:  %9.0f us\n",
           none * 1e6);
    for (i = 0, n = 0; i < ph_nelts(counts); i++) {
        must(store_begin(conn), "begin");
        for ( ; n < counts[i]; n++) {
            snprintf(name, sizeof(name), "search %d %u", here, n);
            r = content(PR_SUBJECT, words[n % ph_nelts(words)]);
            search(name, here ? fid : other, &r);
        }
        must(store_commit(conn, NULL), "commit");
        (void) fill();
        with = bench_deliveries(fid);
        printf("with %3u search folders %s:       %9.0f us, ratio "
               "%.2f\n", n, here ? "on the folder" : "on another", with * 1e6,
               with / none);
    }
}

int
main(int argc, char **argv)
{
    char             dir[256], path[300];
    unsigned         n;
    store_env_t     *env;
    store_conf_t     conf;
    store_params_t   params;

    n = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 10000;
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

    bench_searches(false);
    bench_searches(true);
    bench_index(n);

    store_conn_release(&conn);
    store_close(&store);
    store_env_destroy(&env);
    (void) nftw(dir, gone, 16, FTW_DEPTH | FTW_PHYS);

    return 0;
}
