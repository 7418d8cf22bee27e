/* Messages that a delivery causes: their values, and their way to the queue. */

#include "ex_arrival.h"
#include "ex_rop.h"
#include "ex_submit.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_tags.h"

#define EX_FLAG_SUBMITTED  0x0004


/* ---- values ---- */

ph_int_t
ex_value_set(ph_pool_t *pool, mapi_values_t *list, const mapi_value_t *v)
{
    uint32_t       i;
    mapi_value_t  *copy;

    copy = ph_pcalloc_array(pool, list->n + 1, sizeof(mapi_value_t));
    if (copy == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < list->n; i++) {
        copy[i] = list->v[i];
    }

    for (i = 0; i < list->n; i++) {
        if (MAPI_ID(copy[i].tag) == MAPI_ID(v->tag)) {
            break;
        }
    }

    copy[i] = *v;
    list->n += (i == list->n);
    list->v = copy;

    return PH_OK;
}


ph_int_t
ex_value_str(ph_pool_t *pool, mapi_values_t *list, uint32_t tag, ph_str_t s)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.str = s;

    return ex_value_set(pool, list, &v);
}


ph_int_t
ex_value_bin(ph_pool_t *pool, mapi_values_t *list, uint32_t tag, ph_str_t s)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.bin = s;

    return ex_value_set(pool, list, &v);
}


ph_int_t
ex_value_i4(ph_pool_t *pool, mapi_values_t *list, uint32_t tag, int32_t n)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.i4 = n;

    return ex_value_set(pool, list, &v);
}


ph_int_t
ex_value_bool(ph_pool_t *pool, mapi_values_t *list, uint32_t tag, bool b)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.tag = tag;
    v.u.b = b;

    return ex_value_set(pool, list, &v);
}


ph_int_t
ex_value_drop(ph_pool_t *pool, mapi_values_t *list, const uint32_t *tags,
    size_t n)
{
    size_t         k;
    uint32_t       i, kept;
    mapi_value_t  *copy;

    copy = ph_pcalloc_array(pool, list->n, sizeof(mapi_value_t));
    if (copy == NULL) {
        return PH_NOMEM;
    }

    kept = 0;
    for (i = 0; i < list->n; i++) {
        for (k = 0; k < n; k++) {
            if (MAPI_ID(list->v[i].tag) == MAPI_ID(tags[k])) {
                break;
            }
        }

        if (k == n) {
            copy[kept++] = list->v[i];
        }
    }

    list->n = kept;
    list->v = copy;

    return PH_OK;
}


ph_str_t
ex_value_text(const mapi_values_t *list, uint32_t tag)
{
    const mapi_value_t  *v = mapi_find_id(list, MAPI_ID(tag));

    return v != NULL && (MAPI_TYPE(v->tag) == PT_UNICODE
                         || MAPI_TYPE(v->tag) == PT_STRING8)
           ? v->u.str : ph_str_null;
}


ph_int_t
ex_value_from_owner(ex_arrival_t *a, mapi_values_t *list)
{
    size_t               i;
    ph_int_t             rc;
    ph_wbuf_t            id, key;
    const dir_entry_t   *owner = &a->mb->facts->entry;

    static const struct {
        uint32_t  name, type, email, smtp, id, key;
    } roles[] = {
        { PR_SENDER_NAME, PR_SENDER_ADDRTYPE, PR_SENDER_EMAIL_ADDRESS,
          PR_SENDER_SMTP_ADDRESS, PR_SENDER_ENTRYID, PR_SENDER_SEARCH_KEY },
        { PR_SENT_REPRESENTING_NAME, PR_SENT_REPRESENTING_ADDRTYPE,
          PR_SENT_REPRESENTING_EMAIL_ADDRESS,
          PR_SENT_REPRESENTING_SMTP_ADDRESS, PR_SENT_REPRESENTING_ENTRYID,
          PR_SENT_REPRESENTING_SEARCH_KEY }
    };

    ph_wbuf_init(&id, a->pool, 8192);
    ex_rop_entryid(&id, owner->legacy_dn, 0);
    ph_wbuf_init(&key, a->pool, 8192);
    ph_put_fmt(&key, "EX:%.*s", PH_STR_ARG(owner->legacy_dn));
    ph_put_u8(&key, 0);
    if (id.error || key.error) {
        return PH_NOMEM;
    }

    rc = PH_OK;
    for (i = 0; rc == PH_OK && i < ph_nelts(roles); i++) {
        rc = ex_value_str(a->pool, list, roles[i].name, owner->display_name);
        if (rc == PH_OK) {
            rc = ex_value_str(a->pool, list, roles[i].type, ph_str_lit("EX"));
        }
        if (rc == PH_OK) {
            rc = ex_value_str(a->pool, list, roles[i].email,
                              owner->legacy_dn);
        }
        if (rc == PH_OK) {
            rc = ex_value_str(a->pool, list, roles[i].smtp, owner->address);
        }
        if (rc == PH_OK) {
            rc = ex_value_bin(a->pool, list, roles[i].id, ph_wbuf_str(&id));
        }
        if (rc == PH_OK) {
            rc = ex_value_bin(a->pool, list, roles[i].key,
                              ph_wbuf_str(&key));
        }
    }

    return rc;
}


