/*
 * ph_wire: the blocking client from many threads, and mutual TLS in both
 * clients, with certificates made here.  The server runs on a thread of its
 * own.
 */

#include "lib/ph_addr.h"
#include "lib/ph_daemon.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"
#include "lib/ph_wire.h"
#include "tap.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>

#define OP_ECHO   0x0701
#define OP_SLEEP  0x0702     /* answers after 300 ms            */
#define OP_EVENT  0x0703     /* an event, then the answer       */
#define OP_DROP   0x0704     /* executed, but never answered    */

static char        dir[128];
static ph_pool_t  *pool;

/* ---- the server's thread ---- */

typedef struct {
    uv_loop_t               loop;
    pthread_t               thread;
    ph_post_t              *post;
    ph_wire_server_t       *server;
    ph_wire_server_opts_t   opts;
    const char             *address;
    int                     port;
    int                     executed;
    char                    peer[128];
    pthread_barrier_t       ready;
} side_t;

typedef struct {
    uv_timer_t      timer;
    ph_wire_req_t  *req;
} sleep_t;

static void
sleep_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void
sleep_done(uv_timer_t *timer)
{
    sleep_t  *s = timer->data;

    ph_wire_reply(s->req, PH_WIRE_OK, ph_str_null);
    uv_close((uv_handle_t *) timer, sleep_closed);
}

static void
drop_stopped(void *data)
{
    side_t  *side = data;

    side->server = NULL;
    (void) ph_wire_listen(&side->loop, side->address, -1, &side->opts,
                          &side->server);
}

static void
on_request(ph_wire_req_t *req, void *data)
{
    side_t   *side = data;
    sleep_t  *s;

    (void) snprintf(side->peer, sizeof(side->peer), "%s", req->peer->name);

    switch (req->op) {

    case OP_SLEEP:
        s = malloc(sizeof(*s));
        s->req = req;
        (void) uv_timer_init(&side->loop, &s->timer);
        s->timer.data = s;
        (void) uv_timer_start(&s->timer, sleep_done, 300, 0);
        break;

    case OP_EVENT:
        (void) ph_wire_push(req->conn, 0x0799, req->body);
        ph_wire_reply(req, PH_WIRE_EXISTS, ph_str_lit("after"));
        break;

    case OP_DROP:
        side->executed++;
        ph_wire_server_stop(side->server, 0, drop_stopped, side);
        ph_wire_reply(req, PH_WIRE_OK, ph_str_null);
        break;

    default:
        ph_wire_reply(req, PH_WIRE_OK, req->body);
    }
}

static void
side_stop(void *data)
{
    side_t  *side = data;

    ph_wire_server_stop(side->server, 0, NULL, NULL);
    ph_post_destroy(&side->post);
}

static void
side_restart(void *data)
{
    side_t  *side = data;

    ph_wire_server_stop(side->server, 0, drop_stopped, side);
}

static void *
side_run(void *data)
{
    side_t  *side = data;

    side->port = ph_wire_listen(&side->loop, side->address, -1, &side->opts,
                                &side->server) == PH_OK
                 ? ph_wire_server_port(side->server) : -1;
    (void) pthread_barrier_wait(&side->ready);

    if (side->port >= 0) {
        (void) uv_run(&side->loop, UV_RUN_DEFAULT);
    }

    return NULL;
}

static void
side_start(side_t *side, const char *address, ph_wire_server_opts_t *opts)
{
    memset(side, 0, sizeof(*side));
    side->address = address;
    side->opts = *opts;
    side->opts.request = on_request;
    side->opts.data = side;
    side->opts.hello = ph_str_lit("hello from the server");

    (void) uv_loop_init(&side->loop);
    (void) ph_post_create(&side->loop, &side->post);
    (void) pthread_barrier_init(&side->ready, NULL, 2);
    (void) pthread_create(&side->thread, NULL, side_run, side);
    (void) pthread_barrier_wait(&side->ready);
    ok_or_bail(side->port >= 0, "server at %s", address);
}

static void
side_end(side_t *side)
{
    (void) ph_post(side->post, side_stop, side);
    (void) pthread_join(side->thread, NULL);
    (void) pthread_barrier_destroy(&side->ready);
    ok(uv_loop_close(&side->loop) == 0, "the server leaves nothing open");
}

/* ---- the blocking client ---- */

static bool
echo(ph_wire_sync_t *sync, size_t len)
{
    bool              same;
    uint8_t          *body;
    ph_pool_t        *p;
    ph_str_t          answer;
    ph_wire_status_t  status;

    p = ph_pool_create("echo", 0);
    body = ph_palloc(p, len);
    memset(body, (int) len & 0xff, len);

    same = ph_wire_sync_call(sync, p, OP_ECHO, ph_str_null,
                             (ph_str_t) { len, body }, 10000, &status, &answer)
           == PH_OK
           && status == PH_WIRE_OK
           && ph_str_eq(answer, (ph_str_t) { len, body });

    ph_pool_destroy(&p);

    return same;
}

