/* When a calendar is taken, and whose meetings are in it. */

#include "ex_calendar.h"
#include "lib/ph_str.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

#define EX_STATE_CANCELED  0x04


/* ---- when ---- */

ph_int_t
ex_when_make(ph_pool_t *pool, uint64_t start, uint64_t end, ph_str_t recur,
    ph_str_t tz_definition, ph_str_t tz_struct, ex_when_t *w)
{
    ph_int_t  rc;

    memset(w, 0, sizeof(*w));
    w->start = EX_MINUTES(start);
    w->end = EX_MINUTES(end);
    w->tz.n = 1;
    w->tz.rules = &w->rule;

    if (recur.len == 0) {
        return w->end >= w->start ? PH_OK : PH_INVALID;
    }

    w->recurring = true;
    rc = mapi_appt_recur_decode(pool, recur, 1252, &w->recur);

    if (rc == PH_OK && tz_definition.len != 0) {
        rc = mapi_tz_decode(pool, tz_definition, &w->tz);
    } else if (rc == PH_OK && tz_struct.len != 0) {
        rc = mapi_tz_struct_decode(tz_struct, &w->rule);
    }

    return rc;
}


static ph_int_t
ex_busy_add(ph_pool_t *pool, ex_busy_list_t *list, uint32_t max,
    uint32_t start, uint32_t end, uint32_t date)
{
    uint32_t    cap;
    ex_busy_t  *v;

    if (list->n >= max) {
        return PH_TOOBIG;
    }

    if (list->n == list->cap) {
        cap = list->cap ? 2 * list->cap : 16;
        v = ph_prealloc(pool, list->v, list->cap * sizeof(*v),
                        cap * sizeof(*v));
        if (v == NULL) {
            return PH_NOMEM;
        }
        list->v = v;
        list->cap = cap;
    }

    list->v[list->n].start = start;
    list->v[list->n].end = end;
    list->v[list->n].date = date;
    list->n++;

    return PH_OK;
}


typedef struct {
    ph_pool_t        *pool;
    const ex_when_t  *w;
    uint32_t          from;
    uint32_t          to;
    uint32_t          max;
    ex_busy_list_t   *list;
} ex_when_walk_t;


static ph_int_t
ex_when_occurrence(void *data, const mapi_occurrence_t *o)
{
    uint32_t         start, end;
    ex_when_walk_t  *walk = data;

    start = mapi_tz_to_utc(&walk->w->tz, o->start);
    end = mapi_tz_to_utc(&walk->w->tz, o->end);

    return start < walk->to && end > walk->from
           ? ex_busy_add(walk->pool, walk->list, walk->max, start, end,
                         o->date)
           : PH_OK;
}


ph_int_t
ex_when_list(ph_pool_t *pool, const ex_when_t *w, uint32_t from, uint32_t to,
    uint32_t max, ex_busy_list_t *list)
{
    uint32_t         first, last;
    ex_when_walk_t   walk;

    if (!w->recurring) {
        return w->start < to && w->end > from
               ? ex_busy_add(pool, list, max, w->start, w->end, 0) : PH_OK;
    }

    walk.pool = pool;
    walk.w = w;
    walk.from = from;
    walk.to = to;
    walk.max = list->n + max < max ? UINT32_MAX : list->n + max;
    walk.list = list;

    /* a day on both sides: local time is never further away */
    first = mapi_tz_to_local(&w->tz, from);
    first -= ph_min(first, MAPI_RECUR_MINUTES);
    last = mapi_tz_to_local(&w->tz, to);
    last = last > UINT32_MAX - MAPI_RECUR_MINUTES
           ? last : last + MAPI_RECUR_MINUTES;

    return mapi_appt_recur_walk(&w->recur, first, last, max + 4,
                                ex_when_occurrence, &walk);
}


ph_int_t
ex_recur_delete(ph_pool_t *pool, mapi_appt_recur_t *r, uint32_t date)
{
    uint32_t   i, at, *list;
    uint32_t   moved = 0;
    bool       found = false;

    /* an exception goes with the date it was made of */
    for (i = 0; i < r->n_exceptions; i++) {
        if (r->exceptions[i].original / MAPI_RECUR_MINUTES
            == date / MAPI_RECUR_MINUTES)
        {
            moved = r->exceptions[i].start / MAPI_RECUR_MINUTES
                    * MAPI_RECUR_MINUTES;
            found = true;
            r->n_exceptions--;
            memmove(&r->exceptions[i], &r->exceptions[i + 1],
                    (r->n_exceptions - i) * sizeof(r->exceptions[0]));
            break;
        }
    }

    for (i = 0; found && i < r->pattern.n_modified; i++) {
        if (r->pattern.modified[i] == moved) {
            r->pattern.n_modified--;
            memmove(&r->pattern.modified[i], &r->pattern.modified[i + 1],
                    (r->pattern.n_modified - i) * sizeof(uint32_t));
            break;
        }
    }

    for (at = 0; at < r->pattern.n_deleted; at++) {
        if (r->pattern.deleted[at] == date) {
            return PH_OK;
        }
        if (r->pattern.deleted[at] > date) {
            break;
        }
    }

    if (r->pattern.n_deleted >= MAPI_RECUR_MAX_DATES) {
        return PH_TOOBIG;
    }

    list = ph_pcalloc_array(pool, r->pattern.n_deleted + 1, sizeof(uint32_t));
    if (list == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < r->pattern.n_deleted; i++) {
        list[i + (i >= at)] = r->pattern.deleted[i];
    }
    list[at] = date;
    r->pattern.deleted = list;
    r->pattern.n_deleted++;

    return PH_OK;
}


