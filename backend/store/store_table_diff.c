/*
 * What has changed in a list since its client read it.  A list is immutable and
 * counted, so remembering one costs a reference; only of a categorised table
 * the rows that were shown are copied.
 */

#include "store_table_int.h"

#include <stdlib.h>

/* a row that the client knows */
typedef struct {
    uint64_t  id;
    uint32_t  inst;
    uint32_t  index;
} diff_row_t;

bool
store_table_is_list(const store_table_t *t)
{
    return t->key == STORE_KEY_LIST && t->kind != STORE_TABLE_ATTACHMENTS;
}

bool
store_table_knows(const store_table_t *t)
{
    return t->known != NULL;
}

bool
store_table_missed(const store_table_t *t)
{
    return t->known_stale;
}

void
store_table_forget(store_table_t *t)
{
    if (t->known) {
        store_view_unref(t->store, t->known);
    }
    free(t->known_shown);
    t->known = NULL;
    t->known_shown = NULL;
    t->known_stale = false;
    t->n_known = 0;
}

ph_int_t
store_table_know(store_conn_t *conn, store_table_t *t)
{
    uint32_t      *shown;
    store_view_t  *view;

    if (!store_table_is_list(t)) {
        return PH_OK;
    }
    store_try(store_view_get(conn, t, &view));

    shown = NULL;
    if (t->sorts.categories) {
        shown = malloc((t->n_shown + 1) * sizeof(*shown));
        if (shown == NULL) {
            return PH_NOMEM;
        }
        memcpy(shown, t->shown, t->n_shown * sizeof(*shown));
    }
    store_view_ref(t->store, view);
    store_table_forget(t);
    t->known = view;
    t->known_shown = shown;
    t->n_known = store_listed_count(t);

    return PH_OK;
}

/* Is one of these objects a row, or was it?  Without making the list anew. */
static ph_int_t
diff_any(store_conn_t *conn, store_table_t *t, uint32_t n,
    const uint64_t *ids, bool *any_r)
{
    bool          match;
    ph_int_t      rc;
    uint32_t      i, k;
    store_rows_t  rows;

    *any_r = false;
    for (i = 0; i < n; i++) {
        for (k = 0; k < t->known->n; k++) {
            if (t->known->id[k] == ids[i]) {
                *any_r = true;
                return PH_OK;
            }
        }

        rc = store_rows_one(&rows, conn, t, ids[i]);
        match = false;
        if (rc == PH_OK) {
            rc = store_rows_match(&rows, t->restriction, &match);
            match = match && store_rows_visible(&rows);
        }
        store_rows_close(&rows);
        if (rc != PH_OK && rc != PH_NOTFOUND) {
            return rc;
        }
        if (match) {
            *any_r = true;
            return PH_OK;
        }
    }

    return PH_OK;
}

static int
diff_compare(const void *a, const void *b)
{
    const diff_row_t  *x = a, *y = b;

    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }

    return x->inst < y->inst ? -1 : x->inst > y->inst;
}

static bool
diff_header_changed(const store_group_t *a, const store_group_t *b)
{
    return a->n != b->n || a->unread != b->unread;
}

static bool
diff_named(uint64_t id, uint32_t n, const uint64_t *ids)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (ids[i] == id) {
            return true;
        }
    }

    return false;
}

static store_change_t *
diff_change(store_change_t *list, uint32_t *n, uint32_t max,
    store_row_event_t event, const store_listed_t *row)
{
    store_change_t  *c;

    if (*n == max) {
        return NULL;
    }
    c = &list[(*n)++];
    memset(c, 0, sizeof(*c));
    c->event = event;
    c->header = row->group != NULL;
    c->id = row->id;
    c->inst = row->inst;

    return c;
}

/*
 * was: the known rows, sorted by id and instance; gone: by index, set while a
 * row is not found in the new list.
 */
