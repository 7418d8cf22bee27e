/*
 * Who looks at the mailbox through a connection.
 *
 * The library knows no rights of its own.  A caller that acts for a user says
 * so before each request with store_conn_view(); then PR_ACCESS,
 * PR_ACCESS_LEVEL and PR_RIGHTS are those of the user, hierarchy tables show
 * the folders that he may see, and in a public store the read state is his
 * own.  Without a viewer (NULL) everything is seen as the owner sees it.
 * Whether an operation is allowed stays the caller's affair.
 */

#ifndef STORE_VIEWER_H
#define STORE_VIEWER_H

#include "store_env.h"
#include "store_message.h"

/* Rights (MS-OXCPERM 2.2.7) */
#define STORE_RIGHT_READ_ANY       0x0001u
#define STORE_RIGHT_CREATE         0x0002u
#define STORE_RIGHT_EDIT_OWNED     0x0008u
#define STORE_RIGHT_DELETE_OWNED   0x0010u
#define STORE_RIGHT_EDIT_ANY       0x0020u
#define STORE_RIGHT_DELETE_ANY     0x0040u
#define STORE_RIGHT_CREATE_SUB     0x0080u
#define STORE_RIGHT_OWNER          0x0100u
#define STORE_RIGHT_CONTACT        0x0200u
#define STORE_RIGHT_VISIBLE        0x0400u
#define STORE_RIGHT_FB_SIMPLE      0x0800u
#define STORE_RIGHT_FB_DETAILED    0x1000u
#define STORE_RIGHTS_ALL           0x1FFBu
#define STORE_RIGHTS_SHOWN         0x07FBu    /* of PR_RIGHTS for an owner */

typedef struct store_viewer_s  store_viewer_t;

struct store_viewer_s {
    bool       all;          /* the owner: rights are not asked for */
    bool       no_private;   /* items with PR_SENSITIVITY private are not his */
    ph_str_t   user;         /* address, lower case */
    ph_str_t   entryid;      /* PR_CREATOR_ENTRYID of what he made */
    /* the STORE_RIGHT_* that he has on a folder */
    uint32_t (*rights)(void *data, store_conn_t *conn, uint64_t fid);
    void      *data;
};

/* From now on; the viewer is not copied.  NULL: nobody in particular. */
void store_conn_view(store_conn_t *conn, const store_viewer_t *viewer);
const store_viewer_t *store_conn_viewer(const store_conn_t *conn);

/* Rights of the connection's viewer; STORE_RIGHTS_ALL without one. */
uint32_t store_viewer_rights(store_conn_t *conn, uint64_t fid);
/* The viewer may everything. */
bool store_viewer_is_owner(const store_conn_t *conn);
/* Does the folder appear in hierarchies? */
bool store_viewer_sees(store_conn_t *conn, uint64_t fid);
/*
 * What the viewer may do with a saved message: bits of PR_ACCESS (1 modify,
 * 2 read, 4 delete), by the rights of its folder and by who made it.  Private
 * items of a viewer who may not see them: none.  PH_NOTFOUND.
 */
#define STORE_ACCESS_MODIFY  1u
#define STORE_ACCESS_READ    2u
#define STORE_ACCESS_DELETE  4u
ph_int_t store_message_access(store_conn_t *conn, uint64_t mid,
    uint32_t *access_r, store_message_fact_t *fact_r);

/* ---- read state of public folders, for each user ---- */

/*
 * The number of the viewer in this store, for joins with read_state; 0: the
 * read state is that of the message (a private store, nobody in particular), or
 * he has read nothing yet and create is false.
 */
ph_int_t store_reader(store_conn_t *conn, bool create, uint64_t *reader_r);
/* Is the read state of this connection one of its viewer's own? */
bool store_reader_own(const store_conn_t *conn);
/* Puts the viewer's read state into a fact that was read from the database
 * (flags, read, read_cn); nothing to do when it is not his own. */
ph_int_t store_reader_see(store_conn_t *conn, store_message_fact_t *fact);
/* Read messages of a folder, in constant time; 0 when it is not his own. */
ph_int_t store_reader_total(store_conn_t *conn, uint64_t fid, uint32_t *n_r);
/* Change numbers of the messages of the folder that he has read, ascending. */
ph_int_t store_reader_cns(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    uint32_t *n_r, uint64_t **cns_r);
/* Exactly the messages whose change number `has` accepts are read. */
ph_int_t store_reader_set(store_conn_t *conn, uint64_t fid,
    bool (*has)(void *data, uint64_t cn), void *data);

/* ---- per-user information of other stores (MS-OXCSTOR 2.2.1.11 ff.) ---- */
#define STORE_PER_USER_MAX       10000
#define STORE_PER_USER_DATA_MAX  (1u << 20)

/* folder: 22 bytes, database GUID and counter.  data empty removes.  PH_TOOBIG:
 * too many, or too long. */
ph_int_t store_per_user_put(store_conn_t *conn, ph_str_t folder,
    const mapi_guid_t *database, ph_str_t data);
/* PH_NOTFOUND */
ph_int_t store_per_user_get(store_conn_t *conn, ph_str_t folder,
    ph_pool_t *pool, mapi_guid_t *database_r, ph_str_t *data_r);
ph_int_t store_per_user_ids(store_conn_t *conn, const mapi_guid_t *database,
    ph_pool_t *pool, uint32_t *n_r, ph_str_t **ids_r);

/* ---- who acts for the mailbox as a whole ---- */
#define STORE_DELEGATE_FULL        0x01   /* opens it as its owner does */
#define STORE_DELEGATE_SEND_AS     0x02
#define STORE_DELEGATE_ON_BEHALF   0x04
#define STORE_DELEGATE_PRIVATE     0x08   /* sees private items */
#define STORE_DELEGATE_KNOWN       0x0F
#define STORE_DELEGATES_MAX        1000

typedef struct {
    ph_str_t  address;      /* lower case; a user or a group */
    ph_str_t  name;
    uint32_t  flags;
} store_delegate_t;

ph_int_t store_delegates(store_conn_t *conn, ph_pool_t *pool, uint32_t *n_r,
    store_delegate_t **rows_r);
/* flags 0 removes.  PH_INVALID; PH_TOOBIG. */
ph_int_t store_delegate_set(store_conn_t *conn, const store_delegate_t *d);

/* ---- mail-enabled folders ---- */
typedef struct {
    ph_str_t  address;
    uint64_t  folder;
} store_mail_folder_t;

/* PH_NOTFOUND */
ph_int_t store_mail_folder_find(store_conn_t *conn, ph_str_t address,
    uint64_t *fid_r);
/* fid 0 removes (PH_NOTFOUND: there was none) */
ph_int_t store_mail_folder_set(store_conn_t *conn, ph_str_t address,
    uint64_t fid);
ph_int_t store_mail_folders(store_conn_t *conn, ph_pool_t *pool,
    uint32_t *n_r, store_mail_folder_t **rows_r);

#endif
