/* Time zones by name: local time as the C library has it; as VTIMEZONE and
 * back. */

#include "tap.h"

#include "convert/conv_ical_zone.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"

#include <libical/ical.h>
#include <stdlib.h>
#include <time.h>

#define EPOCH  (134774u * 1440)

static ph_pool_t  *pool;

/* hours of which the zone's local time is another one */
static unsigned
differs(const char *zone, const mapi_tz_t *tz, int from, int to)
{
    time_t     t, local;
    unsigned   bad;
    struct tm  tm;

    setenv("TZ", zone, 1);
    tzset();
    tm = (struct tm) { .tm_year = from - 1900, .tm_mday = 2 };
    for (bad = 0, t = timegm(&tm); ; t += 3600) {
        localtime_r(&t, &tm);
        if (tm.tm_year + 1900 >= to) {
            break;
        }
        tm.tm_isdst = 0;
        local = timegm(&tm);
        bad += mapi_tz_to_local(tz, (uint32_t) (t / 60) + EPOCH)
               != (uint32_t) (local / 60) + EPOCH;
    }

    return bad;
}

static void
test_names(void)
{
    size_t                    i;
    mapi_tz_t                 tz;
    static const char *const  zones[] = {
        "Europe/Berlin", "Europe/London", "America/New_York",
        "America/Los_Angeles", "Australia/Sydney", "Asia/Kolkata",
        "Asia/Tokyo", "America/Sao_Paulo", "Pacific/Auckland",
        "Asia/Kathmandu", "UTC", "America/Phoenix"
    };

    for (i = 0; i < ph_nelts(zones); i++) {
        is_int(conv_zone_find(pool, ph_str_c(zones[i]), &tz), PH_OK, zones[i]);
        is_int(differs(zones[i], &tz, 2009, 2030), 0, "since 2009");
    }
    /* and its history, where every year has one rule */
    conv_zone_find(pool, ph_str_c("Europe/Berlin"), &tz);
    is_str(tz.name, "W. Europe Standard Time", "its Windows name");
    is_int(differs("Europe/Berlin", &tz, 1981, 2037), 0, "since 1981");
    conv_zone_find(pool, ph_str_c("America/New_York"), &tz);
    is_int(differs("America/New_York", &tz, 1976, 2037), 0, "since 1976");
    is_int(conv_zone_find(pool, ph_str_c("Eastern Standard Time"), &tz), PH_OK,
           "by its Windows name");
    is_str(tz.name, "Eastern Standard Time", "which it keeps");
    is_int(differs("America/New_York", &tz, 1976, 2037), 0, "the same");

    is_int(conv_zone_find(pool, ph_str_c("Nowhere/Land"), &tz), PH_NOTFOUND,
           "no such zone");
    is_int(conv_zone_find(pool, ph_str_null, &tz), PH_NOTFOUND, "no name");
}

static void
test_vtimezone(void)
{
    size_t                    i;
    ph_wbuf_t                 b;
    mapi_tz_t                 tz, back;
    icalcomponent            *c;
    static const char *const  zones[] = {
        "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tokyo"
    };

    for (i = 0; i < ph_nelts(zones); i++) {
        conv_zone_find(pool, ph_str_c(zones[i]), &tz);
        ph_wbuf_init(&b, pool, 64 << 10);
        conv_zone_export(&b, &tz, tz.name);
        ph_put_u8(&b, 0);
        c = icalparser_parse_string((const char *) b.data);
        ok(c != NULL, "%s as VTIMEZONE", zones[i]);
        is_int(conv_zone_import(pool, c, &back), PH_OK, "is read");
        is_str(back.name, (const char *) tz.name.data, "with its name");
        is_int(differs(zones[i], &back, 2009, 2030), 0, "the same times");
        icalcomponent_free(c);
    }

    c = icalparser_parse_string(
        "BEGIN:VTIMEZONE\r\nTZID:Mine\r\nBEGIN:STANDARD\r\n"
        "DTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n"
        "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r\n"
        "END:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\n"
        "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n"
        "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r\n"
        "END:DAYLIGHT\r\nEND:VTIMEZONE\r\n");
    is_int(conv_zone_import(pool, c, &back), PH_OK, "as Outlook writes it");
    is_int(back.n, 1, "one rule");
    is_int(differs("Europe/Berlin", &back, 1997, 2037), 0, "Berlin's");
    icalcomponent_free(c);

    c = icalparser_parse_string("BEGIN:VTIMEZONE\r\nTZID:x\r\n"
                                "END:VTIMEZONE\r\n");
    is_int(conv_zone_import(pool, c, &back), PH_INVALID, "an empty one");
    icalcomponent_free(c);
}

int
main(void)
{
    pool = ph_pool_create("test", 256u << 20);
    test_names();
    test_vtimezone();
    ph_pool_destroy(&pool);

    return done_testing();
}
