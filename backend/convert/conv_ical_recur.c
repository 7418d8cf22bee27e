#include "conv_ical_recur.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"

#define RRULE_DAY          MAPI_RECUR_MINUTES
#define RRULE_WORKDAYS     0x3Eu
#define RRULE_ALL_DAYS     0x7Fu
#define RRULE_MAX_COUNT    100000u

/* MS-OXCICAL 2.1.3.2.2 */
#define RRULE_MAX_DAYS     999
#define RRULE_MAX_WEEKS    99
#define RRULE_MAX_MONTHS   99
#define RRULE_MAX_YEARS    8

static const char  rrule_days[] = "SUMOTUWETHFRSA";

typedef enum {
    RRULE_DAILY, RRULE_WEEKLY, RRULE_MONTHLY, RRULE_YEARLY
} rrule_freq_t;

typedef struct {
    int       freq;           /* -1: none */
    uint32_t  interval;
    uint32_t  count;
    bool      until;
    bool      until_utc;
    uint32_t  until_minutes;
    uint32_t  weekdays;       /* of BYDAY */
    uint32_t  n_days;
    int32_t   ordinal;        /* of a single BYDAY */
    bool      ordinals;       /* more than one has an ordinal */
    int32_t   month_day;
    int32_t   month;
    int32_t   setpos;
    uint32_t  wkst;
    bool      declined;
} rrule_t;

/* ---- reading ---- */

static bool
rrule_number(ph_str_t s, int32_t *v_r)
{
    bool    negative;
    size_t  i;

    negative = s.len && s.data[0] == '-';
    i = negative || (s.len && s.data[0] == '+');
    if (i == s.len || s.len > 7) {
        return false;
    }
    for (*v_r = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        *v_r = *v_r * 10 + (s.data[i] - '0');
    }
    *v_r = negative ? -*v_r : *v_r;

    return true;
}

static int
rrule_weekday(ph_str_t s)
{
    int  i;

    for (i = 0; s.len == 2 && i < 7; i++) {
        if (ph_str_ieq(s, (ph_str_t) { 2, (const uint8_t *) rrule_days
                                          + 2 * i }))
        {
            return i;
        }
    }

    return -1;
}

/* the next part of a list, up to the separator */
static bool
rrule_part(ph_str_t *list, uint8_t sep, ph_str_t *part_r)
{
    size_t          len;
    const uint8_t  *p;

    if (list->len == 0) {
        return false;
    }
    p = memchr(list->data, sep, list->len);
    len = p ? (size_t) (p - list->data) : list->len;
    *part_r = (ph_str_t) { len, list->data };
    len += p != NULL;
    list->data += len;
    list->len -= len;

    return true;
}

static bool
rrule_by_day(rrule_t *r, ph_str_t list)
{
    int       day;
    int32_t   n;
    ph_str_t  one;

    while (rrule_part(&list, ',', &one)) {
        if (one.len < 2) {
            return false;
        }
        day = rrule_weekday((ph_str_t) { 2, one.data + one.len - 2 });
        n = 0;
        if (day < 0
            || (one.len > 2
                && !rrule_number((ph_str_t) { one.len - 2, one.data }, &n)))
        {
            return false;
        }
        r->ordinals |= n != 0 && r->n_days != 0;
        r->ordinal = n;
        r->weekdays |= 1u << day;
        r->n_days++;
    }

    return r->n_days != 0;
}

/* a list of one number; more are beyond MAPI */
static bool
rrule_single(rrule_t *r, ph_str_t list, int32_t *v_r)
{
    if (memchr(list.data, ',', list.len)) {
        r->declined = true;
        return true;
    }

    return rrule_number(list, v_r);
}

/* YYYYMMDD, with THHMMSS, with Z */
static bool
rrule_time(ph_str_t s, uint32_t *minutes_r, bool *utc_r)
{
    size_t     i;
    uint32_t   v[2], days;
    ph_date_t  date;

    *utc_r = s.len && (s.data[s.len - 1] | 0x20) == 'z';
    s.len -= *utc_r;
    if (s.len != 8 && (s.len != 15 || (s.data[8] | 0x20) != 't')) {
        return false;
    }
    for (v[0] = v[1] = 0, i = 0; i < s.len; i++) {
        if (i == 8) {
            continue;
        }
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        v[i > 8] = v[i > 8] * 10 + (s.data[i] - '0');
    }
    date = (ph_date_t) { v[0] / 10000, v[0] / 100 % 100, v[0] % 100 };
    if (ph_date_days(date, &days) != PH_OK || v[1] / 10000 > 23
        || v[1] / 100 % 100 > 59 || days >= UINT32_MAX / RRULE_DAY)
    {
        return false;
    }
    *minutes_r = days * RRULE_DAY + v[1] / 10000 * 60 + v[1] / 100 % 100;

    return true;
}

