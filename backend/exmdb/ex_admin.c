/* Administration: mailboxes, sessions, status. */

#include "ex_mailbox.h"
#include "ex_session.h"

#include <unistd.h>

#define EX_FINDINGS_MAX  1000
#define EX_PATH_MAX      1024


/* one request about one mailbox */
typedef struct {
    ex_job_t       job;        /* first */
    ex_call_t     *call;
    ph_str_t       mailbox;
    bool           create;
    bool           write;
    ex_mailbox_t  *mb;
    ph_int_t     (*run)(ex_job_t *job, store_conn_t *conn);
    void         (*answer)(ex_call_t *call, void *data);
    exmdb_mailbox_stat_answer_t     stat;
    exmdb_mailbox_check_request_t   check;
    exmdb_mailbox_check_answer_t    found;
    uint32_t                        cap;
    exmdb_mailbox_dump_request_t    dump;
    ph_str_t                        text;
} ex_admin_t;


static void
ex_admin_done(ex_job_t *job, ph_int_t rc)
{
    ex_admin_t  *a = (ex_admin_t *) job;

    if (rc != PH_OK) {
        ex_reply_rc(a->call, rc);
        return;
    }

    a->answer(a->call, a);
}


static void
ex_admin_opened(ph_int_t rc, ex_mailbox_t *mb, void *data)
{
    ex_admin_t  *a = data;

    if (rc != PH_OK) {
        ex_reply_rc(a->call, rc);
        return;
    }

    a->mb = mb;
    a->job.write = a->write;
    a->job.run = a->run;
    a->job.done = ex_admin_done;
    ex_job_start(mb, &a->job);
}


static void
ex_admin_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_admin_t  *a = data;

    if (rc != PH_OK) {
        ex_reply_rc(a->call, rc);
        return;
    }

    ex_mailbox_get(a->call->ex, facts, a->create, ex_admin_opened, a);
}


static ex_admin_t *
ex_admin_new(ex_call_t *call,
    ph_int_t (*run)(ex_job_t *job, store_conn_t *conn),
    void (*answer)(ex_call_t *call, void *data))
{
    ex_admin_t  *a;

    a = ph_pcalloc(call->req->pool, sizeof(ex_admin_t));
    if (a == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return NULL;
    }

    a->call = call;
    a->run = run;
    a->answer = answer;

    return a;
}


static void
ex_admin_start(ex_admin_t *a)
{
    ex_facts_get(a->call->ex, DIR_BY_ADDRESS, a->mailbox, ex_admin_facts, a);
}


/* ---- mailbox_create ---- */

static ph_int_t
ex_create_run(ex_job_t *job, store_conn_t *conn)
{
    ex_admin_t  *a = (ex_admin_t *) job;

    a->stat.mailbox_guid = store_info(store_conn_store(conn))->guid;

    return PH_OK;
}


