/* Id sets: forms of the specification, and a bitmap as the model. */

#include "tap.h"

#include "mapi/mapi_idset.h"

#define SPAN  1500            /* values of the model */

static ph_pool_t  *pool;

static ph_str_t
wire(const mapi_globset_t *s)
{
    ph_wbuf_t  b;

    ph_wbuf_init(&b, pool, 1u << 24);
    mapi_globset_put(&b, s);

    return ph_wbuf_str(&b);
}

static void
is_wire(const mapi_globset_t *s, const char *bytes, size_t n,
    const char *what)
{
    ph_str_t  w;

    w = wire(s);
    ok(w.len == n && memcmp(w.data, bytes, n) == 0, "%s: %zu bytes", what,
       w.len);
}

static ph_int_t
parse(const char *bytes, size_t n, mapi_globset_t *s)
{
    ph_cur_t  cur;

    memset(s, 0, sizeof(*s));
    ph_cur_init(&cur, bytes, n);

    return mapi_globset_read(&cur, s);
}

#define BYTES(s)  (s), sizeof(s) - 1

static void
test_forms(void)
{
    mapi_globset_t  s, t;

    memset(&s, 0, sizeof(s));
    is_wire(&s, BYTES("\0"), "an empty set");
    mapi_globset_add(&s, 7, 7);
    is_wire(&s, BYTES("\6\0\0\0\0\0\7\0"), "one value");
    mapi_globset_add(&s, 1, 6);
    is_wire(&s, BYTES("\5\0\0\0\0\0\x52\1\7\x50\0"), "one range");
    mapi_globset_add(&s, 9, 9);
    mapi_globset_add(&s, 12, 200);
    is_wire(&s, BYTES("\5\0\0\0\0\0\x42\1\xBF\x52\x0C\xC8\x50\0"),
            "a mask and a range");
    mapi_globset_add(&s, 0x10000, 0x10001);
    is_wire(&s, BYTES("\3\0\0\0\2\0\0\x42\1\xBF\x52\x0C\xC8\x50"
                      "\x52\1\0\0\1\0\1\x50\0"), "two levels");
    mapi_globset_free(&s);

    ok(parse(BYTES("\5\0\0\0\0\0\x42\x10\x81\1\2\x50\0"), &s) == PH_OK
       && mapi_globset_count(&s) == 4 && mapi_globset_has(&s, 2)
       && mapi_globset_has(&s, 0x10) && mapi_globset_has(&s, 0x11)
       && mapi_globset_has(&s, 0x18), "values in any order");
    mapi_globset_free(&s);
    is_int(parse(BYTES("\5\0\0\0\0\0\x42\xFE\3\x50\0"), &t), PH_INVALID,
           "a mask beyond the last byte");
    mapi_globset_free(&t);
    is_int(parse(BYTES("\5\0\0\0\0\0\0"), &t), PH_INVALID,
           "the end with bytes on the stack");
    is_int(parse(BYTES("\x50\0"), &t), PH_INVALID, "a pop of nothing");
    is_int(parse(BYTES("\4\0\0\0\0\x42\1\1\x50\0"), &t), PH_INVALID,
           "a mask with four common bytes");
    is_int(parse(BYTES("\5\0\0\0\0\0\2\1\1\x50\0"), &t), PH_INVALID,
           "seven bytes");
    is_int(parse(BYTES("\5\0\0\0\0\0\x52\5\4\x50\0"), &t), PH_INVALID,
           "a range that ends before it begins");
    is_int(parse(BYTES("\7\0\0\0\0\0\0\0\0"), &t), PH_INVALID,
           "an unknown command");
    is_int(parse(BYTES("\6\0\0"), &t), PH_INVALID, "too short");
    is_int(parse(BYTES(""), &t), PH_INVALID, "nothing at all");
}

typedef struct {
    mapi_globset_t  s;
    bool            bit[SPAN];
} model_t;

static uint64_t
value(unsigned i)
{
    /* neighbours, gaps of all kinds, and edges of every byte */
    return (uint64_t) (i / 500) * 0xFFFFFF0000ull + 0xFE80 + i % 500;
}

static bool
same(const model_t *m)
{
    unsigned  i;
    uint64_t  n;

    n = 0;
    for (i = 0; i < SPAN; i++) {
        if (mapi_globset_has(&m->s, value(i)) != m->bit[i]) {
            return false;
        }
        n += m->bit[i];
    }
    for (i = 1; i < m->s.n; i++) {
        if (m->s.r[i - 1].hi + 1 >= m->s.r[i].lo) {
            return false;
        }
    }

    return mapi_globset_count(&m->s) == n;
}

static void
change(model_t *m, unsigned *seed)
{
    unsigned  i, from, to, how;

    how = (unsigned) rand_r(seed) % 4;
    from = (unsigned) rand_r(seed) % SPAN;
    to = ph_min(from + (unsigned) rand_r(seed) % 40, SPAN - 1u);
    to = ph_min(to, from / 500 * 500 + 499);
    if (how == 3) {
        for (i = 0; i < 20; i++) {
            from = (unsigned) rand_r(seed) % SPAN;
            m->bit[from] = true;
            mapi_globset_push(&m->s, value(from), value(from));
        }
        mapi_globset_settle(&m->s);
        return;
    }
    for (i = from; i <= to; i++) {
        m->bit[i] = how != 0;
    }
    if (how) {
        mapi_globset_add(&m->s, value(from), value(to));
    } else {
        mapi_globset_remove(&m->s, value(from), value(to));
    }
}

