/* Changing properties of folders. */

#include "store_folder_int.h"
#include "lib/ph_str.h"

ph_int_t
store_folder_changed(store_conn_t *conn, uint64_t fid, uint64_t *cn_r)
{
    uint64_t       cn;
    ph_int_t       rc;
    ph_str_t       pcl;
    ph_pool_t     *pool;
    store_frow_t   row;
    sqlite3_stmt  *s;

    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    cn = store_next_cn(conn);
    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        rc = store_frow(s, &row);
    }
    if (rc == PH_OK) {
        rc = store_pcl_next(conn->store, row.pcl, row.change_key, row.f.cn, cn,
                            pool, &pcl);
    }
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }
    *cn_r = cn;

    return store_exec(conn, SQL_FOLDER_CHANGED, "uubu", cn, store_now(conn),
                      pcl, fid);
}

static ph_int_t
store_folder_rename(store_conn_t *conn, uint64_t fid, uint64_t parent,
    ph_str_t name)
{
    ph_str_t  key;
    uint64_t  other;
    ph_int_t  rc;

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

    return store_exec(conn, SQL_FOLDER_NAME_SET, "ttu", name, key, fid);
}

/* computed ones that a client may not set; the others are stored */
static uint32_t
store_folder_refused(uint32_t tag)
{
    uint32_t         i, n;
    const uint32_t  *computed;

    if (!store_type_valid(MAPI_TYPE(tag)) || MAPI_TYPE(tag) == PT_UNSPECIFIED
        || MAPI_TYPE(tag) == PT_ERROR || MAPI_TYPE(tag) == PT_NULL
        || MAPI_TYPE(tag) == PT_SRESTRICTION || MAPI_TYPE(tag) == PT_ACTIONS
        || (MAPI_TYPE(tag) & PT_MVI))
    {
        return STORE_EC_INVALID;
    }
    if (MAPI_ID(tag) == MAPI_ID(PR_ATTR_HIDDEN)
        || MAPI_ID(tag) == MAPI_ID(PR_DISPLAY_NAME))
    {
        return 0;
    }
    computed = store_folder_computed(&n);
    for (i = 0; i < n; i++) {
        if (MAPI_ID(computed[i]) == MAPI_ID(tag)) {
            return STORE_EC_COMPUTED;
        }
    }

    return 0;
}

bool
store_folder_tag_fixed(uint32_t tag)
{
    return store_folder_refused(tag) != 0
           || MAPI_ID(tag) == MAPI_ID(PR_DISPLAY_NAME);
}

