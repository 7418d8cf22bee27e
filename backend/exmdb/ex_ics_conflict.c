/* Conflicts of uploaded messages (MS-OXCFXICS 3.1.5.6.2). */

#include "ex_ics.h"
#include "ex_props.h"

#define EX_RESOLVE_LAST_WRITER  1
#define EX_STATUS_IN_CONFLICT   0x0800


bool
ex_ics_wins(const store_version_t *client, const store_version_t *server,
    bool folder)
{
    if (client->modified != server->modified) {
        return client->modified > server->modified;
    }

    /* a folder stays what it is here; a message's greater namespace wins */
    return !folder && memcmp(client->change_key.data, server->change_key.data,
                             sizeof(mapi_guid_t)) > 0;
}


static bool
ex_ics_last_writer(ex_rop_t *rop, const store_message_fact_t *fact)
{
    mapi_tags_t    tags;
    mapi_values_t  v;

    static const uint32_t  method = PR_RESOLVE_METHOD;

    if (fact->associated) {
        return true;
    }

    tags.n = 1;
    tags.tag = &method;
    if (store_folder_get(rop->conn, fact->folder, &tags, STORE_NO_LIMIT,
                         rop->pool, &v) != PH_OK)
    {
        return true;
    }

    return v.v[0].tag == PR_RESOLVE_METHOD
           && v.v[0].u.i4 == EX_RESOLVE_LAST_WRITER;
}


/* One of the versions, as an attached message with its keys. */
static ph_int_t
ex_ics_attach(ex_rop_t *rop, store_message_t *to, store_message_t *from,
    const store_version_t *v, const store_actor_t *actor,
    store_attach_t **att_r)
{
    ph_int_t           rc;
    mapi_value_t       value[4];
    mapi_values_t      values;
    store_message_t   *inner;
    store_problems_t   problems;

    rc = store_attach_create(to, att_r);
    if (rc == PH_OK) {
        rc = store_embedded_open(rop->conn, *att_r, true, actor, &inner);
    }
    if (rc != PH_OK) {
        return rc;
    }

    rc = rop_copy_content(rop, from, inner, actor);
    if (rc == PH_OK) {
        rc = store_message_save(rop->conn, inner, STORE_SAVE_FORCE, actor,
                                NULL);
    }
    store_message_close(&inner);
    if (rc != PH_OK) {
        return rc;
    }

    memset(value, 0, sizeof(value));
    value[0].tag = PR_IN_CONFLICT;
    value[0].u.b = true;
    value[1].tag = PR_CHANGE_KEY;
    value[1].u.bin = v->change_key;
    value[2].tag = PR_PREDECESSOR_CHANGE_LIST;
    value[2].u.bin = v->pcl;
    value[3].tag = PR_LAST_MODIFICATION_TIME;
    value[3].u.time = v->modified;
    values.n = ph_nelts(value);
    values.v = value;

    return store_attach_set(*att_r, &values, rop->pool, &problems);
}


static ph_int_t
ex_ics_attach_both(ex_rop_t *rop, store_message_t *to,
    store_message_t *other, const store_version_t *mine,
    const store_version_t *others, const store_actor_t *actor)
{
    ph_int_t         rc;
    store_attach_t  *a, *b;

    b = NULL;
    rc = ex_ics_attach(rop, to, to, mine, actor, &a);
    if (rc == PH_OK) {
        rc = ex_ics_attach(rop, to, other, others, actor, &b);
    }
    if (rc == PH_OK) {
        rc = store_attach_save(a);
    }
    if (rc == PH_OK) {
        rc = store_attach_save(b);
    }
    store_attach_close(&a);
    store_attach_close(&b);

    return rc;
}


uint32_t
ex_ics_resolve(ex_rop_t *rop, ex_message_t *m, store_message_t *server,
    const store_version_t *version, const store_actor_t *actor)
{
    bool                          both, wins;
    uint32_t                      old, status;
    ph_int_t                      rc;
    store_message_t              *winner;
    store_version_t               v;
    const store_version_t        *client = &m->import->version;
    const store_message_fact_t   *fact = store_message_fact(server);

    wins = ex_ics_wins(client, version, false);
    winner = wins ? m->msg : server;
    rc = store_message_status(rop->conn, 0, fact->id, &status);

    /* three versions are one too many to tell apart */
    both = !ex_ics_last_writer(rop, fact)
           && (status & EX_STATUS_IN_CONFLICT) == 0;
    if (rc == PH_OK && both) {
        rc = ex_ics_attach_both(rop, winner, wins ? server : m->msg,
                                wins ? client : version,
                                wins ? version : client, actor);
    }

    v = wins ? *client : *version;
    v.source_key = ph_str_lit("");
    if (rc == PH_OK) {
        rc = mapi_pcl_merge(rop->pool, client->pcl, version->pcl, &v.pcl);
    }
    if (rc == PH_OK) {
        rc = store_message_set_version(winner, &v);
    }
    if (rc == PH_OK) {
        rc = store_message_save(rop->conn, winner, STORE_SAVE_FORCE, actor,
                                NULL);
    }
    if (rc == PH_OK && (both || wins)) {
        rc = store_message_set_status(rop->conn, 0, fact->id,
                                      both ? EX_STATUS_IN_CONFLICT : 0,
                                      EX_STATUS_IN_CONFLICT, &old);
    }

    return rc == PH_NOTFOUND ? ecObjectDeleted
           : rc == PH_QUOTA ? ecQuotaExceeded
           : rc == PH_TOOBIG ? ecMaxSubmissionExceeded : ex_ec(rop, rc);
}
