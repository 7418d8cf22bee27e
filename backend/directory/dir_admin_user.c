/* Users and their passwords. */

#include "dir_admin.h"
#include "lib/ph_str.h"

#define LIST_MAX  65535

ph_int_t
dir_admin_parse(dir_job_t *job, ph_str_t text, dir_address_t *address_r)
{
    ph_int_t  rc;

    rc = dir_address_parse(job->pool, text, address_r);
    if (rc == PH_INVALID) {
        return dir_job_fail(job, rc, "not an address: %.*s",
                            (int) ph_min(text.len, DIR_ADDRESS_MAX),
                            (const char *) text.data);
    }

    return rc;
}


ph_int_t
dir_admin_find(dir_job_t *job, uint8_t by, ph_str_t key, dir_row_t *row_r)
{
    ph_int_t  rc;

    rc = dir_entry_find(job->conn, job->pool, by, key, row_r);
    if (rc == PH_NOTFOUND) {
        return dir_job_fail(job, rc, "no such entry: %.*s",
                            (int) ph_min(key.len, DIR_ADDRESS_MAX),
                            (const char *) key.data);
    }

    if (rc == PH_OK) {
        job->target = row_r->e.address;
    }

    return rc;
}


static ph_int_t
admin_taken(dir_job_t *job, ph_str_t address)
{
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(job->conn, DIR_SQL_address_taken);

    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, address);
    rc = dir_db_rc(job->conn, sqlite3_step(st));
    sqlite3_reset(st);

    if (rc == PH_OK) {
        return dir_job_fail(job, PH_EXISTS, "%.*s is taken",
                            PH_STR_ARG(address));
    }

    return rc == PH_DONE ? PH_OK : rc;
}


ph_int_t
dir_admin_new_address(dir_job_t *job, ph_str_t text, dir_address_t *address_r,
    dir_domain_facts_t *domain_r)
{
    ph_int_t  rc;

    rc = dir_admin_parse(job, text, address_r);
    if (rc != PH_OK) {
        return rc;
    }

    if (!dir_address_creatable(address_r)) {
        return dir_job_fail(job, PH_INVALID,
                            "%.*s has characters that addresses here do not"
                            " have", PH_STR_ARG(address_r->full));
    }

    rc = dir_domain_facts(job->conn, job->pool, address_r->domain, domain_r);
    if (rc == PH_NOTFOUND) {
        return dir_job_fail(job, rc, "no domain %.*s",
                            PH_STR_ARG(address_r->domain));
    }
    if (rc != PH_OK) {
        return rc;
    }

    return admin_taken(job, address_r->full);
}


/* What new entries of a domain inherit; PH_TOOBIG when it is full. */
static ph_int_t
admin_domain_limits(dir_job_t *job, ph_str_t name, ph_str_t *node,
    ph_str_t *lang)
{
    uint32_t       max, users;
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(job->conn, DIR_SQL_domain_by_name);

    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, name);
    rc = dir_db_rc(job->conn, sqlite3_step(st));
    if (rc != PH_OK) {
        sqlite3_reset(st);
        return rc == PH_DONE ? PH_NOTFOUND : rc;
    }

    *node = ph_pstrdup(job->pool, dir_column_str(st, 5));
    *lang = ph_pstrdup(job->pool, dir_column_str(st, 6));
    max = (uint32_t) sqlite3_column_int64(st, 7);
    users = (uint32_t) sqlite3_column_int64(st, 11);
    sqlite3_reset(st);

    if (node->data == NULL || lang->data == NULL) {
        return PH_NOMEM;
    }

    if (max != 0 && users >= max) {
        return dir_job_fail(job, PH_TOOBIG, "the domain may have %u entries",
                            max);
    }

    return PH_OK;
}


/* Where the mailbox goes: named after the address, or with the id when somebody
 * who had this address before still has his mailbox there. */
static ph_int_t
admin_path(dir_job_t *job, const dir_address_t *address, ph_str_t node,
    uint32_t id, ph_str_t *path_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;

    rc = dir_address_path(job->pool, address, path_r);
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_user_path_taken);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, node);
    dir_bind_str(st, 2, *path_r);
    sqlite3_bind_int64(st, 3, id);
    rc = dir_db_rc(job->conn, sqlite3_step(st));
    sqlite3_reset(st);

    if (rc == PH_OK) {
        /* no path of an address has a "%" that two digits do not follow */
        *path_r = ph_str_c(ph_psprintf(job->pool, "%.*s%%-%u",
                                       PH_STR_ARG(*path_r), id));
        return path_r->data ? PH_OK : PH_NOMEM;
    }

    return rc == PH_DONE ? PH_OK : rc;
}


