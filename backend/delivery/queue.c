#include "queue.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_PURGE_MS   (10 * 60 * 1000)
#define QUEUE_LOCAL      16            /* jobs beside those on the relay */

static void queue_schedule(queue_t *q);


static uint64_t
queue_due(const queue_entry_t *e)
{
    return ph_max(e->next_try, e->not_before);
}


static queue_item_t *
queue_item(queue_entry_t *e)
{
    queue_item_t  *item = calloc(1, sizeof(*item));

    if (item != NULL) {
        item->e = e;
        item->due = queue_due(e);
    }

    return item;
}


ph_int_t
queue_store(queue_t *q, queue_entry_t *e, ph_str_t body)
{
    ph_int_t       rc;
    queue_item_t  *item = queue_item(e);

    if (item == NULL) {
        queue_entry_destroy(&e);
        return PH_NOMEM;
    }

    rc = queue_file_write(q->dir, e, body);

    if (rc != PH_OK) {
        if (rc != PH_EXISTS) {
            ph_log(q->d->log, PH_LOG_ERROR, PH5025, "result=%s error=\"%s\"",
                   ph_result_name(rc), strerror(errno));
        }
        queue_entry_destroy(&e);
        free(item);
        return rc == PH_EXISTS ? PH_OK : rc;
    }

    uv_mutex_lock(&q->lock);
    item->next = q->incoming;
    q->incoming = item;
    uv_mutex_unlock(&q->lock);

    return PH_OK;
}


ph_int_t
queue_store_forward(queue_t *q, ph_pool_t *pool, deliver_t *t,
    const deliver_dest_t *dest)
{
    ph_int_t        rc;
    ph_wbuf_t       b;
    queue_entry_t  *e = queue_entry_create();

    if (e == NULL) {
        return PH_NOMEM;
    }

    /* the mark by which it is known when it comes back */
    ph_wbuf_init(&b, pool, SIZE_MAX / 2);
    ph_put_fmt(&b, "Delivered-To: %.*s\r\n", PH_STR_ARG(dest->recipient));
    ph_put_str(&b, t->raw);

    memcpy(e->id, dest->id, QUEUE_ID);
    e->sender = ph_pstrdup(e->pool, t->sender);
    e->queued = ph_now_filetime();
    e->flags = t->smtputf8 ? QUEUE_F_SMTPUTF8 : 0;
    rc = queue_entry_add(e, dest->address, dest->notify);
    if (rc == PH_OK) {
        rc = queue_entry_dsn(e, t->ret, t->envid);
    }
    if (rc == PH_OK) {
        rc = queue_entry_orcpt(e, dest->orcpt);
    }

    if (rc != PH_OK || b.error || e->sender.data == NULL) {
        queue_entry_destroy(&e);
        return rc != PH_OK ? rc : PH_NOMEM;
    }

    return queue_store(q, e, ph_wbuf_str(&b));
}


/* a damaged file is moved aside, where somebody can look at it */
static void
queue_bad(queue_t *q, const char *name)
{
    char  from[4096], to[4096];

    (void) snprintf(from, sizeof(from), "%s/%s", q->dir, name);
    (void) snprintf(to, sizeof(to), "%s/bad/%s", q->dir, name);
    ph_log(q->d->log, PH_LOG_ERROR, PH5024, "file=%s", name);

    if (rename(from, to) != 0) {
        ph_log(q->d->log, PH_LOG_ERROR, PH5025, "file=%s error=\"%s\"", name,
               strerror(errno));
    }
}


static ph_int_t
queue_load_file(queue_t *q, const char *name)
{
    ph_int_t        rc;
    queue_item_t   *item;
    queue_entry_t  *e = queue_entry_create();

    if (e == NULL) {
        return PH_NOMEM;
    }

    rc = queue_file_read(q->dir, name, e);

    if (rc == PH_OK && queue_entry_finished(e)) {
        rc = queue_file_finish(q->dir, e->id);
        queue_entry_destroy(&e);
        return rc;
    }

    item = rc == PH_OK ? queue_item(e) : NULL;
    if (item == NULL) {
        queue_entry_destroy(&e);
        if (rc == PH_CORRUPT) {
            queue_bad(q, name);
            rc = PH_OK;
        }
        return rc == PH_OK ? PH_OK : rc;
    }

    item->next = q->items;
    q->items = item;
    q->n_items++;
    return PH_OK;
}


