/* Properties of the store object (MS-OXCSTOR 2.2.2). */

#include "store_message_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_entryid.h"

static const uint32_t  store_object_computed[] = {
    PR_DISPLAY_NAME, PR_RECORD_KEY, PR_STORE_RECORD_KEY, PR_INSTANCE_KEY,
    PR_MAPPING_SIGNATURE, PR_ENTRYID, PR_STORE_ENTRYID, PR_OBJECT_TYPE,
    PR_MAILBOX_OWNER_NAME, PR_MAILBOX_OWNER_ENTRYID, PR_EMAIL_ADDRESS,
    PR_MESSAGE_SIZE,
    PR_MESSAGE_SIZE_EXTENDED, PR_NORMAL_MESSAGE_SIZE,
    PR_NORMAL_MESSAGE_SIZE_EXTENDED, PR_ASSOC_MESSAGE_SIZE,
    PR_ASSOC_MESSAGE_SIZE_EXTENDED, PR_CONTENT_COUNT, PR_ASSOC_CONTENT_COUNT,
    PR_DELETED_MSG_COUNT, PR_LOCALE_ID, PR_SORT_LOCALE_ID, PR_CREATION_TIME,
    PR_CODE_PAGE_ID, PR_VALID_FOLDER_MASK, PR_STORAGE_QUOTA_LIMIT,
    PR_PROHIBIT_RECEIVE_QUOTA, PR_PROHIBIT_SEND_QUOTA, PR_QUOTA_WARNING,
    PR_QUOTA_SEND, PR_QUOTA_RECEIVE, PR_QUOTA_WARNING_THRESHOLD,
    PR_QUOTA_SEND_THRESHOLD, PR_QUOTA_RECEIVE_THRESHOLD, PR_STORE_STATE,
    PR_DELETED_MESSAGE_SIZE, PR_DELETED_MESSAGE_SIZE_EXTENDED,
    PR_STORE_SUPPORT_MASK, PR_RESOURCE_TYPE, PidTagSerializedReplidGuidMap,
    PR_ACCESS_LEVEL, PR_IPM_SUBTREE_ENTRYID, PR_IPM_OUTBOX_ENTRYID,
    PR_IPM_WASTEBASKET_ENTRYID, PR_IPM_SENTMAIL_ENTRYID, PR_VIEWS_ENTRYID,
    PR_COMMON_VIEWS_ENTRYID, PR_FINDER_ENTRYID, PR_MDB_PROVIDER,
    PR_OOF_STATE, PR_EXTENDED_RULE_SIZE_LIMIT
};

/* computed until a client sets another value */
static bool
store_object_writable(uint32_t tag)
{
    return MAPI_ID(tag) == MAPI_ID(PR_LOCALE_ID)
           || MAPI_ID(tag) == MAPI_ID(PR_SORT_LOCALE_ID)
           || MAPI_ID(tag) == MAPI_ID(PR_DISPLAY_NAME)
           || tag == PR_OOF_STATE;
}

static uint64_t
store_object_folder(uint32_t tag)
{
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_IPM_SUBTREE_ENTRYID):
        return STORE_IPM_SUBTREE;
    case MAPI_ID(PR_IPM_OUTBOX_ENTRYID):
        return STORE_OUTBOX;
    case MAPI_ID(PR_IPM_WASTEBASKET_ENTRYID):
        return STORE_TRASH;
    case MAPI_ID(PR_IPM_SENTMAIL_ENTRYID):
        return STORE_SENT;
    case MAPI_ID(PR_VIEWS_ENTRYID):
        return STORE_VIEWS;
    case MAPI_ID(PR_COMMON_VIEWS_ENTRYID):
        return STORE_COMMON_VIEWS;
    case MAPI_ID(PR_FINDER_ENTRYID):
        return STORE_FINDER;
    default:
        return 0;
    }
}

