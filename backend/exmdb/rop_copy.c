/* CopyTo and CopyProperties (MS-OXCPRPT 2.2.10, 2.2.11). */

#include "ex_props.h"
#include "ex_access.h"

#define EX_COPY_MOVE          0x01
#define EX_COPY_NO_OVERWRITE  0x02


/* ---- what is below a message ---- */

static bool
rop_tag_in(const mapi_tags_t *tags, uint32_t tag)
{
    uint32_t  i;

    for (i = 0; i < tags->n; i++) {
        if (MAPI_ID(tags->tag[i]) == MAPI_ID(tag)) {
            return true;
        }
    }

    return false;
}


static ph_int_t
rop_copy_recipients(store_message_t *src, store_message_t *dst)
{
    store_message_clear_recipients(dst);

    return store_message_modify_recipients(dst,
               store_message_recipient_count(src),
               store_message_recipients(src));
}


static ph_int_t rop_copy_attachments(ex_rop_t *rop, store_message_t *src,
    store_message_t *dst, const store_actor_t *actor, unsigned depth);


/* Properties, recipients, attachments. */
static ph_int_t
rop_copy_all(ex_rop_t *rop, store_message_t *src, store_message_t *dst,
    const store_actor_t *actor, unsigned depth)
{
    ph_int_t          rc;
    mapi_tags_t       tags;
    mapi_values_t     v;
    store_problems_t  problems;

    rc = store_message_tags(src, rop->pool, &tags);
    if (rc == PH_OK) {
        rc = store_message_get(rop->conn, src, &tags, STORE_NO_LIMIT,
                               rop->pool, &v);
    }

    if (rc == PH_OK) {
        rc = store_message_set(dst, &v, rop->pool, &problems);
    }

    if (rc == PH_OK) {
        rc = rop_copy_recipients(src, dst);
    }

    return rc == PH_OK ? rop_copy_attachments(rop, src, dst, actor, depth)
                       : rc;
}


ph_int_t
rop_copy_content(ex_rop_t *rop, store_message_t *src, store_message_t *dst,
    const store_actor_t *actor)
{
    return rop_copy_all(rop, src, dst, actor, 1);
}


/* An embedded message with all it has, into a new one. */
static ph_int_t
rop_copy_embedded(ex_rop_t *rop, store_attach_t *from, store_attach_t *to,
    const store_actor_t *actor, unsigned depth)
{
    ph_int_t          rc;
    store_message_t  *src, *dst;

    if (depth >= MAPI_MAX_EMBEDDING) {
        return PH_TOOBIG;
    }

    rc = store_embedded_open(rop->conn, from, false, actor, &src);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    rc = store_embedded_open(rop->conn, to, true, actor, &dst);
    if (rc == PH_OK) {
        rc = rop_copy_all(rop, src, dst, actor, depth + 1);
        if (rc == PH_OK) {
            rc = store_message_save(rop->conn, dst, STORE_SAVE_FORCE, actor,
                                    NULL);
        }

        store_message_close(&dst);
    }

    store_message_close(&src);

    return rc;
}


static ph_int_t
rop_copy_attachment(ex_rop_t *rop, store_attach_t *from, store_attach_t *to,
    const store_actor_t *actor, unsigned depth)
{
    uint32_t            i, n;
    ph_int_t            rc;
    mapi_tags_t         tags;
    mapi_values_t       v;
    store_problems_t    problems;

    rc = store_attach_tags(from, rop->pool, &tags);
    if (rc == PH_OK) {
        rc = store_attach_get(rop->conn, from, &tags, STORE_NO_LIMIT,
                              rop->pool, &v);
    }

    if (rc != PH_OK) {
        return rc;
    }

    n = 0;
    for (i = 0; i < v.n; i++) {
        if (MAPI_TYPE(v.v[i].tag) != PT_ERROR
            && MAPI_TYPE(v.v[i].tag) != PT_OBJECT)
        {
            v.v[n++] = v.v[i];
        }
    }

    v.n = n;

    rc = store_attach_set(to, &v, rop->pool, &problems);
    if (rc == PH_OK) {
        rc = rop_copy_embedded(rop, from, to, actor, depth);
    }

    return rc;
}


