/*
 * What every daemon shares: options (-c FILE, -t, -V, -h, -f foreground), the
 * configuration, the log, privileges, master and workers, signals, sd_notify.
 *
 * The master reads the configuration, opens listening sockets as far as the
 * daemon asks, writes the PID file main.run_dir/NAME.pid, gives up root (option
 * main.user), forks `workers` processes and starts one anew that dies (with a
 * growing delay when it dies at once again).  SIGHUP: the configuration is read
 * and checked again, new workers start with it and the old ones finish
 * gracefully.  SIGTERM, SIGINT: graceful stop.  SIGUSR1: logs are reopened.
 * With one worker the same structure is kept: a crash is survived.
 */

#ifndef PH_DAEMON_H
#define PH_DAEMON_H

#include "ph_core.h"
#include "ph_conf.h"
#include "ph_log.h"
#include <uv.h>

typedef struct ph_daemon_s  ph_daemon_t;

struct ph_daemon_s {
    const char  *name;         /* "exmdb": section of the configuration, log  */
    const char  *what;         /* one line for -h                            */

    /* filled before the hooks run */
    const char  *conf_path;
    ph_conf_t   *conf;
    ph_log_t    *log;
    ph_pool_t   *pool;         /* life of the process */
    uv_loop_t   *loop;         /* worker: its loop */
    int          worker;       /* number of this worker, -1 in the master */
    int          workers;      /* from option "workers", 1 when it has none */
    void        *data;         /* root object of the daemon */

    /*
     * check: more than the types (used by -t and before each start); an error
     * text "FILE:LINE: ..." (ph_conf_where) or "section.option: ..." in *err_r.
     * start: in the worker, before the loop runs; stop: graceful end wanted,
     * call ph_daemon_stopped() when done (the worker exits then, or is killed
     * after option "stop_timeout").  check and stop may be NULL.
     */
    ph_int_t   (*check)(ph_daemon_t *d, const char **err_r);
    /*
     * listen: in the master, before it forks and before it gives privileges up;
     * calls ph_daemon_listen() for each address.  These sockets stay open over
     * restarts of workers and over reloads: nobody is refused meanwhile.  May
     * be NULL, then workers open their addresses themselves (and exclusive is
     * set).
     */
    ph_int_t   (*listen)(ph_daemon_t *d);
    ph_int_t   (*start)(ph_daemon_t *d);
    void       (*stop)(ph_daemon_t *d);

    /*
     * Two generations of a worker must not run at the same time: a reload ends
     * the old one before the new one starts.
     */
    bool         exclusive;

    struct ph_master_s  *master;    /* of backend/lib */
};

/* main() of a daemon: `return ph_daemon_main(&d, argc, argv);` */
int ph_daemon_main(ph_daemon_t *d, int argc, char **argv);
void ph_daemon_stopped(ph_daemon_t *d);

/* In the listen hook: opens address, or keeps it open from before a reload. */
ph_int_t ph_daemon_listen(ph_daemon_t *d, const char *address);
/* In a worker: the descriptor of such an address, for ph_wire_listen(), which
 * takes it over; -1 when it was not opened. */
int ph_daemon_fd(ph_daemon_t *d, const char *address);

/* Work off the loop: fn on a thread of the pool, done on the loop. */
typedef void (*ph_work_pt)(void *data);
ph_int_t ph_work(uv_loop_t *loop, ph_work_pt fn, ph_work_pt done, void *data);

/*
 * Calls fn(data) on the loop's thread, from any thread, soon, in order.
 * Destroy (on the loop's thread, when no other posts any more) makes the calls
 * that wait. An idle post does not keep the loop running.
 */
typedef struct ph_post_s  ph_post_t;
ph_int_t ph_post_create(uv_loop_t *loop, ph_post_t **post_r);
void ph_post_destroy(ph_post_t **post);
ph_int_t ph_post(ph_post_t *post, ph_work_pt fn, void *data);

/* milliseconds, monotonic; and Unix time in 100 ns since 1601 (FILETIME) */
uint64_t ph_now_ms(void);
uint64_t ph_now_filetime(void);
void ph_random(void *out, size_t len);    /* cryptographic; never fails */

#endif
