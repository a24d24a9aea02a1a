/* Every page of Http11Probe: what it sends, against what its `Expected` row allows. */
#include "lib/http/head.h"
#include "tests/http/escape.h"
#include "tests/http/page.h"
#include "tests/http/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

#define STREAM_BYTES_MAX 262144u

static unsigned pages_count;
static unsigned refused_count;
static unsigned wrong_count;

/* `...{100,000 x 'A'}...` and `... (10,000 headers total) ...`; false when it is
 * neither. */
static bool expand(hf_slice *rest, struct hf_buf *out)
{
    char text[128];
    unsigned thousands;
    unsigned units;
    const char *brace;
    const char *quote;

    (void)snprintf(text, sizeof text, "%.*s", (int)rest->bytes,
                   (const char *)rest->data);
    if (strncmp(text, "... (10,000 headers", 19) == 0) {
        for (unsigned i = 0; i < 10000; i++) {
            hf_check(hf_buf_printf(out, "X-H-%u: value\r\n", i) == HF_OK);
        }
        *rest = hf_slice_skip(*rest, strcspn(text, "\n"));
        return true;
    }
    brace = strchr(text, '}');
    if (strncmp(text, "...{", 4) != 0 || brace == NULL ||
        sscanf(text + 4, "%u,%u", &thousands, &units) != 2) {
        return false;
    }
    quote = strchr(text, '\'');
    hf_check(quote != NULL);
    for (unsigned i = 0; i < thousands * 1000 + units; i++) {
        hf_check(hf_buf_append_byte(out, (uint8_t)quote[1]) == HF_OK);
    }
    *rest = hf_slice_skip(*rest, (size_t)(brace - text) + 4);
    return true;
}

/* Line ends are written out on these pages, so real newlines are layout. */
static void unfold(hf_slice block, struct hf_buf *out)
{
    while (block.bytes > 0) {
        if (block.data[0] == '\n') {
            block = hf_slice_skip(block, 1);
        } else if (block.data[0] != '.' || !expand(&block, out)) {
            escape_take(&block, out);
        }
    }
}

/* Where a page allows both, Holdfast refuses; these it accepts because SECURITY.md 5
 * says so, or because the answer is the worker's business. */
static const struct {
    const char *page;
    const char *why;
} accepted[] = {
    {"http10-no-host", "Host is required on 1.1 only"},
    {"http12-version", "any minor version of 1 is read as 1.1"},
    {"unknown-method", "a method is any token; the worker answers 501"},
    {"405-allow", "the same"},
    {"duplicate-ct", "Content-Type is the worker's business"},
    {"chunked-extension", "well-formed extensions are read and dropped"},
    {"absolute-form", "the authority of the target replaces Host"},
    {"absolute-uri-host-mismatch", "the same"},
    {"get-with-cl-body", "a body is forwarded with any method"},
    {"head-cl-body", "the same"},
    {"options-cl-body", "the same"},
    {"options-cl-body-desync", "the same; the next request is read after the body"},
    {"get-cl-body-desync", "the same"},
    {"cl0-body-poison", "the same"},
    {"get-cl-prefix-desync", "the same; what follows the body is refused"},
    {"expect-100-cl", "100-continue is supported"},
    {"expect-100-cl-desync", "the same"},
    {"underscore-cl", "names with `_` are dropped"},
    {"underscore-te", "the same"},
    {"transfer-encoding-underscore", "the same"},
};

static bool has(hf_slice text, const char *part)
{
    char copy[PAGE_LINE_MAX];

    (void)snprintf(copy, sizeof copy, "%.*s", (int)text.bytes, (const char *)text.data);
    return strstr(copy, part) != NULL;
}

static bool is_accepted_by_rule(const char *path)
{
    const char *name = strrchr(path, '/') + 1;

    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        if (strncmp(name, accepted[i].page, strlen(accepted[i].page)) == 0 &&
            strcmp(name + strlen(accepted[i].page), ".md") == 0) {
            return true;
        }
    }
    return false;
}

static void judge(const char *path, hf_slice expected, hf_slice stream)
{
    struct verdict v = verdict_of_all_cuts(stream);
    bool must_refuse =
        !is_accepted_by_rule(path) && (has(expected, "400") || has(expected, "417") ||
                                       has(expected, "501") || has(expected, "Reject"));
    bool must_accept =
        !must_refuse && (has(expected, "2xx") || is_accepted_by_rule(path));
    bool is_wait_fine = has(expected, "close") || has(expected, "timeout");
    bool is_refused = v.reason != HF_REASON_NONE && v.messages == 0;
    bool is_right = !must_accept || !is_refused;

    if (must_refuse) {
        is_right = is_refused || (is_wait_fine && v.is_partial && v.messages == 0);
    }
    pages_count++;
    refused_count += is_refused;
    if (!is_right) {
        print_message("%s: expected%.*s, got %u messages, %s%s\n", path,
                      (int)expected.bytes, (const char *)expected.data, v.messages,
                      hf_reason_word(v.reason), v.is_partial ? ", partial" : "");
        wrong_count++;
    }
}

static void visit(const char *path)
{
    HF_AUTO(hf_buf_fini) struct hf_buf stream;
    struct page page;

    hf_buf_init(&stream, STREAM_BYTES_MAX);
    page_open(&page, path);
    while (page_next(&page)) {
        if (strcmp(page.language, "http") == 0) {
            unfold(page.block, &stream);
            judge(path, page_expected(&page), hf_buf_slice(&stream));
            break;
        }
    }
    page_close(&page);
}

static void every_page_gets_a_verdict_it_allows(void **state)
{
    char directory[PAGE_LINE_MAX];

    (void)state;
    if (page_root() == NULL) {
        print_message("skipped: 1 vector folder missing: http11probe\n");
        skip();
    }
    (void)snprintf(directory, sizeof directory, "%s/http11probe", page_root());

    page_each(directory, visit);

    print_message("%u pages, %u refused\n", pages_count, refused_count);
    assert_true(pages_count >= 190);
    assert_true(refused_count >= 135);
    assert_int_equal(wrong_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_gets_a_verdict_it_allows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
