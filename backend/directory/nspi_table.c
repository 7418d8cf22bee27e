/* Positions and rows: UpdateStat, QueryRows, SeekEntries, CompareMIds,
 * ResortRestriction, DNToMId (MS-OXNSPI 3.1.4.1, 3.1.4.5). */

#include "nspi_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

/* The row at which STAT stands, before its delta.  PH_NOTFOUND. */
static ph_int_t
stat_row(const ab_view_t *view, const nspi_stat_t *s, uint32_t *row_r)
{
    if (s->current_rec != NSPI_MID_CURRENT) {
        return ab_view_find(view, s->current_rec, row_r);
    }

    /* by fraction */
    if (s->total_recs == 0) {
        *row_r = 0;
        return PH_OK;
    }

    *row_r = (uint32_t) ph_min((uint64_t) view->n * s->num_pos
                               / s->total_recs, (uint64_t) view->n);
    return PH_OK;
}


static uint32_t
stat_move(const ab_view_t *view, uint32_t row, int64_t delta)
{
    int64_t  to = (int64_t) row + delta;

    return to < 0 ? 0 : to > (int64_t) view->n ? view->n : (uint32_t) to;
}


static void
stat_set(const ab_view_t *view, nspi_stat_t *s, uint32_t row)
{
    s->current_rec = ab_view_mid(view, row);
    s->num_pos = row;
    s->total_recs = view->n;
    s->delta = 0;
}


/* PH_OK with the view, or the error of the request */
static uint32_t
table_view(ab_call_t *call, bool has_stat, const nspi_stat_t *s,
    ab_view_t *view, ph_int_t *rc)
{
    *rc = PH_OK;

    if (!has_stat) {
        return NSPI_INVALID_PARAMETER;
    }

    if (!ab_codepage_usable(s->code_page)) {
        return NSPI_NOT_SUPPORTED;
    }

    *rc = ab_view(call, s->container_id, view);
    if (*rc == PH_NOTFOUND) {
        *rc = PH_OK;
        return NSPI_INVALID_BOOKMARK;
    }

    return NSPI_SUCCESS;
}


ph_int_t
ab_update_stat(ab_call_t *call)
{
    uint32_t                     from, to;
    ph_int_t                     rc;
    ab_view_t                    view;
    nspi_update_stat_request_t   q;
    nspi_update_stat_response_t  a;

    AB_DECODE(call, update_stat, &q);

    memset(&a, 0, sizeof(a));
    a.has_stat = q.has_stat;
    a.stat = q.stat;

    a.error_code = table_view(call, q.has_stat, &q.stat, &view, &rc);
    if (rc != PH_OK) {
        return rc;
    }

    if (a.error_code == NSPI_SUCCESS
        && stat_row(&view, &q.stat, &from) != PH_OK)
    {
        a.error_code = NSPI_NOT_FOUND;
    }

    if (a.error_code == NSPI_SUCCESS) {
        to = stat_move(&view, from, q.stat.delta);
        stat_set(&view, &a.stat, to);
        if (q.delta_requested) {
            a.has_delta = true;
            a.delta = (int32_t) ((int64_t) to - (int64_t) from);
        }
    }

    return nspi_update_stat_response_encode_new(call->pool, &call->ctx, &a,
                                                &call->out);
}


ph_int_t
ab_query_rows(ab_call_t *call)
{
    uint32_t                    n_columns, row, n, done, *mids;
    ph_int_t                    rc = PH_OK;
    ab_view_t                   view;
    const uint32_t             *columns;
    nspi_query_rows_request_t   q;
    nspi_query_rows_response_t  a;

    AB_DECODE(call, query_rows, &q);

    memset(&a, 0, sizeof(a));
    a.has_stat = q.has_stat;
    a.stat = q.stat;

    columns = ab_columns(q.has_columns, &q.columns, &n_columns);

    if (!q.has_stat || q.row_count == 0) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (n_columns > AB_COLUMNS_MAX) {
        a.error_code = NSPI_TABLE_TOO_BIG;
    } else if (!ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_NOT_SUPPORTED;
    }

    if (a.error_code != NSPI_SUCCESS) {
        goto answer;
    }

    if (q.explicit_table_count != 0) {
        n = ph_min(q.explicit_table_count, q.row_count);
        rc = ab_rows(call, q.explicit_table, n, columns, n_columns, q.flags,
                     &a.rows, &done);
        if (rc != PH_OK) {
            return rc;
        }
        a.has_rows = true;
        goto answer;
    }

    a.error_code = table_view(call, true, &q.stat, &view, &rc);
    if (rc != PH_OK) {
        return rc;
    }

    if (a.error_code == NSPI_SUCCESS
        && stat_row(&view, &q.stat, &row) != PH_OK)
    {
        a.error_code = NSPI_NOT_FOUND;
    }

    if (a.error_code != NSPI_SUCCESS) {
        goto answer;
    }

    row = stat_move(&view, row, q.stat.delta);
    n = ph_min(ph_min(q.row_count, view.n - row), AB_ROWS_MAX);

    mids = ph_pcalloc_array(call->pool, n, sizeof(*mids));
    if (mids == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < n; i++) {
        mids[i] = ab_view_mid(&view, row + i);
    }

    rc = ab_rows(call, mids, n, columns, n_columns, q.flags, &a.rows, &done);
    if (rc != PH_OK) {
        return rc;
    }

    a.has_rows = true;
    stat_set(&view, &a.stat, row + done);

answer:

    return nspi_query_rows_response_encode_new(call->pool, &call->ctx, &a,
                                               &call->out);
}


