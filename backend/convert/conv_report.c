/*
 * Reports: delivery status (RFC 3464) and disposition notifications (RFC 8098)
 * get the class by which MAPI clients know them (MS-OXCMAIL 2.2.3.6).
 */

#include "conv_import.h"
#include "lib/ph_str.h"

#define CONV_MAX_STATUS  (256 << 10)

typedef struct {
    const char  *action;
    const char  *class;
} conv_action_t;

/* in the order of their rank; the worst one decides */
static const conv_action_t  conv_actions[] = {
    { "delivered", "REPORT.IPM.Note.DR" },
    { "expanded", "REPORT.IPM.Note.Expanded.DR" },
    { "relayed", "REPORT.IPM.Note.Relayed.DR" },
    { "delayed", "REPORT.IPM.Note.Delayed.DR" },
    { "failed", "REPORT.IPM.Note.NDR" },
};


/* "name: value" at the start of a line of text; empty when it is another */
static ph_str_t
conv_status_field(ph_str_t line, const char *name)
{
    size_t  n = strlen(name);

    if (line.len <= n || line.data[n] != ':'
        || !ph_str_ieq_c((ph_str_t) { n, line.data }, name))
    {
        return ph_str_null;
    }

    return ph_str_trim((ph_str_t) { line.len - n - 1, line.data + n + 1 });
}


static bool
conv_next_line(ph_str_t *rest, ph_str_t *line_r)
{
    const uint8_t  *lf;

    if (rest->len == 0) {
        return false;
    }

    lf = memchr(rest->data, '\n', rest->len);
    line_r->data = rest->data;
    line_r->len = lf ? (size_t) (lf - rest->data) : rest->len;
    rest->len -= lf ? line_r->len + 1 : rest->len;
    rest->data += lf ? line_r->len + 1 : line_r->len;
    return true;
}


static void
conv_put_delivery_status(conv_msg_t *m, ph_str_t text)
{
    int       worst = -1;
    ph_str_t  line, v;

    while (conv_next_line(&text, &line)) {
        v = conv_status_field(line, "Action");
        for (int i = 0; i < (int) ph_nelts(conv_actions); i++) {
            if (ph_str_ieq_c(v, conv_actions[i].action) && i > worst) {
                worst = i;
            }
        }
    }

    if (worst >= 0) {
        conv_put_str(&m->props, PR_MESSAGE_CLASS,
                     ph_str_c(conv_actions[worst].class));
    }
}


static void
conv_put_disposition(conv_msg_t *m, ph_str_t text)
{
    bool      read = true;
    ph_str_t  line, v, type;

    while (conv_next_line(&text, &line)) {
        v = conv_status_field(line, "Disposition");
        if (v.len != 0) {
            const uint8_t  *semi = memchr(v.data, ';', v.len);

            semi = semi ? semi + 1 : v.data;
            type = ph_str_trim((ph_str_t) {
                (size_t) (v.data + v.len - semi), semi });
            read = !(ph_str_ieq_c(type, "deleted")
                     || ph_str_ieq_c(type, "denied")
                     || ph_str_ieq_c(type, "failed"));
        }

        v = conv_status_field(line, "Original-Message-ID");
        if (v.len != 0) {
            v = ph_utf8_scrub(m->pool, v);
            conv_put_str(&m->props, PR_INTERNET_REFERENCES, v);
        }
    }

    conv_put_str(&m->props, PR_MESSAGE_CLASS,
                 read ? ph_str_lit("REPORT.IPM.Note.IPNRN")
                      : ph_str_lit("REPORT.IPM.Note.IPNNRN"));
}


ph_int_t
conv_import_report(conv_msg_t *m)
{
    bool                delivery, disposition;
    ph_int_t            rc;
    ph_str_t            text;
    const conv_part_t  *part = m->root;

    if (conv_part_is(part, "multipart", "report")) {
        part = part->first;
        while (part != NULL && !conv_part_is(part, "message", NULL)) {
            part = part->next;
        }
    }

    if (part == NULL) {
        return PH_OK;
    }

    delivery = conv_part_is(part, "message", "delivery-status")
               || conv_part_is(part, "message", "global-delivery-status");
    disposition = conv_part_is(part, "message", "disposition-notification");

    if (!delivery && !disposition) {
        return PH_OK;
    }

    rc = conv_part_decode(m->pool, part, &text);
    if (rc != PH_OK) {
        return rc;
    }

    text.len = ph_min(text.len, (size_t) CONV_MAX_STATUS);

    if (delivery) {
        conv_put_delivery_status(m, text);
    } else {
        conv_put_disposition(m, text);
    }

    return PH_OK;
}
