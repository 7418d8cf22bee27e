/*
 * TAP for the unit tests.  A test program includes this once:
 *
 *     int main(void)
 *     {
 *         ok(1 + 1 == 2, "addition");
 *         is_int(x, 3, "the answer");
 *         return done_testing();
 *     }
 *
 * Each check returns whether it passed.  A program that ends without
 * done_testing() has no plan, which fails it.
 */

#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned  tap_run;
static unsigned  tap_failed;

static inline void diag(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* a line for people, before which nothing half-written remains */
static inline void diag(const char *fmt, ...)
{
    va_list  args;

    fflush(stdout);
    va_start(args, fmt);
    fputs("# ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

static inline bool tap_ok(bool pass, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static inline bool tap_ok(bool pass, const char *file, int line,
    const char *fmt, ...)
{
    va_list  args;

    tap_run++;
    printf("%sok %u - ", pass ? "" : "not ", tap_run);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);

    if (!pass) {
        tap_failed++;
        diag("failed at %s line %d", file, line);
    }
    return pass;
}

/* ok(condition, "printf format", ...) */
#define ok(cond, ...)  tap_ok(!!(cond), __FILE__, __LINE__, __VA_ARGS__)
#define pass(...)      tap_ok(true, __FILE__, __LINE__, __VA_ARGS__)
#define fail(...)      tap_ok(false, __FILE__, __LINE__, __VA_ARGS__)

static inline bool tap_is_int(int64_t got, int64_t want, const char *file,
    int line, const char *name)
{
    if (tap_ok(got == want, file, line, "%s", name)) {
        return true;
    }
    diag("     got: %" PRId64 " (0x%" PRIx64 ")", got, (uint64_t) got);
    diag("expected: %" PRId64 " (0x%" PRIx64 ")", want, (uint64_t) want);
    return false;
}

/* integers of any type that fits int64_t, result codes too */
#define is_int(got, want, name)                                                \
    tap_is_int((int64_t) (got), (int64_t) (want), __FILE__, __LINE__, name)

static inline void tap_bytes(const char *what, const void *data, size_t len)
{
    const uint8_t  *p = data;
    size_t          i;

    fflush(stdout);
    fprintf(stderr, "# %s: %zu bytes \"", what, len);
    for (i = 0; i < len && i < 240; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f) {
            fputc(p[i], stderr);
        } else {
            fprintf(stderr, "\\x%02x", p[i]);
        }
    }
    fprintf(stderr, "\"%s\n", i < len ? "..." : "");
}

static inline bool tap_is_mem(const void *got, size_t got_len,
    const void *want, size_t want_len, const char *file, int line,
    const char *name)
{
    if (tap_ok(got_len == want_len
               && (got_len == 0 || memcmp(got, want, got_len) == 0),
               file, line, "%s", name))
    {
        return true;
    }
    tap_bytes("     got", got, got_len);
    tap_bytes("expected", want, want_len);
    return false;
}

/* bytes and lengths */
#define is_mem(got, got_len, want, want_len, name)                             \
    tap_is_mem((got), (got_len), (want), (want_len), __FILE__, __LINE__, name)

/* a ph_str_t (any type with len and data) against a C string */
#define is_str(got, want, name)                                                \
    tap_is_mem((got).data, (got).len, (want), strlen(want), __FILE__,          \
               __LINE__, name)

/* two C strings; NULL equals only NULL */
static inline bool tap_is_cstr(const char *got, const char *want,
    const char *file, int line, const char *name)
{
    if (got == NULL || want == NULL) {
        return tap_ok(got == want, file, line, "%s", name);
    }
    return tap_is_mem(got, strlen(got), want, strlen(want), file, line, name);
}

#define is_cstr(got, want, name)                                               \
    tap_is_cstr((got), (want), __FILE__, __LINE__, name)

/* ends the program when the rest makes no sense without this */
#define ok_or_bail(cond, ...)                                                  \
    do {                                                                       \
        if (!ok(cond, __VA_ARGS__)) {                                          \
            printf("Bail out! %s:%d\n", __FILE__, __LINE__);                   \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static inline void skip_all(const char *reason)
{
    printf("1..0 # SKIP %s\n", reason);
    exit(0);
}

/* A fresh folder below $TMPDIR or /tmp; the caller removes it. */
static inline const char *tap_tmpdir(char *buf, size_t size)
{
    const char  *base = getenv("TMPDIR");

    snprintf(buf, size, "%s/posthorn-unit-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(buf) == NULL) {
        perror(buf);
        printf("Bail out! no temporary folder\n");
        exit(1);
    }
    return buf;
}

/* Removes the folder that tap_tmpdir() made, and what is in it. */
static inline void tap_rmdir(const char *path)
{
    pid_t  pid = fork();

    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", "--", path, (char *) NULL);
        _exit(127);
    }
    if (pid > 0) {
        (void) waitpid(pid, NULL, 0);
    }
}

static inline int done_testing(void)
{
    printf("1..%u\n", tap_run);
    if (tap_failed) {
        diag("%u of %u checks failed", tap_failed, tap_run);
    }
    return tap_failed ? 1 : 0;
}

#endif
