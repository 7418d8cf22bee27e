/* Groups. */

#include "dir_admin.h"
#include "lib/ph_str.h"

static ph_int_t
group_lists(dir_job_t *job, dir_group_t *g)
{
    size_t         n;
    ph_int_t       rc;
    sqlite3_stmt  *st;

    st = dir_stmt(job->conn, DIR_SQL_group_members);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, g->group_id);
    rc = dir_strings(job->conn, st, job->pool, DIR_MEMBERS_MAX, &g->members,
                     &n);
    if (rc != PH_OK) {
        return rc;
    }
    g->members_count = (uint32_t) n;

    st = dir_stmt(job->conn, DIR_SQL_group_senders);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, g->group_id);
    rc = dir_strings(job->conn, st, job->pool, DIR_MEMBERS_MAX, &g->senders,
                     &n);
    g->senders_count = (uint32_t) n;

    return rc;
}


static ph_int_t
group_read(dir_job_t *job, ph_str_t domain, ph_str_t address,
    dir_group_t **list_r, uint32_t *n_r)
{
    size_t         cap = 0;
    uint32_t       n = 0;
    ph_int_t       rc;
    dir_group_t   *g, *list = NULL;
    sqlite3_stmt  *st = dir_stmt(job->conn, DIR_SQL_group_list);

    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, domain);
    dir_bind_str(st, 2, address);

    while ((rc = dir_db_rc(job->conn, sqlite3_step(st))) == PH_OK) {
        if (n == cap) {
            g = ph_prealloc(job->pool, list, cap * sizeof(*g),
                            (2 * cap + 16) * sizeof(*g));
            if (g == NULL) {
                rc = PH_NOMEM;
                break;
            }
            list = g;
            cap = 2 * cap + 16;
        }

        g = &list[n++];
        memset(g, 0, sizeof(*g));
        g->group_id = (uint32_t) sqlite3_column_int64(st, 0);
        g->address = ph_pstrdup(job->pool, dir_column_str(st, 1));
        g->display_name = ph_pstrdup(job->pool, dir_column_str(st, 2));
        g->posting = (uint8_t) sqlite3_column_int(st, 3);
        g->hidden = (uint8_t) sqlite3_column_int(st, 4);
        g->everybody = (uint8_t) sqlite3_column_int(st, 5);
    }

    sqlite3_reset(st);

    if (rc != PH_DONE) {
        return rc;
    }

    for (uint32_t i = 0; i < n; i++) {
        rc = group_lists(job, &list[i]);
        if (rc != PH_OK) {
            return rc;
        }
    }

    *list_r = list;
    *n_r = n;

    return PH_OK;
}


static ph_int_t
group_find(dir_job_t *job, ph_str_t text, dir_row_t *row)
{
    ph_int_t  rc;

    rc = dir_admin_find(job, DIR_BY_ADDRESS, text, row);
    if (rc == PH_OK && row->e.kind != DIR_KIND_GROUP) {
        return dir_job_fail(job, PH_INVALID, "%.*s is not a group",
                            PH_STR_ARG(row->e.address));
    }

    return rc;
}


static ph_int_t
group_answer(dir_job_t *job, ph_str_t address, dir_group_t *g)
{
    uint32_t      n;
    ph_int_t      rc;
    dir_group_t  *list;

    rc = group_read(job, ph_str_lit(""), address, &list, &n);
    if (rc == PH_OK && n != 1) {
        rc = PH_ERROR;
    }
    if (rc == PH_OK) {
        *g = list[0];
    }

    return rc;
}


ph_int_t
dir_op_group_list(dir_job_t *job)
{
    ph_int_t                  rc;
    ph_str_t                  domain = ph_str_lit("");
    dir_address_t             a = { .full = ph_str("") };
    dir_group_list_request_t  q;
    dir_group_list_answer_t   answer;

    memset(&answer, 0, sizeof(answer));

    rc = dir_group_list_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK && q.domain.len != 0) {
        rc = dir_domain_parse(job->pool, q.domain, &domain);
    }
    if (rc == PH_OK && q.address.len != 0) {
        rc = dir_admin_parse(job, q.address, &a);
    }
    if (rc == PH_OK) {
        rc = group_read(job, domain, a.full, &answer.groups,
                        &answer.groups_count);
    }
    if (rc != PH_OK) {
        return rc;
    }

    return dir_group_list_answer_encode_new(job->pool, &answer, &job->answer);
}


