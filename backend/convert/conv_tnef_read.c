/* TNEF to a message (MS-OXTNEF 3.1.5). */

#include "conv_tnef_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

#define TNEF_FIRST_ATTACHMENTS  8

typedef struct {
    conv_props_t     props;
    ph_str_t         object;      /* an embedded message's stream */
} tnef_attach_t;

typedef struct {
    tnef_read_t      t;
    conv_props_t     props;
    uint32_t         n_recipients;
    mapi_recipient_t *recipients;
    uint32_t         n_attachments;
    uint32_t         cap;
    tnef_attach_t   *attachments;
    uint16_t         flags;        /* attMessageStatus */
    bool             any;          /* something was read */
    bool             failed;       /* no memory */
    ph_str_t         owner;        /* waits for the class */
} tnef_msg_t;

static ph_int_t tnef_read(tnef_read_t *outer, ph_str_t tnef,
    mapi_message_t **msg_r);

/* 8-bit text of the stream up to a NUL, as UTF-8 */
static ph_str_t
tnef_ansi(tnef_msg_t *m, ph_str_t s)
{
    size_t    i;
    ph_str_t  utf8;

    for (i = 0; i < s.len && s.data[i]; i++) { /* void */ }
    s.len = i;
    if (mapi_codepage_decode(m->t.pool, m->t.cpid, s, &utf8) != PH_OK) {
        m->failed = true;
        return ph_str_null;
    }

    return utf8;
}

/* "TYPE:address" of somebody, unless the MAPI properties say it later */
static void
tnef_who(tnef_msg_t *m, const conv_role_t *role, ph_str_t name,
    ph_str_t address)
{
    ph_str_t        type;
    const uint8_t  *colon;

    name = tnef_ansi(m, name);
    address = tnef_ansi(m, address);
    type = ph_str_c("SMTP");
    colon = address.len ? memchr(address.data, ':', address.len) : NULL;
    if (colon) {
        type = (ph_str_t) { (size_t) (colon - address.data), address.data };
        address.data += type.len + 1;
        address.len -= type.len + 1;
    }
    if (ph_str_ieq_c(type, "SMTP")) {
        conv_put_role(&m->props, role, name, address);
        return;
    }
    conv_put_str(&m->props, role->name, name.len ? name : address);
    conv_put_str(&m->props, role->addrtype, type);
    conv_put_str(&m->props, role->email, address);
}

/* attFrom: a header, the name, "TYPE:address" */
static void
tnef_from(tnef_msg_t *m, ph_cur_t *cur)
{
    uint16_t  n_name, n_address;
    ph_str_t  name, address;

    (void) ph_cur_u16(cur);
    (void) ph_cur_u16(cur);
    n_name = ph_cur_u16(cur);
    n_address = ph_cur_u16(cur);
    name = ph_cur_bytes(cur, n_name);
    address = ph_cur_bytes(cur, n_address);
    if (!cur->error) {
        tnef_who(m, &conv_role_sender, name, address);
    }
}

/* attOwner, attSentFor: two strings with lengths */
static void
tnef_pair(tnef_msg_t *m, ph_str_t data, bool received)
{
    ph_cur_t           cur;
    ph_str_t           name, address;
    static const conv_role_t  received_role = {
        PR_RCVD_REPRESENTING_NAME, PR_RCVD_REPRESENTING_ADDRTYPE,
        PR_RCVD_REPRESENTING_EMAIL_ADDRESS, 0x5D08001F,
        PR_RCVD_REPRESENTING_SEARCH_KEY, PR_RCVD_REPRESENTING_ENTRYID
    };

    ph_cur_init(&cur, data.data, data.len);
    name = ph_cur_bytes(&cur, ph_cur_u16(&cur));
    address = ph_cur_bytes(&cur, ph_cur_u16(&cur));
    if (!cur.error) {
        tnef_who(m, received ? &received_role : &conv_role_representing, name,
                 address);
    }
}

static void
tnef_search_key(tnef_msg_t *m, uint32_t tag, ph_str_t hex)
{
    uint8_t  *key;

    hex = tnef_ansi(m, hex);
    key = ph_palloc(m->t.pool, hex.len / 2 + 1);
    if (key == NULL) {
        m->failed = true;
    } else if (hex.len && hex.len % 2 == 0
               && ph_hex_decode(key, hex.len / 2, hex) == PH_OK)
    {
        conv_put_bin(&m->props, tag, (ph_str_t) { hex.len / 2, key });
    }
}

