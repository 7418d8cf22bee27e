/* Moving in a table and reading it: the cursor, positions, bookmarks. */

#include "store_table_int.h"

#include <stdlib.h>

ph_int_t
store_table_count(store_conn_t *conn, store_table_t *t, uint32_t *n_r)
{
    ph_int_t       rc;
    store_view_t  *view;
    sqlite3_stmt  *s;

    if (t->kind == STORE_TABLE_CONTENTS && t->restriction == NULL
        && t->sorts.categories == 0 && t->expand_tag == 0
        && !(t->flags & (STORE_TABLE_CONVERSATION | STORE_TABLE_NO_PRIVATE)))
    {
        store_try(store_q(conn, SQL_FOLDER_COUNTS, &s, "u", t->folder));
        rc = store_step(conn, s);
        /* the columns are in the order of the states of a row */
        *n_r = rc == PH_OK ? store_col_u32(s, t->state) : 0;
        store_done(conn, &s);
        return rc == PH_DONE ? PH_OK : rc;
    }

    store_try(store_view_get(conn, t, &view));
    *n_r = store_listed_count(t);

    return PH_OK;
}

static ph_int_t
cursor_before(store_conn_t *conn, store_table_t *t, const store_cursor_t *at,
    uint32_t *n_r)
{
    store_view_t  *view;

    if (t->key != STORE_KEY_LIST) {
        return store_key_before(conn, t, at, n_r);
    }
    store_try(store_view_get(conn, t, &view));
    *n_r = store_listed_index(t, at, NULL);

    return PH_OK;
}

ph_int_t
store_table_position(store_conn_t *conn, store_table_t *t, uint32_t *pos_r,
    uint32_t *total_r)
{
    store_try(store_table_count(conn, t, total_r));
    store_try(cursor_before(conn, t, &t->cursor, pos_r));
    if (*pos_r > *total_r) {
        *pos_r = *total_r;
    }

    return PH_OK;
}

static void
cursor_listed(const store_table_t *t, uint32_t idx, store_cursor_t *at)
{
    store_listed_t  row;

    memset(at, 0, sizeof(*at));
    if (idx == 0) {
        at->place = STORE_AT_BEGIN;
    } else if (idx >= store_listed_count(t)) {
        at->place = STORE_AT_END;
    } else {
        store_listed(t, idx, &row);
        at->place = STORE_AT_ROW;
        at->id = row.id;
        at->num = row.inst;
        at->idx = idx;
    }
}

/* Moves a place by some rows; *moved_r is what there was to move. */
static ph_int_t
cursor_move(store_conn_t *conn, store_table_t *t, store_cursor_t *at,
    int32_t offset, int32_t *moved_r)
{
    bool            backward;
    uint32_t        n, idx, target, count;
    ph_int_t        rc;
    store_view_t   *view;
    sqlite3_stmt   *s;
    store_cursor_t  from;

    *moved_r = 0;
    if (offset == 0) {
        return PH_OK;
    }
    backward = offset < 0;
    n = backward ? (uint32_t) -(int64_t) offset : (uint32_t) offset;

    if (t->key == STORE_KEY_LIST) {
        store_try(store_view_get(conn, t, &view));
        idx = store_listed_index(t, at, NULL);
        count = store_listed_count(t);
        if (backward) {
            target = n > idx ? 0 : idx - n;
        } else {
            target = n > count - idx ? count : idx + n;
        }
        cursor_listed(t, target, at);
        *moved_r = (int32_t) target - (int32_t) idx;
        return PH_OK;
    }

    from = *at;
    store_try(store_key_query(conn, t, store_key_columns(t), &from, backward,
                              1, backward ? n - 1 : n, &s));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_key_cursor(t, s, 0, at);
        *moved_r = offset;
    }
    store_done(conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }

    /* fewer rows than that: to the end, counting what there is */
    store_try(store_key_before(conn, t, &from, &idx));
    memset(at, 0, sizeof(*at));
    if (backward) {
        at->place = STORE_AT_BEGIN;
        *moved_r = -(int32_t) idx;
    } else {
        store_try(store_table_count(conn, t, &n));
        at->place = STORE_AT_END;
        *moved_r = n > idx ? (int32_t) (n - idx) : 0;
    }

    return PH_OK;
}

