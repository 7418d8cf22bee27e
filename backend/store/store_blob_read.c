/* Reading blob files: any piece of them without unpacking the rest. */

#include "store_blob_format.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

struct store_blob_reader_s {
    int        fd;
    uint64_t   size;
    uint32_t   n;
    uint64_t  *start;      /* of each frame in the file, and the end: n + 1 */
    uint8_t   *piece;      /* the frame unpacked last */
    uint32_t   current;    /* its number, n: none */
    size_t     piece_len;
    uint8_t   *packed;
    size_t     packed_cap;
    ZSTD_DCtx *ctx;
    char       name[72];
    store_t   *store;
};

uint32_t
store_crc32(const uint8_t *p, size_t len)
{
    size_t    i;
    uint32_t  crc;
    int       k;

    crc = 0xFFFFFFFFu;
    for (i = 0; i < len; i++) {
        crc ^= p[i];
        for (k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
        }
    }

    return ~crc;
}


static ph_int_t
store_blob_damaged(store_blob_reader_t *r)
{
    ph_log(r->store->env->conf.log, PH_LOG_ERROR, PH3004,
           "mailbox=%s blob=%s", ph_log_str(ph_str_c(r->store->path)),
           r->name);

    return PH_CORRUPT;
}

static bool
store_read_at(int fd, void *buf, size_t len, uint64_t off)
{
    ssize_t   n;
    uint8_t  *p;

    p = buf;
    while (len) {
        n = pread(fd, p, len, (off_t) off);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        off += (uint64_t) n;
        len -= (size_t) n;
    }

    return true;
}

static ph_int_t
store_blob_index(store_blob_reader_t *r, uint64_t file)
{
    uint8_t   head[STORE_BLOB_HEAD], tail[STORE_BLOB_TAIL], *lens;
    uint32_t  i;
    uint64_t  at, lens_at;

    if (file < STORE_BLOB_HEAD + STORE_BLOB_TAIL
        || !store_read_at(r->fd, head, sizeof(head), 0)
        || !store_read_at(r->fd, tail, sizeof(tail), file - STORE_BLOB_TAIL)
        || memcmp(head, STORE_BLOB_MAGIC, 8) != 0
        || memcmp(tail + 8, STORE_BLOB_END, 8) != 0
        || store_get32(head + 8) != STORE_BLOB_FRAME)
    {
        return store_blob_damaged(r);
    }

    r->n = store_get32(tail);
    at = store_get32(head + 16) | (uint64_t) store_get32(head + 20) << 32;
    if ((r->size != UINT64_MAX && at != r->size)
        || r->n != (at + STORE_BLOB_FRAME - 1) / STORE_BLOB_FRAME
        || (uint64_t) r->n * 4 > file - STORE_BLOB_HEAD - STORE_BLOB_TAIL)
    {
        return store_blob_damaged(r);
    }
    r->size = at;
    r->current = r->n;

    lens_at = file - STORE_BLOB_TAIL - (uint64_t) r->n * 4;
    lens = malloc((size_t) r->n * 4 + 1);
    r->start = malloc(((size_t) r->n + 1) * sizeof(*r->start));
    if (lens == NULL || r->start == NULL) {
        free(lens);
        return PH_NOMEM;
    }
    if (!store_read_at(r->fd, lens, (size_t) r->n * 4, lens_at)
        || store_crc32(lens, (size_t) r->n * 4) != store_get32(tail + 4))
    {
        free(lens);
        return store_blob_damaged(r);
    }

    at = STORE_BLOB_HEAD;
    for (i = 0; i < r->n; i++) {
        r->start[i] = at;
        at += store_get32(lens + i * 4);
    }
    r->start[r->n] = at;
    free(lens);

    return at == lens_at ? PH_OK : store_blob_damaged(r);
}

ph_int_t
store_blob_open(store_t *store, const char *path, uint64_t size,
    store_blob_reader_t **r_r)
{
    ph_int_t              rc;
    struct stat           st;
    const char           *slash;
    store_blob_reader_t  *r;

    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return PH_NOMEM;
    }
    slash = strrchr(path, '/');
    snprintf(r->name, sizeof(r->name), "%s", slash ? slash + 1 : path);
    r->store = store;
    r->size = size;

    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd == -1 || fstat(r->fd, &st) == -1) {
        rc = store_io_error(store, "open", path);
    } else {
        rc = store_blob_index(r, (uint64_t) st.st_size);
    }
    if (rc != PH_OK) {
        store_blob_close(&r);
        return rc;
    }
    *r_r = r;

    return PH_OK;
}

static ph_int_t
store_blob_piece(store_blob_reader_t *r, uint32_t i)
{
    size_t    len, want, z;
    uint8_t  *p;

    if (r->current == i) {
        return PH_OK;
    }
    if (r->piece == NULL) {
        r->piece = malloc(STORE_BLOB_FRAME);
        r->ctx = ZSTD_createDCtx();
        if (r->piece == NULL || r->ctx == NULL) {
            return PH_NOMEM;
        }
    }

    len = r->start[i + 1] - r->start[i];
    if (len > ZSTD_compressBound(STORE_BLOB_FRAME)) {
        return store_blob_damaged(r);
    }
    if (len > r->packed_cap) {
        p = realloc(r->packed, len);
        if (p == NULL) {
            return PH_NOMEM;
        }
        r->packed = p;
        r->packed_cap = len;
    }

    r->current = r->n;
    want = ph_min((uint64_t) STORE_BLOB_FRAME,
                  r->size - (uint64_t) i * STORE_BLOB_FRAME);
    if (!store_read_at(r->fd, r->packed, len, r->start[i])) {
        return store_blob_damaged(r);
    }
    z = ZSTD_decompressDCtx(r->ctx, r->piece, STORE_BLOB_FRAME, r->packed, len);
    if (ZSTD_isError(z) || z != want) {
        return store_blob_damaged(r);
    }
    r->piece_len = z;
    r->current = i;

    return PH_OK;
}

ph_int_t
store_blob_read(store_blob_reader_t *r, uint64_t off, void *buf, size_t len,
    size_t *got_r)
{
    size_t    n, in;
    uint8_t  *p;

    p = buf;
    *got_r = 0;

    while (len && off < r->size) {
        store_try(store_blob_piece(r, (uint32_t) (off / STORE_BLOB_FRAME)));
        in = off % STORE_BLOB_FRAME;
        n = ph_min(len, r->piece_len - in);
        memcpy(p, r->piece + in, n);
        p += n;
        off += n;
        len -= n;
        *got_r += n;
    }

    return PH_OK;
}

void
store_blob_close(store_blob_reader_t **r)
{
    store_blob_reader_t  *b;

    b = *r;
    if (b == NULL) {
        return;
    }
    *r = NULL;
    if (b->fd != -1) {
        close(b->fd);
    }
    ZSTD_freeDCtx(b->ctx);
    free(b->start);
    free(b->piece);
    free(b->packed);
    free(b);
}
