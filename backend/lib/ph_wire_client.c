/*
 * The client on a loop.  A call is in the table (by id) from ph_wire_call() to
 * its answer; it is also in the queue while no connection has taken its bytes.
 * One timer looks after the deadlines of all calls and of connecting.
 */

#include "ph_wire_io.h"
#include "ph_addr.h"
#include "ph_log.h"
#include "ph_pool.h"
#include "ph_str.h"
#include "ph_tls.h"

#include <stdlib.h>

#define PH_WIRE_TIMEOUT      30000
#define PH_WIRE_CONNECT      5000
#define PH_WIRE_DELAY_MIN    50
#define PH_WIRE_DELAY_MAX    5000
#define PH_WIRE_TABLE_FIRST  64
#define PH_WIRE_OUT_MAX      (512u << 20)    /* then ph_wire_call() is busy */

typedef struct ph_wire_pending_s  ph_wire_pending_t;
typedef struct ph_wire_link_s     ph_wire_link_t;

struct ph_wire_pending_s {
    ph_wire_pending_t   *next;        /* in its bucket */
    ph_wire_pending_t   *after;       /* in the queue */
    uint64_t             deadline;
    uint64_t             timeout;
    ph_wire_answer_pt    answer;
    void                *data;
    uint32_t             id;
    uint16_t             op;
    size_t               ticket_len;
    size_t               body_len;
    uint8_t             *bytes;       /* ticket and body, until they are sent */
};

/* one connection; until libuv has closed it the client waits for it */
struct ph_wire_link_s {
    ph_wire_io_t         io;
    ph_wire_client_t    *client;
    uv_connect_t         connect;
};

typedef enum {
    PH_WIRE_ST_IDLE = 0,         /* nothing asked for yet                */
    PH_WIRE_ST_WAIT,             /* delay before the next attempt        */
    PH_WIRE_ST_RESOLVE,
    PH_WIRE_ST_CONNECT,
    PH_WIRE_ST_HELLO,            /* sends; the answer to HELLO is awaited */
    PH_WIRE_ST_UP
} ph_wire_state_t;

/* refs: the timer, the hub, the connections, a name look-up */
struct ph_wire_client_s {
    ph_wire_hub_t            hub;
    uv_timer_t               timer;
    uv_getaddrinfo_t         resolve;
    ph_pool_t               *pool;
    const char              *address;
    ph_addr_t                addr;
    ph_wire_client_opts_t    opts;
    SSL_CTX                 *ctx;
    ph_wire_link_t          *link;
    ph_wire_state_t          state;
    uint64_t                 attempt;      /* its deadline; WAIT: its begin */
    uint64_t                 delay;
    uint64_t                 armed;        /* when the timer fires; 0: not */

    ph_wire_pending_t      **table;
    uint32_t                 table_size;   /* a power of 2 */
    uint32_t                 n_calls;
    uint32_t                 next_id;
    ph_wire_pending_t       *queue;
    ph_wire_pending_t      **queue_last;
    ph_wire_pending_t       *cancelled;

    uint32_t                 refs;
    uint32_t                 n_links;
    uint32_t                 hello_id;
    bool                     destroyed;
    bool                     hub_closing;
    bool                     logged;       /* that it is down */
};

static void ph_wire_client_timer(uv_timer_t *timer);
static void ph_wire_client_connect(ph_wire_client_t *client);

static void
ph_wire_client_unref(ph_wire_client_t *client)
{
    if (--client->refs != 0) {
        return;
    }

    SSL_CTX_free(client->ctx);
    free(client->table);
    ph_pool_destroy(&client->pool);
    free(client);
}

/* the timer fires at `when`, or earlier if it was to */
static void
ph_wire_client_arm(ph_wire_client_t *client, uint64_t when)
{
    uint64_t  now;

    if (client->destroyed || (client->armed != 0 && client->armed <= when)) {
        return;
    }

    now = uv_now(client->hub.loop);
    client->armed = ph_max(when, 1);

    (void) uv_timer_start(&client->timer, ph_wire_client_timer,
                          when > now ? when - now : 0, 0);
}

/* ---- the table of calls ---- */

