/*
 * The information store daemon: the worker's root object, its options, and
 * the way of a request from a socket to its handler.
 *
 * One worker is one process with one event loop.  Everything here belongs to
 * the loop's thread except where a comment says otherwise; work on a mailbox
 * runs on threads (ex_mailbox.h).
 */

#ifndef EXMDB_H
#define EXMDB_H

#include "lib/ph_core.h"
#include "lib/ph_conf.h"
#include "lib/ph_daemon.h"
#include "lib/ph_log.h"
#include "lib/ph_metrics.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"
#include "lib/ph_ticket.h"
#include "lib/ph_wire.h"
#include "gen/dir.h"
#include "gen/exmdb.h"

#define EX_MAX_WORKERS  64
#define EX_HASH_SEED    0x5048524Eu

typedef struct ex_s            ex_t;
typedef struct ex_call_s       ex_call_t;
typedef struct ex_op_s         ex_op_t;
typedef struct ex_directory_s  ex_directory_t;
typedef struct ex_mailbox_s    ex_mailbox_t;
typedef struct ex_mailboxes_s  ex_mailboxes_t;
typedef struct ex_session_s    ex_session_t;
typedef struct ex_sessions_s   ex_sessions_t;
typedef struct ex_route_s      ex_route_t;
typedef struct ex_remote_s     ex_remote_t;
typedef struct ex_submits_s    ex_submits_t;
typedef struct ex_quotas_s     ex_quotas_t;
typedef struct ex_follows_s    ex_follows_t;

typedef struct {
    const char  *socket;
    const char  *listen;
    const char  *mailbox_root;
    const char  *node;
    uint32_t     readers;
    uint32_t     batch;
    uint32_t     max_stores;
    uint64_t     store_idle;
    uint32_t     max_sessions;
    uint32_t     max_user_sessions;
    uint64_t     session_timeout;
    size_t       session_memory;
    uint32_t     max_handles;
    uint32_t     max_queue;
    uint64_t     max_submit_size;
    uint32_t     max_recipients;
    const char  *quota_template;
    uint64_t     quota_interval;
    uint64_t     quota_deleted;
    uint64_t     keep_deleted;
    uint64_t     purge_interval;
    uint32_t     purge_batch;
} ex_options_t;

typedef struct {
    ph_metric_t  *requests;
    ph_metric_t  *executes;
    ph_metric_t  *rops;
    ph_metric_t  *execute_us;
    ph_metric_t  *commits;
    ph_metric_t  *batched;
    ph_metric_t  *deliveries;
    ph_metric_t  *submits;
    ph_metric_t  *sessions;
    ph_metric_t  *stores;
    ph_metric_t  *parked;
    ph_metric_t  *notifications;
} ex_counters_t;

/* the root object of a worker */
struct ex_s {
    ph_daemon_t       *daemon;
    ph_log_t          *log;
    uv_loop_t         *loop;
    ph_pool_t         *pool;
    uint16_t           self;
    uint16_t           workers;
    ex_options_t       opt;
    ex_counters_t      count;
    uint64_t           started;        /* ms */
    ph_wire_server_t  *servers[3];     /* own, shared, TCP */
    ex_directory_t    *directory;
    ex_route_t        *route;
    ex_mailboxes_t    *mailboxes;
    ex_sessions_t     *sessions;
    ex_submits_t      *submits;
    ex_quotas_t       *quotas;
    ex_follows_t      *follows;
    bool               stopping;
    uint32_t           indexing;       /* mailboxes at once, ex_index.c */
};

/* The root object with everything but its listeners; NULL: logged why not. */
ex_t *ex_worker_create(ph_daemon_t *d);
/* Frees what it made; sessions are ended and mailboxes closed before. */
void ex_worker_destroy(ex_t *ex);

/* Fills the hooks of ph_daemon_t. */
void ex_daemon_init(ph_daemon_t *d);

/* ---- requests (ex_call.c) ---- */

/* One request from a client of ours; lives in the request's pool. */
struct ex_call_s {
    ex_t                *ex;
    ph_wire_req_t       *req;
    const ex_op_t       *op;
    ph_ticket_t          ticket;
    ph_str_t             user;     /* of the ticket, lower case */
    void                *data;     /* the handler's */
};

