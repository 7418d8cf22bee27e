/* Downloads: messages, recipients, attachments, and messages inside them. */

#include "ex_fx_int.h"
#include "lib/ph_str.h"

#define EX_FX_RECIPIENTS  16     /* at a time */
#define EX_FX_BY_VALUE_MESSAGE  5      /* PR_ATTACH_METHOD: embedded */

typedef enum {
    sw_values = 0,
    sw_recipients,
    sw_attachments,
    sw_done
} ex_fx_message_state_t;

typedef struct {
    ex_fx_frame_t      f;
    store_message_t   *msg;
    bool               own;         /* closed with the frame */
    bool               children;
    uint8_t            state;
    bool               begun;       /* of the state */
    ex_fx_what_t       what;
    ex_fx_props_t      props;
    uint32_t           recipient;
    uint32_t           n_attach;
    uint32_t           attach;
    uint32_t          *nums;
} ex_fx_message_t;

typedef enum {
    sw_attach_values = 0,
    sw_embedded,
    sw_embedded_end,
    sw_attach_end
} ex_fx_attach_state_t;

typedef struct {
    ex_fx_frame_t      f;
    store_attach_t    *att;
    bool               own;         /* inside a message: NewAttach ... */
    uint8_t            state;
    uint32_t           flags;       /* of what is inside */
    bool               embedded;
    ex_fx_props_t      props;
} ex_fx_attach_t;

static ph_int_t ex_fx_message_step(ex_rop_t *rop, ex_fx_out_t *out,
    ex_fx_frame_t *frame);
static void ex_fx_message_close(ex_fx_frame_t *frame);
static ph_int_t ex_fx_attach_step(ex_rop_t *rop, ex_fx_out_t *out,
    ex_fx_frame_t *frame);
static void ex_fx_attach_close(ex_fx_frame_t *frame);

static const ex_fx_class_t  ex_fx_message_class = {
    sizeof(ex_fx_message_t), ex_fx_message_step, ex_fx_message_close, NULL
};

static const ex_fx_class_t  ex_fx_attach_class = {
    sizeof(ex_fx_attach_t), ex_fx_attach_step, ex_fx_attach_close, NULL
};


/* ---- messages ---- */

/* What belongs to the place of a message and not to the message. */
static bool
ex_fx_message_skip(uint32_t tag, uint32_t flags)
{
    if (MAPI_TYPE(tag) == PT_OBJECT) {
        return true;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_ENTRYID):
    case MAPI_ID(PR_RECORD_KEY):
    case MAPI_ID(PR_INSTANCE_KEY):
    case MAPI_ID(PR_PARENT_ENTRYID):
    case MAPI_ID(PR_STORE_ENTRYID):
    case MAPI_ID(PR_STORE_RECORD_KEY):
    case MAPI_ID(PR_MAPPING_SIGNATURE):
    case MAPI_ID(PR_ACCESS):
    case MAPI_ID(PR_ACCESS_LEVEL):
    case MAPI_ID(PR_OBJECT_TYPE):
    case MAPI_ID(PR_PARENT_DISPLAY):
    case MAPI_ID(PR_ASSOCIATED):
    case MAPI_ID(PR_READ):
    case MAPI_ID(PR_BODY):
    case MAPI_ID(PR_HTML):
    case MAPI_ID(PR_RTF_COMPRESSED):
        return true;
    case MAPI_ID(PR_SOURCE_KEY):
    case MAPI_ID(PR_CHANGE_KEY):
    case MAPI_ID(PR_PREDECESSOR_CHANGE_LIST):
    case MAPI_ID(PR_ORIGINAL_ENTRYID):
        return !(flags & EX_FX_IDS);
    case MAPI_ID(PR_LAST_MODIFICATION_TIME):
        return (flags & (EX_FX_NO_MTIME | EX_FX_SYNC)) != 0;
    case MAPI_ID(PR_PARENT_SOURCE_KEY):
        return !(flags & EX_FX_SYNC);
    case MAPI_ID(PR_MESSAGE_SIZE):
    case MAPI_ID(PR_MSG_STATUS):
        return (flags & EX_FX_SYNC) != 0;
    default:
        return false;
    }
}


