/* ph_conf: values, defaults, prefix, and errors that name their line. */

#include "lib/ph_conf.h"
#include "lib/ph_pool.h"
#include "tap.h"

static char        dir[128], path[160];
static ph_pool_t  *pool;
static ph_conf_t  *conf;

static const char *
load(const char *text)
{
    FILE        *f;
    ph_int_t     rc;
    const char  *err;

    f = fopen(path, "w");
    if (f == NULL) {
        return "no file";
    }

    fputs(text, f);
    fclose(f);

    rc = ph_conf_load(pool, path, &conf, &err);

    return rc == PH_OK ? "ok" : err;
}

static void
is_error(const char *text, const char *want)
{
    const char  *err;

    err = load(text);

    if (!ok(strncmp(err, path, strlen(path)) == 0
            && strncmp(err + strlen(path), want, strlen(want)) == 0,
            "error \"FILE%s\"", want))
    {
        diag("got %s", err);
    }
}

int
main(void)
{
    size_t               i, n, bad;
    const char          *err;
    const ph_option_t   *o;
    const char *const   *list;

    tap_tmpdir(dir, sizeof(dir));
    (void) snprintf(path, sizeof(path), "%s/posthorn.conf", dir);
    pool = ph_pool_create("conf", 0);

    is_cstr(load(""), "ok", "an empty file");
    is_int(ph_conf_int(conf, "main", "stop_timeout"), 30000, "default TIME");
    is_int(ph_conf_int(conf, "main", "open_files"), 65536, "default INT");
    ok(!ph_conf_bool(conf, "main", "core_dumps"), "default BOOL");
    is_cstr(ph_conf_str(conf, "log", "level"), "info", "default STR");
    n = ph_conf_list(conf, "directory", "admins", &list);
    ok(n == 1 && strcmp(list[0], "root") == 0, "default LIST");
    n = ph_conf_list(conf, "directory", "acl", &list);
    ok(n == 0, "default LIST of nothing");
    ok(strchr(ph_conf_str(conf, "main", "run_dir"), '%') == NULL,
       "the default's prefix is replaced");
    is_cstr(strrchr(ph_conf_where(conf, pool, "log", "level"), '/'),
            "/posthorn.conf: log.level", "a default has no line");

    is_cstr(load("# comment\n"
                 "main {\n"
                 "    prefix = \"/srv/ph\"\n"
                 "    run_dir = %p/r/%p\n"
                 "    stop_timeout = 5m\n"
                 "    core_dumps = yes\n"
                 "    threads = 12\n"
                 "}\n"
                 "log { level = debug }\n"
                 "directory { acl = { 10.0.0.0/8, \"%p/x\" } admins = {} }\n"
                 "exmdb { max_request = 64m }\n"
                 "main { open_files = 100 }\n"), "ok", "a file");
    is_cstr(ph_conf_str(conf, "main", "run_dir"), "/srv/ph/r//srv/ph", "%p");
    is_int(ph_conf_int(conf, "main", "stop_timeout"), 300000, "TIME");
    is_int(ph_conf_int(conf, "main", "threads"), 12, "INT");
    is_int(ph_conf_int(conf, "main", "open_files"), 100, "a section twice");
    is_int(ph_conf_int(conf, "exmdb", "max_request"), 64 << 20, "SIZE");
    ok(ph_conf_bool(conf, "main", "core_dumps"), "BOOL");
    n = ph_conf_list(conf, "directory", "acl", &list);
    ok(n == 2 && strcmp(list[0], "10.0.0.0/8") == 0
       && strcmp(list[1], "/srv/ph/x") == 0, "LIST");
    n = ph_conf_list(conf, "directory", "admins", &list);
    ok(n == 0, "an empty LIST is not its default");
    is_cstr(strrchr(ph_conf_where(conf, pool, "log", "level"), '/'),
            "/posthorn.conf:9: log.level", "where an option stands");

    is_error("main {\n  thread = 1\n}\n", ":2: no such option 'thread'");
    is_error("\n\nmine { }\n", ":3: no such option 'mine'");
    is_error("main {\n\n  threads = many\n}\n",
             ":3: main.threads: \"many\" is not a number");
    is_error("main {\n  threads = 4x\n}\n", ":2: main.threads: \"4x\" is not");
    is_error("main {\n  threads = 99999999999999999999\n}\n",
             ":2: main.threads: ");
    is_error("main {\n  stop_timeout = 5min\n}\n",
             ":2: main.stop_timeout: \"5min\" is not a time");
    is_error("main {\n  stop_timeout = -5s\n}\n", ":2: main.stop_timeout: ");
    is_error("exmdb {\n\n\n  max_request = 5x\n}\n",
             ":4: exmdb.max_request: \"5x\" is not a size");
    is_error("exmdb {\n  max_request = 9999999999999g\n}\n", ":2: exmdb.max");
    is_error("main {\n  core_dumps = perhaps\n}\n",
             ":2: main.core_dumps: \"perhaps\" is not yes or no");
    is_error("main {\n  threads = 1\n", ":1: \"{\" that is not closed");
    is_error("main {\n  user = \"x\n\n}\n", ":2: string that is not closed");
    is_error("/* c\n * d */ main { # e }\n  thread = 1\n}\n",
             ":3: no such option 'thread'");
    is_error("\n// x {\n\n# y\n/* x\n", ":5: comment that is not closed");
    is_error("main\n{ threads 5 }\n", ":2: ");

    ok(ph_conf_load(pool, "/nonexistent.conf", &conf, &err) == PH_INVALID
       && strcmp(err, "/nonexistent.conf: No such file or directory") == 0,
       "a file that is not there");

    ok(ph_conf_has("main", "user") && !ph_conf_has("main", "nobody"), "has");

    o = ph_conf_options(&n);

    for (i = 0, bad = 0; i < n; i++) {
        if (strlen(o[i].doc) < 10 || o[i].doc[strlen(o[i].doc) - 1] != '.') {
            diag("%s.%s is not explained", o[i].section, o[i].name);
            bad++;
        }
    }

    is_int(bad, 0, "every option is explained in a sentence");

    ph_pool_destroy(&pool);
    tap_rmdir(dir);

    return done_testing();
}
