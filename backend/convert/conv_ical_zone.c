/*
 * A zone is first the list of its changes; then the changes of each year are
 * made a rule, and years with the same rule are put together.
 */

#include "conv_ical_zone.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"

#include <libical/ical.h>
#include <stdlib.h>
#include <unicode/ucal.h>
#include <unicode/ustring.h>

#define ZONE_DAY       1440
#define ZONE_EPOCH     (INT64_C(134774) * ZONE_DAY)    /* 1970 */
#define ZONE_LAST      0x10u                           /* of zone_day_t.nth */
#define ZONE_CHANGES   2048
#define ZONE_OFFSET    (26 * 60)                       /* of UTC, at most */

typedef struct {
    int64_t  at;          /* minutes since 1601, UTC */
    int32_t  from;        /* minutes east of UTC */
    int32_t  to;
    bool     daylight;    /* summer begins */
} zone_change_t;

typedef struct {
    uint32_t        n;
    zone_change_t  *v;    /* ZONE_CHANGES */
    int32_t         before;   /* offset before the first */
} zone_changes_t;

/* when in the year; nth is a set: bits 0 to 3 the first to fourth, ZONE_LAST */
typedef struct {
    uint32_t  month;
    uint32_t  weekday;
    uint32_t  nth;
    uint32_t  minute;     /* of the day */
    uint32_t  year;       /* not 0: the edge of that year instead */
} zone_day_t;

typedef struct {
    uint32_t    year;
    int32_t     bias;
    int32_t     daylight_bias;
    bool        summer;
    zone_day_t  standard;
    zone_day_t  daylight;
} zone_year_t;

/* ---- changes to rules ---- */

static zone_day_t
zone_day(const zone_change_t *c)
{
    int64_t     local;
    uint32_t    days;
    ph_date_t   date;
    zone_day_t  d;

    local = ph_max(c->at + c->from, 0);
    days = (uint32_t) (local / ZONE_DAY);
    date = ph_date_of(days);
    d.year = 0;
    d.month = date.month;
    d.weekday = ph_date_weekday(days);
    d.minute = (uint32_t) (local % ZONE_DAY);
    d.nth = date.day <= 28 ? 1u << (date.day - 1) / 7 : 0;
    if (date.day + 7 > ph_date_month_days(date.year, date.month)) {
        d.nth |= ZONE_LAST;
    }

    return d;
}

static bool
zone_same_day(zone_day_t *a, const zone_day_t *b)
{
    if (a->year || b->year || a->month != b->month || a->weekday != b->weekday
        || a->minute != b->minute || (a->nth & b->nth) == 0)
    {
        return false;
    }
    a->nth &= b->nth;

    return true;
}

/* does the year go on as those before? */
static bool
zone_same(zone_year_t *run, const zone_year_t *y)
{
    zone_year_t  try = *run;

    if (run->bias != y->bias || run->summer != y->summer
        || (run->summer
            && (run->daylight_bias != y->daylight_bias
                || !zone_same_day(&try.standard, &y->standard)
                || !zone_same_day(&try.daylight, &y->daylight))))
    {
        return false;
    }
    *run = try;

    return true;
}

static void
zone_systemtime(mapi_systemtime_t *t, const zone_day_t *d)
{
    uint32_t  n;

    for (n = 1; n < 5 && (d->nth & ZONE_LAST
                          || (d->nth >> (n - 1) & 1) == 0); n++) { /* void */ }
    t->year = (uint16_t) d->year;
    t->month = (uint16_t) d->month;
    t->weekday = (uint16_t) d->weekday;
    t->day = (uint16_t) (d->year == 0 ? n : d->month == 1 ? 1 : 31);
    t->hour = (uint16_t) (d->minute / 60);
    t->minute = (uint16_t) (d->minute % 60);
}

static mapi_tz_rule_t
zone_rule(const zone_year_t *run, bool first)
{
    mapi_tz_rule_t  r;

    memset(&r, 0, sizeof(r));
    r.year = first ? 1601 : (uint16_t) run->year;
    r.bias = run->bias;
    if (run->summer) {
        r.daylight_bias = run->daylight_bias;
        zone_systemtime(&r.standard, &run->standard);
        zone_systemtime(&r.daylight, &run->daylight);
    }

    return r;
}

