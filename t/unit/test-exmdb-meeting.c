/*
 * Requests for meetings that come to a room: accepted, declined, updated,
 * cancelled; single ones and series.
 */

#include "tap.h"
#include "exmdb_fixture.h"

#include "exmdb/ex_arrival.h"
#include "exmdb/ex_calendar.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_tags.h"

#define DAY   1440u
#define HOUR  60u

static store_conn_t  *conn;
static ex_mailbox_t  *box;
static ph_pool_t     *pool;
static int            serial;
static uint32_t       monday;     /* a Monday soon, midnight, in minutes */

static mapi_message_t  m;

static void
named_time(unsigned np, uint32_t minutes)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.u.time = EX_FILETIME(minutes);
    ex_value_named(pool, &m, np, &v);
}

static void
named_bin(unsigned np, ph_str_t s)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.u.bin = s;
    ex_value_named(pool, &m, np, &v);
}

static void
named_i4(unsigned np, int32_t n)
{
    mapi_value_t  v;

    memset(&v, 0, sizeof(v));
    v.u.i4 = n;
    ex_value_named(pool, &m, np, &v);
}

/* a global object id; the date of one occurrence, or 0 */
static ph_str_t
goid(uint8_t which, unsigned year, unsigned month, unsigned day)
{
    uint8_t  *p = ph_pcalloc(pool, 56);

    p[0] = 4;
    p[16] = (uint8_t) (year >> 8);
    p[17] = (uint8_t) year;
    p[18] = (uint8_t) month;
    p[19] = (uint8_t) day;
    p[36] = 16;
    p[40] = which;
    return (ph_str_t) { 56, p };
}

static void
meeting(const char *class, uint8_t which, int32_t sequence, uint32_t start,
    uint32_t end)
{
    memset(&m, 0, sizeof(m));
    ex_value_str(pool, &m.props, PR_MESSAGE_CLASS, ph_str_c(class));
    ex_value_str(pool, &m.props, PR_SUBJECT, ph_str_lit("secret plans"));
    ex_value_str(pool, &m.props, PR_SENT_REPRESENTING_NAME,
                 ph_str_lit("Bob"));
    ex_value_recipient(pool, &m, 1, ph_str_null,
                       ph_str_lit("alice@example.test"));
    named_bin(MAPI_NP(PidLidGlobalObjectId), goid(which, 0, 0, 0));
    named_bin(MAPI_NP(PidLidCleanGlobalObjectId), goid(which, 0, 0, 0));
    named_i4(MAPI_NP(PidLidAppointmentSequence), sequence);
    named_time(MAPI_NP(PidLidAppointmentStartWhole), start);
    named_time(MAPI_NP(PidLidAppointmentEndWhole), end);
}

/* weekly on Mondays from the first one */
static void
series(uint32_t weeks, uint32_t start, uint32_t end)
{
    ph_wbuf_t          b;
    mapi_appt_recur_t  r;

    memset(&r, 0, sizeof(r));
    r.pattern.frequency = MAPI_RECUR_WEEKLY;
    r.pattern.pattern = MAPI_RECUR_WEEK;
    r.pattern.period = 1;
    r.pattern.weekdays = 0x02;
    r.pattern.start = monday;
    r.pattern.end_type = weeks ? MAPI_RECUR_COUNT : MAPI_RECUR_ENDLESS;
    r.pattern.count = weeks ? weeks : 10;
    r.pattern.end = weeks ? monday + (weeks - 1) * 7 * DAY
                          : MAPI_RECUR_NEVER;
    r.pattern.first = mapi_recur_first(&r.pattern);
    r.start_offset = start;
    r.end_offset = end;
    ph_wbuf_init(&b, pool, 1 << 20);
    mapi_appt_recur_encode(&b, &r, 1252);
    named_bin(MAPI_NP(PidLidAppointmentRecur), ph_wbuf_str(&b));
}

static ex_delivered_t
deliver(void)
{
    ex_delivered_t           d;
    exmdb_deliver_request_t  r;

    memset(&r, 0, sizeof(r));
    serial++;
    memcpy(r.id, &serial, sizeof(serial));
    r.mailbox = ph_str_lit("alice@example.test");
    r.recipient = r.mailbox;
    r.sender = ph_str_lit("bob@example.test");
    r.message = m;
    r.raw = ph_str_lit("");
    if (ex_deliver_store(box, conn, &r, &d) != PH_OK) {
        fx_die("deliver");
    }
    return d;
}

/* the class of the answer, and what it says */
static ph_str_t
answer(uint32_t tag)
{
    uint32_t          n, i;
    uint64_t          next;
    ph_str_t          s = ph_str_lit("none");
    mapi_tags_t       tags = { 1, &tag };
    mapi_values_t     v;
    store_submit_t   *rows;
    store_message_t  *msg;

    store_submit_due(conn, INT64_MAX, 100, pool, &n, &rows, &next);
    for (i = 0; i < n; i++) {
        if (store_message_open(conn, 0, rows[i].message, STORE_OPEN_READONLY,
                               &msg) == PH_OK)
        {
            store_message_get(conn, msg, &tags, 1 << 20, pool, &v);
            s = ph_pstrdup(pool, ex_value_text(&v, tag));
            store_message_close(&msg);
        }
        store_submit_remove(conn, rows[i].message);
    }
    return s;
}

