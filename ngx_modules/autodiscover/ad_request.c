#include "ad_request.h"

#include "lib/ph_str.h"

#include <libxml/parser.h>
#include <libxml/tree.h>


#define AD_SCHEMA_OUTLOOK_URI                                                 \
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/"             \
    "responseschema/2006a"
#define AD_SCHEMA_MOBILE_URI                                                  \
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/"          \
    "responseschema/2006"


static xmlNode *
ad_child(xmlNode *node, const char *name)
{
    xmlNode  *n;

    for (n = node->children; n; n = n->next) {
        if (n->type == XML_ELEMENT_NODE
            && strcmp((const char *) n->name, name) == 0)
        {
            return n;
        }
    }

    return NULL;
}


/* The text of a child, trimmed, in pool; an absent child is empty. */

static ph_int_t
ad_child_text(ph_pool_t *pool, xmlNode *node, const char *name, size_t max,
    ph_str_t *text_r)
{
    xmlNode   *n;
    xmlChar   *content;
    ph_str_t   text;

    *text_r = ph_str_null;

    n = ad_child(node, name);
    if (n == NULL) {
        return PH_OK;
    }

    content = xmlNodeGetContent(n);
    if (content == NULL) {
        return PH_NOMEM;
    }

    text = ph_str_trim(ph_str_c((const char *) content));

    if (text.len > max) {
        xmlFree(content);
        return PH_TOOBIG;
    }

    *text_r = ph_pstrdup(pool, text);
    xmlFree(content);

    return text_r->data ? PH_OK : PH_NOMEM;
}


static ph_int_t
ad_request_read(ph_pool_t *pool, xmlDoc *doc, ad_request_t *r)
{
    xmlNode   *root, *request;
    ph_int_t   rc;
    ph_str_t   schema;

    if (doc->intSubset || doc->extSubset) {
        return PH_INVALID;
    }

    root = xmlDocGetRootElement(doc);
    if (root == NULL
        || strcmp((const char *) root->name, "Autodiscover") != 0)
    {
        return PH_INVALID;
    }

    request = ad_child(root, "Request");
    if (request == NULL) {
        return PH_INVALID;
    }

    rc = ad_child_text(pool, request, "EMailAddress", AD_MAX_ADDRESS,
                       &r->address);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ad_child_text(pool, request, "LegacyDN", AD_MAX_DN, &r->legacy_dn);
    if (rc != PH_OK) {
        return rc;
    }

    rc = ad_child_text(pool, request, "AcceptableResponseSchema", AD_MAX_DN,
                       &schema);
    if (rc != PH_OK) {
        return rc;
    }

    if (ph_str_ieq_c(schema, AD_SCHEMA_OUTLOOK_URI)) {
        r->schema = AD_SCHEMA_OUTLOOK;

    } else if (ph_str_ieq_c(schema, AD_SCHEMA_MOBILE_URI)) {
        r->schema = AD_SCHEMA_MOBILE;
    }

    if (r->address.len == 0 && r->legacy_dn.len == 0) {
        return PH_INVALID;
    }

    return PH_OK;
}


ph_int_t
ad_request_parse(ph_pool_t *pool, ph_str_t body, ad_request_t *r)
{
    xmlDoc         *doc;
    ph_int_t        rc;
    xmlParserCtxt  *ctxt;

    memset(r, 0, sizeof(ad_request_t));

    if (body.len > AD_MAX_REQUEST) {
        return PH_TOOBIG;
    }

    if (body.len == 0) {
        return PH_INVALID;
    }

    ctxt = xmlNewParserCtxt();
    if (ctxt == NULL) {
        return PH_NOMEM;
    }

    doc = xmlCtxtReadMemory(ctxt, (const char *) body.data, (int) body.len,
                            NULL, NULL,
                            XML_PARSE_NONET|XML_PARSE_NOERROR
                            |XML_PARSE_NOWARNING|XML_PARSE_NOCDATA);

    rc = doc ? ad_request_read(pool, doc, r) : PH_INVALID;

    xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctxt);

    return rc;
}


static ph_str_t
ad_unescape(ph_pool_t *pool, ph_str_t s)
{
    int       hi, lo;
    size_t    i, n;
    uint8_t  *out, c;

    out = ph_palloc(pool, s.len + 1);
    if (out == NULL) {
        return ph_str_null;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '+') {
            c = ' ';

        } else if (c == '%') {
            if (s.len - i < 3) {
                return ph_str_null;
            }

            hi = ph_hex_digit(s.data[i + 1]);
            lo = ph_hex_digit(s.data[i + 2]);

            if (hi < 0 || lo < 0) {
                return ph_str_null;
            }

            c = (uint8_t) (hi << 4 | lo);
            i += 2;
        }

        if (c < 0x20 || c == 0x7f) {
            return ph_str_null;
        }

        out[n++] = c;
    }

    return (ph_str_t) { n, out };
}


