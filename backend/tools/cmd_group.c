/* phctl group */

#include "gen/dir.h"
#include "tools/ctl.h"

#define GROUP_OPTIONS  "display-name: posting: hidden visible everybody sender:"

/* in the order of DIR_POST_* */
static const char *const group_postings[] = {
    "all", "organisation", "domain", "members", "listed"
};

static json_t *group_json(const dir_group_t *g)
{
    return json_pack("{s:o, s:o, s:s, s:b, s:b, s:o, s:o}",
        "address", ctl_json_str(g->address),
        "display_name", ctl_json_str(g->display_name),
        "posting", g->posting < ph_nelts(group_postings)
                   ? group_postings[g->posting] : "unknown",
        "hidden", g->hidden != 0,
        "everybody", g->everybody != 0,
        "members", ctl_json_strs(g->members, g->members_count),
        "senders", ctl_json_strs(g->senders, g->senders_count));
}

static int group_fields(ctl_t *c, uint32_t *mask, dir_group_t *g)
{
    const char  *v;
    ph_str_t    *senders;
    size_t       i;
    int          k;

    v = ctl_option(c, "display-name");
    if (v != NULL) {
        g->display_name = ph_str_c(v);
        *mask |= DIR_GROUP_DISPLAY_NAME;
    }

    v = ctl_option(c, "posting");
    if (v != NULL) {
        for (i = 0; i < ph_nelts(group_postings); i++) {
            if (strcmp(v, group_postings[i]) == 0) {
                break;
            }
        }
        if (i == ph_nelts(group_postings)) {
            return ctl_error(c, CTL_USAGE, "--posting is all, organisation, "
                             "domain, members or listed");
        }
        g->posting = (uint8_t) i;
        *mask |= DIR_GROUP_POSTING;
    }

    if (ctl_option(c, "hidden") != NULL || ctl_option(c, "visible") != NULL) {
        g->hidden = ctl_option(c, "hidden") ? DIR_HIDE_GAL | DIR_HIDE_LISTS : 0;
        *mask |= DIR_GROUP_HIDDEN;
    }

    if (ctl_option(c, "everybody") != NULL) {
        g->everybody = 1;
        *mask |= DIR_GROUP_EVERYBODY;
    }

    senders = ph_pcalloc_array(c->pool, CTL_MAX_ARGS, sizeof(*senders));
    if (senders == NULL) {
        return ctl_error(c, CTL_FAILED, "out of memory");
    }
    for (k = 0; k < c->n_options; k++) {
        if (strncmp(c->options[k].name, "sender", 6) == 0) {
            senders[g->senders_count++] = ph_str_c(c->options[k].value);
            *mask |= DIR_GROUP_SENDERS;
        }
    }
    g->senders = senders;
    return CTL_OK;
}

static int group_get(ctl_t *c, ph_str_t domain, ph_str_t address,
    dir_group_list_answer_t *ans)
{
    dir_group_list_request_t  req = { .domain = domain, .address = address };
    int                       rc;

    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_GROUP_LIST, dir_group_list, &req, ans,
            rc);
    return rc;
}

static int group_list(ctl_t *c)
{
    dir_group_list_answer_t  ans;
    json_t                  *rows;
    size_t                   i;
    int                      rc;

    rc = group_get(c, ctl_arg(c, 0), ph_str_null, &ans);
    if (rc != CTL_OK) {
        return rc;
    }
    rows = json_array();
    for (i = 0; i < ans.groups_count; i++) {
        (void) json_array_append_new(rows, group_json(&ans.groups[i]));
    }
    return ctl_output(c, rows, "address display_name posting members");
}

static int group_show(ctl_t *c)
{
    dir_group_list_answer_t  ans;
    int                      rc;

    rc = group_get(c, ph_str_null, ctl_arg(c, 0), &ans);
    if (rc != CTL_OK) {
        return rc;
    }
    if (ans.groups_count == 0) {
        return ctl_error(c, CTL_NOTFOUND, "no group %s", c->args[0]);
    }
    return ctl_output(c, group_json(&ans.groups[0]), "");
}

static int group_create(ctl_t *c)
{
    dir_group_create_request_t  req = { 0 };
    dir_group_create_answer_t   ans;
    ph_str_t                    members[CTL_MAX_ARGS];
    int                         rc, i;

    req.group.address = ctl_arg(c, 0);
    rc = group_fields(c, &req.mask, &req.group);
    if (rc != CTL_OK) {
        return rc;
    }
    for (i = 1; i < c->n_args; i++) {
        members[i - 1] = ctl_arg(c, i);
        req.mask |= DIR_GROUP_MEMBERS;
    }
    req.group.members_count = (uint32_t) (c->n_args - 1);
    req.group.members = members;
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_GROUP_CREATE, dir_group_create, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, group_json(&ans.group), "") : rc;
}

static int group_change(ctl_t *c)
{
    dir_group_change_request_t  req = { 0 };
    dir_group_change_answer_t   ans;
    int                         rc;

    req.group.address = ctl_arg(c, 0);
    rc = group_fields(c, &req.mask, &req.group);
    if (rc != CTL_OK) {
        return rc;
    }
    if (req.mask == 0) {
        return ctl_error(c, CTL_USAGE, "nothing to change; phctl help group "
                         "lists the options");
    }
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_GROUP_CHANGE, dir_group_change, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, group_json(&ans.group), "") : rc;
}

static int group_delete(ctl_t *c)
{
    dir_group_delete_request_t  req = { 0 };
    dir_group_delete_answer_t   ans;
    int                         rc;

    req.address = ctl_arg(c, 0);
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_GROUP_DELETE, dir_group_delete, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int group_members(ctl_t *c, uint8_t remove)
{
    dir_group_member_request_t  req = { .remove = remove };
    dir_group_member_answer_t   ans;
    int                         rc = CTL_OK, i;

    req.address = ctl_arg(c, 0);
    for (i = 1; rc == CTL_OK && i < c->n_args; i++) {
        req.member = ctl_arg(c, i);
        CTL_RPC(c, CTL_DIRECTORY, DIR_OP_GROUP_MEMBER, dir_group_member, &req,
                &ans, rc);
    }
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int group_add(ctl_t *c)
{
    return group_members(c, 0);
}

static int group_remove(ctl_t *c)
{
    return group_members(c, 1);
}

const ctl_command_t ctl_group_commands[] = {
    { "group", "list", "[DOMAIN]", "", 0, 1, "groups and their members",
      group_list },
    { "group", "show", "ADDRESS", "", 1, 1, "everything about one",
      group_show },
    { "group", "create", "ADDRESS [MEMBER...]", GROUP_OPTIONS, 1,
      CTL_MAX_ARGS, "a new group", group_create },
    { "group", "change", "ADDRESS", GROUP_OPTIONS, 1, 1,
      "what the options name", group_change },
    { "group", "add", "ADDRESS MEMBER...", "", 2, CTL_MAX_ARGS,
      "more members", group_add },
    { "group", "remove", "ADDRESS MEMBER...", "", 2, CTL_MAX_ARGS,
      "fewer members", group_remove },
    { "group", "delete", "ADDRESS", "", 1, 1, "the group, not its members",
      group_delete },
    { 0 }
};
