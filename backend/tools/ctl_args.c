/* Options and arguments. */

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <stdlib.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>
#include "tools/ctl.h"

static const struct {
    const char  *name;
    uint32_t     bit;
} ctl_rights[] = {
    { "web",   PH_RIGHT_WEB   },
    { "mapi",  PH_RIGHT_MAPI  },
    { "imap",  PH_RIGHT_IMAP  },
    { "pop3",  PH_RIGHT_POP3  },
    { "smtp",  PH_RIGHT_SMTP  },
    { "ews",   PH_RIGHT_EWS   },
    { "eas",   PH_RIGHT_EAS   },
    { "dav",   PH_RIGHT_DAV   },
    { "admin", PH_RIGHT_ADMIN },
};

/*
 * Is `name` (of length len) in the list of options? 1; 2 when it takes a
 * value.
 */
static int ctl_option_known(const char *list, const char *name, size_t len)
{
    const char  *p = list;
    size_t       n;

    while (p != NULL && *p != '\0') {
        n = strcspn(p, " ");
        if (n > 0 && p[n - 1] == ':') {
            if (n - 1 == len && strncmp(p, name, len) == 0) {
                return 2;
            }
        } else if (n == len && strncmp(p, name, len) == 0) {
            return 1;
        }
        p += n;
        p += strspn(p, " ");
    }
    return 0;
}

static int ctl_usage(ctl_t *c, const char *why, const char *what)
{
    const ctl_command_t  *cmd = c->command;

    return ctl_error(c, CTL_USAGE, "%s%s%s; usage: phctl %s%s%s%s%s", why,
                     what[0] ? " " : "", what, cmd->name,
                     cmd->verb ? " " : "", cmd->verb ? cmd->verb : "",
                     cmd->args[0] ? " " : "", cmd->args);
}

int ctl_args_parse(ctl_t *c, int argc, char **argv)
{
    const char  *name, *value;
    size_t       len;
    bool         only_args = false;
    int          i, kind;

    for (i = 0; i < argc; i++) {
        if (only_args || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (c->n_args == CTL_MAX_ARGS) {
                return ctl_usage(c, "too many arguments", "");
            }
            c->args[c->n_args++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_args = true;
            continue;
        }
        if (strcmp(argv[i], "--json") == 0) {
            c->json = true;
            continue;
        }

        name = argv[i] + strspn(argv[i], "-");
        len = strcspn(name, "=");
        kind = argv[i][1] == '-'
               ? ctl_option_known(c->command->options, name, len) : 0;
        if (kind == 0 || c->n_options == CTL_MAX_ARGS) {
            return ctl_usage(c, "unknown option", argv[i]);
        }

        value = "";
        if (name[len] == '=') {
            if (kind == 1) {
                return ctl_usage(c, "no value is allowed with", argv[i]);
            }
            value = name + len + 1;
        } else if (kind == 2) {
            if (++i == argc) {
                return ctl_usage(c, "a value is missing behind", argv[i - 1]);
            }
            value = argv[i];
        }

        c->options[c->n_options].name = name;
        c->options[c->n_options].value = value;
        c->n_options++;
    }

    if (c->n_args < c->command->min) {
        return ctl_usage(c, "an argument is missing", "");
    }
    if (c->n_args > c->command->max) {
        return ctl_usage(c, "unexpected argument", c->args[c->command->max]);
    }
    return CTL_OK;
}

const char *ctl_option(const ctl_t *c, const char *name)
{
    size_t  len = strlen(name);
    int     i;

    for (i = c->n_options - 1; i >= 0; i--) {
        if (strncmp(c->options[i].name, name, len) == 0
            && strcspn(c->options[i].name, "=") == len)
        {
            return c->options[i].value;
        }
    }
    return NULL;
}

ph_str_t ctl_arg(const ctl_t *c, int n)
{
    return n < c->n_args ? ph_str_c(c->args[n]) : ph_str_null;
}

ph_int_t ctl_parse_size(const char *s, uint64_t *v_r)
{
    static const char  units[] = "kmgt";
    const char        *unit;
    size_t             n = strlen(s);
    uint64_t           v, factor = 1;

    if (n > 0) {
        unit = strchr(units, s[n - 1] | 0x20);
        if (unit != NULL && *unit != '\0') {
            factor = (uint64_t) 1 << (10 * (unit - units + 1));
            n--;
        }
    }
    if (ph_str_u64((ph_str_t) { n, (const uint8_t *) s }, &v) != PH_OK
        || ph_mul_overflow(v, factor, v_r))
    {
        return PH_INVALID;
    }
    return PH_OK;
}

ph_int_t ctl_parse_time(const char *s, uint64_t *seconds_r)
{
    static const struct {
        char      unit;
        uint64_t  factor;
    } units[] = {
        { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 }
    };
    size_t    i, n = strlen(s);
    uint64_t  v, factor = 1;

    for (i = 0; n > 0 && i < ph_nelts(units); i++) {
        if (s[n - 1] == units[i].unit) {
            factor = units[i].factor;
            n--;
            break;
        }
    }
    if (ph_str_u64((ph_str_t) { n, (const uint8_t *) s }, &v) != PH_OK
        || ph_mul_overflow(v, factor, seconds_r))
    {
        return PH_INVALID;
    }
    return PH_OK;
}

ph_int_t ctl_parse_when(const char *s, uint64_t *filetime_r)
{
    static const char *const  formats[] = {
        "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"
    };
    uint64_t    ago, now = (uint64_t) time(NULL);
    struct tm   tm;
    const char *end;
    size_t      i;
    time_t      t = -1;

    if (ctl_parse_time(s, &ago) == PH_OK && ago < now) {
        t = (time_t) (now - ago);
    }
    for (i = 0; t == -1 && i < ph_nelts(formats); i++) {
        memset(&tm, 0, sizeof(tm));
        tm.tm_isdst = -1;
        end = strptime(s, formats[i], &tm);
        if (end != NULL && *end == '\0') {
            t = mktime(&tm);
        }
    }
    if (t < 0) {
        return PH_INVALID;
    }
    *filetime_r = ((uint64_t) t + 11644473600u) * 10000000;
    return PH_OK;
}

ph_int_t ctl_parse_rights(const char *s, uint32_t *v_r)
{
    size_t    n, i;
    uint32_t  v = 0, all = 0;

    for (i = 0; i < ph_nelts(ctl_rights); i++) {
        all |= ctl_rights[i].bit;
    }

    while (*s != '\0') {
        n = strcspn(s, ",");
        if (n == 3 && strncasecmp(s, "all", n) == 0) {
            v |= all & ~(uint32_t) PH_RIGHT_ADMIN;
        } else if (n != 4 || strncasecmp(s, "none", n) != 0) {
            for (i = 0; i < ph_nelts(ctl_rights); i++) {
                if (strlen(ctl_rights[i].name) == n
                    && strncasecmp(s, ctl_rights[i].name, n) == 0)
                {
                    v |= ctl_rights[i].bit;
                    break;
                }
            }
            if (i == ph_nelts(ctl_rights)) {
                return PH_INVALID;
            }
        }
        s += n;
        s += *s == ',';
    }

    *v_r = v;
    return PH_OK;
}

char *ctl_format_rights(ph_pool_t *pool, uint32_t rights)
{
    ph_wbuf_t  b;
    size_t     i;

    ph_wbuf_init(&b, pool, 256);
    for (i = 0; i < ph_nelts(ctl_rights); i++) {
        if (rights & ctl_rights[i].bit) {
            ph_put_fmt(&b, "%s%s", b.len ? "," : "", ctl_rights[i].name);
        }
    }
    if (b.len == 0) {
        ph_put_fmt(&b, "none");
    }
    ph_put_u8(&b, 0);
    return b.error ? NULL : (char *) b.data;
}

ph_int_t ctl_parse_eid(ph_str_t s, mapi_eid_t *v_r)
{
    uint64_t  part[2] = { 0, 0 };
    size_t    i, digits = 0;
    int       n = 0, digit;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '-') {
            if (n == 1 || digits == 0) {
                return PH_INVALID;
            }
            n = 1;
            digits = 0;
            continue;
        }
        if (s.data[i] >= '0' && s.data[i] <= '9') {
            digit = s.data[i] - '0';
        } else if ((s.data[i] | 0x20) >= 'a' && (s.data[i] | 0x20) <= 'f') {
            digit = (s.data[i] | 0x20) - 'a' + 10;
        } else {
            return PH_INVALID;
        }
        if (++digits > (n == 0 ? 4 : 12)) {
            return PH_INVALID;
        }
        part[n] = part[n] << 4 | (unsigned) digit;
    }

    if (n == 0 || digits == 0) {
        return PH_INVALID;
    }
    *v_r = mapi_eid((uint16_t) part[0], part[1]);
    return PH_OK;
}

