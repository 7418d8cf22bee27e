#include "bounce.h"
#include "lib/ph_buf.h"
#include "lib/ph_str.h"


/* printable ASCII of one line */
static void
bounce_text(ph_wbuf_t *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ph_put_u8(b, s[i] >= 32 && s[i] < 127 ? (uint8_t) s[i] : '?');
    }
}


static bool
bounce_is_ascii(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return false;
        }
    }

    return true;
}


/* the header of the original, with its last line end */
static ph_str_t
bounce_header(ph_str_t body)
{
    const uint8_t  *p;

    p = memmem(body.data, body.len, "\r\n\r\n", 4);
    if (p != NULL) {
        return (ph_str_t) { (size_t) (p + 2 - body.data), body.data };
    }

    p = memmem(body.data, body.len, "\n\n", 2);
    return (ph_str_t) { p ? (size_t) (p + 1 - body.data) : 0, body.data };
}


/* what differs between the reports, by bounce_action_t */
static const struct {
    const char  *action;
    const char  *subject;
    const char  *text;
    const char  *part;
} bounce_words[] = {
    { "failed", "Undeliverable: your message could not be delivered",
      "Your message could not be delivered to the following recipients.\r\n"
      "It was not sent to them again.",
      "Undelivered message" },
    { "delivered", "Delivered: your message has arrived",
      "Your message has been delivered to the following recipients.",
      "Delivered message" },
    { "relayed", "Relayed: your message was passed on",
      "Your message was passed on for the following recipients to a mail\r\n"
      "server that does not report deliveries.",
      "Relayed message" },
};


static void
bounce_explain(ph_wbuf_t *b, const char *hostname, const bounce_rcpt_t *rcpts,
    size_t n)
{
    ph_put_fmt(b, "This is the mail system at %s.\r\n\r\n%s\r\n\r\n",
               hostname, bounce_words[rcpts[0].action].text);

    for (size_t i = 0; i < n; i++) {
        ph_put_fmt(b, "<%.*s>\r\n", PH_STR_ARG(rcpts[i].address));
        if (rcpts[i].reply != NULL) {
            ph_put_fmt(b, "    ");
            if (rcpts[i].remote != NULL) {
                ph_put_fmt(b, "%s said: ", rcpts[i].remote);
            }
            bounce_text(b, rcpts[i].reply, strlen(rcpts[i].reply));
            ph_put_fmt(b, " (%s)\r\n", rcpts[i].status);
        }
        ph_put_fmt(b, "\r\n");
    }
}


ph_str_t
bounce_xtext(ph_pool_t *pool, ph_str_t s)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] > 32 && s.data[i] < 127 && s.data[i] != '+'
            && s.data[i] != '=')
        {
            ph_put_u8(&b, s.data[i]);
        } else {
            ph_put_fmt(&b, "+%02X", s.data[i]);
        }
    }

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


ph_str_t
bounce_from_xtext(ph_pool_t *pool, ph_str_t s)
{
    uint8_t    c;
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    for (size_t i = 0; i < s.len; i++) {
        c = s.data[i];
        if (c == '+') {
            if (s.len - i < 3
                || ph_hex_decode(&c, 1, (ph_str_t) { 2, s.data + i + 1 })
                   != PH_OK)
            {
                return ph_str_null;
            }
            i += 2;
        }
        ph_put_u8(&b, c);
    }

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


/* "name: type; value" of a field that came as xtext; in one line, or not */
static void
bounce_put_xtext(ph_wbuf_t *b, ph_pool_t *pool, const char *name,
    ph_str_t type, ph_str_t xtext)
{
    ph_str_t  v = bounce_from_xtext(pool, xtext);

    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] < 32 || v.data[i] == 127) {
            return;
        }
    }

    if (v.len == 0) {
        return;
    }

    ph_put_fmt(b, "%s: %.*s%s%.*s\r\n", name, PH_STR_ARG(type),
               type.len ? ";" : "", PH_STR_ARG(v));
}


