/* Folders (MS-OXCFOLD). */

#include "ex_rop.h"

#define EX_OPEN_SOFT_DELETED  0x04

#define EX_TABLE_ASSOCIATED   0x02
#define EX_TABLE_DEPTH        0x04
#define EX_TABLE_DEFERRED     0x08
#define EX_TABLE_NO_NOTIFY    0x10
#define EX_TABLE_DELETED      0x20
#define EX_TABLE_UNICODE      0x40
#define EX_TABLE_SUPPRESS     0x80    /* hierarchy; contents: conversations */


/* A folder object, or a logon, which stands for its root here. */
static bool
rop_is_container(const ex_rop_t *rop)
{
    return rop->in != NULL
           && (rop->in->kind == EX_FOLDER || rop->in->kind == EX_LOGON);
}


static ex_folder_t *
rop_folder_make(ex_rop_t *rop, uint64_t fid, uint8_t type)
{
    ex_folder_t  *f;

    f = ex_rop_make(rop, EX_FOLDER, sizeof(ex_folder_t), NULL);
    if (f != NULL) {
        f->fid = fid;
        f->type = type;
    }

    return f;
}


uint32_t
rop_open_folder(ex_rop_t *rop, const rop_open_folder_request_t *req,
    rop_open_folder_response_t *res)
{
    ph_int_t        rc;
    store_folder_t  f;

    if (!rop_is_container(rop)) {
        return ecNotSupported;
    }

    rc = store_folder_find(rop->conn, rop->pool, ex_rop_id(req->folder_id),
                           &f);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (f.deleted && !(req->open_mode_flags & EX_OPEN_SOFT_DELETED)) {
        return ecNotFound;
    }

    if (ex_rop_rights(rop, f.id) == 0) {
        return ecAccessDenied;
    }

    if (rop_folder_make(rop, f.id, f.type) == NULL) {
        return ecServerOOM;
    }

    res->has_rules = f.has_rules;

    return 0;
}


