/*
 * One connection of the wire protocol on a libuv loop, plain or inside TLS; the
 * part that server and client share.  Internal to backend/lib.
 *
 * Reading: connections without a partial frame own no buffer; they read into
 * the hub's.  A frame that is not complete gets a buffer of exactly its size,
 * into which the rest is read, and whose owner may take it over: a large body
 * is not copied again.
 *
 * Writing: frames are collected and leave together, in one write a turn of the
 * loop and connection (before it polls again).
 */

#ifndef PH_WIRE_IO_H
#define PH_WIRE_IO_H

#include "ph_wire.h"

#include <openssl/ssl.h>

#define PH_WIRE_READ       (64u << 10)     /* of the hub's buffers            */
#define PH_WIRE_TAKE       (16u << 10)     /* a frame above it may be taken   */
#define PH_WIRE_HIGH       (8u << 20)     /* waiting output stops reading ... */
#define PH_WIRE_LOW        (2u << 20)      /* ... until it is below this      */

#define PH_WIRE_PAUSE_OWNER   0x01
#define PH_WIRE_PAUSE_OUTPUT  0x02

typedef struct ph_wire_hub_s  ph_wire_hub_t;
typedef struct ph_wire_io_s   ph_wire_io_t;

/* What the connections of one server or client share. */
struct ph_wire_hub_s {
    uv_loop_t      *loop;
    uv_prepare_t    prepare;
    ph_wire_io_t   *dirty;         /* have something to write, or to resume */
    uint8_t        *plain;         /* PH_WIRE_READ bytes each               */
    uint8_t        *cipher;        /* NULL without TLS                      */
    void          (*closed)(ph_wire_hub_t *hub);
};

struct ph_wire_io_s {
    union {
        uv_handle_t  handle;
        uv_stream_t  stream;
        uv_pipe_t    pipe;
        uv_tcp_t     tcp;
    } uv;

    ph_wire_hub_t   *hub;
    ph_wire_io_t    *next_dirty;
    ph_wire_io_t   **prev_dirty;   /* NULL: not in the list */
    size_t           max_frame;

    uint8_t         *in;           /* begin of a frame that is not complete */
    size_t           in_len;
    size_t           in_cap;

    uint8_t         *out;          /* plain text that waits                 */
    size_t           out_len;
    size_t           out_cap;
    uint8_t         *sent;         /* what libuv writes now                 */
    size_t           sent_len;
    uv_write_t       write;

    SSL             *ssl;
    BIO             *net_in;       /* of ssl */
    BIO             *net_out;      /* of ssl */

    uint64_t         active;       /* loop time of the last byte in or out  */
    uint8_t          paused;       /* PH_WIRE_PAUSE_*                       */
    unsigned         reading:1;
    unsigned         parsing:1;
    unsigned         bounded:1;    /* waiting output stops reading: servers
                                      only, or two sides wait for each other */
    unsigned         secure:1;     /* handshake is done (plain: at once)    */
    unsigned         ending:1;     /* close when all is written             */
    unsigned         closing:1;

    /* a frame; PH_OK, or the reason to close */
    ph_int_t       (*frame)(ph_wire_io_t *io, const ph_wire_frame_t *frame);
    /* TLS is up (plain: called from start); may be NULL */
    ph_int_t       (*ready)(ph_wire_io_t *io);
    /* why the connection is about to be closed by this side; for the log */
    void           (*failed)(ph_wire_io_t *io, const char *reason);
    /* all handles are closed: memory of the owner may go */
    void           (*closed)(ph_wire_io_t *io);
    void            *owner;
};

ph_int_t ph_wire_hub_init(ph_wire_hub_t *hub, uv_loop_t *loop, bool tls);
/* closed() is called from the loop, after which hub may be freed */
void ph_wire_hub_close(ph_wire_hub_t *hub, void (*closed)(ph_wire_hub_t *hub));

/*
 * Prepares io (zeroed by the caller) for a pipe or a socket: uv.pipe or uv.tcp
 * is initialised, to be accepted or connected by the caller.
 */
ph_int_t ph_wire_io_init(ph_wire_io_t *io, ph_wire_hub_t *hub, bool local);
/* begins to read; with ctx the TLS handshake comes first */
ph_int_t ph_wire_io_start(ph_wire_io_t *io, SSL_CTX *ctx, bool server,
    const char *expect);
/* PH_NOMEM closes the connection */
ph_int_t ph_wire_io_send(ph_wire_io_t *io, uint8_t flags, uint16_t op,
    uint32_t id, uint16_t status, ph_str_t ticket, ph_str_t body);
/* bytes that wait for the other side */
size_t ph_wire_io_waiting(const ph_wire_io_t *io);
void ph_wire_io_pause(ph_wire_io_t *io);
void ph_wire_io_resume(ph_wire_io_t *io);
/*
 * Only inside frame(): the malloc()ed buffer that holds this frame alone, now
 * the caller's; NULL when the frame is small and has to be copied.
 */
void *ph_wire_io_take(ph_wire_io_t *io, const ph_wire_frame_t *frame);
/* closes when everything is written */
void ph_wire_io_end(ph_wire_io_t *io);
void ph_wire_io_close(ph_wire_io_t *io);

#endif
