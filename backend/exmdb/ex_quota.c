/* Limits, applied while mailboxes are open; warnings; the daily purge. */

#include "ex_quota.h"
#include "ex_directory.h"
#include "convert/conv.h"
#include "gen/quota_warning_template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define EX_QUOTA_ASKS      100           /* look-ups in one round */
#define EX_QUOTA_TEMPLATE  (256 * 1024)  /* bytes of the file */


struct ex_quotas_s {
    ph_str_t  template_;
};


/* ---- the template ---- */

static ph_int_t
ex_quota_read(ex_t *ex, const char *path, ph_str_t *text_r)
{
    int       fd;
    char     *buf;
    ssize_t   n;
    size_t    len;

    buf = ph_palloc(ex->pool, EX_QUOTA_TEMPLATE);
    fd = buf != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd == -1) {
        return PH_ERROR;
    }

    for (len = 0; len < EX_QUOTA_TEMPLATE; len += (size_t) n) {
        n = read(fd, buf + len, EX_QUOTA_TEMPLATE - len);
        if (n <= 0) {
            break;
        }
    }

    (void) close(fd);
    *text_r = (ph_str_t) { len, (uint8_t *) buf };

    return n == 0 && ph_utf8_valid(*text_r) ? PH_OK : PH_INVALID;
}


ph_int_t
ex_quotas_create(ex_t *ex, ex_quotas_t **quotas_r)
{
    ex_quotas_t  *q;

    q = ph_pcalloc(ex->pool, sizeof(ex_quotas_t));
    if (q == NULL) {
        return PH_NOMEM;
    }

    q->template_ = ph_str_c(quota_warning_template);

    if (ex->opt.quota_template[0] != '\0'
        && ex_quota_read(ex, ex->opt.quota_template, &q->template_) != PH_OK)
    {
        ph_log(ex->log, PH_LOG_ERROR, PH4002,
               "option=quota_template path=%s error=\"%s\"",
               ex->opt.quota_template, strerror(errno));
        return PH_INVALID;
    }

    *quotas_r = q;

    return PH_OK;
}


/* ---- limits ---- */

void
ex_quota_of(const ex_t *ex, const dir_entry_t *e, store_quota_t *q)
{
    memset(q, 0, sizeof(*q));
    q->warning = e->quota_warning;
    q->send = e->quota_send;
    q->receive = e->quota_receive;
    q->store = e->quota_receive;
    q->deleted = e->quota_deleted != 0 ? e->quota_deleted
                                       : ex->opt.quota_deleted;
    q->keep = e->keep_deleted != 0 ? e->keep_deleted
                                   : ex->opt.keep_deleted / 1000;
    q->hold = e->hold != 0;
}


static bool
ex_quota_same(const store_quota_t *a, const store_quota_t *b)
{
    return a->store == b->store && a->receive == b->receive
           && a->send == b->send && a->warning == b->warning
           && a->deleted == b->deleted && a->keep == b->keep
           && a->hold == b->hold;
}


void
ex_quota_apply(ex_mailbox_t *mb)
{
    store_conn_t   *conn;
    store_quota_t   now, want;

    ex_quota_of(mb->ex, &mb->facts->entry, &want);

    if (store_conn_acquire(mb->store, STORE_WRITE, &conn) != PH_OK) {
        return;
    }

    if (store_quota_get(conn, &now) == PH_OK && !ex_quota_same(&now, &want)
        && store_begin(conn) == PH_OK)
    {
        if (store_quota_set(conn, &want) == PH_OK) {
            (void) store_commit(conn, NULL);
        } else {
            store_rollback(conn);
        }
    }

    store_conn_release(&conn);
}


typedef struct {
    ex_job_t       job;        /* first */
    ex_mailbox_t  *mb;
    store_quota_t  quota;
    bool           again;
} ex_quota_job_t;


static ex_quota_job_t *
ex_quota_job(ex_mailbox_t *mb, bool write,
    ph_int_t (*run)(ex_job_t *job, store_conn_t *conn),
    void (*done)(ex_job_t *job, ph_int_t rc))
{
    ex_quota_job_t  *j;

    j = calloc(1, sizeof(ex_quota_job_t));
    if (j != NULL) {
        j->mb = mb;
        j->job.write = write;
        j->job.repeatable = true;
        j->job.run = run;
        j->job.done = done;
    }

    return j;
}


