/*
 * Folders (MS-OXCFOLD).  A folder has no working copy: every call is at once in
 * the transaction.  Counters (total, unread, associated, sizes) are columns
 * kept in the transaction, never counted.
 */

#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "store_env.h"
#include "store_props.h"

#define STORE_FOLDER_NAME_MAX   255     /* characters (UTF-16 units) */
#define STORE_FOLDER_DEPTH_MAX  64

/* PR_FOLDER_TYPE */
enum {
    STORE_FOLDER_ROOT = 0, STORE_FOLDER_GENERIC = 1, STORE_FOLDER_SEARCH = 2
};

typedef struct {
    uint64_t  id;
    uint64_t  parent;           /* 0: root */
    uint8_t   type;
    bool      deleted;          /* soft */
    bool      has_rules;
    bool      has_children;
    uint64_t  cn;
    uint64_t  hier_cn;          /* last change below */
    uint32_t  total;            /* live normal messages */
    uint32_t  unread;
    uint32_t  associated;
    uint32_t  deleted_total;    /* soft-deleted normal messages */
    uint32_t  deleted_associated;
    uint64_t  size;             /* live, normal */
    uint64_t  associated_size;
    uint64_t  deleted_size;
    uint64_t  content_version;  /* grows with each change of its messages */
    ph_str_t  name;             /* in pool */
} store_folder_t;

/* Facts of a folder.  Soft-deleted ones too (see deleted).  PH_NOTFOUND. */
ph_int_t store_folder_find(store_conn_t *conn, ph_pool_t *pool, uint64_t fid,
    store_folder_t *folder_r);
/* The live child of that name, by the rule of unique names. PH_NOTFOUND. */
ph_int_t store_folder_by_name(store_conn_t *conn, uint64_t parent,
    ph_str_t name, uint64_t *fid_r);
/* Is `fid` the folder `ancestor` or below it? *yes_r */
ph_int_t store_folder_is_below(store_conn_t *conn, uint64_t fid,
    uint64_t ancestor, bool *yes_r);

typedef struct {
    uint64_t       parent;
    uint8_t        type;
    ph_str_t       name;        /* UTF-8, 1..255 characters */
    ph_str_t       comment;
    ph_str_t       container_class;   /* empty: that of the parent, IPF.Note */
    bool           open_existing;
    uint64_t       id; /* 0: a new one; else an id the client reserved */
    store_actor_t  actor;
} store_folder_new_t;

/*
 * PH_EXISTS: the name is taken by a live sibling (with open_existing it is
 * opened instead: PH_OK, *existed_r).  PH_NOTFOUND: no parent; PH_INVALID:
 * name, type or id; PH_TOOBIG: too deep.  Permission rows are copied from the
 * parent.
 */
ph_int_t store_folder_create(store_conn_t *conn, const store_folder_new_t *f,
    uint64_t *fid_r, bool *existed_r);

/* flags of store_folder_delete and store_folder_empty */
#define STORE_DEL_MESSAGES    0x01
#define STORE_DEL_FOLDERS     0x04
#define STORE_DEL_HARD        0x10
#define STORE_DEL_ASSOCIATED  0x20      /* empty: FAI messages too */

/*
 * Deletes a folder (MS-OXCFOLD 2.2.1.3).  Without STORE_DEL_MESSAGES or
 * _FOLDERS a folder that has some stays, and *partial_r is set.  Soft by
 * default: the folder is marked, with all below it.  PH_NOTFOUND; PH_DENIED: a
 * built-in folder; PH_INVALID: root.
 */
ph_int_t store_folder_delete(store_conn_t *conn, uint64_t fid, unsigned flags,
    bool *partial_r);
/* Removes messages and subfolders (RopEmptyFolder and the hard one). */
ph_int_t store_folder_empty(store_conn_t *conn, uint64_t fid, unsigned flags,
    bool *partial_r);

/*
 * Moves fid below `parent` (the same parent: renames).  PH_EXISTS: name taken;
 * PH_CONFLICT: into itself or below; PH_DENIED: built-in; PH_NOTFOUND.
 */
ph_int_t store_folder_move(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name);
/* Copies with messages, and with subfolders when recursive. */
ph_int_t store_folder_copy(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name, bool recursive, const store_actor_t *actor,
    uint64_t *fid_r);

/* Properties: stored and computed (MS-OXCFOLD 2.2.2). */
ph_int_t store_folder_get(store_conn_t *conn, uint64_t fid,
    const mapi_tags_t *tags, size_t limit, ph_pool_t *pool,
    mapi_values_t *values_r);
ph_int_t store_folder_tags(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    mapi_tags_t *tags_r);
/*
 * PR_DISPLAY_NAME renames (PH_EXISTS when taken).  replicate false: the change
 * number stays (the NoReplicate ROPs).
 */
ph_int_t store_folder_set(store_conn_t *conn, uint64_t fid,
    const mapi_values_t *values, bool replicate, ph_pool_t *pool,
    store_problems_t *problems_r);
ph_int_t store_folder_remove(store_conn_t *conn, uint64_t fid,
    const mapi_tags_t *tags, bool replicate, ph_pool_t *pool,
    store_problems_t *problems_r);

/*
 * Walks folders: the live (or soft-deleted) children of fid, or all below it
 * when depth; in name order.  fn returns PH_OK, or PH_DONE to stop.
 */
typedef ph_int_t (*store_folder_pt)(void *data, const store_folder_t *folder,
    unsigned depth);
ph_int_t store_folder_walk(store_conn_t *conn, uint64_t fid, bool depth,
    bool deleted, store_folder_pt fn, void *data);

/* Sizes and counts of the whole store, from one row. */
typedef struct {
    uint64_t  size;               /* everything, live */
    uint64_t  normal_size;
    uint64_t  associated_size;
    uint64_t  deleted_size;
    uint32_t  total;
    uint32_t  associated;
    uint32_t  deleted;
} store_totals_t;
ph_int_t store_totals(store_conn_t *conn, store_totals_t *totals_r);

#endif
