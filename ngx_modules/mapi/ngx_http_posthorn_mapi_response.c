
#include "ngx_http_posthorn_mapi.h"


static ngx_int_t ngx_http_posthorn_mapi_send_head(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ngx_uint_t code, off_t length);
static ngx_int_t ngx_http_posthorn_mapi_echo(ngx_http_request_t *r,
    char *name, char *lowcase, size_t len, size_t max);
static ngx_int_t ngx_http_posthorn_mapi_set_number(ngx_http_request_t *r,
    char *name, ngx_uint_t n);
static ngx_int_t ngx_http_posthorn_mapi_set_cookie(ngx_http_request_t *r,
    char *name, size_t len, char *value, size_t vlen);
static ngx_int_t ngx_http_posthorn_mapi_send_data(ngx_http_request_t *r,
    u_char *data, size_t len, ngx_uint_t last);
static void ngx_http_posthorn_mapi_writer(ngx_http_request_t *r);


/* a request that failed as a whole: X-ResponseCode and a page (3.2.5.2) */

ngx_int_t
ngx_http_posthorn_mapi_send_failure(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ngx_uint_t code)
{
    u_char     *p;
    ngx_int_t   rc;
    ph_wbuf_t   b;

    ngx_posthorn_log(NGX_LOG_INFO, r->connection->log, 0, 6020,
                     "request failed: X-ResponseCode %ui, %s", code,
                     mh_code_text((unsigned) code));

    ctx->code = code;
    ctx->state = ngx_http_posthorn_mapi_done;

    p = ngx_palloc(r->pool, 512);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ph_wbuf_init_fixed(&b, p, 512);
    mh_put_diagnostics(&b, (unsigned) code);

    if (b.error) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_posthorn_mapi_send_head(r, ctx, code, b.len);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_posthorn_mapi_send_data(r, b.data, b.len, 1);
}


/* the head and the first line of the stream, when an answer takes longer */

