/* Opening, closing and counting of mailboxes; the jobs are in ex_job.c. */

#include "ex_mailbox.h"
#include "ex_job.h"
#include "ex_index.h"
#include "ex_notify.h"
#include "ex_quota.h"
#include "ex_search.h"
#include "ex_submit.h"
#include "ex_trace.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define EX_MB_BUCKETS    1024
#define EX_MB_SWEEP      5000     /* ms */
#define EX_MB_STOP_SWEEP 50       /* ms */
#define EX_MB_TRIM       20000    /* ms without use: give memory back */
#define EX_MB_MAINTAIN   1000     /* pieces of content looked at in one go */
#define EX_MB_OPEN_WAIT  15000    /* ms that another process may hold it */


struct ex_opener_s {
    ex_opener_t    *next;
    ex_mailbox_pt   fn;
    void           *data;
};

struct ex_mailboxes_s {
    ex_t          *ex;
    store_env_t   *env;
    uv_timer_t     sweep;
    uint32_t       open;
    bool           closing_all;
    ph_work_pt     all_closed;
    void          *all_closed_data;
    ex_mailbox_t  *buckets[EX_MB_BUCKETS];
};


static void ex_mailbox_sweep(uv_timer_t *timer);
static void ex_mailbox_open_work(void *data);
static void ex_mailbox_open_done(void *data);


ph_int_t
ex_mailboxes_create(ex_t *ex, ex_mailboxes_t **mailboxes_r)
{
    store_conf_t     conf;
    ex_mailboxes_t  *all;

    all = ph_pcalloc(ex->pool, sizeof(ex_mailboxes_t));
    if (all == NULL) {
        return PH_NOMEM;
    }

    memset(&conf, 0, sizeof(conf));
    conf.readers = ex->opt.readers;
    conf.log = ex->log;

    all->ex = ex;

    if (store_env_create(&conf, &all->env) != PH_OK) {
        return PH_ERROR;
    }

    if (mkdir(ex->opt.mailbox_root, 0750) != 0 && errno != EEXIST) {
        ph_log(ex->log, PH_LOG_ERROR, PH4002,
               "option=mailbox_root path=%s error=\"%s\"",
               ex->opt.mailbox_root, strerror(errno));
        return PH_ERROR;
    }

    uv_timer_init(ex->loop, &all->sweep);
    all->sweep.data = all;
    uv_timer_start(&all->sweep, ex_mailbox_sweep, EX_MB_SWEEP, EX_MB_SWEEP);
    uv_unref((uv_handle_t *) &all->sweep);

    *mailboxes_r = all;

    return PH_OK;
}


void
ex_mailboxes_destroy(ex_mailboxes_t **allp)
{
    ex_mailboxes_t  *all = *allp;

    *allp = NULL;
    uv_close((uv_handle_t *) &all->sweep, NULL);
    store_env_destroy(&all->env);
}


uint32_t
ex_address_hash(ph_str_t address)
{
    size_t    i;
    uint8_t   c;
    uint32_t  h = 5381;

    for (i = 0; i < address.len; i++) {
        c = address.data[i];
        h = h * 33 + ((c >= 'A' && c <= 'Z') ? (c | 0x20u) : c);
    }

    return h;
}


static ex_mailbox_t *
ex_mailbox_lookup(ex_mailboxes_t *all, ph_str_t address)
{
    ex_mailbox_t  *mb;

    for (mb = all->buckets[ex_address_hash(address) % EX_MB_BUCKETS];
         mb != NULL;
         mb = mb->next)
    {
        if (ph_str_ieq(mb->facts->entry.address, address)) {
            return mb;
        }
    }

    return NULL;
}


ex_mailbox_t *
ex_mailbox_find(ex_t *ex, ph_str_t address)
{
    ex_mailbox_t  *mb;

    mb = ex_mailbox_lookup(ex->mailboxes, address);

    return (mb != NULL && mb->state == EX_MB_OPEN && !mb->doomed) ? mb : NULL;
}


