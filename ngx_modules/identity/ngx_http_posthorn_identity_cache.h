/*
 * Verified identities in shared memory.  The key is HMAC-SHA256 of user,
 * password and service with a random key of the zone; a password is never
 * stored, and neither is a failure (the directory throttles those).
 */


#ifndef _NGX_HTTP_POSTHORN_IDENTITY_CACHE_H_INCLUDED_
#define _NGX_HTTP_POSTHORN_IDENTITY_CACHE_H_INCLUDED_


#include "common/ngx_http_posthorn.h"


#define NGX_HTTP_POSTHORN_IDENTITY_DIGEST  32


ngx_shm_zone_t *ngx_http_posthorn_identity_cache_add(ngx_conf_t *cf,
    ngx_str_t *name, size_t size, void *tag);

ngx_int_t ngx_http_posthorn_identity_cache_key(ngx_shm_zone_t *zone,
    ph_str_t user, ph_str_t password, uint32_t service,
    u_char digest[NGX_HTTP_POSTHORN_IDENTITY_DIGEST]);

/*
 * NGX_OK: *id is in pool; NGX_DECLINED: not there, and *epoch is to be given
 * to _store(), which drops what was asked for before the last change.
 */
ngx_int_t ngx_http_posthorn_identity_cache_find(ngx_shm_zone_t *zone,
    u_char *digest, ngx_pool_t *pool, ngx_http_posthorn_identity_t **id,
    ngx_uint_t *epoch);

void ngx_http_posthorn_identity_cache_store(ngx_shm_zone_t *zone,
    u_char *digest, ngx_http_posthorn_identity_t *id, time_t lifetime,
    ngx_uint_t epoch);

/* an empty address: everything */
void ngx_http_posthorn_identity_cache_drop(ngx_shm_zone_t *zone,
    ph_str_t address);


#endif /* _NGX_HTTP_POSTHORN_IDENTITY_CACHE_H_INCLUDED_ */
