/*
 * Restrictions (MS-OXCDATA 2.12): wire form, dump, copy, evaluation, and the
 * order of values that tables and restrictions share.
 *
 * At most MAPI_MAX_DEPTH levels and MAPI_MAX_RESTRICTIONS nodes; more is
 * PH_TOOBIG (ecTooComplex) in the decoder.
 */

#ifndef MAPI_RESTRICTION_H
#define MAPI_RESTRICTION_H

#include "mapi/mapi.h"

ph_int_t mapi_restriction_decode(ph_cur_t *cur, ph_pool_t *pool,
    const mapi_ctx_t *ctx, mapi_restriction_t *v);
ph_int_t mapi_restriction_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx,
    const mapi_restriction_t *v);
void mapi_restriction_dump(ph_wbuf_t *out, const mapi_restriction_t *v);

/* A deep copy in pool.  PH_NOMEM. */
ph_int_t mapi_restriction_copy(ph_pool_t *pool, const mapi_restriction_t *r,
    mapi_restriction_t **copy_r);

/* value of a property of the row; PH_NOTFOUND when it has none.  Any other
 * result ends the evaluation. */
typedef ph_int_t (*mapi_eval_get_pt)(void *data, uint32_t tag,
    mapi_value_t *value_r);
/* whether any recipient or attachment matches (tag: PR_MESSAGE_RECIPIENTS or
 * PR_MESSAGE_ATTACHMENTS) */
typedef ph_int_t (*mapi_eval_sub_pt)(void *data, uint32_t tag,
    const mapi_restriction_t *r, bool *match_r);

typedef struct {
    mapi_eval_get_pt   get;
    mapi_eval_sub_pt   sub;     /* NULL: nothing matches */
    void              *data;
} mapi_eval_t;

/*
 * Whether a row matches.  A missing property makes its node false, but RELOP_NE
 * true.  A single value against a multi-value property matches when one element
 * does.  RELOP_RE and MEMBER_OF_DL match nothing.  COUNT is its child (a table
 * counts the rows).  Errors: those of the callbacks; PH_TOOBIG too deep.
 */
ph_int_t mapi_restriction_eval(const mapi_restriction_t *r,
    const mapi_eval_t *e, bool *match_r);

/*
 * Orders two values of the same type (PT_STRING8 and PT_UNICODE are the same
 * here): strings by Unicode default collation without regard to case; binary
 * as bytes, a prefix first; FALSE before TRUE.  Values of different types are
 * ordered by type.
 */
int mapi_value_cmp(const mapi_value_t *a, const mapi_value_t *b);

/*
 * Bytes that are the same for strings that mapi_value_cmp() calls equal, in
 * pool.  They depend on the version of ICU.  PH_NOMEM.
 */
ph_int_t mapi_string_key(ph_pool_t *pool, ph_str_t s, ph_str_t *key_r);

/* content match of MS-OXCDATA 2.12.4: fuzzy levels FL_*; strings and binary */
bool mapi_content_match(const mapi_value_t *value, const mapi_value_t *pattern,
    uint16_t low, uint16_t high);

#endif
