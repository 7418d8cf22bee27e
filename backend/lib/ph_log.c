/*
 * A line is put together on the stack and leaves in one write(2) on a
 * descriptor opened for appending: lines of threads and processes never mix,
 * and there is no lock.
 */

#include "ph_log.h"
#include "ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define PH_LOG_LINE     4096
#define PH_LOG_STR_MAX  200
#define PH_LOG_STRS     8

struct ph_log_s {
    int              fd;         /* -1: syslog */
    ph_log_level_t   level;
    char            *file;       /* NULL: stderr or syslog */
    char            *daemon;
};

static const char *const  ph_log_levels[] = {
    "error", "warn", "notice", "info", "debug"
};

/* a duplicate number does not compile */
static const char *
ph_log_text(ph_log_code_t code)
{
    switch ((int) code) {
#define PH_CODE(n, text, cause, remedy)  case n: return text;
#include "ph_log_codes.h"
#undef PH_CODE
    default:
        return "";
    }
}

static int
ph_log_open_file(const char *file)
{
    return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
                0640);
}

ph_int_t
ph_log_open(const char *daemon, const char *file, ph_log_level_t level,
    ph_log_t **log_r)
{
    ph_log_t  *log;

    log = calloc(1, sizeof(*log));
    if (log == NULL) {
        return PH_NOMEM;
    }

    log->level = level;
    log->daemon = strdup(daemon);

    if (log->daemon == NULL) {
        ph_log_close(&log);
        return PH_NOMEM;
    }

    if (file == NULL) {
        log->fd = STDERR_FILENO;

    } else if (strcmp(file, "syslog") == 0) {
        log->fd = -1;
        openlog(log->daemon, LOG_PID, LOG_MAIL);

    } else {
        log->file = strdup(file);
        log->fd = log->file != NULL ? ph_log_open_file(file) : -1;

        if (log->fd == -1) {
            ph_log_close(&log);
            return PH_ERROR;
        }
    }

    *log_r = log;

    return PH_OK;
}

void
ph_log_reopen(ph_log_t *log)
{
    int  fd;

    if (log == NULL || log->file == NULL) {
        return;
    }

    fd = ph_log_open_file(log->file);

    if (fd == -1) {
        ph_log(log, PH_LOG_ERROR, PH1001, "file=%s error=\"%s\"",
               ph_log_str(ph_str_c(log->file)),
               strerror(errno));
        return;
    }

    /* same descriptor number, so that threads which write now are not harmed */

    (void) dup3(fd, log->fd, O_CLOEXEC);
    (void) close(fd);
}

void
ph_log_close(ph_log_t **log)
{
    ph_log_t  *l;

    l = *log;
    if (l == NULL) {
        return;
    }

    *log = NULL;

    if (l->file != NULL && l->fd != -1) {
        (void) close(l->fd);
    }

    free(l->file);
    free(l->daemon);
    free(l);
}

ph_int_t
ph_log_level_parse(const char *name, ph_log_level_t *level_r)
{
    size_t  i;

    for (i = 0; i < ph_nelts(ph_log_levels); i++) {
        if (strcmp(name, ph_log_levels[i]) == 0) {
            *level_r = (ph_log_level_t) i;
            return PH_OK;
        }
    }

    return PH_INVALID;
}

static size_t
ph_log_clip(int n, size_t len, size_t size)
{
    /* what snprintf() says it wanted, limited to what it wrote */

    if (n < 0) {
        return len;
    }

    return ph_min(len + (size_t) n, size - 1);
}

void
ph_log_write(ph_log_t *log, ph_log_level_t level, ph_log_code_t code,
    ph_str_t rid, const char *fmt, ...)
{
    char              line[PH_LOG_LINE];
    size_t            i, len, head, size;
    va_list           args;
    ssize_t           n;
    struct tm         tm;
    struct timespec   ts;
    static const int  priorities[] = {
        LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG
    };

    if (log == NULL || level > log->level) {
        return;
    }

    size = sizeof(line) - 1;        /* room for the newline */

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    (void) gmtime_r(&ts.tv_sec, &tm);

    len = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
    len = ph_log_clip(snprintf(line + len, size - len, ".%03dZ %-6s %s[%d] ",
                               (int) (ts.tv_nsec / 1000000),
                               ph_log_levels[level], log->daemon,
                               (int) getpid()),
                      len, size);
    head = len;

    len = ph_log_clip(snprintf(line + len, size - len, "PH%04d", (int) code),
                      len, size);

    if (rid.len != 0) {
        len = ph_log_clip(snprintf(line + len, size - len, " rid=%.*s",
                                   (int) ph_min(rid.len, (size_t) 64),
                                   (const char *) rid.data),
                          len, size);
    }

    len = ph_log_clip(snprintf(line + len, size - len, " msg=\"%s\"",
                               ph_log_text(code)),
                      len, size);

    if (fmt[0] != '\0') {
        line[len++] = ' ';

        va_start(args, fmt);
        len = ph_log_clip(vsnprintf(line + len, size - len, fmt, args),
                          len, size);
        va_end(args);
    }

    for (i = head; i < len; i++) {
        if ((uint8_t) line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = ' ';          /* one event, one line, whatever came in */
        }
    }

    if (log->fd == -1) {
        line[len] = '\0';
        syslog(priorities[level], "%s", line + head);
        return;
    }

    line[len++] = '\n';

    do {
        n = write(log->fd, line, len);
    } while (n == -1 && errno == EINTR);
}

/* length of the well-formed character of several bytes at p, or 0 */
static size_t
ph_log_utf8(const uint8_t *p, size_t left)
{
    size_t  n;

    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    return n <= left && ph_utf8_valid((ph_str_t) { n, p }) ? n : 0;
}

const char *
ph_log_str(ph_str_t s)
{
    char                   *p, *out;
    size_t                  i, n, max;
    uint8_t                 c;
    static const char       digits[] = "0123456789abcdef";
    static __thread size_t  turn;
    static __thread char    bufs[PH_LOG_STRS][4 * PH_LOG_STR_MAX + 6];

    out = bufs[turn++ % PH_LOG_STRS];
    max = ph_min(s.len, (size_t) PH_LOG_STR_MAX);
    p = out;
    *p++ = '"';

    for (i = 0; i < max; i++) {
        c = s.data[i];

        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char) c;

        } else if (c >= 0xc2
                   && (n = ph_log_utf8(s.data + i, max - i)) != 0)
        {
            memcpy(p, s.data + i, n);
            p += n;
            i += n - 1;

        } else if (c < 0x20 || c > 0x7e) {
            *p++ = '\\';
            *p++ = 'x';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];

        } else {
            *p++ = (char) c;
        }
    }

    if (max < s.len) {
        *p++ = '.';
        *p++ = '.';
    }

    *p++ = '"';
    *p = '\0';

    return out;
}
