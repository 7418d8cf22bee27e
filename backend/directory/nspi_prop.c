/* Properties, containers, changes and URLs
 * (MS-OXNSPI 3.1.4.1.3 .. .8, .14, .15; MS-OXCMAPIHTTP 2.2.5.18, .19). */

#include "nspi_int.h"
#include "lib/ph_str.h"
#include "mapi/mapi_codepage.h"
#include "mapi/mapi_entryid.h"
#include "mapi/mapi_errors.h"
#include "mapi/mapi_guid.h"
#include "mapi/mapi_tags.h"

#include <stdlib.h>

/* what clients may ask for; objects, which have no values, included */
static const uint32_t  ab_supported[] = {
    PR_DISPLAY_NAME, PR_TRANSMITABLE_DISPLAY_NAME,
    PR_EMS_AB_DISPLAY_NAME_PRINTABLE, PR_ADDRTYPE, PR_EMAIL_ADDRESS,
    PR_EMS_AB_OBJ_DIST_NAME, PR_SMTP_ADDRESS, PR_ACCOUNT, PR_OBJECT_TYPE,
    PR_DISPLAY_TYPE, PR_DISPLAY_TYPE_EX, PR_EMS_AB_CONTAINERID,
    PR_INITIAL_DETAILS_PANE, PR_ENTRYID, PR_RECORD_KEY, PR_ORIGINAL_ENTRYID,
    PR_TEMPLATEID, PR_SEARCH_KEY, PR_INSTANCE_KEY, PR_MAPPING_SIGNATURE,
    PR_EMS_AB_OBJECT_GUID, PR_SEND_RICH_INFO, PR_CREATION_TIME,
    PR_LAST_MODIFICATION_TIME, PR_EMS_AB_HOME_MDB, PR_EMS_AB_PROXY_ADDRESSES,
    PR_GIVEN_NAME, PR_SURNAME, PR_INITIALS, PR_NICKNAME, PR_TITLE,
    PR_COMPANY_NAME, PR_DEPARTMENT_NAME, PR_OFFICE_LOCATION, PR_COMMENT,
    PR_ASSISTANT, PR_BUSINESS_TELEPHONE_NUMBER, PR_HOME_TELEPHONE_NUMBER,
    PR_MOBILE_TELEPHONE_NUMBER, PR_BUSINESS_FAX_NUMBER,
    PR_PAGER_TELEPHONE_NUMBER, PR_STREET_ADDRESS, PR_LOCALITY,
    PR_STATE_OR_PROVINCE, PR_POSTAL_CODE, PR_COUNTRY,
    PR_EMS_AB_THUMBNAIL_PHOTO, PR_USER_X509_CERTIFICATE, PR_EMS_AB_X509_CERT,
    PR_EMS_AB_MEMBER, PR_EMS_AB_PUBLIC_DELEGATES,
};


static uint32_t
tag_as(uint32_t tag, bool unicode)
{
    switch (MAPI_TYPE(tag)) {
    case PT_UNICODE:
    case PT_STRING8:
        return MAPI_RETYPE(tag, unicode ? PT_UNICODE : PT_STRING8);
    case PT_MV_UNICODE:
    case PT_MV_STRING8:
        return MAPI_RETYPE(tag, unicode ? PT_MV_UNICODE : PT_MV_STRING8);
    default:
        return tag;
    }
}


/* ---- what an object has ---- */

ph_int_t
ab_get_prop_list(ab_call_t *call)
{
    uint8_t                        kind = 0;
    ph_int_t                       rc;
    mapi_values_t                  values;
    nspi_get_prop_list_request_t   q;
    nspi_get_prop_list_response_t  a;

    rc = nspi_get_prop_list_request_decode_all(call->body, call->pool,
                                               &call->ctx, &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));

    rc = ab_object(call, call->pool, q.mid, &values, &kind);
    if (rc == PH_NOTFOUND) {
        a.error_code = NSPI_NOT_FOUND;
    } else if (rc != PH_OK) {
        return rc;
    } else {
        a.has_tags = true;
        a.tags.tag = ph_pcalloc_array(call->pool, values.n + 1,
                                      sizeof(*a.tags.tag));
        if (a.tags.tag == NULL) {
            return PH_NOMEM;
        }

        for (uint32_t i = 0; i < values.n; i++) {
            a.tags.tag[a.tags.tag_count++] = tag_as(values.v[i].tag, false);
        }
        if (kind == DIR_KIND_GROUP && !(q.flags & NSPI_SKIP_OBJECTS)) {
            a.tags.tag[a.tags.tag_count++] = PR_EMS_AB_MEMBER;
        }
    }

    return nspi_get_prop_list_response_encode_new(call->pool, &call->ctx, &a,
                                                  &call->out);
}


