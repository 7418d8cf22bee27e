/* Delivery: a message goes into a mailbox once for each id, and is durable. */

#include "ex_arrival.h"
#include "ex_rule_run.h"
#include "ex_submit.h"
#include "mapi/mapi_tags.h"


typedef struct {
    ex_job_t                 job;       /* first */
    ex_call_t               *call;
    exmdb_deliver_request_t  r;
    ex_delivered_t           d;
} ex_deliver_t;

typedef struct {
    ex_job_t                     job;
    ex_call_t                   *call;
    exmdb_deliver_ack_request_t  r;
} ex_ack_t;


static void
ex_deliver_refuse(ex_deliver_t *d, ph_int_t rc)
{
    uint8_t  quota = d->d.quota ? 1 : 0;

    ph_log(d->call->ex->log, PH_LOG_WARN, PH4041,
           "mailbox=%s rc=%s quota=%u rid=%.*s", ph_log_str(d->r.mailbox),
           ph_result_name(rc), quota, PH_STR_ARG(d->r.request_id));

    if (rc == PH_NOSPACE || d->d.quota) {
        ex_reply(d->call, PH_WIRE_NO_SPACE, (ph_str_t) { 1, &quota });
        return;
    }

    if (d->d.refused) {
        ex_reply(d->call, PH_WIRE_NOT_FOUND, (ph_str_t) { 1, &d->d.refused });
        return;
    }

    ex_reply_rc(d->call, rc);
}


static uint64_t
ex_deliver_folder(const exmdb_deliver_request_t *req, store_conn_t *conn,
    ph_pool_t *pool)
{
    store_folder_t       f;
    store_receive_t      r;
    const mapi_value_t  *v;

    v = mapi_find(&req->message.props, PR_MESSAGE_CLASS);

    if (v != NULL && store_class_valid(v->u.str)
        && store_receive_find(conn, v->u.str, pool, &r) == PH_OK
        && store_folder_find(conn, pool, r.folder, &f) == PH_OK
        && !f.deleted && f.type == STORE_FOLDER_GENERIC)
    {
        return r.folder;
    }

    return STORE_INBOX;
}


typedef struct {
    ph_str_t  sender;
    bool      own;
    bool      internal;
    uint32_t  own_rights;
    uint32_t  default_rights;
    uint32_t  anonymous_rights;
} ex_poster_t;


static void
ex_deliver_right(void *data, ph_str_t address, uint32_t rights)
{
    ex_poster_t  *p = data;

    if (address.len == 0) {
        p->default_rights = rights;

    } else if (ph_str_eq_c(address, "*")) {
        p->anonymous_rights = rights;

    } else if (ph_str_ieq(address, p->sender)) {
        p->own = true;
        p->own_rights = rights;
    }
}


/*
 * Mail for a public folder: its address names the folder, and the sender needs
 * the right to create something in it.  Who is not of the domain is anonymous.
 */
static ph_int_t
ex_deliver_public(const exmdb_deliver_request_t *r, store_conn_t *conn,
    uint64_t *fid_r)
{
    size_t                at;
    ph_int_t              rc;
    uint32_t              rights;
    ph_str_t              domain;
    ex_poster_t           p;
    const store_info_t   *info = store_info(store_conn_store(conn));

    rc = store_mail_folder_find(conn, r->recipient, fid_r);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&p, 0, sizeof(p));
    p.sender = r->sender;

    for (at = info->address.len; at > 0 && info->address.data[at - 1] != '@';
         at--)
    {
        /* the last one divides */
    }

    domain.data = info->address.data + at;
    domain.len = info->address.len - at;
    p.internal = p.sender.len > domain.len + 1
                 && p.sender.data[p.sender.len - domain.len - 1] == '@'
                 && ph_str_ieq((ph_str_t) { domain.len,
                     p.sender.data + p.sender.len - domain.len }, domain);

    rc = store_permission_each(conn, *fid_r, ex_deliver_right, &p);
    if (rc != PH_OK) {
        return rc;
    }

    rights = p.own ? p.own_rights : p.internal ? p.default_rights
                                               : p.anonymous_rights;

    return (rights & STORE_RIGHT_CREATE) ? PH_OK : PH_DENIED;
}


