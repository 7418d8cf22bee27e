/* Start, stop and housekeeping of the daemon. */

#include "directory.h"
#include "dir_postfix.h"
#include "nspi.h"
#include "lib/ph_addr.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTION         "directory"
#define HOUSEKEEPING    30000    /* ms */
#define DRAIN           5000     /* ms for requests in flight at the end */

static const char *
opt_str(const ph_daemon_t *daemon, const char *name)
{
    return ph_conf_str(daemon->conf, SECTION, name);
}


static int64_t
opt_int(const ph_daemon_t *daemon, const char *name)
{
    return ph_conf_int(daemon->conf, SECTION, name);
}


/* ---- configuration ---- */

/* name or number of a system user */
static bool
conf_uid(const char *text, uid_t *uid_r)
{
    uint64_t        n;
    struct passwd   pw, *found = NULL;
    char            buf[4096];

    if (ph_str_u64(ph_str_c(text), &n) == PH_OK && n < UINT32_MAX) {
        *uid_r = (uid_t) n;
        return true;
    }

    if (getpwnam_r(text, &pw, buf, sizeof(buf), &found) != 0 || !found) {
        return false;
    }

    *uid_r = found->pw_uid;
    return true;
}


static bool
conf_range(ph_daemon_t *daemon, const char *name, int64_t min, int64_t max,
    const char **err_r)
{
    int64_t  v = opt_int(daemon, name);

    if (v >= min && v <= max) {
        return true;
    }

    *err_r = ph_psprintf(daemon->pool, SECTION ".%s: %" PRId64
                         " is not between %" PRId64 " and %" PRId64, name, v,
                         min, max);
    return false;
}


static bool
conf_addresses(ph_daemon_t *daemon, const char *name, bool tls,
    const char **err_r)
{
    size_t              n;
    ph_addr_t           addr;
    const char *const  *list;

    n = ph_conf_list(daemon->conf, SECTION, name, &list);

    if (n > DIR_LISTEN_MAX / 2) {
        *err_r = ph_psprintf(daemon->pool, SECTION ".%s: more than %d", name,
                             DIR_LISTEN_MAX / 2);
        return false;
    }

    for (size_t i = 0; i < n; i++) {
        if (ph_addr_parse(list[i], &addr) != PH_OK) {
            *err_r = ph_psprintf(daemon->pool, SECTION ".%s: \"%s\" is neither"
                                 " unix:/path nor tcp:host:port", name,
                                 list[i]);
            return false;
        }

        if (!addr.local && tls
            && (*opt_str(daemon, "tls_cert") == '\0'
                || *opt_str(daemon, "tls_key") == '\0'
                || *opt_str(daemon, "tls_ca") == '\0'))
        {
            *err_r = SECTION ".listen: tcp: needs tls_cert, tls_key and"
                     " tls_ca";
            return false;
        }
    }

    return true;
}


static bool
conf_users(ph_daemon_t *daemon, const char *name, const char **err_r)
{
    uid_t               uid;
    size_t              n;
    const char *const  *list;

    n = ph_conf_list(daemon->conf, SECTION, name, &list);

    for (size_t i = 0; i < n; i++) {
        if (!conf_uid(list[i], &uid)) {
            *err_r = ph_psprintf(daemon->pool, SECTION ".%s: no user \"%s\"",
                                 name, list[i]);
            return false;
        }
    }

    return true;
}


