
#include "ngx_http_posthorn_mapi.h"

#include "gen/dir.h"
#include "gen/exmdb.h"

#include <openssl/rand.h>


#define NGX_HTTP_POSTHORN_MAPI_SHORT_CALL  30000    /* ms */


static ngx_int_t ngx_http_posthorn_mapi_call(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_mapi_read_body(ngx_http_request_t *r,
    ph_str_t *body);
static ngx_int_t ngx_http_posthorn_mapi_connect(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body);
static ngx_int_t ngx_http_posthorn_mapi_execute(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body);
static ngx_int_t ngx_http_posthorn_mapi_disconnect(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body);
static ngx_int_t ngx_http_posthorn_mapi_wait(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body);
static ngx_int_t ngx_http_posthorn_mapi_ping(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_mapi_nspi(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body);
static ngx_int_t ngx_http_posthorn_mapi_send(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, uint16_t op, ph_wbuf_t *b,
    ngx_msec_t timeout);
static ngx_int_t ngx_http_posthorn_mapi_fail(
    ngx_http_posthorn_mapi_ctx_t *ctx, ngx_uint_t code);
static void ngx_http_posthorn_mapi_answer_handler(ngx_posthorn_call_t *call);
static ngx_int_t ngx_http_posthorn_mapi_take(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_mapi_take_status(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_mapi_take_wait(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
static void ngx_http_posthorn_mapi_timer_handler(ngx_event_t *ev);


/*
 * One request from its body to its answer.  Runs until something has to be
 * waited for: NGX_AGAIN of a step leaves, and the answer, the event or the
 * timer comes back here with ctx->state where it was.
 */

void
ngx_http_posthorn_mapi_run(ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    for ( ;; ) {

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "posthorn mapi %s state: %d", ctx->type->name,
                       ctx->state);

        switch (ctx->state) {

        case ngx_http_posthorn_mapi_start:
            rc = ngx_http_posthorn_mapi_call(r, ctx);

            ctx->state = (rc == NGX_AGAIN) ? ngx_http_posthorn_mapi_answer
                                           : ngx_http_posthorn_mapi_respond;
            break;

        case ngx_http_posthorn_mapi_answer:
            rc = ngx_http_posthorn_mapi_take(r, ctx);

            ctx->state = (rc == NGX_AGAIN) ? ngx_http_posthorn_mapi_parked
                                           : ngx_http_posthorn_mapi_respond;
            break;

        case ngx_http_posthorn_mapi_parked:

            /* woken: ctx->park has the outcome */

            rc = ngx_http_posthorn_mapi_take_wait(r, ctx);
            ctx->state = ngx_http_posthorn_mapi_respond;
            break;

        case ngx_http_posthorn_mapi_respond:

            if (ctx->timer.timer_set) {
                ngx_del_timer(&ctx->timer);
            }

            rc = ngx_http_posthorn_mapi_send_answer(r, ctx);
            ngx_http_finalize_request(r, rc);
            return;

        default: /* ngx_http_posthorn_mapi_done */
            return;
        }

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc == NGX_OK) {
            continue;
        }

        /* the head with its 200 may have left already */

        if (ctx->head_sent) {
            ctx->code = MH_UNKNOWN_FAILURE;
            continue;
        }

        ctx->state = ngx_http_posthorn_mapi_done;

        if (rc == NGX_HTTP_SERVICE_UNAVAILABLE) {
            rc = ngx_http_posthorn_unavailable(r);
        }

        ngx_http_finalize_request(r, (rc == NGX_ERROR)
                                     ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc);
        return;
    }
}


/* decodes the body and sends the call; NGX_OK: the outcome is known already */

static ngx_int_t
ngx_http_posthorn_mapi_call(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ph_str_t                            body;
    ngx_int_t                           rc;
    ngx_http_posthorn_main_conf_t      *pmcf;
    ngx_http_posthorn_mapi_loc_conf_t  *mlcf;

    ctx->pool = ngx_http_posthorn_pool(r, "mapi request", 64 * 1024 * 1024);
    if (ctx->pool == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_posthorn_mapi_read_body(r, &body);
    if (rc != NGX_OK) {
        return rc;
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mapi_module);

    if (body.len > mlcf->max_body) {
        return ngx_http_posthorn_mapi_fail(ctx, MH_TOO_LARGE);
    }

    /* Connect and Bind begin a session, whatever cookies there are (3.2.5.1) */

    if (ctx->type->kind != MH_CONNECT && ctx->type->kind != MH_BIND) {

        if (ctx->cookie_invalid) {
            return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_COOKIE);
        }

        if (!ctx->session_set) {
            return ngx_http_posthorn_mapi_fail(ctx, MH_MISSING_COOKIE);
        }
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_module);

    if (ctx->type->endpoint == MH_NSPI) {
        ctx->wire = pmcf->directory;
        return ngx_http_posthorn_mapi_nspi(r, ctx, body);
    }

    if (ctx->type->kind == MH_CONNECT) {

        rc = ngx_http_posthorn_worker(pmcf, &ctx->identity->address);

        if (rc == NGX_DECLINED) {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        ctx->worker = (unsigned) rc;

    } else if (ctx->worker >= pmcf->map.nworkers) {

        /* of a time when exmdb had more workers, or not ours */

        if (pmcf->map.nworkers == 0) {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        return ngx_http_posthorn_mapi_fail(ctx, MH_NO_CONTEXT);
    }

    ctx->wire = pmcf->map.workers[ctx->worker];

    switch (ctx->type->kind) {

    case MH_CONNECT:
        return ngx_http_posthorn_mapi_connect(r, ctx, body);

    case MH_EXECUTE:
        return ngx_http_posthorn_mapi_execute(r, ctx, body);

    case MH_DISCONNECT:
        return ngx_http_posthorn_mapi_disconnect(r, ctx, body);

    case MH_WAIT:
        return ngx_http_posthorn_mapi_wait(r, ctx, body);

    default: /* MH_PING */
        return ngx_http_posthorn_mapi_ping(r, ctx);
    }
}


static ngx_int_t
ngx_http_posthorn_mapi_read_body(ngx_http_request_t *r, ph_str_t *body)
{
    u_char       *p;
    size_t        len;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    *body = (ph_str_t) { 0, (const uint8_t *) "" };

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && ngx_buf_in_memory(cl->buf)) {
        body->len = cl->buf->last - cl->buf->pos;
        body->data = cl->buf->pos;
        return NGX_OK;
    }

    len = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    p = ngx_palloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->len = len;
    body->data = p;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        /* larger than client_body_buffer_size: in a temporary file */

        n = ngx_read_file(b->file, p, (size_t) (b->file_last - b->file_pos),
                          b->file_pos);

        if (n != (ssize_t) (b->file_last - b->file_pos)) {
            return NGX_ERROR;
        }

        p += n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_mapi_connect(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body)
{
    ph_wbuf_t                        b;
    ngx_table_elt_t                 *h;
    mapihttp_connect_request_t       in;
    exmdb_emsmdb_connect_request_t   out;
    uint16_t                         version[3];

    if (mapihttp_connect_request_decode_all(body, ctx->pool, &in) != PH_OK) {
        return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_BODY);
    }

    ngx_memzero(&out, sizeof(exmdb_emsmdb_connect_request_t));
    ngx_memcpy(out.old_session, ctx->session, 16);

    h = ngx_http_posthorn_header(r, "x-clientapplication",
                                 sizeof("x-clientapplication") - 1, NULL);
    if (h) {
        out.client_application = ngx_http_posthorn_ph_str(&h->value);

        if (!mh_echo_allowed(out.client_application, 256)) {
            return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_HEADER);
        }
    }

    mh_client_version(out.client_application, version);

    out.user_dn = ph_utf8_scrub(ctx->pool, in.user_dn);
    out.flags = in.flags;
    out.cpid = in.default_code_page;
    out.lcid_sort = in.lcid_sort;
    out.lcid_string = in.lcid_string;
    out.version_0 = version[0];
    out.version_1 = version[1];
    out.version_2 = version[2];
    out.client = ngx_http_posthorn_client(r);
    out.request_id = ngx_http_posthorn_request_id(r);

    if (out.user_dn.data == NULL) {
        return NGX_ERROR;
    }

    ph_wbuf_init(&b, ctx->pool, PH_WIRE_DEFAULT_FRAME);
    ngx_posthorn_wire_frame(&b,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket));

    if (exmdb_emsmdb_connect_request_encode(&b, &out) != PH_OK) {
        return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_BODY);
    }

    return ngx_http_posthorn_mapi_send(r, ctx, EXMDB_OP_EMSMDB_CONNECT, &b,
                                       0);
}


static ngx_int_t
ngx_http_posthorn_mapi_execute(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body)
{
    uint32_t                         ec;
    ph_wbuf_t                        b;
    mapihttp_execute_request_t       in;
    exmdb_emsmdb_execute_request_t   out;

    if (mapihttp_execute_request_decode_all(body, ctx->pool, &in) != PH_OK) {
        return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_BODY);
    }

    ec = mh_execute_check(&in);

    if (ec != 0) {
        ph_wbuf_init(&b, ctx->pool, 64);
        mh_put_execute(&b, ec, ph_str_null);
        ctx->body = ph_wbuf_str(&b);

        /* no new sequence: the session has not seen the request */

        ngx_memcpy(ctx->next_sequence, ctx->sequence, 16);
        ctx->send_context = 1;
        ctx->send_sequence = ctx->sequence_set;

        return NGX_OK;
    }

    if (RAND_bytes(ctx->next_sequence, 16) != 1) {
        return NGX_ERROR;
    }

    ngx_memzero(&out, sizeof(exmdb_emsmdb_execute_request_t));
    ngx_memcpy(out.session, ctx->session, 16);
    ngx_memcpy(out.sequence, ctx->sequence, 16);
    ngx_memcpy(out.next_sequence, ctx->next_sequence, 16);

    out.flags = in.flags;
    out.max_rop_out = in.max_rop_out;
    out.rops = in.rop_buffer;
    out.request_id = ngx_http_posthorn_request_id(r);

    ph_wbuf_init(&b, ctx->pool, PH_WIRE_DEFAULT_FRAME);
    ngx_posthorn_wire_frame(&b,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket));

    if (exmdb_emsmdb_execute_request_encode(&b, &out) != PH_OK) {
        return NGX_ERROR;
    }

    ctx->send_context = 1;
    ctx->send_sequence = 1;
    ctx->early_head = 1;

    return ngx_http_posthorn_mapi_send(r, ctx, EXMDB_OP_EMSMDB_EXECUTE, &b,
                                       0);
}