/* The folder that it goes into. */
static ph_int_t
ex_deliver_place(const exmdb_deliver_request_t *r, store_conn_t *conn,
    ph_pool_t *pool, ex_delivered_t *d_r, uint64_t *fid_r)
{
    ph_int_t  rc;

    if (store_info(store_conn_store(conn))->kind != STORE_PUBLIC) {
        *fid_r = ex_deliver_folder(r, conn, pool);
        return PH_OK;
    }

    rc = ex_deliver_public(r, conn, fid_r);

    if (rc == PH_DENIED || rc == PH_NOTFOUND) {
        d_r->refused = rc == PH_DENIED ? EXMDB_REFUSED_POST
                                       : EXMDB_REFUSED_FOLDER;
        return PH_NOTFOUND;
    }

    return rc;
}


/* Rules and what else happens to it, in the same transaction. */
static ph_int_t
ex_deliver_rules(ex_mailbox_t *mb, store_conn_t *conn,
    const exmdb_deliver_request_t *r, const mapi_message_t *m,
    ph_pool_t *pool, ex_delivered_t *d)
{
    ph_int_t      rc;
    ex_arrival_t  a;

    memset(&a, 0, sizeof(a));
    a.ex = mb->ex;
    a.mb = mb;
    a.conn = conn;
    a.pool = pool;
    a.message = m;
    a.raw = r->raw;
    a.sender = r->sender;
    a.recipient = r->recipient;
    a.fid = d->fid;
    a.mid = d->mid;

    rc = ex_arrival_inspect(&a);
    if (rc == PH_OK) {
        rc = ex_rules_run(&a);
    }
    if (rc == PH_OK) {
        rc = ex_meeting_run(&a);
    }

    if (rc == PH_OK) {
        d->sent = a.sent;
        d->fid = a.fid;
        d->mid = a.mid != 0 ? a.mid : d->mid;
    }

    return rc;
}


ph_int_t
ex_deliver_store(ex_mailbox_t *mb, store_conn_t *conn,
    const exmdb_deliver_request_t *r, ex_delivered_t *d_r)
{
    ph_int_t           rc;
    ph_pool_t         *pool;
    mapi_message_t     message = r->message;
    store_delivery_t   delivery;

    memset(d_r, 0, sizeof(*d_r));
    pool = ph_pool_create("delivery", EX_ARRIVAL_MEMORY);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    rc = ex_arrival_mine(pool, &mb->facts->entry, r->recipient, &message);
    if (rc == PH_OK) {
        memset(&delivery, 0, sizeof(delivery));
        rc = ex_deliver_place(r, conn, pool, d_r, &delivery.folder);
    }
    if (rc == PH_OK) {
        delivery.id = r->id;
        delivery.received = r->received;
        delivery.message = &message;
        delivery.raw = r->raw;

        rc = store_deliver(conn, &delivery, &d_r->mid, &d_r->fid,
                           &d_r->duplicate, &d_r->quota);
    }
    if (rc == PH_OK && !d_r->duplicate) {
        rc = ex_deliver_rules(mb, conn, r, &message, pool, d_r);
    }
    ph_pool_destroy(&pool);

    return rc;
}


static ph_int_t
ex_deliver_run(ex_job_t *job, store_conn_t *conn)
{
    ph_int_t       rc;
    ex_deliver_t  *d = (ex_deliver_t *) job;

    rc = ex_deliver_store(job->mailbox, conn, &d->r, &d->d);


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

    if (d->d.sent > 0) {
        ex_submit_wake(job->mailbox);
    }

    a.mid = store_eid(d->d.mid);
    a.fid = store_eid(d->d.fid);
    a.duplicate = d->d.duplicate;

    ph_metric_add(d->call->ex->count.deliveries, 1);
    ph_log(d->call->ex->log, PH_LOG_INFO, PH4040,
           "mailbox=%s mid=%" PRIx64 " bytes=%zu duplicate=%u rid=%.*s",
           ph_log_str(d->r.mailbox), d->d.mid, d->r.raw.len, d->d.duplicate,
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
