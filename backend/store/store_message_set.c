/* Setting and removing properties of working copies; recipients. */

#include "store_message_int.h"
#include "lib/ph_str.h"

#include <stdlib.h>

bool
store_storable(uint16_t type)
{
    return store_type_valid(type) && type != PT_UNSPECIFIED && type != PT_NULL
           && type != PT_ERROR && type != PT_SRESTRICTION
           && type != PT_ACTIONS && (type & PT_MVI) == 0;
}

ph_int_t
store_slot_set(store_t *store, store_bag_t *bag, const mapi_value_t *v)
{
    ph_int_t       rc;
    store_blob_t  *blob;

    switch (MAPI_TYPE(v->tag)) {
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
        if (v->u.bin.len > store->env->conf.value_max) {
            return PH_TOOBIG;
        }
        if (v->u.bin.len > store->env->conf.blob_min) {
            store_try(store_blob_pack_str(store, v->u.bin, &blob));
            rc = store_bag_set_content(bag, v->tag, 0, blob, v->u.bin.len);
            store_blob_unref(&blob);
            return rc;
        }
        break;
    default:
        break;
    }

    return store_bag_set(bag, v);
}

/* one body is stored: setting one removes the others */
static void
store_message_one_body(store_message_t *msg, uint32_t tag)
{
    uint32_t  i;
    static const uint32_t  bodies[] = { PR_BODY, PR_HTML, PR_RTF_COMPRESSED };

    for (i = 0; i < ph_nelts(bodies); i++) {
        if (MAPI_ID(bodies[i]) != MAPI_ID(tag)) {
            store_bag_del(&msg->data.bag, bodies[i]);
        }
    }
}

static ph_int_t
store_message_set_subject(store_message_t *msg, const mapi_value_t *v,
    const mapi_values_t *all)
{
    ph_str_t             prefix, rest, hint;
    store_bag_t         *bag;
    const mapi_value_t  *p;

    bag = &msg->data.bag;
    hint = ph_str_null;
    p = mapi_find(all, PR_SUBJECT_PREFIX);
    if (p) {
        hint = p->u.str;
    }
    store_subject_split(v->u.str, hint, &prefix, &rest);
    if (prefix.len) {
        store_try(store_bag_set_str(bag, PR_SUBJECT_PREFIX, prefix));
    } else {
        store_bag_del(bag, PR_SUBJECT_PREFIX);
    }

    return store_bag_set_str(bag, PR_NORMALIZED_SUBJECT, rest);
}

/* bits that a client may set before the first save */
#define STORE_FLAGS_CLIENT                                                   \
    (MSGFLAG_READ | MSGFLAG_UNMODIFIED | MSGFLAG_UNSENT | MSGFLAG_FROMME     \
     | MSGFLAG_RESEND | MSGFLAG_EVERREAD | 0xB000)

static uint32_t
store_message_set_one(store_message_t *msg, const mapi_value_t *v,
    const mapi_values_t *all, ph_int_t *rc_r)
{
    uint32_t             flags;
    const mapi_value_t  *p;

    *rc_r = PH_OK;

    if (!store_storable(MAPI_TYPE(v->tag))) {
        return STORE_EC_INVALID;
    }
    if (store_is_string(MAPI_TYPE(v->tag)) && !ph_utf8_valid(v->u.str)) {
        return STORE_EC_INVALID;
    }

    switch (v->tag) {
    case PR_MESSAGE_FLAGS:
        if (!msg->is_new) {
            return STORE_EC_COMPUTED;
        }
        flags = msg->fact.flags & ~(uint32_t) STORE_FLAGS_CLIENT;
        msg->fact.flags = flags | ((uint32_t) v->u.i4 & STORE_FLAGS_CLIENT);
        msg->fact.read = msg->fact.flags & MSGFLAG_READ;
        return 0;
    case PR_READ:
        if (!msg->is_new) {
            return STORE_EC_COMPUTED;
        }
        msg->fact.flags &= ~(uint32_t) MSGFLAG_READ;
        msg->fact.flags |= v->u.b ? MSGFLAG_READ : 0;
        msg->fact.read = v->u.b;
        return 0;
    case PR_MSG_STATUS:
        if (msg->is_new) {
            msg->status = (uint32_t) v->u.i4;
            return 0;
        }
        return STORE_EC_COMPUTED;
    case PR_ASSOCIATED:
        /* fixed when the message is made; saying the same is no error */
        return v->u.b == msg->fact.associated ? 0 : STORE_EC_COMPUTED;
    case PR_SUBJECT:
    case MAPI_RETYPE(PR_SUBJECT, PT_STRING8):
        *rc_r = store_message_set_subject(msg, v, all);
        return 0;
    case PR_SUBJECT_PREFIX:
    case MAPI_RETYPE(PR_SUBJECT_PREFIX, PT_STRING8):
        p = mapi_find_id(all, MAPI_ID(PR_SUBJECT));
        if (p) {
            return 0;      /* a hint for the subject */
        }
        break;
    case PR_LAST_MODIFICATION_TIME:
        msg->mtime_set = true;
        break;
    default:
        break;
    }

    if (store_message_tag_fixed(v->tag)) {
        return STORE_EC_COMPUTED;
    }
    if (store_body_is(v->tag)) {
        store_message_one_body(msg, v->tag);
        msg->content_dirty = true;
    }
    *rc_r = store_slot_set(msg->store, &msg->data.bag, v);

    return *rc_r == PH_TOOBIG ? STORE_EC_TOO_BIG : 0;
}

