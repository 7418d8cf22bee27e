#include "ad_answer.h"

#include "lib/ph_str.h"


#define AD_BASE_NS                                                            \
    "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
#define AD_OUTLOOK_NS                                                         \
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/"             \
    "responseschema/2006a"
#define AD_MOBILE_NS                                                          \
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/"          \
    "responseschema/2006"
#define AD_XML  "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n"


static void
ad_put(ph_wbuf_t *b, const char *s)
{
    ph_put_bytes(b, s, strlen(s));
}


void
ad_put_text(ph_wbuf_t *b, ph_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        switch (s.data[i]) {

        case '&':
            ad_put(b, "&amp;");
            break;

        case '<':
            ad_put(b, "&lt;");
            break;

        case '>':
            ad_put(b, "&gt;");
            break;

        case '"':
            ad_put(b, "&quot;");
            break;

        case '\'':
            ad_put(b, "&#39;");
            break;

        default:
            if (s.data[i] >= 0x20 || s.data[i] == '\t') {
                ph_put_u8(b, s.data[i]);
            }
        }
    }
}


/* <name>value</name> */

static void
ad_put_element(ph_wbuf_t *b, const char *name, ph_str_t value)
{
    ph_put_u8(b, '<');
    ad_put(b, name);
    ph_put_u8(b, '>');
    ad_put_text(b, value);
    ad_put(b, "</");
    ad_put(b, name);
    ad_put(b, ">\r\n");
}


/* <name>URL of this server, and path</name> */

static void
ad_put_url(ph_wbuf_t *b, const ad_conf_t *conf, const char *name,
    const char *path)
{
    ph_put_u8(b, '<');
    ad_put(b, name);
    ph_put_u8(b, '>');
    ad_put_text(b, conf->url);
    ad_put(b, path);
    ad_put(b, "</");
    ad_put(b, name);
    ad_put(b, ">\r\n");
}


static void
ad_put_guid(ph_wbuf_t *b, const uint8_t *g)
{
    ph_put_fmt(b, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
               "%02x%02x%02x%02x%02x%02x", g[3], g[2], g[1], g[0], g[5], g[4],
               g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14],
               g[15]);
}


/*
 * Names the installation as seen from one domain: the same for all its
 * users.
 */

static void
ad_put_deployment(ph_wbuf_t *b, ph_str_t domain)
{
    int       i;
    size_t    n;
    uint8_t   guid[16];
    uint64_t  h;

    h = 0xcbf29ce484222325u;

    for (i = 0; i < 16; i++) {
        for (n = 0; n < domain.len; n++) {
            h = (h ^ (domain.data[n] + (unsigned) i)) * 0x100000001b3u;
        }

        guid[i] = (uint8_t) (h >> 32);
    }

    ad_put(b, "<DeploymentId>");
    ad_put_guid(b, guid);
    ad_put(b, "</DeploymentId>\r\n");
}


static void
ad_put_endpoint(ph_wbuf_t *b, const ad_conf_t *conf, const ad_who_t *who,
    const char *name, const char *path)
{
    static const char *const  kinds[] = { "InternalUrl", "ExternalUrl" };

    size_t  i;

    ph_put_fmt(b, "<%s>\r\n", name);

    for (i = 0; i < ph_nelts(kinds); i++) {
        ph_put_fmt(b, "<%s>", kinds[i]);
        ad_put_text(b, conf->url);
        ph_put_fmt(b, "%s?MailboxId=", path);
        ad_put_guid(b, who->guid);
        ph_put_u8(b, '@');
        ad_put_text(b, who->domain);
        ph_put_fmt(b, "</%s>\r\n", kinds[i]);
    }

    ph_put_fmt(b, "</%s>\r\n", name);
}


static void
ad_put_services(ph_wbuf_t *b, const ad_conf_t *conf)
{
    if (!(conf->announce & (AD_EWS|AD_OAB))) {
        return;
    }

    ad_put(b, "<Protocol>\r\n<Type>EXHTTP</Type>\r\n");
    ad_put_element(b, "Server", conf->host);
    ad_put(b, "<SSL>On</SSL>\r\n<AuthPackage>Basic</AuthPackage>\r\n");

    if (conf->announce & AD_EWS) {
        ad_put_url(b, conf, "ASUrl", "/EWS/Exchange.asmx");
        ad_put_url(b, conf, "EwsUrl", "/EWS/Exchange.asmx");
        ad_put_url(b, conf, "OOFUrl", "/EWS/Exchange.asmx");
    }

    if (conf->announce & AD_OAB) {
        ad_put_url(b, conf, "OABUrl", "/OAB/");
    }

    ad_put(b, "</Protocol>\r\n");
}


