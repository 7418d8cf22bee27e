/* Disconnect, PING, NotificationWait: what needs no thread. */

#include "ex_session.h"
#include "ex_remote.h"
#include "ex_trace.h"
#include "mapi/mapi_errors.h"

#include <stdlib.h>


typedef struct {
    ex_session_t  *first;    /* sessions parked on a connection */
} ex_parked_t;


static void
ex_wait_answer(ex_call_t *call, uint8_t result, uint32_t ec, uint8_t pending)
{
    ph_str_t                     body;
    exmdb_emsmdb_wait_answer_t   a;

    memset(&a, 0, sizeof(a));
    a.result = result;
    a.ec = ec;
    a.pending = pending;

    if (exmdb_emsmdb_wait_answer_encode_new(call->req->pool, &a, &body)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


/* the answers that are one result byte */
static void
ex_result_answer(ex_call_t *call, uint8_t result)
{
    ex_reply(call, PH_WIRE_OK, (ph_str_t) { 1, &result });
}


static ex_session_t *
ex_call_session(ex_call_t *call)
{
    return ex_session_find(call->ex, call->req->body.data, call->user);
}


void
ex_op_disconnect(ex_call_t *call)
{
    ex_session_t  *s;

    s = ex_call_session(call);
    if (s == NULL) {
        ex_result_answer(call, EXMDB_RESULT_NO_CONTEXT);
        return;
    }

    if (!s->executing) {
        ex_remote_end(s, call->req->ticket);
    }

    ex_session_end(s, "disconnect");
    ex_result_answer(call, EXMDB_RESULT_OK);
}


void
ex_op_ping(ex_call_t *call)
{
    ex_session_t  *s;

    s = ex_call_session(call);
    if (s == NULL) {
        ex_result_answer(call, EXMDB_RESULT_NO_CONTEXT);
        return;
    }

    ex_session_touch(s);
    ex_result_answer(call, EXMDB_RESULT_OK);
}


void
ex_session_unpark(ex_session_t *s)
{
    if (s->wait_conn == NULL) {
        return;
    }

    *s->wait_prev = s->wait_next;
    if (s->wait_next != NULL) {
        s->wait_next->wait_prev = s->wait_prev;
    }

    s->wait_conn = NULL;
    s->wait_next = NULL;
    s->wait_prev = NULL;
    ph_metric_add(s->ex->count.parked, -1);
}


void
ex_session_wake(ex_session_t *s, uint8_t result, uint32_t ec, uint8_t pending)
{
    uint8_t          mem[32];
    ph_wbuf_t        b;
    exmdb_wake_t     wake;
    ph_wire_conn_t  *conn = s->wait_conn;

    if (conn == NULL) {
        return;
    }

    wake.waiter = s->waiter;
    wake.result = result;
    wake.ec = ec;
    wake.pending = pending;

    ex_session_unpark(s);
    s->last = ph_now_ms();

    ph_wbuf_init_fixed(&b, mem, sizeof(mem));
    if (exmdb_wake_encode(&b, &wake) == PH_OK) {
        (void) ph_wire_push(conn, EXMDB_EVENT_WAKE, ph_wbuf_str(&b));
    }
}


void
ex_op_wait(ex_call_t *call)
{
    ex_parked_t                  *parked;
    ex_session_t                 *s;
    exmdb_emsmdb_wait_request_t   r;

    if (exmdb_emsmdb_wait_request_decode_all(call->req->body, call->req->pool,
                                             &r)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    s = ex_call_session(call);
    if (s == NULL) {
        ex_wait_answer(call, EXMDB_RESULT_NO_CONTEXT, 0, 0);
        return;
    }

    ex_session_touch(s);

    if (call->ex->stopping) {
        ex_wait_answer(call, EXMDB_RESULT_OK, ecExiting, 0);
        return;
    }

    if (s->wait_conn != NULL) {
        ex_wait_answer(call, EXMDB_RESULT_OK, ecRejected, 0);
        return;
    }

    if (s->notes != NULL || s->overflow
        || (!s->executing && ex_remote_wait(s, call->req->ticket)))
    {
        ex_wait_answer(call, EXMDB_RESULT_OK, 0, 1);
        return;
    }

    if (call->req->conn == NULL) {
        ex_wait_answer(call, EXMDB_RESULT_OK, 0, 0);
        return;
    }

    parked = ph_wire_conn_get(call->req->conn);
    if (parked == NULL) {
        parked = calloc(1, sizeof(ex_parked_t));
        if (parked == NULL) {
            ex_reply(call, PH_WIRE_ERROR, ph_str_null);
            return;
        }

        ph_wire_conn_set(call->req->conn, parked);
    }

    s->wait_conn = call->req->conn;
    s->waiter = r.waiter;
    s->wait_prev = &parked->first;
    s->wait_next = parked->first;
    if (s->wait_next != NULL) {
        s->wait_next->wait_prev = &s->wait_next;
    }

    parked->first = s;
    ph_metric_add(s->ex->count.parked, 1);

    ex_wait_answer(call, EXMDB_RESULT_OK, 0, 0);
}


void
ex_op_unwait(ex_call_t *call)
{
    ex_session_t                   *s;
    exmdb_emsmdb_unwait_request_t   r;

    if (exmdb_emsmdb_unwait_request_decode_all(call->req->body,
            call->req->pool, &r)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    s = ex_call_session(call);
    if (s == NULL) {
        ex_result_answer(call, EXMDB_RESULT_NO_CONTEXT);
        return;
    }

    if (s->wait_conn != NULL && s->wait_conn == call->req->conn
        && s->waiter == r.waiter)
    {
        ex_session_unpark(s);
    }

    ex_session_touch(s);
    ex_result_answer(call, EXMDB_RESULT_OK);
}


void
ex_session_conn_closed(ph_wire_conn_t *conn, void *data)
{
    ex_t         *ex = data;
    ex_parked_t  *parked;

    parked = ph_wire_conn_get(conn);

    if (parked != NULL) {
        while (parked->first != NULL) {
            ex_session_t  *s = parked->first;

            ex_session_unpark(s);
            s->last = ph_now_ms();
        }

        ph_wire_conn_set(conn, NULL);
        free(parked);
    }

    ex_route_closed(ex, conn);
    ex_trace_conn_closed(ex, conn);
}
