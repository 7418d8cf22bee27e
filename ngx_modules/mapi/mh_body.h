/*
 * Bodies of the mailbox endpoint and the framing around them
 * (MS-OXCMAPIHTTP 2.2.2.2, 2.2.4, 2.2.7; MS-OXCRPC 3.1.4.2 for the limits).
 */

#ifndef MH_BODY_H
#define MH_BODY_H

#include "lib/ph_core.h"
#include "lib/ph_buf.h"
#include "lib/ph_pool.h"

#include "gen/mapihttp.h"

#define MH_MAX_ROP_BUFFER   0x40000
#define MH_MAX_ROP_OUT      0x40000
#define MH_MAX_AUX          0x1008
#define MH_MIN_ROP_BUFFER   8

/* what Connect tells clients about asking again (MS-OXCRPC 3.1.4.1) */
#define MH_POLLS_MAX        60000    /* ms */
#define MH_RETRY_COUNT      6
#define MH_RETRY_DELAY      10000    /* ms */

#define MH_EC_RPC_FAILED    0x80040115u
#define MH_EC_BAD_STUB      0x000006F7u
#define MH_EC_SHUTDOWN      0x000003EDu    /* the server stops */

/* lines of the meta stream (2.2.7) */
#define MH_PROCESSING       "PROCESSING\r\n"
#define MH_PENDING          "PENDING\r\n"

/*
 * Checks the limits of an Execute that need no decoding of its buffers.
 * 0 or an ErrorCode.
 */
uint32_t mh_execute_check(const mapihttp_execute_request_t *request);

/*
 * Puts the end of the meta stream: DONE, X-ResponseCode when code is not 0,
 * X-ElapsedTime, X-StartTime and the empty line.  start is an RFC 1123 date.
 */
void mh_put_done(ph_wbuf_t *b, unsigned code, uint64_t elapsed_ms,
    ph_str_t start);

/* Put binary response bodies with StatusCode 0. */
void mh_put_connect(ph_wbuf_t *b, uint32_t ec, ph_str_t dn_prefix,
    ph_str_t display_name);
void mh_put_execute(ph_wbuf_t *b, uint32_t ec, ph_str_t rop_buffer);
void mh_put_disconnect(ph_wbuf_t *b, uint32_t ec);
void mh_put_wait(ph_wbuf_t *b, uint32_t ec, bool pending);

/* The text/html page of a request that failed as a whole. */
void mh_put_diagnostics(ph_wbuf_t *b, unsigned code);

#endif
