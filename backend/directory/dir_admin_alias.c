/* Properties, aliases, forwards: what hangs on an entry. */

#include "dir_admin.h"
#include "lib/ph_str.h"
#include "mapi/mapi_tags.h"

static ph_int_t
admin_touch(dir_job_t *job, const dir_row_t *row)
{
    sqlite3_stmt  *st = dir_stmt(job->conn, DIR_SQL_user_touch);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row->e.user_id);
    sqlite3_bind_int64(st, 2, (int64_t) ph_now_filetime());
    dir_job_changed(job, row->e.address);

    return dir_stmt_run(job->conn, st);
}


ph_int_t
dir_op_set_properties(dir_job_t *job)
{
    ph_int_t                      rc;
    dir_row_t                     row;
    dir_set_properties_request_t  q;

    rc = dir_set_properties_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.key;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = dir_admin_find(job, q.by, q.key, &row);
    }

    for (uint32_t i = 0; rc == PH_OK && i < q.remove_count; i++) {
        rc = dir_property_remove(job->conn, row.e.user_id,
                                 MAPI_ID(q.remove[i]));
    }

    for (uint32_t i = 0; rc == PH_OK && i < q.props.n; i++) {
        const mapi_value_t  *v = &q.props.v[i];

        if (dir_property_built_in(v->tag)
            && !(row.e.kind == DIR_KIND_CONTACT && v->tag == PR_SMTP_ADDRESS))
        {
            return dir_job_fail(job, PH_INVALID,
                                "property %08x follows from the entry",
                                v->tag);
        }

        rc = dir_property_store(job->conn, row.e.user_id, v);
        if (rc == PH_INVALID || rc == PH_TOOBIG) {
            return dir_job_fail(job, rc, "property %08x: %s", v->tag,
                                rc == PH_TOOBIG ? "too large"
                                : "this type cannot be kept");
        }
    }

    return rc == PH_OK ? admin_touch(job, &row) : rc;
}


/* ---- aliases and forwards ---- */

ph_int_t
dir_op_alias_list(dir_job_t *job)
{
    size_t                    cap = 0;
    ph_int_t                  rc;
    ph_str_t                  suffix = ph_str_lit("");
    dir_row_t                 row;
    sqlite3_stmt             *st;
    dir_alias_list_request_t  q;
    dir_alias_list_answer_t   answer;

    memset(&answer, 0, sizeof(answer));
    memset(&row, 0, sizeof(row));

    rc = dir_alias_list_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK && q.domain.len != 0) {
        rc = dir_domain_parse(job->pool, q.domain, &suffix);
        if (rc == PH_OK) {
            suffix = ph_str_c(ph_psprintf(job->pool, "@%.*s",
                                          PH_STR_ARG(suffix)));
            rc = suffix.data ? PH_OK : PH_NOMEM;
        }
    }
    if (rc == PH_OK && q.target.len != 0) {
        rc = dir_admin_find(job, DIR_BY_ADDRESS, q.target, &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_alias_list);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, suffix);
    sqlite3_bind_int64(st, 2, row.e.user_id);

    while ((rc = dir_db_rc(job->conn, sqlite3_step(st))) == PH_OK) {
        dir_alias_t  *a;

        if (answer.aliases_count == cap) {
            a = ph_prealloc(job->pool, answer.aliases, cap * sizeof(*a),
                            (2 * cap + 16) * sizeof(*a));
            if (a == NULL) {
                rc = PH_NOMEM;
                break;
            }
            answer.aliases = a;
            cap = 2 * cap + 16;
        }

        a = &answer.aliases[answer.aliases_count++];
        a->address = ph_pstrdup(job->pool, dir_column_str(st, 0));
        a->target = ph_pstrdup(job->pool, dir_column_str(st, 1));
    }

    sqlite3_reset(st);

    if (rc != PH_DONE) {
        return rc;
    }

    return dir_alias_list_answer_encode_new(job->pool, &answer, &job->answer);
}