static ph_wire_pending_t *
ph_wire_client_find(ph_wire_client_t *client, uint32_t id)
{
    ph_wire_pending_t  *call;

    call = client->table[id & (client->table_size - 1)];

    while (call != NULL && call->id != id) {
        call = call->next;
    }

    return call;
}

static void
ph_wire_client_insert(ph_wire_client_t *client, ph_wire_pending_t *call)
{
    ph_wire_pending_t  **bucket;

    bucket = &client->table[call->id & (client->table_size - 1)];
    call->next = *bucket;
    *bucket = call;
    client->n_calls++;
}

/* a table that cannot grow only becomes slower */
static void
ph_wire_client_grow(ph_wire_client_t *client)
{
    uint32_t             i, old_size;
    ph_wire_pending_t   *call, *next, **old, **table;

    old = client->table;
    old_size = client->table_size;

    table = ph_calloc((size_t) old_size * 2, sizeof(*table));
    if (table == NULL) {
        return;
    }

    client->table = table;
    client->table_size = old_size * 2;
    client->n_calls = 0;

    for (i = 0; i < old_size; i++) {
        for (call = old[i]; call != NULL; call = next) {
            next = call->next;
            ph_wire_client_insert(client, call);
        }
    }

    free(old);
}

static void
ph_wire_client_remove(ph_wire_client_t *client, ph_wire_pending_t *call)
{
    ph_wire_pending_t  **p;

    p = &client->table[call->id & (client->table_size - 1)];

    while (*p != call) {
        p = &(*p)->next;
    }

    *p = call->next;
    client->n_calls--;

    if (call->bytes != NULL) {

        for (p = &client->queue; *p != NULL; p = &(*p)->after) {
            if (*p == call) {
                *p = call->after;

                if (client->queue_last == &call->after) {
                    client->queue_last = p;
                }

                break;
            }
        }
    }
}

/*
 * answers every call that `which` chooses; answers may make calls and
 * destroy
 */
static void
ph_wire_client_fail(ph_wire_client_t *client,
    bool (*which)(ph_wire_pending_t *call, uint64_t now),
    ph_wire_status_t status)
{
    uint32_t             i;
    uint64_t             now;
    ph_wire_pending_t   *call, *next, *list, **last;

    /* first out of the table, so that the owners find a table at rest */

    list = NULL;
    last = &list;
    now = uv_now(client->hub.loop);

    for (i = 0; i < client->table_size; i++) {
        for (call = client->table[i]; call != NULL; call = next) {
            next = call->next;

            if (which(call, now)) {
                if (call->bytes == NULL && client->link != NULL
                    && client->state >= PH_WIRE_ST_HELLO)
                {
                    (void) ph_wire_io_send(&client->link->io, PH_WIRE_F_CANCEL,
                                           call->op, call->id, 0, ph_str_null,
                                           ph_str_null);
                }

                ph_wire_client_remove(client, call);
                call->next = NULL;
                *last = call;
                last = &call->next;
            }
        }
    }

    client->refs++;

    while ((call = list) != NULL) {
        list = call->next;
        call->answer(status, ph_str_null, call->data);
        free(call->bytes);
        free(call);
    }

    ph_wire_client_unref(client);
}

static bool
ph_wire_call_sent(ph_wire_pending_t *call, uint64_t now)
{
    (void) now;

    return call->bytes == NULL;
}

static bool
ph_wire_call_late(ph_wire_pending_t *call, uint64_t now)
{
    return call->deadline <= now;
}

static bool
ph_wire_call_any(ph_wire_pending_t *call, uint64_t now)
{
    (void) call;
    (void) now;

    return true;
}

/* ---- connection ---- */

static void
ph_wire_client_hub_closed(ph_wire_hub_t *hub)
{
    ph_wire_client_unref((ph_wire_client_t *)
                         ((char *) hub - offsetof(ph_wire_client_t, hub)));
}

/*
 * the hub goes when the client is destroyed and its last connection is
 * closed
 */
static void
ph_wire_client_finish(ph_wire_client_t *client)
{
    if (client->destroyed && client->n_links == 0 && !client->hub_closing) {
        client->hub_closing = true;
        ph_wire_hub_close(&client->hub, ph_wire_client_hub_closed);
    }
}