static ph_int_t
queue_load(queue_t *q)
{
    DIR            *dir;
    char            path[4096];
    size_t          n;
    ph_int_t        rc = PH_OK;
    struct dirent  *de;

    dir = opendir(q->dir);
    if (dir == NULL) {
        return PH_ERROR;
    }

    while (rc == PH_OK && (de = readdir(dir)) != NULL) {
        n = strlen(de->d_name);

        if (strncmp(de->d_name, "tmp-", 4) == 0) {
            (void) snprintf(path, sizeof(path), "%s/%s", q->dir, de->d_name);
            (void) unlink(path);

        } else if (n == QUEUE_NAME - 1
                   && strcmp(de->d_name + n - 2, ".q") == 0)
        {
            rc = queue_load_file(q, de->d_name);
        }
    }

    closedir(dir);
    return rc;
}


/* forgets the ids of messages that were sent long ago */
static void
queue_purge(void *data)
{
    DIR            *dir;
    char            path[4096];
    queue_t        *q = data;
    struct stat     st;
    struct dirent  *de;
    time_t          before = time(NULL) - (time_t) (q->remember / 1000);

    (void) snprintf(path, sizeof(path), "%s/done", q->dir);
    dir = opendir(path);
    if (dir == NULL) {
        return;
    }

    while ((de = readdir(dir)) != NULL) {
        if (de->d_name[0] != '.'
            && fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
            && S_ISREG(st.st_mode) && st.st_mtime < before)
        {
            (void) unlinkat(dirfd(dir), de->d_name, 0);
        }
    }

    closedir(dir);
}


static void
queue_purged(void *data)
{
    (void) data;
}


static void
queue_timer(uv_timer_t *timer)
{
    queue_wake(timer->data);
}


static void
queue_schedule(queue_t *q)
{
    uint64_t       now = ph_now_filetime(), next = now + 600000000ull, wait;
    queue_item_t  *item;

    for (item = q->items; item != NULL; item = item->next) {
        if (!item->active && item->due < next) {
            next = item->due;
        }
    }

    wait = next > now ? (next - now) / 10000 + 1 : 1;
    uv_timer_start(&q->timer, queue_timer, wait, 0);
    uv_unref((uv_handle_t *) &q->timer);
}


void
queue_wake(queue_t *q)
{
    uint64_t       now;
    queue_item_t  *item, *next;

    uv_mutex_lock(&q->lock);
    item = q->incoming;
    q->incoming = NULL;
    uv_mutex_unlock(&q->lock);

    for (; item != NULL; item = next) {
        next = item->next;
        item->next = q->items;
        q->items = item;
        q->n_items++;
        ph_log(q->d->log, PH_LOG_INFO, PH5020,
               "id=%02x%02x%02x%02x from=%s rcpts=%u size=%" PRIu64,
               item->e->id[0], item->e->id[1], item->e->id[2],
               item->e->id[3], ph_log_str(item->e->sender),
               item->e->n_rcpts, item->e->body_len);
    }

    if (q->stopping) {
        return;
    }

    now = ph_now_filetime();

    for (item = q->items; item != NULL && q->n_active < q->max_active;
         item = next)
    {
        next = item->next;
        if (!item->active && item->due <= now) {
            item->active = true;
            q->n_active++;
            queue_job_start(q, item);
        }
    }

    if (ph_now_ms() >= q->next_purge) {
        q->next_purge = ph_now_ms() + QUEUE_PURGE_MS;
        (void) ph_work(q->d->loop, queue_purge, queue_purged, q);
    }

    if (q->n_active < q->max_active) {
        queue_schedule(q);
    }
}


static void
queue_remove(queue_t *q, queue_item_t *item)
{
    queue_item_t  **at = &q->items;

    while (*at != item) {
        at = &(*at)->next;
    }

    *at = item->next;
    q->n_items--;
    queue_entry_destroy(&item->e);
    free(item);
}


void
queue_job_over(queue_t *q, queue_item_t *item, bool gone)
{
    item->active = false;
    item->due = queue_due(item->e);
    q->n_active--;

    if (gone) {
        queue_remove(q, item);
    }

    if (q->stopping) {
        if (q->n_active == 0) {
            delivery_part_stopped(q->d);
        }
        return;
    }

    /* soon, but not from inside the job */
    uv_timer_start(&q->timer, queue_timer, 0, 0);
    uv_unref((uv_handle_t *) &q->timer);
}


uint32_t
queue_flush(queue_t *q)
{
    uint32_t       n = 0;
    queue_item_t  *item;

    for (item = q->items; item != NULL; item = item->next) {
        if (!item->active) {
            item->due = item->e->not_before;
            n++;
        }
    }

    queue_wake(q);
    return n;
}


ph_int_t
queue_withdraw(queue_t *q, const uint8_t id[QUEUE_ID])
{
    ph_int_t       rc;
    queue_item_t  *item;

    for (item = q->items; item != NULL; item = item->next) {
        if (memcmp(item->e->id, id, QUEUE_ID) != 0) {
            continue;
        }
        if (item->active || item->e->n_done != 0) {
            return PH_NOTFOUND;         /* it is on its way */
        }
        rc = queue_file_finish(q->dir, id);
        if (rc == PH_OK) {
            ph_log(q->d->log, PH_LOG_INFO, PH5027, "id=%02x%02x%02x%02x",
                   id[0], id[1], id[2], id[3]);
            queue_remove(q, item);
        }
        return rc;
    }

    return PH_NOTFOUND;
}


