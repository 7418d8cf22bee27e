/*
 * Incremental change synchronization (MS-OXCFXICS 3.2.5).
 *
 * A client keeps what it has as four sets: ids (given) and the change numbers
 * of normal messages or folders (seen), of FAI messages, and of read states.
 * The server keeps nothing: what is missing in the sets is what is told.
 *
 * What makes that cheap: the change numbers of the store grow, so that all up
 * to the one at the begin of a download are seen when it ends, as one range.
 * Change numbers 1 and 2 belong to folders that are older than any message; a
 * set that begins with 1 says moreover that every deletion up to the end of its
 * first range was told, so that the next ones are in the log behind it.  A set
 * without 1 makes the server compare ids.
 */

#ifndef EX_ICS_H
#define EX_ICS_H

#include "ex_fx.h"
#include "mapi/mapi_idset.h"

/* SynchronizationFlags (2.2.3.2.1.1.1) */
#define EX_SYNC_UNICODE         0x0001
#define EX_SYNC_NO_DELETIONS    0x0002
#define EX_SYNC_KEEP_SCOPE      0x0004   /* IgnoreNoLongerInScope */
#define EX_SYNC_READ_STATE      0x0008
#define EX_SYNC_FAI             0x0010
#define EX_SYNC_NORMAL          0x0020
#define EX_SYNC_ONLY            0x0080   /* OnlySpecifiedProperties */
#define EX_SYNC_NO_FOREIGN      0x0100
#define EX_SYNC_RESERVED        0x1000
#define EX_SYNC_BEST_BODY       0x2000
#define EX_SYNC_ALL_OF_FAI      0x4000   /* IgnoreSpecifiedOnFAI */
#define EX_SYNC_PROGRESS        0x8000
/* SynchronizationExtraFlags */
#define EX_SYNC_EID             0x01
#define EX_SYNC_SIZE            0x02
#define EX_SYNC_CN              0x04
#define EX_SYNC_BY_TIME         0x08

#define EX_ICS_STATE_BYTES      (8u << 20)    /* of one uploaded property */
#define EX_ICS_SESSION_BYTES    (64u << 20)   /* of all states of a session */

typedef struct {
    mapi_idset_t  given;
    mapi_idset_t  seen;
    mapi_idset_t  fai;
    mapi_idset_t  read;
} ex_ics_state_t;

void ex_ics_state_free(ex_ics_state_t *s);
ph_int_t ex_ics_state_copy(ex_ics_state_t *to, const ex_ics_state_t *from);

/* What downloads and collectors have in common. */
typedef struct {
    uint64_t        fid;
    bool            contents;     /* else the hierarchy below fid */
    ex_ics_state_t  state;        /* as uploaded; a collector adds to it */
    uint32_t        tag;          /* of the state stream that is open; 0 */
    ph_pool_t      *pool;         /* of that stream */
    ph_wbuf_t       stream;
    uint64_t        charged;      /* bytes, in the session's account */
} ex_ics_t;

void ex_ics_close(ex_session_t *session, ex_ics_t *ics);
/* The upload of one property; MAPI errors. */
uint32_t ex_ics_upload_begin(ex_ics_t *ics, uint32_t tag);
uint32_t ex_ics_upload_more(ex_ics_t *ics, ph_str_t bytes);
uint32_t ex_ics_upload_end(ex_rop_t *rop, ex_ics_t *ics);

/* The part of a set that is of the store's own replica; an empty set when there
 * is none.  _make: NULL without memory. */
const mapi_globset_t *ex_ics_own(ex_rop_t *rop, mapi_idset_t *s);
mapi_globset_t *ex_ics_own_make(ex_rop_t *rop, mapi_idset_t *s);
/* Up to which change number deletions were told; 0: nobody knows. */
uint64_t ex_ics_told(const mapi_globset_t *seen);

/*
 * The set of change numbers at the end: what it was, and all up to `upto`
 * without those in `without` (may be NULL).  told: deletions too.
 */
ph_int_t ex_ics_seen(ex_rop_t *rop, mapi_idset_t *s, uint64_t upto,
    const mapi_globset_t *without, bool told);

/* Elements of a stream. */
ph_int_t ex_ics_put_set(ex_rop_t *rop, ex_fx_out_t *out, uint32_t tag,
    const mapi_idset_t *s, mapi_idset_form_t form);
/* a set of own ids in REPLID form; nothing when it is empty */
ph_int_t ex_ics_put_ids(ex_rop_t *rop, ex_fx_out_t *out, uint32_t tag,
    const mapi_globset_t *ids);
/* IncrSyncStateBegin ... IncrSyncStateEnd */
ph_int_t ex_ics_put_state(ex_rop_t *rop, ex_fx_out_t *out,
    const ex_ics_state_t *s, bool contents, bool given);

/* ---- downloads ---- */

typedef struct {
    uint64_t  time;
    uint64_t  id;
} ex_ics_item_t;

