/* Logons to mailboxes of other workers: this side; see ex_remote.h. */

#include "ex_remote.h"

#include <stdlib.h>

typedef struct {
    ex_execute_t  *x;
    ex_remote_t   *remote;
    void         (*done)(ex_execute_t *x);
} ex_remote_run_t;


static void ex_remote_send(ex_remote_run_t *run);


ex_remote_t *
ex_remote_get(ex_session_t *s, uint16_t worker)
{
    ex_remote_t  *r;

    for (r = s->remotes; r != NULL; r = r->next) {
        if (r->worker == worker) {
            return r;
        }
    }

    r = calloc(1, sizeof(ex_remote_t));
    if (r != NULL) {
        r->session = s;
        r->worker = worker;
        r->next = s->remotes;
        s->remotes = r;
    }

    return r;
}


ex_remote_t *
ex_remote_pending(const ex_session_t *s)
{
    ex_remote_t  *r;

    for (r = s->remotes; r != NULL; r = r->next) {
        if (r->pending && r->attached) {
            return r;
        }
    }

    return NULL;
}


static void
ex_remote_failed(ex_remote_run_t *run)
{
    ex_execute_t  *x = run->x;

    /* what stands there is lost: the client has to connect again */
    run->remote->lost = true;
    x->lost = true;
    x->ec = ecServerOOM;
    run->done(x);
}


/* ---- handles ---- */

static uint32_t
ex_remote_handle(const ex_remote_t *r, uint32_t handle)
{
    ex_object_t  *o;

    o = ex_object_find(r->session, handle);

    if (o == NULL) {
        return EX_NO_HANDLE;
    }

    if (o->kind == EX_LOGON) {
        return ((ex_logon_t *) o)->remote == r ? ((ex_logon_t *) o)->there
                                               : EX_NO_HANDLE;
    }

    return (o->kind == EX_REMOTE && o->logon->remote == r)
           ? ((ex_stub_t *) o)->there : EX_NO_HANDLE;
}


/* The proxy of a handle there; NULL: there is none. */
static ex_object_t *
ex_remote_proxy(const ex_remote_t *r, uint32_t there)
{
    uint32_t       i;
    ex_object_t   *o;
    ex_handles_t  *h = &r->session->handles;

    for (i = 0; i < h->n; i++) {
        o = h->slots[i].object;
        if (o != NULL
            && ((o->kind == EX_REMOTE && o->logon->remote == r
                 && ((ex_stub_t *) o)->there == there)
                || (o->kind == EX_LOGON && ((ex_logon_t *) o)->remote == r
                    && ((ex_logon_t *) o)->there == there)))
        {
            return o;
        }
    }

    return NULL;
}


static ex_object_t *
ex_remote_logon_made(ex_execute_t *x, ex_remote_t *r, const ex_item_t *item,
    uint32_t there)
{
    ex_logon_t                 *l, *old;
    const rop_logon_request_t  *req = item->request;

    old = ex_logon_find(x->session, item->logon_id);
    if (old != NULL) {
        ex_object_release(&old->o);
    }

    l = ex_object_new(x->session, EX_LOGON, sizeof(ex_logon_t), NULL, NULL);
    if (l == NULL) {
        return NULL;
    }

    l->o.logon_id = item->logon_id;
    l->remote = r;
    l->there = there;
    l->is_owner = true;        /* rights are looked at there */
    l->is_public = !(req->logon_flags & ROP_LOGON_PRIVATE);
    l->next = x->session->logons;
    x->session->logons = l;

    return &l->o;
}


