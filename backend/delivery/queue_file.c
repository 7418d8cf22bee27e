#include "queue_file.h"
#include "lib/ph_buf.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_MAGIC  "posthorn-queue 1\n"


uint32_t
queue_crc32(uint32_t crc, const void *data, size_t len)
{
    const uint8_t  *p = data;

    static const uint32_t  table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190,
        0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344,
        0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278,
        0xbdbdf21c
    };

    crc = ~crc;
    while (len-- != 0) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}


void
queue_file_name(const uint8_t id[QUEUE_ID], char name[QUEUE_NAME])
{
    ph_hex_encode(name, id, QUEUE_ID);
    memcpy(name + 2 * QUEUE_ID, ".q", 3);
}


queue_entry_t *
queue_entry_create(void)
{
    ph_pool_t      *pool = ph_pool_create("queue entry", 64u << 20);
    queue_entry_t  *e = pool ? ph_pcalloc(pool, sizeof(*e)) : NULL;

    if (e == NULL) {
        ph_pool_destroy(&pool);
        return NULL;
    }

    e->pool = pool;
    return e;
}


void
queue_entry_destroy(queue_entry_t **entry)
{
    ph_pool_t  *pool;

    if (*entry != NULL) {
        pool = (*entry)->pool;
        *entry = NULL;
        ph_pool_destroy(&pool);
    }
}


/* a word of a line: not empty, no blanks, no control characters */
static bool
queue_word(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < 32 || s.data[i] == 127) {
            return false;
        }
    }

    return s.len != 0 && s.len <= 2000;
}


static ph_int_t
queue_put_word(queue_entry_t *e, ph_str_t s, ph_str_t *out_r)
{
    *out_r = ph_str_null;

    if (!queue_word(s)) {
        return PH_OK;
    }

    *out_r = ph_pstrdup(e->pool, s);
    return out_r->data == NULL ? PH_NOMEM : PH_OK;
}


ph_int_t
queue_entry_dsn(queue_entry_t *e, ph_str_t ret, ph_str_t envid)
{
    ph_int_t  rc = queue_put_word(e, ret, &e->ret);

    return rc == PH_OK ? queue_put_word(e, envid, &e->envid) : rc;
}


ph_int_t
queue_entry_orcpt(queue_entry_t *e, ph_str_t orcpt)
{
    return e->n_rcpts == 0 ? PH_OK
           : queue_put_word(e, orcpt, &e->rcpts[e->n_rcpts - 1].orcpt);
}


