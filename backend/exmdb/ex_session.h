/*
 * Session contexts of MAPI/HTTP clients (MS-OXCMAPIHTTP 3.1.5, 3.2.5): an id, a
 * sequence, objects, a queue of notifications, and at most one parked waiter.
 */

#ifndef EX_SESSION_H
#define EX_SESSION_H

#include "exmdb.h"
#include "ex_directory.h"
#include "ex_object.h"
#include "ex_notify.h"

#define EX_SESSION_MAGIC  0x53657373u
#define EX_SESSION_ID     16
#define EX_SESSION_GRACE  (60 * 1000)      /* ms after the time-out */
#define EX_CLIENT_NAME    64               /* bytes kept of what clients say */

struct ex_session_s {
    uint32_t         magic;
    bool             executing;     /* a thread owns the objects */
    bool             doomed;        /* goes when the request ends */
    bool             admin;         /* Connect with Flags 1, allowed */
    bool             overflow;      /* notifications were dropped */
    uint8_t          id[EX_SESSION_ID];
    uint8_t          sequence[EX_SESSION_ID];
    ex_t            *ex;
    ex_facts_t      *facts;         /* the user */
    uint32_t         rights;        /* of the ticket at Connect */
    uint32_t         lcid_sort;
    uint32_t         lcid_string;
    uint16_t         cpid;
    uint16_t         version[3];
    uint64_t         connected;     /* FILETIME */
    uint64_t         last;          /* ms; begin of the idle time */
    uint64_t         executes;
    uint64_t         busy_us;
    uint64_t         ics_bytes;     /* states of synchronizations */

    ex_handles_t     handles;
    ex_logon_t      *logons;
    ex_action_t     *actions;
    ex_action_t    **actions_tail;

    ex_note_t       *notes;         /* queue, loop thread */
    ex_note_t      **notes_tail;
    uint32_t         n_notes;

    ph_wire_conn_t  *wait_conn;     /* parked waiter */
    uint64_t         waiter;

    ex_session_t    *hash_next;
    ex_session_t    *older;         /* by last use */
    ex_session_t    *newer;
    ex_session_t    *wait_next;     /* parked on the same connection */
    ex_session_t   **wait_prev;

    ex_remote_t     *remotes;       /* logons in other workers */
    uint32_t         n_groups;      /* the user belongs to; changed between */
    ph_str_t        *groups;        /* requests alone; one malloc */
    uint32_t         groups_at;     /* generation of the directory, 0: never */
    uint32_t         redirects;     /* to other servers, since redirected */
    uint64_t         redirected;    /* ms */

    char            *client;        /* "address application", malloc */
};

ph_int_t ex_sessions_create(ex_t *ex, ex_sessions_t **sessions_r);
/* Ends all sessions. */
void ex_sessions_end(ex_t *ex);
void ex_sessions_destroy(ex_sessions_t **sessions);
/* The worker stops: parked clients are told to come again. */
void ex_sessions_stop(ex_t *ex);
/* Ends the sessions that are logged on to this mailbox. */
void ex_sessions_leave(ex_t *ex, const ex_mailbox_t *mb);
uint32_t ex_session_count(const ex_t *ex);
void ex_session_each(ex_t *ex, void (*fn)(ex_session_t *s, void *data),
    void *data);

/* A session of the user that facts are about, as Connect makes it.  NULL: no
 * memory. */
ex_session_t *ex_session_new(ex_t *ex, ex_facts_t *facts, uint32_t rights,
    const exmdb_emsmdb_connect_request_t *r);

/* worker number inside a session id */
uint16_t ex_session_worker(const uint8_t id[EX_SESSION_ID]);
/* NULL: unknown, or of another user */
ex_session_t *ex_session_find(ex_t *ex, const uint8_t id[EX_SESSION_ID],
    ph_str_t user);
/* Of whichever user; NULL. */
ex_session_t *ex_session_by_id(ex_t *ex, const uint8_t id[EX_SESSION_ID]);
/* Marks it as used now. */
void ex_session_touch(ex_session_t *s);
/* Ends it, at once or with the request that runs. */
void ex_session_end(ex_session_t *s, const char *why);

/* a connection of a frontend is gone; callback of ph_wire servers */
void ex_session_conn_closed(ph_wire_conn_t *conn, void *data);

/* ---- parked waiters (ex_wait.c) ---- */

/* Answers the parked waiter, if there is one: ec and EventPending. */
void ex_session_wake(ex_session_t *s, uint8_t result, uint32_t ec,
    uint8_t pending);
/* Takes the waiter away without a word. */
void ex_session_unpark(ex_session_t *s);

#endif
