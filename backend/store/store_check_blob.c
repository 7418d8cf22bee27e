/* The check of content rows and of blob files. */

#include "store_check_int.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK_READ     65536
#define CHECK_YOUNG    3600       /* seconds */

/* One statement that lists ids, one finding each. */
static ph_int_t
check_list(store_check_t *ck, const char *select, const char *fmt)
{
    uint64_t       id;
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q_text(ck->conn, select, &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        id = store_col_u64(s, 0);
        store_found(ck, STORE_BAD_REFERENCE, ck->repair, "%s %" PRIu64, fmt,
                    id);
    }
    store_done(ck->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

#define ORPHANS  "FROM content_ref WHERE owner <> 0"                          \
    " AND owner NOT IN (SELECT id FROM message)"                              \
    " AND owner NOT IN (SELECT id FROM folder)"
#define UNUSED   "FROM content WHERE id NOT IN (SELECT content FROM"          \
    " content_ref) AND id NOT IN (SELECT content FROM content_free)"
#define IN_USE   "FROM content_free WHERE content IN (SELECT content FROM"    \
    " content_ref)"

ph_int_t
store_check_content(store_check_t *ck)
{
    sqlite3_stmt  *s;
    ph_int_t       rc;

    store_try(check_list(ck, "SELECT DISTINCT owner " ORPHANS,
                         "references of an object that is gone:"));
    if (ck->repair) {
        store_try(store_run(ck->conn, "DELETE " ORPHANS));
    }

    store_try(check_list(ck, "SELECT content " IN_USE,
                         "content in use is marked as free:"));
    if (ck->repair) {
        store_try(store_run(ck->conn, "DELETE " IN_USE));
    }

    store_try(check_list(ck, "SELECT id " UNUSED,
                         "content that nothing refers to:"));
    if (ck->repair) {
        store_try(store_q_text(ck->conn,
            "INSERT INTO content_free (content, freed) SELECT id, ? " UNUSED,
            &s, "u", store_now(ck->conn)));
        rc = store_step(ck->conn, s);
        store_done(ck->conn, &s);
        if (rc != PH_DONE) {
            return rc;
        }
    }

    store_try(store_q_text(ck->conn, "SELECT id FROM content WHERE"
        " (sha IS NULL) = (data IS NULL)"
        " OR (data IS NOT NULL AND length(data) <> size)", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        store_found(ck, STORE_BAD_ROW, false,
                    "content %" PRIu64 ": its row breaks the rules",
                    store_col_u64(s, 0));
    }
    store_done(ck->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

/* Reads the whole file; *same_r tells whether it is what its name says. */
static ph_int_t
check_hash(store_check_t *ck, const char *path, uint64_t size,
    const uint8_t *sha, bool *same_r)
{
    size_t                got;
    uint8_t              *buf, digest[EVP_MAX_MD_SIZE];
    uint64_t              off;
    unsigned              len;
    ph_int_t              rc;
    EVP_MD_CTX           *md;
    store_blob_reader_t  *r;

    *same_r = false;
    rc = store_blob_open(ck->conn->store, path, size, &r);
    if (rc == PH_CORRUPT) {
        return PH_OK;
    }
    store_try(rc);

    buf = malloc(CHECK_READ);
    md = EVP_MD_CTX_new();
    if (buf == NULL || md == NULL
        || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
    {
        rc = PH_NOMEM;
    }

    for (off = 0; rc == PH_OK && off < size; off += got) {
        rc = store_blob_read(r, off, buf, CHECK_READ, &got);
        if (rc == PH_OK && got == 0) {
            rc = PH_CORRUPT;
        }
        if (rc == PH_OK && EVP_DigestUpdate(md, buf, got) != 1) {
            rc = PH_NOMEM;
        }
    }

    if (rc == PH_OK && EVP_DigestFinal_ex(md, digest, &len) == 1) {
        *same_r = len == 32 && memcmp(digest, sha, 32) == 0;
    }
    EVP_MD_CTX_free(md);
    free(buf);
    store_blob_close(&r);

    return rc == PH_CORRUPT ? PH_OK : rc;
}

static ph_int_t
check_rows_have_files(store_check_t *ck)
{
    char           path[4096];
    bool           same;
    uint64_t       id, size;
    ph_int_t       rc;
    ph_str_t       sha;
    struct stat    st;
    sqlite3_stmt  *s;

    store_try(store_q_text(ck->conn, "SELECT id, size, sha FROM content"
                           " WHERE sha IS NOT NULL", &s, ""));
    while ((rc = store_step(ck->conn, s)) == PH_OK) {
        id = store_col_u64(s, 0);
        size = store_col_u64(s, 1);
        sha = store_col_str(s, 2);
        if (sha.len != 32) {
            store_found(ck, STORE_BAD_ROW, false,
                        "content %" PRIu64 ": its digest is not one", id);
            continue;
        }

        store_blob_path(ck->conn->store, sha.data, path, sizeof(path));
        if (stat(path, &st) == -1) {
            store_found(ck, STORE_BAD_BLOB, false,
                        "content %" PRIu64 ": its file %s is missing", id,
                        path);
            continue;
        }

        if (ck->flags & STORE_CHECK_BLOBS) {
            rc = check_hash(ck, path, size, sha.data, &same);
            if (rc != PH_OK) {
                break;
            }
            if (!same) {
                store_found(ck, STORE_BAD_BLOB, false,
                            "content %" PRIu64 ": its file %s is damaged", id,
                            path);
            }
        }
    }
    store_done(ck->conn, &s);

    return rc == PH_DONE ? PH_OK : rc;
}

static ph_int_t
check_file(store_check_t *ck, const char *dir, const char *name)
{
    char           path[4096];
    bool           young;
    uint8_t        bytes[32];
    ph_int_t       rc;
    ph_str_t       sha;
    struct stat    st;
    sqlite3_stmt  *s;

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    if (ph_hex_decode(bytes, sizeof(bytes), ph_str_c(name)) == PH_OK
        && strlen(name) == 64)
    {
        sha.data = bytes;
        sha.len = sizeof(bytes);
        store_try(store_q_text(ck->conn,
                               "SELECT 1 FROM content WHERE sha = ?", &s, "b",
                               sha));
        rc = store_step(ck->conn, s);
        store_done(ck->conn, &s);
        if (rc != PH_DONE) {
            return rc;
        }
    }

    /* without the writer somebody may be about to commit a row for it */
    if (stat(path, &st) == -1) {
        return PH_OK;
    }
    young = st.st_mtime + CHECK_YOUNG > time(NULL);
    if (young && !store_conn_writable(ck->conn)) {
        return PH_OK;
    }

    store_found(ck, STORE_BAD_GARBAGE, ck->repair,
                "file %s belongs to nothing", path);
    if (ck->repair && unlink(path) == -1) {
        return store_io_error(ck->conn->store, "unlink", path);
    }

    return PH_OK;
}

ph_int_t
store_check_files(store_check_t *ck)
{
    DIR            *top, *sub;
    char            blobs[2048], dir[2560];
    ph_int_t        rc;
    struct dirent  *d, *e;

    store_try(check_rows_have_files(ck));

    snprintf(blobs, sizeof(blobs), "%s/blobs", ck->conn->store->path);
    top = opendir(blobs);
    if (top == NULL) {
        return PH_OK;
    }

    rc = PH_OK;
    while (rc == PH_OK && (d = readdir(top)) != NULL) {
        if (d->d_name[0] == '.') {
            continue;
        }
        snprintf(dir, sizeof(dir), "%s/%s", blobs, d->d_name);
        sub = opendir(dir);
        if (sub == NULL) {
            continue;
        }
        while (rc == PH_OK && (e = readdir(sub)) != NULL) {
            if (e->d_name[0] != '.') {
                rc = check_file(ck, dir, e->d_name);
            }
        }
        closedir(sub);
    }
    closedir(top);

    return rc;
}