/* Without a list of tags: all that the object has. */
static ph_int_t
props_all(ab_call_t *call, mapi_values_t *values, bool unicode,
    nspi_values_t *out)
{
    out->v = ph_pcalloc_array(call->pool, values->n, sizeof(*out->v));
    if (out->v == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < values->n; i++) {
        out->v[i] = values->v[i];
        out->v[i].tag = tag_as(values->v[i].tag, unicode);
    }
    out->v_count = values->n;

    return PH_OK;
}


ph_int_t
ab_get_props(ab_call_t *call)
{
    bool                       unicode;
    uint8_t                    kind = 0;
    uint32_t                   mid;
    ph_int_t                   rc;
    mapi_values_t              values = { 0, NULL };
    nspi_get_props_request_t   q;
    nspi_get_props_response_t  a;

    AB_DECODE(call, get_props, &q);

    memset(&a, 0, sizeof(a));
    a.code_page = q.has_stat ? q.stat.code_page : 0;
    unicode = a.code_page == MAPI_CP_WINUNICODE;

    if (!q.has_stat) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (!unicode && !ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_INVALID_CODEPAGE;
    } else if (q.has_tags && q.tags.tag_count > AB_COLUMNS_MAX) {
        a.error_code = NSPI_TABLE_TOO_BIG;
    }

    for (uint32_t i = 0;
         a.error_code == NSPI_SUCCESS && unicode && q.has_tags
         && i < q.tags.tag_count;
         i++)
    {
        if (MAPI_TYPE(q.tags.tag[i]) == PT_STRING8
            || MAPI_TYPE(q.tags.tag[i]) == PT_MV_STRING8)
        {
            a.error_code = NSPI_NOT_SUPPORTED;
        }
    }

    if (a.error_code != NSPI_SUCCESS) {
        goto answer;
    }

    mid = q.stat.current_rec;

    if (mid == NSPI_MID_BEGINNING) {
        ab_view_t  view;

        rc = ab_view(call, q.stat.container_id, &view);
        if (rc == PH_NOTFOUND) {
            a.error_code = NSPI_INVALID_BOOKMARK;
            goto answer;
        }
        if (rc == PH_OK) {
            rc = ab_container(call, q.stat.container_id, true, &values);
        }
    } else {
        rc = ab_object(call, call->pool, mid, &values, &kind);
        if (rc == PH_NOTFOUND) {
            a.error_code = NSPI_ERRORS_RETURNED;
            values.n = 0;
            rc = PH_OK;
        }
    }
    if (rc != PH_OK) {
        return rc;
    }

    a.has_values = true;

    if (!q.has_tags) {
        rc = props_all(call, &values, unicode, &a.values);
        if (rc != PH_OK) {
            return rc;
        }
        goto answer;
    }

    a.values.v_count = q.tags.tag_count;
    a.values.v = ph_pcalloc_array(call->pool, q.tags.tag_count,
                                  sizeof(*a.values.v));
    if (a.values.v == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < q.tags.tag_count; i++) {
        mapi_value_t  *v = &a.values.v[i];

        ab_column(call, &values, mid, kind, q.tags.tag[i], q.flags, v);

        /* a column without type gets the type that the code page allows */
        if (MAPI_TYPE(q.tags.tag[i]) == PT_UNSPECIFIED) {
            v->tag = tag_as(v->tag, unicode);
        }
        if (MAPI_TYPE(v->tag) == PT_ERROR) {
            a.error_code = NSPI_ERRORS_RETURNED;
        }
    }

answer:

    return nspi_get_props_response_encode_new(call->pool, &call->ctx, &a,
                                              &call->out);
}


