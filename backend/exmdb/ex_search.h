/* Filling search folders in the background, a piece at a time. */

#ifndef EX_SEARCH_H
#define EX_SEARCH_H

#include "ex_mailbox.h"

/* Begins when there is something to fill and nothing is under way; on the
 * loop. */
void ex_search_fill(ex_mailbox_t *mb);

#endif
