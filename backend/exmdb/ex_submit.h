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

/* What a row of the queue says beyond its message. */
typedef struct {
    uint8_t   id[EX_SUBMIT_ID];    /* of every hand-over */
    bool      has_sender;          /* else the mailbox's address */
    ph_str_t  sender;              /* of the envelope; empty: null */
    bool      raw;                 /* the RFC 5322 bytes kept with the message
                                      are sent, not what it converts to */
} ex_submit_data_t;

void ex_submit_data_encode(ph_wbuf_t *b, const ex_submit_data_t *data);
/* What the id alone says is said by rows of earlier releases.  PH_CORRUPT. */
ph_int_t ex_submit_data_decode(ph_str_t bytes, ex_submit_data_t *data_r);

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
typedef struct ex_marks_s  ex_marks_t;
ph_int_t ex_submit_marks_start(ex_t *ex, ex_marks_t **marks_r);
void ex_submit_marks_stop(ex_marks_t **marks);

#endif
