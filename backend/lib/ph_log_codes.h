/* All log codes, one file an area.  Include with PH_CODE defined. */
#include "codes/lib.def"
#include "codes/directory.def"
#include "codes/store.def"
#include "codes/exmdb.def"
#include "codes/delivery.def"
#include "codes/nginx.def"
#include "codes/tools.def"
