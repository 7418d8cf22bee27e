/*
 * ph_daemon: a small daemon with two workers is started, reloaded, hurt and
 * stopped from outside, as an administrator and a service manager would.
 */

#include "lib/ph_daemon.h"
#include "lib/ph_pool.h"
#include "lib/ph_str.h"
#include "lib/ph_wire.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define OP_PID    0x0201  /* the worker's pid and a word of its configuration */
#define OP_CRASH  0x0202
#define OP_SLOW   0x0203    /* answers after 300 ms */
#define OP_LIMITS 0x0204

static char  dir[128], conf[160], address[160], notify[160], log_file[160];
static char  pid_file[192];
static int   notify_fd;

/* ---- the daemon ---- */

typedef struct {
    ph_daemon_t       *daemon;
    ph_wire_server_t  *server;
} small_t;

typedef struct {
    uv_timer_t      timer;
    ph_wire_req_t  *req;
} slow_t;

static void
slow_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void
slow_done(uv_timer_t *timer)
{
    slow_t  *slow = timer->data;

    ph_wire_reply(slow->req, PH_WIRE_OK, ph_str_lit("slow"));
    uv_close((uv_handle_t *) timer, slow_closed);
}

static void
on_request(ph_wire_req_t *req, void *data)
{
    char           text[128];
    slow_t        *slow;
    small_t       *small = data;
    struct rlimit  core, files;

    switch (req->op) {

    case OP_PID:
        (void) snprintf(text, sizeof(text), "%d %d %s", (int) getpid(),
                        small->daemon->worker,
                        ph_conf_str(small->daemon->conf, "exmdb", "node"));
        ph_wire_reply(req, PH_WIRE_OK, ph_str_c(text));
        break;

    case OP_CRASH:
        (void) raise(SIGKILL);
        break;

    case OP_SLOW:
        slow = malloc(sizeof(*slow));
        slow->req = req;
        (void) uv_timer_init(small->daemon->loop, &slow->timer);
        slow->timer.data = slow;
        (void) uv_timer_start(&slow->timer, slow_done, 300, 0);
        break;

    default:
        (void) getrlimit(RLIMIT_CORE, &core);
        (void) getrlimit(RLIMIT_NOFILE, &files);
        (void) snprintf(text, sizeof(text), "%d %d %d %d %d %s",
                        (int) getuid(), (int) getgid(), (int) core.rlim_cur,
                        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
                        (int) files.rlim_cur, getenv("UV_THREADPOOL_SIZE"));
        ph_wire_reply(req, PH_WIRE_OK, ph_str_c(text));
    }
}

static ph_int_t
on_check(ph_daemon_t *d, const char **err_r)
{
    if (strcmp(ph_conf_str(d->conf, "exmdb", "node"), "bad") == 0) {
        *err_r = ph_psprintf(d->pool, "%s: bad is bad",
                             ph_conf_where(d->conf, d->pool, "exmdb", "node"));
        return PH_INVALID;
    }

    return PH_OK;
}

static ph_int_t
on_listen(ph_daemon_t *d)
{
    return ph_daemon_listen(d, address);
}

static ph_int_t
on_start(ph_daemon_t *d)
{
    small_t                *small;
    ph_wire_server_opts_t   opts;

    if (strcmp(ph_conf_str(d->conf, "exmdb", "node"), "broken") == 0) {
        return PH_ERROR;
    }

    small = ph_pcalloc(d->pool, sizeof(*small));
    small->daemon = d;
    d->data = small;

    memset(&opts, 0, sizeof(opts));
    opts.log = d->log;
    opts.request = on_request;
    opts.data = small;

    return ph_wire_listen(d->loop, address, ph_daemon_fd(d, address), &opts,
                          &small->server);
}

static void
on_drained(void *data)
{
    ph_daemon_stopped(data);
}

static void
on_stop(ph_daemon_t *d)
{
    small_t  *small = d->data;

    ph_wire_server_stop(small->server, 5000, on_drained, d);
}

static int
daemon_main(int argc, char **argv)
{
    ph_daemon_t  d;

    memset(&d, 0, sizeof(d));
    d.name = "exmdb";
    d.what = "A test.";
    d.check = on_check;
    d.listen = on_listen;
    d.start = on_start;
    d.stop = on_stop;

    return ph_daemon_main(&d, argc, argv);
}

