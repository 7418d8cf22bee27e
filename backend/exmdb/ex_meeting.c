/*
 * Requests for meetings that come to a room or equipment (MS-OXOCAL 3.1.4.8):
 * accepted when it is free, declined otherwise; updates and cancellations
 * follow.  It works on the properties of the message, whatever brought it.
 */

#include "ex_arrival.h"
#include "ex_calendar.h"
#include "ex_job.h"
#include "mapi/mapi_named.h"
#include "mapi/mapi_tags.h"

#define EX_CLASS_REQUEST   "IPM.Schedule.Meeting.Request"
#define EX_CLASS_CANCELED  "IPM.Schedule.Meeting.Canceled"
#define EX_CLASS_ACCEPT    "IPM.Schedule.Meeting.Resp.Pos"
#define EX_CLASS_DECLINE   "IPM.Schedule.Meeting.Resp.Neg"
#define EX_CLASS_ITEM      "IPM.Appointment"

#define EX_GOID_MIN        40       /* bytes of a global object id */
#define EX_GOID_DATE       16       /* where its date is: 4 bytes */
#define EX_DAY             1440u    /* minutes */

typedef struct {
    ex_arrival_t       *a;
    store_resource_t    res;
    ph_str_t            id;         /* PidLidGlobalObjectId */
    ph_str_t            clean_id;
    uint32_t            date;       /* of the one occurrence; 0: all of it */
    int32_t             sequence;
    ex_when_t           when;
    ph_str_t            recur;      /* its blob, changed when some are lost */
    unsigned            taken;      /* occurrences that are lost */
    unsigned            wanted;     /* of so many */
    const char         *why;        /* it is declined; NULL: accepted */
    uint32_t            n_items;
    ex_meeting_item_t  *items;      /* in the calendar already */
} ex_meeting_t;


/* ---- the request ---- */

static ph_str_t
ex_named_bin(const mapi_message_t *m, unsigned np)
{
    const mapi_value_t  *v = ex_named_get(m, np);

    return v != NULL ? v->u.bin : ph_str_null;
}


static uint64_t
ex_named_time(const mapi_message_t *m, unsigned np)
{
    const mapi_value_t  *v = ex_named_get(m, np);

    return v != NULL ? v->u.time : 0;
}


static int32_t
ex_named_i4(const mapi_message_t *m, unsigned np, int32_t absent)
{
    const mapi_value_t  *v = ex_named_get(m, np);

    return v != NULL ? v->u.i4 : absent;
}


/* Minutes since 1601-01-01 of a date in the Gregorian calendar. */
static uint32_t
ex_date_minutes(unsigned year, unsigned month, unsigned day)
{
    uint32_t  y, days, leap;

    static const uint16_t  before[] = {
        0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
    };

    if (year < 1601 || year > 4500 || month < 1 || month > 12 || day < 1
        || day > 31)
    {
        return 0;
    }

    y = year - 1601;
    leap = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    days = y * 365 + y / 4 - y / 100 + y / 400 + before[month - 1]
           + (month > 2 ? leap : 0) + day - 1;

    return days * EX_DAY;
}


/* The ids; without them nobody knows which meeting it is. */
static ph_int_t
ex_meeting_ids(ex_meeting_t *mt)
{
    uint8_t               *clean;
    const uint8_t         *p;
    const mapi_message_t  *m = mt->a->message;

    mt->id = ex_named_bin(m, MAPI_NP(PidLidGlobalObjectId));
    mt->clean_id = ex_named_bin(m, MAPI_NP(PidLidCleanGlobalObjectId));

    if (mt->id.len == 0) {
        mt->id = mt->clean_id;
    }
    if (mt->id.len < EX_GOID_MIN) {
        return PH_DECLINED;
    }

    p = mt->id.data + EX_GOID_DATE;
    mt->date = ex_date_minutes((unsigned) p[0] << 8 | p[1], p[2], p[3]);

    if (mt->clean_id.len == 0) {
        mt->clean_id = ph_pstrdup(mt->a->pool, mt->id);
        if (mt->clean_id.data == NULL) {
            return PH_NOMEM;
        }
        clean = (uint8_t *) (uintptr_t) mt->clean_id.data;
        memset(clean + EX_GOID_DATE, 0, 4);
    }

    mt->sequence = ex_named_i4(m, MAPI_NP(PidLidAppointmentSequence), 0);

    return PH_OK;
}