/* A year with one change: "summer" reaches to one of its edges. */
static void
zone_half_year(zone_year_t *y, const zone_change_t *c)
{
    y->summer = c->from != c->to;
    if (c->daylight) {
        y->bias = -c->from;
        y->daylight_bias = -(c->to - c->from);
        y->daylight = zone_day(c);
        y->standard = (zone_day_t) { .year = y->year, .month = 12,
                                     .minute = ZONE_DAY - 1 };
    } else {
        y->bias = -c->to;
        y->daylight_bias = -(c->from - c->to);
        y->daylight = (zone_day_t) { .year = y->year, .month = 1 };
        y->standard = zone_day(c);
    }
}

/* what the changes make of a year; *i is the first change that may be in it */
static zone_year_t
zone_year(const zone_changes_t *c, uint32_t year, uint32_t *i)
{
    int32_t               offset;
    uint32_t              at;
    unsigned              summers, winters;
    zone_year_t           y;
    const zone_change_t  *v, *summer, *winter;

    summer = winter = NULL;
    summers = winters = 0;
    offset = *i ? c->v[*i - 1].to : c->before;
    for (; *i < c->n; (*i)++) {
        v = &c->v[*i];
        at = ph_date_of((uint32_t) (ph_max(v->at + v->from, 0)
                                    / ZONE_DAY)).year;
        if (at > year) {
            break;
        }
        offset = v->to;
        if (at < year) {
            continue;          /* before the first year */
        }
        if (v->daylight) {
            summer = v;
            summers++;
        } else {
            winter = v;
            winters++;
        }
    }
    memset(&y, 0, sizeof(y));
    y.year = year;
    y.bias = -offset;
    if (summers + winters == 1) {
        zone_half_year(&y, summer ? summer : winter);
        return y;
    }
    y.summer = summers == 1 && winters == 1 && winter->to != summer->to;
    if (y.summer) {
        y.bias = -winter->to;
        y.daylight_bias = -(summer->to - winter->to);
        y.standard = zone_day(winter);
        y.daylight = zone_day(summer);
    }

    return y;
}

static ph_int_t
zone_rules(ph_pool_t *pool, const zone_changes_t *c, mapi_tz_t *tz)
{
    uint32_t     year, i;
    zone_year_t  run, y;

    tz->rules = ph_pcalloc_array(pool, CONV_ZONE_LAST_YEAR
                                       - CONV_ZONE_FIRST_YEAR + 1,
                                 sizeof(mapi_tz_rule_t));
    if (tz->rules == NULL) {
        return PH_NOMEM;
    }
    tz->n = 0;
    i = 0;
    run = zone_year(c, CONV_ZONE_FIRST_YEAR, &i);
    for (year = CONV_ZONE_FIRST_YEAR + 1; year <= CONV_ZONE_LAST_YEAR; year++)
    {
        y = zone_year(c, year, &i);
        if (!zone_same(&run, &y)) {
            tz->rules[tz->n] = zone_rule(&run, tz->n == 0);
            tz->n++;
            run = y;
        }
    }
    tz->rules[tz->n] = zone_rule(&run, tz->n == 0);
    tz->rules[tz->n].flags = MAPI_TZ_EFFECTIVE | MAPI_TZ_RECUR;
    tz->n++;

    return PH_OK;
}

/* ---- by name ---- */

static ph_str_t
zone_utf8(ph_pool_t *pool, const UChar *s, int32_t len)
{
    return ph_utf16_to_utf8(pool, (ph_str_t) { 2 * (size_t) len,
                                               (const uint8_t *) s });
}

