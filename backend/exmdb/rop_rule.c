/* The rules of a folder as ROPs (MS-OXORULE 2.2.1, 2.2.2, 2.2.3). */

#include "ex_memory_table.h"
#include "ex_rule.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_rule.h"

#define EX_RULES_UNICODE   0x40    /* TableFlags */
#define EX_RULES_REPLACE   0x01    /* ModifyRulesFlags */

#define EX_ROW_ADD         0x01
#define EX_ROW_MODIFY      0x02
#define EX_ROW_REMOVE      0x04

#define EX_RULE_COLUMNS    10
#define EX_RULE_BLOB_MAX   (STORE_RULES_BYTES_MAX + 4096)
#define EX_DAMS_MAX        10000


uint32_t
rop_get_rules_table(ex_rop_t *rop, const rop_get_rules_table_request_t *req,
    rop_get_rules_table_response_t *res)
{
    ex_folder_t        *f;
    ex_memory_table_t  *t;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL || (req->table_flags & ~EX_RULES_UNICODE) != 0) {
        return ecNotSupported;
    }

    if (!(ex_rop_rights(rop, f->fid) & STORE_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    t = ex_memory_table_make(rop, f->fid, req->table_flags);
    if (t == NULL) {
        return ecServerOOM;
    }

    t->rules = true;

    return 0;
}


/* ---- rows of the table ---- */

static ph_int_t
rop_rule_row(ex_rop_t *rop, const store_rule_t *r, mapi_values_t *row_r)
{
    uint32_t             n;
    ph_int_t             rc;
    mapi_value_t        *v;
    mapi_actions_t      *actions;
    mapi_restriction_t  *condition;

    v = ph_pcalloc_array(rop->pool, EX_RULE_COLUMNS, sizeof(mapi_value_t));
    if (v == NULL) {
        return PH_NOMEM;
    }

    rc = ex_rule_decode(rop->pool, r, &condition, &actions);
    if (rc == PH_NOMEM) {
        return rc;
    }

    n = 0;
    v[n].tag = PR_RULE_ID;
    v[n++].u.i8 = (int64_t) store_eid(r->id);
    v[n].tag = PR_RULE_SEQUENCE;
    v[n++].u.i4 = r->sequence;
    v[n].tag = PR_RULE_STATE;
    v[n++].u.i4 = (int32_t) r->state;
    v[n].tag = PR_RULE_USER_FLAGS;
    v[n++].u.i4 = (int32_t) r->user_flags;
    v[n].tag = PR_RULE_LEVEL;
    v[n++].u.i4 = r->level;
    v[n].tag = PR_RULE_PROVIDER;
    v[n++].u.str = r->provider;

    if (r->has_name) {
        v[n].tag = PR_RULE_NAME;
        v[n++].u.str = r->name;
    }

    if (r->has_provider_data) {
        v[n].tag = PR_RULE_PROVIDER_DATA;
        v[n++].u.bin = r->provider_data;
    }

    if (rc == PH_OK && condition != NULL) {
        v[n].tag = PR_RULE_CONDITION;
        v[n++].u.restriction = condition;
    }

    if (rc == PH_OK) {
        v[n].tag = PR_RULE_ACTIONS;
        v[n++].u.actions = actions;
    }

    row_r->n = n;
    row_r->v = v;

    return PH_OK;
}


ph_int_t
ex_rule_rows(ex_rop_t *rop, uint64_t fid, uint32_t *n_r,
    mapi_values_t **rows_r)
{
    uint32_t        i, n;
    ph_int_t        rc;
    store_rule_t   *rules;
    mapi_values_t  *rows;

    rc = store_rules(rop->conn, fid, rop->pool, &n, &rules);
    if (rc != PH_OK) {
        return rc;
    }

    rows = ph_pcalloc_array(rop->pool, n, sizeof(mapi_values_t));
    if (rows == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = rop_rule_row(rop, &rules[i], &rows[i]);
    }

    *n_r = n;
    *rows_r = rows;

    return rc;
}


/* ---- changes ---- */

/* Can this action ever be carried out (MS-OXORULE 2.2.5.1)? */
static bool
rop_action_valid(const mapi_action_t *a)
{
    mapi_eid_t  fid, mid;

    switch (a->type) {

    case OP_MOVE:
    case OP_COPY:
        return !a->u.move.in_this_store
               || mapi_svreid_parse(a->u.move.folder_eid, &fid, &mid,
                                    &(uint32_t) { 0 }) == PH_OK;

    case OP_BOUNCE:
        return a->u.bounce_code == EX_BOUNCE_TOO_LARGE
               || a->u.bounce_code == EX_BOUNCE_FORM
               || a->u.bounce_code == EX_BOUNCE_DENIED;

    case OP_FORWARD:
        return a->u.forward.n > 0
               && (a->flavor & ~(uint32_t) EX_FORWARD_ALL) == 0
               && (a->flavor == EX_FORWARD_TM
                   || !(a->flavor & EX_FORWARD_TM));

    case OP_DELEGATE:
        return a->u.forward.n > 0;

    case OP_REPLY:
    case OP_OOF_REPLY:
        return (a->flavor & ~(uint32_t) EX_REPLY_ALL) == 0;

    case OP_DEFER_ACTION:
    case OP_TAG:
    case OP_DELETE:
    case OP_MARK_AS_READ:
        return true;

    default:
        return false;
    }
}


static uint32_t
rop_rule_actions(ex_rop_t *rop, const mapi_actions_t *actions, store_rule_t *r)
{
    uint32_t    i;
    ph_int_t    rc;
    ph_wbuf_t   b;

    if (actions == NULL || actions->n == 0) {
        return ecInvalidParam;
    }

    for (i = 0; i < actions->n; i++) {
        if (!rop_action_valid(&actions->v[i])) {
            return ecInvalidParam;
        }
    }

    ph_wbuf_init(&b, rop->pool, EX_RULE_BLOB_MAX);
    rc = mapi_actions_encode(&b, &ex_rule_ctx, actions);
    if (rc != PH_OK || b.error) {
        return rc == PH_INVALID ? ecInvalidParam : ecMAPIOOM;
    }

    r->actions = ph_wbuf_str(&b);

    return 0;
}


static uint32_t
rop_rule_condition(ex_rop_t *rop, const mapi_restriction_t *res,
    store_rule_t *r)
{
    ph_int_t   rc;
    ph_wbuf_t  b;

    if (res == NULL) {
        return ecInvalidParam;
    }

    ph_wbuf_init(&b, rop->pool, EX_RULE_BLOB_MAX);
    rc = mapi_restriction_encode(&b, &ex_rule_ctx, res);
    if (rc != PH_OK || b.error) {
        return rc == PH_INVALID ? ecInvalidParam : ecMAPIOOM;
    }

    r->condition = ph_wbuf_str(&b);
    r->has_condition = true;

    return 0;
}


/* One property of a RuleData; what is not of a rule is ignored. */
static uint32_t
rop_rule_take(ex_rop_t *rop, const mapi_value_t *v, store_rule_t *r)
{
    uint16_t  type = MAPI_TYPE(v->tag);
    bool      text = type == PT_UNICODE || type == PT_STRING8;

    switch (MAPI_ID(v->tag)) {

    case MAPI_ID(PR_RULE_SEQUENCE):
        r->sequence = v->u.i4;
        return type == PT_LONG ? 0 : ecInvalidParam;

    case MAPI_ID(PR_RULE_STATE):
        r->state = (uint32_t) v->u.i4;
        return type == PT_LONG ? 0 : ecInvalidParam;

    case MAPI_ID(PR_RULE_USER_FLAGS):
        r->user_flags = (uint32_t) v->u.i4;
        return type == PT_LONG ? 0 : ecInvalidParam;

    case MAPI_ID(PR_RULE_LEVEL):
        r->level = v->u.i4;
        return type == PT_LONG ? 0 : ecInvalidParam;

    case MAPI_ID(PR_RULE_NAME):
        if (!text) {
            return ecInvalidParam;
        }

        r->name = v->u.str;
        r->has_name = true;
        return 0;

    case MAPI_ID(PR_RULE_PROVIDER):
        if (!text) {
            return ecInvalidParam;
        }

        r->provider = v->u.str;
        return 0;

    case MAPI_ID(PR_RULE_PROVIDER_DATA):
        if (type != PT_BINARY) {
            return ecInvalidParam;
        }

        r->provider_data = v->u.bin;
        r->has_provider_data = true;
        return 0;

    case MAPI_ID(PR_RULE_CONDITION):
        return type == PT_SRESTRICTION
               ? rop_rule_condition(rop, v->u.restriction, r)
               : ecInvalidParam;

    case MAPI_ID(PR_RULE_ACTIONS):
        return type == PT_ACTIONS ? rop_rule_actions(rop, v->u.actions, r)
                                  : ecInvalidParam;

    default:
        return 0;
    }
}


static uint32_t
rop_rule_ec(ex_rop_t *rop, ph_int_t rc)
{
    return rc == PH_TOOBIG ? ecMAPIOOM : ex_ec(rop, rc);
}


static uint32_t
rop_rule_change(ex_rop_t *rop, uint64_t fid, const rop_rule_data_t *row)
{
    uint16_t             i;
    uint32_t             ec;
    uint64_t             id;
    ph_int_t             rc;
    store_rule_t         r;
    mapi_values_t        props;
    const mapi_value_t  *v;

    props.n = row->props_count;
    props.v = row->props;

    v = mapi_find(&props, PR_RULE_ID);
    id = (v != NULL) ? store_id((mapi_eid_t) v->u.i8) : 0;

    switch (row->flags) {

    case EX_ROW_ADD:
        memset(&r, 0, sizeof(r));
        r.folder = fid;
        if (mapi_find_id(&props, MAPI_ID(PR_RULE_PROVIDER)) == NULL
            || mapi_find_id(&props, MAPI_ID(PR_RULE_ACTIONS)) == NULL)
        {
            return ecInvalidParam;
        }
        break;

    case EX_ROW_MODIFY:
        if (v == NULL) {
            return ecInvalidParam;
        }

        rc = store_rule_find(rop->conn, fid, id, rop->pool, &r);
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }

        /* what was wrong with it may be put right now */
        r.state &= ~(uint32_t) (ST_ERROR | ST_RULE_PARSE_ERROR);
        break;

    case EX_ROW_REMOVE:
        return v == NULL ? ecInvalidParam
               : ex_ec(rop, store_rule_remove(rop->conn, fid, id));

    default:
        return ecInvalidParam;
    }

    for (i = 0; i < row->props_count; i++) {
        ec = rop_rule_take(rop, &row->props[i], &r);
        if (ec != 0) {
            return ec;
        }
    }

    return rop_rule_ec(rop, store_rule_put(rop->conn, &r));
}


