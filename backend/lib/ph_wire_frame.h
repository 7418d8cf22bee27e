/*
 * The wire protocol between our own processes.
 *
 * A frame, little-endian:
 *
 *     u32 size          of what follows, checked against the limit before
 *                       anything is allocated
 *     u8  version       PH_WIRE_VERSION
 *     u8  flags         PH_WIRE_F_*
 *     u16 op            operation; PH_WIRE_OP_HELLO comes first
 *     u32 id            request id, chosen by the client, echoed in the answer
 *     u16 status        answers: ph_wire_status_t; requests: 0
 *     u16 ticket_len    requests; answers: 0
 *     ticket, body
 *
 * Many requests are in flight on a connection and answers come in any order.
 * Listeners and peers are named by an address:
 *
 *     unix:/path                peer credentials are checked (SO_PEERCRED)
 *     tcp:host:port             mutual TLS, and the address list (exmdb_acl)
 *
 * Bodies are described in backend/mapi/desc/<daemon>.desc and coded by the code
 * generated from it.  This file knows no operation but HELLO and does no input
 * or output: the nginx modules use it alone.
 */

#ifndef PH_WIRE_FRAME_H
#define PH_WIRE_FRAME_H

#include "ph_core.h"

#define PH_WIRE_VERSION       1
#define PH_WIRE_HEADER        16             /* with the size field        */
#define PH_WIRE_MAX_FRAME     (160u << 20)   /* hard ceiling               */
#define PH_WIRE_MAX_TICKET    1024
#define PH_WIRE_DEFAULT_FRAME (1u << 20)     /* limit of requests by default */

#define PH_WIRE_F_ANSWER      0x01
#define PH_WIRE_F_EVENT       0x02    /* pushed by the server; id 0          */
#define PH_WIRE_F_CANCEL      0x04    /* client gives up request id; no body */

#define PH_WIRE_OP_HELLO      1
/* operations: directory 0x0100.., exmdb 0x0200.., delivery 0x0300.. */

typedef enum {
    PH_WIRE_OK = 0,
    PH_WIRE_ERROR,          /* internal; logged at the server               */
    PH_WIRE_BAD_REQUEST,    /* body does not decode, or values not allowed  */
    PH_WIRE_BAD_OP,
    PH_WIRE_DENIED,         /* ticket missing, expired, forged, or too weak */
    PH_WIRE_NOT_FOUND,
    PH_WIRE_EXISTS,
    PH_WIRE_TOO_BIG,
    PH_WIRE_BUSY,           /* try again later                              */
    PH_WIRE_NO_SPACE,       /* disk or quota                                */
    PH_WIRE_WRONG_NODE,     /* the mailbox lives elsewhere                  */
    PH_WIRE_UNAVAILABLE,    /* the far side cannot be reached, or times out */
    PH_WIRE_CANCELLED
} ph_wire_status_t;

const char *ph_wire_status_name(ph_wire_status_t status);
ph_wire_status_t ph_wire_status_of(ph_int_t rc);     /* PH_* -> status */
ph_int_t ph_wire_status_rc(ph_wire_status_t status); /* status -> PH_* */

typedef struct {
    uint8_t   flags;
    uint16_t  op;
    uint32_t  id;
    uint16_t  status;
    ph_str_t  ticket;
    ph_str_t  body;
} ph_wire_frame_t;

/*
 * Looks at the front of a buffer.  PH_OK: *frame_r points into it and *used_r
 * bytes are consumed.  PH_AGAIN: more is needed (*used_r: size of the whole
 * frame once known, else 0).  PH_INVALID: version or lengths are wrong, close
 * the connection.  PH_TOOBIG: the size field is larger than max_frame (0:
 * PH_WIRE_DEFAULT_FRAME), close.
 */
ph_int_t ph_wire_parse(const void *data, size_t len, size_t max_frame,
    ph_wire_frame_t *frame_r, size_t *used_r);
/* Writes the header; the caller appends ticket_len and body_len bytes. */
void ph_wire_header(uint8_t out[PH_WIRE_HEADER], uint8_t flags, uint16_t op,
    uint32_t id, uint16_t status, uint16_t ticket_len, uint32_t body_len);

#endif
