/* Searching: GetMatches and ResolveNames (MS-OXNSPI 3.1.4.1.9, .16, .17). */

#include "nspi_int.h"
#include "dir_address.h"
#include "lib/ph_str.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define SCRATCH  (32u << 20)

/* an entry against which a restriction is held; its properties are read from
 * the database only when the restriction asks for others than the book has */
typedef struct {
    ab_call_t         *call;
    ph_pool_t         *scratch;
    const ab_entry_t  *e;
    bool               loaded;
    mapi_values_t      values;
} candidate_t;


static ph_int_t
candidate_get(void *data, uint32_t tag, mapi_value_t *v)
{
    bool                 group;
    uint8_t              kind;
    ph_int_t             rc;
    candidate_t         *c = data;
    const mapi_value_t  *found;

    memset(v, 0, sizeof(*v));
    v->tag = tag;
    group = c->e->kind == DIR_KIND_GROUP;

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_DISPLAY_NAME):
        v->u.str = c->e->name;
        return PH_OK;
    case MAPI_ID(PR_OBJECT_TYPE):
        v->u.i4 = group ? 8 : 6;
        return PH_OK;
    case MAPI_ID(PR_DISPLAY_TYPE):
        v->u.i4 = group ? 1 : c->e->kind == DIR_KIND_CONTACT ? 6 : 0;
        return PH_OK;
    default:
        break;
    }

    if (!c->loaded) {
        rc = ab_object(c->call, c->scratch, dir_entry_mid(c->e->user_id),
                       &c->values, &kind);
        if (rc == PH_NOTFOUND) {
            c->values.n = 0;
        } else if (rc != PH_OK) {
            return rc;
        }
        c->loaded = true;
    }

    found = mapi_find_id(&c->values, MAPI_ID(tag));
    if (found == NULL) {
        return PH_NOTFOUND;
    }

    *v = *found;
    return PH_OK;
}


/* the text of a node about PR_ANR */
static bool
node_anr(const mapi_restriction_t *r, ph_str_t *text_r)
{
    const mapi_value_t  *v;

    if (r->type == MAPI_RES_PROPERTY
        && MAPI_ID(r->u.prop.tag) == MAPI_ID(PR_ANR))
    {
        v = &r->u.prop.value;
    } else if (r->type == MAPI_RES_CONTENT
               && MAPI_ID(r->u.content.tag) == MAPI_ID(PR_ANR))
    {
        v = &r->u.content.value;
    } else {
        return false;
    }

    *text_r = ph_str_null;
    if (MAPI_TYPE(v->tag) == PT_UNICODE || MAPI_TYPE(v->tag) == PT_STRING8) {
        *text_r = ph_str_trim(v->u.str);
    }

    return true;
}


/* depth is bounded by the decoder (MAPI_MAX_DEPTH), and checked here again */
static ph_int_t
candidate_match(candidate_t *c, const mapi_restriction_t *r, unsigned depth,
    bool *match_r)
{
    ph_int_t      rc;
    ph_str_t      text;
    mapi_eval_t   eval = { .get = candidate_get, .data = c };

    if (depth > MAPI_MAX_DEPTH) {
        return PH_TOOBIG;
    }

    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        *match_r = r->type == MAPI_RES_AND;
        for (uint32_t i = 0; i < r->u.list.n; i++) {
            rc = candidate_match(c, &r->u.list.r[i], depth + 1, match_r);
            if (rc != PH_OK) {
                return rc;
            }
            if (*match_r != (r->type == MAPI_RES_AND)) {
                break;
            }
        }
        return PH_OK;

    case MAPI_RES_NOT:
        rc = candidate_match(c, r->u.sub.r, depth + 1, match_r);
        *match_r = !*match_r;
        return rc;

    default:
        if (node_anr(r, &text)) {
            *match_r = !(c->e->hidden & DIR_HIDE_RESOLVE)
                       && ab_anr(c->e, text) != 0;
            return PH_OK;
        }
        return mapi_restriction_eval(r, &eval, match_r);
    }
}


typedef struct {
    ph_pool_t  *pool;
    uint32_t   *mid;
    uint32_t    n;
    uint32_t    cap;
    uint32_t    max;
} result_t;


static ph_int_t
result_add(result_t *r, uint32_t mid)
{
    uint32_t  *grown;

    if (r->n >= r->max) {
        return PH_TOOBIG;
    }

    if (r->n == r->cap) {
        grown = ph_prealloc(r->pool, r->mid, r->cap * sizeof(*grown),
                            (2 * (size_t) r->cap + 16) * sizeof(*grown));
        if (grown == NULL) {
            return PH_NOMEM;
        }
        r->mid = grown;
        r->cap = 2 * r->cap + 16;
    }

    r->mid[r->n++] = mid;
    return PH_OK;
}


