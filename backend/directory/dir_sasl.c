#include "dir_sasl.h"
#include "lib/ph_str.h"

#include <stdio.h>
#include <stdlib.h>

typedef enum {
    sw_free = 0,
    sw_plain,         /* PLAIN without an initial response: it comes in CONT */
    sw_user,          /* LOGIN: expects the name */
    sw_password,      /* LOGIN: expects the password */
    sw_checking
} sasl_state_t;

typedef struct {
    sasl_state_t  state;
    uint32_t      id;
    size_t        user_len;
    size_t        client_len;
    uint8_t       user[DIR_SASL_NAME_MAX];
    uint8_t       client[DIR_SASL_CLIENT_MAX];
} sasl_request_t;

struct dir_sasl_s {
    dir_sasl_calls_t  calls;
    bool              has_version;
    bool              has_pid;
    size_t            line_len;
    uint8_t           line[DIR_SASL_LINE_MAX];
    sasl_request_t    requests[DIR_SASL_REQUESTS_MAX];
};


/* ---- parsing ---- */

static bool
sasl_field(ph_str_t *rest, ph_str_t *field)
{
    const uint8_t  *tab;

    if (rest->data == NULL) {
        return false;
    }

    tab = rest->len ? memchr(rest->data, '\t', rest->len) : NULL;

    if (tab == NULL) {
        *field = *rest;
        *rest = ph_str_null;
        return true;
    }

    field->data = rest->data;
    field->len = (size_t) (tab - rest->data);
    rest->len -= field->len + 1;
    rest->data = tab + 1;

    return true;
}


static bool
sasl_number(ph_str_t *rest, uint32_t *v_r)
{
    uint64_t  v;
    ph_str_t  field;

    if (!sasl_field(rest, &field) || ph_str_u64(field, &v) != PH_OK
        || v > UINT32_MAX)
    {
        return false;
    }

    *v_r = (uint32_t) v;
    return true;
}


/* "key=value": value in *value_r */
static bool
sasl_key(ph_str_t field, const char *key, ph_str_t *value_r)
{
    size_t  n = strlen(key);

    if (field.len <= n || field.data[n] != '='
        || memcmp(field.data, key, n) != 0)
    {
        return false;
    }

    value_r->data = field.data + n + 1;
    value_r->len = field.len - n - 1;

    return true;
}


static ph_int_t
sasl_parse_auth(ph_str_t rest, dir_sasl_line_t *l)
{
    ph_str_t  field;
    unsigned  n = 0;

    if (!sasl_number(&rest, &l->id) || !sasl_field(&rest, &l->mech)
        || l->mech.len == 0)
    {
        return PH_INVALID;
    }

    while (sasl_field(&rest, &field)) {
        if (++n > DIR_SASL_FIELDS_MAX) {
            return PH_INVALID;
        }

        if (sasl_key(field, "resp", &l->resp)) {
            /* whatever follows would be ours to misunderstand */
            l->has_resp = true;
            return rest.data == NULL ? PH_OK : PH_INVALID;
        }

        if (!sasl_key(field, "service", &l->service)) {
            (void) sasl_key(field, "rip", &l->rip);
        }
    }

    return PH_OK;
}


ph_int_t
dir_sasl_parse(ph_str_t line, dir_sasl_line_t *l)
{
    ph_str_t  rest = line, name;

    memset(l, 0, sizeof(*l));

    if (line.len == 0 || memchr(line.data, '\0', line.len) != NULL
        || !sasl_field(&rest, &name))
    {
        return PH_INVALID;
    }

    if (ph_str_eq_c(name, "VERSION")) {
        l->command = DIR_SASL_VERSION;
        return sasl_number(&rest, &l->major) ? PH_OK : PH_INVALID;
    }

    if (ph_str_eq_c(name, "CPID")) {
        l->command = DIR_SASL_CPID;
        return sasl_number(&rest, &l->id) ? PH_OK : PH_INVALID;
    }

    if (ph_str_eq_c(name, "AUTH")) {
        l->command = DIR_SASL_AUTH;
        return sasl_parse_auth(rest, l);
    }

    if (ph_str_eq_c(name, "CONT")) {
        l->command = DIR_SASL_CONT;
        if (!sasl_number(&rest, &l->id)) {
            return PH_INVALID;
        }
        l->has_resp = sasl_field(&rest, &l->resp);
        return rest.data == NULL ? PH_OK : PH_INVALID;
    }

    if (ph_str_eq_c(name, "CANCEL")) {
        l->command = DIR_SASL_CANCEL;
        return sasl_number(&rest, &l->id) ? PH_OK : PH_INVALID;
    }

    return PH_OK;
}


