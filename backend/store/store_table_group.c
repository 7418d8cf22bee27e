/*
 * Categorised tables (MS-OXCTABL 2.2.2.3): the order of rows, the headers over
 * them, which of them are expanded, and that state in a form that a client can
 * keep.
 *
 * The id of a category is made from its values alone.  So it is the same in the
 * next list, in another table with the same sort, and after a restart.
 */

#include "store_table_int.h"
#include "mapi/mapi_value.h"
#include "mapi/mapi_restriction.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define GROUP_VALUES   (64u << 20)
#define GROUP_VALUE    (64u << 10)   /* what of a value makes the id */
#define GROUP_ID_BIT   0x8000u       /* no replica has such a number */

#define STATE_MAGIC    0x31534350u   /* "PCS1" */
#define STATE_HEAD     (4 + 16 + 8 + 4 + 4)
#define STATE_DIGEST   16

/* ---- order ---- */

static int
group_compare_key(const mapi_value_t *a, const mapi_value_t *b, uint8_t order)
{
    int  c;

    if (a->tag == 0 || b->tag == 0) {
        c = (a->tag != 0) - (b->tag != 0);
    } else {
        c = mapi_value_cmp(a, b);
    }

    return order == STORE_ORDER_DESCENDING ? -c : c;
}

static bool
group_is_best(const mapi_sorts_t *sorts, uint16_t i)
{
    return sorts->sort[i].order == STORE_ORDER_MAXIMUM
           || sorts->sort[i].order == STORE_ORDER_MINIMUM;
}

static int
group_compare(const void *a, const void *b, void *data)
{
    int                  c;
    uint16_t             i;
    const store_vrow_t  *x = a, *y = b;
    const mapi_sorts_t  *sorts = data;

    for (i = 0; i < sorts->n; i++) {
        if (group_is_best(sorts, i)) {
            continue;
        }
        if (i + 1 == sorts->categories && x->best && y->best) {
            c = group_compare_key(x->best, y->best, sorts->sort[i].order);
            if (c) {
                return c;
            }
        }
        c = group_compare_key(&x->key[i], &y->key[i], sorts->sort[i].order);
        if (c) {
            return c;
        }
    }
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }

    return x->inst < y->inst ? -1 : x->inst > y->inst;
}

/* The first level at which the two are in different categories. */
static uint16_t
group_differs(const mapi_sorts_t *sorts, const store_vrow_t *a,
    const store_vrow_t *b)
{
    uint16_t  i;

    for (i = 0; i < sorts->categories; i++) {
        if (group_compare_key(&a->key[i], &b->key[i], 0)) {
            break;
        }
    }

    return i;
}

/* Each innermost category gets its greatest or smallest value. */
static void
group_best(const mapi_sorts_t *sorts, uint32_t n, store_vrow_t *rows)
{
    int                  c;
    uint16_t             at;
    uint32_t             i, k, first;
    const mapi_value_t  *best;

    at = sorts->categories;
    for (first = 0; first < n; first = i) {
        best = &rows[first].key[at];
        for (i = first + 1; i < n; i++) {
            if (group_differs(sorts, &rows[first], &rows[i]) < at) {
                break;
            }
            c = group_compare_key(&rows[i].key[at], best, 0);
            if (sorts->sort[at].order == STORE_ORDER_MAXIMUM
                ? c > 0 : (rows[i].key[at].tag && (!best->tag || c < 0)))
            {
                best = &rows[i].key[at];
            }
        }
        for (k = first; k < i; k++) {
            rows[k].best = best;
        }
    }
}

/* ---- headers ---- */