static uint32_t
total(uint64_t fid)
{
    store_folder_t  f;

    return store_folder_find(conn, NULL, fid, &f) == PH_OK ? f.total : 9999;
}

static bool
accepted(void)
{
    deliver();
    return ph_str_eq_c(answer(PR_MESSAGE_CLASS),
                       "IPM.Schedule.Meeting.Resp.Pos");
}

static bool
declined(void)
{
    deliver();
    return ph_str_eq_c(answer(PR_MESSAGE_CLASS),
                       "IPM.Schedule.Meeting.Resp.Neg");
}

#define REQUEST   "IPM.Schedule.Meeting.Request"
#define CANCELED  "IPM.Schedule.Meeting.Canceled"

static void
room(bool recurring, bool conflicts, uint32_t window, uint32_t longest,
    uint8_t skip)
{
    store_resource_t  r;

    memset(&r, 0, sizeof(r));
    r.kind = STORE_RESOURCE_ROOM;
    r.recurring = recurring;
    r.conflicts = conflicts;
    r.window = window;
    r.longest = longest;
    r.skip = skip;
    store_resource_set(conn, &r);
}

static void
empty(void)
{
    store_folder_empty(conn, STORE_CALENDAR, STORE_DEL_MESSAGES
                       | STORE_DEL_HARD, &(bool) { false });
}

static void
test_single(void)
{
    uint32_t  ten = monday + 10 * HOUR;

    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    deliver();
    ok(total(STORE_INBOX) == 1 && total(STORE_CALENDAR) == 0,
       "a person answers by himself");
    ok(ph_str_eq_c(answer(PR_SUBJECT), "none"), "nothing is sent");

    room(false, false, 365, 0, 0);
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    deliver();
    ok(ph_str_eq_c(answer(PR_SUBJECT), "Accepted: secret plans"),
       "a room that is free accepts");
    ok(total(STORE_CALENDAR) == 1, "and is taken");
    ok(total(STORE_INBOX) == 1, "the request is done with");

    meeting(REQUEST, 2, 0, ten + HOUR / 2, ten + 2 * HOUR);
    ok(declined(), "what overlaps is declined");
    ok(total(STORE_CALENDAR) == 1, "and not in the calendar");
    meeting(REQUEST, 3, 0, ten + HOUR, ten + 2 * HOUR);
    ok(accepted(), "what begins at the end of another one is no conflict");
    meeting(REQUEST, 4, 0, ten - HOUR, ten);
    ok(accepted(), "nor what ends at its beginning");
    ok(total(STORE_CALENDAR) == 3, "three meetings");

    meeting(REQUEST, 1, 1, ten + 5 * HOUR, ten + 6 * HOUR);
    ok(accepted(), "an update moves it");
    ok(total(STORE_CALENDAR) == 3, "and leaves nothing behind");
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    deliver();
    ok(ph_str_eq_c(answer(PR_SUBJECT), "none"),
       "an old request after that is ignored");
    meeting(REQUEST, 5, 0, ten, ten + HOUR);
    ok(accepted(), "its old time is free");
    meeting(REQUEST, 1, 2, ten, ten + HOUR);
    ok(declined(), "an update to a time that is taken is declined");
    ok(total(STORE_CALENDAR) == 3, "and its booking given up");

    meeting(CANCELED, 5, 1, ten, ten + HOUR);
    deliver();
    ok(ph_str_eq_c(answer(PR_SUBJECT), "none"), "a cancelled one is gone");
    ok(total(STORE_CALENDAR) == 2, "from the calendar");
    meeting(REQUEST, 6, 0, ten, ten + HOUR);
    ok(accepted(), "and its time is free");

    meeting(REQUEST, 7, 0, ten + 800 * DAY, ten + 800 * DAY + HOUR);
    ok(declined(), "too far ahead");
    room(false, false, 0, 120, 0);
    meeting(REQUEST, 7, 0, ten + 800 * DAY, ten + 800 * DAY + HOUR);
    ok(accepted(), "as far as one likes");
    meeting(REQUEST, 8, 0, ten + 10 * DAY, ten + 10 * DAY + 3 * HOUR);
    ok(declined(), "too long");
    room(false, true, 0, 0, 0);
    meeting(REQUEST, 8, 0, ten, ten + HOUR);
    ok(accepted(), "a room that lets meetings overlap");

    meeting(REQUEST, 9, 0, ten, ten + HOUR);
    m.names.n = 0;
    deliver();
    ok(total(STORE_INBOX) == 2, "what cannot be understood stays");
    (void) answer(PR_SUBJECT);
    empty();
}

