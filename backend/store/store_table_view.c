/*
 * Lists of row keys, for tables that no index serves.  A list belongs to one
 * version of a folder's contents; tables that ask for the same share it.
 */

#include "store_table_int.h"
#include "store_index.h"
#include "store_viewer.h"
#include "mapi/mapi_restriction.h"

#include <stdlib.h>

#define VIEW_MEMORY     (256u << 20)
#define VIEW_INDEX_MIN  64      /* messages; fewer are read as fast */

typedef struct {
    store_table_t  *t;
    ph_pool_t      *pool;
    store_vrow_t   *row;
    uint32_t        n;
    uint32_t        cap;
} view_make_t;

static void
view_free(store_view_t *view)
{
    free(view->id);
    free(view->depth);
    free(view->inst);
    free(view->group);
    if (view->pool) {
        ph_pool_destroy(&view->pool);
    }
    free(view);
}

/* The mutex of the store is held. */
static void
view_unref(store_view_t *view)
{
    view->refs--;
    if (view->refs == 0 && !view->shared) {
        view_free(view);
    }
}

void
store_view_ref(store_t *store, store_view_t *view)
{
    pthread_mutex_lock(&store->mutex);
    view->refs++;
    pthread_mutex_unlock(&store->mutex);
}

void
store_view_unref(store_t *store, store_view_t *view)
{
    pthread_mutex_lock(&store->mutex);
    view_unref(view);
    pthread_mutex_unlock(&store->mutex);
}

void
store_view_drop(store_table_t *t)
{
    if (t->view == NULL) {
        return;
    }
    pthread_mutex_lock(&t->store->mutex);
    view_unref(t->view);
    pthread_mutex_unlock(&t->store->mutex);
    t->view = NULL;
    t->shown_of = NULL;
}

void
store_views_free(store_t *store)
{
    store_view_t  *view;

    while ((view = store->views) != NULL) {
        store->views = view->next;
        view->shared = false;
        if (view->refs == 0) {
            view_free(view);
        }
    }
    store->n_views = 0;
}

/* Read state and private items make lists that are one user's alone. */
static uint64_t
view_viewer(store_conn_t *conn, const store_table_t *t)
{
    size_t    i;
    uint64_t  h;

    if (t->kind != STORE_TABLE_CONTENTS
        || (!store_reader_own(conn) && !(t->flags & STORE_TABLE_NO_PRIVATE))
        || conn->viewer == NULL)
    {
        return 0;
    }

    h = 14695981039346656037ull;
    for (i = 0; i < conn->viewer->user.len; i++) {
        h = (h ^ conn->viewer->user.data[i]) * 1099511628211ull;
    }

    return h | 1;
}

static bool
view_serves(const store_view_t *view, const store_table_t *t,
    uint64_t version, uint64_t viewer)
{
    return view->version == version && view->folder == t->folder
           && view->flags == t->flags && view->viewer == viewer
           && memcmp(view->digest, t->digest, sizeof(t->digest)) == 0;
}

static store_view_t *
view_find(store_table_t *t, uint64_t version, uint64_t viewer)
{
    store_view_t  *view;

    pthread_mutex_lock(&t->store->mutex);
    for (view = t->store->views; view; view = view->next) {
        if (view_serves(view, t, version, viewer)) {
            view->refs++;
            break;
        }
    }
    pthread_mutex_unlock(&t->store->mutex);

    return view;
}

/* Puts a list in front of those that are shared, and lets old ones go. */
static void
view_share(store_t *store, store_view_t *view)
{
    unsigned        n;
    store_view_t  **p, *v;

    pthread_mutex_lock(&store->mutex);
    view->shared = true;
    view->next = store->views;
    store->views = view;
    store->n_views++;

    n = 0;
    for (p = &store->views; (v = *p) != NULL; /* void */) {
        /* an older version of the same is of no use to anybody else */
        if (++n > STORE_VIEWS_MAX
            || (v != view && v->folder == view->folder
                && v->flags == view->flags && v->viewer == view->viewer
                && memcmp(v->digest, view->digest, sizeof(v->digest)) == 0))
        {
            *p = v->next;
            v->shared = false;
            store->n_views--;
            if (v->refs == 0) {
                view_free(v);
            }
            continue;
        }
        p = &v->next;
    }
    pthread_mutex_unlock(&store->mutex);
}

