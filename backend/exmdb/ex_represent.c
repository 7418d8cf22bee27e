/* Sending in somebody's name; see ex_represent.h. */

#include "ex_represent.h"
#include "ex_access.h"
#include "ex_recipient.h"


/* Is the user, or a group of his, in a list that the represented keeps? */
static bool
ex_represent_listed(ex_rop_t *rop, const mapi_value_t *list)
{
    bool               group;
    uint32_t           i;
    const dir_entry_t *me = &rop->session->facts->entry;

    if (list == NULL || MAPI_TYPE(list->tag) != PT_MV_UNICODE) {
        return false;
    }

    for (i = 0; i < list->u.mv.n; i++) {
        if (ph_str_ieq(list->u.mv.str[i], me->legacy_dn)
            || ex_access_is(rop->session, list->u.mv.str[i], &group))
        {
            return true;
        }
    }

    return false;
}


static ph_int_t
ex_represent_granted(ex_rop_t *rop, ex_represented_t *r)
{
    ph_int_t       rc;
    mapi_values_t  v;
    ex_logon_t    *l = rop->logon;

    static const uint32_t  tags[] = { EX_TAG_ON_BEHALF, EX_TAG_SEND_AS };

    if (r->who.user_id == rop->session->facts->entry.user_id) {
        r->send_as = true;
        return PH_OK;
    }

    /* what was granted for the mailbox that is open */
    if (r->who.user_id == l->owner->entry.user_id && !l->is_public
        && (l->delegate & (STORE_DELEGATE_SEND_AS
                           | STORE_DELEGATE_ON_BEHALF)))
    {
        r->send_as = (l->delegate & STORE_DELEGATE_SEND_AS) != 0;
        return PH_OK;
    }

    rc = ex_facts_properties(rop->ex, rop->pool, DIR_BY_DN, r->who.legacy_dn,
                             ph_nelts(tags), tags, &v);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_DENIED : rc;
    }

    if (ex_represent_listed(rop, mapi_find(&v, EX_TAG_SEND_AS))) {
        r->send_as = true;
        return PH_OK;
    }

    r->send_as = false;

    return ex_represent_listed(rop, mapi_find(&v, EX_TAG_ON_BEHALF))
           ? PH_OK : PH_DENIED;
}


ph_int_t
ex_represent(ex_rop_t *rop, const mapi_value_t *type,
    const mapi_value_t *address, const mapi_value_t *entryid,
    ex_represented_t *r)
{
    bool                is_ex;
    ph_int_t            rc;
    ph_str_t            s;
    const dir_entry_t  *owner = &rop->logon->owner->entry;

    if (address != NULL && address->u.str.len > 0) {
        s = address->u.str;
        is_ex = (type != NULL) ? ph_str_ieq_c(type->u.str, "EX")
                               : s.data[0] == '/';

    } else if (entryid == NULL
               || !ex_entryid_address(rop->pool, entryid->u.bin, &is_ex, &s))
    {
        r->who = *owner;
        return ex_represent_granted(rop, r);
    }

    if (ph_str_ieq(s, is_ex ? owner->legacy_dn : owner->address)) {
        r->who = *owner;
        return ex_represent_granted(rop, r);
    }

    rc = ex_facts_fetch(rop->ex, rop->pool, is_ex ? DIR_BY_DN
                                                  : DIR_BY_ADDRESS,
                        s, &r->who);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_DENIED : rc;
    }

    if (!ph_str_ieq(r->who.organisation,
                    rop->session->facts->entry.organisation))
    {
        return PH_DENIED;
    }

    return ex_represent_granted(rop, r);
}