ph_int_t
dir_sasl_plain(ph_str_t message, ph_str_t *user_r, ph_str_t *password_r)
{
    ph_str_t        authz;
    const uint8_t  *first, *second, *end = message.data + message.len;

    first = message.len ? memchr(message.data, '\0', message.len) : NULL;
    if (first == NULL) {
        return PH_INVALID;
    }

    second = memchr(first + 1, '\0', (size_t) (end - first - 1));
    if (second == NULL
        || memchr(second + 1, '\0', (size_t) (end - second - 1)) != NULL)
    {
        return PH_INVALID;
    }

    authz = (ph_str_t) { (size_t) (first - message.data), message.data };
    *user_r = (ph_str_t) { (size_t) (second - first - 1), first + 1 };
    *password_r = (ph_str_t) { (size_t) (end - second - 1), second + 1 };

    if (user_r->len == 0 || user_r->len > DIR_SASL_NAME_MAX
        || password_r->len > DIR_SASL_PASSWORD_MAX
        || (authz.len != 0 && !ph_str_eq(authz, *user_r)))
    {
        return PH_INVALID;
    }

    return PH_OK;
}


/* ---- the machine ---- */

static void
sasl_send(dir_sasl_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
sasl_send(dir_sasl_t *s, const char *fmt, ...)
{
    int      n;
    char     line[1024];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);

    if (n > 0 && (size_t) n < sizeof(line)) {
        s->calls.send(s->calls.data,
                      (ph_str_t) { (size_t) n, (const uint8_t *) line });
    }
}


dir_sasl_t *
dir_sasl_create(const dir_sasl_calls_t *calls, uint32_t pid, uint32_t conn_id,
    const uint8_t cookie[16])
{
    char         hex[33];
    dir_sasl_t  *s;

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }

    s->calls = *calls;
    ph_hex_encode(hex, cookie, 16);

    sasl_send(s, "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\n"
              "MECH\tLOGIN\tplaintext\nSPID\t%u\nCUID\t%u\nCOOKIE\t%s\n"
              "DONE\n", pid, conn_id, hex);

    return s;
}


void
dir_sasl_destroy(dir_sasl_t **sp)
{
    if (*sp != NULL) {
        explicit_bzero(*sp, sizeof(**sp));
        free(*sp);
        *sp = NULL;
    }
}


static sasl_request_t *
sasl_find(dir_sasl_t *s, uint32_t id)
{
    for (size_t i = 0; i < DIR_SASL_REQUESTS_MAX; i++) {
        if (s->requests[i].state != sw_free && s->requests[i].id == id) {
            return &s->requests[i];
        }
    }

    return NULL;
}


static void
sasl_fail(dir_sasl_t *s, sasl_request_t *r, bool temporary)
{
    sasl_send(s, "FAIL\t%u%s\n", r->id, temporary ? "\ttemp" : "");
    explicit_bzero(r, sizeof(*r));
}


static void
sasl_check(dir_sasl_t *s, sasl_request_t *r, ph_str_t user, ph_str_t password)
{
    r->state = sw_checking;
    s->calls.check(s->calls.data, r->id, user, password,
                   (ph_str_t) { r->client_len, r->client });
}


/* what the client sent for a request, decoded */
static void
sasl_response(dir_sasl_t *s, sasl_request_t *r, ph_str_t message)
{
    ph_str_t  user, password;

    switch (r->state) {
    case sw_plain:
        if (dir_sasl_plain(message, &user, &password) != PH_OK) {
            sasl_fail(s, r, false);
            return;
        }
        sasl_check(s, r, user, password);
        return;

    case sw_user:
        if (message.len == 0 || message.len > sizeof(r->user)
            || memchr(message.data, '\0', message.len) != NULL)
        {
            sasl_fail(s, r, false);
            return;
        }
        memcpy(r->user, message.data, message.len);
        r->user_len = message.len;
        r->state = sw_password;
        sasl_send(s, "CONT\t%u\tUGFzc3dvcmQ6\n", r->id);    /* Password: */
        return;

    case sw_password:
        if (message.len > DIR_SASL_PASSWORD_MAX) {
            sasl_fail(s, r, false);
            return;
        }
        sasl_check(s, r, (ph_str_t) { r->user_len, r->user }, message);
        return;

    default:
        /* a response while the credentials are being checked */
        sasl_fail(s, r, false);
    }
}


