/* The address book of an organisation in memory, containers, positions,
 * names. */

#include "nspi_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_restriction.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>
#include <unicode/ucol.h>
#include <unicode/ustring.h>

#define GAL_MEMORY   (1u << 30)
#define GAL_ENTRIES  2000000u
/* UTF-16 units of a display name; administrators can give 256 bytes */
#define DIR_NAME_UNITS  512

int
ab_name_cmp(ph_str_t a, ph_str_t b)
{
    int           order;
    mapi_value_t  x = { .tag = PR_DISPLAY_NAME, .u.str = a };
    mapi_value_t  y = { .tag = PR_DISPLAY_NAME, .u.str = b };

    order = mapi_value_cmp(&x, &y);
    if (order != 0 || ph_str_eq(a, b)) {
        return order;
    }

    /* equal letters of different case: in a fixed order, too */
    order = memcmp(a.data, b.data, ph_min(a.len, b.len));
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}


static int
gal_entry_cmp(const void *a, const void *b)
{
    int                order;
    const ab_entry_t  *x = a, *y = b;

    if (x->key.len != 0 && y->key.len != 0) {
        /* sort keys end with a NUL: neither is the beginning of the other */
        order = memcmp(x->key.data, y->key.data,
                       ph_min(x->key.len, y->key.len));
        if (order == 0 && !ph_str_eq(x->name, y->name)) {
            order = ab_name_cmp(x->name, y->name);
        }
    } else {
        order = ab_name_cmp(x->name, y->name);
    }

    return order ? order : (x->user_id > y->user_id)
                           - (x->user_id < y->user_id);
}


static int
gal_id_cmp(const void *a, const void *b, void *data)
{
    const ab_entry_t  *e = data;
    uint32_t           x = e[*(const uint32_t *) a].user_id;
    uint32_t           y = e[*(const uint32_t *) b].user_id;

    return (x > y) - (x < y);
}


/* ---- making it ---- */

static ph_int_t
gal_entries(ab_gal_t *gal, dir_conn_t *conn)
{
    uint32_t       cap = 0;
    ph_int_t       rc;
    ab_entry_t    *e;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_entry_organisation);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, gal->organisation_id);

    while ((rc = dir_db_rc(conn, sqlite3_step(st))) == PH_OK) {
        if (gal->n == GAL_ENTRIES) {
            rc = PH_TOOBIG;
            break;
        }

        if (gal->n == cap) {
            e = ph_prealloc(gal->pool, gal->entries, cap * sizeof(*e),
                            (2 * (size_t) cap + 64) * sizeof(*e));
            if (e == NULL) {
                rc = PH_NOMEM;
                break;
            }
            gal->entries = e;
            cap = 2 * cap + 64;
        }

        /* only the columns that are kept */
        e = &gal->entries[gal->n];
        memset(e, 0, sizeof(*e));
        e->kind = (uint8_t) sqlite3_column_int(st, 0);
        e->user_id = (uint32_t) sqlite3_column_int64(st, 3);
        e->domain_id = (uint32_t) sqlite3_column_int64(st, 4);
        e->hidden = (uint8_t) sqlite3_column_int(st, 20);
        if (e->hidden & DIR_HIDE_GAL) {
            continue;
        }

        e->address = ph_pstrdup(gal->pool, dir_column_str(st, 6));
        e->name = ph_pstrdup(gal->pool, dir_column_str(st, 7));
        if (e->name.len == 0) {
            e->name = e->address;
        }
        if (e->address.data == NULL || e->name.data == NULL) {
            rc = PH_NOMEM;
            break;
        }
        gal->n++;
    }

    sqlite3_reset(st);

    return rc == PH_DONE ? PH_OK : rc;
}


/*
 * Sort keys in the order of mapi_value_cmp().  Without them (no memory, no
 * collation data, a name that is too long) names are compared as they are,
 * which takes ten times as long.
 */
