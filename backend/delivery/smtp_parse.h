/* SMTP replies (RFC 5321 4.2) and what a server offers.  Pure functions. */

#ifndef DELIVERY_SMTP_PARSE_H
#define DELIVERY_SMTP_PARSE_H

#include "lib/ph_core.h"

#define SMTP_MAX_LINE    4096
#define SMTP_MAX_TEXT    500      /* of a reply, kept for logs and bounces */
#define SMTP_MAX_LINES   500      /* of one reply */

#define SMTP_PIPELINING  0x01
#define SMTP_8BITMIME    0x02
#define SMTP_UTF8        0x04
#define SMTP_SIZE        0x08
#define SMTP_DSN         0x10
#define SMTP_STARTTLS    0x20
#define SMTP_AUTH_PLAIN  0x40
#define SMTP_STATUSCODES 0x80
#define SMTP_AUTH_LOGIN  0x100

typedef struct {
    int       code;                      /* 0 while it is being read */
    uint32_t  lines;
    size_t    len;
    char     text[SMTP_MAX_TEXT + 1]; /* all lines, blanks between, printable */
    uint32_t  offers;                    /* of an EHLO reply: SMTP_* */
    uint64_t  size;                      /* SIZE n; 0: no limit */
} smtp_reply_t;

void smtp_reply_init(smtp_reply_t *r);

/*
 * Reads one reply from the front of data, line by line; what is consumed is
 * *used_r also with PH_AGAIN (r keeps what was read).  PH_OK: r->code is set.
 * PH_INVALID: not a reply, or too long.
 */
ph_int_t smtp_reply_read(smtp_reply_t *r, const uint8_t *data, size_t len,
    size_t *used_r);

/* "5.1.1" at the beginning of the text, else "4.0.0" or "5.0.0" by the code;
 * out has 12 bytes */
void smtp_reply_status(const smtp_reply_t *r, char out[12]);

#endif
