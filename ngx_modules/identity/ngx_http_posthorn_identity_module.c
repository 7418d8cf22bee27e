
#include "common/ngx_http_posthorn.h"

#include "id_basic.h"
#include "ngx_http_posthorn_identity_cache.h"


#define NGX_HTTP_POSTHORN_IDENTITY_MARGIN  60    /* seconds */


typedef struct {
    ngx_shm_zone_t                *zone;
    time_t                         ttl;
    ngx_uint_t                     max_checks;
    ngx_uint_t                     nchecks;      /* under way in this worker */
} ngx_http_posthorn_identity_main_conf_t;


typedef struct {
    ngx_flag_t                     enable;
    ngx_flag_t                     require_tls;
    ngx_uint_t                     service;
    ngx_http_complex_value_t      *realm;
} ngx_http_posthorn_identity_loc_conf_t;


typedef struct {
    ngx_http_request_t            *request;
    ngx_posthorn_call_t            call;
    ph_pool_t                     *frames;
    ngx_uint_t                     epoch;
    ngx_int_t                      status;
    ngx_http_posthorn_identity_t  *identity;
    u_char                         digest[NGX_HTTP_POSTHORN_IDENTITY_DIGEST];
    unsigned                       checking:1;
    unsigned                       done:1;
} ngx_http_posthorn_identity_ctx_t;