static bool
admin_has_mailbox(uint8_t kind)
{
    return kind == DIR_KIND_USER || kind == DIR_KIND_SHARED
           || kind == DIR_KIND_PUBLIC;
}


ph_int_t
dir_admin_insert(dir_job_t *job, const dir_new_user_t *u, uint32_t *id_r)
{
    char                hex[33];
    uint8_t             guid[16];
    uint32_t            id;
    ph_int_t            rc;
    ph_str_t            node, lang, path = ph_str_lit(""), dn, organisation;
    dir_row_t           row;
    sqlite3_stmt       *st;
    const dir_entry_t  *e = u->e;

    rc = admin_domain_limits(job, u->address->domain, &node, &lang);
    if (rc != PH_OK) {
        return rc;
    }

    if (u->placed) {
        node = e->node;
        path = e->path;
    }
    if (e->lang.len != 0) {
        lang = e->lang;
    }

    ph_random(guid, sizeof(guid));
    guid[7] = (uint8_t) ((guid[7] & 0x0F) | 0x40);    /* RFC 4122: version 4 */
    guid[8] = (uint8_t) ((guid[8] & 0x3F) | 0x80);
    ph_hex_encode(hex, guid, sizeof(guid));

    st = dir_stmt(job->conn, DIR_SQL_user_insert);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, u->domain_id);
    sqlite3_bind_int(st, 2, e->kind);
    sqlite3_bind_int(st, 3, e->status);
    dir_bind_str(st, 4, u->address->full);
    dir_bind_str(st, 5, e->display_name);
    dir_bind_str(st, 6, ph_str_c(hex));    /* until the id is known */
    dir_bind_str(st, 7, u->password);
    sqlite3_bind_int64(st, 8, e->rights);
    dir_bind_str(st, 9, lang);
    dir_bind_str(st, 10, node);
    dir_bind_str(st, 11, path);
    dir_bind_blob(st, 12, (ph_str_t) { sizeof(guid), guid });
    sqlite3_bind_int64(st, 13, (int64_t) e->quota_warning);
    sqlite3_bind_int64(st, 14, (int64_t) e->quota_send);
    sqlite3_bind_int64(st, 15, (int64_t) e->quota_receive);
    sqlite3_bind_int64(st, 16, e->max_submit_size);
    sqlite3_bind_int(st, 17, u->hidden);
    sqlite3_bind_int64(st, 18, (int64_t) ph_now_filetime());

    rc = dir_stmt_run(job->conn, st);
    if (rc == PH_EXISTS) {
        return dir_job_fail(job, rc, "%.*s is taken",
                            PH_STR_ARG(u->address->full));
    }
    if (rc != PH_OK) {
        return rc;
    }

    id = (uint32_t) dir_conn_last_id(job->conn);
    *id_r = id;

    rc = dir_entry_by_id(job->conn, job->pool, id, &row);
    if (rc != PH_OK) {
        return rc;
    }

    organisation = row.e.organisation;
    rc = dir_legacy_dn(job->pool, organisation, u->domain_id, id,
                       u->address->local, &dn);
    if (rc == PH_OK && path.len == 0 && admin_has_mailbox(e->kind)) {
        rc = admin_path(job, u->address, node, id, &path);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_user_place);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, id);
    dir_bind_str(st, 2, dn);
    dir_bind_str(st, 3, path);

    return dir_stmt_run(job->conn, st);
}


static ph_int_t
admin_strings_of(dir_job_t *job, dir_sql_t sql, uint32_t id, ph_str_t text,
    ph_str_t **list_r, uint16_t *n_r)
{
    size_t         n;
    ph_int_t       rc;
    sqlite3_stmt  *st = dir_stmt(job->conn, sql);

    if (st == NULL) {
        return PH_ERROR;
    }

    if (id != 0) {
        sqlite3_bind_int64(st, 1, id);
    } else {
        dir_bind_str(st, 1, text);
    }

    rc = dir_strings(job->conn, st, job->pool, LIST_MAX, list_r, &n);
    *n_r = (uint16_t) n;

    return rc;
}


