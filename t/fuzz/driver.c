/*
 * Runs a fuzz target without libFuzzer:
 *
 *     fuzz-x [-runs=N] [-seconds=N] [-seed=N] FILE|FOLDER...
 *
 * Every file is an input.  With -runs=N (or for N seconds) further inputs are
 * made from them by simple mutations, from a seed that is printed, so that a
 * crash can be had again.  The input that crashed is in ./crash-input.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DRIVER_MAX_INPUT  (1u << 20)
#define DRIVER_MAX_INPUTS 4096

typedef struct {
    size_t    len;
    uint8_t  *data;
} driver_input_t;

typedef struct {
    driver_input_t  inputs[DRIVER_MAX_INPUTS];
    size_t          n;
    uint64_t        random;
    const uint8_t  *current;
    size_t          current_len;
} driver_t;

/* the signal handler's only way to the input */
static driver_t driver;

static void driver_crashed(int sig)
{
    int      fd;
    ssize_t  n;

    fd = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0) {
        n = write(fd, driver.current, driver.current_len);
        (void) n;
        close(fd);
    }

    signal(sig, SIG_DFL);
    raise(sig);
}

static uint64_t driver_random(driver_t *d)
{
    /* xorshift64* */
    d->random ^= d->random >> 12;
    d->random ^= d->random << 25;
    d->random ^= d->random >> 27;
    return d->random * 0x2545f4914f6cdd1dull;
}

static void driver_run(driver_t *d, const uint8_t *data, size_t len)
{
    uint8_t  *copy;

    /* memory of exactly this size, so that a read past the end is seen */
    copy = malloc(len ? len : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, len);
    d->current = copy;
    d->current_len = len;
    (void) LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static bool driver_add(driver_t *d, const char *path)
{
    FILE     *f;
    uint8_t  *data;
    size_t    len;

    if (d->n == DRIVER_MAX_INPUTS) {
        return false;
    }
    f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return false;
    }
    data = malloc(DRIVER_MAX_INPUT);
    if (data == NULL) {
        abort();
    }
    len = fread(data, 1, DRIVER_MAX_INPUT, f);
    fclose(f);
    d->inputs[d->n].data = realloc(data, len ? len : 1);
    d->inputs[d->n].len = len;
    d->n++;
    return true;
}

static bool driver_add_path(driver_t *d, const char *path)
{
    DIR            *dir;
    struct dirent  *e;
    struct stat     st;
    char            name[4096];

    if (stat(path, &st) != 0) {
        perror(path);
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        return driver_add(d, path);
    }
    dir = opendir(path);
    if (dir == NULL) {
        perror(path);
        return false;
    }
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.') {
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        (void) driver_add(d, name);
    }
    closedir(dir);
    return true;
}

static void driver_mutate(driver_t *d, uint8_t *buf, size_t *len)
{
    static const uint8_t   edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff };
    const driver_input_t  *other;
    size_t                 at, n, k, steps;

    steps = 1 + driver_random(d) % 6;

    for (k = 0; k < steps; k++) {
        at = *len ? driver_random(d) % *len : 0;

        switch (driver_random(d) % 7) {
        case 0:
            if (*len) {
                buf[at] ^= (uint8_t) (1u << (driver_random(d) % 8));
            }
            break;
        case 1:
            if (*len) {
                buf[at] = (uint8_t) driver_random(d);
            }
            break;
        case 2:
            if (*len) {
                buf[at] = edges[driver_random(d) % sizeof(edges)];
            }
            break;
        case 3:    /* cut */
            *len = at;
            break;
        case 4:    /* take a piece out */
            n = driver_random(d) % 16;
            if (at + n < *len) {
                memmove(buf + at, buf + at + n, *len - at - n);
                *len -= n;
            }
            break;
        case 5:    /* double a piece */
            n = 1 + driver_random(d) % 32;
            if (at + n <= *len && *len + n <= DRIVER_MAX_INPUT) {
                memmove(buf + at + n, buf + at, *len - at);
                *len += n;
            }
            break;
        default:   /* the tail of another input */
            other = &d->inputs[driver_random(d) % d->n];
            if (other->len) {
                n = driver_random(d) % other->len;
                if (at + other->len - n <= DRIVER_MAX_INPUT) {
                    memcpy(buf + at, other->data + n, other->len - n);
                    *len = at + other->len - n;
                }
            }
        }
    }
}

int main(int argc, char **argv)
{
    const driver_input_t  *in;
    driver_t              *d = &driver;
    uint8_t               *buf;
    uint64_t               runs = 0, seconds = 0, seed = 1, r;
    time_t                 end;
    size_t                 len, n;
    int                    i;

    for (i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            runs = strtoull(argv[i] + 6, NULL, 10);
        } else if (strncmp(argv[i], "-seconds=", 9) == 0) {
            seconds = strtoull(argv[i] + 9, NULL, 10);
        } else if (strncmp(argv[i], "-seed=", 6) == 0) {
            seed = strtoull(argv[i] + 6, NULL, 10);
        } else if (argv[i][0] == '-') {
            continue;    /* an option of libFuzzer */
        } else if (!driver_add_path(d, argv[i])) {
            return 1;
        }
    }

    signal(SIGSEGV, driver_crashed);
    signal(SIGABRT, driver_crashed);
    signal(SIGBUS, driver_crashed);
    signal(SIGFPE, driver_crashed);

    for (n = 0; n < d->n; n++) {
        driver_run(d, d->inputs[n].data, d->inputs[n].len);
    }

    if (d->n == 0) {
        driver_run(d, (const uint8_t *) "", 0);
        d->inputs[0].data = calloc(1, 1);
        d->n = 1;
    }

    d->random = seed * 0x9e3779b97f4a7c15ull + 1;
    buf = malloc(DRIVER_MAX_INPUT);
    if (buf == NULL) {
        return 1;
    }

    end = time(NULL) + (time_t) seconds;
    if (seconds && runs == 0) {
        runs = UINT64_MAX;
    }

    for (r = 0; r < runs; r++) {
        if (seconds && r % 64 == 0 && time(NULL) >= end) {
            break;
        }
        in = &d->inputs[driver_random(d) % d->n];
        len = in->len;
        memcpy(buf, in->data, len);
        driver_mutate(d, buf, &len);
        driver_run(d, buf, len);
    }

    printf("%zu inputs, %llu mutated, seed %llu\n", d->n,
           (unsigned long long) r, (unsigned long long) seed);

    for (n = 0; n < d->n; n++) {
        free(d->inputs[n].data);
    }
    free(buf);
    return 0;
}
