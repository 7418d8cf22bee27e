/* What the files about messages share. */

#ifndef STORE_MESSAGE_INT_H
#define STORE_MESSAGE_INT_H

#include "store_folder_int.h"

/* PR_MESSAGE_FLAGS */
#define MSGFLAG_READ         0x0001
#define MSGFLAG_UNMODIFIED   0x0002
#define MSGFLAG_SUBMITTED    0x0004
#define MSGFLAG_UNSENT       0x0008
#define MSGFLAG_HASATTACH    0x0010
#define MSGFLAG_FROMME       0x0020
#define MSGFLAG_ASSOCIATED   0x0040
#define MSGFLAG_RESEND       0x0080
#define MSGFLAG_RN_PENDING   0x0100
#define MSGFLAG_NRN_PENDING  0x0200
#define MSGFLAG_EVERREAD     0x0400

/* states of a row */
#define STORE_STATE_FAI      1
#define STORE_STATE_DELETED  2

typedef struct store_mdata_s  store_mdata_t;

typedef struct {
    uint32_t        num;
    store_bag_t     bag;
    store_mdata_t  *embedded;
} store_adata_t;

/* The content of a message, or of an embedded one. */
struct store_mdata_s {
    ph_pool_t         *pool;
    store_bag_t        bag;
    uint32_t           n_rcpts;
    uint32_t           cap_rcpts;
    mapi_recipient_t  *rcpt;           /* by row id */
    uint32_t           n_atts;
    uint32_t           cap_atts;
    store_adata_t    **att;            /* by number */
    uint32_t           next_attach;
};

void store_mdata_init(store_mdata_t *d, ph_pool_t *pool);
/* gives back files in tmp/ */
void store_mdata_clear(store_mdata_t *d);
ph_int_t store_mdata_copy(store_mdata_t *to, const store_mdata_t *from,
    unsigned depth);
ph_int_t store_adata_copy(store_adata_t *to, const store_adata_t *from,
    ph_pool_t *pool, unsigned depth);
/* packed columns -> data; the bytes must live as long */
ph_int_t store_mdata_unpack(store_mdata_t *d, ph_str_t props,
    ph_str_t recipients, ph_str_t attachments, unsigned depth);
ph_int_t store_mdata_pack_recipients(store_mdata_t *d, ph_wbuf_t *out);
ph_int_t store_mdata_pack_attachments(store_conn_t *conn, store_mdata_t *d,
    ph_wbuf_t *out, store_idlist_t *list, unsigned depth);
uint64_t store_mdata_size(const store_mdata_t *d, unsigned depth);
uint64_t store_adata_size(const store_adata_t *a, unsigned depth);
bool store_mdata_has_attach(const store_mdata_t *d);
/* content ids of values in memory are forgotten */
void store_mdata_forget(store_mdata_t *d, unsigned depth);
store_adata_t *store_mdata_attachment(const store_mdata_t *d, uint32_t num);
/* adds or replaces by number; takes the pointer */
ph_int_t store_mdata_put_attachment(store_mdata_t *d, store_adata_t *a);

/*
 * A message as properties: an open one, or a row of a table.
 */
typedef struct {
    store_conn_t          *conn;
    store_t               *store;
    store_message_fact_t   fact;
    bool                   embedded;
    bool                   read_only;   /* opened so */
    uint32_t               status;
    uint32_t               article;
    uint64_t               committed;
    uint64_t               deleted;
    ph_str_t               change_key;
    ph_str_t               pcl;
    ph_str_t               source_key;
    const store_bag_t     *bag;         /* one of these two */
    const store_pack_t    *pack;
} store_mctx_t;

/* PH_NOTFOUND: it has none */
ph_int_t store_mctx_get(store_mctx_t *ctx, uint32_t tag, size_t limit,
    ph_pool_t *pool, mapi_value_t *v_r);
typedef struct {
    const mapi_value_t  *v;
    mapi_value_t         own;      /* where v may point */
    bool                 external;
    uint64_t             content;
    store_blob_t        *blob;
    uint64_t             size;
} store_stored_t;
ph_int_t store_mctx_stored(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    store_stored_t *s_r);
/* PR_ACCESS for the viewer of the connection (store_viewer.c) */
uint32_t store_mctx_access(store_mctx_t *ctx, ph_pool_t *pool);
/* PR_SENSITIVITY is private */
bool store_mctx_private(store_mctx_t *ctx, ph_pool_t *pool);
/* the viewer's own read state; a writer in a transaction */
ph_int_t store_reader_put(store_conn_t *conn,
    const store_message_fact_t *fact, bool read, uint64_t cn);
const uint32_t *store_message_computed(uint32_t *n_r);
/* PR_BODY, PR_HTML, PR_RTF_COMPRESSED from another; PH_NOTFOUND */
ph_int_t store_body_make(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r);
bool store_body_is(uint32_t tag);
/* PR_NATIVE_BODY_INFO: 1 plain, 2 RTF, 3 HTML, 0 none */
int32_t store_body_native(store_mctx_t *ctx, ph_pool_t *pool);

