#include "dir_entry.h"
#include "dir_address.h"
#include "lib/ph_str.h"
#include "mapi/mapi_guid.h"

static uint8_t
entry_status(uint8_t user, uint8_t domain)
{
    return ph_max(user, domain);
}


void
dir_limits_row(sqlite3_stmt *st, int first, dir_limits_t *limits_r)
{
    limits_r->warning = (uint64_t) sqlite3_column_int64(st, first);
    limits_r->send = (uint64_t) sqlite3_column_int64(st, first + 1);
    limits_r->receive = (uint64_t) sqlite3_column_int64(st, first + 2);
    limits_r->deleted = (uint64_t) sqlite3_column_int64(st, first + 3);
    limits_r->keep = (uint64_t) sqlite3_column_int64(st, first + 4);
    limits_r->hold = sqlite3_column_int(st, first + 5) != 0;
}


static uint64_t
limits_one(uint64_t own, uint64_t of_domain)
{
    if (own == 0) {
        own = of_domain;
    }

    return own == DIR_LIMIT_NONE ? 0 : own;
}


dir_limits_t
dir_limits_effective(const dir_limits_t *own, const dir_limits_t *of_domain)
{
    dir_limits_t  l;

    l.warning = limits_one(own->warning, of_domain->warning);
    l.send = limits_one(own->send, of_domain->send);
    l.receive = limits_one(own->receive, of_domain->receive);
    l.deleted = limits_one(own->deleted, of_domain->deleted);
    /* for ever: as long as the field can say */
    l.keep = own->keep ? own->keep : of_domain->keep;
    l.hold = own->hold || of_domain->hold;

    return l;
}


ph_int_t
dir_entry_row(sqlite3_stmt *st, ph_pool_t *pool, dir_row_t *row)
{
    ph_str_t      guid;
    dir_entry_t  *e = &row->e;
    dir_limits_t  limits;

    memset(row, 0, sizeof(*row));

    e->kind = (uint8_t) sqlite3_column_int(st, 0);
    row->user_status = (uint8_t) sqlite3_column_int(st, 1);
    row->domain_status = (uint8_t) sqlite3_column_int(st, 2);
    e->status = entry_status(row->user_status, row->domain_status);
    e->user_id = (uint32_t) sqlite3_column_int64(st, 3);
    e->domain_id = (uint32_t) sqlite3_column_int64(st, 4);
    e->rights = (uint32_t) sqlite3_column_int64(st, 5);
    e->address = ph_pstrdup(pool, dir_column_str(st, 6));
    e->display_name = ph_pstrdup(pool, dir_column_str(st, 7));
    e->legacy_dn = ph_pstrdup(pool, dir_column_str(st, 8));
    e->domain = ph_pstrdup(pool, dir_column_str(st, 9));
    e->organisation = ph_pstrdup(pool, dir_column_str(st, 10));
    e->lang = ph_pstrdup(pool, dir_column_str(st, 11));
    e->node = ph_pstrdup(pool, dir_column_str(st, 12));
    e->path = ph_pstrdup(pool, dir_column_str(st, 13));

    guid = dir_column_blob(st, 14);
    if (guid.len == sizeof(e->mailbox_guid.b)) {
        memcpy(e->mailbox_guid.b, guid.data, guid.len);
    }

    row->own.warning = (uint64_t) sqlite3_column_int64(st, 15);
    row->own.send = (uint64_t) sqlite3_column_int64(st, 16);
    row->own.receive = (uint64_t) sqlite3_column_int64(st, 17);
    row->own.deleted = (uint64_t) sqlite3_column_int64(st, 25);
    row->own.keep = (uint64_t) sqlite3_column_int64(st, 26);
    row->own.hold = sqlite3_column_int(st, 27) != 0;
    dir_limits_row(st, 28, &row->of_domain);
    limits = dir_limits_effective(&row->own, &row->of_domain);
    e->quota_warning = limits.warning;
    e->quota_send = limits.send;
    e->quota_receive = limits.receive;
    e->quota_deleted = limits.deleted;
    e->keep_deleted = (uint32_t) ph_min(limits.keep, UINT32_MAX);
    e->hold = limits.hold;
    e->max_submit_size = (uint32_t) sqlite3_column_int64(st, 18);
    row->password = ph_pstrdup(pool, dir_column_str(st, 19));
    row->hidden = (uint8_t) sqlite3_column_int(st, 20);
    row->forward = (uint8_t) sqlite3_column_int(st, 21);
    row->created = (uint64_t) sqlite3_column_int64(st, 22);
    row->changed = (uint64_t) sqlite3_column_int64(st, 23);
    row->organisation_id = (uint32_t) sqlite3_column_int64(st, 24);

    if (e->address.data == NULL || e->display_name.data == NULL
        || e->legacy_dn.data == NULL || e->domain.data == NULL
        || e->organisation.data == NULL || e->lang.data == NULL
        || e->node.data == NULL || e->path.data == NULL
        || row->password.data == NULL)
    {
        return PH_NOMEM;
    }

    return PH_OK;
}


