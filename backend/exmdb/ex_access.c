/* Rights of a user on another one's mailbox, or in a public store. */

#include "ex_access.h"
#include "ex_rop.h"

typedef enum {
    EX_ACCESS_UNKNOWN = 0, EX_ACCESS_FREE, EX_ACCESS_OWNER, EX_ACCESS_FOLDER,
    EX_ACCESS_DST, EX_ACCESS_TABLE, EX_ACCESS_WORK, EX_ACCESS_SELF
} ex_access_what_t;

typedef struct {
    uint8_t   what;
    uint32_t  rights;
} ex_access_rule_t;

static const ex_access_rule_t  ex_access_rules[256] = {
#define X(name, what, rights)  [ROP_##name] = { EX_ACCESS_##what, rights },
#include "ex_access.def"
#undef X
};


bool
ex_access_is(const ex_session_t *s, ph_str_t address, bool *group_r)
{
    uint32_t  i;

    *group_r = false;
    if (ph_str_ieq(address, s->facts->entry.address)) {
        return true;
    }

    for (i = 0; i < s->n_groups; i++) {
        if (ph_str_ieq(address, s->groups[i])) {
            *group_r = true;
            return true;
        }
    }

    return false;
}


typedef struct {
    const ex_session_t  *session;
    bool                 own;
    bool                 group;
    uint32_t             own_rights;
    uint32_t             group_rights;
    uint32_t             default_rights;
} ex_rights_t;


static void
ex_rights_row(void *data, ph_str_t address, uint32_t rights)
{
    bool          group;
    ex_rights_t  *r = data;

    if (address.len == 0) {
        r->default_rights = rights;

    } else if (ex_access_is(r->session, address, &group)) {
        if (group) {
            r->group = true;
            r->group_rights |= rights;
        } else {
            r->own = true;
            r->own_rights = rights;
        }
    }
}


/* his own row; else what his groups have together; else the default */
static uint32_t
ex_access_rights(void *data, store_conn_t *conn, uint64_t fid)
{
    ex_logon_t   *l = data;
    ex_rights_t   r;

    memset(&r, 0, sizeof(r));
    r.session = l->o.session;

    if (store_permission_each(conn, fid, ex_rights_row, &r) != PH_OK) {
        return 0;
    }

    return (r.own ? r.own_rights : r.group ? r.group_rights
                                           : r.default_rights)
           & STORE_RIGHTS_ALL;
}


ph_int_t
ex_access_logon(store_conn_t *conn, ex_session_t *session, ph_pool_t *pool,
    uint32_t *flags_r, bool *any_r)
{
    bool               group;
    uint32_t           i, n, rights;
    ph_int_t           rc;
    store_delegate_t  *rows;

    *flags_r = 0;
    *any_r = false;

    rc = store_delegates(conn, pool, &n, &rows);
    if (rc != PH_OK) {
        return rc;
    }

    for (i = 0; i < n; i++) {
        if (ex_access_is(session, rows[i].address, &group)) {
            *flags_r |= rows[i].flags;
        }
    }

    rc = store_permission_any(conn, session->facts->entry.address,
                              session->n_groups, session->groups, &rights);
    *any_r = *flags_r != 0 || rights != 0;

    return rc;
}


void
ex_access_init(ex_logon_t *l)
{
    l->viewer.all = l->is_owner;
    l->viewer.user = l->o.session->facts->entry.address;
    l->viewer.rights = ex_access_rights;
    l->viewer.data = l;
}


void
ex_access_view(store_conn_t *conn, ex_logon_t *l)
{
    if (conn != NULL) {
        store_conn_view(conn, (l != NULL && l->mailbox != NULL
                               && l->mailbox->store == store_conn_store(conn))
                              ? &l->viewer : NULL);
    }
}


/* The folder that an object is, or is in; false: none of a folder's. */
static bool
ex_access_folder(const ex_object_t *o, uint64_t *fid_r)
{
    for ( ; o != NULL; o = o->parent) {
        switch ((ex_kind_t) o->kind) {
        case EX_LOGON:
            *fid_r = STORE_ROOT;
            return true;
        case EX_FOLDER:
            *fid_r = ((const ex_folder_t *) o)->fid;
            return true;
        case EX_MESSAGE:
        case EX_ATTACHMENT:
        case EX_STREAM:
            return false;       /* opening it was the check */
        default:
            break;
        }
    }

    return false;
}


