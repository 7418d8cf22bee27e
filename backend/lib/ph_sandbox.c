#include "ph_sandbox.h"
#include "ph_str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include("ph_config.h")
#include "ph_config.h"
#endif

#ifdef PH_HAVE_SECCOMP
#include <seccomp.h>
#endif

/* ---- landlock, by its numbers: the C library has no functions for it ---- */

#define PH_LL_CREATE    444
#define PH_LL_ADD       445
#define PH_LL_RESTRICT  446

#define PH_LL_VERSION   1u      /* flag of PH_LL_CREATE */
#define PH_LL_PATH      1       /* type of a rule       */

/* rights; each kernel knows a prefix of them */
#define PH_LL_EXECUTE   (UINT64_C(1) << 0)
#define PH_LL_WRITE     (UINT64_C(1) << 1)
#define PH_LL_READ      (UINT64_C(1) << 2)
#define PH_LL_LIST      (UINT64_C(1) << 3)
#define PH_LL_RMDIR     (UINT64_C(1) << 4)
#define PH_LL_UNLINK    (UINT64_C(1) << 5)
#define PH_LL_MKCHAR    (UINT64_C(1) << 6)
#define PH_LL_MKDIR     (UINT64_C(1) << 7)
#define PH_LL_MKFILE    (UINT64_C(1) << 8)
#define PH_LL_MKSOCK    (UINT64_C(1) << 9)
#define PH_LL_MKFIFO    (UINT64_C(1) << 10)
#define PH_LL_MKBLOCK   (UINT64_C(1) << 11)
#define PH_LL_MKLINK    (UINT64_C(1) << 12)
#define PH_LL_REFER     (UINT64_C(1) << 13)      /* version 2 */
#define PH_LL_TRUNCATE  (UINT64_C(1) << 14)      /* version 3 */

#define PH_LL_V1        ((UINT64_C(1) << 13) - 1)
#define PH_LL_OF_FILE   (PH_LL_WRITE | PH_LL_READ | PH_LL_TRUNCATE)
#define PH_LL_READING   (PH_LL_READ | PH_LL_LIST)
#define PH_LL_WRITING                                                          \
    (PH_LL_READING | PH_LL_WRITE | PH_LL_RMDIR | PH_LL_UNLINK | PH_LL_MKDIR    \
     | PH_LL_MKFILE | PH_LL_MKSOCK | PH_LL_REFER | PH_LL_TRUNCATE)

static const ph_sandbox_path_t  ph_sandbox_system[] = {
    { "/etc", false },
    { "/usr", false },
    { "/lib", false },
    { "/lib64", false },
    { "/dev/null", true },
    { "/dev/urandom", false },
    { "/run/systemd/notify", true },
    { "/run/systemd/resolve", false },
    { "/sys/devices/system/cpu", false },
    { "/proc/self", false }
};

static ph_int_t
ph_sandbox_allow(int ruleset, uint64_t handled, const ph_sandbox_path_t *path)
{
    int          fd;
    long         rc;
    struct stat  st;

    struct {
        uint64_t  allowed;
        int32_t   fd;
    } __attribute__((packed)) rule;

    fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd == -1) {
        return PH_NOTFOUND;
    }

    rule.fd = fd;
    rule.allowed = handled & (path->write ? PH_LL_WRITING : PH_LL_READING);

    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        rule.allowed &= PH_LL_OF_FILE;
    }

    rc = syscall(PH_LL_ADD, ruleset, PH_LL_PATH, &rule, 0);
    (void) close(fd);

    return rc == 0 ? PH_OK : PH_ERROR;
}

