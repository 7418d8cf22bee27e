/*
 * Filling search folders in the background.  What is left to look at is a list
 * of folders, each with the id to go on from: a crash loses nothing, and a
 * folder that moves into the scope of a search is added to the list.
 */

#include "store_search_int.h"
#include "store_index.h"

#define FILL_PASS  32

ph_int_t
store_search_fill_add(store_conn_t *conn, uint64_t search, uint64_t fid,
    bool deep)
{
    store_folder_t  f;

    if (deep) {
        store_try(store_folder_find(conn, NULL, fid, &f));
        if (f.type != STORE_FOLDER_SEARCH) {
            return store_exec(conn, SQL_SEARCH_FILL_TREE, "uu", search, fid);
        }
    }

    return store_exec(conn, SQL_SEARCH_FILL_ADD, "uu", search, fid);
}

/* The messages to look at next, at most limit. */
static ph_int_t
fill_ids(store_conn_t *conn, bool search, uint64_t scope, uint64_t next,
    uint32_t limit, store_idlist_t *ids)
{
    sqlite3_stmt  *s;

    store_try(store_q(conn, search ? SQL_SEARCH_FILL_ROWS
                                   : SQL_SEARCH_FILL_MESSAGES,
                      &s, "uuu", scope, next, (uint64_t) limit));

    return store_idlist_rows(conn, &s, ids);
}

/* Asks the full-text index, once for each search, which messages are worth a
 * look.  Those that change meanwhile are looked at anyhow. */
static ph_int_t
fill_narrow(store_conn_t *conn, store_searches_t *all, uint64_t search)
{
    ph_int_t            rc;
    store_criterion_t  *c;

    if (all->filled == search) {
        return PH_OK;
    }
    all->filled = search;
    all->narrowed = false;
    c = store_searches_find(all, search);
    if (c == NULL || (c->flags & STORE_SEARCH_NOT_INDEXED)) {
        return PH_OK;
    }
    rc = store_index_candidates(conn, c->restriction, all->pool,
                                &all->n_candidates, &all->candidates);
    all->narrowed = rc == PH_OK;

    return rc == PH_DECLINED ? PH_OK : rc;
}

static bool
fill_worth(const store_searches_t *all, uint64_t mid)
{
    uint32_t  lo, hi, at;

    lo = 0;
    hi = all->n_candidates;
    while (lo < hi) {
        at = lo + (hi - lo) / 2;
        if (all->candidates[at] < mid) {
            lo = at + 1;
        } else {
            hi = at;
        }
    }

    return lo < all->n_candidates && all->candidates[lo] == mid;
}

static ph_int_t
fill_some(store_conn_t *conn, uint64_t search, uint64_t scope, uint64_t next,
    bool is_search, uint32_t limit, uint32_t *seen_r)
{
    bool               end;
    uint32_t           i, looked, batch;
    ph_int_t           rc;
    store_idlist_t     ids = { 0, 0, NULL };
    store_searches_t  *all;

    store_try(store_searches(conn, &all));
    store_try(fill_narrow(conn, all, search));
    /* to pass over a message costs next to nothing */
    batch = all->narrowed ? limit * FILL_PASS : limit;
    rc = fill_ids(conn, is_search, scope, next, batch, &ids);
    end = ids.n < batch;
    looked = 0;
    for (i = 0; rc == PH_OK && i < ids.n; i++) {
        if (all->narrowed && !fill_worth(all, ids.id[i])) {
            continue;
        }
        if (looked == limit) {
            ids.n = i;
            end = false;
            break;
        }
        looked++;
        rc = store_search_message(conn, all, ids.id[i], search);
    }
    if (rc == PH_OK) {
        rc = store_search_settle(conn, all);
    }
    if (rc == PH_OK) {
        rc = end ? store_exec(conn, SQL_SEARCH_FILL_DEL, "uu", search, scope)
                 : store_exec(conn, SQL_SEARCH_FILL_SET, "uuu",
                              ids.id[ids.n - 1] + 1, search, scope);
    }
    *seen_r = looked + (ids.n - looked) / FILL_PASS;
    store_idlist_free(&ids);

    return rc;
}

