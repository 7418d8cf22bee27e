/* Tables (MS-OXCTABL). */

#include "ex_rop.h"
#include "ex_memory_table.h"

#include <stdlib.h>

#define EX_QUERY_NO_ADVANCE  0x01
#define EX_ROW_COUNT_MAX     0xFFFFu


typedef struct {
    ex_rop_t    *rop;
    ex_table_t  *table;
    ph_wbuf_t    b;
    bool         full;
} ex_rows_t;


static ph_int_t
rop_rows_take(void *data, const mapi_values_t *row)
{
    ph_int_t    rc;
    ex_rows_t  *r = data;

    rc = ex_row_encode(&r->b, &r->rop->ctx, store_table_columns(r->table->t),
                       row);
    if (rc == PH_DONE) {
        r->full = true;
    }

    return rc;
}


void
ex_table_watch(ex_rop_t *rop, ex_table_t *t)
{
    ex_sub_t  *sub;

    if (t->attachments || (t->flags & 0x10)) {
        return;
    }

    if (!store_table_knows(t->t)) {
        (void) store_table_know(rop->conn, t->t);
    }

    if (t->sub != NULL) {
        return;
    }

    sub = calloc(1, sizeof(ex_sub_t));
    if (sub == NULL) {
        return;
    }

    sub->mailbox = rop->logon->mailbox;
    sub->session = rop->session;
    sub->handle = t->o.handle;
    sub->logon_id = t->o.logon_id;
    sub->table = true;
    sub->hierarchy = t->hierarchy;
    sub->depth = t->hierarchy && (t->flags & STORE_TABLE_DEPTH);
    sub->associated = !t->hierarchy && (t->flags & STORE_TABLE_ASSOCIATED);
    sub->deleted = (t->flags & STORE_TABLE_DELETED) != 0;
    sub->search = t->search && !sub->associated && !sub->deleted;
    sub->suppress = t->hierarchy && (t->flags & 0x80);
    sub->types = EX_NOTIFY_TABLE;
    sub->fid = t->fid;
    sub->seq = rop->x->event_seq;

    if (!ex_action_add(rop->session, EX_ACT_SUB_ADD, sub)) {
        free(sub);
        return;
    }

    t->sub = sub;
}


uint32_t
rop_set_columns(ex_rop_t *rop, const rop_set_columns_request_t *req,
    rop_set_columns_response_t *res)
{
    ph_int_t      rc;
    ex_table_t   *t;
    mapi_tags_t   tags;

    (void) res;

    tags.n = req->tags_count;
    tags.tag = req->tags;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        return ex_memory_columns((ex_memory_table_t *) rop->in, &tags);
    }

    t = ex_rop_table(rop);
    if (t == NULL) {
        return ecNotSupported;
    }

    /* after a failure the table has no columns (MS-OXCTABL 3.2.5.2) */
    rc = store_table_set_columns(t->t, &tags);
    t->columns = (rc == PH_OK);

    return ex_ec(rop, rc);
}


uint32_t
rop_sort_table(ex_rop_t *rop, const rop_sort_table_request_t *req,
    rop_sort_table_response_t *res)
{
    ex_table_t  *t;

    (void) res;

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments || t->hierarchy) {
        return ecNotSupported;
    }

    return ex_ec(rop, store_table_sort(t->t, &req->sorts));
}


uint32_t
rop_restrict(ex_rop_t *rop, const rop_restrict_request_t *req,
    rop_restrict_response_t *res)
{
    ph_int_t     rc;
    ex_table_t  *t;

    (void) res;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        return ex_memory_restrict((ex_memory_table_t *) rop->in,
                   req->has_restriction ? &req->restriction : NULL);
    }

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments) {
        return ecNotSupported;
    }

    rc = store_table_restrict(t->t, req->has_restriction
                                    ? &req->restriction : NULL);
    if (rc == PH_OK && t->conversation) {
        rc = store_table_conversation(rop->conn, t->t);
        if (rc == PH_NOTFOUND) {
            return ecConversationNotFound;
        }
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_query_rows(ex_rop_t *rop, const rop_query_rows_request_t *req,
    rop_query_rows_response_t *res)
{
    ph_int_t         rc;
    uint32_t         n;
    unsigned         flags;
    ex_rows_t        r;
    store_origin_t   origin;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        return ex_memory_query(rop, (ex_memory_table_t *) rop->in, req, res);
    }

    r.rop = rop;
    r.table = ex_rop_table(rop);
    r.full = false;

    if (r.table == NULL) {
        return ecNotSupported;
    }

    if (!r.table->columns) {
        return ecNullObject;
    }

    if (rop->room < 3) {
        return ecBufferTooSmall;
    }

    ph_wbuf_init(&r.b, rop->pool, rop->room - 3);

    flags = 0;
    if (req->flags & EX_QUERY_NO_ADVANCE) {
        flags |= STORE_QUERY_NO_ADVANCE;
    }

    if (!req->forward_read) {
        flags |= STORE_QUERY_BACKWARD;
    }

    rc = store_table_query(rop->conn, r.table->t, flags, req->row_count,
                           rop_rows_take, &r, &n, &origin);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    if (n == 0 && r.full) {
        return ecBufferTooSmall;
    }

    ex_table_watch(rop, r.table);

    res->origin = (uint8_t) origin;
    res->row_count = (uint16_t) n;
    res->rows = ph_wbuf_str(&r.b);
    rop->taken = n;
    rop->more = r.full && n < req->row_count && req->forward_read
                && !(req->flags & EX_QUERY_NO_ADVANCE);

    return 0;
}


