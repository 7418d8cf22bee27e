/* Uploads of messages (MS-OXCFXICS 2.2.3.2.4, 3.2.5.9.4). */

#include "ex_access.h"
#include "ex_ics.h"
#include "ex_receipt.h"

#include <stdlib.h>

#define EX_IMPORT_ASSOCIATED  0x10
#define EX_IMPORT_FAIL        0x40

#define EX_IMPORT_HIERARCHY   0x01
#define EX_IMPORT_HARD        0x02

#define EX_RF_CLEAR_READ      0x04


/* ---- what the client says of a version ---- */

static bool
rop_import_xid(ph_str_t xid)
{
    return xid.len >= MAPI_XID_MIN && xid.len <= MAPI_XID_MAX;
}


/* PR_SOURCE_KEY, time, change key, predecessor list: these, in this order */
bool
rop_import_version(ex_rop_t *rop, const mapi_value_t *v,
    store_version_t *version_r)
{
    if (v[0].tag != PR_SOURCE_KEY || v[1].tag != PR_LAST_MODIFICATION_TIME
        || v[2].tag != PR_CHANGE_KEY
        || v[3].tag != PR_PREDECESSOR_CHANGE_LIST)
    {
        return false;
    }

    version_r->source_key = v[0].u.bin;
    version_r->modified = v[1].u.time;
    version_r->change_key = v[2].u.bin;
    version_r->pcl = v[3].u.bin;

    return version_r->source_key.len == MAPI_GID
           && rop_import_xid(version_r->change_key)
           && version_r->pcl.len > 0
           && mapi_pcl_sorted(rop->pool, version_r->pcl, &version_r->pcl)
              == PH_OK;
}


static ph_int_t
rop_import_keep(ph_pool_t *pool, ph_str_t *s)
{
    *s = ph_pstrdup(pool, *s);

    return s->data != NULL ? PH_OK : PH_NOMEM;
}


void
ex_import_free(ex_import_t **import)
{
    ph_pool_t  *pool;

    if (*import != NULL) {
        pool = (*import)->pool;
        *import = NULL;
        ph_pool_destroy(&pool);
    }
}


/* It lives with the message until that is saved. */
static ph_int_t
rop_import_make(ex_rop_t *rop, ex_message_t *m, const store_version_t *v,
    bool fail)
{
    ph_int_t      rc;
    ph_pool_t    *pool;
    ex_import_t  *import;

    pool = ph_pool_create("sync import", 1u << 20);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    import = ph_pcalloc(pool, sizeof(*import));
    if (import == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }

    import->pool = pool;
    import->collector = (ex_collector_t *) rop->in;
    import->fail = fail;
    import->version = *v;
    m->import = import;

    /* the change itself belongs to what came before the next one */
    rc = mapi_pcl_add(pool, v->pcl, v->change_key, &import->version.pcl);
    if (rc == PH_OK) {
        rc = rop_import_keep(pool, &import->version.source_key);
    }

    return rc == PH_OK ? rop_import_keep(pool, &import->version.change_key)
                       : rc;
}


/* ---- ImportMessageChange ---- */