/* Is the folder still one where the search looks? */
static ph_int_t
fill_in_scope(store_conn_t *conn, uint64_t search, uint64_t scope,
    bool *yes_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    *yes_r = false;
    store_try(store_q(conn, SQL_SEARCH_SCOPED, &s, "u", scope));
    while (!*yes_r && (rc = store_step(conn, s)) == PH_OK) {
        *yes_r = store_col_u64(s, 0) == search;
    }
    store_done(conn, &s);

    return *yes_r || rc == PH_DONE ? PH_OK : rc;
}

/* One that has looked at everything is complete. */
static ph_int_t
fill_end(store_conn_t *conn, bool *any_r)
{
    ph_int_t        rc;
    uint64_t        search, parent;
    sqlite3_stmt   *s;
    store_event_t  *ev;

    *any_r = false;
    search = 0;
    parent = 0;
    store_try(store_q(conn, SQL_SEARCH_FILLED, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        search = store_col_u64(s, 0);
        parent = store_col_u64(s, 1);
    }
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_OK : rc;
    }

    *any_r = true;
    store_try(store_exec(conn, SQL_SEARCH_STATE_SET, "du",
                         (int) STORE_SEARCH_COMPLETE, search));
    store_searches_forget(conn);
    ev = store_event_add(conn, STORE_EV_SEARCH_COMPLETE);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = search;
    ev->parent = parent;

    return PH_OK;
}

static ph_int_t
fill_next(store_conn_t *conn, uint64_t *search_r, uint64_t *scope_r,
    uint64_t *next_r, int *type_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_SEARCH_FILL_FIRST, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        *search_r = store_col_u64(s, 0);
        *scope_r = store_col_u64(s, 1);
        *next_r = store_col_u64(s, 2);
        *type_r = sqlite3_column_int(s, 3);
    }
    store_done(conn, &s);

    return rc;
}

ph_int_t
store_search_step(store_conn_t *conn, uint32_t limit, bool *more_r)
{
    int       type;
    bool      any, in_scope;
    uint32_t  seen;
    uint64_t  search, scope, next;
    ph_int_t  rc;

    *more_r = false;
    store_try(store_need_write(conn));
    store_try(store_search_flush(conn));

    do {
        store_try(fill_end(conn, &any));
    } while (any);

    while ((rc = fill_next(conn, &search, &scope, &next, &type)) == PH_OK) {
        if (limit == 0) {
            *more_r = true;
            return PH_OK;
        }
        store_try(fill_in_scope(conn, search, scope, &in_scope));
        if (!in_scope) {
            seen = 0;
            rc = store_exec(conn, SQL_SEARCH_FILL_DEL, "uu", search, scope);
        } else {
            rc = fill_some(conn, search, scope, next,
                           type == STORE_FOLDER_SEARCH, limit, &seen);
        }
        if (rc != PH_OK) {
            return rc;
        }
        /* a folder without messages is work too */
        limit -= ph_min(limit, seen + 1);
        do {
            store_try(fill_end(conn, &any));
        } while (any);
    }
    if (rc == PH_DONE) {
        __atomic_store_n(&conn->store->filling, 0, __ATOMIC_RELAXED);
        rc = PH_OK;
    }

    return rc;
}

/* ---- folders that come and go ---- */

ph_int_t
store_search_folder_gone(store_conn_t *conn, uint64_t fid)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    if (!__atomic_load_n(&conn->store->searches, __ATOMIC_RELAXED)) {
        return PH_OK;
    }
    store_try(store_q(conn, SQL_SEARCH_FOLDER_ROWS, &s, "u", fid));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = store_search_note(conn, store_col_u64(s, 0));
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

