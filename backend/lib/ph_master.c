/*
 * The master only waits: for signals, for bytes of its workers, and for the
 * next thing that is due.  It has no libuv loop, so that forking stays simple.
 */

#include "ph_daemon_int.h"
#include "ph_addr.h"
#include "ph_pool.h"
#include "ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PH_MASTER_DELAY_MIN  100       /* ms before a restart, doubled ...    */
#define PH_MASTER_DELAY_MAX  2000      /* ... up to this                      */
#define PH_MASTER_STABLE     10000   /* who lived longer starts at once again */
#define PH_MASTER_GRACE      2000      /* after stop_timeout, then SIGKILL    */
#define PH_MASTER_BACKLOG    1024

#define ph_master_slots(m)   ph_nelts((m)->workers)

/* ---- sockets ---- */

ph_int_t
ph_daemon_listen(ph_daemon_t *d, const char *address)
{
    size_t               i;
    ph_int_t             rc;
    ph_addr_t            addr;
    ph_master_t         *m;
    ph_master_socket_t  *s;

    m = d->master;

    for (i = 0; i < m->n_sockets; i++) {
        if (strcmp(m->sockets[i].address, address) == 0) {
            m->sockets[i].used = true;
            return PH_OK;
        }
    }

    if (m->n_sockets == ph_nelts(m->sockets)) {
        return PH_TOOBIG;
    }

    s = &m->sockets[m->n_sockets];

    rc = ph_addr_parse(address, &addr);

    if (rc == PH_OK) {
        rc = ph_addr_listen(&addr, PH_MASTER_BACKLOG, &s->fd);
    }

    if (rc != PH_OK) {
        ph_log(d->log, PH_LOG_ERROR, PH1011, "address=%s reason=\"%s\"",
               ph_log_str(ph_str_c(address)),
               rc == PH_INVALID ? "not an address" : strerror(errno));
        return rc;
    }

    s->address = strdup(address);

    if (s->address == NULL) {
        (void) close(s->fd);
        return PH_NOMEM;
    }

    if (addr.local && m->user != NULL && geteuid() == 0
        && chown(addr.path, m->uid, m->gid) == -1)
    {
        ph_log(d->log, PH_LOG_WARN, PH1011, "address=%s reason=\"%s\"",
               ph_log_str(ph_str_c(address)), strerror(errno));
    }

    s->used = true;
    m->n_sockets++;

    return PH_OK;
}

int
ph_daemon_fd(ph_daemon_t *d, const char *address)
{
    int           fd;
    size_t        i;
    ph_master_t  *m;

    m = d->master;

    for (i = 0; m != NULL && i < m->n_sockets; i++) {
        if (strcmp(m->sockets[i].address, address) == 0) {
            fd = m->sockets[i].fd;
            m->sockets[i].fd = -1;
            return fd;
        }
    }

    return -1;
}

static void
ph_master_close_socket(ph_master_socket_t *s)
{
    ph_addr_t  addr;

    (void) close(s->fd);

    if (ph_addr_parse(s->address, &addr) == PH_OK && addr.local) {
        (void) unlink(addr.path);
    }

    free(s->address);
}

/* asks the daemon for its addresses and closes those that it left out */
static ph_int_t
ph_master_listen(ph_master_t *m)
{
    size_t    i, n;
    ph_int_t  rc;

    if (m->daemon->listen == NULL) {
        return PH_OK;
    }

    for (i = 0; i < m->n_sockets; i++) {
        m->sockets[i].used = false;
    }

    rc = m->daemon->listen(m->daemon);
    if (rc != PH_OK) {
        return rc;
    }

    for (i = 0, n = 0; i < m->n_sockets; i++) {
        if (m->sockets[i].used) {
            m->sockets[n++] = m->sockets[i];

        } else {
            ph_master_close_socket(&m->sockets[i]);
        }
    }

    m->n_sockets = n;

    return PH_OK;
}

/* ---- workers ---- */

static ph_master_worker_t *
ph_master_slot(ph_master_t *m)
{
    size_t  i;

    for (i = 0; i < ph_master_slots(m); i++) {
        if (!m->workers[i].live) {
            memset(&m->workers[i], 0, sizeof(m->workers[i]));
            m->workers[i].fd = -1;
            m->workers[i].live = true;
            return &m->workers[i];
        }
    }

    return NULL;
}

/* in the new process: nothing of the master's may stay open */
static void
ph_master_forget(ph_master_t *m)
{
    size_t  i;

    for (i = 0; i < ph_master_slots(m); i++) {
        if (m->workers[i].fd != -1 && m->workers[i].live) {
            (void) close(m->workers[i].fd);
        }
    }

    (void) close(m->signal_fd);

    if (m->pid_fd != -1) {
        (void) close(m->pid_fd);
    }

    if (m->parent_fd != -1) {
        (void) close(m->parent_fd);
    }
}