/* 0, or why the client's version of an existing message is not taken */
static uint32_t
rop_import_existing(ex_rop_t *rop, ex_collector_t *c, uint64_t mid,
    bool associated, bool fail, const store_version_t *v,
    store_message_t **msg_r)
{
    uint32_t               ec;
    ph_str_t               pcl;
    ph_int_t               rc;
    store_version_t        server;
    store_message_fact_t   fact;

    rc = store_message_find(rop->conn, mid, &fact);
    if (rc != PH_OK || fact.deleted || fact.folder != c->ics.fid) {
        return rc == PH_OK || rc == PH_NOTFOUND ? SYNC_E_OBJECT_DELETED
                                                : ex_ec(rop, rc);
    }

    if (fact.associated != associated) {
        return ecInvalidParam;
    }

    ec = ex_access_item(rop, mid, STORE_ACCESS_MODIFY);
    if (ec != 0) {
        return ec;
    }

    rc = store_message_open(rop->conn, c->ics.fid, mid, STORE_OPEN_WRITE,
                            msg_r);
    if (rc == PH_OK) {
        rc = store_message_version(*msg_r, rop->pool, &server);
    }
    if (rc == PH_OK) {
        rc = mapi_pcl_add(rop->pool, v->pcl, v->change_key, &pcl);
    }
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    switch (mapi_pcl_compare(pcl, server.pcl)) {
    case MAPI_PCL_EQUAL:
    case MAPI_PCL_INCLUDED:
        return SYNC_E_IGNORE;
    case MAPI_PCL_CONFLICT:
        if (fail) {
            return SYNC_E_CONFLICT;
        }
        break;
    case MAPI_PCL_INVALID:
        return ecInvalidParam;
    case MAPI_PCL_INCLUDES:
        break;
    }

    rc = store_message_purge(*msg_r);

    return ex_ec(rop, rc);
}


static uint32_t
rop_import_new(ex_rop_t *rop, ex_collector_t *c, uint64_t mid,
    bool associated, store_message_t **msg_r)
{
    bool            gone;
    ph_int_t        rc;
    store_actor_t   actor;

    if (mid != 0) {
        rc = store_sync_gone(rop->conn, mid, &gone);
        if (rc != PH_OK || gone) {
            return rc == PH_OK ? SYNC_E_OBJECT_DELETED : ex_ec(rop, rc);
        }
    }

    if (!(ex_rop_rights(rop, c->ics.fid) & STORE_RIGHT_CREATE)) {
        return ecAccessDenied;
    }

    if (ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    return ex_ec(rop, store_message_create(rop->conn, c->ics.fid, associated,
                                           mid, &actor, msg_r));
}


uint32_t
rop_synchronization_import_message_change(ex_rop_t *rop,
    const rop_synchronization_import_message_change_request_t *req,
    rop_synchronization_import_message_change_response_t *res)
{
    bool              associated, fail;
    uint32_t          ec;
    uint64_t          mid;
    ph_int_t          rc;
    ex_message_t     *m;
    ex_collector_t   *c;
    store_version_t   v;

    c = ex_rop_collector(rop, true);
    if (c == NULL) {
        return ecNotSupported;
    }

    memset(&v, 0, sizeof(v));
    if ((req->import_flag & ~(EX_IMPORT_ASSOCIATED | EX_IMPORT_FAIL)) != 0
        || req->props_count != 4 || !rop_import_version(rop, req->props, &v))
    {
        return ecInvalidParam;
    }

    associated = req->import_flag & EX_IMPORT_ASSOCIATED;
    fail = req->import_flag & EX_IMPORT_FAIL;

    m = ex_rop_make(rop, EX_MESSAGE, sizeof(ex_message_t), rop->in);
    if (m == NULL) {
        return ecServerOOM;
    }
    m->fid = c->ics.fid;
    m->cpid = rop->ctx.cpid;

    rc = store_message_by_source(rop->conn, v.source_key, &mid);
    if (rc == PH_OK) {
        ec = rop_import_existing(rop, c, mid, associated, fail, &v, &m->msg);
    } else if (rc == PH_NOTFOUND) {
        m->made = true;
        ec = rop_import_new(rop, c, mid, associated, &m->msg);
        /* a key of ours is made from the id */
        v.source_key = mid != 0 ? ph_str_lit("") : v.source_key;
    } else {
        ec = ex_ec(rop, rc);
    }

    if (ec == 0) {
        ec = ex_ec(rop, rop_import_make(rop, m, &v, fail));
    }

    if (ec != 0) {
        ex_rop_unmake(rop);
        return ec;
    }

    res->message_id = 0;

    return 0;
}


/* The change numbers that an import gave are seen by the client. */
static uint32_t
rop_import_seen(ex_rop_t *rop, mapi_idset_t *set, uint64_t cn)
{
    mapi_globset_t  *own = ex_ics_own_make(rop, set);

    return own == NULL ? ecServerOOM
                       : ex_ec(rop, mapi_globset_add(own, cn, cn));
}


static uint32_t
rop_import_put(ex_rop_t *rop, ex_message_t *m, const store_actor_t *actor)
{
    ph_int_t                     rc;
    ex_ics_t                    *ics = &m->import->collector->ics;
    const store_message_fact_t  *fact = store_message_fact(m->msg);

    rc = store_message_set_version(m->msg, &m->import->version);
    if (rc == PH_OK) {
        rc = store_message_save(rop->conn, m->msg, STORE_SAVE_FORCE, actor,
                                NULL);
    }

    switch (rc) {
    case PH_OK:
        return rop_import_seen(rop, fact->associated ? &ics->state.fai
                                                     : &ics->state.seen,
                               fact->cn);
    case PH_NOTFOUND:
        return ecObjectDeleted;
    case PH_QUOTA:
        return ecQuotaExceeded;
    case PH_TOOBIG:
        return ecMaxSubmissionExceeded;
    default:
        return ex_ec(rop, rc);
    }
}


uint32_t
ex_import_save(ex_rop_t *rop, ex_message_t *m, const store_actor_t *actor)
{
    uint32_t           ec;
    ph_int_t           rc;
    store_version_t    server;
    store_message_t   *now;
    ex_import_t       *import = m->import;

    if (store_message_is_new(m->msg)) {
        ec = rop_import_put(rop, m, actor);
        if (ec == 0) {
            ex_import_free(&m->import);
        }
        return ec;
    }

    /* somebody else may have saved since the import began */
    rc = store_message_open(rop->conn, m->fid, store_message_fact(m->msg)->id,
                            STORE_OPEN_WRITE, &now);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? ecObjectDeleted : ex_ec(rop, rc);
    }

    rc = store_message_version(now, rop->pool, &server);
    if (rc != PH_OK) {
        store_message_close(&now);
        return ex_ec(rop, rc);
    }

    switch (mapi_pcl_compare(import->version.pcl, server.pcl)) {
    case MAPI_PCL_INCLUDES:
        ec = rop_import_put(rop, m, actor);
        break;
    case MAPI_PCL_CONFLICT:
        ec = import->fail ? SYNC_E_CONFLICT
                          : ex_ics_resolve(rop, m, now, &server, actor);
        break;
    default:
        ec = SYNC_E_IGNORE;
        break;
    }

    store_message_close(&now);
    if (ec == 0) {
        ex_import_free(&m->import);
    }

    return ec;
}


