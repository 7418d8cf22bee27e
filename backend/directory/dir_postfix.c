#include "dir_postfix.h"
#include "dir_sasl.h"
#include "dir_socketmap.h"
#include "lib/ph_addr.h"
#include "lib/ph_str.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE    8192
#define BACKLOG      128
#define WRITE_QUEUE  (256u << 10)    /* bytes that a client may leave unread */

typedef struct conn_s  conn_t;

typedef union {
    uv_handle_t  handle;
    uv_stream_t  stream;
    uv_pipe_t    pipe;
    uv_tcp_t     tcp;
} socket_t;

struct conn_s {
    dir_postfix_t  *postfix;
    socket_t        socket;
    uv_timer_t      timer;
    conn_t         *next, **prev;
    unsigned        handles;     /* socket and timer that are not closed yet */
    unsigned        busy;        /* jobs that will come back to it */
    bool            closing;

    dir_sasl_t     *sasl;

    /* socketmap: one look-up at a time, so that answers stay in order */
    bool            looking;
    size_t          len;
    uint8_t         in[READ_SIZE];
};

struct dir_postfix_s {
    directory_t        *d;
    dir_postfix_opts_t  opts;
    bool                local;
    socket_t            socket;
    conn_t             *conns;
    uint32_t            n_conns;
    uint32_t            next_id;
    bool                stopping;
    bool                closed;
    void              (*done)(void *data);
    void               *done_data;
};

typedef struct {
    uv_write_t  req;
    conn_t     *conn;
    size_t      len;
    char        bytes[];
} write_t;

typedef struct {
    dir_login_t   login;
    conn_t       *conn;
    uint32_t      id;
} sasl_job_t;

typedef struct {
    conn_t     *conn;
    ph_pool_t  *pool;
    ph_str_t    name;
    ph_str_t    key;
    ph_str_t    answer;
} map_job_t;

static void map_next(conn_t *c);


/* ---- the end of connections ---- */

static void
postfix_gone(dir_postfix_t *p)
{
    if (p->stopping && p->closed && p->n_conns == 0) {
        p->done(p->done_data);
        free(p);
    }
}


static void
conn_free(conn_t *c)
{
    dir_postfix_t  *p = c->postfix;

    if (c->handles != 0 || c->busy != 0) {
        return;
    }

    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    *c->prev = c->next;
    p->n_conns--;

    dir_sasl_destroy(&c->sasl);
    explicit_bzero(c->in, sizeof(c->in));
    free(c);

    postfix_gone(p);
}


static void
conn_closed(uv_handle_t *handle)
{
    conn_t  *c = handle->data;

    c->handles--;
    conn_free(c);
}


static void
conn_close(conn_t *c, const char *reason)
{
    if (c->closing) {
        return;
    }

    c->closing = true;

    if (reason != NULL) {
        ph_log(c->postfix->d->log, PH_LOG_INFO, PH2040,
               "address=%s reason=%s", c->postfix->opts.address, reason);
    }

    uv_close(&c->socket.handle, conn_closed);
    uv_close((uv_handle_t *) &c->timer, conn_closed);
}


static void
conn_idle(uv_timer_t *timer)
{
    conn_close(timer->data, "idle");
}


/* ---- writing ---- */

static void
conn_wrote(uv_write_t *req, int status)
{
    write_t  *w = (write_t *) req;

    if (status < 0) {
        conn_close(w->conn, NULL);
    }

    free(w);
}


static void
conn_send(conn_t *c, ph_str_t bytes)
{
    write_t   *w;
    uv_buf_t   buf;

    if (c->closing) {
        return;
    }

    if (uv_stream_get_write_queue_size(&c->socket.stream) > WRITE_QUEUE) {
        conn_close(c, "unread");
        return;
    }

    w = malloc(sizeof(*w) + bytes.len);
    if (w == NULL) {
        conn_close(c, "memory");
        return;
    }

    w->conn = c;
    w->len = bytes.len;
    memcpy(w->bytes, bytes.data, bytes.len);

    buf = uv_buf_init(w->bytes, (unsigned) w->len);
    if (uv_write(&w->req, &c->socket.stream, &buf, 1, conn_wrote) != 0) {
        free(w);
        conn_close(c, NULL);
    }
}


