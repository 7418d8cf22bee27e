/* Uploads of folders (MS-OXCFXICS 2.2.3.2.4.3, 3.2.5.9.4.3). */

#include "ex_access.h"
#include "ex_ics.h"


typedef struct {
    store_version_t  version;
    ph_str_t         parent_key;
    ph_str_t         name;
    uint64_t         parent;
    uint64_t         fid;            /* 0: a key that is not ours */
} rop_import_folder_t;


static bool
rop_import_folder_values(ex_rop_t *rop,
    const rop_synchronization_import_hierarchy_change_request_t *req,
    rop_import_folder_t *f)
{
    const mapi_value_t  *v = req->hierarchy_values;

    if (req->hierarchy_values_count != 6
        || v[0].tag != PR_PARENT_SOURCE_KEY
        || !rop_import_version(rop, &v[1], &f->version)
        || MAPI_ID(v[5].tag) != MAPI_ID(PR_DISPLAY_NAME)
        || (MAPI_TYPE(v[5].tag) != PT_UNICODE
            && MAPI_TYPE(v[5].tag) != PT_STRING8))
    {
        return false;
    }

    f->parent_key = v[0].u.bin;
    f->name = v[5].u.str;

    return f->parent_key.len == 0 || f->parent_key.len == MAPI_GID;
}


/* The folder's other properties, without those that were said already. */
static ph_int_t
rop_import_folder_props(ex_rop_t *rop, uint64_t fid,
    const rop_synchronization_import_hierarchy_change_request_t *req)
{
    uint32_t           i, k;
    mapi_values_t      v;
    store_problems_t   problems;

    v.n = 0;
    v.v = ph_pcalloc_array(rop->pool, req->property_values_count,
                           sizeof(*v.v));
    if (v.v == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < req->property_values_count; i++) {
        for (k = 0; k < req->hierarchy_values_count; k++) {
            if (MAPI_ID(req->property_values[i].tag)
                == MAPI_ID(req->hierarchy_values[k].tag))
            {
                break;
            }
        }
        if (k == req->hierarchy_values_count) {
            v.v[v.n++] = req->property_values[i];
        }
    }

    return v.n == 0 ? PH_OK : store_folder_set(rop->conn, fid, &v, true,
                                               rop->pool, &problems);
}


static uint32_t
rop_import_folder_new(ex_rop_t *rop, rop_import_folder_t *f)
{
    bool                existed, gone;
    ph_int_t            rc;
    store_folder_new_t  new;

    if (f->fid != 0) {
        rc = store_sync_gone(rop->conn, f->fid, &gone);
        if (rc != PH_OK || gone) {
            return rc == PH_OK ? SYNC_E_OBJECT_DELETED : ex_ec(rop, rc);
        }
    }

    if (!(ex_rop_rights(rop, f->parent)
          & (STORE_RIGHT_CREATE_SUB | STORE_RIGHT_OWNER)))
    {
        return ecAccessDenied;
    }

    memset(&new, 0, sizeof(new));
    if (ex_rop_actor(rop, &new.actor) != PH_OK) {
        return ecServerOOM;
    }
    new.parent = f->parent;
    new.type = STORE_FOLDER_GENERIC;
    new.name = f->name;
    new.id = f->fid;

    /* a key of ours is made from the id */
    if (f->fid != 0) {
        f->version.source_key = ph_str_lit("");
    }

    rc = store_folder_create(rop->conn, &new, &f->fid, &existed);

    return ex_ec(rop, rc);
}


static uint32_t
rop_import_folder_move(ex_rop_t *rop, const rop_import_folder_t *f,
    const store_folder_t *now)
{
    ph_int_t  rc;

    if (now->parent == f->parent && ph_str_eq(now->name, f->name)) {
        return 0;
    }

    /* a built-in folder has its place and its name */
    if (now->id <= STORE_LAST_BUILTIN) {
        return ecAccessDenied;
    }

    if (now->parent != f->parent
        && !(ex_rop_rights(rop, f->parent)
             & (STORE_RIGHT_CREATE_SUB | STORE_RIGHT_OWNER)))
    {
        return ecAccessDenied;
    }

    rc = store_folder_move(rop->conn, now->id, f->parent, f->name);

    return rc == PH_CONFLICT ? SYNC_E_CYCLE_DETECTED : ex_ec(rop, rc);
}


/*
 * A folder that is there: 0, and *take_r whether the client's version is the
 * folder from now on.  Both knew nothing of each other: the later one wins.
 */
