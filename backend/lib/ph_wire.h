/*
 * Server and clients of the wire protocol, on libuv, and a blocking client for
 * tools and threads.  Frames are described in ph_wire_frame.h.
 */

#ifndef PH_WIRE_H
#define PH_WIRE_H

#include "ph_core.h"
#include "ph_wire_frame.h"

#include <stdatomic.h>
#include <uv.h>

/* ---- server, on a libuv loop ---- */

typedef struct ph_wire_server_s  ph_wire_server_t;
typedef struct ph_wire_conn_s    ph_wire_conn_t;

typedef struct {
    bool      local;        /* unix socket                                */
    uid_t     uid;          /* local: SO_PEERCRED                          */
    gid_t     gid;
    pid_t     pid;
    char      name[128];    /* for logs: "uid=0 pid=12" or certificate CN  */
} ph_wire_peer_t;

/*
 * One request.  Lives in its own pool until ph_wire_reply() has been called,
 * also when the client is gone meanwhile (then the answer is dropped).
 */
typedef struct {
    ph_pool_t             *pool;       /* limit: server option request_memory */
    uint16_t               op;
    uint32_t               id;
    ph_str_t               ticket;
    ph_str_t               body;
    const ph_wire_peer_t  *peer;
    ph_wire_conn_t        *conn;       /* loop thread only; NULL when gone    */
    void                  *handler;    /* of the handler, for its own use     */
    atomic_bool            cancelled;  /* client gave up or disconnected      */
} ph_wire_req_t;

typedef struct {
    ph_log_t   *log;
    size_t      max_frame;        /* 0: PH_WIRE_DEFAULT_FRAME                 */
    size_t      request_memory;   /* beside the frame itself; 0:
                                     PH_POOL_DEFAULT_LIMIT                    */
    uint32_t    max_conns;        /* 0: 4096                                  */
    uint32_t    max_inflight;     /* a connection; 0: 1024; beyond it reading
                                     stops (back pressure)                    */
    uint64_t    idle_timeout;     /* ms; 0: none                              */
    ph_str_t    hello;            /* body of the answer to HELLO (worker map) */
    const uid_t *allowed_uids;    /* unix: NULL = own uid and root            */
    size_t      n_allowed_uids;
    const char *const *acl;       /* tcp: addresses or CIDR                   */
    size_t      n_acl;
    const char *tls_cert;         /* tcp: PEM files; all three are required   */
    const char *tls_key;
    const char *tls_ca;
    void      (*request)(ph_wire_req_t *req, void *data);    /* loop thread */
    void      (*closed)(ph_wire_conn_t *conn, void *data);   /* may be NULL */
    void       *data;
} ph_wire_server_opts_t;

/*
 * Listens on address, or on the inherited descriptor fd when fd >= 0.
 * unix sockets are created 0660 after removing a stale one, and opened to every
 * user (0666) when allowed_uids names any: SO_PEERCRED decides then.
 */
ph_int_t ph_wire_listen(uv_loop_t *loop, const char *address, int fd,
    const ph_wire_server_opts_t *opts, ph_wire_server_t **server_r);
/* Stops accepting, waits for requests in flight for at most drain_ms, closes;
 * done is called from the loop. */
void ph_wire_server_stop(ph_wire_server_t *server, uint64_t drain_ms,
    void (*done)(void *data), void *data);

/* the port of a tcp: server (for port 0), 0 of a unix socket */
int ph_wire_server_port(const ph_wire_server_t *server);

/*
 * Answers and ends the request: req and its pool are gone on return.
 * Loop thread only.  The bytes are copied or written before return.
 */
void ph_wire_reply(ph_wire_req_t *req, ph_wire_status_t status, ph_str_t body);
/* An event frame to one connection; PH_BUSY when more than 4 MiB wait there. */
ph_int_t ph_wire_push(ph_wire_conn_t *conn, uint16_t op, ph_str_t body);
/* a pointer of the owner's, e.g. a list of subscriptions; NULL at first */
void ph_wire_conn_set(ph_wire_conn_t *conn, void *data);
void *ph_wire_conn_get(const ph_wire_conn_t *conn);

/* ---- client, on a libuv loop ---- */

typedef struct ph_wire_client_s  ph_wire_client_t;

typedef struct {
    ph_log_t   *log;
    size_t      max_frame;        /* of answers; 0: PH_WIRE_DEFAULT_FRAME     */
    uint64_t    connect_timeout;  /* ms; 0: 5000                              */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
    /* events; frame->body is valid during the call */
    void      (*event)(const ph_wire_frame_t *frame, void *data);
    /* connected (with the HELLO answer) and lost */
    void      (*state)(bool up, ph_str_t hello, void *data);
    void       *data;
} ph_wire_client_opts_t;

/* body is valid during the call; status PH_WIRE_UNAVAILABLE when lost */
typedef void (*ph_wire_answer_pt)(ph_wire_status_t status, ph_str_t body,
    void *data);

/* Connects lazily and again after a loss, with a delay of 50 ms to 5 s. */
ph_int_t ph_wire_client_create(uv_loop_t *loop, const char *address,
    const ph_wire_client_opts_t *opts, ph_wire_client_t **client_r);
/* Outstanding calls are answered with PH_WIRE_UNAVAILABLE before it returns. */
void ph_wire_client_destroy(ph_wire_client_t **client);
/* Connects now, for clients that only wait for events. */
void ph_wire_client_start(ph_wire_client_t *client);
/*
 * Copies ticket and body.  timeout in ms (0: 30 000), of which at most
 * connect_timeout is spent on waiting for a connection.  After PH_OK the answer
 * comes exactly once, never from inside this call.  *id_r (may be NULL) is for
 * cancelling.  PH_NOMEM, PH_TOOBIG, PH_BUSY (too much waits): no answer comes.
 */
ph_int_t ph_wire_call(ph_wire_client_t *client, uint16_t op, ph_str_t ticket,
    ph_str_t body, uint64_t timeout, ph_wire_answer_pt answer, void *data,
    uint32_t *id_r);
/* The answer is PH_WIRE_CANCELLED, from the loop; an unknown id is ignored. */
void ph_wire_cancel(ph_wire_client_t *client, uint32_t id);

/* ---- blocking client: tools, and threads of a pool ---- */

typedef struct ph_wire_sync_s  ph_wire_sync_t;

/*
 * A client that keeps up to 8 idle connections to address; safe from any
 * thread, one request a connection at a time.  Nothing is connected before the
 * first call.  opts may be NULL; event and state are not used.
 */
ph_int_t ph_wire_sync_create(const char *address,
    const ph_wire_client_opts_t *opts, ph_wire_sync_t **sync_r);
void ph_wire_sync_destroy(ph_wire_sync_t **sync);
/*
 * The answer's body is in pool.  PH_OK: the exchange took place and *status_r
 * tells; otherwise the status is PH_WIRE_UNAVAILABLE: PH_TIMEOUT, PH_NOMEM (the
 * pool's limit), PH_TOOBIG (nothing was sent), PH_ERROR.  A kept connection
 * that the far side has closed is replaced; a request that was written whole
 * is never sent again, so that nothing is done twice.
 */
ph_int_t ph_wire_sync_call(ph_wire_sync_t *sync, ph_pool_t *pool, uint16_t op,
    ph_str_t ticket, ph_str_t body, uint64_t timeout,
    ph_wire_status_t *status_r, ph_str_t *answer_r);
/* the HELLO answer of the far side (connects if need be) */
ph_int_t ph_wire_sync_hello(ph_wire_sync_t *sync, ph_pool_t *pool,
    ph_str_t *hello_r);

#endif
