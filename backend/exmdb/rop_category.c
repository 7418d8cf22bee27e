/* Categorised tables (MS-OXCTABL 2.2.2.17 ff.). */

#include "ex_rop.h"


typedef struct {
    ex_rop_t    *rop;
    ex_table_t  *table;
    ph_wbuf_t    b;
} ex_category_rows_t;


/* The contents table with columns that these ROPs are for; an error, or 0. */
static uint32_t
rop_category(const ex_rop_t *rop, ex_table_t **t_r)
{
    ex_table_t  *t;

    t = ex_rop_table(rop);
    if (t == NULL || t->hierarchy || t->attachments) {
        return ecNotSupported;
    }

    *t_r = t;

    return t->columns ? 0 : ecNullObject;
}


/* The client knows what became of the rows by what it has done. */
static void
rop_category_known(ex_rop_t *rop, ex_table_t *t)
{
    if (store_table_knows(t->t) && !store_table_missed(t->t)) {
        (void) store_table_know(rop->conn, t->t);
    }

    ex_table_watch(rop, t);
}


static ph_int_t
rop_category_row(void *data, const mapi_values_t *row)
{
    ex_category_rows_t  *r = data;

    return ex_row_encode(&r->b, &r->rop->ctx,
                         store_table_columns(r->table->t), row);
}


uint32_t
rop_expand_row(ex_rop_t *rop, const rop_expand_row_request_t *req,
    rop_expand_row_response_t *res)
{
    uint32_t             ec, n;
    ph_int_t             rc;
    ex_category_rows_t   r;

    r.rop = rop;
    ec = rop_category(rop, &r.table);
    if (ec != 0) {
        return ec;
    }

    if (rop->room < 6) {
        return ecBufferTooSmall;
    }

    ph_wbuf_init(&r.b, rop->pool, rop->room - 6);

    rc = store_table_expand(rop->conn, r.table->t, req->category_id,
                            req->max_row_count, rop_category_row, &r,
                            &res->expanded_row_count, &n);
    if (rc != PH_OK) {
        return rc == PH_EXISTS ? ecNotCollapsed
               : rc == PH_TOOBIG ? ecTooComplex : ex_ec(rop, rc);
    }

    rop_category_known(rop, r.table);
    res->row_count = (uint16_t) n;
    res->rows = ph_wbuf_str(&r.b);

    return 0;
}


uint32_t
rop_collapse_row(ex_rop_t *rop, const rop_collapse_row_request_t *req,
    rop_collapse_row_response_t *res)
{
    uint32_t     ec;
    ph_int_t     rc;
    ex_table_t  *t;

    ec = rop_category(rop, &t);
    if (ec != 0) {
        return ec;
    }

    rc = store_table_collapse(rop->conn, t->t, req->category_id,
                              &res->collapsed_row_count);
    if (rc == PH_OK) {
        rop_category_known(rop, t);
    }

    return rc == PH_EXISTS ? ecNotExpanded
           : rc == PH_TOOBIG ? ecTooComplex : ex_ec(rop, rc);
}


uint32_t
rop_get_collapse_state(ex_rop_t *rop,
    const rop_get_collapse_state_request_t *req,
    rop_get_collapse_state_response_t *res)
{
    uint32_t     ec;
    ex_table_t  *t;

    ec = rop_category(rop, &t);
    if (ec != 0) {
        return ec;
    }

    return ex_ec(rop, store_table_collapse_state(rop->conn, t->t, req->row_id,
                          req->row_instance_number, rop->pool,
                          &res->collapse_state));
}


uint32_t
rop_set_collapse_state(ex_rop_t *rop,
    const rop_set_collapse_state_request_t *req,
    rop_set_collapse_state_response_t *res)
{
    uint32_t     ec, n;
    ph_int_t     rc;
    ph_wbuf_t    b;
    ex_table_t  *t;

    ec = rop_category(rop, &t);
    if (ec != 0) {
        return ec;
    }

    rc = store_table_set_collapse_state(rop->conn, t->t, req->collapse_state,
                                        &n);
    if (rc != PH_OK) {
        return rc == PH_TOOBIG ? ecServerOOM : ex_ec(rop, rc);
    }

    rop_category_known(rop, t);
    ph_wbuf_init(&b, rop->pool, 4);
    ph_put_u32(&b, n);
    res->bookmark = ph_wbuf_str(&b);

    return b.error ? ecServerOOM : 0;
}
