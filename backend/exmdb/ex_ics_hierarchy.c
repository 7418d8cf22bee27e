/*
 * The stream of a hierarchy synchronization (MS-OXCFXICS 2.2.4.3.9): folders
 * below one, parents first.
 *
 * When no folder of the mailbox changed or went since the client was told,
 * there is nothing to look at.  Otherwise the tree is compared with what the
 * client has: a folder that moves takes those below it along, though they do
 * not change.
 */

#include "ex_ics.h"

#include <stdlib.h>

enum { TREE_BEGIN = 0, TREE_CHANGES, TREE_DELETIONS, TREE_STATE, TREE_END };


typedef struct {
    ex_rop_t           *rop;
    ex_ics_download_t  *d;
    mapi_globset_t      live;
} ex_ics_tree_t;


static ph_int_t
ex_ics_tree_folder(void *data, const store_folder_t *f, unsigned depth)
{
    uint32_t            cap;
    ph_int_t            rc;
    ex_ics_tree_t      *t = data;
    ex_ics_item_t      *p;
    ex_ics_download_t  *d = t->d;

    (void) depth;

    if (f->type != STORE_FOLDER_GENERIC
        || !store_viewer_sees(t->rop->conn, f->id))
    {
        return PH_OK;
    }

    rc = mapi_globset_push(&t->live, f->id, f->id);
    if (rc != PH_OK || f->cn > d->upto) {
        return rc;
    }

    if (mapi_globset_has(ex_ics_own(t->rop, &d->ics.state.seen), f->cn)
        && mapi_globset_has(ex_ics_own(t->rop, &d->ics.state.given), f->id))
    {
        return PH_OK;
    }

    if (d->n_items == d->cap_items) {
        cap = d->cap_items ? d->cap_items * 2 : 64;
        p = realloc(d->items, cap * sizeof(*p));
        if (p == NULL) {
            return PH_NOMEM;
        }
        d->items = p;
        d->cap_items = cap;
    }
    d->items[d->n_items].time = 0;
    d->items[d->n_items++].id = f->id;

    return PH_OK;
}


static ph_int_t
ex_ics_tree_begin(ex_rop_t *rop, ex_ics_download_t *d)
{
    bool            changed;
    uint64_t        told;
    ph_int_t        rc;
    ex_ics_tree_t   t;
    mapi_globset_t  gone;

    rc = store_sync_cn(rop->conn, &d->upto);
    if (rc != PH_OK) {
        return rc;
    }

    d->told = true;
    told = ex_ics_told(ex_ics_own(rop, &d->ics.state.seen));
    if (told > 0) {
        memset(&gone, 0, sizeof(gone));
        rc = store_sync_folders_changed(rop->conn, told, &changed);
        if (rc == PH_OK && !changed) {
            rc = store_sync_deleted(rop->conn, 0, told, &gone);
            changed = rc != PH_OK || gone.n > 0;
            rc = rc == PH_DECLINED ? PH_OK : rc;
        }
        mapi_globset_free(&gone);
        if (rc != PH_OK || !changed) {
            return rc;
        }
    }

    memset(&t, 0, sizeof(t));
    t.rop = rop;
    t.d = d;
    rc = store_folder_walk(rop->conn, d->ics.fid, true, false,
                           ex_ics_tree_folder, &t);

    /* d->out: what is gone */
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&t.live);
    }
    if (rc == PH_OK) {
        rc = mapi_globset_copy(&d->out,
                               ex_ics_own(rop, &d->ics.state.given));
    }
    if (rc == PH_OK) {
        rc = mapi_globset_subtract(&d->out, &t.live);
    }
    mapi_globset_free(&t.live);

    return rc;
}


/* what stands in front of the other properties (2.2.4.3.5) */
static const uint32_t  ex_ics_tree_header[] = {
    PR_PARENT_SOURCE_KEY, PR_SOURCE_KEY, PR_LAST_MODIFICATION_TIME,
    PR_CHANGE_KEY, PR_PREDECESSOR_CHANGE_LIST, PR_DISPLAY_NAME
};


static ph_int_t
ex_ics_tree_put_key(ex_rop_t *rop, ex_fx_out_t *out, ex_ics_download_t *d,
    uint32_t tag, uint64_t fid)
{
    uint8_t            key[MAPI_GID];
    ph_int_t           rc;
    mapi_value_t       v;
    store_version_t    version;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    if (fid == d->ics.fid) {
        return ex_fx_put_value(rop, out, &v);
    }

    mapi_gid_make(key, &store_info(store_conn_store(rop->conn))->guid, fid);
    v.u.bin.data = key;
    v.u.bin.len = sizeof(key);

    if (!(d->flags & EX_SYNC_NO_FOREIGN)) {
        rc = store_folder_version(rop->conn, fid, rop->pool, &version);
        if (rc != PH_OK) {
            return rc;
        }
        if (version.source_key.len > 0) {
            v.u.bin = version.source_key;
        }
    }

    return ex_fx_put_value(rop, out, &v);
}