static void *
many(void *data)
{
    size_t     i;
    uintptr_t  bad;

    for (i = 0, bad = 0; i < 200; i++) {
        bad += !echo(data, i * 37);
    }

    return (void *) bad;
}

static void
test_sync(void)
{
    void                   *bad;
    char                    address[160];
    int                     i, fd;
    side_t                  side;
    uintptr_t               sum;
    uint64_t                begin;
    pthread_t               threads[12];
    ph_addr_t               addr;
    ph_str_t                answer, hello;
    ph_wire_sync_t         *sync;
    ph_wire_status_t        status;
    ph_wire_server_opts_t   opts;
    ph_wire_client_opts_t   copts;

    (void) snprintf(address, sizeof(address), "unix:%s/s", dir);

    ok(ph_wire_sync_create("udp:x", NULL, &sync) == PH_INVALID, "an address");
    ok_or_bail(ph_wire_sync_create(address, NULL, &sync) == PH_OK, "client");
    ok(ph_wire_sync_call(sync, pool, OP_ECHO, ph_str_null, ph_str_null, 500,
                         &status, &answer) == PH_ERROR
       && status == PH_WIRE_UNAVAILABLE, "nobody is there");

    memset(&opts, 0, sizeof(opts));
    opts.max_frame = 8u << 20;
    side_start(&side, address, &opts);

    ok(ph_wire_sync_hello(sync, pool, &hello) == PH_OK
       && ph_str_eq_c(hello, "hello from the server"), "hello");
    ok(echo(sync, 0) && echo(sync, 5) && echo(sync, 4080) && echo(sync, 4081)
       && echo(sync, 900000), "echo");

    ok(ph_wire_sync_call(sync, pool, OP_EVENT, ph_str_lit("ticket"),
                         ph_str_lit("body"), 0, &status, &answer) == PH_OK
       && status == PH_WIRE_EXISTS && ph_str_eq_c(answer, "after"),
       "events are skipped");

    begin = ph_now_ms();
    ok(ph_wire_sync_call(sync, pool, OP_SLEEP, ph_str_null, ph_str_null, 50,
                         &status, &answer) == PH_TIMEOUT
       && ph_now_ms() - begin < 290, "timeout");
    ok(echo(sync, 100), "the next call is not disturbed");
    ok(!echo(sync, 3000000), "an answer above the limit");
    ok(echo(sync, 100), "nor by that");

    for (i = 0; i < 12; i++) {
        (void) pthread_create(&threads[i], NULL, many, sync);
    }

    for (i = 0, sum = 0; i < 12; i++) {
        (void) pthread_join(threads[i], &bad);
        sum += (uintptr_t) bad;
    }

    ok(sum == 0, "12 threads at once");

    /* kept connections that the server has closed are replaced */

    (void) ph_post(side.post, side_restart, &side);
    (void) ph_addr_parse(address, &addr);
    begin = ph_now_ms();

    while (!echo(sync, 10) && ph_now_ms() - begin < 5000) { /* void */ }

    ok(echo(sync, 20), "after a restart");

    /* but what has been sent whole is not sent again */

    ok(ph_wire_sync_call(sync, pool, OP_DROP, ph_str_null, ph_str_null, 2000,
                         &status, &answer) == PH_ERROR,
       "the server ends in the middle of a call");
    begin = ph_now_ms();

    while (!echo(sync, 10) && ph_now_ms() - begin < 5000) { /* void */ }

    is_int(side.executed, 1, "it was executed once");

    ph_wire_sync_destroy(&sync);
    ok(sync == NULL, "destroyed");

    memset(&copts, 0, sizeof(copts));
    copts.max_frame = 8u << 20;
    (void) ph_wire_sync_create(address, &copts, &sync);
    ok(echo(sync, 7000000), "7 MB with a larger limit");
    ph_wire_sync_destroy(&sync);

    ok(ph_addr_connect(&addr, 1000, &fd) == PH_OK, "a silent peer");
    side_end(&side);
    (void) close(fd);
}

/* ---- certificates ---- */

static void
save(const char *name, const char *ext, X509 *cert, EVP_PKEY *key)
{
    FILE  *f;
    char   path[200];

    (void) snprintf(path, sizeof(path), "%s/%s.%s", dir, name, ext);
    f = fopen(path, "w");

    if (cert != NULL) {
        (void) PEM_write_X509(f, cert);

    } else {
        (void) PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    }

    fclose(f);
}