uint32_t
rop_get_status(ex_rop_t *rop, const rop_get_status_request_t *req,
    rop_get_status_response_t *res)
{
    (void) req;
    (void) res;

    return (ex_rop_table(rop) != NULL || rop->in->kind == EX_MEMORY_TABLE)
           ? 0 : ecNotSupported;
}


uint32_t
rop_abort(ex_rop_t *rop, const rop_abort_request_t *req,
    rop_abort_response_t *res)
{
    ex_table_t  *t;

    (void) req;
    (void) res;

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments) {
        return ecNotSupported;
    }

    /* what was asked for was done when it was answered */
    return ecUnableToAbort;
}


uint32_t
rop_query_position(ex_rop_t *rop, const rop_query_position_request_t *req,
    rop_query_position_response_t *res)
{
    ph_int_t     rc;
    ex_table_t  *t;

    (void) req;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        return ex_memory_position(rop, (ex_memory_table_t *) rop->in,
                                  &res->numerator, &res->denominator);
    }

    t = ex_rop_table(rop);
    if (t == NULL) {
        return ecNotSupported;
    }

    rc = store_table_position(rop->conn, t->t, &res->numerator,
                              &res->denominator);
    if (rc == PH_OK) {
        ex_table_watch(rop, t);
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_seek_row(ex_rop_t *rop, const rop_seek_row_request_t *req,
    rop_seek_row_response_t *res)
{
    bool         less;
    int32_t      moved;
    ph_int_t     rc;
    ex_table_t  *t;

    if (req->origin > STORE_SEEK_END) {
        return ecInvalidParam;
    }

    less = false;
    moved = 0;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        rc = ex_memory_seek(rop, (ex_memory_table_t *) rop->in, req->origin,
                            req->row_count, &moved, &less);

    } else {
        t = ex_rop_table(rop);
        if (t == NULL) {
            return ecNotSupported;
        }

        rc = store_table_seek(rop->conn, t->t, (store_origin_t) req->origin,
                              req->row_count, &moved, &less);
        if (rc == PH_OK) {
            ex_table_watch(rop, t);
        }
    }

    res->has_sought_less = less;
    res->rows_sought = moved;

    return ex_ec(rop, rc);
}


uint32_t
rop_seek_row_fractional(ex_rop_t *rop,
    const rop_seek_row_fractional_request_t *req,
    rop_seek_row_fractional_response_t *res)
{
    ph_int_t     rc;
    ex_table_t  *t;

    (void) res;

    t = ex_rop_table(rop);
    if (t == NULL && rop->in->kind != EX_MEMORY_TABLE) {
        return ecNotSupported;
    }

    if (req->denominator == 0) {
        return ecInvalidBookmark;
    }

    if (t == NULL) {
        return ex_memory_fraction(rop, (ex_memory_table_t *) rop->in,
                                  req->numerator, req->denominator);
    }

    rc = store_table_seek_fraction(rop->conn, t->t, req->numerator,
                                   req->denominator);
    if (rc == PH_OK) {
        ex_table_watch(rop, t);
    }

    return ex_ec(rop, rc);
}


/* ---- bookmarks: four bytes ---- */

static bool
rop_bookmark_read(ph_str_t b, uint32_t *n_r)
{
    ph_cur_t  cur;

    ph_cur_init(&cur, b.data, b.len);
    *n_r = ph_cur_u32(&cur);

    return !cur.error && ph_cur_left(&cur) == 0;
}


uint32_t
rop_create_bookmark(ex_rop_t *rop, const rop_create_bookmark_request_t *req,
    rop_create_bookmark_response_t *res)
{
    ph_int_t     rc;
    uint32_t     n;
    ph_wbuf_t    b;
    ex_table_t  *t;

    (void) req;

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments) {
        return ecNotSupported;
    }

    rc = store_table_bookmark(rop->conn, t->t, &n);
    if (rc != PH_OK) {
        return rc == PH_TOOBIG ? ecServerOOM : ex_ec(rop, rc);
    }

    ph_wbuf_init(&b, rop->pool, 4);
    ph_put_u32(&b, n);
    res->bookmark = ph_wbuf_str(&b);

    return b.error ? ecServerOOM : 0;
}


uint32_t
rop_free_bookmark(ex_rop_t *rop, const rop_free_bookmark_request_t *req,
    rop_free_bookmark_response_t *res)
{
    ph_int_t     rc;
    uint32_t     n;
    ex_table_t  *t;

    (void) res;

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments) {
        return ecNotSupported;
    }

    if (!t->columns) {
        return ecNullObject;
    }

    if (!rop_bookmark_read(req->bookmark, &n)) {
        return ecInvalidBookmark;
    }

    rc = store_table_free_bookmark(t->t, n);

    return rc == PH_NOTFOUND ? ecInvalidBookmark : ex_ec(rop, rc);
}