ph_int_t
ab_query_columns(ab_call_t *call)
{
    bool                           unicode;
    ph_int_t                       rc;
    nspi_query_columns_request_t   q;
    nspi_query_columns_response_t  a;

    rc = nspi_query_columns_request_decode_all(call->body, call->pool,
                                               &call->ctx, &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));
    unicode = (q.flags & (NSPI_UNICODE_PROPTYPES | NSPI_UNICODE_STRINGS)) != 0;

    a.has_columns = true;
    a.columns.tag_count = ph_nelts(ab_supported);
    a.columns.tag = ph_pcalloc_array(call->pool, ph_nelts(ab_supported),
                                     sizeof(*a.columns.tag));
    if (a.columns.tag == NULL) {
        return PH_NOMEM;
    }

    for (size_t i = 0; i < ph_nelts(ab_supported); i++) {
        a.columns.tag[i] = tag_as(ab_supported[i], unicode);
    }

    return nspi_query_columns_response_encode_new(call->pool, &call->ctx, &a,
                                                  &call->out);
}


/* ---- containers ---- */

ph_int_t
ab_get_special_table(ab_call_t *call)
{
    bool                               unicode;
    uint32_t                           n, version;
    ph_int_t                           rc;
    mapi_values_t                      values;
    nspi_get_special_table_request_t   q;
    nspi_get_special_table_response_t  a;

    AB_DECODE(call, get_special_table, &q);

    memset(&a, 0, sizeof(a));
    a.code_page = q.has_stat ? q.stat.code_page : 0;
    unicode = (q.flags & NSPI_UNICODE_STRINGS) != 0;

    if (!q.has_stat) {
        a.error_code = NSPI_INVALID_PARAMETER;
        goto answer;
    }

    if (!unicode && !ab_codepage_usable(q.stat.code_page)) {
        a.error_code = NSPI_INVALID_CODEPAGE;
        goto answer;
    }

    if (q.flags & NSPI_CREATION_TEMPLATES) {
        a.has_version = q.has_version;
        a.version = q.version;
        a.has_rows = true;
        rc = ab_creation_templates(call, q.stat.template_locale,
                                   q.stat.code_page, &a.rows);
        if (rc != PH_OK) {
            return rc;
        }
        goto answer;
    }

    version = (uint32_t) call->gal->generation;
    version = version ? version : 1;
    a.has_version = true;
    a.version = version;

    if (q.has_version && q.version == version) {
        goto answer;
    }

    /* lists of the domains only where there is more than one */
    n = call->gal->n_domains > 1 ? call->gal->n_domains + 1 : 1;

    a.has_rows = true;
    a.rows.row_count = n;
    a.rows.row = ph_pcalloc_array(call->pool, n, sizeof(*a.rows.row));
    if (a.rows.row == NULL) {
        return PH_NOMEM;
    }

    for (uint32_t i = 0; i < n; i++) {
        rc = ab_container(call, i == 0 ? AB_CONTAINER_GAL
                          : call->gal->domains[i - 1].id + AB_CONTAINER_DOMAIN,
                          unicode, &values);
        if (rc != PH_OK) {
            return rc;
        }
        a.rows.row[i].v = values.v;
        a.rows.row[i].v_count = values.n;
    }

answer:

    return nspi_get_special_table_response_encode_new(call->pool, &call->ctx,
                                                      &a, &call->out);
}


/* ---- changes ---- */

static bool
prop_modifiable(uint32_t tag)
{
    switch (MAPI_ID(tag)) {
    case MAPI_ID(PR_USER_X509_CERTIFICATE):
    case MAPI_ID(PR_EMS_AB_X509_CERT):
    case MAPI_ID(PR_EMS_AB_THUMBNAIL_PHOTO):
        return true;
    default:
        return false;
    }
}


