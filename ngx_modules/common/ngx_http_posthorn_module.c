
#include "ngx_http_posthorn.h"

#include "gen/dir.h"
#include "gen/exmdb.h"


static void ngx_http_posthorn_directory_up(ngx_posthorn_wire_t *w,
    ph_str_t hello);
static void ngx_http_posthorn_directory_watching(ngx_posthorn_call_t *call);
static void ngx_http_posthorn_directory_event(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame);
static void ngx_http_posthorn_changed(ngx_http_posthorn_main_conf_t *pmcf,
    ph_str_t address);
static void ngx_http_posthorn_exmdb_up(ngx_posthorn_wire_t *w,
    ph_str_t hello);
static void ngx_http_posthorn_exmdb_down(ngx_posthorn_wire_t *w);
static void ngx_http_posthorn_exmdb_exiting(ngx_posthorn_wire_t *w);
static void ngx_http_posthorn_exmdb_event(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame);
static ngx_posthorn_wire_t *ngx_http_posthorn_exmdb_client(
    ngx_http_posthorn_main_conf_t *pmcf, ph_str_t address);
static void ngx_http_posthorn_pool_cleanup(void *data);
static ngx_int_t ngx_http_posthorn_copy(ngx_pool_t *pool, ngx_str_t *to,
    ph_str_t from);

