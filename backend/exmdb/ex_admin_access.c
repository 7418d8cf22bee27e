/* What `phctl permission`, `delegate` and `public` ask for. */

#include "ex_mailbox.h"

typedef struct {
    ex_job_t                 job;       /* first */
    ex_call_t               *call;
    exmdb_access_request_t   r;
    exmdb_access_answer_t    a;
    store_conn_t            *conn;
    uint32_t                 cap;
} ex_admin_access_t;


static exmdb_access_row_t *
ex_access_row(ex_admin_access_t *d)
{
    exmdb_access_row_t  *rows;

    if (d->a.rows_count == d->cap) {
        if (d->cap >= UINT16_MAX / 2) {
            return NULL;
        }

        rows = ph_prealloc(d->call->req->pool, d->a.rows,
                           d->cap * sizeof(*rows),
                           (d->cap * 2 + 16) * sizeof(*rows));
        if (rows == NULL) {
            return NULL;
        }

        d->a.rows = rows;
        d->cap = d->cap * 2 + 16;
    }

    memset(&d->a.rows[d->a.rows_count], 0, sizeof(exmdb_access_row_t));

    return &d->a.rows[d->a.rows_count++];
}


/* The folder that the request names: "/" divides names below the IPM
 * subtree. */
static ph_int_t
ex_access_path(ex_admin_access_t *d, uint64_t *fid_r, ph_str_t *last_r)
{
    size_t           i;
    uint64_t         fid;
    ph_int_t         rc;
    ph_str_t         name, path;
    store_folder_t   f;

    if (d->r.fid != 0) {
        *fid_r = store_id(d->r.fid);
        return store_folder_find(d->conn, NULL, *fid_r, &f);
    }

    path = d->r.path;
    fid = store_info(store_conn_store(d->conn))->kind == STORE_PUBLIC
          ? STORE_PUBLIC_IPM : STORE_IPM_SUBTREE;

    while (path.len > 0) {
        for (i = 0; i < path.len && path.data[i] != '/'; i++) {
            /* void */
        }

        name = (ph_str_t) { i, path.data };
        path.data += ph_min(i + 1, path.len);
        path.len -= ph_min(i + 1, path.len);

        if (name.len == 0) {
            continue;
        }

        rc = store_folder_by_name(d->conn, fid, name, &fid);
        if (rc != PH_OK) {
            /* the last one may be about to be made */
            if (rc == PH_NOTFOUND && last_r != NULL && path.len == 0) {
                *last_r = name;
                *fid_r = fid;
            }

            return rc;
        }
    }

    *fid_r = fid;

    return PH_OK;
}


static ph_int_t
ex_access_permissions(ex_admin_access_t *d, uint64_t fid)
{
    uint32_t              i, n;
    ph_int_t              rc;
    exmdb_access_row_t   *row;
    store_permission_t   *p;

    rc = store_permissions(d->conn, fid, d->call->req->pool, &n, &p);

    for (i = 0; rc == PH_OK && i < n; i++) {
        row = ex_access_row(d);
        if (row == NULL) {
            return PH_TOOBIG;
        }

        row->fid = store_eid(fid);
        row->address = p[i].member == STORE_MEMBER_DEFAULT
                       ? ph_str_lit("default")
                       : p[i].member == STORE_MEMBER_ANONYMOUS
                       ? ph_str_lit("anonymous") : p[i].address;
        row->name = p[i].name;
        row->value = p[i].rights & STORE_RIGHTS_ALL;
    }

    return rc;
}


static ph_int_t
ex_access_permission_set(ex_admin_access_t *d, uint64_t fid)
{
    uint32_t             i, n;
    ph_int_t             rc;
    store_permission_t   p, *rows;

    memset(&p, 0, sizeof(p));
    p.rights = d->r.value & STORE_RIGHTS_ALL;

    if (ph_str_eq_c(d->r.address, "default")) {
        p.member = STORE_MEMBER_DEFAULT;
    } else if (ph_str_eq_c(d->r.address, "anonymous")) {
        p.member = STORE_MEMBER_ANONYMOUS;
    } else {
        p.address = d->r.address;
        p.name = d->r.name;
    }

    if (!d->r.remove || p.address.len == 0) {
        p.rights = d->r.remove ? 0 : p.rights;
        return store_permission_set(d->conn, fid, &p, NULL);
    }

    rc = store_permissions(d->conn, fid, d->call->req->pool, &n, &rows);

    for (i = 0; rc == PH_OK && i < n; i++) {
        if (rows[i].address.len && ph_str_ieq(rows[i].address, p.address)) {
            return store_permission_remove(d->conn, fid, rows[i].member);
        }
    }

    return rc == PH_OK ? PH_NOTFOUND : rc;
}


static ph_int_t
ex_access_delegates(ex_admin_access_t *d)
{
    uint32_t             i, n;
    ph_int_t             rc;
    store_delegate_t    *rows;
    exmdb_access_row_t  *row;

    rc = store_delegates(d->conn, d->call->req->pool, &n, &rows);

    for (i = 0; rc == PH_OK && i < n; i++) {
        row = ex_access_row(d);
        if (row == NULL) {
            return PH_TOOBIG;
        }

        row->address = rows[i].address;
        row->name = rows[i].name;
        row->value = rows[i].flags;
    }

    return rc;
}


