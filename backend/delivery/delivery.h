/*
 * posthorn-delivery: mail comes in by LMTP and goes out by SMTP.
 *
 * Everything that waits runs on one loop; reading, converting and writing files
 * runs on the thread pool.  No message is acknowledged before it is on disk, in
 * a mailbox or in the queue.
 */

#ifndef DELIVERY_H
#define DELIVERY_H

#include "client/cl.h"
#include "lib/ph_conf.h"
#include "lib/ph_core.h"
#include "lib/ph_daemon.h"
#include "lib/ph_log.h"
#include "lib/ph_metrics.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"
#include "lib/ph_wire.h"

#define DELIVERY_ID         32       /* SHA-256 */
#define DELIVERY_MAX_ADDR   1024     /* bytes of an address */

typedef struct delivery_s       delivery_t;
typedef struct lmtp_server_s    lmtp_server_t;
typedef struct queue_s          queue_t;
typedef struct acks_s           acks_t;

struct delivery_s {
    ph_daemon_t     *daemon;
    ph_log_t        *log;
    uv_loop_t       *loop;
    ph_pool_t       *pool;          /* life of the process */
    const char      *hostname;

    cl_t            *client;        /* of directory and exmdb */
    struct auth_s   *auth;
    acks_t          *acks;
    lmtp_server_t   *lmtp;
    queue_t         *queue;
    ph_wire_server_t **wire;
    size_t           n_wire;
    uint64_t         started;       /* ph_now_ms() */
    bool             stopping;
    bool             acks_told;
    uint32_t         stop_waits;    /* parts that have not stopped yet */

    size_t           max_message;
    size_t           spool_above;
    size_t           message_memory;
    uint64_t         store_timeout;
    bool             quota_defer;
    uint32_t         max_hops;
    const char      *queue_dir;

    ph_metric_t     *m_delivered;
    ph_metric_t     *m_duplicate;
    ph_metric_t     *m_failed;
    ph_metric_t     *m_latency;
    ph_metric_t     *m_sent;
    ph_metric_t     *m_deferred;
    ph_metric_t     *m_bounced;
};

ph_int_t delivery_listen(ph_daemon_t *daemon);
ph_int_t delivery_start(ph_daemon_t *daemon);
void delivery_stop(ph_daemon_t *daemon);
ph_int_t delivery_check(ph_daemon_t *daemon, const char **err_r);
/* cl_mailbox() and cl_directory() whose answer always comes: without memory the
 * process ends, as GLib does it, and the master starts a new worker. */
void delivery_mailbox(delivery_t *d, ph_str_t mailbox, uint16_t op,
    ph_str_t body, uint64_t timeout, ph_wire_answer_pt answer, void *data);
void delivery_directory(delivery_t *d, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data);

/* a part of the daemon has stopped */
void delivery_part_stopped(delivery_t *d);

/* 16 hex digits, new for each transaction; buf has 17 bytes */
void delivery_request_id(char *buf);

#endif
