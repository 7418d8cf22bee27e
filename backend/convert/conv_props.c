#include "conv_props.h"
#include "lib/ph_str.h"

#define CONV_FIRST_PROPS  32

const mapi_guid_t  conv_ps_internet_headers = { {
    0x86, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46 } };
const mapi_guid_t  conv_ps_public_strings = { {
    0x29, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46 } };
const mapi_guid_t  conv_psetid_common = { {
    0x08, 0x20, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46 } };
const mapi_guid_t  conv_psetid_task = { {
    0x03, 0x20, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46 } };

static const uint8_t  conv_muid_oneoff[16] = {
    0x81, 0x2b, 0x1f, 0xa4, 0xbe, 0xa3, 0x10, 0x19,
    0x9d, 0x6e, 0x00, 0xdd, 0x01, 0x0f, 0x54, 0x02
};

const conv_role_t  conv_role_sender = {
    PR_SENDER_NAME, PR_SENDER_ADDRTYPE, PR_SENDER_EMAIL_ADDRESS,
    PR_SENDER_SMTP_ADDRESS, PR_SENDER_SEARCH_KEY, PR_SENDER_ENTRYID
};
const conv_role_t  conv_role_representing = {
    PR_SENT_REPRESENTING_NAME, PR_SENT_REPRESENTING_ADDRTYPE,
    PR_SENT_REPRESENTING_EMAIL_ADDRESS, PR_SENT_REPRESENTING_SMTP_ADDRESS,
    PR_SENT_REPRESENTING_SEARCH_KEY, PR_SENT_REPRESENTING_ENTRYID
};
const conv_role_t  conv_role_receipt = {
    PR_READ_RECEIPT_NAME, PR_READ_RECEIPT_ADDRTYPE,
    PR_READ_RECEIPT_EMAIL_ADDRESS, PR_READ_RECEIPT_SMTP_ADDRESS,
    PR_READ_RECEIPT_SEARCH_KEY, PR_READ_RECEIPT_ENTRYID
};


const mapi_value_t *
conv_props_find(const conv_props_t *p, uint32_t tag)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->v[i].tag == tag) {
            return &p->v[i];
        }
    }

    return NULL;
}


mapi_value_t *
conv_put(conv_props_t *p, uint32_t tag)
{
    uint32_t       cap;
    mapi_value_t  *v;

    if (p->failed || tag == 0) {
        p->failed = true;
        return NULL;
    }

    v = (mapi_value_t *) conv_props_find(p, tag);
    if (v != NULL) {
        return v;
    }

    if (p->n == p->cap) {
        cap = p->cap ? 2 * p->cap : CONV_FIRST_PROPS;
        v = p->n < CONV_MAX_PROPS
            ? ph_prealloc(p->pool, p->v, p->cap * sizeof(*v), cap * sizeof(*v))
            : NULL;
        if (v == NULL) {
            p->failed = true;
            return NULL;
        }
        p->v = v;
        p->cap = cap;
    }

    v = &p->v[p->n++];
    memset(v, 0, sizeof(*v));
    v->tag = tag;
    return v;
}


void
conv_put_str(conv_props_t *p, uint32_t tag, ph_str_t utf8)
{
    mapi_value_t  *v = conv_put(p, tag);

    if (v != NULL) {
        v->u.str = utf8.data ? utf8 : ph_str_lit("");
    }
}


void
conv_put_bin(conv_props_t *p, uint32_t tag, ph_str_t bytes)
{
    mapi_value_t  *v = conv_put(p, tag);

    if (v != NULL) {
        v->u.bin = bytes.data ? bytes : ph_str_lit("");
    }
}


void
conv_put_i4(conv_props_t *p, uint32_t tag, int32_t i4)
{
    mapi_value_t  *v = conv_put(p, tag);

    if (v != NULL) {
        v->u.i4 = i4;
    }
}


void
conv_put_bool(conv_props_t *p, uint32_t tag, bool b)
{
    mapi_value_t  *v = conv_put(p, tag);

    if (v != NULL) {
        v->u.b = b;
    }
}


void
conv_put_time(conv_props_t *p, uint32_t tag, uint64_t time)
{
    mapi_value_t  *v = conv_put(p, tag);

    if (v != NULL) {
        v->u.time = time;
    }
}


void
conv_put_r8(conv_props_t *p, uint32_t tag, double r8)
{
    mapi_value_t  *v = conv_put(p, tag);

    if (v != NULL) {
        v->u.r8 = r8;
    }
}


void
conv_put_mv_str(conv_props_t *p, uint32_t tag, const ph_str_t *str, uint32_t n)
{
    ph_str_t      *copy = ph_pcalloc_array(p->pool, n, sizeof(*copy));
    mapi_value_t  *v = copy ? conv_put(p, tag) : NULL;

    if (v == NULL) {
        p->failed = true;
        return;
    }

    memcpy(copy, str, n * sizeof(*copy));
    v->u.mv.n = n;
    v->u.mv.str = copy;
}


ph_int_t
conv_props_done(const conv_props_t *p, mapi_values_t *values_r)
{
    if (p->failed) {
        return PH_NOMEM;
    }

    *values_r = (mapi_values_t) { p->n, p->v };
    return PH_OK;
}


