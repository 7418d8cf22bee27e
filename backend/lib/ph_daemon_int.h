/* The parts of ph_daemon.h that its files share. */

#ifndef PH_DAEMON_INT_H
#define PH_DAEMON_INT_H

#include "ph_daemon.h"

#include <sys/types.h>

#define PH_MASTER_MAX_WORKERS  256
#define PH_MASTER_MAX_LISTEN   64

/* bytes that a worker writes to its master */
#define PH_WORKER_READY  'r'
#define PH_WORKER_BEAT   'b'

typedef struct {
    char  *address;
    int    fd;
    bool   used;        /* by the configuration of now */
} ph_master_socket_t;

typedef struct {
    pid_t     pid;          /* 0: waits for restart_at */
    int       number;
    int       fd;           /* what it writes */
    bool      live;         /* the slot is taken */
    bool      ready;
    bool      retiring;     /* told to end, or will be */
    bool      told;         /* SIGTERM was sent */
    uint64_t  started;      /* ms */
    uint64_t  beat;
    uint64_t  restart_at;
    uint64_t  delay;
    uint64_t  kill_at;      /* 0: never */
} ph_master_worker_t;

typedef struct ph_master_s {
    ph_daemon_t         *daemon;
    ph_pool_t           *conf_pool;    /* of the configuration in force */
    bool                 foreground;
    bool                 stopping;
    bool                 up;           /* all workers have been ready once */
    bool                 reloading;
    int                  status;       /* of exit() */
    int                  signal_fd;
    int                  parent_fd;    /* who waits for a daemon to be up; -1 */
    int                  pid_fd;
    char                *pid_path;
    uid_t                uid;          /* of the processes, after the start */
    gid_t                gid;
    char                *user;         /* NULL: no change */
    uint64_t             watchdog;    /* ms between pings of systemd; 0: none */
    uint64_t             pinged;
    uint64_t             hang_timeout;
    uint64_t             stop_timeout;
    ph_master_socket_t   sockets[PH_MASTER_MAX_LISTEN];
    size_t               n_sockets;
    ph_master_worker_t   workers[2 * PH_MASTER_MAX_WORKERS];
} ph_master_t;

/* ph_daemon.c: reads and checks the file; *err_r in pool */
ph_int_t ph_daemon_load(ph_daemon_t *d, ph_pool_t *pool, ph_conf_t **conf_r,
    const char **err_r);
ph_int_t ph_daemon_open_log(ph_daemon_t *d, bool foreground, ph_log_t **log_r,
    const char **err_r);
/* a daemon's own option of that name, or that of main */
int64_t ph_daemon_option(const ph_daemon_t *d, const char *name);

/* ph_master.c: until the end; the exit code */
int ph_master_run(ph_master_t *m);
/* ph_worker.c: the whole life of a worker; does not return */
void ph_worker_run(ph_daemon_t *d, int fd) __attribute__((noreturn));

/* ph_process.c */
ph_int_t ph_process_user(ph_master_t *m, const char **err_r);
ph_int_t ph_process_run_dir(ph_master_t *m, const char **err_r);
ph_int_t ph_process_pid_file(ph_master_t *m, const char **err_r);
ph_int_t ph_process_drop(ph_master_t *m, const char **err_r);
void ph_process_limits(const ph_conf_t *conf);
/* goes into the background; *fd_r gets the byte that frees the parent */
ph_int_t ph_process_detach(int *fd_r);

/* ph_notify.c: one message to the service manager, if there is one */
void ph_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* ms between pings that it wants, 0 for none */
uint64_t ph_notify_watchdog(void);

#endif
