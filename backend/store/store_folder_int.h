/* What the files about folders and messages share. */

#ifndef STORE_FOLDER_INT_H
#define STORE_FOLDER_INT_H

#include "store_int.h"

#define STORE_FOLDER_COLS  26    /* of SQL_FOLDER and its kin */

void store_folder_row(sqlite3_stmt *s, store_folder_t *f);
/* Everything in the row; what it points to lives until the next step. */
typedef struct {
    store_folder_t  f;
    unsigned        depth;
    uint64_t        created;
    uint64_t        modified;
    uint64_t        committed;
    uint32_t        article;
    ph_str_t        change_key;
    ph_str_t        pcl;
    ph_str_t        source_key;
    store_pack_t    props;
} store_frow_t;
ph_int_t store_frow(sqlite3_stmt *s, store_frow_t *row_r);
/* one property of the row; PH_NOTFOUND when it has none */
ph_int_t store_frow_get(store_conn_t *conn, const store_frow_t *row,
    uint32_t tag, size_t limit, ph_pool_t *pool, mapi_value_t *v_r);
/* tags of the properties that every folder has */
const uint32_t *store_folder_computed(uint32_t *n_r);

/* a new change number, change key and predecessor list */
ph_int_t store_folder_changed(store_conn_t *conn, uint64_t fid,
    uint64_t *cn_r);

bool store_folder_tag_fixed(uint32_t tag);
/* streams on folders: the stored value, and setting it */
ph_int_t store_folder_slot(store_conn_t *conn, uint64_t fid, uint32_t tag,
    store_packed_t *v_r, ph_pool_t *pool);
ph_int_t store_folder_set_blob(store_conn_t *conn, uint64_t fid,
    uint32_t tag, store_blob_t *blob);

/* for good: messages of the states {a, b}, with their content */
ph_int_t store_messages_wipe(store_conn_t *conn, uint64_t fid, int a, int b);
/* all folders below, for good */
ph_int_t store_folder_wipe(store_conn_t *conn, uint64_t fid);

/* PH_NOTFOUND also when soft-deleted; no name */
ph_int_t store_folder_live(store_conn_t *conn, uint64_t fid,
    store_folder_t *folder_r);
bool store_folder_name_valid(ph_str_t name);
/* levels above and with fid; PH_TOOBIG */
ph_int_t store_folder_depth(store_conn_t *conn, uint64_t fid,
    unsigned *depth_r);
/* a child was added (1), removed (-1) or changed (0) */
ph_int_t store_folder_touch_parent(store_conn_t *conn, uint64_t parent,
    uint64_t cn, int children);

/* What an operation changes in the counters of a folder and of the store. */
typedef struct {
    int64_t  total;
    int64_t  unread;
    int64_t  associated;
    int64_t  deleted_total;
    int64_t  deleted_associated;
    int64_t  size;
    int64_t  associated_size;
    int64_t  deleted_size;
} store_delta_t;
ph_int_t store_delta_apply(store_conn_t *conn, uint64_t fid,
    const store_delta_t *d);

#endif