static ph_int_t
rop_copy_attachments(ex_rop_t *rop, store_message_t *src,
    store_message_t *dst, const store_actor_t *actor, unsigned depth)
{
    uint32_t         i, n, *nums;
    ph_int_t         rc;
    store_attach_t  *from, *to;

    rc = store_message_attachments(src, rop->pool, &n, &nums);

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = store_attach_open(src, nums[i], &from);
        if (rc != PH_OK) {
            break;
        }

        rc = store_attach_create(dst, &to);
        if (rc == PH_OK) {
            rc = rop_copy_attachment(rop, from, to, actor, depth);
            if (rc == PH_OK) {
                rc = store_attach_save(to);
            }

            store_attach_close(&to);
        }

        store_attach_close(&from);
    }

    return rc;
}


static ph_int_t
rop_copy_message_below(ex_rop_t *rop, bool recipients, bool attachments,
    bool keep)
{
    ph_int_t          rc;
    store_actor_t     actor;
    store_message_t  *src = ((ex_message_t *) rop->in)->msg;
    store_message_t  *dst = ((ex_message_t *) rop->dst)->msg;

    rc = ex_rop_actor(rop, &actor);

    if (rc == PH_OK && recipients
        && !(keep && store_message_recipient_count(dst) > 0))
    {
        rc = rop_copy_recipients(src, dst);
    }

    if (rc == PH_OK && attachments
        && !(keep && store_message_attachment_count(dst) > 0))
    {
        rc = rop_copy_attachments(rop, src, dst, &actor, 0);
    }

    return rc;
}


/* ---- what is below a folder ---- */

typedef struct {
    ex_rop_t       *rop;
    uint64_t        to;
    store_actor_t   actor;
    uint32_t        n;
    uint32_t        cap;
    uint64_t       *ids;
} ex_copy_walk_t;


static ph_int_t
rop_copy_collect(void *data, const mapi_values_t *row)
{
    uint64_t        *ids;
    uint32_t         cap;
    ex_copy_walk_t  *w = data;

    if (MAPI_TYPE(row->v[0].tag) != PT_I8) {
        return PH_OK;
    }

    if (w->n == w->cap) {
        cap = w->cap ? w->cap * 2 : 256;
        ids = ph_prealloc(w->rop->pool, w->ids, w->cap * sizeof(uint64_t),
                          cap * sizeof(uint64_t));
        if (ids == NULL) {
            return PH_NOMEM;
        }

        w->ids = ids;
        w->cap = cap;
    }

    w->ids[w->n++] = store_id((mapi_eid_t) row->v[0].u.i8);

    return PH_OK;
}


static ph_int_t
rop_copy_messages(ex_copy_walk_t *w, uint64_t from, unsigned flags)
{
    uint32_t         n;
    ph_int_t         rc;
    store_many_t     many;
    mapi_tags_t      tags;
    store_table_t   *t;
    store_origin_t   origin;

    static const uint32_t  mid = PidTagMid;

    tags.n = 1;
    tags.tag = &mid;
    w->n = 0;

    rc = store_table_contents(w->rop->conn, from, flags, &t);
    if (rc != PH_OK) {
        return rc;
    }

    rc = store_table_set_columns(t, &tags);
    if (rc == PH_OK) {
        rc = store_table_query(w->rop->conn, t, 0, UINT32_MAX,
                               rop_copy_collect, w, &n, &origin);
    }

    store_table_close(&t);

    if (rc == PH_OK && w->n > 0) {
        rc = store_messages_copy(w->rop->conn, from, w->to, w->n, w->ids,
                                 NULL, &many);
    }

    return rc;
}


static ph_int_t
rop_copy_subfolder(void *data, const store_folder_t *f, unsigned depth)
{
    mapi_value_t   v;
    mapi_values_t  row;

    (void) depth;

    v.tag = PidTagMid;
    v.u.i8 = (int64_t) store_eid(f->id);
    row.n = 1;
    row.v = &v;

    return rop_copy_collect(data, &row);
}


