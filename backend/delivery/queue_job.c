/*
 * One attempt at a queued message: where its recipients are, local mailboxes,
 * the relay, and then, in this order, the reports, the journal, the
 * acknowledgements.
 */

#include "acks.h"
#include "queue.h"
#include "report.h"
#include "client/cl.h"

#include <stdlib.h>
#include <sys/mman.h>

#define JOB_RESOLVE_MS      20000

/* of delivery.desc */
#define JOB_NOTIFY_SUCCESS  2
#define JOB_NOTIFY_FAILURE  4

#define JOB_MAX_ORCPT       480     /* RFC 3461 4.2: 500 with the type */

typedef enum { JOB_WAITING = 0, JOB_DONE, JOB_LATER, JOB_FAILED } job_state_t;

typedef struct {
    queue_rcpt_t  *rcpt;
    job_state_t    state;
    char           status[12];
    const char    *reply;
    bool           remote;
    uint32_t       n_local;
    uint32_t      *local;         /* indices into t.dests */
    uint32_t       n_relay;
    uint32_t      *relay;         /* indices into smtp.rcpts */
} job_rcpt_t;

typedef struct {
    queue_t        *q;
    queue_item_t   *item;
    ph_pool_t      *pool;
    void           *map;
    size_t          map_len;
    ph_str_t        body;
    ph_int_t        rc;
    uint32_t        n_rcpts;
    job_rcpt_t     *rcpts;
    uint32_t        at;           /* being resolved */
    deliver_t       t;
    smtp_job_t      smtp;
    uint32_t        cap_relay;
    uint32_t        running;      /* local, relay */
    bool            later;        /* somebody is left */
    bool            gone;
    uint32_t        n_done;
    ph_str_t       *done;         /* addresses for the journal */
} job_t;

static void job_resolve(job_t *job);
static void job_run(job_t *job);
static void job_settle(job_t *job);


static void
job_set(job_rcpt_t *r, job_state_t state, const char *status,
    const char *reply)
{
    r->state = state;
    (void) snprintf(r->status, sizeof(r->status), "%s", status);
    r->reply = reply;
}


static void
job_free(job_t *job, bool gone)
{
    queue_t       *q = job->q;
    ph_pool_t     *pool = job->pool;
    queue_item_t  *item = job->item;

    deliver_finish(&job->t);
    if (job->map != NULL) {
        munmap(job->map, job->map_len);
    }
    ph_pool_destroy(&pool);
    queue_job_over(q, item, gone);
}


/* without a working disk or memory: later, and nothing is written */
static void
job_give_up(job_t *job)
{
    job->item->e->next_try = ph_now_filetime() + 10000 * job->q->retry_min;
    job_free(job, false);
}


static void
job_open(void *data)
{
    job_t  *job = data;

    job->rc = queue_file_map(job->q->dir, job->item->e, &job->map,
                             &job->map_len, &job->body);
    if (job->rc != PH_OK) {
        job->map = NULL;
    }
}


static void
job_opened(void *data)
{
    job_t  *job = data;

    if (job->rc == PH_NOTFOUND) {
        job_free(job, true);              /* somebody took it away */
        return;
    }

    if (job->rc != PH_OK) {
        ph_log(job->q->d->log, PH_LOG_ERROR,
               job->rc == PH_CORRUPT ? PH5024 : PH5025, "result=%s",
               ph_result_name(job->rc));
        job_give_up(job);
        return;
    }

    job_resolve(job);
}


void
queue_job_start(queue_t *q, queue_item_t *item)
{
    job_t          *job;
    ph_pool_t      *pool;
    queue_entry_t  *e = item->e;

    pool = ph_pool_create("queue job", 0);
    job = pool ? ph_pcalloc(pool, sizeof(*job)) : NULL;
    if (job == NULL) {
        ph_pool_destroy(&pool);
        e->next_try = ph_now_filetime() + 10000 * q->retry_min;
        queue_job_over(q, item, false);
        return;
    }

    job->q = q;
    job->item = item;
    job->pool = pool;
    job->t.d = q->d;
    job->t.pool = pool;
    job->t.sender = e->sender;
    delivery_request_id(job->t.rid);

    job->rcpts = ph_pcalloc_array(pool, e->n_rcpts, sizeof(*job->rcpts));
    if (job->rcpts == NULL || ph_work(q->d->loop, job_open, job_opened, job)
                              != PH_OK)
    {
        job_give_up(job);
        return;
    }

    for (uint32_t i = 0; i < e->n_rcpts; i++) {
        if (!e->rcpts[i].done) {
            job->rcpts[job->n_rcpts++].rcpt = &e->rcpts[i];
        }
    }
}