ph_str_t
ad_query_get(ph_pool_t *pool, ph_str_t args, const char *name)
{
    ph_str_t        part, key;
    const uint8_t  *amp, *eq;

    while (args.len) {
        amp = memchr(args.data, '&', args.len);

        part.data = args.data;
        part.len = amp ? (size_t) (amp - args.data) : args.len;

        args.data += part.len;
        args.len -= part.len;

        if (args.len) {
            args.data++;
            args.len--;
        }

        eq = part.len ? memchr(part.data, '=', part.len) : NULL;
        if (eq == NULL) {
            continue;
        }

        key.data = part.data;
        key.len = (size_t) (eq - part.data);

        if (ph_str_ieq_c(key, name)) {
            part.len -= key.len + 1;
            part.data = eq + 1;
            return ad_unescape(pool, part);
        }
    }

    return ph_str_null;
}


ph_str_t
ad_address_domain(ph_str_t address)
{
    size_t          i;
    ph_str_t        domain;
    const uint8_t  *at;

    at = address.len ? memrchr(address.data, '@', address.len) : NULL;
    if (at == NULL || at == address.data) {
        return ph_str_null;
    }

    domain.data = at + 1;
    domain.len = address.len - (size_t) (domain.data - address.data);

    if (domain.len == 0 || domain.len > 253 || !ph_utf8_valid(domain)) {
        return ph_str_null;
    }

    for (i = 0; i < domain.len; i++) {
        if (!((domain.data[i] | 0x20) >= 'a' && (domain.data[i] | 0x20) <= 'z')
            && !(domain.data[i] >= '0' && domain.data[i] <= '9')
            && domain.data[i] != '-' && domain.data[i] != '.'
            && domain.data[i] < 0x80)
        {
            return ph_str_null;
        }
    }

    return domain;
}


ad_json_result_t
ad_json_parse(ph_pool_t *pool, ph_str_t path, ph_str_t args,
    ad_json_protocol_t *protocol_r)
{
    static const struct {
        const char          *name;
        ad_json_protocol_t   protocol;
    } protocols[] = {
        { "AutodiscoverV1", AD_JSON_AUTODISCOVER },
        { "ActiveSync", AD_JSON_ACTIVESYNC },
        { "Ews", AD_JSON_EWS },
        { "Rest", AD_JSON_OTHER },
        { "Substrate", AD_JSON_OTHER },
        { "SubstrateSearchService", AD_JSON_OTHER },
        { "SubstrateNotificationService", AD_JSON_OTHER },
        { "OutlookMeetingScheduler", AD_JSON_OTHER },
        { "ToDo", AD_JSON_OTHER },
        { "Weve", AD_JSON_OTHER },
        { "ConnectorsProcessors", AD_JSON_OTHER },
        { "Connectors", AD_JSON_OTHER },
        { "Connections", AD_JSON_OTHER },
        { "Speedway", AD_JSON_OTHER },
        { "Actions", AD_JSON_OTHER }
    };

    size_t          i, skip;
    ph_str_t        protocol, address;
    const uint8_t  *slash;

    protocol = ad_query_get(pool, args, "Protocol");

    if (protocol.len == 0) {
        return AD_JSON_NO_PROTOCOL;
    }

    for (i = 0; i < ph_nelts(protocols); i++) {
        if (ph_str_ieq_c(protocol, protocols[i].name)) {
            break;
        }
    }

    if (i == ph_nelts(protocols)) {
        return AD_JSON_BAD_PROTOCOL;
    }

    *protocol_r = protocols[i].protocol;

    address = ad_query_get(pool, args, "Email");

    if (address.len == 0 && path.len > 1 && path.data[0] == '/') {

        /* "/v1.0/<address>" */

        slash = memchr(path.data + 1, '/', path.len - 1);

        if (slash) {
            skip = (size_t) (slash + 1 - path.data);
            address.data = path.data + skip;
            address.len = path.len - skip;
            address = ad_unescape(pool, address);
        }
    }

    if (address.len > AD_MAX_ADDRESS || ad_address_domain(address).len == 0) {
        return AD_JSON_NO_ADDRESS;
    }

    return *protocol_r == AD_JSON_OTHER ? AD_JSON_NOT_OFFERED : AD_JSON_OK;
}
