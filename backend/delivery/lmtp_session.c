/* What the commands do. */

#include "lmtp.h"
#include "acks.h"
#include "report.h"
#include "client/cl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LMTP_RESOLVE_MS  20000


void
lmtp_session_greet(lmtp_conn_t *c)
{
    lmtp_reply(c, "220 %s LMTP Posthorn", c->server->d->hostname);
}


void
lmtp_txn_destroy(lmtp_txn_t **txnp)
{
    lmtp_txn_t  *txn = *txnp;
    ph_pool_t   *pool;

    if (txn == NULL) {
        return;
    }

    *txnp = NULL;
    deliver_finish(&txn->t);

    if (txn->map != NULL) {
        munmap(txn->map, txn->size);
    }
    if (txn->fd >= 0) {
        close(txn->fd);
    }

    pool = txn->pool;
    ph_pool_destroy(&pool);
}


void
lmtp_acknowledge(lmtp_txn_t *txn, delivery_t *d)
{
    deliver_dest_t  *dest;

    for (uint32_t i = 0; i < txn->n_rcpts; i++) {
        lmtp_rcpt_t  *r = &txn->rcpts[i];
        bool          all = true;

        /* a recipient that failed comes again: its mailboxes must remember */
        for (uint32_t k = 0; k < r->n_dests; k++) {
            all &= txn->t.dests[r->dests[k]].result == DELIVER_OK;
        }

        for (uint32_t k = 0; k < r->n_dests; k++) {
            dest = &txn->t.dests[r->dests[k]];
            if (!all) {
                dest->duplicate = true;
                memset(dest->id, 0, sizeof(dest->id));
            }
        }
    }

    static const uint8_t  none[DELIVERY_ID];

    for (uint32_t i = 0; i < txn->t.n_dests; i++) {
        dest = &txn->t.dests[i];
        if (!dest->outside && dest->result == DELIVER_OK
            && memcmp(dest->id, none, sizeof(none)) != 0)
        {
            acks_add(d->acks, dest->address, dest->id);
        }
    }
}


static void
lmtp_error(lmtp_conn_t *c, const char *text)
{
    lmtp_reply(c, "%s", text);

    if (++c->errors > LMTP_MAX_ERRORS) {
        lmtp_reply(c, "421 4.7.0 too many errors");
        c->quit = true;
    }
}


static void
lmtp_lhlo(lmtp_conn_t *c, ph_str_t args)
{
    size_t  n = 0;

    if (args.len == 0) {
        lmtp_error(c, "501 5.5.4 LHLO needs a name");
        return;
    }

    for (size_t i = 0; i < args.len && n < sizeof(c->lhlo) - 1; i++) {
        if (args.data[i] > 32 && args.data[i] < 127
            && strchr("()<>\"\\;", args.data[i]) == NULL)
        {
            c->lhlo[n++] = (char) args.data[i];
        }
    }
    c->lhlo[n] = '\0';
    c->greeted = true;
    lmtp_txn_destroy(&c->txn);

    lmtp_reply(c, "250-%s", c->server->d->hostname);
    lmtp_reply(c, "250-PIPELINING");
    lmtp_reply(c, "250-8BITMIME");
    lmtp_reply(c, "250-SMTPUTF8");
    lmtp_reply(c, "250-ENHANCEDSTATUSCODES");
    lmtp_reply(c, "250-DSN");
    lmtp_reply(c, "250 SIZE %zu", c->server->d->max_message);
}


static const char *
lmtp_path_error(ph_int_t rc)
{
    return rc == PH_DECLINED ? "555 5.5.4 unknown parameter"
           : rc == PH_TOOBIG ? "501 5.1.3 address too long"
                             : "501 5.5.4 syntax error in address or parameter";
}


static bool
lmtp_is_ascii(ph_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] >= 0x80) {
            return false;
        }
    }

    return true;
}


