/* Collecting what a transaction changes. */

#include "store_int.h"

#include <stdlib.h>

store_event_t *
store_event_add(store_conn_t *conn, store_event_type_t type)
{
    ph_pool_t       *pool;
    uint32_t         cap;
    store_event_t   *ev;
    store_events_t  *list;

    list = conn->events;

    if (list == NULL) {
        pool = ph_pool_create("store events", 0);
        if (pool == NULL) {
            goto failed;
        }
        list = ph_pcalloc(pool, sizeof(*list));
        if (list == NULL) {
            ph_pool_destroy(&pool);
            goto failed;
        }
        list->pool = pool;
        conn->events = list;
        conn->cap_events = 0;
    }

    if (list->n == conn->cap_events) {
        cap = conn->cap_events ? conn->cap_events * 2 : 8;
        ev = ph_prealloc(list->pool, list->ev,
                         conn->cap_events * sizeof(*ev), cap * sizeof(*ev));
        if (ev == NULL) {
            goto failed;
        }
        list->ev = ev;
        conn->cap_events = cap;
    }

    ev = &list->ev[list->n++];
    memset(ev, 0, sizeof(*ev));
    ev->type = type;
    ev->origin = conn->origin;

    return ev;

failed:

    conn->failed = true;
    return NULL;
}

mapi_tags_t
store_event_tags(store_conn_t *conn, uint32_t n, const uint32_t *tags)
{
    uint32_t     *copy;
    mapi_tags_t   list;

    list.n = 0;
    list.tag = NULL;

    if (n && conn->events) {
        copy = ph_palloc(conn->events->pool, n * sizeof(*copy));
        if (copy) {
            memcpy(copy, tags, n * sizeof(*copy));
            list.n = n;
            list.tag = copy;
        }
    }

    return list;
}

void
store_events_free(store_events_t **events)
{
    ph_pool_t  *pool;

    if (*events == NULL) {
        return;
    }
    pool = (*events)->pool;
    *events = NULL;
    ph_pool_destroy(&pool);
}
