/*
 * The tokenizer of the index.  A document gives two kinds of tokens:
 *
 *     w WORD      the words that ICU finds, folded
 *     g ABC       every three letters in a row, for searches inside of words;
 *     h AB        of two when one of them is not of an alphabet with cases
 *
 * In a query a string is one token, made by the caller (store_index_query.c).
 */

#include "store_index_int.h"

#include <stdlib.h>
#include <unicode/utf8.h>

#define TOKEN_RECENT  4096       /* grams that need not be told again */

typedef int (*token_pt)(void *ctx, int flags, const char *token, int len,
    int start, int end);

typedef struct {
    void      *ctx;
    token_pt   fn;
    uint64_t   recent[TOKEN_RECENT];
} token_run_t;

static int
token_create(void *ctx, const char **args, int n, Fts5Tokenizer **t_r)
{
    (void) ctx;
    (void) args;
    (void) n;
    /* it has no state; the pointer must not be NULL */
    *t_r = malloc(1);

    return *t_r ? SQLITE_OK : SQLITE_NOMEM;
}

static void
token_delete(Fts5Tokenizer *t)
{
    free(t);
}

static int
token_word(void *data, const char *word, int len)
{
    char          token[80];
    token_run_t  *run = data;

    token[0] = 'w';
    memcpy(token + 1, word, (size_t) len);

    return run->fn(run->ctx, 0, token, len + 1, 0, 0);
}

static int
token_gram(token_run_t *run, char kind, const uint32_t *cp, unsigned n)
{
    char       token[16];
    int32_t    len;
    unsigned   i;
    uint64_t   key, slot;

    key = (uint64_t) (uint8_t) kind;
    for (i = 0; i < n; i++) {
        key = key << 21 ^ cp[i];
    }
    slot = key * 0x9E3779B97F4A7C15ull >> 52;
    if (run->recent[slot] == key) {
        return SQLITE_OK;
    }
    run->recent[slot] = key;

    len = 0;
    token[len++] = kind;
    for (i = 0; i < n; i++) {
        U8_APPEND_UNSAFE(token, len, (UChar32) cp[i]);
    }

    return run->fn(run->ctx, 0, token, len, 0, 0);
}

static int
token_grams(token_run_t *run, ph_str_t text)
{
    int        rc;
    uint32_t  *cp, n, i;

    if (store_index_fold(text, &cp, &n) != PH_OK) {
        return SQLITE_NOMEM;
    }
    rc = SQLITE_OK;
    for (i = 0; rc == SQLITE_OK && i + 1 < n; i++) {
        if (cp[i] >= STORE_GRAM_WIDE || cp[i + 1] >= STORE_GRAM_WIDE) {
            rc = token_gram(run, 'h', cp + i, 2);
        }
        if (rc == SQLITE_OK && i + 2 < n) {
            rc = token_gram(run, 'g', cp + i, STORE_GRAM_CHARS);
        }
    }
    free(cp);

    return rc;
}

static int
token_run(Fts5Tokenizer *t, void *ctx, int flags, const char *text, int len,
    token_pt fn)
{
    int           rc;
    ph_str_t      s;
    ph_int_t      result;
    token_run_t  *run;

    (void) t;
    if (len <= 0) {
        return SQLITE_OK;
    }
    if (flags & FTS5_TOKENIZE_QUERY) {
        return fn(ctx, 0, text, len, 0, len);
    }

    run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return SQLITE_NOMEM;
    }
    run->ctx = ctx;
    run->fn = fn;
    s.data = (const uint8_t *) text;
    s.len = (size_t) len;
    rc = SQLITE_OK;
    result = store_index_each_word(s, token_word, run, &rc);
    if (result != PH_OK) {
        rc = SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK) {
        rc = token_grams(run, s);
    }
    free(run);

    return rc;
}

ph_int_t
store_index_tokenizer(sqlite3 *db)
{
    int              rc;
    fts5_api        *api;
    sqlite3_stmt    *s;
    fts5_tokenizer   t = { token_create, token_delete, token_run };

    api = NULL;
    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &s, NULL)
        != SQLITE_OK)
    {
        return PH_ERROR;
    }
    sqlite3_bind_pointer(s, 1, &api, "fts5_api_ptr", NULL);
    (void) sqlite3_step(s);
    sqlite3_finalize(s);
    if (api == NULL || api->iVersion < 2) {
        return PH_ERROR;
    }
    rc = api->xCreateTokenizer(api, "posthorn", NULL, &t, NULL);

    return rc == SQLITE_OK ? PH_OK : PH_NOMEM;
}