static void
lmtp_mail(lmtp_conn_t *c, ph_str_t args)
{
    ph_int_t      rc;
    ph_pool_t    *pool;
    lmtp_txn_t   *txn;
    lmtp_path_t   mail;
    delivery_t   *d = c->server->d;

    if (!c->greeted) {
        lmtp_error(c, "503 5.5.1 LHLO first");
        return;
    }
    if (c->txn != NULL) {
        lmtp_error(c, "503 5.5.1 nested MAIL");
        return;
    }

    rc = lmtp_path(args, "FROM:", &mail);
    if (rc != PH_OK) {
        lmtp_error(c, lmtp_path_error(rc));
        return;
    }
    if (mail.size > d->max_message) {
        lmtp_reply(c, "552 5.3.4 message too big");
        return;
    }
    if (!mail.smtputf8 && !lmtp_is_ascii(mail.address)) {
        lmtp_error(c, "550 5.6.7 address needs SMTPUTF8");
        return;
    }

    pool = ph_pool_create("lmtp", 4 * d->spool_above + (64u << 20));
    txn = pool ? ph_pcalloc(pool, sizeof(*txn)) : NULL;
    if (txn == NULL) {
        ph_pool_destroy(&pool);
        lmtp_reply(c, "452 4.3.1 out of memory");
        return;
    }

    txn->pool = pool;
    txn->fd = -1;
    txn->t.d = d;
    txn->t.pool = pool;
    txn->t.sender = ph_pstrdup(pool, mail.address);
    txn->t.ret = ph_pstrdup(pool, mail.ret);
    txn->t.envid = ph_pstrdup(pool, mail.envid);
    txn->t.smtputf8 = mail.smtputf8;
    delivery_request_id(txn->t.rid);
    ph_wbuf_init(&txn->body, pool, 2 * d->spool_above + LMTP_IN_SIZE);
    c->txn = txn;

    lmtp_reply(c, "250 2.1.0 ok");
}


static ph_int_t
lmtp_add_recipient(lmtp_txn_t *txn, const dir_resolve_answer_t *a)
{
    bool             local;
    uint32_t         cap;
    ph_int_t         rc;
    lmtp_rcpt_t     *list;
    deliver_dest_t  *dest;

    if (txn->n_rcpts == txn->cap_rcpts) {
        cap = txn->cap_rcpts ? 2 * txn->cap_rcpts : 4;
        list = ph_prealloc(txn->pool, txn->rcpts,
                           txn->cap_rcpts * sizeof(*list),
                           cap * sizeof(*list));
        if (list == NULL) {
            return PH_NOMEM;
        }
        txn->rcpts = list;
        txn->cap_rcpts = cap;
    }

    list = &txn->rcpts[txn->n_rcpts];
    memset(list, 0, sizeof(*list));
    list->address = txn->resolving;
    list->notify = txn->notify;
    list->orcpt = txn->orcpt;
    list->dests = ph_pcalloc_array(txn->pool, a->destinations_count,
                                   sizeof(*list->dests));
    if (list->dests == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < a->destinations_count; i++) {
        local = a->destinations[i].local != 0;
        rc = deliver_add(&txn->t, !local,
                         local ? a->destinations[i].who.address
                               : a->destinations[i].address,
                         txn->resolving, &list->dests[list->n_dests]);
        if (rc != PH_OK) {
            return rc;
        }

        if (!local) {
            dest = &txn->t.dests[list->dests[list->n_dests]];
            dest->notify |= txn->notify;
            dest->orcpt = txn->orcpt;
            list->elsewhere = true;
        }
        list->n_dests++;
    }

    txn->n_rcpts++;
    return PH_OK;
}


static void
lmtp_resolved(ph_wire_status_t status, ph_str_t body, void *data)
{
    bool                   unknown = false;
    ph_int_t               rc = PH_OK;
    lmtp_conn_t           *c = data;
    lmtp_txn_t            *txn = c->txn;
    ph_pool_t             *pool = NULL;
    dir_resolve_answer_t   a;

    if (c->closed || txn == NULL) {
        lmtp_resume(c);
        return;
    }

    if (status == PH_WIRE_OK) {
        pool = ph_pool_create("resolve", 16 << 20);
        rc = pool ? dir_resolve_answer_decode_all(body, pool, &a) : PH_NOMEM;

        if (rc == PH_OK && a.refused) {
            lmtp_reply(c, "550 5.7.1 this sender may not write to <%.*s>",
                       PH_STR_ARG(txn->resolving));
        } else if (rc == PH_OK && !a.local_domain) {
            lmtp_reply(c, "550 5.1.2 <%.*s> is not local",
                       PH_STR_ARG(txn->resolving));
        } else if (rc == PH_OK && a.destinations_count == 0) {
            unknown = true;
        } else if (rc == PH_OK) {
            rc = lmtp_add_recipient(txn, &a);
            if (rc == PH_OK) {
                lmtp_reply(c, "250 2.1.5 ok");
            }
        }

        if (rc != PH_OK) {
            lmtp_reply(c, rc == PH_TOOBIG
                          ? "452 4.5.3 too many recipients"
                          : "451 4.3.0 directory trouble, try again later");
        }

    } else if (status == PH_WIRE_NOT_FOUND) {
        unknown = true;

    } else if (status == PH_WIRE_BAD_REQUEST) {
        lmtp_reply(c, "501 5.1.3 bad address");

    } else {
        ph_log_write(c->server->d->log, PH_LOG_WARN, PH5002,
                     ph_str_c(txn->t.rid), "status=%s",
                     ph_wire_status_name(status));
        lmtp_reply(c, "451 4.3.0 directory not available, try again later");
    }

    if (unknown) {
        ph_log_write(c->server->d->log, PH_LOG_INFO, PH5012,
                     ph_str_c(txn->t.rid), "to=%s from=%s peer=%s",
                     ph_log_str(txn->resolving), ph_log_str(txn->t.sender),
                     c->peer);
        lmtp_reply(c, "550 5.1.1 <%.*s> unknown", PH_STR_ARG(txn->resolving));
    }

    ph_pool_destroy(&pool);
    lmtp_resume(c);
}