/* ---- what the test does with it ---- */

static const char  *user = "";

static void
configure(const char *node)
{
    FILE  *f;

    f = fopen(conf, "w");
    fprintf(f, "main { run_dir = \"%s/run/x\" open_files = 300"
            " user = \"%s\" }\n"
            "log { file = \"%s\" level = debug }\n"
            "exmdb {\n  workers = 2\n  node = \"%s\"\n  threads = 3\n"
            "  stop_timeout = 2s\n}\n", dir, user, log_file, node);
    fclose(f);
}

/* the process itself, with its output in a file */
static pid_t
launch(const char *option)
{
    int    fd;
    pid_t  pid;
    char  *argv[] = { (char *) "posthorn-exmdb", (char *) "-c", conf,
                      (char *) option, NULL };

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        char  out[200];

        (void) snprintf(out, sizeof(out), "%s/out", dir);
        fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        (void) dup2(fd, 1);
        (void) dup2(fd, 2);
        exit(daemon_main(option != NULL ? 4 : 3, argv));
    }

    return pid;
}

static const char *
slurp(const char *path)
{
    FILE         *f;
    size_t        n;
    static char   buf[65536];

    n = 0;
    f = fopen(path, "r");

    if (f != NULL) {
        n = fread(buf, 1, sizeof(buf) - 1, f);
        fclose(f);
    }

    buf[n] = '\0';

    return buf;
}

static const char *
output(void)
{
    char  path[200];

    (void) snprintf(path, sizeof(path), "%s/out", dir);

    return slurp(path);
}

/* whether the service manager is told so within 10 seconds */
static bool
notified(const char *what)
{
    char      buf[1024];
    ssize_t   n;
    uint64_t  end;

    end = ph_now_ms() + 10000;

    while (ph_now_ms() < end) {
        n = recv(notify_fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

        if (n > 0) {
            buf[n] = '\0';

            if (strstr(buf, what) != NULL) {
                return true;
            }
        }

        usleep(2000);
    }

    return false;
}

/* the exit status within 10 seconds, -1 when it goes on, 1000 + signal */
static int
ended(pid_t pid)
{
    int       status;
    uint64_t  end;

    end = ph_now_ms() + 10000;

    while (ph_now_ms() < end) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 1000 + WTERMSIG(status);
        }

        usleep(2000);
    }

    return -1;
}

static bool
alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static bool
gone(pid_t pid)
{
    uint64_t  end;

    end = ph_now_ms() + 10000;

    while (ph_now_ms() < end && alive(pid)) {
        usleep(2000);
    }

    return !alive(pid);
}

/* asks on a new connection; false when nobody answers */
static bool
ask(uint16_t op, char *text, size_t size)
{
    bool              good;
    ph_str_t          answer;
    ph_pool_t        *pool;
    ph_wire_sync_t   *sync;
    ph_wire_status_t  status;

    pool = ph_pool_create("ask", 0);
    good = false;

    if (ph_wire_sync_create(address, NULL, &sync) == PH_OK) {

        good = ph_wire_sync_call(sync, pool, op, ph_str_null, ph_str_null,
                                 5000, &status, &answer) == PH_OK
               && status == PH_WIRE_OK;

        if (good) {
            (void) snprintf(text, size, "%.*s", PH_STR_ARG(answer));
        }

        ph_wire_sync_destroy(&sync);
    }

    ph_pool_destroy(&pool);

    return good;
}

/* pids of both workers, by asking until both have answered */
static bool
workers(pid_t pids[2], const char *node)
{
    int       pid, number;
    char      text[128], got[64];
    uint64_t  end;

    pids[0] = pids[1] = 0;
    end = ph_now_ms() + 10000;

    while (ph_now_ms() < end && (pids[0] == 0 || pids[1] == 0)) {
        got[0] = '\0';

        if (ask(OP_PID, text, sizeof(text))
            && sscanf(text, "%d %d %63s", &pid, &number, got) == 3
            && strcmp(got, node) == 0 && number >= 0 && number < 2)
        {
            pids[number] = pid;
        }
    }

    return pids[0] != 0 && pids[1] != 0;
}

