/* Limits and recoverable items for the administrator. */

#include "ex_door.h"

#define EX_RECOVER_LIST   1000     /* items in one answer */
#define EX_RECOVER_BATCH  1000     /* messages in one transaction */
#define EX_RECOVER_TEXT   1000     /* bytes of a subject */


static ph_int_t
ex_quota_show_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t              rc;
    store_quota_t         q;
    store_totals_t        t;
    exmdb_quota_answer_t  a;

    rc = store_quota_get(conn, &q);
    if (rc == PH_OK) {
        rc = store_totals(conn, &t);
    }

    if (rc != PH_OK) {
        return rc;
    }

    a.size = t.size;
    a.messages = t.total;
    a.associated = t.associated;
    a.deleted_size = t.deleted_size;
    a.deleted = t.deleted;
    a.warning = q.warning;
    a.send = q.send;
    a.receive = q.receive;
    a.deleted_limit = q.deleted;
    a.keep = q.keep;
    a.hold = q.hold;
    a.warned = q.warned;

    return exmdb_quota_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_quota(ex_call_t *call)
{
    ex_door_run(call, ex_quota_show_run);
}


typedef struct {
    ph_pool_t                        *pool;
    uint32_t                          cap;
    exmdb_recoverable_list_answer_t   a;
} ex_recover_walk_t;


static ph_int_t
ex_recover_item(void *data, const store_recoverable_t *item)
{
    ex_recover_walk_t    *w = data;
    exmdb_recoverable_t  *r;

    if (w->a.items_count == w->cap) {
        return PH_DONE;
    }

    r = &w->a.items[w->a.items_count];
    r->fid = store_eid(item->folder);
    r->mid = item->message ? store_eid(item->message) : 0;
    r->deleted = item->deleted;
    r->size = item->size;
    r->associated = item->associated;
    r->subject = item->subject;
    r->subject.len = ph_utf8_cut(r->subject, EX_RECOVER_TEXT);
    r->subject = ph_pstrdup(w->pool, r->subject);
    r->sender = item->sender;
    r->sender.len = ph_utf8_cut(r->sender, EX_RECOVER_TEXT);
    r->sender = ph_pstrdup(w->pool, r->sender);
    if (r->subject.data == NULL || r->sender.data == NULL) {
        return PH_NOMEM;
    }

    w->a.items_count++;

    return PH_OK;
}


static ph_int_t
ex_recover_list_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t                                 rc;
    ex_recover_walk_t                        w;
    const exmdb_recoverable_list_request_t  *r = d->request;

    memset(&w, 0, sizeof(w));
    w.pool = d->pool;
    w.cap = ph_min(r->limit ? r->limit : EX_RECOVER_LIST,
                   (uint32_t) EX_RECOVER_LIST);
    w.a.items = ph_pcalloc_array(d->pool, w.cap, sizeof(exmdb_recoverable_t));
    if (w.a.items == NULL) {
        return PH_NOMEM;
    }

    rc = store_recoverable(conn, r->fid ? store_id(r->fid) : 0, r->since,
                           w.cap, ex_recover_item, &w);
    if (rc != PH_OK && rc != PH_DONE) {
        return rc;
    }

    return exmdb_recoverable_list_answer_encode_new(d->pool, &w.a,
                                                    &d->answer);
}


void
ex_op_recoverable_list(ex_call_t *call)
{
    ex_door_run(call, ex_recover_list_run);
}


static ph_int_t
ex_recover_one(store_conn_t *conn, const exmdb_item_t *item, uint64_t to,
    exmdb_recoverable_restore_answer_t *a)
{
    ph_int_t       rc;
    uint64_t       fid, mid;
    store_many_t   many;

    fid = store_id(item->fid);

    if (item->mid == 0) {
        rc = store_folder_restore(conn, fid, to, ph_str_null);
        if (rc == PH_OK) {
            a->folders++;
        }

    } else {
        mid = store_id(item->mid);
        rc = store_messages_restore(conn, fid, to ? to : fid, 1, &mid, &many);
        if (rc == PH_OK) {
            a->messages += many.done;
            a->failed += many.failed;
            a->quota = a->quota || many.quota;
        }
    }

    if (rc == PH_NOTFOUND || rc == PH_EXISTS || rc == PH_CONFLICT
        || rc == PH_TOOBIG || rc == PH_INVALID || rc == PH_DENIED)
    {
        a->failed++;
        rc = PH_OK;
    }

    return rc;
}


static ph_int_t
ex_recover_restore_run(ex_door_t *d, store_conn_t *conn)
{
    uint32_t                                    i;
    ph_int_t                                    rc;
    exmdb_recoverable_restore_answer_t          a;
    const exmdb_recoverable_restore_request_t  *r = d->request;

    memset(&a, 0, sizeof(a));
    for (i = 0; i < r->items_count; i++) {
        rc = ex_recover_one(conn, &r->items[i], r->to ? store_id(r->to) : 0,
                            &a);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return exmdb_recoverable_restore_answer_encode_new(d->pool, &a,
                                                       &d->answer);
}


void
ex_op_recoverable_restore(ex_call_t *call)
{
    ex_door_run(call, ex_recover_restore_run);
}


static ph_int_t
ex_recover_since_run(ex_door_t *d, store_conn_t *conn)
{
    bool                                      more;
    uint32_t                                  limit;
    ph_int_t                                  rc;
    store_restored_t                          res;
    exmdb_recoverable_since_answer_t          a;
    const exmdb_recoverable_since_request_t  *r = d->request;

    limit = ph_min(r->limit ? r->limit : EX_RECOVER_BATCH,
                   (uint32_t) EX_RECOVER_BATCH);
    rc = store_restore_since(conn, store_id(r->fid), r->since,
                             ((r->flags & EXMDB_SINCE_SUBFOLDERS)
                              ? STORE_RESTORE_SUBFOLDERS : 0)
                             | ((r->flags & EXMDB_SINCE_TRASH)
                                ? STORE_RESTORE_TRASH : 0),
                             limit, &res, &more);
    if (rc != PH_OK) {
        return rc;
    }

    a.messages = res.messages;
    a.folders = res.folders;
    a.failed = res.failed;
    a.quota = res.quota;
    a.more = more;

    return exmdb_recoverable_since_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_recoverable_since(ex_call_t *call)
{
    ex_door_run(call, ex_recover_since_run);
}


static ph_int_t
ex_recover_purge_run(ex_door_t *d, store_conn_t *conn)
{
    bool                                      more;
    ph_int_t                                  rc;
    store_purged_t                            p;
    exmdb_recoverable_purge_answer_t          a;
    const exmdb_recoverable_purge_request_t  *r = d->request;

    rc = store_purge(conn, r->before,
                     ph_min(r->limit ? r->limit : EX_RECOVER_BATCH,
                            (uint32_t) EX_RECOVER_BATCH), &p, &more);
    if (rc != PH_OK) {
        return rc;
    }

    a.messages = p.messages;
    a.folders = p.folders;
    a.bytes = p.bytes;
    a.more = more;

    return exmdb_recoverable_purge_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_recoverable_purge(ex_call_t *call)
{
    ex_door_run(call, ex_recover_purge_run);
}
