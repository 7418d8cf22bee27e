/* The table of operations, and those that other daemons call. */

#include "directory.h"
#include "dir_address.h"
#include "lib/ph_str.h"

#include <unistd.h>

#define ADMIN    (1u << PH_TICKET_ADMIN)
#define SERVICE  (1u << PH_TICKET_SERVICE)

/* in ascending order */
static const dir_op_t  dir_op_table[] = {
    { DIR_OP_KEYS, DIR_RUN_LOOP, 0, dir_op_keys },
    { DIR_OP_SERVICE_TICKET, DIR_RUN_LOOP, 0, dir_op_service_ticket },
    { DIR_OP_LOOKUP, DIR_RUN_READ, DIR_TICKET_ANY, dir_op_lookup },
    { DIR_OP_RESOLVE, DIR_RUN_READ, SERVICE | ADMIN, dir_op_resolve },
    { DIR_OP_PROPERTIES, DIR_RUN_READ, DIR_TICKET_ANY, dir_op_properties },
    { DIR_OP_WATCH, DIR_RUN_LOOP, 0, dir_op_watch },
    { DIR_OP_SEARCH, DIR_RUN_READ, DIR_TICKET_ANY, dir_op_search },
    { DIR_OP_NSPI, DIR_RUN_READ, 1u << PH_TICKET_USER, dir_op_nspi },
    { DIR_OP_MEMBERSHIPS, DIR_RUN_READ, SERVICE | ADMIN,
      dir_op_memberships },
    { DIR_OP_ORGANISATION_LIST, DIR_RUN_READ, ADMIN,
      dir_op_organisation_list },
    { DIR_OP_ORGANISATION_CREATE, DIR_RUN_WRITE, ADMIN,
      dir_op_organisation_create },
    { DIR_OP_ORGANISATION_CHANGE, DIR_RUN_WRITE, ADMIN,
      dir_op_organisation_change },
    { DIR_OP_ORGANISATION_DELETE, DIR_RUN_WRITE, ADMIN,
      dir_op_organisation_delete },
    { DIR_OP_DOMAIN_LIST, DIR_RUN_READ, ADMIN, dir_op_domain_list },
    { DIR_OP_DOMAIN_CREATE, DIR_RUN_WRITE, ADMIN, dir_op_domain_create },
    { DIR_OP_DOMAIN_CHANGE, DIR_RUN_WRITE, ADMIN, dir_op_domain_change },
    { DIR_OP_DOMAIN_DELETE, DIR_RUN_WRITE, ADMIN, dir_op_domain_delete },
    { DIR_OP_USER_LIST, DIR_RUN_READ, ADMIN, dir_op_user_list },
    { DIR_OP_USER_GET, DIR_RUN_READ, ADMIN, dir_op_user_get },
    { DIR_OP_USER_CREATE, DIR_RUN_WRITE, ADMIN, dir_op_user_create },
    { DIR_OP_USER_CHANGE, DIR_RUN_WRITE, ADMIN, dir_op_user_change },
    { DIR_OP_USER_DELETE, DIR_RUN_WRITE, ADMIN, dir_op_user_delete },
    { DIR_OP_PASSWD, DIR_RUN_WRITE, ADMIN, dir_op_passwd },
    { DIR_OP_SET_PROPERTIES, DIR_RUN_WRITE, ADMIN, dir_op_set_properties },
    { DIR_OP_ALIAS_LIST, DIR_RUN_READ, ADMIN, dir_op_alias_list },
    { DIR_OP_ALIAS_CREATE, DIR_RUN_WRITE, ADMIN, dir_op_alias_create },
    { DIR_OP_ALIAS_DELETE, DIR_RUN_WRITE, ADMIN, dir_op_alias_delete },
    { DIR_OP_FORWARD_SET, DIR_RUN_WRITE, ADMIN, dir_op_forward_set },
    { DIR_OP_GROUP_LIST, DIR_RUN_READ, ADMIN, dir_op_group_list },
    { DIR_OP_GROUP_CREATE, DIR_RUN_WRITE, ADMIN, dir_op_group_create },
    { DIR_OP_GROUP_CHANGE, DIR_RUN_WRITE, ADMIN, dir_op_group_change },
    { DIR_OP_GROUP_DELETE, DIR_RUN_WRITE, ADMIN, dir_op_group_delete },
    { DIR_OP_GROUP_MEMBER, DIR_RUN_WRITE, ADMIN, dir_op_group_member },
    { DIR_OP_LIMITS_GET, DIR_RUN_READ, ADMIN, dir_op_limits_get },
    { DIR_OP_LIMITS_SET, DIR_RUN_WRITE, ADMIN, dir_op_limits_set },
    { DIR_OP_STATUS, DIR_RUN_READ, ADMIN | SERVICE, dir_op_status },
};


