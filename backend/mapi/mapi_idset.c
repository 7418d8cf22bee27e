/* GLOBSET commands, and sets of several replicas. */

#include "mapi_idset.h"

#include "mapi_guid.h"
#include "mapi_desc.h"
#include "mapi_xid.h"

#include <stdlib.h>

#define MAPI_GLOB         6       /* bytes of a counter */

#define MAPI_CMD_END      0x00
#define MAPI_CMD_BITMASK  0x42
#define MAPI_CMD_POP      0x50
#define MAPI_CMD_RANGE    0x52


/* ---- reading ---- */

/* the counter of the common bytes and n more */
static uint64_t
mapi_glob_take(ph_cur_t *cur, const uint8_t *common, unsigned depth)
{
    unsigned  i;
    uint64_t  v;

    v = 0;
    for (i = 0; i < MAPI_GLOB; i++) {
        v = v << 8 | (i < depth ? common[i] : ph_cur_u8(cur));
    }

    return v;
}


static ph_int_t
mapi_glob_bitmask(ph_cur_t *cur, const uint8_t *common, mapi_globset_t *s)
{
    uint8_t   mask;
    uint64_t  base, v;
    ph_int_t  rc;
    unsigned  i;

    v = mapi_glob_take(cur, common, MAPI_GLOB - 1);
    mask = ph_cur_u8(cur);
    if (cur->error) {
        return PH_INVALID;
    }

    base = v >> 8;
    rc = mapi_globset_push(s, v, v);
    for (i = 0; rc == PH_OK && i < 8; i++) {
        if ((mask >> i & 1) == 0) {
            continue;
        }
        if ((v + 1 + i) >> 8 != base) {
            return PH_INVALID;
        }
        rc = mapi_globset_push(s, v + 1 + i, v + 1 + i);
    }

    return rc;
}


ph_int_t
mapi_globset_read(ph_cur_t *cur, mapi_globset_t *s)
{
    uint8_t   cmd, common[MAPI_GLOB], pushed[MAPI_GLOB];
    unsigned  i, depth, level;
    uint64_t  lo, hi;
    ph_int_t  rc;

    depth = 0;
    level = 0;
    rc = PH_OK;

    while (rc == PH_OK) {
        if (ph_cur_left(cur) == 0) {
            return PH_INVALID;
        }
        cmd = ph_cur_u8(cur);

        switch (cmd) {

        case MAPI_CMD_END:
            if (depth != 0) {
                return PH_INVALID;
            }
            return mapi_globset_settle(s);

        case 1:
        case 2:
        case 3:
        case 4:
        case 5:
        case 6:
            if (depth + cmd > MAPI_GLOB) {
                return PH_INVALID;
            }
            for (i = 0; i < cmd; i++) {
                common[depth + i] = ph_cur_u8(cur);
            }
            if (cur->error) {
                return PH_INVALID;
            }
            if (depth + cmd == MAPI_GLOB) {
                lo = mapi_globcnt_get(common);
                rc = mapi_globset_push(s, lo, lo);
            } else {
                pushed[level++] = cmd;
                depth += cmd;
            }
            break;

        case MAPI_CMD_POP:
            if (level == 0) {
                return PH_INVALID;
            }
            depth -= pushed[--level];
            break;

        case MAPI_CMD_BITMASK:
            if (depth != MAPI_GLOB - 1) {
                return PH_INVALID;
            }
            rc = mapi_glob_bitmask(cur, common, s);
            break;

        case MAPI_CMD_RANGE:
            lo = mapi_glob_take(cur, common, depth);
            hi = mapi_glob_take(cur, common, depth);
            if (cur->error || lo > hi) {
                return PH_INVALID;
            }
            rc = mapi_globset_push(s, lo, hi);
            break;

        default:
            return PH_INVALID;
        }
    }

    return rc;
}


/* ---- writing ---- */

static void
mapi_glob_put(ph_wbuf_t *b, uint64_t v, unsigned from, unsigned to)
{
    uint8_t  bytes[MAPI_GLOB];

    mapi_globcnt_put(bytes, v);
    ph_put_bytes(b, bytes + from, to - from);
}