static ph_int_t
zone_icu_changes(const UChar *id, int32_t len, zone_changes_t *c)
{
    UDate           t, end;
    int32_t         before, after;
    UCalendar      *cal;
    UErrorCode      rc;
    zone_change_t  *v;

    rc = U_ZERO_ERROR;
    cal = ucal_open(id, len, "en", UCAL_GREGORIAN, &rc);
    t = (ph_max(CONV_ZONE_FIRST_YEAR, 1970) - 1970) * 365.2425 * 86400e3
        - 366 * 86400e3;
    end = (CONV_ZONE_LAST_YEAR + 1 - 1970) * 365.2425 * 86400e3;
    ucal_setMillis(cal, t, &rc);
    c->before = (ucal_get(cal, UCAL_ZONE_OFFSET, &rc)
                 + ucal_get(cal, UCAL_DST_OFFSET, &rc)) / 60000;

    while (U_SUCCESS(rc) && c->n < ZONE_CHANGES
           && ucal_getTimeZoneTransitionDate(cal, UCAL_TZ_TRANSITION_NEXT, &t,
                                             &rc)
           && t < end)
    {
        ucal_setMillis(cal, t - 1, &rc);
        before = ucal_get(cal, UCAL_ZONE_OFFSET, &rc)
                 + ucal_get(cal, UCAL_DST_OFFSET, &rc);
        ucal_setMillis(cal, t, &rc);
        after = ucal_get(cal, UCAL_ZONE_OFFSET, &rc);
        v = &c->v[c->n++];
        v->daylight = ucal_get(cal, UCAL_DST_OFFSET, &rc) != 0;
        after += ucal_get(cal, UCAL_DST_OFFSET, &rc);
        v->at = (int64_t) (t / 60000) + ZONE_EPOCH;
        v->from = before / 60000;
        v->to = after / 60000;
    }
    if (cal) {
        ucal_close(cal);
    }

    return U_SUCCESS(rc) ? PH_OK : PH_NOMEM;
}

ph_int_t
conv_zone_find(ph_pool_t *pool, ph_str_t name, mapi_tz_t *tz_r)
{
    UChar           id[CONV_ZONE_MAX_NAME], other[CONV_ZONE_MAX_NAME];
    UBool           system;
    int32_t         len, n;
    ph_int_t        rc;
    UErrorCode      error;
    zone_changes_t  c;

    memset(tz_r, 0, sizeof(*tz_r));
    error = U_ZERO_ERROR;
    if (name.len == 0 || name.len >= CONV_ZONE_MAX_NAME) {
        return PH_NOTFOUND;
    }
    u_strFromUTF8(id, CONV_ZONE_MAX_NAME, &len, (const char *) name.data,
                  (int32_t) name.len, &error);
    if (U_FAILURE(error)) {
        return PH_NOTFOUND;
    }
    /* a Windows name leads to an IANA one, or is already one */
    n = ucal_getTimeZoneIDForWindowsID(id, len, NULL, other,
                                       CONV_ZONE_MAX_NAME, &error);
    if (U_SUCCESS(error) && n > 0) {
        u_memcpy(id, other, n);
        len = n;
        tz_r->name = ph_pstrdup(pool, name);
    }
    error = U_ZERO_ERROR;
    (void) ucal_getCanonicalTimeZoneID(id, len, other, CONV_ZONE_MAX_NAME,
                                       &system, &error);
    if (U_FAILURE(error) || !system) {
        return PH_NOTFOUND;
    }
    if (tz_r->name.len == 0) {
        n = ucal_getWindowsTimeZoneID(id, len, other, CONV_ZONE_MAX_NAME,
                                      &error);
        tz_r->name = U_SUCCESS(error) && n > 0 ? zone_utf8(pool, other, n)
                                               : ph_pstrdup(pool, name);
    }
    memset(&c, 0, sizeof(c));
    c.v = ph_pcalloc_array(pool, ZONE_CHANGES, sizeof(*c.v));
    if (c.v == NULL || tz_r->name.data == NULL) {
        return PH_NOMEM;
    }
    rc = zone_icu_changes(id, len, &c);

    return rc == PH_OK ? zone_rules(pool, &c, tz_r) : rc;
}

/* ---- VTIMEZONE ---- */

