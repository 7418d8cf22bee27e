/* Properties of logons, folders, messages and attachments. */

#include "ex_props.h"
#include "mapi/mapi_entryid.h"


/* properties of a logon that depend on who is asking; PH_NOTFOUND: not mine */
static ph_int_t
ex_logon_get(ex_rop_t *rop, uint32_t tag, mapi_value_t *v)
{
    const dir_entry_t  *user = &rop->session->facts->entry;

    switch (MAPI_ID(tag)) {

    case MAPI_ID(PR_USER_ENTRYID):
        v->tag = PR_USER_ENTRYID;
        return mapi_entryid_ab(rop->pool, DT_MAILUSER, user->legacy_dn,
                               &v->u.bin);

    case MAPI_ID(PR_USER_NAME):
        v->tag = PR_USER_NAME;
        v->u.str = user->display_name;
        return PH_OK;

    case MAPI_ID(PR_MAX_SUBMIT_MESSAGE_SIZE):
        if (user->max_submit_size == 0) {
            return PH_NOTFOUND;
        }
        v->tag = PR_MAX_SUBMIT_MESSAGE_SIZE;
        v->u.i4 = (int32_t) ph_min(user->max_submit_size,
                                   (uint32_t) INT32_MAX);
        return PH_OK;

    default:
        return PH_NOTFOUND;
    }
}


static ph_int_t
ex_logon_get_all(ex_rop_t *rop, const mapi_tags_t *tags, size_t limit,
    mapi_values_t *values_r)
{
    ph_int_t      rc;
    mapi_value_t  v;

    rc = store_get(rop->conn, tags, limit, rop->pool, values_r);

    for (uint32_t i = 0; rc == PH_OK && i < values_r->n && i < tags->n; i++) {
        if (MAPI_TYPE(values_r->v[i].tag) != PT_ERROR) {
            continue;
        }

        memset(&v, 0, sizeof(v));
        rc = ex_logon_get(rop, tags->tag[i], &v);

        if (rc == PH_OK) {
            values_r->v[i] = v;

        } else if (rc == PH_NOTFOUND) {
            rc = PH_OK;
        }
    }

    return rc;
}


ph_int_t
ex_props_get(ex_rop_t *rop, ex_object_t *o, const mapi_tags_t *tags,
    size_t limit, mapi_values_t *values_r)
{
    switch ((ex_kind_t) o->kind) {

    case EX_LOGON:
        return ex_logon_get_all(rop, tags, limit, values_r);

    case EX_FOLDER:
        if (ex_rop_rights(rop, ((ex_folder_t *) o)->fid) == 0) {
            return PH_DENIED;
        }
        return store_folder_get(rop->conn, ((ex_folder_t *) o)->fid, tags,
                                limit, rop->pool, values_r);

    case EX_MESSAGE:
        return store_message_get(rop->conn, ((ex_message_t *) o)->msg, tags,
                                 limit, rop->pool, values_r);

    case EX_ATTACHMENT:
        return store_attach_get(rop->conn, ((ex_attachment_t *) o)->att, tags,
                                limit, rop->pool, values_r);

    default:
        return PH_DECLINED;
    }
}


ph_int_t
ex_props_tags(ex_rop_t *rop, ex_object_t *o, mapi_tags_t *tags_r)
{
    switch ((ex_kind_t) o->kind) {

    case EX_LOGON:
        return store_tags(rop->conn, rop->pool, tags_r);

    case EX_FOLDER:
        return store_folder_tags(rop->conn, ((ex_folder_t *) o)->fid,
                                 rop->pool, tags_r);

    case EX_MESSAGE:
        return store_message_tags(((ex_message_t *) o)->msg, rop->pool,
                                  tags_r);

    case EX_ATTACHMENT:
        return store_attach_tags(((ex_attachment_t *) o)->att, rop->pool,
                                 tags_r);

    default:
        return PH_DECLINED;
    }
}


