/* Criteria of search folders (MS-OXCFOLD 2.2.1.4, 2.2.1.5). */

#include "ex_rop.h"
#include "mapi/mapi_restriction.h"

/* SearchFlags of RopGetSearchCriteria */
#define EX_SEARCH_RUNNING     0x00000001
#define EX_SEARCH_REBUILD     0x00000002
#define EX_SEARCH_RECURSIVE   0x00000004
#define EX_SEARCH_FOREGROUND  0x00000008
#define EX_SEARCH_COMPLETE    0x00001000
#define EX_SEARCH_PARTIAL     0x00002000
#define EX_SEARCH_STATIC      0x00010000
#define EX_SEARCH_CI          0x01000000
#define EX_SEARCH_NO_CI       0x08000000

#define EX_CRITERIA_MAX       0xFFFF


static uint32_t
rop_search_ec(ex_rop_t *rop, ph_int_t rc)
{
    switch (rc) {
    case PH_DENIED:
        return ecNotSearchFolder;
    case PH_DECLINED:
        return ecNotInitialized;
    case PH_CONFLICT:
        return ecSearchFolderScopeViolation;
    case PH_TOOBIG:
        return ecTooComplex;
    default:
        return ex_ec(rop, rc);
    }
}


uint32_t
rop_set_search_criteria(ex_rop_t *rop,
    const rop_set_search_criteria_request_t *req,
    rop_set_search_criteria_response_t *res)
{
    ex_folder_t       *f;
    store_criteria_t   c;

    (void) res;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    if (f->type != STORE_FOLDER_SEARCH) {
        return ecNotSearchFolder;
    }

    if (!(ex_rop_rights(rop, f->fid) & STORE_RIGHT_OWNER)) {
        return ecAccessDenied;
    }

    memset(&c, 0, sizeof(c));
    c.flags = req->search_flags;
    c.restriction = req->has_restriction ? &req->restriction : NULL;
    c.n_scope = req->folder_ids_count;
    c.scope = ex_rop_ids(rop, req->folder_ids_count, req->folder_ids);
    if (c.scope == NULL) {
        return ecServerOOM;
    }

    return rop_search_ec(rop, store_search_set(rop->conn, f->fid, &c));
}


static void
rop_search_retype(uint32_t *tag, uint16_t type)
{
    uint16_t  multi = MAPI_TYPE(*tag) & PT_MV;
    uint16_t  single = MAPI_TYPE(*tag) & (uint16_t) ~PT_MV;

    if (single == PT_UNICODE || single == PT_STRING8) {
        *tag = MAPI_RETYPE(*tag, type | multi);
    }
}


/* Strings are told in the form that the client asks for; at most
 * MAPI_MAX_DEPTH levels, as decoded. */
static void
rop_search_strings(mapi_restriction_t *r, uint16_t type)
{
    uint32_t  i;

    if (r == NULL) {
        return;
    }

    switch (r->type) {

    case MAPI_RES_AND:
    case MAPI_RES_OR:
        for (i = 0; i < r->u.list.n; i++) {
            rop_search_strings(&r->u.list.r[i], type);
        }
        break;

    case MAPI_RES_NOT:
    case MAPI_RES_SUBOBJECT:
    case MAPI_RES_COUNT:
        rop_search_strings(r->u.sub.r, type);
        break;

    case MAPI_RES_CONTENT:
        rop_search_retype(&r->u.content.tag, type);
        rop_search_retype(&r->u.content.value.tag, type);
        break;

    case MAPI_RES_PROPERTY:
        rop_search_retype(&r->u.prop.tag, type);
        rop_search_retype(&r->u.prop.value.tag, type);
        break;

    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        for (i = 0; i < r->u.comment.values.n; i++) {
            rop_search_retype(&r->u.comment.values.v[i].tag, type);
        }
        rop_search_strings(r->u.comment.r, type);
        break;

    default:
        break;
    }
}


static uint32_t
rop_search_flags(const store_criteria_t *c)
{
    uint32_t  f;

    f = (c->flags & STORE_SEARCH_RECURSIVE) ? EX_SEARCH_RECURSIVE : 0;

    if (c->flags & STORE_SEARCH_STATIC) {
        f |= EX_SEARCH_STATIC;
    }

    f |= (c->flags & STORE_SEARCH_INDEXED) ? EX_SEARCH_CI : EX_SEARCH_NO_CI;

    switch (c->state) {
    case STORE_SEARCH_FILLING:
        f |= EX_SEARCH_RUNNING | EX_SEARCH_REBUILD;
        if (c->flags & STORE_SEARCH_FOREGROUND) {
            f |= EX_SEARCH_FOREGROUND;
        }
        break;
    case STORE_SEARCH_COMPLETE:
        f |= EX_SEARCH_COMPLETE;
        /* one that is kept up to date is at work until it is stopped */
        if (!(c->flags & STORE_SEARCH_STATIC)) {
            f |= EX_SEARCH_RUNNING;
        }
        break;
    case STORE_SEARCH_HALTED:
        f |= EX_SEARCH_COMPLETE;
        break;
    case STORE_SEARCH_ABORTED:
        f |= EX_SEARCH_PARTIAL;
        break;
    }

    return f;
}


uint32_t
rop_get_search_criteria(ex_rop_t *rop,
    const rop_get_search_criteria_request_t *req,
    rop_get_search_criteria_response_t *res)
{
    uint32_t             i;
    ph_int_t             rc;
    ph_wbuf_t            b;
    ex_folder_t         *f;
    store_criteria_t     c;
    mapi_restriction_t  *r;

    f = ex_rop_folder(rop);
    if (f == NULL) {
        return ecNotSupported;
    }

    rc = store_search_get(rop->conn, f->fid, rop->pool, &c);
    if (rc != PH_OK) {
        return rop_search_ec(rop, rc);
    }

    res->logon_id = rop->item->logon_id;
    res->search_flags = rop_search_flags(&c);

    if (req->include_restriction) {
        rc = mapi_restriction_copy(rop->pool, c.restriction, &r);
        if (rc != PH_OK) {
            return ex_ec(rop, rc);
        }

        rop_search_strings(r, req->use_unicode ? PT_UNICODE : PT_STRING8);
        ph_wbuf_init(&b, rop->pool, EX_CRITERIA_MAX);
        if (mapi_restriction_encode(&b, &rop->ctx, r) != PH_OK) {
            return ecTooBig;
        }

        res->has_restriction = 1;
        res->restriction = *r;
    }

    if (req->include_folders) {
        res->folder_ids = ph_pcalloc_array(rop->pool, c.n_scope + 1,
                                           sizeof(mapi_eid_t));
        if (res->folder_ids == NULL) {
            return ecServerOOM;
        }

        for (i = 0; i < c.n_scope; i++) {
            res->folder_ids[i] = store_eid(c.scope[i]);
        }

        res->folder_ids_count = (uint16_t) c.n_scope;
    }

    return 0;
}