static void
extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION  *ext;

    ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    (void) X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

/* a certificate NAME.crt and NAME.key, signed by issuer (NULL: by itself) */
static X509 *
issue(const char *name, const char *san, X509 *issuer, EVP_PKEY *issuer_key,
    EVP_PKEY **key_r)
{
    X509         *cert;
    EVP_PKEY     *key;
    static long   serial = 1;

    key = EVP_EC_gen("P-256");
    cert = X509_new();
    (void) X509_set_version(cert, 2);
    (void) ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    (void) X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    (void) X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void) X509_set_pubkey(cert, key);
    (void) X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
                                      MBSTRING_ASC, (const uint8_t *) name,
                                      -1, -1, 0);
    (void) X509_set_issuer_name(cert,
                                X509_get_subject_name(issuer != NULL ? issuer
                                                                     : cert));

    if (issuer == NULL) {
        extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    }

    if (san != NULL) {
        extend(cert, NID_subject_alt_name, san);
    }

    (void) X509_sign(cert, issuer_key != NULL ? issuer_key : key,
                     EVP_sha256());

    save(name, "crt", cert, NULL);
    save(name, "key", NULL, key);
    *key_r = key;

    return cert;
}

static const char *
file(const char *name)
{
    const char  *path;

    path = ph_psprintf(pool, "%s/%s", dir, name);

    return path;
}

static void
make_certificates(void)
{
    X509      *ca, *other, *cert;
    EVP_PKEY  *ca_key, *other_key, *key;

    ca = issue("ca", NULL, NULL, NULL, &ca_key);
    other = issue("other", NULL, NULL, NULL, &other_key);

    cert = issue("server", "IP:127.0.0.1,DNS:localhost", ca, ca_key, &key);
    X509_free(cert);
    EVP_PKEY_free(key);

    cert = issue("client", NULL, ca, ca_key, &key);
    X509_free(cert);
    EVP_PKEY_free(key);

    cert = issue("stranger", NULL, other, other_key, &key);
    X509_free(cert);
    EVP_PKEY_free(key);

    cert = issue("misnamed", "IP:192.0.2.1", ca, ca_key, &key);
    X509_free(cert);
    EVP_PKEY_free(key);

    X509_free(ca);
    X509_free(other);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(other_key);
}

/* ---- TLS ---- */

typedef struct {
    int               n;
    ph_wire_status_t  status;
    size_t            len;
} answer_t;

static void
on_answer(ph_wire_status_t status, ph_str_t body, void *data)
{
    answer_t  *a = data;

    a->n++;
    a->status = status;
    a->len = body.len;
}

/* one call with the client of the loop; the status */
static ph_wire_status_t
async_call(const char *address, const ph_wire_client_opts_t *opts, size_t len,
    size_t *len_r)
{
    uint8_t           *body;
    uv_loop_t          loop;
    answer_t           a[20];
    size_t             i;
    ph_wire_client_t  *client;

    memset(a, 0, sizeof(a));
    (void) uv_loop_init(&loop);
    body = ph_pcalloc(pool, len);

    if (ph_wire_client_create(&loop, address, opts, &client) != PH_OK) {
        (void) uv_run(&loop, UV_RUN_DEFAULT);
        (void) uv_loop_close(&loop);
        return PH_WIRE_BAD_OP;
    }

    for (i = 0; i < ph_nelts(a); i++) {
        (void) ph_wire_call(client, OP_ECHO, ph_str_null,
                            (ph_str_t) { i == 0 ? len : i * 1000 % len, body },
                            3000, on_answer, &a[i], NULL);
    }

    for (i = 0; i < ph_nelts(a); i++) {
        while (a[i].n == 0) {
            (void) uv_run(&loop, UV_RUN_ONCE);
        }

        if (a[i].status == PH_WIRE_OK && i != 0 && a[i].len != i * 1000 % len) {
            a[0].status = PH_WIRE_ERROR;
        }
    }

    ph_wire_client_destroy(&client);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    ok(uv_loop_close(&loop) == 0, "the client leaves nothing open");
    *len_r = a[0].len;

    return a[0].status;
}

static bool
sync_call(const char *address, const ph_wire_client_opts_t *opts, size_t len)
{
    bool             good;
    ph_wire_sync_t  *sync;

    if (ph_wire_sync_create(address, opts, &sync) != PH_OK) {
        return false;
    }

    good = echo(sync, len) && echo(sync, 10);
    ph_wire_sync_destroy(&sync);

    return good;
}

