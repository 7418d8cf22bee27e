/*
 * posthorn-directory: the daemon's root object, and how a request of the wire
 * protocol becomes a job.
 *
 * The loop's thread decodes nothing and touches no database: it checks tickets,
 * hands jobs to the thread pool, sends answers and events.  A job lives in its
 * request's pool.
 */

#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "dir_auth.h"
#include "dir_db.h"
#include "dir_entry.h"
#include "dir_resolve.h"
#include "dir_ticket.h"
#include "lib/ph_daemon.h"
#include "lib/ph_metrics.h"
#include "lib/ph_wire.h"
#include "mapi/mapi.h"
#include "gen/dir.h"

#define DIR_LISTEN_MAX   16
#define DIR_CHANGED_MAX  4
#define DIR_FRAME_MAX    (4u << 20)    /* requests and our answers */

typedef struct directory_s  directory_t;
typedef struct dir_job_s    dir_job_t;
typedef struct dir_op_s     dir_op_t;

typedef ph_int_t (*dir_op_pt)(dir_job_t *job);

#define DIR_TICKET_ANY  ((1u << PH_TICKET_USER) | (1u << PH_TICKET_SERVICE) \
                         | (1u << PH_TICKET_ADMIN))

typedef enum {
    DIR_RUN_LOOP = 0,    /* on the loop: nothing that blocks          */
    DIR_RUN_READ,        /* on a thread, with a reader (job->conn)     */
    DIR_RUN_WRITE        /* on a thread; begins with dir_job_write()   */
} dir_run_t;

struct dir_op_s {
    uint16_t   op;
    dir_run_t  run;
    unsigned   tickets;    /* 1 << PH_TICKET_*; 0: none is needed */
    dir_op_pt  handler;    /* PH_OK with job->answer, or what went wrong */
};

struct dir_job_s {
    directory_t     *d;
    ph_wire_req_t   *req;
    const dir_op_t  *op;
    ph_pool_t       *pool;          /* the request's */
    ph_ticket_t      ticket;        /* kind 0: none */
    dir_conn_t      *conn;
    uint64_t         started;       /* ms */

    ph_int_t         rc;
    ph_str_t         answer;
    ph_str_t         text;          /* what was wrong, for administrators */

    /* of changes */
    ph_str_t         target;        /* for the audit line */
    ph_str_t         changed[DIR_CHANGED_MAX];    /* "" = everything */
    size_t           n_changed;
    uint64_t         generation;
    bool             forget_all;    /* remembered credentials, or: */
    uint32_t         forget;        /* those of this user */
};

/* A check of credentials on its way through the queue of key derivations. */
typedef struct dir_login_s  dir_login_t;
struct dir_login_s {
    /* set by the caller; the pool and q's strings live until done() */
    ph_pool_t         *pool;
    dir_auth_query_t   q;
    void             (*done)(dir_login_t *login);    /* on the loop */
    void              *data;

    ph_int_t           rc;          /* of dir_auth_check() */
    dir_row_t          row;
    directory_t       *d;
    dir_login_t       *next;
    bool               derives;
    uint64_t           started;     /* ms */
    uv_timer_t         hold;        /* of an answer that says no */
};

typedef struct dir_postfix_s  dir_postfix_t;
typedef struct nspi_s         nspi_t;

struct directory_s {
    ph_daemon_t         *daemon;
    ph_log_t            *log;
    uv_loop_t           *loop;
    ph_pool_t           *pool;      /* life of the worker */
    uint64_t             started;

    dir_db_t            *db;
    dir_auth_t          *auth;
    uint64_t             failure_delay;    /* ms */
    dir_tickets_t       *tickets;
    dir_resolve_opts_t   resolve;
    nspi_t              *nspi;

    const char          *organisation;    /* of domains that name none */
    const char          *lang;

    uid_t               *allowed;
    size_t               n_allowed;
    uid_t               *admins;
    size_t               n_admins;

    ph_wire_server_t    *servers[DIR_LISTEN_MAX];
    size_t               n_servers;
    dir_postfix_t       *postfix[DIR_LISTEN_MAX];
    size_t               n_postfix;
    size_t               closing;   /* listeners that have not ended yet */
    uv_timer_t           timer;
    bool                 stopping;

    ph_wire_conn_t     **watchers;
    size_t               n_watchers;
    size_t               cap_watchers;

