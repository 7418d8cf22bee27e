/* Batches for the writer, and readers beside it. */

#include "ex_job.h"
#include "ex_door.h"
#include "ex_notify.h"
#include "ex_search.h"




static void ex_job_end(ex_job_t *job, ph_int_t rc);


void
ex_job_start(ex_mailbox_t *mb, ex_job_t *job)
{
    job->next = NULL;
    job->mailbox = mb;
    job->rc = PH_OK;
    ex_mailbox_ref(mb);

    if (job->write) {
        *mb->writes_tail = job;
        mb->writes_tail = &job->next;

    } else {
        *mb->reads_tail = job;
        mb->reads_tail = &job->next;
    }

    ex_jobs_run(mb);
}


static void
ex_job_end(ex_job_t *job, ph_int_t rc)
{
    ex_mailbox_t  *mb = job->mailbox;

    /* done() may free the job and drop its own references */
    job->done(job, rc);
    ex_mailbox_unref(&mb);
}


/* ---- readers ---- */

static void
ex_read_work(void *data)
{
    ph_int_t       rc;
    ex_job_t      *job = data;
    store_conn_t  *conn;

    rc = store_conn_acquire(job->mailbox->store, STORE_READ, &conn);

    if (rc == PH_OK) {
        if (job->alone) {
            rc = job->run(job, conn);

        } else {
            rc = store_begin(conn);
            if (rc == PH_OK) {
                rc = job->run(job, conn);
                store_rollback(conn);
            }
        }

        store_conn_release(&conn);
    }

    job->rc = rc;
}


static void
ex_read_done(void *data)
{
    ex_job_t      *job = data;
    ex_mailbox_t  *mb = job->mailbox;

    mb->reading--;
    ex_mailbox_ref(mb);
    ex_job_end(job, job->rc);
    ex_jobs_run(mb);
    ex_mailbox_unref(&mb);
}


/* ---- the writer ---- */

/*
 * Runs the batch from `job` on in one transaction.  A fatal error loses what
 * ran before it: such jobs fail too, or run again when they can.
 */
static ph_int_t
ex_batch_run(ex_mailbox_t *mb, store_conn_t *conn, ex_job_t *first,
    ex_job_t **failed_r)
{
    ph_int_t   rc;
    ex_job_t  *job;

    *failed_r = NULL;

    rc = store_begin(conn);
    if (rc != PH_OK) {
        return rc;
    }

    for (job = first; job != NULL; job = job->next) {
        if (job->rc != PH_OK) {
            continue;
        }

        rc = store_savepoint(conn);
        if (rc == PH_OK) {
            job->rc = job->run(job, conn);
            rc = job->rc;

            if (rc == PH_OK) {
                rc = store_release(conn);

            } else if (!ex_rc_is_fatal(rc)) {
                rc = store_undo(conn);
            }
        }

        if (rc != PH_OK) {
            store_rollback(conn);
            if (job->rc == PH_OK) {
                job->rc = rc;
            }

            *failed_r = job;
            return rc;
        }
    }

    return store_commit(conn, &mb->events);
}


static void
ex_write_work(void *data)
{
    ph_int_t       rc;
    ex_job_t      *job, *failed;
    store_conn_t  *conn;
    ex_mailbox_t  *mb = data;

    rc = store_conn_acquire(mb->store, STORE_WRITE, &conn);
    if (rc != PH_OK) {
        for (job = mb->batch; job != NULL; job = job->next) {
            job->rc = rc;
        }
        return;
    }

    if (mb->batch->alone) {
        mb->batch->rc = mb->batch->run(mb->batch, conn);
        store_conn_release(&conn);
        return;
    }

    for ( ;; ) {
        rc = ex_batch_run(mb, conn, mb->batch, &failed);
        if (rc == PH_OK) {
            break;
        }

        if (failed == NULL) {
            /* begin or commit failed: nothing of the batch happened */
            ph_log(mb->ex->log, PH_LOG_ERROR, PH4023, "mailbox=%s rc=%s",
                   ph_log_str(mb->facts->entry.address), ph_result_name(rc));

            for (job = mb->batch; job != NULL; job = job->next) {
                if (job->rc == PH_OK) {
                    job->rc = rc;
                }
            }

            break;
        }

        /* what ran before it and cannot run again is lost with it */
        for (job = mb->batch; job != failed; job = job->next) {
            if (job->rc == PH_OK && !job->repeatable) {
                job->rc = PH_ABORT;
            }
        }
    }

    store_conn_release(&conn);
}


static void
ex_write_done(void *data)
{
    uint32_t         n;
    ex_job_t        *job, *next;
    ex_mailbox_t    *mb = data;
    store_events_t  *events;

    job = mb->batch;
    events = mb->events;
    mb->batch = NULL;
    mb->events = NULL;
    mb->writing = false;

    ex_mailbox_ref(mb);

    if (!job->alone) {
        mb->changed = true;
        mb->quota_look = true;
        mb->commits++;
        ex_follow_changed(mb);
    }

    if (events != NULL) {
        ex_notify_events(mb, events);
        store_events_free(&events);
    }

    for (n = 0; job != NULL; job = next, n++) {
        next = job->next;
        ex_job_end(job, job->rc);
    }

    __atomic_store_n(&mb->index_stale, 1, __ATOMIC_RELAXED);
    ex_search_fill(mb);

    ph_metric_add(mb->ex->count.commits, 1);
    ph_metric_add(mb->ex->count.batched, n);

    ex_jobs_run(mb);
    ex_mailbox_unref(&mb);
}


static void
ex_write_start(ex_mailbox_t *mb)
{
    uint32_t    n;
    ex_job_t  **p;

    p = &mb->writes;
    for (n = 0; n < mb->ex->opt.batch && *p != NULL; n++) {
        if (n > 0 && (*p)->alone) {
            break;
        }

        p = &(*p)->next;
        if (mb->writes->alone) {
            break;
        }
    }

    mb->batch = mb->writes;
    mb->writes = *p;
    *p = NULL;
    if (mb->writes == NULL) {
        mb->writes_tail = &mb->writes;
    }

    mb->writing = true;

    if (ph_work(mb->ex->loop, ex_write_work, ex_write_done, mb) != PH_OK) {
        ex_job_t  *job;

        for (job = mb->batch; job != NULL; job = job->next) {
            job->rc = PH_NOMEM;
        }

        ex_write_done(mb);
    }
}


void
ex_jobs_run(ex_mailbox_t *mb)
{
    ex_job_t  *job;

    if (!mb->writing && mb->writes != NULL) {
        ex_write_start(mb);
    }

    while (mb->reads != NULL && mb->reading < mb->ex->opt.readers) {
        job = mb->reads;
        mb->reads = job->next;
        if (mb->reads == NULL) {
            mb->reads_tail = &mb->reads;
        }

        job->next = NULL;
        mb->reading++;

        if (ph_work(mb->ex->loop, ex_read_work, ex_read_done, job) != PH_OK) {
            job->rc = PH_NOMEM;
            ex_read_done(job);
        }
    }
}