ph_int_t
dir_admin_user(dir_job_t *job, const dir_row_t *row, dir_user_t *u)
{
    ph_int_t  rc;

    memset(u, 0, sizeof(*u));

    u->entry = row->e;
    u->entry.quota_warning = row->own.warning;
    u->entry.quota_send = row->own.send;
    u->entry.quota_receive = row->own.receive;
    u->hidden = row->hidden;
    u->hash = ph_pstrdup(job->pool, dir_hash_kind(row->password));
    u->created = row->created;
    u->changed = row->changed;
    u->forward = row->forward;

    rc = admin_strings_of(job, DIR_SQL_alias_of_user, row->e.user_id,
                          ph_str_null, &u->aliases, &u->aliases_count);
    if (rc == PH_OK) {
        rc = admin_strings_of(job, DIR_SQL_forward_list, row->e.user_id,
                              ph_str_null, &u->forwards, &u->forwards_count);
    }
    if (rc == PH_OK) {
        rc = admin_strings_of(job, DIR_SQL_groups_of_address, 0,
                              row->e.address, &u->groups, &u->groups_count);
    }

    return rc == PH_OK && u->hash.data == NULL ? PH_NOMEM : rc;
}


ph_int_t
dir_op_user_list(dir_job_t *job)
{
    ph_int_t                 rc;
    ph_str_t                 domain = ph_str_lit(""), like = ph_str_lit("");
    dir_row_t               *rows, *grown;
    uint32_t                 n = 0, cap = 0;
    sqlite3_stmt            *st;
    dir_user_list_request_t  q;
    dir_user_list_answer_t   answer;

    memset(&answer, 0, sizeof(answer));

    rc = dir_user_list_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK && q.domain.len != 0) {
        rc = dir_domain_parse(job->pool, q.domain, &domain);
    }
    if (rc == PH_OK && q.match.len != 0) {
        like = dir_like(job->pool, q.match, true);
        rc = like.data ? PH_OK : PH_NOMEM;
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (q.limit == 0 || q.limit > DIR_ADMIN_LIST_MAX) {
        q.limit = DIR_ADMIN_LIST_MAX;
    }

    st = dir_stmt(job->conn, DIR_SQL_entry_count);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, domain);
    sqlite3_bind_int(st, 2, q.kind);
    dir_bind_str(st, 3, like);
    rc = dir_db_rc(job->conn, sqlite3_step(st));
    answer.total = (uint32_t) sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_entry_list);
    if (st == NULL) {
        return PH_ERROR;
    }

    dir_bind_str(st, 1, domain);
    sqlite3_bind_int(st, 2, q.kind);
    dir_bind_str(st, 3, like);
    sqlite3_bind_int64(st, 4, q.limit);
    sqlite3_bind_int64(st, 5, q.offset);

    rows = NULL;

    while ((rc = dir_db_rc(job->conn, sqlite3_step(st))) == PH_OK) {
        if (n == cap) {
            grown = ph_prealloc(job->pool, rows, cap * sizeof(*rows),
                                (2 * cap + 16) * sizeof(*rows));
            if (grown == NULL) {
                rc = PH_NOMEM;
                break;
            }
            rows = grown;
            cap = 2 * cap + 16;
        }

        rc = dir_entry_row(st, job->pool, &rows[n]);
        if (rc != PH_OK) {
            break;
        }
        n++;
    }

    sqlite3_reset(st);
    if (rc != PH_DONE) {
        return rc;
    }

    answer.users = ph_pcalloc_array(job->pool, n, sizeof(*answer.users));
    if (answer.users == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < n; i++) {
        rc = dir_admin_user(job, &rows[i], &answer.users[i]);
        if (rc != PH_OK) {
            return rc;
        }
    }
    answer.users_count = n;

    return dir_user_list_answer_encode_new(job->pool, &answer, &job->answer);
}


ph_int_t
dir_op_user_get(dir_job_t *job)
{
    ph_int_t                rc;
    dir_row_t               row;
    dir_user_get_request_t  q;
    dir_user_get_answer_t   answer;

    rc = dir_user_get_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        rc = dir_admin_find(job, q.by, q.key, &row);
    }
    if (rc == PH_OK) {
        rc = dir_admin_user(job, &row, &answer.user);
    }
    if (rc != PH_OK) {
        return rc;
    }

    return dir_user_get_answer_encode_new(job->pool, &answer, &job->answer);
}