static ngx_int_t
ngx_http_posthorn_mapi_disconnect(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body)
{
    ph_wbuf_t                           b;
    mapihttp_disconnect_request_t       in;
    exmdb_emsmdb_disconnect_request_t   out;

    if (body.len != 0
        && mapihttp_disconnect_request_decode_all(body, ctx->pool, &in)
           != PH_OK)
    {
        return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_BODY);
    }

    ngx_memcpy(out.session, ctx->session, 16);

    ph_wbuf_init(&b, ctx->pool, PH_WIRE_DEFAULT_FRAME);
    ngx_posthorn_wire_frame(&b,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket));

    if (exmdb_emsmdb_disconnect_request_encode(&b, &out) != PH_OK) {
        return NGX_ERROR;
    }

    return ngx_http_posthorn_mapi_send(r, ctx, EXMDB_OP_EMSMDB_DISCONNECT,
                                       &b, NGX_HTTP_POSTHORN_MAPI_SHORT_CALL);
}


static ngx_int_t
ngx_http_posthorn_mapi_wait(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body)
{
    ph_wbuf_t                             b;
    exmdb_emsmdb_wait_request_t           out;
    mapihttp_notification_wait_request_t  in;

    if (mapihttp_notification_wait_request_decode_all(body, ctx->pool, &in)
        != PH_OK)
    {
        return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_BODY);
    }

    ctx->park = ngx_http_posthorn_park_create(r, ctx);
    if (ctx->park == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_memcpy(out.session, ctx->session, 16);
    out.waiter = ctx->park->node.key;

    ph_wbuf_init(&b, ctx->pool, PH_WIRE_DEFAULT_FRAME);
    ngx_posthorn_wire_frame(&b,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket));

    if (exmdb_emsmdb_wait_request_encode(&b, &out) != PH_OK) {
        return NGX_ERROR;
    }

    /*
     * The sequence cookie stays as the client has it: an Execute may run
     * beside the wait and bring a newer one.
     */

    ctx->send_context = 1;

    return ngx_http_posthorn_mapi_send(r, ctx, EXMDB_OP_EMSMDB_WAIT, &b,
                                       NGX_HTTP_POSTHORN_MAPI_SHORT_CALL);
}