static ph_int_t
rop_copy_folder_below(ex_rop_t *rop, const mapi_tags_t *excluded)
{
    bool             below, all;
    uint32_t         i;
    uint64_t         copy;
    ph_int_t         rc;
    store_folder_t   f;
    ex_copy_walk_t   w;
    uint64_t         from = ((ex_folder_t *) rop->in)->fid;

    memset(&w, 0, sizeof(w));
    w.rop = rop;
    w.to = ((ex_folder_t *) rop->dst)->fid;

    rc = ex_rop_actor(rop, &w.actor);
    if (rc == PH_OK) {
        rc = store_folder_is_below(rop->conn, w.to, from, &below);
    }

    if (rc != PH_OK) {
        return rc;
    }

    if (below) {
        return PH_CONFLICT;
    }

    /* what he may not read, or put there, is not copied for him */
    rc = ex_access_below(rop, from, STORE_RIGHT_READ_ANY, &all);
    if (rc != PH_OK) {
        return rc;
    }

    if (!all || !(ex_rop_rights(rop, from) & STORE_RIGHT_READ_ANY)
        || !(ex_rop_rights(rop, w.to) & STORE_RIGHT_CREATE))
    {
        return PH_DENIED;
    }

    if (!rop_tag_in(excluded, PR_CONTAINER_CONTENTS)) {
        rc = rop_copy_messages(&w, from, 0);
    }

    if (rc == PH_OK && !rop_tag_in(excluded, PR_FOLDER_ASSOCIATED_CONTENTS)) {
        rc = rop_copy_messages(&w, from, STORE_TABLE_ASSOCIATED);
    }

    if (rc != PH_OK || rop_tag_in(excluded, PR_CONTAINER_HIERARCHY)) {
        return rc;
    }

    w.n = 0;
    rc = store_folder_walk(rop->conn, from, false, false, rop_copy_subfolder,
                           &w);

    for (i = 0; rc == PH_OK && i < w.n; i++) {
        rc = store_folder_find(rop->conn, rop->pool, w.ids[i], &f);
        if (rc == PH_OK) {
            rc = store_folder_copy(rop->conn, f.id, w.to, f.name, true,
                                   &w.actor, &copy);
        }
    }

    return rc;
}


/* ---- properties ---- */

/*
 * Copies the named properties.  With `all` (CopyTo) those that only the server
 * sets are left out silently.
 */
static ph_int_t
rop_copy_values(ex_rop_t *rop, const mapi_tags_t *tags, uint8_t flags,
    bool all, uint16_t *n_r, rop_problem_t **list_r)
{
    uint16_t          *index;
    uint32_t           i, n, code;
    ph_int_t           rc;
    mapi_values_t      v, old, kept;
    rop_problem_t     *list;
    store_problems_t   found;

    rc = ex_props_get(rop, rop->in, tags, STORE_NO_LIMIT, &v);
    if (rc == PH_OK && (flags & EX_COPY_NO_OVERWRITE)) {
        rc = ex_props_get(rop, rop->dst, tags, STORE_NO_LIMIT, &old);
    }

    if (rc != PH_OK) {
        return rc;
    }

    kept.n = 0;
    kept.v = ph_pcalloc_array(rop->pool, v.n, sizeof(mapi_value_t));
    index = ph_pcalloc_array(rop->pool, v.n, sizeof(uint16_t));
    list = ph_pcalloc_array(rop->pool, v.n, sizeof(rop_problem_t));
    if (kept.v == NULL || index == NULL || list == NULL) {
        return PH_NOMEM;
    }

    n = 0;

    for (i = 0; i < v.n; i++) {
        if (MAPI_TYPE(v.v[i].tag) == PT_ERROR
            || MAPI_TYPE(v.v[i].tag) == PT_OBJECT)
        {
            if (!all && MAPI_TYPE(tags->tag[i]) != PT_OBJECT) {
                list[n].index = (uint16_t) i;
                list[n].tag = tags->tag[i];
                list[n++].error = v.v[i].u.err;
            }
            continue;
        }

        if ((flags & EX_COPY_NO_OVERWRITE)
            && MAPI_TYPE(old.v[i].tag) != PT_ERROR)
        {
            continue;
        }

        index[kept.n] = (uint16_t) i;
        kept.v[kept.n++] = v.v[i];
    }

    memset(&found, 0, sizeof(found));
    if (kept.n > 0) {
        rc = ex_props_set(rop, rop->dst, &kept, true, &found);
        if (rc != PH_OK) {
            return rc;
        }
    }

    for (i = 0; i < found.n; i++) {
        code = found.v[i].code;
        if (all && (code == ecComputed || code == ecAccessDenied)) {
            continue;
        }

        list[n].index = index[found.v[i].index];
        list[n].tag = found.v[i].tag;
        list[n++].error = code;
    }

    *n_r = (uint16_t) n;
    *list_r = list;

    return PH_OK;
}


