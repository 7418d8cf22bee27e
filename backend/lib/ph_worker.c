#include "ph_daemon_int.h"
#include "ph_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PH_WORKER_BEAT_MS  1000

typedef struct {
    ph_daemon_t  *daemon;
    uv_loop_t     loop;
    uv_timer_t    beat;
    uv_timer_t    deadline;
    uv_signal_t   term;
    uv_signal_t   usr1;
    pid_t         parent;
    int           fd;
    bool          stopping;
    bool          stopped;
} ph_worker_t;

static void
ph_worker_tell(ph_worker_t *w, char what)
{
    ssize_t  n;

    do {
        n = write(w->fd, &what, 1);
    } while (n == -1 && errno == EINTR);
}

static void
ph_worker_late(uv_timer_t *timer)
{
    ph_worker_t  *w;

    w = timer->data;

    ph_log(w->daemon->log, PH_LOG_WARN, PH1026, "worker=%d",
           w->daemon->worker);
    _exit(3);
}

static void
ph_worker_stop(ph_worker_t *w)
{
    int64_t       timeout;
    ph_daemon_t  *d;

    if (w->stopping) {
        return;
    }

    d = w->daemon;
    w->stopping = true;

    timeout = ph_daemon_option(d, "stop_timeout");
    (void) uv_timer_start(&w->deadline, ph_worker_late, (uint64_t) timeout, 0);

    if (d->stop != NULL) {
        d->stop(d);

    } else {
        ph_daemon_stopped(d);
    }
}

void
ph_daemon_stopped(ph_daemon_t *d)
{
    ph_worker_t  *w;

    w = (ph_worker_t *) ((char *) d->loop - offsetof(ph_worker_t, loop));
    w->stopped = true;
    uv_stop(d->loop);
}

static void
ph_worker_signal(uv_signal_t *handle, int number)
{
    ph_worker_t  *w;

    w = handle->data;

    if (number == SIGUSR1) {
        ph_log_reopen(w->daemon->log);

    } else {
        ph_worker_stop(w);
    }
}

static void
ph_worker_heartbeat(uv_timer_t *timer)
{
    ph_worker_t  *w;

    w = timer->data;

    ph_worker_tell(w, PH_WORKER_BEAT);

    if (getppid() != w->parent) {
        ph_worker_stop(w);
    }
}

static void
ph_worker_prepare(ph_worker_t *w)
{
    char          threads[16];
    int64_t       n;
    ph_daemon_t  *d;

    d = w->daemon;

    /* before the first use of the pool, which reads it then */

    n = ph_daemon_option(d, "threads");
    n = ph_min(ph_max(n, 1), 1024);
    (void) snprintf(threads, sizeof(threads), "%d", (int) n);
    (void) setenv("UV_THREADPOOL_SIZE", threads, 1);

    (void) uv_loop_init(&w->loop);
    d->loop = &w->loop;

    (void) uv_timer_init(d->loop, &w->beat);
    (void) uv_timer_init(d->loop, &w->deadline);
    (void) uv_signal_init(d->loop, &w->term);
    (void) uv_signal_init(d->loop, &w->usr1);

    w->beat.data = w;
    w->deadline.data = w;
    w->term.data = w;
    w->usr1.data = w;

    (void) uv_signal_start(&w->term, ph_worker_signal, SIGTERM);
    (void) uv_signal_start(&w->usr1, ph_worker_signal, SIGUSR1);
    (void) uv_timer_start(&w->beat, ph_worker_heartbeat, PH_WORKER_BEAT_MS,
                          PH_WORKER_BEAT_MS);
}

static void
ph_worker_close(uv_handle_t *handle, void *data)
{
    (void) data;

    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* a handle that its owner left open */
static void
ph_worker_left(uv_handle_t *handle, void *data)
{
    const char   *type;
    ph_worker_t  *w = data;

    if (uv_is_closing(handle)) {
        return;
    }

    type = uv_handle_type_name(handle->type);
    ph_log(w->daemon->log, PH_LOG_WARN, PH1041, "worker=%d type=%s",
           w->daemon->worker, type != NULL ? type : "?");
    uv_close(handle, NULL);
}

/* callbacks of handles that are closing run; nothing else starts any more */
static void
ph_worker_finish(ph_worker_t *w)
{
    int           i;
    uv_handle_t  *own[4];

    own[0] = (uv_handle_t *) &w->beat;
    own[1] = (uv_handle_t *) &w->deadline;
    own[2] = (uv_handle_t *) &w->term;
    own[3] = (uv_handle_t *) &w->usr1;

    for (i = 0; i < 4; i++) {
        ph_worker_close(own[i], NULL);
    }

    /* work on a thread may still have to end: two seconds, then it is left */

    for (i = 0; i < 2000 && uv_run(&w->loop, UV_RUN_NOWAIT) != 0; i++) {
        (void) usleep(1000);
    }

    if (uv_loop_close(&w->loop) != UV_EBUSY) {
        return;
    }

    /* an owner has forgotten one: that is a defect, but no reason to hang */

    uv_walk(&w->loop, ph_worker_left, w);

    for (i = 0; i < 100 && uv_run(&w->loop, UV_RUN_NOWAIT) != 0; i++) {
        (void) usleep(1000);
    }

    (void) uv_loop_close(&w->loop);
}

void
ph_worker_run(ph_daemon_t *d, int fd)
{
    ph_log_t           *log;
    sigset_t            none;
    ph_worker_t        *w;
    struct sigaction    ignore;

    w = ph_pcalloc(d->pool, sizeof(*w));
    if (w == NULL) {
        _exit(2);
    }

    w->daemon = d;
    w->fd = fd;
    w->parent = getppid();

    /* the master may have died before this call: the heartbeat looks again */

    (void) prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    (void) fcntl(fd, F_SETFL, O_NONBLOCK);

    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    (void) sigaction(SIGPIPE, &ignore, NULL);
    (void) sigaction(SIGHUP, &ignore, NULL);
    (void) sigaction(SIGINT, &ignore, NULL);

    ph_worker_prepare(w);

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);

    if (d->start(d) != PH_OK) {
        ph_log(d->log, PH_LOG_ERROR, PH1022, "worker=%d", d->worker);
        _exit(2);
    }

    ph_worker_tell(w, PH_WORKER_READY);

    while (!w->stopped) {
        if (uv_run(d->loop, UV_RUN_DEFAULT) == 0) {
            break;
        }
    }

    ph_worker_finish(w);

    log = d->log;
    ph_pool_destroy(&d->pool);
    ph_log_close(&log);

    exit(0);
}