ph_int_t
queue_entry_add(queue_entry_t *e, ph_str_t address, uint8_t notify)
{
    queue_rcpt_t  *list;

    if (!queue_word(address)) {
        return PH_INVALID;
    }
    if (e->n_rcpts >= QUEUE_MAX_RCPTS) {
        return PH_TOOBIG;
    }

    if ((e->n_rcpts & (e->n_rcpts - 1)) == 0) {
        /* a power of two: the list is full */
        list = ph_prealloc(e->pool, e->rcpts, e->n_rcpts * sizeof(*list),
                           (e->n_rcpts ? 2 * e->n_rcpts : 1) * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        e->rcpts = list;
    }

    list = &e->rcpts[e->n_rcpts];
    memset(list, 0, sizeof(*list));
    list->notify = notify;
    list->address = ph_pstrdup(e->pool, address);
    if (list->address.data == NULL) {
        return PH_NOMEM;
    }

    e->n_rcpts++;
    return PH_OK;
}


bool
queue_entry_is_done(const queue_entry_t *e, ph_str_t address)
{
    for (uint32_t i = 0; i < e->n_done; i++) {
        if (ph_str_ieq(e->done[i], address)) {
            return true;
        }
    }

    return false;
}


ph_int_t
queue_entry_done(queue_entry_t *e, ph_str_t address)
{
    uint32_t   cap;
    ph_str_t  *list;

    for (uint32_t i = 0; i < e->n_rcpts; i++) {
        if (ph_str_ieq(e->rcpts[i].address, address)) {
            e->rcpts[i].done = true;
        }
    }

    if (queue_entry_is_done(e, address)) {
        return PH_OK;
    }

    if (e->n_done == e->cap_done) {
        cap = e->cap_done ? 2 * e->cap_done : 4;
        list = ph_prealloc(e->pool, e->done, e->cap_done * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        e->done = list;
        e->cap_done = cap;
    }

    e->done[e->n_done] = ph_pstrdup(e->pool, address);
    if (e->done[e->n_done].data == NULL) {
        return PH_NOMEM;
    }

    e->n_done++;
    return PH_OK;
}


bool
queue_entry_finished(const queue_entry_t *e)
{
    for (uint32_t i = 0; i < e->n_rcpts; i++) {
        if (!e->rcpts[i].done) {
            return false;
        }
    }

    return true;
}


static ph_int_t
queue_errno(void)
{
    return errno == ENOSPC || errno == EDQUOT ? PH_NOSPACE
           : errno == ENOENT ? PH_NOTFOUND : PH_ERROR;
}


static ph_int_t
queue_write_all(int fd, ph_str_t s)
{
    ssize_t  n;

    while (s.len != 0) {
        n = write(fd, s.data, s.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return queue_errno();
        }
        s.data += n;
        s.len -= (size_t) n;
    }

    return PH_OK;
}


static ph_int_t
queue_sync_dir(const char *dir)
{
    int  fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0) {
        return queue_errno();
    }

    rc = fsync(fd);
    close(fd);
    return rc == 0 ? PH_OK : queue_errno();
}


static ph_int_t
queue_head(queue_entry_t *e, ph_str_t body, ph_str_t *head_r)
{
    char       hex[2 * QUEUE_ID + 1];
    ph_str_t   none = ph_str_lit("-");
    ph_wbuf_t  b;

    if ((e->mailbox.len != 0 && !queue_word(e->mailbox))
        || (e->sender.len != 0 && !queue_word(e->sender)))
    {
        return PH_INVALID;
    }

    ph_hex_encode(hex, e->id, QUEUE_ID);
    ph_wbuf_init(&b, e->pool, QUEUE_MAX_HEAD);
    ph_put_fmt(&b, "%sid %s\n", QUEUE_MAGIC, hex);
    ph_put_fmt(&b, "mailbox %.*s\n",
               PH_STR_ARG(e->mailbox.len ? e->mailbox : none));
    ph_put_fmt(&b, "sender %.*s\n",
               PH_STR_ARG(e->sender.len ? e->sender : none));
    ph_put_fmt(&b, "queued %" PRIu64 "\nnot-before %" PRIu64 "\nflags %u\n",
               e->queued, e->not_before, e->flags);

    if (e->ret.len != 0) {
        ph_put_fmt(&b, "ret %.*s\n", PH_STR_ARG(e->ret));
    }
    if (e->envid.len != 0) {
        ph_put_fmt(&b, "envid %.*s\n", PH_STR_ARG(e->envid));
    }

    for (uint32_t i = 0; i < e->n_rcpts; i++) {
        ph_put_fmt(&b, "rcpt %u %.*s\n", e->rcpts[i].notify,
                   PH_STR_ARG(e->rcpts[i].address));
        if (e->rcpts[i].orcpt.len != 0) {
            ph_put_fmt(&b, "orcpt %.*s\n", PH_STR_ARG(e->rcpts[i].orcpt));
        }
    }

    e->body_len = body.len;
    e->body_crc = queue_crc32(0, body.data, body.len);
    ph_put_fmt(&b, "body %" PRIu64 " %08x\n\n", e->body_len, e->body_crc);

    if (b.error) {
        return PH_NOMEM;
    }

    e->body_off = b.len;
    *head_r = ph_wbuf_str(&b);
    return PH_OK;
}


ph_int_t
queue_file_write(const char *dir, queue_entry_t *e, ph_str_t body)
{
    int       fd;
    char     *path, *temp, *done, name[QUEUE_NAME];
    uint64_t  r;
    ph_int_t  rc;
    ph_str_t  head;

    queue_file_name(e->id, name);
    ph_random(&r, sizeof(r));
    path = ph_psprintf(e->pool, "%s/%s", dir, name);
    done = ph_psprintf(e->pool, "%s/done/%.32s", dir, name);
    temp = ph_psprintf(e->pool, "%s/tmp-%016" PRIx64, dir, r);
    if (path == NULL || done == NULL || temp == NULL) {
        return PH_NOMEM;
    }

    rc = queue_head(e, body, &head);
    if (rc != PH_OK) {
        return rc;
    }

    if (access(done, F_OK) == 0 || access(path, F_OK) == 0) {
        return PH_EXISTS;
    }

    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return queue_errno();
    }

    rc = queue_write_all(fd, head);
    if (rc == PH_OK) {
        rc = queue_write_all(fd, body);
    }
    if (rc == PH_OK && fsync(fd) != 0) {
        rc = queue_errno();
    }
    if (close(fd) != 0 && rc == PH_OK) {
        rc = queue_errno();
    }

    if (rc == PH_OK
        && renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
    {
        rc = errno == EEXIST ? PH_EXISTS : queue_errno();
    }

    if (rc != PH_OK) {
        int  saved = errno;

        (void) unlink(temp);
        errno = saved;
        return rc;
    }

    return queue_sync_dir(dir);
}


/* takes "key value\n" from the front of *rest */
static bool
queue_line(ph_str_t *rest, const char *key, ph_str_t *value_r)
{
    size_t          n = strlen(key), len;
    const uint8_t  *lf;

    if (rest->len < n + 2 || memcmp(rest->data, key, n) != 0
        || rest->data[n] != ' ')
    {
        return false;
    }

    lf = memchr(rest->data, '\n', ph_min(rest->len, (size_t) 4096));
    if (lf == NULL) {
        return false;
    }

    len = (size_t) (lf - rest->data);
    *value_r = (ph_str_t) { len - n - 1, rest->data + n + 1 };
    rest->data += len + 1;
    rest->len -= len + 1;
    return value_r->len != 0;
}


static ph_int_t
queue_word_line(queue_entry_t *e, ph_str_t *rest, const char *key,
    ph_str_t *out_r)
{
    ph_str_t  v;

    if (!queue_line(rest, key, &v) || !queue_word(v)) {
        return PH_CORRUPT;
    }

    *out_r = ph_str_eq_c(v, "-") ? ph_str_null : ph_pstrdup(e->pool, v);
    return out_r->data == NULL && !ph_str_eq_c(v, "-") ? PH_NOMEM : PH_OK;
}


static bool
queue_number(ph_str_t *rest, const char *key, uint64_t *v_r)
{
    ph_str_t  v;

    return queue_line(rest, key, &v) && ph_str_u64(v, v_r) == PH_OK;
}


static bool
queue_hex32(ph_str_t s, uint32_t *v_r)
{
    uint8_t  b[4];

    if (s.len != 8 || ph_hex_decode(b, 4, s) != PH_OK) {
        return false;
    }

    *v_r = (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16
           | (uint32_t) b[2] << 8 | b[3];
    return true;
}


/* splits at the first blank */
static ph_str_t
queue_first(ph_str_t *s)
{
    const uint8_t  *blank = s->len ? memchr(s->data, ' ', s->len) : NULL;
    ph_str_t        word = { blank ? (size_t) (blank - s->data) : s->len,
                             s->data };

    s->data += word.len + (blank != NULL);
    s->len -= word.len + (blank != NULL);
    return word;
}


/* one valid line of the journal */
static ph_int_t
queue_replay(queue_entry_t *e, ph_str_t line)
{
    uint64_t  tries, next;
    ph_str_t  verb = queue_first(&line);

    if (ph_str_eq_c(verb, "done") && line.len != 0) {
        return queue_entry_done(e, line);
    }

    if (ph_str_eq_c(verb, "try")
        && ph_str_u64(queue_first(&line), &tries) == PH_OK
        && ph_str_u64(queue_first(&line), &next) == PH_OK)
    {
        e->tries = (uint32_t) ph_min(tries, (uint64_t) UINT32_MAX);
        e->next_try = next;
        e->last_error = ph_pstrdup(e->pool, line);
        return e->last_error.data == NULL ? PH_NOMEM : PH_OK;
    }

    return PH_OK;
}


static ph_int_t
queue_journal_parse(ph_str_t rest, queue_entry_t *e)
{
    uint32_t        crc;
    ph_int_t        rc;
    ph_str_t        line;
    const uint8_t  *lf;

    while (rest.len != 0 && (lf = memchr(rest.data, '\n', rest.len))) {
        line = (ph_str_t) { (size_t) (lf - rest.data), rest.data };
        rest.data += line.len + 1;
        rest.len -= line.len + 1;

        if (line.len < 10 || line.data[8] != ' '
            || !queue_hex32((ph_str_t) { 8, line.data }, &crc)
            || crc != queue_crc32(0, line.data + 9, line.len - 9))
        {
            continue;            /* torn by a crash */
        }

        rc = queue_replay(e, (ph_str_t) { line.len - 9, line.data + 9 });
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}


ph_int_t
queue_file_parse(ph_str_t file, queue_entry_t *e)
{
    uint64_t  n;
    ph_int_t  rc;
    ph_str_t  rest = file, v, ret, envid;

    n = sizeof(QUEUE_MAGIC) - 1;
    if (rest.len < n || memcmp(rest.data, QUEUE_MAGIC, n) != 0) {
        return PH_CORRUPT;
    }
    rest.data += n;
    rest.len -= n;

    if (!queue_line(&rest, "id", &v) || v.len != 2 * QUEUE_ID
        || ph_hex_decode(e->id, QUEUE_ID, v) != PH_OK)
    {
        return PH_CORRUPT;
    }

    rc = queue_word_line(e, &rest, "mailbox", &e->mailbox);
    if (rc == PH_OK) {
        rc = queue_word_line(e, &rest, "sender", &e->sender);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (!queue_number(&rest, "queued", &e->queued)
        || !queue_number(&rest, "not-before", &e->not_before)
        || !queue_number(&rest, "flags", &n))
    {
        return PH_CORRUPT;
    }
    e->flags = (uint32_t) n;

    ret = envid = ph_str_null;
    (void) queue_line(&rest, "ret", &ret);
    (void) queue_line(&rest, "envid", &envid);
    rc = queue_entry_dsn(e, ret, envid);
    if (rc != PH_OK) {
        return rc;
    }

    while (queue_line(&rest, "rcpt", &v)) {
        if (ph_str_u64(queue_first(&v), &n) != PH_OK || n > 15) {
            return PH_CORRUPT;
        }
        rc = queue_entry_add(e, v, (uint8_t) n);
        if (rc == PH_OK && queue_line(&rest, "orcpt", &v)) {
            rc = queue_entry_orcpt(e, v);
        }
        if (rc != PH_OK) {
            return rc == PH_NOMEM ? rc : PH_CORRUPT;
        }
    }

    if (!queue_line(&rest, "body", &v)
        || ph_str_u64(queue_first(&v), &e->body_len) != PH_OK
        || !queue_hex32(v, &e->body_crc)
        || rest.len == 0 || rest.data[0] != '\n')
    {
        return PH_CORRUPT;
    }

    rest.data++;
    rest.len--;
    e->body_off = (uint64_t) (rest.data - file.data);

    if (rest.len < e->body_len) {
        return PH_CORRUPT;
    }

    rest.data += e->body_len;
    rest.len -= e->body_len;
    return queue_journal_parse(rest, e);
}


static ph_int_t
queue_map(const char *path, void **map_r, size_t *len_r)
{
    int          fd;
    struct stat  st;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return queue_errno();
    }

    if (fstat(fd, &st) != 0) {
        close(fd);
        return PH_ERROR;
    }

    if (st.st_size <= 0) {
        close(fd);
        return PH_CORRUPT;
    }

    *len_r = (size_t) st.st_size;
    *map_r = mmap(NULL, *len_r, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return *map_r == MAP_FAILED ? PH_ERROR : PH_OK;
}


ph_int_t
queue_file_read(const char *dir, const char *name, queue_entry_t *e)
{
    char      *path;
    void      *map;
    size_t     len;
    ph_int_t   rc;

    path = ph_psprintf(e->pool, "%s/%s", dir, name);
    if (path == NULL) {
        return PH_NOMEM;
    }

    rc = queue_map(path, &map, &len);
    if (rc == PH_OK) {
        rc = queue_file_parse((ph_str_t) { len, map }, e);
        munmap(map, len);
    }

    return rc;
}


ph_int_t
queue_file_map(const char *dir, const queue_entry_t *e, void **map_r,
    size_t *len_r, ph_str_t *body_r)
{
    char       path[4096], name[QUEUE_NAME];
    ph_int_t   rc;

    queue_file_name(e->id, name);
    if (snprintf(path, sizeof(path), "%s/%s", dir, name)
        >= (int) sizeof(path))
    {
        return PH_ERROR;
    }

    rc = queue_map(path, map_r, len_r);
    if (rc != PH_OK) {
        return rc;
    }

    if (e->body_off + e->body_len > *len_r
        || queue_crc32(0, (uint8_t *) *map_r + e->body_off, e->body_len)
           != e->body_crc)
    {
        munmap(*map_r, *len_r);
        return PH_CORRUPT;
    }

    *body_r = (ph_str_t) { e->body_len, (uint8_t *) *map_r + e->body_off };
    return PH_OK;
}


static void
queue_journal_line(ph_wbuf_t *b, ph_str_t line)
{
    ph_put_fmt(b, "%08x %.*s\n", queue_crc32(0, line.data, line.len),
               PH_STR_ARG(line));
}


ph_int_t
queue_file_journal(const char *dir, const queue_entry_t *e,
    const ph_str_t *done, size_t n_done, bool attempt)
{
    int         fd;
    char        path[4096], name[QUEUE_NAME], *line;
    ph_int_t    rc;
    ph_pool_t  *pool;
    ph_wbuf_t   b;

    queue_file_name(e->id, name);
    if (snprintf(path, sizeof(path), "%s/%s", dir, name)
        >= (int) sizeof(path))
    {
        return PH_ERROR;
    }

    pool = ph_pool_create("queue journal", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    ph_wbuf_init(&b, pool, QUEUE_MAX_HEAD);
    /* behind a line that a crash tore, a new one begins */
    ph_put_u8(&b, '\n');

    for (size_t i = 0; i < n_done; i++) {
        line = ph_psprintf(pool, "done %.*s", PH_STR_ARG(done[i]));
        queue_journal_line(&b, ph_str_c(line));
    }

    if (attempt) {
        line = ph_psprintf(pool, "try %u %" PRIu64 " %.*s", e->tries,
                           e->next_try, PH_STR_ARG(e->last_error));
        queue_journal_line(&b, ph_str_c(line));
    }

    if (b.error) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }

    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    rc = fd < 0 ? queue_errno() : queue_write_all(fd, ph_wbuf_str(&b));
    if (rc == PH_OK && fdatasync(fd) != 0) {
        rc = queue_errno();
    }
    if (fd >= 0) {
        close(fd);
    }

    ph_pool_destroy(&pool);
    return rc;
}


ph_int_t
queue_file_finish(const char *dir, const uint8_t id[QUEUE_ID])
{
    char  path[4096], done[4096], name[QUEUE_NAME];

    queue_file_name(id, name);
    if (snprintf(path, sizeof(path), "%s/%s", dir, name)
            >= (int) sizeof(path)
        || snprintf(done, sizeof(done), "%s/done/%.32s", dir, name)
            >= (int) sizeof(done))
    {
        return PH_ERROR;
    }

    /*
     * No sync: if the old name comes back after a crash, the journal in it says
     * that everything is done.
     */
    if (rename(path, done) != 0) {
        return queue_errno();
    }

    /* the bytes are not needed any more; what stays behind is the name alone */
    if (truncate(done, 0) != 0) {
        return queue_errno();
    }

    return PH_OK;
}
