/* Uploads: the objects that a stream builds. */

#include "ex_fx_in_int.h"

#include <stdlib.h>


static ph_int_t ex_fx_in_marker(void *data, uint32_t marker);
static ph_int_t ex_fx_in_value(void *data, const mapi_value_t *v,
    const mapi_propname_t *name);

static const mapi_fx_events_t  ex_fx_in_events = {
    ex_fx_in_marker, ex_fx_in_value, ex_fx_in_begin, ex_fx_in_bytes,
    ex_fx_in_end
};


/* ---- the stack ---- */

static ph_int_t
ex_fx_in_push(ex_fx_in_t *in, ex_fx_target_kind_t kind, ex_fx_target_t **t_r)
{
    uint32_t         cap;
    ex_fx_target_t  *more;

    *t_r = NULL;

    if (in->depth >= EX_FX_MAX_FRAMES) {
        return PH_TOOBIG;
    }

    if (in->depth == in->cap) {
        cap = in->cap != 0 ? in->cap * 2 : 8;
        more = ph_realloc(in->stack, cap * sizeof(ex_fx_target_t));
        if (more == NULL) {
            return PH_NOMEM;
        }

        in->stack = more;
        in->cap = cap;
    }

    *t_r = &in->stack[in->depth++];
    memset(*t_r, 0, sizeof(ex_fx_target_t));
    (*t_r)->kind = (uint8_t) kind;

    return PH_OK;
}


/* What is not saved is lost. */
static void
ex_fx_in_pop(ex_fx_in_t *in)
{
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (!t->root) {
        if (t->msg != NULL && t->kind != EX_FX_T_RECIPIENT) {
            store_message_close(&t->msg);
        }

        if (t->att != NULL) {
            store_attach_close(&t->att);
        }
    }

    if (t->pool != NULL) {
        ph_pool_destroy(&t->pool);
    }

    in->depth--;
}


ex_fx_in_t *
ex_fx_in_create(ex_rop_t *rop, ex_object_t *target, uint8_t operation)
{
    ex_fx_in_t      *in;
    ex_fx_target_t  *t;

    in = ph_calloc(1, sizeof(ex_fx_in_t));
    if (in == NULL) {
        return NULL;
    }

    in->operation = operation;
    in->scratch = ph_pool_create("fast transfer upload", EX_FX_SCRATCH);

    if (in->scratch == NULL
        || mapi_fx_parser_init(&in->parser, &ex_fx_in_events, in,
                               rop->session->cpid) != PH_OK
        || ex_fx_in_push(in, target->kind == EX_FOLDER ? EX_FX_T_FOLDER
                             : target->kind == EX_MESSAGE
                               ? EX_FX_T_MESSAGE : EX_FX_T_ATTACHMENT,
                         &t) != PH_OK)
    {
        ex_fx_in_destroy(&in);
        return NULL;
    }

    t->root = true;
    t->made = true;

    if (target->kind == EX_FOLDER) {
        t->fid = ((ex_folder_t *) target)->fid;

    } else if (target->kind == EX_MESSAGE) {
        t->msg = ((ex_message_t *) target)->msg;

    } else {
        t->att = ((ex_attachment_t *) target)->att;
    }

    return in;
}


void
ex_fx_in_destroy(ex_fx_in_t **inp)
{
    ex_fx_in_t  *in = *inp;

    *inp = NULL;

    if (in == NULL) {
        return;
    }

    ex_fx_in_sink_close(in);

    while (in->depth > 0) {
        ex_fx_in_pop(in);
    }

    free(in->stack);
    mapi_fx_parser_clear(&in->parser);

    if (in->names_pool != NULL) {
        ph_pool_destroy(&in->names_pool);
    }

    if (in->scratch != NULL) {
        ph_pool_destroy(&in->scratch);
    }

    free(in);
}


/* ---- folders ---- */

static bool
ex_fx_in_may(ex_fx_in_t *in, const ex_fx_target_t *folder, uint32_t right)
{
    return folder->ours
           || (ex_rop_rights(in->rop, folder->fid) & right) != 0;
}


static ph_str_t
ex_fx_in_str(const ex_fx_target_t *t, uint32_t tag)
{
    const mapi_value_t  *v = ex_fx_in_find(t, tag);

    return v != NULL ? v->u.str : ph_str_lit("");
}