static uint32_t
ex_access_table(ex_rop_t *rop)
{
    uint32_t           need;
    const ex_table_t  *t = ex_rop_table(rop);

    if (t == NULL || t->attachments) {
        return 0;
    }

    need = t->hierarchy ? STORE_RIGHT_VISIBLE | STORE_RIGHT_OWNER
                        : STORE_RIGHT_READ_ANY;

    return (ex_rop_rights(rop, t->fid) & need) ? 0 : ecAccessDenied;
}


uint32_t
ex_access_check(ex_rop_t *rop)
{
    uint64_t                 fid;
    const ex_access_rule_t  *rule = &ex_access_rules[rop->item->id];

    if (rop->logon == NULL || rop->logon->is_owner || rop->conn == NULL) {
        return 0;
    }

    switch ((ex_access_what_t) rule->what) {

    case EX_ACCESS_UNKNOWN:
    case EX_ACCESS_OWNER:
        return rop->item->id == ROP_LOGON ? 0 : ecAccessDenied;

    case EX_ACCESS_FOLDER:
        return (!ex_access_folder(rop->in, &fid)
                || (ex_rop_rights(rop, fid) & rule->rights))
               ? 0 : ecAccessDenied;

    case EX_ACCESS_DST:
        return (rop->dst == NULL || !ex_access_folder(rop->dst, &fid)
                || (ex_rop_rights(rop, fid) & rule->rights))
               ? 0 : ecAccessDenied;

    case EX_ACCESS_TABLE:
        return ex_access_table(rop);

    case EX_ACCESS_FREE:
    case EX_ACCESS_WORK:
    case EX_ACCESS_SELF:
        break;
    }

    return 0;
}


ph_int_t
ex_access_items(ex_rop_t *rop, uint32_t need, uint32_t *n, uint64_t *ids,
    uint32_t *refused_r)
{
    uint32_t               i, kept, access;
    ph_int_t               rc;
    store_message_fact_t   fact;

    *refused_r = 0;
    if (rop->logon->is_owner) {
        return PH_OK;
    }

    kept = 0;

    for (i = 0; i < *n; i++) {
        rc = store_message_access(rop->conn, ids[i], &access, &fact);
        if (rc != PH_OK && rc != PH_NOTFOUND) {
            return rc;
        }

        if (rc == PH_OK && (access & need) != need) {
            (*refused_r)++;
            continue;
        }

        ids[kept++] = ids[i];
    }

    *n = kept;

    return PH_OK;
}


uint32_t
ex_access_item(ex_rop_t *rop, uint64_t mid, uint32_t need)
{
    uint32_t               access;
    ph_int_t               rc;
    store_message_fact_t   fact;

    if (rop->logon->is_owner) {
        return 0;
    }

    rc = store_message_access(rop->conn, mid, &access, &fact);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    return (access & need) == need ? 0 : ecAccessDenied;
}


typedef struct {
    ex_rop_t  *rop;
    uint32_t   right;
    bool       yes;
} ex_below_t;


static ph_int_t
ex_access_one_below(void *data, const store_folder_t *f, unsigned depth)
{
    ex_below_t  *b = data;

    (void) depth;

    if (!(ex_rop_rights(b->rop, f->id) & b->right)) {
        b->yes = false;
        return PH_DONE;
    }

    return PH_OK;
}


ph_int_t
ex_access_below(ex_rop_t *rop, uint64_t fid, uint32_t right, bool *yes_r)
{
    ph_int_t    rc;
    ex_below_t  b = { rop, right, true };

    rc = PH_OK;
    if (!rop->logon->is_owner) {
        rc = store_folder_walk(rop->conn, fid, true, false,
                               ex_access_one_below, &b);
    }

    *yes_r = b.yes;

    return rc;
}


bool
ex_access_known(uint8_t rop)
{
    return ex_access_rules[rop].what != EX_ACCESS_UNKNOWN;
}


bool
ex_access_decides(uint8_t rop)
{
    return ex_access_rules[rop].what == EX_ACCESS_SELF;
}
