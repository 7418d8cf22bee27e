/* Recipients of a message (MS-OXCMSG 2.2.3.4 ff.). */

#include "rop_recipient.h"
#include "mapi/mapi_recipient.h"

#define EX_MAX_ROWS     255


uint32_t
rop_recipients_info(ex_rop_t *rop, const ex_message_t *m, size_t room,
    rop_open_message_info_t *info)
{
    uint32_t                 i, n;
    ph_wbuf_t                b;
    mapi_ctx_t               ctx;
    mapi_tags_t              columns;
    const mapi_recipient_t  *rows;

    n = store_message_recipient_count(m->msg);
    rows = store_message_recipients(m->msg);

    if (mapi_recipient_columns(rop->pool, rows, n, &columns) != PH_OK) {
        return ecServerOOM;
    }

    ctx = rop->ctx;
    ctx.cpid = m->cpid;

    info->recipient_count = (uint16_t) ph_min(n, 0xFFFFu);
    info->recipient_columns_count = (uint16_t) columns.n;
    info->recipient_columns = (uint32_t *) (uintptr_t) columns.tag;

    if (room < 4 * columns.n) {
        return ecBufferTooSmall;
    }

    ph_wbuf_init(&b, rop->pool, room - 4 * columns.n);

    for (i = 0; i < n && i < EX_MAX_ROWS; i++) {
        if (mapi_recipient_open_row_encode(&b, &ctx, columns, &rows[i])
            != PH_OK)
        {
            break;
        }
    }

    info->row_count = (uint8_t) i;
    info->rows = ph_wbuf_str(&b);

    return 0;
}


uint32_t
rop_read_recipients(ex_rop_t *rop, const rop_read_recipients_request_t *req,
    rop_read_recipients_response_t *res)
{
    bool                     full;
    uint32_t                 i, n, taken;
    ph_wbuf_t                b;
    mapi_ctx_t               ctx;
    ex_message_t            *m;
    mapi_tags_t              columns;
    const mapi_recipient_t  *rows;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNotSupported;
    }

    n = store_message_recipient_count(m->msg);
    rows = store_message_recipients(m->msg);

    /* the columns that OpenMessage named */
    if (mapi_recipient_columns(rop->pool, rows, n, &columns) != PH_OK) {
        return ecServerOOM;
    }

    ctx = rop->ctx;
    ctx.cpid = m->cpid;

    if (rop->room < 1) {
        return ecBufferTooSmall;
    }

    ph_wbuf_init(&b, rop->pool, rop->room - 1);
    taken = 0;
    full = false;

    for (i = 0; i < n && taken < EX_MAX_ROWS; i++) {
        if (rows[i].row_id < req->row_id) {
            continue;
        }

        if (mapi_recipient_read_row_encode(&b, &ctx, columns, &rows[i])
            != PH_OK)
        {
            full = true;
            break;
        }

        taken++;
    }

    if (taken == 0) {
        return full ? ecBufferTooSmall : ecNotFound;
    }

    res->row_count = (uint8_t) taken;
    res->rows = ph_wbuf_str(&b);

    return 0;
}


uint32_t
rop_modify_recipients(ex_rop_t *rop,
    const rop_modify_recipients_request_t *req,
    rop_modify_recipients_response_t *res)
{
    uint16_t                       i;
    ph_int_t                       rc;
    ph_cur_t                       cur;
    mapi_tags_t                    columns;
    ex_message_t                  *m;
    mapi_recipient_t              *rows, *r;
    const rop_modify_recipient_t  *row;

    (void) res;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    columns.n = req->columns_count;
    columns.tag = req->columns;

    rows = ph_pcalloc_array(rop->pool, req->rows_count,
                            sizeof(mapi_recipient_t));
    if (rows == NULL) {
        return ecServerOOM;
    }

    for (i = 0; i < req->rows_count; i++) {
        row = &req->rows[i];
        r = &rows[i];

        if (row->row.len > 0) {
            ph_cur_init(&cur, row->row.data, row->row.len);
            rc = mapi_recipient_row_decode(&cur, rop->pool, &rop->ctx,
                                           columns, row->recipient_type, r);
            if (rc != PH_OK || cur.error) {
                return rc == PH_NOMEM ? ecServerOOM : ecInvalidParam;
            }
        }

        r->row_id = row->row_id;
    }

    rc = store_message_modify_recipients(m->msg, req->rows_count, rows);

    return rc == PH_TOOBIG ? ecTooManyRecips : ex_ec(rop, rc);
}


uint32_t
rop_remove_all_recipients(ex_rop_t *rop,
    const rop_remove_all_recipients_request_t *req,
    rop_remove_all_recipients_response_t *res)
{
    ex_message_t  *m;

    (void) req;
    (void) res;

    m = ex_rop_message(rop);
    if (m == NULL) {
        return ecNullObject;
    }

    store_message_clear_recipients(m->msg);

    return 0;
}
