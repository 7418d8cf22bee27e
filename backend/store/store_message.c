/* Messages: rows, opening, creating, closing. */

#include "store_search_int.h"
#include "store_viewer.h"
#include "lib/ph_str.h"

#include <stdlib.h>

void
store_mrow(sqlite3_stmt *s, store_mrow_t *r)
{
    uint32_t  state;

    state = store_col_u32(s, 2);
    r->fact.id = store_col_u64(s, 0);
    r->fact.folder = store_col_u64(s, 1);
    r->fact.associated = state & STORE_STATE_FAI;
    r->fact.deleted = state & STORE_STATE_DELETED;
    r->fact.cn = store_col_u64(s, 3);
    r->fact.read_cn = store_col_u64(s, 4);
    r->fact.flags = store_col_u32(s, 5);
    r->fact.read = r->fact.flags & MSGFLAG_READ;
    r->status = store_col_u32(s, 6);
    r->fact.size = store_col_u64(s, 7);
    r->fact.received = store_col_u64(s, 8);
    r->committed = store_col_u64(s, 9);
    r->deleted = store_col_u64(s, 10);
    r->article = store_col_u32(s, 11);
    r->next_attach = store_col_u32(s, 12);
    r->raw = store_col_u64(s, 13);
    r->change_key = store_col_str(s, 14);
    r->pcl = store_col_str(s, 15);
    r->source_key = store_col_str(s, 16);
    r->props = store_col_str(s, 17);
    r->recipients = store_col_str(s, 18);
    r->attachments = store_col_str(s, 19);
}

uint32_t
store_shown_flags(uint32_t flags, bool associated)
{
    return associated ? flags | MSGFLAG_ASSOCIATED : flags;
}

void
store_mrow_ctx(store_conn_t *conn, const store_mrow_t *row,
    const store_pack_t *pack, store_mctx_t *ctx_r)
{
    memset(ctx_r, 0, sizeof(*ctx_r));
    ctx_r->conn = conn;
    ctx_r->store = conn->store;
    ctx_r->fact = row->fact;
    ctx_r->status = row->status;
    ctx_r->article = row->article;
    ctx_r->committed = row->committed;
    ctx_r->deleted = row->deleted;
    ctx_r->change_key = row->change_key;
    ctx_r->pcl = row->pcl;
    ctx_r->source_key = row->source_key;
    ctx_r->pack = pack;
    (void) store_reader_see(conn, &ctx_r->fact);
}

void
store_message_ctx(store_conn_t *conn, store_message_t *msg,
    store_mctx_t *ctx_r)
{
    memset(ctx_r, 0, sizeof(*ctx_r));
    ctx_r->conn = conn;
    ctx_r->store = msg->store;
    ctx_r->fact = msg->fact;
    ctx_r->embedded = msg->parent != NULL;
    ctx_r->read_only = !msg->writable;
    ctx_r->status = msg->status;
    ctx_r->article = msg->article;
    ctx_r->committed = msg->committed;
    ctx_r->deleted = msg->deleted;
    ctx_r->change_key = msg->change_key;
    ctx_r->pcl = msg->pcl;
    ctx_r->source_key = msg->source_key;
    ctx_r->bag = &msg->data.bag;

    if (msg->dirty) {
        if (store_mdata_has_attach(&msg->data)) {
            ctx_r->fact.flags |= MSGFLAG_HASATTACH;
        } else {
            ctx_r->fact.flags &= ~(uint32_t) MSGFLAG_HASATTACH;
        }
        ctx_r->fact.size = store_mdata_size(&msg->data, msg->depth);
    }
}