static ph_int_t
store_folder_bag(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    store_bag_t *bag, uint64_t *parent_r)
{
    ph_int_t       rc;
    ph_str_t       packed;
    sqlite3_stmt  *s;

    store_bag_init(bag, pool);
    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *parent_r = store_col_u64(s, 1);
        packed = ph_pstrdup(pool, store_col_str(s, 24));
        rc = packed.data ? store_bag_unpack(bag, packed) : PH_NOMEM;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

static ph_int_t
store_folder_bag_save(store_conn_t *conn, uint64_t fid, store_bag_t *bag)
{
    ph_int_t        rc;
    ph_wbuf_t       out;
    store_idlist_t  list = { 0, 0, NULL };

    ph_wbuf_init(&out, bag->pool, 64u << 20);
    rc = store_bag_pack(conn, bag, &out, &list);
    if (rc == PH_OK) {
        rc = store_exec(conn, SQL_FOLDER_PROPS_SET, "zu", ph_wbuf_str(&out),
                        fid);
    }
    if (rc == PH_OK) {
        rc = store_content_set(conn, fid, list.n, list.id);
    }
    store_idlist_free(&list);

    return rc;
}

static ph_int_t
store_folder_finish(store_conn_t *conn, uint64_t fid, uint64_t parent,
    store_bag_t *bag, bool replicate, uint32_t n, const uint32_t *tags)
{
    uint64_t        cn;
    store_event_t  *ev;

    store_try(store_folder_bag_save(conn, fid, bag));

    cn = 0;
    if (replicate) {
        store_try(store_folder_changed(conn, fid, &cn));
        store_try(store_folder_touch_parent(conn, parent, cn, 0));
    }
    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = fid;
    ev->parent = parent;
    ev->cn = cn;
    ev->tags = store_event_tags(conn, n, tags);

    return PH_OK;
}

ph_int_t
store_folder_set(store_conn_t *conn, uint64_t fid,
    const mapi_values_t *values, bool replicate, ph_pool_t *pool,
    store_problems_t *problems_r)
{
    uint32_t             i, n, code, *tags;
    uint64_t             parent;
    ph_int_t             rc;
    ph_pool_t           *work;
    store_bag_t          bag;
    const mapi_value_t  *v;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    store_try(store_need_write(conn));
    work = ph_pool_create("store folder", STORE_OBJECT_LIMIT);
    if (work == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    tags = ph_pcalloc_array(work, values->n, sizeof(*tags));
    rc = tags ? store_folder_bag(conn, fid, work, &bag, &parent) : PH_NOMEM;

    for (i = 0; rc == PH_OK && i < values->n; i++) {
        v = &values->v[i];
        code = store_folder_refused(v->tag);
        if (MAPI_ID(v->tag) == MAPI_ID(PR_DISPLAY_NAME) && code == 0) {
            if (!store_is_string(MAPI_TYPE(v->tag))
                || !store_folder_name_valid(v->u.str))
            {
                code = STORE_EC_INVALID;
            } else {
                rc = store_folder_rename(conn, fid, parent, v->u.str);
                tags[n++] = PR_DISPLAY_NAME;
                continue;
            }
        }
        if (code) {
            rc = store_problem(pool, problems_r, i, v->tag, code);
            continue;
        }
        rc = store_bag_set(&bag, v);
        tags[n++] = v->tag;
    }
    if (rc == PH_OK && n) {
        rc = store_folder_finish(conn, fid, parent, &bag, replicate, n, tags);
    }
    ph_pool_destroy(&work);

    return rc;
}

ph_int_t
store_folder_remove(store_conn_t *conn, uint64_t fid, const mapi_tags_t *tags,
    bool replicate, ph_pool_t *pool, store_problems_t *problems_r)
{
    uint32_t      i, n, code, *gone;
    uint64_t      parent;
    ph_int_t      rc;
    ph_pool_t    *work;
    store_bag_t   bag;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    store_try(store_need_write(conn));
    work = ph_pool_create("store folder", STORE_OBJECT_LIMIT);
    if (work == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    gone = ph_pcalloc_array(work, tags->n, sizeof(*gone));
    rc = gone ? store_folder_bag(conn, fid, work, &bag, &parent) : PH_NOMEM;

    for (i = 0; rc == PH_OK && i < tags->n; i++) {
        code = store_folder_refused(MAPI_RETYPE(tags->tag[i], PT_LONG));
        if (MAPI_ID(tags->tag[i]) == MAPI_ID(PR_DISPLAY_NAME)) {
            code = STORE_EC_DENIED;
        }
        if (code) {
            rc = store_problem(pool, problems_r, i, tags->tag[i], code);
        } else if (store_bag_del(&bag, tags->tag[i])) {
            gone[n++] = tags->tag[i];
        }
    }
    if (rc == PH_OK && n) {
        rc = store_folder_finish(conn, fid, parent, &bag, replicate, n, gone);
    }
    ph_pool_destroy(&work);

    return rc;
}

/* for streams on folders */
ph_int_t
store_folder_set_blob(store_conn_t *conn, uint64_t fid, uint32_t tag,
    store_blob_t *blob)
{
    uint64_t      parent;
    ph_int_t      rc;
    ph_pool_t    *work;
    store_bag_t   bag;

    store_try(store_need_write(conn));
    work = ph_pool_create("store folder", STORE_OBJECT_LIMIT);
    if (work == NULL) {
        return PH_NOMEM;
    }
    rc = store_folder_bag(conn, fid, work, &bag, &parent);
    if (rc == PH_OK) {
        rc = store_bag_set_content(&bag, tag, 0, blob, blob->size);
    }
    if (rc == PH_OK) {
        rc = store_folder_finish(conn, fid, parent, &bag, true, 1, &tag);
        store_bag_clear(&bag);
    }
    ph_pool_destroy(&work);

    return rc;
}

ph_int_t
store_folder_slot(store_conn_t *conn, uint64_t fid, uint32_t tag,
    store_packed_t *v_r, ph_pool_t *pool)
{
    ph_int_t        rc;
    mapi_value_t    copy;
    sqlite3_stmt   *s;
    store_frow_t    row;

    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        rc = store_frow(s, &row);
    }
    if (rc == PH_OK) {
        rc = store_pack_find(&row.props, MAPI_ID(tag), pool, v_r);
    }
    if (rc == PH_OK && !v_r->external) {
        rc = store_value_copy(pool, &v_r->v, &copy);
        v_r->v = copy;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}
