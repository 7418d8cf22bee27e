#include "dir_ticket.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* a line: id, created, not_after (Unix seconds), 64 hex digits */
#define TICKET_LINE_MAX  160
#define TICKET_FILE_MAX  (PH_TICKET_MAX_KEYS * TICKET_LINE_MAX)

struct dir_tickets_s {
    dir_ticket_opts_t  opts;
    ph_log_t          *log;
    char              *path;
    char              *dir;
    pthread_mutex_t    lock;       /* of what follows */
    uint64_t           created[PH_TICKET_MAX_KEYS];
    ph_ticket_keys_t   keys;
};


static ph_int_t
tickets_parse(dir_tickets_t *t, char *text)
{
    char             *line, *next, hex[65];
    uint32_t          id;
    uint64_t          created, not_after;
    ph_ticket_key_t  *key;

    for (line = text; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }

        if (line[0] == '#') {
            continue;
        }

        if (t->keys.n == PH_TICKET_MAX_KEYS
            || sscanf(line, "%" SCNu32 " %" SCNu64 " %" SCNu64 " %64s", &id,
                      &created, &not_after, hex) != 4)
        {
            return PH_CORRUPT;
        }

        key = &t->keys.keys[t->keys.n];
        if (ph_hex_decode(key->secret, sizeof(key->secret), ph_str_c(hex))
            != PH_OK)
        {
            return PH_CORRUPT;
        }

        key->id = id;
        key->not_after = not_after;
        t->created[t->keys.n++] = created;
        explicit_bzero(hex, sizeof(hex));
    }

    return t->keys.n ? PH_OK : PH_CORRUPT;
}


static ph_int_t
tickets_read(dir_tickets_t *t)
{
    int          fd;
    char         text[TICKET_FILE_MAX + 1];
    ssize_t      n;
    ph_int_t     rc;
    struct stat  st;

    fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? PH_NOTFOUND : PH_ERROR;
    }

    if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0
        || !S_ISREG(st.st_mode))
    {
        close(fd);
        return PH_DENIED;
    }

    n = read(fd, text, sizeof(text) - 1);
    close(fd);

    if (n < 0 || n == (ssize_t) sizeof(text) - 1) {
        return n < 0 ? PH_ERROR : PH_CORRUPT;
    }

    text[n] = '\0';
    rc = tickets_parse(t, text);
    explicit_bzero(text, sizeof(text));

    return rc;
}


static bool
tickets_write_all(int fd, const char *text, size_t len)
{
    ssize_t  n;

    while (len > 0) {
        n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        text += n;
        len -= (size_t) n;
    }

    return true;
}


/* A whole file or the old one, whatever happens. */
static ph_int_t
tickets_write(const dir_tickets_t *t, const ph_ticket_keys_t *keys,
    const uint64_t *created)
{
    int       fd, dir;
    char      text[TICKET_FILE_MAX + TICKET_LINE_MAX], tmp[4096], hex[65];
    size_t    len;
    ph_int_t  rc = PH_ERROR;

    if ((size_t) snprintf(tmp, sizeof(tmp), "%s.tmp", t->path) >= sizeof(tmp)) {
        return PH_ERROR;
    }

    len = (size_t) snprintf(text, sizeof(text),
                            "# id created not_after secret; newest first\n");

    for (size_t i = 0; i < keys->n; i++) {
        ph_hex_encode(hex, keys->keys[i].secret, 32);
        len += (size_t) snprintf(text + len, sizeof(text) - len,
                                 "%" PRIu32 " %" PRIu64 " %" PRIu64 " %s\n",
                                 keys->keys[i].id, created[i],
                                 keys->keys[i].not_after, hex);
    }

    (void) unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        if (tickets_write_all(fd, text, len) && fsync(fd) == 0) {
            rc = PH_OK;
        }
        if (close(fd) != 0 || (rc == PH_OK && rename(tmp, t->path) != 0)) {
            rc = PH_ERROR;
        }
    }

    explicit_bzero(text, sizeof(text));
    explicit_bzero(hex, sizeof(hex));

    if (rc == PH_OK) {
        dir = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0) {
            (void) fsync(dir);
            close(dir);
        }
    } else {
        (void) unlink(tmp);
    }

    return rc;
}


static uint64_t
tickets_longest(const dir_tickets_t *t)
{
    return ph_max(t->opts.ticket_lifetime, t->opts.service_lifetime);
}


