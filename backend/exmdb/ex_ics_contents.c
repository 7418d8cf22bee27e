/*
 * The stream of a contents synchronization (MS-OXCFXICS 2.2.4.3.2, 3.2.5.3).
 *
 * Messages come by their change numbers, or from a list when the client wants
 * an order or a sum.  The scope ends with the change number of the begin: what
 * is changed while the client reads has a higher one and comes the next time.
 */

#include "ex_ics.h"

#include <stdlib.h>

enum {
    SYNC_BEGIN = 0, SYNC_CHANGES, SYNC_DELETIONS, SYNC_READ, SYNC_STATE,
    SYNC_END
};


/* ---- which ones ---- */

/* Is this version known to the client? */
static bool
ex_ics_is_seen(ex_rop_t *rop, ex_ics_download_t *d,
    const store_sync_row_t *row)
{
    return mapi_globset_has(ex_ics_own(rop, row->associated
                                            ? &d->ics.state.fai
                                            : &d->ics.state.seen), row->cn);
}


static bool
ex_ics_wanted(const ex_ics_download_t *d, const store_sync_row_t *row)
{
    return d->flags & (row->associated ? EX_SYNC_FAI : EX_SYNC_NORMAL);
}


/* May the user see it, and does the restriction match? */
static ph_int_t
ex_ics_in_scope(ex_rop_t *rop, ex_ics_download_t *d,
    const store_sync_row_t *row, bool *in_r)
{
    ph_int_t              rc;
    uint32_t              access;
    store_message_fact_t  fact;

    *in_r = true;
    if (!store_viewer_is_owner(rop->conn)) {
        rc = store_message_access(rop->conn, row->id, &access, &fact);
        *in_r = rc == PH_OK && (access & STORE_ACCESS_READ);
        if (rc != PH_OK) {
            return rc == PH_NOTFOUND ? PH_OK : rc;
        }
    }

    if (*in_r && d->restriction != NULL) {
        return store_sync_match(rop->conn, d->table[row->associated], row->id,
                                in_r);
    }

    return PH_OK;
}


/*
 * The walk by change number.  Without a restriction what the client has seen is
 * jumped over; with one every message is looked at, because what has not
 * changed may have left the scope.
 */
static void
ex_ics_skip(ex_rop_t *rop, ex_ics_download_t *d)
{
    bool                 more;
    unsigned             i;
    uint64_t             end;
    const mapi_range_t  *r;
    mapi_idset_t        *set[2];

    if (d->restriction != NULL) {
        return;
    }

    set[0] = d->flags & EX_SYNC_NORMAL ? &d->ics.state.seen : NULL;
    set[1] = d->flags & EX_SYNC_FAI ? &d->ics.state.fai : NULL;

    do {
        more = false;
        end = UINT64_MAX;
        for (i = 0; i < 2; i++) {
            if (set[i] == NULL) {
                continue;
            }
            r = mapi_globset_find(ex_ics_own(rop, set[i]), d->at + 1);
            end = ph_min(end, r != NULL ? r->hi : d->at);
        }
        if (end != UINT64_MAX && end > d->at) {
            d->at = end;
            more = true;
        }
    } while (more);
}


/* The next message that the client has to get; PH_DONE. */
static ph_int_t
ex_ics_walk(ex_rop_t *rop, ex_ics_download_t *d, store_sync_row_t *row_r)
{
    bool               in;
    ph_int_t           rc;
    store_sync_row_t  *row;

    for ( ;; ) {
        if (d->i == d->n) {
            if (d->walked) {
                return PH_DONE;
            }
            ex_ics_skip(rop, d);
            if (d->at >= d->upto) {
                d->walked = true;
                return PH_DONE;
            }
            rc = store_sync_changed(rop->conn, d->ics.fid, d->at, d->upto,
                                    EX_ICS_BATCH, d->row, &d->n);
            if (rc != PH_OK) {
                return rc;
            }
            d->i = 0;
            d->walked = d->n < EX_ICS_BATCH;
            continue;
        }

        row = &d->row[d->i++];
        d->at = row->cn;
        if (!ex_ics_wanted(d, row)) {
            continue;
        }
        rc = ex_ics_in_scope(rop, d, row, &in);
        if (rc == PH_OK && !in) {
            /* should it come into the scope, it is news */
            rc = mapi_globset_push(&d->out, row->id, row->id);
            if (rc == PH_OK) {
                rc = mapi_globset_push(&d->out_cn, row->cn, row->cn);
            }
        }
        if (rc != PH_OK) {
            return rc;
        }
        if (in && !ex_ics_is_seen(rop, d, row)) {
            *row_r = *row;
            return PH_OK;
        }
    }
}


