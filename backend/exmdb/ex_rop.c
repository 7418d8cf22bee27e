/* Helpers of the handlers. */

#include "ex_rop.h"
#include "mapi/mapi_codepage.h"


uint32_t
ex_ec(ex_rop_t *rop, ph_int_t rc)
{
    switch (rc) {
    case PH_OK:
        return 0;
    case PH_NOTFOUND:
        return ecNotFound;
    case PH_EXISTS:
        return ecDuplicateName;
    case PH_DENIED:
        return ecAccessDenied;
    case PH_INVALID:
        return ecInvalidParam;
    case PH_TOOBIG:
        return ecTooBig;
    case PH_CONFLICT:
        return ecObjectModified;
    case PH_DECLINED:
        return ecNotSupported;
    case PH_BUSY:
        return MAPI_E_BUSY;
    case PH_QUOTA:
        return ecQuotaExceeded;
    default:
        break;
    }

    if (rop->conn != NULL && store_conn_writable(rop->conn)) {
        rop->x->fatal = rc;
    }

    return rc == PH_NOSPACE ? ecDiskFull
           : rc == PH_NOMEM ? ecServerOOM
           : rc == PH_CORRUPT ? ecCorruptData : ecError;
}


static void *
ex_rop_in(const ex_rop_t *rop, ex_kind_t kind)
{
    return (rop->in != NULL && rop->in->kind == kind) ? rop->in : NULL;
}


ex_folder_t *
ex_rop_folder(const ex_rop_t *rop)
{
    return ex_rop_in(rop, EX_FOLDER);
}


ex_message_t *
ex_rop_message(const ex_rop_t *rop)
{
    return ex_rop_in(rop, EX_MESSAGE);
}


ex_attachment_t *
ex_rop_attachment(const ex_rop_t *rop)
{
    return ex_rop_in(rop, EX_ATTACHMENT);
}


ex_stream_t *
ex_rop_stream(const ex_rop_t *rop)
{
    return ex_rop_in(rop, EX_STREAM);
}


ex_table_t *
ex_rop_table(const ex_rop_t *rop)
{
    return ex_rop_in(rop, EX_TABLE);
}


bool
ex_rop_is_owner(const ex_rop_t *rop)
{
    return rop->logon->is_owner;
}


uint32_t
ex_rop_rights(ex_rop_t *rop, uint64_t fid)
{
    if (ex_rop_is_owner(rop)) {
        return STORE_RIGHTS_ALL;
    }

    return rop->logon->viewer.rights(rop->logon->viewer.data, rop->conn, fid);
}


/* an address book entry id (MS-OXCDATA 2.2.5.2) */
void
ex_rop_entryid(ph_wbuf_t *b, ph_str_t dn, uint32_t display_type)
{
    static const uint8_t  emsab[16] = {
        0xDC, 0xA7, 0x40, 0xC8, 0xC0, 0x42, 0x10, 0x1A,
        0xB4, 0xB9, 0x08, 0x00, 0x2B, 0x2F, 0xE1, 0x82
    };

    ph_put_u32(b, 0);
    ph_put_bytes(b, emsab, sizeof(emsab));
    ph_put_u32(b, 1);
    ph_put_u32(b, display_type);
    ph_put_str(b, dn);
    ph_put_u8(b, 0);
}


ph_int_t
ex_rop_actor(ex_rop_t *rop, store_actor_t *actor_r)
{
    ph_wbuf_t           b;
    const dir_entry_t  *e = &rop->session->facts->entry;

    memset(actor_r, 0, sizeof(*actor_r));

    ph_wbuf_init(&b, rop->pool, 8192);
    ex_rop_entryid(&b, e->legacy_dn, 0);

    if (b.error) {
        return PH_NOMEM;
    }

    actor_r->display_name = e->display_name;
    actor_r->entryid = ph_wbuf_str(&b);
    actor_r->lcid = rop->session->lcid_string;
    actor_r->cpid = rop->session->cpid;
    actor_r->is_owner = rop->logon->is_owner;

    return PH_OK;
}


void *
ex_rop_make(ex_rop_t *rop, ex_kind_t kind, size_t size, ex_object_t *parent)
{
    rop->made = ex_object_new(rop->session, kind, size, parent, rop->logon);

    return rop->made;
}


void
ex_rop_unmake(ex_rop_t *rop)
{
    if (rop->made != NULL) {
        ex_object_release(rop->made);
        rop->made = NULL;
    }
}


uint16_t
ex_rop_cpid(const ex_rop_t *rop, uint16_t cpid)
{
    if (cpid == 0x0FFF || cpid == 0) {
        return rop->session->cpid;
    }

    if (cpid == MAPI_CP_WINUNICODE || mapi_codepage_charset(cpid) == NULL) {
        return 0;
    }

    return cpid;
}


uint64_t *
ex_rop_ids(ex_rop_t *rop, uint16_t n, const mapi_eid_t *eids)
{
    uint16_t   i;
    uint64_t  *ids;

    ids = ph_pcalloc_array(rop->pool, n, sizeof(uint64_t));
    if (ids == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        ids[i] = store_id(eids[i]);
    }

    return ids;
}


ph_int_t
ex_rop_problems(ex_rop_t *rop, const store_problems_t *from, uint16_t *n_r,
    rop_problem_t **list_r)
{
    uint16_t  i;

    *n_r = 0;
    *list_r = NULL;

    if (from->n == 0) {
        return PH_OK;
    }

    *list_r = ph_pcalloc_array(rop->pool, from->n, sizeof(rop_problem_t));
    if (*list_r == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < from->n; i++) {
        (*list_r)[i].index = from->v[i].index;
        (*list_r)[i].tag = from->v[i].tag;
        (*list_r)[i].error = from->v[i].code;
    }

    *n_r = from->n;

    return PH_OK;
}


ph_int_t
ex_row_encode(ph_wbuf_t *b, const mapi_ctx_t *ctx, const mapi_tags_t *columns,
    const mapi_values_t *row)
{
    ph_int_t  rc;

    if (row->n != columns->n) {
        return PH_ERROR;
    }

    rc = mapi_row_encode(b, ctx, *columns, row->v);

    return rc == PH_TOOBIG ? PH_DONE : rc;
}