/* Mail servers for clients that cannot MAPI over HTTP. */

static void
ad_put_servers(ph_wbuf_t *b, const ad_conf_t *conf, const ad_who_t *who)
{
    size_t              i;
    const char         *type;
    const ad_server_t  *s;

    for (i = 0; i < conf->n_servers; i++) {
        s = &conf->servers[i];
        type = s->type[0] == 'i' ? "IMAP" : s->type[0] == 'p' ? "POP3"
                                                              : "SMTP";
        ph_put_fmt(b, "<Protocol>\r\n<Type>%s</Type>\r\n", type);
        ad_put_element(b, "Server", s->host);
        ph_put_fmt(b, "<Port>%u</Port>\r\n", s->port);
        ad_put_element(b, "LoginName", who->address);
        ad_put(b, "<SPA>off</SPA>\r\n");
        ph_put_fmt(b, "<SSL>%s</SSL>\r\n<Encryption>%s</Encryption>\r\n"
                   "<AuthRequired>on</AuthRequired>\r\n</Protocol>\r\n",
                   s->socket[0] == 'p' ? "off" : "on",
                   s->socket[0] == 'p' ? "None"
                   : s->socket[1] == 'T' ? "TLS" : "SSL");
    }
}


void
ad_put_outlook(ph_wbuf_t *b, const ad_conf_t *conf, const ad_who_t *who,
    bool mapihttp)
{
    ad_put(b, AD_XML "<Autodiscover xmlns=\"" AD_BASE_NS "\">\r\n"
           "<Response xmlns=\"" AD_OUTLOOK_NS "\">\r\n<User>\r\n");
    ad_put_element(b, "DisplayName", who->display_name);
    ad_put_element(b, "LegacyDN", who->legacy_dn);
    ad_put_element(b, "AutoDiscoverSMTPAddress", who->address);
    ad_put_deployment(b, who->domain);
    ad_put(b, "</User>\r\n<Account>\r\n<AccountType>email</AccountType>\r\n"
           "<Action>settings</Action>\r\n"
           "<MicrosoftOnline>False</MicrosoftOnline>\r\n"
           "<ConsumerMailbox>False</ConsumerMailbox>\r\n");

    /* a client that can do nothing else learns of it all the same */

    if ((conf->announce & AD_MAPIHTTP) && (mapihttp || conf->n_servers == 0)) {
        ad_put(b, "<Protocol Type=\"mapiHttp\" Version=\"1\">\r\n");
        ad_put_endpoint(b, conf, who, "MailStore", "/mapi/emsmdb/");
        ad_put_endpoint(b, conf, who, "AddressBook", "/mapi/nspi/");
        ad_put(b, "</Protocol>\r\n");

    } else {
        ad_put_servers(b, conf, who);
    }

    ad_put_services(b, conf);
    ad_put(b, "</Account>\r\n</Response>\r\n</Autodiscover>\r\n");
}


void
ad_put_mobile(ph_wbuf_t *b, const ad_conf_t *conf, const ad_who_t *who)
{
    ad_put(b, AD_XML "<Autodiscover xmlns=\"" AD_BASE_NS "\">\r\n"
           "<Response xmlns=\"" AD_MOBILE_NS "\">\r\n"
           "<Culture>en:us</Culture>\r\n<User>\r\n");
    ad_put_element(b, "DisplayName", who->display_name);
    ad_put_element(b, "EMailAddress", who->address);
    ad_put(b, "</User>\r\n<Action>\r\n<Settings>\r\n<Server>\r\n"
           "<Type>MobileSync</Type>\r\n");
    ad_put_url(b, conf, "Url", "/Microsoft-Server-ActiveSync");
    ad_put_url(b, conf, "Name", "/Microsoft-Server-ActiveSync");
    ad_put(b, "</Server>\r\n</Settings>\r\n</Action>\r\n</Response>\r\n"
           "</Autodiscover>\r\n");
}


static const char *
ad_error_message(unsigned code)
{
    switch (code) {

    case AD_ERROR_ADDRESS:
        return "The e-mail address cannot be found.";

    case AD_ERROR_SCHEMA:
        return "The requested response schema is not available.";

    default:
        return "Invalid request.";
    }
}


void
ad_put_error(ph_wbuf_t *b, unsigned code, const char *time, uint32_t id)
{
    ad_put(b, AD_XML "<Autodiscover xmlns=\"" AD_BASE_NS "\">\r\n"
           "<Response>\r\n");
    ph_put_fmt(b, "<Error Time=\"%s\" Id=\"%u\">\r\n"
               "<ErrorCode>%u</ErrorCode>\r\n<Message>%s</Message>\r\n"
               "<DebugData />\r\n</Error>\r\n", time, id, code,
               ad_error_message(code));
    ad_put(b, "</Response>\r\n</Autodiscover>\r\n");
}


