/*
 * The mailbox database: one SQLite database and one folder of blob files for
 * each mailbox.  This header includes all others; the layout on disk, the
 * durability rules and the schema are in README.md.
 *
 * Order of use:
 *
 *     store_env_create()                        once a process
 *     store_open(env, path, &store)             once a mailbox
 *     store_conn_acquire(store, STORE_WRITE, &conn)
 *     store_begin(conn)
 *         store_savepoint(conn)                 a job
 *             store_message_save(conn, ...)
 *         store_release(conn)                   or store_undo(conn)
 *     store_commit(conn, &events)               durable when PH_OK
 *     store_conn_release(&conn)
 *
 * Threads: a connection and the objects used with it belong to one thread at a
 * time; different connections of a store run in parallel.  store_open,
 * store_conn_acquire and store_conn_release may be called from any thread.
 *
 * Errors, besides those each function names: PH_NOSPACE (disk full),
 * PH_CORRUPT, PH_NOMEM, PH_BUSY, PH_ERROR (I/O; logged).  After such an error
 * inside a transaction the caller rolls back (the whole transaction, not only
 * the savepoint, after PH_NOSPACE, PH_CORRUPT, PH_NOMEM or PH_ERROR); the store
 * stays usable when the cause is gone.
 */

#ifndef STORE_H
#define STORE_H

#include "lib/ph_core.h"
#include "lib/ph_log.h"
#include "lib/ph_pool.h"
#include "mapi/mapi.h"
#include "mapi/mapi_message.h"

#include "store_env.h"
#include "store_event.h"
#include "store_props.h"
#include "store_folder.h"
#include "store_message.h"
#include "store_stream.h"
#include "store_table.h"
#include "store_sync.h"
#include "store_search.h"
#include "store_index.h"
#include "store_misc.h"
#include "store_viewer.h"
#include "store_rule.h"
#include "store_retention.h"
#include "store_follow.h"
#include "store_check.h"

#endif