ph_int_t
queue_list(queue_t *q, ph_pool_t *pool, uint32_t limit,
    delivery_queue_answer_t *a)
{
    uint32_t            n = ph_min(limit, q->n_items);
    queue_item_t       *item;
    queue_entry_t      *e;
    delivery_queued_t  *v;

    memset(a, 0, sizeof(*a));
    a->total = q->n_items;
    a->entries = ph_pcalloc_array(pool, n, sizeof(*a->entries));
    if (a->entries == NULL) {
        return PH_NOMEM;
    }

    for (item = q->items; item != NULL && a->entries_count < n;
         item = item->next)
    {
        e = item->e;
        v = &a->entries[a->entries_count++];
        memcpy(v->id, e->id, sizeof(v->id));
        v->sender = e->sender;
        v->size = (uint32_t) ph_min(e->body_len, (uint64_t) UINT32_MAX);
        v->queued = e->queued;
        v->next_try = item->due;
        v->tries = e->tries;
        v->last_error = e->last_error;
        v->recipients = ph_pcalloc_array(pool, e->n_rcpts,
                                         sizeof(*v->recipients));
        if (v->recipients == NULL) {
            return PH_NOMEM;
        }
        for (uint32_t i = 0; i < e->n_rcpts; i++) {
            if (!e->rcpts[i].done) {
                v->recipients[v->recipients_count].address
                    = e->rcpts[i].address;
                v->recipients[v->recipients_count++].notify
                    = e->rcpts[i].notify;
            }
        }
    }

    return PH_OK;
}


static ph_int_t
queue_mkdir(queue_t *q, const char *sub)
{
    char  path[4096];

    (void) snprintf(path, sizeof(path), "%s%s", q->dir, sub);

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        ph_log(q->d->log, PH_LOG_ERROR, PH5025, "folder=%s error=\"%s\"", path,
               strerror(errno));
        return PH_ERROR;
    }

    return PH_OK;
}


ph_int_t
queue_create(delivery_t *d, queue_t **queue_r)
{
    queue_t    *q;
    ph_conf_t  *conf = d->daemon->conf;

#define queue_time(n)  (uint64_t) ph_conf_int(conf, "delivery", n)

    q = ph_pcalloc(d->pool, sizeof(*q));
    if (q == NULL) {
        return PH_NOMEM;
    }

    q->d = d;
    q->dir = d->queue_dir;
    q->local_direct = ph_conf_bool(conf, "delivery", "local_direct");
    q->retry_min = queue_time("retry_min");
    q->retry_max = queue_time("retry_max");
    q->max_age = queue_time("max_age");
    q->remember = queue_time("remember");
    q->max_active = (uint32_t) ph_conf_int(conf, "delivery",
                                           "relay_connections")
                    + QUEUE_LOCAL;
    q->next_purge = ph_now_ms() + QUEUE_PURGE_MS;

#undef queue_time

    if (smtp_relay_init(&q->relay, d) != PH_OK
        || queue_mkdir(q, "") != PH_OK || queue_mkdir(q, "/done") != PH_OK
        || queue_mkdir(q, "/bad") != PH_OK)
    {
        return PH_ERROR;
    }

    if (uv_mutex_init(&q->lock) != 0) {
        return PH_NOMEM;
    }

    uv_timer_init(d->loop, &q->timer);
    q->timer.data = q;

    if (queue_load(q) != PH_OK) {
        ph_log(d->log, PH_LOG_ERROR, PH5025, "folder=%s error=\"%s\"", q->dir,
               strerror(errno));
        return PH_ERROR;
    }

    *queue_r = q;
    uv_timer_start(&q->timer, queue_timer, 0, 0);
    uv_unref((uv_handle_t *) &q->timer);
    return PH_OK;
}


void
queue_stop(queue_t *q)
{
    q->stopping = true;
    uv_timer_stop(&q->timer);

    if (q->n_active == 0) {
        delivery_part_stopped(q->d);
    }
}


void
queue_destroy(queue_t *q)
{
    queue_item_t  *item;

    while ((item = q->items) != NULL) {
        q->items = item->next;
        queue_entry_destroy(&item->e);
        free(item);
    }
    while ((item = q->incoming) != NULL) {
        q->incoming = item->next;
        queue_entry_destroy(&item->e);
        free(item);
    }

    SSL_CTX_free(q->relay.ctx);
    q->relay.ctx = NULL;
    uv_mutex_destroy(&q->lock);
    uv_close((uv_handle_t *) &q->timer, NULL);
}
