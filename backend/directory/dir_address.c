#include "dir_address.h"
#include "lib/ph_str.h"

#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#define UNITS_MAX  1024

static bool
address_ascii(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return false;
        }
    }

    return true;
}


static ph_int_t
domain_ascii(ph_str_t text, ph_str_t *out)
{
    char        *to = (char *) out->data;
    size_t       label = 0;
    const uint8_t  *p = text.data;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t  c = p[i];

        if (c == '.') {
            if (label == 0 || p[i - 1] == '-') {
                return PH_INVALID;
            }
            label = 0;
        } else if (c >= 'A' && c <= 'Z') {
            c = (uint8_t) (c | 0x20);
            label++;
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                   || c == '_' || (c == '-' && label > 0))
        {
            label++;
        } else {
            return PH_INVALID;
        }

        if (label > 63) {
            return PH_INVALID;
        }
        to[i] = (char) c;
    }

    if (label == 0 || p[text.len - 1] == '-') {
        return PH_INVALID;
    }

    to[text.len] = '\0';
    out->len = text.len;

    return PH_OK;
}


ph_int_t
dir_domain_parse(ph_pool_t *pool, ph_str_t text, ph_str_t *domain_r)
{
    char        ascii[DIR_DOMAIN_MAX + 1];
    int32_t     len;
    UIDNA      *idna;
    ph_str_t    from;
    UErrorCode  status = U_ZERO_ERROR;
    UIDNAInfo   info = UIDNA_INFO_INITIALIZER;

    if (text.len > 0 && text.data[text.len - 1] == '.') {
        text.len--;
    }

    if (text.len == 0 || text.len > 4 * DIR_DOMAIN_MAX) {
        return PH_INVALID;
    }

    from = text;

    if (!address_ascii(text)) {
        idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII
                               | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ,
                               &status);
        if (U_FAILURE(status)) {
            return PH_NOMEM;
        }

        len = uidna_nameToASCII_UTF8(idna, (const char *) text.data,
                                     (int32_t) text.len, ascii,
                                     (int32_t) sizeof(ascii), &info, &status);
        uidna_close(idna);

        if (U_FAILURE(status) || info.errors != 0
            || len <= 0 || len > DIR_DOMAIN_MAX)
        {
            return PH_INVALID;
        }
        from = (ph_str_t) { (size_t) len, (const uint8_t *) ascii };
    }

    if (from.len > DIR_DOMAIN_MAX) {
        return PH_INVALID;
    }

    domain_r->data = ph_palloc(pool, from.len + 1);
    if (domain_r->data == NULL) {
        return PH_NOMEM;
    }

    return domain_ascii(from, domain_r);
}


/* NFC, lower case, NFC again (lower-casing can leave a form that is not NFC) */
static ph_int_t
local_unicode(ph_pool_t *pool, ph_str_t text, ph_str_t *out)
{
    char                *utf8;
    UChar                a[UNITS_MAX], b[UNITS_MAX];
    int32_t              len;
    UErrorCode           status = U_ZERO_ERROR;
    const UNormalizer2  *nfc;

    u_strFromUTF8(a, UNITS_MAX, &len, (const char *) text.data,
                  (int32_t) text.len, &status);
    nfc = unorm2_getNFCInstance(&status);
    len = unorm2_normalize(nfc, a, len, b, UNITS_MAX, &status);
    len = u_strToLower(a, UNITS_MAX, b, len, "", &status);
    len = unorm2_normalize(nfc, a, len, b, UNITS_MAX, &status);
    if (U_FAILURE(status)) {
        return PH_INVALID;
    }

    utf8 = ph_palloc(pool, DIR_ADDRESS_MAX + 1);
    if (utf8 == NULL) {
        return PH_NOMEM;
    }

    u_strToUTF8(utf8, DIR_ADDRESS_MAX, &len, b, len, &status);
    if (U_FAILURE(status)) {
        return PH_INVALID;
    }

    *out = (ph_str_t) { (size_t) len, (const uint8_t *) utf8 };
    return PH_OK;
}


/* "john doe"@x: what the quotes hold, with \c as c */
static ph_int_t
local_unquote(ph_pool_t *pool, ph_str_t text, ph_str_t *out)
{
    size_t    n = 0;
    uint8_t  *to;

    to = ph_palloc(pool, text.len);
    if (to == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 1; i + 1 < text.len; i++) {
        if (text.data[i] == '\\' && i + 2 < text.len) {
            i++;
        } else if (text.data[i] == '"') {
            return PH_INVALID;
        }
        to[n++] = text.data[i];
    }

    *out = (ph_str_t) { n, to };
    return PH_OK;
}


