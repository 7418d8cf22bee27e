/* Sets of counters as ranges. */

#include "mapi_idset.h"

#include <stdlib.h>


void
mapi_globset_free(mapi_globset_t *s)
{
    free(s->r);
    memset(s, 0, sizeof(*s));
}


static ph_int_t
mapi_globset_room(mapi_globset_t *s, uint32_t n)
{
    uint32_t       cap;
    mapi_range_t  *r;

    if (n <= s->cap) {
        return PH_OK;
    }

    if (n > MAPI_GLOBSET_RANGES) {
        return PH_TOOBIG;
    }

    cap = s->cap ? s->cap : 4;
    while (cap < n) {
        cap *= 2;
    }

    r = realloc(s->r, cap * sizeof(*r));
    if (r == NULL) {
        return PH_NOMEM;
    }

    s->r = r;
    s->cap = cap;

    return PH_OK;
}


/* the first range that ends at v or behind it */
static uint32_t
mapi_globset_lower(const mapi_globset_t *s, uint64_t v)
{
    uint32_t  lo, hi, mid;

    lo = 0;
    hi = s->n;
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (s->r[mid].hi < v) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return lo;
}


/* ranges from .. to become n others */
static ph_int_t
mapi_globset_splice(mapi_globset_t *s, uint32_t from, uint32_t to,
    const mapi_range_t *r, uint32_t n)
{
    ph_int_t  rc;

    rc = mapi_globset_room(s, s->n - (to - from) + n);
    if (rc != PH_OK) {
        return rc;
    }

    memmove(s->r + from + n, s->r + to, (s->n - to) * sizeof(*s->r));
    memcpy(s->r + from, r, n * sizeof(*r));
    s->n = s->n - (to - from) + n;

    return PH_OK;
}


ph_int_t
mapi_globset_add(mapi_globset_t *s, uint64_t lo, uint64_t hi)
{
    uint32_t      from, to;
    ph_int_t      rc;
    mapi_range_t  r;

    if (lo > hi || hi > MAPI_GLOBCNT_MAX) {
        return PH_INVALID;
    }

    rc = mapi_globset_settle(s);
    if (rc != PH_OK) {
        return rc;
    }

    /* neighbours are one range */
    from = mapi_globset_lower(s, lo ? lo - 1 : 0);
    r.lo = lo;
    r.hi = hi;
    for (to = from; to < s->n && s->r[to].lo <= hi + 1; to++) {
        r.lo = ph_min(r.lo, s->r[to].lo);
        r.hi = ph_max(r.hi, s->r[to].hi);
    }

    return mapi_globset_splice(s, from, to, &r, 1);
}


ph_int_t
mapi_globset_remove(mapi_globset_t *s, uint64_t lo, uint64_t hi)
{
    uint32_t      from, to, n;
    ph_int_t      rc;
    mapi_range_t  left[2];

    if (lo > hi) {
        return PH_OK;
    }

    rc = mapi_globset_settle(s);
    if (rc != PH_OK) {
        return rc;
    }

    n = 0;
    from = mapi_globset_lower(s, lo);
    for (to = from; to < s->n && s->r[to].lo <= hi; to++) {
        if (s->r[to].lo < lo) {
            left[n].lo = s->r[to].lo;
            left[n++].hi = lo - 1;
        }
        if (s->r[to].hi > hi) {
            left[n].lo = hi + 1;
            left[n++].hi = s->r[to].hi;
        }
    }

    return to == from ? PH_OK : mapi_globset_splice(s, from, to, left, n);
}


ph_int_t
mapi_globset_push(mapi_globset_t *s, uint64_t lo, uint64_t hi)
{
    uint32_t       before;
    ph_int_t       rc;
    mapi_range_t  *last;

    if (lo > hi || hi > MAPI_GLOBCNT_MAX) {
        return PH_INVALID;
    }

    if (s->n > 0) {
        last = &s->r[s->n - 1];
        if (lo >= last->lo && lo <= last->hi + 1) {
            last->hi = ph_max(last->hi, hi);
            return PH_OK;
        }
        s->loose |= lo < last->lo;
    }

    /* before it grows, what can be merged is */
    if (s->n == s->cap && s->loose) {
        before = s->n;
        rc = mapi_globset_settle(s);
        if (rc != PH_OK) {
            return rc;
        }
        s->loose = s->n > 0 && lo < s->r[s->n - 1].lo;
        if (s->n > before / 2 && s->n < MAPI_GLOBSET_RANGES / 2) {
            rc = mapi_globset_room(s, s->cap * 2);
            if (rc != PH_OK) {
                return rc;
            }
        }
        /* the last one is another one now */
        return s->n == before && s->n == s->cap
               ? PH_TOOBIG : mapi_globset_push(s, lo, hi);
    }

    rc = mapi_globset_room(s, s->n + 1);
    if (rc != PH_OK) {
        return rc;
    }
    s->r[s->n].lo = lo;
    s->r[s->n++].hi = hi;

    return PH_OK;
}


