/*
 * Session contexts of the address book endpoint (MS-OXCMAPIHTTP 3.2.5): random
 * ids bound to a user, with the sequence that the next request has to show.
 * Bounded: the one that was unused for longest makes room.  Thread-safe.
 */

#ifndef NSPI_SESSIONS_H
#define NSPI_SESSIONS_H

#include "lib/ph_core.h"

typedef struct nspi_sessions_s  nspi_sessions_t;

nspi_sessions_t *nspi_sessions_create(size_t max, uint64_t idle_ms);
void nspi_sessions_destroy(nspi_sessions_t **sessions);
void nspi_sessions_expire(nspi_sessions_t *sessions, uint64_t now_ms);
size_t nspi_sessions_count(nspi_sessions_t *sessions);

ph_int_t nspi_session_begin(nspi_sessions_t *sessions, ph_str_t user,
    uint64_t now_ms, uint8_t id_r[16], const uint8_t sequence[16]);
/*
 * Takes a request in: sequence is what the client showed (zero: nothing, not
 * checked), next what it has to show then (NULL: as before).  The sequence
 * before is good too: a client whose connection broke sends its request again.
 * PH_NOTFOUND: no such session of this user; PH_CONFLICT: wrong sequence.
 */
ph_int_t nspi_session_use(nspi_sessions_t *sessions, const uint8_t id[16],
    ph_str_t user, uint64_t now_ms, const uint8_t sequence[16],
    const uint8_t *next);
void nspi_session_end(nspi_sessions_t *sessions, const uint8_t id[16],
    ph_str_t user);

#endif
