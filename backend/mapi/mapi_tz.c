#include "mapi_tz.h"
#include "lib/ph_buf.h"
#include "lib/ph_date.h"
#include "lib/ph_str.h"
#include "mapi_desc.h"

#define TZ_DAY        1440
#define TZ_RULE_SIZE  0x3E
#define TZ_BIAS_MAX   (48 * 60)

static void
tz_read_time(ph_cur_t *cur, mapi_systemtime_t *t)
{
    t->year = ph_cur_u16(cur);
    t->month = ph_cur_u16(cur);
    t->weekday = ph_cur_u16(cur);
    t->day = ph_cur_u16(cur);
    t->hour = ph_cur_u16(cur);
    t->minute = ph_cur_u16(cur);
    t->second = ph_cur_u16(cur);
    t->ms = ph_cur_u16(cur);
}

static void
tz_put_time(ph_wbuf_t *b, const mapi_systemtime_t *t)
{
    ph_put_u16(b, t->year);
    ph_put_u16(b, t->month);
    ph_put_u16(b, t->weekday);
    ph_put_u16(b, t->day);
    ph_put_u16(b, t->hour);
    ph_put_u16(b, t->minute);
    ph_put_u16(b, t->second);
    ph_put_u16(b, t->ms);
}

static bool
tz_sane_time(const mapi_systemtime_t *t)
{
    return t->month == 0
           || (t->month <= 12 && t->weekday <= 6 && t->day >= 1 && t->day <= 31
               && (t->year || t->day <= 5) && t->hour <= 24
               && t->minute <= 59);
}

static bool
tz_sane(const mapi_tz_rule_t *r)
{
    return r->bias >= -TZ_BIAS_MAX && r->bias <= TZ_BIAS_MAX
           && r->standard_bias >= -TZ_BIAS_MAX
           && r->standard_bias <= TZ_BIAS_MAX
           && r->daylight_bias >= -TZ_BIAS_MAX
           && r->daylight_bias <= TZ_BIAS_MAX
           && tz_sane_time(&r->standard) && tz_sane_time(&r->daylight);
}

ph_int_t
mapi_tz_decode(ph_pool_t *pool, ph_str_t in, mapi_tz_t *tz_r)
{
    uint32_t         i, k;
    ph_cur_t         cur, head;
    ph_str_t         name;
    mapi_tz_rule_t  *r, swap;

    memset(tz_r, 0, sizeof(*tz_r));
    ph_cur_init(&cur, in.data, in.len);
    (void) ph_cur_u8(&cur);
    (void) ph_cur_u8(&cur);
    head = ph_cur_sub(&cur, ph_cur_u16(&cur));
    (void) ph_cur_u16(&head);
    name = ph_cur_bytes(&head, 2 * (size_t) ph_cur_u16(&head));
    tz_r->n = ph_cur_u16(&head);
    if (cur.error || head.error || tz_r->n == 0
        || tz_r->n > MAPI_TZ_MAX_RULES || name.len > 2 * MAPI_TZ_MAX_NAME
        || !ph_cur_count(&cur, tz_r->n, TZ_RULE_SIZE + 4))
    {
        return PH_INVALID;
    }
    tz_r->name = ph_utf16_to_utf8(pool, name);
    tz_r->rules = ph_pcalloc_array(pool, tz_r->n, sizeof(mapi_tz_rule_t));
    if (tz_r->rules == NULL || (tz_r->name.data == NULL && name.len)) {
        return PH_NOMEM;
    }

    for (i = 0; i < tz_r->n; i++) {
        r = &tz_r->rules[i];
        (void) ph_cur_u16(&cur);
        head = ph_cur_sub(&cur, ph_cur_u16(&cur));
        r->flags = ph_cur_u16(&head);
        r->year = ph_cur_u16(&head);
        (void) ph_cur_bytes(&head, 14);
        r->bias = (int32_t) ph_cur_u32(&head);
        r->standard_bias = (int32_t) ph_cur_u32(&head);
        r->daylight_bias = (int32_t) ph_cur_u32(&head);
        tz_read_time(&head, &r->standard);
        tz_read_time(&head, &r->daylight);
        if (cur.error || head.error || !tz_sane(r)) {
            return PH_INVALID;
        }
        /* by year, as writers do: each moves back by what was out of order */
        for (k = i; k && tz_r->rules[k - 1].year > tz_r->rules[k].year; k--) {
            swap = tz_r->rules[k];
            tz_r->rules[k] = tz_r->rules[k - 1];
            tz_r->rules[k - 1] = swap;
        }
    }

    return PH_OK;
}

