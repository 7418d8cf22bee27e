/* Streams: opening, reading, writing. */

#include "store_stream_int.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static ph_int_t
store_stream_new(store_t *store, uint32_t tag, store_stream_mode_t mode,
    store_stream_t **s_r)
{
    store_stream_t  *s;

    switch (MAPI_TYPE(tag)) {
    case PT_BINARY:
    case PT_UNICODE:
    case PT_STRING8:
    case PT_OBJECT:
        break;
    default:
        return PH_INVALID;
    }

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return PH_NOMEM;
    }
    s->magic = STORE_STREAM_MAGIC;
    s->store = store;
    s->tag = tag;
    s->writable = mode != STORE_STREAM_READ;
    s->fd = -1;
    *s_r = s;

    return PH_OK;
}

void
store_stream_close(store_stream_t **s)
{
    store_stream_t  *st;

    st = *s;
    if (st == NULL) {
        return;
    }
    *s = NULL;
    if (st->fd != -1) {
        close(st->fd);
    }
    store_blob_close(&st->reader);
    free(st->mem);
    st->magic = 0;
    free(st);
}

/* the stored bytes as the stream's: text is UTF-16 there */
static ph_int_t
store_stream_fill(store_stream_t *s, ph_pool_t *pool, ph_str_t bytes)
{
    if (store_stream_is_text(s)) {
        bytes = ph_utf8_to_utf16(pool, bytes);
        if (bytes.data == NULL) {
            return PH_NOMEM;
        }
    }
    s->mem = malloc(bytes.len + 1);
    if (s->mem == NULL) {
        return PH_NOMEM;
    }
    if (bytes.len) {
        memcpy(s->mem, bytes.data, bytes.len);
    }
    s->cap = bytes.len + 1;
    s->size = bytes.len;
    s->place = STORE_STREAM_MEMORY;

    return PH_OK;
}

static ph_int_t
store_stream_spool(store_stream_t *s)
{
    char      path[4096];
    size_t    n;
    uint8_t  *buf;
    uint64_t  at;
    ph_int_t  rc;

    store_try(store_tmp_file(s->store, path, sizeof(path), &s->fd));
    unlink(path);      /* gone with the descriptor */

    rc = PH_OK;
    if (s->place == STORE_STREAM_MEMORY) {
        if (s->size && pwrite(s->fd, s->mem, s->size, 0)
                       != (ssize_t) s->size)
        {
            rc = store_io_error(s->store, "write", "spool");
        }
        free(s->mem);
        s->mem = NULL;
        s->cap = 0;
    } else {
        buf = malloc(64u << 10);
        rc = buf ? PH_OK : PH_NOMEM;
        for (at = 0; rc == PH_OK && at < s->size; at += n) {
            rc = store_blob_read(s->reader, at, buf, 64u << 10, &n);
            if (rc == PH_OK && n == 0) {
                rc = PH_CORRUPT;
            }
            if (rc == PH_OK && pwrite(s->fd, buf, n, (off_t) at)
                               != (ssize_t) n)
            {
                rc = store_io_error(s->store, "write", "spool");
            }
        }
        free(buf);
        store_blob_close(&s->reader);
    }
    s->place = STORE_STREAM_SPOOL;

    return rc;
}