static ph_int_t
diff_lists(store_table_t *t, const diff_row_t *was, uint8_t *gone,
    uint32_t n_ids, const uint64_t *ids, uint32_t max, uint32_t *n_r,
    store_change_t *list)
{
    uint32_t              i, n, count;
    diff_row_t            key;
    store_listed_t        row, old, before;
    store_change_t       *c;
    const diff_row_t     *hit;

    count = store_listed_count(t);
    n = 0;
    memset(&before, 0, sizeof(before));

    /* those that went, which only the new list tells */
    for (i = 0; i < count; i++) {
        store_listed(t, i, &row);
        key.id = row.id;
        key.inst = row.inst;
        hit = bsearch(&key, was, t->n_known, sizeof(key), diff_compare);
        if (hit) {
            gone[hit->index] = 0;
        }
    }
    for (i = 0; i < t->n_known; i++) {
        if (gone[i]) {
            store_listed_of(t->known, t->known_shown, t->sorts.categories, i,
                            &old);
            if (diff_change(list, &n, max, STORE_ROW_DELETED, &old) == NULL) {
                return PH_TOOBIG;
            }
        }
    }

    for (i = 0; i < count; i++, before = row) {
        store_listed(t, i, &row);
        key.id = row.id;
        key.inst = row.inst;
        hit = bsearch(&key, was, t->n_known, sizeof(key), diff_compare);
        if (hit) {
            store_listed_of(t->known, t->known_shown, t->sorts.categories,
                            hit->index, &old);
            if (row.group ? !diff_header_changed(old.group, row.group)
                          : !diff_named(row.id, n_ids, ids))
            {
                continue;
            }
        }
        c = diff_change(list, &n, max, hit ? STORE_ROW_MODIFIED
                                           : STORE_ROW_ADDED, &row);
        if (c == NULL) {
            return PH_TOOBIG;
        }
        c->index = i;
        c->prev = i > 0;
        c->prev_header = before.group != NULL;
        c->prev_id = before.id;
        c->prev_inst = before.inst;
    }
    *n_r = n;

    return PH_OK;
}

ph_int_t
store_table_changes(store_conn_t *conn, store_table_t *t, ph_pool_t *pool,
    uint32_t n_ids, const uint64_t *ids, uint32_t max, uint32_t *n_r,
    store_change_t **list_r)
{
    bool             any;
    uint8_t         *gone;
    uint32_t         i;
    ph_int_t         rc;
    diff_row_t      *was;
    store_view_t    *view;
    store_listed_t   row;

    *n_r = 0;
    if (t->known == NULL || t->known_stale) {
        return PH_TOOBIG;
    }
    if (t->sorts.categories == 0 && t->expand_tag == 0) {
        store_try(diff_any(conn, t, n_ids, ids, &any));
        if (!any) {
            return PH_OK;
        }
    }
    store_try(store_view_get(conn, t, &view));

    *list_r = ph_pcalloc_array(pool, max, sizeof(**list_r));
    was = malloc((t->n_known + 1) * sizeof(*was));
    gone = malloc(t->n_known + 1);
    rc = PH_NOMEM;

    if (*list_r && was && gone) {
        for (i = 0; i < t->n_known; i++) {
            store_listed_of(t->known, t->known_shown, t->sorts.categories, i,
                            &row);
            was[i].id = row.id;
            was[i].inst = row.inst;
            was[i].index = i;
        }
        memset(gone, 1, t->n_known + 1);
        qsort(was, t->n_known, sizeof(*was), diff_compare);
        rc = diff_lists(t, was, gone, n_ids, ids, max, n_r, *list_r);
    }
    free(was);
    free(gone);

    return rc;
}

ph_int_t
store_table_row(store_conn_t *conn, store_table_t *t, uint32_t index,
    store_row_pt fn, void *data)
{
    ph_int_t        rc;
    store_rows_t    rows;
    store_cursor_t  at;
    store_listed_t  row;

    if (t->view == NULL || index >= store_listed_count(t)) {
        return PH_NOTFOUND;
    }
    store_listed(t, index, &row);
    memset(&at, 0, sizeof(at));
    at.place = STORE_AT_ROW;
    at.id = row.id;
    at.num = row.inst;
    at.idx = index;

    rc = store_rows_open(&rows, conn, t, &at, false, 1);
    if (rc == PH_OK) {
        rc = store_rows_next(&rows);
    }
    if (rc == PH_OK) {
        rc = store_rows_give(&rows, 0, fn, data);
    }
    store_rows_close(&rows);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}
