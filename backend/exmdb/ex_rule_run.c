/* The rules of a folder, one after the other (MS-OXORULE 3.2.5.1). */

#include "ex_rule_run.h"
#include "ex_job.h"
#include "mapi/mapi_extrule.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define EX_CLASS_EXTENDED  "IPM.ExtendedRule.Message"


/* ---- loading ---- */

static int
ex_rule_order(const void *x, const void *y)
{
    const ex_rule_t  *a = x, *b = y;

    if (a->sequence != b->sequence) {
        return a->sequence < b->sequence ? -1 : 1;
    }

    if (a->extended != b->extended) {
        return a->extended ? 1 : -1;
    }

    return a->id < b->id ? -1 : a->id > b->id;
}


/* Facts of an extended rule; its condition and actions are read when needed. */
static ph_int_t
ex_rule_extended(ex_arrival_t *a, uint64_t mid, ex_rule_t *r)
{
    ph_int_t          rc;
    mapi_tags_t       tags;
    mapi_values_t     v;
    store_message_t  *msg;

    static const uint32_t  wanted[] = {
        PR_RULE_MSG_STATE, PR_RULE_MSG_SEQUENCE, PR_RULE_MSG_NAME,
        PR_RULE_MSG_PROVIDER
    };

    rc = store_message_open(a->conn, a->fid, mid, STORE_OPEN_READONLY, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;
    rc = store_message_get(a->conn, msg, &tags, 1u << 16, a->pool, &v);
    if (rc == PH_OK) {
        memset(r, 0, sizeof(*r));
        r->id = mid;
        r->extended = true;
        r->state = v.v[0].tag == PR_RULE_MSG_STATE
                   ? (uint32_t) v.v[0].u.i4 : 0;
        r->sequence = v.v[1].tag == PR_RULE_MSG_SEQUENCE ? v.v[1].u.i4 : 0;
        r->name = ph_pstrdup(a->pool, ex_value_text(&v, PR_RULE_MSG_NAME));
        r->provider = ph_pstrdup(a->pool,
                                 ex_value_text(&v, PR_RULE_MSG_PROVIDER));
    }

    store_message_close(&msg);

    return rc;
}


ph_int_t
ex_rules_load(ex_arrival_t *a, uint32_t *n_r, ex_rule_t **rules_r)
{
    uint32_t         i, n, n_ext, got;
    uint64_t        *mids;
    ph_int_t         rc;
    ex_rule_t       *rules;
    store_rule_t    *rows;
    store_folder_t   f;

    *n_r = 0;
    n = n_ext = 0;
    rows = NULL;
    mids = NULL;

    rc = store_folder_find(a->conn, NULL, a->fid, &f);
    if (rc == PH_OK && f.has_rules) {
        rc = store_rules(a->conn, a->fid, a->pool, &n, &rows);
    }
    if (rc == PH_OK && f.associated > 0) {
        rc = store_messages_of_class(a->conn, a->fid, true,
                                     ph_str_lit(EX_CLASS_EXTENDED),
                                     EX_EXTENDED_MAX, a->pool, &n_ext, &mids);
    }
    if (rc != PH_OK || n + n_ext == 0) {
        return rc;
    }

    rules = ph_pcalloc_array(a->pool, n + n_ext, sizeof(ex_rule_t));
    if (rules == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < n; i++) {
        rules[i].id = rows[i].id;
        rules[i].sequence = rows[i].sequence;
        rules[i].state = rows[i].state;
        rules[i].name = rows[i].name;
        rules[i].provider = rows[i].provider;
        rules[i].row = &rows[i];
    }

    got = n;
    for (i = 0; i < n_ext; i++) {
        rc = ex_rule_extended(a, mids[i], &rules[got]);
        if (rc != PH_OK && ex_rc_is_fatal(rc)) {
            return rc;
        }
        got += (rc == PH_OK);
    }

    qsort(rules, got, sizeof(ex_rule_t), ex_rule_order);
    *n_r = got;
    *rules_r = rules;

    return PH_OK;
}


/* The two blobs of an extended rule, with ids of names as in this store. */
static ph_int_t
ex_rule_open_extended(ex_arrival_t *a, ex_rule_t *rule)
{
    ph_int_t          rc;
    mapi_tags_t       tags;
    mapi_values_t     v;
    mapi_extrule_t    ext;
    store_message_t  *msg;

    static const uint32_t  wanted[] = {
        PR_EXTENDED_RULE_MSG_CONDITION, PR_EXTENDED_RULE_MSG_ACTIONS
    };

    rc = store_message_open(a->conn, a->fid, rule->id, STORE_OPEN_READONLY,
                            &msg);
    if (rc != PH_OK) {
        return rc;
    }

    tags.n = ph_nelts(wanted);
    tags.tag = wanted;
    rc = store_message_get(a->conn, msg, &tags, STORE_EXTENDED_RULE_MAX,
                           a->pool, &v);

    if (rc == PH_OK && MAPI_TYPE(v.v[1].tag) != PT_BINARY) {
        rc = PH_INVALID;
    }

    /* the rule outlives the message, and points into these */
    if (rc == PH_OK) {
        rc = mapi_values_keep(a->pool, &v);
    }

    if (rc == PH_OK && MAPI_TYPE(v.v[0].tag) == PT_BINARY) {
        rc = mapi_extrule_condition_decode(a->pool, v.v[0].u.bin, &ext);
        if (rc == PH_OK) {
            rc = store_named_ids(a->conn, true, ext.n_names, ext.names,
                                 ext.to);
        }
        if (rc == PH_OK) {
            mapi_extrule_map(&ext);
            rule->condition = ext.condition;
        }
    }
    if (rc == PH_OK) {
        rc = mapi_extrule_actions_decode(a->pool, v.v[1].u.bin, &ext);
        if (rc == PH_OK) {
            rc = store_named_ids(a->conn, true, ext.n_names, ext.names,
                                 ext.to);
        }
        if (rc == PH_OK) {
            mapi_extrule_map(&ext);
            rule->actions = ext.actions;
        }
    }

    store_message_close(&msg);

    return rc;
}


ph_int_t
ex_rule_open(ex_arrival_t *a, ex_rule_t *rule)
{
    return rule->extended
           ? ex_rule_open_extended(a, rule)
           : ex_rule_decode(a->pool, rule->row, &rule->condition,
                            &rule->actions);
}


ph_int_t
ex_rule_mark(ex_arrival_t *a, const ex_rule_t *rule, uint32_t bits)
{
    ph_int_t           rc;
    mapi_value_t       v;
    mapi_values_t      values;
    store_message_t   *msg;
    store_problems_t   problems;

    if (!rule->extended) {
        return store_rule_state(a->conn, rule->id, bits, 0);
    }

    rc = store_message_open(a->conn, a->fid, rule->id, STORE_OPEN_WRITE,
                            &msg);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&v, 0, sizeof(v));
    v.tag = PR_RULE_MSG_STATE;
    v.u.i4 = (int32_t) (rule->state | bits);
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


/* ---- running ---- */

static bool
ex_rule_is_oof(const ex_rule_t *rule)
{
    uint32_t  i;

    if (rule->state & ST_ONLY_WHEN_OOF) {
        return true;
    }

    for (i = 0; rule->actions != NULL && i < rule->actions->n; i++) {
        if (rule->actions->v[i].type == OP_OOF_REPLY) {
            return true;
        }
    }

    return false;
}


/* Spam confidence -1: the sender is trusted. */
static bool
ex_rule_is_safe(const ex_arrival_t *a)
{
    const mapi_value_t  *v;

    v = mapi_find(&a->message->props, PR_CONTENT_FILTER_SCL);

    return v != NULL && v->u.i4 == -1;
}


static ph_int_t
ex_rule_one(ex_run_t *run, ex_rule_t *rule)
{
    bool           match, history;
    uint64_t       last;
    ph_int_t       rc;
    ex_arrival_t  *a = run->a;

    run->error = EX_RULE_ERR_PARSE;
    run->error_action = 0;
    run->error_type = 0;

    rc = ex_rule_open(a, rule);
    if (rc != PH_OK) {
        return rc;
    }

    if ((run->exit || run->deleted) && !ex_rule_is_oof(rule)) {
        return PH_OK;
    }

    /* those who are on its list are done with (3.2.5.1.1) */
    run->error = EX_RULE_ERR_EXECUTION;
    history = (rule->state & ST_KEEP_OOF_HIST) && a->oof_active
              && a->sender.len != 0;
    if (history) {
        rc = store_reply_last(a->conn, rule->id, a->sender, &last);
        if (rc != PH_OK || last != 0) {
            return rc;
        }
    }

    rc = ex_arrival_match(a, rule->condition, &match);
    if (rc != PH_OK || !match) {
        return rc;
    }

    if (rule->state & ST_EXIT_LEVEL) {
        run->exit = true;
    }

    rc = ex_rule_act(run, rule);
    if (rc == PH_OK && history) {
        rc = store_reply_note(a->conn, rule->id, a->sender);
    }

    return rc;
}


/* What the rule did is taken back, and it is marked. */
static ph_int_t
ex_rule_failed(ex_run_t *run, const ex_rule_t *rule, ph_int_t why)
{
    uint32_t      bits;
    ph_int_t      rc;
    ex_arrival_t  *a = run->a;

    bits = run->error == EX_RULE_ERR_PARSE ? ST_RULE_PARSE_ERROR : ST_ERROR;

    ph_log(a->ex->log, PH_LOG_WARN, PH4042,
           "mailbox=%s rule=%" PRIx64 " name=%s error=%u action=%u rc=%s",
           ph_log_str(a->mb->facts->entry.address), rule->id,
           ph_log_str(rule->name), run->error, run->error_action,
           ph_result_name(why));

    /* its owner is told once */
    if (rule->state & bits) {
        return PH_OK;
    }

    rc = ex_rule_mark(a, rule, bits);
    if (rc == PH_OK) {
        rc = ex_rule_dem(run, rule);
    }

    return rc != PH_OK && ex_rc_is_fatal(rc) ? rc : PH_OK;
}


/*
 * A rule in a savepoint of its own.  Its failure is not that of the delivery;
 * PH_TOOBIG and the like are the rule's, a full disk is everybody's.
 */
static ph_int_t
ex_rule_try(ex_run_t *run, ex_rule_t *rule)
{
    ph_int_t  rc, undone;
    ex_run_t  before = *run;
    unsigned  sent = run->a->sent;

    rc = store_savepoint(run->a->conn);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_rule_one(run, rule);
    if (rc == PH_OK) {
        return store_release(run->a->conn);
    }

    if (ex_rc_is_fatal(rc) && rc != PH_CORRUPT) {
        return rc;
    }

    undone = store_undo(run->a->conn);
    if (undone != PH_OK) {
        return undone;
    }

    before.error = run->error;
    before.error_action = run->error_action;
    before.error_type = run->error_type;
    *run = before;
    run->a->sent = sent;
    ex_arrival_forget(run->a);

    return ex_rule_failed(run, rule, rc);
}


/* The message goes where the rules want it. */
static ph_int_t
ex_rules_settle(ex_run_t *run)
{
    unsigned       i;
    uint64_t       to, first, mid;
    ph_int_t       rc;
    store_many_t   many;
    ex_arrival_t  *a = run->a;

    first = a->mid;
    ex_arrival_forget(a);

    for (i = 1; i < run->n_targets; i++) {
        rc = store_messages_copy(a->conn, a->fid, run->targets[i], 1, &a->mid,
                                 NULL, &many);
        if (rc != PH_OK) {
            return rc;
        }
    }

    if (run->n_targets > 0) {
        to = run->targets[0];
        rc = store_messages_move(a->conn, a->fid, to, 1, &a->mid, &mid,
                                 &many);
        if (rc != PH_OK || many.failed != 0) {
            return rc != PH_OK ? rc : PH_ERROR;
        }

        a->mid = mid;
        a->fid = to;
        store_deliver_moved(a->conn, first, to, mid);

    } else if (run->deleted) {
        rc = store_messages_delete(a->conn, a->fid, run->hard, 1, &a->mid,
                                   &many);
        if (rc != PH_OK) {
            return rc;
        }

        a->mid = 0;
        store_deliver_moved(a->conn, first, 0, 0);
        return PH_OK;
    }

    return run->n_defers > 0 ? ex_rule_dams(run) : PH_OK;
}


ph_int_t
ex_rules_run(ex_arrival_t *a)
{
    uint32_t    i, n;
    ph_int_t    rc;
    ex_run_t    run;
    ex_rule_t  *rules;

    memset(&run, 0, sizeof(run));
    run.a = a;
    rules = NULL;

    rc = ex_rules_load(a, &n, &rules);

    for (i = 0; rc == PH_OK && i < n; i++) {
        if (!(rules[i].state & ST_ENABLED)
            || ((rules[i].state & ST_ONLY_WHEN_OOF) && !a->oof_active)
            || ((rules[i].state & ST_SKIP_IF_SCL_IS_SAFE)
                && ex_rule_is_safe(a)))
        {
            continue;
        }

        rc = ex_rule_try(&run, &rules[i]);
    }

    if (rc == PH_OK && a->oof_active) {
        rc = ex_oof_reply(a);
    }
    if (rc == PH_OK && n > 0) {
        rc = ex_rules_settle(&run);
    }

    ex_arrival_forget(a);

    return rc;
}
