/*
 * Blob files: content above 64 KiB, packed, named by the SHA-256 of what is in
 * them, below blobs/xx/ where xx is the first byte of the name.
 *
 *     "PHBLOB1\n", u32 frame size, u32 0, u64 size
 *     zstd frames, each of one piece of `frame size` bytes (the last is shorter)
 *     u32 packed length of each frame
 *     u32 number of frames, u32 CRC-32 of the lengths, "PHBLEND\n"
 *
 * Each frame stands alone (and has zstd's checksum), so that reading anywhere
 * unpacks one piece.
 */

#include "store_int.h"
#include "lib/ph_str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define STORE_BLOB_FRAME   (256u << 10)
#define STORE_BLOB_HEAD    24
#define STORE_BLOB_TAIL    16
#define STORE_BLOB_LEVEL   3

static const char  store_blob_magic[] = "PHBLOB1\n";
static const char  store_blob_end[] = "PHBLEND\n";

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

ph_int_t
store_io_error(store_t *store, const char *what, const char *path)
{
    int  err;

    err = errno;

    ph_log(store->env->conf.log, PH_LOG_ERROR,
           err == ENOSPC || err == EDQUOT ? PH3002 : PH3001,
           "mailbox=%s during=%s file=%s error=%s",
           ph_log_str(ph_str_c(store->path)), what,
           ph_log_str(ph_str_c(path)), ph_log_str(ph_str_c(strerror(err))));

    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return PH_NOSPACE;
    case ENOMEM:
        return PH_NOMEM;
    case ENOENT:
        return PH_NOTFOUND;
    case EMFILE:
    case ENFILE:
        return PH_BUSY;
    default:
        return PH_ERROR;
    }
}

void
store_blob_path(const store_t *store, const uint8_t sha[32], char *out,
    size_t size)
{
    char  hex[65];

    ph_hex_encode(hex, sha, 32);
    snprintf(out, size, "%s/blobs/%.2s/%s", store->path, hex, hex);
}

ph_int_t
store_tmp_file(store_t *store, char *path, size_t size, int *fd_r)
{
    uint64_t  serial;

    serial = __atomic_add_fetch(&store->env->tmp_serial, 1, __ATOMIC_RELAXED);

    if ((size_t) snprintf(path, size, "%s/tmp/%u.%" PRIu64, store->path,
                          (unsigned) getpid(), serial) >= size)
    {
        return PH_TOOBIG;
    }
    *fd_r = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return *fd_r == -1 ? store_io_error(store, "create", path) : PH_OK;
}

void
store_tmp_clean(store_t *store)
{
    DIR            *dir;
    char            path[4096];
    struct dirent  *e;

    snprintf(path, sizeof(path), "%s/tmp", store->path);
    dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] != '.') {
            unlinkat(dirfd(dir), e->d_name, 0);
        }
    }
    closedir(dir);
}

static bool
store_write_all(int fd, const void *data, size_t len)
{
    ssize_t         n;
    const uint8_t  *p;

    p = data;
    while (len) {
        n = write(fd, p, len);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            if (n == 0) {
                errno = ENOSPC;
            }
            return false;
        }
        p += n;
        len -= (size_t) n;
    }

    return true;
}

static void
store_le32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t) v;
    p[1] = (uint8_t) (v >> 8);
    p[2] = (uint8_t) (v >> 16);
    p[3] = (uint8_t) (v >> 24);
}

static uint32_t
store_get32(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}

static uint32_t
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

typedef struct {
    int          fd;
    uint64_t     size;
    uint32_t     n;
    uint32_t     cap;
    uint8_t     *lens;
    uint8_t     *in;
    uint8_t     *out;
    size_t       out_cap;
    ZSTD_CCtx   *ctx;
    EVP_MD_CTX  *md;
} store_packer_t;