/* ---- ImportDeletes ---- */

/*
 * What a client deletes that nobody has seen here must not come to life later.
 * Only ids that were given to somebody are noted.
 */
static ph_int_t
rop_import_never(ex_rop_t *rop, uint64_t fid, uint64_t id)
{
    bool      gone;
    uint64_t  cn;
    ph_int_t  rc;

    rc = store_id_reserved(rop->conn, id) ? PH_OK : PH_NOTFOUND;
    if (rc == PH_OK) {
        rc = store_sync_gone(rop->conn, id, &gone);
    }
    if (rc != PH_OK || gone) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    rc = store_sync_number(rop->conn, &cn);

    return rc == PH_OK ? store_deletion_add(rop->conn, cn, fid, id, id,
                                            STORE_GONE_NEVER) : rc;
}


static ph_int_t
rop_import_ids(ex_rop_t *rop, const mapi_value_t *keys, bool folders,
    uint64_t **ids_r)
{
    uint32_t   i;
    uint64_t  *ids;
    ph_int_t   rc;
    ph_str_t   key;

    ids = ph_pcalloc_array(rop->pool, keys->u.mv.n, sizeof(*ids));
    if (ids == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < keys->u.mv.n; i++) {
        key = keys->u.mv.bin[i];
        if (key.len == MAPI_LTID) {
            key.len = MAPI_GID;
        }
        if (key.len != MAPI_GID) {
            return PH_INVALID;
        }
        rc = folders
             ? store_folder_by_source(rop->conn, key, &ids[i])
             : store_message_by_source(rop->conn, key, &ids[i]);
        if (rc != PH_OK && rc != PH_NOTFOUND) {
            return rc;
        }
    }

    *ids_r = ids;

    return PH_OK;
}