static ph_int_t
store_object_size(uint32_t tag, uint64_t size, uint32_t narrow, uint32_t wide,
    mapi_value_t *v)
{
    if (MAPI_TYPE(tag) == PT_I8) {
        v->tag = wide;
        v->u.i8 = (int64_t) size;
    } else {
        v->tag = narrow;
        v->u.i4 = (int32_t) ph_min(size, (uint64_t) INT32_MAX);
    }

    return PH_OK;
}

/* bytes -> KiB; 0: no limit, no property */
static ph_int_t
store_object_quota(store_conn_t *conn, uint32_t tag, mapi_value_t *v)
{
    uint64_t       limit;
    store_quota_t  q;

    store_try(store_quota_get(conn, &q));
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_STORAGE_QUOTA_LIMIT):
    case MAPI_ID(PR_QUOTA_WARNING):
    case MAPI_ID(PR_QUOTA_WARNING_THRESHOLD):
        limit = q.warning;
        break;
    case MAPI_ID(PR_PROHIBIT_SEND_QUOTA):
    case MAPI_ID(PR_QUOTA_SEND):
    case MAPI_ID(PR_QUOTA_SEND_THRESHOLD):
        limit = q.send;
        break;
    default:
        limit = q.receive;
        break;
    }
    if (limit == 0) {
        return PH_NOTFOUND;
    }
    v->tag = MAPI_RETYPE(tag, PT_LONG);
    v->u.i4 = (int32_t) ph_min(limit / 1024, (uint64_t) INT32_MAX);

    return PH_OK;
}

/* out of office: on, or in its time */
static ph_int_t
store_object_oof(store_conn_t *conn, ph_pool_t *pool, mapi_value_t *v)
{
    store_oof_t  oof;

    store_try(store_oof_get(conn, pool, &oof));
    v->tag = PR_OOF_STATE;
    v->u.b = store_oof_active(&oof, store_filetime());

    return PH_OK;
}

/* A client that only knows the property switches it, whatever its time is. */
static ph_int_t
store_object_oof_set(store_conn_t *conn, ph_pool_t *pool, bool on)
{
    store_oof_t  oof;

    store_try(store_oof_get(conn, pool, &oof));
    if (store_oof_active(&oof, store_filetime()) == on) {
        return PH_OK;
    }
    oof.state = on ? STORE_OOF_ON : STORE_OOF_OFF;

    return store_oof_set(conn, &oof);
}

#define store_answer(t, field, value)                                        \
    do {                                                                     \
        v->tag = (t);                                                        \
        v->u.field = (value);                                                \
        return PH_OK;                                                        \
    } while (0)