ph_int_t
dir_address_make(ph_pool_t *pool, ph_str_t local, ph_str_t domain,
    dir_address_t *address_r)
{
    uint8_t  *p;

    if (local.len == 0 || local.len > DIR_LOCAL_MAX
        || local.len + 1 + domain.len > DIR_ADDRESS_MAX)
    {
        return PH_INVALID;
    }

    p = ph_palloc(pool, local.len + domain.len + 2);
    if (p == NULL) {
        return PH_NOMEM;
    }

    memcpy(p, local.data, local.len);
    p[local.len] = '@';
    memcpy(p + local.len + 1, domain.data, domain.len);
    p[local.len + 1 + domain.len] = '\0';

    address_r->full = (ph_str_t) { local.len + 1 + domain.len, p };
    address_r->local = (ph_str_t) { local.len, p };
    address_r->domain = (ph_str_t) { domain.len, p + local.len + 1 };

    return PH_OK;
}


ph_int_t
dir_address_parse(ph_pool_t *pool, ph_str_t text, dir_address_t *address_r)
{
    size_t    at;
    ph_int_t  rc;
    ph_str_t  local, domain;

    text = ph_str_trim(text);

    if (text.len >= 2 && text.data[0] == '<'
        && text.data[text.len - 1] == '>')
    {
        text.data++;
        text.len -= 2;
    }

    if (text.len > 4 * DIR_ADDRESS_MAX || !ph_utf8_valid(text)) {
        return PH_INVALID;
    }

    for (at = text.len; at > 0 && text.data[at - 1] != '@'; at--) {
        /* the last one divides */
    }
    if (at < 2) {
        return PH_INVALID;
    }

    local = (ph_str_t) { at - 1, text.data };
    domain = (ph_str_t) { text.len - at, text.data + at };

    rc = dir_domain_parse(pool, domain, &domain);
    if (rc != PH_OK) {
        return rc;
    }

    if (local.len >= 2 && local.data[0] == '"'
        && local.data[local.len - 1] == '"')
    {
        rc = local_unquote(pool, local, &local);
        if (rc != PH_OK) {
            return rc;
        }
    }

    for (size_t i = 0; i < local.len; i++) {
        if (local.data[i] < 0x20 || local.data[i] == 0x7F) {
            return PH_INVALID;
        }
    }

    if (address_ascii(local)) {
        local = ph_str_lower(pool, local);
        if (local.data == NULL) {
            return PH_NOMEM;
        }
    } else {
        rc = local_unicode(pool, local, &local);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return dir_address_make(pool, local, domain, address_r);
}


bool
dir_address_creatable(const dir_address_t *address)
{
    ph_str_t  local = address->local;

    static const char  allowed[] = "!#$&'+-=?^_`{|}~";

    if (local.data[0] == '.' || local.data[local.len - 1] == '.') {
        return false;
    }

    for (size_t i = 0; i < local.len; i++) {
        uint8_t  c = local.data[i];

        if (c == '.') {
            if (local.data[i + 1] == '.') {
                return false;
            }
        } else if (c < 0x80 && !(c >= 'a' && c <= 'z')
                   && !(c >= '0' && c <= '9') && strchr(allowed, c) == NULL)
        {
            return false;
        }
    }

    return true;
}


ph_int_t
dir_address_path(ph_pool_t *pool, const dir_address_t *address,
    ph_str_t *path_r)
{
    size_t          n;
    uint8_t        *to, *p;
    const uint8_t  *s;

    static const char  hex[] = "0123456789ABCDEF";

    n = address->domain.len + 1 + 3 * address->local.len;
    to = ph_palloc(pool, n + 1);
    if (to == NULL) {
        return PH_NOMEM;
    }

    memcpy(to, address->domain.data, address->domain.len);
    p = to + address->domain.len;
    *p++ = '/';

    s = address->local.data;

    for (size_t i = 0; i < address->local.len; i++) {
        if ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9')
            || s[i] == '-' || s[i] == '_' || s[i] == '+' || s[i] >= 0x80
            || (s[i] == '.' && i > 0))
        {
            *p++ = s[i];
        } else {
            *p++ = '%';
            *p++ = (uint8_t) hex[s[i] >> 4];
            *p++ = (uint8_t) hex[s[i] & 15];
        }
    }

    *p = '\0';
    *path_r = (ph_str_t) { (size_t) (p - to), to };

    return PH_OK;
}


ph_int_t
dir_legacy_dn(ph_pool_t *pool, ph_str_t organisation, uint32_t domain_id,
    uint32_t user_id, ph_str_t local, ph_str_t *dn_r)
{
    char  *dn, name[DIR_LOCAL_MAX + 1];

    local.len = ph_min(local.len, DIR_LOCAL_MAX);

    for (size_t i = 0; i < local.len; i++) {
        uint8_t  c = local.data[i];

        name[i] = (c > 0x20 && c < 0x7F && c != '/' && c != '=') ? (char) c
                                                                 : '_';
    }
    name[local.len] = '\0';

    dn = ph_psprintf(pool, "/o=%.*s/ou=Exchange Administrative Group "
                     "(FYDIBOHF23SPDLT)/cn=Recipients/cn=%08x%08x-%s",
                     PH_STR_ARG(organisation), domain_id, user_id, name);
    if (dn == NULL) {
        return PH_NOMEM;
    }

    *dn_r = ph_str_c(dn);
    return PH_OK;
}
