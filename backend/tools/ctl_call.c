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

int ctl_call_at(ctl_t *c, ph_wire_sync_t *sync, const char *address,
    uint16_t op, ph_str_t body, ph_str_t *answer_r)
{
    ph_wire_status_t   status = PH_WIRE_UNAVAILABLE;
    const char        *text;
    ph_int_t           rc;

    errno = 0;
    rc = ph_wire_sync_call(sync, c->pool, op, c->ticket, body, CTL_TIMEOUT,
                           &status, answer_r);
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

    text = ctl_server_text(c, *answer_r);
    return ctl_error(c, ctl_exit_code(status), "%s",
                     text ? text : ctl_meaning(status));
}

static int ctl_connect(ctl_t *c, ctl_peer_t peer)
{
    ph_wire_client_opts_t  opts = { .max_frame = CTL_MAX_ANSWER };

    if (c->peer[peer] != NULL) {
        return CTL_OK;
    }
    if (c->address[peer] == NULL || c->address[peer][0] == '\0') {
        return ctl_error(c, CTL_CONFIG, "%s: no address of the server",
                         c->conf_path);
    }
    if (ph_wire_sync_create(c->address[peer], &opts, &c->peer[peer]) != PH_OK)
    {
        return ctl_error(c, CTL_CONFIG, "\"%s\" is not an address",
                         c->address[peer]);
    }
    return CTL_OK;
}

int ctl_ticket(ctl_t *c)
{
    dir_service_ticket_request_t  req = { .kind = PH_TICKET_ADMIN };
    dir_service_ticket_answer_t   ans;
    const char                   *login;
    ph_str_t                      body, answer;
    int                           rc;

    if (c->ticket.len) {
        return CTL_OK;
    }

    rc = ctl_conf(c);
    if (rc == CTL_OK) {
        rc = ctl_connect(c, CTL_DIRECTORY);
    }
    if (rc != CTL_OK) {
        return rc;
    }

    login = geteuid() == 0 ? "root" : "admin";
    req.name = ph_str_c(login);
    if (dir_service_ticket_request_encode_new(c->pool, &req, &body) != PH_OK) {
        return ctl_error(c, CTL_FAILED, "out of memory");
    }
    rc = ctl_call_at(c, c->peer[CTL_DIRECTORY], c->address[CTL_DIRECTORY],
                     DIR_OP_SERVICE_TICKET, body, &answer);
    if (rc != CTL_OK) {
        return rc;
    }
    if (dir_service_ticket_answer_decode_all(answer, c->pool, &ans) != PH_OK) {
        return ctl_error(c, CTL_FAILED,
                         "the answer of the directory does not decode");
    }
    c->ticket = ans.ticket;
    return CTL_OK;
}

int ctl_call(ctl_t *c, ctl_peer_t peer, uint16_t op, ph_str_t body,
    ph_str_t *answer_r)
{
    int  rc;

    rc = ctl_ticket(c);
    if (rc == CTL_OK) {
        rc = ctl_connect(c, peer);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    return ctl_call_at(c, c->peer[peer], c->address[peer], op, body, answer_r);
}