static void
lmtp_rcpt(lmtp_conn_t *c, ph_str_t args)
{
    ph_int_t               rc;
    ph_str_t               body;
    lmtp_txn_t            *txn = c->txn;
    lmtp_path_t            path;
    dir_resolve_request_t  r;

    if (txn == NULL) {
        lmtp_error(c, "503 5.5.1 MAIL first");
        return;
    }

    rc = lmtp_path(args, "TO:", &path);
    if (rc != PH_OK || path.address.len == 0) {
        lmtp_error(c, lmtp_path_error(rc));
        return;
    }
    if (txn->n_rcpts >= c->server->max_recipients) {
        lmtp_reply(c, "452 4.5.3 too many recipients");
        return;
    }
    if (!txn->t.smtputf8 && !lmtp_is_ascii(path.address)) {
        lmtp_error(c, "553 5.6.7 address needs SMTPUTF8");
        return;
    }

    txn->resolving = ph_pstrdup(txn->pool, path.address);
    txn->notify = path.notify;
    txn->orcpt = ph_pstrdup(txn->pool, path.orcpt);
    memset(&r, 0, sizeof(r));
    r.address = txn->resolving;
    r.sender = txn->t.sender;

    if (txn->resolving.data == NULL || txn->orcpt.data == NULL
        || dir_resolve_request_encode_new(txn->pool, &r, &body) != PH_OK)
    {
        lmtp_reply(c, "452 4.3.1 out of memory");
        return;
    }

    c->busy = true;
    delivery_directory(c->server->d, DIR_OP_RESOLVE, body, LMTP_RESOLVE_MS,
                       lmtp_resolved, c);
}


static void
lmtp_begin_data(lmtp_conn_t *c)
{
    if (c->txn == NULL) {
        lmtp_error(c, "503 5.5.1 MAIL first");
        return;
    }
    if (c->txn->n_rcpts == 0) {
        lmtp_error(c, "503 5.5.1 no valid recipients");
        return;
    }

    lmtp_reply(c, "354 end with <CRLF>.<CRLF>");
    lmtp_data_init(&c->data);
    c->state = LMTP_BODY;
}


