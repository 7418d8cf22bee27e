/*
 * RPC_HEADER_EXT buffers (MS-OXCRPC 2.2.2.1): the frame around ROP buffers and
 * auxiliary buffers.
 */

#ifndef MAPI_RPCEXT_H
#define MAPI_RPCEXT_H

#include "mapi/mapi.h"

#define MAPI_RPCEXT_HEADER     8
#define MAPI_RPCEXT_PAYLOAD    0x8000     /* largest payload that we send */
#define MAPI_RPCEXT_MAX_PARTS  96
#define MAPI_ROP_HANDLES       255        /* largest handle table */

enum {
    MAPI_RPCEXT_COMPRESSED = 1, MAPI_RPCEXT_XOR = 2, MAPI_RPCEXT_LAST = 4
};

/*
 * The next extended buffer: decoded (XOR, LZ77) payload, in pool or pointing
 * into the input.  last_r: it carried the Last flag; a caller that goes on must
 * refuse input behind it.  PH_INVALID: version, unknown flags, sizes that do
 * not agree, or data that do not decompress; PH_NOMEM.
 */
ph_int_t mapi_rpcext_read(ph_cur_t *cur, ph_pool_t *pool,
    ph_str_t *payload_r, bool *last_r);

/*
 * Appends one extended buffer.  flags: COMPRESSED tries it and leaves it when
 * it does not get smaller, XOR, LAST.  PH_TOOBIG: payload above 65535 bytes or
 * no room.
 */
ph_int_t mapi_rpcext_write(ph_wbuf_t *b, ph_pool_t *pool, ph_str_t payload,
    unsigned flags);

/* a payload of Execute: ROPs, and the server object handle table */
typedef struct {
    ph_str_t   rops;                 /* behind RopSize */
    uint32_t   n;
    uint32_t  *handles;              /* in pool */
} mapi_rop_buffer_t;

/* PH_INVALID when RopSize does not fit or the rest is no handle table */
ph_int_t mapi_rop_buffer_read(ph_str_t payload, ph_pool_t *pool,
    mapi_rop_buffer_t *v_r);
ph_int_t mapi_rop_buffer_write(ph_wbuf_t *b, const mapi_rop_buffer_t *v);

#endif
