#include "common/ngx_http_posthorn.h"

#include "ad_answer.h"

#include "gen/dir.h"


typedef struct {
    ngx_http_complex_value_t      *url;
    ngx_str_t                      provider;
    ngx_uint_t                     announce;
    ngx_array_t                   *servers;     /* ad_server_t */
} ngx_http_posthorn_autodiscover_loc_conf_t;


typedef struct {
    ngx_http_request_t            *request;
    ph_pool_t                     *pool;
    ad_conf_t                      conf;
    ad_request_t                   question;
    ngx_posthorn_call_t            call;
    unsigned                       asking:1;
    unsigned                       mapihttp:1;
} ngx_http_posthorn_autodiscover_ctx_t;


static ngx_int_t ngx_http_posthorn_autodiscover_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_posthorn_autodiscover_conf(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx);

static ngx_int_t ngx_http_posthorn_autodiscover_xml(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx);
static void ngx_http_posthorn_autodiscover_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_posthorn_autodiscover_question(
    ngx_http_request_t *r, ngx_http_posthorn_autodiscover_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_autodiscover_lookup(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx);
static void ngx_http_posthorn_autodiscover_found(ngx_posthorn_call_t *call);
static void ngx_http_posthorn_autodiscover_cleanup(void *data);
static ngx_int_t ngx_http_posthorn_autodiscover_settings(
    ngx_http_request_t *r, ngx_http_posthorn_autodiscover_ctx_t *ctx,
    ad_who_t *who);
static ngx_int_t ngx_http_posthorn_autodiscover_error(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx, ngx_uint_t code);

static ngx_int_t ngx_http_posthorn_autodiscover_json(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx, ph_str_t path);
static ngx_int_t ngx_http_posthorn_autodiscover_config(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_autodiscover_send(ngx_http_request_t *r,
    ph_wbuf_t *b, ngx_uint_t status, char *type);

static void *ngx_http_posthorn_autodiscover_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_autodiscover_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_posthorn_autodiscover(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_posthorn_autodiscover_server(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_conf_bitmask_t  ngx_http_posthorn_autodiscover_announce[] = {
    { ngx_string("mapihttp"), AD_MAPIHTTP },
    { ngx_string("ews"), AD_EWS },
    { ngx_string("eas"), AD_EAS },
    { ngx_string("oab"), AD_OAB },
    { ngx_string("none"), NGX_CONF_BITMASK_SET },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_posthorn_autodiscover_commands[] = {

    { ngx_string("posthorn_autodiscover"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_posthorn_autodiscover,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("posthorn_autodiscover_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_autodiscover_loc_conf_t, url),
      NULL },

    { ngx_string("posthorn_autodiscover_announce"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_conf_set_bitmask_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_autodiscover_loc_conf_t, announce),
      &ngx_http_posthorn_autodiscover_announce },

    { ngx_string("posthorn_autodiscover_provider"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_autodiscover_loc_conf_t, provider),
      NULL },

    { ngx_string("posthorn_autodiscover_server"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE3,
      ngx_http_posthorn_autodiscover_server,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_posthorn_autodiscover_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_posthorn_autodiscover_create_loc_conf,
                                       /* create location configuration */
    ngx_http_posthorn_autodiscover_merge_loc_conf
                                       /* merge location configuration */
};


ngx_module_t  ngx_http_posthorn_autodiscover_module = {
    NGX_MODULE_V1,
    &ngx_http_posthorn_autodiscover_module_ctx, /* module context */
    ngx_http_posthorn_autodiscover_commands, /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * One handler for all documents: the URI tells which one is asked for, so
 * that a location may hold any of them.
 */

static ngx_int_t
ngx_http_posthorn_autodiscover_handler(ngx_http_request_t *r)
{
    u_char                                *p, *last;
    ph_str_t                               path;
    ngx_int_t                              rc;
    ngx_http_posthorn_autodiscover_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_posthorn_autodiscover_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->pool = ngx_http_posthorn_pool(r, "autodiscover", 1024 * 1024);

    if (ctx->pool == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_posthorn_autodiscover_module);

    rc = ngx_http_posthorn_autodiscover_conf(r, ctx);
    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = r->uri.data + r->uri.len;

    p = ngx_strlcasestrn(r->uri.data, last,
                         (u_char *) "/autodiscover.json", 18 - 1);
    if (p) {
        p += sizeof("/autodiscover.json") - 1;
        path.data = p;
        path.len = last - p;

        rc = ngx_http_discard_request_body(r);

        return rc == NGX_OK ? ngx_http_posthorn_autodiscover_json(r, ctx, path)
                            : rc;
    }

    p = ngx_strlcasestrn(r->uri.data, last, (u_char *) "/config-v1.1.xml",
                         16 - 1);
    if (p) {
        rc = ngx_http_discard_request_body(r);

        return rc == NGX_OK ? ngx_http_posthorn_autodiscover_config(r, ctx)
                            : rc;
    }

    return ngx_http_posthorn_autodiscover_xml(r, ctx);
}


static ngx_int_t
ngx_http_posthorn_autodiscover_conf(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx)
{
    u_char                                     *p, *last;
    ngx_str_t                                   url;
    ngx_http_posthorn_autodiscover_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r,
                                        ngx_http_posthorn_autodiscover_module);

    if (ngx_http_complex_value(r, alcf->url, &url) != NGX_OK) {
        return NGX_ERROR;
    }

    while (url.len && url.data[url.len - 1] == '/') {
        url.len--;
    }

    ctx->conf.url = ngx_http_posthorn_ph_str(&url);

    /* the host is what stands between "//" and a port or the end */

    last = url.data + url.len;
    p = ngx_strlcasestrn(url.data, last, (u_char *) "://", 3 - 1);
    p = p ? p + 3 : url.data;

    ctx->conf.host.data = p;

    while (p < last && *p != ':' && *p != '/') {
        p++;
    }

    ctx->conf.host.len = p - ctx->conf.host.data;
    ctx->conf.provider = alcf->provider.len
                         ? ngx_http_posthorn_ph_str(&alcf->provider)
                         : ctx->conf.host;
    ctx->conf.announce = alcf->announce;

    if (alcf->servers) {
        ctx->conf.servers = alcf->servers->elts;
        ctx->conf.n_servers = alcf->servers->nelts;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_autodiscover_xml(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    /* settings are for those who said who they are */

    if (ngx_http_posthorn_get_identity(r) == NULL) {
        ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6040,
                         "autodiscover.xml without an identity: the location "
                         "needs \"posthorn_identity on\"");
        return NGX_HTTP_FORBIDDEN;
    }

    if (!(r->method & NGX_HTTP_POST)
        || r->headers_in.content_length_n > AD_MAX_REQUEST)
    {
        rc = ngx_http_discard_request_body(r);

        return rc == NGX_OK
               ? ngx_http_posthorn_autodiscover_error(r, ctx, AD_ERROR_REQUEST)
               : rc;
    }

    h = ngx_http_posthorn_header(r, "x-mapihttpcapability",
                                 sizeof("x-mapihttpcapability") - 1, NULL);

    ctx->mapihttp = h && ngx_atoi(h->value.data, h->value.len) >= 1;

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                          ngx_http_posthorn_autodiscover_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_posthorn_autodiscover_body(ngx_http_request_t *r)
{
    ngx_int_t                              rc;
    ngx_http_posthorn_autodiscover_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_autodiscover_module);

    rc = ngx_http_posthorn_autodiscover_question(r, ctx);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_posthorn_autodiscover_question(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx)
{
    ph_str_t                       body;
    ph_wbuf_t                      b;
    ngx_buf_t                     *buf;
    ad_who_t                       who;
    ngx_chain_t                   *cl;
    ad_request_t                  *q;
    ngx_http_posthorn_identity_t  *id;

    q = &ctx->question;

    if (r->request_body == NULL || r->request_body->temp_file) {
        return ngx_http_posthorn_autodiscover_error(r, ctx, AD_ERROR_REQUEST);
    }

    ph_wbuf_init(&b, ctx->pool, AD_MAX_REQUEST);

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        buf = cl->buf;
        ph_put_bytes(&b, buf->pos, buf->last - buf->pos);
    }

    body = ph_wbuf_str(&b);

    if (b.error || ad_request_parse(ctx->pool, body, q) != PH_OK) {
        return ngx_http_posthorn_autodiscover_error(r, ctx, AD_ERROR_REQUEST);
    }

    if (q->schema == AD_SCHEMA_NONE
        || (q->schema == AD_SCHEMA_MOBILE && !(ctx->conf.announce & AD_EAS)))
    {
        return ngx_http_posthorn_autodiscover_error(r, ctx, AD_ERROR_SCHEMA);
    }

    id = ngx_http_posthorn_get_identity(r);

    who.address = ngx_http_posthorn_ph_str(&id->address);
    who.legacy_dn = ngx_http_posthorn_ph_str(&id->legacy_dn);

    if (q->address.len ? ph_str_ieq(q->address, who.address)
                       : ph_str_ieq(q->legacy_dn, who.legacy_dn))
    {
        who.display_name = ngx_http_posthorn_ph_str(&id->display_name);
        who.domain = ngx_http_posthorn_ph_str(&id->domain);
        who.guid = id->mailbox_guid;

        return ngx_http_posthorn_autodiscover_settings(r, ctx, &who);
    }

    return ngx_http_posthorn_autodiscover_lookup(r, ctx);
}


/* an alias, or another mailbox of this installation */

static ngx_int_t
ngx_http_posthorn_autodiscover_lookup(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx)
{
    ph_str_t                        ticket;
    ph_wbuf_t                       b;
    ngx_http_cleanup_t             *cln;
    dir_lookup_request_t            request;
    ngx_http_posthorn_identity_t   *id;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_module);

    if (pmcf->directory == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&request, sizeof(dir_lookup_request_t));

    if (ctx->question.address.len) {
        request.by = DIR_BY_ADDRESS;
        request.key = ctx->question.address;

    } else {
        request.by = DIR_BY_DN;
        request.key = ctx->question.legacy_dn;
    }

    id = ngx_http_posthorn_get_identity(r);
    ticket = ngx_http_posthorn_ph_str(&id->ticket);

    ph_wbuf_init(&b, ctx->pool, 8192);
    ngx_posthorn_wire_frame(&b, ticket);

    if (dir_lookup_request_encode(&b, &request) != PH_OK) {
        return ngx_http_posthorn_autodiscover_error(r, ctx, AD_ERROR_ADDRESS);
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_posthorn_autodiscover_cleanup;
    cln->data = ctx;

    ctx->call.handler = ngx_http_posthorn_autodiscover_found;
    ctx->call.data = ctx;

    switch (ngx_posthorn_wire_call(pmcf->directory, &ctx->call, DIR_OP_LOOKUP,
                                   ticket, &b, pmcf->timeout))
    {
    case NGX_OK:
        break;

    case NGX_BUSY:
        return ngx_http_posthorn_unavailable(r);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->asking = 1;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_AGAIN;
}


static void
ngx_http_posthorn_autodiscover_found(ngx_posthorn_call_t *call)
{
    ad_who_t                               who;
    ngx_int_t                              rc;
    ngx_connection_t                      *c;
    dir_lookup_answer_t                    answer;
    ngx_http_request_t                    *r;
    ngx_http_posthorn_autodiscover_ctx_t  *ctx;

    ctx = call->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->asking = 0;

    switch (call->status) {

    case PH_WIRE_OK:
        if (dir_lookup_answer_decode_all(call->body, ctx->pool, &answer)
            != PH_OK)
        {
            rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
            break;
        }

        if (answer.entry.status != 0
            || (answer.entry.kind != DIR_KIND_USER
                && answer.entry.kind != DIR_KIND_SHARED))
        {
            rc = ngx_http_posthorn_autodiscover_error(r, ctx,
                                                      AD_ERROR_ADDRESS);
            break;
        }

        who.address = answer.entry.address;
        who.display_name = answer.entry.display_name;
        who.legacy_dn = answer.entry.legacy_dn;
        who.domain = answer.entry.domain;
        who.guid = answer.entry.mailbox_guid.b;

        rc = ngx_http_posthorn_autodiscover_settings(r, ctx, &who);
        break;

    case PH_WIRE_NOT_FOUND:
    case PH_WIRE_BAD_REQUEST:
        rc = ngx_http_posthorn_autodiscover_error(r, ctx, AD_ERROR_ADDRESS);
        break;

    case PH_WIRE_BUSY:
    case PH_WIRE_UNAVAILABLE:
        rc = ngx_http_posthorn_unavailable(r);
        break;

    default:
        ngx_posthorn_log(NGX_LOG_ERR, c->log, 0, 6041,
                         "directory could not look up an address: %s",
                         ph_wire_status_name(call->status));
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        break;
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_posthorn_autodiscover_cleanup(void *data)
{
    ngx_http_posthorn_autodiscover_ctx_t *ctx = data;

    if (ctx->asking) {
        ctx->asking = 0;
        ngx_posthorn_wire_cancel(&ctx->call);
    }
}


static ngx_int_t
ngx_http_posthorn_autodiscover_settings(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx, ad_who_t *who)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, ctx->pool, AD_MAX_ANSWER);

    if (ctx->question.schema == AD_SCHEMA_MOBILE) {
        ad_put_mobile(&b, &ctx->conf, who);

    } else {
        ad_put_outlook(&b, &ctx->conf, who, ctx->mapihttp);
    }

    return ngx_http_posthorn_autodiscover_send(r, &b, NGX_HTTP_OK,
                                               "text/xml; charset=utf-8");
}


static ngx_int_t
ngx_http_posthorn_autodiscover_error(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx, ngx_uint_t code)
{
    u_char      time[sizeof("00:00:00.0000000")];
    ngx_tm_t    tm;
    ph_wbuf_t   b;
    ngx_time_t *tp;

    tp = ngx_timeofday();
    ngx_gmtime(tp->sec, &tm);
    ngx_sprintf(time, "%02d:%02d:%02d.%03M0000%Z", tm.ngx_tm_hour,
                tm.ngx_tm_min, tm.ngx_tm_sec, tp->msec);

    ngx_posthorn_log(NGX_LOG_INFO, r->connection->log, 0, 6042,
                     "autodiscover request refused with code %ui", code);

    ph_wbuf_init(&b, ctx->pool, AD_MAX_ANSWER);

    if (ctx->question.schema == AD_SCHEMA_MOBILE) {
        ad_put_mobile_error(&b, (unsigned) code);

    } else {
        ad_put_error(&b, (unsigned) code, (char *) time,
                     (uint32_t) r->connection->number);
    }

    return ngx_http_posthorn_autodiscover_send(r, &b, NGX_HTTP_OK,
                                               "text/xml; charset=utf-8");
}


static ngx_int_t
ngx_http_posthorn_autodiscover_json(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx, ph_str_t path)
{
    unsigned            status;
    ph_wbuf_t           b;
    ad_json_result_t    result;
    ad_json_protocol_t  protocol;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    protocol = AD_JSON_OTHER;
    result = ad_json_parse(ctx->pool, path, ngx_http_posthorn_ph_str(&r->args),
                           &protocol);

    ph_wbuf_init(&b, ctx->pool, AD_MAX_ANSWER);
    ad_put_json(&b, &ctx->conf, result, protocol, &status);

    return ngx_http_posthorn_autodiscover_send(r, &b, status,
                                               "application/json");
}


static ngx_int_t
ngx_http_posthorn_autodiscover_config(ngx_http_request_t *r,
    ngx_http_posthorn_autodiscover_ctx_t *ctx)
{
    ph_str_t   address, domain, host;
    ph_wbuf_t  b;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    address = ad_query_get(ctx->pool, ngx_http_posthorn_ph_str(&r->args),
                           "emailaddress");
    domain = ad_address_domain(address);

    if (domain.len == 0) {

        /* "autoconfig.<domain>" is where clients ask without an address */

        host = ngx_http_posthorn_ph_str(&r->headers_in.server);

        if (host.len > sizeof("autoconfig.") - 1
            && ngx_strncasecmp(r->headers_in.server.data,
                               (u_char *) "autoconfig.",
                               sizeof("autoconfig.") - 1)
               == 0)
        {
            host.data += sizeof("autoconfig.") - 1;
            host.len -= sizeof("autoconfig.") - 1;
        }

        domain = host.len ? host : ctx->conf.host;
    }

    ph_wbuf_init(&b, ctx->pool, AD_MAX_ANSWER);
    ad_put_autoconfig(&b, &ctx->conf, domain);

    return ngx_http_posthorn_autodiscover_send(r, &b, NGX_HTTP_OK,
                                               "text/xml; charset=utf-8");
}


static ngx_int_t
ngx_http_posthorn_autodiscover_send(ngx_http_request_t *r, ph_wbuf_t *b,
    ngx_uint_t status, char *type)
{
    ngx_int_t     rc;
    ngx_buf_t    *buf;
    ngx_str_t     value = ngx_string("private, no-store");
    ngx_chain_t   out;

    if (b->error) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    buf = ngx_calloc_buf(r->pool);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    buf->pos = b->data;
    buf->last = b->data + b->len;
    buf->memory = 1;
    buf->last_buf = (r == r->main) ? 1 : 0;
    buf->last_in_chain = 1;

    out.buf = buf;
    out.next = NULL;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->len;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (ngx_http_posthorn_add_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}


static void *
ngx_http_posthorn_autodiscover_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_autodiscover_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_posthorn_autodiscover_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->url = NULL;
     *     conf->provider = { 0, NULL };
     *     conf->announce = 0;
     */

    conf->servers = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_posthorn_autodiscover_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_posthorn_autodiscover_loc_conf_t *prev = parent;
    ngx_http_posthorn_autodiscover_loc_conf_t *conf = child;

    ngx_str_t                          url = ngx_string("https://$host");
    ngx_http_compile_complex_value_t   ccv;

    if (conf->url == NULL) {
        conf->url = prev->url;
    }

    if (conf->url == NULL) {
        conf->url = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (conf->url == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &url;
        ccv.complex_value = conf->url;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_merge_str_value(conf->provider, prev->provider, "");

    ngx_conf_merge_bitmask_value(conf->announce, prev->announce,
                                 (NGX_CONF_BITMASK_SET|AD_MAPIHTTP));

    ngx_conf_merge_ptr_value(conf->servers, prev->servers, NULL);

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_autodiscover(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is duplicate";
    }

    clcf->handler = ngx_http_posthorn_autodiscover_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_autodiscover_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_posthorn_autodiscover_loc_conf_t *alcf = conf;

    static const char *const  types[] = { "imap", "pop3", "smtp" };
    static const char *const  modes[][2] = {
        { "ssl", "SSL" }, { "starttls", "STARTTLS" }, { "plain", "plain" }
    };

    u_char       *colon;
    ngx_int_t     port;
    ngx_str_t    *value;
    ngx_uint_t    i, j;
    ad_server_t  *server;

    value = cf->args->elts;

    for (i = 0; i < ph_nelts(types); i++) {
        if (ngx_strcmp(value[1].data, types[i]) == 0) {
            break;
        }
    }

    if (i == ph_nelts(types)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid protocol \"%V\", must be \"imap\", "
                           "\"pop3\" or \"smtp\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    for (j = 0; j < ph_nelts(modes); j++) {
        if (ngx_strcmp(value[3].data, modes[j][0]) == 0) {
            break;
        }
    }

    if (j == ph_nelts(modes)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", must be \"ssl\", "
                           "\"starttls\" or \"plain\"", &value[3]);
        return NGX_CONF_ERROR;
    }

    colon = ngx_strlchr(value[2].data, value[2].data + value[2].len, ':');
    port = NGX_ERROR;

    if (colon) {
        port = ngx_atoi(colon + 1,
                        value[2].data + value[2].len - colon - 1);
    }

    if (colon == NULL || colon == value[2].data || port < 1 || port > 65535) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address \"%V\", must be \"host:port\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    if (alcf->servers == NGX_CONF_UNSET_PTR) {
        alcf->servers = ngx_array_create(cf->pool, 4, sizeof(ad_server_t));
        if (alcf->servers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (alcf->servers->nelts == AD_MAX_SERVERS) {
        return "is given too often";
    }

    server = ngx_array_push(alcf->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    server->type = types[i];
    server->socket = modes[j][1];
    server->host.data = value[2].data;
    server->host.len = colon - value[2].data;
    server->port = (unsigned) port;

    return NGX_CONF_OK;
}
