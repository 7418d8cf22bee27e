/* What the files of the address book share; names begin with ab_. */

#ifndef NSPI_INT_H
#define NSPI_INT_H

#include "nspi.h"
#include "nspi_sessions.h"
#include "directory.h"
#include "mapi/mapi_value.h"
#include "gen/nspi.h"

#include <pthread.h>

#define AB_COLUMNS_MAX    100
#define AB_ROWS_MAX       5000
#define AB_ROWS_BYTES     (512u << 10)    /* of the values in one answer */
#define AB_NAMES_MAX      1000            /* of one ResolveNames */
#define AB_CODEPAGE_ANY   1252

/* container ids: 0 is the global address list; others are domains */
#define AB_CONTAINER_GAL     0
#define AB_CONTAINER_DOMAIN  0x20000000u

/* what browsing and resolving need of an entry */
typedef struct {
    uint32_t  user_id;
    uint32_t  domain_id;
    uint8_t   kind;
    uint8_t   hidden;
    ph_str_t  name;        /* display name */
    ph_str_t  address;
    ph_str_t  given;
    ph_str_t  surname;
    ph_str_t  key;         /* sort key of the name, while the book is made */
} ab_entry_t;

typedef struct {
    uint32_t  id;
    ph_str_t  name;
} ab_domain_t;

/* The address book of an organisation as of one generation of the database.
 * Never changed once it is made; freed with its last reference. */
typedef struct ab_gal_s  ab_gal_t;
struct ab_gal_s {
    uint32_t      organisation_id;
    uint64_t      generation;
    uint32_t      refs;          /* under the lock of nspi_t */
    uint64_t      used;          /* ms */
    ph_pool_t    *pool;
    uint32_t      n;
    ab_entry_t   *entries;       /* by display name */
    uint32_t     *by_id;         /* indices of entries, by user id */
    uint32_t      n_domains;
    ab_domain_t  *domains;
};

/* a container's rows: all entries of the book, or some */
typedef struct {
    const ab_gal_t  *gal;
    uint32_t         n;
    const uint32_t  *index;      /* ascending; NULL: all */
} ab_view_t;

#define AB_GALS_MAX  16    /* organisations whose book is kept in memory */

struct nspi_s {
    ph_log_t         *log;
    nspi_sessions_t  *sessions;
    mapi_guid_t       server;    /* of ephemeral entry ids */
    pthread_mutex_t   lock;      /* of what follows */
    ab_gal_t         *gals[AB_GALS_MAX];
};

/* one request */
typedef struct {
    dir_job_t        *job;
    nspi_t           *nspi;
    ph_pool_t        *pool;
    dir_conn_t       *conn;
    mapi_ctx_t        ctx;
    dir_row_t         me;
    ab_gal_t         *gal;
    mapi_guid_t       server;
    ph_str_t          host;
    ph_str_t          body;
    ph_str_t          out;
    bool              ends;      /* the session is over */
} ab_call_t;

/* Answers with PH_OK and call->out, whatever the request's own error code;
 * PH_INVALID: the body does not decode. */
typedef ph_int_t (*ab_run_pt)(ab_call_t *call);

/*
 * Decodes a request of nspi.desc; strings of 8 bits are in STAT's code page,
 * which is known after the first pass only.
 */
#define AB_DECODE(call, name, q)                                              \
    do {                                                                      \
        ph_int_t  rc_ = nspi_##name##_request_decode_all((call)->body,        \
                            (call)->pool, &(call)->ctx, q);                   \
        if (rc_ != PH_OK) {                                                   \
            return rc_;                                                       \
        }                                                                     \
        if ((q)->has_stat                                                     \
            && ab_codepage(call, (q)->stat.code_page))                        \
        {                                                                     \
            rc_ = nspi_##name##_request_decode_all((call)->body,              \
                      (call)->pool, &(call)->ctx, q);                         \
            if (rc_ != PH_OK) {                                               \
                return rc_;                                                   \
            }                                                                 \
        }                                                                     \
    } while (0)

/* Sets the context's code page; true when it was another one before. */
bool ab_codepage(ab_call_t *call, uint32_t code_page);
/* is 8-bit work in this code page possible (not Unicode, and known) */
bool ab_codepage_usable(uint32_t code_page);

