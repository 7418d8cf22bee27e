/* Streams: what was written goes into the object. */

#include "store_stream_int.h"
#include "lib/ph_str.h"


typedef struct {
    store_stream_t  *s;
    uint64_t         at;
    uint8_t          keep[4];      /* of a character that is cut */
    size_t           n_keep;
    ph_pool_t       *pool;
    ph_str_t         out;          /* converted and not yet taken */
} store_stream_source_t;

static ph_int_t
store_stream_source(void *data, void *buf, size_t len, size_t *got_r)
{
    size_t                  n;
    uint16_t                unit;
    uint8_t                *in;
    uint64_t                pos;
    ph_int_t                rc;
    store_stream_source_t  *src;

    src = data;

    if (!store_stream_is_text(src->s)) {
        pos = src->s->pos;
        src->s->pos = src->at;
        rc = store_stream_read(src->s, buf, len, got_r);
        src->at = src->s->pos;
        src->s->pos = pos;
        return rc;
    }

    if (src->out.len == 0) {
        ph_pool_reset(src->pool);
        in = ph_palloc(src->pool, (64u << 10) + 4);
        if (in == NULL) {
            return PH_NOMEM;
        }
        memcpy(in, src->keep, src->n_keep);
        pos = src->s->pos;
        src->s->pos = src->at;
        rc = store_stream_read(src->s, in + src->n_keep, 64u << 10, &n);
        src->at = src->s->pos;
        src->s->pos = pos;
        store_try(rc);
        n += src->n_keep;
        src->n_keep = 0;
        if (src->at < src->s->size && n >= 4) {
            /* neither half a unit nor half a pair at the end */
            if (n & 1) {
                src->keep[0] = in[--n];
                src->n_keep = 1;
            }
            unit = (uint16_t) (in[n - 2] | in[n - 1] << 8);
            if (unit >= 0xD800 && unit < 0xDC00) {
                memmove(src->keep + 2, src->keep, src->n_keep);
                src->keep[0] = in[n - 2];
                src->keep[1] = in[n - 1];
                src->n_keep += 2;
                n -= 2;
            }
        }
        src->out = ph_utf16_to_utf8(src->pool, (ph_str_t) { n, in });
        if (src->out.data == NULL) {
            return PH_NOMEM;
        }
    }

    *got_r = ph_min(len, src->out.len);
    if (*got_r) {
        memcpy(buf, src->out.data, *got_r);
    }
    src->out.data += *got_r;
    src->out.len -= *got_r;

    return PH_OK;
}

static ph_int_t
store_stream_to_bag(store_stream_t *s, store_bag_t *bag)
{
    ph_int_t                rc;
    ph_pool_t              *pool;
    mapi_value_t            v;
    store_blob_t           *blob;
    store_stream_source_t   src;

    pool = ph_pool_create("store stream", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    if (s->place == STORE_STREAM_MEMORY) {
        memset(&v, 0, sizeof(v));
        v.tag = s->tag;
        v.u.bin = (ph_str_t) { (size_t) s->size,
                               s->size ? s->mem : (const uint8_t *) "" };
        rc = PH_OK;
        if (store_stream_is_text(s)) {
            v.u.str = ph_utf16_to_utf8(pool, v.u.bin);
            rc = v.u.str.data ? PH_OK : PH_NOMEM;
        }
        if (rc == PH_OK) {
            rc = store_slot_set(s->store, bag, &v);
        }
    } else {
        memset(&src, 0, sizeof(src));
        src.s = s;
        src.pool = pool;
        rc = store_blob_pack(s->store, store_stream_source, &src, &blob);
        if (rc == PH_OK) {
            rc = store_bag_set_content(bag, s->tag, 0, blob, blob->size);
            store_blob_unref(&blob);
        }
    }
    ph_pool_destroy(&pool);

    return rc;
}

ph_int_t
store_stream_commit(store_conn_t *conn, store_stream_t *s)
{
    ph_int_t        rc;
    ph_pool_t      *pool;
    mapi_values_t   vals;
    store_bag_t     bag;

    if (!s->writable) {
        return PH_DENIED;
    }
    if (!s->dirty) {
        return PH_OK;
    }

    if (s->msg) {
        rc = store_stream_to_bag(s, &s->msg->data.bag);
        if (rc == PH_OK) {
            rc = store_message_stored(s->msg, s->tag);
        }
    } else if (s->att) {
        rc = store_stream_to_bag(s, &s->att->data.bag);
        s->att->dirty |= rc == PH_OK;
    } else {
        pool = ph_pool_create("store stream", 0);
        if (pool == NULL) {
            return PH_NOMEM;
        }
        store_bag_init(&bag, pool);
        rc = store_stream_to_bag(s, &bag);
        if (rc == PH_OK && bag.slot[0].external) {
            rc = store_folder_set_blob(conn, s->folder, s->tag,
                                       bag.slot[0].blob);
        } else if (rc == PH_OK) {
            vals.n = 1;
            vals.v = &bag.slot[0].v;
            rc = store_folder_set(conn, s->folder, &vals, true, pool, NULL);
        }
        store_bag_clear(&bag);
        ph_pool_destroy(&pool);
    }
    if (rc == PH_OK) {
        s->dirty = false;
    }

    return rc;
}
