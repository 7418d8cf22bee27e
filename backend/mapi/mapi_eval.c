#include "mapi/mapi_restriction.h"
#include "mapi/mapi_desc.h"
#include "mapi/mapi_value_int.h"
#include "lib/ph_str.h"

#include <pthread.h>
#include <stdlib.h>
#include <unicode/ucol.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/uchar.h>

/*
 * The root collator without regard to case.  It is made once and never changed
 * afterwards; comparing with it is safe from all threads.
 */
static pthread_once_t  mapi_collator_once = PTHREAD_ONCE_INIT;
static UCollator      *mapi_collator;

static void
mapi_collator_make(void)
{
    UErrorCode  err = U_ZERO_ERROR;

    mapi_collator = ucol_open("", &err);
    if (U_FAILURE(err)) {
        mapi_collator = NULL;
        return;
    }
    ucol_setStrength(mapi_collator, UCOL_SECONDARY);
}

static int
mapi_bytes_cmp(ph_str_t a, ph_str_t b)
{
    size_t  n = ph_min(a.len, b.len);
    int     order = n != 0 ? memcmp(a.data, b.data, n) : 0;

    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static int
mapi_string_cmp(ph_str_t a, ph_str_t b)
{
    UErrorCode        err = U_ZERO_ERROR;
    UCollationResult  order;

    if (a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0)) {
        return 0;
    }
    (void) pthread_once(&mapi_collator_once, mapi_collator_make);
    if (mapi_collator == NULL || a.len > INT32_MAX || b.len > INT32_MAX) {
        return mapi_bytes_cmp(a, b);
    }
    order = ucol_strcollUTF8(mapi_collator, (const char *) a.data,
        (int32_t) a.len, (const char *) b.data, (int32_t) b.len, &err);
    return U_FAILURE(err) ? mapi_bytes_cmp(a, b) : (int) order;
}

ph_int_t
mapi_string_key(ph_pool_t *pool, ph_str_t s, ph_str_t *key_r)
{
    UErrorCode  err = U_ZERO_ERROR;
    UChar      *wide;
    uint8_t    *key;
    int32_t     n, len;

    *key_r = s;
    (void) pthread_once(&mapi_collator_once, mapi_collator_make);
    if (mapi_collator == NULL || s.len == 0 || s.len > INT32_MAX / 8) {
        return PH_OK;
    }
    wide = ph_palloc(pool, (s.len + 1) * sizeof(UChar));
    if (wide == NULL) {
        return PH_NOMEM;
    }
    (void) u_strFromUTF8WithSub(wide, (int32_t) s.len + 1, &n,
        (const char *) s.data, (int32_t) s.len, 0xFFFD, NULL, &err);
    if (U_FAILURE(err)) {
        return PH_OK;
    }
    len = ucol_getSortKey(mapi_collator, wide, n, NULL, 0);
    key = ph_palloc(pool, (size_t) len);
    if (key == NULL) {
        return PH_NOMEM;
    }
    (void) ucol_getSortKey(mapi_collator, wide, n, key, len);
    key_r->data = key;
    key_r->len = (size_t) len;
    return PH_OK;
}

#define ORDER(x, y)  ((x) < (y) ? -1 : (x) > (y))

int
mapi_value_cmp(const mapi_value_t *a, const mapi_value_t *b)
{
    uint16_t      type = mapi_type_row(MAPI_TYPE(a->tag));
    uint16_t      other = mapi_type_row(MAPI_TYPE(b->tag));
    mapi_value_t  ea, eb;
    uint32_t      i;
    int           order;

    if (!mapi_type_compatible(type, other)) {
        return ORDER(type, other);
    }
    if (type & PT_MV) {
        for (i = 0; i < a->u.mv.n && i < b->u.mv.n; i++) {
            mapi_value_element(a, i, &ea);
            mapi_value_element(b, i, &eb);
            order = mapi_value_cmp(&ea, &eb);
            if (order != 0) {
                return order;
            }
        }
        return ORDER(a->u.mv.n, b->u.mv.n);
    }
    switch (type) {
    case PT_I2:
        return ORDER(a->u.i2, b->u.i2);
    case PT_LONG:
        return ORDER(a->u.i4, b->u.i4);
    case PT_ERROR:
        return ORDER(a->u.err, b->u.err);
    case PT_R4:
        return ORDER(a->u.r4, b->u.r4);
    case PT_DOUBLE:
    case PT_APPTIME:
        return ORDER(a->u.r8, b->u.r8);
    case PT_I8:
    case PT_CURRENCY:
        return ORDER(a->u.i8, b->u.i8);
    case PT_SYSTIME:
        return ORDER(a->u.time, b->u.time);
    case PT_BOOLEAN:
        return ORDER(a->u.b, b->u.b);
    case PT_CLSID:
        return memcmp(a->u.guid.b, b->u.guid.b, sizeof(a->u.guid.b));
    case PT_STRING8:
    case PT_UNICODE:
        return mapi_string_cmp(a->u.str, b->u.str);
    case PT_BINARY:
    case PT_OBJECT:
    case PT_SVREID:
        return mapi_bytes_cmp(a->u.bin, b->u.bin);
    default:
        return 0;
    }
}