static int
ex_ics_by_time(const void *a, const void *b)
{
    const ex_ics_item_t  *x = a, *y = b;

    if (x->time != y->time) {
        return x->time > y->time ? -1 : 1;
    }

    return x->id < y->id ? -1 : x->id > y->id;
}


/* All of them, newest first when the client wants it so; and progressTotal. */
static ph_int_t
ex_ics_list(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    uint8_t            info[32];
    uint32_t           cap;
    uint64_t           n[2], size[2];
    ph_int_t           rc;
    ph_wbuf_t          b;
    mapi_value_t       v;
    ex_ics_item_t     *p;
    store_sync_row_t   row;

    memset(n, 0, sizeof(n));
    memset(size, 0, sizeof(size));

    while ((rc = ex_ics_walk(rop, d, &row)) == PH_OK) {
        if (d->n_items == d->cap_items) {
            cap = d->cap_items ? d->cap_items * 2 : 64;
            p = realloc(d->items, cap * sizeof(*p));
            if (p == NULL) {
                return PH_NOMEM;
            }
            d->items = p;
            d->cap_items = cap;
        }
        p = &d->items[d->n_items++];
        p->id = row.id;
        p->time = row.received ? row.received : row.modified;
        n[row.associated]++;
        size[row.associated] += row.size;
    }
    if (rc != PH_DONE) {
        return rc;
    }

    d->listed = true;
    if (d->extra & EX_SYNC_BY_TIME && d->n_items > 0) {
        qsort(d->items, d->n_items, sizeof(*d->items), ex_ics_by_time);
    }

    if ((d->flags & EX_SYNC_PROGRESS) == 0) {
        return PH_OK;
    }

    ph_wbuf_init_fixed(&b, info, sizeof(info));
    ph_put_u16(&b, 0);
    ph_put_u16(&b, 0);
    ph_put_u32(&b, (uint32_t) n[1]);
    ph_put_u64(&b, size[1]);
    ph_put_u32(&b, (uint32_t) n[0]);
    ph_put_u32(&b, 0);
    ph_put_u64(&b, size[0]);

    memset(&v, 0, sizeof(v));
    v.tag = PT_BINARY;
    v.u.bin = ph_wbuf_str(&b);
    rc = ex_fx_put_marker(out, INCRSYNCPROGRESSMODE);

    return rc == PH_OK ? ex_fx_put_value(rop, out, &v) : rc;
}


static ph_int_t
ex_ics_begin(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    unsigned  i;
    ph_int_t  rc;

    rc = store_sync_cn(rop->conn, &d->upto);
    for (i = 0; rc == PH_OK && d->restriction != NULL && i < 2; i++) {
        rc = store_table_contents(rop->conn, d->ics.fid,
                                  i ? STORE_TABLE_ASSOCIATED : 0,
                                  &d->table[i]);
        if (rc == PH_OK) {
            rc = store_table_restrict(d->table[i], d->restriction);
        }
    }
    if (rc == PH_OK
        && ((d->flags & EX_SYNC_PROGRESS) || (d->extra & EX_SYNC_BY_TIME)))
    {
        rc = ex_ics_list(rop, d, out);
    }

    return rc;
}


/* ---- a message ---- */

/* messageChangeHeader (2.2.4.3.12): five in their order, then as asked */
ph_int_t
ex_ics_put_header(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out,
    const store_sync_row_t *row, store_message_t *msg,
    const mapi_values_t *version)
{
    uint8_t         key[MAPI_GID];
    uint32_t        i, k;
    ph_int_t        rc;
    mapi_tags_t     tags;
    mapi_value_t    v;
    mapi_values_t   got;

    static const uint32_t  header[] = {
        PR_SOURCE_KEY, PR_LAST_MODIFICATION_TIME, PR_CHANGE_KEY,
        PR_PREDECESSOR_CHANGE_LIST, PR_ASSOCIATED
    };

    tags.n = ph_nelts(header);
    tags.tag = header;
    rc = store_message_get(rop->conn, msg, &tags, STORE_NO_LIMIT, rop->pool,
                           &got);

    for (i = 0; rc == PH_OK && i < got.n; i++) {
        v = got.v[i];
        for (k = 0; version != NULL && k < version->n; k++) {
            if (version->v[k].tag == header[i]) {
                v = version->v[k];
            }
        }
        if (i == 0 && (d->flags & EX_SYNC_NO_FOREIGN)) {
            mapi_gid_make(key, &store_info(store_conn_store(rop->conn))->guid,
                          row->id);
            v.tag = PR_SOURCE_KEY;
            v.u.bin.data = key;
            v.u.bin.len = sizeof(key);
        }
        rc = ex_fx_put_value(rop, out, &v);
    }

    memset(&v, 0, sizeof(v));
    if (rc == PH_OK && (d->extra & EX_SYNC_EID)) {
        v.tag = PidTagMid;
        v.u.i8 = (int64_t) store_eid(row->id);
        rc = ex_fx_put_value(rop, out, &v);
    }
    if (rc == PH_OK && (d->extra & EX_SYNC_SIZE)) {
        v.tag = PR_MESSAGE_SIZE;
        v.u.i4 = (int32_t) ph_min(row->size, (uint64_t) INT32_MAX);
        rc = ex_fx_put_value(rop, out, &v);
    }
    if (rc == PH_OK && (d->extra & EX_SYNC_CN)) {
        v.tag = PidTagChangeNumber;
        v.u.i8 = (int64_t) store_eid(row->cn);
        rc = ex_fx_put_value(rop, out, &v);
    }

    return rc;
}


