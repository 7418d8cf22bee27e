/*
 * A pool is a chain of blocks, the first of which also holds the pool itself,
 * and a list of large allocations that each have memory of their own, so that a
 * buffer which grows gives its old memory back.
 *
 * Under AddressSanitizer what a block has not handed out is poisoned, and fresh
 * memory is filled, so that errors inside a pool are found like those outside.
 */

#include "ph_pool.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define PH_POOL_ASAN  1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PH_POOL_ASAN  1
#endif
#endif

#ifdef PH_POOL_ASAN
#include <sanitizer/asan_interface.h>
#define ph_pool_poison(p, n)    __asan_poison_memory_region((p), (n))
#define ph_pool_unpoison(p, n)  __asan_unpoison_memory_region((p), (n))
#define ph_pool_fill(p, n)      memset((p), 0xa5, (n))
#else
#define ph_pool_poison(p, n)    ((void) 0)
#define ph_pool_unpoison(p, n)  ((void) 0)
#define ph_pool_fill(p, n)      ((void) 0)
#endif

#define PH_POOL_ALIGN        16
#define PH_POOL_FIRST        1024          /* with the pool's own fields     */
#define PH_POOL_BLOCK_MAX    (64u << 10)
#define PH_POOL_LARGE        4096          /* above it: memory of its own    */

#define ph_pool_round(n)                                                       \
    (((n) + PH_POOL_ALIGN - 1) & ~(size_t) (PH_POOL_ALIGN - 1))

typedef struct ph_pool_block_s    ph_pool_block_t;
typedef struct ph_pool_large_s    ph_pool_large_t;
typedef struct ph_pool_cleanup_s  ph_pool_cleanup_t;

struct ph_pool_block_s {
    ph_pool_block_t  *next;
    size_t            size;      /* with this header */
};

struct ph_pool_large_s {
    ph_pool_large_t  *prev;
    ph_pool_large_t  *next;
    size_t            size;
    ph_pool_t        *pool;
};

struct ph_pool_cleanup_s {
    ph_pool_cleanup_t   *next;
    ph_pool_cleanup_pt   fn;
    void                *data;
};

struct ph_pool_s {
    uint8_t            *pos;       /* free space of the newest block */
    uint8_t            *end;
    ph_pool_block_t    *blocks;  /* newest first; the first block is not here */
    ph_pool_large_t    *large;
    ph_pool_cleanup_t  *cleanups;
    size_t              used;
    size_t              limit;
    size_t              next_size;
    const char         *name;
};

#define PH_POOL_HEAD         ph_pool_round(sizeof(ph_pool_t))
#define PH_POOL_BLOCK_HEAD   ph_pool_round(sizeof(ph_pool_block_t))
#define PH_POOL_LARGE_HEAD   ph_pool_round(sizeof(ph_pool_large_t))

static bool
ph_pool_faulty(size_t size)
{
    return ph_pool_fault != NULL && ph_pool_fault(size);
}

void *
ph_malloc(size_t size)
{
    return ph_pool_faulty(size) ? NULL : malloc(size);
}

void *
ph_calloc(size_t n, size_t size)
{
    return ph_pool_faulty(size) ? NULL : calloc(n, size);
}

void *
ph_realloc(void *p, size_t size)
{
    return ph_pool_faulty(size) ? NULL : realloc(p, size);
}

ph_pool_t *
ph_pool_create(const char *name, size_t limit)
{
    ph_pool_t  *pool;

    pool = ph_malloc(PH_POOL_FIRST);
    if (pool == NULL) {
        return NULL;
    }

    memset(pool, 0, sizeof(*pool));

    pool->pos = (uint8_t *) pool + PH_POOL_HEAD;
    pool->end = (uint8_t *) pool + PH_POOL_FIRST;
    pool->limit = limit != 0 ? limit : PH_POOL_DEFAULT_LIMIT;
    pool->next_size = 2 * PH_POOL_FIRST;
    pool->name = name;

    ph_pool_poison(pool->pos, (size_t) (pool->end - pool->pos));

    return pool;
}

