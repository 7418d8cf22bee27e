/*
 * Import of pathological messages at one size and at twice that: the ratio of
 * the times must be near 2.  Prints one line a kind, and exits with 1 when a
 * ratio is above 3.
 */

#include "convert/conv.h"
#include "lib/ph_daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIZE  (4u << 20)

typedef void (*make_pt)(ph_wbuf_t *b, size_t size);


static void
make_parts(ph_wbuf_t *b, size_t size)
{
    ph_put_fmt(b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    while (b->len < size) {
        ph_put_fmt(b, "--b\r\nContent-Type: text/x\r\n\r\nx\r\n");
    }
}


static void
make_levels(ph_wbuf_t *b, size_t size)
{
    for (unsigned i = 0; b->len < size; i++) {
        ph_put_fmt(b, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n"
                   "--b%u\r\n", i, i);
    }
}


static void
make_addresses(ph_wbuf_t *b, size_t size)
{
    ph_put_fmt(b, "To: ");
    while (b->len < size) {
        ph_put_fmt(b, "a:\"Name, A\" <a@b.test>,\r\n ");
    }
    ph_put_fmt(b, "\r\n\r\n");
}


static void
make_headers(ph_wbuf_t *b, size_t size)
{
    for (unsigned i = 0; b->len < size; i++) {
        ph_put_fmt(b, "X-%u: =?utf-8?Q?=C3=A4?= =?utf-8?B?w6Q=?=\r\n", i);
    }
    ph_put_fmt(b, "\r\n");
}


static void
make_html(ph_wbuf_t *b, size_t size)
{
    ph_put_fmt(b, "Content-Type: text/html\r\n\r\n");
    while (b->len < size) {
        ph_put_fmt(b, "<div><b></i><!--<script><a href='cid:x%%41'>&#x;");
    }
}


static void
make_dashes(ph_wbuf_t *b, size_t size)
{
    ph_put_fmt(b, "Content-Type: multipart/mixed; boundary=\"-\"\r\n\r\n");
    while (b->len < size) {
        ph_put_fmt(b, "--\r\n--=\n-- -\r\n");
    }
}


static double
run(make_pt make, size_t size)
{
    double            ms = 1e9;
    ph_pool_t        *pool = ph_pool_create("bench", 1u << 30), *work;
    ph_wbuf_t         b;
    mapi_message_t   *m;
    struct timespec   t0, t1;

    ph_wbuf_init(&b, pool, 1u << 29);
    make(&b, size);

    for (int i = 0; i < 3; i++) {
        work = ph_pool_create("bench", 1u << 30);
        clock_gettime(CLOCK_MONOTONIC, &t0);
        if (conv_mime_import(work, ph_wbuf_str(&b), NULL, &m) != PH_OK) {
            exit(2);
        }
        clock_gettime(CLOCK_MONOTONIC, &t1);
        ph_pool_destroy(&work);
        ms = ph_min(ms, (double) (t1.tv_sec - t0.tv_sec) * 1e3
                        + (double) (t1.tv_nsec - t0.tv_nsec) / 1e6);
    }

    ph_pool_destroy(&pool);
    return ms;
}


int
main(void)
{
    int     bad = 0;
    double  one, two;

    static const struct {
        const char  *name;
        make_pt      make;
    } kinds[] = {
        { "parts", make_parts }, { "levels", make_levels },
        { "addresses", make_addresses }, { "headers", make_headers },
        { "html", make_html }, { "dashes", make_dashes },
    };

    for (size_t i = 0; i < ph_nelts(kinds); i++) {
        one = run(kinds[i].make, SIZE);
        two = run(kinds[i].make, 2 * SIZE);
        printf("convert-%s: %.1f ms for 4 MiB, %.1f ms for 8 MiB, ratio "
               "%.2f\n", kinds[i].name, one, two, two / one);
        bad |= two > 3 * one && two > 50;
    }

    return bad;
}
