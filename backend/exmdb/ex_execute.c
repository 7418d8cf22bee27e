/*
 * Execute on the loop: checks, the split into pieces by mailbox, the answer.
 *
 * A piece is a run of ROPs whose LogonIds name one mailbox; a Logon ends one,
 * because it decides where what follows belongs.
 */

#include "ex_execute.h"
#include "ex_remote.h"
#include "ex_trace.h"

#include <stdlib.h>


static void ex_execute_next(ex_execute_t *x);
static ph_int_t ex_execute_run(ex_job_t *job, store_conn_t *conn);
static void ex_execute_done(ex_job_t *job, ph_int_t rc);


/* The end of every Execute that was accepted. */
static void
ex_execute_end(ex_execute_t *x)
{
    bool            lost;
    uint64_t        us;
    ph_str_t        rops;
    ex_session_t   *s = x->session;

    us = uv_hrtime() / 1000 - x->started;
    ph_metric_add(x->ex->count.executes, 1);
    ph_metric_observe_us(x->ex->count.execute_us, us);

    if (x->mailbox != NULL) {
        ex_mailbox_unref(&x->mailbox);
    }

    if (x->facts != NULL) {
        ex_facts_unref(&x->facts);
    }

    lost = x->lost;
    s->executing = false;
    s->executes++;
    s->busy_us += us;
    ex_actions_run(s, lost);
    ex_notes_give_back(s, x->notes);
    x->notes = NULL;
    ex_session_touch(s);

    rops = ph_wbuf_str(&x->answer);
    if (x->ec != 0) {
        rops = ph_str_null;
    }

    if (x->traced) {
        ex_trace_execute(x, us);
    }

    x->answered(x, EXMDB_RESULT_OK, rops);

    /* x went with its request */
    if (lost || s->doomed) {
        ex_session_end(s, lost ? "lost" : "disconnect");
    }
}


/* ---- pieces ---- */

static void
ex_execute_inline(ex_execute_t *x)
{
    ex_dispatch(x, NULL);
    ex_execute_next(x);
}


/*
 * Does this ROP need the writer?  What concerns only the working copy of a
 * message does not, when the handle is known before it runs.
 */
static bool
ex_item_writes(const ex_execute_t *x, const ex_item_t *item)
{
    uint8_t             index;
    const ex_object_t  *o;

    if (!(item->info->flags & ROP_FLAG_WRITE)) {
        return false;
    }

    switch (item->id) {
    case ROP_SET_PROPERTIES:
    case ROP_SET_PROPERTIES_NO_REPLICATE:
    case ROP_DELETE_PROPERTIES:
    case ROP_DELETE_PROPERTIES_NO_REPLICATE:
    case ROP_COMMIT_STREAM:
    case ROP_WRITE_AND_COMMIT_STREAM:
    case ROP_COPY_TO:
    case ROP_COPY_PROPERTIES:
        break;
    default:
        return true;
    }

    index = item->handle[item->info->handles_count - 1];
    o = (index < x->n_handles)
        ? ex_object_find(x->session, x->handles[index]) : NULL;

    if (o != NULL && o->kind == EX_STREAM) {
        o = o->parent;
    }

    return o == NULL || (o->kind != EX_MESSAGE && o->kind != EX_ATTACHMENT);
}


static void
ex_execute_start(ex_execute_t *x)
{
    uint32_t     i;
    ex_logon_t  *l;

    memset(&x->job, 0, sizeof(ex_job_t));
    x->job.run = ex_execute_run;
    x->job.done = ex_execute_done;

    for (i = x->next; i < x->stop; i++) {
        if (ex_item_writes(x, &x->items[i])) {
            x->job.write = true;
        }
    }

    if (x->notes == NULL) {
        x->notes = ex_notes_take(x->session);
    }

    x->event_seq = x->mailbox->event_seq;

    if (x->mailbox->traces != NULL && !x->traced) {
        x->traced = true;
        ph_wbuf_init(&x->trace_in, x->pool, 256 << 10);
        ph_wbuf_init(&x->trace_out, x->pool, 256 << 10);
    }

    for (l = x->session->logons; l != NULL; l = l->next) {
        if (l->mailbox == x->mailbox) {
            x->ctx.public_logon = l->is_public;
        }
    }

    ex_job_start(x->mailbox, &x->job);
}


static ph_int_t
ex_execute_run(ex_job_t *job, store_conn_t *conn)
{
    ex_execute_t  *x = (ex_execute_t *) job;

    if (x->n_items == 0) {
        ex_dispatch_finish(x, conn);
    } else {
        ex_dispatch(x, conn);
    }

    return x->fatal;
}


