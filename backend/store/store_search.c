/* Criteria of search folders: setting, telling, forgetting them. */

#include "store_search_int.h"
#include "mapi/mapi_restriction.h"

#define SEARCH_CRITERIA_MAX  (1u << 20)    /* bytes, as stored */
#define SEARCH_FLAGS                                                          \
    (STORE_SEARCH_STOP | STORE_SEARCH_RESTART | STORE_SEARCH_RECURSIVE        \
     | STORE_SEARCH_SHALLOW | STORE_SEARCH_FOREGROUND                         \
     | STORE_SEARCH_BACKGROUND | STORE_SEARCH_INDEXED                         \
     | STORE_SEARCH_NOT_INDEXED | STORE_SEARCH_STATIC)

static const mapi_ctx_t  search_ctx = {
    .form = MAPI_FORM_WIDE, .cpid = 65001
};

/* ---- decoded criteria ---- */

bool
store_criterion_live(const store_criterion_t *c)
{
    return (c->flags & STORE_SEARCH_STATIC) == 0
           && (c->state == STORE_SEARCH_FILLING
               || c->state == STORE_SEARCH_COMPLETE);
}

store_criterion_t *
store_searches_find(store_searches_t *all, uint64_t folder)
{
    uint32_t  lo, hi, mid;

    lo = 0;
    hi = all->n;
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (all->c[mid].folder == folder) {
            return &all->c[mid];
        }
        if (all->c[mid].folder < folder) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return NULL;
}

void
store_searches_forget(store_conn_t *conn)
{
    ph_pool_t  *pool;

    if (conn->searches == NULL) {
        return;
    }
    pool = conn->searches->pool;
    conn->searches = NULL;
    ph_pool_destroy(&pool);
}

static ph_int_t
search_decode(ph_pool_t *pool, ph_str_t packed, mapi_restriction_t **r_r)
{
    ph_int_t  rc;
    ph_cur_t  cur;
    ph_str_t  copy;

    copy = ph_pstrdup(pool, packed);
    *r_r = ph_pcalloc(pool, sizeof(**r_r));
    if (copy.data == NULL || *r_r == NULL) {
        return PH_NOMEM;
    }
    ph_cur_init(&cur, copy.data, copy.len);
    rc = mapi_restriction_decode(&cur, pool, &search_ctx, *r_r);

    return rc == PH_OK || rc == PH_NOMEM ? rc : PH_CORRUPT;
}

