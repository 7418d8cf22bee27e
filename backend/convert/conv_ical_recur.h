/*
 * RRULE of iCalendar (RFC 5545 3.3.10) and the recurrence of MAPI items
 * (MS-OXCICAL 2.1.3.2).  Dates are local ones of the item's time zone.
 */

#ifndef CONV_ICAL_RECUR_H
#define CONV_ICAL_RECUR_H

#include "lib/ph_buf.h"
#include "mapi/mapi_recur.h"

#define CONV_RRULE_MAX  1024          /* bytes of a rule */

/*
 * The pattern of a rule whose first occurrence begins at `start` (local minutes
 * since 1601).  UNTIL is a local time, too: the caller converts one in UTC and
 * gives it as until_local, or 0.  Deleted and modified dates are the caller's.
 * PH_INVALID: not a rule; PH_DECLINED: a rule that MAPI cannot express (more
 * often than daily, more than one position, ...: MS-OXCICAL 2.1.3.2.2), or one
 * that never happens.
 */
ph_int_t conv_rrule_import(ph_str_t rrule, uint32_t start,
    uint32_t until_local, mapi_recur_t *r_r);

/* UNTIL of a rule: its digits as local minutes, *utc_r when it ends with Z;
 * PH_NOTFOUND: it has none. */
ph_int_t conv_rrule_until(ph_str_t rrule, uint32_t *minutes_r, bool *utc_r);

/*
 * The rule of a pattern.  until_utc (minutes) is written when the pattern ends
 * by date: the last occurrence's start in UTC.  PH_DECLINED: a pattern of
 * another calendar than the Gregorian.
 */
ph_int_t conv_rrule_export(ph_wbuf_t *b, const mapi_recur_t *r,
    uint32_t until_utc);

/* Date of the n-th occurrence (1 is the first), by weeks or months counted, not
 * by days; PH_DONE: there are fewer. */
ph_int_t conv_recur_nth(const mapi_recur_t *r, uint32_t n, uint32_t *date_r);

#endif