#define EX_ICS_BATCH  64

typedef struct {
    ex_fx_source_t       src;          /* first */
    ex_ics_t             ics;
    ex_ics_state_t       final;        /* when src.done */
    ph_pool_t           *pool;         /* of what Configure gave */
    uint8_t              send;
    uint16_t             flags;
    uint32_t             extra;
    mapi_restriction_t  *restriction;  /* NULL: none */
    store_table_t       *table[2];     /* normal, FAI; with the restriction */
    mapi_tags_t          tags;
    ex_fx_what_t         what;

    unsigned             phase;
    uint64_t             upto;         /* change number of the begin */
    uint64_t             at;           /* the last one looked at */
    bool                 walked;       /* no more rows behind `at` */
    bool                 told;         /* the client knows all deletions */
    uint32_t             n;            /* rows */
    uint32_t             i;
    store_sync_row_t     row[EX_ICS_BATCH];
    uint32_t             n_items;      /* listed: by time, or for progress */
    uint32_t             cap_items;
    uint32_t             item;
    ex_ics_item_t       *items;        /* malloc */
    bool                 listed;
    mapi_globset_t       sent;         /* ids */
    mapi_globset_t       out;          /* ids that do not match */
    mapi_globset_t       out_cn;       /* and their change numbers */
    uint64_t             last_id;      /* told last */
    uint64_t             last_cn;
    store_message_t     *conflict;     /* its versions are told, one by one */
    store_attach_t      *version;      /* the one that is told */
    store_sync_row_t     conflict_row;
    uint32_t             n_versions;
    uint32_t             next_version;
    uint32_t            *versions;     /* attachments; malloc */
    mapi_tags_t          version_tags; /* without the versions' own flags */
} ex_ics_download_t;

/* NULL: not a synchronization's */
ex_ics_download_t *ex_ics_download(ex_object_t *o);
extern const uint8_t  ex_ics_download_id;

/* Makers of the two streams (ex_fx_producer_t.next). */
ph_int_t ex_ics_contents_next(ex_rop_t *rop, ex_fx_out_t *out, void *data);
ph_int_t ex_ics_contents_recover(ex_rop_t *rop, ex_fx_out_t *out, void *data);
/* messageChangeHeader; v: key, list and time of a version, NULL: msg's own */
ph_int_t ex_ics_put_header(ex_rop_t *rop, ex_ics_download_t *d,
    ex_fx_out_t *out, const store_sync_row_t *row, store_message_t *msg,
    const mapi_values_t *v);
/*
 * A message in conflict is told as its versions, each a change (3.1.5.6.2.1).
 * _begin takes msg over when it has versions: PH_OK; else PH_NOTFOUND.
 * _version: the next one; PH_DONE.
 */
ph_int_t ex_ics_versions_begin(ex_rop_t *rop, ex_ics_download_t *d,
    const store_sync_row_t *row, store_message_t *msg);
ph_int_t ex_ics_version(ex_rop_t *rop, ex_ics_download_t *d,
    ex_fx_out_t *out);
void ex_ics_versions_end(ex_ics_download_t *d);
ph_int_t ex_ics_hierarchy_next(ex_rop_t *rop, ex_fx_out_t *out, void *data);

/* ---- uploads ---- */

typedef struct {
    ex_object_t  o;
    ex_ics_t     ics;
} ex_collector_t;

/* What a collector's message is until it is saved (ex_message_t.import). */
struct ex_import_s {
    ph_pool_t        *pool;
    ex_collector_t   *collector;     /* the message's parent: stays alive */
    store_version_t   version;       /* what the client says */
    bool              fail;          /* on conflict */
};

/* NULL when the input is not one of that kind */
ex_collector_t *ex_rop_collector(const ex_rop_t *rop, bool contents);
/* PR_SOURCE_KEY, time, change key, predecessor list: these four, in order.
 * False: others, or no keys; *version_r points into them, its list is sorted.
 */
bool rop_import_version(ex_rop_t *rop, const mapi_value_t *v,
    store_version_t *version_r);
/* RopSaveChangesMessage on an imported message (3.2.5.9.4.2). */
uint32_t ex_import_save(ex_rop_t *rop, ex_message_t *m,
    const store_actor_t *actor);
void ex_import_free(ex_import_t **import);

/* ---- conflicts (3.1.5.6.2) ---- */

#define EX_STATUS_IN_CONFLICT  0x0800     /* in PR_MSG_STATUS */

/* Does the client's version win against the server's? */
bool ex_ics_wins(const store_version_t *client, const store_version_t *server,
    bool folder);
/*
 * The client's version of a message, m->msg, and that of the server, which do
 * not know of each other, become one; it is saved.
 */
uint32_t ex_ics_resolve(ex_rop_t *rop, ex_message_t *m,
    store_message_t *server, const store_version_t *version,
    const store_actor_t *actor);

#endif