static ph_int_t
ex_ics_put_progress(ex_rop_t *rop, ex_fx_out_t *out,
    const store_sync_row_t *row)
{
    ph_int_t      rc;
    mapi_value_t  v;

    rc = ex_fx_put_marker(out, INCRSYNCPROGRESSPERMSG);

    memset(&v, 0, sizeof(v));
    v.tag = PT_LONG;
    v.u.i4 = (int32_t) ph_min(row->size, (uint64_t) INT32_MAX);
    if (rc == PH_OK) {
        rc = ex_fx_put_value(rop, out, &v);
    }

    memset(&v, 0, sizeof(v));
    v.tag = PT_BOOLEAN;
    v.u.b = row->associated;

    return rc == PH_OK ? ex_fx_put_value(rop, out, &v) : rc;
}


static ph_int_t
ex_ics_put_message(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out,
    const store_sync_row_t *row)
{
    ph_int_t          rc;
    ex_fx_what_t      what;
    store_message_t  *msg;

    rc = store_message_open(rop->conn, d->ics.fid, row->id,
                            STORE_OPEN_READONLY, &msg);
    if (rc != PH_OK) {
        /* gone since the row was read: the next time tells it */
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }
    if (store_message_fact(msg)->cn > d->upto) {
        store_message_close(&msg);
        return PH_OK;
    }

    d->last_id = row->id;
    d->last_cn = row->cn;
    rc = mapi_globset_push(&d->sent, row->id, row->id);

    if (rc == PH_OK && (d->flags & EX_SYNC_PROGRESS)) {
        rc = ex_ics_put_progress(rop, out, row);
    }
    if (rc == PH_OK && (row->status & EX_STATUS_IN_CONFLICT)) {
        rc = ex_ics_versions_begin(rop, d, row, msg);
        if (rc == PH_OK) {
            return ex_ics_version(rop, d, out);
        }
        rc = rc == PH_NOTFOUND ? PH_OK : rc;
    }
    if (rc == PH_OK) {
        rc = ex_fx_put_marker(out, INCRSYNCCHG);
    }
    if (rc == PH_OK) {
        rc = ex_ics_put_header(rop, d, out, row, msg, NULL);
    }
    if (rc == PH_OK) {
        rc = ex_fx_put_marker(out, INCRSYNCMESSAGE);
    }
    if (rc != PH_OK) {
        store_message_close(&msg);
        return rc;
    }

    what = d->what;
    if (row->associated && (d->flags & EX_SYNC_ONLY)
        && (d->flags & EX_SYNC_ALL_OF_FAI))
    {
        what.flags &= ~(uint32_t) EX_FX_ONLY;
        what.tags.n = 0;
    }

    return ex_fx_put_message(rop, out, msg, &what);
}


static ph_int_t
ex_ics_change(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    ph_int_t          rc;
    store_sync_row_t  row;

    if (d->conflict != NULL) {
        rc = ex_ics_version(rop, d, out);
        if (rc != PH_DONE) {
            return rc;
        }
    }

    if (!d->listed) {
        rc = ex_ics_walk(rop, d, &row);
        return rc == PH_OK ? ex_ics_put_message(rop, d, out, &row) : rc;
    }

    while (d->item < d->n_items) {
        ex_fx_out_progress(out, d->item, d->n_items);
        rc = store_sync_one(rop->conn, d->ics.fid, d->items[d->item++].id,
                            &row);
        if (rc == PH_NOTFOUND || (rc == PH_OK && row.cn > d->upto)) {
            continue;
        }
        return rc == PH_OK ? ex_ics_put_message(rop, d, out, &row) : rc;
    }

    return PH_DONE;
}


