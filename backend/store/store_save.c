/* Saving working copies. */

#include "store_message_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"

/* PR_MESSAGE_SIZE of what is in the mailbox now, and its place */
typedef struct {
    bool      exists;
    uint64_t  size;
    uint32_t  flags;
    uint64_t  raw;
} store_old_t;

static ph_int_t
store_save_check(store_conn_t *conn, store_message_t *msg, unsigned flags,
    store_old_t *old_r)
{
    ph_int_t        rc;
    store_mrow_t    row;
    sqlite3_stmt   *s;
    store_folder_t  f;

    memset(old_r, 0, sizeof(*old_r));

    if (msg->is_new) {
        rc = store_folder_find(conn, NULL, msg->fact.folder, &f);
        if (rc == PH_OK && f.deleted) {
            rc = PH_NOTFOUND;
        }
        if (rc == PH_OK && msg->want_id) {
            rc = store_id_usable(conn, msg->want_id);
        }
        return rc;
    }

    store_try(store_q(conn, SQL_MESSAGE_FACT, &s, "u", msg->fact.id));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_mrow(s, &row);
    }
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    if ((row.fact.deleted && !msg->fact.deleted)
        || row.fact.folder != msg->fact.folder)
    {
        return PH_NOTFOUND;
    }
    if (row.fact.cn != msg->base_cn && (flags & STORE_SAVE_FORCE) == 0) {
        return PH_CONFLICT;
    }

    old_r->exists = true;
    old_r->size = row.fact.size;
    old_r->flags = row.fact.flags;
    old_r->raw = row.raw;

    /* read state and server's bits change without a new change number */
    msg->fact.flags = (row.fact.flags & ~(uint32_t) MSGFLAG_HASATTACH)
                      | (msg->fact.flags & MSGFLAG_HASATTACH);
    msg->fact.read = row.fact.read;
    msg->fact.read_cn = row.fact.read_cn;
    msg->status = row.status;

    return PH_OK;
}

static ph_int_t
store_save_quota(store_conn_t *conn, store_message_t *msg, unsigned flags,
    const store_old_t *old, bool *quota_r)
{
    uint64_t        size;
    store_quota_t   q;
    store_totals_t  t;

    size = msg->fact.size;
    if (size > conn->store->env->conf.message_max) {
        return PH_TOOBIG;
    }
    if ((flags & STORE_SAVE_NO_QUOTA) || size <= old->size) {
        return PH_OK;
    }
    store_try(store_quota_get(conn, &q));
    if (q.store == 0 && q.receive == 0) {
        return PH_OK;
    }
    store_try(store_totals(conn, &t));
    size = t.size + size - old->size;

    if ((q.store && size > q.store)
        || ((flags & STORE_SAVE_DELIVER) && q.receive && size > q.receive))
    {
        if (quota_r) {
            *quota_r = true;
        }
        return PH_QUOTA;
    }

    return PH_OK;
}

typedef struct {
    ph_wbuf_t       props;
    ph_wbuf_t       recipients;
    ph_wbuf_t       attachments;
    store_idlist_t  list;
    store_hot_t     hot;
    ph_str_t        pcl;
} store_packed_message_t;

static ph_str_t
store_or_null(const ph_wbuf_t *b)
{
    return b->len ? ph_wbuf_str(b) : ph_str_null;
}

static ph_int_t
store_save_insert(store_conn_t *conn, store_message_t *msg,
    store_packed_message_t *p)
{
    int64_t   article;
    uint64_t  id;
    ph_int_t  rc;

    id = msg->want_id;
    if (id == 0) {
        store_try(store_next_message_id(conn, msg->fact.folder, &id));
    }
    store_try(store_q_int(conn, SQL_ARTICLE_NEXT, &article, "u",
                          msg->fact.folder));
    rc = store_exec(conn, SQL_MESSAGE_ADD, "uuduuuuuuuuuuttbbbbzbb", id,
                    msg->fact.folder,
                    msg->fact.associated ? STORE_STATE_FAI : 0, msg->fact.cn,
                    (uint64_t) msg->fact.flags, (uint64_t) msg->status,
                    msg->fact.size, p->hot.received, p->hot.modified,
                    msg->committed, (uint64_t) article,
                    (uint64_t) msg->data.next_attach, msg->raw,
                    p->hot.subject_key, p->hot.sender_key,
                    p->hot.conversation, msg->change_key, p->pcl,
                    msg->source_key, ph_wbuf_str(&p->props),
                    store_or_null(&p->recipients),
                    store_or_null(&p->attachments));
    if (rc != PH_OK) {
        return rc;
    }
    msg->fact.id = id;
    msg->article = (uint32_t) article;

    return PH_OK;
}

