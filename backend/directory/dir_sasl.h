/*
 * The server's side of the Dovecot authentication protocol, version 1.2, as far
 * as Postfix (smtpd_sasl_type = dovecot) speaks it: PLAIN and LOGIN.  A pure
 * state machine: bytes in, bytes out, and a call for each pair of credentials.
 *
 *     S: VERSION 1 2 | MECH PLAIN plaintext | MECH LOGIN plaintext | SPID pid |
 *        CUID n | COOKIE hex | DONE
 *     C: VERSION 1 x | CPID pid
 *     C: AUTH id mech service=smtp rip=... resp=BASE64    (resp last, optional)
 *     S: CONT id BASE64, OK id user=..., or FAIL id [temp]
 *     C: CONT id BASE64 | CANCEL id
 *
 * Fields are separated by tabs, commands end with a newline.
 */

#ifndef DIR_SASL_H
#define DIR_SASL_H

#include "lib/ph_buf.h"
#include "lib/ph_core.h"
#include "lib/ph_pool.h"

#define DIR_SASL_LINE_MAX      8192
#define DIR_SASL_REQUESTS_MAX  64     /* in flight on a connection */
#define DIR_SASL_FIELDS_MAX    64
#define DIR_SASL_NAME_MAX      320
#define DIR_SASL_PASSWORD_MAX  512
#define DIR_SASL_CLIENT_MAX    64

typedef enum {
    DIR_SASL_OTHER = 0,    /* a command that we do not know: ignored */
    DIR_SASL_VERSION,
    DIR_SASL_CPID,
    DIR_SASL_AUTH,
    DIR_SASL_CONT,
    DIR_SASL_CANCEL
} dir_sasl_command_t;

/* one line, taken apart; strings point into it */
typedef struct {
    dir_sasl_command_t  command;
    uint32_t            id;          /* AUTH, CONT, CANCEL; CPID: the pid */
    uint32_t            major;       /* VERSION */
    ph_str_t            mech;
    ph_str_t            service;
    ph_str_t            rip;
    bool                has_resp;
    ph_str_t            resp;        /* base64, also of CONT */
} dir_sasl_line_t;

/* line without its newline.  PH_INVALID. */
ph_int_t dir_sasl_parse(ph_str_t line, dir_sasl_line_t *line_r);

/* "authzid NUL authcid NUL password" (RFC 4616); authzid empty or the same */
ph_int_t dir_sasl_plain(ph_str_t message, ph_str_t *user_r,
    ph_str_t *password_r);

typedef struct dir_sasl_s  dir_sasl_t;

typedef struct {
    /* credentials to be checked; answer with dir_sasl_result(), also from
     * inside this call.  The strings are valid during the call only. */
    void  (*check)(void *data, uint32_t id, ph_str_t user, ph_str_t password,
                   ph_str_t client);
    void  (*send)(void *data, ph_str_t bytes);
    void   *data;
} dir_sasl_calls_t;

/* Sends the greeting.  pid and conn_id identify server and connection to the
 * client; cookie are 16 random bytes.  NULL: out of memory. */
dir_sasl_t *dir_sasl_create(const dir_sasl_calls_t *calls, uint32_t pid,
    uint32_t conn_id, const uint8_t cookie[16]);
void dir_sasl_destroy(dir_sasl_t **sasl);

/*
 * Bytes from the client.  PH_OK; PH_INVALID or PH_TOOBIG: close the connection
 * (a line that is too long, no handshake, an id used twice).
 */
ph_int_t dir_sasl_feed(dir_sasl_t *sasl, const uint8_t *data, size_t len);

/*
 * What came of credentials: PH_OK with the user's name, PH_DENIED, or anything
 * else, which is a temporary failure.  An id that has been cancelled is
 * ignored.
 */
void dir_sasl_result(dir_sasl_t *sasl, uint32_t id, ph_int_t rc,
    ph_str_t user);

#endif
