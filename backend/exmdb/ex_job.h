/* Scheduling of jobs on the threads; see ex_mailbox.h. */

#ifndef EX_JOB_H
#define EX_JOB_H

#include "ex_mailbox.h"

/* Starts what may start now. */
void ex_jobs_run(ex_mailbox_t *mb);

/* Does this result mean that the whole transaction is lost? */
static inline bool
ex_rc_is_fatal(ph_int_t rc)
{
    return rc == PH_NOSPACE || rc == PH_CORRUPT || rc == PH_NOMEM
           || rc == PH_ERROR;
}

#endif
