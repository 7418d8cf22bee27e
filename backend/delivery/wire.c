#include "wire.h"
#include "auth.h"
#include "queue.h"
#include "client/cl.h"
#include "convert/conv.h"
#include "gen/delivery.h"
#include "gen/dir.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define WIRE_MAX_FRAME   (160u << 20)

/* a submission on its way to disk */
typedef struct {
    delivery_t                *d;
    ph_wire_req_t             *req;
    delivery_submit_request_t  r;
    ph_int_t                   rc;
    char                       why[200];
} wire_submit_t;


static void
wire_fail(ph_wire_req_t *req, ph_int_t rc)
{
    ph_wire_reply(req, ph_wire_status_of(rc), ph_str_null);
}


static bool
wire_address(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= 32 || s.data[i] == 127 || s.data[i] == '<'
            || s.data[i] == '>')
        {
            return false;
        }
    }

    return s.len <= DELIVERY_MAX_ADDR;
}


static bool
wire_is_ascii(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return false;
        }
    }

    return true;
}


/* the addresses that the message goes to, each once */
static ph_int_t
wire_recipients(wire_submit_t *s, queue_entry_t *e)
{
    ph_int_t               rc;
    delivery_recipient_t  *list = s->r.recipients;

    for (uint32_t i = 0; i < s->r.recipients_count; i++) {
        bool  again = false;

        if (list[i].address.len == 0 || !wire_address(list[i].address)) {
            (void) snprintf(s->why, sizeof(s->why), "bad recipient %s",
                            ph_log_str(list[i].address));
            return PH_INVALID;
        }

        for (uint32_t k = 0; k < e->n_rcpts && !again; k++) {
            again = ph_str_ieq(e->rcpts[k].address, list[i].address);
        }

        if (!again) {
            rc = queue_entry_add(e, list[i].address,
                                 (uint8_t) (list[i].notify & 15));
            if (rc != PH_OK) {
                return rc;
            }
        }

        if (!wire_is_ascii(list[i].address)) {
            e->flags |= QUEUE_F_SMTPUTF8;
        }
    }

    return e->n_rcpts ? PH_OK : PH_INVALID;
}


/* a thread: MAPI -> RFC 5322, and the file */
static void
wire_submit_work(void *data)
{
    char                 envid[2 * QUEUE_ID + 1];
    ph_int_t             rc;
    ph_str_t             bytes;
    wire_submit_t       *s = data;
    queue_entry_t       *e;
    conv_export_opts_t   opts;

    e = queue_entry_create();
    if (e == NULL) {
        s->rc = PH_NOMEM;
        return;
    }

    memcpy(e->id, s->r.id, QUEUE_ID);
    e->mailbox = ph_pstrdup(e->pool, s->r.mailbox);
    e->sender = ph_pstrdup(e->pool, s->r.sender);
    e->queued = ph_now_filetime();
    e->not_before = s->r.not_before;

    if (!wire_address(s->r.sender) || !wire_address(s->r.mailbox)) {
        (void) snprintf(s->why, sizeof(s->why), "bad sender");
        rc = PH_INVALID;
    } else {
        rc = wire_recipients(s, e);
    }

    if (!wire_is_ascii(s->r.sender)) {
        e->flags |= QUEUE_F_SMTPUTF8;
    }

    if (rc == PH_OK) {
        memset(&opts, 0, sizeof(opts));
        opts.now = e->queued;
        opts.domain = ph_str_c(s->d->hostname);
        opts.id = (ph_str_t) { QUEUE_ID, s->r.id };
        opts.original = s->r.raw;
        rc = conv_mime_export(s->req->pool, &s->r.message, &opts, &bytes);
        if (rc != PH_OK) {
            (void) snprintf(s->why, sizeof(s->why), "conversion: %s",
                            ph_result_name(rc));
        }
    }

    if (rc == PH_OK) {
        ph_hex_encode(envid, e->id, QUEUE_ID);
        rc = queue_entry_dsn(e, ph_str_null, ph_str_c(envid));
    }

    if (rc != PH_OK) {
        queue_entry_destroy(&e);
    } else {
        rc = queue_store(s->d->queue, e, bytes);
    }

    s->rc = rc;
}


static void
wire_submit_done(void *data)
{
    wire_submit_t  *s = data;
    delivery_t     *d = s->d;
    ph_wire_req_t  *req = s->req;

    if (s->rc == PH_OK) {
        queue_wake(d->queue);
        ph_wire_reply(req, PH_WIRE_OK, ph_str_null);
        return;
    }

    ph_log_write(d->log, PH_LOG_WARN, PH5028, s->r.request_id,
                 "from=%s result=%s error=\"%s\"", ph_log_str(s->r.sender),
                 ph_result_name(s->rc), s->why);
    wire_fail(req, s->rc);
}


static void
wire_submit(delivery_t *d, ph_wire_req_t *req)
{
    ph_int_t        rc;
    wire_submit_t  *s = ph_pcalloc(req->pool, sizeof(*s));

    if (s == NULL) {
        wire_fail(req, PH_NOMEM);
        return;
    }

    s->d = d;
    s->req = req;

    rc = delivery_submit_request_decode_all(req->body, req->pool, &s->r);
    if (rc == PH_OK) {
        rc = ph_work(d->loop, wire_submit_work, wire_submit_done, s);
    }
    if (rc != PH_OK) {
        wire_fail(req, rc);
    }
}


static void
wire_queue(delivery_t *d, ph_wire_req_t *req)
{
    ph_int_t                  rc;
    ph_str_t                  body;
    delivery_queue_answer_t   a;
    delivery_queue_request_t  r;

    rc = delivery_queue_request_decode_all(req->body, req->pool, &r);
    if (rc == PH_OK) {
        rc = queue_list(d->queue, req->pool, r.limit, &a);
    }
    if (rc == PH_OK) {
        rc = delivery_queue_answer_encode_new(req->pool, &a, &body);
    }

    if (rc == PH_OK) {
        ph_wire_reply(req, PH_WIRE_OK, body);
    } else {
        wire_fail(req, rc);
    }
}


