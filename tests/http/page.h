/* A page of test vectors: fenced code blocks of a Markdown file, one after the other.
 * Knows nothing of what the blocks mean. */
#ifndef HF_TESTS_HTTP_PAGE_H
#define HF_TESTS_HTTP_PAGE_H

#include "lib/base/slice.h"

#define PAGE_LINE_MAX 512

struct page {
    char *text; /* of the whole file */
    char *at;
    char title[PAGE_LINE_MAX]; /* last heading before the block */
    char meta[PAGE_LINE_MAX];  /* last `<!-- meta=` line before it */
    char language[32];         /* of the fence */
    hf_slice block;            /* without its last newline */
};

/* The directory VECTORS names (../shared/vectors by default), or NULL when it is
 * absent. */
const char *page_root(void);
/* Fails the test when the file cannot be read. */
void page_open(struct page *page, const char *path);
void page_close(struct page *page);
/* The next fenced block; false at the end of the page. */
bool page_next(struct page *page);
/* The cell after `| **Expected** |`, or an empty slice. */
hf_slice page_expected(const struct page *page);
/* Calls `visit` for every *.md below `directory` (one level of subdirectories), in the
 * order of their names. */
void page_each(const char *directory, void (*visit)(const char *path));

#endif
