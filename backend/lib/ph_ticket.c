#include "ph_ticket.h"
#include "ph_buf.h"
#include "ph_str.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define PH_TICKET_VERSION  1
#define PH_TICKET_MAC      32

static bool
ph_ticket_mac(const ph_ticket_key_t *key, const uint8_t *data, size_t len,
    uint8_t mac[PH_TICKET_MAC])
{
    unsigned  n;

    n = PH_TICKET_MAC;

    return HMAC(EVP_sha256(), key->secret, sizeof(key->secret), data, len,
                mac, &n) != NULL
           && n == PH_TICKET_MAC;
}

ph_int_t
ph_ticket_sign(const ph_ticket_keys_t *keys, const ph_ticket_t *t,
    uint8_t *out, size_t *len_r)
{
    uint8_t                 mac[PH_TICKET_MAC];
    ph_wbuf_t               b;
    const ph_ticket_key_t  *key;

    if (keys->n == 0) {
        return PH_NOTFOUND;
    }

    if (t->user.len > PH_TICKET_MAX_USER) {
        return PH_TOOBIG;
    }

    key = &keys->keys[0];

    ph_wbuf_init_fixed(&b, out, PH_TICKET_MAX);
    ph_put_u8(&b, PH_TICKET_VERSION);
    ph_put_u32(&b, key->id);
    ph_put_u8(&b, t->kind);
    ph_put_u32(&b, t->rights);
    ph_put_u64(&b, t->issued);
    ph_put_u64(&b, t->expires);
    ph_put_u16(&b, (uint16_t) t->user.len);
    ph_put_str(&b, t->user);

    if (b.error || !ph_ticket_mac(key, b.data, b.len, mac)) {
        return PH_ERROR;
    }

    ph_put_bytes(&b, mac, sizeof(mac));

    if (b.error) {
        return PH_ERROR;
    }

    *len_r = b.len;

    return PH_OK;
}

ph_int_t
ph_ticket_verify(const ph_ticket_keys_t *keys, ph_str_t bytes, uint64_t now,
    ph_ticket_t *t_r)
{
    size_t                  i, len, n;
    uint8_t                 version, mac[PH_TICKET_MAC];
    uint32_t                id;
    ph_cur_t                cur;
    ph_str_t                given;
    ph_ticket_t             t;
    const ph_ticket_key_t  *key;

    ph_cur_init(&cur, bytes.data, bytes.len);

    version = ph_cur_u8(&cur);
    id = ph_cur_u32(&cur);
    t.kind = ph_cur_u8(&cur);
    t.rights = ph_cur_u32(&cur);
    t.issued = ph_cur_u64(&cur);
    t.expires = ph_cur_u64(&cur);
    len = ph_cur_u16(&cur);
    t.user = ph_cur_bytes(&cur, len);
    n = ph_cur_offset(&cur);
    given = ph_cur_bytes(&cur, PH_TICKET_MAC);

    if (cur.error || ph_cur_left(&cur) != 0 || version != PH_TICKET_VERSION
        || len > PH_TICKET_MAX_USER)
    {
        return PH_INVALID;
    }

    key = NULL;

    for (i = 0; i < keys->n && i < PH_TICKET_MAX_KEYS; i++) {
        if (keys->keys[i].id == id) {
            key = &keys->keys[i];
            break;
        }
    }

    if (key == NULL) {
        return PH_NOTFOUND;
    }

    if (!ph_ticket_mac(key, bytes.data, n, mac)) {
        return PH_ERROR;
    }

    if (!ph_str_secret_eq((ph_str_t) { sizeof(mac), mac }, given)
        || now >= t.expires || now >= key->not_after)
    {
        return PH_DENIED;
    }

    *t_r = t;

    return PH_OK;
}
