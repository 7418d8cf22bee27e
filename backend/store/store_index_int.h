/* What the files about the full-text index share. */

#ifndef STORE_INDEX_INT_H
#define STORE_INDEX_INT_H

#include "store_message_int.h"
#include "store_index.h"

#define STORE_INDEX_COLUMNS  4
#define STORE_GRAM_CHARS     3
#define STORE_GRAM_WIDE      0x0E00    /* from here on two letters say enough */

/* subject, body, people, files: the columns of the table */
enum {
    STORE_INDEX_SUBJECT, STORE_INDEX_BODY, STORE_INDEX_PEOPLE,
    STORE_INDEX_FILES
};

struct store_index_s {
    pthread_mutex_t  mutex;       /* of all that follows */
    sqlite3         *db;          /* NULL: closed */
    sqlite3_stmt    *add_doc;
    sqlite3_stmt    *del_doc;
    sqlite3_stmt    *add_text;
    sqlite3_stmt    *find_doc;
    sqlite3_stmt    *set_seen;
    uint64_t         seen;        /* as of the last step */
    uint64_t         deadline;    /* ms; of the query that runs */
};

/* The tokenizer "posthorn" for this connection (store_index_token.c). */
ph_int_t store_index_tokenizer(sqlite3 *db);

/* ---- folding (store_index_fold.c) ---- */
/*
 * Code points of a text, folded letter by letter: without case, accents and
 * compatibility forms.  If a text contains another one under any fuzzy level of
 * MS-OXCDATA 2.12.4, so do their folded forms.  malloc'ed; PH_NOMEM.
 */
ph_int_t store_index_fold(ph_str_t text, uint32_t **cp_r, uint32_t *n_r);

/*
 * The words of a text, folded, as ICU finds them (also where no spaces are).
 * fn gets UTF-8; anything but 0 ends it with that result.  PH_NOMEM.
 */
typedef int (*store_word_pt)(void *data, const char *word, int len);
ph_int_t store_index_each_word(ph_str_t text, store_word_pt fn, void *data,
    int *result_r);

/* ---- what is indexed of a message (store_index_text.c) ---- */
typedef struct {
    ph_str_t  column[STORE_INDEX_COLUMNS];
    bool      partial;          /* there is more of it */
} store_index_text_t;
ph_int_t store_index_text(store_conn_t *conn, const store_mrow_t *row,
    ph_pool_t *pool, store_index_text_t *t_r);

/* ---- queries (store_index_query.c) ---- */
/* An expression that a document with this text in a column matches; false:
 * the text is too short for one. */
bool store_index_expression(ph_wbuf_t *b, int column, ph_str_t text);
/* The open index; its mutex is held.  PH_DECLINED: there is none. */
ph_int_t store_index_lock(store_conn_t *conn);
void store_index_unlock(store_conn_t *conn);

#endif