/* ---- the folder ---- */

/* columns of the table; ids of names are those of the store */
enum {
    EX_COL_MID = 0, EX_COL_START, EX_COL_END, EX_COL_BUSY, EX_COL_STATE,
    EX_COL_RECUR, EX_COL_TZ, EX_COL_TZ_STRUCT, EX_COL_CLEAN, EX_COL_ID,
    EX_COL_SEQUENCE, EX_COL_RECURRING, EX_COLS
};

static const unsigned  ex_calendar_names[EX_COLS] = {
    0, MAPI_NP(PidLidAppointmentStartWhole),
    MAPI_NP(PidLidAppointmentEndWhole), MAPI_NP(PidLidBusyStatus),
    MAPI_NP(PidLidAppointmentStateFlags), MAPI_NP(PidLidAppointmentRecur),
    MAPI_NP(PidLidAppointmentTimeZoneDefinitionRecur),
    MAPI_NP(PidLidTimeZoneStruct), MAPI_NP(PidLidCleanGlobalObjectId),
    MAPI_NP(PidLidGlobalObjectId), MAPI_NP(PidLidAppointmentSequence),
    MAPI_NP(PidLidRecurring)
};

typedef struct {
    uint32_t              tags[EX_COLS];
    mapi_restriction_t    r[8];
    store_table_t        *t;
    ph_pool_t            *pool;
    uint32_t              from;
    uint32_t              to;
    ph_str_t              clean_id;
    ex_busy_list_t       *list;
    uint32_t              n_items;
    ex_meeting_item_t    *items;
} ex_calendar_t;


/* PH_NOTFOUND: the mailbox has no such names, so no such items */
static ph_int_t
ex_calendar_open(store_conn_t *conn, ex_calendar_t *c)
{
    size_t           i;
    uint16_t         ids[EX_COLS];
    ph_int_t         rc;
    mapi_tags_t      columns;
    mapi_propname_t  names[EX_COLS];

    for (i = 1; i < EX_COLS; i++) {
        names[i] = mapi_named_prop(ex_calendar_names[i]).name;
    }

    rc = store_named_ids(conn, false, EX_COLS - 1, names + 1, ids + 1);
    if (rc != PH_OK) {
        return rc;
    }

    c->tags[EX_COL_MID] = PidTagMid;
    for (i = 1; i < EX_COLS; i++) {
        /* one that no message has */
        c->tags[i] = MAPI_TAG(ids[i] ? ids[i] : 0xFFFF,
                              mapi_named_prop(ex_calendar_names[i]).type);
    }

    rc = store_table_contents(conn, STORE_CALENDAR, 0, &c->t);
    if (rc != PH_OK) {
        return rc;
    }

    columns.n = EX_COLS;
    columns.tag = c->tags;
    rc = store_table_set_columns(c->t, &columns);
    if (rc != PH_OK) {
        store_table_close(&c->t);
    }

    return rc;
}


static void
ex_leaf(mapi_restriction_t *r, uint8_t relop, uint32_t tag)
{
    memset(r, 0, sizeof(*r));
    r->type = MAPI_RES_PROPERTY;
    r->u.prop.relop = relop;
    r->u.prop.tag = tag;
    r->u.prop.value.tag = tag;
}


static void
ex_node(mapi_restriction_t *r, uint8_t type, mapi_restriction_t *list,
    uint32_t n)
{
    memset(r, 0, sizeof(*r));
    r->type = type;
    r->u.list.n = n;
    r->u.list.r = list;
}


static ph_str_t
ex_row_bin(const mapi_values_t *row, unsigned i)
{
    return MAPI_TYPE(row->v[i].tag) == PT_BINARY ? row->v[i].u.bin
                                                 : ph_str_null;
}


static int32_t
ex_row_i4(const mapi_values_t *row, unsigned i, int32_t absent)
{
    return MAPI_TYPE(row->v[i].tag) == PT_LONG ? row->v[i].u.i4 : absent;
}