void
mapi_tz_encode(ph_wbuf_t *b, const mapi_tz_t *tz)
{
    size_t                 at, i;
    ph_str_t               name;
    const mapi_tz_rule_t  *r;

    name = tz->name;
    name.len = ph_utf8_cut(name, MAPI_TZ_MAX_NAME);
    ph_put_u8(b, 2);
    ph_put_u8(b, 1);
    at = b->len;
    ph_put_u16(b, 0);
    ph_put_u16(b, 2);
    ph_put_u16(b, (uint16_t) (ph_utf16_len(name) / 2));
    mapi_utf16_write(b, name);
    ph_put_u16(b, (uint16_t) tz->n);
    if (!b->error) {
        ph_poke_u16(b, at, (uint16_t) (b->len - at - 2));
    }
    for (i = 0; i < tz->n; i++) {
        r = &tz->rules[i];
        ph_put_u8(b, 2);
        ph_put_u8(b, 1);
        ph_put_u16(b, TZ_RULE_SIZE);
        ph_put_u16(b, r->flags);
        ph_put_u16(b, r->year);
        ph_put_fill(b, 0, 14);
        ph_put_u32(b, (uint32_t) r->bias);
        ph_put_u32(b, (uint32_t) r->standard_bias);
        ph_put_u32(b, (uint32_t) r->daylight_bias);
        tz_put_time(b, &r->standard);
        tz_put_time(b, &r->daylight);
    }
}

ph_int_t
mapi_tz_struct_decode(ph_str_t in, mapi_tz_rule_t *r)
{
    ph_cur_t  cur;

    memset(r, 0, sizeof(*r));
    ph_cur_init(&cur, in.data, in.len);
    r->bias = (int32_t) ph_cur_u32(&cur);
    r->standard_bias = (int32_t) ph_cur_u32(&cur);
    r->daylight_bias = (int32_t) ph_cur_u32(&cur);
    (void) ph_cur_u16(&cur);
    tz_read_time(&cur, &r->standard);
    (void) ph_cur_u16(&cur);
    tz_read_time(&cur, &r->daylight);

    return cur.error || !tz_sane(r) ? PH_INVALID : PH_OK;
}

void
mapi_tz_struct_encode(ph_wbuf_t *b, const mapi_tz_rule_t *r)
{
    ph_put_u32(b, (uint32_t) r->bias);
    ph_put_u32(b, (uint32_t) r->standard_bias);
    ph_put_u32(b, (uint32_t) r->daylight_bias);
    ph_put_u16(b, r->standard.year);
    tz_put_time(b, &r->standard);
    ph_put_u16(b, r->daylight.year);
    tz_put_time(b, &r->daylight);
}

/* ---- local time ---- */

const mapi_tz_rule_t *
mapi_tz_rule(const mapi_tz_t *tz, uint32_t year)
{
    uint32_t  i;

    for (i = tz->n - 1; i > 0 && tz->rules[i].year > year; i--) { /* void */ }

    return &tz->rules[i];
}

/* minutes of a change in a year, wall-clock time before it */
static int64_t
tz_change(const mapi_systemtime_t *t, uint32_t year)
{
    uint32_t  n, first, day, days;

    n = ph_date_month_days(year, t->month);
    day = t->day;
    if (t->year == 0) {
        if (ph_date_days((ph_date_t) { year, t->month, 1 }, &first) != PH_OK) {
            return 0;
        }
        day = 1 + (t->weekday + 7u - ph_date_weekday(first)) % 7
              + (t->day - 1u) * 7;
        while (day > n) {
            day -= 7;
        }
    }
    if (ph_date_days((ph_date_t) { year, t->month, ph_min(day, n) }, &days)
        != PH_OK)
    {
        return 0;
    }

    return days * (int64_t) TZ_DAY + t->hour * 60 + t->minute;
}

/* Is it summer at `at`? `winter` and `summer` are added to the changes. */
static bool
tz_is_daylight(const mapi_tz_rule_t *r, uint32_t year, int64_t at,
    int32_t winter, int32_t summer)
{
    int64_t  begins, ends;

    if (r->standard.month == 0 || r->daylight.month == 0) {
        return false;
    }
    begins = tz_change(&r->daylight, year) + winter;
    ends = tz_change(&r->standard, year) + summer;

    return begins < ends ? at >= begins && at < ends
                         : at >= begins || at < ends;
}

static uint32_t
tz_minutes(int64_t at)
{
    return at < 0 ? 0 : at > UINT32_MAX ? UINT32_MAX : (uint32_t) at;
}

uint32_t
mapi_tz_to_utc(const mapi_tz_t *tz, uint32_t local)
{
    uint32_t               year;
    const mapi_tz_rule_t  *r;

    year = ph_date_of(local / TZ_DAY).year;
    r = mapi_tz_rule(tz, year);

    return tz_minutes((int64_t) local + r->bias
                      + (tz_is_daylight(r, year, local, 0, 0)
                         ? r->daylight_bias : r->standard_bias));
}

uint32_t
mapi_tz_to_local(const mapi_tz_t *tz, uint32_t utc)
{
    int32_t                winter, summer;
    uint32_t               year;
    const mapi_tz_rule_t  *r;

    year = ph_date_of(utc / TZ_DAY).year;
    r = mapi_tz_rule(tz, year);
    year = ph_date_of(tz_minutes((int64_t) utc - r->bias - r->standard_bias)
                      / TZ_DAY).year;
    r = mapi_tz_rule(tz, year);
    winter = r->bias + r->standard_bias;
    summer = r->bias + r->daylight_bias;

    return tz_minutes((int64_t) utc
                      - (tz_is_daylight(r, year, utc, winter, summer)
                         ? summer : winter));
}