static ngx_int_t
ngx_http_posthorn_mapi_ping(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ph_wbuf_t                     b;
    exmdb_emsmdb_ping_request_t   out;

    ngx_memcpy(out.session, ctx->session, 16);

    ph_wbuf_init(&b, ctx->pool, PH_WIRE_DEFAULT_FRAME);
    ngx_posthorn_wire_frame(&b,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket));

    if (exmdb_emsmdb_ping_request_encode(&b, &out) != PH_OK) {
        return NGX_ERROR;
    }

    ctx->send_context = 1;

    return ngx_http_posthorn_mapi_send(r, ctx, EXMDB_OP_EMSMDB_PING, &b,
                                       NGX_HTTP_POSTHORN_MAPI_SHORT_CALL);
}


/* the address book is the directory's: bodies pass as they are */

static ngx_int_t
ngx_http_posthorn_mapi_nspi(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ph_str_t body)
{
    ph_wbuf_t            b;
    dir_nspi_request_t   out;

    ngx_memzero(&out, sizeof(dir_nspi_request_t));
    ngx_memcpy(out.session, ctx->session, 16);
    ngx_memcpy(out.sequence, ctx->sequence, 16);

    out.type = ph_str_c(ctx->type->name);
    out.body = body;
    out.client = ngx_http_posthorn_client(r);
    out.request_id = ngx_http_posthorn_request_id(r);

    if (r->headers_in.host) {
        out.host = ngx_http_posthorn_ph_str(&r->headers_in.host->value);

        if (!mh_echo_allowed(out.host, 255)) {
            return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_HEADER);
        }
    }

    ph_wbuf_init(&b, ctx->pool, PH_WIRE_DEFAULT_FRAME);
    ngx_posthorn_wire_frame(&b,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket));

    if (dir_nspi_request_encode(&b, &out) != PH_OK) {
        return NGX_ERROR;
    }

    return ngx_http_posthorn_mapi_send(r, ctx, DIR_OP_NSPI, &b, 0);
}