static ph_int_t
job_index(job_t *job, uint32_t **list, uint32_t *n, uint32_t max,
    uint32_t index)
{
    if (*list == NULL) {
        *list = ph_pcalloc_array(job->pool, max, sizeof(**list));
        if (*list == NULL) {
            return PH_NOMEM;
        }
    }

    (*list)[(*n)++] = index;
    return PH_OK;
}


static bool
job_is_eight_bit(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return true;
        }
    }

    return false;
}


/* who the sender wrote to, for reports of the servers behind the relay */
static ph_int_t
job_orcpt(job_t *job, const job_rcpt_t *r, smtp_rcpt_t *to)
{
    ph_str_t  xtext;

    if (r->rcpt->orcpt.len != 0) {
        to->orcpt = r->rcpt->orcpt;
        return PH_OK;
    }

    if (job_is_eight_bit(r->rcpt->address)) {
        return PH_OK;           /* an address type of its own, and optional */
    }

    xtext = bounce_xtext(job->pool, r->rcpt->address);
    if (xtext.data == NULL) {
        return PH_NOMEM;
    }
    if (xtext.len <= JOB_MAX_ORCPT) {
        to->orcpt = ph_str_c(ph_psprintf(job->pool, "rfc822;%.*s",
                                         PH_STR_ARG(xtext)));
    }

    return PH_OK;
}


