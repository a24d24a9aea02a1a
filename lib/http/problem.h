/* Gateway errors as problem+json (RFC 9457): one reason code, no queue, token or worker
 * detail unless the caller passes it. */
#ifndef HF_HTTP_PROBLEM_H
#define HF_HTTP_PROBLEM_H

#include "lib/base/ids.h"
#include "lib/http/write.h"

struct hf_http_problem {
    hf_reason reason;       /* gives status, title and type /.holdfast/problem/<word> */
    hf_id request_id;       /* all zero: left out */
    hf_slice detail;        /* data NULL: left out; escaped when written */
    hf_slice queue;         /* only with verbosity=full; data NULL: left out */
    uint32_t retry_after_s; /* 0: left out */
};

/* Body alone (JSON, one line). */
HF_MUST_USE hf_err hf_http_problem_body(struct hf_buf *out,
                                        const struct hf_http_problem *problem);
/* Whole response, head and body; HEAD gets the head only. A reason with status 0 is a
 * fault of ours (hf_check). 405 carries Allow. */
HF_MUST_USE hf_err hf_http_write_problem(struct hf_buf *out,
                                         const struct hf_http_asker *asker,
                                         const struct hf_http_problem *problem,
                                         hf_slice date, struct hf_http_framed *framed);
/* Appends `text` as the inside of a JSON string: quotes, backslashes, controls and
 * bytes that are not UTF-8 are escaped or replaced. */
HF_MUST_USE hf_err hf_http_json_escape(struct hf_buf *out, hf_slice text);

#endif