/* Large text becomes UTF-16 in a spool file piece by piece. */
static ph_int_t
store_stream_spool_text(store_stream_t *s, store_blob_reader_t *reader)
{
    char        path[4096];
    size_t      got, keep, use;
    uint8_t    *buf;
    uint64_t    at, out;
    ph_int_t    rc;
    ph_str_t    utf16;
    ph_pool_t  *pool;

    store_try(store_tmp_file(s->store, path, sizeof(path), &s->fd));
    unlink(path);
    s->place = STORE_STREAM_SPOOL;

    buf = malloc(64u << 10);
    rc = buf ? PH_OK : PH_NOMEM;
    at = 0;
    out = 0;
    keep = 0;
    while (rc == PH_OK) {
        rc = store_blob_read(reader, at, buf + keep, (64u << 10) - keep,
                             &got);
        if (rc != PH_OK || got + keep == 0) {
            break;
        }
        at += got;
        use = got + keep;
        if (got && use > 4) {
            use = ph_utf8_cut((ph_str_t) { use, buf }, use - 4);
        }
        pool = ph_pool_create("store text", 0);
        if (pool == NULL) {
            rc = PH_NOMEM;
            break;
        }
        utf16 = ph_utf8_to_utf16(pool, (ph_str_t) { use, buf });
        if (utf16.data == NULL) {
            rc = PH_NOMEM;
        } else if (pwrite(s->fd, utf16.data, utf16.len, (off_t) out)
                   != (ssize_t) utf16.len)
        {
            rc = store_io_error(s->store, "write", "spool");
        }
        out += utf16.len;
        ph_pool_destroy(&pool);
        keep = got + keep - use;
        memmove(buf, buf + use, keep);
        if (got == 0) {
            break;
        }
    }
    free(buf);
    s->size = out;

    return rc;
}

