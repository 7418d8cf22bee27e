/* Organisations and domains. */

#include "dir_admin.h"
#include "lib/ph_str.h"

#define LIST_MAX  65535

ph_int_t
dir_admin_name(dir_job_t *job, const char *what, ph_str_t name,
    bool may_be_empty)
{
    if (name.len == 0 && !may_be_empty) {
        return dir_job_fail(job, PH_INVALID, "%s is empty", what);
    }

    if (name.len > DIR_ADMIN_NAME_MAX) {
        return dir_job_fail(job, PH_TOOBIG, "%s is longer than %d bytes", what,
                            DIR_ADMIN_NAME_MAX);
    }

    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7F) {
            return dir_job_fail(job, PH_INVALID,
                                "%s has a control character", what);
        }
    }

    return PH_OK;
}


ph_int_t
dir_admin_status(dir_job_t *job, uint8_t status)
{
    if (status != DIR_STATUS_NORMAL && status != DIR_STATUS_SUSPENDED
        && status != DIR_STATUS_DELETED)
    {
        return dir_job_fail(job, PH_INVALID, "no such status: %u", status);
    }

    return PH_OK;
}


ph_int_t
dir_admin_run(dir_job_t *job, dir_sql_t sql, uint32_t id, ph_str_t text)
{
    int            at = 1;
    sqlite3_stmt  *st = dir_stmt(job->conn, sql);

    if (st == NULL) {
        return PH_ERROR;
    }

    if (id != 0) {
        sqlite3_bind_int64(st, at++, id);
    }
    if (text.data != NULL) {
        dir_bind_str(st, at, text);
    }

    return dir_stmt_run(job->conn, st);
}


/* ---- organisations ---- */

static ph_int_t
organisation_find(dir_job_t *job, ph_str_t name, uint32_t *id_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(job->conn, DIR_SQL_organisation_by_name);

    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, name);
    rc = dir_db_rc(job->conn, sqlite3_step(st));
    if (rc == PH_OK) {
        *id_r = (uint32_t) sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}


static ph_int_t
organisation_insert(dir_job_t *job, ph_str_t name, ph_str_t description,
    uint32_t *id_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;

    rc = dir_admin_name(job, "the organisation's name", name, false);
    if (rc != PH_OK) {
        return rc;
    }

    if (memchr(name.data, '/', name.len) != NULL
        || memchr(name.data, '=', name.len) != NULL)
    {
        return dir_job_fail(job, PH_INVALID,
                            "an organisation's name has no \"/\" or \"=\"");
    }

    st = dir_stmt(job->conn, DIR_SQL_organisation_insert);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, name);
    dir_bind_str(st, 2, description);
    rc = dir_stmt_run(job->conn, st);
    if (rc == PH_EXISTS) {
        return dir_job_fail(job, rc, "there is an organisation %.*s already",
                            PH_STR_ARG(name));
    }

    *id_r = (uint32_t) dir_conn_last_id(job->conn);

    return rc;
}


ph_int_t
dir_op_organisation_list(dir_job_t *job)
{
    ph_int_t                         rc;
    sqlite3_stmt                    *st;
    dir_organisation_t              *o;
    dir_organisation_list_answer_t   answer;

    memset(&answer, 0, sizeof(answer));

    st = dir_stmt(job->conn, DIR_SQL_organisation_list);
    if (st == NULL) {
        return PH_ERROR;
    }

    while ((rc = dir_db_rc(job->conn, sqlite3_step(st))) == PH_OK) {
        size_t  n = answer.organisations_count;

        if (n == LIST_MAX) {
            rc = PH_TOOBIG;
            break;
        }

        answer.organisations = ph_prealloc(job->pool, answer.organisations,
                                           n * sizeof(*o),
                                           (n + 1) * sizeof(*o));
        if (answer.organisations == NULL) {
            rc = PH_NOMEM;
            break;
        }

        o = &answer.organisations[answer.organisations_count++];
        o->organisation_id = (uint32_t) sqlite3_column_int64(st, 0);
        o->name = ph_pstrdup(job->pool, dir_column_str(st, 1));
        o->description = ph_pstrdup(job->pool, dir_column_str(st, 2));
        o->domains = (uint32_t) sqlite3_column_int64(st, 3);
    }

    sqlite3_reset(st);

    if (rc != PH_DONE) {
        return rc;
    }

    return dir_organisation_list_answer_encode_new(job->pool, &answer,
                                                   &job->answer);
}