/* The body is told in the form in which it is stored, once. */
static ph_int_t
ex_fx_message_body(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_message_t *m,
    const mapi_tags_t *all)
{
    uint32_t        i, *list;
    ph_int_t        rc;
    mapi_tags_t     one;
    mapi_values_t   v;

    static const uint32_t  native = PR_NATIVE_BODY_INFO;
    static const uint32_t  body[] = {
        0, PR_BODY, PR_RTF_COMPRESSED, PR_HTML
    };

    one.n = 1;
    one.tag = &native;

    rc = store_message_get(rop->conn, m->msg, &one, STORE_NO_LIMIT,
                           out->scratch, &v);
    if (rc != PH_OK || MAPI_TYPE(v.v[0].tag) != PT_LONG || v.v[0].u.i4 < 1
        || v.v[0].u.i4 > 3)
    {
        return rc;
    }

    for (i = 0; i < all->n; i++) {
        if (MAPI_ID(all->tag[i]) == MAPI_ID(body[v.v[0].u.i4])) {
            break;
        }
    }

    if (i == all->n || ex_fx_listed(&m->what.tags, all->tag[i])) {
        return PH_OK;
    }

    list = ph_pcalloc_array(m->f.pool, m->props.n + 1, sizeof(uint32_t));
    if (list == NULL) {
        return PH_NOMEM;
    }

    if (m->props.n > 0) {
        memcpy(list, m->props.tag, m->props.n * sizeof(uint32_t));
    }

    list[m->props.n++] = MAPI_TYPE(all->tag[i]) == PT_STRING8
                         ? MAPI_RETYPE(all->tag[i], PT_UNICODE)
                         : all->tag[i];
    m->props.tag = list;

    return PH_OK;
}


/* What comes first: PidTagMid, and where the message was. */
static ph_int_t
ex_fx_message_first(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_message_t *m)
{
    ph_int_t                     rc;
    mapi_value_t                 v;
    const store_message_fact_t  *fact = store_message_fact(m->msg);

    if (!(m->what.flags & EX_FX_MID)) {
        return PH_OK;
    }

    memset(&v, 0, sizeof(v));
    v.tag = PidTagMid;

    if (!store_message_is_embedded(m->msg)) {
        v.u.i8 = (int64_t) store_eid(fact->id);
    }

    rc = mapi_fx_put_value(&out->w, &v, NULL);

    if (rc == PH_OK && (m->what.flags & EX_FX_IDS)
        && !store_message_is_embedded(m->msg))
    {
        v.tag = PR_ORIGINAL_ENTRYID;
        rc = store_message_entryid(store_conn_store(rop->conn), fact->folder,
                                   fact->id, out->scratch, &v.u.bin);
        if (rc == PH_OK) {
            rc = mapi_fx_put_value(&out->w, &v, NULL);
        }
    }

    return rc;
}


static ph_int_t
ex_fx_message_begin(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_message_t *m)
{
    ph_int_t      rc;
    mapi_tags_t   all;

    rc = ex_fx_message_first(rop, out, m);
    if (rc == PH_OK) {
        rc = store_message_tags(m->msg, out->scratch, &all);
    }

    if (rc == PH_OK) {
        rc = ex_fx_props_make(m->f.pool, &all, &m->what, ex_fx_message_skip,
                              &m->props);
    }

    if (rc == PH_OK && !(m->what.flags & EX_FX_ONLY)) {
        rc = ex_fx_message_body(rop, out, m, &all);
    }

    m->begun = true;

    return rc;
}


