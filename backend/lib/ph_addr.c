#include "ph_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PH_ADDR_MODE  0660

ph_int_t
ph_addr_parse(const char *text, ph_addr_t *addr_r)
{
    char        *end;
    size_t       len;
    const char  *host, *port;
    unsigned long  n;

    memset(addr_r, 0, sizeof(*addr_r));

    if (strncmp(text, "unix:", 5) == 0) {
        text += 5;
        len = strlen(text);

        if (len == 0 || len >= sizeof(addr_r->path)) {
            return PH_INVALID;
        }

        memcpy(addr_r->path, text, len);
        addr_r->local = true;

        return PH_OK;
    }

    if (strncmp(text, "tcp:", 4) != 0) {
        return PH_INVALID;
    }

    host = text + 4;
    port = strrchr(host, ':');

    if (port == NULL) {
        return PH_INVALID;
    }

    len = (size_t) (port++ - host);

    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;

    } else if (memchr(host, ':', len) != NULL) {
        return PH_INVALID;      /* IPv6 without brackets */
    }

    errno = 0;
    n = strtoul(port, &end, 10);

    if (len == 0 || len >= sizeof(addr_r->host) || port[0] < '0'
        || port[0] > '9' || *end != '\0' || errno != 0 || n > 65535)
    {
        return PH_INVALID;
    }

    memcpy(addr_r->host, host, len);
    (void) snprintf(addr_r->port, sizeof(addr_r->port), "%lu", n);

    return PH_OK;
}

static void
ph_addr_un(const ph_addr_t *addr, struct sockaddr_un *un)
{
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, addr->path, sizeof(un->sun_path));
}

static ph_int_t
ph_addr_resolve(const ph_addr_t *addr, int flags, struct addrinfo **list_r)
{
    int              rc;
    struct addrinfo  hints;

    memset(&hints, 0, sizeof(hints));
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;

    rc = getaddrinfo(strcmp(addr->host, "*") == 0 ? NULL : addr->host,
                     addr->port, &hints, list_r);
    if (rc == 0) {
        return PH_OK;
    }

    if (rc != EAI_SYSTEM) {
        errno = EADDRNOTAVAIL;
    }

    return PH_ERROR;
}

static void
ph_addr_close(int fd)
{
    int  err;

    err = errno;
    (void) close(fd);
    errno = err;
}

/* removes a socket that nobody listens on */
static ph_int_t
ph_addr_stale(const struct sockaddr_un *un)
{
    int          fd, rc;
    struct stat  st;

    if (lstat(un->sun_path, &st) == -1) {
        return errno == ENOENT ? PH_OK : PH_ERROR;
    }

    if (!S_ISSOCK(st.st_mode)) {
        errno = ENOTSOCK;
        return PH_EXISTS;
    }

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return PH_ERROR;
    }

    rc = connect(fd, (const struct sockaddr *) un, sizeof(*un));
    ph_addr_close(fd);

    if (rc == 0 || errno != ECONNREFUSED) {
        errno = EADDRINUSE;
        return PH_EXISTS;
    }

    return unlink(un->sun_path) == 0 || errno == ENOENT ? PH_OK : PH_ERROR;
}

static ph_int_t
ph_addr_listen_unix(const ph_addr_t *addr, int backlog, int *fd_r)
{
    int                 fd;
    ph_int_t            rc;
    struct sockaddr_un  un;

    ph_addr_un(addr, &un);

    rc = ph_addr_stale(&un);
    if (rc != PH_OK) {
        return rc;
    }

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return PH_ERROR;
    }

    /*
     * the mode of the descriptor limits that of the file from its first
     * moment
     */

    if (fchmod(fd, PH_ADDR_MODE) == -1
        || bind(fd, (struct sockaddr *) &un, sizeof(un)) == -1
        || chmod(un.sun_path, PH_ADDR_MODE) == -1
        || listen(fd, backlog) == -1)
    {
        ph_addr_close(fd);
        return PH_ERROR;
    }

    *fd_r = fd;

    return PH_OK;
}

static ph_int_t
ph_addr_listen_tcp(const ph_addr_t *addr, int backlog, int *fd_r)
{
    int               fd, one, zero;
    ph_int_t          rc;
    struct addrinfo  *list, *ai;

    rc = ph_addr_resolve(addr, AI_PASSIVE, &list);
    if (rc != PH_OK) {
        return rc;
    }

    one = 1;
    zero = 0;
    fd = -1;

    for (ai = list; ai != NULL; ai = ai->ai_next) {

        if (strcmp(addr->host, "*") == 0 && ai->ai_family != AF_INET6
            && ai->ai_next != NULL)
        {
            continue;       /* one IPv6 socket takes both families */
        }

        fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    0);
        if (fd == -1) {
            continue;
        }

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

        if (ai->ai_family == AF_INET6) {
            (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero,
                              sizeof(zero));
        }

        if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0
            && listen(fd, backlog) == 0)
        {
            break;
        }

        ph_addr_close(fd);
        fd = -1;
    }

    freeaddrinfo(list);

    if (fd == -1) {
        return PH_ERROR;
    }

    *fd_r = fd;

    return PH_OK;
}