static ph_int_t
ex_busy_row(void *data, const mapi_values_t *row)
{
    ph_int_t        rc;
    ex_when_t       w;
    ex_calendar_t  *c = data;

    if (ex_row_i4(row, EX_COL_BUSY, 2) == 0
        || (ex_row_i4(row, EX_COL_STATE, 0) & EX_STATE_CANCELED)
        || MAPI_TYPE(row->v[EX_COL_START].tag) != PT_SYSTIME
        || MAPI_TYPE(row->v[EX_COL_END].tag) != PT_SYSTIME
        || (c->clean_id.len != 0
            && ph_str_eq(ex_row_bin(row, EX_COL_CLEAN), c->clean_id)))
    {
        return PH_OK;
    }

    rc = ex_when_make(c->pool, row->v[EX_COL_START].u.time,
                      row->v[EX_COL_END].u.time,
                      ex_row_bin(row, EX_COL_RECUR),
                      ex_row_bin(row, EX_COL_TZ),
                      ex_row_bin(row, EX_COL_TZ_STRUCT), &w);
    if (rc == PH_INVALID) {
        return PH_OK;    /* nobody can tell when that is */
    }

    if (rc == PH_OK) {
        rc = ex_when_list(c->pool, &w, c->from, c->to, EX_BUSY_MAX, c->list);
    }

    return rc == PH_OK && c->list->n > EX_BUSY_MAX ? PH_TOOBIG
           : rc == PH_DECLINED ? PH_OK : rc;
}


static int
ex_busy_order(const void *x, const void *y)
{
    const ex_busy_t  *a = x, *b = y;

    return a->start < b->start ? -1 : a->start > b->start;
}


/* All rows that match c->r[0]. */
static ph_int_t
ex_calendar_rows(store_conn_t *conn, ex_calendar_t *c, store_row_pt fn)
{
    uint32_t         n;
    ph_int_t         rc;
    store_origin_t   origin;

    rc = store_table_restrict(c->t, &c->r[0]);

    do {
        n = 0;
        if (rc == PH_OK) {
            rc = store_table_query(conn, c->t, STORE_QUERY_LONG, 500, fn, c,
                                   &n, &origin);
        }
    } while (rc == PH_OK && n > 0 && origin != STORE_SEEK_END);

    return rc;
}


ph_int_t
ex_calendar_busy(store_conn_t *conn, ph_pool_t *pool, uint32_t from,
    uint32_t to, ph_str_t clean_id, ex_busy_list_t *list)
{
    ph_int_t       rc;
    ex_calendar_t  c;

    memset(&c, 0, sizeof(c));
    c.pool = pool;
    c.from = from;
    c.to = to;
    c.clean_id = clean_id;
    c.list = list;

    rc = ex_calendar_open(conn, &c);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    /* a series, or what touches the range */
    ex_node(&c.r[0], MAPI_RES_OR, &c.r[1], 2);
    ex_leaf(&c.r[1], RELOP_EQ, c.tags[EX_COL_RECURRING]);
    c.r[1].u.prop.value.u.b = true;
    ex_node(&c.r[2], MAPI_RES_AND, &c.r[3], 2);
    ex_leaf(&c.r[3], RELOP_LT, c.tags[EX_COL_START]);
    c.r[3].u.prop.value.u.time = EX_FILETIME(to);
    ex_leaf(&c.r[4], RELOP_GT, c.tags[EX_COL_END]);
    c.r[4].u.prop.value.u.time = EX_FILETIME(from);

    rc = ex_calendar_rows(conn, &c, ex_busy_row);
    store_table_close(&c.t);

    if (rc == PH_OK && list->n > 1) {
        qsort(list->v, list->n, sizeof(ex_busy_t), ex_busy_order);
    }

    return rc;
}


static ph_int_t
ex_item_row(void *data, const mapi_values_t *row)
{
    ex_calendar_t      *c = data;
    ex_meeting_item_t  *item;

    if (c->n_items == EX_MEETING_ITEMS
        || MAPI_TYPE(row->v[EX_COL_MID].tag) != PT_I8)
    {
        return PH_OK;
    }

    item = &c->items[c->n_items++];
    item->mid = store_id((mapi_eid_t) row->v[EX_COL_MID].u.i8);
    item->sequence = ex_row_i4(row, EX_COL_SEQUENCE, 0);
    item->recurring = ex_row_bin(row, EX_COL_RECUR).len != 0;
    item->id = ph_pstrdup(c->pool, ex_row_bin(row, EX_COL_ID));

    return item->id.data != NULL ? PH_OK : PH_NOMEM;
}


ph_int_t
ex_calendar_find(store_conn_t *conn, ph_pool_t *pool, ph_str_t clean_id,
    uint32_t *n_r, ex_meeting_item_t **items_r)
{
    ph_int_t       rc;
    ex_calendar_t  c;

    *n_r = 0;
    memset(&c, 0, sizeof(c));
    c.pool = pool;
    c.items = ph_pcalloc_array(pool, EX_MEETING_ITEMS, sizeof(*c.items));
    if (c.items == NULL) {
        return PH_NOMEM;
    }
    *items_r = c.items;

    rc = ex_calendar_open(conn, &c);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }

    ex_leaf(&c.r[0], RELOP_EQ, c.tags[EX_COL_CLEAN]);
    c.r[0].u.prop.value.u.bin = clean_id;
    rc = ex_calendar_rows(conn, &c, ex_item_row);
    store_table_close(&c.t);
    *n_r = c.n_items;

    return rc;
}
