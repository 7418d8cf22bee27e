/* Entry ids, source keys, change keys (MS-OXCDATA 2.2). */

#include "store_int.h"
#include "mapi/mapi_xid.h"

#define STORE_FOLDER_ENTRYID   46
#define STORE_MESSAGE_ENTRYID  70

static const uint8_t  store_public_uid[16] = {
    0x1A, 0x44, 0x73, 0x90, 0xAA, 0x66, 0x11, 0xCD,
    0x9B, 0xC8, 0x00, 0xAA, 0x00, 0x2F, 0xC4, 0x5A
};

static const uint8_t *
store_provider(const store_t *store)
{
    return store->info.kind == STORE_PUBLIC ? store_public_uid
                                            : store->info.guid.b;
}

static void
store_entryid_folder(const store_t *store, uint64_t fid, uint16_t type,
    uint8_t *p)
{
    memset(p, 0, STORE_FOLDER_ENTRYID);
    memcpy(p + 4, store_provider(store), 16);
    p[20] = (uint8_t) type;
    memcpy(p + 22, store->info.guid.b, 16);
    mapi_globcnt_put(p + 38, fid);
}

ph_int_t
store_folder_entryid(const store_t *store, uint64_t fid, ph_pool_t *pool,
    ph_str_t *id_r)
{
    uint8_t  *p;

    p = ph_palloc(pool, STORE_FOLDER_ENTRYID);
    if (p == NULL) {
        return PH_NOMEM;
    }
    store_entryid_folder(store, fid,
                         store->info.kind == STORE_PUBLIC ? 3 : 1, p);
    id_r->data = p;
    id_r->len = STORE_FOLDER_ENTRYID;

    return PH_OK;
}

ph_int_t
store_message_entryid(const store_t *store, uint64_t fid, uint64_t mid,
    ph_pool_t *pool, ph_str_t *id_r)
{
    uint8_t  *p;

    p = ph_pcalloc(pool, STORE_MESSAGE_ENTRYID);
    if (p == NULL) {
        return PH_NOMEM;
    }
    store_entryid_folder(store, fid,
                         store->info.kind == STORE_PUBLIC ? 9 : 7, p);
    memcpy(p + 46, store->info.guid.b, 16);
    mapi_globcnt_put(p + 62, mid);
    id_r->data = p;
    id_r->len = STORE_MESSAGE_ENTRYID;

    return PH_OK;
}

ph_int_t
store_entryid_parse(const store_t *store, ph_str_t entryid, uint64_t *fid_r,
    uint64_t *mid_r)
{
    uint16_t        type;
    const uint8_t  *p;

    p = entryid.data;
    *mid_r = 0;

    if ((entryid.len != STORE_FOLDER_ENTRYID
         && entryid.len != STORE_MESSAGE_ENTRYID)
        || memcmp(p + 4, store_provider(store), 16) != 0
        || memcmp(p + 22, store->info.guid.b, 16) != 0)
    {
        return PH_INVALID;
    }
    type = (uint16_t) (p[20] | p[21] << 8);
    *fid_r = mapi_globcnt_get(p + 38);

    if (entryid.len == STORE_FOLDER_ENTRYID) {
        return type == 1 || type == 3 ? PH_OK : PH_INVALID;
    }
    if ((type != 7 && type != 9)
        || memcmp(p + 46, store->info.guid.b, 16) != 0)
    {
        return PH_INVALID;
    }
    *mid_r = mapi_globcnt_get(p + 62);

    return PH_OK;
}