static void
ex_execute_done(ex_job_t *job, ph_int_t rc)
{
    ex_execute_t  *x = (ex_execute_t *) job;

    if (rc != PH_OK) {
        /* what the objects of the session remember did not happen */
        x->lost = true;
        x->ec = (rc == PH_NOSPACE) ? ecDiskFull
                : (rc == PH_NOMEM) ? ecServerOOM : ecError;
        ph_log(x->ex->log, PH_LOG_ERROR, PH4034, "user=%s rc=%s",
               ph_log_str(x->session->facts->entry.address),
               ph_result_name(rc));
        ex_execute_end(x);
        return;
    }

    ex_execute_next(x);
}


static void
ex_execute_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_execute_t  *x = data;

    x->logon_rc = rc;

    if (rc != PH_OK) {
        ex_execute_inline(x);
        return;
    }

    x->mailbox = mb;
    ex_mailbox_ref(mb);
    ex_execute_start(x);
}


/* A mailbox of somebody else is ours only when this worker has it. */
static void
ex_execute_logon_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_t                       *ex;
    ex_execute_t               *x = data;
    const dir_entry_t          *e;
    const rop_logon_request_t  *r = x->items[x->next].request;

    ex = x->ex;

    if (rc == PH_OK) {
        e = &facts->entry;

        if (e->status != 0
            || (r->logon_flags & ROP_LOGON_PRIVATE
                ? e->kind != DIR_KIND_USER && e->kind != DIR_KIND_SHARED
                : e->kind != DIR_KIND_PUBLIC)
            || (!ph_str_ieq(e->organisation,
                            x->session->facts->entry.organisation)
                && !x->session->admin))
        {
            rc = PH_NOTFOUND;

        } else {
            x->facts = ex_facts_ref(facts);

            if (e->node.len != 0 && !ph_str_eq_c(e->node, ex->opt.node)) {
                rc = PH_DECLINED;
            }
        }
    }

    x->logon_rc = rc;
    if (rc != PH_OK) {
        ex_execute_inline(x);
        return;
    }

    if (ex_route_worker(ex, facts->entry.address) != ex->self) {
        if (x->piece || x->ticket.len == 0) {
            x->logon_rc = PH_DENIED;
            ex_execute_inline(x);
            return;
        }

        ex_remote_run(x, ex_remote_get(x->session, ex_route_worker(ex,
                                       facts->entry.address)),
                      ex_execute_next);
        return;
    }

    ex_mailbox_get(ex, facts, true, ex_execute_opened, x);
}


static void
ex_execute_logon(ex_execute_t *x, const ex_item_t *item)
{
    ph_str_t                    dn;
    const dir_entry_t          *me = &x->session->facts->entry;
    const rop_logon_request_t  *r = item->request;

    x->stop = x->next + 1;
    x->logon_rc = PH_OK;

    if (x->facts != NULL) {
        ex_facts_unref(&x->facts);
    }

    dn = r->essdn;
    while (dn.len > 0 && dn.data[dn.len - 1] == '\0') {
        dn.len--;
    }

    if (!(r->logon_flags & ROP_LOGON_PRIVATE)) {
        ex_facts_get(x->ex, DIR_BY_PUBLIC, me->domain,
                     ex_execute_logon_facts, x);
        return;
    }

    if (ph_str_ieq(dn, me->legacy_dn)) {
        ex_execute_logon_facts(PH_OK, x->session->facts, x);
        return;
    }

    if (dn.len == 0) {
        x->logon_rc = PH_NOTFOUND;
        ex_execute_inline(x);
        return;
    }

    ex_facts_get(x->ex, DIR_BY_DN, dn, ex_execute_logon_facts, x);
}


/* ---- groups of the user ---- */

/* Does something of this request depend on the groups, and may ours be old? */
static bool
ex_execute_needs_groups(const ex_execute_t *x)
{
    uint32_t           i;
    const ex_logon_t  *l;

    if (x->session->groups_at == ex_directory_generation(x->ex)) {
        return false;
    }

    for (l = x->session->logons; l != NULL; l = l->next) {
        if (!l->is_owner) {
            return true;
        }
    }

    for (i = 0; i < x->n_items; i++) {
        if (x->items[i].id == ROP_LOGON) {
            return true;
        }
    }

    return false;
}


