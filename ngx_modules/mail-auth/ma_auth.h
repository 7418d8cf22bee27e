/*
 * What nginx's mail proxy asks by HTTP before it connects a client to a
 * backend: its request headers as values, and the texts of the answers.
 */

#ifndef MA_AUTH_H
#define MA_AUTH_H

#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define MA_MAX_USER      320
#define MA_MAX_PASSWORD  1024
#define MA_MAX_ATTEMPTS  5        /* of one connection */
#define MA_WAIT          "3"      /* seconds between attempts */

typedef enum {
    MA_IMAP = 0, MA_POP3, MA_SMTP, MA_PROTOCOLS
} ma_protocol_t;

typedef enum {
    MA_PLAIN = 0,                 /* user and password are there */
    MA_NONE,                      /* SMTP without authentication */
    MA_UNSUPPORTED                /* APOP, CRAM-MD5, EXTERNAL */
} ma_method_t;

typedef struct {
    ma_protocol_t  protocol;
    ma_method_t    method;
    ph_str_t       user;          /* decoded, in pool */
    ph_str_t       password;      /* decoded, in pool; wipe after use */
    ph_str_t       client;        /* address, as text */
    bool           tls;
    uint64_t       attempt;       /* from 1 */
} ma_request_t;

/* the request's headers as they came; absent ones are empty */
typedef struct {
    ph_str_t  protocol;           /* Auth-Protocol */
    ph_str_t  method;             /* Auth-Method */
    ph_str_t  user;               /* Auth-User */
    ph_str_t  password;           /* Auth-Pass */
    ph_str_t  attempt;            /* Auth-Login-Attempt */
    ph_str_t  client;             /* Client-IP */
    ph_str_t  ssl;                /* Auth-SSL */
} ma_headers_t;

/*
 * Reads the headers.  PH_INVALID: a protocol that does not exist, a broken
 * escape, or a control character in a user name; PH_TOOBIG; PH_NOMEM.
 */
ph_int_t ma_request_read(ph_pool_t *pool, const ma_headers_t *h,
    ma_request_t *r);

typedef enum {
    MA_OK = 0,
    MA_WRONG,                     /* user or password */
    MA_LATER,                     /* the directory is away or throttles */
    MA_NEED_TLS,
    MA_NEED_AUTH,
    MA_BAD_METHOD,
    MA_NO_BACKEND                 /* the service is not configured */
} ma_result_t;

/* Auth-Status: never with bytes from the request. */
const char *ma_status(ma_result_t result);
/* Auth-Error-Code for SMTP; NULL with MA_OK */
const char *ma_smtp_code(ma_result_t result);

/* PH_RIGHT_* that the protocol needs */
uint32_t ma_right(ma_protocol_t protocol);

#endif
