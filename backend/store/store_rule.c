/* Rules of folders, and whom automatic replies went to. */

#include "store_message_int.h"
#include "lib/ph_str.h"

#define REPLY_LOG_TRIM  64    /* rows removed at once when it is full */

static ph_int_t
rule_text(sqlite3_stmt *s, int i, ph_pool_t *pool, bool *has_r, ph_str_t *str_r)
{
    if (has_r) {
        *has_r = sqlite3_column_type(s, i) != SQLITE_NULL;
    }
    *str_r = ph_pstrdup(pool, store_col_str(s, i));

    return str_r->data ? PH_OK : PH_NOMEM;
}

static ph_int_t
rule_row(sqlite3_stmt *s, ph_pool_t *pool, store_rule_t *r)
{
    memset(r, 0, sizeof(*r));
    r->id = store_col_u64(s, 0);
    r->folder = store_col_u64(s, 1);
    r->sequence = (int32_t) sqlite3_column_int64(s, 2);
    r->state = store_col_u32(s, 3);
    r->user_flags = store_col_u32(s, 4);
    r->level = (int32_t) sqlite3_column_int64(s, 5);
    store_try(rule_text(s, 6, pool, &r->has_name, &r->name));
    store_try(rule_text(s, 7, pool, NULL, &r->provider));
    store_try(rule_text(s, 8, pool, &r->has_provider_data,
                        &r->provider_data));
    store_try(rule_text(s, 9, pool, &r->has_condition, &r->condition));

    return rule_text(s, 10, pool, NULL, &r->actions);
}

ph_int_t
store_rules(store_conn_t *conn, uint64_t fid, ph_pool_t *pool, uint32_t *n_r,
    store_rule_t **rules_r)
{
    int64_t        count;
    uint32_t       n;
    ph_int_t       rc;
    store_rule_t  *rules;
    sqlite3_stmt  *s;

    *n_r = 0;
    *rules_r = NULL;
    store_try(store_q_int(conn, SQL_RULE_COUNT, &count, "u", fid));
    if (count <= 0) {
        return PH_OK;
    }
    rules = ph_pcalloc_array(pool, (size_t) count, sizeof(*rules));
    if (rules == NULL) {
        return PH_NOMEM;
    }

    n = 0;
    store_try(store_q(conn, SQL_RULES, &s, "u", fid));
    while (n < (uint32_t) count && (rc = store_step(conn, s)) == PH_OK) {
        rc = rule_row(s, pool, &rules[n]);
        if (rc != PH_OK) {
            break;
        }
        n++;
    }
    if (n == (uint32_t) count) {
        rc = PH_OK;
    }
    store_done(conn, &s);
    *n_r = n;
    *rules_r = rules;

    return rc == PH_DONE ? PH_OK : rc;
}

ph_int_t
store_rule_find(store_conn_t *conn, uint64_t fid, uint64_t id,
    ph_pool_t *pool, store_rule_t *rule_r)
{
    ph_int_t       rc;
    sqlite3_stmt  *s;

    store_try(store_q(conn, SQL_RULE, &s, "uu", id, fid));
    rc = store_step(conn, s);
    if (rc == PH_OK) {
        rc = rule_row(s, pool, rule_r);
    }
    store_done(conn, &s);

    return rc == PH_DONE ? PH_NOTFOUND : rc;
}

/* What a rule counts for in STORE_RULES_BYTES_MAX (also in SQL_RULE_BYTES). */
static uint64_t
rule_bytes(const store_rule_t *r)
{
    return r->name.len + r->provider.len + r->provider_data.len
           + r->condition.len + r->actions.len;
}

static ph_int_t
rule_fits(store_conn_t *conn, const store_rule_t *r)
{
    ph_int_t       rc;
    uint64_t       n, bytes;
    sqlite3_stmt  *s;

    if (r->name.len > STORE_RULE_TEXT_MAX
        || r->provider.len > STORE_RULE_TEXT_MAX)
    {
        return PH_TOOBIG;
    }

    /* without the row that this one replaces */
    store_try(store_q(conn, SQL_RULE_BYTES, &s, "uu", r->folder, r->id));
    rc = store_step(conn, s);
    n = store_col_u64(s, 0);
    bytes = store_col_u64(s, 1);
    store_done(conn, &s);
    if (rc != PH_OK) {
        return rc == PH_DONE ? PH_ERROR : rc;
    }

    return n < STORE_RULES_MAX
           && bytes + rule_bytes(r) <= STORE_RULES_BYTES_MAX
           ? PH_OK : PH_TOOBIG;
}

