/* Folders (MS-OXCFOLD). */

#include "ex_rop.h"
#include "ex_receipt.h"
#include "ex_access.h"

#define EX_OPEN_SOFT_DELETED  0x04

#define EX_TABLE_ASSOCIATED   0x02
#define EX_TABLE_DEPTH        0x04
#define EX_TABLE_DEFERRED     0x08
#define EX_TABLE_NO_NOTIFY    0x10
#define EX_TABLE_DELETED      0x20
#define EX_TABLE_UNICODE      0x40
#define EX_TABLE_SUPPRESS     0x80    /* hierarchy */
#define EX_TABLE_CONVERSATION 0x80    /* contents */


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

    /* that it exists is not his to know */
    if (ex_rop_rights(rop, f.id) == 0) {
        return ecNotFound;
    }

    if (rop_folder_make(rop, f.id, f.type) == NULL) {
        return ecServerOOM;
    }

    res->has_rules = f.has_rules;

    return 0;
}


/* Who makes a folder in somebody else's store owns it (MS-OXCPERM 3.2.4). */
static ph_int_t
rop_folder_creator(ex_rop_t *rop, uint64_t fid)
{
    store_permission_t   p;
    const dir_entry_t   *me = &rop->session->facts->entry;

    if (ex_rop_is_owner(rop) && !rop->logon->is_public) {
        return PH_OK;
    }

    memset(&p, 0, sizeof(p));
    p.address = me->address;
    p.name = me->display_name;
    p.rights = STORE_RIGHTS_SHOWN;

    return store_permission_set(rop->conn, fid, &p, NULL);
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

    if (!(ex_rop_rights(rop, parent->fid) & STORE_RIGHT_CREATE_SUB)) {
        return ecAccessDenied;
    }

    if (req->folder_type == STORE_FOLDER_SEARCH && rop->logon->is_public) {
        return ecNotSupported;
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

    if (existed && ex_rop_rights(rop, fid) == 0) {
        return ecDuplicateName;
    }

    if (!existed) {
        rc = rop_folder_creator(rop, fid);
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }
    }

    if (rop_folder_make(rop, fid, req->folder_type) == NULL) {
        return ecServerOOM;
    }

    res->folder_id = store_eid(fid);

    /* of private mailboxes it is 0 (MS-OXCFOLD 2.2.1.2.2) */
    if (existed && rop->logon->is_public) {
        res->is_existing_folder = 1;
    }

    return 0;
}