/* the connection is gone, or could not be made */
static void
ph_wire_client_lost(ph_wire_client_t *client)
{
    bool  up;

    up = client->state == PH_WIRE_ST_UP;

    client->state = PH_WIRE_ST_WAIT;
    client->attempt = uv_now(client->hub.loop) + client->delay;
    client->delay = ph_min(client->delay * 2, PH_WIRE_DELAY_MAX);
    ph_wire_client_arm(client, client->attempt);

    if (!client->logged) {
        client->logged = true;
        ph_log(client->opts.log, PH_LOG_WARN, PH1016, "address=%s",
               ph_log_str(ph_str_c(client->address)));
    }

    client->refs++;

    if (up && client->opts.state != NULL) {
        client->opts.state(false, ph_str_null, client->opts.data);
    }

    if (!client->destroyed) {
        /* whether the far side has done them cannot be known */
        ph_wire_client_fail(client, ph_wire_call_sent, PH_WIRE_UNAVAILABLE);
    }

    ph_wire_client_unref(client);
}

static void
ph_wire_link_closed(ph_wire_io_t *io)
{
    bool               current;
    ph_wire_link_t    *link;
    ph_wire_client_t  *client;

    link = io->owner;
    client = link->client;
    current = client->link == link;

    free(link);
    client->n_links--;

    if (current) {
        client->link = NULL;

        if (!client->destroyed) {
            ph_wire_client_lost(client);
        }
    }

    ph_wire_client_finish(client);
    ph_wire_client_unref(client);
}

static void
ph_wire_link_failed(ph_wire_io_t *io, const char *reason)
{
    ph_wire_link_t    *link;
    ph_wire_client_t  *client;

    link = io->owner;
    client = link->client;

    if (!client->logged && !client->destroyed) {
        client->logged = true;
        ph_log(client->opts.log, PH_LOG_WARN, PH1016, "address=%s reason=%s",
               ph_log_str(ph_str_c(client->address)),
               ph_log_str(ph_str_c(reason)));
    }
}

static uint32_t
ph_wire_client_id(ph_wire_client_t *client)
{
    do {
        if (++client->next_id == 0) {
            client->next_id = 1;
        }
    } while (ph_wire_client_find(client, client->next_id) != NULL);

    return client->next_id;
}

static ph_int_t
ph_wire_client_send(ph_wire_client_t *client, ph_wire_pending_t *call,
    ph_str_t ticket, ph_str_t body)
{
    call->deadline = uv_now(client->hub.loop) + call->timeout;
    ph_wire_client_arm(client, call->deadline);

    return ph_wire_io_send(&client->link->io, 0, call->op, call->id, 0, ticket,
                           body);
}

/* connected: HELLO, and without waiting for its answer all that was queued */
static ph_int_t
ph_wire_link_ready(ph_wire_io_t *io)
{
    ph_int_t            rc;
    ph_wire_link_t     *link;
    ph_wire_client_t   *client;
    ph_wire_pending_t  *call;

    link = io->owner;
    client = link->client;

    client->state = PH_WIRE_ST_HELLO;
    client->hello_id = ph_wire_client_id(client);

    rc = ph_wire_io_send(io, 0, PH_WIRE_OP_HELLO, client->hello_id, 0,
                         ph_str_null, ph_str_null);

    while (rc == PH_OK && (call = client->queue) != NULL) {

        client->queue = call->after;

        if (client->queue == NULL) {
            client->queue_last = &client->queue;
        }

        rc = ph_wire_client_send(client, call,
                                 (ph_str_t) { call->ticket_len, call->bytes },
                                 (ph_str_t) { call->body_len,
                                              call->bytes + call->ticket_len });
        free(call->bytes);
        call->bytes = NULL;
    }

    return rc;
}

