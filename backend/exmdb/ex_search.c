/*
 * Filling search folders: jobs of the writer, each a bounded piece, queued
 * behind what clients ask for.  What a piece did is durable with it; a mailbox
 * that is opened again goes on where it ended.
 */

#include "ex_search.h"

#include <stdlib.h>

#define EX_SEARCH_PIECE  256      /* messages looked at in one job */


typedef struct {
    ex_job_t  job;       /* first */
    bool      more;
} ex_search_job_t;


static ph_int_t
ex_search_run(ex_job_t *job, store_conn_t *conn)
{
    return store_search_step(conn, EX_SEARCH_PIECE,
                             &((ex_search_job_t *) job)->more);
}


static void
ex_search_done(ex_job_t *job, ph_int_t rc)
{
    bool              more;
    ex_mailbox_t     *mb = job->mailbox;
    ex_search_job_t  *s = (ex_search_job_t *) job;

    more = rc == PH_OK && s->more;
    free(s);
    mb->searching = false;

    /* after an error with the next change of the mailbox */
    if (more && !mb->doomed) {
        ex_search_fill(mb);
    }
}


void
ex_search_fill(ex_mailbox_t *mb)
{
    ex_search_job_t  *s;

    if (mb->searching || mb->doomed || mb->ex->stopping
        || !store_search_pending(mb->store))
    {
        return;
    }

    s = calloc(1, sizeof(ex_search_job_t));
    if (s == NULL) {
        return;
    }

    mb->searching = true;
    s->job.write = true;
    s->job.repeatable = true;
    s->job.run = ex_search_run;
    s->job.done = ex_search_done;
    ex_job_start(mb, &s->job);
}
