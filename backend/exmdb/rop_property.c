/* Properties (MS-OXCPRPT 2.2.2 ff.). */

#include "ex_props.h"


/* Values that no row carries, and the type that a client wants for strings. */
static void
rop_values_form(mapi_values_t *v, const mapi_tags_t *asked, bool unicode)
{
    uint32_t  i;
    uint16_t  type;

    for (i = 0; i < v->n; i++) {
        type = MAPI_TYPE(v->v[i].tag);

        if (type == PT_OBJECT) {
            v->v[i].tag = MAPI_RETYPE(v->v[i].tag, PT_ERROR);
            v->v[i].u.err = ecMAPIOOM;
            continue;
        }

        if (unicode || (asked != NULL
                        && MAPI_TYPE(asked->tag[i]) != PT_UNSPECIFIED))
        {
            continue;
        }

        if (type == PT_UNICODE) {
            v->v[i].tag = MAPI_RETYPE(v->v[i].tag, PT_STRING8);
        } else if (type == PT_MV_UNICODE) {
            v->v[i].tag = MAPI_RETYPE(v->v[i].tag, PT_MV_STRING8);
        }
    }
}


/* The largest value becomes an error; false when nothing is left to shrink. */
static bool
rop_values_shrink(mapi_values_t *v)
{
    size_t    size, best;
    uint32_t  i, at;

    best = 64;
    at = v->n;

    for (i = 0; i < v->n; i++) {
        if (MAPI_TYPE(v->v[i].tag) == PT_ERROR) {
            continue;
        }

        size = mapi_value_size(&v->v[i]);
        if (size > best) {
            best = size;
            at = i;
        }
    }

    if (at == v->n) {
        return false;
    }

    v->v[at].tag = MAPI_RETYPE(v->v[at].tag, PT_ERROR);
    v->v[at].u.err = ecMAPIOOM;

    return true;
}


static size_t
rop_values_limit(const ex_rop_t *rop, uint16_t asked)
{
    /* larger ones do not fit whatever else is asked for */
    return (asked != 0) ? ph_min((size_t) asked, rop->room) : rop->room;
}


uint32_t
rop_get_properties_specific(ex_rop_t *rop,
    const rop_get_properties_specific_request_t *req,
    rop_get_properties_specific_response_t *res)
{
    ph_int_t       rc;
    ph_wbuf_t      b;
    mapi_tags_t    tags;
    mapi_values_t  v;

    tags.n = req->tags_count;
    tags.tag = req->tags;

    rc = ex_props_get(rop, rop->in, &tags,
                      rop_values_limit(rop, req->property_size_limit), &v);
    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    rop_values_form(&v, &tags, req->want_unicode != 0);

    for ( ;; ) {
        ph_wbuf_init(&b, rop->pool, rop->room);
        rc = mapi_row_encode(&b, &rop->ctx, tags, v.v);

        if (rc == PH_OK && !b.error) {
            res->row = ph_wbuf_str(&b);
            return 0;
        }

        if (rc != PH_TOOBIG && !b.error) {
            return ex_ec(rop, rc);
        }

        if (!rop_values_shrink(&v)) {
            return ecBufferTooSmall;
        }
    }
}


uint32_t
rop_get_properties_all(ex_rop_t *rop,
    const rop_get_properties_all_request_t *req,
    rop_get_properties_all_response_t *res)
{
    size_t         start;
    ph_int_t       rc;
    uint32_t       i, n;
    ph_wbuf_t      b;
    mapi_tags_t    tags;
    mapi_values_t  v;

    rc = ex_props_tags(rop, rop->in, &tags);
    if (rc == PH_OK) {
        rc = ex_props_get(rop, rop->in, &tags,
                          rop_values_limit(rop, req->property_size_limit),
                          &v);
    }

    if (rc != PH_OK) {
        return ex_ec(rop, rc);
    }

    rop_values_form(&v, NULL, req->want_unicode != 0);

    /* what went away between the two calls, or cannot be written */
    n = 0;
    for (i = 0; i < v.n; i++) {
        if (MAPI_TYPE(v.v[i].tag) == PT_ERROR
            && v.v[i].u.err != ecMAPIOOM)
        {
            continue;
        }

        v.v[n++] = v.v[i];
    }

    v.n = n;

    for ( ;; ) {
        ph_wbuf_init(&b, rop->pool, rop->room);
        ph_put_u16(&b, (uint16_t) v.n);
        start = b.len;

        for (i = 0; i < v.n; i++) {
            if (mapi_value_encode(&b, &rop->ctx, &v.v[i]) != PH_OK
                || b.error)
            {
                b.error = true;
                break;
            }
        }

        if (!b.error) {
            break;
        }

        ph_wbuf_truncate(&b, start);
        if (!rop_values_shrink(&v)) {
            return ecBufferTooSmall;
        }
    }

    res->props_count = (uint16_t) v.n;
    res->props = v.v;

    return 0;
}


