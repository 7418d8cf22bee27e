/* From a call to a job in its mailbox, and back. */

#include "ex_door.h"


static void
ex_door_done(ex_job_t *job, ph_int_t rc)
{
    ex_door_t  *d = (ex_door_t *) job;

    if (rc != PH_OK) {
        ex_reply_rc(d->call, rc);
        return;
    }

    if (d->done != NULL) {
        d->done(d);
        return;
    }

    ex_reply(d->call, PH_WIRE_OK, d->answer);
}


static ph_int_t
ex_door_job(ex_job_t *job, store_conn_t *conn)
{
    ex_door_t  *d = (ex_door_t *) job;

    return d->run(d, conn);
}


static void
ex_door_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_door_t             *d = data;
    const mapi_op_info_t  *info;

    if (rc != PH_OK) {
        ex_reply_rc(d->call, rc);
        return;
    }

    info = exmdb_op_find(d->call->req->op);
    d->mailbox = mb;
    d->commits = mb->commits;
    d->job.write = (info->flags & EXMDB_FLAG_WRITE) != 0;
    d->job.alone = d->alone;
    d->job.repeatable = true;
    d->job.run = ex_door_job;
    d->job.done = ex_door_done;
    ex_job_start(mb, &d->job);
}


static void
ex_door_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_door_t  *d = data;

    if (rc != PH_OK) {
        ex_reply_rc(d->call, rc);
        return;
    }

    ex_mailbox_get(d->call->ex, facts, false, ex_door_opened, d);
}


ex_door_t *
ex_door_open(ex_call_t *call,
    ph_int_t (*run)(ex_door_t *d, store_conn_t *conn))
{
    ph_cur_t               cur;
    ex_door_t             *d;
    ph_pool_t             *pool = call->req->pool;
    const mapi_op_info_t  *info;

    info = exmdb_op_find(call->req->op);
    d = ph_pcalloc(pool, sizeof(ex_door_t));
    if (d != NULL) {
        d->request = ph_pcalloc(pool, info->request->size);
    }

    if (d == NULL || d->request == NULL) {
        ex_reply(call, PH_WIRE_BUSY, ph_str_null);
        return NULL;
    }

    ph_cur_init(&cur, call->req->body.data, call->req->body.len);
    if (info->request->decode(&cur, pool, NULL, d->request) != PH_OK
        || cur.error || ph_cur_left(&cur) != 0)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return NULL;
    }

    d->call = call;
    d->pool = pool;
    d->run = run;

    return d;
}


void
ex_door_start(ex_door_t *d)
{
    ex_facts_get(d->call->ex, DIR_BY_ADDRESS, *(ph_str_t *) d->request,
                 ex_door_facts, d);
}


void
ex_door_run(ex_call_t *call,
    ph_int_t (*run)(ex_door_t *d, store_conn_t *conn))
{
    ex_door_t  *d;

    d = ex_door_open(call, run);
    if (d != NULL) {
        ex_door_start(d);
    }
}


uint64_t *
ex_door_ids(ph_pool_t *pool, uint32_t n, const mapi_eid_t *eids)
{
    uint32_t   i;
    uint64_t  *ids;

    ids = ph_pcalloc_array(pool, n ? n : 1, sizeof(uint64_t));
    for (i = 0; ids != NULL && i < n; i++) {
        ids[i] = store_id(eids[i]);
    }

    return ids;
}