/* Outlook takes a report with recipients for broken. */
static ph_int_t
ex_fx_is_report(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_message_t *m,
    bool *yes_r)
{
    ph_int_t       rc;
    ph_str_t       class;
    mapi_tags_t    one;
    mapi_values_t  v;

    static const uint32_t  tag = PR_MESSAGE_CLASS;

    *yes_r = false;
    one.n = 1;
    one.tag = &tag;

    rc = store_message_get(rop->conn, m->msg, &one, STORE_NO_LIMIT,
                           out->scratch, &v);

    if (rc == PH_OK && v.v[0].tag == PR_MESSAGE_CLASS) {
        class = v.v[0].u.str;
        class.len = ph_min(class.len, sizeof("REPORT.") - 1);
        *yes_r = ph_str_ieq(class, ph_str_lit("REPORT."));
    }

    return rc;
}


static ph_int_t
ex_fx_put_recipient(ex_rop_t *rop, ex_fx_out_t *out,
    const mapi_recipient_t *r)
{
    uint32_t             i;
    ph_int_t             rc;
    const mapi_value_t  *v;

    rc = ex_fx_put_marker(out, STARTRECIP);
    if (rc == PH_OK) {
        rc = ex_fx_put_long(out, PR_ROWID, r->row_id);
    }

    for (i = 0; rc == PH_OK && i < r->props.n; i++) {
        v = &r->props.v[i];

        if (MAPI_ID(v->tag) != MAPI_ID(PR_ROWID) && !ex_fx_internal(v->tag)) {
            rc = ex_fx_put_value(rop, out, v);
        }
    }

    return rc == PH_OK ? ex_fx_put_marker(out, ENDTORECIP) : rc;
}


static ph_int_t
ex_fx_step_recipients(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_message_t *m)
{
    bool      report;
    uint32_t  n, end;
    ph_int_t  rc;

    n = store_message_recipient_count(m->msg);

    if (!m->begun) {
        m->begun = true;
        report = false;
        rc = PH_OK;

        if (m->what.flags & EX_FX_SYNC) {
            rc = ex_fx_is_report(rop, out, m, &report);
        }

        if (report || !ex_fx_wants(&m->what, PR_MESSAGE_RECIPIENTS)) {
            m->recipient = n;

        } else if (rc == PH_OK && (m->what.flags & EX_FX_DELPROPS)) {
            rc = ex_fx_put_long(out, MetaTagFXDelProp, PR_MESSAGE_RECIPIENTS);
        }

        if (rc != PH_OK) {
            return rc;
        }
    }

    end = ph_min(n, m->recipient + EX_FX_RECIPIENTS);

    for ( ; m->recipient < end; m->recipient++) {
        rc = ex_fx_put_recipient(rop, out,
                 &store_message_recipients(m->msg)[m->recipient]);
        if (rc != PH_OK) {
            return rc;
        }
    }

    if (m->recipient >= n) {
        m->state = sw_attachments;
        m->begun = false;
    }

    return PH_OK;
}


static ph_int_t
ex_fx_step_attachments(ex_fx_out_t *out, ex_fx_message_t *m)
{
    uint32_t          num;
    ph_int_t          rc;
    ex_fx_frame_t    *frame;
    ex_fx_attach_t   *a;
    store_attach_t   *att;

    if (!m->begun) {
        m->begun = true;

        if (!ex_fx_wants(&m->what, PR_MESSAGE_ATTACHMENTS)) {
            return PH_DONE;
        }

        rc = store_message_attachments(m->msg, m->f.pool, &m->n_attach,
                                       &m->nums);
        if (rc == PH_OK && (m->what.flags & EX_FX_DELPROPS)) {
            rc = ex_fx_put_long(out, MetaTagFXDelProp,
                                PR_MESSAGE_ATTACHMENTS);
        }

        return rc;
    }

    if (m->attach == m->n_attach) {
        return PH_DONE;
    }

    num = m->nums[m->attach++];

    rc = store_attach_open(m->msg, num, &att);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    rc = ex_fx_put_marker(out, NEWATTACH);
    if (rc == PH_OK) {
        rc = ex_fx_put_long(out, PR_ATTACH_NUM, num);
    }

    if (rc == PH_OK) {
        rc = ex_fx_push(out, &ex_fx_attach_class, &frame);
    }

    if (rc != PH_OK) {
        store_attach_close(&att);
        return rc;
    }

    a = (ex_fx_attach_t *) frame;
    a->att = att;
    a->own = true;
    a->embedded = true;
    a->flags = m->what.flags & (EX_FX_IDS | EX_FX_MID | EX_FX_NO_MTIME);

    return PH_OK;
}


