#include "directory.h"

int
main(int argc, char **argv)
{
    ph_daemon_t  daemon = {
        .name = "directory",
        .what = "users, credentials, tickets, recipients, address book",
        .check = directory_check,
        .listen = directory_listen,
        .start = directory_start,
        .stop = directory_stop,
        /* two generations would each have a cache of credentials of their own,
         * and both would write the file of keys */
        .exclusive = true,
    };

    return ph_daemon_main(&daemon, argc, argv);
}