static void *
slow_call(void *data)
{
    char  text[64];

    *(bool *) data = ask(OP_SLOW, text, sizeof(text))
                     && strcmp(text, "slow") == 0;

    return NULL;
}

static void
test_options(void)
{
    configure("one");
    is_int(ended(launch("-t")), 0, "-t");
    ok(strstr(output(), "is fine") != NULL, "says so");
    is_int(ended(launch("-V")), 0, "-V");
    ok(strncmp(output(), "posthorn-exmdb ", 15) == 0, "shows the version");
    is_int(ended(launch("-h")), 0, "-h");
    ok(strstr(output(), "-c FILE") != NULL, "shows the options");
    is_int(ended(launch("-x")), 2, "an unknown option");

    configure("bad");
    is_int(ended(launch("-t")), 1, "-t of a file that the daemon refuses");
    ok(strstr(output(), "posthorn.conf:5: exmdb.node: bad is bad") != NULL,
       "with its line");
    is_int(ended(launch("-f")), 1, "it is not started either");

    configure("broken");
    is_int(ended(launch("-f")), 1, "a worker that cannot start");
    ok(strstr(slurp(log_file), "PH1022") != NULL, "is logged");
    ok(access(pid_file, F_OK) == -1 && access(address + 5, F_OK) == -1,
       "nothing is left behind");
}

static void
test_life(void)
{
    int        core, nnp, files, threads;
    bool       slow;
    char       text[128], moved[200];
    pid_t      master, old[2], new[2];
    pthread_t  thread;

    configure("one");
    master = launch("-f");
    ok_or_bail(notified("READY=1"), "ready");
    ok(workers(old, "one") && old[0] != old[1] && old[0] != master,
       "two workers answer");
    (void) snprintf(text, sizeof(text), "%d\n", (int) master);
    is_cstr(slurp(pid_file), text, "PID file");
    ok(ask(OP_LIMITS, text, sizeof(text)), "limits");
    ok(sscanf(text, "%*d %*d %d %d %d %d", &core, &nnp, &files, &threads) == 4
       && core == 0 && nnp == 1 && files >= 300 && threads == 3,
       "no core, no new privileges, descriptors, threads: %s", text);

    is_int(ended(launch("-f")), 1, "a second one");
    ok(strstr(output(), "is running already") != NULL, "says why");
    ok(alive(master) && ask(OP_PID, text, sizeof(text)), "the first goes on");

    /* a crash */

    ok(!ask(OP_CRASH, text, sizeof(text)), "a worker dies");
    ok(workers(new, "one"), "two again");
    ok((new[0] != old[0]) + (new[1] != old[1]) == 1, "one of them is new");
    ok(strstr(slurp(log_file), "PH1023") != NULL
       && strstr(slurp(log_file), "signal=9") != NULL, "logged");

    /* reload: a wrong file changes nothing */

    configure("bad");
    (void) kill(master, SIGHUP);
    ok(notified("READY=1"), "a wrong file at reload");
    ok(workers(old, "one") && old[0] == new[0] && old[1] == new[1],
       "the workers stay");
    ok(strstr(slurp(log_file), "bad is bad") != NULL, "logged");

    /* reload: a request in flight is answered by the old worker */

    slow = false;
    configure("two");
    (void) pthread_create(&thread, NULL, slow_call, &slow);
    usleep(50000);
    (void) kill(master, SIGHUP);
    ok(notified("RELOADING=1") && notified("READY=1"), "reload");
    ok(workers(new, "two"), "workers with the new configuration");
    (void) pthread_join(thread, NULL);
    ok(slow, "the request in flight is answered");
    ok(gone(old[0]) && gone(old[1]), "the old workers end");

    /* log rotation */

    (void) snprintf(moved, sizeof(moved), "%s.1", log_file);
    (void) rename(log_file, moved);
    (void) kill(master, SIGUSR1);
    (void) kill(new[0], SIGKILL);
    ok(workers(new, "two"), "a worker is killed after a rotation");
    ok(strstr(slurp(log_file), "PH1023") != NULL, "logged in the new file");

    /* stop */

    (void) kill(master, SIGTERM);
    ok(notified("STOPPING=1"), "stopping");
    is_int(ended(master), 0, "ends with 0");
    ok(gone(new[0]) && gone(new[1]), "workers too");
    ok(access(pid_file, F_OK) == -1 && access(address + 5, F_OK) == -1,
       "PID file and socket are removed");

    /* the master is killed: workers end by themselves */

    master = launch("-f");
    ok(notified("READY=1") && workers(new, "two"), "started again");
    (void) kill(master, SIGKILL);
    is_int(ended(master), 1000 + SIGKILL, "the master is killed");
    ok(gone(new[0]) && gone(new[1]), "its workers end");

    /* in the background */

    master = launch(NULL);
    is_int(ended(master), 0, "the starter ends when the daemon is up");
    ok(workers(new, "two"), "it runs in the background");
    master = (pid_t) strtol(slurp(pid_file), NULL, 10);
    ok(master > 1 && kill(master, SIGTERM) == 0 && gone(master), "stops");
}

