#include "lmtp_parse.h"
#include "lib/ph_str.h"

static const struct {
    const char   *name;
    lmtp_verb_t   verb;
} lmtp_verbs[] = {
    { "LHLO", LMTP_LHLO },
    { "MAIL", LMTP_MAIL },
    { "RCPT", LMTP_RCPT },
    { "DATA", LMTP_DATA },
    { "RSET", LMTP_RSET },
    { "NOOP", LMTP_NOOP },
    { "QUIT", LMTP_QUIT },
    { "VRFY", LMTP_VRFY },
    { "HELP", LMTP_HELP },
    { "HELO", LMTP_HELO },
    { "EHLO", LMTP_HELO },
    { "BDAT", LMTP_BDAT },
};


ph_int_t
lmtp_line(const uint8_t *data, size_t len, size_t max, size_t *scanned,
    ph_str_t *line_r, size_t *used_r)
{
    size_t          n;
    const uint8_t  *lf;

    lf = len > *scanned ? memchr(data + *scanned, '\n', len - *scanned) : NULL;

    if (lf == NULL) {
        *scanned = len;
        return len >= max ? PH_TOOBIG : PH_AGAIN;
    }

    n = (size_t) (lf - data);
    *scanned = 0;
    *used_r = n + 1;

    if (n + 1 > max) {
        return PH_TOOBIG;
    }

    n -= n > 0 && data[n - 1] == '\r';
    *line_r = (ph_str_t) { n, data };
    return PH_OK;
}


void
lmtp_command(ph_str_t line, lmtp_command_t *cmd_r)
{
    ph_str_t  verb = { ph_min(line.len, (size_t) 4), line.data };

    cmd_r->verb = LMTP_UNKNOWN;
    cmd_r->args = ph_str_null;

    if (line.len > 4 && line.data[4] != ' ') {
        return;
    }

    for (size_t i = 0; i < ph_nelts(lmtp_verbs); i++) {
        if (ph_str_ieq_c(verb, lmtp_verbs[i].name)) {
            cmd_r->verb = lmtp_verbs[i].verb;
            cmd_r->args = ph_str_trim((ph_str_t) {
                line.len - verb.len, line.data + verb.len });
            return;
        }
    }
}


/*
 * An address at s up to ">" (or a blank, when it began without "<").  The
 * source route of old, "@a,@b:", is dropped.
 */
static ph_int_t
lmtp_address(ph_str_t s, ph_str_t *address_r, size_t *used_r)
{
    bool      angle, quote = false;
    size_t    i, start;
    ph_str_t  a;
    enum { sw_start, sw_text } state = sw_start;

    angle = s.len != 0 && s.data[0] == '<';
    start = angle ? 1 : 0;

    for (i = start; i < s.len; i++) {
        uint8_t  c = s.data[i];

        if (c < 32 || c == 127) {
            return PH_INVALID;
        }

        if (quote) {
            if (c == '\\' && i + 1 < s.len) {
                i++;
            } else if (c == '"') {
                quote = false;
            }
            continue;
        }

        if (state == sw_start && c == '@') {
            const uint8_t  *colon = memchr(s.data + i, ':', s.len - i);
            const uint8_t  *gt = memchr(s.data + i, '>', s.len - i);

            if (colon == NULL || (gt != NULL && gt < colon)) {
                return PH_INVALID;
            }
            i = (size_t) (colon - s.data);
            start = i + 1;
            state = sw_text;
            continue;
        }

        state = sw_text;

        if (c == '"') {
            quote = true;
        } else if (c == '>' && angle) {
            break;
        } else if (c == ' ') {
            if (angle) {
                return PH_INVALID;
            }
            break;
        } else if (c == '<' || c == '>') {
            return PH_INVALID;
        }
    }

    if (quote || (angle && i >= s.len)) {
        return PH_INVALID;
    }

    a = (ph_str_t) { i - start, s.data + start };
    if (a.len > LMTP_MAX_PATH) {
        return PH_TOOBIG;
    }
    if (!ph_utf8_valid(a) || (!angle && a.len == 0)) {
        return PH_INVALID;
    }

    *address_r = a;
    *used_r = i + (angle ? 1 : 0);
    return PH_OK;
}


static ph_int_t
lmtp_notify(ph_str_t v, uint8_t *bits_r)
{
    size_t    n;
    ph_str_t  word;

    while (v.len != 0) {
        const uint8_t  *comma = memchr(v.data, ',', v.len);

        n = comma ? (size_t) (comma - v.data) : v.len;
        word = (ph_str_t) { n, v.data };

        if (ph_str_ieq_c(word, "NEVER")) {
            *bits_r |= LMTP_NOTIFY_NEVER;
        } else if (ph_str_ieq_c(word, "SUCCESS")) {
            *bits_r |= LMTP_NOTIFY_SUCCESS;
        } else if (ph_str_ieq_c(word, "FAILURE")) {
            *bits_r |= LMTP_NOTIFY_FAILURE;
        } else if (ph_str_ieq_c(word, "DELAY")) {
            *bits_r |= LMTP_NOTIFY_DELAY;
        } else {
            return PH_INVALID;
        }

        n += comma != NULL;
        v.data += n;
        v.len -= n;
    }

    /* NEVER stands alone (RFC 3461 4.1) */
    return *bits_r == 0 || ((*bits_r & LMTP_NOTIFY_NEVER)
                            && *bits_r != LMTP_NOTIFY_NEVER) ? PH_INVALID
                                                             : PH_OK;
}


