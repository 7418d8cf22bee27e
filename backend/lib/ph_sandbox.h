/*
 * A cage for daemons that parse bytes from strangers: no new programs, no look
 * at other processes, no sockets but unix and IP, no files but those of given
 * folders.  By landlock and seccomp, as far as the kernel has them.
 */

#ifndef PH_SANDBOX_H
#define PH_SANDBOX_H

#include "ph_core.h"
#include "ph_log.h"

typedef struct {
    const char  *path;      /* folder with all that is in it, or a file */
    bool         write;     /* also create, rename, remove             */
} ph_sandbox_path_t;

/*
 * Encloses the process for the rest of its life; called in a worker's start
 * hook before anything runs on another thread, since landlock holds for the
 * calling thread and those that it starts.  The system's own files (/etc,
 * /usr, /lib, /dev/null, ...) stay readable.  Names that do not exist are left
 * out.
 *
 * PH_OK also when the kernel cannot do a part of it: the log says which.
 * PH_ERROR: the kernel can, and it failed; the caller must not go on.
 */
ph_int_t ph_sandbox_enter(ph_log_t *log, const ph_sandbox_path_t *paths,
    size_t n);

#endif
