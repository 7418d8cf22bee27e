/*
 * Conditions on a delivered message (MS-OXORULE 2.2.1.3.1.9).
 *
 * A client writes people into conditions as it knows them, usually by their DN
 * in the address book; mail names them by SMTP address.  So a condition that
 * names one person exactly is also true when the message names the same one in
 * the other form: such a leaf gets a neighbour on a property of our own, which
 * is computed when it is asked for.
 */

#include "ex_arrival.h"
#include "ex_directory.h"
#include "ex_recipient.h"
#include "mapi/mapi_tags.h"

#define EX_MATCH_VALUE  (16u << 20)    /* larger values match nothing */
#define EX_LOOKUPS_MAX  64             /* of the directory, a delivery */
#define EX_PERSON_MAX   2048           /* bytes of an address */

/* our own properties: the person in a role, as "EX:..." or "SMTP:..." */
#define EX_PERSON_FIRST  0x7FF0

typedef struct {
    uint32_t  type, email, smtp, id, key;
} ex_role_t;

static const ex_role_t  ex_roles[] = {
    { PR_SENDER_ADDRTYPE, PR_SENDER_EMAIL_ADDRESS, PR_SENDER_SMTP_ADDRESS,
      PR_SENDER_ENTRYID, PR_SENDER_SEARCH_KEY },
    { PR_SENT_REPRESENTING_ADDRTYPE, PR_SENT_REPRESENTING_EMAIL_ADDRESS,
      PR_SENT_REPRESENTING_SMTP_ADDRESS, PR_SENT_REPRESENTING_ENTRYID,
      PR_SENT_REPRESENTING_SEARCH_KEY },
    { PR_ADDRTYPE, PR_EMAIL_ADDRESS, PR_SMTP_ADDRESS, PR_ENTRYID,
      PR_SEARCH_KEY }
};

/* what was read once: values of the message, people of the directory */
struct ex_memo_s {
    ex_memo_t     *next;
    uint32_t       tag;       /* 0: a person */
    ph_str_t       key;       /* of a person: what was asked */
    ph_int_t       rc;
    mapi_value_t   v;
};

typedef struct {
    ex_arrival_t         *a;
    const mapi_values_t  *row;    /* of a recipient or attachment; else NULL */
} ex_match_t;


void
ex_arrival_forget(ex_arrival_t *a)
{
    ex_memo_t  **link, *m;

    if (a->msg != NULL) {
        store_message_close(&a->msg);
    }

    for (link = &a->memos; (m = *link) != NULL; /* void */ ) {
        if (m->tag != 0) {
            *link = m->next;
        } else {
            link = &m->next;
        }
    }
}


static ex_memo_t *
ex_memo_new(ex_arrival_t *a, uint32_t tag, ph_str_t key)
{
    ex_memo_t  *m;

    m = ph_pcalloc(a->pool, sizeof(ex_memo_t));
    if (m != NULL) {
        m->tag = tag;
        m->key = key;
        m->next = a->memos;
        a->memos = m;
    }

    return m;
}


/* ---- values ---- */

static ph_int_t
ex_match_message(ex_arrival_t *a, uint32_t tag, mapi_value_t *v_r)
{
    ph_int_t        rc;
    ex_memo_t      *m;
    mapi_tags_t     tags;
    mapi_values_t   got;

    for (m = a->memos; m != NULL; m = m->next) {
        if (m->tag == tag) {
            *v_r = m->v;
            return m->rc;
        }
    }

    if (a->msg == NULL) {
        rc = store_message_open(a->conn, 0, a->mid, STORE_OPEN_READONLY,
                                &a->msg);
        if (rc != PH_OK) {
            return rc == PH_NOTFOUND ? PH_ERROR : rc;
        }
    }

    tags.n = 1;
    tags.tag = &tag;
    rc = store_message_get(a->conn, a->msg, &tags, EX_MATCH_VALUE, a->pool,
                           &got);
    if (rc != PH_OK) {
        return rc;
    }

    m = ex_memo_new(a, tag, ph_str_null);
    if (m == NULL) {
        return PH_NOMEM;
    }

    m->v = got.v[0];
    m->rc = MAPI_TYPE(m->v.tag) == PT_ERROR && MAPI_TYPE(tag) != PT_ERROR
            ? PH_NOTFOUND : PH_OK;
    *v_r = m->v;

    return m->rc;
}