ph_int_t
store_message_find(store_conn_t *conn, uint64_t mid,
    store_message_fact_t *fact_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;
    store_mrow_t   row;

    store_try(store_q(conn, SQL_MESSAGE_FACT, &s, "u", mid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        store_mrow(s, &row);
        *fact_r = row.fact;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

static ph_int_t
store_message_new(store_t *store, store_message_t **msg_r)
{
    ph_pool_t        *pool;
    store_message_t  *msg;

    pool = ph_pool_create("store message", STORE_OBJECT_LIMIT);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    msg = ph_pcalloc(pool, sizeof(*msg));
    if (msg == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }
    msg->magic = STORE_MESSAGE_MAGIC;
    msg->store = store;
    msg->pool = pool;
    store_mdata_init(&msg->data, pool);
    *msg_r = msg;

    return PH_OK;
}

static ph_int_t
store_message_load(store_message_t *msg, const store_mrow_t *row)
{
    ph_str_t  props, recipients, attachments;

    msg->fact = row->fact;
    msg->base_cn = row->fact.cn;
    msg->status = row->status;
    msg->article = row->article;
    msg->committed = row->committed;
    msg->deleted = row->deleted;
    msg->raw = row->raw;
    msg->data.next_attach = row->next_attach;

    /* copies: the row goes away, the working copy stays */
    props = ph_pstrdup(msg->pool, row->props);
    recipients = ph_pstrdup(msg->pool, row->recipients);
    attachments = ph_pstrdup(msg->pool, row->attachments);
    msg->change_key = ph_str_null;
    if (row->change_key.len) {
        msg->change_key = ph_pstrdup(msg->pool, row->change_key);
    }
    if (row->pcl.len) {
        msg->pcl = ph_pstrdup(msg->pool, row->pcl);
    }
    if (row->source_key.len) {
        msg->source_key = ph_pstrdup(msg->pool, row->source_key);
    }
    if (props.data == NULL || recipients.data == NULL
        || attachments.data == NULL)
    {
        return PH_NOMEM;
    }

    return store_mdata_unpack(&msg->data, props, recipients, attachments, 0);
}

ph_int_t
store_message_in(store_conn_t *conn, const store_message_fact_t *f,
    uint64_t fid)
{
    uint64_t  home;
    ph_int_t  rc;

    if (fid == 0 || f->folder == fid) {
        return PH_OK;
    }
    rc = store_search_home(conn, fid, f->id, &home);

    return rc == PH_OK && home != f->folder ? PH_NOTFOUND : rc;
}

ph_int_t
store_message_open(store_conn_t *conn, uint64_t fid, uint64_t mid,
    unsigned flags, store_message_t **msg_r)
{
    ph_int_t          rc;
    sqlite3_stmt     *s;
    store_mrow_t      row;
    store_message_t  *msg;

    *msg_r = NULL;
    store_try(store_message_new(conn->store, &msg));

    rc = store_q(conn, SQL_MESSAGE, &s, "u", mid);
    if (rc == PH_OK) {
        rc = store_step(conn, s);
    }
    if (rc == PH_OK) {
        store_mrow(s, &row);
        rc = store_message_in(conn, &row.fact, fid);
        if (rc == PH_OK && row.fact.deleted
            && (flags & STORE_OPEN_DELETED) == 0)
        {
            rc = PH_NOTFOUND;
        }
        if (rc == PH_OK) {
            rc = store_message_load(msg, &row);
            if (rc == PH_OK) {
                rc = store_reader_see(conn, &msg->fact);
            }
        }
    }
    store_done(conn, &s);

    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }
    msg->writable = flags & STORE_OPEN_WRITE;
    *msg_r = msg;

    return PH_OK;
}

static ph_int_t
store_message_initial(store_conn_t *conn, store_message_t *msg,
    const store_actor_t *actor)
{
    uint8_t        key[16];
    uint32_t       lcid;
    uint64_t       now;
    store_bag_t   *bag;
    mapi_value_t   v;

    bag = &msg->data.bag;
    now = store_now(conn);
    lcid = actor && actor->lcid ? actor->lcid : msg->store->info.lcid;

    store_try(store_bag_set_u32(bag, PR_IMPORTANCE, 1));
    store_try(store_bag_set_str(bag, PR_MESSAGE_CLASS, STORE_LEN("IPM.Note")));
    store_try(store_bag_set_u32(bag, PR_SENSITIVITY, 0));
    store_try(store_bag_set_str(bag, PR_DISPLAY_TO, STORE_LEN("")));
    store_try(store_bag_set_str(bag, PR_DISPLAY_CC, STORE_LEN("")));
    store_try(store_bag_set_str(bag, PR_DISPLAY_BCC, STORE_LEN("")));
    store_try(store_bag_set_time(bag, PR_CREATION_TIME, now));
    store_try(store_bag_set_time(bag, PR_LAST_MODIFICATION_TIME, now));
    store_try(store_bag_set_u32(bag, PR_MESSAGE_LOCALE_ID, lcid));

    store_random(key, sizeof(key));
    memset(&v, 0, sizeof(v));
    v.tag = PR_SEARCH_KEY;
    v.u.bin.data = key;
    v.u.bin.len = sizeof(key);
    store_try(store_bag_set(bag, &v));

    if (actor && actor->display_name.len) {
        store_try(store_bag_set_str(bag, PR_CREATOR_NAME,
                                    actor->display_name));
        store_try(store_bag_set_str(bag, PR_LAST_MODIFIER_NAME,
                                    actor->display_name));
    }
    if (actor && actor->entryid.len) {
        v.tag = PR_CREATOR_ENTRYID;
        v.u.bin = actor->entryid;
        store_try(store_bag_set(bag, &v));
        v.tag = PR_LAST_MODIFIER_ENTRYID;
        store_try(store_bag_set(bag, &v));
    }

    return PH_OK;
}

ph_int_t
store_message_blank(store_conn_t *conn, const store_actor_t *actor,
    store_message_t **msg_r)
{
    ph_int_t          rc;
    store_message_t  *msg;

    store_try(store_message_new(conn->store, &msg));
    msg->is_new = true;
    msg->writable = true;
    msg->dirty = true;
    msg->fact.flags = MSGFLAG_READ | MSGFLAG_UNSENT;
    msg->fact.read = true;

    rc = store_message_initial(conn, msg, actor);
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }
    *msg_r = msg;

    return PH_OK;
}

ph_int_t
store_message_create(store_conn_t *conn, uint64_t fid, bool associated,
    uint64_t id, const store_actor_t *actor, store_message_t **msg_r)
{
    store_folder_t  f;

    *msg_r = NULL;
    store_try(store_folder_live(conn, fid, &f));
    if (f.type == STORE_FOLDER_SEARCH) {
        return PH_DENIED;
    }
    if (id) {
        store_try(store_id_usable(conn, id));
    }
    store_try(store_message_blank(conn, actor, msg_r));
    (*msg_r)->fact.folder = fid;
    (*msg_r)->fact.associated = associated;
    (*msg_r)->want_id = id;

    return PH_OK;
}

void
store_message_close(store_message_t **msg)
{
    ph_pool_t         *pool;
    store_attach_t    *a;
    store_message_t   *m, **p;

    m = *msg;
    if (m == NULL) {
        return;
    }
    *msg = NULL;

    while (m->attaches) {
        a = m->attaches;
        store_attach_close(&a);
    }
    if (m->parent) {
        for (p = &m->parent->embedded; *p && *p != m; p = &(*p)->next) {
            /* void */
        }
        if (*p) {
            *p = m->next;
        }
    }
    store_mdata_clear(&m->data);
    m->magic = 0;
    pool = m->pool;
    ph_pool_destroy(&pool);
}

const store_message_fact_t *
store_message_fact(const store_message_t *msg)
{
    return &msg->fact;
}

bool
store_message_is_new(const store_message_t *msg)
{
    return msg->is_new;
}

bool
store_message_is_writable(const store_message_t *msg)
{
    return msg->writable;
}

void
store_message_set_writable(store_message_t *msg, bool writable)
{
    msg->writable = writable;
}

bool
store_message_is_dirty(const store_message_t *msg)
{
    return msg->dirty;
}

bool
store_message_is_embedded(const store_message_t *msg)
{
    return msg->parent != NULL;
}

store_t *
store_message_store(const store_message_t *msg)
{
    return msg->store;
}

ph_int_t
store_message_changed_tag(store_message_t *msg, uint32_t tag)
{
    uint32_t  i, cap, *p;

    msg->dirty = true;
    for (i = 0; i < msg->n_changed; i++) {
        if (msg->changed[i] == tag) {
            return PH_OK;
        }
    }
    /* beyond this many the event says "anything" */
    if (msg->n_changed == 256) {
        return PH_OK;
    }
    if (msg->n_changed == msg->cap_changed) {
        cap = msg->cap_changed ? msg->cap_changed * 2 : 16;
        p = ph_prealloc(msg->pool, msg->changed, msg->cap_changed * sizeof(*p),
                        cap * sizeof(*p));
        if (p == NULL) {
            return PH_NOMEM;
        }
        msg->changed = p;
        msg->cap_changed = cap;
    }
    msg->changed[msg->n_changed++] = tag;

    return PH_OK;
}