static ph_int_t
store_object_compute(store_conn_t *conn, uint32_t tag, ph_pool_t *pool,
    mapi_value_t *v)
{
    uint64_t             fid;
    store_totals_t       t;
    const store_info_t  *info;
    static const uint8_t  provider[2][16] = {
        { 0x54, 0x94, 0xA1, 0xC0, 0x29, 0x7F, 0x10, 0x1B,
          0xA5, 0x87, 0x08, 0x00, 0x2B, 0x2A, 0x25, 0x17 },
        { 0x78, 0xB2, 0xFA, 0x70, 0xAF, 0xF7, 0x11, 0xCD,
          0x9B, 0xC8, 0x00, 0xAA, 0x00, 0x2F, 0xC4, 0x5A }
    };

    info = &conn->store->info;

    fid = store_object_folder(tag);
    if (fid) {
        if (info->kind != STORE_PRIVATE) {
            return PH_NOTFOUND;
        }
        v->tag = MAPI_RETYPE(tag, PT_BINARY);
        return store_folder_entryid(conn->store, fid, pool, &v->u.bin);
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_DISPLAY_NAME):
        store_answer(PR_DISPLAY_NAME, str, info->display_name);
    case MAPI_ID(PR_MAILBOX_OWNER_NAME):
        store_answer(PR_MAILBOX_OWNER_NAME, str, info->display_name);
    case MAPI_ID(PR_MAILBOX_OWNER_ENTRYID):
        v->tag = PR_MAILBOX_OWNER_ENTRYID;
        return mapi_entryid_ab(pool, DT_MAILUSER, info->legacy_dn,
                               &v->u.bin);
    case MAPI_ID(PR_EMAIL_ADDRESS):
        store_answer(PR_EMAIL_ADDRESS, str, info->legacy_dn);
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_STORE_RECORD_KEY):
    case MAPI_ID(PR_INSTANCE_KEY):
        store_answer(MAPI_RETYPE(tag, PT_BINARY), bin,
                     ((ph_str_t) { 16, info->guid.b }));
    case MAPI_ID(PR_MAPPING_SIGNATURE):
        store_answer(PR_MAPPING_SIGNATURE, bin,
                     ((ph_str_t) { 16, info->mapping.b }));
    case MAPI_ID(PR_MDB_PROVIDER):
        store_answer(PR_MDB_PROVIDER, bin,
                     ((ph_str_t) { 16, provider[info->kind] }));
    case MAPI_ID(PR_ENTRYID):
    case MAPI_ID(PR_STORE_ENTRYID):
        v->tag = MAPI_RETYPE(tag, PT_BINARY);
        return store_entryid(conn->store, pool, &v->u.bin);
    case MAPI_ID(PR_OBJECT_TYPE):
        store_answer(PR_OBJECT_TYPE, i4, 1);
    case MAPI_ID(PR_ACCESS_LEVEL):
        store_answer(PR_ACCESS_LEVEL, i4, 1);
    case MAPI_ID(PR_RESOURCE_TYPE):
        store_answer(PR_RESOURCE_TYPE, i4, 33);
    case MAPI_ID(PR_STORE_STATE):
        store_answer(PR_STORE_STATE, i4, 0);
    case MAPI_ID(PR_STORE_SUPPORT_MASK):
        store_answer(PR_STORE_SUPPORT_MASK, i4,
                     info->kind == STORE_PUBLIC ? 0x0004797D : 0x000479FD);
    case MAPI_ID(PR_VALID_FOLDER_MASK):
        store_answer(PR_VALID_FOLDER_MASK, i4, 0xFF);
    case MAPI_ID(PR_LOCALE_ID):
    case MAPI_ID(PR_SORT_LOCALE_ID):
        store_answer(MAPI_RETYPE(tag, PT_LONG), i4, (int32_t) info->lcid);
    case MAPI_ID(PR_CODE_PAGE_ID):
        store_answer(PR_CODE_PAGE_ID, i4, 1252);
    case MAPI_ID(PR_CREATION_TIME):
        store_answer(PR_CREATION_TIME, time, info->created);
    case MAPI_ID(PidTagSerializedReplidGuidMap):
        v->tag = PidTagSerializedReplidGuidMap;
        return store_replica_map(conn, pool, &v->u.bin);
    case MAPI_ID(PR_OOF_STATE):
        return store_object_oof(conn, pool, v);
    case MAPI_ID(PR_EXTENDED_RULE_SIZE_LIMIT):
        store_answer(PR_EXTENDED_RULE_SIZE_LIMIT, i4,
                     STORE_EXTENDED_RULE_MAX);
    case MAPI_ID(PR_STORAGE_QUOTA_LIMIT):
    case MAPI_ID(PR_PROHIBIT_RECEIVE_QUOTA):
    case MAPI_ID(PR_PROHIBIT_SEND_QUOTA):
    case MAPI_ID(PR_QUOTA_WARNING):
    case MAPI_ID(PR_QUOTA_SEND):
    case MAPI_ID(PR_QUOTA_RECEIVE):
    case MAPI_ID(PR_QUOTA_WARNING_THRESHOLD):
    case MAPI_ID(PR_QUOTA_SEND_THRESHOLD):
    case MAPI_ID(PR_QUOTA_RECEIVE_THRESHOLD):
        return store_object_quota(conn, tag, v);
    default:
        break;
    }

    store_try(store_totals(conn, &t));

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_MESSAGE_SIZE):
        return store_object_size(tag, t.size, PR_MESSAGE_SIZE,
                                 PR_MESSAGE_SIZE_EXTENDED, v);
    case MAPI_ID(PR_NORMAL_MESSAGE_SIZE):
        return store_object_size(tag, t.normal_size, PR_NORMAL_MESSAGE_SIZE,
                                 PR_NORMAL_MESSAGE_SIZE_EXTENDED, v);
    case MAPI_ID(PR_ASSOC_MESSAGE_SIZE):
        return store_object_size(tag, t.associated_size,
                                 PR_ASSOC_MESSAGE_SIZE,
                                 PR_ASSOC_MESSAGE_SIZE_EXTENDED, v);
    case MAPI_ID(PR_DELETED_MESSAGE_SIZE):
        return store_object_size(tag, t.deleted_size, PR_DELETED_MESSAGE_SIZE,
                                 PR_DELETED_MESSAGE_SIZE_EXTENDED, v);
    case MAPI_ID(PR_CONTENT_COUNT):
        store_answer(PR_CONTENT_COUNT, i4, (int32_t) t.total);
    case MAPI_ID(PR_ASSOC_CONTENT_COUNT):
        store_answer(PR_ASSOC_CONTENT_COUNT, i4, (int32_t) t.associated);
    case MAPI_ID(PR_DELETED_MSG_COUNT):
        store_answer(PR_DELETED_MSG_COUNT, i4, (int32_t) t.deleted);
    default:
        return PH_NOTFOUND;
    }
}

