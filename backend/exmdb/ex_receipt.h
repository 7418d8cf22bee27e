/*
 * Read receipts (MS-OXOMSG 2.2.2, 3.2.4.2): the report that a sender asked for,
 * sent when the message is marked as read by its owner's client.
 */

#ifndef EX_RECEIPT_H
#define EX_RECEIPT_H

#include "ex_rop.h"

/* one request sends no more */
#define EX_RECEIPTS_MAX  32

/*
 * Puts the reports for these messages into the outbox and its queue, in the
 * writer.  Who has no address that can be found, or asked for no such report,
 * gets none.  An error of the store costs the transaction.
 */
ph_int_t ex_receipts_send(ex_rop_t *rop, uint32_t n, const uint64_t *mids);

#endif