/* started by root: everything runs as somebody else then */
static void
test_privileges(void)
{
    int             uid, gid;
    char            text[200];
    pid_t           master, pids[2];
    struct stat     st;
    struct passwd  *pw;

    pw = getpwnam("nobody");

    if (geteuid() != 0 || pw == NULL) {
        diag("not root: privileges are not tested");
        return;
    }

    user = "no-such-user";
    configure("one");
    is_int(ended(launch("-t")), 1, "a user that does not exist");
    ok(strstr(output(), "posthorn.conf:1: main.user: no such user") != NULL,
       "is named");

    /* a folder of that user, as the installation makes it */

    user = "nobody";
    configure("one");
    (void) unlink(log_file);
    (void) snprintf(text, sizeof(text), "%s/run/x", dir);
    (void) rmdir(text);
    (void) snprintf(text, sizeof(text), "%s/run", dir);
    (void) rmdir(text);
    (void) chmod(dir, 0755);
    (void) chmod(notify, 0777);

    while (recv(notify_fd, text, sizeof(text), MSG_DONTWAIT) > 0) {
        /* what the one before has said */
    }

    (void) chown(dir, pw->pw_uid, pw->pw_gid);

    master = launch("-f");
    ok_or_bail(notified("READY=1"), "started by root");
    ok(workers(pids, "one") && ask(OP_LIMITS, text, sizeof(text))
       && sscanf(text, "%d %d", &uid, &gid) == 2 && (uid_t) uid == pw->pw_uid
       && (gid_t) gid == pw->pw_gid, "workers run as nobody: %s", text);
    ok(stat(address + 5, &st) == 0 && st.st_uid == pw->pw_uid
       && (st.st_mode & 0777) == 0660, "the socket is theirs");
    ok(stat(log_file, &st) == 0 && st.st_uid == pw->pw_uid
       && stat(pid_file, &st) == 0 && st.st_uid == pw->pw_uid,
       "log and PID file too");

    (void) kill(master, SIGUSR1);
    configure("two");
    (void) kill(master, SIGHUP);
    ok(notified("READY=1") && workers(pids, "two"), "reloads as nobody");

    (void) kill(master, SIGTERM);
    is_int(ended(master), 0, "ends");
    ok(access(pid_file, F_OK) == -1 && access(address + 5, F_OK) == -1,
       "and can remove its files");
}

int
main(void)
{
    struct sockaddr_un  un;

    tap_tmpdir(dir, sizeof(dir));
    (void) snprintf(conf, sizeof(conf), "%s/posthorn.conf", dir);
    (void) snprintf(address, sizeof(address), "unix:%s/s", dir);
    (void) snprintf(notify, sizeof(notify), "%s/notify", dir);
    (void) snprintf(log_file, sizeof(log_file), "%s/log", dir);
    (void) snprintf(pid_file, sizeof(pid_file), "%s/run/x/exmdb.pid", dir);

    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, notify, strlen(notify) + 1);
    ok_or_bail(bind(notify_fd, (struct sockaddr *) &un, sizeof(un)) == 0,
               "notification socket");
    (void) setenv("NOTIFY_SOCKET", notify, 1);

    test_options();
    test_life();
    test_privileges();

    (void) close(notify_fd);
    tap_rmdir(dir);

    return done_testing();
}
