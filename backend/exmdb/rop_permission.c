/* Permissions of a folder (MS-OXCPERM). */

#include "ex_memory_table.h"

#define EX_PERM_FREE_BUSY   0x02    /* TableFlags, ModifyFlags */
#define EX_PERM_REPLACE     0x01

#define EX_ROW_ADD          0x01
#define EX_ROW_MODIFY       0x02
#define EX_ROW_REMOVE       0x04

#define EX_RIGHTS_FREE_BUSY (STORE_RIGHT_FB_SIMPLE | STORE_RIGHT_FB_DETAILED)
#define EX_ENTRYID_FIXED    28


uint32_t
rop_get_permissions_table(ex_rop_t *rop,
    const rop_get_permissions_table_request_t *req,
    rop_get_permissions_table_response_t *res)
{
    ex_folder_t  *f;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    return ex_memory_table_make(rop, f->fid, req->table_flags) != NULL
           ? 0 : ecServerOOM;
}


/* The address book entry id of a member; empty when the directory lost him. */
static ph_int_t
rop_member_entryid(ex_rop_t *rop, ph_str_t address, ph_str_t *id_r)
{
    ph_wbuf_t    b;
    dir_entry_t  e;

    *id_r = ph_str_lit("");

    if (address.len == 0
        || ex_facts_fetch(rop->ex, rop->pool, DIR_BY_ADDRESS, address, &e)
           != PH_OK)
    {
        return PH_OK;
    }

    ph_wbuf_init(&b, rop->pool, 8192);
    ex_rop_entryid(&b, e.legacy_dn, e.kind == DIR_KIND_GROUP ? 1 : 0);
    if (b.error) {
        return PH_NOMEM;
    }

    *id_r = ph_wbuf_str(&b);

    return PH_OK;
}


ph_int_t
ex_permission_rows(ex_rop_t *rop, uint64_t fid, uint8_t flags, uint32_t *n_r,
    mapi_values_t **rows_r)
{
    uint32_t             i, n;
    ph_int_t             rc;
    mapi_value_t        *v;
    mapi_values_t       *rows;
    store_permission_t  *p;

    /* asked with each read (MS-OXCPERM 3.2.5.1) */
    if (!(ex_rop_rights(rop, fid)
          & (STORE_RIGHT_OWNER | STORE_RIGHT_VISIBLE)))
    {
        return PH_DENIED;
    }

    rc = store_permissions(rop->conn, fid, rop->pool, &n, &p);
    if (rc != PH_OK) {
        return rc;
    }

    rows = ph_pcalloc_array(rop->pool, n, sizeof(mapi_values_t));
    if (rows == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < n; i++) {
        v = ph_pcalloc_array(rop->pool, 4, sizeof(mapi_value_t));
        if (v == NULL) {
            return PH_NOMEM;
        }

        v[0].tag = PR_MEMBER_ID;
        v[0].u.i8 = (p[i].member == STORE_MEMBER_ANONYMOUS) ? -1
                    : p[i].member;
        v[1].tag = PR_MEMBER_NAME;
        v[1].u.str = (p[i].member == STORE_MEMBER_DEFAULT)
                     ? ph_str_lit("")
                     : (p[i].member == STORE_MEMBER_ANONYMOUS)
                     ? ph_str_lit("Anonymous") : p[i].name;
        v[2].tag = PR_MEMBER_RIGHTS;
        v[2].u.i4 = (int32_t) (p[i].rights & STORE_RIGHTS_ALL);
        if (!(flags & EX_PERM_FREE_BUSY)) {
            v[2].u.i4 &= (int32_t) ~EX_RIGHTS_FREE_BUSY;
        }

        v[3].tag = PR_ENTRYID;
        rc = rop_member_entryid(rop, p[i].address, &v[3].u.bin);
        if (rc != PH_OK) {
            return rc;
        }

        rows[i].n = 4;
        rows[i].v = v;
    }

    *n_r = n;
    *rows_r = rows;

    return PH_OK;
}


/* What one right brings with it (MS-OXCPERM 3.2.5.2). */
static uint32_t
rop_rights_complete(uint32_t r)
{
    r &= STORE_RIGHTS_ALL;

    if (r & (STORE_RIGHT_READ_ANY | STORE_RIGHT_OWNER)) {
        r |= STORE_RIGHT_VISIBLE;
    }

    if (r & STORE_RIGHT_DELETE_ANY) {
        r |= STORE_RIGHT_DELETE_OWNED;
    }

    if (r & STORE_RIGHT_EDIT_ANY) {
        r |= STORE_RIGHT_EDIT_OWNED;
    }

    if (r & STORE_RIGHT_FB_DETAILED) {
        r |= STORE_RIGHT_FB_SIMPLE;
    }

    return r;
}


static const store_permission_t *
rop_member_find(const store_permission_t *rows, uint32_t n, int64_t member)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (rows[i].member == member) {
            return &rows[i];
        }
    }

    return NULL;
}


