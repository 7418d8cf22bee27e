/* The full-text index: following a mailbox in the background. */

#ifndef EX_INDEX_H
#define EX_INDEX_H

#include "ex_mailbox.h"

/* Every few seconds, on the loop: goes on when the mailbox has changed; while
 * it is written to, less often. */
void ex_index_tick(ex_mailbox_t *mb);

#endif