static ph_int_t
ph_sandbox_files(ph_log_t *log, const ph_sandbox_path_t *paths, size_t n)
{
    int       fd;
    long      version, rc;
    size_t    i;
    uint64_t  handled;

    version = syscall(PH_LL_CREATE, NULL, 0, PH_LL_VERSION);

    if (version < 1) {
        ph_log(log, PH_LOG_NOTICE, PH1030, "part=landlock reason=\"%s\"",
               strerror(errno));
        return PH_OK;
    }

    handled = PH_LL_V1 | (version >= 2 ? PH_LL_REFER : 0)
              | (version >= 3 ? PH_LL_TRUNCATE : 0);

    fd = (int) syscall(PH_LL_CREATE, &handled, sizeof(handled), 0);
    if (fd == -1) {
        return PH_ERROR;
    }

    for (i = 0; i < ph_nelts(ph_sandbox_system); i++) {
        (void) ph_sandbox_allow(fd, handled, &ph_sandbox_system[i]);
    }

    for (i = 0; i < n; i++) {

        if (paths[i].path == NULL || paths[i].path[0] == '\0') {
            continue;
        }

        rc = ph_sandbox_allow(fd, handled, &paths[i]);

        if (rc == PH_NOTFOUND) {
            ph_log(log, PH_LOG_WARN, PH1030, "part=%s reason=\"not found\"",
                   ph_log_str(ph_str_c(paths[i].path)));

        } else if (rc != PH_OK) {
            (void) close(fd);
            return PH_ERROR;
        }
    }

    rc = syscall(PH_LL_RESTRICT, fd, 0);
    (void) close(fd);

    return rc == 0 ? PH_OK : PH_ERROR;
}

/* ---- seccomp ---- */

#ifdef PH_HAVE_SECCOMP

/*
 * What no daemon of ours needs and what an intruder would: everything else is
 * left to the C library, whose needs change from release to release.
 */
static const int  ph_sandbox_denied[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(kcmp), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
    SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl),
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(init_module),
    SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(reboot), SCMP_SYS(swapon),
    SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(syslog),
    SCMP_SYS(personality), SCMP_SYS(mknod), SCMP_SYS(mknodat),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(setuid),
    SCMP_SYS(setgid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
    SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(vfork), SCMP_SYS(fork)
};

static ph_int_t
ph_sandbox_calls(ph_log_t *log)
{
    int              rc;
    size_t           i;
    scmp_filter_ctx  ctx;

    (void) log;

    ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (ctx == NULL) {
        return PH_NOMEM;
    }

    rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

    for (i = 0; rc == 0 && i < ph_nelts(ph_sandbox_denied); i++) {
        if (ph_sandbox_denied[i] >= 0) {    /* known on this architecture */
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
                                  ph_sandbox_denied[i], 0);
        }
    }

    /* threads yes, processes and namespaces no; clone3() hides its flags */

    if (rc == 0) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
                              0);
    }

    if (rc == 0) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    }

    if (rc == 0) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1,
                              SCMP_A0(SCMP_CMP_NE, (uint32_t) getpid()));
    }

    /* families: unix 1, IPv4 2, IPv6 10, and netlink 16 for the resolver */

    if (rc == 0) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT),
                              SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
    }

    for (i = AF_INET + 1; rc == 0 && i < AF_NETLINK; i++) {
        if (i != AF_INET6) {
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT),
                                  SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_EQ, i));
        }
    }

    if (rc == 0) {
        rc = seccomp_load(ctx);
    }

    seccomp_release(ctx);

    return rc == 0 ? PH_OK : PH_ERROR;
}

#else

static ph_int_t
ph_sandbox_calls(ph_log_t *log)
{
    ph_log(log, PH_LOG_NOTICE, PH1030,
           "part=seccomp reason=\"built without libseccomp\"");

    return PH_OK;
}

#endif

ph_int_t
ph_sandbox_enter(ph_log_t *log, const ph_sandbox_path_t *paths, size_t n)
{
    ph_int_t  rc;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
        rc = PH_ERROR;

    } else {
        rc = ph_sandbox_files(log, paths, n);
    }

    if (rc == PH_OK) {
        rc = ph_sandbox_calls(log);
    }

    if (rc != PH_OK) {
        ph_log(log, PH_LOG_ERROR, PH1031, "reason=\"%s\"", strerror(errno));
    }

    return rc;
}
