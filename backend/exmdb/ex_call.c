/* From a frame to its handler: ticket, rights, place. */

#include "exmdb.h"
#include "ex_directory.h"
#include "ex_session.h"

#include <time.h>

#define EX_USERS     EX_KIND(PH_TICKET_USER)
#define EX_SERVICES  EX_KIND(PH_TICKET_SERVICE)
#define EX_ADMINS    (EX_KIND(PH_TICKET_ADMIN) | EX_KIND(PH_TICKET_SERVICE))


static const ex_op_t  ex_ops[] = {
    { EXMDB_OP_EMSMDB_EXECUTE, EX_USERS, EX_BY_SESSION, PH_RIGHT_MAPI,
      ex_op_execute },
    { EXMDB_OP_EMSMDB_PING, EX_USERS, EX_BY_SESSION, PH_RIGHT_MAPI,
      ex_op_ping },
    { EXMDB_OP_EMSMDB_WAIT, EX_USERS, EX_BY_SESSION, PH_RIGHT_MAPI,
      ex_op_wait },
    { EXMDB_OP_EMSMDB_UNWAIT, EX_USERS, EX_BY_SESSION, PH_RIGHT_MAPI,
      ex_op_unwait },
    { EXMDB_OP_EMSMDB_CONNECT, EX_USERS, EX_BY_USER, PH_RIGHT_MAPI,
      ex_op_connect },
    { EXMDB_OP_EMSMDB_DISCONNECT, EX_USERS, EX_BY_SESSION, PH_RIGHT_MAPI,
      ex_op_disconnect },
    { EXMDB_OP_EMSMDB_ATTACH, EX_USERS, EX_HERE, PH_RIGHT_MAPI,
      ex_op_attach },
    { EXMDB_OP_EMSMDB_PIECE, EX_USERS, EX_BY_SESSION, PH_RIGHT_MAPI,
      ex_op_piece },
    { EXMDB_OP_DELIVER, EX_SERVICES, EX_BY_MAILBOX, 0, ex_op_deliver },
    { EXMDB_OP_DELIVER_ACK, EX_SERVICES, EX_BY_MAILBOX, 0,
      ex_op_deliver_ack },
    { EXMDB_OP_MAILBOX_CREATE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_create },
    { EXMDB_OP_MAILBOX_STAT, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_stat },
    { EXMDB_OP_MAILBOX_CHECK, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_check },
    { EXMDB_OP_MAILBOX_DUMP, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_dump },
    { EXMDB_OP_MAILBOX_DELETE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_delete },
    { EXMDB_OP_ACCESS, EX_ADMINS, EX_BY_MAILBOX, 0, ex_op_access },
    { EXMDB_OP_TRACE, EX_ADMINS, EX_HERE, 0, ex_op_trace },
    { EXMDB_OP_SESSIONS, EX_ADMINS, EX_HERE, 0, ex_op_sessions },
    { EXMDB_OP_STATUS, EX_ADMINS, EX_HERE, 0, ex_op_status },
    { EXMDB_OP_QUOTA, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_quota },
    { EXMDB_OP_RECOVERABLE_LIST, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_recoverable_list },
    { EXMDB_OP_RECOVERABLE_RESTORE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_recoverable_restore },
    { EXMDB_OP_RECOVERABLE_SINCE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_recoverable_since },
    { EXMDB_OP_RECOVERABLE_PURGE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_recoverable_purge },
    { EXMDB_OP_FOLLOW, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_follow },
    { EXMDB_OP_RENDER, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_render },
    { EXMDB_OP_SUMMARIES, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_summaries },
    { EXMDB_OP_APPEND, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_append },
    { EXMDB_OP_SET_FLAGS, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_set_flags },
    { EXMDB_OP_TRANSFER, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_transfer },
    { EXMDB_OP_FOLDERS, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_folders },
    { EXMDB_OP_FOLDER_CREATE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_folder_create },
    { EXMDB_OP_FOLDER_MOVE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_folder_move },
    { EXMDB_OP_FOLDER_DELETE, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_folder_delete },
    { EXMDB_OP_MAILBOX_PING, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_ping },
    { EXMDB_OP_MAILBOX_UNLOAD, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_unload },
    { EXMDB_OP_INDEX_STATUS, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_index_status },
    { EXMDB_OP_INDEX_REBUILD, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_index_rebuild },
    { EXMDB_OP_INDEX_SEARCH, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_index_search },
    { EXMDB_OP_MAILBOX_COMPACT, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_mailbox_compact },
    { EXMDB_OP_OOF_SHOW, EX_ADMINS, EX_BY_MAILBOX, 0, ex_op_oof_show },
    { EXMDB_OP_OOF_SET, EX_ADMINS, EX_BY_MAILBOX, 0, ex_op_oof_set },
    { EXMDB_OP_RESOURCE_SHOW, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_resource_show },
    { EXMDB_OP_RESOURCE_SET, EX_ADMINS, EX_BY_MAILBOX, 0,
      ex_op_resource_set },
};


