/* Sessions of the address book, and the way of a request. */

#include "nspi_int.h"
#include "nspi_sessions.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"

#include <stdlib.h>

/* X-ResponseCode (MS-OXCMAPIHTTP 2.2.3.3.3) */
#define RESULT_OK            0
#define RESULT_REQUEST_TYPE  5
#define RESULT_NO_CONTEXT    10
#define RESULT_NO_PRIVILEGE  11
#define RESULT_BODY          12
#define RESULT_NO_COOKIE     13
#define RESULT_SEQUENCE      15

static const struct {
    const char  *name;
    ab_run_pt    run;
} ab_types[] = {
    { "Bind", ab_bind },
    { "Unbind", ab_unbind },
    { "CompareMIds", ab_compare_mids },
    { "DNToMId", ab_dn_to_mid },
    { "GetMatches", ab_get_matches },
    { "GetPropList", ab_get_prop_list },
    { "GetProps", ab_get_props },
    { "GetSpecialTable", ab_get_special_table },
    { "GetTemplateInfo", ab_get_template_info },
    { "ModLinkAtt", ab_mod_link_att },
    { "ModProps", ab_mod_props },
    { "QueryColumns", ab_query_columns },
    { "QueryRows", ab_query_rows },
    { "ResolveNames", ab_resolve_names },
    { "ResortRestriction", ab_resort_restriction },
    { "SeekEntries", ab_seek_entries },
    { "UpdateStat", ab_update_stat },
    { "GetMailboxUrl", ab_get_url },
    { "GetAddressBookUrl", ab_get_address_book_url },
    { "PING", NULL },
};


bool
ab_codepage_usable(uint32_t code_page)
{
    return code_page != MAPI_CP_WINUNICODE && code_page <= UINT16_MAX
           && (code_page == 0 || mapi_codepage_charset(code_page) != NULL);
}


bool
ab_codepage(ab_call_t *call, uint32_t code_page)
{
    uint16_t  cpid = AB_CODEPAGE_ANY;

    if (code_page != 0 && ab_codepage_usable(code_page)) {
        cpid = (uint16_t) code_page;
    }

    if (call->ctx.cpid == cpid) {
        return false;
    }

    call->ctx.cpid = cpid;
    return true;
}


/* ---- Bind, Unbind ---- */

ph_int_t
ab_bind(ab_call_t *call)
{
    nspi_bind_request_t   q;
    nspi_bind_response_t  a;

    AB_DECODE(call, bind, &q);

    memset(&a, 0, sizeof(a));
    a.server_guid = call->server;

    if (!q.has_stat || !ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_INVALID_CODEPAGE;
        memset(&a.server_guid, 0, sizeof(a.server_guid));
        call->ends = true;
    }

    return nspi_bind_response_encode_new(call->pool, &call->ctx, &a,
                                         &call->out);
}


