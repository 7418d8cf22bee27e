/* Runs ROPs one after the other and builds the answer; on a thread. */

#include "ex_execute.h"
#include "ex_access.h"
#include "ex_remote.h"
#include "ex_rop.h"


typedef uint32_t (*ex_handler_pt)(ex_rop_t *rop, const void *req, void *res);

/* one adapter a handler: the types are the generated ones */
#define X(id, name)                                                          \
    static uint32_t                                                          \
    ex_run_##name(ex_rop_t *rop, const void *req, void *res)                 \
    {                                                                        \
        return rop_##name(rop, req, res);                                    \
    }
ROP_HANDLERS(X)
#undef X

static const ex_handler_pt  ex_handlers[256] = {
#define X(id, name)  [id] = ex_run_##name,
    ROP_HANDLERS(X)
#undef X
};


static uint8_t
ex_item_response_index(const ex_item_t *item)
{
    size_t  i;

    for (i = 0; i < item->info->handles_count; i++) {
        if (item->info->handles[i] == ROP_HANDLE_OUT
            || item->info->handles[i] == ROP_HANDLE_RESP)
        {
            return item->handle[i];
        }
    }

    return item->info->handles_count > 0 ? item->handle[0] : 0;
}


/* What the handle index bytes name; an error code when an object is missing. */
static uint32_t
ex_item_objects(ex_rop_t *rop)
{
    size_t            i;
    uint8_t           index;
    ex_object_t      *o;
    ex_execute_t     *x = rop->x;
    const ex_item_t  *item = rop->item;

    for (i = 0; i < item->info->handles_count; i++) {
        index = item->handle[i];

        switch (item->info->handles[i]) {

        case ROP_HANDLE_IN:
        case ROP_HANDLE_SRC:
            o = (index < x->n_handles)
                ? ex_object_find(x->session, x->handles[index]) : NULL;
            if (o == NULL) {
                return ecNullObject;
            }

            if (o->logon_id != item->logon_id) {
                return ex_logon_find(x->session, item->logon_id) == NULL
                       ? ecNullObject : ecAccessDenied;
            }

            rop->in = o;
            rop->logon = o->logon != NULL ? o->logon : (ex_logon_t *) o;
            break;

        case ROP_HANDLE_DST:
            o = (index < x->n_handles)
                ? ex_object_find(x->session, x->handles[index]) : NULL;
            if (o == NULL) {
                return ecDstNullObject;
            }

            rop->dst = o;
            break;

        case ROP_HANDLE_OUT:
            if (index >= x->n_handles) {
                return ecNullObject;
            }
            break;

        default:
            break;
        }
    }

    return 0;
}


static void
ex_item_fail_503(ex_rop_t *rop, ph_wbuf_t *b)
{
    uint8_t                *body;
    uint32_t                index;
    const mapi_codec_t     *codec = rop->item->info->failure;

    /* every such body begins with the index, the rest is zero */
    body = ph_pcalloc(rop->pool, codec->size);
    if (body == NULL) {
        b->error = true;
        return;
    }

    index = rop->item->handle[1];
    memcpy(body, &index, sizeof(index));
    (void) codec->encode(b, &rop->ctx, body);
}


static void
ex_item_trace(ex_execute_t *x, const ex_item_t *item, uint32_t ec,
    const void *response)
{
    ph_wbuf_t  *in = &x->trace_in, *out = &x->trace_out;

    if (!x->traced) {
        return;
    }

    ph_put_fmt(in, "%s logon=%u handle=%u", item->info->name, item->logon_id,
               item->handle[0]);
    if (item->info->handles_count > 1) {
        ph_put_fmt(in, ",%u", item->handle[1]);
    }

    if (item->info->request != NULL) {
        ph_put_u8(in, ' ');
        item->info->request->dump(in, item->request);
    }

    ph_put_u8(in, '\n');

    if (item->info->flags & ROP_FLAG_SILENT) {
        return;
    }

    ph_put_fmt(out, "%s ", item->info->name);
    mapi_dump_ec(out, ec);

    if (ec == 0 && response != NULL && item->info->response != NULL) {
        ph_put_u8(out, ' ');
        item->info->response->dump(out, response);
    }

    ph_put_u8(out, '\n');
}