ph_int_t
ph_addr_listen(const ph_addr_t *addr, int backlog, int *fd_r)
{
    return addr->local ? ph_addr_listen_unix(addr, backlog, fd_r)
                       : ph_addr_listen_tcp(addr, backlog, fd_r);
}

static ph_int_t
ph_addr_connect_one(int family, const struct sockaddr *sa, socklen_t len,
    uint64_t timeout, int *fd_r)
{
    int            fd, rc, err, one;
    socklen_t      size;
    struct pollfd  p;

    fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) {
        return PH_ERROR;
    }

    rc = connect(fd, sa, len);

    if (rc == -1 && (errno == EINPROGRESS || errno == EAGAIN)) {

        p.fd = fd;
        p.events = POLLOUT;

        do {
            rc = poll(&p, 1, (int) ph_min(timeout, (uint64_t) INT32_MAX));
        } while (rc == -1 && errno == EINTR);

        if (rc == 0) {
            ph_addr_close(fd);
            return PH_TIMEOUT;
        }

        err = 0;
        size = sizeof(err);

        if (rc == 1
            && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0)
        {
            errno = err;
            rc = err == 0 ? 0 : -1;
        }
    }

    if (rc == -1) {
        ph_addr_close(fd);
        return PH_ERROR;
    }

    if (family != AF_UNIX) {
        one = 1;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }

    (void) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    *fd_r = fd;

    return PH_OK;
}

ph_int_t
ph_addr_connect(const ph_addr_t *addr, uint64_t timeout, int *fd_r)
{
    ph_int_t             rc;
    struct addrinfo     *list, *ai;
    struct sockaddr_un   un;

    if (addr->local) {
        ph_addr_un(addr, &un);

        return ph_addr_connect_one(AF_UNIX, (struct sockaddr *) &un,
                                   sizeof(un), timeout, fd_r);
    }

    rc = ph_addr_resolve(addr, 0, &list);
    if (rc != PH_OK) {
        return rc;
    }

    rc = PH_ERROR;

    for (ai = list; ai != NULL && rc != PH_OK; ai = ai->ai_next) {
        rc = ph_addr_connect_one(ai->ai_family, ai->ai_addr, ai->ai_addrlen,
                                 timeout, fd_r);
    }

    freeaddrinfo(list);

    return rc;
}

/* 16 bytes, IPv4 as ::ffff:a.b.c.d; bits counts from the front of them */
static bool
ph_acl_parse(const char *text, uint8_t out[16], unsigned *bits_r)
{
    char        *end, host[INET6_ADDRSTRLEN];
    size_t       len;
    unsigned     max;
    const char  *slash;

    slash = strchr(text, '/');
    len = slash != NULL ? (size_t) (slash - text) : strlen(text);

    if (len >= sizeof(host)) {
        return false;
    }

    memcpy(host, text, len);
    host[len] = '\0';

    if (inet_pton(AF_INET6, host, out) == 1) {
        max = 128;

    } else if (inet_pton(AF_INET, host, out + 12) == 1) {
        memset(out, 0, 10);
        memset(out + 10, 0xff, 2);
        max = 32;

    } else {
        return false;
    }

    *bits_r = 128;

    if (slash != NULL) {
        unsigned long  n;

        if (slash[1] < '0' || slash[1] > '9') {
            return false;
        }

        n = strtoul(slash + 1, &end, 10);

        if (*end != '\0' || n > max) {
            return false;
        }

        *bits_r = (unsigned) n + 128 - max;
    }

    return true;
}

bool
ph_acl_valid(const char *text)
{
    uint8_t   addr[16];
    unsigned  bits;

    return ph_acl_parse(text, addr, &bits);
}

bool
ph_acl_match(const char *const *acl, size_t n, const struct sockaddr *sa)
{
    size_t    i;
    uint8_t   addr[16], net[16], mask;
    unsigned  bits, bytes;

    if (sa->sa_family == AF_INET) {
        memset(addr, 0, 10);
        memset(addr + 10, 0xff, 2);
        memcpy(addr + 12, &((const struct sockaddr_in *) sa)->sin_addr, 4);

    } else if (sa->sa_family == AF_INET6) {
        memcpy(addr, &((const struct sockaddr_in6 *) sa)->sin6_addr, 16);

    } else {
        return false;
    }

    for (i = 0; i < n; i++) {

        if (!ph_acl_parse(acl[i], net, &bits)) {
            continue;
        }

        bytes = bits / 8;
        mask = (uint8_t) (0xff00 >> bits % 8);

        if (memcmp(addr, net, bytes) == 0
            && (bits % 8 == 0 || ((addr[bytes] ^ net[bytes]) & mask) == 0))
        {
            return true;
        }
    }

    return false;
}

void
ph_addr_print(const struct sockaddr *sa, char *out, size_t size)
{
    char  host[INET6_ADDRSTRLEN];

    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in  *in = (const struct sockaddr_in *) sa;

        (void) inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        (void) snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));

    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6  *in6 = (const struct sockaddr_in6 *) sa;

        (void) inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        (void) snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));

    } else {
        (void) snprintf(out, size, "unix");
    }
}
