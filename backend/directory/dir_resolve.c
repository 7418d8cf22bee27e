#include "dir_resolve.h"
#include "dir_address.h"
#include "lib/ph_str.h"

typedef struct {
    dir_conn_t                *conn;
    ph_pool_t                 *pool;
    const dir_resolve_opts_t  *opts;
    dir_address_t              sender;        /* full.len 0: the null sender */

    /* addresses, in the order in which they were met: those before `next` have
     * been looked at.  seen[] is a hash table of index + 1 into it. */
    ph_str_t                  *queue;
    size_t                     queue_n;
    size_t                     queue_cap;
    size_t                     next;
    uint32_t                  *seen;
    size_t                     seen_size;     /* a power of two */

    dir_destination_t         *dest;
    size_t                     dest_n;
    size_t                     dest_cap;

    /* the first mailbox that only redirects: it gets the message when its
     * redirections lead nowhere but back */
    bool                       has_redirect;
    dir_entry_t                redirect;
} resolve_t;


static uint32_t
resolve_hash(ph_str_t s)
{
    uint32_t  h = 2166136261u;

    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ s.data[i]) * 16777619u;
    }

    return h;
}


static ph_int_t
resolve_rehash(resolve_t *r, size_t size)
{
    size_t     at;
    uint32_t  *seen;

    seen = ph_pcalloc_array(r->pool, size, sizeof(*seen));
    if (seen == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < r->queue_n; i++) {
        at = resolve_hash(r->queue[i]) & (size - 1);
        while (seen[at] != 0) {
            at = (at + 1) & (size - 1);
        }
        seen[at] = (uint32_t) i + 1;
    }

    r->seen = seen;
    r->seen_size = size;

    return PH_OK;
}


/* Takes an address up, unless it has been met before (PH_EXISTS). */
static ph_int_t
resolve_add(resolve_t *r, ph_str_t address)
{
    size_t     at, cap;
    ph_str_t  *queue;

    if (r->queue_n == DIR_RESOLVE_STEPS_MAX) {
        return PH_TOOBIG;
    }

    if (2 * r->queue_n >= r->seen_size
        && resolve_rehash(r, r->seen_size ? 4 * r->seen_size : 64) != PH_OK)
    {
        return PH_NOMEM;
    }

    at = resolve_hash(address) & (r->seen_size - 1);
    while (r->seen[at] != 0) {
        if (ph_str_eq(r->queue[r->seen[at] - 1], address)) {
            return PH_EXISTS;
        }
        at = (at + 1) & (r->seen_size - 1);
    }

    if (r->queue_n == r->queue_cap) {
        cap = r->queue_cap ? 2 * r->queue_cap : 16;
        queue = ph_prealloc(r->pool, r->queue, r->queue_cap * sizeof(*queue),
                            cap * sizeof(*queue));
        if (queue == NULL) {
            return PH_NOMEM;
        }
        r->queue = queue;
        r->queue_cap = cap;
    }

    r->queue[r->queue_n++] = address;
    r->seen[at] = (uint32_t) r->queue_n;

    return PH_OK;
}


/* Notes that an entry has been met, by whatever address; PH_EXISTS: before.
 * The mark stands among the addresses, where none begins with this
 * character. */
static ph_int_t
resolve_meet(resolve_t *r, uint32_t user_id)
{
    char  *mark = ph_psprintf(r->pool, "\001%u", user_id);

    return mark ? resolve_add(r, ph_str_c(mark)) : PH_NOMEM;
}


static ph_int_t
resolve_dest(resolve_t *r, const dir_entry_t *who, ph_str_t address)
{
    size_t              cap;
    dir_destination_t  *dest;

    if (r->dest_n >= r->opts->max || r->dest_n >= UINT16_MAX) {
        return PH_TOOBIG;
    }

    if (r->dest_n == r->dest_cap) {
        cap = r->dest_cap ? 2 * r->dest_cap : 4;
        dest = ph_prealloc(r->pool, r->dest, r->dest_cap * sizeof(*dest),
                           cap * sizeof(*dest));
        if (dest == NULL) {
            return PH_NOMEM;
        }
        r->dest = dest;
        r->dest_cap = cap;
    }

    dest = &r->dest[r->dest_n++];
    memset(dest, 0, sizeof(*dest));
    dest->address = address;

    if (who != NULL) {
        dest->local = 1;
        dest->who = *who;
    }

    return PH_OK;
}


/* The entry of a local address: itself, an alias, without its detail, or what
 * the domain catches all with. */
static ph_int_t
resolve_entry(resolve_t *r, const dir_address_t *a,
    const dir_domain_facts_t *domain, dir_row_t *row)
{
    ph_int_t       rc;
    dir_address_t  base;

    rc = dir_entry_by_address(r->conn, r->pool, a->full, row);

    for (size_t i = 1; rc == PH_NOTFOUND && i < a->local.len; i++) {
        if (strchr(r->opts->delimiters, a->local.data[i]) == NULL) {
            continue;
        }

        rc = dir_address_make(r->pool, (ph_str_t) { i, a->local.data },
                              a->domain, &base);
        if (rc == PH_OK) {
            rc = dir_entry_by_address(r->conn, r->pool, base.full, row);
        }
        break;
    }

    if (rc == PH_NOTFOUND && domain->catch_all.len != 0) {
        rc = dir_entry_by_address(r->conn, r->pool, domain->catch_all, row);
    }

    return rc;
}


