/* A message as TNEF (MS-OXTNEF 3.2.5). */

#include "conv_tnef_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

typedef struct {
    ph_pool_t           *pool;
    const mapi_names_t  *names;
    ph_wbuf_t            b;
    uint32_t             depth;
} tnef_write_t;

static ph_int_t tnef_write(tnef_write_t *w, const mapi_message_t *msg);

/* begins an attribute; the place of its length */
static size_t
tnef_begin(tnef_write_t *w, uint8_t level, uint32_t id)
{
    ph_put_u8(&w->b, level);
    ph_put_u32(&w->b, id);
    ph_put_u32(&w->b, 0);

    return w->b.len - 4;
}

static void
tnef_end(tnef_write_t *w, size_t at)
{
    size_t    i;
    uint16_t  sum;

    if (w->b.error) {
        return;
    }
    sum = 0;
    for (i = at + 4; i < w->b.len; i++) {
        sum = (uint16_t) (sum + w->b.data[i]);
    }
    ph_poke_u32(&w->b, at, (uint32_t) (w->b.len - at - 4));
    ph_put_u16(&w->b, sum);
}

static void
tnef_put_ansi(tnef_write_t *w, uint8_t level, uint32_t id, ph_str_t utf8)
{
    size_t  at;

    at = tnef_begin(w, level, id);
    mapi_codepage_encode(&w->b, TNEF_CPID, utf8);
    ph_put_u8(&w->b, 0);
    tnef_end(w, at);
}

static void
tnef_put_u16_attr(tnef_write_t *w, uint32_t id, uint16_t v)
{
    size_t  at;

    at = tnef_begin(w, TNEF_MESSAGE, id);
    ph_put_u16(&w->b, v);
    tnef_end(w, at);
}

static void
tnef_put_date(tnef_write_t *w, uint8_t level, uint32_t id,
    const mapi_value_t *v)
{
    size_t  at;

    if (v) {
        at = tnef_begin(w, level, id);
        tnef_date_write(&w->b, v->u.time);
        tnef_end(w, at);
    }
}

static void
tnef_put_raw(tnef_write_t *w, uint8_t level, uint32_t id, ph_str_t bytes)
{
    size_t  at;

    at = tnef_begin(w, level, id);
    ph_put_str(&w->b, bytes);
    tnef_end(w, at);
}

static ph_str_t
tnef_str(const mapi_values_t *props, uint32_t tag)
{
    const mapi_value_t  *v;

    v = mapi_find(props, tag);

    return v ? v->u.str : ph_str_null;
}

/* ---- properties ---- */

/* said by an attribute of its own, or nobody else's business */
static bool
tnef_left_out(uint32_t tag)
{
    switch (tag) {
    case PR_ENTRYID:
    case PR_RECORD_KEY:
    case PR_SEARCH_KEY:
    case PidTagMid:
    case PR_MESSAGE_CLASS:
    case PR_MESSAGE_FLAGS:
    case PR_ATTACH_NUM:
    case PR_ATTACH_SIZE:
    case PR_ATTACH_DATA_BIN:
        return true;
    default:
        return MAPI_TYPE(tag) == PT_ERROR || MAPI_TYPE(tag) == PT_NULL;
    }
}

/* count and properties; `extra` (may be NULL) is one more */
static ph_int_t
tnef_put_props(tnef_write_t *w, const mapi_values_t *props,
    const mapi_value_t *extra, size_t *count_at_r)
{
    ph_int_t  rc;
    size_t    at;
    uint32_t  i, n;

    at = w->b.len;
    ph_put_u32(&w->b, 0);
    for (i = 0, n = 0; i < props->n + (extra != NULL); i++) {
        const mapi_value_t  *v = i < props->n ? &props->v[i] : extra;

        if (i < props->n && tnef_left_out(v->tag)) {
            continue;
        }
        rc = tnef_prop_write(&w->b, w->pool, w->names, v);
        if (rc != PH_OK && rc != PH_DECLINED) {
            return rc;
        }
        n += rc == PH_OK;
    }
    if (w->b.error) {
        return PH_NOMEM;
    }
    ph_poke_u32(&w->b, at, n);
    if (count_at_r) {
        *count_at_r = at;
    }

    return PH_OK;
}

/* ---- attributes ---- */

