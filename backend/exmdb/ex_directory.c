/* Keys, tickets and facts from the directory daemon. */

#include "ex_directory.h"
#include "ex_quota.h"

#include <stdlib.h>
#include <time.h>

#define EX_FACTS_BUCKETS   4096
#define EX_KEYS_REFRESH    (5 * 60 * 1000)    /* ms */
#define EX_KEYS_AGAIN      500                /* ms between fetches on demand */
#define EX_TICKET_MARGIN   60                 /* s before the end */
#define EX_DIR_TIMEOUT     10000              /* ms */


typedef struct ex_cached_s  ex_cached_t;
typedef struct ex_ask_s     ex_ask_t;
typedef struct ex_held_s    ex_held_t;

struct ex_cached_s {
    ex_cached_t  *next;
    uint8_t       by;
    ex_facts_t   *facts;
};

/* a look-up under way */
struct ex_ask_s {
    ex_ask_t     *next;        /* waiting for our own ticket */
    ex_t         *ex;
    ex_facts_pt   answer;
    ex_groups_pt  groups;      /* asked for instead */
    void         *data;
    uint8_t       by;
    uint32_t      generation;
    size_t        key_len;
    uint8_t       key[];
};

/* a request whose ticket names a key that we have to fetch */
struct ex_held_s {
    ex_held_t      *next;
    ph_wire_req_t  *req;
};

struct ex_directory_s {
    ex_t              *ex;
    ph_wire_client_t  *client;
    ph_wire_sync_t    *sync;
    uv_timer_t         timer;
    uv_mutex_t         lock;        /* ticket: threads read it */

    ph_ticket_keys_t   keys;
    uint64_t           keys_fetched;
    bool               keys_running;
    ex_held_t         *held;

    uint8_t            ticket[PH_TICKET_MAX];
    size_t             ticket_len;
    uint64_t           ticket_expires;    /* ms, monotonic */
    bool               ticket_running;
    ex_ask_t          *waiting;

    uint32_t           generation;        /* grows with each change */
    uint32_t           cached;
    ex_cached_t       *cache[EX_FACTS_BUCKETS];
};


static void ex_keys_fetch(ex_directory_t *dir);
static void ex_ticket_fetch(ex_directory_t *dir);
static void ex_ask_send(ex_ask_t *ask);


/* ---- facts ---- */

static size_t
ex_facts_str(ph_str_t *s, uint8_t *to)
{
    if (to != NULL) {
        if (s->len) {
            memcpy(to, s->data, s->len);
        }

        to[s->len] = '\0';
        s->data = to;
    }

    return s->len + 1;
}


ex_facts_t *
ex_facts_new(const dir_entry_t *entry)
{
    int          pass;
    size_t       size;
    uint8_t     *to;
    ex_facts_t  *f;
    dir_entry_t  e;

    f = NULL;
    to = NULL;

    for (pass = 0; pass < 2; pass++) {
        e = *entry;
        size = 0;

        ph_str_t  *all[] = {
            &e.address, &e.display_name, &e.legacy_dn, &e.domain,
            &e.organisation, &e.lang, &e.node, &e.path
        };

        for (size_t i = 0; i < ph_nelts(all); i++) {
            size += ex_facts_str(all[i], to != NULL ? to + size : NULL);
        }

        if (pass == 0) {
            f = malloc(sizeof(ex_facts_t) + size);
            if (f == NULL) {
                return NULL;
            }

            to = (uint8_t *) (f + 1);
        }
    }

    f->refs = 1;
    f->sessions = 0;
    f->fetched = ph_now_ms();
    f->entry = e;

    return f;
}


ex_facts_t *
ex_facts_ref(ex_facts_t *facts)
{
    facts->refs++;

    return facts;
}


void
ex_facts_unref(ex_facts_t **factsp)
{
    ex_facts_t  *f = *factsp;

    *factsp = NULL;

    if (f != NULL && --f->refs == 0) {
        free(f);
    }
}


static uint32_t
ex_facts_bucket(uint8_t by, ph_str_t key)
{
    size_t    i;
    uint8_t   c;
    uint32_t  h = 5381u + by;

    for (i = 0; i < key.len; i++) {
        c = key.data[i];
        h = h * 33 + ((c >= 'A' && c <= 'Z') ? (c | 0x20u) : c);
    }

    return h % EX_FACTS_BUCKETS;
}


