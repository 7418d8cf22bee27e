#include "ph_daemon_int.h"
#include "ph_pool.h"
#include "ph_str.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if __has_include("ph_config.h")
#include "ph_config.h"
#endif

#ifndef PH_PREFIX
#define PH_PREFIX   "/opt/posthorn"
#endif

#ifndef PH_VERSION
#define PH_VERSION  "unknown"
#endif

#define PH_DAEMON_CONF  PH_PREFIX "/etc/posthorn/posthorn.conf"

int64_t
ph_daemon_option(const ph_daemon_t *d, const char *name)
{
    if (ph_conf_has(d->name, name)) {
        return ph_conf_int(d->conf, d->name, name);
    }

    return ph_conf_has("main", name) ? ph_conf_int(d->conf, "main", name) : 1;
}

ph_int_t
ph_daemon_load(ph_daemon_t *d, ph_pool_t *pool, ph_conf_t **conf_r,
    const char **err_r)
{
    int64_t         n;
    ph_int_t        rc;
    ph_conf_t      *old;
    ph_pool_t      *old_pool;
    const char     *err;
    ph_log_level_t  level;

    rc = ph_conf_load(pool, d->conf_path, conf_r, err_r);
    if (rc != PH_OK) {
        return rc;
    }

    err = NULL;

    if (ph_log_level_parse(ph_conf_str(*conf_r, "log", "level"), &level)
        != PH_OK)
    {
        *err_r = ph_psprintf(pool, "%s: not a level: \"%s\"",
                             ph_conf_where(*conf_r, pool, "log", "level"),
                             ph_conf_str(*conf_r, "log", "level"));
        return PH_INVALID;
    }

    /* the hook sees the new configuration, and its error text outlives this */

    old = d->conf;
    old_pool = d->pool;
    d->conf = *conf_r;
    d->pool = pool;

    rc = PH_OK;
    n = ph_daemon_option(d, "workers");

    if (n < 1 || n > PH_MASTER_MAX_WORKERS) {
        err = ph_psprintf(pool, "%s: a number from 1 to %d is needed",
                          ph_conf_where(d->conf, pool, d->name, "workers"),
                          PH_MASTER_MAX_WORKERS);
        rc = PH_INVALID;
    }

    if (rc == PH_OK && d->check != NULL) {
        rc = d->check(d, &err);
    }

    d->conf = old;
    d->pool = old_pool;

    if (rc != PH_OK) {
        *err_r = err != NULL ? err : ph_result_name(rc);
    }

    return rc;
}

ph_int_t
ph_daemon_open_log(ph_daemon_t *d, bool foreground, ph_log_t **log_r,
    const char **err_r)
{
    ph_int_t         rc;
    const char      *file;
    ph_master_t     *m;
    ph_log_level_t   level;

    *err_r = NULL;
    m = d->master;
    file = ph_conf_str(d->conf, "log", "file");
    level = PH_LOG_INFO;
    (void) ph_log_level_parse(ph_conf_str(d->conf, "log", "level"), &level);

    if (file[0] == '\0') {
        file = foreground ? NULL : "syslog";
    }

    rc = ph_log_open(d->name, file, level, log_r);

    if (rc != PH_OK) {
        *err_r = ph_psprintf(d->pool, "%s: %s: %s",
                             ph_conf_where(d->conf, d->pool, "log", "file"),
                             file, strerror(errno));
        return rc;
    }

    if (file != NULL && file[0] == '/' && m->user != NULL && geteuid() == 0
        && chown(file, m->uid, m->gid) == -1)
    {
        *err_r = ph_psprintf(d->pool, "%s: %s", file, strerror(errno));
        ph_log_close(log_r);
        return PH_ERROR;
    }

    return PH_OK;
}

static void
ph_daemon_usage(const ph_daemon_t *d)
{
    printf("posthorn-%s: %s\n\n"
           "    -c FILE  configuration, instead of\n"
           "             " PH_DAEMON_CONF "\n"
           "    -t       check the configuration and exit\n"
           "    -f       stay in the foreground\n"
           "    -V       print the version and exit\n"
           "    -h       print this and exit\n\n"
           "SIGHUP reloads, SIGUSR1 reopens the log, SIGTERM ends gracefully.\n"
           "See posthorn-%s(8) and posthorn.conf(5).\n",
           d->name, d->what, d->name);
}