/* One line of at most CTL_MAX_LINE bytes; the line end is not part of it. */
static int ctl_read_line(ctl_t *c, ph_str_t *line_r)
{
    char  buf[CTL_MAX_LINE + 2];

    if (fgets(buf, sizeof(buf), stdin) == NULL) {
        return ctl_error(c, CTL_USAGE, "no password on the standard input");
    }
    *line_r = ph_pstrdup(c->pool, (ph_str_t) {
        strcspn(buf, "\r\n"), (const uint8_t *) buf });
    if (line_r->len > CTL_MAX_LINE) {
        return ctl_error(c, CTL_USAGE, "the password is too long");
    }
    explicit_bzero(buf, sizeof(buf));
    return line_r->data == NULL ? ctl_error(c, CTL_FAILED, "out of memory")
                                : CTL_OK;
}

int ctl_read_password(ctl_t *c, ph_str_t *password_r)
{
    struct termios  saved, quiet;
    ph_str_t        again = ph_str_null;
    int             rc;

    if (ctl_option(c, "stdin") != NULL) {
        return ctl_read_line(c, password_r);
    }
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0) {
        return ctl_error(c, CTL_USAGE,
                         "the standard input is not a terminal; use --stdin");
    }

    quiet = saved;
    quiet.c_lflag &= ~(tcflag_t) ECHO;
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);

    fprintf(stderr, "Password: ");
    rc = ctl_read_line(c, password_r);
    if (rc == CTL_OK) {
        fprintf(stderr, "\nAgain: ");
        rc = ctl_read_line(c, &again);
    }
    fprintf(stderr, "\n");
    (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);

    if (rc == CTL_OK && !ph_str_eq(*password_r, again)) {
        return ctl_error(c, CTL_USAGE, "the two passwords differ");
    }
    return rc;
}
