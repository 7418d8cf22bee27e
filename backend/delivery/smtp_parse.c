#include "smtp_parse.h"
#include "lib/ph_str.h"

#include <stdio.h>


void
smtp_reply_init(smtp_reply_t *r)
{
    memset(r, 0, sizeof(*r));
}


static void
smtp_offer(smtp_reply_t *r, ph_str_t line)
{
    size_t          n;
    ph_str_t        word, rest;
    const uint8_t  *blank;

    blank = line.len ? memchr(line.data, ' ', line.len) : NULL;
    n = blank ? (size_t) (blank - line.data) : line.len;
    word = (ph_str_t) { n, line.data };
    rest = ph_str_trim((ph_str_t) { line.len - n, line.data + n });

    if (ph_str_ieq_c(word, "PIPELINING")) {
        r->offers |= SMTP_PIPELINING;
    } else if (ph_str_ieq_c(word, "8BITMIME")) {
        r->offers |= SMTP_8BITMIME;
    } else if (ph_str_ieq_c(word, "SMTPUTF8")) {
        r->offers |= SMTP_UTF8;
    } else if (ph_str_ieq_c(word, "DSN")) {
        r->offers |= SMTP_DSN;
    } else if (ph_str_ieq_c(word, "STARTTLS")) {
        r->offers |= SMTP_STARTTLS;
    } else if (ph_str_ieq_c(word, "ENHANCEDSTATUSCODES")) {
        r->offers |= SMTP_STATUSCODES;
    } else if (ph_str_ieq_c(word, "SIZE")) {
        r->offers |= SMTP_SIZE;
        if (ph_str_u64(rest, &r->size) != PH_OK) {
            r->size = 0;
        }
    } else if (ph_str_ieq_c(word, "AUTH")) {
        while (rest.len != 0) {
            blank = memchr(rest.data, ' ', rest.len);
            n = blank ? (size_t) (blank - rest.data) : rest.len;
            if (ph_str_ieq_c((ph_str_t) { n, rest.data }, "PLAIN")) {
                r->offers |= SMTP_AUTH_PLAIN;
            } else if (ph_str_ieq_c((ph_str_t) { n, rest.data }, "LOGIN")) {
                r->offers |= SMTP_AUTH_LOGIN;
            }
            rest = ph_str_trim((ph_str_t) { rest.len - n, rest.data + n });
        }
    }
}


static void
smtp_text(smtp_reply_t *r, ph_str_t line)
{
    uint8_t  c;

    if (r->len != 0 && r->len < SMTP_MAX_TEXT) {
        r->text[r->len++] = ' ';
    }

    for (size_t i = 0; i < line.len && r->len < SMTP_MAX_TEXT; i++) {
        c = line.data[i];
        r->text[r->len++] = c >= 32 && c < 127 ? (char) c : '?';
    }
    r->text[r->len] = '\0';
}


ph_int_t
smtp_reply_read(smtp_reply_t *r, const uint8_t *data, size_t len,
    size_t *used_r)
{
    int             code;
    bool            last;
    ph_str_t        line;
    const uint8_t  *lf, *p = data, *end = data + len;

    *used_r = 0;

    while ((lf = p < end ? memchr(p, '\n', (size_t) (end - p)) : NULL)) {
        line = (ph_str_t) { (size_t) (lf - p), p };
        p = lf + 1;
        *used_r = (size_t) (p - data);
        line.len -= line.len != 0 && line.data[line.len - 1] == '\r';

        if (line.len < 3 || line.len > SMTP_MAX_LINE
            || line.data[0] < '2' || line.data[0] > '5'
            || line.data[1] < '0' || line.data[1] > '9'
            || line.data[2] < '0' || line.data[2] > '9'
            || ++r->lines > SMTP_MAX_LINES)
        {
            return PH_INVALID;
        }

        code = (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10
               + (line.data[2] - '0');
        last = line.len == 3 || line.data[3] == ' ';

        if (line.len > 3 && line.data[3] != ' ' && line.data[3] != '-') {
            return PH_INVALID;
        }

        line.data += ph_min(line.len, (size_t) 4);
        line.len -= ph_min(line.len, (size_t) 4);

        smtp_text(r, line);
        if (code == 250 && r->lines > 1) {
            smtp_offer(r, line);
        }

        if (last) {
            r->code = code;
            return PH_OK;
        }
    }

    return end - p > SMTP_MAX_LINE ? PH_INVALID : PH_AGAIN;
}


void
smtp_reply_status(const smtp_reply_t *r, char out[12])
{
    unsigned  a, b, c;
    int       n = 0;

    if (sscanf(r->text, "%1u.%3u.%3u%n", &a, &b, &c, &n) == 3
        && a == (unsigned) r->code / 100)
    {
        (void) snprintf(out, 12, "%u.%u.%u", a % 10, b % 1000,
                        c % 1000);
        return;
    }

    (void) snprintf(out, 12, "%u.0.0", (unsigned) r->code / 100 % 10);
}
