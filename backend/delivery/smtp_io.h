/* A connection to a mail server, in clear or in TLS, for smtp_client.c. */

#ifndef DELIVERY_SMTP_IO_H
#define DELIVERY_SMTP_IO_H

#include "smtp_client.h"

#define SMTP_IN_SIZE  16384

typedef struct smtp_io_s  smtp_io_t;

struct smtp_io_s {
    delivery_t          *d;
    const smtp_relay_t  *relay;
    uv_tcp_t             tcp;
    uv_timer_t           timer;
    uv_getaddrinfo_t     resolve;
    uv_connect_t         connect;
    struct addrinfo     *addresses;
    struct addrinfo     *address;       /* being tried */
    uint32_t             handles;
    bool                 tcp_open;
    bool                 resolving;
    bool                 closing;
    bool                 connected;
    uint32_t             writes;        /* under way */
    SSL                 *ssl;
    BIO                 *from_net;
    BIO                 *to_net;
    bool                 tls_ready;
    uint8_t              in[SMTP_IN_SIZE];    /* in clear */
    size_t               in_len;

    /* called from the loop */
    void               (*ready)(smtp_io_t *io);       /* connected, or TLS up */
    void               (*readable)(smtp_io_t *io);      /* in has more */
    void               (*written)(smtp_io_t *io);       /* everything is out */
    void               (*failed)(smtp_io_t *io, const char *why);
    void               (*closed)(smtp_io_t *io);        /* may be freed now */
    void                *data;
};

void smtp_io_open(smtp_io_t *io);
/* failed() is called once for any trouble; data is copied */
void smtp_io_write(smtp_io_t *io, const void *data, size_t len);
void smtp_io_starttls(smtp_io_t *io);
/* drops n bytes from the front of in */
void smtp_io_consume(smtp_io_t *io, size_t n);
/* closed() follows, nothing else */
void smtp_io_close(smtp_io_t *io);
bool smtp_io_is_loopback(const smtp_io_t *io);

#endif
