/* ph_metrics: the text that Prometheus reads. */

#include "lib/ph_metrics.h"
#include "lib/ph_pool.h"
#include "tap.h"

#include <pthread.h>

static void *
count(void *data)
{
    int  i;

    for (i = 0; i < 10000; i++) {
        ph_metric_add(data, 1);
    }

    return NULL;
}

static bool
has(ph_str_t s, const char *line)
{
    return memmem(s.data, s.len, line, strlen(line)) != NULL;
}

int
main(void)
{
    ph_str_t      s;
    pthread_t     threads[4];
    ph_pool_t    *pool;
    ph_metric_t  *c, *g, *h;
    size_t        i;

    pool = ph_pool_create("metrics", 0);
    ok(ph_metrics_render(pool, &s) == PH_OK && s.len == 0, "none yet");

    c = ph_counter("ph_calls_total", "op=\"a\"", "Calls.");
    g = ph_gauge("ph_open", "", "Open ones.");
    h = ph_histogram("ph_seconds", "op=\"a\"", "Time.");
    ok(ph_counter("ph_calls_total", "op=\"a\"", "Calls.") == c, "found again");
    ok(ph_counter("ph_calls_total", "op=\"b\"", "Calls.") != c, "by label");

    for (i = 0; i < 4; i++) {
        (void) pthread_create(&threads[i], NULL, count, c);
    }

    for (i = 0; i < 4; i++) {
        (void) pthread_join(threads[i], NULL);
    }

    ph_metric_set(g, 5);
    ph_metric_add(g, -7);
    ph_metric_observe_us(h, 50);
    ph_metric_observe_us(h, 51);
    ph_metric_observe_us(h, 200000000);

    ok(ph_metrics_render(pool, &s) == PH_OK, "rendered");
    ok(has(s, "# HELP ph_calls_total Calls.\n# TYPE ph_calls_total counter\n"
           "ph_calls_total{op=\"a\"} 40000\nph_calls_total{op=\"b\"} 0\n"),
       "counters of a name stand together");
    ok(has(s, "# TYPE ph_open gauge\nph_open -2\n"), "gauge");
    ok(has(s, "ph_seconds_bucket{op=\"a\",le=\"5e-05\"} 1\n"
           "ph_seconds_bucket{op=\"a\",le=\"0.0001\"} 2\n"), "buckets add up");
    ok(has(s, "le=\"100\"} 2\nph_seconds_bucket{op=\"a\",le=\"+Inf\"} 3\n"
           "ph_seconds_sum{op=\"a\"} 200.000101\n"
           "ph_seconds_count{op=\"a\"} 3\n"), "sum and count");

    ph_pool_destroy(&pool);

    return done_testing();
}
