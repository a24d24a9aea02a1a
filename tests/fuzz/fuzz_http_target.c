/* Targets and hosts: no crash; a canonical path is its own canonical path, has no dot
 * segment and no byte that a second decoding would turn into a slash. The first line of
 * the input is the Host field, the rest the target. */
#include "lib/http/ctype.h"
#include "lib/http/target.h"

#include <string.h>

static void check_path(hf_slice path, struct hf_http_target_options options)
{
    struct hf_buf scratch;
    hf_slice again = HF_SLICE_EMPTY;

    hf_check(path.bytes > 0);
    hf_check(path.data[0] == '/');
    for (size_t i = 0; i < path.bytes; i++) {
        hf_check(hf_http_is(path.data[i], HF_HTTP_PCHAR) || path.data[i] == '/' ||
                 path.data[i] == '%');
    }
    hf_check(memmem(path.data, path.bytes, "/../", 4) == NULL);
    hf_check(memmem(path.data, path.bytes, "/./", 3) == NULL);
    hf_check(memmem(path.data, path.bytes, "%252E", 5) == NULL);
    hf_check(memmem(path.data, path.bytes, "%252f", 5) == NULL);
    hf_check(memmem(path.data, path.bytes, "%255C", 5) == NULL);
    hf_check(options.keeps_slashes || memmem(path.data, path.bytes, "//", 2) == NULL);
    hf_buf_init(&scratch, 65536);
    hf_check(hf_http_path_canonical(path, options, &scratch, &again) == HF_REASON_NONE);
    hf_check(hf_slice_equal(path, again));
    hf_buf_fini(&scratch);
}

static void check_host(const struct hf_http_host *host)
{
    struct hf_http_host again;

    if (host->text_bytes > 0) {
        hf_check(hf_http_host_parse(hf_http_host_slice(host), false, &again) == HF_OK);
        hf_check(hf_slice_equal(hf_http_host_slice(host), hf_http_host_slice(&again)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    hf_slice input = hf_slice_of(data, bytes);
    size_t line = hf_slice_find(input, '\n');
    struct hf_http_head head = {
        .method = HF_HTTP_GET,
        .host = hf_slice_first(input, line),
        .target = hf_slice_skip(input, line + 1),
    };
    struct hf_buf scratch;
    struct hf_http_target out;

    hf_buf_init(&scratch, 65536);
    for (unsigned i = 0; i < 4; i++) {
        struct hf_http_target_options options = {(i & 1) != 0, (i & 2) != 0, false};

        if (bytes > 8192 ||
            hf_http_target_parse(&head, options, &scratch, &out) != HF_REASON_NONE) {
            continue;
        }
        check_host(&out.host);
        if (!hf_slice_equal(out.path, HF_SLICE("*"))) {
            check_path(out.path, options);
        }
    }
    hf_buf_fini(&scratch);
    return 0;
}
