/*
 * Messages in the folder Deferred Action: what a rule leaves to the client
 * (DAM, MS-OXORULE 2.2.6), and what went wrong (DEM, 2.2.7).
 */

#include "ex_rule_run.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_tags.h"

#define EX_DAM_BYTES         (64u << 10)


/* The folder takes no more, until its owner's client has been there. */
static bool
ex_daf_is_full(ex_arrival_t *a)
{
    store_folder_t  f;

    return store_folder_find(a->conn, NULL, STORE_DEFERRED_ACTION, &f)
           != PH_OK || f.total >= EX_DAF_MAX;
}


static ph_int_t
ex_daf_put(ex_arrival_t *a, mapi_values_t *props)
{
    ph_int_t          rc;
    ph_str_t          id;
    mapi_message_t    m;
    store_message_t  *msg;

    rc = store_folder_entryid(a->mb->store, a->fid, a->pool, &id);
    if (rc == PH_OK) {
        rc = ex_value_bin(a->pool, props, PR_RULE_FOLDER_ENTRYID, id);
    }
    if (rc == PH_OK) {
        rc = store_message_entryid(a->mb->store, a->fid, a->mid, a->pool,
                                   &id);
    }
    if (rc == PH_OK) {
        rc = ex_value_bin(a->pool, props, PR_DAM_ORIGINAL_ENTRYID, id);
    }
    if (rc == PH_OK) {
        rc = store_message_create(a->conn, STORE_DEFERRED_ACTION, false, 0,
                                  NULL, &msg);
    }
    if (rc != PH_OK) {
        return rc;
    }

    memset(&m, 0, sizeof(m));
    m.props = *props;
    rc = store_message_import(a->conn, msg, &m);
    if (rc == PH_OK) {
        rc = store_message_save(a->conn, msg, STORE_SAVE_NO_QUOTA, NULL,
                                NULL);
    }
    store_message_close(&msg);

    return rc;
}


/* One message for all deferred actions of a provider (3.2.5.1.2). */
static ph_int_t
ex_rule_dam(ex_run_t *run, ph_str_t provider)
{
    uint8_t          svreid[MAPI_SVREID];
    unsigned         i;
    ph_int_t         rc;
    ph_wbuf_t        bytes, ids;
    ex_arrival_t    *a = run->a;
    mapi_values_t    props;
    mapi_actions_t   actions;

    ph_wbuf_init(&bytes, a->pool, EX_DAM_BYTES);
    ph_wbuf_init(&ids, a->pool, EX_DAM_BYTES);
    memset(&props, 0, sizeof(props));
    memset(&actions, 0, sizeof(actions));
    actions.v = ph_pcalloc_array(a->pool, EX_RULE_DEFERS,
                                 sizeof(mapi_action_t));
    if (actions.v == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < run->n_defers; i++) {
        if (ph_str_eq(run->defers[i].rule->provider, provider)) {
            actions.v[actions.n++] = *run->defers[i].action;
            ph_put_u64(&ids, store_eid(run->defers[i].rule->id));
        }
    }

    rc = mapi_actions_encode(&bytes, &ex_rule_ctx, &actions);
    if (rc != PH_OK || bytes.error || ids.error) {
        return rc != PH_OK ? rc : PH_TOOBIG;
    }

    mapi_svreid_make(svreid, store_eid(a->fid), store_eid(a->mid), 0);

    rc = ex_value_str(a->pool, &props, PR_MESSAGE_CLASS,
                      ph_str_lit(EX_CLASS_DAM));
    if (rc == PH_OK) {
        rc = ex_value_bool(a->pool, &props, PR_DAM_BACK_PATCHED, false);
    }
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &props, PR_RULE_PROVIDER, provider);
    }
    if (rc == PH_OK) {
        rc = ex_value_bin(a->pool, &props, PR_CLIENT_ACTIONS,
                          ph_wbuf_str(&bytes));
    }
    if (rc == PH_OK) {
        rc = ex_value_bin(a->pool, &props, PR_RULE_IDS, ph_wbuf_str(&ids));
    }
    if (rc == PH_OK) {
        rc = ex_value_bin(a->pool, &props, EX_DAM_ORIGINAL_SVREID,
                          (ph_str_t) { MAPI_SVREID, svreid });
    }

    return rc == PH_OK ? ex_daf_put(a, &props) : rc;
}


/* The message says that it has some. */
static ph_int_t
ex_rule_dam_mark(ex_arrival_t *a)
{
    ph_int_t           rc;
    mapi_value_t       v;
    mapi_values_t      values;
    store_message_t   *msg;
    store_problems_t   problems;

    rc = store_message_open(a->conn, a->fid, a->mid, STORE_OPEN_WRITE, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&v, 0, sizeof(v));
    v.tag = PR_HAS_DAMS;
    v.u.b = true;
    values.n = 1;
    values.v = &v;
    rc = store_message_set(msg, &values, a->pool, &problems);
    if (rc == PH_OK) {
        rc = store_message_save(a->conn, msg, STORE_SAVE_NO_QUOTA, NULL,
                                NULL);
    }
    store_message_close(&msg);

    return rc;
}


ph_int_t
ex_rule_dams(ex_run_t *run)
{
    unsigned  i, k;
    ph_int_t  rc;

    if (ex_daf_is_full(run->a)) {
        return PH_OK;
    }

    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < run->n_defers; i++) {
        for (k = 0; k < i; k++) {
            if (ph_str_eq(run->defers[k].rule->provider,
                          run->defers[i].rule->provider))
            {
                break;
            }
        }

        if (k == i) {
            rc = ex_rule_dam(run, run->defers[i].rule->provider);
        }
    }

    return rc == PH_OK ? ex_rule_dam_mark(run->a) : rc;
}


ph_int_t
ex_rule_dem(ex_run_t *run, const ex_rule_t *rule)
{
    ph_int_t        rc;
    mapi_value_t    id;
    ex_arrival_t   *a = run->a;
    mapi_values_t   props;

    if (ex_daf_is_full(a)) {
        return PH_OK;
    }

    memset(&props, 0, sizeof(props));
    memset(&id, 0, sizeof(id));
    id.tag = PR_RULE_ID;
    id.u.i8 = (int64_t) store_eid(rule->id);

    rc = ex_value_str(a->pool, &props, PR_MESSAGE_CLASS,
                      ph_str_lit(EX_CLASS_DEM));
    if (rc == PH_OK) {
        rc = ex_value_i4(a->pool, &props, PR_RULE_ERROR,
                         (int32_t) run->error);
    }
    if (rc == PH_OK) {
        rc = ex_value_i4(a->pool, &props, PR_RULE_ACTION_TYPE,
                         run->error_type);
    }
    if (rc == PH_OK) {
        rc = ex_value_i4(a->pool, &props, PR_RULE_ACTION_NUMBER,
                         (int32_t) run->error_action);
    }
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &props, PR_RULE_PROVIDER, rule->provider);
    }
    if (rc == PH_OK) {
        rc = ex_value_set(a->pool, &props, &id);
    }

    return rc == PH_OK ? ex_daf_put(a, &props) : rc;
}