static const ex_op_t *
ex_op_find(uint16_t op)
{
    size_t  i;

    for (i = 0; i < ph_nelts(ex_ops); i++) {
        if (ex_ops[i].op == op) {
            return &ex_ops[i];
        }
    }

    return NULL;
}


/* The worker that a call belongs to; PH_INVALID when the body is too short. */
static ph_int_t
ex_call_place(const ex_call_t *call, uint16_t *worker_r)
{
    ph_cur_t  cur;
    ph_str_t  s;

    switch (call->op->where) {

    case EX_BY_SESSION:
        if (call->req->body.len < EX_SESSION_ID) {
            return PH_INVALID;
        }

        *worker_r = ex_session_worker(call->req->body.data);
        if (*worker_r >= call->ex->workers) {
            *worker_r = call->ex->self;    /* no such session: said there */
        }
        return PH_OK;

    case EX_BY_USER:
        *worker_r = ex_route_worker(call->ex, call->user);
        return PH_OK;

    case EX_BY_MAILBOX:
        ph_cur_init(&cur, call->req->body.data, call->req->body.len);
        s = ph_cur_bytes(&cur, ph_cur_u16(&cur));
        if (cur.error) {
            return PH_INVALID;
        }

        *worker_r = ex_route_worker(call->ex, s);
        return PH_OK;

    case EX_HERE:
        break;
    }

    *worker_r = call->ex->self;

    return PH_OK;
}


static void
ex_call_run(ex_t *ex, ph_wire_req_t *req, bool resumed)
{
    uint16_t          worker;
    ph_int_t          rc;
    ex_call_t        *call;
    ph_ticket_t       ticket;
    const ex_op_t    *op;

    op = ex_op_find(req->op);
    if (op == NULL) {
        ph_wire_reply(req, PH_WIRE_BAD_OP, ph_str_null);
        return;
    }

    rc = ph_ticket_verify(ex_directory_keys(ex), req->ticket,
                          (uint64_t) time(NULL), &ticket);

    if (rc == PH_NOTFOUND && !resumed
        && ex_directory_want_keys(ex, req) == PH_OK)
    {
        return;
    }

    if (rc != PH_OK || !(op->kinds & EX_KIND(ticket.kind))
        || (ticket.kind == PH_TICKET_USER
            && (ticket.rights & op->rights) != op->rights))
    {
        ph_log(ex->log, PH_LOG_WARN, PH4010, "op=0x%04x peer=%s rc=%s",
               req->op, req->peer != NULL ? req->peer->name : "",
               ph_result_name(rc != PH_OK ? rc : PH_DENIED));
        ph_wire_reply(req, PH_WIRE_DENIED, ph_str_null);
        return;
    }

    call = ph_pcalloc(req->pool, sizeof(ex_call_t));
    if (call == NULL) {
        ph_wire_reply(req, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    call->ex = ex;
    call->req = req;
    call->op = op;
    call->ticket = ticket;
    call->user = ph_str_lower(req->pool, ticket.user);

    if (call->user.data == NULL || ex_call_place(call, &worker) != PH_OK) {
        ph_wire_reply(req, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ph_metric_add(ex->count.requests, 1);

    if (worker != ex->self) {
        ex_route_forward(call, worker);
        return;
    }

    op->handler(call);
}


void
ex_call_request(ph_wire_req_t *req, void *data)
{
    ex_call_run(data, req, false);
}


void
ex_call_resume(ex_t *ex, ph_wire_req_t *req)
{
    ex_call_run(ex, req, true);
}


void
ex_reply(ex_call_t *call, ph_wire_status_t status, ph_str_t body)
{
    if (status == PH_WIRE_BAD_REQUEST) {
        ph_log(call->ex->log, PH_LOG_WARN, PH4011, "op=0x%04x peer=%s",
               call->req->op,
               call->req->peer != NULL ? call->req->peer->name : "");
    }

    ph_wire_reply(call->req, status, body);
}


void
ex_reply_rc(ex_call_t *call, ph_int_t rc)
{
    ex_reply(call, ph_wire_status_of(rc), ph_str_null);
}
