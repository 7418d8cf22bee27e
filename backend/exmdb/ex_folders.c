/* Folders in bulk, and what the administrator does with a whole mailbox. */

#include "ex_door.h"
#include "ex_session.h"
#include "mapi/mapi_tags.h"

#define EX_COMPACT_PAGES  10000


typedef struct {
    ex_door_t              *door;
    store_conn_t           *conn;
    uint32_t                cap;
    exmdb_folders_answer_t  a;
} ex_folders_walk_t;


/* class, hidden and time of creation, which are properties */
static ph_int_t
ex_folders_props(ex_folders_walk_t *w, uint64_t fid, exmdb_folder_t *f)
{
    ph_int_t       rc;
    mapi_tags_t    tags;
    mapi_values_t  v;

    static const uint32_t  wanted[] = {
        PR_CONTAINER_CLASS, PR_ATTR_HIDDEN, PR_CREATION_TIME
    };

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;
    rc = store_folder_get(w->conn, fid, &tags, 1024, w->door->pool, &v);
    if (rc != PH_OK) {
        return rc;
    }

    if (v.v[0].tag == wanted[0]) {
        f->container_class = v.v[0].u.str;
    }

    if (v.v[1].tag == wanted[1]) {
        f->hidden = v.v[1].u.b;
    }

    if (v.v[2].tag == wanted[2]) {
        f->created = v.v[2].u.time;
    }

    return PH_OK;
}


static ph_int_t
ex_folders_one(void *data, const store_folder_t *from, unsigned depth)
{
    uint32_t            cap;
    exmdb_folder_t     *f;
    ex_folders_walk_t  *w = data;

    (void) depth;

    if (w->a.folders_count == w->cap) {
        cap = w->cap ? w->cap * 2 : 64;
        f = ph_prealloc(w->door->pool, w->a.folders,
                        w->cap * sizeof(exmdb_folder_t),
                        cap * sizeof(exmdb_folder_t));
        if (f == NULL) {
            return PH_NOMEM;
        }

        w->a.folders = f;
        w->cap = cap;
    }

    f = &w->a.folders[w->a.folders_count];
    memset(f, 0, sizeof(*f));
    f->fid = store_eid(from->id);
    f->parent = from->parent ? store_eid(from->parent) : 0;
    f->name = ph_pstrdup(w->door->pool, from->name);
    f->type = from->type;
    f->total = from->total;
    f->unread = from->unread;
    f->associated = from->associated;
    f->size = from->size;
    f->cn = from->cn;
    f->content_version = from->content_version;
    if (f->name.data == NULL) {
        return PH_NOMEM;
    }

    w->a.folders_count++;

    return PH_OK;
}


static ph_int_t
ex_folders_run(ex_door_t *d, store_conn_t *conn)
{
    uint32_t                        i;
    ph_int_t                        rc;
    ex_folders_walk_t               w;
    const exmdb_folders_request_t  *r = d->request;

    memset(&w, 0, sizeof(w));
    w.door = d;
    w.conn = conn;
    rc = store_folder_walk(conn, r->fid ? store_id(r->fid) : STORE_ROOT,
                           r->deep != 0, r->deleted != 0, ex_folders_one, &w);

    for (i = 0; rc == PH_OK && i < w.a.folders_count; i++) {
        rc = ex_folders_props(&w, store_id(w.a.folders[i].fid),
                              &w.a.folders[i]);
    }

    if (rc != PH_OK) {
        return rc;
    }

    return exmdb_folders_answer_encode_new(d->pool, &w.a, &d->answer);
}


void
ex_op_folders(ex_call_t *call)
{
    ex_door_run(call, ex_folders_run);
}


static ph_int_t
ex_folder_create_run(ex_door_t *d, store_conn_t *conn)
{
    bool                                 existed;
    uint64_t                             fid;
    ph_int_t                             rc;
    store_folder_new_t                   n;
    exmdb_folder_create_answer_t         a;
    const exmdb_folder_create_request_t *r = d->request;

    memset(&n, 0, sizeof(n));
    n.parent = r->parent ? store_id(r->parent) : STORE_IPM_SUBTREE;
    n.type = STORE_FOLDER_GENERIC;
    n.name = r->name;
    n.container_class = r->container_class;
    n.open_existing = true;
    n.actor.is_owner = true;

    rc = store_folder_create(conn, &n, &fid, &existed);
    if (rc != PH_OK) {
        return rc;
    }

    a.fid = store_eid(fid);
    a.existed = existed;

    return exmdb_folder_create_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_folder_create(ex_call_t *call)
{
    ex_door_run(call, ex_folder_create_run);
}


static ph_int_t
ex_folder_move_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t                            rc;
    const exmdb_folder_move_request_t  *r = d->request;

    rc = store_folder_move(conn, store_id(r->fid), store_id(r->parent),
                           r->name);

    return rc == PH_CONFLICT ? PH_INVALID : rc;
}


void
ex_op_folder_move(ex_call_t *call)
{
    ex_door_run(call, ex_folder_move_run);
}


static ph_int_t
ex_folder_delete_run(ex_door_t *d, store_conn_t *conn)
{
    bool                                  partial;
    ph_int_t                              rc;
    exmdb_folder_delete_answer_t          a;
    const exmdb_folder_delete_request_t  *r = d->request;

    rc = store_folder_delete(conn, store_id(r->fid),
                             STORE_DEL_MESSAGES | STORE_DEL_FOLDERS
                             | (r->hard ? STORE_DEL_HARD : 0), &partial);
    if (rc != PH_OK) {
        return rc;
    }

    a.partial = partial;

    return exmdb_folder_delete_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_folder_delete(ex_call_t *call)
{
    ex_door_run(call, ex_folder_delete_run);
}


/* ---- the whole mailbox ---- */

static ph_int_t
ex_ping_run(ex_door_t *d, store_conn_t *conn)
{
    exmdb_mailbox_ping_answer_t  a;

    a.last = store_last_cn(store_conn_store(conn));

    return exmdb_mailbox_ping_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_mailbox_ping(ex_call_t *call)
{
    ex_door_run(call, ex_ping_run);
}


static void
ex_unload_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_call_t     *call = data;
    ex_mailbox_t  *mb;

    if (rc == PH_OK) {
        mb = ex_mailbox_find(call->ex, facts->entry.address);
        rc = mb == NULL ? PH_OK : ex_mailbox_unload(mb);
    }

    ex_reply_rc(call, rc);
}


void
ex_op_mailbox_unload(ex_call_t *call)
{
    exmdb_mailbox_unload_request_t  r;

    if (exmdb_mailbox_unload_request_decode_all(call->req->body,
            call->req->pool, &r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, r.mailbox, ex_unload_facts, call);
}


static ph_int_t
ex_compact_run(ex_door_t *d, store_conn_t *conn)
{
    bool                                    more;
    ph_int_t                                rc;
    exmdb_mailbox_compact_answer_t          a;
    const exmdb_mailbox_compact_request_t  *r = d->request;

    rc = store_compact(conn, ph_min(r->limit ? r->limit : EX_COMPACT_PAGES,
                                    (uint32_t) EX_COMPACT_PAGES),
                       &a.before, &a.after, &more);
    if (rc != PH_OK) {
        return rc;
    }

    a.more = more;

    return exmdb_mailbox_compact_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_mailbox_compact(ex_call_t *call)
{
    ex_door_t  *d;

    d = ex_door_open(call, ex_compact_run);
    if (d != NULL) {
        d->alone = true;          /* outside of a transaction */
        ex_door_start(d);
    }
}
