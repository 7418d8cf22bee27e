/* What the handlers of ROPs share. */

#ifndef EX_ROP_H
#define EX_ROP_H

#include "ex_execute.h"

/*
 * The MAPI error of a store's result, and what it means for the transaction:
 * after a fatal one in a writer nothing more of this request is run.
 */
uint32_t ex_ec(ex_rop_t *rop, ph_int_t rc);

/* The input object when it is of that kind; NULL otherwise. */
ex_folder_t *ex_rop_folder(const ex_rop_t *rop);
ex_message_t *ex_rop_message(const ex_rop_t *rop);
ex_attachment_t *ex_rop_attachment(const ex_rop_t *rop);
ex_stream_t *ex_rop_stream(const ex_rop_t *rop);
ex_table_t *ex_rop_table(const ex_rop_t *rop);

/* The owner of the mailbox, or an administrator that acts as one. */
bool ex_rop_is_owner(const ex_rop_t *rop);
/* Rights of MS-OXCPERM on a folder. */
uint32_t ex_rop_rights(ex_rop_t *rop, uint64_t fid);

/* Who acts, in the request's pool. */
ph_int_t ex_rop_actor(ex_rop_t *rop, store_actor_t *actor_r);

/* Appends an address book entry id (MS-OXCDATA 2.2.5.2). */
void ex_rop_entryid(ph_wbuf_t *b, ph_str_t dn, uint32_t display_type);

/* Makes the object for the output handle; NULL: ecMAPIOOM. */
void *ex_rop_make(ex_rop_t *rop, ex_kind_t kind, size_t size,
    ex_object_t *parent);
/* Takes a made object away again, with its handle. */
void ex_rop_unmake(ex_rop_t *rop);

/* The code page of a request: 0xFFF is the session's.  0: unknown. */
uint16_t ex_rop_cpid(const ex_rop_t *rop, uint16_t cpid);

/* The id in an eid of this store; 0: of another replica. */
static inline uint64_t
ex_rop_id(mapi_eid_t eid)
{
    return store_id(eid);
}

/* ids of a list of eids, in pool; 0 for those of another replica */
uint64_t *ex_rop_ids(ex_rop_t *rop, uint16_t n, const mapi_eid_t *eids);

/* Problems of the store as a ROP's list. */
ph_int_t ex_rop_problems(ex_rop_t *rop, const store_problems_t *from,
    uint16_t *n_r, rop_problem_t **list_r);

/*
 * From the first read on a table's rows are watched: not of attachments, not
 * with NoNotifications (MS-OXCNOTIF 3.1.4.3).
 */
void ex_table_watch(ex_rop_t *rop, ex_table_t *t);

/* A PropertyRow; PH_DONE when it does not fit (the caller's row callback). */
ph_int_t ex_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_tags_t *columns, const mapi_values_t *row);

#endif
