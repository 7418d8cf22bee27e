#include "dir_hash.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"

#include <crypt.h>
#include <stdlib.h>
#if DIR_HASH_HAS_ARGON2
#include <argon2.h>
#endif

/* OWASP's and RFC 9106's second recommendation: 64 MiB, three passes */
#define ARGON2_PASSES    3
#define ARGON2_KIB       65536
#define ARGON2_LANES     1
#define ARGON2_LEN       32
#define ARGON2_SALT      16
/* largest memory that a stored hash may ask for */
#define ARGON2_MAX_KIB   (1024 * 1024)

static const struct {
    const char  *name;
    const char  *prefix;
} hash_methods[] = {
    [DIR_HASH_YESCRYPT] = { "yescrypt", "$y$" },
    [DIR_HASH_SHA512]   = { "sha512", "$6$" },
    [DIR_HASH_BCRYPT]   = { "bcrypt", "$2b$" },
    [DIR_HASH_ARGON2ID] = { "argon2id", "$argon2id$" },
};


ph_int_t
dir_hash_method_parse(const char *name, dir_hash_method_t *method_r)
{
    for (size_t i = 0; i < ph_nelts(hash_methods); i++) {
        if (strcmp(hash_methods[i].name, name) == 0) {
            *method_r = (dir_hash_method_t) i;
            return PH_OK;
        }
    }

    return PH_INVALID;
}


bool
dir_hash_is_method(ph_str_t hash, dir_hash_method_t method)
{
    size_t  len = strlen(hash_methods[method].prefix);

    return hash.len > len
           && memcmp(hash.data, hash_methods[method].prefix, len) == 0;
}


ph_str_t
dir_hash_kind(ph_str_t hash)
{
    const uint8_t  *end;

    if (hash.len < 3 || hash.data[0] != '$') {
        return ph_str_lit("");
    }

    end = memchr(hash.data + 1, '$', hash.len - 1);
    if (end == NULL) {
        return ph_str_lit("");
    }

    return (ph_str_t) { (size_t) (end - hash.data - 1), hash.data + 1 };
}


bool
dir_hash_known(ph_str_t hash)
{
    char  copy[DIR_HASH_MAX];

    if (hash.len < 8 || hash.len >= sizeof(copy)
        || memchr(hash.data, '\0', hash.len) != NULL)
    {
        return false;
    }

    if (memcmp(hash.data, "$argon2", 7) == 0) {
        return DIR_HASH_HAS_ARGON2;
    }

    memcpy(copy, hash.data, hash.len);
    copy[hash.len] = '\0';

    switch (crypt_checksalt(copy)) {
    case CRYPT_SALT_OK:
    case CRYPT_SALT_METHOD_LEGACY:
    case CRYPT_SALT_TOO_CHEAP:
        return copy[0] == '$';    /* traditional DES has no place here */
    default:
        return false;
    }
}


static ph_int_t
hash_crypt(ph_str_t setting, ph_str_t password, char out[DIR_HASH_MAX])
{
    int       size = 0;
    char      pass[DIR_PASSWORD_MAX + 1], set[DIR_HASH_MAX], *h;
    void     *data = NULL;
    ph_int_t  rc = PH_INVALID;

    if (password.len > DIR_PASSWORD_MAX || setting.len >= sizeof(set)
        || memchr(password.data, '\0', password.len) != NULL)
    {
        return PH_INVALID;
    }

    memcpy(pass, password.data, password.len);
    pass[password.len] = '\0';
    memcpy(set, setting.data, setting.len);
    set[setting.len] = '\0';

    h = crypt_ra(pass, set, &data, &size);

    if (h != NULL && h[0] != '*' && strlen(h) < DIR_HASH_MAX) {
        memcpy(out, h, strlen(h) + 1);
        rc = PH_OK;
    }

    explicit_bzero(pass, sizeof(pass));
    if (data != NULL) {
        explicit_bzero(data, (size_t) size);
        free(data);
    }

    return rc;
}


#if DIR_HASH_HAS_ARGON2

