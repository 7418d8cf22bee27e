/*
 * kill -9 at random moments: what a child reported as committed is there once
 * afterwards, and the mailbox is consistent.
 */

#include "store_fixture.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define ROUNDS  12

static uint8_t  big[200000];

/* delivers until it is killed; tells each commit by its number */
static void
child(int out, unsigned round)
{
    bool              dup, quota;
    uint8_t           id[32];
    uint32_t          n;
    uint64_t          mid, fid;
    mapi_value_t      v[3];
    mapi_message_t    m;
    store_many_t      many;
    store_delivery_t  d;

    if (store_open(fx.env, fx.path, &fx.store) != PH_OK
        || store_conn_acquire(fx.store, STORE_WRITE, &fx.conn) != PH_OK)
    {
        _exit(9);
    }
    for (n = 0; ; n++) {
        memset(&m, 0, sizeof(m));
        memset(&d, 0, sizeof(d));
        memset(id, 0, sizeof(id));
        memcpy(id, &n, sizeof(n));
        id[31] = (uint8_t) round;
        memcpy(big, id, sizeof(id));
        v[0] = v_str(PR_SUBJECT, "crash");
        v[1] = v_i4(PR_IMPORTANCE, (int32_t) n);
        /* every third one has a blob file */
        v[2] = v_bin(MAPI_TAG(0x6F01, PT_BINARY), big,
                     n % 3 == 0 ? sizeof(big) : 3000);
        m.props.n = 3;
        m.props.v = v;
        d.id = id;
        d.message = &m;
        d.raw = S("raw bytes");
        d.folder = n % 2 ? STORE_INBOX : STORE_DRAFTS;
        if (store_begin(fx.conn) != PH_OK
            || store_deliver(fx.conn, &d, &mid, &fid, &dup, &quota) != PH_OK)
        {
            _exit(8);
        }
        if (n % 5 == 4
            && store_messages_delete(fx.conn, fid, n % 2, 1, &mid, &many)
               != PH_OK)
        {
            _exit(7);
        }
        if (store_commit(fx.conn, NULL) != PH_OK
            || write(out, &n, sizeof(n)) != sizeof(n))
        {
            _exit(6);
        }
    }
}

int
main(void)
{
    int               pipes[2], status;
    pid_t             pid;
    bool              dup, quota, lost, died;
    uint8_t           id[32];
    uint32_t          n, last, all, findings;
    uint64_t          mid, fid, objects;
    unsigned          round, seed;
    mapi_message_t    m;
    struct timespec   ts;
    store_delivery_t  d;

    fx_start("en");
    fx_close();
    seed = (unsigned) time(NULL);
    diag("seed %u", seed);
    all = 0;
    lost = false;
    died = false;

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

        /* killed somewhere in the next commits */
        seed = seed * 1103515245 + 12345;
        last = UINT32_MAX;
        if (read(pipes[0], &n, sizeof(n)) == sizeof(n)) {
            last = n;
            ts.tv_sec = 0;
            ts.tv_nsec = (long) (seed >> 8) % 40000000;
            nanosleep(&ts, NULL);
        }
        kill(pid, SIGKILL);
        while (read(pipes[0], &n, sizeof(n)) == sizeof(n)) {
            last = n;
        }
        close(pipes[0]);
        waitpid(pid, &status, 0);
        died |= !WIFSIGNALED(status);

        fx_open();
        memset(&m, 0, sizeof(m));
        memset(&d, 0, sizeof(d));
        d.message = &m;
        d.id = id;
        for (n = 0; last != UINT32_MAX && n <= last; n++) {
            memset(id, 0, sizeof(id));
            memcpy(id, &n, sizeof(n));
            id[31] = (uint8_t) round;
            if (store_begin(fx.conn) != PH_OK
                || store_deliver(fx.conn, &d, &mid, &fid, &dup, &quota)
                   != PH_OK)
            {
                lost = true;
            }
            store_rollback(fx.conn);
            lost |= !dup;
            all++;
        }
        findings = 99;
        if (store_check(fx.conn, STORE_CHECK_BLOBS, fx_finding, NULL,
                        &objects, &findings) != PH_OK)
        {
            findings = 98;
        }
        /* files of a commit that did not happen are garbage: repaired */
        if (findings) {
            store_check(fx.conn, STORE_CHECK_REPAIR, fx_finding, NULL,
                        &objects, &findings);
            store_check(fx.conn, STORE_CHECK_BLOBS, fx_finding, NULL,
                        &objects, &findings);
        }
        ok(findings == 0, "round %u: consistent after %u commits", round,
           last + 1);
        fx_close();
    }

    ok(!died, "each child died by the signal");
    ok(!lost, "nothing committed was lost (%u commits)", all);
    ok(all > ROUNDS, "there was something to lose");
    store_env_destroy(&fx.env);
    ph_pool_destroy(&fx.pool);
    return done_testing();
}