static ph_str_t
ex_facts_key(const ex_cached_t *c)
{
    return c->by == DIR_BY_DN ? c->facts->entry.legacy_dn
           : c->by == DIR_BY_PUBLIC ? c->facts->entry.domain
           : c->facts->entry.address;
}


static void
ex_facts_flush(ex_directory_t *dir)
{
    size_t        i;
    ex_cached_t  *c;

    for (i = 0; i < EX_FACTS_BUCKETS; i++) {
        while ((c = dir->cache[i]) != NULL) {
            dir->cache[i] = c->next;
            ex_facts_unref(&c->facts);
            free(c);
        }
    }

    dir->cached = 0;
    dir->generation++;
}


static void
ex_facts_drop(ex_directory_t *dir, ph_str_t address)
{
    size_t         i;
    ex_cached_t   *c, **p;

    dir->generation++;

    for (i = 0; i < EX_FACTS_BUCKETS; i++) {
        for (p = &dir->cache[i]; (c = *p) != NULL; /* void */) {
            if (ph_str_ieq(c->facts->entry.address, address)) {
                *p = c->next;
                ex_facts_unref(&c->facts);
                free(c);
                dir->cached--;
            } else {
                p = &c->next;
            }
        }
    }
}


static void
ex_facts_keep(ex_directory_t *dir, uint8_t by, ex_facts_t *facts)
{
    uint32_t      b;
    ex_cached_t  *c;

    if (by == DIR_BY_ID || facts->entry.status == 3) {
        return;
    }

    if (dir->cached >= EX_FACTS_CACHE) {
        ex_facts_flush(dir);
    }

    c = calloc(1, sizeof(ex_cached_t));
    if (c == NULL) {
        return;
    }

    c->by = by;
    c->facts = ex_facts_ref(facts);
    b = ex_facts_bucket(by, ex_facts_key(c));
    c->next = dir->cache[b];
    dir->cache[b] = c;
    dir->cached++;
}


static ex_facts_t *
ex_facts_cached(ex_directory_t *dir, uint8_t by, ph_str_t key)
{
    ex_cached_t  *c, **p;

    for (p = &dir->cache[ex_facts_bucket(by, key)]; (c = *p) != NULL;
         p = &c->next)
    {
        if (c->by != by || !ph_str_ieq(ex_facts_key(c), key)) {
            continue;
        }

        if (ph_now_ms() - c->facts->fetched < EX_FACTS_TTL) {
            return c->facts;
        }

        *p = c->next;
        ex_facts_unref(&c->facts);
        free(c);
        dir->cached--;

        return NULL;
    }

    return NULL;
}


static void
ex_ask_end(ex_ask_t *ask, ph_int_t rc, ex_facts_t *facts)
{
    if (ask->groups != NULL) {
        ask->groups(rc, 0, NULL, ask->data);
    } else {
        ask->answer(rc, facts, ask->data);
    }

    free(ask);
}


static void
ex_ask_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    ph_int_t              rc;
    ph_pool_t            *pool;
    ex_ask_t             *ask = data;
    ex_facts_t           *facts;
    dir_lookup_answer_t   answer;

    if (status != PH_WIRE_OK) {
        if (status == PH_WIRE_DENIED) {
            ask->ex->directory->ticket_expires = 0;
        }

        ex_ask_end(ask, status == PH_WIRE_NOT_FOUND ? PH_NOTFOUND : PH_ERROR,
                   NULL);
        return;
    }

    pool = ph_pool_create("lookup", 0);
    if (pool == NULL) {
        ex_ask_end(ask, PH_NOMEM, NULL);
        return;
    }

    rc = dir_lookup_answer_decode_all(body, pool, &answer);
    facts = (rc == PH_OK) ? ex_facts_new(&answer.entry) : NULL;
    ph_pool_destroy(&pool);

    if (facts == NULL) {
        ex_ask_end(ask, PH_ERROR, NULL);
        return;
    }

    /* a change that came meanwhile may be newer than this answer */
    if (ask->generation == ask->ex->directory->generation) {
        ex_facts_keep(ask->ex->directory, ask->by, facts);
    }

    ex_ask_end(ask, PH_OK, facts);
    ex_facts_unref(&facts);
}


