/* Attachments and embedded messages: working copies inside a working copy. */

#include "store_message_int.h"
#include "lib/ph_str.h"

uint32_t
store_message_attachment_count(const store_message_t *msg)
{
    return msg->data.n_atts;
}

ph_int_t
store_message_attachments(const store_message_t *msg, ph_pool_t *pool,
    uint32_t *n_r, uint32_t **nums_r)
{
    uint32_t  i;

    *nums_r = ph_pcalloc_array(pool, msg->data.n_atts, sizeof(**nums_r));
    if (*nums_r == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < msg->data.n_atts; i++) {
        (*nums_r)[i] = msg->data.att[i]->num;
    }
    *n_r = msg->data.n_atts;

    return PH_OK;
}

static ph_int_t
store_attach_new(store_message_t *msg, store_attach_t **att_r)
{
    ph_pool_t       *pool;
    store_attach_t  *att;

    pool = ph_pool_create("store attachment", STORE_OBJECT_LIMIT);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    att = ph_pcalloc(pool, sizeof(*att));
    if (att == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }
    att->magic = STORE_ATTACH_MAGIC;
    att->pool = pool;
    att->msg = msg;
    store_bag_init(&att->data.bag, pool);
    att->next = msg->attaches;
    msg->attaches = att;
    *att_r = att;

    return PH_OK;
}

ph_int_t
store_attach_open(store_message_t *msg, uint32_t num, store_attach_t **att_r)
{
    ph_int_t         rc;
    store_adata_t   *a;
    store_attach_t  *att;

    *att_r = NULL;
    a = store_mdata_attachment(&msg->data, num);
    if (a == NULL) {
        return PH_NOTFOUND;
    }
    store_try(store_attach_new(msg, &att));
    rc = store_adata_copy(&att->data, a, att->pool, msg->depth);
    if (rc != PH_OK) {
        store_attach_close(&att);
        return rc;
    }
    *att_r = att;

    return PH_OK;
}

ph_int_t
store_attach_create(store_message_t *msg, store_attach_t **att_r)
{
    uint64_t         now;
    ph_int_t         rc;
    store_bag_t     *bag;
    store_attach_t  *att;

    *att_r = NULL;
    if (!msg->writable) {
        return PH_DENIED;
    }
    if (msg->data.n_atts >= MAPI_MAX_ATTACHMENTS) {
        return PH_TOOBIG;
    }
    store_try(store_attach_new(msg, &att));
    att->is_new = true;
    att->dirty = true;
    att->data.num = msg->data.next_attach++;

    bag = &att->data.bag;
    now = store_filetime();
    rc = store_bag_set_u32(bag, PR_ATTACH_METHOD, 0);
    if (rc == PH_OK) {
        rc = store_bag_set_u32(bag, PR_RENDERING_POSITION, 0xFFFFFFFFu);
    }
    if (rc == PH_OK) {
        rc = store_bag_set_time(bag, PR_CREATION_TIME, now);
    }
    if (rc == PH_OK) {
        rc = store_bag_set_time(bag, PR_LAST_MODIFICATION_TIME, now);
    }
    if (rc != PH_OK) {
        store_attach_close(&att);
        return rc;
    }
    *att_r = att;

    return PH_OK;
}

ph_int_t
store_attach_delete(store_message_t *msg, uint32_t num)
{
    uint32_t        i;
    store_mdata_t  *d;

    if (!msg->writable) {
        return PH_DENIED;
    }
    d = &msg->data;
    for (i = 0; i < d->n_atts; i++) {
        if (d->att[i]->num == num) {
            store_bag_clear(&d->att[i]->bag);
            if (d->att[i]->embedded) {
                store_mdata_clear(d->att[i]->embedded);
            }
            memmove(&d->att[i], &d->att[i + 1],
                    (d->n_atts - i - 1) * sizeof(*d->att));
            d->n_atts--;
            msg->content_dirty = true;
            return store_message_changed_tag(msg, PR_MESSAGE_ATTACHMENTS);
        }
    }

    return PH_NOTFOUND;
}

