/*
 * Which mailboxes have something in their queue: a file for each in
 * MAILBOX_ROOT/.submit, named by the address.  After a start those mailboxes
 * are opened, so that nothing waits until its user comes again.
 */

#include "ex_submit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define EX_MARK_FOLDER  ".submit"
#define EX_MARK_FIRST   500      /* ms after the start */
#define EX_MARK_RETRY   5000     /* ms, while the directory does not answer */


struct ex_marks_s {
    ex_t        *ex;
    uv_timer_t   timer;
    uint32_t     asked;      /* look-ups under way */
    bool         again;
};


static bool
ex_mark_path(const ex_t *ex, ph_str_t address, char *path, size_t size)
{
    int  n;

    if (address.len == 0 || address.data[0] == '.'
        || memchr(address.data, '/', address.len) != NULL
        || memchr(address.data, '\0', address.len) != NULL)
    {
        return false;
    }

    n = snprintf(path, size, "%s/" EX_MARK_FOLDER "/%.*s",
                 ex->opt.mailbox_root, PH_STR_ARG(address));

    return n > 0 && (size_t) n < size;
}


/* The name is as durable as the row that it stands for. */
static ph_int_t
ex_mark_sync(const ex_t *ex)
{
    int   fd, rc;
    char  path[4096];

    (void) snprintf(path, sizeof(path), "%s/" EX_MARK_FOLDER,
                    ex->opt.mailbox_root);

    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return PH_ERROR;
    }

    rc = fsync(fd);
    (void) close(fd);

    return rc == 0 ? PH_OK : PH_ERROR;
}


ph_int_t
ex_submit_mark(const ex_t *ex, ph_str_t address)
{
    int   fd;
    char  path[4096];

    if (!ex_mark_path(ex, address, path, sizeof(path))) {
        return PH_OK;
    }

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) {
        return errno == EEXIST ? PH_OK
               : errno == ENOSPC || errno == EDQUOT ? PH_NOSPACE : PH_ERROR;
    }

    (void) close(fd);

    return ex_mark_sync(ex);
}


void
ex_submit_unmark(const ex_t *ex, ph_str_t address)
{
    char  path[4096];

    if (ex_mark_path(ex, address, path, sizeof(path))) {
        (void) unlink(path);
    }
}


/* ---- after a start ---- */

static void
ex_mark_end(ex_marks_t *m)
{
    if (--m->asked > 0) {
        return;
    }

    if (m->again && !m->ex->stopping) {
        m->again = false;
        uv_timer_again(&m->timer);
        return;
    }

    if (!uv_is_closing((uv_handle_t *) &m->timer)) {
        uv_close((uv_handle_t *) &m->timer, NULL);
    }
}


static void
ex_mark_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_marks_t  *m = data;

    (void) mb;

    /* opening it has started its queue */
    if (rc == PH_BUSY) {
        m->again = true;
    }

    ex_mark_end(m);
}


static void
ex_mark_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_marks_t  *m = data;

    if (rc != PH_OK) {
        m->again = m->again || rc != PH_NOTFOUND;
        ex_mark_end(m);
        return;
    }

    ex_mailbox_get(m->ex, facts, false, ex_mark_opened, m);
}


static void
ex_mark_scan(uv_timer_t *timer)
{
    DIR            *dir;
    char            path[4096];
    ph_str_t        address;
    ex_marks_t     *m = timer->data;
    struct dirent  *e;

    uv_timer_stop(timer);
    m->asked = 1;

    (void) snprintf(path, sizeof(path), "%s/" EX_MARK_FOLDER,
                    m->ex->opt.mailbox_root);
    dir = opendir(path);

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.') {
            continue;
        }

        address = ph_str_c(e->d_name);

        if (ex_route_worker(m->ex, address) == m->ex->self) {
            m->asked++;
            ex_facts_get(m->ex, DIR_BY_ADDRESS, address, ex_mark_facts, m);
        }
    }

    if (dir != NULL) {
        (void) closedir(dir);
    }

    ex_mark_end(m);
}


ph_int_t
ex_submit_marks_start(ex_t *ex, ex_marks_t **marks_r)
{
    char         path[4096];
    ex_marks_t  *m;

    (void) snprintf(path, sizeof(path), "%s/" EX_MARK_FOLDER,
                    ex->opt.mailbox_root);

    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        ph_log(ex->log, PH_LOG_ERROR, PH4002,
               "option=mailbox_root path=%s error=\"%s\"", path,
               strerror(errno));
        return PH_ERROR;
    }

    m = ph_pcalloc(ex->pool, sizeof(ex_marks_t));
    if (m == NULL) {
        return PH_NOMEM;
    }

    m->ex = ex;
    uv_timer_init(ex->loop, &m->timer);
    m->timer.data = m;
    uv_timer_start(&m->timer, ex_mark_scan, EX_MARK_FIRST, EX_MARK_RETRY);
    uv_unref((uv_handle_t *) &m->timer);
    *marks_r = m;

    return PH_OK;
}


void
ex_submit_marks_stop(ex_marks_t **marksp)
{
    ex_marks_t  *m = *marksp;

    *marksp = NULL;

    /* its memory is the worker's */
    if (m != NULL && !uv_is_closing((uv_handle_t *) &m->timer)) {
        uv_close((uv_handle_t *) &m->timer, NULL);
    }
}
