#include "common/ngx_http_posthorn.h"

#include "ma_auth.h"


#define NGX_HTTP_POSTHORN_MAIL_AUTH_HEADER  "x-posthorn-secret"


typedef struct {
    ngx_str_t                  node;       /* "": all that have none */
    ma_protocol_t              protocol;
    ngx_str_t                  address;    /* IP address, as nginx wants it */
    ngx_str_t                  port;
} ngx_http_posthorn_mail_auth_backend_t;


typedef struct {
    ngx_array_t               *backends;
    ngx_str_t                  secret;
    ngx_flag_t                 require_tls;
    ngx_flag_t                 anonymous;
} ngx_http_posthorn_mail_auth_loc_conf_t;


typedef struct {
    ngx_http_request_t        *request;
    ph_pool_t                 *pool;
    ma_request_t               question;
    ngx_posthorn_call_t        call;
    unsigned                   asking:1;
} ngx_http_posthorn_mail_auth_ctx_t;


static ngx_int_t ngx_http_posthorn_mail_auth_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_posthorn_mail_auth_trusted(ngx_http_request_t *r);
static ph_str_t ngx_http_posthorn_mail_auth_value(ngx_http_request_t *r,
    char *name, size_t len);
static ngx_int_t ngx_http_posthorn_mail_auth_check(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx);
static void ngx_http_posthorn_mail_auth_checked(ngx_posthorn_call_t *call);
static void ngx_http_posthorn_mail_auth_cleanup(void *data);
static ngx_http_posthorn_mail_auth_backend_t *
    ngx_http_posthorn_mail_auth_find(ngx_http_request_t *r,
    ma_protocol_t protocol, ngx_str_t *node);
static ngx_int_t ngx_http_posthorn_mail_auth_send(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx, ma_result_t result,
    ngx_http_posthorn_identity_t *id);
static ngx_int_t ngx_http_posthorn_mail_auth_header(ngx_http_request_t *r,
    char *name, const char *value);

