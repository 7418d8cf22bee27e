/* The content of a message in memory: properties, recipients, attachments and
 * embedded messages; packing and copying of it. */

#include "store_message_int.h"

void
store_mdata_init(store_mdata_t *d, ph_pool_t *pool)
{
    memset(d, 0, sizeof(*d));
    d->pool = pool;
    store_bag_init(&d->bag, pool);
}

void
store_mdata_clear(store_mdata_t *d)
{
    uint32_t  i;

    store_bag_clear(&d->bag);
    for (i = 0; i < d->n_atts; i++) {
        store_bag_clear(&d->att[i]->bag);
        /* at most MAPI_MAX_EMBEDDING deep: nothing deeper is ever made */
        if (d->att[i]->embedded) {
            store_mdata_clear(d->att[i]->embedded);
        }
    }
    d->n_atts = 0;
    d->n_rcpts = 0;
}

void
store_mdata_forget(store_mdata_t *d, unsigned depth)
{
    uint32_t       i, k;
    store_bag_t   *bag;

    for (i = 0; i <= d->n_atts; i++) {
        bag = i ? &d->att[i - 1]->bag : &d->bag;
        for (k = 0; k < bag->n; k++) {
            if (!bag->slot[k].external || bag->slot[k].blob) {
                bag->slot[k].content = 0;
            }
        }
        if (i && d->att[i - 1]->embedded && depth < MAPI_MAX_EMBEDDING) {
            store_mdata_forget(d->att[i - 1]->embedded, depth + 1);
        }
    }
}

ph_int_t
store_adata_copy(store_adata_t *to, const store_adata_t *from,
    ph_pool_t *pool, unsigned depth)
{
    to->num = from->num;
    to->embedded = NULL;
    store_bag_init(&to->bag, pool);
    store_try(store_bag_copy(&to->bag, &from->bag));

    if (from->embedded) {
        if (depth >= MAPI_MAX_EMBEDDING) {
            return PH_TOOBIG;
        }
        to->embedded = ph_palloc(pool, sizeof(*to->embedded));
        if (to->embedded == NULL) {
            return PH_NOMEM;
        }
        store_mdata_init(to->embedded, pool);
        return store_mdata_copy(to->embedded, from->embedded, depth + 1);
    }

    return PH_OK;
}

static ph_int_t
store_rcpt_copy(ph_pool_t *pool, const mapi_recipient_t *from,
    mapi_recipient_t *to)
{
    uint32_t  i;

    to->row_id = from->row_id;
    to->props.n = from->props.n;
    to->props.v = ph_pcalloc_array(pool, from->props.n,
                                   sizeof(*to->props.v));
    if (to->props.v == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < from->props.n; i++) {
        store_try(store_value_copy(pool, &from->props.v[i],
                                   &to->props.v[i]));
    }

    return PH_OK;
}

ph_int_t
store_mdata_copy(store_mdata_t *to, const store_mdata_t *from, unsigned depth)
{
    uint32_t  i;

    store_try(store_bag_copy(&to->bag, &from->bag));

    to->rcpt = ph_pcalloc_array(to->pool, from->n_rcpts, sizeof(*to->rcpt));
    to->att = ph_pcalloc_array(to->pool, from->n_atts, sizeof(*to->att));
    if (to->rcpt == NULL || to->att == NULL) {
        return PH_NOMEM;
    }
    to->cap_rcpts = from->n_rcpts;
    to->cap_atts = from->n_atts;
    to->next_attach = from->next_attach;

    for (i = 0; i < from->n_rcpts; i++) {
        store_try(store_rcpt_copy(to->pool, &from->rcpt[i], &to->rcpt[i]));
        to->n_rcpts++;
    }
    for (i = 0; i < from->n_atts; i++) {
        to->att[i] = ph_pcalloc(to->pool, sizeof(**to->att));
        if (to->att[i] == NULL) {
            return PH_NOMEM;
        }
        to->n_atts++;
        store_try(store_adata_copy(to->att[i], from->att[i], to->pool, depth));
    }

    return PH_OK;
}