static ph_int_t
argon2_make(unsigned long cost, ph_str_t password, char hash[DIR_HASH_MAX])
{
    uint8_t  salt[ARGON2_SALT];

    ph_random(salt, sizeof(salt));

    if (argon2id_hash_encoded(cost ? (uint32_t) cost : ARGON2_PASSES,
                              ARGON2_KIB, ARGON2_LANES, password.data,
                              password.len, salt, sizeof(salt), ARGON2_LEN,
                              hash, DIR_HASH_MAX) != ARGON2_OK)
    {
        return PH_INVALID;
    }

    return PH_OK;
}


/* "$argon2id$v=19$m=65536,t=3,p=1$...": a hash from outside may not ask for
 * more memory or time than we would give */
static bool
argon2_affordable(const char *hash)
{
    char           *end;
    const char     *p;
    unsigned long   m, t;

    p = strstr(hash, "$m=");
    if (p == NULL) {
        return false;
    }

    m = strtoul(p + 3, &end, 10);
    if (strncmp(end, ",t=", 3) != 0) {
        return false;
    }
    t = strtoul(end + 3, &end, 10);

    return m <= ARGON2_MAX_KIB && t <= 64;
}


static ph_int_t
hash_argon2(ph_str_t hash, ph_str_t password)
{
    int          rc;
    char         copy[DIR_HASH_MAX];
    argon2_type  type;

    memcpy(copy, hash.data, hash.len);
    copy[hash.len] = '\0';

    if (strncmp(copy, "$argon2id$", 10) == 0) {
        type = Argon2_id;
    } else if (strncmp(copy, "$argon2i$", 9) == 0) {
        type = Argon2_i;
    } else if (strncmp(copy, "$argon2d$", 9) == 0) {
        type = Argon2_d;
    } else {
        return PH_INVALID;
    }

    if (!argon2_affordable(copy)) {
        return PH_INVALID;
    }

    rc = argon2_verify(copy, password.data, password.len, type);

    switch (rc) {
    case ARGON2_OK:
        return PH_OK;
    case ARGON2_VERIFY_MISMATCH:
        return PH_DENIED;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
        return PH_NOMEM;
    default:
        return PH_INVALID;
    }
}

#else

static ph_int_t
argon2_make(unsigned long cost, ph_str_t password, char hash[DIR_HASH_MAX])
{
    (void) cost;
    (void) password;
    (void) hash;

    return PH_INVALID;
}


static ph_int_t
hash_argon2(ph_str_t hash, ph_str_t password)
{
    (void) hash;
    (void) password;

    return PH_INVALID;
}

#endif


ph_int_t
dir_hash_make(dir_hash_method_t method, unsigned long cost, ph_str_t password,
    char hash[DIR_HASH_MAX])
{
    char     *setting;
    ph_int_t  rc;

    if (password.len > DIR_PASSWORD_MAX
        || memchr(password.data, '\0', password.len) != NULL)
    {
        return PH_INVALID;
    }

    if (method == DIR_HASH_ARGON2ID) {
        return argon2_make(cost, password, hash);
    }

    setting = crypt_gensalt_ra(hash_methods[method].prefix, cost, NULL, 0);
    if (setting == NULL) {
        return PH_INVALID;
    }

    rc = hash_crypt(ph_str_c(setting), password, hash);
    free(setting);

    return rc;
}


ph_int_t
dir_hash_verify(ph_str_t hash, ph_str_t password)
{
    char      out[DIR_HASH_MAX];
    ph_int_t  rc;

    if (!dir_hash_known(hash) || password.len > DIR_PASSWORD_MAX) {
        return PH_INVALID;
    }

    if (memcmp(hash.data, "$argon2", 7) == 0) {
        return hash_argon2(hash, password);
    }

    rc = hash_crypt(hash, password, out);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ph_str_secret_eq(hash, ph_str_c(out)) ? PH_OK : PH_DENIED;
    explicit_bzero(out, sizeof(out));

    return rc;
}
