/*
 * What Postfix asks: SASL by the Dovecot auth protocol (dir_sasl.h), and tables
 * by the socketmap protocol (dir_socketmap.h).  One listener of either kind;
 * its connections are bounded in number, line length, requests in flight and
 * idle time.  Loop thread only.
 */

#ifndef DIR_POSTFIX_H
#define DIR_POSTFIX_H

#include "directory.h"

typedef enum {
    DIR_POSTFIX_SASL = 0,
    DIR_POSTFIX_MAP
} dir_postfix_kind_t;

typedef struct {
    dir_postfix_kind_t  kind;
    const char         *address;      /* "unix:/path", "tcp:host:port" */
    uint32_t            max_conns;
    uint64_t            idle;         /* ms */
    const char         *transport;    /* of local domains without an own one */
} dir_postfix_opts_t;

/* takes over the descriptor that dir_postfix_prepare() has opened */
ph_int_t dir_postfix_listen(directory_t *d, const dir_postfix_opts_t *opts,
    dir_postfix_t **postfix_r);
/*
 * In the master, before root is given up: opens the address and lets the group
 * use its unix socket.
 */
ph_int_t dir_postfix_prepare(ph_daemon_t *daemon, const char *address,
    const char *group);

/* Closes listener and connections; done(data) when the last is gone. */
void dir_postfix_stop(dir_postfix_t *postfix, void (*done)(void *data),
    void *data);

#endif
