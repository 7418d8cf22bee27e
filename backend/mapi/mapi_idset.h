/*
 * Sets of ids and change numbers (MS-OXCFXICS 2.2.2.4 to 2.2.2.6): IDSET and
 * CNSET are lists of replicas with a GLOBSET each, which is a set of 48-bit
 * counters, kept as ranges.
 *
 * Every operation on two sets is linear in their ranges.  Memory is malloc()'s,
 * because sets live and grow with a session's contexts; a zeroed structure is
 * an empty set, and it stays what it was when an operation gives PH_NOMEM.
 */

#ifndef MAPI_IDSET_H
#define MAPI_IDSET_H

#include "mapi/mapi.h"

#define MAPI_GLOBCNT_MAX     0xFFFFFFFFFFFFull
#define MAPI_GLOBSET_RANGES  (512u * 1024)   /* of one set: PH_TOOBIG */
#define MAPI_IDSET_PARTS     1024            /* replicas of one set */

typedef struct {
    uint64_t  lo;
    uint64_t  hi;             /* inclusive */
} mapi_range_t;

typedef struct {
    uint32_t       n;
    uint32_t       cap;
    bool           loose;     /* pushed out of order: see _settle */
    mapi_range_t  *r;         /* ascending, with gaps between them */
} mapi_globset_t;

void mapi_globset_free(mapi_globset_t *s);
/* PH_NOMEM; PH_TOOBIG.  A loose set is settled first. */
ph_int_t mapi_globset_add(mapi_globset_t *s, uint64_t lo, uint64_t hi);
ph_int_t mapi_globset_remove(mapi_globset_t *s, uint64_t lo, uint64_t hi);
/*
 * For many that come in any order: pushed ones count only after _settle, which
 * sorts and merges.  PH_NOMEM; PH_TOOBIG.
 */
ph_int_t mapi_globset_push(mapi_globset_t *s, uint64_t lo, uint64_t hi);
ph_int_t mapi_globset_settle(mapi_globset_t *s);

/* The following take settled sets. */
bool mapi_globset_has(const mapi_globset_t *s, uint64_t v);
/* the range that v is in; NULL */
const mapi_range_t *mapi_globset_find(const mapi_globset_t *s, uint64_t v);
bool mapi_globset_eq(const mapi_globset_t *a, const mapi_globset_t *b);
/* how many values */
uint64_t mapi_globset_count(const mapi_globset_t *s);
ph_int_t mapi_globset_copy(mapi_globset_t *to, const mapi_globset_t *from);
/* s becomes the union, the difference s - b, the intersection */
ph_int_t mapi_globset_union(mapi_globset_t *s, const mapi_globset_t *b);
ph_int_t mapi_globset_subtract(mapi_globset_t *s, const mapi_globset_t *b);
ph_int_t mapi_globset_intersect(mapi_globset_t *s, const mapi_globset_t *b);

/*
 * The GLOBSET form: commands of a stack of common bytes.  The reader takes
 * every command in any order of values; PH_INVALID what the specification does
 * not allow, PH_TOOBIG too many ranges.  The writer pushes a byte only where
 * that pays, and never more than the six of a counter.
 */
ph_int_t mapi_globset_read(ph_cur_t *cur, mapi_globset_t *s);
void mapi_globset_put(ph_wbuf_t *b, const mapi_globset_t *s);

typedef struct {
    mapi_guid_t     guid;     /* of sets that came with GUIDs */
    uint16_t        replid;   /* of the others */
    mapi_globset_t  set;
} mapi_idset_part_t;

typedef struct {
    uint32_t            n;
    mapi_idset_part_t  *part;
} mapi_idset_t;

/* How replicas are named: REPLID inside of streams, REPLGUID in states. */
typedef enum { MAPI_IDSET_REPLID, MAPI_IDSET_GUID } mapi_idset_form_t;

void mapi_idset_free(mapi_idset_t *s);
/* PH_INVALID; PH_TOOBIG; PH_NOMEM.  s is replaced; empty after an error. */
ph_int_t mapi_idset_read(ph_str_t blob, mapi_idset_form_t form,
    mapi_idset_t *s);
/* Empty parts are left out. */
void mapi_idset_put(ph_wbuf_t *b, const mapi_idset_t *s,
    mapi_idset_form_t form);
ph_int_t mapi_idset_copy(mapi_idset_t *to, const mapi_idset_t *from);
/* The part of a replica; NULL: none, or with create no memory. */
mapi_globset_t *mapi_idset_guid(mapi_idset_t *s, const mapi_guid_t *guid,
    bool create);
mapi_globset_t *mapi_idset_replid(mapi_idset_t *s, uint16_t replid,
    bool create);
/* ranges in all, for limits */
uint64_t mapi_idset_ranges(const mapi_idset_t *s);

#endif