static ph_int_t
resolve_is(resolve_t *r, dir_sql_t sql, uint32_t group, ph_str_t address)
{
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(r->conn, sql);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, group);
    dir_bind_str(st, 2, address);
    rc = dir_db_rc(r->conn, sqlite3_step(st));
    sqlite3_reset(st);

    return rc == PH_DONE ? PH_DENIED : rc;
}


/* PH_OK, or PH_DENIED when the sender may not post */
static ph_int_t
resolve_posting(resolve_t *r, const dir_row_t *group, int posting)
{
    ph_int_t            rc;
    dir_row_t           who;
    dir_domain_facts_t  domain;

    if (posting == DIR_POST_ALL) {
        return PH_OK;
    }

    if (r->sender.full.len == 0) {
        return PH_DENIED;
    }

    if (posting == DIR_POST_DOMAIN || posting == DIR_POST_ORGANISATION) {
        rc = dir_domain_facts(r->conn, r->pool, r->sender.domain, &domain);
        if (rc == PH_NOTFOUND) {
            return PH_DENIED;
        }
        if (rc != PH_OK) {
            return rc;
        }
        if (posting == DIR_POST_DOMAIN) {
            return domain.id == group->e.domain_id ? PH_OK : PH_DENIED;
        }
        return domain.organisation_id == group->organisation_id ? PH_OK
                                                                : PH_DENIED;
    }

    if (posting == DIR_POST_MEMBERS) {
        rc = resolve_is(r, DIR_SQL_group_member_is, group->e.user_id,
                        r->sender.full);
    } else {
        rc = resolve_is(r, DIR_SQL_group_sender_is, group->e.user_id,
                        r->sender.full);
    }

    if (rc != PH_DENIED) {
        return rc;
    }

    /* an alias of somebody who may */
    rc = dir_entry_by_address(r->conn, r->pool, r->sender.full, &who);
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_DENIED : rc;
    }

    return resolve_is(r, posting == DIR_POST_MEMBERS
                         ? DIR_SQL_group_member_is : DIR_SQL_group_sender_is,
                      group->e.user_id, who.e.address);
}


static ph_int_t
resolve_list(resolve_t *r, sqlite3_stmt *st)
{
    size_t     n;
    ph_int_t   rc;
    ph_str_t  *list;

    rc = dir_strings(r->conn, st, r->pool, DIR_RESOLVE_STEPS_MAX, &list, &n);

    for (size_t i = 0; rc == PH_OK && i < n; i++) {
        rc = resolve_add(r, list[i]);
        rc = rc == PH_EXISTS ? PH_OK : rc;
    }

    return rc;
}


static ph_int_t
resolve_group(resolve_t *r, const dir_row_t *row, bool top, bool *refused)
{
    int            posting, everybody;
    ph_int_t       rc;
    sqlite3_stmt  *st;

    st = dir_stmt(r->conn, DIR_SQL_group_facts);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row->e.user_id);
    rc = dir_db_rc(r->conn, sqlite3_step(st));
    if (rc != PH_OK) {
        sqlite3_reset(st);
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    posting = sqlite3_column_int(st, 0);
    everybody = sqlite3_column_int(st, 1);
    sqlite3_reset(st);

    /* who put a group into a group has let its senders in */
    if (top) {
        rc = resolve_posting(r, row, posting);
        if (rc != PH_OK) {
            *refused = rc == PH_DENIED;
            return rc;
        }
    }

    if (everybody) {
        st = dir_stmt(r->conn, DIR_SQL_entry_everybody);
        if (st != NULL) {
            sqlite3_bind_int64(st, 1, row->e.domain_id);
            sqlite3_bind_int64(st, 2, DIR_RESOLVE_STEPS_MAX);
        }
        rc = resolve_list(r, st);
        if (rc != PH_OK) {
            return rc;
        }
    }

    st = dir_stmt(r->conn, DIR_SQL_group_members);
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, row->e.user_id);
    }

    return resolve_list(r, st);
}


static ph_int_t
resolve_mailbox(resolve_t *r, const dir_row_t *row, ph_str_t address)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;

    if (row->forward != DIR_FORWARD_REDIRECT) {
        rc = resolve_dest(r, &row->e, address);
        if (rc != PH_OK || row->forward == DIR_FORWARD_NONE) {
            return rc;
        }
    }

    st = dir_stmt(r->conn, DIR_SQL_forward_list);
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, row->e.user_id);
    }

    rc = resolve_list(r, st);

    if (rc == PH_OK && row->forward == DIR_FORWARD_REDIRECT
        && !r->has_redirect)
    {
        r->has_redirect = true;
        r->redirect = row->e;
    }

    return rc;
}


