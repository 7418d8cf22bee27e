/*
 * Limits that the directory sets on mailboxes, the warning that users get, and
 * removing recoverable items for good when their time has come.
 */

#ifndef EX_QUOTA_H
#define EX_QUOTA_H

#include "ex_mailbox.h"

/* Reads the template of the warning.  PH_INVALID: told which file is wrong. */
ph_int_t ex_quotas_create(ex_t *ex, ex_quotas_t **quotas_r);

/* The directory's limits as the store keeps them. */
void ex_quota_of(const ex_t *ex, const dir_entry_t *entry, store_quota_t *q);
/* On a thread, when a mailbox has been opened. */
void ex_quota_apply(ex_mailbox_t *mb);
/* The directory changed an entry (empty: anything): open mailboxes follow. */
void ex_quota_changed(ex_t *ex, ph_str_t address);
/* What is due for an open mailbox; from the sweep. */
void ex_quota_tick(ex_mailbox_t *mb, uint64_t now);

/*
 * The text of a warning for `lang` ("de_DE") as RFC 5322 bytes, in pool.
 * PH_NOTFOUND: the template has no texts.
 */
ph_int_t ex_quota_mail(ph_pool_t *pool, ph_str_t template_,
    const store_info_t *info, const store_quota_t *q, uint64_t used,
    uint64_t now, ph_str_t *raw_r);

#endif