/* A property of the row for the list; tag 0: it has none. */
static ph_int_t
view_value(store_rows_t *rows, uint32_t tag, mapi_value_t *v)
{
    ph_int_t  rc;

    rc = store_rows_get(rows, tag, rows->pool, v);
    if (rc == PH_NOTFOUND || (rc == PH_OK && MAPI_TYPE(v->tag) == PT_ERROR)) {
        memset(v, 0, sizeof(*v));
        return PH_OK;
    }

    return rc;
}

static ph_int_t
view_add_instance(view_make_t *make, store_rows_t *rows, uint64_t id,
    uint32_t inst, uint8_t depth)
{
    uint16_t       i;
    uint32_t       cap;
    store_vrow_t  *row;
    mapi_value_t   v;
    mapi_sorts_t  *sorts;

    if (make->n == make->cap) {
        if (make->n >= STORE_ROW_HEADER / 2) {
            return PH_TOOBIG;
        }
        cap = make->cap ? make->cap * 2 : 256;
        row = ph_prealloc(make->pool, make->row, make->cap * sizeof(*row),
                          cap * sizeof(*row));
        if (row == NULL) {
            return PH_NOMEM;
        }
        make->row = row;
        make->cap = cap;
    }
    row = &make->row[make->n];
    memset(row, 0, sizeof(*row));
    row->id = id;
    row->inst = inst;
    row->depth = depth;
    rows->inst = inst;

    sorts = &make->t->sorts;
    if (sorts->n) {
        row->key = ph_pcalloc_array(make->pool, sorts->n, sizeof(*row->key));
        if (row->key == NULL) {
            return PH_NOMEM;
        }
    }
    for (i = 0; i < sorts->n; i++) {
        store_try(view_value(rows, sorts->sort[i].tag, &v));
        if (v.tag) {
            store_try(store_value_copy(make->pool, &v, &row->key[i]));
        }
    }
    if (sorts->categories) {
        store_try(view_value(rows, PR_READ, &v));
        row->unread = v.tag && !v.u.b;
    }
    make->n++;

    return PH_OK;
}

/* One row, or one for each value of the property that is expanded. */
static ph_int_t
view_add(view_make_t *make, store_rows_t *rows, uint64_t id, uint8_t depth)
{
    uint32_t      i, n;
    mapi_value_t  v;

    n = 1;
    if (make->t->expand_tag) {
        store_try(view_value(rows, make->t->expand_tag & ~(uint32_t) PT_MVI,
                             &v));
        if (v.tag && v.u.mv.n) {
            n = v.u.mv.n;
        }
    }
    for (i = 0; i < n; i++) {
        store_try(view_add_instance(make, rows, id, i, depth));
    }

    return PH_OK;
}

/* The messages that the full-text index names, each looked at. */
static ph_int_t
view_list_found(view_make_t *make, store_conn_t *conn, uint32_t n,
    const uint64_t *ids)
{
    bool          match;
    uint32_t      i;
    ph_int_t      rc;
    store_rows_t  rows;

    for (i = 0; i < n; i++) {
        rc = store_rows_one(&rows, conn, make->t, ids[i]);
        if (rc == PH_OK) {
            rc = store_rows_match(&rows, make->t->restriction, &match);
            if (rc == PH_OK && match && store_rows_visible(&rows)) {
                rc = view_add(make, &rows, ids[i], 0);
            }
        }
        store_rows_close(&rows);
        if (rc != PH_OK && rc != PH_NOTFOUND) {
            return rc;
        }
    }

    return PH_OK;
}

