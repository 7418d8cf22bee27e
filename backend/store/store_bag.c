/* Bags: the properties of a working copy, sorted by tag, one for each id. */

#include "store_int.h"

#include <stdlib.h>

void
store_bag_init(store_bag_t *bag, ph_pool_t *pool)
{
    memset(bag, 0, sizeof(*bag));
    bag->pool = pool;
}

void
store_bag_clear(store_bag_t *bag)
{
    uint32_t  i;

    for (i = 0; i < bag->n; i++) {
        store_blob_unref(&bag->slot[i].blob);
    }
    bag->n = 0;
}

static uint32_t
store_bag_lower(const store_bag_t *bag, uint32_t tag)
{
    uint32_t  lo, hi, mid;

    lo = 0;
    hi = bag->n;
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (MAPI_ID(bag->slot[mid].v.tag) < MAPI_ID(tag)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return lo;
}

store_slot_t *
store_bag_find(const store_bag_t *bag, uint32_t tag)
{
    uint32_t  i;

    i = store_bag_lower(bag, tag);

    return i < bag->n && MAPI_ID(bag->slot[i].v.tag) == MAPI_ID(tag)
           ? &bag->slot[i] : NULL;
}

/* the slot for the tag, emptied; NULL: no memory */
static store_slot_t *
store_bag_slot(store_bag_t *bag, uint32_t tag)
{
    uint32_t       i, cap;
    store_slot_t  *slot;

    i = store_bag_lower(bag, tag);

    if (i == bag->n || MAPI_ID(bag->slot[i].v.tag) != MAPI_ID(tag)) {
        if (bag->n == UINT16_MAX) {
            return NULL;
        }
        if (bag->n == bag->cap) {
            cap = bag->cap ? bag->cap * 2 : 32;
            slot = ph_prealloc(bag->pool, bag->slot,
                               bag->cap * sizeof(*slot), cap * sizeof(*slot));
            if (slot == NULL) {
                return NULL;
            }
            bag->slot = slot;
            bag->cap = cap;
        }
        memmove(&bag->slot[i + 1], &bag->slot[i],
                (bag->n - i) * sizeof(*bag->slot));
        bag->n++;
    } else {
        store_blob_unref(&bag->slot[i].blob);
    }

    memset(&bag->slot[i], 0, sizeof(bag->slot[i]));
    bag->slot[i].v.tag = tag;

    return &bag->slot[i];
}

ph_int_t
store_bag_set(store_bag_t *bag, const mapi_value_t *v)
{
    mapi_value_t   copy;
    store_slot_t  *slot;

    /* copied before the old value goes: it may be the same memory */
    store_try(store_value_copy(bag->pool, v, &copy));
    slot = store_bag_slot(bag, v->tag);
    if (slot == NULL) {
        return PH_NOMEM;
    }
    slot->v = copy;
    slot->size = store_value_size(&copy);

    return PH_OK;
}

ph_int_t
store_bag_set_content(store_bag_t *bag, uint32_t tag, uint64_t content,
    store_blob_t *blob, uint64_t size)
{
    store_slot_t  *slot;
    store_blob_t  *ref;

    ref = store_blob_ref(blob);
    slot = store_bag_slot(bag, tag);
    if (slot == NULL) {
        store_blob_unref(&ref);
        return PH_NOMEM;
    }
    slot->external = true;
    slot->content = content;
    slot->blob = ref;
    slot->size = size;

    return PH_OK;
}

bool
store_bag_del(store_bag_t *bag, uint32_t tag)
{
    uint32_t       i;
    store_slot_t  *slot;

    slot = store_bag_find(bag, tag);
    if (slot == NULL) {
        return false;
    }
    store_blob_unref(&slot->blob);
    i = (uint32_t) (slot - bag->slot);
    memmove(slot, slot + 1, (bag->n - i - 1) * sizeof(*slot));
    bag->n--;

    return true;
}

ph_int_t
store_bag_copy(store_bag_t *to, const store_bag_t *from)
{
    uint32_t       i;
    store_slot_t  *slot;

    for (i = 0; i < from->n; i++) {
        slot = &from->slot[i];
        if (slot->external) {
            store_try(store_bag_set_content(to, slot->v.tag, slot->content,
                                            slot->blob, slot->size));
        } else {
            store_try(store_bag_set(to, &slot->v));
        }
    }

    return PH_OK;
}

/* Values point into the packed bytes, which must live as long as the bag. */
ph_int_t
store_bag_unpack(store_bag_t *bag, ph_str_t packed)
{
    uint16_t        i;
    store_pack_t    pack;
    store_slot_t   *slot;
    store_packed_t  v;

    store_try(store_pack_open(packed, &pack));

    for (i = 0; i < pack.n; i++) {
        store_try(store_pack_at(&pack, i, bag->pool, &v));
        slot = store_bag_slot(bag, v.v.tag);
        if (slot == NULL) {
            return PH_NOMEM;
        }
        slot->v = v.v;
        slot->external = v.external;
        slot->content = v.content;
        slot->size = v.size;
    }

    return PH_OK;
}

ph_int_t
store_bag_set_u32(store_bag_t *bag, uint32_t tag, uint32_t v)
{
    mapi_value_t  val;

    memset(&val, 0, sizeof(val));
    val.tag = tag;
    val.u.i4 = (int32_t) v;

    return store_bag_set(bag, &val);
}

ph_int_t
store_bag_set_bool(store_bag_t *bag, uint32_t tag, bool v)
{
    mapi_value_t  val;

    memset(&val, 0, sizeof(val));
    val.tag = tag;
    val.u.b = v;

    return store_bag_set(bag, &val);
}

ph_int_t
store_bag_set_time(store_bag_t *bag, uint32_t tag, uint64_t v)
{
    mapi_value_t  val;

    memset(&val, 0, sizeof(val));
    val.tag = tag;
    val.u.time = v;

    return store_bag_set(bag, &val);
}

ph_int_t
store_bag_set_str(store_bag_t *bag, uint32_t tag, ph_str_t v)
{
    mapi_value_t  val;

    memset(&val, 0, sizeof(val));
    val.tag = tag;
    val.u.str = v;

    return store_bag_set(bag, &val);
}

uint64_t
store_bag_size(const store_bag_t *bag)
{
    uint32_t  i;
    uint64_t  size;

    size = 0;
    for (i = 0; i < bag->n; i++) {
        size += bag->slot[i].size;
    }

    return size;
}

static const store_slot_t *
store_bag_typed(const store_bag_t *bag, uint32_t tag)
{
    const store_slot_t  *slot;

    slot = store_bag_find(bag, tag);
    if (slot == NULL || slot->external
        || !store_type_same(MAPI_TYPE(tag), MAPI_TYPE(slot->v.tag)))
    {
        return NULL;
    }

    return slot;
}

ph_str_t
store_bag_str(const store_bag_t *bag, uint32_t tag)
{
    const store_slot_t  *slot;

    slot = store_bag_typed(bag, tag);

    return slot ? slot->v.u.str : ph_str_null;
}

uint32_t
store_bag_u32(const store_bag_t *bag, uint32_t tag, uint32_t dflt)
{
    const store_slot_t  *slot;

    slot = store_bag_typed(bag, tag);

    return slot ? (uint32_t) slot->v.u.i4 : dflt;
}

uint64_t
store_bag_time(const store_bag_t *bag, uint32_t tag)
{
    const store_slot_t  *slot;

    slot = store_bag_typed(bag, tag);

    return slot ? slot->v.u.time : 0;
}

bool
store_bag_bool(const store_bag_t *bag, uint32_t tag, bool dflt)
{
    const store_slot_t  *slot;

    slot = store_bag_typed(bag, tag);

    return slot ? slot->v.u.b : dflt;
}

/* ---- packing ---- */

ph_int_t
store_idlist_add(store_idlist_t *l, uint64_t id)
{
    uint32_t   cap;
    uint64_t  *p;

    if (l->n == l->cap) {
        cap = l->cap ? l->cap * 2 : 16;
        p = realloc(l->id, cap * sizeof(*p));
        if (p == NULL) {
            return PH_NOMEM;
        }
        l->id = p;
        l->cap = cap;
    }
    l->id[l->n++] = id;

    return PH_OK;
}

ph_int_t
store_idlist_rows(store_conn_t *conn, sqlite3_stmt **s, store_idlist_t *l)
{
    ph_int_t  rc;

    while ((rc = store_step(conn, *s)) == PH_OK) {
        rc = store_idlist_add(l, store_col_u64(*s, 0));
        if (rc != PH_OK) {
            break;
        }
    }
    store_done(conn, s);

    return rc == PH_DONE ? PH_OK : rc;
}

void
store_idlist_free(store_idlist_t *l)
{
    free(l->id);
    memset(l, 0, sizeof(*l));
}

/* the bytes of a value that may become content */
static bool
store_slot_bytes(const store_slot_t *slot)
{
    switch (MAPI_TYPE(slot->v.tag)) {
    case PT_STRING8:
    case PT_UNICODE:
    case PT_BINARY:
    case PT_OBJECT:
        return true;
    default:
        return false;
    }
}

ph_int_t
store_bag_pack(store_conn_t *conn, store_bag_t *bag, ph_wbuf_t *out,
    store_idlist_t *list)
{
    size_t         index, data;
    uint32_t       i;
    store_slot_t  *slot;

    ph_put_u8(out, STORE_PACK_VERSION);
    ph_put_u8(out, 0);
    ph_put_u16(out, (uint16_t) bag->n);
    index = out->len;
    ph_put_fill(out, 0, (size_t) bag->n * 8);
    data = out->len;

    for (i = 0; i < bag->n; i++) {
        slot = &bag->slot[i];

        if (!slot->external && store_slot_bytes(slot)
            && slot->v.u.bin.len > STORE_INLINE_MAX && slot->content == 0)
        {
            store_try(store_content_put(conn, slot->v.u.bin,
                                        &slot->content));
        } else if (slot->external && slot->blob) {
            store_try(store_content_put_blob(conn, slot->blob,
                                             &slot->content));
        }

        if (out->error || out->len - data >= STORE_PACK_EXTERNAL) {
            return out->error ? PH_NOMEM : PH_TOOBIG;
        }
        ph_poke_u32(out, index + i * 8, slot->v.tag);

        /* a value in memory also stays there: store_message_unsaved() */
        if (slot->content) {
            ph_poke_u32(out, index + i * 8 + 4,
                        (uint32_t) (out->len - data) | STORE_PACK_EXTERNAL);
            ph_put_u64(out, slot->content);
            ph_put_u64(out, slot->external ? slot->size
                                           : slot->v.u.bin.len);
            store_try(store_idlist_add(list, slot->content));
            continue;
        }

        ph_poke_u32(out, index + i * 8 + 4, (uint32_t) (out->len - data));
        store_try(store_pack_value(out, &slot->v));
    }

    return out->error ? PH_NOMEM : PH_OK;
}
