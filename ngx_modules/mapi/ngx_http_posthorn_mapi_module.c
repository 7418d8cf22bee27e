
#include "ngx_http_posthorn_mapi.h"


#define NGX_HTTP_POSTHORN_MAPI_HEALTH  (MH_NSPI + 1)


static ngx_int_t ngx_http_posthorn_mapi_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_posthorn_mapi_health(ngx_http_request_t *r);
static void ngx_http_posthorn_mapi_head(ngx_http_request_t *r,
    mh_head_t *head);
static void ngx_http_posthorn_mapi_cookies(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx);
static void ngx_http_posthorn_mapi_body_handler(ngx_http_request_t *r);
static void ngx_http_posthorn_mapi_cleanup(void *data);

static ngx_int_t ngx_http_posthorn_mapi_type_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_posthorn_mapi_code_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_posthorn_mapi_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_posthorn_mapi_init(ngx_conf_t *cf);
static void *ngx_http_posthorn_mapi_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_mapi_init_main_conf(ngx_conf_t *cf,
    void *conf);
static void *ngx_http_posthorn_mapi_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_mapi_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_posthorn_mapi(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_posthorn_mapi_commands[] = {

    { ngx_string("posthorn_mapi"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_posthorn_mapi,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("posthorn_mapi_server_application"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, server_application),
      NULL },

    { ngx_string("posthorn_mapi_pending_period"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, pending_period),
      NULL },

    { ngx_string("posthorn_mapi_processing_delay"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, processing_delay),
      NULL },

    { ngx_string("posthorn_mapi_wait_time"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, wait_time),
      NULL },

    { ngx_string("posthorn_mapi_expiration"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, expiration),
      NULL },

    { ngx_string("posthorn_mapi_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, timeout),
      NULL },

    { ngx_string("posthorn_mapi_max_body"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_loc_conf_t, max_body),
      NULL },

    { ngx_string("posthorn_mapi_max_parked"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_mapi_main_conf_t, max_parked),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_posthorn_mapi_module_ctx = {
    ngx_http_posthorn_mapi_add_variables,  /* preconfiguration */
    ngx_http_posthorn_mapi_init,           /* postconfiguration */

    ngx_http_posthorn_mapi_create_main_conf, /* create main configuration */
    ngx_http_posthorn_mapi_init_main_conf, /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_posthorn_mapi_create_loc_conf, /* create location configuration */
    ngx_http_posthorn_mapi_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_http_posthorn_mapi_module = {
    NGX_MODULE_V1,
    &ngx_http_posthorn_mapi_module_ctx,    /* module context */
    ngx_http_posthorn_mapi_commands,       /* module directives */
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


static ngx_http_variable_t  ngx_http_posthorn_mapi_vars[] = {

    { ngx_string("mapi_request_type"), NULL,
      ngx_http_posthorn_mapi_type_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mapi_response_code"), NULL,
      ngx_http_posthorn_mapi_code_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_posthorn_mapi_handler(ngx_http_request_t *r)
{
    mh_code_t                           code;
    mh_head_t                           head;
    ngx_int_t                           rc;
    ngx_http_cleanup_t                 *cln;
    ngx_http_posthorn_mapi_ctx_t       *ctx;
    ngx_http_posthorn_mapi_loc_conf_t  *mlcf;

    mlcf = ngx_http_get_module_loc_conf(r, ngx_http_posthorn_mapi_module);

    if (mlcf->endpoint == NGX_HTTP_POSTHORN_MAPI_HEALTH) {
        return ngx_http_posthorn_mapi_health(r);
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_posthorn_mapi_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_posthorn_mapi_cleanup;
    cln->data = ctx;

    ngx_http_set_ctx(r, ctx, ngx_http_posthorn_mapi_module);

    ngx_http_posthorn_mapi_head(r, &head);

    code = mh_head_check((mh_endpoint_t) mlcf->endpoint, &head, &ctx->type);

    if (code == MH_SUCCESS) {

        ctx->identity = ngx_http_posthorn_get_identity(r);

        if (ctx->identity == NULL) {
            code = MH_ANONYMOUS;

        } else if (r->headers_in.content_length_n > (off_t) mlcf->max_body) {
            code = MH_TOO_LARGE;
        }
    }

    if (code != MH_SUCCESS) {
        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_posthorn_mapi_send_failure(r, ctx, code);
    }

    ngx_http_posthorn_mapi_cookies(r, ctx);

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                         ngx_http_posthorn_mapi_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/* Exchange has this page for load balancers (not part of the protocol) */

static ngx_int_t
ngx_http_posthorn_mapi_health(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_str_t                       text = ngx_string("200 OK\r\n");
    ngx_str_t                       type = ngx_string("text/html");
    ngx_http_complex_value_t        cv;
    ngx_http_posthorn_main_conf_t  *pmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_module);

    if (pmcf->directory == NULL || !ngx_posthorn_wire_is_up(pmcf->directory)
        || pmcf->map.nworkers == 0)
    {
        return ngx_http_posthorn_unavailable(r);
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = text;

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


static void
ngx_http_posthorn_mapi_head(ngx_http_request_t *r, mh_head_t *head)
{
    ngx_table_elt_t  *h;

    ngx_memzero(head, sizeof(mh_head_t));

    head->post = (r->method == NGX_HTTP_POST);

    if (r->headers_in.content_type) {
        head->content_type =
                 ngx_http_posthorn_ph_str(&r->headers_in.content_type->value);
    }

    h = ngx_http_posthorn_header(r, "x-requesttype",
                                 sizeof("x-requesttype") - 1, NULL);
    if (h) {
        head->request_type = ngx_http_posthorn_ph_str(&h->value);
    }

    h = ngx_http_posthorn_header(r, "x-requestid",
                                 sizeof("x-requestid") - 1, NULL);
    if (h) {
        head->request_id = ngx_http_posthorn_ph_str(&h->value);
    }

    h = ngx_http_posthorn_header(r, "x-clientinfo",
                                 sizeof("x-clientinfo") - 1, NULL);
    if (h) {
        head->client_info = ngx_http_posthorn_ph_str(&h->value);
    }
}


static void
ngx_http_posthorn_mapi_cookies(ngx_http_request_t *r,
    ngx_http_posthorn_mapi_ctx_t *ctx)
{
    ph_str_t          header, value;
    ngx_table_elt_t  *h;

    h = NULL;

    for ( ;; ) {

        h = ngx_http_posthorn_header(r, "cookie", sizeof("cookie") - 1, h);

        if (h == NULL) {
            break;
        }

        header = ngx_http_posthorn_ph_str(&h->value);

        if (!ctx->session_set
            && mh_cookie_find(header, "MapiContext", &value) == PH_OK)
        {
            if (mh_context_parse(value, ctx->session, &ctx->worker) == PH_OK) {
                ctx->session_set = 1;

            } else {
                ctx->cookie_invalid = 1;
            }
        }

        if (!ctx->sequence_set
            && mh_cookie_find(header, "MapiSequence", &value) == PH_OK)
        {
            if (mh_sequence_parse(value, ctx->sequence) == PH_OK) {
                ctx->sequence_set = 1;

            } else {
                ctx->cookie_invalid = 1;
            }
        }
    }

    if (!ctx->session_set) {
        ngx_memzero(ctx->session, 16);
    }

    if (!ctx->sequence_set) {
        ngx_memzero(ctx->sequence, 16);
    }
}


static void
ngx_http_posthorn_mapi_body_handler(ngx_http_request_t *r)
{
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_mapi_module);

    /* the client's end of the connection is noticed from now on */

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_posthorn_mapi_run(ctx);
}


static void
ngx_http_posthorn_mapi_cleanup(void *data)
{
    ngx_http_posthorn_mapi_ctx_t *ctx = data;

    ngx_posthorn_wire_cancel(&ctx->call);

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    if (ctx->detach.posted) {
        ngx_delete_posted_event(&ctx->detach);
    }

    if (ctx->park) {
        ngx_http_posthorn_park_free(ctx->park);
        ctx->park = NULL;
    }

    ctx->state = ngx_http_posthorn_mapi_done;
}


static ngx_int_t
ngx_http_posthorn_mapi_type_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_mapi_module);

    if (ctx == NULL || ctx->type == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = (unsigned) ngx_strlen(ctx->type->name);
    v->data = (u_char *) ctx->type->name;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_mapi_code_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                        *p;
    ngx_http_posthorn_mapi_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_posthorn_mapi_module);

    if (ctx == NULL || !r->header_sent) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = (unsigned) (ngx_sprintf(p, "%ui", ctx->code) - p);
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_mapi_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_posthorn_mapi_vars; v->name.len; v++) {
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
ngx_http_posthorn_mapi_init(ngx_conf_t *cf)
{
    ngx_http_posthorn_mapi_main_conf_t  *mmcf;

    mmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_posthorn_mapi_module);

    ngx_http_posthorn_set_event(cf, ngx_http_posthorn_park_event, mmcf);

    return NGX_OK;
}


static void *
ngx_http_posthorn_mapi_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_mapi_main_conf_t  *mmcf;

    mmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_posthorn_mapi_main_conf_t));
    if (mmcf == NULL) {
        return NULL;
    }

    ngx_rbtree_init(&mmcf->waiters, &mmcf->sentinel, ngx_rbtree_insert_value);

    mmcf->max_parked = NGX_CONF_UNSET_UINT;

    return mmcf;
}


static char *
ngx_http_posthorn_mapi_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_posthorn_mapi_main_conf_t *mmcf = conf;

    ngx_conf_init_uint_value(mmcf->max_parked, 100000);

    return NGX_CONF_OK;
}


static void *
ngx_http_posthorn_mapi_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_mapi_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_posthorn_mapi_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->endpoint = MH_EMSMDB;
     *     conf->server_application = { 0, NULL };
     */

    conf->pending_period = NGX_CONF_UNSET_MSEC;
    conf->processing_delay = NGX_CONF_UNSET_MSEC;
    conf->wait_time = NGX_CONF_UNSET_MSEC;
    conf->expiration = NGX_CONF_UNSET_MSEC;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->max_body = NGX_CONF_UNSET_SIZE;

    return conf;
}


static char *
ngx_http_posthorn_mapi_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_posthorn_mapi_loc_conf_t *prev = parent;
    ngx_http_posthorn_mapi_loc_conf_t *conf = child;

    ngx_conf_merge_str_value(conf->server_application,
                             prev->server_application,
                             "Exchange/15.00.0847.040");
    ngx_conf_merge_msec_value(conf->pending_period, prev->pending_period,
                              15000);
    ngx_conf_merge_msec_value(conf->processing_delay, prev->processing_delay,
                              1000);
    ngx_conf_merge_msec_value(conf->wait_time, prev->wait_time, 300000);
    ngx_conf_merge_msec_value(conf->expiration, prev->expiration, 900000);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 300000);
    ngx_conf_merge_size_value(conf->max_body, prev->max_body, 512 * 1024);

    if (conf->pending_period < 1000) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"posthorn_mapi_pending_period\" is below 1s");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_mapi(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_posthorn_mapi_loc_conf_t *mlcf = conf;

    ngx_str_t                      *value;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_posthorn_main_conf_t  *pmcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "emsmdb") == 0) {
        mlcf->endpoint = MH_EMSMDB;

    } else if (ngx_strcmp(value[1].data, "nspi") == 0) {
        mlcf->endpoint = MH_NSPI;

    } else if (ngx_strcmp(value[1].data, "healthcheck") == 0) {
        mlcf->endpoint = NGX_HTTP_POSTHORN_MAPI_HEALTH;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid endpoint \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_posthorn_module);

    if (pmcf->directory == NULL || pmcf->exmdb == NULL) {
        return "needs \"posthorn_directory\" and \"posthorn_exmdb\" before it";
    }

    clcf->handler = ngx_http_posthorn_mapi_handler;

    return NGX_CONF_OK;
}