/* First row of a view whose name is not before target: bisection. */
static uint32_t
seek_view(const ab_view_t *view, ph_str_t target)
{
    uint32_t  lo = 0, hi = view->n, at;

    while (lo < hi) {
        at = lo + (hi - lo) / 2;
        if (ab_name_cmp(ab_view_at(view, at)->name, target) < 0) {
            lo = at + 1;
        } else {
            hi = at;
        }
    }

    return lo;
}


/* In an explicit table, in its own order; unknown ids are passed over. */
static uint32_t
seek_table(const ab_gal_t *gal, const nspi_mids_t *table, ph_str_t target)
{
    uint32_t           i;
    const ab_entry_t  *e;

    for (i = 0; i < table->mid_count; i++) {
        e = ab_gal_by_mid(gal, table->mid[i], NULL);
        if (e != NULL && ab_name_cmp(e->name, target) >= 0) {
            break;
        }
    }

    return i;
}


ph_int_t
ab_seek_entries(ab_call_t *call)
{
    uint32_t                      row, n, done, *mids, one;
    ph_int_t                      rc;
    ab_view_t                     view;
    nspi_seek_entries_request_t   q;
    nspi_seek_entries_response_t  a;

    AB_DECODE(call, seek_entries, &q);

    memset(&a, 0, sizeof(a));
    a.has_stat = q.has_stat;
    a.stat = q.stat;

    a.error_code = table_view(call, q.has_stat, &q.stat, &view, &rc);
    if (rc != PH_OK) {
        return rc;
    }

    if (a.error_code != NSPI_SUCCESS) {
        goto answer;
    }

    if (q.stat.sort_type != NSPI_SORT_DISPLAY_NAME || !q.has_target
        || (q.target.tag != PR_DISPLAY_NAME
            && q.target.tag != MAPI_RETYPE(PR_DISPLAY_NAME, PT_STRING8)))
    {
        a.error_code = NSPI_GENERAL_FAILURE;
        goto answer;
    }

    if (q.has_columns && q.columns.tag_count > AB_COLUMNS_MAX) {
        a.error_code = NSPI_TABLE_TOO_BIG;
        goto answer;
    }

    if (q.has_explicit_table) {
        row = seek_table(call->gal, &q.explicit_table, q.target.u.str);
        n = q.explicit_table.mid_count;
        mids = q.explicit_table.mid;
    } else {
        row = seek_view(&view, q.target.u.str);
        n = view.n;
        mids = NULL;
    }

    if (row >= n) {
        a.error_code = NSPI_NOT_FOUND;
        goto answer;
    }

    one = mids ? mids[row] : ab_view_mid(&view, row);
    a.stat.current_rec = one;
    a.stat.num_pos = row;
    a.stat.total_recs = n;

    if (q.has_columns) {
        /* the row that was found; the client goes on with QueryRows */
        rc = ab_rows(call, &one, 1, q.columns.tag, q.columns.tag_count,
                     NSPI_EPHEMERAL_IDS, &a.rows, &done);
        if (rc != PH_OK) {
            return rc;
        }
        a.has_rows = true;
    }

answer:

    return nspi_seek_entries_response_encode_new(call->pool, &call->ctx, &a,
                                                 &call->out);
}


