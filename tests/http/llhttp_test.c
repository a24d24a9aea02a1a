/* llhttp's own request cases. What llhttp refuses, the edge refuses; what only a
 * lenient flag lets pass, the edge refuses too; what llhttp accepts may still be
 * refused, because SECURITY.md 5 is stricter. Cases without Host are tried with one as
 * well. */
#include "tests/http/escape.h"
#include "tests/http/page.h"
#include "tests/http/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

#define STREAM_BYTES_MAX 65536u

static unsigned cases_count;
static unsigned accepted_count;
static unsigned wrong_count;

/* Lenient or failing in llhttp, and yet right to accept here. */
static const struct {
    const char *page;
    const char *title; /* its beginning */
    const char *why;
} accepted[] = {
    {"connection.md", "### No restart when keep-alive is off",
     "closing is the caller's"},
    {"connection.md", "### Resetting flags when keep-alive is off", "the same"},
    {"connection.md", "### Multiple tokens with folding and LWS",
     "Upgrade is stripped"},
    {"connection.md", "### Setting a flag and pausing", "the same"},
    {"connection.md", "### Emitting part of body and pausing", "the same"},
    {"invalid.md", "### HTTP protocol and ANNOUNCE method", "a method is any token"},
    {"invalid.md", "### Invalid method", "the same"},
};

/* A newline of the block is CRLF, unless a backslash stands before it: then it is none.
 */
static void unfold(hf_slice block, struct hf_buf *out)
{
    while (block.bytes > 0) {
        if (hf_slice_starts_with(block, HF_SLICE("\\\n"))) {
            block = hf_slice_skip(block, 2);
        } else if (block.data[0] == '\n') {
            hf_check(hf_buf_append_cstr(out, "\r\n") == HF_OK);
            block = hf_slice_skip(block, 1);
        } else {
            escape_take(&block, out);
        }
    }
}

/* The stream with a Host field after each request line that ends in HTTP/1.1 CRLF. */
static void add_host(hf_slice stream, struct hf_buf *out)
{
    hf_slice mark = HF_SLICE("HTTP/1.1\r\n");

    while (stream.bytes > 0) {
        const uint8_t *found = memmem(stream.data, stream.bytes, mark.data, mark.bytes);
        size_t bytes =
            found == NULL ? stream.bytes : (size_t)(found - stream.data) + mark.bytes;

        hf_check(hf_buf_append(out, hf_slice_first(stream, bytes)) == HF_OK);
        if (found != NULL) {
            hf_check(hf_buf_append_cstr(out, "Host: a\r\n") == HF_OK);
        }
        stream = hf_slice_skip(stream, bytes);
    }
}

static bool is_accepted_by_rule(const char *path, const char *title)
{
    const char *name = strrchr(path, '/') + 1;

    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        if (strcmp(name, accepted[i].page) == 0 &&
            strncmp(title, accepted[i].title, strlen(accepted[i].title)) == 0) {
            return true;
        }
    }
    return false;
}

struct sample {
    struct hf_buf plain;
    struct hf_buf hosted;
    bool is_request;
    bool is_lenient;
};

static void sample_take(const struct page *page, struct sample *s)
{
    hf_buf_clear(&s->plain);
    hf_buf_clear(&s->hosted);
    unfold(page->block, &s->plain);
    add_host(hf_buf_slice(&s->plain), &s->hosted);
    s->is_lenient = strstr(page->meta, "\"request-lenient") != NULL;
    s->is_request = strstr(page->meta, "request") != NULL;
}

/* Lengths are judged when the head is complete; a sample that ends before is completed.
 */
static struct verdict verdict_completed(struct hf_buf *stream)
{
    hf_check(hf_buf_append_cstr(stream, "\r\n\r\n") == HF_OK);
    return verdict_of_all_cuts(hf_buf_slice(stream));
}

/* Compares with the log block that follows the sample. */
static void sample_judge(const char *path, const struct page *page, struct sample *s)
{
    struct verdict v = verdict_of_all_cuts(hf_buf_slice(&s->hosted));
    bool is_error =
        memmem(page->block.data, page->block.bytes, "error code", 10) != NULL;
    bool must_refuse =
        (is_error || s->is_lenient) && !is_accepted_by_rule(path, page->title);

    (void)verdict_of_all_cuts(hf_buf_slice(&s->plain));
    if (must_refuse && v.is_partial && v.messages == 0) {
        v = verdict_completed(&s->hosted);
    }
    cases_count++;
    accepted_count += v.reason == HF_REASON_NONE && !v.is_partial;
    if (must_refuse && v.reason == HF_REASON_NONE) {
        print_message("%s %s: accepted, %u messages%s%s\n", path, page->title,
                      v.messages, v.is_partial ? ", partial" : "",
                      v.is_close ? ", close" : "");
        wrong_count++;
    }
}

static void visit(const char *path)
{
    struct sample s = {.is_request = false};
    struct page page;

    hf_buf_init(&s.plain, STREAM_BYTES_MAX);
    hf_buf_init(&s.hosted, STREAM_BYTES_MAX);
    page_open(&page, path);
    while (page_next(&page)) {
        if (strcmp(page.language, "http") == 0) {
            sample_take(&page, &s);
        } else if (strcmp(page.language, "log") == 0 && s.is_request) {
            sample_judge(path, &page, &s);
            s.is_request = false;
        }
    }
    page_close(&page);
    hf_buf_fini(&s.plain);
    hf_buf_fini(&s.hosted);
}

static void what_llhttp_refuses_or_only_tolerates_is_refused(void **state)
{
    char directory[PAGE_LINE_MAX];

    (void)state;
    if (page_root() == NULL) {
        print_message("skipped: 1 vector folder missing: llhttp\n");
        skip();
    }
    (void)snprintf(directory, sizeof directory, "%s/llhttp", page_root());

    page_each(directory, visit);

    print_message("%u cases, %u accepted\n", cases_count, accepted_count);
    assert_true(cases_count >= 100);
    assert_true(accepted_count >= 20);
    assert_int_equal(wrong_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_llhttp_refuses_or_only_tolerates_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
