#include "controller/log_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE       "a line of a log that somebody writes for a long time, 64 bytes\n"
#define LINE_BYTES (sizeof LINE - 1)

static char folder[] = "/tmp/log_file_test.XXXXXX";
static char log_path[64];
static char old_path[64];
static int fd;

static int setup(void **state)
{
    (void)state;
    (void)snprintf(log_path, sizeof log_path, "%s/w.log", folder);
    (void)snprintf(old_path, sizeof old_path, "%s/w.log.1", folder);
    fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)close(fd);
    (void)unlink(log_path);
    (void)unlink(old_path);
    return 0;
}

static off_t size_of(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 ? found.st_size : -1;
}

static void write_bytes(off_t bytes)
{
    for (off_t i = 0; i < bytes; i += (off_t)LINE_BYTES) {
        assert_int_equal(write(fd, LINE, LINE_BYTES), LINE_BYTES);
    }
}

static void log_at_its_bound_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(ftruncate(fd, CT_LOG_BYTES_MAX), 0);

    assert_false(ct_log_bound(log_path));

    assert_int_equal(size_of(log_path), CT_LOG_BYTES_MAX);
    assert_int_equal(size_of(old_path), -1);
    assert_false(ct_log_bound("/tmp/no such log"));
}

static void log_over_its_bound_is_set_aside_and_written_on(void **state)
{
    (void)state;
    write_bytes((off_t)CT_LOG_BYTES_MAX + 1);
    off_t full = size_of(log_path);

    assert_true(ct_log_bound(log_path));
    assert_int_equal(size_of(old_path), full);
    assert_int_equal(size_of(log_path), 0);

    write_bytes(1);
    assert_int_equal(size_of(log_path), LINE_BYTES);

    /* The next time what was set aside goes. */
    write_bytes((off_t)CT_LOG_BYTES_MAX + 4096);
    full = size_of(log_path);
    assert_true(ct_log_bound(log_path));
    assert_int_equal(size_of(old_path), full);
    assert_int_equal(size_of(log_path), 0);
}

static void link_in_its_place_is_not_followed(void **state)
{
    char other[80];

    (void)state;
    (void)snprintf(other, sizeof other, "%s/other", folder);
    write_bytes((off_t)CT_LOG_BYTES_MAX + 1);
    assert_int_equal(rename(log_path, other), 0);
    assert_int_equal(symlink(other, log_path), 0);

    assert_false(ct_log_bound(log_path));

    assert_true(size_of(other) > (off_t)CT_LOG_BYTES_MAX);
    (void)unlink(other);
}

static void what_stands_at_the_old_name_is_replaced_not_written(void **state)
{
    char other[80];

    (void)state;
    (void)snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(symlink(other, old_path), 0);
    write_bytes((off_t)CT_LOG_BYTES_MAX + 1);

    assert_true(ct_log_bound(log_path));

    assert_int_equal(size_of(other), -1);
    assert_true(size_of(old_path) > (off_t)CT_LOG_BYTES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(log_at_its_bound_is_left_alone),
        TEST(log_over_its_bound_is_set_aside_and_written_on),
        TEST(link_in_its_place_is_not_followed),
        TEST(what_stands_at_the_old_name_is_replaced_not_written),
    };

    if (mkdtemp(folder) == NULL) {
        return 1;
    }

    int failed = cmocka_run_group_tests_name("log_file", tests, NULL, NULL);

    (void)rmdir(folder);
    return failed;
}