static void
combine(model_t *a, const model_t *b, unsigned how)
{
    unsigned  i;

    if (how == 0) {
        mapi_globset_union(&a->s, &b->s);
    } else if (how == 1) {
        mapi_globset_subtract(&a->s, &b->s);
    } else {
        mapi_globset_intersect(&a->s, &b->s);
    }
    for (i = 0; i < SPAN; i++) {
        a->bit[i] = how == 0 ? a->bit[i] || b->bit[i]
                    : how == 1 ? a->bit[i] && !b->bit[i]
                    : a->bit[i] && b->bit[i];
    }
}

static void
test_model(void)
{
    bool             good, back;
    ph_str_t         w;
    unsigned         seed, round, i, k;
    mapi_globset_t   t;
    static model_t   m[2];

    good = true;
    back = true;
    for (seed = 1; seed <= 40 && good && back; seed++) {
        unsigned  r = seed;

        for (i = 0; i < 2; i++) {
            mapi_globset_free(&m[i].s);
            memset(&m[i], 0, sizeof(m[i]));
        }
        for (round = 0; round < 60 && good && back; round++) {
            i = (unsigned) rand_r(&r) % 2;
            for (k = 0; k < 5; k++) {
                change(&m[i], &r);
            }
            if (round % 5 == 4) {
                combine(&m[i], &m[1 - i], (unsigned) rand_r(&r) % 3);
            }
            good = same(&m[i]);
            w = wire(&m[i].s);
            back = parse((const char *) w.data, w.len, &t) == PH_OK
                   && mapi_globset_eq(&t, &m[i].s);
            mapi_globset_free(&t);
        }
        ph_pool_reset(pool);
    }
    ok(good, "sets are what the model is (seed %u)", seed - 1);
    ok(back, "written and read they are the same (seed %u)", seed - 1);
    mapi_globset_free(&m[0].s);
    mapi_globset_free(&m[1].s);
}

static void
test_limits(void)
{
    uint64_t        v;
    ph_int_t        rc;
    mapi_globset_t  s;

    memset(&s, 0, sizeof(s));
    rc = PH_OK;
    for (v = 0; rc == PH_OK && v <= MAPI_GLOBSET_RANGES; v++) {
        rc = mapi_globset_push(&s, v * 2, v * 2);
    }
    is_int(rc, PH_TOOBIG, "too many ranges");
    is_int(s.n, MAPI_GLOBSET_RANGES, "as many as may be");
    rc = PH_OK;
    for (v = 0; rc == PH_OK && v < 10; v++) {
        rc = mapi_globset_push(&s, 101 - v * 2, 101 - v * 2);
    }
    is_int(mapi_globset_settle(&s), PH_OK, "out of order at the limit");
    ok(s.n <= MAPI_GLOBSET_RANGES, "and not beyond it");
    is_int(mapi_globset_add(&s, 5, MAPI_GLOBCNT_MAX), PH_OK, "all of them");
    is_int(s.n, 3, "three ranges");
    is_int(mapi_globset_add(&s, 5, MAPI_GLOBCNT_MAX + 1), PH_INVALID,
           "a counter of 49 bits");
    mapi_globset_free(&s);
}

static void
test_idset(void)
{
    ph_wbuf_t     b;
    mapi_idset_t  s, t;
    mapi_guid_t   one = { { 1 } }, two = { { 2 } };

    memset(&s, 0, sizeof(s));
    memset(&t, 0, sizeof(t));
    mapi_globset_add(mapi_idset_guid(&s, &two, true), 1, 5);
    mapi_globset_add(mapi_idset_guid(&s, &one, true), 7, 7);
    ok(mapi_idset_guid(&s, &two, false)->n == 1, "found by its GUID");
    ok(mapi_idset_guid(&t, &two, false) == NULL, "or not");
    ph_wbuf_init(&b, pool, 4096);
    mapi_idset_put(&b, &s, MAPI_IDSET_GUID);
    is_int(mapi_idset_read(ph_wbuf_str(&b), MAPI_IDSET_GUID, &t), PH_OK,
           "GUIDs go and come");
    ok(t.n == 2 && mapi_globset_eq(&s.part[0].set, &t.part[0].set)
       && mapi_globset_eq(&s.part[1].set, &t.part[1].set), "as they were");
    is_int(mapi_idset_read((ph_str_t) { 17, b.data }, MAPI_IDSET_GUID, &t),
           PH_INVALID, "half of it");
    is_int(t.n, 0, "leaves nothing");
    mapi_idset_free(&s);

    mapi_globset_add(mapi_idset_replid(&s, 1, true), 1, 5);
    ph_wbuf_init(&b, pool, 4096);
    mapi_idset_put(&b, &s, MAPI_IDSET_REPLID);
    ok(b.len == 13 && memcmp(b.data, "\1\0\5\0\0\0\0\0\x52\1\5\x50\0", 13)
       == 0, "a REPLID in front");
    is_int(mapi_idset_copy(&t, &s), PH_OK, "a copy");
    ok(t.n == 1 && mapi_globset_eq(&s.part[0].set, &t.part[0].set),
       "is the same");
    mapi_idset_free(&s);
    mapi_idset_free(&t);
}

int
main(void)
{
    pool = ph_pool_create("test", 0);
    test_forms();
    test_model();
    test_limits();
    test_idset();
    ph_pool_destroy(&pool);

    return done_testing();
}
