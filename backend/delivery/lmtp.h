/* The LMTP server (RFC 2033): connections, and the sessions on them. */

#ifndef DELIVERY_LMTP_H
#define DELIVERY_LMTP_H

#include "deliver.h"
#include "lmtp_parse.h"

#define LMTP_IN_SIZE       (64 << 10)     /* read at once */
#define LMTP_MAX_OUT       (1 << 20)      /* of replies that nobody reads */
#define LMTP_MAX_ERRORS    50             /* bad commands of a connection */

typedef struct lmtp_conn_s  lmtp_conn_t;

typedef struct {
    ph_str_t   address;
    uint32_t   n_dests;
    uint32_t  *dests;          /* indices into t.dests */
    uint8_t    notify;         /* LMTP_NOTIFY_* */
    ph_str_t   orcpt;
    bool       elsewhere;      /* some of dests are not here */
} lmtp_rcpt_t;

/* from MAIL to the replies behind the data */
typedef struct {
    ph_pool_t     *pool;
    deliver_t      t;
    uint32_t       n_rcpts;
    uint32_t       cap_rcpts;
    lmtp_rcpt_t   *rcpts;
    ph_str_t       resolving;  /* address of the RCPT that waits, */
    uint8_t        notify;     /* and its DSN parameters */
    ph_str_t       orcpt;
    ph_wbuf_t      body;       /* while it is small */
    size_t         size;
    int            fd;         /* spool file, -1 */
    void          *map;
    bool           too_big;
    bool           failed;     /* the spool file */
    struct lmtp_conn_s  *conn; /* while reports are written */
} lmtp_txn_t;

struct lmtp_server_s {
    delivery_t      *d;
    uint32_t         n_listeners;
    uv_stream_t    **listeners;
    uint32_t         n_conns;
    uint32_t         max_conns;
    uint32_t         max_recipients;
    uint64_t         timeout;
    lmtp_conn_t     *conns;
    bool             stopping;
};

typedef enum { LMTP_COMMANDS = 0, LMTP_BODY } lmtp_state_t;

struct lmtp_conn_s {
    lmtp_server_t   *server;
    lmtp_conn_t     *next;
    lmtp_conn_t    **prev;
    union {
        uv_handle_t  handle;
        uv_stream_t  stream;
        uv_tcp_t     tcp;
        uv_pipe_t    pipe;
    } io;
    uv_timer_t       timer;
    uint32_t         handles;      /* not closed yet */
    char             peer[64];

    uint8_t         *in;           /* LMTP_IN_SIZE */
    size_t           in_len;
    size_t           scanned;
    uint8_t         *out;
    size_t           out_len;
    size_t           out_cap;
    size_t           writing;      /* bytes that are on their way */

    lmtp_state_t     state;
    lmtp_data_t      data;
    bool             running;      /* inside of lmtp_session_run() */
    bool             busy;         /* an answer of somebody is awaited */
    bool             reading;
    bool             eof;
    bool             quit;         /* close when everything is written */
    bool             closed;
    bool             greeted;
    uint32_t         errors;
    char             lhlo[256];
    lmtp_txn_t      *txn;
};

ph_int_t lmtp_create(delivery_t *d, lmtp_server_t **server_r);
/* no new connections; ends idle ones, others after their transaction */
void lmtp_stop(lmtp_server_t *server);

/* ---- between connection and session ---- */

/* Handles input as far as it goes.  The connection may be closed afterwards. */
void lmtp_session_run(lmtp_conn_t *c);
void lmtp_session_greet(lmtp_conn_t *c);
void lmtp_txn_destroy(lmtp_txn_t **txn);

void lmtp_reply(lmtp_conn_t *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* sends the replies; txn (may be NULL) is acknowledged and destroyed then */
void lmtp_flush(lmtp_conn_t *c, lmtp_txn_t *txn);
void lmtp_close(lmtp_conn_t *c);
/* what waited is there: goes on with the input */
void lmtp_resume(lmtp_conn_t *c);
/* tells exmdb that the sender knows */
void lmtp_acknowledge(lmtp_txn_t *txn, delivery_t *d);

#endif
