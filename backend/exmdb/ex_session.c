/* Sessions: Connect, look-up, expiry, end. */

#include "ex_session.h"
#include "ex_directory.h"
#include "ex_remote.h"
#include "mapi/mapi_errors.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define EX_SESSION_SWEEP   5000     /* ms */
#define EX_FIRST_BUCKETS   256


struct ex_sessions_s {
    ex_t           *ex;
    uint64_t        seed;
    uint32_t        n;
    uint32_t        n_buckets;
    ex_session_t  **buckets;
    ex_session_t   *oldest;
    ex_session_t   *newest;
    uv_timer_t      sweep;
};

typedef struct {
    ex_call_t                       *call;
    exmdb_emsmdb_connect_request_t   r;
} ex_connect_t;


static void ex_session_sweep(uv_timer_t *timer);


ph_int_t
ex_sessions_create(ex_t *ex, ex_sessions_t **sessions_r)
{
    ex_sessions_t  *all;

    all = ph_pcalloc(ex->pool, sizeof(ex_sessions_t));
    if (all == NULL) {
        return PH_NOMEM;
    }

    all->ex = ex;
    all->n_buckets = EX_FIRST_BUCKETS;
    all->buckets = calloc(EX_FIRST_BUCKETS, sizeof(ex_session_t *));
    if (all->buckets == NULL) {
        return PH_NOMEM;
    }

    ph_random(&all->seed, sizeof(all->seed));

    uv_timer_init(ex->loop, &all->sweep);
    all->sweep.data = all;
    uv_timer_start(&all->sweep, ex_session_sweep, EX_SESSION_SWEEP,
                   EX_SESSION_SWEEP);
    uv_unref((uv_handle_t *) &all->sweep);

    *sessions_r = all;

    return PH_OK;
}


uint16_t
ex_session_worker(const uint8_t id[EX_SESSION_ID])
{
    return id[0];
}


/* keyed, so that nobody learns from times how far a guess agrees */
static uint32_t
ex_session_bucket(const ex_sessions_t *all, const uint8_t id[EX_SESSION_ID])
{
    uint64_t  a, b, h;

    memcpy(&a, id, 8);
    memcpy(&b, id + 8, 8);

    h = (a ^ all->seed) * 0x9E3779B97F4A7C15ull;
    h = (h ^ (h >> 29) ^ b) * 0xBF58476D1CE4E5B9ull;
    h ^= h >> 32;

    return (uint32_t) h & (all->n_buckets - 1);
}


static void
ex_sessions_grow(ex_sessions_t *all)
{
    uint32_t        i, b, old;
    ex_session_t   *s, *next, **buckets, **from;

    buckets = calloc(all->n_buckets * 2, sizeof(ex_session_t *));
    if (buckets == NULL) {
        return;
    }

    old = all->n_buckets;
    from = all->buckets;
    all->n_buckets *= 2;
    all->buckets = buckets;

    for (i = 0; i < old; i++) {
        for (s = from[i]; s != NULL; s = next) {
            next = s->hash_next;
            b = ex_session_bucket(all, s->id);
            s->hash_next = buckets[b];
            buckets[b] = s;
        }
    }

    free(from);
}


ex_session_t *
ex_session_by_id(ex_t *ex, const uint8_t id[EX_SESSION_ID])
{
    ex_session_t   *s;
    ex_sessions_t  *all = ex->sessions;

    for (s = all->buckets[ex_session_bucket(all, id)];
         s != NULL;
         s = s->hash_next)
    {
        if (CRYPTO_memcmp(s->id, id, EX_SESSION_ID) == 0) {
            break;
        }
    }

    return s;
}


ex_session_t *
ex_session_find(ex_t *ex, const uint8_t id[EX_SESSION_ID], ph_str_t user)
{
    ex_session_t  *s;

    s = ex_session_by_id(ex, id);

    if (s == NULL || s->doomed
        || !ph_str_ieq(s->facts->entry.address, user))
    {
        return NULL;
    }

    return s;
}


static void
ex_session_unlink_age(ex_session_t *s)
{
    ex_sessions_t  *all = s->ex->sessions;

    if (s->older != NULL) {
        s->older->newer = s->newer;
    } else {
        all->oldest = s->newer;
    }

    if (s->newer != NULL) {
        s->newer->older = s->older;
    } else {
        all->newest = s->older;
    }
}


static void
ex_session_link_age(ex_session_t *s)
{
    ex_sessions_t  *all = s->ex->sessions;

    s->newer = NULL;
    s->older = all->newest;

    if (all->newest != NULL) {
        all->newest->newer = s;
    } else {
        all->oldest = s;
    }

    all->newest = s;
}


void
ex_session_touch(ex_session_t *s)
{
    s->last = ph_now_ms();
    ex_session_unlink_age(s);
    ex_session_link_age(s);
}