static void
tnef_put_from(tnef_write_t *w, const mapi_values_t *props)
{
    size_t     at, name_at;
    ph_str_t   type, address;

    address = tnef_str(props, PR_SENDER_EMAIL_ADDRESS);
    type = tnef_str(props, PR_SENDER_ADDRTYPE);
    if (address.len == 0 || address.len > 4096) {
        return;
    }
    at = tnef_begin(w, TNEF_MESSAGE, TNEF_FROM);
    ph_put_u16(&w->b, 4);
    ph_put_u16(&w->b, 0);
    ph_put_u16(&w->b, 0);
    ph_put_u16(&w->b, 0);
    name_at = w->b.len;
    mapi_codepage_encode(&w->b, TNEF_CPID,
                         (ph_str_t) {
                             ph_utf8_cut(tnef_str(props, PR_SENDER_NAME), 4096),
                             tnef_str(props, PR_SENDER_NAME).data });
    ph_put_u8(&w->b, 0);
    if (!w->b.error) {
        ph_poke_u16(&w->b, at + 8, (uint16_t) (w->b.len - name_at));
    }
    name_at = w->b.len;
    mapi_codepage_encode(&w->b, TNEF_CPID, type.len ? type
                                                    : ph_str_c("SMTP"));
    ph_put_u8(&w->b, ':');
    mapi_codepage_encode(&w->b, TNEF_CPID, address);
    ph_put_u8(&w->b, 0);
    if (!w->b.error) {
        ph_poke_u16(&w->b, at + 10, (uint16_t) (w->b.len - name_at));
        ph_poke_u16(&w->b, at + 6, (uint16_t) (w->b.len - at - 12 + 16));
    }
    ph_put_fill(&w->b, 0, 8);
    tnef_end(w, at);
}

/* attOwner, attSentFor of meetings */
static void
tnef_put_pair(tnef_write_t *w, uint32_t id, ph_str_t name, ph_str_t type,
    ph_str_t address)
{
    size_t  at, len_at;

    if (address.len == 0 || address.len > 4096) {
        return;
    }
    name.len = ph_utf8_cut(name, 4096);
    at = tnef_begin(w, TNEF_MESSAGE, id);
    len_at = w->b.len;
    ph_put_u16(&w->b, 0);
    mapi_codepage_encode(&w->b, TNEF_CPID, name);
    ph_put_u8(&w->b, 0);
    if (!w->b.error) {
        ph_poke_u16(&w->b, len_at, (uint16_t) (w->b.len - len_at - 2));
    }
    len_at = w->b.len;
    ph_put_u16(&w->b, 0);
    mapi_codepage_encode(&w->b, TNEF_CPID, type.len ? type
                                                    : ph_str_c("SMTP"));
    ph_put_u8(&w->b, ':');
    mapi_codepage_encode(&w->b, TNEF_CPID, address);
    ph_put_u8(&w->b, 0);
    if (!w->b.error) {
        ph_poke_u16(&w->b, len_at, (uint16_t) (w->b.len - len_at - 2));
    }
    tnef_end(w, at);
}

static void
tnef_put_meeting(tnef_write_t *w, const mapi_values_t *p, ph_str_t class)
{
    bool                 response;
    size_t               at;
    const mapi_value_t  *v;

    if (class.len < 21
        || !ph_str_ieq_c((ph_str_t) { 21, class.data },
                         "IPM.Schedule.Meeting."))
    {
        return;
    }
    response = class.len > 26
               && ph_str_ieq_c((ph_str_t) { 5, class.data + 21 }, "Resp.");
    if (response) {
        tnef_put_pair(w, TNEF_OWNER, tnef_str(p, PR_RCVD_REPRESENTING_NAME),
                      tnef_str(p, PR_RCVD_REPRESENTING_ADDRTYPE),
                      tnef_str(p, PR_RCVD_REPRESENTING_EMAIL_ADDRESS));
    }
    tnef_put_pair(w, response ? TNEF_SENT_FOR : TNEF_OWNER,
                  tnef_str(p, PR_SENT_REPRESENTING_NAME),
                  tnef_str(p, PR_SENT_REPRESENTING_ADDRTYPE),
                  tnef_str(p, PR_SENT_REPRESENTING_EMAIL_ADDRESS));
    tnef_put_date(w, TNEF_MESSAGE, TNEF_DATE_START,
                  mapi_find(p, PR_START_DATE));
    tnef_put_date(w, TNEF_MESSAGE, TNEF_DATE_END, mapi_find(p, PR_END_DATE));
    v = mapi_find(p, PR_OWNER_APPT_ID);
    if (v) {
        at = tnef_begin(w, TNEF_MESSAGE, TNEF_AID_OWNER);
        ph_put_u32(&w->b, (uint32_t) v->u.i4);
        tnef_end(w, at);
    }
    v = mapi_find(p, PR_RESPONSE_REQUESTED);
    if (v && v->u.b) {
        tnef_put_u16_attr(w, TNEF_REQUEST_RES, 1);
    }
}

