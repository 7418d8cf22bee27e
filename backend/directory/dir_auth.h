/*
 * Who may log in.  Key derivations are expensive, so credentials that were
 * found right are remembered under a keyed hash, and failures are counted per
 * user and per client address.  An unknown user, a wrong password, a suspended
 * user and a service without right cost one derivation each and give the same
 * answer.
 *
 * Thread-safe; everything but dir_auth_quick() may block for long.
 */

#ifndef DIR_AUTH_H
#define DIR_AUTH_H

#include "dir_db.h"
#include "dir_entry.h"
#include "dir_hash.h"

typedef struct dir_auth_s  dir_auth_t;

typedef struct {
    dir_hash_method_t  method;            /* of new hashes */
    unsigned long      cost;              /* 0: default */
    size_t             cache_size;        /* credentials; 0: no cache */
    uint64_t           cache_ttl;         /* ms */
    uint32_t           throttle_user;     /* failures; 0: never */
    uint32_t           throttle_client;
    uint64_t           throttle_decay;    /* ms until half is forgotten */
} dir_auth_opts_t;

typedef struct {
    ph_str_t  user;          /* address or alias, as the client gave it */
    ph_str_t  password;
    uint32_t  service;       /* PH_RIGHT_* bits that are all needed */
    ph_str_t  client;        /* address, for throttling and log; may be "" */
    ph_str_t  request_id;
} dir_auth_query_t;

ph_int_t dir_auth_create(const dir_auth_opts_t *opts, dir_db_t *db,
    ph_log_t *log, dir_auth_t **auth_r);
void dir_auth_destroy(dir_auth_t **auth);

/*
 * What is known without a derivation.  PH_OK: dir_auth_check() will be quick;
 * PH_AGAIN: it will derive a key; PH_BUSY: throttled, say so at once.
 */
ph_int_t dir_auth_quick(dir_auth_t *auth, ph_pool_t *pool,
    const dir_auth_query_t *q, uint64_t now_ms);

/*
 * PH_OK and the entry; PH_DENIED for everything that is wrong with the client;
 * PH_BUSY: throttled; PH_ERROR and others when the database fails.
 */
ph_int_t dir_auth_check(dir_auth_t *auth, ph_pool_t *pool,
    const dir_auth_query_t *q, uint64_t now_ms, dir_row_t *row_r);

/* Forgets the remembered credentials of a user; of all with 0. To be called
 * after the change has been committed. */
void dir_auth_forget(dir_auth_t *auth, uint32_t user_id);

/* A hash by the configured method. PH_INVALID: empty, too long, has a NUL. */
ph_int_t dir_auth_hash(const dir_auth_t *auth, ph_str_t password,
    char hash[DIR_HASH_MAX]);

/* how many derivations there have been */
uint64_t dir_auth_derivations(const dir_auth_t *auth);

/* overwrites a secret; the bytes must be writable memory in spite of the
 * type */
void dir_wipe(ph_str_t secret);

#endif