ph_int_t
ex_ics_contents_recover(ex_rop_t *rop, ex_fx_out_t *out, void *data)
{
    ph_int_t            rc;
    ex_ics_download_t  *d = data;

    (void) rop;
    (void) out;

    /* neither given nor seen: it is told again */
    rc = mapi_globset_push(&d->out_cn, d->last_cn, d->last_cn);

    return rc == PH_OK ? mapi_globset_remove(&d->sent, d->last_id, d->last_id)
                       : rc;
}


/* ---- what is gone ---- */

/*
 * Ids that the client has and the folder no more: out of those in the log since
 * the client was told last, or out of all.
 */
static ph_int_t
ex_ics_gone(ex_rop_t *rop, ex_ics_download_t *d, mapi_globset_t *gone)
{
    uint64_t               after;
    ph_int_t               rc;
    mapi_globset_t         live;
    const mapi_globset_t  *given;

    given = ex_ics_own(rop, &d->ics.state.given);
    if (given->n == 0) {
        d->told = true;
        return PH_OK;
    }

    after = UINT64_MAX;
    if (d->flags & EX_SYNC_NORMAL) {
        after = ex_ics_told(ex_ics_own(rop, &d->ics.state.seen));
    }
    if (d->flags & EX_SYNC_FAI) {
        after = ph_min(after, ex_ics_told(ex_ics_own(rop,
                                                     &d->ics.state.fai)));
    }
    if (after == UINT64_MAX) {
        after = 0;
    }

    rc = PH_DECLINED;
    if (after > 0) {
        rc = store_sync_deleted(rop->conn, d->ics.fid, after, gone);
    }
    if (rc == PH_DECLINED) {
        if (d->flags & EX_SYNC_NO_DELETIONS) {
            return PH_OK;
        }
        rc = mapi_globset_copy(gone, given);
    } else if (rc == PH_OK) {
        rc = mapi_globset_intersect(gone, given);
    }
    d->told = true;
    if (rc != PH_OK || gone->n == 0) {
        return rc;
    }

    memset(&live, 0, sizeof(live));
    rc = store_sync_live(rop->conn, d->ics.fid, gone, &live);
    if (rc == PH_OK) {
        rc = mapi_globset_subtract(gone, &live);
    }
    mapi_globset_free(&live);
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&d->sent);
    }

    return rc == PH_OK ? mapi_globset_subtract(gone, &d->sent) : rc;
}


static ph_int_t
ex_ics_deletions(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    ph_int_t               rc;
    mapi_globset_t         gone, left, *given;

    memset(&gone, 0, sizeof(gone));
    memset(&left, 0, sizeof(left));

    rc = ex_ics_gone(rop, d, &gone);
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&d->out);
    }
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&d->out_cn);
    }

    /* there, but no longer in the scope */
    if (rc == PH_OK
        && !(d->flags & (EX_SYNC_NO_DELETIONS | EX_SYNC_KEEP_SCOPE)))
    {
        rc = mapi_globset_copy(&left, ex_ics_own(rop, &d->ics.state.given));
        if (rc == PH_OK) {
            rc = mapi_globset_intersect(&left, &d->out);
        }
        if (rc == PH_OK) {
            rc = mapi_globset_subtract(&left, &gone);
        }
    }

    if (rc == PH_OK && (d->flags & EX_SYNC_NO_DELETIONS)) {
        d->told = d->told && gone.n == 0;
        mapi_globset_free(&gone);
    }

    if (rc == PH_OK && (gone.n > 0 || left.n > 0)) {
        rc = ex_fx_put_marker(out, INCRSYNCDEL);
        if (rc == PH_OK) {
            rc = ex_ics_put_ids(rop, out, MetaTagIdsetDeleted, &gone);
        }
        if (rc == PH_OK) {
            rc = ex_ics_put_ids(rop, out, MetaTagIdsetNoLongerInScope, &left);
        }
    }

    /* what is given in the end */
    if (rc == PH_OK) {
        given = ex_ics_own_make(rop, &d->final.given);
        rc = given ? mapi_globset_subtract(given, &gone) : PH_NOMEM;
        if (rc == PH_OK) {
            rc = mapi_globset_subtract(given, &left);
        }
        if (rc == PH_OK) {
            rc = mapi_globset_settle(&d->sent);
        }
        if (rc == PH_OK) {
            rc = mapi_globset_union(given, &d->sent);
        }
    }
    mapi_globset_free(&gone);
    mapi_globset_free(&left);

    return rc;
}