static void
tnef_date(conv_props_t *props, uint32_t tag, ph_cur_t *cur)
{
    uint64_t  time;

    time = tnef_date_read(cur);
    if (time) {
        conv_put_time(props, tag, time);
    }
}

static void
tnef_recipients(tnef_msg_t *m, ph_cur_t *cur)
{
    uint32_t      n;
    conv_props_t  props;

    n = ph_cur_u32(cur);
    n = ph_min(n, MAPI_MAX_RECIPIENTS);
    if (m->recipients || !ph_cur_count(cur, n, 4)) {
        return;
    }
    m->recipients = ph_pcalloc_array(m->t.pool, ph_max(n, 1),
                                     sizeof(mapi_recipient_t));
    if (m->recipients == NULL) {
        m->failed = true;
        return;
    }
    while (m->n_recipients < n) {
        conv_props_init(&props, m->t.pool);
        if (!tnef_props_read(&m->t, cur, &props, NULL)) {
            break;
        }
        m->recipients[m->n_recipients].row_id = m->n_recipients;
        if (conv_props_done(&props, &m->recipients[m->n_recipients].props)
            != PH_OK)
        {
            m->failed = true;
            break;
        }
        m->n_recipients++;
    }
}

static void
tnef_message_attr(tnef_msg_t *m, uint32_t id, ph_str_t data)
{
    int32_t    priority;
    ph_cur_t   cur;
    uint32_t   cpid;

    ph_cur_init(&cur, data.data, data.len);

    switch (id) {
    case TNEF_OEM_CODEPAGE:
        cpid = ph_cur_u32(&cur);
        if (!cur.error && mapi_codepage_charset(cpid)) {
            m->t.cpid = cpid;
        }
        return;
    case TNEF_MESSAGE_CLASS:
        conv_put_str(&m->props, PR_MESSAGE_CLASS,
                     tnef_class_read(tnef_ansi(m, data)));
        break;
    case TNEF_ORIG_CLASS:
        conv_put_str(&m->props, PR_ORIG_MESSAGE_CLASS,
                     tnef_class_read(tnef_ansi(m, data)));
        break;
    case TNEF_FROM:
        tnef_from(m, &cur);
        break;
    case TNEF_SUBJECT:
        conv_put_str(&m->props, PR_SUBJECT, tnef_ansi(m, data));
        break;
    case TNEF_BODY:
        conv_put_str(&m->props, PR_BODY, tnef_ansi(m, data));
        break;
    case TNEF_DATE_SENT:
        tnef_date(&m->props, PR_CLIENT_SUBMIT_TIME, &cur);
        break;
    case TNEF_DATE_RECEIVED:
        tnef_date(&m->props, PR_MESSAGE_DELIVERY_TIME, &cur);
        break;
    case TNEF_DATE_MODIFIED:
        tnef_date(&m->props, PR_LAST_MODIFICATION_TIME, &cur);
        break;
    case TNEF_DATE_START:
        tnef_date(&m->props, PR_START_DATE, &cur);
        break;
    case TNEF_DATE_END:
        tnef_date(&m->props, PR_END_DATE, &cur);
        break;
    case TNEF_MESSAGE_STATUS:
        m->flags = ph_cur_u8(&cur);
        break;
    case TNEF_PARENT_ID:
        tnef_search_key(m, PR_PARENT_KEY, data);
        break;
    case TNEF_CONVERSATION_ID:
        tnef_search_key(m, PR_CONVERSATION_KEY, data);
        break;
    case TNEF_PRIORITY:
        priority = ph_cur_u16(&cur);
        if (priority >= 1 && priority <= 3) {
            conv_put_i4(&m->props, PR_IMPORTANCE, 3 - priority);
        }
        break;
    case TNEF_AID_OWNER:
        conv_put_i4(&m->props, PR_OWNER_APPT_ID, (int32_t) ph_cur_u32(&cur));
        break;
    case TNEF_REQUEST_RES:
        conv_put_bool(&m->props, PR_RESPONSE_REQUESTED,
                      ph_cur_u16(&cur) != 0);
        break;
    case TNEF_OWNER:
        m->owner = data;
        break;
    case TNEF_SENT_FOR:
        tnef_pair(m, data, false);
        break;
    case TNEF_DELEGATE:
        conv_put_bin(&m->props, PR_RCVD_REPRESENTING_ENTRYID, data);
        break;
    case TNEF_RECIP_TABLE:
        tnef_recipients(m, &cur);
        break;
    case TNEF_MSG_PROPS:
        (void) tnef_props_read(&m->t, &cur, &m->props, NULL);
        break;
    default:
        return;      /* TNEF_MESSAGE_ID is the other store's search key */
    }
    m->any = true;
}