uint32_t
rop_delete_folder(ex_rop_t *rop, const rop_delete_folder_request_t *req,
    rop_delete_folder_response_t *res)
{
    bool             partial, all;
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

    if (ex_rop_rights(rop, fid) == 0) {
        return ecNotFound;
    }

    if (!(ex_rop_rights(rop, fid) & STORE_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    rc = ex_access_below(rop, fid, STORE_RIGHT_OWNER, &all);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (!all && (req->flags & STORE_DEL_FOLDERS)) {
        /* something of others is in it: it stays */
        res->partial_completion = 1;
        return 0;
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
    bool          partial, all;
    ph_int_t      rc;
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    if (f->fid == STORE_ROOT || f->type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    if (!(ex_rop_rights(rop, f->fid) & STORE_RIGHT_DELETE_ANY)) {
        return ecAccessDenied;
    }

    /* subfolders go with their owner's right alone */
    rc = ex_access_below(rop, f->fid, STORE_RIGHT_OWNER, &all);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    partial = false;
    rc = store_folder_empty(rop->conn, f->fid,
        flags | STORE_DEL_MESSAGES | (all ? STORE_DEL_FOLDERS : 0)
        | (associated ? STORE_DEL_ASSOCIATED : 0), &partial);
    *partial_r = partial || !all;

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

    if (ex_rop_rights(rop, ex_rop_id(req->folder_id)) == 0) {
        return ecNotFound;
    }

    if (!(ex_rop_rights(rop, ex_rop_id(req->folder_id)) & STORE_RIGHT_OWNER)
        || !(ex_rop_rights(rop, dst->fid) & STORE_RIGHT_CREATE_SUB))
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
    bool            below, all;
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

    if (ex_rop_rights(rop, fid) == 0) {
        return ecNotFound;
    }

    if (!(ex_rop_rights(rop, fid) & STORE_RIGHT_READ_ANY)
        || !(ex_rop_rights(rop, dst->fid) & STORE_RIGHT_CREATE_SUB))
    {
        return ecAccessDenied;
    }

    if (req->want_recursive) {
        rc = ex_access_below(rop, fid, STORE_RIGHT_READ_ANY, &all);
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }

        if (!all) {
            return ecAccessDenied;
        }
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

    t = ex_rop_make(rop, EX_TABLE, sizeof(ex_table_t), rop->in);
    if (t == NULL) {
        return ecServerOOM;
    }

    t->fid = fid;
    t->flags = flags;
    t->hierarchy = hierarchy;
    t->search = !hierarchy && f->type == STORE_FOLDER_SEARCH;

    how = flags & EX_TABLE_DELETED;
    if (!hierarchy && (flags & EX_TABLE_CONVERSATION)) {
        how |= STORE_TABLE_CONVERSATION;
    }

    how |= flags & (hierarchy ? EX_TABLE_DEPTH : EX_TABLE_ASSOCIATED);

    rc = hierarchy ? store_table_hierarchy(rop->conn, fid, how, &t->t)
                   : store_table_contents(rop->conn, fid, how, &t->t);

    if (rc == PH_OK && (how & STORE_TABLE_CONVERSATION)) {
        /* which one, Restrict will say */
        t->flags |= EX_TABLE_NO_NOTIFY;
        t->conversation = true;

    } else if (rc == PH_OK && !hierarchy && rop->logon->viewer.no_private) {
        rc = store_table_count(rop->conn, t->t, rows_r);

    } else if (rc == PH_OK && !hierarchy) {
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


/*
 * A conversation is looked for in the whole mailbox, so its owner may, from the
 * root (MS-OXCFOLD 2.2.1.14.1).
 */
static uint32_t
rop_conversation_check(ex_rop_t *rop, uint8_t flags)
{
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL || f->fid != STORE_ROOT) {
        return ecNotSupported;
    }

    if (flags & (EX_TABLE_ASSOCIATED | EX_TABLE_DELETED)) {
        return ecInvalidParam;
    }

    return ex_rop_is_owner(rop) ? 0 : ecAccessDenied;
}


uint32_t
rop_get_contents_table(ex_rop_t *rop,
    const rop_get_contents_table_request_t *req,
    rop_get_contents_table_response_t *res)
{
    uint32_t  ec;

    if (req->table_flags & ~(EX_TABLE_ASSOCIATED | EX_TABLE_DEFERRED
                             | EX_TABLE_NO_NOTIFY | EX_TABLE_DELETED
                             | EX_TABLE_UNICODE | EX_TABLE_CONVERSATION))
    {
        return ecInvalidParam;
    }

    if (req->table_flags & EX_TABLE_CONVERSATION) {
        ec = rop_conversation_check(rop, req->table_flags);
        if (ec != 0) {
            return ec;
        }
    }

    return rop_folder_table(rop, req->table_flags, false, &res->row_count);
}


/* ---- messages of a folder ---- */

static bool
rop_folder_has(ex_rop_t *rop, uint64_t fid, uint32_t rights)
{
    return (ex_rop_rights(rop, fid) & rights) != 0;
}


uint32_t
rop_move_copy_messages(ex_rop_t *rop,
    const rop_move_copy_messages_request_t *req,
    rop_move_copy_messages_response_t *res)
{
    uint32_t       ec, n, refused;
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

    if (!(ex_rop_rights(rop, dst->fid) & STORE_RIGHT_CREATE)
        || (!req->want_copy && !rop_folder_has(rop, src->fid,
                                    STORE_RIGHT_DELETE_ANY
                                    | STORE_RIGHT_DELETE_OWNED)))
    {
        return ecAccessDenied;
    }

    ids = ex_rop_ids(rop, req->message_ids_count, req->message_ids);
    if (ids == NULL) {
        return ecServerOOM;
    }

    n = req->message_ids_count;
    rc = ex_access_items(rop, req->want_copy
                              ? STORE_ACCESS_READ
                              : STORE_ACCESS_READ | STORE_ACCESS_DELETE,
                         &n, ids, &refused);
    if (rc == PH_OK) {
        rc = req->want_copy
             ? store_messages_copy(rop->conn, src->fid, dst->fid, n, ids,
                                   NULL, &many)
             : store_messages_move(rop->conn, src->fid, dst->fid, n, ids,
                                   NULL, &many);
    }

    if (rc == PH_OK) {
        res->partial_completion = many.failed != 0 || refused != 0;
    }

    return ex_ec(rop, rc);
}


static uint32_t
rop_messages_delete(ex_rop_t *rop, bool hard, uint16_t n,
    const mapi_eid_t *eids, uint8_t *partial_r)
{
    uint32_t       left, refused;
    uint64_t      *ids;
    ph_int_t       rc;
    ex_folder_t   *f;
    store_many_t   many;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    if (!rop_folder_has(rop, f->fid, STORE_RIGHT_DELETE_ANY
                                     | STORE_RIGHT_DELETE_OWNED))
    {
        return ecAccessDenied;
    }

    ids = ex_rop_ids(rop, n, eids);
    if (ids == NULL) {
        return ecServerOOM;
    }

    left = n;
    rc = ex_access_items(rop, STORE_ACCESS_DELETE, &left, ids, &refused);
    if (rc == PH_OK) {
        rc = store_messages_delete(rop->conn, f->fid, hard, left, ids, &many);
    }

    if (rc == PH_OK) {
        *partial_r = many.failed != 0 || refused != 0;
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
    uint32_t       n, need, refused, n_receipts;
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

    /* of public folders everybody has a read state of his own */
    need = rop->logon->is_public ? STORE_ACCESS_READ : STORE_ACCESS_MODIFY;
    n = req->message_ids_count;

    if (n == 0 && !rop_folder_has(rop, f->fid,
                                  rop->logon->is_public
                                  ? STORE_RIGHT_READ_ANY
                                  : STORE_RIGHT_EDIT_ANY))
    {
        return ecAccessDenied;
    }

    rc = ex_access_items(rop, need, &n, ids, &refused);
    if (rc == PH_OK && (n > 0 || req->message_ids_count == 0)) {
        rc = store_messages_set_read(rop->conn, f->fid, req->read_flags,
                                     n, ids, rop->pool, &n_receipts,
                                     &receipts, &many);
    } else {
        memset(&many, 0, sizeof(many));
        n_receipts = 0;
        receipts = NULL;
    }

    if (rc == PH_OK) {
        rc = ex_receipts_send(rop, n_receipts, receipts);
    }

    if (rc == PH_OK) {
        res->partial_completion = many.failed != 0 || refused != 0;
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_get_message_status(ex_rop_t *rop,
    const rop_get_message_status_request_t *req,
    rop_get_message_status_response_t *res)
{
    uint32_t      ec;
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNullObject;
    }

    ec = ex_access_item(rop, ex_rop_id(req->message_id), STORE_ACCESS_READ);
    if (ec != 0) {
        return ec;
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
    uint32_t      ec;
    ex_folder_t  *f;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNullObject;
    }

    ec = ex_access_item(rop, ex_rop_id(req->message_id), STORE_ACCESS_MODIFY);
    if (ec != 0) {
        return ec;
    }

    return ex_ec(rop, store_message_set_status(rop->conn, f->fid,
                          ex_rop_id(req->message_id),
                          req->message_status_flags,
                          req->message_status_mask,
                          &res->message_status_flags));
}
