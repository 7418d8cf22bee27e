/*
 * Following a mailbox with its full-text index: pieces of a bounded size, each
 * a job that reads beside the writer.  What searches ask meanwhile is answered
 * all the same, they look at what the index has not seen.
 */

#include "ex_index.h"
#include "ex_door.h"
#include "gen/exmdb.h"

#include <stdlib.h>

#define EX_INDEX_PIECE   32       /* messages in one job */
#define EX_INDEX_ANSWER  1000     /* messages that a search names */
#define EX_INDEX_MAX     2        /* mailboxes at once: threads are for users */
#define EX_INDEX_WAITS   3        /* ticks that a busy mailbox is left alone */


typedef struct {
    ex_job_t  job;       /* first */
    bool      more;
    uint64_t  commits;   /* of the mailbox, before */
} ex_index_job_t;


static void ex_index_start(ex_mailbox_t *mb);


static ph_int_t
ex_index_run(ex_job_t *job, store_conn_t *conn)
{
    return store_index_step(conn, EX_INDEX_PIECE,
                            &((ex_index_job_t *) job)->more);
}


static void
ex_index_done(ex_job_t *job, ph_int_t rc)
{
    bool             more, busy;
    ex_mailbox_t    *mb = job->mailbox;
    ex_index_job_t  *x = (ex_index_job_t *) job;

    more = rc == PH_OK && x->more;
    busy = x->commits != mb->commits;
    free(x);
    mb->indexing = false;
    mb->ex->indexing--;

    if (rc != PH_OK || (more && busy)) {
        /* with a later tick: who writes there needs the processor */
        __atomic_store_n(&mb->index_stale, 1, __ATOMIC_RELAXED);

    } else if (more) {
        ex_index_start(mb);
    }
}


static void
ex_index_start(ex_mailbox_t *mb)
{
    uint64_t         used;
    ex_index_job_t  *x;

    if (mb->state != EX_MB_OPEN || mb->indexing || mb->doomed
        || mb->ex->stopping)
    {
        return;
    }

    if (mb->ex->indexing >= EX_INDEX_MAX) {
        __atomic_store_n(&mb->index_stale, 1, __ATOMIC_RELAXED);
        return;
    }

    x = calloc(1, sizeof(ex_index_job_t));
    if (x == NULL) {
        return;
    }

    mb->indexing = true;
    mb->ex->indexing++;
    x->commits = mb->commits;
    x->job.run = ex_index_run;
    x->job.done = ex_index_done;

    /* nobody uses the mailbox because of this */
    used = mb->last_used;
    ex_job_start(mb, &x->job);
    mb->last_used = used;
}


void
ex_index_tick(ex_mailbox_t *mb)
{
    bool  busy;

    if (mb->state != EX_MB_OPEN || mb->indexing
        || !__atomic_load_n(&mb->index_stale, __ATOMIC_RELAXED))
    {
        return;
    }

    busy = mb->commits != mb->index_commits;
    mb->index_commits = mb->commits;
    if (busy && mb->index_waits < EX_INDEX_WAITS) {
        mb->index_waits++;
        return;
    }

    mb->index_waits = 0;
    __atomic_store_n(&mb->index_stale, 0, __ATOMIC_RELAXED);
    ex_index_start(mb);
}


/* ---- what the administrator asks ---- */

static ph_int_t
ex_index_status_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t                     rc;
    store_index_status_t         s;
    exmdb_index_status_answer_t  a;

    rc = store_index_status(conn, &s);
    if (rc != PH_OK) {
        return rc;
    }

    a.exists = s.exists;
    a.documents = s.documents;
    a.stale = s.stale;
    a.seen = s.seen;
    a.last = s.last_cn;
    a.behind = s.behind;
    a.size = s.size;

    return exmdb_index_status_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_index_status(ex_call_t *call)
{
    ex_door_run(call, ex_index_status_run);
}


static ph_int_t
ex_index_rebuild_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t  rc;

    rc = store_index_rebuild(store_conn_store(conn));
    __atomic_store_n(&d->mailbox->index_stale, 1, __ATOMIC_RELAXED);

    return rc;
}


void
ex_op_index_rebuild(ex_call_t *call)
{
    ex_door_run(call, ex_index_rebuild_run);
}


static ph_int_t
ex_index_search_run(ex_door_t *d, store_conn_t *conn)
{
    uint32_t                            i, n, max;
    uint64_t                           *ids;
    ph_int_t                            rc;
    store_message_fact_t                f;
    exmdb_index_search_answer_t         a;
    const exmdb_index_search_request_t  *r = d->request;

    memset(&a, 0, sizeof(a));
    n = 0;
    max = ph_min(r->limit ? r->limit : EX_INDEX_ANSWER,
                 (uint32_t) EX_INDEX_ANSWER);
    rc = store_index_words(conn, r->words, max, d->pool, &n, &ids);
    if (rc != PH_OK && rc != PH_NOTFOUND && rc != PH_DECLINED) {
        return rc;
    }

    a.messages = ph_pcalloc_array(d->pool, n + 1, sizeof(exmdb_item_t));
    if (a.messages == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < n; i++) {
        rc = store_message_find(conn, ids[i], &f);
        if (rc == PH_NOTFOUND || (rc == PH_OK && f.deleted)) {
            continue;
        }
        if (rc != PH_OK) {
            return rc;
        }
        a.messages[a.messages_count].fid = store_eid(f.folder);
        a.messages[a.messages_count++].mid = store_eid(f.id);
    }

    return exmdb_index_search_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_index_search(ex_call_t *call)
{
    ex_door_run(call, ex_index_search_run);
}
