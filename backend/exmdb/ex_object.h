/*
 * Objects behind the handles of a session (MS-OXCROPS 1.3.1): logons, folders,
 * messages, attachments, streams, tables, subscriptions.
 *
 * An object belongs to its session.  While a request of the session runs, its
 * thread owns them; otherwise the loop does.  What concerns other sessions or
 * the mailbox (references, subscriptions) is noted as an action and done on the
 * loop when the request ends.
 */

#ifndef EX_OBJECT_H
#define EX_OBJECT_H

#include "ex_mailbox.h"

#define EX_OBJECT_MAGIC   0x4F626A65u
#define EX_NO_HANDLE      0xFFFFFFFFu

typedef enum {
    EX_LOGON = 1,
    EX_FOLDER,
    EX_MESSAGE,
    EX_ATTACHMENT,
    EX_STREAM,
    EX_TABLE,
    EX_MEMORY_TABLE,       /* permissions, rules: rows made when read */
    EX_SUBSCRIPTION,
    EX_FX_SOURCE,          /* a FastTransfer download (ex_fx.h) */
    EX_FX_DEST,            /* an upload */
    EX_COLLECTOR,          /* a synchronization's uploads (ex_ics.h) */
    EX_REMOTE              /* one of another worker: ex_remote.h */
} ex_kind_t;

typedef struct ex_object_s  ex_object_t;
typedef struct ex_logon_s   ex_logon_t;
typedef struct ex_action_s  ex_action_t;
typedef struct ex_import_s  ex_import_t;      /* ex_ics.h */
typedef struct ex_per_user_s  ex_per_user_t;    /* rop_per_user.c */

struct ex_object_s {
    uint32_t       magic;
    uint16_t       refs;
    uint8_t        kind;
    uint8_t        logon_id;
    uint32_t       handle;
    ex_session_t  *session;
    ex_object_t   *parent;    /* kept alive by this one */
    ex_logon_t    *logon;     /* not referenced: it goes last */
};

struct ex_logon_s {
    ex_object_t    o;
    ex_logon_t    *next;      /* of the session */
    ex_mailbox_t  *mailbox;
    ex_facts_t    *owner;     /* the mailbox's facts; referenced by it */
    uint32_t       flags;     /* OpenFlags */
    bool           is_owner;
    bool           is_public;
    bool           spooler;
    uint8_t        delegate;  /* STORE_DELEGATE_* of the user */
    uint16_t       entryid_len;
    store_viewer_t viewer;    /* the user, for the store */
    uint8_t       *entryid;   /* of the user; malloc */
    ex_per_user_t *per_user;  /* being written */
    ex_remote_t   *remote;    /* where the mailbox is; NULL: here */
    uint32_t       there;     /* handle in that worker */
};

typedef struct {
    ex_object_t  o;
    uint64_t     fid;
    uint8_t      type;        /* STORE_FOLDER_* */
} ex_folder_t;

typedef struct {
    ex_object_t       o;
    store_message_t  *msg;
    uint64_t          fid;
    uint16_t          cpid;
    uint8_t           dead;    /* deleted by us while open */
    bool              made;    /* by CreateMessage on this handle */
    ex_import_t      *import;  /* uploaded by a synchronization, unsaved */
} ex_message_t;

typedef struct {
    ex_object_t      o;
    store_attach_t  *att;
    bool             writable;
} ex_attachment_t;

typedef struct ex_content_s  ex_content_t;    /* ex_stream.h */

typedef struct {
    ex_object_t    o;
    ex_content_t  *content;    /* shared with clones */
    uint64_t       pos;
    uint8_t        mode;       /* STORE_STREAM_* */
} ex_stream_t;

typedef struct {
    ex_object_t     o;
    store_table_t  *t;
    ex_sub_t       *sub;        /* NULL: nothing to tell */
    uint8_t         flags;      /* TableFlags */
    bool            hierarchy;
    bool            attachments;
    bool            search;
    bool            columns;    /* SetColumns succeeded */
    bool            conversation; /* of the mailbox, not of a folder */
    uint64_t        fid;
} ex_table_t;

typedef struct {
    ex_object_t  o;
    uint64_t     fid;
    uint8_t      flags;
    bool         rules;         /* rules of the folder, else permissions */
    uint32_t     pos;
    uint32_t     n_columns;
    uint32_t    *columns;       /* malloc */
    mapi_restriction_t *restriction;
    ph_pool_t   *pool;          /* of the restriction */
} ex_memory_table_t;

typedef struct {
    ex_object_t  o;
    ex_sub_t    *sub;
} ex_subscription_t;

/* ---- handles of a session ---- */

typedef struct {
    ex_object_t  *object;      /* NULL: free */
    uint16_t      generation;
} ex_slot_t;

typedef struct {
    uint32_t    n;             /* slots */
    uint32_t    used;
    uint32_t    hint;          /* no free slot below */
    ex_slot_t  *slots;         /* malloc */
} ex_handles_t;

/*
 * A new object of `size` bytes with a handle, child of parent (which may be
 * NULL); zeroed behind the common part.  NULL: no memory, or too many handles.
 */
void *ex_object_new(ex_session_t *session, ex_kind_t kind, size_t size,
    ex_object_t *parent, ex_logon_t *logon);
/* NULL: no such handle */
ex_object_t *ex_object_find(const ex_session_t *session, uint32_t handle);
/* Forgets the handle; the object goes when nothing below it is left. A logon
 * takes everything with it that was opened through it. */
void ex_object_release(ex_object_t *object);
void ex_per_user_free(ex_per_user_t **p);
/* all of a session */
void ex_objects_destroy(ex_session_t *session);
ex_logon_t *ex_logon_find(const ex_session_t *session, uint8_t logon_id);

/* ---- things to do on the loop ---- */

typedef enum {
    EX_ACT_MAILBOX_REF = 1,
    EX_ACT_MAILBOX_UNREF,
    EX_ACT_SUB_ADD,
    EX_ACT_SUB_DEL,
    EX_ACT_SUBMIT
} ex_action_type_t;

struct ex_action_s {
    ex_action_t       *next;
    ex_action_type_t   type;
    void              *what;
};

/* false: no memory */
bool ex_action_add(ex_session_t *session, ex_action_type_t type, void *what);
/* Loop thread: does what was noted.  With `lost` (the transaction failed)
 * nothing is added, only removed. */
void ex_actions_run(ex_session_t *session, bool lost);

#endif
