/* Reports to senders, as messages of the outgoing queue. */

#ifndef DELIVERY_REPORT_H
#define DELIVERY_REPORT_H

#include "bounce.h"
#include "queue.h"

/*
 * A thread: stores a report about recipients of `about`, one for each action
 * that the list has; nothing when its sender is null or it is a report itself.
 * body is the original message.  The same outcome makes the same id, so that a
 * crash makes no second report.  PH_NOMEM, PH_NOSPACE, PH_ERROR.
 */
ph_int_t report_store(queue_t *q, const queue_entry_t *about,
    const bounce_rcpt_t *list, size_t n, ph_str_t body);

#endif
