/* What the handlers of administration operations share. */

#ifndef DIR_ADMIN_H
#define DIR_ADMIN_H

#include "directory.h"
#include "dir_address.h"

#define DIR_ADMIN_LIST_MAX   1000      /* users in one answer */
#define DIR_ADMIN_NAME_MAX   256       /* bytes of names and titles */
#define DIR_MEMBERS_MAX      50000     /* of one group */
#define DIR_FORWARDS_MAX     100       /* of one mailbox */
#define DIR_ALIASES_MAX      1000      /* of one user */

/* all but PH_RIGHT_ADMIN */
#define DIR_RIGHTS_DEFAULT  (PH_RIGHT_WEB | PH_RIGHT_MAPI | PH_RIGHT_IMAP     \
                             | PH_RIGHT_POP3 | PH_RIGHT_SMTP | PH_RIGHT_EWS   \
                             | PH_RIGHT_EAS | PH_RIGHT_DAV)
#define DIR_RIGHTS_ALL      (DIR_RIGHTS_DEFAULT | PH_RIGHT_ADMIN)

/* All set job->text when they fail. */

/* an address that is looked for, or may be anywhere */
ph_int_t dir_admin_parse(dir_job_t *job, ph_str_t text,
    dir_address_t *address_r);
/* an address that is to be new: well formed, in a domain of ours, not taken */
ph_int_t dir_admin_new_address(dir_job_t *job, ph_str_t text,
    dir_address_t *address_r, dir_domain_facts_t *domain_r);
ph_int_t dir_admin_find(dir_job_t *job, uint8_t by, ph_str_t key,
    dir_row_t *row_r);
ph_int_t dir_admin_name(dir_job_t *job, const char *what, ph_str_t name,
    bool may_be_empty);
ph_int_t dir_admin_status(dir_job_t *job, uint8_t status);
/* a statement of one number (0: not bound) and one string (data NULL: not) */
ph_int_t dir_admin_run(dir_job_t *job, dir_sql_t sql, uint32_t id,
    ph_str_t text);

/*
 * Inserts what `e` and the rest say (address, kind, status, names, rights,
 * quotas, ...), assigns id, DN, GUID, and for kinds with a mailbox path and,
 * when e->node is empty and !placed, the domain's node.
 */
typedef struct {
    const dir_entry_t    *e;
    const dir_address_t  *address;
    uint32_t              domain_id;
    uint8_t               hidden;
    bool                  placed;
    ph_str_t              password;    /* hash */
} dir_new_user_t;
ph_int_t dir_admin_insert(dir_job_t *job, const dir_new_user_t *u,
    uint32_t *id_r);

/* the `user` of answers */
ph_int_t dir_admin_user(dir_job_t *job, const dir_row_t *row,
    dir_user_t *user_r);
/* Deletes the entry and every mention of its address. */
ph_int_t dir_admin_remove(dir_job_t *job, const dir_row_t *row);

#endif
