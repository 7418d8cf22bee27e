/*
 * A client of the wire protocol on nginx's event loop: one connection that
 * carries any number of calls at a time, and the events that the far side
 * pushes.  The frames are those of lib/ph_wire_frame.h.
 *
 * The connection is opened when ngx_posthorn_wire_start() is called and again
 * after a loss, with a growing delay.  Calls that were sent when the
 * connection got lost end with PH_WIRE_UNAVAILABLE; calls made while there is
 * no connection wait for one, unless several attempts have failed already.
 */


#ifndef _NGX_POSTHORN_WIRE_H_INCLUDED_
#define _NGX_POSTHORN_WIRE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "lib/ph_core.h"
#include "lib/ph_pool.h"
#include "lib/ph_buf.h"
#include "lib/ph_wire_frame.h"


#define NGX_POSTHORN_WIRE_MAX_ANSWER   (16 * 1024 * 1024)
#define NGX_POSTHORN_WIRE_MAX_QUEUED   (64 * 1024 * 1024)
#define NGX_POSTHORN_WIRE_MAX_CALLS    65536


typedef struct ngx_posthorn_wire_s  ngx_posthorn_wire_t;
typedef struct ngx_posthorn_call_s  ngx_posthorn_call_t;


/*
 * The answer of a call: call->status and call->body, which is valid during
 * the handler only.  Runs from the connection's or a timer's event, never
 * from inside ngx_posthorn_wire_call().  The call is not known to the client
 * any more: its memory may be freed or used for the next call.
 */
typedef void (*ngx_posthorn_answer_pt)(ngx_posthorn_call_t *call);


struct ngx_posthorn_call_s {
    ngx_rbtree_node_t         node;        /* key: request id */
    ngx_queue_t               queue;       /* waiting for a connection */
    ngx_event_t               timer;
    ngx_posthorn_wire_t      *wire;        /* NULL: not under way */

    u_char                   *frame;       /* of the caller's pool */
    size_t                    len;
    uint16_t                  op;
    unsigned                  sent:1;

    ngx_posthorn_answer_pt    handler;
    void                     *data;

    ph_wire_status_t          status;
    ph_str_t                  body;
};


struct ngx_posthorn_wire_s {
    ngx_str_t                 name;        /* address as configured */
    ngx_addr_t                addr;
    ngx_pool_t               *pool;
    ngx_log_t                *log;
    ngx_msec_t                connect_timeout;
#if (NGX_SSL)
    ngx_ssl_t                *ssl;         /* NULL: unix socket */
#endif

    /* an event frame; a HELLO answer; a loss; a graceful end of the worker */
    void                    (*event)(ngx_posthorn_wire_t *w,
                                  const ph_wire_frame_t *frame);
    void                    (*up)(ngx_posthorn_wire_t *w, ph_str_t hello);
    void                    (*down)(ngx_posthorn_wire_t *w);
    void                    (*exiting)(ngx_posthorn_wire_t *w);
    void                     *data;

    ngx_peer_connection_t     peer;
    ngx_buf_t                 in;
    ngx_buf_t                 out;
    ngx_event_t               retry;
    ngx_event_t               flush;
    ngx_msec_t                delay;

    ngx_rbtree_t              calls;
    ngx_rbtree_node_t         sentinel;
    ngx_queue_t               waiting;
    ngx_uint_t                ncalls;
    uint32_t                  last_id;

    unsigned                  started:1;
    unsigned                  opened:1;
    unsigned                  connected:1; /* HELLO has been answered */
    unsigned                  closing:1;
};


/*
 * Parses "unix:/path" or "tcp:host:port".  The client is in pool and does
 * nothing before ngx_posthorn_wire_start(); *err is set on failure.
 */
ngx_posthorn_wire_t *ngx_posthorn_wire_create(ngx_pool_t *pool,
    ngx_str_t *address, char **err);

/* In a worker process. */
void ngx_posthorn_wire_start(ngx_posthorn_wire_t *w, ngx_log_t *log);

/* At the worker's end; calls under way are forgotten without an answer. */
void ngx_posthorn_wire_stop(ngx_posthorn_wire_t *w);

/*
 * Begins a frame in b: room for the header, and the ticket (may be empty).
 * The caller appends the body and passes b to ngx_posthorn_wire_call().
 */
void ngx_posthorn_wire_frame(ph_wbuf_t *b, ph_str_t ticket);

/*
 * Sends a call.  call->handler and call->data are set by the caller; the
 * frame must live until the answer or ngx_posthorn_wire_cancel().
 * NGX_OK, NGX_BUSY when too much waits already or the far side is away,
 * NGX_ERROR.
 */
ngx_int_t ngx_posthorn_wire_call(ngx_posthorn_wire_t *w,
    ngx_posthorn_call_t *call, uint16_t op, ph_str_t ticket, ph_wbuf_t *frame,
    ngx_msec_t timeout);

/* The answer will not come any more, and the far side is told. */
void ngx_posthorn_wire_cancel(ngx_posthorn_call_t *call);


#define ngx_posthorn_wire_is_up(w)  ((w)->connected)


/* a line of the error log with a code of lib/codes/nginx.def */
#define ngx_posthorn_log(level, log, err, code, ...)                          \
    ngx_log_error(level, log, err, ngx_posthorn_log_args(code, __VA_ARGS__))
#define ngx_posthorn_log_args(code, fmt, ...)                                 \
    "PH%d " fmt, (int) PH##code, ##__VA_ARGS__


#endif /* _NGX_POSTHORN_WIRE_H_INCLUDED_ */