/* the address elsewhere that a contact stands for */
static ph_int_t
resolve_contact(resolve_t *r, const dir_row_t *row)
{
    ph_int_t       rc;
    ph_str_t       text;
    dir_address_t  a;
    sqlite3_stmt  *st = dir_stmt(r->conn, DIR_SQL_property_text);

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row->e.user_id);
    sqlite3_bind_int64(st, 2, 0x39FE001F);    /* PR_SMTP_ADDRESS */
    rc = dir_db_rc(r->conn, sqlite3_step(st));
    text = rc == PH_OK ? ph_pstrdup(r->pool, dir_column_str(st, 0))
                       : ph_str_null;
    sqlite3_reset(st);

    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    rc = dir_address_parse(r->pool, text, &a);
    if (rc != PH_OK) {
        return rc == PH_INVALID ? PH_NOTFOUND : rc;
    }

    rc = resolve_add(r, a.full);

    return rc == PH_EXISTS ? PH_OK : rc;
}


static ph_int_t
resolve_one(resolve_t *r, ph_str_t text, bool top, bool *local, bool *refused)
{
    ph_int_t            rc;
    dir_row_t           row;
    dir_address_t       a;
    dir_domain_facts_t  domain;

    rc = dir_address_parse(r->pool, text, &a);
    if (rc != PH_OK) {
        return rc;
    }

    rc = dir_domain_facts(r->conn, r->pool, a.domain, &domain);
    if (rc == PH_NOTFOUND) {
        /* a contact may stand for an address elsewhere; it goes there anyway */
        *local = false;
        return resolve_dest(r, NULL, top ? ph_str_trim(text) : a.full);
    }
    if (rc != PH_OK) {
        return rc;
    }

    *local = true;
    if (domain.status != DIR_STATUS_NORMAL) {
        return PH_NOTFOUND;
    }

    rc = resolve_entry(r, &a, &domain, &row);
    if (rc != PH_OK) {
        return rc;
    }

    if (row.e.status != DIR_STATUS_NORMAL) {
        return PH_NOTFOUND;
    }

    rc = resolve_meet(r, row.e.user_id);
    if (rc != PH_OK) {
        return rc == PH_EXISTS ? PH_OK : rc;
    }

    switch (row.e.kind) {
    case DIR_KIND_USER:
    case DIR_KIND_SHARED:
        return resolve_mailbox(r, &row, a.full);
    case DIR_KIND_GROUP:
        return resolve_group(r, &row, top, refused);
    case DIR_KIND_CONTACT:
        return resolve_contact(r, &row);
    case DIR_KIND_PUBLIC:
        /* a mail-enabled folder's address is an alias of its store; which
         * folder it is, exmdb knows */
        return ph_str_eq(a.full, row.e.address)
               ? PH_NOTFOUND : resolve_dest(r, &row.e, a.full);
    default:
        return PH_NOTFOUND;
    }
}


ph_int_t
dir_resolve(dir_conn_t *conn, ph_pool_t *pool, const dir_resolve_opts_t *opts,
    ph_str_t address, ph_str_t sender, dir_resolve_answer_t *answer_r)
{
    bool           top, local, refused = false;
    ph_int_t       rc;
    resolve_t      r;
    dir_address_t  a;

    memset(answer_r, 0, sizeof(*answer_r));
    memset(&r, 0, sizeof(r));

    r.conn = conn;
    r.pool = pool;
    r.opts = opts;

    rc = dir_address_parse(pool, address, &a);
    if (rc != PH_OK) {
        return rc;
    }

    if (sender.len != 0
        && dir_address_parse(pool, sender, &r.sender) == PH_NOMEM)
    {
        return PH_NOMEM;
    }

    rc = resolve_add(&r, a.full);

    while (rc == PH_OK && r.next < r.queue_n) {
        top = r.next == 0;
        local = false;

        if (r.queue[r.next].data[0] == '\001') {
            r.next++;
            continue;
        }

        rc = resolve_one(&r, top ? address : r.queue[r.next], top, &local,
                         &refused);
        r.next++;

        if (top) {
            answer_r->local_domain = local;
            if (refused) {
                answer_r->refused = 1;
                return PH_OK;
            }
        } else if (rc == PH_NOTFOUND || rc == PH_INVALID) {
            /* a dead member does not keep the others from their mail */
            rc = PH_OK;
        }
    }

    if (rc == PH_OK && r.dest_n == 0 && r.has_redirect) {
        ph_log(opts->log, PH_LOG_WARN, PH2050, "address=%s mailbox=%s",
               ph_log_str(a.full), ph_log_str(r.redirect.address));
        rc = resolve_dest(&r, &r.redirect, r.redirect.address);
    }

    if (rc == PH_TOOBIG) {
        ph_log(opts->log, PH_LOG_WARN, PH2051, "address=%s limit=%zu",
               ph_log_str(a.full), opts->max);
    }

    if (rc != PH_OK) {
        return rc;
    }

    if (r.dest_n == 0) {
        return PH_NOTFOUND;
    }

    answer_r->destinations = r.dest;
    answer_r->destinations_count = (uint16_t) r.dest_n;

    return PH_OK;
}
