/* Conflicts of uploaded messages (MS-OXCFXICS 3.1.5.6.2). */

#include "ex_ics.h"
#include "ex_props.h"

#include <stdlib.h>

#define EX_RESOLVE_LAST_WRITER  1


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


/* what a version is told with; the first: is it one? */
static const uint32_t  ex_ics_version_tags[] = {
    PR_IN_CONFLICT, PR_CHANGE_KEY, PR_PREDECESSOR_CHANGE_LIST
};


static ph_int_t
ex_ics_version_open(ex_rop_t *rop, store_message_t *msg, uint32_t num,
    store_attach_t **att_r, mapi_values_t *v_r)
{
    ph_int_t     rc;
    uint32_t     i;
    mapi_tags_t  tags;

    tags.n = ph_nelts(ex_ics_version_tags);
    tags.tag = ex_ics_version_tags;

    rc = store_attach_open(msg, num, att_r);
    if (rc != PH_OK) {
        return rc;
    }

    rc = store_attach_get(rop->conn, *att_r, &tags, STORE_NO_LIMIT, rop->pool,
                          v_r);
    for (i = 0; rc == PH_OK && i < tags.n; i++) {
        if (v_r->v[i].tag != tags.tag[i]
            || (i == 0 && !v_r->v[i].u.b))
        {
            rc = PH_NOTFOUND;
        }
    }
    if (rc != PH_OK) {
        store_attach_close(att_r);
    }

    return rc;
}


/* Takes the versions away: there is a third one. */
static ph_int_t
ex_ics_detach(ex_rop_t *rop, store_message_t *msg)
{
    uint32_t         i, n, *nums;
    ph_int_t         rc;
    mapi_values_t    v;
    store_attach_t  *att;

    rc = store_message_attachments(msg, rop->pool, &n, &nums);
    for (i = 0; rc == PH_OK && i < n; i++) {
        rc = ex_ics_version_open(rop, msg, nums[i], &att, &v);
        if (rc == PH_OK) {
            store_attach_close(&att);
            rc = store_attach_delete(msg, nums[i]);
        }
        rc = rc == PH_NOTFOUND ? PH_OK : rc;
    }

    return rc;
}


/* One of the versions, as an attached message with its keys. */
static ph_int_t
ex_ics_attach(ex_rop_t *rop, store_message_t *to, store_message_t *from,
    const store_version_t *v, const store_actor_t *actor,
    store_attach_t **att_r)
{
    ph_int_t           rc;
    mapi_value_t       value[3], time;
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

    memset(&time, 0, sizeof(time));
    time.tag = PR_LAST_MODIFICATION_TIME;
    time.u.time = v->modified;
    values.n = 1;
    values.v = &time;

    rc = rop_copy_content(rop, from, inner, actor);
    if (rc == PH_OK) {
        rc = store_message_set(inner, &values, rop->pool, &problems);
    }
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
    if (rc == PH_OK && !wins && (status & EX_STATUS_IN_CONFLICT)) {
        rc = ex_ics_detach(rop, winner);
    }
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
    if (rc == PH_OK) {
        rc = store_message_set_status(rop->conn, 0, fact->id,
                                      both ? EX_STATUS_IN_CONFLICT : 0,
                                      EX_STATUS_IN_CONFLICT, &old);
    }

    return rc == PH_NOTFOUND ? ecObjectDeleted
           : rc == PH_QUOTA ? ecQuotaExceeded
           : rc == PH_TOOBIG ? ecMaxSubmissionExceeded : ex_ec(rop, rc);
}


/* ---- telling the versions ---- */

void
ex_ics_versions_end(ex_ics_download_t *d)
{
    store_attach_close(&d->version);
    store_message_close(&d->conflict);
    free(d->versions);
    d->versions = NULL;
    d->n_versions = 0;
}


