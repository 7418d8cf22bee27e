/* Start and stop: the parts and their order. */

#include "delivery.h"
#include "acks.h"
#include "auth.h"
#include "lmtp.h"
#include "queue.h"
#include "client/cl.h"
#include "wire.h"
#include "convert/conv_mime.h"
#include "lib/ph_sandbox.h"

#include <stdlib.h>
#include <unistd.h>


void
delivery_request_id(char *buf)
{
    uint8_t  id[8];

    ph_random(id, sizeof(id));
    ph_hex_encode(buf, id, sizeof(id));
}


static const char *
delivery_hostname(delivery_t *d)
{
    char         host[256];
    const char  *name = ph_conf_str(d->daemon->conf, "delivery", "hostname");

    if (name[0] != '\0') {
        return name;
    }

    if (gethostname(host, sizeof(host)) != 0) {
        return "localhost";
    }

    host[sizeof(host) - 1] = '\0';
    return ph_pcstr(d->pool, host);
}


ph_int_t
delivery_check(ph_daemon_t *daemon, const char **err_r)
{
    char         host[256], port[8];
    ph_conf_t   *conf = daemon->conf;
    const char  *tls = ph_conf_str(conf, "delivery", "relay_tls");
    const char  *relay = ph_conf_str(conf, "delivery", "relay");
    const char  *quota = ph_conf_str(conf, "delivery", "over_quota");

    if (strcmp(quota, "reject") != 0 && strcmp(quota, "defer") != 0) {
        *err_r = "delivery.over_quota: must be reject or defer";
        return PH_INVALID;
    }

    if (strcmp(tls, "never") != 0 && strcmp(tls, "may") != 0
        && strcmp(tls, "require") != 0)
    {
        *err_r = "delivery.relay_tls: not never, may or require";
        return PH_INVALID;
    }

    if (relay[0] != '\0' && smtp_relay_parse(relay, host, port) != PH_OK) {
        *err_r = "delivery.relay: not host:port";
        return PH_INVALID;
    }

    if (ph_conf_int(conf, "delivery", "max_message") > 100 << 20
        || ph_conf_int(conf, "delivery", "max_message") < 1024)
    {
        *err_r = "delivery.max_message: not between 1k and 100m";
        return PH_INVALID;
    }

    if (ph_conf_int(conf, "delivery", "retry_min") < 100
        || ph_conf_int(conf, "delivery", "relay_connections") < 1
        || ph_conf_int(conf, "delivery", "max_recipients") < 1)
    {
        *err_r = "delivery: retry_min, relay_connections or max_recipients is "
                 "too small";
        return PH_INVALID;
    }

    return PH_OK;
}


/* in the master: sockets that stay open over crashes and reloads */
ph_int_t
delivery_listen(ph_daemon_t *daemon)
{
    size_t              n;
    ph_int_t            rc;
    const char *const  *list;

    static const char *const  options[] = { "lmtp_listen", "listen" };

    for (size_t i = 0; i < ph_nelts(options); i++) {
        n = ph_conf_list(daemon->conf, "delivery", options[i], &list);
        for (size_t k = 0; k < n; k++) {
            rc = ph_daemon_listen(daemon, list[k]);
            if (rc != PH_OK) {
                return rc;
            }
        }
    }

    return PH_OK;
}


static void
delivery_metrics(delivery_t *d)
{
    d->m_delivered = ph_counter("posthorn_delivery_total",
                                "result=\"delivered\"",
                                "Messages offered to mailboxes");
    d->m_duplicate = ph_counter("posthorn_delivery_total",
                                "result=\"duplicate\"",
                                "Messages offered to mailboxes");
    d->m_failed = ph_counter("posthorn_delivery_total", "result=\"failed\"",
                             "Messages offered to mailboxes");
    d->m_latency = ph_histogram("posthorn_delivery_seconds", "",
                                "Time from the end of the data to the answer "
                                "of the mailbox");
    d->m_sent = ph_counter("posthorn_queue_total", "result=\"sent\"",
                           "Recipients of submitted messages");
    d->m_deferred = ph_counter("posthorn_queue_total", "result=\"deferred\"",
                               "Recipients of submitted messages");
    d->m_bounced = ph_counter("posthorn_queue_total", "result=\"bounced\"",
                              "Recipients of submitted messages");
}


#ifdef __SANITIZE_ADDRESS__

/* a sanitizer looks at its own process and writes reports where it is told */
static ph_int_t
delivery_enclose(delivery_t *d)
{
    (void) d;
    return PH_OK;
}