ngx_int_t
ngx_http_posthorn_mapi_send_processing(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_core_loc_conf_t  *clcf;

    ctx->head_sent = 1;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* single lines follow, and each is wanted at once */

    if (clcf->tcp_nodelay && ngx_tcp_nodelay(r->connection) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_posthorn_mapi_send_head(r, ctx, MH_SUCCESS, -1);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    r->write_event_handler = ngx_http_posthorn_mapi_writer;

    return ngx_http_posthorn_mapi_send_data(r, (u_char *) MH_PROCESSING,
                                            sizeof(MH_PROCESSING) - 1, 0);
}


ngx_int_t
ngx_http_posthorn_mapi_send_pending(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    return ngx_http_posthorn_mapi_send_data(r, (u_char *) MH_PENDING,
                                            sizeof(MH_PENDING) - 1, 0);
}


/*
 * The end of the stream with the binary part.  A fast answer goes out in one
 * piece, with the head and its length.
 */

ngx_int_t
ngx_http_posthorn_mapi_send_answer(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    u_char      start[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    ngx_int_t   rc;
    ph_wbuf_t   b;
    ngx_time_t *tp;
    uint64_t    elapsed;

    ctx->state = ngx_http_posthorn_mapi_done;

    if (ctx->code != MH_SUCCESS && !ctx->head_sent) {
        return ngx_http_posthorn_mapi_send_failure(r, ctx, ctx->code);
    }

    tp = ngx_timeofday();
    elapsed = (uint64_t) ((tp->sec - r->start_sec) * 1000
                          + (ngx_msec_int_t) (tp->msec - r->start_msec));

    ph_wbuf_init(&b, ctx->pool, ctx->body.len + 512);

    if (!ctx->head_sent) {
        ph_put_str(&b, ph_str_lit(MH_PROCESSING));
    }

    mh_put_done(&b, (unsigned) ctx->code, elapsed,
                (ph_str_t) { (size_t) (ngx_http_time(start, r->start_sec)
                                       - start), start });

    if (ctx->code == MH_SUCCESS) {
        ph_put_str(&b, ctx->body);
    }

    if (b.error) {
        return ctx->head_sent ? NGX_ERROR : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ctx->head_sent) {

        rc = ngx_http_posthorn_mapi_send_head(r, ctx, MH_SUCCESS, b.len);

        if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
            return rc;
        }
    }

    return ngx_http_posthorn_mapi_send_data(r, b.data, b.len, 1);
}


static ngx_int_t
ngx_http_posthorn_mapi_send_head(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx, ngx_uint_t code, off_t length)
{
    char                                value[MH_CONTEXT_LEN + 1];
    size_t                              len;
    ngx_str_t                           s;
    ngx_http_posthorn_mapi_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mapi_module);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = length;

    if (code == MH_SUCCESS) {
        ngx_str_set(&r->headers_out.content_type, "application/mapi-http");

    } else {
        ngx_str_set(&r->headers_out.content_type, "text/html");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_str_set(&s, "private");

    if (ngx_http_posthorn_add_header(r, "Cache-Control", &s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->type) {
        s.data = (u_char *) ctx->type->name;
        s.len = ngx_strlen(s.data);

        if (ngx_http_posthorn_add_header(r, "X-RequestType", &s) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_http_posthorn_mapi_echo(r, "X-RequestType",
                                           "x-requesttype",
                                           sizeof("x-requesttype") - 1, 64)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_posthorn_mapi_echo(r, "X-RequestId", "x-requestid",
                                    sizeof("x-requestid") - 1,
                                    MH_MAX_REQUEST_ID)
        != NGX_OK
        || ngx_http_posthorn_mapi_echo(r, "X-ClientInfo", "x-clientinfo",
                                       sizeof("x-clientinfo") - 1,
                                       MH_MAX_CLIENT_INFO)
           != NGX_OK
        || ngx_http_posthorn_mapi_echo(r, "client-request-id",
                                       "client-request-id",
                                       sizeof("client-request-id") - 1,
                                       MH_MAX_REQUEST_ID)
           != NGX_OK
        || ngx_http_posthorn_mapi_set_number(r, "X-ResponseCode", code)
           != NGX_OK
        || ngx_http_posthorn_mapi_set_number(r, "X-PendingPeriod",
                                             mlcf->pending_period)
           != NGX_OK
        || ngx_http_posthorn_mapi_set_number(r, "X-ExpirationInfo",
                                             mlcf->expiration)
           != NGX_OK
        || ngx_http_posthorn_add_header(r, "X-ServerApplication",
                                        &mlcf->server_application)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (code == MH_SUCCESS && ctx->send_context) {

        len = mh_context_format(value, ctx->session, ctx->worker);

        if (ngx_http_posthorn_mapi_set_cookie(r, "MapiContext",
                                              sizeof("MapiContext") - 1,
                                              value, len)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (code == MH_SUCCESS && ctx->send_sequence) {

        ph_hex_encode(value, ctx->next_sequence, 16);

        if (ngx_http_posthorn_mapi_set_cookie(r, "MapiSequence",
                                              sizeof("MapiSequence") - 1,
                                              value, MH_SEQUENCE_LEN)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_posthorn_mapi_echo(ngx_http_request_t *r, char *name, char *lowcase,
    size_t len, size_t max)
{
    ngx_table_elt_t  *h;

    h = ngx_http_posthorn_header(r, lowcase, len, NULL);

    if (h == NULL
        || !mh_echo_allowed(ngx_http_posthorn_ph_str(&h->value), max))
    {
        return NGX_OK;
    }

    return ngx_http_posthorn_add_header(r, name, &h->value);
}


static ngx_int_t
ngx_http_posthorn_mapi_set_number(ngx_http_request_t *r, char *name,
    ngx_uint_t n)
{
    ngx_str_t  s;

    s.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%ui", n) - s.data;

    return ngx_http_posthorn_add_header(r, name, &s);
}


static ngx_int_t
ngx_http_posthorn_mapi_set_cookie(ngx_http_request_t *r, char *name,
    size_t len, char *value, size_t vlen)
{
    u_char                             *p;
    char                               *path, *secure;
    ngx_str_t                           s;
    ngx_http_posthorn_mapi_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mapi_module);

    path = (mlcf->endpoint == MH_NSPI) ? "/mapi/nspi" : "/mapi/emsmdb";
    secure = "";

#if (NGX_HTTP_SSL)

    if (r->connection->ssl) {
        secure = "; Secure";
    }

#endif

    s.len = len + 1 + vlen + sizeof("; Path=/mapi/emsmdb; Secure; HttpOnly");

    s.data = ngx_pnalloc(r->pool, s.len);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(s.data, name, len);
    *p++ = '=';
    p = ngx_cpymem(p, value, vlen);
    p = ngx_sprintf(p, "; Path=%s%s; HttpOnly", path, secure);

    s.len = p - s.data;

    return ngx_http_posthorn_add_header(r, "Set-Cookie", &s);
}


static ngx_int_t
ngx_http_posthorn_mapi_send_data(ngx_http_request_t *r, u_char *data,
    size_t len, ngx_uint_t last)
{
    ngx_buf_t    *b;
    ngx_chain_t  *out;

    out = ngx_alloc_chain_link(r->pool);
    if (out == NULL) {
        return NGX_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->start = b->pos = data;
    b->end = b->last = data + len;
    b->memory = 1;
    b->flush = !last;
    b->last_buf = (last && r == r->main) ? 1 : 0;
    b->last_in_chain = last;

    out->buf = b;
    out->next = NULL;

    return ngx_http_output_filter(r, out);
}


static void
ngx_http_posthorn_mapi_writer(ngx_http_request_t *r)
{
    if (ngx_http_output_filter(r, NULL) == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}