static uint32_t
rop_rules_change(ex_rop_t *rop, uint64_t fid,
    const rop_modify_rules_request_t *req)
{
    uint16_t  i;
    uint32_t  ec;
    ph_int_t  rc;

    if (req->modify_rules_flags & EX_RULES_REPLACE) {
        rc = store_rules_clear(rop->conn, fid);
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }
    }

    for (i = 0; i < req->rows_count; i++) {
        if ((req->modify_rules_flags & EX_RULES_REPLACE)
            && req->rows[i].flags != EX_ROW_ADD)
        {
            return ecInvalidParam;
        }

        ec = rop_rule_change(rop, fid, &req->rows[i]);
        if (ec != 0) {
            return ec;
        }
    }

    return 0;
}


uint32_t
rop_modify_rules(ex_rop_t *rop, const rop_modify_rules_request_t *req,
    rop_modify_rules_response_t *res)
{
    uint32_t      ec;
    ph_int_t      rc;
    ex_folder_t  *f;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL || f->type == STORE_FOLDER_SEARCH) {
        return ecNotSupported;
    }

    if (req->modify_rules_flags & ~EX_RULES_REPLACE) {
        return ecInvalidParam;
    }

    if (!(ex_rop_rights(rop, f->fid) & STORE_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    /* all rows or none (3.2.5.2) */
    rc = store_savepoint(rop->conn);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    ec = rop_rules_change(rop, f->fid, req);
    rc = (ec == 0) ? store_release(rop->conn) : store_undo(rop->conn);

    return ec != 0 ? ec : ex_ec(rop, rc);
}


/* ---- deferred actions ---- */

/* One DAM that names the message the client has replaced. */
static ph_int_t
rop_dam_patch(ex_rop_t *rop, uint64_t mid, ph_str_t server, ph_str_t client)
{
    ph_int_t            rc;
    mapi_tags_t         tags;
    mapi_value_t        v[3];
    mapi_values_t       got, set;
    store_actor_t       actor;
    store_message_t    *msg;
    store_problems_t    problems;

    static const uint32_t  wanted[] = {
        PR_DAM_ORIGINAL_ENTRYID, EX_DAM_ORIGINAL_SVREID
    };

    rc = store_message_open(rop->conn, STORE_DEFERRED_ACTION, mid,
                            STORE_OPEN_WRITE, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;
    rc = store_message_get(rop->conn, msg, &tags, EX_RULE_BLOB_MAX, rop->pool,
                           &got);

    /* the message is named in two ways; clients use either */
    if (rc == PH_OK
        && ((got.v[0].tag == PR_DAM_ORIGINAL_ENTRYID
             && mapi_entryid_eq(got.v[0].u.bin, server))
            || (got.v[1].tag == EX_DAM_ORIGINAL_SVREID
                && ph_str_eq(got.v[1].u.bin, server))))
    {
        memset(v, 0, sizeof(v));
        v[0].tag = PR_DAM_ORIGINAL_ENTRYID;
        v[0].u.bin = client;
        v[1].tag = EX_DAM_ORIGINAL_SVREID;
        v[1].u.bin = client;
        v[2].tag = PR_DAM_BACK_PATCHED;
        v[2].u.b = true;
        set.n = ph_nelts(v);
        set.v = v;

        rc = store_message_set(msg, &set, rop->pool, &problems);
        if (rc == PH_OK) {
            rc = ex_rop_actor(rop, &actor);
        }
        if (rc == PH_OK) {
            rc = store_message_save(rop->conn, msg, STORE_SAVE_NO_QUOTA,
                                    &actor, NULL);
        }
    }

    store_message_close(&msg);

    return rc;
}


uint32_t
rop_update_deferred_action_messages(ex_rop_t *rop,
    const rop_update_deferred_action_messages_request_t *req,
    rop_update_deferred_action_messages_response_t *res)
{
    uint32_t   i, n;
    uint64_t  *mids;
    ph_int_t   rc;

    (void) res;

    if (rop->in->kind != EX_LOGON) {
        return ecNotSupported;
    }

    if (!ex_rop_is_owner(rop)) {
        return ecAccessDenied;
    }

    if (req->server_entry_id.len == 0 || req->client_entry_id.len == 0) {
        return ecInvalidParam;
    }

    rc = store_messages_of_class(rop->conn, STORE_DEFERRED_ACTION, false,
                                 ph_str_lit(EX_CLASS_DAM), EX_DAMS_MAX,
                                 rop->pool, &n, &mids);

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = rop_dam_patch(rop, mids[i], req->server_entry_id,
                           req->client_entry_id);
    }

    return ex_ec(rop, rc);
}
