/* Permission rows (MS-OXCPERM).  Whether they are obeyed is the caller's
 * affair. */

#include "store_int.h"
#include "lib/ph_str.h"

/* Addresses of the rows that are nobody's; no SMTP address is like them. */
#define ADDRESS_DEFAULT    STORE_LEN("")
#define ADDRESS_ANONYMOUS  STORE_LEN("*")

static ph_str_t
permission_address(const store_permission_t *p)
{
    if (p->address.len) {
        return p->address;
    }

    return p->member == STORE_MEMBER_ANONYMOUS ? ADDRESS_ANONYMOUS
                                               : ADDRESS_DEFAULT;
}

ph_int_t
store_permissions(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    uint32_t *n_r, store_permission_t **rows_r)
{
    int64_t              count;
    ph_int_t             rc;
    ph_str_t             address;
    uint32_t             n;
    sqlite3_stmt        *s;
    store_permission_t  *rows, *p;

    store_try(store_q_int(conn, SQL_PERMISSION_COUNT, &count, "u", fid));
    rows = ph_pcalloc_array(pool, (size_t) count + 2, sizeof(*rows));
    if (rows == NULL) {
        return PH_NOMEM;
    }

    /* the two special rows exist whether they are stored or not */
    rows[0].member = STORE_MEMBER_DEFAULT;
    rows[1].member = STORE_MEMBER_ANONYMOUS;
    rows[0].address = rows[0].name = ph_str_null;
    rows[1].address = ph_str_null;
    rows[1].name = STORE_LEN("Anonymous");
    n = 2;

    store_try(store_q(conn, SQL_PERMISSIONS, &s, "u", fid));
    while ((rc = store_step(conn, s)) == PH_OK) {
        address = store_col_str(s, 0);
        if (address.len == 0) {
            rows[0].rights = store_col_u32(s, 3);
            continue;
        }
        if (ph_str_eq(address, ADDRESS_ANONYMOUS)) {
            rows[1].rights = store_col_u32(s, 3);
            continue;
        }
        if (n >= (uint32_t) count + 2) {
            break;
        }
        p = &rows[n++];
        p->address = ph_pstrdup(pool, address);
        p->member = sqlite3_column_int64(s, 1);
        p->name = ph_pstrdup(pool, store_col_str(s, 2));
        p->rights = store_col_u32(s, 3);
        if (p->address.data == NULL || p->name.data == NULL) {
            rc = PH_NOMEM;
            break;
        }
    }
    store_done(conn, &s);
    *n_r = n;
    *rows_r = rows;

    return rc == PH_DONE ? PH_OK : rc;
}

/* A member keeps its number in all folders and for ever. */
static ph_int_t
permission_member(store_conn_t *conn, const store_permission_t *p,
    int64_t *member_r)
{
    ph_int_t  rc;

    if (p->address.len == 0) {
        *member_r = p->member;
        return p->member == STORE_MEMBER_DEFAULT
               || p->member == STORE_MEMBER_ANONYMOUS ? PH_OK : PH_INVALID;
    }

    rc = store_q_int(conn, SQL_PERMISSION_MEMBER, member_r, "t", p->address);
    if (rc == PH_NOTFOUND) {
        rc = store_q_int(conn, SQL_MEMBER_NEXT, member_r, "");
    }

    return rc;
}

ph_int_t
store_permission_set(store_conn_t *conn, uint64_t fid,
    const store_permission_t *p, int64_t *member_r)
{
    int64_t              member;
    ph_pool_t           *pool;
    store_folder_t       folder;
    store_permission_t   row;

    store_try(store_need_write(conn));
    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    store_try(store_folder_find(conn, pool, fid, &folder));

    row = *p;
    row.address = ph_str_lower(pool, p->address);
    if (row.address.len && row.address.data == NULL) {
        return PH_NOMEM;
    }
    store_try(permission_member(conn, &row, &member));
    store_try(store_exec(conn, SQL_PERMISSION_SET, "utitu", fid,
                         permission_address(&row), member, p->name,
                         (uint64_t) p->rights));
    if (member_r) {
        *member_r = member;
    }

    return PH_OK;
}

ph_int_t
store_permission_remove(store_conn_t *conn, uint64_t fid, int64_t member)
{
    store_try(store_need_write(conn));
    store_try(store_exec(conn, SQL_PERMISSION_DEL, "ui", fid, member));

    return store_changes(conn) ? PH_OK : PH_NOTFOUND;
}

ph_int_t
store_permission_each(store_conn_t *conn, uint64_t fid,
    void (*fn)(void *data, ph_str_t address, uint32_t rights), void *data)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_PERMISSION_RIGHTS, &s, "u", fid));
    while ((rc = store_step(conn, s)) == PH_OK) {
        fn(data, store_col_str(s, 0), store_col_u32(s, 1));
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

static ph_int_t
permission_any_of(store_conn_t *conn, ph_str_t address, uint32_t *rights)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_PERMISSION_OF, &s, "t", address));
    while ((rc = store_step(conn, s)) == PH_OK) {
        *rights |= store_col_u32(s, 0);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_permission_any(store_conn_t *conn, ph_str_t user, uint32_t n_groups,
    const ph_str_t *groups, uint32_t *rights_r)
{
    uint32_t  i;

    *rights_r = 0;
    store_try(permission_any_of(conn, user, rights_r));
    store_try(permission_any_of(conn, ADDRESS_DEFAULT, rights_r));
    for (i = 0; i < n_groups; i++) {
        store_try(permission_any_of(conn, groups[i], rights_r));
    }

    return PH_OK;
}
