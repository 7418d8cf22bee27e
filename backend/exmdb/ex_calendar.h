/*
 * The calendar of a mailbox: when it is taken, and whose meetings are in it
 * (MS-OXOCAL 2.2.1).  Times are minutes since 1601-01-01 in UTC.
 */

#ifndef EX_CALENDAR_H
#define EX_CALENDAR_H

#include "store/store.h"
#include "mapi/mapi_recur.h"
#include "mapi/mapi_tz.h"

#define EX_BUSY_MAX          10000    /* intervals that are looked at */
#define EX_OCCURRENCES_MAX   1100     /* of one series */
#define EX_MEETING_ITEMS     64       /* items of one meeting */
#define EX_CALENDAR_BLOB     (512u << 10)

#define EX_MINUTES(filetime)  ((uint32_t) ((filetime) / 600000000u))
#define EX_FILETIME(minutes)  ((uint64_t) (minutes) * 600000000u)

typedef struct {
    uint32_t  start;
    uint32_t  end;
    uint32_t  date;     /* of an occurrence: its original date, local */
} ex_busy_t;

typedef struct {
    uint32_t    n;
    uint32_t    cap;
    ex_busy_t  *v;
} ex_busy_list_t;

/* when an item takes place */
typedef struct {
    uint32_t           start;
    uint32_t           end;
    bool               recurring;
    mapi_appt_recur_t  recur;
    mapi_tz_t          tz;
    mapi_tz_rule_t     rule;    /* where tz.rules may point */
} ex_when_t;

/*
 * The blobs may be empty: no recurrence, UTC.  w_r points into pool and into
 * itself: it is not copied.  PH_INVALID: they do not decode.
 */
ph_int_t ex_when_make(ph_pool_t *pool, uint64_t start, uint64_t end,
    ph_str_t recur, ph_str_t tz_definition, ph_str_t tz_struct,
    ex_when_t *w_r);
/* Adds the occurrences that touch [from, to).  PH_TOOBIG: more than max. */
ph_int_t ex_when_list(ph_pool_t *pool, const ex_when_t *w, uint32_t from,
    uint32_t to, uint32_t max, ex_busy_list_t *list);

/*
 * Adds when the calendar is taken in [from, to), by anything but the meeting
 * with this clean global object id (empty: none is left out), sorted by start.
 * Only items in the range and series are expanded.  PH_TOOBIG: EX_BUSY_MAX.
 */
ph_int_t ex_calendar_busy(store_conn_t *conn, ph_pool_t *pool, uint32_t from,
    uint32_t to, ph_str_t clean_id, ex_busy_list_t *list);

/* an item of a meeting */
typedef struct {
    uint64_t  mid;
    int32_t   sequence;
    bool      recurring;
    ph_str_t  id;        /* PidLidGlobalObjectId */
} ex_meeting_item_t;

/* The items of a meeting, in pool; at most EX_MEETING_ITEMS. */
ph_int_t ex_calendar_find(store_conn_t *conn, ph_pool_t *pool,
    ph_str_t clean_id, uint32_t *n_r, ex_meeting_item_t **items_r);

/* The occurrence on `date` (minutes, local, midnight) is no longer one. */
ph_int_t ex_recur_delete(ph_pool_t *pool, mapi_appt_recur_t *r,
    uint32_t date);

#endif
