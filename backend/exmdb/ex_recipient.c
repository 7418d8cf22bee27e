/* Recipients and their addresses. */

#include "ex_recipient.h"
#include "ex_directory.h"
#include "mapi/mapi_tags.h"


static const uint8_t  ex_uid_emsab[16] = {
    0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A,
    0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82
};

static const uint8_t  ex_uid_oneoff[16] = {
    0x81, 0x2B, 0x1F, 0xA4, 0xBE, 0xA3, 0x10, 0x19,
    0x9D, 0x6E, 0x00, 0xDD, 0x01, 0x0F, 0x54, 0x02
};

#define EX_ONEOFF_UNICODE    0x8000
#define EX_MAX_ENCAPSULATED  300

/* of delivery.desc */
#define EX_NOTIFY_SUCCESS    2
#define EX_NOTIFY_FAILURE    4
#define EX_NOTIFY_DELAY      8


static ph_str_t
ex_oneoff_str(ph_pool_t *pool, ph_cur_t *cur, bool unicode)
{
    return unicode ? ph_utf16_to_utf8(pool, ph_cur_wstr(cur))
                   : ph_cur_astr(cur);
}


bool
ex_entryid_address(ph_pool_t *pool, ph_str_t id, bool *ex_r,
    ph_str_t *address_r)
{
    bool       unicode;
    ph_cur_t   cur;
    ph_str_t   uid, type;

    ph_cur_init(&cur, id.data, id.len);
    (void) ph_cur_u32(&cur);
    uid = ph_cur_bytes(&cur, 16);

    if (cur.error) {
        return false;
    }

    if (memcmp(uid.data, ex_uid_emsab, 16) == 0) {
        (void) ph_cur_u32(&cur);
        (void) ph_cur_u32(&cur);
        *address_r = ph_cur_astr(&cur);
        *ex_r = true;
        return !cur.error && address_r->len > 0;
    }

    if (memcmp(uid.data, ex_uid_oneoff, 16) == 0) {
        (void) ph_cur_u16(&cur);
        unicode = (ph_cur_u16(&cur) & EX_ONEOFF_UNICODE) != 0;
        (void) ex_oneoff_str(pool, &cur, unicode);
        type = ex_oneoff_str(pool, &cur, unicode);
        *address_r = ex_oneoff_str(pool, &cur, unicode);
        *ex_r = ph_str_ieq_c(type, "EX");
        return !cur.error && address_r->len > 0;
    }

    return false;
}


static ph_str_t
ex_prop_str(const mapi_values_t *props, uint32_t tag)
{
    const mapi_value_t  *v;

    v = mapi_find_id(props, MAPI_ID(tag));

    if (v == NULL || (MAPI_TYPE(v->tag) != PT_UNICODE
                      && MAPI_TYPE(v->tag) != PT_STRING8))
    {
        return ph_str_null;
    }

    return v->u.str;
}


/* *address_r empty: it has none */
static ph_int_t
ex_recipient_address(ex_t *ex, ph_pool_t *pool, const mapi_values_t *props,
    ph_str_t *address_r)
{
    bool                 is_ex;
    ph_int_t             rc;
    ph_str_t             s, type;
    dir_entry_t          e;
    const mapi_value_t  *id;

    *address_r = ph_str_null;

    type = ex_prop_str(props, PR_ADDRTYPE);
    s = ex_prop_str(props, PR_EMAIL_ADDRESS);
    is_ex = ph_str_ieq_c(type, "EX");

    if (s.len > 0 && ph_str_ieq_c(type, "SMTP")) {
        *address_r = s;
        return PH_OK;
    }

    if (s.len == 0 || !is_ex) {
        id = mapi_find(props, PR_ENTRYID);

        if (id == NULL
            || !ex_entryid_address(pool, id->u.bin, &is_ex, &s))
        {
            *address_r = ex_prop_str(props, PR_SMTP_ADDRESS);
            return PH_OK;
        }
    }

    if (!is_ex) {
        *address_r = s;
        return PH_OK;
    }

    rc = ex_facts_fetch(ex, pool, DIR_BY_DN, s, &e);

    if (rc == PH_OK) {
        *address_r = e.address;
        return PH_OK;
    }

    if (rc == PH_NOTFOUND) {
        *address_r = ex_prop_str(props, PR_SMTP_ADDRESS);
        return PH_OK;
    }

    return rc;
}


