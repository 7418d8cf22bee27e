#include "auth.h"
#include "client/cl.h"
#include "lib/ph_ticket.h"
#include "gen/dir.h"

#include <stdlib.h>
#include <time.h>

#define AUTH_PAUSE_MS  1000      /* between two fetches of the keys */
#define AUTH_WAIT_MS   5000

typedef struct auth_wait_s  auth_wait_t;

struct auth_wait_s {
    auth_wait_t   *next;
    ph_str_t       ticket;
    auth_done_pt   done;
    void          *data;
};

struct auth_s {
    delivery_t        *d;
    ph_ticket_keys_t   keys;
    bool               fetching;
    uint64_t           fetched;      /* ph_now_ms() */
    auth_wait_t       *waiting;
};


ph_int_t
auth_create(delivery_t *d, auth_t **auth_r)
{
    *auth_r = ph_pcalloc(d->pool, sizeof(**auth_r));
    if (*auth_r == NULL) {
        return PH_NOMEM;
    }

    (*auth_r)->d = d;
    return PH_OK;
}


static ph_int_t
auth_verify(const auth_t *auth, ph_str_t ticket)
{
    ph_int_t     rc;
    ph_ticket_t  t;

    rc = ph_ticket_verify(&auth->keys, ticket, (uint64_t) time(NULL), &t);

    if (rc == PH_OK && t.kind != PH_TICKET_SERVICE
        && t.kind != PH_TICKET_ADMIN)
    {
        return PH_DENIED;
    }

    return rc;
}


static void
auth_keys(ph_wire_status_t status, ph_str_t body, void *data)
{
    auth_t             *auth = data;
    ph_int_t            rc;
    ph_pool_t          *pool;
    auth_wait_t        *wait, *list;
    dir_keys_answer_t   a;

    auth->fetching = false;
    auth->fetched = ph_now_ms();
    list = auth->waiting;
    auth->waiting = NULL;

    if (status == PH_WIRE_OK) {
        pool = ph_pool_create("keys", 1 << 16);
        if (pool != NULL
            && dir_keys_answer_decode_all(body, pool, &a) == PH_OK)
        {
            auth->keys.n = ph_min((size_t) a.keys_count,
                                  (size_t) PH_TICKET_MAX_KEYS);
            for (size_t i = 0; i < auth->keys.n; i++) {
                auth->keys.keys[i].id = a.keys[i].id;
                auth->keys.keys[i].not_after = a.keys[i].not_after;
                memcpy(auth->keys.keys[i].secret, a.keys[i].secret,
                       sizeof(auth->keys.keys[i].secret));
            }
        }
        ph_pool_destroy(&pool);
    }

    while ((wait = list) != NULL) {
        list = wait->next;
        rc = auth_verify(auth, wait->ticket);
        if (rc == PH_NOTFOUND && status != PH_WIRE_OK) {
            rc = PH_TIMEOUT;
        }
        wait->done(rc == PH_OK || rc == PH_TIMEOUT ? rc : PH_DENIED,
                   wait->data);
        free(wait);
    }
}


void
auth_check(auth_t *auth, ph_str_t ticket, auth_done_pt done, void *data)
{
    ph_int_t      rc = auth_verify(auth, ticket);
    auth_wait_t  *wait;

    if (rc != PH_NOTFOUND
        || (!auth->fetching && auth->fetched != 0
            && ph_now_ms() - auth->fetched < AUTH_PAUSE_MS))
    {
        done(rc == PH_OK ? PH_OK : PH_DENIED, data);
        return;
    }

    wait = malloc(sizeof(*wait));
    if (wait == NULL) {
        done(PH_TIMEOUT, data);
        return;
    }

    *wait = (auth_wait_t) { auth->waiting, ticket, done, data };
    auth->waiting = wait;

    if (!auth->fetching) {
        auth->fetching = true;
        delivery_directory(auth->d, DIR_OP_KEYS, ph_str_null, AUTH_WAIT_MS,
                           auth_keys, auth);
    }
}