static uint32_t
rop_import_delete_messages(ex_rop_t *rop, ex_collector_t *c, uint32_t n,
    const uint64_t *ids, bool hard)
{
    uint32_t               i, k, ec;
    uint64_t              *mids;
    ph_int_t               rc;
    store_many_t           many;
    store_message_fact_t   fact;

    mids = ph_pcalloc_array(rop->pool, n, sizeof(*mids));
    if (mids == NULL) {
        return ecServerOOM;
    }

    /* all or nothing, as far as can be foreseen */
    k = 0;
    for (i = 0; i < n; i++) {
        rc = ids[i] != 0 ? store_message_find(rop->conn, ids[i], &fact)
                         : PH_NOTFOUND;
        if (rc == PH_NOTFOUND
            || (rc == PH_OK && (fact.folder != c->ics.fid || fact.deleted)))
        {
            continue;
        }
        ec = rc == PH_OK ? ex_access_item(rop, ids[i], STORE_ACCESS_DELETE)
                         : ex_ec(rop, rc);
        if (ec != 0) {
            return ec;
        }
        mids[k++] = ids[i];
    }

    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < n; i++) {
        if (ids[i] != 0) {
            rc = rop_import_never(rop, c->ics.fid, ids[i]);
        }
    }
    if (rc == PH_OK && k > 0) {
        rc = store_messages_delete(rop->conn, c->ics.fid, hard, k, mids,
                                   &many);
    }

    return ex_ec(rop, rc);
}


static uint32_t
rop_import_delete_folders(ex_rop_t *rop, ex_collector_t *c, uint32_t n,
    const uint64_t *ids, bool hard)
{
    bool            below, partial;
    uint32_t        i;
    uint64_t       *fids;
    ph_int_t        rc;
    store_folder_t  f;

    fids = ph_pcalloc_array(rop->pool, n, sizeof(*fids));
    if (fids == NULL) {
        return ecServerOOM;
    }

    for (i = 0; i < n; i++) {
        rc = ids[i] != 0 ? store_folder_find(rop->conn, NULL, ids[i], &f)
                         : PH_NOTFOUND;
        if (rc == PH_NOTFOUND || (rc == PH_OK && f.deleted)) {
            continue;
        }
        below = false;
        if (rc == PH_OK) {
            rc = store_folder_is_below(rop->conn, ids[i], c->ics.fid, &below);
        }
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }
        if (!below || ids[i] == c->ics.fid) {
            return ecInvalidParam;
        }
        if (ids[i] <= STORE_LAST_BUILTIN
            || !(ex_rop_rights(rop, ids[i]) & STORE_RIGHT_OWNER))
        {
            return ecAccessDenied;
        }
        rc = ex_access_below(rop, ids[i], STORE_RIGHT_OWNER, &below);
        if (rc != PH_OK || !below) {
            return rc != PH_OK ? ex_ec(rop, rc) : ecAccessDenied;
        }
        fids[i] = ids[i];
    }

    for (i = 0; i < n; i++) {
        if (fids[i] == 0) {
            rc = ids[i] != 0 ? rop_import_never(rop, 0, ids[i]) : PH_OK;
        } else {
            rc = store_folder_delete(rop->conn, fids[i],
                                     STORE_DEL_MESSAGES | STORE_DEL_FOLDERS
                                     | (hard ? STORE_DEL_HARD : 0), &partial);
            /* with a folder above it, in the same request */
            rc = rc == PH_NOTFOUND ? PH_OK : rc;
        }
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }
    }

    return 0;
}