typedef enum {
    EX_HERE,          /* this worker */
    EX_BY_SESSION,    /* the body begins with a session id */
    EX_BY_USER,       /* the worker of the ticket's user */
    EX_BY_MAILBOX     /* the body begins with `str16 mailbox` */
} ex_where_t;

#define EX_KIND(k)  (1u << (k))

/*
 * The table of operations: who may call (EX_KIND bits, all rights needed of a
 * user's ticket), where it runs, and its handler, which answers with
 * ex_reply() now or later.
 */
struct ex_op_s {
    uint16_t    op;
    uint8_t     kinds;
    ex_where_t  where;
    uint32_t    rights;
    void      (*handler)(ex_call_t *call);
};

/* request callback of ph_wire servers; data is ex_t */
void ex_call_request(ph_wire_req_t *req, void *data);
/* Verifies and runs again a request that waited for keys. */
void ex_call_resume(ex_t *ex, ph_wire_req_t *req);
void ex_reply(ex_call_t *call, ph_wire_status_t status, ph_str_t body);
void ex_reply_rc(ex_call_t *call, ph_int_t rc);

/* handlers, one for each operation of exmdb.desc */
void ex_op_connect(ex_call_t *call);
void ex_op_execute(ex_call_t *call);
void ex_op_disconnect(ex_call_t *call);
void ex_op_ping(ex_call_t *call);
void ex_op_wait(ex_call_t *call);
void ex_op_unwait(ex_call_t *call);
void ex_op_attach(ex_call_t *call);
void ex_op_piece(ex_call_t *call);
void ex_op_deliver(ex_call_t *call);
void ex_op_deliver_ack(ex_call_t *call);
void ex_op_mailbox_create(ex_call_t *call);
void ex_op_mailbox_stat(ex_call_t *call);
void ex_op_mailbox_check(ex_call_t *call);
void ex_op_mailbox_dump(ex_call_t *call);
void ex_op_mailbox_delete(ex_call_t *call);
void ex_op_oof_show(ex_call_t *call);
void ex_op_oof_set(ex_call_t *call);
void ex_op_resource_show(ex_call_t *call);
void ex_op_resource_set(ex_call_t *call);
void ex_op_access(ex_call_t *call);
void ex_op_trace(ex_call_t *call);
void ex_op_sessions(ex_call_t *call);
void ex_op_status(ex_call_t *call);
void ex_op_quota(ex_call_t *call);
void ex_op_index_status(ex_call_t *call);
void ex_op_index_rebuild(ex_call_t *call);
void ex_op_index_search(ex_call_t *call);
void ex_op_recoverable_list(ex_call_t *call);
void ex_op_recoverable_restore(ex_call_t *call);
void ex_op_recoverable_since(ex_call_t *call);
void ex_op_recoverable_purge(ex_call_t *call);
void ex_op_follow(ex_call_t *call);
void ex_op_render(ex_call_t *call);
void ex_op_summaries(ex_call_t *call);
void ex_op_append(ex_call_t *call);
void ex_op_set_flags(ex_call_t *call);
void ex_op_transfer(ex_call_t *call);
void ex_op_folders(ex_call_t *call);
void ex_op_folder_create(ex_call_t *call);
void ex_op_folder_move(ex_call_t *call);
void ex_op_folder_delete(ex_call_t *call);
void ex_op_mailbox_ping(ex_call_t *call);
void ex_op_mailbox_unload(ex_call_t *call);
void ex_op_mailbox_compact(ex_call_t *call);

/* ---- other workers (ex_route.c) ---- */

/* The worker that owns a mailbox; address in any case. */
uint16_t ex_route_worker(const ex_t *ex, ph_str_t address);
/* Name of worker n's own socket, "unix:/...", in pool; NULL: no memory. */
char *ex_route_address(ph_pool_t *pool, const char *socket, uint16_t n);
ph_int_t ex_route_create(ex_t *ex, ex_route_t **route_r);
void ex_route_destroy(ex_route_t **route);
/* Passes the frame on and answers the call with the neighbour's answer. */
void ex_route_forward(ex_call_t *call, uint16_t worker);
/* A client's connection is gone: forget what was parked for it. */
void ex_route_closed(ex_t *ex, ph_wire_conn_t *conn);
/* HELLO answer of this worker, in pool. */
ph_int_t ex_route_hello(ex_t *ex, ph_pool_t *pool, ph_str_t *hello_r);

#endif
