/* Rows of tables: walking them, their values, and whether they match. */

#include "store_table_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_value_int.h"

#include <stdio.h>

#define ROW_MEMORY      (64u << 20)
#define ROW_CUT_READ    4096 /* bytes of large content that are looked at */
#define ROW_VALUE_MAX   (4u << 20) /* longer values are not compared */

#define ROW_COLS                                                              \
    "m.id, m.folder, m.state, m.cn, m.read_cn, m.flags, m.status, m.size,"    \
    " m.received, m.committed, m.deleted, m.article, m.next_attach, m.raw,"   \
    " m.change_key, m.pcl, m.source_key, m.props"
#define ROW_KEY_AT  STORE_MESSAGE_COLS

static const char *
rows_columns(const store_rows_t *rows, char *text, size_t size)
{
    snprintf(text, size, "%s, %s, %s", ROW_COLS,
             rows->sub ? "m.recipients, m.attachments" : "NULL, NULL",
             store_key_columns(rows->t));

    return text;
}

static bool
rows_need_sub(const mapi_restriction_t *r, unsigned depth)
{
    uint32_t  i;

    if (r == NULL || depth > MAPI_MAX_DEPTH) {
        return false;
    }
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        for (i = 0; i < r->u.list.n; i++) {
            if (rows_need_sub(&r->u.list.r[i], depth + 1)) {
                return true;
            }
        }
        return false;
    case MAPI_RES_NOT:
    case MAPI_RES_COUNT:
        return rows_need_sub(r->u.sub.r, depth + 1);
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        return rows_need_sub(r->u.comment.r, depth + 1);
    case MAPI_RES_SUBOBJECT:
        return true;
    default:
        return false;
    }
}

static ph_int_t
rows_init(store_rows_t *rows, store_conn_t *conn, store_table_t *t)
{
    bool  sub;

    sub = rows->sub;
    memset(rows, 0, sizeof(*rows));
    rows->conn = conn;
    rows->t = t;
    rows->sub = sub || rows_need_sub(t->restriction, 0);
    rows->pool = ph_pool_create("table row", ROW_MEMORY);

    return rows->pool ? PH_OK : PH_NOMEM;
}

ph_int_t
store_rows_open(store_rows_t *rows, store_conn_t *conn, store_table_t *t,
    const store_cursor_t *from, bool backward, uint32_t limit)
{
    char  text[640];

    rows->sub = false;
    store_try(rows_init(rows, conn, t));
    rows->backward = backward;

    if (t->key != STORE_KEY_LIST) {
        return store_key_query(conn, t, rows_columns(rows, text, sizeof(text)),
                               from, backward, limit ? limit : INT32_MAX, 0,
                               &rows->s);
    }

    store_try(store_view_get(conn, t, &rows->view));
    rows->idx = store_listed_index(t, from, NULL);

    return PH_OK;
}

void
store_rows_close(store_rows_t *rows)
{
    store_done(rows->conn, &rows->s);
    if (rows->pool) {
        ph_pool_destroy(&rows->pool);
    }
}

/* Columns of a message in rows->s become the current row. */
static ph_int_t
rows_message(store_rows_t *rows)
{
    store_mrow(rows->s, &rows->mrow);
    store_try(store_pack_open(rows->mrow.props, &rows->pack));
    store_mrow_ctx(rows->conn, &rows->mrow, &rows->pack, &rows->mctx);
    rows->id = rows->mrow.fact.id;

    return PH_OK;
}

