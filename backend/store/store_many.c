/* Moving, copying and deleting many messages: work for each of them, none for
 * the rest of the folder. */

#include "store_search_int.h"
#include "store_sync.h"

/* the counters of a message of this kind, times sign */
static void
store_delta_message(store_delta_t *d, const store_message_fact_t *f, int sign)
{
    int64_t  size;

    size = sign * (int64_t) f->size;

    if (f->deleted) {
        if (f->associated) {
            d->deleted_associated += sign;
        } else {
            d->deleted_total += sign;
        }
        d->deleted_size += size;
    } else if (f->associated) {
        d->associated += sign;
        d->associated_size += size;
    } else {
        d->total += sign;
        d->size += size;
        if ((f->flags & MSGFLAG_READ) == 0) {
            d->unread += sign;
        }
    }
}

/* the message's fact, if it is in that folder and (not) deleted */
static ph_int_t
store_many_find(store_conn_t *conn, uint64_t fid, uint64_t mid,
    store_message_fact_t *f)
{
    store_try(store_message_find(conn, mid, f));

    return f->folder == fid ? PH_OK : PH_NOTFOUND;
}

static ph_int_t
store_many_event(store_conn_t *conn, store_event_type_t type,
    const store_message_fact_t *f, uint64_t to, uint64_t mid, uint64_t cn,
    bool soft)
{
    store_event_t  *ev;

    ev = store_event_add(conn, type);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->is_message = true;
    ev->associated = f->associated;
    ev->soft = soft;
    ev->folder = to;
    ev->message = mid;
    ev->cn = cn;
    ev->message_flags = f->flags;
    if (type != STORE_EV_DELETED) {
        ev->old_folder = f->folder;
        ev->old_message = f->id;
    }

    return PH_OK;
}

