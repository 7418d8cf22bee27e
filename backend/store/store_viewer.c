/* Who looks: rights, access to messages, and read state for each user. */

#include "store_message_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"

#include <stdlib.h>

#define SENSITIVITY_PRIVATE  2


void
store_conn_view(store_conn_t *conn, const store_viewer_t *viewer)
{
    conn->viewer = viewer;
    conn->reader_known = false;
    conn->reader = 0;
}

const store_viewer_t *
store_conn_viewer(const store_conn_t *conn)
{
    return conn->viewer;
}

uint32_t
store_viewer_rights(store_conn_t *conn, uint64_t fid)
{
    if (conn->viewer == NULL || conn->viewer->all) {
        return STORE_RIGHTS_ALL;
    }

    return conn->viewer->rights(conn->viewer->data, conn, fid);
}

bool
store_viewer_is_owner(const store_conn_t *conn)
{
    return conn->viewer == NULL || conn->viewer->all;
}

bool
store_viewer_sees(store_conn_t *conn, uint64_t fid)
{
    return (store_viewer_rights(conn, fid)
            & (STORE_RIGHT_VISIBLE | STORE_RIGHT_OWNER)) != 0;
}

uint32_t
store_mctx_access(store_mctx_t *ctx, ph_pool_t *pool)
{
    bool                   mine;
    uint32_t               rights, access;
    store_stored_t         s;
    const store_viewer_t  *v = ctx->conn != NULL ? ctx->conn->viewer : NULL;

    if (ctx->embedded) {
        return STORE_ACCESS_MODIFY | STORE_ACCESS_READ;
    }
    if (v == NULL || v->all) {
        return STORE_ACCESS_MODIFY | STORE_ACCESS_READ | STORE_ACCESS_DELETE;
    }

    /* what is not saved yet is his */
    mine = ctx->fact.id == 0
           || (v->entryid.len
               && store_mctx_stored(ctx, PR_CREATOR_ENTRYID, pool, &s) == PH_OK
               && !s.external && MAPI_TYPE(s.v->tag) == PT_BINARY
               && ph_str_eq(s.v->u.bin, v->entryid));

    if (v->no_private && !mine && store_mctx_private(ctx, pool)) {
        return 0;
    }

    rights = v->rights(v->data, ctx->conn, ctx->fact.folder);
    access = 0;
    if ((rights & STORE_RIGHT_READ_ANY) || mine) {
        access |= STORE_ACCESS_READ;
    }
    if ((rights & STORE_RIGHT_EDIT_ANY)
        || (mine && ((rights & STORE_RIGHT_EDIT_OWNED) || ctx->fact.id == 0)))
    {
        access |= STORE_ACCESS_MODIFY;
    }
    if ((rights & STORE_RIGHT_DELETE_ANY)
        || (mine && (rights & STORE_RIGHT_DELETE_OWNED)))
    {
        access |= STORE_ACCESS_DELETE;
    }

    return access;
}

bool
store_mctx_private(store_mctx_t *ctx, ph_pool_t *pool)
{
    store_stored_t  s;

    return store_mctx_stored(ctx, PR_SENSITIVITY, pool, &s) == PH_OK
           && !s.external && MAPI_TYPE(s.v->tag) == PT_LONG
           && s.v->u.i4 == SENSITIVITY_PRIVATE;
}

