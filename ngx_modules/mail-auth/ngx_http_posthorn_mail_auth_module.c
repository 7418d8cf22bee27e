
#include "common/ngx_http_posthorn.h"

#include "ma_auth.h"


#define NGX_HTTP_POSTHORN_MAIL_AUTH_MIN_SECRET  8


typedef struct {
    ngx_flag_t                     enable;
    ngx_str_t                      secret;
    ngx_msec_t                     wait;
    ngx_array_t                   *servers;    /* of .._server_t, or NULL */
} ngx_http_posthorn_mail_auth_loc_conf_t;


typedef struct {
    ma_protocol_t                  protocol;
    ngx_str_t                      host;
    ngx_str_t                      port;
} ngx_http_posthorn_mail_auth_server_t;


typedef struct {
    ngx_http_request_t            *request;
    ph_pool_t                     *pool;
    ngx_posthorn_call_t            call;
    ma_request_t                   auth;
} ngx_http_posthorn_mail_auth_ctx_t;


static ngx_int_t ngx_http_posthorn_mail_auth_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_posthorn_mail_auth_allowed(ngx_http_request_t *r);
static void ngx_http_posthorn_mail_auth_head(ngx_http_request_t *r,
    ma_head_t *head);
static void ngx_http_posthorn_mail_auth_checked(ngx_posthorn_call_t *call);
static void ngx_http_posthorn_mail_auth_cleanup(void *data);
static ngx_int_t ngx_http_posthorn_mail_auth_accept(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx, ngx_str_t *user);
static ngx_int_t ngx_http_posthorn_mail_auth_refuse(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx, ma_failure_t failure);
static ngx_int_t ngx_http_posthorn_mail_auth_send(ngx_http_request_t *r);

