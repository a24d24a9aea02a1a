/* Parsers and output buffers between two uses: an idle connection owns neither, so ten
 * thousand of them cost little (PERFORMANCE.md 6.1), and a busy one takes no memory
 * from the heap. */
#ifndef HF_FRONTEND_STASH_H
#define HF_FRONTEND_STASH_H

#include "lib/base/buf.h"
#include "lib/http/parser.h"

#define FE_STASH_MAX 1024u

struct fe_stash {
    struct hf_http_parser *parsers[FE_STASH_MAX];
    uint32_t parsers_count;
    struct hf_buf outs[FE_STASH_MAX];
    uint32_t outs_count;
};

void fe_stash_fini(struct fe_stash *stash);
HF_MUST_USE hf_err fe_stash_get_parser(struct fe_stash *stash,
                                       struct hf_http_parser **out);
/* `parser` must be between two requests, or fresh; *parser becomes NULL. */
void fe_stash_take_parser(struct fe_stash *stash, struct hf_http_parser **parser);
/* Gives storage to `buf`, which has none; none in the stash: it stays without. */
void fe_stash_get_out(struct fe_stash *stash, struct hf_buf *buf);
/* Takes the storage of `buf`, which is empty. */
void fe_stash_take_out(struct fe_stash *stash, struct hf_buf *buf);

#endif
