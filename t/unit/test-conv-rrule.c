/* Rules of iCalendar: the days of the pattern that they become are those that
 * libical finds; and back. */

#include "tap.h"

#include "convert/conv_ical_recur.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"

#include <libical/ical.h>

#define RULES  4000

static ph_pool_t  *pool;
static uint64_t    seed = 88172645463325252ull;

static uint32_t
rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (uint32_t) (seed >> 11) % n;
}

static void
random_days(char *to, size_t size)
{
    size_t              n;
    unsigned            i;
    static const char  *names[] = { "SU", "MO", "TU", "WE", "TH", "FR", "SA" };

    for (i = 0, n = 0; i < 7 || n == 0; i++) {
        if (rnd(3) == 0 && n < 20) {
            n += (size_t) snprintf(to + n, size - n, "%s%s", n ? "," : "",
                                   names[i % 7]);
            i += 1;
        }
    }
}

static void
random_rule(char *to, size_t size)
{
    char      days[32], *end;
    unsigned  n;

    random_days(days, sizeof(days));
    switch (rnd(9)) {
    case 0:
        n = (unsigned) snprintf(to, size, "FREQ=DAILY;INTERVAL=%u", 1 + rnd(9));
        break;
    case 1:
        n = (unsigned) snprintf(to, size, "FREQ=WEEKLY;INTERVAL=%u;BYDAY=%s",
                                1 + rnd(4), days);
        break;
    case 2:
        n = (unsigned) snprintf(to, size, "FREQ=WEEKLY;BYDAY=%s;WKST=%s", days,
                                rnd(2) ? "SU" : "MO");
        break;
    case 3:
        n = (unsigned) snprintf(to, size,
                                "FREQ=MONTHLY;INTERVAL=%u;BYMONTHDAY=%u",
                                1 + rnd(5), 1 + rnd(28));
        break;
    case 4:
        n = (unsigned) snprintf(to, size, "FREQ=MONTHLY;BYMONTHDAY=-1");
        break;
    case 5:
        days[2] = '\0';
        n = (unsigned) snprintf(to, size, "FREQ=MONTHLY;BYDAY=%d%s",
                                rnd(4) ? (int) rnd(4) + 1 : -1, days);
        break;
    case 6:
        n = (unsigned) snprintf(to, size, "FREQ=MONTHLY;BYDAY=%s;BYSETPOS=%d",
                                days, rnd(4) ? (int) rnd(4) + 1 : -1);
        break;
    case 7:
        n = (unsigned) snprintf(to, size, "FREQ=YEARLY;INTERVAL=%u",
                                1 + rnd(3));
        break;
    default:
        n = (unsigned) snprintf(to, size, "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR");
        break;
    }
    end = to + n;
    switch (rnd(3)) {
    case 0:
        snprintf(end, size - n, ";COUNT=%u", 1 + rnd(40));
        break;
    case 1:
        snprintf(end, size - n, ";UNTIL=20%02u%02u%02uT235900", 26 + rnd(3),
                 1 + rnd(12), 1 + rnd(28));
        break;
    default:
        break;
    }
}

/* as many days as libical finds, the same ones */
static bool
agree(const char *rule, ph_date_t begin, const mapi_recur_t *r)
{
    char                       dtstart[32];
    unsigned                   n;
    uint32_t                   date, day, want;
    ph_int_t                   rc;
    struct icaltimetype        t;
    icalrecur_iterator        *it;
    struct icalrecurrencetype  recur;

    snprintf(dtstart, sizeof(dtstart), "%04u%02u%02uT100000", begin.year,
             begin.month, begin.day);
    recur = icalrecurrencetype_from_string(rule);
    it = icalrecur_iterator_new(recur, icaltime_from_string(dtstart));
    for (n = 0, date = 0; it && n < 60; n++, date = day + 1) {
        t = icalrecur_iterator_next(it);
        rc = mapi_recur_next(r, date, &day);
        if (icaltime_is_null_time(t)) {
            icalrecur_iterator_free(it);
            return rc == PH_DONE;
        }
        if (rc != PH_OK
            || ph_date_days((ph_date_t) { (uint32_t) t.year,
                                          (uint32_t) t.month,
                                          (uint32_t) t.day }, &want) != PH_OK
            || want * 1440 != day)
        {
            diag("%s from %s: %d-%02d-%02d against day %u", rule, dtstart,
                 t.year, t.month, t.day, rc == PH_OK ? day / 1440 : 0);
            icalrecur_iterator_free(it);
            return false;
        }
    }
    icalrecur_iterator_free(it);

    return it != NULL;
}

