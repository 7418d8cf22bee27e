/* ph_pool: limits, growth, large memory, cleanups, failing allocations. */

#include "lib/ph_pool.h"
#include "tap.h"

#include <stdlib.h>

static long  fail_in = -1;         /* allocations until one fails; -1 never */

bool
ph_pool_fault(size_t size)
{
    (void) size;

    return fail_in >= 0 && fail_in-- == 0;
}

static char    order[8];
static size_t  order_len;

static void
note(void *data)
{
    order[order_len++] = *(char *) data;
}

static void
test_basics(void)
{
    int         i, bad;
    char       *p;
    ph_str_t    s;
    ph_pool_t  *pool;

    pool = ph_pool_create("test", 0);
    ok(pool != NULL, "created");
    ok(strcmp(ph_pool_name(pool), "test") == 0, "name");
    ok(ph_pool_used(pool) == 0, "nothing used");
    ok(ph_palloc(pool, 0) != NULL, "size 0 gives a pointer");

    for (i = 0, bad = 0; i < 3000; i++) {
        p = ph_palloc(pool, (size_t) i);

        if (p == NULL || (uintptr_t) p % 16 != 0) {
            bad++;

        } else {
            memset(p, 0xff, (size_t) i);
        }
    }

    ok(bad == 0, "3000 sizes are aligned and writable");

    p = ph_pcalloc(pool, 5000);
    for (i = 0, bad = 0; i < 5000; i++) {
        bad += p[i] != 0;
    }

    ok(bad == 0, "ph_pcalloc zeroes");
    ok(ph_pcalloc_array(pool, SIZE_MAX / 2, 3) == NULL, "product overflows");
    ok(ph_palloc(pool, SIZE_MAX) == NULL, "SIZE_MAX is refused");
    ok(ph_palloc(pool, SIZE_MAX - 40) == NULL, "almost SIZE_MAX is refused");

    s = ph_pstrdup(pool, (ph_str_t) { 3, (const uint8_t *) "abcdef" });
    ok(s.len == 3 && memcmp(s.data, "abc", 4) == 0, "ph_pstrdup ends in NUL");
    s = ph_pstrdup(pool, ph_str_null);
    ok(s.len == 0 && s.data != NULL, "an empty string has data");
    ok(strcmp(ph_psprintf(pool, "%d-%s", 7, "x"), "7-x") == 0, "ph_psprintf");
    ok(strcmp(ph_pcstr(pool, "hello"), "hello") == 0, "ph_pcstr");

    ph_pool_reset(pool);
    ok(ph_pool_used(pool) == 0, "reset");
    ok(ph_palloc(pool, 900) != NULL, "usable after reset");

    ph_pool_destroy(&pool);
    ok(pool == NULL, "destroy clears the pointer");
    ph_pool_destroy(&pool);
}

static void
test_limit(void)
{
    size_t      n;
    ph_pool_t  *pool;

    pool = ph_pool_create("limit", 10000);

    ok(ph_palloc(pool, 10001) == NULL, "beyond the limit");
    ok(ph_palloc(pool, 10000) != NULL, "the limit itself");
    ok(ph_palloc(pool, 1) == NULL, "nothing left");
    ph_pool_reset(pool);

    for (n = 0; ph_palloc(pool, 100) != NULL; n++) { /* void */ }

    ok(n == 10000 / 112, "small ones count with their rounding");
    ok(ph_pool_used(pool) <= 10000, "used stays under the limit");

    ph_pool_destroy(&pool);
}

static void
test_realloc(void)
{
    size_t      i, bad, size;
    uint8_t    *p, *q;
    ph_pool_t  *pool;

    pool = ph_pool_create("realloc", 3u << 20);

    p = ph_prealloc(pool, NULL, 0, 16);
    memset(p, 7, 16);
    q = ph_prealloc(pool, p, 16, 64);
    ok(q == p, "the newest allocation grows in place");

    (void) ph_palloc(pool, 8);
    q = ph_prealloc(pool, p, 64, 128);
    ok(q != p && q[0] == 7 && q[15] == 7, "an older one moves");

    /* 2 MiB by doubling only fit in 3 MiB when old memory is returned */

    size = 128;
    p = q;
    memset(p, 9, 128);

    while (size < (2u << 20)) {
        q = ph_prealloc(pool, p, size, 2 * size);
        if (q == NULL) {
            break;
        }

        memset(q + size, 9, size);
        p = q;
        size *= 2;
    }

    for (i = 0, bad = 0; i < size; i++) {
        bad += p[i] != 9;
    }

    ok(size == (2u << 20) && bad == 0, "grows to 2 MiB and keeps its bytes");
    ok(ph_prealloc(pool, p, size, 4u << 20) == NULL, "the limit holds");
    ok(p[0] == 9, "the old memory stays");

    size = ph_pool_used(pool);
    q = ph_palloc(pool, 100000);
    ph_pfree(pool, q, 100000);
    ok(ph_pool_used(pool) == size, "ph_pfree of a large one");
    ph_pfree(pool, p, 2u << 20);
    ok(ph_pool_used(pool) < 8192, "ph_pfree of a grown one");

    ph_pool_destroy(&pool);
}

static void
test_cleanups(void)
{
    ph_pool_t  *pool;

    pool = ph_pool_create("cleanup", 0);
    ok(ph_pool_cleanup_add(pool, note, "a") == PH_OK
       && ph_pool_cleanup_add(pool, note, "b") == PH_OK
       && ph_pool_cleanup_add(pool, note, "c") == PH_OK, "added");
    ph_pool_destroy(&pool);
    ok(order_len == 3 && memcmp(order, "cba", 3) == 0, "reverse order, once");
}

static ph_int_t
work(void)
{
    char       *p;
    ph_int_t    rc;
    ph_pool_t  *pool;

    pool = ph_pool_create("fault", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    rc = PH_NOMEM;
    p = ph_palloc(pool, 2000);

    if (p != NULL && ph_palloc(pool, 4000) != NULL
        && (p = ph_palloc(pool, 5000)) != NULL
        && (p = ph_prealloc(pool, p, 5000, 9000)) != NULL
        && ph_psprintf(pool, "%8000d", 1) != NULL)
    {
        rc = PH_OK;
    }

    ph_pool_destroy(&pool);

    return rc;
}

static void
test_faults(void)
{
    long  n;

    for (n = 0; n < 100; n++) {
        fail_in = n;

        if (work() == PH_OK) {
            break;
        }
    }

    fail_in = -1;

    ok(n == 6, "each of 6 allocations may fail, found %ld", n);
}

int
main(void)
{
    test_basics();
    test_limit();
    test_realloc();
    test_cleanups();
    test_faults();

    return done_testing();
}
