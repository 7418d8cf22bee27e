/*
 * Keeping search folders up to date.  A hook notes every message that a
 * statement of the transaction touches, whoever wrote the statement; before the
 * savepoint or the transaction ends, each of them is looked at once, for the
 * searches whose scope has its folder.
 */

#include "store_search_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_restriction.h"

#include <stdlib.h>

#define SEARCH_MEMORY      (64u << 20)     /* of one message's values */
#define SEARCH_VALUE_MAX   (4u << 20)      /* longer ones match nothing */
#define SEARCH_CACHED      32              /* values kept for other searches */
#define SEARCH_DIRTY_KEEP  4096

/* ---- noting what changes ---- */

ph_int_t
store_search_note(store_conn_t *conn, uint64_t mid)
{
    store_idlist_t  *d;

    d = &conn->dirty;
    if (d->n && d->id[d->n - 1] == mid) {
        return PH_OK;
    }
    if (!__atomic_load_n(&conn->store->searches, __ATOMIC_RELAXED)) {
        return PH_OK;
    }

    return store_idlist_add(d, mid);
}

static void
search_hook(void *data, int op, const char *db, const char *table,
    sqlite3_int64 rowid)
{
    store_conn_t  *conn = data;

    (void) op;
    (void) db;

    if (table[0] == 'm' && strcmp(table, "message") == 0
        && store_search_note(conn, (uint64_t) rowid) != PH_OK)
    {
        conn->failed = true;
    }
}

void
store_search_watch(store_conn_t *conn)
{
    sqlite3_update_hook(conn->db, search_hook, conn);
}

static void
search_dirty_empty(store_conn_t *conn)
{
    conn->dirty.n = 0;
    if (conn->dirty.cap > SEARCH_DIRTY_KEEP) {
        store_idlist_free(&conn->dirty);
    }
}

void
store_search_undo(store_conn_t *conn)
{
    search_dirty_empty(conn);
    store_searches_forget(conn);
}

ph_int_t
store_search_dirty_rows(store_conn_t *conn, uint64_t fid)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_SEARCH_ROW_IDS, &s, "u", fid));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = store_search_note(conn, store_col_u64(s, 0));
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

/* ---- whether a message matches ---- */

/* one message, whose values several searches ask for */
typedef struct {
    store_conn_t  *conn;
    ph_pool_t     *pool;
    store_mrow_t   row;
    store_pack_t   pack;
    store_mctx_t   mctx;
    uint32_t       n;
    struct {
        uint32_t      tag;
        ph_int_t      rc;
        mapi_value_t  v;
    } value[SEARCH_CACHED];
} search_eval_t;

static ph_int_t
search_eval_get(void *data, uint32_t tag, mapi_value_t *v_r)
{
    uint32_t        i;
    ph_int_t        rc;
    search_eval_t  *e = data;

    for (i = 0; i < e->n; i++) {
        if (e->value[i].tag == tag) {
            *v_r = e->value[i].v;
            return e->value[i].rc;
        }
    }

    memset(v_r, 0, sizeof(*v_r));
    rc = store_mctx_get(&e->mctx, tag, SEARCH_VALUE_MAX, e->pool, v_r);
    if (rc == PH_OK && MAPI_TYPE(v_r->tag) == PT_ERROR) {
        rc = PH_NOTFOUND;
    }
    if ((rc == PH_OK || rc == PH_NOTFOUND) && e->n < SEARCH_CACHED) {
        e->value[e->n].tag = tag;
        e->value[e->n].rc = rc;
        e->value[e->n].v = *v_r;
        e->n++;
    }

    return rc;
}

static ph_int_t
search_eval_sub(void *data, uint32_t tag, const mapi_restriction_t *r,
    bool *match_r)
{
    search_eval_t  *e = data;

    return store_sub_match(e->conn, tag, e->row.recipients,
                           e->row.attachments, e->pool, r, match_r);
}

static ph_int_t
search_match(search_eval_t *e, store_criterion_t *c)
{
    ph_int_t     rc;
    mapi_eval_t  eval;

    eval.get = search_eval_get;
    eval.sub = search_eval_sub;
    eval.data = e;
    c->hit = false;
    rc = mapi_restriction_eval(c->restriction, &eval, &c->hit);
    if (rc == PH_TOOBIG) {
        c->hit = false;
        rc = PH_OK;
    }

    return rc;
}

