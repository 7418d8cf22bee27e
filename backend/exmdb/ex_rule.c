/* Rules as the store keeps them. */

#include "ex_rule.h"
#include "mapi/mapi_restriction.h"

const mapi_ctx_t  ex_rule_ctx = { MAPI_FORM_ROP, false, 65001 };


ph_int_t
ex_rule_decode(ph_pool_t *pool, const store_rule_t *rule,
    mapi_restriction_t **condition_r, mapi_actions_t **actions_r)
{
    ph_int_t             rc;
    ph_cur_t             cur;
    mapi_actions_t      *actions;
    mapi_restriction_t  *condition;

    *condition_r = NULL;
    *actions_r = NULL;

    if (rule->has_condition) {
        condition = ph_pcalloc(pool, sizeof(mapi_restriction_t));
        if (condition == NULL) {
            return PH_NOMEM;
        }

        ph_cur_init(&cur, rule->condition.data, rule->condition.len);
        rc = mapi_restriction_decode(&cur, pool, &ex_rule_ctx, condition);
        if (rc != PH_OK) {
            return rc == PH_NOMEM ? rc : PH_INVALID;
        }

        *condition_r = condition;
    }

    actions = ph_pcalloc(pool, sizeof(mapi_actions_t));
    if (actions == NULL) {
        return PH_NOMEM;
    }

    ph_cur_init(&cur, rule->actions.data, rule->actions.len);
    rc = mapi_actions_decode(&cur, pool, &ex_rule_ctx, actions);
    if (rc != PH_OK) {
        return rc == PH_NOMEM ? rc : PH_INVALID;
    }

    *actions_r = actions;

    return PH_OK;
}
