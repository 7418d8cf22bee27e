/*
 * The structure of a MIME message: one pass over the bytes, no copies, time
 * linear in their number whatever they are (RFC 5322, 2045-2047, 2231).
 *
 * GMime reads parameters, dates and transfer encodings; the structure, encoded
 * words and addresses are read here, because GMime's parsers recurse without
 * limit on nested groups and are quadratic in the number of addresses.
 */

#ifndef CONV_MIME_H
#define CONV_MIME_H

#include "conv.h"

typedef struct {
    ph_str_t  name;       /* without the colon */
    ph_str_t  value;      /* as it stands: folded, undecoded, trimmed */
} conv_field_t;

typedef enum {
    CONV_ENC_7BIT = 0,    /* also 8bit, binary, none, and what nobody knows */
    CONV_ENC_BASE64,
    CONV_ENC_QP,
    CONV_ENC_UU
} conv_encoding_t;

typedef struct conv_part_s  conv_part_t;

struct conv_part_s {
    ph_str_t          raw;           /* header and body */
    ph_str_t          header;        /* without the empty line */
    ph_str_t          body;          /* still encoded */

    uint32_t          n_fields;
    uint32_t          cap_fields;
    conv_field_t     *fields;

    conv_part_t      *parent;
    conv_part_t      *first;        /* children: parts, or the message inside */
    conv_part_t      *last;
    conv_part_t      *next;
    uint32_t          n_children;
    uint16_t          depth;

    /* lower case, decoded; empty when absent */
    ph_str_t          type;          /* "text"; default as the parent says */
    ph_str_t          subtype;
    ph_str_t          boundary;      /* as it stands */
    ph_str_t          charset;
    ph_str_t          name;          /* of Content-Type, UTF-8 */
    ph_str_t          filename;      /* of Content-Disposition, UTF-8 */
    ph_str_t          disposition;
    ph_str_t          protocol;
    ph_str_t          report_type;
    ph_str_t          method;
    ph_str_t          start;         /* of multipart/related, no brackets */
    ph_str_t          cid;           /* Content-ID, no brackets */
    ph_str_t          created;       /* creation-date, modification-date */
    ph_str_t          modified;
    conv_encoding_t   encoding;
    bool              typed;         /* has a Content-Type that can be read */
    bool              opaque;        /* the bytes behind a limit */
};

/* The tree of raw: lives in pool, points into raw.  PH_NOMEM. */
ph_int_t conv_mime_parse(ph_pool_t *pool, ph_str_t raw, conv_part_t **root_r);

/* first field of that name (any case); data NULL when there is none */
ph_str_t conv_part_field(const conv_part_t *part, const char *name);
static inline bool conv_field_is(ph_str_t value)
{
    return value.data != NULL;
}
bool conv_part_is(const conv_part_t *part, const char *type,
    const char *subtype);        /* subtype NULL: any */

/* The body without its transfer encoding; body itself when it has none. */
ph_int_t conv_part_decode(ph_pool_t *pool, const conv_part_t *part,
    ph_str_t *data_r);

/* ---- header fields ---- */

/* Unfolded: line breaks gone, as they are in RFC 5322 2.2.3. */
ph_int_t conv_unfold(ph_pool_t *pool, ph_str_t value, ph_str_t *out_r);
/*
 * Unstructured text: unfolded, encoded words decoded, raw 8-bit guessed,
 * control characters to spaces, UTF-8.  PH_NOMEM.
 */
ph_int_t conv_header_text(ph_pool_t *pool, ph_str_t value,
    const char *charset, ph_str_t *out_r);
/* FILETIME of a date; PH_INVALID when it is none */
ph_int_t conv_header_date(ph_str_t value, uint64_t *time_r);
/* What stands between the first < and >, or the first word. */
ph_str_t conv_header_msgid(ph_str_t value);

typedef struct {
    ph_str_t  name;       /* display name, UTF-8; may be empty */
    ph_str_t  address;    /* local@domain, UTF-8; may be odd, never empty */
} conv_address_t;

/*
 * Addresses of a list, groups flattened, comments taken as a name when there is
 * no other.  At most max.  PH_NOMEM.
 */
ph_int_t conv_header_addresses(ph_pool_t *pool, ph_str_t value,
    const char *charset, size_t max, conv_address_t **list_r, size_t *n_r);

/* to be called before GMime is used; once is enough, any thread */
void conv_mime_init(void);

#endif
