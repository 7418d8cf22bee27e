/* The blob of a recurrence (MS-OXOCAL 2.2.1.44). */

#include "mapi_recur.h"
#include "lib/ph_buf.h"
#include "lib/ph_str.h"
#include "mapi_codepage.h"
#include "mapi_desc.h"

#include <stdlib.h>

#define RECUR_VERSION    0x3004
#define RECUR_VERSION_2  0x3006        /* ReaderVersion2 */
#define RECUR_WRITER_2   0x3009        /* with ChangeHighlight */
#define RECUR_MAX_TEXT   0x7FFF

static int
recur_compare(const void *a, const void *b)
{
    uint32_t  x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}

static uint32_t *
recur_dates(ph_cur_t *cur, ph_pool_t *pool, uint32_t n)
{
    uint32_t  i, *date;

    if (n > MAPI_RECUR_MAX_DATES || !ph_cur_count(cur, n, 4)) {
        ph_cur_fail(cur);
        return NULL;
    }
    date = ph_pcalloc_array(pool, ph_max(n, 1), sizeof(*date));
    for (i = 0; date && i < n; i++) {
        date[i] = ph_cur_u32(cur);
    }
    if (date) {
        qsort(date, n, sizeof(*date), recur_compare);
    }

    return date;
}

static bool
recur_sane(const mapi_recur_t *r)
{
    if (r->frequency < MAPI_RECUR_DAILY || r->frequency > MAPI_RECUR_YEARLY
        || r->period == 0 || r->first_dow > 6 || r->n_modified > r->n_deleted)
    {
        return false;
    }
    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        return r->period % MAPI_RECUR_MINUTES == 0;
    case MAPI_RECUR_WEEK:
        return (r->weekdays & 0x7F) != 0 && r->period <= 9999;
    case MAPI_RECUR_MONTH:
    case MAPI_RECUR_HJ_MONTH:
    case MAPI_RECUR_MONTH_END:
    case MAPI_RECUR_HJ_MONTH_END:
        return r->day >= 1 && r->day <= 31 && r->period <= 12 * 9999;
    case MAPI_RECUR_NTH:
    case MAPI_RECUR_HJ_NTH:
        return (r->weekdays & 0x7F) != 0 && r->nth >= 1 && r->nth <= 5
               && r->period <= 12 * 9999;
    default:
        return false;
    }
}

static ph_int_t
recur_read(ph_cur_t *cur, ph_pool_t *pool, mapi_recur_t *r)
{
    memset(r, 0, sizeof(*r));
    if (ph_cur_u16(cur) != RECUR_VERSION || ph_cur_u16(cur) != RECUR_VERSION) {
        return PH_INVALID;
    }
    r->frequency = ph_cur_u16(cur);
    r->pattern = ph_cur_u16(cur);
    r->calendar = ph_cur_u16(cur);
    r->first = ph_cur_u32(cur);
    r->period = ph_cur_u32(cur);
    r->sliding = ph_cur_u32(cur);

    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        break;
    case MAPI_RECUR_WEEK:
        r->weekdays = ph_cur_u32(cur);
        break;
    case MAPI_RECUR_NTH:
    case MAPI_RECUR_HJ_NTH:
        r->weekdays = ph_cur_u32(cur);
        r->nth = ph_cur_u32(cur);
        break;
    default:
        r->day = ph_cur_u32(cur);
        break;
    }

    r->end_type = ph_cur_u32(cur);
    r->end_type = r->end_type == 0xFFFFFFFFu ? MAPI_RECUR_ENDLESS
                                             : r->end_type;
    r->count = ph_cur_u32(cur);
    r->first_dow = ph_cur_u32(cur);
    r->n_deleted = ph_cur_u32(cur);
    r->deleted = recur_dates(cur, pool, r->n_deleted);
    r->n_modified = ph_cur_u32(cur);
    r->modified = recur_dates(cur, pool, r->n_modified);
    r->start = ph_cur_u32(cur);
    r->end = ph_cur_u32(cur);
    if (cur->error || !recur_sane(r)) {
        return PH_INVALID;
    }

    return r->deleted && r->modified ? PH_OK : PH_NOMEM;
}

ph_int_t
mapi_recur_decode(ph_pool_t *pool, ph_str_t in, mapi_recur_t *r_r)
{
    ph_cur_t  cur;

    ph_cur_init(&cur, in.data, in.len);

    return recur_read(&cur, pool, r_r);
}

/* two lengths, of which the first counts a NUL that is not there */
static ph_str_t
recur_text(ph_cur_t *cur, ph_pool_t *pool, uint32_t cpid)
{
    ph_str_t  s, utf8;

    (void) ph_cur_u16(cur);
    s = ph_cur_bytes(cur, ph_cur_u16(cur));
    if (cur->error || mapi_codepage_decode(pool, cpid, s, &utf8) != PH_OK) {
        return ph_str_null;
    }

    return utf8;
}