/* Replaces one of the two lists. */
static ph_int_t
group_set_list(dir_job_t *job, uint32_t id, dir_sql_t clear, dir_sql_t insert,
    const ph_str_t *list, uint32_t n)
{
    ph_int_t       rc;
    dir_address_t  a;

    if (n > DIR_MEMBERS_MAX) {
        return dir_job_fail(job, PH_TOOBIG, "more than %d addresses",
                            DIR_MEMBERS_MAX);
    }

    rc = dir_admin_run(job, clear, id, ph_str_null);

    for (uint32_t i = 0; rc == PH_OK && i < n; i++) {
        rc = dir_admin_parse(job, list[i], &a);
        if (rc == PH_OK) {
            rc = dir_admin_run(job, insert, id, a.full);
            rc = rc == PH_EXISTS ? PH_OK : rc;
        }
    }

    return rc;
}


static ph_int_t
group_set_lists(dir_job_t *job, uint32_t id, const dir_group_t *g,
    uint32_t mask)
{
    ph_int_t  rc = PH_OK;

    if (mask & DIR_GROUP_MEMBERS) {
        rc = group_set_list(job, id, DIR_SQL_group_members_clear,
                            DIR_SQL_group_member_insert, g->members,
                            g->members_count);
    }

    if (rc == PH_OK && (mask & DIR_GROUP_SENDERS)) {
        rc = group_set_list(job, id, DIR_SQL_group_senders_clear,
                            DIR_SQL_group_sender_insert, g->senders,
                            g->senders_count);
    }

    return rc;
}


static ph_int_t
group_check(dir_job_t *job, const dir_group_t *g, uint32_t mask)
{
    if ((mask & DIR_GROUP_POSTING) && g->posting > DIR_POST_LISTED) {
        return dir_job_fail(job, PH_INVALID, "no such posting rule: %u",
                            g->posting);
    }

    if (mask & DIR_GROUP_DISPLAY_NAME) {
        return dir_admin_name(job, "the display name", g->display_name, false);
    }

    return PH_OK;
}


ph_int_t
dir_op_group_create(dir_job_t *job)
{
    uint32_t                    id;
    ph_int_t                    rc;
    dir_entry_t                 e;
    sqlite3_stmt               *st;
    dir_address_t               address;
    dir_new_user_t              u;
    dir_domain_facts_t          domain;
    dir_group_create_request_t  q;
    dir_group_create_answer_t   answer;

    rc = dir_group_create_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.group.address;
        rc = group_check(job, &q.group, q.mask);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = dir_admin_new_address(job, q.group.address, &address, &domain);
    }
    if (rc != PH_OK) {
        return rc;
    }

    memset(&e, 0, sizeof(e));
    e.kind = DIR_KIND_GROUP;
    e.display_name = q.mask & DIR_GROUP_DISPLAY_NAME ? q.group.display_name
                                                     : address.local;
    memset(&u, 0, sizeof(u));
    u.e = &e;
    u.address = &address;
    u.domain_id = domain.id;
    u.hidden = q.mask & DIR_GROUP_HIDDEN ? q.group.hidden : 0;
    u.placed = true;    /* nowhere */

    rc = dir_admin_insert(job, &u, &id);
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_group_insert);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int(st, 2, q.mask & DIR_GROUP_POSTING ? q.group.posting
                                                       : DIR_POST_ALL);
    sqlite3_bind_int(st, 3, (q.mask & DIR_GROUP_EVERYBODY)
                            && q.group.everybody);
    rc = dir_stmt_run(job->conn, st);
    if (rc == PH_OK) {
        rc = group_set_lists(job, id, &q.group, q.mask);
    }
    if (rc == PH_OK) {
        rc = group_answer(job, address.full, &answer.group);
    }
    if (rc != PH_OK) {
        return rc;
    }

    job->target = address.full;
    dir_job_changed(job, address.full);

    return dir_group_create_answer_encode_new(job->pool, &answer,
                                              &job->answer);
}


