/*
 * An SMTP client for one message (RFC 5321): connects to the relay, negotiates
 * TLS and AUTH PLAIN or LOGIN, and gives an outcome for each recipient.
 */

#ifndef DELIVERY_SMTP_CLIENT_H
#define DELIVERY_SMTP_CLIENT_H

#include "delivery.h"
#include "smtp_parse.h"

#include <openssl/ssl.h>

typedef enum { SMTP_TLS_NEVER = 0, SMTP_TLS_MAY, SMTP_TLS_REQUIRE } smtp_tls_t;

typedef struct {
    char         host[256];        /* empty: there is no relay */
    char         port[8];
    smtp_tls_t   tls;
    bool         verify;
    SSL_CTX     *ctx;
    const char  *user;
    const char  *password;
    uint64_t     timeout;          /* ms, for each answer */
} smtp_relay_t;

typedef struct {
    ph_str_t   address;
    uint8_t    notify;             /* DSN bits of delivery.desc */
    ph_str_t   orcpt;              /* "rfc822;" and xtext; empty: none */
    int        code;               /* 2xx, 4xx, 5xx */
    char       status[12];         /* "5.1.1" */
    char       text[SMTP_MAX_TEXT + 1];
    void      *data;               /* the caller's */
} smtp_rcpt_t;

typedef struct smtp_job_s  smtp_job_t;

struct smtp_job_s {
    delivery_t          *d;
    const smtp_relay_t  *relay;
    ph_str_t             sender;
    ph_str_t             ret;        /* "FULL", "HDRS" or empty */
    ph_str_t             envid;      /* xtext or empty */
    ph_str_t             body;       /* stays until done */
    bool                 smtputf8;
    bool                 eight_bit;
    uint32_t             n_rcpts;
    smtp_rcpt_t         *rcpts;      /* codes are set when done is called */
    bool                 dsn;        /* out: the relay reports success itself
                                        (RFC 3461 5.2.1) */
    bool                 clear;      /* TLS was tried in vain, and may be left
                                        out */
    void               (*done)(smtp_job_t *job);
    void                *data;
};

/* reads relay and relay_* of the configuration; PH_INVALID with a log line */
ph_int_t smtp_relay_init(smtp_relay_t *relay, delivery_t *d);
/* "host:port", "[address]:port"; PH_INVALID */
ph_int_t smtp_relay_parse(const char *text, char host[256], char port[8]);

/* done is called exactly once, never from inside */
void smtp_send(smtp_job_t *job);

#endif
