/*
 * ModLinkAtt (MS-OXNSPI 3.1.4.1.15): members of groups, which administrators
 * change, and a user's delegates, who may send on his behalf and whom he
 * chooses himself.
 *
 * Delegates are kept as DNs in PR_EMS_AB_PUBLIC_DELEGATES of the user, because
 * a DN stays when an address changes.
 */

#include "nspi_int.h"
#include "lib/ph_str.h"
#include "lib/ph_ticket.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_tags.h"

#define LINK_TARGETS_MAX  1000
#define LINK_EPHEMERAL    0x87
#define LINK_EPHEMERAL_LEN  32

#define LINK_DELEGATES  MAPI_RETYPE(PR_EMS_AB_PUBLIC_DELEGATES, PT_MV_UNICODE)


/* The entry of an entry id, of any form; PH_NOTFOUND. */
static ph_int_t
link_target(ab_call_t *call, ph_str_t eid, dir_row_t *row)
{
    uint32_t   type, mid;
    ph_cur_t   cur;
    ph_int_t   rc;
    ph_str_t   dn;

    if (eid.len == LINK_EPHEMERAL_LEN && eid.data[0] == LINK_EPHEMERAL) {
        ph_cur_init(&cur, eid.data, eid.len);
        (void) ph_cur_bytes(&cur, LINK_EPHEMERAL_LEN - 4);
        mid = ph_cur_u32(&cur);
        rc = mid < DIR_MID_FIRST ? PH_NOTFOUND
             : dir_entry_by_id(call->conn, call->pool, mid - DIR_MID_FIRST,
                               row);

    } else {
        if (mapi_entryid_ab_parse(eid, &type, &dn) != PH_OK) {
            return PH_NOTFOUND;
        }
        rc = dir_entry_find(call->conn, call->pool, DIR_BY_DN, dn, row);
    }

    if (rc == PH_OK && row->organisation_id != call->me.organisation_id) {
        rc = PH_NOTFOUND;
    }

    return rc;
}


static ph_int_t
link_member(dir_conn_t *conn, uint32_t group, const dir_row_t *member,
    bool remove)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;

    st = dir_stmt(conn, remove ? DIR_SQL_group_member_delete
                               : DIR_SQL_group_member_insert);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, group);
    dir_bind_str(st, 2, member->e.address);
    rc = dir_stmt_run(conn, st);

    /* who is a member already stays one */
    return rc == PH_EXISTS ? PH_OK : rc;
}


/* the list with the targets, or without them */
static ph_int_t
link_delegates(ab_call_t *call, dir_conn_t *conn, uint32_t user,
    const mapi_value_t *old, const dir_row_t *targets, uint32_t n, bool remove)
{
    bool           there;
    uint32_t       had;
    ph_str_t      *list;
    mapi_value_t   v;

    had = old != NULL && MAPI_TYPE(old->tag) == PT_MV_UNICODE ? old->u.mv.n
                                                              : 0;
    list = ph_pcalloc_array(call->pool, (size_t) had + n, sizeof(*list));
    if (list == NULL) {
        return PH_NOMEM;
    }

    memset(&v, 0, sizeof(v));
    v.tag = LINK_DELEGATES;
    v.u.mv.str = list;

    for (uint32_t i = 0; i < had; i++) {
        there = false;
        for (uint32_t k = 0; k < n; k++) {
            there |= ph_str_ieq(old->u.mv.str[i], targets[k].e.legacy_dn);
        }
        if (!there) {
            list[v.u.mv.n++] = old->u.mv.str[i];
        }
    }

    for (uint32_t k = 0; !remove && k < n; k++) {
        list[v.u.mv.n++] = targets[k].e.legacy_dn;
    }

    if (v.u.mv.n > LINK_TARGETS_MAX) {
        return PH_TOOBIG;
    }

    return v.u.mv.n == 0 ? dir_property_remove(conn, user, MAPI_ID(v.tag))
                         : dir_property_store(conn, user, &v);
}


