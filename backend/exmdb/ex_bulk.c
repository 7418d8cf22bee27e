/* Messages in bulk: bytes, summaries, appending, flags, moving. */

#include "ex_door.h"
#include "convert/conv.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"
#include "mapi/mapi_value.h"

#define EX_BULK_LIST       1000            /* summaries in one answer */
#define EX_BULK_VALUE      (64 * 1024)     /* bytes of one property in them */
#define EX_RENDER_MAX      (512u << 20)

/* PR_MESSAGE_FLAGS, PR_MSG_STATUS, PR_LAST_VERB_EXECUTED */
#define EX_MSG_READ        0x0001
#define EX_MSG_UNSENT      0x0008
#define EX_STATUS_DELETED  0x0008
#define EX_VERB_REPLY      102
#define EX_VERB_FORWARD    104
#define EX_ICON_REPLIED    0x105
#define EX_ICON_FORWARDED  0x106


/* ---- render ---- */

/* The bytes that it came with; PH_NOTFOUND: changed since, or made here. */
static ph_int_t
ex_render_original(store_conn_t *conn, uint64_t mid, ph_pool_t *pool,
    ph_str_t *raw_r)
{
    size_t           got;
    uint8_t         *buf;
    uint64_t         size;
    ph_int_t         rc;
    store_stream_t  *s;

    rc = store_raw_stream(conn, mid, &s);
    if (rc != PH_OK) {
        return rc;
    }

    size = store_stream_size(s);
    buf = size <= EX_RENDER_MAX ? ph_palloc(pool, size ? size : 1) : NULL;
    rc = buf == NULL ? PH_TOOBIG : store_stream_read(s, buf, size, &got);
    store_stream_close(&s);

    if (rc == PH_OK) {
        *raw_r = (ph_str_t) { got, buf };
    }

    return rc;
}


static ph_int_t
ex_render_made(store_conn_t *conn, store_message_t *msg, ph_pool_t *pool,
    ph_str_t *raw_r)
{
    char                        id[24];
    ph_int_t                    rc;
    mapi_message_t              value;
    const uint8_t              *at;
    conv_export_opts_t          opts;
    const store_info_t         *info;
    const store_message_fact_t *fact;

    rc = store_message_export(conn, msg, EX_RENDER_MAX, pool, &value);
    if (rc != PH_OK) {
        return rc;
    }

    fact = store_message_fact(msg);
    info = store_info(store_conn_store(conn));
    at = memchr(info->address.data, '@', info->address.len);

    memset(&opts, 0, sizeof(opts));
    opts.now = fact->received ? fact->received : info->created;
    if (at != NULL) {
        opts.domain.data = at + 1;
        opts.domain.len = (size_t) (info->address.data + info->address.len
                                    - opts.domain.data);
    }

    (void) snprintf(id, sizeof(id), "%" PRIx64, fact->id);
    opts.id = ph_str_c(id);
    opts.bcc = true;

    return conv_mime_export(pool, &value, &opts, raw_r);
}