/* attAttachRenddata: a new attachment */
static void
tnef_attachment(tnef_msg_t *m, ph_cur_t *cur)
{
    uint16_t              type;
    uint32_t              cap, position, flags;
    tnef_attach_t        *a;
    static const uint8_t  oid_ole[] = {
        0x2A, 0x86, 0x48, 0x86, 0xF7, 0x14, 0x03, 0x0A, 0x03, 0x02, 0x01
    };
    static const uint8_t  oid_mac[] = {
        0x2A, 0x86, 0x48, 0x86, 0xF7, 0x14, 0x03, 0x0B, 0x01
    };

    if (m->n_attachments == m->cap) {
        cap = m->cap ? 2 * m->cap : TNEF_FIRST_ATTACHMENTS;
        a = ph_prealloc(m->t.pool, m->attachments, m->cap * sizeof(*a),
                        cap * sizeof(*a));
        if (a == NULL) {
            m->failed = true;
            return;
        }
        m->attachments = a;
        m->cap = cap;
    }
    a = &m->attachments[m->n_attachments++];
    memset(a, 0, sizeof(*a));
    conv_props_init(&a->props, m->t.pool);

    type = ph_cur_u16(cur);
    position = ph_cur_u32(cur);
    (void) ph_cur_u16(cur);
    (void) ph_cur_u16(cur);
    flags = ph_cur_u32(cur);
    conv_put_i4(&a->props, PR_ATTACH_METHOD, type == 2 ? 6 : 1);
    if (cur->error) {
        return;
    }
    conv_put_i4(&a->props, PR_RENDERING_POSITION, (int32_t) position);
    if (type == 2) {
        conv_put_bin(&a->props, PR_ATTACH_TAG,
                     (ph_str_t) { sizeof(oid_ole), oid_ole });
    }
    if (flags & 1) {
        conv_put_bin(&a->props, PR_ATTACH_ENCODING,
                     (ph_str_t) { sizeof(oid_mac), oid_mac });
    }
}

static void
tnef_attach_attr(tnef_msg_t *m, uint32_t id, ph_str_t data)
{
    ph_cur_t        cur;
    tnef_attach_t  *a;

    ph_cur_init(&cur, data.data, data.len);
    if (id == TNEF_ATTACH_REND_DATA) {
        if (m->n_attachments < MAPI_MAX_ATTACHMENTS) {
            tnef_attachment(m, &cur);
        }
        return;
    }
    if (m->n_attachments == 0) {
        return;
    }
    a = &m->attachments[m->n_attachments - 1];

    switch (id) {
    case TNEF_ATTACH_DATA:
        conv_put_bin(&a->props, PR_ATTACH_DATA_BIN, data);
        break;
    case TNEF_ATTACH_TITLE:
        conv_put_str(&a->props, PR_ATTACH_FILENAME, tnef_ansi(m, data));
        break;
    case TNEF_ATTACH_TRANSPORT_NAME:
        conv_put_str(&a->props, PR_ATTACH_TRANSPORT_NAME, tnef_ansi(m, data));
        break;
    case TNEF_ATTACH_META_FILE:
        conv_put_bin(&a->props, PR_ATTACH_RENDERING, data);
        break;
    case TNEF_ATTACH_CREATE_DATE:
        tnef_date(&a->props, PR_CREATION_TIME, &cur);
        break;
    case TNEF_ATTACH_MODIFY_DATE:
        tnef_date(&a->props, PR_LAST_MODIFICATION_TIME, &cur);
        break;
    case TNEF_ATTACHMENT_PROPS:
        (void) tnef_props_read(&m->t, &cur, &a->props, &a->object);
        break;
    default:
        break;
    }
}

/* ---- what is known only at the end ---- */

