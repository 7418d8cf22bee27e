/* phctl dump-store, phctl check-store */

#include <stdio.h>
#include "gen/dir.h"
#include "gen/exmdb.h"
#include "tools/ctl.h"

#define STORE_MAX_DUMP  (512u << 20)

/* One object as text, appended to out. */
static int store_dump_one(ctl_t *c, mapi_eid_t fid, mapi_eid_t mid,
    ph_wbuf_t *out)
{
    exmdb_mailbox_dump_request_t  req = { .fid = fid, .mid = mid };
    exmdb_mailbox_dump_answer_t   ans;
    int                           rc;

    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_DUMP, exmdb_mailbox_dump, &req,
            &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    ph_put_str(out, ans.text);
    if (ans.text.len && ans.text.data[ans.text.len - 1] != '\n') {
        ph_put_u8(out, '\n');
    }
    return out->error ? ctl_error(c, CTL_FAILED, "the dump is too large")
                      : CTL_OK;
}

/* Every folder, when the command line names none. */
static int store_dump_all(ctl_t *c, ph_wbuf_t *out)
{
    exmdb_mailbox_stat_request_t  req = { 0 };
    exmdb_mailbox_stat_answer_t   ans;
    size_t                        i;
    int                           rc;

    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_STAT, exmdb_mailbox_stat, &req,
            &ans, rc);
    for (i = 0; rc == CTL_OK && i < ans.folders_count; i++) {
        ph_put_fmt(out, "%s%.*s\n", i ? "\n" : "",
                   PH_STR_ARG(ans.folders[i].path));
        rc = store_dump_one(c, ans.folders[i].fid, 0, out);
        if (rc == CTL_NOTFOUND) {
            rc = CTL_OK;    /* deleted meanwhile */
        }
    }
    return rc;
}

static int store_dump(ctl_t *c)
{
    mapi_eid_t  fid = 0, mid = 0;
    ph_wbuf_t   out;
    ph_str_t    text;
    int         rc;

    if ((c->n_args > 1 && ctl_parse_eid(ctl_arg(c, 1), &fid) != PH_OK)
        || (c->n_args > 2 && ctl_parse_eid(ctl_arg(c, 2), &mid) != PH_OK))
    {
        return ctl_error(c, CTL_USAGE, "an id is like 1-d; phctl mailbox "
                         "folders %s lists those of folders", c->args[0]);
    }

    ph_wbuf_init(&out, c->pool, STORE_MAX_DUMP);
    rc = c->n_args > 1 ? store_dump_one(c, fid, mid, &out)
                       : store_dump_all(c, &out);
    if (rc != CTL_OK) {
        return rc;
    }
    text = ph_wbuf_str(&out);
    if (c->json) {
        return ctl_output(c, json_pack("{s:o}", "text", ctl_json_str(text)),
                          "");
    }
    (void) fwrite(text.data, 1, text.len, stdout);
    return ctl_output(c, NULL, "");
}

static int store_check_one(ctl_t *c, ph_str_t mailbox, json_t *rows,
    size_t *objects, size_t *findings)
{
    exmdb_mailbox_check_request_t  req = { .mailbox = mailbox };
    exmdb_mailbox_check_answer_t   ans;
    size_t                         i;
    int                            rc;

    req.repair = (ctl_option(c, "repair") != NULL ? 1 : 0)
                 | (ctl_option(c, "index") != NULL ? 2 : 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_MAILBOX_CHECK, exmdb_mailbox_check, &req,
            &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    *objects += (size_t) ans.objects;
    for (i = 0; i < ans.findings_count; i++) {
        (void) json_array_append_new(rows, json_pack("{s:o, s:i, s:o}",
            "mailbox", ctl_json_str(mailbox),
            "code", (int) ans.findings[i].code,
            "text", ctl_json_str(ans.findings[i].text)));
    }
    *findings += ans.findings_count;
    return CTL_OK;
}

static int store_check_all(ctl_t *c, json_t *rows, size_t *mailboxes,
    size_t *objects, size_t *findings)
{
    dir_user_list_request_t  req = { .limit = 500 };
    dir_user_list_answer_t   ans;
    const dir_entry_t       *e;
    size_t                   i;
    int                      rc, worst = CTL_OK;

    do {
        CTL_RPC(c, CTL_DIRECTORY, DIR_OP_USER_LIST, dir_user_list, &req, &ans,
                rc);
        if (rc != CTL_OK) {
            return rc;
        }
        for (i = 0; i < ans.users_count; i++) {
            e = &ans.users[i].entry;
            if (e->kind == DIR_KIND_GROUP || e->kind == DIR_KIND_CONTACT) {
                continue;
            }
            rc = store_check_one(c, e->address, rows, objects, findings);
            if (rc == CTL_UNAVAILABLE) {
                return rc;
            }
            /* a user without a mailbox, or one elsewhere, is no damage */
            if (rc != CTL_OK && rc != CTL_NOTFOUND && rc != CTL_REFUSED) {
                worst = rc;
            }
            *mailboxes += rc == CTL_OK;
        }
        req.offset += ans.users_count;
    } while (ans.users_count > 0 && req.offset < ans.total);

    return worst;
}

static int store_check(ctl_t *c)
{
    json_t  *rows = json_array();
    size_t   mailboxes = 1, objects = 0, findings = 0;
    bool     all = ctl_option(c, "all") != NULL;
    int      rc, orc;

    if (all == (c->n_args == 1)) {
        json_decref(rows);
        return ctl_error(c, CTL_USAGE, "name an address, or say --all");
    }
    if (all) {
        mailboxes = 0;
        rc = store_check_all(c, rows, &mailboxes, &objects, &findings);
    } else {
        rc = store_check_one(c, ctl_arg(c, 0), rows, &objects, &findings);
    }
    if (rc != CTL_OK) {
        json_decref(rows);
        return rc;
    }

    if (c->json) {
        orc = ctl_output(c, json_pack("{s:i, s:I, s:o}",
            "mailboxes", (int) mailboxes, "objects", (json_int_t) objects,
            "findings", rows), "");
    } else if (findings == 0) {
        json_decref(rows);
        printf("%zu mailbox%s, %zu objects: nothing wrong\n", mailboxes,
               mailboxes == 1 ? "" : "es", objects);
        orc = ctl_output(c, NULL, "");
    } else {
        orc = ctl_output(c, rows, "mailbox code text");
    }
    return orc != CTL_OK ? orc : findings ? CTL_FINDINGS : CTL_OK;
}

const ctl_command_t ctl_store_commands[] = {
    { "dump-store", NULL, "ADDRESS [FID [MID]]", "", 1, 3,
      "a mailbox, folder or message as text", store_dump },
    { "check-store", NULL, "[ADDRESS]", "all repair index", 0, 1,
      "looks for damage; exit code 8 when there is some", store_check },
    { 0 }
};