static ph_int_t
ex_render_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t                       rc;
    uint64_t                       mid;
    store_message_t               *msg;
    exmdb_render_answer_t          a;
    const exmdb_render_request_t  *r = d->request;

    memset(&a, 0, sizeof(a));
    mid = store_id(r->mid);
    rc = store_message_open(conn, r->fid ? store_id(r->fid) : 0, mid,
                            STORE_OPEN_READONLY | STORE_OPEN_DELETED, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    a.cn = store_message_fact(msg)->cn;
    rc = ex_render_original(conn, mid, d->pool, &a.raw);
    a.original = rc == PH_OK;
    if (rc == PH_NOTFOUND) {
        rc = ex_render_made(conn, msg, d->pool, &a.raw);
    }

    store_message_close(&msg);
    if (rc != PH_OK) {
        return rc;
    }

    return exmdb_render_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_render(ex_call_t *call)
{
    ex_door_run(call, ex_render_run);
}


/* ---- summaries ---- */


static ph_int_t
ex_summary(store_conn_t *conn, ph_pool_t *pool, uint64_t fid, uint64_t mid,
    const mapi_tags_t *tags, exmdb_summary_t *s)
{
    uint32_t                    i, n;
    ph_int_t                    rc;
    mapi_values_t               v;
    store_message_t            *msg;
    store_message_fact_t        fact;

    memset(s, 0, sizeof(*s));
    rc = store_message_find(conn, mid, &fact);
    if (rc == PH_OK && (fact.folder != fid || fact.deleted)) {
        rc = PH_NOTFOUND;
    }

    if (rc == PH_OK) {
        rc = store_message_status(conn, fid, mid, &s->status);
    }

    if (rc != PH_OK) {
        return rc;
    }

    s->mid = store_eid(mid);
    s->cn = fact.cn;
    s->read_cn = fact.read_cn;
    s->flags = fact.flags;
    s->size = fact.size;
    s->received = fact.received;
    s->associated = fact.associated;
    if (tags->n == 0) {
        return PH_OK;
    }

    rc = store_message_open(conn, fid, mid, STORE_OPEN_READONLY, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    rc = store_message_get(conn, msg, tags, EX_BULK_VALUE, pool, &v);

    /* what it does not have is left out */
    for (i = 0, n = 0; rc == PH_OK && i < v.n; i++) {
        if (MAPI_TYPE(v.v[i].tag) != PT_ERROR) {
            v.v[n++] = v.v[i];
        }
    }
    v.n = n;
    if (rc == PH_OK) {
        rc = mapi_values_keep(pool, &v);
    }
    store_message_close(&msg);

    if (rc == PH_OK) {
        s->props = v;
    }

    return rc;
}


static ph_int_t
ex_summaries_run(ex_door_t *d, store_conn_t *conn)
{
    uint32_t                          i, n, limit;
    uint64_t                          fid, *ids;
    ph_int_t                          rc;
    mapi_tags_t                       tags;
    exmdb_summaries_answer_t          a;
    const exmdb_summaries_request_t  *r = d->request;

    memset(&a, 0, sizeof(a));
    fid = store_id(r->fid);
    tags.n = r->tags_count;
    tags.tag = r->tags;

    if (r->mids_count > 0) {
        n = r->mids_count;
        ids = ex_door_ids(d->pool, n, r->mids);
        if (ids == NULL) {
            return PH_NOMEM;
        }

    } else {
        limit = ph_min(r->limit ? r->limit : EX_BULK_LIST,
                       (uint32_t) EX_BULK_LIST);
        ids = ph_pcalloc_array(d->pool, limit, sizeof(uint64_t));
        if (ids == NULL) {
            return PH_NOMEM;
        }

        rc = store_messages_after(conn, fid, r->associated != 0,
                                  r->after ? store_id(r->after) : 0, limit,
                                  ids, &n);
        if (rc != PH_OK) {
            return rc;
        }

        a.more = n == limit;
    }

    a.messages = ph_pcalloc_array(d->pool, n ? n : 1,
                                  sizeof(exmdb_summary_t));
    if (a.messages == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < n; i++) {
        rc = ex_summary(conn, d->pool, fid, ids[i], &tags,
                        &a.messages[a.messages_count]);
        if (rc == PH_OK) {
            a.messages_count++;
        } else if (rc != PH_NOTFOUND) {
            return rc;
        }
    }

    return exmdb_summaries_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_summaries(ex_call_t *call)
{
    ex_door_run(call, ex_summaries_run);
}


/* ---- flags and keywords ---- */

/* PidNameKeywords here; registered when it was not */
static ph_int_t
ex_keywords_tag(store_conn_t *conn, uint32_t *tag_r)
{
    uint16_t         id;
    ph_int_t         rc;
    mapi_propname_t  name;

    memset(&name, 0, sizeof(name));
    name.guid = mapi_guid_PS_PUBLIC_STRINGS;
    name.kind = 1;
    name.name = ph_str_lit("Keywords");

    rc = store_named_ids(conn, true, 1, &name, &id);
    *tag_r = MAPI_TAG(id, PT_MV_UNICODE);

    return rc;
}


static bool
ex_keyword_in(const ph_str_t *list, uint32_t n, ph_str_t word)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (ph_str_ieq(list[i], word)) {
            return true;
        }
    }

    return false;
}


/* The words as they become; *changed_r false: nothing to do. */
static ph_int_t
ex_keywords(store_conn_t *conn, store_message_t *msg, ph_pool_t *pool,
    uint8_t how, uint32_t n, const ph_str_t *words, mapi_value_t *v_r,
    bool *changed_r)
{
    uint32_t       i, tag, k, had;
    ph_int_t       rc;
    ph_str_t      *list;
    mapi_tags_t    tags;
    mapi_values_t  v;

    *changed_r = false;
    rc = ex_keywords_tag(conn, &tag);
    if (rc != PH_OK) {
        return rc;
    }

    tags.n = 1;
    tags.tag = &tag;
    rc = store_message_get(conn, msg, &tags, EX_BULK_VALUE, pool, &v);
    if (rc != PH_OK) {
        return rc;
    }

    had = v.v[0].tag == tag ? v.v[0].u.mv.n : 0;
    list = ph_pcalloc_array(pool, had + n + 1, sizeof(ph_str_t));
    if (list == NULL) {
        return PH_NOMEM;
    }

    k = 0;
    for (i = 0; i < had && how != EXMDB_KEYWORDS_REPLACE; i++) {
        if (how == EXMDB_KEYWORDS_REMOVE
            && ex_keyword_in(words, n, v.v[0].u.mv.str[i]))
        {
            continue;
        }

        list[k++] = v.v[0].u.mv.str[i];
    }

    for (i = 0; i < n && how != EXMDB_KEYWORDS_REMOVE; i++) {
        if (words[i].len > 0 && !ex_keyword_in(list, k, words[i])) {
            list[k++] = words[i];
        }
    }

    *changed_r = k != had;
    for (i = 0; i < k && !*changed_r; i++) {
        *changed_r = !ph_str_eq(list[i], v.v[0].u.mv.str[i]);
    }

    memset(v_r, 0, sizeof(*v_r));
    v_r->tag = tag;
    v_r->u.mv.n = k;
    v_r->u.mv.str = list;

    return PH_OK;
}


static void
ex_put_i4(mapi_values_t *set, uint32_t tag, int32_t n)
{
    mapi_value_t  *v = &set->v[set->n++];

    memset(v, 0, sizeof(*v));
    v->tag = tag;
    v->u.i4 = n;
}


/* What a reader of the mailbox sees of the flags (MS-OXOMSG, MS-OXOFLAG). */
static void
ex_flags_props(uint32_t mask, uint32_t flags, uint64_t now,
    mapi_values_t *set, uint32_t *drop, uint32_t *n_drop)
{
    uint32_t      verb;
    mapi_value_t *v;

    if (mask & EXMDB_FLAG_FLAGGED) {
        if (flags & EXMDB_FLAG_FLAGGED) {
            ex_put_i4(set, PR_FLAG_STATUS, 2);
            ex_put_i4(set, PR_FOLLOWUP_ICON, 6);
            ex_put_i4(set, PR_TODO_ITEM_FLAGS, 1);
        } else {
            drop[(*n_drop)++] = PR_FLAG_STATUS;
            drop[(*n_drop)++] = PR_FOLLOWUP_ICON;
            drop[(*n_drop)++] = PR_TODO_ITEM_FLAGS;
        }
    }

    if ((mask & (EXMDB_FLAG_REPLIED | EXMDB_FLAG_FORWARDED)) == 0) {
        return;
    }

    verb = flags & mask & EXMDB_FLAG_REPLIED ? EX_VERB_REPLY
           : flags & mask & EXMDB_FLAG_FORWARDED ? EX_VERB_FORWARD : 0;
    if (verb == 0) {
        drop[(*n_drop)++] = PR_LAST_VERB_EXECUTED;
        drop[(*n_drop)++] = PR_LAST_VERB_EXECUTION_TIME;
        drop[(*n_drop)++] = PR_ICON_INDEX;
        return;
    }

    ex_put_i4(set, PR_LAST_VERB_EXECUTED, (int32_t) verb);
    ex_put_i4(set, PR_ICON_INDEX, verb == EX_VERB_REPLY ? EX_ICON_REPLIED
                                                        : EX_ICON_FORWARDED);
    v = &set->v[set->n++];
    memset(v, 0, sizeof(*v));
    v->tag = PR_LAST_VERB_EXECUTION_TIME;
    v->u.time = now;
}


#define EX_FLAG_PROPS  16

/* Sets them in a working copy; *dirty_r: it has to be saved. */
static ph_int_t
ex_flags_set(store_conn_t *conn, store_message_t *msg, ph_pool_t *pool,
    uint32_t mask, uint32_t flags, uint8_t how, uint32_t n,
    const ph_str_t *words, bool *dirty_r)
{
    bool               changed;
    uint32_t           drop[EX_FLAG_PROPS], n_drop;
    ph_int_t           rc;
    mapi_tags_t        tags;
    mapi_value_t       v[EX_FLAG_PROPS];
    mapi_values_t      set;
    store_problems_t   problems;

    rc = PH_OK;
    n_drop = 0;
    set.n = 0;
    set.v = v;
    ex_flags_props(mask, flags, ph_now_filetime(), &set, drop, &n_drop);

    if (how != EXMDB_KEYWORDS_KEEP) {
        rc = ex_keywords(conn, msg, pool, how, n, words, &v[set.n], &changed);
        if (rc == PH_OK && changed) {
            if (v[set.n].u.mv.n == 0) {
                drop[n_drop++] = v[set.n].tag;
            } else {
                set.n++;
            }
        }
    }

    *dirty_r = set.n + n_drop > 0;
    if (rc == PH_OK && set.n > 0) {
        rc = store_message_set(msg, &set, pool, &problems);
    }

    if (rc == PH_OK && n_drop > 0) {
        tags.n = n_drop;
        tags.tag = drop;
        rc = store_message_remove(msg, &tags, pool, &problems);
    }

    return rc;
}


static ph_int_t
ex_set_flags_one(ex_door_t *d, store_conn_t *conn, uint64_t fid,
    uint64_t mid, ph_pool_t *pool)
{
    bool                              dirty;
    uint32_t                          old;
    ph_int_t                          rc;
    store_many_t                      many;
    store_message_t                  *msg;
    const exmdb_set_flags_request_t  *r = d->request;

    rc = store_message_open(conn, fid, mid, STORE_OPEN_WRITE, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_flags_set(conn, msg, pool, r->mask, r->flags, r->keywords_how,
                      r->keywords_count, r->keywords, &dirty);
    if (rc == PH_OK && dirty) {
        rc = store_message_save(conn, msg, STORE_SAVE_FORCE
                                | STORE_SAVE_NO_QUOTA, NULL, NULL);
    }

    store_message_close(&msg);

    if (rc == PH_OK && (r->mask & EXMDB_FLAG_DELETED)) {
        rc = store_message_set_status(conn, fid, mid,
                                      r->flags & EXMDB_FLAG_DELETED
                                      ? EX_STATUS_DELETED : 0,
                                      EX_STATUS_DELETED, &old);
    }

    if (rc == PH_OK && (r->mask & EXMDB_FLAG_READ)) {
        rc = store_messages_set_read(conn, fid, 0x01
                                     | (r->flags & EXMDB_FLAG_READ ? 0
                                                                   : 0x04),
                                     1, &mid, pool, NULL, NULL, &many);
    }

    return rc;
}


static ph_int_t
ex_set_flags_run(ex_door_t *d, store_conn_t *conn)
{
    uint32_t                          i;
    ph_int_t                          rc;
    ph_pool_t                        *pool;
    exmdb_set_flags_answer_t          a;
    const exmdb_set_flags_request_t  *r = d->request;

    memset(&a, 0, sizeof(a));

    for (i = 0; i < r->mids_count; i++) {
        pool = ph_pool_create("set flags", 0);
        if (pool == NULL) {
            return PH_NOMEM;
        }

        rc = ex_set_flags_one(d, conn, store_id(r->fid), store_id(r->mids[i]),
                              pool);
        ph_pool_destroy(&pool);

        if (rc == PH_OK) {
            a.done++;
        } else if (rc == PH_NOTFOUND || rc == PH_DENIED || rc == PH_TOOBIG
                   || rc == PH_INVALID)
        {
            a.failed++;
        } else {
            return rc;
        }
    }

    a.cn = store_last_cn(store_conn_store(conn));

    return exmdb_set_flags_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_set_flags(ex_call_t *call)
{
    ex_door_run(call, ex_set_flags_run);
}


/* ---- append ---- */

static ph_int_t
ex_append_run(ex_door_t *d, store_conn_t *conn)
{
    bool                           dirty, duplicate;
    uint64_t                       mid, fid;
    uint32_t                       old;
    ph_int_t                       rc;
    store_message_t               *msg;
    store_delivery_t               delivery;
    exmdb_append_answer_t          a;
    const exmdb_append_request_t  *r = d->request;

    memset(&delivery, 0, sizeof(delivery));
    delivery.folder = store_id(r->fid);
    delivery.received = r->received;
    delivery.message = d->data;
    delivery.raw = r->raw;
    delivery.appended = true;
    rc = store_deliver(conn, &delivery, &mid, &fid, &duplicate, NULL);
    if (rc != PH_OK) {
        return rc;
    }

    /* in the same savepoint: nobody sees it without its flags */
    if (r->flags != 0 || r->keywords_count > 0) {
        rc = store_message_open(conn, fid, mid, STORE_OPEN_WRITE, &msg);
        if (rc != PH_OK) {
            return rc;
        }

        rc = ex_flags_set(conn, msg, d->pool, r->flags, r->flags,
                          r->keywords_count ? EXMDB_KEYWORDS_REPLACE
                                            : EXMDB_KEYWORDS_KEEP,
                          r->keywords_count, r->keywords, &dirty);
        if (rc == PH_OK && dirty) {
            rc = store_message_save(conn, msg, STORE_SAVE_FORCE, NULL, NULL);
        }

        store_message_close(&msg);
    }

    if (rc == PH_OK && (r->flags & (EXMDB_FLAG_READ | EXMDB_FLAG_DRAFT))) {
        rc = store_message_set_flags(conn, mid,
            (r->flags & EXMDB_FLAG_READ ? EX_MSG_READ : 0)
            | (r->flags & EXMDB_FLAG_DRAFT ? EX_MSG_UNSENT : 0),
            EX_MSG_READ | EX_MSG_UNSENT, &old);
    }

    if (rc == PH_OK && (r->flags & EXMDB_FLAG_DELETED)) {
        rc = store_message_set_status(conn, fid, mid, EX_STATUS_DELETED,
                                      EX_STATUS_DELETED, &old);
    }

    if (rc != PH_OK) {
        return rc;
    }

    a.mid = store_eid(mid);
    a.cn = store_last_cn(store_conn_store(conn));

    return exmdb_append_answer_encode_new(d->pool, &a, &d->answer);
}


/* On a thread, before the writer is asked for: nobody waits for it. */
static void
ex_append_work(void *data)
{
    ex_door_t                     *d = data;
    mapi_message_t                *value;
    conv_import_opts_t             opts;
    const exmdb_append_request_t  *r = d->request;

    memset(&opts, 0, sizeof(opts));
    opts.now = r->received ? r->received : ph_now_filetime();
    d->rc = conv_mime_import(d->pool, r->raw, &opts, &value);
    d->data = value;
}


static void
ex_append_ready(void *data)
{
    ex_door_t  *d = data;

    if (d->rc != PH_OK) {
        /* without memory: more than a request may take */
        ex_reply_rc(d->call, d->rc == PH_NOMEM ? PH_TOOBIG : d->rc);
        return;
    }

    ex_door_start(d);
}


void
ex_op_append(ex_call_t *call)
{
    ex_door_t  *d;

    d = ex_door_open(call, ex_append_run);
    if (d != NULL
        && ph_work(call->ex->loop, ex_append_work, ex_append_ready, d)
           != PH_OK)
    {
        ex_reply(call, PH_WIRE_BUSY, ph_str_null);
    }
}


/* ---- copy, move, delete ---- */

static ph_int_t
ex_transfer_run(ex_door_t *d, store_conn_t *conn)
{
    uint32_t                         i, n;
    uint64_t                        *ids, *made, fid, to;
    ph_int_t                         rc;
    store_many_t                     many;
    exmdb_transfer_answer_t          a;
    const exmdb_transfer_request_t  *r = d->request;

    memset(&a, 0, sizeof(a));
    n = r->mids_count;
    fid = store_id(r->fid);
    to = r->to ? store_id(r->to) : 0;
    ids = ex_door_ids(d->pool, n, r->mids);
    made = ph_pcalloc_array(d->pool, n ? n : 1, sizeof(uint64_t));
    a.new_mids = ph_pcalloc_array(d->pool, n ? n : 1, sizeof(mapi_eid_t));
    if (ids == NULL || made == NULL || a.new_mids == NULL) {
        return PH_NOMEM;
    }

    switch (r->how) {
    case EXMDB_TRANSFER_COPY:
        rc = store_messages_copy(conn, fid, to, n, ids, made, &many);
        break;
    case EXMDB_TRANSFER_MOVE:
        rc = store_messages_move(conn, fid, to, n, ids, made, &many);
        break;
    case EXMDB_TRANSFER_DELETE:
    case EXMDB_TRANSFER_HARD_DELETE:
        rc = store_messages_delete(conn, fid,
                                   r->how == EXMDB_TRANSFER_HARD_DELETE, n,
                                   ids, &many);
        break;
    default:
        rc = PH_INVALID;
    }

    if (rc != PH_OK) {
        return rc;
    }

    a.done = many.done;
    a.failed = many.failed;
    a.quota = many.quota;
    a.cn = store_last_cn(store_conn_store(conn));
    if (to != 0) {
        a.new_mids_count = (uint16_t) n;
        for (i = 0; i < n; i++) {
            a.new_mids[i] = made[i] ? store_eid(made[i]) : 0;
        }
    }

    return exmdb_transfer_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_transfer(ex_call_t *call)
{
    ex_door_run(call, ex_transfer_run);
}
