/* Deleting, emptying, moving and copying folders. */

#include "store_folder_int.h"
#include "store_sync.h"
#include "lib/ph_str.h"

#include <stdlib.h>

ph_int_t
store_messages_wipe(store_conn_t *conn, uint64_t fid, int a, int b)
{
    uint64_t  now;

    now = store_now(conn);
    store_try(store_exec(conn, SQL_MESSAGES_FREE_CONTENT, "uudd", now, fid, a,
                         b));
    store_try(store_exec(conn, SQL_MESSAGES_DEL_REFS, "udd", fid, a, b));
    store_try(store_exec(conn, SQL_CONTENT_FREE_KEEP, "u", now));
    store_try(store_exec(conn, SQL_MESSAGES_DEL_SUBMIT, "udd", fid, a, b));

    return store_exec(conn, SQL_MESSAGES_DEL, "udd", fid, a, b);
}

typedef struct {
    uint64_t  id;
    uint64_t  parent;
    bool      deleted;
    bool      search;
    uint32_t  total, associated, deleted_total, deleted_associated;
    uint64_t  size, associated_size, deleted_size;
} store_sub_t;

/* fid and all below, the deepest first */
static ph_int_t
store_folder_subtree(store_conn_t *conn, uint64_t fid, store_sub_t **subs_r,
    uint32_t *n_r)
{
    uint32_t       n, cap;
    ph_int_t       rc;
    store_sub_t   *subs, *p;
    sqlite3_stmt  *s;

    n = 0;
    cap = 0;
    subs = NULL;

    store_try(store_q(conn, SQL_FOLDER_SUBTREE, &s, "u", fid));
    while ((rc = store_step(conn, s)) == PH_OK) {
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            p = realloc(subs, cap * sizeof(*subs));
            if (p == NULL) {
                rc = PH_NOMEM;
                break;
            }
            subs = p;
        }
        subs[n].id = store_col_u64(s, 0);
        subs[n].deleted = store_col_u64(s, 1) != 0;
        subs[n].total = store_col_u32(s, 2);
        subs[n].associated = store_col_u32(s, 3);
        subs[n].deleted_total = store_col_u32(s, 4);
        subs[n].deleted_associated = store_col_u32(s, 5);
        subs[n].size = store_col_u64(s, 6);
        subs[n].associated_size = store_col_u64(s, 7);
        subs[n].deleted_size = store_col_u64(s, 8);
        subs[n].parent = store_col_u64(s, 9);
        subs[n].search = store_col_u32(s, 10) == STORE_FOLDER_SEARCH;
        if (subs[n].search) {
            /* what it shows is counted where it is */
            subs[n].total = 0;
            subs[n].size = 0;
        }
        n++;
    }
    store_done(conn, &s);

    if (rc != PH_DONE) {
        free(subs);
        return rc;
    }
    *subs_r = subs;
    *n_r = n;

    return PH_OK;
}

/*
 * Messages count in the store's totals as long as they exist: as live ones, and
 * as soft-deleted ones when their folder is.
 */
static ph_int_t
store_sub_totals(store_conn_t *conn, const store_sub_t *f)
{
    int64_t  n, size;

    n = (int64_t) f->deleted_total + f->deleted_associated;
    size = (int64_t) f->deleted_size;
    if (f->deleted) {
        n += (int64_t) f->total + f->associated;
        size += (int64_t) (f->size + f->associated_size);
        return store_exec(conn, SQL_TOTALS_DELTA, "iiiiii", (int64_t) 0,
                          (int64_t) 0, -n, (int64_t) 0, (int64_t) 0, -size);
    }

    return store_exec(conn, SQL_TOTALS_DELTA, "iiiiii", -(int64_t) f->total,
                      -(int64_t) f->associated, -n, -(int64_t) f->size,
                      -(int64_t) f->associated_size, -size);
}

/* from live to soft-deleted (sign 1), or back (-1) */
static ph_int_t
store_sub_mark_totals(store_conn_t *conn, const store_sub_t *f, int sign)
{
    int64_t  n, size;

    n = sign * ((int64_t) f->total + f->associated);
    size = sign * (int64_t) (f->size + f->associated_size);

    return store_exec(conn, SQL_TOTALS_DELTA, "iiiiii",
                      -sign * (int64_t) f->total,
                      -sign * (int64_t) f->associated, n,
                      -sign * (int64_t) f->size,
                      -sign * (int64_t) f->associated_size, size);
}