uint32_t
rop_synchronization_import_deletes(ex_rop_t *rop,
    const rop_synchronization_import_deletes_request_t *req,
    rop_synchronization_import_deletes_response_t *res)
{
    bool             folders, hard;
    uint64_t        *ids;
    ph_int_t         rc;
    ex_collector_t  *c;

    (void) res;

    folders = req->import_delete_flags & EX_IMPORT_HIERARCHY;
    hard = req->import_delete_flags & EX_IMPORT_HARD;

    c = ex_rop_collector(rop, !folders);
    if (c == NULL) {
        return ecNotSupported;
    }

    if ((req->import_delete_flags
         & ~(EX_IMPORT_HIERARCHY | EX_IMPORT_HARD)) != 0
        || req->props_count != 1 || req->props[0].tag != PT_MV_BINARY)
    {
        return ecInvalidParam;
    }

    rc = rop_import_ids(rop, &req->props[0], folders, &ids);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    return folders
           ? rop_import_delete_folders(rop, c, req->props[0].u.mv.n, ids,
                                       hard)
           : rop_import_delete_messages(rop, c, req->props[0].u.mv.n, ids,
                                        hard);
}


/* Ids that a client will not use (2.2.3.2.4.8). */
uint32_t
rop_set_local_replica_midset_deleted(ex_rop_t *rop,
    const rop_set_local_replica_midset_deleted_request_t *req,
    rop_set_local_replica_midset_deleted_response_t *res)
{
    uint32_t            i, k;
    uint64_t            cn;
    ph_int_t            rc;
    ex_folder_t        *f;
    mapi_globset_t      ids, live;
    const mapi_guid_t  *own;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    own = &store_info(store_conn_store(rop->conn))->guid;
    memset(&ids, 0, sizeof(ids));
    memset(&live, 0, sizeof(live));
    rc = PH_OK;

    for (i = 0; rc == PH_OK && req->has_deleted
         && i < req->deleted.ranges_count; i++)
    {
        const rop_midset_range_t  *r = &req->deleted.ranges[i];

        if (memcmp(r->min.guid.b, own->b, sizeof(own->b)) != 0
            || memcmp(r->max.guid.b, own->b, sizeof(own->b)) != 0
            || !store_id_reserved(rop->conn, r->min.counter)
            || !store_id_reserved(rop->conn, r->max.counter))
        {
            rc = PH_INVALID;
        } else {
            rc = mapi_globset_push(&ids, r->min.counter, r->max.counter);
        }
    }
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&ids);
    }
    if (rc == PH_OK) {
        rc = store_sync_live(rop->conn, f->fid, &ids, &live);
    }
    if (rc == PH_OK) {
        rc = mapi_globset_subtract(&ids, &live);
    }
    if (rc == PH_OK && ids.n > 0) {
        rc = store_sync_number(rop->conn, &cn);
        for (k = 0; rc == PH_OK && k < ids.n; k++) {
            rc = store_deletion_add(rop->conn, cn, f->fid, ids.r[k].lo,
                                    ids.r[k].hi, STORE_GONE_NEVER);
        }
    }
    mapi_globset_free(&ids);
    mapi_globset_free(&live);

    return ex_ec(rop, rc);
}


/* ---- ImportReadStateChanges ---- */

typedef struct {
    uint64_t  mid;
    bool      read;
} rop_import_read_t;


