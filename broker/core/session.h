/* One authenticated link and the handles it has open. A session that is lost keeps its
 * object until what it held is settled, a bounded number of requests per step; the
 * shell's number is free for another at once. */
#ifndef HF_BROKER_CORE_SESSION_H
#define HF_BROKER_CORE_SESSION_H

#include "broker/core/state.h"

/* The session that is up under this number of the shell's; NULL if none is. */
struct session *session_find(const struct broker *b, uint32_t number);
uint32_t session_index(const struct broker *b, const struct session *s);
/* NULL at a limit. */
struct session *session_new(struct broker *b, uint32_t number, hf_key key);
/* It is over. Its handles go now, its leases and requests step by step. */
void session_lose(struct broker *b, struct session *s);
/* Its peer broke a rule: tells the shell to end it, and loses it. */
void session_violate(struct broker *b, struct session *s, hf_reason reason);
/* Settles what lost sessions held; false when more is left than this step takes. */
bool session_settle(struct broker *b);
/* Loses sessions whose leases were not renewed for lease_ms. */
void session_expire(struct broker *b);

hf_slice handle_key(const void *element); /* for handles_by_key */
/* NULL when this session has no such handle, not even one closed by the broker. */
struct handle *handle_find(const struct broker *b, const struct session *s,
                           uint32_t number);
/* NULL when there are handles_max. */
struct handle *handle_new(struct broker *b, struct session *s, uint32_t number);
/* Into the lists of `q`. */
void handle_join(struct broker *b, struct handle *h, struct queue *q);
/* Out of its queue: no more assignments. The handle stays known. */
void handle_leave(struct broker *b, struct handle *h);
void handle_free(struct broker *b, struct handle *h);
void handle_add_credit(struct broker *b, struct handle *h, uint32_t requests);
/* One credit is used. */
void handle_use_credit(struct broker *b, struct handle *h);

#endif
