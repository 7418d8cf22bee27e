
#include "id_basic.h"


static ph_int_t
id_basic_text(ph_pool_t *pool, ph_str_t s, ph_str_t *text_r)
{
    size_t    i, n;
    uint8_t  *p;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return PH_INVALID;
        }
    }

    if (ph_utf8_valid(s)) {
        *text_r = s;
        return PH_OK;
    }

    p = ph_palloc(pool, 2 * s.len);
    if (p == NULL) {
        return PH_NOMEM;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < 0x80) {
            p[n++] = s.data[i];

        } else {
            p[n++] = (uint8_t) (0xc0 | (s.data[i] >> 6));
            p[n++] = (uint8_t) (0x80 | (s.data[i] & 0x3f));
        }
    }

    *text_r = (ph_str_t) { n, p };

    return PH_OK;
}


ph_int_t
id_basic_parse(ph_pool_t *pool, ph_str_t value, ph_str_t *user_r,
    ph_str_t *password_r)
{
    ph_int_t        rc;
    ph_str_t        scheme, text, user, password;
    const uint8_t  *colon;

    scheme = (ph_str_t) { ph_min(value.len, (size_t) 5), value.data };

    if (!ph_str_ieq_c(scheme, "basic")) {
        return PH_DECLINED;
    }

    if (value.len > 5 && value.data[5] != ' ' && value.data[5] != '\t') {
        return PH_DECLINED;
    }

    if (value.len > ID_MAX_AUTHORIZATION) {
        return PH_TOOBIG;
    }

    value.data += 5;
    value.len -= 5;
    value = ph_str_trim(value);

    if (value.len == 0) {
        return PH_INVALID;
    }

    rc = ph_base64_decode(pool, value, &text);
    if (rc != PH_OK) {
        return rc;
    }

    colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    if (colon == NULL || colon == text.data) {
        return PH_INVALID;
    }

    user = (ph_str_t) { (size_t) (colon - text.data), text.data };
    password = (ph_str_t) { text.len - user.len - 1, colon + 1 };

    rc = id_basic_text(pool, user, user_r);
    if (rc != PH_OK) {
        return rc;
    }

    rc = id_basic_text(pool, password, password_r);
    if (rc != PH_OK) {
        return rc;
    }

    if (user_r->len > ID_MAX_USER || password_r->len > ID_MAX_PASSWORD) {
        return PH_TOOBIG;
    }

    return PH_OK;
}
