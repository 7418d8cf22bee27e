/* Properties of folders: stored and computed (MS-OXCFOLD 2.2.2). */

#include "store_folder_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"

static const uint32_t  store_folder_tags_computed[] = {
    PR_DISPLAY_NAME, PR_FOLDER_TYPE, PR_CONTENT_COUNT, PR_CONTENT_UNREAD,
    PR_ASSOC_CONTENT_COUNT, PR_SUBFOLDERS, PR_FOLDER_CHILD_COUNT,
    PR_MESSAGE_SIZE, PR_MESSAGE_SIZE_EXTENDED, PR_ENTRYID, PR_PARENT_ENTRYID,
    PR_RECORD_KEY, PR_STORE_RECORD_KEY, PR_STORE_ENTRYID, PR_SOURCE_KEY,
    PR_PARENT_SOURCE_KEY, PR_CHANGE_KEY, PR_PREDECESSOR_CHANGE_LIST,
    PR_CREATION_TIME, PR_LAST_MODIFICATION_TIME, PR_LOCAL_COMMIT_TIME,
    PR_LOCAL_COMMIT_TIME_MAX, PR_DELETED_COUNT_TOTAL, PR_HIERARCHY_CHANGE_NUM,
    PR_HAS_RULES, PR_ACCESS, PR_RIGHTS, PR_OBJECT_TYPE, PR_FOLDER_FLAGS,
    PR_FOLDER_PATHNAME, PR_ATTR_HIDDEN, PR_INTERNET_ARTICLE_NUMBER,
    PR_NORMAL_MESSAGE_SIZE, PR_NORMAL_MESSAGE_SIZE_EXTENDED,
    PR_ASSOC_MESSAGE_SIZE, PR_ASSOC_MESSAGE_SIZE_EXTENDED,
    PR_DELETED_MSG_COUNT, PR_DELETED_ASSOC_MSG_COUNT,
    PR_DELETED_FOLDER_COUNT, PR_DELETED_MESSAGE_SIZE,
    PR_DELETED_MESSAGE_SIZE_EXTENDED, PR_DISPLAY_TYPE,
    PR_MAPPING_SIGNATURE, PR_INSTANCE_KEY, PR_STATUS,
    PidTagFolderId, PidTagParentFolderId, PidTagChangeNumber
};

const uint32_t *
store_folder_computed(uint32_t *n_r)
{
    *n_r = ph_nelts(store_folder_tags_computed);

    return store_folder_tags_computed;
}

ph_int_t
store_frow(sqlite3_stmt *s, store_frow_t *row_r)
{
    store_folder_row(s, &row_r->f);
    row_r->depth = 1;
    row_r->created = store_col_u64(s, 17);
    row_r->modified = store_col_u64(s, 18);
    row_r->committed = store_col_u64(s, 19);
    row_r->article = store_col_u32(s, 20);
    row_r->change_key = store_col_str(s, 21);
    row_r->pcl = store_col_str(s, 22);
    row_r->source_key = store_col_str(s, 23);

    return store_pack_open(store_col_str(s, 24), &row_r->props);
}

static ph_int_t
store_folder_path(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    ph_str_t *path_r)
{
    char            *p;
    unsigned         depth;
    ph_str_t         path;
    store_folder_t   f;

    path = ph_str_null;
    for (depth = 0; depth <= STORE_FOLDER_DEPTH_MAX; depth++) {
        if (fid <= STORE_ROOT || fid == STORE_IPM_SUBTREE) {
            break;
        }
        store_try(store_folder_find(conn, pool, fid, &f));
        p = ph_psprintf(pool, "\\%.*s%.*s", PH_STR_ARG(f.name),
                        PH_STR_ARG(path));
        if (p == NULL) {
            return PH_NOMEM;
        }
        path = ph_str_c(p);
        fid = f.parent;
    }
    *path_r = path.len ? path : STORE_LEN("\\");

    return PH_OK;
}

typedef struct {
    store_conn_t  *conn;
    uint32_t       n;
} store_seen_t;

static ph_int_t
store_folder_seen(void *data, const store_folder_t *f, unsigned depth)
{
    store_seen_t  *seen = data;

    (void) depth;
    seen->n += store_viewer_sees(seen->conn, f->id);

    return PH_OK;
}

static uint32_t
store_folder_access(store_conn_t *conn, uint64_t fid)
{
    uint32_t  r, access;

    r = store_viewer_rights(conn, fid);
    if (r & STORE_RIGHT_OWNER) {
        access = 0x01 | 0x02 | 0x04;
    } else {
        access = r & (STORE_RIGHT_VISIBLE | STORE_RIGHT_READ_ANY) ? 0x02 : 0;
    }
    if (r & STORE_RIGHT_CREATE_SUB) {
        access |= 0x08;
    }
    if (r & STORE_RIGHT_CREATE) {
        access |= 0x10 | 0x20;
    }

    return access;
}