/* ---- SASL ---- */

static void
sasl_send_cb(void *data, ph_str_t bytes)
{
    conn_send(data, bytes);
}


static void
sasl_done(dir_login_t *login)
{
    conn_t      *c;
    ph_pool_t   *pool = login->pool;
    sasl_job_t  *job = login->data;

    c = job->conn;
    c->busy--;

    dir_wipe(login->q.password);

    if (!c->closing) {
        dir_sasl_result(c->sasl, job->id, login->rc, login->row.e.address);
    }

    ph_pool_destroy(&pool);
    conn_free(c);
}


static void
sasl_check_cb(void *data, uint32_t id, ph_str_t user, ph_str_t password,
    ph_str_t client)
{
    conn_t       *c = data;
    ph_int_t      rc;
    ph_pool_t    *pool;
    sasl_job_t   *job;
    directory_t  *d = c->postfix->d;

    pool = ph_pool_create("sasl", 1u << 20);
    job = pool ? ph_pcalloc(pool, sizeof(*job)) : NULL;
    if (job == NULL) {
        ph_pool_destroy(&pool);
        dir_sasl_result(c->sasl, id, PH_NOMEM, ph_str_null);
        return;
    }

    job->conn = c;
    job->id = id;
    job->login.pool = pool;
    job->login.q.user = ph_pstrdup(pool, user);
    job->login.q.password = ph_pstrdup(pool, password);
    job->login.q.client = ph_pstrdup(pool, client);
    job->login.q.service = PH_RIGHT_SMTP;
    job->login.done = sasl_done;
    job->login.data = job;

    rc = job->login.q.user.data && job->login.q.password.data
         && job->login.q.client.data ? PH_OK : PH_NOMEM;

    if (rc == PH_OK) {
        c->busy++;
        rc = dir_login(d, &job->login);
        if (rc == PH_OK) {
            return;
        }
        c->busy--;
    }

    dir_wipe(job->login.q.password);
    ph_pool_destroy(&pool);
    dir_sasl_result(c->sasl, id, rc, ph_str_null);
}


/* ---- socketmap ---- */

static void
map_run(void *data)
{
    map_job_t    *job = data;
    dir_conn_t   *conn;
    directory_t  *d = job->conn->postfix->d;

    conn = dir_db_read(d->db);
    if (conn == NULL) {
        job->answer = ph_str_lit("TEMP the user database failed");
        return;
    }

    job->answer = dir_socketmap_lookup(conn, job->pool, &d->resolve,
                                       job->conn->postfix->opts.transport,
                                       job->name, job->key);
    dir_db_read_end(d->db, &conn);
}


static void
map_answer(conn_t *c, ph_str_t text)
{
    int   n;
    char  out[DIR_NETSTRING_MAX + 16];

    if (text.data == NULL || text.len > DIR_NETSTRING_MAX) {
        text = ph_str_lit("TEMP out of memory");
    }

    n = snprintf(out, sizeof(out), "%zu:%.*s,", text.len, PH_STR_ARG(text));
    conn_send(c, (ph_str_t) { (size_t) n, (const uint8_t *) out });
}


static void
map_ran(void *data)
{
    map_job_t  *job = data;
    conn_t     *c = job->conn;
    ph_pool_t  *pool = job->pool;

    c->postfix->d->jobs--;
    c->busy--;
    c->looking = false;

    map_answer(c, job->answer);
    ph_pool_destroy(&pool);

    if (c->closing) {
        conn_free(c);
    } else {
        map_next(c);
    }
}


static bool
map_start(conn_t *c, ph_str_t text)
{
    ph_str_t    name, key;
    ph_pool_t  *pool;
    map_job_t  *job;

    if (dir_socketmap_parse(text, &name, &key) != PH_OK) {
        conn_close(c, "request");
        return false;
    }

    pool = ph_pool_create("socketmap", 16u << 20);
    job = pool ? ph_pcalloc(pool, sizeof(*job)) : NULL;
    if (job == NULL) {
        ph_pool_destroy(&pool);
        map_answer(c, ph_str_null);
        return false;
    }

    job->conn = c;
    job->pool = pool;
    job->name = ph_pstrdup(pool, name);
    job->key = ph_pstrdup(pool, key);

    if (job->name.data == NULL || job->key.data == NULL
        || ph_work(c->postfix->d->loop, map_run, map_ran, job) != PH_OK)
    {
        ph_pool_destroy(&pool);
        map_answer(c, ph_str_null);
        return false;
    }

    c->postfix->d->jobs++;
    c->busy++;
    c->looking = true;

    return true;
}


