/*
 * Postfix' socketmap tables (socketmap_table(5)): netstrings "LEN:NAME KEY,"
 * and answers "OK value", "NOTFOUND ", "TEMP reason".
 *
 *     domains      domain            -> the domain, when it is ours
 *     mailboxes    address           -> its entry's primary address
 *     aliases      address           -> the address that an alias stands for
 *     transports   domain            -> where its mail goes
 *     senders      address           -> the login that owns it
 *                                       (reject_sender_login_mismatch)
 */

#ifndef DIR_SOCKETMAP_H
#define DIR_SOCKETMAP_H

#include "dir_resolve.h"

#define DIR_NETSTRING_MAX  4096

/*
 * Looks at the front of a buffer.  PH_OK: *text_r points into it and *used_r
 * bytes are consumed; PH_AGAIN: more is needed; PH_INVALID, PH_TOOBIG: close.
 */
ph_int_t dir_netstring_parse(const uint8_t *data, size_t len, size_t max,
    ph_str_t *text_r, size_t *used_r);

/* "NAME KEY"; PH_INVALID */
ph_int_t dir_socketmap_parse(ph_str_t text, ph_str_t *name_r,
    ph_str_t *key_r);

/* The answer's text ("OK ..."), in pool.  Never fails otherwise than by a text
 * that says so; data NULL when memory is exhausted. */
ph_str_t dir_socketmap_lookup(dir_conn_t *conn, ph_pool_t *pool,
    const dir_resolve_opts_t *opts, const char *transport, ph_str_t name,
    ph_str_t key);

#endif
