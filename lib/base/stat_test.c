#include "lib/base/stat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(struct hf_buf *out, const char *text)
{
    assert_int_equal(hf_buf_append_byte(out, 0), HF_OK);
    assert_string_equal((const char *)hf_buf_slice(out).data, text);
    hf_buf_fini(out);
}

static void counter_is_rendered_with_help_type_and_value(void **state)
{
    (void)state;
    struct hf_stat stat = {"holdfast_x_total", "Counts x.", HF_STAT_COUNTER, 0};
    struct hf_buf out;

    hf_stat_add(&stat, 2);
    hf_stat_add(&stat, 3);
    hf_buf_init(&out, 1000);
    assert_int_equal(hf_stat_render(&out, &stat, ""), HF_OK);

    expect(&out, "# HELP holdfast_x_total Counts x.\n"
                 "# TYPE holdfast_x_total counter\nholdfast_x_total 5\n");
}

static void gauge_with_labels_may_fall(void **state)
{
    (void)state;
    struct hf_stat stat = {"holdfast_depth", "Depth.", HF_STAT_GAUGE, 0};
    struct hf_buf out;

    hf_stat_set(&stat, 5);
    hf_stat_add(&stat, -7);
    assert_int_equal(hf_stat_get(&stat), -2);
    hf_buf_init(&out, 1000);
    assert_int_equal(hf_stat_render(&out, &stat, "queue=\"web\""), HF_OK);

    expect(&out, "# HELP holdfast_depth Depth.\n# TYPE holdfast_depth gauge\n"
                 "holdfast_depth{queue=\"web\"} -2\n");
}

static void rendering_into_a_full_buffer_is_refused(void **state)
{
    (void)state;
    struct hf_stat stat = {"holdfast_x_total", "Counts x.", HF_STAT_COUNTER, 0};
    struct hf_histogram histogram = {.name = "h_us", .help = "H."};
    struct hf_buf out;

    hf_buf_init(&out, 10);
    assert_int_equal(hf_stat_render(&out, &stat, ""), HF_ERR_TOO_BIG);
    assert_int_equal(hf_histogram_render(&out, &histogram, ""), HF_ERR_TOO_BIG);
    hf_buf_fini(&out);
}

static void quantile_is_at_most_a_quarter_above_the_value(void **state)
{
    (void)state;
    for (uint64_t us = 1; us < UINT64_C(3600000000); us = us * 5 / 4 + 1) {
        struct hf_histogram histogram = {.name = "h_us", .help = "H."};
        uint64_t found;

        hf_histogram_add(&histogram, us);
        found = hf_histogram_quantile(&histogram, 0.5);
        assert_true(found >= us);
        assert_true(found <= us + us / 4);
    }
}

static void quantiles_follow_the_distribution(void **state)
{
    (void)state;
    struct hf_histogram histogram = {.name = "h_us", .help = "H."};

    assert_int_equal(hf_histogram_quantile(&histogram, 0.99), 0);
    for (int i = 0; i < 99; i++) {
        hf_histogram_add(&histogram, 1);
    }
    hf_histogram_add(&histogram, 3);

    assert_int_equal(hf_histogram_quantile(&histogram, 0.5), 1);
    assert_int_equal(hf_histogram_quantile(&histogram, 0.99), 1);
    assert_int_equal(hf_histogram_quantile(&histogram, 0.999), 3);
    assert_int_equal(hf_histogram_quantile(&histogram, 1.0), 3);
}

static void value_beyond_the_last_bucket_is_counted_in_it(void **state)
{
    (void)state;
    struct hf_histogram histogram = {.name = "h_us", .help = "H."};

    hf_histogram_add(&histogram, UINT64_MAX);

    assert_int_equal(histogram.buckets[HF_HISTOGRAM_BUCKETS - 1], 1);
}

static void histogram_is_rendered_cumulatively(void **state)
{
    (void)state;
    struct hf_histogram histogram = {.name = "h_us", .help = "H."};
    struct hf_buf out;
    const char *text;

    hf_histogram_add(&histogram, 2);
    hf_histogram_add(&histogram, 5);
    hf_buf_init(&out, 10000);
    assert_int_equal(hf_histogram_render(&out, &histogram, "q=\"a\""), HF_OK);
    assert_int_equal(hf_buf_append_byte(&out, 0), HF_OK);

    text = (const char *)hf_buf_slice(&out).data;
    assert_non_null(strstr(text, "# TYPE h_us histogram\n"));
    assert_non_null(strstr(text, "h_us_bucket{q=\"a\",le=\"3\"} 1\n"));
    assert_non_null(strstr(text, "h_us_bucket{q=\"a\",le=\"7\"} 2\n"));
    assert_non_null(strstr(text, "h_us_bucket{q=\"a\",le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(text, "h_us_sum{q=\"a\"} 7\nh_us_count{q=\"a\"} 2\n"));
    hf_buf_fini(&out);
}

static void label_value_cannot_break_out_of_its_quotes(void **state)
{
    (void)state;
    char out[32];

    hf_stat_label(HF_SLICE("a\"b\\c\nd\x01"), out, sizeof out);
    assert_string_equal(out, "a\\\"b\\\\c\\nd?");
    hf_stat_label(HF_SLICE("ab\""), out, 4);
    assert_string_equal(out, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counter_is_rendered_with_help_type_and_value),
        cmocka_unit_test(gauge_with_labels_may_fall),
        cmocka_unit_test(rendering_into_a_full_buffer_is_refused),
        cmocka_unit_test(quantile_is_at_most_a_quarter_above_the_value),
        cmocka_unit_test(quantiles_follow_the_distribution),
        cmocka_unit_test(value_beyond_the_last_bucket_is_counted_in_it),
        cmocka_unit_test(histogram_is_rendered_cumulatively),
        cmocka_unit_test(label_value_cannot_break_out_of_its_quotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
