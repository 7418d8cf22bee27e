/* posthorn-exmdb: the program. */

#include "exmdb.h"


int
main(int argc, char **argv)
{
    ph_daemon_t  d;

    memset(&d, 0, sizeof(d));
    ex_daemon_init(&d);

    return ph_daemon_main(&d, argc, argv);
}