/* the predecessor list of a row, for its next change number */
static ph_int_t
store_many_pcl(store_conn_t *conn, uint64_t mid, uint64_t cn, ph_str_t *pcl_r)
{
    ph_int_t       rc;
    store_mrow_t   row;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_MESSAGE, &s, "u", mid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_mrow(s, &row);
        rc = store_pcl_next(conn->store, row.pcl, row.change_key,
                            row.fact.cn, cn, store_tmp_pool(conn), pcl_r);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

/* what deleted messages leave behind: a place in Deleted Items; public: none */
static uint64_t
store_trash(const store_t *store)
{
    return store->info.kind == STORE_PRIVATE ? STORE_TRASH : 0;
}

/* *mid_r: the id that it is to get, 0: a new one */
static ph_int_t
store_move_one(store_conn_t *conn, const store_message_fact_t *f, uint64_t to,
    uint64_t *mid_r)
{
    int64_t   article;
    uint64_t  id, cn;
    ph_str_t  pcl;

    id = *mid_r;
    if (id) {
        store_try(store_id_usable(conn, id));
    } else {
        store_try(store_next_message_id(conn, to, &id));
    }
    store_try(store_q_int(conn, SQL_ARTICLE_NEXT, &article, "u", to));
    cn = store_next_cn(conn);
    store_try(store_many_pcl(conn, f->id, cn, &pcl));
    if (!f->deleted) {
        store_try(store_deletion_add(conn, cn, f->folder, f->id, f->id,
                                     STORE_GONE_MOVED));
    }
    store_try(store_exec(conn, SQL_MESSAGE_MOVE, "uuuuubuu", id, to, cn,
                         (uint64_t) article, store_now(conn), pcl, f->id,
                         store_trash(conn->store)));
    store_try(store_search_note(conn, f->id));
    store_try(store_exec(conn, SQL_REF_MOVE, "uu", id, f->id));
    /* a message in the queue stays in it under its new id */
    store_try(store_exec(conn, SQL_SUBMIT_MOVE, "uuu", id, to, f->id));
    *mid_r = id;

    return store_many_event(conn, f->deleted ? STORE_EV_CREATED
                                             : STORE_EV_MOVED,
                            f, to, id, cn, false);
}

static ph_int_t
store_copy_one(store_conn_t *conn, const store_message_fact_t *f, uint64_t to,
    uint64_t *mid_r)
{
    int64_t   article;
    uint64_t  id, cn;

    store_try(store_next_message_id(conn, to, &id));
    store_try(store_q_int(conn, SQL_ARTICLE_NEXT, &article, "u", to));
    cn = store_next_cn(conn);
    store_try(store_exec(conn, SQL_MESSAGE_COPY, "uuuuuu", id, to, cn,
                         (uint64_t) article, store_now(conn), f->id));
    store_try(store_exec(conn, SQL_REF_COPY, "uu", id, f->id));
    *mid_r = id;

    return store_many_event(conn, STORE_EV_COPIED, f, to, id, cn, false);
}

typedef enum {
    STORE_MANY_MOVE, STORE_MANY_COPY, STORE_MANY_RESTORE, STORE_MANY_SOFT,
    STORE_MANY_HARD
} store_many_how_t;

static ph_int_t
store_many(store_conn_t *conn, uint64_t from, uint64_t to, uint32_t n,
    const uint64_t *mids, uint64_t *new_r, store_many_t *many_r,
    store_many_how_t how);

/*
 * Messages of a search folder, each in the folder where it is.  Where they are
 * is asked before the first one changes: that may end its match.
 */
static ph_int_t
store_many_found(store_conn_t *conn, uint64_t search, uint64_t to,
    uint32_t n, const uint64_t *mids, uint64_t *new_r, store_many_t *many_r,
    store_many_how_t how)
{
    uint32_t       i;
    uint64_t      *home;
    ph_int_t       rc;
    ph_pool_t     *pool;
    store_many_t   one;

    pool = ph_pool_create("store many", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    home = ph_pcalloc_array(pool, n + 1, sizeof(*home));
    rc = home ? PH_OK : PH_NOMEM;
    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = store_search_home(conn, search, mids[i], &home[i]);
    }

    for (i = 0; rc == PH_OK && i < n; i++) {
        if (new_r) {
            new_r[i] = 0;
        }
        if (home[i] == search) {
            many_r->failed++;
            continue;
        }
        rc = how == STORE_MANY_SOFT || how == STORE_MANY_HARD
             ? store_messages_delete(conn, home[i], how == STORE_MANY_HARD, 1,
                                     &mids[i], &one)
             : store_many(conn, home[i], to, 1, &mids[i],
                          new_r ? &new_r[i] : NULL, &one, how);
        if (rc == PH_OK) {
            many_r->done += one.done;
            many_r->failed += one.failed;
        }
    }
    ph_pool_destroy(&pool);

    return rc;
}

/*
 * How much may still come: what is copied, and what comes back out of the
 * recoverable items, counts against the limit of the mailbox.
 */
static ph_int_t
store_many_room(store_conn_t *conn, uint64_t *room_r)
{
    store_quota_t   q;
    store_totals_t  t;

    *room_r = UINT64_MAX;
    store_try(store_quota_get(conn, &q));
    if (q.store) {
        store_try(store_totals(conn, &t));
        *room_r = t.size < q.store ? q.store - t.size : 0;
    }

    return PH_OK;
}

static ph_int_t
store_many(store_conn_t *conn, uint64_t from, uint64_t to, uint32_t n,
    const uint64_t *mids, uint64_t *new_r, store_many_t *many_r,
    store_many_how_t how)
{
    bool                  found;
    uint32_t              i;
    uint64_t              id, room;
    ph_int_t              rc;
    store_delta_t         out, in;
    store_folder_t        f;
    store_message_fact_t  fact, live;

    memset(many_r, 0, sizeof(*many_r));
    memset(&out, 0, sizeof(out));
    memset(&in, 0, sizeof(in));
    store_try(store_need_write(conn));
    store_try(store_folder_find(conn, NULL, from, &f));
    found = f.type == STORE_FOLDER_SEARCH;
    store_try(store_folder_live(conn, to, &f));
    if (f.type == STORE_FOLDER_SEARCH) {
        return PH_DENIED;
    }
    if (found) {
        return store_many_found(conn, from, to, n, mids, new_r, many_r, how);
    }
    store_try(store_many_room(conn, &room));

    for (i = 0; i < n; i++) {
        id = 0;
        rc = store_many_find(conn, from, mids[i], &fact);
        if (rc == PH_OK && how == STORE_MANY_RESTORE && !fact.deleted) {
            rc = PH_NOTFOUND;
        }
        if (rc == PH_OK && (how == STORE_MANY_COPY || fact.deleted)) {
            if (fact.size > room) {
                many_r->quota = true;
                rc = PH_NOTFOUND;
            } else {
                room -= fact.size;
            }
        }
        if (rc == PH_NOTFOUND) {
            many_r->failed++;
        } else if (rc != PH_OK) {
            return rc;
        } else {
            live = fact;
            live.deleted = false;
            if (how == STORE_MANY_COPY) {
                store_try(store_copy_one(conn, &fact, to, &id));
            } else {
                store_try(store_move_one(conn, &fact, to, &id));
                store_delta_message(&out, &fact, -1);
            }
            store_delta_message(&in, &live, 1);
            many_r->done++;
        }
        if (new_r) {
            new_r[i] = id;
        }
    }

    if (many_r->done == 0) {
        return PH_OK;
    }
    if (how != STORE_MANY_COPY) {
        store_try(store_delta_apply(conn, from, &out));
    }

    return store_delta_apply(conn, to, &in);
}

ph_int_t
store_messages_move(store_conn_t *conn, uint64_t from, uint64_t to,
    uint32_t n, const uint64_t *mids, uint64_t *new_r, store_many_t *many_r)
{
    return store_many(conn, from, to, n, mids, new_r, many_r,
                      STORE_MANY_MOVE);
}

ph_int_t
store_message_move_as(store_conn_t *conn, uint64_t from, uint64_t to,
    uint64_t mid, uint64_t id)
{
    store_delta_t          d;
    store_folder_t         f;
    store_message_fact_t   fact;

    store_try(store_need_write(conn));
    store_try(store_folder_live(conn, to, &f));
    if (f.type == STORE_FOLDER_SEARCH) {
        return PH_DENIED;
    }
    store_try(store_many_find(conn, from, mid, &fact));
    if (fact.deleted) {
        return PH_NOTFOUND;
    }
    store_try(store_move_one(conn, &fact, to, &id));

    memset(&d, 0, sizeof(d));
    store_delta_message(&d, &fact, -1);
    store_try(store_delta_apply(conn, from, &d));
    memset(&d, 0, sizeof(d));
    store_delta_message(&d, &fact, 1);

    return store_delta_apply(conn, to, &d);
}

ph_int_t
store_messages_copy(store_conn_t *conn, uint64_t from, uint64_t to,
    uint32_t n, const uint64_t *mids, uint64_t *new_r, store_many_t *many_r)
{
    return store_many(conn, from, to, n, mids, new_r, many_r,
                      STORE_MANY_COPY);
}

ph_int_t
store_messages_restore(store_conn_t *conn, uint64_t from, uint64_t to,
    uint32_t n, const uint64_t *mids, store_many_t *many_r)
{
    return store_many(conn, from, to, n, mids, NULL, many_r,
                      STORE_MANY_RESTORE);
}

ph_int_t
store_messages_delete(store_conn_t *conn, uint64_t fid, bool hard, uint32_t n,
    const uint64_t *mids, store_many_t *many_r)
{
    uint32_t              i;
    ph_int_t              rc;
    uint64_t              cn;
    store_delta_t         d;
    store_folder_t        f;
    store_message_fact_t  fact;

    memset(many_r, 0, sizeof(*many_r));
    memset(&d, 0, sizeof(d));
    store_try(store_need_write(conn));
    store_try(store_folder_find(conn, NULL, fid, &f));
    if (f.type == STORE_FOLDER_SEARCH) {
        return store_many_found(conn, fid, 0, n, mids, NULL, many_r,
                                hard ? STORE_MANY_HARD : STORE_MANY_SOFT);
    }
    /* on hold nothing goes for good */
    hard = hard && !store_on_hold(conn->store);

    cn = 0;
    for (i = 0; i < n; i++) {
        rc = store_many_find(conn, fid, mids[i], &fact);
        if (rc == PH_OK && fact.deleted && !hard) {
            rc = PH_NOTFOUND;
        }
        if (rc == PH_NOTFOUND) {
            many_r->failed++;
            continue;
        }
        if (rc != PH_OK) {
            return rc;
        }

        store_delta_message(&d, &fact, -1);
        if (!fact.deleted) {
            cn = cn ? cn : store_next_cn(conn);
            store_try(store_deletion_add(conn, cn, fid, fact.id, fact.id,
                                         hard ? STORE_GONE_HARD
                                              : STORE_GONE_SOFT));
        }
        if (hard) {
            store_try(store_content_drop(conn, fact.id));
            store_try(store_exec(conn, SQL_SUBMIT_DEL, "u", fact.id));
            store_try(store_exec(conn, SQL_MESSAGE_DEL, "u", fact.id));
        } else {
            store_try(store_exec(conn, SQL_MESSAGE_SOFT, "uu",
                                 store_now(conn), fact.id));
            fact.deleted = true;
            store_delta_message(&d, &fact, 1);
            fact.deleted = false;
        }
        if (!fact.deleted) {
            store_try(store_many_event(conn, STORE_EV_DELETED, &fact, fid,
                                       fact.id, 0, !hard));
        }
        many_r->done++;
    }

    return many_r->done ? store_delta_apply(conn, fid, &d) : PH_OK;
}