    dir_login_t         *login_head;    /* waiting for a derivation */
    dir_login_t        **login_tail;
    uint32_t             logins_waiting;
    uint32_t             logins_running;
    uint32_t             logins_max_waiting;
    uint32_t             logins_max_running;
    size_t               jobs;          /* on threads, or waiting to be */

    ph_metric_t         *m_requests;
    ph_metric_t         *m_errors;
    ph_metric_t         *m_logins_ok;
    ph_metric_t         *m_logins_bad;
    ph_metric_t         *m_logins_busy;
    ph_metric_t         *m_derivations;
    ph_metric_t         *m_latency;
};

/* ---- the daemon (directory.c) ---- */

ph_int_t directory_check(ph_daemon_t *daemon, const char **err_r);
ph_int_t directory_listen(ph_daemon_t *daemon);
ph_int_t directory_start(ph_daemon_t *daemon);
void directory_stop(ph_daemon_t *daemon);

/* ---- requests (dir_server.c) ---- */

/* for ph_wire_server_opts_t; data is the directory_t */
void dir_server_request(ph_wire_req_t *req, void *data);
void dir_server_closed(ph_wire_conn_t *conn, void *data);

/*
 * Queues a check of credentials; done() is called from the loop later.
 * PH_BUSY: throttled, or too many are waiting; PH_ERROR: done() is not called.
 */
ph_int_t dir_login(directory_t *d, dir_login_t *login);

/* Begins the transaction of a DIR_RUN_WRITE job; it is committed when the
 * handler returns PH_OK and rolled back otherwise. */
ph_int_t dir_job_write(dir_job_t *job);
/* Sets job->text and returns rc. */
ph_int_t dir_job_fail(dir_job_t *job, ph_int_t rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An address whose cached facts are no longer true; "" for everything. */
void dir_job_changed(dir_job_t *job, ph_str_t address);

/* every operation; NULL when there is no such (dir_ops.c) */
const dir_op_t *dir_ops_find(uint16_t op);

/* seconds since 1970 */
uint64_t dir_now(void);

/* ---- handlers, one for each operation of dir.desc ---- */

ph_int_t dir_op_keys(dir_job_t *job);
ph_int_t dir_op_service_ticket(dir_job_t *job);
ph_int_t dir_op_lookup(dir_job_t *job);
ph_int_t dir_op_resolve(dir_job_t *job);
ph_int_t dir_op_properties(dir_job_t *job);
ph_int_t dir_op_watch(dir_job_t *job);
ph_int_t dir_op_search(dir_job_t *job);
ph_int_t dir_op_memberships(dir_job_t *job);
ph_int_t dir_op_nspi(dir_job_t *job);
ph_int_t dir_op_organisation_list(dir_job_t *job);
ph_int_t dir_op_organisation_create(dir_job_t *job);
ph_int_t dir_op_organisation_change(dir_job_t *job);
ph_int_t dir_op_organisation_delete(dir_job_t *job);
ph_int_t dir_op_domain_list(dir_job_t *job);
ph_int_t dir_op_domain_create(dir_job_t *job);
ph_int_t dir_op_domain_change(dir_job_t *job);
ph_int_t dir_op_domain_delete(dir_job_t *job);
ph_int_t dir_op_user_list(dir_job_t *job);
ph_int_t dir_op_user_get(dir_job_t *job);
ph_int_t dir_op_user_create(dir_job_t *job);
ph_int_t dir_op_user_change(dir_job_t *job);
ph_int_t dir_op_user_delete(dir_job_t *job);
ph_int_t dir_op_passwd(dir_job_t *job);
ph_int_t dir_op_set_properties(dir_job_t *job);
ph_int_t dir_op_alias_list(dir_job_t *job);
ph_int_t dir_op_alias_create(dir_job_t *job);
ph_int_t dir_op_alias_delete(dir_job_t *job);
ph_int_t dir_op_forward_set(dir_job_t *job);
ph_int_t dir_op_group_list(dir_job_t *job);
ph_int_t dir_op_group_create(dir_job_t *job);
ph_int_t dir_op_group_change(dir_job_t *job);
ph_int_t dir_op_group_delete(dir_job_t *job);
ph_int_t dir_op_group_member(dir_job_t *job);
ph_int_t dir_op_limits_get(dir_job_t *job);
ph_int_t dir_op_limits_set(dir_job_t *job);
ph_int_t dir_op_status(dir_job_t *job);

#endif
