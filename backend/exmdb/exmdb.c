/* The worker: options, listeners, start and stop. */

#include "exmdb.h"
#include "ex_directory.h"
#include "ex_door.h"
#include "ex_mailbox.h"
#include "ex_quota.h"
#include "ex_session.h"
#include "ex_submit.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define EX_MAX_USERS  32


static ph_int_t ex_check(ph_daemon_t *d, const char **err_r);
static ph_int_t ex_listen_open(ph_daemon_t *d);
static ph_int_t ex_start(ph_daemon_t *d);
static void ex_stop(ph_daemon_t *d);


void
ex_daemon_init(ph_daemon_t *d)
{
    d->name = "exmdb";
    d->what = "The information store: mailboxes, MAPI sessions, delivery.";
    d->check = ex_check;
    d->listen = ex_listen_open;
    d->start = ex_start;
    d->stop = ex_stop;

    /* a mailbox has one owner at a time */
    d->exclusive = true;
}


static ph_int_t
ex_check(ph_daemon_t *d, const char **err_r)
{
    int64_t            n;
    size_t             i, users;
    const char        *listen;
    const char *const *names;

    n = ph_conf_int(d->conf, "exmdb", "workers");
    if (n < 1 || n > EX_MAX_WORKERS) {
        *err_r = "exmdb.workers: a number from 1 to 64 is needed";
        return PH_INVALID;
    }

    n = ph_conf_int(d->conf, "exmdb", "threads");
    if (n < 1 || n > 128) {
        *err_r = "exmdb.threads: a number from 1 to 128 is needed";
        return PH_INVALID;
    }

    n = ph_conf_int(d->conf, "exmdb", "readers");
    if (n < 1 || n > 64) {
        *err_r = "exmdb.readers: a number from 1 to 64 is needed";
        return PH_INVALID;
    }

    n = ph_conf_int(d->conf, "exmdb", "batch");
    if (n < 1 || n > 1024) {
        *err_r = "exmdb.batch: a number from 1 to 1024 is needed";
        return PH_INVALID;
    }

    n = ph_conf_int(d->conf, "exmdb", "purge_batch");
    if (n < 1 || n > 10000) {
        *err_r = "exmdb.purge_batch: a number from 1 to 10000 is needed";
        return PH_INVALID;
    }

    listen = ph_conf_str(d->conf, "exmdb", "listen");
    if (listen[0] != '\0') {
        if (strncmp(listen, "tcp:", 4) != 0) {
            *err_r = "exmdb.listen: must be tcp:HOST:PORT";
            return PH_INVALID;
        }

        if (ph_conf_str(d->conf, "exmdb", "tls_cert")[0] == '\0'
            || ph_conf_str(d->conf, "exmdb", "tls_key")[0] == '\0'
            || ph_conf_str(d->conf, "exmdb", "tls_ca")[0] == '\0')
        {
            *err_r = "exmdb.listen: tls_cert, tls_key and tls_ca are required";
            return PH_INVALID;
        }
    }

    users = ph_conf_list(d->conf, "exmdb", "allowed_users", &names);
    if (users > EX_MAX_USERS) {
        *err_r = "exmdb.allowed_users: too many names";
        return PH_INVALID;
    }

    for (i = 0; i < users; i++) {
        if (getpwnam(names[i]) == NULL) {
            *err_r = ph_psprintf(d->pool,
                "exmdb.allowed_users: no user \"%s\" on this system",
                names[i]);
            return PH_INVALID;
        }
    }

    return PH_OK;
}


static void
ex_options_read(ex_t *ex)
{
    const ph_conf_t  *c = ex->daemon->conf;
    ex_options_t     *o = &ex->opt;

    o->socket = ph_conf_str(c, "exmdb", "socket");
    o->listen = ph_conf_str(c, "exmdb", "listen");
    o->mailbox_root = ph_conf_str(c, "exmdb", "mailbox_root");
    o->node = ph_conf_str(c, "exmdb", "node");
    o->readers = (uint32_t) ph_conf_int(c, "exmdb", "readers");
    o->batch = (uint32_t) ph_conf_int(c, "exmdb", "batch");
    o->max_stores = (uint32_t) ph_conf_int(c, "exmdb", "max_stores");
    o->store_idle = (uint64_t) ph_conf_int(c, "exmdb", "store_idle");
    o->max_sessions = (uint32_t) ph_conf_int(c, "exmdb", "max_sessions");
    o->max_user_sessions =
        (uint32_t) ph_conf_int(c, "exmdb", "max_user_sessions");
    o->session_timeout =
        (uint64_t) ph_conf_int(c, "exmdb", "session_timeout");
    o->session_memory = (size_t) ph_conf_int(c, "exmdb", "session_memory");
    o->max_handles = (uint32_t) ph_conf_int(c, "exmdb", "max_handles");
    o->max_queue = (uint32_t) ph_conf_int(c, "exmdb", "max_queue");
    o->max_submit_size =
        (uint64_t) ph_conf_int(c, "exmdb", "max_submit_size");
    o->max_recipients = (uint32_t) ph_conf_int(c, "exmdb", "max_recipients");
    o->quota_template = ph_conf_str(c, "exmdb", "quota_template");
    o->quota_interval = (uint64_t) ph_conf_int(c, "exmdb", "quota_interval");
    o->quota_deleted = (uint64_t) ph_conf_int(c, "exmdb", "quota_deleted");
    o->keep_deleted = (uint64_t) ph_conf_int(c, "exmdb", "keep_deleted");
    o->purge_interval = (uint64_t) ph_conf_int(c, "exmdb", "purge_interval");
    o->purge_batch = (uint32_t) ph_conf_int(c, "exmdb", "purge_batch");
}


