/*
 * Heads of MAPI/HTTP requests (MS-OXCMAPIHTTP 2.2.3): request types, required
 * headers, the client's version, and the cookies of a Session Context.
 */

#ifndef MH_REQUEST_H
#define MH_REQUEST_H

#include "lib/ph_core.h"

#define MH_MAX_REQUEST_ID   256
#define MH_MAX_CLIENT_INFO  256
#define MH_MAX_WORKER       255
/* 16 bytes in hex, a dash and the number of a worker */
#define MH_CONTEXT_LEN      (32 + 1 + 3)
#define MH_SEQUENCE_LEN     32

/* values of X-ResponseCode (2.2.3.3.3) */
typedef enum {
    MH_SUCCESS = 0,
    MH_UNKNOWN_FAILURE = 1,
    MH_INVALID_VERB = 2,
    MH_INVALID_PATH = 3,
    MH_INVALID_HEADER = 4,
    MH_INVALID_REQUEST_TYPE = 5,
    MH_INVALID_COOKIE = 6,
    MH_MISSING_HEADER = 7,
    MH_ANONYMOUS = 8,
    MH_TOO_LARGE = 9,
    MH_NO_CONTEXT = 10,
    MH_NO_PRIVILEGE = 11,
    MH_INVALID_BODY = 12,
    MH_MISSING_COOKIE = 13,
    MH_INVALID_SEQUENCE = 15,
    MH_DISABLED = 16,
    MH_INVALID_RESPONSE = 17,
    MH_SHUTTING_DOWN = 18
} mh_code_t;

/* a sentence for the diagnostic page */
const char *mh_code_text(unsigned code);

typedef enum {
    MH_EMSMDB = 0,
    MH_NSPI
} mh_endpoint_t;

typedef enum {
    MH_CONNECT = 0,
    MH_EXECUTE,
    MH_DISCONNECT,
    MH_WAIT,
    MH_PING,
    MH_BIND,        /* NSPI: begins a Session Context */
    MH_NSPI_CALL    /* NSPI: any other type */
} mh_kind_t;

typedef struct {
    const char     *name;    /* the canonical spelling */
    mh_endpoint_t   endpoint;
    mh_kind_t       kind;
} mh_type_t;

/* Ignores case; NULL when the endpoint has no such type. */
const mh_type_t *mh_type_find(mh_endpoint_t endpoint, ph_str_t name);

typedef struct {
    bool      post;
    ph_str_t  content_type;          /* data NULL: header is missing */
    ph_str_t  request_type;
    ph_str_t  request_id;
    ph_str_t  client_info;
} mh_head_t;

/*
 * Judges the head of a request (3.2.5.1).  MH_SUCCESS and *type_r, or why not.
 * *type_r is also set when another header is the reason.
 */
mh_code_t mh_head_check(mh_endpoint_t endpoint, const mh_head_t *head,
    const mh_type_t **type_r);

/* May the value be sent back in a header?  Visible ASCII and spaces only. */
bool mh_echo_allowed(ph_str_t value, size_t max);

/*
 * The three wire words of "Outlook/15.0.4420.1017" (MS-OXCRPC 3.1.4.1.3.1);
 * zeros for anything that has not that form.
 */
void mh_client_version(ph_str_t application, uint16_t version_r[3]);

/*
 * The value of a cookie in one Cookie header.  Names are case-sensitive; the
 * first one counts.  PH_NOTFOUND.
 */
ph_int_t mh_cookie_find(ph_str_t header, const char *name, ph_str_t *value_r);

/* "MapiContext": session and worker; PH_INVALID for any other form */
ph_int_t mh_context_parse(ph_str_t value, uint8_t session_r[16],
    unsigned *worker_r);
/* gives the length; out has room for MH_CONTEXT_LEN + 1 bytes */
size_t mh_context_format(char *out, const uint8_t session[16],
    unsigned worker);

/* "MapiSequence": 32 hex digits */
ph_int_t mh_sequence_parse(ph_str_t value, uint8_t sequence_r[16]);

#endif