static ph_int_t
ex_meeting_when(ex_meeting_t *mt)
{
    uint64_t               start, end;
    ph_str_t               tz;
    const mapi_message_t  *m = mt->a->message;

    start = ex_named_time(m, MAPI_NP(PidLidAppointmentStartWhole));
    end = ex_named_time(m, MAPI_NP(PidLidAppointmentEndWhole));
    if (start == 0 || end == 0) {
        return PH_INVALID;
    }

    mt->recur = mt->date != 0 ? ph_str_null
                : ex_named_bin(m, MAPI_NP(PidLidAppointmentRecur));
    tz = ex_named_bin(m, MAPI_NP(PidLidAppointmentTimeZoneDefinitionRecur));

    return ex_when_make(mt->a->pool, start, end, mt->recur, tz,
                        ex_named_bin(m, MAPI_NP(PidLidTimeZoneStruct)),
                        &mt->when);
}


/* ---- the decision ---- */

static bool
ex_meeting_overlaps(const ex_busy_list_t *busy, const ex_busy_t *o)
{
    uint32_t  i;

    /* what ends when the other begins is no conflict */
    for (i = 0; i < busy->n && busy->v[i].start < o->end; i++) {
        if (busy->v[i].end > o->start) {
            return true;
        }
    }

    return false;
}


/* The occurrences that are lost go out of the series. */
static ph_int_t
ex_meeting_lose(ex_meeting_t *mt, const ex_busy_list_t *busy,
    const ex_busy_list_t *list)
{
    uint32_t   i;
    ph_int_t   rc;
    ph_wbuf_t  b;

    for (i = 0; i < list->n; i++) {
        if (!ex_meeting_overlaps(busy, &list->v[i])) {
            continue;
        }

        mt->taken++;
        if (mt->when.recurring) {
            rc = ex_recur_delete(mt->a->pool, &mt->when.recur,
                                 list->v[i].date);
            if (rc != PH_OK) {
                return rc;
            }
        }
    }

    if (mt->taken == 0 || !mt->when.recurring) {
        return PH_OK;
    }

    ph_wbuf_init(&b, mt->a->pool, EX_CALENDAR_BLOB);
    mapi_appt_recur_encode(&b, &mt->when.recur, 1252);
    if (b.error) {
        return PH_TOOBIG;
    }
    mt->recur = ph_wbuf_str(&b);

    return PH_OK;
}