/* The read state is the message's, not what it was with the version. */
static ph_int_t
ex_ics_version_what(ex_ics_download_t *d)
{
    uint32_t  i, *tag;

    if (d->version_tags.tag != NULL) {
        return PH_OK;
    }

    tag = ph_pcalloc_array(d->pool, d->what.tags.n + 1, sizeof(*tag));
    if (tag == NULL) {
        return PH_NOMEM;
    }
    for (i = 0; i < d->what.tags.n; i++) {
        tag[i] = d->what.tags.tag[i];
    }
    tag[i] = PR_MESSAGE_FLAGS;
    d->version_tags.tag = tag;
    d->version_tags.n = d->what.tags.n + 1;

    return PH_OK;
}


ph_int_t
ex_ics_versions_begin(ex_rop_t *rop, ex_ics_download_t *d,
    const store_sync_row_t *row, store_message_t *msg)
{
    bool             current;
    uint32_t         i, n, *nums;
    ph_int_t         rc;
    mapi_values_t    v;
    store_attach_t  *att;
    store_version_t  now;

    rc = store_message_attachments(msg, rop->pool, &n, &nums);
    if (rc == PH_OK) {
        rc = store_message_version(msg, rop->pool, &now);
    }
    if (rc == PH_OK) {
        rc = ex_ics_version_what(d);
    }
    if (rc != PH_OK) {
        return rc;
    }

    d->versions = calloc(n + 1, sizeof(uint32_t));
    if (d->versions == NULL) {
        return PH_NOMEM;
    }

    current = false;
    for (i = 0; i < n; i++) {
        rc = ex_ics_version_open(rop, msg, nums[i], &att, &v);
        if (rc == PH_OK) {
            d->versions[d->n_versions++] = nums[i];
            current |= ph_str_eq(v.v[1].u.bin, now.change_key);
            store_attach_close(&att);
        } else if (rc != PH_NOTFOUND) {
            break;
        }
        rc = PH_OK;
    }

    /* a message that was saved since is no longer in conflict */
    if (rc != PH_OK || !current) {
        ex_ics_versions_end(d);
        return rc == PH_OK ? PH_NOTFOUND : rc;
    }

    d->conflict = msg;
    d->conflict_row = *row;
    d->next_version = 0;

    return PH_OK;
}


ph_int_t
ex_ics_version(ex_rop_t *rop, ex_ics_download_t *d, ex_fx_out_t *out)
{
    ph_int_t          rc;
    mapi_tags_t       tags;
    mapi_value_t      flags;
    ex_fx_what_t      what;
    mapi_values_t     v, time;
    store_message_t  *inner;

    static const uint32_t  modified = PR_LAST_MODIFICATION_TIME;

    store_attach_close(&d->version);
    if (d->next_version == d->n_versions) {
        ex_ics_versions_end(d);
        return PH_DONE;
    }

    rc = ex_ics_version_open(rop, d->conflict,
                             d->versions[d->next_version++], &d->version, &v);
    if (rc == PH_OK) {
        rc = store_embedded_open(rop->conn, d->version, false, NULL, &inner);
    }
    if (rc != PH_OK) {
        return rc == PH_NOTFOUND ? PH_CORRUPT : rc;
    }

    /* keys are the attachment's, the time is the message's inside */
    tags.n = 1;
    tags.tag = &modified;
    rc = store_message_get(rop->conn, inner, &tags, STORE_NO_LIMIT, rop->pool,
                           &time);
    if (rc == PH_OK) {
        v.v[0] = time.v[0];
        rc = ex_fx_put_marker(out, INCRSYNCCHG);
    }
    if (rc == PH_OK) {
        rc = ex_ics_put_header(rop, d, out, &d->conflict_row, d->conflict,
                               &v);
    }
    if (rc == PH_OK) {
        rc = ex_fx_put_marker(out, INCRSYNCMESSAGE);
    }
    what = d->what;
    if (rc == PH_OK && !(what.flags & EX_FX_ONLY)) {
        what.tags = d->version_tags;
        memset(&flags, 0, sizeof(flags));
        flags.tag = PR_MESSAGE_FLAGS;
        flags.u.i4 = (int32_t) d->conflict_row.flags;
        rc = ex_fx_put_value(rop, out, &flags);
    }
    if (rc != PH_OK) {
        store_message_close(&inner);
        return rc;
    }

    return ex_fx_put_message(rop, out, inner, &what);
}
