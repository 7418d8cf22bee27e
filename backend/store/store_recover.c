/* Lists of recoverable items, and a folder as it was at a point in time. */

#include "store_message_int.h"
#include "lib/ph_str.h"

#define STORE_NAMES_TRIED  100

/* ---- point in time ---- */

/* id, folder of each row; at most n */
static ph_int_t
store_recover_ids(store_conn_t *conn, sqlite3_stmt *s, uint32_t n,
    uint64_t *ids, uint64_t *fids, uint32_t *n_r)
{
    ph_int_t  rc;

    rc = PH_OK;
    for (*n_r = 0; *n_r < n; (*n_r)++) {
        rc = store_step(conn, s);
        if (rc != PH_OK) {
            break;
        }
        ids[*n_r] = store_col_u64(s, 0);
        if (fids) {
            fids[*n_r] = store_col_u64(s, 1);
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

static ph_int_t
store_recover_messages(store_conn_t *conn, uint64_t from, uint64_t to,
    uint32_t n, const uint64_t *ids, store_restored_t *r)
{
    store_many_t  many;

    store_try(store_messages_move(conn, from, to, n, ids, NULL, &many));
    r->messages += many.done;
    r->failed += many.failed;
    r->quota = r->quota || many.quota;

    return PH_OK;
}

/* under its name, or the first free of "name (2)", "name (3)", ... */
static ph_int_t
store_recover_folder(store_conn_t *conn, uint64_t fid, uint64_t parent,
    store_restored_t *r)
{
    char            *name;
    unsigned         i;
    ph_int_t         rc;
    store_folder_t   f;

    rc = store_folder_restore(conn, fid, parent, ph_str_null);
    for (i = 2; rc == PH_EXISTS && i < STORE_NAMES_TRIED; i++) {
        store_try(store_folder_find(conn, store_tmp_pool(conn), fid, &f));
        f.name.len = ph_utf8_cut(f.name, 900);
        name = ph_psprintf(store_tmp_pool(conn), "%.*s (%u)",
                           PH_STR_ARG(f.name), i);
        if (name == NULL) {
            return PH_NOMEM;
        }
        rc = store_folder_restore(conn, fid, parent, ph_str_c(name));
    }
    if (rc == PH_OK) {
        r->folders++;
    } else if (rc == PH_EXISTS || rc == PH_INVALID || rc == PH_TOOBIG) {
        r->failed++;
        rc = PH_OK;
    }

    return rc;
}

ph_int_t
store_restore_since(store_conn_t *conn, uint64_t fid, uint64_t since,
    unsigned flags, uint32_t limit, store_restored_t *restored_r,
    bool *more_r)
{
    uint32_t        i, k, n;
    uint64_t       *ids, *fids, done;
    ph_int_t        rc;
    ph_pool_t      *pool;
    sqlite3_stmt   *s;
    store_folder_t  f;

    memset(restored_r, 0, sizeof(*restored_r));
    *more_r = false;
    store_try(store_need_write(conn));
    store_try(store_folder_live(conn, fid, &f));
    if (f.type == STORE_FOLDER_SEARCH) {
        return PH_DENIED;
    }
    pool = store_tmp_pool(conn);
    ids = pool ? ph_pcalloc_array(pool, limit, sizeof(*ids)) : NULL;
    fids = pool ? ph_pcalloc_array(pool, limit, sizeof(*fids)) : NULL;
    if (ids == NULL || fids == NULL) {
        return PH_NOMEM;
    }

    store_try(store_q(conn, SQL_DELETED_MESSAGES, &s, "uuud", fid,
                      ph_max(since, (uint64_t) 1), (uint64_t) 0,
                      (int) limit));
    store_try(store_recover_ids(conn, s, limit, ids, NULL, &n));
    if (n) {
        store_try(store_recover_messages(conn, fid, fid, n, ids, restored_r));
        *more_r = n == limit;
    }

    if (flags & STORE_RESTORE_TRASH) {
        store_try(store_q(conn, SQL_DELETED_FROM, &s, "uud", fid, since,
                          (int) limit));
        store_try(store_recover_ids(conn, s, limit, ids, fids, &n));
        for (i = 0; i < n; i = k) {
            for (k = i + 1; k < n && fids[k] == fids[i]; k++) { /* void */ }
            store_try(store_recover_messages(conn, fids[i], fid, k - i,
                                             &ids[i], restored_r));
        }
        *more_r = *more_r || n == limit;
    }

    if (flags & STORE_RESTORE_SUBFOLDERS) {
        store_try(store_q(conn, SQL_DELETED_CHILDREN, &s, "uud", fid,
                          ph_max(since, (uint64_t) 1), (int) limit));
        store_try(store_recover_ids(conn, s, limit, ids, NULL, &n));
        done = restored_r->folders;
        rc = PH_OK;
        for (i = 0; rc == PH_OK && i < n; i++) {
            rc = store_recover_folder(conn, ids[i], fid, restored_r);
        }
        store_try(rc);
        *more_r = *more_r || (n == limit && restored_r->folders > done);
    }

    /* a full mailbox, or rows that cannot come back, end it */
    if (restored_r->messages + restored_r->folders == 0 || restored_r->quota) {
        *more_r = false;
    }

    return PH_OK;
}

/* ---- lists ---- */

#define RECOVERABLE_FOLDERS                                                   \
    "SELECT f.id, f.deleted, f.name, f.size + f.associated_size"              \
    " + f.deleted_size FROM folder f WHERE f.deleted > 0"                     \
    " AND f.deleted >= ?2 AND (?1 = 0 OR f.parent = ?1)"                      \
    " ORDER BY f.deleted DESC LIMIT ?3"

#define RECOVERABLE_MESSAGES(of)                                              \
    "SELECT m.id, m.folder, m.deleted, m.size, m.state, m.props"              \
    " FROM message m WHERE " of " ORDER BY m.deleted DESC LIMIT ?3"

/* ?1 is 0 here */
static const char  recoverable_all[] =
    RECOVERABLE_MESSAGES("m.deleted > 0 AND m.deleted >= max(?2, ?1)");
static const char  recoverable_one[] =
    RECOVERABLE_MESSAGES("m.folder = ?1 AND m.state IN (2, 3)"
                         " AND m.deleted >= ?2");

/* a short text of the packed properties, or an empty one */
static ph_str_t
store_recover_text(store_conn_t *conn, const store_mrow_t *row,
    const store_pack_t *pack, uint32_t tag, ph_pool_t *pool)
{
    mapi_value_t  v;
    store_mctx_t  ctx;

    store_mrow_ctx(conn, row, pack, &ctx);
    if (store_mctx_get(&ctx, tag, 4096, pool, &v) != PH_OK
        || MAPI_TYPE(v.tag) != PT_UNICODE)
    {
        return STORE_LEN("");
    }

    return v.u.str;
}

static ph_int_t
store_recover_message(store_conn_t *conn, sqlite3_stmt *s,
    store_recoverable_pt fn, void *data)
{
    ph_int_t              rc;
    ph_pool_t            *pool;
    store_mrow_t          row;
    store_pack_t          pack;
    store_recoverable_t   item;

    memset(&item, 0, sizeof(item));
    memset(&row, 0, sizeof(row));
    item.message = store_col_u64(s, 0);
    item.folder = store_col_u64(s, 1);
    item.deleted = store_col_u64(s, 2);
    item.size = store_col_u64(s, 3);
    item.associated = store_col_u64(s, 4) & STORE_STATE_FAI;
    row.fact.id = item.message;
    row.fact.folder = item.folder;
    row.props = store_col_str(s, 5);

    store_try(store_pack_open(row.props, &pack));
    pool = ph_pool_create("store recoverable", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    item.subject = store_recover_text(conn, &row, &pack, PR_SUBJECT, pool);
    item.sender = store_recover_text(conn, &row, &pack,
                                     PR_SENT_REPRESENTING_NAME, pool);
    rc = fn(data, &item);
    ph_pool_destroy(&pool);

    return rc;
}

ph_int_t
store_recoverable(store_conn_t *conn, uint64_t fid, uint64_t since,
    uint32_t limit, store_recoverable_pt fn, void *data)
{
    uint32_t              n;
    ph_int_t              rc;
    sqlite3_stmt         *s;
    store_recoverable_t   item;

    n = 0;
    store_try(store_q_text(conn, RECOVERABLE_FOLDERS, &s, "uud", fid, since,
                           (int) limit));
    while ((rc = store_step(conn, s)) == PH_OK) {
        memset(&item, 0, sizeof(item));
        item.folder = store_col_u64(s, 0);
        item.deleted = store_col_u64(s, 1);
        item.subject = store_col_str(s, 2);
        item.sender = STORE_LEN("");
        item.size = store_col_u64(s, 3);
        rc = fn(data, &item);
        if (rc != PH_OK) {
            break;
        }
        n++;
    }
    store_done(conn, &s);
    if (rc != PH_DONE || n >= limit) {
        return rc == PH_DONE ? PH_OK : rc;
    }

    store_try(store_q_text(conn, fid ? recoverable_one : recoverable_all, &s,
                           "uud", fid, since, (int) (limit - n)));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = store_recover_message(conn, s, fn, data);
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}
