/*
 * Notifications (MS-OXCNOTIF): subscriptions of sessions on a mailbox, the
 * queue of a session, and their form in answers.  Subscriptions and queues
 * belong to the loop.
 */

#ifndef EX_NOTIFY_H
#define EX_NOTIFY_H

#include "ex_mailbox.h"

#define EX_NOTIFY_TABLE     0x0100      /* bits of NotificationType */
#define EX_NOTIFY_EXTENDED  0x0400
#define EX_NOTIFY_T         0x1000
#define EX_NOTIFY_U         0x2000
#define EX_NOTIFY_S         0x4000
#define EX_NOTIFY_M         0x8000

enum {
    EX_TABLE_CHANGED = 1,
    EX_ROW_ADDED = 3,
    EX_ROW_DELETED = 4,
    EX_ROW_MODIFIED = 5
};

typedef struct ex_note_s  ex_note_t;

struct ex_sub_s {
    ex_sub_t       *next;           /* of the mailbox */
    ex_sub_t      **prev;           /* NULL: not linked */
    ex_mailbox_t   *mailbox;
    ex_session_t   *session;
    uint32_t        handle;
    uint8_t         logon_id;
    bool            whole;
    bool            table;
    bool            hierarchy;
    bool            depth;
    bool            associated;
    bool            search;         /* the rows of a search folder */
    bool            deleted;        /* soft-deleted items */
    bool            suppress;       /* not what the session does itself */
    uint16_t        types;
    uint64_t        fid;
    uint64_t        mid;
    uint64_t        seq;            /* events seen when the table was read */
};

/* Beyond this many row events for one table it is told to reload. */
#define EX_TABLE_ROWS_MAX  10

/* NotificationData, shared by the sessions that get it (refs is atomic) */
typedef struct {
    uint32_t  refs;
    uint32_t  len;
    uint8_t   data[];
} ex_note_data_t;

struct ex_note_s {
    ex_note_t       *next;
    ex_note_data_t  *data;          /* NULL: a table event */
    uint32_t         handle;
    uint8_t          logon_id;
    bool             is_message;
    uint64_t         folder;        /* whose rights decide who is told */
    uint8_t          event;         /* EX_TABLE_CHANGED ... */
    uint64_t         fid;           /* of the row */
    uint64_t         mid;
};

/* A committed transaction's events reach the subscriptions (loop). */
void ex_notify_events(ex_mailbox_t *mb, const store_events_t *events);
void ex_sub_link(ex_sub_t *sub);
/* Unlinks, drops what is queued for it, frees it. */
void ex_sub_free(ex_sub_t *sub);

void ex_note_free(ex_note_t *note);

/* The queue of a session, at the begin and the end of a request. */
ex_note_t *ex_notes_take(ex_session_t *s);
void ex_notes_give_back(ex_session_t *s, ex_note_t *list);

/*
 * NotificationData of an event as rops.md section 11 has it, malloc'd.  NULL:
 * no memory, or nothing to tell.
 */
ex_note_data_t *ex_note_encode(const store_event_t *ev);

#endif