static ph_int_t
match_filter(ab_call_t *call, const ab_view_t *view,
    const mapi_restriction_t *filter, result_t *result)
{
    bool         match;
    ph_int_t     rc = PH_OK;
    candidate_t  c;

    memset(&c, 0, sizeof(c));
    c.call = call;
    c.scratch = ph_pool_create("match", SCRATCH);
    if (c.scratch == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; rc == PH_OK && i < view->n; i++) {
        if (call->job->req->cancelled) {
            rc = PH_ABORT;
            break;
        }

        if (c.loaded) {
            ph_pool_reset(c.scratch);
            c.loaded = false;
        }

        c.e = ab_view_at(view, i);
        match = false;
        rc = candidate_match(&c, filter, 0, &match);
        if (rc == PH_OK && match) {
            rc = result_add(result, dir_entry_mid(c.e->user_id));
        }
    }

    ph_pool_destroy(&c.scratch);

    return rc;
}


/* Entries of the book among keys, by display name. */
static ph_int_t
match_keys(ab_call_t *call, uint8_t by, const ph_str_t *list, size_t n,
    result_t *result)
{
    uint32_t    at, *index;
    uint32_t    found = 0;
    ph_int_t    rc;
    dir_row_t   row;

    index = ph_pcalloc_array(call->pool, call->gal->n, sizeof(*index));
    if (index == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < n; i++) {
        rc = dir_entry_find(call->conn, call->pool, by, list[i], &row);
        if (rc == PH_OK
            && ab_gal_by_mid(call->gal, dir_entry_mid(row.e.user_id), &at)
               && index[at]++ == 0)
        {
            found++;
        } else if (rc != PH_OK && rc != PH_NOTFOUND) {
            return rc;
        }
    }

    /* the book is in order */
    rc = PH_OK;
    for (uint32_t i = 0; rc == PH_OK && found != 0 && i < call->gal->n; i++) {
        if (index[i] != 0) {
            rc = result_add(result,
                            dir_entry_mid(call->gal->entries[i].user_id));
            found--;
        }
    }

    return rc;
}


static ph_int_t
match_addresses(ab_call_t *call, sqlite3_stmt *st, result_t *result)
{
    size_t      n;
    ph_int_t    rc;
    ph_str_t   *list;

    rc = dir_strings(call->conn, st, call->pool, AB_ROWS_MAX, &list, &n);

    return rc == PH_OK ? match_keys(call, DIR_BY_ADDRESS, list, n, result)
                       : rc;
}


/* the same for a property that holds DNs; NULL: there is none */
static ph_int_t
match_dns(ab_call_t *call, const mapi_value_t *v, result_t *result)
{
    if (v == NULL || MAPI_TYPE(v->tag) != PT_MV_UNICODE) {
        return PH_OK;
    }

    return match_keys(call, DIR_BY_DN, v->u.mv.str, v->u.mv.n, result);
}


/* Objects that a property of the current one leads to. */
static ph_int_t
match_links(ab_call_t *call, const nspi_get_matches_request_t *q,
    result_t *result, uint32_t *error_r)
{
    uint8_t        kind;
    uint32_t       tag;
    ph_int_t       rc;
    ph_str_t       address;
    sqlite3_stmt  *st;
    mapi_values_t  values;

    tag = q->has_propname ? q->propname.lid : q->stat.container_id;

    rc = ab_object(call, call->pool, q->stat.current_rec, &values, &kind);
    if (rc == PH_NOTFOUND) {
        *error_r = NSPI_GENERAL_FAILURE;
        return PH_OK;
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (q->stat.sort_type == NSPI_SORT_DISPLAY_NAME_W) {
        *error_r = NSPI_NOT_SUPPORTED;
        return PH_OK;
    }

    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_EMS_AB_MEMBER):
        st = dir_stmt(call->conn, DIR_SQL_group_members);
        if (st == NULL) {
            return PH_ERROR;
        }
        sqlite3_bind_int64(st, 1, q->stat.current_rec - DIR_MID_FIRST);
        return match_addresses(call, st, result);

    case MAPI_ID(PR_EMS_AB_IS_MEMBER_OF_DL):
        st = dir_stmt(call->conn, DIR_SQL_groups_of_address);
        if (st == NULL) {
            return PH_ERROR;
        }
        address = mapi_find(&values, PR_SMTP_ADDRESS)->u.str;
        dir_bind_str(st, 1, address);
        return match_addresses(call, st, result);

    case MAPI_ID(PR_EMS_AB_PUBLIC_DELEGATES):
        return match_dns(call, mapi_find_id(&values, MAPI_ID(tag)), result);

    case MAPI_ID(PR_EMS_AB_MANAGER):
    case MAPI_ID(PR_EMS_AB_REPORTS):
    case MAPI_ID(PR_EMS_AB_OWNER_O):
        return PH_OK;    /* nobody */

    default:
        *error_r = NSPI_NOT_SUPPORTED;
        return PH_OK;
    }
}