static ph_int_t
ph_wire_link_frame(ph_wire_io_t *io, const ph_wire_frame_t *frame)
{
    ph_wire_link_t     *link;
    ph_wire_client_t   *client;
    ph_wire_pending_t  *call;

    link = io->owner;
    client = link->client;

    if (client->destroyed) {
        return PH_OK;
    }

    if (frame->flags == PH_WIRE_F_EVENT) {
        if (client->opts.event != NULL) {
            client->opts.event(frame, client->opts.data);
        }

        return PH_OK;
    }

    if (frame->flags != PH_WIRE_F_ANSWER) {
        return PH_INVALID;
    }

    if (client->state == PH_WIRE_ST_HELLO && frame->id == client->hello_id) {

        if (frame->status != PH_WIRE_OK) {
            return PH_DENIED;
        }

        client->state = PH_WIRE_ST_UP;
        client->delay = PH_WIRE_DELAY_MIN;
        client->logged = false;

        ph_log(client->opts.log, PH_LOG_INFO, PH1015, "address=%s",
               ph_log_str(ph_str_c(client->address)));

        if (client->opts.state != NULL) {
            client->opts.state(true, frame->body, client->opts.data);
        }

        return PH_OK;
    }

    call = ph_wire_client_find(client, frame->id);

    if (call == NULL || call->bytes != NULL) {
        return PH_OK;           /* timed out or cancelled meanwhile */
    }

    ph_wire_client_remove(client, call);
    call->answer((ph_wire_status_t) frame->status, frame->body, call->data);
    free(call);

    return PH_OK;
}

static void
ph_wire_link_connected(uv_connect_t *req, int status)
{
    ph_wire_link_t    *link;
    ph_wire_client_t  *client;

    link = req->data;
    client = link->client;

    if (link->io.closing) {
        return;
    }

    if (status == 0
        && ph_wire_io_start(&link->io, client->ctx, false, client->addr.host)
           == PH_OK)
    {
        return;
    }

    ph_wire_link_failed(&link->io, status != 0 ? uv_strerror(status)
                                               : "cannot start");
    ph_wire_io_close(&link->io);
}

/* sa NULL: the unix socket of the address */
static void
ph_wire_client_open(ph_wire_client_t *client, const struct sockaddr *sa)
{
    int              rc;
    ph_wire_link_t  *link;

    link = ph_calloc(1, sizeof(*link));

    if (link == NULL
        || ph_wire_io_init(&link->io, &client->hub, sa == NULL) != PH_OK)
    {
        free(link);
        ph_wire_client_lost(client);
        return;
    }

    link->client = client;
    link->connect.data = link;
    link->io.owner = link;
    link->io.max_frame = client->opts.max_frame;
    link->io.frame = ph_wire_link_frame;
    link->io.ready = ph_wire_link_ready;
    link->io.failed = ph_wire_link_failed;
    link->io.closed = ph_wire_link_closed;

    client->link = link;
    client->n_links++;
    client->refs++;
    client->state = PH_WIRE_ST_CONNECT;
    client->attempt = uv_now(client->hub.loop) + client->opts.connect_timeout;
    ph_wire_client_arm(client, client->attempt);

    if (sa == NULL) {
        uv_pipe_connect(&link->connect, &link->io.uv.pipe, client->addr.path,
                        ph_wire_link_connected);
        return;
    }

    rc = uv_tcp_connect(&link->connect, &link->io.uv.tcp, sa,
                        ph_wire_link_connected);

    if (rc != 0) {
        ph_wire_link_failed(&link->io, uv_strerror(rc));
        ph_wire_io_close(&link->io);
    }
}

static void
ph_wire_client_resolved(uv_getaddrinfo_t *req, int status,
    struct addrinfo *list)
{
    ph_wire_client_t  *client;

    client = req->data;

    if (!client->destroyed) {
        if (status == 0) {
            ph_wire_client_open(client, list->ai_addr);

        } else {
            ph_wire_client_lost(client);
        }
    }

    uv_freeaddrinfo(list);
    ph_wire_client_unref(client);
}