ph_int_t
directory_check(ph_daemon_t *daemon, const char **err_r)
{
    size_t              n;
    ph_addr_t           addr;
    const char         *sasl;
    const char *const  *list;
    dir_hash_method_t   method;

    static const struct {
        const char  *name;
        int64_t      min, max;
    } ranges[] = {
        { "max_connections", 1, 1000000 },
        { "readers", 1, DIR_DB_READERS_MAX },
        { "hash_cost", 0, 1000000 },
        { "auth_threads", 1, 256 },
        { "auth_queue", 0, 1000000 },
        { "auth_cache", 0, 10000000 },
        { "throttle_user", 0, 1000000 },
        { "throttle_client", 0, 1000000 },
        { "throttle_decay", 1000, 7 * 86400000LL },
        { "ticket_lifetime", 10000, 7 * 86400000LL },
        { "service_ticket_lifetime", 10000, 7 * 86400000LL },
        { "key_lifetime", 60000, 365 * 86400000LL },
        { "max_recipients", 1, 60000 },
        { "postfix_connections", 1, 100000 },
        { "postfix_idle", 1000, 86400000LL },
        { "nspi_sessions", 1, 10000000 },
        { "nspi_idle", 1000, 7 * 86400000LL },
    };

    for (size_t i = 0; i < ph_nelts(ranges); i++) {
        if (!conf_range(daemon, ranges[i].name, ranges[i].min, ranges[i].max,
                        err_r))
        {
            return PH_INVALID;
        }
    }

    if (dir_hash_method_parse(opt_str(daemon, "hash"), &method) != PH_OK) {
        *err_r = SECTION ".hash: not yescrypt, sha512, bcrypt or argon2id";
        return PH_INVALID;
    }

    if (method == DIR_HASH_ARGON2ID && !DIR_HASH_HAS_ARGON2) {
        *err_r = SECTION ".hash: this program was built without argon2";
        return PH_INVALID;
    }

    /* each key signs for key_lifetime and lives for as long as its tickets */
    if ((opt_int(daemon, "ticket_lifetime")
         + opt_int(daemon, "service_ticket_lifetime"))
        / opt_int(daemon, "key_lifetime") >= PH_TICKET_MAX_KEYS - 2)
    {
        *err_r = SECTION ".key_lifetime: too short for tickets that live so"
                 " long";
        return PH_INVALID;
    }

    if (ph_conf_list(daemon->conf, SECTION, "listen", &list) == 0) {
        *err_r = SECTION ".listen: no address";
        return PH_INVALID;
    }

    sasl = opt_str(daemon, "sasl_listen");
    if (*sasl != '\0'
        && (ph_addr_parse(sasl, &addr) != PH_OK || !addr.local))
    {
        *err_r = SECTION ".sasl_listen: not unix:/path";
        return PH_INVALID;
    }

    n = ph_conf_list(daemon->conf, SECTION, "acl", &list);
    for (size_t i = 0; i < n; i++) {
        if (!ph_acl_valid(list[i])) {
            *err_r = ph_psprintf(daemon->pool, SECTION ".acl: \"%s\" is not an"
                                 " address or network", list[i]);
            return PH_INVALID;
        }
    }

    if (!conf_addresses(daemon, "listen", true, err_r)
        || !conf_addresses(daemon, "socketmap_listen", false, err_r)
        || !conf_users(daemon, "allowed_users", err_r)
        || !conf_users(daemon, "admins", err_r))
    {
        return PH_INVALID;
    }

    return PH_OK;
}


/* ---- sockets, in the master ---- */

ph_int_t
directory_listen(ph_daemon_t *daemon)
{
    size_t              n;
    ph_int_t            rc;
    const char         *group = opt_str(daemon, "postfix_group");
    const char         *sasl = opt_str(daemon, "sasl_listen");
    const char *const  *list;

    n = ph_conf_list(daemon->conf, SECTION, "listen", &list);
    for (size_t i = 0; i < n; i++) {
        rc = ph_daemon_listen(daemon, list[i]);
        if (rc != PH_OK) {
            return rc;
        }
    }

    if (*sasl != '\0') {
        rc = dir_postfix_prepare(daemon, sasl, group);
        if (rc != PH_OK) {
            return rc;
        }
    }

    n = ph_conf_list(daemon->conf, SECTION, "socketmap_listen", &list);
    for (size_t i = 0; i < n; i++) {
        rc = dir_postfix_prepare(daemon, list[i], group);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}


/* ---- start ---- */

static ph_int_t
start_uids(directory_t *d, const char *name, bool always, uid_t **list_r,
    size_t *n_r)
{
    size_t              n, out = 0;
    uid_t              *uids;
    const char *const  *list;

    n = ph_conf_list(d->daemon->conf, SECTION, name, &list);

    uids = ph_pcalloc_array(d->pool, n + 2, sizeof(*uids));
    if (uids == NULL) {
        return PH_NOMEM;
    }

    if (always) {
        uids[out++] = 0;
        uids[out++] = geteuid();
    }

    for (size_t i = 0; i < n; i++) {
        if (conf_uid(list[i], &uids[out])) {
            out++;
        }
    }

    *list_r = uids;
    *n_r = out;

    return PH_OK;
}


/* The folder of a file, or a folder, and what is missing above it. */
static void
start_folder(const char *path, bool is_file)
{
    char  *copy, *p, *end;

    copy = strdup(path);
    if (copy == NULL) {
        return;
    }

    end = is_file ? strrchr(copy, '/') : copy + strlen(copy);
    if (end == NULL) {
        free(copy);
        return;
    }
    *end = '\0';

    for (p = copy + 1; copy[0] != '\0' && *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void) mkdir(copy, 0755);
            *p = '/';
        }
    }

    /* whatever is wrong shows when the file is opened */
    if (copy[0] != '\0') {
        (void) mkdir(copy, 0700);
    }

    free(copy);
}