/* the store's own entry id: wrapped (MS-OXCDATA 2.2.4.3) */
ph_int_t
store_entryid(const store_t *store, ph_pool_t *pool, ph_str_t *id_r)
{
    size_t     n;
    ph_wbuf_t  b;
    static const uint8_t  wrap[16] = {
        0x38, 0xA1, 0xBB, 0x10, 0x05, 0xE5, 0x10, 0x1A,
        0xA1, 0xBB, 0x08, 0x00, 0x2B, 0x2A, 0x56, 0xC2
    };
    static const uint8_t  priv[16] = {
        0x1B, 0x55, 0xFA, 0x20, 0xAA, 0x66, 0x11, 0xCD,
        0x9B, 0xC8, 0x00, 0xAA, 0x00, 0x2F, 0xC4, 0x5A
    };
    static const uint8_t  publ[16] = {
        0x1C, 0x83, 0x02, 0x10, 0xAA, 0x66, 0x11, 0xCD,
        0x9B, 0xC8, 0x00, 0xAA, 0x00, 0x2F, 0xC4, 0x5A
    };
    const char  *at;
    ph_str_t     server;

    /* the part of the address behind the @ names the server */
    server = store->info.address;
    at = server.len ? memchr(server.data, '@', server.len) : NULL;
    if (at) {
        n = (size_t) ((const uint8_t *) at - server.data) + 1;
        server.data += n;
        server.len -= n;
    }

    ph_wbuf_init(&b, pool, 4096);
    ph_put_u32(&b, 0);
    ph_put_bytes(&b, wrap, 16);
    ph_put_u16(&b, 0);
    ph_put_bytes(&b, "emsmdb.dll\0\0\0\0", 14);
    ph_put_u32(&b, 0);
    ph_put_bytes(&b, store->info.kind == STORE_PUBLIC ? publ : priv, 16);
    ph_put_u32(&b, store->info.kind == STORE_PUBLIC ? 6 : 0xC);
    ph_put_str(&b, server);
    ph_put_u8(&b, 0);
    if (store->info.kind == STORE_PRIVATE) {
        ph_put_str(&b, store->info.legacy_dn);
        ph_put_u8(&b, 0);
    }
    *id_r = ph_wbuf_str(&b);

    return b.error ? PH_NOMEM : PH_OK;
}

ph_int_t
store_gid(const store_t *store, uint64_t id, ph_pool_t *pool, ph_str_t *key_r)
{
    uint8_t  *p;

    p = ph_palloc(pool, MAPI_GID);
    if (p == NULL) {
        return PH_NOMEM;
    }
    mapi_gid_make(p, &store->info.guid, id);
    key_r->data = p;
    key_r->len = MAPI_GID;

    return PH_OK;
}

ph_int_t
store_pcl_show(const store_t *store, ph_str_t pcl, ph_str_t change_key,
    uint64_t cn, ph_pool_t *pool, ph_str_t *pcl_r)
{
    if (pcl.len) {
        *pcl_r = ph_pstrdup(pool, pcl);
        return pcl_r->data ? PH_OK : PH_NOMEM;
    }
    if (change_key.len == 0) {
        store_try(store_gid(store, cn, pool, &change_key));
    }

    return mapi_pcl_add(pool, ph_str_null, change_key, pcl_r);
}

ph_int_t
store_pcl_next(const store_t *store, ph_str_t pcl, ph_str_t change_key,
    uint64_t old_cn, uint64_t cn, ph_pool_t *pool, ph_str_t *pcl_r)
{
    ph_str_t  xid;

    /* all its changes were ours: the list is the new change key alone */
    if (pcl.len == 0 && change_key.len == 0) {
        *pcl_r = ph_str_null;
        return PH_OK;
    }
    store_try(store_pcl_show(store, pcl, change_key, old_cn, pool, pcl_r));
    store_try(store_gid(store, cn, pool, &xid));

    return mapi_pcl_add(pool, *pcl_r, xid, pcl_r);
}

ph_int_t
store_value_answer(store_conn_t *conn, uint32_t asked, const mapi_value_t *v,
    bool external, uint64_t content, store_blob_t *blob, uint64_t size,
    size_t limit, ph_pool_t *pool, mapi_value_t *v_r)
{
    size_t                got;
    uint8_t              *p;
    uint16_t              type;
    ph_int_t              rc;
    store_blob_reader_t  *reader;

    type = MAPI_TYPE(asked);
    if (!store_type_same(type, MAPI_TYPE(v->tag))) {
        return PH_NOTFOUND;
    }
    if (type == PT_UNSPECIFIED) {
        type = MAPI_TYPE(v->tag);
    }

    if (!external) {
        if (store_value_size(v) > limit) {
            store_value_absent(v_r, asked, STORE_EC_OOM);
            return PH_OK;
        }
        *v_r = *v;
        v_r->tag = MAPI_RETYPE(asked, type);
        return PH_OK;
    }

    if (size > limit) {
        store_value_absent(v_r, asked, STORE_EC_OOM);
        return PH_OK;
    }

    memset(v_r, 0, sizeof(*v_r));
    if (blob) {
        store_try(store_blob_open(conn->store, blob->path, blob->size,
                                  &reader));
        p = ph_palloc(pool, (size_t) size);
        rc = p ? store_blob_read(reader, 0, p, (size_t) size, &got)
               : PH_NOMEM;
        store_blob_close(&reader);
        store_try(rc);
        v_r->u.bin.data = p;
        v_r->u.bin.len = got;
    } else {
        store_try(store_content_read(conn, content, (size_t) size, pool,
                                     &v_r->u.bin, &size));
    }
    v_r->tag = MAPI_RETYPE(asked, type);

    return PH_OK;
}