/* Objects that the ROPs made there get stubs; false: no memory. */
static bool
ex_remote_made(ex_execute_t *x, ex_remote_t *r, uint32_t first, uint32_t n,
    const uint32_t *before, const uint32_t *after)
{
    uint8_t            k;
    uint32_t           i, index;
    ex_logon_t        *l;
    ex_object_t       *o;
    const ex_item_t   *item;

    for (i = first; i < first + n; i++) {
        item = &x->items[i];

        if (item->id == ROP_RELEASE) {
            o = ex_object_find(x->session, item->handle[0] < x->n_handles
                                           ? x->handles[item->handle[0]] : 0);
            if (o != NULL && (o->kind == EX_REMOTE
                              || (o->kind == EX_LOGON
                                  && ((ex_logon_t *) o)->remote == r)))
            {
                ex_object_release(o);
            }
            continue;
        }

        for (k = 0; k < item->info->handles_count; k++) {
            index = item->handle[k];

            if (item->info->handles[k] != ROP_HANDLE_OUT
                || index >= x->n_handles || after[index] == before[index]
                || ex_remote_handle(r, x->handles[index]) == after[index])
            {
                continue;
            }

            l = ex_logon_find(x->session, item->logon_id);

            if (item->id == ROP_LOGON) {
                o = ex_remote_logon_made(x, r, item, after[index]);
            } else {
                o = l != NULL ? ex_object_new(x->session, EX_REMOTE,
                                              sizeof(ex_stub_t), NULL, l)
                              : NULL;
                if (o != NULL) {
                    ((ex_stub_t *) o)->there = after[index];
                }
            }

            if (o == NULL) {
                return false;
            }

            x->handles[index] = o->handle;
        }
    }

    return true;
}


static void
ex_remote_note(ex_remote_t *r, const exmdb_piece_note_t *n)
{
    ex_note_t       *note;
    ex_object_t     *o;
    ex_session_t    *s = r->session;

    o = ex_remote_proxy(r, n->handle);
    if (o == NULL || s->n_notes >= s->ex->opt.max_queue) {
        return;
    }

    note = calloc(1, sizeof(ex_note_t));
    if (note == NULL) {
        return;
    }

    note->data = malloc(sizeof(ex_note_data_t) + n->data.len);
    if (note->data == NULL) {
        free(note);
        return;
    }

    note->data->refs = 1;
    note->data->len = (uint32_t) n->data.len;
    memcpy(note->data->data, n->data.data, n->data.len);
    note->handle = o->handle;
    note->logon_id = o->logon_id;
    *s->notes_tail = note;
    s->notes_tail = &note->next;
    s->n_notes++;
}


/* ---- calls ---- */

static void
ex_remote_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    uint32_t                      i, done;
    uint32_t                      before[EX_MAX_HANDLES];
    ex_remote_run_t              *run = data;
    ex_execute_t                 *x = run->x;
    ex_remote_t                  *r = run->remote;
    exmdb_emsmdb_piece_answer_t   a;

    r->used = ph_now_ms();

    if (status != PH_WIRE_OK
        || exmdb_emsmdb_piece_answer_decode_all(body, x->pool, &a) != PH_OK
        || a.result != EXMDB_RESULT_OK || a.handles_count != x->n_handles
        || a.next > x->stop - x->next)
    {
        ex_remote_failed(run);
        return;
    }

    r->pending = a.more != 0;

    if (a.ec != 0) {
        x->ec = a.ec;
        x->lost = a.lost != 0;
        run->done(x);
        return;
    }

    for (i = 0; i < x->n_handles; i++) {
        before[i] = ex_remote_handle(r, x->handles[i]);
    }

    done = a.next;
    if (!ex_remote_made(x, r, x->next, done, before, a.handles)) {
        ex_remote_failed(run);
        return;
    }

    for (i = 0; i < a.notes_count; i++) {
        ex_remote_note(r, &a.notes[i]);
    }

    ph_put_str(&x->data, a.data);
    x->next += done;

    if (x->data.error) {
        ex_remote_failed(run);
        return;
    }

    if (x->next < x->stop) {
        ex_dispatch_too_small(x);
    }

    run->done(x);
}