static void
test_days(void)
{
    char          rule[256];
    unsigned      i, bad, declined, back;
    uint32_t      start, until;
    ph_int_t      rc;
    ph_date_t     d;
    ph_wbuf_t     b;
    mapi_recur_t  r, again;

    for (i = 0, bad = 0, declined = 0, back = 0; i < RULES && bad < 5; i++) {
        random_rule(rule, sizeof(rule));
        d = (ph_date_t) { 2025 + rnd(2), 1 + rnd(12), 1 + rnd(28) };
        (void) ph_date_days(d, &start);
        start = start * 1440 + 600;
        rc = conv_rrule_import(ph_str_c(rule), start, 0, &r);
        if (rc == PH_DECLINED) {
            declined++;
            continue;
        }
        /* DTSTART is the first one: libical is not sure of the others */
        if (rc == PH_OK) {
            d = ph_date_of(r.start / 1440);
            rc = conv_rrule_import(ph_str_c(rule), r.start + 600, 0, &r);
        }
        if (rc != PH_OK || !agree(rule, d, &r)) {
            diag("%s", rule);
            bad++;
            continue;
        }
        /* and the same pattern comes back of the rule that it makes */
        ph_wbuf_init(&b, pool, 1024);
        until = r.end >= MAPI_RECUR_NEVER ? 0 : r.end + 600;
        if (conv_rrule_export(&b, &r, until) != PH_OK
            || conv_rrule_import(ph_wbuf_str(&b), r.start + 600, until, &again)
               != PH_OK
            || again.start != r.start || again.end != r.end
            || again.period != r.period || again.weekdays != r.weekdays
            || again.nth != r.nth || again.count != r.count)
        {
            diag("%s became %.*s", rule, (int) b.len, (const char *) b.data);
            back++;
        }
    }
    is_int(bad, 0, "libical finds the same days");
    is_int(back, 0, "and the rules lead back");
    ok(declined < RULES / 10, "few are declined (%u)", declined);
}

static void
test_declined(void)
{
    unsigned           i;
    uint32_t           start;
    mapi_recur_t       r;
    static const char *no[] = {
        "FREQ=HOURLY", "FREQ=YEARLY;BYYEARDAY=100", "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=MONTHLY;BYMONTHDAY=1,15", "FREQ=MONTHLY;BYDAY=1MO,3MO",
        "FREQ=DAILY;INTERVAL=1000", "FREQ=WEEKLY;INTERVAL=100;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5", "FREQ=YEARLY;INTERVAL=9",
        "FREQ=YEARLY;BYDAY=1MO", "FREQ=DAILY;UNTIL=20200101"
    };
    static const char *bad[] = {
        "", "FREQ", "FREQ=", "INTERVAL=2", "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=x", "FREQ=WEEKLY;BYDAY=XX", "FREQ=DAILY;UNTIL=2025",
        "FREQ=DAILY;COUNT=2;UNTIL=20260101"
    };

    (void) ph_date_days((ph_date_t) { 2025, 6, 2 }, &start);
    for (i = 0; i < ph_nelts(no); i++) {
        is_int(conv_rrule_import(ph_str_c(no[i]), start * 1440, 0, &r),
               PH_DECLINED, no[i]);
    }
    for (i = 0; i < ph_nelts(bad); i++) {
        is_int(conv_rrule_import(ph_str_c(bad[i]), start * 1440, 0, &r),
               PH_INVALID, bad[i]);
    }
}

int
main(void)
{
    pool = ph_pool_create("test", 256u << 20);
    test_days();
    test_declined();
    ph_pool_destroy(&pool);

    return done_testing();
}
