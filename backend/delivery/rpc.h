/*
 * Calls to the directory and to exmdb: each carries the daemon's service
 * ticket, which is fetched when it is needed and again when it is refused;
 * calls to a mailbox go to the worker that owns it.
 */

#ifndef DELIVERY_RPC_H
#define DELIVERY_RPC_H

#include "delivery.h"

ph_int_t rpc_create(delivery_t *d, rpc_t **rpc_r);
void rpc_destroy(rpc_t **rpc);

/*
 * The answer comes exactly once, never from inside the call; its body is valid
 * during the callback.  body must stay until then.  A call to a worker that is
 * just being restarted is repeated until timeout (ms), so only operations that
 * may be repeated go this way.
 */
void rpc_directory(rpc_t *rpc, uint16_t op, ph_str_t body, uint64_t timeout,
    ph_wire_answer_pt answer, void *data);
void rpc_mailbox(rpc_t *rpc, ph_str_t mailbox, uint16_t op, ph_str_t body,
    uint64_t timeout, ph_wire_answer_pt answer, void *data);

/* which of n workers owns a mailbox (exmdb.desc, hello) */
uint32_t rpc_worker_of(uint32_t seed, ph_str_t mailbox, uint32_t n);

#endif