uint32_t
rop_get_properties_list(ex_rop_t *rop,
    const rop_get_properties_list_request_t *req,
    rop_get_properties_list_response_t *res)
{
    ph_int_t     rc;
    mapi_tags_t  tags;

    (void) req;

    rc = ex_props_tags(rop, rop->in, &tags);
    if (rc == PH_OK) {
        res->tags_count = (uint16_t) ph_min(tags.n, 0xFFFFu);
        res->tags = (uint32_t *) (uintptr_t) tags.tag;
    }

    return ex_ec(rop, rc);
}


static uint32_t
rop_set_props(ex_rop_t *rop, bool has, const rop_values_t *props,
    bool replicate, uint16_t *n_r, rop_problem_t **list_r)
{
    ph_int_t           rc;
    mapi_values_t      v;
    store_problems_t   problems;

    if (!ex_props_writable(rop, rop->in)) {
        return ecAccessDenied;
    }

    if (!has) {
        return 0;
    }

    v.n = props->v_count;
    v.v = props->v;

    rc = ex_props_set(rop, rop->in, &v, replicate, &problems);
    if (rc == PH_OK) {
        rc = ex_rop_problems(rop, &problems, n_r, list_r);
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_set_properties(ex_rop_t *rop, const rop_set_properties_request_t *req,
    rop_set_properties_response_t *res)
{
    return rop_set_props(rop, req->has_props, &req->props, true,
                         &res->problems_count, &res->problems);
}


uint32_t
rop_set_properties_no_replicate(ex_rop_t *rop,
    const rop_set_properties_no_replicate_request_t *req,
    rop_set_properties_no_replicate_response_t *res)
{
    return rop_set_props(rop, req->has_props, &req->props, false,
                         &res->problems_count, &res->problems);
}


static uint32_t
rop_delete_props(ex_rop_t *rop, uint16_t n, uint32_t *list, bool replicate,
    uint16_t *n_r, rop_problem_t **list_r)
{
    ph_int_t           rc;
    mapi_tags_t        tags;
    store_problems_t   problems;

    if (!ex_props_writable(rop, rop->in)) {
        return ecAccessDenied;
    }

    tags.n = n;
    tags.tag = list;

    rc = ex_props_remove(rop, rop->in, &tags, replicate, &problems);
    if (rc == PH_OK) {
        rc = ex_rop_problems(rop, &problems, n_r, list_r);
    }

    return ex_ec(rop, rc);
}


uint32_t
rop_delete_properties(ex_rop_t *rop,
    const rop_delete_properties_request_t *req,
    rop_delete_properties_response_t *res)
{
    return rop_delete_props(rop, req->tags_count, req->tags, true,
                            &res->problems_count, &res->problems);
}


uint32_t
rop_delete_properties_no_replicate(ex_rop_t *rop,
    const rop_delete_properties_no_replicate_request_t *req,
    rop_delete_properties_no_replicate_response_t *res)
{
    return rop_delete_props(rop, req->tags_count, req->tags, false,
                            &res->problems_count, &res->problems);
}


/* Every ROP is done when it is answered: nothing makes progress. */
uint32_t
rop_progress(ex_rop_t *rop, const rop_progress_request_t *req,
    rop_progress_response_t *res)
{
    (void) req;

    res->logon_id = rop->item->logon_id;
    res->completed_task_count = 1;
    res->total_task_count = 1;

    return 0;
}
