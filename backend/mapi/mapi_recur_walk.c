/*
 * The days of a recurrence.  A pattern repeats from the day, week or month of
 * its first date: any later one is found by division, then a look at the days
 * of one week or month.
 */

#include "mapi_recur.h"
#include "lib/ph_date.h"

#include <stdlib.h>

#define RECUR_LAST_DAY  (MAPI_RECUR_NEVER / MAPI_RECUR_MINUTES)

static uint32_t
recur_last(const mapi_recur_t *r)
{
    return r->end_type == MAPI_RECUR_ENDLESS || r->end >= MAPI_RECUR_NEVER
           ? RECUR_LAST_DAY : r->end / MAPI_RECUR_MINUTES;
}

static uint32_t
recur_week(const mapi_recur_t *r, uint32_t day)
{
    uint32_t  back;

    back = (ph_date_weekday(day) + 7 - r->first_dow) % 7;

    return day > back ? day - back : 0;
}

uint32_t
mapi_recur_first(const mapi_recur_t *r)
{
    uint32_t   day, months, month_day;
    ph_date_t  date;

    day = r->start / MAPI_RECUR_MINUTES;
    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        return r->start % ph_max(r->period, 1);
    case MAPI_RECUR_WEEK:
        if (r->frequency == MAPI_RECUR_DAILY) {
            return r->start % ph_max(r->period, 1);
        }
        return (uint32_t) (recur_week(r, day) * (uint64_t) MAPI_RECUR_MINUTES
                           % (ph_max(r->period, 1) * UINT64_C(10080)));
    default:
        date = ph_date_of(day);
        months = (date.year - 1601) * 12 + date.month - 1;
        months %= ph_max(r->period, 1);
        if (ph_date_days((ph_date_t) { 1601 + months / 12, months % 12 + 1, 1 },
                         &month_day) != PH_OK)
        {
            return 0;
        }
        return month_day * MAPI_RECUR_MINUTES;
    }
}

static bool
recur_next_week(const mapi_recur_t *r, uint32_t day, uint32_t *day_r)
{
    unsigned  i;
    uint32_t  first, weeks, period;

    first = recur_week(r, r->start / MAPI_RECUR_MINUTES);
    period = r->frequency == MAPI_RECUR_DAILY ? 1 : r->period;
    weeks = (day - first) / 7;
    if (weeks % period) {
        day = first + (weeks / period + 1) * period * 7;
    }
    /* the rest of this week, or else the next one that counts */
    for (i = 0; i < 14; i++) {
        if (r->weekdays >> ph_date_weekday(day) & 1) {
            *day_r = day;
            return true;
        }
        day++;
        if ((day - first) % 7 == 0) {
            day += (period - 1) * 7;
        }
    }

    return false;
}

/* the day of a month that the pattern names */
static uint32_t
recur_month_day(const mapi_recur_t *r, uint32_t year, uint32_t month)
{
    uint32_t  n, first, day, found, hits;

    n = ph_date_month_days(year, month);
    if (r->pattern == MAPI_RECUR_MONTH_END) {
        return n;
    }
    if (r->pattern == MAPI_RECUR_MONTH) {
        return ph_min(r->day, n);
    }
    if (ph_date_days((ph_date_t) { year, month, 1 }, &first) != PH_OK) {
        return 0;
    }
    /* the fifth is the last, however many there are */
    for (day = 1, found = 0, hits = 0;
         day <= n && (r->nth == 5 || hits < r->nth); day++)
    {
        if (r->weekdays >> ph_date_weekday(first + day - 1) & 1) {
            found = day;
            hits++;
        }
    }

    return r->nth == 5 || hits == r->nth ? found : 0;
}

