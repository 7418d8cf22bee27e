/* Blocking sessions of ROPs. */

#include "cl_rop.h"
#include "lib/ph_str.h"

#include <stdlib.h>

#define CL_SESSION_TIMEOUT  120000        /* ms */
#define CL_SESSION_ID       16

struct cl_session_s {
    cl_sync_t  *cs;
    ph_pool_t  *pool;
    ph_str_t    mailbox;
    uint8_t     id[CL_SESSION_ID];
    size_t      ticket_len;
    uint8_t     ticket[PH_WIRE_MAX_TICKET];
};


static ph_int_t
cl_session_call(cl_session_t *s, ph_pool_t *pool, uint16_t op, ph_str_t body,
    ph_wire_status_t *status_r, ph_str_t *answer_r)
{
    return cl_sync_user(s->cs, pool, s->mailbox,
                        (ph_str_t) { s->ticket_len, s->ticket }, op, body,
                        CL_SESSION_TIMEOUT, status_r, answer_r);
}


static ph_int_t
cl_session_connect(cl_session_t *s, const cl_session_opts_t *opts,
    ph_wire_status_t *status_r, uint32_t *ec_r)
{
    ph_int_t                         rc;
    ph_str_t                         body, answer;
    exmdb_emsmdb_connect_answer_t    a;
    exmdb_emsmdb_connect_request_t   r;

    memset(&r, 0, sizeof(r));
    r.user_dn = opts->user_dn;
    r.cpid = 65001;
    r.lcid_sort = opts->lcid ? opts->lcid : 1033;
    r.lcid_string = r.lcid_sort;
    r.version_0 = 16;
    r.client = opts->client;
    r.client_application = opts->client;
    r.request_id = ph_str_lit("");

    rc = exmdb_emsmdb_connect_request_encode_new(s->pool, &r, &body);
    if (rc == PH_OK) {
        rc = cl_session_call(s, s->pool, EXMDB_OP_EMSMDB_CONNECT, body,
                             status_r, &answer);
    }

    if (rc != PH_OK || *status_r != PH_WIRE_OK) {
        return rc;
    }

    rc = exmdb_emsmdb_connect_answer_decode_all(answer, s->pool, &a);
    if (rc == PH_OK) {
        *ec_r = a.ec;
        memcpy(s->id, a.session, sizeof(s->id));
    }

    return rc;
}


ph_int_t
cl_session_open(cl_sync_t *cs, const cl_session_opts_t *opts,
    cl_session_t **session_r, ph_wire_status_t *status_r, uint32_t *ec_r)
{
    ph_int_t       rc;
    ph_pool_t     *pool;
    cl_session_t  *s;

    *session_r = NULL;
    *status_r = PH_WIRE_OK;
    *ec_r = 0;
    pool = ph_pool_create("client session", 1 << 20);
    s = pool != NULL ? ph_pcalloc(pool, sizeof(*s)) : NULL;
    if (s == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }

    s->cs = cs;
    s->pool = pool;
    s->mailbox = ph_pstrdup(pool, opts->mailbox);
    rc = s->mailbox.data == NULL ? PH_NOMEM
                                 : cl_session_ticket(s, opts->ticket);
    if (rc == PH_OK) {
        rc = cl_session_connect(s, opts, status_r, ec_r);
    }

    if (rc != PH_OK || *status_r != PH_WIRE_OK || *ec_r != 0) {
        ph_pool_destroy(&pool);
        return rc;
    }

    *session_r = s;

    return PH_OK;
}


ph_int_t
cl_session_ticket(cl_session_t *s, ph_str_t ticket)
{
    if (ticket.len == 0 || ticket.len > sizeof(s->ticket)) {
        return PH_INVALID;
    }

    memcpy(s->ticket, ticket.data, ticket.len);
    s->ticket_len = ticket.len;

    return PH_OK;
}


void
cl_session_close(cl_session_t **sp)
{
    ph_str_t           answer;
    ph_pool_t         *pool;
    cl_session_t      *s = *sp;
    ph_wire_status_t   status;

    if (s == NULL) {
        return;
    }

    *sp = NULL;
    (void) cl_session_call(s, s->pool, EXMDB_OP_EMSMDB_DISCONNECT,
                           (ph_str_t) { sizeof(s->id), s->id }, &status,
                           &answer);
    pool = s->pool;
    ph_pool_destroy(&pool);
}


ph_int_t
cl_session_execute(cl_session_t *s, cl_rops_t *b, uint32_t *ec_r)
{
    ph_int_t                         rc;
    ph_str_t                         body, answer;
    ph_wire_status_t                 status;
    exmdb_emsmdb_execute_answer_t    a;
    exmdb_emsmdb_execute_request_t   r;

    memset(&r, 0, sizeof(r));
    *ec_r = 0;
    rc = cl_rops_request(b, &r.rops);
    if (rc != PH_OK) {
        return rc;
    }

    memcpy(r.session, s->id, sizeof(s->id));
    r.flags = 3;                       /* NoCompression, NoXorMagic */
    r.max_rop_out = 0x10008;
    r.request_id = ph_str_lit("");

    rc = exmdb_emsmdb_execute_request_encode_new(b->pool, &r, &body);
    if (rc == PH_OK) {
        rc = cl_session_call(s, b->pool, EXMDB_OP_EMSMDB_EXECUTE, body,
                             &status, &answer);
    }

    if (rc == PH_OK) {
        rc = ph_wire_status_rc(status);
    }

    if (rc == PH_OK) {
        rc = exmdb_emsmdb_execute_answer_decode_all(answer, b->pool, &a);
    }

    if (rc != PH_OK) {
        return rc;
    }

    if (a.result != EXMDB_RESULT_OK) {
        return PH_NOTFOUND;
    }

    *ec_r = a.ec;

    return a.ec == 0 ? cl_rops_response(b, a.rops) : PH_OK;
}


ph_int_t
cl_session_logon(cl_session_t *s, ph_pool_t *pool, ph_str_t essdn,
    uint8_t logon_flags, uint32_t open_flags,
    const rop_logon_response_t **logon_r, uint32_t *handle_r, uint32_t *ec_r)
{
    char                 *dn;
    uint8_t               slot;
    ph_int_t              rc;
    cl_rops_t             b;
    cl_rop_answer_t       a;
    rop_logon_request_t   r;

    *logon_r = NULL;
    *handle_r = UINT32_MAX;
    memset(&r, 0, sizeof(r));
    dn = ph_psprintf(pool, "%.*s", PH_STR_ARG(essdn));
    if (dn == NULL) {
        return PH_NOMEM;
    }

    r.logon_flags = logon_flags;
    r.open_flags = open_flags;
    r.essdn = (ph_str_t) { strlen(dn) + 1, (const uint8_t *) dn };

    cl_rops_init(&b, pool);
    slot = cl_rops_add(&b, ROP_LOGON, CL_NONE, CL_NEW, &r);
    rc = cl_session_execute(s, &b, ec_r);
    if (rc != PH_OK || *ec_r != 0) {
        return rc;
    }

    do {
        rc = cl_rops_next(&b, &a);
    } while (rc == PH_OK && a.rop != ROP_LOGON);

    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_INVALID : rc;
    }

    *ec_r = a.ec;
    if (a.ec == 0) {
        *logon_r = a.response;
        *handle_r = cl_rops_handle(&b, slot);
    }

    return PH_OK;
}