static void
ph_wire_client_connect(ph_wire_client_t *client)
{
    struct addrinfo  hints;

    if (client->addr.local) {
        ph_wire_client_open(client, NULL);
        return;
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;

    client->state = PH_WIRE_ST_RESOLVE;
    client->resolve.data = client;

    if (uv_getaddrinfo(client->hub.loop, &client->resolve,
                       ph_wire_client_resolved, client->addr.host,
                       client->addr.port, &hints) != 0)
    {
        ph_wire_client_lost(client);
        return;
    }

    client->refs++;
}

static void
ph_wire_client_answer_cancelled(ph_wire_client_t *client)
{
    ph_wire_pending_t  *call;

    while ((call = client->cancelled) != NULL) {
        client->cancelled = call->next;
        call->answer(PH_WIRE_CANCELLED, ph_str_null, call->data);
        free(call->bytes);
        free(call);
    }
}

static void
ph_wire_client_timer(uv_timer_t *timer)
{
    uint32_t            i;
    uint64_t            now, next;
    ph_wire_client_t   *client;
    ph_wire_pending_t  *call;

    client = timer->data;
    client->armed = 0;
    now = uv_now(timer->loop);

    client->refs++;

    ph_wire_client_answer_cancelled(client);

    if (!client->destroyed && client->attempt <= now) {

        if (client->state == PH_WIRE_ST_WAIT) {
            ph_wire_client_connect(client);

        } else if (client->state == PH_WIRE_ST_CONNECT
                   || client->state == PH_WIRE_ST_HELLO)
        {
            ph_wire_link_failed(&client->link->io, "timed out");
            ph_wire_io_close(&client->link->io);
        }
    }

    if (!client->destroyed) {
        ph_wire_client_fail(client, ph_wire_call_late, PH_WIRE_UNAVAILABLE);
    }

    if (!client->destroyed) {

        next = UINT64_MAX;

        if (client->state != PH_WIRE_ST_IDLE && client->state != PH_WIRE_ST_UP
            && client->attempt > now)
        {
            next = client->attempt;
        }

        for (i = 0; i < client->table_size; i++) {
            for (call = client->table[i]; call != NULL; call = call->next) {
                next = ph_min(next, call->deadline);
            }
        }

        if (next != UINT64_MAX) {
            ph_wire_client_arm(client, next);
        }
    }

    ph_wire_client_unref(client);
}

/* ---- for the owner ---- */

ph_int_t
ph_wire_client_create(uv_loop_t *loop, const char *address,
    const ph_wire_client_opts_t *opts, ph_wire_client_t **client_r)
{
    char               err[256];
    ph_int_t           rc;
    ph_wire_client_t  *client;

    client = ph_calloc(1, sizeof(*client));
    if (client == NULL) {
        return PH_NOMEM;
    }

    err[0] = '\0';

    if (opts != NULL) {
        client->opts = *opts;
    }

    if (client->opts.connect_timeout == 0) {
        client->opts.connect_timeout = PH_WIRE_CONNECT;
    }

    client->refs = 2;
    client->delay = PH_WIRE_DELAY_MIN;
    client->queue_last = &client->queue;
    client->table_size = PH_WIRE_TABLE_FIRST;
    client->table = ph_calloc(client->table_size, sizeof(*client->table));
    client->pool = ph_pool_create("wire-client", 0);

    client->address = client->pool != NULL ? ph_pcstr(client->pool, address)
                                           : NULL;

    rc = client->table == NULL || client->address == NULL
         ? PH_NOMEM : ph_addr_parse(address, &client->addr);

    if (rc == PH_OK && !client->addr.local) {
        rc = ph_tls_context(false, client->opts.tls_cert, client->opts.tls_key,
                            client->opts.tls_ca, &client->ctx, err,
                            sizeof(err));
    }

    if (rc == PH_OK) {
        rc = ph_wire_hub_init(&client->hub, loop, client->ctx != NULL);
    }

    if (rc != PH_OK) {
        ph_log(client->opts.log, PH_LOG_ERROR, PH1016, "address=%s reason=%s",
               ph_log_str(ph_str_c(address)),
               ph_log_str(ph_str_c(err[0] != '\0' ? err
                                                  : ph_result_name(rc))));
        client->refs = 1;
        ph_wire_client_unref(client);
        return rc;
    }

    (void) uv_timer_init(loop, &client->timer);
    client->timer.data = client;

    *client_r = client;

    return PH_OK;
}

static void
ph_wire_client_timer_closed(uv_handle_t *handle)
{
    ph_wire_client_unref(handle->data);
}

void
ph_wire_client_destroy(ph_wire_client_t **client)
{
    ph_wire_client_t  *c;

    c = *client;
    if (c == NULL) {
        return;
    }

    *client = NULL;
    c->destroyed = true;

    ph_wire_client_answer_cancelled(c);
    ph_wire_client_fail(c, ph_wire_call_any, PH_WIRE_UNAVAILABLE);

    if (c->state == PH_WIRE_ST_RESOLVE) {
        (void) uv_cancel((uv_req_t *) &c->resolve);
    }

    uv_close((uv_handle_t *) &c->timer, ph_wire_client_timer_closed);

    if (c->link != NULL) {
        ph_wire_io_close(&c->link->io);
    }

    ph_wire_client_finish(c);
}

ph_int_t
ph_wire_call(ph_wire_client_t *client, uint16_t op, ph_str_t ticket,
    ph_str_t body, uint64_t timeout, ph_wire_answer_pt answer, void *data,
    uint32_t *id_r)
{
    uint64_t            now;
    ph_int_t            rc;
    ph_wire_pending_t  *call;

    if (ticket.len > PH_WIRE_MAX_TICKET
        || body.len > PH_WIRE_MAX_FRAME - PH_WIRE_HEADER - ticket.len)
    {
        return PH_TOOBIG;
    }

    if (client->destroyed) {
        return PH_ABORT;
    }

    if (client->link != NULL
        && ph_wire_io_waiting(&client->link->io) > PH_WIRE_OUT_MAX)
    {
        return PH_BUSY;
    }

    call = ph_calloc(1, sizeof(*call));
    if (call == NULL) {
        return PH_NOMEM;
    }

    now = uv_now(client->hub.loop);

    call->answer = answer;
    call->data = data;
    call->op = op;
    call->timeout = timeout != 0 ? timeout : PH_WIRE_TIMEOUT;
    call->id = ph_wire_client_id(client);

    if (client->n_calls >= client->table_size) {
        ph_wire_client_grow(client);
    }

    if (client->state >= PH_WIRE_ST_HELLO && !client->link->io.closing) {

        rc = ph_wire_client_send(client, call, ticket, body);

        if (rc != PH_OK) {
            free(call);
            return rc;
        }

        ph_wire_client_insert(client, call);

    } else {

        call->bytes = ph_malloc(ticket.len + body.len + 1);
        if (call->bytes == NULL) {
            free(call);
            return PH_NOMEM;
        }

        if (ticket.len != 0) {
            memcpy(call->bytes, ticket.data, ticket.len);
        }

        if (body.len != 0) {
            memcpy(call->bytes + ticket.len, body.data, body.len);
        }

        call->ticket_len = ticket.len;
        call->body_len = body.len;
        call->deadline = now + ph_min(call->timeout,
                                      client->opts.connect_timeout);

        *client->queue_last = call;
        client->queue_last = &call->after;

        ph_wire_client_insert(client, call);
        ph_wire_client_arm(client, call->deadline);

        if (client->state == PH_WIRE_ST_IDLE) {
            /* from the timer, so that no answer can come from inside here */
            client->state = PH_WIRE_ST_WAIT;
            client->attempt = now;
            ph_wire_client_arm(client, now);
        }
    }

    if (id_r != NULL) {
        *id_r = call->id;
    }

    return PH_OK;
}

void
ph_wire_client_start(ph_wire_client_t *client)
{
    if (client->state == PH_WIRE_ST_IDLE) {
        client->state = PH_WIRE_ST_WAIT;
        client->attempt = uv_now(client->hub.loop);
        ph_wire_client_arm(client, client->attempt);
    }
}

void
ph_wire_cancel(ph_wire_client_t *client, uint32_t id)
{
    ph_wire_pending_t  *call;

    call = ph_wire_client_find(client, id);

    if (call == NULL) {
        return;
    }

    if (call->bytes == NULL && client->link != NULL
        && client->state >= PH_WIRE_ST_HELLO)
    {
        (void) ph_wire_io_send(&client->link->io, PH_WIRE_F_CANCEL, call->op,
                               id, 0, ph_str_null, ph_str_null);
    }

    ph_wire_client_remove(client, call);

    call->next = client->cancelled;
    client->cancelled = call;

    ph_wire_client_arm(client, uv_now(client->hub.loop));
}
