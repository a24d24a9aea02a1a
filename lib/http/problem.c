#include "lib/http/problem.h"

#include <stdio.h>

#define PROBLEM_BYTES_MAX 4096u
#define ALLOW             "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"

/* Length of the well-formed UTF-8 sequence at the front of `s`, or 0 (RFC 3629 4). */
static size_t utf8_bytes(hf_slice s)
{
    uint8_t lead = s.data[0];
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    size_t n = lead < 0x80                    ? 1
               : lead >= 0xc2 && lead <= 0xdf ? 2
               : lead >= 0xe0 && lead <= 0xef ? 3
               : lead >= 0xf0 && lead <= 0xf4 ? 4
                                              : 0;

    if (n == 0 || s.bytes < n || (n > 1 && (s.data[1] < low || s.data[1] > high))) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((s.data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

hf_err hf_http_json_escape(struct hf_buf *out, hf_slice text)
{
    hf_err err = HF_OK;

    hf_check(out != NULL);

    while (err == HF_OK && text.bytes > 0) {
        size_t n = utf8_bytes(text);
        uint8_t c = text.data[0];

        if (n == 0) {
            err = hf_buf_append_cstr(out, "\\ufffd");
        } else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
            err = hf_buf_printf(out, "\\u%04x", (unsigned)c);
        } else {
            err = hf_buf_append(out, hf_slice_first(text, n));
        }
        text = hf_slice_skip(text, n == 0 ? 1 : n);
    }
    return err;
}

static hf_err append_text(struct hf_buf *out, const char *name, hf_slice text)
{
    hf_err err = hf_buf_printf(out, ",\"%s\":\"", name);

    err = err == HF_OK ? hf_http_json_escape(out, text) : err;
    return err == HF_OK ? hf_buf_append_byte(out, '"') : err;
}

hf_err hf_http_problem_body(struct hf_buf *out, const struct hf_http_problem *problem)
{
    const char *word = hf_reason_word(problem->reason);
    char id[HF_ID_TEXT_BYTES + 1];
    hf_err err;

    hf_check(out != NULL);

    err = hf_buf_printf(out, "{\"type\":\"/.holdfast/problem/%s\",\"title\":\"%s\"",
                        word, hf_reason_text(problem->reason));
    err = err == HF_OK ? hf_buf_printf(out, ",\"status\":%d,\"reason\":\"%s\"",
                                       hf_reason_status(problem->reason), word)
                       : err;
    if (err == HF_OK && !hf_id_is_zero(problem->request_id)) {
        hf_id_text(problem->request_id, id);
        err = append_text(out, "request_id", hf_slice_of_cstr(id));
    }
    if (err == HF_OK && problem->detail.data != NULL) {
        err = append_text(out, "detail", problem->detail);
    }
    if (err == HF_OK && problem->queue.data != NULL) {
        err = append_text(out, "queue", problem->queue);
    }
    return err == HF_OK ? hf_buf_append_cstr(out, "}\n") : err;
}

static hf_err append_fields(struct hf_buf *fields,
                            const struct hf_http_problem *problem)
{
    hf_err err = hf_buf_append_cstr(
        fields,
        "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n");

    if (err == HF_OK && problem->retry_after_s > 0) {
        err = hf_buf_printf(fields, "Retry-After: %u\r\n", problem->retry_after_s);
    }
    if (err == HF_OK && hf_reason_status(problem->reason) == 429) {
        /* draft-ietf-httpapi-ratelimit-headers: nothing is left for so many seconds. */
        err = hf_buf_printf(fields, "RateLimit: \"queue\";r=0;t=%u\r\n",
                            problem->retry_after_s);
    }
    if (err == HF_OK && hf_reason_status(problem->reason) == 405) {
        err = hf_buf_append_cstr(fields, "Allow: " ALLOW "\r\n");
    }
    return err;
}

hf_err hf_http_write_problem(struct hf_buf *out, const struct hf_http_asker *asker,
                             const struct hf_http_problem *problem, hf_slice date,
                             struct hf_http_framed *framed)
{
    HF_AUTO(hf_buf_fini) struct hf_buf fields;
    HF_AUTO(hf_buf_fini) struct hf_buf body;
    struct hf_http_response_head head = {.date = date, .length = HF_HTTP_LENGTH_KNOWN};
    hf_err err;

    hf_check(hf_reason_status(problem->reason) != 0);

    hf_buf_init(&fields, PROBLEM_BYTES_MAX);
    hf_buf_init(&body, PROBLEM_BYTES_MAX);
    err = hf_http_problem_body(&body, problem);
    err = err == HF_OK ? append_fields(&fields, problem) : err;
    if (err != HF_OK) {
        return err;
    }
    head.status = hf_reason_status(problem->reason);
    head.fields = hf_buf_slice(&fields);
    head.body_bytes = hf_buf_bytes(&body);
    err = hf_http_write_response(out, asker, &head, framed);
    if (err != HF_OK || framed->framing == HF_HTTP_FRAMING_NONE) {
        return err;
    }
    return hf_buf_append(out, hf_buf_slice(&body));
}