static bool
rrule_item(rrule_t *r, ph_str_t key, ph_str_t value)
{
    int32_t                   n;
    unsigned                  i;
    static const char *const  freqs[] = {
        "DAILY", "WEEKLY", "MONTHLY", "YEARLY"
    };

    if (ph_str_ieq_c(key, "FREQ")) {
        for (i = 0; i < ph_nelts(freqs); i++) {
            if (ph_str_ieq_c(value, freqs[i])) {
                r->freq = (int) i;
                return true;
            }
        }
        r->declined = true;
        return true;
    }
    if (ph_str_ieq_c(key, "INTERVAL")) {
        if (!rrule_number(value, &n) || n < 1) {
            return false;
        }
        r->interval = (uint32_t) n;
        return true;
    }
    if (ph_str_ieq_c(key, "COUNT")) {
        if (!rrule_number(value, &n) || n < 1) {
            return false;
        }
        r->count = (uint32_t) n;
        return true;
    }
    if (ph_str_ieq_c(key, "UNTIL")) {
        r->until = true;
        return rrule_time(value, &r->until_minutes, &r->until_utc);
    }
    if (ph_str_ieq_c(key, "BYDAY")) {
        return rrule_by_day(r, value);
    }
    if (ph_str_ieq_c(key, "BYMONTHDAY")) {
        return rrule_single(r, value, &r->month_day);
    }
    if (ph_str_ieq_c(key, "BYMONTH")) {
        return rrule_single(r, value, &r->month);
    }
    if (ph_str_ieq_c(key, "BYSETPOS")) {
        return rrule_single(r, value, &r->setpos);
    }
    if (ph_str_ieq_c(key, "WKST")) {
        n = rrule_weekday(value);
        r->wkst = (uint32_t) ph_max(n, 0);
        return n >= 0;
    }
    if (ph_str_ieq_c(key, "BYYEARDAY") || ph_str_ieq_c(key, "BYWEEKNO")
        || ph_str_ieq_c(key, "BYHOUR") || ph_str_ieq_c(key, "BYMINUTE")
        || ph_str_ieq_c(key, "BYSECOND") || ph_str_ieq_c(key, "RSCALE"))
    {
        r->declined = true;
    }

    return true;      /* extensions */
}

static ph_int_t
rrule_parse(ph_str_t rrule, rrule_t *r)
{
    ph_str_t  item, key;

    *r = (rrule_t) { .freq = -1, .interval = 1, .wkst = 1 };
    if (rrule.len > CONV_RRULE_MAX) {
        return PH_INVALID;
    }
    while (rrule_part(&rrule, ';', &item)) {
        if (item.len == 0) {
            continue;
        }
        if (!rrule_part(&item, '=', &key) || item.len == 0
            || !rrule_item(r, key, item))
        {
            return PH_INVALID;
        }
    }
    if (r->declined) {
        return PH_DECLINED;
    }

    return r->freq < 0 || (r->until && r->count) ? PH_INVALID : PH_OK;
}

ph_int_t
conv_rrule_until(ph_str_t rrule, uint32_t *minutes_r, bool *utc_r)
{
    rrule_t   r;
    ph_int_t  rc;

    rc = rrule_parse(rrule, &r);
    if (rc != PH_OK) {
        return rc;
    }
    *minutes_r = r.until_minutes;
    *utc_r = r.until_utc;

    return r.until ? PH_OK : PH_NOTFOUND;
}

/* ---- to a pattern ---- */

static bool
rrule_daily(const rrule_t *r, mapi_recur_t *p)
{
    p->frequency = MAPI_RECUR_DAILY;
    if (r->month || r->setpos || r->month_day || r->interval > RRULE_MAX_DAYS)
    {
        return false;
    }
    if (r->n_days) {
        /* each day of a list: a weekly one */
        if (r->ordinal || r->ordinals || r->interval != 1) {
            return false;
        }
        p->frequency = r->weekdays == RRULE_WORKDAYS ? MAPI_RECUR_DAILY
                                                     : MAPI_RECUR_WEEKLY;
        p->pattern = MAPI_RECUR_WEEK;
        p->weekdays = r->weekdays;
        p->period = 1;
        return true;
    }
    p->pattern = MAPI_RECUR_DAY;
    p->period = r->interval * RRULE_DAY;

    return true;
}

static bool
rrule_weekly(const rrule_t *r, uint32_t day, mapi_recur_t *p)
{
    p->frequency = MAPI_RECUR_WEEKLY;
    p->pattern = MAPI_RECUR_WEEK;
    p->period = r->interval;
    p->weekdays = r->n_days ? r->weekdays : 1u << ph_date_weekday(day);

    return !r->month && !r->setpos && !r->month_day && !r->ordinal
           && !r->ordinals && r->interval <= RRULE_MAX_WEEKS;
}

