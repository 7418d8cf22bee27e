#include "dir_auth.h"
#include "dir_address.h"
#include "dir_table.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* counters of failures that are kept at the same time */
#define AUTH_THROTTLE_USERS    16384
#define AUTH_THROTTLE_CLIENTS  65536

struct dir_auth_s {
    dir_auth_opts_t    opts;
    dir_db_t          *db;
    ph_log_t          *log;
    _Atomic uint64_t   derivations;
    uint8_t            key[32];    /* of this process; never leaves it */
    char               dummy[DIR_HASH_MAX];    /* for those who do not exist */

    pthread_mutex_t    lock;       /* of what follows */
    uint64_t           epoch;      /* grows with dir_auth_forget() */
    dir_table_t        cache;
    dir_table_t        users;
    dir_table_t        clients;
};

/* the keys of one attempt in the three tables */
typedef struct {
    uint8_t   credentials[DIR_TABLE_KEY];
    uint8_t   user[DIR_TABLE_KEY];
    uint8_t   client[DIR_TABLE_KEY];
    ph_str_t  address;             /* normal form; data NULL: not an address */
} auth_keys_t;


void
dir_wipe(ph_str_t secret)
{
    if (secret.len != 0) {
        explicit_bzero((void *) (uintptr_t) secret.data, secret.len);
    }
}


uint64_t
dir_auth_derivations(const dir_auth_t *auth)
{
    return auth->derivations;
}


ph_int_t
dir_auth_create(const dir_auth_opts_t *opts, dir_db_t *db, ph_log_t *log,
    dir_auth_t **auth_r)
{
    uint8_t      secret[24];
    ph_int_t     rc;
    dir_auth_t  *auth;

    *auth_r = NULL;

    auth = calloc(1, sizeof(*auth));
    if (auth == NULL) {
        return PH_NOMEM;
    }

    auth->opts = *opts;
    auth->db = db;
    auth->log = log;
    auth->epoch = 1;
    pthread_mutex_init(&auth->lock, NULL);
    ph_random(auth->key, sizeof(auth->key));

    if (dir_table_init(&auth->cache, opts->cache_size) != PH_OK
        || dir_table_init(&auth->users, AUTH_THROTTLE_USERS) != PH_OK
        || dir_table_init(&auth->clients, AUTH_THROTTLE_CLIENTS) != PH_OK)
    {
        dir_auth_destroy(&auth);
        return PH_NOMEM;
    }

    /* a password that nobody knows, of bytes that crypt(3) accepts */
    ph_random(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] |= 1;
    }

    rc = dir_hash_make(opts->method, opts->cost,
                       (ph_str_t) { sizeof(secret), secret }, auth->dummy);
    explicit_bzero(secret, sizeof(secret));
    if (rc != PH_OK) {
        dir_auth_destroy(&auth);
        return rc;
    }

    *auth_r = auth;
    return PH_OK;
}


void
dir_auth_destroy(dir_auth_t **authp)
{
    dir_auth_t  *auth = *authp;

    if (auth == NULL) {
        return;
    }

    dir_table_free(&auth->cache);
    dir_table_free(&auth->users);
    dir_table_free(&auth->clients);
    pthread_mutex_destroy(&auth->lock);
    explicit_bzero(auth->key, sizeof(auth->key));
    free(auth);
    *authp = NULL;
}


static void
auth_mac(const dir_auth_t *auth, uint8_t kind, ph_str_t a, ph_str_t b,
    uint8_t out[DIR_TABLE_KEY])
{
    bool         done;
    uint8_t      head[9], digest[DIR_TABLE_KEY];
    uint64_t     n = a.len;
    EVP_MD_CTX  *ctx;

    /* the length keeps ("ab", "c") and ("a", "bc") apart */
    head[0] = kind;
    memcpy(head + 1, &n, sizeof(n));

    ctx = EVP_MD_CTX_new();
    done = ctx != NULL
           && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)
           && EVP_DigestUpdate(ctx, head, sizeof(head))
           && EVP_DigestUpdate(ctx, a.data, a.len)
           && EVP_DigestUpdate(ctx, b.data, b.len)
           && EVP_DigestFinal_ex(ctx, digest, NULL)
           && HMAC(EVP_sha256(), auth->key, sizeof(auth->key), digest,
                   sizeof(digest), out, NULL) != NULL;
    EVP_MD_CTX_free(ctx);
    explicit_bzero(digest, sizeof(digest));

    if (!done) {
        /* a key that nothing is found under */
        ph_random(out, DIR_TABLE_KEY);
    }
}


static ph_int_t
auth_keys(const dir_auth_t *auth, ph_pool_t *pool, const dir_auth_query_t *q,
    auth_keys_t *k)
{
    ph_int_t       rc;
    ph_str_t       name;
    dir_address_t  address;

    rc = dir_address_parse(pool, q->user, &address);

    if (rc == PH_OK) {
        k->address = address.full;
        name = address.full;
    } else if (rc == PH_INVALID) {
        k->address = ph_str_null;
        name = q->user;
    } else {
        return rc;
    }

    auth_mac(auth, 1, name, q->password, k->credentials);
    auth_mac(auth, 2, name, ph_str_null, k->user);
    auth_mac(auth, 3, q->client, ph_str_null, k->client);

    return PH_OK;
}


