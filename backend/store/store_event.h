/*
 * What a transaction changed, for notifications (MS-OXCNOTIF 2.2.1.1) and for
 * caches.  Collected while the transaction runs, handed out by store_commit().
 */

#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"
#include "mapi/mapi.h"

typedef enum {
    STORE_EV_NEW_MAIL = 0x0002,      /* the bits of NotificationType */
    STORE_EV_CREATED  = 0x0004,
    STORE_EV_DELETED  = 0x0008,
    STORE_EV_MODIFIED = 0x0010,
    STORE_EV_MOVED    = 0x0020,
    STORE_EV_COPIED   = 0x0040,
    STORE_EV_SEARCH_COMPLETE = 0x0080   /* folder: the search folder */
} store_event_type_t;

typedef struct {
    store_event_type_t  type;
    bool                is_message;   /* else a folder */
    bool                associated;   /* an FAI message */
    bool                soft;         /* DELETED: into the dumpster */
    bool                has_counters; /* MODIFIED of a folder: total, unread */
    uint64_t            folder;       /* of the message, or the folder itself */
    uint64_t            message;
    uint64_t            parent;       /* of a folder */
    uint64_t            search;       /* the search folder that a message
                                         came into (CREATED), left (DELETED)
                                         or changed in; 0: no such event.
                                         message 0: its rows are others now */
    uint64_t            old_folder;   /* MOVED, COPIED */
    uint64_t            old_message;
    uint64_t            old_parent;
    uint64_t            origin;       /* of store_conn_set_origin() */
    uint64_t            cn;           /* change number of the object, 0: none */
    uint32_t            total;
    uint32_t            unread;
    uint32_t            message_flags;  /* NEW_MAIL, CREATED */
    ph_str_t            message_class;  /* NEW_MAIL; UTF-8 */
    mapi_tags_t         tags;         /* CREATED, MODIFIED: what was changed;
                                         n 0: anything may have */
} store_event_t;

typedef struct {
    ph_pool_t      *pool;
    uint32_t        n;
    store_event_t  *ev;
} store_events_t;

/* Sets *events to NULL; NULL is allowed. */
void store_events_free(store_events_t **events);

#endif
