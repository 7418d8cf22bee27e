/*
 * Versions of a database's schema: a text of numbered steps ("-- step N" lines,
 * see conf/schema/directory.sql), applied one by one, each in a transaction of
 * its own that also sets PRAGMA user_version.
 */

#ifndef DIR_SCHEMA_H
#define DIR_SCHEMA_H

#include "lib/ph_core.h"
#include <sqlite3.h>

#define DIR_SCHEMA_ERROR_MAX  256

/* the highest step in the text; 0 when there is none or they are not in
 * order */
uint32_t dir_schema_newest(const char *steps);

/*
 * Brings db (opened from path) to the newest step.  A database that already had
 * a version is first copied to "PATH.v<version>" (never overwriting: a copy
 * that is already there was made before the same step and is kept), and checked
 * with quick_check.  *from_r and *to_r are the versions before and after.
 *
 * PH_CORRUPT: a newer database that does not allow programs of this version, or
 * damage; PH_INVALID: the steps are not well formed; PH_ERROR, PH_NOSPACE:
 * SQLite's message is in err; the failed step left no trace.
 */
ph_int_t dir_schema_upgrade(sqlite3 *db, const char *path, const char *steps,
    uint32_t *from_r, uint32_t *to_r, char err[DIR_SCHEMA_ERROR_MAX]);

#endif