static ph_int_t
entry_one(dir_conn_t *conn, sqlite3_stmt *st, ph_pool_t *pool,
    dir_row_t *row_r)
{
    ph_int_t  rc;

    if (st == NULL) {
        return PH_ERROR;
    }

    rc = dir_db_rc(conn, sqlite3_step(st));
    if (rc == PH_OK) {
        rc = dir_entry_row(st, pool, row_r);
    }

    sqlite3_reset(st);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}


ph_int_t
dir_entry_by_id(dir_conn_t *conn, ph_pool_t *pool, uint32_t id,
    dir_row_t *row_r)
{
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_entry_by_id);

    if (st != NULL) {
        sqlite3_bind_int64(st, 1, id);
    }

    return entry_one(conn, st, pool, row_r);
}


ph_int_t
dir_entry_by_address(dir_conn_t *conn, ph_pool_t *pool, ph_str_t address,
    dir_row_t *row_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_entry_by_address);

    if (st != NULL) {
        dir_bind_str(st, 1, address);
    }

    rc = entry_one(conn, st, pool, row_r);
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    st = dir_stmt(conn, DIR_SQL_entry_by_alias);
    if (st != NULL) {
        dir_bind_str(st, 1, address);
    }

    return entry_one(conn, st, pool, row_r);
}


/* "<GUID>@domain": a mailbox, when the domain is its own */
static ph_int_t
entry_by_guid_address(dir_conn_t *conn, ph_pool_t *pool, ph_str_t local,
    ph_str_t domain, dir_row_t *row_r)
{
    ph_int_t       rc;
    mapi_guid_t    guid;
    sqlite3_stmt  *st;

    if (local.len != MAPI_GUID_TEXT - 1
        || mapi_guid_parse(local, &guid) != PH_OK)
    {
        return PH_NOTFOUND;
    }

    st = dir_stmt(conn, DIR_SQL_entry_by_guid);
    if (st != NULL) {
        dir_bind_blob(st, 1, (ph_str_t) { sizeof(guid.b), guid.b });
    }

    rc = entry_one(conn, st, pool, row_r);
    if (rc == PH_OK && !ph_str_ieq(row_r->e.domain, domain)) {
        return PH_NOTFOUND;
    }

    return rc;
}


