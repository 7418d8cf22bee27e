/*
 * Recurrence: the pattern of tasks and appointments (MS-OXOCAL 2.2.1.44), its
 * exceptions, and the days it falls on.  Times are minutes since 1601-01-01 in
 * the local time of the calendar item; nothing here knows time zones.
 */

#ifndef MAPI_RECUR_H
#define MAPI_RECUR_H

#include "mapi/mapi.h"

#define MAPI_RECUR_MAX_DATES       10000     /* deleted or modified */
#define MAPI_RECUR_MAX_EXCEPTIONS  5000
#define MAPI_RECUR_MINUTES         1440u     /* of a day */
#define MAPI_RECUR_NEVER           0x5AE980DFu   /* EndDate of an endless one */

enum {
    MAPI_RECUR_DAILY = 0x200A, MAPI_RECUR_WEEKLY, MAPI_RECUR_MONTHLY,
    MAPI_RECUR_YEARLY
};
/* PatternType */
enum {
    MAPI_RECUR_DAY = 0, MAPI_RECUR_WEEK, MAPI_RECUR_MONTH, MAPI_RECUR_NTH,
    MAPI_RECUR_MONTH_END, MAPI_RECUR_HJ_MONTH = 10, MAPI_RECUR_HJ_NTH,
    MAPI_RECUR_HJ_MONTH_END
};
enum {
    MAPI_RECUR_UNTIL = 0x2021, MAPI_RECUR_COUNT, MAPI_RECUR_ENDLESS
};

typedef struct {
    uint16_t   frequency;
    uint16_t   pattern;
    uint16_t   calendar;       /* CalendarType; 0: the default */
    uint32_t   first;          /* FirstDateTime */
    uint32_t   period;         /* minutes of days, weeks, or months */
    uint32_t   sliding;
    uint32_t   weekdays;       /* mask, bit 0 Sunday: WEEK, NTH */
    uint32_t   day;            /* of the month: MONTH */
    uint32_t   nth;            /* 1 to 4, 5 the last: NTH */
    uint32_t   end_type;
    uint32_t   count;
    uint32_t   first_dow;      /* 0 Sunday */
    uint32_t   n_deleted;
    uint32_t  *deleted;        /* original dates, modified ones, too */
    uint32_t   n_modified;
    uint32_t  *modified;       /* dates they went to */
    uint32_t   start;          /* date of the first occurrence */
    uint32_t   end;            /* of the last one, or MAPI_RECUR_NEVER */
} mapi_recur_t;

/* OverrideFlags */
#define MAPI_EX_SUBJECT         0x0001
#define MAPI_EX_MEETING_TYPE    0x0002
#define MAPI_EX_REMINDER_DELTA  0x0004
#define MAPI_EX_REMINDER        0x0008
#define MAPI_EX_LOCATION        0x0010
#define MAPI_EX_BUSY            0x0020
#define MAPI_EX_ATTACHMENT      0x0040
#define MAPI_EX_SUBTYPE         0x0080
#define MAPI_EX_COLOR           0x0100
#define MAPI_EX_BODY            0x0200

typedef struct {
    uint32_t  start;
    uint32_t  end;
    uint32_t  original;        /* start before it was moved */
    uint16_t  flags;
    ph_str_t  subject;         /* UTF-8 */
    ph_str_t  location;
    uint32_t  meeting_type;
    uint32_t  reminder_delta;
    uint32_t  reminder;
    uint32_t  busy;
    uint32_t  attachment;
    uint32_t  subtype;         /* all day */
    uint32_t  color;
    uint32_t  highlight;       /* ChangeHighlight */
} mapi_exception_t;

typedef struct {
    mapi_recur_t       pattern;
    uint32_t           start_offset;   /* minutes from midnight */
    uint32_t           end_offset;
    uint32_t           n_exceptions;   /* as many as pattern.n_modified */
    mapi_exception_t  *exceptions;
} mapi_appt_recur_t;

/*
 * RecurrencePattern alone (tasks) and AppointmentRecurrencePattern, in pool.
 * Dates come sorted.  cpid is that of the 8-bit subjects, which the Unicode
 * ones replace where they are there.  PH_INVALID: broken, or a pattern or
 * length that cannot be; PH_NOMEM.
 */
ph_int_t mapi_recur_decode(ph_pool_t *pool, ph_str_t in, mapi_recur_t *r_r);
ph_int_t mapi_appt_recur_decode(ph_pool_t *pool, ph_str_t in, uint32_t cpid,
    mapi_appt_recur_t *r_r);

/* Dates must be sorted.  Errors stay in b. */
void mapi_recur_encode(ph_wbuf_t *b, const mapi_recur_t *r);
void mapi_appt_recur_encode(ph_wbuf_t *b, const mapi_appt_recur_t *r,
    uint32_t cpid);

/* FirstDateTime of the pattern's frequency, period, first_dow and start. */
uint32_t mapi_recur_first(const mapi_recur_t *r);

/*
 * The first date of the pattern on or after `date` (minutes), deleted ones
 * included.  Takes the same time whatever lies before.  PH_DONE: there is none
 * up to the end; PH_DECLINED: a pattern of the Hijri calendar.
 */
ph_int_t mapi_recur_next(const mapi_recur_t *r, uint32_t date,
    uint32_t *date_r);

typedef struct {
    uint32_t                 date;        /* original, midnight */
    uint32_t                 start;       /* minutes */
    uint32_t                 end;
    const mapi_exception_t  *exception;   /* NULL: as the pattern says */
} mapi_occurrence_t;

/* Anything but PH_OK ends the walk with that result. */
typedef ph_int_t (*mapi_occurrence_pt)(void *data,
    const mapi_occurrence_t *o);

/*
 * Tells the occurrences that touch [from, to), at most max of them: exceptions
 * first, then the others in order.  PH_OK; PH_TOOBIG: there are more;
 * PH_DECLINED: as above, and the exceptions were told.
 */
ph_int_t mapi_appt_recur_walk(const mapi_appt_recur_t *r, uint32_t from,
    uint32_t to, uint32_t max, mapi_occurrence_pt fn, void *data);

#endif