static void
ex_remote_piece(ex_remote_run_t *run)
{
    uint32_t                       i, from, to;
    ph_str_t                       body;
    ph_wbuf_t                      b;
    ex_execute_t                  *x = run->x;
    ex_remote_t                   *r = run->remote;
    exmdb_emsmdb_piece_request_t   q;

    memset(&q, 0, sizeof(q));
    memcpy(q.session, r->id, EX_SESSION_ID);
    q.room = (uint32_t) (x->data.limit - x->data.len);
    q.first = x->data.len <= 2;
    q.request_id = x->r.request_id;

    from = x->next < x->n_items ? x->items[x->next].offset
                                : (uint32_t) x->rops.len;
    to = x->stop < x->n_items ? x->items[x->stop].offset
                              : (uint32_t) x->rops.len;

    ph_wbuf_init(&b, x->pool, EX_MAX_REQUEST);
    ph_put_u16(&b, (uint16_t) (to - from + 2));
    ph_put_bytes(&b, x->rops.data + from, to - from);
    for (i = 0; i < x->n_handles; i++) {
        ph_put_u32(&b, ex_remote_handle(r, x->handles[i]));
    }

    q.payload = ph_wbuf_str(&b);
    if (x->stop == x->n_items) {
        q.packed = x->packed;
    }

    if (b.error
        || exmdb_emsmdb_piece_request_encode_new(x->pool, &q, &body) != PH_OK
        || ex_route_call(x->ex, r->worker, EXMDB_OP_EMSMDB_PIECE, x->ticket,
                         body, ex_remote_answer, run) != PH_OK)
    {
        ex_remote_failed(run);
    }
}


static void
ex_remote_attached(ph_wire_status_t status, ph_str_t body, void *data)
{
    ex_remote_run_t               *run = data;
    ex_remote_t                   *r = run->remote;
    exmdb_emsmdb_attach_answer_t   a;

    if (status != PH_WIRE_OK
        || exmdb_emsmdb_attach_answer_decode_all(body, run->x->pool, &a)
           != PH_OK
        || a.ec != 0)
    {
        ex_remote_failed(run);
        return;
    }

    memcpy(r->id, a.session, EX_SESSION_ID);
    r->attached = true;
    ex_remote_piece(run);
}


static void
ex_remote_send(ex_remote_run_t *run)
{
    ph_str_t                        body;
    ex_execute_t                   *x = run->x;
    const ex_session_t             *s = x->session;
    exmdb_emsmdb_attach_request_t   q;

    if (run->remote->lost) {
        ex_remote_failed(run);
        return;
    }

    if (run->remote->attached) {
        ex_remote_piece(run);
        return;
    }

    memset(&q, 0, sizeof(q));
    q.flags = s->admin ? 1 : 0;
    q.cpid = s->cpid;
    q.lcid_sort = s->lcid_sort;
    q.lcid_string = s->lcid_string;
    q.version_0 = s->version[0];
    q.version_1 = s->version[1];
    q.version_2 = s->version[2];
    q.client = ph_str_c(s->client);
    q.request_id = x->r.request_id;

    if (exmdb_emsmdb_attach_request_encode_new(x->pool, &q, &body) != PH_OK
        || ex_route_call(x->ex, run->remote->worker, EXMDB_OP_EMSMDB_ATTACH,
                         x->ticket, body, ex_remote_attached, run) != PH_OK)
    {
        ex_remote_failed(run);
    }
}


void
ex_remote_run(ex_execute_t *x, ex_remote_t *r, void (*done)(ex_execute_t *x))
{
    ex_remote_run_t  *run;

    run = ph_pcalloc(x->pool, sizeof(ex_remote_run_t));
    if (run == NULL || r == NULL) {
        x->lost = true;
        x->ec = ecServerOOM;
        done(x);
        return;
    }

    run->x = x;
    run->remote = r;
    run->done = done;
    ex_remote_send(run);
}


/* ---- waiting ---- */

void
ex_remote_woken(ex_remote_t *r, uint8_t result)
{
    r->parked = false;
    r->pending = true;
    r->lost = r->lost || result != EXMDB_RESULT_OK;
    ex_session_wake(r->session, EXMDB_RESULT_OK, 0, 1);
}


typedef struct {
    ex_t                *ex;
    uint8_t              id[EX_SESSION_ID];    /* of our session */
    uint16_t             worker;
    ph_pool_t           *pool;
} ex_remote_wait_t;


