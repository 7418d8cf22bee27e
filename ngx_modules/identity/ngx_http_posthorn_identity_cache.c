
#include "ngx_http_posthorn_identity_cache.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>


#define NGX_HTTP_POSTHORN_IDENTITY_NFIELDS  6


typedef struct {
    ngx_rbtree_t               rbtree;
    ngx_rbtree_node_t          sentinel;
    ngx_queue_t                queue;       /* the last used one is first */
    ngx_uint_t                 epoch;       /* number of changes */
    u_char                     key[32];
} ngx_http_posthorn_identity_sh_t;


typedef struct {
    ngx_http_posthorn_identity_sh_t  *sh;
    ngx_slab_pool_t                  *shpool;
} ngx_http_posthorn_identity_zone_t;


typedef struct {
    ngx_rbtree_node_t          node;
    ngx_queue_t                queue;
    u_char                     digest[NGX_HTTP_POSTHORN_IDENTITY_DIGEST];
    time_t                     expires;
    uint32_t                   rights;
    u_char                     mailbox_guid[16];
    uint16_t                   len[NGX_HTTP_POSTHORN_IDENTITY_NFIELDS];
    u_char                     data[1];     /* the address is the first one */
} ngx_http_posthorn_identity_node_t;


static ngx_int_t ngx_http_posthorn_identity_cache_init(
    ngx_shm_zone_t *shm_zone, void *data);
static void ngx_http_posthorn_identity_cache_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_posthorn_identity_node_t *
    ngx_http_posthorn_identity_cache_lookup(
    ngx_http_posthorn_identity_sh_t *sh, u_char *digest);
static void ngx_http_posthorn_identity_cache_delete(
    ngx_http_posthorn_identity_zone_t *zone,
    ngx_http_posthorn_identity_node_t *in);
static void ngx_http_posthorn_identity_fields(
    ngx_http_posthorn_identity_t *id,
    ngx_str_t *field[NGX_HTTP_POSTHORN_IDENTITY_NFIELDS]);


ngx_shm_zone_t *
ngx_http_posthorn_identity_cache_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size, void *tag)
{
    ngx_shm_zone_t                     *shm_zone;
    ngx_http_posthorn_identity_zone_t  *zone;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_posthorn_identity_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, name, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    shm_zone->init = ngx_http_posthorn_identity_cache_init;
    shm_zone->data = zone;

    return shm_zone;
}


