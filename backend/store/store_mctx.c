/* Properties of messages: stored and computed (MS-OXCMSG 2.2.1). */

#include "store_message_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"

static const uint32_t  store_message_tags_computed[] = {
    PidTagMid, PidTagFolderId, PidTagChangeNumber, PR_ENTRYID,
    PR_PARENT_ENTRYID, PR_RECORD_KEY, PR_INSTANCE_KEY, PR_SOURCE_KEY,
    PR_PARENT_SOURCE_KEY, PR_CHANGE_KEY, PR_PREDECESSOR_CHANGE_LIST,
    PR_MESSAGE_SIZE, PR_MESSAGE_SIZE_EXTENDED, PR_HASATTACH, PR_MESSAGE_FLAGS,
    PR_READ, PR_ASSOCIATED, PR_HAS_NAMED_PROPERTIES, PR_MSG_STATUS, PR_ACCESS,
    PR_ACCESS_LEVEL, PR_OBJECT_TYPE, PR_STORE_RECORD_KEY, PR_STORE_ENTRYID,
    PR_MAPPING_SIGNATURE, PR_INTERNET_ARTICLE_NUMBER, PR_LOCAL_COMMIT_TIME,
    PR_TRUST_SENDER, PidTagInstID, PidTagInstanceNum, PR_PARENT_DISPLAY
};

/* set by the server alone; a client's attempt is refused */
static const uint32_t  store_message_tags_fixed[] = {
    PR_MESSAGE_RECIPIENTS, PR_MESSAGE_ATTACHMENTS, PR_DISPLAY_TO,
    PR_DISPLAY_CC, PR_DISPLAY_BCC, PR_ROW_TYPE, PR_DEPTH, PR_ROWID,
    PR_CONVERSATION_ID, PR_CREATOR_NAME, PR_CREATOR_ENTRYID
};

const uint32_t *
store_message_computed(uint32_t *n_r)
{
    *n_r = ph_nelts(store_message_tags_computed);

    return store_message_tags_computed;
}

bool
store_message_tag_fixed(uint32_t tag)
{
    uint32_t  i;

    for (i = 0; i < ph_nelts(store_message_tags_computed); i++) {
        if (MAPI_ID(store_message_tags_computed[i]) == MAPI_ID(tag)) {
            return true;
        }
    }
    for (i = 0; i < ph_nelts(store_message_tags_fixed); i++) {
        if (MAPI_ID(store_message_tags_fixed[i]) == MAPI_ID(tag)) {
            return true;
        }
    }

    return false;
}

ph_int_t
store_mctx_stored(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    store_stored_t *s_r)
{
    store_packed_t       p;
    const store_slot_t  *slot;

    if (ctx->bag) {
        slot = store_bag_find(ctx->bag, tag);
        if (slot == NULL) {
            return PH_NOTFOUND;
        }
        s_r->v = &slot->v;
        s_r->external = slot->external;
        s_r->content = slot->content;
        s_r->blob = slot->blob;
        s_r->size = slot->size;
        return PH_OK;
    }

    store_try(store_pack_find(ctx->pack, MAPI_ID(tag), pool, &p));
    s_r->own = p.v;
    s_r->v = &s_r->own;
    s_r->external = p.external;
    s_r->content = p.content;
    s_r->blob = NULL;
    s_r->size = p.size;

    return PH_OK;
}

static ph_str_t
store_mctx_str(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool)
{
    store_stored_t  s;

    if (store_mctx_stored(ctx, tag, pool, &s) != PH_OK || s.external
        || !store_is_string(MAPI_TYPE(s.v->tag)))
    {
        return ph_str_null;
    }

    return s.v->u.str;
}

static ph_int_t
store_mctx_subject(store_mctx_t *ctx, ph_pool_t *pool, mapi_value_t *v)
{
    char           *p;
    ph_str_t        prefix, rest;
    store_stored_t  s;

    if (store_mctx_stored(ctx, PR_NORMALIZED_SUBJECT, pool, &s) != PH_OK
        && store_mctx_stored(ctx, PR_SUBJECT_PREFIX, pool, &s) != PH_OK)
    {
        return PH_NOTFOUND;
    }
    rest = store_mctx_str(ctx, PR_NORMALIZED_SUBJECT, pool);
    prefix = store_mctx_str(ctx, PR_SUBJECT_PREFIX, pool);
    v->tag = PR_SUBJECT;

    if (prefix.len == 0) {
        v->u.str = rest.data ? rest : STORE_LEN("");
        return PH_OK;
    }
    p = ph_palloc(pool, prefix.len + rest.len);
    if (p == NULL) {
        return PH_NOMEM;
    }
    memcpy(p, prefix.data, prefix.len);
    if (rest.len) {
        memcpy(p + prefix.len, rest.data, rest.len);
    }
    v->u.str.data = (const uint8_t *) p;
    v->u.str.len = prefix.len + rest.len;

    return PH_OK;
}