/*
 * Whatever follows the properties of a new folder: it is made, with those that
 * came.  A subfolder may be there already: what is below is added to it.
 */
static ph_int_t
ex_fx_in_folder_make(ex_fx_in_t *in, ex_fx_target_t *t)
{
    bool                existed;
    uint64_t            fid;
    ph_int_t            rc;
    store_folder_new_t  f;

    if (t->kind != EX_FX_T_FOLDER) {
        return PH_INVALID;
    }

    if (t->made) {
        return ex_fx_in_flush(in, t);
    }

    if (!ex_fx_in_may(in, t - 1, STORE_RIGHT_CREATE_SUB)) {
        return PH_DENIED;
    }

    memset(&f, 0, sizeof(f));
    f.parent = t->fid;
    f.type = STORE_FOLDER_GENERIC;
    f.name = ex_fx_in_str(t, PR_DISPLAY_NAME);
    f.comment = ex_fx_in_str(t, PR_COMMENT);
    f.container_class = ex_fx_in_str(t, PR_CONTAINER_CLASS);
    f.open_existing = !(t - 1)->root || in->operation != EX_FX_COPY_FOLDER;
    f.actor = in->actor;

    existed = false;
    in->writing = true;
    rc = store_folder_create(in->rop->conn, &f, &fid, &existed);
    if (rc != PH_OK) {
        return rc;
    }

    in->writing = false;

    t->fid = fid;
    t->made = true;
    t->ours = !existed;

    if (existed && !ex_fx_in_may(in, t, STORE_RIGHT_OWNER)) {
        ex_fx_in_forget(t);
    }

    return ex_fx_in_flush(in, t);
}


static ph_int_t
ex_fx_in_folder_start(ex_fx_in_t *in, bool top)
{
    uint64_t         fid;
    ph_int_t         rc;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (t->kind != EX_FX_T_FOLDER || in->operation == EX_FX_COPY_MESSAGES) {
        return PH_INVALID;
    }

    if (top ? (in->operation != EX_FX_COPY_FOLDER || !t->root
               || in->top_seen)
            : (in->operation == EX_FX_COPY_FOLDER && t->root))
    {
        return PH_INVALID;
    }

    rc = ex_fx_in_folder_make(in, t);
    if (rc != PH_OK) {
        return rc;
    }

    in->top_seen = in->top_seen || top;
    fid = t->fid;

    rc = ex_fx_in_push(in, EX_FX_T_FOLDER, &t);
    if (rc == PH_OK) {
        t->fid = fid;
    }

    return rc;
}


static ph_int_t
ex_fx_in_folder_end(ex_fx_in_t *in)
{
    ph_int_t         rc;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (t->kind != EX_FX_T_FOLDER || t->root) {
        return PH_INVALID;
    }

    rc = ex_fx_in_folder_make(in, t);
    if (rc == PH_OK) {
        ex_fx_in_pop(in);
    }

    return rc;
}


static ph_int_t
ex_fx_in_collect(void *data, const mapi_values_t *row)
{
    ex_fx_target_t  *t = data;

    if (t->n == EX_FX_BATCH) {
        return PH_DONE;
    }

    t->v[t->n++] = row->v[0];

    return PH_OK;
}


/* All messages of one kind go, softly: others take their place. */
static ph_int_t
ex_fx_in_folder_clear(ex_fx_in_t *in, uint64_t fid, unsigned flags)
{
    uint32_t         i, k, n;
    uint64_t         ids[EX_FX_BATCH];
    ph_int_t         rc;
    mapi_tags_t      columns;
    mapi_value_t     v[EX_FX_BATCH];
    store_many_t     many;
    store_table_t   *table;
    store_origin_t   origin;
    ex_fx_target_t   found;

    static const uint32_t  mid = PidTagMid;

    rc = store_table_contents(in->rop->conn, fid, flags, &table);
    if (rc != PH_OK) {
        return rc;
    }

    columns.n = 1;
    columns.tag = &mid;
    rc = store_table_set_columns(table, &columns);

    while (rc == PH_OK) {
        memset(&found, 0, sizeof(found));
        found.v = v;

        rc = store_table_query(in->rop->conn, table, 0, EX_FX_BATCH,
                               ex_fx_in_collect, &found, &n, &origin);
        if (rc != PH_OK || found.n == 0) {
            break;
        }

        k = 0;
        for (i = 0; i < found.n; i++) {
            if (MAPI_TYPE(v[i].tag) == PT_I8) {
                ids[k++] = store_id((mapi_eid_t) v[i].u.i8);
            }
        }

        in->writing = true;
        rc = store_messages_delete(in->rop->conn, fid, false, k, ids, &many);
        in->writing = rc != PH_OK;
    }

    store_table_close(&table);

    return rc;
}