ph_int_t store_message_stored(store_message_t *msg, uint32_t tag);
/* only the server sets it */
bool store_message_tag_fixed(uint32_t tag);
/* an unsaved one without a folder */
ph_int_t store_message_blank(store_conn_t *conn, const store_actor_t *actor,
    store_message_t **msg_r);

/* a row of the table message (MESSAGE_COLS) */
typedef struct {
    store_message_fact_t  fact;
    uint32_t              status;
    uint32_t              article;
    uint64_t              committed;
    uint64_t              deleted;
    uint32_t              next_attach;
    uint64_t              raw;
    ph_str_t              change_key;
    ph_str_t              pcl;
    ph_str_t              source_key;
    ph_str_t              props;
    ph_str_t              recipients;
    ph_str_t              attachments;
} store_mrow_t;
#define STORE_MESSAGE_COLS  20
/* what it points to lives until the next step */
void store_mrow(sqlite3_stmt *s, store_mrow_t *row_r);
void store_mrow_ctx(store_conn_t *conn, const store_mrow_t *row,
    const store_pack_t *pack, store_mctx_t *ctx_r);
/* PH_NOTFOUND unless it is in fid, or found by the search folder fid; 0: any */
ph_int_t store_message_in(store_conn_t *conn, const store_message_fact_t *f,
    uint64_t fid);
/* flags with the computed bits */
uint32_t store_shown_flags(uint32_t flags, bool associated);

/* what the last save changed, to take it back */
typedef struct {
    bool                  valid;
    bool                  is_new;
    bool                  dirty;
    uint64_t              base_cn;
    uint32_t              article;
    uint64_t              committed;
    store_message_fact_t  fact;
    ph_str_t              change_key;
    ph_str_t              pcl;
} store_unsaved_t;

struct store_message_s {
    uint32_t               magic;
    store_t               *store;
    ph_pool_t             *pool;
    store_message_fact_t   fact;
    store_mdata_t          data;
    bool                   is_new;
    bool                   writable;
    bool                   dirty;
    bool                   content_dirty;   /* body, recipients, attachments */
    bool                   mtime_set;       /* by the client */
    uint64_t               want_id;         /* that the client reserved */
    uint64_t               base_cn;
    uint32_t               status;
    uint32_t               article;
    uint64_t               committed;
    uint64_t               deleted;
    ph_str_t               change_key;
    ph_str_t               pcl;
    ph_str_t               source_key;
    uint64_t               raw;
    uint64_t               new_raw;         /* content put by the caller */
    uint32_t               n_changed;
    uint32_t               cap_changed;
    uint32_t              *changed;         /* tags, for the event */
    store_unsaved_t        unsaved;
    struct store_version_s *version;        /* of a client, for the next save */
    store_attach_t        *attaches;        /* open ones */
    store_attach_t        *parent;          /* embedded: where it is */
    store_message_t       *next;            /* embedded: another of the same */
    unsigned               depth;
};

struct store_attach_s {
    uint32_t          magic;
    store_message_t  *msg;
    ph_pool_t        *pool;
    store_adata_t     data;
    bool              is_new;
    bool              dirty;
    store_message_t  *embedded;     /* open ones */
    store_attach_t   *next;
};

void store_message_ctx(store_conn_t *conn, store_message_t *msg,
    store_mctx_t *ctx_r);
ph_int_t store_message_changed_tag(store_message_t *msg, uint32_t tag);

/* store_version.c: change key and predecessor list of msg->version */
ph_int_t store_message_apply_version(store_message_t *msg, ph_pool_t *pool,
    ph_str_t *change_key_r, ph_str_t *pcl_r);

/* store_derive.c */
/* PR_SUBJECT -> prefix and rest; prefix hint may be empty */
void store_subject_split(ph_str_t subject, ph_str_t hint, ph_str_t *prefix_r,
    ph_str_t *rest_r);
ph_int_t store_derive(store_conn_t *conn, store_message_t *msg,
    const store_actor_t *actor);
/* what indices need */
typedef struct {
    uint64_t  received;
    uint64_t  modified;
    ph_str_t  subject_key;
    ph_str_t  sender_key;
    ph_str_t  conversation;
} store_hot_t;
ph_int_t store_hot(const store_bag_t *bag, ph_pool_t *pool,
    store_hot_t *hot_r);

/* a value set by a client -> the bag; large ones go to a file in tmp/ */
ph_int_t store_slot_set(store_t *store, store_bag_t *bag,
    const mapi_value_t *v);
/* may a client store a value of this type? */
bool store_storable(uint16_t type);

/* one value of a bag as asked */
ph_int_t store_bag_answer(store_conn_t *conn, const store_bag_t *bag,
    uint32_t tag, size_t limit, ph_pool_t *pool, mapi_value_t *v_r);
/* attachment's properties, also for tables */
ph_int_t store_adata_get(store_conn_t *conn, const store_adata_t *a,
    uint32_t tag, size_t limit, ph_pool_t *pool, mapi_value_t *v_r);
/* any recipient or attachment of packed columns that matches */
ph_int_t store_sub_match(store_conn_t *conn, uint32_t tag,
    ph_str_t recipients, ph_str_t attachments, ph_pool_t *pool,
    const mapi_restriction_t *r, bool *match_r);

#endif
