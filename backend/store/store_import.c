/* Whole messages: from values and to values, and delivery. */

#include "store_message_int.h"
#include "lib/ph_str.h"

typedef struct {
    uint32_t         n;
    const uint16_t  *local;     /* ids in the value */
    uint16_t        *mapped;    /* ids here, 0: not registered */
} store_idmap_t;

/* Ids of the value's names here; one look-up for all. */
static ph_int_t
store_import_names(store_conn_t *conn, const mapi_names_t *names,
    ph_pool_t *pool, store_idmap_t *map)
{
    uint32_t          i;
    uint16_t         *local;
    mapi_propname_t  *list;

    map->n = names->n;
    local = ph_pcalloc_array(pool, names->n, sizeof(*local));
    list = ph_pcalloc_array(pool, names->n, sizeof(*list));
    map->mapped = ph_pcalloc_array(pool, names->n, sizeof(*map->mapped));
    if (local == NULL || list == NULL || map->mapped == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < names->n; i++) {
        local[i] = names->v[i].id;
        list[i] = names->v[i].name;
    }
    map->local = local;
    if (names->n == 0) {
        return PH_OK;
    }

    return store_named_ids(conn, conn->writable && conn->in_txn, names->n,
                           list, map->mapped);
}

/* false: the property has a name that nobody told */
static bool
store_import_tag(const store_idmap_t *map, uint32_t tag, uint32_t *tag_r)
{
    uint32_t  i;

    *tag_r = tag;
    if (MAPI_ID(tag) < 0x8000) {
        return true;
    }
    for (i = 0; i < map->n; i++) {
        if (map->local[i] == MAPI_ID(tag)) {
            *tag_r = MAPI_TAG(map->mapped[i], MAPI_TYPE(tag));
            return map->mapped[i] != 0;
        }
    }

    return false;
}

static ph_int_t
store_import_props(store_t *store, store_bag_t *bag, const store_idmap_t *map,
    const mapi_values_t *props)
{
    uint32_t      i, tag;
    mapi_value_t  v;

    for (i = 0; i < props->n; i++) {
        v = props->v[i];
        if (!store_storable(MAPI_TYPE(v.tag))
            || !store_import_tag(map, v.tag, &tag))
        {
            continue;
        }
        v.tag = tag;
        store_try(store_slot_set(store, bag, &v));
    }

    return PH_OK;
}

static ph_int_t
store_import_subject(store_bag_t *bag)
{
    ph_str_t  subject, prefix, rest;

    subject = store_bag_str(bag, PR_SUBJECT);
    if (store_bag_find(bag, PR_SUBJECT) == NULL) {
        return PH_OK;
    }
    if (store_bag_find(bag, PR_NORMALIZED_SUBJECT) == NULL) {
        store_subject_split(subject, store_bag_str(bag, PR_SUBJECT_PREFIX),
                            &prefix, &rest);
        if (prefix.len) {
            store_try(store_bag_set_str(bag, PR_SUBJECT_PREFIX, prefix));
        } else {
            store_bag_del(bag, PR_SUBJECT_PREFIX);
        }
        store_try(store_bag_set_str(bag, PR_NORMALIZED_SUBJECT, rest));
    }
    store_bag_del(bag, PR_SUBJECT);

    return PH_OK;
}

/* The best body is kept, the others are made from it. */
static void
store_import_bodies(store_bag_t *bag)
{
    if (store_bag_find(bag, PR_HTML)) {
        store_bag_del(bag, PR_BODY);
        store_bag_del(bag, PR_RTF_COMPRESSED);
    } else if (store_bag_find(bag, PR_RTF_COMPRESSED)) {
        store_bag_del(bag, PR_BODY);
    }
}

