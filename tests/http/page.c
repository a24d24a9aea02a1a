#include "tests/http/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <glob.h>
#include <sys/stat.h>
/* cmocka needs the headers above first. */
#include <cmocka.h>

#define PAGE_BYTES_MAX 1048576u

const char *page_root(void)
{
    const char *root = getenv("VECTORS");
    struct stat st;

    root = root != NULL ? root : "../shared/vectors";
    return stat(root, &st) == 0 ? root : NULL;
}

void page_open(struct page *page, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t bytes;

    assert_non_null(file);
    memset(page, 0, sizeof *page);
    page->text = calloc(1, PAGE_BYTES_MAX);
    assert_non_null(page->text);
    bytes = fread(page->text, 1, PAGE_BYTES_MAX - 1, file);
    assert_true(bytes > 0);
    (void)fclose(file);
    page->at = page->text;
}

void page_close(struct page *page)
{
    free(page->text);
    page->text = NULL;
}

/* Takes one line off the page, without its newline. */
static bool next_line(struct page *page, hf_slice *line)
{
    size_t bytes = strcspn(page->at, "\n");

    if (*page->at == 0) {
        return false;
    }
    *line = hf_slice_of(page->at, bytes);
    page->at += bytes + (page->at[bytes] == '\n');
    return true;
}

static void keep(hf_slice line, char *out, size_t out_bytes)
{
    (void)snprintf(out, out_bytes, "%.*s", (int)line.bytes, (const char *)line.data);
}

/* From the line after the opening fence to the closing one. */
static void take_block(struct page *page)
{
    const char *start = page->at;
    hf_slice line = HF_SLICE_EMPTY;

    while (next_line(page, &line) && !hf_slice_equal(line, HF_SLICE("```"))) {
    }
    page->block = hf_slice_of(start, (size_t)((const char *)line.data - start));
    if (page->block.bytes > 0) {
        page->block.bytes--;
    }
}

bool page_next(struct page *page)
{
    hf_slice line;

    while (next_line(page, &line)) {
        if (hf_slice_starts_with(line, HF_SLICE("#"))) {
            keep(line, page->title, sizeof page->title);
            page->meta[0] = 0;
        } else if (hf_slice_starts_with(line, HF_SLICE("<!-- meta="))) {
            keep(line, page->meta, sizeof page->meta);
        } else if (hf_slice_starts_with(line, HF_SLICE("```"))) {
            keep(hf_slice_skip(line, 3), page->language, sizeof page->language);
            take_block(page);
            return true;
        }
    }
    return false;
}

hf_slice page_expected(const struct page *page)
{
    const char *row = strstr(page->text, "| **Expected** |");

    if (row == NULL) {
        return HF_SLICE_EMPTY;
    }
    row += strlen("| **Expected** |");
    return hf_slice_of(row, strcspn(row, "\n"));
}

void page_each(const char *directory, void (*visit)(const char *path))
{
    static const char *const patterns[] = {"/*.md", "/*/*.md"};
    glob_t found = {0};

    for (size_t i = 0; i < 2; i++) {
        char pattern[PAGE_LINE_MAX];

        (void)snprintf(pattern, sizeof pattern, "%s%s", directory, patterns[i]);
        (void)glob(pattern, i > 0 ? GLOB_APPEND : 0, NULL, &found);
    }
    assert_true(found.gl_pathc > 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        visit(found.gl_pathv[i]);
    }
    globfree(&found);
}