ph_int_t
dir_op_organisation_create(dir_job_t *job)
{
    ph_int_t                           rc;
    dir_organisation_create_request_t  q;
    dir_organisation_create_answer_t   answer;

    rc = dir_organisation_create_request_decode_all(job->req->body, job->pool,
                                                    &q);
    if (rc == PH_OK) {
        job->target = q.name;
        rc = dir_admin_name(job, "the description", q.description, true);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = organisation_insert(job, q.name, q.description,
                                 &answer.organisation_id);
    }
    if (rc != PH_OK) {
        return rc;
    }

    return dir_organisation_create_answer_encode_new(job->pool, &answer,
                                                     &job->answer);
}


ph_int_t
dir_op_organisation_change(dir_job_t *job)
{
    uint32_t                           id;
    ph_int_t                           rc;
    sqlite3_stmt                      *st;
    dir_organisation_change_request_t  q;

    rc = dir_organisation_change_request_decode_all(job->req->body, job->pool,
                                                    &q);
    if (rc != PH_OK) {
        return rc;
    }

    job->target = q.name;
    if (q.new_name.len == 0) {
        q.new_name = q.name;
    }

    rc = dir_admin_name(job, "the new name", q.new_name, false);
    if (rc == PH_OK) {
        rc = dir_admin_name(job, "the description", q.description, true);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = organisation_find(job, q.name, &id);
    }
    if (rc == PH_NOTFOUND) {
        return dir_job_fail(job, rc, "no organisation %.*s",
                            PH_STR_ARG(q.name));
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_organisation_update);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, id);
    dir_bind_str(st, 2, q.new_name);
    dir_bind_str(st, 3, q.description);
    rc = dir_stmt_run(job->conn, st);
    if (rc == PH_EXISTS) {
        return dir_job_fail(job, rc, "there is an organisation %.*s already",
                            PH_STR_ARG(q.new_name));
    }

    dir_job_changed(job, ph_str_null);

    return rc;
}


ph_int_t
dir_op_organisation_delete(dir_job_t *job)
{
    uint32_t                           id;
    ph_int_t                           rc;
    dir_organisation_delete_request_t  q;

    rc = dir_organisation_delete_request_decode_all(job->req->body, job->pool,
                                                    &q);
    if (rc == PH_OK) {
        job->target = q.name;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = organisation_find(job, q.name, &id);
    }
    if (rc == PH_NOTFOUND) {
        return dir_job_fail(job, rc, "no organisation %.*s",
                            PH_STR_ARG(q.name));
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_admin_run(job, DIR_SQL_organisation_delete, id, ph_str_null);
    if (rc == PH_CONFLICT) {
        return dir_job_fail(job, PH_EXISTS, "it still has domains");
    }

    return rc;
}


/* ---- domains ---- */

static ph_int_t
domain_row(sqlite3_stmt *st, ph_pool_t *pool, dir_domain_t *d)
{
    memset(d, 0, sizeof(*d));

    d->domain_id = (uint32_t) sqlite3_column_int64(st, 0);
    d->name = ph_pstrdup(pool, dir_column_str(st, 1));
    d->title = ph_pstrdup(pool, dir_column_str(st, 2));
    d->organisation = ph_pstrdup(pool, dir_column_str(st, 3));
    d->status = (uint8_t) sqlite3_column_int(st, 4);
    d->node = ph_pstrdup(pool, dir_column_str(st, 5));
    d->lang = ph_pstrdup(pool, dir_column_str(st, 6));
    d->max_users = (uint32_t) sqlite3_column_int64(st, 7);
    d->catch_all = ph_pstrdup(pool, dir_column_str(st, 8));
    d->transport = ph_pstrdup(pool, dir_column_str(st, 9));
    d->created = (uint64_t) sqlite3_column_int64(st, 10);
    d->users = (uint32_t) sqlite3_column_int64(st, 11);

    if (d->name.data == NULL || d->title.data == NULL
        || d->organisation.data == NULL || d->node.data == NULL
        || d->lang.data == NULL || d->catch_all.data == NULL
        || d->transport.data == NULL)
    {
        return PH_NOMEM;
    }

    return PH_OK;
}


static ph_int_t
domain_find(dir_job_t *job, ph_str_t name, dir_domain_t *d)
{
    ph_int_t       rc;
    ph_str_t       ascii;
    sqlite3_stmt  *st;

    rc = dir_domain_parse(job->pool, name, &ascii);
    if (rc == PH_OK) {
        st = dir_stmt(job->conn, DIR_SQL_domain_by_name);
        if (st == NULL) {
            return PH_ERROR;
        }

        dir_bind_str(st, 1, ascii);
        rc = dir_db_rc(job->conn, sqlite3_step(st));
        if (rc == PH_OK) {
            rc = domain_row(st, job->pool, d);
        }
        sqlite3_reset(st);
    }

    if (rc == PH_DONE || rc == PH_INVALID) {
        return dir_job_fail(job, PH_NOTFOUND, "no domain %.*s",
                            PH_STR_ARG(name));
    }

    return rc;
}


ph_int_t
dir_op_domain_list(dir_job_t *job)
{
    size_t                     n, cap = 0, grown;
    ph_int_t                   rc;
    ph_str_t                   name = ph_str_lit("");
    sqlite3_stmt              *st;
    dir_domain_list_request_t  q;
    dir_domain_list_answer_t   answer;

    memset(&answer, 0, sizeof(answer));

    rc = dir_domain_list_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK && q.name.len != 0) {
        rc = dir_domain_parse(job->pool, q.name, &name);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_domain_list);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, name);

    while ((rc = dir_db_rc(job->conn, sqlite3_step(st))) == PH_OK) {
        n = answer.domains_count;

        if (n == cap) {
            grown = cap ? 2 * cap : 16;
            answer.domains = ph_prealloc(job->pool, answer.domains,
                                         cap * sizeof(*answer.domains),
                                         grown * sizeof(*answer.domains));
            if (answer.domains == NULL) {
                rc = PH_NOMEM;
                break;
            }
            cap = grown;
        }

        rc = domain_row(st, job->pool, &answer.domains[n]);
        if (rc != PH_OK) {
            break;
        }
        answer.domains_count++;
    }

    sqlite3_reset(st);

    if (rc != PH_DONE) {
        return rc;
    }

    return dir_domain_list_answer_encode_new(job->pool, &answer,
                                             &job->answer);
}


