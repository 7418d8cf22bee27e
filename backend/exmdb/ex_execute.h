/*
 * Execute (MS-OXCRPC 3.1.4.2, MS-OXCROPS 3.1.4, 3.2.5): a buffer of ROPs is
 * taken apart on the loop, run on a thread (in several pieces when its ROPs
 * belong to several mailboxes), and answered from the loop.
 */

#ifndef EX_EXECUTE_H
#define EX_EXECUTE_H

#include "ex_session.h"
#include "gen/rop.h"
#include "gen/rop_handlers.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_tags.h"
#include "mapi/mapi_value.h"

#define EX_MAX_REQUEST     0x40000u    /* mapihttp: RopBuffer, MaxRopOut */
#define EX_MAX_PAYLOAD     0x8000u     /* of one extended buffer, unpacked */
#define EX_MAX_BLOCKS      96          /* packed answers */
#define EX_MAX_HANDLES     255         /* of the handle table */
#define EX_EXT_HEADER      8
#define EX_ROP_HEADER      6           /* RopId, handle index, ReturnValue */
#define EX_COMPRESS_MIN    1024

#define EX_FLAG_NO_COMPRESS  0x1
#define EX_FLAG_NO_XOR       0x2
#define EX_FLAG_CHAIN        0x4

/* one ROP of a request */
typedef struct {
    const mapi_rop_info_t  *info;
    void                   *request;
    uint32_t                offset;      /* in the ROP list */
    uint8_t                 id;
    uint8_t                 logon_id;
    uint8_t                 handle[2];  /* indices, in the order of the bytes */
} ex_item_t;

typedef struct ex_execute_s  ex_execute_t;

struct ex_execute_s {
    ex_job_t                        job;        /* first */
    ex_t                           *ex;
    ex_session_t                   *session;    /* NULL: there is none */

    /*
     * Called once, on the loop; x->ec is the error of the whole call.  Frees
     * the request with its pool, and x with it.
     */
    void (*answered)(ex_execute_t *x, uint8_t result, ph_str_t rops);
    void                           *data_of_answered;

    ph_pool_t                      *pool;       /* of the request */
    exmdb_emsmdb_execute_request_t  r;
    mapi_ctx_t                      ctx;
    uint64_t                        started;    /* us */
    uint32_t                        ec;         /* of the whole call */
    ph_str_t                        ticket;     /* of the user */
    bool                            piece;      /* for another worker */
    bool                            piece_first;  /* its first responses */
    bool                            piece_stopped;
    uint32_t                        piece_next;   /* what did not fit */
    uint16_t                        n_piece_notes;
    exmdb_piece_note_t             *piece_notes;
    bool                            complete;   /* the answer is made */
    bool                            lost;       /* the session has to end */
    bool                            asked;      /* other workers */
    bool                            ics_upload;
    ph_int_t                        fatal;      /* a ROP lost the transaction */

    ph_str_t                        rops;       /* the list of requests */
    ph_str_t                        packed;     /* data of the last ROP that
                                                   came in further buffers */
    uint32_t                        n_items;
    uint32_t                        next;       /* to run */
    uint32_t                        stop;       /* of the piece that runs */
    ex_item_t                      *items;
    uint32_t                        n_handles;
    uint32_t                        handles[EX_MAX_HANDLES];

    size_t                          limit;      /* of the response data */
    ph_wbuf_t                       data;       /* RopSize and responses */
    ph_wbuf_t                       answer;     /* extended buffers */

    ex_mailbox_t                   *mailbox;    /* of the piece; referenced */
    ex_facts_t                     *facts;      /* target of a Logon */
    uint32_t                        groups_at; /* generation asked for */
    ph_int_t                        logon_rc;  /* why its mailbox is not open */

    ex_note_t                      *notes;      /* to be told */
    uint64_t                        event_seq; /* of the mailbox at the start */

    bool                            traced;
    ph_wbuf_t                       trace_in;
    ph_wbuf_t                       trace_out;
};

/* what a handler gets: gen/rop_handlers.h */
struct ex_rop_s {
    ex_t              *ex;
    ex_execute_t      *x;
    ex_session_t      *session;
    store_conn_t      *conn;       /* NULL: no mailbox (a failing Logon) */
    ph_pool_t         *pool;       /* of the request */
    const ex_item_t   *item;
    ex_logon_t        *logon;      /* NULL only for Logon and Release */
    ex_object_t       *in;         /* input or source object */
    ex_object_t       *dst;        /* destination, or the response's object */
    void              *made;       /* object for the output handle */
    mapi_ctx_t         ctx;
    size_t             room;       /* bytes that the response body may have */
    bool               more;       /* QueryRows, ReadStream: worth another */
    uint32_t           taken;      /* rows or bytes that were returned */
};

/*
 * Checks and runs x->r for a user; ex, pool and answered are set, the rest is
 * zero.
 */
void ex_execute_begin(ex_execute_t *x, ph_str_t user);

/* The same for a run of ROPs that another worker passes on: x->piece. */
void ex_execute_piece(ex_execute_t *x, ph_str_t user, ph_str_t payload,
    size_t room);

/* ---- framing (ex_frame.c) ---- */

/*
 * Takes a request apart into items and the handle table.  Further extended
 * buffers carry the same ROP alone, one that writes, and their data count as
 * one with those of the last ROP in the first (MS-OXCRPC 3.1.4.2.1.2.1).
 * PH_INVALID; PH_NOMEM.
 */
ph_int_t ex_frame_request(ex_execute_t *x, ph_str_t in);
/* The same for a payload of a neighbour, who put what was packed into
 * x->packed. */
ph_int_t ex_frame_piece(ex_execute_t *x, ph_str_t payload);
/* Appends one extended buffer; compresses when allowed and worth it. */
ph_int_t ex_frame_write(ph_wbuf_t *b, ph_pool_t *pool, ph_str_t payload,
    bool last, bool compress);

/* ---- running (ex_dispatch.c), on a thread ---- */

/* Runs items next .. stop; makes the answer behind the last one. */
void ex_dispatch(ex_execute_t *x, store_conn_t *conn);
/* What did not fit, and all behind it, goes back to the client. */
void ex_dispatch_too_small(ex_execute_t *x);
/* Only the answer, with notifications; conn may be NULL. */
void ex_dispatch_finish(ex_execute_t *x, store_conn_t *conn);

/* ---- notifications in answers (ex_notify_rop.c) ---- */

/*
 * Appends RopNotify responses for what is in x->notes while they fit,
 * RopPending when more is left.  conn: of `mailbox` (table rows are read);
 * NULL: such tables are told to reload.
 */
void ex_notify_append(ex_execute_t *x, store_conn_t *conn);

#endif
