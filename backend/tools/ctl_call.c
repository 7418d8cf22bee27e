/* Configuration, ticket, calls, errors. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "gen/dir.h"
#include "tools/ctl.h"

int ctl_error(ctl_t *c, int code, const char *fmt, ...)
{
    va_list   args;
    char      text[2048];
    json_t   *j;
    char     *s;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (c->json) {
        j = json_pack("{s:s, s:i}", "error", text, "code", code);
        s = j ? json_dumps(j, JSON_COMPACT) : NULL;
        fprintf(stderr, "%s\n", s ? s : text);
        free(s);
        json_decref(j);
    } else {
        fprintf(stderr, "phctl: %s\n", text);
    }
    return code;
}

/* The first unix: address of a list, else its first. */
static const char *ctl_first_address(const ph_conf_t *conf,
    const char *section, const char *name)
{
    const char *const  *list;
    size_t              n, i;

    n = ph_conf_list(conf, section, name, &list);
    for (i = 0; i < n; i++) {
        if (strncmp(list[i], "unix:", 5) == 0) {
            return list[i];
        }
    }
    return n ? list[0] : "";
}

int ctl_conf(ctl_t *c)
{
    const char  *err = "";
    ph_int_t     rc;

    if (c->conf != NULL) {
        return CTL_OK;
    }

    rc = ph_conf_load(c->pool, c->conf_path, &c->conf, &err);
    if (rc != PH_OK) {
        c->conf = NULL;
        return ctl_error(c, CTL_CONFIG, "%s%s%s", err && *err ? "" :
                         c->conf_path, err && *err ? "" : ": ",
                         err && *err ? err : "cannot be read");
    }

    c->address[CTL_DIRECTORY] = ctl_first_address(c->conf, "directory",
                                                  "listen");
    c->address[CTL_EXMDB] = ph_psprintf(c->pool, "unix:%s",
        ph_conf_str(c->conf, "exmdb", "socket"));
    c->address[CTL_DELIVERY] = ctl_first_address(c->conf, "delivery",
                                                 "listen");
    return CTL_OK;
}

static int ctl_exit_code(ph_wire_status_t status)
{
    switch (status) {
    case PH_WIRE_OK:
        return CTL_OK;
    case PH_WIRE_NOT_FOUND:
        return CTL_NOTFOUND;
    case PH_WIRE_EXISTS:
        return CTL_EXISTS;
    case PH_WIRE_DENIED:
        return CTL_DENIED;
    case PH_WIRE_BAD_REQUEST:
    case PH_WIRE_TOO_BIG:
    case PH_WIRE_WRONG_NODE:
        return CTL_REFUSED;
    case PH_WIRE_BUSY:
    case PH_WIRE_NO_SPACE:
        return CTL_BUSY;
    case PH_WIRE_UNAVAILABLE:
        return CTL_UNAVAILABLE;
    default:
        return CTL_FAILED;
    }
}

static const char *ctl_meaning(ph_wire_status_t status)
{
    switch (status) {
    case PH_WIRE_NOT_FOUND:
        return "not found";
    case PH_WIRE_EXISTS:
        return "exists already";
    case PH_WIRE_DENIED:
        return "permission denied; run it as root or as a user that "
               "directory.admins names";
    case PH_WIRE_BAD_REQUEST:
        return "the server does not accept the request";
    case PH_WIRE_TOO_BIG:
        return "a value is too large";
    case PH_WIRE_WRONG_NODE:
        return "the mailbox lives on another node";
    case PH_WIRE_BUSY:
        return "the server is busy, try again";
    case PH_WIRE_NO_SPACE:
        return "no space left, or the quota is used up";
    case PH_WIRE_UNAVAILABLE:
        return "the server behind it cannot be reached";
    case PH_WIRE_BAD_OP:
        return "the server does not know this operation";
    default:
        return "the server failed; its log says why";
    }
}

/* The servers send a text with an error: show it without control characters. */
static const char *ctl_server_text(ctl_t *c, ph_str_t body)
{
    char    *text;
    size_t   i;

    if (body.len == 0 || body.len > 1500 || !ph_utf8_valid(body)) {
        return NULL;
    }
    text = ph_psprintf(c->pool, "%.*s", PH_STR_ARG(body));
    if (text == NULL) {
        return NULL;
    }
    for (i = 0; text[i] != '\0'; i++) {
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = ' ';
        }
    }
    return text;
}

/* What a call ended with, told. */
static int ctl_result(ctl_t *c, ph_int_t rc, ph_wire_status_t status,
    const char *address, ph_str_t answer)
{
    const char  *text;

    if (rc == PH_TIMEOUT) {
        return ctl_error(c, CTL_UNAVAILABLE, "%s does not answer", address);
    }
    if (rc != PH_OK) {
        return ctl_error(c, CTL_UNAVAILABLE,
                         "cannot reach %s; is the daemon running? "
                         "(phctl status)", address);
    }
    if (status == PH_WIRE_OK) {
        return CTL_OK;
    }

    text = ctl_server_text(c, answer);
    return ctl_error(c, ctl_exit_code(status), "%s",
                     text ? text : ctl_meaning(status));
}

