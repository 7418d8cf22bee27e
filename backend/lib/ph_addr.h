/*
 * Addresses of listeners and peers ("unix:/path", "tcp:host:port"), and lists
 * of hosts that may connect.
 */

#ifndef PH_ADDR_H
#define PH_ADDR_H

#include "ph_core.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct {
    bool  local;
    char  path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
    char  host[256];        /* without the brackets of IPv6; "*": any */
    char  port[8];
} ph_addr_t;

/*
 * "unix:/path", "tcp:host:port", "tcp:[::1]:port", "tcp:*:port".  PH_INVALID
 * for anything else, also for a path that is too long for a socket.
 */
ph_int_t ph_addr_parse(const char *text, ph_addr_t *addr_r);

/*
 * A listening, non-blocking socket.  A unix socket gets mode 0660 and takes the
 * place of one that nobody listens on any more; PH_EXISTS when somebody does.
 * Port "0" is allowed.  PH_ERROR leaves the reason in errno.
 */
ph_int_t ph_addr_listen(const ph_addr_t *addr, int backlog, int *fd_r);

/*
 * a connected, blocking socket within timeout ms, as PH_ERROR above;
 * PH_TIMEOUT
 */
ph_int_t ph_addr_connect(const ph_addr_t *addr, uint64_t timeout, int *fd_r);

/* whether text is an address or a network in CIDR form, IPv4 or IPv6 */
bool ph_acl_valid(const char *text);
/* whether sa is in the list; unix sockets never are, no list means nobody */
bool ph_acl_match(const char *const *acl, size_t n, const struct sockaddr *sa);

/* "192.0.2.1:5000" for logs */
void ph_addr_print(const struct sockaddr *sa, char *out, size_t size);

#endif
