/* The revocation list (SECURITY.md 2.7): what is withdrawn before it expires.
 *
 * One object is either being filled or finished. It is filled from signed parts, or by
 * the controller entry by entry; lookups are for finished lists only. Whoever receives
 * lists keeps two: the finished one in force and the one whose parts are arriving.
 *
 * `until` only tells the writer when an entry may be dropped (hf_revocation_expire); a
 * reader honours every entry it was given, so that token_grace cannot outlive one. */
#ifndef HF_TOKEN_REVOCATION_H
#define HF_TOKEN_REVOCATION_H

#include "lib/token/chain.h"
#include "lib/token/document.h"

#define HF_REVOCATION_ENTRIES_MAX 50000
/* The entries of one part. With its head and signature it is a token of less than the
 * 65,535 bytes that a record's list may have. */
#define HF_REVOCATION_PART_BYTES 47104
#define HF_REVOCATION_PARTS_MAX  64
/* What an entry with a text of so many bytes takes of them: with a time or number. */
#define HF_REVOCATION_ENTRY_BYTES(text_bytes) ((text_bytes) + 28)
/* Entries of so many bytes in all always fit into the parts: a part is left with less
 * than the longest entry's room. */
#define HF_REVOCATION_BYTES_MAX                                                        \
    (HF_REVOCATION_PARTS_MAX *                                                         \
     (HF_REVOCATION_PART_BYTES -                                                       \
      HF_REVOCATION_ENTRY_BYTES((size_t)HF_QUEUE_NAME_BYTES_MAX)))

struct hf_revocation;

HF_MUST_USE hf_err hf_revocation_new(struct hf_revocation **out);
void hf_revocation_free(struct hf_revocation *list); /* NULL is legal */

/* Filling by hand. HF_ERR_FULL past HF_REVOCATION_ENTRIES_MAX, HF_ERR_INVALID for bad
 * syntax, HF_ERR_NO_MEMORY. Instants are Unix seconds. */
HF_MUST_USE hf_err hf_revocation_add_jti(struct hf_revocation *list, hf_jti jti,
                                         int64_t until_s);
HF_MUST_USE hf_err hf_revocation_add_holder(struct hf_revocation *list, hf_key holder,
                                            int64_t until_s);
HF_MUST_USE hf_err hf_revocation_add_kid(struct hf_revocation *list, const hf_kid *kid);
/* Every link of that subject issued before `issued_before_s`. */
HF_MUST_USE hf_err hf_revocation_add_subject(struct hf_revocation *list,
                                             hf_slice subject, int64_t issued_before_s);
/* No chain with a lower epoch may open that queue. */
HF_MUST_USE hf_err hf_revocation_add_queue(struct hf_revocation *list, hf_slice queue,
                                           uint64_t epoch_min);
/* The epoch floor; it never falls. */
void hf_revocation_raise_epoch(struct hf_revocation *list, uint64_t epoch_min);
/* Drops jti and holder entries whose `until` has passed. */
void hf_revocation_expire(struct hf_revocation *list, int64_t now_s);
/* Sorts; lookups are possible from here on. Adding makes it unfinished again. */
void hf_revocation_finish(struct hf_revocation *list);

/* Number of documents the list takes, at least 1, and the payload of part 0.. of them,
 * to be signed as HF_DOCUMENT_REVOCATION. `head` gives issuer, audience, seq and times.
 * HF_ERR_FULL: more than HF_REVOCATION_PARTS_MAX. The list is finished. */
size_t hf_revocation_parts(const struct hf_revocation *list);
HF_MUST_USE hf_err hf_revocation_write(const struct hf_revocation *list,
                                       const struct hf_document_head *head, size_t part,
                                       struct hf_buf *out);

/* Verifies one signed part and takes it in. A part of a newer seq empties the list
 * first; an older seq is E_STALE; a part that is there already changes nothing. When
 * the last part is in, the list is finished. Anything but HF_TOKEN_OK leaves the list
 * as it was or, when memory runs out, empty and incomplete. How old a list may be is
 * the caller's to judge: see `expires_s` of the head. */
HF_MUST_USE enum hf_token_error
hf_revocation_add_part(struct hf_revocation *list, hf_slice token,
                       const struct hf_document_context *context);
bool hf_revocation_is_complete(const struct hf_revocation *list);
/* Of the parts received; seq 0 when there were none. Only seq and times are kept. */
const struct hf_document_head *hf_revocation_head(const struct hf_revocation *list);

/* Lookups, for finished lists. */
uint64_t hf_revocation_epoch(const struct hf_revocation *list);
bool hf_revocation_has_jti(const struct hf_revocation *list, const hf_jti *jti);
bool hf_revocation_has_holder(const struct hf_revocation *list, hf_key holder);
bool hf_revocation_has_kid(const struct hf_revocation *list, const hf_kid *kid);
bool hf_revocation_has_subject(const struct hf_revocation *list, hf_slice subject,
                               int64_t issued_s);
/* Whether the queue's watermark lets a chain of that epoch in; true without a list. */
bool hf_revocation_allows_queue(const struct hf_revocation *list, hf_slice queue,
                                uint64_t epoch);

#endif