static bool
store_mctx_named(store_mctx_t *ctx)
{
    uint32_t  n;

    if (ctx->bag) {
        n = ctx->bag->n;
        return n && MAPI_ID(ctx->bag->slot[n - 1].v.tag) >= 0x8000;
    }
    n = ctx->pack->n;

    return n && MAPI_ID(store_pack_tag(ctx->pack, (uint16_t) (n - 1)))
                >= 0x8000;
}

static ph_int_t
store_mctx_svreid(store_mctx_t *ctx, ph_pool_t *pool, mapi_value_t *v)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 64);
    ph_put_u8(&b, 1);
    ph_put_u64(&b, store_eid(ctx->fact.folder));
    ph_put_u64(&b, store_eid(ctx->fact.id));
    ph_put_u32(&b, 0);
    v->tag = PR_INSTANCE_SVREID;
    v->u.bin = ph_wbuf_str(&b);

    return b.error ? PH_NOMEM : PH_OK;
}

static ph_int_t
store_mctx_parent_name(store_mctx_t *ctx, ph_pool_t *pool, mapi_value_t *v)
{
    store_folder_t  f;

    store_try(store_folder_find(ctx->conn, pool, ctx->fact.folder, &f));
    v->tag = PR_PARENT_DISPLAY;
    v->u.str = f.name;

    return PH_OK;
}

/* what an embedded message has no value for */
static bool
store_mctx_needs_place(uint32_t tag)
{
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PidTagMid):
    case MAPI_ID(PidTagFolderId):
    case MAPI_ID(PidTagChangeNumber):
    case MAPI_ID(PR_ENTRYID):
    case MAPI_ID(PR_PARENT_ENTRYID):
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_INSTANCE_KEY):
    case MAPI_ID(PR_SOURCE_KEY):
    case MAPI_ID(PR_PARENT_SOURCE_KEY):
    case MAPI_ID(PR_CHANGE_KEY):
    case MAPI_ID(PR_PREDECESSOR_CHANGE_LIST):
    case MAPI_ID(PR_INTERNET_ARTICLE_NUMBER):
    case MAPI_ID(PR_LOCAL_COMMIT_TIME):
    case MAPI_ID(PidTagInstID):
    case MAPI_ID(PidTagInstanceNum):
    case MAPI_ID(PR_PARENT_DISPLAY):
        return true;
    default:
        return false;
    }
}

#define store_answer(t, field, value)                                        \
    do {                                                                     \
        v->tag = (t);                                                        \
        v->u.field = (value);                                                \
        return PH_OK;                                                        \
    } while (0)

/* keys made of ids */
static ph_int_t
store_mctx_key(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v)
{
    const store_t               *store;
    const store_message_fact_t  *f;

    f = &ctx->fact;
    store = ctx->store;
    v->tag = MAPI_RETYPE(tag, PT_BINARY);

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_ENTRYID):
    case MAPI_ID(PR_INSTANCE_KEY):
        return store_message_entryid(store, f->folder, f->id, pool,
                                     &v->u.bin);
    case MAPI_ID(PR_PARENT_ENTRYID):
        return store_folder_entryid(store, f->folder, pool, &v->u.bin);
    case MAPI_ID(PR_SOURCE_KEY):
        if (ctx->source_key.len) {
            v->u.bin = ctx->source_key;
            return PH_OK;
        }
        return store_gid(store, f->id, pool, &v->u.bin);
    case MAPI_ID(PR_RECORD_KEY):
        return store_gid(store, f->id, pool, &v->u.bin);
    case MAPI_ID(PR_PARENT_SOURCE_KEY):
        return store_gid(store, f->folder, pool, &v->u.bin);
    case MAPI_ID(PR_CHANGE_KEY):
        if (ctx->change_key.len) {
            v->u.bin = ctx->change_key;
            return PH_OK;
        }
        return store_gid(store, f->cn, pool, &v->u.bin);
    default:
        return store_pcl_show(store, ctx->pcl, ctx->change_key, f->cn, pool,
                              &v->u.bin);
    }
}

/* PR_LOCALE_ID is that of the message (MS-OXCMSG 3.2.5.2). */
static ph_int_t
store_mctx_locale(store_mctx_t *ctx, ph_pool_t *pool, mapi_value_t *v)
{
    store_stored_t  s;

    if (store_mctx_stored(ctx, PR_MESSAGE_LOCALE_ID, pool, &s) != PH_OK
        || MAPI_TYPE(s.v->tag) != PT_LONG)
    {
        return PH_NOTFOUND;
    }
    *v = *s.v;
    v->tag = PR_LOCALE_ID;

    return PH_OK;
}


