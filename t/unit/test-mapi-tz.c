/* Time zones: blobs, and local time as the C library's zones have it. */

#include "tap.h"

#include "lib/ph_buf.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"
#include "mapi/mapi_tz.h"

#include <stdlib.h>
#include <time.h>

#define EPOCH  (134774u * 1440)       /* 1970-01-01 */

static mapi_tz_rule_t
rule(uint16_t year, int32_t bias, int32_t daylight, uint16_t s_month,
    uint16_t s_day, uint16_t s_hour, uint16_t d_month, uint16_t d_day,
    uint16_t d_hour)
{
    mapi_tz_rule_t  r;

    memset(&r, 0, sizeof(r));
    r.year = year;
    r.bias = bias;
    r.daylight_bias = daylight;
    r.standard.month = s_month;
    r.standard.day = s_day;
    r.standard.hour = s_hour;
    r.daylight.month = d_month;
    r.daylight.day = d_day;
    r.daylight.hour = d_hour;

    return r;
}

static void
compare(const char *zone, const mapi_tz_t *tz, int from, int to)
{
    time_t     t, back;
    unsigned   bad;
    uint32_t   utc, local;
    struct tm  tm;

    setenv("TZ", zone, 1);
    tzset();
    tm = (struct tm) { .tm_year = from - 1900, .tm_mday = 2 };
    t = timegm(&tm);
    for (bad = 0; ; t += 1800) {
        localtime_r(&t, &tm);
        if (tm.tm_year + 1900 >= to) {
            break;
        }
        back = timegm(&(struct tm) { .tm_year = tm.tm_year,
                                     .tm_mon = tm.tm_mon,
                                     .tm_mday = tm.tm_mday,
                                     .tm_hour = tm.tm_hour,
                                     .tm_min = tm.tm_min });
        utc = (uint32_t) (t / 60) + EPOCH;
        local = (uint32_t) (back / 60) + EPOCH;
        bad += mapi_tz_to_local(tz, utc) != local;
        /* what comes twice is the first */
        bad += mapi_tz_to_utc(tz, local) > utc
               || mapi_tz_to_utc(tz, local) + 60 < utc;
    }
    is_int(bad, 0, "as the C library says");
}

int
main(void)
{
    ph_str_t         in;
    ph_pool_t       *pool;
    mapi_tz_t        tz, back;
    ph_wbuf_t        b;
    mapi_tz_rule_t   rules[3], one;

    pool = ph_pool_create("test", 16u << 20);
    rules[0] = rule(1601, -60, -60, 10, 5, 3, 3, 5, 2);
    tz = (mapi_tz_t) { .name = ph_str("W. Europe Standard Time"), .n = 1,
                       .rules = rules };
    compare("Europe/Berlin", &tz, 1997, 2030);

    /* the south, and rules that change with the years */
    rules[0] = rule(1601, -600, -60, 3, 5, 3, 10, 5, 2);
    rules[1] = rule(2008, -600, -60, 4, 1, 3, 10, 1, 2);
    tz.n = 2;
    compare("Australia/Sydney", &tz, 2009, 2030);
    rules[0] = rule(1601, 300, -60, 10, 5, 2, 4, 1, 2);
    rules[1] = rule(2007, 300, -60, 11, 1, 2, 3, 2, 2);
    compare("America/New_York", &tz, 1990, 2030);
    rules[0] = rule(1601, -330, 0, 0, 0, 0, 0, 0, 0);
    tz.n = 1;
    compare("Asia/Kolkata", &tz, 2000, 2010);

    rules[0] = rule(1601, 300, -60, 10, 5, 2, 4, 1, 2);
    rules[1] = rule(2007, 300, -60, 11, 1, 2, 3, 2, 2);
    rules[1].flags = MAPI_TZ_EFFECTIVE;
    tz.n = 2;
    tz.name = ph_str_lit("Eastern \xE2\x82\xAC");
    ph_wbuf_init(&b, pool, 4096);
    mapi_tz_encode(&b, &tz);
    in = ph_wbuf_str(&b);
    is_int(mapi_tz_decode(pool, in, &back), PH_OK, "written and read");
    is_str(back.name, "Eastern \xE2\x82\xAC", "its name");
    is_int(back.n, 2, "rules");
    is_mem(&back.rules[1], sizeof(one), &rules[1], sizeof(one), "the second");
    for (in.len--; in.len; in.len--) {
        if (mapi_tz_decode(pool, in, &back) != PH_INVALID) {
            break;
        }
    }
    is_int(in.len, 0, "cut anywhere it is refused");

    ph_wbuf_init(&b, pool, 4096);
    mapi_tz_struct_encode(&b, &rules[0]);
    is_int(b.len, 48, "a structure of 48 bytes");
    is_int(mapi_tz_struct_decode(ph_wbuf_str(&b), &one), PH_OK, "read");
    one.year = 1601;
    is_mem(&one, sizeof(one), &rules[0], sizeof(one), "the same");
    ph_pool_destroy(&pool);

    return done_testing();
}