static ph_int_t
mod_props_write(ab_call_t *call, const nspi_mod_props_request_t *q)
{
    ph_int_t     rc;
    uint32_t     id = call->me.e.user_id;
    dir_conn_t  *conn;
    dir_db_t    *db = call->job->d->db;

    rc = dir_db_write(db, &conn);
    if (rc != PH_OK) {
        return rc;
    }

    for (uint32_t i = 0; rc == PH_OK && i < q->tags_to_remove.tag_count; i++) {
        rc = dir_property_remove(conn, id,
                                 MAPI_ID(q->tags_to_remove.tag[i]));
    }

    for (uint32_t i = 0;
         rc == PH_OK && q->has_values && i < q->values.v_count;
         i++)
    {
        if (MAPI_TYPE(q->values.v[i].tag) != PT_ERROR) {
            rc = dir_property_store(conn, id, &q->values.v[i]);
        }
    }

    if (rc != PH_OK) {
        dir_db_rollback(db, &conn);
        return rc;
    }

    rc = dir_db_commit(db, &conn, &call->job->generation);
    dir_job_changed(call->job, call->me.e.address);

    return rc;
}


ph_int_t
ab_mod_props(ab_call_t *call)
{
    bool                       allowed = true;
    uint8_t                    kind;
    ph_int_t                   rc;
    mapi_values_t              values;
    nspi_mod_props_request_t   q;
    nspi_mod_props_response_t  a;

    AB_DECODE(call, mod_props, &q);

    memset(&a, 0, sizeof(a));

    if (!q.has_stat || !q.has_tags_to_remove
        || !ab_codepage_usable(q.stat.code_page))
    {
        a.error_code = NSPI_INVALID_PARAMETER;
        goto answer;
    }

    rc = ab_object(call, call->pool, q.stat.current_rec, &values, &kind);
    if (rc == PH_NOTFOUND) {
        a.error_code = NSPI_INVALID_PARAMETER;
        goto answer;
    }
    if (rc != PH_OK) {
        return rc;
    }

    for (uint32_t i = 0; i < q.tags_to_remove.tag_count; i++) {
        allowed = allowed && prop_modifiable(q.tags_to_remove.tag[i]);
    }
    for (uint32_t i = 0; q.has_values && i < q.values.v_count; i++) {
        allowed = allowed && prop_modifiable(q.values.v[i].tag);
    }

    if (!allowed
        || q.stat.current_rec != dir_entry_mid(call->me.e.user_id))
    {
        a.error_code = NSPI_ACCESS_DENIED;
        goto answer;
    }

    rc = mod_props_write(call, &q);
    if (rc == PH_INVALID || rc == PH_TOOBIG) {
        a.error_code = NSPI_INVALID_PARAMETER;
    } else if (rc != PH_OK) {
        return rc;
    }

answer:

    return nspi_mod_props_response_encode_new(call->pool, &call->ctx, &a,
                                              &call->out);
}


/* ---- URLs ---- */

static ph_int_t
url_of(ab_call_t *call, const char *endpoint)
{
    char                     guid[MAPI_GUID_TEXT];
    ph_int_t                 rc;
    dir_row_t                row;
    nspi_get_url_request_t   q;
    nspi_get_url_response_t  a;

    rc = nspi_get_url_request_decode_all(call->body, call->pool, &call->ctx,
                                         &q);
    if (rc != PH_OK) {
        return rc;
    }

    memset(&a, 0, sizeof(a));

    rc = dir_entry_find(call->conn, call->pool, DIR_BY_DN, q.dn, &row);
    if (rc == PH_NOTFOUND
        || (rc == PH_OK && row.organisation_id != call->me.organisation_id))
    {
        a.error_code = NSPI_NOT_FOUND;
    } else if (rc != PH_OK) {
        return rc;
    } else {
        mapi_guid_text(&row.e.mailbox_guid, guid);
        a.url = ph_str_c(ph_psprintf(call->pool,
                         "https://%.*s/mapi/%s/?MailboxId=%s@%.*s",
                         PH_STR_ARG(call->host), endpoint, guid,
                         PH_STR_ARG(row.e.domain)));
        if (a.url.data == NULL) {
            return PH_NOMEM;
        }
    }

    return nspi_get_url_response_encode_new(call->pool, &call->ctx, &a,
                                            &call->out);
}


ph_int_t
ab_get_url(ab_call_t *call)
{
    return url_of(call, "emsmdb");
}


ph_int_t
ab_get_address_book_url(ab_call_t *call)
{
    return url_of(call, "nspi");
}
