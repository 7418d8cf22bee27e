/* Building property lists, names and addresses of message values. */

#ifndef CONV_PROPS_H
#define CONV_PROPS_H

#include "conv.h"
#include "conv_tags.h"

#define CONV_MAX_PROPS  4000

/* A list that grows; a put after a failure does nothing.  Setting a tag twice
 * keeps the last value. */
typedef struct {
    ph_pool_t     *pool;
    mapi_value_t  *v;
    uint32_t       n;
    uint32_t       cap;
    bool           failed;    /* out of memory */
} conv_props_t;

typedef struct {
    ph_pool_t     *pool;
    mapi_named_t  *v;
    uint32_t       n;
    uint32_t       cap;
} conv_names_t;

extern const mapi_guid_t  conv_ps_internet_headers;
extern const mapi_guid_t  conv_ps_public_strings;
extern const mapi_guid_t  conv_psetid_common;
extern const mapi_guid_t  conv_psetid_task;

static inline void
conv_props_init(conv_props_t *p, ph_pool_t *pool)
{
    *p = (conv_props_t) { .pool = pool };
}

/* room for one more value of tag, which the caller fills; NULL on failure */
mapi_value_t *conv_put(conv_props_t *p, uint32_t tag);
const mapi_value_t *conv_props_find(const conv_props_t *p, uint32_t tag);
void conv_put_str(conv_props_t *p, uint32_t tag, ph_str_t utf8);
void conv_put_bin(conv_props_t *p, uint32_t tag, ph_str_t bytes);
void conv_put_i4(conv_props_t *p, uint32_t tag, int32_t v);
void conv_put_bool(conv_props_t *p, uint32_t tag, bool v);
void conv_put_time(conv_props_t *p, uint32_t tag, uint64_t v);
void conv_put_r8(conv_props_t *p, uint32_t tag, double v);
/* strings are not copied */
void conv_put_mv_str(conv_props_t *p, uint32_t tag, const ph_str_t *v,
    uint32_t n);
ph_int_t conv_props_done(const conv_props_t *p, mapi_values_t *values_r);

/* Tag of a named property with type; 0 on failure.  The name is not copied. */
uint32_t conv_name_tag(conv_names_t *names, const mapi_guid_t *guid,
    uint32_t lid, ph_str_t name, uint16_t type);

/* One-off entry id (MS-OXCDATA 2.2.5.1), Unicode; data NULL on PH_NOMEM. */
ph_str_t conv_oneoff(ph_pool_t *pool, ph_str_t name, ph_str_t type,
    ph_str_t address);
/* The parts of a one-off entry id, UTF-8; PH_INVALID when it is none. */
ph_int_t conv_oneoff_read(ph_pool_t *pool, ph_str_t entryid, ph_str_t *name_r,
    ph_str_t *type_r, ph_str_t *address_r);
/* "SMTP:ADDRESS" and NUL */
ph_str_t conv_search_key(ph_pool_t *pool, ph_str_t type, ph_str_t address);

/* the six properties of one role: sender, represented, ... */
typedef struct {
    uint32_t  name;
    uint32_t  addrtype;
    uint32_t  email;
    uint32_t  smtp;
    uint32_t  search_key;
    uint32_t  entryid;
} conv_role_t;

extern const conv_role_t  conv_role_sender;
extern const conv_role_t  conv_role_representing;
extern const conv_role_t  conv_role_receipt;

void conv_put_role(conv_props_t *p, const conv_role_t *role, ph_str_t name,
    ph_str_t address);

#endif