ph_int_t
ab_get_matches(ab_call_t *call)
{
    uint32_t                     done;
    result_t                     result;
    ph_int_t                     rc;
    ab_view_t                    view;
    nspi_get_matches_request_t   q;
    nspi_get_matches_response_t  a;

    rc = nspi_get_matches_request_decode_all(call->body, call->pool,
                                             &call->ctx, &q);
    if (rc == PH_OK && q.has_stat && ab_codepage(call, q.stat.code_page)) {
        rc = nspi_get_matches_request_decode_all(call->body, call->pool,
                                                 &call->ctx, &q);
    }

    memset(&a, 0, sizeof(a));

    if (rc == PH_TOOBIG) {
        a.error_code = NSPI_TOO_COMPLEX;
        goto answer;
    }
    if (rc != PH_OK) {
        return rc;
    }

    a.has_stat = q.has_stat;
    a.stat = q.stat;

    if (!q.has_stat) {
        a.error_code = NSPI_INVALID_PARAMETER;
        goto answer;
    }

    if (!ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_NOT_SUPPORTED;
        goto answer;
    }

    if (q.has_columns && q.columns.tag_count > AB_COLUMNS_MAX) {
        a.error_code = NSPI_TABLE_TOO_BIG;
        goto answer;
    }

    memset(&result, 0, sizeof(result));
    result.pool = call->pool;
    result.max = ph_min(q.row_count, AB_ROWS_MAX);

    if (q.has_filter) {
        if (q.stat.sort_type != NSPI_SORT_DISPLAY_NAME
            && q.stat.sort_type != NSPI_SORT_PHONETIC_NAME)
        {
            a.error_code = NSPI_GENERAL_FAILURE;
            goto answer;
        }

        rc = ab_view(call, q.stat.container_id, &view);
        if (rc == PH_NOTFOUND) {
            a.error_code = NSPI_INVALID_BOOKMARK;
            goto answer;
        }
        if (rc == PH_OK) {
            rc = match_filter(call, &view, &q.filter, &result);
        }

    } else {
        rc = match_links(call, &q, &result, &a.error_code);
    }

    if (rc == PH_TOOBIG) {
        a.error_code = NSPI_TABLE_TOO_BIG;
    } else if (rc != PH_OK) {
        return rc;
    }

    if (a.error_code != NSPI_SUCCESS) {
        goto answer;
    }

    a.has_mids = true;
    a.mids.mid = result.mid;
    a.mids.mid_count = result.n;
    a.stat.container_id = q.stat.current_rec;

    if (q.has_columns) {
        rc = ab_rows(call, result.mid, result.n, q.columns.tag,
                     q.columns.tag_count, NSPI_EPHEMERAL_IDS, &a.rows, &done);
        if (rc != PH_OK) {
            return rc;
        }
        a.has_rows = true;
    }

answer:

    return nspi_get_matches_response_encode_new(call->pool, &call->ctx, &a,
                                                &call->out);
}


/* ---- names ---- */

static bool
name_prefix(ph_str_t *name, const char *prefix)
{
    size_t  n = strlen(prefix);

    if (name->len <= n
        || !ph_str_ieq_c((ph_str_t) { n, name->data }, prefix))
    {
        return false;
    }

    name->data += n;
    name->len -= n;
    *name = ph_str_trim(*name);

    return true;
}


/* By an address or a DN: whoever has it, also without an entry in the book. */
static ph_int_t
name_direct(ab_call_t *call, ph_str_t name, uint32_t *mid_r)
{
    ph_int_t   rc;
    dir_row_t  row;

    rc = dir_entry_find(call->conn, call->pool,
                        name.data[0] == '/' ? DIR_BY_DN : DIR_BY_ADDRESS,
                        name, &row);
    if (rc != PH_OK) {
        return rc;
    }

    if (row.organisation_id != call->me.organisation_id
        || row.e.status == DIR_STATUS_DELETED || row.e.kind == DIR_KIND_PUBLIC
        || (row.hidden & DIR_HIDE_RESOLVE))
    {
        return PH_NOTFOUND;
    }

    *mid_r = dir_entry_mid(row.e.user_id);
    return PH_OK;
}


