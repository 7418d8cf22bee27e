/*
 * Per-user information of public folders (MS-OXCSTOR 3.2.5.10 ff.), and what is
 * asked about their replicas.
 *
 * In a public store the read state of each user is kept for each message; as a
 * set of change numbers it exists on the wire alone.  In a private mailbox the
 * sets are those that clients put there.
 */

#include "ex_access.h"
#include "ex_rop.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_idset.h"

#include <stdlib.h>

#define EX_PER_USER_ID    22       /* database GUID, counter */
#define EX_PER_USER_SIZE  4096     /* when the client does not say */

/* a set that a client is writing, piece by piece */
struct ex_per_user_s {
    uint8_t      folder[EX_PER_USER_ID];
    mapi_guid_t  database;
    uint32_t     len;
    uint8_t     *data;             /* malloc */
};


void
ex_per_user_free(ex_per_user_t **pp)
{
    if (*pp != NULL) {
        free((*pp)->data);
        free(*pp);
        *pp = NULL;
    }
}


static ex_logon_t *
rop_logon_of(const ex_rop_t *rop)
{
    return rop->in->kind == EX_LOGON ? (ex_logon_t *) rop->in : NULL;
}


static void
rop_per_user_id(const mapi_ltid_t *ltid, uint8_t id[EX_PER_USER_ID])
{
    memcpy(id, ltid->guid.b, 16);
    mapi_globcnt_put(id + 16, ltid->counter);
}


uint32_t
rop_get_per_user_long_term_ids(ex_rop_t *rop,
    const rop_get_per_user_long_term_ids_request_t *req,
    rop_get_per_user_long_term_ids_response_t *res)
{
    uint32_t     i, n;
    ph_int_t     rc;
    ph_str_t    *ids;
    ex_logon_t  *l = rop_logon_of(rop);

    if (l == NULL || l->is_public) {
        return ecNotSupported;
    }

    rc = store_per_user_ids(rop->conn, &req->database_guid, rop->pool, &n,
                            &ids);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    n = (uint32_t) ph_min((size_t) n, rop->room / 24);
    res->long_term_ids = ph_pcalloc_array(rop->pool, n, sizeof(mapi_ltid_t));
    if (res->long_term_ids == NULL) {
        return ecServerOOM;
    }

    for (i = 0; i < n; i++) {
        memcpy(res->long_term_ids[i].guid.b, ids[i].data, 16);
        res->long_term_ids[i].counter = mapi_globcnt_get(ids[i].data + 16);
    }

    res->long_term_ids_count = (uint16_t) n;

    return 0;
}


uint32_t
rop_get_per_user_guid(ex_rop_t *rop,
    const rop_get_per_user_guid_request_t *req,
    rop_get_per_user_guid_response_t *res)
{
    uint8_t      id[EX_PER_USER_ID];
    ph_str_t     data;
    ex_logon_t  *l = rop_logon_of(rop);

    if (l == NULL || l->is_public) {
        return ecNotSupported;
    }

    rop_per_user_id(&req->long_term_id, id);

    return ex_ec(rop, store_per_user_get(rop->conn,
                          (ph_str_t) { sizeof(id), id }, rop->pool,
                          &res->database_guid, &data));
}


/* The folder of this public store that a long-term id names. */
static uint32_t
rop_per_user_folder(ex_rop_t *rop, const mapi_ltid_t *ltid, uint64_t *fid_r)
{
    ph_int_t         rc;
    store_folder_t   f;

    if (memcmp(ltid->guid.b, store_info(rop->x->mailbox->store)->guid.b, 16)
        != 0)
    {
        return ecNotFound;
    }

    *fid_r = ltid->counter;
    rc = store_folder_find(rop->conn, NULL, *fid_r, &f);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    return ex_rop_rights(rop, *fid_r) == 0 ? ecNotFound : 0;
}


