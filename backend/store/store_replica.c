/* Replica ids, and ids that clients reserve (MS-OXCSTOR, MS-OXCFXICS 3.2.5). */

#include "store_int.h"
#include "mapi/mapi_guid.h"

#define REPLICA_LEARNED  6         /* 1 to 5 have fixed meanings */

ph_int_t
store_replica_guid(store_conn_t *conn, uint16_t replid, mapi_guid_t *guid_r)
{
    ph_str_t       guid;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_REPLICA_GUID, &s, "u", (uint64_t) replid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        guid = store_col_str(s, 0);
        if (guid.len == sizeof(guid_r->b)) {
            memcpy(guid_r->b, guid.data, guid.len);
        } else {
            rc = PH_CORRUPT;
        }
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

ph_int_t
store_replica_id(store_conn_t *conn, const mapi_guid_t *guid, bool create,
    uint16_t *replid_r)
{
    int64_t   v;
    ph_int_t  rc;
    ph_str_t  bytes;
    uint64_t  id;

    bytes.data = guid->b;
    bytes.len = sizeof(guid->b);

    rc = store_q_int(conn, SQL_REPLICA_ID, &v, "b", bytes);
    if (rc == PH_OK) {
        *replid_r = (uint16_t) v;
        return PH_OK;
    }
    if (rc != PH_NOTFOUND || !create) {
        return rc;
    }

    store_try(store_need_write(conn));
    store_try(store_q_int(conn, SQL_REPLICA_LAST, &v, ""));
    id = ph_max((uint64_t) v + 1, (uint64_t) REPLICA_LEARNED);
    if (id > STORE_REPLICAS_MAX) {
        return PH_TOOBIG;
    }
    store_try(store_exec(conn, SQL_REPLICA_ADD, "ub", id, bytes));
    *replid_r = (uint16_t) id;

    return PH_OK;
}

ph_int_t
store_replica_map(store_conn_t *conn, ph_pool_t *pool, ph_str_t *blob_r)
{
    ph_int_t       rc;
    ph_str_t       guid;
    ph_wbuf_t      b;
    sqlite3_stmt  *s;

    ph_wbuf_init(&b, pool, STORE_REPLICAS_MAX * 18);

    store_try(store_q(conn, SQL_REPLICAS, &s, ""));
    while ((rc = store_step(conn, s)) == PH_OK) {
        guid = store_col_str(s, 1);
        if (guid.len != 16) {
            rc = PH_CORRUPT;
            break;
        }
        ph_put_u16(&b, (uint16_t) store_col_u32(s, 0));
        ph_put_str(&b, guid);
    }
    store_done(conn, &s);
    if (rc != PH_DONE) {
        return rc;
    }
    *blob_r = ph_wbuf_str(&b);

    return b.error ? PH_NOMEM : PH_OK;
}

ph_int_t
store_reserve_ids(store_conn_t *conn, uint32_t n, uint64_t *first_r)
{
    store_t   *store;
    uint64_t   first, last;

    store_try(store_need_write(conn));
    store = conn->store;

    if (n == 0) {
        return PH_INVALID;
    }
    first = store->next_range;
    last = first + n - 1;
    if (last > STORE_ID_MAX) {
        return PH_TOOBIG;
    }

    store_try(store_exec(conn, SQL_RANGE_ADD, "uuduu", first, last, 2,
                         (uint64_t) 0, store_now(conn)));
    store->next_range = last + 1;
    conn->counters_dirty = true;
    *first_r = first;

    return PH_OK;
}