static ph_int_t
ex_match_value(ex_match_t *e, uint32_t tag, mapi_value_t *v_r)
{
    const mapi_value_t  *v;

    if (e->row == NULL) {
        return ex_match_message(e->a, tag, v_r);
    }

    v = mapi_find_id(e->row, MAPI_ID(tag));
    if (v == NULL) {
        return PH_NOTFOUND;
    }

    *v_r = *v;

    return PH_OK;
}


static ph_str_t
ex_match_str(ex_match_t *e, uint32_t tag)
{
    mapi_value_t  v;

    return ex_match_value(e, tag, &v) == PH_OK
           && (MAPI_TYPE(v.tag) == PT_UNICODE
               || MAPI_TYPE(v.tag) == PT_STRING8)
           ? v.u.str : ph_str_null;
}


/* ---- people ---- */

/* "EX:..." or "SMTP:..." in upper case */
static ph_str_t
ex_person_key(ph_pool_t *pool, bool ex, ph_str_t address)
{
    size_t    i, n;
    uint8_t  *p;

    n = ex ? 3 : 5;
    p = ph_palloc(pool, n + address.len + 1);
    if (p == NULL) {
        return ph_str_null;
    }

    memcpy(p, ex ? "EX:" : "SMTP:", n);
    for (i = 0; i < address.len; i++) {
        p[n + i] = address.data[i] >= 'a' && address.data[i] <= 'z'
                   ? (uint8_t) (address.data[i] - 32) : address.data[i];
    }
    p[n + address.len] = '\0';

    return (ph_str_t) { n + address.len, p };
}


/* The other form of an address, from the directory; empty: it has none. */
static ph_str_t
ex_person_other(ex_arrival_t *a, bool ex, ph_str_t address)
{
    unsigned      n;
    ph_str_t      key;
    ex_memo_t    *m;
    dir_entry_t   entry;

    key = ex_person_key(a->pool, ex, address);
    n = 0;
    for (m = a->memos; m != NULL; m = m->next) {
        if (m->tag == 0) {
            n++;
            if (ph_str_eq(m->key, key)) {
                return m->v.u.str;
            }
        }
    }

    m = n < EX_LOOKUPS_MAX ? ex_memo_new(a, 0, key) : NULL;

    if (m != NULL
        && ex_facts_fetch(a->ex, a->pool, ex ? DIR_BY_DN : DIR_BY_ADDRESS,
                          address, &entry) == PH_OK)
    {
        m->v.u.str = ex ? entry.address : entry.legacy_dn;
    }

    return m != NULL ? m->v.u.str : ph_str_null;
}


/* The person in a role, in the form that is wanted. */
static ph_int_t
ex_person_get(ex_match_t *e, const ex_role_t *role, bool want_ex,
    mapi_value_t *v_r)
{
    bool           ex;
    ph_str_t       s, smtp;
    mapi_value_t   id;

    s = ex_match_str(e, role->email);
    ex = ph_str_ieq_c(ex_match_str(e, role->type), "EX");
    smtp = ex_match_str(e, role->smtp);

    if (s.len == 0
        && (ex_match_value(e, role->id, &id) != PH_OK
            || MAPI_TYPE(id.tag) != PT_BINARY
            || !ex_entryid_address(e->a->pool, id.u.bin, &ex, &s)))
    {
        s = smtp;
        ex = false;
    }

    if (s.len == 0 || s.len > EX_PERSON_MAX) {
        return PH_NOTFOUND;
    }

    if (ex != want_ex) {
        s = !want_ex && smtp.len != 0 ? smtp
            : ex_person_other(e->a, ex, s);
        if (s.len == 0) {
            return PH_NOTFOUND;
        }
    }

    memset(v_r, 0, sizeof(*v_r));
    v_r->tag = MAPI_TAG(EX_PERSON_FIRST, PT_UNICODE);
    v_r->u.str = ex_person_key(e->a->pool, want_ex, s);

    return v_r->u.str.data != NULL ? PH_OK : PH_NOMEM;
}


