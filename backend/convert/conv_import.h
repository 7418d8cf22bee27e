/* What the files of the import share. */

#ifndef CONV_IMPORT_H
#define CONV_IMPORT_H

#include "conv_mime.h"
#include "conv_props.h"

typedef struct {
    ph_pool_t                 *pool;
    const conv_import_opts_t  *opts;
    conv_names_t               names;     /* of the whole message */
    uint32_t                   embed;     /* messages around this one */
    uint32_t                   total;     /* attachments, everywhere */
} conv_import_t;

/* one message being made */
typedef struct {
    conv_import_t       *imp;
    ph_pool_t           *pool;
    conv_part_t         *root;
    mapi_message_t      *msg;
    conv_props_t         props;
    const char          *charset;        /* of raw 8-bit headers; may be NULL */
    uint32_t             cap_recipients;
    uint32_t             cap_attachments;
    uint32_t             n_visible;       /* attachments that are not hidden */
    const ph_str_t      *cids;            /* that the HTML names, sorted */
    size_t               n_cids;
    bool                 smime;
} conv_msg_t;

/* header -> properties and recipients */
ph_int_t conv_import_headers(conv_msg_t *m);
ph_int_t conv_import_recipient(conv_msg_t *m, int32_t type, ph_str_t name,
    ph_str_t address);
/* PR_SUBJECT, PR_SUBJECT_PREFIX, PR_NORMALIZED_SUBJECT (store.md section 8) */
void conv_put_subject(conv_props_t *p, ph_str_t subject);

/* bodies, and everything that is not a body as attachments */
ph_int_t conv_import_body(conv_msg_t *m);
ph_int_t conv_import_attachment(conv_msg_t *m, const conv_part_t *part,
    bool related);
/* an attachment of given bytes */
ph_int_t conv_import_bytes(conv_msg_t *m, ph_str_t data, const char *mime,
    const char *filename);

/* class and properties of delivery reports and receipts (RFC 3464, 8098) */
ph_int_t conv_import_report(conv_msg_t *m);

/* one entity as a message; the caller counts imp->embed */
ph_int_t conv_import_message(conv_import_t *imp, conv_part_t *root,
    mapi_message_t *msg);

#endif