static void
ph_master_fork(ph_master_t *m, ph_master_worker_t *w)
{
    int           fds[2];
    pid_t         pid;
    ph_daemon_t  *d;

    d = m->daemon;
    w->started = ph_now_ms();
    w->beat = w->started;
    w->ready = false;
    w->restart_at = 0;

    pid = -1;

    if (pipe2(fds, O_CLOEXEC) == 0) {

        pid = fork();

        if (pid == 0) {
            (void) close(fds[0]);
            ph_master_forget(m);
            d->worker = w->number;
            ph_worker_run(d, fds[1]);
        }

        (void) close(fds[1]);

        if (pid == -1) {
            (void) close(fds[0]);
        }
    }

    if (pid == -1) {
        ph_log(d->log, PH_LOG_ERROR, PH1024, "worker=%d reason=\"%s\"",
               w->number, strerror(errno));
        w->pid = 0;
        w->delay = PH_MASTER_DELAY_MAX;
        w->restart_at = w->started + w->delay;
        return;
    }

    (void) fcntl(fds[0], F_SETFL, O_NONBLOCK);
    w->pid = pid;
    w->fd = fds[0];
}

static void
ph_master_tell(ph_master_t *m, ph_master_worker_t *w)
{
    if (w->told || w->pid == 0) {
        return;
    }

    w->told = true;
    w->kill_at = ph_now_ms() + m->stop_timeout + PH_MASTER_GRACE;
    (void) kill(w->pid, SIGTERM);
}

/* the generation that shall run: one worker of each number */
static void
ph_master_start(ph_master_t *m)
{
    int                  i;
    size_t               j;
    ph_master_worker_t  *w;

    for (i = 0; i < m->daemon->workers; i++) {

        for (j = 0; j < ph_master_slots(m); j++) {
            w = &m->workers[j];

            if (w->live && w->number == i
                && (!w->retiring || m->daemon->exclusive))
            {
                break;      /* there, or its predecessor has to end first */
            }
        }

        if (j != ph_master_slots(m)) {
            continue;
        }

        w = ph_master_slot(m);

        if (w != NULL) {
            w->number = i;
            ph_master_fork(m, w);
        }
    }
}

static void
ph_master_stop(ph_master_t *m)
{
    size_t  i;

    if (m->stopping) {
        return;
    }

    m->stopping = true;
    ph_notify("STOPPING=1\nSTATUS=Stopping\n");
    ph_log(m->daemon->log, PH_LOG_NOTICE, PH1021, "daemon=%s",
           m->daemon->name);

    for (i = 0; i < ph_master_slots(m); i++) {
        if (!m->workers[i].live) {
            continue;
        }

        m->workers[i].retiring = true;

        if (m->workers[i].pid == 0) {
            m->workers[i].live = false;

        } else {
            ph_master_tell(m, &m->workers[i]);
        }
    }
}

static void
ph_master_died(ph_master_t *m, ph_master_worker_t *w, int status)
{
    uint64_t      now;
    ph_daemon_t  *d;

    d = m->daemon;
    now = ph_now_ms();

    (void) close(w->fd);
    w->fd = -1;
    w->pid = 0;

    if (w->retiring || m->stopping) {
        w->live = false;
        return;
    }

    if (WIFSIGNALED(status)) {
        ph_log(d->log, PH_LOG_ERROR, PH1023, "worker=%d signal=%d", w->number,
               WTERMSIG(status));

    } else {
        ph_log(d->log, PH_LOG_ERROR, PH1023, "worker=%d status=%d", w->number,
               WEXITSTATUS(status));
    }

    if (!m->up && WIFEXITED(status)) {

        /* it could not even start: that is for the administrator */

        w->live = false;
        m->status = 1;
        ph_master_stop(m);
        return;
    }

    if (now - w->started >= PH_MASTER_STABLE) {
        w->delay = 0;

    } else {
        w->delay = ph_min(ph_max(w->delay * 2, PH_MASTER_DELAY_MIN),
                          PH_MASTER_DELAY_MAX);
    }

    w->restart_at = now + w->delay;
}

static void
ph_master_reap(ph_master_t *m)
{
    int     status;
    pid_t   pid;
    size_t  i;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (i = 0; i < ph_master_slots(m); i++) {
            if (m->workers[i].live && m->workers[i].pid == pid) {
                ph_master_died(m, &m->workers[i], status);
                break;
            }
        }
    }
}