static ph_int_t
ex_ics_tree_put(ex_rop_t *rop, ex_fx_out_t *out, ex_ics_download_t *d,
    const store_folder_t *f)
{
    uint32_t       i;
    ph_int_t       rc;
    mapi_tags_t    tags;
    mapi_value_t   v;
    mapi_values_t  got;

    tags.n = ph_nelts(ex_ics_tree_header);
    tags.tag = ex_ics_tree_header;
    rc = store_folder_get(rop->conn, f->id, &tags, STORE_NO_LIMIT, rop->pool,
                          &got);
    if (rc == PH_OK) {
        rc = ex_fx_put_marker(out, INCRSYNCCHG);
    }
    if (rc == PH_OK) {
        rc = ex_ics_tree_put_key(rop, out, d, PR_PARENT_SOURCE_KEY,
                                 f->parent);
    }
    if (rc == PH_OK) {
        rc = ex_ics_tree_put_key(rop, out, d, PR_SOURCE_KEY, f->id);
    }
    for (i = 2; rc == PH_OK && i < got.n; i++) {
        rc = ex_fx_put_value(rop, out, &got.v[i]);
    }

    memset(&v, 0, sizeof(v));
    if (rc == PH_OK && (d->extra & EX_SYNC_EID)) {
        v.tag = PidTagFolderId;
        v.u.i8 = (int64_t) store_eid(f->id);
        rc = ex_fx_put_value(rop, out, &v);
        if (rc == PH_OK) {
            v.tag = PidTagParentFolderId;
            v.u.i8 = (int64_t) store_eid(f->parent);
            rc = ex_fx_put_value(rop, out, &v);
        }
    }

    return rc == PH_OK ? ex_fx_put_folder_values(rop, out, f->id, &d->what)
                       : rc;
}


static ph_int_t
ex_ics_tree_change(ex_rop_t *rop, ex_fx_out_t *out, ex_ics_download_t *d)
{
    bool            below;
    uint64_t        id;
    ph_int_t        rc;
    store_folder_t  f;

    while (d->item < d->n_items) {
        ex_fx_out_progress(out, d->item, d->n_items);
        id = d->items[d->item++].id;
        rc = store_folder_find(rop->conn, rop->pool, id, &f);
        if (rc == PH_OK) {
            rc = store_folder_is_below(rop->conn, id, d->ics.fid, &below);
        }
        /* changed since the begin: that has a later number */
        if (rc == PH_NOTFOUND
            || (rc == PH_OK && (f.deleted || !below || f.cn > d->upto)))
        {
            continue;
        }
        if (rc == PH_OK) {
            rc = mapi_globset_push(&d->sent, id, id);
        }
        return rc == PH_OK ? ex_ics_tree_put(rop, out, d, &f) : rc;
    }

    return PH_DONE;
}


static ph_int_t
ex_ics_tree_deletions(ex_rop_t *rop, ex_fx_out_t *out, ex_ics_download_t *d)
{
    ph_int_t         rc;
    mapi_globset_t  *given;

    rc = ex_ics_state_copy(&d->final, &d->ics.state);
    if (rc != PH_OK) {
        return rc;
    }

    if (d->flags & EX_SYNC_NO_DELETIONS) {
        d->told = d->out.n == 0;
        mapi_globset_free(&d->out);
    }
    if (d->out.n > 0) {
        rc = ex_fx_put_marker(out, INCRSYNCDEL);
        if (rc == PH_OK) {
            rc = ex_ics_put_ids(rop, out, MetaTagIdsetDeleted, &d->out);
        }
    }

    given = ex_ics_own_make(rop, &d->final.given);
    if (rc == PH_OK) {
        rc = given ? mapi_globset_subtract(given, &d->out) : PH_NOMEM;
    }
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&d->sent);
    }
    if (rc == PH_OK) {
        rc = mapi_globset_union(given, &d->sent);
    }

    return rc;
}


ph_int_t
ex_ics_hierarchy_next(ex_rop_t *rop, ex_fx_out_t *out, void *data)
{
    ph_int_t            rc;
    ex_ics_download_t  *d = data;

    switch (d->phase) {

    case TREE_BEGIN:
        d->phase = TREE_CHANGES;
        return ex_ics_tree_begin(rop, d);

    case TREE_CHANGES:
        rc = ex_ics_tree_change(rop, out, d);
        if (rc != PH_DONE) {
            return rc;
        }
        d->phase = TREE_DELETIONS;
        return PH_OK;

    case TREE_DELETIONS:
        d->phase = TREE_STATE;
        return ex_ics_tree_deletions(rop, out, d);

    case TREE_STATE:
        d->phase = TREE_END;
        rc = ex_ics_seen(rop, &d->final.seen, d->upto, NULL, d->told);
        if (rc == PH_OK) {
            rc = ex_ics_put_state(rop, out, &d->final, false, true);
        }
        return rc == PH_OK ? ex_fx_put_marker(out, INCRSYNCEND) : rc;

    default:
        return PH_DONE;
    }
}