/* ---- content ---- */

/* folded text: UTF-16 units in memory of its own */
typedef struct {
    UChar   *s;
    int32_t  n;
    UChar    small[256];
} mapi_folded_t;

static void
mapi_folded_free(mapi_folded_t *f)
{
    if (f->s != f->small) {
        free(f->s);
    }
}

static bool
mapi_folded_grow(mapi_folded_t *f, int32_t cap)
{
    if (f->s != f->small) {
        free(f->s);
    }
    f->s = malloc((size_t) cap * sizeof(UChar));
    if (f->s == NULL) {
        f->s = f->small;
        return false;
    }
    return true;
}

/* decomposes and drops combining marks, in place or in new memory */
static bool
mapi_folded_strip(mapi_folded_t *f)
{
    UErrorCode           err = U_ZERO_ERROR;
    const UNormalizer2  *nfd = unorm2_getNFDInstance(&err);
    UChar               *to;
    UChar32              c;
    int32_t              cap = f->n * 4 + 16, n, i, k, at;

    if (U_FAILURE(err)) {
        return false;
    }
    to = malloc((size_t) cap * sizeof(UChar));
    if (to == NULL) {
        return false;
    }
    n = unorm2_normalize(nfd, f->s, f->n, to, cap, &err);
    if (U_FAILURE(err)) {
        free(to);
        return false;
    }
    for (i = 0, k = 0; i < n; ) {
        at = i;
        U16_NEXT(to, i, n, c);
        if (u_charType(c) == U_NON_SPACING_MARK) {
            continue;
        }
        while (at < i) {
            to[k++] = to[at++];
        }
    }
    mapi_folded_free(f);
    f->s = to;
    f->n = k;
    return true;
}

static bool
mapi_folded_make(mapi_folded_t *f, ph_str_t s, uint16_t high)
{
    UErrorCode  err = U_ZERO_ERROR;
    UChar      *from;
    int32_t     n, cap;

    f->s = f->small;
    f->n = 0;
    if (s.len > INT32_MAX / 8) {
        return false;
    }
    cap = (int32_t) s.len + 1;
    if (cap > (int32_t) ph_nelts(f->small) && !mapi_folded_grow(f, cap)) {
        return false;
    }
    (void) u_strFromUTF8WithSub(f->s, cap, &f->n, (const char *) s.data,
        (int32_t) s.len, 0xFFFD, NULL, &err);
    if (U_FAILURE(err)) {
        return false;
    }
    if ((high & FL_IGNORENONSPACE) && !mapi_folded_strip(f)) {
        return false;
    }
    if (!(high & (FL_IGNORECASE | FL_LOOSE))) {
        return true;
    }
    cap = f->n * 3 + 16;
    from = malloc((size_t) cap * sizeof(UChar));
    if (from == NULL) {
        return false;
    }
    err = U_ZERO_ERROR;
    n = u_strFoldCase(from, cap, f->s, f->n, U_FOLD_CASE_DEFAULT, &err);
    mapi_folded_free(f);
    f->s = from;
    f->n = n;
    return U_SUCCESS(err);
}

static bool
mapi_at_word(const UChar *s, int32_t n, int32_t i)
{
    UChar32  before, at;

    if (i == 0 || i >= n) {
        return true;
    }
    U16_GET(s, 0, i - 1, n, before);
    U16_GET(s, 0, i, n, at);
    return !u_isalnum(before) || !u_isalnum(at);
}

static bool
mapi_folded_match(const mapi_folded_t *v, const mapi_folded_t *p,
    uint16_t low)
{
    const UChar  *hit;
    int32_t       at, from = 0;

    if (p->n > v->n) {
        return false;
    }
    if (!(low & (FL_PREFIX_ANY_WORD | FL_PHRASE))) {
        switch (low & 3) {
        case FL_FULLSTRING:
            return v->n == p->n && u_memcmp(v->s, p->s, p->n) == 0;
        case FL_PREFIX:
            return u_memcmp(v->s, p->s, p->n) == 0;
        default:
            return u_strFindFirst(v->s, v->n, p->s, p->n) != NULL;
        }
    }
    while ((hit = u_strFindFirst(v->s + from, v->n - from, p->s, p->n))
           != NULL)
    {
        at = (int32_t) (hit - v->s);
        if (mapi_at_word(v->s, v->n, at)
            && (!(low & FL_PHRASE) || mapi_at_word(v->s, v->n, at + p->n)))
        {
            return true;
        }
        if (p->n == 0) {
            return true;
        }
        from = at + 1;
    }
    return false;
}