static bool
recur_next_month(const mapi_recur_t *r, uint32_t day, uint32_t *day_r)
{
    unsigned   i;
    uint32_t   first, m, at;
    ph_date_t  date;

    date = ph_date_of(r->start / MAPI_RECUR_MINUTES);
    first = date.year * 12 + date.month - 1;
    date = ph_date_of(day);
    m = date.year * 12 + date.month - 1;
    m = first + (m - first + r->period - 1) / r->period * r->period;

    /* the first one may be too early in its month */
    for (i = 0; i < 2; i++, m += r->period) {
        date = (ph_date_t) { m / 12, m % 12 + 1, 0 };
        date.day = recur_month_day(r, date.year, date.month);
        if (ph_date_days(date, &at) != PH_OK) {
            return false;
        }
        if (at >= day) {
            *day_r = at;
            return true;
        }
    }

    return false;
}

ph_int_t
mapi_recur_next(const mapi_recur_t *r, uint32_t date, uint32_t *date_r)
{
    bool      found;
    uint32_t  day, start, step;

    if (r->pattern >= MAPI_RECUR_HJ_MONTH) {
        return PH_DECLINED;
    }
    start = r->start / MAPI_RECUR_MINUTES;
    day = date / MAPI_RECUR_MINUTES + (date % MAPI_RECUR_MINUTES != 0);
    day = ph_max(day, start);
    if (day > recur_last(r)) {
        return PH_DONE;
    }

    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        step = r->period / MAPI_RECUR_MINUTES;
        day = start + (day - start + step - 1) / step * step;
        found = true;
        break;
    case MAPI_RECUR_WEEK:
        found = recur_next_week(r, day, &day);
        break;
    default:
        found = recur_next_month(r, day, &day);
        break;
    }
    if (!found || day > recur_last(r)) {
        return PH_DONE;
    }
    *date_r = day * MAPI_RECUR_MINUTES;

    return PH_OK;
}

static bool
recur_touches(uint32_t start, uint32_t end, uint32_t from, uint32_t to)
{
    return start < to && (end > from || (start == end && start >= from));
}

static int
recur_compare(const void *key, const void *date)
{
    uint32_t  x, y;

    x = *(const uint32_t *) key;
    /* clients write dates of deleted instances with or without the time */
    y = *(const uint32_t *) date / MAPI_RECUR_MINUTES * MAPI_RECUR_MINUTES;

    return (x > y) - (x < y);
}

ph_int_t
mapi_appt_recur_walk(const mapi_appt_recur_t *r, uint32_t from, uint32_t to,
    uint32_t max, mapi_occurrence_pt fn, void *data)
{
    uint32_t           i, n, date;
    ph_int_t           rc;
    mapi_occurrence_t  o;

    for (i = 0, n = 0; i < r->n_exceptions; i++) {
        o.exception = &r->exceptions[i];
        o.start = o.exception->start;
        o.end = o.exception->end;
        o.date = o.exception->original / MAPI_RECUR_MINUTES
                 * MAPI_RECUR_MINUTES;
        if (!recur_touches(o.start, o.end, from, to)) {
            continue;
        }
        if (n++ == max) {
            return PH_TOOBIG;
        }
        rc = fn(data, &o);
        if (rc != PH_OK) {
            return rc;
        }
    }

    o.exception = NULL;
    date = from > r->end_offset ? from - r->end_offset : 0;
    date = date / MAPI_RECUR_MINUTES * MAPI_RECUR_MINUTES;
    for (;; date = o.date + MAPI_RECUR_MINUTES) {
        rc = mapi_recur_next(&r->pattern, date, &o.date);
        if (rc != PH_OK) {
            return rc == PH_DONE ? PH_OK : rc;
        }
        o.start = o.date + r->start_offset;
        o.end = o.date + ph_max(r->end_offset, r->start_offset);
        if (o.start >= to) {
            return PH_OK;
        }
        if (!recur_touches(o.start, o.end, from, to)
            || bsearch(&o.date, r->pattern.deleted, r->pattern.n_deleted,
                       sizeof(uint32_t), recur_compare))
        {
            continue;
        }
        if (n++ == max) {
            return PH_TOOBIG;
        }
        rc = fn(data, &o);
        if (rc != PH_OK) {
            return rc;
        }
    }
}