static uint64_t
mapi_glob_prefix(uint64_t v, unsigned depth)
{
    return depth ? v >> (8 * (MAPI_GLOB - depth)) : 0;
}


/* how many leading bytes are the same */
static unsigned
mapi_glob_common(uint64_t a, uint64_t b)
{
    unsigned  n;

    n = 0;
    while (n < MAPI_GLOB
           && mapi_glob_prefix(a, n + 1) == mapi_glob_prefix(b, n + 1))
    {
        n++;
    }

    return n;
}


static void
mapi_glob_push(ph_wbuf_t *b, uint64_t v, unsigned from, unsigned to)
{
    ph_put_u8(b, (uint8_t) (to - from));
    mapi_glob_put(b, v, from, to);
}


static void
mapi_glob_range(ph_wbuf_t *b, const mapi_range_t *r, unsigned depth)
{
    unsigned  common;

    if (r->lo == r->hi) {
        mapi_glob_push(b, r->lo, depth, MAPI_GLOB);
        return;
    }

    /* a push and its pop cost two bytes and save each byte once */
    common = mapi_glob_common(r->lo, r->hi);
    if (common < depth + 3) {
        common = depth;
    } else {
        mapi_glob_push(b, r->lo, depth, common);
    }
    ph_put_u8(b, MAPI_CMD_RANGE);
    mapi_glob_put(b, r->lo, common, MAPI_GLOB);
    mapi_glob_put(b, r->hi, common, MAPI_GLOB);
    if (common > depth) {
        ph_put_u8(b, MAPI_CMD_POP);
    }
}


/* Five bytes are common: ranges as such, or up to nine values in a mask. */
static void
mapi_glob_leaf(ph_wbuf_t *b, const mapi_range_t *r, uint32_t n)
{
    uint32_t  i, k;
    uint64_t  v, first;
    unsigned  mask;

    for (i = 0; i < n; i = k) {
        first = r[i].lo;
        mask = 0;
        for (k = i; k < n && r[k].hi <= first + 8; k++) {
            for (v = ph_max(r[k].lo, first + 1); v <= r[k].hi; v++) {
                mask |= 1u << (v - first - 1);
            }
        }
        if (k - i < 2) {
            mapi_glob_range(b, &r[i], MAPI_GLOB - 1);
            k = i + 1;
            continue;
        }
        ph_put_u8(b, MAPI_CMD_BITMASK);
        ph_put_u8(b, (uint8_t) first);
        ph_put_u8(b, (uint8_t) mask);
    }
}


/* Each level has more common bytes than the one above: at most six levels. */
static void
mapi_glob_ranges(ph_wbuf_t *b, const mapi_range_t *r, uint32_t n,
    unsigned depth)
{
    uint32_t  i, k;
    unsigned  common;

    if (depth == MAPI_GLOB - 1) {
        mapi_glob_leaf(b, r, n);
        return;
    }

    for (i = 0; i < n; i = k) {
        /* those that share the next byte stand next to each other */
        for (k = i; k < n
             && mapi_glob_prefix(r[k].hi, depth + 1)
                == mapi_glob_prefix(r[i].lo, depth + 1); k++)
        {
            /* void */
        }
        if (k - i < 2) {
            mapi_glob_range(b, &r[i], depth);
            k = i + 1;
            continue;
        }
        common = ph_min(mapi_glob_common(r[i].lo, r[k - 1].hi),
                        MAPI_GLOB - 1u);
        mapi_glob_push(b, r[i].lo, depth, common);
        mapi_glob_ranges(b, r + i, k - i, common);
        ph_put_u8(b, MAPI_CMD_POP);
    }
}


void
mapi_globset_put(ph_wbuf_t *b, const mapi_globset_t *s)
{
    mapi_glob_ranges(b, s->r, s->n, 0);
    ph_put_u8(b, MAPI_CMD_END);
}


/* ---- sets of several replicas ---- */

void
mapi_idset_free(mapi_idset_t *s)
{
    uint32_t  i;

    for (i = 0; i < s->n; i++) {
        mapi_globset_free(&s->part[i].set);
    }
    free(s->part);
    memset(s, 0, sizeof(*s));
}


