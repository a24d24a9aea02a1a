/* Raw target -> host, canonical path, query: the only thing routing may look at.
 *
 * The eight steps of SECURITY.md 5, row `path`, in order: cut at `?`; every `%` has two
 * hex digits; %00, %2f, %5c and raw `\` refused; unreserved characters decoded once,
 * other escapes in upper case; double encoding and overlong UTF-8 refused; `//` merged;
 * dot segments removed, above the root refused. The result starts with `/`. Its worth
 * rests on idempotence: a canonical path is its own canonical path. */
#ifndef HF_HTTP_TARGET_H
#define HF_HTTP_TARGET_H

#include "lib/base/buf.h"
#include "lib/http/host.h"

#define HF_HTTP_SEGMENTS_MAX      255u
#define HF_HTTP_SEGMENT_BYTES_MAX 260u

struct hf_http_target_options {
    bool keeps_escaped_slash; /* escaped_slash=keep: %2F and %5C stay as they are */
    bool keeps_slashes;       /* merge_slashes=off */
    bool is_https;            /* scheme of the listener, for the default port */
};

struct hf_http_target {
    struct hf_http_host host; /* text_bytes 0 when HTTP/1.0 sent none */
    hf_slice path;            /* canonical, in the caller's buffer; "*" for OPTIONS * */
    hf_slice query;           /* of the head, raw, without `?`; data NULL when none */
};

/* `head` has passed hf_http_head_check. Clears `scratch` and writes the path there; the
 * result is valid until scratch changes. The authority of an absolute-form target
 * replaces Host (RFC 9112 3.2.2). HF_REASON_NONE, URL, HOSTNAME, or URL_LENGTH for more
 * than 255 segments or a segment over 260 bytes. */
HF_MUST_USE hf_reason hf_http_target_parse(const struct hf_http_head *head,
                                           struct hf_http_target_options options,
                                           struct hf_buf *scratch,
                                           struct hf_http_target *out);

/* Steps 2 to 7 on a bare path (no query). As above. `scratch` is cleared first. */
HF_MUST_USE hf_reason hf_http_path_canonical(hf_slice path,
                                             struct hf_http_target_options options,
                                             struct hf_buf *scratch, hf_slice *out);

#endif
