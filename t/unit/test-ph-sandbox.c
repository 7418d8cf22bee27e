/* ph_sandbox: what still works inside, and what does not any more. */

#include "lib/ph_sandbox.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if __has_include("ph_config.h")
#include "ph_config.h"
#endif

static char  dir[128], allowed[160], readable[160], denied[160];

static bool
can_open(const char *folder, int flags)
{
    int   fd;
    char  path[200];

    (void) snprintf(path, sizeof(path), "%s/file", folder);
    fd = open(path, flags, 0600);

    if (fd != -1) {
        (void) close(fd);
    }

    return fd != -1;
}

static void *
thread(void *data)
{
    *(bool *) data = !can_open(denied, O_RDONLY);

    return data;
}

/* in a process of its own; a bit for each thing that is as it should not be */
static int
inside(bool landlock)
{
    int                      bad;
    bool                     refused;
    pthread_t                t;
    ph_sandbox_path_t        paths[3];

    paths[0] = (ph_sandbox_path_t) { allowed, true };
    paths[1] = (ph_sandbox_path_t) { readable, false };
    paths[2] = (ph_sandbox_path_t) { "/nonexistent", false };

    if (ph_sandbox_enter(NULL, paths, 3) != PH_OK) {
        return 255;
    }

    bad = 0;
    bad |= !can_open(allowed, O_RDWR | O_CREAT) ? 1 : 0;
    bad |= !can_open(readable, O_RDONLY) ? 2 : 0;

    if (landlock) {
        bad |= can_open(readable, O_RDWR) ? 4 : 0;
        bad |= can_open(denied, O_RDONLY) ? 8 : 0;

        refused = false;

        if (pthread_create(&t, NULL, thread, &refused) != 0) {
            return 254;
        }

        (void) pthread_join(t, NULL);
        bad |= !refused ? 16 : 0;
    }

#ifdef PH_HAVE_SECCOMP
    {
        char  *argv[] = { (char *) "true", NULL };

        (void) execv("/bin/true", argv);
        bad |= errno != EPERM ? 32 : 0;
        bad |= fork() != -1 ? 64 : 0;
        bad |= socket(AF_PACKET, SOCK_RAW, 0) != -1
               || socket(AF_INET, SOCK_STREAM, 0) == -1
               || socket(AF_INET6, SOCK_STREAM, 0) == -1
               || socket(AF_UNIX, SOCK_STREAM, 0) == -1
               || ptrace(PTRACE_TRACEME, 0, 0, 0) != -1
               || kill(getppid(), 0) != -1
               || kill(getpid(), 0) == -1 ? 128 : 0;
    }
#endif

    return bad;
}

int
main(void)
{
    int    status;
    bool   landlock;
    pid_t  pid;

    landlock = syscall(444, NULL, 0, 1) >= 1;

    tap_tmpdir(dir, sizeof(dir));
    (void) snprintf(allowed, sizeof(allowed), "%s/allowed", dir);
    (void) snprintf(readable, sizeof(readable), "%s/readable", dir);
    (void) snprintf(denied, sizeof(denied), "%s/denied", dir);
    (void) mkdir(allowed, 0700);
    (void) mkdir(readable, 0700);
    (void) mkdir(denied, 0700);

    ok(can_open(readable, O_RDWR | O_CREAT)
       && can_open(denied, O_RDWR | O_CREAT),
       "files are there");

    if (!landlock) {
        diag("this kernel has no landlock: files are not tested");
    }

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        _exit(inside(landlock));
    }

    ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "ended");
    is_int(WEXITSTATUS(status), 0, "nothing is as it should not be");
    ok(can_open(denied, O_RDWR), "only that process is enclosed");

    tap_rmdir(dir);

    return done_testing();
}