static void
ex_groups_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    ph_int_t                   rc;
    ph_pool_t                 *pool;
    ex_ask_t                  *ask = data;
    dir_memberships_answer_t   answer;

    pool = (status == PH_WIRE_OK) ? ph_pool_create("groups", 0) : NULL;

    if (pool == NULL) {
        if (status == PH_WIRE_DENIED) {
            ask->ex->directory->ticket_expires = 0;
        }

        ex_ask_end(ask, status == PH_WIRE_NOT_FOUND ? PH_NOTFOUND : PH_ERROR,
                   NULL);
        return;
    }

    rc = dir_memberships_answer_decode_all(body, pool, &answer);
    if (rc == PH_OK) {
        ask->groups(PH_OK, answer.groups_count, answer.groups, ask->data);
        free(ask);
    } else {
        ex_ask_end(ask, PH_ERROR, NULL);
    }

    ph_pool_destroy(&pool);
}


static ph_int_t
ex_ask_groups(ex_ask_t *ask, ph_pool_t *pool)
{
    ph_int_t                    rc;
    ph_str_t                    body;
    ex_directory_t             *dir = ask->ex->directory;
    dir_memberships_request_t   request;

    memset(&request, 0, sizeof(request));
    request.by = ask->by;
    request.key.len = ask->key_len;
    request.key.data = ask->key;

    rc = dir_memberships_request_encode_new(pool, &request, &body);
    if (rc == PH_OK) {
        rc = ph_wire_call(dir->client, DIR_OP_MEMBERSHIPS,
                          (ph_str_t) { dir->ticket_len, dir->ticket }, body,
                          EX_DIR_TIMEOUT, ex_groups_answer, ask, NULL);
    }

    return rc;
}


static void
ex_ask_send(ex_ask_t *ask)
{
    ph_int_t              rc;
    ph_str_t              body;
    ph_pool_t            *pool;
    ex_directory_t       *dir = ask->ex->directory;
    dir_lookup_request_t  request;

    pool = ph_pool_create("lookup", 0);
    if (pool == NULL) {
        ex_ask_end(ask, PH_NOMEM, NULL);
        return;
    }

    memset(&request, 0, sizeof(request));
    request.by = ask->by;
    request.key.len = ask->key_len;
    request.key.data = ask->key;
    ask->generation = dir->generation;

    rc = (ask->groups != NULL)
         ? ex_ask_groups(ask, pool)
         : dir_lookup_request_encode_new(pool, &request, &body);

    if (rc == PH_OK && ask->groups == NULL) {
        rc = ph_wire_call(dir->client, DIR_OP_LOOKUP,
                          (ph_str_t) { dir->ticket_len, dir->ticket }, body,
                          EX_DIR_TIMEOUT, ex_ask_answer, ask, NULL);
    }

    ph_pool_destroy(&pool);

    if (rc != PH_OK) {
        ex_ask_end(ask, PH_ERROR, NULL);
    }
}


/* Sends a question, or keeps it until there is a ticket to send it with. */
static ph_int_t
ex_ask_start(ex_t *ex, uint8_t by, ph_str_t key, ex_facts_pt answer,
    ex_groups_pt groups, void *data)
{
    ex_ask_t        *ask;
    ex_directory_t  *dir = ex->directory;

    ask = (key.len <= 4096) ? malloc(sizeof(ex_ask_t) + key.len) : NULL;
    if (ask == NULL) {
        return key.len <= 4096 ? PH_NOMEM : PH_NOTFOUND;
    }

    ask->ex = ex;
    ask->answer = answer;
    ask->groups = groups;
    ask->data = data;
    ask->by = by;
    ask->key_len = key.len;
    if (key.len) {
        memcpy(ask->key, key.data, key.len);
    }

    if (ph_now_ms() < dir->ticket_expires) {
        ex_ask_send(ask);
        return PH_OK;
    }

    ask->next = dir->waiting;
    dir->waiting = ask;
    ex_ticket_fetch(dir);

    return PH_OK;
}


void
ex_groups_get(ex_t *ex, ph_str_t address, ex_groups_pt answer, void *data)
{
    ph_int_t  rc;

    rc = ex_ask_start(ex, DIR_BY_ADDRESS, address, NULL, answer, data);
    if (rc != PH_OK) {
        answer(rc, 0, NULL, data);
    }
}