static ph_int_t
ex_meeting_free(ex_meeting_t *mt, ex_busy_list_t *list)
{
    uint32_t         i, from, to;
    ph_int_t         rc;
    ex_busy_list_t   busy;

    from = UINT32_MAX;
    to = 0;
    for (i = 0; i < list->n; i++) {
        from = ph_min(from, list->v[i].start);
        to = ph_max(to, list->v[i].end);
    }

    mt->wanted = list->n;
    if (mt->res.conflicts || list->n == 0) {
        return PH_OK;
    }

    memset(&busy, 0, sizeof(busy));
    rc = ex_calendar_busy(mt->a->conn, mt->a->pool, from, to, mt->clean_id,
                          &busy);
    if (rc == PH_TOOBIG) {
        mt->why = "The calendar is too full to tell.";
        return PH_OK;
    }
    if (rc == PH_OK) {
        rc = ex_meeting_lose(mt, &busy, list);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (mt->taken == mt->wanted
        || (uint64_t) mt->taken * 100 > (uint64_t) mt->wanted * mt->res.skip)
    {
        mt->why = mt->taken == 0 ? NULL
                  : mt->wanted == 1 ? "It is taken at that time."
                  : "It is taken on some of these days.";
    }

    return PH_OK;
}


static ph_int_t
ex_meeting_decide(ex_meeting_t *mt)
{
    uint32_t         now, limit;
    ph_int_t         rc;
    ex_busy_list_t   list;

    now = EX_MINUTES(mt->a->now);
    limit = mt->res.window != 0 ? now + mt->res.window * EX_DAY : UINT32_MAX;

    if (mt->when.recurring) {
        if (!mt->res.recurring) {
            mt->why = "It does not take part in series.";
            return PH_OK;
        }
        if (mt->when.recur.pattern.end_type == MAPI_RECUR_ENDLESS
            || mt->when.recur.pattern.end >= MAPI_RECUR_NEVER)
        {
            mt->why = "The series has no end.";
            return PH_OK;
        }
        if (mt->when.recur.pattern.end > limit) {
            mt->why = "The series ends later than it can be booked for.";
            return PH_OK;
        }
    } else if (mt->when.end > limit) {
        mt->why = "It cannot be booked for so far ahead.";
        return PH_OK;
    }

    memset(&list, 0, sizeof(list));
    rc = ex_when_list(mt->a->pool, &mt->when, mt->when.recurring ? now : 0,
                      UINT32_MAX, EX_OCCURRENCES_MAX, &list);
    if (rc == PH_TOOBIG || rc == PH_DECLINED) {
        mt->why = "The series is too long.";
        return PH_OK;
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (mt->res.longest != 0 && list.n > 0
        && list.v[0].end - list.v[0].start > mt->res.longest)
    {
        mt->why = "The meeting is longer than it can be booked for.";
        return PH_OK;
    }

    return ex_meeting_free(mt, &list);
}


/* ---- the calendar ---- */

static ph_int_t
ex_meeting_drop(ex_meeting_t *mt, const ex_meeting_item_t *item)
{
    store_many_t  many;

    return store_messages_delete(mt->a->conn, STORE_CALENDAR, false, 1,
                                 &item->mid, &many);
}


/* One occurrence of a series that is in the calendar goes out of it. */
static ph_int_t
ex_meeting_drop_date(ex_meeting_t *mt, const ex_meeting_item_t *item)
{
    uint16_t            id;
    ph_int_t            rc;
    ph_str_t            blob;
    ph_wbuf_t           b;
    mapi_tags_t         tags;
    mapi_value_t        v;
    mapi_values_t       got;
    mapi_appt_recur_t   recur;
    store_message_t    *msg;
    mapi_named_prop_t   p = mapi_named_prop(MAPI_NP(PidLidAppointmentRecur));
    store_problems_t    problems;

    rc = store_named_ids(mt->a->conn, false, 1, &p.name, &id);
    if (rc == PH_OK) {
        rc = store_message_open(mt->a->conn, STORE_CALENDAR, item->mid,
                                STORE_OPEN_WRITE, &msg);
    }
    if (rc != PH_OK) {
        return rc;
    }

    memset(&v, 0, sizeof(v));
    v.tag = MAPI_TAG(id, PT_BINARY);
    tags.n = 1;
    tags.tag = &v.tag;
    rc = store_message_get(mt->a->conn, msg, &tags, EX_CALENDAR_BLOB,
                           mt->a->pool, &got);
    blob = rc == PH_OK && got.v[0].tag == v.tag ? got.v[0].u.bin
                                                : ph_str_null;
    if (rc == PH_OK
        && mapi_appt_recur_decode(mt->a->pool, blob, 1252, &recur) == PH_OK)
    {
        rc = ex_recur_delete(mt->a->pool, &recur, mt->date);
        ph_wbuf_init(&b, mt->a->pool, EX_CALENDAR_BLOB);
        mapi_appt_recur_encode(&b, &recur, 1252);
        if (rc == PH_OK && b.error) {
            rc = PH_TOOBIG;
        }
        v.u.bin = ph_wbuf_str(&b);
        got.n = 1;
        got.v = &v;
        if (rc == PH_OK) {
            rc = store_message_set(msg, &got, mt->a->pool, &problems);
        }
        if (rc == PH_OK) {
            rc = store_message_save(mt->a->conn, msg, STORE_SAVE_NO_QUOTA,
                                    NULL, NULL);
        }
    }

    store_message_close(&msg);

    return rc;
}


/*
 * What the calendar has of the meeting, as far as the message is about it.
 * *newer_r: it already knows more.
 */
static ph_int_t
ex_meeting_clear(ex_meeting_t *mt, bool *newer_r)
{
    uint32_t                  i;
    ph_int_t                  rc = PH_OK;
    const ex_meeting_item_t  *item;

    *newer_r = false;
    for (i = 0; i < mt->n_items; i++) {
        item = &mt->items[i];
        if (item->sequence > mt->sequence
            && (mt->date == 0 || ph_str_eq(item->id, mt->id)))
        {
            *newer_r = true;
            return PH_OK;
        }
    }

    for (i = 0; rc == PH_OK && i < mt->n_items; i++) {
        item = &mt->items[i];
        if (mt->date == 0 || ph_str_eq(item->id, mt->id)) {
            rc = ex_meeting_drop(mt, item);
        } else if (item->recurring) {
            rc = ex_meeting_drop_date(mt, item);
        }
    }

    return rc;
}


static ph_int_t
ex_meeting_store(ex_meeting_t *mt)
{
    ph_int_t          rc;
    ph_str_t          name;
    ex_arrival_t     *a = mt->a;
    mapi_value_t      v;
    mapi_message_t    m = *a->message;
    store_message_t  *msg;

    static const uint32_t  drops[] = {
        PR_TRANSPORT_MESSAGE_HEADERS, PR_READ_RECEIPT_REQUESTED,
        PR_NON_RECEIPT_NOTIFICATION_REQUESTED, PR_MESSAGE_FLAGS,
        PR_SEARCH_KEY, PR_HAS_DAMS
    };
    static const uint32_t  details[] = {
        PR_SUBJECT, PR_SUBJECT_PREFIX, PR_NORMALIZED_SUBJECT, PR_BODY,
        PR_HTML, PR_RTF_COMPRESSED, PR_CONVERSATION_TOPIC
    };

    rc = ex_value_drop(a->pool, &m.props, drops, ph_nelts(drops));

    /* what it is about is nobody's business who looks at a room */
    if (rc == PH_OK && !mt->res.keep) {
        name = ex_value_text(&m.props, PR_SENT_REPRESENTING_NAME);
        rc = ex_value_drop(a->pool, &m.props, details, ph_nelts(details));
        if (rc == PH_OK) {
            rc = ex_value_str(a->pool, &m.props, PR_SUBJECT,
                              name.len ? name : a->sender);
        }
        m.n_attachments = 0;
    }
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &m.props, PR_MESSAGE_CLASS,
                          ph_str_lit(EX_CLASS_ITEM));
    }
    if (rc == PH_OK) {
        rc = ex_value_i4(a->pool, &m.props, PR_MESSAGE_FLAGS, 1);
    }

    memset(&v, 0, sizeof(v));
    v.u.i4 = 3;                            /* respAccepted */
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &m, MAPI_NP(PidLidResponseStatus), &v);
    }
    v.u.i4 = ex_named_i4(a->message, MAPI_NP(PidLidIntendedBusyStatus), 2);
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &m, MAPI_NP(PidLidBusyStatus), &v);
    }
    v.u.i4 = 3;                            /* asfMeeting, asfReceived */
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &m,
                            MAPI_NP(PidLidAppointmentStateFlags), &v);
    }
    memset(&v, 0, sizeof(v));
    v.u.b = mt->when.recurring;
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &m, MAPI_NP(PidLidRecurring), &v);
    }
    v.u.bin = mt->clean_id;
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &m, MAPI_NP(PidLidCleanGlobalObjectId),
                            &v);
    }
    v.u.bin = mt->id;
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &m, MAPI_NP(PidLidGlobalObjectId), &v);
    }
    v.u.bin = mt->recur;
    if (rc == PH_OK && mt->when.recurring) {
        rc = ex_value_named(a->pool, &m, MAPI_NP(PidLidAppointmentRecur),
                            &v);
    }
    if (rc == PH_OK) {
        rc = store_message_create(a->conn, STORE_CALENDAR, false, 0, NULL,
                                  &msg);
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = store_message_import(a->conn, msg, &m);
    if (rc == PH_OK) {
        rc = store_message_save(a->conn, msg, STORE_SAVE_NO_QUOTA, NULL,
                                NULL);
    }
    store_message_close(&msg);

    return rc;
}