static void
recur_exception(ph_cur_t *cur, ph_pool_t *pool, uint32_t cpid,
    mapi_exception_t *e)
{
    e->start = ph_cur_u32(cur);
    e->end = ph_cur_u32(cur);
    e->original = ph_cur_u32(cur);
    e->flags = ph_cur_u16(cur);
    if (e->flags & MAPI_EX_SUBJECT) {
        e->subject = recur_text(cur, pool, cpid);
    }
    if (e->flags & MAPI_EX_MEETING_TYPE) {
        e->meeting_type = ph_cur_u32(cur);
    }
    if (e->flags & MAPI_EX_REMINDER_DELTA) {
        e->reminder_delta = ph_cur_u32(cur);
    }
    if (e->flags & MAPI_EX_REMINDER) {
        e->reminder = ph_cur_u32(cur);
    }
    if (e->flags & MAPI_EX_LOCATION) {
        e->location = recur_text(cur, pool, cpid);
    }
    if (e->flags & MAPI_EX_BUSY) {
        e->busy = ph_cur_u32(cur);
    }
    if (e->flags & MAPI_EX_ATTACHMENT) {
        e->attachment = ph_cur_u32(cur);
    }
    if (e->flags & MAPI_EX_SUBTYPE) {
        e->subtype = ph_cur_u32(cur);
    }
    if (e->flags & MAPI_EX_COLOR) {
        e->color = ph_cur_u32(cur);
    }
}

static void
recur_skip_block(ph_cur_t *cur)
{
    (void) ph_cur_bytes(cur, ph_cur_u32(cur));
}

static ph_int_t
recur_wide(ph_cur_t *cur, ph_pool_t *pool, ph_str_t *utf8_r)
{
    ph_str_t  s;

    s = ph_cur_bytes(cur, 2 * (size_t) ph_cur_u16(cur));
    if (cur->error) {
        return PH_OK;
    }
    s = ph_utf16_to_utf8(pool, s);
    if (s.data == NULL && s.len) {
        return PH_NOMEM;
    }
    *utf8_r = s;

    return PH_OK;
}

/* ExtendedException */
static ph_int_t
recur_extended(ph_cur_t *cur, ph_pool_t *pool, uint32_t writer,
    mapi_exception_t *e)
{
    uint32_t  n;
    ph_cur_t  sub;

    if (writer >= RECUR_WRITER_2) {
        n = ph_cur_u32(cur);
        sub = ph_cur_sub(cur, n);
        e->highlight = n >= 4 ? ph_cur_u32(&sub) : 0;
    }
    recur_skip_block(cur);
    if ((e->flags & (MAPI_EX_SUBJECT | MAPI_EX_LOCATION)) == 0) {
        return PH_OK;
    }
    (void) ph_cur_bytes(cur, 12);
    if (e->flags & MAPI_EX_SUBJECT
        && recur_wide(cur, pool, &e->subject) != PH_OK)
    {
        return PH_NOMEM;
    }
    if (e->flags & MAPI_EX_LOCATION
        && recur_wide(cur, pool, &e->location) != PH_OK)
    {
        return PH_NOMEM;
    }
    recur_skip_block(cur);

    return PH_OK;
}