static ph_int_t
ex_access_addresses(ex_admin_access_t *d)
{
    uint32_t              i, n;
    ph_int_t              rc;
    store_folder_t        f;
    exmdb_access_row_t   *row;
    store_mail_folder_t  *rows;

    rc = store_mail_folders(d->conn, d->call->req->pool, &n, &rows);

    for (i = 0; rc == PH_OK && i < n; i++) {
        row = ex_access_row(d);
        if (row == NULL) {
            return PH_TOOBIG;
        }

        rc = store_folder_find(d->conn, d->call->req->pool, rows[i].folder,
                               &f);
        row->fid = store_eid(rows[i].folder);
        row->address = rows[i].address;
        row->name = f.name;
    }

    return rc;
}


static ph_int_t
ex_access_folder_make(ex_admin_access_t *d, uint64_t *fid_r)
{
    bool                 existed;
    ph_int_t             rc;
    uint64_t             parent;
    store_folder_new_t   f;

    memset(&f, 0, sizeof(f));
    rc = ex_access_path(d, &parent, &f.name);
    if (rc == PH_OK) {
        return PH_EXISTS;
    }

    if (rc != PH_NOTFOUND || f.name.len == 0) {
        return rc;
    }

    f.parent = parent;
    f.type = STORE_FOLDER_GENERIC;

    return store_folder_create(d->conn, &f, fid_r, &existed);
}


static ph_int_t
ex_access_run(ex_job_t *job, store_conn_t *conn)
{
    ph_int_t             rc;
    uint64_t             fid;
    store_delegate_t     g;
    ex_admin_access_t   *d = (ex_admin_access_t *) job;

    d->conn = conn;
    fid = 0;

    switch (d->r.what) {

    case EXMDB_ACCESS_FOLDER_CREATE:
        rc = ex_access_folder_make(d, &fid);
        break;

    case EXMDB_ACCESS_PERMISSIONS:
        rc = ex_access_path(d, &fid, NULL);
        if (rc == PH_OK) {
            rc = ex_access_permissions(d, fid);
        }
        break;

    case EXMDB_ACCESS_PERMISSION_SET:
        rc = ex_access_path(d, &fid, NULL);
        if (rc == PH_OK) {
            rc = ex_access_permission_set(d, fid);
        }
        break;

    case EXMDB_ACCESS_DELEGATES:
        rc = ex_access_delegates(d);
        break;

    case EXMDB_ACCESS_DELEGATE_SET:
        g.address = d->r.address;
        g.name = d->r.name;
        g.flags = d->r.remove ? 0 : d->r.value;
        rc = store_delegate_set(conn, &g);
        break;

    case EXMDB_ACCESS_ADDRESSES:
        rc = ex_access_addresses(d);
        break;

    case EXMDB_ACCESS_ADDRESS_SET:
        rc = d->r.remove ? PH_OK : ex_access_path(d, &fid, NULL);
        if (rc == PH_OK) {
            rc = store_mail_folder_set(conn, d->r.address, fid);
        }
        break;

    default:
        rc = PH_INVALID;
        break;
    }

    d->a.fid = fid != 0 ? store_eid(fid) : 0;

    return rc;
}


static void
ex_access_done(ex_job_t *job, ph_int_t rc)
{
    ph_str_t            body;
    ex_admin_access_t  *d = (ex_admin_access_t *) job;

    if (rc != PH_OK) {
        ex_reply_rc(d->call, rc);
        return;
    }

    if (exmdb_access_answer_encode_new(d->call->req->pool, &d->a, &body)
        != PH_OK)
    {
        ex_reply(d->call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(d->call, PH_WIRE_OK, body);
}


static void
ex_access_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_admin_access_t  *d = data;

    if (rc != PH_OK) {
        ex_reply_rc(d->call, rc);
        return;
    }

    d->job.write = d->r.what != EXMDB_ACCESS_PERMISSIONS
                   && d->r.what != EXMDB_ACCESS_DELEGATES
                   && d->r.what != EXMDB_ACCESS_ADDRESSES;
    d->job.run = ex_access_run;
    d->job.done = ex_access_done;
    ex_job_start(mb, &d->job);
}


static void
ex_access_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_admin_access_t  *d = data;

    if (rc != PH_OK) {
        ex_reply_rc(d->call, rc);
        return;
    }

    ex_mailbox_get(d->call->ex, facts, false, ex_access_opened, d);
}


void
ex_op_access(ex_call_t *call)
{
    ex_admin_access_t  *d;

    d = ph_pcalloc(call->req->pool, sizeof(ex_admin_access_t));
    if (d == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    d->call = call;

    if (exmdb_access_request_decode_all(call->req->body, call->req->pool,
                                        &d->r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, d->r.mailbox, ex_access_facts, d);
}
