/*
 * Counters and latency histograms, in Prometheus' text format.  Kept in
 * atomics, cheap enough for hot paths; names are registered once at start.
 */

#ifndef PH_METRICS_H
#define PH_METRICS_H

#include "ph_core.h"

typedef struct ph_metric_s  ph_metric_t;

/* name and help are literals; labels is "" or `op="execute"`.  Never NULL: when
 * memory is exhausted a shared dummy is returned. */
ph_metric_t *ph_counter(const char *name, const char *labels, const char *help);
ph_metric_t *ph_gauge(const char *name, const char *labels, const char *help);
/* buckets from 50 us to 100 s */
ph_metric_t *ph_histogram(const char *name, const char *labels,
    const char *help);

void ph_metric_add(ph_metric_t *m, int64_t n);
void ph_metric_set(ph_metric_t *m, int64_t n);
void ph_metric_observe_us(ph_metric_t *m, uint64_t microseconds);
/* appends everything registered in this process */
ph_int_t ph_metrics_render(ph_pool_t *pool, ph_str_t *text_r);

#endif