ph_int_t
store_attach_save(store_attach_t *att)
{
    store_adata_t    *a;
    store_message_t  *msg;

    msg = att->msg;
    if (!msg->writable) {
        return PH_DENIED;
    }
    if (!att->dirty) {
        return PH_OK;
    }
    if (!att->is_new
        && store_mdata_attachment(&msg->data, att->data.num) == NULL)
    {
        return PH_NOTFOUND;
    }

    a = ph_pcalloc(msg->pool, sizeof(*a));
    if (a == NULL) {
        return PH_NOMEM;
    }
    store_try(store_bag_set_time(&att->data.bag, PR_LAST_MODIFICATION_TIME,
                                 store_filetime()));
    store_try(store_adata_copy(a, &att->data, msg->pool, msg->depth));
    store_try(store_mdata_put_attachment(&msg->data, a));
    att->is_new = false;
    att->dirty = false;
    msg->content_dirty = true;

    return store_message_changed_tag(msg, PR_MESSAGE_ATTACHMENTS);
}

void
store_attach_close(store_attach_t **att)
{
    ph_pool_t        *pool;
    store_attach_t   *a, **p;
    store_message_t  *embedded;

    a = *att;
    if (a == NULL) {
        return;
    }
    *att = NULL;

    while (a->embedded) {
        embedded = a->embedded;
        store_message_close(&embedded);
    }
    for (p = &a->msg->attaches; *p && *p != a; p = &(*p)->next) { /* void */ }
    if (*p) {
        *p = a->next;
    }
    store_bag_clear(&a->data.bag);
    if (a->data.embedded) {
        store_mdata_clear(a->data.embedded);
    }
    a->magic = 0;
    pool = a->pool;
    ph_pool_destroy(&pool);
}

uint32_t
store_attach_num(const store_attach_t *att)
{
    return att->data.num;
}

store_message_t *
store_attach_message(const store_attach_t *att)
{
    return att->msg;
}

/* ---- properties ---- */

ph_int_t
store_bag_answer(store_conn_t *conn, const store_bag_t *bag, uint32_t tag,
    size_t limit, ph_pool_t *pool, mapi_value_t *v_r)
{
    const store_slot_t  *slot;

    slot = store_bag_find(bag, tag);
    if (slot == NULL) {
        return PH_NOTFOUND;
    }

    return store_value_answer(conn, tag, &slot->v, slot->external,
                              slot->content, slot->blob, slot->size, limit,
                              pool, v_r);
}

ph_int_t
store_adata_get(store_conn_t *conn, const store_adata_t *a, uint32_t tag,
    size_t limit, ph_pool_t *pool, mapi_value_t *v_r)
{
    uint8_t       *key;
    mapi_value_t   v;

    memset(&v, 0, sizeof(v));

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_ATTACH_NUM):
        v.tag = PR_ATTACH_NUM;
        v.u.i4 = (int32_t) a->num;
        break;
    case MAPI_ID(PR_ATTACH_SIZE):
        v.tag = PR_ATTACH_SIZE;
        v.u.i4 = (int32_t) ph_min(store_adata_size(a, 0),
                                  (uint64_t) INT32_MAX);
        break;
    case MAPI_ID(PR_RECORD_KEY):
        key = ph_palloc(pool, 4);
        if (key == NULL) {
            return PH_NOMEM;
        }
        key[0] = (uint8_t) a->num;
        key[1] = (uint8_t) (a->num >> 8);
        key[2] = (uint8_t) (a->num >> 16);
        key[3] = (uint8_t) (a->num >> 24);
        v.tag = PR_RECORD_KEY;
        v.u.bin = (ph_str_t) { 4, key };
        break;
    case MAPI_ID(PR_OBJECT_TYPE):
        v.tag = PR_OBJECT_TYPE;
        v.u.i4 = 7;
        break;
    case MAPI_ID(PR_ACCESS_LEVEL):
        v.tag = PR_ACCESS_LEVEL;
        v.u.i4 = 1;
        break;
    default:
        return store_bag_answer(conn, &a->bag, tag, limit, pool, v_r);
    }

    return store_value_answer(conn, tag, &v, false, 0, NULL, 0, SIZE_MAX,
                              pool, v_r);
}

ph_int_t
store_attach_get(store_conn_t *conn, store_attach_t *att,
    const mapi_tags_t *tags, size_t limit, ph_pool_t *pool,
    mapi_values_t *values_r)
{
    uint32_t       i;
    ph_int_t       rc;
    mapi_value_t  *v;

    v = ph_pcalloc_array(pool, tags->n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < tags->n; i++) {
        rc = store_adata_get(conn, &att->data, tags->tag[i], limit, pool,
                             &v[i]);
        if (rc == PH_NOTFOUND) {
            store_value_absent(&v[i], tags->tag[i], STORE_EC_NOT_FOUND);
        } else if (rc != PH_OK) {
            return rc;
        }
    }
    values_r->n = tags->n;
    values_r->v = v;

    return PH_OK;
}