static bool
mapi_ascii_match(ph_str_t v, ph_str_t p, uint16_t low, bool icase)
{
    size_t  i, last;

    if (p.len > v.len) {
        return false;
    }
    last = (low & 3) == FL_SUBSTRING ? v.len - p.len : 0;
    if ((low & 3) == FL_FULLSTRING && p.len != v.len) {
        return false;
    }
    for (i = 0; i <= last; i++) {
        ph_str_t  part = { p.len, v.data + i };

        if (icase ? ph_str_ieq(part, p) : ph_str_eq(part, p)) {
            return true;
        }
    }
    return false;
}

static bool
mapi_is_plain(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static bool
mapi_text_match(ph_str_t v, ph_str_t p, uint16_t low, uint16_t high)
{
    mapi_folded_t  fv, fp;
    bool           match;

    if (!(low & (FL_PREFIX_ANY_WORD | FL_PHRASE)) && v.len < 4096
        && mapi_is_plain(v) && mapi_is_plain(p))
    {
        return mapi_ascii_match(v, p, low,
            (high & (FL_IGNORECASE | FL_LOOSE)) != 0);
    }
    match = mapi_folded_make(&fv, v, high);
    if (match) {
        match = mapi_folded_make(&fp, p, high)
            && mapi_folded_match(&fv, &fp, low);
        mapi_folded_free(&fp);
    }
    mapi_folded_free(&fv);
    return match;
}

static bool
mapi_binary_match(ph_str_t v, ph_str_t p, uint16_t low)
{
    switch (low & 3) {
    case FL_FULLSTRING:
        return ph_str_eq(v, p);
    case FL_PREFIX:
        return p.len <= v.len && ph_str_eq((ph_str_t) { p.len, v.data }, p);
    default:
        return p.len == 0
            || (v.len != 0 && memmem(v.data, v.len, p.data, p.len) != NULL);
    }
}

bool
mapi_content_match(const mapi_value_t *value, const mapi_value_t *pattern,
    uint16_t low, uint16_t high)
{
    uint16_t      type = mapi_type_row(MAPI_TYPE(value->tag));
    uint16_t      want = mapi_type_row(MAPI_TYPE(pattern->tag));
    mapi_value_t  e;

    if ((type & PT_MV) && !(want & PT_MV)) {
        for (uint32_t i = 0; i < value->u.mv.n; i++) {
            mapi_value_element(value, i, &e);
            if (mapi_content_match(&e, pattern, low, high)) {
                return true;
            }
        }
        return false;
    }
    if (!mapi_type_compatible(type, want)) {
        return false;
    }
    if (type == PT_STRING8 || type == PT_UNICODE) {
        return mapi_text_match(value->u.str, pattern->u.str, low, high);
    }
    if (type == PT_BINARY) {
        return mapi_binary_match(value->u.bin, pattern->u.bin, low);
    }
    return mapi_value_cmp(value, pattern) == 0;
}

/* ---- restrictions ---- */

static bool
mapi_relop(uint8_t relop, int order)
{
    switch (relop) {
    case RELOP_LT:
        return order < 0;
    case RELOP_LE:
        return order <= 0;
    case RELOP_GT:
        return order > 0;
    case RELOP_GE:
        return order >= 0;
    case RELOP_EQ:
        return order == 0;
    case RELOP_NE:
        return order != 0;
    default:
        return false;
    }
}

static bool
mapi_prop_match(uint8_t relop, const mapi_value_t *v, const mapi_value_t *want)
{
    uint16_t      type = mapi_type_row(MAPI_TYPE(v->tag));
    uint16_t      wanted = mapi_type_row(MAPI_TYPE(want->tag));
    mapi_value_t  e;

    if ((type & PT_MV) && !(wanted & PT_MV)) {
        /* "not equal" means that no element is */
        for (uint32_t i = 0; i < v->u.mv.n; i++) {
            mapi_value_element(v, i, &e);
            if (mapi_relop(relop == RELOP_NE ? RELOP_EQ : relop,
                    mapi_value_cmp(&e, want)))
            {
                return relop != RELOP_NE;
            }
        }
        return relop == RELOP_NE;
    }
    if (!mapi_type_compatible(type, wanted)) {
        return relop == RELOP_NE;
    }
    return mapi_relop(relop, mapi_value_cmp(v, want));
}

/* PH_NOTFOUND also for a value that is an error */
static ph_int_t
mapi_eval_get(const mapi_eval_t *e, uint32_t tag, mapi_value_t *v)
{
    /* an element of a multi-value: the whole value decides */
    if ((MAPI_TYPE(tag) & (PT_MV | PT_MVI)) == (PT_MV | PT_MVI)) {
        tag &= ~(uint32_t) PT_MVI;
    }
    PH_TRY(e->get(e->data, tag, v));
    return MAPI_TYPE(v->tag) == PT_ERROR && MAPI_TYPE(tag) != PT_ERROR
        ? PH_NOTFOUND : PH_OK;
}

static ph_int_t
mapi_eval_leaf(const mapi_restriction_t *r, const mapi_eval_t *e, bool *m)
{
    mapi_value_t  v, w;
    ph_int_t      rc;
    size_t        size;

    switch (r->type) {
    case MAPI_RES_CONTENT:
        rc = mapi_eval_get(e, r->u.content.tag, &v);
        *m = rc == PH_OK && mapi_content_match(&v, &r->u.content.value,
            r->u.content.low, r->u.content.high);
        return rc;
    case MAPI_RES_PROPERTY:
        rc = mapi_eval_get(e, r->u.prop.tag, &v);
        *m = rc == PH_OK
            ? mapi_prop_match(r->u.prop.relop, &v, &r->u.prop.value)
            : r->u.prop.relop == RELOP_NE;
        return rc;
    case MAPI_RES_COMPAREPROPS:
        rc = mapi_eval_get(e, r->u.compare.tag1, &v);
        if (rc == PH_OK) {
            rc = mapi_eval_get(e, r->u.compare.tag2, &w);
        }
        *m = rc == PH_OK ? mapi_prop_match(r->u.compare.relop, &v, &w)
                         : r->u.compare.relop == RELOP_NE;
        return rc;
    case MAPI_RES_BITMASK:
        rc = mapi_eval_get(e, r->u.bitmask.tag, &v);
        *m = rc == PH_OK && MAPI_TYPE(v.tag) == PT_LONG
            && (((uint32_t) v.u.i4 & r->u.bitmask.mask) != 0)
               == (r->u.bitmask.nonzero != 0);
        return rc;
    case MAPI_RES_SIZE:
        rc = mapi_eval_get(e, r->u.size.tag, &v);
        if (rc == PH_OK) {
            size = mapi_value_size(&v);
            *m = mapi_relop(r->u.size.relop, ORDER(size, r->u.size.size));
        }
        return rc;
    case MAPI_RES_EXIST:
        rc = mapi_eval_get(e, r->u.exist, &v);
        *m = rc == PH_OK;
        return rc;
    default:
        *m = r->type == MAPI_RES_NULL;
        return PH_OK;
    }
}

static ph_int_t
mapi_eval(const mapi_restriction_t *r, const mapi_eval_t *e, bool *m,
    unsigned depth)
{
    ph_int_t  rc;

    *m = false;
    if (depth >= MAPI_MAX_DEPTH || r == NULL) {
        return PH_TOOBIG;
    }
    switch (r->type) {
    case MAPI_RES_AND:
    case MAPI_RES_OR:
        *m = r->type == MAPI_RES_AND;
        for (uint32_t i = 0; i < r->u.list.n; i++) {
            PH_TRY(mapi_eval(&r->u.list.r[i], e, m, depth + 1));
            if (*m != (r->type == MAPI_RES_AND)) {
                break;
            }
        }
        return PH_OK;
    case MAPI_RES_NOT:
        PH_TRY(mapi_eval(r->u.sub.r, e, m, depth + 1));
        *m = !*m;
        return PH_OK;
    case MAPI_RES_SUBOBJECT:
        return e->sub == NULL ? PH_OK
            : e->sub(e->data, r->u.sub.tag, r->u.sub.r, m);
    case MAPI_RES_COMMENT:
    case MAPI_RES_ANNOTATION:
        *m = true;
        return r->u.comment.r == NULL ? PH_OK
            : mapi_eval(r->u.comment.r, e, m, depth + 1);
    case MAPI_RES_COUNT:
        return mapi_eval(r->u.sub.r, e, m, depth + 1);
    default:
        rc = mapi_eval_leaf(r, e, m);
        return rc == PH_NOTFOUND ? PH_OK : rc;
    }
}

ph_int_t
mapi_restriction_eval(const mapi_restriction_t *r, const mapi_eval_t *e,
    bool *match_r)
{
    return mapi_eval(r, e, match_r, 0);
}
