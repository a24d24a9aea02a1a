#include "lib/io/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct hf_flag table[] = {
    {"listen", "ADDRESS", "127.0.0.1:80", "Where to listen.", false},
    {"label", "TEXT", NULL, "A label.", true},
    {"dry-run", NULL, NULL, "Change nothing.", false},
};
static const struct hf_program program = {
    .name = "holdfast-test",
    .summary = "a test",
    .usage = "[flags] VERB",
    .description = "First.\n\n.Second - with \\ backslash.",
    .flags = table,
    .flags_count = 3,
    .section = 8,
};

static hf_err parse(struct hf_flags *flags, const char *a, const char *b, const char *c)
{
    char *const argv[] = {(char *)"p", (char *)(uintptr_t)a, (char *)(uintptr_t)b,
                          (char *)(uintptr_t)c, NULL};
    int argc = 1;

    while (argv[argc] != NULL) {
        argc++;
    }
    return hf_flags_parse(&program, argc, argv, flags);
}

static void value_may_follow_or_be_joined(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(parse(&flags, "--listen", "a:1", "verb"), HF_OK);
    assert_string_equal(hf_flags_get(&flags, "listen"), "a:1");
    assert_string_equal(flags.arguments[0], "verb");
    assert_int_equal(parse(&flags, "--listen=b:2", NULL, NULL), HF_OK);
    assert_string_equal(hf_flags_get(&flags, "listen"), "b:2");
}

static void default_holds_when_nothing_was_given(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(parse(&flags, "--dry-run", NULL, NULL), HF_OK);
    assert_string_equal(hf_flags_get(&flags, "listen"), "127.0.0.1:80");
    assert_null(hf_flags_get(&flags, "label"));
    assert_true(hf_flags_has(&flags, "dry-run"));
    assert_false(hf_flags_has(&flags, "listen"));
}

static void repeatable_flag_keeps_all_values_in_order(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(parse(&flags, "--label=a", "--label=b", NULL), HF_OK);
    assert_string_equal(hf_flags_at(&flags, "label", 0), "a");
    assert_string_equal(hf_flags_at(&flags, "label", 1), "b");
    assert_null(hf_flags_at(&flags, "label", 2));
}

static void mistakes_are_refused_with_a_sentence(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(parse(&flags, "--listne=a", NULL, NULL), HF_ERR_INVALID);
    assert_string_equal(flags.error, "unknown flag: listne=a (see --help)");
    assert_int_equal(parse(&flags, "--listen", NULL, NULL), HF_ERR_INVALID);
    assert_int_equal(parse(&flags, "--listen=a", "--listen=b", NULL), HF_ERR_INVALID);
    assert_int_equal(parse(&flags, "--dry-run=1", NULL, NULL), HF_ERR_INVALID);
}

static void words_after_two_dashes_are_arguments(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(parse(&flags, "--", "--listen", NULL), HF_OK);
    assert_int_equal(flags.arguments_count, 1);
    assert_string_equal(flags.arguments[0], "--listen");
}

static void help_and_manual_come_from_the_table(void **state)
{
    struct hf_buf out;

    (void)state;
    hf_buf_init(&out, 1 << 16);
    assert_int_equal(hf_flags_render_help(&program, &out), HF_OK);
    assert_int_equal(hf_flags_render_man(&program, &out), HF_OK);
    assert_int_equal(hf_buf_append_byte(&out, 0), HF_OK);

    assert_non_null(strstr((const char *)out.data, "--listen ADDRESS"));
    assert_non_null(strstr((const char *)out.data, ".TH holdfast-test 8"));
    assert_non_null(strstr((const char *)out.data, "\\fB\\-\\-dry\\-run\\fR"));
    assert_non_null(
        strstr((const char *)out.data, "\\&.Second \\- with \\e backslash."));
    hf_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_may_follow_or_be_joined),
        cmocka_unit_test(default_holds_when_nothing_was_given),
        cmocka_unit_test(repeatable_flag_keeps_all_values_in_order),
        cmocka_unit_test(mistakes_are_refused_with_a_sentence),
        cmocka_unit_test(words_after_two_dashes_are_arguments),
        cmocka_unit_test(help_and_manual_come_from_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