/* the part that months and years share */
static bool
rrule_in_month(const rrule_t *r, ph_date_t date, mapi_recur_t *p)
{
    int32_t  n;

    if (r->n_days == 0) {
        if (r->setpos) {
            return false;
        }
        n = r->month_day ? r->month_day : (int32_t) date.day;
        if (n != -1 && (n < 1 || n > 31)) {
            return false;
        }
        /*
         * RFC 5545 leaves out the months without that day, Outlook takes their
         * last one: only the last day itself means the same to both.
         */
        p->pattern = n == -1 ? MAPI_RECUR_MONTH_END : MAPI_RECUR_MONTH;
        p->day = n == -1 ? 31 : (uint32_t) n;
        return true;
    }
    if (r->month_day || r->ordinals || (r->ordinal && r->setpos)) {
        return false;
    }
    n = r->ordinal ? r->ordinal : r->setpos;
    if (n != -1 && (n < 1 || n > 4)) {
        return false;
    }
    p->pattern = MAPI_RECUR_NTH;
    p->weekdays = r->weekdays;
    p->nth = n == -1 ? 5 : (uint32_t) n;

    return true;
}

static bool
rrule_monthly(const rrule_t *r, ph_date_t date, mapi_recur_t *p)
{
    p->frequency = MAPI_RECUR_MONTHLY;
    p->period = r->interval;

    return !r->month && r->interval <= RRULE_MAX_MONTHS
           && rrule_in_month(r, date, p);
}

static bool
rrule_yearly(const rrule_t *r, ph_date_t date, mapi_recur_t *p)
{
    p->frequency = MAPI_RECUR_YEARLY;
    p->period = 12 * r->interval;
    if (r->month && (r->month < 1 || r->month > 12)) {
        return false;
    }

    return r->interval <= RRULE_MAX_YEARS && (r->month || r->n_days == 0)
           && (!r->month || (uint32_t) r->month == date.month)
           && rrule_in_month(r, date, p);
}