static void
ex_counters_init(ex_counters_t *c)
{
    c->requests = ph_counter("posthorn_exmdb_requests_total", "",
        "Frames that were served.");
    c->executes = ph_counter("posthorn_exmdb_executes_total", "",
        "Execute requests.");
    c->rops = ph_counter("posthorn_exmdb_rops_total", "",
        "Remote operations that were run.");
    c->execute_us = ph_histogram("posthorn_exmdb_execute_seconds", "",
        "Time of an Execute in the store.");
    c->commits = ph_counter("posthorn_exmdb_commits_total", "",
        "Transactions that were committed.");
    c->batched = ph_counter("posthorn_exmdb_changes_total", "",
        "Changing requests; divided by the commits: the mean batch.");
    c->deliveries = ph_counter("posthorn_exmdb_deliveries_total", "",
        "Messages delivered.");
    c->submits = ph_counter("posthorn_exmdb_submits_total", "",
        "Messages handed to the delivery daemon.");
    c->sessions = ph_gauge("posthorn_exmdb_sessions", "", "Open sessions.");
    c->stores = ph_gauge("posthorn_exmdb_stores", "", "Open mailboxes.");
    c->parked = ph_gauge("posthorn_exmdb_parked", "",
        "Sessions that wait for notifications.");
    c->notifications = ph_counter("posthorn_exmdb_notifications_total", "",
        "Notifications that were queued for sessions.");
}


static ph_int_t
ex_listen_on(ex_t *ex, const char *address,
    const ph_wire_server_opts_t *opts, size_t n)
{
    if (ph_wire_listen(ex->loop, address, ph_daemon_fd(ex->daemon, address),
                       opts, &ex->servers[n]) != PH_OK)
    {
        ph_log(ex->log, PH_LOG_ERROR, PH4001, "address=%s", address);
        return PH_ERROR;
    }

    return PH_OK;
}


static ph_int_t
ex_listen(ex_t *ex)
{
    size_t                  i, n;
    char                   *own;
    uid_t                  *uids;
    const char             *shared;
    ph_daemon_t            *d = ex->daemon;
    struct passwd          *pw;
    const char *const      *names;
    ph_wire_server_opts_t   opts;

    memset(&opts, 0, sizeof(opts));
    opts.log = ex->log;
    opts.max_frame = (size_t) ph_conf_int(d->conf, "exmdb", "max_request");
    opts.request_memory =
        (size_t) ph_conf_int(d->conf, "exmdb", "request_memory");
    opts.max_inflight = 65536;
    opts.request = ex_call_request;
    opts.closed = ex_session_conn_closed;
    opts.data = ex;

    if (ex_route_hello(ex, ex->pool, &opts.hello) != PH_OK) {
        return PH_ERROR;
    }

    n = ph_conf_list(d->conf, "exmdb", "allowed_users", &names);
    uids = ph_pcalloc_array(ex->pool, n + 2, sizeof(uid_t));
    if (uids == NULL) {
        return PH_NOMEM;
    }

    uids[0] = 0;
    uids[1] = getuid();
    for (i = 0; i < n; i++) {
        pw = getpwnam(names[i]);
        uids[i + 2] = (pw != NULL) ? pw->pw_uid : 0;
    }

    opts.allowed_uids = uids;
    opts.n_allowed_uids = n + 2;

    own = ex_route_address(ex->pool, ex->opt.socket, ex->self);
    if (own == NULL || ex_listen_on(ex, own, &opts, 0) != PH_OK) {
        return PH_ERROR;
    }

    shared = ph_psprintf(ex->pool, "unix:%s", ex->opt.socket);
    if (shared == NULL || ex_listen_on(ex, shared, &opts, 1) != PH_OK) {
        return PH_ERROR;
    }

    if (ex->opt.listen[0] == '\0') {
        return PH_OK;
    }

    opts.tls_cert = ph_conf_str(d->conf, "exmdb", "tls_cert");
    opts.tls_key = ph_conf_str(d->conf, "exmdb", "tls_key");
    opts.tls_ca = ph_conf_str(d->conf, "exmdb", "tls_ca");
    opts.n_acl = ph_conf_list(d->conf, "exmdb", "exmdb_acl", &opts.acl);

    return ex_listen_on(ex, ex->opt.listen, &opts, 2);
}