/* the user id of remembered credentials, or 0; lock held */
static uint32_t
auth_cached(dir_auth_t *auth, const auth_keys_t *k, uint64_t now)
{
    dir_slot_t  *s = dir_table_find(&auth->cache, k->credentials);

    if (s == NULL || now >= s->time + auth->opts.cache_ttl) {
        return 0;
    }

    return s->value;
}


/* lock held */
static bool
auth_throttled(dir_auth_t *auth, const auth_keys_t *k, bool has_client,
    uint64_t now)
{
    const dir_auth_opts_t  *o = &auth->opts;

    if (o->throttle_user != 0
        && dir_table_score(&auth->users, k->user, now, o->throttle_decay)
           > (double) o->throttle_user - 0.5)
    {
        return true;
    }

    return has_client && o->throttle_client != 0
           && dir_table_score(&auth->clients, k->client, now,
                              o->throttle_decay)
              > (double) o->throttle_client - 0.5;
}


ph_int_t
dir_auth_quick(dir_auth_t *auth, ph_pool_t *pool, const dir_auth_query_t *q,
    uint64_t now_ms)
{
    ph_int_t     rc;
    auth_keys_t  k;

    rc = auth_keys(auth, pool, q, &k);
    if (rc != PH_OK) {
        return rc;
    }

    pthread_mutex_lock(&auth->lock);

    if (auth_cached(auth, &k, now_ms) != 0) {
        rc = PH_OK;
    } else if (auth_throttled(auth, &k, q->client.len != 0, now_ms)) {
        rc = PH_BUSY;
    } else {
        rc = PH_AGAIN;
    }

    pthread_mutex_unlock(&auth->lock);

    return rc;
}


ph_int_t
dir_auth_hash(const dir_auth_t *auth, ph_str_t password,
    char hash[DIR_HASH_MAX])
{
    if (password.len == 0) {
        return PH_INVALID;
    }

    return dir_hash_make(auth->opts.method, auth->opts.cost, password, hash);
}


void
dir_auth_forget(dir_auth_t *auth, uint32_t user_id)
{
    size_t  n;

    pthread_mutex_lock(&auth->lock);

    auth->epoch++;
    n = auth->cache.buckets * DIR_TABLE_WAYS;

    for (size_t i = 0; i < n; i++) {
        dir_slot_t  *s = &auth->cache.slots[i];

        if (user_id == 0 || s->value == user_id) {
            explicit_bzero(s, sizeof(*s));
        }
    }

    pthread_mutex_unlock(&auth->lock);
}


static ph_int_t
auth_find(dir_auth_t *auth, ph_pool_t *pool, const auth_keys_t *k,
    uint32_t user_id, dir_row_t *row_r)
{
    ph_int_t     rc;
    dir_conn_t  *conn;

    memset(row_r, 0, sizeof(*row_r));

    if (user_id == 0 && k->address.data == NULL) {
        return PH_NOTFOUND;
    }

    conn = dir_db_read(auth->db);
    if (conn == NULL) {
        return PH_ERROR;
    }

    rc = user_id ? dir_entry_by_id(conn, pool, user_id, row_r)
                 : dir_entry_by_address(conn, pool, k->address, row_r);
    dir_db_read_end(auth->db, &conn);

    return rc;
}


/* why this entry may not log in; NULL when it may */
static const char *
auth_refuses(const dir_row_t *row, uint32_t service)
{
    if (row->e.kind != DIR_KIND_USER) {
        return "kind";
    }
    if (row->e.status != DIR_STATUS_NORMAL) {
        return "suspended";
    }
    if ((row->e.rights & service) != service) {
        return "service";
    }

    return NULL;
}


/* a hash of an older kind gives way to one of the configured kind, now that the
 * password is at hand; that it fails is no reason to refuse the login */
static void
auth_rehash(dir_auth_t *auth, const dir_row_t *row, ph_str_t password)
{
    char           hash[DIR_HASH_MAX];
    ph_int_t       rc;
    dir_conn_t    *conn;
    sqlite3_stmt  *st;

    if (dir_hash_is_method(row->password, auth->opts.method)
        || dir_auth_hash(auth, password, hash) != PH_OK)
    {
        return;
    }

    if (dir_db_write(auth->db, &conn) != PH_OK) {
        return;
    }

    st = dir_stmt(conn, DIR_SQL_user_rehash);
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, row->e.user_id);
        dir_bind_str(st, 2, row->password);
        dir_bind_str(st, 3, ph_str_c(hash));
    }

    rc = dir_stmt_run(conn, st);
    explicit_bzero(hash, sizeof(hash));

    if (rc == PH_OK) {
        (void) dir_db_commit_silently(auth->db, &conn);
    } else {
        dir_db_rollback(auth->db, &conn);
    }
}