static ph_int_t
ex_fx_message_step(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_frame_t *frame)
{
    ph_int_t          rc;
    ex_fx_message_t  *m = (ex_fx_message_t *) frame;

    switch ((ex_fx_message_state_t) m->state) {

    case sw_values:
        if (!m->begun) {
            return ex_fx_message_begin(rop, out, m);
        }

        rc = ex_fx_props_step(rop, out, &ex_fx_message_access, m->msg,
                              &m->props);
        if (rc == PH_DONE) {
            m->state = m->children ? sw_recipients : sw_done;
            m->begun = false;
            rc = PH_OK;
        }
        return rc;

    case sw_recipients:
        return ex_fx_step_recipients(rop, out, m);

    case sw_attachments:
        return ex_fx_step_attachments(out, m);

    default:
        return PH_DONE;
    }
}


static void
ex_fx_message_close(ex_fx_frame_t *frame)
{
    ex_fx_message_t  *m = (ex_fx_message_t *) frame;

    if (m->own && m->msg != NULL) {
        store_message_close(&m->msg);
    }
}


/* own: msg is closed, also on error */
static ph_int_t
ex_fx_message_push(ex_fx_out_t *out, store_message_t *msg, bool own,
    uint8_t state, bool children, const ex_fx_what_t *what)
{
    ph_int_t          rc;
    ex_fx_frame_t    *frame;
    ex_fx_message_t  *m;

    rc = ex_fx_push(out, &ex_fx_message_class, &frame);
    if (rc != PH_OK) {
        if (own) {
            store_message_close(&msg);
        }
        return rc;
    }

    m = (ex_fx_message_t *) frame;
    m->msg = msg;
    m->own = own;
    m->state = state;
    m->children = children;

    return ex_fx_what_copy(frame->pool, what, &m->what);
}


ph_int_t
ex_fx_put_message(ex_rop_t *rop, ex_fx_out_t *out, store_message_t *msg,
    const ex_fx_what_t *what)
{
    const store_message_fact_t  *fact = store_message_fact(msg);

    (void) rop;

    out->fid = fact->folder;
    out->mid = fact->id;

    return ex_fx_message_push(out, msg, true, sw_values, true, what);
}


ph_int_t
ex_fx_put_open_message(ex_fx_out_t *out, store_message_t *msg,
    const ex_fx_what_t *what)
{
    const store_message_fact_t  *fact = store_message_fact(msg);

    out->fid = fact->folder;
    out->mid = fact->id;

    return ex_fx_message_push(out, msg, false, sw_values, true, what);
}


ph_int_t
ex_fx_put_message_values(ex_rop_t *rop, ex_fx_out_t *out,
    store_message_t *msg, const mapi_tags_t *tags)
{
    ex_fx_what_t  what;

    (void) rop;

    what.flags = EX_FX_ONLY | EX_FX_ONE_LEVEL;
    what.tags = *tags;

    return ex_fx_message_push(out, msg, false, sw_values, false, &what);
}


ph_int_t
ex_fx_put_message_children(ex_rop_t *rop, ex_fx_out_t *out,
    store_message_t *msg, const ex_fx_what_t *what)
{
    (void) rop;

    return ex_fx_message_push(out, msg, false, sw_recipients, true, what);
}


/* ---- attachments ---- */

static bool
ex_fx_attach_skip(uint32_t tag, uint32_t flags)
{
    (void) flags;

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_ATTACH_NUM):
    case MAPI_ID(PR_OBJECT_TYPE):
    case MAPI_ID(PR_ACCESS_LEVEL):
    case MAPI_ID(PR_RECORD_KEY):
        return true;
    default:
        return false;
    }
}