/* Checks what both user_create and user_change take from a request. */
static ph_int_t
user_check(dir_job_t *job, const dir_entry_t *e, uint32_t mask)
{
    ph_int_t  rc = PH_OK;

    if (mask & DIR_USER_STATUS) {
        rc = dir_admin_status(job, e->status);
    }
    if (rc == PH_OK && (mask & DIR_USER_DISPLAY_NAME)) {
        rc = dir_admin_name(job, "the display name", e->display_name, false);
    }
    if (rc == PH_OK && (mask & DIR_USER_LANG)) {
        rc = dir_admin_name(job, "the language", e->lang, false);
    }
    if (rc == PH_OK && (mask & DIR_USER_PLACE)) {
        rc = dir_admin_name(job, "the node", e->node, true);
    }
    if (rc == PH_OK && (mask & DIR_USER_PLACE)) {
        rc = dir_admin_name(job, "the path", e->path, true);
    }
    if (rc == PH_OK && (mask & DIR_USER_PLACE) && e->path.len != 0
        && (e->path.data[0] == '/' || e->path.data[0] == '.'
            || memmem(e->path.data, e->path.len, "/.", 2) != NULL))
    {
        rc = dir_job_fail(job, PH_INVALID, "not a path below mailbox_root");
    }
    if (rc == PH_OK && (mask & DIR_USER_RIGHTS)
        && (e->rights & ~DIR_RIGHTS_ALL) != 0)
    {
        rc = dir_job_fail(job, PH_INVALID, "no such right");
    }
    if (rc == PH_OK && (mask & DIR_USER_QUOTA)
        && (e->quota_warning > INT64_MAX || e->quota_send > INT64_MAX
            || e->quota_receive > INT64_MAX))
    {
        rc = dir_job_fail(job, PH_INVALID, "the quota is too large");
    }

    return rc;
}


static void
user_merge(dir_entry_t *e, const dir_entry_t *from, uint32_t mask)
{
    if (mask & DIR_USER_KIND) {
        e->kind = from->kind;
    }
    if (mask & DIR_USER_STATUS) {
        e->status = from->status;
    }
    if (mask & DIR_USER_RIGHTS) {
        e->rights = from->rights;
    }
    if (mask & DIR_USER_DISPLAY_NAME) {
        e->display_name = from->display_name;
    }
    if (mask & DIR_USER_LANG) {
        e->lang = from->lang;
    }
    if (mask & DIR_USER_PLACE) {
        e->node = from->node;
        e->path = from->path;
    }
    if (mask & DIR_USER_QUOTA) {
        e->quota_warning = from->quota_warning;
        e->quota_send = from->quota_send;
        e->quota_receive = from->quota_receive;
    }
    if (mask & DIR_USER_SUBMIT_SIZE) {
        e->max_submit_size = from->max_submit_size;
    }
}


