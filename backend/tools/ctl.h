/*
 * phctl: the command line of the administrator.  One program, one file for each
 * command.  A command fills a request, asks a server over the wire protocol,
 * and makes a JSON value of the answer, from which both outputs are written:
 * the JSON itself with --json, else a table or "name: value" lines.
 */

#ifndef CTL_H
#define CTL_H

#include <jansson.h>
#include "client/cl.h"
#include "lib/ph_buf.h"
#include "lib/ph_conf.h"
#include "lib/ph_core.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"
#include "lib/ph_ticket.h"
#include "lib/ph_wire.h"
#include "mapi/mapi.h"

/* exit codes; phctl(1) documents them */
#define CTL_OK           0
#define CTL_FAILED       1    /* the server or phctl failed                 */
#define CTL_USAGE        2    /* wrong command line                         */
#define CTL_NOTFOUND     3
#define CTL_EXISTS       4
#define CTL_DENIED       5
#define CTL_UNAVAILABLE  6    /* a server cannot be reached                 */
#define CTL_REFUSED      7    /* the server does not accept a value         */
#define CTL_FINDINGS     8    /* check-store found damage                   */
#define CTL_BUSY         9    /* try again later; no space                  */
#define CTL_CONFIG      10    /* posthorn.conf cannot be read               */

#define CTL_MAX_ARGS     64
#define CTL_MAX_LINE     1024                  /* of a password             */
#define CTL_MAX_ANSWER   (128u << 20)
#define CTL_TIMEOUT      120000                /* ms                        */

typedef enum {
    CTL_DIRECTORY = 0,
    CTL_EXMDB,
    CTL_DELIVERY,
    CTL_PEERS
} ctl_peer_t;

typedef struct ctl_s          ctl_t;
typedef struct ctl_command_s  ctl_command_t;

struct ctl_command_s {
    const char  *name;       /* "user"                                      */
    const char  *verb;       /* "create"; NULL: the command has none        */
    const char  *args;       /* "ADDRESS [NAME]"; what is positional        */
    /* "title: force": options without dashes, ":" takes a value */
    const char  *options;
    int          min, max;   /* number of positional arguments              */
    const char  *what;       /* one line                                    */
    int        (*run)(ctl_t *c);
};

struct ctl_s {
    ph_pool_t            *pool;
    ph_conf_t            *conf;         /* read when first needed           */
    const char           *conf_path;
    const char           *program;
    bool                  json;

    const char           *address[CTL_PEERS];
    cl_sync_t            *client;       /* of directory and exmdb           */
    ph_wire_sync_t       *peer[CTL_PEERS];     /* of the others             */
    ph_str_t              ticket;       /* administrator's                  */

    const ctl_command_t  *command;
    int                   n_args;
    const char           *args[CTL_MAX_ARGS];
    int                   n_options;
    struct {
        const char  *name;
        const char  *value;             /* "" for one without               */
    } options[CTL_MAX_ARGS];
};

/* one array for each file, ended by a name of NULL */
extern const ctl_command_t  ctl_domain_commands[];
extern const ctl_command_t  ctl_organisation_commands[];
extern const ctl_command_t  ctl_user_commands[];
extern const ctl_command_t  ctl_passwd_commands[];
extern const ctl_command_t  ctl_alias_commands[];
extern const ctl_command_t  ctl_group_commands[];
extern const ctl_command_t  ctl_mailbox_commands[];
extern const ctl_command_t  ctl_quota_commands[];
extern const ctl_command_t  ctl_index_commands[];
extern const ctl_command_t  ctl_recoverable_commands[];
extern const ctl_command_t  ctl_absence_commands[];
extern const ctl_command_t  ctl_access_commands[];
extern const ctl_command_t  ctl_store_commands[];
extern const ctl_command_t  ctl_status_commands[];
extern const ctl_command_t  ctl_trace_commands[];
extern const ctl_command_t  ctl_top_commands[];
extern const ctl_command_t  ctl_queue_commands[];
extern const ctl_command_t  ctl_convert_commands[];

/* ---- ctl_args.c ---- */