ph_int_t
dir_op_alias_create(dir_job_t *job)
{
    size_t                      n;
    ph_int_t                    rc;
    ph_str_t                   *list;
    dir_row_t                   row;
    sqlite3_stmt               *st;
    dir_address_t               address;
    dir_domain_facts_t          domain;
    dir_alias_create_request_t  q;

    rc = dir_alias_create_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.alias.address;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = dir_admin_find(job, DIR_BY_ADDRESS, q.alias.target, &row);
    }
    if (rc == PH_OK) {
        rc = dir_admin_new_address(job, q.alias.address, &address, &domain);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_alias_of_user);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row.e.user_id);
    rc = dir_strings(job->conn, st, job->pool, DIR_ALIASES_MAX - 1, &list, &n);
    if (rc == PH_TOOBIG) {
        return dir_job_fail(job, rc, "it has %d aliases", DIR_ALIASES_MAX);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_alias_insert);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, address.full);
    sqlite3_bind_int64(st, 2, row.e.user_id);
    rc = dir_stmt_run(job->conn, st);

    job->target = address.full;
    dir_job_changed(job, address.full);

    return rc == PH_OK ? admin_touch(job, &row) : rc;
}


ph_int_t
dir_op_alias_delete(dir_job_t *job)
{
    ph_int_t                    rc;
    dir_row_t                   row;
    dir_address_t               address;
    dir_alias_delete_request_t  q;

    rc = dir_alias_delete_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.address;
        rc = dir_admin_parse(job, q.address, &address);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = dir_admin_find(job, DIR_BY_ADDRESS, address.full, &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_admin_run(job, DIR_SQL_alias_delete, 0, address.full);
    if (rc == PH_OK && dir_conn_changes(job->conn) == 0) {
        return dir_job_fail(job, PH_NOTFOUND, "%.*s is not an alias",
                            PH_STR_ARG(address.full));
    }

    /* who logged in by this name must not be let in from memory */
    job->target = address.full;
    job->forget = row.e.user_id;
    dir_job_changed(job, address.full);

    return rc == PH_OK ? admin_touch(job, &row) : rc;
}


ph_int_t
dir_op_forward_set(dir_job_t *job)
{
    ph_int_t                   rc;
    dir_row_t                  row;
    sqlite3_stmt              *st;
    dir_address_t              to;
    dir_forward_set_request_t  q;

    rc = dir_forward_set_request_decode_all(job->req->body, job->pool, &q);
    if (rc != PH_OK) {
        return rc;
    }

    job->target = q.address;

    if (q.forward > DIR_FORWARD_REDIRECT) {
        return dir_job_fail(job, PH_INVALID, "no such kind of forward");
    }
    if (q.destinations_count > DIR_FORWARDS_MAX) {
        return dir_job_fail(job, PH_TOOBIG, "more than %d destinations",
                            DIR_FORWARDS_MAX);
    }
    if (q.destinations_count == 0) {
        q.forward = DIR_FORWARD_NONE;
    }

    rc = dir_job_write(job);
    if (rc == PH_OK) {
        rc = dir_admin_find(job, DIR_BY_ADDRESS, q.address, &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (row.e.kind != DIR_KIND_USER && row.e.kind != DIR_KIND_SHARED) {
        return dir_job_fail(job, PH_INVALID, "it has no mailbox");
    }

    rc = dir_admin_run(job, DIR_SQL_forward_clear, row.e.user_id, ph_str_null);

    for (uint32_t i = 0;
         rc == PH_OK && q.forward != DIR_FORWARD_NONE
         && i < q.destinations_count;
         i++)
    {
        rc = dir_admin_parse(job, q.destinations[i], &to);
        if (rc == PH_OK && ph_str_eq(to.full, row.e.address)) {
            return dir_job_fail(job, PH_INVALID, "it would forward to itself");
        }
        if (rc == PH_OK) {
            rc = dir_admin_run(job, DIR_SQL_forward_insert, row.e.user_id,
                               to.full);
        }
    }

    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_forward_kind);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row.e.user_id);
    sqlite3_bind_int(st, 2, q.forward);
    sqlite3_bind_int64(st, 3, (int64_t) ph_now_filetime());
    dir_job_changed(job, row.e.address);

    return dir_stmt_run(job->conn, st);
}
