/*
 * A session as bytes: commands, paths, data.  What is read in one piece must be
 * the same as what is read byte by byte.
 */

#include "delivery/lmtp_parse.h"
#include "lib/ph_str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    size_t    n;
    uint32_t  sum;
} sink_t;

static void
put(void *sink, const uint8_t *data, size_t len)
{
    sink_t  *s = sink;

    for (size_t i = 0; i < len; i++) {
        s->sum = s->sum * 31 + data[i];
    }
    s->n += len;
}

static size_t
body(const uint8_t *data, size_t size, size_t step, sink_t *sink)
{
    size_t        at = 0, used, n;
    ph_int_t      rc = PH_AGAIN;
    lmtp_data_t   d;

    memset(sink, 0, sizeof(*sink));
    lmtp_data_init(&d);

    while (rc == PH_AGAIN && at < size) {
        n = ph_min(step, size - at);
        rc = lmtp_data_feed(&d, data + at, n, &used, put, sink);
        if (used > n || (rc == PH_AGAIN && used != n)) {
            abort();
        }
        at += used;
    }

    return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           at = 0, used, scanned = 0;
    sink_t           whole, bytes;
    ph_str_t         line;
    lmtp_path_t      path;
    lmtp_command_t   cmd;

    while (at < size
           && lmtp_line(data + at, size - at, LMTP_MAX_LINE, &scanned, &line,
                        &used) == PH_OK)
    {
        lmtp_command(line, &cmd);
        (void) lmtp_path(cmd.args, "FROM:", &path);
        if (lmtp_path(cmd.args, "TO:", &path) == PH_OK
            && (!ph_utf8_valid(path.address)
                || memchr(path.address.data, '\n', path.address.len)))
        {
            abort();
        }
        at += used;
    }

    if (body(data, size, size ? size : 1, &whole) != body(data, size, 1,
                                                          &bytes)
        || whole.n != bytes.n || whole.sum != bytes.sum)
    {
        abort();
    }

    return 0;
}