static ph_int_t
store_mctx_compute(store_mctx_t *ctx, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v)
{
    const store_message_fact_t  *f;

    f = &ctx->fact;

    if (store_mctx_needs_place(tag) && (ctx->embedded || f->id == 0)) {
        /* of a new message the folder is known */
        if (ctx->embedded || (MAPI_ID(tag) != MAPI_ID(PidTagFolderId)
                              && MAPI_ID(tag) != MAPI_ID(PR_PARENT_ENTRYID)
                              && MAPI_ID(tag) != MAPI_ID(PR_PARENT_DISPLAY)))
        {
            return PH_NOTFOUND;
        }
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PidTagMid):
        store_answer(PidTagMid, i8, (int64_t) store_eid(f->id));
    case MAPI_ID(PidTagInstID):
        store_answer(PidTagInstID, i8, (int64_t) store_eid(f->id));
    case MAPI_ID(PidTagInstanceNum):
        store_answer(PidTagInstanceNum, i4, 0);
    case MAPI_ID(PidTagFolderId):
        store_answer(PidTagFolderId, i8, (int64_t) store_eid(f->folder));
    case MAPI_ID(PidTagChangeNumber):
        store_answer(PidTagChangeNumber, i8, (int64_t) store_eid(f->cn));
    case MAPI_ID(PR_ENTRYID):
    case MAPI_ID(PR_INSTANCE_KEY):
    case MAPI_ID(PR_PARENT_ENTRYID):
    case MAPI_ID(PR_SOURCE_KEY):
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_PARENT_SOURCE_KEY):
    case MAPI_ID(PR_CHANGE_KEY):
    case MAPI_ID(PR_PREDECESSOR_CHANGE_LIST):
        if (MAPI_TYPE(tag) == PT_SVREID) {
            return MAPI_ID(tag) == MAPI_ID(PR_INSTANCE_SVREID)
                   ? store_mctx_svreid(ctx, pool, v) : PH_NOTFOUND;
        }
        return store_mctx_key(ctx, tag, pool, v);
    case MAPI_ID(PR_LOCALE_ID):
        return store_mctx_locale(ctx, pool, v);
    case MAPI_ID(PR_SUBJECT):
        return store_mctx_subject(ctx, pool, v);
    case MAPI_ID(PR_MESSAGE_SIZE):
        if (MAPI_TYPE(tag) == PT_I8) {
            store_answer(PR_MESSAGE_SIZE_EXTENDED, i8, (int64_t) f->size);
        }
        store_answer(PR_MESSAGE_SIZE, i4,
                     f->size > INT32_MAX ? INT32_MAX : (int32_t) f->size);
    case MAPI_ID(PR_HASATTACH):
        store_answer(PR_HASATTACH, b, (f->flags & MSGFLAG_HASATTACH) != 0);
    case MAPI_ID(PR_MESSAGE_FLAGS):
        store_answer(PR_MESSAGE_FLAGS, i4,
                     (int32_t) store_shown_flags(f->flags, f->associated));
    case MAPI_ID(PR_READ):
        store_answer(PR_READ, b, (f->flags & MSGFLAG_READ) != 0);
    case MAPI_ID(PR_ASSOCIATED):
        store_answer(PR_ASSOCIATED, b, f->associated);
    case MAPI_ID(PR_HAS_NAMED_PROPERTIES):
        store_answer(PR_HAS_NAMED_PROPERTIES, b, store_mctx_named(ctx));
    case MAPI_ID(PR_MSG_STATUS):
        store_answer(PR_MSG_STATUS, i4, (int32_t) ctx->status);
    case MAPI_ID(PR_ACCESS):
        store_answer(PR_ACCESS, i4, (int32_t) store_mctx_access(ctx, pool));
    case MAPI_ID(PR_ACCESS_LEVEL):
        store_answer(PR_ACCESS_LEVEL, i4,
                     !ctx->read_only && (store_mctx_access(ctx, pool)
                                         & STORE_ACCESS_MODIFY));
    case MAPI_ID(PR_OBJECT_TYPE):
        store_answer(PR_OBJECT_TYPE, i4, 5);
    case MAPI_ID(PR_STORE_RECORD_KEY):
        v->tag = PR_STORE_RECORD_KEY;
        v->u.bin = (ph_str_t) { 16, ctx->store->info.guid.b };
        return PH_OK;
    case MAPI_ID(PR_MAPPING_SIGNATURE):
        v->tag = PR_MAPPING_SIGNATURE;
        v->u.bin = (ph_str_t) { 16, ctx->store->info.mapping.b };
        return PH_OK;
    case MAPI_ID(PR_STORE_ENTRYID):
        v->tag = PR_STORE_ENTRYID;
        return store_entryid(ctx->store, pool, &v->u.bin);
    case MAPI_ID(PR_INTERNET_ARTICLE_NUMBER):
        store_answer(PR_INTERNET_ARTICLE_NUMBER, i4, (int32_t) ctx->article);
    case MAPI_ID(PR_LOCAL_COMMIT_TIME):
        store_answer(PR_LOCAL_COMMIT_TIME, time, ctx->committed);
    case MAPI_ID(PR_DELETED_ON):
        if (ctx->deleted == 0) {
            return PH_NOTFOUND;
        }
        store_answer(PR_DELETED_ON, time, ctx->deleted);
    case MAPI_ID(PR_TRUST_SENDER):
        store_answer(PR_TRUST_SENDER, i4, 1);
    case MAPI_ID(PR_ROW_TYPE):
        store_answer(PR_ROW_TYPE, i4, 1);
    case MAPI_ID(PR_DEPTH):
        store_answer(PR_DEPTH, i4, 0);
    case MAPI_ID(PR_PARENT_DISPLAY):
        return store_mctx_parent_name(ctx, pool, v);
    case MAPI_ID(PR_NATIVE_BODY_INFO):
        store_answer(PR_NATIVE_BODY_INFO, i4, store_body_native(ctx, pool));
    case MAPI_ID(PR_RTF_IN_SYNC):
        store_answer(PR_RTF_IN_SYNC, b, store_body_native(ctx, pool) == 2);
    default:
        return PH_NOTFOUND;
    }
}

