/* Recurrences: blobs of the specification, and days against a slow search. */

#include "tap.h"

#include "lib/ph_date.h"
#include "lib/ph_str.h"
#include "mapi/mapi_recur.h"

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

static uint32_t
day_of(uint32_t y, uint32_t m, uint32_t d)
{
    uint32_t  days = 0;

    (void) ph_date_days((ph_date_t) { y, m, d }, &days);

    return days;
}

/* ---- every day is asked whether it belongs ---- */

static bool
belongs(const mapi_recur_t *r, uint32_t day)
{
    uint32_t   start, from, k, n, hit;
    ph_date_t  d, s;

    start = r->start / 1440;
    if (day < start || (r->end != MAPI_RECUR_NEVER && day > r->end / 1440)) {
        return false;
    }
    d = ph_date_of(day);
    s = ph_date_of(start);
    n = (d.year - s.year) * 12 + d.month - s.month;

    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        return (day - start) % (r->period / 1440) == 0;
    case MAPI_RECUR_WEEK:
        for (from = start; ph_date_weekday(from) != r->first_dow; from--) {
            /* void */
        }
        return (r->weekdays >> ph_date_weekday(day) & 1)
               && (day - from) / 7 % r->period == 0;
    case MAPI_RECUR_MONTH_END:
        return n % r->period == 0
               && d.day == ph_date_month_days(d.year, d.month);
    case MAPI_RECUR_MONTH:
        return n % r->period == 0
               && d.day == ph_min(r->day,
                                  ph_date_month_days(d.year, d.month));
    default:
        for (k = 1, n = n % r->period == 0 ? 0 : 99, hit = 0;
             k <= ph_date_month_days(d.year, d.month); k++)
        {
            if (r->weekdays >> ph_date_weekday(day_of(d.year, d.month, k)) & 1)
            {
                n++;
                hit = n <= r->nth || r->nth == 5 ? k : hit;
            }
        }
        return n < 99 && hit == d.day;
    }
}

static void
test_days(void)
{
    unsigned      i;
    uint32_t      day, from, got, bad;
    ph_int_t      rc;
    mapi_recur_t  r;

    for (bad = 0, i = 0; i < 3000; i++) {
        memset(&r, 0, sizeof(r));
        r.pattern = (uint16_t) rnd(5);
        r.frequency = r.pattern == MAPI_RECUR_DAY ? MAPI_RECUR_DAILY
                      : r.pattern == MAPI_RECUR_WEEK ? MAPI_RECUR_WEEKLY
                      : MAPI_RECUR_MONTHLY;
        r.period = r.pattern == MAPI_RECUR_DAY ? 1440 * (1 + rnd(9))
                   : r.pattern == MAPI_RECUR_WEEK ? 1 + rnd(4) : 1 + rnd(14);
        r.weekdays = 1 + rnd(127);
        r.day = 1 + rnd(31);
        r.nth = 1 + rnd(5);
        r.first_dow = rnd(7);
        r.start = (day_of(2020, 1, 1) + rnd(800)) * 1440;
        r.end_type = rnd(2) ? MAPI_RECUR_ENDLESS : MAPI_RECUR_UNTIL;
        r.end = r.end_type == MAPI_RECUR_ENDLESS ? MAPI_RECUR_NEVER
                : r.start + rnd(900) * 1440;
        from = r.start / 1440 + rnd(900) - 40;
        rc = mapi_recur_next(&r, from * 1440, &got);
        for (day = from; day < from + 2000 && !belongs(&r, day); day++) {
            /* void */
        }
        if (day == from + 2000 ? rc != PH_DONE
            : rc != PH_OK || got != day * 1440)
        {
            if (bad++ < 5) {
                diag("pattern %u period %u days %x day %u nth %u: %u not %u",
                     r.pattern, r.period, r.weekdays, r.day, r.nth,
                     rc == PH_OK ? got / 1440 : 0, day);
            }
        }
    }
    is_int(bad, 0, "3,000 patterns");
}

/* ---- blobs ---- */