static void
ph_master_reload(ph_master_t *m)
{
    size_t        i;
    ph_log_t     *log;
    ph_pool_t    *pool;
    ph_conf_t    *conf, *old_conf;
    const char   *err;
    ph_daemon_t  *d;

    d = m->daemon;

    ph_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
              ph_now_ms() * 1000);

    err = "out of memory";
    log = NULL;
    old_conf = d->conf;
    pool = ph_pool_create("conf", 0);

    if (pool == NULL || ph_daemon_load(d, pool, &conf, &err) != PH_OK) {
        goto failed;
    }

    d->conf = conf;

    if (ph_daemon_open_log(d, m->foreground, &log, &err) != PH_OK
        || ph_master_listen(m) != PH_OK)
    {
        d->conf = old_conf;
        ph_log_close(&log);

        if (log == NULL && err == NULL) {
            err = "an address cannot be listened on";
        }

        goto failed;
    }

    ph_log_close(&d->log);
    d->log = log;

    ph_pool_destroy(&m->conf_pool);
    m->conf_pool = pool;

    d->workers = (int) ph_daemon_option(d, "workers");
    m->stop_timeout = (uint64_t) ph_daemon_option(d, "stop_timeout");
    m->hang_timeout = (uint64_t) ph_conf_int(d->conf, "main", "hang_timeout");
    m->reloading = true;

    ph_log(d->log, PH_LOG_NOTICE, PH1025, "daemon=%s file=%s", d->name,
           ph_log_str(ph_str_c(d->conf_path)));

    for (i = 0; i < ph_master_slots(m); i++) {
        if (!m->workers[i].live) {
            continue;
        }

        m->workers[i].retiring = true;

        if (m->workers[i].pid == 0) {
            m->workers[i].live = false;

        } else if (d->exclusive) {
            ph_master_tell(m, &m->workers[i]);
        }
    }

    ph_master_start(m);

    return;

failed:

    /* the old one goes on */

    ph_log(d->log, PH_LOG_ERROR, PH1027, "daemon=%s reason=%s", d->name,
           ph_log_str(ph_str_c(err)));
    ph_pool_destroy(&pool);
    ph_notify("READY=1\nSTATUS=Running; the new configuration is wrong\n");
}

static void
ph_master_signal(ph_master_t *m, uint32_t number)
{
    size_t  i;

    switch (number) {

    case SIGCHLD:
        break;              /* reaped in each turn */

    case SIGHUP:
        if (!m->stopping) {
            ph_master_reload(m);
        }

        break;

    case SIGUSR1:
        ph_log_reopen(m->daemon->log);

        for (i = 0; i < ph_master_slots(m); i++) {
            if (m->workers[i].live && m->workers[i].pid != 0) {
                (void) kill(m->workers[i].pid, SIGUSR1);
            }
        }

        break;

    default:
        ph_master_stop(m);
    }
}

static void
ph_master_read(ph_master_worker_t *w)
{
    char     buf[64];
    ssize_t  i, n;

    while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
        w->beat = ph_now_ms();

        for (i = 0; i < n; i++) {
            w->ready = w->ready || buf[i] == PH_WORKER_READY;
        }
    }
}

/* whether each worker of this generation has started */
static bool
ph_master_all_ready(const ph_master_t *m)
{
    int     n;
    size_t  i;

    n = 0;

    for (i = 0; i < ph_master_slots(m); i++) {
        n += m->workers[i].live && !m->workers[i].retiring
             && m->workers[i].ready && m->workers[i].pid != 0;
    }

    return n >= m->daemon->workers;
}

static void
ph_master_up(ph_master_t *m)
{
    char     ok;
    size_t   i;
    ssize_t  n;

    if (m->stopping || !ph_master_all_ready(m)) {
        return;
    }

    /* the new generation works: the one before may go */

    for (i = 0; i < ph_master_slots(m); i++) {
        if (m->workers[i].live && m->workers[i].retiring) {
            ph_master_tell(m, &m->workers[i]);
        }
    }

    if (m->up && !m->reloading) {
        return;
    }

    m->up = true;
    m->reloading = false;

    ph_log(m->daemon->log, PH_LOG_NOTICE, PH1020, "daemon=%s workers=%d",
           m->daemon->name, m->daemon->workers);
    ph_notify("READY=1\nMAINPID=%d\nSTATUS=Running\n", (int) getpid());

    if (m->parent_fd != -1) {
        ok = 0;
        n = write(m->parent_fd, &ok, 1);
        (void) n;
        (void) close(m->parent_fd);
        m->parent_fd = -1;
    }
}