/* Takes over the fields that mask names, checked. */
static ph_int_t
domain_merge(dir_job_t *job, dir_domain_t *d, const dir_domain_t *from,
    uint32_t mask)
{
    ph_int_t       rc = PH_OK;
    dir_address_t  address;

    if (mask & DIR_DOMAIN_TITLE) {
        d->title = from->title;
    }
    if (mask & DIR_DOMAIN_STATUS) {
        d->status = from->status;
    }
    if (mask & DIR_DOMAIN_NODE) {
        d->node = from->node;
    }
    if (mask & DIR_DOMAIN_LANG) {
        d->lang = from->lang;
    }
    if (mask & DIR_DOMAIN_MAX_USERS) {
        d->max_users = from->max_users;
    }
    if (mask & DIR_DOMAIN_TRANSPORT) {
        d->transport = from->transport;
    }
    if (mask & DIR_DOMAIN_ORGANISATION) {
        d->organisation = from->organisation;
    }

    if (mask & DIR_DOMAIN_CATCH_ALL) {
        d->catch_all = ph_str_lit("");
        if (from->catch_all.len != 0) {
            rc = dir_admin_parse(job, from->catch_all, &address);
            if (rc != PH_OK) {
                return rc;
            }
            d->catch_all = address.full;
        }
    }

    rc = dir_admin_status(job, d->status);
    if (rc == PH_OK) {
        rc = dir_admin_name(job, "the title", d->title, true);
    }
    if (rc == PH_OK) {
        rc = dir_admin_name(job, "the node", d->node, true);
    }
    if (rc == PH_OK) {
        rc = dir_admin_name(job, "the language", d->lang, false);
    }
    if (rc == PH_OK) {
        rc = dir_admin_name(job, "the transport", d->transport, true);
    }

    return rc;
}


static ph_int_t
domain_organisation(dir_job_t *job, ph_str_t name, bool create, uint32_t *id)
{
    ph_int_t  rc;

    rc = organisation_find(job, name, id);
    if (rc != PH_NOTFOUND) {
        return rc;
    }

    if (create) {
        return organisation_insert(job, name, ph_str_lit(""), id);
    }

    return dir_job_fail(job, rc, "no organisation %.*s", PH_STR_ARG(name));
}