/* { u16 size, XID, u8 MarkAsRead } up to the end */
static ph_int_t
rop_import_read_parse(ex_rop_t *rop, ph_str_t changes, uint32_t *n_r,
    rop_import_read_t **list_r)
{
    uint32_t            n;
    ph_cur_t            cur;
    ph_int_t            rc;
    ph_str_t            key;
    rop_import_read_t  *list;

    /* each takes at least this many bytes */
    list = ph_pcalloc_array(rop->pool, changes.len / (3 + MAPI_XID_MIN) + 1,
                            sizeof(*list));
    if (list == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    ph_cur_init(&cur, changes.data, changes.len);
    while (ph_cur_left(&cur) > 0) {
        key = ph_cur_bytes(&cur, ph_cur_u16(&cur));
        list[n].read = ph_cur_u8(&cur) != 0;
        if (key.len == MAPI_LTID) {
            key.len = MAPI_GID;
        }
        if (cur.error || key.len != MAPI_GID) {
            return PH_INVALID;
        }
        rc = store_message_by_source(rop->conn, key, &list[n].mid);
        if (rc == PH_OK) {
            n++;
        } else if (rc != PH_NOTFOUND) {
            return rc;
        }
    }

    *n_r = n;
    *list_r = list;

    return PH_OK;
}


uint32_t
rop_synchronization_import_read_state_changes(ex_rop_t *rop,
    const rop_synchronization_import_read_state_changes_request_t *req,
    rop_synchronization_import_read_state_changes_response_t *res)
{
    uint32_t               i, n, k, ec, n_receipts;
    uint64_t              *receipts, *due;
    ph_int_t               rc;
    store_many_t           many;
    ex_collector_t        *c;
    rop_import_read_t     *list;
    store_message_fact_t   fact;

    (void) res;

    c = ex_rop_collector(rop, true);
    if (c == NULL) {
        return ecNotSupported;
    }

    rc = rop_import_read_parse(rop, req->changes, &n, &list);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    /* nothing is done when not all can be */
    k = 0;
    for (i = 0; i < n; i++) {
        rc = store_message_find(rop->conn, list[i].mid, &fact);
        if (rc == PH_NOTFOUND
            || (rc == PH_OK && (fact.folder != c->ics.fid || fact.deleted
                                || fact.associated)))
        {
            continue;
        }
        ec = rc == PH_OK ? ex_access_item(rop, list[i].mid, STORE_ACCESS_READ)
                         : ex_ec(rop, rc);
        if (ec != 0) {
            return ec;
        }
        list[k++] = list[i];
    }

    n = 0;
    due = ph_pcalloc_array(rop->pool, k, sizeof(*due));
    if (due == NULL) {
        return ecServerOOM;
    }

    for (i = 0; i < k; i++) {
        rc = store_messages_set_read(rop->conn, c->ics.fid,
                                     list[i].read ? 0 : EX_RF_CLEAR_READ, 1,
                                     &list[i].mid, rop->pool, &n_receipts,
                                     &receipts, &many);
        if (rc == PH_OK && n_receipts > 0) {
            due[n++] = list[i].mid;
        }
        if (rc == PH_OK) {
            rc = store_message_find(rop->conn, list[i].mid, &fact);
        }
        if (rc == PH_OK) {
            rc = store_reader_see(rop->conn, &fact);
        }
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }
        if (fact.read_cn != 0) {
            ec = rop_import_seen(rop, &c->ics.state.read, fact.read_cn);
            if (ec != 0) {
                return ec;
            }
        }
    }

    return n > 0 ? ex_ec(rop, ex_receipts_send(rop, n, due)) : 0;
}


/* ---- ImportMessageMove ---- */