static void
ex_remote_wait_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    bool                         there;
    ex_remote_t                 *r;
    ex_session_t                *s;
    ex_remote_wait_t            *w = data;
    exmdb_emsmdb_wait_answer_t   a;

    s = ex_session_by_id(w->ex, w->id);
    r = s != NULL ? s->remotes : NULL;
    while (r != NULL && r->worker != w->worker) {
        r = r->next;
    }

    there = status == PH_WIRE_OK
            && exmdb_emsmdb_wait_answer_decode_all(body, w->pool, &a)
               == PH_OK;

    if (r != NULL && (!there || a.result != EXMDB_RESULT_OK || a.ec != 0
                      || a.pending))
    {
        ex_route_unpark(w->ex, r);
        r->parked = false;

        if (there && (a.pending || a.result != EXMDB_RESULT_OK)) {
            ex_remote_woken(r, a.result);
        }
    }

    ph_pool_destroy(&w->pool);
}


static void
ex_remote_park(ex_remote_t *r, ph_str_t ticket)
{
    ph_str_t                      body;
    ph_pool_t                    *pool;
    ex_remote_wait_t             *w;
    exmdb_emsmdb_wait_request_t   q;

    pool = ph_pool_create("remote wait", 0);
    w = pool != NULL ? ph_pcalloc(pool, sizeof(ex_remote_wait_t)) : NULL;
    if (w == NULL) {
        ph_pool_destroy(&pool);
        return;
    }

    w->ex = r->session->ex;
    w->worker = r->worker;
    w->pool = pool;
    memcpy(w->id, r->session->id, EX_SESSION_ID);
    memcpy(q.session, r->id, EX_SESSION_ID);
    q.waiter = ex_route_park(w->ex, r);

    r->parked = q.waiter != 0;
    if (!r->parked
        || exmdb_emsmdb_wait_request_encode_new(pool, &q, &body) != PH_OK
        || ex_route_call(w->ex, r->worker, EXMDB_OP_EMSMDB_WAIT, ticket, body,
                         ex_remote_wait_answer, w) != PH_OK)
    {
        ex_route_unpark(w->ex, r);
        r->parked = false;
        ph_pool_destroy(&pool);
    }
}


bool
ex_remote_wait(ex_session_t *s, ph_str_t ticket)
{
    ex_remote_t  *r;

    for (r = s->remotes; r != NULL; r = r->next) {
        if (r->pending && r->attached) {
            return true;
        }
    }

    for (r = s->remotes; r != NULL; r = r->next) {
        if (r->attached && !r->parked && !r->lost) {
            ex_remote_park(r, ticket);
        }
    }

    return false;
}


static void
ex_remote_ignore(ph_wire_status_t status, ph_str_t body, void *data)
{
    (void) status;
    (void) body;
    (void) data;
}


void
ex_remote_keep(ex_session_t *s, ph_str_t ticket)
{
    uint64_t      now;
    ex_remote_t  *r;

    now = ph_now_ms();

    for (r = s->remotes; r != NULL; r = r->next) {
        if (r->attached && !r->parked && now - r->used > EX_REMOTE_KEEP) {
            r->used = now;
            (void) ex_route_call(s->ex, r->worker, EXMDB_OP_EMSMDB_PING,
                                 ticket,
                                 (ph_str_t) { EX_SESSION_ID, r->id },
                                 ex_remote_ignore, NULL);
        }
    }
}


void
ex_remote_end(ex_session_t *s, ph_str_t ticket)
{
    ex_remote_t  *r;

    while ((r = s->remotes) != NULL) {
        s->remotes = r->next;
        ex_route_unpark(s->ex, r);

        if (r->attached && ticket.len > 0) {
            (void) ex_route_call(s->ex, r->worker, EXMDB_OP_EMSMDB_DISCONNECT,
                                 ticket,
                                 (ph_str_t) { EX_SESSION_ID, r->id },
                                 ex_remote_ignore, NULL);
        }

        free(r);
    }
}
