/* Small tables in memory; see ex_memory_table.h. */

#include "ex_memory_table.h"
#include "mapi/mapi_restriction.h"

#include <stdlib.h>


ex_memory_table_t *
ex_memory_table_make(ex_rop_t *rop, uint64_t fid, uint8_t flags)
{
    ex_memory_table_t  *t;

    t = ex_rop_make(rop, EX_MEMORY_TABLE, sizeof(ex_memory_table_t), rop->in);
    if (t != NULL) {
        t->fid = fid;
        t->flags = flags;
    }

    return t;
}


uint32_t
ex_memory_columns(ex_memory_table_t *t, const mapi_tags_t *tags)
{
    uint32_t   i;
    uint32_t  *columns;

    /* after a failure the table has no columns (MS-OXCTABL 3.2.5.2) */
    free(t->columns);
    t->columns = NULL;
    t->n_columns = 0;

    if (tags->n == 0) {
        return ecInvalidParam;
    }

    for (i = 0; i < tags->n; i++) {
        if (!mapi_type_valid(MAPI_TYPE(tags->tag[i]))
            || MAPI_TYPE(tags->tag[i]) == PT_UNSPECIFIED
            || MAPI_TYPE(tags->tag[i]) == PT_ERROR)
        {
            return ecInvalidParam;
        }
    }

    columns = malloc(tags->n * sizeof(uint32_t));
    if (columns == NULL) {
        return ecServerOOM;
    }

    memcpy(columns, tags->tag, tags->n * sizeof(uint32_t));
    t->columns = columns;
    t->n_columns = tags->n;

    return 0;
}


uint32_t
ex_memory_restrict(ex_memory_table_t *t, const mapi_restriction_t *r)
{
    if (!t->rules) {
        return ecNotSupported;
    }

    if (t->pool != NULL) {
        ph_pool_destroy(&t->pool);
    }

    t->restriction = NULL;
    t->pos = 0;

    if (r == NULL) {
        return 0;
    }

    t->pool = ph_pool_create("restriction", 1 << 20);
    if (t->pool == NULL
        || mapi_restriction_copy(t->pool, r, &t->restriction) != PH_OK)
    {
        return ecServerOOM;
    }

    return 0;
}


static ph_int_t
ex_memory_value(void *data, uint32_t tag, mapi_value_t *value_r)
{
    const mapi_value_t   *v;
    const mapi_values_t  *row = data;

    v = mapi_find_id(row, MAPI_ID(tag));
    if (v == NULL) {
        return PH_NOTFOUND;
    }

    *value_r = *v;

    return PH_OK;
}


static ph_int_t
ex_memory_rows(ex_rop_t *rop, ex_memory_table_t *t, uint32_t *n_r,
    mapi_values_t **rows_r)
{
    bool         match;
    uint32_t     i, n;
    ph_int_t     rc;
    mapi_eval_t  eval;

    rc = t->rules ? ex_rule_rows(rop, t->fid, n_r, rows_r)
         : ex_permission_rows(rop, t->fid, t->flags, n_r, rows_r);

    if (rc != PH_OK || t->restriction == NULL) {
        return rc;
    }

    memset(&eval, 0, sizeof(eval));
    eval.get = ex_memory_value;
    n = 0;

    for (i = 0; i < *n_r; i++) {
        eval.data = &(*rows_r)[i];
        rc = mapi_restriction_eval(t->restriction, &eval, &match);
        if (rc != PH_OK) {
            return rc;
        }

        if (match) {
            (*rows_r)[n++] = (*rows_r)[i];
        }
    }

    *n_r = n;

    return PH_OK;
}


static ph_int_t
ex_memory_row(ex_rop_t *rop, const ex_memory_table_t *t,
    const mapi_values_t *row, ph_wbuf_t *b)
{
    uint32_t             i, tag;
    mapi_tags_t          columns;
    mapi_values_t        out;
    const mapi_value_t  *v;

    out.n = t->n_columns;
    out.v = ph_pcalloc_array(rop->pool, out.n, sizeof(mapi_value_t));
    if (out.v == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < out.n; i++) {
        tag = t->columns[i];
        v = mapi_find_id(row, MAPI_ID(tag));

        if (v != NULL) {
            out.v[i] = *v;
        } else {
            out.v[i].tag = MAPI_RETYPE(tag, PT_ERROR);
            out.v[i].u.err = ecNotFound;
        }
    }

    columns.n = t->n_columns;
    columns.tag = t->columns;

    return ex_row_encode(b, &rop->ctx, &columns, &out);
}


