/* Out of office, rooms and equipment: settings for the administrator. */

#include "ex_door.h"


static ph_int_t
ex_oof_show_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t                 rc;
    store_oof_t              oof;
    exmdb_oof_show_answer_t  a;

    rc = store_oof_get(conn, d->pool, &oof);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    a.active = store_oof_active(&oof, ph_now_filetime());
    a.settings.state = oof.state;
    a.settings.audience = oof.audience;
    a.settings.start = oof.start;
    a.settings.end = oof.end;
    a.settings.internal_subject = oof.internal_subject;
    a.settings.internal_text = oof.internal_text;
    a.settings.external_subject = oof.external_subject;
    a.settings.external_text = oof.external_text;

    return exmdb_oof_show_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_oof_show(ex_call_t *call)
{
    ex_door_run(call, ex_oof_show_run);
}


static ph_int_t
ex_oof_set_run(ex_door_t *d, store_conn_t *conn)
{
    store_oof_t                    oof;
    const exmdb_oof_set_request_t *r = d->request;

    memset(&oof, 0, sizeof(oof));
    oof.state = r->settings.state;
    oof.audience = r->settings.audience;
    oof.start = r->settings.start;
    oof.end = r->settings.end;
    oof.internal_subject = r->settings.internal_subject;
    oof.internal_text = r->settings.internal_text;
    oof.external_subject = r->settings.external_subject;
    oof.external_text = r->settings.external_text;

    return store_oof_set(conn, &oof);
}


void
ex_op_oof_set(ex_call_t *call)
{
    ex_door_run(call, ex_oof_set_run);
}


static ph_int_t
ex_resource_show_run(ex_door_t *d, store_conn_t *conn)
{
    ph_int_t                      rc;
    store_resource_t              res;
    exmdb_resource_show_answer_t  a;

    rc = store_resource_get(conn, d->pool, &res);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    a.settings.kind = res.kind;
    a.settings.recurring = res.recurring;
    a.settings.conflicts = res.conflicts;
    a.settings.keep = res.keep;
    a.settings.window = res.window;
    a.settings.longest = res.longest;
    a.settings.skip = res.skip;

    return exmdb_resource_show_answer_encode_new(d->pool, &a, &d->answer);
}


void
ex_op_resource_show(ex_call_t *call)
{
    ex_door_run(call, ex_resource_show_run);
}


static ph_int_t
ex_resource_set_run(ex_door_t *d, store_conn_t *conn)
{
    store_resource_t                    res;
    const exmdb_resource_set_request_t *r = d->request;

    memset(&res, 0, sizeof(res));
    res.kind = r->settings.kind;
    res.recurring = r->settings.recurring != 0;
    res.conflicts = r->settings.conflicts != 0;
    res.keep = r->settings.keep != 0;
    res.window = r->settings.window;
    res.longest = r->settings.longest;
    res.skip = r->settings.skip;

    return store_resource_set(conn, &res);
}


void
ex_op_resource_set(ex_call_t *call)
{
    ex_door_run(call, ex_resource_set_run);
}