static ngx_int_t ngx_http_posthorn_identity_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_posthorn_identity_start(ngx_http_request_t *r,
    ngx_http_posthorn_identity_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_identity_check(ngx_http_request_t *r,
    ngx_http_posthorn_identity_ctx_t *ctx, ph_str_t user, ph_str_t password);
static void ngx_http_posthorn_identity_checked(ngx_posthorn_call_t *call);
static void ngx_http_posthorn_identity_cleanup(void *data);
static ngx_int_t ngx_http_posthorn_identity_finish(ngx_http_request_t *r,
    ngx_http_posthorn_identity_ctx_t *ctx);
static ngx_int_t ngx_http_posthorn_identity_challenge(ngx_http_request_t *r);
static void ngx_http_posthorn_identity_changed(ph_str_t address,
    uint64_t generation, void *data);

static ngx_int_t ngx_http_posthorn_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_posthorn_identity_rights_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_posthorn_identity_ticket_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_posthorn_identity_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_posthorn_identity_init(ngx_conf_t *cf);
static void *ngx_http_posthorn_identity_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_identity_init_main_conf(ngx_conf_t *cf,
    void *conf);
static void *ngx_http_posthorn_identity_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_identity_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_posthorn_identity_cache(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_conf_enum_t  ngx_http_posthorn_identity_services[] = {
    { ngx_string("any"), 0 },
    { ngx_string("web"), PH_RIGHT_WEB },
    { ngx_string("mapi"), PH_RIGHT_MAPI },
    { ngx_string("imap"), PH_RIGHT_IMAP },
    { ngx_string("pop3"), PH_RIGHT_POP3 },
    { ngx_string("smtp"), PH_RIGHT_SMTP },
    { ngx_string("ews"), PH_RIGHT_EWS },
    { ngx_string("eas"), PH_RIGHT_EAS },
    { ngx_string("dav"), PH_RIGHT_DAV },
    { ngx_string("admin"), PH_RIGHT_ADMIN },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_posthorn_identity_commands[] = {

    { ngx_string("posthorn_identity"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_identity_loc_conf_t, enable),
      NULL },

    { ngx_string("posthorn_identity_service"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_identity_loc_conf_t, service),
      &ngx_http_posthorn_identity_services },

    { ngx_string("posthorn_identity_realm"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_identity_loc_conf_t, realm),
      NULL },

    { ngx_string("posthorn_identity_require_tls"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_identity_loc_conf_t, require_tls),
      NULL },

    { ngx_string("posthorn_identity_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_posthorn_identity_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("posthorn_identity_max_checks"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_identity_main_conf_t, max_checks),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_posthorn_identity_module_ctx = {
    ngx_http_posthorn_identity_add_variables, /* preconfiguration */
    ngx_http_posthorn_identity_init,       /* postconfiguration */

    ngx_http_posthorn_identity_create_main_conf, /* create main configuration */
    ngx_http_posthorn_identity_init_main_conf, /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_posthorn_identity_create_loc_conf,
                                       /* create location configuration */
    ngx_http_posthorn_identity_merge_loc_conf /* merge location configuration */
};


ngx_module_t  ngx_http_posthorn_identity_module = {
    NGX_MODULE_V1,
    &ngx_http_posthorn_identity_module_ctx, /* module context */
    ngx_http_posthorn_identity_commands,   /* module directives */
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


static ngx_http_variable_t  ngx_http_posthorn_identity_vars[] = {

    { ngx_string("mailbox_user"), NULL,
      ngx_http_posthorn_identity_variable,
      offsetof(ngx_http_posthorn_identity_t, address),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mailbox_domain"), NULL,
      ngx_http_posthorn_identity_variable,
      offsetof(ngx_http_posthorn_identity_t, domain),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mailbox_node"), NULL,
      ngx_http_posthorn_identity_variable,
      offsetof(ngx_http_posthorn_identity_t, node),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mailbox_display_name"), NULL,
      ngx_http_posthorn_identity_variable,
      offsetof(ngx_http_posthorn_identity_t, display_name),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mailbox_dn"), NULL,
      ngx_http_posthorn_identity_variable,
      offsetof(ngx_http_posthorn_identity_t, legacy_dn),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mailbox_rights"), NULL,
      ngx_http_posthorn_identity_rights_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mailbox_ticket"), NULL,
      ngx_http_posthorn_identity_ticket_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_posthorn_identity_handler(ngx_http_request_t *r)
{
    ngx_int_t                               rc;
    ngx_http_cleanup_t                     *cln;
    ngx_http_posthorn_identity_ctx_t       *ctx;
    ngx_http_posthorn_identity_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_identity_module);

    if (!ilcf->enable) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_identity_module);

    if (ctx) {
        return ctx->done ? ngx_http_posthorn_identity_finish(r, ctx)
                         : NGX_AGAIN;
    }

#if (NGX_HTTP_SSL)

    if (ilcf->require_tls && r->connection->ssl == NULL) {
        ngx_posthorn_log(NGX_LOG_INFO, r->connection->log, 0, 6010,
                         "no TLS, no credentials");
        return NGX_HTTP_FORBIDDEN;
    }

#endif

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_posthorn_identity_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->request = r;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_posthorn_identity_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_posthorn_identity_module);

    rc = ngx_http_posthorn_identity_start(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (ctx->frames) {
        ph_pool_destroy(&ctx->frames);
    }

    ctx->status = rc;
    ctx->done = 1;

    return ngx_http_posthorn_identity_finish(r, ctx);
}


static ngx_int_t
ngx_http_posthorn_identity_start(ngx_http_request_t *r,
    ngx_http_posthorn_identity_ctx_t *ctx)
{
    ph_str_t                                 user, password, value;
    ph_int_t                                 rc;
    ngx_int_t                                found;
    ngx_http_posthorn_identity_loc_conf_t   *ilcf;
    ngx_http_posthorn_identity_main_conf_t  *imcf;

    if (r->headers_in.authorization == NULL) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    ctx->frames = ph_pool_create("identity", 64 * 1024);
    if (ctx->frames == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value = ngx_http_posthorn_ph_str(&r->headers_in.authorization->value);

    rc = id_basic_parse(ctx->frames, value, &user, &password);

    switch (rc) {

    case PH_OK:
        break;

    case PH_DECLINED:
        return NGX_HTTP_UNAUTHORIZED;

    case PH_INVALID:
    case PH_TOOBIG:
        ngx_posthorn_log(NGX_LOG_INFO, r->connection->log, 0, 6011,
                         "garbled Authorization header");
        return NGX_HTTP_BAD_REQUEST;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    imcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_identity_module);
    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_identity_module);

    if (imcf->zone) {

        if (ngx_http_posthorn_identity_cache_key(imcf->zone, user, password,
                                                 (uint32_t) ilcf->service,
                                                 ctx->digest)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        found = ngx_http_posthorn_identity_cache_find(imcf->zone, ctx->digest,
                                                      r->pool, &ctx->identity,
                                                      &ctx->epoch);
        if (found == NGX_OK) {
            return NGX_OK;
        }

        if (found == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_posthorn_identity_check(r, ctx, user, password);
}


static ngx_int_t
ngx_http_posthorn_identity_check(ngx_http_request_t *r,
    ngx_http_posthorn_identity_ctx_t *ctx, ph_str_t user, ph_str_t password)
{
    ngx_http_posthorn_identity_loc_conf_t   *ilcf;
    ngx_http_posthorn_identity_main_conf_t  *imcf;

    imcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_identity_module);
    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_identity_module);

    if (imcf->nchecks >= imcf->max_checks) {
        ngx_posthorn_log(NGX_LOG_WARN, r->connection->log, 0, 6012,
                         "too many credentials are being checked");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ctx->call.handler = ngx_http_posthorn_identity_checked;
    ctx->call.data = ctx;

    switch (ngx_http_posthorn_auth(r, &ctx->call, ctx->frames, user, password,
                                   (uint32_t) ilcf->service,
                                   ngx_http_posthorn_client(r)))
    {
    case NGX_OK:
        break;

    case NGX_BUSY:
        ngx_posthorn_log(NGX_LOG_ERR, r->connection->log, 0, 6013,
                         "credentials cannot be checked now");
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->checking = 1;
    imcf->nchecks++;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_AGAIN;
}


static void
ngx_http_posthorn_identity_checked(ngx_posthorn_call_t *call)
{
    time_t                                   lifetime;
    ngx_int_t                                rc;
    ngx_connection_t                        *c;
    ngx_http_request_t                      *r;
    ngx_http_posthorn_identity_ctx_t        *ctx;
    ngx_http_posthorn_identity_main_conf_t  *imcf;

    ctx = call->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    imcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_identity_module);

    ctx->checking = 0;
    imcf->nchecks--;

    rc = ngx_http_posthorn_auth_answer(call, r->pool, ctx->frames,
                                       &ctx->identity, &lifetime);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "posthorn identity checked: %i, status %ui",
                   rc, (ngx_uint_t) call->status);

    switch (rc) {

    case NGX_OK:
        ctx->status = NGX_OK;

        lifetime = (lifetime > 2 * NGX_HTTP_POSTHORN_IDENTITY_MARGIN)
                   ? lifetime - NGX_HTTP_POSTHORN_IDENTITY_MARGIN
                   : lifetime / 2;

        if (imcf->zone && lifetime > 0) {
            ngx_http_posthorn_identity_cache_store(imcf->zone, ctx->digest,
                                                   ctx->identity,
                                                   ngx_min(lifetime, imcf->ttl),
                                                   ctx->epoch);
        }

        break;

    case NGX_DECLINED:
        ngx_posthorn_log(NGX_LOG_WARN, c->log, 0, 6014,
                         "credentials are wrong or the service is not "
                         "allowed");
        ctx->status = NGX_HTTP_UNAUTHORIZED;
        break;

    case NGX_BUSY:
        ngx_posthorn_log(NGX_LOG_ERR, c->log, 0, 6013,
                         "credentials cannot be checked now: %s",
                         ph_wire_status_name(call->status));
        ctx->status = NGX_HTTP_SERVICE_UNAVAILABLE;
        break;

    default:
        ngx_posthorn_log(NGX_LOG_ERR, c->log, 0, 6015,
                         "directory could not check credentials: %s",
                         ph_wire_status_name(call->status));
        ctx->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        break;
    }

    ph_pool_destroy(&ctx->frames);
    ctx->done = 1;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_posthorn_identity_cleanup(void *data)
{
    ngx_http_posthorn_identity_ctx_t *ctx = data;

    ngx_http_posthorn_identity_main_conf_t  *imcf;

    if (ctx->checking) {
        imcf = ngx_http_get_module_main_conf(ctx->request,
                                           ngx_http_posthorn_identity_module);
        imcf->nchecks--;

        ctx->checking = 0;
        ngx_posthorn_wire_cancel(&ctx->call);
    }

    if (ctx->frames) {
        ph_pool_destroy(&ctx->frames);
    }
}


static ngx_int_t
ngx_http_posthorn_identity_finish(ngx_http_request_t *r,
    ngx_http_posthorn_identity_ctx_t *ctx)
{
    switch (ctx->status) {

    case NGX_OK:

        /* $remote_user is the address that the directory knows */

        r->headers_in.user = ctx->identity->address;
        ngx_str_set(&r->headers_in.passwd, "");

        return NGX_OK;

    case NGX_HTTP_UNAUTHORIZED:
        return ngx_http_posthorn_identity_challenge(r);

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return ngx_http_posthorn_unavailable(r);

    default:
        return ctx->status;
    }
}


static ngx_int_t
ngx_http_posthorn_identity_challenge(ngx_http_request_t *r)
{
    size_t                                  len;
    u_char                                 *p;
    ngx_str_t                               realm;
    ngx_table_elt_t                        *h;
    ngx_http_posthorn_identity_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_identity_module);

    ngx_str_set(&realm, "Posthorn");

    if (ilcf->realm
        && ngx_http_complex_value(r, ilcf->realm, &realm) != NGX_OK)
    {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = sizeof("Basic realm=\"\", charset=\"UTF-8\"") - 1 + realm.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        h->hash = 0;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    h->value.data = p;
    h->value.len = ngx_sprintf(p, "Basic realm=\"%V\", charset=\"UTF-8\"",
                               &realm)
                   - p;

    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");
    r->headers_out.www_authenticate = h;

    return NGX_HTTP_UNAUTHORIZED;
}


static void
ngx_http_posthorn_identity_changed(ph_str_t address, uint64_t generation,
    void *data)
{
    ngx_http_posthorn_identity_main_conf_t *imcf = data;

    if (imcf->zone) {
        ngx_http_posthorn_identity_cache_drop(imcf->zone, address);
    }
}


ngx_http_posthorn_identity_t *
ngx_http_posthorn_get_identity(ngx_http_request_t *r)
{
    ngx_http_posthorn_identity_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_identity_module);

    if (ctx == NULL && r != r->main) {
        ctx = ngx_http_get_module_ctx(r->main,
                                      ngx_http_posthorn_identity_module);
    }

    return ctx ? ctx->identity : NULL;
}


static ngx_int_t
ngx_http_posthorn_identity_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                     *s;
    ngx_http_posthorn_identity_t  *id;

    id = ngx_http_posthorn_get_identity(r);

    if (id == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = (ngx_str_t *) ((char *) id + data);

    v->len = (unsigned) s->len;
    v->data = s->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_identity_rights_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                        *p, *last;
    ngx_conf_enum_t               *e;
    ngx_http_posthorn_identity_t  *id;

    id = ngx_http_posthorn_get_identity(r);

    if (id == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, 64);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = p;

    for (e = ngx_http_posthorn_identity_services; e->name.len; e++) {
        if (id->rights & e->value) {
            last = ngx_slprintf(last, p + 64, "%s%V",
                                (last == p) ? "" : ",", &e->name);
        }
    }

    v->len = (unsigned) (last - p);
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_identity_ticket_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                        *p;
    ngx_http_posthorn_identity_t  *id;

    id = ngx_http_posthorn_get_identity(r);

    if (id == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, 2 * id->ticket.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = (unsigned) (ngx_hex_dump(p, id->ticket.data, id->ticket.len) - p);
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_identity_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_posthorn_identity_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_identity_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt                     *h;
    ngx_http_core_main_conf_t               *cmcf;
    ngx_http_posthorn_identity_main_conf_t  *imcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_posthorn_identity_handler;

    imcf = ngx_http_conf_get_module_main_conf(cf,
                                           ngx_http_posthorn_identity_module);

    return ngx_http_posthorn_add_changed(cf,
                                         ngx_http_posthorn_identity_changed,
                                         imcf);
}


static void *
ngx_http_posthorn_identity_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_identity_main_conf_t  *imcf;

    imcf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_posthorn_identity_main_conf_t));
    if (imcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     imcf->zone = NULL;
     *     imcf->nchecks = 0;
     */

    imcf->ttl = NGX_CONF_UNSET;
    imcf->max_checks = NGX_CONF_UNSET_UINT;

    return imcf;
}


static char *
ngx_http_posthorn_identity_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_posthorn_identity_main_conf_t *imcf = conf;

    ngx_conf_init_value(imcf->ttl, 300);
    ngx_conf_init_uint_value(imcf->max_checks, 256);

    return NGX_CONF_OK;
}


static void *
ngx_http_posthorn_identity_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_identity_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_posthorn_identity_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->realm = NULL;
     */

    conf->enable = NGX_CONF_UNSET;
    conf->require_tls = NGX_CONF_UNSET;
    conf->service = NGX_CONF_UNSET_UINT;

    return conf;
}


static char *
ngx_http_posthorn_identity_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_posthorn_identity_loc_conf_t *prev = parent;
    ngx_http_posthorn_identity_loc_conf_t *conf = child;

    ngx_http_posthorn_main_conf_t  *pmcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_value(conf->require_tls, prev->require_tls, 1);
    ngx_conf_merge_uint_value(conf->service, prev->service, PH_RIGHT_WEB);

    if (conf->realm == NULL) {
        conf->realm = prev->realm;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_posthorn_module);

    if (conf->enable && pmcf->directory == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"posthorn_identity\" needs \"posthorn_directory\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_identity_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_posthorn_identity_main_conf_t *imcf = conf;

    u_char     *p;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (imcf->zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    p = (u_char *) ngx_strchr(value[1].data, ':');

    if (p == NULL || p == value[1].data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data;
    name.len = p - value[1].data;

    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "ttl=", 4) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        s.data = value[2].data + 4;
        s.len = value[2].len - 4;

        imcf->ttl = ngx_parse_time(&s, 1);

        if (imcf->ttl == (time_t) NGX_ERROR || imcf->ttl == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid ttl \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }
    }

    imcf->zone = ngx_http_posthorn_identity_cache_add(cf, &name, size,
                                         &ngx_http_posthorn_identity_module);
    if (imcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
