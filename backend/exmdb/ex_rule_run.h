/* What the files of the rules' evaluation share. */

#ifndef EX_RULE_RUN_H
#define EX_RULE_RUN_H

#include "ex_arrival.h"
#include "ex_rule.h"

#define EX_RULE_TARGETS   16      /* folders that one message is moved to */
#define EX_RULE_DEFERS    64      /* actions that are left to the client */
#define EX_EXTENDED_MAX   64      /* extended rules of a folder */
#define EX_DAF_MAX        5000    /* messages in Deferred Action */

/* PR_RULE_ERROR (MS-OXORULE 2.2.7.2) */
enum {
    EX_RULE_ERR_UNKNOWN = 1, EX_RULE_ERR_PARSE = 4, EX_RULE_ERR_MOVECOPY = 6,
    EX_RULE_ERR_DAM = 8, EX_RULE_ERR_TEMPLATE = 10, EX_RULE_ERR_EXECUTION = 11,
    EX_RULE_ERR_RECIPIENTS = 13
};

/* a rule of either kind */
typedef struct {
    uint64_t             id;          /* extended: of its message */
    bool                 extended;
    int32_t              sequence;
    uint32_t             state;       /* ST_* */
    ph_str_t             name;
    ph_str_t             provider;
    const store_rule_t  *row;         /* a standard one */
    mapi_restriction_t  *condition;
    mapi_actions_t      *actions;
} ex_rule_t;

typedef struct {
    const ex_rule_t      *rule;
    const mapi_action_t  *action;
} ex_defer_t;

/* what the rules so far have come to */
typedef struct {
    ex_arrival_t  *a;
    bool           exit;              /* only rules for absence from here */
    bool           deleted;
    bool           hard;              /* not even into the dumpster */
    bool           changed;           /* the message itself */
    unsigned       n_targets;
    uint64_t       targets[EX_RULE_TARGETS];
    unsigned       n_defers;
    ex_defer_t     defers[EX_RULE_DEFERS];
    uint32_t       error;             /* EX_RULE_ERR_*, of a failed action */
    uint32_t       error_action;      /* its number */
    uint8_t        error_type;        /* OP_* */
} ex_run_t;

/* The rules of a->fid in their order, not yet decoded. */
ph_int_t ex_rules_load(ex_arrival_t *a, uint32_t *n_r, ex_rule_t **rules_r);
/* PH_INVALID: it does not decode */
ph_int_t ex_rule_open(ex_arrival_t *a, ex_rule_t *rule);
/* Sets bits of its state. */
ph_int_t ex_rule_mark(ex_arrival_t *a, const ex_rule_t *rule, uint32_t bits);

/* All actions of a rule whose condition is true. */
ph_int_t ex_rule_act(ex_run_t *run, const ex_rule_t *rule);

/* ex_rule_forward.c */
ph_int_t ex_rule_forward(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action);
ph_int_t ex_rule_bounce(ex_run_t *run, const mapi_action_t *action);
/* ex_rule_reply.c */
ph_int_t ex_rule_reply(ex_run_t *run, const ex_rule_t *rule,
    const mapi_action_t *action);
/* Out of office by the settings of the mailbox. */
ph_int_t ex_oof_reply(ex_arrival_t *a);

/* ex_rule_defer.c: messages for the client */
ph_int_t ex_rule_dams(ex_run_t *run);
ph_int_t ex_rule_dem(ex_run_t *run, const ex_rule_t *rule);

/*
 * Everything that happens to a message because it was delivered to a->fid:
 * rules, out of office.  a->mid and a->fid are where it is afterwards; mid 0:
 * nowhere.  A rule that fails is marked and leaves the message as it was; only
 * what costs the whole transaction is returned.
 */
ph_int_t ex_rules_run(ex_arrival_t *a);

#endif
