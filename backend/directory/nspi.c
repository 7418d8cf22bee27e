#include "nspi.h"
#include "directory.h"

#include <stdlib.h>

struct nspi_s {
    size_t     max;
    uint64_t   idle;
    ph_log_t  *log;
};


ph_int_t
nspi_create(size_t max, uint64_t idle_ms, ph_log_t *log, nspi_t **nspi_r)
{
    nspi_t  *n = calloc(1, sizeof(*n));

    if (n == NULL) {
        return PH_NOMEM;
    }

    n->max = max;
    n->idle = idle_ms;
    n->log = log;
    *nspi_r = n;

    return PH_OK;
}


void
nspi_destroy(nspi_t **nspi)
{
    free(*nspi);
    *nspi = NULL;
}


void
nspi_expire(nspi_t *nspi, uint64_t now_ms)
{
    (void) nspi;
    (void) now_ms;
}


ph_int_t
dir_op_nspi(dir_job_t *job)
{
    (void) job;
    return PH_NOTFOUND;
}
