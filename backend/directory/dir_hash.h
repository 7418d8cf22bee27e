/*
 * Password hashes: whatever crypt(3) of libxcrypt reads (yescrypt, sha512,
 * bcrypt, ...), and argon2 by libargon2 for hashes that begin with "$argon2".
 * All of it is slow by design: only on threads of the pool.
 */

#ifndef DIR_HASH_H
#define DIR_HASH_H

#include "lib/ph_core.h"
#include "ph_config.h"

#ifdef PH_HAVE_ARGON2
#define DIR_HASH_HAS_ARGON2  1
#else
#define DIR_HASH_HAS_ARGON2  0    /* its hashes are unknown ones */
#endif

#define DIR_HASH_MAX      512
#define DIR_PASSWORD_MAX  512    /* bytes; crypt(3) refuses longer ones */

typedef enum {
    DIR_HASH_YESCRYPT = 0,
    DIR_HASH_SHA512,
    DIR_HASH_BCRYPT,
    DIR_HASH_ARGON2ID
} dir_hash_method_t;

ph_int_t dir_hash_method_parse(const char *name, dir_hash_method_t *method_r);
/* cost 0: the method's default; PH_INVALID when the method refuses it */
ph_int_t dir_hash_make(dir_hash_method_t method, unsigned long cost,
    ph_str_t password, char hash[DIR_HASH_MAX]);
/*
 * PH_OK: right; PH_DENIED: wrong (after the whole derivation); PH_INVALID: the
 * hash has no form that we can verify; PH_NOMEM.
 */
ph_int_t dir_hash_verify(ph_str_t hash, ph_str_t password);
/* false when the hash is of another method or form than new ones */
bool dir_hash_is_method(ph_str_t hash, dir_hash_method_t method);
/* has it the form of a hash that dir_hash_verify() can read */
bool dir_hash_known(ph_str_t hash);
/* what is between the first two "$": "y", "6", "2b", "argon2id"; else "" */
ph_str_t dir_hash_kind(ph_str_t hash);

#endif