static void
map_next(conn_t *c)
{
    size_t    used;
    ph_int_t  rc;
    ph_str_t  text;

    while (!c->closing && !c->looking) {
        rc = dir_netstring_parse(c->in, c->len, DIR_NETSTRING_MAX, &text,
                                 &used);
        if (rc == PH_AGAIN) {
            return;
        }

        if (rc != PH_OK) {
            conn_close(c, rc == PH_TOOBIG ? "length" : "netstring");
            return;
        }

        (void) map_start(c, text);

        memmove(c->in, c->in + used, c->len - used);
        c->len -= used;
    }
}


/* ---- reading ---- */

static void
conn_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    conn_t  *c = handle->data;

    (void) suggested;

    if (c->postfix->opts.kind == DIR_POSTFIX_SASL) {
        *buf = uv_buf_init((char *) c->in, sizeof(c->in));
        return;
    }

    /* a client that sends more than one request's length ahead is not Postfix:
     * no room is an error in the read callback */
    *buf = uv_buf_init((char *) c->in + c->len,
                       (unsigned) (sizeof(c->in) - c->len));
}


static void
conn_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    conn_t    *c = stream->data;
    ph_int_t   rc;

    (void) buf;

    if (n == 0 || c->closing) {
        return;
    }

    if (n < 0) {
        conn_close(c, n == UV_ENOBUFS ? "length" : NULL);
        return;
    }

    uv_timer_again(&c->timer);

    if (c->postfix->opts.kind == DIR_POSTFIX_MAP) {
        c->len += (size_t) n;
        map_next(c);
        return;
    }

    rc = dir_sasl_feed(c->sasl, c->in, (size_t) n);
    explicit_bzero(c->in, (size_t) n);
    if (rc != PH_OK) {
        conn_close(c, rc == PH_TOOBIG ? "length" : "protocol");
    }
}


/* ---- accepting ---- */

static int
socket_init(dir_postfix_t *p, socket_t *s)
{
    return p->local ? uv_pipe_init(p->d->loop, &s->pipe, 0)
                    : uv_tcp_init(p->d->loop, &s->tcp);
}


/* a connection over the limit is taken and closed: left alone it would keep the
 * loop busy */
static void
postfix_refuse_closed(uv_handle_t *handle)
{
    free(handle);
}


static void
postfix_refuse(dir_postfix_t *p)
{
    socket_t  *s = calloc(1, sizeof(*s));

    if (s == NULL || socket_init(p, s) != 0) {
        free(s);
        return;
    }

    (void) uv_accept(&p->socket.stream, &s->stream);
    uv_close(&s->handle, postfix_refuse_closed);

    ph_log(p->d->log, PH_LOG_WARN, PH2041, "address=%s connections=%u",
           p->opts.address, p->n_conns);
}


static ph_int_t
conn_sasl(conn_t *c)
{
    uint8_t           cookie[16];
    dir_sasl_calls_t  calls = {
        .check = sasl_check_cb, .send = sasl_send_cb, .data = c
    };

    ph_random(cookie, sizeof(cookie));
    c->sasl = dir_sasl_create(&calls, (uint32_t) getpid(),
                              ++c->postfix->next_id, cookie);

    return c->sasl ? PH_OK : PH_NOMEM;
}