static void
gal_sort_keys(ab_gal_t *gal, ph_pool_t *pool)
{
    UChar        name[DIR_NAME_UNITS];
    int32_t      len, n;
    uint8_t     *key;
    UErrorCode   status = U_ZERO_ERROR;
    UCollator   *collator;

    collator = ucol_open("", &status);
    if (U_FAILURE(status)) {
        return;
    }

    ucol_setStrength(collator, UCOL_SECONDARY);

    for (uint32_t i = 0; i < gal->n; i++) {
        ab_entry_t  *e = &gal->entries[i];

        status = U_ZERO_ERROR;
        u_strFromUTF8(name, DIR_NAME_UNITS, &len, (const char *) e->name.data,
                      (int32_t) ph_min(e->name.len, (size_t) INT32_MAX),
                      &status);
        if (U_FAILURE(status)) {
            continue;
        }

        n = ucol_getSortKey(collator, name, len, NULL, 0);
        key = n > 0 ? ph_palloc(pool, (size_t) n) : NULL;
        if (key != NULL
            && ucol_getSortKey(collator, name, len, key, n) == n)
        {
            e->key = (ph_str_t) { (size_t) n, key };
        }
    }

    ucol_close(collator);
}


static ph_int_t
gal_sort(ab_gal_t *gal)
{
    ph_pool_t  *pool;

    if (gal->n < 2) {
        return PH_OK;
    }

    pool = ph_pool_create("sort keys", GAL_MEMORY);
    if (pool == NULL) {
        return PH_NOMEM;
    }

    gal_sort_keys(gal, pool);
    qsort(gal->entries, gal->n, sizeof(*gal->entries), gal_entry_cmp);

    for (uint32_t i = 0; i < gal->n; i++) {
        gal->entries[i].key = ph_str_null;
    }

    ph_pool_destroy(&pool);

    return PH_OK;
}


static ph_int_t
gal_names(ab_gal_t *gal, dir_conn_t *conn)
{
    uint32_t       at;
    ph_int_t       rc;
    ph_str_t       value;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_entry_names);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, gal->organisation_id);
    sqlite3_bind_int64(st, 2, PR_GIVEN_NAME);
    sqlite3_bind_int64(st, 3, PR_SURNAME);

    while ((rc = dir_db_rc(conn, sqlite3_step(st))) == PH_OK) {
        if (ab_gal_by_mid(gal, dir_entry_mid((uint32_t)
                               sqlite3_column_int64(st, 0)), &at) == NULL)
        {
            continue;
        }

        value = ph_pstrdup(gal->pool, dir_column_str(st, 2));
        if (value.data == NULL) {
            rc = PH_NOMEM;
            break;
        }

        if ((uint32_t) sqlite3_column_int64(st, 1) == PR_GIVEN_NAME) {
            gal->entries[at].given = value;
        } else {
            gal->entries[at].surname = value;
        }
    }

    sqlite3_reset(st);

    return rc == PH_DONE ? PH_OK : rc;
}


static ph_int_t
gal_domains(ab_gal_t *gal, dir_conn_t *conn)
{
    ph_int_t       rc;
    ab_domain_t   *d;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_organisation_domains);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, gal->organisation_id);

    while ((rc = dir_db_rc(conn, sqlite3_step(st))) == PH_OK) {
        d = ph_prealloc(gal->pool, gal->domains,
                        gal->n_domains * sizeof(*d),
                        (gal->n_domains + 1) * sizeof(*d));
        if (d == NULL) {
            rc = PH_NOMEM;
            break;
        }

        gal->domains = d;
        d += gal->n_domains++;
        d->id = (uint32_t) sqlite3_column_int64(st, 0);
        d->name = ph_pstrdup(gal->pool, dir_column_str(st, 1));
        if (d->name.data == NULL) {
            rc = PH_NOMEM;
            break;
        }
    }

    sqlite3_reset(st);

    return rc == PH_DONE ? PH_OK : rc;
}


static ph_int_t
gal_make(dir_conn_t *conn, uint32_t organisation_id, uint64_t generation,
    ab_gal_t **gal_r)
{
    ph_int_t    rc;
    ab_gal_t   *gal;
    ph_pool_t  *pool;

    pool = ph_pool_create("address book", GAL_MEMORY);
    gal = pool ? ph_pcalloc(pool, sizeof(*gal)) : NULL;
    if (gal == NULL) {
        ph_pool_destroy(&pool);
        return PH_NOMEM;
    }

    gal->pool = pool;
    gal->organisation_id = organisation_id;
    gal->generation = generation;

    rc = gal_entries(gal, conn);

    if (rc == PH_OK) {
        rc = gal_sort(gal);
    }

    if (rc == PH_OK) {
        gal->by_id = ph_pcalloc_array(pool, gal->n, sizeof(*gal->by_id));
        if (gal->by_id == NULL) {
            rc = PH_NOMEM;
        }
    }

    if (rc == PH_OK) {
        for (uint32_t i = 0; i < gal->n; i++) {
            gal->by_id[i] = i;
        }
        if (gal->n > 1) {
            qsort_r(gal->by_id, gal->n, sizeof(*gal->by_id), gal_id_cmp,
                    gal->entries);
        }
        rc = gal_names(gal, conn);
    }

    if (rc == PH_OK) {
        rc = gal_domains(gal, conn);
    }

    if (rc != PH_OK) {
        ph_pool_destroy(&pool);
        return rc;
    }

    *gal_r = gal;
    return PH_OK;
}