/* What the user has read, as a set with GUIDs; empty when that is nothing. */
static ph_int_t
rop_per_user_set(ex_rop_t *rop, uint64_t fid, ph_str_t *blob_r)
{
    uint32_t         i, n;
    ph_int_t         rc;
    uint64_t        *cns;
    ph_wbuf_t        b;
    mapi_idset_t     set;
    mapi_globset_t  *g;

    *blob_r = ph_str_lit("");
    rc = store_reader_cns(rop->conn, fid, rop->pool, &n, &cns);
    if (rc != PH_OK || n == 0) {
        return rc;
    }

    memset(&set, 0, sizeof(set));
    g = mapi_idset_guid(&set, &store_info(rop->x->mailbox->store)->guid,
                        true);
    rc = g != NULL ? PH_OK : PH_NOMEM;

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = mapi_globset_push(g, cns[i], cns[i]);
    }

    if (rc == PH_OK) {
        rc = mapi_globset_settle(g);
    }

    if (rc == PH_OK) {
        ph_wbuf_init(&b, rop->pool, STORE_PER_USER_DATA_MAX);
        mapi_idset_put(&b, &set, MAPI_IDSET_GUID);
        *blob_r = ph_wbuf_str(&b);
        rc = b.error ? PH_TOOBIG : PH_OK;
    }

    mapi_idset_free(&set);

    return rc;
}


uint32_t
rop_read_per_user_information(ex_rop_t *rop,
    const rop_read_per_user_information_request_t *req,
    rop_read_per_user_information_response_t *res)
{
    size_t        max;
    uint8_t       id[EX_PER_USER_ID];
    ph_int_t      rc;
    ph_str_t      blob;
    uint32_t      ec;
    uint64_t      fid;
    mapi_guid_t   database;
    ex_logon_t   *l = rop_logon_of(rop);

    if (l == NULL) {
        return ecNotSupported;
    }

    blob = ph_str_lit("");

    if (l->is_public) {
        ec = rop_per_user_folder(rop, &req->folder_id, &fid);
        if (ec != 0) {
            return ec;
        }

        rc = rop_per_user_set(rop, fid, &blob);

    } else {
        if (!ex_rop_is_owner(rop)) {
            return ecAccessDenied;
        }

        rop_per_user_id(&req->folder_id, id);
        rc = store_per_user_get(rop->conn, (ph_str_t) { sizeof(id), id },
                                rop->pool, &database, &blob);
        rc = rc == PH_NOTFOUND ? PH_OK : rc;
    }

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (req->data_offset > blob.len) {
        return ecError;
    }

    if (rop->room < 3) {
        return ecBufferTooSmall;
    }

    max = req->max_data_size != 0 ? req->max_data_size : EX_PER_USER_SIZE;
    max = ph_min(max, rop->room - 3);

    res->data.data = blob.data + req->data_offset;
    res->data.len = ph_min(blob.len - req->data_offset, max);
    res->has_finished = req->data_offset + res->data.len == blob.len;

    return 0;
}


static bool
rop_per_user_has(void *data, uint64_t cn)
{
    return mapi_globset_has(data, cn);
}


/* The set is complete. */
static uint32_t
rop_per_user_done(ex_rop_t *rop, const mapi_ltid_t *ltid,
    const ex_per_user_t *p)
{
    ph_int_t         rc;
    ph_str_t         blob;
    uint32_t         ec;
    uint64_t         fid;
    mapi_idset_t     set;
    mapi_globset_t  *g, none;

    blob = (ph_str_t) { p->len, p->data };
    memset(&set, 0, sizeof(set));

    rc = p->len > 0 ? mapi_idset_read(blob, MAPI_IDSET_GUID, &set) : PH_OK;
    if (rc != PH_OK) {
        return rc == PH_NOMEM ? ecServerOOM : ecCorruptData;
    }

    if (!rop->logon->is_public) {
        mapi_idset_free(&set);
        rc = store_per_user_put(rop->conn,
                                (ph_str_t) { EX_PER_USER_ID, p->folder },
                                &p->database, blob);

        return rc == PH_TOOBIG ? ecServerOOM : ex_ec(rop, rc);
    }

    ec = rop_per_user_folder(rop, ltid, &fid);

    if (ec == 0) {
        memset(&none, 0, sizeof(none));
        g = mapi_idset_guid(&set,
                            &store_info(rop->x->mailbox->store)->guid, false);
        ec = ex_ec(rop, store_reader_set(rop->conn, fid, rop_per_user_has,
                                         g != NULL ? g : &none));
    }

    mapi_idset_free(&set);

    return ec;
}