static void
cursor_origin(const store_table_t *t, store_origin_t origin,
    store_cursor_t *at)
{
    if (origin == STORE_SEEK_CURRENT) {
        *at = t->cursor;
        return;
    }
    memset(at, 0, sizeof(*at));
    at->place = origin == STORE_SEEK_END ? STORE_AT_END : STORE_AT_BEGIN;
}

ph_int_t
store_table_seek(store_conn_t *conn, store_table_t *t, store_origin_t origin,
    int32_t offset, int32_t *moved_r, bool *less_r)
{
    store_cursor_t  at;

    cursor_origin(t, origin, &at);
    store_try(cursor_move(conn, t, &at, offset, moved_r));
    t->cursor = at;
    *less_r = *moved_r != offset;

    return PH_OK;
}

ph_int_t
store_table_seek_fraction(store_conn_t *conn, store_table_t *t,
    uint32_t numerator, uint32_t denominator)
{
    bool      less;
    int32_t   moved;
    uint32_t  n;
    uint64_t  row;

    if (denominator == 0) {
        return PH_INVALID;
    }
    store_try(store_table_count(conn, t, &n));
    row = (uint64_t) n * ph_min(numerator, denominator) / denominator;

    return store_table_seek(conn, t, STORE_SEEK_BEGINNING,
                            (int32_t) ph_min(row, (uint64_t) INT32_MAX),
                            &moved, &less);
}

/* Is there a row behind the place, or (backward) before it? */
static ph_int_t
cursor_any(store_conn_t *conn, store_table_t *t, bool backward, bool *yes_r)
{
    ph_int_t      rc;
    store_rows_t  rows;

    rc = store_rows_open(&rows, conn, t, &t->cursor, backward, 1);
    if (rc == PH_OK) {
        rc = store_rows_next(&rows);
    }
    *yes_r = rc == PH_OK;
    store_rows_close(&rows);

    return rc == PH_DONE ? PH_OK : rc;
}

/* Where the cursor is now, as QueryRows tells it. */
static ph_int_t
cursor_where(store_conn_t *conn, store_table_t *t, store_origin_t *origin_r)
{
    bool  any;

    *origin_r = STORE_SEEK_BEGINNING;
    if (t->cursor.place == STORE_AT_BEGIN) {
        return PH_OK;
    }
    *origin_r = STORE_SEEK_END;
    if (t->cursor.place == STORE_AT_END) {
        return PH_OK;
    }

    store_try(cursor_any(conn, t, true, &any));
    if (!any) {
        *origin_r = STORE_SEEK_BEGINNING;
        return PH_OK;
    }
    store_try(cursor_any(conn, t, false, &any));
    *origin_r = any ? STORE_SEEK_CURRENT : STORE_SEEK_END;

    return PH_OK;
}