static uint32_t
rop_import_folder_compare(ex_rop_t *rop, rop_import_folder_t *f,
    bool *take_r, bool *conflict_r)
{
    ph_int_t         rc;
    store_version_t  server;

    rc = store_folder_version(rop->conn, f->fid, rop->pool, &server);
    if (rc == PH_OK) {
        rc = mapi_pcl_add(rop->pool, f->version.pcl, f->version.change_key,
                          &f->version.pcl);
    }
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    *take_r = true;
    *conflict_r = false;

    switch (mapi_pcl_compare(f->version.pcl, server.pcl)) {
    case MAPI_PCL_EQUAL:
    case MAPI_PCL_INCLUDED:
        return SYNC_E_IGNORE;
    case MAPI_PCL_CONFLICT:
        *conflict_r = true;
        *take_r = ex_ics_wins(&f->version, &server, true);
        if (!*take_r) {
            f->version.change_key = server.change_key;
            f->version.modified = server.modified;
        }
        rc = mapi_pcl_merge(rop->pool, f->version.pcl, server.pcl,
                            &f->version.pcl);
        break;
    case MAPI_PCL_INVALID:
        return ecInvalidParam;
    case MAPI_PCL_INCLUDES:
        break;
    }
    f->version.source_key = ph_str_lit("");

    return ex_ec(rop, rc);
}


static uint32_t
rop_import_folder_place(ex_rop_t *rop, ex_collector_t *c,
    rop_import_folder_t *f)
{
    bool            below;
    ph_int_t        rc;
    store_folder_t  parent;

    f->parent = c->ics.fid;
    if (f->parent_key.len > 0) {
        rc = store_folder_by_source(rop->conn, f->parent_key, &f->parent);
        if (rc != PH_OK) {
            return rc == PH_NOTFOUND ? SYNC_E_NO_PARENT : ex_ec(rop, rc);
        }
    }

    rc = store_folder_find(rop->conn, NULL, f->parent, &parent);
    if (rc == PH_NOTFOUND || (rc == PH_OK && parent.deleted)) {
        return SYNC_E_NO_PARENT;
    }
    below = false;
    if (rc == PH_OK) {
        rc = store_folder_is_below(rop->conn, f->parent, c->ics.fid, &below);
    }
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    return below ? 0 : SYNC_E_NO_PARENT;
}


static uint32_t
rop_import_folder_existing(ex_rop_t *rop, rop_import_folder_t *f,
    bool *take_r, bool *conflict_r)
{
    uint32_t        ec;
    ph_int_t        rc;
    store_folder_t  now;

    rc = store_folder_find(rop->conn, rop->pool, f->fid, &now);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }
    if (now.deleted) {
        return SYNC_E_OBJECT_DELETED;
    }
    if (now.type != STORE_FOLDER_GENERIC) {
        return ecNotSupported;
    }
    if (!(ex_rop_rights(rop, f->fid) & STORE_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    ec = rop_import_folder_compare(rop, f, take_r, conflict_r);

    return ec == 0 && *take_r ? rop_import_folder_move(rop, f, &now) : ec;
}


uint32_t
rop_synchronization_import_hierarchy_change(ex_rop_t *rop,
    const rop_synchronization_import_hierarchy_change_request_t *req,
    rop_synchronization_import_hierarchy_change_response_t *res)
{
    bool                  take, conflict;
    uint32_t              ec;
    uint64_t              cn;
    ph_int_t              rc;
    ex_collector_t       *c;
    mapi_globset_t       *seen;
    rop_import_folder_t   f;

    c = ex_rop_collector(rop, false);
    if (c == NULL) {
        return ecNotSupported;
    }

    memset(&f, 0, sizeof(f));
    if (!rop_import_folder_values(rop, req, &f)) {
        return ecInvalidParam;
    }

    ec = rop_import_folder_place(rop, c, &f);
    if (ec != 0) {
        return ec;
    }

    take = true;
    conflict = false;
    rc = store_folder_by_source(rop->conn, f.version.source_key, &f.fid);
    if (rc == PH_OK) {
        ec = rop_import_folder_existing(rop, &f, &take, &conflict);
    } else if (rc == PH_NOTFOUND) {
        ec = rop_import_folder_new(rop, &f);
    } else {
        ec = ex_ec(rop, rc);
    }
    if (ec != 0) {
        return ec;
    }

    rc = take ? rop_import_folder_props(rop, f.fid, req) : PH_OK;
    if (rc == PH_OK) {
        rc = store_folder_set_version(rop->conn, f.fid, &f.version, &cn);
    }

    /* what came out of a conflict the client has still to get */
    if (rc == PH_OK && !conflict) {
        seen = ex_ics_own_make(rop, &c->ics.state.seen);
        rc = seen ? mapi_globset_add(seen, cn, cn) : PH_NOMEM;
    }

    res->folder_id = 0;

    return ex_ec(rop, rc);
}