static ph_int_t
store_folder_gone_event(store_conn_t *conn, const store_sub_t *f, bool soft)
{
    store_event_t  *ev;

    ev = store_event_add(conn, STORE_EV_DELETED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = f->id;
    ev->parent = f->parent;
    ev->soft = soft;

    return PH_OK;
}

ph_int_t
store_folder_wipe(store_conn_t *conn, uint64_t fid)
{
    uint32_t      i, n;
    uint64_t      cn;
    ph_int_t      rc;
    store_sub_t  *subs;

    store_try(store_folder_subtree(conn, fid, &subs, &n));
    cn = store_next_cn(conn);
    rc = PH_OK;

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = store_sub_totals(conn, &subs[i]);
        if (rc == PH_OK && subs[i].search) {
            rc = store_search_drop(conn, subs[i].id);
        }
        if (rc == PH_OK) {
            rc = store_exec(conn, SQL_SEARCH_SCOPE_DEL, "u", subs[i].id);
        }
        if (rc == PH_OK) {
            rc = store_messages_wipe(conn, subs[i].id, 0, 1);
        }
        if (rc == PH_OK) {
            rc = store_messages_wipe(conn, subs[i].id, 2, 3);
        }
        if (rc == PH_OK) {
            rc = store_content_drop(conn, subs[i].id);
        }
        if (rc == PH_OK) {
            rc = store_exec(conn, SQL_FOLDER_DEL, "u", subs[i].id);
        }
        if (rc == PH_OK && !subs[i].deleted) {
            rc = store_deletion_add(conn, cn, 0, subs[i].id, subs[i].id,
                                    STORE_GONE_HARD);
        }
        if (rc == PH_OK && !subs[i].deleted) {
            rc = store_folder_gone_event(conn, &subs[i], false);
        }
    }
    free(subs);

    return rc;
}

static ph_int_t
store_folder_mark_deleted(store_conn_t *conn, uint64_t fid)
{
    uint32_t      i, n;
    uint64_t      cn;
    ph_int_t      rc;
    store_sub_t  *subs;

    store_try(store_folder_subtree(conn, fid, &subs, &n));
    cn = store_next_cn(conn);
    rc = PH_OK;

    for (i = 0; rc == PH_OK && i < n; i++) {
        if (subs[i].deleted) {
            continue;
        }
        rc = store_exec(conn, SQL_FOLDER_MARK, "uu", store_now(conn),
                        subs[i].id);
        if (rc == PH_OK) {
            rc = store_deletion_add(conn, cn, 0, subs[i].id, subs[i].id,
                                    STORE_GONE_SOFT);
        }
        if (rc == PH_OK) {
            rc = store_sub_mark_totals(conn, &subs[i], 1);
        }
        if (rc == PH_OK) {
            rc = subs[i].search
                 ? store_search_drop(conn, subs[i].id)
                 : store_search_folder_gone(conn, subs[i].id);
        }
        if (rc == PH_OK) {
            rc = store_folder_gone_event(conn, &subs[i], true);
        }
    }
    free(subs);

    return rc;
}

/* May fid be below parent?  PH_NOTFOUND: no such parent; PH_TOOBIG. */
static ph_int_t
store_folder_place(store_conn_t *conn, uint64_t fid, uint64_t parent,
    bool *below_r)
{
    unsigned        depth;
    store_folder_t  to;

    store_try(store_folder_live(conn, parent, &to));
    store_try(store_folder_is_below(conn, parent, fid, below_r));
    store_try(store_folder_depth(conn, parent, &depth));

    return depth >= STORE_FOLDER_DEPTH_MAX ? PH_TOOBIG : PH_OK;
}