/*
 * An address of another kind as one of SMTP at `domain` (MS-OXCMAIL 2.1.3.1.1,
 * encapsulated): letters and digits stay, "/" is "_", anything else is "+XX".
 * Nobody has such an address: its recipient is reported to the sender by the
 * same way as any other that does not exist.
 */
static ph_str_t
ex_recipient_encapsulate(ph_pool_t *pool, const mapi_values_t *props,
    ph_str_t domain)
{
    uint8_t    c;
    ph_str_t   type, s;
    ph_wbuf_t  b;

    type = ex_prop_str(props, PR_ADDRTYPE);
    s = ex_prop_str(props, PR_EMAIL_ADDRESS);

    if (s.len == 0) {
        s = ex_prop_str(props, PR_DISPLAY_NAME);
    }

    ph_wbuf_init(&b, pool, EX_MAX_ENCAPSULATED + domain.len + 64);
    ph_put_fmt(&b, "IMCEA");

    for (size_t i = 0; i < type.len && i < 16; i++) {
        c = type.data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9'))
        {
            ph_put_u8(&b, c);
        }
    }

    ph_put_u8(&b, '-');

    for (size_t i = 0; i < s.len && b.len < EX_MAX_ENCAPSULATED; i++) {
        c = s.data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '=' || c == '-')
        {
            ph_put_u8(&b, c);
        } else if (c == '/') {
            ph_put_u8(&b, '_');
        } else {
            ph_put_fmt(&b, "+%02X", c);
        }
    }

    ph_put_u8(&b, '@');
    ph_put_str(&b, domain);

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


static bool
ex_prop_true(const mapi_values_t *props, uint32_t tag)
{
    const mapi_value_t  *v;

    v = mapi_find(props, tag);

    return v != NULL && v->u.b;
}


static ph_int_t
ex_recipient_note(ph_pool_t *pool, mapi_values_t *props, ph_str_t address)
{
    mapi_value_t  *v;

    if (ph_str_ieq(ex_prop_str(props, PR_SMTP_ADDRESS), address)) {
        return PH_OK;
    }

    v = ph_pcalloc_array(pool, props->n + 1, sizeof(mapi_value_t));
    if (v == NULL) {
        return PH_NOMEM;
    }

    if (props->n > 0) {
        memcpy(v, props->v, props->n * sizeof(mapi_value_t));
    }

    v[props->n].tag = PR_SMTP_ADDRESS;
    v[props->n].u.str = address;
    props->v = v;
    props->n++;

    return PH_OK;
}


ph_int_t
ex_recipients_resolve(ex_t *ex, ph_pool_t *pool, ph_str_t sender,
    mapi_message_t *value, uint16_t *n_r, delivery_recipient_t **list_r)
{
    uint8_t                notify;
    uint32_t               i, j, n;
    ph_int_t               rc;
    ph_str_t               address, domain;
    const uint8_t         *at;
    mapi_values_t         *props;
    delivery_recipient_t  *list;

    list = ph_pcalloc_array(pool, value->n_recipients,
                            sizeof(delivery_recipient_t));
    if (list == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    domain = sender;
    at = sender.len ? memchr(sender.data, '@', sender.len) : NULL;
    if (at != NULL) {
        domain.len = (size_t) (sender.data + sender.len - at - 1);
        domain.data = at + 1;
    }

    for (i = 0; i < value->n_recipients; i++) {
        props = &value->recipients[i].props;

        rc = ex_recipient_address(ex, pool, props, &address);
        if (rc != PH_OK) {
            return rc;
        }

        if (address.len == 0 || memchr(address.data, '@', address.len) == NULL)
        {
            address = ex_recipient_encapsulate(pool, props, domain);
            if (address.data == NULL) {
                return PH_NOMEM;
            }
        }

        rc = ex_recipient_note(pool, props, address);
        if (rc != PH_OK) {
            return rc;
        }

        notify = EX_NOTIFY_FAILURE | EX_NOTIFY_DELAY;
        if (ex_prop_true(&value->props, PR_ORIGINATOR_DELIVERY_REPORT_REQUESTED)
            || ex_prop_true(props, PR_ORIGINATOR_DELIVERY_REPORT_REQUESTED))
        {
            notify |= EX_NOTIFY_SUCCESS;
        }

        for (j = 0; j < n; j++) {
            if (ph_str_ieq(list[j].address, address)) {
                break;
            }
        }

        if (j == n && n < 0xFFFF) {
            list[n].address = address;
            list[n].notify = notify;
            n++;
        }
    }

    *n_r = (uint16_t) n;
    *list_r = list;

    return PH_OK;
}