/* searches that look at what is in `fid`; SCOPED_DEEP: the recursive ones */
static ph_int_t
fill_scopes(store_conn_t *conn, store_sql_t which, uint64_t fid,
    store_idlist_t *ids)
{
    sqlite3_stmt  *s;

    store_try(store_q(conn, which, &s, "u", fid));

    return store_idlist_rows(conn, &s, ids);
}

static bool
fill_has(const store_idlist_t *l, uint64_t id)
{
    uint32_t  i;

    for (i = 0; i < l->n; i++) {
        if (l->id[i] == id) {
            return true;
        }
    }

    return false;
}

/* The tree below fid is left by some searches: what they found in it goes. */
static ph_int_t
fill_tree_gone(store_conn_t *conn, uint64_t fid)
{
    uint32_t        i;
    ph_int_t        rc;
    sqlite3_stmt   *s;
    store_idlist_t  ids = { 0, 0, NULL };

    store_try(store_q(conn, SQL_SEARCH_FOLDER_TREE, &s, "u", fid));
    rc = store_idlist_rows(conn, &s, &ids);

    for (i = 0; rc == PH_OK && i < ids.n; i++) {
        rc = store_search_folder_gone(conn, ids.id[i]);
    }
    store_idlist_free(&ids);

    return rc;
}

/* The searches that look at fid from now on have work with it, or all below
 * it. */
static ph_int_t
fill_tree_come(store_conn_t *conn, uint64_t fid, const store_idlist_t *now,
    const store_idlist_t *was, bool deep)
{
    uint32_t            i;
    store_searches_t   *all;
    store_criterion_t  *c;

    store_try(store_searches(conn, &all));
    for (i = 0; i < now->n; i++) {
        c = store_searches_find(all, now->id[i]);
        if (c == NULL || fill_has(was, c->folder)
            || !store_criterion_live(c))
        {
            continue;
        }
        store_try(store_search_fill_add(conn, c->folder, fid, deep));
        if (c->state != STORE_SEARCH_FILLING) {
            store_try(store_exec(conn, SQL_SEARCH_STATE_SET, "du",
                                 (int) STORE_SEARCH_FILLING, c->folder));
        }
        __atomic_store_n(&conn->store->filling, 1, __ATOMIC_RELAXED);
    }
    store_searches_forget(conn);

    return PH_OK;
}

ph_int_t
store_search_folder_back(store_conn_t *conn, uint64_t fid)
{
    ph_int_t        rc;
    store_idlist_t  now = { 0, 0, NULL }, was = { 0, 0, NULL };

    if (!__atomic_load_n(&conn->store->searches, __ATOMIC_RELAXED)) {
        return PH_OK;
    }
    rc = fill_scopes(conn, SQL_SEARCH_SCOPED, fid, &now);
    if (rc == PH_OK && now.n) {
        rc = fill_tree_come(conn, fid, &now, &was, false);
    }
    store_idlist_free(&now);

    return rc;
}

ph_int_t
store_search_folder_moved(store_conn_t *conn, uint64_t fid,
    uint64_t old_parent, uint64_t parent)
{
    bool            left;
    uint32_t        i;
    ph_int_t        rc;
    store_idlist_t  was = { 0, 0, NULL }, now = { 0, 0, NULL };

    if (!__atomic_load_n(&conn->store->searches, __ATOMIC_RELAXED)) {
        return PH_OK;
    }
    rc = fill_scopes(conn, SQL_SEARCH_SCOPED_DEEP, old_parent, &was);
    if (rc == PH_OK) {
        rc = fill_scopes(conn, SQL_SEARCH_SCOPED_DEEP, parent, &now);
    }

    left = false;
    for (i = 0; i < was.n; i++) {
        left |= !fill_has(&now, was.id[i]);
    }
    if (rc == PH_OK && left) {
        rc = fill_tree_gone(conn, fid);
    }
    if (rc == PH_OK && now.n) {
        rc = fill_tree_come(conn, fid, &now, &was, true);
    }
    store_idlist_free(&was);
    store_idlist_free(&now);

    return rc;
}