static void
bounce_put_rcpt(ph_wbuf_t *b, ph_pool_t *pool, const bounce_rcpt_t *r,
    bool utf8)
{
    ph_str_t        type;
    const uint8_t  *semi;

    ph_put_fmt(b, "\r\n");

    semi = r->orcpt.len ? memchr(r->orcpt.data, ';', r->orcpt.len) : NULL;
    if (semi != NULL) {
        type = (ph_str_t) { (size_t) (semi - r->orcpt.data), r->orcpt.data };
        bounce_put_xtext(b, pool, "Original-Recipient", type, (ph_str_t) {
            r->orcpt.len - type.len - 1, semi + 1 });
    }

    ph_put_fmt(b, "Final-Recipient: %s; %.*s\r\nAction: %s\r\n"
               "Status: %s\r\n", utf8 ? "utf-8" : "rfc822",
               PH_STR_ARG(r->address), bounce_words[r->action].action,
               r->status);

    if (r->remote != NULL) {
        ph_put_fmt(b, "Remote-MTA: dns; %s\r\n", r->remote);
    }

    if (r->reply != NULL) {
        ph_put_fmt(b, "Diagnostic-Code: %s; ",
                   r->remote ? "smtp" : "x-posthorn");
        bounce_text(b, r->reply, strlen(r->reply));
        ph_put_bytes(b, "\r\n", 2);
    }
}


ph_int_t
bounce_compose(ph_pool_t *pool, const char *hostname, const queue_entry_t *e,
    const bounce_rcpt_t *rcpts, size_t n, ph_str_t body, const char *date,
    ph_str_t *bytes_r)
{
    bool         utf8, whole;
    char         id[2 * QUEUE_ID + 1];
    ph_str_t     to = e->sender.len ? e->sender : e->mailbox, original;
    ph_wbuf_t    b;
    const char  *type;

    bounce_action_t  kind;

    ph_hex_encode(id, e->id, QUEUE_ID);
    utf8 = (e->flags & QUEUE_F_SMTPUTF8) || !bounce_is_ascii(to);
    whole = body.len <= BOUNCE_MAX_ORIGINAL
            && rcpts[0].action == BOUNCE_FAILED
            && !ph_str_ieq_c(e->ret, "HDRS");
    original = whole ? body : bounce_header(body);
    original.len = ph_min(original.len, (size_t) BOUNCE_MAX_ORIGINAL);
    kind = rcpts[0].action;
    type = whole ? (utf8 ? "message/global" : "message/rfc822")
                 : (utf8 ? "message/global-headers" : "text/rfc822-headers");

    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    ph_put_fmt(&b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
               "To: <%.*s>\r\n"
               "Subject: %s\r\n"
               "Date: %s\r\nMessage-ID: <%s.%s@%s>\r\n"
               "Auto-Submitted: auto-replied\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; report-type=delivery-status;"
               "\r\n\tboundary=\"=_%s\"\r\n\r\n",
               hostname, PH_STR_ARG(to), bounce_words[kind].subject, date,
               id, kind == BOUNCE_FAILED ? "bounce"
                                         : bounce_words[kind].action,
               hostname, id);

    ph_put_fmt(&b, "--=_%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Description: Notification\r\n\r\n", id);
    bounce_explain(&b, hostname, rcpts, n);

    ph_put_fmt(&b, "--=_%s\r\nContent-Type: message/%sdelivery-status\r\n"
               "Content-Description: Delivery report\r\n\r\n"
               "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n",
               id, utf8 ? "global-" : "", hostname, date);
    bounce_put_xtext(&b, pool, "Original-Envelope-Id", ph_str_null, e->envid);

    for (size_t i = 0; i < n; i++) {
        bounce_put_rcpt(&b, pool, &rcpts[i], utf8);
    }

    ph_put_fmt(&b, "\r\n--=_%s\r\nContent-Type: %s\r\n"
               "Content-Description: %s%s\r\n"
               "%s\r\n", id, type, bounce_words[kind].part,
               whole ? "" : " headers",
               bounce_is_ascii(original)
               ? "" : "Content-Transfer-Encoding: 8bit\r\n");
    ph_put_str(&b, original);
    ph_put_fmt(&b, "\r\n--=_%s--\r\n", id);

    if (b.error) {
        return PH_NOMEM;
    }

    *bytes_r = ph_wbuf_str(&b);
    return PH_OK;
}