/* Loads the row with this id.  PH_NOTFOUND: it is gone. */
static ph_int_t
rows_load(store_rows_t *rows, uint64_t id)
{
    char            text[768], columns[640];
    ph_int_t        rc;
    uint32_t        i;
    store_mdata_t  *d;

    store_done(rows->conn, &rows->s);

    switch (rows->t->kind) {

    case STORE_TABLE_CONTENTS:
        snprintf(text, sizeof(text), "SELECT %s FROM message m WHERE id = ?1"
                 " AND %s AND state = ?3",
                 rows_columns(rows, columns, sizeof(columns)),
                 store_key_in(rows->t));
        store_try(store_q_text(rows->conn, text, &rows->s, "uud", id,
                               rows->t->flags & STORE_TABLE_CONVERSATION
                               ? (uint64_t) 0 : rows->t->folder,
                               rows->t->state));
        rc = store_step(rows->conn, rows->s);
        if (rc == PH_OK) {
            return rows_message(rows);
        }
        return rc == PH_DONE ? PH_NOTFOUND : rc;

    case STORE_TABLE_HIERARCHY:
        store_try(store_q(rows->conn, SQL_FOLDER, &rows->s, "u", id));
        rc = store_step(rows->conn, rows->s);
        if (rc == PH_OK) {
            rows->id = id;
            return store_frow(rows->s, &rows->frow);
        }
        return rc == PH_DONE ? PH_NOTFOUND : rc;

    case STORE_TABLE_ATTACHMENTS:
        d = &rows->t->msg->data;
        for (i = 0; i < d->n_atts; i++) {
            if (d->att[i]->num == id) {
                rows->att = d->att[i];
                rows->id = id;
                return PH_OK;
            }
        }
        return PH_NOTFOUND;
    }

    return PH_ERROR;
}

static ph_int_t
rows_next_listed(store_rows_t *rows)
{
    uint32_t         i, n;
    ph_int_t         rc;
    store_listed_t   row;

    n = store_listed_count(rows->t);

    for ( ;; ) {
        if (rows->backward ? rows->idx == 0 : rows->idx >= n) {
            return PH_DONE;
        }
        i = rows->backward ? --rows->idx : rows->idx++;

        store_listed(rows->t, i, &row);
        rows->group = row.group;
        if (row.group) {
            store_done(rows->conn, &rows->s);
            rows->id = row.id;
        } else {
            rc = rows_load(rows, row.id);
            if (rc == PH_NOTFOUND) {
                continue;
            }
            store_try(rc);
        }

        rows->inst = row.inst;
        rows->depth = row.depth;
        memset(&rows->at, 0, sizeof(rows->at));
        rows->at.place = STORE_AT_ROW;
        rows->at.id = rows->id;
        rows->at.num = row.inst;
        rows->at.idx = i;

        return PH_OK;
    }
}

ph_int_t
store_rows_next(store_rows_t *rows)
{
    ph_pool_reset(rows->pool);

    if (rows->view) {
        return rows_next_listed(rows);
    }

    store_try(store_step(rows->conn, rows->s));
    store_try(rows_message(rows));
    store_key_cursor(rows->t, rows->s, ROW_KEY_AT, &rows->at);

    return PH_OK;
}

ph_int_t
store_rows_one(store_rows_t *rows, store_conn_t *conn, store_table_t *t,
    uint64_t id)
{
    rows->sub = false;
    store_try(rows_init(rows, conn, t));
    store_try(rows_load(rows, id));

    memset(&rows->at, 0, sizeof(rows->at));
    rows->at.place = STORE_AT_ROW;
    rows->at.id = id;
    if (t->kind == STORE_TABLE_CONTENTS) {
        store_key_cursor(t, rows->s, ROW_KEY_AT, &rows->at);
    }

    return PH_OK;
}

/* What makes a row one of a categorised or expanded table. */
static bool
rows_place(const store_rows_t *rows, uint32_t tag, mapi_value_t *v)
{
    const store_group_t  *g = rows->group;

    if (MAPI_ID(tag) == MAPI_ID(PR_DEPTH)) {
        v->tag = PR_DEPTH;
        v->u.i4 = rows->depth;
        return true;
    }
    if (rows->t->kind != STORE_TABLE_CONTENTS) {
        return false;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_ROW_TYPE):
        v->tag = PR_ROW_TYPE;
        /* TBL_LEAF_ROW, TBL_EXPANDED_CATEGORY, TBL_COLLAPSED_CATEGORY */
        v->u.i4 = g == NULL ? 1 : store_group_expanded(rows->t, g) ? 3 : 4;
        return true;
    case MAPI_ID(PidTagInstID):
        v->tag = PidTagInstID;
        v->u.i8 = (int64_t) (g ? g->id : store_eid(rows->id));
        return true;
    case MAPI_ID(PidTagInstanceNum):
        v->tag = PidTagInstanceNum;
        v->u.i4 = (int32_t) rows->inst;
        return true;
    case MAPI_ID(PR_CONTENT_COUNT):
        v->tag = PR_CONTENT_COUNT;
        v->u.i4 = g ? (int32_t) g->n : 0;
        return rows->t->sorts.categories != 0;
    case MAPI_ID(PR_CONTENT_UNREAD):
        v->tag = PR_CONTENT_UNREAD;
        v->u.i4 = g ? (int32_t) g->unread : 0;
        return rows->t->sorts.categories != 0;
    default:
        return false;
    }
}