static void
test_series(void)
{
    uint32_t  ten = monday + 10 * HOUR;

    room(false, false, 365, 0, 0);
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    series(10, 10 * HOUR, 11 * HOUR);
    ok(declined(), "a room that takes no series");

    room(true, false, 365, 0, 0);
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    series(0, 10 * HOUR, 11 * HOUR);
    ok(declined(), "a series without an end");
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    series(60, 10 * HOUR, 11 * HOUR);
    ok(declined(), "one that ends too late");
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    series(10, 10 * HOUR, 11 * HOUR);
    ok(accepted(), "ten weeks");

    meeting(REQUEST, 2, 0, ten + 21 * DAY, ten + 21 * DAY + HOUR);
    ok(declined(), "the fourth week is taken");
    meeting(REQUEST, 2, 0, ten + 22 * DAY, ten + 22 * DAY + HOUR);
    ok(accepted(), "the day after is not");
    meeting(REQUEST, 2, 0, ten + 70 * DAY, ten + 70 * DAY + HOUR);
    ok(accepted(), "nor the eleventh week");
    meeting(REQUEST, 3, 0, ten, ten + HOUR);
    series(3, 10 * HOUR, 11 * HOUR);
    ok(declined(), "two series at a time");

    meeting(CANCELED, 1, 1, ten, ten + HOUR);
    deliver();
    ok(total(STORE_CALENDAR) == 1, "a series is cancelled");

    /* some of its days are taken */
    empty();
    room(true, false, 365, 0, 20);
    meeting(REQUEST, 4, 0, ten + 7 * DAY, ten + 7 * DAY + HOUR);
    ok(accepted(), "one in the second week");
    meeting(REQUEST, 5, 0, ten, ten + HOUR);
    series(10, 10 * HOUR, 11 * HOUR);
    ok(accepted(), "a series that may miss a fifth of its days");
    meeting(CANCELED, 4, 1, ten, ten + HOUR);
    deliver();
    meeting(REQUEST, 6, 0, ten + 7 * DAY, ten + 7 * DAY + HOUR);
    ok(accepted(), "does not have the day that it missed");
    empty();
}

/* the date of a number of minutes since 1601 */
static void
civil(uint32_t minutes, unsigned *y, unsigned *mo, unsigned *d)
{
    time_t     t = (time_t) (((int64_t) minutes - 194074560) * 60);
    struct tm  tm;

    gmtime_r(&t, &tm);
    *y = (unsigned) tm.tm_year + 1900;
    *mo = (unsigned) tm.tm_mon + 1;
    *d = (unsigned) tm.tm_mday;
}

static void
test_occurrence(void)
{
    unsigned  y, mo, d;
    uint32_t  ten = monday + 10 * HOUR, third = ten + 14 * DAY;

    civil(monday + 14 * DAY, &y, &mo, &d);
    room(true, false, 365, 0, 0);
    meeting(REQUEST, 1, 0, ten, ten + HOUR);
    series(10, 10 * HOUR, 11 * HOUR);
    ok(accepted(), "a series");

    meeting(REQUEST, 1, 1, third + 3 * HOUR, third + 4 * HOUR);
    named_bin(MAPI_NP(PidLidGlobalObjectId), goid(1, y, mo, d));
    ok(accepted(), "one of its days is moved");
    ok(total(STORE_CALENDAR) == 2, "which is an item of its own");
    meeting(REQUEST, 2, 0, third, third + HOUR);
    ok(accepted(), "the time it had is free");
    meeting(REQUEST, 3, 0, third + 3 * HOUR, third + 4 * HOUR);
    ok(declined(), "the one it has is not");

    civil(monday + 21 * DAY, &y, &mo, &d);
    meeting(CANCELED, 1, 1, third, third + HOUR);
    named_bin(MAPI_NP(PidLidGlobalObjectId), goid(1, y, mo, d));
    deliver();
    meeting(REQUEST, 4, 0, third + 7 * DAY, third + 7 * DAY + HOUR);
    ok(accepted(), "a day that was cancelled is free");
    meeting(REQUEST, 5, 0, third + 14 * DAY, third + 14 * DAY + HOUR);
    ok(declined(), "the others are not");
    empty();
}

static ph_int_t
run(ex_job_t *job, store_conn_t *c)
{
    uint32_t  today = EX_MINUTES(ph_now_filetime()) / DAY;

    conn = c;
    box = job->mailbox;
    /* 1601-01-01 was a Monday */
    monday = (today / 7 + 2) * 7 * DAY;
    test_single();
    test_series();
    test_occurrence();
    return PH_OK;
}

static bool  finished;

static void
done(ex_job_t *job, ph_int_t rc)
{
    (void) job;
    ok(rc == PH_OK, "committed");
    finished = true;
}

static void
opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_job_t  *job = data;

    if (rc != PH_OK) {
        fx_die("mailbox");
    }
    job->write = true;
    job->run = run;
    job->done = done;
    ex_job_start(mb, job);
}

int
main(void)
{
    ex_job_t  job;

    fx_init();
    pool = ph_pool_create("test", 1u << 30);
    memset(&job, 0, sizeof(job));
    ex_mailbox_get(fx.ex, fx.facts, true, opened, &job);
    while (!finished) {
        uv_run(&fx.loop, UV_RUN_ONCE);
    }
    ph_pool_destroy(&pool);
    fx_end();
    return done_testing();
}
