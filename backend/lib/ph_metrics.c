/*
 * The registry is one list that only grows; a metric is found there at its
 * registration and used by pointer afterwards, without any lock.
 */

#include "ph_metrics.h"
#include "ph_buf.h"
#include "ph_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PH_METRICS_TEXT_MAX  (16u << 20)

/* upper bounds in microseconds */
static const uint64_t  ph_metric_bounds[] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
    500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 100000000
};

#define PH_METRIC_BUCKETS  (ph_nelts(ph_metric_bounds) + 1)

typedef enum {
    PH_METRIC_COUNTER,
    PH_METRIC_GAUGE,
    PH_METRIC_HISTOGRAM
} ph_metric_type_t;

struct ph_metric_s {
    ph_metric_t           *next;
    const char            *name;
    const char            *help;
    char                  *labels;
    ph_metric_type_t       type;
    _Atomic int64_t        value;       /* histogram: sum of microseconds */
    _Atomic uint64_t       buckets[PH_METRIC_BUCKETS];
};

/* the root object of all metrics of the process */
static struct {
    pthread_mutex_t   lock;
    ph_metric_t      *first;
    ph_metric_t     **last;
    ph_metric_t       dummy;
} ph_metrics = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .last = &ph_metrics.first,
    .dummy = { .name = "", .help = "", .type = PH_METRIC_HISTOGRAM }
};

static ph_metric_t *
ph_metric_get(const char *name, const char *labels, const char *help,
    ph_metric_type_t type)
{
    ph_metric_t  *m;

    (void) pthread_mutex_lock(&ph_metrics.lock);

    for (m = ph_metrics.first; m != NULL; m = m->next) {
        if (strcmp(m->name, name) == 0 && strcmp(m->labels, labels) == 0) {
            break;
        }
    }

    if (m == NULL && (m = calloc(1, sizeof(*m))) != NULL) {
        m->name = name;
        m->help = help;
        m->type = type;
        m->labels = strdup(labels);

        if (m->labels != NULL) {
            *ph_metrics.last = m;
            ph_metrics.last = &m->next;

        } else {
            free(m);
            m = NULL;
        }
    }

    (void) pthread_mutex_unlock(&ph_metrics.lock);

    return m != NULL ? m : &ph_metrics.dummy;
}

ph_metric_t *
ph_counter(const char *name, const char *labels, const char *help)
{
    return ph_metric_get(name, labels, help, PH_METRIC_COUNTER);
}

ph_metric_t *
ph_gauge(const char *name, const char *labels, const char *help)
{
    return ph_metric_get(name, labels, help, PH_METRIC_GAUGE);
}

ph_metric_t *
ph_histogram(const char *name, const char *labels, const char *help)
{
    return ph_metric_get(name, labels, help, PH_METRIC_HISTOGRAM);
}

void
ph_metric_add(ph_metric_t *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void
ph_metric_set(ph_metric_t *m, int64_t n)
{
    atomic_store_explicit(&m->value, n, memory_order_relaxed);
}

void
ph_metric_observe_us(ph_metric_t *m, uint64_t microseconds)
{
    size_t  i;

    for (i = 0; i < ph_nelts(ph_metric_bounds); i++) {
        if (microseconds <= ph_metric_bounds[i]) {
            break;
        }
    }

    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value,
                              (int64_t) ph_min(microseconds, UINT64_C(1) << 40),
                              memory_order_relaxed);
}

static void
ph_metric_render_histogram(ph_wbuf_t *b, ph_metric_t *m)
{
    size_t       i;
    int64_t      sum;
    uint64_t     total;
    const char  *comma;

    comma = m->labels[0] != '\0' ? "," : "";
    total = 0;

    for (i = 0; i < ph_nelts(ph_metric_bounds); i++) {
        total += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        ph_put_fmt(b, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", m->name,
                   m->labels, comma, (double) ph_metric_bounds[i] / 1e6,
                   total);
    }

    total += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
    sum = atomic_load_explicit(&m->value, memory_order_relaxed);

    ph_put_fmt(b, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", m->name,
               m->labels, comma, total);
    ph_put_fmt(b, "%s_sum%s%s%s %.6f\n", m->name, *comma ? "{" : "",
               m->labels, *comma ? "}" : "", (double) sum / 1e6);
    ph_put_fmt(b, "%s_count%s%s%s %" PRIu64 "\n", m->name, *comma ? "{" : "",
               m->labels, *comma ? "}" : "", total);
}

static void
ph_metric_render(ph_wbuf_t *b, ph_metric_t *m)
{
    bool  labels;

    if (m->type == PH_METRIC_HISTOGRAM) {
        ph_metric_render_histogram(b, m);
        return;
    }

    labels = m->labels[0] != '\0';

    ph_put_fmt(b, "%s%s%s%s %" PRId64 "\n", m->name, labels ? "{" : "",
               m->labels, labels ? "}" : "",
               atomic_load_explicit(&m->value, memory_order_relaxed));
}

ph_int_t
ph_metrics_render(ph_pool_t *pool, ph_str_t *text_r)
{
    ph_wbuf_t     b;
    ph_metric_t  *m, *other;

    static const char *const  types[] = { "counter", "gauge", "histogram" };

    ph_wbuf_init(&b, pool, PH_METRICS_TEXT_MAX);

    (void) pthread_mutex_lock(&ph_metrics.lock);

    for (m = ph_metrics.first; m != NULL; m = m->next) {

        /* all samples of a name stand together, behind its first */

        for (other = ph_metrics.first; other != m; other = other->next) {
            if (strcmp(other->name, m->name) == 0) {
                break;
            }
        }

        if (other != m) {
            continue;
        }

        ph_put_fmt(&b, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help,
                   m->name, types[m->type]);

        for (other = m; other != NULL; other = other->next) {
            if (strcmp(other->name, m->name) == 0) {
                ph_metric_render(&b, other);
            }
        }
    }

    (void) pthread_mutex_unlock(&ph_metrics.lock);

    if (b.error) {
        return PH_NOMEM;
    }

    *text_r = b.data != NULL ? ph_wbuf_str(&b) : ph_str_lit("");

    return PH_OK;
}