bool
ex_props_writable(ex_rop_t *rop, ex_object_t *o)
{
    switch ((ex_kind_t) o->kind) {

    case EX_LOGON:
        return ex_rop_is_owner(rop);

    case EX_FOLDER:
        return (ex_rop_rights(rop, ((ex_folder_t *) o)->fid)
                & STORE_RIGHT_OWNER) != 0;

    case EX_MESSAGE:
        return store_message_is_writable(((ex_message_t *) o)->msg);

    case EX_ATTACHMENT:
        return ((ex_attachment_t *) o)->writable;

    default:
        return true;
    }
}


static ph_int_t
ex_props_set_known(ex_rop_t *rop, ex_object_t *o,
    const mapi_values_t *values, bool replicate, store_problems_t *problems)
{
    switch ((ex_kind_t) o->kind) {

    case EX_LOGON:
        return store_set(rop->conn, values, rop->pool, problems);

    case EX_FOLDER:
        return store_folder_set(rop->conn, ((ex_folder_t *) o)->fid, values,
                                replicate, rop->pool, problems);

    case EX_MESSAGE:
        return store_message_set(((ex_message_t *) o)->msg, values, rop->pool,
                                 problems);

    case EX_ATTACHMENT:
        return store_attach_set(((ex_attachment_t *) o)->att, values,
                                rop->pool, problems);

    default:
        return PH_DECLINED;
    }
}


ph_int_t
ex_props_set(ex_rop_t *rop, ex_object_t *o, const mapi_values_t *values,
    bool replicate, store_problems_t *problems_r)
{
    bool               known;
    uint16_t          *index;
    uint32_t           i, n;
    ph_int_t           rc;
    mapi_values_t      kept;
    store_problem_t   *list;
    store_problems_t   found;

    memset(problems_r, 0, sizeof(*problems_r));

    kept.n = 0;
    kept.v = ph_pcalloc_array(rop->pool, values->n, sizeof(mapi_value_t));
    index = ph_pcalloc_array(rop->pool, values->n, sizeof(uint16_t));
    list = ph_pcalloc_array(rop->pool, values->n, sizeof(store_problem_t));
    if (kept.v == NULL || index == NULL || list == NULL) {
        return PH_NOMEM;
    }

    n = 0;

    for (i = 0; i < values->n; i++) {
        if (MAPI_ID(values->v[i].tag) >= 0x8000) {
            known = false;
            rc = store_named_known(rop->conn, MAPI_ID(values->v[i].tag),
                                   &known);
            if (rc != PH_OK) {
                return rc;
            }

            if (!known) {
                list[n].index = (uint16_t) i;
                list[n].tag = values->v[i].tag;
                list[n].code = ecNotFound;
                n++;
                continue;
            }
        }

        index[kept.n] = (uint16_t) i;
        kept.v[kept.n++] = values->v[i];
    }

    memset(&found, 0, sizeof(found));
    rc = ex_props_set_known(rop, o, &kept, replicate, &found);
    if (rc != PH_OK) {
        return rc;
    }

    for (i = 0; i < found.n && n < values->n; i++) {
        list[n] = found.v[i];
        list[n].index = index[found.v[i].index];
        n++;
    }

    problems_r->n = (uint16_t) n;
    problems_r->v = list;

    return PH_OK;
}


ph_int_t
ex_props_remove(ex_rop_t *rop, ex_object_t *o, const mapi_tags_t *tags,
    bool replicate, store_problems_t *problems_r)
{
    memset(problems_r, 0, sizeof(*problems_r));

    switch ((ex_kind_t) o->kind) {

    case EX_LOGON:
        return store_remove_props(rop->conn, tags, rop->pool, problems_r);

    case EX_FOLDER:
        return store_folder_remove(rop->conn, ((ex_folder_t *) o)->fid, tags,
                                   replicate, rop->pool, problems_r);

    case EX_MESSAGE:
        return store_message_remove(((ex_message_t *) o)->msg, tags,
                                    rop->pool, problems_r);

    case EX_ATTACHMENT:
        return store_attach_remove(((ex_attachment_t *) o)->att, tags,
                                   rop->pool, problems_r);

    default:
        return PH_DECLINED;
    }
}
