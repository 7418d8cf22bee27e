#include "dir_socketmap.h"
#include "dir_address.h"
#include "lib/ph_str.h"

ph_int_t
dir_netstring_parse(const uint8_t *data, size_t len, size_t max,
    ph_str_t *text_r, size_t *used_r)
{
    size_t  i, n = 0;

    for (i = 0; i < len && data[i] >= '0' && data[i] <= '9'; i++) {
        if (i > 0 && n == 0) {
            return PH_INVALID;    /* no leading zeros */
        }
        n = n * 10 + (size_t) (data[i] - '0');
        if (n > max) {
            return PH_TOOBIG;
        }
    }

    if (i == len) {
        return PH_AGAIN;
    }

    if (i == 0 || data[i] != ':') {
        return PH_INVALID;
    }
    i++;

    if (len - i < n + 1) {
        return PH_AGAIN;
    }

    if (data[i + n] != ',') {
        return PH_INVALID;
    }

    *text_r = (ph_str_t) { n, data + i };
    *used_r = i + n + 1;

    return PH_OK;
}


ph_int_t
dir_socketmap_parse(ph_str_t text, ph_str_t *name_r, ph_str_t *key_r)
{
    const uint8_t  *space;

    space = text.len ? memchr(text.data, ' ', text.len) : NULL;

    if (space == NULL || space == text.data
        || memchr(text.data, '\0', text.len) != NULL)
    {
        return PH_INVALID;
    }

    *name_r = (ph_str_t) { (size_t) (space - text.data), text.data };
    *key_r = (ph_str_t) { text.len - name_r->len - 1, space + 1 };

    return PH_OK;
}


static ph_int_t
map_domains(dir_conn_t *conn, ph_pool_t *pool, ph_str_t key,
    ph_str_t *value_r, ph_str_t *transport_r)
{
    ph_int_t            rc;
    dir_domain_facts_t  facts;

    rc = dir_domain_parse(pool, key, value_r);
    if (rc == PH_OK) {
        rc = dir_domain_facts(conn, pool, *value_r, &facts);
    }
    if (rc == PH_INVALID || (rc == PH_OK && facts.status != DIR_STATUS_NORMAL))
    {
        rc = PH_NOTFOUND;
    }
    if (rc == PH_OK && transport_r != NULL) {
        *transport_r = facts.transport;
    }

    return rc;
}


static ph_int_t
map_mailboxes(dir_conn_t *conn, ph_pool_t *pool,
    const dir_resolve_opts_t *opts, ph_str_t key, ph_str_t *value_r)
{
    ph_int_t                 rc;
    dir_address_t            address;
    dir_resolve_answer_t     answer;
    const dir_resolve_opts_t quiet = {
        .delimiters = opts->delimiters, .max = opts->max
    };

    rc = dir_address_parse(pool, key, &address);
    if (rc == PH_OK) {
        rc = dir_resolve(conn, pool, &quiet, key, ph_str_null, &answer);
    }

    if (rc == PH_OK && !answer.local_domain) {
        return PH_NOTFOUND;
    }

    /* a group that this sender may not post to exists nevertheless; delivery
     * knows the sender and says so */
    *value_r = address.full;

    return rc == PH_INVALID ? PH_NOTFOUND : rc == PH_TOOBIG ? PH_OK : rc;
}


static ph_int_t
map_aliases(dir_conn_t *conn, ph_pool_t *pool, ph_str_t key,
    ph_str_t *value_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;
    dir_address_t  address;

    rc = dir_address_parse(pool, key, &address);
    if (rc != PH_OK) {
        return rc == PH_INVALID ? PH_NOTFOUND : rc;
    }

    st = dir_stmt(conn, DIR_SQL_alias_target);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, address.full);
    rc = dir_db_rc(conn, sqlite3_step(st));
    if (rc == PH_OK) {
        *value_r = ph_pstrdup(pool, dir_column_str(st, 0));
    }
    sqlite3_reset(st);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}


static ph_int_t
map_senders(dir_conn_t *conn, ph_pool_t *pool, const dir_resolve_opts_t *opts,
    ph_str_t key, ph_str_t *value_r)
{
    ph_int_t       rc;
    dir_row_t      row;
    dir_address_t  address, base;

    rc = dir_address_parse(pool, key, &address);
    if (rc == PH_OK) {
        rc = dir_entry_by_address(conn, pool, address.full, &row);
    }

    for (size_t i = 1; rc == PH_NOTFOUND && i < address.local.len; i++) {
        if (strchr(opts->delimiters, address.local.data[i]) == NULL) {
            continue;
        }

        rc = dir_address_make(pool, (ph_str_t) { i, address.local.data },
                              address.domain, &base);
        if (rc == PH_OK) {
            rc = dir_entry_by_address(conn, pool, base.full, &row);
        }
        break;
    }

    if (rc == PH_OK && (row.e.kind != DIR_KIND_USER
                        || row.e.status != DIR_STATUS_NORMAL))
    {
        rc = PH_NOTFOUND;
    }

    if (rc == PH_OK) {
        *value_r = row.e.address;
    }

    return rc == PH_INVALID ? PH_NOTFOUND : rc;
}


ph_str_t
dir_socketmap_lookup(dir_conn_t *conn, ph_pool_t *pool,
    const dir_resolve_opts_t *opts, const char *transport, ph_str_t name,
    ph_str_t key)
{
    ph_int_t  rc;
    ph_str_t  value = ph_str_null, domain;

    if (ph_str_eq_c(name, "domains")) {
        rc = map_domains(conn, pool, key, &value, NULL);

    } else if (ph_str_eq_c(name, "transports")) {
        rc = map_domains(conn, pool, key, &domain, &value);
        if (rc == PH_OK && value.len == 0) {
            value = ph_str_c(transport);
        }
        if (rc == PH_OK && value.len == 0) {
            rc = PH_NOTFOUND;
        }

    } else if (ph_str_eq_c(name, "mailboxes")) {
        rc = map_mailboxes(conn, pool, opts, key, &value);

    } else if (ph_str_eq_c(name, "aliases")) {
        rc = map_aliases(conn, pool, key, &value);

    } else if (ph_str_eq_c(name, "senders")) {
        rc = map_senders(conn, pool, opts, key, &value);

    } else {
        return ph_str_lit("PERM no such table");
    }

    switch (rc) {
    case PH_OK:
        return ph_str_c(ph_psprintf(pool, "OK %.*s", PH_STR_ARG(value)));
    case PH_NOTFOUND:
        return ph_str_lit("NOTFOUND ");
    default:
        return ph_str_lit("TEMP the user database failed");
    }
}