void
ex_mailbox_ref(ex_mailbox_t *mb)
{
    mb->refs++;
    mb->last_used = ph_now_ms();
    mb->trimmed = false;
}


void
ex_mailbox_unref(ex_mailbox_t **mbp)
{
    ex_mailbox_t  *mb = *mbp;

    *mbp = NULL;
    mb->refs--;
    mb->last_used = ph_now_ms();
}


static void
ex_mailbox_remove(ex_mailbox_t *mb)
{
    ex_mailbox_t  **p;

    p = &mb->ex->mailboxes->buckets[
            ex_address_hash(mb->facts->entry.address)
                      % EX_MB_BUCKETS];

    while (*p != mb) {
        p = &(*p)->next;
    }

    *p = mb->next;
    ex_facts_unref(&mb->facts);
    free(mb->path);
    mb->magic = 0;
    free(mb);
}


/* Answers all who wait; on failure the mailbox object goes. */
static void
ex_mailbox_answer(ex_mailbox_t *mb, ph_int_t rc)
{
    ex_opener_t  *o, *list;

    list = mb->openers;
    mb->openers = NULL;
    ex_mailbox_ref(mb);

    while ((o = list) != NULL) {
        list = o->next;
        o->fn(rc, rc == PH_OK ? mb : NULL, o->data);
        free(o);
    }

    mb->refs--;

    if (rc != PH_OK && mb->refs == 0 && mb->openers == NULL) {
        ex_mailbox_remove(mb);
    }
}


static ph_int_t
ex_mailbox_mkdirs(const char *root, const char *path)
{
    char    buf[4096];
    size_t  i, len;

    len = strlen(path);
    if (len >= sizeof(buf)) {
        return PH_INVALID;
    }

    memcpy(buf, path, len + 1);

    /* the parents only: the store makes the last one itself */
    for (i = strlen(root) + 1; i < len; i++) {
        if (buf[i] != '/') {
            continue;
        }

        buf[i] = '\0';
        if (mkdir(buf, 0750) != 0 && errno != EEXIST) {
            return errno == ENOSPC ? PH_NOSPACE : PH_ERROR;
        }

        buf[i] = '/';
    }

    return PH_OK;
}


static ph_int_t
ex_mailbox_make(ex_mailbox_t *mb)
{
    ph_int_t             rc;
    store_params_t       p;
    const dir_entry_t   *e = &mb->facts->entry;

    rc = ex_mailbox_mkdirs(mb->ex->opt.mailbox_root, mb->path);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&p, 0, sizeof(p));
    p.kind = (e->kind == DIR_KIND_PUBLIC) ? STORE_PUBLIC : STORE_PRIVATE;
    p.guid = e->mailbox_guid;
    p.address = e->address;
    p.display_name = e->display_name;
    p.legacy_dn = e->legacy_dn;
    p.lang = e->lang;
    p.quota_send = e->quota_send;
    p.quota_receive = e->quota_receive;

    rc = store_create(mb->ex->mailboxes->env, mb->path, &p);

    if (rc == PH_OK) {
        ph_log(mb->ex->log, PH_LOG_INFO, PH4024, "mailbox=%s path=%s",
               ph_log_str(e->address), mb->path);
    }

    return rc;
}


static void
ex_mailbox_open_work(void *data)
{
    ph_int_t       rc;
    ex_mailbox_t  *mb = data;
    store_env_t   *env = mb->ex->mailboxes->env;

    rc = store_open(env, mb->path, &mb->store);

    if (rc == PH_NOTFOUND && mb->create) {
        rc = ex_mailbox_make(mb);
        if (rc == PH_OK || rc == PH_EXISTS) {
            rc = store_open(env, mb->path, &mb->store);
        }
    }

    if (rc == PH_OK) {
        ex_quota_apply(mb);
    }

    mb->open_rc = rc;
}


