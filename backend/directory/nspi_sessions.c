#include "nspi_sessions.h"
#include "lib/ph_daemon.h"
#include "lib/ph_str.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS  4096

typedef struct session_s  session_t;
struct session_s {
    session_t  *chain;               /* of its bucket */
    session_t  *newer, *older;       /* by last use */
    uint64_t    last;
    uint8_t     id[16];
    uint8_t     sequence[16];
    uint8_t     before[16];
    size_t      user_len;
    uint8_t     user[];
};

struct nspi_sessions_s {
    pthread_mutex_t  lock;
    size_t           max;
    size_t           n;
    uint64_t         idle;
    session_t       *newest, *oldest;
    session_t       *buckets[BUCKETS];
};


nspi_sessions_t *
nspi_sessions_create(size_t max, uint64_t idle_ms)
{
    nspi_sessions_t  *s = calloc(1, sizeof(*s));

    if (s != NULL) {
        s->max = ph_max(max, (size_t) 1);
        s->idle = idle_ms;
        pthread_mutex_init(&s->lock, NULL);
    }

    return s;
}


static session_t **
session_bucket(nspi_sessions_t *s, const uint8_t *id)
{
    /* ids are random */
    return &s->buckets[(id[0] | ((unsigned) id[1] << 8)) % BUCKETS];
}


static void
session_unlink(nspi_sessions_t *s, session_t *x)
{
    *(x->newer ? &x->newer->older : &s->newest) = x->older;
    *(x->older ? &x->older->newer : &s->oldest) = x->newer;
}


static void
session_touch(nspi_sessions_t *s, session_t *x)
{
    x->newer = NULL;
    x->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = x;
    s->newest = x;
}


static void
session_free(nspi_sessions_t *s, session_t *x)
{
    session_t  **p = session_bucket(s, x->id);

    while (*p != x) {
        p = &(*p)->chain;
    }
    *p = x->chain;

    session_unlink(s, x);
    s->n--;
    free(x);
}


void
nspi_sessions_destroy(nspi_sessions_t **sp)
{
    nspi_sessions_t  *s = *sp;

    if (s == NULL) {
        return;
    }

    while (s->oldest != NULL) {
        session_free(s, s->oldest);
    }

    pthread_mutex_destroy(&s->lock);
    free(s);
    *sp = NULL;
}


void
nspi_sessions_expire(nspi_sessions_t *s, uint64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    while (s->oldest != NULL && now_ms >= s->oldest->last + s->idle) {
        session_free(s, s->oldest);
    }
    pthread_mutex_unlock(&s->lock);
}


size_t
nspi_sessions_count(nspi_sessions_t *s)
{
    size_t  n;

    pthread_mutex_lock(&s->lock);
    n = s->n;
    pthread_mutex_unlock(&s->lock);

    return n;
}


ph_int_t
nspi_session_begin(nspi_sessions_t *s, ph_str_t user, uint64_t now_ms,
    uint8_t id_r[16], const uint8_t sequence[16])
{
    session_t  *x, **bucket;

    x = calloc(1, sizeof(*x) + user.len);
    if (x == NULL) {
        return PH_NOMEM;
    }

    ph_random(x->id, sizeof(x->id));
    memcpy(x->sequence, sequence, sizeof(x->sequence));
    memcpy(x->before, sequence, sizeof(x->before));
    x->last = now_ms;
    x->user_len = user.len;
    memcpy(x->user, user.data, user.len);
    memcpy(id_r, x->id, sizeof(x->id));

    pthread_mutex_lock(&s->lock);

    if (s->n >= s->max) {
        session_free(s, s->oldest);
    }

    bucket = session_bucket(s, x->id);
    x->chain = *bucket;
    *bucket = x;
    session_touch(s, x);
    s->n++;

    pthread_mutex_unlock(&s->lock);

    return PH_OK;
}


/* lock held */
static session_t *
session_find(nspi_sessions_t *s, const uint8_t *id, ph_str_t user)
{
    session_t  *x;

    for (x = *session_bucket(s, id); x != NULL; x = x->chain) {
        if (memcmp(x->id, id, sizeof(x->id)) == 0) {
            return x->user_len == user.len
                   && memcmp(x->user, user.data, user.len) == 0 ? x : NULL;
        }
    }

    return NULL;
}


ph_int_t
nspi_session_use(nspi_sessions_t *s, const uint8_t id[16], ph_str_t user,
    uint64_t now_ms, const uint8_t sequence[16], const uint8_t *next)
{
    ph_int_t    rc = PH_OK;
    session_t  *x;

    static const uint8_t  none[16];

    pthread_mutex_lock(&s->lock);

    x = session_find(s, id, user);

    if (x == NULL) {
        rc = PH_NOTFOUND;

    } else if (now_ms >= x->last + s->idle) {
        session_free(s, x);
        rc = PH_NOTFOUND;

    } else if (next != NULL && memcmp(sequence, none, sizeof(none)) != 0
               && memcmp(sequence, x->sequence, sizeof(x->sequence)) != 0
               && memcmp(sequence, x->before, sizeof(x->before)) != 0)
    {
        rc = PH_CONFLICT;

    } else {
        if (next != NULL) {
            memcpy(x->before, x->sequence, sizeof(x->before));
            memcpy(x->sequence, next, sizeof(x->sequence));
        }
        x->last = now_ms;
        session_unlink(s, x);
        session_touch(s, x);
    }

    pthread_mutex_unlock(&s->lock);

    return rc;
}


void
nspi_session_end(nspi_sessions_t *s, const uint8_t id[16], ph_str_t user)
{
    session_t  *x;

    pthread_mutex_lock(&s->lock);

    x = session_find(s, id, user);
    if (x != NULL) {
        session_free(s, x);
    }

    pthread_mutex_unlock(&s->lock);
}