static ph_int_t
store_folder_children(store_conn_t *conn, uint64_t fid, uint32_t *n_r)
{
    int64_t       v;
    ph_int_t      rc;
    store_seen_t  seen = { conn, 0 };

    if (!store_viewer_is_owner(conn)) {
        rc = store_folder_walk(conn, fid, false, false, store_folder_seen,
                               &seen);
        *n_r = seen.n;
        return rc;
    }

    rc = store_q_int(conn, SQL_FOLDER_CHILD_COUNT, &v, "u", fid);
    *n_r = rc == PH_OK ? (uint32_t) v : 0;

    return rc;
}

static uint32_t
store_clamp(uint64_t v)
{
    return v > INT32_MAX ? INT32_MAX : (uint32_t) v;
}

/* the special folders that no tree of a client shows */
static bool
store_folder_hidden(uint64_t fid)
{
    return fid == STORE_QUICK_CONTACTS || fid == STORE_IM_CONTACTS
           || fid == STORE_GAL_CONTACTS || fid == STORE_CONV_ACTIONS;
}

/* entry ids of the special folders: on the root and the Inbox */
static ph_int_t
store_folder_special(store_conn_t *conn, const store_frow_t *row,
    uint32_t tag, ph_pool_t *pool, mapi_value_t *v)
{
    uint32_t         i;
    uint64_t         fid;
    ph_str_t        *list;
    const store_t   *store;
    static const uint64_t  ren[] = {
        STORE_CONFLICTS, STORE_SYNC_ISSUES, STORE_LOCAL_FAILURES,
        STORE_SERVER_FAILURES, STORE_JUNK
    };

    store = conn->store;
    if (store->info.kind != STORE_PRIVATE
        || (row->f.id != STORE_ROOT && row->f.id != STORE_INBOX))
    {
        return PH_NOTFOUND;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_IPM_APPOINTMENT_ENTRYID):
        fid = STORE_CALENDAR;
        break;
    case MAPI_ID(PR_IPM_CONTACT_ENTRYID):
        fid = STORE_CONTACTS;
        break;
    case MAPI_ID(PR_IPM_JOURNAL_ENTRYID):
        fid = STORE_JOURNAL;
        break;
    case MAPI_ID(PR_IPM_NOTE_ENTRYID):
        fid = STORE_NOTES;
        break;
    case MAPI_ID(PR_IPM_TASK_ENTRYID):
        fid = STORE_TASKS;
        break;
    case MAPI_ID(PR_IPM_DRAFTS_ENTRYID):
        fid = STORE_DRAFTS;
        break;
    case MAPI_ID(PR_ADDITIONAL_REN_ENTRYIDS):
        list = ph_pcalloc_array(pool, ph_nelts(ren), sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < ph_nelts(ren); i++) {
            store_try(store_folder_entryid(store, ren[i], pool, &list[i]));
        }
        v->tag = PR_ADDITIONAL_REN_ENTRYIDS;
        v->u.mv.n = ph_nelts(ren);
        v->u.mv.bin = list;
        return PH_OK;
    case MAPI_ID(PR_FREEBUSY_ENTRYIDS):
        list = ph_pcalloc_array(pool, 4, sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < 3; i++) {
            list[i] = STORE_LEN("");
        }
        store_try(store_folder_entryid(store, STORE_FREEBUSY, pool, &list[3]));
        v->tag = PR_FREEBUSY_ENTRYIDS;
        v->u.mv.n = 4;
        v->u.mv.bin = list;
        return PH_OK;
    default:
        return PH_NOTFOUND;
    }

    v->tag = MAPI_RETYPE(tag, PT_BINARY);

    return store_folder_entryid(store, fid, pool, &v->u.bin);
}