static void
tnef_finish_props(tnef_msg_t *m)
{
    bool                 response;
    int32_t              flags;
    const mapi_value_t  *v;

    v = conv_props_find(&m->props, PR_MESSAGE_CLASS);
    if (m->owner.len) {
        response = v && v->u.str.len > 26
                   && ph_str_ieq_c((ph_str_t) { 26, v->u.str.data },
                                   "IPM.Schedule.Meeting.Resp.");
        tnef_pair(m, m->owner, response);
    }
    if (v == NULL) {
        conv_put_str(&m->props, PR_MESSAGE_CLASS, ph_str_c("IPM.Note"));
    }
    if (m->t.depth) {
        flags = m->flags & TNEF_FMS_READ ? 0x1 : 0;
        flags |= m->flags & TNEF_FMS_SUBMITTED ? 0x4 : 0;
        flags |= m->flags & TNEF_FMS_LOCAL ? 0x8 : 0;
        if (m->flags && !conv_props_find(&m->props, PR_MESSAGE_FLAGS)) {
            conv_put_i4(&m->props, PR_MESSAGE_FLAGS, flags);
        }
    }
    if (!conv_props_find(&m->props, PR_INTERNET_CPID)) {
        conv_put_i4(&m->props, PR_INTERNET_CPID, (int32_t) m->t.cpid);
    }
}

static ph_int_t
tnef_finish(tnef_msg_t *m, mapi_message_t **msg_r)
{
    uint32_t            i;
    ph_int_t            rc;
    tnef_attach_t      *a;
    mapi_message_t     *msg;
    mapi_attachment_t  *out;

    tnef_finish_props(m);
    msg = ph_pcalloc(m->t.pool, sizeof(*msg));
    out = ph_pcalloc_array(m->t.pool, ph_max(m->n_attachments, 1),
                           sizeof(*out));
    if (m->failed || msg == NULL || out == NULL
        || conv_props_done(&m->props, &msg->props) != PH_OK)
    {
        return PH_NOMEM;
    }
    msg->n_recipients = m->n_recipients;
    msg->recipients = m->recipients;
    msg->n_attachments = m->n_attachments;
    msg->attachments = out;

    for (i = 0; i < m->n_attachments; i++) {
        a = &m->attachments[i];
        if (a->object.len && m->t.depth + 1 < CONV_MAX_EMBED) {
            m->t.depth++;
            rc = tnef_read(&m->t, a->object, &out[i].embedded);
            m->t.depth--;
            if (rc == PH_NOMEM) {
                return rc;
            }
        }
        if (out[i].embedded) {
            conv_put_i4(&a->props, PR_ATTACH_METHOD, 5);
        } else if (a->object.len) {
            conv_put_bin(&a->props, PR_ATTACH_DATA_BIN, a->object);
        }
        if (conv_props_done(&a->props, &out[i].props) != PH_OK) {
            return PH_NOMEM;
        }
    }
    *msg_r = msg;

    return PH_OK;
}

/* depth is bounded by CONV_MAX_EMBED */
static ph_int_t
tnef_read(tnef_read_t *outer, ph_str_t tnef, mapi_message_t **msg_r)
{
    uint8_t     level;
    ph_cur_t    cur;
    uint32_t    id;
    ph_str_t    data;
    tnef_msg_t  m;

    memset(&m, 0, sizeof(m));
    m.t = *outer;
    conv_props_init(&m.props, m.t.pool);

    ph_cur_init(&cur, tnef.data, tnef.len);
    if (ph_cur_u32(&cur) != TNEF_SIGNATURE) {
        return PH_INVALID;
    }
    (void) ph_cur_u16(&cur);

    while (ph_cur_left(&cur) && !m.failed) {
        level = ph_cur_u8(&cur);
        id = ph_cur_u32(&cur);
        data = ph_cur_bytes(&cur, ph_cur_u32(&cur));
        (void) ph_cur_bytes(&cur, ph_min(2, ph_cur_left(&cur)));
        if (cur.error) {
            break;
        }
        if (level == TNEF_MESSAGE) {
            tnef_message_attr(&m, id, data);
        } else if (level == TNEF_ATTACHMENT) {
            tnef_attach_attr(&m, id, data);
        } else {
            break;
        }
    }
    if (m.failed) {
        return PH_NOMEM;
    }
    if (!m.any && m.n_attachments == 0) {
        return PH_INVALID;
    }

    return tnef_finish(&m, msg_r);
}

ph_int_t
conv_tnef_import(ph_pool_t *pool, ph_str_t tnef, mapi_message_t **msg_r)
{
    ph_int_t      rc;
    uint32_t      budget;
    tnef_read_t   t;
    conv_names_t  names;

    memset(&names, 0, sizeof(names));
    names.pool = pool;
    budget = CONV_TNEF_MAX_PROPS;
    t = (tnef_read_t) { .pool = pool, .names = &names, .budget = &budget,
                        .cpid = TNEF_CPID };
    rc = tnef_read(&t, tnef, msg_r);
    if (rc == PH_OK) {
        (*msg_r)->names = (mapi_names_t) { names.n, names.v };
    }

    return rc;
}