ph_int_t
ab_compare_mids(ab_call_t *call)
{
    uint32_t                      one, two;
    ph_int_t                      rc;
    ab_view_t                     view;
    nspi_compare_mids_request_t   q;
    nspi_compare_mids_response_t  a;

    AB_DECODE(call, compare_mids, &q);

    memset(&a, 0, sizeof(a));

    a.error_code = table_view(call, q.has_stat, &q.stat, &view, &rc);
    if (rc != PH_OK) {
        return rc;
    }

    if (a.error_code == NSPI_SUCCESS) {
        if (ab_view_find(&view, q.mid1, &one) != PH_OK
            || ab_view_find(&view, q.mid2, &two) != PH_OK)
        {
            a.error_code = NSPI_GENERAL_FAILURE;
        } else {
            a.result = (one > two) - (one < two);
        }
    }

    return nspi_compare_mids_response_encode_new(call->pool, &call->ctx, &a,
                                                 &call->out);
}


static int
index_cmp(const void *a, const void *b)
{
    uint32_t  x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}


ph_int_t
ab_resort_restriction(ab_call_t *call)
{
    uint32_t                            n = 0, *rows, *mids;
    nspi_resort_restriction_request_t   q;
    nspi_resort_restriction_response_t  a;

    AB_DECODE(call, resort_restriction, &q);

    memset(&a, 0, sizeof(a));
    a.has_stat = q.has_stat;
    a.stat = q.stat;

    if (!q.has_stat || !q.has_mids) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (!ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_NOT_SUPPORTED;
    } else if (q.stat.sort_type != NSPI_SORT_DISPLAY_NAME) {
        a.error_code = NSPI_GENERAL_FAILURE;
    }

    if (a.error_code == NSPI_SUCCESS) {
        rows = ph_pcalloc_array(call->pool, q.mids.mid_count, sizeof(*rows));
        mids = ph_pcalloc_array(call->pool, q.mids.mid_count, sizeof(*mids));
        if (rows == NULL || mids == NULL) {
            return PH_NOMEM;
        }

        for (uint32_t i = 0; i < q.mids.mid_count; i++) {
            if (ab_gal_by_mid(call->gal, q.mids.mid[i], &rows[n]) != NULL) {
                n++;
            }
        }

        if (n > 1) {
            qsort(rows, n, sizeof(*rows), index_cmp);
        }

        a.stat.total_recs = n;
        a.stat.num_pos = 0;
        a.stat.current_rec = NSPI_MID_BEGINNING;

        for (uint32_t i = 0; i < n; i++) {
            mids[i] = dir_entry_mid(call->gal->entries[rows[i]].user_id);
            if (mids[i] == q.stat.current_rec) {
                a.stat.current_rec = mids[i];
                a.stat.num_pos = i;
            }
        }

        a.has_mids = true;
        a.mids.mid = mids;
        a.mids.mid_count = n;
    }

    return nspi_resort_restriction_response_encode_new(call->pool, &call->ctx,
                                                       &a, &call->out);
}


ph_int_t
ab_dn_to_mid(ab_call_t *call)
{
    ph_int_t                    rc;
    dir_row_t                   row;
    nspi_dn_to_mid_request_t    q;
    nspi_dn_to_mid_response_t   a;

    rc = nspi_dn_to_mid_request_decode_all(call->body, call->pool, &call->ctx,
                                           &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));

    if (!q.has_names) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (q.names.name_count > AB_NAMES_MAX) {
        a.error_code = NSPI_TABLE_TOO_BIG;
    } else {
        a.has_mids = true;
        a.mids.mid_count = q.names.name_count;
        a.mids.mid = ph_pcalloc_array(call->pool, q.names.name_count,
                                      sizeof(*a.mids.mid));
        if (a.mids.mid == NULL) {
            return PH_NOMEM;
        }

        for (uint32_t i = 0; i < q.names.name_count; i++) {
            rc = dir_entry_find(call->conn, call->pool, DIR_BY_DN,
                                q.names.name[i], &row);
            if (rc == PH_OK && row.e.status != DIR_STATUS_DELETED
                && row.organisation_id == call->me.organisation_id
                && ph_str_ieq(row.e.legacy_dn, q.names.name[i]))
            {
                a.mids.mid[i] = dir_entry_mid(row.e.user_id);
            } else if (rc != PH_OK && rc != PH_NOTFOUND) {
                return rc;
            }
        }
    }

    return nspi_dn_to_mid_response_encode_new(call->pool, &call->ctx, &a,
                                              &call->out);
}