static void
zone_add(zone_changes_t *c, struct icaltimetype t, int32_t from, int32_t to,
    bool daylight)
{
    uint32_t        days;
    zone_change_t  *v;

    if (c->n == ZONE_CHANGES || t.year < 1601
        || ph_date_days((ph_date_t) { (uint32_t) t.year, (uint32_t) t.month,
                                      (uint32_t) t.day }, &days) != PH_OK)
    {
        return;
    }
    v = &c->v[c->n++];
    v->at = days * (int64_t) ZONE_DAY + t.hour * 60 + t.minute - from;
    v->from = from;
    v->to = to;
    v->daylight = daylight;
}

/* one STANDARD or DAYLIGHT: its times as changes */
static bool
zone_observance(zone_changes_t *c, icalcomponent *o, bool daylight)
{
    int                        from, to;
    icalproperty              *p;
    struct icaltimetype        start, t;
    icalrecur_iterator        *it;
    struct icaldatetimeperiodtype  rdate;

    p = icalcomponent_get_first_property(o, ICAL_TZOFFSETFROM_PROPERTY);
    from = p ? icalproperty_get_tzoffsetfrom(p) / 60 : 0;
    p = icalcomponent_get_first_property(o, ICAL_TZOFFSETTO_PROPERTY);
    if (p == NULL) {
        return false;
    }
    to = icalproperty_get_tzoffsetto(p) / 60;
    p = icalcomponent_get_first_property(o, ICAL_DTSTART_PROPERTY);
    start = p ? icalproperty_get_dtstart(p) : icaltime_null_time();
    if (icaltime_is_null_time(start) || from < -ZONE_OFFSET
        || from > ZONE_OFFSET || to < -ZONE_OFFSET || to > ZONE_OFFSET)
    {
        return false;
    }

    p = icalcomponent_get_first_property(o, ICAL_RRULE_PROPERTY);
    if (p == NULL) {
        zone_add(c, start, from, to, daylight);
    } else {
        it = icalrecur_iterator_new(icalproperty_get_rrule(p), start);
        if (it == NULL) {
            return false;
        }
        if (start.year < CONV_ZONE_FIRST_YEAR - 10) {
            /* what was before is in nobody's calendar; libical misses the
             * first year */
            (void) icalrecur_iterator_set_start(it, icaltime_from_string(
                       "19600101T000000"));
        }
        for (t = icalrecur_iterator_next(it); !icaltime_is_null_time(t)
             && t.year <= CONV_ZONE_LAST_YEAR && c->n < ZONE_CHANGES;
             t = icalrecur_iterator_next(it))
        {
            t.hour = start.hour;
            t.minute = start.minute;
            zone_add(c, t, from, to, daylight);
        }
        icalrecur_iterator_free(it);
    }
    for (p = icalcomponent_get_first_property(o, ICAL_RDATE_PROPERTY); p;
         p = icalcomponent_get_next_property(o, ICAL_RDATE_PROPERTY))
    {
        rdate = icalproperty_get_rdate(p);
        if (!icaltime_is_null_time(rdate.time)) {
            zone_add(c, rdate.time, from, to, daylight);
        }
    }

    return true;
}

static int
zone_compare(const void *a, const void *b)
{
    int64_t  x, y;

    x = ((const zone_change_t *) a)->at;
    y = ((const zone_change_t *) b)->at;

    return (x > y) - (x < y);
}