/* fills p->in as far as the source goes */
static ph_int_t
store_packer_fill(store_source_pt source, void *data, uint8_t *in,
    size_t *len_r)
{
    size_t  len, got;

    len = 0;
    while (len < STORE_BLOB_FRAME) {
        store_try(source(data, in + len, STORE_BLOB_FRAME - len, &got));
        if (got == 0) {
            break;
        }
        len += got;
    }
    *len_r = len;

    return PH_OK;
}

static ph_int_t
store_packer_run(store_t *store, store_packer_t *p, store_source_pt source,
    void *data, const char *path)
{
    size_t    len, z;
    uint8_t   head[STORE_BLOB_HEAD], tail[STORE_BLOB_TAIL], *lens;

    memset(head, 0, sizeof(head));
    memcpy(head, store_blob_magic, 8);
    store_le32(head + 8, STORE_BLOB_FRAME);
    if (!store_write_all(p->fd, head, sizeof(head))) {
        return store_io_error(store, "write", path);
    }

    for ( ;; ) {
        store_try(store_packer_fill(source, data, p->in, &len));
        if (len == 0) {
            break;
        }
        if (p->n == p->cap) {
            lens = realloc(p->lens, (p->cap + 64u) * 4);
            if (lens == NULL) {
                return PH_NOMEM;
            }
            p->lens = lens;
            p->cap += 64;
        }
        EVP_DigestUpdate(p->md, p->in, len);
        z = ZSTD_compress2(p->ctx, p->out, p->out_cap, p->in, len);
        if (ZSTD_isError(z)) {
            return PH_NOMEM;
        }
        if (!store_write_all(p->fd, p->out, z)) {
            return store_io_error(store, "write", path);
        }
        store_le32(p->lens + p->n * 4, (uint32_t) z);
        p->n++;
        p->size += len;
        if (p->size > store->env->conf.value_max) {
            return PH_TOOBIG;
        }
    }

    store_le32(tail, p->n);
    store_le32(tail + 4, store_crc32(p->lens, p->n * 4));
    memcpy(tail + 8, store_blob_end, 8);
    store_le32(head + 16, (uint32_t) p->size);
    store_le32(head + 20, (uint32_t) (p->size >> 32));

    if (!store_write_all(p->fd, p->lens, p->n * 4)
        || !store_write_all(p->fd, tail, sizeof(tail))
        || pwrite(p->fd, head, sizeof(head), 0) != (ssize_t) sizeof(head)
        || fsync(p->fd) == -1)
    {
        return store_io_error(store, "write", path);
    }

    return PH_OK;
}

ph_int_t
store_blob_pack(store_t *store, store_source_pt source, void *data,
    store_blob_t **blob_r)
{
    char             path[4096];
    ph_int_t         rc;
    unsigned         md_len;
    store_blob_t    *blob;
    store_packer_t   p;

    memset(&p, 0, sizeof(p));
    store_try(store_tmp_file(store, path, sizeof(path), &p.fd));

    blob = calloc(1, sizeof(*blob));
    p.in = malloc(STORE_BLOB_FRAME);
    p.out_cap = ZSTD_compressBound(STORE_BLOB_FRAME);
    p.out = malloc(p.out_cap);
    p.ctx = ZSTD_createCCtx();
    p.md = EVP_MD_CTX_new();
    rc = PH_NOMEM;

    if (blob && p.in && p.out && p.ctx && p.md
        && EVP_DigestInit_ex(p.md, EVP_sha256(), NULL))
    {
        ZSTD_CCtx_setParameter(p.ctx, ZSTD_c_compressionLevel,
                               STORE_BLOB_LEVEL);
        ZSTD_CCtx_setParameter(p.ctx, ZSTD_c_checksumFlag, 1);
        rc = store_packer_run(store, &p, source, data, path);
        if (rc == PH_OK) {
            blob->path = strdup(path);
            rc = blob->path ? PH_OK : PH_NOMEM;
        }
    }

    if (rc == PH_OK) {
        blob->refs = 1;
        blob->size = p.size;
        EVP_DigestFinal_ex(p.md, blob->sha, &md_len);
        *blob_r = blob;
    } else {
        unlink(path);
        free(blob);
    }

    close(p.fd);
    free(p.in);
    free(p.out);
    free(p.lens);
    ZSTD_freeCCtx(p.ctx);
    EVP_MD_CTX_free(p.md);

    return rc;
}