/* NSPI_MID_RESOLVED with the entry, ..._AMBIGUOUS, or ..._UNRESOLVED (and 0) */
static ph_int_t
name_resolve(ab_call_t *call, const ab_view_t *view, ph_str_t name,
    uint32_t *status_r, uint32_t *mid_r)
{
    int                fit;
    bool               exact_only;
    uint32_t           exact = 0, partial = 0, exact_mid = 0, partial_mid = 0;
    ph_int_t           rc;
    const ab_entry_t  *e;

    *status_r = NSPI_MID_UNRESOLVED;
    *mid_r = 0;

    name = ph_str_trim(name);
    exact_only = name_prefix(&name, "=");
    if (!name_prefix(&name, "SMTP:")) {
        (void) name_prefix(&name, "EX:");
    }

    if (name.len == 0) {
        return PH_OK;
    }

    rc = name_direct(call, name, mid_r);
    if (rc == PH_OK) {
        *status_r = NSPI_MID_RESOLVED;
        return PH_OK;
    }
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    for (uint32_t i = 0; i < view->n && exact < 2; i++) {
        e = ab_view_at(view, i);
        fit = e->hidden & DIR_HIDE_RESOLVE ? 0 : ab_anr(e, name);

        if (fit == 2) {
            exact++;
            exact_mid = dir_entry_mid(e->user_id);
        } else if (fit == 1) {
            partial++;
            partial_mid = dir_entry_mid(e->user_id);
        }
    }

    if (exact == 1 || (exact == 0 && partial == 1 && !exact_only)) {
        *mid_r = exact ? exact_mid : partial_mid;
        *status_r = NSPI_MID_RESOLVED;
    } else if (exact > 1 || (partial > 1 && !exact_only)) {
        *status_r = NSPI_MID_AMBIGUOUS;
    }

    return PH_OK;
}


ph_int_t
ab_resolve_names(ab_call_t *call)
{
    uint32_t                       n_columns, resolved = 0, done, *mids, mid;
    ph_int_t                       rc = PH_OK;
    ab_view_t                      view;
    const uint32_t                *columns;
    nspi_resolve_names_request_t   q;
    nspi_resolve_names_response_t  a;

    AB_DECODE(call, resolve_names, &q);

    memset(&a, 0, sizeof(a));
    a.code_page = q.has_stat ? q.stat.code_page : 0;
    columns = ab_columns(q.has_tags, &q.tags, &n_columns);

    if (!q.has_stat || !q.has_names) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (!ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_NOT_SUPPORTED;
    } else if (n_columns > AB_COLUMNS_MAX
               || q.names.name_count > AB_NAMES_MAX)
    {
        a.error_code = NSPI_TABLE_TOO_BIG;
    } else {
        rc = ab_view(call, q.stat.container_id, &view);
        if (rc == PH_NOTFOUND) {
            a.error_code = NSPI_INVALID_BOOKMARK;
            rc = PH_OK;
        }
    }

    if (rc != PH_OK || a.error_code != NSPI_SUCCESS) {
        goto answer;
    }

    a.has_mids = true;
    a.mids.mid_count = q.names.name_count;
    a.mids.mid = ph_pcalloc_array(call->pool, q.names.name_count,
                                  sizeof(*a.mids.mid));
    mids = ph_pcalloc_array(call->pool, q.names.name_count, sizeof(*mids));
    if (a.mids.mid == NULL || mids == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; rc == PH_OK && i < q.names.name_count; i++) {
        rc = name_resolve(call, &view, q.names.name[i], &a.mids.mid[i], &mid);
        if (rc == PH_OK && a.mids.mid[i] == NSPI_MID_RESOLVED) {
            mids[resolved++] = mid;
        }
    }

    if (rc == PH_OK) {
        rc = ab_rows(call, mids, resolved, columns, n_columns, 0, &a.rows,
                     &done);
        a.has_rows = true;
        if (rc == PH_OK && done < resolved) {
            /* rows and results have to fit together */
            memset(&a.rows, 0, sizeof(a.rows));
            a.has_rows = false;
            a.has_mids = false;
            a.error_code = NSPI_TABLE_TOO_BIG;
        }
    }

answer:

    if (rc != PH_OK) {
        return rc;
    }

    return nspi_resolve_names_response_encode_new(call->pool, &call->ctx, &a,
                                                  &call->out);
}
