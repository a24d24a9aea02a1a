#include "lib/io/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

static const char *path(const char *name)
{
    static char paths[4][128];
    static int next;

    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[0], "%s/%s", directory, name);
    return paths[next];
}

static void replaced_file_is_read_back_with_its_mode(void **state)
{
    struct hf_buf buf;
    struct stat status;

    (void)state;
    assert_int_equal(hf_file_replace(path("f"), HF_SLICE("old"), 0600), HF_OK);
    assert_int_equal(hf_file_replace(path("f"), HF_SLICE("newer"), 0640), HF_OK);

    hf_buf_init(&buf, 100);
    assert_int_equal(hf_file_read(path("f"), &buf), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&buf), HF_SLICE("newer")));
    assert_int_equal(stat(path("f"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_not_equal(access(path("f.new"), F_OK), 0);
    hf_buf_fini(&buf);
    unlink(path("f"));
}

static void file_of_the_exact_maximum_is_read_and_a_larger_one_refused(void **state)
{
    struct hf_buf buf;

    (void)state;
    assert_int_equal(hf_file_replace(path("f"), HF_SLICE("12345"), 0600), HF_OK);
    hf_buf_init(&buf, 5);
    assert_int_equal(hf_file_read(path("f"), &buf), HF_OK);
    hf_buf_fini(&buf);
    hf_buf_init(&buf, 4);
    assert_int_equal(hf_file_read(path("f"), &buf), HF_ERR_TOO_BIG);
    hf_buf_fini(&buf);
    unlink(path("f"));
}

static void missing_file_is_not_found(void **state)
{
    struct hf_buf buf;

    (void)state;
    hf_buf_init(&buf, 5);
    assert_int_equal(hf_file_read(path("none"), &buf), HF_ERR_NOT_FOUND);
    assert_int_equal(hf_file_replace(path("no/such"), HF_SLICE("x"), 0600),
                     HF_ERR_NOT_FOUND);
}

static void pipe_is_read_to_its_end(void **state)
{
    struct hf_buf buf;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "secret", 6), 6);
    close(ends[1]);
    hf_buf_init(&buf, 100);
    assert_int_equal(hf_file_read_fd(ends[0], &buf), HF_OK);
    assert_true(hf_slice_equal(hf_buf_slice(&buf), HF_SLICE("secret")));
    hf_buf_fini(&buf);
    close(ends[0]);
}

static void directory_is_made_with_its_parents_and_judged(void **state)
{
    (void)state;
    assert_int_equal(hf_file_make_directory(path("a/b"), 0700), HF_OK);
    assert_int_equal(hf_file_make_directory(path("a/b"), 0700), HF_OK);
    assert_int_equal(chmod(path("a/b"), 0777), 0);
    assert_int_equal(hf_file_make_directory(path("a/b"), 0700), HF_ERR_DENIED);
    rmdir(path("a/b"));
    rmdir(path("a"));
}

static void spool_gives_back_what_was_appended_and_leaves_no_file(void **state)
{
    struct hf_spool *spool;
    uint8_t bytes[6];

    (void)state;
    assert_int_equal(hf_spool_open(directory, 10, &spool), HF_OK);
    assert_int_equal(hf_spool_append(spool, HF_SLICE("hello ")), HF_OK);
    assert_int_equal(hf_spool_append(spool, HF_SLICE("all")), HF_OK);
    assert_int_equal(hf_spool_append(spool, HF_SLICE("xx")), HF_ERR_TOO_BIG);

    assert_int_equal(hf_spool_bytes(spool), 9);
    assert_int_equal(hf_spool_read(spool, 3, bytes, 6), HF_OK);
    assert_memory_equal(bytes, "lo all", 6);
    assert_int_equal(hf_spool_read(spool, 4, bytes, 6), HF_ERR_INVALID);
    hf_spool_close(spool);
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(mkdir(directory, 0700), 0);
}

static void note_change(void *ctx)
{
    hf_loop_stop(ctx);
}

static void watch_notices_a_replacement(void **state)
{
    struct hf_file_watch_config config = {.every_ms = 5, .fn = note_change};
    struct hf_file_watch *watch;
    struct hf_loop *loop;

    (void)state;
    assert_int_equal(hf_file_replace(path("w"), HF_SLICE("1"), 0600), HF_OK);
    assert_int_equal(hf_loop_new(&loop), HF_OK);
    config.path = path("w");
    config.ctx = loop;
    assert_int_equal(hf_file_watch_open(loop, &config, &watch), HF_OK);
    assert_int_equal(hf_file_replace(path("w"), HF_SLICE("2"), 0600), HF_OK);

    hf_loop_run(loop);

    hf_file_watch_close(watch);
    hf_loop_free(loop);
    unlink(path("w"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaced_file_is_read_back_with_its_mode),
        cmocka_unit_test(file_of_the_exact_maximum_is_read_and_a_larger_one_refused),
        cmocka_unit_test(missing_file_is_not_found),
        cmocka_unit_test(pipe_is_read_to_its_end),
        cmocka_unit_test(directory_is_made_with_its_parents_and_judged),
        cmocka_unit_test(spool_gives_back_what_was_appended_and_leaves_no_file),
        cmocka_unit_test(watch_notices_a_replacement),
    };
    int failed;

    snprintf(directory, sizeof directory, "/tmp/file_test.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