static ph_int_t
store_import_data(store_conn_t *conn, store_mdata_t *d,
    const store_idmap_t *map, const mapi_message_t *value, uint32_t *flags_r,
    bool *has_flags_r, unsigned depth)
{
    uint32_t             i, k, n, tag, embedded_flags;
    bool                 has;
    store_slot_t        *slot;
    mapi_value_t        *v;
    store_adata_t       *a;
    mapi_recipient_t    *r;

    if (depth > MAPI_MAX_EMBEDDING
        || value->n_recipients > MAPI_MAX_RECIPIENTS
        || value->n_attachments > MAPI_MAX_ATTACHMENTS)
    {
        return PH_TOOBIG;
    }
    store_try(store_import_props(conn->store, &d->bag, map, &value->props));
    store_try(store_import_subject(&d->bag));
    store_import_bodies(&d->bag);

    slot = store_bag_find(&d->bag, PR_MESSAGE_FLAGS);
    *has_flags_r = slot && slot->v.tag == PR_MESSAGE_FLAGS;
    if (slot) {
        *flags_r = (uint32_t) slot->v.u.i4;
        store_bag_del(&d->bag, PR_MESSAGE_FLAGS);
    }
    /* computed here, whatever the value says */
    for (i = 0; i < d->bag.n;) {
        tag = d->bag.slot[i].v.tag;
        if (store_message_tag_fixed(tag)
            && MAPI_ID(tag) != MAPI_ID(PR_CREATOR_NAME)
            && MAPI_ID(tag) != MAPI_ID(PR_CREATOR_ENTRYID))
        {
            store_bag_del(&d->bag, tag);
        } else {
            i++;
        }
    }

    d->n_rcpts = 0;
    d->rcpt = ph_pcalloc_array(d->pool, value->n_recipients,
                               sizeof(*d->rcpt));
    if (d->rcpt == NULL) {
        return PH_NOMEM;
    }
    d->cap_rcpts = value->n_recipients;
    for (i = 0; i < value->n_recipients; i++) {
        r = &d->rcpt[i];
        r->row_id = i;
        n = value->recipients[i].props.n;
        v = ph_pcalloc_array(d->pool, n, sizeof(*v));
        if (v == NULL) {
            return PH_NOMEM;
        }
        r->props.v = v;
        r->props.n = 0;
        for (k = 0; k < n; k++) {
            const mapi_value_t  *from = &value->recipients[i].props.v[k];

            if (!store_storable(MAPI_TYPE(from->tag))
                || !store_import_tag(map, from->tag, &tag))
            {
                continue;
            }
            store_try(store_value_copy(d->pool, from, &v[r->props.n]));
            v[r->props.n++].tag = tag;
        }
        d->n_rcpts++;
    }

    for (i = 0; i < value->n_attachments; i++) {
        a = ph_pcalloc(d->pool, sizeof(*a));
        if (a == NULL) {
            return PH_NOMEM;
        }
        a->num = d->next_attach++;
        store_bag_init(&a->bag, d->pool);
        store_try(store_mdata_put_attachment(d, a));
        store_try(store_import_props(conn->store, &a->bag, map,
                                     &value->attachments[i].props));
        if (store_bag_find(&a->bag, PR_ATTACH_METHOD) == NULL) {
            store_try(store_bag_set_u32(&a->bag, PR_ATTACH_METHOD,
                                        value->attachments[i].embedded ? 5
                                                                       : 1));
        }
        if (value->attachments[i].embedded == NULL) {
            continue;
        }
        a->embedded = ph_palloc(d->pool, sizeof(*a->embedded));
        if (a->embedded == NULL) {
            return PH_NOMEM;
        }
        store_mdata_init(a->embedded, d->pool);
        store_try(store_import_data(conn, a->embedded, map,
                                    value->attachments[i].embedded,
                                    &embedded_flags, &has, depth + 1));
        store_try(store_bag_set_u32(&a->embedded->bag, PR_MESSAGE_FLAGS,
                                    has ? embedded_flags : MSGFLAG_READ));
    }

    return PH_OK;
}

