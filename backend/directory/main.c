#include "directory.h"

int
main(int argc, char **argv)
{
    ph_daemon_t  daemon = {
        .name = "directory",
        .what = "users, credentials, tickets, recipients, address book",
        .check = directory_check,
        .start = directory_start,
        .stop = directory_stop,
    };

    return ph_daemon_main(&daemon, argc, argv);
}
