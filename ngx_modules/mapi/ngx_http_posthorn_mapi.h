/*
 * The MAPI/HTTP endpoints (MS-OXCMAPIHTTP): what the files of the module share.
 *
 *     _module    directives, the head of a request, reading its body
 *     _request   one request as a state machine: calls to exmdb or the
 *                directory, and their answers
 *     _response  head, meta stream and end of a response
 *     _park      clients whose NotificationWait waits for an event
 */


#ifndef _NGX_HTTP_POSTHORN_MAPI_H_INCLUDED_
#define _NGX_HTTP_POSTHORN_MAPI_H_INCLUDED_


#include "common/ngx_http_posthorn.h"

#include "mh_request.h"
#include "mh_body.h"


typedef struct ngx_http_posthorn_park_s  ngx_http_posthorn_park_t;


typedef struct {
    ngx_rbtree_t                  waiters;     /* of this worker, by id */
    ngx_rbtree_node_t             sentinel;
    uint64_t                      last_waiter;
    ngx_uint_t                    nparked;
    ngx_uint_t                    max_parked;
} ngx_http_posthorn_mapi_main_conf_t;


typedef struct {
    ngx_uint_t                    endpoint;    /* mh_endpoint_t or health */
    ngx_str_t                     server_application;
    ngx_msec_t                    pending_period;
    ngx_msec_t                    processing_delay;
    ngx_msec_t                    wait_time;
    ngx_msec_t                    expiration;
    ngx_msec_t                    timeout;
    size_t                        max_body;
} ngx_http_posthorn_mapi_loc_conf_t;


typedef enum {
    ngx_http_posthorn_mapi_start = 0,          /* the body is there */
    ngx_http_posthorn_mapi_answer,             /* a call is under way */
    ngx_http_posthorn_mapi_parked,
    ngx_http_posthorn_mapi_respond,
    ngx_http_posthorn_mapi_done
} ngx_http_posthorn_mapi_state_e;


typedef struct {
    ngx_http_request_t               *request;
    const mh_type_t                  *type;
    ngx_http_posthorn_mapi_state_e    state;
    ngx_http_posthorn_identity_t     *identity;

    ph_pool_t                        *pool;
    ngx_posthorn_call_t               call;
    ngx_posthorn_wire_t              *wire;
    ngx_event_t                       timer;   /* the next line of the stream */
    ngx_event_t                       detach;
    ngx_http_posthorn_park_t         *park;

    ngx_uint_t                        code;    /* X-ResponseCode */
    ngx_uint_t                        status;  /* HTTP status instead */
    ph_str_t                          body;    /* binary part */

    unsigned                          worker;
    u_char                            session[16];
    u_char                            sequence[16];
    u_char                            next_sequence[16];

    unsigned                          session_set:1;
    unsigned                          sequence_set:1;
    unsigned                          cookie_invalid:1;
    unsigned                          send_context:1;
    unsigned                          send_sequence:1;
    unsigned                          early_head:1;
    unsigned                          head_sent:1;
} ngx_http_posthorn_mapi_ctx_t;


/*
 * A client that waits.  Its request is there only as long as it has to be:
 * once the head has been sent the request is freed, and what remains is the
 * connection, with this as its data.
 */

struct ngx_http_posthorn_park_s {
    ngx_rbtree_node_t                 node;    /* key: waiter */
    ngx_posthorn_wire_t              *wire;
    ngx_http_request_t               *request; /* NULL: detached */
    ngx_connection_t                 *connection;
    ngx_http_connection_t            *http_connection;
    ngx_http_posthorn_mapi_loc_conf_t *conf;
    ngx_msec_t                        deadline;
    ngx_msec_t                        started;
    time_t                            start;
    uint32_t                          ec;
    u_char                            session[16];
    uint16_t                          ticket_len;
    unsigned                          waiting:1; /* known to exmdb */
    unsigned                          woken:1;
    unsigned                          pending:1;
    unsigned                          code:8;
    u_char                            ticket[1];
};


extern ngx_module_t  ngx_http_posthorn_mapi_module;


/* _request: goes on with a request after its body, an answer or an event */
void ngx_http_posthorn_mapi_run(ngx_http_posthorn_mapi_ctx_t *ctx);

/* _response */
ngx_int_t ngx_http_posthorn_mapi_send_failure(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ngx_uint_t code);
ngx_int_t ngx_http_posthorn_mapi_send_processing(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
ngx_int_t ngx_http_posthorn_mapi_send_pending(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
ngx_int_t ngx_http_posthorn_mapi_send_answer(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);

/* _park */
ngx_http_posthorn_park_t *ngx_http_posthorn_park_create(
    ngx_http_request_t *r, ngx_http_posthorn_mapi_ctx_t *ctx);
ngx_int_t ngx_http_posthorn_park(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
void ngx_http_posthorn_park_free(ngx_http_posthorn_park_t *park);
void ngx_http_posthorn_park_event(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame, void *data);


#endif /* _NGX_HTTP_POSTHORN_MAPI_H_INCLUDED_ */
