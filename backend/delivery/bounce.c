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


static void
bounce_explain(ph_wbuf_t *b, const char *hostname, const bounce_rcpt_t *rcpts,
    size_t n)
{
    ph_put_fmt(b, "This is the mail system at %s.\r\n\r\n"
               "Your message could not be delivered to the following "
               "recipients.\r\nIt was not sent to them again.\r\n\r\n",
               hostname);

    for (size_t i = 0; i < n; i++) {
        ph_put_fmt(b, "<%.*s>\r\n    ", PH_STR_ARG(rcpts[i].address));
        if (rcpts[i].remote != NULL) {
            ph_put_fmt(b, "%s said: ", rcpts[i].remote);
        }
        bounce_text(b, rcpts[i].reply, strlen(rcpts[i].reply));
        ph_put_fmt(b, " (%s)\r\n\r\n", rcpts[i].status);
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
    const char  *kind;

    ph_hex_encode(id, e->id, QUEUE_ID);
    utf8 = (e->flags & QUEUE_F_SMTPUTF8) || !bounce_is_ascii(to);
    whole = body.len <= BOUNCE_MAX_ORIGINAL;
    original = whole ? body : bounce_header(body);
    original.len = ph_min(original.len, (size_t) BOUNCE_MAX_ORIGINAL);
    kind = whole ? (utf8 ? "message/global" : "message/rfc822")
                 : (utf8 ? "message/global-headers" : "text/rfc822-headers");

    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    ph_put_fmt(&b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
               "To: <%.*s>\r\n"
               "Subject: Undeliverable: your message could not be delivered"
               "\r\nDate: %s\r\nMessage-ID: <%s.bounce@%s>\r\n"
               "Auto-Submitted: auto-replied\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; report-type=delivery-status;"
               "\r\n\tboundary=\"=_%s\"\r\n\r\n",
               hostname, PH_STR_ARG(to), date, id, hostname, id);

    ph_put_fmt(&b, "--=_%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Description: Notification\r\n\r\n", id);
    bounce_explain(&b, hostname, rcpts, n);

    ph_put_fmt(&b, "--=_%s\r\nContent-Type: message/%sdelivery-status\r\n"
               "Content-Description: Delivery report\r\n\r\n"
               "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n",
               id, utf8 ? "global-" : "", hostname, date);

    for (size_t i = 0; i < n; i++) {
        ph_put_fmt(&b, "\r\nFinal-Recipient: %s; %.*s\r\nAction: failed\r\n"
                   "Status: %s\r\n", utf8 ? "utf-8" : "rfc822",
                   PH_STR_ARG(rcpts[i].address), rcpts[i].status);
        if (rcpts[i].remote != NULL) {
            ph_put_fmt(&b, "Remote-MTA: dns; %s\r\n", rcpts[i].remote);
        }
        ph_put_fmt(&b, "Diagnostic-Code: %s; ",
                   rcpts[i].remote ? "smtp" : "x-posthorn");
        bounce_text(&b, rcpts[i].reply, strlen(rcpts[i].reply));
        ph_put_bytes(&b, "\r\n", 2);
    }

    ph_put_fmt(&b, "\r\n--=_%s\r\nContent-Type: %s\r\n"
               "Content-Description: Undelivered message%s\r\n"
               "%s\r\n", id, kind, whole ? "" : " headers",
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
