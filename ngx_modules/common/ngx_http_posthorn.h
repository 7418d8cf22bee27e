/*
 * What the Posthorn modules share: the clients of the daemons behind, the
 * worker map of exmdb, and the identity of a request.
 */


#ifndef _NGX_HTTP_POSTHORN_H_INCLUDED_
#define _NGX_HTTP_POSTHORN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_posthorn_wire.h"

#include "lib/ph_log.h"
#include "lib/ph_str.h"
#include "lib/ph_ticket.h"


#define NGX_HTTP_POSTHORN_MAX_WORKERS  256


/* who made a request, as the directory said; lives in the request's pool */

typedef struct {
    ngx_str_t                   address;       /* primary, lower case */
    ngx_str_t                   display_name;
    ngx_str_t                   legacy_dn;
    ngx_str_t                   domain;
    ngx_str_t                   node;
    ngx_str_t                   ticket;        /* secret */
    u_char                      mailbox_guid[16];
    uint32_t                    rights;        /* PH_RIGHT_* */
} ngx_http_posthorn_identity_t;


typedef struct {
    uint32_t                    seed;
    ngx_uint_t                  nworkers;      /* 0: not known yet */
    ngx_posthorn_wire_t        *workers[NGX_HTTP_POSTHORN_MAX_WORKERS];
} ngx_http_posthorn_map_t;


/* called in each worker process for the directory's `changed` events */
typedef void (*ngx_http_posthorn_changed_pt)(ph_str_t address,
    uint64_t generation, void *data);

/* called for events of exmdb, the loss of a connection (frame is NULL), and
 * the end of the worker process (both are NULL) */
typedef void (*ngx_http_posthorn_event_pt)(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame, void *data);

typedef struct {
    ngx_http_posthorn_changed_pt  handler;
    void                         *data;
} ngx_http_posthorn_changed_t;


typedef struct {
    ngx_posthorn_wire_t        *directory;
    ngx_posthorn_wire_t        *exmdb;         /* as configured */
    ngx_array_t                 clients;       /* ngx_posthorn_wire_t * */
    ngx_http_posthorn_map_t     map;
    ngx_msec_t                  timeout;       /* of the directory */

    ngx_str_t                   certificate;
    ngx_str_t                   certificate_key;
    ngx_str_t                   trusted_certificate;
    ngx_ssl_t                  *ssl;

    ngx_array_t                 changed;       /* of .._changed_t */
    ngx_http_posthorn_event_pt  event;
    void                       *event_data;
    uint64_t                    generation;
    ngx_posthorn_call_t         watch;
    ph_pool_t                  *watch_pool;

    ngx_pool_t                 *pool;
    ngx_log_t                  *log;
} ngx_http_posthorn_main_conf_t;


extern ngx_module_t  ngx_http_posthorn_module;
extern ngx_module_t  ngx_http_posthorn_identity_module;


/* at configuration time */
ngx_int_t ngx_http_posthorn_add_changed(ngx_conf_t *cf,
    ngx_http_posthorn_changed_pt handler, void *data);
void ngx_http_posthorn_set_event(ngx_conf_t *cf,
    ngx_http_posthorn_event_pt handler, void *data);

/* number of the worker that owns a mailbox; NGX_DECLINED: no map yet */
ngx_int_t ngx_http_posthorn_worker(ngx_http_posthorn_main_conf_t *pmcf,
    ngx_str_t *address);

/* a pool for the codecs that dies with the request */
ph_pool_t *ngx_http_posthorn_pool(ngx_http_request_t *r, const char *name,
    size_t limit);

/*
 * Asks the directory whether credentials are right.  The answer goes to
 * call->handler; ngx_http_posthorn_auth_answer() gives NGX_OK and the identity
 * in pool, NGX_DECLINED for wrong credentials, NGX_BUSY when the directory
 * is away or throttles, NGX_ERROR.  The frame with the password is in frames.
 */
ngx_int_t ngx_http_posthorn_auth(ngx_http_request_t *r,
    ngx_posthorn_call_t *call, ph_pool_t *frames, ph_str_t user,
    ph_str_t password, uint32_t service, ph_str_t client);
ngx_int_t ngx_http_posthorn_auth_answer(ngx_posthorn_call_t *call,
    ngx_pool_t *pool, ph_pool_t *frames, ngx_http_posthorn_identity_t **id,
    time_t *lifetime);

/* NULL when the request has not been identified */
ngx_http_posthorn_identity_t *ngx_http_posthorn_get_identity(
    ngx_http_request_t *r);

/* address of the client as text, in the request's pool or the connection's */
ph_str_t ngx_http_posthorn_client(ngx_http_request_t *r);

/* a short name of the request in the logs of all processes: $request_id */
ph_str_t ngx_http_posthorn_request_id(ngx_http_request_t *r);

/* all values of a request header (n is lower case), in the order sent */
ngx_table_elt_t *ngx_http_posthorn_header(ngx_http_request_t *r, char *n,
    size_t len, ngx_table_elt_t *after);

ngx_int_t ngx_http_posthorn_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value);

/* status and Retry-After for a request that a backend could not serve */
ngx_int_t ngx_http_posthorn_unavailable(ngx_http_request_t *r);


#define ngx_http_posthorn_ph_str(s)                                           \
    ((ph_str_t) { (s)->len, (const uint8_t *) (s)->data })


#endif /* _NGX_HTTP_POSTHORN_H_INCLUDED_ */