const dir_op_t *
dir_ops_find(uint16_t op)
{
    size_t  lo = 0, hi = ph_nelts(dir_op_table), mid;

    while (lo < hi) {
        mid = (lo + hi) / 2;
        if (dir_op_table[mid].op == op) {
            return &dir_op_table[mid];
        }
        if (dir_op_table[mid].op < op) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return NULL;
}


static bool
ops_uid_in(uid_t uid, const uid_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == uid) {
            return true;
        }
    }

    return false;
}


/* daemons of this or, with a certificate, another host; root; administrators */
static bool
ops_trusted(const dir_job_t *job)
{
    const ph_wire_peer_t  *peer = job->req->peer;

    return !peer->local || peer->uid == 0 || peer->uid == geteuid()
           || ops_uid_in(peer->uid, job->d->admins, job->d->n_admins);
}


ph_int_t
dir_op_keys(dir_job_t *job)
{
    ph_int_t           rc;
    dir_key_t          keys[PH_TICKET_MAX_KEYS];
    ph_ticket_keys_t   all;
    dir_keys_answer_t  answer;

    /* who has a key can make tickets: frontends, which allowed_users lets in,
     * do not need them */
    if (!ops_trusted(job)) {
        ph_log(job->d->log, PH_LOG_WARN, PH2022, "op=keys peer=%s",
               ph_log_str(ph_str_c(job->req->peer->name)));
        return PH_DENIED;
    }

    dir_tickets_keys(job->d->tickets, &all);

    for (size_t i = 0; i < all.n; i++) {
        keys[i].id = all.keys[i].id;
        keys[i].not_after = all.keys[i].not_after;
        memcpy(keys[i].secret, all.keys[i].secret, sizeof(keys[i].secret));
    }

    answer.keys_count = (uint8_t) all.n;
    answer.keys = keys;
    rc = dir_keys_answer_encode_new(job->pool, &answer, &job->answer);

    explicit_bzero(&all, sizeof(all));
    explicit_bzero(keys, sizeof(keys));

    return rc;
}


ph_int_t
dir_op_service_ticket(dir_job_t *job)
{
    bool                           admin;
    size_t                         len;
    uint8_t                        bytes[PH_TICKET_MAX];
    ph_int_t                       rc;
    directory_t                   *d = job->d;
    const ph_wire_peer_t          *peer = job->req->peer;
    dir_service_ticket_request_t   request;
    dir_service_ticket_answer_t    answer;

    rc = dir_service_ticket_request_decode_all(job->req->body, job->pool,
                                               &request);
    if (rc != PH_OK) {
        return rc;
    }

    if (request.name.len == 0 || request.name.len > 64) {
        return PH_INVALID;
    }

    if (!peer->local) {
        return PH_DENIED;
    }

    admin = ops_uid_in(peer->uid, d->admins, d->n_admins);

    switch (request.kind) {
    case PH_TICKET_SERVICE:
        if (!ops_trusted(job)) {
            rc = PH_DENIED;
        }
        break;
    case PH_TICKET_ADMIN:
        if (!admin) {
            rc = PH_DENIED;
        }
        break;
    default:
        rc = PH_INVALID;
    }

    if (rc != PH_OK) {
        ph_log(d->log, PH_LOG_WARN, PH2022,
               "op=service_ticket peer=%s kind=%u name=%s",
               ph_log_str(ph_str_c(peer->name)), request.kind,
               ph_log_str(request.name));
        return rc;
    }

    rc = dir_ticket_issue(d->tickets, request.kind, 0, request.name,
                          dir_now(), bytes, &len, &answer.lifetime);
    if (rc == PH_OK) {
        answer.ticket = (ph_str_t) { len, bytes };
        rc = dir_service_ticket_answer_encode_new(job->pool, &answer,
                                                  &job->answer);
    }

    return rc;
}


