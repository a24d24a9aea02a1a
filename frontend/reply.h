/* Answers as bytes: a worker's response, or a problem document of our own. Each goes to
 * its hold's place in the pipeline (fe_hold_out). */
#ifndef HF_FRONTEND_REPLY_H
#define HF_FRONTEND_REPLY_H

#include "frontend/hold.h"

/* Whether the response in the record can be passed on (SECURITY.md 5); fills
 * shell->response_head and shell->fields. */
bool fe_reply_judge(struct fe_shell *shell, const struct fe_hold *hold,
                    const struct hf_record *record, bool is_streamed);
/* The head that was judged, and the record's body beyond `effect->offset`. */
void fe_reply_head(struct fe_shell *shell, struct fe_hold *hold,
                   const struct frontend_effect *effect);
/* The record's body beyond `effect->offset`. */
void fe_reply_body(struct fe_shell *shell, struct fe_hold *hold,
                   const struct frontend_effect *effect);
/* A whole answer of our own, logged and counted. The connection closes after it when
 * the request was not read to its end. */
void fe_reply_problem(struct fe_shell *shell, struct fe_hold *hold, hf_reason reason,
                      uint32_t retry_after_ms);
void fe_reply_continue(struct fe_hold *hold);

#endif
