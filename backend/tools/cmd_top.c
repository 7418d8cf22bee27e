/* phctl top: sessions by the time that they keep exmdb busy */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "gen/exmdb.h"
#include "tools/ctl.h"

#define TOP_ROWS      40
#define TOP_INTERVAL  2       /* seconds */

static int top_compare(const void *a, const void *b)
{
    const exmdb_session_stat_t  *x = a, *y = b;

    return x->busy_us < y->busy_us ? 1 : x->busy_us > y->busy_us ? -1 : 0;
}

static int top_sessions(ctl_t *c, ctl_worker_t *w, size_t n, json_t **rows_r)
{
    exmdb_sessions_request_t  req = { 0 };
    exmdb_sessions_answer_t   ans;
    exmdb_session_stat_t     *all = NULL, *s;
    ph_str_t                  body, answer;
    size_t                    total = 0, i;
    json_t                   *rows;
    int                       rc;

    for (i = 0; i < n; i++) {
        if (exmdb_sessions_request_encode_new(c->pool, &req, &body) != PH_OK) {
            return ctl_error(c, CTL_FAILED, "out of memory");
        }
        rc = ctl_call_worker(c, &w[i], EXMDB_OP_SESSIONS, body,
                         &answer);
        if (rc != CTL_OK) {
            return rc;
        }
        if (exmdb_sessions_answer_decode_all(answer, c->pool, &ans) != PH_OK) {
            return ctl_error(c, CTL_FAILED, "the answer does not decode");
        }
        if (ans.sessions_count == 0) {
            continue;
        }
        s = ph_prealloc(c->pool, all, total * sizeof(*all),
                        (total + ans.sessions_count) * sizeof(*all));
        if (s == NULL) {
            return ctl_error(c, CTL_FAILED, "out of memory");
        }
        all = s;
        memcpy(all + total, ans.sessions, ans.sessions_count * sizeof(*all));
        total += ans.sessions_count;
    }

    if (total) {
        qsort(all, total, sizeof(*all), top_compare);
    }
    rows = json_array();
    for (i = 0; i < total; i++) {
        s = &all[i];
        (void) json_array_append_new(rows,
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:i, "
                "s:b}",
                "session", ctl_json_hex(s->session, sizeof(s->session)),
                "user", ctl_json_str(s->user),
                "client", ctl_json_str(s->client),
                "application", ctl_json_str(s->client_application),
                "connected", ctl_json_time(s->connected),
                "last", ctl_json_time(s->last),
                "handles", (int) s->handles,
                "executes", (json_int_t) s->executes,
                "busy_ms", (json_int_t) (s->busy_us / 1000),
                "queued", (int) s->queued,
                "waiting", s->waiting != 0));
    }
    *rows_r = rows;
    return CTL_OK;
}

static int top_show(ctl_t *c, ctl_worker_t *w, size_t n, bool screen)
{
    json_t  *rows;
    size_t   total;
    int      rc;

    rc = top_sessions(c, w, n, &rows);
    if (rc != CTL_OK) {
        return rc;
    }
    total = json_array_size(rows);
    if (screen) {
        printf("\033[H\033[2J%zu sessions on %zu workers\n\n", total, n);
        while (json_array_size(rows) > TOP_ROWS) {
            (void) json_array_remove(rows, json_array_size(rows) - 1);
        }
    }
    return ctl_output(c, rows, "busy_ms executes handles queued waiting user "
                      "client last application");
}

static int top_run(ctl_t *c)
{
    struct timespec  pause = { .tv_sec = TOP_INTERVAL };
    ctl_worker_t    *w;
    ph_pool_t       *keep = c->pool;
    size_t           n;
    bool             once;
    int              rc;

    once = c->json || ctl_option(c, "once") != NULL || !isatty(STDOUT_FILENO);
    rc = ctl_workers(c, &w, &n, NULL);
    if (rc != CTL_OK) {
        return rc;
    }

    /* each picture has a pool of its own */
    do {
        c->pool = ph_pool_create("top", 1u << 30);
        if (c->pool == NULL) {
            c->pool = keep;
            rc = ctl_error(c, CTL_FAILED, "out of memory");
            break;
        }
        rc = top_show(c, w, n, !once);
        ph_pool_destroy(&c->pool);
        c->pool = keep;
    } while (rc == CTL_OK && !once && nanosleep(&pause, NULL) == 0);

    return rc;
}

const ctl_command_t ctl_top_commands[] = {
    { "top", NULL, "", "once", 0, 0,
      "sessions by busy time, again every two seconds", top_run },
    { 0 }
};
