/* The check of rules: conditions and actions decode, folders keep limits. */

#include "store_check_int.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_rule.h"

#define CHECK_RULE_MEMORY  (64u << 20)

/* NULL: it decodes */
static const char *
check_rule(ph_pool_t *pool, ph_str_t condition, bool has_condition,
    ph_str_t actions)
{
    /* as exmdb stores them */
    static const mapi_ctx_t  ctx = { MAPI_FORM_ROP, false, 65001 };
    ph_cur_t                 cur;
    mapi_actions_t           a;
    mapi_restriction_t       r;

    ph_cur_init(&cur, condition.data, condition.len);
    if (has_condition
        && (mapi_restriction_decode(&cur, pool, &ctx, &r) != PH_OK
            || ph_cur_left(&cur) != 0))
    {
        return "condition";
    }

    ph_cur_init(&cur, actions.data, actions.len);

    return mapi_actions_decode(&cur, pool, &ctx, &a) != PH_OK
           || ph_cur_left(&cur) != 0 ? "actions" : NULL;
}

ph_int_t
store_check_rules(store_check_t *ck)
{
    ph_int_t       rc;
    ph_pool_t     *pool;
    const char    *bad;
    sqlite3_stmt  *s;

    pool = ph_pool_create("store check", CHECK_RULE_MEMORY);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    rc = store_q_text(ck->conn, "SELECT id, condition, actions FROM rule", &s,
                      "");
    while (rc == PH_OK && (rc = store_step(ck->conn, s)) == PH_OK) {
        bad = check_rule(pool, store_col_str(s, 1),
                         sqlite3_column_type(s, 1) != SQLITE_NULL,
                         store_col_str(s, 2));
        if (bad != NULL) {
            store_found(ck, STORE_BAD_ROW, false,
                        "rule %" PRIu64 ": its %s do not decode",
                        store_col_u64(s, 0), bad);
        }
        ph_pool_reset(pool);
    }
    store_done(ck->conn, &s);
    if (rc != PH_DONE) {
        ph_pool_destroy(&pool);
        return rc;
    }

    rc = store_q_text(ck->conn, "SELECT folder, count(*) FROM rule"
                      " GROUP BY folder HAVING count(*) > ?", &s, "d",
                      STORE_RULES_MAX);
    while (rc == PH_OK && (rc = store_step(ck->conn, s)) == PH_OK) {
        store_found(ck, STORE_BAD_COUNTER, false,
                    "folder %" PRIu64 ": %" PRIu64 " rules, more than there"
                    " may be", store_col_u64(s, 0), store_col_u64(s, 1));
    }
    store_done(ck->conn, &s);
    ph_pool_destroy(&pool);

    return rc == PH_DONE ? PH_OK : rc;
}