/*
 * The handle index and the error go in front, the body behind when it has
 * one.
 */
static void
ex_item_answer(ex_rop_t *rop, uint32_t ec, const void *response, ph_wbuf_t *b)
{
    const ex_item_t        *item = rop->item;
    const mapi_rop_info_t  *info = item->info;

    ph_put_u8(b, (info->flags & ROP_FLAG_OTHER_ID)
                 ? ROP_SET_MESSAGE_STATUS : item->id);
    ph_put_u8(b, ex_item_response_index(item));
    ph_put_u32(b, ec);

    if (info->failure != NULL && ec == info->failure_code) {
        if (ec == ecDstNullObject) {
            ex_item_fail_503(rop, b);

        } else if (response != NULL) {
            /* the handler gave the failure's own structure */
            (void) info->failure->encode(b, &rop->ctx, response);
        }

        return;
    }

    if (info->response == NULL || response == NULL) {
        return;
    }

    if (ec == 0 || (info->flags & ROP_FLAG_PARTIAL)
        || ((info->flags & ROP_FLAG_WARN) && ec == ecWarnWithErrors))
    {
        if (info->response->encode(b, &rop->ctx, response) != PH_OK) {
            b->error = true;
        }
    }
}


/* A code page for 8-bit strings: that of the message, else of the session. */
static uint16_t
ex_item_cpid(const ex_object_t *o, uint16_t otherwise)
{
    for ( ; o != NULL; o = o->parent) {
        if (o->kind == EX_MESSAGE) {
            return ((const ex_message_t *) o)->cpid;
        }
    }

    return otherwise;
}


/*
 * Runs one ROP and appends its response.  false: it did not fit, and nothing
 * was appended (an object that it made is gone again).
 */
static bool
ex_item_run(ex_execute_t *x, const ex_item_t *item, store_conn_t *conn,
    ph_wbuf_t *b, ex_rop_t *rop)
{
    void      *response;
    size_t     start;
    uint32_t   ec;

    static const uint32_t  nothing;

    memset(rop, 0, sizeof(*rop));
    rop->ex = x->ex;
    rop->x = x;
    rop->session = x->session;
    rop->conn = conn;
    rop->pool = x->pool;
    rop->item = item;
    rop->ctx = x->ctx;
    rop->room = b->limit - b->len;
    rop->room -= ph_min(rop->room, (size_t) EX_ROP_HEADER);

    ph_metric_add(x->ex->count.rops, 1);

    start = b->len;
    response = NULL;

    ec = ex_item_objects(rop);

    if (ec == 0) {
        rop->ctx.cpid = ex_item_cpid(rop->in, x->ctx.cpid);

        if (ex_handlers[item->id] == NULL) {
            ec = item->info->unhandled != 0 ? item->info->unhandled
                                            : ecNotSupported;
        } else if (conn == NULL && item->id != ROP_LOGON
                   && item->id != ROP_RELEASE)
        {
            ec = ecNullObject;
        }
    }

    if (ec == 0) {
        ex_access_view(conn, rop->logon);
        ec = ex_access_check(rop);
    }

    if (item->info->response != NULL || item->info->failure != NULL) {
        size_t  size = sizeof(nothing);

        if (item->info->response != NULL) {
            size = ph_max(size, item->info->response->size);
        }

        if (item->info->failure != NULL) {
            size = ph_max(size, item->info->failure->size);
        }

        response = ph_pcalloc(x->pool, size);
        if (response == NULL) {
            ec = ecServerOOM;
        }
    }

    if (ec == 0) {
        ec = ex_handlers[item->id](rop, item->request != NULL
                                   ? item->request : &nothing, response);
    }

    if ((item->info->flags & ROP_FLAG_WRITE) && conn != NULL
        && store_conn_writable(conn))
    {
        /* what it changed is seen in search folders by the next one */
        ph_int_t  rc = store_search_flush(conn);

        if (rc != PH_OK && x->fatal == PH_OK) {
            x->fatal = rc;
        }
    }

    if (item->info->flags & ROP_FLAG_SILENT) {
        ex_item_trace(x, item, ec, NULL);
        return true;
    }

    if (ec == ecBufferTooSmall
        && (start > 2 || (x->piece && !x->piece_first)
            || item->id == ROP_FAST_TRANSFER_SOURCE_GET_BUFFER))
    {
        /* more room comes with a buffer of its own; or (MS-OXCFXICS
         * 3.2.5.8.1.5) the client asks for less */
        return false;
    }

    ex_item_answer(rop, ec, response, b);

    if (b->error) {
        ph_wbuf_truncate(b, start);

        if (rop->made != NULL) {
            ex_object_release(rop->made);
            rop->made = NULL;
        }

        if (start > 2 || (x->piece && !x->piece_first)) {
            return false;
        }

        /* there will never be more room than now */
        ex_item_answer(rop, ecBufferTooSmall, NULL, b);
    }

    if (rop->made != NULL && ec == 0) {
        x->handles[ex_item_response_index(item)] =
            ((ex_object_t *) rop->made)->handle;
    }

    ex_item_trace(x, item, ec, response);
    rop->more = rop->more && ec == 0;

    return true;
}


