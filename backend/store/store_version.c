/* Objects in the version that a client made. */

#include "store_message_int.h"
#include "store_sync.h"
#include "lib/ph_str.h"
#include "mapi/mapi_xid.h"


/* the id in a key of ours, 0 in another one */
static uint64_t
store_source_id(store_conn_t *conn, ph_str_t key)
{
    if (key.len != MAPI_GID
        || memcmp(key.data, conn->store->info.guid.b, 16) != 0)
    {
        return 0;
    }

    return mapi_globcnt_get(key.data + 16);
}


static ph_int_t
store_by_source(store_conn_t *conn, ph_str_t key, store_sql_t by_id,
    store_sql_t by_key, uint64_t *id_r)
{
    int64_t        v;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    *id_r = store_source_id(conn, key);
    if (*id_r) {
        store_try(store_q(conn, by_id, &s, "u", *id_r));
        rc = store_step(conn, s);
        store_done(conn, &s);
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    rc = store_q_int(conn, by_key, &v, "z", key);
    if (rc == PH_OK) {
        *id_r = (uint64_t) v;
    }

    return rc;
}


ph_int_t
store_message_by_source(store_conn_t *conn, ph_str_t key, uint64_t *id_r)
{
    return store_by_source(conn, key, SQL_MESSAGE_FACT,
                           SQL_MESSAGE_BY_SOURCE, id_r);
}


ph_int_t
store_folder_by_source(store_conn_t *conn, ph_str_t key, uint64_t *id_r)
{
    return store_by_source(conn, key, SQL_FOLDER_PARENT,
                           SQL_FOLDER_BY_SOURCE, id_r);
}


/* ---- messages ---- */

ph_int_t
store_message_version(store_message_t *msg, ph_pool_t *pool,
    store_version_t *v_r)
{
    memset(v_r, 0, sizeof(*v_r));
    v_r->modified = store_bag_time(&msg->data.bag, PR_LAST_MODIFICATION_TIME);
    if (msg->source_key.len) {
        v_r->source_key = ph_pstrdup(pool, msg->source_key);
    }
    if (msg->change_key.len) {
        v_r->change_key = ph_pstrdup(pool, msg->change_key);
    } else {
        store_try(store_gid(msg->store, msg->base_cn, pool,
                            &v_r->change_key));
    }

    return store_pcl_show(msg->store, msg->pcl, msg->change_key,
                          msg->base_cn, pool, &v_r->pcl);
}


static ph_int_t
store_keep(ph_pool_t *pool, ph_str_t from, ph_str_t *to)
{
    *to = ph_str_null;
    if (from.len == 0) {
        return PH_OK;
    }
    *to = ph_pstrdup(pool, from);

    return to->data ? PH_OK : PH_NOMEM;
}


ph_int_t
store_message_set_version(store_message_t *msg, const store_version_t *v)
{
    store_version_t  *to;

    to = ph_pcalloc(msg->pool, sizeof(*to));
    if (to == NULL) {
        return PH_NOMEM;
    }
    to->modified = v->modified;
    store_try(store_keep(msg->pool, v->change_key, &to->change_key));
    store_try(mapi_pcl_add(msg->pool, v->pcl, v->change_key, &to->pcl));
    if (msg->is_new) {
        store_try(store_keep(msg->pool, v->source_key, &msg->source_key));
    }
    if (v->modified) {
        store_try(store_bag_set_time(&msg->data.bag,
                                     PR_LAST_MODIFICATION_TIME, v->modified));
        msg->mtime_set = true;
    }
    msg->version = to;

    return PH_OK;
}


/* The version goes into what the save writes. */
ph_int_t
store_message_apply_version(store_message_t *msg, ph_pool_t *pool,
    ph_str_t *change_key_r, ph_str_t *pcl_r)
{
    ph_str_t  have;

    have = ph_str_null;
    if (!msg->is_new) {
        store_try(store_pcl_show(msg->store, msg->pcl, msg->change_key,
                                 msg->base_cn, pool, &have));
    }
    store_try(mapi_pcl_merge(pool, have, msg->version->pcl, pcl_r));
    *change_key_r = msg->version->change_key;

    return PH_OK;
}


ph_int_t
store_message_purge(store_message_t *msg)
{
    uint32_t         i, next;
    ph_int_t         rc;
    store_bag_t      keep;
    store_slot_t    *slot;
    store_mdata_t   *d;

    /* what only the server knows, and what each message has */
    static const uint32_t  tags[] = {
        PR_CREATOR_NAME, PR_CREATOR_ENTRYID, PR_CREATION_TIME, PR_SEARCH_KEY
    };

    d = &msg->data;
    store_bag_init(&keep, msg->pool);
    for (i = 0; i < ph_nelts(tags); i++) {
        slot = store_bag_find(&d->bag, tags[i]);
        if (slot && !slot->external) {
            store_try(store_bag_set(&keep, &slot->v));
        }
    }

    next = d->next_attach;
    store_mdata_clear(d);
    store_mdata_init(d, msg->pool);
    d->next_attach = next;
    rc = store_bag_copy(&d->bag, &keep);
    msg->dirty = true;
    msg->content_dirty = true;
    msg->mtime_set = false;
    /* more than the event can name: anything may have changed */
    msg->n_changed = 256;
    msg->cap_changed = 256;
    msg->changed = ph_pcalloc_array(msg->pool, 256, sizeof(uint32_t));

    return msg->changed == NULL ? PH_NOMEM : rc;
}


/* ---- folders ---- */

ph_int_t
store_folder_version(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    store_version_t *v_r)
{
    ph_int_t       rc;
    store_frow_t   row;
    sqlite3_stmt  *s;

    memset(v_r, 0, sizeof(*v_r));
    store_try(store_q(conn, SQL_FOLDER, &s, "u", fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        rc = store_frow(s, &row);
    }
    if (rc == PH_OK) {
        v_r->modified = row.modified;
        rc = store_keep(pool, row.source_key, &v_r->source_key);
    }
    if (rc == PH_OK) {
        rc = row.change_key.len
             ? store_keep(pool, row.change_key, &v_r->change_key)
             : store_gid(conn->store, row.f.cn, pool, &v_r->change_key);
    }
    if (rc == PH_OK) {
        rc = store_pcl_show(conn->store, row.pcl, row.change_key, row.f.cn,
                            pool, &v_r->pcl);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}


ph_int_t
store_folder_set_version(store_conn_t *conn, uint64_t fid,
    const store_version_t *v, uint64_t *cn_r)
{
    uint64_t         cn;
    ph_str_t         pcl;
    ph_pool_t       *pool;
    store_folder_t   f;

    store_try(store_need_write(conn));
    store_try(store_folder_live(conn, fid, &f));
    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    store_try(mapi_pcl_add(pool, v->pcl, v->change_key, &pcl));

    cn = store_next_cn(conn);
    store_try(store_exec(conn, SQL_FOLDER_VERSION_SET, "uubbbu", cn,
                         v->modified, v->change_key, pcl,
                         v->source_key.len ? v->source_key : ph_str_null,
                         fid));
    if (cn_r) {
        *cn_r = cn;
    }

    return store_folder_touch_parent(conn, f.parent, cn, 0);
}