ph_int_t
mapi_appt_recur_decode(ph_pool_t *pool, ph_str_t in, uint32_t cpid,
    mapi_appt_recur_t *r_r)
{
    ph_int_t  rc;
    uint32_t  i, writer;
    ph_cur_t  cur;

    ph_cur_init(&cur, in.data, in.len);
    memset(r_r, 0, sizeof(*r_r));
    rc = recur_read(&cur, pool, &r_r->pattern);
    if (rc != PH_OK) {
        return rc;
    }
    (void) ph_cur_u32(&cur);
    writer = ph_cur_u32(&cur);
    r_r->start_offset = ph_cur_u32(&cur);
    r_r->end_offset = ph_cur_u32(&cur);
    r_r->n_exceptions = ph_cur_u16(&cur);
    if (cur.error || writer < RECUR_VERSION_2
        || r_r->n_exceptions > MAPI_RECUR_MAX_EXCEPTIONS
        || !ph_cur_count(&cur, r_r->n_exceptions, 14)
        || r_r->start_offset > 31 * MAPI_RECUR_MINUTES
        || r_r->end_offset > 366 * MAPI_RECUR_MINUTES)
    {
        return PH_INVALID;
    }
    r_r->exceptions = ph_pcalloc_array(pool, ph_max(r_r->n_exceptions, 1),
                                       sizeof(*r_r->exceptions));
    if (r_r->exceptions == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < r_r->n_exceptions; i++) {
        recur_exception(&cur, pool, cpid, &r_r->exceptions[i]);
    }
    if (cur.error) {
        return PH_INVALID;
    }

    /* Old writers stop here; what is broken behind it is left out. */
    recur_skip_block(&cur);
    for (i = 0; i < r_r->n_exceptions && !cur.error; i++) {
        rc = recur_extended(&cur, pool, writer, &r_r->exceptions[i]);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}

/* ---- writing ---- */

void
mapi_recur_encode(ph_wbuf_t *b, const mapi_recur_t *r)
{
    uint32_t  i;

    ph_put_u16(b, RECUR_VERSION);
    ph_put_u16(b, RECUR_VERSION);
    ph_put_u16(b, r->frequency);
    ph_put_u16(b, r->pattern);
    ph_put_u16(b, r->calendar);
    ph_put_u32(b, r->first);
    ph_put_u32(b, r->period);
    ph_put_u32(b, r->sliding);
    switch (r->pattern) {
    case MAPI_RECUR_DAY:
        break;
    case MAPI_RECUR_WEEK:
        ph_put_u32(b, r->weekdays);
        break;
    case MAPI_RECUR_NTH:
    case MAPI_RECUR_HJ_NTH:
        ph_put_u32(b, r->weekdays);
        ph_put_u32(b, r->nth);
        break;
    default:
        ph_put_u32(b, r->day);
        break;
    }
    ph_put_u32(b, r->end_type);
    ph_put_u32(b, r->count);
    ph_put_u32(b, r->first_dow);
    ph_put_u32(b, r->n_deleted);
    for (i = 0; i < r->n_deleted; i++) {
        ph_put_u32(b, r->deleted[i]);
    }
    ph_put_u32(b, r->n_modified);
    for (i = 0; i < r->n_modified; i++) {
        ph_put_u32(b, r->modified[i]);
    }
    ph_put_u32(b, r->start);
    ph_put_u32(b, r->end);
}

static void
recur_put_text(ph_wbuf_t *b, ph_str_t utf8, uint32_t cpid)
{
    size_t  at, len;

    at = b->len;
    ph_put_u32(b, 0);
    mapi_codepage_encode(b, cpid, (ph_str_t) {
        ph_utf8_cut(utf8, RECUR_MAX_TEXT / 4), utf8.data });
    if (!b->error) {
        len = b->len - at - 4;
        ph_poke_u16(b, at, (uint16_t) (len + 1));
        ph_poke_u16(b, at + 2, (uint16_t) len);
    }
}

static void
recur_put_exception(ph_wbuf_t *b, const mapi_exception_t *e, uint32_t cpid)
{
    ph_put_u32(b, e->start);
    ph_put_u32(b, e->end);
    ph_put_u32(b, e->original);
    ph_put_u16(b, e->flags);
    if (e->flags & MAPI_EX_SUBJECT) {
        recur_put_text(b, e->subject, cpid);
    }
    if (e->flags & MAPI_EX_MEETING_TYPE) {
        ph_put_u32(b, e->meeting_type);
    }
    if (e->flags & MAPI_EX_REMINDER_DELTA) {
        ph_put_u32(b, e->reminder_delta);
    }
    if (e->flags & MAPI_EX_REMINDER) {
        ph_put_u32(b, e->reminder);
    }
    if (e->flags & MAPI_EX_LOCATION) {
        recur_put_text(b, e->location, cpid);
    }
    if (e->flags & MAPI_EX_BUSY) {
        ph_put_u32(b, e->busy);
    }
    if (e->flags & MAPI_EX_ATTACHMENT) {
        ph_put_u32(b, e->attachment);
    }
    if (e->flags & MAPI_EX_SUBTYPE) {
        ph_put_u32(b, e->subtype);
    }
    if (e->flags & MAPI_EX_COLOR) {
        ph_put_u32(b, e->color);
    }
}

static void
recur_put_wide(ph_wbuf_t *b, ph_str_t utf8)
{
    utf8.len = ph_utf8_cut(utf8, RECUR_MAX_TEXT);
    ph_put_u16(b, (uint16_t) (ph_utf16_len(utf8) / 2));
    mapi_utf16_write(b, utf8);
}

static void
recur_put_extended(ph_wbuf_t *b, const mapi_exception_t *e)
{
    ph_put_u32(b, 4);
    ph_put_u32(b, e->highlight);
    ph_put_u32(b, 0);
    if ((e->flags & (MAPI_EX_SUBJECT | MAPI_EX_LOCATION)) == 0) {
        return;
    }
    ph_put_u32(b, e->start);
    ph_put_u32(b, e->end);
    ph_put_u32(b, e->original);
    if (e->flags & MAPI_EX_SUBJECT) {
        recur_put_wide(b, e->subject);
    }
    if (e->flags & MAPI_EX_LOCATION) {
        recur_put_wide(b, e->location);
    }
    ph_put_u32(b, 0);
}

void
mapi_appt_recur_encode(ph_wbuf_t *b, const mapi_appt_recur_t *r, uint32_t cpid)
{
    uint32_t  i;

    mapi_recur_encode(b, &r->pattern);
    ph_put_u32(b, RECUR_VERSION_2);
    ph_put_u32(b, RECUR_WRITER_2);
    ph_put_u32(b, r->start_offset);
    ph_put_u32(b, r->end_offset);
    ph_put_u16(b, (uint16_t) r->n_exceptions);
    for (i = 0; i < r->n_exceptions; i++) {
        recur_put_exception(b, &r->exceptions[i], cpid);
    }
    ph_put_u32(b, 0);
    for (i = 0; i < r->n_exceptions; i++) {
        recur_put_extended(b, &r->exceptions[i]);
    }
    ph_put_u32(b, 0);
}