ph_int_t
dir_op_domain_create(dir_job_t *job)
{
    uint32_t                     organisation;
    ph_int_t                     rc;
    ph_str_t                     name;
    dir_domain_t                 d;
    sqlite3_stmt                *st;
    dir_domain_create_request_t  q;
    dir_domain_create_answer_t   answer;

    rc = dir_domain_create_request_decode_all(job->req->body, job->pool, &q);
    if (rc != PH_OK) {
        return rc;
    }

    job->target = q.domain.name;

    rc = dir_domain_parse(job->pool, q.domain.name, &name);
    if (rc == PH_INVALID) {
        return dir_job_fail(job, rc, "not a domain name");
    }
    if (rc != PH_OK) {
        return rc;
    }

    memset(&d, 0, sizeof(d));
    d.organisation = ph_str_c(job->d->organisation);
    d.lang = ph_str_c(job->d->lang);

    rc = domain_merge(job, &d, &q.domain, q.mask);
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = domain_organisation(job, d.organisation,
                                 !(q.mask & DIR_DOMAIN_ORGANISATION),
                                 &organisation);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_domain_insert);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, organisation);
    dir_bind_str(st, 2, name);
    dir_bind_str(st, 3, d.title);
    sqlite3_bind_int(st, 4, d.status);
    dir_bind_str(st, 5, d.node);
    dir_bind_str(st, 6, d.lang);
    sqlite3_bind_int64(st, 7, d.max_users);
    dir_bind_str(st, 8, d.catch_all);
    dir_bind_str(st, 9, d.transport);
    sqlite3_bind_int64(st, 10, (int64_t) ph_now_filetime());

    rc = dir_stmt_run(job->conn, st);
    if (rc == PH_EXISTS) {
        return dir_job_fail(job, rc, "there is a domain %.*s already",
                            PH_STR_ARG(name));
    }

    if (rc == PH_OK) {
        rc = domain_find(job, name, &answer.domain);
    }
    if (rc != PH_OK) {
        return rc;
    }

    dir_job_changed(job, ph_str_null);

    return dir_domain_create_answer_encode_new(job->pool, &answer,
                                               &job->answer);
}


ph_int_t
dir_op_domain_change(dir_job_t *job)
{
    uint32_t                     organisation;
    ph_int_t                     rc;
    dir_domain_t                 d;
    sqlite3_stmt                *st;
    dir_domain_change_request_t  q;
    dir_domain_change_answer_t   answer;

    rc = dir_domain_change_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.domain.name;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = domain_find(job, q.domain.name, &d);
    }
    if (rc == PH_OK) {
        rc = domain_merge(job, &d, &q.domain, q.mask);
    }
    if (rc == PH_OK) {
        rc = domain_organisation(job, d.organisation, false, &organisation);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_domain_update);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, d.domain_id);
    sqlite3_bind_int64(st, 2, organisation);
    dir_bind_str(st, 3, d.title);
    sqlite3_bind_int(st, 4, d.status);
    dir_bind_str(st, 5, d.node);
    dir_bind_str(st, 6, d.lang);
    sqlite3_bind_int64(st, 7, d.max_users);
    dir_bind_str(st, 8, d.catch_all);
    dir_bind_str(st, 9, d.transport);

    rc = dir_stmt_run(job->conn, st);
    if (rc == PH_OK) {
        rc = domain_find(job, d.name, &answer.domain);
    }
    if (rc != PH_OK) {
        return rc;
    }

    job->forget_all = true;
    dir_job_changed(job, ph_str_null);

    return dir_domain_change_answer_encode_new(job->pool, &answer,
                                               &job->answer);
}


ph_int_t
dir_op_domain_delete(dir_job_t *job)
{
    char                        *suffix;
    ph_int_t                     rc;
    dir_domain_t                 d;
    dir_domain_delete_request_t  q;

    static const dir_sql_t  mentions[] = {
        DIR_SQL_domain_aliases_delete, DIR_SQL_domain_members_delete,
        DIR_SQL_domain_senders_delete, DIR_SQL_domain_forwards_delete,
    };

    rc = dir_domain_delete_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.name;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = domain_find(job, q.name, &d);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (d.users != 0 && !q.force) {
        return dir_job_fail(job, PH_EXISTS, "it has %u entries", d.users);
    }

    suffix = ph_psprintf(job->pool, "@%.*s", PH_STR_ARG(d.name));
    if (suffix == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < ph_nelts(mentions); i++) {
        rc = dir_admin_run(job, mentions[i], 0, ph_str_c(suffix));
        if (rc != PH_OK) {
            return rc;
        }
    }

    rc = dir_admin_run(job, DIR_SQL_domain_users_delete, d.domain_id,
                       ph_str_null);
    if (rc == PH_OK) {
        rc = dir_admin_run(job, DIR_SQL_domain_delete, d.domain_id,
                           ph_str_null);
    }

    job->forget_all = true;
    dir_job_changed(job, ph_str_null);

    return rc;
}