/* ---- read state ---- */

static ph_int_t
ex_ics_read_states(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    uint32_t               i;
    uint64_t               at;
    ph_int_t               rc;
    mapi_globset_t         read, unread;
    store_sync_row_t      *row;
    const mapi_range_t    *r;
    const mapi_globset_t  *known, *given, *seen;

    memset(&read, 0, sizeof(read));
    memset(&unread, 0, sizeof(unread));
    known = ex_ics_own(rop, &d->ics.state.read);
    given = ex_ics_own(rop, &d->ics.state.given);
    seen = ex_ics_own(rop, &d->ics.state.seen);
    at = 0;
    rc = PH_OK;

    while (rc == PH_OK && given->n > 0) {
        r = mapi_globset_find(known, at + 1);
        at = r != NULL ? r->hi : at;
        if (at >= d->upto) {
            break;
        }
        rc = store_sync_read(rop->conn, d->ics.fid, at, d->upto, EX_ICS_BATCH,
                             d->row, &d->n);
        for (i = 0; rc == PH_OK && i < d->n; i++) {
            row = &d->row[i];
            at = row->read_cn;
            /* what is changed besides is told as a whole, now or later */
            if (mapi_globset_has(known, at) || !mapi_globset_has(given, row->id)
                || !mapi_globset_has(seen, row->cn)
                || mapi_globset_has(&d->sent, row->id)
                || mapi_globset_has(&d->out, row->id))
            {
                continue;
            }
            rc = mapi_globset_push(row->flags & 1 ? &read : &unread, row->id,
                                   row->id);
        }
        if (rc != PH_OK || d->n < EX_ICS_BATCH) {
            break;
        }
    }

    if (rc == PH_OK) {
        rc = mapi_globset_settle(&read);
    }
    if (rc == PH_OK) {
        rc = mapi_globset_settle(&unread);
    }
    if (rc == PH_OK && (read.n > 0 || unread.n > 0)) {
        rc = ex_fx_put_marker(out, INCRSYNCREAD);
        if (rc == PH_OK) {
            rc = ex_ics_put_ids(rop, out, MetaTagIdsetRead, &read);
        }
        if (rc == PH_OK) {
            rc = ex_ics_put_ids(rop, out, MetaTagIdsetUnread, &unread);
        }
    }
    mapi_globset_free(&read);
    mapi_globset_free(&unread);

    return rc;
}


/* ---- the stream ---- */

static ph_int_t
ex_ics_finish(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    ph_int_t  rc;

    rc = PH_OK;
    if (d->flags & EX_SYNC_NORMAL) {
        rc = ex_ics_seen(rop, &d->final.seen, d->upto, &d->out_cn, d->told);
    }
    if (rc == PH_OK && (d->flags & EX_SYNC_FAI)) {
        rc = ex_ics_seen(rop, &d->final.fai, d->upto, &d->out_cn, d->told);
    }
    if (rc == PH_OK && (d->flags & EX_SYNC_READ_STATE)) {
        rc = ex_ics_seen(rop, &d->final.read, d->upto, NULL, true);
    }

    return rc == PH_OK ? ex_ics_put_state(rop, out, &d->final, true, true)
                       : rc;
}


ph_int_t
ex_ics_contents_next(ex_rop_t *rop, ex_fx_out_t *out, void *data)
{
    ph_int_t            rc;
    ex_ics_download_t  *d = data;

    switch (d->phase) {

    case SYNC_BEGIN:
        d->phase = SYNC_CHANGES;
        return ex_ics_begin(rop, d, out);

    case SYNC_CHANGES:
        rc = ex_ics_change(rop, d, out);
        if (rc != PH_DONE) {
            return rc;
        }
        d->phase = SYNC_DELETIONS;
        return PH_OK;

    case SYNC_DELETIONS:
        d->phase = SYNC_READ;
        rc = ex_ics_state_copy(&d->final, &d->ics.state);
        return rc == PH_OK ? ex_ics_deletions(rop, d, out) : rc;

    case SYNC_READ:
        d->phase = SYNC_STATE;
        return d->flags & EX_SYNC_READ_STATE
               ? ex_ics_read_states(rop, d, out) : PH_OK;

    case SYNC_STATE:
        d->phase = SYNC_END;
        rc = ex_ics_finish(rop, d, out);
        return rc == PH_OK ? ex_fx_put_marker(out, INCRSYNCEND) : rc;

    default:
        return PH_DONE;
    }
}