static ph_int_t
start_data(directory_t *d)
{
    ph_int_t           rc;
    ph_daemon_t       *daemon = d->daemon;
    dir_auth_opts_t    auth;
    dir_ticket_opts_t  tickets;

    start_folder(opt_str(daemon, "database"), true);
    start_folder(opt_str(daemon, "state_dir"), false);

    rc = dir_db_open(opt_str(daemon, "database"),
                     (unsigned) opt_int(daemon, "readers"), d->log, &d->db);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&auth, 0, sizeof(auth));
    (void) dir_hash_method_parse(opt_str(daemon, "hash"), &auth.method);
    auth.cost = (unsigned long) opt_int(daemon, "hash_cost");
    auth.cache_size = (size_t) opt_int(daemon, "auth_cache");
    auth.cache_ttl = (uint64_t) opt_int(daemon, "auth_cache_ttl");
    d->failure_delay = (uint64_t) opt_int(daemon, "auth_failure_delay");
    auth.throttle_user = (uint32_t) opt_int(daemon, "throttle_user");
    auth.throttle_client = (uint32_t) opt_int(daemon, "throttle_client");
    auth.throttle_decay = (uint64_t) opt_int(daemon, "throttle_decay");

    rc = dir_auth_create(&auth, d->db, d->log, &d->auth);
    if (rc != PH_OK) {
        return rc;
    }

    tickets.key_lifetime = (uint64_t) opt_int(daemon, "key_lifetime") / 1000;
    tickets.ticket_lifetime =
        (uint64_t) opt_int(daemon, "ticket_lifetime") / 1000;
    tickets.service_lifetime =
        (uint64_t) opt_int(daemon, "service_ticket_lifetime") / 1000;

    return dir_tickets_open(opt_str(daemon, "state_dir"), &tickets, d->log,
                            dir_now(), &d->tickets);
}


static ph_int_t
start_wire(directory_t *d)
{
    size_t                  n;
    ph_int_t                rc;
    ph_daemon_t            *daemon = d->daemon;
    const char *const      *list;
    ph_wire_server_opts_t   opts;

    memset(&opts, 0, sizeof(opts));
    opts.log = d->log;
    opts.max_frame = DIR_FRAME_MAX;
    opts.max_conns = (uint32_t) opt_int(daemon, "max_connections");
    opts.allowed_uids = d->allowed;
    opts.n_allowed_uids = d->n_allowed;
    opts.n_acl = ph_conf_list(daemon->conf, SECTION, "acl", &opts.acl);
    opts.tls_cert = opt_str(daemon, "tls_cert");
    opts.tls_key = opt_str(daemon, "tls_key");
    opts.tls_ca = opt_str(daemon, "tls_ca");
    opts.request = dir_server_request;
    opts.closed = dir_server_closed;
    opts.data = d;

    n = ph_conf_list(daemon->conf, SECTION, "listen", &list);

    for (size_t i = 0; i < n; i++) {
        rc = ph_wire_listen(d->loop, list[i],
                            ph_daemon_fd(daemon, list[i]), &opts,
                            &d->servers[d->n_servers]);
        if (rc != PH_OK) {
            ph_log(d->log, PH_LOG_ERROR, PH2005, "address=%s errno=%d",
                   list[i], errno);
            return rc;
        }
        d->n_servers++;
    }

    return PH_OK;
}


static ph_int_t
start_postfix(directory_t *d)
{
    size_t               n;
    ph_int_t             rc;
    ph_daemon_t         *daemon = d->daemon;
    const char *const   *list;
    dir_postfix_opts_t   opts;

    memset(&opts, 0, sizeof(opts));
    opts.max_conns = (uint32_t) opt_int(daemon, "postfix_connections");
    opts.idle = (uint64_t) opt_int(daemon, "postfix_idle");
    opts.transport = opt_str(daemon, "postfix_transport");

    opts.address = opt_str(daemon, "sasl_listen");
    if (*opts.address != '\0') {
        opts.kind = DIR_POSTFIX_SASL;
        rc = dir_postfix_listen(d, &opts, &d->postfix[d->n_postfix]);
        if (rc != PH_OK) {
            return rc;
        }
        d->n_postfix++;
    }

    n = ph_conf_list(daemon->conf, SECTION, "socketmap_listen", &list);
    opts.kind = DIR_POSTFIX_MAP;

    for (size_t i = 0; i < n; i++) {
        opts.address = list[i];
        rc = dir_postfix_listen(d, &opts, &d->postfix[d->n_postfix]);
        if (rc != PH_OK) {
            return rc;
        }
        d->n_postfix++;
    }

    return PH_OK;
}


