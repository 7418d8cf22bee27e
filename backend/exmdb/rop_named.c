/* Named properties (MS-OXCPRPT 2.2.12 ff.). */

#include "ex_rop.h"
#include "ex_access.h"

#define EX_NAMES_CREATE      0x02

#define EX_QUERY_NO_STRINGS  0x01
#define EX_QUERY_NO_IDS      0x02


/*
 * New names for who may write something here at all: the number of names is
 * limited, and no stranger should use it up.
 */
static bool
rop_may_name(ex_rop_t *rop)
{
    bool      any;
    uint32_t  flags, rights;

    if (ex_rop_is_owner(rop)) {
        return true;
    }

    if (ex_access_logon(rop->conn, rop->session, rop->pool, &flags, &any)
        != PH_OK || !any
        || store_permission_any(rop->conn, rop->session->facts->entry.address,
                                rop->session->n_groups, rop->session->groups,
                                &rights) != PH_OK)
    {
        return false;
    }

    return (rights & (STORE_RIGHT_CREATE | STORE_RIGHT_EDIT_OWNED
                      | STORE_RIGHT_EDIT_ANY | STORE_RIGHT_OWNER)) != 0;
}


uint32_t
rop_get_property_ids_from_names(ex_rop_t *rop,
    const rop_get_property_ids_from_names_request_t *req,
    rop_get_property_ids_from_names_response_t *res)
{
    uint16_t       i;
    uint32_t       ec;
    ph_int_t       rc;
    mapi_names_t   all;

    if (req->names_count == 0) {
        rc = store_named_all(rop->conn, NULL, rop->pool, &all);
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }

        res->ids = ph_pcalloc_array(rop->pool, all.n, sizeof(uint16_t));
        if (res->ids == NULL) {
            return ecServerOOM;
        }

        res->ids_count = (uint16_t) all.n;
        for (i = 0; i < all.n; i++) {
            res->ids[i] = all.v[i].id;
        }

        return 0;
    }

    res->ids = ph_pcalloc_array(rop->pool, req->names_count,
                                sizeof(uint16_t));
    if (res->ids == NULL) {
        return ecServerOOM;
    }

    res->ids_count = req->names_count;

    rc = store_named_ids(rop->conn,
                         (req->flags & EX_NAMES_CREATE)
                         && rop_may_name(rop),
                         req->names_count, req->names, res->ids);
    if (rc == PH_TOOBIG) {
        return ecMAPIOOM;
    }

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    ec = 0;
    for (i = 0; i < res->ids_count; i++) {
        if (res->ids[i] == 0) {
            ec = ecWarnWithErrors;
        }
    }

    return ec;
}


uint32_t
rop_get_names_from_property_ids(ex_rop_t *rop,
    const rop_get_names_from_property_ids_request_t *req,
    rop_get_names_from_property_ids_response_t *res)
{
    ph_int_t  rc;

    res->names = ph_pcalloc_array(rop->pool, req->ids_count,
                                  sizeof(mapi_propname_t));
    if (res->names == NULL) {
        return ecServerOOM;
    }

    res->names_count = req->ids_count;
    rc = store_named_names(rop->conn, req->ids_count, req->ids, rop->pool,
                           res->names);

    return ex_ec(rop, rc);
}


uint32_t
rop_query_named_properties(ex_rop_t *rop,
    const rop_query_named_properties_request_t *req,
    rop_query_named_properties_response_t *res)
{
    uint32_t       i, n;
    ph_int_t       rc;
    mapi_names_t   all;

    rc = store_named_all(rop->conn, req->has_guid ? &req->guid : NULL,
                         rop->pool, &all);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    res->ids = ph_pcalloc_array(rop->pool, all.n, sizeof(uint16_t));
    res->names = ph_pcalloc_array(rop->pool, all.n, sizeof(mapi_propname_t));
    if (res->ids == NULL || res->names == NULL) {
        return ecServerOOM;
    }

    n = 0;

    for (i = 0; i < all.n; i++) {
        if (((req->query_flags & EX_QUERY_NO_STRINGS)
             && all.v[i].name.kind == 1)
            || ((req->query_flags & EX_QUERY_NO_IDS)
                && all.v[i].name.kind == 0))
        {
            continue;
        }

        res->ids[n] = all.v[i].id;
        res->names[n] = all.v[i].name;
        n++;
    }

    res->count = (uint16_t) n;

    return 0;
}
