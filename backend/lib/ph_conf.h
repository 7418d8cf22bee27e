/*
 * Configuration: one file, posthorn.conf, read by libConfuse, with a section
 * for each daemon.  Every option of every daemon is declared once in
 * backend/lib/options/<area>.def, from which the parser, the manual page and
 * the check that everything is documented are made:
 *
 *     PH_OPT(exmdb, workers, INT, "2", "Worker processes; mailboxes are ...")
 *
 * Types: STR, INT, BOOL, SIZE ("64m"), TIME ("30s", "5m"; in milliseconds),
 * LIST (of strings, "{ a, b }").  "%p" in the default or the value of a STR or
 * LIST is replaced by the option main.prefix.  Sections: main, log, directory,
 * exmdb, delivery.
 */

#ifndef PH_CONF_H
#define PH_CONF_H

#include "ph_core.h"

typedef struct ph_conf_s  ph_conf_t;

typedef enum {
    PH_OPT_STR,
    PH_OPT_INT,
    PH_OPT_BOOL,
    PH_OPT_SIZE,
    PH_OPT_TIME,
    PH_OPT_LIST
} ph_opt_type_t;

typedef struct {
    const char     *section;
    const char     *name;
    ph_opt_type_t   type;
    const char     *def;      /* LIST: words between spaces or commas */
    const char     *doc;
} ph_option_t;

/* every declared option, in the order of the .def files */
const ph_option_t *ph_conf_options(size_t *n_r);

/*
 * Reads and checks the whole file.  On PH_INVALID *err_r is a text "FILE:LINE:
 * what is wrong" in pool.  The configuration lives in pool.
 */
ph_int_t ph_conf_load(ph_pool_t *pool, const char *path, ph_conf_t **conf_r,
    const char **err_r);

/* The option must be declared with that type: anything else aborts (a bug). */
const char *ph_conf_str(const ph_conf_t *conf, const char *section,
    const char *name);
int64_t ph_conf_int(const ph_conf_t *conf, const char *section,
    const char *name);       /* INT, SIZE in bytes, TIME in milliseconds */
bool ph_conf_bool(const ph_conf_t *conf, const char *section,
    const char *name);
/* number of strings; list_r points to an array of C strings */
size_t ph_conf_list(const ph_conf_t *conf, const char *section,
    const char *name, const char *const **list_r);

/* whether such an option is declared */
bool ph_conf_has(const char *section, const char *name);
/* "FILE:LINE: section.name" (no line for a default), for errors found later */
const char *ph_conf_where(const ph_conf_t *conf, ph_pool_t *pool,
    const char *section, const char *name);

#endif