ph_int_t
conv_zone_import(ph_pool_t *pool, conv_ical_component_t *vtimezone,
    mapi_tz_t *tz_r)
{
    unsigned             n;
    const char          *tzid;
    icalproperty        *p;
    icalcomponent       *o;
    zone_changes_t       c;
    icalcomponent_kind   kind;

    memset(tz_r, 0, sizeof(*tz_r));
    memset(&c, 0, sizeof(c));
    c.v = ph_pcalloc_array(pool, ZONE_CHANGES, sizeof(*c.v));
    p = icalcomponent_get_first_property(vtimezone, ICAL_TZID_PROPERTY);
    tzid = p ? icalproperty_get_tzid(p) : NULL;
    tz_r->name = ph_pstrdup(pool, ph_str_c(tzid ? tzid : "Custom"));
    if (c.v == NULL || tz_r->name.data == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    for (o = icalcomponent_get_first_component(vtimezone, ICAL_ANY_COMPONENT);
         o && n < CONV_ZONE_MAX_OBSERVANCES;
         o = icalcomponent_get_next_component(vtimezone, ICAL_ANY_COMPONENT))
    {
        kind = icalcomponent_isa(o);
        if ((kind == ICAL_XSTANDARD_COMPONENT
             || kind == ICAL_XDAYLIGHT_COMPONENT)
            && zone_observance(&c, o, kind == ICAL_XDAYLIGHT_COMPONENT))
        {
            n++;
        }
    }
    if (c.n == 0) {
        return PH_INVALID;
    }
    qsort(c.v, c.n, sizeof(*c.v), zone_compare);
    c.before = c.v[0].from;

    return zone_rules(pool, &c, tz_r);
}

/* ---- writing ---- */

static void
zone_put_offset(ph_wbuf_t *b, const char *name, int32_t west)
{
    int32_t  east = -west;

    ph_put_fmt(b, "%s:%c%02d%02d\r\n", name, east < 0 ? '-' : '+',
               abs(east) / 60, abs(east) % 60);
}

static void
zone_put_observance(ph_wbuf_t *b, bool daylight, const mapi_systemtime_t *t,
    uint32_t year, uint32_t until, int32_t from, int32_t to)
{
    uint32_t     day, first, n;
    const char  *name;
    static const char *const  days[] = {
        "SU", "MO", "TU", "WE", "TH", "FR", "SA"
    };

    name = daylight ? "DAYLIGHT" : "STANDARD";
    day = t->day;
    if (t->year == 0
        && ph_date_days((ph_date_t) { year, t->month, 1 }, &first) == PH_OK)
    {
        day = 1 + (t->weekday + 7u - ph_date_weekday(first)) % 7
              + (t->day - 1u) * 7;
        for (n = ph_date_month_days(year, t->month); day > n; day -= 7) {
            /* void */
        }
    }
    ph_put_fmt(b, "BEGIN:%s\r\nDTSTART:%04u%02u%02uT%02u%02u00\r\n", name,
               year, t->month, day, t->hour, t->minute);
    if (t->year == 0) {
        ph_put_fmt(b, "RRULE:FREQ=YEARLY;BYDAY=%d%s;BYMONTH=%u",
                   t->day == 5 ? -1 : t->day, days[t->weekday % 7], t->month);
        if (until) {
            ph_put_fmt(b, ";UNTIL=%04u1231T235959Z", until);
        }
        ph_put_bytes(b, "\r\n", 2);
    }
    zone_put_offset(b, "TZOFFSETFROM", from);
    zone_put_offset(b, "TZOFFSETTO", to);
    ph_put_fmt(b, "END:%s\r\n", name);
}

void
conv_zone_export(ph_wbuf_t *b, const mapi_tz_t *tz, ph_str_t tzid)
{
    int32_t                winter, summer, before;
    uint32_t               i, year, until;
    const mapi_tz_rule_t  *r;

    ph_put_fmt(b, "BEGIN:VTIMEZONE\r\nTZID:%.*s\r\n", (int) tzid.len,
               (const char *) tzid.data);
    before = tz->rules[0].bias + tz->rules[0].standard_bias;
    for (i = 0; i < tz->n; i++) {
        r = &tz->rules[i];
        year = ph_max(r->year, 1601);
        until = i + 1 < tz->n ? tz->rules[i + 1].year - 1u : 0;
        winter = r->bias + r->standard_bias;
        summer = r->bias + r->daylight_bias;
        if (r->standard.month == 0 || r->daylight.month == 0) {
            ph_put_fmt(b, "BEGIN:STANDARD\r\nDTSTART:%04u0101T000000\r\n",
                       year);
            zone_put_offset(b, "TZOFFSETFROM", before);
            zone_put_offset(b, "TZOFFSETTO", winter);
            ph_put_str(b, ph_str_c("END:STANDARD\r\n"));
        } else {
            zone_put_observance(b, false, &r->standard, year, until, summer,
                                winter);
            zone_put_observance(b, true, &r->daylight, year, until, winter,
                                summer);
        }
        before = winter;
    }
    ph_put_str(b, ph_str_c("END:VTIMEZONE\r\n"));
}
