/* What strangers write into headers and bodies of MAPI/HTTP requests. */

#include "identity/id_basic.h"
#include "mapi/mh_request.h"
#include "mapi/mh_body.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                                  text[MH_CONTEXT_LEN + 1];
    uint8_t                               session[16];
    ph_str_t                              in = { size, data }, user, password;
    ph_str_t                              v;
    unsigned                              worker;
    uint16_t                              version[3];
    mh_head_t                             head = { .post = true };
    ph_pool_t                            *pool;
    const mh_type_t                      *type;
    mapihttp_connect_request_t            connect;
    mapihttp_execute_request_t            execute;
    mapihttp_disconnect_request_t         disconnect;
    mapihttp_notification_wait_request_t  wait;

    pool = ph_pool_create("fuzz", 1u << 20);

    if (id_basic_parse(pool, in, &user, &password) == PH_OK
        && (!ph_utf8_valid(user) || !ph_utf8_valid(password)
            || user.len == 0))
    {
        abort();
    }

    if (mh_cookie_find(in, "MapiContext", &v) == PH_OK
        && mh_context_parse(v, session, &worker) == PH_OK
        && mh_context_format(text, session, worker) > MH_CONTEXT_LEN)
    {
        abort();
    }

    (void) mh_sequence_parse(in, session);
    mh_client_version(in, version);

    head.content_type = head.request_type = in;
    head.request_id = head.client_info = in;
    (void) mh_head_check(MH_EMSMDB, &head, &type);

    (void) mapihttp_connect_request_decode_all(in, pool, &connect);
    (void) mapihttp_disconnect_request_decode_all(in, pool, &disconnect);
    (void) mapihttp_notification_wait_request_decode_all(in, pool, &wait);

    if (mapihttp_execute_request_decode_all(in, pool, &execute) == PH_OK) {
        (void) mh_execute_check(&execute);
    }

    ph_pool_destroy(&pool);

    return 0;
}
