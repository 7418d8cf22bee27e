/*
 * Messages between RFC 5322 / MIME and MAPI (MS-OXCMAIL).  Pure functions: no
 * I/O, no clock, no global state; safe on any thread.
 *
 * Import never refuses a message: whatever the bytes are, the result is a
 * message that can be read.  What is beyond a limit is kept as an attachment of
 * opaque bytes or left out, and the limits below say so.
 */

#ifndef CONV_H
#define CONV_H

#include "mapi/mapi.h"
#include "mapi/mapi_message.h"

#define CONV_MAX_PARTS       10000        /* entities of one message; the rest
                                             is one opaque attachment */
#define CONV_MAX_DEPTH       100          /* nested multiparts and messages */
#define CONV_MAX_EMBED       16           /* messages inside messages that are
                                             messages; deeper ones stay .eml */
#define CONV_MAX_FIELDS      4000         /* header fields of one entity */
#define CONV_MAX_FIELD       (1 << 20)    /* bytes read of one field */
#define CONV_MAX_PARAMS      (8 << 10)    /* of Content-Type, -Disposition */
#define CONV_MAX_HEADERS     (256 << 10)  /* PR_TRANSPORT_MESSAGE_HEADERS */
#define CONV_MAX_X_HEADERS   100          /* PS_INTERNET_HEADERS of a message */
#define CONV_MAX_X_HEADER    (32 << 10)   /* bytes of one of them */
#define CONV_MAX_SUBJECT     (16 << 10)
#define CONV_MAX_TEXT        (64 << 20)   /* bytes of a body, in UTF-8 */

typedef struct {
    uint64_t     now;        /* FILETIME, for what has no usable date */
    const char  *charset;    /* of unlabelled 8-bit text that is not UTF-8;
                                NULL: windows-1252 */
} conv_import_opts_t;

/*
 * Makes a message of raw bytes (MS-OXCMAIL 2.2).  The result lives in pool and
 * points into raw where it can: raw must live as long.  Takes time linear in
 * the size of raw, and memory of about twice its size.  opts may be NULL.
 * PH_NOMEM when the pool's limit is reached, never PH_INVALID.
 */
ph_int_t conv_mime_import(ph_pool_t *pool, ph_str_t raw,
    const conv_import_opts_t *opts, mapi_message_t **msg_r);

typedef struct {
    uint64_t     now;        /* FILETIME: Date, when the message has none */
    ph_str_t     domain;     /* of a Message-ID that must be made */
    ph_str_t     id;         /* bytes that identify the message: boundaries and
                                Message-ID come from them, so that the same
                                message gives the same bytes */
    ph_str_t     original;   /* when not empty: the bytes that an unchanged
                                message came with: they are the result */
    bool         bcc;        /* write Bcc (for the sender's own copy) */
} conv_export_opts_t;

/*
 * Makes RFC 5322 bytes with CRLF line ends, 7-bit, lines of at most 998 octets
 * (MS-OXCMAIL 2.1).  Deterministic.  Result in pool, or opts->original itself.
 * PH_NOMEM, PH_TOOBIG (embedded messages nested deeper than CONV_MAX_EMBED).
 */
ph_int_t conv_mime_export(ph_pool_t *pool, const mapi_message_t *msg,
    const conv_export_opts_t *opts, ph_str_t *raw_r);

#endif