static ph_int_t
query_forward(store_conn_t *conn, store_table_t *t, store_cursor_t *at,
    unsigned flags, uint32_t max, store_row_pt fn, void *data, uint32_t *n_r,
    bool *end_r)
{
    ph_int_t      rc;
    store_rows_t  rows;

    *n_r = 0;
    *end_r = false;

    /* one more tells whether this was the end */
    rc = store_rows_open(&rows, conn, t, at, false, max + 1);
    while (rc == PH_OK) {
        rc = store_rows_next(&rows);
        if (rc == PH_DONE) {
            *end_r = true;
            break;
        }
        if (rc != PH_OK || *n_r == max) {
            break;
        }
        rc = store_rows_give(&rows, flags, fn, data);
        if (rc == PH_OK) {
            *at = rows.at;
            at->after = true;
            (*n_r)++;
        }
    }
    store_rows_close(&rows);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_table_query(store_conn_t *conn, store_table_t *t, unsigned flags,
    uint32_t max, store_row_pt fn, void *data, uint32_t *n_r,
    store_origin_t *origin_r)
{
    bool            end;
    int32_t         moved;
    store_cursor_t  at, start;

    *n_r = 0;
    *origin_r = STORE_SEEK_CURRENT;
    if (t->columns.n == 0) {
        return PH_DECLINED;
    }
    at = t->cursor;

    if (flags & STORE_QUERY_BACKWARD) {
        store_try(cursor_move(conn, t, &at,
                              -(int32_t) ph_min(max, (uint32_t) INT32_MAX),
                              &moved));
        start = at;
        store_try(query_forward(conn, t, &at, flags,
                                (uint32_t) -(int64_t) moved, fn, data, n_r,
                                &end));
        if (!(flags & STORE_QUERY_NO_ADVANCE)) {
            t->cursor = start;
        }
        return cursor_where(conn, t, origin_r);
    }

    store_try(query_forward(conn, t, &at, flags, max, fn, data, n_r, &end));
    if (flags & STORE_QUERY_NO_ADVANCE) {
        return cursor_where(conn, t, origin_r);
    }
    if (end) {
        memset(&at, 0, sizeof(at));
        at.place = STORE_AT_END;
    }
    t->cursor = at;
    *origin_r = at.place == STORE_AT_BEGIN ? STORE_SEEK_BEGINNING
                : end ? STORE_SEEK_END : STORE_SEEK_CURRENT;

    return PH_OK;
}

ph_int_t
store_table_go(store_conn_t *conn, store_table_t *t,
    const store_cursor_t *at)
{
    bool           gone;
    uint32_t       idx;
    ph_int_t       rc;
    store_view_t  *view;
    store_rows_t   rows;

    memset(&t->cursor, 0, sizeof(t->cursor));

    if (t->key == STORE_KEY_LIST) {
        store_try(store_view_get(conn, t, &view));
        idx = store_listed_index(t, at, &gone);
        if (!gone) {
            cursor_listed(t, idx, &t->cursor);
        }
        return PH_OK;
    }

    rc = store_rows_one(&rows, conn, t, at->id);
    if (rc == PH_OK) {
        t->cursor = rows.at;
    }
    store_rows_close(&rows);

    return rc == PH_NOTFOUND ? PH_OK : rc;
}

/* ---- bookmarks ---- */

static store_bookmark_t *
bookmark_find(store_table_t *t, uint32_t number)
{
    uint32_t  i;

    for (i = 0; i < t->n_bookmarks; i++) {
        if (t->bookmark[i].number == number) {
            return &t->bookmark[i];
        }
    }

    return NULL;
}

ph_int_t
store_table_bookmark(store_conn_t *conn, store_table_t *t,
    uint32_t *bookmark_r)
{
    ph_int_t           rc;
    store_rows_t       rows;
    store_cursor_t     at;
    store_bookmark_t  *b;

    if (t->n_bookmarks >= STORE_TABLE_BOOKMARKS_MAX) {
        return PH_TOOBIG;
    }

    /* it names the row behind it, so that one can tell when that is gone */
    at = t->cursor;
    if (at.place != STORE_AT_END) {
        rc = store_rows_open(&rows, conn, t, &at, false, 1);
        if (rc == PH_OK) {
            rc = store_rows_next(&rows);
        }
        if (rc == PH_OK) {
            at = rows.at;
        } else if (rc == PH_DONE) {
            memset(&at, 0, sizeof(at));
            at.place = STORE_AT_END;
            rc = PH_OK;
        }
        store_rows_close(&rows);
        store_try(rc);
    }

    b = realloc(t->bookmark, (t->n_bookmarks + 1) * sizeof(*b));
    if (b == NULL) {
        return PH_NOMEM;
    }
    t->bookmark = b;
    b += t->n_bookmarks++;
    b->number = t->next_bookmark++;
    b->at = at;
    *bookmark_r = b->number;

    return PH_OK;
}

/* The place of a bookmark, and whether its row is there no more. */
static ph_int_t
bookmark_place(store_conn_t *conn, store_table_t *t, uint32_t number,
    store_cursor_t *at, bool *gone_r)
{
    store_view_t      *view;
    store_bookmark_t  *b;

    *gone_r = false;
    b = bookmark_find(t, number);
    if (b == NULL) {
        return PH_NOTFOUND;
    }
    *at = b->at;
    if (at->place != STORE_AT_ROW) {
        return PH_OK;
    }
    if (t->key != STORE_KEY_LIST) {
        return store_key_gone(conn, t, at, gone_r);
    }
    store_try(store_view_get(conn, t, &view));
    (void) store_listed_index(t, at, gone_r);

    return PH_OK;
}

ph_int_t
store_table_seek_bookmark(store_conn_t *conn, store_table_t *t,
    uint32_t bookmark, int32_t offset, int32_t *moved_r, bool *less_r,
    bool *gone_r)
{
    store_cursor_t  at;

    store_try(bookmark_place(conn, t, bookmark, &at, gone_r));
    store_try(cursor_move(conn, t, &at, offset, moved_r));
    t->cursor = at;
    *less_r = *moved_r != offset;

    return PH_OK;
}

ph_int_t
store_table_free_bookmark(store_table_t *t, uint32_t bookmark)
{
    store_bookmark_t  *b;

    b = bookmark_find(t, bookmark);
    if (b == NULL) {
        return PH_NOTFOUND;
    }
    *b = t->bookmark[--t->n_bookmarks];

    return PH_OK;
}

/* ---- search ---- */

static ph_int_t
table_find(store_conn_t *conn, store_table_t *t, const mapi_restriction_t *r,
    const store_cursor_t *from, bool backward, store_row_pt fn, void *data)
{
    bool          match;
    ph_int_t      rc;
    store_rows_t  rows;

    rc = store_rows_open(&rows, conn, t, from, backward, 0);
    while (rc == PH_OK && (rc = store_rows_next(&rows)) == PH_OK) {
        rc = store_rows_match(&rows, r, &match);
        if (rc == PH_OK && match) {
            t->cursor = rows.at;
            rc = fn ? store_rows_give(&rows, 0, fn, data) : PH_OK;
            break;
        }
    }
    store_rows_close(&rows);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_table_find(store_conn_t *conn, store_table_t *t,
    const mapi_restriction_t *r, store_origin_t origin, bool backward,
    store_row_pt fn, void *data)
{
    store_cursor_t  from;

    if (t->columns.n == 0) {
        return PH_DECLINED;
    }
    cursor_origin(t, origin, &from);

    return table_find(conn, t, r, &from, backward, fn, data);
}

ph_int_t
store_table_find_bookmark(store_conn_t *conn, store_table_t *t,
    const mapi_restriction_t *r, uint32_t bookmark, bool backward,
    bool *gone_r, store_row_pt fn, void *data)
{
    store_cursor_t  from;

    *gone_r = false;
    if (t->columns.n == 0) {
        return PH_DECLINED;
    }
    if (bookmark_find(t, bookmark) == NULL) {
        return PH_INVALID;
    }
    store_try(bookmark_place(conn, t, bookmark, &from, gone_r));

    return table_find(conn, t, r, &from, backward, fn, data);
}

static ph_int_t
locate_before(store_conn_t *conn, store_table_t *t, const store_cursor_t *at,
    uint64_t *prev_r)
{
    bool            gone;
    uint32_t        idx;
    ph_int_t        rc;
    store_view_t   *view;
    sqlite3_stmt   *s;
    store_listed_t  before;

    *prev_r = 0;
    if (t->key == STORE_KEY_LIST) {
        store_try(store_view_get(conn, t, &view));
        idx = store_listed_index(t, at, &gone);
        if (gone) {
            return PH_NOTFOUND;
        }
        if (idx) {
            store_listed(t, idx - 1, &before);
            *prev_r = before.id;
        }
        return PH_OK;
    }

    store_try(store_key_query(conn, t, store_key_columns(t), at, true, 1, 0,
                              &s));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *prev_r = store_col_u64(s, 0);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_table_locate(store_conn_t *conn, store_table_t *t, uint64_t id,
    uint64_t *prev_r, store_row_pt fn, void *data)
{
    bool          match;
    ph_int_t      rc;
    store_rows_t  rows;

    rc = store_rows_one(&rows, conn, t, id);
    if (rc == PH_OK) {
        /* before the list is made anew: most events are of other rows */
        rc = store_rows_match(&rows, t->restriction, &match);
        if (rc == PH_OK && (!match || !store_rows_visible(&rows))) {
            rc = PH_NOTFOUND;
        }
    }
    if (rc == PH_OK) {
        rc = locate_before(conn, t, &rows.at, prev_r);
    }
    if (rc == PH_OK && fn) {
        rc = store_rows_give(&rows, 0, fn, data);
    }
    store_rows_close(&rows);

    return rc;
}