static void
ex_mailbox_retry(uv_timer_t *timer)
{
    ex_mailbox_t  *mb = timer->data;

    mb->retry = NULL;
    uv_close((uv_handle_t *) timer, (uv_close_cb) free);

    if (ph_work(mb->ex->loop, ex_mailbox_open_work, ex_mailbox_open_done, mb)
        != PH_OK)
    {
        mb->state = EX_MB_CLOSED;
        ex_mailbox_answer(mb, PH_NOMEM);
    }
}


static void
ex_mailbox_open_done(void *data)
{
    uv_timer_t    *timer;
    ex_mailbox_t  *mb = data;

    if (mb->open_rc == PH_OK) {
        mb->state = EX_MB_OPEN;
        mb->last_used = ph_now_ms();
        mb->quota_look = true;
        mb->purge_at = 0;
        mb->ex->mailboxes->open++;
        ph_metric_set(mb->ex->count.stores, mb->ex->mailboxes->open);
        ph_log(mb->ex->log, PH_LOG_DEBUG, PH4020, "mailbox=%s",
               ph_log_str(mb->facts->entry.address));

        ex_submit_mailbox_opened(mb);
        mb->index_stale = 1;
        ex_search_fill(mb);
        ex_mailbox_answer(mb, PH_OK);
        return;
    }

    /* a worker of before a reload may still finish */
    if (mb->open_rc == PH_BUSY && ph_now_ms() < mb->open_deadline) {
        timer = malloc(sizeof(uv_timer_t));
        if (timer != NULL) {
            uv_timer_init(mb->ex->loop, timer);
            timer->data = mb;
            mb->retry = timer;
            uv_timer_start(timer, ex_mailbox_retry, 50, 0);
            return;
        }
    }

    if (mb->open_rc != PH_NOTFOUND) {
        ph_log(mb->ex->log, PH_LOG_ERROR, PH4021, "mailbox=%s path=%s rc=%s",
               ph_log_str(mb->facts->entry.address), mb->path,
               ph_result_name(mb->open_rc));
    }

    mb->state = EX_MB_CLOSED;
    ex_mailbox_answer(mb, mb->open_rc);
}


static ex_mailbox_t *
ex_mailbox_new(ex_t *ex, ex_facts_t *facts)
{
    size_t         len;
    uint32_t       b;
    ph_str_t       sub;
    ex_mailbox_t  *mb;

    sub = facts->entry.path;

    /* the directory's word, but never outside of the root */
    if (sub.len == 0 || sub.data[0] == '/'
        || memmem(sub.data, sub.len, "..", 2) != NULL
        || memchr(sub.data, '\0', sub.len) != NULL)
    {
        return NULL;
    }

    mb = calloc(1, sizeof(ex_mailbox_t));
    if (mb == NULL) {
        return NULL;
    }

    len = strlen(ex->opt.mailbox_root) + 1 + sub.len + 1;
    mb->path = malloc(len);
    if (mb->path == NULL) {
        free(mb);
        return NULL;
    }

    (void) snprintf(mb->path, len, "%s/%.*s", ex->opt.mailbox_root,
                    PH_STR_ARG(sub));

    mb->magic = EX_MAILBOX_MAGIC;
    mb->ex = ex;
    mb->facts = ex_facts_ref(facts);
    mb->writes_tail = &mb->writes;
    mb->reads_tail = &mb->reads;

    b = ex_address_hash(facts->entry.address) % EX_MB_BUCKETS;
    mb->next = ex->mailboxes->buckets[b];
    ex->mailboxes->buckets[b] = mb;

    return mb;
}