static ph_int_t
store_save_row(store_conn_t *conn, store_message_t *msg,
    store_packed_message_t *p)
{
    if (msg->is_new) {
        return store_save_insert(conn, msg, p);
    }

    return store_exec(conn, SQL_MESSAGE_UPDATE, "uuuuuuuuttbbbzbbu",
                      msg->fact.cn, (uint64_t) msg->fact.flags,
                      msg->fact.size, p->hot.received, p->hot.modified,
                      msg->committed, (uint64_t) msg->data.next_attach,
                      msg->raw, p->hot.subject_key, p->hot.sender_key,
                      p->hot.conversation, msg->change_key, p->pcl,
                      ph_wbuf_str(&p->props), store_or_null(&p->recipients),
                      store_or_null(&p->attachments), msg->fact.id);
}

static ph_int_t
store_save_pack(store_conn_t *conn, store_message_t *msg, ph_pool_t *pool,
    store_packed_message_t *p)
{
    ph_wbuf_init(&p->props, pool, 256u << 20);
    ph_wbuf_init(&p->recipients, pool, 256u << 20);
    ph_wbuf_init(&p->attachments, pool, 256u << 20);

    store_try(store_bag_pack(conn, &msg->data.bag, &p->props, &p->list));
    store_try(store_mdata_pack_recipients(&msg->data, &p->recipients));
    store_try(store_mdata_pack_attachments(conn, &msg->data, &p->attachments,
                                           &p->list, 0));
    if (msg->raw) {
        store_try(store_idlist_add(&p->list, msg->raw));
    }

    return store_hot(&msg->data.bag, pool, &p->hot);
}

