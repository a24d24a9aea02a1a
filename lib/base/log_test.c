#include "lib/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char lines[16384];
static size_t lines_bytes;

static void keep(void *ctx, hf_slice line)
{
    (void)ctx;
    assert_true(lines_bytes + line.bytes < sizeof lines);
    memcpy(lines + lines_bytes, line.data, line.bytes);
    lines_bytes += line.bytes;
    lines[lines_bytes] = '\0';
}

static hf_time fixed_clock(void)
{
    return hf_time_of_ms(1795415400123);
}

static void start(enum hf_log_format format)
{
    lines_bytes = 0;
    lines[0] = '\0';
    hf_log_setup("broker", format, HF_LOG_INFO);
    hf_log_sink(keep, NULL, fixed_clock);
}

static void logfmt_line_has_time_level_event_and_fields(void **state)
{
    (void)state;
    start(HF_LOG_LOGFMT);
    HF_WARN("worker lost", hf_log_cstr("queue", "web"), hf_log_int("pid", -7));

    assert_string_equal(lines,
                        "time=2026-11-23T06:30:00.123Z level=warn program=broker "
                        "event=\"worker lost\" queue=web pid=-7\n");
}

static void json_line_is_one_object(void **state)
{
    (void)state;
    start(HF_LOG_JSON);
    HF_ERROR("bad \"x\"", hf_log_cstr("a", "b c"), hf_log_int("n", 1));

    assert_string_equal(lines,
                        "{\"time\":\"2026-11-23T06:30:00.123Z\",\"level\":\"error\","
                        "\"program\":\"broker\",\"event\":\"bad \\\\x22x\\\\x22\","
                        "\"a\":\"b c\",\"n\":1}\n");
}

static void level_below_the_minimum_is_dropped(void **state)
{
    (void)state;
    start(HF_LOG_LOGFMT);
    HF_DEBUG("quiet", hf_log_int("n", 1));

    assert_string_equal(lines, "");
    assert_false(hf_log_enabled(HF_LOG_DEBUG));
    assert_true(hf_log_enabled(HF_LOG_INFO));
}

static void outside_text_cannot_forge_a_line_or_a_field(void **state)
{
    (void)state;
    start(HF_LOG_LOGFMT);
    HF_INFO("x", hf_log_cstr("host", "a\nlevel=error b=\"c"), hf_log_cstr("empty", ""));

    assert_non_null(strstr(lines, " host=\"a\\x0alevel=error b=\\x22c\" empty=\"\"\n"));
    assert_ptr_equal(strchr(lines, '\n'), lines + lines_bytes - 1);
}

static void long_text_is_cut_at_1024_bytes(void **state)
{
    (void)state;
    char text[3000];

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    start(HF_LOG_LOGFMT);
    HF_INFO("x", hf_log_cstr("t", text), hf_log_cstr("after", "b"));

    assert_int_equal(strspn(strstr(lines, " t=") + 3, "a"), 1024);
    assert_non_null(strstr(lines, " after=b\n"));
}

static void field_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    char text[1025];

    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    start(HF_LOG_JSON);
    HF_INFO("x", hf_log_cstr("one", text), hf_log_cstr("two", text),
            hf_log_int("last", 9));

    assert_non_null(strstr(lines, "\"one\":"));
    assert_null(strstr(lines, "\"two\":"));
    assert_string_equal(lines + lines_bytes - 11, ",\"last\":9}\n");
}

static void id_is_whole_and_key_is_shortened(void **state)
{
    (void)state;
    hf_id id = {{0x01, 0x23, [15] = 0xff}};
    hf_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};

    start(HF_LOG_LOGFMT);
    HF_INFO("x", hf_log_id("id", id), hf_log_key("key", key));

    assert_non_null(strstr(lines, " id=01230000-0000-0000-0000-0000000000ff "
                                  "key=0102030405060708\n"));
}

static size_t counted;
static int64_t now_ms;

static void count_line(void *ctx, hf_slice line)
{
    (void)ctx;
    (void)line;
    counted++;
}

static hf_time moving_clock(void)
{
    return hf_time_of_ms(now_ms);
}

static void flood_is_cut_to_a_rate_and_counted_but_errors_are_written(void **state)
{
    (void)state;
    now_ms = 1795415500000;
    hf_log_setup("broker", HF_LOG_LOGFMT, HF_LOG_INFO);
    hf_log_sink(count_line, NULL, moving_clock);
    counted = 0;
    for (int i = 0; i < 20000; i++) {
        HF_WARN("flood", hf_log_int("i", i));
    }
    assert_int_equal(counted, 5000);

    HF_ERROR("this one counts", hf_log_int("i", 0));
    assert_int_equal(counted, 5001);

    now_ms += 1000;
    hf_log_sink(keep, NULL, moving_clock);
    lines_bytes = 0;
    HF_WARN("after", hf_log_int("i", 1));
    assert_non_null(strstr(lines, "event=\"log lines left out\" lines=15000\n"));
    assert_non_null(strstr(lines, "event=after"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_line_has_time_level_event_and_fields),
        cmocka_unit_test(json_line_is_one_object),
        cmocka_unit_test(level_below_the_minimum_is_dropped),
        cmocka_unit_test(outside_text_cannot_forge_a_line_or_a_field),
        cmocka_unit_test(long_text_is_cut_at_1024_bytes),
        cmocka_unit_test(field_that_does_not_fit_is_left_out_whole),
        cmocka_unit_test(id_is_whole_and_key_is_shortened),
        cmocka_unit_test(flood_is_cut_to_a_rate_and_counted_but_errors_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
