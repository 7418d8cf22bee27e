/* What the files of the export share. */

#ifndef CONV_EXPORT_H
#define CONV_EXPORT_H

#include "conv_props.h"
#include "conv_write.h"

typedef struct {
    ph_pool_t                 *pool;
    const conv_export_opts_t  *opts;
    const mapi_names_t        *names;      /* of the outermost message */
    ph_wbuf_t                  out;
    uint32_t                   embed;
    uint32_t                   boundary;   /* boundaries made so far */
    ph_int_t                   rc;         /* the first failure */
} conv_export_t;

/* empty when absent */
ph_str_t conv_get_str(const mapi_values_t *v, uint32_t tag);
int32_t conv_get_i4(const mapi_values_t *v, uint32_t tag, int32_t absent);
bool conv_get_bool(const mapi_values_t *v, uint32_t tag);

/* everything up to the MIME fields */
void conv_export_headers(conv_export_t *x, const mapi_message_t *msg);
/* MIME-Version, Content-Type, ... and the body */
void conv_export_body(conv_export_t *x, const mapi_message_t *msg);
void conv_export_message(conv_export_t *x, const mapi_message_t *msg);

#endif