void
ad_put_mobile_error(ph_wbuf_t *b, unsigned code)
{
    ad_put(b, AD_XML "<Autodiscover xmlns=\"" AD_BASE_NS "\">\r\n"
           "<Response xmlns=\"" AD_MOBILE_NS "\">\r\n"
           "<Culture>en:us</Culture>\r\n<User />\r\n<Action>\r\n<Error>\r\n");
    ph_put_fmt(b, "<Status>2</Status>\r\n<Message>%s</Message>\r\n"
               "<DebugData />\r\n<ErrorCode>%u</ErrorCode>\r\n",
               ad_error_message(code), code);
    ad_put(b, "</Error>\r\n</Action>\r\n</Response>\r\n</Autodiscover>\r\n");
}


/* The URL may have the Host header in it. */

static void
ad_put_json_text(ph_wbuf_t *b, ph_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '"' || s.data[i] == '\\') {
            ph_put_u8(b, '\\');
        }

        if (s.data[i] >= 0x20) {
            ph_put_u8(b, s.data[i]);
        }
    }
}


void
ad_put_json(ph_wbuf_t *b, const ad_conf_t *conf, ad_json_result_t result,
    ad_json_protocol_t protocol, unsigned *status_r)
{
    const char  *name, *path, *code, *message;

    name = path = NULL;

    if (result == AD_JSON_OK) {
        switch (protocol) {

        case AD_JSON_AUTODISCOVER:
            name = "AutodiscoverV1";
            path = "/autodiscover/autodiscover.xml";
            break;

        case AD_JSON_ACTIVESYNC:
            if (conf->announce & AD_EAS) {
                name = "ActiveSync";
                path = "/Microsoft-Server-ActiveSync";
            }
            break;

        case AD_JSON_EWS:
            if (conf->announce & AD_EWS) {
                name = "Ews";
                path = "/EWS/Exchange.asmx";
            }
            break;

        case AD_JSON_OTHER:
            break;
        }
    }

    if (name) {
        *status_r = 200;
        ph_put_fmt(b, "{\"Protocol\":\"%s\",\"Url\":\"", name);
        ad_put_json_text(b, conf->url);
        ph_put_fmt(b, "%s\"}", path);
        return;
    }

    switch (result) {

    case AD_JSON_NO_PROTOCOL:
        code = "MissingProtocol";
        message = "A valid value must be provided for the query parameter "
                  "'Protocol'.";
        break;

    case AD_JSON_NO_ADDRESS:
        code = "MandatoryParameterMissing";
        message = "A valid smtp address must be provided.";
        break;

    default:
        code = "ProtocolNotSupported";
        message = "The given protocol value is not supported. Supported "
                  "values are AutodiscoverV1, ActiveSync and Ews.";
        break;
    }

    *status_r = 400;
    ph_put_fmt(b, "{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"%s\"}", code,
               message);
}


void
ad_put_autoconfig(ph_wbuf_t *b, const ad_conf_t *conf, ph_str_t domain)
{
    int                 out;
    size_t              i;
    const char         *element;
    const ad_server_t  *s;

    ad_put(b, AD_XML "<clientConfig version=\"1.1\">\r\n"
           "<emailProvider id=\"");
    ad_put_text(b, domain);
    ad_put(b, "\">\r\n");
    ad_put_element(b, "domain", domain);
    ad_put_element(b, "displayName", conf->provider);
    ad_put_element(b, "displayShortName", conf->provider);

    /* incoming servers come first */

    for (out = 0; out < 2; out++) {
        element = out ? "outgoingServer" : "incomingServer";

        for (i = 0; i < conf->n_servers; i++) {
            s = &conf->servers[i];

            if ((s->type[0] == 's') != (out == 1)) {
                continue;
            }

            ph_put_fmt(b, "<%s type=\"%s\">\r\n", element, s->type);
            ad_put_element(b, "hostname", s->host);
            ph_put_fmt(b, "<port>%u</port>\r\n<socketType>%s</socketType>\r\n"
                       "<authentication>password-cleartext</authentication>"
                       "\r\n<username>%%EMAILADDRESS%%</username>\r\n</%s>\r\n",
                       s->port, s->socket, element);
        }
    }

    ad_put(b, "</emailProvider>\r\n</clientConfig>\r\n");
}
