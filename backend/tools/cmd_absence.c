/* phctl oof, phctl resource */

#include "gen/exmdb.h"
#include "tools/ctl.h"

#include <time.h>

#define ABSENCE_UNIX_EPOCH  11644473600ull    /* seconds since 1601 */

static const char *const  oof_states[] = { "off", "on", "scheduled" };
static const char *const  oof_audiences[] = { "nobody", "contacts", "all" };
static const char *const  resource_kinds[] = { "none", "room", "equipment" };

/* the number of a word; -1 */
static int
absence_word(const char *const *words, size_t n, const char *word)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0) {
            return (int) i;
        }
    }

    return -1;
}

/* "2026-12-24T18:00:00Z" -> FILETIME */
static ph_int_t
absence_time(const char *s, uint64_t *time_r)
{
    time_t       t;
    struct tm    tm;
    const char  *end;

    memset(&tm, 0, sizeof(tm));
    end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != '\0') {
        return PH_INVALID;
    }

    t = timegm(&tm);
    if (t < 0) {
        return PH_INVALID;
    }

    *time_r = ((uint64_t) t + ABSENCE_UNIX_EPOCH) * 10000000u;

    return PH_OK;
}

static int
oof_get(ctl_t *c, exmdb_oof_show_answer_t *ans)
{
    exmdb_oof_show_request_t  req = { 0 };
    int                       rc;

    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_OOF_SHOW, exmdb_oof_show, &req, ans, rc);
    return rc;
}

static int
oof_show(ctl_t *c)
{
    const exmdb_oof_t        *o;
    exmdb_oof_show_answer_t   ans;
    int                       rc;

    rc = oof_get(c, &ans);
    if (rc != CTL_OK) {
        return rc;
    }
    o = &ans.settings;

    return ctl_output(c, json_pack(
        "{s:s, s:b, s:o, s:o, s:s, s:o, s:o, s:o, s:o}",
        "state", oof_states[ph_min(o->state, 2)],
        "active", (int) ans.active,
        "start", ctl_json_time(o->start),
        "end", ctl_json_time(o->end),
        "audience", oof_audiences[ph_min(o->audience, 2)],
        "internal_subject", ctl_json_str(o->internal_subject),
        "internal_text", ctl_json_str(o->internal_text),
        "external_subject", ctl_json_str(o->external_subject),
        "external_text", ctl_json_str(o->external_text)), "");
}

static void
oof_text(ctl_t *c, const char *option, ph_str_t *to)
{
    const char  *v = ctl_option(c, option);

    if (v != NULL) {
        *to = ph_str_c(v);
    }
}

/* What is not named stays as it is. */
static int
oof_set(ctl_t *c)
{
    exmdb_oof_set_request_t   req = { 0 };
    exmdb_oof_set_answer_t    ans;
    exmdb_oof_show_answer_t   old;
    const char               *v;
    int                       n, rc;

    rc = oof_get(c, &old);
    if (rc != CTL_OK) {
        return rc;
    }
    req.mailbox = ctl_arg(c, 0);
    req.settings = old.settings;

    if ((v = ctl_option(c, "state")) != NULL) {
        n = absence_word(oof_states, ph_nelts(oof_states), v);
        if (n < 0) {
            return ctl_error(c, CTL_USAGE,
                             "--state is off, on or scheduled");
        }
        req.settings.state = (uint8_t) n;
    }
    if ((v = ctl_option(c, "audience")) != NULL) {
        n = absence_word(oof_audiences, ph_nelts(oof_audiences), v);
        if (n < 0) {
            return ctl_error(c, CTL_USAGE,
                             "--audience is nobody, contacts or all");
        }
        req.settings.audience = (uint8_t) n;
    }
    if (((v = ctl_option(c, "start")) != NULL
         && absence_time(v, &req.settings.start) != PH_OK)
        || ((v = ctl_option(c, "end")) != NULL
            && absence_time(v, &req.settings.end) != PH_OK))
    {
        return ctl_error(c, CTL_USAGE,
                         "a time is like 2026-12-24T18:00:00Z");
    }

    oof_text(c, "internal-subject", &req.settings.internal_subject);
    oof_text(c, "internal", &req.settings.internal_text);
    oof_text(c, "external-subject", &req.settings.external_subject);
    oof_text(c, "external", &req.settings.external_text);

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_OOF_SET, exmdb_oof_set, &req, &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

static int
resource_get(ctl_t *c, exmdb_resource_show_answer_t *ans)
{
    exmdb_resource_show_request_t  req = { 0 };
    int                            rc;

    req.mailbox = ctl_arg(c, 0);
    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_RESOURCE_SHOW, exmdb_resource_show, &req,
            ans, rc);
    return rc;
}