static void
start_metrics(directory_t *d)
{
    d->m_requests = ph_counter("posthorn_directory_requests_total", "",
                               "Requests of the wire protocol.");
    d->m_errors = ph_counter("posthorn_directory_errors_total", "",
                             "Requests that were not answered OK.");
    d->m_logins_ok = ph_counter("posthorn_directory_logins_total",
                                "result=\"ok\"", "Checked credentials.");
    d->m_logins_bad = ph_counter("posthorn_directory_logins_total",
                                 "result=\"refused\"",
                                 "Checked credentials.");
    d->m_logins_busy = ph_counter("posthorn_directory_logins_total",
                                  "result=\"throttled\"",
                                  "Checked credentials.");
    d->m_derivations = ph_gauge("posthorn_directory_derivations", "",
                                "Key derivations since the start.");
    d->m_latency = ph_histogram("posthorn_directory_request_seconds", "",
                                "Time from a request to its answer.");
}


static void
housekeeping(uv_timer_t *timer)
{
    directory_t  *d = timer->data;

    /* a few hundred bytes, once a day: not worth a thread */
    (void) dir_tickets_rotate(d->tickets, dir_now());
    nspi_expire(d->nspi, ph_now_ms());
}


ph_int_t
directory_start(ph_daemon_t *daemon)
{
    ph_int_t      rc;
    directory_t  *d;

    d = ph_pcalloc(daemon->pool, sizeof(*d));
    if (d == NULL) {
        return PH_NOMEM;
    }

    daemon->data = d;
    d->daemon = daemon;
    d->log = daemon->log;
    d->loop = daemon->loop;
    d->pool = daemon->pool;
    d->started = ph_now_ms();
    d->organisation = opt_str(daemon, "organisation");
    d->lang = opt_str(daemon, "lang");
    d->resolve.delimiters = opt_str(daemon, "recipient_delimiter");
    d->resolve.max = (size_t) opt_int(daemon, "max_recipients");
    d->resolve.log = d->log;
    d->login_tail = &d->login_head;
    d->logins_max_running = (uint32_t) opt_int(daemon, "auth_threads");
    d->logins_max_waiting = (uint32_t) opt_int(daemon, "auth_queue");

    start_metrics(d);

    rc = start_uids(d, "allowed_users", true, &d->allowed, &d->n_allowed);
    if (rc == PH_OK) {
        rc = start_uids(d, "admins", false, &d->admins, &d->n_admins);
    }
    if (rc == PH_OK) {
        rc = start_data(d);
    }
    if (rc == PH_OK) {
        rc = nspi_create((size_t) opt_int(daemon, "nspi_sessions"),
                         (uint64_t) opt_int(daemon, "nspi_idle"), d->log,
                         &d->nspi);
    }
    if (rc == PH_OK) {
        rc = start_wire(d);
    }
    if (rc == PH_OK) {
        rc = start_postfix(d);
    }
    if (rc != PH_OK) {
        return rc;
    }

    uv_timer_init(d->loop, &d->timer);
    d->timer.data = d;
    uv_timer_start(&d->timer, housekeeping, HOUSEKEEPING, HOUSEKEEPING);

    ph_log(d->log, PH_LOG_NOTICE, PH2000, "schema=%u generation=%" PRIu64,
           dir_db_version(d->db), dir_db_generation(d->db));

    return PH_OK;
}


/* ---- stop ---- */

static void
stop_closed(uv_handle_t *handle)
{
    directory_t  *d = handle->data;

    /* work that outlived the drain still uses them; the process ends anyway */
    if (d->jobs == 0) {
        nspi_destroy(&d->nspi);
        dir_auth_destroy(&d->auth);
        dir_tickets_close(&d->tickets);
        dir_db_close(&d->db);
    }

    ph_daemon_stopped(d->daemon);
}


static void
stop_one(void *data)
{
    directory_t  *d = data;

    d->closing--;
    if (d->closing == 0) {
        uv_close((uv_handle_t *) &d->timer, stop_closed);
    }
}


void
directory_stop(ph_daemon_t *daemon)
{
    directory_t  *d = daemon->data;

    if (d->stopping) {
        return;
    }

    d->stopping = true;
    d->closing = d->n_servers + d->n_postfix + 1;

    for (size_t i = 0; i < d->n_servers; i++) {
        ph_wire_server_stop(d->servers[i], DRAIN, stop_one, d);
    }

    for (size_t i = 0; i < d->n_postfix; i++) {
        dir_postfix_stop(d->postfix[i], stop_one, d);
    }

    stop_one(d);
}