/* The master opens every worker's sockets: they outlive a worker. */
static ph_int_t
ex_listen_open(ph_daemon_t *d)
{
    int          i, workers;
    char        *address;
    const char  *socket, *listen;

    socket = ph_conf_str(d->conf, "exmdb", "socket");
    workers = (int) ph_conf_int(d->conf, "exmdb", "workers");

    for (i = 0; i < workers; i++) {
        address = ex_route_address(d->pool, socket, (uint16_t) i);
        if (address == NULL || ph_daemon_listen(d, address) != PH_OK) {
            return PH_ERROR;
        }
    }

    address = ph_psprintf(d->pool, "unix:%s", socket);
    if (address == NULL || ph_daemon_listen(d, address) != PH_OK) {
        return PH_ERROR;
    }

    listen = ph_conf_str(d->conf, "exmdb", "listen");

    return listen[0] != '\0' ? ph_daemon_listen(d, listen) : PH_OK;
}


ex_t *
ex_worker_create(ph_daemon_t *d)
{
    ex_t  *ex;

    ex = ph_pcalloc(d->pool, sizeof(ex_t));
    if (ex == NULL) {
        return NULL;
    }

    d->data = ex;
    ex->daemon = d;
    ex->log = d->log;
    ex->loop = d->loop;
    ex->pool = d->pool;
    ex->self = (uint16_t) d->worker;
    ex->workers = (uint16_t) d->workers;
    ex->started = ph_now_ms();

    ex_options_read(ex);
    ex_counters_init(&ex->count);

    if (ex_directory_create(ex, &ex->directory) != PH_OK
        || ex_route_create(ex, &ex->route) != PH_OK
        || ex_quotas_create(ex, &ex->quotas) != PH_OK
        || ex_follows_create(ex, &ex->follows) != PH_OK
        || ex_mailboxes_create(ex, &ex->mailboxes) != PH_OK
        || ex_sessions_create(ex, &ex->sessions) != PH_OK
        || ex_submits_create(ex, &ex->submits) != PH_OK)
    {
        return NULL;
    }

    return ex;
}


void
ex_worker_destroy(ex_t *ex)
{
    ex_submits_destroy(&ex->submits);
    ex_sessions_destroy(&ex->sessions);
    ex_mailboxes_destroy(&ex->mailboxes);
    ex_follows_destroy(&ex->follows);
    ex_route_destroy(&ex->route);
    ex_directory_destroy(&ex->directory);
}


static ph_int_t
ex_start(ph_daemon_t *d)
{
    ex_t  *ex;

    ex = ex_worker_create(d);
    if (ex == NULL || ex_listen(ex) != PH_OK) {
        return PH_ERROR;
    }

    ph_log(ex->log, PH_LOG_NOTICE, PH4000, "worker=%u of=%u", ex->self,
           ex->workers);

    return PH_OK;
}


static void
ex_stop_stores_closed(void *data)
{
    ex_t  *ex = data;

    ex_worker_destroy(ex);
    ph_daemon_stopped(ex->daemon);
}


static void
ex_stop_drained(void *data)
{
    size_t   i;
    ex_t    *ex = data;

    for (i = 0; i < ph_nelts(ex->servers); i++) {
        if (ex->servers[i] != NULL) {
            return;
        }
    }

    ex_sessions_end(ex);
    ex_mailboxes_close_all(ex, ex_stop_stores_closed, ex);
}


static void
ex_stop_drained_0(void *data)
{
    ex_t  *ex = data;

    ex->servers[0] = NULL;
    ex_stop_drained(ex);
}


static void
ex_stop_drained_1(void *data)
{
    ex_t  *ex = data;

    ex->servers[1] = NULL;
    ex_stop_drained(ex);
}


static void
ex_stop_drained_2(void *data)
{
    ex_t  *ex = data;

    ex->servers[2] = NULL;
    ex_stop_drained(ex);
}


/* Parked clients are told to come again; then requests in flight end. */
static void
ex_stop(ph_daemon_t *d)
{
    size_t   i;
    ex_t    *ex = d->data;

    static void (*const drained[])(void *data) = {
        ex_stop_drained_0, ex_stop_drained_1, ex_stop_drained_2
    };

    if (ex == NULL) {
        ph_daemon_stopped(d);
        return;
    }

    ex->stopping = true;
    ex_sessions_stop(ex);
    ex_follows_stop(ex);

    for (i = 0; i < ph_nelts(ex->servers); i++) {
        if (ex->servers[i] != NULL) {
            ph_wire_server_stop(ex->servers[i], 10000, drained[i], ex);
        }
    }
}