static ph_int_t
store_object_bag(store_conn_t *conn, ph_pool_t *pool, store_bag_t *bag)
{
    ph_int_t       rc;
    ph_str_t       packed;
    sqlite3_stmt  *s;

    store_bag_init(bag, pool);
    store_try(store_q(conn, SQL_MAILBOX_PROPS, &s, ""));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        packed = ph_pstrdup(pool, store_col_str(s, 0));
        rc = packed.data ? store_bag_unpack(bag, packed) : PH_NOMEM;
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_CORRUPT : rc;
}

ph_int_t
store_get(store_conn_t *conn, const mapi_tags_t *tags, size_t limit,
    ph_pool_t *pool, mapi_values_t *values_r)
{
    uint32_t       i;
    ph_int_t       rc;
    mapi_value_t  *v, got;
    store_bag_t    bag;

    v = ph_pcalloc_array(pool, tags->n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }
    store_try(store_object_bag(conn, pool, &bag));

    for (i = 0; i < tags->n; i++) {
        rc = MAPI_ID(tags->tag[i]) == MAPI_ID(PR_OOF_STATE) ? PH_NOTFOUND
             : store_bag_answer(conn, &bag, tags->tag[i], limit, pool, &v[i]);
        if (rc == PH_NOTFOUND) {
            memset(&got, 0, sizeof(got));
            rc = store_object_compute(conn, tags->tag[i], pool, &got);
            if (rc == PH_OK) {
                rc = store_value_answer(conn, tags->tag[i], &got, false, 0,
                                        NULL, 0, SIZE_MAX, pool, &v[i]);
            }
        }
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
store_tags(store_conn_t *conn, ph_pool_t *pool, mapi_tags_t *tags_r)
{
    uint32_t      i, k, n, *tag;
    store_bag_t   bag;

    store_try(store_object_bag(conn, pool, &bag));
    n = ph_nelts(store_object_computed);
    tag = ph_palloc(pool, (n + bag.n) * sizeof(*tag));
    if (tag == NULL) {
        return PH_NOMEM;
    }
    memcpy(tag, store_object_computed, n * sizeof(*tag));
    for (i = 0; i < bag.n; i++) {
        for (k = 0; k < ph_nelts(store_object_computed); k++) {
            if (MAPI_ID(tag[k]) == MAPI_ID(bag.slot[i].v.tag)) {
                break;
            }
        }
        if (k == ph_nelts(store_object_computed)) {
            tag[n++] = bag.slot[i].v.tag;
        }
    }
    tags_r->n = n;
    tags_r->tag = tag;

    return PH_OK;
}

static uint32_t
store_object_refused(uint32_t tag)
{
    uint32_t  i;

    if (store_object_writable(tag)) {
        return 0;
    }
    for (i = 0; i < ph_nelts(store_object_computed); i++) {
        if (MAPI_ID(store_object_computed[i]) == MAPI_ID(tag)) {
            return STORE_EC_COMPUTED;
        }
    }

    return 0;
}

static ph_int_t
store_object_save(store_conn_t *conn, store_bag_t *bag)
{
    ph_int_t         rc;
    ph_wbuf_t        out;
    store_event_t   *ev;
    store_idlist_t   list = { 0, 0, NULL };

    ph_wbuf_init(&out, bag->pool, 64u << 20);
    rc = store_bag_pack(conn, bag, &out, &list);
    if (rc == PH_OK) {
        rc = store_exec(conn, SQL_MAILBOX_PROPS_SET, "z", ph_wbuf_str(&out));
    }
    if (rc == PH_OK) {
        rc = store_content_set(conn, 0, list.n, list.id);
    }
    store_idlist_free(&list);
    if (rc == PH_OK) {
        ev = store_event_add(conn, STORE_EV_MODIFIED);
        rc = ev ? PH_OK : PH_NOMEM;
    }

    return rc;
}

ph_int_t
store_set(store_conn_t *conn, const mapi_values_t *values, ph_pool_t *pool,
    store_problems_t *problems_r)
{
    uint32_t             i, code;
    ph_int_t             rc;
    ph_pool_t           *work;
    store_bag_t          bag;
    const mapi_value_t  *v;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    store_try(store_need_write(conn));
    work = ph_pool_create("store object", STORE_OBJECT_LIMIT);
    if (work == NULL) {
        return PH_NOMEM;
    }

    rc = store_object_bag(conn, work, &bag);
    for (i = 0; rc == PH_OK && i < values->n; i++) {
        v = &values->v[i];
        code = store_storable(MAPI_TYPE(v->tag)) ? store_object_refused(v->tag)
                                                 : STORE_EC_INVALID;
        if (code) {
            rc = store_problem(pool, problems_r, i, v->tag, code);
        } else if (v->tag == PR_OOF_STATE) {
            rc = store_object_oof_set(conn, work, v->u.b);
        } else {
            rc = store_slot_set(conn->store, &bag, v);
        }
    }
    if (rc == PH_OK) {
        rc = store_object_save(conn, &bag);
    }
    store_bag_clear(&bag);
    ph_pool_destroy(&work);

    return rc;
}

ph_int_t
store_remove_props(store_conn_t *conn, const mapi_tags_t *tags,
    ph_pool_t *pool, store_problems_t *problems_r)
{
    uint32_t      i, code;
    ph_int_t      rc;
    ph_pool_t    *work;
    store_bag_t   bag;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    store_try(store_need_write(conn));
    work = ph_pool_create("store object", STORE_OBJECT_LIMIT);
    if (work == NULL) {
        return PH_NOMEM;
    }

    rc = store_object_bag(conn, work, &bag);
    for (i = 0; rc == PH_OK && i < tags->n; i++) {
        code = store_object_refused(tags->tag[i]);
        if (code) {
            rc = store_problem(pool, problems_r, i, tags->tag[i], code);
        } else {
            (void) store_bag_del(&bag, tags->tag[i]);
        }
    }
    if (rc == PH_OK) {
        rc = store_object_save(conn, &bag);
    }
    ph_pool_destroy(&work);

    return rc;
}
