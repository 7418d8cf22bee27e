/*
 * The protocol that nginx's mail proxy speaks with its auth_http server:
 * headers in, headers out.
 */

#ifndef MA_AUTH_H
#define MA_AUTH_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define MA_MAX_VALUE     1024    /* bytes of a decoded user or password */
#define MA_MAX_ATTEMPTS  5       /* on one connection, then it is closed */

typedef enum {
    MA_IMAP = 0,
    MA_POP3,
    MA_SMTP,
    MA_PROTOCOLS
} ma_protocol_t;

typedef struct {
    ph_str_t  method;       /* Auth-Method */
    ph_str_t  user;         /* Auth-User, percent-encoded */
    ph_str_t  password;     /* Auth-Pass, percent-encoded */
    ph_str_t  protocol;     /* Auth-Protocol */
    ph_str_t  client;       /* Client-IP */
    ph_str_t  attempt;      /* Auth-Login-Attempt */
} ma_head_t;

typedef struct {
    ma_protocol_t  protocol;
    bool           anonymous;    /* Auth-Method none: SMTP without a log-in */
    ph_str_t       user;
    ph_str_t       password;
    ph_str_t       client;       /* an address as text, or empty */
    uint32_t       right;        /* PH_RIGHT_* that the protocol needs */
    bool           last;         /* no further attempt on this connection */
} ma_request_t;

typedef enum {
    MA_WRONG = 0,     /* user, password, or the service is not allowed */
    MA_LATER,         /* cannot be checked now */
    MA_UNSUPPORTED    /* method, protocol or encoding */
} ma_failure_t;

/*
 * Reads a request.  PH_INVALID: a protocol or method that is not supported, or
 * a value with control characters or a broken escape.  PH_NOMEM.  Results are
 * in pool or point into head.
 */
ph_int_t ma_request_parse(ph_pool_t *pool, const ma_head_t *head,
    ma_request_t *request_r);

/* "imap", "pop3" or "smtp", any case; PH_INVALID */
ph_int_t ma_protocol_parse(ph_str_t name, ma_protocol_t *protocol_r);

/* %XX sequences of nginx's mail proxy; PH_INVALID, PH_TOOBIG, PH_NOMEM */
ph_int_t ma_unescape(ph_pool_t *pool, ph_str_t value, ph_str_t *text_r);

/* no octet below 0x20 and no 0x7f: may be the value of a header */
bool ma_value_safe(ph_str_t value);

/* fixed texts: nothing that a client sent ever comes back */
const char *ma_failure_status(ma_failure_t failure);
/* SMTP reply code for Auth-Error-Code */
const char *ma_failure_code(ma_failure_t failure);

#endif