uint32_t
rop_create_folder(ex_rop_t *rop, const rop_create_folder_request_t *req,
    rop_create_folder_response_t *res)
{
    bool                 existed;
    ph_int_t             rc;
    uint64_t             fid;
    ex_folder_t         *parent;
    store_folder_t       f;
    store_folder_new_t   n;

    parent = ex_rop_folder(rop);
    if (parent == NULL) {
        return ecNotSupported;
    }

    if (req->folder_type != STORE_FOLDER_GENERIC
        && req->folder_type != STORE_FOLDER_SEARCH)
    {
        return ecInvalidParam;
    }

    if (parent->type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    rc = store_folder_find(rop->conn, rop->pool, parent->fid, &f);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (f.deleted) {
        return ecNotFound;
    }

    if (!(ex_rop_rights(rop, parent->fid) & EX_RIGHT_CREATE_SUB)) {
        return ecAccessDenied;
    }

    memset(&n, 0, sizeof(n));
    n.parent = parent->fid;
    n.type = req->folder_type;
    n.name = req->display_name;
    n.comment = req->comment;
    n.open_existing = req->open_existing != 0;

    if (ex_rop_actor(rop, &n.actor) != PH_OK) {
        return ecServerOOM;
    }

    rc = store_folder_create(rop->conn, &n, &fid, &existed);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (rop_folder_make(rop, fid, req->folder_type) == NULL) {
        return ecServerOOM;
    }

    /* IsExistingFolder is 0 in private mailboxes (MS-OXCFOLD 2.2.1.2.2) */
    res->folder_id = store_eid(fid);

    return 0;
}


uint32_t
rop_delete_folder(ex_rop_t *rop, const rop_delete_folder_request_t *req,
    rop_delete_folder_response_t *res)
{
    bool             partial;
    ph_int_t         rc;
    uint64_t         fid;
    store_folder_t   f;

    if (ex_rop_folder(rop) == NULL) {
        return ecNotSupported;
    }

    if (req->flags & ~(STORE_DEL_MESSAGES | STORE_DEL_FOLDERS
                       | STORE_DEL_HARD))
    {
        return ecInvalidParam;
    }

    fid = ex_rop_id(req->folder_id);
    if (fid == STORE_ROOT) {
        return ecNotSupported;
    }

    rc = store_folder_find(rop->conn, rop->pool, fid, &f);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (f.deleted && !(req->flags & STORE_DEL_HARD)) {
        return ecNotFound;
    }

    if (!(ex_rop_rights(rop, fid) & EX_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    partial = false;
    rc = store_folder_delete(rop->conn, fid, req->flags, &partial);
    res->partial_completion = partial;

    return ex_ec(rop, rc);
}


static uint32_t
rop_folder_empty(ex_rop_t *rop, unsigned flags, uint8_t associated,
    uint8_t *partial_r)
{
    bool          partial;
    ph_int_t      rc;
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    if (f->fid == STORE_ROOT || f->type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    if (!(ex_rop_rights(rop, f->fid) & EX_RIGHT_DELETE_ANY)) {
        return ecAccessDenied;
    }

    partial = false;
    rc = store_folder_empty(rop->conn, f->fid,
        flags | STORE_DEL_MESSAGES | STORE_DEL_FOLDERS
        | (associated ? STORE_DEL_ASSOCIATED : 0), &partial);
    *partial_r = partial;

    return ex_ec(rop, rc);
}


uint32_t
rop_empty_folder(ex_rop_t *rop, const rop_empty_folder_request_t *req,
    rop_empty_folder_response_t *res)
{
    return rop_folder_empty(rop, 0, req->want_delete_associated,
                            &res->partial_completion);
}


uint32_t
rop_hard_delete_messages_and_subfolders(ex_rop_t *rop,
    const rop_hard_delete_messages_and_subfolders_request_t *req,
    rop_hard_delete_messages_and_subfolders_response_t *res)
{
    return rop_folder_empty(rop, STORE_DEL_HARD, req->want_delete_associated,
                            &res->partial_completion);
}


/* Source and destination of a move or copy; an error code, or 0. */
static uint32_t
rop_folder_pair(ex_rop_t *rop, ex_folder_t **dst_r)
{
    if (ex_rop_folder(rop) == NULL || rop->dst->kind != EX_FOLDER) {
        return ecNotSupported;
    }

    if (rop->dst->logon->mailbox != rop->logon->mailbox) {
        return ecNotSupported;
    }

    *dst_r = (ex_folder_t *) rop->dst;

    return 0;
}


uint32_t
rop_move_folder(ex_rop_t *rop, const rop_move_folder_request_t *req,
    rop_move_folder_response_t *res)
{
    uint32_t      ec;
    ph_int_t      rc;
    ex_folder_t  *dst;

    (void) res;

    ec = rop_folder_pair(rop, &dst);
    if (ec != 0) {
        return ec;
    }

    if (!(ex_rop_rights(rop, ex_rop_id(req->folder_id)) & EX_RIGHT_OWNER)
        || !(ex_rop_rights(rop, dst->fid) & EX_RIGHT_CREATE_SUB))
    {
        return ecAccessDenied;
    }

    rc = store_folder_move(rop->conn, ex_rop_id(req->folder_id), dst->fid,
                           req->new_folder_name);

    return rc == PH_CONFLICT ? ecFolderCycle : ex_ec(rop, rc);
}


uint32_t
rop_copy_folder(ex_rop_t *rop, const rop_copy_folder_request_t *req,
    rop_copy_folder_response_t *res)
{
    bool            below;
    uint32_t        ec;
    ph_int_t        rc;
    uint64_t        fid, copy;
    ex_folder_t    *dst;
    store_actor_t   actor;

    (void) res;

    ec = rop_folder_pair(rop, &dst);
    if (ec != 0) {
        return ec;
    }

    fid = ex_rop_id(req->folder_id);

    if (!(ex_rop_rights(rop, fid) & EX_RIGHT_READ_ANY)
        || !(ex_rop_rights(rop, dst->fid) & EX_RIGHT_CREATE_SUB))
    {
        return ecAccessDenied;
    }

    if (ex_rop_actor(rop, &actor) != PH_OK) {
        return ecServerOOM;
    }

    rc = store_folder_is_below(rop->conn, dst->fid, fid, &below);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (below && req->want_recursive) {
        return ecFolderCycle;
    }

    rc = store_folder_copy(rop->conn, fid, dst->fid, req->new_folder_name,
                           req->want_recursive != 0, &actor, &copy);

    return rc == PH_CONFLICT ? ecFolderCycle : ex_ec(rop, rc);
}


/* ---- tables ---- */

static uint32_t
rop_folder_table(ex_rop_t *rop, uint8_t flags, bool hierarchy,
    uint32_t *rows_r)
{
    ph_int_t        rc;
    uint64_t        fid;
    unsigned        how;
    ex_table_t     *t;
    ex_folder_t    *f;
    store_folder_t  facts;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    fid = f->fid;

    if (!(ex_rop_rights(rop, fid)
          & (hierarchy ? (EX_RIGHT_VISIBLE | EX_RIGHT_READ_ANY)
                       : EX_RIGHT_READ_ANY)))
    {
        return ecAccessDenied;
    }

    t = ex_rop_make(rop, EX_TABLE, sizeof(ex_table_t), rop->in);
    if (t == NULL) {
        return ecServerOOM;
    }

    t->fid = fid;
    t->flags = flags;
    t->hierarchy = hierarchy;
    t->search = (f->type == STORE_FOLDER_SEARCH);

    how = flags & EX_TABLE_DELETED;
    how |= flags & (hierarchy ? EX_TABLE_DEPTH : EX_TABLE_ASSOCIATED);

    rc = hierarchy ? store_table_hierarchy(rop->conn, fid, how, &t->t)
                   : store_table_contents(rop->conn, fid, how, &t->t);

    if (rc == PH_OK && !hierarchy) {
        /* from the folder's counters, without a look at the messages */
        rc = store_folder_find(rop->conn, rop->pool, fid, &facts);

        if (rc == PH_OK) {
            if (how & EX_TABLE_DELETED) {
                *rows_r = (how & EX_TABLE_ASSOCIATED)
                          ? facts.deleted_associated : facts.deleted_total;
            } else {
                *rows_r = (how & EX_TABLE_ASSOCIATED) ? facts.associated
                                                      : facts.total;
            }
        }

    } else if (rc == PH_OK) {
        rc = store_table_count(rop->conn, t->t, rows_r);
    }

    if (rc != PH_OK) {
        ex_rop_unmake(rop);
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_get_hierarchy_table(ex_rop_t *rop,
    const rop_get_hierarchy_table_request_t *req,
    rop_get_hierarchy_table_response_t *res)
{
    if (req->table_flags & ~(EX_TABLE_DEPTH | EX_TABLE_DEFERRED
                             | EX_TABLE_NO_NOTIFY | EX_TABLE_DELETED
                             | EX_TABLE_UNICODE | EX_TABLE_SUPPRESS))
    {
        return ecNotSupported;
    }

    return rop_folder_table(rop, req->table_flags, true, &res->row_count);
}


uint32_t
rop_get_contents_table(ex_rop_t *rop,
    const rop_get_contents_table_request_t *req,
    rop_get_contents_table_response_t *res)
{
    if (req->table_flags & ~(EX_TABLE_ASSOCIATED | EX_TABLE_DEFERRED
                             | EX_TABLE_NO_NOTIFY | EX_TABLE_DELETED
                             | EX_TABLE_UNICODE | EX_TABLE_SUPPRESS))
    {
        return ecInvalidParam;
    }

    return rop_folder_table(rop, req->table_flags, false, &res->row_count);
}


/* ---- messages of a folder ---- */

uint32_t
rop_move_copy_messages(ex_rop_t *rop,
    const rop_move_copy_messages_request_t *req,
    rop_move_copy_messages_response_t *res)
{
    uint32_t       ec, need;
    uint64_t      *ids;
    ph_int_t       rc;
    ex_folder_t   *src, *dst;
    store_many_t   many;

    ec = rop_folder_pair(rop, &dst);
    if (ec != 0) {
        return ec;
    }

    if (dst->type == STORE_FOLDER_SEARCH) {
        return ecSearchFolder;
    }

    src = (ex_folder_t *) rop->in;

    need = req->want_copy ? EX_RIGHT_READ_ANY
                          : EX_RIGHT_READ_ANY | EX_RIGHT_DELETE_ANY;

    if ((ex_rop_rights(rop, src->fid) & need) != need
        || !(ex_rop_rights(rop, dst->fid) & EX_RIGHT_CREATE))
    {
        return ecAccessDenied;
    }

    ids = ex_rop_ids(rop, req->message_ids_count, req->message_ids);
    if (ids == NULL) {
        return ecServerOOM;
    }

    rc = req->want_copy
         ? store_messages_copy(rop->conn, src->fid, dst->fid,
                               req->message_ids_count, ids, NULL, &many)
         : store_messages_move(rop->conn, src->fid, dst->fid,
                               req->message_ids_count, ids, NULL, &many);

    if (rc == PH_OK) {
        res->partial_completion = many.failed != 0;
    }

    return ex_ec(rop, rc);
}


static uint32_t
rop_messages_delete(ex_rop_t *rop, bool hard, uint16_t n,
    const mapi_eid_t *eids, uint8_t *partial_r)
{
    uint64_t      *ids;
    ph_int_t       rc;
    ex_folder_t   *f;
    store_many_t   many;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    if (!(ex_rop_rights(rop, f->fid) & EX_RIGHT_DELETE_ANY)) {
        return ecAccessDenied;
    }

    ids = ex_rop_ids(rop, n, eids);
    if (ids == NULL) {
        return ecServerOOM;
    }

    rc = store_messages_delete(rop->conn, f->fid, hard, n, ids, &many);
    if (rc == PH_OK) {
        *partial_r = many.failed != 0;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_delete_messages(ex_rop_t *rop, const rop_delete_messages_request_t *req,
    rop_delete_messages_response_t *res)
{
    return rop_messages_delete(rop, false, req->message_ids_count,
                               req->message_ids, &res->partial_completion);
}


uint32_t
rop_hard_delete_messages(ex_rop_t *rop,
    const rop_hard_delete_messages_request_t *req,
    rop_hard_delete_messages_response_t *res)
{
    return rop_messages_delete(rop, true, req->message_ids_count,
                               req->message_ids, &res->partial_completion);
}


uint32_t
rop_set_read_flags(ex_rop_t *rop, const rop_set_read_flags_request_t *req,
    rop_set_read_flags_response_t *res)
{
    uint32_t       n_receipts;
    uint64_t      *ids, *receipts;
    ph_int_t       rc;
    ex_folder_t   *f;
    store_many_t   many;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNullObject;
    }

    ids = ex_rop_ids(rop, req->message_ids_count, req->message_ids);
    if (ids == NULL) {
        return ecServerOOM;
    }

    rc = store_messages_set_read(rop->conn, f->fid, req->read_flags,
                                 req->message_ids_count, ids, rop->pool,
                                 &n_receipts, &receipts, &many);
    if (rc == PH_OK) {
        res->partial_completion = many.failed != 0;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_get_message_status(ex_rop_t *rop,
    const rop_get_message_status_request_t *req,
    rop_get_message_status_response_t *res)
{
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNullObject;
    }

    return ex_ec(rop, store_message_status(rop->conn, f->fid,
                          ex_rop_id(req->message_id),
                          &res->message_status_flags));
}


uint32_t
rop_set_message_status(ex_rop_t *rop,
    const rop_set_message_status_request_t *req,
    rop_set_message_status_response_t *res)
{
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNullObject;
    }

    return ex_ec(rop, store_message_set_status(rop->conn, f->fid,
                          ex_rop_id(req->message_id),
                          req->message_status_flags,
                          req->message_status_mask,
                          &res->message_status_flags));
}