uint32_t
rop_write_per_user_information(ex_rop_t *rop,
    const rop_write_per_user_information_request_t *req,
    rop_write_per_user_information_response_t *res)
{
    uint8_t         id[EX_PER_USER_ID], *data;
    uint32_t        ec;
    ex_logon_t     *l = rop_logon_of(rop);
    ex_per_user_t  *p;

    (void) res;

    if (l == NULL) {
        return ecNotSupported;
    }

    if (!l->is_public && !ex_rop_is_owner(rop)) {
        return ecAccessDenied;
    }

    rop_per_user_id(&req->folder_id, id);
    p = l->per_user;

    if (p != NULL && (req->data_offset != p->len
                      || memcmp(p->folder, id, sizeof(id)) != 0))
    {
        ex_per_user_free(&l->per_user);
        p = NULL;
    }

    if (p == NULL) {
        if (req->data_offset != 0) {
            return ecError;
        }

        p = calloc(1, sizeof(ex_per_user_t));
        if (p == NULL) {
            return ecServerOOM;
        }

        memcpy(p->folder, id, sizeof(id));
        if (!l->is_public) {
            p->database = req->repl_guid;
        }
        l->per_user = p;
    }

    if (req->data.len > STORE_PER_USER_DATA_MAX - p->len) {
        ex_per_user_free(&l->per_user);
        return ecServerOOM;
    }

    if (req->data.len > 0) {
        data = realloc(p->data, p->len + req->data.len);
        if (data == NULL) {
            return ecServerOOM;
        }

        memcpy(data + p->len, req->data.data, req->data.len);
        p->data = data;
        p->len += (uint32_t) req->data.len;
    }

    if (!req->has_finished) {
        return 0;
    }

    ec = rop_per_user_done(rop, &req->folder_id, p);
    ex_per_user_free(&l->per_user);

    return ec;
}


/* ---- replicas: every public folder is here, and nowhere else ---- */

static uint32_t
rop_replica_folder(ex_rop_t *rop, mapi_eid_t eid)
{
    ph_int_t         rc;
    store_folder_t   f;

    rc = store_folder_find(rop->conn, NULL, ex_rop_id(eid), &f);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    return f.deleted || ex_rop_rights(rop, f.id) == 0 ? ecNotFound : 0;
}


uint32_t
rop_get_owning_servers(ex_rop_t *rop,
    const rop_get_owning_servers_request_t *req,
    rop_get_owning_servers_response_t *res)
{
    char               guid[MAPI_GUID_TEXT];
    char              *name;
    uint32_t           ec;
    const dir_entry_t *e;

    if (rop_logon_of(rop) == NULL || !rop->logon->is_public) {
        return ecNotSupported;
    }

    ec = rop_replica_folder(rop, req->folder_id);
    if (ec != 0) {
        return ec;
    }

    e = &rop->logon->owner->entry;
    mapi_guid_text(&e->mailbox_guid, guid);
    name = ph_psprintf(rop->pool, "/o=%.*s/ou=Exchange Administrative Group "
                       "(FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/"
                       "cn=%s@%.*s", PH_STR_ARG(e->organisation), guid,
                       PH_STR_ARG(e->domain));
    res->servers = ph_pcalloc_array(rop->pool, 1, sizeof(ph_str_t));
    if (name == NULL || res->servers == NULL) {
        return ecServerOOM;
    }

    res->server_count = 1;
    res->cheap_server_count = 1;
    res->servers[0] = ph_str_c(name);

    return 0;
}


uint32_t
rop_public_folder_is_ghosted(ex_rop_t *rop,
    const rop_public_folder_is_ghosted_request_t *req,
    rop_public_folder_is_ghosted_response_t *res)
{
    (void) res;

    if (rop_logon_of(rop) == NULL) {
        return ecNotSupported;
    }

    /* of a private mailbox nothing is elsewhere */
    return rop->logon->is_public ? rop_replica_folder(rop, req->folder_id)
                                 : 0;
}