ph_int_t
store_folder_restore(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name)
{
    bool            below;
    int64_t         deleted, when;
    uint32_t        i, n;
    uint64_t        cn, other;
    ph_int_t        rc;
    ph_str_t        key;
    store_sub_t    *subs;
    store_event_t  *ev;
    store_folder_t  f;

    store_try(store_need_write(conn));
    store_try(store_folder_find(conn, store_tmp_pool(conn), fid, &f));
    if (!f.deleted) {
        return PH_EXISTS;
    }
    parent = parent ? parent : f.parent;
    name = name.len ? name : f.name;
    if (!store_folder_name_valid(name)) {
        return PH_INVALID;
    }
    store_try(store_folder_place(conn, fid, parent, &below));
    if (below) {
        return PH_CONFLICT;
    }
    rc = store_folder_by_name(conn, parent, name, &other);
    if (rc != PH_NOTFOUND) {
        return rc == PH_OK ? PH_EXISTS : rc;
    }
    key = store_fold(store_tmp_pool(conn), name, 0);
    if (key.data == NULL) {
        return PH_NOMEM;
    }
    store_try(store_q_int(conn, SQL_FOLDER_DELETED_ON, &deleted, "u", fid));
    store_try(store_exec(conn, SQL_FOLDER_MOVE, "uttu", parent, name, key,
                         fid));
    store_try(store_folder_subtree(conn, fid, &subs, &n));

    /* the deepest first: each counts its children when they are back */
    rc = PH_OK;
    for (i = 0; i < n; i++) {
        rc = store_q_int(conn, SQL_FOLDER_DELETED_ON, &when, "u", subs[i].id);
        if (rc == PH_OK && when != deleted) {
            continue;           /* it had been deleted before */
        }
        if (rc == PH_OK) {
            rc = store_exec(conn, SQL_FOLDER_UNMARK, "u", subs[i].id);
        }
        if (rc == PH_OK) {
            rc = store_sub_mark_totals(conn, &subs[i], -1);
        }
        if (rc == PH_OK) {
            rc = store_folder_changed(conn, subs[i].id, &cn);
        }
        if (rc == PH_OK) {
            rc = store_search_folder_back(conn, subs[i].id);
        }
        if (rc != PH_OK) {
            break;
        }
        ev = store_event_add(conn, STORE_EV_CREATED);
        if (ev == NULL) {
            rc = PH_NOMEM;
            break;
        }
        ev->folder = subs[i].id;
        ev->parent = subs[i].parent;
        ev->cn = cn;
    }
    free(subs);
    store_try(rc);

    return store_folder_touch_parent(conn, parent, store_next_cn(conn), 1);
}

ph_int_t
store_folder_delete(store_conn_t *conn, uint64_t fid, unsigned flags,
    bool *partial_r)
{
    int64_t         v;
    ph_int_t        rc;
    store_folder_t  f;

    *partial_r = false;
    store_try(store_need_write(conn));
    if (store_on_hold(conn->store)) {
        flags &= ~(unsigned) STORE_DEL_HARD;
    }

    if (fid == STORE_ROOT) {
        return PH_INVALID;
    }
    if (fid <= STORE_LAST_BUILTIN) {
        return PH_DENIED;
    }
    store_try(store_folder_find(conn, NULL, fid, &f));
    if (f.deleted && (flags & STORE_DEL_HARD) == 0) {
        return PH_NOTFOUND;
    }

    if ((flags & STORE_DEL_MESSAGES) == 0) {
        rc = store_q_int(conn, SQL_MESSAGES_ANY, &v, "u", fid);
        if (rc != PH_NOTFOUND) {
            *partial_r = rc == PH_OK;
            return rc;
        }
    }
    if ((flags & STORE_DEL_FOLDERS) == 0 && f.has_children) {
        *partial_r = true;
        return PH_OK;
    }

    /* of a search folder nothing is worth keeping */
    if ((flags & STORE_DEL_HARD) || f.type == STORE_FOLDER_SEARCH) {
        store_try(store_folder_wipe(conn, fid));
    } else {
        store_try(store_folder_mark_deleted(conn, fid));
    }
    if (f.deleted) {
        return PH_OK;
    }

    return store_folder_touch_parent(conn, f.parent, store_next_cn(conn), -1);
}