ph_int_t
ex_value_recipient(ph_pool_t *pool, mapi_message_t *m, int32_t type,
    ph_str_t name, ph_str_t address)
{
    mapi_value_t      *v;
    mapi_recipient_t  *list;

    list = ph_pcalloc_array(pool, m->n_recipients + 1, sizeof(*list));
    v = ph_pcalloc_array(pool, 5, sizeof(mapi_value_t));
    if (list == NULL || v == NULL) {
        return PH_NOMEM;
    }

    if (m->n_recipients != 0) {
        memcpy(list, m->recipients, m->n_recipients * sizeof(*list));
    }

    v[0].tag = PR_RECIPIENT_TYPE;
    v[0].u.i4 = type;
    v[1].tag = PR_DISPLAY_NAME;
    v[1].u.str = name.len ? name : address;
    v[2].tag = PR_ADDRTYPE;
    v[2].u.str = ph_str_lit("SMTP");
    v[3].tag = PR_EMAIL_ADDRESS;
    v[3].u.str = address;
    v[4].tag = PR_SMTP_ADDRESS;
    v[4].u.str = address;

    list[m->n_recipients].row_id = m->n_recipients;
    list[m->n_recipients].props.n = 5;
    list[m->n_recipients].props.v = v;
    m->recipients = list;
    m->n_recipients++;

    return PH_OK;
}


/* The tag of a name in this message; 0: no memory. */
static uint32_t
ex_value_tag(ph_pool_t *pool, mapi_message_t *m, const mapi_propname_t *name,
    uint16_t type)
{
    uint32_t       cap;
    uint16_t       id;
    mapi_named_t  *v;

    /* the names may be those of another message; mapi_names_id() grows the
     * list at powers of two */
    for (cap = 1; cap < m->names.n; cap *= 2) { /* void */ }

    v = ph_pcalloc_array(pool, cap, sizeof(mapi_named_t));
    if (v == NULL) {
        return 0;
    }
    if (m->names.n != 0) {
        memcpy(v, m->names.v, m->names.n * sizeof(mapi_named_t));
    }
    m->names.v = v;

    id = mapi_names_id(pool, &m->names, name);

    return id == 0 ? 0 : MAPI_TAG(id, type);
}


ph_int_t
ex_value_field(ph_pool_t *pool, mapi_message_t *m, const char *name,
    ph_str_t value)
{
    uint32_t         tag;
    mapi_propname_t  n;

    memset(&n, 0, sizeof(n));
    n.kind = 1;
    n.guid = mapi_guid_PS_INTERNET_HEADERS;
    n.name = ph_str_lower(pool, ph_str_c(name));
    if (n.name.data == NULL) {
        return PH_NOMEM;
    }

    tag = ex_value_tag(pool, m, &n, PT_UNICODE);

    return tag == 0 ? PH_NOMEM : ex_value_str(pool, &m->props, tag, value);
}


ph_int_t
ex_value_named(ph_pool_t *pool, mapi_message_t *m, unsigned np,
    const mapi_value_t *v)
{
    uint32_t           tag;
    mapi_value_t       value = *v;
    mapi_named_prop_t  p = mapi_named_prop(np);

    tag = ex_value_tag(pool, m, &p.name, p.type);
    if (tag == 0) {
        return PH_NOMEM;
    }

    value.tag = tag;

    return ex_value_set(pool, &m->props, &value);
}


const mapi_value_t *
ex_named_get(const mapi_message_t *m, unsigned np)
{
    uint32_t             i;
    mapi_named_prop_t    p = mapi_named_prop(np);
    const mapi_named_t  *v = m->names.v;

    for (i = 0; i < m->names.n; i++) {
        if (v[i].name.kind == p.name.kind && v[i].name.lid == p.name.lid
            && mapi_guid_eq(&v[i].name.guid, &p.name.guid)
            && (p.name.kind == 0 || ph_str_eq(v[i].name.name, p.name.name)))
        {
            return mapi_find(&m->props, MAPI_TAG(v[i].id, p.type));
        }
    }

    return NULL;
}