/* A change of rules is one of the folder: PR_HAS_RULES. */
static ph_int_t
rule_event(store_conn_t *conn, uint64_t fid)
{
    static const uint32_t   tag = PR_HAS_RULES;
    store_event_t          *ev;

    ev = store_event_add(conn, STORE_EV_MODIFIED);
    if (ev == NULL) {
        return PH_NOMEM;
    }
    ev->folder = fid;
    ev->tags = store_event_tags(conn, 1, &tag);

    return PH_OK;
}

ph_int_t
store_rule_put(store_conn_t *conn, store_rule_t *r)
{
    uint64_t        id;
    store_folder_t  f;

    store_try(store_need_write(conn));
    store_try(store_folder_live(conn, r->folder, &f));
    store_try(rule_fits(conn, r));

    if (r->id) {
        store_try(store_exec(conn, SQL_RULE_SET, "iuuibtbbzuu",
            (int64_t) r->sequence, (uint64_t) r->state,
            (uint64_t) r->user_flags, (int64_t) r->level,
            r->has_name ? r->name : ph_str_null, r->provider,
            r->has_provider_data ? r->provider_data : ph_str_null,
            r->has_condition ? r->condition : ph_str_null, r->actions, r->id,
            r->folder));
        return store_changes(conn) ? rule_event(conn, r->folder)
                                   : PH_NOTFOUND;
    }

    store_try(store_next_folder_id(conn, &id));
    store_try(store_exec(conn, SQL_RULE_ADD, "uuiuuibtbbz", id, r->folder,
        (int64_t) r->sequence, (uint64_t) r->state, (uint64_t) r->user_flags,
        (int64_t) r->level, r->has_name ? r->name : ph_str_null, r->provider,
        r->has_provider_data ? r->provider_data : ph_str_null,
        r->has_condition ? r->condition : ph_str_null, r->actions));
    r->id = id;

    return rule_event(conn, r->folder);
}

ph_int_t
store_rule_remove(store_conn_t *conn, uint64_t fid, uint64_t id)
{
    store_try(store_need_write(conn));
    store_try(store_exec(conn, SQL_RULE_DEL, "uu", id, fid));
    if (!store_changes(conn)) {
        return PH_NOTFOUND;
    }
    store_try(store_reply_clear(conn, id));

    return rule_event(conn, fid);
}

ph_int_t
store_rules_clear(store_conn_t *conn, uint64_t fid)
{
    store_try(store_need_write(conn));
    store_try(store_exec(conn, SQL_REPLY_CLEAR_FOLDER, "u", fid));
    store_try(store_exec(conn, SQL_RULES_DEL, "u", fid));

    return rule_event(conn, fid);
}

ph_int_t
store_rule_state(store_conn_t *conn, uint64_t id, uint32_t set,
    uint32_t clear)
{
    store_try(store_need_write(conn));

    return store_exec(conn, SQL_RULE_STATE, "uuu", (uint64_t) ~clear,
                      (uint64_t) set, id);
}