/* messages of one folder; search for the counters in its row */
static ph_int_t
store_folder_empty_messages(store_conn_t *conn, const store_folder_t *f,
    unsigned flags)
{
    bool           fai, hard;
    store_delta_t  d;

    memset(&d, 0, sizeof(d));
    fai = flags & STORE_DEL_ASSOCIATED;
    hard = flags & STORE_DEL_HARD;

    d.total = -(int64_t) f->total;
    d.unread = -(int64_t) f->unread;
    d.size = -(int64_t) f->size;
    if (fai) {
        d.associated = -(int64_t) f->associated;
        d.associated_size = -(int64_t) f->associated_size;
    }
    if (d.total == 0 && d.associated == 0) {
        return PH_OK;
    }

    store_try(store_deletion_messages(conn, f->id, 0, fai ? 1 : 0,
                                      hard ? STORE_GONE_HARD
                                           : STORE_GONE_SOFT));
    if (hard) {
        store_try(store_messages_wipe(conn, f->id, 0, fai ? 1 : 0));
    } else {
        store_try(store_exec(conn, SQL_MESSAGES_SOFT, "uudd", store_now(conn),
                             f->id, 0, fai ? 1 : 0));
        d.deleted_total = -d.total;
        d.deleted_associated = -d.associated;
        d.deleted_size = -d.size - d.associated_size;
    }

    return store_delta_apply(conn, f->id, &d);
}

ph_int_t
store_folder_empty(store_conn_t *conn, uint64_t fid, unsigned flags,
    bool *partial_r)
{
    bool             partial;
    uint32_t         i;
    ph_int_t         rc;
    sqlite3_stmt    *s;
    store_folder_t   f;
    store_idlist_t   ids = { 0, 0, NULL };

    *partial_r = false;
    store_try(store_need_write(conn));
    if (store_on_hold(conn->store)) {
        flags &= ~(unsigned) STORE_DEL_HARD;
    }
    store_try(store_folder_live(conn, fid, &f));
    if (f.type != STORE_FOLDER_GENERIC) {
        return PH_INVALID;
    }

    if (flags & STORE_DEL_MESSAGES) {
        store_try(store_folder_empty_messages(conn, &f, flags));
    }
    if ((flags & STORE_DEL_FOLDERS) == 0) {
        return PH_OK;
    }

    store_try(store_q(conn, SQL_FOLDER_CHILD_IDS, &s, "u", fid));
    rc = store_idlist_rows(conn, &s, &ids);

    for (i = 0; rc == PH_OK && i < ids.n; i++) {
        rc = store_folder_delete(conn, ids.id[i],
                                 STORE_DEL_MESSAGES | STORE_DEL_FOLDERS
                                 | (flags & STORE_DEL_HARD), &partial);
        if (rc == PH_DENIED || (rc == PH_OK && partial)) {
            *partial_r = true;
            rc = PH_OK;
        }
    }
    store_idlist_free(&ids);

    return rc;
}