static int
resource_show(ctl_t *c)
{
    const exmdb_resource_t        *r;
    exmdb_resource_show_answer_t   ans;
    int                            rc;

    rc = resource_get(c, &ans);
    if (rc != CTL_OK) {
        return rc;
    }
    r = &ans.settings;

    return ctl_output(c, json_pack("{s:s, s:b, s:b, s:b, s:i, s:i, s:i}",
        "kind", resource_kinds[ph_min(r->kind, 2)],
        "recurring", (int) r->recurring,
        "conflicts", (int) r->conflicts,
        "keep_details", (int) r->keep,
        "window_days", (int) r->window,
        "longest_minutes", (int) r->longest,
        "skip_percent", (int) r->skip), "");
}

/* CTL_OK, or told */
static int
resource_number(ctl_t *c, const char *option, uint64_t max, uint64_t *to)
{
    const char  *v = ctl_option(c, option);

    if (v != NULL && (ph_str_u64(ph_str_c(v), to) != PH_OK || *to > max)) {
        return ctl_error(c, CTL_USAGE, "--%s needs a number up to %u", option,
                         (unsigned) max);
    }

    return CTL_OK;
}

/* CTL_OK, or told */
static int
resource_yes(ctl_t *c, const char *option, uint8_t *to)
{
    const char  *v = ctl_option(c, option);

    if (v == NULL) {
        return CTL_OK;
    }
    if (strcmp(v, "yes") != 0 && strcmp(v, "no") != 0) {
        return ctl_error(c, CTL_USAGE, "--%s is yes or no", option);
    }
    *to = strcmp(v, "yes") == 0;

    return CTL_OK;
}

static int
resource_set(ctl_t *c)
{
    exmdb_resource_set_request_t   req = { 0 };
    exmdb_resource_set_answer_t    ans;
    exmdb_resource_show_answer_t   old;
    uint64_t                       window, longest, skip;
    const char                    *v;
    int                            n, rc;

    rc = resource_get(c, &old);
    if (rc != CTL_OK) {
        return rc;
    }
    req.mailbox = ctl_arg(c, 0);
    req.settings = old.settings;
    window = old.settings.window;
    longest = old.settings.longest;
    skip = old.settings.skip;

    if ((v = ctl_option(c, "kind")) != NULL) {
        n = absence_word(resource_kinds, ph_nelts(resource_kinds), v);
        if (n < 0) {
            return ctl_error(c, CTL_USAGE,
                             "--kind is none, room or equipment");
        }
        req.settings.kind = (uint8_t) n;
    }

    if ((rc = resource_yes(c, "recurring", &req.settings.recurring)) != CTL_OK
        || (rc = resource_yes(c, "conflicts", &req.settings.conflicts))
           != CTL_OK
        || (rc = resource_yes(c, "keep-details", &req.settings.keep))
           != CTL_OK
        || (rc = resource_number(c, "window", 36500, &window)) != CTL_OK
        || (rc = resource_number(c, "longest", 525600, &longest)) != CTL_OK
        || (rc = resource_number(c, "skip", 100, &skip)) != CTL_OK)
    {
        return rc;
    }
    req.settings.window = (uint32_t) window;
    req.settings.longest = (uint32_t) longest;
    req.settings.skip = (uint8_t) skip;

    CTL_RPC(c, CTL_EXMDB, EXMDB_OP_RESOURCE_SET, exmdb_resource_set, &req,
            &ans, rc);
    return rc == CTL_OK ? ctl_output(c, NULL, "") : rc;
}

const ctl_command_t ctl_absence_commands[] = {
    { "oof", "show", "ADDRESS", "", 1, 1, "whether and how absence is told",
      oof_show },
    { "oof", "set", "ADDRESS", "state: audience: start: end: internal: "
      "internal-subject: external: external-subject:", 1, 1,
      "tell senders of somebody's absence", oof_set },
    { "resource", "show", "ADDRESS", "", 1, 1,
      "how a room or equipment answers requests", resource_show },
    { "resource", "set", "ADDRESS", "kind: recurring: conflicts: "
      "keep-details: window: longest: skip:", 1, 1,
      "make a mailbox a room or equipment", resource_set },
    { 0 }
};