void
ex_mailbox_get(ex_t *ex, ex_facts_t *facts, bool create, ex_mailbox_pt fn,
    void *data)
{
    ex_opener_t   *o;
    ex_mailbox_t  *mb;

    if (ex->stopping) {
        fn(PH_BUSY, NULL, data);
        return;
    }

    mb = ex_mailbox_lookup(ex->mailboxes, facts->entry.address);

    if (mb != NULL && mb->doomed) {
        fn(PH_BUSY, NULL, data);
        return;
    }

    if (mb != NULL && mb->state == EX_MB_OPEN) {
        ex_mailbox_ref(mb);
        fn(PH_OK, mb, data);
        mb->refs--;
        return;
    }

    if (mb == NULL) {
        mb = ex_mailbox_new(ex, facts);
        if (mb == NULL) {
            fn(PH_NOTFOUND, NULL, data);
            return;
        }
    }

    o = calloc(1, sizeof(ex_opener_t));
    if (o == NULL) {
        fn(PH_NOMEM, NULL, data);
        return;
    }

    o->fn = fn;
    o->data = data;
    o->next = mb->openers;
    mb->openers = o;
    mb->create = mb->create || create;

    if (mb->state == EX_MB_CLOSED) {
        mb->state = EX_MB_OPENING;
        mb->open_deadline = ph_now_ms() + EX_MB_OPEN_WAIT;

        if (ph_work(ex->loop, ex_mailbox_open_work, ex_mailbox_open_done, mb)
            != PH_OK)
        {
            mb->state = EX_MB_CLOSED;
            ex_mailbox_answer(mb, PH_NOMEM);
        }
    }

    /* OPENING: answered with the others; CLOSING: opened again afterwards */
}


/* ---- closing ---- */

static void
ex_mailbox_close_work(void *data)
{
    ex_mailbox_t  *mb = data;

    store_close(&mb->store);
}


static void
ex_mailbox_close_done(void *data)
{
    ex_mailbox_t    *mb = data;
    ex_mailboxes_t  *all = mb->ex->mailboxes;

    all->open--;
    ph_metric_set(mb->ex->count.stores, all->open);
    ph_log(mb->ex->log, PH_LOG_DEBUG, PH4022, "mailbox=%s",
           ph_log_str(mb->facts->entry.address));
    mb->state = EX_MB_CLOSED;

    if (mb->openers != NULL) {
        if (all->closing_all) {
            ex_mailbox_answer(mb, PH_BUSY);

        } else {
            mb->state = EX_MB_OPENING;
            mb->open_deadline = ph_now_ms() + EX_MB_OPEN_WAIT;
            if (ph_work(mb->ex->loop, ex_mailbox_open_work,
                        ex_mailbox_open_done, mb) != PH_OK)
            {
                mb->state = EX_MB_CLOSED;
                ex_mailbox_answer(mb, PH_NOMEM);
            }
        }

    } else if (mb->refs == 0) {
        ex_mailbox_remove(mb);
    }

    if (all->closing_all && all->open == 0) {
        all->all_closed(all->all_closed_data);
    }
}


static void
ex_mailbox_close(ex_mailbox_t *mb)
{
    mb->state = EX_MB_CLOSING;

    if (ph_work(mb->ex->loop, ex_mailbox_close_work, ex_mailbox_close_done, mb)
        != PH_OK)
    {
        mb->state = EX_MB_OPEN;
    }
}


/* A mailbox whose queue waits for its time stays open for that. */
static bool
ex_mailbox_is_idle(const ex_mailbox_t *mb)
{
    if (mb->submit_timer != 0 && !mb->ex->mailboxes->closing_all
        && !mb->doomed)
    {
        return false;
    }

    return mb->state == EX_MB_OPEN && mb->refs == 0 && mb->traces == NULL
           && !mb->writing
           && mb->reading == 0 && mb->writes == NULL && mb->reads == NULL
           && !mb->submitting;
}


static void
ex_mailbox_trim_work(void *data)
{
    ex_mailbox_t  *mb = data;

    store_trim(mb->store);
}


static void
ex_mailbox_trim_done(void *data)
{
    ex_mailbox_t  *mb = data;

    mb->refs--;
}


/* ---- housekeeping of a mailbox that had changes and is quiet now ---- */

typedef struct {
    ex_job_t  job;       /* first */
    bool      more;
} ex_maintain_t;


static ph_int_t
ex_maintain_run(ex_job_t *job, store_conn_t *conn)
{
    return store_maintain(conn, EX_MB_MAINTAIN,
                          &((ex_maintain_t *) job)->more);
}