ph_int_t
store_message_access(store_conn_t *conn, uint64_t mid, uint32_t *access_r,
    store_message_fact_t *fact_r)
{
    ph_int_t       rc;
    ph_pool_t     *pool;
    sqlite3_stmt  *s;
    store_mrow_t   row;
    store_pack_t   pack;
    store_mctx_t   ctx;

    *access_r = 0;

    if (conn->viewer == NULL || conn->viewer->all) {
        *access_r = STORE_ACCESS_MODIFY | STORE_ACCESS_READ
                    | STORE_ACCESS_DELETE;
        return store_message_find(conn, mid, fact_r);
    }

    pool = ph_pool_create("store access", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    rc = store_q(conn, SQL_MESSAGE, &s, "u", mid);
    if (rc == PH_OK) {
        rc = store_step(conn, s);
    }
    if (rc == PH_OK) {
        store_mrow(s, &row);
        *fact_r = row.fact;
        rc = store_pack_open(row.props, &pack);
    }
    if (rc == PH_OK) {
        store_mrow_ctx(conn, &row, &pack, &ctx);
        *access_r = store_mctx_access(&ctx, pool);
    }
    store_done(conn, &s);
    ph_pool_destroy(&pool);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

/* ---- read state ---- */

bool
store_reader_own(const store_conn_t *conn)
{
    return conn->store->info.kind == STORE_PUBLIC && conn->viewer != NULL
           && conn->viewer->user.len != 0;
}

ph_int_t
store_reader(store_conn_t *conn, bool create, uint64_t *reader_r)
{
    int64_t   id;
    ph_int_t  rc;

    *reader_r = 0;
    if (!store_reader_own(conn)) {
        return PH_OK;
    }

    if (!conn->reader_known || (create && conn->reader == 0)) {
        rc = store_q_int(conn, SQL_READER, &id, "t", conn->viewer->user);
        if (rc == PH_NOTFOUND) {
            id = 0;
            rc = PH_OK;
            if (create) {
                store_try(store_need_write(conn));
                rc = store_q_int(conn, SQL_READER_ADD, &id, "t",
                                 conn->viewer->user);
            }
        }
        store_try(rc);
        conn->reader = (uint64_t) id;
        conn->reader_known = true;
    }
    *reader_r = conn->reader;

    return PH_OK;
}

ph_int_t
store_reader_see(store_conn_t *conn, store_message_fact_t *fact)
{
    ph_int_t       rc;
    uint64_t       reader;
    sqlite3_stmt  *s;

    if (conn == NULL || !store_reader_own(conn) || fact->associated
        || fact->id == 0)
    {
        return PH_OK;
    }

    fact->flags &= ~(uint32_t) MSGFLAG_READ;
    fact->read = false;
    fact->read_cn = 0;

    store_try(store_reader(conn, false, &reader));
    if (reader == 0) {
        return PH_OK;
    }

    store_try(store_q(conn, SQL_READ_STATE, &s, "uu", fact->id, reader));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        fact->read = store_col_u32(s, 0) != 0;
        fact->read_cn = store_col_u64(s, 1);
        if (fact->read) {
            fact->flags |= MSGFLAG_READ;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_reader_put(store_conn_t *conn, const store_message_fact_t *fact,
    bool read, uint64_t cn)
{
    uint64_t  reader;

    store_try(store_reader(conn, true, &reader));
    store_try(store_exec(conn, SQL_READ_STATE_DEL, "uu", fact->id, reader));

    return store_exec(conn, SQL_READ_STATE_ADD, "uuudu", fact->id, reader,
                      fact->folder, (int) read, cn);
}

ph_int_t
store_reader_total(store_conn_t *conn, uint64_t fid, uint32_t *n_r)
{
    int64_t   n;
    ph_int_t  rc;
    uint64_t  reader;

    *n_r = 0;
    store_try(store_reader(conn, false, &reader));
    if (reader == 0) {
        return PH_OK;
    }

    rc = store_q_int(conn, SQL_READER_FOLDER, &n, "uu", reader, fid);
    if (rc == PH_OK) {
        *n_r = (uint32_t) n;
    }

    return rc == PH_NOTFOUND ? PH_OK : rc;
}

ph_int_t
store_reader_cns(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    uint32_t *n_r, uint64_t **cns_r)
{
    ph_int_t       rc;
    uint32_t       total, n;
    uint64_t       reader, *cns;
    sqlite3_stmt  *s;

    *n_r = 0;
    *cns_r = NULL;
    store_try(store_reader_total(conn, fid, &total));
    store_try(store_reader(conn, false, &reader));
    if (total == 0) {
        return PH_OK;
    }

    cns = ph_pcalloc_array(pool, total, sizeof(*cns));
    if (cns == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    store_try(store_q(conn, SQL_READ_CNS, &s, "uu", reader, fid));
    while ((rc = store_step(conn, s)) == PH_OK && n < total) {
        cns[n++] = store_col_u64(s, 0);
    }
    store_done(conn, &s);

    *n_r = n;
    *cns_r = cns;

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_reader_set(store_conn_t *conn, uint64_t fid,
    bool (*has)(void *data, uint64_t cn), void *data)
{
    bool                   read;
    uint32_t               i;
    ph_int_t               rc;
    uint64_t               reader;
    sqlite3_stmt          *s;
    store_delta_t          none;
    store_idlist_t         ids = { 0, 0, NULL };
    store_message_fact_t   fact;

    store_try(store_need_write(conn));
    if (!store_reader_own(conn)) {
        return PH_DECLINED;
    }
    store_try(store_reader(conn, true, &reader));

    /* those that are to be read, then those that are not */
    store_try(store_q(conn, SQL_MESSAGE_CNS, &s, "u", fid));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = store_idlist_add(&ids, store_col_u64(s, 0) << 1
                                    | (has(data, store_col_u64(s, 1)) ? 1 : 0));
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, &s);
    rc = rc == PH_DONE ? PH_OK : rc;

    for (i = 0; rc == PH_OK && i < ids.n; i++) {
        memset(&fact, 0, sizeof(fact));
        fact.id = ids.id[i] >> 1;
        fact.folder = fid;
        read = ids.id[i] & 1;
        rc = store_reader_see(conn, &fact);
        if (rc == PH_OK && fact.read != read) {
            rc = store_reader_put(conn, &fact, read, store_next_cn(conn));
        }
    }
    store_idlist_free(&ids);
    store_try(rc);

    memset(&none, 0, sizeof(none));

    return store_delta_apply(conn, fid, &none);
}
