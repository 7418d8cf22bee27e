/* Live, decoded ROPs: collected only while somebody listens. */

#include "ex_trace.h"
#include "ex_execute.h"

#include <stdlib.h>


typedef struct {
    ex_call_t              *call;
    exmdb_trace_request_t   r;
} ex_listen_t;


static void
ex_trace_drop(ex_mailbox_t *mb, ph_wire_conn_t *conn)
{
    ex_trace_t  *t, **p;

    for (p = &mb->traces; (t = *p) != NULL; /* void */) {
        if (t->conn == conn) {
            *p = t->next;
            free(t);
        } else {
            p = &t->next;
        }
    }
}


void
ex_trace_end(ex_mailbox_t *mb)
{
    ex_trace_t  *t;

    while ((t = mb->traces) != NULL) {
        mb->traces = t->next;
        free(t);
    }
}


static void
ex_trace_drop_each(ex_mailbox_t *mb, void *data)
{
    ex_trace_drop(mb, data);
}


void
ex_trace_conn_closed(ex_t *ex, ph_wire_conn_t *conn)
{
    ex_mailbox_each(ex, ex_trace_drop_each, conn);
}


static void
ex_listen_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_trace_t   *t;
    ex_listen_t  *l = data;

    if (rc != PH_OK) {
        ex_reply_rc(l->call, rc);
        return;
    }

    if (l->call->req->conn != NULL) {
        ex_trace_drop(mb, l->call->req->conn);

        if (!l->r.stop) {
            t = malloc(sizeof(ex_trace_t));
            if (t != NULL) {
                t->conn = l->call->req->conn;
                t->next = mb->traces;
                mb->traces = t;
            }
        }
    }

    ex_reply(l->call, PH_WIRE_OK, ph_str_null);
}


static void
ex_listen_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_listen_t  *l = data;

    if (rc == PH_OK
        && ex_route_worker(l->call->ex, facts->entry.address)
           != l->call->ex->self)
    {
        ex_reply(l->call, PH_WIRE_WRONG_NODE, ph_str_null);
        return;
    }

    if (rc != PH_OK) {
        ex_reply_rc(l->call, rc);
        return;
    }

    ex_mailbox_get(l->call->ex, facts, false, ex_listen_opened, l);
}


void
ex_op_trace(ex_call_t *call)
{
    ex_listen_t  *l;

    l = ph_pcalloc(call->req->pool, sizeof(ex_listen_t));
    if (l == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    l->call = call;

    if (exmdb_trace_request_decode_all(call->req->body, call->req->pool,
                                       &l->r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, l->r.mailbox, ex_listen_facts, l);
}


static void
ex_trace_send(ex_mailbox_t *mb, ex_execute_t *x, uint8_t direction,
    ph_wbuf_t *text, uint64_t us)
{
    ph_wbuf_t            b;
    ex_trace_t          *t;
    exmdb_trace_line_t   line;

    memset(&line, 0, sizeof(line));
    line.time = ph_now_filetime();
    line.mailbox = mb->facts->entry.address;
    memcpy(line.session, x->session->id, EX_SESSION_ID);
    line.direction = direction;
    line.microseconds = (uint32_t) us;
    line.text = ph_utf8_scrub(x->pool, ph_wbuf_str(text));

    ph_wbuf_init(&b, x->pool, 1 << 20);
    if (exmdb_trace_line_encode(&b, &line) != PH_OK || b.error) {
        return;
    }

    for (t = mb->traces; t != NULL; t = t->next) {
        (void) ph_wire_push(t->conn, EXMDB_EVENT_TRACE_LINE, ph_wbuf_str(&b));
    }
}


void
ex_trace_execute(struct ex_execute_s *x, uint64_t us)
{
    ex_logon_t  *l;

    for (l = x->session->logons; l != NULL; l = l->next) {
        if (l->mailbox->traces != NULL) {
            ex_trace_send(l->mailbox, x, 0, &x->trace_in, 0);
            ex_trace_send(l->mailbox, x, 1, &x->trace_out, us);
            return;
        }
    }
}