/* A header has the values that all rows below it share. */
static ph_int_t
rows_header(const store_rows_t *rows, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    const mapi_value_t   *v;
    const mapi_sorts_t   *sorts = &rows->t->sorts;
    const store_group_t  *g = rows->group;

    if (MAPI_ID(tag) == MAPI_ID(PidTagFolderId)) {
        v_r->tag = PidTagFolderId;
        v_r->u.i8 = (int64_t) store_eid(rows->t->folder);
        return PH_OK;
    }

    v = NULL;
    if (g->best.tag && MAPI_ID(g->best.tag) == MAPI_ID(tag)) {
        v = &g->best;
    }
    while (v == NULL) {
        if (MAPI_ID(sorts->sort[g->level].tag) == MAPI_ID(tag)) {
            v = &g->value;
        } else if (g->parent == STORE_NO_GROUP) {
            return PH_NOTFOUND;
        } else {
            g = &rows->t->view->group[g->parent];
        }
    }
    if (v->tag == 0) {
        return PH_NOTFOUND;
    }

    return store_value_copy(pool, v, v_r);
}

/* One value of a multi-value: that of the row's instance. */
static ph_int_t
rows_instance(store_rows_t *rows, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    uint32_t      i;
    mapi_value_t  all;

    store_try(store_rows_get(rows, tag & ~(uint32_t) PT_MVI, pool, &all));
    if (MAPI_TYPE(all.tag) == PT_ERROR || !(MAPI_TYPE(all.tag) & PT_MV)) {
        *v_r = all;
        return PH_OK;
    }
    i = MAPI_ID(tag) == MAPI_ID(rows->t->expand_tag) ? rows->inst : 0;
    if (i >= all.u.mv.n) {
        return PH_NOTFOUND;
    }
    mapi_value_element(&all, i, v_r);

    return PH_OK;
}

ph_int_t
store_rows_get(store_rows_t *rows, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    memset(v_r, 0, sizeof(*v_r));

    if (rows_place(rows, tag, v_r)) {
        return PH_OK;
    }
    if (rows->group) {
        return rows_header(rows, tag, pool, v_r);
    }
    if ((MAPI_TYPE(tag) & (PT_MV | PT_MVI)) == (PT_MV | PT_MVI)) {
        return rows_instance(rows, tag, pool, v_r);
    }

    switch (rows->t->kind) {
    case STORE_TABLE_CONTENTS:
        return store_mctx_get(&rows->mctx, tag, ROW_VALUE_MAX, pool, v_r);
    case STORE_TABLE_HIERARCHY:
        return store_frow_get(rows->conn, &rows->frow, tag, ROW_VALUE_MAX,
                              pool, v_r);
    case STORE_TABLE_ATTACHMENTS:
        return store_adata_get(rows->conn, rows->att, tag, ROW_VALUE_MAX,
                               pool, v_r);
    }

    return PH_NOTFOUND;
}

static ph_int_t
rows_eval_get(void *data, uint32_t tag, mapi_value_t *value_r)
{
    ph_int_t       rc;
    store_rows_t  *rows = data;

    rc = store_rows_get(rows, tag, rows->pool, value_r);
    if (rc == PH_OK && MAPI_TYPE(value_r->tag) == PT_ERROR) {
        return PH_NOTFOUND;
    }

    return rc;
}

static ph_int_t
rows_eval_sub(void *data, uint32_t tag, const mapi_restriction_t *r,
    bool *match_r)
{
    store_rows_t  *rows = data;

    *match_r = false;
    if (rows->t->kind != STORE_TABLE_CONTENTS || rows->group) {
        return PH_OK;
    }

    return store_sub_match(rows->conn, tag, rows->mrow.recipients,
                           rows->mrow.attachments, rows->pool, r, match_r);
}