static ph_int_t
store_folder_compute(store_conn_t *conn, const store_frow_t *row,
    uint32_t tag, ph_pool_t *pool, mapi_value_t *v)
{
    int64_t                deleted;
    uint32_t               n;
    const store_t         *store;
    const store_folder_t  *f;

    f = &row->f;
    store = conn->store;
    memset(v, 0, sizeof(*v));

/* the tag names the type of the answer */
#define store_answer(t, field, value)                                        \
    do {                                                                     \
        v->tag = (t);                                                        \
        v->u.field = (value);                                                \
        return PH_OK;                                                        \
    } while (0)

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PidTagFolderId):
        store_answer(PidTagFolderId, i8, (int64_t) store_eid(f->id));
    case MAPI_ID(PidTagParentFolderId):
        store_answer(PidTagParentFolderId, i8,
                     (int64_t) store_eid(f->parent ? f->parent : f->id));
    case MAPI_ID(PidTagChangeNumber):
        store_answer(PidTagChangeNumber, i8, (int64_t) store_eid(f->cn));
    case MAPI_ID(PR_DISPLAY_NAME):
        v->tag = PR_DISPLAY_NAME;
        v->u.str = ph_pstrdup(pool, f->name);
        return v->u.str.data ? PH_OK : PH_NOMEM;
    case MAPI_ID(PR_FOLDER_TYPE):
        store_answer(PR_FOLDER_TYPE, i4, f->type);
    case MAPI_ID(PR_CONTENT_COUNT):
        store_answer(PR_CONTENT_COUNT, i4, (int32_t) f->total);
    case MAPI_ID(PR_CONTENT_UNREAD):
        n = f->unread;
        if (store_reader_own(conn)) {
            store_try(store_reader_total(conn, f->id, &n));
            n = f->total - ph_min(n, f->total);
        }
        store_answer(PR_CONTENT_UNREAD, i4, (int32_t) n);
    case MAPI_ID(PR_ASSOC_CONTENT_COUNT):
        store_answer(PR_ASSOC_CONTENT_COUNT, i4, (int32_t) f->associated);
    case MAPI_ID(PR_SUBFOLDERS):
        n = f->has_children;
        if (n && !store_viewer_is_owner(conn)) {
            store_try(store_folder_children(conn, f->id, &n));
        }
        store_answer(PR_SUBFOLDERS, b, n != 0);
    case MAPI_ID(PR_FOLDER_CHILD_COUNT):
        store_try(store_folder_children(conn, f->id, &n));
        store_answer(PR_FOLDER_CHILD_COUNT, i4, (int32_t) n);
    case MAPI_ID(PR_MESSAGE_SIZE):
        n = store_clamp(f->size + f->associated_size);
        if (MAPI_TYPE(tag) == PT_I8) {
            store_answer(PR_MESSAGE_SIZE_EXTENDED, i8,
                         (int64_t) (f->size + f->associated_size));
        }
        store_answer(PR_MESSAGE_SIZE, i4, (int32_t) n);
    case MAPI_ID(PR_NORMAL_MESSAGE_SIZE):
        if (MAPI_TYPE(tag) == PT_I8) {
            store_answer(PR_NORMAL_MESSAGE_SIZE_EXTENDED, i8,
                         (int64_t) f->size);
        }
        store_answer(PR_NORMAL_MESSAGE_SIZE, i4,
                     (int32_t) store_clamp(f->size));
    case MAPI_ID(PR_ASSOC_MESSAGE_SIZE):
        if (MAPI_TYPE(tag) == PT_I8) {
            store_answer(PR_ASSOC_MESSAGE_SIZE_EXTENDED, i8,
                         (int64_t) f->associated_size);
        }
        store_answer(PR_ASSOC_MESSAGE_SIZE, i4,
                     (int32_t) store_clamp(f->associated_size));
    case MAPI_ID(PR_ENTRYID):
        v->tag = PR_ENTRYID;
        return store_folder_entryid(store, f->id, pool, &v->u.bin);
    case MAPI_ID(PR_INSTANCE_KEY):
        v->tag = PR_INSTANCE_KEY;
        return store_folder_entryid(store, f->id, pool, &v->u.bin);
    case MAPI_ID(PR_PARENT_ENTRYID):
        v->tag = PR_PARENT_ENTRYID;
        return store_folder_entryid(store, f->parent ? f->parent : f->id,
                                    pool, &v->u.bin);
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_SOURCE_KEY):
        v->tag = MAPI_RETYPE(tag, PT_BINARY);
        if (row->source_key.data && MAPI_ID(tag) == MAPI_ID(PR_SOURCE_KEY)) {
            v->u.bin = ph_pstrdup(pool, row->source_key);
            return v->u.bin.data ? PH_OK : PH_NOMEM;
        }
        return store_gid(store, f->id, pool, &v->u.bin);
    case MAPI_ID(PR_PARENT_SOURCE_KEY):
        v->tag = PR_PARENT_SOURCE_KEY;
        if (f->parent <= STORE_ROOT) {
            v->u.bin = STORE_LEN("");
            return PH_OK;
        }
        return store_gid(store, f->parent, pool, &v->u.bin);
    case MAPI_ID(PR_CHANGE_KEY):
        v->tag = PR_CHANGE_KEY;
        if (row->change_key.data) {
            v->u.bin = ph_pstrdup(pool, row->change_key);
            return v->u.bin.data ? PH_OK : PH_NOMEM;
        }
        return store_gid(store, f->cn, pool, &v->u.bin);
    case MAPI_ID(PR_PREDECESSOR_CHANGE_LIST):
        v->tag = PR_PREDECESSOR_CHANGE_LIST;
        return store_pcl_show(store, row->pcl, row->change_key, f->cn, pool,
                              &v->u.bin);
    case MAPI_ID(PR_STORE_RECORD_KEY):
        v->tag = PR_STORE_RECORD_KEY;
        v->u.bin.data = store->info.guid.b;
        v->u.bin.len = 16;
        return PH_OK;
    case MAPI_ID(PR_MAPPING_SIGNATURE):
        v->tag = PR_MAPPING_SIGNATURE;
        v->u.bin.data = store->info.mapping.b;
        v->u.bin.len = 16;
        return PH_OK;
    case MAPI_ID(PR_STORE_ENTRYID):
        v->tag = PR_STORE_ENTRYID;
        return store_entryid(store, pool, &v->u.bin);
    case MAPI_ID(PR_CREATION_TIME):
        store_answer(PR_CREATION_TIME, time, row->created);
    case MAPI_ID(PR_LAST_MODIFICATION_TIME):
        store_answer(PR_LAST_MODIFICATION_TIME, time, row->modified);
    case MAPI_ID(PR_LOCAL_COMMIT_TIME):
        store_answer(PR_LOCAL_COMMIT_TIME, time, row->modified);
    case MAPI_ID(PR_LOCAL_COMMIT_TIME_MAX):
        store_answer(PR_LOCAL_COMMIT_TIME_MAX, time,
                     row->committed ? row->committed : row->created);
    case MAPI_ID(PR_DELETED_COUNT_TOTAL):
        store_answer(PR_DELETED_COUNT_TOTAL, i4,
                     (int32_t) (f->deleted_total + f->deleted_associated));
    case MAPI_ID(PR_DELETED_MSG_COUNT):
        store_answer(PR_DELETED_MSG_COUNT, i4, (int32_t) f->deleted_total);
    case MAPI_ID(PR_DELETED_ASSOC_MSG_COUNT):
        store_answer(PR_DELETED_ASSOC_MSG_COUNT, i4,
                     (int32_t) f->deleted_associated);
    case MAPI_ID(PR_DELETED_FOLDER_COUNT):
        store_try(store_q_int(conn, SQL_DELETED_CHILD_COUNT, &deleted, "u",
                              f->id));
        store_answer(PR_DELETED_FOLDER_COUNT, i4, (int32_t) deleted);
    case MAPI_ID(PR_DELETED_MESSAGE_SIZE):
        if (MAPI_TYPE(tag) == PT_I8) {
            store_answer(PR_DELETED_MESSAGE_SIZE_EXTENDED, i8,
                         (int64_t) f->deleted_size);
        }
        store_answer(PR_DELETED_MESSAGE_SIZE, i4,
                     (int32_t) store_clamp(f->deleted_size));
    case MAPI_ID(PR_DELETED_ON):
        store_try(store_q_int(conn, SQL_FOLDER_DELETED_ON, &deleted, "u",
                              f->id));
        if (deleted == 0) {
            return PH_NOTFOUND;
        }
        store_answer(PR_DELETED_ON, time, (uint64_t) deleted);
    case MAPI_ID(PR_HIERARCHY_CHANGE_NUM):
        store_answer(PR_HIERARCHY_CHANGE_NUM, i4, (int32_t) f->hier_cn);
    case MAPI_ID(PR_HAS_RULES):
        store_answer(PR_HAS_RULES, b, f->has_rules);
    case MAPI_ID(PR_ACCESS):
        store_answer(PR_ACCESS, i4, (int32_t) store_folder_access(conn, f->id));
    case MAPI_ID(PR_RIGHTS):
        n = store_viewer_rights(conn, f->id);
        store_answer(PR_RIGHTS, i4, (int32_t) (n == STORE_RIGHTS_ALL
                                               ? STORE_RIGHTS_SHOWN : n));
    case MAPI_ID(PR_OBJECT_TYPE):
        store_answer(PR_OBJECT_TYPE, i4, 3);
    case MAPI_ID(PR_DISPLAY_TYPE):
        store_answer(PR_DISPLAY_TYPE, i4, 0x01000000);
    case MAPI_ID(PR_STATUS):
        store_answer(PR_STATUS, i4, 0);
    case MAPI_ID(PR_FOLDER_FLAGS):
        store_answer(PR_FOLDER_FLAGS, i4,
                     f->type == STORE_FOLDER_SEARCH ? 2 : 4 | 1);
    case MAPI_ID(PR_FOLDER_PATHNAME):
        v->tag = PR_FOLDER_PATHNAME;
        return store_folder_path(conn, f->id, pool, &v->u.str);
    case MAPI_ID(PR_INTERNET_ARTICLE_NUMBER):
        store_answer(PR_INTERNET_ARTICLE_NUMBER, i4,
                     (int32_t) row->article + 1);
    case MAPI_ID(PR_DEPTH):
        store_answer(PR_DEPTH, i4, (int32_t) row->depth);
    default:
        return PH_NOTFOUND;
    }
}