/* The client of directory and exmdb. */
static int ctl_client(ctl_t *c)
{
    cl_opts_t    opts;
    const char  *wrong;
    int          rc;

    if (c->client != NULL) {
        return CTL_OK;
    }
    rc = ctl_conf(c);
    if (rc != CTL_OK) {
        return rc;
    }
    if (c->address[CTL_DIRECTORY][0] == '\0') {
        return ctl_error(c, CTL_CONFIG, "%s: no address of the server",
                         c->conf_path);
    }

    memset(&opts, 0, sizeof(opts));
    opts.directory = c->address[CTL_DIRECTORY];
    opts.exmdb = c->address[CTL_EXMDB];
    opts.name = geteuid() == 0 ? "root" : "admin";
    opts.kind = PH_TICKET_ADMIN;
    opts.max_frame = CTL_MAX_ANSWER;
    if (cl_sync_create(&opts, &c->client) != PH_OK) {
        opts.exmdb = "";
        wrong = cl_sync_create(&opts, &c->client) == PH_OK
                ? c->address[CTL_EXMDB] : c->address[CTL_DIRECTORY];
        cl_sync_destroy(&c->client);
        return ctl_error(c, CTL_CONFIG, "\"%s\" is not an address", wrong);
    }
    return CTL_OK;
}

int ctl_ticket(ctl_t *c)
{
    ph_wire_status_t  status = PH_WIRE_UNAVAILABLE;
    ph_str_t          answer = ph_str_null;
    ph_int_t          prc;
    int               rc;

    if (c->ticket.len) {
        return CTL_OK;
    }
    rc = ctl_client(c);
    if (rc != CTL_OK) {
        return rc;
    }
    prc = cl_sync_ticket(c->client, c->pool, &status, &c->ticket);
    if (prc == PH_INVALID) {
        return ctl_error(c, CTL_FAILED,
                         "the answer of the directory does not decode");
    }
    return ctl_result(c, prc, status, c->address[CTL_DIRECTORY], answer);
}

/* The mailbox that a request to exmdb begins with: its worker is asked. */
static ph_str_t ctl_mailbox_of(ph_str_t body)
{
    ph_cur_t  cur;
    ph_str_t  s;

    ph_cur_init(&cur, body.data, body.len);
    s = ph_cur_bytes(&cur, ph_cur_u16(&cur));
    return cur.error ? ph_str_null : s;
}

/* A server that only phctl talks to. */
static ph_int_t ctl_call_peer(ctl_t *c, ctl_peer_t peer, uint16_t op,
    ph_str_t body, ph_wire_status_t *status_r, ph_str_t *answer_r)
{
    ph_wire_client_opts_t  opts = { .max_frame = CTL_MAX_ANSWER };

    if (c->peer[peer] == NULL
        && ph_wire_sync_create(c->address[peer], &opts, &c->peer[peer])
           != PH_OK)
    {
        return PH_ERROR;
    }
    return ph_wire_sync_call(c->peer[peer], c->pool, op, c->ticket, body,
                             CTL_TIMEOUT, status_r, answer_r);
}

int ctl_call(ctl_t *c, ctl_peer_t peer, uint16_t op, ph_str_t body,
    ph_str_t *answer_r)
{
    ph_wire_status_t  status = PH_WIRE_UNAVAILABLE;
    ph_int_t          prc;
    int               rc;

    *answer_r = ph_str_null;
    rc = ctl_ticket(c);
    if (rc != CTL_OK) {
        return rc;
    }
    if (c->address[peer][0] == '\0') {
        return ctl_error(c, CTL_CONFIG, "%s: no address of the server",
                         c->conf_path);
    }

    if (peer == CTL_DIRECTORY) {
        prc = cl_sync_directory(c->client, c->pool, op, body, CTL_TIMEOUT,
                                &status, answer_r);
    } else if (peer == CTL_EXMDB) {
        prc = cl_sync_mailbox(c->client, c->pool, ctl_mailbox_of(body), op,
                              body, false, CTL_TIMEOUT, &status, answer_r);
    } else {
        prc = ctl_call_peer(c, peer, op, body, &status, answer_r);
    }
    return ctl_result(c, prc, status, c->address[peer], *answer_r);
}

int ctl_call_worker(ctl_t *c, const ctl_worker_t *worker, uint16_t op,
    ph_str_t body, ph_str_t *answer_r)
{
    ph_wire_status_t  status = PH_WIRE_UNAVAILABLE;
    ph_int_t          prc;

    *answer_r = ph_str_null;
    prc = cl_sync_worker(c->client, c->pool, worker->number, op, body,
                         CTL_TIMEOUT, &status, answer_r);
    return ctl_result(c, prc, status, worker->address, *answer_r);
}
