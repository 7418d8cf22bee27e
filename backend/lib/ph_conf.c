/*
 * Every scalar is read by libConfuse as a string and checked here by its
 * declared type at the moment when its line is parsed, so that all errors look
 * alike and name their line.
 *
 * Comments are blanked before libConfuse sees the text, because it counts lines
 * wrong behind them; on the way it is checked that all braces are closed, which
 * it does not notice at the end of the file.
 */

#include "ph_conf.h"
#include "ph_pool.h"
#include "ph_str.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if __has_include("ph_config.h")
#include "ph_config.h"
#endif

#ifndef PH_PREFIX
#define PH_PREFIX  "/opt/posthorn"
#endif

static const ph_option_t  ph_options[] = {
#define PH_OPT(section, name, type, def, doc)                                  \
    { #section, #name, PH_OPT_##type, def, doc },
#include "ph_options.h"
#undef PH_OPT
};

#define PH_OPTIONS   ph_nelts(ph_options)
#define PH_CONF_MAX  (1u << 20)

static const char *const  ph_conf_sections[] = {
    "main", "log", "directory", "exmdb", "delivery"
};

typedef struct {
    const char         *str;
    int64_t             num;
    size_t              n;
    const char *const  *list;
    int                 line;      /* 0: default */
} ph_conf_value_t;

struct ph_conf_s {
    const char       *path;
    const char       *prefix;
    ph_pool_t        *pool;
    const char       *error;
    ph_conf_value_t   values[PH_OPTIONS];
};

/* libConfuse's callbacks have no argument of the caller's */
static __thread ph_conf_t  *ph_conf_loading;

const ph_option_t *
ph_conf_options(size_t *n_r)
{
    *n_r = PH_OPTIONS;

    return ph_options;
}

static size_t
ph_conf_index(const char *section, const char *name)
{
    size_t  i;

    for (i = 0; i < PH_OPTIONS; i++) {
        if (strcmp(ph_options[i].name, name) == 0
            && strcmp(ph_options[i].section, section) == 0)
        {
            break;
        }
    }

    return i;
}

static void
ph_conf_error(cfg_t *cfg, const char *fmt, va_list args)
{
    char        text[512];
    ph_conf_t  *conf;

    conf = ph_conf_loading;

    if (conf->error != NULL) {
        return;         /* the first is the cause */
    }

    (void) vsnprintf(text, sizeof(text), fmt, args);

    conf->error = ph_psprintf(conf->pool, "%s:%d: %s", conf->path, cfg->line,
                              text);

    if (conf->error == NULL) {
        conf->error = "out of memory";
    }
}

/* [+-]digits and one of the units, "" among them; false: not of that form */
static bool
ph_conf_number(const char *text, const char *const *units,
    const int64_t *factors, int64_t *num_r)
{
    char     *end;
    size_t    i;
    int64_t   num;

    errno = 0;
    num = strtoll(text, &end, 10);

    if (end == text || errno != 0 || (uint8_t) text[0] <= ' ') {
        return false;
    }

    for (i = 0; units[i] != NULL; i++) {
        if (strcmp(end, units[i]) == 0) {
            return !ph_mul_overflow(num, factors[i], num_r);
        }
    }

    return false;
}

/* NULL when text is a value of that type, else what is expected */
static const char *
ph_conf_parse(ph_opt_type_t type, const char *text, int64_t *num_r)
{
    static const char *const  none[] = { "", NULL };
    static const char *const  sizes[] = { "", "k", "m", "g", "K", "M", "G",
                                          NULL };
    static const char *const  times[] = { "ms", "s", "m", "h", "d", "", NULL };
    static const int64_t      one[] = { 1 };
    static const int64_t      size_factors[] = {
        1, 1 << 10, 1 << 20, 1 << 30, 1 << 10, 1 << 20, 1 << 30
    };
    static const int64_t      time_factors[] = {
        1, 1000, 60000, 3600000, 86400000, 1000
    };

    switch (type) {

    case PH_OPT_INT:
        return ph_conf_number(text, none, one, num_r) ? NULL : "a number";

    case PH_OPT_SIZE:
        return ph_conf_number(text, sizes, size_factors, num_r) && *num_r >= 0
               ? NULL : "a size like 512k, 64m or 1g";

    case PH_OPT_TIME:
        return ph_conf_number(text, times, time_factors, num_r) && *num_r >= 0
               ? NULL : "a time like 500ms, 30s, 5m, 2h or 1d";

    case PH_OPT_BOOL:
        if (strcmp(text, "yes") == 0 || strcmp(text, "true") == 0
            || strcmp(text, "on") == 0 || strcmp(text, "1") == 0)
        {
            *num_r = 1;
            return NULL;
        }

        if (strcmp(text, "no") == 0 || strcmp(text, "false") == 0
            || strcmp(text, "off") == 0 || strcmp(text, "0") == 0)
        {
            *num_r = 0;
            return NULL;
        }

        return "yes or no";

    default:
        *num_r = 0;
        return NULL;
    }
}

/* called by libConfuse when it has read a value */
static int
ph_conf_validate(cfg_t *cfg, cfg_opt_t *opt)
{
    size_t       i;
    int64_t      num;
    ph_conf_t   *conf;
    const char  *text, *want;

    conf = ph_conf_loading;

    i = ph_conf_index(cfg->name, opt->name);
    if (i == PH_OPTIONS) {
        return 0;
    }

    conf->values[i].line = cfg->line;

    if (ph_options[i].type == PH_OPT_LIST) {
        return 0;
    }

    text = cfg_opt_getnstr(opt, 0);
    want = ph_conf_parse(ph_options[i].type, text != NULL ? text : "", &num);

    if (want != NULL) {
        cfg_error(cfg, "%s.%s: \"%s\" is not %s", cfg->name, opt->name,
                  text != NULL ? text : "", want);
        return -1;
    }

    return 0;
}

static const char *
ph_conf_expand(ph_conf_t *conf, const char *text)
{
    size_t       n, size;
    char        *out, *p;
    const char  *from, *mark;

    for (n = 0, mark = text; (mark = strstr(mark, "%p")) != NULL; mark += 2) {
        n++;
    }

    size = strlen(text) + n * strlen(conf->prefix) + 1;

    out = ph_palloc(conf->pool, size);
    if (out == NULL) {
        return NULL;
    }

    p = out;
    from = text;

    while ((mark = strstr(from, "%p")) != NULL) {
        memcpy(p, from, (size_t) (mark - from));
        p += mark - from;
        memcpy(p, conf->prefix, strlen(conf->prefix));
        p += strlen(conf->prefix);
        from = mark + 2;
    }

    memcpy(p, from, strlen(from) + 1);

    return out;
}

/* a LIST's default: words */
static ph_int_t
ph_conf_words(ph_conf_t *conf, ph_conf_value_t *v, const char *def)
{
    char         *p, *save;
    const char  **list;

    list = ph_pcalloc_array(conf->pool, strlen(def) / 2 + 2, sizeof(*list));
    p = ph_pcstr(conf->pool, def);

    if (list == NULL || p == NULL) {
        return PH_NOMEM;
    }

    for (p = strtok_r(p, " ,", &save); p != NULL;
         p = strtok_r(NULL, " ,", &save))
    {
        list[v->n] = ph_conf_expand(conf, p);

        if (list[v->n++] == NULL) {
            return PH_NOMEM;
        }
    }

    v->list = list;

    return PH_OK;
}

static ph_int_t
ph_conf_take_list(ph_conf_t *conf, cfg_opt_t *opt, ph_conf_value_t *v)
{
    size_t        i;
    const char  **list;

    v->n = cfg_opt_size(opt);

    list = ph_pcalloc_array(conf->pool, v->n + 1, sizeof(*list));
    if (list == NULL) {
        return PH_NOMEM;
    }

    for (i = 0; i < v->n; i++) {
        list[i] = ph_conf_expand(conf, cfg_opt_getnstr(opt, (unsigned) i));

        if (list[i] == NULL) {
            return PH_NOMEM;
        }
    }

    v->list = list;

    return PH_OK;
}

/* copies the value of one option out of libConfuse's tree */
static ph_int_t
ph_conf_take(ph_conf_t *conf, cfg_t *cfg, size_t i)
{
    cfg_t              *sec;
    cfg_opt_t          *opt;
    const char         *text;
    ph_conf_value_t    *v;
    const ph_option_t  *o;

    o = &ph_options[i];
    v = &conf->values[i];

    sec = cfg_getsec(cfg, o->section);
    opt = sec != NULL ? cfg_getopt(sec, o->name) : NULL;

    if (opt == NULL) {
        return PH_ERROR;
    }

    if (o->type == PH_OPT_LIST) {
        return (opt->flags & CFGF_MODIFIED)
               ? ph_conf_take_list(conf, opt, v)
               : ph_conf_words(conf, v, o->def);
    }

    text = cfg_opt_size(opt) != 0 ? cfg_opt_getnstr(opt, 0) : o->def;

    v->str = ph_conf_expand(conf, text != NULL ? text : o->def);
    if (v->str == NULL) {
        return PH_NOMEM;
    }

    return ph_conf_parse(o->type, v->str, &v->num) == NULL ? PH_OK : PH_INVALID;
}

/* cfg_opt_t arrays for each section and one for the file, ended by CFG_END */
static cfg_opt_t *
ph_conf_tree(ph_pool_t *pool)
{
    size_t      i, n, s;
    cfg_opt_t  *top, *opts;

    top = ph_pcalloc_array(pool, ph_nelts(ph_conf_sections) + 1, sizeof(*top));
    if (top == NULL) {
        return NULL;
    }

    for (s = 0; s < ph_nelts(ph_conf_sections); s++) {

        opts = ph_pcalloc_array(pool, PH_OPTIONS + 1, sizeof(*opts));
        if (opts == NULL) {
            return NULL;
        }

        for (i = 0, n = 0; i < PH_OPTIONS; i++) {

            if (strcmp(ph_options[i].section, ph_conf_sections[s]) != 0) {
                continue;
            }

            if (ph_options[i].type == PH_OPT_LIST) {
                opts[n] = (cfg_opt_t) CFG_STR_LIST(ph_options[i].name, NULL,
                                                   CFGF_NODEFAULT);

            } else {
                opts[n] = (cfg_opt_t) CFG_STR(ph_options[i].name,
                                              ph_options[i].def, CFGF_NONE);
            }

            opts[n++].validcb = ph_conf_validate;
        }

        opts[n] = (cfg_opt_t) CFG_END();
        top[s] = (cfg_opt_t) CFG_SEC(ph_conf_sections[s], opts, CFGF_NONE);
    }

    top[s] = (cfg_opt_t) CFG_END();

    return top;
}

static ph_int_t
ph_conf_slurp(ph_conf_t *conf, char **text_r, size_t *len_r)
{
    int       fd;
    char     *text;
    size_t    len;
    ssize_t   n;

    fd = open(conf->path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        goto failed;
    }

    text = ph_palloc(conf->pool, PH_CONF_MAX + 1);
    if (text == NULL) {
        (void) close(fd);
        return PH_NOMEM;
    }

    len = 0;

    do {
        n = read(fd, text + len, PH_CONF_MAX - len);
        len += n > 0 ? (size_t) n : 0;
    } while (n > 0 && len < PH_CONF_MAX);

    if (n != 0) {
        errno = n > 0 ? EFBIG : errno;
        (void) close(fd);
        goto failed;
    }

    (void) close(fd);

    text[len] = '\0';
    *text_r = text;
    *len_r = len;

    return PH_OK;

failed:

    conf->error = ph_psprintf(conf->pool, "%s: %s", conf->path,
                              strerror(errno));
    return PH_INVALID;
}

/* blanks comments, which begin where a word could; checks braces and quotes */
static ph_int_t
ph_conf_blank(ph_conf_t *conf, char *text, size_t len)
{
    int          line, depth, opened;
    char         quote;
    bool         fresh;
    size_t       i;
    const char  *what;
    enum { sw_plain, sw_quote, sw_line, sw_block } state;

    state = sw_plain;
    line = 1;
    depth = 0;
    opened = 1;
    quote = '\0';
    fresh = true;

    for (i = 0; i < len; i++) {

        if (text[i] == '\0') {
            text[i] = '?';
        }

        switch (state) {

        case sw_plain:
            if (text[i] == '"' || text[i] == '\'') {
                state = sw_quote;
                quote = text[i];
                opened = line;

            } else if (fresh && (text[i] == '#'
                                 || (text[i] == '/' && text[i + 1] == '/')))
            {
                state = sw_line;
                text[i] = ' ';

            } else if (fresh && text[i] == '/' && text[i + 1] == '*') {
                state = sw_block;
                opened = line;
                text[i++] = ' ';
                text[i] = ' ';

            } else if (text[i] == '{') {
                opened = depth++ == 0 ? line : opened;

            } else if (text[i] == '}') {
                depth--;
            }

            fresh = strchr(" \t\r\n{}=,()", text[i]) != NULL;
            break;

        case sw_quote:
            if (text[i] == '\\' && i + 1 < len && text[i + 1] != '\n') {
                i++;

            } else if (text[i] == quote) {
                state = sw_plain;
            }

            break;

        case sw_line:
            if (text[i] == '\n') {
                state = sw_plain;
                fresh = true;

            } else {
                text[i] = ' ';
            }

            break;

        case sw_block:
            if (text[i] == '*' && text[i + 1] == '/') {
                state = sw_plain;
                text[i++] = ' ';
                text[i] = ' ';

            } else if (text[i] != '\n') {
                text[i] = ' ';
            }

            break;
        }

        line += text[i] == '\n';
    }

    what = state == sw_quote ? "string" : state == sw_block ? "comment"
           : depth > 0 ? "\"{\"" : NULL;

    if (what == NULL) {
        return PH_OK;
    }

    conf->error = ph_psprintf(conf->pool, "%s:%d: %s that is not closed",
                              conf->path, opened, what);
    return PH_INVALID;
}

static ph_int_t
ph_conf_read(ph_conf_t *conf)
{
    int         rc;
    char       *text;
    cfg_t      *cfg;
    size_t      i, len;
    cfg_opt_t  *tree;
    ph_int_t    status;

    status = ph_conf_slurp(conf, &text, &len);

    if (status == PH_OK) {
        status = ph_conf_blank(conf, text, len);
    }

    if (status != PH_OK) {
        return status;
    }

    tree = ph_conf_tree(conf->pool);
    cfg = tree != NULL ? cfg_init(tree, CFGF_NONE) : NULL;

    if (cfg == NULL) {
        return PH_NOMEM;
    }

    (void) cfg_set_error_function(cfg, ph_conf_error);

    rc = cfg_parse_buf(cfg, text);
    ph_pfree(conf->pool, text, PH_CONF_MAX + 1);

    if (rc != CFG_SUCCESS) {
        if (conf->error == NULL) {
            conf->error = ph_psprintf(conf->pool, "%s: syntax error",
                                      conf->path);
        }

        cfg_free(cfg);
        return PH_INVALID;
    }

    /* the prefix first: the others are expanded with it */

    conf->prefix = PH_PREFIX;
    i = ph_conf_index("main", "prefix");
    status = ph_conf_take(conf, cfg, i);

    if (status == PH_OK) {
        conf->prefix = conf->values[i].str;
    }

    for (i = 0; status == PH_OK && i < PH_OPTIONS; i++) {
        if (strcmp(ph_options[i].section, "main") != 0
            || strcmp(ph_options[i].name, "prefix") != 0)
        {
            status = ph_conf_take(conf, cfg, i);
        }

        if (status == PH_INVALID) {
            conf->error = ph_psprintf(conf->pool,
                                      "default of %s.%s is not of its type",
                                      ph_options[i].section,
                                      ph_options[i].name);
        }
    }

    cfg_free(cfg);

    return status;
}

ph_int_t
ph_conf_load(ph_pool_t *pool, const char *path, ph_conf_t **conf_r,
    const char **err_r)
{
    ph_int_t    rc;
    ph_conf_t  *conf;

    *err_r = "out of memory";

    conf = ph_pcalloc(pool, sizeof(*conf));
    if (conf == NULL) {
        return PH_NOMEM;
    }

    conf->pool = pool;
    conf->path = ph_pcstr(pool, path);

    if (conf->path == NULL) {
        return PH_NOMEM;
    }

    ph_conf_loading = conf;
    rc = ph_conf_read(conf);
    ph_conf_loading = NULL;

    if (rc != PH_OK) {
        if (conf->error != NULL) {
            *err_r = conf->error;
        }

        return rc;
    }

    *err_r = NULL;
    *conf_r = conf;

    return PH_OK;
}

bool
ph_conf_has(const char *section, const char *name)
{
    return ph_conf_index(section, name) != PH_OPTIONS;
}

/* aborts when the option is not declared with one of the types (a bit mask) */
static const ph_conf_value_t *
ph_conf_get(const ph_conf_t *conf, const char *section, const char *name,
    unsigned types)
{
    size_t  i;

    i = ph_conf_index(section, name);

    if (i == PH_OPTIONS || (types & 1u << ph_options[i].type) == 0) {
        fprintf(stderr, "option %s.%s is not declared with that type\n",
                section, name);
        abort();
    }

    return &conf->values[i];
}

const char *
ph_conf_str(const ph_conf_t *conf, const char *section, const char *name)
{
    return ph_conf_get(conf, section, name, 1u << PH_OPT_STR)->str;
}

int64_t
ph_conf_int(const ph_conf_t *conf, const char *section, const char *name)
{
    return ph_conf_get(conf, section, name,
                       1u << PH_OPT_INT | 1u << PH_OPT_SIZE
                       | 1u << PH_OPT_TIME)->num;
}

bool
ph_conf_bool(const ph_conf_t *conf, const char *section, const char *name)
{
    return ph_conf_get(conf, section, name, 1u << PH_OPT_BOOL)->num != 0;
}

size_t
ph_conf_list(const ph_conf_t *conf, const char *section, const char *name,
    const char *const **list_r)
{
    const ph_conf_value_t  *v;

    v = ph_conf_get(conf, section, name, 1u << PH_OPT_LIST);

    *list_r = v->list;

    return v->n;
}

const char *
ph_conf_where(const ph_conf_t *conf, ph_pool_t *pool, const char *section,
    const char *name)
{
    size_t       i;
    const char  *where;

    i = ph_conf_index(section, name);

    if (i == PH_OPTIONS || conf->values[i].line == 0) {
        where = ph_psprintf(pool, "%s: %s.%s", conf->path, section, name);

    } else {
        where = ph_psprintf(pool, "%s:%d: %s.%s", conf->path,
                            conf->values[i].line, section, name);
    }

    return where != NULL ? where : conf->path;
}
