/*
 * Sessions of ROPs over the wire protocol (MS-OXCROPS): what Outlook does over
 * HTTP, for daemons that are MAPI clients.  Requests and responses are the
 * generated types of rop.desc.
 *
 *     cl_rops_init(&b, pool);
 *     store = cl_rops_slot(&b, logon_handle);
 *     folder = cl_rops_add(&b, ROP_OPEN_FOLDER, store, CL_NEW, &open);
 *     cl_rops_add(&b, ROP_GET_CONTENTS_TABLE, folder, CL_NEW, &contents);
 *     cl_session_execute(session, &b, &ec);
 *     while (cl_rops_next(&b, &answer) == PH_OK) { ... }
 *
 * A batch can be sent on a loop, too: cl_rops_request() gives the body of an
 * emsmdb_execute for cl_user(), cl_rops_response() takes its answer.
 */

#ifndef CL_ROP_H
#define CL_ROP_H

#include "cl.h"
#include "gen/rop.h"

#define CL_ROPS_MAX   96          /* in a batch */
#define CL_NONE       0xFF        /* no such handle */
#define CL_NEW        0xFE        /* the ROP makes an object */

typedef struct {
    ph_pool_t   *pool;
    mapi_ctx_t   ctx;             /* of responses: UTF-16, private logon */
    ph_int_t     error;           /* of an add; execute gives it back */
    ph_wbuf_t    out;             /* the ROPs */
    uint32_t     n_handles;
    uint32_t     handles[255];    /* by slot; the answer fills in new ones */
    uint32_t     n_rops;
    ph_cur_t     in;              /* the responses */
} cl_rops_t;

void cl_rops_init(cl_rops_t *b, ph_pool_t *pool);
/* A slot for a handle that an earlier batch gave; the same for the same. */
uint8_t cl_rops_slot(cl_rops_t *b, uint32_t handle);
/*
 * Adds one.  in: the slot of its object; other: CL_NEW makes an object, a slot
 * is the destination, CL_NONE otherwise.  request: the generated type of the
 * ROP, or NULL when it has no fields.  The slot of the new object, or `in`; an
 * error is told when the batch is sent.  A ROP whose response ends with `rest`
 * (rows) must be the last one.
 */
uint8_t cl_rops_add(cl_rops_t *b, uint8_t rop, uint8_t in, uint8_t other,
    const void *request);
/* valid when the answer is there */
uint32_t cl_rops_handle(const cl_rops_t *b, uint8_t slot);

/* RPC_HEADER_EXT and payload, in the pool of the batch. */
ph_int_t cl_rops_request(cl_rops_t *b, ph_str_t *rops_r);
/* PH_INVALID: what came is none. */
ph_int_t cl_rops_response(cl_rops_t *b, ph_str_t rops);

typedef struct {
    uint8_t      rop;             /* also ROP_NOTIFY, ROP_PENDING */
    uint8_t      slot;            /* CL_NONE for those without */
    uint32_t     ec;
    const void  *response;        /* generated type; NULL: it has none */
} cl_rop_answer_t;

/* The next response; PH_DONE after the last; PH_INVALID; PH_NOMEM. */
ph_int_t cl_rops_next(cl_rops_t *b, cl_rop_answer_t *answer_r);

/* ---- blocking sessions ---- */

typedef struct cl_session_s  cl_session_t;

typedef struct {
    ph_str_t  mailbox;            /* primary address of the user */
    ph_str_t  ticket;             /* PH_TICKET_USER, of the directory's auth */
    ph_str_t  user_dn;
    ph_str_t  client;             /* for logs and phctl top */
    uint32_t  lcid;               /* 0: 1033 */
} cl_session_opts_t;

/* Connects: PH_OK and *ec_r 0, or *ec_r (MAPI) or *status_r says why not. */
ph_int_t cl_session_open(cl_sync_t *cs, const cl_session_opts_t *opts,
    cl_session_t **session_r, ph_wire_status_t *status_r, uint32_t *ec_r);
/* Disconnects. */
void cl_session_close(cl_session_t **session);
/* A ticket lives shorter than a session: the next one. */
ph_int_t cl_session_ticket(cl_session_t *session, ph_str_t ticket);
/*
 * Sends the batch; its answers are read with cl_rops_next().  *ec_r: of the
 * Execute as a whole.  PH_NOTFOUND: the session is gone, connect again (objects
 * with it); PH_TIMEOUT, PH_ERROR as cl_sync_user().
 */
ph_int_t cl_session_execute(cl_session_t *session, cl_rops_t *b,
    uint32_t *ec_r);
/* RopLogon to a mailbox by DN: its answer and handle. */
ph_int_t cl_session_logon(cl_session_t *session, ph_pool_t *pool,
    ph_str_t essdn, uint8_t logon_flags, uint32_t open_flags,
    const rop_logon_response_t **logon_r, uint32_t *handle_r,
    uint32_t *ec_r);

#endif
