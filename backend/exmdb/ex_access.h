/*
 * Who may do what (MS-OXCPERM 2.2.7, 3.2.4.1).
 *
 * A logon is its mailbox owner's, or another user's.  For the latter every ROP
 * is checked before its handler runs (ex_access.def); what depends on the
 * items, handlers check with the functions here.  Rights are read from the
 * database each time: a change counts from the next ROP on, in every session.
 */

#ifndef EX_ACCESS_H
#define EX_ACCESS_H

#include "ex_execute.h"

/* The user of this session, as the store asks about him (ex_object.h). */
void ex_access_init(ex_logon_t *logon);

/* From now on the connection is used for this logon; NULL: for nobody. */
void ex_access_view(store_conn_t *conn, ex_logon_t *logon);

/* Before the handler: 0, or what to answer instead of running it. */
uint32_t ex_access_check(ex_rop_t *rop);

/*
 * Takes out of the list those that the user may not: need is bits of
 * STORE_ACCESS_*.  Messages that are not there stay in it, for the store to
 * find out.  *refused_r: how many went.  PH_OK, or the store's error.
 */
ph_int_t ex_access_items(ex_rop_t *rop, uint32_t need, uint32_t *n,
    uint64_t *ids, uint32_t *refused_r);

/* The same for one: 0, ecAccessDenied, ecNotFound. */
uint32_t ex_access_item(ex_rop_t *rop, uint64_t mid, uint32_t need);

/* Has the user this right on every live folder below, too? */
ph_int_t ex_access_below(ex_rop_t *rop, uint64_t fid, uint32_t right,
    bool *yes_r);

/* What the users' row, his groups' rows or the default say of a mailbox as a
 * whole: STORE_DELEGATE_*; and whether he has a right on any folder. */
ph_int_t ex_access_logon(store_conn_t *conn, ex_session_t *session,
    ph_pool_t *pool, uint32_t *flags_r, bool *any_r);

/* Is that address the user's, or one of a group he belongs to? */
bool ex_access_is(const ex_session_t *session, ph_str_t address,
    bool *group_r);

/* Has ex_access.def a line for this RopId, and does it leave the decision to
 * the handler? */
bool ex_access_known(uint8_t rop);
bool ex_access_decides(uint8_t rop);

#endif