ph_int_t
store_message_set(store_message_t *msg, const mapi_values_t *values,
    ph_pool_t *pool, store_problems_t *problems_r)
{
    uint32_t  i, code;
    ph_int_t  rc;

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    if (!msg->writable) {
        return PH_DENIED;
    }

    for (i = 0; i < values->n; i++) {
        code = store_message_set_one(msg, &values->v[i], values, &rc);
        if (code) {
            store_try(store_problem(pool, problems_r, i, values->v[i].tag,
                                    code));
            continue;
        }
        if (rc != PH_OK) {
            return rc;
        }
        store_try(store_message_changed_tag(msg, values->v[i].tag));
    }

    return PH_OK;
}

ph_int_t
store_message_remove(store_message_t *msg, const mapi_tags_t *tags,
    ph_pool_t *pool, store_problems_t *problems_r)
{
    bool      gone;
    uint32_t  i, k, tag;
    static const uint32_t  bodies[] = { PR_BODY, PR_HTML, PR_RTF_COMPRESSED };

    if (problems_r) {
        memset(problems_r, 0, sizeof(*problems_r));
    }
    if (!msg->writable) {
        return PH_DENIED;
    }

    for (i = 0; i < tags->n; i++) {
        tag = tags->tag[i];
        if (MAPI_ID(tag) == MAPI_ID(PR_SUBJECT)) {
            gone = store_bag_del(&msg->data.bag, PR_SUBJECT_PREFIX);
            gone |= store_bag_del(&msg->data.bag, PR_NORMALIZED_SUBJECT);
        } else if (store_body_is(tag)) {
            /* they are one thing in three forms */
            gone = false;
            for (k = 0; k < ph_nelts(bodies); k++) {
                gone |= store_bag_del(&msg->data.bag, bodies[k]);
            }
            msg->content_dirty = true;
        } else if (store_message_tag_fixed(tag)) {
            store_try(store_problem(pool, problems_r, i, tag,
                                    STORE_EC_COMPUTED));
            continue;
        } else {
            gone = store_bag_del(&msg->data.bag, tag);
        }
        if (gone) {
            store_try(store_message_changed_tag(msg, tag));
        }
    }

    return PH_OK;
}

/* A stream has put a value into the bag. */
ph_int_t
store_message_stored(store_message_t *msg, uint32_t tag)
{
    if (store_body_is(tag)) {
        store_message_one_body(msg, tag);
        msg->content_dirty = true;
    }

    return store_message_changed_tag(msg, tag);
}

/* ---- recipients ---- */

uint32_t
store_message_recipient_count(const store_message_t *msg)
{
    return msg->data.n_rcpts;
}

const mapi_recipient_t *
store_message_recipients(const store_message_t *msg)
{
    return msg->data.rcpt;
}

static ph_int_t
store_recipient_put(store_mdata_t *d, const mapi_recipient_t *row)
{
    uint32_t           i, k, cap;
    mapi_value_t      *v;
    mapi_recipient_t  *r;

    for (i = 0; i < d->n_rcpts && d->rcpt[i].row_id < row->row_id; i++) {
        /* void */
    }

    if (row->props.n == 0) {
        if (i < d->n_rcpts && d->rcpt[i].row_id == row->row_id) {
            memmove(&d->rcpt[i], &d->rcpt[i + 1],
                    (d->n_rcpts - i - 1) * sizeof(*d->rcpt));
            d->n_rcpts--;
        }
        return PH_OK;
    }

    v = ph_pcalloc_array(d->pool, row->props.n, sizeof(*v));
    if (v == NULL) {
        return PH_NOMEM;
    }
    for (k = 0; k < row->props.n; k++) {
        store_try(store_value_copy(d->pool, &row->props.v[k], &v[k]));
    }

    if (i == d->n_rcpts || d->rcpt[i].row_id != row->row_id) {
        if (d->n_rcpts >= MAPI_MAX_RECIPIENTS) {
            return PH_TOOBIG;
        }
        if (d->n_rcpts == d->cap_rcpts) {
            cap = d->cap_rcpts ? d->cap_rcpts * 2 : 8;
            r = ph_prealloc(d->pool, d->rcpt, d->cap_rcpts * sizeof(*r),
                            cap * sizeof(*r));
            if (r == NULL) {
                return PH_NOMEM;
            }
            d->rcpt = r;
            d->cap_rcpts = cap;
        }
        memmove(&d->rcpt[i + 1], &d->rcpt[i],
                (d->n_rcpts - i) * sizeof(*d->rcpt));
        d->n_rcpts++;
    }
    d->rcpt[i].row_id = row->row_id;
    d->rcpt[i].props.n = row->props.n;
    d->rcpt[i].props.v = v;

    return PH_OK;
}

ph_int_t
store_message_modify_recipients(store_message_t *msg, uint32_t n,
    const mapi_recipient_t *rows)
{
    uint32_t  i, k;

    if (!msg->writable) {
        return PH_DENIED;
    }
    for (i = 0; i < n; i++) {
        for (k = 0; k < rows[i].props.n; k++) {
            if (!store_storable(MAPI_TYPE(rows[i].props.v[k].tag))) {
                return PH_INVALID;
            }
        }
    }
    for (i = 0; i < n; i++) {
        store_try(store_recipient_put(&msg->data, &rows[i]));
    }
    msg->content_dirty = true;

    return store_message_changed_tag(msg, PR_MESSAGE_RECIPIENTS);
}

void
store_message_clear_recipients(store_message_t *msg)
{
    msg->data.n_rcpts = 0;
    msg->content_dirty = true;
    (void) store_message_changed_tag(msg, PR_MESSAGE_RECIPIENTS);
}