void
ph_pool_reset(ph_pool_t *pool)
{
    ph_pool_block_t    *block;
    ph_pool_large_t    *large;
    ph_pool_cleanup_t  *cleanup;

    /* a cleanup may still use everything in the pool, and add another */

    while ((cleanup = pool->cleanups) != NULL) {
        pool->cleanups = cleanup->next;
        cleanup->fn(cleanup->data);
    }

    while ((large = pool->large) != NULL) {
        pool->large = large->next;
        free(large);
    }

    while ((block = pool->blocks) != NULL) {
        pool->blocks = block->next;
        ph_pool_unpoison(block, block->size);
        free(block);
    }

    pool->pos = (uint8_t *) pool + PH_POOL_HEAD;
    pool->end = (uint8_t *) pool + PH_POOL_FIRST;
    pool->used = 0;
    pool->next_size = 2 * PH_POOL_FIRST;

    ph_pool_poison(pool->pos, (size_t) (pool->end - pool->pos));
}

void
ph_pool_destroy(ph_pool_t **pool)
{
    ph_pool_t  *p;

    p = *pool;
    if (p == NULL) {
        return;
    }

    *pool = NULL;

    ph_pool_reset(p);
    ph_pool_unpoison(p, PH_POOL_FIRST);
    free(p);
}

static bool
ph_pool_charge(ph_pool_t *pool, size_t size)
{
    if (size > pool->limit || pool->used > pool->limit - size) {
        return false;
    }

    pool->used += size;

    return true;
}

static void *
ph_pool_large(ph_pool_t *pool, size_t size)
{
    size_t            total;
    ph_pool_large_t  *large;

    if (ph_add_overflow(size, PH_POOL_LARGE_HEAD, &total)
        || !ph_pool_charge(pool, size))
    {
        return NULL;
    }

    large = ph_malloc(total);
    if (large == NULL) {
        pool->used -= size;
        return NULL;
    }

    large->prev = NULL;
    large->next = pool->large;
    large->size = size;
    large->pool = pool;

    if (pool->large != NULL) {
        pool->large->prev = large;
    }

    pool->large = large;

    return (uint8_t *) large + PH_POOL_LARGE_HEAD;
}

static bool
ph_pool_grow(ph_pool_t *pool, size_t need)
{
    size_t            size;
    ph_pool_block_t  *block;

    size = ph_max(pool->next_size, need + PH_POOL_BLOCK_HEAD);

    block = ph_malloc(size);
    if (block == NULL) {
        return false;
    }

    block->next = pool->blocks;
    block->size = size;
    pool->blocks = block;

    pool->pos = (uint8_t *) block + PH_POOL_BLOCK_HEAD;
    pool->end = (uint8_t *) block + size;

    if (pool->next_size < PH_POOL_BLOCK_MAX) {
        pool->next_size *= 2;
    }

    ph_pool_poison(pool->pos, (size_t) (pool->end - pool->pos));

    return true;
}

void *
ph_palloc(ph_pool_t *pool, size_t size)
{
    void    *p;
    size_t   need;

    if (size > PH_POOL_LARGE) {
        p = ph_pool_large(pool, size);

        if (p != NULL) {
            ph_pool_fill(p, size);
        }

        return p;
    }

    need = size != 0 ? ph_pool_round(size) : PH_POOL_ALIGN;

    if (!ph_pool_charge(pool, need)) {
        return NULL;
    }

    if (need > (size_t) (pool->end - pool->pos) && !ph_pool_grow(pool, need)) {
        pool->used -= need;
        return NULL;
    }

    p = pool->pos;
    pool->pos += need;

    ph_pool_unpoison(p, size);
    ph_pool_fill(p, size);

    return p;
}

void *
ph_pcalloc(ph_pool_t *pool, size_t size)
{
    void  *p;

    p = ph_palloc(pool, size);

    if (p != NULL) {
        memset(p, 0, size);
    }

    return p;
}

void *
ph_pcalloc_array(ph_pool_t *pool, size_t n, size_t size)
{
    size_t  total;

    if (ph_mul_overflow(n, size, &total)) {
        return NULL;
    }

    return ph_pcalloc(pool, total);
}

static void
ph_pool_unlink(ph_pool_t *pool, ph_pool_large_t *large)
{
    if (large->prev != NULL) {
        large->prev->next = large->next;

    } else {
        pool->large = large->next;
    }

    if (large->next != NULL) {
        large->next->prev = large->prev;
    }
}

