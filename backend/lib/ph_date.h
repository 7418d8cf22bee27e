/*
 * Days of the Gregorian calendar, counted from 1601-01-01 (a Monday), where
 * FILETIME begins.
 */

#ifndef PH_DATE_H
#define PH_DATE_H

#include "ph_core.h"

#define PH_FILETIME_SECOND  UINT64_C(10000000)
#define PH_FILETIME_MINUTE  (60 * PH_FILETIME_SECOND)
#define PH_FILETIME_DAY     (1440 * PH_FILETIME_MINUTE)
#define PH_DATE_MAX_YEAR    9999

typedef struct {
    uint32_t  year;
    uint32_t  month;      /* 1 to 12 */
    uint32_t  day;        /* 1 to 31 */
} ph_date_t;

/* PH_INVALID: no such day, or outside the years 1601 to 9999 */
ph_int_t ph_date_days(ph_date_t date, uint32_t *days_r);
ph_date_t ph_date_of(uint32_t days);
/* 0 Sunday to 6 Saturday */
static inline uint32_t ph_date_weekday(uint32_t days)
{
    return (days + 1) % 7;
}
/* days of a month; 0: no such month */
uint32_t ph_date_month_days(uint32_t year, uint32_t month);

#endif