static void *ngx_http_posthorn_mail_auth_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_mail_auth_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_posthorn_mail_auth(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_posthorn_mail_auth_server(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_command_t  ngx_http_posthorn_mail_auth_commands[] = {

    { ngx_string("posthorn_mail_auth"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_posthorn_mail_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mail_auth_loc_conf_t, enable),
      NULL },

    { ngx_string("posthorn_mail_auth_secret"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mail_auth_loc_conf_t, secret),
      NULL },

    { ngx_string("posthorn_mail_auth_wait"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mail_auth_loc_conf_t, wait),
      NULL },

    { ngx_string("posthorn_mail_auth_server"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_posthorn_mail_auth_server,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_posthorn_mail_auth_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_posthorn_mail_auth_create_loc_conf, /* create location configuration */
    ngx_http_posthorn_mail_auth_merge_loc_conf /* merge location configuration */
};


ngx_module_t  ngx_http_posthorn_mail_auth_module = {
    NGX_MODULE_V1,
    &ngx_http_posthorn_mail_auth_module_ctx, /* module context */
    ngx_http_posthorn_mail_auth_commands,  /* module directives */
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


static ngx_int_t
ngx_http_posthorn_mail_auth_handler(ngx_http_request_t *r)
{
    ma_head_t                           head;
    ph_int_t                            rc;
    ngx_str_t                           nobody;
    ngx_int_t                           n;
    ngx_http_cleanup_t                 *cln;
    ngx_http_posthorn_mail_auth_ctx_t  *ctx;

    n = ngx_http_discard_request_body(r);
    if (n != NGX_OK) {
        return n;
    }

    n = ngx_http_posthorn_mail_auth_allowed(r);
    if (n != NGX_OK) {
        return n;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_posthorn_mail_auth_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_posthorn_mail_auth_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_posthorn_mail_auth_module);

    ctx->pool = ngx_http_posthorn_pool(r, "mail auth", 64 * 1024);
    if (ctx->pool == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_posthorn_mail_auth_head(r, &head);

    rc = ma_request_parse(ctx->pool, &head, &ctx->auth);

    if (rc == PH_INVALID) {
        return ngx_http_posthorn_mail_auth_refuse(r, ctx, MA_UNSUPPORTED);
    }

    if (rc != PH_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->auth.anonymous) {
        ngx_str_null(&nobody);
        return ngx_http_posthorn_mail_auth_accept(r, ctx, &nobody);
    }

    ctx->call.handler = ngx_http_posthorn_mail_auth_checked;
    ctx->call.data = ctx;

    n = ngx_http_posthorn_auth(r, &ctx->call, ctx->pool, ctx->auth.user,
                               ctx->auth.password, ctx->auth.right,
                               ctx->auth.client);
    if (n != NGX_OK) {
        return ngx_http_posthorn_mail_auth_refuse(r, ctx, MA_LATER);
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    r->main->count++;

    return NGX_DONE;
}


/* the secret is compared in a time that does not depend on it */

static ngx_int_t
ngx_http_posthorn_mail_auth_allowed(ngx_http_request_t *r)
{
    ngx_table_elt_t                         *h;
    ngx_http_posthorn_mail_auth_loc_conf_t  *malcf;

    malcf = ngx_http_get_module_loc_conf(r,
                                         ngx_http_posthorn_mail_auth_module);

    h = ngx_http_posthorn_header(r, "x-auth-key", sizeof("x-auth-key") - 1,
                                 NULL);

    if (h == NULL
        || !ph_str_secret_eq(ngx_http_posthorn_ph_str(&malcf->secret),
                             ngx_http_posthorn_ph_str(&h->value)))
    {
        ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6060,
                         "mail proxy without the right X-Auth-Key");
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


static void
ngx_http_posthorn_mail_auth_head(ngx_http_request_t *r, ma_head_t *head)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    struct {
        char      *name;
        ph_str_t  *value;
    } headers[] = {
        { "auth-method", &head->method },
        { "auth-user", &head->user },
        { "auth-pass", &head->password },
        { "auth-protocol", &head->protocol },
        { "client-ip", &head->client },
        { "auth-login-attempt", &head->attempt }
    };

    for (i = 0; i < ph_nelts(headers); i++) {

        h = ngx_http_posthorn_header(r, headers[i].name,
                                     ngx_strlen(headers[i].name), NULL);

        *headers[i].value = h ? ngx_http_posthorn_ph_str(&h->value)
                              : ph_str_null;
    }
}


static void
ngx_http_posthorn_mail_auth_checked(ngx_posthorn_call_t *call)
{
    time_t                              lifetime;
    ngx_int_t                           rc;
    ngx_connection_t                   *c;
    ngx_http_request_t                 *r;
    ngx_http_posthorn_identity_t       *id;
    ngx_http_posthorn_mail_auth_ctx_t  *ctx;

    ctx = call->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_posthorn_auth_answer(call, r->pool, ctx->pool, &id,
                                       &lifetime);

    switch (rc) {

    case NGX_OK:
        rc = ngx_http_posthorn_mail_auth_accept(r, ctx, &id->address);
        break;

    case NGX_DECLINED:
        rc = ngx_http_posthorn_mail_auth_refuse(r, ctx, MA_WRONG);
        break;

    default:
        rc = ngx_http_posthorn_mail_auth_refuse(r, ctx, MA_LATER);
        break;
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_posthorn_mail_auth_cleanup(void *data)
{
    ngx_http_posthorn_mail_auth_ctx_t *ctx = data;

    ngx_posthorn_wire_cancel(&ctx->call);
}


static ngx_int_t
ngx_http_posthorn_mail_auth_accept(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx, ngx_str_t *user)
{
    ngx_str_t                                status = ngx_string("OK");
    ngx_uint_t                               i;
    ngx_http_posthorn_mail_auth_server_t    *server;
    ngx_http_posthorn_mail_auth_loc_conf_t  *malcf;

    malcf = ngx_http_get_module_loc_conf(r,
                                         ngx_http_posthorn_mail_auth_module);

    server = malcf->servers->elts;

    for (i = 0; i < malcf->servers->nelts; i++) {
        if (server[i].protocol == ctx->auth.protocol) {
            break;
        }
    }

    if (i == malcf->servers->nelts) {
        return ngx_http_posthorn_mail_auth_refuse(r, ctx, MA_UNSUPPORTED);
    }

    if (ngx_http_posthorn_add_header(r, "Auth-Status", &status) != NGX_OK
        || ngx_http_posthorn_add_header(r, "Auth-Server", &server[i].host)
           != NGX_OK
        || ngx_http_posthorn_add_header(r, "Auth-Port", &server[i].port)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the backend gets the primary address, whatever alias was typed */

    if (user->len) {

        if (!ma_value_safe(ngx_http_posthorn_ph_str(user))) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_http_posthorn_add_header(r, "Auth-User", user) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_posthorn_mail_auth_send(r);
}


static ngx_int_t
ngx_http_posthorn_mail_auth_refuse(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx, ma_failure_t failure)
{
    ngx_str_t                                s;
    ngx_http_posthorn_mail_auth_loc_conf_t  *malcf;

    malcf = ngx_http_get_module_loc_conf(r,
                                         ngx_http_posthorn_mail_auth_module);

    s.data = (u_char *) ma_failure_status(failure);
    s.len = ngx_strlen(s.data);

    ngx_posthorn_log(NGX_LOG_WARN, r->connection->log, 0, 6061,
                     "mail log-in refused: %V", &s);

    if (ngx_http_posthorn_add_header(r, "Auth-Status", &s) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->auth.protocol == MA_SMTP) {

        s.data = (u_char *) ma_failure_code(failure);
        s.len = ngx_strlen(s.data);

        if (ngx_http_posthorn_add_header(r, "Auth-Error-Code", &s) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    /* without Auth-Wait the proxy closes the connection */

    if (failure == MA_WRONG && !ctx->auth.last) {

        s.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
        if (s.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        s.len = ngx_sprintf(s.data, "%M", malcf->wait / 1000) - s.data;

        if (ngx_http_posthorn_add_header(r, "Auth-Wait", &s) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_posthorn_mail_auth_send(r);
}


static ngx_int_t
ngx_http_posthorn_mail_auth_send(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    return ngx_http_send_special(r, NGX_HTTP_LAST);
}


static void *
ngx_http_posthorn_mail_auth_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_mail_auth_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_posthorn_mail_auth_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->secret = { 0, NULL };
     *     conf->servers = NULL;
     */

    conf->enable = NGX_CONF_UNSET;
    conf->wait = NGX_CONF_UNSET_MSEC;

    return conf;
}


static char *
ngx_http_posthorn_mail_auth_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_posthorn_mail_auth_loc_conf_t *prev = parent;
    ngx_http_posthorn_mail_auth_loc_conf_t *conf = child;

    ngx_http_posthorn_main_conf_t  *pmcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_str_value(conf->secret, prev->secret, "");
    ngx_conf_merge_msec_value(conf->wait, prev->wait, 3000);

    if (conf->servers == NULL) {
        conf->servers = prev->servers;
    }

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    if (conf->secret.len < NGX_HTTP_POSTHORN_MAIL_AUTH_MIN_SECRET) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"posthorn_mail_auth\" needs "
                      "\"posthorn_mail_auth_secret\" of at least %d "
                      "characters", NGX_HTTP_POSTHORN_MAIL_AUTH_MIN_SECRET);
        return NGX_CONF_ERROR;
    }

    if (conf->servers == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"posthorn_mail_auth\" needs "
                      "\"posthorn_mail_auth_server\"");
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_posthorn_module);

    if (pmcf->directory == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"posthorn_mail_auth\" needs \"posthorn_directory\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_mail_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_posthorn_mail_auth_loc_conf_t *malcf = conf;

    char                      *rv;
    ngx_http_core_loc_conf_t  *clcf;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK || !malcf->enable) {
        return rv;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_posthorn_mail_auth_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_mail_auth_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_posthorn_mail_auth_loc_conf_t *malcf = conf;

    u_char                                *p;
    ngx_url_t                              u;
    ngx_str_t                             *value;
    ngx_http_posthorn_mail_auth_server_t  *server;

    value = cf->args->elts;

    if (malcf->servers == NULL) {
        malcf->servers = ngx_array_create(cf->pool, MA_PROTOCOLS,
                              sizeof(ngx_http_posthorn_mail_auth_server_t));
        if (malcf->servers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    server = ngx_array_push(malcf->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ma_protocol_parse(ngx_http_posthorn_ph_str(&value[1]),
                          &server->protocol)
        != PH_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid protocol \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = value[2];
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK
        || u.naddrs != 1 || u.no_port
        || u.family == AF_UNIX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not an IP address and a port",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    /* the proxy takes an address without brackets, and the port apart */

    p = ngx_pnalloc(cf->pool, NGX_SOCKADDR_STRLEN + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    server->host.data = p;
    server->host.len = ngx_sock_ntop(u.addrs[0].sockaddr, u.addrs[0].socklen,
                                     p, NGX_SOCKADDR_STRLEN, 0);

    p += NGX_SOCKADDR_STRLEN;

    server->port.data = p;
    server->port.len = ngx_sprintf(p, "%d", (int) u.port) - p;

    return NGX_CONF_OK;
}