static ph_int_t
link_write(ab_call_t *call, const nspi_mod_link_att_request_t *q,
    const mapi_values_t *values, const dir_row_t *object,
    const dir_row_t *targets, uint32_t n)
{
    bool         remove = (q->flags & NSPI_LINK_DELETE) != 0;
    ph_int_t     rc;
    uint32_t     id = object->e.user_id;
    dir_db_t    *db = call->job->d->db;
    dir_conn_t  *conn;

    rc = dir_db_write(db, &conn);
    if (rc != PH_OK) {
        return rc;
    }

    if (MAPI_ID(q->property_tag) == MAPI_ID(PR_EMS_AB_MEMBER)) {
        for (uint32_t i = 0; rc == PH_OK && i < n; i++) {
            rc = link_member(conn, id, &targets[i], remove);
        }
    } else {
        rc = link_delegates(call, conn, id,
                            mapi_find_id(values, MAPI_ID(LINK_DELEGATES)),
                            targets, n, remove);
    }

    if (rc != PH_OK) {
        dir_db_rollback(db, &conn);
        return rc;
    }

    rc = dir_db_commit(db, &conn, &call->job->generation);
    dir_job_changed(call->job, object->e.address);

    return rc;
}


static ph_int_t
link_change(ab_call_t *call, const nspi_mod_link_att_request_t *q,
    const mapi_values_t *values, uint32_t *error_r)
{
    bool        member;
    ph_int_t    rc;
    uint32_t    n = 0;
    dir_row_t   object, *targets;

    rc = dir_entry_by_id(call->conn, call->pool, q->mid - DIR_MID_FIRST,
                         &object);
    if (rc != PH_OK) {
        return rc;
    }

    member = MAPI_ID(q->property_tag) == MAPI_ID(PR_EMS_AB_MEMBER);

    if (member != (object.e.kind == DIR_KIND_GROUP)
        || (!(call->me.e.rights & PH_RIGHT_ADMIN)
            && (member || object.e.user_id != call->me.e.user_id)))
    {
        *error_r = NSPI_ACCESS_DENIED;
        return PH_OK;
    }

    if (!q->has_entry_ids || q->entry_ids.eid_count > LINK_TARGETS_MAX) {
        *error_r = NSPI_INVALID_PARAMETER;
        return PH_OK;
    }

    targets = ph_pcalloc_array(call->pool, q->entry_ids.eid_count,
                               sizeof(*targets));
    if (targets == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < q->entry_ids.eid_count; i++) {
        rc = link_target(call, q->entry_ids.eid[i], &targets[n]);

        if (rc == PH_NOTFOUND && (q->flags & NSPI_LINK_DELETE)) {
            continue;           /* it is not linked */
        }
        if (rc == PH_NOTFOUND) {
            *error_r = NSPI_INVALID_PARAMETER;
            return PH_OK;
        }
        if (rc != PH_OK) {
            return rc;
        }
        n++;
    }

    rc = link_write(call, q, values, &object, targets, n);
    if (rc == PH_TOOBIG) {
        *error_r = NSPI_OUT_OF_RESOURCES;
        rc = PH_OK;
    }

    return rc;
}


ph_int_t
ab_mod_link_att(ab_call_t *call)
{
    uint8_t                       kind;
    ph_int_t                      rc;
    mapi_values_t                 values;
    nspi_mod_link_att_request_t   q;
    nspi_mod_link_att_response_t  a;

    rc = nspi_mod_link_att_request_decode_all(call->body, call->pool,
                                              &call->ctx, &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));

    rc = ab_object(call, call->pool, q.mid, &values, &kind);

    if (MAPI_ID(q.property_tag) != MAPI_ID(PR_EMS_AB_MEMBER)
        && MAPI_ID(q.property_tag) != MAPI_ID(PR_EMS_AB_PUBLIC_DELEGATES))
    {
        a.error_code = NSPI_NOT_FOUND;
    } else if (rc == PH_NOTFOUND) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (rc == PH_OK) {
        rc = link_change(call, &q, &values, &a.error_code);
        if (rc != PH_OK) {
            return rc;
        }
    } else {
        return rc;
    }

    return nspi_mod_link_att_response_encode_new(call->pool, &call->ctx, &a,
                                                 &call->out);
}
