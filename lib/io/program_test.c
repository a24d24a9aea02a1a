#include "lib/io/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

static const struct hf_flag table[] = {
    {"listen", "ADDRESS", NULL, "Where to listen.", true},
    {"requests", "COUNT", "100", "How many.", false},
    {"deadline", "TIME", "30s", "How long.", false},
    {"room", "BYTES", "64MiB", "How much.", false},
    {"package-fd", "FD", NULL, "Where the package is.", false},
    {"log-format", "FORMAT", "logfmt", "How lines look.", false},
};
static const struct hf_program program = {
    .name = "holdfast-test",
    .summary = "a test",
    .usage = "[flags]",
    .description = "Nothing.",
    .flags = table,
    .flags_count = sizeof table / sizeof table[0],
    .section = 8,
};

static int start(const struct hf_program *of, struct hf_flags *flags, const char *a,
                 const char *b)
{
    char *const argv[] = {(char *)"p", (char *)(uintptr_t)a, (char *)(uintptr_t)b,
                          NULL};

    return hf_program_start(of, a == NULL ? 1 : b == NULL ? 2 : 3, argv, flags);
}

static void good_flags_let_the_program_go_on_unreadable_for_others(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
    assert_int_equal(start(&program, &flags, "--requests", "7"), HF_PROGRAM_GOES_ON);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
}

static void help_and_manual_end_the_program_well(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(start(&program, &flags, "--help", NULL), 0);
    assert_int_equal(start(&program, &flags, "--man", NULL), 0);
}

static void unknown_flags_arguments_and_choices_are_misuse(void **state)
{
    struct hf_flags flags;

    (void)state;
    assert_int_equal(start(&program, &flags, "--nonsense", NULL), HF_PROGRAM_MISUSED);
    assert_int_equal(start(&program, &flags, "argument", NULL), HF_PROGRAM_MISUSED);
    assert_int_equal(start(&program, &flags, "--log-format", "xml"),
                     HF_PROGRAM_MISUSED);
}

static void program_that_takes_arguments_gets_them(void **state)
{
    struct hf_program taking = program;
    struct hf_flags flags;

    (void)state;
    taking.takes_arguments = true;
    assert_int_equal(start(&taking, &flags, "argument", NULL), HF_PROGRAM_GOES_ON);
    assert_string_equal(flags.arguments[0], "argument");
}

static void defaults_are_read_like_values(void **state)
{
    struct hf_flags flags;
    uint32_t count = 0;
    int64_t ms = 0;
    uint64_t bytes = 0;

    (void)state;
    assert_int_equal(start(&program, &flags, NULL, NULL), HF_PROGRAM_GOES_ON);
    assert_true(hf_program_count(&flags, "requests", 100, &count));
    assert_true(hf_program_duration(&flags, "deadline", &ms));
    assert_true(hf_program_bytes(&flags, "room", &bytes));
    assert_int_equal(count, 100);
    assert_int_equal(ms, 30000);
    assert_int_equal(bytes, 64 << 20);
}

static void counts_of_nothing_and_beyond_the_limit_are_refused(void **state)
{
    struct hf_flags flags;
    uint32_t count = 1;

    (void)state;
    assert_int_equal(start(&program, &flags, "--requests", "0"), HF_PROGRAM_GOES_ON);
    assert_false(hf_program_count(&flags, "requests", 100, &count));
    assert_int_equal(start(&program, &flags, "--requests", "101"), HF_PROGRAM_GOES_ON);
    assert_false(hf_program_count(&flags, "requests", 100, &count));
    assert_int_equal(count, 1);
}

static void values_without_sense_are_refused(void **state)
{
    struct hf_flags flags;
    int64_t ms = 0;
    uint64_t bytes = 0;

    (void)state;
    assert_int_equal(start(&program, &flags, "--deadline", "soon"), HF_PROGRAM_GOES_ON);
    assert_false(hf_program_duration(&flags, "deadline", &ms));
    assert_int_equal(start(&program, &flags, "--room", "much"), HF_PROGRAM_GOES_ON);
    assert_false(hf_program_bytes(&flags, "room", &bytes));
}

static void lists_beyond_their_room_are_refused(void **state)
{
    struct hf_flags flags;
    const char *list[1] = {NULL};
    size_t count = 0;

    (void)state;
    assert_int_equal(start(&program, &flags, "--listen=a:1", NULL), HF_PROGRAM_GOES_ON);
    assert_true(hf_program_list(&flags, "listen", list, 1, &count));
    assert_int_equal(count, 1);
    assert_string_equal(list[0], "a:1");
    assert_int_equal(start(&program, &flags, "--listen=a:1", "--listen=b:2"),
                     HF_PROGRAM_GOES_ON);
    assert_false(hf_program_list(&flags, "listen", list, 1, &count));
}

static void package_is_read_from_its_descriptor_which_is_closed(void **state)
{
    struct hf_credentials credentials;
    struct hf_flags flags;
    char number[16];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "cluster=c\n", 10), 10);
    assert_int_equal(close(ends[1]), 0);
    (void)snprintf(number, sizeof number, "%d", ends[0]);
    assert_int_equal(start(&program, &flags, "--package-fd", number),
                     HF_PROGRAM_GOES_ON);
    hf_credentials_init(&credentials);

    assert_true(hf_program_package(&flags, &credentials));

    assert_string_equal(credentials.cluster, "c");
    assert_false(hf_credentials_is_complete(&credentials));
    assert_int_equal(close(ends[0]), -1);
    hf_credentials_fini(&credentials);
}

static void package_that_cannot_be_read_is_refused(void **state)
{
    struct hf_credentials credentials;
    struct hf_flags flags;

    (void)state;
    hf_credentials_init(&credentials);
    assert_int_equal(start(&program, &flags, "--package-fd", "three"),
                     HF_PROGRAM_GOES_ON);
    assert_false(hf_program_package(&flags, &credentials));
    assert_int_equal(start(&program, &flags, "--package-fd", "1023"),
                     HF_PROGRAM_GOES_ON);
    assert_false(hf_program_package(&flags, &credentials));
    hf_credentials_fini(&credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_flags_let_the_program_go_on_unreadable_for_others),
        cmocka_unit_test(help_and_manual_end_the_program_well),
        cmocka_unit_test(unknown_flags_arguments_and_choices_are_misuse),
        cmocka_unit_test(program_that_takes_arguments_gets_them),
        cmocka_unit_test(defaults_are_read_like_values),
        cmocka_unit_test(counts_of_nothing_and_beyond_the_limit_are_refused),
        cmocka_unit_test(values_without_sense_are_refused),
        cmocka_unit_test(lists_beyond_their_room_are_refused),
        cmocka_unit_test(package_is_read_from_its_descriptor_which_is_closed),
        cmocka_unit_test(package_that_cannot_be_read_is_refused),
    };

    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
