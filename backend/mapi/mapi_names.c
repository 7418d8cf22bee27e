#include "mapi/mapi_names.h"
#include "lib/ph_str.h"

static const struct {
    uint32_t     tag;
    const char  *name;
    const char  *canonical;
} mapi_tag_names[] = {
#define X(tag, name, canonical)  { tag##u, #name, canonical },
#include "mapi/mapi_tags.def"
#undef X
};

static const struct {
    uint32_t     value;
    const char  *name;
} mapi_error_names[] = {
#define X(value, name)  { value##u, #name },
#define ALIAS(value, name)
#include "mapi/mapi_errors.def"
#undef X
#undef ALIAS
};

static const struct {
    uint16_t     type;
    const char  *name;
} mapi_type_names[] = {
    { PT_UNSPECIFIED, "PT_UNSPECIFIED" }, { PT_NULL, "PT_NULL" },
    { PT_I2, "PT_I2" }, { PT_LONG, "PT_LONG" }, { PT_R4, "PT_R4" },
    { PT_DOUBLE, "PT_DOUBLE" }, { PT_CURRENCY, "PT_CURRENCY" },
    { PT_APPTIME, "PT_APPTIME" }, { PT_ERROR, "PT_ERROR" },
    { PT_BOOLEAN, "PT_BOOLEAN" }, { PT_OBJECT, "PT_OBJECT" },
    { PT_I8, "PT_I8" }, { PT_STRING8, "PT_STRING8" },
    { PT_UNICODE, "PT_UNICODE" }, { PT_SYSTIME, "PT_SYSTIME" },
    { PT_CLSID, "PT_CLSID" }, { PT_SVREID, "PT_SVREID" },
    { PT_SRESTRICTION, "PT_SRESTRICTION" }, { PT_ACTIONS, "PT_ACTIONS" },
    { PT_BINARY, "PT_BINARY" }, { PT_MV_I2, "PT_MV_I2" },
    { PT_MV_LONG, "PT_MV_LONG" }, { PT_MV_R4, "PT_MV_R4" },
    { PT_MV_DOUBLE, "PT_MV_DOUBLE" }, { PT_MV_CURRENCY, "PT_MV_CURRENCY" },
    { PT_MV_APPTIME, "PT_MV_APPTIME" }, { PT_MV_I8, "PT_MV_I8" },
    { PT_MV_STRING8, "PT_MV_STRING8" }, { PT_MV_UNICODE, "PT_MV_UNICODE" },
    { PT_MV_SYSTIME, "PT_MV_SYSTIME" }, { PT_MV_CLSID, "PT_MV_CLSID" },
    { PT_MV_BINARY, "PT_MV_BINARY" },
};

/* index of the tag, or of the first one behind it */
static size_t
mapi_tag_lower(uint32_t tag)
{
    size_t  low = 0, high = ph_nelts(mapi_tag_names), mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (mapi_tag_names[mid].tag < tag) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static ssize_t
mapi_tag_index(uint32_t tag)
{
    size_t    i;
    uint16_t  type = MAPI_TYPE(tag) & (uint16_t) ~PT_MVI;

    i = mapi_tag_lower(MAPI_RETYPE(tag, type));
    if (i < ph_nelts(mapi_tag_names)
        && mapi_tag_names[i].tag == MAPI_RETYPE(tag, type))
    {
        return (ssize_t) i;
    }
    if ((type & ~PT_MV) == PT_STRING8) {
        return mapi_tag_index(MAPI_RETYPE(tag, type + 1));
    }
    return -1;
}

const char *
mapi_tag_name(uint32_t tag)
{
    ssize_t  i = mapi_tag_index(tag);

    return i < 0 ? NULL : mapi_tag_names[i].name;
}

const char *
mapi_tag_canonical(uint32_t tag)
{
    ssize_t  i = mapi_tag_index(tag);

    return i < 0 ? NULL : mapi_tag_names[i].canonical;
}

uint32_t
mapi_tag_by_name(ph_str_t name)
{
    for (size_t i = 0; i < ph_nelts(mapi_tag_names); i++) {
        if (ph_str_eq_c(name, mapi_tag_names[i].name)
            || ph_str_eq_c(name, mapi_tag_names[i].canonical))
        {
            return mapi_tag_names[i].tag;
        }
    }
    return 0;
}

const char *
mapi_error_name(uint32_t ec)
{
    size_t  low = 0, high = ph_nelts(mapi_error_names), mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (mapi_error_names[mid].value == ec) {
            return mapi_error_names[mid].name;
        }
        if (mapi_error_names[mid].value < ec) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

const char *
mapi_type_name(uint16_t type)
{
    if ((type & (PT_MV | PT_MVI)) == (PT_MV | PT_MVI)) {
        type = type & (uint16_t) ~PT_MVI;
    }
    for (size_t i = 0; i < ph_nelts(mapi_type_names); i++) {
        if (mapi_type_names[i].type == type) {
            return mapi_type_names[i].name;
        }
    }
    return "PT_?";
}