/* ---- messages ---- */

static ph_int_t
ex_fx_in_message_start(ex_fx_in_t *in, bool associated)
{
    ph_int_t          rc;
    store_message_t  *msg;
    ex_fx_target_t   *t = ex_fx_in_top(in);

    if (t->kind != EX_FX_T_FOLDER
        || (t->root && in->operation == EX_FX_COPY_FOLDER))
    {
        return PH_INVALID;
    }

    rc = ex_fx_in_folder_make(in, t);
    if (rc != PH_OK) {
        return rc;
    }

    if (!ex_fx_in_may(in, t, STORE_RIGHT_CREATE)) {
        return PH_DENIED;
    }

    rc = store_message_create(in->rop->conn, t->fid, associated, 0,
                              &in->actor, &msg);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_fx_in_push(in, EX_FX_T_MESSAGE, &t);
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }

    t->msg = msg;

    return PH_OK;
}


static ph_int_t
ex_fx_in_message_end(ex_fx_in_t *in, ex_fx_target_kind_t kind)
{
    bool             quota;
    ph_int_t         rc;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (t->kind != kind || t->root) {
        return PH_INVALID;
    }

    quota = false;
    rc = ex_fx_in_flush(in, t);
    if (rc == PH_OK) {
        in->writing = kind == EX_FX_T_MESSAGE;
        rc = store_message_save(in->rop->conn, t->msg,
                                kind == EX_FX_T_EMBEDDED ? STORE_SAVE_FORCE
                                                         : 0,
                                &in->actor, &quota);
        in->writing = in->writing && rc != PH_OK;
    }

    if (rc == PH_NOSPACE && quota) {
        in->detail = ecQuotaExceeded;
        return PH_DENIED;
    }

    if (rc == PH_TOOBIG) {
        in->detail = ecMaxSubmissionExceeded;
    }

    if (rc == PH_OK) {
        ex_fx_in_pop(in);
    }

    return rc;
}


static bool
ex_fx_in_is_message(const ex_fx_target_t *t)
{
    return t->kind == EX_FX_T_MESSAGE || t->kind == EX_FX_T_EMBEDDED;
}


static ph_int_t
ex_fx_in_recipient_start(ex_fx_in_t *in)
{
    ph_int_t          rc;
    store_message_t  *msg;
    ex_fx_target_t   *t = ex_fx_in_top(in);

    if (!ex_fx_in_is_message(t)) {
        return PH_INVALID;
    }

    msg = t->msg;
    rc = ex_fx_in_push(in, EX_FX_T_RECIPIENT, &t);
    if (rc == PH_OK) {
        t->msg = msg;
    }

    return rc;
}


static ph_int_t
ex_fx_in_recipient_end(ex_fx_in_t *in)
{
    uint32_t             i, n;
    ph_int_t             rc;
    mapi_recipient_t     r;
    ex_fx_target_t      *t = ex_fx_in_top(in);
    const mapi_value_t  *id;

    if (t->kind != EX_FX_T_RECIPIENT) {
        return PH_INVALID;
    }

    id = ex_fx_in_find(t, PR_ROWID);
    if (id == NULL) {
        return PH_INVALID;
    }

    r.row_id = (uint32_t) id->u.i4;

    n = 0;
    for (i = 0; i < t->n; i++) {
        if (t->v[i].tag != PR_ROWID) {
            t->v[n++] = t->v[i];
        }
    }

    r.props.n = n;
    r.props.v = t->v;
    rc = PH_OK;

    if (n > 0) {
        rc = store_message_modify_recipients(t->msg, 1, &r);
    }

    if (rc == PH_OK) {
        ex_fx_in_pop(in);
    }

    return rc;
}