uint32_t
rop_seek_row_bookmark(ex_rop_t *rop,
    const rop_seek_row_bookmark_request_t *req,
    rop_seek_row_bookmark_response_t *res)
{
    bool         less, gone;
    int32_t      moved;
    ph_int_t     rc;
    uint32_t     n;
    ex_table_t  *t;

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments) {
        return ecNotSupported;
    }

    if (!t->columns) {
        return ecNullObject;
    }

    if (!rop_bookmark_read(req->bookmark, &n)) {
        return ecInvalidBookmark;
    }

    less = false;
    gone = false;
    moved = 0;
    rc = store_table_seek_bookmark(rop->conn, t->t, n, req->row_count, &moved,
                                   &less, &gone);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? ecInvalidBookmark : ex_ec(rop, rc);
    }

    ex_table_watch(rop, t);
    res->row_no_longer_visible = gone;
    res->has_sought_less = less;
    res->rows_sought = moved;

    return 0;
}


uint32_t
rop_query_columns_all(ex_rop_t *rop,
    const rop_query_columns_all_request_t *req,
    rop_query_columns_all_response_t *res)
{
    ph_int_t      rc;
    ex_table_t   *t;
    mapi_tags_t   tags;

    (void) req;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        tags = ex_memory_columns_all((ex_memory_table_t *) rop->in);
        res->tags_count = (uint16_t) tags.n;
        res->tags = (uint32_t *) (uintptr_t) tags.tag;
        return 0;
    }

    t = ex_rop_table(rop);
    if (t == NULL) {
        return ecNotSupported;
    }

    rc = store_table_columns_all(rop->conn, t->t, rop->pool, &tags);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    ex_table_watch(rop, t);
    res->tags_count = (uint16_t) ph_min(tags.n, (uint32_t) MAPI_MAX_TAGS);
    res->tags = (uint32_t *) (uintptr_t) tags.tag;

    return 0;
}


uint32_t
rop_find_row(ex_rop_t *rop, const rop_find_row_request_t *req,
    rop_find_row_response_t *res)
{
    bool                       gone, backward;
    ph_int_t                   rc;
    uint32_t                   n;
    ex_rows_t                  r;
    mapi_restriction_t         any;
    const mapi_restriction_t  *restriction;

    if (rop->in->kind == EX_MEMORY_TABLE) {
        return ex_memory_find(rop, (ex_memory_table_t *) rop->in, req, res);
    }

    r.rop = rop;
    r.table = ex_rop_table(rop);
    r.full = false;

    if (r.table == NULL || r.table->attachments) {
        return ecNotSupported;
    }

    if (!r.table->columns) {
        return ecNullObject;
    }

    if (req->origin > 3) {
        return ecInvalidParam;
    }

    if (rop->room < 2) {
        return ecBufferTooSmall;
    }

    ph_wbuf_init(&r.b, rop->pool, rop->room - 2);

    memset(&any, 0, sizeof(any));
    any.type = MAPI_RES_NULL;
    restriction = req->has_restriction ? &req->restriction : &any;
    backward = (req->flags & 1) != 0;
    gone = false;

    if (req->origin == 3) {
        if (!rop_bookmark_read(req->bookmark, &n)
            || store_table_seek_bookmark(rop->conn, r.table->t, n, 0,
                   &(int32_t) { 0 }, &(bool) { false }, &gone)
               == PH_NOTFOUND)
        {
            return ecInvalidBookmark;
        }

        rc = store_table_find_bookmark(rop->conn, r.table->t, restriction, n,
                                       backward, &gone, rop_rows_take, &r);
    } else {
        rc = store_table_find(rop->conn, r.table->t, restriction,
                              (store_origin_t) req->origin, backward,
                              rop_rows_take, &r);
    }

    if (rc != PH_OK && !r.full) {
        return ex_ec(rop, rc);
    }

    ex_table_watch(rop, r.table);

    res->row_no_longer_visible = gone;

    /* the cursor is at the row, which comes with it when there is room */
    if (!r.full) {
        res->has_row_data = 1;
        res->row = ph_wbuf_str(&r.b);
    }

    return 0;
}


uint32_t
rop_reset_table(ex_rop_t *rop, const rop_reset_table_request_t *req,
    rop_reset_table_response_t *res)
{
    ex_table_t  *t;

    (void) req;
    (void) res;

    t = ex_rop_table(rop);
    if (t == NULL || t->attachments || t->hierarchy) {
        return ecNotSupported;
    }

    store_table_reset(t->t);
    t->columns = false;

    /* nothing is told until it is read again (MS-OXCNOTIF 3.1.4.3) */
    if (t->sub != NULL
        && ex_action_add(rop->session, EX_ACT_SUB_DEL, t->sub))
    {
        t->sub = NULL;
    }

    return 0;
}
