/*
 * The wire protocol.  An input is cut into frames as a client of the pure
 * functions does it, and sent to a server on a loop: in pieces, with and
 * without a HELLO in front.  The first byte says how.
 */

#include "lib/ph_pool.h"
#include "lib/ph_wire.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FUZZ_MAX_FRAME  65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uv_loop_t           loop;
static ph_wire_server_t   *server;
static struct sockaddr_un  un;

static void
on_request(ph_wire_req_t *req, void *data)
{
    (void) data;

    if (req->op & 1) {
        (void) ph_wire_push(req->conn, req->op, req->ticket);
    }

    ph_wire_reply(req, (ph_wire_status_t) (req->op & 15), req->body);
}

static void
leave(void)
{
    (void) unlink(un.sun_path);
}

static void
setup(void)
{
    char                    address[128];
    ph_wire_server_opts_t   opts;

    (void) signal(SIGPIPE, SIG_IGN);
    (void) uv_loop_init(&loop);

    un.sun_family = AF_UNIX;
    (void) snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/fuzz-ph-wire.%d",
                    (int) getpid());
    (void) snprintf(address, sizeof(address), "unix:%s", un.sun_path);

    memset(&opts, 0, sizeof(opts));
    opts.max_frame = FUZZ_MAX_FRAME;
    opts.max_inflight = 4;
    opts.request_memory = 100000;
    opts.request = on_request;

    if (ph_wire_listen(&loop, address, -1, &opts, &server) != PH_OK) {
        abort();
    }

    (void) atexit(leave);
}

static void
check(bool good)
{
    if (!good) {
        abort();
    }
}

/* frames as the nginx modules and the blocking client read them */
static void
pure(const uint8_t *data, size_t size)
{
    size_t           used;
    uint8_t          header[PH_WIRE_HEADER], *copy;
    ph_int_t         rc;
    ph_wire_frame_t  f;

    for ( ;; ) {

        /* an exact allocation, so that a read behind the end is seen */

        copy = malloc(size != 0 ? size : 1);
        memcpy(copy, data, size);
        rc = ph_wire_parse(copy, size, FUZZ_MAX_FRAME, &f, &used);

        if (rc == PH_OK) {
            check(used <= size
                  && used == PH_WIRE_HEADER + f.ticket.len + f.body.len);

            ph_wire_header(header, f.flags, f.op, f.id, f.status,
                           (uint16_t) f.ticket.len, (uint32_t) f.body.len);
            check(memcmp(header, copy, PH_WIRE_HEADER) == 0);

        } else {
            check(rc == PH_INVALID || rc == PH_TOOBIG
                  || (rc == PH_AGAIN && (used == 0 || used > size)));
        }

        free(copy);

        if (rc != PH_OK) {
            return;
        }

        data += used;
        size -= used;
    }
}

static void
turn(void)
{
    int  i;

    for (i = 0; i < 3; i++) {
        (void) uv_run(&loop, UV_RUN_NOWAIT);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int       fd;
    char      sink[4096];
    size_t    piece, n;
    uint8_t   how, hello[PH_WIRE_HEADER];
    ssize_t   sent;

    if (size < 1 || size > 2 * FUZZ_MAX_FRAME) {
        return 0;
    }

    if (server == NULL) {
        setup();
    }

    how = data[0];
    data++;
    size--;

    pure(data, size);

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    check(fd != -1
          && connect(fd, (struct sockaddr *) &un, sizeof(un)) == 0);

    if (how & 1) {
        ph_wire_header(hello, 0, PH_WIRE_OP_HELLO, 1, 0, 0, 0);
        (void) send(fd, hello, sizeof(hello), MSG_NOSIGNAL);
    }

    piece = (how & 2) ? (size_t) (how >> 2) + 1 : size + 1;

    if (size / piece > 200) {
        piece = size / 200;
    }

    while (size != 0) {
        n = ph_min(piece, size);
        sent = send(fd, data, n, MSG_NOSIGNAL);
        turn();

        if (sent > 0) {
            data += sent;
            size -= (size_t) sent;

        } else if (recv(fd, sink, sizeof(sink), 0) == 0 || sent == -1) {
            break;
        }
    }

    turn();

    while (recv(fd, sink, sizeof(sink), 0) > 0) {
        turn();
    }

    (void) close(fd);
    turn();

    return 0;
}