ph_int_t
store_rows_match(store_rows_t *rows, const mapi_restriction_t *r,
    bool *match_r)
{
    mapi_eval_t  e;

    if (r == NULL) {
        *match_r = true;
        return PH_OK;
    }

    /* a restriction of a search may ask for what the table's does not */
    if (!rows->sub && rows->t->kind == STORE_TABLE_CONTENTS
        && rows->group == NULL && rows_need_sub(r, 0))
    {
        store_rows_t  one;
        ph_int_t      rc;

        one.sub = true;
        rc = rows_init(&one, rows->conn, rows->t);
        one.sub = true;
        if (rc == PH_OK) {
            rc = rows_load(&one, rows->id);
            one.inst = rows->inst;
            one.depth = rows->depth;
        }
        if (rc == PH_OK) {
            rc = store_rows_match(&one, r, match_r);
        }
        store_rows_close(&one);
        return rc;
    }

    e.get = rows_eval_get;
    e.sub = rows_eval_sub;
    e.data = rows;

    return mapi_restriction_eval(r, &e, match_r);
}

bool
store_rows_visible(store_rows_t *rows)
{
    return !(rows->t->flags & STORE_TABLE_NO_PRIVATE)
           || rows->t->kind != STORE_TABLE_CONTENTS
           || !store_mctx_private(&rows->mctx, rows->pool)
           || (store_mctx_access(&rows->mctx, rows->pool)
               & STORE_ACCESS_READ) != 0;
}

/* Units of UTF-16 are counted: the limit is one of clients. */
static size_t
rows_cut_length(ph_str_t s)
{
    size_t    i, units;
    uint8_t   c;

    units = 0;
    for (i = 0; i < s.len; i++) {
        c = s.data[i];
        if ((c & 0xC0) == 0x80) {
            continue;
        }
        units += c >= 0xF0 ? 2 : 1;
        if (units > STORE_ROW_CHARS_MAX) {
            return i;
        }
    }

    return s.len;
}

static void
rows_cut(mapi_value_t *v)
{
    switch (MAPI_TYPE(v->tag)) {
    case PT_STRING8:
    case PT_UNICODE:
        v->u.str.len = rows_cut_length(v->u.str);
        break;
    case PT_BINARY:
        v->u.bin.len = ph_min(v->u.bin.len, (size_t) STORE_ROW_BYTES_MAX);
        break;
    default:
        break;
    }
}

/* The beginning of a value that lies outside of the row. */
static ph_int_t
rows_get_cut(store_rows_t *rows, uint32_t tag, mapi_value_t *v_r)
{
    uint64_t        size;
    uint16_t        type;
    ph_str_t        data;
    store_stored_t  s;

    type = MAPI_TYPE(tag);
    if (rows->t->kind == STORE_TABLE_CONTENTS && rows->group == NULL
        && (store_is_string(type) || type == PT_BINARY)
        && store_mctx_stored(&rows->mctx, tag, rows->pool, &s) == PH_OK
        && s.external && s.content
        && store_type_same(type, MAPI_TYPE(s.v->tag)))
    {
        store_try(store_content_read(rows->conn, s.content, ROW_CUT_READ,
                                     rows->pool, &data, &size));
        memset(v_r, 0, sizeof(*v_r));
        v_r->tag = tag;
        v_r->u.str = data;
        return PH_OK;
    }

    return store_rows_get(rows, tag, rows->pool, v_r);
}

ph_int_t
store_rows_give(store_rows_t *rows, unsigned flags, store_row_pt fn,
    void *data)
{
    uint32_t        i;
    ph_int_t        rc;
    mapi_value_t   *v;
    mapi_values_t   values;
    store_table_t  *t;

    t = rows->t;
    v = ph_pcalloc_array(rows->pool, t->columns.n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < t->columns.n; i++) {
        rc = flags & STORE_QUERY_LONG
             ? store_rows_get(rows, t->columns.tag[i], rows->pool, &v[i])
             : rows_get_cut(rows, t->columns.tag[i], &v[i]);
        if (rc == PH_NOTFOUND) {
            store_value_absent(&v[i], t->columns.tag[i], STORE_EC_NOT_FOUND);
            continue;
        }
        store_try(rc);
        if (!(flags & STORE_QUERY_LONG)) {
            rows_cut(&v[i]);
        }
    }

    values.n = t->columns.n;
    values.v = v;

    return fn(data, &values);
}