/* May this pair be copied with these flags?  An error code, or 0. */
static uint32_t
rop_copy_check(ex_rop_t *rop, uint8_t flags)
{
    const ex_object_t  *o;

    if (flags & ~(EX_COPY_MOVE | EX_COPY_NO_OVERWRITE)) {
        return ecInvalidParam;
    }

    if (rop->in->kind != rop->dst->kind
        || (rop->in->kind != EX_FOLDER && rop->in->kind != EX_MESSAGE
            && rop->in->kind != EX_ATTACHMENT))
    {
        return ecNotSupported;
    }

    if (rop->in->kind == EX_FOLDER
        && ((flags & EX_COPY_MOVE) || rop->logon->is_public
            || rop->dst->logon->is_public))
    {
        return ecNotSupported;
    }

    if (rop->in->logon->mailbox != rop->dst->logon->mailbox) {
        return ecNotSupported;
    }

    for (o = rop->dst; o != NULL && rop->in->kind == EX_MESSAGE;
         o = o->parent)
    {
        if (o == rop->in) {
            return ecMsgCycle;
        }
    }

    return ex_props_writable(rop, rop->dst) ? 0 : ecAccessDenied;
}


uint32_t
rop_copy_to(ex_rop_t *rop, const rop_copy_to_request_t *req,
    rop_copy_to_response_t *res)
{
    uint32_t      ec, i, n, *list;
    ph_int_t      rc;
    mapi_tags_t   tags, excluded;

    ec = rop_copy_check(rop, req->copy_flags);
    if (ec != 0) {
        return ec;
    }

    excluded.n = req->excluded_tags_count;
    excluded.tag = req->excluded_tags;

    rc = ex_props_tags(rop, rop->in, &tags);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    list = ph_pcalloc_array(rop->pool, tags.n, sizeof(uint32_t));
    if (list == NULL) {
        return ecServerOOM;
    }

    n = 0;
    for (i = 0; i < tags.n; i++) {
        if (!rop_tag_in(&excluded, tags.tag[i])
            && !(rop->in->kind == EX_FOLDER
                 && MAPI_ID(tags.tag[i]) == MAPI_ID(PR_DISPLAY_NAME)))
        {
            list[n++] = tags.tag[i];
        }
    }

    tags.n = n;
    tags.tag = list;

    rc = rop_copy_values(rop, &tags, req->copy_flags, true,
                         &res->problems_count, &res->problems);

    if (rc == PH_OK && req->want_sub_objects) {
        if (rop->in->kind == EX_MESSAGE) {
            rc = rop_copy_message_below(rop,
                     !rop_tag_in(&excluded, PR_MESSAGE_RECIPIENTS),
                     !rop_tag_in(&excluded, PR_MESSAGE_ATTACHMENTS),
                     (req->copy_flags & EX_COPY_NO_OVERWRITE) != 0);

        } else if (rop->in->kind == EX_FOLDER) {
            rc = rop_copy_folder_below(rop, &excluded);
        }
    }

    return rc == PH_CONFLICT ? ecFolderCycle : ex_ec(rop, rc);
}


uint32_t
rop_copy_properties(ex_rop_t *rop, const rop_copy_properties_request_t *req,
    rop_copy_properties_response_t *res)
{
    uint32_t           ec;
    ph_int_t           rc;
    mapi_tags_t        tags;
    store_problems_t   problems;

    ec = rop_copy_check(rop, req->copy_flags);
    if (ec != 0) {
        return ec;
    }

    tags.n = req->tags_count;
    tags.tag = req->tags;

    rc = rop_copy_values(rop, &tags, req->copy_flags, false,
                         &res->problems_count, &res->problems);

    if (rc == PH_OK && rop->in->kind == EX_MESSAGE) {
        rc = rop_copy_message_below(rop,
                 rop_tag_in(&tags, PR_MESSAGE_RECIPIENTS),
                 rop_tag_in(&tags, PR_MESSAGE_ATTACHMENTS),
                 (req->copy_flags & EX_COPY_NO_OVERWRITE) != 0);
    }

    if (rc == PH_OK && (req->copy_flags & EX_COPY_MOVE)
        && ex_props_writable(rop, rop->in))
    {
        rc = ex_props_remove(rop, rop->in, &tags, true, &problems);
    }

    return ex_ec(rop, rc);
}