static ph_int_t
group_update_entry(dir_job_t *job, dir_row_t *row, const dir_group_t *g,
    uint32_t mask)
{
    sqlite3_stmt  *st;

    if (mask & DIR_GROUP_DISPLAY_NAME) {
        row->e.display_name = g->display_name;
    }
    if (mask & DIR_GROUP_HIDDEN) {
        row->hidden = g->hidden;
    }

    st = dir_stmt(job->conn, DIR_SQL_user_update);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row->e.user_id);
    sqlite3_bind_int64(st, 2, row->e.domain_id);
    sqlite3_bind_int(st, 3, row->user_status);
    dir_bind_str(st, 4, row->e.address);
    dir_bind_str(st, 5, row->e.display_name);
    sqlite3_bind_int64(st, 6, 0);
    dir_bind_str(st, 7, row->e.lang);
    dir_bind_str(st, 8, row->e.node);
    dir_bind_str(st, 9, row->e.path);
    sqlite3_bind_int64(st, 10, 0);
    sqlite3_bind_int64(st, 11, 0);
    sqlite3_bind_int64(st, 12, 0);
    sqlite3_bind_int64(st, 13, 0);
    sqlite3_bind_int(st, 14, row->hidden);
    sqlite3_bind_int(st, 15, row->e.kind);
    sqlite3_bind_int64(st, 16, (int64_t) ph_now_filetime());

    return dir_stmt_run(job->conn, st);
}


static ph_int_t
group_update_rules(dir_job_t *job, uint32_t id, const dir_group_t *g,
    uint32_t mask)
{
    int            posting, everybody;
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(job->conn, DIR_SQL_group_facts);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, id);
    rc = dir_db_rc(job->conn, sqlite3_step(st));
    posting = sqlite3_column_int(st, 0);
    everybody = sqlite3_column_int(st, 1);
    sqlite3_reset(st);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_CORRUPT : rc;
    }

    if (mask & DIR_GROUP_POSTING) {
        posting = g->posting;
    }
    if (mask & DIR_GROUP_EVERYBODY) {
        everybody = g->everybody != 0;
    }

    st = dir_stmt(job->conn, DIR_SQL_group_update);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_int(st, 2, posting);
    sqlite3_bind_int(st, 3, everybody);

    return dir_stmt_run(job->conn, st);
}


ph_int_t
dir_op_group_change(dir_job_t *job)
{
    ph_int_t                    rc;
    dir_row_t                   row;
    dir_group_change_request_t  q;
    dir_group_change_answer_t   answer;

    rc = dir_group_change_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.group.address;
        rc = group_check(job, &q.group, q.mask);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = group_find(job, q.group.address, &row);
    }
    if (rc == PH_OK) {
        rc = group_update_entry(job, &row, &q.group, q.mask);
    }
    if (rc == PH_OK) {
        rc = group_update_rules(job, row.e.user_id, &q.group, q.mask);
    }
    if (rc == PH_OK) {
        rc = group_set_lists(job, row.e.user_id, &q.group, q.mask);
    }
    if (rc == PH_OK) {
        rc = group_answer(job, row.e.address, &answer.group);
    }
    if (rc != PH_OK) {
        return rc;
    }

    dir_job_changed(job, row.e.address);

    return dir_group_change_answer_encode_new(job->pool, &answer,
                                              &job->answer);
}


ph_int_t
dir_op_group_delete(dir_job_t *job)
{
    ph_int_t                    rc;
    dir_row_t                   row;
    dir_group_delete_request_t  q;

    rc = dir_group_delete_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.address;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = group_find(job, q.address, &row);
    }
    if (rc == PH_OK) {
        rc = dir_admin_remove(job, &row);
    }

    return rc;
}


ph_int_t
dir_op_group_member(dir_job_t *job)
{
    ph_int_t                    rc;
    dir_row_t                   row;
    dir_address_t               member;
    dir_group_member_request_t  q;

    rc = dir_group_member_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.address;
        rc = dir_admin_parse(job, q.member, &member);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = group_find(job, q.address, &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    dir_job_changed(job, row.e.address);

    if (q.remove) {
        rc = dir_admin_run(job, DIR_SQL_group_member_delete, row.e.user_id,
                           member.full);
        if (rc == PH_OK && dir_conn_changes(job->conn) == 0) {
            return dir_job_fail(job, PH_NOTFOUND, "%.*s is not a member",
                                PH_STR_ARG(member.full));
        }
        return rc;
    }

    rc = dir_admin_run(job, DIR_SQL_group_member_insert, row.e.user_id,
                       member.full);
    if (rc == PH_EXISTS) {
        return dir_job_fail(job, rc, "%.*s is a member already",
                            PH_STR_ARG(member.full));
    }

    return rc;
}