/* what is due; returns ms until the next thing is */
static int
ph_master_due(ph_master_t *m)
{
    bool                 healthy;
    size_t               i;
    uint64_t             now, next;
    ph_master_worker_t  *w;

    now = ph_now_ms();
    next = now + 1000;
    healthy = true;

    for (i = 0; i < ph_master_slots(m); i++) {
        w = &m->workers[i];

        if (!w->live) {
            continue;
        }

        if (w->pid == 0) {
            if (w->restart_at <= now) {
                ph_master_fork(m, w);

            } else {
                next = ph_min(next, w->restart_at);
            }

            continue;
        }

        if (w->kill_at != 0) {
            if (w->kill_at <= now) {
                ph_log(m->daemon->log, PH_LOG_WARN, PH1026, "worker=%d",
                       w->number);
                (void) kill(w->pid, SIGKILL);
                w->kill_at = now + PH_MASTER_GRACE;
            }

            next = ph_min(next, w->kill_at);

        } else if (m->hang_timeout != 0 && now - w->beat > m->hang_timeout) {
            ph_log(m->daemon->log, PH_LOG_ERROR, PH1028, "worker=%d",
                   w->number);
            (void) kill(w->pid, SIGABRT);
            w->kill_at = now + PH_MASTER_GRACE;
        }

        if (!w->retiring && w->ready && m->watchdog != 0
            && now - w->beat > ph_max(m->watchdog, UINT64_C(5000)))
        {
            healthy = false;
        }
    }

    if (m->watchdog != 0) {
        if (now - m->pinged >= m->watchdog && healthy) {
            m->pinged = now;
            ph_notify("WATCHDOG=1\n");
        }

        next = ph_min(next, ph_max(m->pinged + m->watchdog, now + 10));
    }

    return (int) (next > now ? next - now : 0);
}

static void
ph_master_wait(ph_master_t *m, int timeout)
{
    size_t                   i, n;
    struct pollfd            p[ph_master_slots(m) + 1];
    ph_master_worker_t      *who[ph_master_slots(m) + 1];
    struct signalfd_siginfo  info;

    p[0].fd = m->signal_fd;
    p[0].events = POLLIN;
    n = 1;

    for (i = 0; i < ph_master_slots(m); i++) {
        if (m->workers[i].live && m->workers[i].pid != 0) {
            who[n] = &m->workers[i];
            p[n].fd = m->workers[i].fd;
            p[n++].events = POLLIN;
        }
    }

    if (poll(p, n, timeout) <= 0) {
        return;
    }

    for (i = 1; i < n; i++) {
        if (p[i].revents & POLLIN) {
            ph_master_read(who[i]);

        } else if (p[i].revents != 0 && !(p[0].revents & POLLIN)) {
            /* its end; SIGCHLD follows at once */
            (void) poll(p, 1, 10);
        }
    }

    while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        ph_master_signal(m, info.ssi_signo);
    }
}

static bool
ph_master_alone(const ph_master_t *m)
{
    size_t  i;

    for (i = 0; i < ph_master_slots(m); i++) {
        if (m->workers[i].live) {
            return false;
        }
    }

    return true;
}

int
ph_master_run(ph_master_t *m)
{
    int           timeout;
    size_t        i;
    sigset_t      set;
    const char   *err;
    ph_daemon_t  *d;

    d = m->daemon;
    err = NULL;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGCHLD);
    (void) sigaddset(&set, SIGHUP);
    (void) sigaddset(&set, SIGINT);
    (void) sigaddset(&set, SIGQUIT);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGUSR1);
    (void) sigprocmask(SIG_BLOCK, &set, NULL);

    m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

    if (m->signal_fd == -1 || ph_master_listen(m) != PH_OK
        || ph_process_drop(m, &err) != PH_OK)
    {
        if (err != NULL) {
            ph_log(d->log, PH_LOG_ERROR, PH1022, "reason=%s",
                   ph_log_str(ph_str_c(err)));
        }

        m->status = 1;

    } else {

        ph_master_start(m);

        while (!m->stopping || !ph_master_alone(m)) {
            timeout = ph_master_due(m);
            ph_master_wait(m, timeout);
            ph_master_reap(m);

            if (!m->stopping) {
                ph_master_start(m);
                ph_master_up(m);
            }
        }
    }

    for (i = 0; i < m->n_sockets; i++) {
        ph_master_close_socket(&m->sockets[i]);
    }

    if (m->pid_path != NULL && m->pid_fd != -1) {
        (void) unlink(m->pid_path);
        (void) close(m->pid_fd);
    }

    if (m->signal_fd != -1) {
        (void) close(m->signal_fd);
    }

    if (m->parent_fd != -1) {
        (void) close(m->parent_fd);
    }

    return m->status;
}