static void
postfix_accept(uv_stream_t *server, int status)
{
    conn_t         *c;
    dir_postfix_t  *p = server->data;

    if (status < 0) {
        return;
    }

    c = p->n_conns < p->opts.max_conns ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        postfix_refuse(p);
        return;
    }

    if (socket_init(p, &c->socket) != 0) {
        free(c);
        return;
    }

    c->postfix = p;
    c->socket.handle.data = c;
    uv_timer_init(p->d->loop, &c->timer);
    c->timer.data = c;
    c->handles = 2;

    c->next = p->conns;
    c->prev = &p->conns;
    if (c->next != NULL) {
        c->next->prev = &c->next;
    }
    p->conns = c;
    p->n_conns++;

    if (uv_accept(server, &c->socket.stream) != 0
        || uv_timer_start(&c->timer, conn_idle, p->opts.idle, p->opts.idle)
           != 0
        || (p->opts.kind == DIR_POSTFIX_SASL && conn_sasl(c) != PH_OK)
        || uv_read_start(&c->socket.stream, conn_alloc, conn_read) != 0)
    {
        conn_close(c, "accept");
    }
}


/* ---- the listener ---- */

/* Postfix' processes belong to another group than ours. */
static ph_int_t
postfix_group(const char *name, const char *path)
{
    char           buf[8192];
    struct group   gr, *found = NULL;

    if (*name == '\0') {
        return PH_OK;
    }

    if (getgrnam_r(name, &gr, buf, sizeof(buf), &found) != 0 || found == NULL) {
        errno = ENOENT;
        return PH_NOTFOUND;
    }

    if (chown(path, (uid_t) -1, found->gr_gid) != 0
        || chmod(path, 0660) != 0)
    {
        return PH_ERROR;
    }

    return PH_OK;
}


ph_int_t
dir_postfix_prepare(ph_daemon_t *daemon, const char *address,
    const char *group)
{
    ph_int_t   rc;
    ph_addr_t  addr;

    rc = ph_addr_parse(address, &addr);
    if (rc == PH_OK) {
        rc = ph_daemon_listen(daemon, address);
    }
    if (rc != PH_OK || !addr.local) {
        return rc;
    }

    /* without root it is only possible where we are in that group: a server for
     * a test goes on as it is */
    rc = postfix_group(group, addr.path);
    if (rc != PH_OK) {
        ph_log(daemon->log, geteuid() == 0 ? PH_LOG_ERROR : PH_LOG_WARN,
               PH2005, "address=%s group=%s errno=%d", address, group, errno);
    }

    return geteuid() == 0 ? rc : PH_OK;
}


static void
postfix_closed(uv_handle_t *handle)
{
    dir_postfix_t  *p = handle->data;

    p->closed = true;
    postfix_gone(p);
}


ph_int_t
dir_postfix_listen(directory_t *d, const dir_postfix_opts_t *opts,
    dir_postfix_t **postfix_r)
{
    int             fd, rc;
    ph_addr_t       addr;
    dir_postfix_t  *p;

    *postfix_r = NULL;

    fd = ph_daemon_fd(d->daemon, opts->address);
    if (fd < 0 || ph_addr_parse(opts->address, &addr) != PH_OK) {
        return PH_ERROR;
    }

    p = calloc(1, sizeof(*p));
    if (p == NULL) {
        close(fd);
        return PH_NOMEM;
    }

    p->d = d;
    p->opts = *opts;
    p->local = addr.local;

    rc = socket_init(p, &p->socket);
    if (rc != 0) {
        close(fd);
        free(p);
        return PH_ERROR;
    }

    p->socket.handle.data = p;
    rc = p->local ? uv_pipe_open(&p->socket.pipe, fd)
                  : uv_tcp_open(&p->socket.tcp, fd);
    if (rc != 0) {
        close(fd);
    } else {
        rc = uv_listen(&p->socket.stream, BACKLOG, postfix_accept);
    }

    if (rc != 0) {
        /* the loop ends with the start that failed */
        ph_log(d->log, PH_LOG_ERROR, PH2005, "address=%s uv=%s",
               opts->address, uv_err_name(rc));
        return PH_ERROR;
    }

    *postfix_r = p;
    return PH_OK;
}


void
dir_postfix_stop(dir_postfix_t *p, void (*done)(void *data), void *data)
{
    conn_t  *c, *next;

    p->stopping = true;
    p->done = done;
    p->done_data = data;

    for (c = p->conns; c != NULL; c = next) {
        next = c->next;
        conn_close(c, NULL);
    }

    uv_close(&p->socket.handle, postfix_closed);
}