static ph_int_t
sasl_base64(dir_sasl_t *s, sasl_request_t *r, ph_str_t text)
{
    ph_str_t    message;
    ph_int_t    rc;
    ph_pool_t  *pool;

    pool = ph_pool_create("sasl", 4 * DIR_SASL_LINE_MAX);
    if (pool == NULL) {
        sasl_fail(s, r, true);
        return PH_OK;
    }

    /* "=" alone is an empty response (RFC 4954) */
    if (ph_str_eq_c(text, "=")) {
        text.len = 0;
    }

    rc = ph_base64_decode(pool, text, &message);
    if (rc != PH_OK) {
        sasl_fail(s, r, rc != PH_INVALID);
    } else {
        sasl_response(s, r, message);
        explicit_bzero((void *) (uintptr_t) message.data, message.len);
    }

    ph_pool_destroy(&pool);
    return PH_OK;
}


static ph_int_t
sasl_auth(dir_sasl_t *s, const dir_sasl_line_t *l)
{
    sasl_request_t  *r = NULL;

    if (sasl_find(s, l->id) != NULL) {
        return PH_INVALID;
    }

    for (size_t i = 0; i < DIR_SASL_REQUESTS_MAX; i++) {
        if (s->requests[i].state == sw_free) {
            r = &s->requests[i];
            break;
        }
    }

    if (r == NULL) {
        sasl_send(s, "FAIL\t%u\ttemp\n", l->id);
        return PH_OK;
    }

    memset(r, 0, sizeof(*r));
    r->id = l->id;
    r->client_len = ph_min(l->rip.len, sizeof(r->client));
    if (r->client_len != 0) {
        memcpy(r->client, l->rip.data, r->client_len);
    }

    if (ph_str_ieq_c(l->mech, "PLAIN")) {
        r->state = sw_plain;
    } else if (ph_str_ieq_c(l->mech, "LOGIN")) {
        r->state = sw_user;
    } else {
        sasl_fail(s, r, false);
        return PH_OK;
    }

    if (l->has_resp) {
        return sasl_base64(s, r, l->resp);
    }

    sasl_send(s, "CONT\t%u\t%s\n", r->id,
              r->state == sw_user ? "VXNlcm5hbWU6" : "");    /* Username: */
    return PH_OK;
}


static ph_int_t
sasl_line(dir_sasl_t *s, ph_str_t line)
{
    ph_int_t         rc;
    sasl_request_t  *r;
    dir_sasl_line_t  l;

    rc = dir_sasl_parse(line, &l);
    if (rc != PH_OK) {
        return rc;
    }

    /* the version first, so that a client of another protocol is noticed */
    if (!s->has_version) {
        if (l.command != DIR_SASL_VERSION || l.major != 1) {
            return PH_INVALID;
        }
        s->has_version = true;
        return PH_OK;
    }

    switch (l.command) {
    case DIR_SASL_CPID:
        s->has_pid = true;
        return PH_OK;

    case DIR_SASL_AUTH:
        return s->has_pid ? sasl_auth(s, &l) : PH_INVALID;

    case DIR_SASL_CONT:
        r = sasl_find(s, l.id);
        if (r == NULL) {
            sasl_send(s, "FAIL\t%u\n", l.id);
            return PH_OK;
        }
        return sasl_base64(s, r, l.resp);

    case DIR_SASL_CANCEL:
        r = sasl_find(s, l.id);
        if (r != NULL) {
            explicit_bzero(r, sizeof(*r));
        }
        return PH_OK;

    default:
        return PH_OK;
    }
}


ph_int_t
dir_sasl_feed(dir_sasl_t *s, const uint8_t *data, size_t len)
{
    size_t          n;
    ph_int_t        rc;
    const uint8_t  *end;

    while (len > 0) {
        end = memchr(data, '\n', len);
        n = end ? (size_t) (end - data) : len;

        if (s->line_len + n > sizeof(s->line)) {
            return PH_TOOBIG;
        }

        memcpy(s->line + s->line_len, data, n);
        s->line_len += n;

        if (end == NULL) {
            return PH_OK;
        }

        rc = sasl_line(s, (ph_str_t) { s->line_len, s->line });
        explicit_bzero(s->line, s->line_len);
        s->line_len = 0;
        if (rc != PH_OK) {
            return rc;
        }

        data += n + 1;
        len -= n + 1;
    }

    return PH_OK;
}


void
dir_sasl_result(dir_sasl_t *s, uint32_t id, ph_int_t rc, ph_str_t user)
{
    sasl_request_t  *r = sasl_find(s, id);

    if (r == NULL || r->state != sw_checking) {
        return;
    }

    if (rc != PH_OK) {
        sasl_fail(s, r, rc != PH_DENIED);
        return;
    }

    sasl_send(s, "OK\t%u\tuser=%.*s\n", r->id, PH_STR_ARG(user));
    explicit_bzero(r, sizeof(*r));
}
