
#include "ma_auth.h"

#include "lib/ph_str.h"
#include "lib/ph_ticket.h"


ph_int_t
ma_protocol_parse(ph_str_t name, ma_protocol_t *protocol_r)
{
    static const char  *names[] = { "imap", "pop3", "smtp" };

    size_t  i;

    for (i = 0; i < ph_nelts(names); i++) {
        if (ph_str_ieq_c(name, names[i])) {
            *protocol_r = (ma_protocol_t) i;
            return PH_OK;
        }
    }

    return PH_INVALID;
}


bool
ma_value_safe(ph_str_t value)
{
    size_t  i;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] == 0x7f) {
            return false;
        }
    }

    return true;
}


ph_int_t
ma_unescape(ph_pool_t *pool, ph_str_t value, ph_str_t *text_r)
{
    size_t    i, n;
    uint8_t  *p;

    if (value.len > 3 * MA_MAX_VALUE) {
        return PH_TOOBIG;
    }

    p = ph_palloc(pool, value.len + 1);
    if (p == NULL) {
        return PH_NOMEM;
    }

    n = 0;

    for (i = 0; i < value.len; i++) {

        if (value.data[i] != '%') {
            p[n++] = value.data[i];
            continue;
        }

        if (value.len - i < 3
            || ph_hex_decode(&p[n], 1, (ph_str_t) { 2, value.data + i + 1 })
               != PH_OK)
        {
            return PH_INVALID;
        }

        n++;
        i += 2;
    }

    if (n > MA_MAX_VALUE) {
        return PH_TOOBIG;
    }

    *text_r = (ph_str_t) { n, p };

    if (!ma_value_safe(*text_r) || !ph_utf8_valid(*text_r)) {
        return PH_INVALID;
    }

    return PH_OK;
}


static bool
ma_address_valid(ph_str_t client)
{
    size_t   i;
    uint8_t  c;

    if (client.len > 64) {
        return false;
    }

    for (i = 0; i < client.len; i++) {
        c = client.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
              || (c >= 'A' && c <= 'F') || c == '.' || c == ':'))
        {
            return false;
        }
    }

    return true;
}


ph_int_t
ma_request_parse(ph_pool_t *pool, const ma_head_t *head,
    ma_request_t *request_r)
{
    static const uint32_t  rights[] = {
        PH_RIGHT_IMAP, PH_RIGHT_POP3, PH_RIGHT_SMTP
    };

    ph_int_t  rc;
    uint64_t  attempt;

    memset(request_r, 0, sizeof(ma_request_t));

    if (ma_protocol_parse(head->protocol, &request_r->protocol) != PH_OK) {
        return PH_INVALID;
    }

    request_r->right = rights[request_r->protocol];

    /* "unix:" stands for a client on a local socket */

    if (ma_address_valid(head->client)) {
        request_r->client = head->client;
    }

    if (ph_str_u64(head->attempt, &attempt) == PH_OK
        && attempt >= MA_MAX_ATTEMPTS)
    {
        request_r->last = true;
    }

    if (request_r->protocol == MA_SMTP && ph_str_ieq_c(head->method, "none")) {
        request_r->anonymous = true;
        return PH_OK;
    }

    if (!ph_str_ieq_c(head->method, "plain")) {
        return PH_INVALID;
    }

    rc = ma_unescape(pool, head->user, &request_r->user);
    if (rc != PH_OK) {
        return rc == PH_NOMEM ? rc : PH_INVALID;
    }

    rc = ma_unescape(pool, head->password, &request_r->password);
    if (rc != PH_OK) {
        return rc == PH_NOMEM ? rc : PH_INVALID;
    }

    return request_r->user.len != 0 ? PH_OK : PH_INVALID;
}


const char *
ma_failure_status(ma_failure_t failure)
{
    switch (failure) {

    case MA_LATER:
        return "Temporary authentication failure";

    case MA_UNSUPPORTED:
        return "Authentication method not supported";

    default:
        return "Invalid login or password";
    }
}


const char *
ma_failure_code(ma_failure_t failure)
{
    switch (failure) {

    case MA_LATER:
        return "454 4.7.0";

    case MA_UNSUPPORTED:
        return "504 5.5.4";

    default:
        return "535 5.7.8";
    }
}