uint32_t
ex_memory_query(ex_rop_t *rop, ex_memory_table_t *t,
    const rop_query_rows_request_t *req, rop_query_rows_response_t *res)
{
    uint32_t        n, i, first, last, taken;
    ph_int_t        rc;
    ph_wbuf_t       b;
    mapi_values_t  *rows;

    if (t->columns == NULL) {
        return ecNullObject;
    }

    rc = ex_memory_rows(rop, t, &n, &rows);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (rop->room < 3) {
        return ecBufferTooSmall;
    }

    t->pos = ph_min(t->pos, n);
    first = t->pos;
    last = ph_min(n, first + req->row_count);

    if (!req->forward_read) {
        last = t->pos;
        first = last - ph_min(last, (uint32_t) req->row_count);
    }

    ph_wbuf_init(&b, rop->pool, rop->room - 3);
    taken = 0;

    for (i = first; i < last; i++) {
        rc = ex_memory_row(rop, t, &rows[i], &b);
        if (rc == PH_DONE) {
            break;
        }

        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }

        taken++;
    }

    if (taken == 0 && first < last) {
        return ecBufferTooSmall;
    }

    if (!(req->flags & 1)) {
        t->pos = req->forward_read ? first + taken : first;
    }

    res->origin = (t->pos == 0 && n > 0) ? STORE_SEEK_BEGINNING
                  : t->pos >= n ? STORE_SEEK_END : STORE_SEEK_CURRENT;
    res->row_count = (uint16_t) taken;
    res->rows = ph_wbuf_str(&b);

    return 0;
}


uint32_t
ex_memory_position(ex_rop_t *rop, ex_memory_table_t *t, uint32_t *pos_r,
    uint32_t *total_r)
{
    ph_int_t        rc;
    mapi_values_t  *rows;

    rc = ex_memory_rows(rop, t, total_r, &rows);
    *pos_r = ph_min(t->pos, *total_r);

    return ex_ec(rop, rc);
}


ph_int_t
ex_memory_seek(ex_rop_t *rop, ex_memory_table_t *t, uint8_t origin,
    int32_t offset, int32_t *moved_r, bool *less_r)
{
    int64_t         from, to;
    uint32_t        n;
    ph_int_t        rc;
    mapi_values_t  *rows;

    rc = ex_memory_rows(rop, t, &n, &rows);
    if (rc != PH_OK) {
        return rc;
    }

    from = (origin == STORE_SEEK_BEGINNING) ? 0
           : (origin == STORE_SEEK_END) ? n : ph_min(t->pos, n);
    to = from + offset;
    *less_r = to < 0 || to > n;
    to = ph_max(to, 0);
    to = ph_min(to, (int64_t) n);

    *moved_r = (int32_t) (to - from);
    t->pos = (uint32_t) to;

    return PH_OK;
}


uint32_t
ex_memory_fraction(ex_rop_t *rop, ex_memory_table_t *t, uint32_t numerator,
    uint32_t denominator)
{
    uint32_t        n;
    ph_int_t        rc;
    mapi_values_t  *rows;

    rc = ex_memory_rows(rop, t, &n, &rows);
    if (rc == PH_OK) {
        t->pos = (uint32_t) ((uint64_t) n * ph_min(numerator, denominator)
                             / denominator);
    }

    return ex_ec(rop, rc);
}


mapi_tags_t
ex_memory_columns_all(const ex_memory_table_t *t)
{
    mapi_tags_t  tags;

    static const uint32_t  rules[] = {
        PR_RULE_ID, PR_RULE_SEQUENCE, PR_RULE_STATE, PR_RULE_NAME,
        PR_RULE_PROVIDER, PR_RULE_LEVEL, PR_RULE_USER_FLAGS,
        PR_RULE_PROVIDER_DATA, PR_RULE_CONDITION, PR_RULE_ACTIONS
    };
    static const uint32_t  members[] = {
        PR_MEMBER_ID, PR_MEMBER_NAME, PR_MEMBER_RIGHTS, PR_ENTRYID
    };

    tags.n = t->rules ? ph_nelts(rules) : ph_nelts(members);
    tags.tag = t->rules ? rules : members;

    return tags;
}


uint32_t
ex_memory_find(ex_rop_t *rop, ex_memory_table_t *t,
    const rop_find_row_request_t *req, rop_find_row_response_t *res)
{
    bool            match, backward;
    uint32_t        i, n;
    ph_int_t        rc;
    ph_wbuf_t       b;
    mapi_eval_t     eval;
    mapi_values_t  *rows;

    if (!t->rules) {
        return ecNotSupported;
    }

    if (t->columns == NULL) {
        return ecNullObject;
    }

    /* there are no bookmarks in such a table */
    if (req->origin > STORE_SEEK_END) {
        return req->origin == 3 ? ecInvalidBookmark : ecInvalidParam;
    }

    if (rop->room < 2) {
        return ecBufferTooSmall;
    }

    rc = ex_memory_rows(rop, t, &n, &rows);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    backward = (req->flags & 1) != 0;
    memset(&eval, 0, sizeof(eval));
    eval.get = ex_memory_value;

    i = req->origin == STORE_SEEK_BEGINNING ? 0
        : req->origin == STORE_SEEK_END ? n : ph_min(t->pos, n);

    while (backward ? i > 0 : i < n) {
        i -= backward;
        match = true;

        if (req->has_restriction) {
            eval.data = &rows[i];
            rc = mapi_restriction_eval(&req->restriction, &eval, &match);
            if (rc != PH_OK) {
                return ex_ec(rop, rc);
            }
        }

        if (match) {
            t->pos = i;
            ph_wbuf_init(&b, rop->pool, rop->room - 2);
            rc = ex_memory_row(rop, t, &rows[i], &b);
            if (rc == PH_OK) {
                res->has_row_data = 1;
                res->row = ph_wbuf_str(&b);
            }

            return rc == PH_DONE ? 0 : ex_ec(rop, rc);
        }

        i += !backward;
    }

    return ecNotFound;
}