/* ---- keeping it ---- */

/* lock held: a place for the book, and what is to be freed for it */
static ab_gal_t *
gal_keep(nspi_t *nspi, ab_gal_t *gal)
{
    size_t     best = 0;
    ab_gal_t  *old;

    for (size_t i = 0; i < AB_GALS_MAX; i++) {
        old = nspi->gals[i];
        if (old == NULL || old->organisation_id == gal->organisation_id) {
            best = i;
            break;
        }
        if (old->used < nspi->gals[best]->used) {
            best = i;
        }
    }

    old = nspi->gals[best];
    nspi->gals[best] = gal;
    gal->refs++;

    if (old != NULL && --old->refs != 0) {
        old = NULL;    /* its last user frees it */
    }

    return old;
}


static uint64_t
gal_generation(dir_conn_t *conn)
{
    uint64_t       generation = 0;
    sqlite3_stmt  *st = dir_stmt(conn, DIR_SQL_generation);

    /* as this read transaction sees it */
    if (st != NULL) {
        if (sqlite3_step(st) == SQLITE_ROW) {
            generation = (uint64_t) sqlite3_column_int64(st, 0);
        }
        sqlite3_reset(st);
    }

    return generation;
}


ph_int_t
ab_gal_get(nspi_t *nspi, dir_conn_t *conn, uint32_t organisation_id,
    ab_gal_t **gal_r)
{
    uint64_t   generation = gal_generation(conn);
    ph_int_t   rc;
    ab_gal_t  *gal, *old = NULL;

    *gal_r = NULL;

    pthread_mutex_lock(&nspi->lock);

    for (size_t i = 0; i < AB_GALS_MAX; i++) {
        gal = nspi->gals[i];
        if (gal != NULL && gal->organisation_id == organisation_id
            && gal->generation == generation)
        {
            gal->refs++;
            gal->used = ph_now_ms();
            *gal_r = gal;
            break;
        }
    }

    pthread_mutex_unlock(&nspi->lock);

    if (*gal_r != NULL) {
        return PH_OK;
    }

    rc = gal_make(conn, organisation_id, generation, &gal);
    if (rc != PH_OK) {
        return rc;
    }

    gal->refs = 1;
    gal->used = ph_now_ms();

    pthread_mutex_lock(&nspi->lock);
    old = gal_keep(nspi, gal);
    pthread_mutex_unlock(&nspi->lock);

    if (old != NULL) {
        ph_pool_t  *pool = old->pool;

        ph_pool_destroy(&pool);
    }

    *gal_r = gal;
    return PH_OK;
}


void
ab_gal_put(nspi_t *nspi, ab_gal_t **galp)
{
    bool        last;
    ab_gal_t   *gal = *galp;
    ph_pool_t  *pool;

    if (gal == NULL) {
        return;
    }

    pthread_mutex_lock(&nspi->lock);
    last = --gal->refs == 0;
    pthread_mutex_unlock(&nspi->lock);

    if (last) {
        pool = gal->pool;
        ph_pool_destroy(&pool);
    }

    *galp = NULL;
}


const ab_entry_t *
ab_gal_by_mid(const ab_gal_t *gal, uint32_t mid, uint32_t *index_r)
{
    uint32_t  lo = 0, hi = gal->n, at, id;

    if (mid < DIR_MID_FIRST) {
        return NULL;
    }

    while (lo < hi) {
        at = lo + (hi - lo) / 2;
        id = dir_entry_mid(gal->entries[gal->by_id[at]].user_id);
        if (id == mid) {
            if (index_r != NULL) {
                *index_r = gal->by_id[at];
            }
            return &gal->entries[gal->by_id[at]];
        }
        if (id < mid) {
            lo = at + 1;
        } else {
            hi = at;
        }
    }

    return NULL;
}


