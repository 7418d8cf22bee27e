/*
 * Logons to mailboxes that another worker of this node owns.
 *
 * The ROPs of such a logon are passed on: the session has one of its own in
 * that worker (op `emsmdb_attach`), a run of ROPs goes there as it came, with
 * handles translated (`emsmdb_piece`), and responses come back as they are.
 * Here stand proxies for the objects there.  Notifications come with the
 * pieces; while the client waits for some, we wait for them there.
 *
 * Everything runs on the loop.
 */

#ifndef EX_REMOTE_H
#define EX_REMOTE_H

#include "ex_execute.h"

#define EX_REMOTE_KEEP  (60 * 1000)    /* ms without use: we say we are there */

struct ex_remote_s {
    ex_remote_t   *next;          /* of the session */
    ex_session_t  *session;
    uint16_t       worker;
    bool           attached;
    bool           lost;          /* the session there is gone */
    bool           parked;        /* we wait there */
    bool           pending;       /* it has notifications */
    uint64_t       used;          /* ms */
    uint8_t        id[EX_SESSION_ID];
};

/* The proxy of an object there (kind EX_REMOTE). */
typedef struct {
    ex_object_t  o;
    uint32_t     there;           /* its handle in the other worker */
} ex_stub_t;

/* Runs items next .. stop there, then calls done. The remote of a Logon is
 * found or made by its worker.  What fails ends the session (x->lost). */
void ex_remote_run(ex_execute_t *x, ex_remote_t *r,
    void (*done)(ex_execute_t *x));
/* NULL: no memory */
ex_remote_t *ex_remote_get(ex_session_t *s, uint16_t worker);
/* One that has something to tell and was not asked in this request. */
ex_remote_t *ex_remote_pending(const ex_session_t *s);

/* The client waits: we wait at all workers. true: something is there. */
bool ex_remote_wait(ex_session_t *s, ph_str_t ticket);
/* Tells idle sessions elsewhere that ours is alive. */
void ex_remote_keep(ex_session_t *s, ph_str_t ticket);
/* The session ends; ticket may be empty (they expire there by themselves). */
void ex_remote_end(ex_session_t *s, ph_str_t ticket);

/* ex_route.c: a call to a neighbour, and a wait whose wake comes to us */
ph_int_t ex_route_call(ex_t *ex, uint16_t worker, uint16_t op,
    ph_str_t ticket, ph_str_t body, ph_wire_answer_pt answer, void *data);
uint64_t ex_route_park(ex_t *ex, ex_remote_t *r);
void ex_route_unpark(ex_t *ex, const ex_remote_t *r);
/* A wake for it; on the loop. */
void ex_remote_woken(ex_remote_t *r, uint8_t result);

/* ---- the other side ---- */

/* Notifications of this request as structures of the answer. */
ph_int_t ex_notify_list(ex_execute_t *x, store_conn_t *conn);

#endif