/* Parses what follows the command's name.  CTL_OK or CTL_USAGE (told). */
int ctl_args_parse(ctl_t *c, int argc, char **argv);
/* An option's value, or NULL; "" for a flag that was given. */
const char *ctl_option(const ctl_t *c, const char *name);
/* Positional argument n as bytes. */
ph_str_t ctl_arg(const ctl_t *c, int n);
/* "512m", "2g", "0"; PH_INVALID */
ph_int_t ctl_parse_size(const char *s, uint64_t *v_r);
/* "90" (seconds), "30m", "2h", "14d"; seconds; PH_INVALID */
ph_int_t ctl_parse_time(const char *s, uint64_t *seconds_r);
/* so long ago, or "2026-11-22", "2026-11-22T08:30" (local time); FILETIME */
ph_int_t ctl_parse_when(const char *s, uint64_t *filetime_r);
/* "web,mapi", "all", "none" <-> PH_RIGHT_*; PH_INVALID */
ph_int_t ctl_parse_rights(const char *s, uint32_t *v_r);
char *ctl_format_rights(ph_pool_t *pool, uint32_t rights);
/* "1-d": replid and counter, both hexadecimal; PH_INVALID */
ph_int_t ctl_parse_eid(ph_str_t s, mapi_eid_t *v_r);
/*
 * A line from standard input (--stdin) or, from a terminal, twice without echo.
 * The result has no line end.  CTL_OK or an exit code (told).
 */
int ctl_read_password(ctl_t *c, ph_str_t *password_r);

/* ---- ctl_call.c ---- */

/* Reads posthorn.conf unless it was read.  CTL_OK or CTL_CONFIG (told). */
int ctl_conf(ctl_t *c);
/* Tells an error on standard error (JSON with --json) and gives `code`. */
int ctl_error(ctl_t *c, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Gets the administrator's ticket unless it is there. */
int ctl_ticket(ctl_t *c);
/*
 * One exchange.  Gives an exit code; errors are told, with the text that the
 * server sent.  The answer lives in c->pool.
 */
int ctl_call(ctl_t *c, ctl_peer_t peer, uint16_t op, ph_str_t body,
    ph_str_t *answer_r);

/*
 * Encodes req, calls, decodes into ans; rc is an exit code.  `name` is the
 * operation's C name without _request and _answer.
 */
#define CTL_RPC(c, to, op, name, req, ans, rc)                                 \
    do {                                                                       \
        ph_str_t  body_, answer_;                                              \
        if (name##_request_encode_new((c)->pool, (req), &body_) != PH_OK) {    \
            (rc) = ctl_error((c), CTL_REFUSED, "a value is too long");         \
        } else {                                                               \
            (rc) = ctl_call((c), (to), (op), body_, &answer_);                 \
            if ((rc) == CTL_OK                                                 \
                && name##_answer_decode_all(answer_, (c)->pool, (ans))         \
                   != PH_OK)                                                   \
            {                                                                  \
                (rc) = ctl_error((c), CTL_FAILED,                              \
                                 "the answer of the server does not decode");  \
            }                                                                  \
        }                                                                      \
    } while (0)

/* ---- ctl_workers.c ---- */

typedef struct {
    uint16_t     number;
    const char  *address;
} ctl_worker_t;

/* The workers of exmdb, from the answer to HELLO, in c->pool. */
int ctl_workers(ctl_t *c, ctl_worker_t **workers_r, size_t *n_r,
    uint32_t *hash_seed_r);
/* ctl_call() to one of them */
int ctl_call_worker(ctl_t *c, const ctl_worker_t *worker, uint16_t op,
    ph_str_t body, ph_str_t *answer_r);

/* ---- ctl_output.c ---- */

json_t *ctl_json_str(ph_str_t s);
json_t *ctl_json_time(uint64_t filetime);       /* ISO 8601; null for 0 */
json_t *ctl_json_guid(const mapi_guid_t *guid);
json_t *ctl_json_eid(mapi_eid_t eid);
json_t *ctl_json_hex(const uint8_t *data, size_t len);
json_t *ctl_json_strs(const ph_str_t *list, size_t n);

/*
 * Writes the result and frees it.  An array: a table of `columns` (names
 * separated by spaces), or as JSON; an object: lines; NULL: nothing, or {} as
 * JSON.  CTL_OK, or CTL_FAILED when it cannot be written.
 */
int ctl_output(ctl_t *c, json_t *result, const char *columns);

#endif