ph_int_t
store_rules_copy(store_conn_t *conn, uint64_t from, uint64_t to)
{
    uint32_t       i, n;
    ph_int_t       rc;
    ph_pool_t     *pool;
    store_rule_t  *rules;

    pool = ph_pool_create("store rules", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    rc = store_rules(conn, from, pool, &n, &rules);
    for (i = 0; rc == PH_OK && i < n; i++) {
        rules[i].id = 0;
        rules[i].folder = to;
        rc = store_rule_put(conn, &rules[i]);
    }
    ph_pool_destroy(&pool);

    return rc;
}

/* Is the class in these packed properties the one asked for? */
static ph_int_t
rule_class_is(ph_str_t props, ph_str_t class, ph_pool_t *pool, bool *yes_r)
{
    ph_int_t        rc;
    store_pack_t    pack;
    store_packed_t  v;

    *yes_r = false;
    store_try(store_pack_open(props, &pack));
    rc = store_pack_find(&pack, MAPI_ID(PR_MESSAGE_CLASS), pool, &v);
    if (rc == PH_OK && !v.external && store_is_string(MAPI_TYPE(v.v.tag))) {
        *yes_r = ph_str_ieq(v.v.u.str, class);
    }

    return rc == PH_NOTFOUND ? PH_OK : rc;
}

ph_int_t
store_messages_of_class(store_conn_t *conn, uint64_t fid, bool associated,
    ph_str_t class, uint32_t max, ph_pool_t *pool, uint32_t *n_r,
    uint64_t **mids_r)
{
    bool           yes;
    uint64_t      *ids;
    ph_int_t       rc;
    ph_pool_t     *tmp;
    sqlite3_stmt  *s;

    *n_r = 0;
    ids = ph_pcalloc_array(pool, max, sizeof(*ids));
    tmp = ph_pool_create("store class", 0);
    if (ids == NULL || tmp == NULL) {
        ph_pool_destroy(&tmp);
        return PH_NOMEM;
    }
    *mids_r = ids;

    rc = store_q(conn, SQL_MESSAGE_PROPS_OF, &s, "ud", fid, (int) associated);
    if (rc != PH_OK) {
        ph_pool_destroy(&tmp);
        return rc;
    }
    while (*n_r < max && (rc = store_step(conn, s)) == PH_OK) {
        rc = rule_class_is(store_col_str(s, 1), class, tmp, &yes);
        if (rc != PH_OK) {
            break;
        }
        if (yes) {
            ids[(*n_r)++] = store_col_u64(s, 0);
        }
        ph_pool_reset(tmp);
    }
    store_done(conn, &s);
    ph_pool_destroy(&tmp);

    return rc == PH_DONE ? PH_OK : rc;
}

void
store_deliver_moved(store_conn_t *conn, uint64_t mid, uint64_t fid,
    uint64_t to)
{
    uint32_t        i;
    store_events_t *list = conn->events;

    for (i = 0; list != NULL && i < list->n; i++) {
        if (list->ev[i].type != STORE_EV_NEW_MAIL
            || list->ev[i].message != mid)
        {
            continue;
        }
        if (to) {
            list->ev[i].folder = fid;
            list->ev[i].message = to;
            return;
        }
        list->n--;
        memmove(&list->ev[i], &list->ev[i + 1],
                (list->n - i) * sizeof(store_event_t));
        return;
    }
}

/* ---- whom replies went to ---- */

ph_int_t
store_reply_last(store_conn_t *conn, uint64_t rule, ph_str_t address,
    uint64_t *sent_r)
{
    int64_t     sent;
    ph_int_t    rc;
    ph_str_t    key;
    ph_pool_t  *pool;

    *sent_r = 0;
    pool = ph_pool_create("store reply", 0);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    key = ph_str_lower(pool, address);
    rc = key.data == NULL ? PH_NOMEM
         : store_q_int(conn, SQL_REPLY_LAST, &sent, "ut", rule, key);
    ph_pool_destroy(&pool);
    if (rc == PH_OK) {
        *sent_r = (uint64_t) sent;
    }

    return rc == PH_NOTFOUND ? PH_OK : rc;
}

ph_int_t
store_reply_note(store_conn_t *conn, uint64_t rule, ph_str_t address)
{
    int64_t     n;
    ph_str_t    key;
    ph_pool_t  *pool;

    store_try(store_need_write(conn));
    pool = store_tmp_pool(conn);
    if (pool == NULL) {
        return PH_NOMEM;
    }
    key = ph_str_lower(pool, address);
    if (key.data == NULL) {
        return PH_NOMEM;
    }
    store_try(store_exec(conn, SQL_REPLY_NOTE, "utu", rule, key,
                         store_now(conn)));

    store_try(store_q_int(conn, SQL_REPLY_COUNT, &n, ""));
    if (n <= STORE_REPLY_LOG_MAX) {
        return PH_OK;
    }

    return store_exec(conn, SQL_REPLY_TRIM, "i",
                      n - STORE_REPLY_LOG_MAX + REPLY_LOG_TRIM);
}

ph_int_t
store_reply_clear(store_conn_t *conn, uint64_t rule)
{
    store_try(store_need_write(conn));

    return store_exec(conn, SQL_REPLY_CLEAR, "u", rule);
}
