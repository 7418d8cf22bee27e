/*
 * Rules of folders (MS-OXORULE 2.2.1), out of office (MS-OXWOOF), and whom
 * automatic replies went to.  The store keeps them; what they do is exmdb's.
 */

#ifndef STORE_RULE_H
#define STORE_RULE_H

#include "store_env.h"
#include "store_props.h"

#define STORE_RULES_MAX        4096         /* of a folder */
#define STORE_RULES_BYTES_MAX  (256u << 10) /* of all rules of a folder */
#define STORE_RULE_TEXT_MAX    4096         /* name, provider: bytes */
#define STORE_EXTENDED_RULE_MAX (510 << 10) /* PR_EXTENDED_RULE_SIZE_LIMIT */
#define STORE_REPLY_LOG_MAX    20000        /* rows; the oldest go first */

/* PR_RULE_STATE (MS-OXORULE 2.2.1.3.1.3) */
#define ST_ENABLED             0x01
#define ST_ERROR               0x02
#define ST_ONLY_WHEN_OOF       0x04
#define ST_KEEP_OOF_HIST       0x08
#define ST_EXIT_LEVEL          0x10
#define ST_SKIP_IF_SCL_IS_SAFE 0x20
#define ST_RULE_PARSE_ERROR    0x40

typedef struct {
    uint64_t  id;               /* 0: not stored yet */
    uint64_t  folder;
    int32_t   sequence;
    uint32_t  state;
    uint32_t  user_flags;
    int32_t   level;
    bool      has_name;
    bool      has_condition;    /* without: every message */
    bool      has_provider_data;
    ph_str_t  name;
    ph_str_t  provider;
    ph_str_t  provider_data;
    ph_str_t  condition;        /* MAPI_FORM_ROP, code page 65001 */
    ph_str_t  actions;          /* the same */
} store_rule_t;

/* The rules of a folder by sequence, then by age; in pool. */
ph_int_t store_rules(store_conn_t *conn, uint64_t fid, ph_pool_t *pool,
    uint32_t *n_r, store_rule_t **rules_r);
/* PH_NOTFOUND: no such rule in that folder */
ph_int_t store_rule_find(store_conn_t *conn, uint64_t fid, uint64_t id,
    ph_pool_t *pool, store_rule_t *rule_r);
/*
 * Adds (id 0: rule->id becomes the new one) or replaces by id.  PH_TOOBIG: a
 * limit above; PH_NOTFOUND: the folder, or the rule.
 */
ph_int_t store_rule_put(store_conn_t *conn, store_rule_t *rule);
/* PH_NOTFOUND */
ph_int_t store_rule_remove(store_conn_t *conn, uint64_t fid, uint64_t id);
ph_int_t store_rules_clear(store_conn_t *conn, uint64_t fid);
/* new = (old & ~clear) | set; of a rule that is gone: PH_OK */
ph_int_t store_rule_state(store_conn_t *conn, uint64_t id, uint32_t set,
    uint32_t clear);
/* Rules of `from` for the new folder `to`, with ids of their own. */
ph_int_t store_rules_copy(store_conn_t *conn, uint64_t from, uint64_t to);

/*
 * The live messages of a folder, normal or associated ones, whose class is
 * `message_class`, in pool, by id; at most max.  Costs a look at each message
 * of that kind there.
 */
ph_int_t store_messages_of_class(store_conn_t *conn, uint64_t fid,
    bool associated, ph_str_t message_class, uint32_t max, ph_pool_t *pool,
    uint32_t *n_r, uint64_t **mids_r);

/*
 * In the transaction that delivered message `mid`: a rule made `to` in folder
 * `fid` of it (0: nothing), so that the event of new mail names what is there.
 */
void store_deliver_moved(store_conn_t *conn, uint64_t mid, uint64_t fid,
    uint64_t to);

/* ---- whom replies went to; rule 0: out of office ---- */

/* *sent_r: FILETIME, 0: never.  address in any case. */
ph_int_t store_reply_last(store_conn_t *conn, uint64_t rule, ph_str_t address,
    uint64_t *sent_r);
ph_int_t store_reply_note(store_conn_t *conn, uint64_t rule,
    ph_str_t address);
ph_int_t store_reply_clear(store_conn_t *conn, uint64_t rule);

/* ---- out of office ---- */

#define STORE_OOF_TEXT_MAX  (128u << 10)

enum { STORE_OOF_OFF = 0, STORE_OOF_ON = 1, STORE_OOF_SCHEDULED = 2 };
enum {
    STORE_OOF_NOBODY = 0,       /* outside of the organisation */
    STORE_OOF_KNOWN = 1,        /* those in the mailbox's contacts */
    STORE_OOF_ALL = 2
};

/*
 * What EWS calls UserOofSettings.  Texts are UTF-8, HTML when they begin with
 * '<'; an empty one: no reply to that audience by itself (a rule with the
 * action OOF_REPLY may still send one).
 */
typedef struct {
    uint8_t   state;
    uint8_t   audience;         /* external */
    uint64_t  start;            /* FILETIME; when scheduled */
    uint64_t  end;
    ph_str_t  internal_subject; /* empty: "Automatic reply: " and the subject */
    ph_str_t  internal_text;
    ph_str_t  external_subject;
    ph_str_t  external_text;
} store_oof_t;

/* In pool; off when nothing was ever set. */
ph_int_t store_oof_get(store_conn_t *conn, ph_pool_t *pool,
    store_oof_t *oof_r);
/*
 * PH_INVALID: state, audience, or an end that is not after the start;
 * PH_TOOBIG: a text.  Whoever had a reply gets one again when it is switched
 * on or its time is changed.
 */
ph_int_t store_oof_set(store_conn_t *conn, const store_oof_t *oof);
/* Is it in effect now? */
bool store_oof_active(const store_oof_t *oof, uint64_t now);

/* ---- rooms and equipment ---- */

enum { STORE_RESOURCE_NONE = 0, STORE_RESOURCE_ROOM, STORE_RESOURCE_EQUIPMENT };

/* How the mailbox answers requests for meetings. */
typedef struct {
    uint8_t   kind;
    bool      recurring;      /* series too */
    bool      conflicts;      /* even what overlaps */
    bool      keep;           /* subject and text stay in the calendar */
    uint32_t  window;         /* days ahead; 0: no limit */
    uint32_t  longest;        /* minutes; 0: no limit */
    uint8_t   skip;           /* occurrences of a series that may be taken
                                 already, in a hundred */
} store_resource_t;

/* no resource when nothing was ever set */
ph_int_t store_resource_get(store_conn_t *conn, ph_pool_t *pool,
    store_resource_t *res_r);
/* PH_INVALID */
ph_int_t store_resource_set(store_conn_t *conn, const store_resource_t *res);

#endif