static void *ngx_http_posthorn_mail_auth_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_mail_auth_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_posthorn_mail_auth(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_posthorn_mail_auth_backend(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_command_t  ngx_http_posthorn_mail_auth_commands[] = {

    { ngx_string("posthorn_mail_auth"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_posthorn_mail_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("posthorn_mail_auth_backend"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_posthorn_mail_auth_backend,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("posthorn_mail_auth_secret"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mail_auth_loc_conf_t, secret),
      NULL },

    { ngx_string("posthorn_mail_auth_require_tls"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mail_auth_loc_conf_t, require_tls),
      NULL },

    { ngx_string("posthorn_mail_auth_anonymous"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mail_auth_loc_conf_t, anonymous),
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

    ngx_http_posthorn_mail_auth_create_loc_conf,
                                       /* create location configuration */
    ngx_http_posthorn_mail_auth_merge_loc_conf
                                       /* merge location configuration */
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
    ph_int_t                                 rc;
    ngx_int_t                                drc;
    ma_headers_t                             h;
    ngx_http_posthorn_mail_auth_ctx_t       *ctx;
    ngx_http_posthorn_mail_auth_loc_conf_t  *mlcf;

    if (!(r->method & NGX_HTTP_GET)) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    drc = ngx_http_discard_request_body(r);
    if (drc != NGX_OK) {
        return drc;
    }

    if (ngx_http_posthorn_mail_auth_trusted(r) != NGX_OK) {
        ngx_posthorn_log(NGX_LOG_WARN, r->connection->log, 0, 6050,
                         "mail-auth asked by a stranger");
        return NGX_HTTP_FORBIDDEN;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_posthorn_mail_auth_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->pool = ngx_http_posthorn_pool(r, "mail-auth", 64 * 1024);

    if (ctx->pool == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_posthorn_mail_auth_module);

#define ngx_http_posthorn_mail_auth_get(name)                                 \
    ngx_http_posthorn_mail_auth_value(r, name, sizeof(name) - 1)

    h.protocol = ngx_http_posthorn_mail_auth_get("auth-protocol");
    h.method = ngx_http_posthorn_mail_auth_get("auth-method");
    h.user = ngx_http_posthorn_mail_auth_get("auth-user");
    h.password = ngx_http_posthorn_mail_auth_get("auth-pass");
    h.attempt = ngx_http_posthorn_mail_auth_get("auth-login-attempt");
    h.client = ngx_http_posthorn_mail_auth_get("client-ip");
    h.ssl = ngx_http_posthorn_mail_auth_get("auth-ssl");

    rc = ma_request_read(ctx->pool, &h, &ctx->question);

    if (rc == PH_INVALID && ctx->question.protocol == MA_IMAP
        && !ph_str_ieq_c(h.protocol, "imap"))
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (rc == PH_NOMEM) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != PH_OK) {

        /* no such user can exist */

        return ngx_http_posthorn_mail_auth_send(r, ctx, MA_WRONG, NULL);
    }

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mail_auth_module);

    if (ctx->question.method == MA_NONE) {
        return ngx_http_posthorn_mail_auth_send(r, ctx,
                            mlcf->anonymous && ctx->question.protocol == MA_SMTP
                            ? MA_OK : MA_NEED_AUTH, NULL);
    }

    if (ctx->question.method == MA_UNSUPPORTED) {
        return ngx_http_posthorn_mail_auth_send(r, ctx, MA_BAD_METHOD, NULL);
    }

    if (mlcf->require_tls && !ctx->question.tls) {
        return ngx_http_posthorn_mail_auth_send(r, ctx, MA_NEED_TLS, NULL);
    }

    return ngx_http_posthorn_mail_auth_check(r, ctx);
}


/*
 * Whoever may ask here may try passwords of others under any client address:
 * he must know the secret, or be on this host where there is none.
 */

static ngx_int_t
ngx_http_posthorn_mail_auth_trusted(ngx_http_request_t *r)
{
    ph_str_t                                 value;
    struct sockaddr                         *sa;
    struct sockaddr_in                      *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6                     *sin6;
#endif
    ngx_http_posthorn_mail_auth_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mail_auth_module);

    if (mlcf->secret.len) {
        value = ngx_http_posthorn_mail_auth_get(
                                           NGX_HTTP_POSTHORN_MAIL_AUTH_HEADER);

        return ph_str_secret_eq(ngx_http_posthorn_ph_str(&mlcf->secret), value)
               ? NGX_OK : NGX_DECLINED;
    }

    sa = r->connection->sockaddr;

    switch (sa->sa_family) {

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        return NGX_OK;
#endif

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr) ? NGX_OK : NGX_DECLINED;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127 ? NGX_OK
                                                          : NGX_DECLINED;

    default:
        return NGX_DECLINED;
    }
}


static ph_str_t
ngx_http_posthorn_mail_auth_value(ngx_http_request_t *r, char *name,
    size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_http_posthorn_header(r, name, len, NULL);

    return h ? ngx_http_posthorn_ph_str(&h->value) : ph_str_null;
}


static ngx_int_t
ngx_http_posthorn_mail_auth_check(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_posthorn_mail_auth_cleanup;
    cln->data = ctx;

    ctx->call.handler = ngx_http_posthorn_mail_auth_checked;
    ctx->call.data = ctx;

    switch (ngx_http_posthorn_auth(r, &ctx->call, ctx->pool,
                                   ctx->question.user, ctx->question.password,
                                   ma_right(ctx->question.protocol),
                                   ctx->question.client))
    {
    case NGX_OK:
        break;

    case NGX_BUSY:
        return ngx_http_posthorn_mail_auth_send(r, ctx, MA_LATER, NULL);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->asking = 1;

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_http_posthorn_mail_auth_checked(ngx_posthorn_call_t *call)
{
    time_t                              lifetime;
    ngx_int_t                           rc;
    ma_result_t                         result;
    ngx_connection_t                   *c;
    ngx_http_request_t                 *r;
    ngx_http_posthorn_identity_t       *id;
    ngx_http_posthorn_mail_auth_ctx_t  *ctx;

    ctx = call->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->asking = 0;
    id = NULL;

    rc = ngx_http_posthorn_auth_answer(call, r->pool, ctx->pool, &id,
                                       &lifetime);

    switch (rc) {

    case NGX_OK:
        result = MA_OK;
        break;

    case NGX_DECLINED:
        result = MA_WRONG;
        break;

    default:
        ngx_posthorn_log(NGX_LOG_ERR, c->log, 0, 6051,
                         "mail-auth could not check credentials: %s",
                         ph_wire_status_name(call->status));
        result = MA_LATER;
        break;
    }

    rc = ngx_http_posthorn_mail_auth_send(r, ctx, result, id);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_posthorn_mail_auth_cleanup(void *data)
{
    ngx_http_posthorn_mail_auth_ctx_t *ctx = data;

    if (ctx->asking) {
        ctx->asking = 0;
        ngx_posthorn_wire_cancel(&ctx->call);
    }

    if (ctx->question.password.len) {
        ngx_explicit_memzero((void *) (uintptr_t) ctx->question.password.data,
                             ctx->question.password.len);
        ctx->question.password.len = 0;
    }
}


static ngx_http_posthorn_mail_auth_backend_t *
ngx_http_posthorn_mail_auth_find(ngx_http_request_t *r,
    ma_protocol_t protocol, ngx_str_t *node)
{
    ngx_uint_t                               i;
    ngx_http_posthorn_mail_auth_backend_t   *b, *any;
    ngx_http_posthorn_mail_auth_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mail_auth_module);

    if (mlcf->backends == NULL) {
        return NULL;
    }

    any = NULL;
    b = mlcf->backends->elts;

    for (i = 0; i < mlcf->backends->nelts; i++) {

        if (b[i].protocol != protocol) {
            continue;
        }

        if (node && b[i].node.len == node->len
            && (node->len == 0
                || ngx_strncmp(b[i].node.data, node->data, node->len) == 0))
        {
            return &b[i];
        }

        if (b[i].node.len == 0) {
            any = &b[i];
        }
    }

    return any;
}


static ngx_int_t
ngx_http_posthorn_mail_auth_send(ngx_http_request_t *r,
    ngx_http_posthorn_mail_auth_ctx_t *ctx, ma_result_t result,
    ngx_http_posthorn_identity_t *id)
{
    ngx_http_posthorn_mail_auth_backend_t  *b;

    b = NULL;

    if (result == MA_OK) {
        b = ngx_http_posthorn_mail_auth_find(r, ctx->question.protocol,
                                             id ? &id->node : NULL);
        if (b == NULL) {
            ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6052,
                             "mail-auth has no backend for this protocol");
            result = MA_NO_BACKEND;
        }
    }

    if (ngx_http_posthorn_mail_auth_header(r, "Auth-Status",
                                           ma_status(result))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (b) {
        if (ngx_http_posthorn_add_header(r, "Auth-Server", &b->address)
            != NGX_OK
            || ngx_http_posthorn_add_header(r, "Auth-Port", &b->port)
               != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        /* the backend sees the primary address, whatever alias was typed */

        if (id
            && ngx_http_posthorn_add_header(r, "Auth-User", &id->address)
               != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else {

        /* without Auth-Wait the proxy closes the connection */

        if ((result == MA_WRONG || result == MA_LATER)
            && ctx->question.attempt < MA_MAX_ATTEMPTS
            && ngx_http_posthorn_mail_auth_header(r, "Auth-Wait", MA_WAIT)
               != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ctx->question.protocol == MA_SMTP
            && ngx_http_posthorn_mail_auth_header(r, "Auth-Error-Code",
                                                  ma_smtp_code(result))
               != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_posthorn_mail_auth_header(ngx_http_request_t *r, char *name,
    const char *value)
{
    ngx_str_t  s;

    s.data = (u_char *) value;
    s.len = ngx_strlen(value);

    return ngx_http_posthorn_add_header(r, name, &s);
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
     */

    conf->backends = NGX_CONF_UNSET_PTR;
    conf->require_tls = NGX_CONF_UNSET;
    conf->anonymous = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_posthorn_mail_auth_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_posthorn_mail_auth_loc_conf_t *prev = parent;
    ngx_http_posthorn_mail_auth_loc_conf_t *conf = child;

    ngx_conf_merge_ptr_value(conf->backends, prev->backends, NULL);
    ngx_conf_merge_str_value(conf->secret, prev->secret, "");
    ngx_conf_merge_value(conf->require_tls, prev->require_tls, 1);
    ngx_conf_merge_value(conf->anonymous, prev->anonymous, 0);

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_mail_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is duplicate";
    }

    clcf->handler = ngx_http_posthorn_mail_auth_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_mail_auth_backend(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_posthorn_mail_auth_loc_conf_t *mlcf = conf;

    static const char *const  protocols[] = { "imap", "pop3", "smtp" };

    ngx_url_t                               u;
    ngx_str_t                              *value;
    ngx_uint_t                              i;
    ngx_http_posthorn_mail_auth_backend_t  *b;

    value = cf->args->elts;

    for (i = 0; i < ph_nelts(protocols); i++) {
        if (ngx_strcmp(value[1].data, protocols[i]) == 0) {
            break;
        }
    }

    if (i == ph_nelts(protocols)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid protocol \"%V\", must be \"imap\", "
                           "\"pop3\" or \"smtp\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    /* nginx's mail proxy connects to addresses, it does not resolve names */

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = value[2];
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.no_port
        || u.naddrs != 1 || u.family == AF_UNIX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address \"%V\", must be "
                           "\"IP-address:port\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    if (mlcf->backends == NGX_CONF_UNSET_PTR) {
        mlcf->backends = ngx_array_create(cf->pool, 4,
                               sizeof(ngx_http_posthorn_mail_auth_backend_t));
        if (mlcf->backends == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    b = ngx_array_push(mlcf->backends);
    if (b == NULL) {
        return NGX_CONF_ERROR;
    }

    b->protocol = (ma_protocol_t) i;
    b->address = u.host;

    b->port.data = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
    if (b->port.data == NULL) {
        return NGX_CONF_ERROR;
    }

    b->port.len = ngx_sprintf(b->port.data, "%d", (int) u.port) - b->port.data;

    if (cf->args->nelts == 4) {
        if (ngx_strncmp(value[3].data, "node=", 5) != 0
            || value[3].len == 5)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", must be "
                               "\"node=NAME\"", &value[3]);
            return NGX_CONF_ERROR;
        }

        b->node.data = value[3].data + 5;
        b->node.len = value[3].len - 5;

    } else {
        ngx_str_null(&b->node);
    }

    return NGX_CONF_OK;
}