static void
ex_create_answer(ex_call_t *call, void *data)
{
    ph_str_t                        body;
    ex_admin_t                     *a = data;
    exmdb_mailbox_create_answer_t   answer;

    answer.mailbox_guid = a->stat.mailbox_guid;

    if (exmdb_mailbox_create_answer_encode_new(call->req->pool, &answer,
                                               &body) != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_mailbox_create(ex_call_t *call)
{
    ex_admin_t                      *a;
    exmdb_mailbox_create_request_t   r;

    a = ex_admin_new(call, ex_create_run, ex_create_answer);
    if (a == NULL) {
        return;
    }

    if (exmdb_mailbox_create_request_decode_all(call->req->body,
            call->req->pool, &r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    a->mailbox = r.mailbox;
    a->create = true;
    ex_admin_start(a);
}


/* ---- mailbox_stat ---- */

typedef struct {
    ex_admin_t  *a;
    uint64_t     parent;         /* eid of the folder that parent_path names */
    ph_str_t     parent_path;
} ex_stat_walk_t;


/* The path of a folder that came before: the walk goes level by level, and the
 * children of one folder follow each other. */
static ph_str_t
ex_stat_path(ex_stat_walk_t *w, uint64_t fid)
{
    uint32_t  i;

    if (w->parent != fid || fid == 0) {
        w->parent = fid;
        w->parent_path = ph_str_null;
        for (i = 0; fid != 0 && i < w->a->stat.folders_count; i++) {
            if (w->a->stat.folders[i].fid == fid) {
                w->parent_path = w->a->stat.folders[i].path;
                break;
            }
        }
    }

    return w->parent_path;
}


static ph_int_t
ex_stat_folder(void *data, const store_folder_t *f, unsigned depth)
{
    char                 *path;
    ph_str_t              parent;
    ph_pool_t            *pool;
    ex_admin_t           *a;
    ex_stat_walk_t       *w = data;
    exmdb_folder_stat_t  *s, *more;

    a = w->a;
    pool = a->call->req->pool;

    if (a->stat.folders_count == a->cap) {
        more = ph_prealloc(pool, a->stat.folders,
                           a->cap * sizeof(exmdb_folder_stat_t),
                           (a->cap ? a->cap * 2 : 64)
                           * sizeof(exmdb_folder_stat_t));
        if (more == NULL) {
            return PH_NOMEM;
        }

        a->stat.folders = more;
        a->cap = a->cap ? a->cap * 2 : 64;
    }

    (void) depth;
    parent = ex_stat_path(w, f->parent != 0 ? store_eid(f->parent) : 0);
    path = ph_psprintf(pool, "%.*s/%.*s", PH_STR_ARG(parent),
                       PH_STR_ARG(f->name));
    if (path == NULL) {
        return PH_NOMEM;
    }

    s = &a->stat.folders[a->stat.folders_count++];
    memset(s, 0, sizeof(*s));
    s->fid = store_eid(f->id);
    s->parent = f->parent != 0 ? store_eid(f->parent) : 0;
    s->path = ph_str_c(path);
    s->path.len = ph_utf8_cut(s->path, EX_PATH_MAX);
    s->total = f->total;
    s->unread = f->unread;
    s->associated = f->associated;
    s->size = f->size;

    return PH_OK;
}


static ph_int_t
ex_stat_run(ex_job_t *job, store_conn_t *conn)
{
    ph_int_t              rc;
    ex_admin_t           *a = (ex_admin_t *) job;
    ex_stat_walk_t        w;
    store_totals_t        totals;
    const store_info_t   *info;

    info = store_info(store_conn_store(conn));
    a->stat.mailbox_guid = info->guid;
    a->stat.schema_version = info->schema_version;
    a->stat.last_cn = store_last_cn(store_conn_store(conn));

    rc = store_totals(conn, &totals);
    if (rc != PH_OK) {
        return rc;
    }

    a->stat.size = totals.size;
    a->stat.messages = totals.total;

    memset(&w, 0, sizeof(w));
    w.a = a;

    return store_folder_walk(conn, STORE_ROOT, true, false, ex_stat_folder,
                             &w);
}


static void
ex_stat_answer(ex_call_t *call, void *data)
{
    ph_str_t     body;
    ex_admin_t  *a = data;

    if (exmdb_mailbox_stat_answer_encode_new(call->req->pool, &a->stat, &body)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_mailbox_stat(ex_call_t *call)
{
    ex_admin_t                    *a;
    exmdb_mailbox_stat_request_t   r;

    a = ex_admin_new(call, ex_stat_run, ex_stat_answer);
    if (a == NULL) {
        return;
    }

    if (exmdb_mailbox_stat_request_decode_all(call->req->body,
            call->req->pool, &r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    a->mailbox = r.mailbox;
    ex_admin_start(a);
}


/* ---- mailbox_check ---- */

static void
ex_check_finding(void *data, store_bad_t what, bool repaired, const char *text)
{
    char             *line;
    ex_admin_t       *a = data;
    exmdb_finding_t  *f;

    if (a->found.findings_count == EX_FINDINGS_MAX) {
        return;
    }

    line = ph_psprintf(a->call->req->pool, "%s%s", text,
                       repaired ? " (repaired)" : "");
    if (line == NULL) {
        return;
    }

    f = &a->found.findings[a->found.findings_count++];
    f->code = (uint16_t) what;
    f->text = ph_str_c(line);
    f->text.len = ph_utf8_cut(f->text, 4096);
}


static ph_int_t
ex_check_run(ex_job_t *job, store_conn_t *conn)
{
    uint32_t     n;
    uint64_t     objects;
    ph_int_t     rc;
    ex_admin_t  *a = (ex_admin_t *) job;

    a->found.findings = ph_pcalloc_array(a->call->req->pool, EX_FINDINGS_MAX,
                                         sizeof(exmdb_finding_t));
    if (a->found.findings == NULL) {
        return PH_NOMEM;
    }

    objects = 0;
    rc = store_check(conn, STORE_CHECK_BLOBS
                     | ((a->check.repair & 1) ? STORE_CHECK_REPAIR : 0)
                     | ((a->check.repair & 2) ? STORE_CHECK_INDEX : 0),
                     ex_check_finding, a, &objects, &n);
    a->found.objects = objects;

    return rc;
}


static void
ex_check_answer(ex_call_t *call, void *data)
{
    ph_str_t     body;
    ex_admin_t  *a = data;

    if (exmdb_mailbox_check_answer_encode_new(call->req->pool, &a->found,
                                              &body) != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_mailbox_check(ex_call_t *call)
{
    ex_admin_t  *a;

    a = ex_admin_new(call, ex_check_run, ex_check_answer);
    if (a == NULL) {
        return;
    }

    if (exmdb_mailbox_check_request_decode_all(call->req->body,
            call->req->pool, &a->check) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    a->mailbox = a->check.mailbox;
    a->job.alone = true;
    a->write = (a->check.repair & 1) != 0;
    ex_admin_start(a);
}


/* ---- mailbox_dump ---- */

static ph_int_t
ex_dump_run(ex_job_t *job, store_conn_t *conn)
{
    ex_admin_t  *a = (ex_admin_t *) job;

    return store_dump(conn, store_id(a->dump.fid),
                      a->dump.mid != 0 ? store_id(a->dump.mid) : 0,
                      a->call->req->pool, &a->text);
}


static void
ex_dump_answer(ex_call_t *call, void *data)
{
    ph_str_t                      body;
    ex_admin_t                   *a = data;
    exmdb_mailbox_dump_answer_t   answer;

    answer.text = a->text;

    if (exmdb_mailbox_dump_answer_encode_new(call->req->pool, &answer, &body)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_mailbox_dump(ex_call_t *call)
{
    ex_admin_t  *a;

    a = ex_admin_new(call, ex_dump_run, ex_dump_answer);
    if (a == NULL) {
        return;
    }

    if (exmdb_mailbox_dump_request_decode_all(call->req->body,
            call->req->pool, &a->dump) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    a->mailbox = a->dump.mailbox;
    ex_admin_start(a);
}


/* ---- mailbox_delete ---- */

static void
ex_delete_answer(ph_int_t rc, void *data)
{
    ex_reply_rc(data, rc);
}


static void
ex_delete_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_call_t     *call = data;
    ex_mailbox_t  *mb;

    if (rc != PH_OK) {
        ex_reply_rc(call, rc);
        return;
    }

    mb = ex_mailbox_find(call->ex, facts->entry.address);
    if (mb != NULL) {
        ex_sessions_leave(call->ex, mb);
    }

    ex_mailbox_delete(call->ex, facts, ex_delete_answer, call);
}


void
ex_op_mailbox_delete(ex_call_t *call)
{
    exmdb_mailbox_delete_request_t  r;

    if (exmdb_mailbox_delete_request_decode_all(call->req->body,
            call->req->pool, &r) != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, r.mailbox, ex_delete_facts, call);
}


/* ---- sessions, status ---- */

typedef struct {
    ex_call_t              *call;
    exmdb_sessions_answer_t a;
    uint64_t                now;
} ex_list_t;


static void
ex_list_session(ex_session_t *s, void *data)
{
    ex_list_t             *l = data;
    exmdb_session_stat_t  *e;

    if (l->a.sessions == NULL) {
        return;
    }

    e = &l->a.sessions[l->a.sessions_count++];
    memcpy(e->session, s->id, EX_SESSION_ID);
    e->user = s->facts->entry.address;
    e->client = ph_str_c(s->client);
    e->connected = s->connected;
    e->last = ph_now_filetime() - (l->now - s->last) * 10000;
    e->handles = s->handles.used;
    e->executes = s->executes;
    e->busy_us = s->busy_us;
    e->queued = s->n_notes;
    e->waiting = s->wait_conn != NULL;
}


void
ex_op_sessions(ex_call_t *call)
{
    ph_str_t   body;
    ex_list_t  l;

    memset(&l, 0, sizeof(l));
    l.call = call;
    l.now = ph_now_ms();
    l.a.sessions = ph_pcalloc_array(call->req->pool,
                                    ex_session_count(call->ex),
                                    sizeof(exmdb_session_stat_t));
    ex_session_each(call->ex, ex_list_session, &l);

    if (exmdb_sessions_answer_encode_new(call->req->pool, &l.a, &body)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}


void
ex_op_status(ex_call_t *call)
{
    ph_str_t                body;
    ex_t                   *ex = call->ex;
    exmdb_status_answer_t   a;

    memset(&a, 0, sizeof(a));
    a.worker = ex->self;
    a.pid = (uint32_t) getpid();
    a.uptime = (ph_now_ms() - ex->started) / 1000;
    a.stores = ex_mailbox_count(ex);
    a.sessions = ex_session_count(ex);

    if (ph_metrics_render(call->req->pool, &a.metrics) != PH_OK
        || exmdb_status_answer_encode_new(call->req->pool, &a, &body)
           != PH_OK)
    {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(call, PH_WIRE_OK, body);
}
