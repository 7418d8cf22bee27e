/*
 * Years are counted from March, so that the leap day is the last one; 400 years
 * of them have 146097 days.
 */

#include "ph_date.h"

#define PH_DATE_ERA     146097u
#define PH_DATE_EPOCH   584694u     /* 1601-01-01 from 0000-03-01 */

uint32_t
ph_date_month_days(uint32_t year, uint32_t month)
{
    static const uint8_t  days[12] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month < 1 || month > 12) {
        return 0;
    }

    return days[month - 1]
           + (month == 2 && year % 4 == 0
              && (year % 100 != 0 || year % 400 == 0));
}

ph_int_t
ph_date_days(ph_date_t date, uint32_t *days_r)
{
    uint32_t  y, m;

    if (date.year < 1601 || date.year > PH_DATE_MAX_YEAR || date.day < 1
        || date.day > ph_date_month_days(date.year, date.month))
    {
        return PH_INVALID;
    }
    y = date.year - (date.month < 3);
    m = date.month + (date.month < 3 ? 9 : 0) - (date.month < 3 ? 0 : 3);
    *days_r = y / 400 * PH_DATE_ERA + y % 400 * 365 + y % 400 / 4
              - y % 400 / 100 + (153 * m + 2) / 5 + date.day - 1
              - PH_DATE_EPOCH;

    return PH_OK;
}

ph_date_t
ph_date_of(uint32_t days)
{
    uint32_t   era, doe, y, doy, m;
    ph_date_t  date;

    /* the sum of the two may not fit */
    era = days / PH_DATE_ERA;
    doe = days % PH_DATE_ERA + PH_DATE_EPOCH;
    era += doe / PH_DATE_ERA;
    doe %= PH_DATE_ERA;

    y = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * y + y / 4 - y / 100);
    m = (5 * doy + 2) / 153;
    date.day = doy - (153 * m + 2) / 5 + 1;
    date.month = m < 10 ? m + 3 : m - 9;
    date.year = y + era * 400 + (m >= 10);

    return date;
}
