/*
 * Logging: one line an event, "key=value" pairs, a level and a code.
 *
 *   2026-01-31T12:00:00.123Z info  exmdb[1234] PH3012 rid=4f.. msg="..." k=v
 *
 * Codes are declared once, in backend/lib/codes/<area>.def, with their cause
 * and remedy; an unknown code does not compile.  Values with spaces are quoted
 * by the caller through ph_log_str().
 */

#ifndef PH_LOG_H
#define PH_LOG_H

#include "ph_core.h"

typedef enum {
    PH_LOG_ERROR = 0,    /* somebody must act                     */
    PH_LOG_WARN,         /* service goes on, somebody should look */
    PH_LOG_NOTICE,       /* start, stop, reload                   */
    PH_LOG_INFO,         /* one line a delivery, login, session   */
    PH_LOG_DEBUG
} ph_log_level_t;

/*
 * PH_CODE(number, "one line of text", "cause", "remedy") in the .def files.
 * Number ranges: lib 1000, directory 2000, store 3000, exmdb 4000,
 * delivery 5000 and convert 5500, nginx modules 6000, tools 7000.
 */
typedef enum {
#define PH_CODE(n, text, cause, remedy)  PH##n = n,
#include "ph_log_codes.h"
#undef PH_CODE
    PH_LOG_CODE_MAX
} ph_log_code_t;

/* file NULL: stderr; "syslog": syslog(3). The log lives until ph_log_close. */
ph_int_t ph_log_open(const char *daemon, const char *file,
    ph_log_level_t level, ph_log_t **log_r);
/* reopens the file (after rotation); keeps the old one when that fails */
void ph_log_reopen(ph_log_t *log);
void ph_log_close(ph_log_t **log);
ph_int_t ph_log_level_parse(const char *name, ph_log_level_t *level_r);

/*
 * Writes one line.  rid is the request id that follows a request through all
 * processes (may be empty).  fmt gives "key=%s key=%d ..."; safe from any
 * thread. log NULL drops the line.
 */
void ph_log_write(ph_log_t *log, ph_log_level_t level, ph_log_code_t code,
    ph_str_t rid, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define ph_log(log, level, code, ...)                                          \
    ph_log_write(log, level, code, ph_str_null, __VA_ARGS__)

/*
 * A value that came from outside, quoted and escaped (control characters,
 * quote, backslash, non-UTF-8), at most 200 bytes, in a buffer of this thread
 * that eight further calls leave alone.
 */
const char *ph_log_str(ph_str_t s);

#endif