static ph_int_t
group_id(ph_pool_t *pool, const store_group_t *parent, uint16_t level,
    const mapi_value_t *v, uint64_t *id_r)
{
    uint8_t      digest[32];
    ph_int_t     rc;
    ph_str_t     key;
    ph_wbuf_t    b;
    mapi_ctx_t   ctx;

    memset(&ctx, 0, sizeof(ctx));
    ctx.form = MAPI_FORM_WIDE;
    ctx.cpid = 65001;

    ph_wbuf_init(&b, pool, 2 * GROUP_VALUE);
    ph_put_u64(&b, parent ? parent->id : 0);
    ph_put_u16(&b, level);
    if (v->tag == 0) {
        ph_put_u16(&b, PT_ERROR);
    } else if (store_is_string(MAPI_TYPE(v->tag))) {
        ph_put_u16(&b, PT_UNICODE);
        store_try(mapi_string_key(pool, v->u.str, &key));
        ph_put_bytes(&b, key.data, ph_min(key.len, (size_t) GROUP_VALUE));
    } else if (MAPI_TYPE(v->tag) == PT_BINARY) {
        ph_put_u16(&b, PT_BINARY);
        ph_put_bytes(&b, v->u.bin.data,
                     ph_min(v->u.bin.len, (size_t) GROUP_VALUE));
    } else {
        rc = mapi_value_encode(&b, &ctx, v);
        if (rc != PH_OK) {
            return rc;
        }
    }
    if (b.error) {
        return PH_NOMEM;
    }
    if (EVP_Digest(b.data, b.len, digest, NULL, EVP_sha256(), NULL) != 1) {
        return PH_NOMEM;
    }
    memcpy(id_r, digest, sizeof(*id_r));
    *id_r = (*id_r & INT64_MAX) | GROUP_ID_BIT;

    return PH_OK;
}

static ph_int_t
group_open(store_table_t *t, store_view_t *view, uint32_t *cap,
    ph_pool_t *scratch, const store_vrow_t *row, uint32_t first,
    uint16_t level, uint32_t parent)
{
    store_group_t  *g;

    if (view->n_groups == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        g = realloc(view->group, *cap * sizeof(*g));
        if (g == NULL) {
            return PH_NOMEM;
        }
        view->group = g;
    }
    g = &view->group[view->n_groups];
    memset(g, 0, sizeof(*g));
    g->parent = parent;
    g->first = first;
    g->level = level;
    if (row->key[level].tag) {
        store_try(store_value_copy(view->pool, &row->key[level], &g->value));
    }
    if (level + 1 == t->sorts.categories && row->best && row->best->tag) {
        store_try(store_value_copy(view->pool, row->best, &g->best));
    }
    ph_pool_reset(scratch);
    store_try(group_id(scratch, parent == STORE_NO_GROUP ? NULL
                                : &view->group[parent], level, &g->value,
                       &g->id));
    view->n_groups++;

    return PH_OK;
}

static ph_int_t
group_make(store_table_t *t, uint32_t n, store_vrow_t *rows,
    store_view_t *view, ph_pool_t *scratch)
{
    uint16_t  level, categories;
    uint32_t  i, k, cap, open[MAPI_MAX_SORTS];

    cap = 0;
    categories = t->sorts.categories;

    for (i = 0; i < n; i++) {
        level = i ? group_differs(&t->sorts, &rows[i - 1], &rows[i]) : 0;
        for (k = level; i && k < categories; k++) {
            view->group[open[k]].after = view->n_groups;
        }
        for ( ; level < categories; level++) {
            open[level] = view->n_groups;
            store_try(group_open(t, view, &cap, scratch, &rows[i], i, level,
                                 level ? open[level - 1] : STORE_NO_GROUP));
        }
        for (level = 0; level < categories; level++) {
            view->group[open[level]].n++;
            view->group[open[level]].unread += rows[i].unread;
        }
    }
    for (k = 0; n && k < categories; k++) {
        view->group[open[k]].after = view->n_groups;
    }

    return PH_OK;
}

ph_int_t
store_group_rows(store_table_t *t, uint32_t n, store_vrow_t *rows,
    store_view_t *view)
{
    ph_int_t       rc;
    ph_pool_t     *scratch;
    mapi_sorts_t  *sorts;

    sorts = &t->sorts;
    if (sorts->n == 0 || n == 0) {
        return PH_OK;
    }
    qsort_r(rows, n, sizeof(*rows), group_compare, sorts);
    if (sorts->categories == 0) {
        return PH_OK;
    }
    if (sorts->n > sorts->categories
        && group_is_best(sorts, sorts->categories))
    {
        group_best(sorts, n, rows);
        qsort_r(rows, n, sizeof(*rows), group_compare, sorts);
    }

    view->pool = ph_pool_create("table categories", GROUP_VALUES);
    scratch = ph_pool_create("table category", 0);
    rc = view->pool && scratch ? group_make(t, n, rows, view, scratch)
                               : PH_NOMEM;
    if (scratch) {
        ph_pool_destroy(&scratch);
    }

    return rc;
}

/* ---- what is shown ---- */

