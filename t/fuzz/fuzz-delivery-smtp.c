/* Replies of a mail server, whole and in two pieces at every place. */

#include "delivery/smtp_parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          status[12];
    size_t        used, more, cut;
    ph_int_t      rc;
    smtp_reply_t  a, b;

    if (size > 2000) {
        return 0;
    }

    smtp_reply_init(&a);
    rc = smtp_reply_read(&a, data, size, &used);
    if (used > size || a.len > SMTP_MAX_TEXT) {
        abort();
    }
    if (rc != PH_OK) {
        return 0;
    }
    smtp_reply_status(&a, status);

    for (cut = 0; cut < used; cut++) {
        smtp_reply_init(&b);
        if (smtp_reply_read(&b, data, cut, &more) != PH_AGAIN
            || smtp_reply_read(&b, data + more, size - more, &more) != PH_OK
            || b.code != a.code || b.offers != a.offers
            || memcmp(a.text, b.text, a.len) != 0)
        {
            abort();
        }
    }

    return 0;
}
