/*
 * The store object, named properties, replicas and ids, receive folders,
 * permissions, the submit queue, configuration.
 */

#ifndef STORE_MISC_H
#define STORE_MISC_H

#include "store_env.h"
#include "store_props.h"

/* ---- properties of the store object (MS-OXCSTOR 2.2.2.1) ---- */
ph_int_t store_get(store_conn_t *conn, const mapi_tags_t *tags, size_t limit,
    ph_pool_t *pool, mapi_values_t *values_r);
ph_int_t store_tags(store_conn_t *conn, ph_pool_t *pool, mapi_tags_t *tags_r);
ph_int_t store_set(store_conn_t *conn, const mapi_values_t *values,
    ph_pool_t *pool, store_problems_t *problems_r);
ph_int_t store_remove_props(store_conn_t *conn, const mapi_tags_t *tags,
    ph_pool_t *pool, store_problems_t *problems_r);

/* ---- named properties (MS-OXCPRPT 3.2.5.9) ---- */
#define STORE_NAMED_MAX  32767

/*
 * The id of each name, 0 when it has none.  create: registers what is missing
 * (writer).  PS_MAPI names are their LID; names in PS_INTERNET_HEADERS are
 * folded to lower case.  PH_TOOBIG: too many; nothing was registered then.
 */
ph_int_t store_named_ids(store_conn_t *conn, bool create, uint32_t n,
    const mapi_propname_t *names, uint16_t *ids_r);
/* kind 0xFF for ids without a name; ids below 0x8000 are PS_MAPI. In pool. */
ph_int_t store_named_names(store_conn_t *conn, uint32_t n,
    const uint16_t *ids, ph_pool_t *pool, mapi_propname_t *names_r);
/* All that are registered, by id; guid NULL: of all property sets. */
ph_int_t store_named_all(store_conn_t *conn, const mapi_guid_t *guid,
    ph_pool_t *pool, mapi_names_t *names_r);
/* Is the id registered (cheap, cached)? */
ph_int_t store_named_known(store_conn_t *conn, uint16_t id, bool *yes_r);

/* ---- replicas and ids (MS-OXCSTOR 2.2.1.8, MS-OXCFXICS 3.2.5.2) ---- */
#define STORE_REPLICAS_MAX  32768

/* PH_NOTFOUND */
ph_int_t store_replica_guid(store_conn_t *conn, uint16_t replid,
    mapi_guid_t *guid_r);
/* create: gives an unknown GUID a number (writer).  PH_NOTFOUND; PH_TOOBIG. */
ph_int_t store_replica_id(store_conn_t *conn, const mapi_guid_t *guid,
    bool create, uint16_t *replid_r);
/* {u16 replid, guid}[] for PidTagSerializedReplidGuidMap */
ph_int_t store_replica_map(store_conn_t *conn, ph_pool_t *pool,
    ph_str_t *blob_r);
/* Reserves n ids for a client; they are first_r .. first_r + n - 1. */
ph_int_t store_reserve_ids(store_conn_t *conn, uint32_t n,
    uint64_t *first_r);

/* ---- receive folders (MS-OXCSTOR 3.2.5.2) ---- */
typedef struct {
    ph_str_t  message_class;
    uint64_t  folder;
    uint64_t  modified;        /* FILETIME */
} store_receive_t;

/* The longest class that is the one asked or a prefix of it ending at a dot. */
ph_int_t store_receive_find(store_conn_t *conn, ph_str_t message_class,
    ph_pool_t *pool, store_receive_t *receive_r);
/* fid 0 removes.  PH_INVALID: class; PH_DENIED: "IPM", "REPORT.IPM";
 * PH_ERROR is not used: removing "" is PH_INVALID; PH_NOTFOUND: folder. */
ph_int_t store_receive_set(store_conn_t *conn, ph_str_t message_class,
    uint64_t fid);
ph_int_t store_receive_all(store_conn_t *conn, ph_pool_t *pool,
    uint32_t *n_r, store_receive_t **rows_r);
/* MS-OXCSTOR 2.2.1.2: printable ASCII, at most 255 with NUL, dots well
 * placed */
bool store_class_valid(ph_str_t message_class);

/* ---- permissions (MS-OXCPERM); enforcement is the caller's ---- */
#define STORE_MEMBER_DEFAULT    0
#define STORE_MEMBER_ANONYMOUS  INT64_MAX

typedef struct {
    int64_t   member;       /* see above; else stable in this store */
    ph_str_t  address;      /* lower case; empty for the two above */
    ph_str_t  name;
    uint32_t  rights;
} store_permission_t;

/* default first, then anonymous, then members */
ph_int_t store_permissions(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    uint32_t *n_r, store_permission_t **rows_r);
/* Sets by address (empty: by member, one of the two constants); 0 rights stay a
 * row. *member_r may be NULL. */
ph_int_t store_permission_set(store_conn_t *conn, uint64_t fid,
    const store_permission_t *p, int64_t *member_r);
/* The stored rows; fn must not use the connection.  address "" is the default,
 * "*" anonymous, else lower case. */
ph_int_t store_permission_each(store_conn_t *conn, uint64_t fid,
    void (*fn)(void *data, ph_str_t address, uint32_t rights), void *data);
/* All rights that these addresses, or everybody, have on any folder. */
ph_int_t store_permission_any(store_conn_t *conn, ph_str_t user,
    uint32_t n_groups, const ph_str_t *groups, uint32_t *rights_r);
ph_int_t store_permission_remove(store_conn_t *conn, uint64_t fid,
    int64_t member);

/* ---- the submit queue (its logic is exmdb's) ---- */
typedef struct {
    uint64_t  message;
    uint64_t  folder;        /* where it was submitted */
    uint64_t  submitted;     /* FILETIME */
    uint64_t  due;           /* not before; FILETIME, 0: at once */
    uint32_t  attempts;
    uint32_t  state;         /* of the owner of the queue */
    ph_str_t  data;          /* of the owner of the queue; in pool */
} store_submit_t;

/* Adds or replaces by message. */
ph_int_t store_submit_put(store_conn_t *conn, const store_submit_t *s);
/* PH_NOTFOUND */
ph_int_t store_submit_find(store_conn_t *conn, uint64_t mid, ph_pool_t *pool,
    store_submit_t *s_r);
ph_int_t store_submit_remove(store_conn_t *conn, uint64_t mid);
/* Rows due until `now`, oldest first, at most max; *next_r: when the next one
 * after these is due (0: none). */
ph_int_t store_submit_due(store_conn_t *conn, uint64_t now, uint32_t max,
    ph_pool_t *pool, uint32_t *n_r, store_submit_t **rows_r,
    uint64_t *next_r);

/* ---- small things by name ---- */
/* value in pool; PH_NOTFOUND */
ph_int_t store_config_get(store_conn_t *conn, const char *name,
    ph_pool_t *pool, ph_str_t *value_r);
/* data NULL removes */
ph_int_t store_config_set(store_conn_t *conn, const char *name,
    ph_str_t value);

/* Entry ids (MS-OXCDATA 2.2.4), in pool. */
ph_int_t store_folder_entryid(const store_t *store, uint64_t fid,
    ph_pool_t *pool, ph_str_t *id_r);
ph_int_t store_message_entryid(const store_t *store, uint64_t fid,
    uint64_t mid, ph_pool_t *pool, ph_str_t *id_r);
/* The folder (and message, else 0) that an entry id names; PH_INVALID: not an
 * entry id of this store. */
ph_int_t store_entryid_parse(const store_t *store, ph_str_t entryid,
    uint64_t *fid_r, uint64_t *mid_r);

#endif
