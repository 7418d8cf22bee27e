/*
 * Memory pools.  A pool lives exactly as long as the request, object or
 * connection that it serves, and everything in it dies with it.  A pool has a
 * limit in bytes; reaching it is PH_NOMEM for that owner alone.
 */

#ifndef PH_POOL_H
#define PH_POOL_H

#include "ph_core.h"

#define PH_POOL_DEFAULT_LIMIT  (64u << 20)

typedef void (*ph_pool_cleanup_pt)(void *data);

/*
 * Creates a pool.  name is a literal that logs and metrics show; limit is the
 * largest sum of bytes it hands out (0 = PH_POOL_DEFAULT_LIMIT).  The first
 * block is small (1 KiB) and blocks grow, so that an idle object costs little.
 * NULL when memory is exhausted.
 */
ph_pool_t *ph_pool_create(const char *name, size_t limit);

/* Runs the cleanups in reverse order, frees everything, sets *pool to NULL. */
void ph_pool_destroy(ph_pool_t **pool);

/* Frees everything but the first block; cleanups run. */
void ph_pool_reset(ph_pool_t *pool);

/* NULL when the limit is reached or memory is exhausted; aligned for any type.
 * ph_pcalloc zeroes. size 0 gives a valid pointer. */
void *ph_palloc(ph_pool_t *pool, size_t size);
void *ph_pcalloc(ph_pool_t *pool, size_t size);
/* n elements of size bytes, zeroed; NULL also when the product overflows */
void *ph_pcalloc_array(ph_pool_t *pool, size_t n, size_t size);
/*
 * Grows an allocation of old_size bytes (the size that it was asked for with)
 * and keeps its content; large ones (> 4 KiB) are grown in place or moved and
 * the old memory is returned.  old may be NULL with old_size 0.  NULL: out of
 * memory or limit, old stays valid.
 */
void *ph_prealloc(ph_pool_t *pool, void *old, size_t old_size, size_t size);

/*
 * Gives a large allocation (> 4 KiB) or the newest small one back before the
 * pool's end; any other call is allowed and does nothing.  p may be NULL.
 */
void ph_pfree(ph_pool_t *pool, void *p, size_t size);

/* Copies with a terminating NUL that is not counted. data NULL on failure
 * (an empty string gives data != NULL). */
ph_str_t ph_pstrdup(ph_pool_t *pool, ph_str_t s);
char *ph_pcstr(ph_pool_t *pool, const char *s);
char *ph_psprintf(ph_pool_t *pool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

ph_int_t ph_pool_cleanup_add(ph_pool_t *pool, ph_pool_cleanup_pt fn,
    void *data);

size_t ph_pool_used(const ph_pool_t *pool);
const char *ph_pool_name(const ph_pool_t *pool);

/*
 * malloc(3), calloc(3) and realloc(3) for what has no pool; freed by free(3).
 * They differ only in asking ph_pool_fault().
 */
void *ph_malloc(size_t size);
void *ph_calloc(size_t n, size_t size);
void *ph_realloc(void *p, size_t size);

/*
 * For tests of what happens without memory: a program that defines this
 * function is asked before each block; true makes that allocation fail.
 */
bool ph_pool_fault(size_t size) __attribute__((weak));

#endif
