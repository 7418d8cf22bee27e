#include "ma_auth.h"

#include "lib/ph_str.h"
#include "lib/ph_ticket.h"


/* nginx escapes what could break a header line as %XX */

static ph_int_t
ma_unescape(ph_pool_t *pool, ph_str_t in, size_t max, bool printable,
    ph_str_t *out_r)
{
    int       hi, lo;
    size_t    i, n;
    uint8_t  *out, c;

    *out_r = ph_str_null;

    if (in.len > max * 3) {
        return PH_TOOBIG;
    }

    out = ph_palloc(pool, in.len + 1);
    if (out == NULL) {
        return PH_NOMEM;
    }

    n = 0;

    for (i = 0; i < in.len; i++) {
        c = in.data[i];

        if (c == '%') {
            if (in.len - i < 3) {
                return PH_INVALID;
            }

            hi = ph_hex_digit(in.data[i + 1]);
            lo = ph_hex_digit(in.data[i + 2]);

            if (hi < 0 || lo < 0) {
                return PH_INVALID;
            }

            c = (uint8_t) (hi << 4 | lo);
            i += 2;
        }

        if (c == '\0' || (printable && (c < 0x20 || c == 0x7f))) {
            return PH_INVALID;
        }

        out[n++] = c;
    }

    if (n > max) {
        return PH_TOOBIG;
    }

    out_r->data = out;
    out_r->len = n;

    return PH_OK;
}


ph_int_t
ma_request_read(ph_pool_t *pool, const ma_headers_t *h, ma_request_t *r)
{
    static const char *const  protocols[] = { "imap", "pop3", "smtp" };

    size_t    i;
    ph_int_t  rc;

    memset(r, 0, sizeof(ma_request_t));

    for (i = 0; i < ph_nelts(protocols); i++) {
        if (ph_str_ieq_c(h->protocol, protocols[i])) {
            break;
        }
    }

    if (i == ph_nelts(protocols)) {
        return PH_INVALID;
    }

    r->protocol = (ma_protocol_t) i;

    if (ph_str_ieq_c(h->method, "plain") || ph_str_ieq_c(h->method, "login")) {
        r->method = MA_PLAIN;

    } else if (ph_str_ieq_c(h->method, "none")) {
        r->method = MA_NONE;

    } else {
        r->method = MA_UNSUPPORTED;
    }

    rc = ma_unescape(pool, h->user, MA_MAX_USER, true, &r->user);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ma_unescape(pool, h->password, MA_MAX_PASSWORD, false, &r->password);
    if (rc != PH_OK) {
        return rc;
    }

    r->client = h->client;
    r->tls = ph_str_ieq_c(h->ssl, "on");

    if (ph_str_u64(h->attempt, &r->attempt) != PH_OK) {
        r->attempt = 1;
    }

    return PH_OK;
}


const char *
ma_status(ma_result_t result)
{
    switch (result) {

    case MA_OK:
        return "OK";

    case MA_WRONG:
        return "Invalid login or password";

    case MA_NEED_TLS:
        return "Encryption required: use TLS before logging in";

    case MA_NEED_AUTH:
        return "Authentication required";

    case MA_BAD_METHOD:
        return "Authentication method not supported, use PLAIN or LOGIN";

    case MA_NO_BACKEND:
        return "Service not available";

    default:
        return "Temporary server problem, try again later";
    }
}


const char *
ma_smtp_code(ma_result_t result)
{
    switch (result) {

    case MA_OK:
        return NULL;

    case MA_WRONG:
        return "535 5.7.8";

    case MA_NEED_TLS:
        return "538 5.7.11";

    case MA_NEED_AUTH:
        return "530 5.7.0";

    case MA_BAD_METHOD:
        return "504 5.5.4";

    default:
        return "454 4.7.0";
    }
}


uint32_t
ma_right(ma_protocol_t protocol)
{
    static const uint32_t  rights[] = {
        PH_RIGHT_IMAP, PH_RIGHT_POP3, PH_RIGHT_SMTP
    };

    return rights[protocol];
}