static bool
group_toggled(const store_table_t *t, uint64_t id, uint32_t *at_r)
{
    uint32_t  low, high, mid;

    low = 0;
    high = t->n_toggles;
    while (low < high) {
        mid = low + (high - low) / 2;
        if (t->toggle[mid] < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *at_r = low;

    return low < t->n_toggles && t->toggle[low] == id;
}

bool
store_group_expanded(const store_table_t *t, const store_group_t *g)
{
    uint32_t  at;

    return (g->level < t->sorts.expanded) != group_toggled(t, g->id, &at);
}

uint32_t
store_group_find(const store_view_t *view, uint64_t id)
{
    uint32_t  i;

    for (i = 0; i < view->n_groups; i++) {
        if (view->group[i].id == id) {
            return i;
        }
    }

    return STORE_NO_GROUP;
}

/* Rows that are shown below group g, itself not counted. */
static uint32_t
group_below(const store_table_t *t, uint32_t g, uint32_t *out)
{
    uint32_t              i, k, n, end;
    const store_group_t  *group;

    n = 0;
    end = g == STORE_NO_GROUP ? t->view->n_groups : t->view->group[g].after;

    if (g != STORE_NO_GROUP) {
        group = &t->view->group[g];
        if (!store_group_expanded(t, group)) {
            return 0;
        }
        if (group->level + 1 == t->sorts.categories) {
            return group->n;
        }
    }

    for (i = g == STORE_NO_GROUP ? 0 : g + 1; i < end; /* void */) {
        group = &t->view->group[i];
        if (out) {
            out[n] = i | STORE_ROW_HEADER;
        }
        n++;
        if (!store_group_expanded(t, group)) {
            i = group->after;
            continue;
        }
        if (group->level + 1 == t->sorts.categories) {
            for (k = 0; out && k < group->n; k++) {
                out[n + k] = group->first + k;
            }
            n += group->n;
        }
        i++;
    }

    return n;
}

ph_int_t
store_group_show(store_table_t *t)
{
    uint32_t  n, *shown;

    if (t->shown_of == t->view && t->view) {
        return PH_OK;
    }
    n = group_below(t, STORE_NO_GROUP, NULL);
    shown = realloc(t->shown, (n + 1) * sizeof(*shown));
    if (shown == NULL) {
        return PH_NOMEM;
    }
    t->shown = shown;
    t->n_shown = group_below(t, STORE_NO_GROUP, shown);
    t->shown_of = t->view;

    return PH_OK;
}

/* ---- expanding and collapsing ---- */

/* Forgets the state of categories that are not there any more. */
static void
group_forget(store_table_t *t)
{
    uint32_t  i, n;

    n = 0;
    for (i = 0; i < t->n_toggles; i++) {
        if (store_group_find(t->view, t->toggle[i]) != STORE_NO_GROUP) {
            t->toggle[n++] = t->toggle[i];
        }
    }
    t->n_toggles = n;
}

static ph_int_t
group_toggle(store_table_t *t, uint64_t id)
{
    uint32_t   at;
    uint64_t  *list;

    /* what comes or goes by this is known; what else was new is not */
    t->shown_of = NULL;
    t->known_stale |= t->known && t->known != t->view;
    if (group_toggled(t, id, &at)) {
        t->n_toggles--;
        memmove(&t->toggle[at], &t->toggle[at + 1],
                (t->n_toggles - at) * sizeof(*t->toggle));
        return PH_OK;
    }

    if (t->n_toggles >= STORE_TOGGLES) {
        group_forget(t);
        if (t->n_toggles >= STORE_TOGGLES) {
            return PH_TOOBIG;
        }
        (void) group_toggled(t, id, &at);
    }
    list = realloc(t->toggle, (t->n_toggles + 1) * sizeof(*list));
    if (list == NULL) {
        return PH_NOMEM;
    }
    t->toggle = list;
    memmove(&list[at + 1], &list[at], (t->n_toggles - at) * sizeof(*list));
    list[at] = id;
    t->n_toggles++;

    return PH_OK;
}

static ph_int_t
group_get(store_conn_t *conn, store_table_t *t, uint64_t id, uint32_t *g_r)
{
    store_view_t  *view;

    if (t->columns.n == 0) {
        return PH_DECLINED;
    }
    if (t->sorts.categories == 0) {
        return PH_NOTFOUND;
    }
    store_try(store_view_get(conn, t, &view));
    *g_r = store_group_find(view, id);

    return *g_r == STORE_NO_GROUP ? PH_NOTFOUND : PH_OK;
}

ph_int_t
store_table_expand(store_conn_t *conn, store_table_t *t, uint64_t category,
    uint32_t max, store_row_pt fn, void *data, uint32_t *below_r,
    uint32_t *n_r)
{
    ph_int_t         rc;
    uint32_t         g;
    store_rows_t     rows;
    store_cursor_t   at;

    *n_r = 0;
    store_try(group_get(conn, t, category, &g));
    if (store_group_expanded(t, &t->view->group[g])) {
        return PH_EXISTS;
    }
    store_try(group_toggle(t, category));
    *below_r = group_below(t, g, NULL);

    memset(&at, 0, sizeof(at));
    at.place = STORE_AT_ROW;
    at.id = category;
    at.after = true;
    max = ph_min(max, *below_r);

    rc = max ? store_rows_open(&rows, conn, t, &at, false, max) : PH_DONE;
    while (rc == PH_OK && *n_r < max) {
        rc = store_rows_next(&rows);
        if (rc == PH_OK) {
            rc = store_rows_give(&rows, 0, fn, data);
            *n_r += rc == PH_OK;
        }
    }
    if (max) {
        store_rows_close(&rows);
    }

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_table_collapse(store_conn_t *conn, store_table_t *t, uint64_t category,
    uint32_t *below_r)
{
    uint32_t  g;

    store_try(group_get(conn, t, category, &g));
    if (!store_group_expanded(t, &t->view->group[g])) {
        return PH_EXISTS;
    }
    *below_r = group_below(t, g, NULL);

    return group_toggle(t, category);
}

/* ---- the state for a client ---- */

ph_int_t
store_table_collapse_state(store_conn_t *conn, store_table_t *t, uint64_t row,
    uint32_t inst, ph_pool_t *pool, ph_str_t *state_r)
{
    uint32_t       i;
    ph_wbuf_t      b;
    store_view_t  *view;

    if (t->columns.n == 0) {
        return PH_DECLINED;
    }
    if (t->sorts.categories) {
        store_try(store_view_get(conn, t, &view));
        group_forget(t);
    }

    ph_wbuf_init(&b, pool, STATE_HEAD + STORE_TOGGLES * 8);
    ph_put_u32(&b, STATE_MAGIC);
    ph_put_bytes(&b, t->digest, STATE_DIGEST);
    ph_put_u64(&b, row);
    ph_put_u32(&b, inst);
    ph_put_u32(&b, t->n_toggles);
    for (i = 0; i < t->n_toggles; i++) {
        ph_put_u64(&b, t->toggle[i]);
    }
    *state_r = ph_wbuf_str(&b);

    return b.error ? PH_NOMEM : PH_OK;
}

ph_int_t
store_table_set_collapse_state(store_conn_t *conn, store_table_t *t,
    ph_str_t state, uint32_t *bookmark_r)
{
    uint32_t        i, n, inst;
    uint64_t        row, id, last, *list;
    ph_cur_t        cur;
    ph_str_t        digest;
    store_cursor_t  at;

    if (t->columns.n == 0) {
        return PH_DECLINED;
    }

    ph_cur_init(&cur, state.data, state.len);
    if (ph_cur_u32(&cur) != STATE_MAGIC) {
        return PH_INVALID;
    }
    digest = ph_cur_bytes(&cur, STATE_DIGEST);
    row = ph_cur_u64(&cur);
    inst = ph_cur_u32(&cur);
    n = ph_cur_u32(&cur);
    if (cur.error || n > STORE_TOGGLES || ph_cur_left(&cur) != 8 * (size_t) n
        || memcmp(digest.data, t->digest, STATE_DIGEST) != 0)
    {
        return PH_INVALID;
    }

    list = malloc((n + 1) * sizeof(*list));
    if (list == NULL) {
        return PH_NOMEM;
    }
    for (i = 0, last = 0; i < n; i++, last = id) {
        id = ph_cur_u64(&cur);
        if (id <= last) {
            free(list);
            return PH_INVALID;
        }
        list[i] = id;
    }
    free(t->toggle);
    t->toggle = list;
    t->n_toggles = n;
    t->shown_of = NULL;
    t->known_stale |= t->known && t->known != t->view;

    /* the row's id is a message's, or that of a category */
    memset(&at, 0, sizeof(at));
    at.place = STORE_AT_ROW;
    at.id = row & GROUP_ID_BIT ? row : store_id((mapi_eid_t) row);
    at.num = inst;
    store_try(store_table_go(conn, t, &at));

    return store_table_bookmark(conn, t, bookmark_r);
}