/* ---- the answer ---- */

static ph_int_t
ex_meeting_answer(ex_meeting_t *mt)
{
    char           *text;
    size_t          i;
    ph_int_t        rc;
    ph_str_t        to, subject;
    ex_send_t       s;
    mapi_value_t    v;
    ex_arrival_t   *a = mt->a;

    const mapi_value_t  *copy;

    /* what the organizer needs to find his item */
    static const unsigned  copied[] = {
        MAPI_NP(PidLidAppointmentSequence),
        MAPI_NP(PidLidAppointmentStartWhole),
        MAPI_NP(PidLidAppointmentEndWhole), MAPI_NP(PidLidAppointmentRecur),
        MAPI_NP(PidLidIsRecurring), MAPI_NP(PidLidOwnerCriticalChange),
        MAPI_NP(PidLidLocation), MAPI_NP(PidLidTimeZoneStruct),
        MAPI_NP(PidLidAppointmentTimeZoneDefinitionRecur)
    };

    to = ex_value_text(&a->message->props, PR_SENT_REPRESENTING_SMTP_ADDRESS);
    if (to.len == 0 || !ex_is_printable(to)) {
        to = a->sender;
    }
    if (a->sender.len == 0 || a->automatic) {
        return PH_OK;
    }

    memset(&s, 0, sizeof(s));
    subject = ex_arrival_subject(a);
    text = subject.data == NULL ? NULL
           : ph_psprintf(a->pool, "%s: %.*s",
                         mt->why ? "Declined" : "Accepted",
                         PH_STR_ARG(subject));
    rc = text == NULL ? PH_NOMEM
         : ex_value_str(a->pool, &s.m.props, PR_SUBJECT, ph_str_c(text));

    text = mt->why != NULL || mt->taken == 0
           ? ph_psprintf(a->pool, "%s\r\n", mt->why ? mt->why
                         : "The request was accepted.")
           : ph_psprintf(a->pool, "The request was accepted, but for %u of "
                         "%u days when it is taken.\r\n", mt->taken,
                         mt->wanted);
    if (rc == PH_OK) {
        rc = text == NULL ? PH_NOMEM
             : ex_value_str(a->pool, &s.m.props, PR_BODY, ph_str_c(text));
    }
    if (rc == PH_OK) {
        rc = ex_value_str(a->pool, &s.m.props, PR_MESSAGE_CLASS,
                          mt->why ? ph_str_lit(EX_CLASS_DECLINE)
                                  : ph_str_lit(EX_CLASS_ACCEPT));
    }
    if (rc == PH_OK) {
        rc = ex_value_i4(a->pool, &s.m.props, PR_AUTO_RESPONSE_SUPPRESS, -1);
    }
    if (rc == PH_OK) {
        rc = ex_value_from_owner(a, &s.m.props);
    }
    if (rc == PH_OK) {
        rc = ex_value_thread(a, &s.m.props);
    }

    copy = mapi_find(&a->message->props, PR_OWNER_APPT_ID);
    if (rc == PH_OK && copy != NULL) {
        rc = ex_value_set(a->pool, &s.m.props, copy);
    }
    for (i = 0; rc == PH_OK && i < ph_nelts(copied); i++) {
        copy = ex_named_get(a->message, copied[i]);
        if (copy != NULL) {
            rc = ex_value_named(a->pool, &s.m, copied[i], copy);
        }
    }

    memset(&v, 0, sizeof(v));
    v.u.bin = mt->id;
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &s.m, MAPI_NP(PidLidGlobalObjectId), &v);
    }
    v.u.bin = mt->clean_id;
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &s.m,
                            MAPI_NP(PidLidCleanGlobalObjectId), &v);
    }
    v.u.time = a->now;
    if (rc == PH_OK) {
        rc = ex_value_named(a->pool, &s.m,
                            MAPI_NP(PidLidAttendeeCriticalChange), &v);
    }
    if (rc == PH_OK) {
        rc = ex_value_recipient(a->pool, &s.m, 1,
                 ex_value_text(&a->message->props, PR_SENT_REPRESENTING_NAME),
                 to);
    }

    return rc == PH_OK ? ex_arrival_send(a, &s) : rc;
}


