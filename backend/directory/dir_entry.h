/* Entries of the database as values, and the ways to find one. */

#ifndef DIR_ENTRY_H
#define DIR_ENTRY_H

#include "dir_db.h"
#include "lib/ph_pool.h"
#include "mapi/mapi.h"
#include "gen/dir.h"

#define DIR_SEARCH_MAX    1000
#define DIR_MEMBERSHIPS_MAX  1000
#define DIR_PROPERTY_MAX  (1u << 20)    /* bytes of one property's value */

/* an entry, and what only the directory itself needs of it */
typedef struct {
    dir_entry_t  e;    /* e.status: the worse of the user's and the domain's */
    uint8_t      user_status;
    uint8_t      domain_status;
    uint8_t      hidden;
    uint8_t      forward;
    uint32_t     organisation_id;
    uint64_t     created;
    uint64_t     changed;
    ph_str_t     password;    /* hash; NUL terminated */
    dir_limits_t own;         /* the user's; e has those that hold */
    dir_limits_t of_domain;
} dir_row_t;

typedef struct {
    uint32_t  id;
    uint32_t  organisation_id;
    uint8_t   status;
    ph_str_t  catch_all;
    ph_str_t  transport;
} dir_domain_facts_t;

/* The entry's Minimal Entry ID in the address book: the same for ever, and
 * above the values that have a meaning of their own. */
#define DIR_MID_FIRST  0x10
static inline uint32_t dir_entry_mid(uint32_t user_id)
{
    return user_id + DIR_MID_FIRST;
}

/* Six columns from `first` on: warning, send, receive, deleted, keep, hold. */
void dir_limits_row(sqlite3_stmt *st, int first, dir_limits_t *limits_r);
/* What holds for a user: 0 is none in the result. */
dir_limits_t dir_limits_effective(const dir_limits_t *own,
    const dir_limits_t *of_domain);

/* The row on which a statement made of DIR_ENTRY_SELECT stands, copied. */
ph_int_t dir_entry_row(sqlite3_stmt *st, ph_pool_t *pool, dir_row_t *row_r);

/*
 * By DIR_BY_*.  An address may also be "<mailbox GUID>@domain" (as in
 * MailboxId), a DN also that of the mailbox server
 * (".../cn=Servers/cn=<GUID>@domain/..."). PH_NOTFOUND, also for a key that
 * cannot be one.
 */
ph_int_t dir_entry_find(dir_conn_t *conn, ph_pool_t *pool, uint8_t by,
    ph_str_t key, dir_row_t *row_r);
/* an address in its normal form, primary or alias */
ph_int_t dir_entry_by_address(dir_conn_t *conn, ph_pool_t *pool,
    ph_str_t address, dir_row_t *row_r);
ph_int_t dir_entry_by_id(dir_conn_t *conn, ph_pool_t *pool, uint32_t id,
    dir_row_t *row_r);

ph_int_t dir_domain_facts(dir_conn_t *conn, ph_pool_t *pool, ph_str_t name,
    dir_domain_facts_t *facts_r);

/* Strings of a one-column statement with its bindings set; *list_r in pool.
 * More than max: PH_TOOBIG. */
ph_int_t dir_strings(dir_conn_t *conn, sqlite3_stmt *st, ph_pool_t *pool,
    size_t max, ph_str_t **list_r, size_t *n_r);

/* "%" + text + "%" (or without the first) for LIKE ... ESCAPE '\' */
ph_str_t dir_like(ph_pool_t *pool, ph_str_t text, bool anywhere);

/*
 * The stored properties of a user; with built_in also those that columns of the
 * entry give (name, addresses, DN, types, quotas).  Sorted by tag.
 */
ph_int_t dir_properties(dir_conn_t *conn, ph_pool_t *pool,
    const dir_row_t *row, bool built_in, mapi_values_t *values_r);
/* PH_INVALID: a type that cannot be kept; PH_TOOBIG */
ph_int_t dir_property_store(dir_conn_t *conn, uint32_t user_id,
    const mapi_value_t *value);
ph_int_t dir_property_remove(dir_conn_t *conn, uint32_t user_id,
    uint16_t property_id);
/* is it one that columns of the entry give */
bool dir_property_built_in(uint32_t tag);

#endif
