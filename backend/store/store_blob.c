/* Blob files: packing, placing, removing (the format is in
 * store_blob_format.h). */

#include "store_blob_format.h"
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
    memcpy(head, STORE_BLOB_MAGIC, 8);
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
    memcpy(tail + 8, STORE_BLOB_END, 8);
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