static ph_int_t
searches_read(store_conn_t *conn, store_searches_t *all)
{
    ph_int_t            rc;
    sqlite3_stmt       *s;
    store_criterion_t  *c;

    store_try(store_q(conn, SQL_SEARCH_ALL, &s, ""));
    while ((rc = store_step(conn, s)) == PH_OK) {
        if (all->n == STORE_SEARCHES_MAX) {
            rc = PH_CORRUPT;
            break;
        }
        c = &all->c[all->n];
        c->folder = store_col_u64(s, 0);
        c->flags = store_col_u32(s, 1);
        c->state = (store_search_state_t) store_col_u32(s, 2);
        c->is_scope = store_col_u32(s, 4) != 0;
        rc = search_decode(all->pool, store_col_str(s, 3), &c->restriction);
        if (rc != PH_OK) {
            break;
        }
        all->n++;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_searches(store_conn_t *conn, store_searches_t **all_r)
{
    ph_int_t           rc;
    ph_pool_t         *pool;
    store_searches_t  *all;

    if (conn->searches) {
        *all_r = conn->searches;
        return PH_OK;
    }

    pool = ph_pool_create("store searches", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    rc = PH_NOMEM;
    all = ph_pcalloc(pool, sizeof(*all));
    if (all) {
        all->pool = pool;
        all->c = ph_pcalloc_array(pool, STORE_SEARCHES_MAX, sizeof(*all->c));
        all->scoped = ph_pcalloc_array(pool, STORE_SEARCHES_MAX,
                                       sizeof(*all->scoped));
        if (all->c && all->scoped) {
            rc = searches_read(conn, all);
        }
    }
    if (rc != PH_OK) {
        ph_pool_destroy(&pool);
        return rc;
    }
    conn->searches = all;
    *all_r = all;

    return PH_OK;
}

/* ---- what is to be done ---- */

ph_int_t
store_search_load(store_t *store)
{
    int64_t   v;
    ph_int_t  rc;

    rc = store_q_int(store->writer, SQL_SEARCH_ANY, &v, "");
    store->searches = rc == PH_OK;
    if (rc == PH_OK) {
        rc = store_q_int(store->writer, SQL_SEARCH_FILLING, &v, "");
        store->filling = rc == PH_OK;
    }

    return rc == PH_NOTFOUND ? PH_OK : rc;
}

bool
store_search_pending(store_t *store)
{
    return __atomic_load_n(&store->filling, __ATOMIC_RELAXED) != 0;
}

/* ---- setting ---- */

static bool
search_flags_valid(uint32_t f)
{
    static const uint32_t  pairs[] = {
        STORE_SEARCH_STOP | STORE_SEARCH_RESTART,
        STORE_SEARCH_RECURSIVE | STORE_SEARCH_SHALLOW,
        STORE_SEARCH_FOREGROUND | STORE_SEARCH_BACKGROUND,
        STORE_SEARCH_INDEXED | STORE_SEARCH_NOT_INDEXED
    };
    size_t  i;

    if (f & ~(uint32_t) SEARCH_FLAGS) {
        return false;
    }
    for (i = 0; i < ph_nelts(pairs); i++) {
        if ((f & pairs[i]) == pairs[i]) {
            return false;
        }
    }

    return true;
}

static ph_int_t
search_folder(store_conn_t *conn, uint64_t fid)
{
    store_folder_t  f;

    store_try(store_folder_live(conn, fid, &f));

    return f.type == STORE_FOLDER_SEARCH ? PH_OK : PH_DENIED;
}

/* scope ids of a search in pool */
static ph_int_t
search_scope(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    uint32_t *n_r, uint64_t **ids_r)
{
    ph_int_t        rc;
    sqlite3_stmt   *s;
    store_idlist_t  ids = { 0, 0, NULL };

    store_try(store_q(conn, SQL_SEARCH_SCOPE, &s, "u", fid));
    rc = store_idlist_rows(conn, &s, &ids);
    *n_r = ids.n;
    if (rc == PH_OK) {
        *ids_r = ph_pcalloc_array(pool, ids.n + 1, sizeof(**ids_r));
        if (*ids_r == NULL) {
            rc = PH_NOMEM;
        } else if (ids.n) {
            memcpy(*ids_r, ids.id, ids.n * sizeof(**ids_r));
        }
    }
    store_idlist_free(&ids);

    return rc;
}

/* Does the chain of searches that begins in this scope lead to fid? */
static ph_int_t
search_chain(store_conn_t *conn, uint64_t fid, uint32_t n,
    const uint64_t *ids, unsigned depth)
{
    uint32_t        i, more_n;
    uint64_t       *more;
    store_folder_t  f;

    if (depth > STORE_SEARCH_CHAIN_MAX) {
        return PH_TOOBIG;
    }
    for (i = 0; i < n; i++) {
        if (ids[i] == fid) {
            return PH_CONFLICT;
        }
        store_try(store_folder_live(conn, ids[i], &f));
        if (f.type == STORE_FOLDER_SEARCH) {
            store_try(search_scope(conn, ids[i], store_tmp_pool(conn),
                                   &more_n, &more));
            store_try(search_chain(conn, fid, more_n, more, depth + 1));
        }
    }

    return PH_OK;
}

static ph_int_t
search_scope_set(store_conn_t *conn, uint64_t fid, uint32_t n,
    const uint64_t *ids)
{
    uint32_t  i;

    store_try(store_exec(conn, SQL_SEARCH_SCOPE_CLEAR, "u", fid));
    for (i = 0; i < n; i++) {
        store_try(store_exec(conn, SQL_SEARCH_SCOPE_ADD, "uuu", fid,
                             (uint64_t) i, ids[i]));
    }

    return PH_OK;
}

ph_int_t
store_search_reset(store_conn_t *conn, uint64_t fid)
{
    store_event_t  *ev;

    store_try(store_search_dirty_rows(conn, fid));
    store_try(store_exec(conn, SQL_SEARCH_ROWS_CLEAR, "u", fid));
    store_try(store_exec(conn, SQL_SEARCH_COUNTERS_CLEAR, "uu",
                         store_now(conn), fid));
    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->is_message = true;
    ev->folder = fid;
    ev->search = fid;

    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = fid;
    ev->has_counters = true;

    return PH_OK;
}

static ph_int_t
search_restart(store_conn_t *conn, uint64_t fid, uint32_t flags)
{
    uint32_t   i, n;
    uint64_t  *ids;

    store_try(store_search_reset(conn, fid));
    store_try(store_exec(conn, SQL_SEARCH_FILL_CLEAR, "u", fid));
    store_try(search_scope(conn, fid, store_tmp_pool(conn), &n, &ids));
    for (i = 0; i < n; i++) {
        store_try(store_search_fill_add(conn, fid, ids[i],
                                        flags & STORE_SEARCH_RECURSIVE));
    }
    __atomic_store_n(&conn->store->filling, 1, __ATOMIC_RELAXED);

    return PH_OK;
}

typedef struct {
    bool                  exists;
    uint32_t              flags;
    store_search_state_t  state;
    ph_str_t              restriction;
} search_row_t;

static ph_int_t
search_read(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    search_row_t *row)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    memset(row, 0, sizeof(*row));
    store_try(store_q(conn, SQL_SEARCH_GET, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        row->exists = true;
        row->flags = store_col_u32(s, 0);
        row->state = (store_search_state_t) store_col_u32(s, 1);
        row->restriction = ph_pstrdup(pool, store_col_str(s, 2));
        rc = row->restriction.data ? PH_OK : PH_NOMEM;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

/* Shallow unless told otherwise; a stop changes nothing else. */
static uint32_t
search_flags(const search_row_t *row, const store_criteria_t *c, bool begin)
{
    uint32_t  f;

    f = c->flags & (STORE_SEARCH_RECURSIVE | STORE_SEARCH_FOREGROUND
                    | STORE_SEARCH_INDEXED | STORE_SEARCH_STATIC);
    if (c->flags & STORE_SEARCH_STOP) {
        return row->flags;
    }
    if (!begin) {
        f |= row->flags & (STORE_SEARCH_STATIC | STORE_SEARCH_INDEXED
                           | STORE_SEARCH_FOREGROUND);
    }

    return f;
}

static ph_int_t
search_store(store_conn_t *conn, uint64_t fid, const store_criteria_t *c,
    search_row_t *row)
{
    bool       begin;
    uint32_t   flags;
    int64_t    n;
    ph_wbuf_t  b;

    if (c->restriction) {
        ph_wbuf_init(&b, store_tmp_pool(conn), SEARCH_CRITERIA_MAX);
        store_try(mapi_restriction_encode(&b, &search_ctx, c->restriction));
        row->restriction = ph_wbuf_str(&b);
    }
    if (!row->exists) {
        store_try(store_q_int(conn, SQL_SEARCH_COUNT, &n, ""));
        if (n >= STORE_SEARCHES_MAX) {
            return PH_TOOBIG;
        }
    }

    begin = (c->flags & STORE_SEARCH_STOP) == 0
            && (c->restriction || c->n_scope
                || (c->flags & STORE_SEARCH_RESTART));
    flags = search_flags(row, c, begin);
    /* another depth is another scope */
    begin |= (c->flags & STORE_SEARCH_STOP) == 0
             && ((flags ^ row->flags) & STORE_SEARCH_RECURSIVE);

    if (begin) {
        row->state = STORE_SEARCH_FILLING;
    } else if (c->flags & STORE_SEARCH_STOP) {
        row->state = row->state == STORE_SEARCH_COMPLETE
                     || row->state == STORE_SEARCH_HALTED
                     ? STORE_SEARCH_HALTED : STORE_SEARCH_ABORTED;
        store_try(store_exec(conn, SQL_SEARCH_FILL_CLEAR, "u", fid));
    }
    __atomic_store_n(&conn->store->searches, 1, __ATOMIC_RELAXED);
    store_try(store_exec(conn, SQL_SEARCH_SET, "uudz", fid, (uint64_t) flags,
                         (int) row->state, row->restriction));
    if (c->n_scope) {
        store_try(search_scope_set(conn, fid, c->n_scope, c->scope));
    }
    store_searches_forget(conn);

    return begin ? search_restart(conn, fid, flags) : PH_OK;
}

ph_int_t
store_search_set(store_conn_t *conn, uint64_t fid, const store_criteria_t *c)
{
    search_row_t  row;

    store_try(store_need_write(conn));
    store_try(search_folder(conn, fid));
    if (!search_flags_valid(c->flags)) {
        return PH_INVALID;
    }
    if (c->n_scope > STORE_SEARCH_SCOPE_MAX) {
        return PH_TOOBIG;
    }
    store_try(store_search_flush(conn));
    store_try(search_read(conn, fid, store_tmp_pool(conn), &row));
    if (!row.exists && (c->restriction == NULL || c->n_scope == 0)) {
        return PH_DECLINED;
    }
    store_try(search_chain(conn, fid, c->n_scope, c->scope, 0));

    return search_store(conn, fid, c, &row);
}

ph_int_t
store_search_get(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    store_criteria_t *c_r)
{
    uint64_t            *ids;
    search_row_t         row;
    mapi_restriction_t  *r;

    store_try(search_folder(conn, fid));
    store_try(search_read(conn, fid, pool, &row));
    if (!row.exists) {
        return PH_DECLINED;
    }
    memset(c_r, 0, sizeof(*c_r));
    c_r->flags = row.flags;
    c_r->state = row.state;
    store_try(search_decode(pool, row.restriction, &r));
    c_r->restriction = r;
    store_try(search_scope(conn, fid, pool, &c_r->n_scope, &ids));
    c_r->scope = ids;

    return PH_OK;
}

ph_int_t
store_search_drop(store_conn_t *conn, uint64_t fid)
{
    store_try(store_search_reset(conn, fid));
    store_searches_forget(conn);

    return store_exec(conn, SQL_SEARCH_DEL, "u", fid);
}

ph_int_t
store_search_copy(store_conn_t *conn, uint64_t from, uint64_t to)
{
    int64_t       n;
    search_row_t  row;

    store_try(search_read(conn, from, store_tmp_pool(conn), &row));
    if (!row.exists) {
        return PH_OK;
    }
    store_try(store_q_int(conn, SQL_SEARCH_COUNT, &n, ""));
    if (n >= STORE_SEARCHES_MAX) {
        return PH_TOOBIG;
    }
    store_try(store_exec(conn, SQL_SEARCH_COPY, "uu", to, from));
    store_try(store_exec(conn, SQL_SEARCH_SCOPE_COPY, "uu", to, from));
    store_try(store_exec(conn, SQL_SEARCH_STATE_SET, "du",
                         (int) STORE_SEARCH_FILLING, to));
    store_searches_forget(conn);

    return search_restart(conn, to, row.flags);
}

ph_int_t
store_search_home(store_conn_t *conn, uint64_t fid, uint64_t mid,
    uint64_t *home_r)
{
    int64_t         v;
    store_folder_t  f;

    *home_r = fid;
    if (fid == 0) {
        return PH_OK;
    }
    store_try(store_folder_find(conn, NULL, fid, &f));
    if (f.type != STORE_FOLDER_SEARCH) {
        return PH_OK;
    }
    store_try(store_search_flush(conn));
    if (store_q_int(conn, SQL_SEARCH_HOME, &v, "uu", fid, mid) == PH_OK) {
        *home_r = (uint64_t) v;
    }

    return PH_OK;
}