static ph_int_t
ex_quota_set_run(ex_job_t *job, store_conn_t *conn)
{
    return store_quota_set(conn, &((ex_quota_job_t *) job)->quota);
}


static void
ex_quota_set_done(ex_job_t *job, ph_int_t rc)
{
    ex_quota_job_t  *j = (ex_quota_job_t *) job;

    if (rc != PH_OK) {
        j->mb->quota_stale = true;      /* the next sweep tries again */

    } else {
        /* another limit, another look */
        j->mb->quota_look = true;
        j->mb->purge_at = 0;
    }

    free(j);
}


static void
ex_quota_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_mailbox_t    *mb = data;
    ex_quota_job_t  *j;

    if (rc == PH_OK && mb->state == EX_MB_OPEN && !mb->doomed) {
        j = ex_quota_job(mb, true, ex_quota_set_run, ex_quota_set_done);
        if (j != NULL) {
            ex_quota_of(mb->ex, &facts->entry, &j->quota);
            ex_job_start(mb, &j->job);
        }
    }

    ex_mailbox_unref(&mb);
}


typedef struct {
    ph_str_t  address;
    uint32_t  left;
} ex_quota_walk_t;


static void
ex_quota_ask(ex_mailbox_t *mb)
{
    mb->quota_stale = false;
    ex_mailbox_ref(mb);
    ex_facts_get(mb->ex, DIR_BY_ADDRESS, mb->facts->entry.address,
                 ex_quota_facts, mb);
}


static void
ex_quota_walk(ex_mailbox_t *mb, void *data)
{
    ex_quota_walk_t  *w = data;

    if (w->address.len != 0
        && !ph_str_ieq(w->address, mb->facts->entry.address))
    {
        return;
    }

    mb->quota_stale = true;
    if (w->left > 0) {
        w->left--;
        ex_quota_ask(mb);
    }
}


void
ex_quota_changed(ex_t *ex, ph_str_t address)
{
    ex_mailbox_t     *mb;
    ex_quota_walk_t   w = { address, EX_QUOTA_ASKS };

    if (ex->mailboxes == NULL || ex->stopping) {
        return;
    }

    if (address.len != 0) {
        mb = ex_mailbox_find(ex, address);
        if (mb != NULL) {
            ex_quota_ask(mb);
        }
        return;
    }

    ex_mailbox_each(ex, ex_quota_walk, &w);
}


/* ---- the warning ---- */

/* Is it time to tell him? */
static ph_int_t
ex_quota_due(const ex_t *ex, store_conn_t *conn, store_quota_t *q,
    store_totals_t *t, bool *due_r)
{
    ph_int_t  rc;
    uint64_t  now;

    rc = store_quota_get(conn, q);
    if (rc == PH_OK) {
        rc = store_totals(conn, t);
    }

    now = ph_now_filetime();
    *due_r = rc == PH_OK && q->warning != 0 && t->size >= q->warning
             && (q->warned == 0 || q->warned > now
                 || now - q->warned >= ex->opt.quota_interval * 10000);

    return rc;
}


static ph_int_t
ex_quota_look_run(ex_job_t *job, store_conn_t *conn)
{
    store_totals_t   t;
    ex_quota_job_t  *j = (ex_quota_job_t *) job;

    return ex_quota_due(j->mb->ex, conn, &j->quota, &t, &j->again);
}