ph_int_t
store_mctx_get(store_mctx_t *ctx, uint32_t tag, size_t limit, ph_pool_t *pool,
    mapi_value_t *v_r)
{
    ph_int_t        rc;
    mapi_value_t    v;
    store_stored_t  s;

    memset(&v, 0, sizeof(v));
    rc = store_mctx_compute(ctx, tag, pool, &v);
    if (rc == PH_OK) {
        return store_value_answer(ctx->conn, tag, &v, false, 0, NULL, 0,
                                  limit, pool, v_r);
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    rc = store_mctx_stored(ctx, tag, pool, &s);
    if (rc == PH_OK) {
        rc = store_value_answer(ctx->conn, tag, s.v, s.external, s.content,
                                s.blob, s.size, limit, pool, v_r);
    }
    if (rc == PH_NOTFOUND && store_body_is(tag)) {
        rc = store_body_make(ctx, tag, pool, &v);
        if (rc == PH_OK) {
            rc = store_value_answer(ctx->conn, tag, &v, false, 0, NULL, 0,
                                    limit, pool, v_r);
        }
    }

    return rc;
}

ph_int_t
store_message_get(store_conn_t *conn, store_message_t *msg,
    const mapi_tags_t *tags, size_t limit, ph_pool_t *pool,
    mapi_values_t *values_r)
{
    uint32_t       i;
    ph_int_t       rc;
    store_mctx_t   ctx;
    mapi_value_t  *v;

    v = ph_pcalloc_array(pool, tags->n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }
    store_message_ctx(conn, msg, &ctx);

    for (i = 0; i < tags->n; i++) {
        rc = store_mctx_get(&ctx, tags->tag[i], limit, pool, &v[i]);
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
store_message_tags(store_message_t *msg, ph_pool_t *pool, mapi_tags_t *tags_r)
{
    bool       body[3];
    uint32_t   i, k, n, *tag;
    static const uint32_t  bodies[3] = {
        PR_BODY, PR_HTML, PR_RTF_COMPRESSED
    };

    tag = ph_palloc(pool, (msg->data.bag.n
                           + ph_nelts(store_message_tags_computed) + 6)
                          * sizeof(*tag));
    if (tag == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    for (i = 0; i < ph_nelts(store_message_tags_computed); i++) {
        if (msg->parent || msg->fact.id == 0) {
            if (store_mctx_needs_place(store_message_tags_computed[i])) {
                continue;
            }
        }
        tag[n++] = store_message_tags_computed[i];
    }
    if (store_bag_find(&msg->data.bag, PR_NORMALIZED_SUBJECT)) {
        tag[n++] = PR_SUBJECT;
    }

    memset(body, 0, sizeof(body));
    for (i = 0; i < msg->data.bag.n; i++) {
        tag[n++] = msg->data.bag.slot[i].v.tag;
        for (k = 0; k < 3; k++) {
            body[k] |= MAPI_ID(tag[n - 1]) == MAPI_ID(bodies[k]);
        }
    }
    if (body[0] || body[1] || body[2]) {
        for (k = 0; k < 3; k++) {
            if (!body[k]) {
                tag[n++] = bodies[k];
            }
        }
        tag[n++] = PR_NATIVE_BODY_INFO;
        tag[n++] = PR_RTF_IN_SYNC;
    }
    tags_r->n = n;
    tags_r->tag = tag;

    return PH_OK;
}