/* PH_DECLINED: to read all messages is no more work. */
static ph_int_t
view_list_indexed(view_make_t *make, store_conn_t *conn)
{
    uint32_t         n;
    uint64_t        *ids;
    ph_int_t         rc;
    ph_pool_t       *pool;
    store_folder_t   f;

    if (make->t->restriction == NULL || make->t->state != 0) {
        return PH_DECLINED;
    }
    rc = store_folder_find(conn, NULL, make->t->folder, &f);
    if (rc != PH_OK || f.total < VIEW_INDEX_MIN) {
        return PH_DECLINED;
    }
    pool = ph_pool_create("table candidates", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    rc = store_index_candidates(conn, make->t->restriction, pool, &n, &ids);
    if (rc == PH_OK && n > f.total / 2) {
        rc = PH_DECLINED;
    }
    if (rc == PH_OK) {
        rc = view_list_found(make, conn, n, ids);
    }
    ph_pool_destroy(&pool);

    return rc;
}

static ph_int_t
view_list_messages(view_make_t *make, store_conn_t *conn)
{
    bool            match;
    ph_int_t        rc;
    store_rows_t    rows;
    store_table_t   plain;
    store_cursor_t  begin;

    /* the same table in the order of the ids */
    plain = *make->t;
    plain.key = STORE_KEY_ID;
    plain.descending = false;
    plain.view = NULL;
    memset(&begin, 0, sizeof(begin));

    rc = view_list_indexed(make, conn);
    if (rc != PH_DECLINED) {
        return rc;
    }

    rc = store_rows_open(&rows, conn, &plain, &begin, false, 0);
    while (rc == PH_OK && (rc = store_rows_next(&rows)) == PH_OK) {
        rc = store_rows_match(&rows, plain.restriction, &match);
        if (rc == PH_OK && match && store_rows_visible(&rows)) {
            rc = view_add(make, &rows, rows.id, 0);
        }
    }
    store_rows_close(&rows);

    return rc == PH_DONE ? PH_OK : rc;
}

typedef struct {
    ph_pool_t  *pool;
    uint32_t    n;
    uint32_t    cap;
    uint64_t   *id;
    uint8_t    *depth;
} view_folders_t;

static ph_int_t
view_folder(void *data, const store_folder_t *folder, unsigned depth)
{
    uint32_t         cap;
    view_folders_t  *f = data;

    if (f->n == f->cap) {
        cap = f->cap ? f->cap * 2 : 64;
        f->id = ph_prealloc(f->pool, f->id, f->cap * sizeof(*f->id),
                            cap * sizeof(*f->id));
        f->depth = ph_prealloc(f->pool, f->depth, f->cap, cap);
        if (f->id == NULL || f->depth == NULL) {
            return PH_NOMEM;
        }
        f->cap = cap;
    }
    f->id[f->n] = folder->id;
    f->depth[f->n] = (uint8_t) ph_min(depth, 255u);
    f->n++;

    return PH_OK;
}

/* A row by its id, tested and added: folders and attachments. */
static ph_int_t
view_test(view_make_t *make, store_conn_t *conn, uint64_t id, uint8_t depth)
{
    bool          match;
    ph_int_t      rc;
    store_rows_t  rows;

    rc = store_rows_one(&rows, conn, make->t, id);
    if (rc == PH_OK) {
        rows.depth = depth;
        rc = store_rows_match(&rows, make->t->restriction, &match);
        if (rc == PH_OK && match && store_rows_visible(&rows)) {
            rc = view_add(make, &rows, id, depth);
        }
    }
    store_rows_close(&rows);

    return rc == PH_NOTFOUND ? PH_OK : rc;
}

static ph_int_t
view_list_folders(view_make_t *make, store_conn_t *conn)
{
    bool             deep;
    uint32_t         i;
    view_folders_t   f;

    memset(&f, 0, sizeof(f));
    f.pool = make->pool;
    deep = make->t->flags & STORE_TABLE_DEPTH;
    store_try(store_folder_walk(conn, make->t->folder, deep,
                                make->t->flags & STORE_TABLE_DELETED,
                                view_folder, &f));

    for (i = 0; i < f.n; i++) {
        if (!store_viewer_sees(conn, f.id[i])) {
            continue;
        }
        store_try(view_test(make, conn, f.id[i], f.depth[i]));
    }

    return PH_OK;
}

/* What the restriction says that PR_CONVERSATION_ID is; NULL: nothing. */
static const mapi_value_t *
view_conversation(const mapi_restriction_t *r)
{
    uint32_t                   i;
    const mapi_restriction_t  *p;

    for (i = 0; r; i++) {
        p = r;
        if (r->type == MAPI_RES_AND) {
            if (i >= r->u.list.n) {
                return NULL;
            }
            p = &r->u.list.r[i];
        } else if (i) {
            return NULL;
        }
        if (p->type == MAPI_RES_PROPERTY && p->u.prop.relop == RELOP_EQ
            && MAPI_ID(p->u.prop.tag) == MAPI_ID(PR_CONVERSATION_ID)
            && MAPI_TYPE(p->u.prop.value.tag) == PT_BINARY)
        {
            return &p->u.prop.value;
        }
    }

    return NULL;
}

ph_int_t
store_table_conversation(store_conn_t *conn, const store_table_t *t)
{
    ph_int_t             rc;
    sqlite3_stmt        *s;
    const mapi_value_t  *v;

    v = view_conversation(t->restriction);
    if (v == NULL) {
        return PH_INVALID;
    }
    store_try(store_q(conn, SQL_CONVERSATION, &s, "b", v->u.bin));
    rc = store_step(conn, s);
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

/* The messages of a conversation are few, and an index finds them. */
static ph_int_t
view_list_conversation(view_make_t *make, store_conn_t *conn)
{
    ph_int_t             rc;
    sqlite3_stmt        *s;
    const mapi_value_t  *v;

    v = view_conversation(make->t->restriction);
    if (v == NULL) {
        return PH_OK;
    }
    store_try(store_q(conn, SQL_CONVERSATION, &s, "b", v->u.bin));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = view_test(make, conn, store_col_u64(s, 0), 0);
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

static ph_int_t
view_list_attachments(view_make_t *make, store_conn_t *conn)
{
    uint32_t        i;
    store_mdata_t  *d;

    d = &make->t->msg->data;
    for (i = 0; i < d->n_atts; i++) {
        store_try(view_test(make, conn, d->att[i]->num, 0));
    }

    return PH_OK;
}

/* The list of the sorted rows. */
static ph_int_t
view_fill(store_table_t *t, view_make_t *make, store_view_t *view)
{
    uint32_t  i;

    view->id = malloc((make->n + 1) * sizeof(*view->id));
    if (view->id == NULL) {
        return PH_NOMEM;
    }
    if (t->kind == STORE_TABLE_HIERARCHY) {
        view->depth = malloc(make->n + 1);
        if (view->depth == NULL) {
            return PH_NOMEM;
        }
    }
    if (t->expand_tag) {
        view->inst = malloc((make->n + 1) * sizeof(*view->inst));
        if (view->inst == NULL) {
            return PH_NOMEM;
        }
    }

    store_try(store_group_rows(t, make->n, make->row, view));

    view->n = make->n;
    for (i = 0; i < make->n; i++) {
        view->id[i] = make->row[i].id;
        if (view->depth) {
            view->depth[i] = make->row[i].depth;
        }
        if (view->inst) {
            view->inst[i] = make->row[i].inst;
        }
    }

    return PH_OK;
}

static ph_int_t
view_make(store_conn_t *conn, store_table_t *t, store_view_t **view_r)
{
    ph_int_t       rc;
    view_make_t    make;
    store_view_t  *view;

    memset(&make, 0, sizeof(make));
    make.t = t;
    make.pool = ph_pool_create("table list", VIEW_MEMORY);
    if (make.pool == NULL) {
        return PH_NOMEM;
    }

    switch (t->kind) {
    case STORE_TABLE_CONTENTS:
        rc = t->flags & STORE_TABLE_CONVERSATION
             ? view_list_conversation(&make, conn)
             : view_list_messages(&make, conn);
        break;
    case STORE_TABLE_HIERARCHY:
        rc = view_list_folders(&make, conn);
        break;
    default:
        rc = view_list_attachments(&make, conn);
    }

    view = NULL;
    if (rc == PH_OK) {
        view = calloc(1, sizeof(*view));
        rc = view ? view_fill(t, &make, view) : PH_NOMEM;
    }
    ph_pool_destroy(&make.pool);
    if (rc != PH_OK) {
        if (view) {
            view_free(view);
        }
        return rc;
    }

    view->refs = 1;
    view->folder = t->folder;
    view->flags = t->flags;
    view->viewer = view_viewer(conn, t);
    memcpy(view->digest, t->digest, sizeof(view->digest));
    *view_r = view;

    return PH_OK;
}

static ph_int_t
view_current(store_conn_t *conn, store_table_t *t, store_view_t **view_r)
{
    bool           keep;
    int64_t        version;
    ph_int_t       rc;
    store_view_t  *view;

    version = 0;
    /* what a writer sees may still be undone, and its version given again */
    keep = t->kind == STORE_TABLE_CONTENTS
           && !(t->flags & STORE_TABLE_CONVERSATION)
           && !(conn->writable && conn->in_txn);

    if (t->kind == STORE_TABLE_CONTENTS) {
        rc = store_q_int(conn, SQL_FOLDER_VERSION, &version, "u", t->folder);
        if (rc == PH_NOTFOUND) {
            /* the folder is gone, and its rows with it */
            keep = false;
        } else {
            store_try(rc);
        }
    }

    if (keep) {
        if (t->view && t->view->version == (uint64_t) version) {
            *view_r = t->view;
            return PH_OK;
        }
        view = view_find(t, (uint64_t) version, view_viewer(conn, t));
        if (view) {
            store_view_drop(t);
            *view_r = t->view = view;
            return PH_OK;
        }
    }

    store_try(view_make(conn, t, &view));
    view->version = keep ? (uint64_t) version : UINT64_MAX;
    if (keep) {
        view_share(t->store, view);
    }
    store_view_drop(t);
    *view_r = t->view = view;

    return PH_OK;
}

ph_int_t
store_view_get(store_conn_t *conn, store_table_t *t, store_view_t **view_r)
{
    store_try(view_current(conn, t, view_r));

    return t->sorts.categories ? store_group_show(t) : PH_OK;
}

/* ---- rows of a list ---- */

uint32_t
store_listed_count(const store_table_t *t)
{
    return t->sorts.categories ? t->n_shown : t->view->n;
}

void
store_listed_of(const store_view_t *view, const uint32_t *shown,
    uint16_t categories, uint32_t i, store_listed_t *row)
{
    memset(row, 0, sizeof(*row));
    if (shown) {
        i = shown[i];
        if (i & STORE_ROW_HEADER) {
            row->group = &view->group[i & ~STORE_ROW_HEADER];
            row->id = row->group->id;
            row->depth = (uint8_t) row->group->level;
            return;
        }
        row->depth = (uint8_t) categories;
    }
    row->id = view->id[i];
    row->inst = view->inst ? view->inst[i] : 0;
    if (view->depth) {
        row->depth = view->depth[i];
    }
}

void
store_listed(const store_table_t *t, uint32_t i, store_listed_t *row)
{
    store_listed_of(t->view, t->sorts.categories ? t->shown : NULL,
                    t->sorts.categories, i, row);
}

static bool
listed_is(const store_table_t *t, uint32_t i, const store_cursor_t *at)
{
    store_listed_t  row;

    store_listed(t, i, &row);

    return row.id == at->id && row.inst == (uint32_t) at->num;
}

/* The first row that is shown behind one that is hidden; count: unknown. */
static uint32_t
listed_behind(const store_table_t *t, const store_cursor_t *at)
{
    uint32_t             i, k, row, leaf, group;
    const store_view_t  *view = t->view;

    group = store_group_find(view, at->id);
    leaf = STORE_NO_GROUP;
    if (group == STORE_NO_GROUP) {
        for (leaf = 0; leaf < view->n; leaf++) {
            if (view->id[leaf] == at->id
                && (!view->inst || view->inst[leaf] == (uint32_t) at->num))
            {
                break;
            }
        }
        if (leaf == view->n) {
            return ph_min(at->idx, t->n_shown);
        }
    }

    for (i = 0; i < t->n_shown; i++) {
        row = t->shown[i];
        k = row & ~STORE_ROW_HEADER;
        if (group != STORE_NO_GROUP
            ? (row & STORE_ROW_HEADER) && k > group
            : (row & STORE_ROW_HEADER) ? view->group[k].first > leaf
                                       : k > leaf)
        {
            break;
        }
    }

    return i;
}

uint32_t
store_listed_index(const store_table_t *t, const store_cursor_t *at,
    bool *gone_r)
{
    uint32_t  i, n;

    if (gone_r) {
        *gone_r = false;
    }
    n = store_listed_count(t);
    if (at->place != STORE_AT_ROW) {
        return at->place == STORE_AT_BEGIN ? 0 : n;
    }

    if (at->idx < n && listed_is(t, at->idx, at)) {
        return at->idx + (at->after ? 1 : 0);
    }
    for (i = 0; i < n; i++) {
        if (listed_is(t, i, at)) {
            return i + (at->after ? 1 : 0);
        }
    }

    if (gone_r) {
        *gone_r = true;
    }

    /* it is hidden; or it is gone, and what came behind it has moved up */
    return t->sorts.categories ? listed_behind(t, at) : ph_min(at->idx, n);
}
