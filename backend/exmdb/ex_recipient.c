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

#define EX_ONEOFF_UNICODE  0x8000


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
ex_recipients_resolve(ex_t *ex, ph_pool_t *pool, mapi_message_t *value,
    uint16_t *n_r, delivery_recipient_t **list_r)
{
    uint32_t               i, j, n;
    ph_int_t               rc;
    ph_str_t               address;
    mapi_values_t         *props;
    delivery_recipient_t  *list;

    list = ph_pcalloc_array(pool, value->n_recipients,
                            sizeof(delivery_recipient_t));
    if (list == NULL) {
        return PH_NOMEM;
    }

    n = 0;

    for (i = 0; i < value->n_recipients; i++) {
        props = &value->recipients[i].props;

        rc = ex_recipient_address(ex, pool, props, &address);
        if (rc == PH_OK && address.len > 0) {
            rc = ex_recipient_note(pool, props, address);
        }

        if (rc != PH_OK) {
            return rc;
        }

        if (address.len == 0 || memchr(address.data, '@', address.len) == NULL)
        {
            continue;
        }

        for (j = 0; j < n; j++) {
            if (ph_str_ieq(list[j].address, address)) {
                break;
            }
        }

        if (j == n && n < 0xFFFF) {
            list[n].address = address;
            list[n].notify = 4 | 8;
            n++;
        }
    }

    *n_r = (uint16_t) n;
    *list_r = list;

    return PH_OK;
}