/* a message that does not fit into memory goes to a file without a name */
static void
lmtp_spool(lmtp_txn_t *txn, const uint8_t *data, size_t len)
{
    ssize_t      n;
    delivery_t  *d = txn->t.d;

    if (txn->fd < 0) {
        txn->fd = open(d->queue_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (txn->fd < 0) {
            goto failed;
        }
        if (txn->body.len != 0) {
            ph_wbuf_t  body = txn->body;

            memset(&txn->body, 0, sizeof(txn->body));
            lmtp_spool(txn, body.data, body.len);
            ph_pfree(txn->pool, body.data, body.cap);
        }
    }

    while (len != 0 && !txn->failed) {
        n = write(txn->fd, data, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            goto failed;
        }
        data += n;
        len -= (size_t) n;
    }

    return;

failed:

    txn->failed = true;
    ph_log_write(d->log, PH_LOG_ERROR, PH5015, ph_str_c(txn->t.rid),
                 "error=\"%s\"", strerror(errno));
}


static void
lmtp_body_put(void *sink, const uint8_t *data, size_t len)
{
    lmtp_txn_t  *txn = sink;
    delivery_t  *d = txn->t.d;

    if (txn->too_big || txn->failed) {
        return;
    }

    if (txn->size + len > d->max_message) {
        txn->too_big = true;
        return;
    }

    txn->size += len;

    if (txn->fd < 0 && txn->size <= d->spool_above) {
        ph_put_bytes(&txn->body, data, len);
        txn->failed |= txn->body.error;
    } else {
        lmtp_spool(txn, data, len);
    }
}


/* the reply for a recipient is that of its worst mailbox */
static deliver_result_t
lmtp_result(const lmtp_txn_t *txn, const lmtp_rcpt_t *r)
{
    deliver_result_t  result = DELIVER_OK, one;

    for (uint32_t i = 0; i < r->n_dests; i++) {
        one = txn->t.dests[r->dests[i]].result;
        if (one == DELIVER_LATER || one == DELIVER_NO_DISK) {
            return one;        /* it comes again; who has it, keeps it */
        }
        result = one != DELIVER_OK ? one : result;
    }

    return result;
}


/* the replies of a transaction; flushing takes it over */
static void
lmtp_answer(lmtp_txn_t *txn)
{
    lmtp_conn_t       *c = txn->conn;
    deliver_result_t   result;

    for (uint32_t i = 0; i < txn->n_rcpts; i++) {
        result = lmtp_result(txn, &txn->rcpts[i]);
        if (result == DELIVER_OK) {
            lmtp_reply(c, "250 2.0.0 <%.*s> delivered id %s",
                       PH_STR_ARG(txn->rcpts[i].address), txn->t.rid);
        } else {
            lmtp_reply(c, "%s", deliver_reply(result));
        }
    }

    lmtp_flush(c, txn);        /* which owns it now */
    lmtp_resume(c);
}


/*
 * Does the sender want to hear of it?  A group with members elsewhere is
 * reported by the queue, member by member.
 */
static bool
lmtp_tells(const lmtp_txn_t *txn, const lmtp_rcpt_t *r)
{
    return (r->notify & LMTP_NOTIFY_SUCCESS) && !r->elsewhere
           && txn->t.sender.len != 0 && lmtp_result(txn, r) == DELIVER_OK;
}


/* a thread */
static void
lmtp_report(void *data)
{
    size_t          n = 0;
    ph_int_t        rc;
    lmtp_txn_t     *txn = data;
    bounce_rcpt_t  *list;
    queue_entry_t  *e;

    e = queue_entry_create();
    list = e ? ph_pcalloc_array(e->pool, txn->n_rcpts, sizeof(*list)) : NULL;
    rc = list ? queue_entry_dsn(e, txn->t.ret, txn->t.envid) : PH_NOMEM;

    for (uint32_t i = 0; rc == PH_OK && i < txn->n_rcpts; i++) {
        if (!lmtp_tells(txn, &txn->rcpts[i])) {
            continue;
        }
        if (n == 0) {
            memcpy(e->id, txn->t.dests[txn->rcpts[i].dests[0]].id, QUEUE_ID);
        }
        list[n++] = (bounce_rcpt_t) {
            .address = txn->rcpts[i].address, .orcpt = txn->rcpts[i].orcpt,
            .action = BOUNCE_DELIVERED, .status = "2.0.0"
        };
    }

    if (rc == PH_OK) {
        e->sender = txn->t.sender;
        e->flags = txn->t.smtputf8 ? QUEUE_F_SMTPUTF8 : 0;
        rc = report_store(txn->t.d->queue, e, list, n, txn->t.bytes);
    }

    if (rc != PH_OK) {
        /* the message itself is delivered, and says so */
        ph_log_write(txn->t.d->log, PH_LOG_ERROR, PH5030,
                     ph_str_c(txn->t.rid), "from=%s result=%s",
                     ph_log_str(txn->t.sender), ph_result_name(rc));
    }

    if (e != NULL) {
        queue_entry_destroy(&e);
    }
}


static void
lmtp_reported(void *data)
{
    lmtp_txn_t  *txn = data;

    queue_wake(txn->t.d->queue);
    lmtp_answer(txn);
}


static void
lmtp_delivered(deliver_t *t)
{
    bool          tell = false;
    lmtp_conn_t  *c = t->data;
    lmtp_txn_t   *txn = c->txn;

    c->txn = NULL;
    txn->conn = c;

    for (uint32_t i = 0; i < txn->n_rcpts; i++) {
        tell |= lmtp_tells(txn, &txn->rcpts[i]);
    }

    if (!tell || ph_work(t->d->loop, lmtp_report, lmtp_reported, txn)
                 != PH_OK)
    {
        lmtp_answer(txn);
    }
}


static void
lmtp_reply_all(lmtp_conn_t *c, const char *text)
{
    for (uint32_t i = 0; i < c->txn->n_rcpts; i++) {
        lmtp_reply(c, "%s", text);
    }
    lmtp_txn_destroy(&c->txn);
}


static void
lmtp_end_data(lmtp_conn_t *c)
{
    char         from[400];
    lmtp_txn_t  *txn = c->txn;

    c->state = LMTP_COMMANDS;

    if (txn->too_big) {
        lmtp_reply_all(c, "552 5.3.4 message too big");
        return;
    }

    if (!txn->failed && txn->fd >= 0) {
        txn->map = mmap(NULL, txn->size, PROT_READ, MAP_PRIVATE, txn->fd, 0);
        if (txn->map == MAP_FAILED) {
            txn->map = NULL;
            txn->failed = true;
        }
        txn->t.bytes = (ph_str_t) { txn->size, txn->map };
    } else {
        txn->t.bytes = ph_wbuf_str(&txn->body);
    }

    if (txn->failed) {
        lmtp_reply_all(c, "452 4.3.1 insufficient storage");
        return;
    }

    (void) snprintf(from, sizeof(from), "%s (%s)", c->lhlo, c->peer);
    txn->t.trace = deliver_trace(c->server->d, txn->pool, ph_str_c(from),
                                 txn->t.smtputf8 ? "UTF8LMTP" : "LMTP",
                                 txn->t.rid,
                                 txn->n_rcpts == 1 ? txn->rcpts[0].address
                                                   : ph_str_null);
    txn->t.done = lmtp_delivered;
    txn->t.data = c;
    c->busy = true;
    deliver_start(&txn->t);
}


static void
lmtp_dispatch(lmtp_conn_t *c, ph_str_t line)
{
    lmtp_command_t  cmd;

    lmtp_command(line, &cmd);

    switch (cmd.verb) {
    case LMTP_LHLO:
        lmtp_lhlo(c, cmd.args);
        return;
    case LMTP_MAIL:
        lmtp_mail(c, cmd.args);
        return;
    case LMTP_RCPT:
        lmtp_rcpt(c, cmd.args);
        return;
    case LMTP_DATA:
        lmtp_begin_data(c);
        return;
    case LMTP_RSET:
        lmtp_txn_destroy(&c->txn);
        lmtp_reply(c, "250 2.0.0 ok");
        return;
    case LMTP_NOOP:
        lmtp_reply(c, "250 2.0.0 ok");
        return;
    case LMTP_QUIT:
        lmtp_reply(c, "221 2.0.0 bye");
        c->quit = true;
        return;
    case LMTP_VRFY:
        lmtp_reply(c, "252 2.5.2 send some mail, I will try");
        return;
    case LMTP_HELP:
        lmtp_reply(c, "214 2.0.0 LHLO MAIL RCPT DATA RSET NOOP QUIT");
        return;
    case LMTP_HELO:
        lmtp_error(c, "500 5.5.1 this is LMTP: LHLO");
        return;
    case LMTP_BDAT:
    case LMTP_UNKNOWN:
        lmtp_error(c, "500 5.5.1 unknown command");
        return;
    }
}


void
lmtp_session_run(lmtp_conn_t *c)
{
    size_t    at = 0, used = 0;
    ph_int_t  rc;
    ph_str_t  line;

    c->running = true;

    while (!c->busy && !c->closed && !c->quit && at < c->in_len) {

        if (c->state == LMTP_BODY) {
            rc = lmtp_data_feed(&c->data, c->in + at, c->in_len - at, &used,
                                lmtp_body_put, c->txn);
            at += used;
            if (rc == PH_OK) {
                lmtp_end_data(c);
            }
            continue;
        }

        rc = lmtp_line(c->in + at, c->in_len - at, LMTP_MAX_LINE,
                       &c->scanned, &line, &used);
        if (rc == PH_AGAIN) {
            break;
        }
        if (rc == PH_TOOBIG) {
            lmtp_reply(c, "500 5.5.2 line too long");
            c->quit = true;
            break;
        }

        lmtp_dispatch(c, line);
        at += used;
    }

    c->running = false;

    if (c->in == NULL) {
        return;
    }

    c->in_len -= at;
    memmove(c->in, c->in + at, c->in_len);
}