ph_int_t
ab_unbind(ab_call_t *call)
{
    ph_int_t                rc;
    nspi_unbind_request_t   q;
    nspi_unbind_response_t  a;

    rc = nspi_unbind_request_decode_all(call->body, call->pool, &call->ctx,
                                        &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    a.error_code = NSPI_UNBIND_SUCCESS;
    call->ends = true;

    return nspi_unbind_response_encode_new(call->pool, &call->ctx, &a,
                                           &call->out);
}


/* ---- the way of a request ---- */

/* Whose book it is. */
static ph_int_t
ab_who(ab_call_t *call)
{
    ph_int_t  rc;

    rc = dir_entry_by_address(call->conn, call->pool, call->job->ticket.user,
                              &call->me);
    if (rc == PH_OK && call->me.e.status != DIR_STATUS_NORMAL) {
        rc = PH_NOTFOUND;
    }

    return rc;
}


static uint16_t
ab_session(const ab_call_t *call, const dir_nspi_request_t *q, bool bind,
    dir_nspi_answer_t *a)
{
    uint8_t   next[16];
    ph_int_t  rc;

    static const uint8_t  none[16];

    memcpy(next, q->next_sequence, sizeof(next));
    if (memcmp(next, none, sizeof(next)) == 0) {
        ph_random(next, sizeof(next));
    }

    if (bind) {
        nspi_session_end(call->nspi->sessions, q->session,
                         call->job->ticket.user);
        rc = nspi_session_begin(call->nspi->sessions, call->job->ticket.user,
                                ph_now_ms(), a->session, next);
        memcpy(a->sequence, next, sizeof(next));
        return rc == PH_OK ? RESULT_OK : 1;
    }

    if (memcmp(q->session, none, sizeof(none)) == 0) {
        return RESULT_NO_COOKIE;
    }

    /* PING neither checks the sequence nor moves it on */
    rc = nspi_session_use(call->nspi->sessions, q->session,
                          call->job->ticket.user, ph_now_ms(), q->sequence,
                          ph_str_ieq_c(q->type, "PING") ? NULL : next);
    memcpy(a->session, q->session, sizeof(a->session));
    memcpy(a->sequence, ph_str_ieq_c(q->type, "PING") ? q->sequence : next,
           sizeof(a->sequence));

    switch (rc) {
    case PH_OK:
        return RESULT_OK;
    case PH_CONFLICT:
        return RESULT_SEQUENCE;
    default:
        return RESULT_NO_CONTEXT;
    }
}


static ph_int_t
ab_run(ab_call_t *call, ab_run_pt run, dir_nspi_answer_t *a)
{
    ph_int_t  rc;

    rc = ab_who(call);
    if (rc == PH_NOTFOUND) {
        a->result = RESULT_NO_PRIVILEGE;
        return PH_OK;
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = ab_gal_get(call->nspi, call->conn, call->me.organisation_id,
                    &call->gal);
    if (rc == PH_OK) {
        rc = run(call);
        ab_gal_put(call->nspi, &call->gal);
    }

    if (rc == PH_INVALID || rc == PH_TOOBIG) {
        ph_log_write(call->job->d->log, PH_LOG_INFO, PH2060, ph_str_null,
                     "type=%.*s user=%s result=%s", PH_STR_ARG(a->type),
                     ph_log_str(call->job->ticket.user), ph_result_name(rc));
        a->result = RESULT_BODY;
        return PH_OK;
    }

    return rc;
}


ph_int_t
dir_op_nspi(dir_job_t *job)
{
    bool                 bind;
    size_t               t;
    ph_int_t             rc;
    ab_call_t            call;
    dir_nspi_answer_t    a;
    dir_nspi_request_t   q;

    rc = dir_nspi_request_decode_all(job->req->body, job->pool, &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    memset(&call, 0, sizeof(call));

    a.type = q.type;

    for (t = 0; t < ph_nelts(ab_types); t++) {
        if (ph_str_ieq_c(q.type, ab_types[t].name)) {
            break;
        }
    }

    if (t == ph_nelts(ab_types)) {
        a.result = RESULT_REQUEST_TYPE;
        return dir_nspi_answer_encode_new(job->pool, &a, &job->answer);
    }

    a.type = ph_str_c(ab_types[t].name);
    bind = t == 0;

    call.job = job;
    call.nspi = job->d->nspi;
    call.pool = job->pool;
    call.conn = job->conn;
    call.ctx.form = MAPI_FORM_AB;
    call.ctx.cpid = AB_CODEPAGE_ANY;
    call.server = call.nspi->server;
    call.host = q.host;
    call.body = q.body;

    a.result = ab_session(&call, &q, bind, &a);

    if (a.result == RESULT_OK && ab_types[t].run != NULL) {
        rc = ab_run(&call, ab_types[t].run, &a);

        if (call.ends || (bind && a.result != RESULT_OK)) {
            nspi_session_end(call.nspi->sessions, a.session,
                             job->ticket.user);
            memset(a.session, 0, sizeof(a.session));
        }
    }

    if (rc != PH_OK) {
        ph_log(job->d->log, PH_LOG_ERROR, PH2060, "type=%.*s result=%s",
               PH_STR_ARG(a.type), ph_result_name(rc));
        return rc;
    }

    if (a.result == RESULT_OK) {
        a.body = call.out;
    }

    return dir_nspi_answer_encode_new(job->pool, &a, &job->answer);
}


/* ---- life ---- */

ph_int_t
nspi_create(size_t max, uint64_t idle_ms, ph_log_t *log, nspi_t **nspi_r)
{
    nspi_t  *n = calloc(1, sizeof(*n));

    if (n == NULL) {
        return PH_NOMEM;
    }

    n->log = log;
    n->sessions = nspi_sessions_create(max, idle_ms);
    if (n->sessions == NULL) {
        free(n);
        return PH_NOMEM;
    }

    pthread_mutex_init(&n->lock, NULL);
    ph_random(&n->server, sizeof(n->server));
    *nspi_r = n;

    return PH_OK;
}


void
nspi_destroy(nspi_t **np)
{
    nspi_t  *n = *np;

    if (n == NULL) {
        return;
    }

    for (size_t i = 0; i < AB_GALS_MAX; i++) {
        if (n->gals[i] != NULL) {
            ph_pool_destroy(&n->gals[i]->pool);
        }
    }

    nspi_sessions_destroy(&n->sessions);
    pthread_mutex_destroy(&n->lock);
    free(n);
    *np = NULL;
}


void
nspi_expire(nspi_t *n, uint64_t now_ms)
{
    nspi_sessions_expire(n->sessions, now_ms);
}