static void
test_blob(void)
{
    ph_str_t             in;
    ph_wbuf_t            b;
    uint32_t             deleted[2], modified[1];
    mapi_exception_t     e;
    mapi_appt_recur_t    a, back;
    /* MS-OXOCAL 4.1.1.1: each Monday, Wednesday and Friday, 12 times */
    static const uint8_t weekly[] = {
        0x04, 0x30, 0x04, 0x30, 0x0B, 0x20, 0x01, 0x00, 0x00, 0x00,
        0xC0, 0x21, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x2A, 0x00, 0x00, 0x00, 0x22, 0x20, 0x00, 0x00, 0x0C, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x80, 0x20, 0xBC, 0x0C, 0x20, 0xAD, 0xBC, 0x0C,
        0x06, 0x30, 0x00, 0x00, 0x09, 0x30, 0x00, 0x00, 0x58, 0x02, 0x00, 0x00,
        0x76, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00
    };

    in = (ph_str_t) { sizeof(weekly), weekly };
    is_int(mapi_appt_recur_decode(pool, in, 1252, &a), PH_OK, "weekly");
    is_int(a.pattern.weekdays, 0x2A, "Monday, Wednesday, Friday");
    is_int(a.pattern.count, 12, "12 times");
    is_int(a.start_offset, 600, "at ten");
    is_int(a.pattern.first, mapi_recur_first(&a.pattern), "FirstDateTime");
    ph_wbuf_init(&b, pool, 4096);
    mapi_appt_recur_encode(&b, &a, 1252);
    is_mem(b.data, b.len, weekly, sizeof(weekly), "written the same");

    deleted[0] = a.pattern.start + 2 * 1440;
    deleted[1] = a.pattern.start + 7 * 1440;
    modified[0] = a.pattern.start + 8 * 1440;
    a.pattern.n_deleted = 2;
    a.pattern.deleted = deleted;
    a.pattern.n_modified = 1;
    a.pattern.modified = modified;
    memset(&e, 0, sizeof(e));
    e.start = modified[0] + 60;
    e.end = modified[0] + 90;
    e.original = deleted[1] + 600;
    e.flags = MAPI_EX_SUBJECT | MAPI_EX_LOCATION | MAPI_EX_BUSY
              | MAPI_EX_REMINDER;
    e.subject = ph_str_c("\xE6\x97\xA5 \xF0\x9F\x98\x80");
    e.location = ph_str_c("room");
    e.busy = 3;
    a.n_exceptions = 1;
    a.exceptions = &e;
    ph_wbuf_init(&b, pool, 4096);
    mapi_appt_recur_encode(&b, &a, 1252);
    is_int(mapi_appt_recur_decode(pool, ph_wbuf_str(&b), 1252, &back), PH_OK,
           "with an exception");
    is_int(back.n_exceptions, 1, "one");
    is_str(back.exceptions[0].subject, "\xE6\x97\xA5 \xF0\x9F\x98\x80",
           "its subject");
    is_str(back.exceptions[0].location, "room", "its place");
    is_int(back.exceptions[0].busy, 3, "away");

    for (in = ph_wbuf_str(&b); in.len; in.len--) {
        (void) mapi_appt_recur_decode(pool, in, 1252, &back);
    }
    in = (ph_str_t) { sizeof(weekly) - 40, weekly };
    is_int(mapi_appt_recur_decode(pool, in, 1252, &back), PH_INVALID, "cut");
}

typedef struct {
    unsigned  n;
    unsigned  exceptions;
    uint32_t  sum;
} seen_t;

static ph_int_t
see(void *data, const mapi_occurrence_t *o)
{
    seen_t  *seen = data;

    seen->n++;
    seen->exceptions += o->exception != NULL;
    seen->sum += o->start;

    return PH_OK;
}

static void
test_walk(void)
{
    seen_t             seen;
    uint32_t           start, deleted[2], modified[1];
    mapi_exception_t   e;
    mapi_appt_recur_t  a;

    start = day_of(2024, 1, 1) * 1440;
    memset(&a, 0, sizeof(a));
    memset(&e, 0, sizeof(e));
    a.pattern.frequency = MAPI_RECUR_DAILY;
    a.pattern.pattern = MAPI_RECUR_DAY;
    a.pattern.period = 1440;
    a.pattern.start = start;
    a.pattern.end = MAPI_RECUR_NEVER;
    a.pattern.end_type = MAPI_RECUR_ENDLESS;
    a.start_offset = 23 * 60;
    a.end_offset = 25 * 60;            /* past midnight */
    deleted[0] = start + 1440;
    deleted[1] = start + 2 * 1440;
    modified[0] = start + 9 * 1440;
    a.pattern.n_deleted = 2;
    a.pattern.deleted = deleted;
    a.pattern.n_modified = 1;
    a.pattern.modified = modified;
    e.original = deleted[1] + a.start_offset;
    e.start = modified[0] + 60;
    e.end = modified[0] + 120;
    a.n_exceptions = 1;
    a.exceptions = &e;

    memset(&seen, 0, sizeof(seen));
    is_int(mapi_appt_recur_walk(&a, start, start + 10 * 1440, 100, see, &seen),
           PH_OK, "ten days");
    is_int(seen.n, 9, "8 regular ones and the moved one");
    is_int(seen.exceptions, 1, "one exception");
    memset(&seen, 0, sizeof(seen));
    is_int(mapi_appt_recur_walk(&a, start + 4 * 1440, start + 4 * 1440 + 30,
                                100, see, &seen), PH_OK, "after midnight");
    is_int(seen.n, 1, "the one of the evening before");
    is_int(mapi_appt_recur_walk(&a, start, start + 100 * 1440, 5, see, &seen),
           PH_TOOBIG, "more than asked for");
}

int
main(void)
{
    pool = ph_pool_create("test", 64u << 20);
    test_blob();
    test_days();
    test_walk();
    ph_pool_destroy(&pool);

    return done_testing();
}
