/* ph_addr: addresses and lists of hosts. */

#include "lib/ph_addr.h"
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static bool
match(const char *entry, const char *host)
{
    struct sockaddr_in    in;
    struct sockaddr_in6   in6;
    const char *const     acl[] = { entry };

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));
    in.sin_family = AF_INET;
    in6.sin6_family = AF_INET6;

    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        return ph_acl_match(acl, 1, (struct sockaddr *) &in);
    }

    return inet_pton(AF_INET6, host, &in6.sin6_addr) == 1
           && ph_acl_match(acl, 1, (struct sockaddr *) &in6);
}

int
main(void)
{
    size_t     i;
    char       big[300];
    ph_addr_t  a;

    static const char *const  bad[] = {
        "", "unix:", "tcp:", "tcp:host", "tcp:host:", "tcp::5000", "tcp:h:x",
        "tcp:h:70000", "tcp:h:-1", "tcp:::1:5000", "udp:h:1", "/path",
        "tcp:h:5000x", "tcp:[]:1"
    };

    static const struct {
        const char  *entry;
        const char  *host;
        bool         want;
    } acls[] = {
        { "10.1.2.3", "10.1.2.3", true },
        { "10.1.2.3", "10.1.2.4", false },
        { "10.1.0.0/16", "10.1.255.1", true },
        { "10.1.0.0/16", "10.2.0.1", false },
        { "10.1.2.128/25", "10.1.2.127", false },
        { "10.1.2.128/25", "10.1.2.200", true },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "127.0.0.1", "::ffff:127.0.0.1", true },
        { "::1", "::1", true },
        { "::1", "127.0.0.1", false }
    };

    static const char *const  bad_acls[] = {
        "", "host", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
        "::/129", "10.0.0", "/8"
    };

    for (i = 0; i < ph_nelts(bad); i++) {
        ok(ph_addr_parse(bad[i], &a) == PH_INVALID, "\"%s\"", bad[i]);
    }

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    memcpy(big, "unix:/", 6);
    ok(ph_addr_parse(big, &a) == PH_INVALID, "a path too long for a socket");

    ok(ph_addr_parse("unix:/run/x", &a) == PH_OK && a.local, "unix");
    is_cstr(a.path, "/run/x", "path");
    ok(ph_addr_parse("tcp:[2001:db8::1]:5000", &a) == PH_OK && !a.local, "v6");
    is_cstr(a.host, "2001:db8::1", "host");
    is_cstr(a.port, "5000", "port");
    ok(ph_addr_parse("tcp:*:0", &a) == PH_OK, "any host");

    for (i = 0; i < ph_nelts(acls); i++) {
        ok(match(acls[i].entry, acls[i].host) == acls[i].want,
           "%s is %s%s", acls[i].host, acls[i].want ? "in " : "not in ",
           acls[i].entry);
        ok(ph_acl_valid(acls[i].entry), "%s is valid", acls[i].entry);
    }

    for (i = 0; i < ph_nelts(bad_acls); i++) {
        ok(!ph_acl_valid(bad_acls[i]) && !match(bad_acls[i], "10.0.0.1"),
           "\"%s\" is not valid", bad_acls[i]);
    }

    return done_testing();
}
