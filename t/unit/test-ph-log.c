/* ph_log: the line, escaping, levels, rotation. */

#include "lib/ph_log.h"
#include "lib/ph_str.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

static char  dir[] = "/tmp/ph-log-XXXXXX";
static char  path[64], moved[64];

static char *
slurp(const char *file)
{
    FILE         *f;
    size_t        n;
    static char   buf[16384];

    f = fopen(file, "r");
    if (f == NULL) {
        return NULL;
    }

    n = fread(buf, 1, sizeof(buf) - 1, f);
    buf[n] = '\0';
    fclose(f);

    return buf;
}

int
main(void)
{
    char            *s, big[6000];
    int              i;
    ph_log_t        *log;
    const char      *first;
    ph_log_level_t   level;

    if (mkdtemp(dir) == NULL) {
        return 1;
    }

    (void) snprintf(path, sizeof(path), "%s/log", dir);
    (void) snprintf(moved, sizeof(moved), "%s/log.1", dir);

    ok(ph_log_level_parse("info", &level) == PH_OK && level == PH_LOG_INFO,
       "level by name");
    ok(ph_log_level_parse("loud", &level) == PH_INVALID, "unknown level");
    ok(ph_log_open("test", "/nonexistent/log", PH_LOG_INFO, &log) == PH_ERROR,
       "a file that cannot be opened");
    ok(ph_log_open("test", path, PH_LOG_INFO, &log) == PH_OK, "opened");

    ph_log(log, PH_LOG_DEBUG, PH1001, "n=%d", 1);
    is_cstr(slurp(path), "", "debug is below the level");

    ph_log_write(log, PH_LOG_INFO, PH1001, ph_str_lit("4f"), "k=%s",
                 ph_log_str(ph_str_lit("a\"b\\\n\x01\xff\xc3\xa4")));
    s = slurp(path);
    ok(s != NULL && s[4] == '-' && s[19] == '.' && s[23] == 'Z', "the time");
    ok(strstr(s, "Z info   test[") != NULL, "level and daemon");
    ok(strstr(s, "] PH1001 rid=4f msg=\"log file cannot be reopened\" "
              "k=\"a\\\"b\\\\\\x0a\\x01\\xff\xc3\xa4\"\n") != NULL,
       "code, rid, text and escaped value");

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    ph_log(log, PH_LOG_ERROR, PH1001, "%s\n\x1b%s", big, big);
    s = slurp(path);
    ok(strlen(s) < 4096 + 200 && s[strlen(s) - 1] == '\n',
       "a long line is cut and ends");

    (void) rename(path, moved);
    ph_log_reopen(log);
    ph_log(log, PH_LOG_NOTICE, PH1001, "%s\x1b[31m", "evil\nline");
    s = slurp(path);
    ok(s != NULL && strchr(s, '\n') == s + strlen(s) - 1
       && strchr(s, '\x1b') == NULL, "after rotation; one event, one line");

    first = ph_log_str(ph_str_lit("first"));
    for (i = 0; i < 7; i++) {
        (void) ph_log_str(ph_str_lit("other"));
    }

    is_cstr(first, "\"first\"", "seven further calls leave a value alone");
    ok(strlen(ph_log_str(ph_str_c(big))) == 204, "200 bytes, dots and quotes");

    ph_log_write(NULL, PH_LOG_ERROR, PH1001, ph_str_null, "x=%d", 1);
    ok(true, "no log, no crash");

    ph_log_close(&log);
    ok(log == NULL, "closed");

    (void) unlink(path);
    (void) unlink(moved);
    (void) rmdir(dir);

    return done_testing();
}