/* The one person that a value of this property names; false: none, or many. */
static bool
ex_person_named(ph_pool_t *pool, uint32_t tag, const mapi_value_t *v,
    unsigned *role_r, bool *ex_r, ph_str_t *address_r)
{
    unsigned  i;
    ph_str_t  s;

    for (i = 0; i < ph_nelts(ex_roles); i++) {
        *role_r = i;

        if (MAPI_ID(tag) == MAPI_ID(ex_roles[i].key)
            && MAPI_TYPE(v->tag) == PT_BINARY)
        {
            s = v->u.bin;
            while (s.len > 0 && s.data[s.len - 1] == '\0') {
                s.len--;
            }

            *ex_r = s.len > 3
                    && ph_str_ieq_c((ph_str_t) { 3, s.data }, "EX:");
            if (!*ex_r && (s.len <= 5 || !ph_str_ieq_c(
                           (ph_str_t) { 5, s.data }, "SMTP:")))
            {
                return false;
            }

            s.data += *ex_r ? 3 : 5;
            s.len -= *ex_r ? 3 : 5;
            *address_r = s;
            return s.len <= EX_PERSON_MAX;
        }

        if (MAPI_ID(tag) == MAPI_ID(ex_roles[i].id)
            && MAPI_TYPE(v->tag) == PT_BINARY)
        {
            return ex_entryid_address(pool, v->u.bin, ex_r, address_r)
                   && address_r->len <= EX_PERSON_MAX;
        }

        if ((MAPI_ID(tag) == MAPI_ID(ex_roles[i].email)
             || MAPI_ID(tag) == MAPI_ID(ex_roles[i].smtp))
            && (MAPI_TYPE(v->tag) == PT_UNICODE
                || MAPI_TYPE(v->tag) == PT_STRING8))
        {
            *address_r = v->u.str;
            *ex_r = v->u.str.len > 0 && v->u.str.data[0] == '/';
            return v->u.str.len > 0 && v->u.str.len <= EX_PERSON_MAX
                   && (*ex_r || memchr(v->u.str.data, '@', v->u.str.len));
        }
    }

    return false;
}


/* Puts the neighbour beside a leaf that names a person. */
static ph_int_t
ex_person_leaf(ph_pool_t *pool, mapi_restriction_t *r)
{
    bool                 ex, not_equal;
    uint32_t             tag;
    unsigned             role;
    ph_str_t             address;
    mapi_restriction_t  *pair;
    const mapi_value_t  *v;

    not_equal = false;

    if (r->type == MAPI_RES_PROPERTY
        && (r->u.prop.relop == RELOP_EQ || r->u.prop.relop == RELOP_NE))
    {
        tag = r->u.prop.tag;
        v = &r->u.prop.value;
        not_equal = r->u.prop.relop == RELOP_NE;

    } else if (r->type == MAPI_RES_CONTENT
               && (r->u.content.low & 3) == FL_FULLSTRING)
    {
        tag = r->u.content.tag;
        v = &r->u.content.value;

    } else {
        return PH_OK;
    }

    if (!ex_person_named(pool, tag, v, &role, &ex, &address)) {
        return PH_OK;
    }

    pair = ph_pcalloc_array(pool, 2, sizeof(mapi_restriction_t));
    if (pair == NULL) {
        return PH_NOMEM;
    }

    pair[0] = *r;
    pair[1].type = MAPI_RES_PROPERTY;
    pair[1].u.prop.relop = not_equal ? RELOP_NE : RELOP_EQ;
    pair[1].u.prop.tag = MAPI_TAG(EX_PERSON_FIRST + 2 * role + ex,
                                  PT_UNICODE);
    pair[1].u.prop.value.tag = pair[1].u.prop.tag;
    pair[1].u.prop.value.u.str = ex_person_key(pool, ex, address);
    if (pair[1].u.prop.value.u.str.data == NULL) {
        return PH_NOMEM;
    }

    r->type = not_equal ? MAPI_RES_AND : MAPI_RES_OR;
    r->u.list.n = 2;
    r->u.list.r = pair;

    return PH_OK;
}


