/* Delivery: a message goes into a mailbox once for each id, and is durable. */

#include "ex_mailbox.h"
#include "mapi/mapi_tags.h"


typedef struct {
    ex_job_t                 job;       /* first */
    ex_call_t               *call;
    exmdb_deliver_request_t  r;
    uint64_t                 mid;
    uint64_t                 fid;
    bool                     duplicate;
    bool                     quota;
    ph_int_t                 why;
} ex_deliver_t;

typedef struct {
    ex_job_t                     job;
    ex_call_t                   *call;
    exmdb_deliver_ack_request_t  r;
} ex_ack_t;


static void
ex_deliver_refuse(ex_deliver_t *d, ph_int_t rc)
{
    uint8_t  quota = d->quota ? 1 : 0;

    ph_log(d->call->ex->log, PH_LOG_WARN, PH4041,
           "mailbox=%s rc=%s quota=%u rid=%.*s", ph_log_str(d->r.mailbox),
           ph_result_name(rc), quota, PH_STR_ARG(d->r.request_id));

    if (rc == PH_NOSPACE || d->quota) {
        ex_reply(d->call, PH_WIRE_NO_SPACE, (ph_str_t) { 1, &quota });
        return;
    }

    ex_reply_rc(d->call, rc);
}


static uint64_t
ex_deliver_folder(const ex_deliver_t *d, store_conn_t *conn)
{
    store_folder_t       f;
    store_receive_t      r;
    const mapi_value_t  *v;

    v = mapi_find(&d->r.message.props, PR_MESSAGE_CLASS);

    if (v != NULL && store_class_valid(v->u.str)
        && store_receive_find(conn, v->u.str, d->call->req->pool, &r) == PH_OK
        && store_folder_find(conn, d->call->req->pool, r.folder, &f) == PH_OK
        && !f.deleted && f.type == STORE_FOLDER_GENERIC)
    {
        return r.folder;
    }

    return STORE_INBOX;
}


static ph_int_t
ex_deliver_run(ex_job_t *job, store_conn_t *conn)
{
    ph_int_t            rc;
    ex_deliver_t       *d = (ex_deliver_t *) job;
    store_delivery_t    delivery;

    memset(&delivery, 0, sizeof(delivery));
    delivery.folder = ex_deliver_folder(d, conn);
    delivery.id = d->r.id;
    delivery.received = d->r.received;
    delivery.message = &d->r.message;
    delivery.raw = d->r.raw;

    d->quota = false;
    rc = store_deliver(conn, &delivery, &d->mid, &d->fid, &d->duplicate,
                       &d->quota);

    if (rc == PH_OK && d->r.acked_count > 0) {
        rc = store_delivery_ack(conn, d->r.acked_count,
                                (const uint8_t (*)[32]) d->r.acked);
    }

    return rc;
}


static void
ex_deliver_done(ex_job_t *job, ph_int_t rc)
{
    ph_str_t                  body;
    ex_deliver_t             *d = (ex_deliver_t *) job;
    exmdb_deliver_answer_t    a;

    if (rc != PH_OK) {
        ex_deliver_refuse(d, rc);
        return;
    }

    a.mid = store_eid(d->mid);
    a.fid = store_eid(d->fid);
    a.duplicate = d->duplicate;

    ph_metric_add(d->call->ex->count.deliveries, 1);
    ph_log(d->call->ex->log, PH_LOG_INFO, PH4040,
           "mailbox=%s mid=%" PRIx64 " bytes=%zu duplicate=%u rid=%.*s",
           ph_log_str(d->r.mailbox), d->mid, d->r.raw.len, d->duplicate,
           PH_STR_ARG(d->r.request_id));

    if (exmdb_deliver_answer_encode_new(d->call->req->pool, &a, &body)
        != PH_OK)
    {
        ex_reply(d->call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(d->call, PH_WIRE_OK, body);
}


static void
ex_deliver_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_deliver_t  *d = data;

    if (rc != PH_OK) {
        ex_deliver_refuse(d, rc);
        return;
    }

    d->job.write = true;
    d->job.repeatable = true;
    d->job.run = ex_deliver_run;
    d->job.done = ex_deliver_done;
    ex_job_start(mb, &d->job);
}


static void
ex_deliver_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_deliver_t  *d = data;

    if (rc == PH_OK && (facts->entry.status == 3
                        || facts->entry.kind == DIR_KIND_GROUP
                        || facts->entry.kind == DIR_KIND_CONTACT))
    {
        rc = PH_NOTFOUND;
    }

    if (rc != PH_OK) {
        ex_deliver_refuse(d, rc == PH_NOTFOUND ? rc : PH_BUSY);
        return;
    }

    ex_mailbox_get(d->call->ex, facts, true, ex_deliver_opened, d);
}


void
ex_op_deliver(ex_call_t *call)
{
    ex_deliver_t  *d;

    d = ph_pcalloc(call->req->pool, sizeof(ex_deliver_t));
    if (d == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    d->call = call;

    if (exmdb_deliver_request_decode_all(call->req->body, call->req->pool,
                                         &d->r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, d->r.mailbox, ex_deliver_facts, d);
}


/* ---- acknowledged ids ---- */

static ph_int_t
ex_ack_run(ex_job_t *job, store_conn_t *conn)
{
    ex_ack_t  *a = (ex_ack_t *) job;

    return store_delivery_ack(conn, a->r.acked_count,
                              (const uint8_t (*)[32]) a->r.acked);
}


static void
ex_ack_done(ex_job_t *job, ph_int_t rc)
{
    ex_reply_rc(((ex_ack_t *) job)->call, rc);
}


static void
ex_ack_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_ack_t  *a = data;

    if (rc != PH_OK) {
        ex_reply_rc(a->call, rc);
        return;
    }

    a->job.write = true;
    a->job.repeatable = true;
    a->job.run = ex_ack_run;
    a->job.done = ex_ack_done;
    ex_job_start(mb, &a->job);
}


static void
ex_ack_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_ack_t  *a = data;

    if (rc != PH_OK) {
        ex_reply_rc(a->call, rc);
        return;
    }

    ex_mailbox_get(a->call->ex, facts, false, ex_ack_opened, a);
}


void
ex_op_deliver_ack(ex_call_t *call)
{
    ex_ack_t  *a;

    a = ph_pcalloc(call->req->pool, sizeof(ex_ack_t));
    if (a == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    a->call = call;

    if (exmdb_deliver_ack_request_decode_all(call->req->body, call->req->pool,
                                             &a->r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, a->r.mailbox, ex_ack_facts, a);
}