static ph_int_t
lmtp_param(ph_str_t name, ph_str_t value, bool mail, lmtp_path_t *p)
{
    if (mail) {
        if (ph_str_ieq_c(name, "SIZE")) {
            return ph_str_u64(value, &p->size);
        }
        if (ph_str_ieq_c(name, "BODY")) {
            p->body8 = ph_str_ieq_c(value, "8BITMIME");
            return p->body8 || ph_str_ieq_c(value, "7BIT") ? PH_OK
                                                           : PH_INVALID;
        }
        if (ph_str_ieq_c(name, "SMTPUTF8") && value.len == 0) {
            p->smtputf8 = true;
            return PH_OK;
        }
        if (ph_str_ieq_c(name, "RET")) {
            p->ret = value;
            return ph_str_ieq_c(value, "FULL") || ph_str_ieq_c(value, "HDRS")
                   ? PH_OK : PH_INVALID;
        }
        if (ph_str_ieq_c(name, "ENVID")) {
            p->envid = value;
            return value.len <= 100 ? PH_OK : PH_INVALID;
        }
        if (ph_str_ieq_c(name, "AUTH")) {
            return PH_OK;
        }

    } else {
        if (ph_str_ieq_c(name, "NOTIFY")) {
            return lmtp_notify(value, &p->notify);
        }
        if (ph_str_ieq_c(name, "ORCPT")) {
            p->orcpt = value;
            return value.len <= 500 && memchr(value.data, ';', value.len)
                   ? PH_OK : PH_INVALID;
        }
    }

    return PH_DECLINED;
}


ph_int_t
lmtp_path(ph_str_t args, const char *keyword, lmtp_path_t *path_r)
{
    bool             mail = keyword[0] == 'F';
    size_t           n = strlen(keyword), used;
    ph_int_t         rc;
    ph_str_t         rest, word, value;
    const uint8_t   *end, *eq;

    memset(path_r, 0, sizeof(*path_r));

    if (args.len < n || !ph_str_ieq_c((ph_str_t) { n, args.data }, keyword)) {
        return PH_INVALID;
    }

    /* a blank behind the colon is wrong, and common */
    rest = ph_str_trim((ph_str_t) { args.len - n, args.data + n });

    rc = lmtp_address(rest, &path_r->address, &used);
    if (rc != PH_OK) {
        return rc;
    }

    rest.data += used;
    rest.len -= used;

    if (rest.len != 0 && rest.data[0] != ' ') {
        return PH_INVALID;
    }

    while ((rest = ph_str_trim(rest)).len != 0) {
        end = memchr(rest.data, ' ', rest.len);
        word = (ph_str_t) { end ? (size_t) (end - rest.data) : rest.len,
                            rest.data };
        rest.data += word.len;
        rest.len -= word.len;

        eq = memchr(word.data, '=', word.len);
        value = ph_str_null;
        if (eq != NULL) {
            value = (ph_str_t) { (size_t) (word.data + word.len - eq - 1),
                                 eq + 1 };
            word.len = (size_t) (eq - word.data);
            if (value.len == 0) {
                return PH_INVALID;
            }
        }

        rc = lmtp_param(word, value, mail, path_r);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}


enum {
    sw_line = 0,       /* at the beginning of a line */
    sw_text,
    sw_cr,             /* behind CR */
    sw_dot,            /* behind a "." at the beginning of a line */
    sw_dot_cr
};


void
lmtp_data_init(lmtp_data_t *d)
{
    d->state = sw_line;
}


ph_int_t
lmtp_data_feed(lmtp_data_t *d, const uint8_t *data, size_t len,
    size_t *used_r, lmtp_sink_pt put, void *sink)
{
    uint8_t         c;
    size_t          i, from = 0;
    const uint8_t  *cr;

    for (i = 0; i < len; /* void */ ) {
        c = data[i];

        switch (d->state) {

        case sw_line:
            if (c == '.') {
                if (i > from) {
                    put(sink, data + from, i - from);
                }
                i++;
                from = i;                    /* the dot itself is dropped */
                d->state = sw_dot;
                continue;
            }
            d->state = sw_text;
            continue;

        case sw_text:
            cr = memchr(data + i, '\r', len - i);
            if (cr == NULL) {
                i = len;
                continue;
            }
            i = (size_t) (cr - data) + 1;
            d->state = sw_cr;
            continue;

        case sw_cr:
            if (c == '\n') {
                i++;
                d->state = sw_line;
            } else {
                d->state = sw_text;
            }
            continue;

        case sw_dot:
            if (c == '\r') {
                i++;
                from = i;                    /* held back until it is clear */
                d->state = sw_dot_cr;
                continue;
            }
            /* a stuffed dot, or one that the client forgot to stuff */
            d->state = sw_text;
            continue;

        case sw_dot_cr:
            if (c == '\n') {
                *used_r = i + 1;
                return PH_OK;
            }
            put(sink, (const uint8_t *) "\r", 1);
            d->state = c == '\r' ? sw_cr : sw_text;
            i += c == '\r';
            continue;
        }
    }

    if (len > from) {
        put(sink, data + from, len - from);
    }

    *used_r = len;
    return PH_AGAIN;
}