uint32_t
ex_directory_generation(const ex_t *ex)
{
    return ex->directory->generation + 1;
}


void
ex_facts_put(ex_t *ex, uint8_t by, ex_facts_t *facts)
{
    ex_facts_keep(ex->directory, by, facts);
}


void
ex_facts_get(ex_t *ex, uint8_t by, ph_str_t key, ex_facts_pt answer,
    void *data)
{
    ph_int_t         rc;
    ex_facts_t      *facts;
    ex_directory_t  *dir = ex->directory;

    facts = ex_facts_cached(dir, by, key);
    if (facts != NULL) {
        facts->refs++;
        answer(PH_OK, facts, data);
        ex_facts_unref(&facts);
        return;
    }

    rc = ex_ask_start(ex, by, key, answer, NULL, data);
    if (rc != PH_OK) {
        answer(rc, NULL, data);
    }
}


/* Asks the directory on a thread.  PH_NOTFOUND; PH_ERROR: no answer. */
static ph_int_t
ex_directory_ask(ex_t *ex, ph_pool_t *pool, uint16_t op, ph_str_t body,
    ph_str_t *answer_r)
{
    ph_wire_status_t  status;

    if (ph_wire_sync_call(ex->directory->sync, pool, op,
                          ex_directory_ticket(ex, pool), body, EX_DIR_TIMEOUT,
                          &status, answer_r) != PH_OK)
    {
        return PH_ERROR;
    }

    if (status != PH_WIRE_OK) {
        return status == PH_WIRE_NOT_FOUND ? PH_NOTFOUND : PH_ERROR;
    }

    return PH_OK;
}


ph_int_t
ex_facts_fetch(ex_t *ex, ph_pool_t *pool, uint8_t by, ph_str_t key,
    dir_entry_t *entry_r)
{
    ph_int_t              rc;
    ph_str_t              body, answer;
    dir_lookup_answer_t   a;
    dir_lookup_request_t  request;

    memset(&request, 0, sizeof(request));
    request.by = by;
    request.key = key;

    rc = dir_lookup_request_encode_new(pool, &request, &body);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_directory_ask(ex, pool, DIR_OP_LOOKUP, body, &answer);
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_lookup_answer_decode_all(answer, pool, &a);
    if (rc == PH_OK) {
        *entry_r = a.entry;
    }

    return rc;
}


ph_int_t
ex_facts_properties(ex_t *ex, ph_pool_t *pool, uint8_t by, ph_str_t key,
    uint32_t n, const uint32_t *tags, mapi_values_t *values_r)
{
    ph_int_t                   rc;
    ph_str_t                   body, answer;
    dir_properties_answer_t    a;
    dir_properties_request_t   q;

    memset(&q, 0, sizeof(q));
    q.by = by;
    q.key = key;
    q.tags_count = (uint16_t) n;
    q.tags = (uint32_t *) (uintptr_t) tags;

    rc = dir_properties_request_encode_new(pool, &q, &body);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ex_directory_ask(ex, pool, DIR_OP_PROPERTIES, body, &answer);
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_properties_answer_decode_all(answer, pool, &a);
    if (rc == PH_OK) {
        *values_r = a.props;
    }

    return rc;
}


/* ---- our own ticket ---- */

static void
ex_ticket_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    ph_int_t                       rc;
    ex_ask_t                      *ask, *list;
    ph_pool_t                     *pool;
    ex_directory_t                *dir = data;
    dir_service_ticket_answer_t    a;

    dir->ticket_running = false;
    rc = PH_ERROR;

    pool = ph_pool_create("ticket", 0);

    if (pool != NULL && status == PH_WIRE_OK
        && dir_service_ticket_answer_decode_all(body, pool, &a) == PH_OK
        && a.ticket.len <= sizeof(dir->ticket))
    {
        uv_mutex_lock(&dir->lock);
        memcpy(dir->ticket, a.ticket.data, a.ticket.len);
        dir->ticket_len = a.ticket.len;
        uv_mutex_unlock(&dir->lock);

        dir->ticket_expires = ph_now_ms()
            + 1000ull * (a.lifetime > 2 * EX_TICKET_MARGIN
                         ? a.lifetime - EX_TICKET_MARGIN : a.lifetime / 2);
        rc = PH_OK;

    } else if (status != PH_WIRE_UNAVAILABLE) {
        ph_log(dir->ex->log, PH_LOG_ERROR, PH4005, "op=service_ticket "
               "status=%s", ph_wire_status_name(status));
    }

    if (pool != NULL) {
        ph_pool_destroy(&pool);
    }

    list = dir->waiting;
    dir->waiting = NULL;

    while ((ask = list) != NULL) {
        list = ask->next;
        if (rc == PH_OK) {
            ex_ask_send(ask);
        } else {
            ex_ask_end(ask, PH_ERROR, NULL);
        }
    }
}