static int
mapi_range_cmp(const void *a, const void *b)
{
    const mapi_range_t  *x = a, *y = b;

    return x->lo < y->lo ? -1 : x->lo > y->lo;
}


ph_int_t
mapi_globset_settle(mapi_globset_t *s)
{
    uint32_t  i, n;

    if (!s->loose) {
        return PH_OK;
    }

    qsort(s->r, s->n, sizeof(*s->r), mapi_range_cmp);
    n = 0;
    for (i = 1; i < s->n; i++) {
        if (s->r[i].lo <= s->r[n].hi + 1) {
            s->r[n].hi = ph_max(s->r[n].hi, s->r[i].hi);
        } else {
            s->r[++n] = s->r[i];
        }
    }
    s->n = n + 1;
    s->loose = false;

    return PH_OK;
}


const mapi_range_t *
mapi_globset_find(const mapi_globset_t *s, uint64_t v)
{
    uint32_t  i;

    i = mapi_globset_lower(s, v);

    return i < s->n && s->r[i].lo <= v ? &s->r[i] : NULL;
}


bool
mapi_globset_has(const mapi_globset_t *s, uint64_t v)
{
    return mapi_globset_find(s, v) != NULL;
}


bool
mapi_globset_eq(const mapi_globset_t *a, const mapi_globset_t *b)
{
    return a->n == b->n
           && (a->n == 0 || memcmp(a->r, b->r, a->n * sizeof(*a->r)) == 0);
}


uint64_t
mapi_globset_count(const mapi_globset_t *s)
{
    uint32_t  i;
    uint64_t  n;

    n = 0;
    for (i = 0; i < s->n; i++) {
        n += s->r[i].hi - s->r[i].lo + 1;
    }

    return n;
}


ph_int_t
mapi_globset_copy(mapi_globset_t *to, const mapi_globset_t *from)
{
    ph_int_t  rc;

    rc = mapi_globset_room(to, from->n);
    if (rc != PH_OK) {
        return rc;
    }
    if (from->n) {
        memcpy(to->r, from->r, from->n * sizeof(*to->r));
    }
    to->n = from->n;
    to->loose = from->loose;

    return PH_OK;
}


ph_int_t
mapi_globset_union(mapi_globset_t *s, const mapi_globset_t *b)
{
    uint32_t        i, k;
    ph_int_t        rc;
    mapi_range_t    r;
    mapi_globset_t  out;

    if (b->n == 0) {
        return PH_OK;
    }

    memset(&out, 0, sizeof(out));
    i = 0;
    k = 0;
    while (i < s->n || k < b->n) {
        if (k == b->n || (i < s->n && s->r[i].lo <= b->r[k].lo)) {
            r = s->r[i++];
        } else {
            r = b->r[k++];
        }
        /* ascending, so that it never gets loose */
        rc = mapi_globset_push(&out, r.lo, r.hi);
        if (rc != PH_OK) {
            mapi_globset_free(&out);
            return rc;
        }
    }
    free(s->r);
    *s = out;

    return PH_OK;
}


/* what of s is (not) in b */
static ph_int_t
mapi_globset_cut(mapi_globset_t *s, const mapi_globset_t *b, bool inside)
{
    uint32_t        i, k;
    uint64_t        lo, hi;
    ph_int_t        rc;
    mapi_globset_t  out;

    memset(&out, 0, sizeof(out));
    rc = PH_OK;
    k = 0;

    for (i = 0; i < s->n && rc == PH_OK; i++) {
        lo = s->r[i].lo;
        while (k < b->n && b->r[k].hi < lo) {
            k++;
        }
        while (rc == PH_OK && lo <= s->r[i].hi) {
            if (k == b->n || b->r[k].lo > s->r[i].hi) {
                rc = inside ? PH_OK
                            : mapi_globset_push(&out, lo, s->r[i].hi);
                break;
            }
            if (!inside && b->r[k].lo > lo) {
                rc = mapi_globset_push(&out, lo, b->r[k].lo - 1);
            }
            hi = ph_min(b->r[k].hi, s->r[i].hi);
            if (inside && rc == PH_OK) {
                rc = mapi_globset_push(&out, ph_max(lo, b->r[k].lo), hi);
            }
            lo = hi + 1;
            if (b->r[k].hi < lo) {
                k++;
            }
        }
    }

    if (rc != PH_OK) {
        mapi_globset_free(&out);
        return rc;
    }
    free(s->r);
    *s = out;

    return PH_OK;
}


ph_int_t
mapi_globset_subtract(mapi_globset_t *s, const mapi_globset_t *b)
{
    return b->n ? mapi_globset_cut(s, b, false) : PH_OK;
}


ph_int_t
mapi_globset_intersect(mapi_globset_t *s, const mapi_globset_t *b)
{
    return mapi_globset_cut(s, b, true);
}
