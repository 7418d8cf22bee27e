/*
 * Doors: operations about one mailbox that are not ROPs.  An operation is a
 * function that runs in a job of the mailbox; decoding, finding the mailbox and
 * answering are the same for all of them.
 */

#ifndef EX_DOOR_H
#define EX_DOOR_H

#include "ex_mailbox.h"

typedef struct ex_door_s  ex_door_t;

struct ex_door_s {
    ex_job_t       job;         /* first */
    ex_call_t     *call;
    ph_pool_t     *pool;        /* of the call */
    void          *request;     /* decoded; begins with the mailbox */
    ph_str_t       answer;      /* encoded by run() */
    ex_mailbox_t  *mailbox;     /* while the job runs */
    ph_int_t     (*run)(ex_door_t *d, store_conn_t *conn);
    /* instead of the answer, when not NULL; must reply or run again */
    void         (*done)(ex_door_t *d);
    bool           alone;
    uint64_t       commits;     /* of the mailbox, before run() */
    uint64_t       deadline;    /* ms; of one who waits */
    bool           found;       /* there is something to tell */
    void          *data;        /* of the operation */
    ph_int_t       rc;
};

/*
 * Decodes the call's body and starts run() in the mailbox: as a writer when
 * the operation's description says `write`, else as a reader.  Every failure is
 * answered here.  NULL: it has been.
 */
ex_door_t *ex_door_open(ex_call_t *call,
    ph_int_t (*run)(ex_door_t *d, store_conn_t *conn));
void ex_door_start(ex_door_t *d);
/* both */
void ex_door_run(ex_call_t *call,
    ph_int_t (*run)(ex_door_t *d, store_conn_t *conn));

/* ids of the wire as the store's, in pool; NULL: no memory */
uint64_t *ex_door_ids(ph_pool_t *pool, uint32_t n, const mapi_eid_t *eids);

/* ---- who waits for a change (ex_follow.c) ---- */
ph_int_t ex_follows_create(ex_t *ex, ex_follows_t **follows_r);
/* No timer is left behind; who waits is answered. */
void ex_follows_destroy(ex_follows_t **follows);
/* Everybody who waits is answered now: the worker stops. */
void ex_follows_stop(ex_t *ex);
/* Something was committed in the mailbox. */
void ex_follow_changed(ex_mailbox_t *mb);

#endif
