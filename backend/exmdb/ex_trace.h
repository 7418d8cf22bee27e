/* `phctl trace`: decoded requests and answers for who listens. */

#ifndef EX_TRACE_H
#define EX_TRACE_H

#include "ex_mailbox.h"

struct ex_trace_s {
    ex_trace_t      *next;
    ph_wire_conn_t  *conn;
};

struct ex_execute_s;

/* Sends what an Execute collected to the listeners of its mailbox. */
void ex_trace_execute(struct ex_execute_s *x, uint64_t us);
/* Forgets all listeners of a mailbox. */
void ex_trace_end(ex_mailbox_t *mb);
/* Forgets a listener. */
void ex_trace_conn_closed(ex_t *ex, ph_wire_conn_t *conn);

#endif