static void
ex_too_small(ex_execute_t *x, const ex_item_t *item)
{
    size_t      start = x->data.len;
    ph_str_t    rest;

    rest.data = x->rops.data + item->offset;
    rest.len = x->rops.len - item->offset;

    ph_put_u8(&x->data, ROP_BUFFER_TOO_SMALL);
    ph_put_u16(&x->data, 0x8000);
    ph_put_str(&x->data, rest);

    if (x->data.error) {
        ph_wbuf_truncate(&x->data, start);
        x->ec = ecBufferTooSmall;
    }
}


void
ex_dispatch_too_small(ex_execute_t *x)
{
    if (x->piece) {
        x->piece_stopped = true;
        x->piece_next = x->next;
    } else {
        ex_too_small(x, &x->items[x->next]);
    }

    x->next = x->n_items;
}


static void
ex_payload_close(ex_execute_t *x, ph_wbuf_t *b)
{
    uint32_t  i;

    ph_poke_u16(b, 0, (uint16_t) b->len);

    /* the room for the table was kept */
    b->limit += 4 * x->n_handles;
    for (i = 0; i < x->n_handles; i++) {
        ph_put_u32(b, x->handles[i]);
    }
}


/*
 * Packing (MS-OXCRPC 3.1.4.2.1.2.2): the last ROP runs again, as if alone,
 * while it has more to give and the client has room.
 */
