/*
 * All options of posthorn.conf, one file an area.  Include with PH_OPT defined:
 *
 *     #define PH_OPT(section, name, type, def, doc)  ...
 *     #include "lib/ph_options.h"
 *     #undef PH_OPT
 *
 * section, name and type are bare words, def and doc are string literals.
 */
#include "options/lib.def"
#include "options/directory.def"
#include "options/exmdb.def"
#include "options/delivery.def"