uint32_t
conv_name_tag(conv_names_t *names, const mapi_guid_t *guid, uint32_t lid,
    ph_str_t name, uint16_t type)
{
    uint32_t       cap, i;
    mapi_named_t  *v;

    for (i = 0; i < names->n; i++) {
        v = &names->v[i];
        if (memcmp(&v->name.guid, guid, sizeof(*guid)) == 0
            && (name.len ? v->name.kind == 1 && ph_str_eq(v->name.name, name)
                         : v->name.kind == 0 && v->name.lid == lid))
        {
            return MAPI_TAG(v->id, type);
        }
    }

    if (names->n == names->cap) {
        cap = names->cap ? 2 * names->cap : 16;
        v = cap <= 0x4000
            ? ph_prealloc(names->pool, names->v, names->cap * sizeof(*v),
                          cap * sizeof(*v))
            : NULL;
        if (v == NULL) {
            return 0;
        }
        names->v = v;
        names->cap = cap;
    }

    v = &names->v[names->n];
    memset(v, 0, sizeof(*v));
    v->id = (uint16_t) (0x8000 + names->n++);
    v->name.kind = name.len ? 1 : 0;
    v->name.guid = *guid;
    v->name.lid = lid;
    v->name.name = name;
    return MAPI_TAG(v->id, type);
}


ph_str_t
conv_oneoff(ph_pool_t *pool, ph_str_t name, ph_str_t type, ph_str_t address)
{
    ph_str_t   utf16;
    ph_str_t   part[3] = { name, type, address };
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 64 << 10);
    ph_put_u32(&b, 0);
    ph_put_bytes(&b, conv_muid_oneoff, sizeof(conv_muid_oneoff));
    ph_put_u16(&b, 0);
    ph_put_u16(&b, 0x9001);      /* Unicode, MIME only, no look-up needed */

    for (size_t i = 0; i < ph_nelts(part); i++) {
        part[i].len = ph_min(part[i].len, ph_utf8_cut(part[i], 4096));
        utf16 = ph_utf8_to_utf16(pool, part[i]);
        if (utf16.data == NULL && part[i].len != 0) {
            return ph_str_null;
        }
        ph_put_str(&b, utf16);
        ph_put_u16(&b, 0);
    }

    return b.error ? ph_str_null : ph_wbuf_str(&b);
}


ph_int_t
conv_oneoff_read(ph_pool_t *pool, ph_str_t entryid, ph_str_t *name_r,
    ph_str_t *type_r, ph_str_t *address_r)
{
    bool       wide;
    ph_cur_t   cur;
    ph_str_t   s, *out[3] = { name_r, type_r, address_r };

    ph_cur_init(&cur, entryid.data, entryid.len);
    (void) ph_cur_u32(&cur);
    s = ph_cur_bytes(&cur, sizeof(conv_muid_oneoff));
    if (s.len != sizeof(conv_muid_oneoff)
        || memcmp(s.data, conv_muid_oneoff, s.len) != 0)
    {
        return PH_INVALID;
    }

    (void) ph_cur_u16(&cur);
    wide = (ph_cur_u16(&cur) & 0x8000) != 0;

    for (size_t i = 0; i < ph_nelts(out); i++) {
        s = wide ? ph_cur_wstr(&cur) : ph_cur_astr(&cur);
        s = wide ? ph_utf16_to_utf8(pool, s) : ph_utf8_scrub(pool, s);
        if (cur.error) {
            return PH_INVALID;
        }
        if (s.data == NULL && s.len != 0) {
            return PH_NOMEM;
        }
        *out[i] = s;
    }

    return PH_OK;
}


ph_str_t
conv_search_key(ph_pool_t *pool, ph_str_t type, ph_str_t address)
{
    uint8_t  *key, c;
    size_t    n = 0;

    key = ph_palloc(pool, type.len + address.len + 2);
    if (key == NULL) {
        return ph_str_null;
    }

    if (type.len != 0) {
        memcpy(key, type.data, type.len);
    }
    n = type.len;
    key[n++] = ':';

    for (size_t i = 0; i < address.len; i++) {
        c = address.data[i];
        key[n++] = c;
    }

    for (size_t i = 0; i < n; i++) {
        c = key[i];
        key[i] = (uint8_t) (c >= 'a' && c <= 'z' ? c - 32 : c);
    }
    key[n++] = 0;

    return (ph_str_t) { n, key };
}


void
conv_put_role(conv_props_t *p, const conv_role_t *role, ph_str_t name,
    ph_str_t address)
{
    ph_str_t  key, id, smtp = ph_str_lit("SMTP");

    name = name.len ? name : address;
    key = conv_search_key(p->pool, smtp, address);
    id = conv_oneoff(p->pool, name, smtp, address);
    if (key.data == NULL || id.data == NULL) {
        p->failed = true;
        return;
    }

    conv_put_str(p, role->name, name);
    conv_put_str(p, role->addrtype, smtp);
    conv_put_str(p, role->email, address);
    conv_put_str(p, role->smtp, address);
    conv_put_bin(p, role->search_key, key);
    conv_put_bin(p, role->entryid, id);
}