#else

/* mail comes from strangers: what reads it sees the queue and the log alone */
static ph_int_t
delivery_enclose(delivery_t *d)
{
    size_t              n = 0;
    const char         *log = ph_conf_str(d->daemon->conf, "log", "file");
    const char         *slash = strrchr(log, '/');
    ph_sandbox_path_t   paths[2];

    paths[n++] = (ph_sandbox_path_t) { d->queue_dir, true };

    if (slash != NULL && slash != log) {
        paths[n].path = ph_psprintf(d->pool, "%.*s", (int) (slash - log), log);
        paths[n].write = true;
        if (paths[n++].path == NULL) {
            return PH_NOMEM;
        }
    }

    return ph_sandbox_enter(d->log, paths, n);
}

#endif


void
delivery_mailbox(delivery_t *d, ph_str_t mailbox, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data)
{
    if (cl_mailbox(d->client, mailbox, op, body, timeout, answer, data)
        != PH_OK)
    {
        abort();
    }
}


void
delivery_directory(delivery_t *d, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data)
{
    if (cl_directory(d->client, op, body, timeout, answer, data) != PH_OK) {
        abort();
    }
}


static ph_int_t
delivery_client(delivery_t *d)
{
    cl_opts_t   opts;
    ph_conf_t  *conf = d->daemon->conf;

    memset(&opts, 0, sizeof(opts));
    opts.directory = ph_conf_str(conf, "delivery", "directory");
    opts.exmdb = ph_conf_str(conf, "delivery", "exmdb");
    opts.name = "delivery";
    opts.kind = PH_TICKET_SERVICE;
    opts.log = d->log;

    return cl_create(d->loop, &opts, &d->client);
}


ph_int_t
delivery_start(ph_daemon_t *daemon)
{
    ph_int_t     rc;
    ph_conf_t   *conf = daemon->conf;
    delivery_t  *d;

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
    d->hostname = delivery_hostname(d);
    d->max_message = (size_t) ph_conf_int(conf, "delivery", "max_message");
    d->spool_above = (size_t) ph_conf_int(conf, "delivery", "spool_above");
    d->message_memory = (size_t) ph_conf_int(conf, "delivery",
                                             "message_memory");
    d->store_timeout = (uint64_t) ph_conf_int(conf, "delivery",
                                              "store_timeout");
    d->quota_defer = strcmp(ph_conf_str(conf, "delivery", "over_quota"),
                            "defer") == 0;
    d->max_hops = (uint32_t) ph_conf_int(conf, "delivery", "max_hops");
    d->queue_dir = ph_conf_str(conf, "delivery", "queue_dir");

    conv_mime_init();
    delivery_metrics(d);

    rc = delivery_client(d);
    if (rc == PH_OK) {
        rc = acks_create(d, &d->acks);
    }
    if (rc == PH_OK) {
        rc = auth_create(d, &d->auth);
    }
    if (rc == PH_OK) {
        rc = queue_create(d, &d->queue);
    }
    if (rc == PH_OK) {
        rc = wire_create(d);
    }
    if (rc == PH_OK) {
        rc = lmtp_create(d, &d->lmtp);
    }
    if (rc == PH_OK) {
        rc = delivery_enclose(d);
    }

    if (rc != PH_OK) {
        ph_log(d->log, PH_LOG_ERROR, PH5001, "result=%s", ph_result_name(rc));
        return rc;
    }

    ph_log(d->log, PH_LOG_NOTICE, PH5000, "hostname=%s queued=%u",
           d->hostname, d->queue->n_items);
    return PH_OK;
}


void
delivery_part_stopped(delivery_t *d)
{
    if (--d->stop_waits != 0) {
        return;
    }

    if (!d->acks_told) {
        d->acks_told = true;
        d->stop_waits = 1;
        acks_stop(d->acks);
        return;
    }

    acks_destroy(d->acks);
    queue_destroy(d->queue);
    cl_destroy(&d->client);
    ph_daemon_stopped(d->daemon);
}


void
delivery_stop(ph_daemon_t *daemon)
{
    delivery_t  *d = daemon->data;

    if (d == NULL || d->stopping) {
        return;
    }

    d->stopping = true;
    cl_stop(d->client);
    d->stop_waits = 3 + (uint32_t) d->n_wire;

    wire_stop(d);
    queue_stop(d->queue);
    lmtp_stop(d->lmtp);
    delivery_part_stopped(d);
}