/* The version of the moved message; 0 or the warning. */
static uint32_t
rop_import_moved(ex_rop_t *rop, ex_collector_t *c, uint64_t mid,
    const store_version_t *client, mapi_pcl_order_t order)
{
    ph_int_t                     rc;
    ex_ics_t                    *ics = &c->ics;
    store_actor_t                actor;
    store_version_t              v;
    store_message_t             *msg;
    const store_message_fact_t  *fact;

    if (ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    rc = store_message_open(rop->conn, ics->fid, mid, STORE_OPEN_WRITE, &msg);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (order != MAPI_PCL_INCLUDES) {
        /* the client has this content: its change key is the message's */
        rc = store_message_version(msg, rop->pool, &v);
        if (rc == PH_OK) {
            v.change_key = client->change_key;
            v.pcl = client->pcl;
            v.source_key = ph_str_lit("");
            rc = store_message_set_version(msg, &v);
        }
        if (rc == PH_OK) {
            rc = store_message_save(rop->conn, msg, STORE_SAVE_FORCE
                                    | STORE_SAVE_NO_QUOTA, &actor, NULL);
        }
    }

    /* what the client does not have it is still to get */
    fact = store_message_fact(msg);
    if (rc == PH_OK
        && (order == MAPI_PCL_EQUAL || order == MAPI_PCL_INCLUDES))
    {
        rc = rop_import_seen(rop, fact->associated ? &ics->state.fai
                                                   : &ics->state.seen,
                             fact->cn) == 0 ? PH_OK : PH_NOMEM;
    }
    store_message_close(&msg);

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    return order == MAPI_PCL_INCLUDES ? SYNC_W_CLIENT_CHANGE_NEWER : 0;
}


uint32_t
rop_synchronization_import_message_move(ex_rop_t *rop,
    const rop_synchronization_import_message_move_request_t *req,
    rop_synchronization_import_message_move_response_t *res)
{
    bool                   gone;
    uint32_t               ec;
    uint64_t               from, mid, to;
    ph_int_t               rc;
    ex_collector_t        *c;
    mapi_pcl_order_t       order;
    store_version_t        client, server;
    store_message_t       *msg;
    store_message_fact_t   fact;

    c = ex_rop_collector(rop, true);
    if (c == NULL) {
        return ecNotSupported;
    }

    memset(&client, 0, sizeof(client));
    client.change_key = req->change_number;
    client.pcl = req->predecessor_change_list;
    if (req->source_folder_id.len != MAPI_GID
        || req->source_message_id.len != MAPI_GID
        || req->destination_message_id.len != MAPI_GID
        || !rop_import_xid(client.change_key) || client.pcl.len == 0
        || mapi_pcl_sorted(rop->pool, client.pcl, &client.pcl) != PH_OK)
    {
        return ecInvalidParam;
    }

    rc = store_folder_by_source(rop->conn, req->source_folder_id, &from);
    if (rc == PH_OK) {
        rc = store_message_by_source(rop->conn, req->source_message_id, &mid);
    }
    if (rc == PH_OK) {
        rc = store_message_find(rop->conn, mid, &fact);
    }
    if (rc == PH_NOTFOUND
        || (rc == PH_OK && (fact.deleted || fact.folder != from)))
    {
        return SYNC_E_OBJECT_DELETED;
    }
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    rc = store_message_by_source(rop->conn, req->destination_message_id, &to);
    if (rc == PH_OK) {
        return ecDuplicateName;
    }
    if (rc != PH_NOTFOUND || to == 0) {
        return rc == PH_NOTFOUND ? ecInvalidParam : ex_ec(rop, rc);
    }
    rc = store_sync_gone(rop->conn, to, &gone);
    if (rc != PH_OK || gone) {
        return rc == PH_OK ? SYNC_E_OBJECT_DELETED : ex_ec(rop, rc);
    }

    ec = ex_access_item(rop, mid, STORE_ACCESS_DELETE | STORE_ACCESS_READ);
    if (ec != 0) {
        return ec;
    }
    if (!(ex_rop_rights(rop, c->ics.fid) & STORE_RIGHT_CREATE)) {
        return ecAccessDenied;
    }

    rc = store_message_open(rop->conn, from, mid, STORE_OPEN_READONLY, &msg);
    if (rc == PH_OK) {
        rc = store_message_version(msg, rop->pool, &server);
        store_message_close(&msg);
    }
    if (rc == PH_OK) {
        order = mapi_pcl_compare(client.pcl, server.pcl);
        rc = store_message_move_as(rop->conn, from, c->ics.fid, mid, to);
    }
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    res->message_id = 0;

    return rop_import_moved(rop, c, to, &client, order);
}