ph_int_t
store_folder_move(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name)
{
    bool             below;
    uint64_t         cn, other;
    ph_str_t         key;
    ph_int_t         rc;
    store_event_t   *ev;
    store_folder_t   f;

    store_try(store_need_write(conn));
    if (!store_folder_name_valid(name)) {
        return PH_INVALID;
    }
    store_try(store_folder_find(conn, NULL, fid, &f));
    if (f.deleted) {
        return store_folder_restore(conn, fid, parent, name);
    }
    if (fid <= STORE_LAST_BUILTIN) {
        return PH_DENIED;
    }
    store_try(store_folder_place(conn, fid, parent, &below));
    if (below) {
        return PH_CONFLICT;
    }

    key = store_fold(store_tmp_pool(conn), name, 0);
    if (key.data == NULL) {
        return PH_NOMEM;
    }
    rc = store_folder_by_name(conn, parent, name, &other);
    if (rc == PH_OK && other != fid) {
        return PH_EXISTS;
    }
    if (rc != PH_OK && rc != PH_NOTFOUND) {
        return rc;
    }

    store_try(store_exec(conn, SQL_FOLDER_MOVE, "uttu", parent, name, key,
                         fid));
    store_try(store_folder_changed(conn, fid, &cn));
    if (parent != f.parent) {
        store_try(store_deletion_add(conn, cn, 0, fid, fid,
                                     STORE_GONE_MOVED));
        store_try(store_search_folder_moved(conn, fid, f.parent, parent));
        store_try(store_folder_touch_parent(conn, f.parent, cn, -1));
        store_try(store_folder_touch_parent(conn, parent, cn, 1));
    } else {
        store_try(store_folder_touch_parent(conn, parent, cn, 0));
    }

    ev = store_event_add(conn, STORE_EV_MOVED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = fid;
    ev->old_folder = fid;
    ev->parent = parent;
    ev->old_parent = f.parent;
    ev->cn = cn;

    return PH_OK;
}

/* ---- copy ---- */

static ph_int_t
store_folder_copy_messages(store_conn_t *conn, uint64_t from, uint64_t to)
{
    ph_int_t         rc;
    sqlite3_stmt    *s;
    store_many_t     many;
    store_idlist_t   ids = { 0, 0, NULL };

    store_try(store_q(conn, SQL_MESSAGE_IDS, &s, "u", from));
    rc = store_idlist_rows(conn, &s, &ids);

    if (rc == PH_OK && ids.n) {
        rc = store_messages_copy(conn, from, to, ids.n, ids.id, NULL, &many);
        if (rc == PH_OK && many.quota) {
            rc = PH_QUOTA;
        }
    }
    store_idlist_free(&ids);

    return rc;
}

/* depth is bounded by STORE_FOLDER_DEPTH_MAX: store_folder_create refuses */
static ph_int_t
store_folder_copy_one(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name, bool recursive, const store_actor_t *actor,
    uint64_t *fid_r)
{
    bool                existed;
    uint32_t            i;
    uint64_t            id;
    ph_int_t            rc;
    sqlite3_stmt       *s;
    store_folder_t      f, child;
    store_idlist_t      ids = { 0, 0, NULL };
    store_folder_new_t  nf;

    memset(&nf, 0, sizeof(nf));
    store_try(store_folder_live(conn, fid, &f));
    nf.parent = parent;
    nf.type = f.type == STORE_FOLDER_SEARCH ? STORE_FOLDER_SEARCH
                                            : STORE_FOLDER_GENERIC;
    nf.name = name;
    nf.actor = *actor;
    store_try(store_folder_create(conn, &nf, fid_r, &existed));
    store_try(store_exec(conn, SQL_FOLDER_PROPS_COPY, "uu", *fid_r, fid));
    store_try(store_exec(conn, SQL_REF_COPY, "uu", *fid_r, fid));
    store_try(store_rules_copy(conn, fid, *fid_r));
    if (f.type == STORE_FOLDER_SEARCH) {
        return store_search_copy(conn, fid, *fid_r);
    }
    store_try(store_folder_copy_messages(conn, fid, *fid_r));
    if (!recursive) {
        return PH_OK;
    }

    store_try(store_q(conn, SQL_FOLDER_CHILD_IDS, &s, "u", fid));
    rc = store_idlist_rows(conn, &s, &ids);

    for (i = 0; rc == PH_OK && i < ids.n; i++) {
        rc = store_folder_find(conn, store_tmp_pool(conn), ids.id[i], &child);
        if (rc == PH_OK) {
            rc = store_folder_copy_one(conn, ids.id[i], *fid_r, child.name,
                                       true, actor, &id);
        }
    }
    store_idlist_free(&ids);

    return rc;
}

ph_int_t
store_folder_copy(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name, bool recursive, const store_actor_t *actor,
    uint64_t *fid_r)
{
    bool            below;
    store_event_t  *ev;

    store_try(store_need_write(conn));
    if (fid == STORE_ROOT) {
        return PH_DENIED;
    }
    store_try(store_folder_is_below(conn, parent, fid, &below));
    if (below && (recursive || parent == fid)) {
        return PH_CONFLICT;
    }
    store_try(store_folder_copy_one(conn, fid, parent, name, recursive, actor,
                                    fid_r));

    ev = store_event_add(conn, STORE_EV_COPIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = *fid_r;
    ev->parent = parent;
    ev->old_folder = fid;

    return PH_OK;
}
