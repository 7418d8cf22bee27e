/*
 * Time zones of calendar items (MS-OXOCAL 2.2.1.39, 2.2.1.41): rules by year,
 * and local time by them.  Minutes are since 1601-01-01.
 */

#ifndef MAPI_TZ_H
#define MAPI_TZ_H

#include "mapi/mapi.h"

#define MAPI_TZ_MAX_RULES  1024
#define MAPI_TZ_MAX_NAME   260         /* characters of KeyName */

#define MAPI_TZ_RECUR      0x0001      /* of the recurrence */
#define MAPI_TZ_EFFECTIVE  0x0002      /* the one in use */

typedef struct {
    uint16_t  year;       /* 0: day is the n-th weekday of the month, 5 last */
    uint16_t  month;      /* 0: never */
    uint16_t  weekday;    /* 0 Sunday */
    uint16_t  day;
    uint16_t  hour;
    uint16_t  minute;
    uint16_t  second;
    uint16_t  ms;
} mapi_systemtime_t;

typedef struct {
    uint16_t           flags;
    uint16_t           year;          /* from this year on */
    int32_t            bias;          /* minutes west of UTC */
    int32_t            standard_bias; /* more of them in winter */
    int32_t            daylight_bias; /* and in summer */
    mapi_systemtime_t  standard;      /* when winter begins, summer's time */
    mapi_systemtime_t  daylight;      /* when summer begins, winter's time */
} mapi_tz_rule_t;

typedef struct {
    ph_str_t         name;            /* KeyName, UTF-8: "W. Europe ..." */
    uint32_t         n;               /* at least 1 */
    mapi_tz_rule_t  *rules;           /* by year */
} mapi_tz_t;

/* PidLidAppointmentTimeZoneDefinition...; result in pool.  PH_INVALID. */
ph_int_t mapi_tz_decode(ph_pool_t *pool, ph_str_t in, mapi_tz_t *tz_r);
void mapi_tz_encode(ph_wbuf_t *b, const mapi_tz_t *tz);
/* PidLidTimeZoneStruct: one rule for all years.  PH_INVALID. */
ph_int_t mapi_tz_struct_decode(ph_str_t in, mapi_tz_rule_t *rule_r);
void mapi_tz_struct_encode(ph_wbuf_t *b, const mapi_tz_rule_t *rule);

/* The rule for a year. */
const mapi_tz_rule_t *mapi_tz_rule(const mapi_tz_t *tz, uint32_t year);
/*
 * Local minutes to UTC and back.  A time that summer skips is read as if summer
 * had begun, one that comes twice as the first.
 */
uint32_t mapi_tz_to_utc(const mapi_tz_t *tz, uint32_t local);
uint32_t mapi_tz_to_local(const mapi_tz_t *tz, uint32_t utc);

#endif
