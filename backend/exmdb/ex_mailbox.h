/*
 * Open mailboxes and the work on them.
 *
 * A job is one request that touches one mailbox.  Jobs that may change it queue
 * in order for the writer: a batch of them runs on a thread, each in a
 * savepoint, then one commit makes them durable, and only then are they
 * answered.  Jobs that only read run beside, several at a time, each on a
 * snapshot.
 *
 * All functions belong to the loop's thread; only ex_job_t.run runs elsewhere.
 */

#ifndef EX_MAILBOX_H
#define EX_MAILBOX_H

#include "exmdb.h"
#include "ex_directory.h"
#include "store/store.h"

#define EX_MAILBOX_MAGIC  0x4D426F78u

typedef struct ex_job_s    ex_job_t;
typedef struct ex_sub_s    ex_sub_t;
typedef struct ex_trace_s  ex_trace_t;

struct ex_job_s {
    ex_job_t      *next;
    ex_mailbox_t  *mailbox;       /* referenced until done */
    bool           write;
    bool           alone;         /* no batch: the connection without a
                                     transaction */
    bool           repeatable;    /* run() may be called again after a rollback
                                     that another job of the batch caused */
    ph_int_t       rc;
    /*
     * On a thread; conn is in a transaction.  PH_NOSPACE, PH_CORRUPT, PH_NOMEM
     * and PH_ERROR roll the batch back, other errors only this job.
     */
    ph_int_t     (*run)(ex_job_t *job, store_conn_t *conn);
    /* On the loop, once.  PH_OK: run() gave PH_OK, and it is durable. */
    void         (*done)(ex_job_t *job, ph_int_t rc);
};

typedef enum {
    EX_MB_CLOSED = 0,
    EX_MB_OPENING,
    EX_MB_OPEN,
    EX_MB_CLOSING
} ex_mailbox_state_t;

typedef struct ex_opener_s  ex_opener_t;

struct ex_mailbox_s {
    uint32_t             magic;
    uint32_t             refs;
    ex_t                *ex;
    ex_facts_t          *facts;
    char                *path;
    store_t             *store;          /* while open */
    ex_mailbox_state_t   state;
    bool                 create;         /* of the opening under way */
    bool                 doomed;         /* to be deleted */
    uint64_t             open_deadline;  /* ms; retry while another holds it */
    uint64_t             last_used;      /* ms */
    ph_int_t             open_rc;
    uv_timer_t          *retry;          /* of the opening under way */

    ex_job_t            *writes;         /* queue */
    ex_job_t           **writes_tail;
    ex_job_t            *batch;          /* at the writer now */
    bool                 batch_ok;
    ph_int_t             batch_rc;
    store_events_t      *events;
    bool                 writing;

    ex_job_t            *reads;          /* queue */
    ex_job_t           **reads_tail;
    uint32_t             reading;

    ex_opener_t         *openers;
    ex_sub_t            *subs;           /* ex_notify.h */
    uint64_t             commits;        /* batches that were written */
    uint64_t             event_seq;      /* events that were handed out */
    ex_trace_t          *traces;         /* ex_trace.h */
    uint64_t             submit_timer; /* ms; next look at the queue, 0: none */
    bool                 submitting;
    bool                 trimmed;
    bool                 changed;        /* since the last housekeeping */
    bool                 quota_stale;    /* the directory has other limits */
    bool                 quota_look;     /* is the user to be warned? */
    uint64_t             purge_at;       /* ms; next look for what expires */
    bool                 searching;      /* a piece of ex_search.h waits */
    bool                 indexing;       /* a piece of ex_index.h */
    uint8_t              index_waits;    /* ticks in a row */
    uint64_t             index_commits;  /* of the mailbox, at the last tick */
    int                  index_stale;    /* atomic: the index is behind */

    ex_mailbox_t        *next;           /* in its hash chain */
};

ph_int_t ex_mailboxes_create(ex_t *ex, ex_mailboxes_t **mailboxes_r);
/* All stores are closed. */
void ex_mailboxes_destroy(ex_mailboxes_t **mailboxes);
/* Closes every store, then calls done. */
void ex_mailboxes_close_all(ex_t *ex, ph_work_pt done, void *data);

/*
 * Opens the mailbox, creates it when `create` and it does not exist.  The
 * callee refs what it keeps.  May answer from inside the call.  PH_NOTFOUND,
 * PH_BUSY (locked by another process), or the store's error.
 */
typedef void (*ex_mailbox_pt)(ph_int_t rc, ex_mailbox_t *mb, void *data);
void ex_mailbox_get(ex_t *ex, ex_facts_t *facts, bool create,
    ex_mailbox_pt fn, void *data);
/* An open one by address (any case), NULL when it is not open. */
ex_mailbox_t *ex_mailbox_find(ex_t *ex, ph_str_t address);
/* of an address, whose case does not matter: for tables of mailboxes */
uint32_t ex_address_hash(ph_str_t address);
void ex_mailbox_ref(ex_mailbox_t *mb);
void ex_mailbox_unref(ex_mailbox_t **mb);

/* Queues the job; mb must be open and referenced by the caller meanwhile. */
void ex_job_start(ex_mailbox_t *mb, ex_job_t *job);

/* Removes a mailbox that nobody uses any more; fn gets PH_OK or the error. */
void ex_mailbox_delete(ex_t *ex, ex_facts_t *facts,
    void (*fn)(ph_int_t rc, void *data), void *data);

/* Closes it when nobody uses it; PH_BUSY. */
ph_int_t ex_mailbox_unload(ex_mailbox_t *mb);
uint32_t ex_mailbox_count(const ex_t *ex);
/* Calls fn for each open mailbox. */
void ex_mailbox_each(ex_t *ex, void (*fn)(ex_mailbox_t *mb, void *data),
    void *data);

#endif