static ph_int_t
entry_find_address(dir_conn_t *conn, ph_pool_t *pool, ph_str_t key,
    dir_row_t *row_r)
{
    ph_int_t       rc;
    dir_address_t  address;

    rc = dir_address_parse(pool, key, &address);
    if (rc == PH_INVALID) {
        return PH_NOTFOUND;
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_entry_by_address(conn, pool, address.full, row_r);
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    return entry_by_guid_address(conn, pool, address.local, address.domain,
                                 row_r);
}


static const uint8_t *
entry_ifind(ph_str_t in, const char *what)
{
    size_t  n = strlen(what);

    for (size_t i = 0; i + n <= in.len; i++) {
        if (ph_str_ieq_c((ph_str_t) { n, in.data + i }, what)) {
            return in.data + i + n;
        }
    }

    return NULL;
}


static ph_int_t
entry_find_dn(dir_conn_t *conn, ph_pool_t *pool, ph_str_t key,
    dir_row_t *row_r)
{
    ph_str_t        name;
    ph_int_t        rc;
    sqlite3_stmt   *st;
    const uint8_t  *p, *at;

    if (key.len == 0 || key.len > 1024) {
        return PH_NOTFOUND;
    }

    st = dir_stmt(conn, DIR_SQL_entry_by_dn);
    if (st != NULL) {
        dir_bind_str(st, 1, key);
    }

    rc = entry_one(conn, st, pool, row_r);
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    p = entry_ifind(key, "/cn=Servers/cn=");
    if (p == NULL) {
        return PH_NOTFOUND;
    }

    name.data = p;
    name.len = (size_t) (key.data + key.len - p);
    p = memchr(name.data, '/', name.len);
    if (p != NULL) {
        name.len = (size_t) (p - name.data);
    }

    at = memchr(name.data, '@', name.len);
    if (at == NULL) {
        return PH_NOTFOUND;
    }

    return entry_by_guid_address(conn, pool,
               (ph_str_t) { (size_t) (at - name.data), name.data },
               (ph_str_t) { name.len - (size_t) (at - name.data) - 1, at + 1 },
               row_r);
}


/* The public store of a domain; should there be several, the oldest. */
static ph_int_t
entry_find_public(dir_conn_t *conn, ph_pool_t *pool, ph_str_t key,
    dir_row_t *row_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;

    rc = dir_domain_parse(pool, key, &key);
    if (rc != PH_OK) {
        return rc == PH_INVALID ? PH_NOTFOUND : rc;
    }

    st = dir_stmt(conn, DIR_SQL_entry_public);
    if (st != NULL) {
        dir_bind_str(st, 1, key);
    }

    return entry_one(conn, st, pool, row_r);
}


ph_int_t
dir_entry_find(dir_conn_t *conn, ph_pool_t *pool, uint8_t by, ph_str_t key,
    dir_row_t *row_r)
{
    uint64_t  id;

    switch (by) {
    case DIR_BY_ADDRESS:
        return entry_find_address(conn, pool, key, row_r);
    case DIR_BY_DN:
        return entry_find_dn(conn, pool, key, row_r);
    case DIR_BY_ID:
        if (ph_str_u64(key, &id) != PH_OK || id > UINT32_MAX) {
            return PH_NOTFOUND;
        }
        return dir_entry_by_id(conn, pool, (uint32_t) id, row_r);
    case DIR_BY_PUBLIC:
        return entry_find_public(conn, pool, key, row_r);
    default:
        return PH_INVALID;
    }
}


ph_int_t
dir_domain_facts(dir_conn_t *conn, ph_pool_t *pool, ph_str_t name,
    dir_domain_facts_t *facts)
{
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_domain_facts);

    memset(facts, 0, sizeof(*facts));

    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, name);
    rc = dir_db_rc(conn, sqlite3_step(st));

    if (rc == PH_OK) {
        facts->id = (uint32_t) sqlite3_column_int64(st, 0);
        facts->status = (uint8_t) sqlite3_column_int(st, 1);
        facts->catch_all = ph_pstrdup(pool, dir_column_str(st, 2));
        facts->transport = ph_pstrdup(pool, dir_column_str(st, 3));
        facts->organisation_id = (uint32_t) sqlite3_column_int64(st, 4);
        if (facts->catch_all.data == NULL || facts->transport.data == NULL) {
            rc = PH_NOMEM;
        }
    }

    sqlite3_reset(st);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}


ph_int_t
dir_strings(dir_conn_t *conn, sqlite3_stmt *st, ph_pool_t *pool, size_t max,
    ph_str_t **list_r, size_t *n_r)
{
    size_t     n = 0, cap = 0, grown;
    ph_int_t   rc;
    ph_str_t  *list = NULL;

    *list_r = NULL;
    *n_r = 0;

    if (st == NULL) {
        return PH_ERROR;
    }

    while ((rc = dir_db_rc(conn, sqlite3_step(st))) == PH_OK) {
        if (n == max) {
            rc = PH_TOOBIG;
            break;
        }

        if (n == cap) {
            grown = cap ? cap * 2 : 8;
            list = ph_prealloc(pool, list, cap * sizeof(*list),
                               grown * sizeof(*list));
            if (list == NULL) {
                rc = PH_NOMEM;
                break;
            }
            cap = grown;
        }

        list[n] = ph_pstrdup(pool, dir_column_str(st, 0));
        if (list[n].data == NULL) {
            rc = PH_NOMEM;
            break;
        }
        n++;
    }

    sqlite3_reset(st);

    if (rc != PH_DONE) {
        return rc;
    }

    *list_r = list;
    *n_r = n;

    return PH_OK;
}


ph_str_t
dir_like(ph_pool_t *pool, ph_str_t text, bool anywhere)
{
    size_t    n = 0;
    uint8_t  *p;

    p = ph_palloc(pool, 2 * text.len + 3);
    if (p == NULL) {
        return ph_str_null;
    }

    if (anywhere) {
        p[n++] = '%';
    }

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '%' || text.data[i] == '_'
            || text.data[i] == '\\')
        {
            p[n++] = '\\';
        }
        p[n++] = text.data[i];
    }

    p[n++] = '%';

    return (ph_str_t) { n, p };
}
