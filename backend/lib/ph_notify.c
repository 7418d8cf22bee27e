/* The notification protocol of sd_notify(3): datagrams of KEY=VALUE lines. */

#include "ph_daemon_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
ph_notify(const char *fmt, ...)
{
    int                  fd, n;
    char                 text[512];
    size_t               len;
    va_list              args;
    socklen_t            size;
    const char          *path;
    struct sockaddr_un   un;

    path = getenv("NOTIFY_SOCKET");

    if (path == NULL || (path[0] != '/' && path[0] != '@')) {
        return;
    }

    len = strlen(path);

    if (len >= sizeof(un.sun_path)) {
        return;
    }

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n < 0) {
        return;
    }

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path, len);

    if (path[0] == '@') {
        un.sun_path[0] = '\0';
    }

    size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len);

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return;
    }

    (void) sendto(fd, text, ph_min((size_t) n, sizeof(text) - 1),
                  MSG_NOSIGNAL, (struct sockaddr *) &un, size);
    (void) close(fd);
}

uint64_t
ph_notify_watchdog(void)
{
    uint64_t     usec;
    const char  *text;

    text = getenv("WATCHDOG_USEC");
    if (text == NULL) {
        return 0;
    }

    usec = strtoull(text, NULL, 10);

    /* twice in its period, as it recommends */

    return usec != 0 ? ph_max(usec / 2000, UINT64_C(1)) : 0;
}