static ph_int_t
store_unpack_recipients(store_mdata_t *d, ph_str_t raw)
{
    uint16_t            i;
    ph_int_t            rc;
    store_pack_t        pack;
    store_packed_t      v;
    mapi_recipient_t   *r;
    store_pack_rows_t   rows;

    store_try(store_pack_rows(raw, false, &rows));
    if (rows.left > MAPI_MAX_RECIPIENTS) {
        return PH_CORRUPT;
    }
    d->rcpt = ph_pcalloc_array(d->pool, rows.left, sizeof(*d->rcpt));
    if (d->rcpt == NULL) {
        return PH_NOMEM;
    }
    d->cap_rcpts = rows.left;

    while ((rc = store_pack_next(&rows)) == PH_OK) {
        store_try(store_pack_open(rows.props, &pack));
        r = &d->rcpt[d->n_rcpts++];
        r->row_id = rows.num;
        r->props.v = ph_pcalloc_array(d->pool, pack.n, sizeof(*r->props.v));
        if (r->props.v == NULL) {
            return PH_NOMEM;
        }
        for (i = 0; i < pack.n; i++) {
            store_try(store_pack_at(&pack, i, d->pool, &v));
            if (v.external) {
                return PH_CORRUPT;
            }
            r->props.v[r->props.n++] = v.v;
        }
    }

    return rc == PH_DONE ? PH_OK : rc;
}