ph_int_t
dir_tickets_rotate(dir_tickets_t *t, uint64_t now)
{
    size_t             n;
    uint64_t           created[PH_TICKET_MAX_KEYS];
    ph_int_t           rc;
    ph_ticket_keys_t   keys;
    ph_ticket_key_t   *key;

    pthread_mutex_lock(&t->lock);

    /* also when the clock was wrong, or the lifetimes have been changed */
    if (t->keys.n != 0 && t->created[0] <= now
        && now - t->created[0] < t->opts.key_lifetime
        && t->keys.keys[0].not_after > now + tickets_longest(t))
    {
        pthread_mutex_unlock(&t->lock);
        return PH_DONE;
    }

    memset(&keys, 0, sizeof(keys));
    key = &keys.keys[0];
    ph_random(&key->id, sizeof(key->id));
    ph_random(key->secret, sizeof(key->secret));
    key->not_after = now + t->opts.key_lifetime + tickets_longest(t) + 60;
    created[0] = now;
    keys.n = 1;

    for (n = 0; n < t->keys.n && keys.n < PH_TICKET_MAX_KEYS; n++) {
        if (t->keys.keys[n].not_after > now) {
            created[keys.n] = t->created[n];
            keys.keys[keys.n++] = t->keys.keys[n];
        }
    }

    rc = tickets_write(t, &keys, created);

    if (rc == PH_OK) {
        t->keys = keys;
        memcpy(t->created, created, sizeof(created));
        ph_log(t->log, PH_LOG_NOTICE, PH2020, "key=%08" PRIx32 " kept=%zu",
               key->id, keys.n - 1);
    } else {
        ph_log(t->log, PH_LOG_ERROR, PH2021, "file=%s errno=%d", t->path,
               errno);
    }

    explicit_bzero(&keys, sizeof(keys));
    pthread_mutex_unlock(&t->lock);

    return rc;
}


ph_int_t
dir_tickets_open(const char *state_dir, const dir_ticket_opts_t *opts,
    ph_log_t *log, uint64_t now, dir_tickets_t **tickets_r)
{
    ph_int_t        rc;
    dir_tickets_t  *t;

    *tickets_r = NULL;

    t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return PH_NOMEM;
    }

    t->opts = *opts;
    t->log = log;
    pthread_mutex_init(&t->lock, NULL);

    t->dir = strdup(state_dir);
    if (t->dir == NULL
        || asprintf(&t->path, "%s/%s", state_dir, DIR_TICKET_FILE) < 0)
    {
        t->path = NULL;
        dir_tickets_close(&t);
        return PH_NOMEM;
    }

    rc = tickets_read(t);
    if (rc == PH_NOTFOUND) {
        rc = PH_OK;
    }

    if (rc != PH_OK) {
        ph_log(log, PH_LOG_ERROR, PH2021, "file=%s result=%s", t->path,
               ph_result_name(rc));
    } else {
        rc = dir_tickets_rotate(t, now);
        if (rc == PH_DONE) {
            rc = PH_OK;
        }
    }

    if (rc != PH_OK) {
        dir_tickets_close(&t);
        return rc;
    }

    *tickets_r = t;
    return PH_OK;
}


void
dir_tickets_close(dir_tickets_t **tp)
{
    dir_tickets_t  *t = *tp;

    if (t == NULL) {
        return;
    }

    explicit_bzero(&t->keys, sizeof(t->keys));
    pthread_mutex_destroy(&t->lock);
    free(t->path);
    free(t->dir);
    free(t);
    *tp = NULL;
}


void
dir_tickets_keys(dir_tickets_t *t, ph_ticket_keys_t *keys_r)
{
    pthread_mutex_lock(&t->lock);
    *keys_r = t->keys;
    pthread_mutex_unlock(&t->lock);
}


ph_int_t
dir_ticket_issue(dir_tickets_t *t, uint8_t kind, uint32_t rights,
    ph_str_t user, uint64_t now, uint8_t out[PH_TICKET_MAX], size_t *len_r,
    uint32_t *lifetime_r)
{
    uint64_t           lifetime;
    ph_int_t           rc;
    ph_ticket_t        ticket;
    ph_ticket_keys_t   keys;

    lifetime = kind == PH_TICKET_USER ? t->opts.ticket_lifetime
                                      : t->opts.service_lifetime;
    ticket.kind = kind;
    ticket.rights = rights;
    ticket.issued = now;
    ticket.expires = now + lifetime;
    ticket.user = user;

    dir_tickets_keys(t, &keys);
    rc = ph_ticket_sign(&keys, &ticket, out, len_r);
    explicit_bzero(&keys, sizeof(keys));

    *lifetime_r = (uint32_t) lifetime;

    return rc;
}


ph_int_t
dir_ticket_verify(dir_tickets_t *t, ph_str_t bytes, uint64_t now,
    ph_ticket_t *ticket_r)
{
    ph_int_t           rc;
    ph_ticket_keys_t   keys;

    dir_tickets_keys(t, &keys);
    rc = ph_ticket_verify(&keys, bytes, now, ticket_r);
    explicit_bzero(&keys, sizeof(keys));

    return rc;
}