static ph_int_t
tnef_put_recipients(tnef_write_t *w, const mapi_message_t *msg)
{
    size_t               at, count_at;
    uint32_t             i, n;
    const mapi_value_t  *type;

    at = tnef_begin(w, TNEF_MESSAGE, TNEF_RECIP_TABLE);
    count_at = w->b.len;
    ph_put_u32(&w->b, 0);
    for (i = 0, n = 0; i < msg->n_recipients; i++) {
        type = mapi_find(&msg->recipients[i].props, PR_RECIPIENT_TYPE);
        if (type && (type->u.i4 & 0xF) == 3) {
            continue;
        }
        if (tnef_put_props(w, &msg->recipients[i].props, NULL, NULL) != PH_OK)
        {
            return PH_NOMEM;
        }
        n++;
    }
    ph_poke_u32(&w->b, count_at, n);
    tnef_end(w, at);

    return PH_OK;
}

static void
tnef_put_status(tnef_write_t *w, const mapi_values_t *props)
{
    size_t               at;
    int32_t              flags;
    const mapi_value_t  *v;

    v = mapi_find(props, PR_MESSAGE_FLAGS);
    flags = v ? v->u.i4 : 0;
    at = tnef_begin(w, TNEF_MESSAGE, TNEF_MESSAGE_STATUS);
    ph_put_u8(&w->b, (uint8_t) ((flags & 0x1 ? TNEF_FMS_READ : 0)
                                | (flags & 0x4 ? TNEF_FMS_SUBMITTED : 0)
                                | (flags & 0x8 ? TNEF_FMS_LOCAL : 0)));
    tnef_end(w, at);
}

/* ---- attachments ---- */

/* PR_ATTACH_DATA_OBJ: the interface's id and a stream, both counted */
static ph_int_t
tnef_put_embedded(tnef_write_t *w, const mapi_message_t *msg)
{
    size_t    at;
    ph_int_t  rc;

    ph_put_u16(&w->b, PT_OBJECT);
    ph_put_u16(&w->b, MAPI_ID(PR_ATTACH_DATA_OBJ));
    ph_put_u32(&w->b, 1);
    at = w->b.len;
    ph_put_u32(&w->b, 0);
    ph_put_bytes(&w->b, &tnef_iid_message, sizeof(tnef_iid_message));
    w->depth++;
    rc = tnef_write(w, msg);
    w->depth--;
    if (rc != PH_OK) {
        return rc;
    }
    ph_poke_u32(&w->b, at, (uint32_t) (w->b.len - at - 4));
    ph_put_fill(&w->b, 0, -(w->b.len - at - 4) & 3);

    return PH_OK;
}

static ph_int_t
tnef_put_attachment(tnef_write_t *w, const mapi_attachment_t *a)
{
    bool                 ole;
    size_t               at, count_at;
    ph_int_t             rc;
    ph_str_t             name;
    const mapi_value_t  *v;

    v = mapi_find(&a->props, PR_ATTACH_METHOD);
    ole = v && v->u.i4 == 6;
    at = tnef_begin(w, TNEF_ATTACHMENT, TNEF_ATTACH_REND_DATA);
    ph_put_u16(&w->b, ole ? 2 : 1);
    v = mapi_find(&a->props, PR_RENDERING_POSITION);
    ph_put_u32(&w->b, v ? (uint32_t) v->u.i4 : 0xFFFFFFFFu);
    ph_put_u16(&w->b, 32);
    ph_put_u16(&w->b, 32);
    ph_put_u32(&w->b, 0);
    tnef_end(w, at);

    v = mapi_find(&a->props, PR_ATTACH_DATA_BIN);
    if (v && a->embedded == NULL) {
        tnef_put_raw(w, TNEF_ATTACHMENT, TNEF_ATTACH_DATA, v->u.bin);
    }
    name = tnef_str(&a->props, PR_ATTACH_LONG_FILENAME);
    name = name.len ? name : tnef_str(&a->props, PR_ATTACH_FILENAME);
    if (name.len) {
        tnef_put_ansi(w, TNEF_ATTACHMENT, TNEF_ATTACH_TITLE, name);
    }
    v = mapi_find(&a->props, PR_ATTACH_RENDERING);
    if (v) {
        tnef_put_raw(w, TNEF_ATTACHMENT, TNEF_ATTACH_META_FILE, v->u.bin);
    }
    tnef_put_date(w, TNEF_ATTACHMENT, TNEF_ATTACH_CREATE_DATE,
                  mapi_find(&a->props, PR_CREATION_TIME));
    tnef_put_date(w, TNEF_ATTACHMENT, TNEF_ATTACH_MODIFY_DATE,
                  mapi_find(&a->props, PR_LAST_MODIFICATION_TIME));

    at = tnef_begin(w, TNEF_ATTACHMENT, TNEF_ATTACHMENT_PROPS);
    rc = tnef_put_props(w, &a->props, NULL, &count_at);
    if (rc == PH_OK && a->embedded) {
        ph_poke_u32(&w->b, count_at,
                    w->b.data[count_at] + 256u * w->b.data[count_at + 1] + 1);
        rc = tnef_put_embedded(w, a->embedded);
    }
    tnef_end(w, at);

    return rc;
}

