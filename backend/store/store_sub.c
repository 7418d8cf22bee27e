/* Restrictions on recipients and attachments (MS-OXCDATA 2.12.10). */

#include "store_message_int.h"
#include "mapi/mapi_restriction.h"

typedef struct {
    store_conn_t  *conn;
    ph_pool_t     *pool;
    store_pack_t   pack;
    uint32_t       num;
    bool           attachments;
} store_sub_row_t;

static ph_int_t
store_sub_get(void *data, uint32_t tag, mapi_value_t *v_r)
{
    store_packed_t    p;
    store_sub_row_t  *row;

    row = data;
    if (MAPI_ID(tag) == (row->attachments ? MAPI_ID(PR_ATTACH_NUM)
                                          : MAPI_ID(PR_ROWID)))
    {
        memset(v_r, 0, sizeof(*v_r));
        v_r->tag = MAPI_RETYPE(tag, PT_LONG);
        v_r->u.i4 = (int32_t) row->num;
        return PH_OK;
    }
    store_try(store_pack_find(&row->pack, MAPI_ID(tag), row->pool, &p));
    store_try(store_value_answer(row->conn, tag, &p.v, p.external, p.content,
                                 NULL, p.size, 1u << 20, row->pool, v_r));

    return MAPI_TYPE(v_r->tag) == PT_ERROR ? PH_NOTFOUND : PH_OK;
}

ph_int_t
store_sub_match(store_conn_t *conn, uint32_t tag, ph_str_t recipients,
    ph_str_t attachments, ph_pool_t *pool, const mapi_restriction_t *r,
    bool *match_r)
{
    ph_int_t            rc;
    mapi_eval_t         e;
    store_sub_row_t     row;
    store_pack_rows_t   rows;

    *match_r = false;
    memset(&row, 0, sizeof(row));
    row.conn = conn;
    row.pool = pool;
    e.get = store_sub_get;
    e.sub = NULL;
    e.data = &row;

    if (MAPI_ID(tag) == MAPI_ID(PR_MESSAGE_ATTACHMENTS)) {
        row.attachments = true;
    } else if (MAPI_ID(tag) != MAPI_ID(PR_MESSAGE_RECIPIENTS)) {
        return PH_OK;
    }

    store_try(store_pack_rows(row.attachments ? attachments : recipients,
                              row.attachments, &rows));
    while ((rc = store_pack_next(&rows)) == PH_OK) {
        row.num = rows.num;
        store_try(store_pack_open(rows.props, &row.pack));
        store_try(mapi_restriction_eval(r, &e, match_r));
        if (*match_r) {
            return PH_OK;
        }
    }

    return rc == PH_DONE ? PH_OK : rc;
}