static ph_int_t
store_str_source(void *data, void *buf, size_t len, size_t *got_r)
{
    ph_str_t  *s;

    s = data;
    *got_r = ph_min(len, s->len);
    if (*got_r) {
        memcpy(buf, s->data, *got_r);
    }
    s->data += *got_r;
    s->len -= *got_r;

    return PH_OK;
}

ph_int_t
store_blob_pack_str(store_t *store, ph_str_t s, store_blob_t **blob_r)
{
    return store_blob_pack(store, store_str_source, &s, blob_r);
}

store_blob_t *
store_blob_ref(store_blob_t *blob)
{
    if (blob) {
        blob->refs++;
    }

    return blob;
}

void
store_blob_unref(store_blob_t **blob)
{
    store_blob_t  *b;

    b = *blob;
    *blob = NULL;

    if (b && --b->refs == 0) {
        if (!b->placed) {
            unlink(b->path);
        }
        free(b->path);
        free(b);
    }
}

ph_int_t
store_blob_place(store_conn_t *conn, store_blob_t *blob)
{
    char      to[4096], *copy, *slash;
    store_t  *store;

    store = conn->store;
    store_blob_path(store, blob->sha, to, sizeof(to));

    /* once in its place it stays there: when the transaction is undone it is
     * garbage until the next one that needs it, or the check */
    if (blob->placed) {
        if (access(to, F_OK) == 0) {
            return PH_OK;
        }
        return store_io_error(store, "access", to);
    }

    copy = strdup(to);
    if (copy == NULL) {
        return PH_NOMEM;
    }
    if (rename(blob->path, to) == -1) {
        if (errno == ENOENT) {
            slash = strrchr(to, '/');
            *slash = '\0';
            if (mkdir(to, 0700) == -1 && errno != EEXIST) {
                free(copy);
                return store_io_error(store, "mkdir", to);
            }
            *slash = '/';
            if (rename(blob->path, to) == -1) {
                free(copy);
                return store_io_error(store, "rename", to);
            }
        } else {
            free(copy);
            return store_io_error(store, "rename", to);
        }
    }

    free(blob->path);
    blob->path = copy;
    blob->placed = true;
    conn->dirs_dirty[blob->sha[0] / 64] |= 1ull << (blob->sha[0] % 64);

    return PH_OK;
}

static ph_int_t
store_dir_sync(store_t *store, const char *path)
{
    int       fd;
    ph_int_t  rc;

    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1) {
        return errno == ENOENT ? PH_OK : store_io_error(store, "open", path);
    }
    rc = fsync(fd) == -1 ? store_io_error(store, "fsync", path) : PH_OK;
    close(fd);

    return rc;
}

ph_int_t
store_blob_sync_dirs(store_conn_t *conn)
{
    int   i;
    bool  any;
    char  path[4096];

    any = false;
    for (i = 0; i < 256; i++) {
        if (conn->dirs_dirty[i / 64] & 1ull << (i % 64)) {
            snprintf(path, sizeof(path), "%s/blobs/%02x", conn->store->path, i);
            store_try(store_dir_sync(conn->store, path));
            any = true;
        }
    }
    if (any) {
        snprintf(path, sizeof(path), "%s/blobs", conn->store->path);
        store_try(store_dir_sync(conn->store, path));
    }

    return PH_OK;
}

/* ---- reading ---- */

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
        || memcmp(head, store_blob_magic, 8) != 0
        || memcmp(tail + 8, store_blob_end, 8) != 0
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
