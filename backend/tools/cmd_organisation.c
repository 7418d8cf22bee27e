/* phctl organisation */

#include "gen/dir.h"
#include "tools/ctl.h"

static int organisation_list(ctl_t *c)
{
    dir_organisation_list_request_t  req = { 0 };
    dir_organisation_list_answer_t   ans;
    const dir_organisation_t        *o;
    json_t                          *rows;
    size_t                           i;
    int                              rc;

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ORGANISATION_LIST, dir_organisation_list,
            &req, &ans, rc);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.organisations_count; i++) {
        o = &ans.organisations[i];
        (void) json_array_append_new(rows, json_pack("{s:o, s:i, s:o}",
            "name", ctl_json_str(o->name), "domains", (int) o->domains,
            "description", ctl_json_str(o->description)));
    }
    return ctl_output(c, rows, "name domains description");
}

static int organisation_create(ctl_t *c)
{
    dir_organisation_create_request_t  req = { 0 };
    dir_organisation_create_answer_t   ans;
    int                                rc;

    req.name = ctl_arg(c, 0);
    req.description = ph_str_c(ctl_option(c, "description"));
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ORGANISATION_CREATE,
            dir_organisation_create, &req, &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int organisation_change(ctl_t *c)
{
    dir_organisation_change_request_t  req = { 0 };
    dir_organisation_change_answer_t   ans;
    const char                        *name = ctl_option(c, "name");
    int                                rc;

    req.name = ctl_arg(c, 0);
    req.new_name = name ? ph_str_c(name) : req.name;
    req.description = ph_str_c(ctl_option(c, "description"));
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ORGANISATION_CHANGE,
            dir_organisation_change, &req, &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int organisation_delete(ctl_t *c)
{
    dir_organisation_delete_request_t  req = { 0 };
    dir_organisation_delete_answer_t   ans;
    int                                rc;

    req.name = ctl_arg(c, 0);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_ORGANISATION_DELETE,
            dir_organisation_delete, &req, &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_organisation_commands[] = {
    { "organisation", "list", "", "", 0, 0,
      "organisations and the number of their domains", organisation_list },
    { "organisation", "create", "NAME", "description:", 1, 1,
      "a new organisation", organisation_create },
    { "organisation", "change", "NAME", "name: description:", 1, 1,
      "another name or description", organisation_change },
    { "organisation", "delete", "NAME", "", 1, 1,
      "an organisation without domains", organisation_delete },
    { 0 }
};
