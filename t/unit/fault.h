/*
 * Fault injection for tests: this program's own write, pwrite, fsync,
 * fdatasync, ftruncate and rename stand before libc's, also for shared
 * libraries such as SQLite, and fail the n-th call on a regular file.
 *
 *     fault_arm(n, ENOSPC, sticky);    n from 1; sticky: all later ones too
 *     ... what is tested ...
 *     hit = fault_disarm();            did it happen?
 *
 * Include in one file of a test program only.
 */

#ifndef FAULT_H
#define FAULT_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static struct {
    bool   armed;
    bool   sticky;
    bool   hit;
    long   left;
    int    error;
} fault;

static void
fault_arm(long n, int error, bool sticky)
{
    fault.left = n;
    fault.error = error;
    fault.sticky = sticky;
    fault.hit = false;
    fault.armed = true;
}

static bool
fault_disarm(void)
{
    fault.armed = false;
    return fault.hit;
}

static bool
fault_now(void)
{
    if (!fault.armed || (fault.hit && !fault.sticky)) {
        return false;
    }
    if (!fault.hit && --fault.left > 0) {
        return false;
    }
    fault.hit = true;
    errno = fault.error;
    return true;
}

static bool
fault_fd(int fd)
{
    struct stat  st;

    return fault.armed && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
           && fault_now();
}

/* shared libraries must find them, whatever -fvisibility says */
#define FAULT_SEEN  __attribute__((visibility("default")))

#define FAULT_NEXT(type, name, ...)                                           \
    ((type (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name))

FAULT_SEEN ssize_t
write(int fd, const void *buf, size_t n)
{
    static ssize_t (*next)(int, const void *, size_t);

    if (next == NULL) {
        next = FAULT_NEXT(ssize_t, "write", int, const void *, size_t);
    }
    return fd > 2 && fault_fd(fd) ? -1 : next(fd, buf, n);
}

FAULT_SEEN ssize_t
pwrite(int fd, const void *buf, size_t n, off_t off)
{
    static ssize_t (*next)(int, const void *, size_t, off_t);

    if (next == NULL) {
        next = FAULT_NEXT(ssize_t, "pwrite", int, const void *, size_t,
                          off_t);
    }
    return fault_fd(fd) ? -1 : next(fd, buf, n, off);
}

FAULT_SEEN ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t off)
{
    return pwrite(fd, buf, n, off);
}

FAULT_SEEN int
fsync(int fd)
{
    static int (*next)(int);

    if (next == NULL) {
        next = FAULT_NEXT(int, "fsync", int);
    }
    return fault_fd(fd) ? -1 : next(fd);
}

FAULT_SEEN int
fdatasync(int fd)
{
    static int (*next)(int);

    if (next == NULL) {
        next = FAULT_NEXT(int, "fdatasync", int);
    }
    return fault_fd(fd) ? -1 : next(fd);
}

FAULT_SEEN int
ftruncate(int fd, off_t len)
{
    static int (*next)(int, off_t);

    if (next == NULL) {
        next = FAULT_NEXT(int, "ftruncate", int, off_t);
    }
    return fault_fd(fd) ? -1 : next(fd, len);
}

FAULT_SEEN int
ftruncate64(int fd, off_t len)
{
    return ftruncate(fd, len);
}

FAULT_SEEN int
rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);

    if (next == NULL) {
        next = FAULT_NEXT(int, "rename", const char *, const char *);
    }
    return fault_now() ? -1 : next(from, to);
}

#endif