ph_int_t
dir_op_user_create(dir_job_t *job)
{
    char                       hash[DIR_HASH_MAX] = "";
    uint32_t                   id;
    ph_int_t                   rc;
    dir_row_t                  row;
    dir_entry_t                e;
    dir_address_t              address;
    dir_new_user_t             u;
    dir_domain_facts_t         domain;
    dir_user_create_request_t  q;
    dir_user_create_answer_t   answer;

    rc = dir_user_create_request_decode_all(job->req->body, job->pool, &q);
    if (rc != PH_OK) {
        return rc;
    }

    job->target = q.entry.address;

    memset(&e, 0, sizeof(e));
    e.kind = DIR_KIND_USER;
    e.rights = DIR_RIGHTS_DEFAULT;
    user_merge(&e, &q.entry, q.mask);

    rc = user_check(job, &q.entry, q.mask);
    if (rc != PH_OK) {
        return rc;
    }

    if (e.kind != DIR_KIND_USER && e.kind != DIR_KIND_SHARED
        && e.kind != DIR_KIND_CONTACT && e.kind != DIR_KIND_PUBLIC)
    {
        return dir_job_fail(job, PH_INVALID, "not a kind of user: %u",
                            e.kind);
    }

    if (e.kind != DIR_KIND_USER && !(q.mask & DIR_USER_RIGHTS)) {
        e.rights = 0;
    }

    /* the slow part comes before the lock */
    if (q.password.len != 0
        && dir_auth_hash(job->d->auth, q.password, hash) != PH_OK)
    {
        return dir_job_fail(job, PH_INVALID, "this password cannot be used");
    }

    rc = dir_job_write(job);
    if (rc == PH_OK) {
        rc = dir_admin_new_address(job, q.entry.address, &address, &domain);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if (!(q.mask & DIR_USER_DISPLAY_NAME)) {
        e.display_name = address.local;
    }

    u.e = &e;
    u.address = &address;
    u.domain_id = domain.id;
    u.hidden = q.mask & DIR_USER_HIDDEN ? q.hidden : 0;
    u.placed = (q.mask & DIR_USER_PLACE) != 0;
    u.password = ph_str_c(hash);

    rc = dir_admin_insert(job, &u, &id);
    explicit_bzero(hash, sizeof(hash));
    if (rc == PH_OK) {
        rc = dir_entry_by_id(job->conn, job->pool, id, &row);
    }
    if (rc == PH_OK) {
        rc = dir_admin_user(job, &row, &answer.user);
    }
    if (rc != PH_OK) {
        return rc;
    }

    dir_job_changed(job, address.full);

    return dir_user_create_answer_encode_new(job->pool, &answer,
                                             &job->answer);
}


/* Every mention of the old address becomes the new one. */
static ph_int_t
user_rename(dir_job_t *job, ph_str_t old, ph_str_t address)
{
    ph_int_t       rc;
    sqlite3_stmt  *st;

    static const dir_sql_t  renames[] = {
        DIR_SQL_rename_members, DIR_SQL_rename_senders,
        DIR_SQL_rename_forwards, DIR_SQL_rename_catch_all,
    };

    for (size_t i = 0; i < ph_nelts(renames); i++) {
        st = dir_stmt(job->conn, renames[i]);
        if (st == NULL) {
            return PH_ERROR;
        }

        dir_bind_str(st, 1, old);
        dir_bind_str(st, 2, address);
        rc = dir_stmt_run(job->conn, st);
        if (rc != PH_OK) {
            return rc;
        }
    }

    return PH_OK;
}


static ph_int_t
user_update(dir_job_t *job, const dir_row_t *row, uint32_t domain_id)
{
    sqlite3_stmt       *st = dir_stmt(job->conn, DIR_SQL_user_update);
    const dir_entry_t  *e = &row->e;

    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, e->user_id);
    sqlite3_bind_int64(st, 2, domain_id);
    sqlite3_bind_int(st, 3, e->status);
    dir_bind_str(st, 4, e->address);
    dir_bind_str(st, 5, e->display_name);
    sqlite3_bind_int64(st, 6, e->rights);
    dir_bind_str(st, 7, e->lang);
    dir_bind_str(st, 8, e->node);
    dir_bind_str(st, 9, e->path);
    sqlite3_bind_int64(st, 10, (int64_t) e->quota_warning);
    sqlite3_bind_int64(st, 11, (int64_t) e->quota_send);
    sqlite3_bind_int64(st, 12, (int64_t) e->quota_receive);
    sqlite3_bind_int64(st, 13, e->max_submit_size);
    sqlite3_bind_int(st, 14, row->hidden);
    sqlite3_bind_int(st, 15, e->kind);
    sqlite3_bind_int64(st, 16, (int64_t) ph_now_filetime());

    return dir_stmt_run(job->conn, st);
}


