/*
 * kill -9 while search folders are filled and the full-text index follows: what
 * was committed is consistent, filling goes on where it ended, and the index
 * knows every message in the end.
 */

#include "store_fixture.h"
#include "store/store_int.h"

#include <signal.h>
#include <time.h>

#define ROUNDS    10
#define SEARCHES  3

static uint64_t  search[SEARCHES];

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

static ph_int_t
restart(uint64_t fid, const char *word)
{
    static const uint64_t  scope[] = { STORE_IPM_SUBTREE };

    store_criteria_t    c;
    mapi_restriction_t  r;

    r = content(word);
    memset(&c, 0, sizeof(c));
    c.flags = STORE_SEARCH_RESTART | STORE_SEARCH_RECURSIVE;
    c.restriction = &r;
    c.n_scope = 1;
    c.scope = scope;
    return store_search_set(fx.conn, fid, &c);
}

/* changes, fills and indexes until it is killed */
static void
child(int out, unsigned round)
{
    static const char *const  words[] = { "red", "blue", "infrared" };

    bool          more;
    char          subject[64];
    uint64_t      id, moved;
    uint32_t      n;
    store_many_t  many;

    if (store_open(fx.env, fx.path, &fx.store) != PH_OK
        || store_conn_acquire(fx.store, STORE_WRITE, &fx.conn) != PH_OK)
    {
        _exit(9);
    }
    for (n = 0; ; n++) {
        snprintf(subject, sizeof(subject), "%s crash %u of %u",
                 words[n % 3], n, round);
        if (store_begin(fx.conn) != PH_OK) {
            _exit(8);
        }
        id = fx_message(n % 2 ? STORE_INBOX : STORE_SENT, subject);
        if (n % 4 == 1) {
            store_messages_move(fx.conn, STORE_INBOX, STORE_DRAFTS, 1, &id,
                                &moved, &many);
        }
        if (n % 5 == 3) {
            store_messages_delete(fx.conn, n % 2 ? STORE_INBOX : STORE_SENT,
                                  true, 1, &id, &many);
        }
        if (n % 16 == 0 && restart(search[n / 16 % SEARCHES],
                                   words[n / 16 % 3]) != PH_OK)
        {
            _exit(7);
        }
        if (store_search_step(fx.conn, 3, &more) != PH_OK
            || store_commit(fx.conn, NULL) != PH_OK)
        {
            _exit(6);
        }
        if (store_index_step(fx.conn, 4, &more) != PH_OK
            || write(out, &n, sizeof(n)) != sizeof(n))
        {
            _exit(5);
        }
    }
}

static bool
finish(void)
{
    bool      more;
    ph_int_t  rc;

    do {
        more = false;
        rc = store_begin(fx.conn);
        if (rc == PH_OK) {
            rc = store_search_step(fx.conn, 100, &more);
        }
        if (rc == PH_OK) {
            rc = store_commit(fx.conn, NULL);
        }
    } while (rc == PH_OK && more);
    do {
        more = false;
        rc = rc == PH_OK ? store_index_step(fx.conn, 100, &more) : rc;
    } while (rc == PH_OK && more);

    return rc == PH_OK;
}

int
main(void)
{
    int                 pipes[2], status;
    bool                died, whole, done, existed;
    char                name[16];
    pid_t               pid;
    uint32_t            n, findings;
    uint64_t            objects;
    unsigned            round, seed, i;
    struct timespec     ts;
    store_folder_new_t  f;

    fx_start("en");
    store_begin(fx.conn);
    for (i = 0; i < SEARCHES; i++) {
        snprintf(name, sizeof(name), "search %u", i);
        memset(&f, 0, sizeof(f));
        f.parent = STORE_FINDER;
        f.type = STORE_FOLDER_SEARCH;
        f.name = S(name);
        store_folder_create(fx.conn, &f, &search[i], &existed);
        restart(search[i], "red");
    }
    is_rc(store_commit(fx.conn, NULL), PH_OK, "search folders");
    fx_close();

    seed = (unsigned) time(NULL);
    diag("seed %u", seed);
    died = false;
    whole = true;
    done = true;
    for (round = 0; round < ROUNDS; round++) {
        if (pipe(pipes) == -1) {
            return 1;
        }
        pid = fork();
        if (pid == 0) {
            close(pipes[0]);
            child(pipes[1], round);
        }
        close(pipes[1]);
        seed = seed * 1103515245 + 12345;
        if (read(pipes[0], &n, sizeof(n)) == sizeof(n)) {
            ts.tv_sec = 0;
            ts.tv_nsec = (long) (seed >> 8) % 60000000;
            nanosleep(&ts, NULL);
        }
        kill(pid, SIGKILL);
        while (read(pipes[0], &n, sizeof(n)) == sizeof(n)) {
            continue;
        }
        close(pipes[0]);
        waitpid(pid, &status, 0);
        died |= !WIFSIGNALED(status);

        fx_open();
        findings = 1;
        store_check(fx.conn, STORE_CHECK_INDEX, fx_finding, NULL, &objects,
                    &findings);
        whole &= findings == 0;
        done &= finish() && !store_search_pending(fx.store);
        findings = 1;
        store_check(fx.conn, STORE_CHECK_INDEX, fx_finding, NULL, &objects,
                    &findings);
        whole &= findings == 0;
        fx_close();
    }
    fx_open();
    ok(!died, "no child ended by itself");
    ok(whole, "search folders and index are consistent after each kill");
    ok(done, "both go on to the end");
    return fx_end();
}
