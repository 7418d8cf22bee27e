/* Id sets of anything; what is read comes back the same when written. */

#include "mapi/mapi_idset.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const mapi_globset_t *s)
{
    uint32_t  i;

    for (i = 0; i < s->n; i++) {
        if (s->r[i].lo > s->r[i].hi || s->r[i].hi > MAPI_GLOBCNT_MAX
            || (i > 0 && s->r[i - 1].hi + 1 >= s->r[i].lo))
        {
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t           i;
    ph_str_t           in;
    ph_pool_t         *pool;
    ph_wbuf_t          b;
    mapi_idset_t       s, back, other;
    mapi_idset_form_t  form;

    if (size < 1) {
        return 0;
    }

    form = data[0] & 1 ? MAPI_IDSET_GUID : MAPI_IDSET_REPLID;
    in = (ph_str_t) { size - 1, data + 1 };
    memset(&s, 0, sizeof(s));
    memset(&back, 0, sizeof(back));
    memset(&other, 0, sizeof(other));
    if (mapi_idset_read(in, form, &s) != PH_OK) {
        return 0;
    }

    pool = ph_pool_create("fuzz", 0);
    ph_wbuf_init(&b, pool, 1u << 26);
    mapi_idset_put(&b, &s, form);
    if (b.error || mapi_idset_read(ph_wbuf_str(&b), form, &back) != PH_OK
        || mapi_idset_copy(&other, &s) != PH_OK)
    {
        abort();
    }
    for (i = 0; i < back.n; i++) {
        check(&back.part[i].set);
    }
    for (i = 0; i < s.n; i++) {
        mapi_globset_t  *a = &s.part[i].set, *o = &other.part[i].set, *w;

        check(a);
        w = mapi_idset_replid(&back, s.part[i].replid, false);
        if (form == MAPI_IDSET_GUID) {
            w = mapi_idset_guid(&back, &s.part[i].guid, false);
        }
        if (a->n > 0 && (w == NULL || !mapi_globset_eq(a, w))) {
            abort();
        }
        /* a - a is empty, a and a is a, a and the next one is no more */
        if (mapi_globset_intersect(o, a) != PH_OK || !mapi_globset_eq(o, a)
            || mapi_globset_subtract(o, &s.part[(i + 1) % s.n].set) != PH_OK
            || mapi_globset_union(o, a) != PH_OK || !mapi_globset_eq(o, a)
            || mapi_globset_subtract(o, a) != PH_OK || o->n != 0)
        {
            abort();
        }
    }

    mapi_idset_free(&s);
    mapi_idset_free(&back);
    mapi_idset_free(&other);
    ph_pool_destroy(&pool);

    return 0;
}