/* A user sees the entries of his organisation, a daemon all of them. */
static ph_int_t
ops_organisation(dir_job_t *job, uint32_t *id_r)
{
    ph_int_t   rc;
    dir_row_t  me;

    *id_r = 0;
    if (job->ticket.kind != PH_TICKET_USER) {
        return PH_OK;
    }

    rc = dir_entry_by_address(job->conn, job->pool, job->ticket.user, &me);
    if (rc == PH_OK) {
        *id_r = me.organisation_id;
    }

    return rc == PH_NOTFOUND ? PH_DENIED : rc;
}


/* An entry that the caller may know of; PH_NOTFOUND also for the others. */
static ph_int_t
ops_find(dir_job_t *job, uint8_t by, ph_str_t key, dir_row_t *row_r)
{
    ph_int_t  rc;
    uint32_t  organisation;

    rc = ops_organisation(job, &organisation);
    if (rc == PH_OK) {
        rc = dir_entry_find(job->conn, job->pool, by, key, row_r);
    }

    if (rc == PH_OK && organisation != 0
        && row_r->organisation_id != organisation)
    {
        return PH_NOTFOUND;
    }

    return rc;
}


ph_int_t
dir_op_memberships(dir_job_t *job)
{
    size_t                     n;
    ph_int_t                   rc;
    dir_row_t                  row;
    sqlite3_stmt              *st;
    dir_memberships_request_t  request;
    dir_memberships_answer_t   answer;

    rc = dir_memberships_request_decode_all(job->req->body, job->pool,
                                            &request);
    if (rc == PH_OK) {
        rc = dir_entry_find(job->conn, job->pool, request.by, request.key,
                            &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_memberships);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row.e.user_id);
    sqlite3_bind_int(st, 2, DIR_MEMBERSHIPS_MAX);
    rc = dir_strings(job->conn, st, job->pool, DIR_MEMBERSHIPS_MAX,
                     &answer.groups, &n);
    if (rc != PH_OK) {
        return rc;
    }

    answer.groups_count = (uint16_t) n;

    return dir_memberships_answer_encode_new(job->pool, &answer, &job->answer);
}


ph_int_t
dir_op_lookup(dir_job_t *job)
{
    ph_int_t              rc;
    dir_row_t             row;
    dir_lookup_request_t  request;
    dir_lookup_answer_t   answer;

    rc = dir_lookup_request_decode_all(job->req->body, job->pool, &request);
    if (rc == PH_OK) {
        rc = ops_find(job, request.by, request.key, &row);
    }

    if (rc == PH_OK) {
        answer.entry = row.e;
        rc = dir_lookup_answer_encode_new(job->pool, &answer, &job->answer);
    }

    return rc;
}


ph_int_t
dir_op_resolve(dir_job_t *job)
{
    ph_int_t               rc;
    dir_resolve_request_t  request;
    dir_resolve_answer_t   answer;

    rc = dir_resolve_request_decode_all(job->req->body, job->pool, &request);
    if (rc == PH_OK) {
        rc = dir_resolve(job->conn, job->pool, &job->d->resolve,
                         request.address, request.sender, &answer);
    }

    if (rc == PH_OK) {
        rc = dir_resolve_answer_encode_new(job->pool, &answer, &job->answer);
    }

    return rc;
}


