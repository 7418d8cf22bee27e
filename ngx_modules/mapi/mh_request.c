
#include "mh_request.h"

#include "lib/ph_str.h"

#include <stdio.h>


static const mh_type_t  mh_types[] = {
    { "Connect", MH_EMSMDB, MH_CONNECT },
    { "Execute", MH_EMSMDB, MH_EXECUTE },
    { "Disconnect", MH_EMSMDB, MH_DISCONNECT },
    { "NotificationWait", MH_EMSMDB, MH_WAIT },
    { "PING", MH_EMSMDB, MH_PING },

    { "Bind", MH_NSPI, MH_BIND },
    { "Unbind", MH_NSPI, MH_NSPI_CALL },
    { "CompareMIds", MH_NSPI, MH_NSPI_CALL },
    { "DNToMId", MH_NSPI, MH_NSPI_CALL },
    { "GetMatches", MH_NSPI, MH_NSPI_CALL },
    { "GetPropList", MH_NSPI, MH_NSPI_CALL },
    { "GetProps", MH_NSPI, MH_NSPI_CALL },
    { "GetSpecialTable", MH_NSPI, MH_NSPI_CALL },
    { "GetTemplateInfo", MH_NSPI, MH_NSPI_CALL },
    { "ModLinkAtt", MH_NSPI, MH_NSPI_CALL },
    { "ModProps", MH_NSPI, MH_NSPI_CALL },
    { "QueryColumns", MH_NSPI, MH_NSPI_CALL },
    { "QueryRows", MH_NSPI, MH_NSPI_CALL },
    { "ResolveNames", MH_NSPI, MH_NSPI_CALL },
    { "ResortRestriction", MH_NSPI, MH_NSPI_CALL },
    { "SeekEntries", MH_NSPI, MH_NSPI_CALL },
    { "UpdateStat", MH_NSPI, MH_NSPI_CALL },
    { "GetMailboxUrl", MH_NSPI, MH_NSPI_CALL },
    { "GetAddressBookUrl", MH_NSPI, MH_NSPI_CALL },
    { "PING", MH_NSPI, MH_PING }
};


const char *
mh_code_text(unsigned code)
{
    static const char  *text[] = {
        "The request was served.",
        "The server could not serve the request.",
        "Only POST is allowed here.",
        "There is no such endpoint.",
        "A header has a value that is not allowed.",
        "The endpoint knows no such X-RequestType.",
        "The context cookie is not one of this server.",
        "A required header is missing.",
        "Credentials are required.",
        "The request is too large.",
        "There is no such session, or it is another user's.",
        "The user may not do this.",
        "The request body cannot be decoded.",
        "The request needs the session's cookies.",
        "The request failed.",
        "Another request of this session is under way, or the sequence "
            "cookie is not the last one.",
        "The endpoint is disabled.",
        "The response is not valid.",
        "The server is shutting down."
    };

    return code < ph_nelts(text) ? text[code] : text[MH_UNKNOWN_FAILURE];
}


const mh_type_t *
mh_type_find(mh_endpoint_t endpoint, ph_str_t name)
{
    size_t  i;

    for (i = 0; i < ph_nelts(mh_types); i++) {
        if (mh_types[i].endpoint == endpoint
            && ph_str_ieq_c(name, mh_types[i].name))
        {
            return &mh_types[i];
        }
    }

    return NULL;
}


bool
mh_echo_allowed(ph_str_t value, size_t max)
{
    size_t  i;

    if (value.len > max) {
        return false;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e) {
            return false;
        }
    }

    return true;
}


