#include "ph_daemon.h"
#include "ph_pool.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
    uv_work_t    req;
    ph_work_pt   fn;
    ph_work_pt   done;
    void        *data;
} ph_work_t;

static void
ph_work_run(uv_work_t *req)
{
    ph_work_t  *work;

    work = req->data;
    work->fn(work->data);
}

static void
ph_work_done(uv_work_t *req, int status)
{
    ph_work_t  *work;

    (void) status;      /* nothing here is ever cancelled */

    work = req->data;

    if (work->done != NULL) {
        work->done(work->data);
    }

    free(work);
}

ph_int_t
ph_work(uv_loop_t *loop, ph_work_pt fn, ph_work_pt done, void *data)
{
    ph_work_t  *work;

    work = ph_malloc(sizeof(*work));
    if (work == NULL) {
        return PH_NOMEM;
    }

    work->req.data = work;
    work->fn = fn;
    work->done = done;
    work->data = data;

    if (uv_queue_work(loop, &work->req, ph_work_run, ph_work_done) != 0) {
        free(work);
        return PH_ERROR;
    }

    return PH_OK;
}

typedef struct ph_post_item_s  ph_post_item_t;

struct ph_post_item_s {
    ph_post_item_t  *next;
    ph_work_pt       fn;
    void            *data;
};

struct ph_post_s {
    uv_async_t         async;
    pthread_mutex_t    lock;
    ph_post_item_t    *first;
    ph_post_item_t   **last;
};

static void
ph_post_run(ph_post_t *post)
{
    ph_post_item_t  *item, *next;

    (void) pthread_mutex_lock(&post->lock);
    item = post->first;
    post->first = NULL;
    post->last = &post->first;
    (void) pthread_mutex_unlock(&post->lock);

    for ( ; item != NULL; item = next) {
        next = item->next;
        item->fn(item->data);
        free(item);
    }
}

static void
ph_post_wake(uv_async_t *async)
{
    ph_post_run(async->data);
}

ph_int_t
ph_post_create(uv_loop_t *loop, ph_post_t **post_r)
{
    ph_post_t  *post;

    post = ph_calloc(1, sizeof(*post));
    if (post == NULL) {
        return PH_NOMEM;
    }

    if (uv_async_init(loop, &post->async, ph_post_wake) != 0) {
        free(post);
        return PH_ERROR;
    }

    uv_unref((uv_handle_t *) &post->async);
    (void) pthread_mutex_init(&post->lock, NULL);
    post->last = &post->first;
    post->async.data = post;

    *post_r = post;

    return PH_OK;
}

static void
ph_post_closed(uv_handle_t *handle)
{
    ph_post_t  *post;

    post = handle->data;

    /* a call that was made by another one, from the last round */

    ph_post_run(post);
    (void) pthread_mutex_destroy(&post->lock);
    free(post);
}

void
ph_post_destroy(ph_post_t **post)
{
    ph_post_t  *p;

    p = *post;
    if (p == NULL) {
        return;
    }

    *post = NULL;

    ph_post_run(p);
    uv_close((uv_handle_t *) &p->async, ph_post_closed);
}

ph_int_t
ph_post(ph_post_t *post, ph_work_pt fn, void *data)
{
    ph_post_item_t  *item;

    item = ph_malloc(sizeof(*item));
    if (item == NULL) {
        return PH_NOMEM;
    }

    item->next = NULL;
    item->fn = fn;
    item->data = data;

    (void) pthread_mutex_lock(&post->lock);
    *post->last = item;
    post->last = &item->next;
    (void) pthread_mutex_unlock(&post->lock);

    (void) uv_async_send(&post->async);

    return PH_OK;
}
