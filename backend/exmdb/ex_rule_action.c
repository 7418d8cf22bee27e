/* What a rule does with the message itself (MS-OXORULE 2.2.5, 3.2.5.1). */

#include "ex_rule_run.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_tags.h"


/* The folder of OP_MOVE and OP_COPY.  PH_DECLINED: in another store. */
static ph_int_t
ex_action_folder(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action, uint64_t *fid_r)
{
    uint64_t        mid;
    ph_int_t        rc;
    mapi_eid_t      fid, ignored;
    store_folder_t  f;

    if (rule->extended) {
        if (store_entryid_parse(run->a->mb->store, action->u.move.folder_eid,
                                fid_r, &mid) != PH_OK)
        {
            return PH_DECLINED;
        }

    } else {
        if (!action->u.move.in_this_store) {
            return PH_DECLINED;
        }

        rc = mapi_svreid_parse(action->u.move.folder_eid, &fid, &ignored,
                               &(uint32_t) { 0 });
        if (rc != PH_OK) {
            return rc;
        }

        *fid_r = store_id(fid);
    }

    rc = store_folder_find(run->a->conn, NULL, *fid_r, &f);
    if (rc != PH_OK) {
        return rc;
    }

    return f.deleted || f.type == STORE_FOLDER_SEARCH ? PH_NOTFOUND : PH_OK;
}


static ph_int_t
ex_action_defer(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action)
{
    run->error = EX_RULE_ERR_DAM;

    if (run->n_defers == EX_RULE_DEFERS) {
        return PH_TOOBIG;
    }

    run->defers[run->n_defers].rule = rule;
    run->defers[run->n_defers].action = action;
    run->n_defers++;

    return PH_OK;
}


static ph_int_t
ex_action_move(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action)
{
    unsigned       i;
    uint64_t       fid;
    ph_int_t       rc;
    store_many_t   many;
    ex_arrival_t  *a = run->a;

    run->error = EX_RULE_ERR_MOVECOPY;
    rc = ex_action_folder(run, rule, action, &fid);

    if (rc == PH_DECLINED) {
        return ex_action_defer(run, rule, action);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (action->type == OP_COPY) {
        rc = store_messages_copy(a->conn, a->fid, fid, 1, &a->mid, NULL,
                                 &many);
        return rc == PH_OK && many.failed != 0 ? PH_CONFLICT : rc;
    }

    /* it goes at the end, so that later rules still find it */
    if (fid == a->fid) {
        return PH_OK;
    }

    for (i = 0; i < run->n_targets; i++) {
        if (run->targets[i] == fid) {
            return PH_OK;
        }
    }

    if (run->n_targets == EX_RULE_TARGETS) {
        return PH_TOOBIG;
    }

    run->targets[run->n_targets++] = fid;

    return PH_OK;
}


static ph_int_t
ex_action_tag(ex_run_t *run, const mapi_action_t *action)
{
    ph_int_t           rc;
    mapi_value_t       v = action->u.tag;
    mapi_values_t      values;
    ex_arrival_t      *a = run->a;
    store_message_t   *msg;
    store_problems_t   problems;

    rc = store_message_open(a->conn, a->fid, a->mid, STORE_OPEN_WRITE, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    values.n = 1;
    values.v = &v;
    memset(&problems, 0, sizeof(problems));
    rc = store_message_set(msg, &values, a->pool, &problems);
    if (rc == PH_OK && problems.n != 0) {
        rc = PH_INVALID;
    }
    if (rc == PH_OK) {
        rc = store_message_save(a->conn, msg, STORE_SAVE_NO_QUOTA, NULL,
                                NULL);
    }
    store_message_close(&msg);
    ex_arrival_forget(a);

    return rc;
}


static ph_int_t
ex_action_mark_read(ex_run_t *run)
{
    uint32_t       n;
    uint64_t      *receipts;
    ph_int_t       rc;
    store_many_t   many;
    ex_arrival_t  *a = run->a;

    /* nobody has read it: no receipt */
    rc = store_messages_set_read(a->conn, a->fid, 0x01, 1, &a->mid, a->pool,
                                 &n, &receipts, &many);
    ex_arrival_forget(a);

    return rc;
}


static ph_int_t
ex_rule_action(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action)
{
    run->error = EX_RULE_ERR_EXECUTION;

    switch (action->type) {

    case OP_MOVE:
    case OP_COPY:
        return ex_action_move(run, rule, action);

    case OP_REPLY:
    case OP_OOF_REPLY:
        return ex_rule_reply(run, rule, action);

    case OP_DEFER_ACTION:
        return ex_action_defer(run, rule, action);

    case OP_BOUNCE:
        run->deleted = true;
        run->hard = true;
        return ex_rule_bounce(run, action);

    case OP_FORWARD:
    case OP_DELEGATE:
        return ex_rule_forward(run, rule, action);

    case OP_TAG:
        return ex_action_tag(run, action);

    case OP_DELETE:
        run->deleted = true;
        return PH_OK;

    case OP_MARK_AS_READ:
        return ex_action_mark_read(run);

    default:
        return PH_INVALID;
    }
}


ph_int_t
ex_rule_act(ex_run_t *run, const ex_rule_t *rule)
{
    uint32_t  i;
    ph_int_t  rc;

    for (i = 0; i < rule->actions->n; i++) {
        run->error_action = i;
        run->error_type = rule->actions->v[i].type;

        rc = ex_rule_action(run, rule, &rule->actions->v[i]);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}
