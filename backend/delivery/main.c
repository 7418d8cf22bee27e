#include "delivery.h"


int
main(int argc, char **argv)
{
    ph_daemon_t  daemon = {
        .name = "delivery",
        .what = "receives mail by LMTP and sends it by SMTP",
        .exclusive = true,         /* one process owns the queue */
        .check = delivery_check,
        .listen = delivery_listen,
        .start = delivery_start,
        .stop = delivery_stop
    };

    return ph_daemon_main(&daemon, argc, argv);
}
