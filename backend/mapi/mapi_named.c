#include "mapi/mapi_named.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_value.h"

#define FIRST_ID  0x8000

static const struct {
    const mapi_guid_t  *set;
    const char         *canonical;
    const char         *text;
    uint32_t            lid;
    uint16_t            type;
} mapi_named_table[] = {
#define LID(set, lid, name, type)                                            \
    { &mapi_guid_##set, #name, NULL, lid, type },
#define NAME(set, text, name, type)                                          \
    { &mapi_guid_##set, #name, text, 0, type },
#include "mapi/mapi_named.def"
#undef LID
#undef NAME
};

static mapi_propname_t
mapi_named_name(unsigned i)
{
    mapi_propname_t  n;

    memset(&n, 0, sizeof(n));
    n.guid = *mapi_named_table[i].set;
    if (mapi_named_table[i].text != NULL) {
        n.kind = 1;
        n.name.data = (const uint8_t *) mapi_named_table[i].text;
        n.name.len = strlen(mapi_named_table[i].text);
    } else {
        n.lid = mapi_named_table[i].lid;
    }
    return n;
}

mapi_named_prop_t
mapi_named_prop(unsigned np)
{
    mapi_named_prop_t  p;

    p.canonical = mapi_named_table[np].canonical;
    p.type = mapi_named_table[np].type;
    p.name = mapi_named_name(np);
    return p;
}

int
mapi_named_find(const mapi_propname_t *name)
{
    mapi_propname_t  n;

    for (unsigned i = 0; i < MAPI_NP_COUNT; i++) {
        n = mapi_named_name(i);
        if (mapi_propname_eq(&n, name)) {
            return (int) i;
        }
    }
    return -1;
}

uint16_t
mapi_names_id(ph_pool_t *pool, mapi_names_t *names,
    const mapi_propname_t *name)
{
    mapi_named_t  *v;
    uint32_t       cap;

    for (uint32_t i = 0; i < names->n; i++) {
        if (mapi_propname_eq(&names->v[i].name, name)) {
            return names->v[i].id;
        }
    }
    if (names->n >= MAPI_MAX_TAGS) {
        return 0;
    }
    /* room is doubled whenever n is a power of two, so that n tells it */
    if ((names->n & (names->n - 1)) == 0) {
        cap = names->n == 0 ? 1 : names->n * 2;
        v = ph_pcalloc_array(pool, cap, sizeof(*v));
        if (v == NULL) {
            return 0;
        }
        if (names->n != 0) {
            memcpy(v, names->v, names->n * sizeof(*v));
        }
        names->v = v;
    }
    names->v[names->n].id = (uint16_t) (FIRST_ID + names->n);
    names->v[names->n].name = *name;
    return names->v[names->n++].id;
}

uint32_t
mapi_names_tag(ph_pool_t *pool, mapi_names_t *names, unsigned np)
{
    mapi_named_prop_t  p = mapi_named_prop(np);
    uint16_t           id = mapi_names_id(pool, names, &p.name);

    return id == 0 ? 0 : MAPI_TAG(id, p.type);
}

const mapi_propname_t *
mapi_names_name(const mapi_names_t *names, uint16_t id)
{
    for (uint32_t i = 0; i < names->n; i++) {
        if (names->v[i].id == id) {
            return &names->v[i].name;
        }
    }
    return NULL;
}