static void *
ph_pool_large_grow(ph_pool_t *pool, ph_pool_large_t *large, size_t size)
{
    size_t            total, more;
    ph_pool_large_t  *moved;

    more = size - large->size;

    if (ph_add_overflow(size, PH_POOL_LARGE_HEAD, &total)
        || !ph_pool_charge(pool, more))
    {
        return NULL;
    }

    moved = ph_realloc(large, total);
    if (moved == NULL) {
        pool->used -= more;
        return NULL;
    }

    moved->size = size;

    if (moved->prev != NULL) {
        moved->prev->next = moved;

    } else {
        pool->large = moved;
    }

    if (moved->next != NULL) {
        moved->next->prev = moved;
    }

    return (uint8_t *) moved + PH_POOL_LARGE_HEAD;
}

void *
ph_prealloc(ph_pool_t *pool, void *old, size_t old_size, size_t size)
{
    void             *p;
    size_t            have, need;
    ph_pool_large_t  *large;

    if (old == NULL) {
        return ph_palloc(pool, size);
    }

    if (old_size > PH_POOL_LARGE) {
        large = (void *) ((uint8_t *) old - PH_POOL_LARGE_HEAD);

        if (size <= large->size) {
            return old;
        }

        return ph_pool_large_grow(pool, large, size);
    }

    if (size <= old_size) {
        return old;
    }

    have = old_size != 0 ? ph_pool_round(old_size) : PH_POOL_ALIGN;

    if (size <= PH_POOL_LARGE) {
        need = ph_pool_round(size) - have;

        if ((uint8_t *) old + have == pool->pos
            && need <= (size_t) (pool->end - pool->pos))
        {
            /* the newest allocation of its block grows in place */

            if (!ph_pool_charge(pool, need)) {
                return NULL;
            }

            pool->pos += need;
            ph_pool_unpoison(old, size);

            return old;
        }
    }

    p = ph_palloc(pool, size);
    if (p == NULL) {
        return NULL;
    }

    memcpy(p, old, old_size);

    if ((uint8_t *) old + have == pool->pos) {
        pool->pos -= have;
        pool->used -= have;
        ph_pool_poison(pool->pos, have);
    }

    return p;
}

void
ph_pfree(ph_pool_t *pool, void *p, size_t size)
{
    size_t            have;
    ph_pool_large_t  *large;

    if (p == NULL) {
        return;
    }

    if (size > PH_POOL_LARGE) {
        large = (void *) ((uint8_t *) p - PH_POOL_LARGE_HEAD);

        ph_pool_unlink(pool, large);
        pool->used -= large->size;
        free(large);

        return;
    }

    have = size != 0 ? ph_pool_round(size) : PH_POOL_ALIGN;

    if ((uint8_t *) p + have == pool->pos) {
        pool->pos -= have;
        pool->used -= have;
        ph_pool_poison(pool->pos, have);
    }
}

ph_str_t
ph_pstrdup(ph_pool_t *pool, ph_str_t s)
{
    uint8_t  *p;
    size_t    size;

    if (ph_add_overflow(s.len, (size_t) 1, &size)) {
        return ph_str_null;
    }

    p = ph_palloc(pool, size);
    if (p == NULL) {
        return ph_str_null;
    }

    if (s.len != 0) {
        memcpy(p, s.data, s.len);
    }

    p[s.len] = '\0';

    return (ph_str_t) { s.len, p };
}

char *
ph_pcstr(ph_pool_t *pool, const char *s)
{
    size_t   size;
    char    *p;

    size = strlen(s) + 1;

    p = ph_palloc(pool, size);

    if (p != NULL) {
        memcpy(p, s, size);
    }

    return p;
}

char *
ph_psprintf(ph_pool_t *pool, const char *fmt, ...)
{
    int       n;
    char     *p;
    va_list   args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (n < 0) {
        return NULL;
    }

    p = ph_palloc(pool, (size_t) n + 1);
    if (p == NULL) {
        return NULL;
    }

    va_start(args, fmt);
    (void) vsnprintf(p, (size_t) n + 1, fmt, args);
    va_end(args);

    return p;
}

ph_int_t
ph_pool_cleanup_add(ph_pool_t *pool, ph_pool_cleanup_pt fn, void *data)
{
    ph_pool_cleanup_t  *cleanup;

    cleanup = ph_palloc(pool, sizeof(*cleanup));
    if (cleanup == NULL) {
        return PH_NOMEM;
    }

    cleanup->fn = fn;
    cleanup->data = data;
    cleanup->next = pool->cleanups;
    pool->cleanups = cleanup;

    return PH_OK;
}

size_t
ph_pool_used(const ph_pool_t *pool)
{
    return pool->used;
}

const char *
ph_pool_name(const ph_pool_t *pool)
{
    return pool->name;
}