static void
ex_execute_groups(ph_int_t rc, uint32_t n, const ph_str_t *groups, void *data)
{
    size_t         size;
    uint8_t       *p;
    uint32_t       i;
    ph_str_t      *list;
    ex_execute_t  *x = data;
    ex_session_t  *s = x->session;

    if (rc == PH_OK || rc == PH_NOTFOUND) {
        size = 0;
        for (i = 0; i < n; i++) {
            size += groups[i].len;
        }

        list = malloc(n * sizeof(ph_str_t) + size + 1);
        if (list != NULL) {
            p = (uint8_t *) (list + n);

            for (i = 0; i < n; i++) {
                list[i].data = p;
                list[i].len = groups[i].len;
                if (groups[i].len) {
                    memcpy(p, groups[i].data, groups[i].len);
                }
                p += groups[i].len;
            }

            free(s->groups);
            s->groups = list;
            s->n_groups = n;
            s->groups_at = x->groups_at;
        }
    }

    /* without the directory he keeps what he had */
    ex_execute_next(x);
}


/* The mailbox of an item; NULL when its LogonId names none. */
static ex_mailbox_t *
ex_item_mailbox(const ex_execute_t *x, const ex_item_t *item)
{
    ex_logon_t  *l;

    l = ex_logon_find(x->session, item->logon_id);

    return (l != NULL) ? l->mailbox : NULL;
}


static ex_remote_t *
ex_item_remote(const ex_execute_t *x, const ex_item_t *item)
{
    ex_logon_t  *l;

    l = ex_logon_find(x->session, item->logon_id);

    return (l != NULL) ? l->remote : NULL;
}


/* The mailbox that the first note needs to be told (rows of tables, and rights
 * on folders); NULL: none. */
static ex_mailbox_t *
ex_notes_mailbox(const ex_execute_t *x)
{
    const ex_note_t    *n;
    const ex_logon_t   *l;

    for (n = x->notes; n != NULL; n = n->next) {
        l = ex_logon_find(x->session, n->logon_id);

        if (l != NULL && l->mailbox != NULL
            && (n->data == NULL ? n->event != EX_TABLE_CHANGED
                                : !l->is_owner))
        {
            return l->mailbox;
        }
    }

    return NULL;
}


/* On the loop, which owns the session between pieces. */
static void
ex_execute_next(ex_execute_t *x)
{
    ex_remote_t      *remote;
    ex_mailbox_t     *mb;
    const ex_item_t  *item;

    if (x->mailbox != NULL) {
        ex_mailbox_unref(&x->mailbox);
    }

    if (x->complete || x->ec != 0 || x->fatal != PH_OK) {
        ex_execute_end(x);
        return;
    }

    /* logons that the last piece made count from here on */
    ex_actions_run(x->session, false);

    /* first of all what other workers have to tell */
    remote = x->piece || x->next > 0 || x->asked ? NULL
             : ex_remote_pending(x->session);
    if (remote != NULL) {
        x->asked = true;
        x->stop = x->next;
        ex_remote_run(x, remote, ex_execute_next);
        return;
    }

    if (x->n_items == 0) {
        x->notes = ex_notes_take(x->session);

        mb = ex_notes_mailbox(x);
        if (mb != NULL) {
            x->mailbox = mb;
            ex_mailbox_ref(x->mailbox);
            ex_execute_start(x);
            return;
        }

        ex_dispatch_finish(x, NULL);
        ex_execute_end(x);
        return;
    }

    if (x->next == x->n_items) {
        if (x->notes == NULL) {
            x->notes = ex_notes_take(x->session);
        }

        ex_dispatch_finish(x, NULL);
        ex_execute_end(x);
        return;
    }

    item = &x->items[x->next];

    if (item->id == ROP_LOGON) {
        ex_execute_logon(x, item);
        return;
    }

    mb = ex_item_mailbox(x, item);
    remote = ex_item_remote(x, item);

    for (x->stop = x->next + 1; x->stop < x->n_items; x->stop++) {
        item = &x->items[x->stop];
        if (item->id == ROP_LOGON || ex_item_mailbox(x, item) != mb
            || ex_item_remote(x, item) != remote)
        {
            break;
        }
    }

    if (remote != NULL) {
        ex_remote_run(x, remote, ex_execute_next);
        return;
    }

    if (mb == NULL) {
        ex_execute_inline(x);
        return;
    }

    x->mailbox = mb;
    ex_mailbox_ref(mb);
    ex_execute_start(x);
}


/* ---- the request ---- */

static uint32_t
ex_execute_check(const exmdb_emsmdb_execute_request_t *r)
{
    if (r->rops.len < EX_EXT_HEADER || r->max_rop_out < EX_EXT_HEADER) {
        return ecRpcFailed;
    }

    if (r->rops.len > EX_MAX_REQUEST || r->max_rop_out > EX_MAX_REQUEST) {
        return RPC_X_BAD_STUB_DATA;
    }

    return 0;
}


static void
ex_execute_go(ex_execute_t *x)
{
    x->session->executing = true;

    if (ex_execute_needs_groups(x)) {
        x->groups_at = ex_directory_generation(x->ex);
        ex_groups_get(x->ex, x->session->facts->entry.address,
                      ex_execute_groups, x);
        return;
    }

    ex_execute_next(x);
}


