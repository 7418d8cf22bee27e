/*
 * LMTP as text (RFC 2033, 5321): lines, commands, paths and the dot-stuffed
 * data. Pure functions; tokens point into the line.
 */

#ifndef DELIVERY_LMTP_PARSE_H
#define DELIVERY_LMTP_PARSE_H

#include "lib/ph_core.h"

#define LMTP_MAX_LINE     4096    /* of a command, with its line end */
#define LMTP_MAX_PATH     1024
#define LMTP_MAX_LOCAL    512    /* bytes of a local part, with room to spare */

typedef enum {
    LMTP_UNKNOWN = 0,
    LMTP_LHLO,
    LMTP_MAIL,
    LMTP_RCPT,
    LMTP_DATA,
    LMTP_RSET,
    LMTP_NOOP,
    LMTP_QUIT,
    LMTP_VRFY,
    LMTP_HELP,
    LMTP_HELO,        /* HELO, EHLO: not in LMTP */
    LMTP_BDAT
} lmtp_verb_t;

typedef struct {
    lmtp_verb_t  verb;
    ph_str_t     args;
} lmtp_command_t;

#define LMTP_NOTIFY_NEVER    1
#define LMTP_NOTIFY_SUCCESS  2
#define LMTP_NOTIFY_FAILURE  4
#define LMTP_NOTIFY_DELAY    8

typedef struct {
    ph_str_t  address;     /* without < >, route and quotes kept as needed;
                              empty for <> */
    uint64_t  size;        /* SIZE=, 0 when absent */
    bool      body8;       /* BODY=8BITMIME or BINARYMIME */
    bool      smtputf8;
    ph_str_t  ret;         /* RET=, ENVID=, ORCPT= as they stand */
    ph_str_t  envid;
    ph_str_t  orcpt;
    uint8_t   notify;      /* LMTP_NOTIFY_*; 0 when absent */
} lmtp_path_t;

/*
 * Finds the end of a command line.  *scanned keeps how far the buffer was
 * looked at, so that a line that comes byte by byte is read once; 0 at first.
 * PH_OK: *line_r without its line end, *used_r bytes consumed.  PH_AGAIN.
 * PH_TOOBIG: more than max bytes without an end.
 */
ph_int_t lmtp_line(const uint8_t *data, size_t len, size_t max,
    size_t *scanned, ph_str_t *line_r, size_t *used_r);

void lmtp_command(ph_str_t line, lmtp_command_t *cmd_r);

/*
 * The arguments of MAIL ("FROM:") and RCPT ("TO:").  PH_INVALID: syntax (501);
 * PH_DECLINED: a parameter that is not known (555); PH_TOOBIG: an address that
 * is too long.  8-bit addresses must be UTF-8, and control characters are
 * refused.
 */
ph_int_t lmtp_path(ph_str_t args, const char *keyword, lmtp_path_t *path_r);

/* ---- DATA ---- */

typedef struct {
    uint8_t  state;
} lmtp_data_t;

typedef void (*lmtp_sink_pt)(void *sink, const uint8_t *data, size_t len);

void lmtp_data_init(lmtp_data_t *data);
/*
 * Reads data up to CR LF "." CR LF, and nothing else ends it: a bare LF is a
 * byte like any other.  What belongs to the message goes to the sink without
 * the stuffed dots, in pieces.  PH_OK: the end was read; PH_AGAIN: all was
 * consumed.
 */
ph_int_t lmtp_data_feed(lmtp_data_t *d, const uint8_t *data, size_t len,
    size_t *used_r, lmtp_sink_pt put, void *sink);

#endif