static ph_int_t
store_save_events(store_conn_t *conn, store_message_t *msg, unsigned flags)
{
    ph_str_t        class;
    store_event_t  *ev;

    ev = store_event_add(conn, msg->is_new ? STORE_EV_CREATED
                                           : STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->is_message = true;
    ev->associated = msg->fact.associated;
    ev->folder = msg->fact.folder;
    ev->message = msg->fact.id;
    ev->cn = msg->fact.cn;
    ev->message_flags = msg->fact.flags;
    if (msg->n_changed < 256) {
        ev->tags = store_event_tags(conn, msg->n_changed, msg->changed);
    }

    if (flags & STORE_SAVE_DELIVER) {
        ev = store_event_add(conn, STORE_EV_NEW_MAIL);
        if (ev == NULL) {
            return PH_NOMEM;
        }
        ev->is_message = true;
        ev->folder = msg->fact.folder;
        ev->message = msg->fact.id;
        ev->message_flags = msg->fact.flags;
        class = store_bag_str(&msg->data.bag, PR_MESSAGE_CLASS);
        ev->message_class = ph_pstrdup(conn->events->pool, class);
        if (ev->message_class.data == NULL) {
            return PH_NOMEM;
        }
    }

    return PH_OK;
}

static void
store_save_delta(const store_message_t *msg, const store_old_t *old,
    store_delta_t *d)
{
    int64_t  grown;

    memset(d, 0, sizeof(*d));
    grown = (int64_t) (msg->fact.size - old->size);

    if (msg->fact.deleted) {
        d->deleted_size = grown;
    } else if (msg->fact.associated) {
        d->associated = !old->exists;
        d->associated_size = grown;
    } else {
        d->total = !old->exists;
        d->size = grown;
        d->unread = !old->exists && (msg->fact.flags & MSGFLAG_READ) == 0;
    }
}

static ph_int_t
store_save_write(store_conn_t *conn, store_message_t *msg, unsigned flags,
    const store_old_t *old, ph_pool_t *pool)
{
    ph_int_t                 rc;
    ph_str_t                 change_key;
    store_delta_t            delta;
    store_packed_message_t   p;

    memset(&p, 0, sizeof(p));
    rc = store_save_pack(conn, msg, pool, &p);
    change_key = ph_str_null;
    if (rc == PH_OK) {
        rc = msg->version
             ? store_message_apply_version(msg, pool, &change_key, &p.pcl)
             : store_pcl_next(msg->store, msg->pcl, msg->change_key,
                              msg->base_cn, msg->fact.cn, pool, &p.pcl);
    }
    if (rc == PH_OK) {
        msg->change_key = change_key;
        if (p.pcl.len) {
            p.pcl = ph_pstrdup(msg->pool, p.pcl);
        }
        msg->pcl = p.pcl;
        rc = store_save_row(conn, msg, &p);
    }
    if (rc == PH_OK) {
        rc = store_content_set(conn, msg->fact.id, p.list.n, p.list.id);
    }
    store_idlist_free(&p.list);
    store_try(rc);

    if (store_reader_own(conn) && !msg->fact.associated
        && (msg->fact.flags & MSGFLAG_READ))
    {
        store_try(store_reader_put(conn, &msg->fact, true, msg->fact.cn));
    }

    store_save_delta(msg, old, &delta);
    store_try(store_save_events(conn, msg, flags));

    return store_delta_apply(conn, msg->fact.folder, &delta);
}

static ph_int_t
store_save_embedded(store_conn_t *conn, store_message_t *msg,
    const store_actor_t *actor)
{
    store_adata_t   *a;
    store_mdata_t   *d;
    store_attach_t  *att;

    att = msg->parent;
    a = &att->data;
    store_try(store_derive(conn, msg, actor));

    d = ph_palloc(att->pool, sizeof(*d));
    if (d == NULL) {
        return PH_NOMEM;
    }
    store_mdata_init(d, att->pool);
    store_try(store_mdata_copy(d, &msg->data, msg->depth));
    store_try(store_bag_set_u32(&d->bag, PR_MESSAGE_FLAGS, msg->fact.flags));
    if (a->embedded) {
        store_mdata_clear(a->embedded);
    }
    a->embedded = d;
    store_try(store_bag_set_u32(&a->bag, PR_ATTACH_METHOD, 5));
    msg->fact.size = store_mdata_size(&msg->data, msg->depth);
    att->dirty = true;
    msg->is_new = false;
    msg->dirty = false;

    return PH_OK;
}

ph_int_t
store_message_save(store_conn_t *conn, store_message_t *msg, unsigned flags,
    const store_actor_t *actor, bool *quota_r)
{
    ph_int_t          rc;
    ph_pool_t        *pool;
    store_old_t       old;
    store_unsaved_t  *u;

    if (quota_r) {
        *quota_r = false;
    }
    if (!msg->writable) {
        return PH_DENIED;
    }
    if (msg->parent) {
        return store_save_embedded(conn, msg, actor);
    }
    store_try(store_need_write(conn));

    u = &msg->unsaved;
    u->valid = true;
    u->is_new = msg->is_new;
    u->dirty = msg->dirty;
    u->base_cn = msg->base_cn;
    u->article = msg->article;
    u->committed = msg->committed;
    u->fact = msg->fact;
    u->change_key = msg->change_key;
    u->pcl = msg->pcl;

    rc = store_save_check(conn, msg, flags, &old);
    if (rc == PH_OK) {
        rc = store_derive(conn, msg, actor);
    }
    if (rc != PH_OK) {
        return rc;
    }

    /* the bytes as received no longer say what the message says */
    if (old.exists) {
        msg->raw = old.raw;
        if (msg->content_dirty) {
            msg->raw = 0;
        }
    }
    if (msg->new_raw) {
        msg->raw = msg->new_raw;
    }

    msg->fact.size = store_mdata_size(&msg->data, 0);
    rc = store_save_quota(conn, msg, flags, &old, quota_r);
    if (rc != PH_OK) {
        store_message_unsaved(msg);
        return rc;
    }

    pool = ph_pool_create("store save", STORE_OBJECT_LIMIT * 2);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    msg->fact.cn = store_next_cn(conn);
    msg->fact.received = store_bag_time(&msg->data.bag,
                                        PR_MESSAGE_DELIVERY_TIME);
    msg->committed = store_now(conn);
    rc = store_save_write(conn, msg, flags, &old, pool);
    ph_pool_destroy(&pool);

    if (rc != PH_OK) {
        store_message_unsaved(msg);
        return rc;
    }
    msg->base_cn = msg->fact.cn;
    msg->is_new = false;
    msg->dirty = false;
    msg->content_dirty = false;
    msg->mtime_set = false;
    msg->n_changed = 0;
    msg->new_raw = 0;
    msg->version = NULL;

    return PH_OK;
}

void
store_message_unsaved(store_message_t *msg)
{
    store_unsaved_t  *u;

    u = &msg->unsaved;
    if (!u->valid) {
        return;
    }
    msg->is_new = u->is_new;
    msg->dirty = true;
    msg->base_cn = u->base_cn;
    msg->article = u->article;
    msg->committed = u->committed;
    msg->fact = u->fact;
    msg->change_key = u->change_key;
    msg->pcl = u->pcl;
    u->valid = false;
    store_mdata_forget(&msg->data, 0);
}