static ph_int_t
store_stream_load(store_conn_t *conn, store_stream_t *s,
    const mapi_value_t *v, bool external, uint64_t content,
    store_blob_t *blob)
{
    uint64_t              size;
    ph_int_t              rc;
    ph_str_t              data;
    ph_pool_t            *pool;
    store_blob_reader_t  *reader;

    if (!store_type_same(MAPI_TYPE(s->tag), MAPI_TYPE(v->tag))) {
        return PH_NOTFOUND;
    }
    pool = ph_pool_create("store stream", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    reader = NULL;
    rc = PH_OK;
    if (!external) {
        data = v->u.bin;
    } else if (blob) {
        rc = store_blob_open(s->store, blob->path, blob->size, &reader);
        size = blob->size;
    } else {
        rc = store_content_open(conn, content, pool, &data, &reader, &size);
    }

    if (rc == PH_OK && reader == NULL) {
        rc = store_stream_fill(s, pool, data);
    } else if (rc == PH_OK && store_stream_is_text(s)) {
        rc = store_stream_spool_text(s, reader);
        store_blob_close(&reader);
    } else if (rc == PH_OK) {
        s->reader = reader;
        s->size = size;
        s->place = STORE_STREAM_BLOB;
    }
    ph_pool_destroy(&pool);

    return rc;
}

static ph_int_t
store_stream_bag(store_conn_t *conn, const store_bag_t *bag,
    store_stream_t *s, store_stream_mode_t mode)
{
    store_slot_t  *slot;

    if (mode == STORE_STREAM_CREATE) {
        s->dirty = true;
        s->place = STORE_STREAM_MEMORY;
        return PH_OK;
    }
    slot = store_bag_find(bag, s->tag);
    if (slot == NULL) {
        return PH_NOTFOUND;
    }

    return store_stream_load(conn, s, &slot->v, slot->external,
                             slot->content, slot->blob);
}

ph_int_t
store_message_stream(store_conn_t *conn, store_message_t *msg, uint32_t tag,
    store_stream_mode_t mode, store_stream_t **s_r)
{
    ph_int_t         rc;
    ph_pool_t       *pool;
    store_mctx_t     ctx;
    mapi_value_t     v;
    store_stream_t  *s;

    *s_r = NULL;
    if (mode != STORE_STREAM_READ && (!msg->writable
                                      || store_message_tag_fixed(tag)))
    {
        return PH_DENIED;
    }
    store_try(store_stream_new(msg->store, tag, mode, &s));
    s->msg = msg;

    rc = store_stream_bag(conn, &msg->data.bag, s, mode);
    if (rc == PH_NOTFOUND && mode != STORE_STREAM_CREATE) {
        /* computed values and bodies made from others */
        pool = ph_pool_create("store stream", 0);
        rc = PH_NOMEM;
        if (pool) {
            store_message_ctx(conn, msg, &ctx);
            rc = store_mctx_get(&ctx, tag, STORE_NO_LIMIT, pool, &v);
            if (rc == PH_OK && MAPI_TYPE(v.tag) == PT_ERROR) {
                rc = PH_NOTFOUND;
            }
            if (rc == PH_OK) {
                rc = store_stream_load(conn, s, &v, false, 0, NULL);
            }
        }
        ph_pool_destroy(&pool);
    }
    if (rc != PH_OK) {
        store_stream_close(&s);
        return rc;
    }
    *s_r = s;

    return PH_OK;
}

ph_int_t
store_attach_stream(store_conn_t *conn, store_attach_t *att, uint32_t tag,
    store_stream_mode_t mode, store_stream_t **s_r)
{
    ph_int_t         rc;
    store_stream_t  *s;

    *s_r = NULL;
    if (mode != STORE_STREAM_READ && !att->msg->writable) {
        return PH_DENIED;
    }
    store_try(store_stream_new(att->msg->store, tag, mode, &s));
    s->att = att;
    rc = store_stream_bag(conn, &att->data.bag, s, mode);
    if (rc != PH_OK) {
        store_stream_close(&s);
        return rc;
    }
    *s_r = s;

    return PH_OK;
}

ph_int_t
store_folder_stream(store_conn_t *conn, uint64_t fid, uint32_t tag,
    store_stream_mode_t mode, store_stream_t **s_r)
{
    ph_int_t         rc;
    ph_pool_t       *pool;
    store_folder_t   f;
    store_stream_t  *s;
    store_packed_t   p;

    *s_r = NULL;
    store_try(store_folder_find(conn, NULL, fid, &f));
    if (mode != STORE_STREAM_READ && store_folder_tag_fixed(tag)) {
        return PH_DENIED;
    }
    store_try(store_stream_new(conn->store, tag, mode, &s));
    s->folder = fid;

    rc = PH_OK;
    if (mode == STORE_STREAM_CREATE) {
        s->dirty = true;
    } else {
        pool = ph_pool_create("store stream", 0);
        rc = pool ? store_folder_slot(conn, fid, tag, &p, pool) : PH_NOMEM;
        if (rc == PH_OK) {
            rc = store_stream_load(conn, s, &p.v, p.external, p.content,
                                   NULL);
        }
        ph_pool_destroy(&pool);
    }
    if (rc != PH_OK) {
        store_stream_close(&s);
        return rc;
    }
    *s_r = s;

    return PH_OK;
}

ph_int_t
store_raw_stream(store_conn_t *conn, uint64_t mid, store_stream_t **s_r)
{
    uint64_t         raw;
    ph_int_t         rc;
    mapi_value_t     v;
    store_mrow_t     row;
    sqlite3_stmt    *stmt;
    store_stream_t  *s;

    *s_r = NULL;
    store_try(store_q(conn, SQL_MESSAGE_FACT, &stmt, "u", mid));
    rc = store_step(conn, stmt);
    raw = 0;
    if (rc == PH_OK) {
        store_mrow(stmt, &row);
        raw = row.raw;
    }
    store_done(conn, &stmt);
    if (rc != PH_OK || raw == 0) {
        return rc == PH_OK || rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    memset(&v, 0, sizeof(v));
    v.tag = MAPI_TAG(0x6FFF, PT_BINARY);
    store_try(store_stream_new(conn->store, v.tag, STORE_STREAM_READ, &s));
    rc = store_stream_load(conn, s, &v, true, raw, NULL);
    if (rc != PH_OK) {
        store_stream_close(&s);
        return rc;
    }
    *s_r = s;

    return PH_OK;
}

/* ---- content ---- */

uint64_t
store_stream_size(const store_stream_t *s)
{
    return s->size;
}

uint64_t
store_stream_tell(const store_stream_t *s)
{
    return s->pos;
}

bool
store_stream_is_dirty(const store_stream_t *s)
{
    return s->dirty;
}

ph_int_t
store_stream_seek(store_stream_t *s, int origin, int64_t offset,
    uint64_t *pos_r)
{
    int64_t  base, pos;

    base = origin == 0 ? 0 : origin == 1 ? (int64_t) s->pos
                                         : (int64_t) s->size;
    if (origin < 0 || origin > 2 || ph_add_overflow(base, offset, &pos)
        || pos < 0 || (uint64_t) pos > s->store->env->conf.value_max
        || (!s->writable && (uint64_t) pos > s->size))
    {
        return PH_INVALID;
    }
    s->pos = (uint64_t) pos;
    if (pos_r) {
        *pos_r = s->pos;
    }

    return PH_OK;
}

ph_int_t
store_stream_read(store_stream_t *s, void *buf, size_t len, size_t *got_r)
{
    ssize_t   n;
    uint64_t  left;

    *got_r = 0;
    left = s->pos < s->size ? s->size - s->pos : 0;
    len = (size_t) ph_min((uint64_t) len, left);
    if (len == 0) {
        return PH_OK;
    }

    switch (s->place) {
    case STORE_STREAM_MEMORY:
        memcpy(buf, s->mem + s->pos, len);
        *got_r = len;
        break;
    case STORE_STREAM_BLOB:
        store_try(store_blob_read(s->reader, s->pos, buf, len, got_r));
        break;
    default:
        while (*got_r < len) {
            n = pread(s->fd, (uint8_t *) buf + *got_r, len - *got_r,
                      (off_t) (s->pos + *got_r));
            if (n == -1 && errno == EINTR) {
                continue;
            }
            if (n <= 0) {
                return store_io_error(s->store, "read", "spool");
            }
            *got_r += (size_t) n;
        }
    }
    s->pos += *got_r;

    return PH_OK;
}

static ph_int_t
store_stream_room(store_stream_t *s, uint64_t end)
{
    size_t    cap;
    uint8_t  *p;

    if (end > s->store->env->conf.value_max) {
        return PH_TOOBIG;
    }
    if (s->place == STORE_STREAM_BLOB
        || (s->place == STORE_STREAM_MEMORY
            && end > s->store->env->conf.blob_min))
    {
        return store_stream_spool(s);
    }
    if (s->place == STORE_STREAM_MEMORY && end > s->cap) {
        cap = ph_max((size_t) end, s->cap * 2);
        cap = ph_max(cap, (size_t) 1024);
        p = realloc(s->mem, cap);
        if (p == NULL) {
            return PH_NOMEM;
        }
        s->mem = p;
        s->cap = cap;
    }

    return PH_OK;
}

ph_int_t
store_stream_set_size(store_stream_t *s, uint64_t size)
{
    if (!s->writable) {
        return PH_DENIED;
    }
    store_try(store_stream_room(s, size));

    if (s->place == STORE_STREAM_SPOOL) {
        if (ftruncate(s->fd, (off_t) size) == -1) {
            return store_io_error(s->store, "truncate", "spool");
        }
    } else if (size > s->size) {
        memset(s->mem + s->size, 0, (size_t) (size - s->size));
    }
    s->dirty |= size != s->size;
    s->size = size;

    return PH_OK;
}

ph_int_t
store_stream_write(store_stream_t *s, const void *buf, size_t len)
{
    size_t    done;
    ssize_t   n;
    uint64_t  end;

    if (!s->writable) {
        return PH_DENIED;
    }
    if (len == 0) {
        return PH_OK;
    }
    if (ph_add_overflow(s->pos, len, &end)) {
        return PH_TOOBIG;
    }
    store_try(store_stream_room(s, end));
    s->dirty = true;

    if (s->place == STORE_STREAM_MEMORY) {
        if (s->pos > s->size) {
            memset(s->mem + s->size, 0, (size_t) (s->pos - s->size));
        }
        memcpy(s->mem + s->pos, buf, len);
    } else {
        for (done = 0; done < len; done += (size_t) n) {
            n = pwrite(s->fd, (const uint8_t *) buf + done, len - done,
                       (off_t) (s->pos + done));
            if (n == -1 && errno == EINTR) {
                n = 0;
            } else if (n <= 0) {
                return store_io_error(s->store, "write", "spool");
            }
        }
    }
    s->pos = end;
    s->size = ph_max(s->size, end);

    return PH_OK;
}