static void
ex_ticket_fetch(ex_directory_t *dir)
{
    ph_str_t                       body;
    ph_pool_t                     *pool;
    dir_service_ticket_request_t   request;

    if (dir->ticket_running) {
        return;
    }

    pool = ph_pool_create("ticket", 0);
    if (pool == NULL) {
        return;
    }

    memset(&request, 0, sizeof(request));
    request.kind = PH_TICKET_SERVICE;
    request.name = ph_str_lit("exmdb");

    if (dir_service_ticket_request_encode_new(pool, &request, &body) == PH_OK
        && ph_wire_call(dir->client, DIR_OP_SERVICE_TICKET, ph_str_null, body,
                        EX_DIR_TIMEOUT, ex_ticket_answer, dir, NULL) == PH_OK)
    {
        dir->ticket_running = true;
    }

    ph_pool_destroy(&pool);
}


ph_str_t
ex_directory_ticket(ex_t *ex, ph_pool_t *pool)
{
    ph_str_t         t;
    ex_directory_t  *dir = ex->directory;

    uv_mutex_lock(&dir->lock);
    t = ph_pstrdup(pool, (ph_str_t) { dir->ticket_len, dir->ticket });
    uv_mutex_unlock(&dir->lock);

    return t;
}


/* ---- keys ---- */

static void
ex_keys_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    size_t               i;
    ph_pool_t           *pool;
    ex_held_t           *h, *list;
    ex_directory_t      *dir = data;
    ph_ticket_keys_t     keys;
    dir_keys_answer_t    a;

    dir->keys_running = false;
    dir->keys_fetched = ph_now_ms();

    pool = ph_pool_create("keys", 0);

    if (pool != NULL && status == PH_WIRE_OK
        && dir_keys_answer_decode_all(body, pool, &a) == PH_OK)
    {
        memset(&keys, 0, sizeof(keys));

        for (i = 0; i < a.keys_count && i < PH_TICKET_MAX_KEYS; i++) {
            keys.keys[i].id = a.keys[i].id;
            memcpy(keys.keys[i].secret, a.keys[i].secret, 32);
            keys.keys[i].not_after = a.keys[i].not_after;
        }

        keys.n = i;
        dir->keys = keys;

    } else if (status != PH_WIRE_UNAVAILABLE) {
        ph_log(dir->ex->log, PH_LOG_ERROR, PH4005, "op=keys status=%s",
               ph_wire_status_name(status));
    }

    if (pool != NULL) {
        ph_pool_destroy(&pool);
    }

    list = dir->held;
    dir->held = NULL;

    while ((h = list) != NULL) {
        list = h->next;
        ex_call_resume(dir->ex, h->req);    /* h is in its pool */
    }
}


static void
ex_keys_fetch(ex_directory_t *dir)
{
    if (dir->keys_running) {
        return;
    }

    if (ph_wire_call(dir->client, DIR_OP_KEYS, ph_str_null, ph_str_null,
                     EX_DIR_TIMEOUT, ex_keys_answer, dir, NULL) == PH_OK)
    {
        dir->keys_running = true;
    }
}


const ph_ticket_keys_t *
ex_directory_keys(const ex_t *ex)
{
    return &ex->directory->keys;
}