/* PH_OK: go on; PH_DONE: all is said; PH_INVALID */
static ph_int_t
ph_daemon_args(ph_daemon_t *d, int argc, char **argv, bool *test,
    bool *foreground)
{
    int  c;

    optind = 1;

    while ((c = getopt(argc, argv, "c:tfVh")) != -1) {

        switch (c) {

        case 'c':
            d->conf_path = optarg;
            break;

        case 't':
            *test = true;
            break;

        case 'f':
            *foreground = true;
            break;

        case 'V':
            printf("posthorn-%s %s\n", d->name, PH_VERSION);
            return PH_DONE;

        case 'h':
            ph_daemon_usage(d);
            return PH_DONE;

        default:
            return PH_INVALID;
        }
    }

    if (optind != argc) {
        fprintf(stderr, "posthorn-%s: unexpected argument \"%s\"\n", d->name,
                argv[optind]);
        return PH_INVALID;
    }

    return PH_OK;
}

/* everything up to the first worker, as root if we are */
static ph_int_t
ph_daemon_prepare(ph_master_t *m, const char **err_r)
{
    ph_int_t      rc;
    ph_daemon_t  *d;

    d = m->daemon;

    rc = ph_process_user(m, err_r);

    if (rc == PH_OK) {
        rc = ph_process_run_dir(m, err_r);
    }

    if (rc == PH_OK && !m->foreground) {
        rc = ph_process_detach(&m->parent_fd);
    }

    if (rc == PH_OK) {
        rc = ph_process_pid_file(m, err_r);
    }

    if (rc == PH_OK) {
        rc = ph_daemon_open_log(d, m->foreground, &d->log, err_r);
    }

    if (rc == PH_OK) {
        ph_process_limits(d->conf);
    }

    return rc;
}

int
ph_daemon_main(ph_daemon_t *d, int argc, char **argv)
{
    int           status;
    bool          test, foreground;
    ph_int_t      rc;
    ph_master_t  *m;
    const char   *err;

    test = false;
    foreground = false;
    d->conf_path = PH_DAEMON_CONF;

    rc = ph_daemon_args(d, argc, argv, &test, &foreground);
    if (rc != PH_OK) {
        return rc == PH_DONE ? 0 : 2;
    }

    (void) umask(027);
    (void) signal(SIGPIPE, SIG_IGN);

    m = calloc(1, sizeof(*m));
    d->pool = ph_pool_create("daemon", 0);
    d->worker = -1;

    if (m == NULL || d->pool == NULL) {
        fprintf(stderr, "posthorn-%s: out of memory\n", d->name);
        free(m);
        ph_pool_destroy(&d->pool);
        return 1;
    }

    d->master = m;
    d->exclusive = d->exclusive || d->listen == NULL;
    m->daemon = d;
    m->foreground = foreground;
    m->signal_fd = -1;
    m->parent_fd = -1;
    m->pid_fd = -1;
    m->conf_pool = ph_pool_create("conf", 0);

    err = "out of memory";
    rc = m->conf_pool == NULL ? PH_NOMEM
                              : ph_daemon_load(d, m->conf_pool, &d->conf, &err);

    if (rc == PH_OK && test) {
        rc = ph_process_user(m, &err);
    }

    if (rc == PH_OK && !test) {
        d->workers = (int) ph_daemon_option(d, "workers");
        m->stop_timeout = (uint64_t) ph_daemon_option(d, "stop_timeout");
        m->hang_timeout = (uint64_t) ph_conf_int(d->conf, "main",
                                                 "hang_timeout");
        m->watchdog = ph_notify_watchdog();
        err = NULL;
        rc = ph_daemon_prepare(m, &err);
    }

    if (rc != PH_OK) {
        fprintf(stderr, "posthorn-%s: %s\n", d->name,
                err != NULL ? err : ph_result_name(rc));
        status = 1;

    } else if (test) {
        printf("posthorn-%s: %s is fine\n", d->name, d->conf_path);
        status = 0;

    } else {
        status = ph_master_run(m);
    }

    ph_log_close(&d->log);
    ph_pool_destroy(&m->conf_pool);
    ph_pool_destroy(&d->pool);
    free(m);

    return status;
}