static void
test_tls(void)
{
    int                     fd;
    char                    buf[64];
    side_t                  side;
    size_t                  len;
    ssize_t                 n;
    ph_addr_t               addr;
    const char             *address;
    ph_wire_sync_t         *sync;
    ph_wire_server_opts_t   opts;
    ph_wire_client_opts_t   copts;

    static const char *const  acl[] = { "10.0.0.0/8", "127.0.0.0/8" };

    make_certificates();

    memset(&opts, 0, sizeof(opts));
    opts.max_frame = 8u << 20;
    opts.tls_cert = file("server.crt");
    opts.tls_key = file("server.key");
    opts.tls_ca = file("ca.crt");
    opts.acl = acl;
    opts.n_acl = 2;
    side_start(&side, "tcp:127.0.0.1:0", &opts);
    address = ph_psprintf(pool, "tcp:127.0.0.1:%d", side.port);

    memset(&copts, 0, sizeof(copts));
    copts.max_frame = 8u << 20;
    copts.connect_timeout = 1000;
    copts.tls_cert = file("client.crt");
    copts.tls_key = file("client.key");
    copts.tls_ca = file("ca.crt");

    ok(sync_call(address, &copts, 5000000), "blocking client, 5 MB");
    ok(strncmp(side.peer, "client 127.0.0.1:", 17) == 0,
       "the peer is named by its certificate: %s", side.peer);
    ok(async_call(address, &copts, 5000000, &len) == PH_WIRE_OK
       && len == 5000000, "client of the loop, 5 MB");
    ok(async_call(ph_psprintf(pool, "tcp:localhost:%d", side.port), &copts,
                  100, &len) == PH_WIRE_OK, "by name");

    copts.tls_cert = file("stranger.crt");
    copts.tls_key = file("stranger.key");
    ok(!sync_call(address, &copts, 1), "a certificate of another authority");
    ok(async_call(address, &copts, 1, &len) == PH_WIRE_UNAVAILABLE, "also");

    copts.tls_cert = file("client.crt");
    copts.tls_key = file("client.key");
    copts.tls_ca = file("other.crt");
    ok(!sync_call(address, &copts, 1), "a server of another authority");
    ok(async_call(address, &copts, 1, &len) == PH_WIRE_UNAVAILABLE, "also");

    copts.tls_ca = NULL;
    ok(ph_wire_sync_create(address, &copts, &sync) == PH_ERROR,
       "tcp without an authority");
    ok(async_call(address, &copts, 1, &len) == PH_WIRE_BAD_OP, "also");
    copts.tls_ca = file("ca.crt");
    copts.tls_key = file("server.key");
    ok(ph_wire_sync_create(address, &copts, &sync) == PH_ERROR,
       "a key of another certificate");
    copts.tls_key = file("client.key");

    /* plain text to the TLS port */

    (void) ph_addr_parse(address, &addr);
    ok(ph_addr_connect(&addr, 1000, &fd) == PH_OK, "plain connection");
    (void) send(fd, "\x0c\0\0\0\1\0\1\0\1\0\0\0\0\0\0\0", 16, MSG_NOSIGNAL);

    do {
        n = recv(fd, buf, sizeof(buf), 0);
    } while (n > 0);

    ok(n == 0 || n == -1, "is closed");
    (void) close(fd);
    ok(sync_call(address, &copts, 1), "the next one is served");

    side_end(&side);

    /* a server that is not the one that was asked for */

    opts.tls_cert = file("misnamed.crt");
    opts.tls_key = file("misnamed.key");
    side_start(&side, "tcp:127.0.0.1:0", &opts);
    address = ph_psprintf(pool, "tcp:127.0.0.1:%d", side.port);
    ok(!sync_call(address, &copts, 1), "a certificate for another address");
    ok(async_call(address, &copts, 1, &len) == PH_WIRE_UNAVAILABLE, "also");
    side_end(&side);

    /* hosts that are not in the list */

    opts.tls_cert = file("server.crt");
    opts.tls_key = file("server.key");
    opts.n_acl = 1;
    side_start(&side, "tcp:127.0.0.1:0", &opts);
    address = ph_psprintf(pool, "tcp:127.0.0.1:%d", side.port);
    ok(!sync_call(address, &copts, 1), "a host that is not in the list");
    side_end(&side);

    opts.acl = NULL;
    opts.n_acl = 0;
    side_start(&side, "tcp:127.0.0.1:0", &opts);
    address = ph_psprintf(pool, "tcp:127.0.0.1:%d", side.port);
    ok(!sync_call(address, &copts, 1), "no list means nobody");
    side_end(&side);
}

int
main(void)
{
    (void) signal(SIGPIPE, SIG_IGN);
    tap_tmpdir(dir, sizeof(dir));
    pool = ph_pool_create("test", 0);

    test_sync();
    test_tls();

    ph_pool_destroy(&pool);
    tap_rmdir(dir);

    return done_testing();
}
