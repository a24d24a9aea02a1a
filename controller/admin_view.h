/* Reading what the API answers, for the command line: tables for people, single values
 * for programs. The only place beside the server that sees JSON. */
#ifndef HF_CONTROLLER_ADMIN_VIEW_H
#define HF_CONTROLLER_ADMIN_VIEW_H

#include "lib/base/buf.h"

enum ct_view { CT_VIEW_STATUS, CT_VIEW_QUEUE, CT_VIEW_WORKER, CT_VIEW_SESSION };

/* Appends the table. INVALID: not the answer of a controller. */
HF_MUST_USE hf_err ct_view_render(hf_slice json, enum ct_view view, int64_t now_ms,
                                  struct hf_buf *out);
/* Appends the answer again, indented, with only the members of the view. */
HF_MUST_USE hf_err ct_view_json(hf_slice json, enum ct_view view, struct hf_buf *out);
HF_MUST_USE hf_err ct_view_number(hf_slice json, const char *name, uint64_t *out);
/* Appends the strings of a list, separated by blanks; *count is their number. */
HF_MUST_USE hf_err ct_view_names(hf_slice json, const char *name, struct hf_buf *out,
                                 size_t *count);
/* Appends a JSON object of one or more strings: name, value, name, value..., NULL. A
 * value with an '[' name ("queues[]") is split at commas into a list; one with a '#'
 * name
 * ("#life_s") is a number. */
HF_MUST_USE hf_err ct_view_object(struct hf_buf *out, const char *const *pairs);

#endif
