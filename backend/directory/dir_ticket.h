/*
 * The keys that sign tickets: kept in a file (0600) in the state folder, so
 * that tickets outlive a restart; a new one takes over when the newest is too
 * old, and old ones stay until the last ticket that they signed has died.
 * Thread-safe.
 */

#ifndef DIR_TICKET_H
#define DIR_TICKET_H

#include "lib/ph_core.h"
#include "lib/ph_log.h"
#include "lib/ph_ticket.h"

#define DIR_TICKET_FILE  "ticket.keys"

typedef struct dir_tickets_s  dir_tickets_t;

typedef struct {
    uint64_t  key_lifetime;        /* seconds until the next key */
    uint64_t  ticket_lifetime;     /* seconds; of users' tickets */
    uint64_t  service_lifetime;    /* seconds; of the others */
} dir_ticket_opts_t;

/* Reads the file, or begins a new one.  PH_CORRUPT: it is damaged; PH_DENIED:
 * others than its owner can read it; PH_ERROR.  now in Unix seconds. */
ph_int_t dir_tickets_open(const char *state_dir, const dir_ticket_opts_t *opts,
    ph_log_t *log, uint64_t now, dir_tickets_t **tickets_r);
void dir_tickets_close(dir_tickets_t **tickets);

/* A new key when it is time for one; to be called now and then.  PH_OK: there
 * is one; PH_DONE: not yet; else the file cannot be written and nothing
 * changed. */
ph_int_t dir_tickets_rotate(dir_tickets_t *tickets, uint64_t now);

void dir_tickets_keys(dir_tickets_t *tickets, ph_ticket_keys_t *keys_r);

/* Appends a ticket of PH_TICKET_* to out; *lifetime_r in seconds. */
ph_int_t dir_ticket_issue(dir_tickets_t *tickets, uint8_t kind,
    uint32_t rights, ph_str_t user, uint64_t now, uint8_t out[PH_TICKET_MAX],
    size_t *len_r, uint32_t *lifetime_r);
/* as ph_ticket_verify() */
ph_int_t dir_ticket_verify(dir_tickets_t *tickets, ph_str_t bytes,
    uint64_t now, ph_ticket_t *ticket_r);

#endif
