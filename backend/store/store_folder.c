/* Folders: facts, look-ups, creation. */

#include "store_folder_int.h"
#include "lib/ph_str.h"

void
store_folder_row(sqlite3_stmt *s, store_folder_t *f)
{
    f->id = store_col_u64(s, 0);
    f->parent = store_col_u64(s, 1);
    f->type = (uint8_t) store_col_u32(s, 2);
    f->name = store_col_str(s, 3);
    f->deleted = store_col_u64(s, 4) != 0;
    f->has_children = store_col_u32(s, 5) != 0;
    f->cn = store_col_u64(s, 6);
    f->hier_cn = store_col_u64(s, 7);
    f->total = store_col_u32(s, 8);
    f->unread = store_col_u32(s, 9);
    f->associated = store_col_u32(s, 10);
    f->deleted_total = store_col_u32(s, 11);
    f->deleted_associated = store_col_u32(s, 12);
    f->size = store_col_u64(s, 13);
    f->associated_size = store_col_u64(s, 14);
    f->deleted_size = store_col_u64(s, 15);
    f->content_version = store_col_u64(s, 16);
    f->has_rules = store_col_u32(s, 25) != 0;
}

ph_int_t
store_folder_find(store_conn_t *conn, ph_pool_t *pool, uint64_t fid,
    store_folder_t *folder_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_folder_row(s, folder_r);
        if (pool) {
            folder_r->name = ph_pstrdup(pool, folder_r->name);
            rc = folder_r->name.data ? PH_OK : PH_NOMEM;
        } else {
            folder_r->name = ph_str_null;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_folder_live(store_conn_t *conn, uint64_t fid, store_folder_t *folder_r)
{
    store_try(store_folder_find(conn, NULL, fid, folder_r));

    return folder_r->deleted ? PH_NOTFOUND : PH_OK;
}

bool
store_folder_name_valid(ph_str_t name)
{
    size_t  i;

    if (name.len == 0 || !ph_utf8_valid(name)
        || store_chars(name) > STORE_FOLDER_NAME_MAX)
    {
        return false;
    }
    for (i = 0; i < name.len; i++) {
        if (name.data[i] == '\0') {
            return false;
        }
    }

    return true;
}

static ph_int_t
store_folder_by_key(store_conn_t *conn, uint64_t parent, ph_str_t key,
    uint64_t *fid_r)
{
    int64_t  v;

    store_try(store_q_int(conn, SQL_FOLDER_BY_NAME, &v, "ut", parent, key));
    *fid_r = (uint64_t) v;

    return PH_OK;
}

ph_int_t
store_folder_by_name(store_conn_t *conn, uint64_t parent, ph_str_t name,
    uint64_t *fid_r)
{
    ph_int_t    rc;
    ph_str_t    key;
    ph_pool_t  *pool;

    pool = ph_pool_create("store name", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    key = store_fold(pool, name, 0);
    rc = key.data ? store_folder_by_key(conn, parent, key, fid_r) : PH_NOMEM;
    ph_pool_destroy(&pool);

    return rc;
}

ph_int_t
store_folder_is_below(store_conn_t *conn, uint64_t fid, uint64_t ancestor,
    bool *yes_r)
{
    int64_t   parent;
    unsigned  depth;
    ph_int_t  rc;

    *yes_r = false;

    for (depth = 0; fid && depth <= STORE_FOLDER_DEPTH_MAX; depth++) {
        if (fid == ancestor) {
            *yes_r = true;
            return PH_OK;
        }
        rc = store_q_int(conn, SQL_FOLDER_PARENT, &parent, "u", fid);
        if (rc != PH_OK) {
            return rc;
        }
        fid = (uint64_t) parent;
    }

    return PH_OK;
}

ph_int_t
store_folder_depth(store_conn_t *conn, uint64_t fid, unsigned *depth_r)
{
    int64_t  parent;

    for (*depth_r = 0; fid; (*depth_r)++) {
        if (*depth_r > STORE_FOLDER_DEPTH_MAX) {
            return PH_TOOBIG;
        }
        store_try(store_q_int(conn, SQL_FOLDER_PARENT, &parent, "u", fid));
        fid = (uint64_t) parent;
    }

    return PH_OK;
}

ph_int_t
store_folder_touch_parent(store_conn_t *conn, uint64_t parent, uint64_t cn,
    int children)
{
    store_event_t  *ev;

    if (parent == 0) {
        return PH_OK;
    }
    store_try(store_exec(conn, SQL_FOLDER_CHILDREN, "udu", cn, children,
                         parent));
    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = parent;

    return PH_OK;
}

/* "IPF.Note" unless given; kept in the folder's packed properties */
static ph_int_t
store_folder_first_props(store_conn_t *conn, const store_folder_new_t *f,
    ph_wbuf_t *out)
{
    uint32_t       n;
    ph_str_t       class;
    mapi_value_t   v[4];
    mapi_values_t  vals, inherited;
    uint32_t       tag = PR_CONTAINER_CLASS;
    mapi_tags_t    tags = { 1, &tag };

    class = f->container_class;
    if (class.len == 0) {
        class = STORE_LEN("IPF.Note");
        if (store_folder_get(conn, f->parent, &tags, 1024,
                             store_tmp_pool(conn), &inherited) == PH_OK
            && inherited.v[0].tag == PR_CONTAINER_CLASS)
        {
            class = inherited.v[0].u.str;
        }
    }

    n = 0;
    memset(v, 0, sizeof(v));
    v[n].tag = PR_CONTAINER_CLASS;
    v[n++].u.str = class;
    if (f->comment.len) {
        v[n].tag = PR_COMMENT;
        v[n++].u.str = f->comment;
    }
    if (f->actor.display_name.len) {
        v[n].tag = PR_CREATOR_NAME;
        v[n++].u.str = f->actor.display_name;
    }
    if (f->actor.entryid.len) {
        v[n].tag = PR_CREATOR_ENTRYID;
        v[n++].u.bin = f->actor.entryid;
    }
    vals.n = n;
    vals.v = v;

    return store_pack_values(out, &vals);
}

ph_int_t
store_folder_create(store_conn_t *conn, const store_folder_new_t *f,
    uint64_t *fid_r, bool *existed_r)
{
    ph_str_t         key;
    ph_int_t         rc;
    uint64_t         id, cn, now;
    unsigned         depth;
    ph_wbuf_t        props;
    ph_pool_t       *pool;
    store_event_t   *ev;
    store_folder_t   parent;

    *existed_r = false;
    store_try(store_need_write(conn));

    if (!store_folder_name_valid(f->name)
        || (f->type != STORE_FOLDER_GENERIC && f->type != STORE_FOLDER_SEARCH))
    {
        return PH_INVALID;
    }
    store_try(store_folder_live(conn, f->parent, &parent));
    store_try(store_folder_depth(conn, f->parent, &depth));
    if (depth >= STORE_FOLDER_DEPTH_MAX) {
        return PH_TOOBIG;
    }

    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    key = store_fold(pool, f->name, 0);
    if (key.data == NULL) {
        return PH_NOMEM;
    }

    rc = store_folder_by_key(conn, f->parent, key, fid_r);
    if (rc == PH_OK) {
        *existed_r = true;
        return f->open_existing ? PH_OK : PH_EXISTS;
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    id = f->id;
    if (id) {
        store_try(store_id_usable(conn, id));
    } else {
        store_try(store_next_folder_id(conn, &id));
    }

    ph_wbuf_init(&props, pool, 1u << 20);
    store_try(store_folder_first_props(conn, f, &props));

    cn = store_next_cn(conn);
    now = store_now(conn);
    store_try(store_exec(conn, SQL_FOLDER_ADD, "uudttuuuz", id, f->parent,
                         (int) f->type, f->name, key, cn, now, now,
                         ph_wbuf_str(&props)));
    store_try(store_exec(conn, SQL_PERMISSION_INHERIT, "uu", id, f->parent));

    ev = store_event_add(conn, STORE_EV_CREATED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = id;
    ev->parent = f->parent;
    ev->cn = cn;
    *fid_r = id;

    return store_folder_touch_parent(conn, f->parent, cn, 1);
}

ph_int_t
store_folder_walk(store_conn_t *conn, uint64_t fid, bool depth, bool deleted,
    store_folder_pt fn, void *data)
{
    ph_int_t        rc;
    sqlite3_stmt   *s;
    store_folder_t  f;

    store_try(store_q(conn, depth ? SQL_FOLDER_TREE : SQL_FOLDER_CHILD_ROWS,
                      &s, "ud", fid, (int) deleted));
    while ((rc = store_step(conn, s)) == PH_OK) {
        store_folder_row(s, &f);
        rc = fn(data, &f, depth ? store_col_u32(s, STORE_FOLDER_COLS) : 1);
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_delta_apply(store_conn_t *conn, uint64_t fid, const store_delta_t *d)
{
    bool            gone;
    ph_int_t        rc;
    sqlite3_stmt   *s;
    store_event_t  *ev;

    gone = false;
    store_try(store_q(conn, SQL_FOLDER_DELTA, &s, "iiiiiiiiuu", d->total,
                      d->unread, d->associated, d->deleted_total,
                      d->deleted_associated, d->size, d->associated_size,
                      d->deleted_size, store_now(conn), fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        ev = store_event_add(conn, STORE_EV_MODIFIED);
        if (ev == NULL) {
            rc = PH_NOMEM;
        } else {
            ev->folder = fid;
            /* unread differs from user to user in a public store */
            ev->has_counters = conn->store->info.kind == STORE_PRIVATE;
            ev->total = store_col_u32(s, 0);
            ev->unread = store_col_u32(s, 1);
        }
        gone = store_col_u64(s, 2) != 0;
        while (rc == PH_OK) {
            rc = store_step(conn, s);
        }
    }
    store_done(conn, &s);
    if (rc != PH_DONE) {
        return rc == PH_OK ? PH_ERROR : rc;
    }

    if (d->total == 0 && d->associated == 0 && d->deleted_total == 0
        && d->deleted_associated == 0 && d->size == 0
        && d->associated_size == 0 && d->deleted_size == 0)
    {
        return PH_OK;
    }

    if (gone) {
        /* what lies in a soft-deleted folder is soft-deleted */
        return store_exec(conn, SQL_TOTALS_DELTA, "iiiiii", (int64_t) 0,
                          (int64_t) 0, d->total + d->associated
                          + d->deleted_total + d->deleted_associated,
                          (int64_t) 0, (int64_t) 0,
                          d->size + d->associated_size + d->deleted_size);
    }

    return store_exec(conn, SQL_TOTALS_DELTA, "iiiiii", d->total,
                      d->associated, d->deleted_total + d->deleted_associated,
                      d->size, d->associated_size, d->deleted_size);
}

ph_int_t
store_totals(store_conn_t *conn, store_totals_t *totals_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_TOTALS, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        totals_r->total = store_col_u32(s, 0);
        totals_r->associated = store_col_u32(s, 1);
        totals_r->deleted = store_col_u32(s, 2);
        totals_r->normal_size = store_col_u64(s, 3);
        totals_r->associated_size = store_col_u64(s, 4);
        totals_r->deleted_size = store_col_u64(s, 5);
        totals_r->size = totals_r->normal_size + totals_r->associated_size;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}