/* ---- the searches of a message ---- */

/* The searches whose scope has this folder, the way up to the root included. */
static ph_int_t
search_scoped(store_conn_t *conn, store_searches_t *all, uint64_t folder)
{
    ph_int_t            rc;
    sqlite3_stmt       *s;
    store_criterion_t  *c;

    if (all->folder == folder) {
        return PH_OK;
    }
    all->folder = 0;
    all->n_scoped = 0;

    store_try(store_q(conn, SQL_SEARCH_SCOPED, &s, "u", folder));
    while ((rc = store_step(conn, s)) == PH_OK) {
        c = store_searches_find(all, store_col_u64(s, 0));
        if (c && all->n_scoped < all->n) {
            all->scoped[all->n_scoped++] = (uint32_t) (c - all->c);
        }
    }
    store_done(conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }
    all->folder = folder;

    return PH_OK;
}

/* What a message was before, in all searches. */
typedef struct {
    uint64_t  folder;
    int64_t   unread;
    int64_t   size;
    uint64_t  received;
    uint64_t  modified;
    bool      same_subject;
} search_old_t;

typedef struct {
    store_conn_t       *conn;
    store_searches_t   *all;
    search_eval_t       e;
    bool                live;
    uint64_t            mid;
    uint64_t            modified;
    ph_str_t            subject_key;
    uint32_t            n_old;
    search_old_t       *old;
    uint32_t            n_queue;
    uint32_t           *queue;
} search_message_t;

