#include "ph_daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* from 1601-01-01 to 1970-01-01, in 100 ns */
#define PH_FILETIME_EPOCH  UINT64_C(116444736000000000)

uint64_t
ph_now_ms(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

uint64_t
ph_now_filetime(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 10000000 + (uint64_t) ts.tv_nsec / 100
           + PH_FILETIME_EPOCH;
}

void
ph_random(void *out, size_t len)
{
    ssize_t   n;
    uint8_t  *p;

    for (p = out; len != 0; ) {
        n = getrandom(p, ph_min(len, (size_t) 256), 0);

        if (n > 0) {
            p += n;
            len -= (size_t) n;

        } else if (errno != EINTR) {
            abort();        /* no key may come from anything weaker */
        }
    }
}