static ngx_int_t
ngx_http_posthorn_mapi_send(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, uint16_t op, ph_wbuf_t *b,
    ngx_msec_t timeout)
{
    ngx_http_posthorn_mapi_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mapi_module);

    if (timeout == 0) {
        timeout = mlcf->timeout;
    }

    ctx->call.handler = ngx_http_posthorn_mapi_answer_handler;
    ctx->call.data = ctx;

    switch (ngx_posthorn_wire_call(ctx->wire, &ctx->call, op,
                            ngx_http_posthorn_ph_str(&ctx->identity->ticket),
                            b, timeout))
    {
    case NGX_OK:
        break;

    case NGX_BUSY:
        ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6021,
                         "\"%V\" cannot be asked now", &ctx->wire->name);
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    default:
        return NGX_ERROR;
    }

    /* the head can leave before the answer only when the cookies are known */

    if (ctx->early_head) {
        ctx->timer.handler = ngx_http_posthorn_mapi_timer_handler;
        ctx->timer.data = ctx;
        ctx->timer.log = r->connection->log;
        ngx_add_timer(&ctx->timer, mlcf->processing_delay);
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_posthorn_mapi_fail(ngx_http_posthorn_mapi_ctx_t *ctx,
    ngx_uint_t code)
{
    ctx->code = code;

    return NGX_OK;
}


static void
ngx_http_posthorn_mapi_answer_handler(ngx_posthorn_call_t *call)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    ctx = call->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_posthorn_mapi_run(ctx);

    ngx_http_run_posted_requests(c);
}