static ph_int_t
auth_derive(dir_auth_t *auth, const dir_auth_query_t *q, const dir_row_t *row)
{
    bool      known;
    ph_int_t  rc;
    ph_str_t  hash, password = q->password;

    /* without a hash of his own a user is treated like one who does not exist;
     * a password that cannot be right costs as much as one that could */
    known = row->password.len != 0;
    hash = known ? row->password : ph_str_c(auth->dummy);

    if (password.len > DIR_PASSWORD_MAX || password.len == 0
        || memchr(password.data, '\0', password.len) != NULL)
    {
        known = false;
        password = ph_str_lit("-");
    }

    auth->derivations++;
    rc = dir_hash_verify(hash, password);

    if (rc == PH_INVALID && known) {
        ph_log_write(auth->log, PH_LOG_ERROR, PH2013, q->request_id,
                     "user=%s", ph_log_str(row->e.address));
        (void) dir_hash_verify(ph_str_c(auth->dummy), password);
        rc = PH_DENIED;
    }

    return rc == PH_OK && !known ? PH_DENIED : rc;
}


static void
auth_log(dir_auth_t *auth, const dir_auth_query_t *q, ph_log_level_t level,
    ph_log_code_t code, const char *reason)
{
    ph_log_write(auth->log, level, code, q->request_id,
                 "user=%s client=%s service=0x%x reason=%s",
                 ph_log_str(q->user), ph_log_str(q->client), q->service,
                 reason);
}


ph_int_t
dir_auth_check(dir_auth_t *auth, ph_pool_t *pool, const dir_auth_query_t *q,
    uint64_t now_ms, dir_row_t *row_r)
{
    bool         throttled, wrong;
    uint64_t     epoch;
    uint32_t     user_id;
    ph_int_t     rc, found;
    const char  *reason;
    dir_slot_t  *s;
    auth_keys_t  k;

    memset(row_r, 0, sizeof(*row_r));

    rc = auth_keys(auth, pool, q, &k);
    if (rc != PH_OK) {
        return rc;
    }

    pthread_mutex_lock(&auth->lock);
    epoch = auth->epoch;
    user_id = auth_cached(auth, &k, now_ms);
    throttled = user_id == 0
                && auth_throttled(auth, &k, q->client.len != 0, now_ms);
    pthread_mutex_unlock(&auth->lock);

    if (throttled) {
        auth_log(auth, q, PH_LOG_WARN, PH2012, "throttled");
        return PH_BUSY;
    }

    if (user_id != 0) {
        /* status and rights are read anew each time */
        rc = auth_find(auth, pool, &k, user_id, row_r);
        if (rc == PH_OK) {
            reason = auth_refuses(row_r, q->service);
            if (reason == NULL) {
                return PH_OK;
            }
            auth_log(auth, q, PH_LOG_INFO, PH2011, reason);
            memset(row_r, 0, sizeof(*row_r));
            return PH_DENIED;
        }
        if (rc != PH_NOTFOUND) {
            return rc;
        }
    }

    found = auth_find(auth, pool, &k, 0, row_r);
    if (found != PH_OK && found != PH_NOTFOUND) {
        return found;
    }

    rc = auth_derive(auth, q, row_r);
    if (rc != PH_OK && rc != PH_DENIED) {
        return rc;
    }

    wrong = rc != PH_OK;

    if (!wrong) {
        reason = auth_refuses(row_r, q->service);
        if (reason != NULL) {
            rc = PH_DENIED;
        }
    } else {
        reason = found == PH_OK ? "password" : "unknown";
    }

    pthread_mutex_lock(&auth->lock);

    if (rc == PH_OK) {
        s = dir_table_find(&auth->users, k.user);
        if (s != NULL) {
            memset(s, 0, sizeof(*s));
        }

        /* not when something changed while we derived */
        if (epoch == auth->epoch) {
            s = dir_table_put(&auth->cache, k.credentials);
            if (s != NULL) {
                s->value = row_r->e.user_id;
                s->time = now_ms ? now_ms : 1;
            }
        }
    } else if (wrong) {
        /* who knows the password is no guesser: a program that asks for a
         * service without right must not lock its user out of the others */
        dir_table_add(&auth->users, k.user, now_ms,
                      auth->opts.throttle_decay);
        if (q->client.len != 0) {
            dir_table_add(&auth->clients, k.client, now_ms,
                          auth->opts.throttle_decay);
        }
    }

    pthread_mutex_unlock(&auth->lock);

    if (rc != PH_OK) {
        auth_log(auth, q, PH_LOG_INFO, PH2011, reason);
        memset(row_r, 0, sizeof(*row_r));
        return rc;
    }

    auth_log(auth, q, PH_LOG_INFO, PH2010, "ok");
    auth_rehash(auth, row_r, q->password);

    return PH_OK;
}