static ph_int_t
store_unpack_attachments(store_mdata_t *d, ph_str_t raw, unsigned depth)
{
    ph_int_t               rc;
    store_adata_t         *a;
    store_pack_rows_t      rows;
    store_pack_message_t   m;

    store_try(store_pack_rows(raw, true, &rows));
    if (rows.left > MAPI_MAX_ATTACHMENTS) {
        return PH_CORRUPT;
    }
    d->att = ph_pcalloc_array(d->pool, rows.left, sizeof(*d->att));
    if (d->att == NULL) {
        return PH_NOMEM;
    }
    d->cap_atts = rows.left;

    while ((rc = store_pack_next(&rows)) == PH_OK) {
        a = ph_pcalloc(d->pool, sizeof(*a));
        if (a == NULL) {
            return PH_NOMEM;
        }
        a->num = rows.num;
        store_bag_init(&a->bag, d->pool);
        d->att[d->n_atts++] = a;
        store_try(store_bag_unpack(&a->bag, rows.props));
        if (rows.embedded.len == 0) {
            continue;
        }
        if (depth >= MAPI_MAX_EMBEDDING) {
            return PH_CORRUPT;
        }
        a->embedded = ph_palloc(d->pool, sizeof(*a->embedded));
        if (a->embedded == NULL) {
            return PH_NOMEM;
        }
        store_mdata_init(a->embedded, d->pool);
        store_try(store_pack_message(rows.embedded, &m));
        a->embedded->next_attach = m.next_attach;
        store_try(store_mdata_unpack(a->embedded, m.props, m.recipients,
                                     m.attachments, depth + 1));
    }

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_mdata_unpack(store_mdata_t *d, ph_str_t props, ph_str_t recipients,
    ph_str_t attachments, unsigned depth)
{
    store_try(store_bag_unpack(&d->bag, props));
    store_try(store_unpack_recipients(d, recipients));

    return store_unpack_attachments(d, attachments, depth);
}

ph_int_t
store_mdata_pack_recipients(store_mdata_t *d, ph_wbuf_t *out)
{
    size_t    at;
    uint32_t  i;

    if (d->n_rcpts == 0) {
        return PH_OK;
    }
    ph_put_u8(out, STORE_PACK_VERSION);
    ph_put_u32(out, d->n_rcpts);

    for (i = 0; i < d->n_rcpts; i++) {
        ph_put_u32(out, d->rcpt[i].row_id);
        at = out->len;
        ph_put_u32(out, 0);
        store_try(store_pack_values(out, &d->rcpt[i].props));
        ph_poke_u32(out, at, (uint32_t) (out->len - at - 4));
    }

    return out->error ? PH_NOMEM : PH_OK;
}

static ph_int_t
store_mdata_pack_embedded(store_conn_t *conn, store_mdata_t *d,
    ph_wbuf_t *out, store_idlist_t *list, unsigned depth)
{
    size_t    at;
    ph_int_t  rc;
    int       part;

    ph_put_u8(out, STORE_PACK_VERSION);
    ph_put_u32(out, d->next_attach);

    for (part = 0; part < 3; part++) {
        at = out->len;
        ph_put_u32(out, 0);
        if (part == 0) {
            rc = store_bag_pack(conn, &d->bag, out, list);
        } else if (part == 1) {
            rc = store_mdata_pack_recipients(d, out);
        } else {
            rc = store_mdata_pack_attachments(conn, d, out, list, depth);
        }
        if (rc != PH_OK || out->error) {
            return rc == PH_OK ? PH_NOMEM : rc;
        }
        ph_poke_u32(out, at, (uint32_t) (out->len - at - 4));
    }

    return PH_OK;
}

ph_int_t
store_mdata_pack_attachments(store_conn_t *conn, store_mdata_t *d,
    ph_wbuf_t *out, store_idlist_t *list, unsigned depth)
{
    size_t          at;
    uint32_t        i;
    store_adata_t  *a;

    if (d->n_atts == 0) {
        return PH_OK;
    }
    if (depth > MAPI_MAX_EMBEDDING) {
        return PH_TOOBIG;
    }
    ph_put_u8(out, STORE_PACK_VERSION);
    ph_put_u32(out, d->n_atts);

    for (i = 0; i < d->n_atts; i++) {
        a = d->att[i];
        ph_put_u32(out, a->num);
        at = out->len;
        ph_put_u32(out, 0);
        store_try(store_bag_pack(conn, &a->bag, out, list));
        ph_poke_u32(out, at, (uint32_t) (out->len - at - 4));

        at = out->len;
        ph_put_u32(out, 0);
        if (a->embedded) {
            store_try(store_mdata_pack_embedded(conn, a->embedded, out, list,
                                                depth + 1));
            ph_poke_u32(out, at, (uint32_t) (out->len - at - 4));
        }
    }

    return out->error ? PH_NOMEM : PH_OK;
}

uint64_t
store_adata_size(const store_adata_t *a, unsigned depth)
{
    uint64_t  size;

    size = store_bag_size(&a->bag);
    if (a->embedded && depth < MAPI_MAX_EMBEDDING) {
        size += store_mdata_size(a->embedded, depth + 1);
    }

    return size;
}

uint64_t
store_mdata_size(const store_mdata_t *d, unsigned depth)
{
    uint32_t  i, k;
    uint64_t  size;

    size = 17 + store_bag_size(&d->bag);
    for (i = 0; i < d->n_rcpts; i++) {
        for (k = 0; k < d->rcpt[i].props.n; k++) {
            size += store_value_size(&d->rcpt[i].props.v[k]);
        }
    }
    for (i = 0; i < d->n_atts; i++) {
        size += store_adata_size(d->att[i], depth);
    }

    return size;
}

bool
store_mdata_has_attach(const store_mdata_t *d)
{
    uint32_t  i;

    for (i = 0; i < d->n_atts; i++) {
        if (!store_bag_bool(&d->att[i]->bag, PR_ATTACHMENT_HIDDEN, false)) {
            return true;
        }
    }

    return false;
}

store_adata_t *
store_mdata_attachment(const store_mdata_t *d, uint32_t num)
{
    uint32_t  i;

    for (i = 0; i < d->n_atts; i++) {
        if (d->att[i]->num == num) {
            return d->att[i];
        }
    }

    return NULL;
}

ph_int_t
store_mdata_put_attachment(store_mdata_t *d, store_adata_t *a)
{
    uint32_t         i, cap;
    store_adata_t  **p;

    for (i = 0; i < d->n_atts && d->att[i]->num < a->num; i++) { /* void */ }

    if (i < d->n_atts && d->att[i]->num == a->num) {
        store_bag_clear(&d->att[i]->bag);
        if (d->att[i]->embedded) {
            store_mdata_clear(d->att[i]->embedded);
        }
        d->att[i] = a;
        return PH_OK;
    }

    if (d->n_atts >= MAPI_MAX_ATTACHMENTS) {
        return PH_TOOBIG;
    }
    if (d->n_atts == d->cap_atts) {
        cap = d->cap_atts ? d->cap_atts * 2 : 4;
        p = ph_prealloc(d->pool, d->att, d->cap_atts * sizeof(*p),
                        cap * sizeof(*p));
        if (p == NULL) {
            return PH_NOMEM;
        }
        d->att = p;
        d->cap_atts = cap;
    }
    memmove(&d->att[i + 1], &d->att[i], (d->n_atts - i) * sizeof(*d->att));
    d->att[i] = a;
    d->n_atts++;
    if (d->next_attach <= a->num) {
        d->next_attach = a->num + 1;
    }

    return PH_OK;
}