static ph_int_t
job_add_relay(job_t *job, job_rcpt_t *r, ph_str_t address, uint32_t max)
{
    uint32_t      cap;
    smtp_job_t   *smtp = &job->smtp;
    smtp_rcpt_t  *list;

    if (smtp->n_rcpts == job->cap_relay) {
        cap = job->cap_relay ? 2 * job->cap_relay : 4;
        list = ph_prealloc(job->pool, smtp->rcpts,
                           job->cap_relay * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        smtp->rcpts = list;
        job->cap_relay = cap;
    }

    list = &smtp->rcpts[smtp->n_rcpts];
    memset(list, 0, sizeof(*list));
    list->notify = r->rcpt->notify;
    list->address = ph_pstrdup(job->pool, address);
    if (list->address.data == NULL || job_orcpt(job, r, list) != PH_OK) {
        return PH_NOMEM;
    }

    return job_index(job, &r->relay, &r->n_relay, max, smtp->n_rcpts++);
}


static ph_int_t
job_add_destinations(job_t *job, job_rcpt_t *r, const dir_resolve_answer_t *a)
{
    uint32_t  index;
    ph_int_t  rc = PH_OK;
    ph_str_t  address;

    for (uint32_t i = 0; rc == PH_OK && i < a->destinations_count; i++) {
        bool  local = a->destinations[i].local != 0;

        address = local ? a->destinations[i].who.address
                        : a->destinations[i].address;

        if (queue_entry_is_done(job->item->e, address)) {
            continue;
        }

        if (local) {
            rc = deliver_add(&job->t, false, address, r->rcpt->address,
                             &index);
            if (rc == PH_OK) {
                rc = job_index(job, &r->local, &r->n_local,
                               a->destinations_count, index);
            }
        } else {
            rc = job_add_relay(job, r, address, a->destinations_count);
        }
    }

    return rc;
}


static void
job_resolved(ph_wire_status_t status, ph_str_t body, void *data)
{
    ph_int_t               rc = PH_OK;
    job_t                 *job = data;
    ph_pool_t             *pool;
    job_rcpt_t            *r = &job->rcpts[job->at++];
    dir_resolve_answer_t   a;

    if (status == PH_WIRE_NOT_FOUND) {
        job_set(r, JOB_FAILED, "5.1.1", "no such recipient");

    } else if (status == PH_WIRE_BAD_REQUEST) {
        job_set(r, JOB_FAILED, "5.1.3", "bad address");

    } else if (status != PH_WIRE_OK) {
        job_set(r, JOB_LATER, "4.3.0", "directory not available");

    } else {
        pool = ph_pool_create("resolve", 16 << 20);
        rc = pool ? dir_resolve_answer_decode_all(body, pool, &a) : PH_NOMEM;

        if (rc == PH_OK && a.refused) {
            job_set(r, JOB_FAILED, "5.7.1",
                    "this sender may not write to the group");

        } else if (rc == PH_OK && !a.local_domain
                   && a.destinations_count == 0)
        {
            rc = job_add_relay(job, r, r->rcpt->address, 1);

        } else if (rc == PH_OK && a.destinations_count == 0) {
            job_set(r, JOB_FAILED, "5.1.1", "no such recipient");

        } else if (rc == PH_OK) {
            rc = job_add_destinations(job, r, &a);
        }

        if (rc != PH_OK) {
            job_set(r, JOB_LATER, "4.3.0", "directory trouble");
        }
        ph_pool_destroy(&pool);
    }

    job_resolve(job);
}


static void
job_resolve(job_t *job)
{
    ph_str_t               body;
    job_rcpt_t            *r;
    dir_resolve_request_t  req;

    while (job->at < job->n_rcpts) {
        r = &job->rcpts[job->at];

        /* a bounce always goes straight home when its mailbox is here */
        if (!job->q->local_direct && !(job->item->e->flags & QUEUE_F_BOUNCE))
        {
            if (job_add_relay(job, r, r->rcpt->address, 1) != PH_OK) {
                job_set(r, JOB_LATER, "4.3.0", "out of memory");
            }
            job->at++;
            continue;
        }

        memset(&req, 0, sizeof(req));
        req.address = r->rcpt->address;
        req.sender = job->item->e->sender;

        if (dir_resolve_request_encode_new(job->pool, &req, &body) == PH_OK) {
            delivery_directory(job->q->d, DIR_OP_RESOLVE, body,
                               JOB_RESOLVE_MS, job_resolved, job);
            return;
        }

        job_set(r, JOB_LATER, "4.3.0", "out of memory");
        job->at++;
    }

    job_run(job);
}


static void
job_part_done(job_t *job)
{
    if (--job->running == 0) {
        job_settle(job);
    }
}


static void
job_local_done(deliver_t *t)
{
    job_part_done(t->data);
}


static void
job_relay_done(smtp_job_t *smtp)
{
    job_part_done(smtp->data);
}


static void
job_run(job_t *job)
{
    queue_t        *q = job->q;
    queue_entry_t  *e = job->item->e;

    job->running = 1;

    if (job->t.n_dests != 0) {
        job->t.bytes = job->body;
        job->t.trace = deliver_trace(q->d, job->pool, ph_str_null, "MAPI",
                                     job->t.rid, ph_str_null);
        job->t.done = job_local_done;
        job->t.data = job;
        job->running++;
        deliver_start(&job->t);
    }

    if (job->smtp.n_rcpts != 0) {
        if (q->relay.host[0] == '\0') {
            for (uint32_t i = 0; i < job->smtp.n_rcpts; i++) {
                job->smtp.rcpts[i].code = 550;
                (void) snprintf(job->smtp.rcpts[i].status, 12, "5.4.4");
                (void) snprintf(job->smtp.rcpts[i].text, SMTP_MAX_TEXT,
                                "no relay is configured");
            }
        } else {
            job->smtp.d = q->d;
            job->smtp.relay = &q->relay;
            job->smtp.sender = e->sender;
            job->smtp.ret = e->ret;
            job->smtp.envid = e->envid;
            job->smtp.body = job->body;
            job->smtp.smtputf8 = (e->flags & QUEUE_F_SMTPUTF8) != 0;
            job->smtp.eight_bit = job_is_eight_bit(job->body);
            job->smtp.done = job_relay_done;
            job->smtp.data = job;
            job->running++;
            smtp_send(&job->smtp);
        }
    }

    job_part_done(job);
}


/* the outcome of a recipient from those of its mailboxes and addresses */
static void
job_judge(job_t *job, job_rcpt_t *r)
{
    const char        *reply;
    deliver_result_t   result;
    const smtp_rcpt_t *s;

    if (r->state != JOB_WAITING) {
        return;
    }

    r->state = JOB_DONE;

    for (uint32_t i = 0; i < r->n_local; i++) {
        result = job->t.dests[r->local[i]].result;
        reply = deliver_reply(result);

        if (result == DELIVER_LATER || result == DELIVER_NO_DISK) {
            job_set(r, JOB_LATER, "4.3.0", reply + 4);
            return;
        }
        if (result != DELIVER_OK) {
            job_set(r, JOB_FAILED, "", reply + 10);
            (void) snprintf(r->status, sizeof(r->status), "%.5s", reply + 4);
        }
    }

    for (uint32_t i = 0; i < r->n_relay; i++) {
        s = &job->smtp.rcpts[r->relay[i]];

        if (s->code / 100 == 4) {
            job_set(r, JOB_LATER, s->status, s->text);
            return;
        }
        if (s->code / 100 != 2) {
            job_set(r, JOB_FAILED, s->status, s->text);
            r->remote = true;
        }
    }
}


static void
job_mark(job_t *job, ph_str_t address)
{
    job->done[job->n_done++] = address;
}


/* Has nobody behind us promised to tell the sender (RFC 3461 5.2)? */
static bool
job_tells(const job_t *job, const job_rcpt_t *r, bounce_action_t *action_r)
{
    if (r->state == JOB_FAILED) {
        *action_r = BOUNCE_FAILED;
        return r->rcpt->notify == 0
               || (r->rcpt->notify & JOB_NOTIFY_FAILURE);
    }

    *action_r = r->n_relay ? BOUNCE_RELAYED : BOUNCE_DELIVERED;
    return r->state == JOB_DONE && (r->rcpt->notify & JOB_NOTIFY_SUCCESS)
           && (r->n_relay == 0 || !job->smtp.dsn);
}


/* reports to the sender as queue files of their own, before anything else */
static ph_int_t
job_report(job_t *job)
{
    size_t            n = 0;
    ph_int_t          rc;
    ph_pool_t        *pool;
    job_rcpt_t       *r;
    bounce_rcpt_t    *list;
    bounce_action_t   action;

    pool = ph_pool_create("report", 0);
    list = pool ? ph_pcalloc_array(pool, job->n_rcpts, sizeof(*list)) : NULL;
    if (list == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < job->n_rcpts; i++) {
        r = &job->rcpts[i];
        if (!job_tells(job, r, &action)) {
            continue;
        }
        list[n++] = (bounce_rcpt_t) {
            .address = r->rcpt->address, .orcpt = r->rcpt->orcpt,
            .action = action,
            .status = action == BOUNCE_FAILED ? r->status : "2.0.0",
            .reply = action == BOUNCE_FAILED ? r->reply : NULL,
            .remote = action == BOUNCE_RELAYED || r->remote
                      ? job->q->relay.host : NULL
        };
    }

    rc = report_store(job->q, job->item->e, list, n, job->body);
    ph_pool_destroy(&pool);
    return rc;
}


static uint64_t
job_delay(const queue_t *q, uint32_t tries)
{
    uint64_t  delay = q->retry_min;

    for (uint32_t i = 1; i < tries && delay < q->retry_max; i++) {
        delay *= 2;
    }

    return 10000 * ph_min(delay, q->retry_max);
}


/* what is to be written; false when everybody is dealt with */
static bool
job_plan(job_t *job)
{
    bool            later = false;
    uint64_t        now = ph_now_filetime();
    job_rcpt_t     *r;
    queue_entry_t  *e = job->item->e;

    for (uint32_t i = 0; i < job->n_rcpts; i++) {
        r = &job->rcpts[i];
        job_judge(job, r);

        if (r->state == JOB_LATER
            && now > ph_max(e->queued, e->not_before)
                     + 10000 * job->q->max_age)
        {
            job_set(r, JOB_FAILED, "4.4.7", r->reply);
        }

        if (r->state == JOB_LATER) {
            later = true;
            e->last_error = ph_pstrdup(e->pool, ph_str_c(r->reply));
        } else {
            job_mark(job, r->rcpt->address);
        }

        /* of a recipient that waits, what has arrived */
        for (uint32_t k = 0; k < r->n_local; k++) {
            if (job->t.dests[r->local[k]].result == DELIVER_OK) {
                job_mark(job, job->t.dests[r->local[k]].address);
            }
        }
        for (uint32_t k = 0; k < r->n_relay; k++) {
            if (job->smtp.rcpts[r->relay[k]].code / 100 == 2) {
                job_mark(job, job->smtp.rcpts[r->relay[k]].address);
            }
        }
    }

    if (later) {
        e->tries++;
        e->next_try = now + job_delay(job->q, e->tries);
    }

    return later;
}


/* a thread: makes the outcome durable */
static void
job_write(void *data)
{
    job_t          *job = data;
    queue_entry_t  *e = job->item->e;

    job->rc = job_report(job);

    if (job->rc == PH_OK) {
        job->rc = queue_file_journal(job->q->dir, e, job->done, job->n_done,
                                     job->later);
    }
    if (job->rc == PH_OK && !job->later) {
        job->rc = queue_file_finish(job->q->dir, e->id);
        job->gone = true;
    }
}


static void
job_log(job_t *job)
{
    job_rcpt_t     *r;
    delivery_t     *d = job->q->d;
    queue_entry_t  *e = job->item->e;

    for (uint32_t i = 0; i < job->n_rcpts; i++) {
        r = &job->rcpts[i];
        ph_metric_add(r->state == JOB_DONE ? d->m_sent
                      : r->state == JOB_LATER ? d->m_deferred : d->m_bounced,
                      1);
        ph_log_write(d->log, r->state == JOB_DONE ? PH_LOG_INFO : PH_LOG_WARN,
                     r->state == JOB_DONE ? PH5021
                     : r->state == JOB_LATER ? PH5022 : PH5023,
                     ph_str_c(job->t.rid),
                     "to=%s from=%s tries=%u status=%s reply=%s",
                     ph_log_str(r->rcpt->address), ph_log_str(e->sender),
                     e->tries, r->state == JOB_DONE ? "2.0.0" : r->status,
                     ph_log_str(ph_str_c(r->reply)));
    }
}


static void
job_written(void *data)
{
    job_t           *job = data;
    queue_entry_t   *e = job->item->e;
    deliver_dest_t  *dest;

    if (job->rc != PH_OK) {
        ph_log(job->q->d->log, PH_LOG_ERROR, PH5025, "result=%s",
               ph_result_name(job->rc));
        if (!job->gone) {
            job_give_up(job);
            return;
        }
    }

    job_log(job);

    for (uint32_t i = 0; i < job->n_done; i++) {
        (void) queue_entry_done(e, job->done[i]);
    }

    for (uint32_t i = 0; i < job->t.n_dests; i++) {
        dest = &job->t.dests[i];
        if (dest->result == DELIVER_OK) {
            acks_add(job->q->d->acks, dest->address, dest->id);
        }
    }

    queue_wake(job->q);           /* a bounce may be waiting */
    job_free(job, job->gone);
}


static void
job_settle(job_t *job)
{
    size_t  max = job->t.n_dests + job->smtp.n_rcpts;

    for (uint32_t i = 0; i < job->n_rcpts; i++) {
        max += 1 + job->rcpts[i].n_local + job->rcpts[i].n_relay;
    }

    job->done = ph_pcalloc_array(job->pool, max, sizeof(*job->done));

    if (job->done == NULL) {
        job_give_up(job);
        return;
    }

    job->later = job_plan(job);

    if (ph_work(job->q->d->loop, job_write, job_written, job) != PH_OK) {
        job_give_up(job);
    }
}
