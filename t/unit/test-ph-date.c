#include "tap.h"

#include "lib/ph_date.h"

#include <time.h>

int
main(void)
{
    time_t     t;
    uint32_t   days, bad, back;
    ph_date_t  d;
    struct tm  tm;

    is_int(ph_date_days((ph_date_t) { 1601, 1, 1 }, &days), PH_OK, "the first");
    is_int(days, 0, "is day 0");
    is_int(ph_date_weekday(0), 1, "a Monday");
    is_int(ph_date_days((ph_date_t) { 2024, 2, 29 }, &days), PH_OK, "leap day");
    is_int(days, 154556, "its number");
    is_int(ph_date_days((ph_date_t) { 1900, 2, 29 }, &days), PH_INVALID,
           "none in 1900");
    is_int(ph_date_days((ph_date_t) { 1600, 12, 31 }, &days), PH_INVALID,
           "too early");
    is_int(ph_date_days((ph_date_t) { 2024, 13, 1 }, &days), PH_INVALID,
           "no such month");
    is_int(ph_date_days((ph_date_t) { 10000, 1, 1 }, &days), PH_INVALID,
           "too late");

    for (bad = 0, days = 0; days < 3000000; days += 7) {
        d = ph_date_of(days);
        t = ((time_t) days - 134774) * 86400;
        gmtime_r(&t, &tm);
        bad += d.year != (uint32_t) tm.tm_year + 1900
               || d.month != (uint32_t) tm.tm_mon + 1
               || d.day != (uint32_t) tm.tm_mday
               || ph_date_weekday(days) != (uint32_t) tm.tm_wday
               || ph_date_days(d, &back) != PH_OK || back != days;
    }
    is_int(bad, 0, "as the C library says");
    d = ph_date_of(UINT32_MAX);
    ok(d.month >= 1 && d.month <= 12, "the greatest number is a day, too");

    return done_testing();
}