/* the answer of a call; NGX_AGAIN: the client is parked */

static ngx_int_t
ngx_http_posthorn_mapi_take(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ph_wbuf_t                          b;
    ngx_uint_t                         i;
    dir_nspi_answer_t                  nspi;
    exmdb_emsmdb_ping_answer_t         ping;
    exmdb_emsmdb_wait_answer_t         wait;
    exmdb_emsmdb_connect_answer_t      connect;
    exmdb_emsmdb_execute_answer_t      execute;
    exmdb_emsmdb_disconnect_answer_t   disconnect;

    if (ctx->call.status != PH_WIRE_OK) {
        return ngx_http_posthorn_mapi_take_status(r, ctx);
    }

    ph_wbuf_init(&b, ctx->pool, ctx->call.body.len * 2 + 1024);

    if (ctx->type->endpoint == MH_NSPI) {

        if (dir_nspi_answer_decode_all(ctx->call.body, ctx->pool, &nspi)
            != PH_OK)
        {
            goto invalid;
        }

        ctx->code = nspi.result;

        ngx_memcpy(ctx->session, nspi.session, 16);
        ngx_memcpy(ctx->next_sequence, nspi.sequence, 16);
        ctx->worker = 0;

        /* no session any more: after Unbind, or a Bind that failed */

        for (i = 0; i < 16; i++) {
            if (nspi.session[i]) {
                ctx->send_context = 1;
                ctx->send_sequence = (ctx->type->kind != MH_PING);
                break;
            }
        }

        ph_put_str(&b, nspi.body);
        goto done;
    }

    switch (ctx->type->kind) {

    case MH_CONNECT:

        if (exmdb_emsmdb_connect_answer_decode_all(ctx->call.body, ctx->pool,
                                                   &connect)
            != PH_OK)
        {
            goto invalid;
        }

        if (connect.ec == 0) {
            ngx_memcpy(ctx->session, connect.session, 16);
            ngx_memcpy(ctx->next_sequence, connect.sequence, 16);
            ctx->send_context = 1;
            ctx->send_sequence = 1;
        }

        mh_put_connect(&b, connect.ec, connect.dn_prefix,
                       connect.display_name);
        break;

    case MH_EXECUTE:

        if (exmdb_emsmdb_execute_answer_decode_all(ctx->call.body, ctx->pool,
                                                   &execute)
            != PH_OK)
        {
            goto invalid;
        }

        ctx->code = execute.result;

        if (execute.result == EXMDB_RESULT_OK) {
            ngx_memcpy(ctx->next_sequence, execute.sequence, 16);
        }

        mh_put_execute(&b, execute.ec, execute.rops);
        break;

    case MH_DISCONNECT:

        if (exmdb_emsmdb_disconnect_answer_decode_all(ctx->call.body,
                                                      ctx->pool, &disconnect)
            != PH_OK)
        {
            goto invalid;
        }

        ctx->code = disconnect.result;
        mh_put_disconnect(&b, 0);
        break;

    case MH_WAIT:

        if (exmdb_emsmdb_wait_answer_decode_all(ctx->call.body, ctx->pool,
                                                &wait)
            != PH_OK)
        {
            goto invalid;
        }

        if (wait.result == EXMDB_RESULT_OK && wait.ec == 0 && !wait.pending
            && !ctx->park->woken)
        {
            return ngx_http_posthorn_park(r, ctx);
        }

        if (!ctx->park->woken) {
            ctx->park->code = wait.result;
            ctx->park->ec = wait.ec;
            ctx->park->pending = wait.pending ? 1 : 0;
        }

        return ngx_http_posthorn_mapi_take_wait(r, ctx);

    default: /* MH_PING */

        if (exmdb_emsmdb_ping_answer_decode_all(ctx->call.body, ctx->pool,
                                                &ping)
            != PH_OK)
        {
            goto invalid;
        }

        ctx->code = ping.result;
        break;
    }

done:

    if (b.error) {
        return NGX_ERROR;
    }

    ctx->body = ph_wbuf_str(&b);

    return NGX_OK;

invalid:

    ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6022,
                     "\"%V\" gave an answer that cannot be decoded",
                     &ctx->wire->name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_posthorn_mapi_take_status(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6023,
                     "\"%V\" did not serve %s: %s", &ctx->wire->name,
                     ctx->type->name, ph_wire_status_name(ctx->call.status));

    switch (ctx->call.status) {

    case PH_WIRE_BAD_REQUEST:
        return ngx_http_posthorn_mapi_fail(ctx, MH_INVALID_BODY);

    case PH_WIRE_BAD_OP:
        return ngx_http_posthorn_mapi_fail(ctx, MH_DISABLED);

    case PH_WIRE_DENIED:
        return ngx_http_posthorn_mapi_fail(ctx,
                                           ctx->type->kind == MH_CONNECT
                                           ? MH_NO_PRIVILEGE : MH_NO_CONTEXT);

    case PH_WIRE_NOT_FOUND:
        return ngx_http_posthorn_mapi_fail(ctx, MH_NO_CONTEXT);

    case PH_WIRE_TOO_BIG:
        return ngx_http_posthorn_mapi_fail(ctx, MH_TOO_LARGE);

    case PH_WIRE_ERROR:
        return ngx_http_posthorn_mapi_fail(ctx, MH_UNKNOWN_FAILURE);

    default:
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}


static ngx_int_t
ngx_http_posthorn_mapi_take_wait(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ph_wbuf_t                  b;
    ngx_http_posthorn_park_t  *park;

    park = ctx->park;

    ctx->code = park->code;

    ph_wbuf_init(&b, ctx->pool, 64);
    mh_put_wait(&b, park->ec, park->pending);

    ctx->park = NULL;
    park->waiting = 0;
    ngx_http_posthorn_park_free(park);

    if (b.error) {
        return NGX_ERROR;
    }

    ctx->body = ph_wbuf_str(&b);

    return NGX_OK;
}


/* an Execute that takes longer */

static void
ngx_http_posthorn_mapi_timer_handler(ngx_event_t *ev)
{
    ngx_int_t                           rc;
    ngx_connection_t                   *c;
    ngx_http_request_t                 *r;
    ngx_http_posthorn_mapi_ctx_t       *ctx;
    ngx_http_posthorn_mapi_loc_conf_t  *mlcf;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ctx->head_sent ? ngx_http_posthorn_mapi_send_pending(r, ctx)
                        : ngx_http_posthorn_mapi_send_processing(r, ctx);

    if (rc == NGX_ERROR) {
        ctx->state = ngx_http_posthorn_mapi_done;
        ngx_http_finalize_request(r, NGX_ERROR);

    } else {
        mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mapi_module);
        ngx_add_timer(&ctx->timer, mlcf->pending_period);
    }

    ngx_http_run_posted_requests(c);
}
