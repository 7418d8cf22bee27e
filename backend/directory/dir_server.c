/* From a request of the wire protocol to a job on a thread, and back. */

#include "directory.h"
#include "lib/ph_str.h"

#include <stdio.h>
#include <time.h>

/* the auth operation has a way of its own: the queue of derivations */
typedef struct {
    directory_t         *d;
    ph_wire_req_t       *req;
    dir_auth_request_t   request;
    dir_login_t          login;
} server_auth_t;


uint64_t
dir_now(void)
{
    return (uint64_t) time(NULL);
}


ph_int_t
dir_job_fail(dir_job_t *job, ph_int_t rc, const char *fmt, ...)
{
    int      n;
    char     text[512];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n > 0) {
        job->text = ph_pstrdup(job->pool, ph_str_c(text));
    }

    return rc;
}


void
dir_job_changed(dir_job_t *job, ph_str_t address)
{
    if (job->n_changed == DIR_CHANGED_MAX) {
        job->changed[0] = ph_str_null;
        job->n_changed = 1;
        return;
    }

    job->changed[job->n_changed++] = address;
}


ph_int_t
dir_job_write(dir_job_t *job)
{
    return dir_db_write(job->d->db, &job->conn);
}


/* ---- watchers ---- */

ph_int_t
dir_op_watch(dir_job_t *job)
{
    size_t              cap;
    directory_t        *d = job->d;
    ph_wire_conn_t    **list;
    dir_watch_answer_t  answer;

    if (job->req->conn == NULL) {
        return PH_ABORT;
    }

    answer.generation = dir_db_generation(d->db);

    for (size_t i = 0; i < d->n_watchers; i++) {
        if (d->watchers[i] == job->req->conn) {
            return dir_watch_answer_encode_new(job->pool, &answer,
                                               &job->answer);
        }
    }

    if (d->n_watchers == d->cap_watchers) {
        cap = d->cap_watchers ? 2 * d->cap_watchers : 16;
        list = ph_prealloc(d->pool, d->watchers,
                           d->cap_watchers * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        d->watchers = list;
        d->cap_watchers = cap;
    }

    d->watchers[d->n_watchers++] = job->req->conn;

    return dir_watch_answer_encode_new(job->pool, &answer, &job->answer);
}


void
dir_server_closed(ph_wire_conn_t *conn, void *data)
{
    directory_t  *d = data;

    for (size_t i = 0; i < d->n_watchers; i++) {
        if (d->watchers[i] == conn) {
            d->watchers[i] = d->watchers[--d->n_watchers];
            return;
        }
    }
}


static void
server_announce(directory_t *d, const dir_job_t *job)
{
    uint8_t        mem[512];
    ph_wbuf_t      b;
    dir_changed_t  event;

    for (size_t i = 0; i < job->n_changed; i++) {
        event.generation = job->generation;
        event.address = job->changed[i];

        ph_wbuf_init_fixed(&b, mem, sizeof(mem));
        if (dir_changed_encode(&b, &event) != PH_OK) {
            continue;
        }

        for (size_t w = 0; w < d->n_watchers; w++) {
            /* who does not read loses events; its caches have a time limit
             * too */
            (void) ph_wire_push(d->watchers[w], DIR_EVENT_CHANGED,
                                ph_wbuf_str(&b));
        }
    }
}


/* ---- jobs ---- */

static void
server_idle(directory_t *d)
{
    d->jobs--;
}


static void
server_finish(dir_job_t *job)
{
    ph_str_t               body;
    directory_t           *d = job->d;
    ph_wire_status_t       status = ph_wire_status_of(job->rc);
    const mapi_op_info_t  *info = dir_op_find(job->op->op);

    body = job->rc == PH_OK ? job->answer : job->text;

    if (job->rc == PH_OK) {
        server_announce(d, job);
    } else {
        ph_metric_add(d->m_errors, 1);
    }

    if (job->op->run == DIR_RUN_WRITE) {
        ph_log(d->log, PH_LOG_INFO, PH2030,
               "op=%s by=%s target=%s result=%s peer=%s%s%s", info->name,
               ph_log_str(job->ticket.user), ph_log_str(job->target),
               ph_wire_status_name(status),
               ph_log_str(ph_str_c(job->req->peer->name)),
               body.len && job->rc != PH_OK ? " msg=" : "",
               body.len && job->rc != PH_OK ? ph_log_str(body) : "");
    }

    ph_metric_observe_us(d->m_latency, (ph_now_ms() - job->started) * 1000);

    /* requests of changes may hold a password */
    dir_wipe(job->req->body);
    ph_wire_reply(job->req, status, body);
}


static void
server_run(void *data)
{
    dir_job_t    *job = data;
    directory_t  *d = job->d;

    if (job->op->run == DIR_RUN_READ) {
        job->conn = dir_db_read(d->db);
        if (job->conn == NULL) {
            job->rc = PH_ERROR;
            return;
        }
    }

    job->rc = job->op->handler(job);

    if (job->op->run == DIR_RUN_READ) {
        dir_db_read_end(d->db, &job->conn);
        return;
    }

    if (job->conn == NULL) {
        return;
    }

    if (job->rc != PH_OK) {
        dir_db_rollback(d->db, &job->conn);
        return;
    }

    job->rc = dir_db_commit(d->db, &job->conn, &job->generation);
    if (job->rc == PH_OK && (job->forget_all || job->forget != 0)) {
        dir_auth_forget(d->auth, job->forget_all ? 0 : job->forget);
    }
}


static void
server_ran(void *data)
{
    dir_job_t  *job = data;

    server_idle(job->d);
    server_finish(job);
}


/* ---- logins ---- */

static void login_next(directory_t *d);


static void
login_run(void *data)
{
    dir_login_t  *login = data;

    login->rc = dir_auth_check(login->d->auth, login->pool, &login->q,
                               ph_now_ms(), &login->row);
}


static void
login_held_closed(uv_handle_t *hold)
{
    dir_login_t  *login = hold->data;

    login->d->jobs--;
    login->done(login);
}


static void
login_held(uv_timer_t *hold)
{
    uv_close((uv_handle_t *) hold, login_held_closed);
}


/*
 * A refusal is told auth_failure_delay after the question at the earliest:
 * hashes of other methods than ours, which were imported, take another time
 * than the one that nobody has.
 */
static void
login_answer(dir_login_t *login)
{
    uint64_t      spent;
    directory_t  *d = login->d;

    spent = ph_now_ms() - login->started;

    if (login->rc != PH_DENIED || spent >= d->failure_delay
        || uv_timer_init(d->loop, &login->hold) != 0)
    {
        login->done(login);
        return;
    }

    d->jobs++;
    login->hold.data = login;
    (void) uv_timer_start(&login->hold, login_held, d->failure_delay - spent,
                          0);
}


static void
login_ran(void *data)
{
    dir_login_t  *login = data;
    directory_t  *d = login->d;

    d->jobs--;

    if (login->derives) {
        d->logins_running--;
        login_next(d);
    }

    switch (login->rc) {
    case PH_OK:
        ph_metric_add(d->m_logins_ok, 1);
        break;
    case PH_BUSY:
        ph_metric_add(d->m_logins_busy, 1);
        break;
    default:
        ph_metric_add(d->m_logins_bad, 1);
    }
    ph_metric_set(d->m_derivations,
                  (int64_t) dir_auth_derivations(d->auth));

    login_answer(login);
}


static void
login_next(directory_t *d)
{
    dir_login_t  *login;

    while (d->login_head != NULL
           && d->logins_running < d->logins_max_running)
    {
        login = d->login_head;
        d->login_head = login->next;
        if (d->login_head == NULL) {
            d->login_tail = &d->login_head;
        }
        d->logins_waiting--;

        d->logins_running++;

        if (ph_work(d->loop, login_run, login_ran, login) != PH_OK) {
            login->rc = PH_ERROR;
            d->logins_running--;
            d->jobs--;
            login->done(login);
        }
    }
}


ph_int_t
dir_login(directory_t *d, dir_login_t *login)
{
    ph_int_t  rc;

    login->d = d;
    login->next = NULL;
    login->derives = false;
    login->started = ph_now_ms();

    rc = dir_auth_quick(d->auth, login->pool, &login->q, ph_now_ms());

    if (rc == PH_OK) {
        d->jobs++;
        rc = ph_work(d->loop, login_run, login_ran, login);
        if (rc != PH_OK) {
            d->jobs--;
        }
        return rc;
    }

    if (rc == PH_BUSY) {
        ph_log_write(d->log, PH_LOG_WARN, PH2012, login->q.request_id,
                     "user=%s client=%s", ph_log_str(login->q.user),
                     ph_log_str(login->q.client));
    }

    if (rc == PH_AGAIN && d->logins_waiting >= d->logins_max_waiting) {
        ph_log_write(d->log, PH_LOG_WARN, PH2014, login->q.request_id,
                     "waiting=%u", d->logins_waiting);
        rc = PH_BUSY;
    }

    if (rc != PH_AGAIN) {
        if (rc == PH_BUSY) {
            ph_metric_add(d->m_logins_busy, 1);
        }
        return rc;
    }

    login->derives = true;
    d->jobs++;
    d->logins_waiting++;
    *d->login_tail = login;
    d->login_tail = &login->next;
    login_next(d);

    return PH_OK;
}


static void
server_auth_answer(server_auth_t *a, ph_int_t rc, ph_str_t body)
{
    dir_wipe(a->req->body);
    ph_wire_reply(a->req, ph_wire_status_of(rc), body);
}


static void
server_auth_done(dir_login_t *login)
{
    size_t             len = 0;
    uint8_t            ticket[PH_TICKET_MAX];
    ph_int_t           rc = login->rc;
    ph_str_t           body = ph_str_null;
    directory_t       *d = login->d;
    server_auth_t     *a = login->data;
    dir_auth_answer_t  answer;

    if (rc == PH_OK) {
        memset(&answer, 0, sizeof(answer));
        rc = dir_ticket_issue(d->tickets, PH_TICKET_USER, login->row.e.rights,
                              login->row.e.address, dir_now(), ticket, &len,
                              &answer.lifetime);
        if (rc == PH_OK) {
            answer.who = login->row.e;
            answer.ticket = (ph_str_t) { len, ticket };
            rc = dir_auth_answer_encode_new(a->req->pool, &answer, &body);
        }
    }

    server_auth_answer(a, rc, rc == PH_OK ? body : ph_str_null);
}


static void
server_auth(directory_t *d, ph_wire_req_t *req)
{
    ph_int_t        rc;
    server_auth_t  *a;

    a = ph_pcalloc(req->pool, sizeof(*a));
    if (a == NULL) {
        ph_wire_reply(req, PH_WIRE_BUSY, ph_str_null);
        return;
    }

    a->d = d;
    a->req = req;

    rc = dir_auth_request_decode_all(req->body, req->pool, &a->request);
    if (rc == PH_OK && (a->request.service & (a->request.service - 1)) != 0) {
        rc = PH_INVALID;
    }

    if (rc == PH_OK) {
        a->login.pool = req->pool;
        a->login.q.user = a->request.user;
        a->login.q.password = a->request.password;
        a->login.q.service = a->request.service;
        a->login.q.client = a->request.client;
        a->login.q.request_id = a->request.request_id;
        a->login.done = server_auth_done;
        a->login.data = a;

        rc = dir_login(d, &a->login);
        if (rc == PH_OK) {
            return;
        }
    }

    server_auth_answer(a, rc, ph_str_null);
}


/* ---- requests ---- */

static bool
server_ticket(directory_t *d, ph_wire_req_t *req, const dir_op_t *op,
    ph_ticket_t *ticket)
{
    ph_int_t  rc;

    memset(ticket, 0, sizeof(*ticket));

    if (op->tickets == 0) {
        return true;
    }

    rc = dir_ticket_verify(d->tickets, req->ticket, dir_now(), ticket);
    if (rc == PH_OK && ticket->kind < 32
        && (op->tickets & (1u << ticket->kind)) != 0)
    {
        return true;
    }

    ph_log(d->log, PH_LOG_WARN, PH2022, "op=%s peer=%s kind=%u result=%s",
           dir_op_find(op->op)->name, ph_log_str(ph_str_c(req->peer->name)),
           rc == PH_OK ? ticket->kind : 0, ph_result_name(rc));

    return false;
}


void
dir_server_request(ph_wire_req_t *req, void *data)
{
    dir_job_t       *job;
    ph_ticket_t      ticket;
    directory_t     *d = data;
    const dir_op_t  *op;

    ph_metric_add(d->m_requests, 1);

    if (req->op == DIR_OP_AUTH) {
        server_auth(d, req);
        return;
    }

    op = dir_ops_find(req->op);
    if (op == NULL) {
        ph_wire_reply(req, PH_WIRE_BAD_OP, ph_str_null);
        return;
    }

    if (!server_ticket(d, req, op, &ticket)) {
        dir_wipe(req->body);
        ph_wire_reply(req, PH_WIRE_DENIED, ph_str_null);
        return;
    }

    job = ph_pcalloc(req->pool, sizeof(*job));
    if (job == NULL) {
        ph_wire_reply(req, PH_WIRE_BUSY, ph_str_null);
        return;
    }

    job->d = d;
    job->req = req;
    job->op = op;
    job->pool = req->pool;
    job->ticket = ticket;
    job->started = ph_now_ms();

    if (op->run == DIR_RUN_LOOP) {
        job->rc = op->handler(job);
        server_finish(job);
        return;
    }

    d->jobs++;
    if (ph_work(d->loop, server_run, server_ran, job) != PH_OK) {
        d->jobs--;
        job->rc = PH_ERROR;
        server_finish(job);
    }
}
