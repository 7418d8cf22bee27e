/* phctl passwd */

#include "gen/dir.h"
#include "tools/ctl.h"

static int passwd_set(ctl_t *c)
{
    dir_passwd_request_t  req = { 0 };
    dir_passwd_answer_t   ans;
    int                   rc;

    req.address = ctl_arg(c, 0);
    req.hashed = ctl_option(c, "hashed") != NULL;
    if (ctl_option(c, "none") == NULL) {
        rc = ctl_read_password(c, &req.password);
        if (rc != CTL_OK) {
            return rc;
        }
        if (req.password.len == 0) {
            return ctl_error(c, CTL_REFUSED, "the password is empty; --none "
                             "takes it away");
        }
    }
    CTL_RPC(c, CTL_DIRECTORY, DIR_OP_PASSWD, dir_passwd, &req, &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_passwd_commands[] = {
    { "passwd", NULL, "ADDRESS", "stdin hashed none", 1, 1,
      "a new password, from the terminal or --stdin", passwd_set },
    { 0 }
};