/* Adds a member by his address book entry id. */
static uint32_t
rop_member_add(ex_rop_t *rop, uint64_t fid, const mapi_values_t *props,
    uint32_t rights)
{
    ph_int_t             rc;
    ph_str_t             dn;
    dir_entry_t          e;
    const mapi_value_t  *id;
    store_permission_t   p;

    id = mapi_find(props, PR_ENTRYID);
    if (id == NULL || id->u.bin.len <= EX_ENTRYID_FIXED) {
        return ecInvalidParam;
    }

    dn.data = id->u.bin.data + EX_ENTRYID_FIXED;
    dn.len = id->u.bin.len - EX_ENTRYID_FIXED;
    while (dn.len > 0 && dn.data[dn.len - 1] == '\0') {
        dn.len--;
    }

    rc = ex_facts_fetch(rop->ex, rop->pool, DIR_BY_DN, dn, &e);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? ecUnknownUser : ecError;
    }

    memset(&p, 0, sizeof(p));
    p.address = e.address;
    p.name = e.display_name;
    p.rights = rop_rights_complete(rights);

    return ex_ec(rop, store_permission_set(rop->conn, fid, &p, NULL));
}


static uint32_t
rop_member_change(ex_rop_t *rop, uint64_t fid,
    const rop_permission_data_t *row, bool free_busy)
{
    int64_t                    member;
    ph_int_t                   rc;
    uint32_t                   n, rights;
    mapi_values_t              props;
    store_permission_t        *rows, p;
    const mapi_value_t        *id, *r;
    const store_permission_t  *old;

    props.n = row->props_count;
    props.v = row->props;

    r = mapi_find(&props, PR_MEMBER_RIGHTS);
    rights = (r != NULL) ? (uint32_t) r->u.i4 : 0;

    if (row->flags & EX_ROW_ADD) {
        if (!free_busy) {
            rights &= ~EX_RIGHTS_FREE_BUSY;

            /* of the calendar who is listed sees it is taken; a reader, by
             * what */
            if (fid == STORE_CALENDAR && !rop->logon->is_public) {
                rights |= STORE_RIGHT_FB_SIMPLE;
                if (rights & STORE_RIGHT_READ_ANY) {
                    rights |= STORE_RIGHT_FB_DETAILED;
                }
            }
        }

        return rop_member_add(rop, fid, &props, rights);
    }

    id = mapi_find(&props, PR_MEMBER_ID);
    if (id == NULL) {
        return ecInvalidParam;
    }

    member = (id->u.i8 == -1) ? STORE_MEMBER_ANONYMOUS : id->u.i8;

    if (row->flags & EX_ROW_REMOVE) {
        if (member == STORE_MEMBER_DEFAULT
            || member == STORE_MEMBER_ANONYMOUS)
        {
            return ecInvalidParam;
        }

        rc = store_permission_remove(rop->conn, fid, member);

        /* who is not there is passed over (MS-OXCPERM 3.2.5.2) */
        return rc == PH_NOTFOUND ? 0 : ex_ec(rop, rc);
    }

    if (!(row->flags & EX_ROW_MODIFY) || r == NULL) {
        return ecInvalidParam;
    }

    rc = store_permissions(rop->conn, fid, rop->pool, &n, &rows);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    old = rop_member_find(rows, n, member);

    memset(&p, 0, sizeof(p));
    if (old != NULL) {
        p = *old;
    } else if (member != STORE_MEMBER_DEFAULT
               && member != STORE_MEMBER_ANONYMOUS)
    {
        return 0;
    }

    if (!free_busy) {
        rights = (rights & ~EX_RIGHTS_FREE_BUSY)
                 | (p.rights & EX_RIGHTS_FREE_BUSY);
    }

    p.member = member;
    p.rights = rop_rights_complete(rights);

    return ex_ec(rop, store_permission_set(rop->conn, fid, &p, NULL));
}


/* Default and Anonymous are there for ever: only their rights change. */
static bool
rop_row_is_reserved(const rop_permission_data_t *row)
{
    mapi_values_t        props;
    const mapi_value_t  *id;

    props.n = row->props_count;
    props.v = row->props;
    id = mapi_find(&props, PR_MEMBER_ID);

    return (row->flags & EX_ROW_MODIFY) && id != NULL
           && (id->u.i8 == 0 || id->u.i8 == -1);
}


uint32_t
rop_modify_permissions(ex_rop_t *rop,
    const rop_modify_permissions_request_t *req,
    rop_modify_permissions_response_t *res)
{
    ph_int_t             rc;
    uint16_t             i;
    uint32_t             ec, n, k;
    ex_folder_t         *f;
    store_permission_t  *rows;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    if (!(ex_rop_rights(rop, f->fid) & STORE_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    if (req->modify_flags & EX_PERM_REPLACE) {
        rc = store_permissions(rop->conn, f->fid, rop->pool, &n, &rows);

        for (k = 0; rc == PH_OK && k < n; k++) {
            /* all but the default (MS-OXCPERM 2.2.2.1) */
            if (rows[k].member == STORE_MEMBER_ANONYMOUS) {
                rows[k].rights = 0;
                rc = store_permission_set(rop->conn, f->fid, &rows[k], NULL);

            } else if (rows[k].member != STORE_MEMBER_DEFAULT) {
                rc = store_permission_remove(rop->conn, f->fid,
                                             rows[k].member);
            }
        }

        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }
    }

    for (i = 0; i < req->rows_count; i++) {
        if ((req->modify_flags & EX_PERM_REPLACE)
            && !(req->rows[i].flags & EX_ROW_ADD)
            && !rop_row_is_reserved(&req->rows[i]))
        {
            return ecInvalidParam;
        }

        ec = rop_member_change(rop, f->fid, &req->rows[i],
                               (req->modify_flags & EX_PERM_FREE_BUSY) != 0);
        if (ec != 0) {
            return ec;
        }
    }

    return 0;
}