mh_code_t
mh_head_check(mh_endpoint_t endpoint, const mh_head_t *head,
    const mh_type_t **type_r)
{
    size_t    i;
    ph_str_t  type;

    *type_r = NULL;

    if (head->request_type.data != NULL) {
        *type_r = mh_type_find(endpoint, ph_str_trim(head->request_type));
    }

    if (!head->post) {
        return MH_INVALID_VERB;
    }

    if (head->request_type.data == NULL || head->request_id.data == NULL
        || head->content_type.data == NULL)
    {
        return MH_MISSING_HEADER;
    }

    if (!mh_echo_allowed(head->request_id, MH_MAX_REQUEST_ID)
        || !mh_echo_allowed(head->client_info, MH_MAX_CLIENT_INFO))
    {
        return MH_INVALID_HEADER;
    }

    type = head->content_type;

    for (i = 0; i < type.len; i++) {
        if (type.data[i] == ';') {
            type.len = i;
        }
    }

    if (!ph_str_ieq_c(ph_str_trim(type), "application/mapi-http")) {
        return MH_INVALID_HEADER;
    }

    return *type_r != NULL ? MH_SUCCESS : MH_INVALID_REQUEST_TYPE;
}


void
mh_client_version(ph_str_t application, uint16_t version_r[3])
{
    size_t          i, part;
    uint32_t        n[4];
    const uint8_t  *p, *end;

    version_r[0] = version_r[1] = version_r[2] = 0;

    if (application.len == 0) {
        return;
    }

    end = application.data + application.len;
    p = memchr(application.data, '/', application.len);

    if (p == NULL) {
        return;
    }

    p++;

    for (part = 0; part < 4; part++) {

        if (part > 0) {
            if (p == end || *p != '.') {
                return;
            }
            p++;
        }

        n[part] = 0;

        for (i = 0; p < end && *p >= '0' && *p <= '9'; i++, p++) {
            if (i == 5) {
                return;
            }
            n[part] = n[part] * 10 + (uint32_t) (*p - '0');
        }

        if (i == 0) {
            return;
        }
    }

    version_r[0] = (uint16_t) ((n[0] << 8) | (n[1] & 0xff));
    version_r[1] = (uint16_t) (n[2] | 0x8000);
    version_r[2] = (uint16_t) n[3];
}


ph_int_t
mh_cookie_find(ph_str_t header, const char *name, ph_str_t *value_r)
{
    ph_str_t        pair, key;
    const uint8_t  *p, *end, *semicolon, *equals;

    p = header.data;
    end = header.len ? p + header.len : p;

    while (p < end) {

        semicolon = memchr(p, ';', (size_t) (end - p));
        if (semicolon == NULL) {
            semicolon = end;
        }

        pair = (ph_str_t) { (size_t) (semicolon - p), p };
        equals = pair.len ? memchr(pair.data, '=', pair.len) : NULL;

        if (equals != NULL) {
            key = ph_str_trim((ph_str_t) { (size_t) (equals - p), p });

            if (ph_str_eq_c(key, name)) {
                *value_r = ph_str_trim((ph_str_t) {
                    (size_t) (semicolon - equals - 1), equals + 1 });
                return PH_OK;
            }
        }

        p = semicolon < end ? semicolon + 1 : end;
    }

    return PH_NOTFOUND;
}


ph_int_t
mh_context_parse(ph_str_t value, uint8_t session_r[16], unsigned *worker_r)
{
    uint64_t  worker;
    ph_str_t  digits;

    if (value.len < 34 || value.len > MH_CONTEXT_LEN || value.data[32] != '-')
    {
        return PH_INVALID;
    }

    if (ph_hex_decode(session_r, 16, (ph_str_t) { 32, value.data })
        != PH_OK)
    {
        return PH_INVALID;
    }

    digits = (ph_str_t) { value.len - 33, value.data + 33 };

    if (ph_str_u64(digits, &worker) != PH_OK || worker > MH_MAX_WORKER) {
        return PH_INVALID;
    }

    *worker_r = (unsigned) worker;

    return PH_OK;
}


size_t
mh_context_format(char *out, const uint8_t session[16], unsigned worker)
{
    ph_hex_encode(out, session, 16);

    return 32 + (size_t) snprintf(out + 32, 5, "-%u", worker & 0xff);
}


ph_int_t
mh_sequence_parse(ph_str_t value, uint8_t sequence_r[16])
{
    if (value.len != MH_SEQUENCE_LEN
        || ph_hex_decode(sequence_r, 16, value) != PH_OK)
    {
        return PH_INVALID;
    }

    return PH_OK;
}