static ngx_int_t
ngx_http_posthorn_identity_cache_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_posthorn_identity_zone_t  *ozone = data;

    size_t                              len;
    ngx_http_posthorn_identity_zone_t  *zone;

    zone = shm_zone->data;

    if (ozone) {
        zone->sh = ozone->sh;
        zone->shpool = ozone->shpool;

        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

        return NGX_OK;
    }

    zone->sh = ngx_slab_alloc(zone->shpool,
                              sizeof(ngx_http_posthorn_identity_sh_t));
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    zone->shpool->data = zone->sh;

    ngx_rbtree_init(&zone->sh->rbtree, &zone->sh->sentinel,
                    ngx_http_posthorn_identity_cache_insert);
    ngx_queue_init(&zone->sh->queue);
    zone->sh->epoch = 0;

    if (RAND_bytes(zone->sh->key, sizeof(zone->sh->key)) != 1) {
        return NGX_ERROR;
    }

    len = sizeof(" in identity cache \"\"") + shm_zone->shm.name.len;

    zone->shpool->log_ctx = ngx_slab_alloc(zone->shpool, len);
    if (zone->shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(zone->shpool->log_ctx, " in identity cache \"%V\"%Z",
                &shm_zone->shm.name);

    zone->shpool->log_nomem = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_posthorn_identity_cache_key(ngx_shm_zone_t *shm_zone, ph_str_t user,
    ph_str_t password, uint32_t service,
    u_char digest[NGX_HTTP_POSTHORN_IDENTITY_DIGEST])
{
    u_char                             *p, *text;
    size_t                              len;
    ngx_int_t                           rc;
    unsigned int                        n;
    ngx_http_posthorn_identity_zone_t  *zone;

    zone = shm_zone->data;

    /* lengths are part of the text: "a" and "bc" is not "ab" and "c" */

    len = 3 * sizeof(uint32_t) + user.len + password.len;

    text = ngx_alloc(len, ngx_cycle->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    n = (unsigned int) user.len;
    p = ngx_cpymem(text, &n, sizeof(n));
    n = (unsigned int) password.len;
    p = ngx_cpymem(p, &n, sizeof(n));
    p = ngx_cpymem(p, &service, sizeof(uint32_t));
    p = ngx_cpymem(p, user.data, user.len);
    ngx_memcpy(p, password.data, password.len);

    rc = HMAC(EVP_sha256(), zone->sh->key, sizeof(zone->sh->key), text, len,
              digest, &n)
         ? NGX_OK : NGX_ERROR;

    ngx_explicit_memzero(text, len);
    ngx_free(text);

    return rc;
}


ngx_int_t
ngx_http_posthorn_identity_cache_find(ngx_shm_zone_t *shm_zone,
    u_char *digest, ngx_pool_t *pool, ngx_http_posthorn_identity_t **idp,
    ngx_uint_t *epoch)
{
    u_char                             *p;
    size_t                              len;
    ngx_uint_t                          i;
    ngx_str_t                          *field[
                                           NGX_HTTP_POSTHORN_IDENTITY_NFIELDS];
    ngx_http_posthorn_identity_t       *id;
    ngx_http_posthorn_identity_zone_t  *zone;
    ngx_http_posthorn_identity_node_t  *in;

    zone = shm_zone->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    *epoch = zone->sh->epoch;

    in = ngx_http_posthorn_identity_cache_lookup(zone->sh, digest);

    if (in && in->expires <= ngx_time()) {
        ngx_http_posthorn_identity_cache_delete(zone, in);
        in = NULL;
    }

    if (in == NULL) {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return NGX_DECLINED;
    }

    ngx_queue_remove(&in->queue);
    ngx_queue_insert_head(&zone->sh->queue, &in->queue);

    len = 0;

    for (i = 0; i < NGX_HTTP_POSTHORN_IDENTITY_NFIELDS; i++) {
        len += in->len[i];
    }

    id = ngx_palloc(pool, sizeof(ngx_http_posthorn_identity_t) + len);

    if (id) {
        p = (u_char *) id + sizeof(ngx_http_posthorn_identity_t);

        ngx_memcpy(p, in->data, len);
        ngx_memcpy(id->mailbox_guid, in->mailbox_guid, 16);
        id->rights = in->rights;

        ngx_http_posthorn_identity_fields(id, field);

        for (i = 0; i < NGX_HTTP_POSTHORN_IDENTITY_NFIELDS; i++) {
            field[i]->len = in->len[i];
            field[i]->data = p;
            p += in->len[i];
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (id == NULL) {
        return NGX_ERROR;
    }

    *idp = id;

    return NGX_OK;
}


void
ngx_http_posthorn_identity_cache_store(ngx_shm_zone_t *shm_zone,
    u_char *digest, ngx_http_posthorn_identity_t *id, time_t lifetime,
    ngx_uint_t epoch)
{
    u_char                             *p;
    size_t                              len;
    ngx_uint_t                          i, tries;
    ngx_queue_t                        *q;
    ngx_str_t                          *field[
                                           NGX_HTTP_POSTHORN_IDENTITY_NFIELDS];
    ngx_http_posthorn_identity_zone_t  *zone;
    ngx_http_posthorn_identity_node_t  *in;

    zone = shm_zone->data;

    ngx_http_posthorn_identity_fields(id, field);

    len = 0;

    for (i = 0; i < NGX_HTTP_POSTHORN_IDENTITY_NFIELDS; i++) {
        if (field[i]->len > 65535) {
            return;
        }

        len += field[i]->len;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (zone->sh->epoch != epoch) {
        goto done;
    }

    in = ngx_http_posthorn_identity_cache_lookup(zone->sh, digest);

    if (in) {
        ngx_http_posthorn_identity_cache_delete(zone, in);
    }

    for (tries = 0; tries < 8; tries++) {

        in = ngx_slab_alloc_locked(zone->shpool,
                         offsetof(ngx_http_posthorn_identity_node_t, data)
                         + len);

        if (in || ngx_queue_empty(&zone->sh->queue)) {
            break;
        }

        q = ngx_queue_last(&zone->sh->queue);
        ngx_http_posthorn_identity_cache_delete(zone,
            ngx_queue_data(q, ngx_http_posthorn_identity_node_t, queue));
    }

    if (in == NULL) {
        goto done;
    }

    ngx_memcpy(&in->node.key, digest, sizeof(ngx_rbtree_key_t));
    ngx_memcpy(in->digest, digest, NGX_HTTP_POSTHORN_IDENTITY_DIGEST);
    ngx_memcpy(in->mailbox_guid, id->mailbox_guid, 16);
    in->rights = id->rights;
    in->expires = ngx_time() + lifetime;

    p = in->data;

    for (i = 0; i < NGX_HTTP_POSTHORN_IDENTITY_NFIELDS; i++) {
        in->len[i] = (uint16_t) field[i]->len;
        p = ngx_cpymem(p, field[i]->data, field[i]->len);
    }

    ngx_rbtree_insert(&zone->sh->rbtree, &in->node);
    ngx_queue_insert_head(&zone->sh->queue, &in->queue);

done:

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_http_posthorn_identity_cache_drop(ngx_shm_zone_t *shm_zone,
    ph_str_t address)
{
    ngx_queue_t                        *q, *next;
    ngx_http_posthorn_identity_zone_t  *zone;
    ngx_http_posthorn_identity_node_t  *in;

    zone = shm_zone->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    zone->sh->epoch++;

    for (q = ngx_queue_head(&zone->sh->queue);
         q != ngx_queue_sentinel(&zone->sh->queue);
         q = next)
    {
        next = ngx_queue_next(q);
        in = ngx_queue_data(q, ngx_http_posthorn_identity_node_t, queue);

        if (address.len == 0
            || (in->len[0] == address.len
                && ngx_strncasecmp(in->data, (u_char *) address.data,
                                   address.len)
                   == 0))
        {
            ngx_http_posthorn_identity_cache_delete(zone, in);
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static void
ngx_http_posthorn_identity_cache_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t                  **p;
    ngx_http_posthorn_identity_node_t   *in, *other;

    for ( ;; ) {

        if (node->key < temp->key) {
            p = &temp->left;

        } else if (node->key > temp->key) {
            p = &temp->right;

        } else {
            in = (ngx_http_posthorn_identity_node_t *) node;
            other = (ngx_http_posthorn_identity_node_t *) temp;

            p = (ngx_memcmp(in->digest, other->digest,
                            NGX_HTTP_POSTHORN_IDENTITY_DIGEST)
                 < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static ngx_http_posthorn_identity_node_t *
ngx_http_posthorn_identity_cache_lookup(ngx_http_posthorn_identity_sh_t *sh,
    u_char *digest)
{
    ngx_int_t                           rc;
    ngx_rbtree_key_t                    key;
    ngx_rbtree_node_t                  *node, *sentinel;
    ngx_http_posthorn_identity_node_t  *in;

    ngx_memcpy(&key, digest, sizeof(ngx_rbtree_key_t));

    node = sh->rbtree.root;
    sentinel = sh->rbtree.sentinel;

    while (node != sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        in = (ngx_http_posthorn_identity_node_t *) node;

        rc = ngx_memcmp(digest, in->digest,
                        NGX_HTTP_POSTHORN_IDENTITY_DIGEST);

        if (rc == 0) {
            return in;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_http_posthorn_identity_cache_delete(
    ngx_http_posthorn_identity_zone_t *zone,
    ngx_http_posthorn_identity_node_t *in)
{
    ngx_queue_remove(&in->queue);
    ngx_rbtree_delete(&zone->sh->rbtree, &in->node);
    ngx_slab_free_locked(zone->shpool, in);
}


static void
ngx_http_posthorn_identity_fields(ngx_http_posthorn_identity_t *id,
    ngx_str_t *field[NGX_HTTP_POSTHORN_IDENTITY_NFIELDS])
{
    field[0] = &id->address;
    field[1] = &id->display_name;
    field[2] = &id->legacy_dn;
    field[3] = &id->domain;
    field[4] = &id->node;
    field[5] = &id->ticket;
}
