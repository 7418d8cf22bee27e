/* Autodiscover's request parsers: XML, and the query of the JSON variant. */

#include "autodiscover/ad_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str_t            in = { size, data };
    unsigned            status;
    ph_pool_t          *pool;
    ph_wbuf_t           b;
    ad_conf_t           conf = { .url = ph_str("https://m.test") };
    ad_request_t        r;
    ad_json_result_t    result;
    ad_json_protocol_t  protocol = AD_JSON_OTHER;

    pool = ph_pool_create("fuzz", 1u << 20);

    if (ad_request_parse(pool, in, &r) == PH_OK) {
        ad_address_domain(r.address);
    }

    result = ad_json_parse(pool, in, in, &protocol);
    ph_wbuf_init(&b, pool, AD_MAX_ANSWER);
    ad_put_json(&b, &conf, result, protocol, &status);
    ad_put_text(&b, in);

    ph_pool_destroy(&pool);

    return 0;
}