ph_int_t
ex_directory_want_keys(ex_t *ex, ph_wire_req_t *req)
{
    ex_held_t       *h;
    ex_directory_t  *dir = ex->directory;

    if (!dir->keys_running && dir->keys.n > 0
        && ph_now_ms() - dir->keys_fetched < EX_KEYS_AGAIN)
    {
        return PH_BUSY;
    }

    ex_keys_fetch(dir);
    if (!dir->keys_running) {
        return PH_BUSY;
    }

    h = ph_palloc(req->pool, sizeof(ex_held_t));
    if (h == NULL) {
        return PH_NOMEM;
    }

    h->req = req;
    h->next = dir->held;
    dir->held = h;

    return PH_OK;
}


/* ---- connection ---- */

static void
ex_directory_event(const ph_wire_frame_t *frame, void *data)
{
    ph_cur_t         cur;
    ph_pool_t       *pool;
    dir_changed_t    changed;
    ex_directory_t  *dir = data;

    if (frame->op != DIR_EVENT_CHANGED) {
        return;
    }

    pool = ph_pool_create("changed", 0);
    ph_cur_init(&cur, frame->body.data, frame->body.len);

    if (pool == NULL || dir_changed_decode(&cur, pool, &changed) != PH_OK
        || changed.address.len == 0)
    {
        ex_facts_flush(dir);
        ex_quota_changed(dir->ex, ph_str_null);
    } else {
        ex_facts_drop(dir, changed.address);
        ex_quota_changed(dir->ex, changed.address);
    }

    if (pool != NULL) {
        ph_pool_destroy(&pool);
    }
}


static void
ex_watch_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    (void) status;
    (void) body;
    (void) data;
}


static void
ex_directory_state(bool up, ph_str_t hello, void *data)
{
    ex_directory_t  *dir = data;

    (void) hello;

    if (!up) {
        if (!dir->ex->stopping) {
            ph_log(dir->ex->log, PH_LOG_WARN, PH4003, "facts=%u",
                   dir->cached);
        }
        return;
    }

    ph_log(dir->ex->log, PH_LOG_NOTICE, PH4004, "keys=%zu", dir->keys.n);

    /* events were missed meanwhile */
    ex_facts_flush(dir);
    (void) ph_wire_call(dir->client, DIR_OP_WATCH, ph_str_null, ph_str_null,
                        EX_DIR_TIMEOUT, ex_watch_answer, dir, NULL);
}


static void
ex_directory_tick(uv_timer_t *timer)
{
    uint64_t         now;
    ex_directory_t  *dir = timer->data;

    now = ph_now_ms();

    if (dir->keys.n == 0 || now - dir->keys_fetched > EX_KEYS_REFRESH) {
        ex_keys_fetch(dir);
    }

    if (now + 1000ull * EX_TICKET_MARGIN > dir->ticket_expires) {
        ex_ticket_fetch(dir);
    }
}


ph_int_t
ex_directory_create(ex_t *ex, ex_directory_t **dir_r)
{
    const char             *address;
    ex_directory_t         *dir;
    ph_wire_client_opts_t   opts;

    dir = ph_pcalloc(ex->pool, sizeof(ex_directory_t));
    if (dir == NULL) {
        return PH_NOMEM;
    }

    dir->ex = ex;
    *dir_r = dir;
    uv_mutex_init(&dir->lock);

    memset(&opts, 0, sizeof(opts));
    opts.log = ex->log;
    opts.max_frame = 16u << 20;
    opts.event = ex_directory_event;
    opts.state = ex_directory_state;
    opts.data = dir;

    address = ph_conf_str(ex->daemon->conf, "exmdb", "directory");

    if (ph_wire_client_create(ex->loop, address, &opts, &dir->client) != PH_OK
        || ph_wire_sync_create(address, &opts, &dir->sync) != PH_OK)
    {
        return PH_ERROR;
    }

    uv_timer_init(ex->loop, &dir->timer);
    dir->timer.data = dir;
    uv_timer_start(&dir->timer, ex_directory_tick, 0, 1000);
    uv_unref((uv_handle_t *) &dir->timer);

    return PH_OK;
}


void
ex_directory_destroy(ex_directory_t **dirp)
{
    ex_directory_t  *dir = *dirp;

    *dirp = NULL;
    uv_close((uv_handle_t *) &dir->timer, NULL);
    ex_facts_flush(dir);
    ph_wire_client_destroy(&dir->client);
    ph_wire_sync_destroy(&dir->sync);
    uv_mutex_destroy(&dir->lock);
}