/* ---- attachments ---- */

static ph_int_t
ex_fx_in_attach_start(ex_fx_in_t *in)
{
    ph_int_t         rc;
    store_attach_t  *att;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (!ex_fx_in_is_message(t)) {
        return PH_INVALID;
    }

    rc = store_attach_create(t->msg, &att);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_fx_in_push(in, EX_FX_T_ATTACHMENT, &t);
    if (rc != PH_OK) {
        store_attach_close(&att);
        return rc;
    }

    t->att = att;

    return PH_OK;
}


static ph_int_t
ex_fx_in_attach_end(ex_fx_in_t *in)
{
    ph_int_t         rc;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (t->kind != EX_FX_T_ATTACHMENT || t->root) {
        return PH_INVALID;
    }

    rc = ex_fx_in_flush(in, t);
    if (rc == PH_OK) {
        rc = store_attach_save(t->att);
    }

    if (rc == PH_OK) {
        ex_fx_in_pop(in);
    }

    return rc;
}


static ph_int_t
ex_fx_in_embedded_start(ex_fx_in_t *in)
{
    ph_int_t          rc;
    store_message_t  *msg;
    ex_fx_target_t   *t = ex_fx_in_top(in);

    if (t->kind != EX_FX_T_ATTACHMENT) {
        return PH_INVALID;
    }

    rc = ex_fx_in_flush(in, t);
    if (rc == PH_OK) {
        rc = store_embedded_open(in->rop->conn, t->att, true, &in->actor,
                                 &msg);
    }

    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_fx_in_push(in, EX_FX_T_EMBEDDED, &t);
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }

    t->msg = msg;

    return PH_OK;
}


/* ---- elements ---- */

/*
 * The sender could not tell an object to its end: what came of it goes, up to
 * the list that it stood in (2.2.4.3.4).
 */
static ph_int_t
ex_fx_in_error(ex_fx_in_t *in)
{
    uint32_t  i;

    for (i = in->depth; i > 0; i--) {
        if (in->stack[i - 1].kind == EX_FX_T_FOLDER) {
            break;
        }
    }

    if (i == 0) {
        in->detail = ecFxErrorMarker;
        return PH_INVALID;
    }

    while (in->depth > i) {
        ex_fx_in_pop(in);
    }

    in->error_info = true;

    return PH_OK;
}


static ph_int_t
ex_fx_in_marker(void *data, uint32_t marker)
{
    ex_fx_in_t  *in = data;

    switch (marker) {
    case STARTTOPFLD:
        return ex_fx_in_folder_start(in, true);
    case STARTSUBFLD:
        return ex_fx_in_folder_start(in, false);
    case ENDFOLDER:
        return ex_fx_in_folder_end(in);
    case STARTMESSAGE:
        return ex_fx_in_message_start(in, false);
    case STARTFAIMSG:
        return ex_fx_in_message_start(in, true);
    case ENDMESSAGE:
        return ex_fx_in_message_end(in, EX_FX_T_MESSAGE);
    case STARTRECIP:
        return ex_fx_in_recipient_start(in);
    case ENDTORECIP:
        return ex_fx_in_recipient_end(in);
    case NEWATTACH:
        return ex_fx_in_attach_start(in);
    case ENDATTACH:
        return ex_fx_in_attach_end(in);
    case STARTEMBED:
        return ex_fx_in_embedded_start(in);
    case ENDEMBED:
        return ex_fx_in_message_end(in, EX_FX_T_EMBEDDED);
    case FXERRORINFO:
        return ex_fx_in_error(in);
    default:
        return PH_INVALID;
    }
}


static ph_int_t
ex_fx_in_delete_attachments(ex_fx_in_t *in, store_message_t *msg)
{
    uint32_t  i, n, *nums;
    ph_int_t  rc;

    rc = store_message_attachments(msg, in->scratch, &n, &nums);

    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = store_attach_delete(msg, nums[i]);
    }

    return rc;
}


/*
 * What the target has of a kind goes before what follows.  Subfolders stay: a
 * receiver does not delete those (2.2.1.7).
 */
