/* Recipient rows in answers (MS-OXCDATA 2.8.3). */

#ifndef ROP_RECIPIENT_H
#define ROP_RECIPIENT_H

#include "ex_rop.h"

/*
 * Fills recipient_count, recipient_columns and as many rows as fit into `room`
 * bytes, at most 255.  0, or an error code.
 */
uint32_t rop_recipients_info(ex_rop_t *rop, const ex_message_t *m,
    size_t room, rop_open_message_info_t *info);

#endif