static void
ex_maintain_done(ex_job_t *job, ph_int_t rc)
{
    ex_maintain_t  *m = (ex_maintain_t *) job;

    if (rc == PH_OK && m->more) {
        job->mailbox->changed = true;
    }

    free(m);
}


static void
ex_mailbox_maintain(ex_mailbox_t *mb)
{
    ex_maintain_t  *m;

    m = calloc(1, sizeof(ex_maintain_t));
    if (m == NULL) {
        return;
    }

    mb->changed = false;
    m->job.write = true;
    m->job.alone = true;
    m->job.run = ex_maintain_run;
    m->job.done = ex_maintain_done;
    ex_job_start(mb, &m->job);
}


static void
ex_mailbox_sweep(uv_timer_t *timer)
{
    size_t           i;
    uint64_t         now;
    ex_mailbox_t    *mb, *next, *oldest;
    ex_mailboxes_t  *all = timer->data;

    now = ph_now_ms();
    oldest = NULL;

    for (i = 0; i < EX_MB_BUCKETS; i++) {
        for (mb = all->buckets[i]; mb != NULL; mb = next) {
            next = mb->next;

            ex_submit_tick(mb, now);
            ex_quota_tick(mb, now);
            ex_index_tick(mb);

            if (mb->state == EX_MB_OPEN && !mb->writing && mb->reading == 0
                && !mb->trimmed && !all->closing_all
                && now - mb->last_used > EX_MB_TRIM)
            {
                if (mb->changed) {
                    ex_mailbox_maintain(mb);
                    continue;
                }

                mb->trimmed = true;
                mb->refs++;
                if (ph_work(all->ex->loop, ex_mailbox_trim_work,
                            ex_mailbox_trim_done, mb) != PH_OK)
                {
                    mb->refs--;
                }
                continue;
            }

            if (!ex_mailbox_is_idle(mb)) {
                continue;
            }

            if (all->closing_all) {
                ex_mailbox_close(mb);
                continue;
            }

            if (now - mb->last_used > all->ex->opt.store_idle) {
                ex_mailbox_close(mb);

            } else if (oldest == NULL || mb->last_used < oldest->last_used) {
                oldest = mb;
            }
        }
    }

    if (all->open > all->ex->opt.max_stores && oldest != NULL
        && oldest->state == EX_MB_OPEN)
    {
        ex_mailbox_close(oldest);
    }
}


void
ex_mailboxes_close_all(ex_t *ex, ph_work_pt done, void *data)
{
    size_t           i;
    ex_mailbox_t    *mb, *next;
    ex_mailboxes_t  *all = ex->mailboxes;

    all->closing_all = true;
    all->all_closed = done;
    all->all_closed_data = data;

    for (i = 0; i < EX_MB_BUCKETS; i++) {
        for (mb = all->buckets[i]; mb != NULL; mb = next) {
            next = mb->next;
            if (mb->retry != NULL) {
                /* whoever has it has not let go: nobody waits any more */
                uv_close((uv_handle_t *) mb->retry, (uv_close_cb) free);
                mb->retry = NULL;
                mb->state = EX_MB_CLOSED;
                ex_mailbox_answer(mb, PH_BUSY);
            }
        }
    }

    if (all->open == 0) {
        done(data);
        return;
    }

    for (i = 0; i < EX_MB_BUCKETS; i++) {
        for (mb = all->buckets[i]; mb != NULL; mb = next) {
            next = mb->next;
            if (ex_mailbox_is_idle(mb)) {
                ex_mailbox_close(mb);
            }
        }
    }

    /* the others when their work is done */
    uv_timer_start(&all->sweep, ex_mailbox_sweep, EX_MB_STOP_SWEEP,
                   EX_MB_STOP_SWEEP);
}


ph_int_t
ex_mailbox_unload(ex_mailbox_t *mb)
{
    if (!ex_mailbox_is_idle(mb)) {
        return PH_BUSY;
    }

    ex_mailbox_close(mb);

    return PH_OK;
}


uint32_t
ex_mailbox_count(const ex_t *ex)
{
    return ex->mailboxes->open;
}