/* ---- the book (nspi_gal.c) ---- */

ph_int_t ab_gal_get(nspi_t *nspi, dir_conn_t *conn, uint32_t organisation_id,
    ab_gal_t **gal_r);
void ab_gal_put(nspi_t *nspi, ab_gal_t **gal);
/* NULL when it is not in the book */
const ab_entry_t *ab_gal_by_mid(const ab_gal_t *gal, uint32_t mid,
    uint32_t *index_r);
/* PH_NOTFOUND: no such container */
ph_int_t ab_view(ab_call_t *call, uint32_t container_id, ab_view_t *view_r);
const ab_entry_t *ab_view_at(const ab_view_t *view, uint32_t row);
/* row of an entry; view->n for MID_END, 0 for MID_BEGINNING; PH_NOTFOUND */
ph_int_t ab_view_find(const ab_view_t *view, uint32_t mid, uint32_t *row_r);
/* the MId at a row; MID_END behind the last */
uint32_t ab_view_mid(const ab_view_t *view, uint32_t row);
/* how two names are ordered */
int ab_name_cmp(ph_str_t a, ph_str_t b);
/* does text (ambiguous name) fit the entry: 2 exactly, 1 by a beginning, 0 */
int ab_anr(const ab_entry_t *e, ph_str_t text);

/* ---- values and rows (nspi_row.c) ---- */

/* All properties of an object; PH_NOTFOUND also for one of others. */
ph_int_t ab_object(ab_call_t *call, ph_pool_t *pool, uint32_t mid,
    mapi_values_t *values_r, uint8_t *kind_r);
/* the value of a column, or PT_ERROR */
void ab_column(ab_call_t *call, const mapi_values_t *values, uint32_t mid,
    uint8_t kind, uint32_t tag, uint32_t flags, mapi_value_t *v_r);
/* rows for MIds; *done_r: how many fitted (at least one) */
ph_int_t ab_rows(ab_call_t *call, const uint32_t *mids, uint32_t n,
    const uint32_t *columns, uint32_t n_columns, uint32_t flags,
    mapi_rowset_t *rows_r, uint32_t *done_r);
/* the columns of a request, or the default ones; *n_r above AB_COLUMNS_MAX is
 * an error that the caller reports */
const uint32_t *ab_columns(bool has, const nspi_tags_t *tags, uint32_t *n_r);
/* the container's own properties */
ph_int_t ab_container(ab_call_t *call, uint32_t container_id, bool unicode,
    mapi_values_t *values_r);

/* ---- templates (nspi_template.c) ---- */

/* Rows of the address creation table: one for each kind of address that a
 * client can be asked for; none in a language without templates. */
ph_int_t ab_creation_templates(ab_call_t *call, uint32_t locale,
    uint32_t code_page, nspi_tables_t *rows_r);

/* ---- requests ---- */

ph_int_t ab_bind(ab_call_t *call);
ph_int_t ab_unbind(ab_call_t *call);
ph_int_t ab_compare_mids(ab_call_t *call);
ph_int_t ab_dn_to_mid(ab_call_t *call);
ph_int_t ab_get_matches(ab_call_t *call);
ph_int_t ab_get_prop_list(ab_call_t *call);
ph_int_t ab_get_props(ab_call_t *call);
ph_int_t ab_get_special_table(ab_call_t *call);
ph_int_t ab_get_template_info(ab_call_t *call);
ph_int_t ab_mod_link_att(ab_call_t *call);
ph_int_t ab_mod_props(ab_call_t *call);
ph_int_t ab_query_columns(ab_call_t *call);
ph_int_t ab_query_rows(ab_call_t *call);
ph_int_t ab_resolve_names(ab_call_t *call);
ph_int_t ab_resort_restriction(ab_call_t *call);
ph_int_t ab_seek_entries(ab_call_t *call);
ph_int_t ab_update_stat(ab_call_t *call);
ph_int_t ab_get_url(ab_call_t *call);
ph_int_t ab_get_address_book_url(ab_call_t *call);

#endif