static ph_int_t
ex_quota_warn_run(ex_job_t *job, store_conn_t *conn)
{
    bool                  due, duplicate;
    ex_t                 *ex;
    uint64_t              mid, fid;
    ph_int_t              rc;
    ph_str_t              raw;
    ph_pool_t            *pool;
    store_totals_t        t;
    ex_quota_job_t       *j = (ex_quota_job_t *) job;
    mapi_message_t       *message;
    store_delivery_t      d;
    conv_import_opts_t    opts;

    ex = j->mb->ex;
    rc = ex_quota_due(ex, conn, &j->quota, &t, &due);
    if (rc != PH_OK || !due) {
        return rc;
    }

    pool = ph_pool_create("quota warning", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    memset(&d, 0, sizeof(d));
    memset(&opts, 0, sizeof(opts));
    opts.now = ph_now_filetime();

    rc = ex_quota_mail(pool, ex->quotas->template_,
                       store_info(store_conn_store(conn)), &j->quota, t.size,
                       opts.now, &raw);
    if (rc == PH_OK) {
        rc = conv_mime_import(pool, raw, &opts, &message);
    }

    if (rc == PH_OK) {
        d.message = message;
        d.raw = raw;
        d.no_quota = true;
        rc = store_deliver(conn, &d, &mid, &fid, &duplicate, NULL);
    }

    if (rc == PH_OK || rc == PH_NOTFOUND) {
        rc = store_quota_warned(conn);
    }

    ph_pool_destroy(&pool);

    return rc;
}


static void
ex_quota_warn_done(ex_job_t *job, ph_int_t rc)
{
    ex_quota_job_t  *j = (ex_quota_job_t *) job;

    ph_log(j->mb->ex->log, PH_LOG_INFO, PH4061,
           "mailbox=%s warning=%" PRIu64 " rc=%s",
           ph_log_str(j->mb->facts->entry.address), j->quota.warning,
           ph_result_name(rc));
    free(j);
}


static void
ex_quota_look_done(ex_job_t *job, ph_int_t rc)
{
    ex_mailbox_t    *mb;
    ex_quota_job_t  *j = (ex_quota_job_t *) job, *next;

    mb = j->mb;
    if (rc == PH_OK && j->again) {
        next = ex_quota_job(mb, true, ex_quota_warn_run, ex_quota_warn_done);
        if (next != NULL) {
            ex_job_start(mb, &next->job);
        }
    }

    free(j);
}


/* ---- the purge ---- */

static ph_int_t
ex_quota_purge_run(ex_job_t *job, store_conn_t *conn)
{
    store_purged_t   p;
    ex_quota_job_t  *j = (ex_quota_job_t *) job;
    ph_int_t         rc;

    rc = store_purge(conn, 0, j->mb->ex->opt.purge_batch, &p, &j->again);
    if (rc == PH_OK && p.messages + p.folders > 0) {
        ph_log(j->mb->ex->log, PH_LOG_DEBUG, PH4062,
               "mailbox=%s messages=%" PRIu64 " folders=%" PRIu64
               " bytes=%" PRIu64, ph_log_str(j->mb->facts->entry.address),
               p.messages, p.folders, p.bytes);
    }

    return rc;
}


static void
ex_quota_purge_done(ex_job_t *job, ph_int_t rc)
{
    ex_mailbox_t    *mb;
    ex_quota_job_t  *j = (ex_quota_job_t *) job;

    mb = j->mb;
    if (rc == PH_OK && j->again && !mb->doomed && !mb->ex->stopping) {
        /* behind all who wait: they do not feel how much there is */
        ex_job_start(mb, job);
        return;
    }

    mb->purge_at = ph_now_ms() + mb->ex->opt.purge_interval;
    free(j);
}


void
ex_quota_tick(ex_mailbox_t *mb, uint64_t now)
{
    ex_quota_job_t  *j;

    if (mb->state != EX_MB_OPEN || mb->doomed || mb->ex->stopping) {
        return;
    }

    if (mb->quota_stale) {
        ex_quota_ask(mb);
    }

    if (mb->quota_look) {
        mb->quota_look = false;
        j = ex_quota_job(mb, false, ex_quota_look_run, ex_quota_look_done);
        if (j != NULL) {
            ex_job_start(mb, &j->job);
        }
    }

    if (now >= mb->purge_at && !mb->writing) {
        mb->purge_at = UINT64_MAX;
        j = ex_quota_job(mb, true, ex_quota_purge_run, ex_quota_purge_done);
        if (j != NULL) {
            ex_job_start(mb, &j->job);
        } else {
            mb->purge_at = now + mb->ex->opt.purge_interval;
        }
    }
}