void
ex_mailbox_each(ex_t *ex, void (*fn)(ex_mailbox_t *mb, void *data),
    void *data)
{
    size_t         i;
    ex_mailbox_t  *mb, *next;

    for (i = 0; i < EX_MB_BUCKETS; i++) {
        for (mb = ex->mailboxes->buckets[i]; mb != NULL; mb = next) {
            next = mb->next;
            if (mb->state == EX_MB_OPEN) {
                fn(mb, data);
            }
        }
    }
}


/* ---- deleting ---- */

typedef struct {
    ex_t          *ex;
    ex_facts_t    *facts;
    char          *path;
    ph_int_t       rc;
    void         (*fn)(ph_int_t rc, void *data);
    void          *data;
    ex_mailbox_t  *mb;
    uv_timer_t     timer;
    uint64_t       deadline;
} ex_delete_t;


static void
ex_delete_free(uv_handle_t *handle)
{
    ex_delete_t  *d = handle->data;

    ex_facts_unref(&d->facts);
    free(d->path);
    free(d);
}


static void
ex_delete_work(void *data)
{
    ex_delete_t  *d = data;

    d->rc = store_remove(d->ex->mailboxes->env, d->path);
}


static void
ex_delete_done(void *data)
{
    ex_delete_t  *d = data;

    if (d->rc == PH_OK) {
        ex_submit_unmark(d->ex, d->facts->entry.address);
    }

    ph_log(d->ex->log, PH_LOG_NOTICE, PH4060, "mailbox=%s rc=%s",
           ph_log_str(d->facts->entry.address), ph_result_name(d->rc));
    d->fn(d->rc, d->data);
    uv_close((uv_handle_t *) &d->timer, ex_delete_free);
}


/* Waits until the store is closed (sessions were ended by the caller). */
static void
ex_delete_poll(uv_timer_t *timer)
{
    ex_delete_t   *d = timer->data;
    ex_mailbox_t  *mb;

    mb = ex_mailbox_lookup(d->ex->mailboxes, d->facts->entry.address);

    if (mb != NULL) {
        if (ph_now_ms() > d->deadline) {
            mb->doomed = false;
            uv_timer_stop(timer);
            d->fn(PH_BUSY, d->data);
            uv_close((uv_handle_t *) timer, ex_delete_free);
            return;
        }

        mb->doomed = true;
        ex_trace_end(mb);
        if (ex_mailbox_is_idle(mb)) {
            ex_mailbox_close(mb);
        }

        return;
    }

    uv_timer_stop(timer);

    if (ph_work(d->ex->loop, ex_delete_work, ex_delete_done, d) != PH_OK) {
        d->fn(PH_NOMEM, d->data);
        uv_close((uv_handle_t *) timer, ex_delete_free);
    }
}


void
ex_mailbox_delete(ex_t *ex, ex_facts_t *facts,
    void (*fn)(ph_int_t rc, void *data), void *data)
{
    size_t        len;
    ex_delete_t  *d;

    d = calloc(1, sizeof(ex_delete_t));
    if (d == NULL) {
        fn(PH_NOMEM, data);
        return;
    }

    len = strlen(ex->opt.mailbox_root) + 1 + facts->entry.path.len + 1;
    d->path = malloc(len);
    if (d->path == NULL || facts->entry.path.len == 0
        || facts->entry.path.data[0] == '/'
        || memmem(facts->entry.path.data, facts->entry.path.len, "..", 2)
           != NULL)
    {
        free(d->path);
        free(d);
        fn(PH_NOTFOUND, data);
        return;
    }

    (void) snprintf(d->path, len, "%s/%.*s", ex->opt.mailbox_root,
                    PH_STR_ARG(facts->entry.path));

    d->ex = ex;
    d->facts = ex_facts_ref(facts);
    d->fn = fn;
    d->data = data;
    d->deadline = ph_now_ms() + 10000;
    uv_timer_init(ex->loop, &d->timer);
    d->timer.data = d;
    uv_timer_start(&d->timer, ex_delete_poll, 0, 20);
}