ph_int_t
store_frow_get(store_conn_t *conn, const store_frow_t *row, uint32_t tag,
    size_t limit, ph_pool_t *pool, mapi_value_t *v_r)
{
    ph_int_t        rc;
    mapi_value_t    v;
    store_packed_t  p;

    rc = store_folder_compute(conn, row, tag, pool, &v);
    if (rc == PH_OK) {
        return store_value_answer(conn, tag, &v, false, 0, NULL, 0, SIZE_MAX,
                                  pool, v_r);
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    rc = store_pack_find(&row->props, MAPI_ID(tag), pool, &p);
    if (rc == PH_OK) {
        return store_value_answer(conn, tag, &p.v, p.external, p.content,
                                  NULL, p.size, limit, pool, v_r);
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    if (MAPI_ID(tag) == MAPI_ID(PR_ATTR_HIDDEN)) {
        memset(&v, 0, sizeof(v));
        v.tag = PR_ATTR_HIDDEN;
        v.u.b = store_folder_hidden(row->f.id);
        return store_value_answer(conn, tag, &v, false, 0, NULL, 0, SIZE_MAX,
                                  pool, v_r);
    }

    rc = store_folder_special(conn, row, tag, pool, &v);
    if (rc == PH_OK) {
        return store_value_answer(conn, tag, &v, false, 0, NULL, 0, SIZE_MAX,
                                  pool, v_r);
    }

    return rc;
}

ph_int_t
store_folder_get(store_conn_t *conn, uint64_t fid, const mapi_tags_t *tags,
    size_t limit, ph_pool_t *pool, mapi_values_t *values_r)
{
    uint32_t       i;
    ph_int_t       rc;
    mapi_value_t  *v, got;
    sqlite3_stmt  *s;
    store_frow_t   row;

    v = ph_pcalloc_array(pool, tags->n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }

    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_DONE) {
        rc = PH_NOTFOUND;
    }
    if (rc == PH_OK) {
        rc = store_frow(s, &row);
    }

    for (i = 0; rc == PH_OK && i < tags->n; i++) {
        rc = store_frow_get(conn, &row, tags->tag[i], limit, pool, &got);
        if (rc == PH_OK) {
            /* what points into the row must outlive it */
            rc = store_value_copy(pool, &got, &v[i]);
        } else if (rc == PH_NOTFOUND) {
            store_value_absent(&v[i], tags->tag[i], STORE_EC_NOT_FOUND);
            rc = PH_OK;
        }
    }
    store_done(conn, &s);

    values_r->n = tags->n;
    values_r->v = v;

    return rc;
}

ph_int_t
store_folder_tags(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    mapi_tags_t *tags_r)
{
    uint32_t        n, *tag;
    uint16_t        i;
    ph_int_t        rc;
    sqlite3_stmt   *s;
    store_frow_t    row;

    tag = NULL;
    n = 0;
    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_DONE) {
        rc = PH_NOTFOUND;
    }
    if (rc == PH_OK) {
        rc = store_frow(s, &row);
    }
    if (rc == PH_OK) {
        n = ph_nelts(store_folder_tags_computed);
        tag = ph_palloc(pool, (n + row.props.n) * sizeof(*tag));
        rc = tag ? PH_OK : PH_NOMEM;
    }
    if (rc == PH_OK) {
        memcpy(tag, store_folder_tags_computed, n * sizeof(*tag));
        for (i = 0; i < row.props.n; i++) {
            tag[n] = store_pack_tag(&row.props, i);
            if (tag[n] != PR_ATTR_HIDDEN) {
                n++;
            }
        }
    }
    store_done(conn, &s);

    tags_r->n = n;
    tags_r->tag = tag;

    return rc;
}