static void
ex_session_free(ex_session_t *s)
{
    uint32_t         b;
    ex_note_t       *note;
    ex_session_t   **p;
    ex_sessions_t   *all = s->ex->sessions;

    ex_session_wake(s, EXMDB_RESULT_NO_CONTEXT, 0, 0);
    ex_remote_end(s, ph_str_null);
    ex_objects_destroy(s);
    ex_actions_run(s, true);

    while ((note = s->notes) != NULL) {
        s->notes = note->next;
        ex_note_free(note);
    }

    b = ex_session_bucket(all, s->id);
    for (p = &all->buckets[b]; *p != s; p = &(*p)->hash_next) {
        /* void */
    }

    *p = s->hash_next;
    ex_session_unlink_age(s);
    all->n--;
    ph_metric_set(s->ex->count.sessions, all->n);

    s->facts->sessions--;
    ex_facts_unref(&s->facts);
    free(s->client);
    free(s->groups);
    s->magic = 0;
    free(s);
}


void
ex_session_end(ex_session_t *s, const char *why)
{
    if (!s->doomed) {
        ph_log(s->ex->log, PH_LOG_INFO, PH4031,
               "user=%s why=%s executes=%" PRIu64,
               ph_log_str(s->facts->entry.address), why, s->executes);
    }

    s->doomed = true;

    if (!s->executing) {
        ex_session_free(s);
    }
}


static void
ex_session_sweep(uv_timer_t *timer)
{
    uint64_t        now, keep;
    ex_session_t   *s, *newer;
    ex_sessions_t  *all = timer->data;

    now = ph_now_ms();
    keep = all->ex->opt.session_timeout + EX_SESSION_GRACE;

    for (s = all->oldest; s != NULL; s = newer) {
        newer = s->newer;

        if (now - s->last <= keep) {
            break;
        }

        if (s->executing || s->wait_conn != NULL) {
            s->last = now;
            ex_session_unlink_age(s);
            ex_session_link_age(s);
            continue;
        }

        ex_session_end(s, "idle");
    }
}


void
ex_sessions_end(ex_t *ex)
{
    ex_session_t  *s, *newer;

    for (s = ex->sessions->oldest; s != NULL; s = newer) {
        newer = s->newer;
        ex_session_end(s, "stop");
    }
}


void
ex_sessions_destroy(ex_sessions_t **allp)
{
    ex_sessions_t  *all = *allp;

    *allp = NULL;
    uv_close((uv_handle_t *) &all->sweep, NULL);
    free(all->buckets);
}


void
ex_sessions_stop(ex_t *ex)
{
    ex_session_t  *s;

    for (s = ex->sessions->oldest; s != NULL; s = s->newer) {
        ex_session_wake(s, EXMDB_RESULT_OK, ecExiting, 0);
    }
}


void
ex_sessions_leave(ex_t *ex, const ex_mailbox_t *mb)
{
    ex_logon_t    *l;
    ex_session_t  *s, *newer;

    for (s = ex->sessions->oldest; s != NULL; s = newer) {
        newer = s->newer;

        for (l = s->executing ? NULL : s->logons; l != NULL; l = l->next) {
            if (l->mailbox == mb) {
                ex_session_end(s, "mailbox");
                break;
            }
        }
    }
}


uint32_t
ex_session_count(const ex_t *ex)
{
    return ex->sessions->n;
}


void
ex_session_each(ex_t *ex, void (*fn)(ex_session_t *s, void *data), void *data)
{
    ex_session_t  *s, *newer;

    for (s = ex->sessions->oldest; s != NULL; s = newer) {
        newer = s->newer;
        fn(s, data);
    }
}


/* ---- Connect (MS-OXCRPC 3.1.4.1, MS-OXCMAPIHTTP 2.2.4.1) ---- */