static void
ex_chain(ex_execute_t *x, store_conn_t *conn, ex_rop_t *rop, bool compress)
{
    size_t       room, used, need;
    ex_item_t    item;
    uint32_t     left, blocks;
    ph_wbuf_t    b, *payloads;
    bool         rows;
    rop_query_rows_request_t    query;
    rop_read_stream_request_t   read;

    item = *rop->item;
    rows = (item.id == ROP_QUERY_ROWS);
    left = 0;

    if (rows) {
        query = *(const rop_query_rows_request_t *) item.request;
        left = query.row_count - ph_min(rop->taken, query.row_count);
        item.request = &query;
        need = EX_MAX_PAYLOAD;

        if (query.flags & 2) {
            left = 0;
        }

    } else if (item.id == ROP_FAST_TRANSFER_SOURCE_GET_BUFFER) {
        left = UINT32_MAX;
        need = 8192;

    } else {
        read = *(const rop_read_stream_request_t *) item.request;
        left = (read.byte_count == 0xBABE) ? read.maximum_byte_count
                                           : read.byte_count;
        left -= ph_min(rop->taken, left);
        read.byte_count = 0xBABE;
        item.request = &read;
        need = 8192;

        /* clients between these versions mishandle it */
        if (x->session->version[0] > 0x0EFF
            && (x->session->version[0] < 0x1000
                || (x->session->version[1] & 0x7FFF) < 10000))
        {
            left = 0;
        }
    }

    payloads = ph_pcalloc_array(x->pool, EX_MAX_BLOCKS, sizeof(ph_wbuf_t));
    if (payloads == NULL) {
        return;
    }

    blocks = 0;
    used = EX_EXT_HEADER + x->data.len;

    while (left > 0 && rop->more && blocks < EX_MAX_BLOCKS - 1) {
        room = x->r.max_rop_out - ph_min(used, (size_t) x->r.max_rop_out);
        if (room < need + EX_EXT_HEADER) {
            break;
        }

        room = ph_min(room - EX_EXT_HEADER, (size_t) EX_MAX_PAYLOAD);
        ph_wbuf_init(&b, x->pool, room - 4 * x->n_handles);
        ph_put_u16(&b, 0);

        if (rows) {
            query.row_count = (uint16_t) left;
        } else if (item.id == ROP_READ_STREAM) {
            read.maximum_byte_count = left;
        }

        if (!ex_item_run(x, &item, conn, &b, rop) || b.error
            || rop->taken == 0)
        {
            break;
        }

        left -= ph_min(left, rop->taken);
        ex_payload_close(x, &b);
        payloads[blocks++] = b;
        used += EX_EXT_HEADER + b.len;
    }

    if (blocks == 0) {
        return;
    }

    (void) ex_frame_write(&x->answer, x->pool, ph_wbuf_str(&x->data), false,
                          compress);

    for (left = 0; left < blocks; left++) {
        (void) ex_frame_write(&x->answer, x->pool,
                              ph_wbuf_str(&payloads[left]),
                              left == blocks - 1, compress);
    }
}


static void
ex_answer_make(ex_execute_t *x, store_conn_t *conn, ex_rop_t *rop)
{
    bool             chain, compress;
    const ex_item_t *last;

    x->complete = true;

    if (x->piece) {
        if (ex_notify_list(x, conn) != PH_OK) {
            x->ec = ecServerOOM;
        }
        return;
    }

    last = (x->n_items > 0) ? &x->items[x->n_items - 1] : NULL;
    chain = rop != NULL && rop->more && (x->r.flags & EX_FLAG_CHAIN)
            && (last->id == ROP_QUERY_ROWS || last->id == ROP_READ_STREAM
                || last->id == ROP_FAST_TRANSFER_SOURCE_GET_BUFFER);
    compress = !(x->r.flags & EX_FLAG_NO_COMPRESS)
               && (last == NULL || last->id != ROP_READ_STREAM);

    if (!x->ics_upload && !chain) {
        ex_notify_append(x, conn);
    }

    ex_payload_close(x, &x->data);
    ph_wbuf_init(&x->answer, x->pool, EX_MAX_REQUEST + EX_MAX_PAYLOAD);

    if (chain) {
        ex_chain(x, conn, rop, compress);
        if (x->answer.len > 0) {
            return;
        }
    }

    if (ex_frame_write(&x->answer, x->pool, ph_wbuf_str(&x->data), true,
                       compress) != PH_OK)
    {
        x->ec = ecServerOOM;
    }
}


void
ex_dispatch_finish(ex_execute_t *x, store_conn_t *conn)
{
    ex_answer_make(x, conn, NULL);
    ex_access_view(conn, NULL);
    if (conn != NULL) {
        store_conn_set_origin(conn, 0);
    }
}


void
ex_dispatch(ex_execute_t *x, store_conn_t *conn)
{
    ex_rop_t  rop;

    memset(&rop, 0, sizeof(rop));
    if (conn != NULL) {
        store_conn_set_origin(conn, (uintptr_t) x->session);
    }

    while (x->next < x->stop) {
        if (!ex_item_run(x, &x->items[x->next], conn, &x->data, &rop)) {
            ex_dispatch_too_small(x);
            rop.more = false;
            break;
        }

        x->next++;

        if (x->fatal != PH_OK) {
            break;
        }
    }

    if (x->fatal == PH_OK && x->next == x->n_items && x->ec == 0) {
        ex_answer_make(x, conn, &rop);
    }

    ex_access_view(conn, NULL);
}
