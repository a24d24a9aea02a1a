/* Fields blocks: a worker's response and a client's request through the edge. What
 * comes out is a well-formed block without any field of one hop. */
#include "lib/http/edge.h"
#include "lib/http/field.h"

#define FIELDS_MAX 100u

static void check_block(hf_slice block, const char *const *forbidden, size_t count)
{
    struct hf_http_field field;

    while (hf_http_field_next(&block, &field)) {
        for (size_t i = 0; i < count; i++) {
            hf_check(
                !hf_slice_equal_nocase(field.name, hf_slice_of_cstr(forbidden[i])));
        }
    }
    hf_check(block.bytes == 0);
}

static void response(hf_slice block)
{
    static const char *const forbidden[] = {"content-length", "transfer-encoding",
                                            "connection", "date", "server"};
    struct hf_buf out;
    size_t dropped;

    hf_buf_init(&out, 2 * HF_HTTP_RESPONSE_FIELDS_BYTES_MAX);
    if (hf_http_response_filter(200, block, &out, &dropped) == HF_OK) {
        check_block(hf_buf_slice(&out), forbidden, 5);
    }
    hf_buf_fini(&out);
}

static void request(hf_slice block)
{
    static const char *const forbidden[] = {"content-length", "transfer-encoding",
                                            "connection", "upgrade", "forwarded"};
    struct hf_http_field fields[FIELDS_MAX];
    struct hf_http_network network = {.prefix_bits = 0}; /* trusts everybody */
    struct hf_http_edge edge = {.trusted_proxies = &network,
                                .trusted_proxies_count = 1};
    struct hf_http_client client = {.host = HF_SLICE("h")};
    struct hf_http_head head = {.version_minor = 1, .fields = fields};
    struct hf_buf out;
    size_t dropped;

    while (head.fields_count < FIELDS_MAX &&
           hf_http_field_next(&block, &fields[head.fields_count])) {
        head.fields_count++;
    }
    hf_buf_init(&out, 262144);
    if (hf_http_head_check(&head) == HF_REASON_NONE) {
        hf_check(head.length != HF_HTTP_LENGTH_KNOWN ||
                 head.body_bytes < 1000000000000000000);
    }
    if (hf_http_edge_fields(&edge, &head, &client, &out, &dropped) == HF_REASON_NONE) {
        check_block(hf_buf_slice(&out), forbidden, 5);
    }
    hf_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    response(hf_slice_of(data, bytes));
    request(hf_slice_of(data, bytes));
    return 0;
}
