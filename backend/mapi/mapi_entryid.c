#include "mapi/mapi_entryid.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_guid.h"

#define EPHEMERAL  0x87

mapi_eid_kind_t
mapi_entryid_kind(ph_str_t eid)
{
    static const struct {
        const mapi_guid_t  *provider;
        mapi_eid_kind_t     kind;
    } providers[] = {
        { &mapi_guid_MUID_EMSAB, MAPI_EID_AB },
        { &mapi_guid_MUID_OOP, MAPI_EID_ONEOFF },
        { &mapi_guid_MUID_CONTAB, MAPI_EID_CONTACT },
        { &mapi_guid_WAB_GUID, MAPI_EID_WRAPPED },
        { &mapi_guid_MUID_STORE_WRAP, MAPI_EID_STORE },
    };
    mapi_guid_t  g;

    if (eid.len < 20) {
        return MAPI_EID_UNKNOWN;
    }
    memcpy(g.b, eid.data + 4, sizeof(g.b));
    for (size_t i = 0; i < ph_nelts(providers); i++) {
        if (mapi_guid_eq(&g, providers[i].provider)) {
            return providers[i].kind;
        }
    }
    if (eid.data[0] == EPHEMERAL && eid.len == 32) {
        return MAPI_EID_EPHEMERAL;
    }
    return eid.len == MAPI_FOLDER_EID ? MAPI_EID_FOLDER
        : eid.len == MAPI_MESSAGE_EID ? MAPI_EID_MESSAGE : MAPI_EID_UNKNOWN;
}

static void
mapi_eid_object(ph_wbuf_t *b, const mapi_guid_t *db, uint64_t counter)
{
    uint8_t  c[6];

    mapi_globcnt_put(c, counter);
    ph_put_bytes(b, db->b, sizeof(db->b));
    ph_put_bytes(b, c, sizeof(c));
    ph_put_u16(b, 0);
}

static void
mapi_eid_begin(ph_wbuf_t *b, const mapi_guid_t *provider)
{
    ph_put_u32(b, 0);
    ph_put_bytes(b, provider->b, sizeof(provider->b));
}

void
mapi_entryid_folder(uint8_t to[MAPI_FOLDER_EID], const mapi_entryid_t *e)
{
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, to, MAPI_FOLDER_EID);
    mapi_eid_begin(&b, &e->provider);
    ph_put_u16(&b, e->type);
    mapi_eid_object(&b, &e->folder_db, e->folder_counter);
}

void
mapi_entryid_message(uint8_t to[MAPI_MESSAGE_EID], const mapi_entryid_t *e)
{
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, to, MAPI_MESSAGE_EID);
    mapi_eid_begin(&b, &e->provider);
    ph_put_u16(&b, e->type);
    mapi_eid_object(&b, &e->folder_db, e->folder_counter);
    mapi_eid_object(&b, &e->message_db, e->message_counter);
}

ph_int_t
mapi_entryid_parse(ph_str_t eid, mapi_entryid_t *e_r)
{
    ph_cur_t  cur;
    uint8_t   c[6];

    memset(e_r, 0, sizeof(*e_r));
    if (eid.len != MAPI_FOLDER_EID && eid.len != MAPI_MESSAGE_EID) {
        return PH_INVALID;
    }
    ph_cur_init(&cur, eid.data, eid.len);
    (void) ph_cur_u32(&cur);
    e_r->provider = mapi_guid_read(&cur);
    e_r->type = ph_cur_u16(&cur);
    e_r->folder_db = mapi_guid_read(&cur);
    mapi_bytes_read(&cur, c, sizeof(c));
    e_r->folder_counter = mapi_globcnt_get(c);
    (void) ph_cur_u16(&cur);
    if (eid.len == MAPI_MESSAGE_EID) {
        e_r->message_db = mapi_guid_read(&cur);
        mapi_bytes_read(&cur, c, sizeof(c));
        e_r->message_counter = mapi_globcnt_get(c);
        (void) ph_cur_u16(&cur);
    }
    return cur.error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_entryid_ab(ph_pool_t *pool, uint32_t display_type, ph_str_t dn,
    ph_str_t *eid_r)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, dn.len + 64);
    mapi_eid_begin(&b, &mapi_guid_MUID_EMSAB);
    ph_put_u32(&b, 1);
    ph_put_u32(&b, display_type);
    ph_put_str(&b, dn);
    ph_put_u8(&b, 0);
    *eid_r = ph_wbuf_str(&b);
    return b.error ? PH_NOMEM : PH_OK;
}

