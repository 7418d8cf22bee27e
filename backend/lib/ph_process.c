#include "ph_daemon_int.h"
#include "ph_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* who the processes will be */
ph_int_t
ph_process_user(ph_master_t *m, const char **err_r)
{
    const char     *user, *group;
    ph_daemon_t    *d;
    struct group   *gr;
    struct passwd  *pw;

    d = m->daemon;

    m->uid = geteuid();
    m->gid = getegid();

    user = ph_conf_str(d->conf, "main", "user");
    group = ph_conf_str(d->conf, "main", "group");

    if (user[0] == '\0' || geteuid() != 0) {
        return PH_OK;
    }

    pw = getpwnam(user);
    if (pw == NULL) {
        *err_r = ph_psprintf(d->pool, "%s: no such user \"%s\"",
                             ph_conf_where(d->conf, d->pool, "main", "user"),
                             user);
        return PH_INVALID;
    }

    m->uid = pw->pw_uid;
    m->gid = pw->pw_gid;
    m->user = ph_pcstr(d->pool, user);

    if (group[0] != '\0') {
        gr = getgrnam(group);

        if (gr == NULL) {
            *err_r = ph_psprintf(d->pool, "%s: no such group \"%s\"",
                                 ph_conf_where(d->conf, d->pool, "main",
                                               "group"),
                                 group);
            return PH_INVALID;
        }

        m->gid = gr->gr_gid;
    }

    return m->user != NULL ? PH_OK : PH_NOMEM;
}

ph_int_t
ph_process_run_dir(ph_master_t *m, const char **err_r)
{
    int           rc;
    char         *path, *slash;
    mode_t        mask;
    ph_daemon_t  *d;

    d = m->daemon;

    path = ph_pcstr(d->pool, ph_conf_str(d->conf, "main", "run_dir"));
    if (path == NULL) {
        return PH_NOMEM;
    }

    /* clients of other users have to get through to the sockets */

    mask = umask(022);

    for (slash = path; *slash != '\0'; ) {

        slash += strspn(slash, "/");
        slash += strcspn(slash, "/");

        if (*slash == '/') {
            *slash = '\0';
            (void) mkdir(path, 0755);
            *slash = '/';
        }
    }

    rc = mkdir(path, 0755);
    (void) umask(mask);

    if (rc == 0 && m->user != NULL) {
        rc = chown(path, m->uid, m->gid);

    } else if (rc == -1 && errno == EEXIST) {
        rc = 0;
    }

    if (rc == -1) {
        *err_r = ph_psprintf(d->pool, "%s: %s: %s",
                             ph_conf_where(d->conf, d->pool, "main",
                                           "run_dir"),
                             path, strerror(errno));
        return PH_ERROR;
    }

    return PH_OK;
}

ph_int_t
ph_process_pid_file(ph_master_t *m, const char **err_r)
{
    char          text[32];
    int           n;
    ph_daemon_t  *d;

    d = m->daemon;

    m->pid_path = ph_psprintf(d->pool, "%s/%s.pid",
                              ph_conf_str(d->conf, "main", "run_dir"), d->name);
    if (m->pid_path == NULL) {
        return PH_NOMEM;
    }

    m->pid_fd = open(m->pid_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                     0644);

    if (m->pid_fd == -1) {
        *err_r = ph_psprintf(d->pool, "%s: %s", m->pid_path, strerror(errno));
        return PH_ERROR;
    }

    if (flock(m->pid_fd, LOCK_EX | LOCK_NB) == -1) {
        *err_r = ph_psprintf(d->pool, "%s: posthorn-%s is running already",
                             m->pid_path, d->name);
        return PH_EXISTS;
    }

    n = snprintf(text, sizeof(text), "%d\n", (int) getpid());

    if (ftruncate(m->pid_fd, 0) == -1
        || pwrite(m->pid_fd, text, (size_t) n, 0) != n
        || (m->user != NULL && fchown(m->pid_fd, m->uid, m->gid) == -1))
    {
        *err_r = ph_psprintf(d->pool, "%s: %s", m->pid_path, strerror(errno));
        return PH_ERROR;
    }

    return PH_OK;
}

ph_int_t
ph_process_drop(ph_master_t *m, const char **err_r)
{
    bool  core;

    core = ph_conf_bool(m->daemon->conf, "main", "core_dumps");

#ifdef __SANITIZE_ADDRESS__
    core = true;        /* the search for leaks looks at its own process */
#endif

    if (m->user != NULL
        && (initgroups(m->user, m->gid) == -1 || setgid(m->gid) == -1
            || setuid(m->uid) == -1 || (m->uid != 0 && setuid(0) == 0)))
    {
        *err_r = ph_psprintf(m->daemon->pool, "cannot become user \"%s\": %s",
                             m->user, strerror(errno));
        return PH_ERROR;
    }

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
        *err_r = "cannot forbid new privileges";
        return PH_ERROR;
    }

    /* neither a core file nor a process of the same user shall show memory */

    if (m->user != NULL) {
        (void) prctl(PR_SET_DUMPABLE, core ? 1 : 0, 0, 0, 0);
    }

    return PH_OK;
}

void
ph_process_limits(const ph_conf_t *conf)
{
    rlim_t         files;
    struct rlimit  limit;

    limit.rlim_cur = ph_conf_bool(conf, "main", "core_dumps") ? RLIM_INFINITY
                                                              : 0;
    limit.rlim_max = limit.rlim_cur;
    (void) setrlimit(RLIMIT_CORE, &limit);

    files = (rlim_t) ph_max(ph_conf_int(conf, "main", "open_files"), 256);

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < files) {

        limit.rlim_cur = files;

        if (limit.rlim_max < files && geteuid() == 0) {
            limit.rlim_max = files;
        }

        limit.rlim_cur = ph_min(limit.rlim_cur, limit.rlim_max);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

ph_int_t
ph_process_detach(int *fd_r)
{
    int      fds[2], null;
    char     status;
    pid_t    pid;
    ssize_t  n;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        return PH_ERROR;
    }

    pid = fork();

    if (pid == -1) {
        (void) close(fds[0]);
        (void) close(fds[1]);
        return PH_ERROR;
    }

    if (pid != 0) {

        /* the caller's exit code tells whether the service is up */

        (void) close(fds[1]);

        do {
            n = read(fds[0], &status, 1);
        } while (n == -1 && errno == EINTR);

        _exit(n == 1 && status == 0 ? 0 : 1);
    }

    (void) close(fds[0]);
    (void) setsid();

    null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null != -1) {
        (void) dup2(null, STDIN_FILENO);
        (void) dup2(null, STDOUT_FILENO);
        (void) close(null);
    }

    *fd_r = fds[1];

    return PH_OK;
}