ph_int_t
store_attach_tags(store_attach_t *att, ph_pool_t *pool, mapi_tags_t *tags_r)
{
    uint32_t  i, n, *tag;

    tag = ph_palloc(pool, (att->data.bag.n + 5) * sizeof(*tag));
    if (tag == NULL) {
        return PH_NOMEM;
    }
    n = 0;
    tag[n++] = PR_ATTACH_NUM;
    tag[n++] = PR_ATTACH_SIZE;
    tag[n++] = PR_RECORD_KEY;
    tag[n++] = PR_OBJECT_TYPE;
    tag[n++] = PR_ACCESS_LEVEL;
    for (i = 0; i < att->data.bag.n; i++) {
        tag[n++] = att->data.bag.slot[i].v.tag;
    }
    tags_r->n = n;
    tags_r->tag = tag;

    return PH_OK;
}

static bool
store_attach_fixed(uint32_t tag)
{
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_ATTACH_NUM):
    case MAPI_ID(PR_ATTACH_SIZE):
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_OBJECT_TYPE):
    case MAPI_ID(PR_ACCESS_LEVEL):
        return true;
    default:
        return false;
    }
}

ph_int_t
store_attach_set(store_attach_t *att, const mapi_values_t *values,
    ph_pool_t *pool, store_problems_t *problems_r)
{
    uint32_t             i, code;
    ph_int_t             rc;
    const mapi_value_t  *v;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    if (!att->msg->writable) {
        return PH_DENIED;
    }

    for (i = 0; i < values->n; i++) {
        v = &values->v[i];
        code = 0;
        if (!store_storable(MAPI_TYPE(v->tag))
            || (store_is_string(MAPI_TYPE(v->tag))
                && !ph_utf8_valid(v->u.str)))
        {
            code = STORE_EC_INVALID;
        } else if (store_attach_fixed(v->tag)) {
            code = STORE_EC_COMPUTED;
        } else {
            rc = store_slot_set(att->msg->store, &att->data.bag, v);
            if (rc == PH_TOOBIG) {
                code = STORE_EC_TOO_BIG;
            } else if (rc != PH_OK) {
                return rc;
            } else {
                att->dirty = true;
            }
        }
        if (code) {
            store_try(store_problem(pool, problems_r, i, v->tag, code));
        }
    }

    return PH_OK;
}

ph_int_t
store_attach_remove(store_attach_t *att, const mapi_tags_t *tags,
    ph_pool_t *pool, store_problems_t *problems_r)
{
    uint32_t  i;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    if (!att->msg->writable) {
        return PH_DENIED;
    }
    for (i = 0; i < tags->n; i++) {
        if (store_attach_fixed(tags->tag[i])) {
            store_try(store_problem(pool, problems_r, i, tags->tag[i],
                                    STORE_EC_COMPUTED));
        } else if (store_bag_del(&att->data.bag, tags->tag[i])) {
            att->dirty = true;
        }
    }

    return PH_OK;
}

/* ---- embedded messages ---- */

ph_int_t
store_embedded_open(store_conn_t *conn, store_attach_t *att, bool create,
    const store_actor_t *actor, store_message_t **msg_r)
{
    ph_int_t          rc;
    store_message_t  *msg;

    *msg_r = NULL;
    if (!create && att->data.embedded == NULL) {
        return PH_NOTFOUND;
    }
    if (create && !att->msg->writable) {
        return PH_DENIED;
    }
    if (att->msg->depth + 1 > MAPI_MAX_EMBEDDING) {
        return PH_TOOBIG;
    }

    store_try(store_message_blank(conn, actor, &msg));
    rc = PH_OK;
    if (!create) {
        store_mdata_clear(&msg->data);
        rc = store_mdata_copy(&msg->data, att->data.embedded,
                              att->msg->depth + 1);
        msg->fact.flags = store_bag_u32(&msg->data.bag, PR_MESSAGE_FLAGS,
                                        MSGFLAG_READ);
        msg->fact.read = msg->fact.flags & MSGFLAG_READ;
        msg->is_new = false;
        msg->dirty = false;
        store_bag_del(&msg->data.bag, PR_MESSAGE_FLAGS);
        msg->fact.size = store_mdata_size(&msg->data, msg->depth);
    } else {
        rc = store_bag_set_u32(&att->data.bag, PR_ATTACH_METHOD, 5);
        att->dirty = true;
    }
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }
    msg->parent = att;
    msg->depth = att->msg->depth + 1;
    msg->writable = att->msg->writable;
    msg->next = att->embedded;
    att->embedded = msg;
    *msg_r = msg;

    return PH_OK;
}