static mapi_globset_t *
mapi_idset_part(mapi_idset_t *s, const mapi_guid_t *guid, uint16_t replid,
    bool create)
{
    uint32_t            i;
    mapi_idset_part_t  *p;

    for (i = 0; i < s->n; i++) {
        if (s->part[i].replid == replid
            && mapi_guid_eq(&s->part[i].guid, guid))
        {
            return &s->part[i].set;
        }
    }

    if (!create || s->n == MAPI_IDSET_PARTS) {
        return NULL;
    }

    p = realloc(s->part, (s->n + 1) * sizeof(*p));
    if (p == NULL) {
        return NULL;
    }

    s->part = p;
    p += s->n++;
    memset(p, 0, sizeof(*p));
    p->guid = *guid;
    p->replid = replid;

    return &p->set;
}


mapi_globset_t *
mapi_idset_guid(mapi_idset_t *s, const mapi_guid_t *guid, bool create)
{
    return mapi_idset_part(s, guid, 0, create);
}


mapi_globset_t *
mapi_idset_replid(mapi_idset_t *s, uint16_t replid, bool create)
{
    static const mapi_guid_t  none;

    return mapi_idset_part(s, &none, replid, create);
}


static ph_int_t
mapi_idset_read_part(ph_cur_t *cur, mapi_idset_form_t form, mapi_idset_t *s)
{
    uint16_t         replid;
    ph_int_t         rc;
    mapi_guid_t      guid;
    mapi_globset_t   set, *to;

    memset(&guid, 0, sizeof(guid));
    replid = 0;
    if (form == MAPI_IDSET_GUID) {
        guid = mapi_guid_read(cur);
    } else {
        replid = ph_cur_u16(cur);
    }
    if (cur->error) {
        return PH_INVALID;
    }

    memset(&set, 0, sizeof(set));
    rc = mapi_globset_read(cur, &set);
    if (rc == PH_OK) {
        to = mapi_idset_part(s, &guid, replid, true);
        rc = to == NULL ? (s->n == MAPI_IDSET_PARTS ? PH_TOOBIG : PH_NOMEM)
                        : mapi_globset_union(to, &set);
    }
    mapi_globset_free(&set);

    return rc;
}


ph_int_t
mapi_idset_read(ph_str_t blob, mapi_idset_form_t form, mapi_idset_t *s)
{
    ph_int_t  rc;
    ph_cur_t  cur;

    mapi_idset_free(s);
    ph_cur_init(&cur, blob.data, blob.len);

    rc = PH_OK;
    while (rc == PH_OK && ph_cur_left(&cur) > 0) {
        rc = mapi_idset_read_part(&cur, form, s);
        if (rc == PH_OK && mapi_idset_ranges(s) > MAPI_GLOBSET_RANGES) {
            rc = PH_TOOBIG;
        }
    }
    if (rc != PH_OK) {
        mapi_idset_free(s);
    }

    return rc;
}


void
mapi_idset_put(ph_wbuf_t *b, const mapi_idset_t *s, mapi_idset_form_t form)
{
    uint32_t  i;

    for (i = 0; i < s->n; i++) {
        if (s->part[i].set.n == 0) {
            continue;
        }
        if (form == MAPI_IDSET_GUID) {
            ph_put_bytes(b, s->part[i].guid.b, sizeof(s->part[i].guid.b));
        } else {
            ph_put_u16(b, s->part[i].replid);
        }
        mapi_globset_put(b, &s->part[i].set);
    }
}


ph_int_t
mapi_idset_copy(mapi_idset_t *to, const mapi_idset_t *from)
{
    uint32_t         i;
    ph_int_t         rc;
    mapi_globset_t  *set;

    mapi_idset_free(to);
    for (i = 0; i < from->n; i++) {
        set = mapi_idset_part(to, &from->part[i].guid, from->part[i].replid,
                              true);
        rc = set ? mapi_globset_copy(set, &from->part[i].set) : PH_NOMEM;
        if (rc != PH_OK) {
            mapi_idset_free(to);
            return rc;
        }
    }

    return PH_OK;
}


uint64_t
mapi_idset_ranges(const mapi_idset_t *s)
{
    uint32_t  i;
    uint64_t  n;

    n = 0;
    for (i = 0; i < s->n; i++) {
        n += s->part[i].set.n;
    }

    return n;
}