/* ---- containers and positions ---- */

ph_int_t
ab_view(ab_call_t *call, uint32_t container_id, ab_view_t *view)
{
    uint32_t         domain, n = 0, *index;
    const ab_gal_t  *gal = call->gal;

    memset(view, 0, sizeof(*view));
    view->gal = gal;

    if (container_id == AB_CONTAINER_GAL) {
        view->n = gal->n;
        return PH_OK;
    }

    domain = container_id - AB_CONTAINER_DOMAIN;
    for (uint32_t i = 0; i < gal->n_domains; i++) {
        if (gal->domains[i].id != domain
            || container_id < AB_CONTAINER_DOMAIN)
        {
            continue;
        }

        index = ph_pcalloc_array(call->pool, gal->n, sizeof(*index));
        if (index == NULL) {
            return PH_NOMEM;
        }

        for (uint32_t e = 0; e < gal->n; e++) {
            if (gal->entries[e].domain_id == domain
                && !(gal->entries[e].hidden & DIR_HIDE_LISTS))
            {
                index[n++] = e;
            }
        }

        view->index = index;
        view->n = n;
        return PH_OK;
    }

    return PH_NOTFOUND;
}


const ab_entry_t *
ab_view_at(const ab_view_t *view, uint32_t row)
{
    if (row >= view->n) {
        return NULL;
    }

    return &view->gal->entries[view->index ? view->index[row] : row];
}


uint32_t
ab_view_mid(const ab_view_t *view, uint32_t row)
{
    const ab_entry_t  *e = ab_view_at(view, row);

    return e ? dir_entry_mid(e->user_id) : NSPI_MID_END;
}


ph_int_t
ab_view_find(const ab_view_t *view, uint32_t mid, uint32_t *row_r)
{
    uint32_t  at, lo = 0, hi = view->n, middle;

    if (mid == NSPI_MID_BEGINNING) {
        *row_r = 0;
        return PH_OK;
    }

    if (mid == NSPI_MID_END) {
        *row_r = view->n;
        return PH_OK;
    }

    if (ab_gal_by_mid(view->gal, mid, &at) == NULL) {
        return PH_NOTFOUND;
    }

    if (view->index == NULL) {
        *row_r = at;
        return PH_OK;
    }

    while (lo < hi) {
        middle = lo + (hi - lo) / 2;
        if (view->index[middle] == at) {
            *row_r = middle;
            return PH_OK;
        }
        if (view->index[middle] < at) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }

    return PH_NOTFOUND;
}


/* ---- ambiguous names ---- */

static bool
anr_content(ph_str_t value, ph_str_t text, uint16_t low)
{
    mapi_value_t  v = { .tag = PR_DISPLAY_NAME, .u.str = value };
    mapi_value_t  p = { .tag = PR_DISPLAY_NAME, .u.str = text };

    return value.len != 0
           && mapi_content_match(&v, &p, low, FL_IGNORECASE | FL_LOOSE);
}


int
ab_anr(const ab_entry_t *e, ph_str_t text)
{
    ph_str_t        local;
    const uint8_t  *at;

    if (text.len == 0) {
        return 0;
    }

    at = memchr(e->address.data, '@', e->address.len);
    local = (ph_str_t) { at ? (size_t) (at - e->address.data) : 0,
                         e->address.data };

    if (anr_content(e->name, text, FL_FULLSTRING)
        || anr_content(e->address, text, FL_FULLSTRING)
        || anr_content(local, text, FL_FULLSTRING))
    {
        return 2;
    }

    if (anr_content(e->name, text, FL_PREFIX)
        || anr_content(e->address, text, FL_PREFIX)
        || anr_content(e->given, text, FL_PREFIX)
        || anr_content(e->surname, text, FL_PREFIX))
    {
        return 1;
    }

    /* a later word of the name */
    for (size_t i = 1; i < e->name.len; i++) {
        if (e->name.data[i - 1] == ' '
            && anr_content((ph_str_t) { e->name.len - i, e->name.data + i },
                           text, FL_PREFIX))
        {
            return 1;
        }
    }

    return 0;
}
