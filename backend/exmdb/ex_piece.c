/* Logons from other workers: the side that owns the mailbox (ex_remote.h). */

#include "ex_remote.h"

typedef struct {
    ex_execute_t  x;            /* first */
    ex_call_t    *call;
} ex_piece_t;

typedef struct {
    ex_call_t                       *call;
    exmdb_emsmdb_attach_request_t    r;
} ex_attach_t;


/* ---- a session for another worker's ---- */

static void
ex_attach_answer(ex_call_t *call, uint32_t ec, const ex_session_t *s)
{
    ph_str_t                       body;
    exmdb_emsmdb_attach_answer_t   a;

    memset(&a, 0, sizeof(a));
    a.ec = ec;
    if (s != NULL) {
        memcpy(a.session, s->id, EX_SESSION_ID);
    }

    if (exmdb_emsmdb_attach_answer_encode_new(call->req->pool, &a, &body)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


static void
ex_attach_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_attach_t                      *t = data;
    ex_session_t                     *s;
    exmdb_emsmdb_connect_request_t    c;

    if (rc != PH_OK) {
        ex_attach_answer(t->call, rc == PH_NOTFOUND ? ecUnknownUser
                                                    : ecLoginFailure, NULL);
        return;
    }

    if ((t->r.flags & 1) && !(t->call->ticket.rights & PH_RIGHT_ADMIN)) {
        ex_attach_answer(t->call, ecLoginPerm, NULL);
        return;
    }

    if (ex_session_count(t->call->ex) >= t->call->ex->opt.max_sessions
        || facts->sessions >= t->call->ex->opt.max_user_sessions)
    {
        ex_attach_answer(t->call, ecServerOOM, NULL);
        return;
    }

    memset(&c, 0, sizeof(c));
    c.flags = t->r.flags;
    c.cpid = t->r.cpid;
    c.lcid_sort = t->r.lcid_sort;
    c.lcid_string = t->r.lcid_string;
    c.version_0 = t->r.version_0;
    c.version_1 = t->r.version_1;
    c.version_2 = t->r.version_2;
    c.client = t->r.client;
    c.client_application = ph_str_lit("attached");
    c.request_id = t->r.request_id;

    s = ex_session_new(t->call->ex, facts, t->call->ticket.rights, &c);
    if (s == NULL) {
        ex_reply(t->call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_attach_answer(t->call, 0, s);
}


void
ex_op_attach(ex_call_t *call)
{
    ex_attach_t  *t;

    t = ph_pcalloc(call->req->pool, sizeof(ex_attach_t));
    if (t == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    t->call = call;

    if (exmdb_emsmdb_attach_request_decode_all(call->req->body,
            call->req->pool, &t->r)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    if (call->ex->stopping) {
        ex_reply(call, PH_WIRE_BUSY, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, call->user, ex_attach_facts, t);
}


/* ---- a run of ROPs ---- */

static void
ex_piece_reply(ex_execute_t *x, uint8_t result, ph_str_t rops)
{
    ph_str_t                      body;
    ex_call_t                    *call = x->data_of_answered;
    exmdb_emsmdb_piece_answer_t   a;

    (void) rops;

    memset(&a, 0, sizeof(a));
    a.result = result;
    a.ec = x->ec;
    a.lost = x->lost;
    a.next = (uint16_t) (x->piece_stopped ? x->piece_next : x->n_items);
    a.handles_count = (uint16_t) x->n_handles;
    a.handles = x->handles;
    a.notes_count = x->n_piece_notes;
    a.notes = x->piece_notes;
    a.more = x->session != NULL && x->session->notes != NULL;

    if (x->ec == 0 && x->data.len > 2) {
        a.data.data = x->data.data + 2;
        a.data.len = x->data.len - 2;
    }

    if (exmdb_emsmdb_piece_answer_encode_new(x->pool, &a, &body) != PH_OK) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_piece(ex_call_t *call)
{
    ex_execute_t                  *x;
    exmdb_emsmdb_piece_request_t   q;

    x = ph_pcalloc(call->req->pool, sizeof(ex_execute_t));
    if (x == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    if (exmdb_emsmdb_piece_request_decode_all(call->req->body,
            call->req->pool, &q) != PH_OK
        || q.room > EX_MAX_PAYLOAD)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    x->ex = call->ex;
    x->pool = call->req->pool;
    x->answered = ex_piece_reply;
    x->data_of_answered = call;
    x->piece = true;
    x->piece_first = q.first != 0;
    x->r.request_id = q.request_id;
    memcpy(x->r.session, q.session, EX_SESSION_ID);

    x->packed = q.packed;

    ex_execute_piece(x, call->user, q.payload, q.room);
}