ph_int_t
dir_op_user_change(dir_job_t *job)
{
    uint32_t                   domain_id;
    ph_int_t                   rc;
    ph_str_t                   old;
    dir_row_t                  row;
    dir_address_t              address;
    dir_domain_facts_t         domain;
    dir_user_change_request_t  q;
    dir_user_change_answer_t   answer;

    rc = dir_user_change_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.key;
        rc = user_check(job, &q.entry, q.mask);
    }
    if (rc == PH_OK) {
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = dir_admin_find(job, q.by, q.key, &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    if ((q.mask & DIR_USER_KIND) && q.entry.kind != row.e.kind
        && !((q.entry.kind == DIR_KIND_USER || q.entry.kind == DIR_KIND_SHARED)
             && (row.e.kind == DIR_KIND_USER
                 || row.e.kind == DIR_KIND_SHARED)))
    {
        return dir_job_fail(job, PH_INVALID,
                            "only users and shared mailboxes can change kind");
    }

    old = row.e.address;
    domain_id = row.e.domain_id;
    row.e.status = row.user_status;    /* without the domain's */
    row.e.quota_warning = row.own.warning;
    row.e.quota_send = row.own.send;
    row.e.quota_receive = row.own.receive;
    user_merge(&row.e, &q.entry, q.mask);
    if (q.mask & DIR_USER_HIDDEN) {
        row.hidden = q.hidden;
    }

    if (q.mask & DIR_USER_ADDRESS) {
        rc = dir_admin_new_address(job, q.entry.address, &address, &domain);
        if (rc == PH_OK) {
            rc = user_rename(job, old, address.full);
        }
        if (rc != PH_OK) {
            return rc;
        }
        row.e.address = address.full;
        domain_id = domain.id;
        dir_job_changed(job, address.full);
    }

    rc = user_update(job, &row, domain_id);
    if (rc == PH_OK) {
        rc = dir_entry_by_id(job->conn, job->pool, row.e.user_id, &row);
    }
    if (rc == PH_OK) {
        rc = dir_admin_user(job, &row, &answer.user);
    }
    if (rc != PH_OK) {
        return rc;
    }

    job->forget = row.e.user_id;
    dir_job_changed(job, old);

    return dir_user_change_answer_encode_new(job->pool, &answer,
                                             &job->answer);
}


ph_int_t
dir_admin_remove(dir_job_t *job, const dir_row_t *row)
{
    ph_int_t  rc;

    static const dir_sql_t  mentions[] = {
        DIR_SQL_forget_members, DIR_SQL_forget_senders,
        DIR_SQL_forget_forwards, DIR_SQL_forget_catch_all,
    };

    for (size_t i = 0; i < ph_nelts(mentions); i++) {
        rc = dir_admin_run(job, mentions[i], 0, row->e.address);
        if (rc != PH_OK) {
            return rc;
        }
    }

    rc = dir_admin_run(job, DIR_SQL_user_delete, row->e.user_id, ph_str_null);

    job->forget = row->e.user_id;
    dir_job_changed(job, row->e.address);

    return rc;
}


ph_int_t
dir_op_user_delete(dir_job_t *job)
{
    ph_int_t                   rc;
    dir_row_t                  row;
    dir_user_delete_request_t  q;

    rc = dir_user_delete_request_decode_all(job->req->body, job->pool, &q);
    if (rc == PH_OK) {
        job->target = q.address;
        rc = dir_job_write(job);
    }
    if (rc == PH_OK) {
        rc = dir_admin_find(job, DIR_BY_ADDRESS, q.address, &row);
    }
    if (rc == PH_OK && row.e.kind == DIR_KIND_GROUP) {
        return dir_job_fail(job, PH_INVALID, "this is a group");
    }
    if (rc == PH_OK) {
        rc = dir_admin_remove(job, &row);
    }

    return rc;
}


ph_int_t
dir_op_passwd(dir_job_t *job)
{
    char                  hash[DIR_HASH_MAX] = "";
    ph_int_t              rc;
    dir_row_t             row;
    sqlite3_stmt         *st;
    dir_passwd_request_t  q;

    rc = dir_passwd_request_decode_all(job->req->body, job->pool, &q);
    if (rc != PH_OK) {
        return rc;
    }

    job->target = q.address;

    if (q.hashed) {
        if (!dir_hash_known(q.password)) {
            return dir_job_fail(job, PH_INVALID,
                                "not a hash that can be verified here");
        }
        memcpy(hash, q.password.data, q.password.len);
        hash[q.password.len] = '\0';
    } else if (q.password.len != 0
               && dir_auth_hash(job->d->auth, q.password, hash) != PH_OK)
    {
        return dir_job_fail(job, PH_INVALID, "this password cannot be used");
    }

    rc = dir_job_write(job);
    if (rc == PH_OK) {
        rc = dir_admin_find(job, DIR_BY_ADDRESS, q.address, &row);
    }
    if (rc != PH_OK) {
        return rc;
    }

    st = dir_stmt(job->conn, DIR_SQL_user_password);
    if (st == NULL) {
        return PH_ERROR;
    }

    sqlite3_bind_int64(st, 1, row.e.user_id);
    dir_bind_str(st, 2, ph_str_c(hash));
    sqlite3_bind_int64(st, 3, (int64_t) ph_now_filetime());
    rc = dir_stmt_run(job->conn, st);
    explicit_bzero(hash, sizeof(hash));

    job->forget = row.e.user_id;
    dir_job_changed(job, row.e.address);

    return rc;
}