static ngx_int_t ngx_http_posthorn_init_process(ngx_cycle_t *cycle);
static void ngx_http_posthorn_exit_process(ngx_cycle_t *cycle);
static void *ngx_http_posthorn_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_posthorn_init_main_conf(ngx_conf_t *cf, void *conf);
static char *ngx_http_posthorn_backend(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_posthorn_commands[] = {

    { ngx_string("posthorn_directory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_posthorn_backend,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_main_conf_t, directory),
      NULL },

    { ngx_string("posthorn_directory_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_main_conf_t, timeout),
      NULL },

    { ngx_string("posthorn_exmdb"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_posthorn_backend,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_main_conf_t, exmdb),
      NULL },

    { ngx_string("posthorn_wire_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_main_conf_t, certificate),
      NULL },

    { ngx_string("posthorn_wire_certificate_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_main_conf_t, certificate_key),
      NULL },

    { ngx_string("posthorn_wire_trusted_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_posthorn_main_conf_t, trusted_certificate),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_posthorn_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_posthorn_create_main_conf,    /* create main configuration */
    ngx_http_posthorn_init_main_conf,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_posthorn_module = {
    NGX_MODULE_V1,
    &ngx_http_posthorn_module_ctx,         /* module context */
    ngx_http_posthorn_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_posthorn_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_posthorn_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_int_t
ngx_http_posthorn_worker(ngx_http_posthorn_main_conf_t *pmcf,
    ngx_str_t *address)
{
    size_t    i;
    uint32_t  h, seed;

    if (pmcf->map.nworkers == 0) {
        return NGX_DECLINED;
    }

    /* FNV-1a of the seed and the lower-case address, as in exmdb.desc */

    h = 2166136261u;
    seed = pmcf->map.seed;

    for (i = 0; i < 4; i++) {
        h = (h ^ (seed & 0xff)) * 16777619u;
        seed >>= 8;
    }

    for (i = 0; i < address->len; i++) {
        h = (h ^ ngx_tolower(address->data[i])) * 16777619u;
    }

    return h % pmcf->map.nworkers;
}


ph_pool_t *
ngx_http_posthorn_pool(ngx_http_request_t *r, const char *name, size_t limit)
{
    ph_pool_t           *pool, **data;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ph_pool_t *));
    if (cln == NULL) {
        return NULL;
    }

    pool = ph_pool_create(name, limit);

    data = cln->data;
    *data = pool;
    cln->handler = ngx_http_posthorn_pool_cleanup;

    return pool;
}


static void
ngx_http_posthorn_pool_cleanup(void *data)
{
    ph_pool_t  **pool = data;

    if (*pool) {
        ph_pool_destroy(pool);
    }
}


ph_str_t
ngx_http_posthorn_client(ngx_http_request_t *r)
{
    return (ph_str_t) { r->connection->addr_text.len,
                        r->connection->addr_text.data };
}


ph_str_t
ngx_http_posthorn_request_id(ngx_http_request_t *r)
{
    ngx_str_t                   name = ngx_string("request_id");
    ngx_http_variable_value_t  *vv;

    vv = ngx_http_get_variable(r, &name, ngx_hash_key(name.data, name.len));

    if (vv == NULL || vv->not_found) {
        return ph_str_null;
    }

    return (ph_str_t) { vv->len, vv->data };
}


ngx_table_elt_t *
ngx_http_posthorn_header(ngx_http_request_t *r, char *n, size_t len,
    ngx_table_elt_t *after)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (after) {
            if (&h[i] == after) {
                after = NULL;
            }

            continue;
        }

        if (h[i].key.len == len
            && ngx_strncasecmp(h[i].key.data, (u_char *) n, len) == 0)
        {
            return &h[i];
        }
    }
}


ngx_int_t
ngx_http_posthorn_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;

    return NGX_OK;
}


ngx_int_t
ngx_http_posthorn_unavailable(ngx_http_request_t *r)
{
    ngx_str_t  value = ngx_string("5");

    if (ngx_http_posthorn_add_header(r, "Retry-After", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


ngx_int_t
ngx_http_posthorn_auth(ngx_http_request_t *r, ngx_posthorn_call_t *call,
    ph_pool_t *frames, ph_str_t user, ph_str_t password, uint32_t service,
    ph_str_t client)
{
    ph_wbuf_t                       b;
    dir_auth_request_t              request;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_posthorn_module);

    if (pmcf->directory == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&request, sizeof(dir_auth_request_t));

    request.user = user;
    request.password = password;
    request.service = service;
    request.client = client;
    request.request_id = ngx_http_posthorn_request_id(r);

    ph_wbuf_init(&b, frames, 16384);

    ngx_posthorn_wire_frame(&b, ph_str_null);

    if (dir_auth_request_encode(&b, &request) != PH_OK) {
        return NGX_ERROR;
    }

    return ngx_posthorn_wire_call(pmcf->directory, call, DIR_OP_AUTH,
                                  ph_str_null, &b, pmcf->timeout);
}


ngx_int_t
ngx_http_posthorn_auth_answer(ngx_posthorn_call_t *call, ngx_pool_t *pool,
    ph_pool_t *frames, ngx_http_posthorn_identity_t **idp, time_t *lifetime)
{
    dir_auth_answer_t              answer;
    ngx_http_posthorn_identity_t  *id;

    ngx_explicit_memzero(call->frame, call->len);

    switch (call->status) {

    case PH_WIRE_OK:
        break;

    case PH_WIRE_DENIED:
    case PH_WIRE_NOT_FOUND:
        return NGX_DECLINED;

    case PH_WIRE_BUSY:
    case PH_WIRE_UNAVAILABLE:
        return NGX_BUSY;

    default:
        return NGX_ERROR;
    }

    if (dir_auth_answer_decode_all(call->body, frames, &answer) != PH_OK
        || answer.ticket.len > PH_WIRE_MAX_TICKET)
    {
        return NGX_ERROR;
    }

    id = ngx_pcalloc(pool, sizeof(ngx_http_posthorn_identity_t));
    if (id == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_posthorn_copy(pool, &id->address, answer.who.address)
        != NGX_OK
        || ngx_http_posthorn_copy(pool, &id->display_name,
                                  answer.who.display_name)
           != NGX_OK
        || ngx_http_posthorn_copy(pool, &id->legacy_dn, answer.who.legacy_dn)
           != NGX_OK
        || ngx_http_posthorn_copy(pool, &id->domain, answer.who.domain)
           != NGX_OK
        || ngx_http_posthorn_copy(pool, &id->node, answer.who.node) != NGX_OK
        || ngx_http_posthorn_copy(pool, &id->ticket, answer.ticket) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(id->mailbox_guid, answer.who.mailbox_guid.b, 16);
    id->rights = answer.who.rights;

    *idp = id;
    *lifetime = answer.lifetime;

    return NGX_OK;
}


static ngx_int_t
ngx_http_posthorn_copy(ngx_pool_t *pool, ngx_str_t *to, ph_str_t from)
{
    to->len = from.len;
    to->data = ngx_pnalloc(pool, from.len + 1);

    if (to->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, from.data, from.len);
    to->data[from.len] = '\0';

    return NGX_OK;
}


/*
 * The directory: a watch on each connection.  What happened while there was
 * none is seen by the generation, and then everything counts as changed.
 */

static void
ngx_http_posthorn_directory_up(ngx_posthorn_wire_t *w, ph_str_t hello)
{
    ph_wbuf_t                       b;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = w->data;

    ph_pool_reset(pmcf->watch_pool);
    ph_wbuf_init(&b, pmcf->watch_pool, 256);

    ngx_posthorn_wire_frame(&b, ph_str_null);

    pmcf->watch.handler = ngx_http_posthorn_directory_watching;
    pmcf->watch.data = pmcf;

    (void) ngx_posthorn_wire_call(w, &pmcf->watch, DIR_OP_WATCH, ph_str_null,
                                  &b, pmcf->timeout);
}


static void
ngx_http_posthorn_directory_watching(ngx_posthorn_call_t *call)
{
    dir_watch_answer_t              answer;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = call->data;

    ph_pool_reset(pmcf->watch_pool);

    if (call->status != PH_WIRE_OK
        || dir_watch_answer_decode_all(call->body, pmcf->watch_pool, &answer)
           != PH_OK)
    {
        ngx_posthorn_log(NGX_LOG_ERR, pmcf->log, 0, 6005,
                         "directory does not tell of changes: %s",
                         ph_wire_status_name(call->status));
        return;
    }

    if (answer.generation != pmcf->generation) {
        pmcf->generation = answer.generation;
        ngx_http_posthorn_changed(pmcf, ph_str_null);
    }
}


static void
ngx_http_posthorn_directory_event(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame)
{
    ph_cur_t                        cur;
    dir_changed_t                   changed;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = w->data;

    if (frame->op != DIR_EVENT_CHANGED) {
        return;
    }

    ph_pool_reset(pmcf->watch_pool);
    ph_cur_init(&cur, frame->body.data, frame->body.len);

    if (dir_changed_decode(&cur, pmcf->watch_pool, &changed) != PH_OK) {
        return;
    }

    pmcf->generation = changed.generation;
    ngx_http_posthorn_changed(pmcf, changed.address);
}


static void
ngx_http_posthorn_changed(ngx_http_posthorn_main_conf_t *pmcf,
    ph_str_t address)
{
    ngx_uint_t                    i;
    ngx_http_posthorn_changed_t  *changed;

    changed = pmcf->changed.elts;

    for (i = 0; i < pmcf->changed.nelts; i++) {
        changed[i].handler(address, pmcf->generation, changed[i].data);
    }
}


/* exmdb: every greeting brings the map of its workers */

static void
ngx_http_posthorn_exmdb_up(ngx_posthorn_wire_t *w, ph_str_t hello)
{
    uint16_t                        i, n;
    ph_pool_t                      *pool;
    exmdb_hello_t                   map;
    ngx_posthorn_wire_t            *client;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = w->data;

    pool = ph_pool_create("worker map", 1024 * 1024);
    if (pool == NULL) {
        return;
    }

    if (exmdb_hello_decode_all(hello, pool, &map) != PH_OK
        || map.workers_count > NGX_HTTP_POSTHORN_MAX_WORKERS)
    {
        ngx_posthorn_log(NGX_LOG_ERR, pmcf->log, 0, 6006,
                         "worker map of \"%V\" is not usable", &w->name);
        goto done;
    }

    pmcf->map.seed = map.hash_seed;

    for (i = 0; i < map.workers_count; i++) {

        n = map.workers[i].number;

        if (n >= map.workers_count) {
            continue;
        }

        client = ngx_http_posthorn_exmdb_client(pmcf, map.workers[i].address);

        if (client == NULL) {
            ngx_posthorn_log(NGX_LOG_ERR, pmcf->log, 0, 6006,
                             "worker map of \"%V\" is not usable", &w->name);
            goto done;
        }

        pmcf->map.workers[n] = client;
    }

    for (i = 0; i < map.workers_count; i++) {
        if (pmcf->map.workers[i] == NULL) {
            goto done;
        }
    }

    pmcf->map.nworkers = map.workers_count;

done:

    ph_pool_destroy(&pool);
}


static ngx_posthorn_wire_t *
ngx_http_posthorn_exmdb_client(ngx_http_posthorn_main_conf_t *pmcf,
    ph_str_t address)
{
    char                  *err;
    ngx_str_t              name;
    ngx_uint_t             i;
    ngx_posthorn_wire_t  **client, *w;

    client = pmcf->clients.elts;

    for (i = 0; i < pmcf->clients.nelts; i++) {

        if (client[i]->name.len == address.len
            && ngx_memcmp(client[i]->name.data, address.data, address.len)
               == 0)
        {
            return client[i];
        }
    }

    if (pmcf->clients.nelts > NGX_HTTP_POSTHORN_MAX_WORKERS) {
        return NULL;
    }

    name.len = address.len;
    name.data = ngx_pnalloc(pmcf->pool, address.len);
    if (name.data == NULL) {
        return NULL;
    }

    ngx_memcpy(name.data, address.data, address.len);

    w = ngx_posthorn_wire_create(pmcf->pool, &name, &err);
    if (w == NULL) {
        return NULL;
    }

    client = ngx_array_push(&pmcf->clients);
    if (client == NULL) {
        return NULL;
    }

    *client = w;

    w->ssl = (ngx_strncmp(name.data, "tcp:", 4) == 0) ? pmcf->ssl : NULL;
    w->up = ngx_http_posthorn_exmdb_up;
    w->down = ngx_http_posthorn_exmdb_down;
    w->event = ngx_http_posthorn_exmdb_event;
    w->exiting = ngx_http_posthorn_exmdb_exiting;
    w->data = pmcf;

    if (pmcf->log) {
        ngx_posthorn_wire_start(w, pmcf->log);
    }

    return w;
}


static void
ngx_http_posthorn_exmdb_down(ngx_posthorn_wire_t *w)
{
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = w->data;

    if (pmcf->event) {
        pmcf->event(w, NULL, pmcf->event_data);
    }
}


static void
ngx_http_posthorn_exmdb_exiting(ngx_posthorn_wire_t *w)
{
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = w->data;

    if (pmcf->event) {
        pmcf->event(NULL, NULL, pmcf->event_data);
    }
}


static void
ngx_http_posthorn_exmdb_event(ngx_posthorn_wire_t *w,
    const ph_wire_frame_t *frame)
{
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = w->data;

    if (pmcf->event) {
        pmcf->event(w, frame, pmcf->event_data);
    }
}


static ngx_int_t
ngx_http_posthorn_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_posthorn_wire_t            **client;
    ngx_http_posthorn_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_posthorn_module);
    if (pmcf == NULL) {
        return NGX_OK;
    }

    pmcf->pool = cycle->pool;
    pmcf->log = cycle->log;

    if (pmcf->directory) {
        pmcf->watch_pool = ph_pool_create("watch", 64 * 1024);
        if (pmcf->watch_pool == NULL) {
            return NGX_ERROR;
        }

        ngx_posthorn_wire_start(pmcf->directory, cycle->log);
    }

    client = pmcf->clients.elts;

    for (i = 0; i < pmcf->clients.nelts; i++) {
        ngx_posthorn_wire_start(client[i], cycle->log);
    }

    return NGX_OK;
}


static void
ngx_http_posthorn_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                       i;
    ngx_posthorn_wire_t            **client;
    ngx_http_posthorn_main_conf_t   *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_posthorn_module);
    if (pmcf == NULL || pmcf->log == NULL) {
        return;
    }

    if (pmcf->directory) {
        ngx_posthorn_wire_stop(pmcf->directory);
        ph_pool_destroy(&pmcf->watch_pool);
    }

    client = pmcf->clients.elts;

    for (i = 0; i < pmcf->clients.nelts; i++) {
        ngx_posthorn_wire_stop(client[i]);
    }
}


static void *
ngx_http_posthorn_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_posthorn_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     pmcf->directory = NULL;
     *     pmcf->exmdb = NULL;
     *     pmcf->map = { 0 };
     *     pmcf->certificate = { 0, NULL };
     *     pmcf->certificate_key = { 0, NULL };
     *     pmcf->trusted_certificate = { 0, NULL };
     *     pmcf->ssl = NULL;
     *     pmcf->event = NULL;
     */

    if (ngx_array_init(&pmcf->clients, cf->pool, 8,
                       sizeof(ngx_posthorn_wire_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&pmcf->changed, cf->pool, 2,
                       sizeof(ngx_http_posthorn_changed_t))
        != NGX_OK)
    {
        return NULL;
    }

    pmcf->timeout = NGX_CONF_UNSET_MSEC;
    pmcf->pool = cf->pool;

    return pmcf;
}


static char *
ngx_http_posthorn_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_posthorn_main_conf_t *pmcf = conf;

    ngx_uint_t             i, tls;
    ngx_pool_cleanup_t    *cln;
    ngx_posthorn_wire_t  **client;

    ngx_conf_init_msec_value(pmcf->timeout, 10000);

    client = pmcf->clients.elts;
    tls = pmcf->certificate.len;

    for (i = 0; i < pmcf->clients.nelts; i++) {
        if (ngx_strncmp(client[i]->name.data, "tcp:", 4) == 0) {
            tls = 1;
        }
    }

    if (pmcf->directory
        && ngx_strncmp(pmcf->directory->name.data, "tcp:", 4) == 0)
    {
        tls = 1;
    }

    if (!tls) {
        return NGX_CONF_OK;
    }

    if (pmcf->certificate.len == 0 || pmcf->certificate_key.len == 0
        || pmcf->trusted_certificate.len == 0)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "a \"tcp:\" backend needs "
                      "\"posthorn_wire_certificate\", "
                      "\"posthorn_wire_certificate_key\" and "
                      "\"posthorn_wire_trusted_certificate\"");
        return NGX_CONF_ERROR;
    }

    pmcf->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (pmcf->ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    pmcf->ssl->log = cf->log;

    if (ngx_ssl_create(pmcf->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(pmcf->ssl);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = pmcf->ssl;

    if (ngx_ssl_certificate(cf, pmcf->ssl, &pmcf->certificate,
                            &pmcf->certificate_key, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_ssl_trusted_certificate(cf, pmcf->ssl,
                                    &pmcf->trusted_certificate, 2)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < pmcf->clients.nelts; i++) {
        if (ngx_strncmp(client[i]->name.data, "tcp:", 4) == 0) {
            client[i]->ssl = pmcf->ssl;
        }
    }

    if (pmcf->directory
        && ngx_strncmp(pmcf->directory->name.data, "tcp:", 4) == 0)
    {
        pmcf->directory->ssl = pmcf->ssl;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_posthorn_backend(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_posthorn_main_conf_t *pmcf = conf;

    char                  *err;
    ngx_str_t             *value;
    ngx_posthorn_wire_t  **wp;

    wp = (ngx_posthorn_wire_t **) ((char *) conf + cmd->offset);

    if (*wp) {
        return "is duplicate";
    }

    value = cf->args->elts;
    err = "cannot be used";

    if (wp == &pmcf->exmdb) {
        *wp = ngx_http_posthorn_exmdb_client(pmcf,
                                      ngx_http_posthorn_ph_str(&value[1]));

    } else {
        *wp = ngx_posthorn_wire_create(cf->pool, &value[1], &err);

        if (*wp) {
            (*wp)->up = ngx_http_posthorn_directory_up;
            (*wp)->event = ngx_http_posthorn_directory_event;
            (*wp)->data = pmcf;
        }
    }

    if (*wp == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "address \"%V\": %s", &value[1], err);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_posthorn_add_changed(ngx_conf_t *cf,
    ngx_http_posthorn_changed_pt handler, void *data)
{
    ngx_http_posthorn_changed_t    *changed;
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_posthorn_module);

    changed = ngx_array_push(&pmcf->changed);
    if (changed == NULL) {
        return NGX_ERROR;
    }

    changed->handler = handler;
    changed->data = data;

    return NGX_OK;
}


void
ngx_http_posthorn_set_event(ngx_conf_t *cf,
    ngx_http_posthorn_event_pt handler, void *data)
{
    ngx_http_posthorn_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_posthorn_module);

    pmcf->event = handler;
    pmcf->event_data = data;
}
