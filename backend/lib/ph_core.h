/*
 * Posthorn base library: the vocabulary that every file shares.
 *
 * Results are ph_int_t: PH_OK or one of the negative codes below.  MAPI error
 * codes and HTTP statuses exist only at the edges (exmdb, ngx_modules).
 */

#ifndef PH_CORE_H
#define PH_CORE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef intptr_t   ph_int_t;
typedef uintptr_t  ph_uint_t;

#define PH_OK         0
#define PH_ERROR     -1    /* internal failure; the log has the reason       */
#define PH_AGAIN     -2    /* would block, or more input is needed           */
#define PH_BUSY      -3    /* a limit on concurrency is reached; try later   */
#define PH_DONE      -4    /* nothing left                                   */
#define PH_DECLINED  -5    /* not mine; ask the next                         */
#define PH_ABORT     -6    /* cancelled by the peer or by shutdown           */
#define PH_NOMEM     -7    /* out of memory, or the pool's limit is reached  */
#define PH_INVALID   -8    /* input that breaks its format                   */
#define PH_NOTFOUND  -9
#define PH_EXISTS   -10
#define PH_DENIED   -11
#define PH_TOOBIG   -12    /* a documented limit on size or count            */
#define PH_NOSPACE  -13    /* the disk is full                               */
#define PH_CORRUPT  -14    /* data on disk break their own rules             */
#define PH_TIMEOUT  -15
#define PH_CONFLICT -16    /* changed by somebody else meanwhile             */
#define PH_QUOTA    -17    /* a limit that somebody set on a mailbox          */

/* bytes that somebody else owns; never NUL terminated unless said so */
typedef struct {
    size_t          len;
    const uint8_t  *data;
} ph_str_t;

#define ph_str(lit)       { sizeof(lit) - 1, (const uint8_t *) (lit) }
#define ph_str_lit(lit)   ((ph_str_t) ph_str(lit))
#define ph_str_null       ((ph_str_t) { 0, NULL })
#define ph_nelts(a)       (sizeof(a) / sizeof((a)[0]))
#define ph_min(a, b)      ((a) < (b) ? (a) : (b))
#define ph_max(a, b)      ((a) > (b) ? (a) : (b))
/* arguments for a "%.*s" conversion */
#define PH_STR_ARG(s)     (int) (s).len, (const char *) (s).data

/* the name of a result code, for logs: "PH_NOTFOUND" */
const char *ph_result_name(ph_int_t rc);

/* checked arithmetic; true on overflow, like __builtin_*_overflow */
#define ph_add_overflow(a, b, r)  __builtin_add_overflow((a), (b), (r))
#define ph_mul_overflow(a, b, r)  __builtin_mul_overflow((a), (b), (r))

typedef struct ph_pool_s  ph_pool_t;
typedef struct ph_log_s   ph_log_t;

#endif
