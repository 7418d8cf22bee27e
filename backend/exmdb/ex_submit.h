/*
 * Submitted messages (MS-OXOMSG 3.2.5): a row in the mailbox's queue is written
 * with the message, and after the commit the message goes to the delivery
 * daemon.  It leaves the queue when that has it on disk, in one transaction
 * with its move to Sent Items.  The id in the row makes a repeated hand-over
 * harmless.
 */

#ifndef EX_SUBMIT_H
#define EX_SUBMIT_H

#include "ex_mailbox.h"

#define EX_SUBMIT_ID  16

ph_int_t ex_submits_create(ex_t *ex, ex_submits_t **submits_r);
void ex_submits_destroy(ex_submits_t **submits);

/* Something was committed to the queue. */
void ex_submit_wake(ex_mailbox_t *mb);
/* What an earlier process left is looked for. */
void ex_submit_mailbox_opened(ex_mailbox_t *mb);
/* From the sweep: deferred and waiting messages. */
void ex_submit_tick(ex_mailbox_t *mb, uint64_t now);

/* ---- mailboxes with a queue (ex_submit_mark.c) ---- */

/* Notes on disk that this mailbox has something in its queue; any thread.
 * PH_NOSPACE, PH_ERROR. */
ph_int_t ex_submit_mark(const ex_t *ex, ph_str_t address);
/* The queue is empty; in the writer that emptied it. */
void ex_submit_unmark(const ex_t *ex, ph_str_t address);
/* Opens the noted mailboxes of this worker soon. */
ph_int_t ex_submit_marks_start(ex_t *ex);

#endif