/* ---- all of it ---- */

static ph_int_t
ex_meeting_process(ex_meeting_t *mt, bool cancel)
{
    bool      newer;
    ph_int_t  rc;

    rc = ex_meeting_ids(mt);
    if (rc == PH_OK) {
        rc = ex_calendar_find(mt->a->conn, mt->a->pool, mt->clean_id,
                              &mt->n_items, &mt->items);
    }
    if (rc == PH_OK && !cancel) {
        rc = ex_meeting_when(mt);
    }
    if (rc == PH_OK && !cancel) {
        rc = ex_meeting_decide(mt);
    }
    if (rc != PH_OK) {
        return rc;
    }

    /* a declined update leaves no booking behind */
    rc = ex_meeting_clear(mt, &newer);
    if (rc != PH_OK || newer || cancel) {
        return rc;
    }

    if (mt->why == NULL) {
        rc = ex_meeting_store(mt);
    }

    return rc == PH_OK ? ex_meeting_answer(mt) : rc;
}


ph_int_t
ex_meeting_run(ex_arrival_t *a)
{
    bool           request, cancel;
    ph_int_t       rc, undone;
    unsigned       sent = a->sent;
    ex_meeting_t   mt;
    store_many_t   many;

    request = ph_str_ieq_c(a->class, EX_CLASS_REQUEST);
    cancel = ph_str_ieq_c(a->class, EX_CLASS_CANCELED);
    if (a->mid == 0 || (!request && !cancel)) {
        return PH_OK;
    }

    memset(&mt, 0, sizeof(mt));
    mt.a = a;
    rc = store_resource_get(a->conn, a->pool, &mt.res);
    if (rc != PH_OK || mt.res.kind == STORE_RESOURCE_NONE) {
        return rc == PH_CORRUPT ? PH_OK : rc;
    }

    rc = store_savepoint(a->conn);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_meeting_process(&mt, cancel);
    if (rc == PH_OK) {
        rc = store_messages_delete(a->conn, a->fid, false, 1, &a->mid, &many);
    }
    if (rc == PH_OK) {
        store_deliver_moved(a->conn, a->mid, 0, 0);
        a->mid = 0;
        return store_release(a->conn);
    }

    if (ex_rc_is_fatal(rc)) {
        return rc;
    }

    /* what cannot be understood stays for somebody who can */
    undone = store_undo(a->conn);
    a->sent = sent;
    ph_log(a->ex->log, PH_LOG_WARN, PH4044, "mailbox=%s rc=%s class=%s",
           ph_log_str(a->mb->facts->entry.address), ph_result_name(rc),
           ph_log_str(a->class));

    return undone;
}