static ph_int_t
tnef_write(tnef_write_t *w, const mapi_message_t *msg)
{
    size_t                at;
    uint32_t              i;
    ph_int_t              rc;
    ph_str_t              class, id;
    mapi_value_t          key;
    const mapi_value_t   *v;
    const mapi_values_t  *p;

    if (w->depth >= CONV_MAX_EMBED) {
        return PH_TOOBIG;
    }
    p = &msg->props;
    ph_put_u32(&w->b, TNEF_SIGNATURE);
    ph_put_u16(&w->b, 1);
    at = tnef_begin(w, TNEF_MESSAGE, TNEF_VERSION);
    ph_put_u32(&w->b, 0x00010000);
    tnef_end(w, at);
    at = tnef_begin(w, TNEF_MESSAGE, TNEF_OEM_CODEPAGE);
    ph_put_u32(&w->b, TNEF_CPID);
    ph_put_u32(&w->b, 0);
    tnef_end(w, at);

    class = tnef_str(p, PR_MESSAGE_CLASS);
    class = class.len ? class : ph_str_c("IPM.Note");
    tnef_put_ansi(w, TNEF_MESSAGE, TNEF_MESSAGE_CLASS,
                  tnef_class_write(class));
    v = mapi_find(p, PR_SUBJECT);
    if (v) {
        tnef_put_ansi(w, TNEF_MESSAGE, TNEF_SUBJECT, v->u.str);
    }
    tnef_put_meeting(w, p, class);
    tnef_put_date(w, TNEF_MESSAGE, TNEF_DATE_SENT,
                  mapi_find(p, PR_CLIENT_SUBMIT_TIME));
    tnef_put_date(w, TNEF_MESSAGE, TNEF_DATE_RECEIVED,
                  mapi_find(p, PR_MESSAGE_DELIVERY_TIME));
    v = mapi_find(p, PR_IMPORTANCE);
    if (v) {
        tnef_put_u16_attr(w, TNEF_PRIORITY,
                          (uint16_t) (v->u.i4 > 1 ? 1 : v->u.i4 < 1 ? 3 : 2));
    }
    tnef_put_date(w, TNEF_MESSAGE, TNEF_DATE_MODIFIED,
                  mapi_find(p, PR_LAST_MODIFICATION_TIME));
    if (w->depth) {
        tnef_put_from(w, p);
        tnef_put_status(w, p);
        rc = tnef_put_recipients(w, msg);
        if (rc != PH_OK) {
            return rc;
        }
    }

    /* the MIME header's Message-ID ties both together (MS-OXCMAIL) */
    memset(&key, 0, sizeof(key));
    id = w->depth == 0 && !mapi_find(p, PR_TNEF_CORRELATION_KEY)
         ? tnef_str(p, PR_INTERNET_MESSAGE_ID) : ph_str_null;
    if (id.len) {
        id = ph_pstrdup(w->pool, id);
        if (id.data == NULL) {
            return PH_NOMEM;
        }
        key.tag = PR_TNEF_CORRELATION_KEY;
        key.u.bin = (ph_str_t) { id.len + 1, id.data };   /* with its NUL */
    }
    at = tnef_begin(w, TNEF_MESSAGE, TNEF_MSG_PROPS);
    rc = tnef_put_props(w, p, id.len ? &key : NULL, NULL);
    tnef_end(w, at);

    for (i = 0; rc == PH_OK && i < msg->n_attachments; i++) {
        rc = tnef_put_attachment(w, &msg->attachments[i]);
    }

    return rc != PH_OK ? rc : w->b.error ? PH_NOMEM : PH_OK;
}

ph_int_t
conv_tnef_export(ph_pool_t *pool, const mapi_message_t *msg, ph_str_t *tnef_r)
{
    ph_int_t      rc;
    tnef_write_t  w;

    w = (tnef_write_t) { .pool = pool, .names = &msg->names };
    ph_wbuf_init(&w.b, pool, (size_t) UINT32_MAX);
    rc = tnef_write(&w, msg);
    *tnef_r = ph_wbuf_str(&w.b);

    return rc;
}