static ph_int_t
ex_fx_in_del_prop(ex_fx_in_t *in, uint32_t tag)
{
    ph_int_t         rc;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (ex_fx_in_is_message(t)) {
        if (MAPI_ID(tag) == MAPI_ID(PR_MESSAGE_RECIPIENTS)) {
            store_message_clear_recipients(t->msg);
            return PH_OK;
        }

        return MAPI_ID(tag) == MAPI_ID(PR_MESSAGE_ATTACHMENTS)
               ? ex_fx_in_delete_attachments(in, t->msg) : PH_INVALID;
    }

    /* lists of messages, and what topFolder stands in, only add */
    if (t->kind != EX_FX_T_FOLDER
        || (t->root && in->operation >= EX_FX_COPY_MESSAGES))
    {
        return PH_INVALID;
    }

    rc = ex_fx_in_folder_make(in, t);
    if (rc != PH_OK || t->ours) {
        return rc;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_CONTAINER_HIERARCHY):
        return PH_OK;
    case MAPI_ID(PR_CONTAINER_CONTENTS):
    case MAPI_ID(PR_FOLDER_ASSOCIATED_CONTENTS):
        break;
    default:
        return PH_INVALID;
    }

    if (!ex_fx_in_may(in, t, STORE_RIGHT_DELETE_ANY)) {
        return PH_DENIED;
    }

    return ex_fx_in_folder_clear(in, t->fid,
                                 MAPI_ID(tag) == MAPI_ID(PR_CONTAINER_CONTENTS)
                                 ? 0 : STORE_TABLE_ASSOCIATED);
}


static ph_int_t
ex_fx_in_value(void *data, const mapi_value_t *v, const mapi_propname_t *name)
{
    uint32_t         tag;
    ph_int_t         rc;
    ex_fx_in_t      *in = data;
    mapi_value_t     own;
    ex_fx_target_t  *t = ex_fx_in_top(in);

    if (in->error_info) {
        in->error_info = false;
        return PH_OK;
    }

    switch (MAPI_ID(v->tag)) {
    case MAPI_ID(MetaTagDnPrefix):
    case MAPI_ID(MetaTagEcWarning):
    case MAPI_ID(MetaTagNewFXFolder):
        return PH_OK;
    case MAPI_ID(MetaTagFXDelProp):
        return v->tag == MetaTagFXDelProp
               ? ex_fx_in_del_prop(in, (uint32_t) v->u.i4) : PH_INVALID;
    default:
        break;
    }

    if (t->kind == EX_FX_T_FOLDER && t->root
        && in->operation >= EX_FX_COPY_MESSAGES)
    {
        return PH_INVALID;
    }

    rc = ex_fx_in_tag(in, v->tag, name, &tag);
    if (rc != PH_OK || tag == 0) {
        return rc;
    }

    own = *v;
    own.tag = tag;

    return ex_fx_in_keep(in, &own);
}


/*
 * Between two buffers a message or attachment of the client is as it would be
 * had its properties been set: it may look at them, and save.
 */
static ph_int_t
ex_fx_in_settle(ex_fx_in_t *in)
{
    ex_fx_target_t  *t = &in->stack[0];

    return ex_fx_in_flush(in, t);
}


uint32_t
ex_fx_in_put(ex_rop_t *rop, ex_fx_in_t *in, ph_str_t bytes, size_t *used_r)
{
    ph_int_t  rc;

    *used_r = 0;

    if (in->ec != 0) {
        return in->ec;
    }

    in->rop = rop;
    in->detail = 0;

    rc = ex_rop_actor(rop, &in->actor);
    if (rc == PH_OK) {
        rc = mapi_fx_parse(&in->parser, bytes, used_r);
    }

    if (rc == PH_OK) {
        rc = ex_fx_in_settle(in);
    }

    ph_pool_reset(in->scratch);

    if (rc == PH_NOMEM && !in->writing) {
        /* an object that has its limit is an error of this upload alone, and
         * costs nobody the transaction */
        rc = PH_TOOBIG;
    }

    if (rc != PH_OK) {
        in->ec = in->detail != 0 ? in->detail
                 : rc == PH_INVALID ? ecFxUnexpectedMarker : ex_ec(rop, rc);
    }

    in->rop = NULL;

    return in->ec;
}