static void
wire_flush(delivery_t *d, ph_wire_req_t *req)
{
    ph_str_t                 body;
    delivery_flush_answer_t  a = { .total = queue_flush(d->queue) };

    if (delivery_flush_answer_encode_new(req->pool, &a, &body) == PH_OK) {
        ph_wire_reply(req, PH_WIRE_OK, body);
    } else {
        wire_fail(req, PH_NOMEM);
    }
}


static void
wire_status(delivery_t *d, ph_wire_req_t *req)
{
    ph_int_t                  rc;
    ph_str_t                  body;
    delivery_status_answer_t  a;

    memset(&a, 0, sizeof(a));
    a.pid = (uint32_t) getpid();
    a.uptime = (ph_now_ms() - d->started) / 1000;
    rc = ph_metrics_render(req->pool, &a.metrics);
    if (rc == PH_OK) {
        rc = delivery_status_answer_encode_new(req->pool, &a, &body);
    }

    if (rc == PH_OK) {
        ph_wire_reply(req, PH_WIRE_OK, body);
    } else {
        wire_fail(req, rc);
    }
}


static void
wire_withdraw(delivery_t *d, ph_wire_req_t *req)
{
    ph_int_t                     rc;
    delivery_withdraw_request_t  r;

    rc = delivery_withdraw_request_decode_all(req->body, req->pool, &r);
    if (rc == PH_OK) {
        rc = queue_withdraw(d->queue, r.id);
    }

    ph_wire_reply(req, ph_wire_status_of(rc), ph_str_null);
}


static void
wire_checked(ph_int_t rc, void *data)
{
    ph_wire_req_t  *req = data;
    delivery_t     *d = req->handler;

    if (rc != PH_OK) {
        ph_wire_reply(req, rc == PH_DENIED ? PH_WIRE_DENIED
                                           : PH_WIRE_UNAVAILABLE, ph_str_null);
        return;
    }

    switch (req->op) {
    case DELIVERY_OP_SUBMIT:
        wire_submit(d, req);
        return;
    case DELIVERY_OP_QUEUE:
        wire_queue(d, req);
        return;
    case DELIVERY_OP_FLUSH:
        wire_flush(d, req);
        return;
    case DELIVERY_OP_STATUS:
        wire_status(d, req);
        return;
    case DELIVERY_OP_WITHDRAW:
        wire_withdraw(d, req);
        return;
    default:
        ph_wire_reply(req, PH_WIRE_BAD_OP, ph_str_null);
    }
}


static void
wire_request(ph_wire_req_t *req, void *data)
{
    delivery_t  *d = data;

    req->handler = d;
    auth_check(d->auth, req->ticket, wire_checked, req);
}


/* numbers of the users in `allowed_users`, ourselves and root */
static ph_int_t
wire_users(delivery_t *d, uid_t **uids_r, size_t *n_r)
{
    size_t              n, k = 0;
    uint64_t            number;
    uid_t              *uids;
    const char *const  *list;
    struct passwd      *pw;

    n = ph_conf_list(d->daemon->conf, "delivery", "allowed_users", &list);
    uids = ph_pcalloc_array(d->pool, n + 2, sizeof(*uids));
    if (uids == NULL) {
        return PH_NOMEM;
    }

    uids[k++] = 0;
    uids[k++] = geteuid();

    for (size_t i = 0; i < n; i++) {
        if (ph_str_u64(ph_str_c(list[i]), &number) == PH_OK) {
            uids[k++] = (uid_t) number;
            continue;
        }
        pw = getpwnam(list[i]);
        if (pw == NULL) {
            ph_log(d->log, PH_LOG_ERROR, PH5001,
                   "option=delivery.allowed_users user=%s", list[i]);
            return PH_INVALID;
        }
        uids[k++] = pw->pw_uid;
    }

    *uids_r = uids;
    *n_r = k;
    return PH_OK;
}


ph_int_t
wire_create(delivery_t *d)
{
    size_t                  n;
    uid_t                  *uids;
    ph_int_t                rc;
    const char *const      *list;
    ph_wire_server_opts_t   opts;

    memset(&opts, 0, sizeof(opts));
    rc = wire_users(d, &uids, &opts.n_allowed_uids);
    if (rc != PH_OK) {
        return rc;
    }

    opts.log = d->log;
    opts.max_frame = WIRE_MAX_FRAME;
    opts.request_memory = d->message_memory;
    opts.allowed_uids = uids;
    opts.request = wire_request;
    opts.data = d;

    n = ph_conf_list(d->daemon->conf, "delivery", "listen", &list);
    d->wire = ph_pcalloc_array(d->pool, n + 1, sizeof(*d->wire));
    if (d->wire == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < n; i++) {
        rc = ph_wire_listen(d->loop, list[i],
                            ph_daemon_fd(d->daemon, list[i]), &opts,
                            &d->wire[d->n_wire]);
        if (rc != PH_OK) {
            ph_log(d->log, PH_LOG_ERROR, PH5001, "address=%s result=%s",
                   list[i], ph_result_name(rc));
            return rc;
        }
        d->n_wire++;
    }

    return PH_OK;
}


static void
wire_stopped(void *data)
{
    delivery_part_stopped(data);
}


void
wire_stop(delivery_t *d)
{
    for (size_t i = 0; i < d->n_wire; i++) {
        ph_wire_server_stop(d->wire[i], 5000, wire_stopped, d);
    }
}