ph_int_t
mapi_entryid_ab_parse(ph_str_t eid, uint32_t *display_type_r, ph_str_t *dn_r)
{
    ph_cur_t     cur;
    mapi_guid_t  g;

    ph_cur_init(&cur, eid.data, eid.len);
    (void) ph_cur_u32(&cur);
    g = mapi_guid_read(&cur);
    (void) ph_cur_u32(&cur);
    *display_type_r = ph_cur_u32(&cur);
    *dn_r = ph_cur_astr(&cur);
    return cur.error || !mapi_guid_eq(&g, &mapi_guid_MUID_EMSAB)
        ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_entryid_oneoff(ph_pool_t *pool, uint16_t flags, ph_str_t name,
    ph_str_t addrtype, ph_str_t address, ph_str_t *eid_r)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 2 * (name.len + addrtype.len + address.len) + 64);
    mapi_eid_begin(&b, &mapi_guid_MUID_OOP);
    ph_put_u16(&b, 0);
    ph_put_u16(&b, flags | MAPI_ONEOFF_UNICODE);
    PH_TRY(mapi_wstr_write(&b, name));
    PH_TRY(mapi_wstr_write(&b, addrtype));
    PH_TRY(mapi_wstr_write(&b, address));
    *eid_r = ph_wbuf_str(&b);
    return b.error ? PH_NOMEM : PH_OK;
}

ph_int_t
mapi_entryid_oneoff_parse(ph_pool_t *pool, uint16_t cpid, ph_str_t eid,
    uint16_t *flags_r, ph_str_t *name_r, ph_str_t *addrtype_r,
    ph_str_t *address_r)
{
    ph_str_t    *out[3] = { name_r, addrtype_r, address_r };
    ph_cur_t     cur;
    mapi_guid_t  g;

    ph_cur_init(&cur, eid.data, eid.len);
    (void) ph_cur_u32(&cur);
    g = mapi_guid_read(&cur);
    (void) ph_cur_u16(&cur);
    *flags_r = ph_cur_u16(&cur);
    if (cur.error || !mapi_guid_eq(&g, &mapi_guid_MUID_OOP)) {
        return PH_INVALID;
    }
    for (size_t i = 0; i < ph_nelts(out); i++) {
        if (*flags_r & MAPI_ONEOFF_UNICODE) {
            PH_TRY(mapi_wstr_read(&cur, pool, out[i]));
        } else {
            PH_TRY(mapi_codepage_decode(pool, cpid, ph_cur_astr(&cur),
                out[i]));
        }
    }
    return cur.error ? PH_INVALID : PH_OK;
}

ph_int_t
mapi_entryid_store(ph_pool_t *pool, bool is_public, ph_str_t server,
    ph_str_t dn, ph_str_t *eid_r)
{
    static const uint8_t  dll[14] = "emsmdb.dll";
    ph_wbuf_t             b;

    ph_wbuf_init(&b, pool, server.len + dn.len + 128);
    mapi_eid_begin(&b, &mapi_guid_MUID_STORE_WRAP);
    ph_put_u8(&b, 0);
    ph_put_u8(&b, 0);
    ph_put_bytes(&b, dll, sizeof(dll));
    mapi_eid_begin(&b, is_public ? &mapi_guid_MUID_STORE_PUBLIC
                                 : &mapi_guid_MUID_STORE_PRIVATE);
    ph_put_u32(&b, is_public ? 6 : 0xC);
    PH_TRY(mapi_astr_write(&b, server));
    if (!is_public) {
        PH_TRY(mapi_astr_write(&b, dn));
    }
    *eid_r = ph_wbuf_str(&b);
    return b.error ? PH_NOMEM : PH_OK;
}

void
mapi_svreid_make(uint8_t to[MAPI_SVREID], mapi_eid_t fid, mapi_eid_t mid,
    uint32_t instance)
{
    ph_wbuf_t  b;

    ph_wbuf_init_fixed(&b, to, MAPI_SVREID);
    ph_put_u8(&b, 1);
    ph_put_u64(&b, fid);
    ph_put_u64(&b, mid);
    ph_put_u32(&b, instance);
}

ph_int_t
mapi_svreid_parse(ph_str_t svreid, mapi_eid_t *fid_r, mapi_eid_t *mid_r,
    uint32_t *instance_r)
{
    ph_cur_t  cur;

    ph_cur_init(&cur, svreid.data, svreid.len);
    if (ph_cur_u8(&cur) != 1) {
        return PH_INVALID;
    }
    *fid_r = ph_cur_u64(&cur);
    *mid_r = ph_cur_u64(&cur);
    *instance_r = ph_cur_u32(&cur);
    return cur.error || ph_cur_left(&cur) != 0 ? PH_INVALID : PH_OK;
}

bool
mapi_entryid_eq(ph_str_t a, ph_str_t b)
{
    return a.len == b.len && a.len > 4
        && memcmp(a.data + 4, b.data + 4, a.len - 4) == 0;
}
