/* Limits of users and domains. */

#include "dir_admin.h"
#include "dir_entry.h"
#include "lib/ph_str.h"

/* where limits are: a user's row, or a domain's */
typedef struct {
    bool          domain;
    uint32_t      id;
    ph_str_t      name;
    dir_limits_t  own;
    dir_limits_t  of_domain;
} limits_owner_t;


static ph_int_t
limits_domain(dir_job_t *job, ph_str_t key, limits_owner_t *o)
{
    ph_int_t       rc;
    ph_str_t       name;
    sqlite3_stmt  *st;

    rc = dir_domain_parse(job->pool, key, &name);
    if (rc == PH_OK) {
        st = dir_stmt(job->conn, DIR_SQL_domain_limits_get);
        if (st == NULL) {
            return PH_ERROR;
        }

        dir_bind_str(st, 1, name);
        rc = dir_db_rc(job->conn, sqlite3_step(st));
        if (rc == PH_OK) {
            o->id = (uint32_t) sqlite3_column_int64(st, 0);
            o->name = ph_pstrdup(job->pool, dir_column_str(st, 1));
            dir_limits_row(st, 2, &o->own);
            o->of_domain = o->own;
            rc = o->name.data ? PH_OK : PH_NOMEM;
        }
        sqlite3_reset(st);
    }

    if (rc == PH_DONE || rc == PH_INVALID) {
        return dir_job_fail(job, PH_NOTFOUND, "no domain %.*s",
                            PH_STR_ARG(key));
    }

    return rc;
}


static ph_int_t
limits_find(dir_job_t *job, ph_str_t key, bool domain, limits_owner_t *o)
{
    ph_int_t   rc;
    dir_row_t  row;

    memset(o, 0, sizeof(*o));
    o->domain = domain;
    if (domain) {
        return limits_domain(job, key, o);
    }

    rc = dir_admin_find(job, DIR_BY_ADDRESS, key, &row);
    if (rc == PH_OK) {
        o->id = row.e.user_id;
        o->name = row.e.address;
        o->own = row.own;
        o->of_domain = row.of_domain;
    }

    return rc;
}


static ph_int_t
limits_write(dir_job_t *job, const limits_owner_t *o)
{
    sqlite3_stmt  *st;

    st = dir_stmt(job->conn, o->domain ? DIR_SQL_domain_limits
                                       : DIR_SQL_user_limits);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, o->id);
    sqlite3_bind_int64(st, 2, (int64_t) o->own.warning);
    sqlite3_bind_int64(st, 3, (int64_t) o->own.send);
    sqlite3_bind_int64(st, 4, (int64_t) o->own.receive);
    sqlite3_bind_int64(st, 5, (int64_t) o->own.deleted);
    sqlite3_bind_int64(st, 6, (int64_t) o->own.keep);
    sqlite3_bind_int(st, 7, o->own.hold);
    if (!o->domain) {
        sqlite3_bind_int64(st, 8, (int64_t) ph_now_filetime());
    }

    return dir_stmt_run(job->conn, st);
}


/* PH_INVALID, told: neither a number of bytes nor "none" */
static ph_int_t
limits_take(dir_job_t *job, const char *what, uint64_t v, uint64_t *to)
{
    if (v > INT64_MAX && v != DIR_LIMIT_NONE) {
        return dir_job_fail(job, PH_INVALID, "the %s is too large", what);
    }

    *to = v;

    return PH_OK;
}


static ph_int_t
limits_merge(dir_job_t *job, uint32_t mask, const dir_limits_t *from,
    dir_limits_t *to)
{
    size_t    i;
    ph_int_t  rc;

    const struct {
        uint32_t     bit;
        const char  *what;
        uint64_t     from;
        uint64_t    *to;
    } fields[] = {
        { DIR_LIMIT_WARNING, "warning", from->warning, &to->warning },
        { DIR_LIMIT_SEND, "limit for sending", from->send, &to->send },
        { DIR_LIMIT_RECEIVE, "limit", from->receive, &to->receive },
        { DIR_LIMIT_DELETED, "limit of recoverable items", from->deleted,
          &to->deleted },
        { DIR_LIMIT_KEEP, "time", from->keep, &to->keep },
    };

    for (i = 0; i < ph_nelts(fields); i++) {
        if (mask & fields[i].bit) {
            rc = limits_take(job, fields[i].what, fields[i].from,
                             fields[i].to);
            if (rc != PH_OK) {
                return rc;
            }
        }
    }

    if (mask & DIR_LIMIT_HOLD) {
        to->hold = from->hold != 0;
    }

    return PH_OK;
}


ph_int_t
dir_op_limits_get(dir_job_t *job)
{
    ph_int_t                  rc;
    limits_owner_t            o;
    dir_limits_get_request_t  q;
    dir_limits_get_answer_t   answer;

    rc = dir_limits_get_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        rc = limits_find(job, q.key, q.domain != 0, &o);
    }
    if (rc != PH_OK) {
        return rc;
    }

    answer.name = o.name;
    answer.own = o.own;
    answer.of_domain = o.of_domain;
    answer.effective = dir_limits_effective(&o.own, &o.of_domain);

    return dir_limits_get_answer_encode_new(job->pool, &answer,
                                            &job->answer);
}


ph_int_t
dir_op_limits_set(dir_job_t *job)
{
    ph_int_t                  rc;
    limits_owner_t            o;
    dir_limits_set_request_t  q;
    dir_limits_set_answer_t   answer;

    rc = dir_limits_set_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.key;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = limits_find(job, q.key, q.domain != 0, &o);
    }
    if (rc == PH_OK) {
        rc = limits_merge(job, q.mask, &q.limits, &o.own);
    }
    if (rc == PH_OK) {
        rc = limits_write(job, &o);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (o.domain) {
        o.of_domain = o.own;
    }
    dir_job_changed(job, o.domain ? ph_str_null : o.name);

    answer.name = o.name;
    answer.own = o.own;
    answer.of_domain = o.of_domain;
    answer.effective = dir_limits_effective(&o.own, &o.of_domain);

    return dir_limits_set_answer_encode_new(job->pool, &answer,
                                            &job->answer);
}