ph_int_t
dir_op_properties(dir_job_t *job)
{
    uint32_t                  n = 0;
    ph_int_t                  rc;
    dir_row_t                 row;
    dir_properties_request_t  request;
    dir_properties_answer_t   answer;

    rc = dir_properties_request_decode_all(job->req->body, job->pool,
                                           &request);
    if (rc == PH_OK) {
        rc = ops_find(job, request.by, request.key, &row);
    }
    if (rc == PH_OK) {
        rc = dir_properties(job->conn, job->pool, &row, true, &answer.props);
    }
    if (rc != PH_OK) {
        return rc;
    }

    for (uint32_t i = 0; request.tags_count != 0 && i < answer.props.n; i++) {
        for (uint32_t t = 0; t < request.tags_count; t++) {
            if (MAPI_ID(request.tags[t]) == MAPI_ID(answer.props.v[i].tag)) {
                answer.props.v[n++] = answer.props.v[i];
                break;
            }
        }
    }

    if (request.tags_count != 0) {
        answer.props.n = n;
    }

    return dir_properties_answer_encode_new(job->pool, &answer, &job->answer);
}


ph_int_t
dir_op_search(dir_job_t *job)
{
    uint32_t              organisation;
    ph_int_t              rc;
    ph_str_t              exact, like;
    dir_row_t             row;
    sqlite3_stmt         *st;
    dir_address_t         address;
    dir_search_request_t  request;
    dir_search_answer_t   answer;

    rc = dir_search_request_decode_all(job->req->body, job->pool, &request);
    if (rc == PH_OK) {
        rc = ops_organisation(job, &organisation);
    }
    if (rc != PH_OK) {
        return rc;
    }

    request.text = ph_str_trim(request.text);
    request.limit = ph_min(request.limit, DIR_SEARCH_MAX);
    memset(&answer, 0, sizeof(answer));

    if (request.text.len == 0 || request.limit == 0) {
        return dir_search_answer_encode_new(job->pool, &answer, &job->answer);
    }

    exact = request.text;
    if (dir_address_parse(job->pool, request.text, &address) == PH_OK) {
        exact = address.full;
    }

    like = dir_like(job->pool, request.text, false);
    answer.entries = ph_pcalloc_array(job->pool, request.limit,
                                      sizeof(*answer.entries));
    st = dir_stmt(job->conn, DIR_SQL_entry_search);
    if (like.data == NULL || answer.entries == NULL || st == NULL) {
        return PH_NOMEM;
    }

    dir_bind_str(st, 1, exact);
    dir_bind_str(st, 2, like);
    sqlite3_bind_int(st, 3, request.limit);
    sqlite3_bind_int64(st, 4, organisation);

    while ((rc = dir_db_rc(job->conn, sqlite3_step(st))) == PH_OK) {
        rc = dir_entry_row(st, job->pool, &row);
        if (rc != PH_OK) {
            break;
        }
        answer.entries[answer.entries_count++] = row.e;
    }

    sqlite3_reset(st);

    if (rc != PH_DONE) {
        return rc;
    }

    return dir_search_answer_encode_new(job->pool, &answer, &job->answer);
}


static uint32_t
ops_count(dir_conn_t *conn, dir_sql_t sql)
{
    uint32_t       n = 0;
    sqlite3_stmt  *st = dir_stmt(conn, sql);

    if (st != NULL && sqlite3_step(st) == SQLITE_ROW) {
        n = (uint32_t) sqlite3_column_int64(st, 0);
    }
    if (st != NULL) {
        sqlite3_reset(st);
    }

    return n;
}


ph_int_t
dir_op_status(dir_job_t *job)
{
    ph_int_t             rc;
    directory_t         *d = job->d;
    dir_status_answer_t  answer;

    memset(&answer, 0, sizeof(answer));

    answer.pid = (uint32_t) getpid();
    answer.uptime = (ph_now_ms() - d->started) / 1000;
    answer.schema_version = dir_db_version(d->db);
    answer.generation = dir_db_generation(d->db);
    answer.users = ops_count(job->conn, DIR_SQL_user_count);
    answer.domains = ops_count(job->conn, DIR_SQL_domain_count);

    rc = ph_metrics_render(job->pool, &answer.metrics);
    if (rc != PH_OK) {
        return rc;
    }

    return dir_status_answer_encode_new(job->pool, &answer, &job->answer);
}