/* The bytes of an embedded message are the message that follows. */
static bool
ex_fx_embedded_skip(uint32_t tag, uint32_t flags)
{
    return MAPI_ID(tag) == MAPI_ID(PR_ATTACH_DATA_BIN)
           || ex_fx_attach_skip(tag, flags);
}


static ph_int_t
ex_fx_attach_begin(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_attach_t *a,
    const ex_fx_what_t *what)
{
    bool           embedded;
    ph_int_t       rc;
    mapi_tags_t    all, one;
    mapi_values_t  v;

    static const uint32_t  method = PR_ATTACH_METHOD;

    one.n = 1;
    one.tag = &method;

    rc = store_attach_get(rop->conn, a->att, &one, STORE_NO_LIMIT,
                          out->scratch, &v);
    if (rc != PH_OK) {
        return rc;
    }

    embedded = v.v[0].tag == PR_ATTACH_METHOD
               && v.v[0].u.i4 == EX_FX_BY_VALUE_MESSAGE;

    rc = store_attach_tags(a->att, out->scratch, &all);

    return rc == PH_OK ? ex_fx_props_make(a->f.pool, &all, what,
                                          embedded ? ex_fx_embedded_skip
                                                   : ex_fx_attach_skip,
                                          &a->props) : rc;
}


static ph_int_t
ex_fx_step_embedded(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_attach_t *a)
{
    ph_int_t          rc;
    ex_fx_what_t      what;
    store_actor_t     actor;
    store_message_t  *msg;

    a->state = sw_attach_end;

    if (!a->embedded) {
        return PH_OK;
    }

    memset(&actor, 0, sizeof(actor));

    rc = store_embedded_open(rop->conn, a->att, false, &actor, &msg);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    rc = ex_fx_put_marker(out, STARTEMBED);
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }

    a->state = sw_embedded_end;
    memset(&what, 0, sizeof(what));
    what.flags = a->flags;

    return ex_fx_message_push(out, msg, true, sw_values, true, &what);
}


static ph_int_t
ex_fx_attach_step(ex_rop_t *rop, ex_fx_out_t *out, ex_fx_frame_t *frame)
{
    ph_int_t         rc;
    ex_fx_what_t     what;
    ex_fx_attach_t  *a = (ex_fx_attach_t *) frame;

    switch ((ex_fx_attach_state_t) a->state) {

    case sw_attach_values:
        if (a->props.tag == NULL) {
            memset(&what, 0, sizeof(what));

            return ex_fx_attach_begin(rop, out, a, &what);
        }

        rc = ex_fx_props_step(rop, out, &ex_fx_attach_access, a->att,
                              &a->props);
        if (rc == PH_DONE) {
            a->state = sw_embedded;
            rc = PH_OK;
        }
        return rc;

    case sw_embedded:
        return ex_fx_step_embedded(rop, out, a);

    case sw_embedded_end:
        a->state = sw_attach_end;
        return ex_fx_put_marker(out, ENDEMBED);

    default:
        if (a->own) {
            rc = ex_fx_put_marker(out, ENDATTACH);
            if (rc != PH_OK) {
                return rc;
            }
        }
        return PH_DONE;
    }
}


static void
ex_fx_attach_close(ex_fx_frame_t *frame)
{
    ex_fx_attach_t  *a = (ex_fx_attach_t *) frame;

    if (a->own && a->att != NULL) {
        store_attach_close(&a->att);
    }
}


ph_int_t
ex_fx_put_attachment(ex_rop_t *rop, ex_fx_out_t *out, store_attach_t *att,
    const ex_fx_what_t *what)
{
    ph_int_t         rc;
    ex_fx_frame_t   *frame;
    ex_fx_attach_t  *a;

    rc = ex_fx_push(out, &ex_fx_attach_class, &frame);
    if (rc != PH_OK) {
        return rc;
    }

    a = (ex_fx_attach_t *) frame;
    a->att = att;
    a->flags = what->flags & EX_FX_IDS;
    a->embedded = ex_fx_wants(what, PR_ATTACH_DATA_OBJ);

    return ex_fx_attach_begin(rop, out, a, what);
}