ph_int_t
store_message_import(store_conn_t *conn, store_message_t *msg,
    const mapi_message_t *value)
{
    bool           has;
    uint32_t       flags;
    ph_int_t       rc;
    ph_pool_t     *pool;
    store_idmap_t  map;

    if (!msg->writable) {
        return PH_DENIED;
    }
    pool = ph_pool_create("store import", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    flags = 0;
    rc = store_import_names(conn, &value->names, pool, &map);
    if (rc == PH_OK) {
        rc = store_import_data(conn, &msg->data, &map, value, &flags, &has,
                               msg->depth);
    }
    ph_pool_destroy(&pool);
    if (rc != PH_OK) {
        return rc;
    }
    if (has) {
        msg->fact.flags = flags & ~(uint32_t) (MSGFLAG_HASATTACH
                                               | MSGFLAG_ASSOCIATED);
        msg->fact.read = flags & MSGFLAG_READ;
    }
    msg->dirty = true;
    msg->content_dirty = true;
    msg->mtime_set = store_bag_find(&msg->data.bag,
                                    PR_LAST_MODIFICATION_TIME) != NULL
                     && mapi_find(&value->props, PR_LAST_MODIFICATION_TIME);

    return PH_OK;
}

/* ---- export ---- */

typedef struct {
    store_conn_t  *conn;
    ph_pool_t     *pool;
    size_t         left;
    mapi_names_t   names;
    uint32_t       cap;
} store_export_t;

static ph_int_t
store_export_name(store_export_t *e, uint16_t id)
{
    uint32_t       i, cap;
    mapi_named_t  *v;

    for (i = 0; i < e->names.n; i++) {
        if (e->names.v[i].id == id) {
            return PH_OK;
        }
    }
    if (e->names.n == e->cap) {
        cap = e->cap ? e->cap * 2 : 16;
        v = ph_prealloc(e->pool, e->names.v, e->cap * sizeof(*v),
                        cap * sizeof(*v));
        if (v == NULL) {
            return PH_NOMEM;
        }
        e->names.v = v;
        e->cap = cap;
    }
    v = &e->names.v[e->names.n++];
    v->id = id;

    return store_named_names(e->conn, 1, &id, e->pool, &v->name);
}

static ph_int_t
store_export_bag(store_export_t *e, const store_bag_t *bag, uint32_t extra,
    mapi_values_t *out)
{
    uint32_t       i;
    mapi_value_t  *v;
    store_slot_t  *slot;

    out->n = 0;
    out->v = ph_pcalloc_array(e->pool, bag->n + extra, sizeof(*out->v));
    if (out->v == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < bag->n; i++) {
        slot = &bag->slot[i];
        v = &out->v[out->n];
        if (slot->size > e->left) {
            return PH_TOOBIG;
        }
        e->left -= slot->size;
        if (slot->external) {
            store_try(store_value_answer(e->conn, slot->v.tag, &slot->v, true,
                                         slot->content, slot->blob,
                                         slot->size, SIZE_MAX, e->pool, v));
        } else {
            store_try(store_value_copy(e->pool, &slot->v, v));
        }
        out->n++;
        if (MAPI_ID(slot->v.tag) >= 0x8000) {
            store_try(store_export_name(e, MAPI_ID(slot->v.tag)));
        }
    }

    return PH_OK;
}

static ph_int_t
store_export_data(store_export_t *e, const store_mdata_t *d,
    mapi_message_t *value, uint32_t extra, unsigned depth)
{
    uint32_t            i, k;
    mapi_attachment_t  *a;
    mapi_recipient_t   *r;

    if (depth > MAPI_MAX_EMBEDDING) {
        return PH_TOOBIG;
    }
    memset(value, 0, sizeof(*value));
    store_try(store_export_bag(e, &d->bag, extra, &value->props));

    value->recipients = ph_pcalloc_array(e->pool, d->n_rcpts, sizeof(*r));
    value->attachments = ph_pcalloc_array(e->pool, d->n_atts, sizeof(*a));
    if (value->recipients == NULL || value->attachments == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < d->n_rcpts; i++) {
        r = &value->recipients[i];
        r->row_id = d->rcpt[i].row_id;
        r->props.n = d->rcpt[i].props.n;
        r->props.v = ph_pcalloc_array(e->pool, r->props.n,
                                      sizeof(*r->props.v));
        if (r->props.v == NULL) {
            return PH_NOMEM;
        }
        for (k = 0; k < r->props.n; k++) {
            store_try(store_value_copy(e->pool, &d->rcpt[i].props.v[k],
                                       &r->props.v[k]));
            if (MAPI_ID(r->props.v[k].tag) >= 0x8000) {
                store_try(store_export_name(e, MAPI_ID(r->props.v[k].tag)));
            }
        }
        value->n_recipients++;
    }
    for (i = 0; i < d->n_atts; i++) {
        a = &value->attachments[i];
        store_try(store_export_bag(e, &d->att[i]->bag, 0, &a->props));
        value->n_attachments++;
        if (d->att[i]->embedded) {
            a->embedded = ph_pcalloc(e->pool, sizeof(*a->embedded));
            if (a->embedded == NULL) {
                return PH_NOMEM;
            }
            store_try(store_export_data(e, d->att[i]->embedded, a->embedded,
                                        1, depth + 1));
        }
    }

    return PH_OK;
}

ph_int_t
store_message_export(store_conn_t *conn, store_message_t *msg, size_t limit,
    ph_pool_t *pool, mapi_message_t *value_r)
{
    uint32_t         i;
    store_mctx_t     ctx;
    mapi_value_t     v;
    store_export_t   e;
    static const uint32_t  computed[] = {
        PR_SUBJECT, PR_MESSAGE_FLAGS, PR_BODY
    };

    memset(&e, 0, sizeof(e));
    e.conn = conn;
    e.pool = pool;
    e.left = limit;
    store_try(store_export_data(&e, &msg->data, value_r,
                                ph_nelts(computed), msg->depth));

    store_message_ctx(conn, msg, &ctx);
    for (i = 0; i < ph_nelts(computed); i++) {
        if (mapi_find_id(&value_r->props, MAPI_ID(computed[i])) == NULL
            && store_mctx_get(&ctx, computed[i], e.left, pool, &v) == PH_OK
            && MAPI_TYPE(v.tag) != PT_ERROR)
        {
            /* the subject is a part of the working copy */
            store_try(store_value_copy(pool, &v,
                                       &value_r->props.v[value_r->props.n]));
            value_r->props.n++;
        }
    }
    value_r->names = e.names;

    return PH_OK;
}
