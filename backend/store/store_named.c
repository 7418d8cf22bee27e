/* Named properties (MS-OXCPRPT 3.2.5.9): ids of names, names of ids. */

#include "store_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_guid.h"

#define NAMED_FIRST  0x8000
#define NAMED_LAST   0xFFFE

static ph_str_t
named_guid(const mapi_guid_t *guid)
{
    return (ph_str_t) { sizeof(guid->b), guid->b };
}

/* PS_INTERNET_HEADERS are header names, whose case means nothing. */
static ph_str_t
named_name(ph_pool_t *pool, const mapi_propname_t *n)
{
    if (mapi_guid_eq(&n->guid, &mapi_guid_PS_INTERNET_HEADERS)) {
        return ph_str_lower(pool, n->name);
    }

    return n->name;
}

static ph_int_t
named_find(store_conn_t *conn, const mapi_propname_t *n, ph_pool_t *pool,
    uint16_t *id_r)
{
    int64_t   v;
    ph_int_t  rc;
    ph_str_t  name;

    if (n->kind == 0) {
        rc = store_q_int(conn, SQL_NAMED_LID, &v, "bu", named_guid(&n->guid),
                         (uint64_t) n->lid);
    } else {
        name = named_name(pool, n);
        if (name.len && name.data == NULL) {
            return PH_NOMEM;
        }
        rc = store_q_int(conn, SQL_NAMED_NAME, &v, "bt", named_guid(&n->guid),
                         name);
    }
    if (rc == PH_OK) {
        *id_r = (uint16_t) v;
    }

    return rc;
}

static ph_int_t
named_add(store_conn_t *conn, const mapi_propname_t *n, ph_pool_t *pool,
    uint16_t *id_r)
{
    int64_t   last;
    ph_str_t  name;
    uint64_t  id;

    store_try(store_q_int(conn, SQL_NAMED_LAST, &last, ""));
    id = (uint64_t) last + 1;
    if (id > NAMED_LAST || id - NAMED_FIRST >= STORE_NAMED_MAX) {
        return PH_TOOBIG;
    }

    if (n->kind == 0) {
        store_try(store_exec(conn, SQL_NAMED_ADD, "ubdun", id,
                             named_guid(&n->guid), 0, (uint64_t) n->lid));
    } else {
        name = named_name(pool, n);
        if (name.len && name.data == NULL) {
            return PH_NOMEM;
        }
        store_try(store_exec(conn, SQL_NAMED_ADD, "ubdnt", id,
                             named_guid(&n->guid), 1, name));
    }
    *id_r = (uint16_t) id;

    return PH_OK;
}

ph_int_t
store_named_ids(store_conn_t *conn, bool create, uint32_t n,
    const mapi_propname_t *names, uint16_t *ids_r)
{
    bool        saved;
    uint32_t    i;
    ph_int_t    rc;
    ph_pool_t  *pool;

    pool = ph_pool_create("named properties", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    /* all or nothing: a savepoint begins with the first new name */
    saved = false;
    rc = PH_OK;

    for (i = 0; i < n && rc == PH_OK; i++) {
        ids_r[i] = 0;

        if (names[i].kind > 1) {
            continue;
        }
        if (mapi_guid_eq(&names[i].guid, &mapi_guid_PS_MAPI)) {
            if (names[i].kind == 0 && names[i].lid < NAMED_FIRST) {
                ids_r[i] = (uint16_t) names[i].lid;
            }
            continue;
        }

        rc = named_find(conn, &names[i], pool, &ids_r[i]);
        if (rc != PH_NOTFOUND) {
            continue;
        }
        rc = PH_OK;
        if (!create) {
            continue;
        }
        if (!saved) {
            rc = store_need_write(conn);
            if (rc == PH_OK) {
                rc = store_savepoint(conn);
            }
            saved = rc == PH_OK;
        }
        if (rc == PH_OK) {
            rc = named_add(conn, &names[i], pool, &ids_r[i]);
        }
    }

    if (saved) {
        if (rc == PH_OK) {
            rc = store_release(conn);
        } else {
            (void) store_undo(conn);
        }
    }
    ph_pool_destroy(&pool);

    return rc;
}

static ph_int_t
named_row(sqlite3_stmt *s, ph_pool_t *pool, uint16_t *id_r,
    mapi_propname_t *name_r)
{
    ph_str_t  guid;

    memset(name_r, 0, sizeof(*name_r));
    *id_r = (uint16_t) store_col_u32(s, 0);
    guid = store_col_str(s, 1);
    if (guid.len != sizeof(name_r->guid.b)) {
        return PH_CORRUPT;
    }
    memcpy(name_r->guid.b, guid.data, guid.len);
    name_r->kind = (uint8_t) store_col_u32(s, 2);
    name_r->lid = store_col_u32(s, 3);
    name_r->name = ph_pstrdup(pool, store_col_str(s, 4));

    return name_r->name.data ? PH_OK : PH_NOMEM;
}

ph_int_t
store_named_names(store_conn_t *conn, uint32_t n, const uint16_t *ids,
    ph_pool_t *pool, mapi_propname_t *names_r)
{
    uint16_t       id;
    uint32_t       i;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    for (i = 0; i < n; i++) {
        memset(&names_r[i], 0, sizeof(names_r[i]));

        if (ids[i] < NAMED_FIRST) {
            names_r[i].guid = mapi_guid_PS_MAPI;
            names_r[i].lid = ids[i];
            continue;
        }

        store_try(store_q(conn, SQL_NAMED_BY_ID, &s, "u", (uint64_t) ids[i]));
        rc = store_step(conn, s);
        if (rc == PH_OK) {
            rc = named_row(s, pool, &id, &names_r[i]);
        } else if (rc == PH_DONE) {
            names_r[i].kind = 0xFF;
            rc = PH_OK;
        }
        store_done(conn, &s);
        store_try(rc);
    }

    return PH_OK;
}

ph_int_t
store_named_all(store_conn_t *conn, const mapi_guid_t *guid, ph_pool_t *pool,
    mapi_names_t *names_r)
{
    int64_t        count;
    ph_int_t       rc;
    mapi_named_t   row;
    sqlite3_stmt  *s;

    names_r->n = 0;
    store_try(store_q_int(conn, SQL_NAMED_COUNT, &count, ""));
    names_r->v = ph_pcalloc_array(pool, (size_t) count, sizeof(mapi_named_t));
    if (names_r->v == NULL) {
        return PH_NOMEM;
    }

    store_try(store_q(conn, SQL_NAMED_ALL, &s, ""));
    while ((rc = store_step(conn, s)) == PH_OK) {
        rc = named_row(s, pool, &row.id, &row.name);
        if (rc != PH_OK) {
            break;
        }
        if ((guid == NULL || mapi_guid_eq(guid, &row.name.guid))
            && names_r->n < (uint32_t) count)
        {
            names_r->v[names_r->n++] = row;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_named_known(store_conn_t *conn, uint16_t id, bool *yes_r)
{
    int64_t   v;
    ph_int_t  rc;

    if (id < NAMED_FIRST) {
        *yes_r = true;
        return PH_OK;
    }

    rc = store_q_int(conn, SQL_NAMED_HAS, &v, "u", (uint64_t) id);
    *yes_r = rc == PH_OK;

    return rc == PH_NOTFOUND ? PH_OK : rc;
}