ph_int_t
conv_recur_nth(const mapi_recur_t *r, uint32_t n, uint32_t *date_r)
{
    uint32_t      i, date;
    ph_int_t      rc;
    mapi_recur_t  all;

    all = *r;
    all.end_type = MAPI_RECUR_ENDLESS;
    all.end = MAPI_RECUR_NEVER;
    if (r->pattern == MAPI_RECUR_DAY) {
        rc = mapi_recur_next(&all, r->start, &date);
        if (rc == PH_OK && (MAPI_RECUR_NEVER - date) / r->period < n - 1) {
            return PH_DONE;
        }
        *date_r = rc == PH_OK ? date + (n - 1) * r->period : 0;
        return rc;
    }
    for (i = 0, date = r->start; i < n; i++, date = *date_r + RRULE_DAY) {
        rc = mapi_recur_next(&all, date, date_r);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}

/* occurrences up to a date */
static uint32_t
rrule_count(const mapi_recur_t *r, uint32_t until, uint32_t *last_r)
{
    uint32_t      n, date, next;
    mapi_recur_t  all;

    all = *r;
    all.end_type = MAPI_RECUR_ENDLESS;
    all.end = MAPI_RECUR_NEVER;
    for (n = 0, date = r->start; n < RRULE_MAX_COUNT; n++) {
        if (mapi_recur_next(&all, date, &next) != PH_OK || next > until) {
            break;
        }
        *last_r = next;
        date = next + RRULE_DAY;
    }

    return n;
}

static ph_int_t
rrule_end(const rrule_t *r, uint32_t until, uint32_t time, mapi_recur_t *p)
{
    if (r->count) {
        p->end_type = MAPI_RECUR_COUNT;
        p->count = r->count;
        if (r->count > RRULE_MAX_COUNT) {
            return PH_DECLINED;
        }
        if (conv_recur_nth(p, r->count, &p->end) == PH_OK) {
            return PH_OK;
        }
        /* beyond what MAPI can count: endless */
    } else if (r->until) {
        p->end_type = MAPI_RECUR_UNTIL;
        /* an occurrence that begins after that time does not happen */
        p->count = rrule_count(p, until >= time ? until - time : 0, &p->end);
        return p->count ? PH_OK : PH_DECLINED;
    }
    p->end_type = MAPI_RECUR_ENDLESS;
    p->count = 10;
    p->end = MAPI_RECUR_NEVER;

    return PH_OK;
}

ph_int_t
conv_rrule_import(ph_str_t rrule, uint32_t start, uint32_t until_local,
    mapi_recur_t *p)
{
    bool       fine;
    rrule_t    r;
    ph_int_t   rc;
    uint32_t   day, first, until;
    ph_date_t  date;

    rc = rrule_parse(rrule, &r);
    if (rc != PH_OK) {
        return rc;
    }
    memset(p, 0, sizeof(*p));
    day = start / RRULE_DAY;
    date = ph_date_of(day);
    p->start = day * RRULE_DAY;
    p->first_dow = r.wkst;
    p->end_type = MAPI_RECUR_ENDLESS;
    p->end = MAPI_RECUR_NEVER;

    switch (r.freq) {
    case RRULE_DAILY:
        fine = rrule_daily(&r, p);
        break;
    case RRULE_WEEKLY:
        fine = rrule_weekly(&r, day, p);
        break;
    case RRULE_MONTHLY:
        fine = rrule_monthly(&r, date, p);
        break;
    default:
        fine = rrule_yearly(&r, date, p);
        break;
    }
    if (!fine || mapi_recur_next(p, p->start, &first) != PH_OK) {
        return PH_DECLINED;
    }
    /* in both worlds the pattern begins with its first occurrence */
    p->start = first;
    p->first = mapi_recur_first(p);

    until = until_local ? until_local : r.until_minutes;
    if (r.until && !until_local && until % RRULE_DAY == 0) {
        until += RRULE_DAY - 1;         /* a date: that day, too */
    }

    return rrule_end(&r, until, start % RRULE_DAY, p);
}

/* ---- writing ---- */

static void
rrule_put_days(ph_wbuf_t *b, uint32_t mask)
{
    unsigned  i, n;

    ph_put_str(b, ph_str_c(";BYDAY="));
    for (i = 0, n = 0; i < 7; i++) {
        if (mask >> i & 1) {
            ph_put_bytes(b, ",", n++ != 0);
            ph_put_bytes(b, rrule_days + 2 * i, 2);
        }
    }
}

static void
rrule_put_month(ph_wbuf_t *b, const mapi_recur_t *r)
{
    switch (r->pattern) {
    case MAPI_RECUR_NTH:
        rrule_put_days(b, r->weekdays);
        ph_put_fmt(b, ";BYSETPOS=%d", r->nth == 5 ? -1 : (int) r->nth);
        break;
    case MAPI_RECUR_MONTH_END:
        ph_put_str(b, ph_str_c(";BYMONTHDAY=-1"));
        break;
    default:
        /* Outlook's 31st is the last day of each month */
        ph_put_fmt(b, ";BYMONTHDAY=%d", r->day == 31 ? -1 : (int) r->day);
        break;
    }
}

static void
rrule_put_freq(ph_wbuf_t *b, const mapi_recur_t *r)
{
    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        ph_put_fmt(b, "FREQ=DAILY;INTERVAL=%u", r->period / RRULE_DAY);
        break;
    case MAPI_RECUR_WEEK:
        ph_put_fmt(b, "FREQ=WEEKLY;INTERVAL=%u",
                   r->frequency == MAPI_RECUR_DAILY ? 1 : r->period);
        rrule_put_days(b, r->weekdays);
        break;
    default:
        if (r->period % 12 == 0) {
            ph_put_fmt(b, "FREQ=YEARLY;INTERVAL=%u;BYMONTH=%u", r->period / 12,
                       ph_date_of(r->start / RRULE_DAY).month);
        } else {
            ph_put_fmt(b, "FREQ=MONTHLY;INTERVAL=%u", r->period);
        }
        rrule_put_month(b, r);
        break;
    }
}

ph_int_t
conv_rrule_export(ph_wbuf_t *b, const mapi_recur_t *r, uint32_t until_utc)
{
    ph_date_t  date;

    if (r->pattern >= MAPI_RECUR_HJ_MONTH) {
        return PH_DECLINED;
    }
    rrule_put_freq(b, r);
    if (r->end_type == MAPI_RECUR_COUNT && r->count) {
        ph_put_fmt(b, ";COUNT=%u", r->count);
    } else if (r->end_type != MAPI_RECUR_ENDLESS
               && r->end < MAPI_RECUR_NEVER)
    {
        date = ph_date_of(until_utc / RRULE_DAY);
        ph_put_fmt(b, ";UNTIL=%04u%02u%02uT%02u%02u00Z", date.year, date.month,
                   date.day, until_utc % RRULE_DAY / 60, until_utc % 60);
    }
    if (r->pattern == MAPI_RECUR_WEEK) {
        ph_put_fmt(b, ";WKST=%.2s", rrule_days + 2 * ph_min(r->first_dow, 6));
    }

    return PH_OK;
}