/* The decoder has bounded the depth: MAPI_MAX_DEPTH. */
static ph_int_t
ex_person_leaves(ph_pool_t *pool, mapi_restriction_t *r, unsigned depth)
{
    uint32_t  i;
    ph_int_t  rc;

    if (r == NULL || depth > MAPI_MAX_DEPTH) {
        return PH_OK;
    }

    switch (r->type) {

    case MAPI_RES_AND:
    case MAPI_RES_OR:
        for (i = 0; i < r->u.list.n; i++) {
            rc = ex_person_leaves(pool, &r->u.list.r[i], depth + 1);
            if (rc != PH_OK) {
                return rc;
            }
        }
        return PH_OK;

    case MAPI_RES_NOT:
    case MAPI_RES_COUNT:
    case MAPI_RES_SUBOBJECT:
        return ex_person_leaves(pool, r->u.sub.r, depth + 1);

    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        return ex_person_leaves(pool, r->u.comment.r, depth + 1);

    default:
        return ex_person_leaf(pool, r);
    }
}


/* ---- evaluation ---- */

static ph_int_t
ex_match_get(void *data, uint32_t tag, mapi_value_t *v_r)
{
    unsigned     n;
    ex_match_t  *e = data;

    n = (unsigned) MAPI_ID(tag) - EX_PERSON_FIRST;

    return n < 2 * ph_nelts(ex_roles)
           ? ex_person_get(e, &ex_roles[n / 2], n % 2, v_r)
           : ex_match_value(e, tag, v_r);
}


static ph_int_t
ex_match_attachments(ex_match_t *e, mapi_eval_t *eval,
    const mapi_restriction_t *r, bool *match_r)
{
    uint32_t          i, n, *nums;
    ph_int_t          rc;
    mapi_tags_t       tags;
    mapi_values_t     row;
    store_attach_t   *att;

    rc = store_message_attachments(e->a->msg, e->a->pool, &n, &nums);

    for (i = 0; rc == PH_OK && i < n && !*match_r; i++) {
        rc = store_attach_open(e->a->msg, nums[i], &att);
        if (rc != PH_OK) {
            return rc;
        }

        rc = store_attach_tags(att, e->a->pool, &tags);
        if (rc == PH_OK) {
            rc = store_attach_get(e->a->conn, att, &tags, 1u << 20,
                                  e->a->pool, &row);
        }
        if (rc == PH_OK) {
            e->row = &row;
            rc = mapi_restriction_eval(r, eval, match_r);
        }

        store_attach_close(&att);
    }

    return rc;
}


static ph_int_t
ex_match_sub(void *data, uint32_t tag, const mapi_restriction_t *r,
    bool *match_r)
{
    uint32_t                 i, n;
    ph_int_t                 rc;
    ex_match_t              *outer = data, e = *outer;
    mapi_eval_t              eval;
    const mapi_recipient_t  *list;

    *match_r = false;

    /* opens the message */
    rc = ex_match_message(e.a, PR_MESSAGE_CLASS, &(mapi_value_t) { 0 });
    if (e.row != NULL || e.a->msg == NULL) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    memset(&eval, 0, sizeof(eval));
    eval.get = ex_match_get;
    eval.data = &e;

    if (MAPI_ID(tag) == MAPI_ID(PR_MESSAGE_ATTACHMENTS)) {
        return ex_match_attachments(&e, &eval, r, match_r);
    }

    if (MAPI_ID(tag) != MAPI_ID(PR_MESSAGE_RECIPIENTS)) {
        return PH_OK;
    }

    n = store_message_recipient_count(e.a->msg);
    list = store_message_recipients(e.a->msg);
    rc = PH_OK;

    for (i = 0; rc == PH_OK && i < n && !*match_r; i++) {
        e.row = &list[i].props;
        rc = mapi_restriction_eval(r, &eval, match_r);
    }

    return rc;
}


ph_int_t
ex_arrival_match(ex_arrival_t *a, mapi_restriction_t *r, bool *match_r)
{
    ph_int_t      rc;
    ex_match_t    e;
    mapi_eval_t   eval;

    *match_r = true;
    if (r == NULL) {
        return PH_OK;
    }

    rc = ex_person_leaves(a->pool, r, 0);
    if (rc != PH_OK) {
        return rc;
    }

    e.a = a;
    e.row = NULL;
    memset(&eval, 0, sizeof(eval));
    eval.get = ex_match_get;
    eval.sub = ex_match_sub;
    eval.data = &e;

    return mapi_restriction_eval(r, &eval, match_r);
}