static ph_int_t
search_old(search_message_t *m)
{
    ph_int_t            rc;
    uint32_t            cap;
    ph_str_t            key;
    search_old_t       *o;
    sqlite3_stmt       *s;
    store_criterion_t  *c;

    cap = 0;
    store_try(store_q(m->conn, SQL_SEARCH_ROWS_OF, &s, "u", m->mid));
    while ((rc = store_step(m->conn, s)) == PH_OK) {
        if (m->n_old == cap) {
            o = ph_prealloc(m->e.pool, m->old, cap * sizeof(*o),
                            (cap + 16) * sizeof(*o));
            if (o == NULL) {
                rc = PH_NOMEM;
                break;
            }
            m->old = o;
            cap += 16;
        }
        o = &m->old[m->n_old++];
        o->folder = store_col_u64(s, 0);
        o->unread = sqlite3_column_int64(s, 1);
        o->size = sqlite3_column_int64(s, 2);
        o->received = store_col_u64(s, 3);
        o->modified = store_col_u64(s, 4);
        key = store_col_str(s, 5);
        o->same_subject = m->live && ph_str_eq(key, m->subject_key);
        c = store_searches_find(m->all, o->folder);
        if (c) {
            c->had = true;
        }
    }
    store_done(m->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

static void
search_enqueue(search_message_t *m, uint32_t i)
{
    if (!m->all->c[i].seen) {
        m->all->c[i].seen = true;
        m->queue[m->n_queue++] = i;
    }
}

static ph_int_t
search_enqueue_scoped(search_message_t *m, uint64_t folder)
{
    ph_int_t            rc;
    sqlite3_stmt       *s;
    store_criterion_t  *c;

    store_try(store_q(m->conn, SQL_SEARCH_SCOPED_BY, &s, "u", folder));
    while ((rc = store_step(m->conn, s)) == PH_OK) {
        c = store_searches_find(m->all, store_col_u64(s, 0));
        if (c) {
            search_enqueue(m, (uint32_t) (c - m->all->c));
        }
    }
    store_done(m->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

/* Sets `hit` of every search that the message belongs to now. */
static ph_int_t
search_decide(search_message_t *m, uint64_t only)
{
    uint32_t            i;
    store_criterion_t  *c;

    for (i = 0; !m->live && i < m->all->n; i++) {
        /* MS-OXCFOLD 3.2.5.4: not even what is deleted leaves a static search
         * before it is restarted */
        c = &m->all->c[i];
        c->hit = c->had && !store_criterion_live(c);
    }
    if (!m->live) {
        return PH_OK;
    }

    if (only == 0) {
        store_try(search_scoped(m->conn, m->all, m->e.row.fact.folder));
        for (i = 0; i < m->all->n_scoped; i++) {
            search_enqueue(m, m->all->scoped[i]);
        }
    }
    for (i = 0; i < m->all->n; i++) {
        c = &m->all->c[i];
        if (c->folder == only) {
            search_enqueue(m, i);
        } else if (c->had && (only || !store_criterion_live(c))) {
            /* what is not kept up to date keeps what it has */
            c->hit = true;
            if (c->is_scope && only == 0) {
                store_try(search_enqueue_scoped(m, c->folder));
            }
        }
    }

    /* a search that finds it is a folder where another one may look */
    for (i = 0; i < m->n_queue; i++) {
        c = &m->all->c[m->queue[i]];
        if (store_criterion_live(c) || c->folder == only) {
            store_try(search_match(&m->e, c));
        } else {
            c->hit = c->had;
        }
        if (c->hit && c->is_scope) {
            store_try(search_enqueue_scoped(m, c->folder));
        }
    }

    return PH_OK;
}

static ph_int_t
search_event(search_message_t *m, store_event_type_t type, uint64_t search)
{
    store_event_t  *ev;

    ev = store_event_add(m->conn, type);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->is_message = true;
    ev->message = m->mid;
    ev->search = search;
    ev->folder = m->live ? m->e.row.fact.folder : search;
    if (m->live) {
        ev->cn = m->e.row.fact.cn;
        ev->message_flags = m->e.row.fact.flags;
    }

    return PH_OK;
}

static int64_t
search_unread(const search_message_t *m)
{
    return (m->e.row.fact.flags & MSGFLAG_READ) == 0;
}

static ph_int_t
search_row_gone(search_message_t *m, const search_old_t *o)
{
    store_criterion_t  *c;

    store_try(store_exec(m->conn, SQL_SEARCH_ROW_DEL, "uu", o->folder,
                         m->mid));
    c = store_searches_find(m->all, o->folder);
    if (c) {
        c->touched = true;
        c->total--;
        c->unread -= o->unread;
        c->size -= o->size;
    }

    return search_event(m, STORE_EV_DELETED, o->folder);
}

static ph_int_t
search_row_stays(search_message_t *m, const search_old_t *o,
    store_criterion_t *c)
{
    int64_t  unread, size;

    unread = search_unread(m);
    size = (int64_t) m->e.row.fact.size;
    if (unread != o->unread || size != o->size
        || m->e.row.fact.received != o->received
        || m->modified != o->modified || !o->same_subject)
    {
        store_try(store_exec(m->conn, SQL_SEARCH_ROW_SET, "iiuutuu", unread,
                             size, m->e.row.fact.received, m->modified,
                             m->subject_key, o->folder, m->mid));
    }
    c->touched = true;
    c->unread += unread - o->unread;
    c->size += size - o->size;

    return search_event(m, STORE_EV_MODIFIED, o->folder);
}

static ph_int_t
search_row_new(search_message_t *m, store_criterion_t *c)
{
    store_try(store_exec(m->conn, SQL_SEARCH_ROW_ADD, "uuiiuut", c->folder,
                         m->mid, search_unread(m),
                         (int64_t) m->e.row.fact.size,
                         m->e.row.fact.received, m->modified,
                         m->subject_key));
    c->touched = true;
    c->total++;
    c->unread += search_unread(m);
    c->size += (int64_t) m->e.row.fact.size;

    return search_event(m, STORE_EV_CREATED, c->folder);
}

static ph_int_t
search_apply(search_message_t *m, uint64_t only)
{
    uint32_t            i;
    store_criterion_t  *c;

    for (i = 0; i < m->n_old; i++) {
        c = store_searches_find(m->all, m->old[i].folder);
        if (c == NULL || !c->hit) {
            store_try(search_row_gone(m, &m->old[i]));
        } else if (only == 0 && m->live) {
            store_try(search_row_stays(m, &m->old[i], c));
        }
    }
    for (i = 0; i < m->n_queue; i++) {
        c = &m->all->c[m->queue[i]];
        if (c->hit && !c->had) {
            store_try(search_row_new(m, c));
        }
    }

    return PH_OK;
}

static ph_int_t
search_message(search_message_t *m, uint64_t only)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(m->conn, SQL_SEARCH_MESSAGE, &s, "u", m->mid));
    rc = store_step(m->conn, s);
    if (rc == PH_OK) {
        store_mrow(s, &m->e.row);
        m->modified = store_col_u64(s, STORE_MESSAGE_COLS);
        m->subject_key = ph_pstrdup(m->e.pool,
                                    store_col_str(s, STORE_MESSAGE_COLS + 1));
        m->live = !m->e.row.fact.associated && !m->e.row.fact.deleted;
        rc = m->subject_key.data ? PH_OK : PH_NOMEM;
        if (rc == PH_OK && m->live) {
            rc = store_pack_open(m->e.row.props, &m->e.pack);
        }
        store_mrow_ctx(m->conn, &m->e.row, &m->e.pack, &m->e.mctx);
    } else if (rc == PH_DONE) {
        rc = PH_OK;
    }

    if (rc == PH_OK) {
        rc = search_old(m);
    }
    if (rc == PH_OK) {
        rc = search_decide(m, only);
    }
    store_done(m->conn, &s);

    return rc == PH_OK ? search_apply(m, only) : rc;
}

ph_int_t
store_search_message(store_conn_t *conn, store_searches_t *all, uint64_t mid,
    uint64_t only)
{
    uint32_t          i;
    ph_int_t          rc;
    search_message_t  m;

    for (i = 0; i < all->n; i++) {
        all->c[i].seen = false;
        all->c[i].hit = false;
        all->c[i].had = false;
    }

    memset(&m, 0, sizeof(m));
    m.conn = conn;
    m.all = all;
    m.mid = mid;
    m.e.conn = conn;
    m.e.pool = ph_pool_create("store search", SEARCH_MEMORY);
    if (m.e.pool == NULL) {
        return PH_NOMEM;
    }
    m.queue = ph_pcalloc_array(m.e.pool, all->n + 1, sizeof(*m.queue));
    rc = m.queue ? search_message(&m, only) : PH_NOMEM;
    ph_pool_destroy(&m.e.pool);

    return rc;
}

/* ---- the end of a savepoint ---- */

ph_int_t
store_search_settle(store_conn_t *conn, store_searches_t *all)
{
    uint32_t            i;
    ph_int_t            rc;
    sqlite3_stmt       *s;
    store_event_t      *ev;
    store_criterion_t  *c;

    for (i = 0; i < all->n; i++) {
        c = &all->c[i];
        if (!c->touched) {
            continue;
        }
        store_try(store_q(conn, SQL_SEARCH_DELTA, &s, "iiiuu", c->total,
                          c->unread, c->size, store_now(conn), c->folder));
        rc = store_step(conn, s);
        if (rc == PH_OK && (c->total || c->unread)) {
            ev = store_event_add(conn, STORE_EV_MODIFIED);
            if (ev == NULL) {
                rc = PH_NOMEM;
            } else {
                ev->folder = c->folder;
                ev->parent = store_col_u64(s, 2);
                ev->has_counters = true;
                ev->total = store_col_u32(s, 0);
                ev->unread = store_col_u32(s, 1);
            }
        }
        while (rc == PH_OK) {
            rc = store_step(conn, s);
        }
        store_done(conn, &s);
        if (rc != PH_DONE) {
            return rc;
        }
        c->touched = false;
        c->total = 0;
        c->unread = 0;
        c->size = 0;
    }

    return PH_OK;
}

static int
search_by_id(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}

ph_int_t
store_search_flush(store_conn_t *conn)
{
    uint32_t           i;
    uint64_t           last;
    ph_int_t           rc;
    store_searches_t  *all;

    if (conn->dirty.n == 0 || conn->settling || !conn->in_txn) {
        return PH_OK;
    }

    conn->settling = true;
    rc = store_searches(conn, &all);
    if (rc == PH_OK) {
        /* folders may have moved since */
        all->folder = 0;
        qsort(conn->dirty.id, conn->dirty.n, sizeof(uint64_t), search_by_id);
    }
    last = 0;
    for (i = 0; rc == PH_OK && i < conn->dirty.n; i++) {
        if (conn->dirty.id[i] != last) {
            last = conn->dirty.id[i];
            rc = store_search_message(conn, all, last, 0);
        }
    }
    if (rc == PH_OK) {
        rc = store_search_settle(conn, all);
    }
    conn->settling = false;

    if (rc == PH_OK) {
        search_dirty_empty(conn);
    } else {
        conn->failed = true;
    }

    return rc;
}