void
ex_execute_piece(ex_execute_t *x, ph_str_t user, ph_str_t payload,
    size_t room)
{
    ph_int_t       rc;
    ex_session_t  *s;

    x->started = uv_hrtime() / 1000;

    s = ex_session_find(x->ex, x->r.session, user);
    if (s == NULL) {
        x->answered(x, EXMDB_RESULT_NO_CONTEXT, ph_str_null);
        return;
    }

    x->session = s;
    if (s->executing) {
        x->answered(x, EXMDB_RESULT_SEQUENCE, ph_str_null);
        return;
    }

    ex_session_touch(s);
    x->ctx.cpid = s->cpid;

    rc = ex_frame_piece(x, payload);
    if (rc != PH_OK) {
        x->ec = (rc == PH_NOMEM) ? ecServerOOM : ecRpcFormat;
        x->answered(x, EXMDB_RESULT_OK, ph_str_null);
        return;
    }

    ph_wbuf_init(&x->data, x->pool, room + 2);
    ph_put_u16(&x->data, 0);
    ex_execute_go(x);
}


void
ex_execute_begin(ex_execute_t *x, ph_str_t user)
{
    size_t         limit;
    ph_int_t       rc;
    ex_session_t  *s;

    static const uint8_t  none[EX_SESSION_ID];

    x->started = uv_hrtime() / 1000;

    s = ex_session_find(x->ex, x->r.session, user);
    if (s == NULL) {
        x->answered(x, EXMDB_RESULT_NO_CONTEXT, ph_str_null);
        return;
    }

    if (s->executing
        || (memcmp(x->r.sequence, none, sizeof(none)) != 0
            && memcmp(x->r.sequence, s->sequence, sizeof(none)) != 0))
    {
        x->answered(x, EXMDB_RESULT_SEQUENCE, ph_str_null);
        return;
    }

    if (memcmp(x->r.next_sequence, none, sizeof(none)) != 0) {
        memcpy(s->sequence, x->r.next_sequence, sizeof(none));
    } else {
        ph_random(s->sequence, sizeof(s->sequence));
    }

    ex_session_touch(s);
    x->session = s;
    x->ctx.cpid = s->cpid;

    x->ec = ex_execute_check(&x->r);
    rc = PH_OK;

    if (x->ec == 0) {
        rc = ex_frame_request(x, x->r.rops);
        if (rc != PH_OK) {
            ph_log(x->ex->log, PH_LOG_DEBUG, PH4033, "user=%s bytes=%zu",
                   ph_log_str(s->facts->entry.address), x->r.rops.len);
            x->ec = (rc == PH_NOMEM) ? ecServerOOM : ecRpcFormat;
        }
    }

    if (x->ec != 0) {
        x->answered(x, EXMDB_RESULT_OK, ph_str_null);
        return;
    }

    limit = ph_min((size_t) x->r.max_rop_out - EX_EXT_HEADER,
                   (size_t) EX_MAX_PAYLOAD);
    if (limit < 4 * x->n_handles + 2) {
        x->ec = ecBufferTooSmall;
        x->answered(x, EXMDB_RESULT_OK, ph_str_null);
        return;
    }

    ph_wbuf_init(&x->data, x->pool, limit - 4 * x->n_handles);
    ph_put_u16(&x->data, 0);

    if (x->ticket.len > 0 && s->remotes != NULL) {
        ex_remote_keep(s, x->ticket);
    }

    ex_execute_go(x);
}


static void
ex_execute_reply(ex_execute_t *x, uint8_t result, ph_str_t rops)
{
    ph_str_t                        body;
    ex_call_t                      *call = x->data_of_answered;
    exmdb_emsmdb_execute_answer_t   a;

    memset(&a, 0, sizeof(a));
    a.result = result;
    a.ec = x->ec;
    a.rops = rops;

    if (x->session != NULL) {
        memcpy(a.sequence, x->session->sequence, EX_SESSION_ID);
    }

    if (exmdb_emsmdb_execute_answer_encode_new(x->pool, &a, &body) != PH_OK) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_execute(ex_call_t *call)
{
    ex_execute_t  *x;

    x = ph_pcalloc(call->req->pool, sizeof(ex_execute_t));
    if (x == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    x->ex = call->ex;
    x->pool = call->req->pool;
    x->answered = ex_execute_reply;
    x->data_of_answered = call;
    x->ticket = call->req->ticket;

    if (exmdb_emsmdb_execute_request_decode_all(call->req->body, x->pool,
                                                &x->r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_execute_begin(x, call->user);
}
