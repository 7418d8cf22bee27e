/* phctl domain */

#include <stdlib.h>
#include "gen/dir.h"
#include "tools/ctl.h"

#define DOMAIN_OPTIONS \
    "title: organisation: lang: node: max-users: catch-all: transport:"

static const char *domain_status(uint8_t status)
{
    return status == DIR_STATUS_NORMAL ? "normal"
           : status == DIR_STATUS_SUSPENDED ? "suspended" : "deleted";
}

static json_t *domain_json(const dir_domain_t *d)
{
    return json_pack("{s:o, s:o, s:o, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o}",
        "name", ctl_json_str(d->name),
        "title", ctl_json_str(d->title),
        "organisation", ctl_json_str(d->organisation),
        "status", domain_status(d->status),
        "users", (int) d->users,
        "max_users", (int) d->max_users,
        "lang", ctl_json_str(d->lang),
        "node", ctl_json_str(d->node),
        "catch_all", ctl_json_str(d->catch_all),
        "transport", ctl_json_str(d->transport),
        "created", ctl_json_time(d->created));
}

/* The fields that options name, and their mask. */
static int domain_fields(ctl_t *c, uint32_t *mask, dir_domain_t *d)
{
    const struct {
        const char  *option;
        uint32_t     bit;
        ph_str_t    *field;
    } texts[] = {
        { "title",        DIR_DOMAIN_TITLE,        &d->title        },
        { "organisation", DIR_DOMAIN_ORGANISATION, &d->organisation },
        { "lang",         DIR_DOMAIN_LANG,         &d->lang         },
        { "node",         DIR_DOMAIN_NODE,         &d->node         },
        { "catch-all",    DIR_DOMAIN_CATCH_ALL,    &d->catch_all    },
        { "transport",    DIR_DOMAIN_TRANSPORT,    &d->transport    },
    };
    const char  *v;
    uint64_t     n;
    size_t       i;

    for (i = 0; i < ph_nelts(texts); i++) {
        v = ctl_option(c, texts[i].option);
        if (v != NULL) {
            *texts[i].field = ph_str_c(v);
            *mask |= texts[i].bit;
        }
    }

    v = ctl_option(c, "max-users");
    if (v != NULL) {
        if (ph_str_u64(ph_str_c(v), &n) != PH_OK || n > UINT32_MAX) {
            return ctl_error(c, CTL_USAGE, "--max-users needs a number");
        }
        d->max_users = (uint32_t) n;
        *mask |= DIR_DOMAIN_MAX_USERS;
    }
    return CTL_OK;
}

static int domain_list(ctl_t *c)
{
    dir_domain_list_request_t  req = { 0 };
    dir_domain_list_answer_t   ans;
    json_t                    *rows;
    size_t                     i;
    int                        rc;

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_DOMAIN_LIST, dir_domain_list, &req, &ans,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.domains_count; i++) {
        (void) json_array_append_new(rows, domain_json(&ans.domains[i]));
    }
    return ctl_output(c, rows, "name status users organisation lang title");
}

static int domain_show(ctl_t *c)
{
    dir_domain_list_request_t  req = { 0 };
    dir_domain_list_answer_t   ans;
    int                        rc;

    req.name = ctl_arg(c, 0);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_DOMAIN_LIST, dir_domain_list, &req, &ans,
            rc);
    if (rc != CTL_OK) {
        return rc;
    }
    if (ans.domains_count == 0) {
        return ctl_error(c, CTL_NOTFOUND, "no domain %s", c->args[0]);
    }
    return ctl_output(c, domain_json(&ans.domains[0]), "");
}

static int domain_create(ctl_t *c)
{
    dir_domain_create_request_t  req = { 0 };
    dir_domain_create_answer_t   ans;
    int                          rc;

    req.domain.name = ctl_arg(c, 0);
    rc = domain_fields(c, &req.mask, &req.domain);
    if (rc != CTL_OK) {
        return rc;
    }
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_DOMAIN_CREATE, dir_domain_create, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, domain_json(&ans.domain), "") : rc;
}

static int domain_change_fields(ctl_t *c, dir_domain_change_request_t *req)
{
    dir_domain_change_answer_t  ans;
    int                         rc;

    req->domain.name = ctl_arg(c, 0);
    if (req->mask == 0) {
        return ctl_error(c, CTL_USAGE, "nothing to change; phctl help domain "
                         "lists the options");
    }
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_DOMAIN_CHANGE, dir_domain_change, req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, domain_json(&ans.domain), "") : rc;
}

static int domain_change(ctl_t *c)
{
    dir_domain_change_request_t  req = { 0 };
    int                          rc;

    rc = domain_fields(c, &req.mask, &req.domain);
    return rc == CTL_OK ? domain_change_fields(c, &req) : rc;
}

static int domain_suspend(ctl_t *c)
{
    dir_domain_change_request_t  req = { .mask = DIR_DOMAIN_STATUS };

    req.domain.status = DIR_STATUS_SUSPENDED;
    return domain_change_fields(c, &req);
}

static int domain_resume(ctl_t *c)
{
    dir_domain_change_request_t  req = { .mask = DIR_DOMAIN_STATUS };

    req.domain.status = DIR_STATUS_NORMAL;
    return domain_change_fields(c, &req);
}

static int domain_delete(ctl_t *c)
{
    dir_domain_delete_request_t  req = { 0 };
    dir_domain_delete_answer_t   ans;
    int                          rc;

    req.name = ctl_arg(c, 0);
    req.force = ctl_option(c, "force") != NULL;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_DOMAIN_DELETE, dir_domain_delete, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_domain_commands[] = {
    { "domain", "list", "", "", 0, 0, "all domains", domain_list },
    { "domain", "show", "DOMAIN", "", 1, 1, "everything about one",
      domain_show },
    { "domain", "create", "DOMAIN", DOMAIN_OPTIONS, 1, 1, "a new domain",
      domain_create },
    { "domain", "change", "DOMAIN", DOMAIN_OPTIONS, 1, 1,
      "what the options name", domain_change },
    { "domain", "suspend", "DOMAIN", "", 1, 1,
      "its users cannot log in, mail is refused", domain_suspend },
    { "domain", "resume", "DOMAIN", "", 1, 1, "ends a suspension",
      domain_resume },
    { "domain", "delete", "DOMAIN", "force", 1, 1,
      "an empty domain; with --force its users too", domain_delete },
    { 0 }
};