static void
ex_connect_answer(ex_connect_t *c, uint32_t ec, ex_session_t *s)
{
    ph_str_t                        body;
    exmdb_emsmdb_connect_answer_t   a;

    memset(&a, 0, sizeof(a));
    a.ec = ec;

    if (s != NULL) {
        memcpy(a.session, s->id, EX_SESSION_ID);
        memcpy(a.sequence, s->sequence, EX_SESSION_ID);
        a.display_name = s->facts->entry.display_name;
    }

    if (exmdb_emsmdb_connect_answer_encode_new(c->call->req->pool, &a, &body)
        != PH_OK)
    {
        ex_reply(c->call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_reply(c->call, PH_WIRE_OK, body);
}


ex_session_t *
ex_session_new(ex_t *ex, ex_facts_t *facts, uint32_t rights,
    const exmdb_emsmdb_connect_request_t *r)
{
    uint32_t        b;
    ph_str_t        client, app;
    ex_session_t   *s;
    ex_sessions_t  *all = ex->sessions;

    s = calloc(1, sizeof(ex_session_t));
    if (s == NULL) {
        return NULL;
    }

    client = r->client;
    app = r->client_application;
    client.len = ph_utf8_cut(client, EX_CLIENT_NAME);
    app.len = ph_utf8_cut(app, EX_CLIENT_NAME);

    s->client = malloc(client.len + app.len + 2);
    if (s->client == NULL) {
        free(s);
        return NULL;
    }

    (void) snprintf(s->client, client.len + app.len + 2, "%.*s %.*s",
                    PH_STR_ARG(client), PH_STR_ARG(app));

    s->magic = EX_SESSION_MAGIC;
    s->ex = ex;
    s->facts = ex_facts_ref(facts);
    facts->sessions++;
    s->rights = rights;
    s->admin = (r->flags & 1) != 0;
    s->cpid = (uint16_t) r->cpid;
    s->lcid_sort = r->lcid_sort;
    s->lcid_string = r->lcid_string;
    s->version[0] = r->version_0;
    s->version[1] = r->version_1;
    s->version[2] = r->version_2;
    s->connected = ph_now_filetime();
    s->last = ph_now_ms();
    s->actions_tail = &s->actions;
    s->notes_tail = &s->notes;

    ph_random(s->id, sizeof(s->id));
    ph_random(s->sequence, sizeof(s->sequence));
    s->id[0] = (uint8_t) ex->self;

    if (all->n >= all->n_buckets) {
        ex_sessions_grow(all);
    }

    b = ex_session_bucket(all, s->id);
    s->hash_next = all->buckets[b];
    all->buckets[b] = s;
    ex_session_link_age(s);
    all->n++;
    ph_metric_set(ex->count.sessions, all->n);

    ph_log(ex->log, PH_LOG_INFO, PH4030, "user=%s client=%s rid=%.*s",
           ph_log_str(facts->entry.address), ph_log_str(ph_str_c(s->client)),
           PH_STR_ARG(r->request_id));

    return s;
}


static void
ex_connect_by_dn(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_connect_t  *c = data;

    (void) facts;

    /* somebody else's name, or nobody's */
    ex_connect_answer(c, rc == PH_OK ? ecAccessDenied
                         : rc == PH_NOTFOUND ? ecUnknownUser
                         : ecLoginFailure, NULL);
}


static void
ex_connect_facts(ph_int_t rc, ex_facts_t *facts, void *data)
{
    ex_t          *ex;
    ex_session_t  *s;
    ex_connect_t  *c = data;

    static const uint8_t  none[EX_SESSION_ID];

    ex = c->call->ex;

    if (rc != PH_OK) {
        ex_connect_answer(c, rc == PH_NOTFOUND ? ecUnknownUser
                                               : ecLoginFailure, NULL);
        return;
    }

    if (!ph_str_ieq(facts->entry.legacy_dn, c->r.user_dn)) {
        ex_facts_get(ex, DIR_BY_DN, c->r.user_dn, ex_connect_by_dn, c);
        return;
    }

    if ((c->r.flags & 1) && !(c->call->ticket.rights & PH_RIGHT_ADMIN)) {
        ex_connect_answer(c, ecLoginPerm, NULL);
        return;
    }

    if (memcmp(c->r.old_session, none, EX_SESSION_ID) != 0) {
        s = ex_session_find(ex, c->r.old_session, c->call->user);
        if (s != NULL) {
            ex_session_end(s, "reconnect");
        }
    }

    if (ex->sessions->n >= ex->opt.max_sessions
        || facts->sessions >= ex->opt.max_user_sessions)
    {
        ph_log(ex->log, PH_LOG_WARN, PH4032, "user=%s sessions=%u",
               ph_log_str(facts->entry.address), facts->sessions);
        ex_connect_answer(c, ecServerOOM, NULL);
        return;
    }

    s = ex_session_new(ex, facts, c->call->ticket.rights, &c->r);
    if (s == NULL) {
        ex_reply(c->call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    ex_connect_answer(c, 0, s);
}


void
ex_op_connect(ex_call_t *call)
{
    ex_connect_t  *c;

    c = ph_pcalloc(call->req->pool, sizeof(ex_connect_t));
    if (c == NULL) {
        ex_reply(call, PH_WIRE_ERROR, ph_str_null);
        return;
    }

    c->call = call;

    if (exmdb_emsmdb_connect_request_decode_all(call->req->body,
            call->req->pool, &c->r)
        != PH_OK)
    {
        ex_reply(call, PH_WIRE_BAD_REQUEST, ph_str_null);
        return;
    }

    if (c->r.user_dn.len == 0) {
        ex_connect_answer(c, ecAccessDenied, NULL);
        return;
    }

    if (call->ex->stopping) {
        ex_reply(call, PH_WIRE_BUSY, ph_str_null);
        return;
    }

    ex_facts_get(call->ex, DIR_BY_ADDRESS, call->user, ex_connect_facts, c);
}
