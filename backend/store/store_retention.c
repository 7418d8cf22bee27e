/* Limits, and removing for good what has been deleted long enough. */

#include "store_message_int.h"
#include "lib/ph_str.h"

ph_int_t
store_quota_get(store_conn_t *conn, store_quota_t *quota_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_QUOTA_GET, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        quota_r->store = store_col_u64(s, 0);
        quota_r->receive = store_col_u64(s, 1);
        quota_r->send = store_col_u64(s, 2);
        quota_r->warning = store_col_u64(s, 3);
        quota_r->deleted = store_col_u64(s, 4);
        quota_r->warned = store_col_u64(s, 5);
        quota_r->keep = store_col_u64(s, 6);
        quota_r->hold = store_col_u64(s, 7) != 0;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}

ph_int_t
store_quota_set(store_conn_t *conn, const store_quota_t *quota)
{
    store_quota_t  q;

    store_try(store_need_write(conn));
    store_try(store_quota_get(conn, &q));

    if (q.store != quota->store || q.receive != quota->receive
        || q.send != quota->send)
    {
        store_try(store_exec(conn, SQL_QUOTA_SET, "uuu", quota->store,
                             quota->receive, quota->send));
    }
    if (q.warning != quota->warning || q.deleted != quota->deleted
        || q.keep != quota->keep || q.hold != quota->hold)
    {
        store_try(store_exec(conn, SQL_RETENTION_SET, "uuud", quota->warning,
                             quota->deleted, quota->keep, (int) quota->hold));
    }
    atomic_store(&conn->store->hold, quota->hold);

    return PH_OK;
}

ph_int_t
store_quota_warned(store_conn_t *conn)
{
    store_try(store_need_write(conn));

    return store_exec(conn, SQL_WARNED_SET, "u", store_now(conn));
}

bool
store_on_hold(const store_t *store)
{
    return atomic_load(&store->hold);
}

/* ---- purging ---- */

typedef struct {
    store_conn_t    *conn;
    store_purged_t  *purged;
    uint32_t         left;
} store_purge_t;

/* messages of one folder, by id, in one go */
static ph_int_t
store_purge_ids(store_purge_t *p, uint64_t fid, uint32_t n,
    const uint64_t *ids)
{
    store_many_t    many;
    store_totals_t  before, after;

    store_try(store_totals(p->conn, &before));
    store_try(store_messages_delete(p->conn, fid, true, n, ids, &many));
    store_try(store_totals(p->conn, &after));
    p->purged->messages += many.done;
    p->purged->bytes += before.deleted_size - after.deleted_size;
    p->left -= ph_min(p->left, n);

    /* a row that cannot go would be found again and again */
    return many.done ? PH_OK : PH_CORRUPT;
}

/*
 * The oldest soft-deleted messages until `cutoff`, or until `bytes` are gone.
 */
static ph_int_t
store_purge_messages(store_purge_t *p, uint64_t cutoff, uint64_t bytes)
{
    uint32_t       i, k, n;
    uint64_t      *id, *fid, gone;
    ph_int_t       rc;
    ph_pool_t     *pool;
    sqlite3_stmt  *s;

    pool = ph_pool_create("store purge", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    id = ph_pcalloc_array(pool, p->left, sizeof(*id));
    fid = ph_pcalloc_array(pool, p->left, sizeof(*fid));
    rc = id && fid ? store_q(p->conn, SQL_EXPIRED_MESSAGES, &s, "ud", cutoff,
                             (int) p->left)
                   : PH_NOMEM;
    if (rc != PH_OK) {
        ph_pool_destroy(&pool);
        return rc;
    }
    for (n = 0; n < p->left && (rc = store_step(p->conn, s)) == PH_OK; n++) {
        id[n] = store_col_u64(s, 0);
        fid[n] = store_col_u64(s, 1);
    }
    store_done(p->conn, &s);
    rc = rc == PH_DONE ? PH_OK : rc;

    gone = p->purged->bytes;
    for (i = 0; rc == PH_OK && i < n; i = k) {
        if (p->purged->bytes - gone >= bytes) {
            break;
        }
        /* when bytes count, one by one: no more than is too much */
        k = i + 1;
        while (bytes == UINT64_MAX && k < n && fid[k] == fid[i]) {
            k++;
        }
        rc = store_purge_ids(p, fid[i], k - i, &id[i]);
    }
    ph_pool_destroy(&pool);

    return rc;
}

/* Folders without subfolders first; a large one takes several rounds. */
static ph_int_t
store_purge_folders(store_purge_t *p, uint64_t cutoff)
{
    bool           partial;
    int64_t        fid;
    uint32_t       n;
    uint64_t       ids[256];
    ph_int_t       rc;
    sqlite3_stmt  *s;

    while (p->left) {
        rc = store_q_int(p->conn, SQL_EXPIRED_FOLDER, &fid, "u", cutoff);
        if (rc == PH_NOTFOUND) {
            return PH_OK;
        }
        store_try(rc);

        store_try(store_q(p->conn, SQL_EXPIRED_IN_FOLDER, &s, "ud",
                          (uint64_t) fid,
                          (int) ph_min(p->left, (uint32_t) ph_nelts(ids))));
        for (n = 0; n < ph_nelts(ids); n++) {
            rc = store_step(p->conn, s);
            if (rc != PH_OK) {
                break;
            }
            ids[n] = store_col_u64(s, 0);
        }
        store_done(p->conn, &s);
        if (rc != PH_OK && rc != PH_DONE) {
            return rc;
        }
        if (n) {
            store_try(store_purge_ids(p, (uint64_t) fid, n, ids));
            continue;
        }
        store_try(store_folder_delete(p->conn, (uint64_t) fid,
                                      STORE_DEL_HARD | STORE_DEL_MESSAGES
                                      | STORE_DEL_FOLDERS, &partial));
        p->purged->folders++;
        p->left--;
    }

    return PH_OK;
}

ph_int_t
store_purge(store_conn_t *conn, uint64_t cutoff, uint32_t limit,
    store_purged_t *purged_r, bool *more_r)
{
    uint64_t        now, keep;
    store_purge_t   p = { conn, purged_r, limit };
    store_quota_t   q;
    store_totals_t  t;

    memset(purged_r, 0, sizeof(*purged_r));
    *more_r = false;
    store_try(store_need_write(conn));
    store_try(store_quota_get(conn, &q));
    if (q.hold || store_on_hold(conn->store)) {
        return PH_OK;
    }
    if (cutoff == 0) {
        now = store_now(conn);
        keep = ph_min(q.keep, UINT32_MAX) * 10000000;
        cutoff = now > keep ? now - keep : 0;
    }

    store_try(store_purge_messages(&p, cutoff, UINT64_MAX));
    store_try(store_purge_folders(&p, cutoff));

    if (p.left && q.deleted) {
        store_try(store_totals(conn, &t));
        if (t.deleted_size > q.deleted) {
            store_try(store_purge_messages(&p, INT64_MAX,
                                           t.deleted_size - q.deleted));
        }
    }
    *more_r = p.left == 0;

    return PH_OK;
}
