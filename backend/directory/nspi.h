/*
 * The address book of MAPI/HTTP clients (MS-OXNSPI by MS-OXCMAPIHTTP 2.2.5):
 * sessions, and the nineteen request types on top of the user database.
 */

#ifndef NSPI_H
#define NSPI_H

#include "lib/ph_core.h"
#include "lib/ph_log.h"

typedef struct nspi_s  nspi_t;

/* max sessions; each ends idle_ms after its last request.  Thread-safe. */
ph_int_t nspi_create(size_t max, uint64_t idle_ms, ph_log_t *log,
    nspi_t **nspi_r);
void nspi_destroy(nspi_t **nspi);
/* Ends the sessions that have been idle for too long. */
void nspi_expire(nspi_t *nspi, uint64_t now_ms);

#endif