ph_int_t
ex_value_thread(ex_arrival_t *a, mapi_values_t *list)
{
    char      *s;
    ph_int_t   rc;
    ph_str_t   id, refs, topic;

    id = ex_value_text(&a->message->props, PR_INTERNET_MESSAGE_ID);
    refs = ex_value_text(&a->message->props, PR_INTERNET_REFERENCES);
    topic = ex_value_text(&a->message->props, PR_CONVERSATION_TOPIC);
    rc = PH_OK;

    if (id.len != 0 && id.len < 1000) {
        if (refs.len > 16384) {
            refs.len = 0;
        }

        s = ph_psprintf(a->pool, "%.*s%s%.*s", PH_STR_ARG(refs),
                        refs.len ? " " : "", PH_STR_ARG(id));
        if (s == NULL) {
            return PH_NOMEM;
        }

        rc = ex_value_str(a->pool, list, PR_IN_REPLY_TO_ID, id);
        if (rc == PH_OK) {
            rc = ex_value_str(a->pool, list, PR_INTERNET_REFERENCES,
                              ph_str_c(s));
        }
    }

    if (rc == PH_OK && topic.len != 0) {
        rc = ex_value_str(a->pool, list, PR_CONVERSATION_TOPIC, topic);
    }

    return rc;
}


/* ---- the queue ---- */

/* What the sender of the queue does not have to find out again. */
static ph_int_t
ex_send_stamp(ex_arrival_t *a, mapi_values_t *list)
{
    char          *id;
    uint8_t        rnd[16];
    char           hex[33];
    ph_int_t       rc;
    mapi_value_t   v;

    memset(&v, 0, sizeof(v));
    v.tag = PR_CLIENT_SUBMIT_TIME;
    v.u.time = a->now;
    rc = ex_value_set(a->pool, list, &v);
    if (rc == PH_OK) {
        rc = ex_value_bool(a->pool, list, PR_DELETE_AFTER_SUBMIT, true);
    }

    if (rc == PH_OK
        && ex_value_text(list, PR_INTERNET_MESSAGE_ID).len == 0)
    {
        ph_random(rnd, sizeof(rnd));
        ph_hex_encode(hex, rnd, sizeof(rnd));
        id = ph_psprintf(a->pool, "<%s@%.*s>", hex,
                         PH_STR_ARG(a->mb->facts->entry.domain));
        rc = (id == NULL) ? PH_NOMEM
             : ex_value_str(a->pool, list, PR_INTERNET_MESSAGE_ID,
                            ph_str_c(id));
    }

    return rc;
}


static ph_int_t
ex_send_queue(ex_arrival_t *a, const ex_send_t *s, uint64_t mid)
{
    ph_int_t          rc;
    ph_wbuf_t         b;
    store_submit_t    row;
    ex_submit_data_t  data;

    memset(&data, 0, sizeof(data));
    ph_random(data.id, sizeof(data.id));
    data.has_sender = s->null_sender || s->sender.len != 0;
    data.sender = s->null_sender ? ph_str_lit("") : s->sender;
    data.raw = s->raw.len != 0;

    ph_wbuf_init(&b, a->pool, 4096);
    ex_submit_data_encode(&b, &data);
    if (b.error) {
        return PH_TOOBIG;
    }

    memset(&row, 0, sizeof(row));
    row.message = mid;
    row.folder = STORE_OUTBOX;
    row.submitted = a->now;
    row.data = ph_wbuf_str(&b);

    rc = ex_submit_mark(a->ex, a->mb->facts->entry.address);
    if (rc == PH_OK) {
        rc = store_submit_put(a->conn, &row);
    }
    if (rc == PH_OK) {
        rc = store_message_set_flags(a->conn, mid, EX_FLAG_SUBMITTED,
                                     EX_FLAG_SUBMITTED, NULL);
    }

    return rc;
}


ph_int_t
ex_arrival_send(ex_arrival_t *a, ex_send_t *s)
{
    uint64_t          mid;
    ph_int_t          rc;
    store_message_t  *msg;

    if (s->m.n_recipients == 0) {
        return PH_INVALID;
    }

    if (a->sent >= EX_MAX_SENT || s->m.n_recipients > EX_MAX_FORWARDS) {
        return PH_TOOBIG;
    }

    rc = ex_send_stamp(a, &s->m.props);
    if (rc == PH_OK) {
        rc = store_message_create(a->conn, STORE_OUTBOX, false, 0, NULL,
                                  &msg);
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = store_message_import(a->conn, msg, &s->m);
    if (rc == PH_OK) {
        rc = store_message_save(a->conn, msg, STORE_SAVE_NO_QUOTA, NULL,
                                NULL);
    }

    mid = store_message_fact(msg)->id;
    store_message_close(&msg);

    if (rc == PH_OK && s->raw.len != 0) {
        rc = store_message_set_raw(a->conn, mid, s->raw);
    }
    if (rc == PH_OK) {
        rc = ex_send_queue(a, s, mid);
    }
    if (rc == PH_OK) {
        a->sent++;
    }

    return rc;
}
